//! The groups of fields of a [`Cluster`](super::Cluster).

use phx_model::typed::Input;
use phx_model::{Block, Ipv4Cidr};

use crate::arn::Arn;
use crate::ids::{SecurityGroupId, SubnetId};

/// How a cluster's control plane is joined to a VPC, and who reaches its API.
#[derive(Clone, Debug, Block)]
pub struct VpcConfig {
    /// The subnets in which the control plane has network interfaces: two or more, in different availability zones.
    #[field(set)]
    pub subnet_ids: Input<Vec<SubnetId>>,
    /// More security groups of those interfaces, up to five. EKS makes one of its own in any case: the output `cluster_security_group_id`.
    #[field(set)]
    pub security_group_ids: Option<Input<Vec<SecurityGroupId>>>,
    /// Whether the Kubernetes API is reached from the internet. EKS's default: yes.
    #[field(cloud_default)]
    pub endpoint_public_access: Option<Input<bool>>,
    /// Whether nodes reach the Kubernetes API within the VPC. EKS's default: no.
    #[field(cloud_default)]
    pub endpoint_private_access: Option<Input<bool>>,
    /// The ranges from which the public API is reached. EKS's default: all.
    #[field(set, cloud_default)]
    pub public_access_cidrs: Option<Input<Vec<String>>>,
    /// Who routes what the control plane sends: `AWS_MANAGED` (the default), `CUSTOMER_ROUTED` or `CUSTOMER_ISOLATED`. There is no way back to
    /// `AWS_MANAGED`.
    #[field(cloud_default)]
    pub control_plane_egress_mode: Option<Input<String>>,
}

/// The addresses of Kubernetes services. Only `elastic_load_balancing` can be changed while the cluster exists; another range or another kind of
/// addresses makes a new cluster.
#[derive(Clone, Debug, Block)]
pub struct KubernetesNetworkConfig {
    /// The range of services' IPv4 addresses, /12 to /24 within the private ranges. Unset, EKS takes 10.100.0.0/16 or 172.20.0.0/16.
    #[field(replace, cloud_default)]
    pub service_ipv4_cidr: Option<Input<Ipv4Cidr>>,
    /// What addresses pods and services have: `ipv4` (the default) or `ipv6`.
    #[field(replace, cloud_default)]
    pub ip_family: Option<Input<String>>,
    /// Load balancers made by EKS Auto Mode. It is switched on and off together with `compute_config` and `storage_config`.
    #[field(cloud_default)]
    pub elastic_load_balancing: Option<Input<ElasticLoadBalancing>>,
}

/// Load balancers that EKS Auto Mode makes for Kubernetes services.
#[derive(Clone, Debug, Block)]
pub struct ElasticLoadBalancing {
    /// Whether it makes them.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
    /// How it serves the Kubernetes Gateway API.
    #[field(cloud_default)]
    pub gateway_api: Option<Input<GatewayApi>>,
}

/// How EKS Auto Mode serves the Kubernetes Gateway API.
#[derive(Clone, Debug, Block)]
pub struct GatewayApi {
    /// Who installs the API's resource definitions.
    #[field(cloud_default)]
    pub crds: Option<Input<CrdManagement>>,
}

/// Who installs the Gateway API's resource definitions in a cluster.
#[derive(Clone, Debug, Block)]
pub struct CrdManagement {
    /// Whether EKS does.
    #[field(cloud_default)]
    pub managed: Option<Input<bool>>,
}

/// Which logs of the control plane go to CloudWatch Logs.
#[derive(Clone, Debug, Block)]
pub struct Logging {
    /// Those that do: `api`, `audit`, `authenticator`, `controllerManager`, `scheduler`. The others do not.
    #[field(set)]
    pub types: Input<Vec<String>>,
}

/// What of Kubernetes' data is encrypted with a key of one's own.
#[derive(Clone, Debug, Block)]
pub struct EncryptionConfig {
    /// What is encrypted: `secrets`, which it is unset. It means little since Kubernetes 1.28, with which EKS encrypts everything.
    #[field(replace, set, cloud_default)]
    pub resources: Option<Input<Vec<String>>>,
    /// With which key.
    pub provider: Input<EncryptionProvider>,
}

/// The key that Kubernetes' data is encrypted with.
#[derive(Clone, Debug, Block)]
pub struct EncryptionProvider {
    /// The KMS key: symmetric, and in the cluster's region. Another one makes a new cluster.
    #[field(replace)]
    pub key_arn: Input<Arn>,
}

