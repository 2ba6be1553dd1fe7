//! The colours, by what they mean.

use std::borrow::Cow;
use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use phx_engine::Op;
use phx_engine::events::StepOp;
use phx_engine::plan::ReplaceOrder;

/// Something comes.
pub(crate) const ADD: Style = AnsiColor::Green.on_default();
/// Something changes.
pub(crate) const CHANGE: Style = AnsiColor::Yellow.on_default();
/// Something goes, or went wrong.
pub(crate) const REMOVE: Style = AnsiColor::Red.on_default();
/// Something is replaced.
pub(crate) const REPLACE: Style = AnsiColor::Magenta.on_default();
/// Something is taken over or let go, without the cloud noticing.
pub(crate) const MOVE: Style = AnsiColor::Cyan.on_default();
/// A heading, a name.
pub(crate) const STRONG: Style = Style::new().bold();
/// What is there for those who look for it.
pub(crate) const DIM: Style = Style::new().dimmed();
/// The word before an error message.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();

/// The text in a style.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// An operation's symbol, its word and its colour.
pub(crate) fn op(op: Op) -> (&'static str, &'static str, Style) {
    match op {
        Op::Same => (" ", "same", DIM),
        Op::Create => ("+", "create", ADD),
        Op::Update => ("~", "update", CHANGE),
        Op::Replace(ReplaceOrder::CreateBeforeDelete) => ("+/-", "replace", REPLACE),
        Op::Replace(ReplaceOrder::DeleteBeforeCreate) => ("-/+", "replace", REPLACE),
        Op::Delete | Op::DeleteDeposed => ("-", "delete", REMOVE),
        Op::Adopt => ("=", "adopt", MOVE),
        Op::Forget => ("x", "forget", MOVE),
    }
}

/// A running step's words: `create`, `creating`, `created`; and its colour.
pub(crate) fn step(op: StepOp) -> (&'static str, &'static str, &'static str, Style) {
    match op {
        StepOp::Create => ("create", "creating", "created", ADD),
        StepOp::Update => ("update", "updating", "updated", CHANGE),
        StepOp::Delete => ("delete", "deleting", "deleted", REMOVE),
        StepOp::Adopt => ("adopt", "adopting", "adopted", MOVE),
        StepOp::Forget => ("forget", "forgetting", "forgot", MOVE),
    }
}

/// Text from outside (a cloud's message, a tag that anyone could set) with control characters written out: it must not be able
/// to move the cursor or colour the terminal. Line ends stay.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) { clean.extend(c.escape_unicode()) } else { clean.push(c) }
    }
    clean.into()
}

/// Control characters, and those that turn the direction of writing.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(clean("a\x1b[31mb\rc\u{202e}d\u{9b}2J\n"), r"a\u{1b}[31mb\u{d}c\u{202e}d\u{9b}2J".to_owned() + "\n");
        assert!(matches!(clean("plain text, ünïcode"), Cow::Borrowed(_)));
    }
}
