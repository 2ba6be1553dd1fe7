//! Changing what is recorded, and nothing else: `phx state mv` and `phx state rm`.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{anyhow, bail};
use jiff::Timestamp;
use phx_model::Urn;
use phx_model::state::{Entry, OperationId, Outcome, State};
use phx_model::store::{Holder, Operation, Session, Store, StoreError, Summary};
use phx_model::urn::{ProjectName, StackName};
use serde_json::json;

use super::ask::confirm;
use super::change::named;
use super::exit::{Exit, Usage};
use super::lock;
use super::ui::Ui;
use super::wiring::Context;
use crate::render::{count, duration};

/// Who is at work, for a lease and the history.
pub(super) fn holder(kind: &str) -> Holder {
    phx_state::holder(kind, OperationId(uuid::Uuid::now_v7().simple().to_string()))
}

/// A finished operation of this holder's.
pub(super) fn finished(holder: &Holder, started: Timestamp, summary: Summary, serial: u64) -> Operation {
    Operation {
        id: holder.operation.clone(),
        kind: holder.kind.clone(),
        started,
        ended: Timestamp::now(),
        result: "succeeded".to_owned(),
        summary,
        serial,
        who: holder.who.clone(),
        program_hash: String::new(),
        pace: None,
    }
}

/// What is to be changed.
pub(super) struct Edit {
    entries: Vec<Entry>,
    summary: Summary,
    /// What is asked before.
    question: String,
}

/// Changes a stack's records under a lease: what `decide` makes of the state as it is then. Gives the new serial; `None`: it was declined.
async fn change(
    cx: &Context,
    store: &dyn Store,
    name: &StackName,
    (kind, wait): (&str, Duration),
    decide: impl FnOnce(&State) -> anyhow::Result<Edit> + Send,
) -> anyhow::Result<Option<u64>> {
    let holder = holder(kind);
    let session = match store.acquire(name, &holder).await {
        Err(StoreError::Leased(lease)) if !wait.is_zero() => {
            Ui::note(&format!(
                "waiting for the lease of {}, for {} at the most\n",
                lock::whose(&lease),
                duration(wait)
            ));
            store.acquire_waiting(name, &holder, wait).await?
        }
        session => session?,
    };
    let done = match decide(session.state()) {
        Ok(edit) => write(cx, session.as_ref(), &holder, edit).await,
        Err(error) => Err(error),
    };
    let released = session.release().await;
    let done = done?;
    released?;
    Ok(done)
}

async fn write(cx: &Context, session: &dyn Session, holder: &Holder, edit: Edit) -> anyhow::Result<Option<u64>> {
    let started = Timestamp::now();
    // What cannot follow from the state must not reach its journal.
    let mut state = session.state().clone();
    state.fold(&edit.entries)?;
    state.serial += 1;
    if !confirm(cx, &edit.question)? {
        return Ok(None);
    }
    let mut entries =
        vec![Entry::Began { operation: holder.operation.clone(), kind: holder.kind.clone(), time: started }];
    entries.extend(edit.entries);
    session.append(&entries).await?;
    session.checkpoint(&state).await?;
    session.record(&finished(holder, started, edit.summary, state.serial)).await?;
    Ok(Some(state.serial))
}

/// All that a name on the command line can mean.
fn known(state: &State) -> BTreeSet<Urn> {
    let open = state.open.values().map(|intent| &intent.urn);
    state.resources.keys().chain(state.deposed.iter().map(|d| &d.urn)).chain(open).cloned().collect()
}

