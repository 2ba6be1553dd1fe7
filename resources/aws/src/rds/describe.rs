//! Reading RDS's objects by name.
//!
//! Of most kinds RDS describes either one, by its name, or all. So a few are asked for one by one, and many are picked out of a list of
//! all: a hundred to a page, and few accounts have more.

use std::collections::BTreeSet;
use std::future::Future;

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::{CloudError, Value};

use super::Rds;
use crate::batch;
use crate::client::Aws;
use crate::manage::{Found, Manage, Target};
use crate::tagged::{self, TagMap};

use super::tagging;

/// How many objects a page holds, at most.
const PAGE: i32 = 100;
/// Up to so many objects are asked for one by one, all at once.
const ONE_BY_ONE: usize = 3;
/// Events are told for two weeks; what failed just now failed in this many minutes.
const RECENT: i32 = 6 * 60;

/// RDS keeps most names in lower case, whatever they were given in.
pub(crate) fn same_name(a: Option<&str>, b: &str) -> bool {
    a.is_some_and(|a| a.eq_ignore_ascii_case(b))
}

macro_rules! listings {
    ($($all:ident, $one:ident: $type:ident = $call:ident($operation:literal, $parameter:ident), $items:ident, $name:ident;)*) => {$(
        /// All there are.
        pub(crate) async fn $all(rds: &Rds) -> Result<Vec<sdk::$type>, CloudError> {
            batch::pages(|marker| async move {
                let request = rds.$call().max_records(PAGE).set_marker(marker);
                let answer = rds.read($operation, || request.clone().send()).await?;
                Ok((answer.$items.unwrap_or_default(), answer.marker))
            })
            .await
        }

        /// The one of this name, if there is one.
        pub(crate) async fn $one(rds: &Rds, name: &str) -> Result<Option<sdk::$type>, CloudError> {
            let request = rds.$call().$parameter(name);
            match rds.read($operation, || request.clone().send()).await {
                Ok(answer) => {
                    let found = answer.$items.unwrap_or_default();
                    Ok(found.into_iter().find(|item| same_name(item.$name(), name)))
                }
                Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        }
    )*};
}

listings! {
    instances, instance: DbInstance = describe_db_instances("DescribeDBInstances", db_instance_identifier),
        db_instances, db_instance_identifier;
    clusters, cluster: DbCluster = describe_db_clusters("DescribeDBClusters", db_cluster_identifier),
        db_clusters, db_cluster_identifier;
    subnet_groups, subnet_group: DbSubnetGroup = describe_db_subnet_groups("DescribeDBSubnetGroups", db_subnet_group_name),
        db_subnet_groups, db_subnet_group_name;
    parameter_groups, parameter_group: DbParameterGroup
        = describe_db_parameter_groups("DescribeDBParameterGroups", db_parameter_group_name),
        db_parameter_groups, db_parameter_group_name;
    cluster_parameter_groups, cluster_parameter_group: DbClusterParameterGroup
        = describe_db_cluster_parameter_groups("DescribeDBClusterParameterGroups", db_cluster_parameter_group_name),
        db_cluster_parameter_groups, db_cluster_parameter_group_name;
    option_groups, option_group: OptionGroup = describe_option_groups("DescribeOptionGroups", option_group_name),
        option_groups_list, option_group_name;
    subscriptions, subscription: EventSubscription
        = describe_event_subscriptions("DescribeEventSubscriptions", subscription_name),
        event_subscriptions_list, cust_subscription_id;
    proxies, proxy: DbProxy = describe_db_proxies("DescribeDBProxies", db_proxy_name), db_proxies, db_proxy_name;
}

/// The snapshot of this name, if there is one.
pub(crate) async fn snapshot(rds: &Rds, name: &str) -> Result<Option<sdk::DbSnapshot>, CloudError> {
    let request = rds.describe_db_snapshots().db_snapshot_identifier(name);
    match rds.read("DescribeDBSnapshots", || request.clone().send()).await {
        Ok(answer) => {
            let found = answer.db_snapshots.unwrap_or_default();
            Ok(found.into_iter().find(|s| same_name(s.db_snapshot_identifier(), name)))
        }
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All snapshots that were made on demand: an account may have thousands that RDS makes each night.
pub(crate) async fn manual_snapshots(rds: &Rds) -> Result<Vec<sdk::DbSnapshot>, CloudError> {
    batch::pages(|marker| async move {
        let request = rds.describe_db_snapshots().snapshot_type("manual").max_records(PAGE).set_marker(marker);
        let answer = rds.read("DescribeDBSnapshots", || request.clone().send()).await?;
        Ok((answer.db_snapshots.unwrap_or_default(), answer.marker))
    })
    .await
}

/// The name that an object has now: the one that was last set on it. Its id in the state is the one that it was made with.
pub(crate) fn name<'t>(target: &Target<'t>, field: &str) -> &'t str {
    target.inputs.get(field).and_then(Value::as_str).unwrap_or(target.id)
}

/// Objects by their names: a few one by one, many by listing all.
pub(crate) async fn named<'n, T, One, OneFut, All, AllFut>(
    names: impl IntoIterator<Item = &'n str>,
    one: One,
    all: All,
) -> Result<Vec<T>, CloudError>
where
    One: FnMut(&'n str) -> OneFut,
    OneFut: Future<Output = Result<Option<T>, CloudError>>,
    All: FnOnce() -> AllFut,
    AllFut: Future<Output = Result<Vec<T>, CloudError>>,
{
    let names: BTreeSet<&str> = names.into_iter().collect();
    if names.len() > ONE_BY_ONE {
        return all().await;
    }
    let found = batch::each(names, one).await?;
    Ok(found.into_iter().flatten().collect())
}

/// The object of each target among those that were found.
pub(crate) fn picked<'i, T>(
    targets: &[Target<'_>],
    field: &str,
    items: &'i [T],
    name_of: impl Fn(&T) -> Option<&str>,
) -> Vec<Option<&'i T>> {
    let pick = |target: &Target<'_>| {
        let name = name(target, field);
        items.iter().find(|item| same_name(name_of(item), name))
    };
    targets.iter().map(pick).collect()
}

