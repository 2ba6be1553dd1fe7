//! A [`NodeGroup`](super::NodeGroup) as EKS has it, and as a program has it.

use std::collections::BTreeMap;

use aws_sdk_eks::operation::update_nodegroup_config::builders::UpdateNodegroupConfigFluentBuilder;
use aws_sdk_eks::operation::update_nodegroup_version::builders::UpdateNodegroupVersionFluentBuilder;
use aws_sdk_eks::types as sdk;
use phx_model::CloudError;

use super::node_group::{NodeGroup, NodeGroupChange, NodeGroupResolved};
use super::node_group_blocks::*;
use super::{Eks, EksClusterName, differs, tag_map, texts, unchangeable};
use crate::arn::Arn;
use crate::ids::{KeyName, LaunchTemplateId, SecurityGroupId, SubnetId};
use crate::manage::Target;

pub(crate) fn scaling(want: &ScalingConfigResolved) -> sdk::NodegroupScalingConfig {
    sdk::NodegroupScalingConfig::builder()
        .set_min_size(want.min_size)
        .set_max_size(want.max_size)
        .set_desired_size(want.desired_size)
        .build()
}

pub(crate) fn remote_access(want: &RemoteAccessResolved) -> sdk::RemoteAccessConfig {
    sdk::RemoteAccessConfig::builder()
        .set_ec2_ssh_key(want.ec2_ssh_key.as_ref().map(KeyName::to_string))
        .set_source_security_groups(want.source_security_groups.as_deref().map(texts))
        .build()
}

pub(crate) fn taint(want: &TaintResolved) -> sdk::Taint {
    sdk::Taint::builder().key(&want.key).effect(want.effect.as_str().into()).set_value(want.value.clone()).build()
}

/// EKS takes the id or the name, not both.
pub(crate) fn launch_template(want: &NodeLaunchTemplateResolved) -> sdk::LaunchTemplateSpecification {
    let name = want.name.clone().filter(|_| want.id.is_none());
    sdk::LaunchTemplateSpecification::builder()
        .set_id(want.id.as_ref().map(ToString::to_string))
        .set_name(name)
        .set_version(want.version.clone())
        .build()
}

pub(crate) fn update_config(want: &NodeUpdateConfigResolved) -> sdk::NodegroupUpdateConfig {
    sdk::NodegroupUpdateConfig::builder()
        .set_max_unavailable(want.max_unavailable)
        .set_max_unavailable_percentage(want.max_unavailable_percentage)
        .set_update_strategy(want.update_strategy.as_deref().map(Into::into))
        .build()
}

pub(crate) fn repair(want: &NodeRepairConfigResolved) -> sdk::NodeRepairConfig {
    let one = |want: &NodeRepairOverrideResolved| {
        sdk::NodeRepairConfigOverrides::builder()
            .node_monitoring_condition(&want.node_monitoring_condition)
            .node_unhealthy_reason(&want.node_unhealthy_reason)
            .min_repair_wait_time_mins(want.min_repair_wait_time_mins)
            .repair_action(want.repair_action.as_str().into())
            .build()
    };
    let overrides = want.node_repair_config_overrides.as_ref().map(|all| all.iter().map(one).collect());
    sdk::NodeRepairConfig::builder()
        .set_enabled(want.enabled)
        .set_max_unhealthy_node_threshold_count(want.max_unhealthy_node_threshold_count)
        .set_max_unhealthy_node_threshold_percentage(want.max_unhealthy_node_threshold_percentage)
        .set_max_parallel_nodes_repaired_count(want.max_parallel_nodes_repaired_count)
        .set_max_parallel_nodes_repaired_percentage(want.max_parallel_nodes_repaired_percentage)
        .set_node_repair_config_overrides(overrides)
        .build()
}

pub(crate) fn warm_pool(want: &WarmPoolConfigResolved) -> sdk::WarmPoolConfig {
    sdk::WarmPoolConfig::builder()
        .set_enabled(want.enabled)
        .set_min_size(want.min_size)
        .set_max_group_prepared_capacity(want.max_group_prepared_capacity)
        .set_pool_state(want.pool_state.as_deref().map(Into::into))
        .set_reuse_on_scale_in(want.reuse_on_scale_in)
        .build()
}

