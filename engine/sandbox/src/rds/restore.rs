//! Restoring: instances that are made of a snapshot, or of another one's backups as they were at a moment. There is no data; what comes back is what
//! the source was told to be, but for what RDS sets anew. A password that RDS manages is not managed in the copy.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::instance::{FIELDS, Instance, OTHERS, check_speed, said};
use super::{Fault, Others, Params, Rds, Tags, fault, filters, invalid, listed, new_tags, only, unfit};
use crate::near::seconds;
use crate::service::Call;
use crate::shape::now_text;

/// What neither call takes of what makes a new instance.
const LEFT_OUT: &[&str] = &[
    "CharacterSetName",
    "DBInstanceIdentifier",
    "DatabaseInsightsMode",
    "EnablePerformanceInsights",
    "KmsKeyId",
    "MasterUsername",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod",
    "PreferredMaintenanceWindow",
    "PromotionTier",
    "ReplicaMode",
    "StorageEncrypted",
    "Timezone",
];
/// What an instance has of its source if nothing else is said. All else is as RDS sets it in a new one.
const INHERITED: &[&str] = &[
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "CharacterSetName",
    "DBInstanceClass",
    "DBName",
    "DedicatedLogVolume",
    "Engine",
    "EngineVersion",
    "Iops",
    "KmsKeyId",
    "LicenseModel",
    "MasterUsername",
    "ProcessorFeatures",
    "StorageEncrypted",
    "StorageThroughput",
    "StorageType",
    "Timezone",
];

/// Refuses a request that says something that would be lost. `own` is what this call alone takes, `not` what only the other one does.
fn check_known(call: &Call, own: &[&'static str], not: &[&'static str]) -> Result<(), Fault> {
    let known = FIELDS.iter().map(|(parameter, ..)| *parameter).chain(OTHERS.iter().copied());
    let mut known: Vec<&str> = known.filter(|name| !LEFT_OUT.contains(name) && !not.contains(name)).collect();
    known.extend(["Engine", "ManageMasterUserPassword", "UseDefaultProcessorFeatures"]);
    known.extend(own);
    only(&call.form, &call.action, &known)
}

/// The first and the last moment that an instance's backups hold, in seconds of Unix time; of one that is gone, the last is its end.
fn window(source: &Instance) -> (i64, i64) {
    let at = |name: &str| source.text(name).parse::<Timestamp>().ok().map(|time| time.as_second());
    let last = at("LatestRestorableTime").unwrap_or_else(seconds);
    let first = last - source.number("BackupRetentionPeriod") * 24 * 60 * 60;
    (at("InstanceCreateTime").unwrap_or(first).max(first), last)
}

/// Refuses a moment that the source's backups do not hold.
fn check_moment(form: &Params, source: &Instance) -> Result<(), Fault> {
    if source.number("BackupRetentionPeriod") == 0 {
        let message = format!("Backups are not enabled for the DB instance {}", source.text("DBInstanceIdentifier"));
        return Err(Fault::new("PointInTimeRestoreNotEnabled", message));
    }
    let moment = match (form.get("RestoreTime"), form.flag("UseLatestRestorableTime") == Some(true)) {
        (None, true) => return Ok(()),
        (Some(time), false) => {
            time.parse::<Timestamp>().map_err(|_| invalid(format!("Invalid RestoreTime: {time}")))?
        }
        (Some(_), true) => return Err(unfit("RestoreTime can't be specified with UseLatestRestorableTime")),
        (None, false) => return Err(unfit("Either RestoreTime or UseLatestRestorableTime must be specified")),
    };
    let (first, last) = window(source);
    let refused = |than: &str| {
        Err(invalid(format!("The specified instance cannot be restored to {moment}, a time {than} its backups hold")))
    };
    match moment.as_second() {
        at if at < first => refused("earlier than"),
        at if at > last => refused("later than"),
        _ => Ok(()),
    }
}

