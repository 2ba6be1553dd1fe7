//! A plan as people read it: grouped by component, each step with its reasons and differences, what they share said once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use phx_engine::plan::{FieldDiff, ReplaceOrder, Step};
use phx_engine::{Op, Plan};
use phx_model::value::REDACTED;
use phx_model::value::Text;
use phx_model::{Urn, Value, ValueMap};

use super::linediff::{self, Line};
use super::style::{ADD, CHANGE, DIM, MOVE, REMOVE, STRONG, clean, op, paint};
use super::value::{Shown, document, fold, fold_line, inline, room, show};
use super::{Detail, View, count, thousands};

/// From so many steps on, what they share is said once.
const SHARED: usize = 4;
/// Where the differences of a step begin.
pub(super) const INDENT: &str = "        ";

/// The plan. Ends with its summary, or with a sentence that there is nothing to do.
pub(crate) fn plan(plan: &Plan, view: View) -> String {
    let mut text = String::new();
    let shared = Shared::of(plan, view);
    shared.write(&mut text);
    renames(plan, &mut text);
    for (component, steps) in groups(plan, view) {
        if let Some(component) = component {
            let _ = writeln!(text, "{}", paint(STRONG, component));
        }
        for step in steps {
            self::step(step, &shared, view, &mut text);
        }
        text.push('\n');
    }
    outputs(plan, view, &mut text);
    text.push_str(&summary(plan));
    text.push('\n');
    text
}

/// The plan in one sentence.
pub(crate) fn summary(plan: &Plan) -> String {
    let sum = plan.summary();
    if plan.is_empty() {
        return match sum.same {
            0 => "Nothing to do: there are no resources.".to_owned(),
            1 => "Nothing to do: the one resource is as the program wants it.".to_owned(),
            n => format!("Nothing to do: all {} resources are as the program wants them.", thousands(n)),
        };
    }
    let mut parts: Vec<String> = [
        (sum.create, ADD, "to create"),
        (sum.update, CHANGE, "to update"),
        (sum.replace, super::style::REPLACE, "to replace"),
        (sum.delete, REMOVE, "to delete"),
        (sum.adopt, MOVE, "to adopt"),
        (sum.forget, MOVE, "to forget"),
        (plan.renames.len() as u64, MOVE, "renamed"),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(n, style, what)| paint(style, format_args!("{} {what}", thousands(n))))
    .collect();
    if sum.changes() == 0 && !plan.outputs.is_empty() {
        parts.push(format!("{} changed", count(plan.outputs.len() as u64, "output")));
    }
    let unchanged = if sum.same > 0 { format!("; {} unchanged", thousands(sum.same)) } else { String::new() };
    format!("{} {}{unchanged}.", paint(STRONG, "Plan:"), parts.join(", "))
}

/// The steps to show by component, in the order of the plan; those of no component first.
fn groups(plan: &Plan, view: View) -> Vec<(Option<&str>, Vec<&Step>)> {
    let mut groups: Vec<(Option<&str>, Vec<&Step>)> = Vec::new();
    let mut at: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for step in plan.steps.iter().filter(|s| s.op != Op::Same || view.detail == Detail::Full) {
        let parent = step.urn.parent();
        let index = *at.entry(parent).or_insert_with(|| {
            groups.push((parent, Vec::new()));
            groups.len() - 1
        });
        groups[index].1.push(step);
    }
    groups.sort_by_key(|(parent, _)| parent.is_some());
    groups
}

