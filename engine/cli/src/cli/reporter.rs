//! What becomes of events: JSON lines, a terminal's live progress, or plain lines.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phx_aws::Aws;
use phx_engine::events::{Event, EventSink, StepOp};
use phx_model::Urn;

use super::live::Live;
use super::ui::Ui;
use crate::render::events;

/// How often a log is told that one and the same step is still waiting.
const WAITING_LINES: Duration = Duration::from_secs(15);

/// Tells people and machines what happens.
pub(crate) struct Reporter {
    ui: Arc<Ui>,
    /// Counts the calls that the last event tells of.
    aws: Aws,
    /// Events are the answer of this command.
    stream: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    /// When a step's waiting was last told of.
    waiting: HashMap<(Urn, StepOp), Instant>,
}

impl Reporter {
    /// `stream`: with `--json`, each event is a line on stdout.
    pub(crate) fn new(ui: Arc<Ui>, aws: Aws, stream: bool) -> Self {
        Self { ui, aws, stream, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops drawing until the next event, so that something else can be written.
    pub(crate) fn pause(&self) {
        self.state().live = None;
    }

    fn stream(&self, event: &Event) {
        let line = events::json(event, Timestamp::now(), self.aws.api_calls());
        let written = line.map_err(std::io::Error::from).and_then(|line| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        });
        // As for people: whoever read the events may be gone, and that must not end a run which is changing things.
        drop(written);
    }

    fn tell(&self, event: &Event) {
        if let Event::LeaseAwaited { .. } = event {
            // Nothing is drawn yet. Who looks at a run that does not begin has to see why, also if little is told otherwise.
            Ui::note(&events::line(event, false).map(|line| line + "\n").unwrap_or_default());
            return;
        }
        let mut state = self.state();
        if self.ui.is_live() {
            let ui = &self.ui;
            let colours = ui.styled("\x1b[1m").starts_with('\x1b');
            let live = state.live.get_or_insert_with(|| Live::new(ui.json, colours, ui.view.width));
            live.note(event);
            let worth_a_line = match event {
                // The board shows these while they last.
                Event::RefreshStarted { .. }
                | Event::StepStarted { .. }
                | Event::StepWaiting { .. }
                | Event::CheckStarted { .. } => false,
                Event::Refreshed { gone, drifted, .. } => !gone.is_empty() || !drifted.is_empty(),
                _ => true,
            };
            if worth_a_line && let Some(line) = events::line(event, false) {
                live.above(&ui.styled(&line));
            }
            if matches!(event, Event::OperationDone { .. }) {
                state.live = None;
            }
            return;
        }
        if self.ui.quiet {
            return;
        }
        if let Event::StepWaiting { urn, op, elapsed_ms, .. } = event {
            let began = Instant::now().checked_sub(Duration::from_millis(*elapsed_ms));
            let told = state.waiting.entry((urn.clone(), *op)).or_insert_with(|| began.unwrap_or_else(Instant::now));
            if told.elapsed() < WAITING_LINES {
                return;
            }
            *told = Instant::now();
        }
        if let Some(line) = events::line(event, self.ui.verbose) {
            self.ui.say(&format!("{line}\n"));
        }
    }
}

impl EventSink for Reporter {
    fn event(&self, event: &Event) {
        if self.stream && self.ui.json {
            self.stream(event);
        }
        self.tell(event);
    }
}
