//! Events as lines: of JSON for programs, of words for logs.

use std::time::Duration;

use jiff::Timestamp;
use phx_engine::events::{Event, StepOp};
use phx_model::Urn;

use super::plan::resource;
use super::style::{ADD, CHANGE, DIM, ERROR, STRONG, clean, paint, step};
use super::{count, duration};

/// The event as one JSON object. The last one of an operation says how many API calls it took.
pub(crate) fn json(event: &Event, time: Timestamp, api_calls: u64) -> serde_json::Result<String> {
    let mut object = serde_json::json!({ "time": time.to_string() });
    if let (Some(object), serde_json::Value::Object(fields)) = (object.as_object_mut(), serde_json::to_value(event)?) {
        object.extend(fields);
        if let Event::OperationDone { .. } = event {
            object.insert("api_calls".to_owned(), api_calls.into());
        }
    }
    serde_json::to_string(&object)
}

/// The event as a line of a log; `None` if it is not worth one. `verbose` has the beginnings as well as the ends.
pub(crate) fn line(event: &Event, verbose: bool) -> Option<String> {
    Some(match event {
        Event::LeaseAwaited { lease, wait_ms } => format!(
            "{} for the lease of {} (process {}, {}, since {}), for {} at the most",
            paint(CHANGE, "waiting"),
            clean(&lease.holder.who),
            lease.holder.pid,
            clean(&lease.holder.kind),
            lease.acquired,
            millis(*wait_ms)
        ),
        Event::OperationStarted { kind, stack, lease, .. } => format!(
            "{kind} of {} by {} {}",
            paint(STRONG, stack),
            clean(&lease.holder.who),
            paint(DIM, format_args!("(lease generation {})", lease.generation))
        ),
        Event::Recovered { urn, change, outcome } => {
            format!("{} an interrupted {change} of {}: {}", paint(CHANGE, "settled"), resource(urn), clean(outcome))
        }
        Event::RefreshStarted { resources: 0 } | Event::Refreshed { resources: 0, .. } => return None,
        Event::RefreshStarted { resources } => {
            if !verbose {
                return None;
            }
            format!("reading {}", count(*resources as u64, "object"))
        }
        Event::Refreshed { resources, gone, drifted, elapsed_ms } => {
            let mut text = format!("read {} in {}", count(*resources as u64, "object"), millis(*elapsed_ms));
            for (urns, what) in [(gone, "is gone from the cloud"), (drifted, "was changed outside phx")] {
                for urn in urns {
                    text.push_str(&format!("\n  {} {}", resource(urn), paint(CHANGE, what)));
                }
            }
            text
        }
        Event::Planned { .. } | Event::OperationDone { .. } => return None,
        Event::StepStarted { urn, op } => {
            if !verbose {
                return None;
            }
            step_line(*op, step(*op).1, urn)
        }
        Event::StepWaiting { urn, op, message, elapsed_ms, usual_ms } => format!(
            "{} {}",
            step_line(*op, step(*op).1, urn),
            paint(DIM, format_args!("({}{}: {})", millis(*elapsed_ms), of_usual(*usual_ms), clean(message)))
        ),
        Event::StepDone { urn, op, id, elapsed_ms } => {
            let id = id.as_deref().map(|id| format!("  {}", clean(id))).unwrap_or_default();
            format!(
                "{}{id} {}",
                step_line(*op, step(*op).2, urn),
                paint(DIM, format_args!("({})", millis(*elapsed_ms)))
            )
        }
        Event::StepFailed { urn, op, elapsed_ms, error } => {
            let code = error.code.as_deref().map(|c| format!("{c}: ")).unwrap_or_default();
            let message = format!("{code}{}", error.message);
            format!(
                "{} to {} {} {}: {}",
                paint(ERROR, "failed"),
                step(*op).0,
                resource(urn),
                paint(DIM, format_args!("({})", millis(*elapsed_ms))),
                clean(message.lines().next().unwrap_or_default())
            )
        }
        Event::CheckStarted { check, kind, .. } => {
            if !verbose {
                return None;
            }
            format!("checking {}  {}", clean(check), paint(DIM, kind))
        }
        Event::CheckPassed { check, kind, found, elapsed_ms, .. } => format!(
            "{} {}  {}: {} {}",
            paint(ADD, "checked"),
            clean(check),
            paint(DIM, kind),
            clean(found),
            paint(DIM, format_args!("({})", millis(*elapsed_ms)))
        ),
        Event::CheckFailed { check, kind, found, elapsed_ms, .. } => format!(
            "{} check of {}  {} {}: {}",
            paint(ERROR, "failed"),
            clean(check),
            paint(DIM, kind),
            paint(DIM, format_args!("({})", millis(*elapsed_ms))),
            clean(found.lines().next().unwrap_or_default())
        ),
        Event::StepSkipped { urn, op, because } => {
            // Those of a stopped run are named at its end.
            let because = because.as_ref()?;
            format!("{} to {} {}: it needs {}", paint(CHANGE, "not begun"), step(*op).0, resource(urn), because.name())
        }
    })
}

