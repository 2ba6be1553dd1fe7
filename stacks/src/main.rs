//! The Phoenix platform. One component each for what was a Terraform module; `dev.toml`, `staging.toml` and `prod.toml` say how large.
//!
//! | component | what it stands up |
//! |---|---|
//! | [`networking`] | VPC, subnets, NAT, network ACLs, endpoints, flow logs, the databases' private zone |
//! | [`security`] | permissions boundary, bastion, VPN, secrets; once an account: trail, Config, GuardDuty, Security Hub |
//! | [`eks`] | the Kubernetes cluster, its nodes, add-ons and who may do what |
//! | [`rds`] | PostgreSQL |
//! | [`backups`] | AWS Backup, and a bucket for exports |
//! | [`alerting`] | topics by tier, alarms, rules, a dashboard |
//! | [`cost`] | the budget, and a look-out for anomalies |

mod alerting;
mod backups;
mod config;
mod cost;
mod eks;
mod networking;
mod platform;
mod rds;
mod security;
#[cfg(test)]
mod tests;

use phx::aws::eks::kubeconfig;
use phx::prelude::*;

use config::Config;
use platform::Platform;

fn main() -> ExitCode {
    phx::main(platform)
}

fn platform(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    config.check(stack.stack_name().as_str())?;
    let parts = config.components;

    let scopes = (stack.component("networking")?, stack.component("security")?);
    let boundary = if parts.security { Some(security::boundary(&scopes.1, &config)?) } else { None };
    let vpc = networking::vpc(&scopes.0, &config)?;
    let platform = Platform { config: &config, vpc, boundary };
    let network = networking::declare(&scopes.0, &platform)?;
    stack.export("vpc", platform.vpc.id())?;
    stack.export("public_subnets", network.public_subnets.clone())?;
    stack.export("private_subnets", network.private_subnets.clone())?;
    stack.export("database_subnets", network.database_subnets.clone())?;
    stack.export("internal_security_group", network.internal.id())?;
    stack.export("nat_addresses", network.nat_addresses.clone())?;

    let security = if parts.security { Some(security::declare(&scopes.1, &platform, &network)?) } else { None };
    let bastion = security.as_ref().and_then(|s| s.bastion.as_ref());
    let kubernetes = if parts.eks {
        Some(eks::declare(&stack.component("eks")?, &platform, &network, bastion.map(|(_, group)| group))?)
    } else {
        None
    };
    // Who may ask the database.
    let mut clients = Vec::new();
    if let Some(kubernetes) = &kubernetes {
        clients.push(("nodes", kubernetes.cluster.cluster_security_group_id()));
    }
    if let Some((_, group)) = bastion {
        clients.push(("bastion", group.id()));
    }
    let postgres = if parts.database {
        Some(rds::declare(&stack.component("rds")?, &platform, &network, &clients)?)
    } else {
        None
    };
    if let (Some((_, group)), Some(postgres)) = (bastion, &postgres) {
        rds::allow_out(&scopes.1, "bastion-database", group.id(), postgres)?;
    }
    let backups = if parts.backups { Some(backups::declare(&stack.component("backups")?, &platform)?) } else { None };
    let topics = if parts.alerting {
        let watched = alerting::Watched {
            nat_gateways: &network.nat_gateways,
            kubernetes: kubernetes.as_ref(),
            postgres: postgres.as_ref(),
            security: security.as_ref(),
            backups: backups.as_ref(),
        };
        Some(alerting::declare(&stack.component("alerting")?, &platform, &watched)?)
    } else {
        None
    };
    if parts.cost {
        cost::declare(&stack.component("cost")?, &platform, topics.as_ref())?;
    }

    if let Some(kubernetes) = &kubernetes {
        stack.export("cluster_name", kubernetes.cluster.name())?;
        stack.export("cluster_endpoint", kubernetes.cluster.endpoint())?;
        stack.export("cluster_certificate_authority", kubernetes.cluster.certificate_authority_data())?;
        stack.export("cluster_oidc_issuer", kubernetes.cluster.oidc_issuer())?;
        stack.export("cluster_oidc_provider", kubernetes.oidc.arn())?;
        let (cluster, region) = (&kubernetes.cluster, config.region());
        let access = kubeconfig(cluster.name(), cluster.endpoint(), cluster.certificate_authority_data(), region);
        stack.export("kubeconfig", access)?;
    }
    if let Some(postgres) = &postgres {
        stack.export("database_address", postgres.instance.address())?;
        stack.export("database_port", postgres.instance.port())?;
        stack.export("database_secret", postgres.secret.clone())?;
        if let Some(replica) = &postgres.replica {
            stack.export("database_replica_address", replica.address())?;
        }
    }
    if let Some(security) = &security {
        if let Some((bastion, _)) = &security.bastion {
            stack.export("bastion", bastion.id())?;
        }
        stack.export("secrets", security.secrets.clone())?;
    }
    verify(stack, &config, kubernetes.as_ref(), postgres.as_ref())?;
    if let Some(backups) = &backups {
        stack.export("backup_vault", backups.vault.backup_vault_name())?;
        stack.export("backup_bucket", backups.bucket.bucket())?;
    }
    if let Some(topics) = &topics {
        stack.export("critical_topic", topics.critical.arn())?;
        stack.export("warning_topic", topics.warning.arn())?;
    }
    Ok(())
}

/// What has to be true after every `up`, as AWS tells it: what a person would look at first.
fn verify(
    stack: &Stack,
    config: &Config,
    kubernetes: Option<&eks::Kubernetes>,
    postgres: Option<&rds::Postgres>,
) -> Result<()> {
    if let Some(kubernetes) = kubernetes {
        let version = Check::resource(&kubernetes.cluster).field("version").equals(config.eks.version.as_str());
        stack.verify("cluster-version", version)?;
        stack.verify("cluster-endpoint", Check::resource(&kubernetes.cluster).field("endpoint").is_set())?;
    }
    if let Some(postgres) = postgres {
        let instance = || Check::resource(&postgres.instance);
        stack.verify("database-encrypted", instance().field("storage_encrypted").equals(true))?;
        stack.verify("database-private", instance().field("publicly_accessible").equals(false))?;
        let days = config.database.backup_retention_days;
        stack.verify("database-backups", instance().field("backup_retention_period").at_least(days))?;
    }
    Ok(())
}
