//! How an operation ended, for people: what was done, what failed and why, what was therefore not begun.

use std::fmt::Write;
use std::time::Duration;

use phx_engine::events::{RunResult, StepOp};
use phx_model::store::{Pace, Summary};
use phx_model::{CloudError, Urn, ValueMap};

use super::style::{ADD, CHANGE, DIM, ERROR, REMOVE, STRONG, clean, paint, step};
use super::value::{Shown, show};
use super::{View, count, duration, thousands};

/// What an operation came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    /// `up`, `destroy`, `refresh`.
    pub(crate) kind: &'a str,
    /// How it ended.
    pub(crate) result: RunResult,
    /// Whether it was asked not to wait for what was in flight.
    pub(crate) aborted: bool,
    /// What was done.
    pub(crate) summary: Summary,
    /// What failed.
    pub(crate) failures: &'a [(&'a Urn, StepOp, &'a CloudError)],
    /// What was not begun, and due to whose failure.
    pub(crate) skipped: &'a [(Urn, StepOp, Option<Urn>)],
    /// What the stack exports.
    pub(crate) outputs: &'a ValueMap,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// How many calls were made to the cloud.
    pub(crate) api_calls: u64,
    /// How near its steps came to the fastest way in which they could have been done.
    pub(crate) pace: Option<Pace>,
}

/// The end of an operation's output.
pub(crate) fn outcome(o: &Outcome<'_>, view: View) -> String {
    let mut text = String::new();
    failures(o, &mut text);
    skipped(o, view, &mut text);
    let (word, style) = match o.result {
        RunResult::Succeeded => ("is done", ADD),
        RunResult::Failed => ("failed", ERROR),
        RunResult::Interrupted if o.aborted => {
            ("was interrupted; what became of the changes in flight is found out by the next run", CHANGE)
        }
        RunResult::Interrupted => ("was interrupted; everything that was begun is settled and recorded", CHANGE),
    };
    let _ = writeln!(
        text,
        "{} {}: {}, in {}, with {}.",
        paint(STRONG, o.kind),
        paint(style, word),
        done(o),
        duration(o.elapsed),
        count(o.api_calls, "API call"),
    );
    text.push_str(&o.pace.map(pace).unwrap_or_default());
    if !o.outputs.is_empty() && o.kind != "destroy" {
        let _ = writeln!(text, "\n{}", paint(STRONG, "Outputs"));
        text.push_str(&outputs(o.outputs, view, false));
    }
    text
}

/// A stack's outputs. Secrets are named and not shown unless the reader asked for them.
pub(crate) fn outputs(outputs: &ValueMap, view: View, secrets: bool) -> String {
    let width = outputs.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in outputs {
        let plain = if secrets { value.to_plain_json().map(phx_model::Value::from) } else { None };
        match show(plain.as_ref().unwrap_or(value), view) {
            Shown::Line(line) => {
                let _ = writeln!(text, "  {:<width$}  {line}", clean(name));
            }
            Shown::Block(lines) => {
                let _ = writeln!(text, "  {}", clean(name));
                for line in lines {
                    let _ = writeln!(text, "      {line}");
                }
            }
        }
    }
    text
}

/// How near the steps came to the bound. Of what is over in a moment there is nothing to say.
fn pace(pace: Pace) -> String {
    let ms = Duration::from_millis;
    if pace.steps_ms < 1000 {
        return String::new();
    }
    let text = format!(
        "Its steps took {}; the longest chain of them that must follow each other, {}.",
        duration(ms(pace.steps_ms)),
        duration(ms(pace.critical_path_ms)),
    );
    format!("{}\n", paint(DIM, text))
}

fn done(o: &Outcome<'_>) -> String {
    let sum = &o.summary;
    let mut parts: Vec<String> = [
        (sum.create, "created"),
        (sum.update, "updated"),
        (sum.replace, "replaced"),
        (sum.delete, "deleted"),
        (sum.adopt, "adopted"),
        (sum.forget, "forgotten"),
        (o.failures.len() as u64, "failed"),
        (o.skipped.len() as u64, "not begun"),
        (sum.same, "unchanged"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| format!("{} {word}", thousands(n)))
    .collect();
    if parts.is_empty() {
        parts.push("nothing changed".to_owned());
    }
    parts.join(", ")
}

fn failures(o: &Outcome<'_>, text: &mut String) {
    for (urn, op, error) in o.failures {
        let _ = writeln!(text, "{} to {} {}", paint(ERROR, "failed"), step(*op).0, paint(STRONG, urn));
        text.push_str(&cloud_error(error, "    "));
    }
    if !o.failures.is_empty() {
        text.push('\n');
    }
}

/// A cloud's refusal with everything it said, each line after `indent`.
pub(crate) fn cloud_error(error: &CloudError, indent: &str) -> String {
    let mut text = String::new();
    let mut head = String::new();
    if !error.operation.is_empty() {
        let _ = write!(head, "{}:{}", error.service, error.operation);
    }
    if let Some(code) = &error.code {
        let _ = write!(head, "{}{code}", if head.is_empty() { "" } else { " " });
    }
    if !head.is_empty() {
        let _ = writeln!(text, "{indent}{}", paint(REMOVE, clean(&head)));
    }
    for line in clean(&error.message).lines() {
        let _ = writeln!(text, "{indent}{line}");
    }
    if let Some(id) = &error.request_id {
        let _ = writeln!(text, "{indent}{} {}", paint(DIM, "request id:"), clean(id));
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "{indent}{} {}", paint(CHANGE, "hint:"), clean(hint));
    }
    text
}

