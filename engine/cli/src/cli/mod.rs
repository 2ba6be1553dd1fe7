//! The command line: the `phx` driver's and every program's.

mod args;
mod ask;
mod change;
mod check;
mod cloud;
#[cfg(feature = "crash-points")]
mod crash;
mod docs;
mod drift;
mod driver;
mod edit;
mod exit;
mod graph;
mod inspect;
mod interrupt;
mod live;
mod lock;
mod log;
mod reporter;
#[cfg(feature = "sandbox")]
mod sandbox;
mod saved;
mod scaffold;
mod schema;
mod secret;
mod state;
mod ui;
mod verify;
mod wiring;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use phx_model::Stack;

use args::{Cli, Command};
use exit::Exit;
use ui::Ui;
use wiring::Context;

/// A program, as it is called to write itself down.
pub(crate) type ProgramFn = dyn Fn(&mut Stack) -> anyhow::Result<()>;

/// Whose command line it is.
pub(crate) enum Role {
    /// The `phx` command's: what needs a program is handed over to the project's own.
    Driver,
    /// A program's own.
    Program {
        /// The program.
        program: Box<ProgramFn>,
        /// The crate it is written in, as far as it can be told.
        krate: Option<String>,
    },
}

/// Runs the command line of this process.
pub(crate) fn run(role: Role) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // Whoever asked for help is answered; whoever made a mistake is told so.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return match error.print() {
                Ok(()) => exit.into(),
                Err(_) => Exit::Error.into(),
            };
        }
    };
    let ui = Arc::new(Ui::new(&cli.global));
    log::install(cli.global.verbose);
    let context = Context { global: cli.global, ui, role };
    match dispatch(&context, &cli.command, &args) {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Error.into(),
        Err(error) => {
            Ui::note(&exit::describe(&error));
            exit::exit_of(&error).into()
        }
    }
}

/// The reader of the answer has gone away, and needs no telling.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = |e: &(dyn std::error::Error + 'static)| {
        e.downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind)
            .or_else(|| e.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind))
    };
    error.chain().filter_map(io).any(|kind| kind == std::io::ErrorKind::BrokenPipe)
}

fn dispatch(cx: &Context, command: &Command, args: &[OsString]) -> anyhow::Result<Exit> {
    if matches!(cx.role, Role::Driver) && command.needs_program() {
        return driver::hand_over(cx, args);
    }
    match command {
        Command::New(new) => scaffold::new(cx, new),
        Command::Schema(schema) => schema::schema(cx, schema),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            let name = args.first().map(std::path::Path::new).and_then(|p| p.file_name()).and_then(|n| n.to_str());
            // It panics where it cannot write (`phx completions bash | head`), and to memory it always can.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, name.unwrap_or("phx"), &mut script);
            let mut out = std::io::stdout().lock();
            out.write_all(&script)?;
            out.flush()?;
            Ok(Exit::Done)
        }
        _ => runtime()?.block_on(dispatch_async(cx, command)),
    }
}

async fn dispatch_async(cx: &Context, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Graph(graph) => graph::graph(cx, graph).await,
        Command::Preview(preview) => change::preview(cx, preview).await,
        Command::Up(up) => change::up(cx, up).await,
        Command::Destroy(destroy) => change::destroy(cx, destroy).await,
        Command::Refresh(refresh) => change::refresh(cx, refresh).await,
        Command::Drift(drift) => drift::drift(cx, drift).await,
        Command::Verify => verify::verify(cx).await,
        Command::Check(check) => check::check(cx, check).await,
        Command::State(command) => state::state(cx, command).await,
        Command::Stack(stack) => inspect::stack(cx, stack).await,
        Command::Lock(command) => lock::lock(cx, command).await,
        Command::Secret(command) => secret::secret(cx, command).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(command) => sandbox::sandbox(cx, command).await,
        #[cfg(not(feature = "sandbox"))]
        Command::Sandbox(_) => Err(cloud::no_sandbox()),
        #[cfg(feature = "crash-points")]
        Command::CrashPoints => crash::list(cx),
        Command::New(_) | Command::Schema(_) | Command::Completions { .. } => {
            // `dispatch` has done these: they wait for nothing.
            Ok(Exit::Done)
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
