//! Instances: what they are made with, how they are told, and their end.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::{AUTHORITIES, Engine, check_class, engine, numbers};
use super::{Fault, Others, Params, Rds, Tags, fault, filters, invalid, listed, name, only, unfit};
use crate::kms::Kms;
use crate::secretsmanager::{Owned, SecretsManager, new_password};
use crate::service::Call;
use crate::shape::{Members, now_text, tag_list};

/// An instance.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Instance {
    /// As RDS describes it, but for what follows.
    pub(super) fields: Members,
    /// What waits for the maintenance window, under the names that RDS tells it by.
    #[serde(default)]
    pub(super) pending: Members,
    pub(super) subnet_group: String,
    #[serde(default)]
    pub(super) tags: Tags,
}

/// The form of a parameter.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    Number,
    Flag,
}
use Form::{Flag, Number, Text};

/// What requests say that is told as it was said: the parameter, what it is told as, and its form. What is told by the same name has none of its
/// own.
pub(super) const FIELDS: &[(&str, &str, Form)] = &[
    ("AllocatedStorage", "", Number),
    ("AutoMinorVersionUpgrade", "", Flag),
    ("AvailabilityZone", "", Text),
    ("BackupRetentionPeriod", "", Number),
    ("BackupTarget", "", Text),
    ("CACertificateIdentifier", "", Text),
    ("CharacterSetName", "", Text),
    ("CopyTagsToSnapshot", "", Flag),
    ("DBInstanceClass", "", Text),
    ("DBName", "", Text),
    ("DatabaseInsightsMode", "", Text),
    ("DedicatedLogVolume", "", Flag),
    ("DeletionProtection", "", Flag),
    ("EnableIAMDatabaseAuthentication", "IAMDatabaseAuthenticationEnabled", Flag),
    ("EnablePerformanceInsights", "PerformanceInsightsEnabled", Flag),
    ("EngineLifecycleSupport", "", Text),
    ("Iops", "", Number),
    ("KmsKeyId", "", Text),
    ("LicenseModel", "", Text),
    ("MasterUsername", "", Text),
    ("MaxAllocatedStorage", "", Number),
    ("MonitoringInterval", "", Number),
    ("MonitoringRoleArn", "", Text),
    ("MultiAZ", "", Flag),
    ("NetworkType", "", Text),
    ("PerformanceInsightsKMSKeyId", "", Text),
    ("PerformanceInsightsRetentionPeriod", "", Number),
    ("PreferredBackupWindow", "", Text),
    ("PreferredMaintenanceWindow", "", Text),
    ("PromotionTier", "", Number),
    ("PubliclyAccessible", "", Flag),
    ("ReplicaMode", "", Text),
    ("StorageEncrypted", "", Flag),
    ("StorageThroughput", "", Number),
    ("StorageType", "", Text),
    ("Timezone", "", Text),
];
/// From how many GiB on gp3 storage is striped over several volumes: only then does RDS let one say how fast it is.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage>
const STRIPED: i64 = 400;

/// What a request says beside those.
pub(super) const OTHERS: &[&str] = &[
    "DBInstanceIdentifier",
    "DBParameterGroupName",
    "DBSubnetGroupName",
    "Domain",
    "DomainAuthSecretArn",
    "DomainDnsIps",
    "DomainFqdn",
    "DomainIAMRoleName",
    "DomainOu",
    "EnableCloudwatchLogsExports",
    "OptionGroupName",
    "Port",
    "ProcessorFeatures",
    "Tags",
    "VpcSecurityGroupIds",
];

/// A parameter in the form in which it is told.
pub(super) fn value(form: &Params, parameter: &str, kind: Form) -> Result<Option<Value>, Fault> {
    Ok(match kind {
        Text => form.get(parameter).filter(|text| !text.is_empty()).map(|text| match parameter {
            "PreferredMaintenanceWindow" => json!(text.to_ascii_lowercase()),
            _ => json!(text),
        }),
        Number => form.number(parameter)?.map(|number| json!(number)),
        Flag => form.flag(parameter).map(|flag| json!(flag)),
    })
}