/// A control plane that stands on an Outpost.
#[derive(Clone, Debug, Block)]
pub struct OutpostConfig {
    /// The Outpost; one.
    pub outpost_arns: Input<Vec<Arn>>,
    /// The type of the control plane's instances.
    pub control_plane_instance_type: Input<String>,
    /// Where the control plane's instances are placed.
    #[field(cloud_default)]
    pub control_plane_placement: Option<Input<ControlPlanePlacement>>,
    /// The type of the instances of etcd.
    #[field(cloud_default)]
    pub etcd_instance_type: Option<Input<String>>,
    /// Where the instances of etcd are placed.
    #[field(cloud_default)]
    pub etcd_placement: Option<Input<EtcdPlacement>>,
}

/// Where the instances of a control plane on an Outpost are placed.
#[derive(Clone, Debug, Block)]
pub struct ControlPlanePlacement {
    /// The placement group's name.
    #[field(cloud_default)]
    pub group_name: Option<Input<String>>,
    /// What they are spread over: `host` or `rack`.
    #[field(cloud_default)]
    pub spread_level: Option<Input<String>>,
}

/// Where the instances of etcd on an Outpost are placed.
#[derive(Clone, Debug, Block)]
pub struct EtcdPlacement {
    /// What they are spread over: `host` or `rack`.
    #[field(cloud_default)]
    pub spread_level: Option<Input<String>>,
}

/// How users and roles come to rights in a cluster.
#[derive(Clone, Debug, Block)]
pub struct AccessConfig {
    /// Whether whoever creates the cluster becomes its administrator. EKS's default: yes. It is decided when the cluster is made, and
    /// EKS never tells it: set on a cluster where it was not, it changes nothing.
    #[field(replace, cloud_default)]
    pub bootstrap_cluster_creator_admin_permissions: Option<Input<bool>>,
    /// `CONFIG_MAP` (the default), `API_AND_CONFIG_MAP` or `API`; changes go in this direction only. Access entries need one of the last two.
    #[field(cloud_default)]
    pub authentication_mode: Option<Input<String>>,
}

/// What happens to a cluster when the standard support of its Kubernetes version ends.
#[derive(Clone, Debug, Block)]
pub struct UpgradePolicy {
    /// `EXTENDED` (the default): it stays, at a higher price. `STANDARD`: it is upgraded.
    #[field(cloud_default)]
    pub support_type: Option<Input<String>>,
}

/// Whether traffic of a cluster can be moved away from an availability zone in trouble.
#[derive(Clone, Debug, Block)]
pub struct ZonalShiftConfig {
    /// Whether it can.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
}

/// The networks of hybrid nodes, which stand outside AWS.
#[derive(Clone, Debug, Block)]
pub struct RemoteNetworkConfig {
    /// The networks of such nodes.
    #[field(set)]
    pub remote_node_networks: Option<Input<Vec<RemoteNetwork>>>,
    /// The networks of pods on such nodes, where those run webhooks.
    #[field(set)]
    pub remote_pod_networks: Option<Input<Vec<RemoteNetwork>>>,
}

/// A network outside AWS.
#[derive(Clone, Debug, Block)]
pub struct RemoteNetwork {
    /// Its ranges of private IPv4 addresses.
    #[field(set)]
    pub cidrs: Input<Vec<String>>,
}

/// The nodes of EKS Auto Mode. It is switched on and off together with `storage_config` and `kubernetes_network_config.elastic_load_balancing`.
#[derive(Clone, Debug, Block)]
pub struct ComputeConfig {
    /// Whether EKS makes nodes by itself.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
    /// The built-in pools that nodes are taken from: `general-purpose`, `system`.
    #[field(set, cloud_default)]
    pub node_pools: Option<Input<Vec<String>>>,
    /// The role of the nodes. It cannot be changed once nodes are made by EKS.
    #[field(cloud_default)]
    pub node_role_arn: Option<Input<Arn>>,
}

/// The volumes of EKS Auto Mode.
#[derive(Clone, Debug, Block)]
pub struct StorageConfig {
    /// Volumes of EBS.
    #[field(cloud_default)]
    pub block_storage: Option<Input<BlockStorage>>,
}

/// Whether EKS Auto Mode makes EBS volumes.
#[derive(Clone, Debug, Block)]
pub struct BlockStorage {
    /// Whether it does.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
}

/// How large a control plane is.
#[derive(Clone, Debug, Block)]
pub struct ControlPlaneScalingConfig {
    /// `standard` (it grows with what is asked of it), or provisioned: `tier-xl`, `tier-2xl`, `tier-4xl` or `tier-8xl`.
    #[field(cloud_default)]
    pub tier: Option<Input<String>>,
}
