//! SIGKILL at every named point (`phx crash-points`) of creating, changing, replacing and destroying the Phoenix network on moto, with the state in a
//! folder and in S3 and DynamoDB. After each kill one undisturbed run has to bring everything to where an uninterrupted one would have: nothing is
//! missing, nothing is there twice, nothing is there that the state does not know, and a preview finds nothing to do.
//!
//! Each point is used at up to 4 of the times that it is reached, spread evenly: more than 300 kills. `PHX_CRASH_POINTS=n` uses n of them, `all` every one.
//! `PHX_CRASH_ONLY="replace create.after:3"` runs one again; a failure says which.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;
use phx_tests::command::{Project, Said};
use phx_tests::emulator::{Clerk, Emulator, Inventory};

/// The ways between the four situations: nothing is there, the network is, it is changed, it is made anew. They form a ring, so that each
/// way's end is the next one's beginning.
const WAYS: [&str; 4] = ["create", "update", "replace", "destroy"];

/// What the third way makes anew, and with it what refers to it: some before the old one is deleted, and some, whose names or ranges only one can
/// have, after. Nothing that a NAT gateway depends on: moto does not free the address of one that is deleted.
const REPLACED: [&str; 5] = [
    "urn:phx:phoenix:dev:aws:ec2:SecurityGroup:networking/internal",
    "urn:phx:phoenix:dev:aws:ec2:Subnet:networking/database-a",
    "urn:phx:phoenix:dev:aws:ec2:Subnet:networking/private-b",
    "urn:phx:phoenix:dev:aws:ec2:RouteTable:networking/private-a",
    "urn:phx:phoenix:dev:aws:ec2:RouteTable:networking/database",
];

/// Where else the run after a kill is killed too, in turn.
const AGAIN: [&str; 6] =
    ["find.before", "find.after", "append.after", "read.after", "checkpoint.before", "release.before"];

/// Where states are kept.
#[derive(Clone, Copy, Debug)]
enum State {
    Folder,
    S3,
}

/// A kill: on which way, at which point, at the how-manieth time it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kill {
    way: usize,
    point: String,
    k: u64,
}

/// Kinds, and of each what can be told of its objects that is the same in every run.
type Shape = BTreeMap<String, Vec<String>>;

/// One network and one AWS.
struct Place {
    state: State,
    moto: Emulator,
    clerk: Clerk,
    project: Project,
    /// The emulator of the state.
    _store: Option<Emulator>,
    original: String,
    /// What an uninterrupted run leaves, by way.
    expected: Vec<Shape>,
    /// How often an uninterrupted run reaches each point, by way.
    reached: Vec<BTreeMap<String, u64>>,
}

fn shape(inventory: &Inventory) -> Shape {
    let named = ["role", "log_group", "role_policy", "role_policy_attachment"];
    let one = |kind: &str, id: &str, tags: &BTreeMap<String, String>| {
        let mut tags = tags.clone();
        // Which run made it.
        tags.entry("phx:intent".into()).and_modify(|intent| intent.clear());
        format!("{} {tags:?}", if named.contains(&kind) { id } else { "" })
    };
    let shapes = inventory.iter().map(|(kind, items)| {
        let mut items: Vec<String> = items.iter().map(|i| one(kind, &i.id, &i.tags)).collect();
        items.sort();
        (kind.clone(), items)
    });
    shapes.collect()
}

impl Place {
    /// Goes round once undisturbed, to see what there is and how often each point is reached.
    fn new(state: State) -> Self {
        let moto = Emulator::moto();
        let mut project = Project::network().on(&moto);
        // moto loses the security groups and route tables of an endpoint for which others are put in.
        project.edit("dev.toml", "gateway_endpoints = [\"s3\", \"dynamodb\"]", "gateway_endpoints = []");
        let endpoints = "interface_endpoints = [\"ecr.api\", \"ecr.dkr\", \"sts\", \"logs\"]";
        project.edit("dev.toml", endpoints, "interface_endpoints = []");
        let mut store = None;
        if let State::S3 = state {
            let emulator = Emulator::moto();
            project = project.with_state_in(&emulator, "4s");
            store = Some(emulator);
        }
        let original = std::fs::read_to_string(project.path().join("dev.toml")).expect("dev.toml");
        let clerk = moto.clerk();
        let (expected, reached) = (Vec::new(), Vec::new());
        let mut place = Self { state, moto, clerk, project, _store: store, original, expected, reached };
        for (way, name) in WAYS.iter().enumerate() {
            let file = place.project.path().join(format!("points-{way}"));
            place.prepare(way);
            let mut command = place.project.command(&Self::arguments(way, false));
            let said = Said::from(command.env("PHX_CRASH_COUNT", &file).output().expect("the program starts"));
            assert_eq!(said.code(), 0, "{name} undisturbed: {}{}", said.out, said.err);
            let mut reached = BTreeMap::new();
            for point in std::fs::read_to_string(&file).expect("the points").lines() {
                *reached.entry(point.to_owned()).or_default() += 1;
            }
            place.reached.push(reached);
            let inventory = place.clerk.inventory();
            place.expected.push(shape(&inventory));
            place.check(way, "undisturbed");
        }
        assert!(place.expected[0].values().map(Vec::len).sum::<usize>() > 20, "{:?}", place.expected[0]);
        assert!(place.expected[0] != place.expected[1] && place.expected[3].is_empty());
        place
    }

