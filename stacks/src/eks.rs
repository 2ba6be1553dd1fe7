//! The Kubernetes cluster: private, with encrypted secrets, all logs, and nothing in it that is not said here.
//!
//! | file | what is declared there |
//! |---|---|
//! | this one | the control plane, its key and its logs |
//! | `eks/access.rs` | who may do what in it |
//! | `eks/nodes.rs` | the groups of nodes |
//! | `eks/addons.rs` | the add-ons, and the roles of service accounts |

mod access;
mod addons;
mod nodes;

use phx::aws::ec2::{SecurityGroup, SecurityGroupIngressRule};
use phx::aws::eks::{AccessConfig, Cluster, EncryptionConfig, EncryptionProvider, Logging, VpcConfig};
use phx::aws::iam::OidcProvider;
use phx::aws::iam::policy::PolicyDocument;
use phx::aws::logs::LogGroup;
use phx::prelude::*;

use crate::networking::Network;
use crate::platform::Platform;

pub(crate) use addons::ADDONS;
pub(crate) use nodes::taint;

/// What the rest of the platform needs of the cluster.
pub(crate) struct Kubernetes {
    /// The control plane.
    pub cluster: Handle<Cluster>,
    /// What vouches for its service accounts.
    pub oidc: Handle<OidcProvider>,
    /// Where the control plane's logs go.
    pub logs: Handle<LogGroup>,
}

/// Declares it. People reach the API server from the bastion, if there is one.
pub(crate) fn declare(
    scope: &Scope,
    platform: &Platform<'_>,
    network: &Network,
    bastion: Option<&Handle<SecurityGroup>>,
) -> Result<Kubernetes> {
    let config = &platform.config.eks;
    let name = platform.config.cluster();

    // EKS makes the log group when it is not there, without retention or a key, and leaves it behind: so it is there before the cluster.
    let group = format!("/aws/eks/{name}/cluster");
    let key = platform.key(
        scope,
        "eks",
        "Secrets and logs of the Kubernetes cluster",
        vec![platform.key_for_logs(&group)],
    )?;
    let logs = LogGroup::new(group).retention_in_days(config.log_retention_days).kms_key_id(key.arn());
    let logs = scope.add("control-plane", logs)?;

    let trust = PolicyDocument::assume_role_by_service("eks.amazonaws.com");
    let (role, attached) = platform.role_with(
        scope,
        "cluster",
        "What the Kubernetes control plane may do in the account",
        trust,
        &["AmazonEKSClusterPolicy"],
    )?;

    let public = !config.public_access_cidrs.is_empty();
    let mut place =
        VpcConfig::new(network.private_subnets.clone()).endpoint_private_access(true).endpoint_public_access(public);
    if public {
        place =
            place.public_access_cidrs(config.public_access_cidrs.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    let cluster = Cluster::new(name, role.arn(), place)
        .version(config.version.as_str())
        .logging(Logging::new(["api", "audit", "authenticator", "controllerManager", "scheduler"]))
        .encryption_config([EncryptionConfig::new(EncryptionProvider::new(key.arn())).resources(["secrets"])])
        .access_config(
            // Whoever makes the cluster may also set up what is in it: that is phx itself.
            AccessConfig::new().authentication_mode("API").bootstrap_cluster_creator_admin_permissions(true),
        )
        // The add-ons are declared, with their versions: EKS shall not install others before.
        .bootstrap_self_managed_addons(false)
        .deletion_protection(platform.config.protect());
    let options = attached.iter().fold(platform.stateful().depends_on(&logs), Options::depends_on);
    let cluster = scope.add_with("cluster", cluster, options)?;

    let oidc = OidcProvider::new(cluster.oidc_issuer()).client_id_list(["sts.amazonaws.com"]);
    let oidc = scope.add("cluster", oidc)?;
    let kubernetes = Kubernetes { cluster, oidc, logs };
    let_people_in(scope, platform, &kubernetes, bastion)?;
    access::declare(scope, platform, &kubernetes)?;
    let early = addons::before_nodes(scope, platform, &kubernetes)?;
    let groups = nodes::declare(scope, platform, network, &kubernetes, &early)?;
    addons::after_nodes(scope, platform, &kubernetes, &groups)?;
    Ok(kubernetes)
}

/// Lets people ask the API server, from the bastion and from the networks behind the VPN. The group that EKS makes lets nobody in but the nodes.
fn let_people_in(
    scope: &Scope,
    platform: &Platform<'_>,
    kubernetes: &Kubernetes,
    bastion: Option<&Handle<SecurityGroup>>,
) -> Result<()> {
    let rule = |who: &str| {
        SecurityGroupIngressRule::new(kubernetes.cluster.cluster_security_group_id(), "tcp")
            .from_port(443)
            .to_port(443)
            .description(format!("The API server from {who}"))
    };
    if let Some(group) = bastion {
        scope.add("api-bastion", rule("the bastion").referenced_group_id(group.id()))?;
    }
    for networks in platform.config.vpn_routes() {
        let name = format!("api-vpn-{}", networks.to_string().replace('/', "-"));
        scope.add(&name, rule("behind the VPN").cidr_ip(*networks))?;
    }
    Ok(())
}
