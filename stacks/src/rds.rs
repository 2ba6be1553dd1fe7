//! PostgreSQL: encrypted, reached by TLS and from the nodes only, with a password that is in Secrets Manager.

use phx::aws::Arn;
use phx::aws::ec2::{SecurityGroup, SecurityGroupEgressRule, SecurityGroupId, SecurityGroupIngressRule};
use phx::aws::iam::policy::PolicyDocument;
use phx::aws::kms::Key;
use phx::aws::logs::LogGroup;
use phx::aws::rds::{DbInstance, DbParameterGroup, DbSubnetGroup, Parameter};
use phx::aws::route53::Record;
use phx::aws::secretsmanager::{RotationRules, RotationSchedule};
use phx::prelude::*;

use crate::config::major;
use crate::networking::Network;
use crate::platform::Platform;

/// The port on which PostgreSQL listens.
pub(crate) const PORT: i32 = 5432;

/// What the rest of the platform needs of the database.
pub(crate) struct Postgres {
    /// The instance.
    pub instance: Handle<DbInstance>,
    /// The read replica, if there is one.
    pub replica: Option<Handle<DbInstance>>,
    /// The secret with the master user's name and password.
    pub secret: Output<Arn>,
    /// Where its log goes.
    pub logs: Handle<LogGroup>,
    /// What guards its port.
    pub group: Handle<SecurityGroup>,
}

/// Declares it. `clients` are the security groups that may ask it, by name.
pub(crate) fn declare(
    scope: &Scope,
    platform: &Platform<'_>,
    network: &Network,
    clients: &[(&str, Output<SecurityGroupId>)],
) -> Result<Postgres> {
    let config = &platform.config.database;
    let name = platform.name("postgres");
    let group = security_group(scope, platform, clients)?;

    let subnets = DbSubnetGroup::new(name.as_str(), "The database subnets", network.database_subnets.clone());
    let subnets = scope.add("postgres", subnets)?;
    let (parameters, earlier) = parameter_groups(scope, platform)?;

    // The replica's log as well.
    let own = vec![platform.key_for_logs(&format!("/aws/rds/instance/{name}*"))];
    // The last snapshot outlives the database, and is lost with the key: where there is one, the key stays when all else is deleted.
    let stays = platform.stateful().retain(config.final_snapshot);
    let purpose = "The database, its backups, its password and its logs";
    let key = platform.key_with(scope, "database", purpose, own, stays)?;
    let logs = log_group(scope, platform, "postgres", &key)?;

    let mut instance = DbInstance::new(name.as_str(), config.instance_class.as_str())
        .engine("postgres")
        .engine_version(config.version.as_str())
        .db_name(config.name.as_str())
        .master_username("phoenix")
        .port(PORT)
        .allocated_storage(config.storage_gib)
        .storage_type("gp3")
        .storage_encrypted(true)
        .kms_key_id(key.arn())
        .db_subnet_group_name(subnets.db_subnet_group_name())
        .vpc_security_group_ids([group.id()])
        .publicly_accessible(false)
        .multi_az(config.multi_az)
        .db_parameter_group_name(parameters.db_parameter_group_name())
        .backup_retention_period(config.backup_retention_days)
        .preferred_backup_window(config.backup_window.as_str())
        .preferred_maintenance_window(config.maintenance_window.as_str())
        .copy_tags_to_snapshot(true)
        .auto_minor_version_upgrade(true)
        .enable_iam_database_authentication(true)
        .enable_cloudwatch_logs_exports(["postgresql"])
        .deletion_protection(config.deletion_protection)
        .skip_final_snapshot(!config.final_snapshot)
        .tag("Name", name.as_str())
        // What AWS Backup goes by.
        .tag("Backup", platform.name("daily"));
    // RDS copies no database to a replica whose password it manages (its guide, "Limitations for Secrets Manager integration").
    let password = config.replica_class.is_some().then(|| scope.secret("database_password")).transpose()?;
    instance = with_password(instance, password.as_ref(), &key);
    if let Some(most) = config.max_storage_gib {
        instance = instance.max_allocated_storage(most);
    }
    if config.final_snapshot {
        instance = instance.final_db_snapshot_identifier(format!("{name}-final"));
    }
    if let Some(now) = config.apply_immediately {
        instance = instance.apply_immediately(now);
    }
    if config.upgrade_from.is_some() {
        instance = instance.allow_major_version_upgrade(true);
    }
    let mut options = platform.stateful().depends_on(&logs);
    if platform.config.backup_rules_database() {
        // AWS Backup sets them from its plan, and RDS takes no others.
        options = options.ignore_changes(["backup_retention_period", "preferred_backup_window"]);
    }
    let (instance, options) = measured(scope, platform, instance, &key, options)?;
    let instance = scope.add_with("postgres", instance, options)?;

    let secret = match &password {
        Some(password) => kept(scope, platform, &key, password.clone())?,
        None => {
            let secret = instance.master_user_secret_arn();
            let rules = RotationRules::new().automatically_after_days(config.rotation.days);
            let rotation = RotationSchedule::new(&secret).rotation_rules(rules).rotate_immediately(false);
            scope.add("postgres", rotation)?;
            secret
        }
    };

    let replica = match &config.replica_class {
        Some(class) => Some(replica(scope, platform, &instance, class, &group, &key)?),
        None => None,
    };
    let restored = match &config.restored {
        Some(moment) => {
            let base = DbInstance::new(platform.name("postgres-restored"), config.instance_class.as_str());
            let base = with_password(base, password.as_ref(), &key)
                .db_subnet_group_name(subnets.db_subnet_group_name())
                // The backups are of the earlier version.
                .db_parameter_group_name(earlier.as_ref().unwrap_or(&parameters).db_parameter_group_name())
                .vpc_security_group_ids([group.id()]);
            Some(restored(scope, platform, &instance, base, &key, &moment.to)?)
        }
        None => None,
    };
    let serves = config.restored.as_ref().is_some_and(|r| r.serves);
    let serving = restored.as_ref().filter(|_| serves).unwrap_or(&instance);
    alias(scope, platform, network, "postgres", serving)?;
    if let Some(replica) = &replica {
        alias(scope, platform, network, "postgres-ro", replica)?;
    }
    Ok(Postgres { instance, replica, secret, logs, group })
}

