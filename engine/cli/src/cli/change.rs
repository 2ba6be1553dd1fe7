//! The commands that plan and change: preview, up, destroy, refresh.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use futures::FutureExt as _;
use phx_engine::Plan;
use phx_engine::engine::{Engine, EngineError, Interrupt, Report, RunOptions};
use phx_engine::events::RunResult;
use phx_engine::planner::PlanOptions;
use phx_engine::verify::{Verified, Verify};
use phx_model::store::Store;
use phx_model::{Program, Urn};
use phx_state::secret::SealedStore;

use super::args::{self, Destroy, Preview, Up};
use super::cloud::{self, Cloud};
use super::exit::{Exit, Usage, describe};
use super::interrupt;
use super::reporter::Reporter;
use super::saved;
use super::secret;
use super::ui::Ui;
use super::wiring::{self, Context};
use crate::project::{Project, StackSettings};
use crate::render::checks;
use crate::render::outcome::{Outcome, outcome};
use crate::render::style::{DIM, paint};
use crate::render::{self, count, duration};
use crate::verify::Verifier;

/// Everything that one run needs, found and checked.
struct Ready {
    stack: StackSettings,
    cloud: Cloud,
    engine: Engine,
    reporter: Arc<Reporter>,
    options: RunOptions,
    /// The store with its keys, for the secrets of saved plans.
    sealed: SealedStore,
    /// What makes the program's checks, if there are any to make.
    verifier: Option<Arc<Verifier>>,
    began: Instant,
}

/// What a command line asks of a run.
struct Wanted<'a> {
    parallel: Option<u32>,
    refresh: bool,
    targets: &'a [String],
    replace: &'a [String],
    /// The run changes the cloud or the state; otherwise it only looks.
    changing: bool,
    /// How long to wait for the lease.
    wait: Duration,
    /// Whether the program's checks are made in the end.
    verify: bool,
}

/// Finds and checks everything, down to whose credentials these are. `program` is what targets are looked for in, beside the state.
async fn ready(
    cx: &Context,
    project: &Project,
    stack: StackSettings,
    cloud: Cloud,
    program: Option<&Program>,
    wanted: Wanted<'_>,
) -> anyhow::Result<Ready> {
    let began = Instant::now();
    let store = cx.store(project, &stack.name).await?;
    let settings = cx.engine_settings(project, wanted.parallel)?;
    let plan = PlanOptions {
        targets: resolve(wanted.targets, program, &stack, store.as_ref()).await?,
        replace: resolve(wanted.replace, program, &stack, store.as_ref()).await?,
    };
    let interrupt = Interrupt::new();
    interrupt::listen(&interrupt, wanted.changing)?;
    let known = match phx_state::needs_aws(&store.location()) {
        true => None,
        // A state that cannot be read is told of before anything is asked of AWS.
        false => Some(store.load(&stack.name).await?),
    };
    let checks = async {
        cloud::check_account(&cloud, &stack, wanted.changing).await?;
        let state = match known {
            Some(state) => state,
            None => store.load(&stack.name).await?,
        };
        cloud::check_place(&cloud, &stack, state.as_ref(), wanted.changing).await
    };
    tokio::select! {
        biased;
        () = interrupt.draining() => return Err(anyhow!(EngineError::Interrupted)),
        checked = checks => checked?,
    }
    let reporter = Arc::new(Reporter::new(cx.ui.clone(), cloud.aws.clone(), wanted.changing));
    let registry = wiring::registry(&cloud.aws);
    #[cfg(feature = "crash-points")]
    let (registry, store) = (super::crash::registry(registry)?, super::crash::store(store)?);
    let sealed = secret::sealed(cx, project, store)?;
    let verifier = program.filter(|p| wanted.verify && !p.checks.is_empty()).map(|program| {
        let verifier = Verifier::new(program, registry.clone(), reporter.clone());
        Arc::new(verifier.in_folder(&project.dir).isolated(cx.global.sandbox))
    });
    let engine = Engine::new(registry, Arc::new(sealed.clone()), reporter.clone(), settings);
    let options = RunOptions {
        plan,
        refresh: wanted.refresh,
        interrupt,
        holder_who: wiring::who(),
        wait: wanted.wait,
        verify: verifier.clone().map(|verifier| verifier as Arc<dyn Verify>),
    };
    Ok(Ready { stack, cloud, engine, reporter, options, sealed, verifier, began })
}

