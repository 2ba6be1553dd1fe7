//! The groups of nodes, each with a launch template: encrypted disks, and credentials that no pod can take from its node.

use std::collections::BTreeMap;

use phx::aws::ec2::{
    LaunchTemplate, LaunchTemplateBlockDevice, LaunchTemplateData, LaunchTemplateEbs, LaunchTemplateMetadataOptions,
    LaunchTemplateTags,
};
use phx::aws::eks::{Addon, NodeGroup, NodeLaunchTemplate, NodeUpdateConfig, ScalingConfig, Taint};
use phx::aws::iam::policy::PolicyDocument;
use phx::prelude::*;

use super::Kubernetes;
use crate::config;
use crate::networking::Network;
use crate::platform::Platform;

/// Declares the groups, which begin once the network plug-in and the others of `early` are installed.
pub(super) fn declare(
    scope: &Scope,
    platform: &Platform<'_>,
    network: &Network,
    kubernetes: &Kubernetes,
    early: &[Handle<Addon>],
) -> Result<Vec<Handle<NodeGroup>>> {
    // The network plug-in's rights are its service account's own, and not those of every pod on a node.
    let (role, attached) = platform.role_with(
        scope,
        "node",
        "What the Kubernetes nodes may do in the account",
        PolicyDocument::assume_role_by_service("ec2.amazonaws.com"),
        &["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonSSMManagedInstanceCore"],
    )?;
    let mut groups = Vec::new();
    for (name, config) in &platform.config.eks.node_groups {
        let template = scope.add(name, template(platform, name, config))?;
        let template =
            NodeLaunchTemplate::new().id(template.id()).version(phx::format!("{}", template.latest_version_number()));
        let scaling = ScalingConfig::new()
            .min_size(config.min)
            .max_size(config.max)
            .desired_size(config.desired.unwrap_or(config.min));
        let mut labels = config.labels.clone();
        labels.insert("phoenix/node-group".into(), name.clone());
        let mut group = NodeGroup::new(
            kubernetes.cluster.name(),
            format!("{}-{:08x}", platform.name(name), kind_of(config)),
            role.arn(),
            network.private_subnets.clone(),
        )
        .ami_type(if is_arm(&config.instance_types) { "AL2023_ARM_64_STANDARD" } else { "AL2023_x86_64_STANDARD" })
        // The nodes follow when the cluster goes up; left out, they would stay what they were made as.
        .version(platform.config.eks.version.as_str())
        .capacity_type(if config.spot { "SPOT" } else { "ON_DEMAND" })
        .instance_types(config.instance_types.clone())
        .scaling_config(scaling)
        .update_config(NodeUpdateConfig::new().max_unavailable_percentage(config.max_unavailable_percentage))
        .launch_template(template)
        .labels(labels);
        let taints: Vec<Taint> = config.taints.iter().filter_map(|t| taint(t)).collect();
        if !taints.is_empty() {
            group = group.taints(taints);
        }
        let mut options = early.iter().fold(Options::new(), Options::depends_on);
        options = attached.iter().fold(options, Options::depends_on);
        if config.desired.is_none() {
            // From the first day on, the autoscaler says how many there are.
            options = options.ignore_changes(["scaling_config.desired_size"]);
        }
        groups.push(scope.add_with(name, group, options)?);
    }
    Ok(groups)
}

/// A number that stands for what AWS cannot change of a group: part of the name, so that a group of another kind comes up beside the old one,
/// before that one's nodes are drained. Two of one name cannot be. FNV-1a: the same in every release of the program.
fn kind_of(config: &config::NodeGroup) -> u32 {
    let kind = format!("{} {}", config.instance_types.join(" "), config.spot);
    kind.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What a node of a group is made from.
fn template(platform: &Platform<'_>, name: &str, config: &config::NodeGroup) -> LaunchTemplate {
    let disk = LaunchTemplateEbs::new()
        .volume_size(config.disk_gib)
        .volume_type("gp3")
        .encrypted(true)
        .delete_on_termination(true);
    let data = LaunchTemplateData::new()
        .block_device_mappings([LaunchTemplateBlockDevice::new().device_name("/dev/xvda").ebs(disk)])
        // One hop: the answer does not reach a pod's own network, so a pod has its service account's rights and not its node's.
        .metadata_options(
            LaunchTemplateMetadataOptions::new()
                .http_endpoint("enabled")
                .http_tokens("required")
                .http_put_response_hop_limit(1),
        )
        .tag_specifications(["instance", "volume"].map(|kind| {
            let name = platform.name(&format!("node-{name}"));
            let mut tags = BTreeMap::from([
                ("Name".to_owned(), name),
                ("Project".to_owned(), "phoenix".to_owned()),
                ("Environment".to_owned(), platform.config.environment.clone()),
                ("ManagedBy".to_owned(), "phx".to_owned()),
            ]);
            if let Some(center) = &platform.config.cost.center {
                tags.insert("CostCenter".to_owned(), center.clone());
            }
            LaunchTemplateTags::new(kind).tags(tags)
        }));
    LaunchTemplate::new(platform.name(&format!("node-{name}")), data)
}

/// Whether the machines are of the ARM architecture: the letter `g` after the generation says so, as in `m7g.large`.
fn is_arm(types: &[String]) -> bool {
    types.iter().all(|t| {
        let family = t.split('.').next().unwrap_or(t);
        family
            .trim_start_matches(|c: char| c.is_ascii_alphabetic())
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .starts_with('g')
    })
}

/// A taint as the configuration writes it: `dedicated=monitoring:NoSchedule`.
pub(crate) fn taint(text: &str) -> Option<Taint> {
    let (pair, effect) = text.rsplit_once(':')?;
    let (key, value) = pair.split_once('=')?;
    let effect = match effect {
        "NoSchedule" => "NO_SCHEDULE",
        "PreferNoSchedule" => "PREFER_NO_SCHEDULE",
        "NoExecute" => "NO_EXECUTE",
        _ => return None,
    };
    (!key.is_empty()).then(|| Taint::new(key, effect).value(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_follows_from_the_kind_of_machine() {
        for (kind, arm) in [
            ("t4g.medium", true),
            ("m7g.large", true),
            ("c6gn.xlarge", true),
            ("m6i.large", false),
            ("g5.xlarge", false),
        ] {
            assert_eq!(is_arm(&[kind.to_owned()]), arm, "{kind}");
        }
    }

    #[test]
    fn a_group_of_another_kind_has_another_name() {
        let of = |types: &[&str], spot| {
            let types = types.iter().map(|t| format!("{t:?}")).collect::<Vec<_>>().join(", ");
            let text = format!("instance_types = [{types}]\nspot = {spot}\nmin = 1\nmax = 2\ndisk_gib = 20\n");
            let source = phx::model::config::ConfigSource { file: "group".into(), text, reserved: &[] };
            kind_of(&source.read().unwrap())
        };
        assert_eq!(of(&["a"], false), of(&["a"], false));
        let all = [of(&["a"], false), of(&["a"], true), of(&["a", "b"], false), of(&["b"], false)];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
    }

    #[test]
    fn a_taint_has_a_key_a_value_and_an_effect_that_kubernetes_knows() {
        assert!(taint("dedicated=monitoring:NoSchedule").is_some());
        for wrong in ["dedicated", "dedicated=x", "dedicated:NoSchedule", "dedicated=x:Never", "=x:NoExecute"] {
            assert!(taint(wrong).is_none(), "{wrong}");
        }
    }
}