/// `phx state mv`
pub(super) async fn mv(
    cx: &Context,
    store: &dyn Store,
    project: &ProjectName,
    name: &StackName,
    (old, new): (&str, &str),
    wait: Duration,
) -> anyhow::Result<Exit> {
    let mut moved = None;
    let decide = |state: &State| {
        let (from, to) = names(state, project, name, old, new)?;
        let entries = vec![Entry::Renamed { from: from.clone(), to: to.clone() }];
        let question = format!("Rename {from} to {to}?");
        moved = Some((from, to));
        Ok(Edit { entries, summary: Summary::default(), question })
    };
    let Some(serial) = change(cx, store, name, ("mv", wait), decide).await? else { return Ok(Exit::Error) };
    let Some((from, to)) = moved else { return Ok(Exit::Error) };
    if cx.ui.json {
        cx.ui.answer(&json!({ "stack": name, "serial": serial, "from": from, "to": to }))?;
    } else {
        cx.ui.text(&format!(
            "{from} is now {to} (serial {serial}). Give it this name in the program, too; until then `phx up` would replace it.\n"
        ))?;
    }
    Ok(Exit::Done)
}

fn names(state: &State, project: &ProjectName, stack: &StackName, old: &str, new: &str) -> anyhow::Result<(Urn, Urn)> {
    let from = named(old, &known(state))?;
    if !state.resources.contains_key(&from) {
        bail!("{from} is not in the state\n  hint: `phx state list` shows what is");
    }
    let to = match new.starts_with("urn:") {
        true => Urn::parse(new),
        false => Urn::new(project, stack, from.type_name(), new),
    };
    let to = to.map_err(|e| anyhow!(Usage(e.to_string())))?;
    if (to.project(), to.stack(), to.type_name()) != (from.project(), from.stack(), from.type_name()) {
        bail!(Usage(format!("{from} cannot become {to}: only its name can change")));
    }
    if state.resources.contains_key(&to) {
        bail!("{from} cannot become {to}: that name is taken");
    }
    if let Some(intent) = state.open.values().find(|intent| intent.urn == from || intent.urn == to) {
        bail!(
            "{} has an open intent ({} begun {}), which is settled under its name\n  hint: `phx up` or `phx refresh` settles it",
            intent.urn,
            intent.change.verb(),
            intent.time
        );
    }
    Ok((from, to))
}

/// `phx state rm`
pub(super) async fn rm(
    cx: &Context,
    store: &dyn Store,
    name: &StackName,
    urns: &[String],
    force: bool,
    wait: Duration,
) -> anyhow::Result<Exit> {
    let mut gone = Vec::new();
    let decide = |state: &State| {
        let (found, edit) = forget(state, urns, force)?;
        gone = found;
        Ok(edit)
    };
    let Some(serial) = change(cx, store, name, ("rm", wait), decide).await? else { return Ok(Exit::Error) };
    if cx.ui.json {
        cx.ui.answer(&json!({ "stack": name, "serial": serial, "forgotten": gone }))?;
    } else {
        let left = "what there is of it in the cloud is left as it is";
        cx.ui.text(&format!("{} forgotten (serial {serial}); {left}.\n", count(gone.len() as u64, "resource")))?;
    }
    Ok(Exit::Done)
}

