//! Budgets and their notifications. Nothing is ever spent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, GLOBAL, Model, Tags};
use super::shape::{json_answer, limit, now, page, tag_answer, tags_of, text, unknown};
use super::wire::Fault;

/// Lists tell so many at once.
const PAGE: usize = 1000;
/// Until when a budget is that names no end: 2087-06-15, in seconds.
const END: i64 = 3_706_473_600;
/// A budget has so many notifications at most, and one of them so many subscribers.
const NOTIFICATIONS: usize = 10;
const SUBSCRIBERS: usize = 11;

#[derive(Clone, Serialize, Deserialize)]
struct Notification {
    notification: Value,
    subscribers: Vec<Value>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Budget {
    budget: Value,
    notifications: Vec<Notification>,
    tags: Tags,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Budgets {
    budgets: BTreeMap<String, Budget>,
}

fn absent(what: impl std::fmt::Display) -> Fault {
    Fault::new("NotFoundException", format!("Unable to get {what} - it doesn't exist."))
}

fn taken(what: impl std::fmt::Display) -> Fault {
    Fault::new("DuplicateRecordException", format!("Error creating {what} - it already exists."))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", message)
}

fn arn(name: &str) -> String {
    format!("arn:aws:budgets::{ACCOUNT_ID}:budget/{name}")
}

/// A budget with what AWS fills in.
fn filled(budget: &Value) -> Result<Value, Fault> {
    for needed in ["BudgetName", "TimeUnit", "BudgetType"] {
        text(budget, needed).map_err(|_| invalid(format!("{needed} must not be null")))?;
    }
    if budget["BudgetName"].as_str().is_some_and(|name| name.contains([':', '\\'])) {
        return Err(invalid("BudgetName must have neither : nor \\"));
    }
    let mut budget = budget.clone();
    let limits = ["BudgetLimit", "PlannedBudgetLimits", "AutoAdjustData"];
    if limits.iter().filter(|l| !budget[**l].is_null()).count() != 1 {
        return Err(invalid(format!("A budget has one of {}", limits.join(", "))));
    }
    let Value::Object(fields) = &mut budget else { return Err(invalid("Budget must not be null")) };
    fields.retain(|_, value| !value.is_null());
    if !fields.contains_key("FilterExpression") {
        let all = json!({"IncludeTax": true, "IncludeSubscription": true, "UseBlended": false, "IncludeRefund": true,
                         "IncludeCredit": true, "IncludeUpfront": true, "IncludeRecurring": true, "IncludeOtherSubscription": true,
                         "IncludeSupport": true, "IncludeDiscount": true, "UseAmortized": false});
        let set = fields.entry("CostTypes").or_insert_with(|| json!({}));
        for (kind, on) in all.as_object().into_iter().flatten() {
            if set[kind].is_null() {
                set[kind] = on.clone();
            }
        }
    }
    let begin = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).first_of_month();
    let begin = begin.and_then(|day| day.start_of_day()).map(|day| day.timestamp().as_second());
    let period = fields.entry("TimePeriod").or_insert_with(|| json!({}));
    if period["Start"].is_null() {
        period["Start"] = begin.map_or(Value::Null, Value::from);
    }
    if period["End"].is_null() {
        period["End"] = json!(END);
    }
    fields.insert("CalculatedSpend".to_owned(), json!({"ActualSpend": {"Amount": "0.0", "Unit": "USD"}}));
    fields.insert("LastUpdatedTime".to_owned(), now());
    let view = format!("arn:aws:billing::{ACCOUNT_ID}:billingview/primary");
    fields.entry("BillingViewArn").or_insert_with(|| json!(view));
    Ok(budget)
}

/// What makes a notification another one.
fn key(notification: &Value) -> (String, String, String, String) {
    let text = |name: &str, unset: &str| notification[name].as_str().unwrap_or(unset).to_owned();
    let threshold = notification["Threshold"].as_f64().unwrap_or_default().to_string();
    (text("NotificationType", ""), text("ComparisonOperator", ""), threshold, text("ThresholdType", "PERCENTAGE"))
}

fn made(notification: &Value, subscribers: &Value) -> Result<Notification, Fault> {
    for needed in ["NotificationType", "ComparisonOperator"] {
        text(notification, needed).map_err(|_| invalid(format!("{needed} must not be null")))?;
    }
    let subscribers: Vec<Value> = subscribers.as_array().cloned().unwrap_or_default();
    if subscribers.is_empty() || subscribers.len() > SUBSCRIBERS {
        return Err(invalid(format!("A notification has 1 to {SUBSCRIBERS} subscribers")));
    }
    let mut notification = notification.clone();
    if notification["ThresholdType"].is_null() {
        notification["ThresholdType"] = json!("PERCENTAGE");
    }
    notification["NotificationState"] = json!("OK");
    Ok(Notification { notification, subscribers })
}

impl Budget {
    fn add(&mut self, notification: &Value, subscribers: &Value) -> Result<(), Fault> {
        if self.at(notification).is_ok() {
            return Err(taken("notification"));
        }
        if self.notifications.len() >= NOTIFICATIONS {
            let message = format!("A budget has at most {NOTIFICATIONS} notifications");
            return Err(Fault::new("CreationLimitExceededException", message));
        }
        self.notifications.push(made(notification, subscribers)?);
        Ok(())
    }

