//! Live progress on a terminal: what is running, for how long, and how much is done. Everything that is over goes above it as a line.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use phx_engine::events::{Event, StepOp};
use phx_model::Urn;

use crate::render::events::of_usual;
use crate::render::plan::resource;
use crate::render::style::{CHANGE, DIM, REMOVE, clean, paint, step};
use crate::render::{count, duration};

/// How many running steps are shown at once.
const MOST_SHOWN: usize = 10;

/// The part of the terminal that is drawn again and again.
pub(crate) struct Live {
    bar: ProgressBar,
    board: Arc<Mutex<Board>>,
}

/// What is going on.
#[derive(Debug)]
struct Board {
    began: Instant,
    phase: Option<String>,
    total: u64,
    done: u64,
    failed: u64,
    running: HashMap<(Urn, StepOp), Running>,
    /// The checks that are being made, and since when.
    checks: HashMap<String, Instant>,
    colours: bool,
    width: usize,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    waits_for: Option<String>,
    usual_ms: Option<u64>,
}

impl Live {
    /// Begins to draw, on stderr or on stdout.
    pub(crate) fn new(on_stderr: bool, colours: bool, width: usize) -> Self {
        let board = Arc::new(Mutex::new(Board {
            began: Instant::now(),
            phase: None,
            total: 0,
            done: 0,
            failed: 0,
            running: HashMap::new(),
            checks: HashMap::new(),
            colours,
            width,
        }));
        let target = if on_stderr { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::stdout() };
        let bar = ProgressBar::with_draw_target(None, target);
        let drawn = board.clone();
        // The template has nothing that could be wrong but the name of the key.
        if let Ok(style) = ProgressStyle::with_template("{board}") {
            bar.set_style(style.with_key("board", move |_: &ProgressState, out: &mut dyn Write| {
                let board = drawn.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = out.write_str(&board.draw(Instant::now()));
            }));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, board }
    }

    /// Puts a line above.
    pub(crate) fn above(&self, line: &str) {
        self.bar.println(line);
    }

