//! The engine of phx: from a program and a state to a plan, and from a plan to a changed cloud.
//!
//! It knows neither AWS nor S3. It works on a [`Program`](phx_model::Program), through the [`Driver`](phx_model::driver::Driver)s of a
//! [`Registry`](phx_model::driver::Registry), with a [`Store`](phx_model::store::Store), and tells an [`EventSink`](events::EventSink) what happens. It
//! never prints, never reads the environment and never looks at the home directory.
//!
//! | module | what it does |
//! |---|---|
//! | [`graph`] | a program's dependencies; cycles and dangling references |
//! | [`plan`] | what a plan is |
//! | [`diff`] | what differs between a wish and what is there |
//! | [`planner`] | program + state → plan, a pure function |
//! | [`schedule`] | plan → an ordered set of actions, a pure function |
//! | [`refresh`] | what the cloud has, read in batches |
//! | [`drift`] | what someone else has changed |
//! | [`journal`] | group commit of journal entries |
//! | [`recover`] | settling the intents that an earlier run left open |
//! | [`execute`] | running a schedule |
//! | [`events`] | what happened, as it happens |
//! | [`inputs`] | what can be said of a program's inputs before anything is called |
//! | [`saved`] | a plan kept in a file, to be executed exactly or not at all |
//! | [`verify`] | what is asked of the cloud after an `up`, and the reading of single objects for it |
//! | [`engine`] | the whole of it: preview, up, destroy, refresh |
#![forbid(unsafe_code)]

pub mod diff;
pub mod drift;
pub mod engine;
pub mod events;
pub mod execute;
pub mod graph;
pub mod inputs;
pub mod journal;
mod needs;
mod places;
pub mod plan;
pub mod planner;
pub mod recover;
pub mod refresh;
pub mod saved;
pub mod schedule;
pub mod verify;

pub use engine::{Engine, EngineError};
pub use plan::{Op, Plan, Step};
