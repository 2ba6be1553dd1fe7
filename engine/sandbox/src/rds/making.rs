//! Making instances.

use serde_json::{Value, json};

use super::catalog::{AUTHORITIES, engine};
use super::instance::{FIELDS, Instance, OTHERS, check_password, check_speed, said};
use super::{Fault, Others, Params, Rds, fault, invalid, name, new_tags, only, unfit};
use crate::kms::Kms;
use crate::service::Call;
use crate::shape::now_text;

impl Rds {
    pub(super) fn create_instance(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        let mut known: Vec<&str> =
            FIELDS.iter().map(|(parameter, ..)| *parameter).chain(OTHERS.iter().copied()).collect();
        known.extend([
            "Engine",
            "EngineVersion",
            "ManageMasterUserPassword",
            "MasterUserPassword",
            "MasterUserSecretKmsKeyId",
        ]);
        known.retain(|name| *name != "ReplicaMode");
        only(form, &call.action, &known)?;
        let name = self.new_name(form, "DBInstanceIdentifier")?;
        let engine = engine(form.required("Engine")?)?;
        let mut made = Instance { fields: said(form)?, tags: new_tags(form)?, ..Instance::default() };
        let version = engine.version(form.get("EngineVersion"))?;
        made.set("Engine", json!(engine.name));
        made.set("EngineVersion", json!(version));
        form.required("DBInstanceClass")?;
        let size = form
            .number("AllocatedStorage")?
            .ok_or_else(|| Fault::new("MissingParameter", "The request must contain the parameter AllocatedStorage"))?;
        if !(20..=65536).contains(&size) {
            return Err(invalid(format!(
                "Invalid storage size for engine name {} and storage type: {size}",
                engine.name
            )));
        }
        let user = form.required("MasterUsername")?;
        if user == "rdsadmin" || (engine.name == "postgres" && user == "admin") {
            return Err(invalid(format!(
                "MasterUsername {user} cannot be used as it is a reserved word used by the engine"
            )));
        }
        let managed = form.flag("ManageMasterUserPassword") == Some(true);
        check_password(form, managed)?;
        if managed == form.has("MasterUserPassword") {
            return Err(unfit("Either MasterUserPassword or ManageMasterUserPassword must be said"));
        }
        let secret_key = form.get("MasterUserSecretKmsKeyId").map(|key| others.key(&call.region, key)).transpose()?;
        made.name_keys(form, &call.region, others)?;
        self.place(&mut made, call, others, form.get("DBSubnetGroupName").unwrap_or_default())?;
        self.dress(&mut made, call, others)?;
        made.or_default("StorageType", json!(if form.has("Iops") { "io1" } else { "gp3" }));
        check_speed(form, made.text("StorageType"), size)?;
        made.or_default("BackupRetentionPeriod", json!(1));
        made.settle(&call.region, others)?;
        self.identify(&mut made, call, &name, form.number("Port")?.unwrap_or(engine.port));

        // From here on nothing is refused.
        if managed {
            made.manage_password(&call.region, others, secret_key.as_deref());
        }
        let shown = self.shown(&made);
        self.instances.insert(name, made);
        Ok(json!({"DBInstance": shown}))
    }

    /// The name of a new instance, which a request says in this parameter.
    pub(super) fn new_name(&self, form: &Params, parameter: &str) -> Result<String, Fault> {
        let name = name(form, parameter)?;
        if name.len() > 63 {
            return Err(invalid(format!("{name} is longer than 63 characters")));
        }
        match self.instances.contains_key(&name) {
            true => Err(Fault::new("DBInstanceAlreadyExists", format!("DB instance already exists: {name}"))),
            false => Ok(name),
        }
    }

    /// Puts an instance into a subnet group, a zone and security groups.
    pub(super) fn place(&self, made: &mut Instance, call: &Call, others: &Others, group: &str) -> Result<(), Fault> {
        if group.is_empty() {
            // The sandbox's account has no default VPC.
            return Err(Fault::new(
                "InvalidSubnet",
                "No default subnet detected in VPC. Please contact AWS Support to recreate the default Subnets.",
            ));
        }
        let there = self.subnet_group(group)?;
        let (vpc, zones) = (there.text("VpcId").to_owned(), super::groups::zones(there));
        made.subnet_group = group.to_ascii_lowercase();
        let multi = made.flag("MultiAZ");
        match made.fields.get("AvailabilityZone").and_then(Value::as_str).map(str::to_owned) {
            Some(_) if multi => {
                return Err(unfit("Requesting a specific availability zone is not valid for Multi-AZ instances."));
            }
            Some(zone) if !zones.contains(&zone) => {
                return Err(unfit(format!("The subnet group {group} has no subnet in {zone}")));
            }
            Some(_) => {}
            None => made.set("AvailabilityZone", json!(zones.first())),
        }
        if multi {
            made.set("SecondaryAvailabilityZone", json!(zones.get(1)));
        }
        // A replica has its source's already.
        if call.form.has("VpcSecurityGroupIds") || !made.fields.contains_key("VpcSecurityGroups") {
            made.set_security_groups(&self.security_groups(call, others, &vpc)?);
        }
        Ok(())
    }

