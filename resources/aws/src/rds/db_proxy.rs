//! `aws:rds:DbProxy`, with its target group and the targets in it.
//!
//! moto knows no changes of a proxy, and shows nothing of a target but its name; both are tested against answers in the form of the API's model.

use std::collections::BTreeSet;

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::db_proxy_blocks::{ConnectionPool, ProxyAuth, auth, auth_of, pool, pool_of};
use super::describe::{name, named, picked, same_name, with_tags};
use super::parameters::gone;
use super::{Rds, describe, listed, lower, missing, once_assumable, once_settled, tagging, texts};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::forms::{in_order_of, off_is_unset};
use crate::ids::{DbClusterId, DbInstanceId, DbProxyName, SecurityGroupId, SubnetId};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;
use crate::wait::{Stage, until};

/// The only target group that a proxy has.
const GROUP: &str = "default";
/// The field that a proxy is looked up by.
const NAME: &str = "db_proxy_name";

/// A pool of connections between clients and a database.
///
/// A change of the name renames the proxy. Resources that refer to its outputs follow with the next `up`, since its address changes with it.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBProxy.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:DbProxy",
    terraform = "aws_db_proxy",
    cloudformation = "AWS::RDS::DBProxy",
    identity = NaturalKey,
    unique(db_proxy_name)
)]
pub struct DbProxy {
    /// The name, unique in account and region. A change renames the proxy.
    #[field(normalize = lower)]
    pub db_proxy_name: Input<String>,
    /// Which protocol it speaks: `MYSQL`, `POSTGRESQL` or `SQLSERVER`.
    #[field(replace)]
    pub engine_family: Input<String>,
    /// The role by which the proxy reads the secrets.
    pub role_arn: Input<Arn>,
    /// The subnets, in at least two zones of one VPC.
    #[field(replace, set)]
    pub vpc_subnet_ids: Input<Vec<SubnetId>>,
    /// The security groups. Unset, it is the VPC's default one.
    #[field(set, cloud_default)]
    pub vpc_security_group_ids: Option<Input<Vec<SecurityGroupId>>>,
    /// How the proxy proves to the database who it is, where `auth` says nothing of it: `NONE` (AWS's default) or `IAM_AUTH`.
    #[field(cloud_default)]
    pub default_auth_scheme: Option<Input<String>>,
    /// The ways in which clients prove who they are.
    #[field(set)]
    pub auth: Option<Input<Vec<ProxyAuth>>>,
    /// Whether clients must use TLS. AWS's default: no.
    #[field(normalize = off_is_unset)]
    pub require_tls: Option<Input<bool>>,
    /// After how many seconds without a word a client is put off, 1 to 28800. AWS's default: 1800.
    #[field(cloud_default)]
    pub idle_client_timeout: Option<Input<i32>>,
    /// Whether statements are logged, for one day. AWS's default: no.
    #[field(normalize = off_is_unset)]
    pub debug_logging: Option<Input<bool>>,
    /// By which addresses clients reach it: `IPV4` (AWS's default), `IPV6` or `DUAL`.
    #[field(replace, cloud_default)]
    pub endpoint_network_type: Option<Input<String>>,
    /// By which addresses it reaches the database: `IPV4` (AWS's default) or `IPV6`.
    #[field(replace, cloud_default)]
    pub target_connection_network_type: Option<Input<String>>,
    /// How it keeps its connections to the database.
    #[field(cloud_default)]
    pub connection_pool_config: Option<Input<ConnectionPool>>,
    /// The instance that it leads to.
    #[field(set)]
    pub db_instance_identifiers: Option<Input<Vec<DbInstanceId>>>,
    /// The cluster that it leads to.
    #[field(set)]
    pub db_cluster_identifiers: Option<Input<Vec<DbClusterId>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DbProxyOutputs {
    /// The name. It changes only when the proxy is renamed.
    pub db_proxy_name: DbProxyName,
    /// The ARN.
    pub arn: Arn,
    /// The host name to connect to. It changes only when the proxy is renamed.
    pub endpoint: Option<String>,
    /// The VPC.
    pub vpc_id: Option<crate::ids::VpcId>,
}

impl Manage for DbProxy {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| name(t, NAME));
        let proxies = named(names, |name| describe::proxy(rds, name), || describe::proxies(rds)).await?;
        let found = picked(targets, NAME, &proxies, sdk::DbProxy::db_proxy_name);
        let arn = sdk::DbProxy::db_proxy_arn;
        let shown = |target: &Target<'_>, proxy: &sdk::DbProxy, tags| shown(rds, target, proxy, tags);
        let mut told = with_tags(aws, cx, rds, targets, &found, arn, shown).await?;
        // RDS tells the target group and the targets of one proxy at a time.
        let there = |at: usize| matches!(told[at], Found::Present { .. });
        let pools: Vec<_> = targets
            .iter()
            .enumerate()
            .filter(|(at, t)| there(*at) && t.wants("connection_pool_config"))
            .map(|(at, t)| (at, name(t, NAME)))
            .collect();
        let targeted: Vec<_> = targets
            .iter()
            .enumerate()
            .filter(|(at, t)| there(*at) && (t.wants("db_instance_identifiers") || t.wants("db_cluster_identifiers")))
            .map(|(at, t)| (at, name(t, NAME)))
            .collect();
        let pools = batch::each(pools, |(at, name)| async move { Ok((at, gone(group(rds, name).await))) });
        let targeted = batch::each(targeted, |(at, name)| async move { Ok((at, gone(members(rds, name).await))) });
        let (pools, targeted) = futures::try_join!(pools, targeted)?;
        for (at, answer) in pools {
            match (answer, &mut told[at]) {
                (Ok(Some(group)), Found::Present { fields, .. }) => {
                    fields.connection_pool_config = group.connection_pool_config().map(pool_of);
                }
                (Ok(None), slot) => *slot = Found::Gone,
                (Err(error), slot) => *slot = Found::Failed(error),
                (Ok(Some(_)), _) => {}
            }
        }
        for (at, answer) in targeted {
            match (answer, &mut told[at]) {
                (Ok(Some(members)), Found::Present { fields, .. }) => {
                    fields.db_instance_identifiers =
                        listed(members.instances.into_iter().map(DbInstanceId::new).collect());
                    fields.db_cluster_identifiers =
                        listed(members.clusters.into_iter().map(DbClusterId::new).collect());
                }
                (Ok(None), slot) => *slot = Found::Gone,
                (Err(error), slot) => *slot = Found::Failed(error),
                (Ok(Some(_)), _) => {}
            }
        }
        Ok(told)
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DbProxyResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let request = rds
            .create_db_proxy()
            .db_proxy_name(&want.db_proxy_name)
            .engine_family(want.engine_family.as_str().into())
            .role_arn(want.role_arn.as_str())
            .set_vpc_subnet_ids(texts(Some(&want.vpc_subnet_ids)))
            .set_vpc_security_group_ids(texts(want.vpc_security_group_ids.as_ref()))
            .set_default_auth_scheme(want.default_auth_scheme.as_deref().map(Into::into))
            .set_auth(auth(want.auth.as_ref()))
            .set_require_tls(want.require_tls)
            .set_idle_client_timeout(want.idle_client_timeout)
            .set_debug_logging(want.debug_logging)
            .set_endpoint_network_type(want.endpoint_network_type.as_deref().map(Into::into))
            .set_target_connection_network_type(want.target_connection_network_type.as_deref().map(Into::into))
            .set_tags(tagging::marked(&want.tags, intent));
        let send = || rds.write("CreateDBProxy", || request.clone().send());
        let answer = match once_assumable(cx, send).await {
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                match describe::proxy(rds, &want.db_proxy_name).await? {
                    // One of this name is only just going away.
                    Some(proxy) if state(&proxy) == "deleting" => {
                        left(rds, cx, &want.db_proxy_name).await?;
                        once_assumable(cx, send).await?
                    }
                    // Perhaps this very intent's, made by a call whose answer was lost.
                    _ => return Self::find(aws, cx, want, intent).await?.ok_or(taken),
                }
            }
            answer => answer?,
        };
        let made = answer.db_proxy.as_ref().and_then(created);
        made.ok_or_else(|| rds.unexpected("CreateDBProxy", "the answer names no proxy"))
    }

    async fn finish(aws: &Aws, cx: &Cx, _: &str, want: &DbProxyResolved) -> Result<Option<DbProxyOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = want.db_proxy_name.as_str();
        let proxy = available(rds, cx, name).await?;
        if let Some(config) = &want.connection_pool_config {
            modify_group(rds, cx, name, pool(config)).await?;
        }
        // Targets that others gave it meanwhile are not the program's to take away if it names none.
        if want.db_instance_identifiers.is_some() || want.db_cluster_identifiers.is_some() {
            retarget(rds, cx, name, want).await?;
        }
        Ok(outputs(&proxy))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &DbProxyResolved,
        change: &DbProxyChange,
    ) -> Result<Option<DbProxyOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let new = want.db_proxy_name.as_str();
        let old = change.db_proxy_name.as_ref().and_then(|c| c.before.as_deref()).unwrap_or(new);
        let proxy = match describe::proxy(rds, old).await? {
            Some(proxy) => proxy,
            // Renamed by a call whose answer was lost.
            None => describe::proxy(rds, new).await?.ok_or_else(|| missing(rds, "DescribeDBProxies", old))?,
        };
        let now = proxy.db_proxy_name().unwrap_or(old);
        let renamed = !same_name(Some(now), new);
        let changed = change.role_arn.is_some()
            || change.vpc_security_group_ids.is_some()
            || change.default_auth_scheme.is_some()
            || change.auth.is_some()
            || change.require_tls.is_some()
            || change.idle_client_timeout.is_some()
            || change.debug_logging.is_some();
        if changed || renamed {
            let request = rds
                .modify_db_proxy()
                .db_proxy_name(now)
                .set_new_db_proxy_name(renamed.then(|| new.to_owned()))
                .set_role_arn(change.role_arn.as_ref().map(|_| want.role_arn.to_string()))
                .set_security_groups(change.vpc_security_group_ids.as_ref().and_then(|c| texts(c.after.as_ref())))
                .set_default_auth_scheme(
                    change.default_auth_scheme.as_ref().and_then(|c| c.after.as_deref()).map(Into::into),
                )
                .set_auth(change.auth.as_ref().map(|c| auth(c.after.as_ref()).unwrap_or_default()))
                .set_require_tls(change.require_tls.as_ref().map(|c| c.after.unwrap_or(false)))
                .set_idle_client_timeout(change.idle_client_timeout.as_ref().and_then(|c| c.after))
                .set_debug_logging(change.debug_logging.as_ref().map(|c| c.after.unwrap_or(false)));
            let send = || rds.write_idempotent("ModifyDBProxy", || request.clone().send());
            once_settled(cx, || once_assumable(cx, send)).await?;
        }
        let proxy = available(rds, cx, new).await?;
        if let Some(config) = change.connection_pool_config.as_ref().and_then(|c| c.after.as_ref()) {
            modify_group(rds, cx, new, pool(config)).await?;
        }
        if change.db_instance_identifiers.is_some() || change.db_cluster_identifiers.is_some() {
            retarget(rds, cx, new, want).await?;
        }
        tagging::update(rds, proxy.db_proxy_arn(), change.tags.as_ref()).await?;
        Ok(outputs(&proxy))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&DbProxyResolved>) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = was.map_or(id, |was| was.db_proxy_name.as_str());
        match describe::proxy(rds, name).await? {
            None => return Ok(()),
            Some(proxy) if state(&proxy) == "deleting" => {}
            Some(_) => {
                let request = rds.delete_db_proxy().db_proxy_name(name);
                let send = || rds.write_idempotent("DeleteDBProxy", || request.clone().send());
                match once_settled(cx, send).await {
                    Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
                    done => drop(done?),
                }
            }
        }
        left(rds, cx, name).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DbProxyResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_proxy_name;
        let Some(proxy) = describe::proxy(rds, name).await? else { return Ok(None) };
        let ours = tagging::check(rds, &format!("the proxy {name}"), proxy.db_proxy_arn(), intent).await?;
        Ok(created(&proxy).filter(|_| ours && state(&proxy) != "deleting"))
    }
}

