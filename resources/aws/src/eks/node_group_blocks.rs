//! The groups of fields of a [`NodeGroup`](super::NodeGroup).

use phx_model::Block;
use phx_model::typed::Input;

use crate::ids::{KeyName, LaunchTemplateId, SecurityGroupId};

/// How many nodes a node group has.
#[derive(Clone, Debug, Block)]
pub struct ScalingConfig {
    /// At least so many.
    #[field(cloud_default)]
    pub min_size: Option<Input<i32>>,
    /// At most so many; 1 or more.
    #[field(cloud_default)]
    pub max_size: Option<Input<i32>>,
    /// So many at the moment. Where an autoscaler decides, leave it out, or set it for the beginning and ignore its changes:
    /// `Options::new().ignore_changes(["scaling_config.desired_size"])`.
    #[field(cloud_default)]
    pub desired_size: Option<Input<i32>>,
}

/// Who may log in to a node group's nodes: by SSH, or by RDP where they run Windows.
#[derive(Clone, Debug, Block)]
pub struct RemoteAccess {
    /// The name of the EC2 key pair.
    pub ec2_ssh_key: Option<Input<KeyName>>,
    /// The security groups from which nodes can be reached. With a key and without these, it is the whole internet.
    #[field(set)]
    pub source_security_groups: Option<Input<Vec<SecurityGroupId>>>,
}

/// What keeps pods that do not tolerate it away from nodes.
#[derive(Clone, Debug, Block)]
pub struct Taint {
    /// Its key.
    pub key: Input<String>,
    /// What it does: `NO_SCHEDULE`, `NO_EXECUTE` or `PREFER_NO_SCHEDULE`.
    pub effect: Input<String>,
    /// Its value.
    pub value: Option<Input<String>>,
}

/// The launch template that nodes are made from: its id or its name. Another template makes a new node group.
#[derive(Clone, Debug, Block)]
pub struct NodeLaunchTemplate {
    /// Its id.
    #[field(replace, cloud_default)]
    pub id: Option<Input<LaunchTemplateId>>,
    /// Its name.
    #[field(replace, cloud_default)]
    pub name: Option<Input<String>>,
    /// Its version, as a number: EKS never tells `$Latest` or `$Default`, so those would always be found changed. Unset, the template's
    /// default when the node group is made.
    #[field(cloud_default)]
    pub version: Option<Input<String>>,
}

/// How nodes are replaced when a node group's version changes.
#[derive(Clone, Debug, Block)]
pub struct NodeUpdateConfig {
    /// How many nodes may be away at once, up to 100. EKS's default: 1. It excludes `max_unavailable_percentage`.
    #[field(cloud_default)]
    pub max_unavailable: Option<Input<i32>>,
    /// How many of a hundred nodes may be away at once.
    #[field(cloud_default)]
    pub max_unavailable_percentage: Option<Input<i32>>,
    /// `DEFAULT` (new nodes come before old ones go) or `MINIMAL` (they go first).
    #[field(cloud_default)]
    pub update_strategy: Option<Input<String>>,
}

/// Whether EKS replaces nodes that are not well. Of each pair of a count and a percentage, one is set.
#[derive(Clone, Debug, Block)]
pub struct NodeRepairConfig {
    /// Whether it does. EKS's default: no.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
    /// With more unwell nodes than this, none is repaired.
    #[field(cloud_default)]
    pub max_unhealthy_node_threshold_count: Option<Input<i32>>,
    /// With more unwell nodes of a hundred than this, none is repaired.
    #[field(cloud_default)]
    pub max_unhealthy_node_threshold_percentage: Option<Input<i32>>,
    /// How many nodes are repaired at once.
    #[field(cloud_default)]
    pub max_parallel_nodes_repaired_count: Option<Input<i32>>,
    /// How many of a hundred unwell nodes are repaired at once.
    #[field(cloud_default)]
    pub max_parallel_nodes_repaired_percentage: Option<Input<i32>>,
    /// What is done about certain troubles instead of the usual.
    #[field(set, cloud_default)]
    pub node_repair_config_overrides: Option<Input<Vec<NodeRepairOverride>>>,
}

/// What is done about one kind of trouble of a node.
#[derive(Clone, Debug, Block)]
pub struct NodeRepairOverride {
    /// The condition that the node monitoring agent reports: `AcceleratedInstanceNotReady`.
    pub node_monitoring_condition: Input<String>,
    /// The reason that it reports: `NvidiaXID64Error`.
    pub node_unhealthy_reason: Input<String>,
    /// How many minutes pass before.
    pub min_repair_wait_time_mins: Input<i32>,
    /// `Replace`, `Reboot` or `NoAction`.
    pub repair_action: Input<String>,
}

/// Instances kept ready to become nodes.
#[derive(Clone, Debug, Block)]
pub struct WarmPoolConfig {
    /// Whether there are any.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
    /// How many at least. EKS's default: none.
    #[field(cloud_default)]
    pub min_size: Option<Input<i32>>,
    /// How many at most, nodes included.
    #[field(cloud_default)]
    pub max_group_prepared_capacity: Option<Input<i32>>,
    /// What state they wait in: `STOPPED` (the default), `RUNNING` or `HIBERNATED`.
    #[field(cloud_default)]
    pub pool_state: Option<Input<String>>,
    /// Whether nodes that are not needed go back among them. EKS's default: no.
    #[field(cloud_default)]
    pub reuse_on_scale_in: Option<Input<bool>>,
}
