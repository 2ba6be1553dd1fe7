//! [`NodeGroup`].
//!
//! moto forgets the update and repair configurations of a new node group, invents a key pair for one without, cannot tag one that is there, and
//! carries out every change at once. No emulator changes versions, fails a node group, or knows warm pools: those parts follow the service
//! model alone.

use std::collections::BTreeMap;

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::node_group_blocks::{
    NodeLaunchTemplate, NodeRepairConfig, NodeUpdateConfig, RemoteAccess, ScalingConfig, Taint, WarmPoolConfig,
};
use super::{
    Eks, EksClusterName, Update, create_named, deleted, failed, going, issues, node_group_convert as convert,
    once_free, once_known, settled, split, texts, update_tags,
};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::ids::{AutoScalingGroupName, SecurityGroupId, SubnetId};
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::with_intent;
use crate::wait::{Stage, until};
use crate::{batch, owner};

/// Nodes of a cluster that EKS makes and replaces by itself, in an Auto Scaling group of its own.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:NodeGroup",
    terraform = "aws_eks_node_group",
    cloudformation = "AWS::EKS::Nodegroup",
    identity = NaturalKey,
    unique(cluster_name, nodegroup_name)
)]
pub struct NodeGroup {
    /// The cluster.
    #[field(replace)]
    pub cluster_name: Input<EksClusterName>,
    /// The name, unique in the cluster.
    #[field(replace)]
    pub nodegroup_name: Input<String>,
    /// The role of the nodes.
    #[field(replace)]
    pub node_role: Input<Arn>,
    /// The subnets that nodes stand in.
    #[field(replace, set)]
    pub subnets: Input<Vec<SubnetId>>,
    /// How many nodes there are.
    #[field(cloud_default)]
    pub scaling_config: Option<Input<ScalingConfig>>,
    /// The size of a node's root disk in GiB. EKS's default: 20, and 50 for Windows. A launch template says it instead.
    #[field(replace, cloud_default)]
    pub disk_size: Option<Input<i32>>,
    /// The types of the nodes' instances, the preferred one first. EKS's default: `t3.medium`. A launch template may say it instead.
    #[field(replace, cloud_default)]
    pub instance_types: Option<Input<Vec<String>>>,
    /// What image nodes are made from: `AL2023_x86_64_STANDARD`, `BOTTLEROCKET_ARM_64` and others; `CUSTOM` if the launch template names one.
    #[field(replace, cloud_default)]
    pub ami_type: Option<Input<String>>,
    /// `ON_DEMAND` (the default), `SPOT` or `CAPACITY_BLOCK`.
    #[field(replace, cloud_default)]
    pub capacity_type: Option<Input<String>>,
    /// Who may log in to the nodes. Unset, nobody. A launch template says it instead.
    #[field(replace)]
    pub remote_access: Option<Input<RemoteAccess>>,
    /// The Kubernetes labels of the nodes.
    pub labels: Option<Input<BTreeMap<String, String>>>,
    /// The Kubernetes taints of the nodes, up to 50.
    #[field(set)]
    pub taints: Option<Input<Vec<Taint>>>,
    /// The launch template that nodes are made from. Unset, EKS makes one. Its version can be changed in place; there is no way from EKS's own to
    /// one of the program's, nor back.
    pub launch_template: Option<Input<NodeLaunchTemplate>>,
    /// How nodes are replaced when a version changes.
    #[field(cloud_default)]
    pub update_config: Option<Input<NodeUpdateConfig>>,
    /// Whether EKS replaces nodes that are not well.
    #[field(cloud_default)]
    pub node_repair_config: Option<Input<NodeRepairConfig>>,
    /// The version of Kubernetes that nodes run: the cluster's, or an older one until it is changed. A change replaces all nodes, one after the
    /// other. Not with an image of the launch template.
    #[field(cloud_default)]
    pub version: Option<Input<String>>,
    /// The version of the image: `1.33.1-20250704`. A change replaces all nodes, one after the other. Unset, the newest when the node group is
    /// made.
    #[field(cloud_default)]
    pub release_version: Option<Input<String>>,
    /// Whether nodes are replaced even where that takes away pods that a disruption budget protects.
    #[field(write_only)]
    pub force: Option<Input<bool>>,
    /// Instances kept ready to become nodes. Unset, there are none.
    pub warm_pool_config: Option<Input<WarmPoolConfig>>,
    /// The tags of the node group itself; its instances and its Auto Scaling group do not get them.
    pub tags: Tags,
}

