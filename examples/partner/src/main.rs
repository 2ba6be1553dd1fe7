//! A role that a partner may take on, if they know the external id. It is a secret: `phx secret set external_id`.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html>

use phx::aws::iam::{PolicyDocument, Principal, Role, Statement};
use phx::prelude::*;
use serde::Deserialize;

/// What `dev.toml` says.
#[derive(Deserialize)]
struct Config {
    partner_account: String,
}

fn main() -> ExitCode {
    phx::main(partner)
}

fn partner(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    let external_id = stack.secret("external_id")?;
    let trust = PolicyDocument::new().statement(
        Statement::allow()
            .principal(Principal::aws(format!("arn:aws:iam::{}:root", config.partner_account)))
            .action("sts:AssumeRole")
            .condition("StringEquals", "sts:ExternalId", external_id.clone()),
    );
    let role = stack.add("partner", Role::new("phx-example-partner", trust).description("Read by the partner"))?;
    stack.export("role", role.arn())?;
    stack.export("external_id", external_id)?;
    Ok(())
}
