//! AWS for phx: resource types, and how AWS is called.
//!
//! A resource type is one file, `src/<service>/<resource>.rs`: the struct of its fields, its outputs, and its verbs
//! ([`Manage`]). [`ec2::vpc`] is the one to read first. To add a type, write its file and name it in the service's list of types;
//! nothing else has to be touched.
//!
//! | module | what lives there |
//! |---|---|
//! | [`client`] | [`Aws`]: credentials, region, endpoint, one HTTP client, the SDK's clients |
//! | [`call`] | calling: which failures are repeated, and what a failure means |
//! | [`pace`] | how fast a throttled action may be called |
//! | [`manage`] | [`Manage`], the trait of a resource type, and its adapter to the engine's `Driver` |
//! | [`batch`] | reading many objects with few calls |
//! | [`wait`] | waiting until an object is ready |
//! | [`tags`] | tags, and the intent tag among them |
//! | [`notify`] | a message to an SNS topic, which is no resource |
//! | [`orphans`] | what bears a stack's mark and is in no state |
//! | [`owner`] | whose an object is that already bears the wanted name |
//! | [`ec2`], [`iam`], [`logs`], [`s3`] | the services, each a cargo feature |
//!
//! # How an open intent is settled
//!
//! Every type declares its [`Identity`](phx_model::schema::Identity). Types that AWS tags while creating them are marked with the
//! intent's id (`phx:intent`) and found by it; types with a name of the program's are found by the name.
//!
//! # Retries
//!
//! The SDK's own retries are switched off: it would repeat a create whose answer was lost, and so make two objects. See [`call`].
#![forbid(unsafe_code)]
// An error keeps everything that AWS said; every function that returns one has just waited for the network.
#![allow(clippy::result_large_err)]

pub mod arn;
pub mod batch;
pub mod call;
pub mod client;
pub mod manage;
#[cfg(feature = "notify")]
pub mod notify;
#[cfg(all(feature = "iam", feature = "logs"))]
pub mod orphans;
pub mod owner;
pub mod pace;
pub mod tags;
pub mod wait;

#[cfg(feature = "ec2")]
pub mod ec2;
#[cfg(feature = "iam")]
pub mod iam;
#[cfg(feature = "logs")]
pub mod logs;
#[cfg(feature = "s3")]
pub mod s3;

pub use arn::Arn;
pub use client::{Aws, Service};
pub use manage::Manage;

use phx_model::driver::Registry;
use phx_model::schema::Schema;

/// Adds every type of every enabled service.
pub fn register(registry: &mut Registry, aws: &Aws) {
    #[cfg(feature = "ec2")]
    ec2::register(registry, aws);
    #[cfg(feature = "iam")]
    iam::register(registry, aws);
    #[cfg(feature = "logs")]
    logs::register(registry, aws);
    #[cfg(feature = "s3")]
    s3::register(registry, aws);
}

/// What every type is, by name. Needs no credentials, no region and no network.
pub fn schemas() -> Vec<&'static Schema> {
    let mut registry = Registry::new();
    // Nothing is read or connected to before the first call.
    register(&mut registry, &Aws::builder().build());
    registry.schemas().collect()
}