/// What AWS decides of a [`NodeGroup`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct NodeGroupOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The names of the Auto Scaling groups that hold the nodes: one.
    pub auto_scaling_groups: Vec<AutoScalingGroupName>,
    /// The security group that lets in whoever `remote_access` names.
    pub remote_access_security_group: Option<SecurityGroupId>,
    /// The version of Kubernetes that nodes run.
    #[output(volatile)]
    pub version: Option<String>,
    /// The version of the image that nodes are made from.
    #[output(volatile)]
    pub release_version: Option<String>,
}

impl Manage for NodeGroup {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        batch::each(targets, |target| async { Ok(read(eks, target).await.unwrap_or_else(Found::Failed)) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &NodeGroupResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let request = &eks
            .create_nodegroup()
            .client_request_token(client_token(intent))
            .cluster_name(want.cluster_name.as_str())
            .nodegroup_name(&want.nodegroup_name)
            .node_role(want.node_role.as_str())
            .set_subnets(Some(texts(&want.subnets)))
            .set_scaling_config(want.scaling_config.as_ref().map(convert::scaling))
            .set_disk_size(want.disk_size)
            .set_instance_types(want.instance_types.clone())
            .set_ami_type(want.ami_type.as_deref().map(Into::into))
            .set_capacity_type(want.capacity_type.as_deref().map(Into::into))
            .set_remote_access(want.remote_access.as_ref().map(convert::remote_access))
            .set_labels(want.labels.as_ref().map(|labels| labels.clone().into_iter().collect()))
            .set_taints(want.taints.as_ref().map(|taints| taints.iter().map(convert::taint).collect()))
            .set_launch_template(want.launch_template.as_ref().map(convert::launch_template))
            .set_update_config(want.update_config.as_ref().map(convert::update_config))
            .set_node_repair_config(want.node_repair_config.as_ref().map(convert::repair))
            .set_version(want.version.clone())
            .set_release_version(want.release_version.clone())
            .set_warm_pool_config(want.warm_pool_config.as_ref().map(convert::warm_pool))
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let send = || async move {
            let send = || eks.write("CreateNodegroup", || request.clone().send());
            let answer = once_known(cx, send).await?;
            let group = answer.nodegroup.as_ref().and_then(created);
            group.ok_or_else(|| eks.unexpected("CreateNodegroup", "the answer names no node group"))
        };
        create_named(cx, send, || Self::find(aws, cx, want, intent)).await
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &NodeGroupResolved,
    ) -> Result<Option<NodeGroupOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let group = usable(eks, cx, id, None).await?;
        if state(&group) == "DEGRADED" {
            return Err(failed(&format!("node group {id}"), state(&group), &problems(&group)));
        }
        Ok(outputs(&group))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &NodeGroupResolved,
        change: &NodeGroupChange,
    ) -> Result<Option<NodeGroupOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        // What an earlier attempt began is over first, so that only what is still missing is asked for.
        let mut group = usable(eks, cx, id, None).await?;
        let now = convert::fields(&group, None).ok_or_else(|| incomplete(eks))?;
        convert::refuse(&now, want, change)?;
        if let Some(arn) = group.nodegroup_arn() {
            update_tags(eks, arn, change.tags.as_ref()).await?;
        }
        // How nodes are replaced is settled before they are.
        if let Some(request) = convert::config_update(eks, &now, want, change) {
            let send = || eks.write_idempotent("UpdateNodegroupConfig", || request.clone().send());
            let answer = once_free(cx, send).await?;
            group = usable(eks, cx, id, Some(("UpdateNodegroupConfig", answer.update.as_ref()))).await?;
        }
        if let Some(request) = convert::version_update(eks, &now, want, change) {
            let send = || eks.write_idempotent("UpdateNodegroupVersion", || request.clone().send());
            let answer = once_free(cx, send).await?;
            group = usable(eks, cx, id, Some(("UpdateNodegroupVersion", answer.update.as_ref()))).await?;
        }
        Ok(outputs(&group))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&NodeGroupResolved>) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, name) = split(id)?;
        let request = eks.delete_nodegroup().cluster_name(cluster).nodegroup_name(name);
        let send = || eks.write_idempotent("DeleteNodegroup", || request.clone().send());
        deleted(once_free(cx, send).await)?;
        let what = format!("node group {id}");
        until(cx, &what, || async {
            match describe(eks, cluster, name).await? {
                None => Ok(Stage::Ready(())),
                Some(group) => going(&what, state(&group), &problems(&group)),
            }
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &NodeGroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let found = describe(eks, want.cluster_name.as_str(), &want.nodegroup_name).await?;
        let Some(group) = found.filter(|group| state(group) != "DELETING") else { return Ok(None) };
        let what = format!("the node group {} of the cluster {}", want.nodegroup_name, want.cluster_name);
        owner::check(&what, &super::tag_map(group.tags()), intent)?;
        Ok(created(&group))
    }
}