fn step(step: &Step, shared: &Shared<'_>, view: View, text: &mut String) {
    let (symbol, word, style) = op(step.op);
    let name = step.urn.name().rsplit('/').next().unwrap_or_default();
    let _ = write!(text, "{} {}", paint(style, format_args!("{symbol:>3} {word:<7}")), paint(STRONG, name));
    let _ = write!(text, "  {}", paint(DIM, step.urn.type_name()));
    if let Some(id) = &step.id {
        let _ = write!(text, "  {}", paint(DIM, clean(id)));
    }
    if !step.provider.is_home() {
        let _ = write!(text, "  in {}", clean(&step.provider.to_string()));
    }
    if step.op == Op::DeleteDeposed {
        text.push_str("  (superseded by an earlier replacement)");
    }
    text.push('\n');
    if view.detail == Detail::Brief {
        return;
    }
    for reason in step.reasons.iter().filter(|r| !shared.reasons.contains_key(&(word, r.as_str()))) {
        let _ = writeln!(text, "{INDENT}{} {}", paint(DIM, "because"), clean(reason));
    }
    if let Op::Replace(order) = step.op {
        let _ = writeln!(text, "{INDENT}{} {}", paint(DIM, "order:"), order_in_words(order));
    }
    if matches!(step.op, Op::Create) {
        fields_of_new(step, shared, view, text);
    } else {
        changes(step, shared, view, text);
    }
}

fn order_in_words(order: ReplaceOrder) -> &'static str {
    match order {
        ReplaceOrder::CreateBeforeDelete => "the new object is created, then the old one deleted",
        ReplaceOrder::DeleteBeforeCreate => "the old object is deleted, then the new one created",
    }
}

/// What a new object will have.
fn fields_of_new(step: &Step, shared: &Shared<'_>, view: View, text: &mut String) {
    let diffs: Vec<FieldDiff> = step.diff.iter().flat_map(split_tags).collect();
    let (tags, fields): (Vec<_>, Vec<_>) =
        diffs.iter().filter(|d| !d.after.is_empty()).partition(|d| d.path.starts_with("tags."));
    let width = column(fields.iter().map(|d| d.path.as_str()).chain((!tags.is_empty()).then_some("tags")));
    for field in fields {
        let value = if field.secret { Value::Null.secret() } else { field.after.clone() };
        put(&format!("{INDENT}{:<width$}  ", clean(&field.path)), &value, view, text);
    }
    if tags.is_empty() {
        return;
    }
    let said: Vec<String> = tags
        .iter()
        .filter(|d| !shared.new_tags.contains(&tag(d)))
        .map(|d| {
            let value = if d.secret { REDACTED.to_owned() } else { inline(&d.after) };
            fold(&format!("{}={value}", clean(&d.path["tags.".len()..])), view)
        })
        .collect();
    if said.is_empty() {
        return;
    }
    let one_line = said.join(", ");
    let separator = match one_line.chars().count() <= room(view) {
        true => ", ".to_owned(),
        false => format!("\n{INDENT}{:<width$}  ", ""),
    };
    let _ = writeln!(text, "{INDENT}{:<width$}  {}", "tags", said.join(&separator));
}

/// What changes about an object.
fn changes(step: &Step, shared: &Shared<'_>, view: View, text: &mut String) {
    let diffs: Vec<FieldDiff> = step.diff.iter().flat_map(split_tags).collect();
    let width = column(diffs.iter().map(|d| d.path.as_str()));
    for diff in &diffs {
        if step.op == Op::Update && shared.tag_changes.contains_key(&change_key(diff)) {
            continue;
        }
        let (symbol, style) = match (diff.before.is_empty() && !diff.secret, diff.after.is_empty() && !diff.secret) {
            (true, false) => ("+", ADD),
            (false, true) => ("-", REMOVE),
            _ => ("~", CHANGE),
        };
        let head = format!("{INDENT}{} {:<width$}", paint(style, symbol), clean(&diff.path));
        let forces = if diff.forces_replace {
            format!("  {}", paint(super::style::REPLACE, "(needs a new object)"))
        } else {
            String::new()
        };
        change(&head, diff, &forces, view, text);
    }
}

