use phx_model::urn::StackName;
use serde_json::json;

use super::*;

fn urn(type_name: &str, name: &str) -> Urn {
    let (project, stack) = (StackName::new("phoenix").unwrap(), StackName::new("dev").unwrap());
    Urn::new(&project, &stack, type_name, name).unwrap()
}

fn step(op: Op, type_name: &str, name: &str) -> Step {
    Step {
        urn: urn(type_name, name),
        op,
        reasons: vec![],
        diff: vec![],
        depends_on: phx_model::map::Urns::default(),
        id: None,
        provider: phx_model::state::ProviderKey::default(),
        adopted: None,
    }
}

fn field(path: &str, before: impl Into<Value>, after: impl Into<Value>) -> FieldDiff {
    FieldDiff { path: path.into(), before: before.into(), after: after.into(), forces_replace: false, secret: false }
}

fn make(steps: Vec<Step>) -> Plan {
    let name = |n| StackName::new(n).unwrap();
    Plan {
        project: name("phoenix"),
        stack: name("dev"),
        lineage: "l".into(),
        serial: 3,
        program_hash: "h".into(),
        renames: vec![],
        steps,
        outputs: [].into(),
    }
}

fn plain(plan: &Plan, detail: Detail) -> String {
    let text = super::plan(plan, View { detail, width: 100 });
    anstream::adapter::strip_str(&text).to_string()
}

fn policy(action: &str) -> serde_json::Value {
    let statement =
        |a: &str| json!({"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": a});
    json!({"Version": "2012-10-17", "Statement": [statement("sts:AssumeRole"), statement(action)]}).to_string().into()
}

/// One of everything.
fn everything() -> Plan {
    use ReplaceOrder::{CreateBeforeDelete, DeleteBeforeCreate};
    let create = Step {
        diff: vec![
            field("cidr_block", json!(null), json!("10.0.0.0/16")),
            field("enable_dns_hostnames", json!(null), json!(true)),
            field("instance_tenancy", json!(null), json!(null)),
            field("tags", json!(null), json!({"Name": "phoenix-dev", "Team": "platform"})),
        ],
        ..step(Op::Create, "aws:ec2:Vpc", "networking/vpc")
    };
    let unknown = Step {
        diff: vec![
            FieldDiff { after: Value::Unknown, ..field("vpc_id", json!(null), json!(null)) },
            FieldDiff { secret: true, ..field("password", json!(null), json!("hunter2")) },
            field("user_data", json!(null), json!("x".repeat(5000))),
            field("assume_role_policy", json!(null), policy("sts:TagSession")),
        ],
        ..step(Op::Create, "test:lab:Thing", "thing")
    };
    let update = Step {
        id: Some("role-1".into()),
        reasons: vec!["assume_role_policy changes".into()],
        diff: vec![
            field("assume_role_policy", policy("sts:TagSession"), policy("sts:SetSourceIdentity")),
            field("description", json!("old"), json!(null)),
            field("max_session_duration", json!(3600), json!(7200)),
            field("tags.Owner", json!(null), json!("me")),
            FieldDiff { secret: true, ..field("token", json!("hunter2"), json!("hunter3")) },
        ],
        ..step(Op::Update, "aws:iam:Role", "networking/flow-logs")
    };
    let replace = |order, name| Step {
        id: Some("subnet-1".into()),
        reasons: vec!["cidr_block changes, and AWS cannot change it in place".into()],
        diff: vec![
            FieldDiff { forces_replace: true, ..field("cidr_block", json!("10.0.0.0/20"), json!("10.0.16.0/20")) },
            FieldDiff { after: Value::Unknown, forces_replace: true, ..field("vpc_id", json!("vpc-1"), json!(null)) },
        ],
        ..step(Op::Replace(order), "aws:ec2:Subnet", name)
    };
    let mut plan = make(vec![
        create,
        unknown,
        update,
        replace(CreateBeforeDelete, "networking/private-a"),
        replace(DeleteBeforeCreate, "networking/private-b"),
        step(Op::Same, "aws:ec2:Eip", "networking/nat-a"),
        Step { id: Some("phoenix-logs".into()), ..step(Op::Adopt, "aws:s3:Bucket", "logs") },
        Step {
            id: Some("rtb-1".into()),
            reasons: vec!["it is no longer in the program".into()],
            ..step(Op::Delete, "aws:ec2:RouteTable", "networking/old")
        },
        Step { id: Some("subnet-0".into()), ..step(Op::DeleteDeposed, "aws:ec2:Subnet", "networking/private-a") },
        Step {
            id: Some("phoenix-data".into()),
            reasons: vec!["it left the program, which asked to retain it".into()],
            ..step(Op::Forget, "aws:s3:Bucket", "data")
        },
    ]);
    plan.renames.push((urn("aws:ec2:Eip", "nat"), urn("aws:ec2:Eip", "networking/nat-a")));
    plan.outputs = [
        ("vpc".to_owned(), (Value::Null, Value::Unknown)),
        ("zones".to_owned(), (json!(["a"]).into(), json!(["a", "b"]).into())),
        ("token".to_owned(), (Value::Null, Value::String("hunter2".into()).secret())),
        ("old".to_owned(), (json!("x").into(), Value::Null)),
    ]
    .into();
    plan
}