/// What of [`FIELDS`] a request says, under the names that it is told by.
pub(super) fn said(form: &Params) -> Result<Members, Fault> {
    let mut fields = Members::new();
    for (parameter, told, kind) in FIELDS {
        if let Some(value) = value(form, parameter, *kind)? {
            fields.insert((if told.is_empty() { *parameter } else { *told }).to_owned(), value);
        }
    }
    Ok(fields)
}

impl Instance {
    pub(super) fn get(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        self.get(name).as_i64().unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).as_bool().unwrap_or_default()
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        if value.is_null() {
            self.fields.remove(name);
        } else {
            self.fields.insert(name.to_owned(), value);
        }
    }

    /// Sets what is not set yet.
    pub(super) fn or_default(&mut self, name: &str, value: Value) {
        self.fields.entry(name).or_insert(value);
    }

    pub(super) fn arn(&self) -> &str {
        self.text("DBInstanceArn")
    }

    pub(super) fn secret(&self) -> Option<&str> {
        self.get("MasterUserSecret")["SecretArn"].as_str()
    }

    pub(super) fn parameter_group(&self) -> &str {
        self.get("DBParameterGroups")["DBParameterGroup"][0]["DBParameterGroupName"].as_str().unwrap_or_default()
    }

    pub(super) fn engine(&self) -> Result<&'static Engine, Fault> {
        engine(self.text("Engine"))
    }

    /// The names of its replicas.
    pub(super) fn replicas(&self) -> Vec<String> {
        let list = &self.get("ReadReplicaDBInstanceIdentifiers")["ReadReplicaDBInstanceIdentifier"];
        crate::shape::texts(list)
    }

    pub(super) fn set_replicas(&mut self, names: &[String]) {
        self.set("ReadReplicaDBInstanceIdentifiers", json!({"ReadReplicaDBInstanceIdentifier": names}));
    }

    /// Names it, and what is told by its name.
    pub(super) fn rename(&mut self, name: &str, call: &Call, address: &str) {
        let region = &call.region;
        self.set("DBInstanceIdentifier", json!(name));
        self.set("DBInstanceArn", json!(call.arn("rds", &format!("db:{name}"))));
        let mut endpoint = self.get("Endpoint").clone();
        endpoint["Address"] = json!(format!("{name}.{address}.{region}.rds.amazonaws.com"));
        self.set("Endpoint", endpoint);
    }

    pub(super) fn set_port(&mut self, port: i64) {
        let mut endpoint = self.get("Endpoint").clone();
        endpoint["Port"] = json!(port);
        self.set("Endpoint", endpoint);
    }

    pub(super) fn set_parameter_group(&mut self, name: &str, status: &str) {
        let group = json!({"DBParameterGroupName": name, "ParameterApplyStatus": status});
        self.set("DBParameterGroups", json!({"DBParameterGroup": [group]}));
    }

    pub(super) fn set_option_group(&mut self, name: &str) {
        let group = json!({"OptionGroupName": name, "Status": "in-sync"});
        self.set("OptionGroupMemberships", json!({"OptionGroupMembership": [group]}));
    }

    pub(super) fn set_security_groups(&mut self, ids: &[String]) {
        let group = |id: &String| json!({"VpcSecurityGroupId": id, "Status": "active"});
        let groups: Vec<Value> = ids.iter().map(group).collect();
        self.set("VpcSecurityGroups", json!({"VpcSecurityGroupMembership": groups}));
    }

    pub(super) fn set_authority(&mut self, name: &str) -> Result<(), Fault> {
        if !AUTHORITIES.contains(&name) {
            return Err(fault(404, "CertificateNotFound", format!("Certificate {name} not found.")));
        }
        self.set("CACertificateIdentifier", json!(name));
        self.set("CertificateDetails", json!({"CAIdentifier": name, "ValidTill": "2061-05-25T23:59:59Z"}));
        Ok(())
    }

    pub(super) fn set_logs(&mut self, logs: &[String]) -> Result<(), Fault> {
        let known = self.engine()?.logs;
        if let Some(other) = logs.iter().find(|log| !known.contains(&log.as_str())) {
            return Err(unfit(format!(
                "You cannot use the log types '{other}' with engine version {} {}. For supported log types, see the documentation.",
                self.text("Engine"),
                self.text("EngineVersion")
            )));
        }
        let logs = if logs.is_empty() { Value::Null } else { json!({"member": logs}) };
        self.set("EnabledCloudwatchLogsExports", logs);
        Ok(())
    }

    /// The directory that it is in, if the request says one.
    pub(super) fn set_domain(&mut self, form: &Params) {
        let dns = form.list("DomainDnsIps.member");
        let membership = json!({
            "Domain": form.get("Domain"), "Status": "joined", "FQDN": form.get("DomainFqdn"), "IAMRoleName": form.get("DomainIAMRoleName"),
            "OU": form.get("DomainOu"), "AuthSecretArn": form.get("DomainAuthSecretArn"), "DnsIps": {"member": dns},
        });
        if form.has("Domain") || form.has("DomainFqdn") {
            self.set("DomainMemberships", json!({"DomainMembership": [membership]}));
        }
    }

    pub(super) fn set_processor(&mut self, form: &Params) {
        let feature = |feature: String| json!({"Name": form.get(&format!("{feature}.Name")), "Value": form.get(&format!("{feature}.Value"))});
        let features: Vec<Value> =
            form.members("ProcessorFeatures.ProcessorFeature").into_iter().map(feature).collect();
        if !features.is_empty() {
            self.set("ProcessorFeatures", json!({"ProcessorFeature": features}));
        }
    }

    /// Names keys by their ARNs, as RDS tells them, whatever the request calls them.
    pub(super) fn name_keys(&mut self, form: &Params, region: &str, others: &Others) -> Result<(), Fault> {
        for name in ["KmsKeyId", "PerformanceInsightsKMSKeyId"] {
            if let Some(said) = form.get(name).filter(|said| !said.is_empty()) {
                self.set(name, json!(others.key(region, said)?));
            }
        }
        Ok(())
    }

    /// Refuses settings that do not go together, and fills in what goes with others.
    pub(super) fn settle(&mut self, region: &str, others: &Others) -> Result<(), Fault> {
        check_class(self.text("DBInstanceClass"))?;
        let own_key = |service: &str| json!(others.kms.with(region, |kms: &mut Kms| kms.own_key_of(region, service)));
        if self.number("MonitoringInterval") != 0 && self.text("MonitoringRoleArn").is_empty() {
            return Err(unfit(
                "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.",
            ));
        }
        if ![0, 1, 5, 10, 15, 30, 60].contains(&self.number("MonitoringInterval")) {
            return Err(invalid(format!("Invalid MonitoringInterval: {}", self.number("MonitoringInterval"))));
        }
        if self.flag("PerformanceInsightsEnabled") {
            self.or_default("PerformanceInsightsKMSKeyId", own_key("rds"));
            self.or_default("PerformanceInsightsRetentionPeriod", json!(7));
            let days = self.number("PerformanceInsightsRetentionPeriod");
            if days != 7 && days != 731 && (days % 31 != 0 || !(31..=713).contains(&days)) && days != 465 {
                return Err(invalid(format!("Invalid Performance Insights retention period: {days}")));
            }
        } else if self.fields.contains_key("PerformanceInsightsRetentionPeriod") {
            return Err(unfit("PerformanceInsightsRetentionPeriod can't be said without EnablePerformanceInsights"));
        }
        let (size, most) = (self.number("AllocatedStorage"), self.number("MaxAllocatedStorage"));
        if self.fields.contains_key("MaxAllocatedStorage") && most < size {
            return Err(unfit(format!("Max storage size {most} must not be smaller than the storage size {size}")));
        }
        if most == size {
            // No room to grow is how RDS is told not to.
            self.fields.remove("MaxAllocatedStorage");
        } else if most != 0 && most.saturating_mul(10) < size.saturating_mul(11) {
            return Err(unfit(format!(
                "Invalid max storage size for engine name {} and storage type {}: {most}, which is not a tenth more than {size}",
                self.text("Engine"),
                self.text("StorageType")
            )));
        }
        if !(0..=35).contains(&self.number("BackupRetentionPeriod")) {
            return Err(invalid(format!("Invalid backup retention period: {}", self.number("BackupRetentionPeriod"))));
        }
        match self.text("StorageType") {
            "gp3" => {
                let (iops, throughput) = if size < STRIPED { (3000, 125) } else { (12_000, 500) };
                self.or_default("Iops", json!(iops));
                self.or_default("StorageThroughput", json!(throughput));
            }
            "gp2" | "standard" => {
                self.fields.remove("Iops");
                self.fields.remove("StorageThroughput");
            }
            "io1" | "io2" if self.number("Iops") == 0 => {
                return Err(unfit(format!("The {} storage type needs Iops", self.text("StorageType"))));
            }
            "io1" | "io2" => drop(self.fields.remove("StorageThroughput")),
            other => return Err(invalid(format!("Invalid storage type: {other}"))),
        }
        Ok(())
    }
}

