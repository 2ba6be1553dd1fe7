//! `aws:wafv2:WebAcl`.
//!
//! Emulators know rules, response bodies, token domains and the settings of puzzles; data protection, applications, floods and what holds a
//! web ACL follow the service model alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_wafv2::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource, Value, ValueMap};
use serde_json::Value as Document;

use super::web_acl_blocks::{
    Action, ApplicationConfig, AssociationConfig, CustomResponseBody, DataProtectionConfig, ImmunityConfig,
    OnSourceDDoSProtectionConfig, Rule, VisibilityConfig,
};
use super::{Waf, form, wire};
use crate::arn::{Arn, partition};
use crate::client::Aws;
use crate::documents::{self, Untold};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// Listings give so many at once.
const PAGE: i32 = 100;
/// How long something that a rule names may be unknown, or another change may be under way.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);

/// Rules by which requests to an application are let through or not.
///
/// Web ACLs for CloudFront live in us-east-1, whichever region the program names.
///
/// <https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:wafv2:WebAcl",
    terraform = "aws_wafv2_web_acl",
    cloudformation = "AWS::WAFv2::WebACL",
    identity = NaturalKey,
    unique(name, scope)
)]
pub struct WebAcl {
    /// The name, unique in account, region and scope.
    #[field(replace)]
    pub name: Input<String>,
    /// `REGIONAL` (load balancers, APIs, …) or `CLOUDFRONT`.
    #[field(replace)]
    pub scope: Input<String>,
    /// What is done with requests that no rule decides about: `Allow` or `Block`.
    pub default_action: Input<Action>,
    /// What is measured.
    pub visibility_config: Input<VisibilityConfig>,
    /// What it is for.
    pub description: Option<Input<String>>,
    /// The rules. Their priorities say which comes first.
    #[field(set)]
    pub rules: Option<Input<Vec<Rule>>>,
    /// Bodies that blocked requests are answered with, by keys that rules name.
    pub custom_response_bodies: Option<Input<BTreeMap<String, CustomResponseBody>>>,
    /// How long a solved puzzle counts.
    pub captcha_config: Option<Input<ImmunityConfig>>,
    /// How long a passed challenge counts.
    pub challenge_config: Option<Input<ImmunityConfig>>,
    /// Domains whose tokens count, beside that of what is protected.
    #[field(set)]
    pub token_domains: Option<Input<Vec<String>>>,
    /// How requests to what the web ACL protects are looked at.
    #[field(cloud_default)]
    pub association_config: Option<Input<AssociationConfig>>,
    /// What is kept out of logs and samples.
    pub data_protection_config: Option<Input<DataProtectionConfig>>,
    /// How load balancers are kept from floods.
    #[field(cloud_default)]
    pub on_source_d_do_s_protection_config: Option<Input<OnSourceDDoSProtectionConfig>>,
    /// What is known of the application.
    #[field(cloud_default)]
    pub application_config: Option<Input<ApplicationConfig>>,
    /// How requests are paid for, in AWS's own JSON.
    #[field(json, cloud_default)]
    pub monetization_config: Option<Input<Json>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct WebAclOutputs {
    /// The ARN, by which others refer to it.
    pub arn: Arn,
    /// The id: a UUID.
    pub id: String,
    /// How many units of capacity the rules take.
    #[output(volatile)]
    pub capacity: Option<i64>,
    /// What the labels of its rules begin with.
    #[output(volatile)]
    pub label_namespace: Option<String>,
    /// Where an application gets the scripts of challenges from.
    #[output(volatile)]
    pub application_integration_url: Option<String>,
}

/// The fields that UpdateWebACL sets, all at once.
const UPDATED: [&str; 13] = [
    "default_action",
    "visibility_config",
    "description",
    "rules",
    "custom_response_bodies",
    "captcha_config",
    "challenge_config",
    "token_domains",
    "association_config",
    "data_protection_config",
    "on_source_d_do_s_protection_config",
    "application_config",
    "monetization_config",
];

impl Manage for WebAcl {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let (mut places, mut found) = (HashMap::<bool, Vec<usize>>::new(), HashMap::new());
        for (at, target) in targets.iter().enumerate() {
            match Name::of(target.id) {
                Ok(name) => places.entry(name.is_global()).or_default().push(at),
                Err(error) => drop(found.insert(at, Found::Failed(error))),
            }
        }
        for (global, ats) in places {
            let cx = &place(aws, cx, global).await?;
            let some: Vec<Target<'_>> = ats.iter().map(|at| targets[*at]).collect();
            found.extend(ats.into_iter().zip(read(aws, cx, &some).await?));
        }
        Ok((0..targets.len()).map(|at| found.remove(&at).unwrap_or(Found::Gone)).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &WebAclResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let cx = &place(aws, cx, want.scope == "CLOUDFRONT").await?;
        let waf = &aws.wafv2(cx).await?;
        let mut document = document(want, &UPDATED);
        document.insert("Name".to_owned(), want.name.clone().into());
        document.insert("Scope".to_owned(), want.scope.clone().into());
        let tags = with_intent(&want.tags, intent).into_iter();
        let tags = tags.map(|(key, value)| serde_json::json!({"Key": key, "Value": value}));
        document.insert("Tags".to_owned(), tags.collect());
        let document = Document::Object(document);
        let send = || {
            waf.write("CreateWebACL", || waf.create_web_acl().customize().mutate_request(wire::body(&document)).send())
        };
        let answer = match wait::eventually(cx, UNTIL_KNOWN, passing, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let summary =
            answer.summary.ok_or_else(|| waf.unexpected("CreateWebACL", "the answer describes no web ACL"))?;
        created(&summary).ok_or_else(|| waf.unexpected("CreateWebACL", "the answer names no web ACL"))
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, _: &WebAclResolved) -> Result<Option<WebAclOutputs>, CloudError> {
        // What CreateWebACL does not tell.
        let cx = &place(aws, cx, Name::of(id)?.is_global()).await?;
        let waf = &aws.wafv2(cx).await?;
        let read = || async {
            let missing = || CloudError { kind: ErrorKind::NotFound, ..waf.unexpected("GetWebACL", "not listed yet") };
            get(waf, id).await?.ok_or_else(missing)
        };
        let shown = wait::eventually(cx, UNTIL_KNOWN, |e| e.kind == ErrorKind::NotFound, read).await?;
        Ok(outputs(&shown))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &WebAclResolved,
        change: &WebAclChange,
    ) -> Result<Option<WebAclOutputs>, CloudError> {
        let name = Name::of(id)?;
        let cx = &place(aws, cx, name.is_global()).await?;
        let waf = &aws.wafv2(cx).await?;
        let changed = changed(change);
        if let Some(change) = &change.tags {
            update_tags(waf, id, TagDelta::of(change)).await?;
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let next = document(want, &changed);
        // The lock token is that of the web ACL as it was read: if another changed it in between, it is read again.
        wait::eventually(cx, UNTIL_KNOWN, passing, || async {
            let gone =
                || CloudError { kind: ErrorKind::NotFound, ..waf.unexpected("GetWebACL", format!("there is no {id}")) };
            let shown = get(waf, id).await?.ok_or_else(gone)?;
            let mut document = next.clone();
            for field in UPDATED.iter().filter(|field| !changed.contains(field)) {
                let key = form::pascal(field);
                if let Some(there) = shown.document.get(&key).filter(|there| says_something(there)) {
                    document.insert(key, there.clone());
                }
            }
            for (key, text) in [("Name", name.name), ("Scope", name.scope()), ("Id", name.id)] {
                document.insert(key.to_owned(), text.into());
            }
            document.insert("LockToken".to_owned(), shown.lock_token.clone().into());
            let document = Document::Object(document);
            let send = || waf.update_web_acl().customize().mutate_request(wire::body(&document)).send();
            // With its token it is done once, however often it is sent.
            waf.write_idempotent("UpdateWebACL", send).await
        })
        .await?;
        Ok(get(waf, id).await?.as_ref().and_then(outputs))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&WebAclResolved>) -> Result<(), CloudError> {
        let name = Name::of(id)?;
        let cx = &place(aws, cx, name.is_global()).await?;
        let waf = &aws.wafv2(cx).await?;
        // What it was taken from a moment ago may still hold it.
        let passing = |e: &CloudError| passing(e) || e.kind == ErrorKind::InUse && e.hint.is_none();
        let deleted = wait::eventually(cx, UNTIL_KNOWN, passing, || async {
            let Some(shown) = get(waf, id).await? else { return Ok(()) };
            let request = waf
                .delete_web_acl()
                .name(name.name)
                .scope(name.scope().into())
                .id(name.id)
                .lock_token(&shown.lock_token);
            match waf.write_idempotent("DeleteWebACL", || request.clone().send()).await {
                Err(error) if error.kind == ErrorKind::InUse => {
                    Err(CloudError { hint: holders(waf, id, name.is_global()).await, ..error })
                }
                done => done.map(drop),
            }
        });
        match deleted.await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &WebAclResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let cx = &place(aws, cx, want.scope == "CLOUDFRONT").await?;
        let waf = &aws.wafv2(cx).await?;
        let acls = batch::pages(|marker| async move {
            let request = waf.list_web_acls().scope(want.scope.as_str().into()).limit(PAGE).set_next_marker(marker);
            let answer = waf.read("ListWebACLs", || request.clone().send()).await?;
            Ok((answer.web_acls.unwrap_or_default(), answer.next_marker))
        });
        let acls = acls.await?;
        let Some(acl) = acls.iter().find(|acl| acl.name() == Some(want.name.as_str())) else { return Ok(None) };
        let tags = tags(waf, acl.arn().unwrap_or_default()).await?;
        owner::check(&format!("the web ACL {}", want.name), &tags, intent)?;
        Ok(created(acl))
    }
}

/// What an ARN says of a web ACL: `arn:aws:wafv2:us-west-2:123456789012:regional/webacl/NAME/ID`.
struct Name<'a> {
    kind: &'a str,
    name: &'a str,
    id: &'a str,
}

impl<'a> Name<'a> {
    fn of(arn: &'a str) -> Result<Self, CloudError> {
        let parts: Vec<&str> = arn.splitn(6, ':').nth(5).unwrap_or_default().split('/').collect();
        match parts[..] {
            [kind, "webacl", name, id] => Ok(Self { kind, name, id }),
            _ => Err(CloudError::local(ErrorKind::Invalid, format!("{arn:?} is no ARN of a web ACL"))
                .hint("write it as arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID")),
        }
    }

