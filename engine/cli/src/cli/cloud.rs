//! The way to the cloud: AWS, or with `--sandbox` the embedded emulator and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use phx_aws::Aws;
use phx_aws::lookup::Lookups;
use phx_model::driver::Places as _;
use phx_model::lookup::Answerer;
use phx_model::state::{ProviderKey, Record, State};
use phx_model::{Urn, Value};

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

/// Types whose objects' ARNs need not name the stack's own region and account, though they are managed there: a subscription is called after its
/// topic, a web ACL of CloudFront's lies in one region of all, and what a type of the registry's is nobody knows.
const ELSEWHERE: [&str; 4] =
    ["aws:cloudcontrol:Resource", "aws:securityhub:StandardsSubscription", "aws:sns:Subscription", "aws:wafv2:WebAcl"];

/// Where the objects are that were made in the stack's own place, by their ARNs: regions and accounts, each with one of the objects.
#[derive(Debug, Default)]
struct Made<'a> {
    regions: BTreeMap<&'a str, (&'a Urn, &'a str)>,
    accounts: BTreeMap<&'a str, (&'a Urn, &'a str)>,
}

impl<'a> Made<'a> {
    fn by(state: &'a State) -> Self {
        let mut made = Self::default();
        let deposed = state.deposed.iter().map(|deposed| (&deposed.urn, &deposed.record));
        for (urn, record) in state.resources.iter().chain(deposed) {
            if record.provider.is_home() && !ELSEWHERE.contains(&urn.type_name()) {
                made.add(urn, record);
            }
        }
        made
    }

    fn add(&mut self, urn: &'a Urn, record: &'a Record) {
        let arn = record.outputs.get("arn").filter(|arn| !arn.has_secret()).and_then(Value::as_str);
        let Some(arn) = arn.filter(|arn| arn.starts_with("arn:")) else { return };
        let mut parts = arn.split(':').skip(3);
        let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        // What is the same in all regions names none, and what is AWS's own no account.
        if !region.is_empty() {
            self.regions.entry(region).or_insert((urn, arn));
        }
        if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) {
            self.accounts.entry(account).or_insert((urn, arn));
        }
    }
}

/// The places that objects are in, if `here` is none of them, and one of the objects.
fn not_here<'a>(found: &BTreeMap<&'a str, (&'a Urn, &'a str)>, here: &str) -> Option<(String, &'a Urn, &'a str)> {
    let (urn, arn) = *found.values().next()?;
    let places = || found.keys().copied().collect::<Vec<_>>().join(", ");
    (!found.contains_key(here)).then(|| (places(), urn, arn))
}

/// Refuses to go on where the stack's own objects are not: in another region or account, all of them would be taken for gone, forgotten, and made
/// anew. The state says in which region they were made; of the account, and where an earlier phx wrote the state, the ARNs of what was made there
/// do. (Emulators are not always right about places in ARNs.)
pub(crate) async fn check_place(
    cloud: &Cloud,
    stack: &StackSettings,
    state: Option<&State>,
    changing: bool,
) -> anyhow::Result<()> {
    let Some(state) = state else { return Ok(()) };
    let home = ProviderKey::default();
    // Where there is no region, what needs none goes on without.
    let real = cloud.is_real() && matches!(cloud.aws.is_stand_in("EC2").await, Ok(false));
    let mut made = if real { Made::by(state) } else { Made::default() };
    if let Some(region) = state.providers.get(&home).and_then(|provider| provider.region.as_deref())
        && let Some((urn, record)) = state
            .resources
            .iter()
            .find(|(urn, record)| record.provider.is_home() && !cloud.aws.is_global(urn.type_name()))
    {
        made.regions = [(region, (urn, record.id.as_str()))].into();
    }
    if !made.regions.is_empty()
        // Without a region, the first call says so.
        && let Ok(region) = cloud.aws.region(&home).await
        && let Some((places, urn, arn)) = not_here(&made.regions, &region)
    {
        let said_by = match &stack.aws.region {
            Some(_) => format!("`region` in {}", stack.config.file),
            None => format!("AWS_REGION, or the profile's, since {} sets no `region`", stack.config.file),
        };
        return Err(anyhow!(
            "the stack {} has its objects in {places} (for example {urn}: {arn}), and its region is now {region} ({said_by}): all of them would be taken for gone; nothing was changed\n  hint: set the region back. An object cannot move: to have the stack in {region}, `phx destroy` it where it is first, or give {region} a stack of its own",
            stack.name,
        ));
    }
    // Whose the credentials are is known by now where it was asked: see `check_account`.
    if real
        && (changing || stack.aws.account_id.is_some())
        && !made.accounts.is_empty()
        && let Some((places, urn, arn)) = not_here(&made.accounts, &cloud.aws.caller_account().await?)
    {
        return Err(anyhow!(
            "the stack {} has its objects in the AWS account {places} (for example {urn}: {arn}), and these credentials belong to another one: all of them would be taken for gone; nothing was changed\n  hint: choose other credentials, for example with AWS_PROFILE; `account_id` in [aws] of {} holds phx to the right ones",
            stack.name,
            stack.config.file,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(resources: &[(&str, &str, &str)]) -> State {
        let mut state = State::empty("line");
        for (n, (type_name, place, arn)) in resources.iter().enumerate() {
            let urn = Urn::parse(&format!("urn:phx:p:s:{type_name}:r{n}")).unwrap();
            let outputs = [("arn".to_owned(), Value::String((*arn).into()))].into();
            let provider = ProviderKey((*place).to_owned());
            state.resources.insert(urn, Record { id: "x".into(), provider, outputs, ..Record::default() });
        }
        state
    }

    #[test]
    fn where_the_stacks_own_objects_are_is_told_by_their_arns() {
        let state = state(&[
            ("aws:ec2:Vpc", "", "arn:aws:ec2:us-west-2:123456789012:vpc/vpc-1"),
            // The same in all regions, and in no account.
            ("aws:iam:Role", "", "arn:aws:iam::123456789012:role/a"),
            ("aws:s3:Bucket", "", "arn:aws:s3:::a"),
            // Elsewhere, and known to be.
            ("aws:logs:LogGroup", "us-east-1", "arn:aws:logs:us-east-1:123456789012:log-group:a"),
            ("aws:wafv2:WebAcl", "", "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/1"),
            ("aws:sns:Subscription", "", "arn:aws:sns:eu-west-1:210987654321:topic:1"),
            // No ARN at all.
            ("aws:ec2:Route", "", "none"),
        ]);
        let made = Made::by(&state);
        assert_eq!(made.regions.keys().copied().collect::<Vec<_>>(), ["us-west-2"]);
        assert_eq!(made.accounts.keys().copied().collect::<Vec<_>>(), ["123456789012"]);
        assert!(not_here(&made.regions, "us-west-2").is_none());
        let (places, urn, _) = not_here(&made.regions, "eu-west-1").unwrap();
        assert_eq!((places.as_str(), urn.type_name()), ("us-west-2", "aws:ec2:Vpc"));
        assert!(not_here(&Made::by(&State::empty("line")).regions, "eu-west-1").is_none(), "nobody knows");
    }
}
