//! The add-ons, and the IAM roles of the service accounts that need one.

use phx::aws::eks::{Addon, NodeGroup, PodIdentityAssociation};
use phx::aws::iam::policy::{PolicyDocument, Statement};
use phx::aws::iam::{Role, RolePolicy};
use phx::model::value::Json;
use phx::prelude::*;

use super::Kubernetes;
use crate::platform::Platform;

/// The add-ons that every cluster has.
pub(crate) const ADDONS: [&str; 6] =
    ["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver", "metrics-server"];

/// Those that nodes need to become ready: they are DaemonSets, which are installed without any.
pub(super) fn before_nodes(
    scope: &Scope,
    platform: &Platform<'_>,
    kubernetes: &Kubernetes,
) -> Result<Vec<Handle<Addon>>> {
    let policy = "AmazonEKS_CNI_Policy";
    let (role, options) = service_account_role(scope, platform, kubernetes, "vpc-cni", "aws-node", policy)?;
    let cni = addon(platform, kubernetes, "vpc-cni")
        .service_account_role_arn(role.arn())
        .configuration_values(Json::parse(r#"{"enableNetworkPolicy":"true"}"#)?);
    Ok(vec![
        scope.add_with("vpc-cni", cni, options)?,
        scope.add("kube-proxy", addon(platform, kubernetes, "kube-proxy"))?,
        scope.add("eks-pod-identity-agent", addon(platform, kubernetes, "eks-pod-identity-agent"))?,
    ])
}

/// Those that count as installed once their pods run somewhere; and the autoscaler's role.
pub(super) fn after_nodes(
    scope: &Scope,
    platform: &Platform<'_>,
    kubernetes: &Kubernetes,
    groups: &[Handle<NodeGroup>],
) -> Result<()> {
    let after = |options: Options| groups.iter().fold(options, Options::depends_on);
    for name in ["coredns", "metrics-server"] {
        scope.add_with(name, addon(platform, kubernetes, name), after(Options::new()))?;
    }
    let policy = "service-role/AmazonEBSCSIDriverPolicy";
    let (role, options) =
        service_account_role(scope, platform, kubernetes, "ebs-csi", "ebs-csi-controller-sa", policy)?;
    let csi = addon(platform, kubernetes, "aws-ebs-csi-driver").service_account_role_arn(role.arn());
    scope.add_with("aws-ebs-csi-driver", csi, after(options))?;
    autoscaler(scope, platform, kubernetes)
}

fn addon(platform: &Platform<'_>, kubernetes: &Kubernetes, name: &str) -> Addon {
    // What somebody changed in the cluster by hand gives way to what is said here.
    let addon = Addon::new(kubernetes.cluster.name(), name).resolve_conflicts("OVERWRITE");
    match platform.config.eks.addon_versions.get(name) {
        Some(version) => addon.addon_version(version.as_str()),
        None => addon,
    }
}

/// Declares a role that one service account of `kube-system` has by way of the cluster's identity provider. The options are for what uses it:
/// they wait until it may do something.
fn service_account_role(
    scope: &Scope,
    platform: &Platform<'_>,
    kubernetes: &Kubernetes,
    name: &str,
    account: &str,
    policy: &str,
) -> Result<(Handle<Role>, Options)> {
    let trust = PolicyDocument::assume_role_by_service_account(
        kubernetes.oidc.arn(),
        kubernetes.oidc.issuer(),
        "kube-system",
        account,
    );
    let purpose = format!("The Kubernetes service account kube-system/{account}");
    let (role, attached) = platform.role_with(scope, name, &purpose, trust, &[policy])?;
    Ok((role, attached.iter().fold(Options::new(), Options::depends_on)))
}

/// The role of the cluster autoscaler, which it has by EKS Pod Identity. It sees all groups and changes this cluster's own.
fn autoscaler(scope: &Scope, platform: &Platform<'_>, kubernetes: &Kubernetes) -> Result<()> {
    let trust = PolicyDocument::assume_role_by_pod_identity();
    let role = platform.role("cluster-autoscaler", "Changes the number of Kubernetes nodes", trust);
    let role = scope.add("cluster-autoscaler", role)?;
    let see = Statement::allow()
        .sid("See")
        .actions([
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeScalingActivities",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:GetInstanceTypesFromInstanceRequirements",
        ])
        .resource("*");
    let groups = platform.arn_of("eks", "nodegroup/");
    let describe = Statement::allow().sid("Describe").action("eks:DescribeNodegroup").resource(phx::format!(
        "{}{}/*",
        groups,
        platform.config.cluster()
    ));
    let change = Statement::allow()
        .sid("Change")
        .actions(["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"])
        .resource("*")
        .condition(
            "StringEquals",
            format!("aws:ResourceTag/k8s.io/cluster-autoscaler/{}", platform.config.cluster()),
            "owned",
        );
    let policy = PolicyDocument::new().statement(see).statement(describe).statement(change);
    scope.add("cluster-autoscaler", RolePolicy::new(role.role_name(), "scale", policy))?;
    let association =
        PodIdentityAssociation::new(kubernetes.cluster.name(), "kube-system", "cluster-autoscaler", role.arn());
    scope.add("cluster-autoscaler", association)?;
    Ok(())
}
