//! `aws:budgets:Budget`.
//!
//! Emulators keep budgets and the names of notifications; changes, subscribers and tags follow the service model alone.

use std::collections::BTreeMap;

use aws_sdk_budgets::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::budget_blocks::{
    self as blocks, AutoAdjustData, CostTypes, NotificationWithSubscribers, Spend, TimePeriod, TimePeriodResolved,
};
use super::{Budgets, expression, incomplete, notifications};
use crate::arn::{Arn, partition};
use crate::client::Aws;
use crate::cost_expression::{self, Expression};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner};

/// Listings give so many at once.
const PAGE: i32 = 1000;

/// A limit for costs or usage, and who is told when it is near.
///
/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CreateBudget.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:budgets:Budget",
    terraform = "aws_budgets_budget",
    cloudformation = "AWS::Budgets::Budget",
    identity = NaturalKey,
    unique(budget_name)
)]
pub struct Budget {
    /// The name, unique in the account: up to 100 characters, without `:` and `\`.
    #[field(replace)]
    pub budget_name: Input<String>,
    /// What is counted: `COST`, `USAGE`, `RI_UTILIZATION`, `RI_COVERAGE`, `SAVINGS_PLANS_UTILIZATION`, `SAVINGS_PLANS_COVERAGE`.
    pub budget_type: Input<String>,
    /// Over which time: `DAILY`, `MONTHLY`, `QUARTERLY`, `ANNUALLY`, `CUSTOM`.
    pub time_unit: Input<String>,
    /// The limit. AWS fills it in where it sets limits by itself.
    #[field(cloud_default)]
    pub budget_limit: Option<Input<Spend>>,
    /// Limits for single periods, by their beginnings in seconds since 1970.
    pub planned_budget_limits: Option<Input<BTreeMap<String, Spend>>>,
    /// What counts: values by dimensions (`Service`, `LinkedAccount`, `TagKeyValue`, …). In place of it there is `filter_expression`.
    pub cost_filters: Option<Input<BTreeMap<String, Vec<String>>>>,
    /// Which kinds of costs count.
    #[field(cloud_default)]
    pub cost_types: Option<Input<CostTypes>>,
    /// For how long the budget is.
    #[field(cloud_default)]
    pub time_period: Option<Input<TimePeriod>>,
    /// How AWS sets the limit by itself.
    pub auto_adjust_data: Option<Input<AutoAdjustData>>,
    /// What counts: an expression (see [`cost_expression`](crate::cost_expression)).
    #[field(json, normalize = cost_expression::canonical)]
    pub filter_expression: Option<Input<Json>>,
    /// What costs are compared by: `UnblendedCost`, `NetAmortizedCost`, … . For budgets with a `filter_expression`.
    #[field(set, cloud_default)]
    pub metrics: Option<Input<Vec<String>>>,
    /// The billing view whose costs count. AWS's default: the account's primary one.
    #[field(cloud_default)]
    pub billing_view_arn: Option<Input<Arn>>,
    /// When people are told, and who: up to ten.
    #[field(set)]
    pub notifications_with_subscribers: Option<Input<Vec<NotificationWithSubscribers>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct BudgetOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The account whose costs count.
    pub account_id: String,
}

