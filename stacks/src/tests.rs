//! What the program declares, for each environment and for mistakes in its file. Nothing is called.

use std::collections::BTreeSet;

use phx::model::expr::Env;
use phx::model::stack::Declared;
use phx::model::{Program, Value};
use phx::project::Project;

const STACKS: [&str; 3] = ["dev", "staging", "prod"];

fn here() -> Project {
    Project::find(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A stack's program, with pieces of its file changed.
fn changed(stack: &str, changes: &[(&str, &str)]) -> phx::Result<Program> {
    let project = here();
    let mut settings = project.stack(&project.stack_name(Some(stack)).unwrap()).unwrap();
    for (from, to) in changes {
        assert!(settings.config.text.contains(from), "{stack}.toml has no {from:?}");
        settings.config.text = settings.config.text.replacen(from, to, 1);
    }
    settings.write_down(crate::platform)
}

fn program(stack: &str) -> Program {
    changed(stack, &[]).unwrap()
}

fn of_type<'p>(program: &'p Program, type_name: &str) -> Vec<&'p Declared> {
    program.resources.iter().filter(|d| d.urn.type_name() == type_name).collect()
}

fn named<'p>(program: &'p Program, type_name: &str, name: &str) -> &'p Declared {
    let all = of_type(program, type_name);
    all.into_iter().find(|d| d.urn.name() == name).unwrap_or_else(|| panic!("no {type_name} {name}"))
}

/// Nothing is known of other resources.
struct Unmade;
impl Env for Unmade {
    fn output(&self, _: &phx::model::urn::Urn, _: &str) -> Option<Value> {
        Some(Value::Unknown)
    }
}

/// The value of a field, in so far as it is known before anything is made. `Null` if it is unset.
fn field(declared: &Declared, name: &str) -> serde_json::Value {
    declared.inputs.get(name).map_or(serde_json::Value::Null, |e| e.eval(&Unmade).unwrap().to_redacted_json())
}

#[test]
fn each_stack_has_the_shape_of_its_environment() {
    for (stack, zones, gateways, groups, endpoints, monitored) in
        [("dev", 2, 1, 1, 4, 0), ("staging", 3, 1, 3, 5, 1), ("prod", 3, 3, 3, 8, 1)]
    {
        let program = program(stack);
        let count = |type_name: &str| of_type(&program, type_name).len();
        assert_eq!(count("aws:ec2:Subnet"), 3 * zones, "{stack}");
        assert_eq!((count("aws:ec2:NatGateway"), count("aws:ec2:Eip")), (gateways, gateways), "{stack}");
        assert_eq!(count("aws:ec2:NetworkAcl"), 3, "{stack}");
        assert_eq!(count("aws:ec2:VpcEndpoint"), 2 + endpoints, "{stack}");
        assert_eq!(count("aws:eks:NodeGroup"), groups, "{stack}");
        // One for each group, and the bastion's.
        assert_eq!(count("aws:ec2:LaunchTemplate"), groups + 1, "{stack}");
        assert_eq!(count("aws:eks:Addon"), 6, "{stack}");
        assert_eq!(count("aws:rds:DbInstance"), 1, "{stack}");
        let monitoring = program.resources.iter().filter(|d| d.urn.name() == "rds/database-monitoring");
        assert_eq!(monitoring.count(), monitored, "{stack}");
        for once in ["aws:cloudtrail:Trail", "aws:config:Recorder", "aws:guardduty:Detector", "aws:securityhub:Account"]
        {
            assert_eq!(count(once), 1, "{stack} {once}");
        }
        phx::engine::graph::Graph::new(&program).unwrap();
    }
}

#[test]
fn databases_are_what_the_environment_needs() {
    let seen = STACKS.map(|stack| {
        let program = program(stack);
        let database = named(&program, "aws:rds:DbInstance", "rds/postgres");
        let fields = [
            "multi_az",
            "deletion_protection",
            "skip_final_snapshot",
            "backup_retention_period",
            "max_allocated_storage",
        ];
        assert_eq!(field(database, "manage_master_user_password"), true);
        assert_eq!(
            (field(database, "storage_encrypted"), field(database, "publicly_accessible")),
            (true.into(), false.into())
        );
        assert_eq!(field(database, "apply_immediately"), serde_json::Value::Null, "changes wait for the window");
        assert!(!database.inputs.contains_key("master_user_password"));
        fields.map(|f| field(database, f))
    });
    let wanted = serde_json::json!([
        [false, false, true, 7, null],
        [true, false, true, 14, null],
        [true, true, false, 30, 1000],
    ]);
    assert_eq!(serde_json::json!(seen), wanted);
}

