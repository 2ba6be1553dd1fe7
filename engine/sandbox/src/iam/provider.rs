//! OpenID Connect providers, and the names of AWS's own roles.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Iam, done, fault, now, page, tag, tag_list, untag};
use crate::ACCOUNT_ID;
use crate::service::Tags;
use crate::wire::{Fault, Params};

/// An OpenID Connect provider.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Provider {
    /// Without the scheme.
    url: String,
    clients: Vec<String>,
    thumbprints: Vec<String>,
    created: String,
    #[serde(default)]
    pub(super) tags: Tags,
}

/// Services whose roles are not named after them letter by letter.
const LINKED_ROLES: &[(&str, &str)] = &[
    ("autoscaling", "AutoScaling"),
    ("backup", "Backup"),
    ("config", "Config"),
    ("ecs", "ECS"),
    ("eks", "AmazonEKS"),
    ("eks-nodegroup", "AmazonEKSNodegroup"),
    ("elasticloadbalancing", "ElasticLoadBalancing"),
    ("guardduty", "AmazonGuardDuty"),
    ("opensearchservice", "AmazonOpenSearchService"),
    ("rds", "RDS"),
    ("securityhub", "SecurityHub"),
    ("spot", "EC2Spot"),
    ("ssm", "AmazonSSM"),
    ("transitgateway", "VPCTransitGateway"),
];

/// The name of a service's role.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html>
pub(super) fn linked_name(service: &str) -> String {
    let host = service.trim_end_matches(".amazonaws.com");
    let known = LINKED_ROLES.iter().find(|(name, _)| *name == host).map(|(_, role)| (*role).to_owned());
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>()).unwrap_or_default()
    };
    let name = known.unwrap_or_else(|| host.split(['-', '.']).map(capital).collect());
    format!("AWSServiceRoleFor{name}")
}

fn missing(arn: &str) -> Fault {
    fault(404, "NoSuchEntity", format!("OpenIDConnect Provider not found for arn {arn}"))
}

impl Iam {
    fn provider(&mut self, p: &Params) -> Result<&mut Provider, Fault> {
        let arn = p.required("OpenIDConnectProviderArn")?;
        self.providers.get_mut(arn).ok_or_else(|| missing(arn))
    }

    /// The operations on providers. `None`: it is none of them.
    pub(super) fn provider_call(&mut self, action: &str, p: &Params) -> Option<Answer> {
        Some(match action {
            "CreateOpenIDConnectProvider" => self.create_provider(p),
            "GetOpenIDConnectProvider" => self.provider(p).map(|provider| {
                json!({
                    "Url": provider.url, "ClientIDList": provider.clients, "ThumbprintList": provider.thumbprints,
                    "CreateDate": provider.created, "Tags": tag_list(&provider.tags),
                })
            }),
            "ListOpenIDConnectProviders" => {
                let all: Vec<Value> = self.providers.keys().map(|arn| json!({"Arn": arn})).collect();
                Ok(json!({"OpenIDConnectProviderList": all}))
            }
            "UpdateOpenIDConnectProviderThumbprint" => {
                let thumbprints = p.list("ThumbprintList.member").into_iter().map(str::to_owned).collect();
                self.provider(p).map(|provider| provider.thumbprints = thumbprints).and_then(|()| done())
            }
            "AddClientIDToOpenIDConnectProvider" => self.set_client(p, true),
            "RemoveClientIDFromOpenIDConnectProvider" => self.set_client(p, false),
            // One that is not there is deleted.
            "DeleteOpenIDConnectProvider" => p.required("OpenIDConnectProviderArn").and_then(|arn| {
                self.providers.remove(arn);
                done()
            }),
            "TagOpenIDConnectProvider" => {
                self.provider(p).and_then(|provider| tag(&mut provider.tags, p)).and_then(|()| done())
            }
            "UntagOpenIDConnectProvider" => {
                self.provider(p).map(|provider| untag(&mut provider.tags, p)).and_then(|()| done())
            }
            "ListOpenIDConnectProviderTags" => {
                let tags = self.provider(p).map(|provider| tag_list(&provider.tags));
                tags.and_then(|tags| page("Tags", tags.as_array().cloned().unwrap_or_default(), p))
            }
            _ => return None,
        })
    }

    fn create_provider(&mut self, p: &Params) -> Answer {
        let url = p.required("Url")?;
        let Some(issuer) = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')) else {
            return Err(Fault::new("ValidationError", "Invalid Open ID Connect Provider URL"));
        };
        let arn = format!("arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{issuer}");
        if self.providers.contains_key(&arn) {
            return Err(fault(409, "EntityAlreadyExists", format!("Provider with url {url} already exists.")));
        }
        let texts = |list: &str| p.list(list).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut thumbprints = texts("ThumbprintList.member");
        if let Some(wrong) = thumbprints.iter().find(|t| t.len() != 40 || !t.chars().all(|c| c.is_ascii_hexdigit())) {
            return Err(Fault::new("ValidationError", format!("{wrong} is not a SHA-1 thumbprint")));
        }
        if thumbprints.is_empty() {
            // AWS asks the issuer for its certificate.
            thumbprints.push("9e99a48a9960b14926bb7f3b02e22da2b0ab7280".to_owned());
        }
        let mut provider = Provider {
            url: issuer.to_owned(),
            clients: texts("ClientIDList.member"),
            thumbprints,
            created: now(),
            tags: Tags::new(),
        };
        tag(&mut provider.tags, p)?;
        let tags = tag_list(&provider.tags);
        self.providers.insert(arn.clone(), provider);
        Ok(json!({"OpenIDConnectProviderArn": arn, "Tags": tags}))
    }

    /// Both are harmless when they are repeated.
    fn set_client(&mut self, p: &Params, on: bool) -> Answer {
        let client = p.required("ClientID")?;
        let clients = &mut self.provider(p)?.clients;
        clients.retain(|other| other != client);
        if on {
            clients.push(client.to_owned());
        }
        done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_roles_of_their_names() {
        for (service, name) in [
            ("eks.amazonaws.com", "AWSServiceRoleForAmazonEKS"),
            ("rds.amazonaws.com", "AWSServiceRoleForRDS"),
            ("access-analyzer.amazonaws.com", "AWSServiceRoleForAccessAnalyzer"),
        ] {
            assert_eq!(linked_name(service), name);
        }
    }
}
