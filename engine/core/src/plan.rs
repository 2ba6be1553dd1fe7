//! What a plan is: immutable data with no choice left for its execution but the order of independent steps.

use std::collections::BTreeMap;

use phx_model::map::Urns;
use phx_model::state::{ProviderKey, Record};
use phx_model::store::Summary;
use phx_model::urn::{ProjectName, StackName};
use phx_model::{Urn, Value};

/// What `up` (or `destroy`) would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The project.
    pub project: ProjectName,
    /// The stack.
    pub stack: StackName,
    /// The state's lineage that it was made from.
    pub lineage: String,
    /// The checkpoint that it was made from.
    pub serial: u64,
    /// SHA-256 of the program that it was made from.
    pub program_hash: String,
    /// Resources that go by a new name, old to new. They happen before all steps.
    pub renames: Vec<(Urn, Urn)>,
    /// One step for each resource of the program, in an order in which they could be done one after another; then the deletions, likewise.
    pub steps: Vec<Step>,
    /// The exports that would change, by name: before and after.
    pub outputs: BTreeMap<String, (Value, Value)>,
}

/// What is done about one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The resource.
    pub urn: Urn,
    /// What is done.
    pub op: Op,
    /// Why, one sentence each: "cidr_block changes, and AWS cannot change it in place".
    pub reasons: Vec<String>,
    /// The differences.
    pub diff: Vec<FieldDiff>,
    /// What must be done before it: the resources of the program that it depends on (for a deletion: those that the state knows).
    pub depends_on: Urns,
    /// The cloud's id of the object that there is now.
    pub id: Option<String>,
    /// Where the object lies, or will lie.
    pub provider: ProviderKey,
    /// For [`Op::Adopt`]: the record of the object as it was found.
    pub adopted: Option<Box<Record>>,
}

/// What is done about a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Nothing.
    Same,
    /// A new object.
    Create,
    /// The object is changed in place.
    Update,
    /// A new object takes the place of the old one.
    Replace(ReplaceOrder),
    /// The object is deleted. For one that a replacement left behind, see [`Op::DeleteDeposed`].
    Delete,
    /// An object that an earlier replacement superseded is deleted.
    DeleteDeposed,
    /// An existing object becomes phx's own, and is changed in place if there is a diff.
    Adopt,
    /// The object is left in the cloud and forgotten.
    Forget,
}

/// In which order a replacement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplaceOrder {
    /// The new object first.
    CreateBeforeDelete,
    /// The old object first, since the two cannot live side by side.
    DeleteBeforeCreate,
}

impl ReplaceOrder {
    /// The contract's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateBeforeDelete => "create_before_delete",
            Self::DeleteBeforeCreate => "delete_before_create",
        }
    }
}

impl Op {
    /// The contract's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace(_) => "replace",
            Self::Delete | Self::DeleteDeposed => "delete",
            Self::Adopt => "adopt",
            Self::Forget => "forget",
        }
    }

    /// Whether the step brings an object to what the program wants (and is not the end of one).
    pub fn makes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Replace(_) | Self::Adopt)
    }

    /// Whether the step ends an object.
    pub fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::DeleteDeposed | Self::Replace(_))
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDiff {
    /// Where: `tags.Owner`, `cidr_block`.
    pub path: String,
    /// What is there now; null if nothing.
    pub before: Value,
    /// What shall be there: null for nothing, [`Value::Unknown`] while it is undecided.
    pub after: Value,
    /// The object must be replaced for it.
    pub forces_replace: bool,
    /// Neither value may be shown.
    pub secret: bool,
}

impl Plan {
    /// How many resources each kind of step concerns.
    pub fn summary(&self) -> Summary {
        let mut sum = Summary::default();
        for step in &self.steps {
            *match step.op {
                Op::Same => &mut sum.same,
                Op::Create => &mut sum.create,
                Op::Update => &mut sum.update,
                Op::Replace(_) => &mut sum.replace,
                Op::Delete | Op::DeleteDeposed => &mut sum.delete,
                Op::Adopt => &mut sum.adopt,
                Op::Forget => &mut sum.forget,
            } += 1;
        }
        sum
    }

    /// Whether nothing would be done and nothing recorded.
    pub fn is_empty(&self) -> bool {
        self.renames.is_empty() && self.outputs.is_empty() && self.steps.iter().all(|s| s.op == Op::Same)
    }

    /// The steps that do something.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|s| s.op != Op::Same)
    }

    /// The plan as the command line's contract has it, with secrets and unknowns named and not shown.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::json;
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| {
                let diff: Vec<_> = step
                    .diff
                    .iter()
                    .map(|d| {
                        let mut entry = json!({
                            "path": d.path,
                            "before": if d.secret { phx_model::value::REDACTED.into() } else { d.before.to_redacted_json() },
                            "after": if d.secret { phx_model::value::REDACTED.into() } else { d.after.to_redacted_json() },
                        });
                        for (key, set) in [
                            ("unknown", d.after.has_unknown()),
                            ("secret", d.secret),
                            ("forces_replace", d.forces_replace),
                        ] {
                            if set {
                                entry[key] = true.into();
                            }
                        }
                        entry
                    })
                    .collect();
                let mut entry = json!({
                    "urn": step.urn, "type": step.urn.type_name(), "name": step.urn.name(), "op": step.op.name(),
                    "reasons": step.reasons, "diff": diff, "depends_on": step.depends_on,
                });
                if let Op::Replace(order) = step.op {
                    entry["replace_order"] = order.name().into();
                }
                if step.op == Op::DeleteDeposed {
                    entry["deposed"] = true.into();
                }
                if let Some(id) = &step.id {
                    entry["id"] = id.as_str().into();
                }
                if !step.provider.is_home() {
                    entry["provider"] = step.provider.0.as_str().into();
                }
                entry
            })
            .collect();
        let renames: Vec<_> = self.renames.iter().map(|(from, to)| json!({"from": from, "to": to})).collect();
        let outputs: serde_json::Map<String, serde_json::Value> = self
            .outputs
            .iter()
            .map(|(name, (before, after))| {
                (name.clone(), json!({"before": before.to_redacted_json(), "after": after.to_redacted_json()}))
            })
            .collect();
        json!({
            "stack": self.stack, "serial": self.serial, "program_hash": self.program_hash,
            "renames": renames, "steps": steps, "outputs": outputs, "summary": self.summary(),
        })
    }
}