    fn is_global(&self) -> bool {
        self.kind == "global"
    }

    fn scope(&self) -> &'static str {
        if self.is_global() { "CLOUDFRONT" } else { "REGIONAL" }
    }
}

/// Where a web ACL lives: those for CloudFront in one region.
async fn place(aws: &Aws, cx: &Cx, global: bool) -> Result<Cx, CloudError> {
    if !global || partition(&aws.region(&cx.provider).await?) != "aws" {
        return Ok(cx.clone());
    }
    Ok(Cx { provider: cx.provider.in_region("us-east-1"), ..cx.clone() })
}

/// Another change came in between, or what a rule names was made a moment ago.
fn passing(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("WAFOptimisticLockException" | "WAFUnavailableEntityException"))
}

/// A web ACL as AWS tells it.
struct Shown {
    document: Document,
    lock_token: String,
    integration_url: Option<String>,
}

async fn get(waf: &Waf, arn: &str) -> Result<Option<Shown>, CloudError> {
    let name = Name::of(arn)?;
    let capture = wire::Capture::default();
    let request = waf.get_web_acl().name(name.name).scope(name.scope().into()).id(name.id);
    let send = || request.clone().customize().interceptor(capture.clone()).send();
    let answer = match waf.read("GetWebACL", send).await {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        answer => answer?,
    };
    let document = capture.take().and_then(|mut answer| answer.get_mut("WebACL").map(Document::take));
    let document = document.ok_or_else(|| waf.unexpected("GetWebACL", "the answer holds no web ACL"))?;
    let lock_token = answer.lock_token.unwrap_or_default();
    Ok(Some(Shown { document, lock_token, integration_url: answer.application_integration_url }))
}

