//! RDS's instances, subnet groups, parameter groups and snapshots, by phx itself: winterbaume 0.2 keeps no password in Secrets Manager, defers
//! nothing to the maintenance window, forgets half of what an instance is made with, and brings 37,000 lines along.
//!
//! An object is kept as the answer that RDS gives about it. Everything is available at once; what waits for the maintenance window waits for
//! ever, or for a change that is applied immediately. A password that RDS manages is a secret in Secrets Manager. The engines are PostgreSQL,
//! MySQL and MariaDB; there is no database, and any password that is long enough is taken and forgotten. Clusters, proxies, option groups but the
//! default ones, event subscriptions, copies of snapshots and backups in other regions do not exist. A security group or subnet that an
//! instance is in can be deleted, since EC2 does not know of the instance's interfaces.

mod catalog;
mod change;
mod groups;
mod instance;
mod making;
mod parameters;
mod replicas;
mod restore;
mod snapshots;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::kms::Kms;
use super::near::{Neighbour, Network};
use super::secretsmanager::SecretsManager;
use super::service::{Call, Own, Tags};
use super::shape::{Members, fault, limit, page, tag_list, unknown, xml_elements};
use super::wire::{Fault, Params, request_id, response};
use instance::Instance;
use parameters::ParameterGroup;
use snapshots::Snapshot;

const XMLNS: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

/// RDS in a region. Objects by their names, in lower case.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Rds {
    #[serde(default)]
    instances: BTreeMap<String, Instance>,
    #[serde(default)]
    subnet_groups: BTreeMap<String, Object>,
    #[serde(default)]
    parameter_groups: BTreeMap<String, ParameterGroup>,
    #[serde(default)]
    snapshots: BTreeMap<String, Snapshot>,
    /// Instances that are gone and whose backups were kept, by the ids that they had for their whole lives.
    #[serde(default)]
    backups: BTreeMap<String, Instance>,
    /// What is in all addresses of the account here; made with the first one.
    #[serde(default)]
    address: String,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Object {
    /// As RDS describes it, without tags.
    fields: Members,
    #[serde(default)]
    tags: Tags,
}

/// The services that RDS looks into.
pub(super) struct Others {
    pub(super) network: Network,
    pub(super) secrets: Arc<Own<SecretsManager>>,
    pub(super) kms: Arc<Own<Kms>>,
}

impl Others {
    /// The ARN of a key that RDS is told to encrypt with, by whatever name.
    fn key(&self, region: &str, said: &str) -> Result<String, Fault> {
        let found = self.kms.with(region, |kms: &mut Kms| kms.usable(region, said));
        found.ok_or_else(|| {
            let message = format!("The specified KMS key [{said}] does not exist, is not enabled or is not symmetric.");
            Fault::new("KMSKeyNotAccessibleFault", message)
        })
    }
}

/// A refusal of what was said.
fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterValue", message)
}

/// A refusal of two things said together, or of one that does not go with what there is.
fn unfit(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterCombination", message)
}

impl Neighbour for Rds {
    type Others = Others;

    fn call(&mut self, call: &Call, others: &Others) -> Result<MockResponse, Fault> {
        let form = &call.form;
        let answer = match call.action.as_str() {
            "CreateDBInstance" => self.create_instance(call, others),
            "CreateDBInstanceReadReplica" => self.create_replica(call, others),
            "DescribeDBInstances" => self.describe_instances(form),
            "ModifyDBInstance" => self.modify_instance(call, others),
            "PromoteReadReplica" => self.promote(form),
            "DeleteDBInstance" => self.delete_instance(call, others),
            "CreateDBSubnetGroup" => self.create_subnet_group(call, others),
            "DescribeDBSubnetGroups" => self.describe_subnet_groups(form),
            "ModifyDBSubnetGroup" => self.modify_subnet_group(call, others),
            "DeleteDBSubnetGroup" => self.delete_subnet_group(form),
            "CreateDBParameterGroup" => self.create_parameter_group(call),
            "DescribeDBParameterGroups" => self.describe_parameter_groups(call),
            "DeleteDBParameterGroup" => self.delete_parameter_group(form),
            "DescribeDBParameters" => self.describe_parameters(form),
            "ModifyDBParameterGroup" => self.modify_parameter_group(form),
            "ResetDBParameterGroup" => self.reset_parameter_group(form),
            "CreateDBSnapshot" => self.create_snapshot(call),
            "DescribeDBSnapshots" => self.describe_snapshots(form),
            "DeleteDBSnapshot" => self.delete_snapshot(form),
            "RestoreDBInstanceFromDBSnapshot" => self.restore_snapshot(call, others),
            "RestoreDBInstanceToPointInTime" => self.restore_moment(call, others),
            "DescribeDBInstanceAutomatedBackups" => self.describe_backups(form),
            "DeleteDBInstanceAutomatedBackup" => self.delete_backup(form),
            "DescribeDBEngineVersions" => catalog::describe_engine_versions(form),
            "DescribeOrderableDBInstanceOptions" => catalog::describe_orderable_options(form, &call.region),
            "AddTagsToResource" => self.change_tags(form, |tags| tags.extend(form.tags("Tags.Tag"))),
            "RemoveTagsFromResource" => self.change_tags(form, |tags| {
                form.list("TagKeys.member").iter().for_each(|key| drop(tags.remove(*key)));
            }),
            "ListTagsForResource" => self.list_tags(form),
            // There are none, and none can be made here.
            "DescribeDBClusters" => match form.get("DBClusterIdentifier") {
                Some(name) => Err(fault(404, "DBClusterNotFoundFault", format!("DBCluster {name} not found."))),
                None => Ok(json!({"DBClusters": {}})),
            },
            "DescribeEvents" => Ok(json!({"Events": {}})),
            _ => unknown("rds", call),
        }?;
        let (action, result, id) = (&call.action, xml_elements(&answer), request_id());
        let body = format!(
            "<{action}Response xmlns=\"{XMLNS}\"><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
        );
        Ok(response(200, "text/xml", body))
    }

