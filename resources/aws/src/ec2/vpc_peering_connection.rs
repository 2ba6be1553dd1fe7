//! [`VpcPeeringConnection`].
//!
//! No emulator refuses a peering by its ranges, or lets one expire; those parts follow the service model alone.

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{PeeringConnectionOptionsRequest, ResourceType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{Block, CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::place::Place;
use super::{Ec2, VpcId, VpcPeeringConnectionId, once_known, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::owner;
use crate::wait::{Stage, until};

/// A way between two VPCs.
///
/// The VPC that it leads to may be of another region, and of another account. Within one account phx accepts the peering too, unless
/// `auto_accept` is false; the owner of another account has to accept it there.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcPeeringConnection.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:VpcPeeringConnection",
    terraform = "aws_vpc_peering_connection",
    cloudformation = "AWS::EC2::VPCPeeringConnection",
    identity = IntentTag,
    unique(vpc_id, peer_vpc_id)
)]
pub struct VpcPeeringConnection {
    /// The VPC that asks for the peering.
    #[field(replace)]
    pub vpc_id: Input<VpcId>,
    /// The VPC that it leads to.
    #[field(replace)]
    pub peer_vpc_id: Input<VpcId>,
    /// The account of `peer_vpc_id`. AWS's default: the same.
    #[field(replace, cloud_default)]
    pub peer_owner_id: Option<Input<String>>,
    /// The region of `peer_vpc_id`. AWS's default: the same.
    #[field(replace, cloud_default)]
    pub peer_region: Option<Input<String>>,
    /// Whether phx accepts it. Unset, it does if both VPCs are of one account. What was accepted stays so.
    #[field(cloud_default)]
    pub auto_accept: Option<Input<bool>>,
    /// What the VPC that asks allows. It can be set once the peering is accepted.
    #[field(cloud_default)]
    pub requester_peering_connection_options: Option<Input<PeeringConnectionOptions>>,
    /// What the VPC that it leads to allows. It can be set once the peering is accepted, and only within one account.
    #[field(cloud_default)]
    pub accepter_peering_connection_options: Option<Input<PeeringConnectionOptions>>,
    /// Its tags.
    pub tags: Tags,
}

/// What one side of a peering allows.
#[derive(Clone, Debug, Block)]
pub struct PeeringConnectionOptions {
    /// Whether public DNS names of this VPC's instances lead to their private addresses when the other VPC asks. AWS's default: no.
    #[field(cloud_default)]
    pub allow_dns_resolution_from_remote_vpc: Option<Input<bool>>,
}

/// What AWS decides of a [`VpcPeeringConnection`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VpcPeeringConnectionOutputs {
    /// Its id.
    pub id: VpcPeeringConnectionId,
    /// Its ARN.
    pub arn: Arn,
    /// How far it is: `active`, or `pending-acceptance` while another account has not accepted it.
    #[output(volatile)]
    pub status: Option<String>,
}

