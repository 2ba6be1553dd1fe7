//! What a Describe call asks for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fields, Tags, render, values};
use crate::wire::{Fault, Params, matches};

/// The filters of a Describe call: all must hold, each by any of its values.
pub(super) struct Filters {
    tags: Vec<(String, Vec<String>)>,
    tag_keys: Vec<Vec<String>>,
    fields: Vec<(&'static str, Vec<String>)>,
}

impl Filters {
    pub(super) fn parse(p: &Params, known: &[(&str, &'static str)]) -> Result<Self, Fault> {
        let mut filters = Self { tags: Vec::new(), tag_keys: Vec::new(), fields: Vec::new() };
        for (name, patterns) in raw_filters(p) {
            if let Some(key) = name.strip_prefix("tag:") {
                filters.tags.push((key.to_owned(), patterns));
            } else if name == "tag-key" {
                filters.tag_keys.push(patterns);
            } else {
                // Never ignored: an ignored filter answers with everything.
                let known = known.iter().find(|(n, _)| *n == name);
                filters.fields.push((known.ok_or_else(|| unknown_filter(&name))?.1, patterns));
            }
        }
        Ok(filters)
    }

    pub(super) fn accept(&self, fields: &Fields, tags: &Tags) -> bool {
        let any = |patterns: &[String], text: &str| patterns.iter().any(|p| matches(p, text));
        self.tags.iter().all(|(key, patterns)| tags.get(key).is_some_and(|v| any(patterns, v)))
            && self.tag_keys.iter().all(|patterns| tags.keys().any(|k| any(patterns, k)))
            && self.fields.iter().all(|(path, patterns)| values(fields, path).iter().any(|v| any(patterns, v)))
    }
}

/// Those of `all` that a Describe call asks for, one page of them, and the token of the next page.
pub(super) fn pick(
    p: &Params,
    all: BTreeMap<String, (Fields, &Tags)>,
    ids: &[&str],
    filters: &Filters,
) -> Result<(Vec<Value>, Option<String>), Fault> {
    let after = p.get("NextToken").unwrap_or_default();
    let chosen = |(id, (fields, tags)): &(String, (Fields, &Tags))| {
        id.as_str() > after && (ids.is_empty() || ids.contains(&id.as_str())) && filters.accept(fields, tags)
    };
    let mut found: Vec<_> = all.into_iter().filter(chosen).collect();
    let limit = p.number("MaxResults")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX).max(1);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(id, _)| id.clone());
    Ok((found.into_iter().map(|(_, (fields, tags))| render(fields, tags)).collect(), next))
}

/// Names and patterns of the filters.
pub(super) fn raw_filters(p: &Params) -> Vec<(String, Vec<String>)> {
    let members = p.members("Filter");
    let read = |f: &String| {
        let name = p.get(&format!("{f}.Name"))?;
        Some((name.to_owned(), p.list(&format!("{f}.Value")).into_iter().map(str::to_owned).collect()))
    };
    members.iter().filter_map(read).collect()
}

pub(super) fn unknown_filter(name: &str) -> Fault {
    Fault::invalid(format!("The filter '{name}' is invalid, or phx's sandbox does not know it"))
}
