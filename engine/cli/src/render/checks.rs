//! What checks came to, for people and for machines.

use std::fmt::Write;
use std::time::Duration;

use phx_engine::verify::Verified;
use serde_json::{Value as Json, json};

use super::style::{ADD, CHANGE, DIM, ERROR, STRONG, clean, paint};
use super::{count, duration, thousands};
use crate::verify::{Outcome, Verdict, millis};

/// The end of the output of what made checks: each that is not true, then how many there are of which kind.
pub(crate) fn report(outcomes: &[Outcome], verified: &Verified) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        failure(outcome, &mut text);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let undone: Vec<&str> =
        outcomes.iter().filter(|o| o.verdict == Verdict::NotDone).map(|o| o.name.as_str()).collect();
    let word = match (verified.failed, verified.not_done) {
        (0, 0) => paint(ADD, "are true"),
        (0, _) => paint(CHANGE, "were interrupted"),
        _ => paint(ERROR, "failed"),
    };
    let parts: Vec<String> =
        [(verified.passed, "true"), (verified.failed, "not true"), (verified.not_done, "not brought to an end")]
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{} {what}", thousands(n)))
            .collect();
    let took = duration(Duration::from_millis(verified.elapsed_ms));
    let _ = writeln!(text, "{} {word}: {}, in {took}.", paint(STRONG, "checks"), parts.join(", "));
    if !undone.is_empty() {
        let names = undone.iter().map(|name| clean(name)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "{}", paint(DIM, format_args!("not brought to an end: {names}")));
    }
    text
}

fn failure(outcome: &Outcome, text: &mut String) {
    let Verdict::Failed { expected, found, hint } = &outcome.verdict else { return };
    let (kind, name) = (outcome.kind, paint(STRONG, clean(&outcome.name)));
    let subject = match outcome.subject.as_str() {
        "" => String::new(),
        subject => format!(": {}", clean(subject)),
    };
    let _ = writeln!(text, "{} {kind} check {name}{subject}", paint(ERROR, "failed"));
    let mut line = |title: &str, said: &str| {
        let mut lines = said.lines();
        let _ = writeln!(text, "    {title:<10}{}", clean(lines.next().unwrap_or_default()));
        for more in lines {
            let _ = writeln!(text, "    {:<10}  {}", "", clean(more));
        }
    };
    line("expected:", expected);
    line("found:", found);
    for (n, urn) in outcome.urns.iter().enumerate() {
        line(if n == 0 { "about:" } else { "" }, urn.as_str());
    }
    if outcome.attempts > 1 {
        line("tried:", &format!("{} in {}", count(outcome.attempts.into(), "time"), duration(outcome.elapsed)));
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "    {} {}", paint(CHANGE, "hint:"), clean(hint));
    }
}

/// What failed on a line each, for whoever reads the errors and not the output.
pub(crate) fn failures(outcomes: &[Outcome]) -> String {
    let mut lines = Vec::new();
    for outcome in outcomes {
        if let Verdict::Failed { expected, found, .. } = &outcome.verdict {
            let found = found.lines().next().unwrap_or_default().trim_end_matches(':');
            lines.push(clean(&format!("{}: expected {expected}; found: {found}", outcome.name)).into_owned());
        }
    }
    format!("{} failed\n  {}", count(lines.len() as u64, "check"), lines.join("\n  "))
}

/// A check as JSON.
pub(crate) fn json(outcome: &Outcome) -> Json {
    let mut object = json!({
        "check": outcome.name,
        "kind": outcome.kind,
        "subject": outcome.subject,
        "urns": outcome.urns,
        "attempts": outcome.attempts,
        "elapsed_ms": millis(outcome.elapsed),
    });
    match &outcome.verdict {
        Verdict::Passed { found } => {
            object["result"] = "passed".into();
            object["found"] = found.as_str().into();
        }
        Verdict::Failed { expected, found, hint } => {
            object["result"] = "failed".into();
            object["expected"] = expected.as_str().into();
            object["found"] = found.as_str().into();
            if let Some(hint) = hint {
                object["hint"] = hint.as_str().into();
            }
        }
        Verdict::NotDone => object["result"] = "not_done".into(),
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::summary;
    use phx_model::Urn;

    fn outcome(name: &str, verdict: Verdict) -> Outcome {
        let urn = Urn::parse("urn:phx:phoenix:dev:aws:elbv2:LoadBalancer:net/front").unwrap();
        Outcome {
            name: name.into(),
            kind: "http",
            subject: "GET https://api.example.com/healthz".into(),
            urns: vec![urn],
            verdict,
            attempts: 9,
            elapsed: Duration::from_secs(61),
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_report_names_what_was_expected_and_what_was_found() {
        let failed = Verdict::Failed {
            expected: "status 200".into(),
            found: "status 503: no healthy\x1b[2J\nupstream".into(),
            hint: Some("look at its targets".into()),
        };
        let short = Verdict::Failed { expected: "the name resolves".into(), found: "no".into(), hint: None };
        let passed = || Verdict::Passed { found: "x".into() };
        let bare = Outcome { kind: "dns", subject: String::new(), urns: vec![], attempts: 1, ..outcome("name", short) };
        let all = [outcome("net/api", failed), bare, outcome("good", passed()), outcome("late", Verdict::NotDone)];
        let verified = summary(&all, Duration::from_secs(62));
        insta::assert_snapshot!(plain(&report(&all, &verified)), @r"
        failed http check net/api: GET https://api.example.com/healthz
            expected: status 200
            found:    status 503: no healthy\u{1b}[2J
                        upstream
            about:    urn:phx:phoenix:dev:aws:elbv2:LoadBalancer:net/front
            tried:    9 times in 1 min 1 s
            hint: look at its targets
        failed dns check name
            expected: the name resolves
            found:    no

        checks failed: 1 true, 2 not true, 1 not brought to an end, in 1 min 2 s.
        not brought to an end: late
        ");
        insta::assert_snapshot!(failures(&all), @r"
        2 checks failed
          net/api: expected status 200; found: status 503: no healthy\u{1b}[2J
          name: expected the name resolves; found: no
        ");
        let good = [outcome("good", passed())];
        insta::assert_snapshot!(plain(&report(&good, &summary(&good, Duration::from_millis(1200)))), @"checks are true: 1 true, in 1.2 s.");
        let late = [outcome("late", Verdict::NotDone)];
        insta::assert_snapshot!(plain(&report(&late, &summary(&late, Duration::ZERO))), @r"
        checks were interrupted: 1 not brought to an end, in 0 ms.
        not brought to an end: late
        ");
    }

    #[test]
    fn the_machines_form_has_the_same() {
        let failed = Verdict::Failed { expected: "a".into(), found: "b".into(), hint: None };
        let found = json(&outcome("net/api", failed));
        assert_eq!(
            found,
            json!({
                "check": "net/api", "kind": "http", "subject": "GET https://api.example.com/healthz",
                "urns": ["urn:phx:phoenix:dev:aws:elbv2:LoadBalancer:net/front"], "attempts": 9, "elapsed_ms": 61_000,
                "result": "failed", "expected": "a", "found": "b",
            })
        );
        assert_eq!(json(&outcome("x", Verdict::NotDone))["result"], "not_done");
    }
}
