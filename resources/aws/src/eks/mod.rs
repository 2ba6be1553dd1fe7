//! EKS: Kubernetes clusters and what belongs to them.
//!
//! EKS tells of one object at a time, with its tags; lists give names alone. So reading takes a call for each object, whatever is wanted of it.
//!
//! What belongs to a cluster is known by the cluster's name and its own: `demo/workers`. Changes are carried out in the background and have an id
//! each; a change is over when the object can be used again, and whether it came to something, and if not why, is asked of the change itself.

pub mod access_entry;
pub mod access_policy_association;
pub mod addon;
pub mod cluster;
pub mod cluster_blocks;
mod cluster_convert;
pub mod cluster_kube;
pub mod fargate_profile;
pub mod identity_provider_config;
pub mod kubeconfig;
pub mod node_group;
pub mod node_group_blocks;
mod node_group_convert;
pub mod pod_identity_association;

pub use access_entry::AccessEntry;
pub use access_policy_association::{AccessPolicyAssociation, AccessScope};
pub use addon::{Addon, AddonNamespaceConfig, AddonPodIdentityAssociation};
pub use cluster::Cluster;
pub use cluster_blocks::{
    AccessConfig, BlockStorage, ComputeConfig, ControlPlanePlacement, ControlPlaneScalingConfig, CrdManagement,
    ElasticLoadBalancing, EncryptionConfig, EncryptionProvider, EtcdPlacement, GatewayApi, KubernetesNetworkConfig,
    Logging, OutpostConfig, RemoteNetwork, RemoteNetworkConfig, StorageConfig, UpgradePolicy, VpcConfig,
    ZonalShiftConfig,
};
pub use cluster_kube::{
    HorizontalPodAutoscalerController, KubeApiServerConfig, KubeControllerManagerConfig, KubeSchedulerConfig,
    NodeResourcesFit, PodGcController, ResourceWeight, ScoringStrategy, ServiceNodePortRange,
};
pub use fargate_profile::{FargateProfile, FargateSelector};
pub use identity_provider_config::{IdentityProviderConfig, OidcConfig};
pub use kubeconfig::{kubeconfig, kubeconfig_by_role};
pub use node_group::NodeGroup;
pub use node_group_blocks::{
    NodeLaunchTemplate, NodeRepairConfig, NodeRepairOverride, NodeUpdateConfig, RemoteAccess, ScalingConfig, Taint,
    WarmPoolConfig,
};
pub use pod_identity_association::PodIdentityAssociation;

pub use crate::ids::{EksClusterName, PodIdentityAssociationId};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_eks::types as sdk;
use aws_sdk_eks::types::UpdateStatus;
use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;
use phx_model::schema::satisfied;
use phx_model::typed::{FieldChange, Resource};
use phx_model::{CloudError, Value, ValueMap};

use crate::client::{Aws, Service};
use crate::manage::{self, Created, Manage};
use crate::tags::TagDelta;
use crate::wait::{self, Stage};

/// EKS in one place.
pub type Eks = Service<aws_sdk_eks::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<AccessEntry>(registry, aws);
    manage::register::<AccessPolicyAssociation>(registry, aws);
    manage::register::<Addon>(registry, aws);
    manage::register::<Cluster>(registry, aws);
    manage::register::<FargateProfile>(registry, aws);
    manage::register::<IdentityProviderConfig>(registry, aws);
    manage::register::<NodeGroup>(registry, aws);
    manage::register::<PodIdentityAssociation>(registry, aws);
}

/// How long a role or user that was just made may be unknown to EKS, or a role be without what was just given to it.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);
/// How long another change to the same object may take.
const UNTIL_FREE: Duration = Duration::from_secs(15 * 60);

type TagMap = BTreeMap<String, String>;

/// Cluster and name of an id: `demo/workers`. A cluster's name has no slash.
pub(crate) fn split(id: &str) -> Result<(&str, &str), CloudError> {
    id.split_once('/').filter(|(cluster, name)| !cluster.is_empty() && !name.is_empty()).ok_or_else(|| {
        CloudError::local(ErrorKind::Invalid, format!("{id:?} names no cluster and object of it"))
            .hint("write it as CLUSTER/NAME: demo/workers")
    })
}