#[test]
fn a_plan_of_everything() {
    let text = plain(&everything(), Detail::Normal);
    assert!(!text.contains("hunter"));
    insta::assert_snapshot!(text, @r#"
    Renamed
      rename nat -> networking/nat-a  aws:ec2:Eip

      + create  thing  test:lab:Thing
            vpc_id              (known after up)
            password            (secret)
            user_data           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (5,002 characters)
            assume_role_policy
                {
                  "Statement": [
                    {
                      "Action": "sts:AssumeRole",
                      "Effect": "Allow",
                      "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}
                    },
                    {
                      "Action": "sts:TagSession",
                      "Effect": "Allow",
                      "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}
                    }
                  ],
                  "Version": "2012-10-17"
                … 1 more lines (-v shows them)
      = adopt   logs  aws:s3:Bucket  phoenix-logs
      x forget  data  aws:s3:Bucket  phoenix-data
            because it left the program, which asked to retain it

    networking
      + create  vpc  aws:ec2:Vpc
            cidr_block            "10.0.0.0/16"
            enable_dns_hostnames  true
            tags                  Name="phoenix-dev", Team="platform"
      ~ update  flow-logs  aws:iam:Role  role-1
            because assume_role_policy changes
            ~ assume_role_policy
                  … 6 unchanged lines
                      },
                      {
                -       "Action": "sts:TagSession",
                +       "Action": "sts:SetSourceIdentity",
                        "Effect": "Allow",
                        "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}
                  … 4 unchanged lines
            - description           "old" -> nothing
            ~ max_session_duration  3600 -> 7200
            + tags.Owner            "me"
            ~ token                 (secret) -> (secret)
    +/- replace private-a  aws:ec2:Subnet  subnet-1
            because cidr_block changes, and AWS cannot change it in place
            order: the new object is created, then the old one deleted
            ~ cidr_block  "10.0.0.0/20" -> "10.0.16.0/20"  (needs a new object)
            ~ vpc_id      "vpc-1" -> (known after up)  (needs a new object)
    -/+ replace private-b  aws:ec2:Subnet  subnet-1
            because cidr_block changes, and AWS cannot change it in place
            order: the old object is deleted, then the new one created
            ~ cidr_block  "10.0.0.0/20" -> "10.0.16.0/20"  (needs a new object)
            ~ vpc_id      "vpc-1" -> (known after up)  (needs a new object)
      - delete  old  aws:ec2:RouteTable  rtb-1
            because it is no longer in the program
      - delete  private-a  aws:ec2:Subnet  subnet-0  (superseded by an earlier replacement)

    Outputs
      - old    "x" -> nothing
      + token  (secret)
      + vpc    (known after up)
      ~ zones  ["a"] -> ["a", "b"]

    Plan: 2 to create, 1 to update, 2 to replace, 2 to delete, 1 to adopt, 1 to forget, 1 renamed; 1 unchanged.
    "#);
}

#[test]
fn a_brief_plan_has_a_line_a_step() {
    insta::assert_snapshot!(plain(&everything(), Detail::Brief), @r#"
    Renamed
      rename nat -> networking/nat-a  aws:ec2:Eip

      + create  thing  test:lab:Thing
      = adopt   logs  aws:s3:Bucket  phoenix-logs
      x forget  data  aws:s3:Bucket  phoenix-data

    networking
      + create  vpc  aws:ec2:Vpc
      ~ update  flow-logs  aws:iam:Role  role-1
    +/- replace private-a  aws:ec2:Subnet  subnet-1
    -/+ replace private-b  aws:ec2:Subnet  subnet-1
      - delete  old  aws:ec2:RouteTable  rtb-1
      - delete  private-a  aws:ec2:Subnet  subnet-0  (superseded by an earlier replacement)

    Outputs
      - old    "x" -> nothing
      + token  (secret)
      + vpc    (known after up)
      ~ zones  ["a"] -> ["a", "b"]

    Plan: 2 to create, 1 to update, 2 to replace, 2 to delete, 1 to adopt, 1 to forget, 1 renamed; 1 unchanged.
    "#);
}

#[test]
fn colours_mark_the_symbol_and_its_word() {
    let plan = make(vec![Step {
        id: Some("subnet-1".into()),
        reasons: vec!["cidr_block changes".into()],
        diff: vec![FieldDiff { forces_replace: true, ..field("cidr_block", json!("a"), json!("b")) }],
        ..step(Op::Replace(ReplaceOrder::CreateBeforeDelete), "aws:ec2:Subnet", "private")
    }]);
    let text = super::plan(&plan, View::default()).replace('\x1b', "^");
    insta::assert_snapshot!(text, @r#"
    ^[35m+/- replace^[0m ^[1mprivate^[0m  ^[2maws:ec2:Subnet^[0m  ^[2msubnet-1^[0m
            ^[2mbecause^[0m cidr_block changes
            ^[2morder:^[0m the new object is created, then the old one deleted
            ^[33m~^[0m cidr_block  "a" -> "b"  ^[35m(needs a new object)^[0m

    ^[1mPlan:^[0m ^[35m1 to replace^[0m.
    "#);
}

#[test]
fn what_many_steps_share_is_said_once() {
    let defaults = json!({"Project": "phoenix", "Environment": "dev"});
    let mut steps: Vec<Step> = (0..4)
        .map(|i| {
            let mut tags = defaults.clone();
            tags["Name"] = format!("subnet-{i}").into();
            Step {
                reasons: vec!["it is new".into()],
                diff: vec![field("tags", json!(null), tags)],
                ..step(Op::Create, "aws:ec2:Subnet", &format!("new-{i}"))
            }
        })
        .collect();
    steps.extend((0..4).map(|i| Step {
        diff: vec![field("tags.Owner", json!("me"), json!("you"))],
        ..step(Op::Update, "aws:ec2:Subnet", &format!("old-{i}"))
    }));
    insta::assert_snapshot!(plain(&make(steps), Detail::Normal), @r#"
    Every new object that can have tags gets Environment="dev", Project="phoenix"
    ~ on 4 objects: tags.Owner "me" -> "you"
    4 to create: it is new

      + create  new-0  aws:ec2:Subnet
            tags  Name="subnet-0"
      + create  new-1  aws:ec2:Subnet
            tags  Name="subnet-1"
      + create  new-2  aws:ec2:Subnet
            tags  Name="subnet-2"
      + create  new-3  aws:ec2:Subnet
            tags  Name="subnet-3"
      ~ update  old-0  aws:ec2:Subnet
      ~ update  old-1  aws:ec2:Subnet
      ~ update  old-2  aws:ec2:Subnet
      ~ update  old-3  aws:ec2:Subnet

    Plan: 4 to create, 4 to update.
    "#);
}

#[test]
fn nothing_to_do() {
    assert_eq!(plain(&make(vec![]), Detail::Normal), "Nothing to do: there are no resources.\n");
    let same = make(vec![step(Op::Same, "aws:ec2:Vpc", "a"), step(Op::Same, "aws:ec2:Vpc", "b")]);
    assert_eq!(plain(&same, Detail::Normal), "Nothing to do: all 2 resources are as the program wants them.\n");
}

#[test]
fn values_from_the_cloud_cannot_drive_the_terminal() {
    let plan = make(vec![Step {
        diff: vec![field("tags.x\x1b[2J", json!("\x1b]0;title\x07"), json!("a"))],
        ..step(Op::Update, "aws:ec2:Vpc", "a")
    }]);
    let text = super::plan(&plan, View::default());
    assert!(!text.contains("\x1b[2J") && !text.contains("\x1b]"), "{text:?}");
}