    fn at(&self, notification: &Value) -> Result<usize, Fault> {
        let at = self.notifications.iter().position(|n| key(&n.notification) == key(notification));
        at.ok_or_else(|| absent("notification"))
    }

    fn shown(&self) -> Vec<Value> {
        self.notifications.iter().map(|n| n.notification.clone()).collect()
    }

    /// The calls about notifications and who is told.
    fn notify(&mut self, action: &str, body: &Value) -> Result<Value, Fault> {
        let notification = &body["Notification"];
        match action {
            "CreateNotification" => {
                self.add(notification, &body["Subscribers"])?;
                return Ok(json!({}));
            }
            "UpdateNotification" => {
                let at = self.at(&body["OldNotification"])?;
                let subscribers = json!(self.notifications[at].subscribers);
                self.notifications[at] = made(&body["NewNotification"], &subscribers)?;
                return Ok(json!({}));
            }
            _ => {}
        }
        let at = self.at(notification)?;
        let subscribers = &mut self.notifications[at].subscribers;
        let place = |all: &[Value], one: &Value| all.iter().position(|s| s == one).ok_or_else(|| absent("subscriber"));
        match action {
            "DeleteNotification" => {
                self.notifications.remove(at);
            }
            "DescribeSubscribersForNotification" => {
                let all = subscribers.clone();
                let (all, next) = page(all, body["NextToken"].as_str(), limit(&body["MaxResults"], 100))?;
                return Ok(json!({"Subscribers": all, "NextToken": next}));
            }
            "CreateSubscriber" => {
                if subscribers.contains(&body["Subscriber"]) {
                    return Err(taken("subscriber"));
                }
                if subscribers.len() >= SUBSCRIBERS {
                    let message = format!("A notification has at most {SUBSCRIBERS} subscribers");
                    return Err(Fault::new("CreationLimitExceededException", message));
                }
                subscribers.push(body["Subscriber"].clone());
            }
            "UpdateSubscriber" => {
                let old = place(subscribers, &body["OldSubscriber"])?;
                subscribers[old] = body["NewSubscriber"].clone();
            }
            _ => {
                let old = place(subscribers, &body["Subscriber"])?;
                subscribers.remove(old);
                // A notification that tells nobody goes with the last of them.
                if subscribers.is_empty() {
                    self.notifications.remove(at);
                }
            }
        }
        Ok(json!({}))
    }
}

impl Budgets {
    fn budget(&mut self, name: &Value) -> Result<&mut Budget, Fault> {
        let name = name.as_str().unwrap_or_default();
        self.budgets.get_mut(name).ok_or_else(|| absent(format!("budget: {name}")))
    }

