//! Who gets in and what he may do: the permissions boundary, the bastion, the VPN, secrets, and what watches over the whole account.
//!
//! Keys and roles are declared where they are used, all in the same way (`platform.rs`): each key is renewed every year and serves one
//! purpose, and each role stays within the boundary.

mod baseline;
mod bastion;

use phx::aws::Arn;
use phx::aws::ec2::vpn_connection::VpnConnection;
use phx::aws::ec2::vpn_gateway::VpnGateway;
use phx::aws::ec2::{Instance, Route, SecurityGroup};
use phx::aws::iam::Policy;
use phx::aws::iam::policy::{PolicyDocument, Statement};
use phx::aws::logs::LogGroup;
use phx::prelude::*;

use crate::config::{Config, Vpn};
use crate::networking::Network;
use crate::platform::Platform;

/// What the rest of the platform needs.
pub(crate) struct Security {
    /// The bastion, if there is one, and what guards it.
    pub bastion: Option<(Handle<Instance>, Handle<SecurityGroup>)>,
    /// Where the account's trail goes, if this stack owns it.
    pub trail: Option<Handle<LogGroup>>,
    /// The applications' secrets.
    pub secrets: Vec<Output<Arn>>,
}

/// Declares the most that any role of the platform may do, whatever its policies allow: nothing that makes more rights, or blinds those who watch.
pub(crate) fn boundary(scope: &Scope, config: &Config) -> Result<Output<Arn>> {
    let all = Statement::allow().sid("Most").action("*").resource("*");
    let rights = Statement::deny()
        .sid("NoMoreRights")
        .actions([
            "iam:AttachUserPolicy",
            "iam:CreateAccessKey",
            "iam:CreateLoginProfile",
            "iam:CreateUser",
            "iam:DeleteRolePermissionsBoundary",
            "iam:PutRolePermissionsBoundary",
            "iam:PutUserPolicy",
            "iam:UpdateAssumeRolePolicy",
            "organizations:*",
            "account:*",
        ])
        .resource("*");
    // A role without the boundary that a role with it may make, or give rights to, is a way around it.
    let others = Statement::deny()
        .sid("NoRoleBeyondTheBoundary")
        .actions(["iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePolicy"])
        .resource("*")
        .condition(
            "StringNotLike",
            "iam:PermissionsBoundary",
            format!("arn:aws:iam::*:policy/{}", config.name("boundary")),
        );
    let own = Statement::deny()
        .sid("NotTheBoundary")
        .actions([
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:SetDefaultPolicyVersion",
        ])
        .resource(format!("arn:aws:iam::*:policy/{}", config.name("boundary")));
    let watch = Statement::deny()
        .sid("NobodyGoesBlind")
        .actions([
            "cloudtrail:DeleteTrail",
            "cloudtrail:StopLogging",
            "cloudtrail:UpdateTrail",
            "config:DeleteConfigurationRecorder",
            "config:DeleteDeliveryChannel",
            "config:StopConfigurationRecorder",
            "guardduty:DeleteDetector",
            "guardduty:UpdateDetector",
            "securityhub:DisableSecurityHub",
            "kms:ScheduleKeyDeletion",
            "backup:DeleteBackupVault",
            "backup:DeleteRecoveryPoint",
        ])
        .resource("*");
    let policy = PolicyDocument::new().statements([all, rights, others, own, watch]);
    let policy = Policy::new(config.name("boundary"), policy).description("The most that a role of Phoenix may do");
    Ok(scope.add("boundary", policy)?.arn())
}

/// Declares the rest.
pub(crate) fn declare(scope: &Scope, platform: &Platform<'_>, network: &Network) -> Result<Security> {
    let config = platform.config;
    let bastion = match &config.security.bastion {
        Some(bastion) => Some(bastion::declare(scope, platform, network, bastion)?),
        None => None,
    };
    if let Some(config) = &config.security.vpn {
        vpn(scope, platform, network, config)?;
    }
    let trail = if config.account_baseline { Some(baseline::declare(scope, platform)?) } else { None };
    Ok(Security { bastion, trail, secrets: secrets(scope, platform)? })
}

/// Room for secrets of applications. phx does not know what is in it.
fn secrets(scope: &Scope, platform: &Platform<'_>) -> Result<Vec<Output<Arn>>> {
    let config = platform.config;
    if config.security.secrets.is_empty() {
        return Ok(Vec::new());
    }
    let key = platform.key(scope, "secrets", "Secrets of applications", Vec::new())?;
    let mut all = Vec::new();
    for name in &config.security.secrets {
        all.push(scope.add_with(name, platform.secret(name, &key), platform.stateful())?.arn());
    }
    Ok(all)
}

/// A site-to-site VPN with two tunnels, and the private subnets' way into it.
fn vpn(scope: &Scope, platform: &Platform<'_>, network: &Network, config: &Vpn) -> Result<()> {
    use phx::aws::ec2::customer_gateway::CustomerGateway;

    let name = platform.name("vpn");
    let theirs = CustomerGateway::new("ipsec.1").ip_address(config.customer_address.as_str()).bgp_asn(config.bgp_asn);
    let theirs = scope.add("vpn", theirs.tag("Name", name.as_str()))?;
    let ours = VpnGateway::new("ipsec.1").vpc_id(platform.vpc.id()).tag("Name", name.as_str());
    let ours = scope.add("vpn", ours)?;
    // Nothing goes by the gateway, and no answer does, but by a route.
    for (letter, table) in &network.private_tables {
        for networks in &config.routes {
            let route = Route::new(table).destination_cidr_block(*networks).virtual_private_gateway(ours.id());
            scope.add(&format!("vpn-{letter}-{}", networks.to_string().replace('/', "-")), route)?;
        }
    }
    let connection = VpnConnection::new("ipsec.1", theirs.id())
        .vpn_gateway_id(ours.id())
        .static_routes_only(true)
        .routes(config.routes.iter().map(ToString::to_string).collect::<Vec<_>>())
        .tag("Name", name);
    scope.add("vpn", connection)?;
    Ok(())
}
