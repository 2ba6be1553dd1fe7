//! What one service of the sandbox sees of another: a cluster's subnets and security group are EC2's, a database's password is a secret.
//!
//! Whoever looks holds its own state locked meanwhile. So there is an order: EKS and RDS look into EC2, KMS and Secrets Manager, and those
//! into nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use winterbaume_core::{MockResponse, StateViewError};

use super::ACCOUNT_ID;
use super::ec2::Ec2;
use super::service::{Call, Service, Tags};
use super::wire::{Fault, encode};

/// The state in one region of a service that phx emulates by itself and that looks into others.
pub(super) trait Neighbour: Clone + Default + Serialize + DeserializeOwned + Send + 'static {
    /// The others.
    type Others: Send + Sync;

    /// Does what a call asks. If it is refused, nothing has changed.
    fn call(&mut self, call: &Call, others: &Self::Others) -> Result<MockResponse, Fault>;

    /// A refusal in the service's protocol.
    fn refusal(fault: &Fault) -> MockResponse;

    /// The objects that bear tags, by ARN.
    fn tagged(&self) -> Vec<(String, Tags)>;
}

/// A service that looks into others.
pub(super) struct Joined<M: Neighbour> {
    regions: Mutex<BTreeMap<String, M>>,
    others: M::Others,
}

impl<M: Neighbour> Joined<M> {
    pub(super) fn new(others: M::Others) -> Self {
        Self { regions: Mutex::default(), others }
    }

    fn regions(&self) -> MutexGuard<'_, BTreeMap<String, M>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl<M: Neighbour> Service for Joined<M> {
    async fn handle(&self, call: Call) -> MockResponse {
        let mut regions = self.regions();
        let state = regions.entry(call.region.clone()).or_default();
        let mut next = state.clone();
        match next.call(&call, &self.others) {
            Ok(answer) => {
                *state = next;
                answer
            }
            Err(fault) => M::refusal(&fault),
        }
    }

    async fn snapshot(&self) -> Result<BTreeMap<String, Value>, StateViewError> {
        self.regions().iter().map(|(region, state)| Ok((region.clone(), serde_json::to_value(state)?))).collect()
    }

    async fn restore(&self, views: BTreeMap<String, Value>) -> Result<(), StateViewError> {
        let states = views.into_iter().map(|(region, view)| Ok((region, serde_json::from_value(view)?)));
        *self.regions() = states.collect::<Result<_, StateViewError>>()?;
        Ok(())
    }

    async fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        self.regions().get(region).map(M::tagged).unwrap_or_default()
    }
}

/// A subnet, as far as others need to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    pub(super) id: String,
    pub(super) vpc: String,
    pub(super) zone: String,
}

/// EC2, asked as its API is.
pub(super) struct Network(pub(super) Arc<Ec2>);

impl Network {
    /// EC2's answer to a call, or its refusal.
    fn ask(&self, region: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String, Fault> {
        let mut body = format!("Action={action}&Version=2016-11-15");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", encode(value)));
        }
        let answer = self.0.ask(ACCOUNT_ID, region, body.as_bytes());
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 200 {
            return Ok(text);
        }
        let told = |element: &str| texts(&text, element).first().copied().unwrap_or_default().to_owned();
        Err(Fault { status: answer.status, code: told("Code"), message: told("Message") })
    }

    /// These subnets, in the order of their ids. EC2 refuses if one of them does not exist.
    pub(super) fn subnets(&self, region: &str, ids: &[String]) -> Result<Vec<Subnet>, Fault> {
        let names: Vec<String> = (1..=ids.len()).map(|n| format!("SubnetId.{n}")).collect();
        let parameters: Vec<(&str, &str)> =
            names.iter().map(String::as_str).zip(ids.iter().map(String::as_str)).collect();
        let answer = self.ask(region, "DescribeSubnets", &parameters)?;
        let found = texts(&answer, "subnetId").into_iter().zip(texts(&answer, "vpcId"));
        let found = found.zip(texts(&answer, "availabilityZone"));
        let subnet = |((id, vpc), zone): ((&str, &str), &str)| Subnet {
            id: id.to_owned(),
            vpc: vpc.to_owned(),
            zone: zone.to_owned(),
        };
        Ok(found.map(subnet).collect())
    }

    /// Whether a subnet's way out is an internet gateway: by its own route table, or else by its VPC's.
    pub(super) fn is_public(&self, region: &str, subnet: &Subnet) -> Result<bool, Fault> {
        let own = [("Filter.1.Name", "association.subnet-id"), ("Filter.1.Value.1", subnet.id.as_str())];
        let mut table = self.ask(region, "DescribeRouteTables", &own)?;
        if texts(&table, "routeTableId").is_empty() {
            let main = [
                ("Filter.1.Name", "vpc-id"),
                ("Filter.1.Value.1", subnet.vpc.as_str()),
                ("Filter.2.Name", "association.main"),
                ("Filter.2.Value.1", "true"),
            ];
            table = self.ask(region, "DescribeRouteTables", &main)?;
        }
        Ok(texts(&table, "gatewayId").iter().any(|id| id.starts_with("igw-")))
    }

    /// A VPC's first range.
    pub(super) fn cidr(&self, region: &str, vpc: &str) -> Result<String, Fault> {
        let answer = self.ask(region, "DescribeVpcs", &[("VpcId.1", vpc)])?;
        Ok(texts(&answer, "cidrBlock").first().copied().unwrap_or_default().to_owned())
    }

