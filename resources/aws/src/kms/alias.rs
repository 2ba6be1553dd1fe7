//! `aws:kms:Alias`.

use std::collections::HashMap;

use aws_sdk_kms::types::AliasListEntry;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Val;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{AliasName, KeyId, Kms};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// ListAliases tells of so many at once.
const PAGE: i32 = 100;

/// A name for a key, by which programs can use it without knowing which key it is.
///
/// An alias cannot bear tags, and so no mark: after a creation whose answer was lost, one of this name is taken for the one that was made if it
/// stands for the key that the program wants. A key that is going to be deleted keeps its aliases until then, so they are deleted
/// by themselves.
///
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:kms:Alias",
    terraform = "aws_kms_alias",
    cloudformation = "AWS::KMS::Alias",
    identity = NaturalKey,
    unique(alias_name)
)]
pub struct Alias {
    /// The name, beginning with `alias/` but not with `alias/aws/`; unique in account and region.
    #[field(replace)]
    pub alias_name: Input<String>,
    /// The key, by its id or its ARN. Another one must be of the same kind and for the same use.
    pub target_key_id: Input<KeyId>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AliasOutputs {
    /// The name, by which programs refer to the alias.
    pub alias_name: AliasName,
    /// The ARN.
    pub arn: Arn,
}

impl Manage for Alias {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let kms = &aws.kms(cx).await?;
        let all = list(kms).await?;
        let all: HashMap<&str, &AliasListEntry> = all.iter().filter_map(|a| Some((a.alias_name()?, a))).collect();
        let found = |target: &Target<'_>| match all.get(target.id) {
            Some(alias) => present(kms, target, alias),
            None => Found::Gone,
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &AliasResolved, _: &IntentId) -> Result<Created<Self>, CloudError> {
        let kms = &aws.kms(cx).await?;
        // Before the call, since after it a failure would lose the alias.
        let created = created(aws, cx, want).await?;
        let request = kms.create_alias().alias_name(&want.alias_name).target_key_id(want.target_key_id.as_str());
        // The key may have been made a moment ago.
        match super::once_known(cx, || kms.write("CreateAlias", || request.clone().send())).await {
            Ok(_) => Ok(created),
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Err(taken.hint("choose another name, or adopt the alias with `phx import`"))
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &AliasResolved,
        _: &AliasChange,
    ) -> Result<Option<AliasOutputs>, CloudError> {
        let kms = &aws.kms(cx).await?;
        let request = kms.update_alias().alias_name(id).target_key_id(want.target_key_id.as_str());
        super::once_known(cx, || kms.write_idempotent("UpdateAlias", || request.clone().send())).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&AliasResolved>) -> Result<(), CloudError> {
        let kms = &aws.kms(cx).await?;
        let request = kms.delete_alias().alias_name(id);
        match kms.write_idempotent("DeleteAlias", || request.clone().send()).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(aws: &Aws, cx: &Cx, want: &AliasResolved, _: &IntentId) -> Result<Option<Created<Self>>, CloudError> {
        let kms = &aws.kms(cx).await?;
        let all = list(kms).await?;
        let Some(alias) = all.iter().find(|a| a.alias_name() == Some(&want.alias_name)) else { return Ok(None) };
        let there = alias.target_key_id().unwrap_or("no key");
        if bare(want.target_key_id.as_str()) != there {
            let message = format!("{} is there already, and stands for {there}", want.alias_name);
            return Err(CloudError::local(ErrorKind::AlreadyExists, message)
                .hint("choose another name, or adopt the alias with `phx import` if it is this stack's to manage"));
        }
        Ok(Some(created(aws, cx, want).await?))
    }
}

/// CreateAlias's answer is empty, but the ARN is known beforehand.
async fn created(aws: &Aws, cx: &Cx, want: &AliasResolved) -> Result<Created<Alias>, CloudError> {
    let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
    let arn = Arn::of("kms", &region, &account, &want.alias_name);
    let outputs = AliasOutputs { alias_name: AliasName::new(&want.alias_name), arn };
    Ok(Created { id: want.alias_name.clone(), outputs, complete: true })
}

async fn list(kms: &Kms) -> Result<Vec<AliasListEntry>, CloudError> {
    batch::pages(|marker| async move {
        let request = kms.list_aliases().limit(PAGE).set_marker(marker);
        let answer = kms.read("ListAliases", || request.clone().send()).await?;
        Ok((answer.aliases.unwrap_or_default(), answer.next_marker.filter(|_| answer.truncated)))
    })
    .await
}

/// A key's id, also of its ARN.
fn bare(key: &str) -> &str {
    key.rsplit_once(":key/").map_or(key, |(_, id)| id)
}

fn present(kms: &Kms, target: &Target<'_>, alias: &AliasListEntry) -> Found<Alias> {
    let (Some(arn), Some(key)) = (alias.alias_arn(), alias.target_key_id()) else {
        let message = format!("the answer holds {} without an ARN or a key", target.id);
        return Found::Failed(kms.unexpected("ListAliases", message));
    };
    // KMS tells the id, where the program may have said the ARN.
    let set = target.inputs.get("target_key_id").and_then(|set| KeyId::from_value(set).ok());
    let target_key_id = set.filter(|set| bare(set.as_str()) == key).unwrap_or_else(|| KeyId::new(key));
    let fields = AliasResolved { alias_name: target.id.to_owned(), target_key_id };
    Found::present(fields, AliasOutputs { alias_name: AliasName::new(target.id), arn: Arn::new(arn) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_arn_ends_with_its_id() {
        assert_eq!(bare("arn:aws:kms:us-west-2:123456789012:key/mrk-1"), "mrk-1");
        assert_eq!(bare("1234abcd"), "1234abcd");
    }
}