impl Manage for Budget {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let budgets = &aws.budgets(cx).await?;
        let account = &aws.account(&cx.provider).await?;
        let expressions = targets.iter().any(|t| t.wants("filter_expression"));
        let all = list(budgets, account, expressions).await?;
        let of = |id: &str| all.iter().find(|b| b.budget_name == id);
        let told: Vec<&str> = targets
            .iter()
            .filter(|t| t.wants("notifications_with_subscribers") && of(t.id).is_some())
            .map(|t| t.id)
            .collect();
        let mut notifications = notifications::read(budgets, account, &told).await?;
        let place = Place::of(aws, cx).await?;
        let arn = |at: usize| of(targets[at].id).map(|b| place.arn(&b.budget_name).to_string());
        let ask = |_, arn: String| async move { tags(budgets, &arn).await };
        let mut tags = tagged::read(aws, &cost_expression::home(aws, cx).await?, targets, arn, ask).await?;
        let found = |(at, target): (usize, &Target<'_>)| match (of(target.id), notifications.remove(target.id)) {
            (None, _) => Found::Gone,
            (Some(_), Some(Err(error))) => Found::Failed(error),
            (Some(budget), notifications) => tagged::with(tags.remove(&at), |tags| {
                let mut fields = fields(budget, tags);
                // AWS tells what older filters come to as well.
                fields.filter_expression = fields.filter_expression.filter(|_| target.wants("filter_expression"));
                let notifications = notifications.and_then(Result::ok).unwrap_or_default();
                fields.notifications_with_subscribers = (!notifications.is_empty()).then_some(notifications);
                Found::present(fields, place.outputs(target.id))
            }),
        };
        Ok(targets.iter().enumerate().map(found).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &BudgetResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let budgets = &aws.budgets(cx).await?;
        let place = Place::of(aws, cx).await?;
        let notifications = want.notifications_with_subscribers.as_ref();
        let notifications = notifications.map(|all| all.iter().map(notifications::with_subscribers).collect());
        let tag = |(key, value): (String, String)| sdk::ResourceTag::builder().key(key).value(value).build();
        let tags: Result<Vec<_>, _> = with_intent(&want.tags, intent).into_iter().map(tag).collect();
        let request = budgets
            .create_budget()
            .account_id(&place.account)
            .budget(to_sdk(want)?)
            .set_notifications_with_subscribers(notifications.transpose()?)
            .set_resource_tags(Some(tags.map_err(incomplete)?));
        match budgets.write("CreateBudget", || request.clone().send()).await {
            Ok(_) => Ok(place.created(&want.budget_name)),
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &BudgetResolved,
        change: &BudgetChange,
    ) -> Result<Option<BudgetOutputs>, CloudError> {
        let budgets = &aws.budgets(cx).await?;
        let place = Place::of(aws, cx).await?;
        if changes_budget(change) {
            let request = budgets.describe_budget().account_id(&place.account).budget_name(id);
            let answer = budgets.read("DescribeBudget", || request.clone().send()).await?;
            let there = answer.budget.map(|budget| fields(&budget, TagMap::new()));
            let next = there.map_or_else(|| want.clone(), |there| filled(want, change, there));
            let request = budgets.update_budget().account_id(&place.account).new_budget(to_sdk(&next)?);
            budgets.write_idempotent("UpdateBudget", || request.clone().send()).await?;
        }
        if change.notifications_with_subscribers.is_some() {
            let want = want.notifications_with_subscribers.as_deref().unwrap_or_default();
            notifications::update(budgets, &place.account, id, want).await?;
        }
        if let Some(change) = &change.tags {
            update_tags(budgets, &place.arn(id), TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&BudgetResolved>) -> Result<(), CloudError> {
        let budgets = &aws.budgets(cx).await?;
        let request = budgets.delete_budget().account_id(aws.account(&cx.provider).await?).budget_name(id);
        match budgets.write_idempotent("DeleteBudget", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &BudgetResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let budgets = &aws.budgets(cx).await?;
        let place = Place::of(aws, cx).await?;
        match tags(budgets, place.arn(&want.budget_name).as_str()).await {
            Ok(tags) => {
                owner::check(&format!("the budget {}", want.budget_name), &tags, intent)?;
                Ok(Some(place.created(&want.budget_name)))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whose budgets they are.
struct Place {
    account: String,
    partition: &'static str,
}

impl Place {
    async fn of(aws: &Aws, cx: &Cx) -> Result<Self, CloudError> {
        Ok(Self { account: aws.account(&cx.provider).await?, partition: partition(&aws.region(&cx.provider).await?) })
    }

    fn arn(&self, name: &str) -> Arn {
        Arn::new(format!("arn:{}:budgets::{}:budget/{name}", self.partition, self.account))
    }

    fn outputs(&self, name: &str) -> BudgetOutputs {
        BudgetOutputs { arn: self.arn(name), account_id: self.account.clone() }
    }

    fn created(&self, name: &str) -> Created<Budget> {
        Created { id: name.to_owned(), outputs: self.outputs(name), complete: true }
    }
}

async fn list(budgets: &Budgets, account: &str, expressions: bool) -> Result<Vec<sdk::Budget>, CloudError> {
    batch::pages(|token| async move {
        let request = budgets
            .describe_budgets()
            .account_id(account)
            .max_results(PAGE)
            .set_show_filter_expression(expressions.then_some(true))
            .set_next_token(token);
        let answer = budgets.read("DescribeBudgets", || request.clone().send()).await?;
        Ok((answer.budgets.unwrap_or_default(), answer.next_token))
    })
    .await
}

async fn tags(budgets: &Budgets, arn: &str) -> Result<TagMap, CloudError> {
    let request = budgets.list_tags_for_resource().resource_arn(arn);
    let answer = budgets.read("ListTagsForResource", || request.clone().send()).await?;
    Ok(answer.resource_tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect())
}

async fn update_tags(budgets: &Budgets, arn: &Arn, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a budget has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = budgets.untag_resource().resource_arn(arn.as_str()).set_resource_tag_keys(Some(keys));
        budgets.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let tag = |(key, value): (String, String)| sdk::ResourceTag::builder().key(key).value(value).build();
        let tags: Result<Vec<_>, _> = delta.set.into_iter().map(tag).collect();
        let request =
            budgets.tag_resource().resource_arn(arn.as_str()).set_resource_tags(Some(tags.map_err(incomplete)?));
        budgets.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// Whether anything changes that the budget itself says.
fn changes_budget(change: &BudgetChange) -> bool {
    change.budget_type.is_some()
        || change.time_unit.is_some()
        || change.budget_limit.is_some()
        || change.planned_budget_limits.is_some()
        || change.cost_filters.is_some()
        || change.cost_types.is_some()
        || change.time_period.is_some()
        || change.auto_adjust_data.is_some()
        || change.filter_expression.is_some()
        || change.metrics.is_some()
        || change.billing_view_arn.is_some()
}

/// What is wished, and of what AWS or somebody else filled in that which goes with it: an update sets the whole budget.
fn filled(want: &BudgetResolved, change: &BudgetChange, there: BudgetResolved) -> BudgetResolved {
    let mut next = want.clone();
    next.time_period = match (next.time_period, there.time_period) {
        // Without a start, AWS would begin anew today.
        (Some(want), Some(there)) => {
            Some(TimePeriodResolved { start: want.start.or(there.start), end: want.end.or(there.end) })
        }
        (want, there) => want.or(there),
    };
    next.billing_view_arn = next.billing_view_arn.or(there.billing_view_arn);
    if next.filter_expression.is_some() {
        next.metrics = next.metrics.or(there.metrics);
    } else {
        // What of it is not sent would become AWS's default again.
        next.cost_types = match (change.cost_types.as_ref().and_then(|c| c.after.as_ref()), there.cost_types) {
            (None, there) => there.or(next.cost_types),
            (Some(want), Some(there)) => Some(blocks::cost_types_with(want, &there)),
            (Some(want), None) => Some(want.clone()),
        };
        if next.cost_filters.is_none() && change.cost_filters.is_none() && change.filter_expression.is_none() {
            next.cost_filters = there.cost_filters;
        }
    }
    // Of a program that sets no limit, the limits are somebody else's, in whichever of their forms.
    let limited =
        next.budget_limit.is_some() || next.planned_budget_limits.is_some() || next.auto_adjust_data.is_some();
    if !limited {
        next.auto_adjust_data = there.auto_adjust_data.filter(|_| change.auto_adjust_data.is_none());
        next.planned_budget_limits = there.planned_budget_limits.filter(|_| change.planned_budget_limits.is_none());
        if next.planned_budget_limits.is_none() && next.auto_adjust_data.is_none() {
            next.budget_limit = there.budget_limit;
        }
    }
    next
}

#[allow(deprecated)] // AWS still takes cost filters and types, and most budgets have them
fn to_sdk(want: &BudgetResolved) -> Result<sdk::Budget, CloudError> {
    let planned = want.planned_budget_limits.as_ref().map(|limits| {
        limits.iter().map(|(at, limit)| Ok((at.clone(), blocks::spend(limit)?))).collect::<Result<_, CloudError>>()
    });
    let filter = want
        .filter_expression
        .as_ref()
        .map(|json| Expression::read("filter_expression", json).and_then(|expression| expression::to_sdk(&expression)));
    let metrics = want.metrics.as_ref().map(|all| all.iter().map(|m| m.as_str().into()).collect());
    sdk::Budget::builder()
        .budget_name(&want.budget_name)
        .budget_type(want.budget_type.as_str().into())
        .time_unit(want.time_unit.as_str().into())
        .set_budget_limit(want.budget_limit.as_ref().map(blocks::spend).transpose()?)
        .set_planned_budget_limits(planned.transpose()?)
        .set_cost_filters(want.cost_filters.clone().map(|filters| filters.into_iter().collect()))
        .set_cost_types(want.cost_types.as_ref().map(blocks::cost_types))
        .set_time_period(want.time_period.as_ref().map(blocks::time_period).transpose()?)
        .set_auto_adjust_data(want.auto_adjust_data.as_ref().map(blocks::auto_adjust).transpose()?)
        .set_filter_expression(filter.transpose()?)
        .set_metrics(metrics)
        .set_billing_view_arn(want.billing_view_arn.as_ref().map(Arn::to_string))
        .build()
        .map_err(incomplete)
}

#[allow(deprecated)] // as in `to_sdk`
fn fields(budget: &sdk::Budget, tags: TagMap) -> BudgetResolved {
    let planned: BTreeMap<_, _> =
        budget.planned_budget_limits().into_iter().flatten().map(|(at, l)| (at.clone(), blocks::spend_of(l))).collect();
    let filters: BTreeMap<_, _> =
        budget.cost_filters().into_iter().flatten().map(|(key, values)| (key.clone(), values.clone())).collect();
    let metrics: Vec<_> = budget.metrics().iter().map(|m| m.as_str().to_owned()).collect();
    BudgetResolved {
        budget_name: budget.budget_name.clone(),
        budget_type: budget.budget_type.as_str().to_owned(),
        time_unit: budget.time_unit.as_str().to_owned(),
        budget_limit: budget.budget_limit().map(blocks::spend_of),
        planned_budget_limits: (!planned.is_empty()).then_some(planned),
        cost_filters: (!filters.is_empty()).then_some(filters),
        cost_types: budget.cost_types().map(blocks::cost_types_of),
        time_period: budget.time_period().map(blocks::time_period_of),
        auto_adjust_data: budget.auto_adjust_data().map(blocks::auto_adjust_of),
        filter_expression: budget.filter_expression().map(|e| expression::from_sdk(e).to_json()),
        metrics: (!metrics.is_empty()).then_some(metrics),
        billing_view_arn: budget.billing_view_arn().map(Arn::new),
        notifications_with_subscribers: None,
        tags,
    }
}
