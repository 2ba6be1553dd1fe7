//! `aws:guardduty:Detector`.
//!
//! GuardDuty tells all features of a detector, whoever switched them on; only those that the program names are compared.
//!
//! Emulators let a region have several detectors, and keep what features they are told; AWS's answers are tested by their shapes.

use std::collections::BTreeMap;

use aws_sdk_guardduty::operation::get_detector::GetDetectorOutput as Shown;
use aws_sdk_guardduty::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Val;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::{DetectorId, GuardDuty};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner};

/// What watches an account in a region for threats. There is one a region.
///
/// <https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:guardduty:Detector",
    terraform = "aws_guardduty_detector",
    cloudformation = "AWS::GuardDuty::Detector",
    identity = NaturalKey
)]
pub struct Detector {
    /// Whether it watches.
    pub enable: Input<bool>,
    /// How often findings that came up again are published: `FIFTEEN_MINUTES`, `ONE_HOUR` or `SIX_HOURS`, which is AWS's default.
    #[field(cloud_default)]
    pub finding_publishing_frequency: Option<Input<String>>,
    /// What it watches beside the basics. A feature that is not named stays as it is.
    #[field(set, cloud_default)]
    pub features: Option<Input<Vec<Feature>>>,
    /// The tags.
    pub tags: Tags,
}

/// Something that a detector can watch.
#[derive(Clone, Debug, Block)]
pub struct Feature {
    /// Which: `S3_DATA_EVENTS`, `EKS_AUDIT_LOGS`, `EBS_MALWARE_PROTECTION`, `RDS_LOGIN_EVENTS`, `LAMBDA_NETWORK_LOGS`,
    /// `EKS_RUNTIME_MONITORING`, `RUNTIME_MONITORING`, …
    pub name: Input<String>,
    /// `ENABLED` or `DISABLED`.
    pub status: Input<String>,
    /// Parts of it that are switched by themselves. One that is not named stays as it is.
    #[field(set)]
    pub additional_configuration: Option<Input<Vec<AdditionalConfiguration>>>,
}

