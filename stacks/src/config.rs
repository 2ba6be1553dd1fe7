//! What `dev.toml`, `staging.toml` and `prod.toml` say.

use phx::prelude::*;
use serde::Deserialize;

/// One environment.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// Its name, part of every name that AWS shows.
    pub environment: String,
    /// Its network.
    pub network: Network,
}

/// The network of an environment.
#[derive(Debug, Deserialize)]
pub struct Network {
    /// The VPC's addresses.
    pub cidr: Ipv4Cidr,
    /// The availability zones to spread over, 2 to 4.
    pub zones: Vec<String>,
    /// How many NAT gateways there are.
    pub nat_gateways: NatGateways,
    /// How long flow logs are kept.
    pub flow_log_retention_days: i32,
}

/// How many NAT gateways a network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatGateways {
    /// One for all zones.
    Single,
    /// One in each zone.
    PerZone,
}

impl Config {
    /// The name of the environment's EKS cluster.
    pub fn cluster(&self) -> String {
        format!("phoenix-{}-cluster", self.environment)
    }

    /// What a type alone cannot say.
    pub fn check(&self, stack: &str) -> Result<()> {
        let Network { cidr, zones, flow_log_retention_days, .. } = &self.network;
        if self.environment != stack {
            anyhow::bail!("{stack}.toml says environment = {:?}; it must be the stack's own name", self.environment);
        }
        if !(2..=4).contains(&zones.len()) {
            anyhow::bail!("{stack}.toml: network.zones names {} zones; 2 to 4 are supported", zones.len());
        }
        if let Some(twice) = zones.iter().enumerate().find(|(i, z)| zones[..*i].contains(z)) {
            anyhow::bail!("{stack}.toml: network.zones names {:?} twice", twice.1);
        }
        if !(16..=20).contains(&cidr.prefix()) {
            anyhow::bail!("{stack}.toml: network.cidr is {cidr}; its prefix must be 16 to 20, so that every subnet has room");
        }
        // CreateLogGroup's partner PutRetentionPolicy takes these and no others.
        const DAYS: [i32; 22] =
            [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
        if !DAYS.contains(flow_log_retention_days) {
            let known = DAYS.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
            anyhow::bail!("{stack}.toml: network.flow_log_retention_days is {flow_log_retention_days}; AWS knows {known}");
        }
        Ok(())
    }
}
