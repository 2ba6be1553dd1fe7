//! Making the checks that a program declares: whether what `up` has made does what it was made for.
//!
//! The engine asks for it once an `up` has succeeded and is recorded ([`RunOptions::verify`](phx_engine::engine::RunOptions)), and `phx verify` by
//! itself. Checks change nothing that phx knows of. All are made at once, up to a bound, each with what is recorded then; one that is not true is tried again until
//! its time is over. What a check sees or is made with is shown without the secrets of the stack.

mod attempt;
mod command;
mod http;
mod net;
mod object;
mod tls;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use phx_engine::engine::Interrupt;
use phx_engine::events::{Event, EventSink};
use phx_engine::verify::{Verified, Verify};
use phx_model::check::DeclaredCheck;
use phx_model::discreet::Secrets;
use phx_model::driver::Registry;
use phx_model::expr::Env;
use phx_model::state::State;
use phx_model::{Program, Urn, Value};
use tokio::time::Instant;

use attempt::{Attempt, Miss, With};

/// How many checks are made at once.
const PARALLEL: usize = 16;
/// The wait before a second attempt; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why an emulator's objects do not answer.
const NO_NETWORK: &str = "what an emulator makes is reached over no network; leave such checks out there (--verify=false, or a condition in the program)";

/// Makes the checks of a program.
pub struct Verifier {
    program: Program,
    registry: Registry,
    sink: Arc<dyn EventSink>,
    tools: Tools,
    outcomes: Mutex<Vec<Outcome>>,
}

/// What attempts are made with, beside the check itself.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// The folder that commands run in; `None`: the current one.
    folder: Option<PathBuf>,
    /// Commands are given nothing that leads to AWS.
    isolated: bool,
    roots: tls::SystemRoots,
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its name, with the component path.
    pub name: String,
    /// What kind of check it is, in one word.
    pub kind: &'static str,
    /// What was asked: `GET https://api.example.com/healthz`.
    pub subject: String,
    /// The resources that it is about.
    pub urns: Vec<Urn>,
    /// What came of it.
    pub verdict: Verdict,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// Whether a check is true.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is true.
    Passed {
        /// What was found.
        found: String,
    },
    /// It is not.
    Failed {
        /// What has to be true.
        expected: String,
        /// What was found in its place, the last time that it was tried.
        found: String,
        /// What the reader can do.
        hint: Option<String>,
    },
    /// It was not brought to an end, since the run was asked to stop.
    NotDone,
}

impl Verifier {
    /// Makes the checks of `program`, reads objects through `registry`, and tells `sink` of each check.
    pub fn new(program: &Program, registry: Registry, sink: Arc<dyn EventSink>) -> Self {
        let (tools, outcomes) = (Tools::default(), Mutex::default());
        Self { program: program.clone(), registry, sink, tools, outcomes }
    }

    /// Runs commands in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.tools.folder = Some(folder.into());
        self
    }

    /// Gives commands no settings or credentials of AWS: what is checked is an emulator's, and they must not reach the real one by mistake.
    #[must_use]
    pub fn isolated(mut self, yes: bool) -> Self {
        self.tools.isolated = yes;
        self
    }

    /// What came of the checks when they were last made, in the order of their declaration.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn one(&self, declared: &DeclaredCheck, state: &State, common: &[&Value], interrupt: &Interrupt) -> Outcome {
        let (check, began) = (&declared.check, Instant::now());
        let urns: Vec<Urn> = check.urns().into_iter().cloned().collect();
        let mut outcome = Outcome {
            name: declared.name.clone(),
            kind: check.probe.kind(),
            subject: String::new(),
            urns: urns.clone(),
            verdict: Verdict::NotDone,
            attempts: 0,
            elapsed: Duration::ZERO,
        };
        if interrupt.is_draining() {
            return outcome;
        }
        self.sink.event(&Event::CheckStarted { check: outcome.name.clone(), kind: outcome.kind, urns });
        let (own, attempt) = Attempt::new(check, state);
        let secrets = Secrets::of(own.iter().chain(common.iter().copied()));
        outcome.subject = attempt.as_ref().map(Attempt::subject).unwrap_or_default();
        secrets.hide(&mut outcome.subject);
        let trying = async {
            let attempt = attempt?;
            loop {
                outcome.attempts += 1;
                let limit = check.attempt_timeout();
                let with = With { registry: &self.registry, state, tools: &self.tools, secrets: &secrets, limit };
                let tried = tokio::time::timeout(limit, attempt.make(&with)).await;
                let miss = match tried {
                    Ok(Ok(found)) => return Ok(found),
                    Ok(Err(miss)) => miss,
                    Err(_) => attempt.too_late(limit),
                };
                let wait = LONGEST_WAIT.min(FIRST_WAIT.saturating_mul(1 << (outcome.attempts - 1).min(8)));
                // No attempt begins after the time is over; the wait for the last one ends with it.
                let left = check.within.saturating_sub(began.elapsed());
                if !miss.again || left.is_zero() {
                    return Err(miss);
                }
                tokio::time::sleep(wait.min(left)).await;
            }
        };
        let verdict = tokio::select! {
            biased;
            () = interrupt.draining() => None,
            verdict = trying => Some(verdict),
        };
        let hidden = |mut text: String| {
            secrets.hide(&mut text);
            text
        };
        outcome.elapsed = began.elapsed();
        outcome.verdict = match verdict {
            None => Verdict::NotDone,
            Some(Ok(found)) => Verdict::Passed { found: hidden(found) },
            Some(Err(Miss { expected, found, hint, again: _ })) => {
                let of_emulator =
                    self.tools.isolated && check.probe.is_of_the_network() && !check.references().is_empty();
                let hint = if of_emulator { Some(NO_NETWORK.to_owned()) } else { hint.map(hidden) };
                Verdict::Failed { expected: hidden(expected), found: hidden(found), hint }
            }
        };
        outcome.tell(&*self.sink);
        outcome
    }
}

