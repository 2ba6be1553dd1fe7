//! EC2's network: VPCs, subnets, gateways, addresses, route tables, security groups and their rules.
//!
//! An object is kept as the answer that EC2 gives about it (`fields`, under AWS's own names), so that Describe is the same few lines
//! for all kinds: choose by id and filter, write out as XML. What a call checks before it changes anything is what AWS checks: that
//! the ids exist, that ranges lie inside one another and do not overlap, that nothing is deleted while something still uses it.

mod address;
mod network;
mod routes;
mod security;
mod spec;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use spec::{Kind, SPECS, Spec};
use winterbaume_core::MockResponse;

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

    pub(super) fn restore(&self, mut regions: BTreeMap<String, Region>) {
        regions.values_mut().for_each(Region::forget_deleted);
        *self.lock() = regions;
    }

    pub(super) fn handle(&self, account: &str, region: &str, body: &[u8]) -> MockResponse {
        let params = Params::parse(body);
        let action = params.get("Action").unwrap_or_default();
        let mut regions = self.lock();
        let state = regions.entry(region.to_owned()).or_insert_with(|| Region {
            name: region.to_owned(),
            account: account.to_owned(),
            objects: BTreeMap::new(),
        });
        match state.call(action, &params) {
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

impl Region {
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
            "CreateTags" => self.create_tags(p),
            "DeleteTags" => self.delete_tags(p),
            "DescribeTags" => self.describe_tags(p),
            "DescribeAvailabilityZones" => Ok(self.availability_zones()),
            _ => Err(Fault::not_implemented(&format!("ec2:{action}"))),
        }
    }

    fn describe(&self, spec: &Spec, p: &Params) -> Answer {
        let all = self.described(spec.kind);
        let ids = p.list(spec.id_param);
        if let Some(id) = ids.iter().find(|id| !all.contains_key(**id)) {
            return Err(unknown_id(spec, id));
        }
        let filters = Filters::parse(p, spec)?;
        let after = p.get("NextToken").unwrap_or_default();
        let chosen = |(id, (fields, tags)): &(String, (Fields, &Tags))| {
            id.as_str() > after && (ids.is_empty() || ids.contains(&id.as_str())) && filters.accept(fields, tags)
        };
        let mut found: Vec<_> = all.into_iter().filter(chosen).collect();
        let limit = p.number("MaxResults")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX).max(1);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(id, _)| id.clone());
        let items: Vec<Value> = found.into_iter().map(|(_, (fields, tags))| render(fields, tags)).collect();
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
            Kind::NetworkInterface => self.network_interfaces(),
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
        let id = format!("{}0{}", kind.spec().prefix, &uuid::Uuid::new_v4().simple().to_string()[..16]);
        let mut fields = match fields {
            Value::Object(fields) => fields,
            _ => Fields::new(),
        };
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

/// The filters of a Describe call: all must hold, each by any of its values.
struct Filters {
    tags: Vec<(String, Vec<String>)>,
    tag_keys: Vec<Vec<String>>,
    fields: Vec<(&'static str, Vec<String>)>,
}

impl Filters {
    fn parse(p: &Params, spec: &Spec) -> Result<Self, Fault> {
        let mut filters = Self { tags: Vec::new(), tag_keys: Vec::new(), fields: Vec::new() };
        for (name, patterns) in raw_filters(p) {
            if let Some(key) = name.strip_prefix("tag:") {
                filters.tags.push((key.to_owned(), patterns));
            } else if name == "tag-key" {
                filters.tag_keys.push(patterns);
            } else {
                // Never ignored: an ignored filter answers with everything.
                let known = spec.filters.iter().find(|(n, _)| *n == name);
                filters.fields.push((known.ok_or_else(|| unknown_filter(&name))?.1, patterns));
            }
        }
        Ok(filters)
    }

    fn accept(&self, fields: &Fields, tags: &Tags) -> bool {
        let any = |patterns: &[String], text: &str| patterns.iter().any(|p| matches(p, text));
        self.tags.iter().all(|(key, patterns)| tags.get(key).is_some_and(|v| any(patterns, v)))
            && self.tag_keys.iter().all(|patterns| tags.keys().any(|k| any(patterns, k)))
            && self.fields.iter().all(|(path, patterns)| values(fields, path).iter().any(|v| any(patterns, v)))
    }
}

fn raw_filters(p: &Params) -> Vec<(String, Vec<String>)> {
    let members = p.members("Filter");
    let read = |f: &String| {
        let name = p.get(&format!("{f}.Name"))?;
        Some((name.to_owned(), p.list(&format!("{f}.Value")).into_iter().map(str::to_owned).collect()))
    };
    members.iter().filter_map(read).collect()
}

fn unknown_id(spec: &Spec, id: &str) -> Fault {
    Fault::new(spec.not_found, format!("The {} ID '{id}' does not exist", spec.name))
}

fn unknown_filter(name: &str) -> Fault {
    Fault::invalid(format!("The filter '{name}' is invalid, or phx's sandbox does not know it"))
}

/// The values at a path such as `associationSet.subnetId`, through lists.
fn values(fields: &Fields, path: &str) -> Vec<String> {
    let (head, tail) = path.split_once('.').unwrap_or((path, ""));
    match fields.get(head) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Object(inner)) => values(inner, tail),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_object).flat_map(|i| values(i, tail)).collect(),
        Some(other) => vec![other.to_string()],
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
