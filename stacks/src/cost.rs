//! What the environment may cost: a budget, and a look-out for costs that are out of the ordinary. Both go by the tag `Environment`, which
//! the stack's `default_tags` put on everything; it has to be activated once as a cost-allocation tag in the billing console.

use phx::aws::budgets::{Budget, Notification, NotificationWithSubscribers, Spend, Subscriber};
use phx::aws::ce::{self, AnomalyMonitor, AnomalySubscription};
use phx::model::value::Json;
use phx::prelude::*;

use crate::alerting::Topics;
use crate::platform::Platform;

/// From which share of the budget on somebody is told, and whether it has been spent or is only foreseen.
const STEPS: [(&str, f64); 4] = [("ACTUAL", 50.0), ("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0)];

/// Declares it.
pub(crate) fn declare(scope: &Scope, platform: &Platform<'_>, topics: Option<&Topics>) -> Result<()> {
    let config = platform.config;
    // A topic reaches everyone; without one, the mail addresses do.
    let mails = || config.alerting.warning_emails.iter().map(String::as_str);
    let told: Vec<Subscriber> = match topics {
        Some(topics) => vec![Subscriber::new("SNS", phx::format!("{}", topics.warning.arn()))],
        None => mails().map(|mail| Subscriber::new("EMAIL", mail)).collect(),
    };
    let steps = STEPS.map(|(kind, percent)| {
        let step = Notification::new(kind, "GREATER_THAN", percent).threshold_type("PERCENTAGE");
        NotificationWithSubscribers::new(step, told.clone())
    });
    let tag = Json::parse(
        &serde_json::json!({ "Tags": { "Key": "Environment", "Values": [config.environment] } }).to_string(),
    )?;
    let budget = Budget::new(platform.name("monthly"), "COST", "MONTHLY")
        .budget_limit(Spend::new(config.cost.monthly_usd.to_string(), "USD"))
        .cost_filters(
            [("TagKeyValue".to_owned(), vec![format!("user:Environment${}", config.environment)])]
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>(),
        )
        .notifications_with_subscribers(steps.to_vec());
    scope.add("monthly", budget)?;

    let monitor = AnomalyMonitor::new(platform.name("anomalies"), "CUSTOM").monitor_specification(tag);
    let monitor = scope.add("anomalies", monitor)?;
    let from = Json::parse(
        &serde_json::json!({ "Dimensions": {
            "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
            "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
            "Values": [config.cost.anomaly_usd.to_string()],
        } })
        .to_string(),
    )?;
    // AWS tells topics at once, and mail addresses once a day.
    let (frequency, told) = match topics {
        Some(topics) => ("IMMEDIATE", vec![ce::Subscriber::new(phx::format!("{}", topics.warning.arn()), "SNS")]),
        None => ("DAILY", mails().map(|mail| ce::Subscriber::new(mail, "EMAIL")).collect()),
    };
    let subscription = AnomalySubscription::new(platform.name("anomalies"), frequency, [monitor.arn()], told)
        .threshold_expression(from);
    scope.add("anomalies", subscription)?;
    Ok(())
}
