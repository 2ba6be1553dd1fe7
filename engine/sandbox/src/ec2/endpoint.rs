//! VPC endpoints: gateways, which put routes into tables, and interfaces, which stand in subnets.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::flow_log::unsuccessful;
use super::spec::Kind;
use super::{Answer, Fields, Filters, Object, Region, done, edit, form, object, text, values};
use crate::wire::{Fault, Params};

/// Services that a gateway can lead to.
pub(super) const GATEWAYS: &[&str] = &["dynamodb", "s3"];
/// Services that an interface can lead to, of those that AWS has.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html>
const INTERFACES: &[&str] = &[
    "access-analyzer",
    "acm-pca",
    "airflow.api",
    "appconfig",
    "appconfigdata",
    "application-autoscaling",
    "aps",
    "aps-workspaces",
    "athena",
    "autoscaling",
    "backup",
    "batch",
    "bedrock",
    "bedrock-runtime",
    "cassandra",
    "cloudformation",
    "cloudtrail",
    "codeartifact.api",
    "codeartifact.repositories",
    "codebuild",
    "codecommit",
    "codedeploy",
    "codepipeline",
    "config",
    "datasync",
    "dms",
    "dynamodb",
    "ebs",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "eks",
    "eks-auth",
    "elasticache",
    "elasticfilesystem",
    "elasticloadbalancing",
    "elasticmapreduce",
    "email-smtp",
    "events",
    "execute-api",
    "fsx",
    "git-codecommit",
    "glue",
    "guardduty-data",
    "imagebuilder",
    "inspector2",
    "kafka",
    "kinesis-firehose",
    "kinesis-streams",
    "kms",
    "lakeformation",
    "lambda",
    "license-manager",
    "logs",
    "macie2",
    "monitoring",
    "oam",
    "organizations",
    "payment-cryptography.controlplane",
    "pipes",
    "ram",
    "rds",
    "rds-data",
    "redshift",
    "redshift-data",
    "rekognition",
    "s3",
    "sagemaker.api",
    "sagemaker.runtime",
    "scheduler",
    "secretsmanager",
    "securityhub",
    "servicecatalog",
    "servicediscovery",
    "sms-voice",
    "sns",
    "sqs",
    "ssm",
    "ssm-contacts",
    "ssm-incidents",
    "ssmmessages",
    "states",
    "storagegateway",
    "sts",
    "synthetics",
    "textract",
    "transcribe",
    "transfer",
    "vpc-lattice",
    "wafv2",
    "workspaces",
    "xray",
];
/// What AWS gives an endpoint that has no policy of its own.
const EVERYTHING: &str =
    r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

fn interface(endpoint: &Object) -> bool {
    text(endpoint, "vpcEndpointType") == "Interface"
}

