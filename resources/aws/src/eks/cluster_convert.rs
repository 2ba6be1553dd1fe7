//! A [`Cluster`](super::Cluster) as EKS has it, and as a program has it.

use aws_sdk_eks::operation::update_cluster_config::builders::UpdateClusterConfigFluentBuilder;
use aws_sdk_eks::types as sdk;
use phx_model::value::Val;
use phx_model::{CloudError, Value, ValueMap};

use super::cluster::{Cluster, ClusterChange, ClusterResolved};
use super::cluster_blocks::*;
use super::{Eks, cluster_kube as kube, differs, same_set, tag_map, texts, unchangeable};
use crate::arn::Arn;
use crate::ids::{SecurityGroupId, SubnetId};

/// The VPC configuration of a new cluster.
pub(crate) fn vpc(want: &VpcConfigResolved) -> sdk::VpcConfigRequest {
    sdk::VpcConfigRequest::builder()
        .set_subnet_ids(Some(texts(&want.subnet_ids)))
        .set_security_group_ids(want.security_group_ids.as_deref().map(texts))
        .set_endpoint_public_access(want.endpoint_public_access)
        .set_endpoint_private_access(want.endpoint_private_access)
        .set_public_access_cidrs(want.public_access_cidrs.clone())
        .set_control_plane_egress_mode(want.control_plane_egress_mode.as_deref().map(Into::into))
        .build()
}

/// The network configuration of a new cluster.
pub(crate) fn network(want: &KubernetesNetworkConfigResolved) -> sdk::KubernetesNetworkConfigRequest {
    sdk::KubernetesNetworkConfigRequest::builder()
        .set_service_ipv4_cidr(want.service_ipv4_cidr.map(|cidr| cidr.to_string()))
        .set_ip_family(want.ip_family.as_deref().map(Into::into))
        .set_elastic_load_balancing(want.elastic_load_balancing.as_ref().map(load_balancing))
        .build()
}

fn load_balancing(want: &ElasticLoadBalancingResolved) -> sdk::ElasticLoadBalancing {
    let crds =
        |want: &CrdManagementResolved| sdk::CrdManagementConfiguration::builder().set_managed(want.managed).build();
    let gateway = |want: &GatewayApiResolved| {
        sdk::GatewayApiConfiguration::builder().set_crds(want.crds.as_ref().map(crds)).build()
    };
    sdk::ElasticLoadBalancing::builder()
        .set_enabled(want.enabled)
        .set_gateway_api(want.gateway_api.as_ref().map(gateway))
        .build()
}

/// `now` are the types of logs that are exported: what is not wished any more has to be switched off by its name.
pub(crate) fn logging(want: Option<&LoggingResolved>, now: Option<&LoggingResolved>) -> sdk::Logging {
    let want = want.map(|l| l.types.as_slice()).unwrap_or_default();
    let now = now.map(|l| l.types.as_slice()).unwrap_or_default();
    let off: Vec<&String> = now.iter().filter(|t| !want.contains(t)).collect();
    let setup = |types: Vec<&String>, enabled| {
        let types = types.into_iter().map(|t| t.as_str().into()).collect();
        sdk::LogSetup::builder().set_types(Some(types)).enabled(enabled).build()
    };
    let mut setups = Vec::new();
    if !want.is_empty() {
        setups.push(setup(want.iter().collect(), true));
    }
    if !off.is_empty() {
        setups.push(setup(off, false));
    }
    sdk::Logging::builder().set_cluster_logging(Some(setups)).build()
}

#[allow(deprecated)] // what is encrypted must be said all the same
pub(crate) fn encryption(want: &[EncryptionConfigResolved]) -> Vec<sdk::EncryptionConfig> {
    let one = |want: &EncryptionConfigResolved| {
        sdk::EncryptionConfig::builder()
            .set_resources(Some(want.resources.clone().unwrap_or_else(|| vec!["secrets".to_owned()])))
            .provider(sdk::Provider::builder().key_arn(want.provider.key_arn.as_str()).build())
            .build()
    };
    want.iter().map(one).collect()
}

