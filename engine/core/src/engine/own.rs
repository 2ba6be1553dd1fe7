//! Whose objects a state knows.

use phx_model::state::State;
use phx_model::{Program, Urn};

use super::{EngineError, Place};

/// Refuses a state that knows objects of another stack: a folder that was copied, say, or one whose name differs only in case from another's. To
/// plan on it would be to delete what that stack has made. What the program names as an alias is its own under an earlier name.
pub(crate) fn check(state: &State, place: &Place<'_>, program: Option<&Program>) -> Result<(), EngineError> {
    let open = state.open.values().map(|intent| &intent.urn);
    let mut urns = state.resources.keys().chain(state.deposed.iter().map(|d| &d.urn)).chain(open);
    let is_other = |urn: &&Urn| urn.project() != place.project.as_str() || urn.stack() != place.stack.as_str();
    let is_alias = |urn: &Urn| {
        let name = urn.to_string();
        program.into_iter().flat_map(|p| &p.resources).any(|declared| declared.options.aliases.contains(&name))
    };
    match urns.find(|urn| is_other(urn) && !is_alias(urn)) {
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
    use crate::planner::tests_support::ProgramBuilder;
    use phx_model::urn::{ProjectName, StackName};

    #[test]
    fn a_state_that_was_copied_from_another_stack_is_not_worked_on() {
        let (project, dev) = (ProjectName::new("p").unwrap(), StackName::new("dev").unwrap());
        let mut state = State::empty("l");
        let place = Place { project: &project, stack: &dev };
        assert!(check(&state, &place, None).is_ok());
        for (project, stack) in [("p", "prod"), ("q", "dev")] {
            let (project, stack) = (ProjectName::new(project).unwrap(), StackName::new(stack).unwrap());
            let urn = Urn::new(&project, &stack, "test:unit:Thing", "a").unwrap();
            state.resources.clear();
            state.resources.insert(urn.clone(), phx_model::state::Record::default());
            let error = check(&state, &place, None).unwrap_err().to_string();
            assert!(error.contains(&urn.to_string()) && error.contains("hint: "), "{error}");
            let mut p = ProgramBuilder::new();
            p.add("b", &[]).get("b").options.aliases.push(urn.to_string());
            assert!(check(&state, &place, Some(&p.program)).is_ok(), "it goes by another name now");
        }
    }
}