fn step_line(op: StepOp, word: &str, urn: &Urn) -> String {
    format!("{} {}", paint(step(op).3, word), resource(urn))
}

/// How long a step usually takes, to stand behind how long it has taken. Not worth a word below some seconds.
pub(crate) fn of_usual(ms: Option<u64>) -> String {
    ms.filter(|ms| *ms >= 3000).map(|ms| format!(" of ~{}", millis(ms))).unwrap_or_default()
}

fn millis(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_engine::events::{EventError, RunResult};
    use phx_model::store::Summary;

    fn urn() -> Urn {
        Urn::parse("urn:phx:phoenix:dev:aws:ec2:Vpc:networking/vpc").unwrap()
    }

    fn plain(event: &Event) -> Option<String> {
        line(event, false).map(|l| anstream::adapter::strip_str(&l).to_string())
    }

    #[test]
    fn a_log_has_a_line_for_what_happened() {
        let done = Event::StepDone { urn: urn(), op: StepOp::Create, id: Some("vpc-1".into()), elapsed_ms: 1234 };
        assert_eq!(plain(&done).unwrap(), "created networking/vpc  aws:ec2:Vpc  vpc-1 (1.2 s)");
        assert_eq!(plain(&Event::StepStarted { urn: urn(), op: StepOp::Create }), None);
        let error = EventError {
            message: "too many\nreally".into(),
            service: "ec2".into(),
            operation: "CreateVpc".into(),
            code: Some("VpcLimitExceeded".into()),
            request_id: None,
            hint: None,
        };
        let failed = Event::StepFailed { urn: urn(), op: StepOp::Delete, elapsed_ms: 40, error };
        assert_eq!(
            plain(&failed).unwrap(),
            "failed to delete networking/vpc  aws:ec2:Vpc (40 ms): VpcLimitExceeded: too many"
        );
        let passed = Event::CheckPassed {
            check: "net/api".into(),
            kind: "http",
            urns: vec![urn()],
            found: "status 200".into(),
            attempts: 2,
            elapsed_ms: 300,
        };
        assert_eq!(plain(&passed).unwrap(), "checked net/api  http: status 200 (300 ms)");
        let failed = Event::CheckFailed {
            check: "net/api".into(),
            kind: "http",
            urns: vec![urn()],
            expected: "a status from 200 to 299".into(),
            found: "status 503\nmore".into(),
            hint: None,
            attempts: 7,
            elapsed_ms: 10_000,
        };
        assert_eq!(plain(&failed).unwrap(), "failed check of net/api  http (10 s): status 503");
        let gone = Event::Refreshed { resources: 2, gone: vec![urn()], drifted: vec![], elapsed_ms: 40 };
        assert_eq!(
            plain(&gone).unwrap(),
            "read 2 objects in 40 ms\n  networking/vpc  aws:ec2:Vpc is gone from the cloud"
        );
    }

    #[test]
    fn json_events_have_a_time_and_the_last_one_the_calls() {
        let time: Timestamp = "2026-11-02T10:03:11Z".parse().unwrap();
        let started = json(&Event::StepStarted { urn: urn(), op: StepOp::Create }, time, 7).unwrap();
        assert_eq!(
            started,
            r#"{"event":"step_started","op":"create","time":"2026-11-02T10:03:11Z","urn":"urn:phx:phoenix:dev:aws:ec2:Vpc:networking/vpc"}"#
        );
        let done = Event::OperationDone {
            result: RunResult::Succeeded,
            summary: Summary::default(),
            elapsed_ms: 1,
            pace: None,
            error: None,
            checks: None,
            outputs: [("k".to_owned(), phx_model::Value::String("hunter2".into()).secret())].into(),
        };
        let done: serde_json::Value = serde_json::from_str(&json(&done, time, 7).unwrap()).unwrap();
        assert_eq!(done["api_calls"], 7);
        assert_eq!(done["result"], "succeeded");
        assert_eq!(done["outputs"]["k"], "(secret)");
    }
}
