//! The OpenID Connect provider whose users a cluster's Kubernetes knows: one at most.

use serde_json::{Value, json};

use super::{Eks, Fault, Kind, in_use, invalid, new_tags, text};
use crate::near::only;
use crate::service::Call;

/// The one kind of identity provider that there is.
const OIDC: &str = "oidc";

/// The name that a request calls a provider by.
fn named(ask: &Value) -> Result<&str, Fault> {
    let config = &ask["identityProviderConfig"];
    match text(config, "type")? {
        OIDC => text(config, "name"),
        other => Err(invalid(format!("{other} is no type of identity provider: it must be {OIDC}"))),
    }
}

impl Eks {
    pub(super) fn associate_provider(&mut self, call: &Call, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        only(ask, "eks:AssociateIdentityProviderConfig", &["clientRequestToken", "oidc", "tags"])?;
        self.object(Kind::Cluster, cluster, "")?;
        let oidc = &ask["oidc"];
        let known = [
            "clientId",
            "groupsClaim",
            "groupsPrefix",
            "identityProviderConfigName",
            "issuerUrl",
            "requiredClaims",
            "usernameClaim",
            "usernamePrefix",
        ];
        only(oidc, "eks:AssociateIdentityProviderConfig", &known)?;
        let (name, issuer) = (text(oidc, "identityProviderConfigName")?, text(oidc, "issuerUrl")?);
        text(oidc, "clientId")?;
        if !issuer.starts_with("https://") || issuer.contains('?') {
            return Err(invalid(format!("The issuerUrl must begin with https:// and have no query: {issuer}")));
        }
        for prefix in ["usernamePrefix", "groupsPrefix"] {
            if oidc[prefix].as_str().is_some_and(|said| said.contains("system:")) {
                return Err(invalid(format!("{prefix} can't contain system:")));
            }
        }
        let tags = new_tags(ask)?;
        let there = self.of(Kind::Provider, cluster).next().map(|(other, there)| (other.to_owned(), there.is_of(ask)));
        match there {
            // The same request once more.
            Some((_, true)) => {}
            Some((other, false)) => {
                return Err(in_use(format!("Cluster {cluster} has an identity provider config associated: {other}")));
            }
            None => {
                let mut fields = oidc.clone();
                let id = uuid::Uuid::new_v4();
                let arn = call.arn("eks", &format!("identityproviderconfig/{cluster}/{OIDC}/{name}/{id}"));
                fields["identityProviderConfigArn"] = json!(arn);
                fields["clusterName"] = json!(cluster);
                fields["status"] = json!("ACTIVE");
                fields["tags"] = tags.clone();
                self.add((Kind::Provider, cluster, name), ask, fields, OIDC);
            }
        }
        let mut answer = self.updated(cluster, ("", None), "AssociateIdentityProviderConfig", ask);
        answer["tags"] = tags;
        Ok(answer)
    }

    pub(super) fn describe_provider(&self, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        let config = self.shown(Kind::Provider, cluster, named(ask)?, OIDC)?;
        Ok(json!({"identityProviderConfig": config}))
    }

    pub(super) fn list_providers(&self, call: &Call, cluster: &str) -> Result<Value, Fault> {
        self.object(Kind::Cluster, cluster, "")?;
        let all = self.of(Kind::Provider, cluster).map(|(name, _)| json!({"type": OIDC, "name": name}));
        self.paged(call, all.collect(), "identityProviderConfigs")
    }

    pub(super) fn disassociate_provider(&mut self, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        let known = ["clientRequestToken", "identityProviderConfig"];
        only(ask, "eks:DisassociateIdentityProviderConfig", &known)?;
        self.take((Kind::Provider, cluster, named(ask)?), OIDC)?;
        Ok(self.updated(cluster, ("", None), "DisassociateIdentityProviderConfig", ask))
    }
}