fn skipped(o: &Outcome<'_>, view: View, text: &mut String) {
    if o.skipped.is_empty() {
        return;
    }
    let stopped = o.skipped.iter().filter(|(.., because)| because.is_none()).count() as u64;
    // A stopped run may leave thousands; that each was stopped says nothing of any of them.
    let few = stopped <= 20 || view.detail == super::Detail::Full;
    for (urn, op, because) in o.skipped {
        let why = match because {
            Some(needed) => format!("it needs {needed}"),
            None if few => "the run was stopped first".to_owned(),
            None => continue,
        };
        let _ = writeln!(text, "{} to {} {urn}: {why}", paint(CHANGE, "not begun"), step(*op).0);
    }
    if !few {
        let _ = writeln!(
            text,
            "{}: {}; the run was stopped first (-v names them)",
            paint(CHANGE, "not begun"),
            count(stopped, "step")
        );
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::Value;
    use phx_model::error::ErrorKind;

    fn urn(name: &str) -> Urn {
        Urn::parse(&format!("urn:phx:phoenix:dev:aws:ec2:NatGateway:{name}")).unwrap()
    }

    #[test]
    fn a_failed_run_names_what_failed_and_what_was_not_begun() {
        let error = CloudError {
            code: Some("NatGatewayLimitExceeded".into()),
            service: "ec2".into(),
            operation: "CreateNatGateway".into(),
            request_id: Some("7a62c49f".into()),
            ..CloudError::local(ErrorKind::Invalid, "The maximum number of NAT gateways has been reached.")
        }
        .hint("delete one, or ask AWS for a higher limit");
        let nat = urn("networking/nat-a");
        let route = Urn::parse("urn:phx:phoenix:dev:aws:ec2:Route:networking/private-a").unwrap();
        let text = outcome(
            &Outcome {
                kind: "up",
                result: RunResult::Failed,
                aborted: false,
                summary: Summary { create: 12, same: 3, ..Summary::default() },
                failures: &[(&nat, StepOp::Create, &error)],
                skipped: &[(route.clone(), StepOp::Create, Some(nat.clone())), (route, StepOp::Create, None)],
                outputs: &[
                    ("vpc".to_owned(), Value::String("vpc-1".into())),
                    ("token".to_owned(), Value::String("hunter2".into()).secret()),
                ]
                .into(),
                elapsed: Duration::from_secs(75),
                api_calls: 1234,
                pace: Some(Pace { steps_ms: 74_000, critical_path_ms: 70_500 }),
            },
            View::default(),
        );
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r#"
        failed to create urn:phx:phoenix:dev:aws:ec2:NatGateway:networking/nat-a
            ec2:CreateNatGateway NatGatewayLimitExceeded
            The maximum number of NAT gateways has been reached.
            request id: 7a62c49f
            hint: delete one, or ask AWS for a higher limit

        not begun to create urn:phx:phoenix:dev:aws:ec2:Route:networking/private-a: it needs urn:phx:phoenix:dev:aws:ec2:NatGateway:networking/nat-a
        not begun to create urn:phx:phoenix:dev:aws:ec2:Route:networking/private-a: the run was stopped first

        up failed: 12 created, 1 failed, 2 not begun, 3 unchanged, in 1 min 15 s, with 1,234 API calls.
        Its steps took 1 min 14 s; the longest chain of them that must follow each other, 1 min 10 s.

        Outputs
          token  (secret)
          vpc    "vpc-1"
        "#);
    }

    #[test]
    fn an_interrupted_run_says_whether_it_waited() {
        for (aborted, said) in [(false, "settled and recorded"), (true, "found out by the next run")] {
            let outputs = ValueMap::new();
            let o = Outcome {
                kind: "up",
                result: RunResult::Interrupted,
                aborted,
                summary: Summary::default(),
                failures: &[],
                skipped: &[],
                outputs: &outputs,
                elapsed: Duration::ZERO,
                api_calls: 0,
                pace: None,
            };
            let text = outcome(&o, View::default());
            assert!(text.contains(said), "{text}");
        }
    }
}