impl Rds {
    pub(super) fn restore_snapshot(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        check_known(call, &["DBInstanceIdentifier", "DBSnapshotIdentifier"], &["MaxAllocatedStorage"])?;
        let name = self.new_name(form, "DBInstanceIdentifier")?;
        let source = self.snapshot(form.required("DBSnapshotIdentifier")?)?.of.clone();
        let source = source.ok_or_else(|| Fault::not_implemented("restoring a snapshot that an earlier phx made"))?;
        if form.has("DBName") {
            return Err(invalid("DBName must be null when Restoring for this Engine."));
        }
        // Without tags of its own it has its source's.
        let tags = if form.has("Tags") { new_tags(form)? } else { source.tags.clone() };
        self.restore(call, others, (name, tags), &source)
    }

    pub(super) fn restore_moment(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        let own = [
            "RestoreTime",
            "SourceDBInstanceIdentifier",
            "SourceDbiResourceId",
            "TargetDBInstanceIdentifier",
            "UseLatestRestorableTime",
        ];
        check_known(call, &own, &[])?;
        let name = self.new_name(form, "TargetDBInstanceIdentifier")?;
        let source = match (form.get("SourceDBInstanceIdentifier"), form.get("SourceDbiResourceId")) {
            (Some(name), None) => self.instance(name)?,
            (None, Some(id)) => self.with_backups(id)?,
            _ => return Err(unfit("Either SourceDBInstanceIdentifier or SourceDbiResourceId must be specified")),
        };
        check_moment(form, source)?;
        let source = source.clone();
        self.restore(call, others, (name, new_tags(form)?), &source)
    }

    /// Makes an instance that is as its source, but for what is said and for what is an instance's own.
    fn restore(
        &mut self,
        call: &Call,
        others: &Others,
        (name, tags): (String, Tags),
        source: &Instance,
    ) -> Result<Value, Fault> {
        let form = &call.form;
        if form.get("Engine").is_some_and(|engine| engine != source.text("Engine")) {
            return Err(unfit(format!("The engine of the source is {}, and stays so", source.text("Engine"))));
        }
        if form.flag("ManageMasterUserPassword") == Some(true) {
            return Err(unfit("ManageMasterUserPassword is supported for RDS for Oracle only when restoring"));
        }
        let mut made = Instance { fields: said(form)?, tags, ..Instance::default() };
        // How fast storage is belongs to its kind.
        let other_kind = form.get("StorageType").is_some_and(|kind| kind != source.text("StorageType"));
        let left = if other_kind { &["Iops", "StorageThroughput"][..] } else { &[] };
        for field in INHERITED.iter().filter(|field| !left.contains(field)) {
            if let Some(value) = source.fields.get(*field) {
                made.or_default(field, value.clone());
            }
        }
        if made.number("AllocatedStorage") < source.number("AllocatedStorage") {
            return Err(invalid("Allocated storage size can't be less than the source instance size."));
        }
        if form.flag("UseDefaultProcessorFeatures") == Some(true) {
            made.set("ProcessorFeatures", Value::Null);
        }
        // Without its key nobody reads the data any more.
        if made.flag("StorageEncrypted") {
            others.key(&call.region, made.text("KmsKeyId"))?;
        }
        check_speed(form, made.text("StorageType"), made.number("AllocatedStorage"))?;
        self.place(&mut made, call, others, form.get("DBSubnetGroupName").unwrap_or_default())?;
        self.dress(&mut made, call, others)?;
        made.settle(&call.region, others)?;
        let port = source.get("Endpoint")["Port"].as_i64().unwrap_or(made.engine()?.port);
        self.identify(&mut made, call, &name, form.number("Port")?.unwrap_or(port));
        let shown = self.shown(&made);
        self.instances.insert(name, made);
        Ok(json!({"DBInstance": shown}))
    }