pub(crate) fn outpost(want: &OutpostConfigResolved) -> Result<sdk::OutpostConfigRequest, CloudError> {
    let control_plane = |want: &ControlPlanePlacementResolved| {
        sdk::ControlPlanePlacementRequest::builder()
            .set_group_name(want.group_name.clone())
            .set_spread_level(want.spread_level.as_deref().map(Into::into))
            .build()
    };
    let etcd = |want: &EtcdPlacementResolved| {
        let level = want.spread_level.as_deref().map(Into::into);
        sdk::EtcdPlacementRequest::builder().set_spread_level(level).build()
    };
    sdk::OutpostConfigRequest::builder()
        .set_outpost_arns(Some(texts(&want.outpost_arns)))
        .control_plane_instance_type(&want.control_plane_instance_type)
        .set_control_plane_placement(want.control_plane_placement.as_ref().map(control_plane))
        .set_etcd_instance_type(want.etcd_instance_type.clone())
        .set_etcd_placement(want.etcd_placement.as_ref().map(etcd))
        .build()
        .map_err(super::malformed)
}

pub(crate) fn access(want: &AccessConfigResolved) -> sdk::CreateAccessConfigRequest {
    sdk::CreateAccessConfigRequest::builder()
        .set_bootstrap_cluster_creator_admin_permissions(want.bootstrap_cluster_creator_admin_permissions)
        .set_authentication_mode(want.authentication_mode.as_deref().map(Into::into))
        .build()
}

pub(crate) fn upgrade_policy(want: &UpgradePolicyResolved) -> sdk::UpgradePolicyRequest {
    sdk::UpgradePolicyRequest::builder().set_support_type(want.support_type.as_deref().map(Into::into)).build()
}

pub(crate) fn zonal_shift(want: &ZonalShiftConfigResolved) -> sdk::ZonalShiftConfigRequest {
    sdk::ZonalShiftConfigRequest::builder().set_enabled(want.enabled).build()
}

/// The networks of hybrid nodes of a new cluster.
pub(crate) fn remote_network(want: &RemoteNetworkConfigResolved) -> sdk::RemoteNetworkConfigRequest {
    let node =
        |want: &RemoteNetworkResolved| sdk::RemoteNodeNetwork::builder().set_cidrs(Some(want.cidrs.clone())).build();
    let pod =
        |want: &RemoteNetworkResolved| sdk::RemotePodNetwork::builder().set_cidrs(Some(want.cidrs.clone())).build();
    sdk::RemoteNetworkConfigRequest::builder()
        .set_remote_node_networks(want.remote_node_networks.as_ref().map(|all| all.iter().map(node).collect()))
        .set_remote_pod_networks(want.remote_pod_networks.as_ref().map(|all| all.iter().map(pod).collect()))
        .build()
}

/// The networks of hybrid nodes that a cluster shall have: those that are not wished for are said to be none, since left out they would stay.
fn remote_networks(want: Option<&RemoteNetworkConfigResolved>) -> sdk::RemoteNetworkConfigRequest {
    let networks = |of: fn(&RemoteNetworkConfigResolved) -> &Option<Vec<RemoteNetworkResolved>>| {
        Some(want.and_then(|want| of(want).clone()).unwrap_or_default())
    };
    remote_network(&RemoteNetworkConfigResolved {
        remote_node_networks: networks(|want| &want.remote_node_networks),
        remote_pod_networks: networks(|want| &want.remote_pod_networks),
    })
}

pub(crate) fn compute(want: &ComputeConfigResolved) -> sdk::ComputeConfigRequest {
    sdk::ComputeConfigRequest::builder()
        .set_enabled(want.enabled)
        .set_node_pools(want.node_pools.clone())
        .set_node_role_arn(want.node_role_arn.as_ref().map(Arn::to_string))
        .build()
}

pub(crate) fn storage(want: &StorageConfigResolved) -> sdk::StorageConfigRequest {
    let block = |want: &BlockStorageResolved| sdk::BlockStorage::builder().set_enabled(want.enabled).build();
    sdk::StorageConfigRequest::builder().set_block_storage(want.block_storage.as_ref().map(block)).build()
}

pub(crate) fn scaling(want: &ControlPlaneScalingConfigResolved) -> sdk::ControlPlaneScalingConfig {
    sdk::ControlPlaneScalingConfig::builder().set_tier(want.tier.as_deref().map(Into::into)).build()
}

