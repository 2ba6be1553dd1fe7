//! Which objects need which, by what the state remembers.
//!
//! A record names the *resources* that its object needs. A resource may have several objects: its own, and old ones that are still to be
//! deleted. So, taken by the word, two objects can seem to need each other once a dependency has turned round between two runs, or half
//! of a run was done. No two objects in a cloud do. Where such circles show, only those needs count that an object's own fields bear
//! witness to: it names the other's id.

use std::collections::BTreeMap;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use phx_model::state::Record;
use phx_model::{Urn, Value};

/// For each object the places of those that it needs, and that must be there as long as it is. They form no circle.
pub(crate) fn needs(objects: &[(&Urn, &Record)]) -> Vec<Vec<usize>> {
    let mut by_urn: BTreeMap<&Urn, Vec<usize>> = BTreeMap::new();
    for (at, (urn, _)) in objects.iter().enumerate() {
        by_urn.entry(urn).or_default().push(at);
    }
    let mut needs: Vec<Vec<usize>> = objects
        .iter()
        .map(|(urn, record)| {
            let others = record.depends_on.iter().filter(|needed| *needed != *urn);
            others.filter_map(|needed| by_urn.get(needed)).flatten().copied().collect()
        })
        .collect();
    // First by what the fields say, and where even that goes round, by age: the order of the list.
    for round in [by_witness, by_age] {
        let part = circles(&needs);
        if part.iter().all(Option::is_none) {
            break;
        }
        for (at, needed) in needs.iter_mut().enumerate() {
            needed.retain(|&other| part[at].is_none() || part[at] != part[other] || round(objects, at, other));
        }
    }
    needs
}

fn by_witness(objects: &[(&Urn, &Record)], at: usize, other: usize) -> bool {
    let id = &objects[other].1.id;
    !id.is_empty() && objects[at].1.inputs.values().any(|value| mentions(value, id))
}

fn by_age(_: &[(&Urn, &Record)], at: usize, other: usize) -> bool {
    at < other
}

fn mentions(value: &Value, id: &str) -> bool {
    match value.expose() {
        Value::String(text) => text.contains(id),
        Value::List(items) => items.iter().any(|item| mentions(item, id)),
        Value::Map(fields) => fields.values().any(|field| mentions(field, id)),
        _ => false,
    }
}

/// For each of a set of things that need each other in which circle it is, if in any.
pub(crate) fn circles(needs: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut graph = DiGraph::<(), (), u32>::with_capacity(needs.len(), needs.len());
    for _ in needs {
        graph.add_node(());
    }
    for (at, needed) in needs.iter().enumerate() {
        for &other in needed {
            graph.add_edge(NodeIndex::new(at), NodeIndex::new(other), ());
        }
    }
    let mut part = vec![None; needs.len()];
    for (number, members) in tarjan_scc(&graph).into_iter().enumerate().filter(|(_, members)| members.len() > 1) {
        for member in members {
            part[member.index()] = Some(number);
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urn(name: &str) -> Urn {
        Urn::parse(&format!("urn:phx:p:s:test:net:Vpc:{name}")).unwrap()
    }

    fn record(id: &str, depends_on: &[&str], mentioned: &str) -> Record {
        let inputs = [("parent".to_owned(), Value::List(vec![Value::String(mentioned.into())]))].into();
        Record { id: id.into(), inputs, depends_on: depends_on.iter().map(|n| urn(n)).collect(), ..Record::default() }
    }

    #[test]
    fn a_record_needs_every_object_of_what_it_depends_on() {
        let (a, b) = (urn("a"), urn("b"));
        let (own, dependent, old) = (record("a1", &[], ""), record("b1", &["a"], ""), record("a0", &[], ""));
        assert_eq!(needs(&[(&a, &own), (&b, &dependent), (&a, &old)]), [vec![], vec![0, 2], vec![]]);
    }

    #[test]
    fn in_a_circle_only_those_count_that_the_fields_name() {
        let (a, b) = (urn("a"), urn("b"));
        let (new_a, new_b, old_a) = (record("a1", &[], ""), record("b1", &["a"], "a1"), record("a0", &["b"], "b0"));
        assert_eq!(needs(&[(&a, &new_a), (&b, &new_b), (&a, &old_a)]), [vec![], vec![0], vec![]]);
    }

    #[test]
    fn there_is_an_order_even_where_nothing_tells_of_one() {
        let (a, b) = (urn("a"), urn("b"));
        let (one, two) = (record("a1", &["b"], "b1"), record("b1", &["a"], "a1"));
        assert_eq!(needs(&[(&a, &one), (&b, &two)]), [vec![1], vec![]]);
    }
}
