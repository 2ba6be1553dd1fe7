//! phx: infrastructure as code in Rust.
//!
//! A program describes what it needs in AWS as Rust structs; the binary that it makes is the whole command line, from `preview` to
//! `destroy`.
//!
//! ```no_run
//! use phx::aws::ec2::{Subnet, Vpc};
//! use phx::prelude::*;
//!
//! fn main() -> ExitCode {
//!     phx::main(network)
//! }
//!
//! fn network(stack: &mut Stack) -> Result<()> {
//!     let range: Ipv4Cidr = "10.0.0.0/16".parse()?;
//!     let vpc = stack.add("main", Vpc::new(range).enable_dns_hostnames(true))?;
//!     stack.add("a", Subnet::new(vpc.id(), range.subnet(4, 0)?).availability_zone("us-west-2a"))?;
//!     stack.export("vpc", vpc.id())?;
//!     Ok(())
//! }
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | [`prelude`] | what a program needs at every turn |
//! | [`aws`] | AWS resource types, by service |
//! | [`model`] | names, values, expressions, schemas ([`phx_model`]) |
//! | [`engine`] | planning and executing, for programs of their own ([`phx_engine`]) |
//! | [`state`] | where state is kept ([`phx_state`]) |
//! | [`verify`] | making the checks that a program declares |
//! | [`permissions`] | the IAM policy with which a plan can be carried out |
//! | [`project`] | `phx.toml` and the stacks' files, for programs that use the engine without the command line |
//!
//! # Without the command line
//!
//! The engine is a library and never prints: find the [`Project`](project::Project), have the program write itself down for a
//! [stack](project::StackSettings), and give an [`Engine`](engine::Engine) the resource types, a store and a receiver of events. The
//! example `library` does so.
//!
//! Of phx's crates, only this one prints.
#![forbid(unsafe_code)]

mod cli;
mod docs;
mod notify;
pub mod permissions;
pub mod project;
mod render;

pub mod verify;

pub use anyhow::{Error, Result};
pub use phx_engine as engine;
pub use phx_model as model;
pub use phx_model::format;
#[cfg(feature = "sandbox")]
pub use phx_sandbox as sandbox;
pub use phx_state as state;

use std::process::ExitCode;

use phx_model::Stack;

/// AWS: resource types by service, and [`Aws`](aws::Aws), the way to it.
pub mod aws {
    pub use phx_aws::*;
}

/// What a program needs at every turn: `use phx::prelude::*;`.
pub mod prelude {
    pub use std::process::ExitCode;

    pub use anyhow::Context as _;
    pub use phx_model::typed::Tags;
    pub use phx_model::{Check, Handle, Input, Ipv4Cidr, Options, Output, Provider, Scope, Stack};

    pub use crate::Result;
}

/// Makes a binary of a program: the whole command line (`preview`, `up`, `destroy`, …) for the stacks of its project.
///
/// The program is called to write itself down whenever a command needs it. It must not call a cloud itself, since it is also called when
/// nothing is to be changed; what it has to know of the cloud it asks for with [`lookup`](phx_model::Scope::lookup).
pub fn main<F>(program: F) -> ExitCode
where
    F: Fn(&mut Stack) -> Result<()> + 'static,
{
    let krate = crate_of(std::any::type_name::<F>());
    cli::run(cli::Role::Program { program: Box::new(program), krate })
}

/// The `phx` command: finds the project, builds its program and hands over to it; what needs no program it does itself.
#[doc(hidden)]
pub fn driver() -> ExitCode {
    cli::run(cli::Role::Driver)
}

/// The crate that a function is written in, by the compiler's name for its type (`phoenix::platform`). A function pointer does not tell.
fn crate_of(type_name: &str) -> Option<String> {
    let (krate, _) = type_name.split_once("::")?;
    let name = !krate.is_empty() && krate.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    name.then(|| krate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_tells_its_crate() {
        fn name_of<F: Fn(&mut Stack) -> Result<()>>(_: F) -> Option<String> {
            crate_of(std::any::type_name::<F>())
        }
        fn program(_: &mut Stack) -> Result<()> {
            Ok(())
        }
        assert_eq!(name_of(program).as_deref(), Some("phx"));
        assert_eq!(name_of(|_: &mut Stack| Ok(())).as_deref(), Some("phx"));
        assert_eq!(name_of(program as fn(&mut Stack) -> Result<()>), None);
    }
}