/// A node group's fields; `None` if the answer lacks what every node group has.
pub(crate) fn fields(group: &sdk::Nodegroup, target: Option<&Target<'_>>) -> Option<NodeGroupResolved> {
    // A pool that is switched off is none, unless the program switches it off.
    let off = |pool: &&sdk::WarmPoolConfig| pool.enabled() == Some(false);
    let set = target.is_some_and(|t| t.inputs.contains_key("warm_pool_config"));
    Some(NodeGroupResolved {
        cluster_name: EksClusterName::new(group.cluster_name()?),
        nodegroup_name: group.nodegroup_name()?.to_owned(),
        node_role: Arn::new(group.node_role()?),
        subnets: group.subnets().iter().map(SubnetId::new).collect(),
        scaling_config: group.scaling_config().map(|s| ScalingConfigResolved {
            min_size: s.min_size(),
            max_size: s.max_size(),
            desired_size: s.desired_size(),
        }),
        disk_size: group.disk_size(),
        instance_types: group.instance_types.clone(),
        ami_type: group.ami_type().map(|t| t.as_str().to_owned()),
        capacity_type: group.capacity_type().map(|t| t.as_str().to_owned()),
        remote_access: group.remote_access().map(|r| RemoteAccessResolved {
            ec2_ssh_key: r.ec2_ssh_key().map(KeyName::new),
            source_security_groups: Some(r.source_security_groups().iter().map(SecurityGroupId::new).collect()),
        }),
        labels: Some(tag_map(group.labels())).filter(|labels| !labels.is_empty()),
        taints: Some(group.taints().iter().filter_map(taint_of).collect()),
        launch_template: group.launch_template().map(|t| NodeLaunchTemplateResolved {
            id: t.id().map(LaunchTemplateId::new),
            name: t.name.clone(),
            version: t.version.clone(),
        }),
        update_config: group.update_config().map(|u| NodeUpdateConfigResolved {
            max_unavailable: u.max_unavailable(),
            max_unavailable_percentage: u.max_unavailable_percentage(),
            update_strategy: u.update_strategy().map(|s| s.as_str().to_owned()),
        }),
        node_repair_config: group.node_repair_config().map(repair_of),
        version: group.version.clone(),
        release_version: group.release_version.clone().filter(|v| !v.is_empty()),
        force: None,
        warm_pool_config: group.warm_pool_config().filter(|pool| set || !off(pool)).map(|p| WarmPoolConfigResolved {
            enabled: p.enabled(),
            min_size: p.min_size(),
            max_group_prepared_capacity: p.max_group_prepared_capacity(),
            pool_state: p.pool_state().map(|s| s.as_str().to_owned()),
            reuse_on_scale_in: p.reuse_on_scale_in(),
        }),
        tags: tag_map(group.tags()),
    })
}

fn taint_of(taint: &sdk::Taint) -> Option<TaintResolved> {
    Some(TaintResolved {
        key: taint.key.clone()?,
        effect: taint.effect()?.as_str().to_owned(),
        value: taint.value.clone().filter(|v| !v.is_empty()),
    })
}

fn repair_of(repair: &sdk::NodeRepairConfig) -> NodeRepairConfigResolved {
    let one = |o: &sdk::NodeRepairConfigOverrides| {
        Some(NodeRepairOverrideResolved {
            node_monitoring_condition: o.node_monitoring_condition.clone()?,
            node_unhealthy_reason: o.node_unhealthy_reason.clone()?,
            min_repair_wait_time_mins: o.min_repair_wait_time_mins()?,
            repair_action: o.repair_action()?.as_str().to_owned(),
        })
    };
    NodeRepairConfigResolved {
        enabled: repair.enabled(),
        max_unhealthy_node_threshold_count: repair.max_unhealthy_node_threshold_count(),
        max_unhealthy_node_threshold_percentage: repair.max_unhealthy_node_threshold_percentage(),
        max_parallel_nodes_repaired_count: repair.max_parallel_nodes_repaired_count(),
        max_parallel_nodes_repaired_percentage: repair.max_parallel_nodes_repaired_percentage(),
        node_repair_config_overrides: Some(repair.node_repair_config_overrides().iter().filter_map(one).collect()),
    }
}

/// Refuses what EKS cannot change, before anything is changed. Another template makes a new node group, and does not come here.
pub(crate) fn refuse(
    now: &NodeGroupResolved,
    want: &NodeGroupResolved,
    change: &NodeGroupChange,
) -> Result<(), CloudError> {
    if change.launch_template.is_none() {
        return Ok(());
    }
    let what = format!("the node group {}", now.nodegroup_name);
    match (&now.launch_template, &want.launch_template) {
        (None, Some(_)) => Err(unchangeable(&what, "launch_template, where there was none,")),
        (Some(_), None) => Err(unchangeable(&what, "launch_template to none,")),
        _ => Ok(()),
    }
}

