//! The parts of a budget, and their forms in the API.

use aws_sdk_budgets::types as sdk;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use phx_model::error::ErrorKind;
use phx_model::{Block, CloudError, Input, Value};

use super::incomplete;

/// An amount, and of what.
#[derive(Clone, Debug, Block)]
pub struct Spend {
    /// The amount: `100`, `99.5`.
    #[field(normalize = amount)]
    pub amount: Input<String>,
    /// The unit: `USD`, `GB`, `PERCENTAGE`.
    pub unit: Input<String>,
}

/// Which kinds of costs count.
#[derive(Clone, Debug, Block)]
pub struct CostTypes {
    /// Taxes. AWS's default: yes.
    #[field(cloud_default)]
    pub include_tax: Option<Input<bool>>,
    /// Subscriptions. AWS's default: yes.
    #[field(cloud_default)]
    pub include_subscription: Option<Input<bool>>,
    /// Whether rates are blended. AWS's default: no.
    #[field(cloud_default)]
    pub use_blended: Option<Input<bool>>,
    /// Refunds. AWS's default: yes.
    #[field(cloud_default)]
    pub include_refund: Option<Input<bool>>,
    /// Credits. AWS's default: yes.
    #[field(cloud_default)]
    pub include_credit: Option<Input<bool>>,
    /// Upfront costs of reservations. AWS's default: yes.
    #[field(cloud_default)]
    pub include_upfront: Option<Input<bool>>,
    /// Recurring fees. AWS's default: yes.
    #[field(cloud_default)]
    pub include_recurring: Option<Input<bool>>,
    /// Subscriptions other than reservations. AWS's default: yes.
    #[field(cloud_default)]
    pub include_other_subscription: Option<Input<bool>>,
    /// Support. AWS's default: yes.
    #[field(cloud_default)]
    pub include_support: Option<Input<bool>>,
    /// Discounts. AWS's default: yes.
    #[field(cloud_default)]
    pub include_discount: Option<Input<bool>>,
    /// Whether costs are amortized. AWS's default: no.
    #[field(cloud_default)]
    pub use_amortized: Option<Input<bool>>,
}

/// For how long a budget is. Times are written `2026-01-01T00:00:00Z`, or `2026-01-01`.
#[derive(Clone, Debug, Block)]
pub struct TimePeriod {
    /// Its start. AWS's default: the beginning of the period in which it is made.
    #[field(cloud_default, normalize = instant)]
    pub start: Option<Input<String>>,
    /// Its end. AWS's default: `2087-06-15T00:00:00Z`.
    #[field(cloud_default, normalize = instant)]
    pub end: Option<Input<String>>,
}

/// How AWS sets the limit by itself.
#[derive(Clone, Debug, Block)]
pub struct AutoAdjustData {
    /// `HISTORICAL` or `FORECAST`.
    pub auto_adjust_type: Input<String>,
    /// What history counts, for `HISTORICAL`.
    pub historical_options: Option<Input<HistoricalOptions>>,
}

/// The history that a limit is computed from.
#[derive(Clone, Debug, Block)]
pub struct HistoricalOptions {
    /// How many periods, 1 to 12 (60 for daily budgets).
    pub budget_adjustment_period: Input<i32>,
}

/// When people are told, and who.
#[derive(Clone, Debug, Block)]
pub struct NotificationWithSubscribers {
    /// When.
    pub notification: Input<Notification>,
    /// Who: one to eleven, at most one of them an SNS topic.
    #[field(set)]
    pub subscribers: Input<Vec<Subscriber>>,
}

/// When people are told.
#[derive(Clone, Debug, Block)]
pub struct Notification {
    /// What is compared: `ACTUAL` or `FORECASTED`.
    pub notification_type: Input<String>,
    /// `GREATER_THAN`, `LESS_THAN` or `EQUAL_TO`.
    pub comparison_operator: Input<String>,
    /// What it is compared with.
    pub threshold: Input<f64>,
    /// What the threshold is: `PERCENTAGE` of the limit (AWS's default), or an `ABSOLUTE_VALUE`.
    #[field(normalize = percentage_is_unset)]
    pub threshold_type: Option<Input<String>>,
}

/// Who is told.
#[derive(Clone, Debug, Block)]
pub struct Subscriber {
    /// `EMAIL` or `SNS`.
    pub subscription_type: Input<String>,
    /// The address, or the topic's ARN.
    pub address: Input<String>,
}

/// What AWS takes a threshold for unless told otherwise.
fn percentage_is_unset(value: &Value) -> Value {
    if value.as_str() == Some("PERCENTAGE") { Value::Null } else { value.expose().clone() }
}

/// AWS writes `100` as `100.0`.
fn amount(value: &Value) -> Value {
    let number = value.as_str().and_then(|text| text.trim().parse().ok());
    number.map_or_else(|| value.expose().clone(), Value::Float)
}

/// AWS tells seconds, however a time was written.
fn instant(value: &Value) -> Value {
    let time = value.as_str().and_then(|text| time(text).ok());
    time.map_or_else(|| value.expose().clone(), |time| Value::Int(time.secs()))
}

