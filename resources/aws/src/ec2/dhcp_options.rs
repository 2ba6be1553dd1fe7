//! [`DhcpOptions`].
//!
//! moto drops the tags that a set is created with, so lives are tested on ministack. No emulator keeps a lease time; that part follows
//! the service model alone.

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{NewDhcpConfiguration, ResourceType};
use phx_model::driver::Cx;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{DhcpOptionsId, Ec2, arn, holders, once_free, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// What instances of a VPC are told about names and time.
///
/// A set cannot be changed: every change makes a new one. A VPC uses one by a
/// [`VpcDhcpOptionsAssociation`](super::VpcDhcpOptionsAssociation), a type of its own: so one set serves many VPCs, and a new set takes
/// the place of an old one without a moment in which a VPC has none.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateDhcpOptions.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:DhcpOptions",
    terraform = "aws_vpc_dhcp_options",
    cloudformation = "AWS::EC2::DHCPOptions",
    identity = IntentTag
)]
pub struct DhcpOptions {
    /// The domain that unqualified names are looked up in. Several, separated by spaces, only some systems understand.
    #[field(replace)]
    pub domain_name: Option<Input<String>>,
    /// Up to four DNS servers in order of preference, or `AmazonProvidedDNS`.
    #[field(replace)]
    pub domain_name_servers: Option<Input<Vec<String>>>,
    /// Up to four time servers, in order of preference.
    #[field(replace)]
    pub ntp_servers: Option<Input<Vec<String>>>,
    /// Up to four NetBIOS name servers, in order of preference.
    #[field(replace)]
    pub netbios_name_servers: Option<Input<Vec<String>>>,
    /// How NetBIOS names are resolved: 1, 2, 4 or 8. AWS recommends 2.
    #[field(replace)]
    pub netbios_node_type: Option<Input<i32>>,
    /// After how many seconds a running instance renews its IPv6 lease: 140 to 2147483647.
    #[field(replace)]
    pub ipv6_address_preferred_lease_time: Option<Input<i32>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`DhcpOptions`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DhcpOptionsOutputs {
    /// Its id.
    pub id: DhcpOptionsId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
}

impl Manage for DhcpOptions {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let sets = describe::dhcp_options(&ec2, by("dhcp-options-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(
            targets,
            sets,
            |set| set.dhcp_options_id(),
            |_, set| match outputs(&region, set) {
                Some(outputs) => Found::present(fields(set), outputs),
                None => Found::Gone,
            },
        ))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DhcpOptionsResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .create_dhcp_options()
            .set_dhcp_configurations(Some(configurations(want)))
            .tag_specifications(tagging::specification(ResourceType::DhcpOptions, &want.tags, intent));
        let answer = ec2.write("CreateDhcpOptions", || request.clone().send()).await?;
        let region = aws.region(&cx.provider).await?;
        let made = answer.dhcp_options.and_then(|set| made(&region, &set));
        made.ok_or_else(|| ec2.unexpected("CreateDhcpOptions", "the answer names no set of options"))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &DhcpOptionsResolved,
        change: &DhcpOptionsChange,
    ) -> Result<Option<DhcpOptionsOutputs>, CloudError> {
        // Everything else makes a new set.
        tagging::update(&aws.ec2(cx).await?, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&DhcpOptionsResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_dhcp_options().dhcp_options_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteDhcpOptions", || request.clone().send())).await;
        holders::explain(deleted, users(&ec2, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &DhcpOptionsResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let sets = describe::dhcp_options(&ec2, by_intent(intent)).await?;
        let region = aws.region(&cx.provider).await?;
        Ok(sets.iter().find(|set| tagging::has_intent(set.tags(), intent)).and_then(|set| made(&region, set)))
    }
}

const DOMAIN_NAME: &str = "domain-name";
const DOMAIN_NAME_SERVERS: &str = "domain-name-servers";
const NTP_SERVERS: &str = "ntp-servers";
const NETBIOS_NAME_SERVERS: &str = "netbios-name-servers";
const NETBIOS_NODE_TYPE: &str = "netbios-node-type";
const LEASE_TIME: &str = "ipv6-address-preferred-lease-time";

fn configurations(want: &DhcpOptionsResolved) -> Vec<NewDhcpConfiguration> {
    let one = |value: Option<String>| value.map(|value| vec![value]);
    let number = |value: Option<i32>| one(value.map(|n| n.to_string()));
    [
        (DOMAIN_NAME, one(want.domain_name.clone())),
        (DOMAIN_NAME_SERVERS, want.domain_name_servers.clone()),
        (NTP_SERVERS, want.ntp_servers.clone()),
        (NETBIOS_NAME_SERVERS, want.netbios_name_servers.clone()),
        (NETBIOS_NODE_TYPE, number(want.netbios_node_type)),
        (LEASE_TIME, number(want.ipv6_address_preferred_lease_time)),
    ]
    .into_iter()
    .filter_map(|(key, values)| {
        let values = values.filter(|values| !values.is_empty())?;
        Some(NewDhcpConfiguration::builder().key(key).set_values(Some(values)).build())
    })
    .collect()
}

fn fields(set: &sdk::DhcpOptions) -> DhcpOptionsResolved {
    let values = |key: &str| -> Option<Vec<String>> {
        let configuration = set.dhcp_configurations().iter().find(|c| c.key() == Some(key))?;
        let values: Vec<String> = configuration.values().iter().filter_map(|v| v.value.clone()).collect();
        (!values.is_empty()).then_some(values)
    };
    let number = |key: &str| values(key).and_then(|values| values.first()?.parse().ok());
    DhcpOptionsResolved {
        domain_name: values(DOMAIN_NAME).map(|values| values.join(" ")),
        domain_name_servers: values(DOMAIN_NAME_SERVERS),
        ntp_servers: values(NTP_SERVERS),
        netbios_name_servers: values(NETBIOS_NAME_SERVERS),
        netbios_node_type: number(NETBIOS_NODE_TYPE),
        ipv6_address_preferred_lease_time: number(LEASE_TIME),
        tags: tagging::read(set.tags()),
    }
}

fn outputs(region: &str, set: &sdk::DhcpOptions) -> Option<DhcpOptionsOutputs> {
    let id = set.dhcp_options_id()?;
    Some(DhcpOptionsOutputs {
        id: DhcpOptionsId::new(id),
        arn: arn(region, set.owner_id(), "dhcp-options", id),
        owner_id: set.owner_id.clone(),
    })
}

fn made(region: &str, set: &sdk::DhcpOptions) -> Option<Created<DhcpOptions>> {
    outputs(region, set).map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: true })
}

/// The VPCs that use it.
async fn users(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let vpcs = describe::vpcs(ec2, by("dhcp-options-id", [id])).await?;
    Ok(vpcs.iter().filter(|v| v.dhcp_options_id() == Some(id)).filter_map(|v| v.vpc_id.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_not_sent_and_the_rest_is_read_back() {
        let want = DhcpOptionsResolved {
            domain_name: Some("example.org".into()),
            domain_name_servers: Some(vec!["10.0.0.2".into(), "10.0.0.3".into()]),
            ntp_servers: None,
            netbios_name_servers: Some(Vec::new()),
            netbios_node_type: Some(2),
            ipv6_address_preferred_lease_time: None,
            tags: std::collections::BTreeMap::new(),
        };
        let sent = configurations(&want);
        assert_eq!(
            sent.iter().filter_map(|c| c.key()).collect::<Vec<_>>(),
            [DOMAIN_NAME, DOMAIN_NAME_SERVERS, NETBIOS_NODE_TYPE]
        );
        let told = sent.iter().map(|c| {
            let values = c.values().iter().map(|v| sdk::AttributeValue::builder().value(v).build()).collect();
            sdk::DhcpConfiguration::builder().set_key(c.key.clone()).set_values(Some(values)).build()
        });
        let set = sdk::DhcpOptions::builder().set_dhcp_configurations(Some(told.collect())).build();
        assert_eq!(fields(&set), DhcpOptionsResolved { netbios_name_servers: None, ..want });
    }
}
