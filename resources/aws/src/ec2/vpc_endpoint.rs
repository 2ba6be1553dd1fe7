//! [`VpcEndpoint`].
//!
//! No emulator keeps an endpoint pending, fails one, chooses addresses, resets a policy, or serves DNS options, other regions, service networks
//! and resource configurations; those parts follow the service model alone.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{IpAddressType, ResourceType, VpcEndpointType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::{Json, Value};
use phx_model::{Block, CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{
    Ec2, NetworkInterfaceId, PrefixListId, RouteTableId, SecurityGroupId, SubnetId, VpcEndpointId, VpcId, arn,
    once_known, refused, tagging,
};
use crate::arn::Arn;
use crate::batch::align;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::policy;
use crate::wait::{Stage, until};

/// A private way from a VPC to a service. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html>
///
/// One that is to be made anew is deleted first: two `Gateway` endpoints to a service cannot have a route in one table, nor two `Interface` endpoints
/// the service's public name.
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:VpcEndpoint",
    terraform = "aws_vpc_endpoint",
    cloudformation = "AWS::EC2::VPCEndpoint",
    identity = IntentTag,
    unique(vpc_id, service_name, vpc_endpoint_type, service_network_arn, resource_configuration_arn)
)]
pub struct VpcEndpoint {
    /// The VPC.
    #[field(replace)]
    pub vpc_id: Input<VpcId>,
    /// The service: `com.amazonaws.us-west-2.s3`. Required but for `Resource` and `ServiceNetwork` endpoints.
    #[field(replace, cloud_default)]
    pub service_name: Option<Input<String>>,
    /// `Gateway` (routes to S3 or DynamoDB), `Interface`, `GatewayLoadBalancer`, `Resource`, `ServiceNetwork` or `Tunnel`. AWS's default:
    /// `Gateway`.
    #[field(replace, cloud_default)]
    pub vpc_endpoint_type: Option<Input<String>>,
    /// The region of the service. AWS's default: the VPC's.
    #[field(replace, cloud_default)]
    pub service_region: Option<Input<String>>,
    /// The VPC Lattice service network that a `ServiceNetwork` endpoint leads to.
    #[field(replace)]
    pub service_network_arn: Option<Input<Arn>>,
    /// The resource configuration that a `Resource` or `Tunnel` endpoint leads to.
    #[field(replace)]
    pub resource_configuration_arn: Option<Input<Arn>>,
    /// Who may do what through it: a [`PolicyDocument`](crate::policy::PolicyDocument), or JSON. Not set: everything that the service allows.
    #[field(json, normalize = policy::canonical)]
    pub policy_document: Option<Input<Json>>,
    /// The route tables that a `Gateway` endpoint puts its route into.
    #[field(set)]
    pub route_table_ids: Option<Input<Vec<RouteTableId>>>,
    /// The subnets that an endpoint of another type has a network interface in; a `GatewayLoadBalancer` endpoint has one.
    #[field(set)]
    pub subnet_ids: Option<Input<Vec<SubnetId>>>,
    /// The security groups around those interfaces. AWS's default: the VPC's default group.
    #[field(set, cloud_default)]
    pub security_group_ids: Option<Input<Vec<SecurityGroupId>>>,
    /// The addresses of those interfaces, for subnets in which AWS shall not choose them. The subnets stand in `subnet_ids` too.
    #[field(set, cloud_default)]
    pub subnet_configurations: Option<Input<Vec<SubnetConfiguration>>>,
    /// `ipv4`, `ipv6` or `dualstack`. AWS's default: what service and subnets have.
    #[field(cloud_default)]
    pub ip_address_type: Option<Input<String>>,
    /// Which names lead to it.
    #[field(cloud_default)]
    pub dns_options: Option<Input<VpcEndpointDnsOptions>>,
    /// Whether the service's public name leads to it inside the VPC, which needs the VPC's DNS names and support.
    #[field(cloud_default)]
    pub private_dns_enabled: Option<Input<bool>>,
    /// Its tags.
    pub tags: Tags,
}

/// The addresses of a [`VpcEndpoint`] in one subnet.
#[derive(Clone, Debug, Block)]
pub struct SubnetConfiguration {
    /// The subnet.
    pub subnet_id: Input<SubnetId>,
    /// The IPv4 address.
    #[field(cloud_default)]
    pub ipv4: Option<Input<String>>,
    /// The IPv6 address.
    #[field(cloud_default)]
    pub ipv6: Option<Input<String>>,
}

