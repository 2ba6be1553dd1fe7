//! [`EgressOnlyInternetGateway`].
//!
//! No emulator keeps one attaching, or answers in pages; those parts follow the service model alone.

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{AttachmentStatus, ResourceType};
use phx_model::driver::Cx;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, all, by_intent};
use super::{EgressOnlyInternetGatewayId, VpcId, once_free, once_known, tagging};
use crate::batch::align;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// The way out of a VPC over IPv6: connections go out through it, and none come in.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateEgressOnlyInternetGateway.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:EgressOnlyInternetGateway",
    terraform = "aws_egress_only_internet_gateway",
    cloudformation = "AWS::EC2::EgressOnlyInternetGateway",
    identity = IntentTag,
    unique(vpc_id)
)]
pub struct EgressOnlyInternetGateway {
    /// The VPC that it is attached to, for as long as it lives. A VPC has one at most.
    #[field(replace)]
    pub vpc_id: Input<VpcId>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of an [`EgressOnlyInternetGateway`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct EgressOnlyInternetGatewayOutputs {
    /// Its id.
    pub id: EgressOnlyInternetGatewayId,
}

impl Manage for EgressOnlyInternetGateway {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // All there are: asking by ids fails as a whole when one of them is gone, there is no filter by id, and a region has few.
        let gateways = describe::egress_only_internet_gateways(&ec2, all()).await?;
        Ok(align(targets, gateways, |gateway| gateway.egress_only_internet_gateway_id(), |_, gateway| present(gateway)))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &EgressOnlyInternetGatewayResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        const OPERATION: &str = "CreateEgressOnlyInternetGateway";
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .create_egress_only_internet_gateway()
            .client_token(client_token(intent))
            .vpc_id(want.vpc_id.as_str())
            .tag_specifications(tagging::specification(ResourceType::EgressOnlyInternetGateway, &want.tags, intent));
        let answer = once_known(cx, || ec2.write(OPERATION, || request.clone().send())).await?;
        let made = answer.egress_only_internet_gateway.as_ref().and_then(created);
        made.ok_or_else(|| ec2.unexpected(OPERATION, "the answer names no gateway"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &EgressOnlyInternetGatewayResolved,
    ) -> Result<Option<EgressOnlyInternetGatewayOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        until(cx, &format!("egress-only internet gateway {id}"), || async {
            let gateways = describe::egress_only_internet_gateways(&ec2, all()).await?;
            let gateway = gateways.iter().find(|g| g.egress_only_internet_gateway_id() == Some(id));
            Ok(match gateway {
                // A new one may not be listed yet.
                None => Stage::Waiting("not listed yet".to_owned()),
                Some(gateway) if is_attached(gateway) => Stage::Ready(None),
                Some(gateway) => Stage::Waiting(state(gateway).to_owned()),
            })
        })
        .await
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &EgressOnlyInternetGatewayResolved,
        change: &EgressOnlyInternetGatewayChange,
    ) -> Result<Option<EgressOnlyInternetGatewayOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: Option<&EgressOnlyInternetGatewayResolved>,
    ) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(id);
        once_free(cx, || ec2.write_idempotent("DeleteEgressOnlyInternetGateway", || request.clone().send())).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &EgressOnlyInternetGatewayResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let gateways = describe::egress_only_internet_gateways(&ec2, by_intent(intent)).await?;
        Ok(gateways.iter().find(|g| tagging::has_intent(g.tags(), intent)).and_then(created))
    }
}

fn state(gateway: &sdk::EgressOnlyInternetGateway) -> &str {
    gateway.attachments().first().and_then(|a| a.state()).map_or("in no state", AttachmentStatus::as_str)
}

fn is_attached(gateway: &sdk::EgressOnlyInternetGateway) -> bool {
    // Answers about gateways of the other kind call an attached one `available`.
    matches!(state(gateway), "attached" | "available")
}

fn created(gateway: &sdk::EgressOnlyInternetGateway) -> Option<Created<EgressOnlyInternetGateway>> {
    let id = gateway.egress_only_internet_gateway_id()?;
    let outputs = EgressOnlyInternetGatewayOutputs { id: EgressOnlyInternetGatewayId::new(id) };
    Some(Created { id: id.to_owned(), outputs, complete: is_attached(gateway) })
}

/// One without a VPC is on its way out: it cannot be detached otherwise.
fn present(gateway: &sdk::EgressOnlyInternetGateway) -> Found<EgressOnlyInternetGateway> {
    let attached = gateway.attachments().iter().find(|_| !state(gateway).starts_with("detach"));
    let vpc = attached.and_then(|a| a.vpc_id());
    let (Some(id), Some(vpc)) = (gateway.egress_only_internet_gateway_id(), vpc) else { return Found::Gone };
    let fields = EgressOnlyInternetGatewayResolved { vpc_id: VpcId::new(vpc), tags: tagging::read(gateway.tags()) };
    Found::present(fields, EgressOnlyInternetGatewayOutputs { id: EgressOnlyInternetGatewayId::new(id) })
}