    /// Writes the configuration that a way leads to.
    fn prepare(&self, way: usize) {
        let mut text = self.original.clone();
        if way >= 1 {
            text = text.replace("\"platform\"", "\"network\"").replace("_days = 7", "_days = 14");
        }
        assert!(way == 0 || text != self.original, "dev.toml is not what this test takes it for");
        std::fs::write(self.project.path().join("dev.toml"), text).expect("dev.toml");
    }

    /// The command line that goes a way, and the one that goes on after a kill.
    fn arguments(way: usize, after_a_kill: bool) -> Vec<&'static str> {
        let mut arguments = vec![if WAYS[way] == "destroy" { "destroy" } else { "up" }, "--stack", "dev", "--yes"];
        if WAYS[way] == "replace" && !after_a_kill {
            arguments.extend(REPLACED.iter().flat_map(|urn| ["--replace", urn]));
        }
        arguments
    }

    /// A run that is to be killed. Whether it was: how often a point is reached can differ, since steps run side by side.
    fn killed(&self, arguments: &[&str], point: &str, k: u64, context: &str) -> bool {
        let mut command = self.project.command(arguments);
        let said =
            Said::from(command.env("PHX_CRASH_AT", format!("{point}:{k}")).output().expect("the program starts"));
        match said.status.signal() {
            Some(signal) => assert_eq!(signal, Signal::SIGKILL as i32, "{context}: {}", said.err),
            None if said.err.contains("could not be renewed") => {}
            None => assert_eq!(said.code(), 0, "{context}: neither killed nor done: {}{}", said.out, said.err),
        }
        said.status.signal().is_some()
    }

    /// Everything is as after an uninterrupted run.
    fn check(&mut self, way: usize, context: &str) {
        let inventory = self.clerk.inventory();
        assert_eq!(shape(&inventory), self.expected[way], "{context}: an orphan, a duplicate or something missing");
        let listed = self.project.ok(&["state", "list", "--stack", "dev", "--json"]).json();
        let known: Vec<&str> =
            listed["resources"].as_array().expect("resources").iter().filter_map(|r| r["id"].as_str()).collect();
        let found: usize = inventory.values().map(Vec::len).sum();
        assert_eq!(known.len(), found, "{context}: the state has {known:?}, and there is {inventory:#?}");
        for item in inventory.values().flatten().filter(|i| i.tags.contains_key("phx:intent")) {
            assert!(known.contains(&item.id.as_str()), "{context}: the state does not know {item:?}");
        }
        if WAYS[way] != "destroy" {
            let again = self.project.run(&["preview", "--stack", "dev", "--detailed-exitcode"]);
            assert_eq!(again.code(), 0, "{context}: there is something left to do: {}{}", again.out, again.err);
        }
        let lease = self.project.ok(&["lock", "status", "--stack", "dev", "--json"]).json();
        assert!(lease["lease"].is_null(), "{context}: the lease is still held: {lease}");
    }

    /// Goes one way, with a kill or without. Says how often a run was killed.
    fn go(&mut self, way: usize, kill: Option<&Kill>, again: Option<&str>) -> u64 {
        self.prepare(way);
        let mut kills = 0;
        let mut context = WAYS[way].to_owned();
        if let Some(Kill { point, k, .. }) = kill {
            let test = match self.state {
                State::Folder => "with_the_state_in_a_folder",
                State::S3 => "with_the_state_in_s3",
            };
            context = format!(
                "killed at {point}:{k} of {}{}\nagain with: PHX_CRASH_ONLY=\"{} {point}:{k}\" cargo test --release -p phx-tests --test crash_points {test}\n",
                WAYS[way],
                again.map(|point| format!(", and then at {point}")).unwrap_or_default(),
                WAYS[way],
            );
            kills += u64::from(self.killed(&Self::arguments(way, false), point, *k, &context));
            if let Some(point) = again {
                kills += u64::from(self.killed(&Self::arguments(way, true), point, 1, &context));
            }
        }
        let mut next = self.project.run(&Self::arguments(way, kill.is_some()));
        if next.code() == 1 && next.err.contains("could not be renewed") {
            // This machine is too busy for so short a lease. The run has stopped as it should, and is run again as it says.
            next = self.project.run(&Self::arguments(way, true));
        }
        assert_eq!(next.code(), 0, "{context}: the next run: {}{}", next.out, next.err);
        self.check(way, &context);
        kills
    }
}