fn created(group: &sdk::Nodegroup) -> Option<Created<NodeGroup>> {
    let id = format!("{}/{}", group.cluster_name()?, group.nodegroup_name()?);
    Some(Created { id, outputs: outputs(group)?, complete: false })
}

fn incomplete(eks: &Eks) -> CloudError {
    eks.unexpected("DescribeNodegroup", "the answer holds a node group without a name, an ARN or a role")
}

async fn describe(eks: &Eks, cluster: &str, name: &str) -> Result<Option<sdk::Nodegroup>, CloudError> {
    let request = eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name);
    let answer = super::known(eks.read("DescribeNodegroup", || request.clone().send()).await)?;
    answer.map(|answer| answer.nodegroup.ok_or_else(|| incomplete(eks))).transpose()
}

async fn read(eks: &Eks, target: &Target<'_>) -> Result<Found<NodeGroup>, CloudError> {
    let (cluster, name) = split(target.id)?;
    let found = describe(eks, cluster, name).await?;
    let Some(group) = found.filter(|group| state(group) != "DELETING") else { return Ok(Found::Gone) };
    match (convert::fields(&group, Some(target)), outputs(&group)) {
        (Some(fields), Some(outputs)) => Ok(Found::present(fields, outputs)),
        _ => Err(incomplete(eks)),
    }
}

fn state(group: &sdk::Nodegroup) -> &str {
    group.status().map(sdk::NodegroupStatus::as_str).unwrap_or_default()
}

fn problems(group: &sdk::Nodegroup) -> Vec<String> {
    issues!(group.health())
}

/// Waits until the node group can be used, and a change of it is over. One that is not well can be changed too: perhaps that cures it.
async fn usable(
    eks: &Eks,
    cx: &Cx,
    id: &str,
    update: Option<(&'static str, Option<&sdk::Update>)>,
) -> Result<sdk::Nodegroup, CloudError> {
    let (cluster, name) = split(id)?;
    let update =
        update.map(|(operation, answer)| Update { operation, cluster, nodegroup: Some(name), addon: None, answer });
    let what = format!("node group {id}");
    until(cx, &what, || async {
        let group = describe(eks, cluster, name).await?.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..eks.unexpected("DescribeNodegroup", format!("there is no node group {id}"))
        })?;
        let settled = match state(&group).to_owned().as_str() {
            "DEGRADED" => Ok(Stage::Ready(group)),
            state => settled(&what, state, &problems(&group), group),
        };
        match (settled, &update) {
            (Ok(Stage::Ready(_)) | Err(_), Some(update)) if !update.is_over(eks).await? => {
                Ok(Stage::Waiting("being changed".to_owned()))
            }
            (settled, _) => settled,
        }
    })
    .await
}

fn outputs(group: &sdk::Nodegroup) -> Option<NodeGroupOutputs> {
    let resources = group.resources();
    let groups = resources.map(|r| r.auto_scaling_groups()).unwrap_or_default();
    Some(NodeGroupOutputs {
        arn: Arn::new(group.nodegroup_arn()?),
        auto_scaling_groups: groups.iter().filter_map(|g| g.name()).map(AutoScalingGroupName::new).collect(),
        remote_access_security_group: resources
            .and_then(|r| r.remote_access_security_group())
            .map(SecurityGroupId::new),
        version: group.version.clone(),
        release_version: group.release_version.clone().filter(|v| !v.is_empty()),
    })
}