/// A part of a feature.
#[derive(Clone, Debug, Block)]
pub struct AdditionalConfiguration {
    /// Which: `EKS_ADDON_MANAGEMENT`, `ECS_FARGATE_AGENT_MANAGEMENT`, `EC2_AGENT_MANAGEMENT`, …
    pub name: Input<String>,
    /// `ENABLED` or `DISABLED`.
    pub status: Input<String>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DetectorOutputs {
    /// The id.
    pub id: DetectorId,
    /// The ARN.
    pub arn: Arn,
}

impl Manage for Detector {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let guardduty = &aws.guardduty(cx).await?;
        let place = &Place::of(aws, cx).await?;
        // A region has one, and each is told by itself, its tags included.
        batch::each(targets, |target| async move {
            Ok(match get(guardduty, target.id).await {
                Ok(Some(shown)) => Found::present(fields(target, &shown), place.outputs(target.id)),
                Ok(None) => Found::Gone,
                Err(error) => Found::Failed(error),
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DetectorResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let guardduty = &aws.guardduty(cx).await?;
        let place = Place::of(aws, cx).await?;
        let request = guardduty
            .create_detector()
            .enable(want.enable)
            .client_token(client_token(intent))
            .set_finding_publishing_frequency(want.finding_publishing_frequency.as_deref().map(Into::into))
            .set_features(want.features.as_ref().map(|all| all.iter().map(feature).collect()))
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let answer = match guardduty.write("CreateDetector", || request.clone().send()).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.message.contains("already exists") => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let id =
            answer.detector_id.ok_or_else(|| guardduty.unexpected("CreateDetector", "the answer names no detector"))?;
        Ok(place.created(&id))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &DetectorResolved,
        change: &DetectorChange,
    ) -> Result<Option<DetectorOutputs>, CloudError> {
        let guardduty = &aws.guardduty(cx).await?;
        let frequency = change.finding_publishing_frequency.as_ref().and_then(|c| c.after.as_deref());
        let features = change.features.as_ref().and_then(|c| c.after.as_ref());
        if change.enable.is_some() || frequency.is_some() || features.is_some() {
            let request = guardduty
                .update_detector()
                .detector_id(id)
                .set_enable(change.enable.as_ref().map(|_| want.enable))
                .set_finding_publishing_frequency(frequency.map(Into::into))
                .set_features(features.map(|all| all.iter().map(feature).collect()));
            guardduty.write_idempotent("UpdateDetector", || request.clone().send()).await?;
        }
        if let Some(change) = &change.tags {
            let arn = Place::of(aws, cx).await?.outputs(id).arn;
            update_tags(guardduty, &arn, TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&DetectorResolved>) -> Result<(), CloudError> {
        let guardduty = &aws.guardduty(cx).await?;
        let request = guardduty.delete_detector().detector_id(id);
        match guardduty.write_idempotent("DeleteDetector", || request.clone().send()).await {
            Err(error) if is_gone(&error) => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &DetectorResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let guardduty = &aws.guardduty(cx).await?;
        let ids = batch::pages(|token| async move {
            let request = guardduty.list_detectors().set_next_token(token);
            let answer = guardduty.read("ListDetectors", || request.clone().send()).await?;
            Ok((answer.detector_ids.unwrap_or_default(), answer.next_token))
        });
        // A region has one.
        let Some(id) = ids.await?.into_iter().next() else { return Ok(None) };
        let Some(shown) = get(guardduty, &id).await? else { return Ok(None) };
        owner::check(&format!("the detector {id}"), &tags(&shown), intent)?;
        Ok(Some(Place::of(aws, cx).await?.created(&id)))
    }
}

/// Where detectors are.
struct Place {
    region: String,
    account: String,
}

impl Place {
    async fn of(aws: &Aws, cx: &Cx) -> Result<Self, CloudError> {
        Ok(Self { region: aws.region(&cx.provider).await?, account: aws.account(&cx.provider).await? })
    }

    fn outputs(&self, id: &str) -> DetectorOutputs {
        let arn = Arn::of("guardduty", &self.region, &self.account, &format!("detector/{id}"));
        DetectorOutputs { id: DetectorId::new(id), arn }
    }

    fn created(&self, id: &str) -> Created<Detector> {
        Created { id: id.to_owned(), outputs: self.outputs(id), complete: true }
    }
}

/// GuardDuty says of a detector that is not there that it is not the account's.
fn is_gone(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound || error.message.contains("is not owned by the current account")
}

async fn get(guardduty: &GuardDuty, id: &str) -> Result<Option<Shown>, CloudError> {
    let request = guardduty.get_detector().detector_id(id);
    match guardduty.read("GetDetector", || request.clone().send()).await {
        Ok(shown) => Ok(Some(shown)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn update_tags(guardduty: &GuardDuty, arn: &Arn, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a detector has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = guardduty.untag_resource().resource_arn(arn.as_str()).set_tag_keys(Some(keys));
        guardduty.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let tags = delta.set.into_iter().collect();
        let request = guardduty.tag_resource().resource_arn(arn.as_str()).set_tags(Some(tags));
        guardduty.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

fn feature(want: &FeatureResolved) -> sdk::DetectorFeatureConfiguration {
    let part = |part: &AdditionalConfigurationResolved| {
        sdk::DetectorAdditionalConfiguration::builder()
            .name(part.name.as_str().into())
            .status(part.status.as_str().into())
            .build()
    };
    sdk::DetectorFeatureConfiguration::builder()
        .name(want.name.as_str().into())
        .status(want.status.as_str().into())
        .set_additional_configuration(
            want.additional_configuration.as_ref().map(|parts| parts.iter().map(part).collect()),
        )
        .build()
}

fn tags(shown: &Shown) -> BTreeMap<String, String> {
    shown.tags().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn fields(target: &Target<'_>, shown: &Shown) -> DetectorResolved {
    let set = target.inputs.get("features").and_then(|set| <Vec<Feature> as Val>::from_value(set).ok());
    let features: Vec<_> =
        shown.features().iter().filter_map(feature_of).filter_map(|f| named(set.as_ref(), f)).collect();
    DetectorResolved {
        enable: shown.status() == Some(&sdk::DetectorStatus::Enabled),
        finding_publishing_frequency: shown.finding_publishing_frequency().map(|f| f.as_str().to_owned()),
        features: (!features.is_empty()).then_some(features),
        tags: tags(shown),
    }
}

/// What AWS always watches, and lets nobody switch.
const BASICS: [&str; 3] = ["CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS"];

fn feature_of(feature: &sdk::DetectorFeatureConfigurationResult) -> Option<FeatureResolved> {
    let part = |part: &sdk::DetectorAdditionalConfigurationResult| {
        Some(AdditionalConfigurationResolved {
            name: part.name()?.as_str().to_owned(),
            status: part.status()?.as_str().to_owned(),
        })
    };
    let parts: Vec<_> = feature.additional_configuration().iter().filter_map(part).collect();
    Some(FeatureResolved {
        name: feature.name()?.as_str().to_owned(),
        status: feature.status()?.as_str().to_owned(),
        additional_configuration: (!parts.is_empty()).then_some(parts),
    })
}

/// Of a feature that which the program names. Of an object that is being adopted everything counts that can be switched.
fn named(set: Option<&Vec<FeatureResolved>>, mut feature: FeatureResolved) -> Option<FeatureResolved> {
    let Some(set) = set else { return Some(feature).filter(|f| !BASICS.contains(&f.name.as_str())) };
    let set = set.iter().find(|f| f.name == feature.name)?;
    let names = |part: &AdditionalConfigurationResolved| {
        set.additional_configuration.iter().flatten().any(|named| named.name == part.name)
    };
    feature.additional_configuration = feature
        .additional_configuration
        .map(|parts| parts.into_iter().filter(names).collect::<Vec<_>>())
        .filter(|parts| !parts.is_empty());
    Some(feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str, status: &str, parts: &[&str]) -> FeatureResolved {
        let part = |name: &&str| AdditionalConfigurationResolved { name: (*name).to_owned(), status: "ENABLED".into() };
        let parts: Vec<_> = parts.iter().map(part).collect();
        FeatureResolved {
            name: name.into(),
            status: status.into(),
            additional_configuration: (!parts.is_empty()).then_some(parts),
        }
    }

    #[test]
    fn only_what_is_named_counts() {
        let set = vec![feature("RUNTIME_MONITORING", "ENABLED", &["EKS_ADDON_MANAGEMENT"])];
        let there = feature("RUNTIME_MONITORING", "DISABLED", &["EKS_ADDON_MANAGEMENT", "EC2_AGENT_MANAGEMENT"]);
        let told = named(Some(&set), there.clone()).unwrap();
        assert_eq!(told, feature("RUNTIME_MONITORING", "DISABLED", &["EKS_ADDON_MANAGEMENT"]));
        assert_eq!(named(Some(&set), feature("S3_DATA_EVENTS", "ENABLED", &[])), None);
        assert_eq!(named(None, there.clone()), Some(there));
        assert_eq!(named(None, feature("DNS_LOGS", "ENABLED", &[])), None);
    }
}
