//! phx's test kit: a simulated cloud, a world to run the engine in, and random programs.
//!
//! | module | what it is |
//! |---|---|
//! | [`sim`] | the simulated cloud: a handful of resource types that between them have every attribute a schema knows |
//! | [`life`] | boundaries at which a run can be killed |
//! | [`seal`] | secrets sealed as a store with a key would seal them |
//! | [`tap`] | a store that watches the store behind it, and can break |
//! | [`emulator`] | AWS emulators that others wrote, started for a test |
//! | [`cloud`] | several emulators that together are one AWS |
//! | [`command`] | the real program, run as a person would |
//! | [`world`] | one cloud, one store and the runs over them, with every invariant checked after each |
//! | [`spec`] | random programs and random edits of them |
//! | [`scale`] | large programs, for measuring |
//!
//! Runs take simulated time: a runtime of one thread whose clock is paused and jumps to the next timer, so that a minute of waiting costs
//! nothing and every run with the same seed is the same run.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test kit: a broken expectation is a failed test
#![allow(clippy::result_large_err)] // a cloud's error is as large as a driver's is

pub mod cloud;
pub mod command;
pub mod emulator;
pub mod life;
pub mod scale;
pub mod seal;
pub mod sim;
pub mod spec;
pub mod tap;
pub mod world;

/// The workspace's folder.
pub fn workspace() -> std::path::PathBuf {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}
