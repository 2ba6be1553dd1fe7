//! A budget's notifications: read, and changed by their difference.

use std::collections::HashMap;

use aws_sdk_budgets::types as sdk;
use phx_model::CloudError;
use phx_model::error::ErrorKind;

use super::budget_blocks::{NotificationResolved, NotificationWithSubscribersResolved, SubscriberResolved};
use super::{Budgets, incomplete};
use crate::batch;

/// Listings give so many at once.
const PAGE: i32 = 100;
/// Up to so many budgets are asked for their notifications one by one.
const ONE_BY_ONE: usize = 3;

type All = Vec<NotificationWithSubscribersResolved>;

/// The notifications of budgets, by the budgets' names.
pub(super) async fn read(
    budgets: &Budgets,
    account: &str,
    names: &[&str],
) -> Result<HashMap<String, Result<All, CloudError>>, CloudError> {
    let listed = if names.len() > ONE_BY_ONE { list(budgets, account).await } else { Ok(None) };
    let listed = match listed {
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported) => None,
        listed => listed?,
    };
    let listed = &listed;
    let all = batch::each(names, |name| async move {
        let notifications = match listed {
            Some(listed) => Ok(listed.get(*name).cloned().unwrap_or_default()),
            None => one(budgets, account, name).await,
        };
        Ok(((*name).to_owned(), notifications))
    });
    let mut read = HashMap::new();
    let mut unclear = Vec::new();
    for (name, notifications) in all.await? {
        match notifications {
            Ok(notifications) => {
                read.insert(name.clone(), Ok(All::new()));
                unclear.extend(notifications.into_iter().map(|n| (name.clone(), n)));
            }
            Err(error) => {
                read.insert(name, Err(error));
            }
        }
    }
    // Who is told takes a call for each notification.
    let told = batch::each(unclear, |(name, notification)| async move {
        let subscribers = subscribers(budgets, account, &name, &notification).await;
        Ok((name, notification, subscribers))
    });
    for (name, notification, subscribers) in told.await? {
        let Some(slot) = read.get_mut(&name) else { continue };
        match (slot, subscribers) {
            (Ok(all), Ok(subscribers)) => {
                let subscribers = subscribers.iter().map(subscriber_of).collect();
                all.push(NotificationWithSubscribersResolved { notification: of(&notification), subscribers });
            }
            (slot @ Ok(_), Err(error)) => *slot = Err(error),
            (Err(_), _) => {}
        }
    }
    Ok(read)
}

/// The notifications of all budgets of the account.
async fn list(budgets: &Budgets, account: &str) -> Result<Option<HashMap<String, Vec<sdk::Notification>>>, CloudError> {
    let all = batch::pages(|token| async move {
        let request = budgets.describe_budget_notifications_for_account().account_id(account).set_next_token(token);
        let answer = budgets.read("DescribeBudgetNotificationsForAccount", || request.clone().send()).await?;
        Ok((answer.budget_notifications_for_account.unwrap_or_default(), answer.next_token))
    });
    let mut by_name: HashMap<String, Vec<sdk::Notification>> = HashMap::new();
    for budget in all.await? {
        let Some(name) = budget.budget_name else { continue };
        by_name.entry(name).or_default().extend(budget.notifications.unwrap_or_default());
    }
    Ok(Some(by_name))
}

async fn one(budgets: &Budgets, account: &str, name: &str) -> Result<Vec<sdk::Notification>, CloudError> {
    let told = batch::pages(|token| async move {
        let request = budgets
            .describe_notifications_for_budget()
            .account_id(account)
            .budget_name(name)
            .max_results(PAGE)
            .set_next_token(token);
        let answer = budgets.read("DescribeNotificationsForBudget", || request.clone().send()).await?;
        Ok((answer.notifications.unwrap_or_default(), answer.next_token))
    });
    or_none(told.await)
}

/// What is said not to be there is none: the budget itself is.
fn or_none<T>(told: Result<Vec<T>, CloudError>) -> Result<Vec<T>, CloudError> {
    match told {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
        told => told,
    }
}