fn time(text: &str) -> Result<DateTime, CloudError> {
    let full = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    DateTime::from_str(&full, Format::DateTimeWithOffset).map_err(|e| {
        CloudError::local(ErrorKind::Invalid, format!("{text:?} is no time: {e}"))
            .hint("write it as 2026-01-01T00:00:00Z, or 2026-01-01")
    })
}

pub(super) fn spend(want: &SpendResolved) -> Result<sdk::Spend, CloudError> {
    sdk::Spend::builder().amount(&want.amount).unit(&want.unit).build().map_err(incomplete)
}

pub(super) fn spend_of(spend: &sdk::Spend) -> SpendResolved {
    SpendResolved { amount: spend.amount.clone(), unit: spend.unit.clone() }
}

pub(super) fn cost_types(want: &CostTypesResolved) -> sdk::CostTypes {
    sdk::CostTypes::builder()
        .set_include_tax(want.include_tax)
        .set_include_subscription(want.include_subscription)
        .set_use_blended(want.use_blended)
        .set_include_refund(want.include_refund)
        .set_include_credit(want.include_credit)
        .set_include_upfront(want.include_upfront)
        .set_include_recurring(want.include_recurring)
        .set_include_other_subscription(want.include_other_subscription)
        .set_include_support(want.include_support)
        .set_include_discount(want.include_discount)
        .set_use_amortized(want.use_amortized)
        .build()
}

pub(super) fn cost_types_of(types: &sdk::CostTypes) -> CostTypesResolved {
    CostTypesResolved {
        include_tax: types.include_tax,
        include_subscription: types.include_subscription,
        use_blended: types.use_blended,
        include_refund: types.include_refund,
        include_credit: types.include_credit,
        include_upfront: types.include_upfront,
        include_recurring: types.include_recurring,
        include_other_subscription: types.include_other_subscription,
        include_support: types.include_support,
        include_discount: types.include_discount,
        use_amortized: types.use_amortized,
    }
}

/// What is wished of kinds of costs, and of the others what is there.
pub(super) fn cost_types_with(want: &CostTypesResolved, there: &CostTypesResolved) -> CostTypesResolved {
    CostTypesResolved {
        include_tax: want.include_tax.or(there.include_tax),
        include_subscription: want.include_subscription.or(there.include_subscription),
        use_blended: want.use_blended.or(there.use_blended),
        include_refund: want.include_refund.or(there.include_refund),
        include_credit: want.include_credit.or(there.include_credit),
        include_upfront: want.include_upfront.or(there.include_upfront),
        include_recurring: want.include_recurring.or(there.include_recurring),
        include_other_subscription: want.include_other_subscription.or(there.include_other_subscription),
        include_support: want.include_support.or(there.include_support),
        include_discount: want.include_discount.or(there.include_discount),
        use_amortized: want.use_amortized.or(there.use_amortized),
    }
}

pub(super) fn time_period(want: &TimePeriodResolved) -> Result<sdk::TimePeriod, CloudError> {
    let at = |text: &Option<String>| text.as_deref().map(time).transpose();
    Ok(sdk::TimePeriod::builder().set_start(at(&want.start)?).set_end(at(&want.end)?).build())
}

pub(super) fn time_period_of(period: &sdk::TimePeriod) -> TimePeriodResolved {
    let text = |time: Option<&DateTime>| time.and_then(|t| DateTime::from_secs(t.secs()).fmt(Format::DateTime).ok());
    TimePeriodResolved { start: text(period.start()), end: text(period.end()) }
}

pub(super) fn auto_adjust(want: &AutoAdjustDataResolved) -> Result<sdk::AutoAdjustData, CloudError> {
    let history = want.historical_options.as_ref().map(|options| {
        sdk::HistoricalOptions::builder()
            .budget_adjustment_period(options.budget_adjustment_period)
            .build()
            .map_err(incomplete)
    });
    sdk::AutoAdjustData::builder()
        .auto_adjust_type(want.auto_adjust_type.as_str().into())
        .set_historical_options(history.transpose()?)
        .build()
        .map_err(incomplete)
}

pub(super) fn auto_adjust_of(data: &sdk::AutoAdjustData) -> AutoAdjustDataResolved {
    AutoAdjustDataResolved {
        auto_adjust_type: data.auto_adjust_type.as_str().to_owned(),
        historical_options: data
            .historical_options()
            .map(|o| HistoricalOptionsResolved { budget_adjustment_period: o.budget_adjustment_period }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_one_however_they_are_written() {
        let text = |text: &str| Value::String(text.into());
        assert_eq!(amount(&text("100")), amount(&text("100.0")));
        assert_ne!(amount(&text("100")), amount(&text("100.5")));
        assert_eq!(amount(&text("many")), text("many"));
        assert_eq!(instant(&text("2026-01-01")), instant(&text("2026-01-01T00:00:00Z")));
        assert_eq!(instant(&text("2026-01-01T01:00:00+01:00")), instant(&text("2026-01-01")));
        assert!(time("soon").is_err());
        let period = TimePeriodResolved { start: Some("2026-01-01".into()), end: None };
        let told = time_period_of(&time_period(&period).unwrap());
        assert_eq!(told.start.as_deref(), Some("2026-01-01T00:00:00Z"));
    }
}