pub(super) fn change(head: &str, diff: &FieldDiff, forces: &str, view: View, text: &mut String) {
    if diff.secret {
        let _ = writeln!(text, "{head}  {REDACTED} -> {REDACTED}{forces}");
        return;
    }
    let (before, after) = (document(&diff.before), document(&diff.after));
    // A document next to nothing at all, or to what is not known yet, has nothing to be compared with.
    if let (Some(before), Some(after)) = (&before, &after)
        && (before.lines().count() > 1 || after.lines().count() > 1)
        && !(fits(&diff.before, view) && fits(&diff.after, view))
    {
        let _ = writeln!(text, "{}{forces}", head.trim_end());
        let around = if view.detail == Detail::Full { usize::MAX } else { 2 };
        for line in linediff::diff(before, after, around) {
            let line = match line {
                Line::Same(l) => format!("  {}", fold_line(l, view)),
                Line::Gone(l) => paint(REMOVE, format_args!("- {}", fold_line(l, view))),
                Line::New(l) => paint(ADD, format_args!("+ {}", fold_line(l, view))),
                Line::Skipped(n) => paint(DIM, format_args!("  … {}", count(n as u64, "unchanged line"))),
            };
            let _ = writeln!(text, "{INDENT}    {line}");
        }
        return;
    }
    let one_line = |value: &Value| match show(value, view) {
        Shown::Line(line) => line,
        Shown::Block(_) => fold(&inline(value), view),
    };
    match (diff.before.is_empty(), diff.after.is_empty()) {
        (true, false) => put(&format!("{head}{forces}  "), &diff.after, view, text),
        (false, true) => {
            let _ = writeln!(text, "{head}  {} -> nothing{forces}", one_line(&diff.before));
        }
        _ => {
            let _ = writeln!(text, "{head}  {} -> {}{forces}", one_line(&diff.before), one_line(&diff.after));
        }
    }
}

/// Whether a value is shown on one line.
fn fits(value: &Value, view: View) -> bool {
    matches!(show(value, view), Shown::Line(_))
}

/// A value after its name: on the same line, or under it.
fn put(head: &str, value: &Value, view: View, text: &mut String) {
    match show(value, view) {
        Shown::Line(line) => {
            let _ = writeln!(text, "{head}{line}");
        }
        Shown::Block(lines) => {
            let _ = writeln!(text, "{}", head.trim_end());
            for line in lines {
                let _ = writeln!(text, "{INDENT}    {line}");
            }
        }
    }
}

/// The width of a column of names; a few very long ones stick out instead of moving all values away.
pub(super) fn column<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|n| n.chars().count()).filter(|n| *n <= 40).max().unwrap_or(0)
}

/// A difference of all tags at once as one for each tag; any other as it is.
fn split_tags(diff: &FieldDiff) -> Vec<FieldDiff> {
    let map = |value: &Value| match value {
        Value::Map(fields) => Some(fields.clone()),
        Value::Null => Some(ValueMap::new()),
        _ => None,
    };
    let (true, Some(before), Some(after)) = (diff.path == "tags", map(&diff.before), map(&diff.after)) else {
        return vec![diff.clone()];
    };
    let keys: BTreeSet<&Text> = before.keys().chain(after.keys()).collect();
    let value = |fields: &ValueMap, key: &Text| fields.get(key).cloned().unwrap_or_default();
    keys.into_iter()
        .map(|key| FieldDiff {
            path: format!("tags.{key}"),
            before: value(&before, key),
            after: value(&after, key),
            ..diff.clone()
        })
        .filter(|d| d.before != d.after || d.after.has_unknown())
        .collect()
}

fn renames(plan: &Plan, text: &mut String) {
    if plan.renames.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}", paint(STRONG, "Renamed"));
    for (from, to) in &plan.renames {
        let type_name = paint(DIM, to.type_name());
        let _ = writeln!(text, "  {} {} -> {}  {type_name}", paint(MOVE, "rename"), from.name(), to.name());
    }
    text.push('\n');
}

fn outputs(plan: &Plan, view: View, text: &mut String) {
    if plan.outputs.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}", paint(STRONG, "Outputs"));
    let width = column(plan.outputs.keys().map(String::as_str));
    for (name, (before, after)) in &plan.outputs {
        let diff = FieldDiff {
            path: name.clone(),
            before: before.clone(),
            after: after.clone(),
            forces_replace: false,
            secret: before.has_secret() || after.has_secret(),
        };
        let (symbol, style) = match (before.is_empty(), after.is_empty()) {
            (true, _) => ("+", ADD),
            (_, true) => ("-", REMOVE),
            _ => ("~", CHANGE),
        };
        let head = format!("  {} {:<width$}", paint(style, symbol), clean(name));
        match (before.is_empty(), diff.secret) {
            (true, true) => {
                let _ = writeln!(text, "{head}  {REDACTED}");
            }
            (true, false) => put(&format!("{head}  "), after, view, text),
            _ => change(&head, &diff, "", view, text),
        }
    }
    text.push('\n');
}

