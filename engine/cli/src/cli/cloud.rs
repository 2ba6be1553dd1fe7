//! The way to the cloud: AWS, or with `--sandbox` the embedded emulator and nothing else.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use phx_aws::Aws;
use phx_aws::lookup::Lookups;
use phx_model::lookup::Answerer;

use super::wiring::Context;
use crate::project::{Project, StackSettings};

/// A way to the cloud.
pub(crate) struct Cloud {
    /// What the resource types call.
    pub(crate) aws: Aws,
    #[cfg(feature = "sandbox")]
    sandbox: Option<crate::sandbox::Sandbox>,
}

/// This binary has no emulator in it.
#[cfg(not(feature = "sandbox"))]
pub(crate) fn no_sandbox() -> anyhow::Error {
    anyhow!(
        "this phx was built without the sandbox\n  hint: build it with `cargo build --release --package phx --features sandbox` (for a program's own binary: `--features phx/sandbox`)"
    )
}

impl Cloud {
    /// Opens it. Of AWS nothing is read or called yet. With `--sandbox`, everything goes to a client that knows the emulator only, signed
    /// with credentials that open nothing, and of the environment nothing is read: so no mistake can lead to real AWS.
    #[cfg(feature = "sandbox")]
    pub(crate) async fn open(cx: &Context, project: &Project, stack: &StackSettings) -> anyhow::Result<Self> {
        use crate::sandbox::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Sandbox};
        if !cx.global.sandbox {
            return Ok(Self { aws: stack.aws(), sandbox: None });
        }
        let sandbox = Sandbox::connect_or_open(&cx.sandbox_folder(project)?).await?;
        let aws = stack
            .aws_builder()
            .region(stack.aws.region.clone().or_else(|| Some(REGION.to_owned())))
            .http_client(sandbox.http_client())
            .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
            .build();
        Ok(Self { aws, sandbox: Some(sandbox) })
    }

    /// Ends it: what the emulator has is saved.
    #[cfg(feature = "sandbox")]
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        match &self.sandbox {
            Some(sandbox) => Ok(sandbox.save().await?),
            None => Ok(()),
        }
    }

    /// Opens it. Of AWS nothing is read or called yet.
    #[cfg(not(feature = "sandbox"))]
    #[allow(clippy::unused_async)] // with the sandbox it waits
    pub(crate) async fn open(cx: &Context, _: &Project, stack: &StackSettings) -> anyhow::Result<Self> {
        if cx.global.sandbox {
            return Err(no_sandbox());
        }
        Ok(Self { aws: stack.aws() })
    }

    /// Ends it.
    #[cfg(not(feature = "sandbox"))]
    #[allow(clippy::unused_async)] // with the sandbox it waits
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Answers the program's lookups.
    pub(crate) fn lookups(&self) -> Arc<dyn Answerer> {
        Arc::new(match self.is_real() {
            true => Lookups::new(self.aws.clone()),
            // The emulator's account is its own.
            false => Lookups::of_any_account(self.aws.clone()),
        })
    }

    /// Whether real AWS is called.
    fn is_real(&self) -> bool {
        #[cfg(feature = "sandbox")]
        return self.sandbox.is_none();
        #[cfg(not(feature = "sandbox"))]
        true
    }
}

/// Refuses to go on with credentials of another account than the stack's. Where the stack names none, whoever changes something must at
/// least be known to AWS: better one clear answer now than one from every step.
pub(crate) async fn check_account(cloud: &Cloud, stack: &StackSettings, changing: bool) -> anyhow::Result<()> {
    let wanted = stack.aws.account_id.as_ref();
    if !cloud.is_real() || (wanted.is_none() && !changing) {
        return Ok(());
    }
    let found =
        cloud.aws.caller_account().await.context("AWS was asked whose credentials these are, before anything else")?;
    match wanted {
        Some(wanted) if wanted.as_str() != found => Err(anyhow!(
            "these credentials belong to the AWS account {found}, and the stack {} is for {wanted} (`account_id` in {}); nothing was read or changed\n  hint: choose other credentials, for example with AWS_PROFILE",
            stack.name,
            stack.config.file,
        )),
        _ => Ok(()),
    }
}
