//! EC2: VPCs with all that is in them, instances with their volumes and interfaces, and what these are made from.
//!
//! An object is kept as the answer that EC2 gives about it (`fields`, under AWS's own names), so that Describe is the same few lines
//! for all kinds: choose by id and filter, write out as XML. What a call checks before it changes anything is what AWS checks: that
//! the ids exist, that ranges lie inside one another and do not overlap, that nothing is deleted while something still uses it.

mod acl;
mod address;
mod endpoint;
mod filter;
mod flow_log;
mod form;
mod image;
mod instance;
mod instance_change;
mod interface;
mod network;
mod options;
mod prefix_list;
mod routes;
mod security;
mod spec;
mod template;
mod volume;
mod vpn;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use filter::{Filters, pick, raw_filters, unknown_filter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use spec::{Kind, SPECS, Spec};
use winterbaume_core::MockResponse;

pub(super) use image::public_parameter;

use super::iam::Iam;
use super::service::Own;
use super::wire::{Fault, Params, elements, matches, request_id, response};

type Fields = Map<String, Value>;
type Tags = BTreeMap<String, String>;
type Answer = Result<Value, Fault>;

/// All regions.
#[derive(Default)]
pub(super) struct Ec2 {
    regions: Mutex<BTreeMap<String, Region>>,
}

/// What exists in a region.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Region {
    name: String,
    account: String,
    objects: BTreeMap<String, Object>,
    /// The instance profiles that IAM has at the time of a call that names one: name, ARN and id.
    #[serde(skip)]
    profiles: Vec<(String, String, String)>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Object {
    kind: Kind,
    /// As Describe shows it, without tags.
    fields: Fields,
    /// What Describe does not show: attributes with a call of their own, client tokens.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    hidden: Fields,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: Tags,
}

impl Ec2 {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Region>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(&self) -> BTreeMap<String, Region> {
        self.lock().clone()
    }

    /// The objects of a region that bear tags, by ARN, for the tagging API.
    pub(super) fn tagged(&self, account: &str, region: &str) -> Vec<(String, Tags)> {
        let regions = self.lock();
        let objects = regions.get(region).into_iter().flat_map(|region| &region.objects);
        let gone = |o: &Object| o.hidden.contains_key("deletedAt") || text(o, "state") == "deleted";
        let tagged = objects.filter(|(_, object)| !object.tags.is_empty() && !gone(object));
        let arn =
            |id: &str, object: &Object| format!("arn:aws:ec2:{region}:{account}:{}/{id}", object.kind.spec().name);
        tagged.map(|(id, object)| (arn(id, object), object.tags.clone())).collect()
    }

    pub(super) fn restore(&self, mut regions: BTreeMap<String, Region>) {
        for region in regions.values_mut() {
            region.forget_deleted();
            region.complete_network_acls();
        }
        *self.lock() = regions;
    }

    pub(super) fn handle(&self, account: &str, region: &str, body: &[u8], iam: &Own<Iam>) -> MockResponse {
        let params = Params::parse(body);
        let action = params.get("Action").unwrap_or_default();
        let names_profile = action == "RunInstances" || params.has("IamInstanceProfile");
        let profiles = if names_profile { iam.with(region, |iam| iam.profiles()) } else { Vec::new() };
        self.answer(account, region, &params, profiles)
    }

    /// As another service of the sandbox asks, which names no instance profile.
    pub(super) fn ask(&self, account: &str, region: &str, body: &[u8]) -> MockResponse {
        self.answer(account, region, &Params::parse(body), Vec::new())
    }

