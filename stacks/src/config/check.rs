//! What is wrong with a configuration though each of its values has the right type. All of it is found before the first call.

use phx::prelude::*;

use super::{Config, Eks, Network, NodeGroup, Security, region_of};
use crate::eks::{ADDONS, taint};

impl Config {
    /// What a type alone cannot say. `stack` is the stack's name, and that of its file.
    pub(crate) fn check(&self, stack: &str) -> Result<()> {
        if self.environment != stack {
            anyhow::bail!("{stack}.toml says environment = {:?}; it must be the stack's own name", self.environment);
        }
        let parts = [
            self.network.check(),
            self.eks.check(),
            self.database.check(),
            self.security.check(),
            self.backups.check(self.region()),
            self.alerting.check(),
            self.cost.check(),
        ];
        for (key, days) in [
            ("network.flow_log_retention_days", self.network.flow_log_retention_days),
            ("eks.log_retention_days", self.eks.log_retention_days),
            ("database.log_retention_days", self.database.log_retention_days),
            ("security.trail_retention_days", self.security.trail_retention_days),
        ] {
            retention(stack, key, days)?;
        }
        for part in parts {
            part.map_err(|mistake| anyhow::anyhow!("{stack}.toml: {mistake}"))?;
        }
        let (kept, wanted) = (self.backups.retention_days, i64::from(self.database.backup_retention_days));
        if self.backup_rules_database() && self.components.database && kept < wanted {
            anyhow::bail!(
                "{stack}.toml: backups.retention_days is {kept}, and database.backup_retention_days {wanted}; with backups.point_in_time, AWS Backup takes the database's backups over and would keep fewer"
            );
        }
        if self.components.alerting && self.components.database && self.database.connections_alarm().is_none() {
            anyhow::bail!(
                "{stack}.toml: database.connections_alarm must say how many connections are too many: how much memory {:?} has is not known here",
                self.database.instance_class
            );
        }
        Ok(())
    }
}

/// PutRetentionPolicy takes these and no others.
const DAYS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

fn retention(stack: &str, key: &str, days: i32) -> Result<()> {
    if !DAYS.contains(&days) {
        let known = DAYS.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        anyhow::bail!("{stack}.toml: {key} is {days}; AWS knows {known}");
    }
    Ok(())
}

/// The first value that is there twice.
fn twice(values: &[String]) -> Option<&String> {
    values.iter().enumerate().find(|(i, v)| values[..*i].contains(v)).map(|(_, v)| v)
}

impl Network {
    fn check(&self) -> Result<()> {
        let Self { cidr, zones, .. } = self;
        if !(2..=4).contains(&zones.len()) {
            anyhow::bail!("network.zones names {} zones; 2 to 4 are supported", zones.len());
        }
        if let Some(zone) = twice(zones) {
            anyhow::bail!("network.zones names {zone:?} twice");
        }
        if let Some(zone) = zones.iter().find(|z| region_of(z) != region_of(&zones[0]) || region_of(z) == z.as_str()) {
            anyhow::bail!("network.zones names {zone:?}, which is no zone of the region of {:?}", zones[0]);
        }
        if !(16..=20).contains(&cidr.prefix()) {
            anyhow::bail!("network.cidr is {cidr}; its prefix must be 16 to 20, so that every subnet has room");
        }
        if let Some(service) = self.gateway_endpoints.iter().find(|s| !["s3", "dynamodb"].contains(&s.as_str())) {
            anyhow::bail!("network.gateway_endpoints names {service:?}; there are gateways for s3 and dynamodb only");
        }
        if let Some(service) = twice(&self.gateway_endpoints) {
            anyhow::bail!("network.gateway_endpoints names {service:?} twice");
        }
        if let Some(service) = twice(&self.interface_endpoints) {
            anyhow::bail!("network.interface_endpoints names {service:?} twice");
        }
        if let Some(n) = self.interface_endpoint_zones.filter(|n| !(1..=zones.len()).contains(n)) {
            anyhow::bail!("network.interface_endpoint_zones is {n}, and there are {} zones", zones.len());
        }
        Ok(())
    }
}

