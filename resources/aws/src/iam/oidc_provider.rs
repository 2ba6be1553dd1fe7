//! `aws:iam:OidcProvider`.

use std::collections::BTreeSet;

use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource, Value};

use super::Iam;
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner};

/// IAM tells the URL without it.
const SCHEME: &str = "https://";
/// What stands before the URL in an ARN.
const KIND: &str = ":oidc-provider/";

/// Someone outside AWS whose word about identities is taken: an OpenID Connect provider, such as that of an EKS cluster.
///
/// IAM has no call that tells more than one; reading takes a call for each.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:OidcProvider",
    terraform = "aws_iam_openid_connect_provider",
    cloudformation = "AWS::IAM::OIDCProvider",
    identity = NaturalKey,
    unique(url)
)]
pub struct OidcProvider {
    /// The issuer's URL, beginning with `https://` and unique in the account.
    #[field(replace)]
    pub url: Input<String>,
    /// The audiences that tokens may be for: `sts.amazonaws.com` for EKS.
    #[field(set)]
    pub client_id_list: Option<Input<Vec<String>>>,
    /// The SHA-1 thumbprints of the certificates that the provider's may be signed with, in hexadecimal. Unset, IAM finds out by itself; and it
    /// does not need them where the certificate is one of a well-known authority's.
    #[field(set, cloud_default, normalize = lower_case)]
    pub thumbprint_list: Option<Input<Vec<String>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct OidcProviderOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The issuer as condition keys have it, without `https://`: `oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE`.
    pub issuer: String,
}