fn with_password(instance: DbInstance, password: Option<&Input<String>>, key: &Handle<Key>) -> DbInstance {
    match password {
        Some(password) => instance.manage_master_user_password(false).master_user_password(password.clone()),
        // RDS makes the password and keeps it in Secrets Manager: it is in no program, configuration or state.
        None => instance.manage_master_user_password(true).master_user_secret_kms_key_id(key.arn()),
    }
}

/// The password that the program was told, where applications look for it, in the form in which RDS keeps those that it manages.
fn kept(scope: &Scope, platform: &Platform<'_>, key: &Handle<Key>, password: Input<String>) -> Result<Output<Arn>> {
    let value = phx::format!("{}{}{}", "{\"username\":\"phoenix\",\"password\":\"", password, "\"}");
    let secret = platform.secret("database", key).secret_string(value);
    Ok(scope.add_with("postgres", secret, platform.stateful())?.arn())
}

/// Where an instance's log goes. As with the cluster's: RDS would make the group without retention or a key.
fn log_group(scope: &Scope, platform: &Platform<'_>, what: &str, key: &Handle<Key>) -> Result<Handle<LogGroup>> {
    let logs = LogGroup::new(format!("/aws/rds/instance/{}/postgresql", platform.name(what)))
        .retention_in_days(platform.config.database.log_retention_days)
        .kms_key_id(key.arn());
    Ok(scope.add(what, logs)?)
}

