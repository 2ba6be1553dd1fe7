//! `aws:rds:OptionGroup`.
//!
//! moto keeps of an option only its name and its settings; ports, versions and security groups are tested against answers in the form of
//! the API's model.

use std::collections::BTreeSet;

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::value::Val;
use phx_model::{Block, CloudError, Input, Outputs, Resource, Value};

use super::describe::{named, picked, same_name, with_tags};
use super::{Rds, arn, delete_group, describe, listed, lower, once_assumable, once_settled, tagging, texts};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::in_order_of;
use crate::ids::{OptionGroupName, SecurityGroupId};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;

/// Features of a database engine that instances share.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateOptionGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:OptionGroup",
    terraform = "aws_db_option_group",
    cloudformation = "AWS::RDS::OptionGroup",
    identity = NaturalKey,
    unique(option_group_name)
)]
pub struct OptionGroup {
    /// The name, unique in account and region. RDS keeps it in lower case.
    #[field(replace, normalize = lower)]
    pub option_group_name: Input<String>,
    /// The engine that the group is for: `mysql`, `oracle-ee`, `sqlserver-se` … .
    #[field(replace)]
    pub engine_name: Input<String>,
    /// The engine's major version: `8.0`.
    #[field(replace)]
    pub major_engine_version: Input<String>,
    /// What the group is for.
    #[field(replace)]
    pub option_group_description: Input<String>,
    /// The options.
    #[field(set)]
    pub options: Option<Input<Vec<RdsOption>>>,
    /// Whether changes of the options reach instances at once, and not in their maintenance windows.
    #[field(write_only)]
    pub apply_immediately: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// A feature that is switched on.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_OptionConfiguration.html>
#[derive(Clone, Debug, Block)]
pub struct RdsOption {
    /// The option's name: `MARIADB_AUDIT_PLUGIN`.
    pub option_name: Input<String>,
    /// The port that it listens on, if it does.
    #[field(cloud_default)]
    pub port: Option<Input<i32>>,
    /// Its version.
    #[field(cloud_default)]
    pub option_version: Option<Input<String>>,
    /// The DB security groups that may reach its port. They exist outside VPCs only.
    #[field(set)]
    pub db_security_group_memberships: Option<Input<Vec<String>>>,
    /// The security groups that may reach its port.
    #[field(set)]
    pub vpc_security_group_memberships: Option<Input<Vec<SecurityGroupId>>>,
    /// The settings that are not the option's defaults.
    #[field(set)]
    pub option_settings: Option<Input<Vec<OptionSetting>>>,
}

/// A setting of an option.
#[derive(Clone, Debug, Block)]
pub struct OptionSetting {
    /// The name.
    pub name: Input<String>,
    /// The value, as text. It may be a password (`AGENT_REGISTRATION_PASSWORD`), so it is kept from view, as AWS keeps it.
    #[field(secret)]
    pub value: Input<String>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct OptionGroupOutputs {
    /// The name, by which databases refer to the group.
    pub option_group_name: OptionGroupName,
    /// The ARN.
    pub arn: Arn,
}

impl Manage for OptionGroup {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| t.id);
        let groups = named(names, |name| describe::option_group(rds, name), || describe::option_groups(rds)).await?;
        let found = picked(targets, "option_group_name", &groups, sdk::OptionGroup::option_group_name);
        let arn = sdk::OptionGroup::option_group_arn;
        with_tags(aws, cx, rds, targets, &found, arn, |target, group, tags| shown(rds, target, group, tags)).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &OptionGroupResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let outputs = outputs(aws, cx, &want.option_group_name).await?;
        let request = rds
            .create_option_group()
            .option_group_name(outputs.option_group_name.as_str())
            .engine_name(&want.engine_name)
            .major_engine_version(&want.major_engine_version)
            .option_group_description(&want.option_group_description)
            .set_tags(tagging::marked(&want.tags, intent));
        match rds.write("CreateOptionGroup", || request.clone().send()).await {
            Ok(_) => Ok(created(want, outputs)),
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &OptionGroupResolved,
    ) -> Result<Option<OptionGroupOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let change = FieldChange { before: None, after: want.options.clone() };
        modify(rds, cx, id, want, &change).await.map(|()| None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &OptionGroupResolved,
        change: &OptionGroupChange,
    ) -> Result<Option<OptionGroupOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        if let Some(change) = &change.options {
            modify(rds, cx, id, want, change).await?;
        }
        if change.tags.is_some() {
            let arn = arn(aws, cx, "og", id).await?;
            tagging::update(rds, Some(arn.as_str()), change.tags.as_ref()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&OptionGroupResolved>) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let request = rds.delete_option_group().option_group_name(id);
        let delete = || async { rds.write_idempotent("DeleteOptionGroup", || request.clone().send()).await.map(drop) };
        delete_group(cx, delete, || holders(rds, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &OptionGroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.option_group_name.to_ascii_lowercase();
        let Some(group) = describe::option_group(rds, name).await? else { return Ok(None) };
        let ours = tagging::check(rds, &format!("the option group {name}"), group.option_group_arn(), intent).await?;
        Ok(if ours { Some(created(want, outputs(aws, cx, name).await?)) } else { None })
    }
}

fn created(want: &OptionGroupResolved, outputs: OptionGroupOutputs) -> Created<OptionGroup> {
    let complete = want.options.as_deref().unwrap_or_default().is_empty();
    Created { id: outputs.option_group_name.to_string(), outputs, complete }
}

async fn outputs(aws: &Aws, cx: &Cx, name: &str) -> Result<OptionGroupOutputs, CloudError> {
    let name = name.to_ascii_lowercase();
    Ok(OptionGroupOutputs { arn: arn(aws, cx, "og", &name).await?, option_group_name: OptionGroupName::new(name) })
}

/// Puts options in that are new or different, and takes those out that are no longer wished for.
async fn modify(
    rds: &Rds,
    cx: &Cx,
    id: &str,
    want: &OptionGroupResolved,
    change: &FieldChange<Vec<RdsOptionResolved>>,
) -> Result<(), CloudError> {
    let (include, remove) = difference(change);
    if include.is_empty() && remove.is_empty() {
        return Ok(());
    }
    let request = rds
        .modify_option_group()
        .option_group_name(id)
        .set_options_to_include(listed(include))
        .set_options_to_remove(listed(remove))
        .set_apply_immediately(want.apply_immediately);
    // A setting may name a role that was made just now.
    let send = || rds.write_idempotent("ModifyOptionGroup", || request.clone().send());
    once_settled(cx, || once_assumable(cx, send)).await.map(drop)
}

fn difference(change: &FieldChange<Vec<RdsOptionResolved>>) -> (Vec<sdk::OptionConfiguration>, Vec<String>) {
    let (before, after) = (change.before.as_deref().unwrap_or_default(), change.after.as_deref().unwrap_or_default());
    let include = after.iter().filter(|option| !before.contains(option)).map(|option| {
        let before = before.iter().find(|b| b.option_name == option.option_name);
        sdk::OptionConfiguration::builder()
            .option_name(&option.option_name)
            .set_port(option.port)
            .set_option_version(option.option_version.clone())
            .set_db_security_group_memberships(option.db_security_group_memberships.clone())
            .set_vpc_security_group_memberships(texts(option.vpc_security_group_memberships.as_ref()))
            .set_option_settings(settings(option, before))
            .build()
    });
    let kept: BTreeSet<&str> = after.iter().map(|option| option.option_name.as_str()).collect();
    let remove = before.iter().map(|b| &b.option_name).filter(|name| !kept.contains(name.as_str()));
    (include.collect(), remove.cloned().collect())
}

/// The settings to send. One that is no longer set becomes the option's default again when it is sent without a value.
fn settings(option: &RdsOptionResolved, before: Option<&RdsOptionResolved>) -> Option<Vec<sdk::OptionSetting>> {
    let wanted = option.option_settings.as_deref().unwrap_or_default();
    let set = wanted.iter().map(|s| sdk::OptionSetting::builder().name(&s.name).value(&s.value).build());
    let before = before.and_then(|b| b.option_settings.as_deref()).unwrap_or_default();
    let dropped = before.iter().filter(|b| wanted.iter().all(|w| w.name != b.name));
    let reset = dropped.map(|b| sdk::OptionSetting::builder().name(&b.name).build());
    listed(set.chain(reset).collect())
}

fn shown(rds: &Rds, target: &Target<'_>, group: &sdk::OptionGroup, tags: TagMap) -> Found<OptionGroup> {
    let (Some(name), Some(arn)) = (group.option_group_name(), group.option_group_arn()) else {
        return Found::Failed(rds.unexpected("DescribeOptionGroups", "the answer holds a group without an ARN"));
    };
    let wanted = wanted(target);
    let options = group.options().iter().filter_map(|option| from_sdk(option, &wanted)).collect();
    let fields = OptionGroupResolved {
        option_group_name: name.to_owned(),
        engine_name: group.engine_name().unwrap_or_default().to_owned(),
        major_engine_version: group.major_engine_version().unwrap_or_default().to_owned(),
        option_group_description: group.option_group_description().unwrap_or_default().to_owned(),
        options: listed(in_order_of::<RdsOption>(target.inputs.get("options"), options)),
        apply_immediately: None,
        tags,
    };
    let outputs = OptionGroupOutputs { option_group_name: OptionGroupName::new(name), arn: Arn::new(arn) };
    Found::present(fields, outputs)
}

/// The options that the program sets.
fn wanted(target: &Target<'_>) -> Vec<RdsOptionResolved> {
    let list = target.inputs.get("options").map(Value::expose);
    list.and_then(|list| Vec::<RdsOption>::from_value(list).ok()).unwrap_or_default()
}

/// An option as a program would set it. RDS tells all settings; those count that the program sets or that are not the defaults.
fn from_sdk(option: &sdk::Option, wanted: &[RdsOptionResolved]) -> Option<RdsOptionResolved> {
    let option_name = option.option_name.clone()?;
    let wanted = wanted.iter().find(|w| w.option_name == option_name);
    let set: BTreeSet<&str> =
        wanted.iter().flat_map(|w| w.option_settings.iter().flatten()).map(|s| s.name.as_str()).collect();
    let counts = |s: &&sdk::OptionSetting| {
        s.name().is_some_and(|name| set.contains(name))
            || (s.is_modifiable() != Some(false) && s.value() != s.default_value())
    };
    let setting =
        |s: &sdk::OptionSetting| Some(OptionSettingResolved { name: s.name.clone()?, value: s.value.clone()? });
    let leaving = |status: Option<&str>| status.is_some_and(|s| s.starts_with("remov"));
    let db_groups = option.db_security_group_memberships().iter().filter(|g| !leaving(g.status()));
    let vpc_groups = option.vpc_security_group_memberships().iter().filter(|g| !leaving(g.status()));
    Some(RdsOptionResolved {
        option_name,
        port: option.port,
        option_version: option.option_version.clone(),
        db_security_group_memberships: listed(db_groups.filter_map(|g| g.db_security_group_name.clone()).collect()),
        vpc_security_group_memberships: listed(
            vpc_groups.filter_map(|g| g.vpc_security_group_id()).map(SecurityGroupId::new).collect(),
        ),
        option_settings: listed(option.option_settings().iter().filter(counts).filter_map(setting).collect()),
    })
}

/// The databases and snapshots that use a group.
async fn holders(rds: &Rds, name: &str) -> Result<Vec<String>, CloudError> {
    let (instances, snapshots) = futures::try_join!(describe::instances(rds), describe::manual_snapshots(rds))?;
    let instances = instances
        .iter()
        .filter(|i| i.option_group_memberships().iter().any(|g| same_name(g.option_group_name(), name)))
        .filter_map(|i| Some(format!("the instance {}", i.db_instance_identifier()?)));
    let snapshots = snapshots
        .iter()
        .filter(|s| same_name(s.option_group_name(), name))
        .filter_map(|s| Some(format!("the snapshot {}", s.db_snapshot_identifier()?)));
    Ok(instances.chain(snapshots).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, settings: &[(&str, &str)]) -> RdsOptionResolved {
        let setting = |(name, value): &(&str, &str)| OptionSettingResolved {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        RdsOptionResolved {
            option_name: name.to_owned(),
            port: None,
            option_version: None,
            db_security_group_memberships: None,
            vpc_security_group_memberships: None,
            option_settings: listed(settings.iter().map(setting).collect()),
        }
    }

    #[test]
    fn only_options_that_differ_are_sent() {
        let change = FieldChange {
            before: Some(vec![option("SAME", &[]), option("OTHER", &[("a", "1"), ("b", "1")]), option("GONE", &[])]),
            after: Some(vec![option("SAME", &[]), option("OTHER", &[("a", "2")]), option("NEW", &[])]),
        };
        let (include, remove) = difference(&change);
        assert_eq!(remove, ["GONE"]);
        assert_eq!(include.iter().filter_map(|o| o.option_name()).collect::<Vec<_>>(), ["OTHER", "NEW"]);
        let sent: Vec<_> = include[0].option_settings().iter().map(|s| (s.name(), s.value())).collect();
        assert_eq!(sent, [(Some("a"), Some("2")), (Some("b"), None)]);
    }
}