impl Manage for VpcPeeringConnection {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let query = by("vpc-peering-connection-id", targets.iter().map(|t| t.id));
        let peerings = describe::vpc_peering_connections(&ec2, query).await?;
        Ok(align(
            targets,
            peerings,
            |peering| peering.vpc_peering_connection_id(),
            |_, peering| present(&ec2, &place, peering),
        ))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &VpcPeeringConnectionResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let request = ec2
            .create_vpc_peering_connection()
            .vpc_id(want.vpc_id.as_str())
            .peer_vpc_id(want.peer_vpc_id.as_str())
            .set_peer_owner_id(want.peer_owner_id.clone())
            .set_peer_region(want.peer_region.clone())
            .tag_specifications(tagging::specification(ResourceType::VpcPeeringConnection, &want.tags, intent));
        let answer = once_known(cx, || ec2.write("CreateVpcPeeringConnection", || request.clone().send())).await?;
        let unexpected = || ec2.unexpected("CreateVpcPeeringConnection", "the answer names no peering");
        let peering = answer.vpc_peering_connection.ok_or_else(unexpected)?;
        let made = made(&place, &peering).ok_or_else(unexpected)?;
        if !tagging::has_intent(peering.tags(), intent) {
            // AWS answers with the peering that these VPCs have already. Whose that is, its tags say.
            let there = one(&ec2, &made.id).await?.unwrap_or(peering);
            let what = format!("the peering {} of {} with {}", made.id, want.vpc_id, want.peer_vpc_id);
            owner::check(&what, &tagging::read(there.tags()), intent)?;
        }
        Ok(made)
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VpcPeeringConnectionResolved,
    ) -> Result<Option<VpcPeeringConnectionOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let peering = settle(aws, cx, &ec2, &place, id, want).await?;
        let requester = want.requester_peering_connection_options.as_ref().filter(|o| allows(o));
        let accepter = want.accepter_peering_connection_options.as_ref().filter(|o| allows(o));
        set_options(aws, cx, &ec2, &peering, requester, accepter).await?;
        Ok(outputs(&place, &peering))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VpcPeeringConnectionResolved,
        change: &VpcPeeringConnectionChange,
    ) -> Result<Option<VpcPeeringConnectionOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        if change.auto_accept.as_ref().is_some_and(|c| c.after == Some(false)) {
            let message = format!("{id} is accepted, and an acceptance cannot be taken back");
            return Err(CloudError::local(ErrorKind::Invalid, message)
                .hint("take `auto_accept` out of the program, or delete the peering"));
        }
        let requester = change.requester_peering_connection_options.as_ref().and_then(|c| c.after.as_ref());
        let accepter = change.accepter_peering_connection_options.as_ref().and_then(|c| c.after.as_ref());
        let mut outputs_now = None;
        if change.auto_accept.is_some() || requester.is_some() || accepter.is_some() {
            let peering = settle(aws, cx, &ec2, &place, id, want).await?;
            set_options(aws, cx, &ec2, &peering, requester, accepter).await?;
            outputs_now = outputs(&place, &peering);
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(outputs_now)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&VpcPeeringConnectionResolved>) -> Result<(), CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        if one(ec2, id).await?.as_ref().is_none_or(|peering| is_over(status(peering))) {
            return Ok(());
        }
        let request = ec2.delete_vpc_peering_connection().vpc_peering_connection_id(id);
        match ec2.write_idempotent("DeleteVpcPeeringConnection", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            done => done?,
        };
        until(cx, &format!("peering {id}"), || async move {
            let peering = one(ec2, id).await?;
            Ok(match peering.as_ref().map(status) {
                Some("deleting") => Stage::Waiting("deleting".to_owned()),
                Some(status) if !is_over(status) => Stage::Waiting(status.to_owned()),
                _ => Stage::Ready(()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &VpcPeeringConnectionResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let peerings = describe::vpc_peering_connections(&ec2, by_intent(intent)).await?;
        let mine = peerings.iter().find(|p| tagging::has_intent(p.tags(), intent) && !is_over(status(p)));
        let place = Place::of(aws, cx).await?;
        Ok(mine.and_then(|peering| made(&place, peering)))
    }
}

fn status(peering: &sdk::VpcPeeringConnection) -> &str {
    let code = peering.status().and_then(|s| s.code());
    code.map_or("in no state", sdk::VpcPeeringConnectionStateReasonCode::as_str)
}

/// Whether it is gone as far as a program is concerned. AWS shows such ones for hours or days.
fn is_over(status: &str) -> bool {
    matches!(status, "deleted" | "deleting" | "failed" | "rejected" | "expired")
}

fn is_accepted(peering: &sdk::VpcPeeringConnection) -> bool {
    matches!(status(peering), "active" | "provisioning")
}

fn outputs(place: &Place, peering: &sdk::VpcPeeringConnection) -> Option<VpcPeeringConnectionOutputs> {
    let id = peering.vpc_peering_connection_id()?;
    Some(VpcPeeringConnectionOutputs {
        id: VpcPeeringConnectionId::new(id),
        arn: place.arn("vpc-peering-connection", id),
        status: Some(status(peering).to_owned()),
    })
}

fn made(place: &Place, peering: &sdk::VpcPeeringConnection) -> Option<Created<VpcPeeringConnection>> {
    outputs(place, peering).map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false })
}

fn present(ec2: &Ec2, place: &Place, peering: &sdk::VpcPeeringConnection) -> Found<VpcPeeringConnection> {
    if is_over(status(peering)) {
        return Found::Gone;
    }
    let Some(outputs) = outputs(place, peering) else { return Found::Gone };
    let (requester, accepter) = (peering.requester_vpc_info(), peering.accepter_vpc_info());
    let vpc = |side: Option<&sdk::VpcPeeringConnectionVpcInfo>| side.and_then(|s| s.vpc_id()).map(VpcId::new);
    let (Some(vpc_id), Some(peer_vpc_id)) = (vpc(requester), vpc(accepter)) else {
        let message = format!("the answer does not say which VPCs {} lies between", outputs.id);
        return Found::Failed(ec2.unexpected("DescribeVpcPeeringConnections", message));
    };
    let options = |side: Option<&sdk::VpcPeeringConnectionVpcInfo>| {
        let options = side?.peering_options()?;
        Some(PeeringConnectionOptionsResolved {
            allow_dns_resolution_from_remote_vpc: options.allow_dns_resolution_from_remote_vpc(),
        })
    };
    let fields = VpcPeeringConnectionResolved {
        vpc_id,
        peer_vpc_id,
        peer_owner_id: accepter.and_then(|a| a.owner_id.clone()),
        peer_region: accepter.and_then(|a| a.region.clone()),
        auto_accept: Some(is_accepted(peering)),
        requester_peering_connection_options: options(requester),
        accepter_peering_connection_options: options(accepter),
        tags: tagging::read(peering.tags()),
    };
    Found::present(fields, outputs)
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::VpcPeeringConnection>, CloudError> {
    let peerings = describe::vpc_peering_connections(ec2, by("vpc-peering-connection-id", [id])).await?;
    Ok(peerings.into_iter().find(|p| p.vpc_peering_connection_id() == Some(id)))
}

/// EC2 in the region that the peering leads to: only there can it be accepted.
async fn far_end(aws: &Aws, cx: &Cx, peering: &sdk::VpcPeeringConnection) -> Result<Ec2, CloudError> {
    match peering.accepter_vpc_info().and_then(|a| a.region()) {
        Some(region) => aws.ec2(&Cx { provider: cx.provider.in_region(region), ..cx.clone() }).await,
        None => aws.ec2(cx).await,
    }
}

/// Accepts the peering if phx is to, and waits until it is active; or, if another account has to accept it, until it can.
async fn settle(
    aws: &Aws,
    cx: &Cx,
    ec2: &Ec2,
    place: &Place,
    id: &str,
    want: &VpcPeeringConnectionResolved,
) -> Result<sdk::VpcPeeringConnection, CloudError> {
    let ours = want.peer_owner_id.as_ref().is_none_or(|owner| *owner == place.account);
    let accept = want.auto_accept.unwrap_or(ours);
    if accept && !ours {
        let owner = want.peer_owner_id.as_deref().unwrap_or("another account");
        let message = format!("{id} leads to a VPC of {owner}: only {owner} can accept it");
        return Err(CloudError::local(ErrorKind::Invalid, message).hint("take `auto_accept` out of the program"));
    }
    let asked = until(cx, &format!("peering {id}"), || async move {
        let Some(peering) = one(ec2, id).await? else { return Ok(Stage::Waiting("not listed yet".to_owned())) };
        match status(&peering) {
            "pending-acceptance" | "active" | "provisioning" => Ok(Stage::Ready(peering)),
            status if is_over(status) => Err(failed(&peering)),
            status => Ok(Stage::Waiting(status.to_owned())),
        }
    })
    .await?;
    if status(&asked) == "pending-acceptance" {
        if !accept {
            return Ok(asked);
        }
        let far = far_end(aws, cx, &asked).await?;
        let request = far.accept_vpc_peering_connection().vpc_peering_connection_id(id);
        // The far region learns of it a little later. Accepted twice, AWS calls the state wrong; which one it is is seen below.
        let accepted = once_known(cx, || far.write_idempotent("AcceptVpcPeeringConnection", || request.clone().send()));
        match accepted.await {
            Err(error) if error.code.as_deref() == Some("InvalidStateTransition") => {
                tracing::debug!(%error, "the peering is accepted already");
            }
            done => drop(done?),
        }
    }
    until(cx, &format!("peering {id}"), || async move {
        let Some(peering) = one(ec2, id).await? else { return Ok(Stage::Waiting("not listed yet".to_owned())) };
        match status(&peering) {
            "active" => Ok(Stage::Ready(peering)),
            status if is_over(status) => Err(failed(&peering)),
            status => Ok(Stage::Waiting(status.to_owned())),
        }
    })
    .await
}

fn failed(peering: &sdk::VpcPeeringConnection) -> CloudError {
    let id = peering.vpc_peering_connection_id().unwrap_or("the peering");
    let why = peering.status().and_then(|s| s.message()).unwrap_or("AWS gives no reason");
    let error = CloudError::local(ErrorKind::Other, format!("peering {id} is {}: {why}", status(peering)));
    error.hint("VPCs whose ranges overlap cannot be peered; otherwise see that VPC, account and region of the other side are right")
}

fn allows(options: &PeeringConnectionOptionsResolved) -> bool {
    options.allow_dns_resolution_from_remote_vpc == Some(true)
}

/// Sets what either side allows. Each side's options are set in its own region; where that is one, one call sets both.
async fn set_options(
    aws: &Aws,
    cx: &Cx,
    ec2: &Ec2,
    peering: &sdk::VpcPeeringConnection,
    requester: Option<&PeeringConnectionOptionsResolved>,
    accepter: Option<&PeeringConnectionOptionsResolved>,
) -> Result<(), CloudError> {
    if requester.is_none() && accepter.is_none() {
        return Ok(());
    }
    let Some(id) = peering.vpc_peering_connection_id() else { return Ok(()) };
    if status(peering) != "active" {
        let message = format!("{id} is {}: its options can be set once it is active", status(peering));
        return Err(CloudError::local(ErrorKind::Invalid, message)
            .hint("have it accepted, and run `up` again; or leave the options out until then"));
    }
    let sdk = |options: &PeeringConnectionOptionsResolved| {
        PeeringConnectionOptionsRequest::builder()
            .set_allow_dns_resolution_from_remote_vpc(options.allow_dns_resolution_from_remote_vpc)
            .build()
    };
    let region = |side: Option<&sdk::VpcPeeringConnectionVpcInfo>| side.and_then(|s| s.region.clone());
    let one_region = region(peering.requester_vpc_info()) == region(peering.accepter_vpc_info());
    let near = ec2
        .modify_vpc_peering_connection_options()
        .vpc_peering_connection_id(id)
        .set_requester_peering_connection_options(requester.map(sdk));
    if one_region {
        let both = near.set_accepter_peering_connection_options(accepter.map(sdk));
        ec2.write_idempotent("ModifyVpcPeeringConnectionOptions", || both.clone().send()).await?;
        return Ok(());
    }
    if requester.is_some() {
        ec2.write_idempotent("ModifyVpcPeeringConnectionOptions", || near.clone().send()).await?;
    }
    if accepter.is_some() {
        let far_ec2 = far_end(aws, cx, peering).await?;
        let far = far_ec2
            .modify_vpc_peering_connection_options()
            .vpc_peering_connection_id(id)
            .set_accepter_peering_connection_options(accepter.map(sdk));
        far_ec2.write_idempotent("ModifyVpcPeeringConnectionOptions", || far.clone().send()).await?;
    }
    Ok(())
}
