//! `phx lock`: who holds a stack's lease, and taking it away.

use std::time::Duration;

use jiff::Timestamp;
use phx_model::state::Intent;
use phx_model::store::{Lease, Store, StoreError};
use phx_model::urn::StackName;
use serde_json::json;

use super::args;
use super::ask::confirm;
use super::exit::{self, Exit};
use super::inspect::time;
use super::ui::Ui;
use super::wiring::Context;
use crate::render::duration;
use crate::render::style::clean;
use crate::render::table::properties;

/// `phx lock …`
pub(crate) async fn lock(cx: &Context, command: &args::Lock) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let (name, store) = cx.known_stack(&project).await?;
    match command {
        args::Lock::Status => status(cx, &name, store.lease(&name).await?.as_ref()),
        args::Lock::Break => take_away(cx, &name, store.as_ref()).await,
    }
}

fn status(cx: &Context, name: &StackName, lease: Option<&Lease>) -> anyhow::Result<Exit> {
    if cx.ui.json {
        cx.ui.answer(&json!({ "stack": name, "held": lease.is_some(), "lease": lease }))?;
        return Ok(Exit::Done);
    }
    let Some(lease) = lease else {
        cx.ui.text(&format!("Nobody holds the lease of {name}.\n"))?;
        return Ok(Exit::Done);
    };
    let now = Timestamp::now();
    let ago = Duration::try_from(now.duration_since(lease.acquired)).unwrap_or_default();
    let until = match lease.expires {
        None => "its process ends".to_owned(),
        // By the holder's clock. Whether it is dead shows only to whoever watches it, which taking the lease does.
        Some(end) if end < now => format!("{}, which is over: the next run takes it over", time(end)),
        Some(end) => format!("{}, unless renewed", time(end)),
    };
    cx.ui.text(&properties(&[
        ("stack", name.to_string()),
        ("held by", format!("{} (process {})", clean(&lease.holder.who), lease.holder.pid)),
        ("for", clean(&lease.holder.kind).into_owned()),
        ("operation", clean(&lease.holder.operation.0).into_owned()),
        ("generation", lease.generation.to_string()),
        ("since", format!("{} ({} ago)", time(lease.acquired), duration(ago))),
        ("until", until),
    ]))?;
    Ok(Exit::Done)
}

pub(super) fn whose(lease: &Lease) -> String {
    let holder = &lease.holder;
    format!("{} (process {}, {}, since {})", clean(&holder.who), holder.pid, clean(&holder.kind), time(lease.acquired))
}

async fn take_away(cx: &Context, name: &StackName, store: &dyn Store) -> anyhow::Result<Exit> {
    let held = match store.lease(name).await {
        Ok(None) => {
            if cx.ui.json {
                cx.ui.answer(&json!({ "stack": name, "broken": false, "lease": null, "in_flight": [] }))?;
            } else {
                cx.ui.text(&format!("Nobody holds the lease of {name}.\n"))?;
            }
            return Ok(Exit::Done);
        }
        Ok(Some(lease)) => whose(&lease),
        // What cannot be read can be taken away all the same.
        Err(error @ StoreError::Damaged { .. }) if phx_state::needs_aws(&store.location()) => {
            Ui::note(&exit::describe(&anyhow::anyhow!(error)));
            "somebody whose name cannot be read".to_owned()
        }
        Err(error) => return Err(error.into()),
    };
    // Where it ends with its process, the store says so, and there is nothing to ask.
    if phx_state::needs_aws(&store.location()) {
        let question = format!(
            "Take the lease of {name} away from {held}? If that run is still at work it stops at its next write, and the next run settles what it had in flight."
        );
        if !confirm(cx, &question)? {
            return Ok(Exit::Error);
        }
    }
    let broken = store.break_lease(name).await?;
    // Read afterwards: now nothing more can come to it.
    let state = store.load(name).await;
    let open: Vec<&Intent> = state.iter().flatten().flat_map(|state| state.open.values()).collect();
    if cx.ui.json {
        let in_flight: Vec<_> = open
            .iter()
            .map(|i| json!({"intent": i.id, "urn": i.urn, "change": i.change.verb(), "time": i.time}))
            .collect();
        cx.ui.answer(&json!({ "stack": name, "broken": true, "lease": broken, "in_flight": in_flight }))?;
    } else {
        let whose = broken.as_ref().map_or(held, whose);
        let mut text = format!("The lease of {name} was taken away from {whose}.\n");
        if state.is_ok() {
            text.push_str(match open.len() {
                0 => "It had nothing in flight.\n",
                _ => "It had in flight, and the next run settles:\n",
            });
        }
        for intent in open {
            text.push_str(&format!("  {} {} (begun {})\n", intent.change.verb(), intent.urn, time(intent.time)));
        }
        cx.ui.text(&text)?;
    }
    match state {
        Ok(_) => Ok(Exit::Done),
        Err(error) => {
            Err(anyhow::Error::new(error).context("the lease is broken, and what was in flight cannot be told"))
        }
    }
}
