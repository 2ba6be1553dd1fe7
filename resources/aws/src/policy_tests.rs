use phx_model::expr::Env;
use phx_model::typed::Output;
use phx_model::{Urn, ValueMap};

use super::form::{account, decoded};
use super::*;

struct Nothing;
impl Env for Nothing {
    fn output(&self, _: &Urn, output: &str) -> Option<Value> {
        Some(Value::String(format!("<{output}>").into()))
    }
}

fn json(text: &str) -> Value {
    Value::from(serde_json::from_str::<serde_json::Value>(text).unwrap())
}

fn written(document: PolicyDocument) -> Value {
    Input::<Json>::from(document).into_expr().eval(&Nothing).unwrap()
}

fn same(a: &str, b: &str) -> bool {
    canonical(&json(a)) == canonical(&json(b))
}

fn in_statement(element: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",{element}}}}}"#)
}

#[track_caller]
fn check_same(a: &str, b: &str) {
    assert!(same(&in_statement(a), &in_statement(b)), "{a}\n{b}");
}

#[track_caller]
fn check_differ(a: &str, b: &str) {
    assert!(!same(&in_statement(a), &in_statement(b)), "{a}\n{b}");
}

#[test]
fn documents_are_written_as_iam_wants_them() {
    assert_eq!(
        written(PolicyDocument::assume_role_by_service("ec2.amazonaws.com")),
        json(
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}"#
        )
    );
    let urn = Urn::parse("urn:phx:p:s:aws:s3:Bucket:logs").unwrap();
    let arn = Output::<String>::reference(&urn, "arn");
    let document = PolicyDocument::new().id("logs").statements([
        Statement::allow()
            .sid("Read")
            .actions(["s3:GetObject", "s3:ListBucket"])
            .resource(&arn)
            .resource(phx_model::format!("{}/*", &arn))
            .condition("StringEquals", "aws:SourceAccount", "123")
            .condition("StringEquals", "aws:SourceAccount", "456")
            .condition("Bool", "aws:SecureTransport", true),
        Statement::deny()
            .not_action("s3:*")
            .not_resource("*")
            .principal(Principal::aws("123456789012"))
            .principal(Principal::aws(vec![arn.clone(), arn]))
            .principal(Principal::federated("cognito-identity.amazonaws.com"))
            .not_principal(Principal::canonical_user("79a5"))
            .not_principal(Principal::everyone()),
    ]);
    assert_eq!(
        written(document),
        json(
            r#"{"Version":"2012-10-17","Id":"logs","Statement":[
                {"Sid":"Read","Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["<arn>","<arn>/*"],
                 "Condition":{"StringEquals":{"aws:SourceAccount":["123","456"]},"Bool":{"aws:SecureTransport":true}}},
                {"Effect":"Deny","NotAction":"s3:*","NotResource":"*","NotPrincipal":"*",
                 "Principal":{"AWS":["123456789012","<arn>","<arn>"],"Federated":"cognito-identity.amazonaws.com"}}]}"#
        )
    );
}

#[test]
fn a_key_that_is_set_twice_keeps_all_that_is_said_of_it() {
    let document = PolicyDocument::new().statement(
        Statement::allow()
            .condition("StringEquals", "aws:SourceAccount", "1")
            .condition("StringEquals", "AWS:sourceaccount", "2")
            .condition("StringEquals", "oidc.example.com:sub", "a")
            .condition("StringEquals", "https://oidc.example.com:sub", "b")
            .condition("StringLike", "aws:SourceAccount", "3*"),
    );
    assert_eq!(
        written(document),
        json(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Condition":{
                "StringEquals":{"aws:SourceAccount":["1","2"],"oidc.example.com:sub":["a","b"]},
                "StringLike":{"aws:SourceAccount":"3*"}}}]}"#
        )
    );
}

#[test]
fn a_document_that_says_something_twice_is_awss_to_refuse_and_loses_nothing() {
    let condition = |inside: &str| in_statement(&format!(r#""Action":"s3:*","Condition":{{{inside}}}"#));
    for twice in [
        condition(r#""StringEquals":{"k":"a","k":"b"}"#),
        condition(r#""StringEquals":{"k":"a"},"StringEquals":{"l":"b"}"#),
        r#"{"Statement":[],"Statement":[{"Effect":"Deny"}]}"#.to_owned(),
    ] {
        let document = Value::String(twice.as_str().into());
        assert_eq!(text(&Json(document.clone())), twice);
        assert_eq!(canonical(&document), document);
        assert_ne!(canonical(&document), canonical(&json(&twice)), "what a parser makes of it is another policy");
    }
    // One name in two places says two things.
    let once = condition(r#""StringEquals":{"k":"a"},"StringLike":{"k":"a"}"#);
    assert_eq!(canonical(&Value::String(once.as_str().into())), canonical(&json(&once)));

    // Two keys that become one without their scheme: as expressions may.
    let both = json(r#"{"Statement":[{"Condition":{"StringEquals":{"https://i:sub":"a","i:sub":"b"}}}]}"#);
    assert_eq!(json(&text(&Json(both.clone()))), both);
    let urn = Urn::parse("urn:phx:p:s:aws:eks:Cluster:main").unwrap();
    let issuer = Output::<String>::reference(&urn, "issuer");
    let key = phx_model::format!("{}:sub", &issuer);
    let document = PolicyDocument::new()
        .statement(Statement::allow().condition("StringEquals", "i:sub", "a").condition("StringEquals", key, "b"));
    let written = Input::<Json>::from(document).into_expr().eval(&Cluster(Some("i"))).unwrap();
    assert!(text(&Json(written)).contains(r#""i:sub":"a","i:sub":"b""#));
}

#[test]
fn text_and_structure_are_one() {
    let text = in_statement(r#""Action":"s3:*""#);
    assert_eq!(canonical(&Value::String(text.as_str().into())), canonical(&json(&text)));
    assert_eq!(canonical(&Value::String(text.as_str().into()).secret()), canonical(&json(&text)));
    for odd in [Value::String("not json".into()), Value::Int(1), json("[1]")] {
        assert_eq!(canonical(&odd), odd);
    }
}

#[test]
fn one_and_a_list_of_one_are_one() {
    check_same(r#""Action":"s3:*""#, r#""Action":["s3:*"]"#);
    check_same(r#""Resource":"*""#, r#""Resource":["*"]"#);
    check_same(r#""Principal":{"Service":"a"}"#, r#""Principal":{"Service":["a"]}"#);
    check_same(r#""Condition":{"Bool":{"k":"true"}}"#, r#""Condition":{"Bool":{"k":["true"]}}"#);
    assert!(same(r#"{"Statement":{"Effect":"Deny"}}"#, r#"{"Statement":[{"Effect":"Deny"}]}"#));
}

#[test]
fn order_and_repetition_say_nothing() {
    check_same(r#""Action":["b:X","a:Y","b:X"]"#, r#""Action":["a:Y","b:X"]"#);
    check_same(r#""NotResource":["b","a"]"#, r#""NotResource":["a","b"]"#);
    check_same(r#""NotPrincipal":{"AWS":["b","a"]}"#, r#""NotPrincipal":{"AWS":["a","b"]}"#);
    check_same(r#""Condition":{"X":{"k":["b","a"]}}"#, r#""Condition":{"X":{"k":["a","b"]}}"#);
    let statements = [r#"{"Sid":"1","Effect":"Allow"}"#, r#"{"Effect":"Deny","Action":"a:b"}"#, r#"{"Sid":"2"}"#];
    let document = |order: [usize; 3]| format!(r#"{{"Statement":[{}]}}"#, order.map(|i| statements[i]).join(","));
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert!(same(&document([0, 1, 2]), &document(order)), "{order:?}");
    }
}

#[test]
fn case_matters_where_iam_heeds_it() {
    check_same(r#""Action":"S3:getobject""#, r#""Action":"s3:GetObject""#);
    check_same(
        r#""Condition":{"Bool":{"AWS:securetransport":"true"}}"#,
        r#""Condition":{"Bool":{"aws:SecureTransport":"true"}}"#,
    );
    check_differ(r#""Resource":"arn:aws:s3:::A""#, r#""Resource":"arn:aws:s3:::a""#);
    check_differ(r#""Sid":"A""#, r#""Sid":"a""#);
    check_differ(r#""Condition":{"X":{"k":"A"}}"#, r#""Condition":{"X":{"k":"a"}}"#);
    // Two keys that differ in case only: both stay.
    check_differ(r#""Condition":{"X":{"k":"a","K":"b"}}"#, r#""Condition":{"X":{"k":"b","K":"a"}}"#);
}

#[test]
fn accounts_are_their_roots() {
    let aws = |who: &str| format!(r#""Principal":{{"AWS":{who}}}"#);
    check_same(&aws(r#""123456789012""#), &aws(r#""arn:aws:iam::123456789012:root""#));
    check_same(&aws(r#""123456789012""#), &aws(r#"["arn:aws-cn:iam::123456789012:root"]"#));
    for other in
        ["arn:aws:iam::123456789012:role/root", "arn:aws:iam::12345678901:root", "arn:aws:sts::123456789012:root"]
    {
        assert_eq!(account(other), other);
    }
    check_differ(&aws(r#""123456789012""#), r#""Principal":{"Federated":"arn:aws:iam::123456789012:root"}"#);
    check_differ(&aws(r#""*""#), r#""Principal":"*""#);
}

#[test]
fn quotes_around_condition_values_say_nothing() {
    check_same(r#""Condition":{"Bool":{"k":true}}"#, r#""Condition":{"Bool":{"k":"true"}}"#);
    check_same(
        r#""Condition":{"NumericLessThan":{"k":[5,2.5]}}"#,
        r#""Condition":{"NumericLessThan":{"k":["2.5","5"]}}"#,
    );
}

#[test]
fn what_says_something_else_differs() {
    check_differ(r#""Action":"s3:*""#, r#""NotAction":"s3:*""#);
    check_differ(r#""Action":["a:b"]"#, r#""Action":["a:b","a:c"]"#);
    check_differ(r#""Resource":"a""#, r#""Resource":"b""#);
    check_differ(r#""Condition":{"StringEquals":{"k":"v"}}"#, r#""Condition":{"StringLike":{"k":"v"}}"#);
    assert!(!same(r#"{"Statement":[{"Effect":"Allow"}]}"#, r#"{"Statement":[{"Effect":"Deny"}]}"#));
    assert!(!same(r#"{"Version":"2012-10-17","Statement":[]}"#, r#"{"Statement":[]}"#));
    assert!(same(r#"{"Version":"2008-10-17","Id":"x","Statement":[]}"#, r#"{"Id":"x"}"#));
    check_same(r#""Condition":{}"#, r#""Sid":null"#);
}

/// Random documents of the elements that matter, each with a shuffled and otherwise rewritten twin.
#[test]
fn a_rewritten_document_means_the_same() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..500 {
        let (a, b) = random.twins();
        let (once, twin) = (canonical(&a), canonical(&b));
        assert_eq!(once, twin, "round {round}: {a:?}\n{b:?}");
        assert_eq!(canonical(&once), once, "round {round}: not settled: {a:?}");
        let changed = random.with_one_more_action(&a);
        assert_ne!(canonical(&changed), once, "round {round}: {a:?}");
    }
}

/// A small generator of its own (xorshift): the same documents in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
        items
    }

    fn twins(&mut self) -> (Value, Value) {
        let statements: Vec<(Value, Value)> = (0..1 + self.below(3)).map(|i| self.statement(i)).collect();
        let (a, b): (Vec<Value>, Vec<Value>) = statements.into_iter().unzip();
        let b = self.shuffled(&b);
        let document = |statements: Value| {
            Value::Map(
                [("Version".to_owned(), Value::String(VERSION.into())), ("Statement".to_owned(), statements)].into(),
            )
        };
        let (a, b) = (document(Value::List(a)), document(alone(b)));
        (a, if self.below(2) == 0 { b } else { Value::String(b.to_plain_json().unwrap().to_string().into()) })
    }

    fn statement(&mut self, n: usize) -> (Value, Value) {
        let mut a = ValueMap::from([("Sid".to_owned(), Value::String(format!("s{n}").into()))]);
        let mut b = a.clone();
        for (element, stock) in [("Action", ["a:B", "c:d*", "E:f"]), ("Resource", ["*", "arn:x", "arn:Y"])] {
            let (x, y) = self.list(&stock);
            a.insert(element.to_owned(), x);
            b.insert(element.to_owned(), y);
        }
        if self.below(2) == 0 {
            let (x, y) = self.list(&["123456789012", "*", "arn:aws:iam::210987654321:root"]);
            a.insert("Principal".to_owned(), Value::Map([("AWS".to_owned(), x)].into()));
            b.insert("Principal".to_owned(), Value::Map([("AWS".to_owned(), y)].into()));
        }
        if self.below(2) == 0 {
            let (x, y) = self.list(&["5", "true", "no"]);
            let condition = |key: &str, values: Value| {
                Value::Map([("Op".to_owned(), Value::Map([(key.to_owned(), values)].into()))].into())
            };
            a.insert("Condition".to_owned(), condition("aws:Key", x));
            b.insert("Condition".to_owned(), condition("AWS:key", y));
        }
        (Value::Map(a), Value::Map(b))
    }

    /// Some of the stock, and the same in another order, with one of them twice.
    fn list(&mut self, stock: &[&str]) -> (Value, Value) {
        let stock: Vec<Value> = stock.iter().map(|s| Value::String((*s).into())).collect();
        let count = 1 + self.below(stock.len());
        let some = self.shuffled(&stock)[..count].to_vec();
        let mut twin = self.shuffled(&some);
        if self.below(3) == 0 {
            twin.push(twin[0].clone());
        }
        (Value::List(some), alone(twin))
    }

    fn with_one_more_action(&mut self, document: &Value) -> Value {
        let mut document = document.clone();
        let Value::Map(fields) = &mut document else { panic!("{document:?}") };
        let Some(Value::List(statements)) = fields.get_mut("Statement") else { panic!("no statements") };
        let n = self.below(statements.len());
        let Value::Map(statement) = &mut statements[n] else { panic!("no statement") };
        let Some(Value::List(actions)) = statement.get_mut("Action") else { panic!("no actions") };
        actions.push(Value::String("new:Action".into()));
        document
    }
}

fn alone(items: Vec<Value>) -> Value {
    match &items[..] {
        [one] => one.clone(),
        _ => Value::List(items),
    }
}

#[test]
fn documents_are_decoded_and_sent_as_json() {
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let plain = r#"{"Statement":[],"Version":"2012-10-17"}"#;
    assert_eq!(parse(trust), Json::parse(plain).unwrap());
    assert_eq!(parse(r#"{"Id":"100%41"}"#), Json::parse(r#"{"Id":"100%41"}"#).unwrap());
    assert_eq!(decoded("a%2Bb+c%c3%A9"), "a+b+cé");
    assert_eq!(decoded("50%"), "50%");
    assert_eq!(decoded("%zz%4"), "%zz%4");
    assert_eq!(parse("no%20json"), Json(Value::String("no json".into())));
    assert_eq!(text(&Json::parse(plain).unwrap()), plain);
    assert_eq!(text(&Json(Value::String(format!(" {plain} ").into()))), plain);
    assert_eq!(text(&Json(Value::String("no json".into()))), "no json");
}

const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EX";

fn irsa(operator: &str, subject: &str) -> Value {
    let (aud, sub) = ("oidc.eks.us-west-2.amazonaws.com/id/EX:aud", "oidc.eks.us-west-2.amazonaws.com/id/EX:sub");
    let mut condition = serde_json::Map::new();
    condition.insert("StringEquals".into(), serde_json::json!({aud: "sts.amazonaws.com"}));
    let keys = condition.entry(operator).or_insert_with(|| serde_json::json!({}));
    keys.as_object_mut().unwrap().insert(sub.into(), subject.into());
    serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": PROVIDER},
        "Condition": condition,
    }]})
    .into()
}

#[test]
fn a_service_account_is_trusted_by_its_subject_and_audience() {
    let wanted = irsa("StringEquals", "system:serviceaccount:kube-system:aws-load-balancer");
    for issuer in ["https://oidc.eks.us-west-2.amazonaws.com/id/EX", "oidc.eks.us-west-2.amazonaws.com/id/EX"] {
        let document =
            PolicyDocument::assume_role_by_service_account(PROVIDER, issuer, "kube-system", "aws-load-balancer");
        assert_eq!(written(document), wanted, "{issuer}");
    }
    let all = PolicyDocument::assume_role_by_service_accounts(
        PROVIDER,
        "oidc.eks.us-west-2.amazonaws.com/id/EX",
        "apps",
        "*",
    );
    assert_eq!(written(all), irsa("StringLike", "system:serviceaccount:apps:*"));
}

/// Outputs as a cluster and its provider have them.
struct Cluster(Option<&'static str>);
impl Env for Cluster {
    fn output(&self, _: &Urn, output: &str) -> Option<Value> {
        Some(match (output, self.0) {
            (_, None) => Value::Unknown,
            ("arn", _) => Value::String(PROVIDER.into()),
            (_, Some(issuer)) => Value::String(issuer.into()),
        })
    }
}

#[test]
fn an_issuer_that_is_not_known_yet_becomes_the_key_of_a_condition() {
    let urn = Urn::parse("urn:phx:p:s:aws:eks:Cluster:main").unwrap();
    let document = || {
        let (arn, issuer) = (Output::<String>::reference(&urn, "arn"), Output::<String>::reference(&urn, "issuer"));
        PolicyDocument::assume_role_by_service_account(&arn, &issuer, "apps", "web \"quoted\"")
            .statement(Statement::deny().action("sts:TagSession").condition("Bool", "aws:SecureTransport", false))
    };
    let eval = |cluster: &Cluster| Input::<Json>::from(document()).into_expr().eval(cluster).unwrap();
    assert_eq!(eval(&Cluster(None)), Value::Unknown);
    let mut wanted = irsa("StringEquals", "system:serviceaccount:apps:web \"quoted\"").to_plain_json().unwrap();
    let deny = serde_json::json!({
        "Effect": "Deny", "Action": "sts:TagSession", "Condition": {"Bool": {"aws:SecureTransport": false}},
    });
    wanted["Statement"].as_array_mut().unwrap().push(deny);
    for issuer in ["https://oidc.eks.us-west-2.amazonaws.com/id/EX", "oidc.eks.us-west-2.amazonaws.com/id/EX"] {
        let written = eval(&Cluster(Some(issuer)));
        let sent = serde_json::from_str::<serde_json::Value>(&text(&Json(written.clone()))).unwrap();
        assert_eq!(sent, wanted, "{issuer}");
        assert_eq!(canonical(&written), canonical(&wanted.clone().into()), "{issuer}");
    }
}

#[test]
fn pods_are_trusted_through_eks() {
    assert_eq!(
        written(PolicyDocument::assume_role_by_pod_identity()),
        json(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
                "Action":["sts:AssumeRole","sts:TagSession"],
                "Principal":{"Service":"pods.eks.amazonaws.com"}}]}"#
        )
    );
}

#[test]
fn what_is_no_policy_is_left_as_it_is() {
    for other in [Value::Null, Value::Int(1), Value::List(vec![Value::Int(1)]), Value::String("x".into())] {
        assert_eq!(canonical(&other), other);
    }
}
