//! The accounts and regions that a program works in beside the stack's own, and the roles that are assumed there.
//!
//! A role is assumed once in a process with the stack's own credentials, by the SDK's own means: its sessions are cached and renewed before they end, and all
//! services of all its regions share them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use phx_model::CloudError;
use phx_model::driver::Places;
use phx_model::error::ErrorKind;
use phx_model::provider::{Provider, Role};
use phx_model::state::ProviderKey;
use tokio::sync::OnceCell;

use crate::batch;
use crate::call;
use crate::client::Aws;
use crate::permissions::GLOBAL;

/// The session's name where the program gives none.
const SESSION_NAME: &str = "phx";

/// Account and the name of the provider context: whose sessions serve all regions.
type Whose = (String, String);

/// What the keys mean, and the roles' sessions.
#[derive(Default)]
pub(crate) struct Roles {
    defined: Mutex<BTreeMap<ProviderKey, Provider>>,
    sessions: Mutex<HashMap<Whose, Arc<OnceCell<SdkConfig>>>>,
}

fn whose(key: &ProviderKey) -> Option<Whose> {
    let place = key.place();
    Some((place.account?.to_owned(), place.name?.to_owned()))
}

impl Roles {
    fn role(&self, key: &ProviderKey) -> Option<Role> {
        let defined = self.defined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = defined.get(key) {
            return provider.role.clone();
        }
        // Another region of the same account, where something is done for an object that lies elsewhere.
        let whose = whose(key)?;
        defined.iter().find(|(other, _)| self::whose(other).as_ref() == Some(&whose))?.1.role.clone()
    }

    /// The SDK's configuration with the role's credentials in place of the stack's own.
    pub(crate) async fn config(&self, aws: &Aws, key: &ProviderKey, own: &SdkConfig) -> Result<SdkConfig, CloudError> {
        let (Some(whose), Some(role)) = (whose(key), self.role(key)) else {
            let message = format!("nothing says what the place {:?} is: neither the program nor the state", key.0);
            return Err(CloudError::local(ErrorKind::Invalid, message)
                .hint("declare the provider context of that name in the program, and run `phx up`"));
        };
        let session = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.entry(whose).or_default().clone()
        };
        Ok(session.get_or_init(|| assumed(aws, &role, own)).await.clone())
    }

    /// What it means that there are no credentials for a place, if it is a role's.
    pub(crate) fn refused(&self, key: &ProviderKey, error: &CredentialsError) -> Option<CloudError> {
        let role = self.role(key)?;
        let place = key.place();
        let name = place.name.unwrap_or_default();
        let refusal = call::source_of::<SdkError<AssumeRoleError, HttpResponse>>(error);
        let mut said = refusal.map_or_else(
            || CloudError::local(ErrorKind::Denied, call::chain(error)),
            |refusal| CloudError { service: "sts".into(), operation: "AssumeRole".into(), ..call::explain(refusal) },
        );
        // Whatever became of AssumeRole, the call that wants the credentials was not sent.
        if said.kind == ErrorKind::Ambiguous {
            said.kind = ErrorKind::Unreachable;
        }
        said.message =
            format!("the role {} of the provider context {name:?} cannot be assumed: {}", role.arn, said.message);
        if said.kind == ErrorKind::Denied && (said.hint.is_none() || said.code.as_deref() == Some("AccessDenied")) {
            said.hint = Some(
                "its trust policy must let the stack's own credentials call sts:AssumeRole (with the external id that it wants), and their own policies must too"
                    .to_owned(),
            );
        }
        Some(said)
    }
}

