//! What happens when something goes wrong: partial failure, interrupts, timeouts, lost answers, objects that are gone, reads that fail.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use phx_engine::EngineError;
use phx_engine::engine::{Report, RunOptions};
use phx_engine::events::{Event, RunResult, StepOp};
use phx_engine::plan::Op;
use phx_model::error::ErrorKind;
use phx_model::stack::Options;
use phx_model::store::StoreError;
use phx_model::{Ipv4Cidr, Program, Urn, Value};
use phx_state::MemoryStore;
use phx_tests::sim::{
    Bucket, CANARY, Call, Disk, Fault, Group, Network, Outside, ReadFault, Rule, Server, Subnet, Verb,
};
use phx_tests::world::{Disturbance, Ended, World, interrupt_after, program, stack_name, urn};

fn cidr(text: &str) -> Ipv4Cidr {
    text.parse().unwrap()
}

/// A network with a subnet and a server in it, a group with a rule, and a bucket on its own.
fn small(size: &str) -> Program {
    sized(size, Options::new())
}

fn sized(size: &str, of_server: Options) -> Program {
    program(|stack| {
        let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
        let subnet = stack.add("subnet", Subnet::new(network.id(), cidr("10.0.1.0/24")))?;
        stack.add_with("server", Server::new(subnet.id(), size).password(format!("{CANARY}{size}")), of_server)?;
        let group = stack.add("group", Group::new(network.id(), "d"))?;
        stack.add("rule", Rule::new(group.id(), 443))?;
        stack.add("logs", Bucket::new("logs"))?;
        Ok(())
    })
}

fn on(verb: Verb, kind: &'static str, fault: Fault) -> impl FnMut(&Call<'_>) -> Option<Fault> + Send + 'static {
    move |call| (call.verb == verb && call.type_name == kind).then_some(fault)
}

