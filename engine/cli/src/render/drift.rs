//! Drift as people read it: each object that is not as phx left it, with the fields that differ.

use std::fmt::Write;
use std::time::Duration;

use phx_aws::orphans::Marked;
use phx_engine::drift::{Drift, DriftKind};

use super::outcome::cloud_error;
use super::plan::{INDENT, change, column};
use super::style::{ADD, CHANGE, DIM, ERROR, REMOVE, STRONG, clean, paint};
use super::{Detail, View, count, duration, thousands};

/// What one stack's look found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// The stack.
    pub(crate) stack: &'a str,
    /// What is not as it was left.
    pub(crate) drift: &'a Drift,
    /// What bears the stack's mark and is in no state. `None`: it was not looked for.
    pub(crate) orphans: Option<&'a [Marked]>,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// How many calls it took.
    pub(crate) api_calls: u64,
}

/// What was found, ending with a line that sums it up.
pub(crate) fn drift(found: &Found<'_>, view: View) -> String {
    let mut text = String::new();
    for one in &found.drift.drifted {
        let (symbol, word, style) = match one.kind {
            DriftKind::Changed => ("~", "changed", CHANGE),
            DriftKind::Missing => ("-", "missing", REMOVE),
        };
        let head = paint(style, format_args!("{symbol:>3} {word:<7}"));
        let (name, type_name) = (paint(STRONG, one.urn.name()), paint(DIM, one.urn.type_name()));
        let place = match one.provider.is_home() {
            true => String::new(),
            false => format!("  in {}", clean(&one.provider.to_string())),
        };
        let _ = writeln!(text, "{head} {name}  {type_name}  {}{place}", paint(DIM, clean(&one.id)));
        if view.detail == Detail::Brief {
            continue;
        }
        let width = column(one.diff.iter().map(|d| d.path.as_str()));
        for diff in &one.diff {
            let (symbol, style) = match (diff.before.is_empty() && !diff.secret, diff.after.is_empty() && !diff.secret)
            {
                (true, false) => ("+", ADD),
                (false, true) => ("-", REMOVE),
                _ => ("~", CHANGE),
            };
            let head = format!("{INDENT}{} {:<width$}", paint(style, symbol), clean(&diff.path));
            change(&head, diff, "", view, &mut text);
        }
    }
    for orphan in found.orphans.unwrap_or_default() {
        let head = paint(CHANGE, format_args!("{:>3} {:<7}", "?", "orphan"));
        let _ = writeln!(text, "{head} {}  {}", clean(&orphan.arn), paint(DIM, clean(&orphan.intent)));
    }
    for (urn, error) in &found.drift.failures {
        let _ = writeln!(text, "{} {}", paint(ERROR, "not read"), paint(STRONG, urn));
        text.push_str(&cloud_error(error, "    "));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&summary(found));
    text
}

/// The one line that sums it up.
fn summary(found: &Found<'_>) -> String {
    let drift = found.drift;
    let of = |kind| drift.drifted.iter().filter(|d| d.kind == kind).count();
    let orphans = found.orphans.map_or(0, <[Marked]>::len);
    let said = |n: usize, word: &str| (n > 0).then(|| format!("{} {word}", thousands(n as u64)));
    let found_what: Vec<String> = [
        said(of(DriftKind::Changed), "changed"),
        said(of(DriftKind::Missing), "missing"),
        said(orphans, if orphans == 1 { "orphan" } else { "orphans" }),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (words, style) = match &found_what[..] {
        [] if drift.failures.is_empty() => ("no drift".to_owned(), ADD),
        [] => ("no drift in what could be read".to_owned(), CHANGE),
        some => (some.join(", "), CHANGE),
    };
    let mut rest = vec![format!("{} checked", count(drift.checked, "resource"))];
    rest.extend(
        (drift.in_progress > 0)
            .then(|| format!("{} left out, since a run is or was at work on them", thousands(drift.in_progress))),
    );
    rest.extend(said(drift.failures.len(), "not read"));
    let cost = format!("({}, {})", duration(found.elapsed), count(found.api_calls, "API call"));
    format!(
        "{} {}; {}. {}\n",
        paint(STRONG, format_args!("{}:", found.stack)),
        paint(style, words),
        rest.join(", "),
        paint(DIM, cost)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_engine::drift::Drifted;
    use phx_engine::plan::FieldDiff;
    use phx_model::error::ErrorKind;
    use phx_model::state::ProviderKey;
    use phx_model::{CloudError, Urn, Value};

    fn urn(name: &str) -> Urn {
        Urn::parse(&format!("urn:phx:phoenix:prod:aws:ec2:Vpc:{name}")).unwrap()
    }

    fn said(drift: &Drift, orphans: Option<&[Marked]>) -> String {
        let elapsed = Duration::from_millis(1240);
        let found = Found { stack: "prod", drift, orphans, elapsed, api_calls: 17 };
        anstream::adapter::strip_str(&super::drift(&found, View::default())).to_string()
    }

    fn field(path: &str, before: &str, after: &str) -> FieldDiff {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (before, after) = (value(before), value(after));
        FieldDiff { path: path.into(), before, after, forces_replace: false, secret: false }
    }

    #[test]
    fn an_untouched_stack_takes_one_line() {
        let drift = Drift { checked: 40, ..Drift::default() };
        insta::assert_snapshot!(said(&drift, Some(&[])), @"prod: no drift; 40 resources checked. (1.2 s, 17 API calls)");
    }

    #[test]
    fn what_differs_is_shown_by_field() {
        let secret = FieldDiff {
            before: Value::from(serde_json::json!("a")).secret(),
            after: Value::from(serde_json::json!("b")).secret(),
            secret: true,
            ..field("password", "null", "null")
        };
        let diff = vec![
            field("tags.Owner", r#""us""#, r#""them""#),
            field("tags.Extra", "null", r#""x""#),
            field("groups[sg-1]", r#""sg-1""#, "null"),
            secret,
        ];
        let drift = Drift {
            checked: 38,
            in_progress: 1,
            drifted: vec![
                Drifted {
                    urn: urn("net/main"),
                    id: "vpc-1".into(),
                    provider: ProviderKey::default(),
                    kind: DriftKind::Changed,
                    diff,
                },
                Drifted {
                    urn: urn("net/old"),
                    id: "vpc-2".into(),
                    provider: ProviderKey("210987654321/eu-west-1@replica".into()),
                    kind: DriftKind::Missing,
                    diff: Vec::new(),
                },
            ],
            failures: vec![(urn("net/x"), CloudError::local(ErrorKind::Denied, "not allowed"))],
            ..Drift::default()
        };
        let orphans = [Marked {
            arn: "arn:aws:ec2:us-west-2:1:vpc/vpc-9".into(),
            intent: "line.op.3".into(),
            provider: ProviderKey::default(),
        }];
        insta::assert_snapshot!(said(&drift, Some(&orphans)), @r#"
          ~ changed net/main  aws:ec2:Vpc  vpc-1
                ~ tags.Owner    "us" -> "them"
                + tags.Extra    "x"
                - groups[sg-1]  "sg-1" -> nothing
                ~ password      (secret) -> (secret)
          - missing net/old  aws:ec2:Vpc  vpc-2  in 210987654321/eu-west-1
          ? orphan  arn:aws:ec2:us-west-2:1:vpc/vpc-9  line.op.3
        not read urn:phx:phoenix:prod:aws:ec2:Vpc:net/x
            not allowed

        prod: 1 changed, 1 missing, 1 orphan; 38 resources checked, 1 left out, since a run is or was at work on them, 1 not read. (1.2 s, 17 API calls)
        "#);
    }
}