/// Which kills to try: of each point as many as wanted of the times that it is reached, spread evenly, the first among them.
fn plan(reached: &[BTreeMap<String, u64>], most: u64) -> Vec<Kill> {
    let mut kills = Vec::new();
    for (way, points) in reached.iter().enumerate() {
        for (point, &times) in points {
            let n = times.min(most);
            kills.extend((0..n).map(|i| Kill { way, point: point.clone(), k: 1 + i * times / n }));
        }
    }
    kills
}

/// All of one share of the kills, of `of` shares.
fn share(state: State, share: usize, of: usize) -> u64 {
    let mut place = Place::new(state);
    let only = std::env::var("PHX_CRASH_ONLY").ok();
    let most = match std::env::var("PHX_CRASH_POINTS") {
        Ok(text) if text == "all" => u64::MAX,
        Ok(text) => text.parse().expect("PHX_CRASH_POINTS is a number or \"all\""),
        Err(_) => 4,
    };
    let planned: Vec<Kill> = match &only {
        Some(text) => {
            let (way, point) = text.split_once(' ').expect("PHX_CRASH_ONLY is \"WAY POINT:K\"");
            let (point, k) = point.split_once(':').expect("PHX_CRASH_ONLY is \"WAY POINT:K\"");
            let way = WAYS.iter().position(|w| *w == way).expect("a way");
            let kill = Kill { way, point: point.to_owned(), k: k.parse().expect("a number") };
            vec![kill; if share == 0 { AGAIN.len() + 1 } else { 0 }]
        }
        None => plan(&place.reached, most)
            .into_iter()
            .enumerate()
            .filter(|(i, _)| i % of == share)
            .map(|(_, k)| k)
            .collect(),
    };
    let wanted = planned.len() as u64;
    let mut queues: Vec<_> = (0..WAYS.len()).map(|way| planned.iter().filter(move |k| k.way == way)).collect();
    let (mut kills, mut round) = (0, 0);
    let mut tried = 0;
    while tried < wanted {
        for (way, queue) in queues.iter_mut().enumerate() {
            let kill = queue.next();
            tried += u64::from(kill.is_some());
            // Every third time the run after it is killed as well.
            let again = match only {
                Some(_) => AGAIN.get(round).copied(),
                None => (round % 3 == 2).then(|| AGAIN[(round / 3 + way) % AGAIN.len()]),
            };
            kills += place.go(way, kill, again);
        }
        round += 1;
    }
    println!("{state:?} {share}/{of}: {kills} kills in {round} rounds on {}", place.moto.url());
    assert!(kills * 10 >= wanted * 9, "of {wanted} points, only {kills} were reached");
    kills
}

/// Side by side, each with an AWS of its own.
fn shares(state: State, of: usize) -> u64 {
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..of).map(|i| scope.spawn(move || share(state, i, of))).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
    })
}

/// The whole of what is asked for: neither one point again, nor fewer than usual.
fn whole() -> bool {
    std::env::var_os("PHX_CRASH_ONLY").is_none() && std::env::var_os("PHX_CRASH_POINTS").is_none_or(|n| n == "all")
}

#[test]
fn with_the_state_in_a_folder() {
    let kills = shares(State::Folder, 2);
    assert!(!whole() || kills >= 180, "only {kills} kills");
}

#[test]
fn with_the_state_in_s3() {
    let kills = shares(State::S3, 3);
    assert!(!whole() || kills >= 120, "only {kills} kills");
}

#[test]
fn the_points_are_listed() {
    let listed = Project::network().ok(&["crash-points", "--json"]).json();
    let points = listed["points"].as_array().expect("points");
    assert!(points.iter().any(|p| p["name"] == "append.after") && points.len() >= 34, "{listed}");
    let unknown = Project::network().with("PHX_CRASH_AT", "nowhere").run(&["up", "--stack", "dev", "--yes"]);
    assert_eq!(unknown.code(), 64, "{}", unknown.err);
    assert!(unknown.err.contains("phx crash-points"), "{}", unknown.err);
}
