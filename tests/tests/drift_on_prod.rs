//! `phx drift` on the whole prod stack, in the sandbox as a server: twenty edits in eighteen services, made with AWS's own command line, are found and
//! named by its field; `up` puts all of it right.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};

use phx_tests::command::Project;
use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

/// Type and name of a resource, and the fields in which it differs; none if it is missing.
type Found = BTreeMap<(String, String), Vec<String>>;

struct Prod {
    project: Project,
    sandbox: Emulator,
    /// The cloud's ids, by type and name.
    ids: BTreeMap<(String, String), String>,
    expected: Found,
}

impl Prod {
    fn run(&self, arguments: &[&str]) -> phx_tests::command::Said {
        self.project.run(&[arguments, &["--stack", "prod"]].concat())
    }

    #[track_caller]
    fn id(&self, kind: &str, name: &str) -> String {
        let known = self.ids.get(&(kind.to_owned(), name.to_owned()));
        known.unwrap_or_else(|| panic!("there is no {kind} {name}")).clone()
    }

    /// Changes an object behind phx's back. `command` is of AWS's command line, `{}` in it the object's id, `{<}` and `{>}` what stands before and
    /// after its first `/`. It then differs in these fields, or is missing.
    fn edit(&mut self, kind: &str, name: &str, command: &str, fields: &[&str]) {
        let id = self.id(kind, name);
        let (before, after) = id.split_once('/').unwrap_or((&id, ""));
        let fill = |word: &str| word.replace("{}", &id).replace("{<}", before).replace("{>}", after);
        let command: Vec<String> = command.split_whitespace().map(fill).collect();
        self.sandbox.aws(&command.iter().map(String::as_str).collect::<Vec<_>>());
        let fields = fields.iter().map(|f| (*f).to_owned()).collect();
        self.expected.insert((kind.to_owned(), name.to_owned()), fields);
    }

    #[track_caller]
    fn drift(&self, code: i32) -> Found {
        let said = self.run(&["drift", "--json"]);
        assert_eq!(said.code(), code, "{}{}", said.out, said.err);
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let drifted = said.json()["drifted"].as_array().expect("what has drifted").clone();
        let found = drifted.iter().map(|d| {
            let fields = d["diff"].as_array().expect("a diff").iter().map(|f| text(&f["path"])).collect();
            assert_eq!(d["kind"] == "missing", d["diff"] == json!([]), "{d}");
            ((text(&d["type"]), text(&d["name"])), fields)
        });
        found.collect()
    }
}