    fn answer(
        &self,
        account: &str,
        region: &str,
        params: &Params,
        profiles: Vec<(String, String, String)>,
    ) -> MockResponse {
        let action = params.get("Action").unwrap_or_default();
        let mut regions = self.lock();
        let state = regions.entry(region.to_owned()).or_insert_with(|| Region {
            name: region.to_owned(),
            account: account.to_owned(),
            objects: BTreeMap::new(),
            profiles: Vec::new(),
        });
        state.profiles = profiles;
        match state.whole(action, params) {
            Ok(answer) => {
                let members = answer.as_object().map(|m| elements(m, "item")).unwrap_or_default();
                let id = request_id();
                let xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/";
                let body = format!(
                    "<{action}Response xmlns=\"{xmlns}\"><requestId>{id}</requestId>{members}</{action}Response>"
                );
                response(200, "text/xml", body)
            }
            Err(fault) => fault.ec2_xml(),
        }
    }
}

/// Calls that can be refused when they have made something already. What that is, is taken back.
const IN_STEPS: &[&str] = &[
    "RunInstances",
    "CreateVpcEndpoint",
    "ModifyVpcEndpoint",
    "AssignPrivateIpAddresses",
    "AssignIpv6Addresses",
    "UnassignPrivateIpAddresses",
    "UnassignIpv6Addresses",
    "ModifyNetworkInterfaceAttribute",
    "ModifyInstanceAttribute",
    "ModifyVpnConnection",
    "CreateVolume",
];

impl Region {
    /// A call, which happens as a whole or not at all.
    fn whole(&mut self, action: &str, p: &Params) -> Answer {
        let before = IN_STEPS.contains(&action).then(|| self.objects.clone());
        let answer = self.call(action, p);
        if let (Err(_), Some(before)) = (&answer, before) {
            self.objects = before;
        }
        answer
    }

    fn call(&mut self, action: &str, p: &Params) -> Answer {
        if let Some(spec) = SPECS.iter().find(|s| s.describe == action) {
            return self.describe(spec, p);
        }
        match action {
            "CreateVpc" => self.create_vpc(p),
            "DeleteVpc" => self.delete_vpc(p),
            "DescribeVpcAttribute" => self.describe_vpc_attribute(p),
            "ModifyVpcAttribute" => self.modify_vpc_attribute(p),
            "AssociateVpcCidrBlock" => self.associate_vpc_cidr_block(p),
            "DisassociateVpcCidrBlock" => self.disassociate_cidr_block(Kind::Vpc, p),
            "CreateSubnet" => self.create_subnet(p),
            "DeleteSubnet" => self.delete_subnet(p),
            "ModifySubnetAttribute" => self.modify_subnet_attribute(p),
            "AssociateSubnetCidrBlock" => self.associate_subnet_cidr_block(p),
            "DisassociateSubnetCidrBlock" => self.disassociate_cidr_block(Kind::Subnet, p),
            "CreateInternetGateway" => self.create_internet_gateway(p),
            "AttachInternetGateway" => self.attach_internet_gateway(p),
            "DetachInternetGateway" => self.detach_internet_gateway(p),
            "DeleteInternetGateway" => self.delete_internet_gateway(p),
            "AllocateAddress" => self.allocate_address(p),
            "ReleaseAddress" => self.release_address(p),
            "CreateNatGateway" => self.create_nat_gateway(p),
            "DeleteNatGateway" => self.delete_nat_gateway(p),
            "AssociateNatGatewayAddress" | "AssignPrivateNatGatewayAddress" => self.add_nat_addresses(p),
            "DisassociateNatGatewayAddress" | "UnassignPrivateNatGatewayAddress" => self.remove_nat_addresses(p),
            "CreateRouteTable" => self.create_route_table(p),
            "DeleteRouteTable" => self.delete_route_table(p),
            "CreateRoute" => self.create_route(p),
            "ReplaceRoute" => self.replace_route(p),
            "DeleteRoute" => self.delete_route(p),
            "AssociateRouteTable" => self.associate_route_table(p),
            "ReplaceRouteTableAssociation" => self.replace_route_table_association(p),
            "DisassociateRouteTable" => self.disassociate_route_table(p),
            "CreateSecurityGroup" => self.create_security_group(p),
            "DeleteSecurityGroup" => self.delete_security_group(p),
            "AuthorizeSecurityGroupIngress" => self.authorize(p, false),
            "AuthorizeSecurityGroupEgress" => self.authorize(p, true),
            "RevokeSecurityGroupIngress" => self.revoke(p, false),
            "RevokeSecurityGroupEgress" => self.revoke(p, true),
            "ModifySecurityGroupRules" => self.modify_security_group_rules(p),
            "UpdateSecurityGroupRuleDescriptionsIngress" => self.update_rule_descriptions(p, false),
            "UpdateSecurityGroupRuleDescriptionsEgress" => self.update_rule_descriptions(p, true),
            _ => self.call_more(action, p),
        }
    }

