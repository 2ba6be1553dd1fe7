//! [`Cluster`].
//!
//! moto changes the VPC configuration, logging and networks of a cluster, and says nothing of the change itself; ministack changes nothing but the
//! encryption. Neither keeps a cluster in creation, changes its version, or knows EKS Auto Mode, deletion protection, upgrade policies, zonal
//! shift, Outposts, settings of Kubernetes' own programs and what a change came to: those parts follow the service model alone.

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Ipv4Cidr, Outputs, Resource, Value, ValueMap};

use super::cluster_blocks::{
    AccessConfig, ComputeConfig, ControlPlaneScalingConfig, EncryptionConfig, KubernetesNetworkConfig, Logging,
    OutpostConfig, RemoteNetworkConfig, StorageConfig, UpgradePolicy, VpcConfig, ZonalShiftConfig,
};
use super::{
    Eks, EksClusterName, Update, cluster_convert as convert, cluster_kube as kube, create_named, going, issues,
    once_free, settled, update_tags,
};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::ids::{SecurityGroupId, VpcId};
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::with_intent;
use crate::wait::{Stage, until};
use crate::{batch, owner};

/// A Kubernetes control plane. <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:Cluster",
    terraform = "aws_eks_cluster",
    cloudformation = "AWS::EKS::Cluster",
    identity = NaturalKey,
    unique(name)
)]
pub struct Cluster {
    /// The name, unique in account and region.
    #[field(replace)]
    pub name: Input<String>,
    /// The role by which the control plane calls AWS.
    #[field(replace)]
    pub role_arn: Input<Arn>,
    /// How the control plane is joined to a VPC, and who reaches its API.
    pub resources_vpc_config: Input<VpcConfig>,
    /// The version of Kubernetes: `1.33`. It goes up by one minor version at a time. Unset, EKS chooses, and it stays as it is.
    #[field(cloud_default)]
    pub version: Option<Input<String>>,
    /// Whether the version is changed although EKS finds something in the cluster that speaks against it.
    #[field(write_only)]
    pub force: Option<Input<bool>>,
    /// The addresses of Kubernetes services, and the load balancers of EKS Auto Mode.
    #[field(cloud_default)]
    pub kubernetes_network_config: Option<Input<KubernetesNetworkConfig>>,
    /// Which logs of the control plane go to CloudWatch Logs. Unset, none.
    pub logging: Option<Input<Logging>>,
    /// Encrypts secrets with a key of one's own. It can be added to a cluster, and is not taken away; another key makes a new
    /// cluster.
    #[field(cloud_default)]
    pub encryption_config: Option<Input<Vec<EncryptionConfig>>>,
    /// Puts the control plane on an Outpost.
    #[field(replace)]
    pub outpost_config: Option<Input<OutpostConfig>>,
    /// How users and roles come to rights in the cluster.
    #[field(cloud_default)]
    pub access_config: Option<Input<AccessConfig>>,
    /// Whether EKS installs its networking (`vpc-cni`, `coredns`, `kube-proxy`) unmanaged in the new cluster. EKS's default: yes.
    #[field(replace, write_only, cloud_default, normalize = on_is_unset)]
    pub bootstrap_self_managed_addons: Option<Input<bool>>,
    /// What happens when the standard support of the version ends.
    #[field(cloud_default)]
    pub upgrade_policy: Option<Input<UpgradePolicy>>,
    /// Whether traffic can be moved away from an availability zone in trouble.
    #[field(cloud_default)]
    pub zonal_shift_config: Option<Input<ZonalShiftConfig>>,
    /// The networks of hybrid nodes.
    pub remote_network_config: Option<Input<RemoteNetworkConfig>>,
    /// The nodes of EKS Auto Mode.
    #[field(cloud_default)]
    pub compute_config: Option<Input<ComputeConfig>>,
    /// The volumes of EKS Auto Mode.
    #[field(cloud_default)]
    pub storage_config: Option<Input<StorageConfig>>,
    /// Whether the cluster cannot be deleted, by phx neither, until this is set to false. EKS's default: no.
    #[field(cloud_default)]
    pub deletion_protection: Option<Input<bool>>,
    /// How large the control plane is.
    #[field(cloud_default)]
    pub control_plane_scaling_config: Option<Input<ControlPlaneScalingConfig>>,
    /// Settings of `kube-apiserver`.
    #[field(cloud_default)]
    pub kube_api_server_config: Option<Input<kube::KubeApiServerConfig>>,
    /// Settings of `kube-scheduler`.
    #[field(cloud_default)]
    pub kube_scheduler_config: Option<Input<kube::KubeSchedulerConfig>>,
    /// Settings of `kube-controller-manager`.
    #[field(cloud_default)]
    pub kube_controller_manager_config: Option<Input<kube::KubeControllerManagerConfig>>,
    /// The tags. EKS does not hand them on to anything else.
    pub tags: Tags,
}