impl Rds {
    pub(super) fn instance(&self, name: &str) -> Result<&Instance, Fault> {
        let found = self.instances.get(&name.to_ascii_lowercase());
        found.ok_or_else(|| fault(404, "DBInstanceNotFound", format!("DBInstance {name} not found.")))
    }

    /// An instance as RDS tells it.
    pub(super) fn shown(&self, instance: &Instance) -> Value {
        let mut fields = instance.fields.clone();
        if let Some(group) = self.subnet_groups.get(&instance.subnet_group) {
            fields.insert("DBSubnetGroup".to_owned(), json!(group.fields));
        }
        fields.insert("PendingModifiedValues".to_owned(), json!(instance.pending));
        if instance.number("BackupRetentionPeriod") > 0 {
            fields.insert("LatestRestorableTime".to_owned(), json!(now_text()));
        }
        fields.insert("TagList".to_owned(), json!({"Tag": tag_list(&instance.tags, "Key", "Value")}));
        Value::Object(fields)
    }

    pub(super) fn describe_instances(&self, form: &Params) -> Result<Value, Fault> {
        let known = ["db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"];
        let filters = filters(form, &known)?;
        if let Some(name) = form.get("DBInstanceIdentifier") {
            // An ARN will do as well.
            let instance = self.instance(name.rsplit(':').next().unwrap_or(name))?;
            return Ok(json!({"DBInstances": {"DBInstance": [self.shown(instance)]}}));
        }
        let holds = |instance: &Instance, (name, values): &(&str, Vec<&str>)| {
            let domain = &instance.get("DomainMemberships")["DomainMembership"][0]["Domain"];
            values.iter().any(|value| match *name {
                "db-instance-id" => {
                    instance.text("DBInstanceIdentifier").eq_ignore_ascii_case(value) || instance.arn() == *value
                }
                "dbi-resource-id" => instance.text("DbiResourceId") == *value,
                "engine" => instance.text("Engine") == *value,
                "domain" => domain == value,
                _ => false,
            })
        };
        let chosen = self.instances.values().filter(|instance| filters.iter().all(|filter| holds(instance, filter)));
        listed(form, "DBInstances", "DBInstance", chosen.map(|instance| self.shown(instance)).collect())
    }

