//! A program's dependencies.

use std::collections::{BTreeSet, HashMap};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use phx_model::stack::Declared;
use phx_model::{Program, Urn};

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
    dependencies: Vec<Vec<usize>>,
    order: Vec<usize>,
}

impl Graph {
    /// Reads and checks the dependencies.
    pub fn new(program: &Program) -> Result<Self, GraphError> {
        // Only looked up in, never gone through: so its order, which is another one each time, does not show.
        let index: HashMap<&Urn, usize> = program.resources.iter().enumerate().map(|(i, d)| (&d.urn, i)).collect();
        let mut graph = DiGraph::<(), (), u32>::with_capacity(program.resources.len(), program.resources.len() * 2);
        for _ in &program.resources {
            graph.add_node(());
        }
        let mut dependencies = Vec::with_capacity(program.resources.len());
        for (at, declared) in program.resources.iter().enumerate() {
            let mut needs = Vec::new();
            for (to, output) in references(declared) {
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
            needs.sort_unstable();
            needs.dedup();
            for &need in &needs {
                graph.add_edge(node(need), node(at), ());
            }
            dependencies.push(needs);
        }
        for (name, export) in &program.exports {
            for to in export.references() {
                if !index.contains_key(to) {
                    return Err(GraphError::DanglingExport { name: name.clone(), to: to.clone() });
                }
            }
        }
        if let Some(cycle) = find_cycle(&graph, &dependencies) {
            return Err(GraphError::Cycle(cycle.into_iter().map(|i| program.resources[i].urn.clone()).collect()));
        }
        let order = stable_order(&dependencies);
        Ok(Self { dependencies, order })
    }

    /// The places in the program of the resources that the one at place `at` depends on, in order.
    pub fn dependencies(&self, at: usize) -> &[usize] {
        &self.dependencies[at]
    }

    /// The places of all resources, each after those that it depends on, otherwise in the order of declaration.
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}

/// What a resource refers to, with the output's name where it is a reference to one.
fn references(declared: &Declared) -> Vec<(&Urn, Option<&str>)> {
    let mut found = Vec::new();
    let expressions = declared.inputs.values().chain(&declared.options.replace_on);
    for expression in expressions {
        expression.visit(&mut |e| {
            if let phx_model::Expr::Ref { urn, output } = e {
                found.push((urn, Some(output.as_str())));
            }
        });
    }
    found.extend(declared.options.depends_on.iter().map(|urn| (urn, None)));
    found
}

fn node(at: usize) -> NodeIndex<u32> {
    NodeIndex::new(at)
}

/// The resources of a circle, in the order in which they depend on each other, the first one again at the end.
fn find_cycle(graph: &DiGraph<(), (), u32>, dependencies: &[Vec<usize>]) -> Option<Vec<usize>> {
    let part =
        tarjan_scc(graph).into_iter().find(|part| part.len() > 1 || graph.find_edge(part[0], part[0]).is_some())?;
    let part: BTreeSet<usize> = part.into_iter().map(NodeIndex::index).collect();
    // Inside a strongly connected part every resource depends on another of the part, so going on always meets one seen before.
    let mut path: Vec<usize> = vec![*part.first()?];
    loop {
        let next = *dependencies[*path.last()?].iter().find(|d| part.contains(d))?;
        if let Some(start) = path.iter().position(|&p| p == next) {
            let mut cycle = path.split_off(start);
            cycle.push(next);
            return Some(cycle);
        }
        path.push(next);
    }
}

/// Kahn's algorithm, taking the earliest declared first.
fn stable_order(dependencies: &[Vec<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = dependencies.iter().map(Vec::len).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); dependencies.len()];
    for (at, needs) in dependencies.iter().enumerate() {
        for &need in needs {
            dependents[need].push(at);
        }
    }
    let mut ready: std::collections::BinaryHeap<std::cmp::Reverse<usize>> =
        waiting.iter().enumerate().filter(|(_, n)| **n == 0).map(|(at, _)| std::cmp::Reverse(at)).collect();
    let mut order = Vec::with_capacity(dependencies.len());
    while let Some(std::cmp::Reverse(at)) = ready.pop() {
        order.push(at);
        for &dependent in &dependents[at] {
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push(std::cmp::Reverse(dependent));
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
