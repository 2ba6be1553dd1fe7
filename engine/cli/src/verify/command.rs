//! Commands: run to their end, or ended with everything that they have begun.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Tools;
use super::attempt::{Miss, Text, With};

/// As much of what a command prints as is kept: the end of it.
const KEPT: usize = 1024 * 1024;
/// As much of it as is shown: the last lines.
const SHOWN_LINES: usize = 10;
const SHOWN: usize = 1500;
/// What a command is not told, though phx is: what the state is encrypted with, and the keys of whom phx tells of drift. What it prints is
/// shown, and these are no values of the stack that could be taken out of it.
const OWN: [&str; 7] = [
    "PHX_PASSPHRASE",
    "PHX_PASSPHRASE_FILE",
    "PHX_NEW_PASSPHRASE",
    "PHX_NEW_PASSPHRASE_FILE",
    "PHX_PAGERDUTY_KEY",
    "PHX_SLACK_URL",
    "PHX_WEBHOOK_SECRET",
];

/// A command that ends as it should.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) argv: Vec<Text>,
    pub(super) env: Vec<(String, Text)>,
    pub(super) exit_code: i32,
    pub(super) prints: Vec<Text>,
}

/// The process group of a running command. Dropped before the command has ended, it ends it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails only if all of it has ended already.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Command {
    pub(super) fn subject(&self) -> String {
        let words = self.argv.iter().map(|text| match text.secret {
            false if text.plain.is_empty() || text.plain.contains(char::is_whitespace) => format!("{:?}", text.plain),
            _ => text.to_string(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn expected(&self) -> String {
        let mut parts = vec![format!("exit code {}", self.exit_code)];
        parts.extend(self.prints.iter().map(|text| match text.secret {
            true => format!("{text} printed"),
            false => format!("{:?} printed", text.plain),
        }));
        parts.join(", ")
    }

    pub(super) async fn attempt(&self, with: &With<'_>) -> Result<String, Miss> {
        let expected = self.expected();
        let mut child = match self.prepare(with.tools).and_then(|mut command| command.spawn()) {
            Ok(child) => child,
            Err(error) => {
                let miss = Miss::new(expected, format!("it cannot be run: {error}")).final_one();
                return Err(match error.kind() {
                    io::ErrorKind::NotFound => miss.hint("is it installed, and in a folder of PATH?"),
                    _ => miss,
                });
            }
        };
        let failed = |error: io::Error| Miss::new(self.expected(), format!("what it prints cannot be read: {error}"));
        // Its process id is that of its group, and belongs to it until it is waited for.
        let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
        let (out, err) = tokio::try_join!(tail(child.stdout.take()), tail(child.stderr.take())).map_err(failed)?;
        let status = child.wait().await.map_err(failed)?;
        group.0 = None;
        let end = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it ended in an unknown way".to_owned(),
        };
        let unprinted = self.prints.iter().find(|text| !out.contains(text.plain.as_str()));
        match (status.code() == Some(self.exit_code), unprinted) {
            (true, None) => Ok(expected),
            (true, Some(text)) => {
                // Where a secret was looked for, what is there may be near to it.
                let said = if text.secret { String::new() } else { said(&out, &err, with) };
                Err(Miss::new(expected, format!("{end}, and something else printed{said}")))
            }
            (false, _) => Err(Miss::new(expected, format!("{end}{}", said(&out, &err, with)))),
        }
    }

    fn prepare(&self, tools: &Tools) -> io::Result<tokio::process::Command> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no command"));
        };
        let mut command = tokio::process::Command::new(&program.plain);
        command.args(arguments.iter().map(|text| &text.plain));
        for name in OWN {
            command.env_remove(name);
        }
        if tools.isolated {
            for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
                command.env_remove(name);
            }
            command.envs([
                ("AWS_CONFIG_FILE", "/dev/null"),
                ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ]);
        }
        command.envs(self.env.iter().map(|(name, text)| (name, &text.plain)));
        if let Some(folder) = &tools.folder {
            command.current_dir(folder);
        }
        // A group of its own: Ctrl-C on the terminal is phx's to act on, and all that it has begun ends with it.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}

/// The end of what a stream has until it is closed.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut kept: VecDeque<u8> = VecDeque::new();
    if let Some(mut stream) = stream {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let n = stream.read(&mut buffer).await?;
            if n == 0 {
                break;
            }
            kept.extend(&buffer[..n]);
            kept.drain(..kept.len().saturating_sub(KEPT));
        }
    }
    Ok(String::from_utf8_lossy(kept.make_contiguous()).into_owned())
}

/// What it said, without secrets: the last lines of its output and, after them, of its errors.
fn said(out: &str, err: &str, with: &With<'_>) -> String {
    let both = with.hide(&format!("{}\n{}", out.trim_end(), err.trim_end()));
    let lines: Vec<&str> = both.trim().lines().collect();
    if lines.is_empty() {
        return ", and it said nothing".to_owned();
    }
    let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    let from = last.len().saturating_sub(SHOWN);
    let from = (from..=last.len()).find(|at| last.is_char_boundary(*at)).unwrap_or(last.len());
    let cut = lines.len() > SHOWN_LINES || from > 0;
    format!(", and it said:\n{}{}", if cut { "…\n" } else { "" }, &last[from..])
}
