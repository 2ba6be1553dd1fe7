//! SIGKILL of runs that make and destroy the whole of Phoenix's prod stack (more than 200 resources of 20 services), at every point that there is.
//! AWS is phx's sandbox, in a process of its own, and a new one for each kill. One undisturbed run has to bring everything to where an
//! uninterrupted one would have: by boto3's inventory of all services, by the state, and by a preview that finds nothing to do.
//!
//! Each point is used once on the way up and once on the way down. `PHX_CRASH_POINTS=n` uses n of the times that it is reached.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;
use phx_tests::command::{Project, Said};
use phx_tests::emulator::Emulator;
use tempfile::TempDir;

const UP: &[&str] = &["up", "--stack", "prod", "--yes"];
const DESTROY: &[&str] = &["destroy", "--stack", "prod", "--yes"];

/// Kinds of objects, and how many of each there are.
type Sizes = BTreeMap<String, usize>;

/// A new account, and nothing recorded.
struct World<'p> {
    project: &'p Project,
    aws: Emulator,
    _folder: TempDir,
}

impl<'p> World<'p> {
    fn new(project: &'p Project) -> Self {
        let _ = std::fs::remove_dir_all(project.path().join(".phx"));
        let folder = tempfile::tempdir().expect("a folder");
        Self { project, aws: Emulator::sandbox(project.binary(), folder.path()), _folder: folder }
    }

    fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
        let mut command = self.project.command(arguments);
        command.env("AWS_ENDPOINT_URL", self.aws.url()).env("AWS_REGION", "us-west-2");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").envs(settings.iter().copied());
        Said::from(command.output().expect("the program starts"))
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], context: &str) -> Said {
        let said = self.run(arguments, &[]);
        assert_eq!(said.code(), 0, "{context}: {arguments:?}\n{}\n{}", said.out, said.err);
        said
    }

    fn sizes(&self) -> Sizes {
        self.aws.inventory_of_all(&[]).into_iter().map(|(kind, items)| (kind, items.len())).collect()
    }

    /// A run that is to be killed; whether it was: how often a point is reached can differ, since steps run side by side.
    fn killed(&self, arguments: &[&str], point: &str, k: u64) -> bool {
        let said = self.run(arguments, &[("PHX_CRASH_AT", &format!("{point}:{k}"))]);
        match said.status.signal() {
            Some(signal) => assert_eq!(signal, Signal::SIGKILL as i32, "{point}:{k}: {}", said.err),
            None => assert_eq!(said.code(), 0, "{point}:{k}: neither killed nor done: {}{}", said.out, said.err),
        }
        said.status.signal().is_some()
    }
}

/// How often each point is reached by a run that nobody disturbs.
fn reached(world: &World<'_>, arguments: &[&str]) -> BTreeMap<String, u64> {
    let file = world.project.path().join("points");
    let _ = std::fs::remove_file(&file);
    let said = world.run(arguments, &[("PHX_CRASH_COUNT", file.to_str().expect("a path"))]);
    assert_eq!(said.code(), 0, "{arguments:?} undisturbed: {}{}", said.out, said.err);
    let mut reached = BTreeMap::new();
    for point in std::fs::read_to_string(&file).expect("the points").lines() {
        *reached.entry(point.to_owned()).or_default() += 1;
    }
    reached
}

/// Of each point, so many of the times that it is reached, spread evenly: in the middle of each part, where most is under way.
fn plan(reached: &BTreeMap<String, u64>, most: u64) -> Vec<(&str, u64)> {
    let mut kills = Vec::new();
    for (point, &times) in reached {
        let n = times.min(most);
        kills.extend((0..n).map(|i| (point.as_str(), (1 + (2 * i + 1) * times / (2 * n)).min(times))));
    }
    kills
}

#[test]
fn the_whole_of_prod_goes_on_after_a_kill() {
    let most = std::env::var("PHX_CRASH_POINTS").map_or(1, |n| n.parse().expect("PHX_CRASH_POINTS is a number"));
    let project = Project::copy("stacks");
    for (from, to) in [
        ("protect = true", "protect = false"),
        ("deletion_protection = true", "deletion_protection = false"),
        ("final_snapshot = true", "final_snapshot = false"),
    ] {
        project.edit("prod.toml", from, to);
    }
    let (up, down, whole, empty) = {
        let world = World::new(&project);
        let up = reached(&world, UP);
        let whole = world.sizes();
        let down = reached(&world, DESTROY);
        (up, down, whole, world.sizes())
    };
    assert!(whole.values().sum::<usize>() > 200, "{whole:?}");
    assert_eq!(empty.values().sum::<usize>(), 0, "{empty:?}");

    let (ups, downs) = (plan(&up, most), plan(&down, most));
    let (mut wanted, mut kills) = (0, 0);
    for round in 0..ups.len().max(downs.len()) {
        let world = World::new(&project);
        let mut context = "undisturbed".to_owned();
        if let Some(&(point, k)) = ups.get(round) {
            context = format!("killed at {point}:{k} of up");
            wanted += 1;
            kills += usize::from(world.killed(UP, point, k));
        }
        world.ok(UP, &context);
        assert_eq!(world.sizes(), whole, "{context}: an orphan, a duplicate or something missing");
        let again = world.run(&["preview", "--stack", "prod", "--detailed-exitcode"], &[]);
        assert_eq!(again.code(), 0, "{context}: there is something left to do: {}{}", again.out, again.err);
        let drift = world.run(&["drift", "--stack", "prod", "--orphans"], &[]);
        assert_eq!(drift.code(), 0, "{context}: {}{}", drift.out, drift.err);
        if let Some(&(point, k)) = downs.get(round) {
            context = format!("killed at {point}:{k} of destroy");
            wanted += 1;
            kills += usize::from(world.killed(DESTROY, point, k));
        }
        world.ok(DESTROY, &context);
        assert_eq!(world.sizes(), empty, "{context}: something is left");
        let listed = world.ok(&["state", "list", "--stack", "prod", "--json"], &context).json();
        assert_eq!(listed["resources"], serde_json::json!([]), "{context}");
    }
    println!("{kills} kills of {wanted}");
    assert!(kills * 10 >= wanted * 9 && kills >= 40, "of {wanted} points, only {kills} were reached");
}