/// Reads web ACLs of one region.
async fn read(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<WebAcl>>, CloudError> {
    let waf = &aws.wafv2(cx).await?;
    // The list tells no rules.
    let acls = batch::each(targets, |target| async { Ok(get(waf, target.id).await) }).await?;
    let arn = |at: usize| acls[at].as_ref().ok().and_then(Option::as_ref).map(|_| targets[at].id.to_owned());
    let ask = |_, arn: String| async move { tags(waf, &arn).await };
    let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
    let found = |(at, acl): (usize, &Result<Option<Shown>, CloudError>)| match acl {
        Ok(Some(acl)) => tagged::with(tags.remove(&at), |tags| present(&targets[at], acl, tags)),
        Ok(None) => Found::Gone,
        Err(error) => Found::Failed(error.clone()),
    };
    Ok(acls.iter().enumerate().map(found).collect())
}

async fn tags(waf: &Waf, arn: &str) -> Result<TagMap, CloudError> {
    let tags = batch::pages(|marker| async move {
        let request = waf.list_tags_for_resource().resource_arn(arn).set_next_marker(marker);
        let answer = waf.read("ListTagsForResource", || request.clone().send()).await?;
        let tags = answer.tag_info_for_resource.and_then(|info| info.tag_list).unwrap_or_default();
        Ok((tags, answer.next_marker))
    });
    Ok(tags.await?.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

async fn update_tags(waf: &Waf, arn: &str, delta: TagDelta) -> Result<(), CloudError> {
    // What is taken away goes first: a web ACL has fifty tags at most.
    if !delta.remove.is_empty() {
        let request = waf.untag_resource().resource_arn(arn).set_tag_keys(Some(delta.remove.into_iter().collect()));
        waf.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let tag = |(key, value): (String, String)| sdk::Tag::builder().key(key).value(value).build();
        let tags: Result<_, _> = delta.set.into_iter().map(tag).collect();
        let tags = tags.map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))?;
        let request = waf.tag_resource().resource_arn(arn).set_tags(Some(tags));
        waf.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// What a web ACL still protects, as far as AWS tells.
async fn holders(waf: &Waf, arn: &str, global: bool) -> Option<String> {
    if global {
        return Some("it still protects a CloudFront distribution: take it away there first".to_owned());
    }
    let kinds = [
        sdk::ResourceType::Amplify,
        sdk::ResourceType::ApplicationLoadBalancer,
        sdk::ResourceType::ApiGateway,
        sdk::ResourceType::Appsync,
        sdk::ResourceType::CognitioUserPool,
        sdk::ResourceType::AppRunnerService,
        sdk::ResourceType::VerifiedAccessInstance,
    ];
    let held = batch::each(kinds, |kind| async move {
        let request = waf.list_resources_for_web_acl().web_acl_arn(arn).resource_type(kind);
        let answer = waf.read("ListResourcesForWebACL", || request.clone().send()).await;
        Ok(answer.ok().and_then(|answer| answer.resource_arns).unwrap_or_default())
    });
    let held = held.await.ok()?.concat();
    (!held.is_empty()).then(|| format!("it still protects {}; take it away there first", held.join(", ")))
}

/// Which of [`UPDATED`] change.
fn changed(change: &WebAclChange) -> Vec<&'static str> {
    let changes = [
        change.default_action.is_some(),
        change.visibility_config.is_some(),
        change.description.is_some(),
        change.rules.is_some(),
        change.custom_response_bodies.is_some(),
        change.captcha_config.is_some(),
        change.challenge_config.is_some(),
        change.token_domains.is_some(),
        change.association_config.is_some(),
        change.data_protection_config.is_some(),
        change.on_source_d_do_s_protection_config.is_some(),
        change.application_config.is_some(),
        change.monetization_config.is_some(),
    ];
    UPDATED.into_iter().zip(changes).filter(|(_, changes)| *changes).map(|(field, _)| field).collect()
}

/// These fields in AWS's own JSON.
fn document(want: &WebAclResolved, fields: &[&str]) -> serde_json::Map<String, Document> {
    let values = WebAcl::fields(want);
    let pairs = fields.iter().filter_map(|name| {
        let field = WebAcl::schema().field(name)?;
        Some((form::pascal(name), form::to_wire(field, values.get(*name)?)?))
    });
    pairs.collect()
}

/// AWS tells what is not set as nothing or as empty text, and takes neither.
fn says_something(json: &Document) -> bool {
    match json {
        Document::Null => false,
        Document::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn created(summary: &sdk::WebAclSummary) -> Option<Created<WebAcl>> {
    let arn = summary.arn()?;
    let outputs = WebAclOutputs {
        arn: Arn::new(arn),
        id: summary.id()?.to_owned(),
        capacity: None,
        label_namespace: None,
        application_integration_url: None,
    };
    Some(Created { id: arn.to_owned(), outputs, complete: false })
}

fn outputs(shown: &Shown) -> Option<WebAclOutputs> {
    let text = |key: &str| shown.document.get(key).and_then(Document::as_str).map(str::to_owned);
    Some(WebAclOutputs {
        arn: Arn::new(text("ARN")?),
        id: text("Id")?,
        capacity: shown.document.get("Capacity").and_then(Document::as_i64),
        label_namespace: text("LabelNamespace"),
        application_integration_url: shown.integration_url.clone(),
    })
}

fn present(target: &Target<'_>, shown: &Shown, tags: TagMap) -> Found<WebAcl> {
    let unreadable = |why: String| Found::Failed(CloudError::local(ErrorKind::Other, format!("{}: {why}", target.id)));
    let (Ok(name), Some(outputs)) = (Name::of(target.id), outputs(shown)) else {
        return unreadable("the answer names no web ACL".to_owned());
    };
    let mut values = ValueMap::new();
    for field in UPDATED.iter().filter_map(|name| WebAcl::schema().field(name)) {
        let there = shown.document.get(form::pascal(field.name));
        values.extend(there.and_then(|json| form::from_wire(field, json)).map(|value| (field.name.to_owned(), value)));
    }
    values.insert("name".to_owned(), Value::String(name.name.into()));
    values.insert("scope".to_owned(), Value::String(name.scope().into()));
    if let Some(Value::List(rules)) = values.get_mut("rules") {
        as_written(target.inputs.get("rules"), rules);
    }
    match WebAcl::resolve(&values) {
        Ok(fields) => Found::present(WebAclResolved { tags, ..fields }, outputs),
        Err(error) => unreadable(error.to_string()),
    }
}

/// Brings rules into the program's order, and leaves out of their statements what AWS filled in.
fn as_written(set: Option<&Value>, rules: &mut Vec<Value>) {
    let Some(Value::List(set)) = set.map(Value::expose) else { return };
    let part = |rule: &Value, key: &str| match rule.expose() {
        Value::Map(parts) => parts.get(key).cloned(),
        _ => None,
    };
    let name = |rule: &Value| part(rule, "name").and_then(|name| name.as_str().map(str::to_owned));
    let place = |rule: &Value| set.iter().position(|set| name(set) == name(rule)).unwrap_or(set.len());
    rules.sort_by_key(place);
    for rule in rules {
        let Some(set) = set.get(place(rule)).and_then(|set| part(set, "statement")) else { continue };
        if let Value::Map(parts) = rule
            && let Some(statement) = parts.get_mut("statement")
        {
            *statement = documents::of(&form::canonical(&set), statement, Untold::Gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_a_web_acl() {
        let arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/front/0a1b";
        let name = Name::of(arn).unwrap();
        assert_eq!((name.name, name.id, name.scope()), ("front", "0a1b", "CLOUDFRONT"));
        assert_eq!(Name::of("arn:aws:wafv2:r:1:regional/webacl/a/b").unwrap().scope(), "REGIONAL");
        for bad in ["", "front", "arn:aws:wafv2:r:1:regional/rulegroup/a/b"] {
            assert!(Name::of(bad).is_err(), "{bad}");
        }
    }
}
