//! The query protocol's parameters as a tree: `Metrics.member.1.MetricStat.Stat` becomes `{"Metrics": [{"MetricStat": {"Stat": …}}]}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shape::Members;
use super::wire::Params;

/// Everything that a form says, without what only names the operation. Values are text.
pub(super) fn tree(form: &Params) -> Members {
    let mut root = Branch::default();
    for (name, value) in form.iter().filter(|(name, _)| !matches!(*name, "Action" | "Version")) {
        let mut at = &mut root;
        for part in name.split('.') {
            at = at.branches.entry(part.to_owned()).or_default();
        }
        at.leaf = Some(value.to_owned());
    }
    match root.value() {
        Value::Object(members) => members,
        _ => Members::new(),
    }
}

#[derive(Default)]
struct Branch {
    leaf: Option<String>,
    branches: BTreeMap<String, Branch>,
}

impl Branch {
    fn value(self) -> Value {
        let Self { leaf, mut branches } = self;
        if branches.is_empty() {
            return Value::String(leaf.unwrap_or_default());
        }
        if branches.len() == 1
            && let Some(list) = branches.remove("member")
        {
            let number = |(at, item): (String, Branch)| Some((at.parse::<usize>().ok()?, item));
            let items: BTreeMap<usize, Branch> = list.branches.into_iter().filter_map(number).collect();
            return items.into_values().map(Self::value).collect();
        }
        if branches.len() == 1
            && let Some(map) = branches.remove("entry")
        {
            let pair = |mut entry: Branch| {
                let key = entry.branches.remove("key")?.leaf?;
                Some((key, entry.branches.remove("value").unwrap_or_default().value()))
            };
            return Value::Object(map.branches.into_values().filter_map(pair).collect());
        }
        Value::Object(branches.into_iter().map(|(name, branch)| (name, branch.value())).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_and_maps_become_lists_and_maps() {
        let body = "Action=Put&Version=1&A=x&L.member.10=j&L.member.2=b&S.member.1.K.V=1&M.entry.1.key=a.b&M.entry.1.value=c&E=";
        let tree = Value::Object(tree(&Params::parse(body.as_bytes())));
        assert_eq!(tree, json!({"A": "x", "L": ["b", "j"], "S": [{"K": {"V": "1"}}], "M": {"a.b": "c"}, "E": ""}));
    }
}
