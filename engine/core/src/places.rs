//! What the keys of places mean: told to the clouds before anything is called, and kept in the state for the day when the program is not run.

use std::collections::{BTreeMap, BTreeSet};

use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::state::{Entry, ProviderKey, State};
use phx_model::{CloudError, Program, Provider, Urn};

use crate::engine::EngineError;

/// What the keys mean: the program's word goes before the state's, also for an object that lies in another region than where the program now has
/// the provider context of that name, since it is the same role that works there.
fn meanings(state: &State, program: Option<&Program>) -> BTreeMap<ProviderKey, Provider> {
    let mut all = state.providers.clone();
    let Some(program) = program else { return all };
    for (key, provider) in &mut all {
        let place = key.place();
        let same = |other: &ProviderKey| {
            let other = other.place();
            (other.account, other.name) == (place.account, place.name)
        };
        if place.name.is_some()
            && let Some((_, said)) = program.providers.iter().find(|(other, _)| same(other))
        {
            provider.role.clone_from(&said.role);
        }
    }
    all.extend(program.providers.iter().map(|(key, provider)| (key.clone(), provider.clone())));
    all
}

/// Tells the clouds what the keys mean.
pub(crate) fn define(registry: &Registry, state: &State, program: Option<&Program>) {
    if registry.places().is_empty() {
        return;
    }
    let all = meanings(state, program);
    registry.places().iter().for_each(|places| places.define(&all));
}

/// The region of the stack's own place.
pub(crate) async fn home(registry: &Registry) -> Option<String> {
    for places in registry.places() {
        if let Some(region) = places.home().await {
            return Some(region);
        }
    }
    None
}

/// Where the stack's own objects were made, if there are any that are of a region.
fn made_in<'s>(registry: &Registry, state: &'s State) -> Option<&'s str> {
    let region = state.providers.get(&ProviderKey::default())?.region.as_deref()?;
    let deposed = state.deposed.iter().map(|d| (&d.urn, &d.record));
    let is_regional = |urn: &Urn| !registry.places().iter().any(|places| places.is_global(urn.type_name()));
    let mut all = state.resources.iter().chain(deposed);
    all.any(|(urn, record)| record.provider.is_home() && is_regional(urn)).then_some(region)
}

/// Refuses to go on in another region than the one in which the stack's own objects are.
pub(crate) async fn stay(registry: &Registry, state: &State) -> Result<(), EngineError> {
    let Some(made_in) = made_in(registry, state) else { return Ok(()) };
    match home(registry).await {
        Some(now) if now != made_in => {
            let error = CloudError::local(
                ErrorKind::Invalid,
                format!(
                    "the stack has its objects in {made_in}, and its region is now {now}: all of them would be taken for gone; nothing was changed"
                ),
            );
            let hint = format!(
                "set the region back. An object cannot move: to have the stack in {now}, destroy it where it is first, or give {now} a stack of its own"
            );
            Err(EngineError::Place(Box::new(error.hint(hint))))
        }
        _ => Ok(()),
    }
}

/// Makes sure that every place can be worked in that something lies in, or is to lie in.
pub(crate) async fn open(registry: &Registry, state: &State, program: Option<&Program>) -> Result<(), EngineError> {
    let declared = program.into_iter().flat_map(|p| &p.resources).map(|d| &d.options.provider);
    let needed: BTreeSet<ProviderKey> =
        state.places().into_iter().chain(declared).filter(|key| !key.is_home()).cloned().collect();
    if needed.is_empty() {
        return Ok(());
    }
    for places in registry.places() {
        places.open(&needed).await.map_err(|error| EngineError::Place(Box::new(error)))?;
    }
    Ok(())
}

/// Records under the keys that the program has for the same places now: a provider context that goes by another name or has another role moves
/// nothing.
pub(crate) fn renamed(state: &State, program: Option<&Program>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for declared in program.into_iter().flat_map(|p| &p.resources) {
        let Some(record) = state.resources.get(&declared.urn) else { continue };
        let (old, new) = (&record.provider, &declared.options.provider);
        if old != new && program.is_some_and(|p| old.is_where(new, &p.home)) {
            let mut record = Box::new(record.clone());
            record.provider.clone_from(new);
            entries.push(Entry::Recorded { urn: declared.urn.clone(), record });
        }
    }
    entries
}

/// What has to be written down of the program's keys before anything is made under them, and of the stack's own place.
pub(crate) fn learned(registry: &Registry, state: &State, program: &Program, home: Option<String>) -> Vec<Entry> {
    let used: BTreeSet<&ProviderKey> = program.resources.iter().map(|d| &d.options.provider).collect();
    let all = meanings(state, Some(program));
    let known_or_used = |key: &ProviderKey| state.providers.contains_key(key) || used.contains(key);
    let own = ProviderKey::default();
    let region = home.filter(|_| used.contains(&own) && made_in(registry, state).is_none());
    let here = region.map(|region| (own.clone(), Provider::new().region(region)));
    all.into_iter()
        // A region of the stack's own account says all there is to say.
        .filter(|(key, provider)| provider.role.is_some() && known_or_used(key))
        .chain(here)
        .filter(|(key, provider)| state.providers.get(key) != Some(provider))
        .map(|(key, provider)| Entry::Provider { key, provider: Some(provider) })
        .collect()
}

