//! `phx drift`: what someone else has changed. It takes no lease, needs no program and changes nothing, so it can run at any time, beside an
//! `up` as well. What it does need are the types of what the state knows: a driver that was built for fewer services hands over to the program.

mod metrics;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use futures::StreamExt as _;
use jiff::Timestamp;
use phx_aws::Aws;
use phx_aws::orphans::{self, Known, Marked};
use phx_engine::drift::{Drift, DriftKind};
use phx_engine::engine::{Engine, EngineError, Interrupt, RunOptions};
use phx_engine::events::{Event, EventSink};
use phx_model::driver::Places as _;
use phx_model::state::ProviderKey;
use phx_model::store::Store;
use phx_model::urn::StackName;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use super::cloud::{self, Cloud};
use super::exit::{Exit, Usage, describe};
use super::interrupt;
use super::reporter::Reporter;
use super::secret;
use super::ui::Ui;
use super::wiring::{self, Context};
use super::{Role, args, driver};
use crate::notify::{self, Finding, Kind, Report};
use crate::project::Project;
use crate::render;
use metrics::{Counts, Metrics};

/// How many stacks are looked at at once.
const PARALLEL: usize = 4;

/// `phx drift`
pub(crate) async fn drift(cx: &Context, args: &args::Drift) -> anyhow::Result<Exit> {
    if args.all && cx.global.stack.is_some() {
        return Err(anyhow!(Usage(
            "--all looks at every stack, and --stack names one\n  hint: give one of the two".into()
        )));
    }
    let project = cx.project()?;
    // An error is told by the look itself, and so is that a type is not known if the program cannot be built here.
    if matches!(cx.role, Role::Driver) && lacks_types(cx, &project, args.all).await.unwrap_or(false) {
        let arguments: Vec<_> = std::env::args_os().collect();
        match driver::hand_over(cx, &arguments) {
            Ok(exit) => return Ok(exit),
            Err(error) => Ui::note(&describe(&error)),
        }
    }
    let interrupt = Interrupt::new();
    interrupt::listen(&interrupt, false)?;
    let told = Told::default();
    let told = args.watch.map(|_| &told);
    let look = Look { cx, project: &project, args, interrupt: &interrupt, told };
    match args.watch {
        Some(interval) => watch::watch(&look, interval).await,
        None => once(&look).await,
    }
}

