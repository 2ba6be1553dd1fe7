//! Large programs, for measuring: one network, and cells of a group, two rules, a bucket and a server in a subnet, as real stacks have them.

use std::collections::BTreeMap;

use phx_model::expr::Env;
use phx_model::stack::ProgramError;
use phx_model::state::{Change, Entry, Intent, IntentId, OperationId, Outcome, Record};
use phx_model::{Program, Urn, Value, ValueMap};

use crate::sim::{Bucket, Group, Network, Rule, Server, Subnet};
use crate::world::program;

/// How many resources a cell has.
pub const CELL: usize = 6;

/// How many cells share a group of the platform's, so that there are long chains too.
const CHAIN: u32 = 10;

/// A program of about `resources` resources.
pub fn large(resources: usize) -> Program {
    program(|stack| {
        let network = stack.add("main", Network::new(range(10 << 24, 8)).dns(true).tag("stage", "test"))?;
        let shared = stack.add("shared", Group::new(network.id(), "shared by all"))?;
        let mut previous = None;
        for n in 0..u32::try_from(resources / CELL).unwrap_or(u32::MAX) {
            let cell = stack.component(&format!("cell-{n}"))?;
            let group =
                cell.add("group", Group::new(network.id(), format!("of cell {n}")).tag("cell", n.to_string()))?;
            cell.add("https", Rule::new(group.id(), 443).protocol("tcp").description("from anywhere"))?;
            cell.add("peer", Rule::new(group.id(), 9000).description(phx_model::format!("from {}", shared.id())))?;
            let subnet =
                cell.add("subnet", Subnet::new(network.id(), range((10 << 24) | (n << 4), 28)).zone("zone-a"))?;
            let mut server =
                Server::new(subnet.id(), "small").groups([group.id(), shared.id()]).tag("cell", n.to_string());
            if let Some(address) = previous.filter(|_| n % CHAIN != 0) {
                server = server.tag("previous", address);
            }
            let server = cell.add("server", server)?;
            cell.add(
                "bucket",
                Bucket::new(format!("bucket-of-cell-{n}")).versioning(true).tag("server", server.address()),
            )?;
            previous = Some(server.address());
        }
        Ok::<(), ProgramError>(())
    })
}

fn range(first: u32, prefix: u8) -> phx_model::Ipv4Cidr {
    phx_model::Ipv4Cidr::new(std::net::Ipv4Addr::from(first), prefix).expect("a range")
}

/// The journal of an `up` that made all of the program: an intent and a result for each resource.
pub fn journal(program: &Program) -> Vec<Entry> {
    struct Outputs(BTreeMap<Urn, ValueMap>);
    impl Env for Outputs {
        fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
            Some(self.0.get(urn)?.get(output).cloned().unwrap_or_default())
        }
    }
    let graph = phx_engine::graph::Graph::new(program).expect("a graph");
    let mut env = Outputs(BTreeMap::new());
    let operation = OperationId("measured".into());
    let mut entries = Vec::with_capacity(program.resources.len() * 2);
    for (n, &at) in graph.order().iter().enumerate() {
        let declared = &program.resources[at];
        let id = format!("{}-{n:08x}", declared.schema.short_name().to_lowercase());
        let outputs: ValueMap = declared
            .schema
            .outputs
            .iter()
            .map(|o| {
                (
                    o.name.to_owned(),
                    Value::String(if o.name == "id" {
                        id.as_str().into()
                    } else {
                        format!("{}-of-{id}", o.name).into()
                    }),
                )
            })
            .collect();
        let inputs = phx_model::expr::eval_map(&declared.inputs, |e| e.eval(&env)).expect("inputs");
        let depends_on = graph.dependencies(at).iter().map(|&d| program.resources[d].urn.clone()).collect();
        let intent = IntentId::new("lineage", &operation, u64::try_from(n).unwrap_or(u64::MAX));
        entries.push(Entry::Intent(Intent {
            id: intent.clone(),
            urn: declared.urn.clone(),
            time: jiff::Timestamp::UNIX_EPOCH,
            change: Change::Create { record: Box::new(Record { inputs, depends_on, ..Record::default() }) },
        }));
        entries
            .push(Entry::Done { intent, outcome: Outcome::Created { id, outputs: outputs.clone(), complete: true } });
        env.0.insert(declared.urn.clone(), outputs);
    }
    entries
}