    fn call_more(&mut self, action: &str, p: &Params) -> Answer {
        match action {
            "CreateNetworkAcl" => self.create_network_acl(p),
            "DeleteNetworkAcl" => self.delete_network_acl(p),
            "CreateNetworkAclEntry" => self.put_acl_entry(p, false),
            "ReplaceNetworkAclEntry" => self.put_acl_entry(p, true),
            "DeleteNetworkAclEntry" => self.delete_acl_entry(p),
            "ReplaceNetworkAclAssociation" => self.replace_network_acl_association(p),
            "CreateFlowLogs" => self.create_flow_logs(p),
            "DeleteFlowLogs" => self.delete_flow_logs(p),
            "CreateVpcEndpoint" => self.create_vpc_endpoint(p),
            "ModifyVpcEndpoint" => self.modify_vpc_endpoint(p),
            "DeleteVpcEndpoints" => self.delete_vpc_endpoints(p),
            "DescribeVpcEndpointServices" => self.describe_vpc_endpoint_services(p),
            "CreateLaunchTemplate" => self.create_launch_template(p),
            "CreateLaunchTemplateVersion" => self.create_launch_template_version(p),
            "ModifyLaunchTemplate" => self.modify_launch_template(p),
            "DeleteLaunchTemplate" => self.delete_launch_template(p),
            "DeleteLaunchTemplateVersions" => self.delete_launch_template_versions(p),
            "DescribeLaunchTemplateVersions" => self.describe_launch_template_versions(p),
            "DescribeImages" => self.describe_images(p),
            "DisassociateAddress" => self.disassociate_address(p),
            "DescribeAddressesAttribute" => self.describe_addresses_attribute(p),
            "AssignPrivateIpAddresses" | "AssignIpv6Addresses" => self.assign_addresses(p),
            "UnassignPrivateIpAddresses" | "UnassignIpv6Addresses" => self.unassign_addresses(p),
            "ModifyNetworkInterfaceAttribute" => self.modify_network_interface_attribute(p),
            "CreateVolume" => self.create_volume(p),
            "DeleteVolume" => self.delete_volume(p),
            "AttachVolume" => self.attach_volume(p),
            "DetachVolume" => self.detach_volume(p),
            "ModifyVolume" => self.modify_volume(p),
            "DescribeVolumesModifications" => self.describe_volumes_modifications(p),
            "DescribeVolumeAttribute" => self.describe_volume_attribute(p),
            "ModifyVolumeAttribute" => self.modify_volume_attribute(p),
            "CreateDhcpOptions" => self.create_dhcp_options(p),
            "AssociateDhcpOptions" => self.associate_dhcp_options(p),
            "DeleteDhcpOptions" => self.delete_dhcp_options(p),
            "CreateEgressOnlyInternetGateway" => self.create_egress_only_gateway(p),
            "DeleteEgressOnlyInternetGateway" => self.delete_egress_only_gateway(p),
            "ImportKeyPair" => self.import_key_pair(p),
            "DeleteKeyPair" => self.delete_key_pair(p),
            "CreateManagedPrefixList" => self.create_prefix_list(p),
            "ModifyManagedPrefixList" => self.modify_prefix_list(p),
            "DeleteManagedPrefixList" => self.delete_prefix_list(p),
            "GetManagedPrefixListEntries" => self.prefix_list_entries(p),
            "DescribePrefixLists" => self.describe_prefix_lists(p),
            "CreateVpnGateway" => self.create_vpn_gateway(p),
            "AttachVpnGateway" => self.attach_vpn_gateway(p),
            "DetachVpnGateway" => self.detach_vpn_gateway(p),
            "DeleteVpnGateway" => self.delete_vpn_gateway(p),
            "CreateCustomerGateway" => self.create_customer_gateway(p),
            "DeleteCustomerGateway" => self.delete_customer_gateway(p),
            "CreateVpnConnection" => self.create_vpn_connection(p),
            "ModifyVpnConnection" => self.modify_vpn_connection(p),
            "ModifyVpnConnectionOptions" => self.modify_vpn_options(p),
            "ModifyVpnTunnelOptions" => self.modify_vpn_tunnel(p),
            "DeleteVpnConnection" => self.delete_vpn_connection(p),
            "CreateVpnConnectionRoute" => self.create_vpn_route(p),
            "DeleteVpnConnectionRoute" => self.delete_vpn_route(p),
            "CreateVpcPeeringConnection" => self.create_peering(p),
            "AcceptVpcPeeringConnection" => self.accept_peering(p),
            "ModifyVpcPeeringConnectionOptions" => self.modify_peering_options(p),
            "DeleteVpcPeeringConnection" => self.delete_peering(p),
            _ => self.call_for_instances(action, p),
        }
    }