/// The same, but only the first `times`.
fn at_first(
    times: u64,
    verb: Verb,
    kind: &'static str,
    fault: Fault,
) -> impl FnMut(&Call<'_>) -> Option<Fault> + Send + 'static {
    let mut left = times;
    move |call| {
        let hit = left > 0 && call.verb == verb && call.type_name == kind;
        left -= u64::from(hit);
        hit.then_some(fault)
    }
}

#[track_caller]
fn failed(world: &World, program: &Program) -> Report {
    let report = world.up(program).ok();
    assert_eq!(report.result, RunResult::Failed);
    report
}

#[track_caller]
fn converges(world: &World, program: &Program) -> Report {
    world.cloud.calm();
    let report = world.up(program).succeeded();
    world.assert_settled(program);
    world.assert_nothing_to_do(program);
    report
}

#[test]
fn independent_branches_finish_and_what_is_skipped_is_named() {
    let world = World::new(1);
    let program = small("small");
    world.cloud.set_fate(on(Verb::Create, "sim:net:Group", Fault::Refused));
    let run = world.up(&program);
    let skipped_events: Vec<_> =
        run.events.iter().filter(|e| matches!(e, Event::StepSkipped { .. })).cloned().collect();
    let report = run.ok();
    assert_eq!(report.result, RunResult::Failed);
    let group = urn("net:Group", "group");
    assert_eq!(report.failures.len(), 1);
    assert_eq!((&report.failures[0].urn, report.failures[0].op), (&group, StepOp::Create));
    let error = &report.failures[0].error;
    assert_eq!((error.kind, error.operation.as_str()), (ErrorKind::Other, "CreateGroup"));
    let rule = urn("net:Rule", "rule");
    assert_eq!(report.skipped, [(rule.clone(), StepOp::Create, Some(group.clone()))]);
    assert_eq!(skipped_events, [Event::StepSkipped { urn: rule, op: StepOp::Create, because: Some(group) }]);
    // The others are there, and recorded.
    assert_eq!(report.summary.create, 4);
    assert_eq!(world.cloud.objects().len(), 4);
    assert_eq!(world.state().resources.len(), 4);
    assert!(world.state().open.is_empty());
    assert_eq!(converges(&world, &program).summary.create, 2);
}

#[test]
fn a_failure_far_up_is_the_reason_for_everything_below_it() {
    let world = World::new(1);
    world.cloud.set_fate(on(Verb::Create, "sim:net:Network", Fault::Throttled));
    let report = failed(&world, &small("small"));
    let main = urn("net:Network", "main");
    assert_eq!(report.skipped.len(), 4);
    assert!(report.skipped.iter().all(|(_, _, because)| because.as_ref() == Some(&main)), "{:?}", report.skipped);
    assert_eq!(report.summary.create, 1, "the bucket");
    converges(&world, &small("small"));
}

#[test]
fn a_refused_delete_says_what_still_holds_the_object() {
    let world = World::new(1);
    world.up(&small("small")).succeeded();
    let group = world.id(&urn("net:Group", "group"));
    // Someone else put a server into the group.
    let subnet = world.id(&urn("net:Subnet", "subnet"));
    let foreign =
        [("subnet", Value::String(subnet.into())), ("groups", Value::List(vec![Value::String(group.as_str().into())]))];
    let foreign = foreign.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let foreign = world.cloud.make(<Server as phx_model::Resource>::schema(), &foreign);
    let report = world.destroy().ok();
    assert_eq!(report.result, RunResult::Failed);
    let failure = report.failures.iter().find(|f| f.urn == urn("net:Group", "group")).unwrap();
    assert_eq!(failure.error.kind, ErrorKind::InUse);
    assert!(failure.error.message.contains(&foreign), "{}", failure.error);
    assert!(report.skipped.iter().any(|(u, _, _)| *u == urn("net:Network", "main")));
    assert!(world.state().outputs.is_empty());
    // Once it is gone, the rest goes.
    world.cloud.outside("sim:app:Server", &foreign, &Outside::Delete);
    world.destroy().succeeded();
    world.assert_empty();
}

#[test]
fn an_interrupt_lets_what_is_in_flight_end_and_records_it() {
    let world = World::new(1);
    let program = small("small");
    // The network takes half a second and more; the bucket goes on beside it.
    let run = world.run(&Disturbance::default(), async |engine| {
        let (interrupt, later) = interrupt_after(Duration::from_millis(300), None);
        let options = RunOptions { interrupt, ..RunOptions::default() };
        tokio::select! { report = engine.up(&program, &options, &|_| true) => report, () = later => unreachable!() }
    });
    let report = run.ok();
    assert_eq!(report.result, RunResult::Interrupted);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(report.summary.create, 2, "the network and the bucket were in flight");
    assert_eq!(report.skipped.len(), 4);
    assert!(report.skipped.iter().all(|(_, _, because)| because.is_none()), "{:?}", report.skipped);
    let state = world.state();
    assert!(state.open.is_empty() && state.resources.values().all(|r| !r.incomplete), "{state:?}");
    assert_eq!(state.resources.len(), 2);
    converges(&world, &program);
}

#[test]
fn a_second_interrupt_stops_waiting_and_the_next_run_finds_out() {
    let world = World::new(1);
    let program = small("small");
    world.cloud.set_fate(on(Verb::Create, "sim:net:Network", Fault::HangsDone));
    let run = world.run(&Disturbance::default(), async |engine| {
        let (interrupt, later) = interrupt_after(Duration::from_secs(5), Some(Duration::from_secs(1)));
        let options = RunOptions { interrupt, ..RunOptions::default() };
        tokio::select! { report = engine.up(&program, &options, &|_| true) => report, () = later => unreachable!() }
    });
    let report = run.ok();
    assert_eq!(report.result, RunResult::Interrupted);
    assert!(report.elapsed < Duration::from_secs(7), "{:?}", report.elapsed);
    let main = urn("net:Network", "main");
    assert_eq!(report.failures.iter().map(|f| &f.urn).collect::<Vec<_>>(), [&main]);
    assert_eq!(world.state().open.len(), 1, "the network's creation");
    assert_eq!(world.cloud.objects().len(), 2, "the network and the bucket");
    converges(&world, &program);
    assert_eq!(world.cloud.objects().len(), 6, "and not two networks");
}

#[test]
fn a_step_that_takes_too_long_fails_by_itself() {
    let world = World::new(1);
    let program = sized("small", Options::new().create_timeout(Duration::from_secs(90)));
    world.cloud.set_fate(on(Verb::Finish, "sim:app:Server", Fault::Hangs));
    let report = failed(&world, &program);
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].error.kind, ErrorKind::TimedOut);
    let elapsed = report.elapsed;
    assert!(elapsed > Duration::from_secs(89) && elapsed < Duration::from_secs(95), "{elapsed:?}");
    assert_eq!(report.summary.create, 5);
    let server = urn("app:Server", "server");
    let id = world.id(&server);
    converges(&world, &program);
    assert_eq!(world.id(&server), id, "it was finished and not made again");
}