    /// Whether a security group is in a VPC. EC2 refuses if it does not exist.
    pub(super) fn is_group_in(&self, region: &str, group: &str, vpc: &str) -> Result<bool, Fault> {
        self.ask(region, "DescribeSecurityGroups", &[("GroupId.1", group)])?;
        let filter = [("GroupId.1", group), ("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc)];
        match self.ask(region, "DescribeSecurityGroups", &filter) {
            Ok(answer) => Ok(answer.contains("<groupName>")),
            Err(fault) if fault.code == "InvalidGroup.NotFound" => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The security group that came with a VPC.
    pub(super) fn default_group(&self, region: &str, vpc: &str) -> Result<Option<String>, Fault> {
        let filters = [
            ("Filter.1.Name", "vpc-id"),
            ("Filter.1.Value.1", vpc),
            ("Filter.2.Name", "group-name"),
            ("Filter.2.Value.1", "default"),
        ];
        let answer = self.ask(region, "DescribeSecurityGroups", &filters)?;
        Ok(texts(&answer, "groupId").first().map(|id| (*id).to_owned()))
    }

    /// Makes a security group whose members may talk to each other, with these tags.
    pub(super) fn make_group(
        &self,
        region: &str,
        vpc: &str,
        name: &str,
        description: &str,
        tags: &[(&str, &str)],
    ) -> Result<String, Fault> {
        let names =
            (1..=tags.len()).flat_map(|n| ["Key", "Value"].map(|of| format!("TagSpecification.1.Tag.{n}.{of}")));
        let names: Vec<String> = names.collect();
        let mut parameters = vec![("VpcId", vpc), ("GroupName", name), ("GroupDescription", description)];
        parameters.push(("TagSpecification.1.ResourceType", "security-group"));
        parameters.extend(names.iter().map(String::as_str).zip(tags.iter().flat_map(|(key, value)| [*key, *value])));
        let answer = self.ask(region, "CreateSecurityGroup", &parameters)?;
        let id = texts(&answer, "groupId").first().copied().unwrap_or_default().to_owned();
        let inside = [
            ("GroupId", id.as_str()),
            ("IpPermissions.1.IpProtocol", "-1"),
            ("IpPermissions.1.Groups.1.GroupId", id.as_str()),
        ];
        self.ask(region, "AuthorizeSecurityGroupIngress", &inside)?;
        Ok(id)
    }

    /// Deletes a security group, unless something still uses it: then it stays, as AWS leaves those that it has made for others.
    pub(super) fn drop_group(&self, region: &str, group: &str) {
        if let Err(fault) = self.ask(region, "DeleteSecurityGroup", &[("GroupId", group)]) {
            tracing::debug!(group, code = fault.code, "the security group stays");
        }
    }

    /// A launch template by its id or its name: id, name, the number of a version that is written as AWS allows, and the image that it names.
    pub(super) fn launch_template(
        &self,
        region: &str,
        (id, name): (Option<&str>, Option<&str>),
        version: &str,
    ) -> Result<LaunchTemplate, Fault> {
        let by = match (id, name) {
            (Some(id), _) => ("LaunchTemplateId", id),
            (None, name) => ("LaunchTemplateName", name.unwrap_or_default()),
        };
        let answer = self.ask(region, "DescribeLaunchTemplateVersions", &[by, ("LaunchTemplateVersion.1", version)])?;
        let first = |element: &str| texts(&answer, element).first().map(|text| (*text).to_owned());
        Ok(LaunchTemplate {
            id: first("launchTemplateId").unwrap_or_default(),
            name: first("launchTemplateName").unwrap_or_default(),
            version: first("versionNumber").unwrap_or_else(|| version.to_owned()),
            image: first("imageId"),
        })
    }
}

/// See [`Network::launch_template`].
pub(super) struct LaunchTemplate {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) image: Option<String>,
}

/// Seconds of Unix time.
pub(super) fn seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Refuses a request that says something that is not emulated: it would be lost.
pub(super) fn only(ask: &Value, operation: &str, known: &[&str]) -> Result<(), Fault> {
    let said = ask.as_object().into_iter().flatten();
    match said.filter(|(_, value)| !value.is_null()).find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(Fault::not_implemented(&format!("{name} of {operation}"))),
        None => Ok(()),
    }
}

/// What stands in elements of a name that hold nothing but text, in order.
fn texts<'x>(xml: &'x str, element: &str) -> Vec<&'x str> {
    let open = format!("<{element}>");
    let starts = xml.match_indices(&open).map(|(at, _)| &xml[at + open.len()..]);
    starts.filter_map(|rest| rest.split_once('<').map(|(text, _)| text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_refused() {
        let ask = serde_json::json!({"Name": "n", "Other": null, "Rare": 1});
        assert!(only(&ask, "x:Y", &["Name", "Rare"]).is_ok());
        let fault = only(&ask, "x:Y", &["Name"]).unwrap_err();
        assert_eq!((fault.status, fault.message.contains("Rare of x:Y")), (501, true));
    }

    #[test]
    fn elements_are_told_in_order_and_by_their_whole_name() {
        let xml = "<a><id>1</id><idx>2</idx></a><a><id>3</id></a>";
        assert_eq!(texts(xml, "id"), ["1", "3"]);
        assert!(texts(xml, "i").is_empty());
    }
}
