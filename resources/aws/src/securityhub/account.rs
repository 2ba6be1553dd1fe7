//! `aws:securityhub:Account`.
//!
//! No emulator serves its tags, or changes of its settings; those parts follow the service model alone.

use aws_sdk_securityhub::operation::describe_hub::DescribeHubOutput as Shown;
use phx_model::driver::Cx;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{SecurityHub, is_off};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner};

/// Security Hub, enabled for an account in a region. There is one a region.
///
/// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_EnableSecurityHub.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:securityhub:Account",
    terraform = "aws_securityhub_account",
    cloudformation = "AWS::SecurityHub::Hub",
    identity = NaturalKey
)]
pub struct Account {
    /// Whether the standards that AWS recommends are enabled with it. AWS's default: yes. It counts only when Security Hub is enabled: a later
    /// change changes nothing, for which there are [`StandardsSubscription`](super::StandardsSubscription)s.
    #[field(write_only)]
    pub enable_default_standards: Option<Input<bool>>,
    /// Whether a check that several standards have gives one finding (`SECURITY_CONTROL`, AWS's default) or one for each standard
    /// (`STANDARD_CONTROL`).
    #[field(cloud_default)]
    pub control_finding_generator: Option<Input<String>>,
    /// Whether controls that are added to enabled standards are enabled too. AWS's default: yes.
    #[field(cloud_default)]
    pub auto_enable_controls: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AccountOutputs {
    /// The ARN, which also is its id.
    pub arn: Arn,
}

impl Manage for Account {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        let shown = batch::each(targets, |target| async { Ok(describe(hub, target.id).await) }).await?;
        let arn = |at: usize| shown[at].as_ref().ok().and_then(Option::as_ref).map(|_| targets[at].id.to_owned());
        let ask = |_, arn: String| async move { tags(hub, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = |(at, shown): (usize, &Result<Option<Shown>, CloudError>)| match shown {
            Ok(Some(shown)) => tagged::with(tags.remove(&at), |tags| present(targets[at].id, shown, tags)),
            Ok(None) => Found::Gone,
            Err(error) => Found::Failed(error.clone()),
        };
        Ok(shown.iter().enumerate().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &AccountResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        let arn = arn(aws, cx).await?;
        let request = hub
            .enable_security_hub()
            .set_enable_default_standards(want.enable_default_standards)
            .set_control_finding_generator(want.control_finding_generator.as_deref().map(Into::into))
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        match hub.write("EnableSecurityHub", || request.clone().send()).await {
            Ok(_) => Ok(created(want, arn)),
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.code.as_deref() == Some("ResourceConflictException") => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(aws: &Aws, cx: &Cx, _: &str, want: &AccountResolved) -> Result<Option<AccountOutputs>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        if let Some(enable) = want.auto_enable_controls {
            let request = hub.update_security_hub_configuration().auto_enable_controls(enable);
            hub.write_idempotent("UpdateSecurityHubConfiguration", || request.clone().send()).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &AccountResolved,
        change: &AccountChange,
    ) -> Result<Option<AccountOutputs>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        let controls = change.auto_enable_controls.as_ref().and_then(|c| c.after);
        let generator = change.control_finding_generator.as_ref().and_then(|c| c.after.as_deref());
        if controls.is_some() || generator.is_some() {
            let request = hub
                .update_security_hub_configuration()
                .set_auto_enable_controls(controls)
                .set_control_finding_generator(generator.map(Into::into));
            hub.write_idempotent("UpdateSecurityHubConfiguration", || request.clone().send()).await?;
        }
        if let Some(change) = &change.tags {
            update_tags(hub, id, TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, _: &str, _: Option<&AccountResolved>) -> Result<(), CloudError> {
        let hub = &aws.securityhub(cx).await?;
        match hub.write_idempotent("DisableSecurityHub", || hub.disable_security_hub().send()).await {
            Err(error) if is_off(&error) => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &AccountResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        let arn = arn(aws, cx).await?;
        if describe(hub, arn.as_str()).await?.is_none() {
            return Ok(None);
        }
        owner::check("Security Hub", &tags(hub, arn.as_str()).await?, intent)?;
        Ok(Some(created(want, arn)))
    }
}

/// The ARN of a region's one hub.
async fn arn(aws: &Aws, cx: &Cx) -> Result<Arn, CloudError> {
    let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
    Ok(Arn::of("securityhub", &region, &account, "hub/default"))
}

fn created(want: &AccountResolved, arn: Arn) -> Created<Account> {
    let complete = want.auto_enable_controls.is_none();
    Created { id: arn.to_string(), outputs: AccountOutputs { arn }, complete }
}

async fn describe(hub: &SecurityHub, arn: &str) -> Result<Option<Shown>, CloudError> {
    let request = hub.describe_hub().hub_arn(arn);
    match hub.read("DescribeHub", || request.clone().send()).await {
        Ok(shown) => Ok(Some(shown)),
        Err(error) if is_off(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn tags(hub: &SecurityHub, arn: &str) -> Result<TagMap, CloudError> {
    let request = hub.list_tags_for_resource().resource_arn(arn);
    let answer = hub.read("ListTagsForResource", || request.clone().send()).await?;
    Ok(answer.tags.unwrap_or_default().into_iter().collect())
}

async fn update_tags(hub: &SecurityHub, arn: &str, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: the hub has fifty at most.
    if !delta.remove.is_empty() {
        let request = hub.untag_resource().resource_arn(arn).set_tag_keys(Some(delta.remove.into_iter().collect()));
        hub.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = hub.tag_resource().resource_arn(arn).set_tags(Some(delta.set.into_iter().collect()));
        hub.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

fn present(arn: &str, shown: &Shown, tags: TagMap) -> Found<Account> {
    let fields = AccountResolved {
        enable_default_standards: None,
        control_finding_generator: shown.control_finding_generator().map(|g| g.as_str().to_owned()),
        auto_enable_controls: shown.auto_enable_controls(),
        tags,
    };
    Found::present(fields, AccountOutputs { arn: Arn::new(arn) })
}