/// RDS wants the new version's parameters to be there before, and the old one's for as long as the upgrade waits.
#[test]
fn a_major_upgrade_has_both_versions_parameters() {
    let groups = |program: &Program| {
        let all = of_type(program, "aws:rds:DbParameterGroup");
        let shown = |d: &&Declared| format!("{}: {}", d.urn.name(), field(d, "db_parameter_group_family"));
        all.iter().map(shown).collect::<Vec<_>>()
    };
    let database = |program: &Program| {
        let instance = named(program, "aws:rds:DbInstance", "rds/postgres");
        let group: Vec<_> =
            instance.inputs["db_parameter_group_name"].references().iter().map(|urn| urn.name().to_owned()).collect();
        (field(instance, "engine_version"), field(instance, "allow_major_version_upgrade"), group)
    };
    let before = program("dev");
    assert_eq!(groups(&before), ["rds/postgres-17: \"postgres17\""]);
    assert_eq!(database(&before), ("17".into(), serde_json::Value::Null, vec!["rds/postgres-17".to_owned()]));
    let upgrade = [("version = \"17\"\n", "version = \"18\"\nupgrade_from = \"17\"\n")];
    let during = changed("dev", &upgrade).unwrap();
    assert_eq!(groups(&during), ["rds/postgres-17: \"postgres17\"", "rds/postgres-18: \"postgres18\""]);
    assert_eq!(database(&during), ("18".into(), true.into(), vec!["rds/postgres-18".to_owned()]));
    // What is restored meanwhile is of the earlier version.
    let restored = ("multi_az = false", "multi_az = false\nrestored = { to = \"latest\" }");
    let both = changed("dev", &[upgrade[0], restored]).unwrap();
    let copy = named(&both, "aws:rds:DbInstance", "rds/postgres-restored");
    let group = copy.inputs["db_parameter_group_name"].references();
    assert!(group.iter().all(|urn| urn.name() == "rds/postgres-17") && !group.is_empty(), "{group:?}");
}

#[test]
fn too_many_connections_are_many_for_the_machine() {
    let threshold = |program: &Program| {
        field(named(program, "aws:cloudwatch:MetricAlarm", "alerting/database-connections"), "threshold").as_f64()
    };
    assert_eq!(STACKS.map(|stack| threshold(&program(stack))), [Some(67.0), Some(337.0), Some(1419.0)]);
    let said = [("multi_az = false", "multi_az = false\nconnections_alarm = 50")];
    assert_eq!(threshold(&changed("dev", &said).unwrap()), Some(50.0));
}

/// EKS hands no tags on to what it makes, so the templates say them.
#[test]
fn nodes_and_their_volumes_bear_the_environments_tags() {
    for stack in STACKS {
        let program = program(stack);
        let templates = of_type(&program, "aws:ec2:LaunchTemplate");
        for template in templates.into_iter().filter(|template| template.urn.name().starts_with("eks/")) {
            let specifications = field(template, "launch_template_data")["tag_specifications"].clone();
            let kinds: Vec<_> = specifications.as_array().unwrap().iter().map(|s| s["resource_type"].clone()).collect();
            assert_eq!(kinds, ["instance", "volume"], "{}", template.urn);
            for specification in specifications.as_array().unwrap() {
                let own = field(template, "tags");
                for (key, value) in own.as_object().unwrap() {
                    assert_eq!(&specification["tags"][key], value, "{}: {key}", template.urn);
                }
            }
        }
    }
}

#[test]
fn nodes_go_up_with_the_cluster() {
    let raised = changed("prod", &[("[eks]\nversion = \"1.34\"", "[eks]\nversion = \"1.35\"")]).unwrap();
    for group in of_type(&raised, "aws:eks:NodeGroup") {
        assert_eq!(field(group, "version"), "1.35", "{}", group.urn);
    }
}

