//! [`IdentityProviderConfig`].
//!
//! No emulator here serves it: moto has none, and ministack's never get ready without Docker. All of it follows the service model.

use std::collections::BTreeMap;

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{Block, CloudError, Outputs, Resource};

use super::{
    Eks, EksClusterName, create_named, deleted, going, known, malformed, once_free, settled, split, update_tags,
};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::with_intent;
use crate::wait::{Stage, until};
use crate::{batch, owner};

/// The one kind of identity provider that EKS takes.
const OIDC: &str = "oidc";

/// An OpenID Connect provider whose users a cluster's Kubernetes knows. A cluster has one at most.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_AssociateIdentityProviderConfig.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:IdentityProviderConfig",
    terraform = "aws_eks_identity_provider_config",
    cloudformation = "AWS::EKS::IdentityProviderConfig",
    identity = NaturalKey,
    unique(cluster_name)
)]
pub struct IdentityProviderConfig {
    /// The cluster.
    #[field(replace)]
    pub cluster_name: Input<EksClusterName>,
    /// The provider, and what of its tokens counts.
    #[field(replace)]
    pub oidc: Input<OidcConfig>,
    /// The tags.
    pub tags: Tags,
}

/// An OpenID Connect provider, and what of its tokens counts.
#[derive(Clone, Debug, Block)]
pub struct OidcConfig {
    /// The name of this configuration.
    pub identity_provider_config_name: Input<String>,
    /// The provider's URL, under which its `.well-known/openid-configuration` is found; `https://` and reachable from the internet.
    pub issuer_url: Input<String>,
    /// The client that tokens are made for: their audience.
    pub client_id: Input<String>,
    /// The claim that is the user's name. Kubernetes' default: `sub`.
    #[field(cloud_default)]
    pub username_claim: Option<Input<String>>,
    /// What is put before users' names, so that they clash with no others; `-` for nothing. Unset, the issuer's URL and `#`, except before `email`.
    #[field(cloud_default)]
    pub username_prefix: Option<Input<String>>,
    /// The claim that names the user's groups.
    pub groups_claim: Option<Input<String>>,
    /// What is put before groups' names, so that they clash with no others.
    pub groups_prefix: Option<Input<String>>,
    /// Claims that a token must have, with these values.
    pub required_claims: Option<Input<BTreeMap<String, String>>>,
}

/// What AWS decides of an [`IdentityProviderConfig`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct IdentityProviderConfigOutputs {
    /// Cluster and name: `demo/okta`.
    pub id: String,
    /// The ARN.
    pub arn: Option<Arn>,
}

impl Manage for IdentityProviderConfig {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        batch::each(targets, |target| async { Ok(read(eks, target).await.unwrap_or_else(Found::Failed)) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &IdentityProviderConfigResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let oidc = sdk::OidcIdentityProviderConfigRequest::builder()
            .identity_provider_config_name(&want.oidc.identity_provider_config_name)
            .issuer_url(&want.oidc.issuer_url)
            .client_id(&want.oidc.client_id)
            .set_username_claim(want.oidc.username_claim.clone())
            .set_username_prefix(want.oidc.username_prefix.clone())
            .set_groups_claim(want.oidc.groups_claim.clone())
            .set_groups_prefix(want.oidc.groups_prefix.clone())
            .set_required_claims(want.oidc.required_claims.as_ref().map(|c| c.clone().into_iter().collect()));
        let request = &eks
            .associate_identity_provider_config()
            .client_request_token(client_token(intent))
            .cluster_name(want.cluster_name.as_str())
            .oidc(oidc.build().map_err(malformed)?)
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let send = || async move {
            eks.write("AssociateIdentityProviderConfig", || request.clone().send()).await?;
            // The answer is about the change, not about what comes of it: the ARN is known later.
            let id = format!("{}/{}", want.cluster_name, want.oidc.identity_provider_config_name);
            let outputs = IdentityProviderConfigOutputs { id: id.clone(), arn: None };
            Ok(Created { id, outputs, complete: false })
        };
        // EKS refuses a second provider with the words that it has for a cluster that is being changed, which would be waited for.
        let find = || async move {
            match Self::find(aws, cx, want, intent).await? {
                None => only(eks, want).await.map(|()| None),
                found => Ok(found),
            }
        };
        create_named(cx, send, find).await
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &IdentityProviderConfigResolved,
    ) -> Result<Option<IdentityProviderConfigOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, name) = split(id)?;
        let what = format!("identity provider {id}");
        let config = until(cx, &what, || async {
            let config = describe(eks, cluster, name).await?.ok_or_else(|| missing(eks, id))?;
            let now = state(&config).to_owned();
            settled(&what, &now, &[], config)
        });
        Ok(Some(outputs(id, &config.await?)))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &IdentityProviderConfigResolved,
        change: &IdentityProviderConfigChange,
    ) -> Result<Option<IdentityProviderConfigOutputs>, CloudError> {
        // Everything else needs a new configuration.
        if change.tags.is_some() {
            let eks = &aws.eks(cx).await?;
            let (cluster, name) = split(id)?;
            let config = describe(eks, cluster, name).await?.ok_or_else(|| missing(eks, id))?;
            if let Some(arn) = config.identity_provider_config_arn() {
                update_tags(eks, arn, change.tags.as_ref()).await?;
            }
        }
        Ok(None)
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: Option<&IdentityProviderConfigResolved>,
    ) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, name) = split(id)?;
        let request = eks
            .disassociate_identity_provider_config()
            .cluster_name(cluster)
            .identity_provider_config(named(name)?)
            .client_request_token(super::token());
        let send = || eks.write_idempotent("DisassociateIdentityProviderConfig", || request.clone().send());
        deleted(once_free(cx, send).await)?;
        let what = format!("identity provider {id}");
        until(cx, &what, || async {
            match describe(eks, cluster, name).await? {
                None => Ok(Stage::Ready(())),
                Some(config) => going(&what, state(&config), &[]),
            }
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &IdentityProviderConfigResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let name = &want.oidc.identity_provider_config_name;
        let found = describe(eks, want.cluster_name.as_str(), name).await?;
        let Some(config) = found.filter(|config| state(config) != "DELETING") else { return Ok(None) };
        let what = format!("the identity provider {name} of the cluster {}", want.cluster_name);
        owner::check(&what, &super::tag_map(config.tags()), intent)?;
        let id = format!("{}/{name}", want.cluster_name);
        Ok(Some(Created { outputs: outputs(&id, &config), id, complete: false }))
    }
}

