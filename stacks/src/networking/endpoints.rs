//! Ways to AWS's services that do not leave the VPC, its flow log, and the names of databases.

use phx::aws::ec2::{FlowLog, RouteTableId, VpcEndpoint};
use phx::aws::iam::RolePolicy;
use phx::aws::iam::policy::{PolicyDocument, Statement};
use phx::aws::logs::LogGroup;
use phx::aws::route53::{HostedZone, ZoneVpc};
use phx::prelude::*;

use super::Network;
use crate::platform::Platform;

/// Declares the endpoints that the configuration names: gateways, and interfaces in the private subnets.
pub(super) fn declare(
    scope: &Scope,
    platform: &Platform<'_>,
    network: &Network,
    tables: &[Output<RouteTableId>],
) -> Result<()> {
    let config = &platform.config.network;
    let service = |name: &str| format!("com.amazonaws.{}.{name}", platform.config.region());
    for name in &config.gateway_endpoints {
        let endpoint = VpcEndpoint::new(platform.vpc.id())
            .service_name(service(name))
            .vpc_endpoint_type("Gateway")
            .route_table_ids(tables.to_vec())
            .tag("Name", platform.name(name));
        scope.add(name, endpoint)?;
    }
    let zones = config.interface_endpoint_zones.unwrap_or(config.zones.len());
    for name in &config.interface_endpoints {
        let endpoint = VpcEndpoint::new(platform.vpc.id())
            .service_name(service(name))
            .vpc_endpoint_type("Interface")
            .subnet_ids(network.private_subnets.iter().take(zones).cloned().collect::<Vec<_>>())
            .security_group_ids([network.internal.id()])
            .private_dns_enabled(true)
            .tag("Name", platform.name(name));
        scope.add(name, endpoint)?;
    }
    Ok(())
}

/// Declares the VPC's flow log, where it goes, and the role with which it is delivered.
pub(super) fn flow_log(scope: &Scope, platform: &Platform<'_>) -> Result<()> {
    let environment = &platform.config.environment;
    let group = LogGroup::new(format!("/phoenix/{environment}/flow-logs"))
        .retention_in_days(platform.config.network.flow_log_retention_days);
    let group = scope.add("flow-logs", group)?;
    let trust = PolicyDocument::assume_role_by_service("vpc-flow-logs.amazonaws.com");
    let role = platform.role("flow-logs", "Delivers the VPC's flow logs to CloudWatch", trust);
    let role = scope.add("flow-logs", role)?;
    let write = Statement::allow()
        .actions(["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"])
        .resource(group.arn())
        .resource(phx::format!("{}:*", group.arn()));
    // The log group is there already: the role need not make one, or list those of others.
    let policy = PolicyDocument::new().statement(write);
    let policy = scope.add("flow-logs", RolePolicy::new(role.role_name(), "deliver", policy))?;
    let log = FlowLog::of_vpc(platform.vpc.id())
        .traffic_type("ALL")
        .log_destination_type("cloud-watch-logs")
        .log_group_name(group.log_group_name())
        .deliver_logs_permission_arn(role.arn())
        .max_aggregation_interval(60)
        .tag("Name", platform.name("flow-logs"));
    scope.add_with("flow-logs", log, Options::new().depends_on(&policy))?;
    Ok(())
}

/// Declares the zone in which databases have their names, known inside the VPC only.
pub(super) fn zone(scope: &Scope, platform: &Platform<'_>) -> Result<Handle<HostedZone>> {
    let zone = HostedZone::new(platform.name("db.internal"))
        .comment("Names of databases, inside the VPC")
        .private_zone(true)
        .vpcs([ZoneVpc::new(platform.vpc.id())]);
    Ok(scope.add("databases", zone)?)
}