    /// Takes note of an event.
    pub(crate) fn note(&self, event: &Event) {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).note(event, Instant::now());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Board {
    fn note(&mut self, event: &Event, now: Instant) {
        match event {
            Event::RefreshStarted { resources } => {
                self.phase = Some(format!("reading {}", count(*resources as u64, "object")))
            }
            Event::Refreshed { .. } => self.phase = None,
            Event::Planned { summary } => {
                self.phase = None;
                // A replacement is a creation and a deletion.
                self.total = summary.changes() + summary.replace;
            }
            Event::StepStarted { urn, op } => {
                self.running.insert((urn.clone(), *op), Running { since: now, waits_for: None, usual_ms: None });
            }
            Event::StepWaiting { urn, op, message, usual_ms, .. } => {
                if let Some(running) = self.running.get_mut(&(urn.clone(), *op)) {
                    running.waits_for = Some(message.clone());
                    running.usual_ms = *usual_ms;
                }
            }
            Event::StepDone { urn, op, .. } => {
                self.running.remove(&(urn.clone(), *op));
                self.done += 1;
            }
            Event::StepFailed { urn, op, .. } => {
                self.running.remove(&(urn.clone(), *op));
                self.failed += 1;
            }
            Event::CheckStarted { check, .. } => {
                self.checks.insert(check.clone(), now);
            }
            Event::CheckPassed { check, .. } | Event::CheckFailed { check, .. } => {
                self.checks.remove(check);
            }
            Event::LeaseAwaited { .. }
            | Event::OperationStarted { .. }
            | Event::Recovered { .. }
            | Event::StepSkipped { .. }
            | Event::OperationDone { .. } => {}
        }
    }

    fn draw(&self, now: Instant) -> String {
        let mut lines: Vec<String> = Vec::new();
        // Longest first: these are the ones that people wait for.
        let mut running: Vec<_> = self.running.iter().collect();
        running.sort_by_key(|(_, r)| r.since);
        for ((urn, op), running) in running.iter().take(MOST_SHOWN) {
            let (_, word, _, style) = step(*op);
            let time = duration(now.saturating_duration_since(running.since)) + &of_usual(running.usual_ms);
            let mut line = format!("  {} {} {}", paint(style, word), resource(urn), paint(DIM, time));
            if let Some(what) = &running.waits_for {
                let _ = write!(line, "  {}", paint(DIM, clean(what).replace('\n', " ")));
            }
            lines.push(line);
        }
        if running.len() > MOST_SHOWN {
            lines.push(paint(DIM, format_args!("  and {} more", running.len() - MOST_SHOWN)));
        }
        let mut checks: Vec<_> = self.checks.iter().collect();
        checks.sort_by_key(|(name, since)| (**since, *name));
        for (name, since) in checks.iter().take(MOST_SHOWN) {
            let time = paint(DIM, duration(now.saturating_duration_since(**since)));
            lines.push(format!("  {} {} {time}", paint(CHANGE, "checking"), clean(name)));
        }
        lines.push(self.status(now));
        let lines =
            lines.iter().map(|line| console::truncate_str(line, self.width.saturating_sub(1), "…").into_owned());
        let text = lines.collect::<Vec<_>>().join("\n");
        if self.colours { text } else { anstream::adapter::strip_str(&text).to_string() }
    }

    fn status(&self, now: Instant) -> String {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.phase.clone());
        if self.total > 0 {
            parts.push(format!("{} of {} done", self.done, count(self.total, "step")));
        }
        if self.failed > 0 {
            parts.push(paint(REMOVE, format_args!("{} failed", self.failed)));
        }
        parts.push(duration(Duration::from_secs(now.saturating_duration_since(self.began).as_secs())));
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::store::Summary;

    fn urn(name: &str) -> Urn {
        Urn::parse(&format!("urn:phx:phoenix:dev:aws:ec2:NatGateway:{name}")).unwrap()
    }

    #[test]
    fn the_board_shows_what_is_waited_for() {
        let began = Instant::now();
        let mut board = Board {
            began,
            phase: None,
            total: 0,
            done: 0,
            failed: 0,
            running: HashMap::new(),
            checks: HashMap::new(),
            colours: false,
            width: 80,
        };
        board.note(&Event::RefreshStarted { resources: 57 }, began);
        assert_eq!(board.draw(began), "reading 57 objects · 0 ms");
        board.note(&Event::Planned { summary: Summary { create: 12, replace: 1, ..Summary::default() } }, began);
        for (i, name) in ["nat-a", "nat-b"].into_iter().enumerate() {
            let at = began + Duration::from_secs(i as u64);
            board.note(&Event::StepStarted { urn: urn(name), op: StepOp::Create }, at);
        }
        let message = "nat gateway is pending".to_owned();
        board.note(
            &Event::StepWaiting {
                urn: urn("nat-a"),
                op: StepOp::Create,
                message,
                elapsed_ms: 1,
                usual_ms: Some(47_000),
            },
            began,
        );
        insta::assert_snapshot!(board.draw(began + Duration::from_secs(41)), @r"
          creating nat-a  aws:ec2:NatGateway 41 s of ~47 s  nat gateway is pending
          creating nat-b  aws:ec2:NatGateway 40 s
        0 of 14 steps done · 41 s
        ");
        for name in ["nat-a", "nat-b"] {
            board.note(&Event::StepDone { urn: urn(name), op: StepOp::Create, id: None, elapsed_ms: 1 }, began);
        }
        board.note(&Event::CheckStarted { check: "net/api".into(), kind: "http", urns: vec![] }, began);
        insta::assert_snapshot!(board.draw(began + Duration::from_secs(43)), @r"
          checking net/api 43 s
        2 of 14 steps done · 43 s
        ");
        let found = "status 200".to_owned();
        let passed = Event::CheckPassed {
            check: "net/api".into(),
            kind: "http",
            urns: vec![],
            found,
            attempts: 1,
            elapsed_ms: 1,
        };
        board.note(&passed, began);
        for i in 0..12 {
            board.note(&Event::StepStarted { urn: urn(&format!("n-{i:02}")), op: StepOp::Delete }, began);
        }
        let drawn = board.draw(began + Duration::from_secs(60));
        assert_eq!(drawn.lines().count(), MOST_SHOWN + 2);
        assert!(drawn.ends_with("  and 2 more\n2 of 14 steps done · 1 min 0 s"), "{drawn}");
    }
}