#[test]
fn twenty_edits_in_eighteen_services_are_found_and_put_right() {
    let (project, folder) = (Project::copy("stacks"), tempfile::tempdir().unwrap());
    let sandbox = Emulator::sandbox(project.binary(), folder.path());
    let project = project.on(&sandbox);
    let mut prod = Prod { project, sandbox, ids: BTreeMap::new(), expected: Found::new() };
    let up = prod.run(&["up", "--yes"]);
    assert_eq!(up.code(), 0, "{}{}", up.out, up.err);
    assert_eq!(prod.drift(0), Found::new());
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let listed = prod.run(&["state", "list", "--json"]).json();
    let listed = listed["resources"].as_array().expect("resources");
    prod.ids = listed.iter().map(|r| ((text(&r["type"]), text(&r["name"])), text(&r["id"]))).collect();

    let state = prod.run(&["state", "export"]).json();
    let resources = state["state"]["resources"].as_object().expect("resources");
    let record =
        resources.iter().find(|(urn, _)| urn.ends_with("aws:route53:Record:rds/postgres")).expect("the alias").1;
    let values: Vec<Value> =
        record["inputs"]["resource_records"].as_array().expect("values").iter().map(|v| json!({"Value": v})).collect();
    let alias = json!({"Name": record["inputs"]["name"], "Type": "CNAME", "TTL": 5, "ResourceRecords": values});
    let alias = json!({"Changes": [{"Action": "UPSERT", "ResourceRecordSet": alias}]}).to_string();
    let zone = prod.id("aws:route53:HostedZone", "networking/databases");

    let nodes = "eks update-nodegroup-config --cluster-name {<} --nodegroup-name {>} --scaling-config minSize=1,maxSize=5,desiredSize=2";
    for (kind, name, command, fields) in [
        (
            "aws:backup:Selection",
            "backups/tagged",
            "backup delete-backup-selection --backup-plan-id {<} --selection-id {>}",
            &[][..],
        ),
        ("aws:budgets:Budget", "cost/monthly", "budgets delete-budget --account-id 000000000000 --budget-name {}", &[]),
        ("aws:cloudtrail:Trail", "security/trail", "cloudtrail stop-logging --name {}", &["is_logging"]),
        ("aws:cloudwatch:MetricAlarm", "alerting/database-cpu", "cloudwatch delete-alarms --alarm-names {}", &[]),
        ("aws:config:Rule", "security/keys-rotate", "configservice delete-config-rule --config-rule-name {}", &[]),
        (
            "aws:ec2:NetworkAcl",
            "networking/database",
            "ec2 delete-network-acl-entry --network-acl-id {} --rule-number 100 --ingress",
            &["entries[0]"],
        ),
        (
            "aws:ec2:Vpc",
            "networking/vpc",
            "ec2 modify-vpc-attribute --vpc-id {} --no-enable-dns-hostnames",
            &["enable_dns_hostnames"],
        ),
        ("aws:eks:Addon", "eks/coredns", "eks delete-addon --cluster-name {<} --addon-name {>}", &[]),
        ("aws:eks:NodeGroup", "eks/monitoring", nodes, &["scaling_config.min_size", "scaling_config.max_size"]),
        ("aws:events:Target", "alerting/backup-failed", "events remove-targets --rule {<} --ids {>}", &[]),
        (
            "aws:guardduty:Detector",
            "security/account",
            "guardduty update-detector --detector-id {} --finding-publishing-frequency SIX_HOURS",
            &["finding_publishing_frequency"],
        ),
        ("aws:iam:RolePolicy", "networking/flow-logs", "iam delete-role-policy --role-name {<} --policy-name {>}", &[]),
        ("aws:kms:Key", "rds/database", "kms disable-key-rotation --key-id {}", &["enable_key_rotation"]),
        (
            "aws:logs:LogGroup",
            "security/trail",
            "logs put-retention-policy --log-group-name {} --retention-in-days 7",
            &["retention_in_days"],
        ),
        (
            "aws:rds:DbInstance",
            "rds/postgres",
            "rds modify-db-instance --db-instance-identifier {} --no-auto-minor-version-upgrade --apply-immediately",
            &["auto_minor_version_upgrade"],
        ),
        (
            "aws:s3:Bucket",
            "backups/backups",
            "s3api put-bucket-versioning --bucket {} --versioning-configuration Status=Suspended",
            &["versioning_configuration.status"],
        ),
        (
            "aws:secretsmanager:Secret",
            "security/grafana",
            "secretsmanager tag-resource --secret-id {} --tags Key=Project,Value=other",
            &["tags.Project"],
        ),
        (
            "aws:securityhub:StandardsSubscription",
            "security/cis",
            "securityhub batch-disable-standards --standards-subscription-arns {}",
            &[],
        ),
        (
            "aws:sns:Topic",
            "alerting/critical",
            "sns set-topic-attributes --topic-arn {} --attribute-name DisplayName --attribute-value Other",
            &["display_name"],
        ),
        (
            "aws:route53:Record",
            "rds/postgres",
            &format!(
                "route53 change-resource-record-sets --hosted-zone-id {zone} --change-batch {}",
                alias.replace(' ', "")
            ),
            &["ttl"],
        ),
    ] {
        prod.edit(kind, name, command, fields);
    }
    let services: BTreeSet<&str> = prod.expected.keys().filter_map(|(kind, _)| kind.split(':').nth(1)).collect();
    assert_eq!((prod.expected.len(), services.len()), (20, 18), "EC2 and EKS have two each");

    assert_eq!(prod.drift(2), prod.expected);
    let up = prod.run(&["up", "--yes"]);
    assert_eq!(up.code(), 0, "{}{}", up.out, up.err);
    assert_eq!(prod.drift(0), Found::new());
}