#[async_trait]
impl Verify for Verifier {
    async fn verify(&self, state: &State, interrupt: &Interrupt) -> Option<Verified> {
        if self.program.checks.is_empty() {
            return None;
        }
        let began = Instant::now();
        let mut providers = state.providers.clone();
        providers.extend(self.program.providers.clone());
        self.registry.places().iter().for_each(|places| places.define(&providers));
        // A command or a server may quote any of the stack's secrets, wherever it has them from.
        let records = state.resources.values().flat_map(|r| r.inputs.values().chain(r.outputs.values()));
        let common: Vec<&Value> = records.chain(state.outputs.values()).chain(state.secrets.values()).collect();
        let common: Vec<&Value> = common.into_iter().filter(|value| value.has_secret()).collect();
        let mut making = Vec::with_capacity(self.program.checks.len());
        for declared in &self.program.checks {
            making.push(self.one(declared, state, &common, interrupt));
        }
        let outcomes: Vec<Outcome> = futures::stream::iter(making).buffered(PARALLEL).collect().await;
        let verified = summary(&outcomes, began.elapsed());
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner) = outcomes;
        Some(verified)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("checks", &self.program.checks.len()).finish_non_exhaustive()
    }
}

impl Outcome {
    /// As an event. What was not brought to an end is none.
    fn tell(&self, sink: &dyn EventSink) {
        let (check, kind, urns, attempts) = (self.name.clone(), self.kind, self.urns.clone(), self.attempts);
        let elapsed_ms = millis(self.elapsed);
        match self.verdict.clone() {
            Verdict::Passed { found } => {
                sink.event(&Event::CheckPassed { check, kind, urns, found, attempts, elapsed_ms });
            }
            Verdict::Failed { expected, found, hint } => {
                sink.event(&Event::CheckFailed { check, kind, urns, expected, found, hint, attempts, elapsed_ms });
            }
            Verdict::NotDone => {}
        }
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What checks came to.
pub(crate) fn summary(outcomes: &[Outcome], elapsed: Duration) -> Verified {
    let mut verified = Verified { elapsed_ms: millis(elapsed), ..Verified::default() };
    for outcome in outcomes {
        match outcome.verdict {
            Verdict::Passed { .. } => verified.passed += 1,
            Verdict::NotDone => verified.not_done += 1,
            Verdict::Failed { .. } => {
                verified.failed += 1;
                verified.failures.push(outcome.name.clone());
            }
        }
    }
    verified
}

/// What is recorded, for expressions.
pub(crate) struct Recorded<'a>(pub(crate) &'a State);

impl Env for Recorded<'_> {
    fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
        let record = self.0.resources.get(urn)?;
        // What the cloud did not decide is null, as it is for the resources that refer to it.
        Some(record.outputs.get(output).cloned().unwrap_or_default())
    }

    fn configured(&self, name: &str) -> Option<Value> {
        self.0.secrets.get(name).cloned()
    }
}

/// Resources that a check needs and that are not recorded.
pub(crate) fn missing<'a>(needed: BTreeSet<&'a Urn>, state: &State) -> Vec<&'a Urn> {
    needed.into_iter().filter(|urn| !state.resources.contains_key(*urn)).collect()
}

#[cfg(test)]
mod tests;
