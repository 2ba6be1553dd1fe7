//! A program's dependencies.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use phx_model::stack::Declared;
use phx_model::{Program, Urn};
use rustc_hash::FxHashMap;

/// A mistake in the way a program's resources hang together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A resource refers to one that the program does not declare.
    #[error("{from} refers to {to}, which this program does not declare")]
    Dangling {
        /// The one that refers.
        from: Urn,
        /// The one that is not there.
        to: Urn,
    },
    /// Resources wait for each other.
    #[error("these resources depend on each other in a circle, so none of them can be created first:\n  {}", .0.iter().map(Urn::as_str).collect::<Vec<_>>().join("\n  -> "))]
    Cycle(Vec<Urn>),
    /// A resource refers to an output that the type does not have.
    #[error("{from} refers to the output {output:?} of {to}, which a {type_name} does not have")]
    NoOutput {
        /// The one that refers.
        from: Urn,
        /// The one referred to.
        to: Urn,
        /// The output.
        output: String,
        /// Its type.
        type_name: &'static str,
    },
    /// An export refers to a resource that the program does not declare.
    #[error("the export {name:?} refers to {to}, which this program does not declare")]
    DanglingExport {
        /// The export.
        name: String,
        /// The one that is not there.
        to: Urn,
    },
}

/// The dependencies of a program's resources, checked: every reference leads somewhere and nothing waits for itself.
#[derive(Debug)]
pub struct Graph {
    dependencies: Edges,
    order: Vec<usize>,
}

/// Lists of places, one for each place, behind one another in one allocation.
#[derive(Debug, Default)]
struct Edges {
    all: Vec<usize>,
    ends: Vec<usize>,
}

impl Edges {
    fn with_capacity(places: usize) -> Self {
        Self { all: Vec::with_capacity(places * 2), ends: Vec::with_capacity(places) }
    }

    /// Adds the list of the next place, sorted and each only once.
    fn push(&mut self, list: &mut Vec<usize>) {
        list.sort_unstable();
        list.dedup();
        self.all.append(list);
        self.ends.push(self.all.len());
    }

    fn of(&self, at: usize) -> &[usize] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.all[start..self.ends[at]]
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// The same edges the other way round.
    fn reversed(&self) -> Self {
        let mut ends = vec![0; self.len()];
        for &to in &self.all {
            ends[to] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let (mut all, mut next) = (vec![0; self.all.len()], ends.clone());
        for from in (0..self.len()).rev() {
            for &to in self.of(from) {
                next[to] -= 1;
                all[next[to]] = from;
            }
        }
        Self { all, ends }
    }
}

impl Graph {
    /// Reads and checks the dependencies.
    pub fn new(program: &Program) -> Result<Self, GraphError> {
        // Only looked up in, never gone through: so its order, which is another one each time, does not show.
        let index: FxHashMap<&Urn, usize> = program.resources.iter().enumerate().map(|(i, d)| (&d.urn, i)).collect();
        let mut dependencies = Edges::with_capacity(program.resources.len());
        let (mut needs, mut found) = (Vec::new(), Vec::new());
        for declared in &program.resources {
            references(declared, &mut found);
            for (to, output) in found.drain(..) {
                let Some(&target) = index.get(to) else {
                    return Err(GraphError::Dangling { from: declared.urn.clone(), to: to.clone() });
                };
                let schema = program.resources[target].schema;
                if let Some(output) = output
                    && !schema.outputs.iter().any(|o| o.name == output)
                {
                    return Err(GraphError::NoOutput {
                        from: declared.urn.clone(),
                        to: to.clone(),
                        output: output.to_owned(),
                        type_name: schema.type_name,
                    });
                }
                needs.push(target);
            }
            dependencies.push(&mut needs);
        }
        for (name, export) in &program.exports {
            for to in export.references() {
                if !index.contains_key(to) {
                    return Err(GraphError::DanglingExport { name: name.clone(), to: to.clone() });
                }
            }
        }
        let order = stable_order(&dependencies);
        // What waits for itself never gets its turn.
        if order.len() < dependencies.len()
            && let Some(cycle) = find_cycle(&dependencies)
        {
            return Err(GraphError::Cycle(cycle.into_iter().map(|i| program.resources[i].urn.clone()).collect()));
        }
        Ok(Self { dependencies, order })
    }

    /// The places in the program of the resources that the one at place `at` depends on, in order.
    pub fn dependencies(&self, at: usize) -> &[usize] {
        self.dependencies.of(at)
    }

