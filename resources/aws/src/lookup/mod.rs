//! Lookups: what a program asks AWS while it is written down, so that it can go by the answer.
//!
//! ```
//! use phx_aws::lookup::{AvailabilityZones, CallerIdentity};
//! # use phx_aws::lookup::{AvailabilityZone, Identity};
//! # use phx_model::lookup::Answers;
//! # fn program(stack: &phx_model::Stack) -> Result<(), Box<dyn std::error::Error>> {
//! let (me, zones) = stack.lookup_all((CallerIdentity::new(), AvailabilityZones::new().state("available")))?;
//! let bucket = format!("logs-{}", me.account_id);
//! for zone in zones.iter().take(3) {
//!     println!("{bucket}: {}", zone.name);
//! }
//! # Ok(())
//! # }
//! # let stack = phx_model::Stack::new(phx_model::urn::StackName::new("p")?, phx_model::urn::StackName::new("s")?, Default::default(), Default::default());
//! # let me = Identity { account_id: "123456789012".into(), arn: phx_aws::Arn::new("arn:aws:iam::123456789012:user/me"), user_id: "me".into() };
//! # let answers = Answers::new().give(&CallerIdentity::new(), me)?.give(&AvailabilityZones::new().state("available"), vec![])?;
//! # program(&stack.with_lookups(std::sync::Arc::new(answers)))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A lookup is one file. What was answered in a run is not asked again; lookups that are asked at once are asked with as few calls as AWS allows; and
//! most calls ask for more than is wanted (all zones, all add-ons of a version), so that the next lookup finds its answer there.
//!
//! | lookup | AWS is asked with |
//! |---|---|
//! | [`CallerIdentity`] | `GetCallerIdentity` |
//! | [`Partition`] | nothing |
//! | [`AvailabilityZones`] | `DescribeAvailabilityZones`, once a region |
//! | [`Ami`] | `DescribeImages`, once for all of the same owners and architecture |
//! | [`Parameter`] | `GetParameters`, ten at a time |
//! | [`ExistingVpc`] | `DescribeVpcs`, once a region |
//! | [`ExistingSubnets`], [`ExistingSecurityGroup`] | `DescribeSubnets`, `DescribeSecurityGroups`, once for all VPCs that are asked for at once |
//! | [`PrefixList`] | `DescribeManagedPrefixLists`, once a region |
//! | [`ExistingHostedZone`] | `ListHostedZones`, once; in an account of more than a hundred, `ListHostedZonesByName` |
//! | [`ExistingSecret`] | `ListSecrets`, ten names at a time |
//! | [`ExistingRole`] | `GetRole` |
//! | [`ExistingKmsKey`] | `ListAliases`, once a region |
//! | [`AddonVersions`] | `DescribeAddonVersions`, once a Kubernetes version |
//! | [`ClusterVersions`] | `DescribeClusterVersions`, once a region |
//! | [`EngineVersions`] | `DescribeDBEngineVersions`, once an engine |

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use phx_model::driver::{Cx, Places};
use phx_model::error::ErrorKind;
use phx_model::lookup::{Answerer, Lookup, Request};
use phx_model::provider::Provider;
use phx_model::state::ProviderKey;
use phx_model::{CloudError, Value};
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::OnceCell;

use crate::client::Aws;

#[cfg(feature = "eks")]
mod addon_versions;
#[cfg(feature = "ec2")]
mod ami;
#[cfg(feature = "ec2")]
mod availability_zones;
mod caller_identity;
mod choose;
#[cfg(feature = "eks")]
mod cluster_versions;
#[cfg(feature = "rds")]
mod engine_versions;
#[cfg(feature = "route53")]
mod hosted_zone;
#[cfg(feature = "kms")]
mod kms_key;
#[cfg(feature = "ssm")]
mod parameter;
mod partition;
#[cfg(feature = "ec2")]
mod prefix_list;
#[cfg(feature = "iam")]
mod role;
#[cfg(feature = "secretsmanager")]
mod secret;
#[cfg(feature = "ec2")]
mod security_group;
#[cfg(feature = "ec2")]
mod subnets;
#[cfg(any(feature = "eks", feature = "rds"))]
mod versions;
#[cfg(feature = "ec2")]
mod vpc;