/// A cluster's fields; `None` if the answer lacks what every cluster has. `inputs` are what was last set: some of it EKS never tells.
pub(crate) fn fields(cluster: &sdk::Cluster, inputs: &ValueMap) -> Option<ClusterResolved> {
    let text = |text: &str| text.to_owned();
    Some(ClusterResolved {
        name: cluster.name.clone()?,
        role_arn: Arn::new(cluster.role_arn()?),
        resources_vpc_config: vpc_of(cluster.resources_vpc_config()?),
        version: cluster.version.clone(),
        force: None,
        kubernetes_network_config: cluster.kubernetes_network_config().map(network_of),
        logging: logging_of(cluster.logging()).or_else(|| no_logs(inputs)),
        encryption_config: Some(encryption_of(cluster.encryption_config())).filter(|c| !c.is_empty()),
        outpost_config: cluster.outpost_config().map(outpost_of),
        access_config: access_of(cluster.access_config(), inputs),
        bootstrap_self_managed_addons: None,
        upgrade_policy: cluster
            .upgrade_policy()
            .map(|p| UpgradePolicyResolved { support_type: p.support_type().map(|t| text(t.as_str())) }),
        zonal_shift_config: cluster.zonal_shift_config().map(|z| ZonalShiftConfigResolved { enabled: z.enabled() }),
        remote_network_config: cluster.remote_network_config().and_then(remote_network_of),
        compute_config: cluster.compute_config().map(|c| ComputeConfigResolved {
            enabled: c.enabled(),
            node_pools: c.node_pools.clone(),
            node_role_arn: c.node_role_arn().map(Arn::new),
        }),
        storage_config: cluster.storage_config().map(|s| StorageConfigResolved {
            block_storage: s.block_storage().map(|b| BlockStorageResolved { enabled: b.enabled() }),
        }),
        deletion_protection: cluster.deletion_protection(),
        control_plane_scaling_config: cluster
            .control_plane_scaling_config()
            .map(|s| ControlPlaneScalingConfigResolved { tier: s.tier().map(|t| text(t.as_str())) }),
        kube_api_server_config: cluster.kube_api_server_config().map(kube::api_server_of),
        kube_scheduler_config: cluster.kube_scheduler_config().map(kube::scheduler_of),
        kube_controller_manager_config: cluster.kube_controller_manager_config().map(kube::controller_manager_of),
        tags: tag_map(cluster.tags()),
    })
}

fn vpc_of(vpc: &sdk::VpcConfigResponse) -> VpcConfigResolved {
    VpcConfigResolved {
        subnet_ids: vpc.subnet_ids().iter().map(SubnetId::new).collect(),
        security_group_ids: Some(vpc.security_group_ids().iter().map(SecurityGroupId::new).collect()),
        endpoint_public_access: Some(vpc.endpoint_public_access()),
        endpoint_private_access: Some(vpc.endpoint_private_access()),
        public_access_cidrs: vpc.public_access_cidrs.clone(),
        control_plane_egress_mode: vpc.control_plane_egress_mode().map(|m| m.as_str().to_owned()),
    }
}

fn network_of(network: &sdk::KubernetesNetworkConfigResponse) -> KubernetesNetworkConfigResolved {
    let crds = |c: &sdk::CrdManagementConfiguration| CrdManagementResolved { managed: c.managed() };
    let gateway = |g: &sdk::GatewayApiConfiguration| GatewayApiResolved { crds: g.crds().map(crds) };
    let balancing = |b: &sdk::ElasticLoadBalancing| ElasticLoadBalancingResolved {
        enabled: b.enabled(),
        gateway_api: b.gateway_api().map(gateway),
    };
    KubernetesNetworkConfigResolved {
        service_ipv4_cidr: network.service_ipv4_cidr().and_then(|cidr| cidr.parse().ok()),
        ip_family: network.ip_family().map(|f| f.as_str().to_owned()),
        elastic_load_balancing: network.elastic_load_balancing().map(balancing),
    }
}

/// Answers name every type of logs, with whether it is exported.
fn logging_of(logging: Option<&sdk::Logging>) -> Option<LoggingResolved> {
    let setups = logging?.cluster_logging().iter().filter(|setup| setup.enabled() == Some(true));
    let types: Vec<String> = setups.flat_map(|setup| setup.types()).map(|t| t.as_str().to_owned()).collect();
    (!types.is_empty()).then_some(LoggingResolved { types })
}