fn state(proxy: &sdk::DbProxy) -> &str {
    proxy.status().map_or("in no state", sdk::DbProxyStatus::as_str)
}

fn created(proxy: &sdk::DbProxy) -> Option<Created<DbProxy>> {
    let outputs = outputs(proxy)?;
    Some(Created { id: outputs.db_proxy_name.to_string(), outputs, complete: false })
}

fn outputs(proxy: &sdk::DbProxy) -> Option<DbProxyOutputs> {
    Some(DbProxyOutputs {
        db_proxy_name: DbProxyName::new(proxy.db_proxy_name()?),
        arn: Arn::new(proxy.db_proxy_arn()?),
        endpoint: proxy.endpoint.clone(),
        vpc_id: proxy.vpc_id().map(crate::ids::VpcId::new),
    })
}

fn shown(rds: &Rds, target: &Target<'_>, proxy: &sdk::DbProxy, tags: TagMap) -> Found<DbProxy> {
    if state(proxy) == "deleting" {
        return Found::Gone;
    }
    let Some(outputs) = outputs(proxy) else {
        return Found::Failed(rds.unexpected("DescribeDBProxies", "the answer holds a proxy without an ARN"));
    };
    let fields = DbProxyResolved {
        db_proxy_name: outputs.db_proxy_name.to_string(),
        engine_family: proxy.engine_family.clone().unwrap_or_default(),
        role_arn: Arn::new(proxy.role_arn().unwrap_or_default()),
        vpc_subnet_ids: proxy.vpc_subnet_ids().iter().map(SubnetId::new).collect(),
        vpc_security_group_ids: Some(proxy.vpc_security_group_ids().iter().map(SecurityGroupId::new).collect()),
        default_auth_scheme: proxy.default_auth_scheme.clone(),
        auth: listed(in_order_of::<ProxyAuth>(target.inputs.get("auth"), auth_of(proxy.auth()))),
        require_tls: proxy.require_tls,
        idle_client_timeout: proxy.idle_client_timeout,
        debug_logging: proxy.debug_logging,
        endpoint_network_type: proxy.endpoint_network_type().map(|kind| kind.as_str().to_owned()),
        target_connection_network_type: proxy.target_connection_network_type().map(|kind| kind.as_str().to_owned()),
        connection_pool_config: None,
        db_instance_identifiers: None,
        db_cluster_identifiers: None,
        tags,
    };
    Found::present(fields, outputs)
}