#[test]
fn every_verb_has_a_timeout() {
    let mut world = World::new(1);
    world.settings.timeout = Duration::from_secs(60);
    world.up(&small("small")).succeeded();
    world.cloud.set_fate(on(Verb::Update, "sim:app:Server", Fault::HangsDone));
    let report = failed(&world, &small("large"));
    assert_eq!(report.failures[0].error.kind, ErrorKind::TimedOut);
    converges(&world, &small("large"));
    world.cloud.set_fate(on(Verb::Delete, "sim:app:Bucket", Fault::Hangs));
    let report = world.destroy().ok();
    assert_eq!(report.failures.iter().map(|f| f.error.kind).collect::<Vec<_>>(), [ErrorKind::TimedOut]);
    world.cloud.calm();
    world.destroy().succeeded();
    world.assert_empty();
}

#[test]
fn a_creation_that_was_not_finished_is_finished_by_the_next_up() {
    let world = World::new(1);
    let program = small("small");
    world.cloud.set_fate(on(Verb::Finish, "sim:net:Network", Fault::Refused));
    let report = failed(&world, &program);
    let main = urn("net:Network", "main");
    assert_eq!(report.failures.iter().map(|f| &f.urn).collect::<Vec<_>>(), [&main]);
    assert_eq!(report.skipped.len(), 4, "what needs the network waits until it can be used");
    let id = world.id(&main);
    assert!(world.state().resources[&main].incomplete);
    world.cloud.calm();
    let plan = world.preview(&program).unwrap();
    let step = plan.steps.iter().find(|s| s.urn == main).unwrap();
    assert_eq!(step.op, Op::Update);
    assert!(step.reasons.iter().any(|r| r.contains("not finished")), "{:?}", step.reasons);
    converges(&world, &program);
    assert_eq!(world.id(&main), id);
}

#[test]
fn a_lost_answer_costs_no_second_object() {
    for kind in
        ["sim:net:Network", "sim:net:Subnet", "sim:net:Group", "sim:net:Rule", "sim:app:Server", "sim:app:Bucket"]
    {
        for fault in [Fault::AnswerLost, Fault::RequestLost] {
            // Lost once, the same run gets over it.
            let world = World::new(1);
            world.cloud.set_fate(at_first(1, Verb::Create, kind, fault));
            world.up(&small("small")).succeeded();
            world.assert_settled(&small("small"));
            assert_eq!(world.cloud.objects().len(), 6);
            // Lost as often as anyone tries, the next one does.
            let world = World::new(1);
            world.cloud.set_fate(move |call| {
                (call.type_name == kind && matches!(call.verb, Verb::Create | Verb::Find)).then_some(fault)
            });
            let report = world.up(&small("small")).ok();
            assert_eq!(report.result, RunResult::Failed, "{kind} {fault:?}");
            converges(&world, &small("small"));
            assert_eq!(world.cloud.objects().len(), 6);
        }
    }
}

#[test]
fn a_name_that_someone_else_has_is_an_error_and_no_theft() {
    let world = World::new(1);
    let fields = [("name".to_owned(), Value::String("logs".into()))].into();
    world.cloud.make(<Bucket as phx_model::Resource>::schema(), &fields);
    let report = failed(&world, &small("small"));
    assert_eq!(report.failures[0].error.kind, ErrorKind::AlreadyExists);
    assert!(
        report.failures[0].error.hint.as_deref().is_some_and(|h| h.contains("import")),
        "{}",
        report.failures[0].error
    );
    assert!(world.state().open.is_empty(), "it is known that nothing was created");
    assert!(world.cloud.object("sim:app:Bucket", "logs").unwrap().intent.is_none());
    world.cloud.outside("sim:app:Bucket", "logs", &Outside::Delete);
    converges(&world, &small("small"));
}

#[test]
fn a_change_of_which_nobody_knows_whether_it_arrived_is_sent_again() {
    for fault in [Fault::RequestLost, Fault::AnswerLost] {
        let world = World::new(1);
        world.up(&small("small")).succeeded();
        world.cloud.set_fate(on(Verb::Update, "sim:app:Server", fault));
        failed(&world, &small("large"));
        let server = urn("app:Server", "server");
        let record = &world.state().resources[&server];
        assert!(record.uncertain.contains("password") && record.uncertain.contains("size"), "{record:?}");
        world.cloud.calm();
        // Reading tells of the size. Nobody tells of the password.
        let plan = world.preview(&small("large")).unwrap();
        let step = plan.steps.iter().find(|s| s.urn == server).unwrap();
        assert_eq!(step.op, Op::Update);
        assert!(step.diff.iter().any(|d| d.path == "password" && d.secret), "{:?}", step.diff);
        converges(&world, &small("large"));
        assert_eq!(world.object(&server).fields["password"], Value::String(format!("{CANARY}large").into()));
        // Also if the program has gone back to what it was before.
        world.cloud.set_fate(on(Verb::Update, "sim:app:Server", fault));
        failed(&world, &small("huge"));
        converges(&world, &small("large"));
        assert_eq!(world.object(&server).fields["password"], Value::String(format!("{CANARY}large").into()));
    }
}

