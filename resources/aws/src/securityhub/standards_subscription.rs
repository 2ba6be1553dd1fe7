//! `aws:securityhub:StandardsSubscription`.
//!
//! No emulator serves standards: all of it follows the service model.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_securityhub::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{SecurityHub, is_off};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, eventually, until};
use crate::{batch, owner};

/// Listings give so many at once.
const PAGE: i32 = 100;
/// How long another change, or Security Hub itself being enabled, may take.
const UNTIL_FREE: Duration = Duration::from_secs(120);

/// A standard that Security Hub checks an account against in a region.
///
/// A subscription bears no mark, and a standard is enabled or it is not: one that is already, as some are with Security Hub itself, is taken over. Deleting
/// it disables the standard, whoever enabled it; the option `retain` keeps it.
///
/// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchEnableStandards.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:securityhub:StandardsSubscription",
    terraform = "aws_securityhub_standards_subscription",
    cloudformation = "AWS::SecurityHub::Standard",
    identity = NaturalKey,
    unique(standards_arn)
)]
pub struct StandardsSubscription {
    /// The standard: `arn:aws:securityhub:us-west-2::standards/aws-foundational-security-best-practices/v/1.0.0`.
    #[field(replace)]
    pub standards_arn: Input<Arn>,
    /// Parameters of the standard, by their names.
    #[field(replace)]
    pub standards_input: Option<Input<BTreeMap<String, String>>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct StandardsSubscriptionOutputs {
    /// The subscription's ARN, which also is its id.
    pub arn: Arn,
}

impl Manage for StandardsSubscription {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        // All at once: by its ARN, one that is gone would hide all others.
        let subscriptions = list(hub).await?;
        Ok(batch::align(targets, subscriptions, |s| s.standards_subscription_arn(), present))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &StandardsSubscriptionResolved,
        _: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        let standard = sdk::StandardsSubscriptionRequest::builder()
            .standards_arn(want.standards_arn.as_str())
            .set_standards_input(want.standards_input.clone().map(|input| input.into_iter().collect()))
            .build();
        let request = hub.batch_enable_standards().standards_subscription_requests(standard);
        // Enabled twice, it is enabled once.
        let send = || hub.write_idempotent("BatchEnableStandards", || request.clone().send());
        let answer = eventually(cx, UNTIL_FREE, is_busy, send).await.map_err(explain)?;
        let made = answer.standards_subscriptions().iter().find_map(|s| s.standards_subscription_arn());
        let arn = made.ok_or_else(|| hub.unexpected("BatchEnableStandards", "the answer names no subscription"))?;
        Ok(created(arn))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &StandardsSubscriptionResolved,
    ) -> Result<Option<StandardsSubscriptionOutputs>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        until(cx, &format!("the standard {id}"), || async {
            let Some(subscription) = one(hub, id).await? else {
                return Ok(Stage::Waiting("not listed yet".to_owned()));
            };
            let reason = subscription.standards_status_reason().and_then(|r| r.status_reason_code());
            let reason = reason.map(|code| code.as_str().to_owned());
            match subscription.standards_status().map(sdk::StandardsStatus::as_str) {
                Some("FAILED") => {
                    let why = reason.unwrap_or_else(|| "AWS gives no reason".to_owned());
                    let message = format!("the standard {id} cannot be enabled: {why}");
                    Err(CloudError::local(ErrorKind::Other, message))
                }
                // Incomplete: enabled, while some of its controls cannot be checked; without a configuration recorder none can.
                None | Some("READY" | "INCOMPLETE") => Ok(Stage::Ready(None)),
                Some(state) => Ok(Stage::Waiting(state.to_ascii_lowercase())),
            }
        })
        .await
    }

    async fn update(
        _: &Aws,
        _: &Cx,
        _: &str,
        _: &StandardsSubscriptionResolved,
        _: &StandardsSubscriptionChange,
    ) -> Result<Option<StandardsSubscriptionOutputs>, CloudError> {
        // Every change needs a new subscription.
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&StandardsSubscriptionResolved>) -> Result<(), CloudError> {
        let hub = &aws.securityhub(cx).await?;
        let request = hub.batch_disable_standards().standards_subscription_arns(id);
        let send = || hub.write_idempotent("BatchDisableStandards", || request.clone().send());
        match eventually(cx, UNTIL_FREE, is_busy, send).await {
            Err(error) if is_off(&error) => return Ok(()),
            // It says so of one that is gone, too.
            Err(error) if error.kind == ErrorKind::Invalid && one(hub, id).await?.is_none() => return Ok(()),
            done => drop(done?),
        }
        until(cx, &format!("the standard {id}"), || async {
            Ok(match one(hub, id).await? {
                None => Stage::Ready(()),
                Some(_) => Stage::Waiting("being disabled".to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &StandardsSubscriptionResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let hub = &aws.securityhub(cx).await?;
        let subscriptions = list(hub).await?;
        let made = subscriptions
            .iter()
            .find(|s| s.standards_arn() == Some(want.standards_arn.as_str()) && !is_going(s))
            .and_then(|s| Some((s.standards_subscription_arn()?, s)));
        let Some((arn, there)) = made else { return Ok(None) };
        let there = fields(want.standards_arn.clone(), there);
        owner::check_alike::<Self>(&format!("the standard {}", want.standards_arn), want, &there)?;
        Ok(Some(created(arn)))
    }
}

/// Another change of standards is under way.
fn is_busy(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("ResourceConflictException"))
}

fn explain(error: CloudError) -> CloudError {
    if is_off(&error) {
        return error
            .hint("Security Hub is not enabled here: declare an aws:securityhub:Account and let this depend on it");
    }
    error
}

fn is_going(subscription: &sdk::StandardsSubscription) -> bool {
    subscription.standards_status() == Some(&sdk::StandardsStatus::Deleting)
}

async fn list(hub: &SecurityHub) -> Result<Vec<sdk::StandardsSubscription>, CloudError> {
    let all = batch::pages(|token| async move {
        let request = hub.get_enabled_standards().max_results(PAGE).set_next_token(token);
        let answer = hub.read("GetEnabledStandards", || request.clone().send()).await?;
        Ok((answer.standards_subscriptions.unwrap_or_default(), answer.next_token))
    });
    match all.await {
        // Where Security Hub is off, no standard is on.
        Err(error) if is_off(&error) => Ok(Vec::new()),
        all => all,
    }
}

async fn one(hub: &SecurityHub, arn: &str) -> Result<Option<sdk::StandardsSubscription>, CloudError> {
    Ok(list(hub).await?.into_iter().find(|s| s.standards_subscription_arn() == Some(arn)))
}

fn created(arn: &str) -> Created<StandardsSubscription> {
    Created { id: arn.to_owned(), outputs: StandardsSubscriptionOutputs { arn: Arn::new(arn) }, complete: false }
}

fn present(target: &Target<'_>, subscription: &sdk::StandardsSubscription) -> Found<StandardsSubscription> {
    if is_going(subscription) {
        return Found::Gone;
    }
    let Some(standard) = subscription.standards_arn() else {
        let message = format!("the answer does not say of which standard {} is", target.id);
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    Found::present(fields(Arn::new(standard), subscription), created(target.id).outputs)
}

fn fields(standards_arn: Arn, subscription: &sdk::StandardsSubscription) -> StandardsSubscriptionResolved {
    let input: BTreeMap<_, _> =
        subscription.standards_input().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    StandardsSubscriptionResolved { standards_arn, standards_input: (!input.is_empty()).then_some(input) }
}
