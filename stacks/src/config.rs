//! What `dev.toml`, `staging.toml` and `prod.toml` say.

mod check;
mod data;
mod watch;

use std::collections::BTreeMap;

use phx::prelude::*;
use serde::Deserialize;

pub(crate) use data::{Backups, Database, major};
pub(crate) use watch::{Alerting, Cost};

/// One environment.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    /// Its name, part of every name that AWS shows.
    pub environment: String,
    /// Whether phx refuses to delete or replace what cannot be made again. Unset: in production.
    pub protect: Option<bool>,
    /// Whether this stack owns what exists once in an account and region: the trail, Config's recorder, GuardDuty, Security Hub, and S3's public
    /// access block.
    #[serde(default = "yes")]
    pub account_baseline: bool,
    /// Which parts of the platform there are.
    #[serde(default)]
    pub components: Components,
    /// Its network.
    pub network: Network,
    /// Its Kubernetes cluster.
    pub eks: Eks,
    /// Its PostgreSQL.
    pub database: Database,
    /// Who gets in, and what is kept from view.
    #[serde(default)]
    pub security: Security,
    /// What is kept for bad days.
    pub backups: Backups,
    /// What it may cost.
    pub cost: Cost,
    /// Who is told of trouble.
    pub alerting: Alerting,
}

/// The parts of the platform, each of which can be left out: who takes it over piece by piece starts with the network, which is always there.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Components {
    /// The Kubernetes cluster.
    pub eks: bool,
    /// PostgreSQL.
    pub database: bool,
    /// The permissions boundary, the bastion, the VPN, secrets, and what `account_baseline` says.
    pub security: bool,
    /// AWS Backup and the bucket.
    pub backups: bool,
    /// Topics, alarms and the dashboard.
    pub alerting: bool,
    /// The budget and the look-out for anomalies.
    pub cost: bool,
}

impl Default for Components {
    fn default() -> Self {
        Self { eks: true, database: true, security: true, backups: true, alerting: true, cost: true }
    }
}

/// The network of an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct Network {
    /// The VPC's addresses.
    pub cidr: Ipv4Cidr,
    /// The availability zones to spread over, 2 to 4.
    pub zones: Vec<String>,
    /// How many NAT gateways there are.
    pub nat_gateways: NatGateways,
    /// How long flow logs are kept.
    pub flow_log_retention_days: i32,
    /// Those of S3 and DynamoDB that are reached by way of the route tables, for nothing: `s3`, `dynamodb`.
    #[serde(default)]
    pub gateway_endpoints: Vec<String>,
    /// The services that have an endpoint in the private subnets, as `ecr.api`. Each costs by the hour and zone.
    #[serde(default)]
    pub interface_endpoints: Vec<String>,
    /// In how many zones they have one. Unset: in all. From the others they are reached across zones.
    pub interface_endpoint_zones: Option<usize>,
}

/// How many NAT gateways a network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NatGateways {
    /// One for all zones.
    Single,
    /// One in each zone.
    PerZone,
}

/// The Kubernetes cluster of an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct Eks {
    /// Kubernetes' version: `1.34`. It can only be raised, one minor version at a time.
    pub version: String,
    /// How long the control plane's logs are kept.
    pub log_retention_days: i32,
    /// From where the API server is reached beside the VPC. Empty: from nowhere.
    #[serde(default)]
    pub public_access_cidrs: Vec<Ipv4Cidr>,
    /// The add-ons' versions, by name. One that is not named gets EKS's default when it is installed, and keeps it.
    #[serde(default)]
    pub addon_versions: BTreeMap<String, String>,
    /// Who may do what in the cluster, each with an IAM role `phoenix-<env>-cluster-<name>` of its own.
    #[serde(default)]
    pub access: BTreeMap<String, Access>,
    /// The groups of nodes, by name.
    pub node_groups: BTreeMap<String, NodeGroup>,
}

/// Someone's access to the cluster.
#[derive(Debug, Deserialize)]
pub(crate) struct Access {
    /// Who may take on the role. Empty: whoever the account's own policies let, with a second factor.
    #[serde(default)]
    pub trusted: Vec<String>,
    /// The Kubernetes groups to which RBAC bindings give rights.
    #[serde(default)]
    pub groups: Vec<String>,
    /// One of EKS's own access policies: `AmazonEKSClusterAdminPolicy`, `AmazonEKSViewPolicy` …
    pub policy: Option<String>,
}

