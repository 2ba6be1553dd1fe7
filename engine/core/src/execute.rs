//! Running a plan: every action whose needs are done runs at once, those that most others wait for first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::state::{Entry, State};
use phx_model::store::{Pace, Summary};
use phx_model::{CloudError, Program, Urn};
use tokio::time::Instant;

use crate::engine::{EngineError, Failure, Interrupt, Settings};
use crate::events::{Event, EventError, EventSink, RunResult, StepOp};
use crate::journal::{Journal, JournalError};
use crate::plan::{Op, Plan};
use crate::schedule::{Action, longest_way, schedule};

mod places;
mod step;
#[cfg(test)]
mod tests;
mod wish;

use places::{Own, Places};
use step::{Stop, millis};
use wish::{Index, Recorded, Wish};

/// How many steps work at once if nothing else is said: what memory and open connections allow. Steps that wait for the cloud do not count.
const PARALLEL: usize = 512;

/// What came of running a plan.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) result: RunResult,
    pub(crate) summary: Summary,
    pub(crate) failures: Vec<Failure>,
    pub(crate) skipped: Vec<(Urn, StepOp, Option<Urn>)>,
    /// None if there was nothing to do.
    pub(crate) pace: Option<Pace>,
}

/// A plan being run.
pub(crate) struct Run<'a> {
    registry: &'a Registry,
    journal: &'a Journal,
    sink: &'a Arc<dyn EventSink>,
    settings: &'a Settings,
    interrupt: &'a Interrupt,
    program: &'a Program,
    plan: &'a Plan,
    index: Index<'a>,
}

