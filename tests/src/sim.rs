//! A simulated cloud behind [`Driver`](phx_model::driver::Driver): ids it assigns, seeded latency, faults, eventual consistency, dependency refusals, name
//! conflicts and edits from outside.
//!
//! It also keeps watch: what a correct engine never does is noted as a *violation* (a call whose intent is not durable, an unknown in a
//! request, an update of a field that cannot be updated, a dependency that is not there yet), and the test fails for it.

mod driver;
mod store;
mod trouble;
mod types;

pub use driver::{SimDriver, SimType, registry};
pub use store::{Cloud, Facts, Object, Outside};
pub use trouble::{Call, Counts, Fault, ReadFault, Rng, Verb};
pub use types::*;
