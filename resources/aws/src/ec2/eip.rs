//! [`Eip`].

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{DomainType, ResourceType};
use phx_model::driver::Cx;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{AllocationId, Ec2, IpamPoolId, holders, once_free, tagging};
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// A public IPv4 address that stays one's own: an Elastic IP address.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html>
#[derive(Clone, Debug, Resource)]
#[resource(type = "aws:ec2:Eip", terraform = "aws_eip", cloudformation = "AWS::EC2::EIP", identity = IntentTag)]
pub struct Eip {
    /// `vpc`, the only value left.
    #[field(replace, cloud_default)]
    pub domain: Option<Input<String>>,
    /// A certain address: one of one's own pool, or one that was released lately.
    #[field(replace, cloud_default)]
    pub address: Option<Input<String>>,
    /// The pool of one's own addresses to take it from. AWS's default: Amazon's.
    #[field(replace, cloud_default)]
    pub public_ipv4_pool: Option<Input<String>>,
    /// The location from which it is advertised.
    #[field(replace, cloud_default)]
    pub network_border_group: Option<Input<String>>,
    /// The pool of one's own addresses on an Outpost to take it from.
    #[field(replace)]
    pub customer_owned_ipv4_pool: Option<Input<String>>,
    /// The IPAM pool to take it from. Only the creation uses it: leaving it out later changes nothing.
    #[field(replace, write_only, cloud_default)]
    pub ipam_pool_id: Option<Input<IpamPoolId>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of an [`Eip`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct EipOutputs {
    /// Its id: of the address's allocation to the account.
    pub id: AllocationId,
    /// The same, under the name that other types have for it.
    pub allocation_id: AllocationId,
    /// The address.
    pub public_ip: String,
}

impl Manage for Eip {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let addresses = describe::addresses(&ec2, by("allocation-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(
            targets,
            addresses,
            |address| address.allocation_id(),
            |_, address| {
                let Some(outputs) = outputs(address) else { return Found::Gone };
                let fields = EipResolved {
                    domain: address.domain().map(|d| d.as_str().to_owned()),
                    address: address.public_ip.clone(),
                    public_ipv4_pool: address.public_ipv4_pool.clone(),
                    network_border_group: address.network_border_group.clone(),
                    customer_owned_ipv4_pool: address.customer_owned_ipv4_pool.clone(),
                    ipam_pool_id: None,
                    tags: tagging::read(address.tags()),
                };
                Found::present(fields, outputs)
            },
        ))
    }

    async fn create(aws: &Aws, cx: &Cx, want: &EipResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .allocate_address()
            .domain(want.domain.as_deref().map_or(DomainType::Vpc, DomainType::from))
            .set_address(want.address.clone())
            .set_public_ipv4_pool(want.public_ipv4_pool.clone())
            .set_network_border_group(want.network_border_group.clone())
            .set_customer_owned_ipv4_pool(want.customer_owned_ipv4_pool.clone())
            .set_ipam_pool_id(want.ipam_pool_id.as_ref().map(ToString::to_string))
            .tag_specifications(tagging::specification(ResourceType::ElasticIp, &want.tags, intent));
        let answer = ec2.write("AllocateAddress", || request.clone().send()).await?;
        let (Some(id), Some(public_ip)) = (answer.allocation_id, answer.public_ip.or(answer.customer_owned_ip)) else {
            return Err(ec2.unexpected("AllocateAddress", "the answer names no address"));
        };
        let outputs = EipOutputs { id: AllocationId::new(&id), allocation_id: AllocationId::new(&id), public_ip };
        Ok(Created { id, outputs, complete: true })
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &EipResolved,
        change: &EipChange,
    ) -> Result<Option<EipOutputs>, CloudError> {
        // Everything else makes a new address.
        tagging::update(&aws.ec2(cx).await?, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&EipResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let border_group = was.and_then(|was| was.network_border_group.clone());
        let request = ec2.release_address().allocation_id(id).set_network_border_group(border_group);
        let released = once_free(cx, || ec2.write_idempotent("ReleaseAddress", || request.clone().send())).await;
        holders::explain(released, holder(&ec2, id)).await
    }

    async fn find(aws: &Aws, cx: &Cx, _: &EipResolved, intent: &IntentId) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let addresses = describe::addresses(&ec2, by_intent(intent)).await?;
        let found = addresses.iter().find(|a| tagging::has_intent(a.tags(), intent)).and_then(outputs);
        Ok(found.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: true }))
    }
}

fn outputs(address: &sdk::Address) -> Option<EipOutputs> {
    let id = AllocationId::new(address.allocation_id()?);
    let public_ip = address.public_ip().or(address.customer_owned_ip())?.to_owned();
    Some(EipOutputs { id: id.clone(), allocation_id: id, public_ip })
}

async fn holder(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let addresses = describe::addresses(ec2, by("allocation-id", [id])).await?;
    let mine = addresses.iter().filter(|a| a.allocation_id() == Some(id));
    Ok(mine
        .filter_map(|a| a.instance_id().filter(|i| !i.is_empty()).or(a.network_interface_id()))
        .map(str::to_owned)
        .collect())
}
