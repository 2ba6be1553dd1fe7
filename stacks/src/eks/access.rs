//! Who may do what in the cluster: an IAM role for each kind of person, and its entry in the cluster, which maps it to groups of RBAC.

use phx::aws::Arn;
use phx::aws::eks::{AccessEntry, AccessPolicyAssociation, AccessScope};
use phx::aws::iam::RolePolicy;
use phx::aws::iam::policy::{PolicyDocument, Principal, Statement};
use phx::prelude::*;

use super::Kubernetes;
use crate::platform::Platform;

/// Declares the roles and entries that the configuration names.
pub(super) fn declare(scope: &Scope, platform: &Platform<'_>, kubernetes: &Kubernetes) -> Result<()> {
    for (name, access) in &platform.config.eks.access {
        let trust = Statement::allow().action("sts:AssumeRole");
        let trust = if access.trusted.is_empty() {
            trust.principal(Principal::aws(phx::format!("arn:aws:iam::{}:root", platform.account()))).condition(
                "Bool",
                "aws:MultiFactorAuthPresent",
                "true",
            )
        } else {
            access.trusted.iter().fold(trust, |t, who| t.principal(Principal::aws(who.as_str())))
        };
        let what = format!("cluster-{name}");
        let role = platform.role(
            &what,
            &format!("People who are {name} of the Kubernetes cluster"),
            PolicyDocument::new().statement(trust),
        );
        let role = scope.add(&what, role)?;
        // `aws eks update-kubeconfig` asks for the cluster.
        let find = Statement::allow().action("eks:DescribeCluster").resource(kubernetes.cluster.arn());
        scope.add(&what, RolePolicy::new(role.role_name(), "find-cluster", PolicyDocument::new().statement(find)))?;

        let mut entry = AccessEntry::new(kubernetes.cluster.name(), role.arn()).r#type("STANDARD");
        if !access.groups.is_empty() {
            entry = entry.kubernetes_groups(access.groups.clone());
        }
        let entry = scope.add(name, entry)?;
        if let Some(policy) = &access.policy {
            let policy = Arn::new(format!("arn:aws:eks::aws:cluster-access-policy/{policy}"));
            let everywhere = AccessScope::new("cluster");
            let association =
                AccessPolicyAssociation::new(kubernetes.cluster.name(), entry.principal_arn(), policy, everywhere);
            scope.add(name, association)?;
        }
    }
    Ok(())
}
