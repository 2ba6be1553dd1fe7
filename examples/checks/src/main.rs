//! A place for logs, and checks that it does what it was made for: `phx up` makes them in the end, and `phx verify` alone.

use std::time::Duration;

use phx::aws::logs::LogGroup;
use phx::aws::s3::{Bucket, VersioningConfiguration};
use phx::prelude::*;
use serde::Deserialize;

/// What `dev.toml` says.
#[derive(Deserialize)]
struct Config {
    bucket: String,
    retention_in_days: i32,
    health_url: Option<String>,
    command: Vec<String>,
    #[serde(default)]
    token: bool,
    /// How long what is not true yet is waited for.
    #[serde(default)]
    patience_seconds: u64,
}

fn main() -> ExitCode {
    phx::main(checked)
}

fn checked(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    let patience = Duration::from_secs(config.patience_seconds);
    let archive = stack.component("archive")?;
    let versions = VersioningConfiguration::new("Enabled");
    let bucket = archive.add("bucket", Bucket::new(config.bucket).versioning_configuration(versions))?;
    let group = stack.add("live", LogGroup::new("/phx/checks").retention_in_days(config.retention_in_days))?;
    stack.export("bucket", bucket.bucket())?;

    // As the cloud has them once everything is done, and not as it was told.
    let kept = Check::resource(&group).field("retention_in_days").equals(config.retention_in_days);
    stack.verify("kept", kept.within(patience))?;
    let versioned = Check::resource(&bucket).field("versioning_configuration.status").equals("Enabled");
    archive.verify("versioned", versioned.within(patience))?;
    // What stands in front of it.
    if let Some(url) = config.health_url {
        let healthy = Check::http(url).status(200).body_contains("ok").within(patience).concerns(&bucket);
        stack.verify("healthy", healthy)?;
    }
    // And whatever a command can find out.
    if let Some((program, arguments)) = config.command.split_first() {
        let mut test = Check::command(program.as_str()).args(arguments.iter().map(String::as_str));
        test = test.env("BUCKET", bucket.bucket());
        if config.token {
            test = test.env("TOKEN", stack.secret("token")?);
        }
        stack.verify("command", test.within(patience))?;
    }
    Ok(())
}
