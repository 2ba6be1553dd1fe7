//! Alarms on metrics, in tiers, each with a link to its runbook.

use phx::aws::cloudwatch::{Dimension, MetricAlarm};
use phx::prelude::*;

use super::{Topics, Watched};
use crate::platform::Platform;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    Critical,
    Warning,
}

/// When a metric is too high, or too low.
pub(super) struct Limit {
    /// What it is called, and its runbook.
    pub name: &'static str,
    /// How bad it is.
    pub tier: Tier,
    /// What is going on, for who is woken.
    pub text: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// How its values of a period become one: `Average`, `Maximum`, `Sum`, `Minimum`.
    pub statistic: &'static str,
    /// Whether it is too low below the threshold, and not too high above.
    pub low: bool,
    /// The threshold, in the metric's unit.
    pub threshold: f64,
    /// For how many periods of five minutes.
    pub periods: i32,
}

impl Limit {
    /// Somebody has to look, when it is above zero.
    pub(super) const fn warning(
        name: &'static str,
        text: &'static str,
        metric: &'static str,
        statistic: &'static str,
    ) -> Self {
        Self { name, tier: Tier::Warning, text, metric, statistic, low: false, threshold: 0.0, periods: 1 }
    }

    /// Somebody has to get up.
    const fn critical(self) -> Self {
        Self { tier: Tier::Critical, ..self }
    }

    /// When it is above a threshold for so many periods.
    pub(super) const fn above(self, threshold: f64, periods: i32) -> Self {
        Self { low: false, threshold, periods, ..self }
    }

    /// When it is below.
    const fn below(self, threshold: f64, periods: i32) -> Self {
        Self { low: true, threshold, periods, ..self }
    }
}

const GIB: f64 = 1_073_741_824.0;

const DATABASE: [Limit; 5] = [
    Limit::warning("database-cpu", "The database's processor is busy.", "CPUUtilization", "Average").above(80.0, 6),
    Limit::warning(
        "database-storage",
        "The database's storage is nearly full; a full one stops it.",
        "FreeStorageSpace",
        "Minimum",
    )
    .below(4.0 * GIB, 2)
    .critical(),
    Limit::warning("database-memory", "The database has little memory left.", "FreeableMemory", "Minimum")
        .below(0.125 * GIB, 3),
    Limit::warning(
        "database-read-latency",
        "Reading from the database's storage is slow (s).",
        "ReadLatency",
        "Average",
    )
    .above(0.05, 3),
    Limit::warning("database-swap", "The database's machine swaps.", "SwapUsage", "Maximum").above(0.25 * GIB, 3),
];

/// Above what, the machine's memory says.
const CONNECTIONS: Limit =
    Limit::warning("database-connections", "The database has very many connections.", "DatabaseConnections", "Maximum");

const REPLICA: [Limit; 1] =
    [Limit::warning("replica-lag", "The read replica is far behind (s).", "ReplicaLag", "Maximum").above(300.0, 2)];

const CLUSTER: [Limit; 2] = [
    Limit::warning(
        "api-server-errors",
        "The Kubernetes API server fails to answer.",
        "apiserver_request_total_5XX",
        "Sum",
    )
    .above(50.0, 2)
    .critical(),
    Limit::warning(
        "api-server-throttles",
        "The Kubernetes API server turns requests away.",
        "apiserver_request_total_429",
        "Sum",
    )
    .above(100.0, 3),
];

const NAT: [Limit; 2] = [
    Limit::warning(
        "ports",
        "The NAT gateway has no ports left: connections to the outside fail.",
        "ErrorPortAllocation",
        "Sum",
    )
    .critical(),
    Limit::warning("drops", "The NAT gateway drops packets.", "PacketsDropCount", "Sum").above(100.0, 3),
];

const MACHINE: [Limit; 1] =
    [Limit::warning("bastion-status", "The bastion fails its status checks.", "StatusCheckFailed", "Maximum")
        .above(0.0, 2)];

/// Declares those of what is there.
pub(super) fn declare(scope: &Scope, platform: &Platform<'_>, topics: &Topics, watched: &Watched<'_>) -> Result<()> {
    let add =
        |namespace: &str, dimension: &str, value: Input<String>, of: Option<&str>, limits: &[Limit]| -> Result<()> {
            for limit in limits {
                let alarm = alarm(platform, topics, of, limit)
                    .namespace(namespace)
                    .dimensions([Dimension::new(dimension, value.clone())]);
                let name = of.map_or(limit.name.to_owned(), |of| format!("{of}-{}", limit.name));
                scope.add(&name, alarm)?;
            }
            Ok(())
        };
    if let Some(postgres) = watched.postgres {
        let id = phx::format!("{}", postgres.instance.db_instance_identifier());
        add("AWS/RDS", "DBInstanceIdentifier", id.clone(), None, &DATABASE)?;
        if let Some(most) = platform.config.database.connections_alarm() {
            add("AWS/RDS", "DBInstanceIdentifier", id, None, &[CONNECTIONS.above(f64::from(most), 3)])?;
        }
        if let Some(replica) = &postgres.replica {
            let id = phx::format!("{}", replica.db_instance_identifier());
            add("AWS/RDS", "DBInstanceIdentifier", id, None, &REPLICA)?;
        }
    }
    if let Some(kubernetes) = watched.kubernetes {
        add("AWS/EKS", "ClusterName", phx::format!("{}", kubernetes.cluster.name()), None, &CLUSTER)?;
    }
    for (name, gateway) in watched.nat_gateways {
        add("AWS/NATGateway", "NatGatewayId", phx::format!("{}", gateway), Some(name), &NAT)?;
    }
    if let Some((bastion, _)) = watched.security.and_then(|s| s.bastion.as_ref()) {
        add("AWS/EC2", "InstanceId", phx::format!("{}", bastion.id()), None, &MACHINE)?;
    }
    Ok(())
}

/// An alarm without its metric's place. `of` is put before its name where there are several of a kind.
pub(super) fn alarm(platform: &Platform<'_>, topics: &Topics, of: Option<&str>, limit: &Limit) -> MetricAlarm {
    let name = of.map_or(limit.name.to_owned(), |of| format!("{of}-{}", limit.name));
    let topic = match limit.tier {
        Tier::Critical => &topics.critical,
        Tier::Warning => &topics.warning,
    };
    MetricAlarm::new(platform.name(&name))
        .alarm_description(format!("{} Runbook: {}/{}", limit.text, platform.config.alerting.runbooks, limit.name))
        .metric_name(limit.metric)
        .statistic(limit.statistic)
        .comparison_operator(if limit.low { "LessThanThreshold" } else { "GreaterThanThreshold" })
        .threshold(limit.threshold)
        .period(300)
        .evaluation_periods(limit.periods)
        .treat_missing_data("notBreaching")
        .alarm_actions([topic.arn()])
        .ok_actions([topic.arn()])
}