/// What has no use any more once nothing lies there. The stack's own place may stay: it counts only while something is in it.
pub(crate) fn unused(state: &State) -> Vec<Entry> {
    let places = state.places();
    let unused = state.providers.keys().filter(|key| !key.is_home() && !places.contains(key));
    unused.map(|key| Entry::Provider { key: key.clone(), provider: None }).collect()
}

#[cfg(test)]
mod tests {
    use phx_model::config::ConfigSource;
    use phx_model::state::Record;
    use phx_model::urn::StackName;
    use phx_model::{Options, Stack};

    use super::*;
    use crate::planner::tests_support::THING;

    const OLD: &str = "arn:aws:iam::210987654321:role/old";
    const NEW: &str = "arn:aws:iam::210987654321:role/new";

    fn program(name: &str, arn: &str, region: &str) -> Program {
        let stack_name = |text| StackName::new(text).unwrap();
        let stack = Stack::new(stack_name("p"), stack_name("s"), ConfigSource::default(), BTreeMap::new());
        let there = stack.provider(name, Provider::new().region(region).assume_role(arn)).unwrap();
        stack.declare("a", &THING, BTreeMap::new(), Options::new().provider(&there)).unwrap();
        stack.finish()
    }

    fn state(key: &str, arn: &str) -> State {
        let mut state = State::empty("l");
        let key = ProviderKey(key.into());
        let urn = Urn::parse("urn:phx:p:s:test:unit:Thing:a").unwrap();
        state.resources.insert(urn, Record { id: "x".into(), provider: key.clone(), ..Record::default() });
        state.providers.insert(key, Provider::new().assume_role(arn));
        state
    }

    #[test]
    fn the_programs_word_goes_first() {
        let state = state("210987654321/eu-west-1@there", OLD);
        for region in ["eu-west-1", "us-east-1"] {
            let program = program("there", NEW, region);
            let all = meanings(&state, Some(&program));
            assert!(all.values().all(|provider| provider.role.as_ref().unwrap().arn == NEW), "{region}: {all:?}");
        }
        assert_eq!(meanings(&state, None).values().next().unwrap().role.as_ref().unwrap().arn, OLD);
    }

    #[test]
    fn another_name_for_a_place_moves_nothing() {
        let mut state = state("210987654321/eu-west-1@there", OLD);
        let program = program("elsewhere", NEW, "eu-west-1");
        let entries = learned(&Registry::new(), &state, &program, None);
        assert!(matches!(&entries[..], [Entry::Provider { key, provider: Some(_) }] if key.0.ends_with("@elsewhere")));
        state.fold(&entries).unwrap();
        let entries = renamed(&state, Some(&program));
        assert_eq!(entries.len(), 1);
        state.fold(&entries).unwrap();
        assert_eq!(state.resources.values().next().unwrap().provider.0, "210987654321/eu-west-1@elsewhere");
        assert!(renamed(&state, Some(&program)).is_empty());
        let entries = unused(&state);
        assert!(matches!(&entries[..], [Entry::Provider { key, provider: None }] if key.0.ends_with("@there")));
        state.fold(&entries).unwrap();
        assert!(learned(&Registry::new(), &state, &program, None).is_empty() && unused(&state).is_empty());
    }

    #[test]
    fn the_stacks_own_region_is_kept_while_something_is_in_it() {
        let stack_name = |text| StackName::new(text).unwrap();
        let stack = Stack::new(stack_name("p"), stack_name("s"), ConfigSource::default(), BTreeMap::new());
        let urn = stack.declare("a", &THING, BTreeMap::new(), Options::new()).unwrap();
        let (program, mut state) = (stack.finish(), State::empty("l"));
        let here = || Some("us-west-2".to_owned());
        let elsewhere = || Some("eu-west-1".to_owned());
        let none = Registry::new();
        assert!(learned(&none, &state, &program, None).is_empty());
        for region in [here(), elsewhere(), here()] {
            state.fold(&learned(&none, &state, &program, region.clone())).unwrap();
            assert_eq!(state.providers[&ProviderKey::default()].region, region, "nothing is there");
        }
        assert_eq!(made_in(&none, &state), None);
        state.resources.insert(urn, Record { id: "x".into(), ..Record::default() });
        assert_eq!(made_in(&none, &state), Some("us-west-2"));
        assert!(learned(&none, &state, &program, elsewhere()).is_empty() && unused(&state).is_empty());
    }

    #[test]
    fn another_region_is_another_place() {
        let state = state("210987654321/eu-west-1@there", OLD);
        assert!(renamed(&state, Some(&program("there", OLD, "eu-west-2"))).is_empty());
    }
}