/// Tells of each object that was found, with its tags, which RDS tells by themselves for these kinds.
pub(crate) async fn with_tags<R: Manage, T>(
    aws: &Aws,
    cx: &Cx,
    rds: &Rds,
    targets: &[Target<'_>],
    items: &[Option<&T>],
    arn: impl Fn(&T) -> Option<&str>,
    present: impl Fn(&Target<'_>, &T, TagMap) -> Found<R>,
) -> Result<Vec<Found<R>>, CloudError> {
    let arn = |at: usize| items[at].and_then(&arn).map(str::to_owned);
    let mut tags = tagged::read(aws, cx, targets, arn, |_, arn| async move { tagging::list(rds, &arn).await }).await?;
    let told = targets.iter().zip(items).enumerate().map(|(at, (target, item))| match (item, tags.remove(&at)) {
        (None, _) | (_, Some(Ok(None))) => Found::Gone,
        (_, Some(Err(error))) => Found::Failed(error),
        (Some(item), Some(Ok(Some(tags)))) => present(target, item, tags),
        (Some(item), None) => present(target, item, TagMap::new()),
    });
    Ok(told.collect())
}

/// What RDS last told of an object, which is the only place where it says why something failed. Nothing if that is not told either.
pub(crate) async fn reason(rds: &Rds, kind: sdk::SourceType, name: &str) -> String {
    let request = rds.describe_events().source_type(kind).source_identifier(name).duration(RECENT);
    let events = match rds.read("DescribeEvents", || request.clone().send()).await {
        Ok(answer) => answer.events.unwrap_or_default(),
        Err(error) => {
            tracing::debug!(%error, "events are not told");
            Vec::new()
        }
    };
    // The newest comes last.
    let messages: Vec<String> = events.into_iter().rev().take(2).filter_map(|event| event.message).collect();
    if messages.is_empty() {
        return "RDS gives no reason".to_owned();
    }
    messages.into_iter().rev().collect::<Vec<_>>().join("; ")
}