/// A program that names no logs has what it wished where there are none.
fn no_logs(inputs: &ValueMap) -> Option<LoggingResolved> {
    inputs.get("logging").filter(|set| !set.is_empty()).map(|_| LoggingResolved { types: Vec::new() })
}

#[allow(deprecated)] // it is compared with what was said
fn encryption_of(configs: &[sdk::EncryptionConfig]) -> Vec<EncryptionConfigResolved> {
    let one = |config: &sdk::EncryptionConfig| {
        Some(EncryptionConfigResolved {
            resources: Some(config.resources().to_vec()),
            provider: EncryptionProviderResolved { key_arn: Arn::new(config.provider()?.key_arn()?) },
        })
    };
    configs.iter().filter_map(one).collect()
}

fn outpost_of(outpost: &sdk::OutpostConfigResponse) -> OutpostConfigResolved {
    let level = |level: &sdk::SpreadLevel| level.as_str().to_owned();
    OutpostConfigResolved {
        outpost_arns: outpost.outpost_arns().iter().map(Arn::new).collect(),
        control_plane_instance_type: outpost.control_plane_instance_type().to_owned(),
        control_plane_placement: outpost.control_plane_placement().map(|p| ControlPlanePlacementResolved {
            group_name: p.group_name.clone(),
            spread_level: p.spread_level().map(level),
        }),
        etcd_instance_type: outpost.etcd_instance_type.clone(),
        etcd_placement: outpost
            .etcd_placement()
            .map(|p| EtcdPlacementResolved { spread_level: p.spread_level().map(level) }),
    }
}

/// Whether the creator became administrator, EKS does not tell: it is what was set.
fn access_of(access: Option<&sdk::AccessConfigResponse>, inputs: &ValueMap) -> Option<AccessConfigResolved> {
    let set = || match inputs.get("access_config")?.expose() {
        Value::Map(parts) => bool::from_value(parts.get("bootstrap_cluster_creator_admin_permissions")?).ok(),
        _ => None,
    };
    let told = access.and_then(|a| a.bootstrap_cluster_creator_admin_permissions());
    let access = AccessConfigResolved {
        bootstrap_cluster_creator_admin_permissions: told.or_else(set),
        authentication_mode: access.and_then(|a| a.authentication_mode()).map(|m| m.as_str().to_owned()),
    };
    (access.bootstrap_cluster_creator_admin_permissions.is_some() || access.authentication_mode.is_some())
        .then_some(access)
}

fn remote_network_of(remote: &sdk::RemoteNetworkConfigResponse) -> Option<RemoteNetworkConfigResolved> {
    let network = |cidrs: &[String]| RemoteNetworkResolved { cidrs: cidrs.to_vec() };
    let nodes: Vec<_> = remote.remote_node_networks().iter().map(|n| network(n.cidrs())).collect();
    let pods: Vec<_> = remote.remote_pod_networks().iter().map(|n| network(n.cidrs())).collect();
    (!nodes.is_empty() || !pods.is_empty())
        .then_some(RemoteNetworkConfigResolved { remote_node_networks: Some(nodes), remote_pod_networks: Some(pods) })
}

/// Refuses what EKS cannot add to a cluster, before anything is changed. What it cannot change of what is there makes a new cluster, and does not
/// come here.
pub(crate) fn refuse(now: &ClusterResolved, want: &ClusterResolved, change: &ClusterChange) -> Result<(), CloudError> {
    let what = format!("the cluster {}", now.name);
    if change.kubernetes_network_config.is_some() {
        let (now, want) = (now.kubernetes_network_config.as_ref(), want.kubernetes_network_config.as_ref());
        // A cluster of the other kind of addresses has no such range.
        let cidr = |n: Option<&KubernetesNetworkConfigResolved>| n?.service_ipv4_cidr;
        if cidr(now).is_none() && cidr(want).is_some() {
            return Err(unchangeable(&what, "kubernetes_network_config.service_ipv4_cidr, where there is none,"));
        }
    }
    // More of them than there are.
    let changes = change.encryption_config.is_some() && differs::<Cluster>("encryption_config", now, want);
    if changes && now.encryption_config.is_some() {
        return Err(unchangeable(&what, "encryption_config, once it is there,"));
    }
    Ok(())
}

