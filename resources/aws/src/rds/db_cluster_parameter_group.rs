//! `aws:rds:DbClusterParameterGroup`.
//!
//! The parameters are a part of it, and set right after it is created.

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::describe::{named, picked, same_name, with_tags};
use super::parameters::{Group, Parameter, ParameterResolved, gone};
use super::{Rds, arn, delete_group, describe, lower, tagging};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::ids::DbClusterParameterGroupName;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;

/// Settings of a database engine that clusters share.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBClusterParameterGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:DbClusterParameterGroup",
    terraform = "aws_rds_cluster_parameter_group",
    cloudformation = "AWS::RDS::DBClusterParameterGroup",
    identity = NaturalKey,
    unique(db_cluster_parameter_group_name)
)]
pub struct DbClusterParameterGroup {
    /// The name, unique in account and region. RDS keeps it in lower case.
    #[field(replace, normalize = lower)]
    pub db_cluster_parameter_group_name: Input<String>,
    /// The engine and its version for which the group is: `aurora-postgresql16`, `mysql8.0`.
    #[field(replace)]
    pub db_parameter_group_family: Input<String>,
    /// What the group is for.
    #[field(replace)]
    pub description: Input<String>,
    /// The parameters that are not the engine's defaults, in the order in which they are set. One that is taken out is reset to its default.
    #[field(set)]
    pub parameters: Option<Input<Vec<Parameter>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DbClusterParameterGroupOutputs {
    /// The name, by which clusters refer to the group.
    pub db_cluster_parameter_group_name: DbClusterParameterGroupName,
    /// The ARN.
    pub arn: Arn,
}

impl Manage for DbClusterParameterGroup {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| t.id);
        let groups = named(
            names,
            |name| describe::cluster_parameter_group(rds, name),
            || describe::cluster_parameter_groups(rds),
        )
        .await?;
        let found = picked(
            targets,
            "db_cluster_parameter_group_name",
            &groups,
            sdk::DbClusterParameterGroup::db_cluster_parameter_group_name,
        );
        let mut told = with_tags(
            aws,
            cx,
            rds,
            targets,
            &found,
            sdk::DbClusterParameterGroup::db_cluster_parameter_group_arn,
            |_, group, tags| shown(rds, group, tags),
        )
        .await?;
        // RDS tells the parameters of one group at a time.
        let asked = targets.iter().enumerate().filter(|(at, t)| found[*at].is_some() && t.wants("parameters"));
        let answers = batch::each(asked, |(at, target)| async move {
            Ok((at, gone(Group::Cluster(target.id).read(rds, target).await)))
        });
        for (at, answer) in answers.await? {
            match (answer, &mut told[at]) {
                (Ok(Some(parameters)), Found::Present { fields, .. }) => fields.parameters = super::listed(parameters),
                (Ok(None), slot) => *slot = Found::Gone,
                (Err(error), slot) => *slot = Found::Failed(error),
                (Ok(Some(_)), _) => {}
            }
        }
        Ok(told)
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DbClusterParameterGroupResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let outputs = outputs(aws, cx, &want.db_cluster_parameter_group_name).await?;
        let request = rds
            .create_db_cluster_parameter_group()
            .db_cluster_parameter_group_name(outputs.db_cluster_parameter_group_name.as_str())
            .db_parameter_group_family(&want.db_parameter_group_family)
            .description(&want.description)
            .set_tags(tagging::marked(&want.tags, intent));
        match rds.write("CreateDBClusterParameterGroup", || request.clone().send()).await {
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
        want: &DbClusterParameterGroupResolved,
    ) -> Result<Option<DbClusterParameterGroupOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        Group::Cluster(id).set(rds, cx, parameters(want)).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &DbClusterParameterGroupResolved,
        change: &DbClusterParameterGroupChange,
    ) -> Result<Option<DbClusterParameterGroupOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        if let Some(change) = &change.parameters {
            Group::Cluster(id).update(rds, cx, change).await?;
        }
        if change.tags.is_some() {
            let arn = arn(aws, cx, "cluster-pg", id).await?;
            tagging::update(rds, Some(arn.as_str()), change.tags.as_ref()).await?;
        }
        Ok(None)
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: Option<&DbClusterParameterGroupResolved>,
    ) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let request = rds.delete_db_cluster_parameter_group().db_cluster_parameter_group_name(id);
        let delete = || async {
            rds.write_idempotent("DeleteDBClusterParameterGroup", || request.clone().send()).await.map(drop)
        };
        delete_group(cx, delete, || holders(rds, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DbClusterParameterGroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_cluster_parameter_group_name.to_ascii_lowercase();
        let Some(group) = describe::cluster_parameter_group(rds, name).await? else { return Ok(None) };
        let what = format!("the cluster parameter group {name}");
        let ours = tagging::check(rds, &what, group.db_cluster_parameter_group_arn(), intent).await?;
        Ok(if ours { Some(created(want, outputs(aws, cx, name).await?)) } else { None })
    }
}

fn parameters(want: &DbClusterParameterGroupResolved) -> &[ParameterResolved] {
    want.parameters.as_deref().unwrap_or_default()
}

fn created(
    want: &DbClusterParameterGroupResolved,
    outputs: DbClusterParameterGroupOutputs,
) -> Created<DbClusterParameterGroup> {
    let complete = parameters(want).is_empty();
    Created { id: outputs.db_cluster_parameter_group_name.to_string(), outputs, complete }
}

async fn outputs(aws: &Aws, cx: &Cx, name: &str) -> Result<DbClusterParameterGroupOutputs, CloudError> {
    let name = name.to_ascii_lowercase();
    Ok(DbClusterParameterGroupOutputs {
        arn: arn(aws, cx, "cluster-pg", &name).await?,
        db_cluster_parameter_group_name: DbClusterParameterGroupName::new(name),
    })
}

fn shown(rds: &Rds, group: &sdk::DbClusterParameterGroup, tags: TagMap) -> Found<DbClusterParameterGroup> {
    let (Some(name), Some(arn)) = (group.db_cluster_parameter_group_name(), group.db_cluster_parameter_group_arn())
    else {
        return Found::Failed(
            rds.unexpected("DescribeDBClusterParameterGroups", "the answer holds a group without an ARN"),
        );
    };
    let fields = DbClusterParameterGroupResolved {
        db_cluster_parameter_group_name: name.to_owned(),
        db_parameter_group_family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        parameters: None,
        tags,
    };
    let outputs = DbClusterParameterGroupOutputs {
        db_cluster_parameter_group_name: DbClusterParameterGroupName::new(name),
        arn: Arn::new(arn),
    };
    Found::present(fields, outputs)
}

/// The databases that use a group.
async fn holders(rds: &Rds, name: &str) -> Result<Vec<String>, CloudError> {
    let clusters = describe::clusters(rds).await?;
    let uses = |c: &&sdk::DbCluster| same_name(c.db_cluster_parameter_group(), name);
    let named = |c: &sdk::DbCluster| Some(format!("the cluster {}", c.db_cluster_identifier()?));
    Ok(clusters.iter().filter(uses).filter_map(named).collect())
}