#[cfg(feature = "eks")]
pub use addon_versions::{Addon, AddonVersions};
#[cfg(feature = "ec2")]
pub use ami::{Ami, Image};
#[cfg(feature = "ec2")]
pub use availability_zones::{AvailabilityZone, AvailabilityZones};
pub use caller_identity::{CallerIdentity, Identity};
#[cfg(feature = "eks")]
pub use cluster_versions::{ClusterVersion, ClusterVersions, KubernetesVersions};
#[cfg(feature = "rds")]
pub use engine_versions::{Engine, EngineVersion, EngineVersions};
#[cfg(feature = "route53")]
pub use hosted_zone::{ExistingHostedZone, HostedZone};
#[cfg(feature = "kms")]
pub use kms_key::{ExistingKmsKey, KmsKey};
#[cfg(feature = "ssm")]
pub use parameter::{Parameter, ParameterValue};
pub use partition::{Partition, PartitionFacts};
#[cfg(feature = "ec2")]
pub use prefix_list::{PrefixList, PrefixListFacts};
#[cfg(feature = "iam")]
pub use role::{ExistingRole, Role};
#[cfg(feature = "secretsmanager")]
pub use secret::{ExistingSecret, Secret};
#[cfg(feature = "ec2")]
pub use security_group::{ExistingSecurityGroup, SecurityGroup};
#[cfg(feature = "ec2")]
pub use subnets::{ExistingSubnets, Subnet};
#[cfg(feature = "ec2")]
pub use vpc::{ExistingVpc, Vpc};

/// How long one lookup may take.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A lookup as AWS answers it.
trait Find: Lookup<Answer: Send> + DeserializeOwned + Send + Sync + 'static {
    /// The answers to lookups of one place, in their order.
    fn find(
        at: &At,
        wanted: Vec<Self>,
    ) -> impl Future<Output = Result<Vec<Result<Self::Answer, CloudError>>, CloudError>> + Send;
}

/// Answers lookups of one type in one place.
type Answering = for<'a> fn(&'a At, Vec<Value>) -> BoxFuture<'a, Vec<Result<Value, CloudError>>>;

fn answering<L: Find>() -> (&'static str, Answering) {
    (L::NAME, |at, arguments| {
        async move {
            let n = arguments.len();
            let invalid = |e: serde_json::Error| CloudError::local(ErrorKind::Invalid, e.to_string());
            let wanted: Result<Vec<L>, CloudError> = arguments
                .into_iter()
                .map(|value| serde_json::from_value(value.to_plain_json().unwrap_or_default()).map_err(invalid))
                .collect();
            let found = match wanted {
                Ok(wanted) => L::find(at, wanted).await,
                Err(error) => Err(error),
            };
            let plain = |answer: L::Answer| serde_json::to_value(answer).map(Value::from).map_err(invalid);
            match found {
                Ok(answers) => answers.into_iter().map(|answer| answer.and_then(plain)).collect(),
                Err(error) => vec![Err(error); n],
            }
        }
        .boxed()
    })
}

/// Every lookup of every enabled service.
fn all() -> BTreeMap<&'static str, Answering> {
    let known = [
        answering::<CallerIdentity>(),
        answering::<Partition>(),
        #[cfg(feature = "ec2")]
        answering::<AvailabilityZones>(),
        #[cfg(feature = "ec2")]
        answering::<Ami>(),
        #[cfg(feature = "ec2")]
        answering::<ExistingVpc>(),
        #[cfg(feature = "ec2")]
        answering::<ExistingSubnets>(),
        #[cfg(feature = "ec2")]
        answering::<ExistingSecurityGroup>(),
        #[cfg(feature = "ec2")]
        answering::<PrefixList>(),
        #[cfg(feature = "ssm")]
        answering::<Parameter>(),
        #[cfg(feature = "route53")]
        answering::<ExistingHostedZone>(),
        #[cfg(feature = "secretsmanager")]
        answering::<ExistingSecret>(),
        #[cfg(feature = "iam")]
        answering::<ExistingRole>(),
        #[cfg(feature = "kms")]
        answering::<ExistingKmsKey>(),
        #[cfg(feature = "eks")]
        answering::<AddonVersions>(),
        #[cfg(feature = "eks")]
        answering::<ClusterVersions>(),
        #[cfg(feature = "rds")]
        answering::<EngineVersions>(),
    ];
    known.into_iter().collect()
}

/// Where lookups are asked, and what was answered there before.
struct At {
    aws: Aws,
    cx: Cx,
    sheets: Arc<Sheets>,
}