impl Eks {
    fn check(&self) -> Result<()> {
        let minor = self.version.strip_prefix("1.").and_then(|minor| minor.parse::<u32>().ok());
        if minor.is_none() {
            anyhow::bail!("eks.version is {:?}; EKS's versions are as \"1.34\", without a patch", self.version);
        }
        if let Some(open) = self.public_access_cidrs.iter().find(|range| range.prefix() < 8) {
            anyhow::bail!("eks.public_access_cidrs names {open}: the API server would be open to the world");
        }
        if let Some(name) = self.addon_versions.keys().find(|name| !ADDONS.contains(&name.as_str())) {
            anyhow::bail!("eks.addon_versions names {name:?}; the platform's add-ons are {}", ADDONS.join(", "));
        }
        if let Some((name, _)) =
            self.access.iter().find(|(_, access)| access.groups.is_empty() && access.policy.is_none())
        {
            anyhow::bail!("eks.access.{name} gives no rights: name groups or a policy");
        }
        for (name, access) in &self.access {
            // EKS refuses these: RBAC's own groups are not for others to give.
            if let Some(group) = access.groups.iter().find(|g| g.starts_with("system:")) {
                anyhow::bail!(
                    "eks.access.{name} names the group {group:?}; EKS takes none that begins with \"system:\""
                );
            }
        }
        if self.node_groups.is_empty() {
            anyhow::bail!("eks.node_groups is empty: nothing would run");
        }
        self.node_groups.iter().try_for_each(|(name, group)| group.check(name))
    }
}

impl NodeGroup {
    fn check(&self, name: &str) -> Result<()> {
        let Self { min, max, desired, instance_types, .. } = self;
        let key = format!("eks.node_groups.{name}");
        if *min < 0 || *max < 1 || min > max {
            anyhow::bail!("{key} has min = {min} and max = {max}; min must be 0 or more, and max at least 1 and min");
        }
        if let Some(desired) = desired.filter(|n| n < min || n > max) {
            anyhow::bail!("{key}.desired is {desired}, which is not between min = {min} and max = {max}");
        }
        if instance_types.is_empty() {
            anyhow::bail!("{key}.instance_types is empty");
        }
        if self.disk_gib < 20 {
            anyhow::bail!("{key}.disk_gib is {}; the image alone takes 20", self.disk_gib);
        }
        if !(1..=100).contains(&self.max_unavailable_percentage) {
            anyhow::bail!(
                "{key}.max_unavailable_percentage is {}; it must be 1 to 100",
                self.max_unavailable_percentage
            );
        }
        if let Some(wrong) = self.taints.iter().find(|t| taint(t).is_none()) {
            anyhow::bail!(
                "{key}.taints names {wrong:?}; a taint is key=value:effect, with the effect NoSchedule, PreferNoSchedule or NoExecute"
            );
        }
        Ok(())
    }
}

impl Security {
    fn check(&self) -> Result<()> {
        if let Some(name) = twice(&self.secrets) {
            anyhow::bail!("security.secrets names {name:?} twice");
        }
        if let Some(bastion) = &self.bastion {
            match (bastion.ssh_cidr, &bastion.key_name) {
                (Some(_), None) => anyhow::bail!("security.bastion.ssh_cidr needs security.bastion.key_name"),
                (Some(range), _) if range.prefix() < 8 => {
                    anyhow::bail!("security.bastion.ssh_cidr is {range}: SSH would be open to the world")
                }
                _ => {}
            }
        }
        if let Some(vpn) = &self.vpn {
            if vpn.customer_address.parse::<std::net::IpAddr>().is_err() {
                anyhow::bail!("security.vpn.customer_address is {:?}, which is no address", vpn.customer_address);
            }
            if vpn.routes.is_empty() {
                anyhow::bail!("security.vpn.routes is empty: nothing would go through it");
            }
        }
        Ok(())
    }
}
