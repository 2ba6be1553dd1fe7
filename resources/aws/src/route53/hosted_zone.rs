//! [`HostedZone`].
//!
//! No emulator serves accelerated recovery; that part follows the service model alone.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_route53::operation::get_hosted_zone::GetHostedZoneOutput;
use aws_sdk_route53::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::{HostedZoneId, Route53, bare, plain_name};
use crate::arn::{Arn, partition};
use crate::batch;
use crate::call::client_token;
use crate::client::Aws;
use crate::forms::{in_order_of, off_is_unset};
use crate::ids::VpcId;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::TagDelta;
use crate::wait::{Stage, until};

/// ListTagsForResources takes so many ids.
const TAGGED: usize = 10;
/// More records left in a zone are counted, not named.
const NAMED: usize = 8;

/// The records of a domain and what is below it, for everyone or for VPCs.
///
/// A new zone bears the intent's token as its caller reference, by which it is found again; tags are set after it is made. It can be deleted only
/// when no record is left but the two that Route 53 made with it.
///
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:route53:HostedZone",
    terraform = "aws_route53_zone",
    cloudformation = "AWS::Route53::HostedZone",
    identity = ClientToken
)]
pub struct HostedZone {
    /// The domain: `example.com`.
    #[field(replace, normalize = super::name)]
    pub name: Input<String>,
    /// What it is for.
    pub comment: Option<Input<String>>,
    /// Whether only the VPCs see it. It need not be set with `vpcs`; where it is, a change of it replaces the zone.
    #[field(replace, cloud_default)]
    pub private_zone: Option<Input<bool>>,
    /// The VPCs that see it. A zone with any is private, and a private zone has one at least.
    #[field(set)]
    pub vpcs: Option<Input<Vec<ZoneVpc>>>,
    /// The reusable delegation set that a public zone takes its name servers from.
    #[field(replace)]
    pub delegation_set_id: Option<Input<String>>,
    /// Whether records of a public zone can be changed even while us-east-1 is down. Unset: no.
    #[field(normalize = off_is_unset)]
    pub enable_accelerated_recovery: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// A VPC that sees a private zone.
#[derive(Clone, Debug, Block)]
pub struct ZoneVpc {
    /// The VPC.
    pub vpc_id: Input<VpcId>,
    /// Its region. Unset: that of the stack.
    #[field(cloud_default)]
    pub vpc_region: Option<Input<String>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct HostedZoneOutputs {
    /// The id.
    pub id: HostedZoneId,
    /// The ARN.
    pub arn: Arn,
    /// The name servers of a public zone, which the domain's registrar must be told.
    pub name_servers: Option<Vec<String>>,
}

impl Manage for HostedZone {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let region = &aws.region(&cx.provider).await?;
        // The list of zones tells neither name servers nor VPCs.
        let zones = batch::each(targets, |target| async { Ok(get(route53, target.id).await) }).await?;
        let there = targets.iter().zip(&zones).filter(|(t, zone)| t.wants("tags") && matches!(zone, Ok(Some(_))));
        let mut tags = list_tags(route53, there.map(|(t, _)| t.id)).await;
        let found = targets.iter().zip(zones).map(|(target, zone)| {
            let zone = match zone {
                Ok(Some(zone)) => zone,
                Ok(None) => return Found::Gone,
                Err(error) => return Found::Failed(error),
            };
            match &mut tags {
                Ok(tags) => shown(region, target, &zone, tags.remove(target.id).unwrap_or_default()),
                Err(error) if target.wants("tags") => Found::Failed(error.clone()),
                Err(_) => shown(region, target, &zone, BTreeMap::new()),
            }
        });
        Ok(found.collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &HostedZoneResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let region = &aws.region(&cx.provider).await?;
        let vpcs = want.vpcs.as_deref().unwrap_or_default();
        if want.private_zone.is_some_and(|private| private == vpcs.is_empty()) {
            return Err(CloudError::local(ErrorKind::Invalid, "a zone is private if it has VPCs, and only then")
                .hint("set private_zone and vpcs together"));
        }
        let config =
            sdk::HostedZoneConfig::builder().set_comment(want.comment.clone()).private_zone(!vpcs.is_empty()).build();
        let request = route53
            .create_hosted_zone()
            .name(&want.name)
            .caller_reference(client_token(intent))
            .hosted_zone_config(config)
            .set_vpc(vpcs.first().map(|vpc| to_vpc(region, vpc)))
            .set_delegation_set_id(want.delegation_set_id.clone());
        // Not repeated by itself, though Route 53 refuses a reference that it knows: whoever stands in for it may not, and `find` costs no more.
        match route53.write("CreateHostedZone", || request.clone().send()).await {
            Ok(answer) => {
                let zone = answer
                    .hosted_zone
                    .ok_or_else(|| route53.unexpected("CreateHostedZone", "the answer describes no zone"))?;
                let outputs = outputs(region, &zone, answer.delegation_set.as_ref());
                Ok(Created { id: outputs.id.to_string(), outputs, complete: false })
            }
            // The token was used before: by this very intent, in a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &HostedZoneResolved,
    ) -> Result<Option<HostedZoneOutputs>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let region = &aws.region(&cx.provider).await?;
        if !want.tags.is_empty() {
            change_tags(route53, id, TagDelta { set: want.tags.clone(), ..TagDelta::default() }).await?;
        }
        if want.vpcs.as_ref().is_some_and(|vpcs| vpcs.len() > 1) {
            settle_vpcs(route53, region, id, want).await?;
        }
        if want.enable_accelerated_recovery == Some(true) {
            recover(route53, cx, id, true).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &HostedZoneResolved,
        change: &HostedZoneChange,
    ) -> Result<Option<HostedZoneOutputs>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let region = &aws.region(&cx.provider).await?;
        if let Some(comment) = &change.comment {
            let request = route53.update_hosted_zone_comment().id(id).set_comment(comment.after.clone());
            route53.write_idempotent("UpdateHostedZoneComment", || request.clone().send()).await?;
        }
        if change.vpcs.is_some() {
            settle_vpcs(route53, region, id, want).await?;
        }
        if let Some(FieldChange { after, .. }) = &change.enable_accelerated_recovery {
            recover(route53, cx, id, after.unwrap_or(false)).await?;
        }
        if let Some(tags) = &change.tags {
            change_tags(route53, id, TagDelta::of(tags)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&HostedZoneResolved>) -> Result<(), CloudError> {
        let route53 = &aws.route53(cx).await?;
        let request = route53.delete_hosted_zone().id(id);
        match route53.write_idempotent("DeleteHostedZone", || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind == ErrorKind::InUse => Err(match left(route53, id).await {
                Ok(records) if !records.is_empty() => error.hint(describe(&records)),
                _ => error,
            }),
            Err(error) => Err(error),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &HostedZoneResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let token = client_token(intent);
        // Several zones may have one name. The list begins with it, in an order of Route 53's own.
        let (mut name, mut id) = (Some(want.name.clone()), None);
        let found = loop {
            let request = route53.list_hosted_zones_by_name().set_dns_name(name).set_hosted_zone_id(id);
            let answer = route53.read("ListHostedZonesByName", || request.clone().send()).await?;
            if let Some(zone) = answer.hosted_zones.iter().find(|z| z.caller_reference == token) {
                break Some(zone.clone());
            }
            let last = answer.hosted_zones.last().map(|z| plain_name(&z.name));
            if !answer.is_truncated || last.is_some_and(|last| last != plain_name(&want.name)) {
                break None;
            }
            (name, id) = (answer.next_dns_name, answer.next_hosted_zone_id);
        };
        let Some(zone) = found else { return Ok(None) };
        let Some(zone) = get(route53, bare(&zone.id)).await? else { return Ok(None) };
        let Some(hosted) = &zone.hosted_zone else { return Ok(None) };
        let outputs = outputs(&aws.region(&cx.provider).await?, hosted, zone.delegation_set.as_ref());
        Ok(Some(Created { id: outputs.id.to_string(), outputs, complete: false }))
    }
}

fn outputs(region: &str, zone: &sdk::HostedZone, servers: Option<&sdk::DelegationSet>) -> HostedZoneOutputs {
    let id = bare(&zone.id);
    HostedZoneOutputs {
        id: HostedZoneId::new(id),
        arn: Arn::new(format!("arn:{}:route53:::hostedzone/{id}", partition(region))),
        name_servers: servers.map(|s| s.name_servers().to_vec()).filter(|servers| !servers.is_empty()),
    }
}

fn to_vpc(region: &str, vpc: &ZoneVpcResolved) -> sdk::Vpc {
    let region = vpc.vpc_region.as_deref().unwrap_or(region);
    sdk::Vpc::builder().vpc_id(vpc.vpc_id.as_str()).vpc_region(region.into()).build()
}

async fn get(route53: &Route53, id: &str) -> Result<Option<GetHostedZoneOutput>, CloudError> {
    let request = route53.get_hosted_zone().id(id);
    match route53.read("GetHostedZone", || request.clone().send()).await {
        Ok(answer) => Ok(Some(answer).filter(|a| a.hosted_zone.is_some())),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn tags_of(route53: &Route53, ids: &[&str]) -> Result<Vec<sdk::ResourceTagSet>, CloudError> {
    let request = route53
        .list_tags_for_resources()
        .resource_type(sdk::TagResourceType::Hostedzone)
        .set_resource_ids(Some(ids.iter().map(|id| (*id).to_owned()).collect()));
    Ok(route53.read("ListTagsForResources", || request.clone().send()).await?.resource_tag_sets)
}

/// The tags of zones; of one that is gone by now there are none.
async fn list_tags<'a>(
    route53: &Route53,
    ids: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, BTreeMap<String, String>>, CloudError> {
    let ids: Vec<&str> = ids.collect();
    let chunks = batch::each(ids.chunks(TAGGED), |ids| async move {
        match tags_of(route53, ids).await {
            // One of them went away just now.
            Err(error) if error.kind == ErrorKind::NotFound => {
                let each = batch::each(ids, |id| async {
                    match tags_of(route53, &[*id]).await {
                        Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
                        answer => answer,
                    }
                });
                Ok(each.await?.into_iter().flatten().collect())
            }
            answer => answer,
        }
    });
    let of = |set: sdk::ResourceTagSet| {
        let tags = set.tags.unwrap_or_default().into_iter();
        let tags = tags.filter_map(|t| Some((t.key?, t.value.unwrap_or_default()))).collect();
        Some((bare(&set.resource_id?).to_owned(), tags))
    };
    Ok(chunks.await?.into_iter().flatten().filter_map(of).collect())
}

async fn change_tags(route53: &Route53, id: &str, delta: TagDelta) -> Result<(), CloudError> {
    let tag = |(key, value)| sdk::Tag::builder().key(key).value(value).build();
    // One call takes up to ten of either kind.
    let mut set: Vec<sdk::Tag> = delta.set.into_iter().map(tag).collect();
    let mut remove: Vec<String> = delta.remove.into_iter().collect();
    while !set.is_empty() || !remove.is_empty() {
        let (add, take): (Vec<_>, Vec<_>) =
            (set.drain(..set.len().min(TAGGED)).collect(), remove.drain(..remove.len().min(TAGGED)).collect());
        let request = route53
            .change_tags_for_resource()
            .resource_type(sdk::TagResourceType::Hostedzone)
            .resource_id(id)
            .set_add_tags(Some(add).filter(|a| !a.is_empty()))
            .set_remove_tag_keys(Some(take).filter(|t| !t.is_empty()));
        route53.write_idempotent("ChangeTagsForResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// Brings the VPCs that see the zone to what is wished: first the new ones, since a private zone must have one at any time.
async fn settle_vpcs(route53: &Route53, region: &str, id: &str, want: &HostedZoneResolved) -> Result<(), CloudError> {
    let wanted: Vec<sdk::Vpc> = want.vpcs.iter().flatten().map(|vpc| to_vpc(region, vpc)).collect();
    let zone = get(route53, id).await?;
    let there = zone.and_then(|z| z.vpcs).unwrap_or_default();
    if wanted.is_empty() != there.is_empty() {
        let message = "a public zone cannot become private, nor a private one public";
        return Err(CloudError::local(ErrorKind::Invalid, message)
            .hint("set private_zone: its change replaces the zone by a new one"));
    }
    let among = |vpc: &sdk::Vpc, all: &[sdk::Vpc]| all.iter().any(|other| other.vpc_id() == vpc.vpc_id());
    for vpc in wanted.iter().filter(|vpc| !among(vpc, &there)) {
        let request = route53.associate_vpc_with_hosted_zone().hosted_zone_id(id).vpc(vpc.clone());
        route53.write_idempotent("AssociateVPCWithHostedZone", || request.clone().send()).await?;
    }
    for vpc in there.iter().filter(|vpc| !among(vpc, &wanted)) {
        let request = route53.disassociate_vpc_from_hosted_zone().hosted_zone_id(id).vpc(vpc.clone());
        match route53.write_idempotent("DisassociateVPCFromHostedZone", || request.clone().send()).await {
            Err(error) if error.code.as_deref() != Some("VPCAssociationNotFound") => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Switches accelerated recovery on or off, and waits until it is.
async fn recover(route53: &Route53, cx: &Cx, id: &str, on: bool) -> Result<(), CloudError> {
    let request = route53.update_hosted_zone_features().hosted_zone_id(id).enable_accelerated_recovery(on);
    route53.write_idempotent("UpdateHostedZoneFeatures", || request.clone().send()).await?;
    let what = format!("accelerated recovery of {id}");
    until(cx, &what, || async {
        let features = get(route53, id).await?.and_then(|z| z.hosted_zone).and_then(|z| z.features);
        let status = features.as_ref().and_then(|f| f.accelerated_recovery_status()).map(|s| s.as_str());
        Ok(match status {
            Some("ENABLED") if on => Stage::Ready(()),
            Some("DISABLED") | None if !on => Stage::Ready(()),
            Some(failed @ ("ENABLE_FAILED" | "DISABLE_FAILED")) => {
                let why = features.as_ref().and_then(|f| f.failure_reasons()).and_then(|r| r.accelerated_recovery());
                let message = format!("{what} is {failed}: {}", why.unwrap_or("no reason given"));
                return Err(CloudError::local(ErrorKind::Other, message));
            }
            other => Stage::Waiting(other.unwrap_or("not told").to_ascii_lowercase()),
        })
    })
    .await
}

/// The records that keep a zone from being deleted.
async fn left(route53: &Route53, id: &str) -> Result<Vec<String>, CloudError> {
    let apex = get(route53, id).await?.and_then(|z| z.hosted_zone).map(|z| plain_name(&z.name));
    let answer = route53
        .read("ListResourceRecordSets", || route53.list_resource_record_sets().hosted_zone_id(id).send())
        .await?;
    let own = |set: &&sdk::ResourceRecordSet| {
        matches!(set.r#type.as_str(), "NS" | "SOA") && apex.as_deref() == Some(plain_name(&set.name).as_str())
    };
    let left = answer.resource_record_sets.iter().filter(|set| !own(set));
    Ok(left.map(|set| format!("{} {}", plain_name(&set.name), set.r#type.as_str())).collect())
}

fn describe(records: &[String]) -> String {
    let more = records.len().saturating_sub(NAMED);
    let named = records.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { " and more" } else { "" };
    format!("it still holds {named}{rest}; delete those first, if phx does not manage them")
}

fn shown(
    region: &str,
    target: &Target<'_>,
    zone: &GetHostedZoneOutput,
    tags: BTreeMap<String, String>,
) -> Found<HostedZone> {
    let Some(hosted) = &zone.hosted_zone else { return Found::Gone };
    let vpc = |vpc: &sdk::Vpc| {
        let region = vpc.vpc_region().map(|r| r.as_str().to_owned());
        Some(ZoneVpcResolved { vpc_id: VpcId::new(vpc.vpc_id()?), vpc_region: region })
    };
    let vpcs: Vec<ZoneVpcResolved> = zone.vpcs().iter().filter_map(vpc).collect();
    let vpcs = in_order_of::<ZoneVpc>(target.inputs.get("vpcs"), vpcs);
    let config = hosted.config();
    let recovery = hosted.features().and_then(|f| f.accelerated_recovery_status()).map(|s| s.as_str());
    let fields = HostedZoneResolved {
        name: plain_name(&hosted.name),
        comment: config.and_then(|c| c.comment.clone()).filter(|c| !c.is_empty()),
        private_zone: Some(config.is_some_and(|c| c.private_zone)),
        vpcs: Some(vpcs).filter(|vpcs| !vpcs.is_empty()),
        delegation_set_id: zone
            .delegation_set()
            .and_then(|s| s.id())
            .map(|id| bare(id).to_owned())
            .filter(|id| !id.is_empty()),
        enable_accelerated_recovery: Some(matches!(recovery, Some("ENABLED" | "ENABLING"))),
        tags,
    };
    Found::present(fields, outputs(region, hosted, zone.delegation_set()))
}