/// What bears no mark would be taken over from the stack that owns it.
#[test]
fn a_second_owner_of_the_account_is_stopped_before_it_takes_anything_over() {
    let program = program("prod");
    let detector = &named(&program, "aws:guardduty:Detector", "security/account").urn;
    for type_name in ["aws:s3:AccountPublicAccessBlock", "aws:securityhub:Account", "aws:iam:ServiceLinkedRole"] {
        let all = of_type(&program, type_name);
        assert!(!all.is_empty(), "{type_name}");
        assert!(all.iter().all(|d| d.options.depends_on.contains(detector)), "{type_name}");
    }
}

#[test]
fn what_cannot_be_made_again_is_protected_in_production() {
    let stateful = [
        "aws:rds:DbInstance",
        "aws:kms:Key",
        "aws:s3:Bucket",
        "aws:backup:Vault",
        "aws:secretsmanager:Secret",
        "aws:eks:Cluster",
        "aws:cloudtrail:Trail",
    ];
    for stack in STACKS {
        let program = program(stack);
        for type_name in stateful {
            let all = of_type(&program, type_name);
            assert!(!all.is_empty(), "{stack} {type_name}");
            for declared in all {
                assert_eq!(declared.options.protect, stack == "prod", "{}", declared.urn);
            }
        }
    }
    let other = changed("prod", &[("protect = true", "protect = false")]).unwrap();
    assert!(other.resources.iter().all(|d| !d.options.protect));
}

#[test]
fn nothing_is_open_to_the_world() {
    for stack in STACKS {
        let program = program(stack);
        for rule in of_type(&program, "aws:ec2:SecurityGroupIngressRule") {
            let from = field(rule, "cidr_ip");
            assert!(from.as_str().is_none_or(|range| !range.ends_with("/0")), "{}: {from}", rule.urn);
        }
        let place = field(named(&program, "aws:eks:Cluster", "eks/cluster"), "resources_vpc_config");
        assert_eq!(place["endpoint_public_access"], false);
        let buckets = of_type(&program, "aws:s3:Bucket");
        assert_eq!(buckets.len(), of_type(&program, "aws:s3:BucketPolicy").len());
        for bucket in buckets {
            let block = field(bucket, "public_access_block_configuration");
            assert!(block.as_object().unwrap().values().all(|on| on == true), "{}: {block}", bucket.urn);
            assert_eq!(field(bucket, "server_side_encryption_configuration")["sse_algorithm"], "aws:kms");
        }
        for template in of_type(&program, "aws:ec2:LaunchTemplate") {
            let data = field(template, "launch_template_data");
            assert_eq!(data["metadata_options"]["http_tokens"], "required", "{}", template.urn);
            assert_eq!(data["block_device_mappings"][0]["ebs"]["encrypted"], true, "{}", template.urn);
        }
        for role in of_type(&program, "aws:iam:Role") {
            assert!(role.inputs.contains_key("permissions_boundary"), "{}", role.urn);
        }
        for key in of_type(&program, "aws:kms:Key") {
            assert_eq!(field(key, "enable_key_rotation"), true, "{}", key.urn);
        }
    }
}

/// EC2's own words: "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*". No emulator is as strict.
#[test]
fn descriptions_of_security_groups_are_written_as_ec2_takes_them() {
    let taken = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || ". _-:/()#,@[]+=&;{}!$*".contains(c));
    for stack in STACKS {
        let program = program(stack);
        let types = ["SecurityGroup", "SecurityGroupIngressRule", "SecurityGroupEgressRule"];
        for declared in types.iter().flat_map(|kind| of_type(&program, &format!("aws:ec2:{kind}"))) {
            let text = field(declared, "description");
            assert!(text.as_str().is_some_and(taken), "{}: {text}", declared.urn);
        }
    }
}

#[test]
fn the_last_snapshots_key_stays() {
    for stack in STACKS {
        let program = program(stack);
        for key in of_type(&program, "aws:kms:Key") {
            let stays = stack == "prod" && key.urn.name() == "rds/database";
            assert_eq!(key.options.retain, stays, "{}", key.urn);
        }
    }
}

#[test]
fn what_aws_backup_says_of_the_database_is_left_to_it() {
    for stack in STACKS {
        let program = program(stack);
        let left = &named(&program, "aws:rds:DbInstance", "rds/postgres").options.ignore_changes;
        assert_eq!(left.iter().any(|field| field == "backup_retention_period"), stack == "prod", "{stack}: {left:?}");
    }
}

