//! The model of phx: names, values, expressions, schema and the traits that everything else meets at.
//!
//! This crate is pure. It has no runtime, no clock, no I/O and no idea of any cloud, so that whatever is decided here
//! can be tested in microseconds and simulated. Everything else depends on it, and it depends on nothing of phx's but
//! the derive macros:
//!
//! | module | what lives there |
//! |---|---|
//! | [`urn`] | logical names: [`Urn`], [`StackName`](urn::StackName) |
//! | [`value`] | what is known: [`Value`], secrets, typed values ([`Val`]) |
//! | [`expr`] | what is not known yet: [`Expr`], the closed expression language |
//! | [`typed`] | the typed layer over it: [`Input`], [`Output`], typed ids |
//! | [`cidr`] | address ranges and their arithmetic |
//! | [`schema`] | what a resource type is: [`Schema`](schema::Schema), field attributes |
//! | [`provider`] | the accounts and regions that a program's resources lie in |
//! | [`lookup`] | what a program asks the cloud while it is written down |
//! | [`stack`] | a program being written down: [`Stack`], components, options |
//! | [`check`] | what has to be true after `up`: [`Check`] |
//! | [`config`] | typed stack configuration from TOML |
//! | [`map`] | small maps and sets as sorted lists |
//! | [`key`] | what a state says of the key of its secrets |
//! | [`state`] | what phx remembers: records, the journal's entries, and the fold over them |
//! | [`driver`] | the seam to a cloud: [`Driver`](driver::Driver) |
//! | [`store`] | the seam to a state store: [`Store`](store::Store) |
//! | [`error`] | a cloud's refusal, with everything that the cloud said |
//!
//! A resource type is a struct of fields and a struct of outputs; a program declares resources and passes outputs on:
//!
//! ```
//! use phx_model::typed::Tags;
//! use phx_model::{Input, Ipv4Cidr, Outputs, Resource, Stack};
//!
//! phx_model::id_type! {
//!     /// A network's id.
//!     NetId;
//! }
//!
//! /// A network.
//! #[derive(Clone, Debug, Resource)]
//! #[resource(type = "example:net:Net", identity = ClientToken)]
//! pub struct Net {
//!     /// The range of addresses.
//!     #[field(replace)]
//!     pub range: Input<Ipv4Cidr>,
//!     /// The network that it is a part of.
//!     pub parent: Option<Input<NetId>>,
//!     /// The tags.
//!     pub tags: Tags,
//! }
//!
//! /// What the cloud decides.
//! #[derive(Clone, Debug, PartialEq, Outputs)]
//! pub struct NetOutputs {
//!     /// The id.
//!     pub id: NetId,
//! }
//!
//! fn program(stack: &mut Stack) -> Result<(), Box<dyn std::error::Error>> {
//!     let range: Ipv4Cidr = "10.0.0.0/16".parse()?;
//!     let whole = stack.add("whole", Net::new(range).tag("Owner", "platform"))?;
//!     let part = stack.add("part", Net::new(range.subnet(4, 0)?).parent(whole.id()))?;
//!     stack.export("part", part.id())?;
//!     Ok(())
//! }
//! # let [p, s] = ["p", "s"].map(|n| phx_model::urn::StackName::new(n).unwrap());
//! # let mut stack = Stack::new(p, s, Default::default(), Default::default());
//! # program(&mut stack).unwrap();
//! # assert_eq!(stack.finish().resources.len(), 2);
//! ```
#![forbid(unsafe_code)]

// The derive macros name this crate by its own name, also inside it.
extern crate self as phx_model;

#[doc(hidden)]
pub mod __private;
pub mod check;
pub mod cidr;
pub mod config;
pub mod discreet;
pub mod driver;
pub mod error;
pub mod expr;
pub mod key;
pub mod lookup;
pub mod map;
pub mod provider;
pub mod schema;
pub mod stack;
pub mod state;
pub mod store;
pub mod typed;
pub mod urn;
pub mod value;

pub use check::Check;
pub use cidr::Ipv4Cidr;
pub use error::CloudError;
pub use expr::Expr;
pub use lookup::Lookup;
pub use phx_derive::{Block, Outputs, Resource};
pub use provider::Provider;
pub use stack::{Handle, Options, Program, Scope, Stack};
pub use typed::{Input, Output, Resource};
pub use urn::Urn;
pub use value::{Val, Value, ValueMap};