    fn refusal(fault: &Fault) -> MockResponse {
        fault.query_xml()
    }

    fn tagged(&self) -> Vec<(String, Tags)> {
        let instances = self.instances.values().map(|i| (i.arn(), &i.tags));
        let snapshots = self.snapshots.values().map(|snapshot| &snapshot.object);
        let objects = self.subnet_groups.values().chain(snapshots).map(|o| (o.arn(), &o.tags));
        let groups = self.parameter_groups.values().map(|g| (g.arn.as_str(), &g.tags));
        let all = instances.chain(objects).chain(groups).filter(|(_, tags)| !tags.is_empty());
        all.map(|(arn, tags)| (arn.to_owned(), tags.clone())).collect()
    }
}

impl Object {
    fn arn(&self) -> &str {
        let names = ["DBSubnetGroupArn", "DBSnapshotArn"];
        names.iter().find_map(|name| self.fields.get(*name)?.as_str()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Rds {
    fn tags_of(&mut self, arn: &str) -> Result<&mut Tags, Fault> {
        let instances = self.instances.values_mut().map(|i| (i.arn().to_owned(), &mut i.tags));
        let snapshots = self.snapshots.values_mut().map(|snapshot| &mut snapshot.object);
        let objects = self.subnet_groups.values_mut().chain(snapshots);
        let objects = objects.map(|o| (o.arn().to_owned(), &mut o.tags));
        let groups = self.parameter_groups.values_mut().map(|g| (g.arn.clone(), &mut g.tags));
        let found = instances.chain(objects).chain(groups).find(|(there, _)| there == arn);
        let missing = || {
            let kind = arn.split(':').nth(5).unwrap_or_default();
            let code = match kind {
                "subgrp" => "DBSubnetGroupNotFoundFault",
                "pg" => "DBParameterGroupNotFound",
                "snapshot" => "DBSnapshotNotFound",
                _ => "DBInstanceNotFound",
            };
            fault(404, code, format!("{arn} not found."))
        };
        found.map(|(_, tags)| tags).ok_or_else(missing)
    }

    fn change_tags(&mut self, form: &Params, change: impl FnOnce(&mut Tags)) -> Result<Value, Fault> {
        new_tags(form)?;
        change(self.tags_of(form.required("ResourceName")?)?);
        Ok(json!({}))
    }

    fn list_tags(&mut self, form: &Params) -> Result<Value, Fault> {
        let tags = self.tags_of(form.required("ResourceName")?)?;
        Ok(json!({"TagList": {"Tag": tag_list(tags, "Key", "Value")}}))
    }
}

/// The tags of a request.
fn new_tags(form: &Params) -> Result<Tags, Fault> {
    let tags = form.tags("Tags.Tag");
    match tags.keys().find(|key| key.starts_with("aws:")) {
        Some(key) => Err(invalid(format!("The tag {key} begins with aws:, which is AWS's"))),
        None => Ok(tags),
    }
}

/// A name as RDS keeps it: in lower case. It begins with a letter and has letters, digits and hyphens, not two in a row nor one at its end.
fn name(form: &Params, parameter: &str) -> Result<String, Fault> {
    let name = form.required(parameter)?.to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let ok = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits) && name.len() <= 255;
    if !ok || name.ends_with('-') || name.contains("--") {
        return Err(invalid(format!(
            "The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )));
    }
    Ok(name)
}

/// Refuses a request that says something that is not emulated: it would be lost.
fn only(form: &Params, operation: &str, known: &[&str]) -> Result<(), Fault> {
    let names = form.iter().map(|(name, _)| name.split('.').next().unwrap_or_default());
    let mut others = names.filter(|name| !["Action", "Version"].contains(name) && !known.contains(name));
    match others.next() {
        Some(other) => Err(Fault::not_implemented(&format!("{other} of rds:{operation}"))),
        None => Ok(()),
    }
}

/// A page of a list, in RDS's form.
fn listed(form: &Params, list: &str, item: &str, all: Vec<Value>) -> Result<Value, Fault> {
    let (all, next) = page(all, form.get("Marker"), limit(&json!(form.get("MaxRecords")), 100))?;
    Ok(json!({list: {item: all}, "Marker": next}))
}

/// The filters of a request: the names with their values.
fn filters<'f>(form: &'f Params, known: &[&str]) -> Result<Vec<(&'f str, Vec<&'f str>)>, Fault> {
    // The prefixes are made anew each time, what they lead to is the form's.
    let mut filters = Vec::new();
    for filter in form.members("Filters.Filter") {
        let name = form.required(&format!("{filter}.Name"))?;
        if !known.contains(&name) {
            return Err(invalid(format!("Unrecognized filter name: {name}")));
        }
        filters.push((name, form.list(&format!("{filter}.Values.Value"))));
    }
    Ok(filters)
}