/// Passes if the cluster has no other identity provider.
async fn only(eks: &Eks, want: &IdentityProviderConfigResolved) -> Result<(), CloudError> {
    let request = eks.list_identity_provider_configs().cluster_name(want.cluster_name.as_str());
    let answer = known(eks.read("ListIdentityProviderConfigs", || request.clone().send()).await)?;
    let configs = answer.and_then(|answer| answer.identity_provider_configs).unwrap_or_default();
    match configs.iter().find(|config| config.name() != want.oidc.identity_provider_config_name) {
        None => Ok(()),
        Some(other) => {
            let message =
                format!("the cluster {} has an identity provider already: {}", want.cluster_name, other.name());
            Err(CloudError::local(ErrorKind::AlreadyExists, message)
                .hint("a cluster has one at most: take that one away first"))
        }
    }
}

fn named(name: &str) -> Result<sdk::IdentityProviderConfig, CloudError> {
    sdk::IdentityProviderConfig::builder().r#type(OIDC).name(name).build().map_err(malformed)
}

fn missing(eks: &Eks, id: &str) -> CloudError {
    let error = eks.unexpected("DescribeIdentityProviderConfig", format!("there is no identity provider {id}"));
    CloudError { kind: ErrorKind::NotFound, ..error }
}

async fn describe(eks: &Eks, cluster: &str, name: &str) -> Result<Option<sdk::OidcIdentityProviderConfig>, CloudError> {
    let request = eks.describe_identity_provider_config().cluster_name(cluster).identity_provider_config(named(name)?);
    let answer = known(eks.read("DescribeIdentityProviderConfig", || request.clone().send()).await)?;
    Ok(answer.and_then(|answer| answer.identity_provider_config).and_then(|config| config.oidc))
}

async fn read(eks: &Eks, target: &Target<'_>) -> Result<Found<IdentityProviderConfig>, CloudError> {
    let (cluster, name) = split(target.id)?;
    let found = describe(eks, cluster, name).await?;
    let Some(config) = found.filter(|config| state(config) != "DELETING") else { return Ok(Found::Gone) };
    let fields = fields(&config).ok_or_else(|| {
        let message = format!("the answer to {} lacks a name, an issuer or a client", target.id);
        eks.unexpected("DescribeIdentityProviderConfig", message)
    })?;
    Ok(Found::present(fields, outputs(target.id, &config)))
}

fn fields(config: &sdk::OidcIdentityProviderConfig) -> Option<IdentityProviderConfigResolved> {
    let text = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    Some(IdentityProviderConfigResolved {
        cluster_name: EksClusterName::new(config.cluster_name()?),
        oidc: OidcConfigResolved {
            identity_provider_config_name: config.identity_provider_config_name.clone()?,
            issuer_url: config.issuer_url.clone()?,
            client_id: config.client_id.clone()?,
            username_claim: text(&config.username_claim),
            username_prefix: text(&config.username_prefix),
            groups_claim: text(&config.groups_claim),
            groups_prefix: text(&config.groups_prefix),
            required_claims: Some(super::tag_map(config.required_claims())).filter(|claims| !claims.is_empty()),
        },
        tags: super::tag_map(config.tags()),
    })
}

fn state(config: &sdk::OidcIdentityProviderConfig) -> &str {
    config.status().map(sdk::ConfigStatus::as_str).unwrap_or_default()
}

fn outputs(id: &str, config: &sdk::OidcIdentityProviderConfig) -> IdentityProviderConfigOutputs {
    IdentityProviderConfigOutputs { id: id.to_owned(), arn: config.identity_provider_config_arn().map(Arn::new) }
}
