//! [`ExistingSecret`].

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::arn::Arn;
use crate::batch;

/// How many values of a filter AWS takes.
const PER_CALL: usize = 10;
const PAGE: i32 = 100;

/// A secret of Secrets Manager that the program does not manage: where it is, never what it is.
///
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingSecret {
    name: Option<String>,
    tags: BTreeMap<String, String>,
}

/// A secret, without its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// Its ARN, with the six letters that AWS adds to its name.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// The key that it is encrypted with: an ARN or an alias. Unset: AWS's own, `aws/secretsmanager`.
    pub kms_key_id: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl ExistingSecret {
    /// The one of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// The only one with this tag.
    pub fn tagged(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::default().tag(key, value)
    }

    /// It has this tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    fn fits(&self, secret: &Secret) -> bool {
        self.name.as_ref().is_none_or(|name| *name == secret.name)
            && self.tags.iter().all(|(key, value)| secret.tags.get(key) == Some(value))
    }
}

impl Lookup for ExistingSecret {
    const NAME: &'static str = "aws:secretsmanager:Secret";
    type Answer = Secret;
}

impl Find for ExistingSecret {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Secret, CloudError>>, CloudError> {
        let names: Vec<&str> = wanted.iter().filter_map(|w| w.name.as_deref()).collect();
        let mut calls: Vec<(FilterNameStringType, Vec<String>)> = names
            .chunks(PER_CALL)
            .map(|names| (FilterNameStringType::Name, names.iter().map(|name| (*name).to_owned()).collect()))
            .collect();
        // One tag is enough to ask for; what else is wanted is looked for in the answer.
        for tagged in wanted.iter().filter(|w| w.name.is_none()) {
            let key = tagged.tags.keys().next().cloned().unwrap_or_default();
            let call = (FilterNameStringType::TagKey, vec![key]);
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
        let found = batch::each(calls, |(name, values)| list(at, name, values)).await?;
        let mut all: BTreeMap<String, Secret> = BTreeMap::new();
        for secret in found.into_iter().flatten() {
            all.insert(secret.arn.to_string(), secret);
        }
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let fitting = all.values().filter(|secret| wanted.fits(secret)).cloned().collect();
            answers.push(choose::one(at, "secret", "name, tags", fitting, |secret| secret.name.clone()).await);
        }
        Ok(answers)
    }
}

async fn list(at: &At, name: FilterNameStringType, values: Vec<String>) -> Result<Vec<Secret>, CloudError> {
    let secrets = &at.aws.secretsmanager(&at.cx).await?;
    let filter = &Filter::builder().key(name).set_values(Some(values)).build();
    let all = batch::pages(|token| async move {
        let request = secrets.list_secrets().filters(filter.clone()).max_results(PAGE).set_next_token(token);
        let answer = secrets.read("ListSecrets", || request.clone().send()).await?;
        Ok((answer.secret_list.unwrap_or_default(), answer.next_token))
    });
    let secrets = all.await?.into_iter().filter_map(|secret| {
        let tags = secret.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())));
        Some(Secret {
            tags: tags.collect(),
            kms_key_id: secret.kms_key_id().map(str::to_owned),
            arn: Arn::new(secret.arn?),
            name: secret.name?,
        })
    });
    Ok(secrets.collect())
}