#[test]
fn people_reach_the_api_server_and_a_bastion_for_ssh_is_reached() {
    let entry = |program: &Program, tier: &str, port: i32| {
        let acl = field(named(program, "aws:ec2:NetworkAcl", &format!("networking/{tier}")), "entries");
        let fits = |e: &&serde_json::Value| e["egress"] == false && e["port_range"]["from"] == port;
        acl.as_array().unwrap().iter().filter(fits).map(|e| e["cidr_block"].clone()).collect::<Vec<_>>()
    };
    let subnet = |program: &Program| {
        let bastion = named(program, "aws:ec2:Instance", "security/bastion");
        bastion.inputs["subnet_id"].references().iter().map(|urn| urn.name().to_owned()).collect::<Vec<_>>()
    };
    let closed = program("dev");
    named(&closed, "aws:ec2:SecurityGroupIngressRule", "eks/api-bastion");
    assert_eq!(subnet(&closed), ["networking/private-a"]);
    assert!(entry(&closed, "public", 22).is_empty() && entry(&closed, "private", 22).is_empty());

    for (range, tier, asking) in [("198.51.100.0/24", "public", 3), ("192.168.0.0/16", "private", 2)] {
        let ssh = format!("instance_type = \"t4g.nano\"\nkey_name = \"ops\"\nssh_cidr = \"{range}\"");
        let open = changed("dev", &[("instance_type = \"t4g.nano\"", &ssh)]).unwrap();
        assert_eq!(subnet(&open), [format!("networking/{tier}-a")]);
        assert_eq!(entry(&open, tier, 22), [range]);
        assert_eq!(entry(&open, "database", 5432).len(), asking, "{range}");
    }
}

#[test]
fn the_database_subnets_have_no_way_to_the_internet() {
    for stack in STACKS {
        let program = program(stack);
        let table = &named(&program, "aws:ec2:RouteTable", "networking/database").urn;
        for route in of_type(&program, "aws:ec2:Route") {
            let refers = route.inputs["route_table_id"].references();
            assert!(!refers.contains(table), "{} is a route of the database subnets", route.urn);
        }
        let acl = field(named(&program, "aws:ec2:NetworkAcl", "networking/database"), "entries");
        for entry in acl.as_array().unwrap() {
            assert_ne!(entry["cidr_block"], "0.0.0.0/0", "{stack}");
        }
    }
}

#[test]
fn everything_that_can_bear_tags_bears_those_of_the_environment() {
    for stack in STACKS {
        let program = program(stack);
        let mut bare = BTreeSet::new();
        for declared in &program.resources {
            if declared.schema.tagged() {
                let tags = field(declared, "tags");
                assert_eq!(tags["Environment"], stack, "{}", declared.urn);
                assert_eq!(tags["CostCenter"], "platform", "{}", declared.urn);
            } else {
                bare.insert(declared.urn.type_name().to_owned());
            }
        }
        assert!(!bare.contains("aws:ec2:Subnet") && !bare.contains("aws:rds:DbInstance"), "{bare:?}");
    }
}

#[test]
fn every_alarm_tells_its_runbook_and_somebody() {
    for stack in STACKS {
        let program = program(stack);
        let alarms = of_type(&program, "aws:cloudwatch:MetricAlarm");
        assert!(alarms.len() > 15, "{stack}: {}", alarms.len());
        for alarm in alarms {
            let text = field(alarm, "alarm_description");
            assert!(text.as_str().unwrap().contains("Runbook: https://"), "{}: {text}", alarm.urn);
            let told = alarm.inputs["alarm_actions"].references();
            assert!(told.iter().all(|urn| urn.type_name() == "aws:sns:Topic") && told.len() == 1, "{}", alarm.urn);
        }
    }
}

#[test]
fn the_control_planes_log_group_is_there_before_the_cluster() {
    let program = program("dev");
    let cluster = named(&program, "aws:eks:Cluster", "eks/cluster");
    let group = named(&program, "aws:logs:LogGroup", "eks/control-plane");
    assert!(cluster.options.depends_on.contains(&group.urn));
    assert_eq!(field(group, "log_group_name"), "/aws/eks/phoenix-dev-cluster/cluster");
}