/// What is not there is no failure.
pub(crate) fn known<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is gone already is deleted.
pub(crate) fn deleted<T>(answer: Result<T, CloudError>) -> Result<(), CloudError> {
    known(answer).map(drop)
}

/// EKS answers so where IAM has not told it of a new role (or user, or policy of the role) yet, and to a mistake too: it is repeated for a
/// short while. Service-linked roles that EKS makes itself are waited for likewise, as the API's documentation asks.
fn is_unknown_role(error: &CloudError) -> bool {
    if error.code.as_deref() == Some("ResourcePropagationDelayException") {
        return true;
    }
    let message = error.message.to_ascii_lowercase();
    error.kind == ErrorKind::Invalid
        && (message.contains("role") || message.contains("principal"))
        && [
            "not exist",
            "be found",
            "not found",
            "be assumed",
            "trust",
            "invalid principal",
            "policies associated with it",
        ]
        .iter()
        .any(|words| message.contains(words))
}

/// Repeats a call for a short while when a role that it names is not known yet.
pub(crate) async fn once_known<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, is_unknown_role, call).await
}

/// Makes a change, and repeats it while another one to the same object is under way.
pub(crate) async fn once_free<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_FREE, busy(cx), call).await
}

/// Whether another change is under way, and so a call is repeated. The first time, it is told: it may take minutes.
pub(crate) fn busy(cx: &Cx) -> impl Fn(&CloudError) -> bool + Send + Sync {
    let told = AtomicBool::new(false);
    move |error| {
        let busy = error.kind == ErrorKind::InUse && error.hint.is_none();
        if busy && !told.swap(true, Ordering::Relaxed) {
            (cx.progress)(&format!("waiting for another change to be over: {}", error.message));
        }
        busy
    }
}

/// Creates an object that has a name of the program's. EKS says with one and the same code that the name is taken and that another
/// change is under way: in the first case the object is there, perhaps made by this very intent in a call whose answer was lost.
pub(crate) async fn create_named<R, S, Sent, F, Found>(
    cx: &Cx,
    mut send: S,
    mut find: F,
) -> Result<Created<R>, CloudError>
where
    R: Manage,
    S: FnMut() -> Sent,
    Sent: Future<Output = Result<Created<R>, CloudError>>,
    F: FnMut() -> Found,
    Found: Future<Output = Result<Option<Created<R>>, CloudError>>,
{
    once_free(cx, || {
        let (sent, found) = (send(), find());
        async move {
            match sent.await {
                Err(taken) if taken.kind == ErrorKind::InUse => found.await?.ok_or(taken),
                answer => answer,
            }
        }
    })
    .await
}

/// A token of a change: the same for every repetition of one call, and of no other.
pub(crate) fn token() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}

/// A state as it is told to people: `CREATE_FAILED` → `create failed`.
fn words(state: &str) -> String {
    state.to_ascii_lowercase().replace('_', " ")
}