/// Where an action stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Waiting,
    Running,
    Done,
    Failed,
    Skipped,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        registry: &'a Registry,
        journal: &'a Journal,
        sink: &'a Arc<dyn EventSink>,
        settings: &'a Settings,
        interrupt: &'a Interrupt,
        program: &'a Program,
        plan: &'a Plan,
    ) -> Self {
        let index = program.resources.iter().map(|d| (&d.urn, d)).collect();
        Self { registry, journal, sink, settings, interrupt, program, plan, index }
    }

    /// The outputs of the program's resources as they are recorded now.
    pub(crate) fn exports(&self) -> Vec<(&'a String, Result<phx_model::Value, phx_model::expr::EvalError>)> {
        self.journal.with(|state| {
            let env = Recorded { state, index: &self.index };
            self.program.exports.iter().map(|(name, export)| (name, export.eval(&env))).collect()
        })
    }

    /// Runs the plan to its end, or as far as it goes.
    pub(crate) async fn execute(&self) -> Result<Executed, EngineError> {
        let schemas = |type_name: &str| self.registry.get(type_name).map(|driver| driver.schema());
        let actions = self.journal.with(|state| schedule(self.plan, self.program, state, &schemas));
        let mut progress = Progress::new(&actions);
        let mut in_flight = FuturesUnordered::new();
        let places = Places::new(self.settings.parallel.unwrap_or(PARALLEL).max(1));
        let started = Instant::now();
        let mut draining = self.interrupt.is_draining();
        let mut aborted = false;
        let mut drain = pin!(self.interrupt.draining());
        let mut abort = pin!(self.interrupt.aborting());
        loop {
            while !draining
                && progress.has_ready()
                && let Some(place) = places.take()
                && let Some(at) = progress.begin()
            {
                in_flight.push(self.perform(at, &actions[at], place));
            }
            if in_flight.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = &mut abort => {
                    aborted = true;
                    break;
                }
                () = &mut drain, if !draining => draining = true,
                Some((at, took, outcome)) = in_flight.next() => match outcome {
                    Ok(()) => progress.done(at, took),
                    Err(Stop::Failed(error)) => {
                        for skipped in progress.failed(at, error) {
                            self.skip(&actions[skipped], Some(&actions[at].urn));
                        }
                    }
                    // What is still in flight cannot be recorded any more, so it is not waited for; the next run settles it.
                    Err(Stop::Journal(error)) => return Err(error.into()),
                },
                // A step that waits for the cloud has made room for another.
                () = places.left(), if !draining && progress.has_ready() => {}
            }
        }
        drop(in_flight);
        if aborted {
            self.give_up(&mut progress);
        }
        let stopped = draining || aborted;
        let left = progress.left();
        if !stopped && !left.is_empty() {
            return Err(EngineError::Circle(left.iter().map(|&at| actions[at].urn.clone()).collect()));
        }
        for &at in &left {
            progress.skip(at, None);
            self.skip(&actions[at], None);
        }
        let pace = (!actions.is_empty()).then(|| Pace {
            steps_ms: millis(started.elapsed()),
            critical_path_ms: longest_way(&actions, &progress.took),
        });
        if !aborted {
            self.keep_books(&progress).await?;
        }
        let result = match (aborted || !left.is_empty(), progress.failures.is_empty()) {
            (true, _) => RunResult::Interrupted,
            (false, true) => RunResult::Succeeded,
            (false, false) => RunResult::Failed,
        };
        let summary = self.summary(&progress);
        Ok(Executed { result, summary, failures: progress.failures, skipped: progress.skipped, pace })
    }

    async fn perform(&self, at: usize, action: &Action, place: Arc<Own>) -> (usize, u64, Result<(), Stop>) {
        let Some(action) = self.as_it_turned_out(action) else {
            return (at, 0, Ok(()));
        };
        let action = &*action;
        let (urn, op) = (action.urn.clone(), action.work.op());
        self.sink.event(&Event::StepStarted { urn: urn.clone(), op });
        let started = Instant::now();
        let outcome = self.act(action, started, &place).await;
        let elapsed_ms = millis(started.elapsed());
        let outcome = match outcome {
            Ok(id) => {
                let id = (!id.is_empty()).then_some(id);
                self.sink.event(&Event::StepDone { urn, op, id, elapsed_ms });
                Ok(())
            }
            Err(Stop::Failed(error)) => {
                self.sink.event(&Event::StepFailed { urn, op, elapsed_ms, error: EventError::from(&error) });
                Err(Stop::Failed(error))
            }
            Err(stop) => Err(stop),
        };
        let worked_ms = elapsed_ms.saturating_sub(millis(place.queued()));
        drop(place);
        (at, worked_ms, outcome)
    }

    fn skip(&self, action: &Action, because: Option<&Urn>) {
        let (urn, op) = (action.urn.clone(), action.work.op());
        self.sink.event(&Event::StepSkipped { urn, op, because: because.cloned() });
    }

    /// What was in flight when nobody would wait any longer: its outcome is not known.
    fn give_up(&self, progress: &mut Progress<'_>) {
        let running =
            (0..progress.status.len()).filter(|&at| progress.status[at] == Status::Running).collect::<Vec<_>>();
        for at in running {
            let error =
                CloudError::local(ErrorKind::Ambiguous, "stopped while it was under way; its outcome is not known")
                    .hint("the next `phx up` finds out before it does anything else");
            let action = &progress.actions[at];
            let (urn, op) = (action.urn.clone(), action.work.op());
            self.sink.event(&Event::StepFailed {
                urn: urn.clone(),
                op,
                elapsed_ms: 0,
                error: EventError::from(&error),
            });
            progress.status[at] = Status::Failed;
            progress.failures.push(Failure { urn, op, error });
        }
    }

    /// Brings the records of resources about which nothing had to be done up to what the program now says of them: other dependencies, other
    /// options, another way to write the same value; and remembers how long verbs took. No call, no event, one write.
    async fn keep_books(&self, progress: &Progress<'_>) -> Result<(), JournalError> {
        let mut entries: Vec<Entry> = self.journal.with(|state| {
            let env = Recorded { state, index: &self.index };
            let same = self.plan.steps.iter().filter(|step| step.op == Op::Same);
            same.filter_map(|step| {
                let record = state.resources.get(&step.urn)?;
                let declared = self.index.get(&step.urn)?;
                // In a run that failed, what it refers to may not be there. Then there is nothing to record yet.
                let wish = Wish::resolve(declared, &env).ok()?;
                let changes = wish.change(declared, &step.depends_on, record);
                let urn = step.urn.clone();
                (changes.fields.is_empty() && changes.record != *record)
                    .then(|| Entry::Recorded { urn, record: Box::new(changes.record) })
            })
            .collect()
        });
        let durations = progress.durations();
        if !durations.is_empty() {
            entries.push(Entry::Took { durations });
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.journal.append(entries).await
    }

    /// What was done. A replacement of which only one half was done counts as that half.
    fn summary(&self, progress: &Progress<'_>) -> Summary {
        let mut halves: Vec<(usize, usize)> = vec![(0, 0); self.plan.steps.len()];
        for (action, status) in progress.actions.iter().zip(&progress.status) {
            let (done, all) = &mut halves[action.step];
            *all += 1;
            *done += usize::from(*status == Status::Done);
        }
        let mut sum = Summary::default();
        for (action, status) in progress.actions.iter().zip(&progress.status) {
            if *status != Status::Done {
                continue;
            }
            let op = self.plan.steps[action.step].op;
            let (done, all) = halves[action.step];
            if let (Op::Replace(_), true) = (op, done == all) {
                // Counted once, with its new object; or with the old one, if it turned out that this could be kept.
                let kept = self.journal.with(|state| {
                    let now = state.resources.get(&action.urn).map(|r| &r.id);
                    now.is_some() && now == self.plan.steps[action.step].id.as_ref()
                });
                let made = if kept { &mut sum.update } else { &mut sum.replace };
                *made += u64::from(action.work.op() == StepOp::Create);
                continue;
            }
            *match action.work.op() {
                StepOp::Create => &mut sum.create,
                StepOp::Update => &mut sum.update,
                StepOp::Delete => &mut sum.delete,
                StepOp::Adopt => &mut sum.adopt,
                StepOp::Forget => &mut sum.forget,
            } += 1;
        }
        sum.same = self.plan.steps.iter().filter(|s| s.op == Op::Same).count() as u64;
        sum
    }
}