/// The call that brings versions to what is wished, if they are not.
pub(crate) fn version_update(
    eks: &Eks,
    now: &NodeGroupResolved,
    want: &NodeGroupResolved,
    change: &NodeGroupChange,
) -> Option<UpdateNodegroupVersionFluentBuilder> {
    let other = |now: &Option<String>, want: &Option<String>| want.clone().filter(|_| now != want);
    let version = change.version.as_ref().and_then(|_| other(&now.version, &want.version));
    let release = change.release_version.as_ref().and_then(|_| other(&now.release_version, &want.release_version));
    let templated = change.launch_template.is_some() && differs::<NodeGroup>("launch_template", now, want);
    let template = want.launch_template.as_ref().filter(|_| templated);
    if version.is_none() && release.is_none() && template.is_none() {
        return None;
    }
    // Left out, it would become the newest, and there is no way back.
    let release = want.release_version.clone();
    let call = eks
        .update_nodegroup_version()
        .cluster_name(now.cluster_name.as_str())
        .nodegroup_name(&now.nodegroup_name)
        .set_version(version)
        .set_release_version(release)
        .set_launch_template(template.map(launch_template))
        .set_force(want.force)
        .client_request_token(super::token());
    Some(call)
}

/// The call that brings everything but versions to what is wished, if it is not.
pub(crate) fn config_update(
    eks: &Eks,
    now: &NodeGroupResolved,
    want: &NodeGroupResolved,
    change: &NodeGroupChange,
) -> Option<UpdateNodegroupConfigFluentBuilder> {
    let differing = |field| differs::<NodeGroup>(field, now, want);
    let labels = (change.labels.is_some() && differing("labels")).then(|| labels(now, want));
    let taints = (change.taints.is_some() && differing("taints")).then(|| taints(now, want));
    let scaling =
        want.scaling_config.as_ref().filter(|_| change.scaling_config.is_some() && differing("scaling_config"));
    let update = want.update_config.as_ref().filter(|_| change.update_config.is_some() && differing("update_config"));
    let repairs = change.node_repair_config.is_some() && differing("node_repair_config");
    let repairs = want.node_repair_config.as_ref().filter(|_| repairs);
    let pool = (change.warm_pool_config.is_some() && differing("warm_pool_config")).then(|| {
        want.warm_pool_config.as_ref().map_or_else(|| sdk::WarmPoolConfig::builder().enabled(false).build(), warm_pool)
    });
    if labels.is_none()
        && taints.is_none()
        && scaling.is_none()
        && update.is_none()
        && repairs.is_none()
        && pool.is_none()
    {
        return None;
    }
    let call = eks
        .update_nodegroup_config()
        .cluster_name(now.cluster_name.as_str())
        .nodegroup_name(&now.nodegroup_name)
        .set_labels(labels)
        .set_taints(taints)
        .set_scaling_config(scaling.map(|want| rescaled(now.scaling_config.as_ref(), want)))
        .set_update_config(update.map(update_config))
        .set_node_repair_config(repairs.map(repair))
        .set_warm_pool_config(pool)
        .client_request_token(super::token());
    Some(call)
}

/// The size that a node group shall have. The number of nodes of the moment is left to whoever set it, as long as it lies within the bounds.
fn rescaled(now: Option<&ScalingConfigResolved>, want: &ScalingConfigResolved) -> sdk::NodegroupScalingConfig {
    let min = want.min_size.or_else(|| now?.min_size);
    let max = want.max_size.or_else(|| now?.max_size);
    let have = now.and_then(|n| n.desired_size);
    let moved =
        have.map(|have| have.max(min.unwrap_or(have)).min(max.unwrap_or(i32::MAX))).filter(|n| have != Some(*n));
    scaling(&ScalingConfigResolved { min_size: min, max_size: max, desired_size: want.desired_size.or(moved) })
}

fn labels(now: &NodeGroupResolved, want: &NodeGroupResolved) -> sdk::UpdateLabelsPayload {
    let none = BTreeMap::new();
    let (now, want) = (now.labels.as_ref().unwrap_or(&none), want.labels.as_ref().unwrap_or(&none));
    let set: Vec<_> = want.iter().filter(|(k, v)| now.get(*k) != Some(v)).collect();
    let gone: Vec<String> = now.keys().filter(|k| !want.contains_key(*k)).cloned().collect();
    let set = set.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    sdk::UpdateLabelsPayload::builder()
        .set_add_or_update_labels(Some(set).filter(|set: &std::collections::HashMap<_, _>| !set.is_empty()))
        .set_remove_labels(Some(gone).filter(|gone| !gone.is_empty()))
        .build()
}

