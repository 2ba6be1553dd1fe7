//! `phx sandbox`: the project's sandbox as a server.

use std::process::Command;

use anyhow::Context as _;
use serde_json::json;

use super::args;
use super::exit::Exit;
use super::wiring::Context;
use crate::project::shown;
use crate::render::style::{DIM, paint};
use crate::sandbox::{Status, reset, serve, start, status, stop};

/// `phx sandbox …`
pub(crate) async fn sandbox(cx: &Context, command: &args::Sandbox) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let dir = cx.sandbox_folder(&project)?;
    match command {
        args::Sandbox::Start { port, foreground: true } => {
            let ready =
                |port| cx.ui.say(&format!("The sandbox {} is served at http://127.0.0.1:{port}\n", shown(&dir)));
            serve(&dir, *port, ready, std::future::pending()).await?;
        }
        args::Sandbox::Start { port, foreground: false } => {
            let this = std::env::current_exe().context("finding this program's own file")?;
            let mut server = Command::new(this);
            server.arg("-C").arg(&project.dir);
            if let Some(url) = &cx.global.state {
                server.args(["--state", url]);
            }
            server.args(["sandbox", "start", "--foreground", "--port", &port.to_string()]);
            tell(cx, &start(&dir, server).await?)?;
        }
        args::Sandbox::Status => tell(cx, &status(&dir).await?)?,
        args::Sandbox::Stop => {
            let stopped = stop(&dir).await?;
            if cx.ui.json {
                cx.ui.answer(&json!({ "stopped": stopped }))?;
            }
            cx.ui.say(if stopped {
                "The sandbox's server is stopped; what it has is kept.\n"
            } else {
                "No server was running.\n"
            });
        }
        args::Sandbox::Reset => {
            reset(&dir).await?;
            if cx.ui.json {
                cx.ui.answer(&json!({ "reset": true }))?;
            }
            cx.ui.say("The sandbox is empty. The next preview finds that its objects are gone.\n");
        }
    }
    Ok(Exit::Done)
}

fn tell(cx: &Context, status: &Status) -> anyhow::Result<()> {
    if cx.ui.json {
        let (state, pid) = match status {
            Status::Stopped => ("stopped", None),
            Status::Run { pid } => ("in_use", Some(*pid)),
            Status::Server { pid, .. } => ("serving", Some(*pid)),
        };
        let env: serde_json::Map<_, _> = status.exports().into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        return cx.ui.answer(&json!({ "status": state, "pid": pid, "endpoint": status.endpoint(), "env": env }));
    }
    match status {
        Status::Stopped => cx.ui.text("No server is running.\n"),
        Status::Run { pid } => cx.ui.text(&format!("In use by a run of phx (process {pid}); no server is running.\n")),
        Status::Server { pid, .. } => {
            // To be evaluated by a shell as it is: `eval "$(phx sandbox start)"`.
            let mut text =
                paint(DIM, format_args!("# served by process {pid}; for the aws CLI and other tools:")) + "\n";
            for (name, value) in status.exports() {
                text.push_str(&format!("export {name}={value}\n"));
            }
            cx.ui.text(&text)
        }
    }
}
