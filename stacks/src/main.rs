//! The Phoenix platform. One component each for what was a Terraform module; `dev.toml`, `staging.toml` and `prod.toml` say how large.

mod config;
mod networking;

use phx::prelude::*;

use config::Config;

fn main() -> ExitCode {
    phx::main(platform)
}

fn platform(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    config.check(stack.stack_name().as_str())?;

    let network = networking::declare(&stack.component("networking")?, &config)?;

    stack.export("vpc", network.vpc.id())?;
    stack.export("public_subnets", network.public_subnets)?;
    stack.export("private_subnets", network.private_subnets)?;
    stack.export("database_subnets", network.database_subnets)?;
    stack.export("internal_security_group", network.internal.id())?;
    stack.export("nat_addresses", network.nat_addresses)?;
    Ok(())
}