fn forget(state: &State, given: &[String], force: bool) -> anyhow::Result<(Vec<Urn>, Edit)> {
    let known = known(state);
    let urns = given.iter().map(|text| named(text, &known)).collect::<anyhow::Result<BTreeSet<Urn>>>()?;
    if let Some(urn) = urns.iter().find(|urn| !known.contains(urn)) {
        bail!("{urn} is not in the state\n  hint: `phx state list` shows what is");
    }
    if !force {
        let others = state.resources.iter().filter(|(urn, _)| !urns.contains(urn));
        let others = others.flat_map(|(urn, record)| {
            record.depends_on.iter().filter(|on| urns.contains(*on)).map(move |on| (urn, on))
        });
        let held: Vec<String> = others.map(|(urn, on)| format!("\n  {urn} depends on {on}")).collect();
        if !held.is_empty() {
            bail!(
                "others depend on what is to be forgotten:{}\n  hint: name them as well, or give `--force`",
                held.concat()
            );
        }
        if let Some(urn) = urns.iter().find(|urn| state.resources.get(urn).is_some_and(|record| record.protect)) {
            bail!(
                "{urn} is protected\n  hint: to forget it all the same, give `--force`; its object stays in the cloud"
            );
        }
    }
    let mut entries = Vec::new();
    let mut words = Vec::new();
    for urn in &urns {
        for intent in state.open.values().filter(|intent| intent.urn == *urn) {
            entries.push(Entry::Done { intent: intent.id.clone(), outcome: Outcome::Abandoned });
            words.push(format!("{urn}: the {} that was begun {}", intent.change.verb(), intent.time));
        }
        let deposed = state.deposed.iter().filter(|d| d.urn == *urn).map(|d| &d.record);
        for record in state.resources.get(urn).into_iter().chain(deposed) {
            entries.push(Entry::Forgotten { urn: urn.clone(), id: record.id.clone() });
            words.push(format!("{urn}: {}", record.id));
        }
    }
    let summary = Summary { forget: urns.len() as u64, ..Summary::default() };
    let question = format!("To be forgotten, and left in the cloud:\n  {}\nForget this?", words.join("\n  "));
    Ok((urns.into_iter().collect(), Edit { entries, summary, question }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::state::{Change, Deposed, Intent, IntentId, Record};

    fn urn(name: &str) -> Urn {
        Urn::parse(&format!("urn:phx:p:dev:aws:ec2:Vpc:{name}")).unwrap()
    }

    fn state() -> State {
        let mut state = State::empty("l");
        let record = |id: &str| Record { id: id.into(), ..Record::default() };
        state.resources.insert(urn("a"), record("vpc-a"));
        state.resources.insert(urn("b"), Record { depends_on: [urn("a")].into(), ..record("vpc-b") });
        state.resources.insert(urn("safe"), Record { protect: true, ..record("vpc-safe") });
        state.deposed.push_back(Deposed { urn: urn("a"), record: record("vpc-old") });
        let id = IntentId("l.o.1".into());
        let change = Change::Create { record: Box::default() };
        state.open.insert(id.clone(), Intent { id, urn: urn("half"), time: Timestamp::UNIX_EPOCH, change });
        state
    }

    fn after(given: &[&str], force: bool) -> anyhow::Result<State> {
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        let mut state = state();
        state.fold(&forget(&state, &given, force)?.1.entries)?;
        Ok(state)
    }

    #[test]
    fn forgetting_takes_everything_of_a_resource_along() {
        let found = after(&["a", "b"], false).unwrap();
        assert!(!found.resources.contains_key(&urn("a")) && found.deposed.is_empty());
        assert!(after(&["half"], false).unwrap().open.is_empty(), "an intent that nobody can settle is given up");
        for (given, said) in [("a", "depends on"), ("safe", "protected"), ("x", "no resource is named")] {
            let error = after(&[given], false).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(after(&["urn:phx:p:dev:aws:ec2:Vpc:x"], true).unwrap_err().to_string().contains("not in the state"));
        assert!(after(&["a", "safe"], true).unwrap().deposed.is_empty());
    }

    #[test]
    fn only_the_name_changes() {
        let (project, stack) = (ProjectName::new("p").unwrap(), StackName::new("dev").unwrap());
        let to = |old: &str, new: &str| names(&state(), &project, &stack, old, new).map(|(_, to)| to);
        assert_eq!(to("a", "net/a").unwrap(), urn("net/a"));
        assert_eq!(to("a", urn("z").as_str()).unwrap(), urn("z"));
        for (old, new, said) in [
            ("a", "b", "taken"),
            ("a", "urn:phx:p:prod:aws:ec2:Vpc:z", "only its name"),
            ("a", "urn:phx:p:dev:aws:ec2:Subnet:z", "only its name"),
            ("a", "x y", "not valid"),
            ("a", "half", "open intent"),
            ("half", "z", "not in the state"),
        ] {
            let error = to(old, new).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
