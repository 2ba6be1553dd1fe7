//! One page with what matters of the environment.

use phx::aws::cloudwatch::Dashboard;
use phx::model::value::Json;
use phx::prelude::*;

use super::Watched;
use crate::platform::Platform;

/// The metrics of one graph: namespace, dimension, whose, and their names.
struct Graph {
    title: &'static str,
    namespace: &'static str,
    dimension: &'static str,
    of: Vec<Input<String>>,
    metrics: &'static [&'static str],
    statistic: &'static str,
}

/// Declares it.
pub(super) fn declare(scope: &Scope, platform: &Platform<'_>, watched: &Watched<'_>) -> Result<()> {
    let mut graphs = Vec::new();
    if let Some(postgres) = watched.postgres {
        let id = phx::format!("{}", postgres.instance.db_instance_identifier());
        let of = |title, metrics, statistic| Graph {
            title,
            namespace: "AWS/RDS",
            dimension: "DBInstanceIdentifier",
            of: vec![id.clone()],
            metrics,
            statistic,
        };
        graphs.push(of("Database: processor and connections", &["CPUUtilization", "DatabaseConnections"], "Average"));
        graphs.push(of("Database: storage and memory", &["FreeStorageSpace", "FreeableMemory"], "Minimum"));
        graphs.push(of("Database: latency", &["ReadLatency", "WriteLatency"], "Average"));
    }
    if let Some(kubernetes) = watched.kubernetes {
        graphs.push(Graph {
            title: "Kubernetes: API server",
            namespace: "AWS/EKS",
            dimension: "ClusterName",
            of: vec![phx::format!("{}", kubernetes.cluster.name())],
            metrics: &["apiserver_request_total", "apiserver_request_total_5XX", "apiserver_request_total_429"],
            statistic: "Sum",
        });
    }
    graphs.push(Graph {
        title: "NAT gateways: bytes out",
        namespace: "AWS/NATGateway",
        dimension: "NatGatewayId",
        of: watched.nat_gateways.iter().map(|(_, id)| phx::format!("{}", id)).collect(),
        metrics: &["BytesOutToDestination"],
        statistic: "Sum",
    });
    // The body is JSON with ids in it that are not known yet: text in which they are put, each in the quotes of its own string.
    let mut body = phx::format!("{\"widgets\":[");
    for (at, graph) in graphs.iter().enumerate() {
        let lines = graph.of.iter().flat_map(|of| {
            graph.metrics.iter().map(move |metric| {
                let head = format!("[\"{}\",\"{metric}\",\"{}\",\"", graph.namespace, graph.dimension);
                phx::format!("{}{}\"]", head, of.clone())
            })
        });
        let lines = lines.reduce(|all, line| phx::format!("{},{}", all, line)).unwrap_or_else(|| "".into());
        let (x, y) = (12 * (at % 2), 6 * (at / 2));
        let (title, region, statistic) = (graph.title, platform.config.region(), graph.statistic);
        let head = format!(
            "{}{{\"type\":\"metric\",\"x\":{x},\"y\":{y},\"width\":12,\"height\":6,\"properties\":{{\"title\":\"{title}\",\
             \"region\":\"{region}\",\"stat\":\"{statistic}\",\"period\":300,\"metrics\":[",
            if at == 0 { "" } else { "," },
        );
        body = phx::format!("{}{}{}]}}", body, head, lines);
    }
    let body: Input<Json> = Input::from_expr(phx::format!("{}]}", body).into_expr());
    scope.add("overview", Dashboard::new(platform.name("overview"), body))?;
    Ok(())
}
