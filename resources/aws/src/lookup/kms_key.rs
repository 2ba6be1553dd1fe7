//! [`ExistingKmsKey`].

use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::arn::Arn;
use crate::batch;
use crate::ids::{AliasName, KeyId};

const PAGE: i32 = 100;

/// A KMS key that the program does not manage, by its alias: one of the account's, or AWS's own (`alias/aws/ebs`).
///
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingKmsKey {
    alias: String,
}

/// A key, and the alias that leads to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KmsKey {
    /// The key's id.
    pub key_id: KeyId,
    /// The key's ARN.
    pub key_arn: Arn,
    /// The alias.
    pub alias: AliasName,
    /// The alias's ARN.
    pub alias_arn: Arn,
}

impl ExistingKmsKey {
    /// The one that this alias leads to: `alias/app`, or `app`.
    pub fn of_alias(alias: impl Into<String>) -> Self {
        let alias = alias.into();
        let alias = if alias.starts_with("alias/") { alias } else { format!("alias/{alias}") };
        Self { alias }
    }
}

impl Lookup for ExistingKmsKey {
    const NAME: &'static str = "aws:kms:Key";
    type Answer = KmsKey;
}

/// An alias as AWS tells it: those of its own lead nowhere before they are first used.
struct Alias {
    name: String,
    arn: String,
    target: Option<String>,
}

impl Find for ExistingKmsKey {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<KmsKey, CloudError>>, CloudError> {
        let kms = &at.aws.kms(&at.cx).await?;
        let all = at.sheet("aliases", async {
            let aliases = batch::pages(|token| async move {
                let request = kms.list_aliases().limit(PAGE).set_marker(token);
                let answer = kms.read("ListAliases", || request.clone().send()).await?;
                Ok((answer.aliases.unwrap_or_default(), answer.next_marker))
            });
            let aliases = aliases.await?.into_iter().filter_map(|alias| {
                Some(Alias { name: alias.alias_name?, arn: alias.alias_arn?, target: alias.target_key_id })
            });
            Ok(aliases.collect::<Vec<Alias>>())
        });
        let all = all.await?;
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let found = all.iter().find(|alias| alias.name == wanted.alias);
            answers.push(match found.map(|alias| (alias, &alias.target)) {
                Some((alias, Some(key))) => Ok(KmsKey {
                    // The two are of one account and region.
                    key_arn: Arn::new(format!("{}key/{key}", alias.arn.trim_end_matches(alias.name.as_str()))),
                    key_id: KeyId::new(key.as_str()),
                    alias: AliasName::new(alias.name.as_str()),
                    alias_arn: Arn::new(alias.arn.as_str()),
                }),
                Some((_, None)) => {
                    let error = CloudError::local(ErrorKind::NotFound, "this alias leads to no key yet");
                    Err(error.hint("AWS makes its own keys when they are first used: use the service once, or name the alias itself where a key is wanted"))
                }
                None => Err(choose::none(at, "alias of a key", "alias").await?),
            });
        }
        Ok(answers)
    }
}