/// Resources by their URNs or, where only one has it, by their names.
async fn resolve(
    given: &[String],
    program: Option<&Program>,
    stack: &StackSettings,
    store: &dyn Store,
) -> anyhow::Result<Vec<Urn>> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: BTreeSet<Urn> = program.into_iter().flat_map(|p| &p.resources).map(|d| d.urn.clone()).collect();
    if let Some(state) = store.load(&stack.name).await? {
        // What an earlier run has left open may be there, too.
        known.extend(state.open.into_values().map(|intent| intent.urn));
        known.extend(state.deposed.into_iter().map(|deposed| deposed.urn));
        known.extend(state.resources.into_keys());
    }
    given.iter().map(|text| present(named(text, &known)?, &known)).collect()
}

/// Refuses what is nowhere, before anything is asked of the cloud.
fn present(urn: Urn, known: &BTreeSet<Urn>) -> anyhow::Result<Urn> {
    if known.contains(&urn) {
        return Ok(urn);
    }
    Err(anyhow!(Usage(format!(
        "{urn} is neither in the program nor in the state\n  hint: `phx state list --json` and `phx preview --json` show the URNs"
    ))))
}

/// The one resource that a text names.
pub(super) fn named(text: &str, known: &BTreeSet<Urn>) -> anyhow::Result<Urn> {
    if text.starts_with("urn:") {
        return Urn::parse(text).map_err(|e| anyhow!(Usage(e.to_string())));
    }
    let found: Vec<&Urn> = known.iter().filter(|urn| urn.name() == text).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(anyhow!(Usage(format!(
            "no resource is named {text:?}\n  hint: `phx state list` and `phx preview` show the names"
        )))),
        _ => {
            let urns = found.iter().map(|urn| format!("\n  {urn}")).collect::<String>();
            Err(anyhow!(Usage(format!(
                "{text:?} is the name of several resources; give the URN of one of them:{urns}"
            ))))
        }
    }
}

/// `phx preview`
pub(crate) async fn preview(cx: &Context, args: &Preview) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let stack = cx.stack(&project)?;
    let (program, cloud) = cx.program(&project, &stack).await?;
    let wanted = Wanted {
        parallel: None,
        refresh: args.refreshing.refresh,
        targets: &args.targets.target,
        replace: &args.replace,
        changing: false,
        wait: Duration::ZERO,
        verify: false,
    };
    let ready = ready(cx, &project, stack, cloud, Some(&program), wanted).await?;
    let planned = match &args.out {
        Some(_) => {
            ready.engine.preview_to_save(&program, &ready.options).await.map(|(plan, saved)| (plan, Some(saved)))
        }
        None => ready.engine.preview(&program, &ready.options).await.map(|plan| (plan, None)),
    };
    ready.reporter.pause();
    let (plan, to_save) = planned?;
    if let (Some(path), Some(plan)) = (&args.out, &to_save) {
        saved::write(path, plan, &ready.stack.name, &ready.sealed).await?;
    }
    let (calls, elapsed) = (ready.cloud.aws.api_calls(), ready.began.elapsed());
    if cx.ui.json {
        let mut json = plan.to_json();
        json["api_calls"] = calls.into();
        json["elapsed_ms"] = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).into();
        cx.ui.answer(&json)?;
    }
    let mut notes = vec![duration(elapsed), count(calls, "API call")];
    if !program.checks.is_empty() {
        notes.push(format!("{} after `up`", count(program.checks.len() as u64, "check")));
    }
    let note = paint(DIM, format_args!("({})", notes.join(", ")));
    cx.ui.say(&format!("{}{note}\n", render::plan::plan(&plan, cx.ui.view)));
    if let Some(path) = &args.out {
        let sandbox = if cx.global.sandbox { " --sandbox" } else { "" };
        let (file, stack) = (path.display(), &ready.stack.name);
        cx.ui.say(&format!("Saved to {file}. `phx up --stack {stack}{sandbox} --plan {file}` does exactly this.\n"));
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Done })
}