/// The calls that bring a cluster's configuration to what is wished. EKS takes one kind of change in a call.
pub(crate) fn updates(
    eks: &Eks,
    now: &ClusterResolved,
    want: &ClusterResolved,
    change: &ClusterChange,
) -> Vec<UpdateClusterConfigFluentBuilder> {
    let call = || eks.update_cluster_config().name(&now.name).client_request_token(super::token());
    let mut calls = Vec::new();
    if change.resources_vpc_config.is_some() {
        let vpcs = vpc_updates(&now.resources_vpc_config, &want.resources_vpc_config);
        calls.extend(vpcs.into_iter().map(|vpc| call().resources_vpc_config(vpc)));
    }
    let mode = |c: &ClusterResolved| c.access_config.as_ref().and_then(|a| a.authentication_mode.clone());
    if let Some(mode) = mode(want).filter(|m| change.access_config.is_some() && mode(now).as_ref() != Some(m)) {
        let access = sdk::UpdateAccessConfigRequest::builder().authentication_mode(mode.as_str().into()).build();
        calls.push(call().access_config(access));
    }
    let differing = |field| differs::<Cluster>(field, now, want);
    if let Some(policy) = &want.upgrade_policy
        && change.upgrade_policy.is_some()
        && differing("upgrade_policy")
    {
        calls.push(call().upgrade_policy(upgrade_policy(policy)));
    }
    if change.remote_network_config.is_some() && differing("remote_network_config") {
        calls.push(call().remote_network_config(remote_networks(want.remote_network_config.as_ref())));
    }
    // The parts of EKS Auto Mode are switched on and off together. What else there is in the network's configuration never changes.
    if change.compute_config.is_some() && differing("compute_config")
        || change.storage_config.is_some() && differing("storage_config")
        || change.kubernetes_network_config.is_some() && differing("kubernetes_network_config")
    {
        let balancing = want.kubernetes_network_config.as_ref().and_then(|n| n.elastic_load_balancing.as_ref());
        let network = balancing.map(|balancing| {
            sdk::KubernetesNetworkConfigRequest::builder().elastic_load_balancing(load_balancing(balancing)).build()
        });
        let call = call()
            .set_compute_config(want.compute_config.as_ref().map(compute))
            .set_storage_config(want.storage_config.as_ref().map(storage))
            .set_kubernetes_network_config(network);
        calls.push(call);
    }
    let logs = |c: &ClusterResolved| c.logging.as_ref().map(|l| l.types.clone()).unwrap_or_default();
    if change.logging.is_some() && !same_set(&logs(now), &logs(want)) {
        calls.push(call().logging(logging(want.logging.as_ref(), now.logging.as_ref())));
    }
    if let Some(shift) = &want.zonal_shift_config
        && change.zonal_shift_config.is_some()
        && differing("zonal_shift_config")
    {
        calls.push(call().zonal_shift_config(zonal_shift(shift)));
    }
    if let Some(size) = &want.control_plane_scaling_config
        && change.control_plane_scaling_config.is_some()
        && differing("control_plane_scaling_config")
    {
        calls.push(call().control_plane_scaling_config(scaling(size)));
    }
    // Kubernetes' own programs are one kind of change.
    let api_server = change.kube_api_server_config.is_some() && differing("kube_api_server_config");
    let scheduler = change.kube_scheduler_config.is_some() && differing("kube_scheduler_config");
    let manager = change.kube_controller_manager_config.is_some() && differing("kube_controller_manager_config");
    if api_server || scheduler || manager {
        let managed = want.kube_controller_manager_config.as_ref().filter(|_| manager);
        let call = call()
            .set_kube_api_server_config(
                want.kube_api_server_config.as_ref().filter(|_| api_server).map(kube::api_server),
            )
            .set_kube_scheduler_config(want.kube_scheduler_config.as_ref().filter(|_| scheduler).map(kube::scheduler))
            .set_kube_controller_manager_config(managed.map(kube::controller_manager));
        calls.push(call);
    }
    if let Some(protection) = want.deletion_protection
        && change.deletion_protection.is_some()
        && differing("deletion_protection")
    {
        calls.push(call().deletion_protection(protection));
    }
    calls
}

