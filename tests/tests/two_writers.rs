//! Many runs on one stack: one works, the others are told so or wait; and whoever was stopped for longer than the lease lasts, and superseded, neither
//! writes nor calls any more.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use phx_tests::command::{Project, Said};
use phx_tests::emulator::Emulator;

const UP: [&str; 5] = ["up", "--stack", "dev", "--yes", "--json"];
const RUNS: usize = 20;

/// Phoenix before an AWS that takes its time, so that a run lasts long enough to be met by others.
struct Place {
    moto: Emulator,
    slow: Emulator,
    project: Project,
    _store: Option<Emulator>,
}

impl Place {
    fn in_a_folder(latency_ms: u32) -> Self {
        let moto = Emulator::moto();
        let slow = Emulator::counting(&moto, &["--latency-ms", &latency_ms.to_string()]);
        let project = Project::network().on(&slow);
        Self { moto, slow, project, _store: None }
    }

    fn in_s3(latency_ms: u32, ttl: &str) -> Self {
        let Self { moto, slow, project, .. } = Self::in_a_folder(latency_ms);
        let store = Emulator::moto();
        let project = project.with_state_in(&store, ttl);
        Self { moto, slow, project, _store: Some(store) }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.project.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// Starts so many at once, and gives what each of them said.
    fn together(&self, arguments: &[&str]) -> Vec<Said> {
        let running: Vec<Child> = (0..RUNS).map(|_| self.start(arguments)).collect();
        // Somebody has to read what each of them says, or they wait for that.
        let reading: Vec<_> =
            running.into_iter().map(|child| std::thread::spawn(move || child.wait_with_output())).collect();
        reading.into_iter().map(|said| Said::from(said.join().expect("a thread").expect("its output"))).collect()
    }

    /// The stack is whole, and there is nothing beside it.
    fn assert_whole(&self) {
        let listed = self.project.ok(&["state", "list", "--stack", "dev", "--json"]).json();
        let listed = listed["resources"].as_array().expect("resources").len();
        let inventory = self.moto.inventory();
        let found: usize = inventory.values().map(Vec::len).sum();
        assert!(listed > 20 && found == listed, "the state has {listed} resources, and there is {inventory:#?}");
        let again = self.project.run(&["preview", "--stack", "dev", "--detailed-exitcode"]);
        assert_eq!(again.code(), 0, "{}{}", again.out, again.err);
    }

    /// How many calls there were that are meant to change something.
    fn changes(&self) -> u64 {
        let counts = self.slow.counts();
        let looks = ["Describe", "Get", "List", "Lookup"];
        let ops = counts["ops"].as_object().expect("counts");
        let changing = ops.iter().filter(|(name, _)| {
            let name = name.split_once(':').map_or(name.as_str(), |(_, operation)| operation);
            !looks.iter().any(|look| name.starts_with(look))
        });
        changing.map(|(_, op)| op["n"].as_u64().expect("a number")).sum()
    }
}

fn one_works_and_the_others_are_told(place: &Place) {
    let said = place.together(&UP);
    let (done, leased): (Vec<&Said>, Vec<&Said>) = said.iter().partition(|s| s.code() == 0);
    for one in &leased {
        assert_eq!(one.code(), 3, "{}", one.err);
        assert!(one.err.contains("is leased by") && one.err.contains("hint:"), "{}", one.err);
    }
    assert_eq!(done.len(), 1, "{said:#?}");
    place.assert_whole();
    let history = place.project.ok(&["stack", "history", "--stack", "dev", "--json"]).json();
    assert_eq!(history["operations"].as_array().expect("operations").len(), 1, "{history}");
}

fn one_works_and_the_others_wait(place: &Place) {
    let mut arguments = UP.to_vec();
    arguments.extend(["--wait-lock", "5m"]);
    let said = place.together(&arguments);
    let mut worked = 0;
    for one in &said {
        assert_eq!(one.code(), 0, "{}", one.err);
        let last = one.events().last().expect("events").clone();
        let changes: u64 =
            ["create", "update", "replace", "delete"].iter().map(|op| last["summary"][op].as_u64().unwrap_or(0)).sum();
        worked += u64::from(changes > 0);
    }
    assert_eq!(worked, 1, "the others found something to do");
    place.assert_whole();
}

#[test]
fn of_twenty_at_once_one_works_in_a_folder() {
    // Twenty programs take a while to start; the first must still be at work when the last one does.
    one_works_and_the_others_are_told(&Place::in_a_folder(1_500));
}

#[test]
fn of_twenty_at_once_one_works_in_s3() {
    one_works_and_the_others_are_told(&Place::in_s3(2_000, "30s"));
}

#[test]
fn of_twenty_at_once_the_others_wait_in_a_folder() {
    one_works_and_the_others_wait(&Place::in_a_folder(50));
}

#[test]
fn of_twenty_at_once_the_others_wait_in_s3() {
    one_works_and_the_others_wait(&Place::in_s3(50, "30s"));
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
}

/// Waits until something is so, and fails if it does not come to be.
fn until(what: &str, is: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < limit, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_was_stopped_and_superseded_writes_and_calls_no_more() {
    let place = Place::in_s3(300, "2s");
    let stopped = place.start(&UP);
    until("a change", || place.changes() >= 6);
    kill(pid(&stopped), Signal::SIGSTOP).expect("SIGSTOP");

    // Another run finds out that the holder does nothing any more, takes over, settles what it had begun, and ends. It has a way to AWS of its
    // own, so that the calls of the two can be told apart.
    let direct = place.moto.url();
    let mut other = place.project.command(&UP);
    let other = Said::from(other.env("AWS_ENDPOINT_URL", &direct).output().expect("the program starts"));
    assert_eq!(other.code(), 0, "{}", other.err);

    let state = || place.project.ok(&["state", "list", "--stack", "dev", "--json"]).out;
    let history = || place.project.ok(&["stack", "history", "--stack", "dev", "--json"]).out;
    // What the stopped one had sent is answered by now, and counted.
    let total = || place.slow.counts()["total"].as_u64();
    until("quiet", || {
        let before = total();
        std::thread::sleep(Duration::from_secs(1));
        before == total()
    });
    let (changes, known, done, there) = (place.changes(), state(), history(), place.moto.inventory());

    kill(pid(&stopped), Signal::SIGCONT).expect("SIGCONT");
    let said = Said::from(stopped.wait_with_output().expect("its output"));
    assert_eq!(said.code(), 1, "{}", said.err);
    assert!(said.err.contains("taken over") || said.err.contains("could not be renewed"), "{}", said.err);
    assert_eq!(place.changes(), changes, "it has called: {:#}", place.slow.counts());
    assert_eq!(place.moto.inventory(), there);
    assert_eq!((state(), history()), (known, done), "it has written");

    let again = place.project.run(&["preview", "--stack", "dev", "--detailed-exitcode"]);
    assert_eq!(again.code(), 0, "{}{}", again.out, again.err);
    place.assert_whole();
}

#[test]
fn on_one_machine_a_stopped_run_keeps_its_lease_and_goes_on() {
    let place = Place::in_a_folder(300);
    let stopped = place.start(&UP);
    until("a change", || place.changes() >= 6);
    kill(pid(&stopped), Signal::SIGSTOP).expect("SIGSTOP");
    let other = place.project.run(&UP);
    assert_eq!(other.code(), 3, "{}", other.err);
    kill(pid(&stopped), Signal::SIGCONT).expect("SIGCONT");
    let said = Said::from(stopped.wait_with_output().expect("its output"));
    assert_eq!(said.code(), 0, "{}", said.err);
    place.assert_whole();
}
