//! `phx verify`: the program's checks alone, on what is recorded. It takes no lease and changes nothing.

use std::sync::Arc;

use anyhow::anyhow;
use phx_engine::engine::{EngineError, Interrupt};
use phx_engine::verify::Verify as _;
use phx_model::state::State;
use phx_model::store::Store as _;
use serde_json::json;

use super::cloud;
use super::exit::{Exit, describe};
use super::interrupt;
use super::reporter::Reporter;
use super::secret;
use super::ui::Ui;
use super::wiring::{self, Context};
use crate::render::checks;
use crate::verify::Verifier;

/// `phx verify`
pub(super) async fn verify(cx: &Context) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let stack = cx.stack(&project)?;
    let (program, cloud) = cx.program(&project, &stack).await?;
    let interrupt = Interrupt::new();
    interrupt::listen(&interrupt, false)?;
    let sealed = secret::sealed(cx, &project, cx.store(&project, &stack.name).await?)?;
    let state = sealed.load(&stack.name).await?.unwrap_or_else(|| State::empty(""));
    tokio::select! {
        biased;
        () = interrupt.draining() => return Err(anyhow!(EngineError::Interrupted)),
        checked = async {
            cloud::check_account(&cloud, &stack, false).await?;
            cloud::check_place(&cloud, &stack, Some(&state), false).await
        } => checked?,
    }
    let reporter = Arc::new(Reporter::new(cx.ui.clone(), cloud.aws.clone(), false));
    let verifier = Verifier::new(&program, wiring::registry(&cloud.aws), reporter.clone());
    let verifier = verifier.in_folder(&project.dir).isolated(cx.global.sandbox);
    let verified = verifier.verify(&state, &interrupt).await.unwrap_or_default();
    reporter.pause();
    cloud.close().await?;
    let outcomes = verifier.outcomes();
    if cx.ui.json {
        cx.ui.answer(&json!({
            "stack": stack.name,
            "serial": state.serial,
            "checks": outcomes.iter().map(checks::json).collect::<Vec<_>>(),
            "summary": verified,
            "api_calls": cloud.aws.api_calls(),
        }))?;
    }
    if program.checks.is_empty() {
        cx.ui.say("The program declares no checks: `stack.verify(NAME, Check::…)` does.\n");
    } else {
        cx.ui.say(&format!("\n{}", checks::report(&outcomes, &verified)));
    }
    if verified.failed > 0 && !cx.ui.errors_seen_with_output() {
        Ui::note(&describe(&anyhow!(checks::failures(&outcomes))));
    }
    Ok(exit(&verified))
}

/// How checks end a run.
pub(super) fn exit(verified: &phx_engine::verify::Verified) -> Exit {
    match (verified.not_done, verified.failed) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Error,
        _ => Exit::Interrupted,
    }
}