/// The stack's own configuration with a role's credentials.
async fn assumed(aws: &Aws, role: &Role, own: &SdkConfig) -> SdkConfig {
    let own = match own.time_source() {
        Some(_) => own.clone(),
        None => own.clone().into_builder().time_source(SharedTimeSource::default()).build(),
    };
    // Assuming a role twice does no harm, so the SDK may repeat it by itself.
    let caller = own.clone().into_builder().retry_config(RetryConfig::standard()).build();
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .configure(&caller)
        .session_name(role.session_name.as_deref().unwrap_or(SESSION_NAME))
        .tags(role.session_tags.clone());
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    let counted = Counted { provider: builder.build().await, aws: Box::new(aws.downgrade()) };
    own.into_builder()
        .credentials_provider(SharedCredentialsProvider::new(counted))
        .identity_cache(IdentityCache::lazy().build())
        .build()
}

/// Counts among the calls what the SDK does by itself.
struct Counted {
    provider: AssumeRoleProvider,
    aws: Box<dyn Fn() -> Option<Aws> + Send + Sync>,
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The provider's own form has the external id in it.
        f.write_str("Counted")
    }
}

impl ProvideCredentials for Counted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if let Some(aws) = (self.aws)() {
            aws.count("sts", "AssumeRole");
        }
        self.provider.provide_credentials()
    }
}

#[async_trait]
impl Places for Aws {
    fn define(&self, providers: &BTreeMap<ProviderKey, Provider>) {
        let roles = self.roles();
        let before = {
            let mut defined = roles.defined.lock().unwrap_or_else(PoisonError::into_inner);
            if *defined == *providers {
                return;
            }
            std::mem::replace(&mut *defined, providers.clone())
        };
        // Sessions of a role that is another one now are of no use any more.
        let changed: BTreeSet<Whose> = before
            .iter()
            .filter(|(key, provider)| roles.role(key).as_ref() != provider.role.as_ref())
            .filter_map(|(key, _)| whose(key))
            .collect();
        if changed.is_empty() {
            return;
        }
        let mut sessions = roles.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|whose, _| !changed.contains(whose));
        drop(sessions);
        self.forget(|key| whose(key).is_some_and(|whose| changed.contains(&whose)));
    }

    async fn open(&self, places: &BTreeSet<ProviderKey>) -> Result<(), CloudError> {
        // One role serves all regions of an account.
        let mut roles: BTreeMap<Whose, &ProviderKey> = BTreeMap::new();
        for key in places {
            if let Some(whose) = whose(key) {
                roles.entry(whose).or_insert(key);
            }
        }
        // Every session may ask whose it is; what matters is that there is one.
        batch::each(roles, |(_, key)| self.caller(key)).await?;
        Ok(())
    }

    fn is_global(&self, type_name: &str) -> bool {
        let service = type_name.split(':').nth(1).unwrap_or_default();
        GLOBAL.contains(&service) || type_name == "aws:s3:AccountPublicAccessBlock"
    }

    async fn home(&self) -> Option<String> {
        // Where there is none, the first call says so.
        self.region(&ProviderKey::default()).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::error::ErrorMetadata;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn a_session_that_fails_leaves_no_doubt_about_the_call_that_wanted_it() {
        let key = ProviderKey("210987654321/eu-west-1@tenant".into());
        let roles = Roles::default();
        let role = Provider::new().assume_role("arn:aws:iam::210987654321:role/phx");
        roles.defined.lock().unwrap().insert(key.clone(), role);
        let said = |status: u16, code: &str| {
            let meta = ErrorMetadata::builder().code(code).message("no").build();
            let raw = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            let failure: SdkError<AssumeRoleError, HttpResponse> =
                SdkError::service_error(AssumeRoleError::generic(meta), raw);
            roles.refused(&key, &CredentialsError::provider_error(failure)).unwrap()
        };
        let broken = said(500, "InternalFailure");
        assert_eq!((broken.kind, broken.operation.as_str()), (ErrorKind::Unreachable, "AssumeRole"), "{broken}");
        assert_eq!(said(400, "Throttling").kind, ErrorKind::Throttled);
        assert_eq!(said(403, "AccessDenied").kind, ErrorKind::Denied);
    }
}
