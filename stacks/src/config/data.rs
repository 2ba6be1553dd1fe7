//! The configuration of what holds data.

use phx::prelude::*;
use serde::Deserialize;

/// The PostgreSQL of an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct Database {
    /// PostgreSQL's major version: `17`. Minor ones come with the maintenance window.
    pub version: String,
    /// The major version that it is brought to `version` from: `16`. It lets that happen, and keeps the old version's parameters, which the database
    /// has until its window. Taken out once it runs the new version.
    pub upgrade_from: Option<String>,
    /// The kind of machine. A change waits for the maintenance window unless `apply_immediately` says otherwise.
    pub instance_class: String,
    /// The name of the first database.
    pub name: String,
    /// The storage, in GiB. It can only grow.
    pub storage_gib: i32,
    /// Up to how many GiB RDS enlarges the storage by itself. Unset: it does not.
    pub max_storage_gib: Option<i32>,
    /// Whether a second machine in another zone stands by.
    pub multi_az: bool,
    /// For how many days RDS can restore any moment, 1 to 35.
    pub backup_retention_days: i32,
    /// When the daily backup is made, in UTC: `08:00-09:00`.
    pub backup_window: String,
    /// When what waits is done, in UTC: `sun:09:30-sun:10:30`.
    pub maintenance_window: String,
    /// Whether changes of this run are made at once and not in the window: for emergencies.
    pub apply_immediately: Option<bool>,
    /// Whether RDS refuses to delete it.
    #[serde(default)]
    pub deletion_protection: bool,
    /// Whether the data is kept in a snapshot when it is deleted.
    #[serde(default)]
    pub final_snapshot: bool,
    /// Whether queries are measured.
    #[serde(default)]
    pub performance_insights: bool,
    /// Every how many seconds the operating system is measured: 0 (not at all), 1, 5, 10, 15, 30 or 60.
    #[serde(default)]
    pub monitoring_seconds: i32,
    /// How long its logs are kept in CloudWatch.
    pub log_retention_days: i32,
    /// Statements that take longer are logged, in milliseconds.
    #[serde(default = "second")]
    pub log_statements_over_ms: i32,
    /// How many connections are too many. Unset: four fifths of what PostgreSQL allows on a machine of this class.
    pub connections_alarm: Option<u32>,
    /// When the master user's password is changed.
    #[serde(default)]
    pub rotation: Rotation,
    /// The kind of machine of a read replica. Unset: there is none.
    pub replica_class: Option<String>,
    /// A copy of the database as it was at a moment, beside it. README.md has the sequence.
    pub restored: Option<Restored>,
}

/// The database as it was at a moment.
#[derive(Debug, Deserialize)]
pub(crate) struct Restored {
    /// The moment: `2026-11-25T10:00:00Z`, or `latest`.
    pub to: String,
    /// Whether the database's name leads to the copy.
    #[serde(default)]
    pub serves: bool,
}

/// When the master user's password is changed.
#[derive(Debug, Deserialize)]
pub(crate) struct Rotation {
    /// After how many days.
    pub days: i64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { days: 7 }
    }
}

/// What is kept for bad days.
#[derive(Debug, Deserialize)]
pub(crate) struct Backups {
    /// How long daily recovery points are kept.
    pub retention_days: i64,
    /// Whether any moment of the last days can be restored through AWS Backup too: at most 35 days.
    #[serde(default)]
    pub point_in_time: bool,
    /// How long monthly recovery points are kept, which move to cold storage after 30 days: 120 days or more. Unset: there are none.
    pub monthly_retention_days: Option<i64>,
    /// Whether snapshots of the database can be exported to the bucket.
    #[serde(default)]
    pub export_snapshots: bool,
    /// Another region that gets a copy of the bucket's objects. Unset: none.
    pub replica_region: Option<String>,
}

fn second() -> i32 {
    1000
}

impl Backups {
    /// What a type alone cannot say.
    pub(super) fn check(&self, region: &str) -> Result<()> {
        let days = self.retention_days;
        if !(1..=3650).contains(&days) {
            anyhow::bail!("backups.retention_days is {days}; it must be 1 to 3650");
        }
        if self.point_in_time && days > 35 {
            anyhow::bail!("backups.retention_days is {days}; with backups.point_in_time, AWS Backup keeps 35 at most");
        }
        if let Some(days) = self.monthly_retention_days.filter(|days| *days < 120) {
            anyhow::bail!(
                "backups.monthly_retention_days is {days}; what moves to cold storage after 30 days stays there for 90, so 120 is the least"
            );
        }
        if self.replica_region.as_deref() == Some(region) {
            anyhow::bail!("backups.replica_region is {region:?}, where the bucket itself lies; name another region");
        }
        Ok(())
    }
}