/// Which names lead to a [`VpcEndpoint`].
#[derive(Clone, Debug, Block)]
pub struct VpcEndpointDnsOptions {
    /// Which addresses they have: `ipv4`, `ipv6`, `dualstack` or `service-defined`.
    #[field(cloud_default)]
    pub dns_record_ip_type: Option<Input<String>>,
    /// Whether the public name leads here only for who asks through an inbound Resolver endpoint. For services that have `Gateway` and
    /// `Interface` endpoints.
    #[field(cloud_default)]
    pub private_dns_only_for_inbound_resolver_endpoint: Option<Input<bool>>,
    /// For which names a `Resource` or `ServiceNetwork` endpoint makes private zones: `ALL_DOMAINS`, `VERIFIED_DOMAINS_ONLY`,
    /// `VERIFIED_DOMAINS_AND_SPECIFIED_DOMAINS` or `SPECIFIED_DOMAINS_ONLY`.
    #[field(cloud_default)]
    pub private_dns_preference: Option<Input<String>>,
    /// The specified names among them.
    #[field(set, cloud_default)]
    pub private_dns_specified_domains: Option<Input<Vec<String>>>,
}

/// What AWS decides of a [`VpcEndpoint`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VpcEndpointOutputs {
    /// Its id.
    pub id: VpcEndpointId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
    /// The names that lead to it.
    #[output(volatile)]
    pub dns_names: Vec<String>,
    /// The hosted zones that those names are in, in the same order: an alias record needs both.
    #[output(volatile)]
    pub hosted_zone_ids: Vec<String>,
    /// Its network interfaces.
    #[output(volatile)]
    pub network_interface_ids: Vec<NetworkInterfaceId>,
    /// The service's addresses, if it is a `Gateway` endpoint: what a security group's rule has to let through.
    pub prefix_list_id: Option<PrefixListId>,
}