    /// The security groups that a request says; without any, the VPC's own.
    pub(super) fn security_groups(&self, call: &Call, others: &Others, vpc: &str) -> Result<Vec<String>, Fault> {
        let ids: Vec<String> =
            call.form.list("VpcSecurityGroupIds.VpcSecurityGroupId").into_iter().map(str::to_owned).collect();
        for id in &ids {
            if !others.network.is_group_in(&call.region, id, vpc).map_err(|fault| invalid(fault.message))? {
                return Err(unfit("The DB instance and EC2 security group are in different VPCs."));
            }
        }
        if ids.is_empty() {
            return Ok(others.network.default_group(&call.region, vpc)?.into_iter().collect());
        }
        Ok(ids)
    }

    /// Gives an instance what it is made with beside its fields, and what it gets that says nothing of it.
    pub(super) fn dress(&mut self, made: &mut Instance, call: &Call, others: &Others) -> Result<(), Fault> {
        let form = &call.form;
        let engine = made.engine()?;
        let version = made.text("EngineVersion").to_owned();
        let group = form.get("DBParameterGroupName").map(str::to_ascii_lowercase);
        let group = self.parameter_group_for(call, engine, &version, group.as_deref())?;
        made.set_parameter_group(&group, "in-sync");
        let own = engine.option_group(&version);
        match form.get("OptionGroupName") {
            Some(other) if other != own => {
                return Err(fault(
                    404,
                    "OptionGroupNotFoundFault",
                    format!("Specified OptionGroupName: {other} not found."),
                ));
            }
            _ => made.set_option_group(&own),
        }
        let logs: Vec<String> =
            form.list("EnableCloudwatchLogsExports.member").into_iter().map(str::to_owned).collect();
        made.set_logs(&logs)?;
        made.set_domain(form);
        made.set_processor(form);
        let authority = form.get("CACertificateIdentifier").unwrap_or(AUTHORITIES[0]);
        made.set_authority(authority)?;
        match (made.flag("StorageEncrypted"), made.fields.contains_key("KmsKeyId")) {
            (true, false) => {
                let region = call.region.as_str();
                let key = others.kms.with(region, |kms: &mut Kms| kms.own_key_of(region, "rds"));
                made.set("KmsKeyId", json!(key));
            }
            (false, true) => return Err(unfit("KmsKeyId can't be said without StorageEncrypted")),
            _ => {}
        }
        for (name, value) in [
            ("MultiAZ", json!(false)),
            ("PubliclyAccessible", json!(false)),
            ("StorageEncrypted", json!(false)),
            ("AutoMinorVersionUpgrade", json!(true)),
            ("CopyTagsToSnapshot", json!(false)),
            ("DeletionProtection", json!(false)),
            ("IAMDatabaseAuthenticationEnabled", json!(false)),
            ("PerformanceInsightsEnabled", json!(false)),
            ("DatabaseInsightsMode", json!("standard")),
            ("MonitoringInterval", json!(0)),
            ("NetworkType", json!("IPV4")),
            ("LicenseModel", json!(engine.license)),
            ("BackupTarget", json!("region")),
            ("CustomerOwnedIpEnabled", json!(false)),
            ("DedicatedLogVolume", json!(false)),
            ("EngineLifecycleSupport", json!("open-source-rds-extended-support")),
            ("PreferredBackupWindow", json!("08:00-08:30")),
            ("PreferredMaintenanceWindow", json!("sun:09:30-sun:10:00")),
        ] {
            made.or_default(name, value);
        }
        Ok(())
    }

    /// Gives an instance its names, addresses and state.
    pub(super) fn identify(&mut self, made: &mut Instance, call: &Call, name: &str, port: i64) {
        if self.address.is_empty() {
            self.address = format!("c{}", &uuid::Uuid::new_v4().simple().to_string()[..11]);
        }
        let id = format!("db-{}", &uuid::Uuid::new_v4().simple().to_string().to_uppercase()[..26]);
        made.set("DbiResourceId", json!(id));
        made.set("DBInstanceStatus", json!("available"));
        made.set("InstanceCreateTime", json!(now_text()));
        made.set("DbInstancePort", json!(0));
        made.set("Endpoint", json!({"Port": port, "HostedZoneId": "Z1PVIF0B656C1W"}));
        made.rename(name, call, &self.address);
        for (list, item) in [
            ("DBSecurityGroups", "DBSecurityGroup"),
            ("ReadReplicaDBInstanceIdentifiers", "ReadReplicaDBInstanceIdentifier"),
            ("DomainMemberships", "DomainMembership"),
            ("AssociatedRoles", "DBInstanceRole"),
        ] {
            made.or_default(list, json!({item: []}));
        }
    }
}