    fn call_for_instances(&mut self, action: &str, p: &Params) -> Answer {
        match action {
            "RunInstances" => self.run_instances(p),
            "StartInstances" => self.change_state(p, "running"),
            "StopInstances" => self.change_state(p, "stopped"),
            "TerminateInstances" => self.change_state(p, "terminated"),
            "ModifyInstanceAttribute" => self.modify_instance_attribute(p),
            "DescribeInstanceAttribute" => self.describe_instance_attribute(p),
            "ModifyInstanceMetadataOptions" => self.modify_instance_structure(p, "metadataOptions", false),
            "ModifyInstanceMaintenanceOptions" => self.modify_instance_structure(p, "maintenanceOptions", false),
            "ModifyPrivateDnsNameOptions" => {
                self.modify_instance_structure(p, "privateDnsNameOptions", p.has("PrivateDnsHostnameType"))
            }
            "ModifyInstancePlacement" => self.modify_instance_structure(p, "placement", true),
            "ModifyInstanceCpuOptions" => self.modify_instance_structure(p, "cpuOptions", true),
            "ModifyInstanceNetworkPerformanceOptions" => {
                self.modify_instance_structure(p, "networkPerformanceOptions", true)
            }
            "ModifyInstanceCapacityReservationAttributes" => {
                self.modify_instance_structure(p, "capacityReservationSpecification", true)
            }
            "MonitorInstances" => self.monitor_instances(p, true),
            "UnmonitorInstances" => self.monitor_instances(p, false),
            "DescribeInstanceTypes" => self.describe_instance_types(p),
            "DescribeInstanceCreditSpecifications" => self.describe_credits(p),
            "ModifyInstanceCreditSpecification" => self.modify_credits(p),
            "CancelSpotInstanceRequests" => self.cancel_spot_instance_requests(p),
            "AssociateIamInstanceProfile" => self.associate_iam_instance_profile(p),
            "ReplaceIamInstanceProfileAssociation" => self.replace_iam_instance_profile(p),
            "DisassociateIamInstanceProfile" => self.disassociate_iam_instance_profile(p),
            "CreateTags" => self.create_tags(p),
            "DeleteTags" => self.delete_tags(p),
            "DescribeTags" => self.describe_tags(p),
            "DescribeAvailabilityZones" => self.availability_zones(p),
            _ => Err(Fault::not_implemented(&format!("ec2:{action}"))),
        }
    }

    fn describe(&self, spec: &Spec, p: &Params) -> Answer {
        let all = self.described(spec.kind);
        let ids = p.list(spec.id_param);
        if let Some(id) = ids.iter().find(|id| !all.contains_key(**id)) {
            return Err(unknown_id(spec, id));
        }
        let (name, named) = match spec.kind {
            Kind::KeyPair => ("KeyName", "keyName"),
            Kind::LaunchTemplate => ("LaunchTemplateName", "launchTemplateName"),
            _ => ("", ""),
        };
        let names = p.list(name);
        let mut all = all;
        if !names.is_empty() {
            all.retain(|_, (fields, _)| fields.get(named).and_then(Value::as_str).is_some_and(|n| names.contains(&n)));
            let there = |name: &&&str| all.values().any(|(fields, _)| fields.get(named) == Some(&json!(name)));
            if let Some(missing) = names.iter().find(|name| !there(name)) {
                let code = if spec.kind == Kind::KeyPair {
                    spec.not_found
                } else {
                    "InvalidLaunchTemplateName.NotFoundException"
                };
                return Err(Fault::new(code, format!("The {} '{missing}' does not exist", spec.name)));
            }
        }
        if spec.kind == Kind::KeyPair && p.flag("IncludePublicKey") == Some(true) {
            for (id, (fields, _)) in &mut all {
                let key = self.objects.get(id).and_then(|pair| pair.hidden.get("publicKey")).cloned();
                fields.extend(key.map(|key| ("publicKey".to_owned(), key)));
            }
        }
        let (items, next) = pick(p, all, &ids, &Filters::parse(p, spec.filters)?)?;
        let items = if spec.kind == Kind::Instance { self.in_reservations(items) } else { items };
        Ok(json!({spec.set: items, "nextToken": next}))
    }

