//! The `phx` driver: builds the project's program, quietly if there is nothing to build, and hands its own arguments over to it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use super::exit::Exit;
use super::ui::Ui;
use super::wiring::Context;
use crate::project::{ProgramSource, Project, shown};

/// Becomes the project's program. Returns only if that is not possible.
pub(crate) fn hand_over(cx: &Context, args: &[OsString]) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let binary = match &project.program {
        ProgramSource::Binary(path) => path.clone(),
        ProgramSource::Package { package, bin } => build(&project, package, bin.as_deref())?,
    };
    let mut command = Command::new(&binary);
    // The same search leads the program to the same project; naming its folder says so. What the user said goes last and counts.
    command.arg("-C").arg(&project.dir).args(args.iter().skip(1));
    let error = command.exec();
    let hint = match &project.program {
        ProgramSource::Binary(_) => "\n  hint: `binary` under [program] in phx.toml names it; `package` has it built",
        ProgramSource::Package { .. } => "",
    };
    Err(anyhow!(error).context(format!("the program {} cannot be run{hint}", shown(&binary))))
}

/// One of cargo's messages, as far as it is of interest here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds the package and gives the path of its binary.
fn build(project: &Project, package: &str, bin: Option<&str>) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.current_dir(&project.dir).args(["build", "--release", "--package", package]);
    command.args(["--message-format", "json-render-diagnostics"]);
    if let Some(bin) = bin {
        command.args(["--bin", bin]);
    }
    // With the driver's own features, so that nothing that both need is built twice.
    if cfg!(feature = "sandbox") {
        command.args(["--features", "phx/sandbox"]);
    }
    if anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never {
        command.args(["--color", "always"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| {
        format!("{} cannot be run, which is needed to build the program\n  hint: install Rust from https://rustup.rs, or name a built program as `binary` in phx.toml", Path::new(&cargo).display())
    })?;
    let said = child.stderr.take().map(|stderr| thread::spawn(move || relay(stderr)));
    let found = match child.stdout.take() {
        Some(stdout) => executable(BufReader::new(stdout), bin.unwrap_or(package)),
        None => Ok(None),
    };
    let status = child.wait().context("waiting for cargo")?;
    let held_back = said.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if !status.success() {
        Ui::note(&held_back);
        return Err(anyhow!("the program {package} in {} does not build (see above)", shown(&project.dir)));
    }
    found?.ok_or_else(|| {
        anyhow!(
            "cargo built the package {package} and no binary named {:?}\n  hint: the program needs a src/main.rs; if its binary has another name, set `bin` under [program] in phx.toml",
            bin.unwrap_or(package)
        )
    })
}

/// The binary among what cargo says it built: the one of that name, or else the only one.
fn executable(messages: impl BufRead, name: &str) -> anyhow::Result<Option<PathBuf>> {
    let mut binaries: Vec<(String, PathBuf)> = Vec::new();
    for line in messages.lines() {
        let line = line.context("reading what cargo says")?;
        // A build script may print lines of its own.
        let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
        if let ("compiler-artifact", Some(path), Some(target)) = (&*message.reason, message.executable, message.target)
            && target.kind.iter().any(|k| k == "bin")
        {
            binaries.push((target.name, path));
        }
    }
    let only = if let [(_, path)] = &binaries[..] { Some(path.clone()) } else { None };
    Ok(binaries.into_iter().find(|(n, _)| n == name).map(|(_, path)| path).or(only))
}

/// Passes on what cargo tells people, from the moment on when there is something to build. Gives back what was not passed on.
fn relay(stderr: impl Read) -> String {
    let mut held_back = String::new();
    let mut passing = false;
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { break };
        let line = format!("{}\n", String::from_utf8_lossy(&line));
        if !passing && is_work(&line) {
            passing = true;
            Ui::note(&std::mem::take(&mut held_back));
        }
        if passing {
            Ui::note(&line);
        } else {
            held_back.push_str(&line);
        }
    }
    held_back
}

/// Whether a line of cargo's means that something is being done or went wrong, and not that all is as it was.
fn is_work(line: &str) -> bool {
    let plain = anstream::adapter::strip_str(line).to_string();
    let word = plain.split_whitespace().next().unwrap_or_default();
    ["Compiling", "Building", "Updating", "Downloading", "Downloaded", "Locking", "Blocking", "error", "error:"]
        .contains(&word)
        || word.starts_with("error[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_read_from_cargos_messages() {
        let messages = concat!(
            "not json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"phx","kind":["lib"]},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"other","kind":["bin"]},"executable":"/t/other"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"phoenix","kind":["bin"]},"executable":"/t/phoenix"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        let find = |name| executable(messages.as_bytes(), name).unwrap();
        assert_eq!(find("phoenix"), Some("/t/phoenix".into()));
        assert_eq!(find("nothing"), None);
        let one = r#"{"reason":"compiler-artifact","target":{"name":"x","kind":["bin"]},"executable":"/t/x"}"#;
        assert_eq!(executable(one.as_bytes(), "phoenix").unwrap(), Some("/t/x".into()));
    }

    #[test]
    fn only_work_breaks_the_silence() {
        for line in [
            "   Compiling phx v0.1.0",
            "\x1b[1m\x1b[32m    Updating\x1b[0m index",
            "error[E0308]: mismatched",
            "error: no",
        ] {
            assert!(is_work(line), "{line}");
        }
        for line in ["    Finished `release` profile", "warning: unused variable: `x`", "", "  |"] {
            assert!(!is_work(line), "{line}");
        }
        assert_eq!(relay("    Finished x\n".as_bytes()), "    Finished x\n");
    }
}
