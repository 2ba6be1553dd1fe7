//! Changing instances: at once, or in the maintenance window, which never comes.

use serde_json::{Value, json};

use super::instance::{FIELDS, Form, Instance, check_password, check_speed, is_newer, value};
use super::{Fault, Others, Params, Rds, fault, name, only, unfit};
use crate::secretsmanager::{SecretsManager, new_password};
use crate::service::Call;
use crate::shape::{Members, texts};

/// What waits for the maintenance window, if it is not to be applied immediately: the parameter, what it is told as, and its form.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html>
const DEFERRED: &[(&str, &str, Form)] = &[
    ("AllocatedStorage", "AllocatedStorage", Form::Number),
    ("BackupRetentionPeriod", "BackupRetentionPeriod", Form::Number),
    ("CACertificateIdentifier", "CACertificateIdentifier", Form::Text),
    ("DBInstanceClass", "DBInstanceClass", Form::Text),
    ("DBPortNumber", "Port", Form::Number),
    ("DBSubnetGroupName", "DBSubnetGroupName", Form::Text),
    ("DedicatedLogVolume", "DedicatedLogVolume", Form::Flag),
    ("EnableIAMDatabaseAuthentication", "IAMDatabaseAuthenticationEnabled", Form::Flag),
    ("EngineVersion", "EngineVersion", Form::Text),
    ("Iops", "Iops", Form::Number),
    ("LicenseModel", "LicenseModel", Form::Text),
    ("MultiAZ", "MultiAZ", Form::Flag),
    ("NewDBInstanceIdentifier", "DBInstanceIdentifier", Form::Text),
    ("StorageThroughput", "StorageThroughput", Form::Number),
    ("StorageType", "StorageType", Form::Text),
];
/// What is changed at once of what is told as it is said.
const AT_ONCE: &[&str] = &[
    "AutoMinorVersionUpgrade",
    "CopyTagsToSnapshot",
    "DatabaseInsightsMode",
    "DeletionProtection",
    "EnablePerformanceInsights",
    "EngineLifecycleSupport",
    "MaxAllocatedStorage",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "NetworkType",
    "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PromotionTier",
    "PubliclyAccessible",
    "ReplicaMode",
];
const OTHERS: &[&str] = &[
    "AllowMajorVersionUpgrade",
    "ApplyImmediately",
    "CertificateRotationRestart",
    "CloudwatchLogsExportConfiguration",
    "DBInstanceIdentifier",
    "DBParameterGroupName",
    "DisableDomain",
    "Domain",
    "DomainAuthSecretArn",
    "DomainDnsIps",
    "DomainFqdn",
    "DomainIAMRoleName",
    "DomainOu",
    "Engine",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MasterUserSecretKmsKeyId",
    "OptionGroupName",
    "ProcessorFeatures",
    "RotateMasterUserPassword",
    "UseDefaultProcessorFeatures",
    "VpcSecurityGroupIds",
];

impl Rds {
    pub(super) fn modify_instance(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        let known = DEFERRED.iter().map(|(parameter, ..)| parameter).chain(AT_ONCE).chain(OTHERS);
        only(form, &call.action, &known.copied().collect::<Vec<_>>())?;
        let old = form.required("DBInstanceIdentifier")?.to_ascii_lowercase();
        let mut there = self.instance(&old)?.clone();
        if form.get("Engine").is_some_and(|engine| engine != there.text("Engine")) {
            return Err(Fault::not_implemented("changes of an instance's engine"));
        }
        let at_once = form.flag("ApplyImmediately") == Some(true);
        self.change_now(&mut there, call, others)?;

        let mut wanted = Members::new();
        for (parameter, told, kind) in DEFERRED {
            if let Some(new) = value(form, parameter, *kind)? {
                wanted.insert((*told).to_owned(), new);
            }
        }
        if let Some(version) = wanted.get("EngineVersion").and_then(Value::as_str) {
            let version = there.engine()?.version(Some(version))?;
            wanted.insert("EngineVersion".to_owned(), json!(version));
        }
        self.check(&there, form, &wanted)?;
        // What is as it was is no change, and takes back one that waits.
        for name in wanted.keys() {
            there.pending.remove(name);
        }
        wanted.retain(|name, new| *new != there.current(name));
        let new = if at_once {
            let mut all = std::mem::take(&mut there.pending);
            all.extend(wanted);
            self.apply(&mut there, call, others, all)?
        } else {
            there.pending.extend(wanted);
            None
        };
        there.settle(&call.region, others)?;
        self.change_password(&mut there, call, others)?;

        let shown = self.shown(&there);
        if let Some(new) = &new {
            self.instances.remove(&old);
            // What refers to it goes on doing so.
            for other in self.instances.values_mut() {
                if other.text("ReadReplicaSourceDBInstanceIdentifier") == old {
                    other.set("ReadReplicaSourceDBInstanceIdentifier", json!(new));
                }
                let replicas = other.replicas();
                if replicas.contains(&old) {
                    let renamed =
                        replicas.into_iter().map(|replica| if replica == old { new.clone() } else { replica });
                    other.set_replicas(&renamed.collect::<Vec<_>>());
                }
            }
        }
        self.instances.insert(new.unwrap_or(old), there);
        Ok(json!({"DBInstance": shown}))
    }