/// What AWS decides of a [`Cluster`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ClusterOutputs {
    /// The name, by which other types refer to the cluster.
    pub name: EksClusterName,
    /// The ARN.
    pub arn: Arn,
    /// The version of Kubernetes: `1.33`.
    #[output(volatile)]
    pub version: Option<String>,
    /// The address of the Kubernetes API.
    pub endpoint: Option<String>,
    /// The certificate of the authority that vouches for the Kubernetes API, in base64.
    pub certificate_authority_data: Option<String>,
    /// The issuer of the tokens of the cluster's service accounts, for an OpenID Connect provider of IAM.
    pub oidc_issuer: Option<String>,
    /// The security group that EKS made for the control plane and the nodes.
    pub cluster_security_group_id: Option<SecurityGroupId>,
    /// The VPC that the control plane is joined to.
    pub vpc_id: Option<VpcId>,
    /// The range of services' IPv4 addresses, which nodes of one's own must be told.
    pub service_ipv4_cidr: Option<Ipv4Cidr>,
    /// The range of services' IPv6 addresses, if they have such.
    pub service_ipv6_cidr: Option<String>,
}

impl Manage for Cluster {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        batch::each(targets, |target| async { Ok(read(eks, target).await) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &ClusterResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let request = eks
            .create_cluster()
            .client_request_token(client_token(intent))
            .name(&want.name)
            .role_arn(want.role_arn.as_str())
            .resources_vpc_config(convert::vpc(&want.resources_vpc_config))
            .set_version(want.version.clone())
            .set_kubernetes_network_config(want.kubernetes_network_config.as_ref().map(convert::network))
            .set_logging(want.logging.as_ref().map(|logging| convert::logging(Some(logging), None)))
            .set_encryption_config(want.encryption_config.as_deref().map(convert::encryption))
            .set_outpost_config(want.outpost_config.as_ref().map(convert::outpost).transpose()?)
            .set_access_config(want.access_config.as_ref().map(convert::access))
            .set_bootstrap_self_managed_addons(want.bootstrap_self_managed_addons)
            .set_upgrade_policy(want.upgrade_policy.as_ref().map(convert::upgrade_policy))
            .set_zonal_shift_config(want.zonal_shift_config.as_ref().map(convert::zonal_shift))
            .set_remote_network_config(want.remote_network_config.as_ref().map(convert::remote_network))
            .set_compute_config(want.compute_config.as_ref().map(convert::compute))
            .set_storage_config(want.storage_config.as_ref().map(convert::storage))
            .set_deletion_protection(want.deletion_protection)
            .set_control_plane_scaling_config(want.control_plane_scaling_config.as_ref().map(convert::scaling))
            .set_kube_api_server_config(want.kube_api_server_config.as_ref().map(kube::api_server))
            .set_kube_scheduler_config(want.kube_scheduler_config.as_ref().map(kube::scheduler))
            .set_kube_controller_manager_config(
                want.kube_controller_manager_config.as_ref().map(kube::controller_manager),
            )
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let request = &request;
        let send = || async move {
            let answer = super::once_known(cx, || eks.write("CreateCluster", || request.clone().send())).await?;
            let outputs = answer.cluster.as_ref().and_then(outputs);
            outputs.map(created).ok_or_else(|| eks.unexpected("CreateCluster", "the answer names no cluster"))
        };
        create_named(cx, send, || Self::find(aws, cx, want, intent)).await
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, _: &ClusterResolved) -> Result<Option<ClusterOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        active(eks, cx, id, None).await.map(|cluster| outputs(&cluster))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ClusterResolved,
        change: &ClusterChange,
    ) -> Result<Option<ClusterOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        // What an earlier attempt began is over first, so that only what is still missing is asked for.
        let mut cluster = active(eks, cx, id, None).await?;
        let now = convert::fields(&cluster, &ValueMap::new()).ok_or_else(|| incomplete(eks))?;
        convert::refuse(&now, want, change)?;
        if let Some(arn) = cluster.arn() {
            update_tags(eks, arn, change.tags.as_ref()).await?;
        }
        // EKS may refuse anything else of what a version is too old for.
        if let Some(version) =
            want.version.as_ref().filter(|v| change.version.is_some() && now.version.as_ref() != Some(v))
        {
            let request = eks
                .update_cluster_version()
                .name(id)
                .version(version)
                .set_force(want.force)
                .client_request_token(super::token());
            let send = || eks.write_idempotent("UpdateClusterVersion", || request.clone().send());
            let answer = once_free(cx, send).await?;
            cluster = active(eks, cx, id, Some(&update("UpdateClusterVersion", id, answer.update.as_ref()))).await?;
        }
        for request in convert::updates(eks, &now, want, change) {
            let send = || eks.write_idempotent("UpdateClusterConfig", || request.clone().send());
            let answer = once_free(cx, send).await?;
            cluster = active(eks, cx, id, Some(&update("UpdateClusterConfig", id, answer.update.as_ref()))).await?;
        }
        let encrypted = now.encryption_config.is_some();
        if let Some(configs) =
            want.encryption_config.as_deref().filter(|_| change.encryption_config.is_some() && !encrypted)
        {
            let request = eks
                .associate_encryption_config()
                .cluster_name(id)
                .set_encryption_config(Some(convert::encryption(configs)))
                .client_request_token(super::token());
            let send = || eks.write_idempotent("AssociateEncryptionConfig", || request.clone().send());
            let answer = once_free(cx, send).await?;
            cluster =
                active(eks, cx, id, Some(&update("AssociateEncryptionConfig", id, answer.update.as_ref()))).await?;
        }
        Ok(outputs(&cluster))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&ClusterResolved>) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let request = eks.delete_cluster().name(id);
        // Another change may be under way; then nothing is found that holds the cluster, and no hint is given.
        let deleted = once_free(cx, || async {
            match eks.write_idempotent("DeleteCluster", || request.clone().send()).await {
                Err(error) if error.kind == ErrorKind::InUse => {
                    Err(CloudError { hint: holders(eks, id).await.or(error.hint.clone()), ..error })
                }
                answer => answer,
            }
        });
        match deleted.await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind == ErrorKind::Invalid && was.is_some_and(|was| was.deletion_protection == Some(true)) =>
            {
                return Err(error.hint("the cluster is protected: set deletion_protection to false first"));
            }
            answer => answer?,
        };
        let what = format!("cluster {id}");
        until(cx, &what, || async {
            match describe(eks, id).await? {
                None => Ok(Stage::Ready(())),
                Some(cluster) => going(&what, state(&cluster), &problems(&cluster)),
            }
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &ClusterResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let found = describe(eks, &want.name).await?.filter(|cluster| state(cluster) != "DELETING");
        let Some(cluster) = found else { return Ok(None) };
        owner::check(&format!("the cluster {}", want.name), &super::tag_map(cluster.tags()), intent)?;
        Ok(outputs(&cluster).map(created))
    }
}

