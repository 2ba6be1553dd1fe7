//! The way to AWS: credentials, region, endpoint, one HTTP client for everything, and the SDK's clients, each made when it is first needed.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::StalledStreamProtectionConfig;
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::Provider as Tls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::ProviderKey;
use tokio::sync::OnceCell;

use crate::arn::Arn;
use crate::joint::Joint;
use crate::lookup::Identity;
use crate::pace::Pace;
use crate::places::Roles;

/// Connecting takes a tenth of a second across the world; after this long nobody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// No single answer of the APIs used here takes this long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
/// Shorter than AWS's load balancers keep an idle connection, so that no call is sent into one that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// For so long after it was made an object holds nothing but what this process has put into it.
const JUST_NOW: Duration = Duration::from_secs(300);

/// The way to AWS. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Aws {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Builder,
    config: OnceCell<SdkConfig>,
    callers: Mutex<HashMap<ProviderKey, Identity>>,
    clients: Mutex<Clients>,
    calls: Mutex<BTreeMap<String, u64>>,
    total: AtomicU64,
    paces: Mutex<HashMap<PaceKey, Arc<Pace>>>,
    made: Mutex<HashMap<PlacedId, (Instant, HashSet<String>)>>,
    answered: Mutex<HashSet<(ProviderKey, &'static str)>>,
    joints: Mutex<HashMap<PaceKey, Arc<dyn Any + Send + Sync>>>,
    roles: Roles,
}