    pub(super) fn delete_instance(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        let known =
            ["DBInstanceIdentifier", "DeleteAutomatedBackups", "FinalDBSnapshotIdentifier", "SkipFinalSnapshot"];
        only(form, &call.action, &known)?;
        let instance = form.required("DBInstanceIdentifier")?.to_ascii_lowercase();
        let there = self.instance(&instance)?.clone();
        if there.flag("DeletionProtection") {
            return Err(unfit(
                "Cannot delete protected DB Instance, please disable deletion protection and try again.",
            ));
        }
        let source = there.text("ReadReplicaSourceDBInstanceIdentifier").to_owned();
        let skip = form.flag("SkipFinalSnapshot") == Some(true);
        match form.get("FinalDBSnapshotIdentifier") {
            Some(_) if skip => {
                return Err(unfit(
                    "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot.",
                ));
            }
            Some(_) if !source.is_empty() => return Err(unfit("No final snapshot is made of a read replica.")),
            Some(_) => self.take_snapshot(call, &there, &name(form, "FinalDBSnapshotIdentifier")?, Tags::new())?,
            None if !skip && source.is_empty() => {
                return Err(unfit("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."));
            }
            None => {}
        }
        if let Some(secret) = there.secret() {
            others.secrets.with(&call.region, |secrets: &mut SecretsManager| secrets.drop_owned(secret));
        }
        if form.flag("DeleteAutomatedBackups") == Some(false) && there.number("BackupRetentionPeriod") > 0 {
            self.keep_backups(&there);
        }
        let mut shown = self.shown(&there);
        self.instances.remove(&instance);
        if let Some(source) = self.instances.get_mut(&source) {
            let left: Vec<String> = source.replicas().into_iter().filter(|replica| *replica != instance).collect();
            source.set_replicas(&left);
        }
        // Replicas of what goes live on by themselves.
        let orphans =
            self.instances.values_mut().filter(|i| i.text("ReadReplicaSourceDBInstanceIdentifier") == instance);
        for replica in orphans {
            replica.set("ReadReplicaSourceDBInstanceIdentifier", Value::Null);
        }
        shown["DBInstanceStatus"] = json!("deleting");
        Ok(json!({"DBInstance": shown}))
    }
}