/// A version's first number, which is PostgreSQL's major version.
pub(crate) fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// How many connections PostgreSQL allows on a machine of a class, unless its parameters say otherwise: LEAST({DBInstanceClassMemory/9531392}, 5000).
/// RDS keeps some of the memory for itself, a quarter of a GiB at least. `None`: how much memory the class has is not known here.
fn max_connections(class: &str) -> Option<u32> {
    let mut parts = class.strip_prefix("db.")?.split('.');
    let (family, size) = (parts.next()?, parts.next()?);
    // In MiB, of `large`: each size has twice the memory of the one before, and each `2xlarge`, `4xlarge` … so many times that of `xlarge`.
    let large: u32 = match family.chars().next()? {
        'c' => 4096,
        'm' | 't' => 8192,
        'r' | 'z' => 16384,
        'x' => 32768,
        _ => return None,
    };
    let memory = match size {
        "micro" => large / 8,
        "small" => large / 4,
        "medium" => large / 2,
        "large" => large,
        "xlarge" => large * 2,
        more => large.checked_mul(2)?.checked_mul(more.strip_suffix("xlarge")?.parse().ok()?)?,
    };
    let bytes = u64::from(memory.saturating_sub(256)) * 1_048_576;
    u32::try_from((bytes / 9_531_392).min(5000)).ok()
}

impl Database {
    /// From how many connections on somebody is told. `None`: it is neither said nor known.
    pub(crate) fn connections_alarm(&self) -> Option<u32> {
        self.connections_alarm.or_else(|| Some(max_connections(&self.instance_class)? * 4 / 5))
    }

    /// What a type alone cannot say.
    pub(super) fn check(&self) -> Result<()> {
        let days = self.backup_retention_days;
        if !(1..=35).contains(&days) {
            anyhow::bail!("database.backup_retention_days is {days}; RDS keeps 1 to 35");
        }
        if self.storage_gib < 20 {
            anyhow::bail!("database.storage_gib is {}; gp3 storage has 20 at least", self.storage_gib);
        }
        if let Some(most) = self.max_storage_gib
            && most * 100 < self.storage_gib * 110
        {
            anyhow::bail!(
                "database.max_storage_gib is {most}; RDS wants it to be at least a tenth more than database.storage_gib, {}",
                self.storage_gib
            );
        }
        if ![0, 1, 5, 10, 15, 30, 60].contains(&self.monitoring_seconds) {
            anyhow::bail!(
                "database.monitoring_seconds is {}; RDS knows 0, 1, 5, 10, 15, 30, 60",
                self.monitoring_seconds
            );
        }
        if !(1..=1000).contains(&self.rotation.days) {
            anyhow::bail!("database.rotation.days is {}; Secrets Manager takes 1 to 1000", self.rotation.days);
        }
        if !self.version.starts_with(|c: char| c.is_ascii_digit()) {
            anyhow::bail!(
                "database.version is {:?}; it begins with PostgreSQL's major version, as \"17\"",
                self.version
            );
        }
        if let Some(from) = &self.upgrade_from {
            let number = |version: &str| major(version).parse::<u32>().ok();
            let rises = number(from).zip(number(&self.version)).is_some_and(|(from, to)| from < to);
            if !rises {
                anyhow::bail!(
                    "database.upgrade_from is {from:?}, and database.version {:?}; it is the earlier major version that the database is brought from",
                    self.version
                );
            }
        }
        if self.connections_alarm == Some(0) {
            anyhow::bail!("database.connections_alarm is 0; somebody would always be told");
        }
        if times(&self.backup_window).is_none_or(|(a, b)| b - a < 30) {
            anyhow::bail!(
                "database.backup_window is {:?}; it must be 30 minutes or more of a day, as \"08:00-09:00\"",
                self.backup_window
            );
        }
        let window: Vec<&str> = self.maintenance_window.split('-').collect();
        let day = |t: &&str| t.split(':').next().is_some_and(|d| DAYS.contains(&d.to_ascii_lowercase().as_str()));
        let time = |t: &&str| t.split_once(':').is_some_and(|(_, time)| minutes(time).is_some());
        if window.len() != 2 || !window.iter().all(|t| day(t) && time(t)) {
            anyhow::bail!(
                "database.maintenance_window is {:?}; it must be a time of the week, as \"sun:09:30-sun:10:30\"",
                self.maintenance_window
            );
        }
        Ok(())
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The minutes of the day at which a window begins and ends; after midnight it goes on counting.
fn times(window: &str) -> Option<(u32, u32)> {
    let (from, to) = window.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    Some((from, if to < from { to + 24 * 60 } else { to }))
}

fn minutes(time: &str) -> Option<u32> {
    let (hours, minutes) = time.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_from_the_machines_memory() {
        for (class, most) in [
            ("db.t4g.micro", Some(84)),
            ("db.t4g.small", Some(197)),
            ("db.t4g.medium", Some(422)),
            ("db.m7g.large", Some(873)),
            ("db.r7g.large", Some(1774)),
            ("db.r7g.xlarge", Some(3576)),
            ("db.r7g.2xlarge", Some(5000)),
            ("db.r7g.16xlarge", Some(5000)),
            ("db.serverless", None),
            ("db.r7g.metal", None),
            ("db.r7g.99999999xlarge", None),
            ("r7g.large", None),
            ("", None),
        ] {
            assert_eq!(max_connections(class), most, "{class}");
        }
    }
}
