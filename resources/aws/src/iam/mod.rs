//! IAM: who may do what.
//!
//! IAM is one for all regions of an account, and eventually consistent: what was just made is not known everywhere at once. Calls that
//! name such an object are repeated for a short while, as IAM's documentation asks.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency>
//!
//! Policy documents are in [`policy`].

pub mod policy;
pub mod role;
pub mod role_policy_attachment;

pub use policy::{PolicyDocument, Principal, Statement};
pub use role::Role;
pub use role_policy_attachment::RolePolicyAttachment;

use std::future::Future;
use std::time::Duration;

use aws_sdk_iam::types::{EntityType, RoleDetail};
use phx_model::CloudError;
use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::{batch, manage, wait};

phx_model::id_type! {
    /// A role's name, unique in its account.
    RoleName;
}

/// IAM.
pub type Iam = Service<aws_sdk_iam::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Role>(registry, aws);
    manage::register::<RolePolicyAttachment>(registry, aws);
}

/// IAM lists so many at once.
const PAGE: i32 = 1000;
/// How long what was just made may be unknown somewhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(20);
/// How long what was just taken away may still hold something.
const UNTIL_FREE: Duration = Duration::from_secs(20);
/// Up to so many roles are asked for one by one. An account's roles usually fit in a page or two, and listing them takes two calls a
/// page: that is fewer from here on, while others' roles are too many to be read for a handful.
const ROLES_ONE_BY_ONE: usize = 5;

/// Another change to the same object is under way; IAM's documentation asks to repeat the call.
fn is_concurrent(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("ConcurrentModification" | "ConcurrentModificationException"))
}

/// Whoever may read their own roles may not be allowed to list all, and an endpoint may lack the listing.
fn cannot_list(error: &CloudError) -> bool {
    matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported)
}

/// Makes a change, and repeats it while another one is under way or, within limits, while what it names is not known yet.
async fn once_known<T, F, Fut>(cx: &Cx, unknown: impl Fn(&CloudError) -> bool, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, |e| is_concurrent(e) || unknown(e), call).await
}

/// All roles of the account with their tags, boundaries and attached policies.
pub(crate) async fn role_details(iam: &Iam) -> Result<Vec<RoleDetail>, CloudError> {
    batch::pages(|marker| async move {
        let request =
            iam.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE).set_marker(marker);
        let answer = iam.read("GetAccountAuthorizationDetails", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.role_detail_list.unwrap_or_default(), next))
    })
    .await
}

/// The ARNs of the managed policies that are attached to a role.
async fn attached_policies(iam: &Iam, role: &str) -> Result<Vec<String>, CloudError> {
    batch::pages(|marker| async move {
        let request = iam.list_attached_role_policies().role_name(role).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListAttachedRolePolicies", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        let arns = answer.attached_policies.unwrap_or_default().into_iter().filter_map(|p| p.policy_arn);
        Ok((arns.collect(), next))
    })
    .await
}
