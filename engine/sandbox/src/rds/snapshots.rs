//! Snapshots of instances, which hold what is told of the instance and no data.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::instance::Instance;
use super::{Fault, Object, Params, Rds, Tags, fault, filters, listed, name, new_tags, only};
use crate::service::Call;
use crate::shape::{members, now_text, tag_list};

/// A snapshot.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Snapshot {
    #[serde(flatten)]
    pub(super) object: Object,
    /// The instance as it was, by which it is restored.
    #[serde(default)]
    pub(super) of: Option<Instance>,
}

impl Rds {
    pub(super) fn snapshot(&self, name: &str) -> Result<&Snapshot, Fault> {
        // An ARN will do as well.
        let bare = name.rsplit_once(":snapshot:").map_or(name, |(_, name)| name);
        let found = self.snapshots.get(&bare.to_ascii_lowercase());
        found.ok_or_else(|| fault(404, "DBSnapshotNotFound", format!("DBSnapshot {name} not found.")))
    }

    /// Keeps a snapshot of an instance.
    pub(super) fn take_snapshot(&mut self, call: &Call, of: &Instance, name: &str, tags: Tags) -> Result<(), Fault> {
        if self.snapshots.contains_key(name) {
            return Err(Fault::new(
                "DBSnapshotAlreadyExists",
                format!("Cannot create the snapshot because a snapshot with the identifier {name} already exists."),
            ));
        }
        let vpc = self.subnet_group(&of.subnet_group)?.text("VpcId").to_owned();
        let mut fields = members(json!({
            "DBSnapshotIdentifier": name, "DBSnapshotArn": call.arn("rds", &format!("snapshot:{name}")), "VpcId": vpc,
            "DBInstanceIdentifier": of.text("DBInstanceIdentifier"), "SnapshotCreateTime": now_text(), "Status": "available",
            "SnapshotType": "manual", "PercentProgress": 100, "Port": of.get("Endpoint")["Port"], "Encrypted": of.flag("StorageEncrypted"),
            "OptionGroupName": of.get("OptionGroupMemberships")["OptionGroupMembership"][0]["OptionGroupName"],
        }));
        let same = [
            "AllocatedStorage",
            "AvailabilityZone",
            "DbiResourceId",
            "Engine",
            "EngineVersion",
            "IAMDatabaseAuthenticationEnabled",
            "InstanceCreateTime",
            "Iops",
            "KmsKeyId",
            "LicenseModel",
            "MasterUsername",
            "ProcessorFeatures",
            "StorageThroughput",
            "StorageType",
        ];
        for name in same {
            if let Some(value) = of.fields.get(name) {
                fields.insert(name.to_owned(), value.clone());
            }
        }
        let copied = if of.flag("CopyTagsToSnapshot") { of.tags.clone() } else { Tags::new() };
        let tags = copied.into_iter().chain(tags).collect();
        let snapshot = Snapshot { object: Object { fields, tags }, of: Some(of.clone()) };
        self.snapshots.insert(name.to_owned(), snapshot);
        Ok(())
    }

    fn snapshot_shown(snapshot: &Snapshot) -> Value {
        let mut fields = snapshot.object.fields.clone();
        fields.insert("TagList".to_owned(), json!({"Tag": tag_list(&snapshot.object.tags, "Key", "Value")}));
        Value::Object(fields)
    }

    pub(super) fn create_snapshot(&mut self, call: &Call) -> Result<Value, Fault> {
        let form = &call.form;
        only(form, &call.action, &["DBInstanceIdentifier", "DBSnapshotIdentifier", "Tags"])?;
        let name = name(form, "DBSnapshotIdentifier")?;
        let of = self.instance(form.required("DBInstanceIdentifier")?)?.clone();
        self.take_snapshot(call, &of, &name, new_tags(form)?)?;
        Ok(json!({"DBSnapshot": Self::snapshot_shown(self.snapshot(&name)?)}))
    }

    pub(super) fn describe_snapshots(&self, form: &Params) -> Result<Value, Fault> {
        let known = ["db-instance-id", "db-snapshot-id", "dbi-resource-id", "engine", "snapshot-type"];
        let filters = filters(form, &known)?;
        // All that there are were made by hand.
        let kind = form.get("SnapshotType").is_none_or(|kind| kind == "manual");
        let one = form.get("DBSnapshotIdentifier").map(|name| self.snapshot(name)).transpose()?;
        let all: Vec<&Snapshot> = one.map_or_else(|| self.snapshots.values().collect(), |one| vec![one]);
        let wanted = |snapshot: &&Snapshot| {
            let (object, of) = (&snapshot.object, form.get("DBInstanceIdentifier"));
            let field = |name: &str| match name {
                "db-instance-id" => object.text("DBInstanceIdentifier").to_owned(),
                "db-snapshot-id" => object.text("DBSnapshotIdentifier").to_owned(),
                "dbi-resource-id" => object.text("DbiResourceId").to_owned(),
                "engine" => object.text("Engine").to_owned(),
                _ => object.text("SnapshotType").to_owned(),
            };
            kind && of.is_none_or(|of| object.text("DBInstanceIdentifier").eq_ignore_ascii_case(of))
                && filters.iter().all(|(name, values)| values.contains(&field(name).as_str()))
        };
        listed(form, "DBSnapshots", "DBSnapshot", all.into_iter().filter(wanted).map(Self::snapshot_shown).collect())
    }

    pub(super) fn delete_snapshot(&mut self, form: &Params) -> Result<Value, Fault> {
        let said = form.required("DBSnapshotIdentifier")?;
        let mut shown = Self::snapshot_shown(self.snapshot(said)?);
        let name = shown["DBSnapshotIdentifier"].as_str().unwrap_or_default().to_owned();
        self.snapshots.remove(&name);
        shown["Status"] = json!("deleted");
        Ok(json!({"DBSnapshot": shown}))
    }
}
