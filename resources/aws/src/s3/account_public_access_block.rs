//! `aws:s3:AccountPublicAccessBlock`.
//!
//! The SDK puts the account's id before the endpoint's host, as AWS asks; before an emulator's address it cannot be (`control.rs`).

use aws_sdk_s3control::types::PublicAccessBlockConfiguration as Shown;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{CloudError, Input, Outputs, Resource};

use crate::batch;
use crate::client::{Aws, Service};
use crate::manage::{Created, Found, Manage, Target};

/// S3 Control in one place.
type Control = Service<aws_sdk_s3control::Client>;

/// What protects all buckets of an account, those of other stacks included, from being made public. An account has one, for all of its
/// regions.
///
/// It bears no mark: one that is there already is taken over, and deleting it takes the protection away, whoever set it. What is not set stays as
/// it is.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_PutPublicAccessBlock.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:s3:AccountPublicAccessBlock",
    terraform = "aws_s3_account_public_access_block",
    identity = NaturalKey
)]
pub struct AccountPublicAccessBlock {
    /// Refuses new public ACLs.
    #[field(cloud_default)]
    pub block_public_acls: Option<Input<bool>>,
    /// Takes no notice of public ACLs.
    #[field(cloud_default)]
    pub ignore_public_acls: Option<Input<bool>>,
    /// Refuses public bucket policies.
    #[field(cloud_default)]
    pub block_public_policy: Option<Input<bool>>,
    /// Lets only the account itself and AWS's services use buckets with public policies.
    #[field(cloud_default)]
    pub restrict_public_buckets: Option<Input<bool>>,
}

impl AccountPublicAccessBlock {
    /// All of it.
    #[must_use]
    pub fn all() -> Self {
        Self::new()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
    }
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AccountPublicAccessBlockOutputs {
    /// The account's id.
    pub id: String,
}

impl Manage for AccountPublicAccessBlock {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let control = &aws.s3control(cx).await?;
        batch::each(targets, |target| async {
            Ok(match get(control, target.id).await {
                Ok(Some(shown)) => {
                    Found::present(fields(&shown), AccountPublicAccessBlockOutputs { id: target.id.to_owned() })
                }
                Ok(None) => Found::Gone,
                Err(error) => Found::Failed(error),
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &AccountPublicAccessBlockResolved,
        _intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let control = &aws.s3control(cx).await?;
        let account = aws.account(&cx.provider).await?;
        put(control, &account, want).await?;
        Ok(created(account))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &AccountPublicAccessBlockResolved,
        _change: &AccountPublicAccessBlockChange,
    ) -> Result<Option<AccountPublicAccessBlockOutputs>, CloudError> {
        put(&aws.s3control(cx).await?, id, want).await?;
        Ok(None)
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _was: Option<&AccountPublicAccessBlockResolved>,
    ) -> Result<(), CloudError> {
        let control = &aws.s3control(cx).await?;
        let request = control.delete_public_access_block().account_id(id);
        match control.write_idempotent("DeletePublicAccessBlock", || request.clone().send()).await {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &AccountPublicAccessBlockResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let account = aws.account(&cx.provider).await?;
        let there = get(&aws.s3control(cx).await?, &account).await?;
        // Another's is brought to what is wished by creating it.
        let wished = there.is_some_and(|there| satisfies(&fields(&there), want));
        Ok(wished.then(|| created(account)))
    }
}

fn created(account: String) -> Created<AccountPublicAccessBlock> {
    Created { outputs: AccountPublicAccessBlockOutputs { id: account.clone() }, id: account, complete: true }
}

fn is_absent(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound || error.code.as_deref() == Some("NoSuchPublicAccessBlockConfiguration")
}

async fn get(control: &Control, account: &str) -> Result<Option<Shown>, CloudError> {
    let request = control.get_public_access_block().account_id(account);
    match control.read("GetPublicAccessBlock", || request.clone().send()).await {
        Ok(answer) => Ok(answer.public_access_block_configuration),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets what is wished; parts that are not stay as they are.
async fn put(control: &Control, account: &str, want: &AccountPublicAccessBlockResolved) -> Result<(), CloudError> {
    let now = match PARTS.iter().all(|part| part(want).is_some()) {
        true => None,
        false => get(control, account).await?.as_ref().map(fields),
    };
    let part = |part: Part| part(want).or_else(|| now.as_ref().and_then(part)).unwrap_or(false);
    let block = Shown::builder()
        .block_public_acls(part(PARTS[0]))
        .ignore_public_acls(part(PARTS[1]))
        .block_public_policy(part(PARTS[2]))
        .restrict_public_buckets(part(PARTS[3]))
        .build();
    let request = control.put_public_access_block().account_id(account).public_access_block_configuration(block);
    control.write_idempotent("PutPublicAccessBlock", || request.clone().send()).await?;
    Ok(())
}

type Part = fn(&AccountPublicAccessBlockResolved) -> Option<bool>;

/// In the order of the fields.
const PARTS: [Part; 4] =
    [|b| b.block_public_acls, |b| b.ignore_public_acls, |b| b.block_public_policy, |b| b.restrict_public_buckets];

fn satisfies(there: &AccountPublicAccessBlockResolved, want: &AccountPublicAccessBlockResolved) -> bool {
    PARTS.iter().all(|part| part(want).is_none_or(|on| part(there) == Some(on)))
}

fn fields(shown: &Shown) -> AccountPublicAccessBlockResolved {
    AccountPublicAccessBlockResolved {
        block_public_acls: Some(shown.block_public_acls().unwrap_or(false)),
        ignore_public_acls: Some(shown.ignore_public_acls().unwrap_or(false)),
        block_public_policy: Some(shown.block_public_policy().unwrap_or(false)),
        restrict_public_buckets: Some(shown.restrict_public_buckets().unwrap_or(false)),
    }
}
