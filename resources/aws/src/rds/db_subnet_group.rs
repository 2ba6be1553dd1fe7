//! `aws:rds:DbSubnetGroup`.
//!
//! moto deletes a group that is modified; changes are tested on ministack and against answers in the form of the API's model.

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::describe::{named, picked, same_name, with_tags};
use super::{Rds, arn, delete_group, describe, lower, once_settled, tagging, texts};
use crate::arn::Arn;
use crate::client::Aws;
use crate::ids::{DbSubnetGroupName, SubnetId};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;

/// The subnets among which RDS chooses for a database, in at least two zones.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:DbSubnetGroup",
    terraform = "aws_db_subnet_group",
    cloudformation = "AWS::RDS::DBSubnetGroup",
    identity = NaturalKey,
    unique(db_subnet_group_name)
)]
pub struct DbSubnetGroup {
    /// The name, unique in account and region. RDS keeps it in lower case.
    #[field(replace, normalize = lower)]
    pub db_subnet_group_name: Input<String>,
    /// What the group is for.
    pub db_subnet_group_description: Input<String>,
    /// The subnets, of one VPC.
    #[field(set)]
    pub subnet_ids: Input<Vec<SubnetId>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DbSubnetGroupOutputs {
    /// The name, by which databases refer to the group.
    pub db_subnet_group_name: DbSubnetGroupName,
    /// The ARN.
    pub arn: Arn,
}

impl Manage for DbSubnetGroup {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| t.id);
        let groups = named(names, |name| describe::subnet_group(rds, name), || describe::subnet_groups(rds)).await?;
        let found = picked(targets, "db_subnet_group_name", &groups, sdk::DbSubnetGroup::db_subnet_group_name);
        with_tags(aws, cx, rds, targets, &found, sdk::DbSubnetGroup::db_subnet_group_arn, |_, group, tags| {
            shown(rds, group, tags)
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DbSubnetGroupResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let outputs = outputs(aws, cx, &want.db_subnet_group_name).await?;
        let request = rds
            .create_db_subnet_group()
            .db_subnet_group_name(outputs.db_subnet_group_name.as_str())
            .db_subnet_group_description(&want.db_subnet_group_description)
            .set_subnet_ids(texts(Some(&want.subnet_ids)))
            .set_tags(tagging::marked(&want.tags, intent));
        match rds.write("CreateDBSubnetGroup", || request.clone().send()).await {
            Ok(_) => Ok(created(outputs)),
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &DbSubnetGroupResolved,
        change: &DbSubnetGroupChange,
    ) -> Result<Option<DbSubnetGroupOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        if change.subnet_ids.is_some() || change.db_subnet_group_description.is_some() {
            // The subnets must be said whatever changes.
            let request = rds
                .modify_db_subnet_group()
                .db_subnet_group_name(id)
                .set_db_subnet_group_description(
                    change.db_subnet_group_description.as_ref().and_then(|c| c.after.clone()),
                )
                .set_subnet_ids(texts(Some(&want.subnet_ids)));
            once_settled(cx, || rds.write_idempotent("ModifyDBSubnetGroup", || request.clone().send())).await?;
        }
        if change.tags.is_some() {
            let arn = arn(aws, cx, "subgrp", id).await?;
            tagging::update(rds, Some(arn.as_str()), change.tags.as_ref()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&DbSubnetGroupResolved>) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let request = rds.delete_db_subnet_group().db_subnet_group_name(id);
        let delete =
            || async { rds.write_idempotent("DeleteDBSubnetGroup", || request.clone().send()).await.map(drop) };
        delete_group(cx, delete, || holders(rds, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DbSubnetGroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_subnet_group_name.to_ascii_lowercase();
        let Some(group) = describe::subnet_group(rds, name).await? else { return Ok(None) };
        let what = format!("the subnet group {name}");
        let ours = tagging::check(rds, &what, group.db_subnet_group_arn(), intent).await?;
        Ok(if ours { Some(created(outputs(aws, cx, name).await?)) } else { None })
    }
}

fn created(outputs: DbSubnetGroupOutputs) -> Created<DbSubnetGroup> {
    Created { id: outputs.db_subnet_group_name.to_string(), outputs, complete: true }
}

async fn outputs(aws: &Aws, cx: &Cx, name: &str) -> Result<DbSubnetGroupOutputs, CloudError> {
    let name = name.to_ascii_lowercase();
    Ok(DbSubnetGroupOutputs {
        arn: arn(aws, cx, "subgrp", &name).await?,
        db_subnet_group_name: DbSubnetGroupName::new(name),
    })
}

fn shown(rds: &Rds, group: &sdk::DbSubnetGroup, tags: TagMap) -> Found<DbSubnetGroup> {
    let (Some(name), Some(arn)) = (group.db_subnet_group_name(), group.db_subnet_group_arn()) else {
        return Found::Failed(rds.unexpected("DescribeDBSubnetGroups", "the answer holds a group without an ARN"));
    };
    let fields = DbSubnetGroupResolved {
        db_subnet_group_name: name.to_owned(),
        db_subnet_group_description: group.db_subnet_group_description().unwrap_or_default().to_owned(),
        subnet_ids: group.subnets().iter().filter_map(|s| s.subnet_identifier()).map(SubnetId::new).collect(),
        tags,
    };
    let outputs = DbSubnetGroupOutputs { db_subnet_group_name: DbSubnetGroupName::new(name), arn: Arn::new(arn) };
    Found::present(fields, outputs)
}

/// The databases that stand in a group.
async fn holders(rds: &Rds, name: &str) -> Result<Vec<String>, CloudError> {
    let (instances, clusters) = futures::try_join!(describe::instances(rds), describe::clusters(rds))?;
    let instances = instances
        .iter()
        .filter(|i| same_name(i.db_subnet_group().and_then(|g| g.db_subnet_group_name()), name))
        .filter_map(|i| Some(format!("the instance {}", i.db_instance_identifier()?)));
    let clusters = clusters
        .iter()
        .filter(|c| same_name(c.db_subnet_group(), name))
        .filter_map(|c| Some(format!("the cluster {}", c.db_cluster_identifier()?)));
    Ok(instances.chain(clusters).collect())
}