/// What guards the database's port: the named groups get in, and it asks nobody.
fn security_group(
    scope: &Scope,
    platform: &Platform<'_>,
    clients: &[(&str, Output<SecurityGroupId>)],
) -> Result<Handle<SecurityGroup>> {
    let name = platform.name("database");
    // EC2 takes no apostrophe in a description.
    let group = SecurityGroup::new(name.as_str(), "The port of the database")
        .vpc_id(platform.vpc.id())
        .default_egress_rule(false)
        .tag("Name", name);
    let group = scope.add("database", group)?;
    for (client, id) in clients {
        let rule = SecurityGroupIngressRule::new(group.id(), "tcp")
            .from_port(PORT)
            .to_port(PORT)
            .referenced_group_id(id)
            .description(format!("PostgreSQL from {client}"));
        scope.add(&format!("database-{client}"), rule)?;
    }
    Ok(group)
}

/// Lets a security group's members ask the database.
pub(crate) fn allow_out(scope: &Scope, name: &str, from: Output<SecurityGroupId>, postgres: &Postgres) -> Result<()> {
    let rule = SecurityGroupEgressRule::new(from, "tcp")
        .from_port(PORT)
        .to_port(PORT)
        .referenced_group_id(postgres.group.id())
        .description("PostgreSQL");
    scope.add(name, rule)?;
    Ok(())
}

/// The parameters of the version that the database has or is brought to. RDS wants those of a new major version to be there, and to be named together
/// with it; those of the earlier one, which come second, it has until its window, so they stay until the configuration no longer names that version.
fn parameter_groups(
    scope: &Scope,
    platform: &Platform<'_>,
) -> Result<(Handle<DbParameterGroup>, Option<Handle<DbParameterGroup>>)> {
    let config = &platform.config.database;
    let group = |version: &str, options: Options| {
        let (name, major) = (platform.name("postgres"), major(version));
        let group =
            DbParameterGroup::new(format!("{name}-{major}"), format!("postgres{major}"), "TLS and logging of Phoenix")
                .parameters(parameters(config.log_statements_over_ms));
        scope.add_with(&format!("postgres-{major}"), group, options)
    };
    // What the state may know it by.
    let known = Options::new().alias("rds/postgres");
    let Some(earlier) = &config.upgrade_from else { return Ok((group(&config.version, known)?, None)) };
    let earlier = group(earlier, known)?;
    Ok((group(&config.version, Options::new())?, Some(earlier)))
}

/// TLS for everyone, and a log of who came, of what was slow and of what changed the schema.
fn parameters(slow: i32) -> Vec<Parameter> {
    let parameters = [
        ("rds.force_ssl", "1".to_owned()),
        ("log_connections", "1".to_owned()),
        ("log_disconnections", "1".to_owned()),
        ("log_statement", "ddl".to_owned()),
        ("log_min_duration_statement", slow.to_string()),
        ("log_lock_waits", "1".to_owned()),
        ("log_temp_files", "0".to_owned()),
    ];
    parameters.map(|(name, value)| Parameter::new(name, value).apply_method("immediate")).into()
}

/// The same with what is measured: the operating system, and queries. RDS tries the role at once, so the instance waits until it has its rights.
fn measured(
    scope: &Scope,
    platform: &Platform<'_>,
    instance: DbInstance,
    key: &Handle<Key>,
    options: Options,
) -> Result<(DbInstance, Options)> {
    let config = &platform.config.database;
    let mut instance = instance.enable_performance_insights(config.performance_insights);
    if config.performance_insights {
        instance = instance.performance_insights_kms_key_id(key.arn()).performance_insights_retention_period(7);
    }
    if config.monitoring_seconds == 0 {
        return Ok((instance, options));
    }
    let trust = PolicyDocument::assume_role_by_service("monitoring.rds.amazonaws.com");
    let policy = "service-role/AmazonRDSEnhancedMonitoringRole";
    let purpose = "Delivers the database's operating system metrics to CloudWatch";
    let (role, attached) = platform.role_with(scope, "database-monitoring", purpose, trust, &[policy])?;
    let instance = instance.monitoring_interval(config.monitoring_seconds).monitoring_role_arn(role.arn());
    Ok((instance, attached.iter().fold(options, Options::depends_on)))
}

