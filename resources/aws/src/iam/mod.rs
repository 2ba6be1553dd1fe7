//! IAM: who may do what.
//!
//! IAM is one for all regions of an account, and eventually consistent: what was just made is not known everywhere at once. Calls that
//! name such an object are repeated for a short while, as IAM's documentation asks.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency>
//!
//! Policy documents are in [`policy`].

pub mod attached;
pub mod group;
pub mod instance_profile;
pub mod managed_policy;
pub mod oidc_provider;
pub mod role;
pub mod role_policy;
pub mod role_policy_attachment;
pub mod service_linked_role;
pub mod user;

pub use crate::policy::{self, PolicyDocument, Principal, Statement};
pub use attached::InlinePolicy;
pub use group::Group;
pub use instance_profile::InstanceProfile;
pub use managed_policy::Policy;
pub use oidc_provider::OidcProvider;
pub use role::Role;
pub use role_policy::RolePolicy;
pub use role_policy_attachment::RolePolicyAttachment;
pub use service_linked_role::ServiceLinkedRole;
pub use user::User;

pub use crate::ids::{GroupName, InstanceProfileName, RoleName, UserName};

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_iam::error::BuildError;
use aws_sdk_iam::types::{EntityType, GroupDetail, ManagedPolicyDetail, RoleDetail, Tag, UserDetail};
use aws_smithy_types::DateTime;
use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Json;
use phx_model::{CloudError, Value};

use crate::arn::global_region;
use crate::client::{Aws, Service};
use crate::manage::Target;
use crate::tagged::{self, TagMap};
use crate::{batch, manage, wait};

/// IAM.
pub type Iam = Service<aws_sdk_iam::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Group>(registry, aws);
    manage::register::<InstanceProfile>(registry, aws);
    manage::register::<OidcProvider>(registry, aws);
    manage::register::<Policy>(registry, aws);
    manage::register::<Role>(registry, aws);
    manage::register::<RolePolicy>(registry, aws);
    manage::register::<RolePolicyAttachment>(registry, aws);
    manage::register::<ServiceLinkedRole>(registry, aws);
    manage::register::<User>(registry, aws);
}

/// IAM lists so many at once.
const PAGE: i32 = 1000;
/// How long what was just made may be unknown somewhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(20);
/// How long what was just taken away may still hold something.
const UNTIL_FREE: Duration = Duration::from_secs(20);
/// Up to so many objects are asked for one by one. An account's roles usually fit in a page or two, and listing them takes two calls a
/// page: that is fewer from here on, while others' roles are too many to be read for a handful. The same goes for users, groups, policies
/// and instance profiles.
const ONE_BY_ONE: usize = 5;

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

/// A change that needs no patience but for another change under way.
async fn change<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    once_known(cx, |_| false, call).await
}

/// What is gone already is taken away.
fn gone_is_done<T>(answer: Result<T, CloudError>) -> Result<(), CloudError> {
    match answer {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// `None`: it is not there.
fn if_there<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Passes unless an object that can bear no mark is older than the run that the intent belongs to: then another made it. `what` names it. IAM tells
/// whole seconds.
fn made_since(what: &str, made: &DateTime, intent: &IntentId) -> Result<(), CloudError> {
    match intent.begun() {
        Some(begun) if made.secs() < begun.as_second() => {
            let message = format!("{what} is there already, and is older than the run that was to make it");
            Err(CloudError::local(ErrorKind::AlreadyExists, message)
                .hint("choose another name, or adopt it with `phx import` if it is this stack's to manage"))
        }
        _ => Ok(()),
    }
}

/// What holds an object that cannot be deleted, for the hint. Where it cannot be listed, the refusal itself has to do.
async fn as_told(holders: impl Future<Output = Result<Vec<String>, CloudError>>) -> Vec<String> {
    holders.await.unwrap_or_else(|error| {
        tracing::debug!(%error, "what is in the way cannot be listed");
        Vec::new()
    })
}

/// A policy document as IAM tells it.
fn document(text: Option<&str>) -> Json {
    text.map_or(Json(Value::Null), policy::parse)
}

fn to_tags(tags: &TagMap) -> Result<Vec<Tag>, CloudError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let tags: Result<_, BuildError> = tags.iter().map(tag).collect();
    tags.map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))
}

fn from_tags(tags: &[Tag]) -> TagMap {
    tags.iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect()
}

/// The tags of objects that IAM lists without them. The tagging API knows policies, instance profiles and identity providers, in one region.
async fn tags_of<'t, F, Fut>(
    aws: &Aws,
    cx: &Cx,
    targets: &[Target<'t>],
    arn: impl Fn(usize) -> Option<String>,
    ask: F,
) -> Result<HashMap<usize, Result<Option<TagMap>, CloudError>>, CloudError>
where
    F: FnMut(&'t str, String) -> Fut,
    Fut: Future<Output = Result<TagMap, CloudError>>,
{
    let region = global_region(&aws.region(&cx.provider).await?);
    tagged::read(aws, &Cx { provider: cx.provider.in_region(region), ..cx.clone() }, targets, arn, ask).await
}

/// What the account has of one kind.
#[derive(Default)]
struct Details {
    roles: Vec<RoleDetail>,
    users: Vec<UserDetail>,
    groups: Vec<GroupDetail>,
    policies: Vec<ManagedPolicyDetail>,
}

async fn details(iam: &Iam, kind: EntityType) -> Result<Details, CloudError> {
    details_of(iam, &[kind]).await
}

async fn details_of(iam: &Iam, kinds: &[EntityType]) -> Result<Details, CloudError> {
    let pages = batch::pages(|marker| async move {
        let request = iam.get_account_authorization_details().max_items(PAGE).set_marker(marker);
        let request = kinds.iter().fold(request, |request, kind| request.filter(kind.clone()));
        let answer = iam.read("GetAccountAuthorizationDetails", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        let page = Details {
            roles: answer.role_detail_list.unwrap_or_default(),
            users: answer.user_detail_list.unwrap_or_default(),
            groups: answer.group_detail_list.unwrap_or_default(),
            policies: answer.policies.unwrap_or_default(),
        };
        Ok((vec![page], next))
    });
    let mut all = Details::default();
    for page in pages.await? {
        all.roles.extend(page.roles);
        all.users.extend(page.users);
        all.groups.extend(page.groups);
        all.policies.extend(page.policies);
    }
    Ok(all)
}

/// All roles of the account with their tags, boundaries, instance profiles, and attached and inline policies.
pub(crate) async fn role_details(iam: &Iam) -> Result<Vec<RoleDetail>, CloudError> {
    Ok(details(iam, EntityType::Role).await?.roles)
}

/// All roles and users of the account with their tags, of which the tagging API tells nothing.
pub(crate) async fn roles_and_users(iam: &Iam) -> Result<(Vec<RoleDetail>, Vec<UserDetail>), CloudError> {
    let all = details_of(iam, &[EntityType::Role, EntityType::User]).await?;
    Ok((all.roles, all.users))
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