#[test]
fn names_differ_where_aws_wants_them_to() {
    for stack in STACKS {
        let program = program(stack);
        let mut seen = BTreeSet::new();
        for declared in &program.resources {
            for name in declared.schema.fields.iter().filter(|f| f.required && f.name.ends_with("name") && f.replace) {
                let value = field(declared, name.name);
                // A name that refers to what is not made yet says nothing.
                if let Some(text) = value.as_str().filter(|_| declared.inputs[name.name].references().is_empty()) {
                    let of = (declared.urn.type_name().to_owned(), name.name, text.to_owned());
                    let alone = declared.schema.fields.iter().filter(|f| f.required && f.replace).count() == 1;
                    assert!(seen.insert(of) || !alone, "{}: {text} is taken", declared.urn);
                }
            }
        }
    }
}

#[test]
fn parts_can_be_left_out_and_the_rest_stands() {
    let part = |on: &str| {
        let all = ["eks", "database", "security", "backups", "alerting", "cost"];
        let off: String = all.iter().filter(|p| **p != on).map(|p| format!("{p} = false\n")).collect();
        changed("dev", &[("[network]\n", &format!("[components]\n{off}\n[network]\n"))]).unwrap()
    };
    for (on, type_name) in [
        ("eks", "aws:eks:Cluster"),
        ("database", "aws:rds:DbInstance"),
        ("security", "aws:cloudtrail:Trail"),
        ("backups", "aws:backup:Vault"),
        ("alerting", "aws:cloudwatch:Dashboard"),
        ("cost", "aws:budgets:Budget"),
    ] {
        let program = part(on);
        phx::engine::graph::Graph::new(&program).unwrap();
        for declared in &program.resources {
            let component = declared.urn.name().split('/').next().unwrap();
            let own = if on == "database" { "rds" } else { on };
            assert!(component == "networking" || component == own, "{on}: {}", declared.urn);
        }
        assert_eq!(of_type(&program, type_name).len(), 1, "{on}");
    }
    let alone = part("nothing");
    assert!(alone.resources.iter().all(|d| d.urn.name().starts_with("networking/")));
}