/// A copy of the database that answers questions and takes no changes.
fn replica(
    scope: &Scope,
    platform: &Platform<'_>,
    source: &Handle<DbInstance>,
    class: &str,
    group: &Handle<SecurityGroup>,
    key: &Handle<Key>,
) -> Result<Handle<DbInstance>> {
    let name = platform.name("postgres-ro");
    let logs = log_group(scope, platform, "postgres-ro", key)?;
    // What is not said here it has from its source: storage, key, parameters, subnets.
    let mut replica = DbInstance::new(name.as_str(), class)
        .source_db_instance_identifier(source.db_instance_identifier())
        .vpc_security_group_ids([group.id()])
        .publicly_accessible(false)
        .auto_minor_version_upgrade(true)
        .copy_tags_to_snapshot(true)
        .enable_cloudwatch_logs_exports(["postgresql"])
        // There is nothing in it that its source does not have.
        .skip_final_snapshot(true)
        .tag("Name", name.as_str());
    // It must be able to grow with its source.
    if let Some(most) = platform.config.database.max_storage_gib {
        replica = replica.max_allocated_storage(most);
    }
    Ok(scope.add_with("postgres-ro", replica, Options::new().depends_on(&logs))?)
}

/// The database as it was at a moment: an instance of its own, made of the backups of the first one and otherwise like it.
fn restored(
    scope: &Scope,
    platform: &Platform<'_>,
    source: &Handle<DbInstance>,
    base: DbInstance,
    key: &Handle<Key>,
    to: &str,
) -> Result<Handle<DbInstance>> {
    let config = &platform.config.database;
    let logs = log_group(scope, platform, "postgres-restored", key)?;
    let mut copy = base
        .source_db_instance_identifier(source.db_instance_identifier())
        .publicly_accessible(false)
        .multi_az(config.multi_az)
        .preferred_maintenance_window(config.maintenance_window.as_str())
        .auto_minor_version_upgrade(true)
        .enable_performance_insights(config.performance_insights)
        .copy_tags_to_snapshot(true)
        .enable_iam_database_authentication(true)
        .enable_cloudwatch_logs_exports(["postgresql"])
        .deletion_protection(config.deletion_protection)
        // Once it serves, there is more in it than in the first instance's backups.
        .skip_final_snapshot(!config.final_snapshot)
        .tag("Name", platform.name("postgres-restored"))
        .tag("Backup", platform.name("daily"));
    if config.final_snapshot {
        copy = copy.final_db_snapshot_identifier(format!("{}-final", platform.name("postgres-restored")));
    }
    if config.performance_insights {
        copy = copy.performance_insights_kms_key_id(key.arn()).performance_insights_retention_period(7);
    }
    // It must be able to grow as the first one is.
    if let Some(most) = config.max_storage_gib {
        copy = copy.max_allocated_storage(most);
    }
    let copy = match to {
        "latest" => copy.use_latest_restorable_time(true),
        time => copy.restore_time(time),
    };
    Ok(scope.add_with("postgres-restored", copy, platform.stateful().depends_on(&logs))?)
}

/// A name for it that stays when the instance is another one.
fn alias(
    scope: &Scope,
    platform: &Platform<'_>,
    network: &Network,
    name: &str,
    instance: &Handle<DbInstance>,
) -> Result<()> {
    let whole = format!("{name}.{}", platform.name("db.internal"));
    let record = Record::new(network.zone.id(), whole, "CNAME").ttl(60).resource_records([instance.address()]);
    scope.add(name, record)?;
    Ok(())
}