    /// Refuses changes that RDS does not make.
    fn check(&self, there: &Instance, form: &Params, wanted: &Members) -> Result<(), Fault> {
        if let Some(version) = wanted.get("EngineVersion").and_then(Value::as_str) {
            let (engine, now) = (there.engine()?, there.text("EngineVersion"));
            if version != now && !is_newer(version, now) {
                return Err(unfit(format!("Cannot upgrade {} from {now} to {version}", engine.name)));
            }
            if engine.major(version) != engine.major(now) {
                if form.flag("AllowMajorVersionUpgrade") != Some(true) {
                    return Err(unfit(
                        "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
                    ));
                }
                let group = form.get("DBParameterGroupName").map(str::to_ascii_lowercase);
                let group = group.unwrap_or_else(|| there.parameter_group().to_owned());
                let fits = group.starts_with("default.")
                    || self.parameter_groups.get(&group).is_some_and(|group| group.family == engine.family(version));
                if !fits {
                    return Err(unfit(format!(
                        "Current Parameter Group ({group}) is non-default. You need to explicitly specify a new Parameter Group in this case (default or custom)"
                    )));
                }
            }
        }
        if let Some(size) = wanted.get("AllocatedStorage").and_then(Value::as_i64)
            && size < there.number("AllocatedStorage")
        {
            return Err(unfit(format!(
                "Requested allocated storage {size} is less than the current allocated storage {}",
                there.number("AllocatedStorage")
            )));
        }
        let after = |name: &str| wanted.get(name).or(there.pending.get(name)).unwrap_or(there.get(name));
        let kind = after("StorageType").as_str().unwrap_or_default();
        check_speed(form, kind, after("AllocatedStorage").as_i64().unwrap_or_default())?;
        if let Some(new) = form.get("NewDBInstanceIdentifier") {
            let new = new.to_ascii_lowercase();
            name(form, "NewDBInstanceIdentifier")?;
            if new != there.text("DBInstanceIdentifier") && self.instances.contains_key(&new) {
                return Err(Fault::new("DBInstanceAlreadyExists", format!("DB instance already exists: {new}")));
            }
        }
        if let Some(group) = wanted.get("DBSubnetGroupName").and_then(Value::as_str)
            && group.to_ascii_lowercase() != there.subnet_group
        {
            let name = there.text("DBInstanceIdentifier");
            if self.subnet_group(group)?.text("VpcId") == self.subnet_group(&there.subnet_group)?.text("VpcId") {
                return Err(Fault::new(
                    "InvalidVPCNetworkStateFault",
                    format!(
                        "You cannot move DB instance {name} to subnet group {group}. The specified DB subnet group and DB instance are in the same VPC. Choose a DB subnet group in different VPC than the specified DB instance and try again."
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Changes what waits for nothing.
    fn change_now(&mut self, there: &mut Instance, call: &Call, others: &Others) -> Result<(), Fault> {
        let form = &call.form;
        for (parameter, told, kind) in FIELDS.iter().filter(|(parameter, ..)| AT_ONCE.contains(parameter)) {
            if let Some(new) = value(form, parameter, *kind)? {
                there.set(if told.is_empty() { parameter } else { told }, new);
            }
        }
        there.name_keys(form, &call.region, others)?;
        if form.flag("EnablePerformanceInsights") == Some(false) {
            there.set("PerformanceInsightsKMSKeyId", Value::Null);
            there.set("PerformanceInsightsRetentionPeriod", Value::Null);
        }
        if there.number("MonitoringInterval") == 0 {
            there.set("MonitoringRoleArn", Value::Null);
        }
        if form.has("VpcSecurityGroupIds") {
            let vpc = self.subnet_group(&there.subnet_group)?.text("VpcId").to_owned();
            there.set_security_groups(&self.security_groups(call, others, &vpc)?);
        }
        if let Some(group) = form.get("DBParameterGroupName").map(str::to_ascii_lowercase)
            && group != there.parameter_group()
        {
            let version = match form.get("EngineVersion") {
                Some(version) => there.engine()?.version(Some(version))?,
                None => there.text("EngineVersion").to_owned(),
            };
            let group = self.parameter_group_for(call, there.engine()?, &version, Some(&group))?;
            there.set_parameter_group(&group, "pending-reboot");
        }
        if let Some(group) = form.get("OptionGroupName")
            && group != there.engine()?.option_group(there.text("EngineVersion"))
        {
            return Err(fault(
                404,
                "OptionGroupNotFoundFault",
                format!("Specified OptionGroupName: {group} not found."),
            ));
        }
        let mut logs = texts(&there.get("EnabledCloudwatchLogsExports")["member"]);
        let off = form.list("CloudwatchLogsExportConfiguration.DisableLogTypes.member");
        logs.retain(|log| !off.contains(&log.as_str()));
        for on in form.list("CloudwatchLogsExportConfiguration.EnableLogTypes.member") {
            if !logs.iter().any(|log| log == on) {
                logs.push(on.to_owned());
            }
        }
        if form.has("CloudwatchLogsExportConfiguration") {
            there.set_logs(&logs)?;
        }
        if form.flag("DisableDomain") == Some(true) {
            there.set("DomainMemberships", json!({"DomainMembership": []}));
        }
        there.set_domain(form);
        if form.flag("UseDefaultProcessorFeatures") == Some(true) {
            there.set("ProcessorFeatures", Value::Null);
        }
        there.set_processor(form);
        Ok(())
    }

    /// Changes what else might wait. Returns the new name, if it gets one.
    fn apply(
        &mut self,
        there: &mut Instance,
        call: &Call,
        others: &Others,
        changes: Members,
    ) -> Result<Option<String>, Fault> {
        let mut renamed = None;
        for (name, new) in changes {
            let text = new.as_str().unwrap_or_default();
            match name.as_str() {
                "Port" => there.set_port(new.as_i64().unwrap_or_default()),
                "CACertificateIdentifier" => there.set_authority(text)?,
                "DBSubnetGroupName" => {
                    there.set("AvailabilityZone", Value::Null);
                    there.fields.remove("VpcSecurityGroups");
                    self.place(there, call, others, text)?;
                }
                "DBInstanceIdentifier" => {
                    let new = text.to_ascii_lowercase();
                    there.rename(&new, call, &self.address);
                    renamed = Some(new);
                }
                "EngineVersion" => {
                    let engine = there.engine()?;
                    // Default groups go along.
                    if there.parameter_group().starts_with("default.") {
                        let group = self.parameter_group_for(call, engine, text, None)?;
                        there.set_parameter_group(&group, "in-sync");
                    }
                    there.set_option_group(&engine.option_group(text));
                    there.set("EngineVersion", new);
                }
                "MultiAZ" => {
                    let zones = super::groups::zones(self.subnet_group(&there.subnet_group)?);
                    let zone = there.text("AvailabilityZone").to_owned();
                    let second = zones.into_iter().find(|other| *other != zone).filter(|_| new == json!(true));
                    there.set("SecondaryAvailabilityZone", json!(second));
                    there.set("MultiAZ", new);
                }
                "StorageType" => {
                    // What the old kind had is not the new one's.
                    for name in ["Iops", "StorageThroughput"].into_iter().filter(|name| !call.form.has(name)) {
                        there.fields.remove(name);
                    }
                    there.set("StorageType", new);
                }
                other => there.set(other, new),
            }
        }
        Ok(renamed)
    }

    /// Lets RDS keep the password, or not, or make another one.
    fn change_password(&self, there: &mut Instance, call: &Call, others: &Others) -> Result<(), Fault> {
        let form = &call.form;
        let wanted = form.flag("ManageMasterUserPassword");
        let secret = there.secret().map(str::to_owned);
        check_password(form, wanted.unwrap_or(secret.is_some()))?;
        let is_replica = !there.text("ReadReplicaSourceDBInstanceIdentifier").is_empty();
        if form.has("MasterUserPassword") && is_replica && there.engine()?.name == "postgres" {
            return Err(unfit(
                "Cannot change master user password on an RDS postgres Read Replica because it uses physical replication and therefore cannot differ from its parent.",
            ));
        }
        let key = form.get("MasterUserSecretKmsKeyId").map(|key| others.key(&call.region, key)).transpose()?;
        let drop_secret = |arn: &str| others.secrets.with(&call.region, |s: &mut SecretsManager| s.drop_owned(arn));
        match (wanted, secret) {
            (Some(true), None) => there.manage_password(&call.region, others, key.as_deref()),
            (Some(true), Some(_))
                if key.as_deref().is_some_and(|key| there.get("MasterUserSecret")["KmsKeyId"] != key) =>
            {
                return Err(unfit("The KMS key of a password's secret can't be changed while RDS manages it"));
            }
            (Some(false), Some(secret)) => {
                if !form.has("MasterUserPassword") {
                    return Err(unfit("MasterUserPassword must be said when ManageMasterUserPassword is disabled"));
                }
                drop_secret(&secret);
                there.set("MasterUserSecret", Value::Null);
            }
            _ => {}
        }
        if form.flag("RotateMasterUserPassword") == Some(true) {
            if form.flag("ApplyImmediately") != Some(true) {
                return Err(unfit("RotateMasterUserPassword needs ApplyImmediately"));
            }
            let Some(secret) = there.secret() else {
                return Err(unfit("RotateMasterUserPassword needs a password that RDS manages"));
            };
            let value = json!({"username": there.text("MasterUsername"), "password": new_password()}).to_string();
            others.secrets.with(&call.region, |secrets: &mut SecretsManager| secrets.set_owned(secret, value));
        }
        Ok(())
    }
}

impl Instance {
    /// What something is now that may wait.
    fn current(&self, name: &str) -> Value {
        match name {
            "Port" => self.get("Endpoint")["Port"].clone(),
            "DBSubnetGroupName" => json!(self.subnet_group),
            name => self.get(name).clone(),
        }
    }
}