    /// An instance of which there are backups, though it may be gone, by the id that it keeps for its whole life.
    fn with_backups(&self, id: &str) -> Result<&Instance, Fault> {
        let mut all = self.backed_up().map(|(instance, _)| instance);
        let found = all.find(|instance| instance.text("DbiResourceId") == id);
        found.ok_or_else(|| no_backup(id))
    }

    /// The instances of which there are backups, and whether they live. The backups of one that is gone go when they are as old as it kept them.
    fn backed_up(&self) -> impl Iterator<Item = (&Instance, bool)> {
        let days = |gone: &&Instance| (seconds() - window(gone).1) / (24 * 60 * 60);
        let fresh = move |gone: &&Instance| days(gone) < gone.number("BackupRetentionPeriod");
        let living = self.instances.values().filter(|instance| instance.number("BackupRetentionPeriod") > 0);
        living.map(|instance| (instance, true)).chain(self.backups.values().filter(fresh).map(|gone| (gone, false)))
    }

    /// Keeps the backups of an instance that is deleted.
    pub(super) fn keep_backups(&mut self, of: &Instance) {
        let mut kept = of.clone();
        kept.set("LatestRestorableTime", json!(now_text()));
        kept.set("MasterUserSecret", Value::Null);
        self.backups.insert(of.text("DbiResourceId").to_owned(), kept);
    }

    pub(super) fn describe_backups(&self, form: &Params) -> Result<Value, Fault> {
        let filters = filters(form, &["db-instance-id", "dbi-resource-id", "status"])?;
        let shown = |(instance, lives): (&Instance, bool)| {
            let (first, last) = window(instance);
            let time = |at: i64| Timestamp::from_second(at).unwrap_or_default().to_string();
            let mut shown = json!({
                "RestoreWindow": {"EarliestTime": time(first), "LatestTime": time(last)},
                "Status": if lives { "active" } else { "retained" }, "Encrypted": instance.flag("StorageEncrypted"),
                "Port": instance.get("Endpoint")["Port"], "Region": instance.arn().split(':').nth(3),
            });
            let same = [
                "AllocatedStorage",
                "AvailabilityZone",
                "BackupRetentionPeriod",
                "DBInstanceArn",
                "DBInstanceIdentifier",
                "DbiResourceId",
                "Engine",
                "EngineVersion",
                "InstanceCreateTime",
                "KmsKeyId",
                "MasterUsername",
                "StorageType",
            ];
            for name in same {
                shown[name] = instance.get(name).clone();
            }
            shown
        };
        let wanted = |backup: &Value| {
            let is = |field: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| backup[field] == wanted);
            is("DBInstanceIdentifier", form.get("DBInstanceIdentifier"))
                && is("DbiResourceId", form.get("DbiResourceId"))
                && filters.iter().all(|(name, values)| {
                    let field = match *name {
                        "db-instance-id" => "DBInstanceIdentifier",
                        "dbi-resource-id" => "DbiResourceId",
                        _ => "Status",
                    };
                    values.iter().any(|value| backup[field] == *value)
                })
        };
        let all = self.backed_up().map(shown).filter(wanted).collect();
        listed(form, "DBInstanceAutomatedBackups", "DBInstanceAutomatedBackup", all)
    }

    pub(super) fn delete_backup(&mut self, form: &Params) -> Result<Value, Fault> {
        only(form, "DeleteDBInstanceAutomatedBackup", &["DbiResourceId"])?;
        let id = form.required("DbiResourceId")?;
        let gone = self.backups.remove(id).ok_or_else(|| no_backup(id))?;
        let backup = json!({
            "DbiResourceId": id, "DBInstanceIdentifier": gone.text("DBInstanceIdentifier"), "DBInstanceArn": gone.arn(), "Status": "deleting",
        });
        Ok(json!({"DBInstanceAutomatedBackup": backup}))
    }
}

fn no_backup(id: &str) -> Fault {
    let message = format!("No automated backup of a DB instance {id} found.");
    fault(404, "DBInstanceAutomatedBackupNotFound", message)
}
