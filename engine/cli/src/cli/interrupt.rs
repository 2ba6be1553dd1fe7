//! Ctrl-C and SIGTERM: the first asks the run to come to an orderly end, the second to stop waiting, the third ends the process.

use std::process;

use phx_engine::engine::Interrupt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ui::Ui;
use crate::render::style::{CHANGE, paint};

/// Listens for signals from now on. `changing`: there may be changes in flight.
pub(crate) fn listen(interrupt: &Interrupt, changing: bool) -> std::io::Result<()> {
    let (mut ctrl_c, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let interrupt = interrupt.clone();
    tokio::spawn(async move {
        let say = |text: &str| Ui::note(&format!("\n{} {text}\n", paint(CHANGE, "stopping:")));
        next(&mut ctrl_c, &mut term).await;
        if changing {
            say("nothing new is begun; what is in flight ends and is recorded. Again to stop waiting for it.");
        }
        interrupt.drain();
        next(&mut ctrl_c, &mut term).await;
        if changing {
            say(
                "no longer waiting. The next run finds out what became of the changes in flight. Again to end at once.",
            );
        }
        interrupt.abort();
        next(&mut ctrl_c, &mut term).await;
        // Nothing is lost: what was begun is in the journal, and the lease ends with the process.
        process::exit(130);
    });
    Ok(())
}

async fn next(ctrl_c: &mut Signal, term: &mut Signal) {
    tokio::select! {
        _ = ctrl_c.recv() => {}
        _ = term.recv() => {}
    }
}