async fn subscribers(
    budgets: &Budgets,
    account: &str,
    name: &str,
    notification: &sdk::Notification,
) -> Result<Vec<sdk::Subscriber>, CloudError> {
    let told = batch::pages(|token| async move {
        let request = budgets
            .describe_subscribers_for_notification()
            .account_id(account)
            .budget_name(name)
            .notification(plain(notification)?)
            .max_results(PAGE)
            .set_next_token(token);
        let answer = budgets.read("DescribeSubscribersForNotification", || request.clone().send()).await?;
        Ok((answer.subscribers.unwrap_or_default(), answer.next_token))
    });
    or_none(told.await)
}

/// A notification without its state, which is no part of what names it.
fn plain(notification: &sdk::Notification) -> Result<sdk::Notification, CloudError> {
    to_sdk(&of(notification))
}

/// Brings a budget's notifications from what they are to what they shall be.
pub(super) async fn update(
    budgets: &Budgets,
    account: &str,
    budget: &str,
    want: &[NotificationWithSubscribersResolved],
) -> Result<(), CloudError> {
    let mut there = read(budgets, account, &[budget]).await?;
    let there = there.remove(budget).unwrap_or_else(|| Ok(All::new()))?;
    let difference = Difference::of(&there, want);
    // The new ones go last: a budget has ten at most.
    for old in difference.remove {
        let request = budgets
            .delete_notification()
            .account_id(account)
            .budget_name(budget)
            .notification(to_sdk(&old.notification)?);
        match budgets.write_idempotent("DeleteNotification", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            done => drop(done?),
        }
    }
    for (old, new) in difference.change {
        change_subscribers(budgets, account, budget, old, new).await?;
    }
    for new in difference.add {
        let request = budgets
            .create_notification()
            .account_id(account)
            .budget_name(budget)
            .notification(to_sdk(&new.notification)?)
            .set_subscribers(Some(new.subscribers.iter().map(subscriber).collect::<Result<_, _>>()?));
        // Named by all that it is: it is there once, however often it is sent.
        match budgets.write_idempotent("CreateNotification", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            done => drop(done?),
        }
    }
    Ok(())
}

async fn change_subscribers(
    budgets: &Budgets,
    account: &str,
    budget: &str,
    old: &NotificationWithSubscribersResolved,
    new: &NotificationWithSubscribersResolved,
) -> Result<(), CloudError> {
    let notification = to_sdk(&new.notification)?;
    let mut gone: Vec<_> = old.subscribers.iter().filter(|s| !new.subscribers.contains(s)).collect();
    let mut added = Vec::new();
    for add in new.subscribers.iter().filter(|s| !old.subscribers.contains(s)) {
        // One in place of another of its kind is changed: a notification always has someone, and one topic at most.
        let Some(at) = gone.iter().position(|s| s.subscription_type == add.subscription_type) else {
            added.push(add);
            continue;
        };
        let request = budgets
            .update_subscriber()
            .account_id(account)
            .budget_name(budget)
            .notification(notification.clone())
            .old_subscriber(subscriber(gone.swap_remove(at))?)
            .new_subscriber(subscriber(add)?);
        budgets.write_idempotent("UpdateSubscriber", || request.clone().send()).await?;
    }
    for add in added {
        let request = budgets
            .create_subscriber()
            .account_id(account)
            .budget_name(budget)
            .notification(notification.clone())
            .subscriber(subscriber(add)?);
        match budgets.write_idempotent("CreateSubscriber", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            done => drop(done?),
        }
    }
    for old in gone {
        let request = budgets
            .delete_subscriber()
            .account_id(account)
            .budget_name(budget)
            .notification(notification.clone())
            .subscriber(subscriber(old)?);
        match budgets.write_idempotent("DeleteSubscriber", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            done => drop(done?),
        }
    }
    Ok(())
}

/// What is to be done for notifications to become what is wished.
#[derive(Debug, Default)]
struct Difference<'a> {
    remove: Vec<&'a NotificationWithSubscribersResolved>,
    change: Vec<(&'a NotificationWithSubscribersResolved, &'a NotificationWithSubscribersResolved)>,
    add: Vec<&'a NotificationWithSubscribersResolved>,
}