/// `phx up`
pub(crate) async fn up(cx: &Context, args: &Up) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let stack = cx.stack(&project)?;
    let (program, cloud) = cx.program(&project, &stack).await?;
    let wanted = Wanted {
        parallel: args.parallel,
        refresh: args.refreshing.refresh,
        targets: &args.targets.target,
        replace: &args.replace,
        changing: true,
        wait: args.waiting.wait_lock,
        verify: args.verify,
    };
    let planned = match &args.plan {
        Some(path) => {
            let planned = saved::read(path)?;
            planned.belongs_to(&stack.project, &stack.name).map_err(EngineError::from)?;
            Some((path, planned))
        }
        None => None,
    };
    let ready = ready(cx, &project, stack, cloud, Some(&program), wanted).await?;
    let approval = Approval::new(cx.ui.clone(), &ready, "Do this?");
    let report = match planned {
        Some((path, planned)) => {
            let planned = saved::open(path, planned, &ready.stack.name, &ready.sealed).await?;
            // Whoever gave the plan has approved it.
            let show = |plan: &Plan| {
                approval.show(plan);
                true
            };
            ready.engine.up_saved(&program, &planned, &ready.options, &show).await
        }
        None => ready.engine.up(&program, &ready.options, &|plan: &Plan| approval.ask(plan)).await,
    };
    finish(cx, "up", ready, report, Some(&approval)).await
}

/// `phx destroy`
pub(crate) async fn destroy(cx: &Context, args: &Destroy) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let stack = cx.stack(&project)?;
    let wanted = Wanted {
        parallel: args.parallel,
        refresh: args.refreshing.refresh,
        targets: &args.target,
        replace: &[],
        changing: true,
        wait: args.waiting.wait_lock,
        verify: false,
    };
    let cloud = Cloud::open(cx, &project, &stack).await?;
    let ready = ready(cx, &project, stack, cloud, None, wanted).await?;
    let question = format!("Delete all this from {}?", ready.stack.name);
    let approval = Approval::new(cx.ui.clone(), &ready, &question);
    let (name, stack) = (&ready.stack.project, &ready.stack.name);
    let report = ready.engine.destroy(name, stack, &ready.options, &|plan: &Plan| approval.ask(plan)).await;
    finish(cx, "destroy", ready, report, Some(&approval)).await
}

/// `phx refresh`
pub(crate) async fn refresh(cx: &Context, args: &args::Refresh) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let stack = cx.stack(&project)?;
    let wait = args.waiting.wait_lock;
    let wanted =
        Wanted { parallel: None, refresh: true, targets: &[], replace: &[], changing: true, wait, verify: false };
    let cloud = Cloud::open(cx, &project, &stack).await?;
    let ready = ready(cx, &project, stack, cloud, None, wanted).await?;
    let report = ready.engine.refresh(&ready.stack.project, &ready.stack.name, &ready.options).await;
    finish(cx, "refresh", ready, report, None).await
}

/// Says how it ended. Everything is recorded by now.
async fn finish(
    cx: &Context,
    kind: &str,
    ready: Ready,
    report: Result<Report, EngineError>,
    approval: Option<&Approval>,
) -> anyhow::Result<Exit> {
    ready.reporter.pause();
    let saved = ready.cloud.close().await;
    let report = match report {
        Ok(report) => report,
        Err(EngineError::Declined) => {
            saved?;
            return approval.map_or(Err(anyhow!(EngineError::Declined)), Approval::refusal);
        }
        Err(error) => return Err(anyhow!(error)),
    };
    let failures: Vec<_> = report.failures.iter().map(|f| (&f.urn, f.op, &f.error)).collect();
    let aborted = ready.options.interrupt.aborting().now_or_never().is_some();
    cx.ui.say(&outcome(
        &Outcome {
            kind,
            result: report.result,
            aborted,
            summary: report.summary,
            failures: &failures,
            skipped: &report.skipped,
            outputs: &report.outputs,
            elapsed: ready.began.elapsed(),
            api_calls: ready.cloud.aws.api_calls(),
            pace: report.pace,
        },
        cx.ui.view,
    ));
    if report.result == RunResult::Failed && !cx.ui.errors_seen_with_output() {
        Ui::note(&failed(kind, &report));
    }
    let checked = match (&ready.verifier, &report.checks) {
        (Some(verifier), Some(verified)) => verification(cx, verifier, verified),
        (Some(_), None) if report.result == RunResult::Succeeded => {
            cx.ui.say(&paint(
                DIM,
                "The checks were left out, since not everything was aimed at; `phx verify` makes them.\n",
            ));
            Exit::Done
        }
        _ => Exit::Done,
    };
    saved?;
    Ok(match report.result {
        RunResult::Succeeded => checked,
        RunResult::Failed => Exit::Error,
        RunResult::Interrupted => Exit::Interrupted,
    })
}

