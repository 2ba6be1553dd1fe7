//! What a store keeps of a stack, and the ways back to it: verifying, going back, bringing in.

use std::error::Error;

use phx_model::state::State;
use phx_model::store::{Import, Kept, StoreError, Verification};

use super::{Check, Subject, acquire, holder, load, next, operation, recorded, stack};

pub(super) async fn an_operation_without_a_state_leaves_the_stack_usable(s: &Subject) -> Check {
    let session = acquire(s).await?;
    // A first run that was declined, for one.
    session.record(&operation("declined")).await?;
    session.release().await?;
    let found = s.store.load(&stack()?).await?;
    ensure!(found.as_ref().is_none_or(State::is_empty), "it loads as {found:?}");
    ensure!(s.store.history(&stack()?).await? == [operation("declined")], "the operation is not in the history");
    let faults = s.store.verify(&stack()?).await?.faults;
    ensure!(faults.is_empty(), "it is found faulty: {faults:?}");
    let session = acquire(s).await?;
    ensure!(session.state().serial == 0, "its serial is {}", session.state().serial);
    session.append(&[recorded("a")?]).await?;
    let mut state = session.state().clone();
    state.apply(&recorded("a")?)?;
    session.checkpoint(&next(&state)).await?;
    session.record(&operation("up")).await?;
    session.release().await?;
    ensure!(load(s).await?.resources.len() == 1, "it has {:?}", load(s).await?);
    ensure!(s.store.history(&stack()?).await?.len() == 2, "the history has lost an operation");
    Ok(())
}

/// A stack with the checkpoints 1 (`a`) and 2 (`a`, `b`), a journal (`c`) and an operation. Gives the state of each checkpoint and the present one.
async fn lived_in(s: &Subject) -> Result<[State; 3], Box<dyn Error + Send + Sync>> {
    let session = acquire(s).await?;
    let mut states = Vec::new();
    let mut state = session.state().clone();
    for name in ["a", "b"] {
        session.append(&[recorded(name)?]).await?;
        state.apply(&recorded(name)?)?;
        state = next(&state);
        session.checkpoint(&state).await?;
        states.push(state.clone());
    }
    session.append(&[recorded("c")?]).await?;
    state.apply(&recorded("c")?)?;
    session.record(&operation("up")).await?;
    session.release().await?;
    let [first, second] = <[State; 2]>::try_from(states).map_err(|_| "there are not two checkpoints")?;
    Ok([first, second, state])
}

pub(super) async fn a_good_stack_verifies(s: &Subject) -> Check {
    let nothing = s.store.verify(&stack()?).await?;
    ensure!(nothing == Verification::default(), "a stack that is not there: {nothing:?}");
    let [.., present] = lived_in(s).await?;
    let found = s.store.verify(&stack()?).await?;
    ensure!(found.faults.is_empty(), "it is found faulty: {:?}", found.faults);
    ensure!(found.lineage == Some(present.lineage) && found.serial == Some(2), "it is another state: {found:?}");
    ensure!(found.checkpoints >= 2 && found.entries == 1 && found.operations == 1, "it counts {found:?}");
    let _session = acquire(s).await?;
    let found = s.store.verify(&stack()?).await?;
    ensure!(found.faults.is_empty(), "under a lease it is found faulty: {:?}", found.faults);
    Ok(())
}

pub(super) async fn an_earlier_checkpoint_can_be_gone_back_to(s: &Subject) -> Check {
    let [first, second, _] = lived_in(s).await?;
    let serials = |kept: &[Kept]| -> Vec<u64> { kept.iter().filter_map(|k| k.serial).filter(|n| *n > 0).collect() };
    let kept = s.store.checkpoints(&stack()?).await?;
    ensure!(serials(&kept) == [2, 1], "they are {kept:?}");
    let present: Vec<&Kept> = kept.iter().filter(|k| k.present).collect();
    ensure!(present.len() == 1 && present[0].serial == Some(2), "in force is {present:?}");

    let session = acquire(s).await?;
    let refused = s.store.rollback(&stack()?, &holder("b"), Some(1)).await;
    ensure!(matches!(refused, Err(StoreError::Leased(_))), "beside a holder it gave {refused:?}");
    session.release().await?;
    let refused = s.store.rollback(&stack()?, &holder("b"), Some(99)).await;
    ensure!(refused.is_err(), "it went back to a checkpoint that there is not");

    let done = s.store.rollback(&stack()?, &holder("b"), Some(1)).await?;
    let expected = State { serial: 3, ..first };
    ensure!(done.from == 1 && done.state == expected, "it went back to {done:?}");
    ensure!(load(s).await? == expected, "it loads as {:?}", load(s).await?);
    ensure!(s.store.lease(&stack()?).await?.is_none(), "it is still leased");
    // The one that was in force is kept, and the stack can be worked on.
    let done = s.store.rollback(&stack()?, &holder("b"), Some(2)).await?;
    ensure!(done.state == State { serial: 4, ..second }, "and forward again to {done:?}");
    let session = acquire(s).await?;
    session.append(&[recorded("d")?]).await?;
    session.checkpoint(&next(session.state())).await?;
    session.release().await?;
    ensure!(s.store.verify(&stack()?).await?.faults.is_empty(), "it is found faulty afterwards");
    Ok(())
}