impl<'a> Difference<'a> {
    fn of(there: &'a [NotificationWithSubscribersResolved], want: &'a [NotificationWithSubscribersResolved]) -> Self {
        let mut difference = Self::default();
        let mut left: Vec<_> = there.iter().collect();
        for new in want {
            match left.iter().position(|old| same(&old.notification, &new.notification)) {
                Some(at) => {
                    let old = left.swap_remove(at);
                    let equal = old.subscribers.len() == new.subscribers.len()
                        && old.subscribers.iter().all(|s| new.subscribers.contains(s));
                    if !equal {
                        difference.change.push((old, new));
                    }
                }
                None => difference.add.push(new),
            }
        }
        difference.remove = left;
        difference
    }
}

/// A notification is named by all that it says.
fn same(a: &NotificationResolved, b: &NotificationResolved) -> bool {
    let kind = |n: &NotificationResolved| n.threshold_type.clone().unwrap_or_else(|| "PERCENTAGE".to_owned());
    a.notification_type == b.notification_type
        && a.comparison_operator == b.comparison_operator
        && (a.threshold - b.threshold).abs() < f64::EPSILON
        && kind(a) == kind(b)
}

pub(super) fn to_sdk(want: &NotificationResolved) -> Result<sdk::Notification, CloudError> {
    sdk::Notification::builder()
        .notification_type(want.notification_type.as_str().into())
        .comparison_operator(want.comparison_operator.as_str().into())
        .threshold(want.threshold)
        .set_threshold_type(want.threshold_type.as_deref().map(sdk::ThresholdType::from))
        .build()
        .map_err(incomplete)
}

pub(super) fn with_subscribers(
    want: &NotificationWithSubscribersResolved,
) -> Result<sdk::NotificationWithSubscribers, CloudError> {
    sdk::NotificationWithSubscribers::builder()
        .notification(to_sdk(&want.notification)?)
        .set_subscribers(Some(want.subscribers.iter().map(subscriber).collect::<Result<_, _>>()?))
        .build()
        .map_err(incomplete)
}

fn of(notification: &sdk::Notification) -> NotificationResolved {
    NotificationResolved {
        notification_type: notification.notification_type.as_str().to_owned(),
        comparison_operator: notification.comparison_operator.as_str().to_owned(),
        threshold: notification.threshold,
        threshold_type: Some(notification.threshold_type().map_or("PERCENTAGE", |t| t.as_str()).to_owned()),
    }
}

fn subscriber(want: &SubscriberResolved) -> Result<sdk::Subscriber, CloudError> {
    sdk::Subscriber::builder()
        .subscription_type(want.subscription_type.as_str().into())
        .address(&want.address)
        .build()
        .map_err(incomplete)
}

fn subscriber_of(subscriber: &sdk::Subscriber) -> SubscriberResolved {
    SubscriberResolved {
        subscription_type: subscriber.subscription_type.as_str().to_owned(),
        address: subscriber.address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(threshold: f64, kind: Option<&str>, people: &[&str]) -> NotificationWithSubscribersResolved {
        let person =
            |address: &&str| SubscriberResolved { subscription_type: "EMAIL".into(), address: (*address).to_owned() };
        NotificationWithSubscribersResolved {
            notification: NotificationResolved {
                notification_type: "ACTUAL".into(),
                comparison_operator: "GREATER_THAN".into(),
                threshold,
                threshold_type: kind.map(str::to_owned),
            },
            subscribers: people.iter().map(person).collect(),
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let there = [
            notification(80.0, Some("PERCENTAGE"), &["a", "b"]),
            notification(90.0, Some("PERCENTAGE"), &["a"]),
            notification(70.0, Some("PERCENTAGE"), &["a"]),
        ];
        let want = [
            notification(80.0, None, &["b", "a"]),
            notification(90.0, None, &["c"]),
            notification(100.0, None, &["a"]),
        ];
        let difference = Difference::of(&there, &want);
        assert_eq!(difference.remove, [&there[2]]);
        assert_eq!(difference.change, [(&there[1], &want[1])]);
        assert_eq!(difference.add, [&want[2]]);
    }
}