    fn tags(&mut self, body: &Value) -> Result<&mut Tags, Fault> {
        let arn = body["ResourceARN"].as_str().unwrap_or_default();
        let name = arn.rsplit_once(":budget/").map(|(_, name)| name).unwrap_or_default();
        self.budgets.get_mut(name).map(|b| &mut b.tags).ok_or_else(|| absent(arn))
    }

    fn create(&mut self, body: &Value) -> Result<Value, Fault> {
        let budget = filled(&body["Budget"])?;
        let name = text(&budget, "BudgetName")?.to_owned();
        if self.budgets.contains_key(&name) {
            return Err(taken(format!("budget: {name}")));
        }
        let tags = tags_of(&body["ResourceTags"], "Key", "Value");
        let mut made = Budget { budget, notifications: Vec::new(), tags };
        for with in body["NotificationsWithSubscribers"].as_array().into_iter().flatten() {
            made.add(&with["Notification"], &with["Subscribers"])?;
        }
        self.budgets.insert(name, made);
        Ok(json!({}))
    }
}

impl Model for Budgets {
    const GLOBAL: bool = true;

    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let tagging = call.action.ends_with("Resource");
        if !tagging && body["AccountId"].as_str() != Some(ACCOUNT_ID) {
            return Err(Fault::new("AccessDeniedException", format!("Account {} is not this one", body["AccountId"])));
        }
        let token = body["NextToken"].as_str();
        let most = limit(&body["MaxResults"], PAGE);
        let shown = |budget: &Budget| {
            let mut shown = budget.budget.clone();
            if body["ShowFilterExpression"] != json!(true)
                && let Value::Object(fields) = &mut shown
            {
                fields.remove("FilterExpression");
            }
            shown
        };
        let result = match call.action.as_str() {
            "CreateBudget" => self.create(&body)?,
            "DescribeBudget" => json!({"Budget": self.budget(&body["BudgetName"])?.budget}),
            "DescribeBudgets" => {
                let (all, next) = page(self.budgets.values().map(shown).collect(), token, most)?;
                json!({"Budgets": all, "NextToken": next})
            }
            "UpdateBudget" => {
                let next = filled(&body["NewBudget"])?;
                let there = self.budget(&next["BudgetName"])?;
                there.budget = next;
                json!({})
            }
            "DeleteBudget" => {
                self.budget(&body["BudgetName"])?;
                self.budgets.remove(body["BudgetName"].as_str().unwrap_or_default());
                json!({})
            }
            "DescribeNotificationsForBudget" => {
                let (all, next) = page(self.budget(&body["BudgetName"])?.shown(), token, most)?;
                json!({"Notifications": all, "NextToken": next})
            }
            "DescribeBudgetNotificationsForAccount" => {
                let of =
                    |(name, budget): (&String, &Budget)| json!({"BudgetName": name, "Notifications": budget.shown()});
                let (all, next) = page(self.budgets.iter().map(of).collect(), token, most)?;
                json!({"BudgetNotificationsForAccount": all, "NextToken": next})
            }
            "CreateNotification"
            | "UpdateNotification"
            | "DeleteNotification"
            | "CreateSubscriber"
            | "UpdateSubscriber"
            | "DeleteSubscriber"
            | "DescribeSubscribersForNotification" => self.budget(&body["BudgetName"])?.notify(&call.action, &body)?,
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                tag_answer(&call.action, &body, "Resource", self.tags(&body)?)
            }
            _ => return unknown("budgets", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let here = self.budgets.iter().filter(|_| region == GLOBAL);
        here.map(|(name, budget)| (arn(name), budget.tags.clone())).collect()
    }
}