/// Says what the checks came to. What was to be done is done and recorded, whatever that is.
fn verification(cx: &Context, verifier: &Verifier, verified: &Verified) -> Exit {
    let outcomes = verifier.outcomes();
    cx.ui.say(&format!("\n{}", checks::report(&outcomes, verified)));
    if verified.failed > 0 && !cx.ui.errors_seen_with_output() {
        Ui::note(&describe(&anyhow!("up is done and recorded, and {}", checks::failures(&outcomes))));
    }
    super::verify::exit(verified)
}

/// What failed, for whoever reads the errors and not the output.
fn failed(kind: &str, report: &Report) -> String {
    let failures: Vec<String> = report.failures.iter().map(|f| format!("{}: {}", f.urn, f.error)).collect();
    describe(&anyhow!("{kind} failed for {}\n  {}", count(failures.len() as u64, "resource"), failures.join("\n  ")))
}

/// Shows the plan and asks whether to go on.
struct Approval {
    ui: Arc<Ui>,
    reporter: Arc<Reporter>,
    interrupt: Interrupt,
    question: String,
    refused: Mutex<Option<Refused>>,
}

/// Why it was not gone on with.
#[derive(Clone, Copy, Debug)]
enum Refused {
    NoTerminal,
    No,
    Interrupted,
}

impl Approval {
    fn new(ui: Arc<Ui>, ready: &Ready, question: &str) -> Self {
        let (reporter, interrupt) = (ready.reporter.clone(), ready.options.interrupt.clone());
        Self { ui, reporter, interrupt, question: question.to_owned(), refused: Mutex::default() }
    }

    fn show(&self, plan: &Plan) {
        self.reporter.pause();
        self.ui.say(&format!("\n{}\n", render::plan::plan(plan, self.ui.view)));
    }

    fn ask(&self, plan: &Plan) -> bool {
        self.show(plan);
        if plan.is_empty() || self.ui.yes {
            return true;
        }
        let refused = if !self.ui.can_ask() {
            Refused::NoTerminal
        } else {
            self.ui.say(&format!("{} Only `yes` goes on: ", self.question));
            match answer(&self.interrupt) {
                Some(text) if text.trim() == "yes" => return true,
                Some(_) => Refused::No,
                None => Refused::Interrupted,
            }
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        false
    }

    fn refusal(&self) -> anyhow::Result<Exit> {
        match *self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Refused::NoTerminal) => Err(anyhow!(
                "refused: there is no terminal to ask on, and `--yes` was not given; nothing was changed\n  hint: look at the plan with `phx preview`, then give `--yes`"
            )),
            Some(Refused::Interrupted) => {
                self.ui.say("\nStopped; nothing was changed.\n");
                Ok(Exit::Interrupted)
            }
            Some(Refused::No) | None => {
                self.ui.say("Nothing was changed.\n");
                Ok(Exit::Error)
            }
        }
    }
}

/// What is typed; `None` if the run is asked to stop instead.
fn answer(interrupt: &Interrupt) -> Option<String> {
    let (sender, receiver) = channel();
    // Reading cannot be cut short, so it is left to a thread of its own, which ends with the process.
    std::thread::spawn(move || {
        let mut line = String::new();
        // An error is an answer that is not `yes`.
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = sender.send(read.map(|_| line).unwrap_or_default());
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => return Some(line),
            Err(RecvTimeoutError::Disconnected) => return Some(String::new()),
            Err(RecvTimeoutError::Timeout) if interrupt.is_draining() => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_by_its_urn_or_its_name() {
        let urn = |t: &str, n: &str| Urn::parse(&format!("urn:phx:p:dev:{t}:{n}")).unwrap();
        let known: BTreeSet<Urn> =
            [urn("aws:ec2:Vpc", "main"), urn("aws:ec2:Subnet", "main"), urn("aws:ec2:Subnet", "net/a")].into();
        assert_eq!(named("net/a", &known).unwrap(), urn("aws:ec2:Subnet", "net/a"));
        let nowhere = named("urn:phx:p:dev:a:b:C:x", &known).unwrap();
        assert_eq!(nowhere.name(), "x");
        assert!(present(urn("aws:ec2:Vpc", "main"), &known).is_ok());
        assert_eq!(super::super::exit::exit_of(&present(nowhere, &known).unwrap_err()), Exit::Usage);
        for (text, said) in [("main", "several"), ("a", "no resource"), ("urn:phx:p", "expected urn:phx:")] {
            let error = named(text, &known).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(super::super::exit::exit_of(&error), Exit::Usage);
        }
    }
}