#[test]
fn options_are_options() {
    let vpn = "\n[security.vpn]\ncustomer_address = \"198.51.100.7\"\nbgp_asn = 65000\nroutes = [\"192.168.0.0/16\"]\n\n[backups]";
    let more = changed(
        "prod",
        &[
            ("# replica_class", "replica_class"),
            ("# replica_region", "replica_region"),
            ("# pagerduty", "pagerduty"),
            ("\n[backups]", vpn),
            ("account_baseline = true", "account_baseline = false"),
        ],
    )
    .unwrap();
    phx::engine::graph::Graph::new(&more).unwrap();
    named(&more, "aws:rds:DbInstance", "rds/postgres-ro");
    named(&more, "aws:route53:Record", "rds/postgres-ro");
    named(&more, "aws:cloudwatch:MetricAlarm", "alerting/replica-lag");
    named(&more, "aws:ec2:VpnConnection", "security/vpn");
    for zone in ["a", "b", "c"] {
        named(&more, "aws:ec2:Route", &format!("security/vpn-{zone}-192.168.0.0-16"));
    }
    named(&more, "aws:ec2:SecurityGroupIngressRule", "eks/api-vpn-192.168.0.0-16");
    assert_eq!(named(&more, "aws:s3:Bucket", "backups/backups-replica").options.provider.0, "us-east-2");
    let pager = named(&more, "aws:sns:Subscription", "alerting/critical-pagerduty");
    assert!(format!("{:?}", pager.inputs["endpoint"]).contains("pagerduty_url"));
    assert!(
        of_type(&more, "aws:cloudtrail:Trail").is_empty()
            && of_type(&more, "aws:s3:AccountPublicAccessBlock").is_empty()
    );
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for (from, to, said) in [
        ("environment = \"dev\"", "environment = \"prod\"", "the stack's own name"),
        ("\"us-west-2a\", ", "", "network.zones names 1 zones"),
        ("us-west-2b", "us-west-2a", "\"us-west-2a\" twice"),
        ("us-west-2b", "us-east-1b", "no zone of the region"),
        ("10.10.0.0/16", "10.10.0.0/24", "network.cidr is 10.10.0.0/24"),
        ("days = 7", "days = 8", "flow_log_retention_days is 8"),
        ("\"dynamodb\"", "\"sqs\"", "there are gateways for s3 and dynamodb only"),
        ("\"dynamodb\"", "\"s3\"", "network.gateway_endpoints names \"s3\" twice"),
        ("\"ecr.dkr\"", "\"ecr.api\"", "network.interface_endpoints names \"ecr.api\" twice"),
        ("interface_endpoint_zones = 1", "interface_endpoint_zones = 3", "interface_endpoint_zones is 3"),
        ("version = \"1.34\"", "version = \"1.34.2\"", "eks.version is \"1.34.2\""),
        ("# public_access_cidrs = [\"198.51.100.0/24\"]", "public_access_cidrs = [\"0.0.0.0/0\"]", "open to the world"),
        ("vpc-cni =", "vpc-cnl =", "eks.addon_versions names \"vpc-cnl\""),
        ("groups = [\"phoenix:developers\"]", "groups = []", "eks.access.developer gives no rights"),
        ("\"phoenix:developers\"", "\"system:masters\"", "begins with \"system:\""),
        ("max = 3", "max = 0", "eks.node_groups.general has min = 1 and max = 0"),
        ("desired = 2", "desired = 4", "eks.node_groups.general.desired is 4"),
        ("disk_gib = 30", "disk_gib = 3", "eks.node_groups.general.disk_gib is 3"),
        ("disk_gib = 30", "disk_gib = 30\ntaints = [\"x\"]", "eks.node_groups.general.taints names \"x\""),
        ("version = \"17\"\n", "version = \"17\"\nupgrade_from = \"17\"\n", "database.upgrade_from is \"17\""),
        ("db.t4g.micro", "db.serverless", "database.connections_alarm must say"),
        ("multi_az = false", "multi_az = false\nconnections_alarm = 0", "database.connections_alarm is 0"),
        ("storage_gib = 20", "storage_gib = 10", "database.storage_gib is 10"),
        ("storage_gib = 20", "storage_gib = 20\nmax_storage_gib = 21", "database.max_storage_gib is 21"),
        ("backup_retention_days = 7", "backup_retention_days = 0", "database.backup_retention_days is 0"),
        ("08:00-09:00", "08:00-08:10", "database.backup_window is"),
        ("sun:09:30-sun:10:30", "09:30-10:30", "database.maintenance_window is"),
        ("multi_az = false", "multi_az = false\nmonitoring_seconds = 7", "database.monitoring_seconds is 7"),
        ("multi_az = false", "multi_az = false\nrotation = { days = 0 }", "database.rotation.days is 0"),
        (
            "instance_type = \"t4g.nano\"",
            "instance_type = \"t4g.nano\"\nssh_cidr = \"198.51.100.0/24\"",
            "needs security.bastion.key_name",
        ),
        (
            "instance_type = \"t4g.nano\"",
            "instance_type = \"t4g.nano\"\nkey_name = \"ops\"\nssh_cidr = \"0.0.0.0/0\"",
            "SSH would be open to the world",
        ),
        ("secrets = [\"grafana\"]", "secrets = [\"grafana\", \"grafana\"]", "security.secrets names \"grafana\" twice"),
        ("retention_days = 7\n\n[cost]", "retention_days = 0\n\n[cost]", "backups.retention_days is 0"),
        ("retention_days = 7\n\n[cost]", "retention_days = 40\npoint_in_time = true\n\n[cost]", "keeps 35 at most"),
        ("retention_days = 7\n\n[cost]", "retention_days = 5\npoint_in_time = true\n\n[cost]", "would keep fewer"),
        (
            "retention_days = 7\n\n[cost]",
            "retention_days = 7\nreplica_region = \"us-west-2\"\n\n[cost]",
            "where the bucket itself lies",
        ),
        ("monthly_usd = 400", "monthly_usd = 0", "cost.monthly_usd"),
        ("critical_emails = [\"platform-dev@example.com\"]", "", "tells nobody of what is critical"),
        (
            "critical_emails = [\"platform-dev@example.com\"]",
            "critical_emails = [\"platform\"]",
            "which is no mail address",
        ),
        ("https://runbooks", "http://runbooks", "alerting.runbooks is"),
    ] {
        let error = changed("dev", &[(from, to)]).unwrap_err().to_string();
        assert!(error.contains("dev.toml") && error.contains(said), "{from} -> {to}: {error}");
    }
}
