//! The way to AWS: credentials, region, endpoint, one HTTP client for everything, and the SDK's clients, each made when it is first needed.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

use crate::pace::Pace;

/// Connecting takes a tenth of a second across the world; after this long nobody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// No single answer of the APIs used here takes this long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
/// Shorter than AWS's load balancers keep an idle connection, so that no call is sent into one that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The way to AWS. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Aws {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Builder,
    config: OnceCell<SdkConfig>,
    account: OnceCell<String>,
    clients: Mutex<Clients>,
    calls: Mutex<BTreeMap<String, u64>>,
    total: AtomicU64,
    paces: Mutex<HashMap<PaceKey, Arc<Pace>>>,
}

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
            #[cfg(feature = "s3")]
            s3: PerPlace<aws_sdk_s3::Client>,
            #[cfg(feature = "notify")]
            messages: PerPlace<aws_sdk_sns::Client>,
            sts: PerPlace<aws_sdk_sts::Client>,
            tagging: PerPlace<aws_sdk_resourcegroupstagging::Client>,
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
    /// CloudWatch in the place that a verb is about.
    cloudwatch, "cloudwatch", aws_sdk_cloudwatch;
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
    /// S3 Control in the place that a verb is about.
    s3control, "s3", aws_sdk_s3control;
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
                account: OnceCell::new(),
                clients: Mutex::default(),
                calls: Mutex::default(),
                total: AtomicU64::new(0),
                paces: Mutex::default(),
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
            HttpBuilder::new().tls_provider(Tls::Rustls(CryptoMode::Ring)).pool_idle_timeout(IDLE_TIMEOUT).build_https()
        });
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .retry_config(RetryConfig::disabled())
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
        let config = loader.load().await;
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

    /// The account that the credentials belong to, asked of AWS.
    pub async fn caller_account(&self) -> Result<String, CloudError> {
        let provider = ProviderKey::default();
        let sts = self.sts(&provider).await?;
        let answer = sts.read("GetCallerIdentity", || sts.get_caller_identity().send()).await?;
        answer.account.ok_or_else(|| sts.unexpected("GetCallerIdentity", "the answer names no account"))
    }

    /// The account that everything lies in: the one that the stack's configuration names, or else the caller's, asked for once.
    pub async fn account(&self) -> Result<String, CloudError> {
        match self.account_id() {
            Some(account) => Ok(account.to_owned()),
            None => self.inner.account.get_or_try_init(|| self.caller_account()).await.cloned(),
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

    pub(crate) fn pace(&self, provider: &ProviderKey, service: &'static str, operation: &'static str) -> Arc<Pace> {
        let mut paces = self.inner.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.entry((provider.clone(), service, operation)).or_default().clone()
    }

    /// The address that is called instead of AWS's, if any.
    pub(crate) fn endpoint(&self) -> Option<String> {
        self.inner.config.get()?.endpoint_url().map(str::to_owned)
    }

    async fn loaded(&self) -> Result<&SdkConfig, CloudError> {
        self.inner.config.get_or_try_init(|| self.inner.settings.load()).await
    }

    /// The SDK's configuration and the region of a place.
    async fn place(&self, provider: &ProviderKey) -> Result<(&SdkConfig, Region), CloudError> {
        let config = self.loaded().await?;
        let (account, region) = split(provider);
        if let Some(account) = account.filter(|a| Some(*a) != self.account_id()) {
            return Err(CloudError::local(
                ErrorKind::Invalid,
                format!("the place {:?} lies in account {account}, which is not the stack's", provider.0),
            )
            .hint("a stack works in one account; name its account as `account_id` in the stack's configuration"));
        }
        let region = match (region, config.region()) {
            (Some(region), _) => Region::new(region.to_owned()),
            (None, Some(region)) => region.clone(),
            // `load` has refused to go on without one.
            (None, None) => return Err(CloudError::local(ErrorKind::Invalid, "no AWS region is set")),
        };
        Ok((config, region))
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
        Ok(wrap(slot(&mut self.clients()).entry(provider.clone()).or_insert_with(|| make(config, region)).clone()))
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Clients> {
        self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// S3 in the place that a verb is about.
    #[cfg(feature = "s3")]
    pub async fn s3(&self, cx: &Cx) -> Result<Service<aws_sdk_s3::Client>, CloudError> {
        use aws_sdk_s3::{Client, config::Builder};
        // AWS resolves bucket names as host names; other endpoints have one host name only.
        let make = |c: &SdkConfig, region| {
            Client::from_conf(Builder::from(c).region(region).force_path_style(s3_endpoint(c).is_some()).build())
        };
        self.service(&cx.provider, "s3", |c| &mut c.s3, make).await
    }

    /// Whether something else than AWS answers for S3: an emulator, or another maker's store.
    #[cfg(feature = "s3")]
    pub(crate) async fn s3_is_stand_in(&self) -> Result<bool, CloudError> {
        let config = self.loaded().await?;
        Ok(self.inner.settings.http_client.is_some() || s3_endpoint(config).is_some_and(|url| !is_aws(&url)))
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

    async fn sts(&self, provider: &ProviderKey) -> Result<Service<aws_sdk_sts::Client>, CloudError> {
        use aws_sdk_sts::{Client, config::Builder};
        let make = |c: &_, region| Client::from_conf(Builder::from(c).region(region).build());
        self.service(provider, "sts", |c| &mut c.sts, make).await
    }
}

/// A place is written `region` or `account/region`; empty is where the stack lives.
fn split(provider: &ProviderKey) -> (Option<&str>, Option<&str>) {
    let (account, region) = provider.0.rsplit_once('/').unwrap_or(("", &provider.0));
    (Some(account).filter(|a| !a.is_empty()), Some(region).filter(|r| !r.is_empty()))
}

/// The user's own address for S3, from any of the places where the SDK looks for one.
#[cfg(feature = "s3")]
fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    use aws_types::service_config::ServiceConfigKey;
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok();
    let own = key.and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Whether an address is AWS's own, such as that of an interface endpoint.
#[cfg(feature = "s3")]
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

    #[test]
    fn a_place_is_a_region_with_or_without_an_account() {
        let key = |s: &str| ProviderKey(s.to_owned());
        assert_eq!(split(&key("")), (None, None));
        assert_eq!(split(&key("us-west-2")), (None, Some("us-west-2")));
        assert_eq!(split(&key("123456789012/us-west-2")), (Some("123456789012"), Some("us-west-2")));
        assert_eq!(split(&key("123456789012/")), (Some("123456789012"), None));
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