    /// The objects of a kind, with what Describe adds from others.
    fn described(&self, kind: Kind) -> BTreeMap<String, (Fields, &Tags)> {
        let objects = self.of(kind).map(|(id, o)| (id.clone(), (o.fields.clone(), &o.tags)));
        match kind {
            Kind::SecurityGroup => {
                let rules = self.rules_by_group();
                let with_rules = |(id, (mut fields, tags)): (String, (Fields, _))| {
                    Self::add_permissions(&mut fields, rules.get(id.as_str()).map(Vec::as_slice).unwrap_or_default());
                    (id, (fields, tags))
                };
                objects.map(with_rules).collect()
            }
            Kind::NetworkInterface => objects.chain(self.network_interfaces()).collect(),
            Kind::PrefixList => objects.chain(self.aws_prefix_lists()).collect(),
            Kind::Instance => {
                let shown = |(id, o): (&String, _)| (id.clone(), (self.instance_shown(id, o), &o.tags));
                self.of(kind).map(shown).collect()
            }
            _ => objects.collect(),
        }
    }

    fn get(&self, kind: Kind, id: &str) -> Result<&Object, Fault> {
        let found = self.objects.get(id).filter(|o| o.kind == kind);
        found.ok_or_else(|| unknown_id(kind.spec(), id))
    }

    fn get_mut(&mut self, kind: Kind, id: &str) -> Result<&mut Object, Fault> {
        self.get(kind, id)?;
        // `get` has found it.
        self.objects.get_mut(id).ok_or_else(|| unknown_id(kind.spec(), id))
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = (&String, &Object)> {
        // An id's prefix is its kind's.
        let prefix = kind.spec().prefix;
        self.objects.range(prefix.to_owned()..).take_while(move |(id, _)| id.starts_with(prefix))
    }

    /// Whether a field of any object of a kind has this value.
    fn any(&self, kind: Kind, path: &str, value: &str) -> bool {
        self.of(kind).any(|(_, o)| values(&o.fields, path).iter().any(|v| v == value))
    }

    /// Keeps a new object. `fields` may leave out the id, which is then put in under `id_field`.
    fn add(&mut self, kind: Kind, id_field: &str, fields: Value, p: &Params) -> String {
        let id = new_id(kind.spec().prefix);
        let mut fields = object(fields);
        fields.retain(|_, v| !v.is_null());
        fields.insert(id_field.to_owned(), json!(id));
        let mut hidden = Fields::new();
        if let Some(token) = p.get("ClientToken") {
            hidden.insert("clientToken".to_owned(), json!(token));
        }
        self.objects.insert(id.clone(), Object { kind, fields, hidden, tags: tag_specification(p, kind) });
        id
    }

    /// The object that an earlier request with the same client token made.
    fn made_before(&self, kind: Kind, p: &Params) -> Option<Value> {
        let token = p.get("ClientToken")?;
        let same = |o: &&Object| o.hidden.get("clientToken").and_then(Value::as_str) == Some(token);
        self.of(kind).map(|(_, o)| o).find(same).map(|o| render(o.fields.clone(), &o.tags))
    }

    /// An object as the answer to its creation shows it.
    fn show(&self, id: &str) -> Value {
        self.objects.get(id).map_or(Value::Null, |o| render(o.fields.clone(), &o.tags))
    }

    fn arn(&self, kind: Kind, id: &str) -> String {
        format!("arn:aws:ec2:{}:{}:{}/{id}", self.name, self.account, kind.spec().name)
    }

    fn tagged(&mut self, p: &Params, change: impl Fn(&mut Tags)) -> Answer {
        let ids = p.list("ResourceId");
        if let Some(missing) = ids.iter().find(|id| !self.objects.contains_key(**id)) {
            let code = SPECS.iter().find(|s| missing.starts_with(s.prefix)).map_or("InvalidID", |s| s.not_found);
            return Err(Fault::new(code, format!("The ID '{missing}' does not exist")));
        }
        for id in ids {
            if let Some(object) = self.objects.get_mut(id) {
                change(&mut object.tags);
            }
        }
        done()
    }

    fn create_tags(&mut self, p: &Params) -> Answer {
        let new = p.tags("Tag");
        if let Some(key) = new.keys().find(|k| k.starts_with("aws:")) {
            return Err(Fault::invalid(format!("Tag keys starting with 'aws:' are reserved for internal use: {key}")));
        }
        self.tagged(p, |tags| tags.extend(new.clone()))
    }

    fn delete_tags(&mut self, p: &Params) -> Answer {
        let members = p.members("Tag");
        self.tagged(p, |tags| {
            if members.is_empty() {
                tags.clear();
            }
            for member in &members {
                let key = p.get(&format!("{member}.Key")).unwrap_or_default();
                let value = p.get(&format!("{member}.Value"));
                if value.is_none_or(|v| tags.get(key).is_some_and(|t| t == v)) {
                    tags.remove(key);
                }
            }
        })
    }

    fn describe_tags(&self, p: &Params) -> Answer {
        let filters = raw_filters(p);
        let mut items = Vec::new();
        for (id, object) in &self.objects {
            for (key, value) in &object.tags {
                let field = |name: &str| match name {
                    "resource-id" => Ok(id.as_str()),
                    "resource-type" => Ok(object.kind.spec().name),
                    "key" => Ok(key.as_str()),
                    "value" => Ok(value.as_str()),
                    _ => Err(unknown_filter(name)),
                };
                let mut accepted = true;
                for (name, patterns) in &filters {
                    let text = field(name)?;
                    accepted &= patterns.iter().any(|pattern| matches(pattern, text));
                }
                if accepted {
                    let kind = object.kind.spec().name;
                    items.push(json!({"resourceId": id, "resourceType": kind, "key": key, "value": value}));
                }
            }
        }
        Ok(json!({"tagSet": items}))
    }
}

fn unknown_id(spec: &Spec, id: &str) -> Fault {
    Fault::new(spec.not_found, format!("The {} ID '{id}' does not exist", spec.name))
}

/// The values at a path such as `associationSet.subnetId`, through lists.
fn values(fields: &Fields, path: &str) -> Vec<String> {
    let (head, tail) = path.split_once('.').unwrap_or((path, ""));
    match fields.get(head) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Object(inner)) => values(inner, tail),
        Some(Value::Array(items)) => items
            .iter()
            .flat_map(|item| match item {
                Value::Object(item) => values(item, tail),
                Value::String(text) if tail.is_empty() => vec![text.clone()],
                _ => Vec::new(),
            })
            .collect(),
        Some(other) => vec![other.to_string()],
    }
}

