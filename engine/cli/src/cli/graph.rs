//! `phx graph`: the dependencies between a program's resources.

use std::collections::BTreeMap;
use std::fmt::Write;

use phx_engine::graph::Graph;
use phx_model::{Program, Urn};
use serde_json::json;

use super::args;
use super::exit::Exit;
use super::wiring::Context;

/// `phx graph`
pub(crate) async fn graph(cx: &Context, args: &args::Graph) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    let stack = cx.stack(&project)?;
    let (program, _) = cx.program(&project, &stack).await?;
    let graph = Graph::new(&program)?;
    if cx.ui.json || args.format == args::GraphFormat::Json {
        cx.ui.answer(&as_json(&program, &graph))?;
    } else {
        cx.ui.text(&as_dot(&program, &graph))?;
    }
    Ok(Exit::Done)
}

fn edges<'a>(program: &'a Program, graph: &'a Graph) -> impl Iterator<Item = (&'a Urn, &'a Urn)> {
    program.resources.iter().enumerate().flat_map(move |(at, from)| {
        graph.dependencies(at).iter().map(move |to| (&from.urn, &program.resources[*to].urn))
    })
}

fn as_json(program: &Program, graph: &Graph) -> serde_json::Value {
    let nodes: Vec<_> = program
        .resources
        .iter()
        .map(|d| json!({"urn": d.urn, "type": d.urn.type_name(), "name": d.urn.name(), "component": d.urn.parent()}))
        .collect();
    let edges: Vec<_> = edges(program, graph).map(|(from, to)| json!({"from": from, "to": to})).collect();
    json!({"stack": program.stack, "nodes": nodes, "edges": edges})
}

/// Names have no characters that would have to be escaped: URNs allow letters, digits and `-_./:`.
fn as_dot(program: &Program, graph: &Graph) -> String {
    let mut dot = format!("// An arrow leads to what must be there first.\ndigraph \"{}\" {{\n", program.stack);
    dot.push_str("  rankdir=RL;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    let mut components: BTreeMap<Option<&str>, Vec<&Urn>> = BTreeMap::new();
    for declared in &program.resources {
        components.entry(declared.urn.parent()).or_default().push(&declared.urn);
    }
    for (n, (component, urns)) in components.into_iter().enumerate() {
        let indent = if let Some(name) = component {
            let _ = writeln!(dot, "  subgraph cluster_{n} {{\n    label=\"{name}\";");
            "    "
        } else {
            "  "
        };
        for urn in urns {
            let name = urn.name().rsplit('/').next().unwrap_or_default();
            let kind = urn.type_name().rsplit(':').next().unwrap_or_default();
            let _ = writeln!(dot, "{indent}\"{urn}\" [label=\"{name}\\n{kind}\"];");
        }
        if component.is_some() {
            dot.push_str("  }\n");
        }
    }
    for (from, to) in edges(program, graph) {
        let _ = writeln!(dot, "  \"{from}\" -> \"{to}\";");
    }
    dot.push_str("}\n");
    dot
}