/// One of the things that EKS says are wrong with an object.
pub(crate) fn issue(code: Option<&str>, message: Option<&str>, objects: &[String]) -> String {
    let mut text = [code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    if !objects.is_empty() {
        text = format!("{text} ({})", objects.join(", "));
    }
    text
}

/// What EKS says is wrong with an object, from its `health()`.
macro_rules! issues {
    ($health:expr) => {
        $health
            .map(|health| {
                let issues = health.issues().iter();
                issues.map(|i| super::issue(i.code().map(|c| c.as_str()), i.message(), i.resource_ids())).collect()
            })
            .unwrap_or_default()
    };
}
pub(crate) use issues;

/// What an object's state means to whoever waits until it can be used.
pub(crate) fn settled<T>(what: &str, state: &str, issues: &[String], object: T) -> Result<Stage<T>, CloudError> {
    match state {
        "ACTIVE" => Ok(Stage::Ready(object)),
        "CREATING" | "PENDING" | "UPDATING" => Ok(Stage::Waiting(words(state))),
        _ => Err(failed(what, state, issues)),
    }
}

/// A state that waiting does not end, with what to do about it.
pub(crate) fn failed(what: &str, state: &str, issues: &[String]) -> CloudError {
    let why = if issues.is_empty() { "EKS gives no reason".to_owned() } else { issues.join("; ") };
    let hint = match state {
        // What could not be made never comes to be by itself, and EKS changes nothing about it.
        "CREATE_FAILED" => "put right what EKS says, then have it made anew: `phx up --replace` with its URN",
        "FAILED" => {
            "put right what EKS says; if it was never usable, have it made anew: `phx up --replace` with its URN"
        }
        _ => "put right what EKS says, and run it again",
    };
    CloudError::local(ErrorKind::Other, format!("{what} is {}: {why}", words(state))).hint(hint)
}

/// What an object's state means to whoever waits until it is gone.
pub(crate) fn going(what: &str, state: &str, issues: &[String]) -> Result<Stage<()>, CloudError> {
    match state {
        "FAILED" | "DELETE_FAILED" => {
            Err(failed(what, state, issues).hint("put right what EKS says, and run it again: it is then deleted again"))
        }
        "DELETING" => Ok(Stage::Waiting(words(state))),
        state => Ok(Stage::Waiting(format!("still {}", words(state)))),
    }
}

/// A change that EKS carries out in the background.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update<'a> {
    /// The call that it was asked for with.
    pub operation: &'static str,
    /// The cluster.
    pub cluster: &'a str,
    /// The node group that it is about.
    pub nodegroup: Option<&'a str>,
    /// The add-on that it is about.
    pub addon: Option<&'a str>,
    /// What the answer said of it. An answer that says nothing leaves the object's state to go by.
    pub answer: Option<&'a sdk::Update>,
}

impl Update<'_> {
    /// Whether it is over. One that failed is an error with EKS's reasons.
    pub(crate) async fn is_over(&self, eks: &Eks) -> Result<bool, CloudError> {
        let Some(update) = self.answer else { return Ok(true) };
        if !matches!(update.status(), None | Some(UpdateStatus::InProgress)) {
            return self.judge(eks, update);
        }
        let Some(id) = update.id() else { return Ok(true) };
        let request = eks
            .describe_update()
            .name(self.cluster)
            .update_id(id)
            .set_nodegroup_name(self.nodegroup.map(str::to_owned))
            .set_addon_name(self.addon.map(str::to_owned));
        let answer = eks.read("DescribeUpdate", || request.clone().send()).await?;
        let update = answer.update.ok_or_else(|| eks.unexpected("DescribeUpdate", "the answer holds no update"))?;
        self.judge(eks, &update)
    }

    fn judge(&self, eks: &Eks, update: &sdk::Update) -> Result<bool, CloudError> {
        let state = match update.status() {
            Some(UpdateStatus::InProgress) => return Ok(false),
            Some(state @ (UpdateStatus::Failed | UpdateStatus::Cancelled)) => state.as_str().to_ascii_lowercase(),
            _ => return Ok(true),
        };
        let of = |e: &sdk::ErrorDetail| issue(e.error_code().map(|c| c.as_str()), e.error_message(), e.resource_ids());
        let reasons: Vec<String> = update.errors().iter().map(of).collect();
        let why = if reasons.is_empty() { "EKS gives no reason".to_owned() } else { reasons.join("; ") };
        let what = self.nodegroup.or(self.addon).map_or_else(String::new, |name| format!("/{name}"));
        let message = format!("the change of {}{what} {state}: {why}", self.cluster);
        let code = update.errors().first().and_then(|e| e.error_code()).map(|code| code.as_str().to_owned());
        Err(CloudError { kind: ErrorKind::Other, code, ..eks.unexpected(self.operation, message) })
    }
}