/// How far a schedule has come. Everything here takes time only for the actions that it concerns.
struct Progress<'a> {
    actions: &'a [Action],
    status: Vec<Status>,
    /// How many needs of an action are not done yet.
    missing: Vec<usize>,
    dependents: Vec<Vec<usize>>,
    /// Ready to begin: those with the longest way to an end first, and among equals in the plan's order.
    ready: BinaryHeap<(u64, Reverse<usize>)>,
    /// How long each action took that is done, in milliseconds.
    took: Vec<u64>,
    failures: Vec<Failure>,
    skipped: Vec<(Urn, StepOp, Option<Urn>)>,
}

impl<'a> Progress<'a> {
    fn new(actions: &'a [Action]) -> Self {
        let mut dependents = vec![Vec::new(); actions.len()];
        for (at, action) in actions.iter().enumerate() {
            for &need in &action.needs {
                dependents[need].push(at);
            }
        }
        let missing: Vec<usize> = actions.iter().map(|a| a.needs.len()).collect();
        let ready = actions.iter().enumerate().filter(|(_, a)| a.needs.is_empty());
        let ready = ready.map(|(at, a)| (a.depth, Reverse(at))).collect();
        let status = vec![Status::Waiting; actions.len()];
        let took = vec![0; actions.len()];
        Self { actions, status, missing, dependents, ready, took, failures: Vec::new(), skipped: Vec::new() }
    }

    fn begin(&mut self) -> Option<usize> {
        let (_, Reverse(at)) = self.ready.pop()?;
        self.status[at] = Status::Running;
        Some(at)
    }

    fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How long the verbs that were done took, the mean of each type and verb.
    fn durations(&self) -> BTreeMap<String, u64> {
        let mut sums: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for (at, action) in self.actions.iter().enumerate().filter(|(at, _)| self.status[*at] == Status::Done) {
            let Some(verb) = action.work.verb() else { continue };
            let (sum, n) = sums.entry((action.urn.type_name(), verb)).or_default();
            (*sum, *n) = (*sum + self.took[at], *n + 1);
        }
        sums.into_iter().map(|((type_name, verb), (sum, n))| (State::verb_of(type_name, verb), sum / n)).collect()
    }

    fn done(&mut self, at: usize, took: u64) {
        self.status[at] = Status::Done;
        self.took[at] = took;
        for &next in &self.dependents[at] {
            self.missing[next] -= 1;
            if self.missing[next] == 0 && self.status[next] == Status::Waiting {
                self.ready.push((self.actions[next].depth, Reverse(next)));
            }
        }
    }

    /// Returns the actions that are skipped for it, in the plan's order.
    fn failed(&mut self, at: usize, error: CloudError) -> Vec<usize> {
        let action = &self.actions[at];
        self.status[at] = Status::Failed;
        self.failures.push(Failure { urn: action.urn.clone(), op: action.work.op(), error });
        let mut found = Vec::new();
        let mut todo = self.dependents[at].clone();
        while let Some(next) = todo.pop() {
            if self.status[next] == Status::Waiting {
                self.status[next] = Status::Skipped;
                found.push(next);
                todo.extend(&self.dependents[next]);
            }
        }
        found.sort_unstable();
        for &skipped in &found {
            self.skip(skipped, Some(action.urn.clone()));
        }
        found
    }

    fn skip(&mut self, at: usize, because: Option<Urn>) {
        let action = &self.actions[at];
        self.status[at] = Status::Skipped;
        self.skipped.push((action.urn.clone(), action.work.op(), because));
    }

    /// What has not begun and is not skipped.
    fn left(&self) -> Vec<usize> {
        (0..self.status.len()).filter(|&at| self.status[at] == Status::Waiting).collect()
    }
}
