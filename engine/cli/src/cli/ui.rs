//! The two streams: what the command was asked for, and what people are told.

use std::io::{self, IsTerminal, Write};

use anstream::stream::{AsLockedWrite, RawStream};
use anstream::{AutoStream, ColorChoice};

use super::args::Global;
use crate::render::{Detail, View};

/// Where output goes and how it looks.
#[derive(Debug)]
pub(crate) struct Ui {
    /// Machine output is wanted on stdout.
    pub(crate) json: bool,
    /// Told more.
    pub(crate) verbose: bool,
    /// Told less.
    pub(crate) quiet: bool,
    /// Never asked.
    pub(crate) yes: bool,
    /// How text is laid out.
    pub(crate) view: View,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        if global.no_color {
            ColorChoice::Never.write_global();
        }
        let detail = match (global.verbose, global.quiet) {
            (true, _) => Detail::Full,
            (_, true) => Detail::Brief,
            _ => Detail::Normal,
        };
        let width = console::Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns));
        let view = View { detail, width };
        Self { json: global.json, verbose: global.verbose, quiet: global.quiet, yes: global.yes, view }
    }

    /// Tells people something.
    pub(crate) fn say(&self, text: &str) {
        // Nobody may be listening any more (`phx up | head`). That must not end a run which is changing things, so it goes on untold.
        let _ = if self.json { put(io::stderr(), text) } else { put(io::stdout(), text) };
    }

    /// Tells people something that is not part of the answer: a warning, an error, what is going on.
    pub(crate) fn note(text: &str) {
        let _ = put(io::stderr(), text);
    }

    /// Gives the answer as JSON.
    pub(crate) fn answer(&self, json: &serde_json::Value) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, json)?;
        writeln!(out)?;
        Ok(())
    }

    /// Gives the answer as text.
    pub(crate) fn text(&self, text: &str) -> anyhow::Result<()> {
        Ok(put(io::stdout(), text)?)
    }

    /// Whether people's output goes to a terminal, so that lines can be drawn again.
    pub(crate) fn is_live(&self) -> bool {
        let terminal = if self.json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        terminal && !self.quiet && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
    }

    /// Whether whoever sees the output sees the errors beside it, so that they need not be told twice.
    pub(crate) fn errors_seen_with_output(&self) -> bool {
        self.json || (io::stdout().is_terminal() && io::stderr().is_terminal())
    }

    /// Whether someone can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && (if self.json { io::stderr().is_terminal() } else { io::stdout().is_terminal() })
    }

    /// Text as it is to be written to people: with or without its colours.
    pub(crate) fn styled(&self, text: &str) -> String {
        let choice = if self.json { AutoStream::choice(&io::stderr()) } else { AutoStream::choice(&io::stdout()) };
        match choice {
            ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
            _ => text.to_owned(),
        }
    }
}

fn put<S: RawStream + AsLockedWrite>(stream: S, text: &str) -> io::Result<()> {
    let mut stream = AutoStream::auto(stream);
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