/// Key and effect together name a taint; its value changes in place.
fn taints(now: &NodeGroupResolved, want: &NodeGroupResolved) -> sdk::UpdateTaintsPayload {
    let (now, want) = (now.taints.as_deref().unwrap_or_default(), want.taints.as_deref().unwrap_or_default());
    let name = |t: &TaintResolved| (t.key.clone(), t.effect.clone());
    let set: Vec<sdk::Taint> = want.iter().filter(|t| !now.contains(t)).map(taint).collect();
    let gone = now.iter().filter(|t| !want.iter().any(|w| name(w) == name(t)));
    let gone: Vec<sdk::Taint> = gone.map(taint).collect();
    sdk::UpdateTaintsPayload::builder()
        .set_add_or_update_taints(Some(set).filter(|set| !set.is_empty()))
        .set_remove_taints(Some(gone).filter(|gone| !gone.is_empty()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(min: Option<i32>, max: Option<i32>, desired: Option<i32>) -> ScalingConfigResolved {
        ScalingConfigResolved { min_size: min, max_size: max, desired_size: desired }
    }

    #[test]
    fn an_autoscalers_number_of_nodes_moves_only_when_it_must() {
        let now = size(Some(1), Some(10), Some(7));
        let sent = |want: ScalingConfigResolved| {
            let sent = rescaled(Some(&now), &want);
            (sent.min_size(), sent.max_size(), sent.desired_size())
        };
        assert_eq!(sent(size(Some(2), Some(8), None)), (Some(2), Some(8), None));
        assert_eq!(sent(size(Some(8), None, None)), (Some(8), Some(10), Some(8)));
        assert_eq!(sent(size(Some(1), Some(3), None)), (Some(1), Some(3), Some(3)));
        assert_eq!(sent(size(None, None, Some(4))), (Some(1), Some(10), Some(4)));
        let fresh = rescaled(None, &size(Some(1), Some(2), None));
        assert_eq!(fresh.desired_size(), None);
    }

    fn group(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> NodeGroupResolved {
        let shown = sdk::Nodegroup::builder()
            .cluster_name("demo")
            .nodegroup_name("workers")
            .node_role("arn:aws:iam::123456789012:role/node")
            .set_labels(Some(labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()))
            .set_taints(Some(
                taints
                    .iter()
                    .map(|(key, value, effect)| {
                        sdk::Taint::builder().key(*key).value(*value).effect((*effect).into()).build()
                    })
                    .collect(),
            ))
            .build();
        fields(&shown, None).unwrap()
    }

    #[test]
    fn labels_and_taints_are_set_and_taken_away_by_name() {
        let now = group(&[("a", "1"), ("b", "1")], &[("gpu", "yes", "NO_SCHEDULE"), ("old", "", "NO_EXECUTE")]);
        let want = group(&[("a", "2")], &[("gpu", "no", "NO_SCHEDULE")]);
        let sent = labels(&now, &want);
        assert_eq!(sent.add_or_update_labels(), Some(&[("a".to_owned(), "2".to_owned())].into()));
        assert_eq!(sent.remove_labels(), ["b"]);
        let sent = taints(&now, &want);
        assert_eq!(sent.add_or_update_taints().iter().map(|t| t.key().unwrap()).collect::<Vec<_>>(), ["gpu"]);
        assert_eq!(sent.remove_taints().iter().map(|t| t.key().unwrap()).collect::<Vec<_>>(), ["old"]);
    }

    #[test]
    fn a_launch_template_neither_comes_nor_goes() {
        let with = |id: Option<&str>, version: &str| NodeGroupResolved {
            launch_template: Some(NodeLaunchTemplateResolved {
                id: id.map(LaunchTemplateId::new),
                name: None,
                version: Some(version.into()),
            }),
            ..group(&[], &[])
        };
        let change = NodeGroupChange {
            launch_template: Some(phx_model::typed::FieldChange { before: None, after: None }),
            ..NodeGroupChange::default()
        };
        let now = with(Some("lt-a"), "1");
        assert!(refuse(&now, &with(Some("lt-a"), "2"), &change).is_ok());
        assert!(refuse(&now, &group(&[], &[]), &change).is_err());
        assert!(refuse(&group(&[], &[]), &now, &change).is_err());
        assert!(refuse(&group(&[], &[]), &now, &NodeGroupChange::default()).is_ok());
    }
}