/// For a flag that is on unless it is set: on and unset are one.
fn on_is_unset(value: &Value) -> Value {
    match value.expose() {
        Value::Bool(true) => Value::Null,
        other => other.clone(),
    }
}

fn created(outputs: ClusterOutputs) -> Created<Cluster> {
    Created { id: outputs.name.to_string(), outputs, complete: false }
}

fn update<'a>(operation: &'static str, cluster: &'a str, answer: Option<&'a sdk::Update>) -> Update<'a> {
    Update { operation, cluster, nodegroup: None, addon: None, answer }
}

fn incomplete(eks: &Eks) -> CloudError {
    eks.unexpected("DescribeCluster", "the answer holds a cluster without a name, a role or a VPC")
}

async fn describe(eks: &Eks, name: &str) -> Result<Option<sdk::Cluster>, CloudError> {
    let request = eks.describe_cluster().name(name);
    let answer = super::known(eks.read("DescribeCluster", || request.clone().send()).await)?;
    answer.map(|answer| answer.cluster.ok_or_else(|| incomplete(eks))).transpose()
}

async fn read(eks: &Eks, target: &Target<'_>) -> Found<Cluster> {
    match describe(eks, target.id).await {
        Ok(Some(cluster)) if state(&cluster) != "DELETING" => {
            match (convert::fields(&cluster, target.inputs), outputs(&cluster)) {
                (Some(fields), Some(outputs)) => Found::present(fields, outputs),
                _ => Found::Failed(incomplete(eks)),
            }
        }
        Ok(_) => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

fn state(cluster: &sdk::Cluster) -> &str {
    cluster.status().map(sdk::ClusterStatus::as_str).unwrap_or_default()
}

fn problems(cluster: &sdk::Cluster) -> Vec<String> {
    issues!(cluster.health())
}

/// Waits until the cluster can be used, and a change of it is over.
async fn active(eks: &Eks, cx: &Cx, id: &str, update: Option<&Update<'_>>) -> Result<sdk::Cluster, CloudError> {
    let what = format!("cluster {id}");
    until(cx, &what, || async {
        let cluster = describe(eks, id).await?.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..eks.unexpected("DescribeCluster", format!("there is no cluster {id}"))
        })?;
        let now = state(&cluster).to_owned();
        let settled = settled(&what, &now, &problems(&cluster), cluster);
        match (settled, update) {
            (Ok(Stage::Ready(_)) | Err(_), Some(update)) if !update.is_over(eks).await? => {
                Ok(Stage::Waiting("being changed".to_owned()))
            }
            (settled, _) => settled,
        }
    })
    .await
}

