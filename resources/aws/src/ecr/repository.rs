//! [`Repository`].
//!
//! moto serves all of it but the tagging API's listing and switching scans off; a policy that names a principal which is not known yet follows
//! the service model alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_ecr::error::BuildError;
use aws_sdk_ecr::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Input, Tags};
use phx_model::value::Json;
use phx_model::{Block, CloudError, Outputs, Resource, Value};

use super::{Ecr, RepositoryName, understood};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, forms, owner, policy, tagged, wait};

/// DescribeRepositories takes so many names in one call.
const NAMES: usize = 100;
/// And lists so many at once.
const PAGE: i32 = 1000;
/// How long a role that was just made may be unknown to ECR.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// A place for the images of one name. <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ecr:Repository",
    terraform = "aws_ecr_repository",
    cloudformation = "AWS::ECR::Repository",
    identity = NaturalKey,
    unique(repository_name)
)]
pub struct Repository {
    /// The name, unique in account and region; it may have slashes: `team/web`.
    #[field(replace)]
    pub repository_name: Input<String>,
    /// Whether a tag can be moved to another image: `MUTABLE` (the default), `IMMUTABLE`, or one of these `_WITH_EXCLUSION`.
    #[field(cloud_default)]
    pub image_tag_mutability: Option<Input<String>>,
    /// The tags for which the opposite of `image_tag_mutability` holds, where that says `_WITH_EXCLUSION`.
    #[field(set)]
    pub image_tag_mutability_exclusion_filters: Option<Input<Vec<TagMutabilityExclusion>>>,
    /// Whether images are searched for known vulnerabilities. The registry's configuration, where there is one, goes before it.
    #[field(cloud_default)]
    pub image_scanning_configuration: Option<Input<ImageScanningConfiguration>>,
    /// How images are encrypted. Unset, with a key of S3's.
    #[field(replace, cloud_default)]
    pub encryption_configuration: Option<Input<EncryptionConfiguration>>,
    /// When images are deleted: ECR's lifecycle rules. Unset, never.
    #[field(json, normalize = lifecycle)]
    pub lifecycle_policy_text: Option<Input<Json>>,
    /// What other accounts and AWS's services may do: a policy whose statements name no resource. Unset, nothing.
    #[field(json, normalize = policy::canonical)]
    pub repository_policy_text: Option<Input<Json>>,
    /// Whether deleting the repository deletes the images in it. Unset, one that holds images is not deleted.
    #[field(write_only)]
    pub force_delete: Option<Input<bool>>,
    /// The tags of the repository; images have tags of another kind.
    pub tags: Tags,
}

/// Image tags for which the opposite of a repository's mutability holds.
#[derive(Clone, Debug, Block)]
pub struct TagMutabilityExclusion {
    /// How `filter` is written: `WILDCARD`.
    pub filter_type: Input<String>,
    /// The tags; `*` stands for any characters, twice at most: `latest`, `dev-*`.
    pub filter: Input<String>,
}

/// Whether images are searched for known vulnerabilities.
#[derive(Clone, Debug, Block)]
pub struct ImageScanningConfiguration {
    /// Whether they are when they arrive. ECR's default: no.
    #[field(cloud_default)]
    pub scan_on_push: Option<Input<bool>>,
}

/// How images are encrypted.
#[derive(Clone, Debug, Block)]
pub struct EncryptionConfiguration {
    /// `AES256`, `KMS` or `KMS_DSSE` (twice).
    pub encryption_type: Input<String>,
    /// The KMS key, unless it is `AES256`. Unset, AWS's own for ECR. Which key an alias stands for later changes nothing.
    #[field(cloud_default)]
    pub kms_key: Option<Input<Arn>>,
}

/// What AWS decides of a [`Repository`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RepositoryOutputs {
    /// The name, by which other types refer to the repository.
    pub repository_name: RepositoryName,
    /// The ARN.
    pub arn: Arn,
    /// Where images are pushed to and pulled from: `123456789012.dkr.ecr.us-west-2.amazonaws.com/team/web`.
    pub repository_uri: Option<String>,
    /// The account whose registry it is in.
    pub registry_id: Option<String>,
}