impl Manage for OidcProvider {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        batch::each(targets, |target| async {
            Ok(match get(iam, target.id).await {
                Ok(fields) => Found::present(fields, outputs(target.id)),
                Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
                Err(error) => Found::Failed(error),
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &OidcProviderResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam
            .create_open_id_connect_provider()
            .url(&want.url)
            .set_client_id_list(want.client_id_list.clone())
            .set_thumbprint_list(want.thumbprint_list.clone())
            .set_tags(Some(super::to_tags(&with_intent(&want.tags, intent))?));
        let send = || iam.write("CreateOpenIDConnectProvider", || request.clone().send());
        let answer = match super::change(cx, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let arn = answer.open_id_connect_provider_arn;
        let arn = arn.ok_or_else(|| iam.unexpected("CreateOpenIDConnectProvider", "the answer names no provider"))?;
        Ok(created(&arn))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &OidcProviderResolved,
        change: &OidcProviderChange,
    ) -> Result<Option<OidcProviderOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if let Some(thumbprints) = change.thumbprint_list.as_ref().and_then(|c| c.after.clone()) {
            let request = iam
                .update_open_id_connect_provider_thumbprint()
                .open_id_connect_provider_arn(id)
                .set_thumbprint_list(Some(thumbprints));
            let send = || iam.write_idempotent("UpdateOpenIDConnectProviderThumbprint", || request.clone().send());
            super::change(cx, send).await?;
        }
        if let Some(audiences) = &change.client_id_list {
            let after: BTreeSet<&String> = audiences.after.iter().flatten().collect();
            let before: BTreeSet<&String> = audiences.before.iter().flatten().collect();
            // A new one first, so that no time is without any.
            for audience in after.difference(&before) {
                let request = iam
                    .add_client_id_to_open_id_connect_provider()
                    .open_id_connect_provider_arn(id)
                    .client_id(*audience);
                let send = || iam.write_idempotent("AddClientIDToOpenIDConnectProvider", || request.clone().send());
                super::change(cx, send).await?;
            }
            for audience in before.difference(&after) {
                let request = iam
                    .remove_client_id_from_open_id_connect_provider()
                    .open_id_connect_provider_arn(id)
                    .client_id(*audience);
                let send =
                    || iam.write_idempotent("RemoveClientIDFromOpenIDConnectProvider", || request.clone().send());
                super::change(cx, send).await?;
            }
        }
        if let Some(change) = &change.tags {
            let delta = TagDelta::of(change);
            // IAM's tag keys have no case: taken away after it is set, `Team` would take `team` with it.
            if !delta.remove.is_empty() {
                let keys = delta.remove.into_iter().collect();
                let request =
                    iam.untag_open_id_connect_provider().open_id_connect_provider_arn(id).set_tag_keys(Some(keys));
                let send = || iam.write_idempotent("UntagOpenIDConnectProvider", || request.clone().send());
                super::change(cx, send).await?;
            }
            if !delta.set.is_empty() {
                let tags = super::to_tags(&delta.set)?;
                let request = iam.tag_open_id_connect_provider().open_id_connect_provider_arn(id).set_tags(Some(tags));
                let send = || iam.write_idempotent("TagOpenIDConnectProvider", || request.clone().send());
                super::change(cx, send).await?;
            }
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&OidcProviderResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam.delete_open_id_connect_provider().open_id_connect_provider_arn(id);
        let send = || iam.write_idempotent("DeleteOpenIDConnectProvider", || request.clone().send());
        super::gone_is_done(super::change(cx, send).await)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &OidcProviderResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let send = || iam.list_open_id_connect_providers().send();
        let all = iam.read("ListOpenIDConnectProviders", send).await?.open_id_connect_provider_list;
        let arns = all.unwrap_or_default().into_iter().filter_map(|p| p.arn);
        for arn in arns.filter(|arn| same_issuer(issuer(arn), &want.url)) {
            let Some(fields) = super::if_there(get(iam, &arn).await)? else { continue };
            owner::check(&format!("the identity provider {}", want.url), &fields.tags, intent)?;
            return Ok(Some(created(&arn)));
        }
        Ok(None)
    }
}

fn created(arn: &str) -> Created<OidcProvider> {
    Created { id: arn.to_owned(), outputs: outputs(arn), complete: true }
}

fn outputs(arn: &str) -> OidcProviderOutputs {
    OidcProviderOutputs { arn: Arn::new(arn), issuer: issuer(arn).to_owned() }
}

/// The issuer that an ARN names.
fn issuer(arn: &str) -> &str {
    arn.split_once(KIND).map_or(arn, |(_, issuer)| issuer)
}

fn same_issuer(issuer: &str, url: &str) -> bool {
    url.strip_prefix(SCHEME).unwrap_or(url).eq_ignore_ascii_case(issuer)
}

async fn get(iam: &Iam, arn: &str) -> Result<OidcProviderResolved, CloudError> {
    let request = iam.get_open_id_connect_provider().open_id_connect_provider_arn(arn);
    let answer = iam.read("GetOpenIDConnectProvider", || request.clone().send()).await?;
    let url = answer.url().unwrap_or_else(|| issuer(arn));
    Ok(OidcProviderResolved {
        url: if url.starts_with(SCHEME) { url.to_owned() } else { format!("{SCHEME}{url}") },
        tags: super::from_tags(answer.tags()),
        client_id_list: answer.client_id_list.filter(|list| !list.is_empty()),
        thumbprint_list: answer.thumbprint_list,
    })
}

/// Hexadecimal digits are one in upper and lower case.
fn lower_case(list: &Value) -> Value {
    match list.expose() {
        Value::List(items) => Value::List(items.iter().map(lower_case).collect()),
        Value::String(text) => Value::String(text.to_ascii_lowercase().into()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EX";

    #[test]
    fn an_arn_names_the_issuer() {
        assert_eq!(issuer(ARN), "oidc.eks.us-west-2.amazonaws.com/id/EX");
        assert!(same_issuer(issuer(ARN), "https://oidc.eks.us-west-2.amazonaws.com/id/EX"));
        assert!(!same_issuer(issuer(ARN), "https://oidc.eks.us-west-2.amazonaws.com/id/EX2"));
    }

    #[test]
    fn thumbprints_have_no_case() {
        let list = |text: &str| Value::List(vec![Value::String(text.into())]);
        assert_eq!(lower_case(&list("9E99")), list("9e99"));
    }
}
