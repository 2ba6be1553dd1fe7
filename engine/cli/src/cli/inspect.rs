//! The commands that look at what is recorded: `state list`, `state show`, `stack …`. They call no cloud and take no lease.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use phx_model::state::{Record, State as StackState};
use phx_model::store::{Operation, Store, Summary};
use phx_model::urn::StackName;
use phx_model::{Urn, ValueMap};
use serde_json::{Value as Json, json};

use super::args;
use super::change::named;
use super::exit::{self, Exit};
use super::secret;
use super::ui::Ui;
use super::wiring::Context;
use crate::project::Project;
use crate::render::outcome::outputs;
use crate::render::style::clean;
use crate::render::table::{properties, table};
use crate::render::{duration, thousands};

/// `phx state list`
pub(super) fn list(cx: &Context, name: &StackName, state: Option<&StackState>) -> anyhow::Result<Exit> {
    let none = BTreeMap::new();
    let resources = state.map_or(&none, |s| &s.resources);
    let deposed: Vec<_> = state.into_iter().flat_map(|s| &s.deposed).collect();
    let open: Vec<_> = state.into_iter().flat_map(|s| s.open.values()).collect();
    let entry = |urn: &Urn, record: &Record| {
        let mut entry = json!({"urn": urn, "type": urn.type_name(), "name": urn.name(), "id": record.id});
        if !record.provider.is_home() {
            entry["provider"] = record.provider.0.as_str().into();
        }
        entry
    };
    if cx.ui.json {
        cx.ui.answer(&json!({
            "stack": name,
            "serial": state.map_or(0, |s| s.serial),
            "resources": resources.iter().map(|(urn, r)| entry(urn, r)).collect::<Vec<_>>(),
            "deposed": deposed.iter().map(|d| entry(&d.urn, &d.record)).collect::<Vec<_>>(),
            "open": open.iter().map(|i| json!({"intent": i.id, "urn": i.urn, "change": i.change.verb(), "time": i.time})).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    if resources.is_empty() && deposed.is_empty() && open.is_empty() {
        cx.ui.text(&format!("The stack {name} has no resources.\n"))?;
        return Ok(Exit::Done);
    }
    let row = |urn: &Urn, record: &Record, note: &str| {
        [urn.name().to_owned(), urn.type_name().to_owned(), clean(&record.id).into_owned(), note.to_owned()]
    };
    let mut rows: Vec<_> = resources
        .iter()
        .map(|(urn, record)| {
            let mut notes: Vec<String> = Vec::new();
            notes.extend((!record.provider.is_home()).then(|| format!("in {}", record.provider)));
            for (said, note) in [
                (!record.drift.is_empty(), "changed outside phx"),
                (!record.uncertain.is_empty(), "its last change is uncertain"),
                (record.incomplete, "not finished"),
                (record.protect, "protected"),
                (record.retain, "retained"),
            ] {
                notes.extend(said.then(|| note.to_owned()));
            }
            row(urn, record, &notes.join(", "))
        })
        .collect();
    rows.extend(deposed.iter().map(|d| row(&d.urn, &d.record, "superseded, to be deleted")));
    for intent in &open {
        let note =
            format!("to {} it was begun {} and is not known to be done", intent.change.verb(), time(intent.time));
        rows.push(row(&intent.urn, &Record::default(), &note));
    }
    cx.ui.text(&table(["NAME", "TYPE", "ID", "NOTE"], &rows))?;
    Ok(Exit::Done)
}

/// `phx state show`
pub(super) fn show(cx: &Context, text: &str, state: &StackState) -> anyhow::Result<Exit> {
    let known: BTreeSet<Urn> = state.resources.keys().cloned().collect();
    let urn = named(text, &known)?;
    let record = state
        .resources
        .get(&urn)
        .ok_or_else(|| anyhow!("{urn} is not in the state\n  hint: `phx state list` shows what is"))?;
    let redacted = |map: &ValueMap| -> Json { map.iter().map(|(k, v)| (k.clone(), v.to_redacted_json())).collect() };
    if cx.ui.json {
        cx.ui.answer(&json!({
            "urn": urn, "type": urn.type_name(), "name": urn.name(), "id": record.id, "provider": record.provider.0,
            "inputs": redacted(&record.inputs), "outputs": redacted(&record.outputs), "drift": redacted(&record.drift),
            "depends_on": record.depends_on, "protect": record.protect, "retain": record.retain,
            "incomplete": record.incomplete, "uncertain": record.uncertain,
        }))?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![("urn", urn.to_string()), ("id", clean(&record.id).into_owned())];
    if !record.provider.is_home() {
        rows.push(("in", clean(&record.provider.to_string()).into_owned()));
        let provider = state.providers.get(&record.provider).and_then(|p| p.role.as_ref());
        rows.extend(provider.map(|role| ("role", clean(&role.arn).into_owned())));
    }
    let flags = [("protected", record.protect), ("retained", record.retain), ("not finished", record.incomplete)];
    let flags: Vec<&str> = flags.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    if !flags.is_empty() {
        rows.push(("is", flags.join(", ")));
    }
    let mut page = properties(&rows);
    for (title, values) in
        [("inputs", &record.inputs), ("outputs", &record.outputs), ("changed outside phx", &record.drift)]
    {
        if !values.is_empty() {
            page.push_str(&format!("{title}\n{}", outputs(values, cx.ui.view, false)));
        }
    }
    if !record.depends_on.is_empty() {
        page.push_str("depends on\n");
        page.extend(record.depends_on.iter().map(|d| format!("  {d}\n")));
    }
    cx.ui.text(&page)?;
    Ok(Exit::Done)
}

/// `phx stack …`
pub(crate) async fn stack(cx: &Context, command: &args::Stack) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    if let args::Stack::List = command {
        return stacks(cx, &project).await;
    }
    let (name, store) = cx.known_stack(&project).await?;
    match command {
        args::Stack::List => {}
        args::Stack::Outputs { name: output, show_secrets } => {
            // Only who wants to see secrets needs a key.
            let state = match show_secrets {
                true => secret::sealed(cx, &project, store)?.load(&name).await?,
                false => store.load(&name).await?,
            };
            let outputs = state.map(|s| s.outputs).unwrap_or_default();
            stack_outputs(cx, &name, &outputs, output.as_deref(), *show_secrets)?;
        }
        args::Stack::History => history(cx, &name, &store.history(&name).await?)?,
    }
    Ok(Exit::Done)
}

/// The stacks that have a file, and those that have a state in any of the project's stores.
async fn stacks(cx: &Context, project: &Project) -> anyhow::Result<Exit> {
    let stores = cx.stores(project).await?;
    let mut found: BTreeSet<(StackName, usize)> = BTreeSet::new();
    let (mut failed, mut errors) = (BTreeSet::new(), Vec::new());
    for (at, (_, store)) in stores.iter().enumerate() {
        match store.stacks().await {
            Ok(names) => found.extend(names.into_iter().map(|name| (name, at))),
            Err(error) => {
                failed.insert(at);
                errors.push(anyhow!(error));
            }
        }
    }
    for name in project.stacks()? {
        let own = cx.store_of(project, &name)?;
        found.extend(stores.iter().position(|(url, _)| *url == own).map(|at| (name, at)));
    }
    let (mut json, mut rows) = (Vec::new(), Vec::new());
    for (name, at) in found {
        let Some((url, store)) = stores.get(at) else { continue };
        // One that cannot be read hides none of the others.
        let read = match failed.contains(&at) {
            true => None,
            false => match futures::future::try_join(store.load(&name), store.history(&name)).await {
                Ok(read) => Some(read),
                Err(error) => {
                    errors.push(anyhow!(error).context(format!("reading the stack {name}")));
                    None
                }
            },
        };
        let Some((state, mut history)) = read else {
            json.push(json!({ "name": name, "state": store.location(), "error": true }));
            rows.push([
                name.to_string(),
                String::new(),
                String::new(),
                "not known, see below".to_owned(),
                store.location(),
            ]);
            continue;
        };
        let own = cx.store_of(project, &name)? == *url;
        let last = history.pop();
        let resources = state.as_ref().map_or(0, |s| s.resources.len() as u64);
        let serial = state.as_ref().map_or(0, |s| s.serial);
        let said = last.as_ref().map(|o| format!("{} {} {}", o.kind, o.result, time(o.ended))).unwrap_or_default();
        json.push(json!({
            "name": name, "resources": resources, "serial": serial,
            "last": last.as_ref().map(|o| json!({"kind": o.kind, "result": o.result, "ended": o.ended})),
            "state": store.location(), "stray": !own,
        }));
        let note = if own { "" } else { " (left here: phx.toml says that the stack's state is elsewhere)" };
        rows.push([
            name.to_string(),
            thousands(resources),
            serial.to_string(),
            said,
            format!("{}{note}", store.location()),
        ]);
    }
    if cx.ui.json {
        cx.ui.answer(&json!({ "stacks": json }))?;
    } else if rows.is_empty() && errors.is_empty() {
        cx.ui.text("There are no stacks yet: write a file such as dev.toml beside phx.toml.\n")?;
    } else if stores.len() > 1 {
        cx.ui.text(&table(["STACK", "RESOURCES", "SERIAL", "LAST OPERATION", "STATE"], &rows))?;
    } else {
        let rows: Vec<_> =
            rows.into_iter().map(|[name, resources, serial, last, _]| [name, resources, serial, last]).collect();
        cx.ui.text(&table(["STACK", "RESOURCES", "SERIAL", "LAST OPERATION"], &rows))?;
    }
    let mut exit = Exit::Done;
    for error in errors {
        Ui::note(&exit::describe(&error));
        exit = Exit::Error;
    }
    Ok(exit)
}

fn stack_outputs(
    cx: &Context,
    stack: &StackName,
    values: &ValueMap,
    only: Option<&str>,
    show_secrets: bool,
) -> anyhow::Result<()> {
    let chosen: ValueMap = match only {
        None => values.clone(),
        Some(name) => match values.get(name) {
            Some(value) => [(name.to_owned(), value.clone())].into(),
            None => {
                let known: Vec<&str> = values.keys().map(|name| name.as_str()).collect();
                let hint =
                    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
                return Err(anyhow!("the stack {stack} has no output {name:?}\n  hint: {hint}"));
            }
        },
    };
    let plain =
        |v: &phx_model::Value| if show_secrets { v.to_plain_json().unwrap_or_default() } else { v.to_redacted_json() };
    if cx.ui.json {
        let outputs: serde_json::Map<String, Json> = chosen.iter().map(|(k, v)| (k.to_string(), plain(v))).collect();
        return cx.ui.answer(&json!({ "stack": stack, "outputs": outputs }));
    }
    match (only, chosen.values().next()) {
        // For `$(phx stack outputs NAME)`: text as it is, anything else as JSON.
        (Some(_), Some(value)) => {
            let text = match plain(value) {
                Json::String(text) => text,
                other => other.to_string(),
            };
            cx.ui.text(&format!("{}\n", clean(&text)))
        }
        _ if chosen.is_empty() => cx.ui.text(&format!("The stack {stack} has no outputs.\n")),
        _ => cx.ui.text(&outputs(&chosen, cx.ui.view, show_secrets)),
    }
}

fn history(cx: &Context, stack: &StackName, operations: &[Operation]) -> anyhow::Result<()> {
    if cx.ui.json {
        return cx.ui.answer(&json!({ "stack": stack, "operations": operations }));
    }
    if operations.is_empty() {
        return cx.ui.text(&format!("The stack {stack} has no finished operations.\n"));
    }
    let rows: Vec<_> = operations
        .iter()
        .map(|o| {
            let took = Duration::try_from(o.ended.duration_since(o.started)).unwrap_or_default();
            [
                time(o.started),
                o.kind.clone(),
                clean(&o.result).into_owned(),
                summary(&o.summary),
                duration(took),
                o.serial.to_string(),
                clean(&o.who).into_owned(),
                o.id.0.clone(),
            ]
        })
        .collect();
    cx.ui.text(&table(["STARTED", "KIND", "RESULT", "CHANGES", "TOOK", "SERIAL", "WHO", "ID"], &rows))
}

fn summary(sum: &Summary) -> String {
    let parts: Vec<String> = [
        ("+", sum.create),
        ("~", sum.update),
        ("-/+", sum.replace),
        ("-", sum.delete),
        ("=", sum.adopt),
        ("x", sum.forget),
    ]
    .iter()
    .filter(|(_, n)| *n > 0)
    .map(|(symbol, n)| format!("{symbol}{}", thousands(*n)))
    .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(" ") }
}

/// A time to the second.
pub(super) fn time(time: Timestamp) -> String {
    let seconds = Timestamp::from_second(time.as_second()).unwrap_or(time);
    seconds.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_line_says_what_changed() {
        assert_eq!(summary(&Summary { create: 1001, replace: 2, same: 7, ..Summary::default() }), "+1,001 -/+2");
        assert_eq!(summary(&Summary { same: 7, ..Summary::default() }), "none");
        assert_eq!(time("2026-11-02T10:03:11.123456Z".parse().unwrap()), "2026-11-02T10:03:11Z");
    }
}