/// Tags as a program has them.
pub(crate) fn tag_map(tags: Option<&HashMap<String, String>>) -> TagMap {
    tags.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Sets and takes away tags.
pub(crate) async fn update_tags(eks: &Eks, arn: &str, change: Option<&FieldChange<TagMap>>) -> Result<(), CloudError> {
    let Some(change) = change else { return Ok(()) };
    let delta = TagDelta::of(change);
    // Those that go make room: an object has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = eks.untag_resource().resource_arn(arn).set_tag_keys(Some(keys));
        eks.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = eks.tag_resource().resource_arn(arn).set_tags(Some(delta.set.into_iter().collect()));
        eks.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// Ids and the like as the SDK takes them.
pub(crate) fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Whether a field of an object is not as it is wished to be.
pub(crate) fn differs<R: Resource>(field: &str, now: &R::Resolved, want: &R::Resolved) -> bool {
    let Some(schema) = R::schema().field(field) else { return false };
    let value = |fields: &ValueMap| fields.get(field).cloned().unwrap_or(Value::Null);
    !satisfied(schema, &value(&R::fields(want)), &value(&R::fields(now)))
}

/// Whether two lists hold the same, in whatever order.
pub(crate) fn same_set<T: Ord>(a: &[T], b: &[T]) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect()
}

/// A request that lacks something that the service model requires.
pub(crate) fn malformed(error: aws_sdk_eks::error::BuildError) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

/// A part of an object that EKS cannot change while the object exists.
pub(crate) fn unchangeable(what: &str, field: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("EKS cannot change {field} of {what}"))
        .hint("put it back as it was, or have the object made anew with --replace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_cluster_and_name() {
        assert_eq!(split("demo/workers").unwrap(), ("demo", "workers"));
        let principal = "arn:aws:iam::123456789012:role/team/admin";
        assert_eq!(split(&format!("demo/{principal}")).unwrap(), ("demo", principal));
        for bad in ["demo", "", "/workers", "demo/"] {
            assert_eq!(split(bad).unwrap_err().kind, ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_role_that_is_not_known_yet_is_told_from_other_mistakes() {
        let refused = |message: &str| CloudError::local(ErrorKind::Invalid, message);
        for message in [
            "Role with arn: arn:aws:iam::1:role/x, could not be assumed because it does not exist or the trusted entity is not correct",
            "The role with name x cannot be found.",
            "The provided role doesn't have the Amazon EKS Managed Policies associated with it.",
            "Role provided in the request does not exist.",
            "Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal",
            "The specified principalArn is invalid: invalid principal.",
        ] {
            assert!(is_unknown_role(&refused(message)), "{message}");
        }
        for message in ["unsupported Kubernetes version", "The subnet ID 'subnet-1' does not exist"] {
            assert!(!is_unknown_role(&refused(message)), "{message}");
        }
        assert!(!is_unknown_role(&CloudError::local(ErrorKind::Denied, "role not found")));
    }

    #[test]
    fn states_are_waited_for_or_are_failures() {
        let look = |state: &str| settled("cluster c", state, &["Code: why (sg-1)".to_owned()], ());
        assert_eq!(look("ACTIVE"), Ok(Stage::Ready(())));
        assert_eq!(look("CREATING"), Ok(Stage::Waiting("creating".into())));
        let error = look("CREATE_FAILED").unwrap_err();
        assert_eq!(error.message, "cluster c is create failed: Code: why (sg-1)");
        for state in ["CREATE_FAILED", "FAILED"] {
            assert!(look(state).unwrap_err().hint.is_some_and(|h| h.contains("--replace")), "{state}");
        }
        assert!(look("DEGRADED").unwrap_err().hint.is_some_and(|h| !h.contains("--replace")));
        assert!(going("c", "FAILED", &[]).unwrap_err().hint.is_some_and(|h| !h.contains("--replace")));
        assert_eq!(going("c", "ACTIVE", &[]), Ok(Stage::Waiting("still active".into())));
        assert!(going("c", "DELETE_FAILED", &[]).is_err());
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token(), token());
        assert_eq!(token().len(), 32);
    }
}