/// Whether the stacks that are to be looked at have objects of types that this binary does not know: a driver knows those of the services that it
/// was built with, and a program's own binary those that it names.
async fn lacks_types(cx: &Context, project: &Project, all: bool) -> anyhow::Result<bool> {
    let mut wanted: Vec<(StackName, Arc<dyn Store>)> = Vec::new();
    if all {
        for (_, store) in cx.stores(project).await? {
            wanted.extend(store.stacks().await?.into_iter().map(|name| (name, store.clone())));
        }
    } else {
        wanted.push(cx.known_stack(project).await?);
    }
    let known: BTreeSet<&str> = phx_aws::schemas().into_iter().map(|schema| schema.type_name).collect();
    for (name, store) in wanted {
        let state = store.load(&name).await?;
        if state.iter().flat_map(|state| state.resources.keys()).any(|urn| !known.contains(urn.type_name())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One round, and its end is the command's.
async fn once(look: &Look<'_>) -> anyhow::Result<Exit> {
    let (cx, args) = (look.cx, look.args);
    let outcomes = look.round().await?;
    let written = match &args.metrics {
        Some(path) => Metrics::read_file(path).and_then(|mut metrics| {
            metrics.replace(outcomes.iter().map(|outcome| outcome.metrics(look.project)));
            metrics.write_file(path)
        }),
        None => Ok(()),
    };
    let mut exit = Exit::Done;
    if outcomes.iter().any(Outcome::has_drift) && args.detailed_exitcode {
        exit = Exit::Changes;
    }
    if outcomes.iter().any(|outcome| outcome.failure().is_some() || !outcome.undelivered.is_empty()) {
        exit = Exit::Error;
    }
    if cx.ui.json {
        match &outcomes[..] {
            [one] if !args.all => {
                if one.result.is_ok() {
                    cx.ui.answer(&one.json())?;
                }
            }
            all => cx.ui.answer(&json!({ "stacks": all.iter().map(Outcome::json).collect::<Vec<_>>() }))?,
        }
    }
    if outcomes.is_empty() {
        cx.ui.say("No stack of the project has a state yet.\n");
    }
    let mut only = None;
    for outcome in outcomes {
        match tell(&cx.ui, outcome) {
            Some(error) if args.all => Ui::note(&describe(&error)),
            error => only = error,
        }
    }
    written?;
    // An error of the one stack that was asked for is the command's, with an exit code of its own.
    only.map_or(Ok(exit), Err)
}

/// Tells people what came of a stack's look. If it came to nothing, why is given back for the caller to tell.
fn tell(ui: &Ui, outcome: Outcome) -> Option<anyhow::Error> {
    for error in &outcome.undelivered {
        Ui::note(&describe(error));
    }
    match outcome.result {
        Ok(found) => {
            let shown = render::drift::Found {
                stack: outcome.stack.as_str(),
                drift: &found.drift,
                orphans: found.orphans.as_deref(),
                elapsed: outcome.elapsed,
                api_calls: outcome.api_calls,
            };
            ui.say(&render::drift::drift(&shown, ui.view));
            let unread = &found.drift.failures;
            if !unread.is_empty() && !ui.errors_seen_with_output() {
                Ui::note(&describe(&anyhow!(unread_error(&outcome.stack, &found.drift))));
            }
            None
        }
        Err(error) => Some(error),
    }
}

fn unread_error(stack: &StackName, drift: &Drift) -> String {
    let lines: Vec<String> = drift.failures.iter().map(|(urn, error)| format!("\n  {urn}: {error}")).collect();
    let what = render::count(lines.len() as u64, "object");
    format!("{what} of stack {stack} could not be read, so nothing is known of them:{}", lines.concat())
}

/// What was told last to whom of which stack, by the target and the stack.
type Told = Mutex<BTreeMap<(notify::Target, String), String>>;

/// What to look at, and how.
struct Look<'a> {
    cx: &'a Context,
    project: &'a Project,
    args: &'a args::Drift,
    interrupt: &'a Interrupt,
    /// Only what is new is told.
    told: Option<&'a Told>,
}

/// What came of one look at one stack.
struct Outcome {
    stack: StackName,
    began: Timestamp,
    elapsed: Duration,
    api_calls: u64,
    result: anyhow::Result<Found>,
    /// Who could not be told of it.
    undelivered: Vec<anyhow::Error>,
}

/// What a look found.
struct Found {
    drift: Drift,
    orphans: Option<Vec<Marked>>,
}

impl Look<'_> {
    /// Looks at every stack that is asked for. What goes wrong with one of them is in its outcome.
    async fn round(&self) -> anyhow::Result<Vec<Outcome>> {
        let known = OnceCell::new();
        let work = async {
            let wanted = if self.args.all {
                self.all().await?
            } else {
                let (name, store) = self.cx.known_stack(self.project).await?;
                vec![(name, Ok(store))]
            };
            // The emulator in this process is one stack's at a time.
            let at_once = if self.cx.global.sandbox { 1 } else { PARALLEL };
            let looks: Vec<_> = wanted.into_iter().map(|(name, store)| self.look(name, store, &known)).collect();
            let mut outcomes: Vec<Outcome> = futures::stream::iter(looks).buffer_unordered(at_once).collect().await;
            outcomes.sort_by(|a, b| a.stack.cmp(&b.stack));
            anyhow::Ok(outcomes)
        };
        tokio::select! {
            biased;
            () = self.interrupt.draining() => Err(anyhow!(EngineError::Interrupted)),
            outcomes = work => outcomes,
        }
    }

    /// The stacks that have a state where phx.toml says that it is, each with its store. Of a store that cannot be listed, the stacks that
    /// have a file, with the reason.
    async fn all(&self) -> anyhow::Result<Vec<(StackName, anyhow::Result<Arc<dyn Store>>)>> {
        let mut wanted = Vec::new();
        for (url, store) in self.cx.stores(self.project).await? {
            let listed = store.stacks().await;
            let failed = listed.is_err();
            let names = match &listed {
                Ok(names) => names.clone(),
                Err(_) => self.project.stacks()?,
            };
            let before = wanted.len();
            for name in names {
                if self.cx.store_of(self.project, &name)? == url {
                    let store = match &listed {
                        Ok(_) => Ok(store.clone()),
                        Err(error) => Err(anyhow!(error.clone())),
                    };
                    wanted.push((name, store));
                }
            }
            if failed && wanted.len() == before {
                listed.with_context(|| format!("listing the stacks in {}", store.location()))?;
            }
        }
        Ok(wanted)
    }

    async fn look(&self, stack: StackName, store: anyhow::Result<Arc<dyn Store>>, known: &OnceCell<Known>) -> Outcome {
        let (clock, began) = (Instant::now(), Timestamp::now());
        let mut aws = Aws::builder().build();
        let mut outcome = Outcome {
            result: Err(anyhow!("it was not looked at")),
            stack,
            began,
            elapsed: Duration::ZERO,
            api_calls: 0,
            undelivered: Vec::new(),
        };
        // Kept until everybody is told: the sandbox is in it.
        let mut cloud = None;
        let found = async {
            let store = store?;
            let settings = self.project.stack(&outcome.stack)?;
            let cloud = cloud.insert(Cloud::open(self.cx, self.project, &settings).await?);
            aws = cloud.aws.clone();
            cloud::check_account(cloud, &settings, false).await?;
            let found = self.compare(&outcome.stack, &store, &aws, known).await?;
            // That everything is missing may mean that it was looked for in the wrong place.
            if found.drift.drifted.iter().any(|one| one.kind == DriftKind::Missing) {
                let state = store.load(&outcome.stack).await?;
                cloud::check_place(cloud, &settings, state.as_ref(), false).await?;
            }
            anyhow::Ok(found)
        };
        outcome.result = found.await.with_context(|| format!("looking for drift in the stack {}", outcome.stack));
        (outcome.elapsed, outcome.api_calls) = (clock.elapsed(), aws.api_calls());
        self.notify(&mut outcome, &aws).await;
        outcome
    }

    async fn compare(
        &self,
        stack: &StackName,
        store: &Arc<dyn Store>,
        aws: &Aws,
        known: &OnceCell<Known>,
    ) -> anyhow::Result<Found> {
        let alone = !self.args.all && self.args.watch.is_none();
        let reporter = Arc::new(Reporter::new(self.cx.ui.clone(), aws.clone(), false));
        let live = reporter.clone();
        // What was found is said once, at the end.
        let sink = move |event: &Event| {
            if alone && !matches!(event, Event::Refreshed { .. }) {
                live.event(event);
            }
        };
        let sealed = secret::sealed(self.cx, self.project, store.clone())?;
        let settings = self.cx.engine_settings(self.project, None)?;
        let engine = Engine::new(wiring::registry(aws), Arc::new(sealed), Arc::new(sink), settings);
        let options = RunOptions { interrupt: self.interrupt.clone(), ..RunOptions::default() };
        let drift = engine.drift(&self.project.name, stack, &options).await;
        reporter.pause();
        let drift = drift?;
        let orphans = match self.args.orphans {
            true => Some(self.orphans(stack, store, aws, &drift.lineage, known).await.context("looking for orphans")?),
            false => None,
        };
        Ok(Found { drift, orphans })
    }

    /// What bears the stack's mark and is in no state of the project, neither before the marks were looked up nor after.
    async fn orphans(
        &self,
        stack: &StackName,
        store: &Arc<dyn Store>,
        aws: &Aws,
        lineage: &str,
        known: &OnceCell<Known>,
    ) -> anyhow::Result<Vec<Marked>> {
        let before = known.get_or_try_init(|| self.known()).await?;
        let Some(state) = store.load(stack).await? else { return Ok(Vec::new()) };
        aws.define(&state.providers);
        // Those, too, where nothing is left that the state knows of.
        let places: BTreeSet<ProviderKey> = state.places().into_iter().chain(state.providers.keys()).cloned().collect();
        let mut marked = orphans::marked(aws, &places, lineage).await?;
        marked.retain(|one| !before.has(one));
        if marked.is_empty() {
            return Ok(marked);
        }
        let mut marked = orphans::still_there(&wiring::registry(aws), marked).await;
        // A run may have made them meanwhile.
        let after = self.known().await?;
        marked.retain(|one| !after.has(one));
        Ok(marked)
    }

    /// What the project's states know. Ids are no secrets, so it takes no key.
    async fn known(&self) -> anyhow::Result<Known> {
        let mut known = Known::default();
        for (_, store) in self.cx.stores(self.project).await? {
            for stack in store.stacks().await? {
                if let Some(state) = store.load(&stack).await? {
                    // A stack whose file is gone, or cannot be read, may be anywhere.
                    let home = self.project.stack(&stack).map(|settings| settings.home()).unwrap_or_default();
                    known.add(&state, &home);
                }
            }
        }
        Ok(known)
    }

    /// Tells whoever wants to know.
    async fn notify(&self, outcome: &mut Outcome, aws: &Aws) {
        if self.args.notify.is_empty() {
            return;
        }
        let report = outcome.report(self.project);
        let news = news(&report);
        for target in &self.args.notify {
            // Two targets may read alike: what is secret of them is not shown.
            let key = (target.clone(), outcome.stack.to_string());
            let lock = |told: &'_ Told| told.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
            if self.told.and_then(lock).as_ref() == Some(&news) {
                continue;
            }
            match notify::send(target, &report, aws).await {
                Ok(()) => {
                    if let Some(told) = self.told {
                        told.lock().unwrap_or_else(PoisonError::into_inner).insert(key, news.clone());
                    }
                }
                Err(error) => outcome.undelivered.push(error),
            }
        }
    }
}

/// What makes a report another one than that of the round before.
fn news(report: &Report) -> String {
    let mut lines: Vec<String> =
        report.drifted.iter().map(|f| format!("{} {} {:?} {}", f.urn, f.id, f.kind, f.fields.join(" "))).collect();
    lines.sort();
    // Of an error it matters that there is one: its words hold request ids and times.
    format!("{}\n{}", report.error.is_some(), lines.join("\n"))
}

impl Outcome {
    fn has_drift(&self) -> bool {
        let found = |f: &Found| !f.drift.drifted.is_empty() || f.orphans.as_ref().is_some_and(|o| !o.is_empty());
        self.result.as_ref().is_ok_and(found)
    }

    /// Why not everything is known.
    fn failure(&self) -> Option<String> {
        match &self.result {
            Ok(found) if found.drift.failures.is_empty() => None,
            Ok(found) => Some(unread_error(&self.stack, &found.drift)),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    fn json(&self) -> Json {
        let elapsed = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let mut json = json!({ "stack": self.stack, "api_calls": self.api_calls, "elapsed_ms": elapsed });
        match &self.result {
            Ok(found) => {
                let drift = &found.drift;
                json["drifted"] = drift.drifted.iter().map(phx_engine::drift::Drifted::to_json).collect();
                json["checked"] = drift.checked.into();
                json["in_progress"] = drift.in_progress.into();
                if let Some(orphans) = &found.orphans {
                    json["orphans"] = orphans.iter().map(|o| json!({ "arn": o.arn, "intent": o.intent })).collect();
                }
                if !drift.failures.is_empty() {
                    let failure = |(urn, error): &(phx_model::Urn, phx_model::CloudError)| json!({ "urn": urn, "error": phx_engine::events::EventError::from(error) });
                    json["failures"] = drift.failures.iter().map(failure).collect();
                }
            }
            Err(error) => json["error"] = format!("{error:#}").into(),
        }
        json
    }

    fn metrics(&self, project: &Project) -> ((String, String), metrics::Stack) {
        #[allow(clippy::cast_precision_loss)] // to the millisecond, for a hundred thousand years
        let at = self.began.as_millisecond() as f64 / 1000.0;
        let found = self.result.as_ref().ok().filter(|found| found.drift.failures.is_empty()).map(|found| {
            let of = |kind| found.drift.drifted.iter().filter(|d| d.kind == kind).count() as u64;
            Counts {
                at,
                changed: of(DriftKind::Changed),
                missing: of(DriftKind::Missing),
                checked: found.drift.checked,
                in_progress: found.drift.in_progress,
                orphans: found.orphans.as_ref().map(|o| o.len() as u64),
            }
        });
        let (duration, api_calls) = (self.elapsed.as_secs_f64(), self.api_calls);
        let stack = metrics::Stack { error: found.is_none(), found, last_run: at, duration, api_calls };
        ((project.name.to_string(), self.stack.to_string()), stack)
    }

    fn report(&self, project: &Project) -> Report {
        let found = self.result.as_ref().ok();
        let drifted = found.into_iter().flat_map(|f| &f.drift.drifted).map(|d| Finding {
            urn: d.urn.to_string(),
            type_name: d.urn.type_name().to_owned(),
            id: d.id.clone(),
            kind: match d.kind {
                DriftKind::Changed => Kind::Changed,
                DriftKind::Missing => Kind::Missing,
            },
            fields: notify::fields(d.diff.iter().map(|diff| diff.path.as_str())),
        });
        let orphans = found.and_then(|f| f.orphans.as_ref()).into_iter().flatten().map(|o| Finding {
            urn: String::new(),
            type_name: o.object().map(|(type_name, _)| type_name.to_owned()).unwrap_or_default(),
            id: o.arn.clone(),
            kind: Kind::Orphan,
            fields: Vec::new(),
        });
        Report {
            project: project.name.to_string(),
            stack: self.stack.to_string(),
            drifted: drifted.chain(orphans).collect(),
            checked: found.map_or(0, |f| f.drift.checked),
            error: self.failure(),
            time: self.began,
        }
    }
}