impl At {
    /// An answer of AWS that several lookups read: asked for once, also by lookups that want it at the same time.
    async fn sheet<T, F>(&self, name: &str, ask: F) -> Result<Arc<T>, CloudError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, CloudError>> + Send,
    {
        let cell = self.sheets.cell(&self.cx.provider, name);
        let sheet = cell.get_or_try_init(|| async { Ok::<Sheet, CloudError>(Arc::new(ask.await?)) }).await?;
        sheet.clone().downcast().map_err(|_| {
            CloudError::local(ErrorKind::Other, format!("two lookups keep different things under the name {name:?}"))
        })
    }

    /// What was put under a name, or asked for.
    fn known<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.sheets.cell(&self.cx.provider, name).get()?.clone().downcast().ok()
    }

    /// Keeps an answer for others.
    fn put<T: Send + Sync + 'static>(&self, name: &str, answer: T) {
        // Somebody may have been faster, with the same answer.
        let _ = self.sheets.cell(&self.cx.provider, name).set(Arc::new(answer));
    }

    /// The region, for what is said to people.
    async fn region(&self) -> Result<String, CloudError> {
        self.aws.region(&self.cx.provider).await
    }
}

type Sheet = Arc<dyn Any + Send + Sync>;

/// A place, and the name of what was asked there.
type Where = (ProviderKey, String);

#[derive(Default)]
struct Sheets(Mutex<HashMap<Where, Arc<OnceCell<Sheet>>>>);

impl Sheets {
    fn cell(&self, place: &ProviderKey, name: &str) -> Arc<OnceCell<Sheet>> {
        let mut sheets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sheets.entry((place.clone(), name.to_owned())).or_default().clone()
    }
}

/// Answers lookups. Keeps the answers as long as it lives: make one a run. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Lookups {
    inner: Arc<Inner>,
}

struct Inner {
    aws: Aws,
    check_account: bool,
    checked: OnceCell<()>,
    known: BTreeMap<&'static str, Answering>,
    answers: Mutex<HashMap<String, Value>>,
    sheets: Arc<Sheets>,
}

impl std::fmt::Debug for Lookups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookups").field("aws", &self.inner.aws).finish_non_exhaustive()
    }
}

/// A question is the same if its name, its arguments and its place are.
fn key(request: &Request) -> String {
    format!("{request} {}", request.provider.0)
}

impl Lookups {
    /// Answers by this way to AWS, and by no other credentials than those of the account that it names, if it names one.
    pub fn new(aws: Aws) -> Self {
        Self::with(aws, true)
    }

    /// The same, whatever account the credentials belong to: for emulators.
    pub fn of_any_account(aws: Aws) -> Self {
        Self::with(aws, false)
    }

    fn with(aws: Aws, check_account: bool) -> Self {
        let (checked, known) = (OnceCell::new(), all());
        let (answers, sheets) = (Mutex::default(), Arc::default());
        Self { inner: Arc::new(Inner { aws, check_account, checked, known, answers, sheets }) }
    }

