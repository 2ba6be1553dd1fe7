//! Values as text: folded where they are long, in lines where they have some.

use phx_model::Value;
use phx_model::value::{REDACTED, UNKNOWN};

use super::style::clean;
use super::{View, thousands};
use crate::render::Detail;

/// How many lines of a new value are shown before it is folded.
const MOST_LINES: usize = 14;

/// A value, laid out.
#[derive(Debug, PartialEq)]
pub(crate) enum Shown {
    /// On one line.
    Line(String),
    /// On lines of its own.
    Block(Vec<String>),
}

/// Lays a value out: on one line if it fits, else in lines. A text that is a JSON document is shown as one.
pub(crate) fn show(value: &Value, view: View) -> Shown {
    if let Some(document) = document(value) {
        let line = inline(value);
        let has_lines = matches!(value, Value::String(text) if text.trim_end().contains('\n'));
        if line.chars().count() <= room(view) && !has_lines {
            return Shown::Line(line);
        }
        let lines: Vec<&str> = document.lines().collect();
        let most = if view.detail == Detail::Full { usize::MAX } else { MOST_LINES };
        let mut shown: Vec<String> = lines.iter().take(most).map(|l| fold_line(l, view)).collect();
        if lines.len() > most {
            shown.push(format!("… {} more lines (-v shows them)", lines.len() - most));
        }
        return Shown::Block(shown);
    }
    Shown::Line(fold(&inline(value), view))
}

/// The value as a text of several lines, if it is one: a list, a map, a JSON document, a text with line ends.
pub(crate) fn document(value: &Value) -> Option<String> {
    match value {
        Value::List(_) | Value::Map(_) => Some(pretty(value)),
        Value::String(text) => {
            let json = || serde_json::from_str::<serde_json::Value>(text).ok().map(Value::from);
            if text.starts_with(['{', '['])
                && let Some(parsed) = json()
            {
                return Some(pretty(&parsed));
            }
            text.trim_end().contains('\n').then(|| clean(text).into_owned())
        }
        _ => None,
    }
}

/// How much of a line a value may take beside its name.
pub(crate) fn room(view: View) -> usize {
    view.width.saturating_sub(38).clamp(40, 100)
}

/// Cuts a value that is too long for its place beside a name, and says how long it was.
pub(crate) fn fold(line: &str, view: View) -> String {
    cut(line, room(view), view)
}

/// The same for a line of a document, which has the whole width but for what it is indented by.
pub(crate) fn fold_line(line: &str, view: View) -> String {
    cut(line, view.width.saturating_sub(16).max(60), view)
}

fn cut(line: &str, room: usize, view: View) -> String {
    let length = line.chars().count();
    if view.detail == Detail::Full || length <= room {
        return line.to_owned();
    }
    let kept: String = line.chars().take(room - 20).collect();
    format!("{kept}… ({} characters)", thousands(length as u64))
}

/// The value on one line.
pub(crate) fn inline(value: &Value) -> String {
    let mut text = String::new();
    write(value, None, &mut text);
    text
}

/// The value in lines, each field and element on one of its own.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, Some(0), &mut text);
    text
}

/// Writes the value as JSON, but for what JSON has no words for. `depth` is the indentation; without, all goes on one line.
fn write(value: &Value, depth: Option<usize>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => out.push_str(&i.to_string()),
        Value::Float(x) => out.push_str(&x.to_string()),
        Value::String(text) => quote(text, out),
        Value::Unknown => out.push_str(UNKNOWN),
        Value::Secret(_) | Value::Sealed(_) => out.push_str(REDACTED),
        Value::List(items) => {
            let depth = depth.filter(|_| !short(value));
            sequence(('[', ']'), depth, items.len(), out, |i, depth, out| write(&items[i], depth, out));
        }
        Value::Map(fields) => {
            let depth = depth.filter(|_| !short(value));
            let fields: Vec<_> = fields.iter().collect();
            sequence(('{', '}'), depth, fields.len(), out, |i, depth, out| {
                quote(fields[i].0, out);
                out.push_str(": ");
                write(fields[i].1, depth, out);
            });
        }
    }
}

/// Whether a list or map stays on one line inside a document: it is short and has no other in it.
fn short(value: &Value) -> bool {
    let flat = |v: &Value| !matches!(v, Value::List(_) | Value::Map(_));
    let flat = match value {
        Value::List(items) => items.iter().all(flat),
        Value::Map(fields) => fields.len() < 2 && fields.values().all(flat),
        _ => true,
    };
    flat && inline(value).len() <= 60
}

fn sequence(
    (open, close): (char, char),
    depth: Option<usize>,
    len: usize,
    out: &mut String,
    mut item: impl FnMut(usize, Option<usize>, &mut String),
) {
    let newline = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', 2 * depth));
    };
    out.push(open);
    for i in 0..len {
        match depth {
            Some(depth) => newline(depth + 1, out),
            None if i > 0 => out.push(' '),
            None => {}
        }
        item(i, depth.map(|d| d + 1), out);
        if i + 1 < len {
            out.push(',');
        }
    }
    if let (Some(depth), true) = (depth, len > 0) {
        newline(depth, out);
    }
    out.push(close);
}

fn quote(text: &str, out: &mut String) {
    let quoted = serde_json::Value::from(text).to_string();
    out.push_str(&clean(&quoted));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn short_values_stay_on_one_line() {
        assert_eq!(
            inline(&json(r#"{"a":[1,2.5,"x\ny",null,true],"b":{}}"#)),
            r#"{"a": [1, 2.5, "x\ny", null, true], "b": {}}"#
        );
        assert_eq!(inline(&Value::List(vec![Value::Unknown, json("1").secret()])), "[(known after up), (secret)]");
        assert_eq!(show(&json(r#""{\"a\":1}""#), View::default()), Shown::Line(r#""{\"a\":1}""#.into()));
    }

    #[test]
    fn long_values_are_folded_and_say_how_long_they_are() {
        let Shown::Line(line) = show(&Value::String("x".repeat(1234).into()), View::default()) else { panic!() };
        assert_eq!(line, format!("\"{}… (1,236 characters)", "x".repeat(41)));
        let full = View { detail: Detail::Full, width: 100 };
        assert_eq!(
            show(&Value::String("x".repeat(1234).into()), full),
            Shown::Line(format!("\"{}\"", "x".repeat(1234)))
        );
        let many = Value::List((0..40).map(|i| Value::List(vec![Value::Int(i)])).collect());
        let Shown::Block(lines) = show(&many, View::default()) else { panic!() };
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines[MOST_LINES], "… 28 more lines (-v shows them)");
    }

    #[test]
    fn documents_are_laid_out() {
        let policy = Value::String(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#.into(),
        );
        let Shown::Block(lines) = show(&policy, View::default()) else { panic!() };
        assert_eq!(lines[..4], ["{", "  \"Statement\": [", "    {", "      \"Action\": \"sts:AssumeRole\","]);
        assert_eq!(show(&Value::String("a\nb".into()), View::default()), Shown::Block(vec!["a".into(), "b".into()]));
    }
}
