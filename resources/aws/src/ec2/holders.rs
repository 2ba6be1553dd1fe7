//! What still holds an object that EC2 refuses to delete: `DependencyViolation` does not say.

use std::future::Future;

use aws_sdk_ec2::types::NetworkInterface;
use phx_model::CloudError;
use phx_model::error::ErrorKind;

use super::Ec2;
use super::describe::{self, by};

/// More of them are counted, not named.
const NAMED: usize = 8;

/// Adds to a refused delete what still holds the object. A failure to find out leaves the refusal as it is.
pub(crate) async fn explain<F>(refused: Result<(), CloudError>, look: F) -> Result<(), CloudError>
where
    F: Future<Output = Result<Vec<String>, CloudError>>,
{
    match refused {
        Err(error) if error.kind == ErrorKind::InUse => Err(match look.await {
            Ok(holders) if !holders.is_empty() => error.hint(describe_holders(&holders)),
            Ok(_) => error
                .hint("nothing that phx knows to look for holds it; AWS may still be deleting something: try again"),
            Err(why) => {
                tracing::debug!(%why, "what holds the object cannot be found out");
                error
            }
        }),
        done => done,
    }
}

fn describe_holders(holders: &[String]) -> String {
    let more = holders.len().saturating_sub(NAMED);
    let named = holders.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("still held by {named}{rest}; delete those first, if phx does not manage them")
}

fn interface(eni: &NetworkInterface) -> String {
    let id = eni.network_interface_id().unwrap_or("a network interface");
    match eni.description().filter(|d| !d.is_empty()) {
        Some(what) => format!("{id} ({what})"),
        None => id.to_owned(),
    }
}

/// What stands in a VPC.
pub(crate) async fn of_vpc(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let mine = |vpc: Option<&str>| vpc == Some(id);
    let here = || by("vpc-id", [id]);
    let (subnets, gateways, nats, groups, tables, interfaces) = futures::try_join!(
        describe::subnets(ec2, here()),
        describe::internet_gateways(ec2, by("attachment.vpc-id", [id])),
        describe::nat_gateways(ec2, here()),
        describe::security_groups(ec2, here()),
        describe::route_tables(ec2, here()),
        describe::network_interfaces(ec2, here()),
    )?;
    let mut holders = Vec::new();
    holders.extend(subnets.iter().filter(|s| mine(s.vpc_id())).filter_map(|s| s.subnet_id.clone()));
    let attached = |g: &&aws_sdk_ec2::types::InternetGateway| g.attachments().iter().any(|a| mine(a.vpc_id()));
    holders.extend(gateways.iter().filter(attached).filter_map(|g| g.internet_gateway_id.clone()));
    let living = |n: &&aws_sdk_ec2::types::NatGateway| n.state().is_none_or(|s| s.as_str() != "deleted");
    holders.extend(nats.iter().filter(|n| mine(n.vpc_id())).filter(living).filter_map(|n| n.nat_gateway_id.clone()));
    // Every VPC has a group and a table of its own that go with it.
    let named = groups.iter().filter(|g| mine(g.vpc_id()) && g.group_name() != Some("default"));
    holders.extend(named.filter_map(|g| g.group_id.clone()));
    let extra = tables.iter().filter(|t| mine(t.vpc_id()) && !t.associations().iter().any(|a| a.main() == Some(true)));
    holders.extend(extra.filter_map(|t| t.route_table_id.clone()));
    holders.extend(interfaces.iter().filter(|e| mine(e.vpc_id())).map(interface));
    Ok(holders)
}

/// What stands in a subnet.
pub(crate) async fn of_subnet(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let interfaces = describe::network_interfaces(ec2, by("subnet-id", [id])).await?;
    Ok(interfaces.iter().filter(|e| e.subnet_id() == Some(id)).map(interface).collect())
}

/// What uses a security group: interfaces, and other groups whose rules name it.
pub(crate) async fn of_security_group(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let (interfaces, in_rules, out_rules) = futures::try_join!(
        describe::network_interfaces(ec2, by("group-id", [id])),
        describe::security_groups(ec2, by("ip-permission.group-id", [id])),
        describe::security_groups(ec2, by("egress.ip-permission.group-id", [id])),
    )?;
    let uses = |e: &&NetworkInterface| e.groups().iter().any(|g| g.group_id() == Some(id));
    let mut holders: Vec<String> = interfaces.iter().filter(uses).map(interface).collect();
    let names = |p: &aws_sdk_ec2::types::IpPermission| p.user_id_group_pairs().iter().any(|g| g.group_id() == Some(id));
    for group in in_rules.iter().chain(&out_rules) {
        let refers = group.ip_permissions().iter().chain(group.ip_permissions_egress()).any(names);
        if let Some(other) = group.group_id().filter(|other| refers && *other != id) {
            let holder = format!("a rule of {other}");
            if !holders.contains(&holder) {
                holders.push(holder);
            }
        }
    }
    Ok(holders)
}

/// What keeps an internet gateway attached: interfaces in its VPC that have a public address.
pub(crate) async fn of_attachment(ec2: &Ec2, vpc: &str) -> Result<Vec<String>, CloudError> {
    let interfaces = describe::network_interfaces(ec2, by("vpc-id", [vpc])).await?;
    let public =
        |e: &&NetworkInterface| e.vpc_id() == Some(vpc) && e.association().is_some_and(|a| a.public_ip().is_some());
    Ok(interfaces.iter().filter(public).map(interface).collect())
}

/// What a route table is still associated with.
pub(crate) async fn of_route_table(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let tables = describe::route_tables(ec2, by("route-table-id", [id])).await?;
    let associations = tables.iter().filter(|t| t.route_table_id() == Some(id)).flat_map(|t| t.associations());
    Ok(associations
        .map(|a| match a.subnet_id().or(a.gateway_id()) {
            Some(other) => format!("its association with {other}"),
            None => "its place as the VPC's main table".to_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_delete_says_what_holds_the_object() {
        let refused = || Err(CloudError::local(ErrorKind::InUse, "it has dependencies"));
        let many = (0..10).map(|n| format!("eni-{n}")).collect();
        let error = explain(refused(), async { Ok(many) }).await.unwrap_err();
        let hint = error.hint.unwrap();
        assert!(hint.contains("eni-0, eni-1") && hint.contains("and 2 more"), "{hint}");

        let failed = async { Err(CloudError::local(ErrorKind::Denied, "no")) };
        assert_eq!(explain(refused(), failed).await, refused());
        let other = || Err(CloudError::local(ErrorKind::Denied, "no"));
        assert_eq!(explain(other(), async { Ok(vec!["eni-1".into()]) }).await, other());
    }
}