/// Who reaches the API, the subnets, the security groups and the way out are four kinds of change.
fn vpc_updates(now: &VpcConfigResolved, want: &VpcConfigResolved) -> Vec<sdk::VpcConfigRequest> {
    let request = sdk::VpcConfigRequest::builder;
    let other = |now: Option<bool>, want: Option<bool>| want.is_some() && want != now;
    let ranges = |vpc: &VpcConfigResolved| vpc.public_access_cidrs.clone().unwrap_or_default();
    let groups = |vpc: &VpcConfigResolved| vpc.security_group_ids.clone().unwrap_or_default();
    let mut requests = Vec::new();
    if other(now.endpoint_public_access, want.endpoint_public_access)
        || other(now.endpoint_private_access, want.endpoint_private_access)
        || (want.public_access_cidrs.is_some() && !same_set(&ranges(now), &ranges(want)))
    {
        let access = request()
            .set_endpoint_public_access(want.endpoint_public_access.or(now.endpoint_public_access))
            .set_endpoint_private_access(want.endpoint_private_access.or(now.endpoint_private_access))
            .set_public_access_cidrs(want.public_access_cidrs.clone());
        requests.push(access.build());
    }
    if !same_set(&now.subnet_ids, &want.subnet_ids) {
        requests.push(request().set_subnet_ids(Some(texts(&want.subnet_ids))).build());
    }
    if !same_set(&groups(now), &groups(want)) {
        requests.push(request().set_security_group_ids(Some(texts(&groups(want)))).build());
    }
    if let Some(mode) =
        want.control_plane_egress_mode.as_deref().filter(|m| now.control_plane_egress_mode.as_deref() != Some(*m))
    {
        requests.push(request().control_plane_egress_mode(mode.into()).build());
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpc(subnets: &[&str], groups: &[&str]) -> VpcConfigResolved {
        VpcConfigResolved {
            subnet_ids: subnets.iter().copied().map(SubnetId::new).collect(),
            security_group_ids: Some(groups.iter().copied().map(SecurityGroupId::new).collect()),
            endpoint_public_access: None,
            endpoint_private_access: None,
            public_access_cidrs: None,
            control_plane_egress_mode: None,
        }
    }

    #[test]
    fn each_kind_of_change_to_the_vpc_configuration_is_a_call() {
        let now = VpcConfigResolved {
            endpoint_public_access: Some(true),
            endpoint_private_access: Some(false),
            public_access_cidrs: Some(vec!["0.0.0.0/0".into()]),
            ..vpc(&["subnet-a", "subnet-b"], &["sg-a"])
        };
        assert!(vpc_updates(&now, &vpc(&["subnet-b", "subnet-a"], &["sg-a"])).is_empty());
        let want = VpcConfigResolved { endpoint_private_access: Some(true), ..vpc(&["subnet-a", "subnet-c"], &[]) };
        let calls = vpc_updates(&now, &want);
        assert_eq!(calls.len(), 3);
        assert_eq!((calls[0].endpoint_public_access(), calls[0].endpoint_private_access()), (Some(true), Some(true)));
        assert!(calls[0].subnet_ids.is_none() && calls[0].public_access_cidrs.is_none());
        assert_eq!(calls[1].subnet_ids(), ["subnet-a", "subnet-c"]);
        assert_eq!(calls[2].security_group_ids, Some(vec![]), "all are taken away");
    }

    #[test]
    fn logs_are_switched_off_by_their_names() {
        let types = |types: &[&str]| LoggingResolved { types: types.iter().map(|t| (*t).to_owned()).collect() };
        let (now, want) = (types(&["api", "audit"]), types(&["audit", "scheduler"]));
        let sent = logging(Some(&want), Some(&now));
        let setups: Vec<(Option<bool>, Vec<&str>)> = sent
            .cluster_logging()
            .iter()
            .map(|s| (s.enabled(), s.types().iter().map(|t| t.as_str()).collect()))
            .collect();
        assert_eq!(setups, [(Some(true), vec!["audit", "scheduler"]), (Some(false), vec!["api"])]);
        assert_eq!(logging_of(Some(&sent)), Some(want));
        let none = logging(None, Some(&now));
        assert_eq!(none.cluster_logging().len(), 1);
        assert_eq!(logging_of(Some(&none)), None);
    }
}