    /// Answers all of them, in their order.
    pub async fn ask(
        &self,
        requests: &[Request],
        providers: &BTreeMap<ProviderKey, Provider>,
    ) -> Vec<Result<Value, CloudError>> {
        let inner = &*self.inner;
        if let Err(error) = inner.checked.get_or_try_init(|| self.check()).await {
            return vec![Err(error); requests.len()];
        }
        inner.aws.define(providers);
        let known = |request: &Request| {
            inner.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key(request)).cloned()
        };
        // What is new, each question once, by lookup and place.
        let mut groups: BTreeMap<(&str, &ProviderKey), Vec<&Request>> = BTreeMap::new();
        for request in requests {
            let group = groups.entry((&request.name, &request.provider)).or_default();
            if known(request).is_none() && !group.contains(&request) {
                group.push(request);
            }
        }
        let asked = groups.into_iter().filter(|(_, group)| !group.is_empty()).map(|((name, place), group)| {
            let cx = Cx::new(place.clone(), Arc::new(|_| {}), TIMEOUT);
            let at = At { aws: inner.aws.clone(), cx, sheets: inner.sheets.clone() };
            async move {
                let answers = match inner.known.get(name) {
                    Some(answering) => {
                        let arguments = group.iter().map(|request| request.arguments.clone()).collect();
                        match tokio::time::timeout(TIMEOUT, answering(&at, arguments)).await {
                            Ok(answers) => answers,
                            Err(_) => {
                                let message = format!("AWS has not answered within {TIMEOUT:?}");
                                vec![Err(CloudError::local(ErrorKind::TimedOut, message)); group.len()]
                            }
                        }
                    }
                    None => vec![Err(unknown(name)); group.len()],
                };
                group.into_iter().map(key).zip(answers).collect::<Vec<_>>()
            }
        });
        let mut failed: HashMap<String, CloudError> = HashMap::new();
        for (key, answer) in futures::future::join_all(asked).await.into_iter().flatten() {
            match answer {
                Ok(value) => {
                    inner.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
                }
                Err(error) => {
                    failed.insert(key, error);
                }
            }
        }
        let missing = || CloudError::local(ErrorKind::Other, "it was not answered");
        requests
            .iter()
            .map(|request| match known(request) {
                Some(value) => Ok(value),
                None => Err(failed.get(&key(request)).cloned().unwrap_or_else(missing)),
            })
            .collect()
    }

    /// Refuses to read with the credentials of another account than the stack's.
    async fn check(&self) -> Result<(), CloudError> {
        let aws = &self.inner.aws;
        let Some(wanted) = aws.account_id().filter(|_| self.inner.check_account) else { return Ok(()) };
        let found = aws.caller_account().await?;
        if found == wanted {
            return Ok(());
        }
        let message = format!(
            "these credentials belong to the AWS account {found}, and the stack is for {wanted}; nothing was read or changed"
        );
        Err(CloudError::local(ErrorKind::Denied, message)
            .hint("choose other credentials, for example with AWS_PROFILE"))
    }
}

fn unknown(name: &str) -> CloudError {
    CloudError::local(ErrorKind::Unsupported, format!("this program knows no lookup {name}"))
        .hint("for a lookup that comes with phx, turn on the cargo feature of its service and build again")
}

impl Answerer for Lookups {
    /// Waits for the answers on the tokio runtime that the caller is in, which must be one of several threads.
    fn answer(
        &self,
        requests: &[Request],
        providers: &BTreeMap<ProviderKey, Provider>,
    ) -> Vec<Result<Value, CloudError>> {
        let refused = |why: &str| {
            let error = CloudError::local(ErrorKind::Unsupported, why).hint(
                "call the program from a multi-threaded tokio runtime (`#[tokio::main]`), and not from a LocalSet",
            );
            vec![Err(error); requests.len()]
        };
        let runtime = match Handle::try_current() {
            Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => runtime,
            Ok(_) => {
                return refused(
                    "a lookup waits for AWS, and this tokio runtime has one thread only: both would wait for ever",
                );
            }
            Err(_) => return refused("a lookup waits for AWS, and there is no tokio runtime here to wait on"),
        };
        // Within a `LocalSet` tokio panics, and has no way to ask beforehand.
        let ready = std::panic::catch_unwind(|| tokio::task::block_in_place(|| {})).is_ok();
        if !ready {
            return refused("a lookup waits for AWS, and this task may not wait");
        }
        tokio::task::block_in_place(|| runtime.block_on(self.ask(requests, providers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str) -> Request {
        Request { name: name.into(), arguments: Value::Null, provider: ProviderKey::default() }
    }

    fn error(lookups: &Lookups, name: &str) -> String {
        lookups.answer(&[request(name)], &BTreeMap::new()).remove(0).unwrap_err().to_string()
    }

    #[test]
    fn where_nobody_can_wait_there_is_an_error_and_no_panic() {
        let lookups = Lookups::new(Aws::builder().build());
        assert!(error(&lookups, CallerIdentity::NAME).contains("no tokio runtime"));
        let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(one.block_on(async { error(&lookups, CallerIdentity::NAME) }).contains("one thread only"));
        let many = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let asked = || error(&lookups, "aws:none:Such");
        assert!(many.block_on(async { asked() }).contains("knows no lookup"));
        let task = many.spawn(async move {
            let lookups = Lookups::new(Aws::builder().build());
            error(&lookups, "aws:none:Such")
        });
        assert!(many.block_on(task).unwrap().contains("knows no lookup"), "in a task of the only worker");
        let lookups = Lookups::new(Aws::builder().build());
        let local = tokio::task::LocalSet::new();
        let said = many.block_on(local.run_until(async { error(&lookups, "aws:none:Such") }));
        assert!(said.contains("may not wait"), "{said}");
    }
}
