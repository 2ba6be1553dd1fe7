//! [`InternetGateway`].

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::ResourceType;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{Ec2, InternetGatewayId, VpcId, arn, holders, once_free, once_known, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// A VPC's way to the internet, and its attachment to the VPC.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:InternetGateway",
    terraform = "aws_internet_gateway",
    cloudformation = "AWS::EC2::InternetGateway",
    identity = IntentTag,
    unique(vpc_id)
)]
pub struct InternetGateway {
    /// The VPC that it is attached to. A VPC has one at most.
    pub vpc_id: Option<Input<VpcId>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of an [`InternetGateway`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct InternetGatewayOutputs {
    /// Its id.
    pub id: InternetGatewayId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
}

impl Manage for InternetGateway {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let query = by("internet-gateway-id", targets.iter().map(|t| t.id));
        let gateways = describe::internet_gateways(&ec2, query).await?;
        Ok(align(
            targets,
            gateways,
            |gateway| gateway.internet_gateway_id(),
            |_, gateway| {
                let Some(outputs) = outputs(&region, gateway) else { return Found::Gone };
                let vpc_id = attached(gateway).next().map(VpcId::new);
                Found::present(InternetGatewayResolved { vpc_id, tags: tagging::read(gateway.tags()) }, outputs)
            },
        ))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &InternetGatewayResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let tags = tagging::specification(ResourceType::InternetGateway, &want.tags, intent);
        let request = ec2.create_internet_gateway().tag_specifications(tags);
        let answer = ec2.write("CreateInternetGateway", || request.clone().send()).await?;
        let region = aws.region(&cx.provider).await?;
        let outputs = answer
            .internet_gateway
            .and_then(|gateway| outputs(&region, &gateway))
            .ok_or_else(|| ec2.unexpected("CreateInternetGateway", "the answer names no gateway"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: want.vpc_id.is_none() })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &InternetGatewayResolved,
    ) -> Result<Option<InternetGatewayOutputs>, CloudError> {
        if let Some(vpc) = &want.vpc_id {
            attach(&aws.ec2(cx).await?, cx, id, vpc).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &InternetGatewayResolved,
        change: &InternetGatewayChange,
    ) -> Result<Option<InternetGatewayOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        if let Some(vpc) = &change.vpc_id {
            let wanted = vpc.after.as_ref();
            if let Some(gateway) = one(&ec2, id).await? {
                for old in attached(&gateway).filter(|old| Some(*old) != wanted.map(VpcId::as_str)) {
                    detach(&ec2, cx, id, old).await?;
                }
            }
            if let Some(vpc) = wanted {
                attach(&ec2, cx, id, vpc).await?;
            }
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&InternetGatewayResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // Detached from where it is, which need not be where it was attached to.
        let Some(gateway) = one(&ec2, id).await? else { return Ok(()) };
        for vpc in attached(&gateway) {
            detach(&ec2, cx, id, vpc).await?;
        }
        let request = ec2.delete_internet_gateway().internet_gateway_id(id);
        once_free(cx, || ec2.write_idempotent("DeleteInternetGateway", || request.clone().send())).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &InternetGatewayResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let gateways = describe::internet_gateways(&ec2, by_intent(intent)).await?;
        let Some(gateway) = gateways.iter().find(|g| tagging::has_intent(g.tags(), intent)) else { return Ok(None) };
        let outputs = outputs(&aws.region(&cx.provider).await?, gateway);
        let complete = want.vpc_id.is_none();
        Ok(outputs.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete }))
    }
}

fn outputs(region: &str, gateway: &sdk::InternetGateway) -> Option<InternetGatewayOutputs> {
    let id = gateway.internet_gateway_id()?;
    Some(InternetGatewayOutputs {
        id: InternetGatewayId::new(id),
        arn: arn(region, gateway.owner_id(), "internet-gateway", id),
        owner_id: gateway.owner_id.clone(),
    })
}

/// The VPCs that it is attached to: one, or none.
fn attached(gateway: &sdk::InternetGateway) -> impl Iterator<Item = &str> {
    let gone = |state: &str| matches!(state, "detached" | "detaching");
    let attachments = gateway.attachments().iter();
    attachments.filter(move |a| !a.state().is_some_and(|s| gone(s.as_str()))).filter_map(|a| a.vpc_id())
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::InternetGateway>, CloudError> {
    let gateways = describe::internet_gateways(ec2, by("internet-gateway-id", [id])).await?;
    Ok(gateways.into_iter().find(|g| g.internet_gateway_id() == Some(id)))
}

/// Attached already is attached, if it is attached there.
async fn attach(ec2: &Ec2, cx: &Cx, id: &str, vpc: &VpcId) -> Result<(), CloudError> {
    let request = ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc.as_str());
    let done = once_known(cx, || ec2.write_idempotent("AttachInternetGateway", || request.clone().send())).await;
    match done {
        Err(error) if error.code.as_deref() == Some("Resource.AlreadyAssociated") => {
            let gateway = one(ec2, id).await?;
            if gateway.is_some_and(|gateway| attached(&gateway).any(|a| a == vpc.as_str())) {
                return Ok(());
            }
            let hint = format!(
                "{vpc} has another internet gateway, or {id} is attached to another VPC: detach it first, or import it"
            );
            Err(error.hint(hint))
        }
        done => done.map(drop),
    }
}

async fn detach(ec2: &Ec2, cx: &Cx, id: &str, vpc: &str) -> Result<(), CloudError> {
    let request = ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
    let detached = once_free(cx, || ec2.write_idempotent("DetachInternetGateway", || request.clone().send())).await;
    match detached {
        Err(error) if error.code.as_deref() == Some("Gateway.NotAttached") => Ok(()),
        // Public addresses in the VPC hold it.
        Err(error) if error.kind == ErrorKind::InUse => {
            holders::explain(Err(error), holders::of_attachment(ec2, vpc)).await
        }
        done => done,
    }
}
