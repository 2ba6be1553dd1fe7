//! Read replicas.

use serde_json::{Value, json};

use super::instance::{FIELDS, Instance, OTHERS, said};
use super::{Fault, Others, Params, Rds, invalid, new_tags, only, unfit};
use crate::service::Call;

impl Rds {
    pub(super) fn create_replica(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        let left_out = [
            "BackupRetentionPeriod",
            "CharacterSetName",
            "DBName",
            "EngineLifecycleSupport",
            "LicenseModel",
            "MasterUsername",
            "PreferredBackupWindow",
            "PreferredMaintenanceWindow",
            "PromotionTier",
            "StorageEncrypted",
            "Timezone",
        ];
        let known = FIELDS.iter().map(|(parameter, ..)| *parameter).filter(|parameter| !left_out.contains(parameter));
        let known: Vec<&str> = known.chain(OTHERS.iter().copied()).chain(["SourceDBInstanceIdentifier"]).collect();
        only(form, &call.action, &known)?;
        let name = self.new_name(form, "DBInstanceIdentifier")?;
        let said_source = form.required("SourceDBInstanceIdentifier")?;
        if said_source.starts_with("arn:") && said_source.split(':').nth(3) != Some(call.region.as_str()) {
            return Err(Fault::not_implemented("read replicas of another region's instances"));
        }
        let source_name = said_source.rsplit(':').next().unwrap_or(said_source).to_ascii_lowercase();
        let source = self.instance(&source_name)?.clone();
        if source.number("BackupRetentionPeriod") == 0 {
            return Err(Fault::new(
                "InvalidDBInstanceState",
                "Automated backups are not enabled for this database instance. To enable automated backups, use ModifyDBInstance to set the backup retention period to a non-zero value.",
            ));
        }
        if source.secret().is_some() {
            return Err(invalid(format!(
                "Creating read replicas for source instance with engine {} where ManageMasterUserPassword is enabled is not supported.",
                source.text("Engine")
            )));
        }
        // It is as its source, but for what is said and for what is an instance's own.
        let mut made = Instance { fields: said(form)?, tags: new_tags(form)?, ..Instance::default() };
        made.name_keys(form, &call.region, others)?;
        let inherited = [
            "AllocatedStorage",
            "AutoMinorVersionUpgrade",
            "DBInstanceClass",
            "DBName",
            "DedicatedLogVolume",
            "Engine",
            "EngineLifecycleSupport",
            "EngineVersion",
            "IAMDatabaseAuthenticationEnabled",
            "Iops",
            "KmsKeyId",
            "LicenseModel",
            "MasterUsername",
            "NetworkType",
            "PreferredBackupWindow",
            "PreferredMaintenanceWindow",
            "ProcessorFeatures",
            "StorageEncrypted",
            "StorageThroughput",
            "StorageType",
            "VpcSecurityGroups",
        ];
        for name in inherited {
            if let Some(value) = source.fields.get(name) {
                made.or_default(name, value.clone());
            }
        }
        if made.text("KmsKeyId") != source.text("KmsKeyId") {
            return Err(unfit("A replica in its source's region is encrypted with its source's key"));
        }
        made.set("BackupRetentionPeriod", json!(0));
        let group = form.get("DBSubnetGroupName").unwrap_or(&source.subnet_group).to_owned();
        if group.to_ascii_lowercase() != source.subnet_group {
            made.fields.remove("VpcSecurityGroups");
        }
        self.place(&mut made, call, others, &group)?;
        // Its parameters are its source's, if nothing else is said.
        self.dress(&mut made, call, others)?;
        if !form.has("DBParameterGroupName") {
            made.set_parameter_group(source.parameter_group(), "in-sync");
        }
        made.settle(&call.region, others)?;
        made.set("ReadReplicaSourceDBInstanceIdentifier", json!(source_name));
        if made.engine()?.name == "postgres" {
            made.fields.remove("ReplicaMode");
        }
        let port = source.get("Endpoint")["Port"].as_i64().unwrap_or(made.engine()?.port);
        self.identify(&mut made, call, &name, form.number("Port")?.unwrap_or(port));
        let status = json!({"StatusType": "read replication", "Status": "replicating", "Normal": true});
        made.set("StatusInfos", json!({"DBInstanceStatusInfo": [status]}));
        if let Some(source) = self.instances.get_mut(&source_name) {
            let mut replicas = source.replicas();
            replicas.push(name.clone());
            source.set_replicas(&replicas);
        }
        let shown = self.shown(&made);
        self.instances.insert(name, made);
        Ok(json!({"DBInstance": shown}))
    }

    pub(super) fn promote(&mut self, form: &Params) -> Result<Value, Fault> {
        only(form, "PromoteReadReplica", &["BackupRetentionPeriod", "DBInstanceIdentifier", "PreferredBackupWindow"])?;
        let name = form.required("DBInstanceIdentifier")?.to_ascii_lowercase();
        let mut there = self.instance(&name)?.clone();
        let source = there.text("ReadReplicaSourceDBInstanceIdentifier").to_owned();
        if source.is_empty() {
            return Err(Fault::new("InvalidDBInstanceState", format!("DB Instance is not a read replica: {name}")));
        }
        there.set("ReadReplicaSourceDBInstanceIdentifier", Value::Null);
        there.set("ReplicaMode", Value::Null);
        there.set("StatusInfos", Value::Null);
        there.set("BackupRetentionPeriod", json!(form.number("BackupRetentionPeriod")?.unwrap_or(1)));
        if let Some(window) = form.get("PreferredBackupWindow") {
            there.set("PreferredBackupWindow", json!(window));
        }
        if let Some(source) = self.instances.get_mut(&source) {
            let left: Vec<String> = source.replicas().into_iter().filter(|replica| *replica != name).collect();
            source.set_replicas(&left);
        }
        let shown = self.shown(&there);
        self.instances.insert(name, there);
        Ok(json!({"DBInstance": shown}))
    }
}