/// What must be deleted before a cluster. What cannot be listed is not named.
async fn holders(eks: &Eks, name: &str) -> Option<String> {
    let groups = eks.list_nodegroups().cluster_name(name);
    let groups = eks.read("ListNodegroups", || groups.clone().send()).await.ok().and_then(|a| a.nodegroups);
    let profiles = eks.list_fargate_profiles().cluster_name(name);
    let profiles = eks.read("ListFargateProfiles", || profiles.clone().send()).await.ok();
    let profiles = profiles.and_then(|a| a.fargate_profile_names);
    let named = |kind: &str, names: Option<Vec<String>>| {
        names.filter(|n| !n.is_empty()).map(|names| format!("{kind} {}", names.join(", ")))
    };
    let holders: Vec<String> =
        [named("node groups", groups), named("Fargate profiles", profiles)].into_iter().flatten().collect();
    (!holders.is_empty()).then(|| format!("still in the cluster: {}; delete them first", holders.join("; ")))
}

fn outputs(cluster: &sdk::Cluster) -> Option<ClusterOutputs> {
    let (vpc, network) = (cluster.resources_vpc_config(), cluster.kubernetes_network_config());
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    Some(ClusterOutputs {
        name: EksClusterName::new(cluster.name()?),
        arn: Arn::new(cluster.arn()?),
        version: text(cluster.version()),
        endpoint: text(cluster.endpoint()),
        certificate_authority_data: text(cluster.certificate_authority().and_then(|c| c.data())),
        oidc_issuer: text(cluster.identity().and_then(|i| i.oidc()).and_then(|o| o.issuer())),
        cluster_security_group_id: vpc.and_then(|v| v.cluster_security_group_id()).map(SecurityGroupId::new),
        vpc_id: vpc.and_then(|v| v.vpc_id()).map(VpcId::new),
        service_ipv4_cidr: network.and_then(|n| n.service_ipv4_cidr()).and_then(|cidr| cidr.parse().ok()),
        service_ipv6_cidr: text(network.and_then(|n| n.service_ipv6_cidr())),
    })
}
