//! Warnings from the crates below, which do not print: shown to people on stderr.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::ui::Ui;
use crate::render::style::{CHANGE, DIM, clean, paint};

/// Shows phx's own warnings; with `verbose`, its debugging messages as well.
pub(crate) fn install(verbose: bool) {
    // It fails only if the program has set up its own logging, which then has the warnings.
    let _ = tracing::subscriber::set_global_default(Warnings { verbose });
}

struct Warnings {
    verbose: bool,
}

#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("phx")
            && *metadata.level() <= if self.verbose { Level::DEBUG } else { Level::WARN }
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let (word, style) = match *event.metadata().level() {
            Level::ERROR | Level::WARN => ("warning:", CHANGE),
            _ => ("debug:", DIM),
        };
        Ui::note(&format!("{} {}{}\n", paint(style, word), clean(&message.text), clean(&message.fields)));
    }

    // Only events are shown, so spans need no telling apart.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