impl Region {
    /// The service of a name: `ssm` of `com.amazonaws.us-west-2.ssm`.
    fn endpoint_service<'a>(&self, name: &'a str, known: &[&str]) -> Result<&'a str, Fault> {
        let service = name
            .strip_prefix("com.amazonaws.")
            .and_then(|rest| rest.strip_prefix(self.name.as_str())?.strip_prefix('.'));
        let service = service.filter(|service| known.contains(service));
        service.ok_or_else(|| {
            Fault::new("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"))
        })
    }

    pub(super) fn create_vpc_endpoint(&mut self, p: &Params) -> Answer {
        if let Some(made) = self.made_before(Kind::VpcEndpoint, p) {
            return Ok(json!({"vpcEndpoint": made, "clientToken": p.get("ClientToken")}));
        }
        let vpc_id = p.required("VpcId")?.to_owned();
        self.get(Kind::Vpc, &vpc_id)?;
        if p.get("ServiceRegion").is_some_and(|region| region != self.name) {
            return Err(Fault::not_implemented("VPC endpoints to other regions"));
        }
        let kind = p.get("VpcEndpointType").unwrap_or("Gateway");
        let name = p.required("ServiceName")?;
        let mut fields = object(json!({
            "vpcId": vpc_id, "serviceName": name, "serviceRegion": self.name, "vpcEndpointType": kind, "state": "available",
            "ownerId": self.account, "requesterManaged": false, "creationTimestamp": jiff::Timestamp::now().to_string(),
            "policyDocument": policy(p)?.unwrap_or(EVERYTHING), "routeTableIdSet": [], "subnetIdSet": [], "groupSet": [],
            "networkInterfaceIdSet": [], "dnsEntrySet": [], "privateDnsEnabled": false,
            "ipAddressType": p.get("IpAddressType").unwrap_or("ipv4"),
        }));
        match kind {
            "Gateway" => {
                self.endpoint_service(name, GATEWAYS)?;
                for wrong in ["SubnetId", "SecurityGroupId", "SubnetConfiguration"] {
                    if p.has(wrong) {
                        return Err(Fault::new(
                            "InvalidParameter",
                            format!("{wrong} is not supported for Gateway endpoints"),
                        ));
                    }
                }
                let tables = p.list("RouteTableId");
                let list = self.prefix_list_of(name)?;
                tables.iter().try_for_each(|table| self.check_endpoint_route(table, &vpc_id, &list))?;
                let id = self.add(Kind::VpcEndpoint, "vpcEndpointId", Value::Object(fields), p);
                tables.iter().try_for_each(|table| self.add_endpoint_route(&id, table))?;
                Ok(json!({"vpcEndpoint": self.show(&id), "clientToken": p.get("ClientToken")}))
            }
            "Interface" => {
                self.endpoint_service(name, INTERFACES)?;
                if p.has("RouteTableId") {
                    return Err(Fault::new(
                        "InvalidParameter",
                        "Route table IDs are only supported for Gateway type VPC Endpoint.",
                    ));
                }
                let private = self.private_dns(p, &vpc_id, name, None)?;
                fields.insert("privateDnsEnabled".to_owned(), json!(private));
                let mut options = object(json!({"dnsRecordIpType": "ipv4"}));
                form::over(&mut options, form::shown(p, "DnsOptions"));
                fields.insert("dnsOptions".to_owned(), Value::Object(options));
                let groups = self.group_set(&p.list("SecurityGroupId"), &vpc_id)?;
                fields.insert("groupSet".to_owned(), Value::Array(groups));
                let subnets = p.list("SubnetId");
                self.check_endpoint_subnets(&subnets, &vpc_id)?;
                let id = self.add(Kind::VpcEndpoint, "vpcEndpointId", Value::Object(fields), p);
                let placed =
                    subnets.iter().try_for_each(|subnet| self.place_endpoint(&id, subnet, address_in(p, subnet)));
                if let Err(fault) = placed {
                    self.forget_endpoint(&id);
                    return Err(fault);
                }
                self.set_endpoint_names(&id);
                Ok(json!({"vpcEndpoint": self.show(&id), "clientToken": p.get("ClientToken")}))
            }
            other => Err(Fault::not_implemented(&format!("VPC endpoints of the type {other}"))),
        }
    }

    /// Whether the service's public name leads to an endpoint, which needs the VPC's DNS, and which one endpoint of a VPC can have.
    fn private_dns(&self, p: &Params, vpc_id: &str, service: &str, but: Option<&str>) -> Result<bool, Fault> {
        let vpc = self.get(Kind::Vpc, vpc_id)?;
        let on = |name: &str| vpc.hidden.get(name) == Some(&json!(true));
        let possible = on("enableDnsSupport") && on("enableDnsHostnames");
        let wanted = match p.flag("PrivateDnsEnabled") {
            Some(true) if !possible => {
                let message = format!(
                    "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc_id}"
                );
                return Err(Fault::new("InvalidParameter", message));
            }
            wanted => wanted,
        };
        let has = |o: &Object| {
            text(o, "vpcId") == vpc_id
                && text(o, "serviceName") == service
                && o.fields.get("privateDnsEnabled") == Some(&json!(true))
        };
        let taken = self.of(Kind::VpcEndpoint).any(|(id, o)| has(o) && Some(id.as_str()) != but);
        match wanted {
            Some(true) if taken => {
                let message = "private-dns-enabled cannot be set because there is already a conflicting DNS domain for the service in the VPC";
                Err(Fault::new("InvalidParameter", message))
            }
            Some(wanted) => Ok(wanted),
            None => Ok(possible && !taken),
        }
    }

    fn check_endpoint_subnets(&self, subnets: &[&str], vpc_id: &str) -> Result<(), Fault> {
        let mut zones = BTreeSet::new();
        for id in subnets {
            let subnet = self.get(Kind::Subnet, id)?;
            if text(subnet, "vpcId") != vpc_id {
                return Err(Fault::new("InvalidParameter", format!("The subnet {id} is not in {vpc_id}")));
            }
            if !zones.insert(text(subnet, "availabilityZone")) {
                let message = format!("Found another VPC endpoint subnet in the availability zone of {id}");
                return Err(Fault::new("DuplicateSubnetsInSameZone", message));
            }
        }
        Ok(())
    }

    /// Puts an interface of an endpoint into a subnet.
    fn place_endpoint(&mut self, id: &str, subnet: &str, address: Option<&str>) -> Result<(), Fault> {
        let groups = self.get(Kind::VpcEndpoint, id)?.fields.get("groupSet").and_then(Value::as_array).cloned();
        let more = json!({
            "description": format!("VPC Endpoint Interface {id}"), "interfaceType": "vpc_endpoint", "requesterManaged": true,
        });
        let interface = self.add_interface(subnet, groups.unwrap_or_default(), address, more)?;
        let endpoint = self.get_mut(Kind::VpcEndpoint, id)?;
        edit(endpoint, "subnetIdSet", |all| all.push(json!(subnet)));
        edit(endpoint, "networkInterfaceIdSet", |all| all.push(json!(interface)));
        Ok(())
    }

    /// Takes the interface of an endpoint out of a subnet.
    fn leave_subnet(&mut self, id: &str, subnet: &str) -> Result<(), Fault> {
        let mine = values(&self.get(Kind::VpcEndpoint, id)?.fields, "networkInterfaceIdSet");
        let there = |interface: &&String| self.objects.get(*interface).is_some_and(|o| text(o, "subnetId") == subnet);
        let interface = mine.iter().find(there).cloned();
        let endpoint = self.get_mut(Kind::VpcEndpoint, id)?;
        edit(endpoint, "subnetIdSet", |all| all.retain(|s| s != subnet));
        edit(endpoint, "networkInterfaceIdSet", |all| all.retain(|i| i.as_str() != interface.as_deref()));
        if let Some(interface) = interface {
            self.objects.remove(&interface);
        }
        Ok(())
    }

    /// The names that lead to an interface endpoint: its own, one for each of its zones, and the service's if that is wished.
    fn set_endpoint_names(&mut self, id: &str) {
        let Ok(endpoint) = self.get(Kind::VpcEndpoint, id) else { return };
        let name = text(endpoint, "serviceName");
        let service = name.rsplit_once(&format!("{}.", self.name)).map_or(name, |(_, service)| service);
        let host = service.split('.').rev().collect::<Vec<_>>().join(".");
        let tail = &id["vpce-".len()..][..8];
        let zone = |zone: &str| format!("{id}-{tail}{zone}.{host}.{}.vpce.amazonaws.com", self.name);
        let mut zones: Vec<String> = values(&endpoint.fields, "subnetIdSet")
            .iter()
            .filter_map(|subnet| Some(text(self.objects.get(subnet)?, "availabilityZone").to_owned()))
            .collect();
        zones.sort();
        let mut names = vec![zone("")];
        names.extend(zones.iter().map(|name| zone(&format!("-{name}"))));
        let mut entries: Vec<Value> =
            names.iter().map(|name| json!({"dnsName": name, "hostedZoneId": "Z1YSA3EXCYUU9Z"})).collect();
        if endpoint.fields.get("privateDnsEnabled") == Some(&json!(true)) {
            entries.push(
                json!({"dnsName": format!("{host}.{}.amazonaws.com", self.name), "hostedZoneId": "ZONEIDPENDING"}),
            );
        }
        if let Ok(endpoint) = self.get_mut(Kind::VpcEndpoint, id) {
            endpoint.fields.insert("dnsEntrySet".to_owned(), Value::Array(entries));
        }
    }

    fn check_endpoint_route(&self, table: &str, vpc_id: &str, list: &str) -> Result<(), Fault> {
        let found = self.get(Kind::RouteTable, table)?;
        if text(found, "vpcId") != vpc_id {
            return Err(Fault::new("InvalidParameter", format!("The route table {table} is not in {vpc_id}")));
        }
        if values(&found.fields, "routeSet.destinationPrefixListId").iter().any(|l| l == list) {
            let message = format!("route table {table} already has a route with destination-prefix-list-id {list}");
            return Err(Fault::new("RouteAlreadyExists", message));
        }
        Ok(())
    }

    fn add_endpoint_route(&mut self, id: &str, table: &str) -> Result<(), Fault> {
        let list = self.prefix_list_of(text(self.get(Kind::VpcEndpoint, id)?, "serviceName"))?;
        let route =
            json!({"destinationPrefixListId": list, "gatewayId": id, "state": "active", "origin": "CreateRoute"});
        edit(self.get_mut(Kind::RouteTable, table)?, "routeSet", |all| all.push(route));
        edit(self.get_mut(Kind::VpcEndpoint, id)?, "routeTableIdSet", |all| all.push(json!(table)));
        Ok(())
    }

    fn remove_endpoint_route(&mut self, id: &str, table: &str) -> Result<(), Fault> {
        if let Ok(table) = self.get_mut(Kind::RouteTable, table) {
            edit(table, "routeSet", |all| all.retain(|route| route["gatewayId"] != json!(id)));
        }
        edit(self.get_mut(Kind::VpcEndpoint, id)?, "routeTableIdSet", |all| all.retain(|t| t != table));
        Ok(())
    }

    /// A deleted route table is no endpoint's any more.
    pub(super) fn forget_route_table(&mut self, table: &str) {
        for endpoint in self.objects.values_mut().filter(|o| o.kind == Kind::VpcEndpoint) {
            edit(endpoint, "routeTableIdSet", |all| all.retain(|t| t != table));
        }
    }

    fn forget_endpoint(&mut self, id: &str) {
        let Some(endpoint) = self.objects.remove(id) else { return };
        for interface in values(&endpoint.fields, "networkInterfaceIdSet") {
            self.objects.remove(&interface);
        }
        for table in values(&endpoint.fields, "routeTableIdSet") {
            if let Some(table) = self.objects.get_mut(&table) {
                edit(table, "routeSet", |all| all.retain(|route| route["gatewayId"] != json!(id)));
            }
        }
    }

    /// Deleted endpoints are gone at once.
    pub(super) fn delete_vpc_endpoints(&mut self, p: &Params) -> Answer {
        let mut refused = Vec::new();
        for id in p.list("VpcEndpointId") {
            match self.get(Kind::VpcEndpoint, id) {
                Ok(_) => self.forget_endpoint(id),
                Err(fault) => refused.push(unsuccessful(id, &fault)),
            }
        }
        Ok(json!({"unsuccessful": refused}))
    }

    pub(super) fn modify_vpc_endpoint(&mut self, p: &Params) -> Answer {
        let id = p.required("VpcEndpointId")?.to_owned();
        let endpoint = self.get(Kind::VpcEndpoint, &id)?;
        let (vpc_id, name) = (text(endpoint, "vpcId").to_owned(), text(endpoint, "serviceName").to_owned());
        let interface = interface(endpoint);
        let wrong: &[&str] = match interface {
            true => &["AddRouteTableId", "RemoveRouteTableId"],
            false => {
                &["AddSubnetId", "RemoveSubnetId", "AddSecurityGroupId", "RemoveSecurityGroupId", "PrivateDnsEnabled"]
            }
        };
        if let Some(wrong) = wrong.iter().find(|param| p.has(param)) {
            let message =
                format!("{wrong} is not supported for endpoints of the type {}", text(endpoint, "vpcEndpointType"));
            return Err(Fault::new("InvalidParameter", message));
        }
        let policy = if p.flag("ResetPolicy") == Some(true) { Some(EVERYTHING) } else { policy(p)? };
        let (add, remove) = (p.list("AddSubnetId"), p.list("RemoveSubnetId"));
        let there = values(&endpoint.fields, "subnetIdSet");
        let stays = there.iter().map(String::as_str).filter(|subnet| !remove.contains(subnet));
        self.check_endpoint_subnets(&stays.chain(add.iter().copied()).collect::<Vec<_>>(), &vpc_id)?;
        let new_groups = self.changed_groups(&id, p, &vpc_id)?;
        let private =
            if p.has("PrivateDnsEnabled") { Some(self.private_dns(p, &vpc_id, &name, Some(&id))?) } else { None };
        if !interface {
            let list = self.prefix_list_of(&name)?;
            for table in p.list("AddRouteTableId") {
                self.check_endpoint_route(table, &vpc_id, &list)?;
            }
        }

        p.list("RemoveRouteTableId").iter().try_for_each(|table| self.remove_endpoint_route(&id, table))?;
        p.list("AddRouteTableId").iter().try_for_each(|table| self.add_endpoint_route(&id, table))?;
        if let Some(groups) = new_groups {
            for interface in values(&self.get(Kind::VpcEndpoint, &id)?.fields, "networkInterfaceIdSet") {
                self.get_mut(Kind::NetworkInterface, &interface)?.fields.insert("groupSet".to_owned(), json!(groups));
            }
            self.get_mut(Kind::VpcEndpoint, &id)?.fields.insert("groupSet".to_owned(), json!(groups));
        }
        remove.iter().try_for_each(|subnet| self.leave_subnet(&id, subnet))?;
        add.iter().try_for_each(|subnet| self.place_endpoint(&id, subnet, address_in(p, subnet)))?;
        self.move_endpoint(&id, p, &add)?;
        let fields = &mut self.get_mut(Kind::VpcEndpoint, &id)?.fields;
        if let Some(policy) = policy {
            fields.insert("policyDocument".to_owned(), json!(policy));
        }
        if let Some(kind) = p.get("IpAddressType") {
            fields.insert("ipAddressType".to_owned(), json!(kind));
        }
        if let Some(private) = private {
            fields.insert("privateDnsEnabled".to_owned(), json!(private));
        }
        let options = form::shown(p, "DnsOptions");
        if !options.is_empty() {
            form::over(fields, object(json!({"dnsOptions": options})));
        }
        if interface {
            self.set_endpoint_names(&id);
        }
        done()
    }

    /// Interfaces whose subnets are given other addresses are made anew, as AWS does.
    fn move_endpoint(&mut self, id: &str, p: &Params, new: &[&str]) -> Result<(), Fault> {
        for member in p.members("SubnetConfiguration") {
            let subnet = p.required(&format!("{member}.SubnetId"))?;
            let Some(wanted) = p.get(&format!("{member}.Ipv4")).filter(|_| !new.contains(&subnet)) else { continue };
            let mine = values(&self.get(Kind::VpcEndpoint, id)?.fields, "networkInterfaceIdSet");
            let here = mine.iter().filter_map(|i| self.objects.get(i)).find(|o| text(o, "subnetId") == subnet);
            match here {
                Some(interface) if text(interface, "privateIpAddress") == wanted => {}
                Some(_) => {
                    self.wanted_address(subnet, wanted)?;
                    self.leave_subnet(id, subnet)?;
                    self.place_endpoint(id, subnet, Some(wanted))?;
                }
                None => return Err(Fault::new("InvalidParameter", format!("{id} does not stand in {subnet}"))),
            }
        }
        Ok(())
    }

    fn changed_groups(&self, id: &str, p: &Params, vpc_id: &str) -> Result<Option<Vec<Value>>, Fault> {
        let (add, remove) = (p.list("AddSecurityGroupId"), p.list("RemoveSecurityGroupId"));
        if add.is_empty() && remove.is_empty() {
            return Ok(None);
        }
        let there = values(&self.get(Kind::VpcEndpoint, id)?.fields, "groupSet.groupId");
        let mut groups: Vec<&str> = there.iter().map(String::as_str).filter(|group| !remove.contains(group)).collect();
        groups.extend(add.iter().filter(|group| !there.iter().any(|t| t == *group)));
        if groups.is_empty() {
            return Err(Fault::new("InvalidParameter", format!("{id} must have a security group")));
        }
        self.group_set(&groups, vpc_id).map(Some)
    }

    /// AWS's services that an endpoint can lead to.
    pub(super) fn describe_vpc_endpoint_services(&self, p: &Params) -> Answer {
        let zones: Vec<String> = self.zones().into_iter().map(|zone| zone.0).collect();
        let known: BTreeSet<&str> = GATEWAYS.iter().chain(INTERFACES).copied().collect();
        let filters = Filters::parse(
            p,
            &[
                ("service-name", "serviceName"),
                ("service-type", "serviceType.serviceType"),
                ("service-region", "serviceRegion"),
                ("owner", "owner"),
            ],
        )?;
        let wanted = p.list("ServiceName");
        let mut details: Vec<Fields> = Vec::new();
        for service in known {
            let host = service.split('.').rev().collect::<Vec<_>>().join(".");
            for (kind, list) in [("Gateway", GATEWAYS), ("Interface", INTERFACES)] {
                if !list.contains(&service) {
                    continue;
                }
                let mut fields = object(json!({
                    "serviceName": format!("com.amazonaws.{}.{service}", self.name), "serviceId": format!("vpce-svc-{}", super::digest(service)),
                    "serviceType": [{"serviceType": kind}], "serviceRegion": self.name, "availabilityZoneSet": zones, "owner": "amazon",
                    "baseEndpointDnsNameSet": [format!("{host}.{}.vpce.amazonaws.com", self.name)], "vpcEndpointPolicySupported": true,
                    "acceptanceRequired": false, "managesVpcEndpoints": false, "supportedIpAddressTypeSet": ["ipv4"],
                }));
                if kind == "Interface" {
                    let name = format!("{host}.{}.amazonaws.com", self.name);
                    fields.insert("privateDnsName".to_owned(), json!(name));
                    fields.insert("privateDnsNameSet".to_owned(), json!([{"privateDnsName": name}]));
                }
                details.push(fields);
            }
        }
        let name = |fields: &Fields| fields.get("serviceName").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(unknown) = wanted.iter().find(|wanted| !details.iter().any(|fields| name(fields) == **wanted)) {
            let message = format!("The Vpc Endpoint Service '{unknown}' does not exist");
            return Err(Fault::new("InvalidServiceName", message));
        }
        details.retain(|fields| {
            (wanted.is_empty() || wanted.contains(&name(fields).as_str()))
                && filters.accept(fields, &super::Tags::new())
        });
        let names: BTreeSet<String> = details.iter().map(name).collect();
        Ok(json!({"serviceNameSet": names, "serviceDetailSet": details}))
    }
}

/// The policy that a request sets; it has to be JSON.
fn policy(p: &Params) -> Result<Option<&str>, Fault> {
    let policy = p.get("PolicyDocument").filter(|text| !text.is_empty());
    match policy.map(serde_json::from_str::<Map<String, Value>>) {
        Some(Err(error)) => {
            Err(Fault::new("MalformedPolicyDocument", format!("The policy is not a JSON object: {error}")))
        }
        _ => Ok(policy),
    }
}

/// The address that a request wants in a subnet.
fn address_in<'a>(p: &'a Params, subnet: &str) -> Option<&'a str> {
    let members = p.members("SubnetConfiguration");
    let member = members.iter().find(|m| p.get(&format!("{m}.SubnetId")) == Some(subnet))?;
    p.get(&format!("{member}.Ipv4"))
}