/// A new id, in AWS's form.
fn new_id(prefix: &str) -> String {
    format!("{prefix}0{}", &uuid::Uuid::new_v4().simple().to_string()[..16])
}

/// Digits of an id that is always the same for the same text.
fn digest(text: &str) -> String {
    format!("0{}", &hex::encode(Sha256::digest(text))[..16])
}

/// The members of a structure.
fn object(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

fn text<'a>(object: &'a Object, field: &str) -> &'a str {
    object.fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Changes the list under a field, which is empty if it is not there.
fn edit<R>(object: &mut Object, field: &str, change: impl FnOnce(&mut Vec<Value>) -> R) -> R {
    let mut items = match object.fields.remove(field) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let result = change(&mut items);
    object.fields.insert(field.to_owned(), Value::Array(items));
    result
}

fn render(mut fields: Fields, tags: &Tags) -> Value {
    if !tags.is_empty() {
        fields.insert("tagSet".to_owned(), tag_set(tags));
    }
    Value::Object(fields)
}

fn tag_set(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

fn tag_specification(p: &Params, kind: Kind) -> Tags {
    let of_kind = |s: &String| p.get(&format!("{s}.ResourceType")) == Some(kind.spec().name);
    let specs = p.members("TagSpecification");
    specs.iter().filter(|s| of_kind(s)).flat_map(|s| p.tags(&format!("{s}.Tag"))).collect()
}

/// Refuses parameters that the sandbox would have to ignore.
fn refuse(p: &Params, names: &[&str]) -> Result<(), Fault> {
    match names.iter().find(|name| p.has(name)) {
        Some(name) => {
            Err(Fault::not_implemented(&format!("the parameter {name} of ec2:{}", p.get("Action").unwrap_or_default())))
        }
        None => Ok(()),
    }
}

fn done() -> Answer {
    Ok(json!({"return": true}))
}