#[test]
fn what_is_gone_is_made_again() {
    let world = World::new(1);
    let program = small("small");
    world.up(&program).succeeded();
    let (subnet, server) = (urn("net:Subnet", "subnet"), urn("app:Server", "server"));
    let gone = world.id(&subnet);
    world.cloud.outside("sim:net:Subnet", &gone, &Outside::Delete);
    let plan = world.preview(&program).unwrap();
    let step = |of: &Urn| plan.steps.iter().find(|s| s.urn == *of).unwrap();
    assert_eq!((step(&subnet).op, step(&server).op), (Op::Create, Op::Create));
    assert!(step(&subnet).reasons.iter().any(|r| r.contains(&gone)), "{:?}", step(&subnet).reasons);
    let report = converges(&world, &program);
    assert_eq!((report.summary.create, report.summary.same), (2, 4));
}

#[test]
fn a_read_that_fails_is_not_an_object_that_is_gone() {
    let program = small("small");
    for fault in [ReadFault::Call, ReadFault::One] {
        let world = World::new(1);
        world.up(&program).succeeded();
        world.cloud.set_read_fate(move |kind, _| (kind == "sim:net:Subnet").then_some(fault));
        for run in [world.up(&program), world.destroy()] {
            let error = run.result().unwrap_err();
            let EngineError::RefreshFailed(failures) = &error else { panic!("{error}") };
            assert_eq!(failures.len(), 1);
            assert!(error.to_string().contains(urn("net:Subnet", "subnet").as_str()), "{error}");
        }
        assert!(world.preview(&program).is_err());
        assert_eq!(world.cloud.objects().len(), 6);
        assert_eq!(world.state().resources.len(), 6);
        // One can go by what was recorded.
        let blind = RunOptions { refresh: false, ..RunOptions::default() };
        world.up_with(&small("large"), &blind, &Disturbance::default()).succeeded();
        assert_eq!(world.cloud.counts().reads, 0);
        converges(&world, &small("large"));
    }
}

#[test]
fn a_refresh_records_what_it_sees_and_changes_nothing() {
    let world = World::new(1);
    let program = small("small");
    world.up(&program).succeeded();
    let (rule, server) = (urn("net:Rule", "rule"), urn("app:Server", "server"));
    let (rule_id, server_id) = (world.id(&rule), world.id(&server));
    world.cloud.outside("sim:net:Rule", &rule_id, &Outside::Delete);
    world.cloud.outside("sim:app:Server", &server_id, &Outside::Set("size", Value::String("tiny".into())));
    let objects = world.cloud.objects();
    let run = world.refresh();
    let refreshed = run.events.iter().find_map(|e| match e {
        Event::Refreshed { gone, drifted, .. } => Some((gone.clone(), drifted.clone())),
        _ => None,
    });
    assert_eq!(refreshed, Some((vec![rule.clone()], vec![server.clone()])));
    run.succeeded();
    assert_eq!(world.cloud.objects(), objects);
    assert!(!world.state().resources.contains_key(&rule));
    assert_eq!(world.state().resources[&server].drift["size"], Value::String("tiny".into()));
    converges(&world, &program);
}

fn disk(options: Options) -> Program {
    program(|stack| stack.add_with("disk", Disk::new(1), options).map(drop))
}

