//! Reading many objects with few calls.
//!
//! Objects are asked for by filter and never by id: `DescribeVpcs` with one unknown id among two hundred fails as a whole, while a
//! filter just does not match it. Endpoints that ignore a filter answer with too much, so callers pick theirs out of the answer.

use aws_sdk_ec2::types::{
    Address, Filter, InternetGateway, NatGateway, NetworkInterface, RouteTable, SecurityGroup, SecurityGroupRule,
    Subnet, Vpc,
};
use phx_model::CloudError;
use phx_model::state::{INTENT_TAG, IntentId};

use super::Ec2;
use crate::batch::{Ask, FILTER_VALUES, ask, each, pages};

/// What to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    filter: String,
    ask: Ask,
}

impl Query {
    /// The filters of each call.
    fn calls(self) -> Vec<Option<Vec<Filter>>> {
        let filter = |values: Vec<String>| vec![Filter::builder().name(&self.filter).set_values(Some(values)).build()];
        match self.ask {
            Ask::All => vec![None],
            Ask::Groups(groups) => groups.into_iter().map(|values| Some(filter(values))).collect(),
        }
    }
}

/// Objects with any of the values.
pub(crate) fn by<'a>(filter: &str, values: impl IntoIterator<Item = &'a str>) -> Query {
    Query { filter: filter.to_owned(), ask: ask(values, FILTER_VALUES) }
}

/// The objects that an intent made: one, or none.
pub(crate) fn by_intent(intent: &IntentId) -> Query {
    by(&format!("tag:{INTENT_TAG}"), [intent.as_str()])
}

/// One function a `Describe…` call. The page sizes are the largest that AWS takes.
macro_rules! describe {
    ($(#[$doc:meta])* $name:ident: $operation:literal, $call:ident, $set_filters:ident, $page:literal, $items:ident: $item:ty) => {
        $(#[$doc])*
        pub(crate) async fn $name(ec2: &Ec2, query: Query) -> Result<Vec<$item>, CloudError> {
            let found = each(query.calls(), |filters| async move {
                let request = ec2.$call().$set_filters(filters).max_results($page);
                pages(|token| {
                    let request = request.clone().set_next_token(token);
                    async move {
                        let answer = ec2.read($operation, || request.clone().send()).await?;
                        Ok((answer.$items.unwrap_or_default(), answer.next_token))
                    }
                })
                .await
            });
            Ok(found.await?.into_iter().flatten().collect())
        }
    };
}

describe! {
    /// VPCs.
    vpcs: "DescribeVpcs", describe_vpcs, set_filters, 1000, vpcs: Vpc
}
describe! {
    /// Subnets.
    subnets: "DescribeSubnets", describe_subnets, set_filters, 1000, subnets: Subnet
}
describe! {
    /// Internet gateways.
    internet_gateways: "DescribeInternetGateways", describe_internet_gateways, set_filters, 1000, internet_gateways: InternetGateway
}
describe! {
    /// NAT gateways, also those that were deleted within the hour.
    nat_gateways: "DescribeNatGateways", describe_nat_gateways, set_filter, 1000, nat_gateways: NatGateway
}
describe! {
    /// Route tables with their routes and associations.
    route_tables: "DescribeRouteTables", describe_route_tables, set_filters, 100, route_tables: RouteTable
}
describe! {
    /// Security groups.
    security_groups: "DescribeSecurityGroups", describe_security_groups, set_filters, 1000, security_groups: SecurityGroup
}
describe! {
    /// Security groups' rules.
    security_group_rules:
        "DescribeSecurityGroupRules", describe_security_group_rules, set_filters, 1000, security_group_rules: SecurityGroupRule
}
describe! {
    /// Network interfaces.
    network_interfaces: "DescribeNetworkInterfaces", describe_network_interfaces, set_filters, 1000, network_interfaces: NetworkInterface
}

/// Elastic IP addresses. The one call here that has no pages.
pub(crate) async fn addresses(ec2: &Ec2, query: Query) -> Result<Vec<Address>, CloudError> {
    let found = each(query.calls(), |filters| async move {
        let request = ec2.describe_addresses().set_filters(filters);
        let answer = ec2.read("DescribeAddresses", || request.clone().send()).await?;
        Ok(answer.addresses.unwrap_or_default())
    });
    Ok(found.await?.into_iter().flatten().collect())
}
