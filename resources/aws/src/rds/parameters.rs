//! What parameter groups of instances and of clusters share: the parameters.
//!
//! moto cannot reset a parameter and tells every parameter as it was set; resetting and engine defaults are tested against answers in the form
//! of the API's model.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::typed::FieldChange;
use phx_model::value::Val;
use phx_model::{Block, CloudError, Input, Value};

use super::{Rds, once_settled};
use crate::batch;
use crate::forms::in_order_of;
use crate::manage::Target;

/// How many parameters one call changes.
const PER_CALL: usize = 20;
/// How many parameters a page holds, at most.
const PAGE: i32 = 100;
const PENDING_REBOOT: &str = "pending-reboot";

/// A parameter of a database engine that is not the engine's default.
#[derive(Clone, Debug, Block)]
pub struct Parameter {
    /// The name: `max_connections`.
    pub parameter_name: Input<String>,
    /// The value, as text.
    pub parameter_value: Input<String>,
    /// When a value is applied that is set or changed: `immediate` (only dynamic parameters) or `pending-reboot`. Unset, dynamic parameters are
    /// applied at once, and others when the database is next restarted.
    #[field(cloud_default)]
    pub apply_method: Option<Input<String>>,
}

/// A group of parameters, of instances or of clusters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Group<'a> {
    /// A `DBParameterGroup`.
    Instance(&'a str),
    /// A `DBClusterParameterGroup`.
    Cluster(&'a str),
}

impl Group<'_> {
    /// One page of parameters: those that were set (`user`), or these, or all.
    async fn page(
        self,
        rds: &Rds,
        user: bool,
        names: &[String],
        marker: Option<String>,
    ) -> Result<(Vec<sdk::Parameter>, Option<String>), CloudError> {
        let source = user.then(|| "user".to_owned());
        let filter = || sdk::Filter::builder().name("parameter-name").set_values(Some(names.to_vec())).build();
        let filters = (!names.is_empty()).then(|| vec![filter()]);
        match self {
            Self::Instance(name) => {
                let request = rds
                    .describe_db_parameters()
                    .db_parameter_group_name(name)
                    .set_source(source)
                    .set_filters(filters)
                    .max_records(PAGE)
                    .set_marker(marker);
                let answer = rds.read("DescribeDBParameters", || request.clone().send()).await?;
                Ok((answer.parameters.unwrap_or_default(), answer.marker))
            }
            Self::Cluster(name) => {
                let request = rds
                    .describe_db_cluster_parameters()
                    .db_cluster_parameter_group_name(name)
                    .set_source(source)
                    .set_filters(filters)
                    .max_records(PAGE)
                    .set_marker(marker);
                let answer = rds.read("DescribeDBClusterParameters", || request.clone().send()).await?;
                Ok((answer.parameters.unwrap_or_default(), answer.marker))
            }
        }
    }

    async fn modify(self, rds: &Rds, cx: &Cx, parameters: Vec<sdk::Parameter>) -> Result<(), CloudError> {
        match self {
            Self::Instance(name) => {
                let request =
                    rds.modify_db_parameter_group().db_parameter_group_name(name).set_parameters(Some(parameters));
                let send = || rds.write_idempotent("ModifyDBParameterGroup", || request.clone().send());
                once_settled(cx, send).await.map(drop)
            }
            Self::Cluster(name) => {
                let request = rds
                    .modify_db_cluster_parameter_group()
                    .db_cluster_parameter_group_name(name)
                    .set_parameters(Some(parameters));
                let send = || rds.write_idempotent("ModifyDBClusterParameterGroup", || request.clone().send());
                once_settled(cx, send).await.map(drop)
            }
        }
    }

    async fn reset(self, rds: &Rds, cx: &Cx, parameters: Vec<sdk::Parameter>) -> Result<(), CloudError> {
        match self {
            Self::Instance(name) => {
                let request =
                    rds.reset_db_parameter_group().db_parameter_group_name(name).set_parameters(Some(parameters));
                let send = || rds.write_idempotent("ResetDBParameterGroup", || request.clone().send());
                once_settled(cx, send).await.map(drop)
            }
            Self::Cluster(name) => {
                let request = rds
                    .reset_db_cluster_parameter_group()
                    .db_cluster_parameter_group_name(name)
                    .set_parameters(Some(parameters));
                let send = || rds.write_idempotent("ResetDBClusterParameterGroup", || request.clone().send());
                once_settled(cx, send).await.map(drop)
            }
        }
    }

    /// The parameters that were set.
    async fn set_ones(self, rds: &Rds) -> Result<Vec<sdk::Parameter>, CloudError> {
        batch::pages(|marker| self.page(rds, true, &[], marker)).await
    }

    /// These parameters, whether they were set or not.
    async fn these(self, rds: &Rds, names: &[String]) -> Result<Vec<sdk::Parameter>, CloudError> {
        let groups = batch::each(names.chunks(PER_CALL), |names| {
            batch::pages(move |marker| self.page(rds, false, names, marker))
        });
        Ok(groups.await?.into_iter().flatten().collect())
    }

    /// The parameters that are set in the group, in the program's order.
    ///
    /// One that is set to what is the engine's default anyway RDS does not count as set; those of the program's that are missing are
    /// therefore asked for by name.
    pub(crate) async fn read(self, rds: &Rds, target: &Target<'_>) -> Result<Vec<ParameterResolved>, CloudError> {
        let wanted = wanted(target);
        let mut there = self.set_ones(rds).await?;
        let told: BTreeSet<&str> = there.iter().filter_map(sdk::Parameter::parameter_name).collect();
        let missing: Vec<String> =
            wanted.iter().map(|w| w.parameter_name.clone()).filter(|name| !told.contains(name.as_str())).collect();
        if !missing.is_empty() {
            let by_name = self.these(rds, &missing).await?;
            // Not every endpoint heeds a filter.
            let asked = |p: &sdk::Parameter| p.parameter_name().is_some_and(|name| missing.iter().any(|m| m == name));
            there.extend(by_name.into_iter().filter(asked));
        }
        let mut parameters: Vec<_> = there.into_iter().filter_map(from_sdk).collect();
        // The method is how a value is applied, and nothing that RDS keeps: it tells `pending-reboot` of what nobody changed, and ignores a change
        // of the method alone. So beside the value that the program set stands the method that it set.
        for parameter in &mut parameters {
            let set = |w: &&ParameterResolved| {
                w.parameter_name == parameter.parameter_name && w.parameter_value == parameter.parameter_value
            };
            if let Some(method) = wanted.iter().find(set).and_then(|w| w.apply_method.clone()) {
                parameter.apply_method = Some(method);
            }
        }
        Ok(in_order_of::<Parameter>(target.inputs.get("parameters"), parameters))
    }

    /// Sets parameters.
    pub(crate) async fn set(self, rds: &Rds, cx: &Cx, want: &[ParameterResolved]) -> Result<(), CloudError> {
        self.update(rds, cx, &FieldChange { before: None, after: Some(want.to_vec()) }).await
    }

    /// Sets what is new or different, and resets what is no longer set.
    pub(crate) async fn update(
        self,
        rds: &Rds,
        cx: &Cx,
        change: &FieldChange<Vec<ParameterResolved>>,
    ) -> Result<(), CloudError> {
        let (extra, different) = difference(change);
        let open = different.iter().filter(|p| p.apply_method.is_none()).chain(&extra);
        let methods = self.methods(rds, open.map(|p| p.parameter_name.clone()).collect()).await?;
        let method = |name: &str| methods.get(name).copied().unwrap_or(PENDING_REBOOT);
        for some in extra.chunks(PER_CALL) {
            let some = some.iter().map(|p| to_sdk(&p.parameter_name, None, method(&p.parameter_name)));
            self.reset(rds, cx, some.collect()).await?;
        }
        for some in different.chunks(PER_CALL) {
            let some = some.iter().map(|p| {
                let method = p.apply_method.as_deref().unwrap_or_else(|| method(&p.parameter_name));
                to_sdk(&p.parameter_name, Some(&p.parameter_value), method)
            });
            self.modify(rds, cx, some.collect()).await?;
        }
        Ok(())
    }

    /// How these parameters are applied soonest.
    async fn methods(self, rds: &Rds, names: Vec<String>) -> Result<BTreeMap<String, &'static str>, CloudError> {
        let method = |p: sdk::Parameter| {
            let dynamic = p.apply_type() == Some("dynamic");
            Some((p.parameter_name?, if dynamic { "immediate" } else { PENDING_REBOOT }))
        };
        Ok(self.these(rds, &names).await?.into_iter().filter_map(method).collect())
    }
}

