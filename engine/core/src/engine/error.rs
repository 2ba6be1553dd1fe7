//! Why an operation did not come to its end.

use std::fmt::Write as _;

use phx_model::expr::EvalError;
use phx_model::state::{FoldError, Intent};
use phx_model::store::StoreError;
use phx_model::{CloudError, Urn};

use crate::events::EventError;
use crate::graph::GraphError;
use crate::journal::JournalError;
use crate::plan::Plan;
use crate::planner::PlanError;
use crate::saved::SavedPlanError;

/// Why an operation did not come to its end. A step that fails is no such error: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The program does not hang together. Nothing was called.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// There is no plan. Nothing was changed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store failed, or another run holds or has taken over the lease.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// phx contradicts itself.
    #[error(transparent)]
    Contradiction(JournalError),
    /// The plan was not approved.
    #[error("the plan was not approved; nothing was changed")]
    Declined,
    /// The run was asked to stop before it had changed anything.
    #[error("stopped before anything was changed")]
    Interrupted,
    /// Some objects could not be read, so there is no telling what to do.
    #[error(
        "{} could not be read, so nothing was changed:\n{}\n  hint: when the cause is gone, run it again; `--refresh=false` goes by what was recorded last",
        count(.0.len()), lines(.0.iter().map(|(urn, error)| format!("{urn}: {error}")))
    )]
    RefreshFailed(Vec<(Urn, CloudError)>),
    /// It could not be found out what became of changes that an earlier run had begun.
    #[error(
        "an earlier run was cut short, and what became of its last changes could not be found out, so nothing was changed:\n{}\n  hint: when the cause is gone, run it again",
        lines(.0.iter().map(|(urn, change, error)| format!("{urn}: to {change} it: {error}")))
    )]
    RecoveryFailed(Vec<(Urn, &'static str, CloudError)>),
    /// Changes that an earlier run had begun, of types for which the cloud offers no way to find out what became of them.
    #[error(
        "an earlier run was cut short while it created objects that the cloud gives no way to find again, so nothing was changed:\n{}\n  hint: look for each in the cloud, made at about that time. If it is there, adopt it: give its resource the `import` option with its id. If not, `phx state rm URN` gives the attempt up",
        lines(.0.iter().map(|intent| format!("{}: to {} it, begun {}", intent.urn, intent.change.verb(), intent.time)))
    )]
    Unsettled(Vec<Intent>),
    /// A place cannot be worked in that something lies in, or is to lie in. Nothing was changed.
    #[error("{0}")]
    Place(Box<CloudError>),
    /// The state has objects of another stack. Nothing was called.
    #[error(
        "the state of stack {stack} of project {project} has {urn}, which is another stack's, so nothing was changed\n  hint: if two stacks' states were mixed up, as when a folder is copied, take the copy away; if the project or stack was renamed, give each resource its old URN as an `alias`"
    )]
    Foreign {
        /// What it has.
        urn: Urn,
        /// Whose state it is.
        project: String,
        /// Which stack's.
        stack: String,
    },
    /// A resource's type is not known here.
    #[error(
        "{urn}: the type {type_name} is not known to this program\n  hint: register its driver (for a type that comes with phx, turn on the cargo feature of its service) and build again"
    )]
    UnknownType {
        /// The resource.
        urn: Urn,
        /// Its type.
        type_name: String,
    },
    /// The plan cannot be saved, or the saved one not used.
    #[error(transparent)]
    Saved(#[from] SavedPlanError),
    /// The saved plan was made from another program or state.
    #[error(
        "the saved plan is stale, so nothing was changed:\n{}\n  hint: `phx preview --out FILE` shows and saves what would be done now",
        lines(.0.iter().cloned())
    )]
    Stale(Vec<String>),
    /// An export has no value, though everything it is made of is there. All steps were done and recorded.
    #[error("everything was done and recorded, but the export {name:?} has no value: {error}")]
    Export {
        /// Which.
        name: String,
        /// Why.
        error: EvalError,
    },
    /// Steps of a plan wait for each other.
    #[error(
        "these steps wait for each other, so none of them was begun; the others were done and recorded:\n{}\n  hint: this is a bug in phx; please report it with the plan",
        lines(.0.iter().map(ToString::to_string))
    )]
    Circle(Vec<Urn>),
}

impl From<JournalError> for EngineError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Store(error) => Self::Store(error),
            contradiction @ JournalError::Contradiction(_) => Self::Contradiction(contradiction),
        }
    }
}

impl From<FoldError> for EngineError {
    fn from(error: FoldError) -> Self {
        Self::Contradiction(JournalError::Contradiction(error))
    }
}

impl From<&EngineError> for EventError {
    fn from(error: &EngineError) -> Self {
        if let EngineError::Place(error) = error {
            return Self::from(&**error);
        }
        Self {
            message: error.to_string(),
            service: String::new(),
            operation: String::new(),
            code: None,
            request_id: None,
            hint: None,
        }
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 object".to_owned() } else { format!("{n} objects") }
}

fn lines(items: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for item in items {
        // Writing to a text cannot fail.
        let _ = write!(text, "{}  {item}", if text.is_empty() { "" } else { "\n" });
    }
    text
}

/// A plan that does nothing.
pub(super) fn empty_plan(
    project: &phx_model::urn::ProjectName,
    stack: &phx_model::urn::StackName,
    state: &phx_model::state::State,
) -> Plan {
    Plan {
        project: project.clone(),
        stack: stack.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        program_hash: String::new(),
        renames: Vec::new(),
        steps: Vec::new(),
        outputs: std::collections::BTreeMap::new(),
    }
}