pub(super) async fn a_state_from_elsewhere_is_imported(s: &Subject) -> Check {
    let mut state = State { serial: 41, ..State::empty("elsewhere") };
    state.apply(&recorded("x")?)?;
    let history = vec![operation("one"), operation("two")];
    let import = Import { state: state.clone(), history: history.clone(), force: false };
    let done = s.store.import(&stack()?, &holder("a"), &import).await?;
    let expected = State { serial: 42, ..state };
    ensure!(done.state == expected && done.from == 41, "it became {done:?}");
    ensure!(load(s).await? == expected, "it loads as {:?}", load(s).await?);
    ensure!(s.store.history(&stack()?).await? == history, "the history is {:?}", s.store.history(&stack()?).await?);
    ensure!(s.store.lease(&stack()?).await?.is_none(), "it is still leased");
    ensure!(s.store.stacks().await? == [stack()?], "the stack is not listed");
    let session = acquire(s).await?;
    ensure!(*session.state() == expected, "acquired: {:?}", session.state());
    session.append(&[recorded("y")?]).await?;
    session.record(&operation("three")).await?;
    session.checkpoint(&next(session.state())).await?;
    session.release().await?;
    // One that has come further elsewhere comes back, and brings what is missing here.
    let state = State { serial: 50, ..expected };
    let history = vec![operation("one"), operation("two"), operation("three"), operation("four")];
    let done =
        s.store.import(&stack()?, &holder("a"), &Import { state, history: history.clone(), force: false }).await?;
    ensure!(done.state.serial == 51, "its serial is {}", done.state.serial);
    ensure!(s.store.history(&stack()?).await? == history, "the history is {:?}", s.store.history(&stack()?).await?);
    let faults = s.store.verify(&stack()?).await?.faults;
    ensure!(faults.is_empty(), "it is found faulty afterwards: {faults:?}");
    Ok(())
}

pub(super) async fn an_import_that_would_lose_something_is_refused(s: &Subject) -> Check {
    let [first, second, present] = lived_in(s).await?;
    let stranger = State { serial: 99, ..State::empty("stranger") };
    for (state, why) in
        [(stranger.clone(), "of another lineage"), (first, "of a lesser serial"), (second, "that has not the journal")]
    {
        let import = Import { state, history: vec![operation("new")], force: false };
        let refused = s.store.import(&stack()?, &holder("a"), &import).await;
        ensure!(matches!(refused, Err(StoreError::Unsupported { .. })), "a state {why}: {refused:?}");
        ensure!(load(s).await? == present, "the refused state {why} left something behind");
        ensure!(s.store.history(&stack()?).await?.len() == 1, "the refused state {why} left an operation behind");
    }
    ensure!(s.store.lease(&stack()?).await?.is_none(), "a refused import is still leased");
    let import = Import { state: stranger.clone(), history: vec![operation("new")], force: true };
    let done = s.store.import(&stack()?, &holder("a"), &import).await?;
    ensure!(load(s).await? == done.state && done.state.lineage == "stranger", "by force: {done:?}");
    let session = acquire(s).await?;
    session.append(&[recorded("z")?]).await?;
    session.checkpoint(&next(session.state())).await?;
    session.release().await?;
    let faults = s.store.verify(&stack()?).await?.faults;
    ensure!(faults.is_empty(), "it is found faulty afterwards: {faults:?}");
    Ok(())
}