impl Manage for Repository {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ecr = &aws.ecr(cx).await?;
        let names: BTreeSet<&str> = targets.iter().map(|t| t.id).collect();
        let there = describe(ecr, names.into_iter().collect()).await?;
        let arn = |at: usize| there.get(targets.get(at)?.id)?.repository_arn.clone();
        let tags = tagged::read(aws, cx, targets, arn, |_, arn| async move { list_tags(ecr, &arn).await });
        // The policies take a call each: asked for only where the program sets them.
        let asked = |field: &'static str| {
            let wanted: Vec<&str> =
                targets.iter().filter(|t| t.wants(field) && there.contains_key(t.id)).map(|t| t.id).collect();
            batch::each(wanted, move |name| async move {
                let text = match field {
                    "lifecycle_policy_text" => lifecycle_of(ecr, name).await,
                    _ => policy_of(ecr, name).await,
                };
                Ok((name, text))
            })
        };
        let (tags, lifecycles, policies) =
            futures::try_join!(tags, asked("lifecycle_policy_text"), asked("repository_policy_text"))?;
        let lifecycles: HashMap<&str, _> = lifecycles.into_iter().collect();
        let policies: HashMap<&str, _> = policies.into_iter().collect();
        let found = |(at, target): (usize, &Target<'_>)| {
            let Some(repository) = there.get(target.id) else { return Found::Gone };
            let parts = (|| {
                let tags = tags.get(&at).cloned().unwrap_or_else(|| Ok(Some(BTreeMap::new())))?;
                let lifecycle = lifecycles.get(target.id).cloned().unwrap_or(Ok(None))?;
                let policy = policies.get(target.id).cloned().unwrap_or(Ok(None))?;
                Ok((tags, lifecycle, policy))
            })();
            match parts {
                Ok((Some(tags), lifecycle, policy)) => shown(ecr, target, repository, tags, lifecycle, policy),
                // It went away between two calls.
                Ok((None, ..)) => Found::Gone,
                Err(error) => Found::Failed(error),
            }
        };
        Ok(targets.iter().enumerate().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &RepositoryResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ecr = &aws.ecr(cx).await?;
        let request = ecr
            .create_repository()
            .repository_name(&want.repository_name)
            .set_image_tag_mutability(want.image_tag_mutability.as_deref().map(Into::into))
            .set_image_tag_mutability_exclusion_filters(exclusions(want)?)
            .set_image_scanning_configuration(want.image_scanning_configuration.as_ref().map(scanning))
            .set_encryption_configuration(want.encryption_configuration.as_ref().map(encryption).transpose()?)
            .set_tags(Some(to_sdk(&with_intent(&want.tags, intent))?));
        let answer = ecr.write("CreateRepository", || request.clone().send()).await.map_err(understood);
        let answer = match answer {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let outputs = answer.repository.as_ref().and_then(outputs);
        let outputs = outputs.ok_or_else(|| ecr.unexpected("CreateRepository", "the answer names no repository"))?;
        Ok(created(want, outputs))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RepositoryResolved,
    ) -> Result<Option<RepositoryOutputs>, CloudError> {
        let ecr = &aws.ecr(cx).await?;
        if let Some(document) = &want.lifecycle_policy_text {
            put_lifecycle(ecr, id, document).await?;
        }
        if let Some(document) = &want.repository_policy_text {
            put_policy(ecr, cx, id, document).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RepositoryResolved,
        change: &RepositoryChange,
    ) -> Result<Option<RepositoryOutputs>, CloudError> {
        let ecr = &aws.ecr(cx).await?;
        if change.image_tag_mutability.is_some() || change.image_tag_mutability_exclusion_filters.is_some() {
            let filters = exclusions(want)?;
            let request = ecr
                .put_image_tag_mutability()
                .repository_name(id)
                .image_tag_mutability(mutability(ecr, id, want).await?)
                .set_image_tag_mutability_exclusion_filters(filters);
            ecr.write_idempotent("PutImageTagMutability", || request.clone().send()).await.map_err(understood)?;
        }
        if let Some(configuration) = forms::set(change.image_scanning_configuration.as_ref()) {
            let request = ecr
                .put_image_scanning_configuration()
                .repository_name(id)
                .image_scanning_configuration(scanning(configuration));
            let put = ecr.write_idempotent("PutImageScanningConfiguration", || request.clone().send());
            put.await.map_err(understood)?;
        }
        match &change.lifecycle_policy_text {
            Some(FieldChange { after: Some(document), .. }) => put_lifecycle(ecr, id, document).await?,
            Some(FieldChange { after: None, .. }) => {
                let request = ecr.delete_lifecycle_policy().repository_name(id);
                unless_gone(ecr.write_idempotent("DeleteLifecyclePolicy", || request.clone().send()).await)?;
            }
            None => {}
        }
        match &change.repository_policy_text {
            Some(FieldChange { after: Some(document), .. }) => put_policy(ecr, cx, id, document).await?,
            Some(FieldChange { after: None, .. }) => {
                let request = ecr.delete_repository_policy().repository_name(id);
                unless_gone(ecr.write_idempotent("DeleteRepositoryPolicy", || request.clone().send()).await)?;
            }
            None => {}
        }
        if let Some(change) = &change.tags {
            let repository = describe_one(ecr, id).await?.ok_or_else(|| missing(ecr, id))?;
            let arn = repository.repository_arn().ok_or_else(|| nameless(ecr))?;
            update_tags(ecr, arn, TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&RepositoryResolved>) -> Result<(), CloudError> {
        let ecr = &aws.ecr(cx).await?;
        let force = was.and_then(|was| was.force_delete);
        let request = ecr.delete_repository().repository_name(id).set_force(force);
        let deleted = ecr.write_idempotent("DeleteRepository", || request.clone().send()).await;
        unless_gone(deleted).map_err(|error| match error.kind {
            ErrorKind::InUse => error.hint("it holds images: delete them, or set force_delete to true first"),
            _ => error,
        })
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RepositoryResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ecr = &aws.ecr(cx).await?;
        let Some(repository) = describe_one(ecr, &want.repository_name).await? else { return Ok(None) };
        let outputs = outputs(&repository).ok_or_else(|| nameless(ecr))?;
        let tags = match list_tags(ecr, outputs.arn.as_str()).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            tags => tags?,
        };
        owner::check(&format!("the repository {}", want.repository_name), &tags, intent)?;
        Ok(Some(created(want, outputs)))
    }
}

fn created(want: &RepositoryResolved, outputs: RepositoryOutputs) -> Created<Repository> {
    let complete = want.lifecycle_policy_text.is_none() && want.repository_policy_text.is_none();
    Created { id: want.repository_name.clone(), outputs, complete }
}

fn missing(ecr: &Ecr, id: &str) -> CloudError {
    let error = ecr.unexpected("DescribeRepositories", format!("there is no repository {id}"));
    CloudError { kind: ErrorKind::NotFound, ..error }
}

fn nameless(ecr: &Ecr) -> CloudError {
    ecr.unexpected("DescribeRepositories", "the answer holds a repository without a name or an ARN")
}

fn invalid(error: BuildError) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

fn unless_gone<T>(answer: Result<T, CloudError>) -> Result<(), CloudError> {
    match answer.map_err(understood) {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads repositories by name. One name that is not there fails the call for all: then all repositories are listed, or, by whoever may not list
/// them, asked for one by one.
async fn describe(ecr: &Ecr, names: Vec<&str>) -> Result<HashMap<String, sdk::Repository>, CloudError> {
    let groups = batch::each(names.chunks(NAMES), |names| async move {
        match by_names(ecr, names).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok((names.len() == 1).then(Vec::new)),
            Err(error) => Err(error),
        }
    });
    let groups: Option<Vec<Vec<sdk::Repository>>> = groups.await?.into_iter().collect();
    let found = match groups {
        Some(groups) => groups.concat(),
        None => match list(ecr).await {
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported) => {
                tracing::debug!(%error, "repositories are read one by one");
                batch::each(names, |name| describe_one(ecr, name)).await?.into_iter().flatten().collect()
            }
            listed => listed?,
        },
    };
    Ok(found.into_iter().filter_map(|r| Some((r.repository_name.clone()?, r))).collect())
}

async fn by_names(ecr: &Ecr, names: &[&str]) -> Result<Vec<sdk::Repository>, CloudError> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let request = ecr.describe_repositories().set_repository_names(Some(names));
    let answer = ecr.read("DescribeRepositories", || request.clone().send()).await.map_err(understood)?;
    Ok(answer.repositories.unwrap_or_default())
}

async fn describe_one(ecr: &Ecr, name: &str) -> Result<Option<sdk::Repository>, CloudError> {
    match by_names(ecr, &[name]).await {
        Ok(found) => Ok(found.into_iter().find(|r| r.repository_name() == Some(name))),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn list(ecr: &Ecr) -> Result<Vec<sdk::Repository>, CloudError> {
    batch::pages(|token| async move {
        let request = ecr.describe_repositories().max_results(PAGE).set_next_token(token);
        let answer = ecr.read("DescribeRepositories", || request.clone().send()).await.map_err(understood)?;
        Ok((answer.repositories.unwrap_or_default(), answer.next_token))
    })
    .await
}

async fn list_tags(ecr: &Ecr, arn: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let request = ecr.list_tags_for_resource().resource_arn(arn);
    let answer = ecr.read("ListTagsForResource", || request.clone().send()).await.map_err(understood)?;
    Ok(answer.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// A policy that is not there is none.
fn optional<T>(answer: Result<T, CloudError>, text: fn(T) -> Option<String>) -> Result<Option<Json>, CloudError> {
    match answer.map_err(understood) {
        Ok(answer) => Ok(forms::document(text(answer).as_deref())),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn lifecycle_of(ecr: &Ecr, name: &str) -> Result<Option<Json>, CloudError> {
    let request = ecr.get_lifecycle_policy().repository_name(name);
    let answer = ecr.read("GetLifecyclePolicy", || request.clone().send()).await;
    optional(answer, |answer| answer.lifecycle_policy_text)
}

async fn policy_of(ecr: &Ecr, name: &str) -> Result<Option<Json>, CloudError> {
    let request = ecr.get_repository_policy().repository_name(name);
    let answer = ecr.read("GetRepositoryPolicy", || request.clone().send()).await;
    optional(answer, |answer| answer.policy_text)
}

async fn put_lifecycle(ecr: &Ecr, name: &str, document: &Json) -> Result<(), CloudError> {
    let request = ecr.put_lifecycle_policy().repository_name(name).lifecycle_policy_text(forms::text(document));
    ecr.write_idempotent("PutLifecyclePolicy", || request.clone().send()).await.map(drop).map_err(understood)
}

async fn put_policy(ecr: &Ecr, cx: &Cx, name: &str, document: &Json) -> Result<(), CloudError> {
    let request = ecr.set_repository_policy().repository_name(name).policy_text(forms::text(document));
    // A role that the policy names may have been made a moment ago; until ECR knows it, the policy is invalid.
    let unknown = |e: &CloudError| {
        e.code.as_deref() == Some("InvalidParameterException")
            && e.message.contains("Invalid repository policy provided")
    };
    let send = || ecr.write_idempotent("SetRepositoryPolicy", || request.clone().send());
    wait::eventually(cx, UNTIL_KNOWN, unknown, send).await.map(drop).map_err(understood)
}

async fn update_tags(ecr: &Ecr, arn: &str, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a repository has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = ecr.untag_resource().resource_arn(arn).set_tag_keys(Some(keys));
        ecr.write_idempotent("UntagResource", || request.clone().send()).await.map_err(understood)?;
    }
    if !delta.set.is_empty() {
        let request = ecr.tag_resource().resource_arn(arn).set_tags(Some(to_sdk(&delta.set)?));
        ecr.write_idempotent("TagResource", || request.clone().send()).await.map_err(understood)?;
    }
    Ok(())
}

/// The mutability that shall be. Where only its exceptions change, it is what it is.
async fn mutability(ecr: &Ecr, id: &str, want: &RepositoryResolved) -> Result<sdk::ImageTagMutability, CloudError> {
    if let Some(wanted) = &want.image_tag_mutability {
        return Ok(wanted.as_str().into());
    }
    let now = describe_one(ecr, id).await?.ok_or_else(|| missing(ecr, id))?;
    Ok(now.image_tag_mutability.unwrap_or(sdk::ImageTagMutability::Mutable))
}

fn exclusions(want: &RepositoryResolved) -> Result<Option<Vec<sdk::ImageTagMutabilityExclusionFilter>>, CloudError> {
    let one = |want: &TagMutabilityExclusionResolved| {
        sdk::ImageTagMutabilityExclusionFilter::builder()
            .filter_type(want.filter_type.as_str().into())
            .filter(&want.filter)
            .build()
            .map_err(invalid)
    };
    let filters = want.image_tag_mutability_exclusion_filters.as_deref().filter(|filters| !filters.is_empty());
    filters.map(|filters| filters.iter().map(one).collect()).transpose()
}

fn scanning(want: &ImageScanningConfigurationResolved) -> sdk::ImageScanningConfiguration {
    sdk::ImageScanningConfiguration::builder().scan_on_push(want.scan_on_push.unwrap_or(false)).build()
}

fn encryption(want: &EncryptionConfigurationResolved) -> Result<sdk::EncryptionConfiguration, CloudError> {
    sdk::EncryptionConfiguration::builder()
        .encryption_type(want.encryption_type.as_str().into())
        .set_kms_key(want.kms_key.as_ref().map(Arn::to_string))
        .build()
        .map_err(invalid)
}

fn to_sdk(tags: &BTreeMap<String, String>) -> Result<Vec<sdk::Tag>, CloudError> {
    tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build().map_err(invalid)).collect()
}

fn outputs(repository: &sdk::Repository) -> Option<RepositoryOutputs> {
    Some(RepositoryOutputs {
        repository_name: RepositoryName::new(repository.repository_name()?),
        arn: Arn::new(repository.repository_arn()?),
        repository_uri: repository.repository_uri.clone(),
        registry_id: repository.registry_id.clone(),
    })
}

fn shown(
    ecr: &Ecr,
    target: &Target<'_>,
    repository: &sdk::Repository,
    tags: BTreeMap<String, String>,
    lifecycle_policy_text: Option<Json>,
    repository_policy_text: Option<Json>,
) -> Found<Repository> {
    let Some(outputs) = outputs(repository) else { return Found::Failed(nameless(ecr)) };
    let filters = repository.image_tag_mutability_exclusion_filters().iter();
    let filters = filters.map(|f| TagMutabilityExclusionResolved {
        filter_type: f.filter_type().as_str().to_owned(),
        filter: f.filter().to_owned(),
    });
    let fields = RepositoryResolved {
        repository_name: outputs.repository_name.to_string(),
        image_tag_mutability: repository.image_tag_mutability().map(|m| m.as_str().to_owned()),
        image_tag_mutability_exclusion_filters: Some(filters.collect()),
        image_scanning_configuration: repository
            .image_scanning_configuration()
            .map(|s| ImageScanningConfigurationResolved { scan_on_push: Some(s.scan_on_push()) }),
        encryption_configuration: repository.encryption_configuration().map(|e| EncryptionConfigurationResolved {
            encryption_type: e.encryption_type().as_str().to_owned(),
            // Another key would be another repository, and the images would be lost.
            kms_key: forms::key_as_set(key_set(target), e.kms_key()),
        }),
        lifecycle_policy_text,
        repository_policy_text,
        force_delete: None,
        tags,
    };
    Found::present(fields, outputs)
}

/// The key that the program set, if it set one.
fn key_set<'a>(target: &Target<'a>) -> Option<&'a Value> {
    match target.inputs.get("encryption_configuration").map(Value::expose) {
        Some(Value::Map(parts)) => parts.get("kms_key"),
        _ => None,
    }
}

/// The form of a lifecycle policy in which equal meaning is equality: as a structure, with the rules by their priority, and the tags that a
/// rule selects without an order.
pub fn lifecycle(document: &Value) -> Value {
    let document = match document.expose() {
        Value::String(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => Value::from(json),
            Err(_) => return Value::String(text.clone()),
        },
        other => other.clone(),
    };
    let Value::Map(mut fields) = document else { return document };
    if let Some(Value::List(rules)) = fields.get_mut("rules") {
        rules.iter_mut().for_each(selected_by_set);
        rules.sort_by_key(|rule| match rule {
            Value::Map(fields) => match fields.get("rulePriority") {
                Some(Value::Int(priority)) => *priority,
                _ => i64::MAX,
            },
            _ => i64::MAX,
        });
    }
    Value::Map(fields)
}

fn selected_by_set(rule: &mut Value) {
    let Value::Map(fields) = rule else { return };
    let Some(Value::Map(selection)) = fields.get_mut("selection") else { return };
    for list in ["tagPrefixList", "tagPatternList"] {
        if let Some(Value::List(tags)) = selection.get_mut(list) {
            tags.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    // ECR tells lists that are not used as empty ones.
    selection.retain(|_, value| !value.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_a_lifecycle_policy_have_their_order_in_them() {
        let json = |text: &str| Value::from(serde_json::from_str::<serde_json::Value>(text).unwrap());
        let rule = |priority: u32, tags: &str| {
            format!(
                r#"{{"rulePriority":{priority},"selection":{{"tagStatus":"tagged","tagPrefixList":{tags},"countType":"imageCountMoreThan","countNumber":5}},"action":{{"type":"expire"}}}}"#
            )
        };
        let (one, two) = (rule(1, r#"["a","b"]"#), rule(2, r#"["c"]"#));
        let written = format!(r#"{{"rules":[{two},{}]}}"#, rule(1, r#"["b","a"]"#));
        let told = format!(r#"{{"rules":[{one},{two}]}}"#);
        assert_eq!(lifecycle(&json(&written)), lifecycle(&Value::String(told.clone().into())));
        assert_ne!(lifecycle(&json(&told)), lifecycle(&json(&format!(r#"{{"rules":[{one}]}}"#))));
        assert_eq!(lifecycle(&Value::String("no JSON".into())), Value::String("no JSON".into()));
        let empty = json(r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","tagPrefixList":[]}}]}"#);
        assert_eq!(lifecycle(&empty), json(r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any"}}]}"#));
    }
}
