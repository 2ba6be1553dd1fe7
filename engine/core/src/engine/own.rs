//! Whose objects a state knows.

use phx_model::Urn;
use phx_model::state::State;

use super::{EngineError, Place};

/// Refuses a state that knows objects of another stack: a folder that was copied, say, or one whose name differs only in case from another's. To
/// plan on it would be to delete what that stack has made.
pub(crate) fn check(state: &State, place: &Place<'_>) -> Result<(), EngineError> {
    let open = state.open.values().map(|intent| &intent.urn);
    let mut urns = state.resources.keys().chain(state.deposed.iter().map(|d| &d.urn)).chain(open);
    let is_other = |urn: &&Urn| urn.project() != place.project.as_str() || urn.stack() != place.stack.as_str();
    match urns.find(is_other) {
        Some(urn) => Err(EngineError::Foreign {
            urn: urn.clone(),
            project: place.project.to_string(),
            stack: place.stack.to_string(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::urn::{ProjectName, StackName};

    #[test]
    fn a_state_that_was_copied_from_another_stack_is_not_worked_on() {
        let (project, dev) = (ProjectName::new("p").unwrap(), StackName::new("dev").unwrap());
        let mut state = State::empty("l");
        let place = Place { project: &project, stack: &dev };
        assert!(check(&state, &place).is_ok());
        for (project, stack) in [("p", "prod"), ("q", "dev")] {
            let (project, stack) = (ProjectName::new(project).unwrap(), StackName::new(stack).unwrap());
            let urn = Urn::new(&project, &stack, "test:unit:Thing", "a").unwrap();
            state.resources.clear();
            state.resources.insert(urn.clone(), phx_model::state::Record::default());
            let error = check(&state, &place).unwrap_err().to_string();
            assert!(error.contains(&urn.to_string()) && error.contains("hint: "), "{error}");
        }
    }
}