async fn available(rds: &Rds, cx: &Cx, name: &str) -> Result<sdk::DbProxy, CloudError> {
    until(cx, &format!("db proxy {name}"), || async {
        let Some(proxy) = describe::proxy(rds, name).await? else {
            return Ok(Stage::Waiting("not listed yet".to_owned()));
        };
        match state(&proxy) {
            "available" => Ok(Stage::Ready(proxy)),
            state @ ("incompatible-network" | "insufficient-resource-limits" | "suspended") => {
                let why = describe::reason(rds, sdk::SourceType::DbProxy, name).await;
                let hint = match state {
                    "incompatible-network" => {
                        "see that the subnets have free addresses, and that the VPC resolves names"
                    }
                    "insufficient-resource-limits" => {
                        "the account has reached a limit: of proxies, or of network interfaces"
                    }
                    _ => "RDS has suspended it, since nothing used it or its database is gone",
                };
                Err(CloudError::local(ErrorKind::Other, format!("db proxy {name} is {state}: {why}")).hint(hint))
            }
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await
}

/// Waits until the proxy is gone.
async fn left(rds: &Rds, cx: &Cx, name: &str) -> Result<(), CloudError> {
    until(cx, &format!("db proxy {name}"), || async {
        Ok(match describe::proxy(rds, name).await? {
            None => Stage::Ready(()),
            Some(proxy) => Stage::Waiting(state(&proxy).to_owned()),
        })
    })
    .await
}

async fn group(rds: &Rds, name: &str) -> Result<sdk::DbProxyTargetGroup, CloudError> {
    let request = rds.describe_db_proxy_target_groups().db_proxy_name(name);
    let answer = rds.read("DescribeDBProxyTargetGroups", || request.clone().send()).await?;
    let groups = answer.target_groups.unwrap_or_default();
    let group = groups.into_iter().find(|g| g.target_group_name() == Some(GROUP));
    group.ok_or_else(|| rds.unexpected("DescribeDBProxyTargetGroups", format!("{name} has no target group {GROUP}")))
}

async fn modify_group(
    rds: &Rds,
    cx: &Cx,
    name: &str,
    config: sdk::ConnectionPoolConfiguration,
) -> Result<(), CloudError> {
    let request =
        rds.modify_db_proxy_target_group().db_proxy_name(name).target_group_name(GROUP).connection_pool_config(config);
    let send = || rds.write_idempotent("ModifyDBProxyTargetGroup", || request.clone().send());
    once_settled(cx, send).await.map(drop)
}

/// What a proxy leads to.
#[derive(Debug, Default, PartialEq)]
struct Members {
    instances: BTreeSet<String>,
    clusters: BTreeSet<String>,
}

async fn members(rds: &Rds, name: &str) -> Result<Members, CloudError> {
    let targets = batch::pages(|marker| async move {
        let request = rds.describe_db_proxy_targets().db_proxy_name(name).target_group_name(GROUP).set_marker(marker);
        let answer = rds.read("DescribeDBProxyTargets", || request.clone().send()).await?;
        Ok((answer.targets.unwrap_or_default(), answer.marker))
    });
    Ok(sorted(&targets.await?))
}

/// A cluster's instances are told beside it; they came with it.
fn sorted(targets: &[sdk::DbProxyTarget]) -> Members {
    let mut members = Members::default();
    for target in targets {
        let Some(id) = target.rds_resource_id.clone() else { continue };
        match target.r#type() {
            Some(sdk::TargetType::TrackedCluster) => {
                members.clusters.insert(id);
            }
            Some(sdk::TargetType::RdsInstance) if target.tracked_cluster_id().is_none_or(str::is_empty) => {
                members.instances.insert(id);
            }
            _ => {}
        }
    }
    members
}

/// Leads the proxy to what is wished. A proxy leads to one database, so the old one leaves before the new one comes.
async fn retarget(rds: &Rds, cx: &Cx, name: &str, want: &DbProxyResolved) -> Result<(), CloudError> {
    let set = |ids: Option<Vec<String>>| ids.into_iter().flatten().collect::<BTreeSet<_>>();
    let want = Members {
        instances: set(texts(want.db_instance_identifiers.as_ref())),
        clusters: set(texts(want.db_cluster_identifiers.as_ref())),
    };
    let there = members(rds, name).await?;
    let minus = |a: &BTreeSet<String>, b: &BTreeSet<String>| listed(a.difference(b).cloned().collect());
    let (instances, clusters) = (minus(&there.instances, &want.instances), minus(&there.clusters, &want.clusters));
    if instances.is_some() || clusters.is_some() {
        let request = rds
            .deregister_db_proxy_targets()
            .db_proxy_name(name)
            .target_group_name(GROUP)
            .set_db_instance_identifiers(instances)
            .set_db_cluster_identifiers(clusters);
        let send = || rds.write_idempotent("DeregisterDBProxyTargets", || request.clone().send());
        match once_settled(cx, send).await {
            Err(error) if error.code.as_deref() == Some("DBProxyTargetNotFoundFault") => {}
            done => drop(done?),
        }
    }
    let (instances, clusters) = (minus(&want.instances, &there.instances), minus(&want.clusters, &there.clusters));
    if instances.is_some() || clusters.is_some() {
        let request = rds
            .register_db_proxy_targets()
            .db_proxy_name(name)
            .target_group_name(GROUP)
            .set_db_instance_identifiers(instances)
            .set_db_cluster_identifiers(clusters);
        let send = || rds.write_idempotent("RegisterDBProxyTargets", || request.clone().send());
        match once_settled(cx, send).await {
            Err(error) if error.code.as_deref() == Some("DBProxyTargetAlreadyRegisteredFault") => {}
            done => drop(done?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clusters_instances_are_not_targets_of_their_own() {
        let target = |kind: sdk::TargetType, id: &str, cluster: Option<&str>| {
            sdk::DbProxyTarget::builder()
                .r#type(kind)
                .rds_resource_id(id)
                .set_tracked_cluster_id(cluster.map(str::to_owned))
                .build()
        };
        let targets = [
            target(sdk::TargetType::TrackedCluster, "main", None),
            target(sdk::TargetType::RdsInstance, "main-1", Some("main")),
            target(sdk::TargetType::RdsInstance, "other", None),
        ];
        let members = sorted(&targets);
        assert_eq!(members.instances, BTreeSet::from(["other".to_owned()]));
        assert_eq!(members.clusters, BTreeSet::from(["main".to_owned()]));
    }
}