/// Place, kind, id.
type PlacedId = (ProviderKey, &'static str, String);

/// Place, service, action.
type PaceKey = (ProviderKey, &'static str, &'static str);

/// One client a service and place, made when it is first needed.
type PerPlace<C> = HashMap<ProviderKey, C>;

/// The services whose clients need nothing but a region: the accessor and the name in messages, the cargo feature, the SDK's crate.
macro_rules! services {
    ($($(#[$doc:meta])* $name:ident, $feature:literal, $sdk:ident;)*) => {
        #[derive(Default)]
        struct Clients {
            $(#[cfg(feature = $feature)] $name: PerPlace<$sdk::Client>,)*
            #[cfg(feature = "cloudwatch")]
            cloudwatch: PerPlace<aws_sdk_cloudwatch::Client>,
            #[cfg(feature = "s3")]
            s3: PerPlace<aws_sdk_s3::Client>,
            #[cfg(feature = "s3")]
            s3control: PerPlace<aws_sdk_s3control::Client>,
            #[cfg(feature = "notify")]
            messages: PerPlace<aws_sdk_sns::Client>,
            sts: PerPlace<aws_sdk_sts::Client>,
            tagging: PerPlace<aws_sdk_resourcegroupstagging::Client>,
        }

        impl Clients {
            /// Those of these places are made anew when they are needed again.
            fn forget(&mut self, of: impl Fn(&ProviderKey) -> bool) {
                $(#[cfg(feature = $feature)] self.$name.retain(|place, _| !of(place));)*
                #[cfg(feature = "s3")]
                self.s3.retain(|place, _| !of(place));
                #[cfg(feature = "s3")]
                self.s3control.retain(|place, _| !of(place));
                #[cfg(feature = "notify")]
                self.messages.retain(|place, _| !of(place));
                self.sts.retain(|place, _| !of(place));
                self.tagging.retain(|place, _| !of(place));
            }
        }

        impl Aws {
            $(
                $(#[$doc])*
                #[cfg(feature = $feature)]
                pub async fn $name(&self, cx: &Cx) -> Result<Service<$sdk::Client>, CloudError> {
                    let make = |c: &SdkConfig, region| {
                        $sdk::Client::from_conf($sdk::config::Builder::from(c).region(region).build())
                    };
                    self.service(&cx.provider, stringify!($name), |c| &mut c.$name, make).await
                }
            )*
        }
    };
}

services! {
    /// ACM in the place that a verb is about.
    acm, "acm", aws_sdk_acm;
    /// EC2 Auto Scaling in the place that a verb is about.
    autoscaling, "autoscaling", aws_sdk_autoscaling;
    /// AWS Backup in the place that a verb is about.
    backup, "backup", aws_sdk_backup;
    /// AWS Budgets in the place that a verb is about.
    budgets, "budgets", aws_sdk_budgets;
    /// Cost Explorer in the place that a verb is about.
    ce, "ce", aws_sdk_costexplorer;
    /// The Cloud Control API in the place that a verb is about.
    cloudcontrol, "cloudcontrol", aws_sdk_cloudcontrol;
    /// CloudTrail in the place that a verb is about.
    cloudtrail, "cloudtrail", aws_sdk_cloudtrail;
    /// AWS Config in the place that a verb is about.
    config, "config", aws_sdk_config;
    /// DynamoDB in the place that a verb is about.
    dynamodb, "dynamodb", aws_sdk_dynamodb;
    /// EC2 in the place that a verb is about.
    ec2, "ec2", aws_sdk_ec2;
    /// ECR in the place that a verb is about.
    ecr, "ecr", aws_sdk_ecr;
    /// EKS in the place that a verb is about.
    eks, "eks", aws_sdk_eks;
    /// Elastic Load Balancing in the place that a verb is about.
    elbv2, "elbv2", aws_sdk_elasticloadbalancingv2;
    /// EventBridge in the place that a verb is about.
    events, "events", aws_sdk_eventbridge;
    /// GuardDuty in the place that a verb is about.
    guardduty, "guardduty", aws_sdk_guardduty;
    /// IAM in the place that a verb is about.
    iam, "iam", aws_sdk_iam;
    /// KMS in the place that a verb is about.
    kms, "kms", aws_sdk_kms;
    /// CloudWatch Logs in the place that a verb is about.
    logs, "logs", aws_sdk_cloudwatchlogs;
    /// RDS in the place that a verb is about.
    rds, "rds", aws_sdk_rds;
    /// Route 53 in the place that a verb is about.
    route53, "route53", aws_sdk_route53;
    /// Secrets Manager in the place that a verb is about.
    secretsmanager, "secretsmanager", aws_sdk_secretsmanager;
    /// Security Hub in the place that a verb is about.
    securityhub, "securityhub", aws_sdk_securityhub;
    /// SNS in the place that a verb is about.
    sns, "sns", aws_sdk_sns;
    /// SQS in the place that a verb is about.
    sqs, "sqs", aws_sdk_sqs;
    /// Systems Manager in the place that a verb is about.
    ssm, "ssm", aws_sdk_ssm;
    /// AWS WAF in the place that a verb is about.
    wafv2, "wafv2", aws_sdk_wafv2;
}

/// Settings of an [`Aws`]. What is not set comes from the environment and the profile, as with the aws CLI.
#[derive(Clone, Default)]
pub struct Builder {
    region: Option<String>,
    account_id: Option<String>,
    http_client: Option<SharedHttpClient>,
    credentials: Option<Credentials>,
    endpoint: Option<String>,
}

impl Builder {
    /// The region of everything that names no other.
    #[must_use]
    pub fn region(mut self, region: Option<String>) -> Self {
        self.region = region;
        self
    }

    /// The account that the credentials must belong to.
    #[must_use]
    pub fn account_id(mut self, account: Option<String>) -> Self {
        self.account_id = account;
        self
    }

    /// Sends every request to this client instead of the network.
    #[must_use]
    pub fn http_client(mut self, client: SharedHttpClient) -> Self {
        self.http_client = Some(client);
        self
    }

    /// Signs with these credentials and looks for no others.
    #[must_use]
    pub fn credentials(mut self, access_key_id: &str, secret_access_key: &str) -> Self {
        self.credentials = Some(Credentials::new(access_key_id, secret_access_key, None, None, "phx"));
        self
    }

    /// Calls this address instead of AWS's.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The way to AWS. Nothing is read or connected to until the first call.
    pub fn build(self) -> Aws {
        Aws {
            inner: Arc::new(Inner {
                settings: self,
                config: OnceCell::new(),
                callers: Mutex::default(),
                clients: Mutex::default(),
                calls: Mutex::default(),
                total: AtomicU64::new(0),
                paces: Mutex::default(),
                made: Mutex::default(),
                answered: Mutex::default(),
                joints: Mutex::default(),
                roles: Roles::default(),
            }),
        }
    }

    fn timeouts() -> TimeoutConfig {
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
    }

    /// With a client and credentials of its own nothing of the environment is read, so that nothing in it can lead to real AWS.
    fn isolated(&self, client: SharedHttpClient, credentials: Credentials) -> SdkConfig {
        let region = self.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(client)
            .retry_config(RetryConfig::disabled())
            .timeout_config(Self::timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(self.endpoint.clone());
        config.build()
    }

    async fn load(&self) -> Result<SdkConfig, CloudError> {
        if let (Some(client), Some(credentials)) = (&self.http_client, &self.credentials) {
            return Ok(self.isolated(client.clone(), credentials.clone()));
        }
        let client = self.http_client.clone().unwrap_or_else(|| {
            HttpBuilder::new()
                .tls_provider(Tls::Rustls(CryptoMode::AwsLc))
                .pool_idle_timeout(IDLE_TIMEOUT)
                .build_https()
        });
        // The SDK fetches the credentials, from STS or SSO and again whenever they end, by these settings: that it may repeat by itself.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .retry_config(RetryConfig::standard())
            .timeout_config(Self::timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        if let Some(url) = &self.endpoint {
            loader = loader.endpoint_url(url.clone());
        }
        if let Ok(name) = AppName::new("phx") {
            loader = loader.app_name(name);
        }
        // Which of phx's own calls are repeated, phx says.
        let config = loader.load().await.into_builder().retry_config(RetryConfig::disabled()).build();
        if config.region().is_none() {
            return Err(CloudError::local(ErrorKind::Invalid, "no AWS region is set")
                .hint("set `region` in the stack's configuration, or AWS_REGION, or the profile's region"));
        }
        Ok(config)
    }
}

impl Aws {
    /// Settings to begin with.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The account that the credentials must belong to, if the stack's configuration names one.
    pub fn account_id(&self) -> Option<&str> {
        self.inner.settings.account_id.as_deref()
    }

    /// The account that the stack's own credentials belong to, asked of AWS.
    pub async fn caller_account(&self) -> Result<String, CloudError> {
        Ok(self.caller(&ProviderKey::default()).await?.account_id)
    }

    /// Whose the credentials of a place are, asked of AWS once.
    pub(crate) async fn caller(&self, provider: &ProviderKey) -> Result<Identity, CloudError> {
        // The same in all regions.
        let whose = provider.in_region("");
        let callers = || self.inner.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callers().get(&whose) {
            return Ok(known.clone());
        }
        let sts = self.sts(provider).await?;
        let answer = sts.read("GetCallerIdentity", || sts.get_caller_identity().send()).await?;
        let (Some(account_id), Some(arn)) = (answer.account, answer.arn) else {
            return Err(sts.unexpected("GetCallerIdentity", "the answer names no account"));
        };
        let identity = Identity { account_id, arn: Arn::new(arn), user_id: answer.user_id.unwrap_or_default() };
        callers().insert(whose, identity.clone());
        Ok(identity)
    }

    /// The account of a place. Of the stack's own: the one that the stack's configuration names, or else the caller's, asked for once.
    pub async fn account(&self, provider: &ProviderKey) -> Result<String, CloudError> {
        match provider.place().account.or(self.account_id()) {
            Some(account) => Ok(account.to_owned()),
            None => self.caller_account().await,
        }
    }

    /// The region of a place.
    pub async fn region(&self, provider: &ProviderKey) -> Result<String, CloudError> {
        Ok(self.place(provider).await?.1.to_string())
    }

    /// How many requests were sent, repetitions included.
    pub fn api_calls(&self) -> u64 {
        self.inner.total.load(Ordering::Relaxed)
    }

    /// How many requests were sent by `service:Operation`, repetitions included.
    pub fn api_calls_by_operation(&self) -> BTreeMap<String, u64> {
        self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, service: &str, operation: &str) {
        self.inner.total.fetch_add(1, Ordering::Relaxed);
        let mut calls = self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(format!("{service}:{operation}")).or_default() += 1;
    }

    /// Notes that a service has answered at a place, whatever it said.
    pub(crate) fn note_answer(&self, provider: &ProviderKey, service: &'static str) {
        if !self.has_answered(provider, service) {
            let mut answered = self.inner.answered.lock().unwrap_or_else(PoisonError::into_inner);
            answered.insert((provider.clone(), service));
        }
    }

    /// Whether a service has answered at a place before.
    pub(crate) fn has_answered(&self, provider: &ProviderKey, service: &'static str) -> bool {
        let answered = self.inner.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().any(|(place, name)| *name == service && place == provider)
    }

    pub(crate) fn pace(&self, provider: &ProviderKey, service: &'static str, operation: &'static str) -> Arc<Pace> {
        let mut paces = self.inner.paces.lock().unwrap_or_else(PoisonError::into_inner);
        // AWS counts by account and region, whoever calls there.
        let place = ProviderKey(provider.0.split('@').next().unwrap_or_default().to_owned());
        paces.entry((place, service, operation)).or_default().clone()
    }

    /// The address that is called instead of AWS's, if any.
    pub(crate) fn endpoint(&self) -> Option<String> {
        self.inner.config.get()?.endpoint_url().map(str::to_owned)
    }

    pub(crate) async fn loaded(&self) -> Result<&SdkConfig, CloudError> {
        self.inner.config.get_or_try_init(|| self.inner.settings.load()).await
    }

    /// The SDK's configuration and the region of a place.
    async fn place(&self, provider: &ProviderKey) -> Result<(SdkConfig, Region), CloudError> {
        let own = self.loaded().await?;
        let place = provider.place();
        let region = match (place.region, own.region()) {
            (Some(region), _) => Region::new(region.to_owned()),
            (None, Some(region)) => region.clone(),
            // `load` has refused to go on without one.
            (None, None) => return Err(CloudError::local(ErrorKind::Invalid, "no AWS region is set")),
        };
        if place.name.is_some() {
            return Ok((self.inner.roles.config(self, provider, own).await?, region));
        }
        if let Some(account) = place.account.filter(|a| Some(*a) != self.account_id()) {
            return Err(CloudError::local(
                ErrorKind::Invalid,
                format!("the place {:?} lies in account {account}, which is not the stack's", provider.0),
            )
            .hint("name the stack's own account as `account_id` in its configuration, or give the place a provider context with a role of that account"));
        }
        Ok((own.clone(), region))
    }

    /// What the keys of places mean, and the roles that are assumed there.
    pub(crate) fn roles(&self) -> &Roles {
        &self.inner.roles
    }

    /// The clients of these places are made anew when they are needed again.
    pub(crate) fn forget(&self, of: impl Fn(&ProviderKey) -> bool) {
        self.inner.callers.lock().unwrap_or_else(PoisonError::into_inner).retain(|place, _| !of(place));
        self.clients().forget(of);
    }

    /// The same way to AWS, as long as somebody else uses it.
    pub(crate) fn downgrade(&self) -> impl Fn() -> Option<Self> + Send + Sync + 'static {
        let inner = Arc::downgrade(&self.inner);
        move || inner.upgrade().map(|inner| Self { inner })
    }

    /// The SDK's configuration for other users of the same way to AWS.
    pub async fn sdk_config(&self) -> Result<SdkConfig, CloudError> {
        self.loaded().await.cloned()
    }

    async fn service<C: Clone>(
        &self,
        provider: &ProviderKey,
        name: &'static str,
        slot: impl Fn(&mut Clients) -> &mut HashMap<ProviderKey, C>,
        make: impl FnOnce(&SdkConfig, Region) -> C,
    ) -> Result<Service<C>, CloudError> {
        let wrap = |client| Service { client, aws: self.clone(), provider: provider.clone(), name };
        if let Some(client) = slot(&mut self.clients()).get(provider) {
            return Ok(wrap(client.clone()));
        }
        let (config, region) = self.place(provider).await?;
        Ok(wrap(slot(&mut self.clients()).entry(provider.clone()).or_insert_with(|| make(&config, region)).clone()))
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Clients> {
        self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// CloudWatch in the place that a verb is about.
    #[cfg(feature = "cloudwatch")]
    pub async fn cloudwatch(&self, cx: &Cx) -> Result<Service<aws_sdk_cloudwatch::Client>, CloudError> {
        use aws_sdk_cloudwatch::{Client, config::Builder};
        let stand_in = self.is_stand_in("CloudWatch").await?;
        let make = |c: &SdkConfig, region| {
            let builder = Builder::from(c).region(region);
            let builder = match c.http_client().filter(|_| stand_in) {
                Some(client) => builder
                    .http_client(crate::cloudwatch::json::client(client))
                    .interceptor(crate::cloudwatch::json::InJson),
                None => builder,
            };
            Client::from_conf(builder.build())
        };
        self.service(&cx.provider, "cloudwatch", |c| &mut c.cloudwatch, make).await
    }

    /// S3 in the place that a verb is about.
    #[cfg(feature = "s3")]
    pub async fn s3(&self, cx: &Cx) -> Result<Service<aws_sdk_s3::Client>, CloudError> {
        use aws_sdk_s3::{Client, config::Builder};
        // AWS resolves bucket names as host names; other endpoints have one host name only.
        let make = |c: &SdkConfig, region| {
            Client::from_conf(Builder::from(c).region(region).force_path_style(endpoint_of(c, "S3").is_some()).build())
        };
        self.service(&cx.provider, "s3", |c| &mut c.s3, make).await
    }

    /// S3 Control in the place that a verb is about.
    #[cfg(feature = "s3")]
    pub async fn s3control(&self, cx: &Cx) -> Result<Service<aws_sdk_s3control::Client>, CloudError> {
        use aws_sdk_s3control::{Client, config::Builder};
        let make = |c: &SdkConfig, region| {
            let builder = Builder::from(c).region(region);
            Client::from_conf(builder.interceptor(crate::s3::control::WithoutAccount).build())
        };
        self.service(&cx.provider, "s3control", |c| &mut c.s3control, make).await
    }

    /// Whether something else than AWS answers for a service (by the SDK's id of it): an emulator, or another maker's store.
    pub async fn is_stand_in(&self, service: &str) -> Result<bool, CloudError> {
        let config = self.loaded().await?;
        Ok(self.inner.settings.http_client.is_some() || endpoint_of(config, service).is_some_and(|url| !is_aws(&url)))
    }

    /// The tagging API, which tells the tags of many objects of any service, in the place that a verb is about.
    pub async fn tagging(&self, cx: &Cx) -> Result<Service<aws_sdk_resourcegroupstagging::Client>, CloudError> {
        use aws_sdk_resourcegroupstagging::{Client, config::Builder};
        let make = |c: &_, region| Client::from_conf(Builder::from(c).region(region).build());
        self.service(&cx.provider, "tag", |c| &mut c.tagging, make).await
    }

    /// SNS in a region, for messages: nobody waits long to tell of something.
    #[cfg(feature = "notify")]
    pub(crate) async fn messages(&self, provider: &ProviderKey) -> Result<Service<aws_sdk_sns::Client>, CloudError> {
        use aws_sdk_sns::{Client, config::Builder};
        let make = |c: &_, region| {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(crate::notify::TIMEOUT)
                .build();
            Client::from_conf(Builder::from(c).region(region).timeout_config(timeouts).build())
        };
        self.service(provider, "sns", |c| &mut c.messages, make).await
    }

    pub(crate) async fn sts(&self, provider: &ProviderKey) -> Result<Service<aws_sdk_sts::Client>, CloudError> {
        use aws_sdk_sts::{Client, config::Builder};
        let make = |c: &_, region| Client::from_conf(Builder::from(c).region(region).build());
        self.service(provider, "sts", |c| &mut c.sts, make).await
    }
}

/// The user's own address for a service, from any of the places where the SDK looks for one.
fn endpoint_of(config: &SdkConfig, service: &str) -> Option<String> {
    use aws_types::service_config::ServiceConfigKey;
    let key =
        ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok();
    let own = key.and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Whether an address is AWS's own, such as that of an interface endpoint.
fn is_aws(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"].iter().any(|domain| host.ends_with(domain))
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.inner.settings.region)
            .field("account_id", &self.inner.settings.account_id)
            .field("endpoint", &self.inner.settings.endpoint)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("region", &self.region)
            .field("account_id", &self.account_id)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// One service in one place: the SDK's client, and the ways to call it (see [`call`](crate::call)).
///
/// It derefs to the client, so that a call reads `ec2.read("DescribeVpcs", || ec2.describe_vpcs().send())`.
#[derive(Clone)]
pub struct Service<C> {
    client: C,
    pub(crate) aws: Aws,
    pub(crate) provider: ProviderKey,
    pub(crate) name: &'static str,
}

impl<C> Service<C> {
    /// Notes that this process has made an object, and has not merely found it.
    pub(crate) fn note_made(&self, what: &'static str, id: &str) {
        let mut made = self.aws.inner.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert((self.provider.clone(), what, id.to_owned()), (Instant::now(), HashSet::new()));
    }

    /// Whether this process has made the object just now, and puts something of this name into it for the first time: then nobody has put it
    /// there before, and whatever overwrites need not look.
    pub(crate) fn is_first_in(&self, what: &'static str, id: &str, part: &str) -> bool {
        let mut made = self.aws.inner.made.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = made.get_mut(&(self.provider.clone(), what, id.to_owned()));
        entry.is_some_and(|(when, parts)| when.elapsed() < JUST_NOW && parts.insert(part.to_owned()))
    }

    /// Where reads of this kind meet: `what` names it, and always with the same type of answer.
    pub(crate) fn joint<V: Clone + Send + 'static>(&self, what: &'static str) -> Arc<Joint<V>> {
        let mut joints = self.aws.inner.joints.lock().unwrap_or_else(PoisonError::into_inner);
        let joint =
            joints.entry((self.provider.clone(), self.name, what)).or_insert_with(|| Arc::<Joint<V>>::default());
        // Those who ask for something else by the same name do not meet.
        Arc::clone(joint).downcast().unwrap_or_default()
    }
}

impl<C> Deref for Service<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

impl<C> std::fmt::Debug for Service<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({} {:?})", self.name, self.provider.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_not_repeated_by_the_sdk() {
        let settings = Builder::default().region(Some("us-west-2".into())).credentials("key", "secret");
        let config = settings.load().await.unwrap();
        assert_eq!(config.retry_config().map(RetryConfig::max_attempts), Some(1));
    }

    #[test]
    fn a_service_that_has_answered_is_known_at_its_place() {
        let (aws, here, there) = (Aws::builder().build(), ProviderKey::default(), ProviderKey("eu-west-1".into()));
        aws.note_answer(&here, "ec2");
        assert!(aws.has_answered(&here, "ec2"));
        assert!(!aws.has_answered(&here, "iam") && !aws.has_answered(&there, "ec2"));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn aws_is_told_from_what_stands_in_for_it() {
        assert!(is_aws("https://bucket.vpce-1a2b.s3.us-west-2.vpce.amazonaws.com"));
        assert!(is_aws("https://s3.cn-north-1.amazonaws.com.cn/x"));
        for url in ["http://127.0.0.1:5700", "http://localhost", "https://amazonaws.com.example.org", ""] {
            assert!(!is_aws(url), "{url}");
        }
    }
}