/// What many steps have in common, so that it is said once and before them.
struct Shared<'a> {
    /// Tags that every new object with tags gets.
    new_tags: BTreeSet<String>,
    /// The same change of a tag on many objects.
    tag_changes: BTreeMap<String, usize>,
    /// The same reason for many steps, by the step's word.
    reasons: BTreeMap<(&'static str, &'a str), usize>,
}

/// A tag with its value.
fn tag(diff: &FieldDiff) -> String {
    format!("{}={}", clean(&diff.path["tags.".len()..]), inline(&diff.after))
}

/// A tag's change as it is said; empty for differences that are never shared.
fn change_key(diff: &FieldDiff) -> String {
    if !diff.path.starts_with("tags.") || diff.secret || diff.forces_replace {
        return String::new();
    }
    let say = |value: &Value| if value.is_empty() { "nothing".to_owned() } else { inline(value) };
    format!("{} {} -> {}", clean(&diff.path), say(&diff.before), say(&diff.after))
}

impl<'a> Shared<'a> {
    fn of(plan: &'a Plan, view: View) -> Self {
        let mut shared = Self { new_tags: BTreeSet::new(), tag_changes: BTreeMap::new(), reasons: BTreeMap::new() };
        if view.detail != Detail::Normal {
            return shared;
        }
        let mut tagged: Vec<BTreeSet<String>> = Vec::new();
        for step in plan.changes() {
            let tags = || step.diff.iter().flat_map(split_tags).filter(|d| d.path.starts_with("tags."));
            match step.op {
                Op::Create => {
                    tagged.extend(
                        Some(tags().filter(|d| !d.secret).map(|d| tag(&d)).collect())
                            .filter(|t: &BTreeSet<_>| !t.is_empty()),
                    );
                }
                Op::Update => {
                    for key in tags().map(|d| change_key(&d)).filter(|k| !k.is_empty()) {
                        *shared.tag_changes.entry(key).or_default() += 1;
                    }
                }
                _ => {}
            }
            // Why something is updated or replaced is always said where it happens.
            if matches!(step.op, Op::Create | Op::Delete | Op::Forget) {
                for reason in &step.reasons {
                    *shared.reasons.entry((op(step.op).1, reason.as_str())).or_default() += 1;
                }
            }
        }
        if tagged.len() >= SHARED {
            let mut sets = tagged.into_iter();
            let first = sets.next().unwrap_or_default();
            shared.new_tags = sets.fold(first, |common, tags| common.intersection(&tags).cloned().collect());
        }
        shared.tag_changes.retain(|_, n| *n >= SHARED);
        shared.reasons.retain(|_, n| *n >= SHARED);
        shared
    }

    fn write(&self, text: &mut String) {
        let before = text.len();
        if !self.new_tags.is_empty() {
            let tags = self.new_tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "{} {tags}", paint(DIM, "Every new object that can have tags gets"));
        }
        for (change, n) in &self.tag_changes {
            let _ = writeln!(text, "{} {change}", paint(CHANGE, format_args!("~ on {}:", count(*n as u64, "object"))));
        }
        for ((word, reason), n) in &self.reasons {
            let _ =
                writeln!(text, "{} {}", paint(DIM, format_args!("{} to {word}:", thousands(*n as u64))), clean(reason));
        }
        if text.len() > before {
            text.push('\n');
        }
    }
}

/// A resource as it is named in lines of its own: its name, then its type.
pub(crate) fn resource(urn: &Urn) -> String {
    format!("{}  {}", urn.name(), paint(DIM, urn.type_name()))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