impl Instance {
    /// Has RDS keep the password: as a secret.
    pub(super) fn manage_password(&mut self, region: &str, others: &Others, key: Option<&str>) {
        let arn = self.arn().to_owned();
        let value = json!({"username": self.text("MasterUsername"), "password": new_password()}).to_string();
        let owned = Owned {
            service: "rds",
            kind: "db",
            description: format!("Secret associated with primary RDS DB instance: {arn}"),
            key,
            tags: Tags::from([("aws:rds:primaryDBInstanceArn".to_owned(), arn.clone())]),
            value,
        };
        let secret = others.secrets.with(region, |secrets: &mut SecretsManager| secrets.make_owned(region, owned));
        let key = key.map_or_else(
            || others.kms.with(region, |kms: &mut Kms| kms.own_key_of(region, "secretsmanager")),
            str::to_owned,
        );
        self.set("MasterUserSecret", json!({"SecretArn": secret, "SecretStatus": "active", "KmsKeyId": key}));
    }
}

/// Refuses a request that says how fast storage is to be that RDS lets nobody say it of.
pub(super) fn check_speed(form: &Params, kind: &str, size: i64) -> Result<(), Fault> {
    let said = form.has("Iops") || form.has("StorageThroughput");
    if said && kind == "gp3" && size < STRIPED {
        return Err(unfit(format!(
            "You can't specify IOPS or storage throughput for gp3 storage and a storage size less than {STRIPED}."
        )));
    }
    Ok(())
}

/// Refuses a password that no engine takes.
pub(super) fn check_password(form: &Params, managed: bool) -> Result<(), Fault> {
    if form.has("MasterUserSecretKmsKeyId") && !managed {
        return Err(unfit("MasterUserSecretKmsKeyId can't be said without ManageMasterUserPassword"));
    }
    let Some(password) = form.get("MasterUserPassword") else { return Ok(()) };
    if managed {
        return Err(unfit(
            "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.",
        ));
    }
    let bad = |c: char| !c.is_ascii_graphic() || "/@\"".contains(c);
    if password.len() < 8 || password.chars().any(bad) {
        return Err(invalid(
            "The parameter MasterUserPassword is not a valid password: at least 8 printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
        ));
    }
    Ok(())
}

/// Whether one version is newer than another.
pub(super) fn is_newer(version: &str, than: &str) -> bool {
    numbers(version) > numbers(than)
}