/// What is no longer set, and what is new or different.
fn difference(change: &FieldChange<Vec<ParameterResolved>>) -> (Vec<ParameterResolved>, Vec<ParameterResolved>) {
    let (before, after) = (change.before.as_deref().unwrap_or_default(), change.after.as_deref().unwrap_or_default());
    let same_name = |a: &ParameterResolved, b: &ParameterResolved| a.parameter_name == b.parameter_name;
    let extra = before.iter().filter(|b| after.iter().all(|a| !same_name(a, b)));
    let differs = |a: &&ParameterResolved| {
        let before = before.iter().find(|b| same_name(a, b));
        before.is_none_or(|b| {
            b.parameter_value != a.parameter_value || (a.apply_method.is_some() && a.apply_method != b.apply_method)
        })
    };
    (extra.cloned().collect(), after.iter().filter(differs).cloned().collect())
}

/// The parameters that the program sets.
fn wanted(target: &Target<'_>) -> Vec<ParameterResolved> {
    let list = target.inputs.get("parameters").map(Value::expose);
    list.and_then(|list| Vec::<Parameter>::from_value(list).ok()).unwrap_or_default()
}

fn from_sdk(parameter: sdk::Parameter) -> Option<ParameterResolved> {
    Some(ParameterResolved {
        parameter_name: parameter.parameter_name?,
        parameter_value: parameter.parameter_value?,
        apply_method: parameter.apply_method.map(|m| m.as_str().to_owned()),
    })
}

fn to_sdk(name: &str, value: Option<&str>, method: &str) -> sdk::Parameter {
    sdk::Parameter::builder()
        .parameter_name(name)
        .set_parameter_value(value.map(str::to_owned))
        .apply_method(method.into())
        .build()
}

/// What reading an object's parameters gave: nothing if the group went away meanwhile.
pub(crate) fn gone<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