#[test]
fn what_cannot_be_found_again_is_asked_about() {
    let data = urn("app:Disk", "disk");
    let world = World::new(1);
    world.cloud.set_fate(on(Verb::Create, "sim:app:Disk", Fault::AnswerLost));
    let report = failed(&world, &disk(Options::new()));
    assert_eq!(world.cloud.counts().creates, 1, "to try again might make a second one");
    assert_eq!(report.failures[0].error.kind, ErrorKind::Ambiguous);
    world.cloud.calm();
    for error in [
        world.up(&disk(Options::new())).result().unwrap_err(),
        world.preview(&disk(Options::new())).unwrap_err(),
        world.destroy().result().unwrap_err(),
    ] {
        let EngineError::Unsettled(intents) = &error else { panic!("{error}") };
        assert_eq!(intents.iter().map(|i| &i.urn).collect::<Vec<_>>(), [&data]);
        assert!(error.to_string().contains(data.as_str()) && error.to_string().contains("import"), "{error}");
    }
    assert_eq!(world.cloud.objects().len(), 1);
    // The user looks, and says which it is.
    let id = world.cloud.objects()[0].id.clone();
    let program = disk(Options::new().import(&*id));
    converges(&world, &program);
    assert_eq!(world.id(&data), id);
    assert_eq!(world.cloud.objects().len(), 1);
}

#[test]
fn a_refused_create_of_such_a_type_is_no_question() {
    let world = World::new(1);
    world.cloud.set_fate(on(Verb::Create, "sim:app:Disk", Fault::Refused));
    failed(&world, &disk(Options::new()));
    converges(&world, &disk(Options::new()));
}

#[test]
fn a_second_run_is_turned_away_while_the_first_holds_the_lease() {
    let world = World::new(1);
    let program = small("small");
    let run = world.run(&Disturbance::default(), async |engine| {
        let options = RunOptions { holder_who: "me@here".into(), ..RunOptions::default() };
        let first = engine.up(&program, &options, &|_| true);
        let second = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            engine.up(&program, &options, &|_| true).await
        };
        let (first, second) = tokio::join!(first, second);
        first?;
        second
    });
    let error = run.result().unwrap_err();
    assert!(matches!(&error, EngineError::Store(StoreError::Leased(_))), "{error}");
    assert!(error.to_string().contains("me@here"), "{error}");
    world.assert_settled(&program);
}

#[test]
fn who_has_lost_the_lease_calls_nothing_more() {
    let store = MemoryStore::new();
    for at in 0..8 {
        let world = World::with_store(at, Arc::new(store.clone()));
        let program = small("small");
        // Another holder takes over in the middle of a call. What is in flight cannot be called back; nothing more may begin.
        let (stolen, after) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let stack = stack_name();
        {
            let (store, stolen, after, stack) = (store.clone(), stolen.clone(), after.clone(), stack.clone());
            world.cloud.set_fate(move |call| {
                if stolen.load(Ordering::SeqCst) {
                    after.fetch_add(1, Ordering::SeqCst);
                } else if call.n == at {
                    store.steal(&stack);
                    stolen.store(true, Ordering::SeqCst);
                }
                None
            });
        }
        let run = world.up(&program);
        assert!(stolen.load(Ordering::SeqCst));
        let error = match run.ended {
            Ended::Returned(result) => result.unwrap_err(),
            Ended::Killed(_) => unreachable!(),
        };
        assert!(matches!(&error, EngineError::Store(StoreError::Superseded { .. })), "{error}");
        // Steps whose intents were durable already at that moment were in flight.
        let open = world.state().open.len() as u64;
        assert!(after.load(Ordering::SeqCst) <= open, "{} calls after, {open} in flight", after.load(Ordering::SeqCst));
        converges(&world, &program);
        world.destroy().succeeded();
        world.assert_empty();
    }
}

#[test]
fn a_store_that_breaks_stops_the_run_and_the_next_one_goes_on() {
    for at in 0..12 {
        for durable in [false, true] {
            let world = World::new(at);
            let how = Disturbance { kill: None, breaks: Some((at, durable)) };
            let run = world.up_with(&small("small"), &RunOptions::default(), &how);
            if let Ended::Returned(Ok(report)) = run.ended {
                assert!(world.durable.appends() <= at, "it went on: {report:?}");
            }
            converges(&world, &small("small"));
        }
    }
}

/// The subnet that a server was to be made in is deleted before the server's creation could be settled.
#[test]
fn a_creation_that_can_no_longer_happen_does_not_stand_in_the_way() {
    let world = World::new(1);
    let program = small("small");
    world.cloud.set_fate(move |call| {
        (call.type_name == "sim:app:Server" && matches!(call.verb, Verb::Create | Verb::Find))
            .then_some(Fault::RequestLost)
    });
    failed(&world, &program);
    assert_eq!(world.state().open.len(), 1);
    let main = world.id(&urn("net:Network", "main"));
    world.cloud.outside("sim:net:Network", &main, &Outside::Delete);
    converges(&world, &program);
}