    /// The places of all resources, each after those that it depends on, otherwise in the order of declaration.
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}

/// What a resource refers to, with the output's name where it is a reference to one.
fn references<'a>(declared: &'a Declared, found: &mut Vec<(&'a Urn, Option<&'a str>)>) {
    let expressions = declared.inputs.values().chain(&declared.options.replace_on);
    for expression in expressions {
        expression.visit(&mut |e| {
            if let phx_model::Expr::Ref { urn, output } = e {
                found.push((urn, Some(output.as_str())));
            }
        });
    }
    found.extend(declared.options.depends_on.iter().map(|urn| (urn, None)));
}

/// The resources of a circle, in the order in which they depend on each other, the first one again at the end.
fn find_cycle(dependencies: &Edges) -> Option<Vec<usize>> {
    let mut graph = DiGraph::<(), (), u32>::with_capacity(dependencies.len(), dependencies.all.len());
    let nodes: Vec<NodeIndex<u32>> = (0..dependencies.len()).map(|_| graph.add_node(())).collect();
    for (at, &node) in nodes.iter().enumerate() {
        for &need in dependencies.of(at) {
            graph.add_edge(nodes[need], node, ());
        }
    }
    let part =
        tarjan_scc(&graph).into_iter().find(|part| part.len() > 1 || graph.find_edge(part[0], part[0]).is_some())?;
    let part: BTreeSet<usize> = part.into_iter().map(NodeIndex::index).collect();
    // Inside a strongly connected part every resource depends on another of the part, so going on always meets one seen before.
    let mut path: Vec<usize> = vec![*part.first()?];
    loop {
        let next = *dependencies.of(*path.last()?).iter().find(|d| part.contains(d))?;
        if let Some(start) = path.iter().position(|&p| p == next) {
            let mut cycle = path.split_off(start);
            cycle.push(next);
            return Some(cycle);
        }
        path.push(next);
    }
}

/// Kahn's algorithm, taking the earliest declared first. What is in a circle, or needs what is, is left out.
fn stable_order(dependencies: &Edges) -> Vec<usize> {
    let dependents = dependencies.reversed();
    let mut waiting: Vec<usize> = (0..dependencies.len()).map(|at| dependencies.of(at).len()).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        waiting.iter().enumerate().filter(|(_, n)| **n == 0).map(|(at, _)| Reverse(at)).collect();
    let mut order = Vec::with_capacity(dependencies.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for &dependent in dependents.of(at) {
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push(Reverse(dependent));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests_support::{ProgramBuilder, THING};
    use phx_model::Expr;

    #[test]
    fn a_circle_names_its_members_in_order() {
        let mut p = ProgramBuilder::new();
        p.add("a", &[]).add("b", &["a"]).add("c", &["b"]);
        p.depends("a", "c");
        let Err(GraphError::Cycle(urns)) = Graph::new(&p.program) else { panic!("no cycle found") };
        let names: Vec<_> = urns.iter().map(Urn::name).collect();
        assert_eq!(names.first(), names.last());
        assert_eq!(names.len(), 4);
        for pair in names.windows(2) {
            assert!([("a", "c"), ("c", "b"), ("b", "a")].contains(&(pair[0], pair[1])), "{names:?}");
        }
    }

    #[test]
    fn a_resource_that_depends_on_itself_is_a_circle() {
        let mut p = ProgramBuilder::new();
        p.add("a", &[]);
        p.depends("a", "a");
        assert!(matches!(Graph::new(&p.program), Err(GraphError::Cycle(_))));
    }

    #[test]
    fn references_to_nothing_are_named() {
        let mut p = ProgramBuilder::new();
        p.add("a", &[]);
        p.depends("a", "nobody");
        assert!(matches!(Graph::new(&p.program), Err(GraphError::Dangling { .. })));

        let mut p = ProgramBuilder::new();
        p.add("a", &[]).add("b", &[]);
        let wrong = Expr::Ref { urn: p.urn("a"), output: "colour".into() };
        p.set("b", "name", wrong);
        let Err(GraphError::NoOutput { output, type_name, .. }) = Graph::new(&p.program) else { panic!() };
        assert_eq!((output.as_str(), type_name), ("colour", THING.type_name));
    }

    #[test]
    fn the_order_keeps_to_the_declaration_where_it_can() {
        let mut p = ProgramBuilder::new();
        p.add("z", &[]).add("a", &[]).add("m", &["z"]);
        let graph = Graph::new(&p.program).unwrap();
        assert_eq!(graph.order(), [0, 1, 2]);
        assert_eq!(graph.dependencies(2), [0]);
    }
}