/// A group of nodes.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeGroup {
    /// The kinds of machine; more than one only makes sense for spot.
    pub instance_types: Vec<String>,
    /// Whether AWS may take the machines back at two minutes' notice, for a third of the price.
    #[serde(default)]
    pub spot: bool,
    /// The least number of nodes.
    pub min: i32,
    /// The greatest number of nodes.
    pub max: i32,
    /// A fixed number of nodes. Unset: it starts with `min`, and the cluster autoscaler decides from then on.
    pub desired: Option<i32>,
    /// The disk of a node, in GiB.
    pub disk_gib: i32,
    /// Kubernetes labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints, as `dedicated=monitoring:NoSchedule`.
    #[serde(default)]
    pub taints: Vec<String>,
    /// How many nodes may be missing while the group is updated, in percent.
    #[serde(default = "third")]
    pub max_unavailable_percentage: i32,
}

/// Who gets in, and what is kept from view.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Security {
    /// The machine from which people reach the private subnets. Unset: there is none.
    pub bastion: Option<Bastion>,
    /// A site-to-site VPN. Unset: there is none.
    pub vpn: Option<Vpn>,
    /// Secrets of applications, by name. phx makes the room for them; what is in it is put there by others.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// How long the account's trail is kept in CloudWatch. The bucket keeps it for seven years.
    #[serde(default = "year")]
    pub trail_retention_days: i32,
}

/// The bastion.
#[derive(Debug, Deserialize)]
pub(crate) struct Bastion {
    /// Its kind of machine, of the ARM architecture.
    pub instance_type: String,
    /// From where SSH is let in beside Session Manager, which needs no open port. It needs `key_name`. A private range is one behind the VPN; for
    /// any other, the bastion stands in a public subnet.
    pub ssh_cidr: Option<Ipv4Cidr>,
    /// The key pair for SSH, which phx does not manage.
    pub key_name: Option<String>,
}

/// A site-to-site VPN.
#[derive(Debug, Deserialize)]
pub(crate) struct Vpn {
    /// The outside address of the other side's device.
    pub customer_address: String,
    /// Its AS number.
    pub bgp_asn: i32,
    /// The networks behind it.
    pub routes: Vec<Ipv4Cidr>,
}

fn yes() -> bool {
    true
}

fn third() -> i32 {
    33
}

fn year() -> i32 {
    365
}

impl Config {
    /// The name of something in this environment.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("phoenix-{}-{what}", self.environment)
    }

    /// The name of the environment's EKS cluster.
    pub(crate) fn cluster(&self) -> String {
        self.name("cluster")
    }

    /// The region, which the zones' names begin with.
    pub(crate) fn region(&self) -> &str {
        self.network.zones.first().map_or("", |zone| region_of(zone))
    }

    /// Whether this is production.
    pub(crate) fn is_production(&self) -> bool {
        self.environment == "prod"
    }

    /// Whether what cannot be made again is protected.
    pub(crate) fn protect(&self) -> bool {
        self.protect.unwrap_or(self.is_production())
    }

    /// The bastion, if there is one.
    pub(crate) fn bastion(&self) -> Option<&Bastion> {
        self.security.bastion.as_ref().filter(|_| self.components.security)
    }

    /// The networks behind the VPN, if there is one.
    pub(crate) fn vpn_routes(&self) -> &[Ipv4Cidr] {
        let vpn = self.security.vpn.as_ref().filter(|_| self.components.security);
        vpn.map(|vpn| vpn.routes.as_slice()).unwrap_or_default()
    }

    /// Whether AWS Backup makes the database's continuous backups: then it says how long they are kept and when they are made.
    pub(crate) fn backup_rules_database(&self) -> bool {
        self.components.backups && self.backups.point_in_time
    }
}

impl Bastion {
    /// Whether SSH comes to it from the internet, so that it needs a public address.
    pub(crate) fn is_public(&self) -> bool {
        self.ssh_cidr.is_some_and(|range| !range.network().is_private())
    }
}

/// `us-west-2` of `us-west-2a`.
fn region_of(zone: &str) -> &str {
    zone.trim_end_matches(|c: char| c.is_ascii_lowercase())
}