impl Manage for VpcEndpoint {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let ids: BTreeSet<&str> = targets.iter().map(|t| t.id).collect();
        let mut endpoints = describe::vpc_endpoints_by_ids(&ec2, ids.iter().copied()).await?;
        endpoints.retain(|e| e.vpc_endpoint_id().is_some_and(|id| ids.contains(id)) && !is_over(e));
        let placed: BTreeSet<&str> =
            targets.iter().filter(|t| t.wants("subnet_configurations")).map(|t| t.id).collect();
        let placed = endpoints.iter().filter(|e| e.vpc_endpoint_id().is_some_and(|id| placed.contains(id)));
        let placed: Vec<&str> = placed.flat_map(|e| e.network_interface_ids()).map(String::as_str).collect();
        let interfaces = describe::network_interfaces(&ec2, by("network-interface-id", placed));
        let (interfaces, lists) = futures::try_join!(interfaces, prefix_lists(&ec2, &endpoints))?;
        let present = |target: &Target<'_>, endpoint: &sdk::VpcEndpoint| {
            let Some(outputs) = outputs(&region, endpoint, &lists) else { return Found::Gone };
            present(target, endpoint, &interfaces, outputs)
        };
        Ok(align(targets, endpoints, |endpoint| endpoint.vpc_endpoint_id(), present))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &VpcEndpointResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let kind = want.vpc_endpoint_type.as_deref().map_or(VpcEndpointType::Gateway, VpcEndpointType::from);
        let request = ec2
            .create_vpc_endpoint()
            .client_token(client_token(intent))
            .vpc_id(want.vpc_id.as_str())
            .vpc_endpoint_type(kind)
            .set_service_name(want.service_name.clone())
            .set_service_region(want.service_region.clone())
            .set_service_network_arn(want.service_network_arn.as_ref().map(ToString::to_string))
            .set_resource_configuration_arn(want.resource_configuration_arn.as_ref().map(ToString::to_string))
            .set_policy_document(want.policy_document.as_ref().map(Json::to_text))
            .set_route_table_ids(texts(want.route_table_ids.as_deref()))
            .set_subnet_ids(texts(want.subnet_ids.as_deref()))
            .set_security_group_ids(texts(want.security_group_ids.as_deref()))
            .set_subnet_configurations(want.subnet_configurations.as_deref().map(configurations))
            .set_ip_address_type(want.ip_address_type.as_deref().map(IpAddressType::from))
            .set_dns_options(want.dns_options.as_ref().map(dns_options))
            .set_private_dns_enabled(want.private_dns_enabled)
            .tag_specifications(tagging::specification(ResourceType::VpcEndpoint, &want.tags, intent));
        let answer = once_known(cx, || ec2.write("CreateVpcEndpoint", || request.clone().send())).await?;
        let outputs = answer.vpc_endpoint.as_ref().and_then(|e| outputs(&region, e, &HashMap::new()));
        let outputs = outputs.ok_or_else(|| ec2.unexpected("CreateVpcEndpoint", "the answer names no endpoint"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: false })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &VpcEndpointResolved,
    ) -> Result<Option<VpcEndpointOutputs>, CloudError> {
        settled(aws, cx, &aws.ec2(cx).await?, id).await
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VpcEndpointResolved,
        change: &VpcEndpointChange,
    ) -> Result<Option<VpcEndpointOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let modified = match modify(&ec2, cx, id, want, change).await {
            // Another call with the same effect came first: what is left to do is worked out again.
            Err(error) if error.kind == ErrorKind::AlreadyExists => modify(&ec2, cx, id, want, change).await?,
            done => done?,
        };
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        if modified { settled(aws, cx, &ec2, id).await } else { Ok(None) }
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&VpcEndpointResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_vpc_endpoints().vpc_endpoint_ids(id);
        let answer = ec2.write_idempotent("DeleteVpcEndpoints", || request.clone().send()).await;
        let refusal = match answer {
            Ok(answer) => refused(&ec2, "DeleteVpcEndpoints", answer.unsuccessful()),
            Err(error) => Some(error),
        };
        match refusal {
            Some(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Some(error) => return Err(error),
            None => {}
        }
        // Until then its interfaces hold their subnets and security groups.
        until(cx, &format!("VPC endpoint {id}"), || async {
            Ok(match one(&ec2, id).await? {
                Some(endpoint) if state(&endpoint) != "deleted" => Stage::Waiting(state(&endpoint)),
                _ => Stage::Ready(()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &VpcEndpointResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let endpoints = describe::vpc_endpoints(&ec2, by_intent(intent)).await?;
        let found = endpoints.iter().find(|e| tagging::has_intent(e.tags(), intent) && !is_over(e));
        let outputs = found.and_then(|endpoint| outputs(&region, endpoint, &HashMap::new()));
        Ok(outputs.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false }))
    }
}

fn texts<T: ToString>(ids: Option<&[T]>) -> Option<Vec<String>> {
    ids.map(|ids| ids.iter().map(T::to_string).collect())
}

fn configurations(want: &[SubnetConfigurationResolved]) -> Vec<sdk::SubnetConfiguration> {
    let one = |want: &SubnetConfigurationResolved| {
        sdk::SubnetConfiguration::builder()
            .subnet_id(want.subnet_id.as_str())
            .set_ipv4(want.ipv4.clone())
            .set_ipv6(want.ipv6.clone())
            .build()
    };
    want.iter().map(one).collect()
}

fn dns_options(want: &VpcEndpointDnsOptionsResolved) -> sdk::DnsOptionsSpecification {
    sdk::DnsOptionsSpecification::builder()
        .set_dns_record_ip_type(want.dns_record_ip_type.as_deref().map(Into::into))
        .set_private_dns_only_for_inbound_resolver_endpoint(want.private_dns_only_for_inbound_resolver_endpoint)
        .set_private_dns_preference(want.private_dns_preference.clone())
        .set_private_dns_specified_domains(want.private_dns_specified_domains.clone())
        .build()
}

/// The state in lower case: answers do not agree with the API's model on how it is written.
fn state(endpoint: &sdk::VpcEndpoint) -> String {
    endpoint.state().map_or_else(|| "in no state".to_owned(), |s| s.as_str().to_ascii_lowercase())
}

/// Whether it is gone as far as a program is concerned. AWS shows deleted ones for a while.
fn is_over(endpoint: &sdk::VpcEndpoint) -> bool {
    matches!(state(endpoint).as_str(), "deleting" | "deleted")
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::VpcEndpoint>, CloudError> {
    let read = |ids: BTreeSet<String>| async move {
        let endpoints = describe::vpc_endpoints_by_ids(ec2, ids.iter().map(String::as_str)).await?;
        Ok(endpoints.into_iter().filter_map(|e| Some((e.vpc_endpoint_id.clone()?, e))).collect())
    };
    ec2.joint("VPC endpoints").one(id, read).await
}

/// Waits until nothing changes any more.
async fn settled(aws: &Aws, cx: &Cx, ec2: &Ec2, id: &str) -> Result<Option<VpcEndpointOutputs>, CloudError> {
    let region = aws.region(&cx.provider).await?;
    let endpoint = until(cx, &format!("VPC endpoint {id}"), || async {
        // A new one may not be listed yet.
        let Some(endpoint) = one(ec2, id).await? else { return Ok(Stage::Waiting("not listed yet".to_owned())) };
        match state(&endpoint).as_str() {
            // Whoever owns the service accepts it, which may take days; until then nothing goes through.
            "available" | "partial" | "pendingacceptance" => Ok(Stage::Ready(endpoint)),
            over @ ("failed" | "rejected" | "expired" | "deleting" | "deleted") => {
                let error = endpoint.last_error();
                let why = error.and_then(|e| e.message()).or(endpoint.failure_reason());
                let message = format!("VPC endpoint {id} is {over}: {}", why.unwrap_or("AWS gives no reason"));
                let code = error.and_then(|e| e.code.clone());
                Err(CloudError { code, ..CloudError::local(ErrorKind::Other, message) })
            }
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await?;
    let mut lists = HashMap::new();
    if endpoint.vpc_endpoint_type() == Some(&VpcEndpointType::Gateway)
        && let Some(service) = endpoint.service_name()
    {
        let read = |names: BTreeSet<String>| async move { lists_by_name(ec2, names.iter().map(String::as_str)).await };
        let list = ec2.joint("prefix lists").one(service, read).await?;
        lists.extend(list.map(|list| (service.to_owned(), list)));
    }
    Ok(outputs(&region, &endpoint, &lists))
}

/// The prefix lists of the services of gateway endpoints, by the services' names. Others have none.
async fn prefix_lists(ec2: &Ec2, endpoints: &[sdk::VpcEndpoint]) -> Result<HashMap<String, PrefixListId>, CloudError> {
    let gateways = endpoints.iter().filter(|e| e.vpc_endpoint_type() == Some(&VpcEndpointType::Gateway));
    lists_by_name(ec2, gateways.filter_map(|e| e.service_name())).await
}

async fn lists_by_name<'a>(
    ec2: &Ec2,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, PrefixListId>, CloudError> {
    let lists = describe::managed_prefix_lists(ec2, by("prefix-list-name", names)).await?;
    let named = lists.into_iter().filter_map(|l| Some((l.prefix_list_name?, PrefixListId::new(l.prefix_list_id?))));
    Ok(named.collect())
}

fn outputs(
    region: &str,
    endpoint: &sdk::VpcEndpoint,
    lists: &HashMap<String, PrefixListId>,
) -> Option<VpcEndpointOutputs> {
    let id = endpoint.vpc_endpoint_id()?;
    let names = endpoint.dns_entries();
    let gateway = endpoint.vpc_endpoint_type() == Some(&VpcEndpointType::Gateway);
    Some(VpcEndpointOutputs {
        id: VpcEndpointId::new(id),
        arn: arn(region, endpoint.owner_id(), "vpc-endpoint", id),
        owner_id: endpoint.owner_id.clone(),
        dns_names: names.iter().map(|e| e.dns_name().unwrap_or_default().to_owned()).collect(),
        hosted_zone_ids: names.iter().map(|e| e.hosted_zone_id().unwrap_or_default().to_owned()).collect(),
        network_interface_ids: endpoint.network_interface_ids().iter().map(NetworkInterfaceId::new).collect(),
        prefix_list_id: endpoint.service_name().filter(|_| gateway).and_then(|name| lists.get(name).cloned()),
    })
}

fn present(
    target: &Target<'_>,
    endpoint: &sdk::VpcEndpoint,
    interfaces: &[sdk::NetworkInterface],
    outputs: VpcEndpointOutputs,
) -> Found<VpcEndpoint> {
    let Some(vpc) = endpoint.vpc_id() else {
        let message = format!("the answer names no VPC of {}", outputs.id);
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    // Endpoints of some kinds have none.
    let policy = match endpoint.policy_document().filter(|p| !p.trim().is_empty()).map(Json::parse) {
        Some(Err(error)) => {
            let message = format!("the policy of {} cannot be read: {error}", outputs.id);
            return Found::Failed(CloudError::local(ErrorKind::Other, message));
        }
        Some(Ok(policy)) => Some(policy),
        None => None,
    };
    let options = endpoint.dns_options().map(|options| VpcEndpointDnsOptionsResolved {
        dns_record_ip_type: options.dns_record_ip_type().map(|t| t.as_str().to_owned()),
        private_dns_only_for_inbound_resolver_endpoint: options.private_dns_only_for_inbound_resolver_endpoint(),
        private_dns_preference: options.private_dns_preference.clone(),
        private_dns_specified_domains: options.private_dns_specified_domains.clone(),
    });
    let groups = endpoint.groups().iter().filter_map(|g| g.group_id()).map(SecurityGroupId::new);
    let addresses =
        target.wants("subnet_configurations").then(|| addresses(target, &outputs.network_interface_ids, interfaces));
    let fields = VpcEndpointResolved {
        vpc_id: VpcId::new(vpc),
        service_name: endpoint.service_name.clone(),
        vpc_endpoint_type: endpoint.vpc_endpoint_type().map(|t| t.as_str().to_owned()),
        service_region: endpoint.service_region.clone(),
        service_network_arn: endpoint.service_network_arn().map(Arn::new),
        resource_configuration_arn: endpoint.resource_configuration_arn().map(Arn::new),
        // What AWS puts in the place of none is the program's only if it set it.
        policy_document: policy.filter(|p| target.inputs.contains_key("policy_document") || !allows_everything(p)),
        route_table_ids: Some(endpoint.route_table_ids().iter().map(RouteTableId::new).collect()),
        subnet_ids: Some(endpoint.subnet_ids().iter().map(SubnetId::new).collect()),
        security_group_ids: Some(groups.collect()),
        subnet_configurations: addresses,
        ip_address_type: endpoint.ip_address_type().map(|t| t.as_str().to_owned()),
        dns_options: options,
        private_dns_enabled: endpoint.private_dns_enabled(),
        tags: tagging::read(endpoint.tags()),
    };
    Found::present(fields, outputs)
}

/// Whether it is the policy that AWS gives an endpoint without one. Its version differs between services.
fn allows_everything(policy: &Json) -> bool {
    let policy = policy::canonical(&policy.0);
    ["2008-10-17", "2012-10-17"].into_iter().any(|version| {
        let everything = serde_json::json!({
            "Version": version,
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
        });
        policy == policy::canonical(&Value::from(everything))
    })
}

/// The addresses in the subnets that the program names addresses for, in its order; in all of them if it is not known what it names.
fn addresses(
    target: &Target<'_>,
    ids: &[NetworkInterfaceId],
    interfaces: &[sdk::NetworkInterface],
) -> Vec<SubnetConfigurationResolved> {
    let mine =
        interfaces.iter().filter(|i| i.network_interface_id().is_some_and(|i| ids.iter().any(|m| m.as_str() == i)));
    let mut all: Vec<SubnetConfigurationResolved> = mine
        .filter_map(|interface| {
            Some(SubnetConfigurationResolved {
                subnet_id: SubnetId::new(interface.subnet_id()?),
                ipv4: interface.private_ip_address.clone(),
                ipv6: interface.ipv6_addresses().first().and_then(|a| a.ipv6_address.clone()),
            })
        })
        .collect();
    if let Some(Value::List(named)) = target.inputs.get("subnet_configurations").map(Value::expose) {
        let subnet = |value: &Value| match value.expose() {
            Value::Map(fields) => fields.get("subnet_id").and_then(|id| id.as_str().map(str::to_owned)),
            _ => None,
        };
        let order: Vec<String> = named.iter().filter_map(subnet).collect();
        let at = |place: &SubnetConfigurationResolved| order.iter().position(|s| s == place.subnet_id.as_str());
        all.retain(|place| at(place).is_some());
        all.sort_by_key(at);
    }
    all
}

/// What to add and what to take away for a list to become what is wished.
fn difference<T: ToString>(have: &[String], want: Option<&[T]>) -> (Vec<String>, Vec<String>) {
    let want: BTreeSet<String> = want.unwrap_or_default().iter().map(T::to_string).collect();
    let have: BTreeSet<String> = have.iter().cloned().collect();
    (want.difference(&have).cloned().collect(), have.difference(&want).cloned().collect())
}

/// Changes what is to be changed, and tells whether that was anything. Against what is there now, so that repeating it is harmless.
async fn modify(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    want: &VpcEndpointResolved,
    change: &VpcEndpointChange,
) -> Result<bool, CloudError> {
    let there = one(ec2, id).await?.ok_or_else(|| CloudError {
        kind: ErrorKind::NotFound,
        ..ec2.unexpected("DescribeVpcEndpoints", format!("there is no {id}"))
    })?;
    let mut request = ec2.modify_vpc_endpoint().vpc_endpoint_id(id);
    let mut any = false;
    let some = |ids: Vec<String>| Some(ids).filter(|ids| !ids.is_empty());
    if change.route_table_ids.is_some() {
        let (add, remove) = difference(there.route_table_ids(), want.route_table_ids.as_deref());
        any |= !add.is_empty() || !remove.is_empty();
        request = request.set_add_route_table_ids(some(add)).set_remove_route_table_ids(some(remove));
    }
    if change.subnet_ids.is_some() {
        let (add, remove) = difference(there.subnet_ids(), want.subnet_ids.as_deref());
        any |= !add.is_empty() || !remove.is_empty();
        request = request.set_add_subnet_ids(some(add)).set_remove_subnet_ids(some(remove));
    }
    if change.security_group_ids.is_some() {
        let groups: Vec<String> = there.groups().iter().filter_map(|g| g.group_id.clone()).collect();
        let (add, remove) = difference(&groups, want.security_group_ids.as_deref());
        any |= !add.is_empty() || !remove.is_empty();
        request = request.set_add_security_group_ids(some(add)).set_remove_security_group_ids(some(remove));
    }
    if let Some(change) = &change.policy_document {
        any = true;
        request = match &change.after {
            Some(policy) => request.policy_document(policy.to_text()),
            None => request.reset_policy(true),
        };
    }
    if let Some(configurations) = change.subnet_configurations.as_ref().and_then(|c| c.after.as_deref()) {
        any = true;
        request = request.set_subnet_configurations(Some(self::configurations(configurations)));
    }
    if let Some(kind) = change.ip_address_type.as_ref().and_then(|c| c.after.as_deref()) {
        any = true;
        request = request.ip_address_type(IpAddressType::from(kind));
    }
    let private = change.private_dns_enabled.as_ref().and_then(|c| c.after);
    if let Some(enabled) = private {
        any = true;
        request = request.private_dns_enabled(enabled);
    }
    // Options that are there are lost when private names are switched on without them.
    if change.dns_options.is_some() || private == Some(true) {
        any |= want.dns_options.is_some();
        request = request.set_dns_options(want.dns_options.as_ref().map(dns_options));
    }
    if any {
        once_known(cx, || ec2.write_idempotent("ModifyVpcEndpoint", || request.clone().send())).await?;
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_none_is_known() {
        let policy = |text: &str| allows_everything(&Json::parse(text).unwrap());
        assert!(policy(r#"{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}"#));
        assert!(policy(
            r#"{"Version":"2012-10-17","Statement":{"Action":["*"],"Effect":"Allow","Principal":"*","Resource":["*"]}}"#
        ));
        assert!(!policy(r#"{"Statement":[{"Action":"s3:*","Effect":"Allow","Principal":"*","Resource":"*"}]}"#));
        assert!(!policy(r#"{"Statement":[{"Action":"*","Effect":"Deny","Principal":"*","Resource":"*"}]}"#));
    }

    #[test]
    fn lists_change_by_their_difference() {
        let have = ["a".to_owned(), "b".to_owned()];
        assert_eq!(difference(&have, Some(&["b", "c"])), (vec!["c".to_owned()], vec!["a".to_owned()]));
        assert_eq!(difference::<&str>(&have, None), (vec![], have.to_vec()));
    }
}
