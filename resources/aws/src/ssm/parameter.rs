//! `aws:ssm:Parameter`.
//!
//! No emulator tells parameters' policies as AWS does, checks images, or refuses another tier; those parts follow the service model.

use std::future::Future;
use std::time::Duration;

use aws_sdk_ssm::error::BuildError;
use aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder;
use aws_sdk_ssm::types::{ParameterTier, ParameterType, ResourceTypeForTagging, Tag};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource, Value};

use super::parameter_read::{self as reading, SECURE};
use super::{ParameterName, Ssm};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;
use crate::tags::{TagDelta, with_intent};
use crate::wait::{Stage, eventually, until};
use crate::{forms, owner};

/// How long another change may take, or a new key be unknown.
const UNTIL_FREE: Duration = Duration::from_secs(30);
/// A parameter that holds an image is made after the call was answered, if there is such an image.
const IMAGE: &str = "aws:ec2:image";
/// What takes policies away.
const NO_POLICIES: &str = "[{}]";

/// A value in Parameter Store, under a name.
///
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ssm:Parameter",
    terraform = "aws_ssm_parameter",
    cloudformation = "AWS::SSM::Parameter",
    identity = NaturalKey,
    unique(name)
)]
pub struct Parameter {
    /// The name, unique in account and region: `/app/database/url`.
    #[field(replace)]
    pub name: Input<String>,
    /// `String`, `StringList` or `SecureString`. AWS refuses to change it.
    #[field(replace)]
    pub r#type: Input<String>,
    /// The value, kept from view. Either this or `insecure_value`. The values of a list are separated by commas.
    #[field(secret)]
    pub value: Option<Input<String>>,
    /// The value, for all to see; not of a `SecureString`.
    pub insecure_value: Option<Input<String>>,
    /// What the parameter is for.
    #[field(normalize = forms::empty_is_unset)]
    pub description: Option<Input<String>>,
    /// The KMS key that a `SecureString` is encrypted with. Unset, it is `alias/aws/ssm`.
    #[field(cloud_default)]
    pub key_id: Option<Input<Arn>>,
    /// The regular expression that values must match.
    #[field(normalize = forms::empty_is_unset)]
    pub allowed_pattern: Option<Input<String>>,
    /// `Standard`, `Advanced` or `Intelligent-Tiering`. AWS's default is the account's setting. An advanced parameter cannot become a standard
    /// one.
    #[field(cloud_default)]
    pub tier: Option<Input<String>>,
    /// When it expires, and who is told of that or of its not being changed: a JSON list of policies, of an advanced parameter.
    /// <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html>
    #[field(json, normalize = policies)]
    pub policies: Option<Input<Json>>,
    /// What a `String` is: `text` (which it is unset), `aws:ec2:image` or `aws:ssm:integration`.
    #[field(cloud_default)]
    pub data_type: Option<Input<String>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ParameterOutputs {
    /// The name, by which other types refer to the parameter.
    pub name: ParameterName,
    /// The ARN.
    pub arn: Arn,
    /// How often it was set.
    #[output(volatile)]
    pub version: i64,
}

impl Manage for Parameter {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        reading::read_many(aws, cx, targets).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &ParameterResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ssm = &aws.ssm(cx).await?;
        let outputs = outputs(aws, cx, &want.name, 1).await?;
        let request = put(ssm, want)?
            .overwrite(false)
            .r#type(ParameterType::from(want.r#type.as_str()))
            .set_description(want.description.clone())
            .set_allowed_pattern(want.allowed_pattern.clone())
            .set_tier(want.tier.as_deref().map(ParameterTier::from))
            .set_policies(want.policies.as_ref().map(forms::text))
            .set_data_type(want.data_type.clone())
            .set_tags(Some(to_tags(&with_intent(&want.tags, intent))?));
        match once_free(cx, || ssm.write("PutParameter", || request.clone().send())).await {
            Ok(_) => Ok(Created { id: want.name.clone(), outputs, complete: !is_image(want) }),
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ParameterResolved,
    ) -> Result<Option<ParameterOutputs>, CloudError> {
        if is_image(want) {
            let ssm = &aws.ssm(cx).await?;
            let what = format!("the parameter {id}");
            let exists = until(cx, &what, || async move {
                Ok(match reading::one(ssm, id).await? {
                    Some(_) => Stage::Ready(()),
                    None => Stage::Waiting("being checked".to_owned()),
                })
            });
            exists.await.map_err(|error| match error.kind {
                ErrorKind::TimedOut => error.hint("AWS makes it only if there is such an image in the region"),
                _ => error,
            })?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ParameterResolved,
        change: &ParameterChange,
    ) -> Result<Option<ParameterOutputs>, CloudError> {
        let ssm = &aws.ssm(cx).await?;
        if let Some(change) = &change.tags {
            update_tags(ssm, id, &TagDelta::of(change)).await?;
        }
        if !is_put(change) {
            return Ok(None);
        }
        // What is not said stays as it is, but the tier would become the account's.
        let tier = match &want.tier {
            Some(tier) => Some(ParameterTier::from(tier.as_str())),
            None => reading::described(ssm, &[id]).await?.into_iter().find_map(|p| p.tier),
        };
        let cleared = |change: &Option<FieldChange<String>>, wanted: &Option<String>| match change {
            Some(change) => Some(change.after.clone().unwrap_or_default()),
            None => wanted.clone(),
        };
        let policies = change.policies.as_ref();
        let policies = policies.map(|c| c.after.as_ref().map_or_else(|| NO_POLICIES.to_owned(), forms::text));
        let request = put(ssm, want)?
            .overwrite(true)
            .set_description(cleared(&change.description, &want.description))
            .set_allowed_pattern(cleared(&change.allowed_pattern, &want.allowed_pattern))
            .set_tier(tier)
            .set_policies(policies)
            .set_data_type(want.data_type.clone());
        let answer = match once_free(cx, || ssm.write_idempotent("PutParameter", || request.clone().send())).await {
            Err(error) if change.tier.is_some() && error.kind == ErrorKind::Invalid => {
                return Err(
                    error.hint("an advanced parameter cannot become a standard one: replace it (`phx up --replace`)")
                );
            }
            answer => answer?,
        };
        outputs(aws, cx, id, answer.version).await.map(Some)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&ParameterResolved>) -> Result<(), CloudError> {
        let ssm = &aws.ssm(cx).await?;
        let request = ssm.delete_parameter().name(id);
        match once_free(cx, || ssm.write_idempotent("DeleteParameter", || request.clone().send())).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &ParameterResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ssm = &aws.ssm(cx).await?;
        let Some(parameter) = reading::one(ssm, &want.name).await? else { return Ok(None) };
        let tags = match reading::list_tags(ssm, &want.name).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            tags => tags?,
        };
        owner::check(&format!("the parameter {}", want.name), &tags, intent)?;
        let outputs = outputs(aws, cx, &want.name, parameter.version).await?;
        Ok(Some(Created { id: want.name.clone(), outputs, complete: true }))
    }
}

fn is_image(want: &ParameterResolved) -> bool {
    want.data_type.as_deref() == Some(IMAGE)
}

/// Whether a change needs the parameter to be set anew.
fn is_put(change: &ParameterChange) -> bool {
    change.value.is_some()
        || change.insecure_value.is_some()
        || change.description.is_some()
        || change.key_id.is_some()
        || change.allowed_pattern.is_some()
        || change.tier.is_some()
        || change.policies.is_some()
        || change.data_type.is_some()
}

/// PutParameter's answer does not tell the ARN, but it is known beforehand.
async fn outputs(aws: &Aws, cx: &Cx, name: &str, version: i64) -> Result<ParameterOutputs, CloudError> {
    let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
    let arn = Arn::of("ssm", &region, &account, &format!("parameter/{}", name.trim_start_matches('/')));
    Ok(ParameterOutputs { name: ParameterName::new(name), arn, version })
}

/// What every request says.
fn put(ssm: &Ssm, want: &ParameterResolved) -> Result<PutParameterFluentBuilder, CloudError> {
    let invalid = |message: &str| CloudError::local(ErrorKind::Invalid, format!("{}: {message}", want.name));
    let value = match (&want.value, &want.insecure_value) {
        (Some(value), None) => value,
        (None, Some(_)) if want.r#type == SECURE => {
            return Err(invalid("the value of a SecureString is set as `value`, which is kept from view"));
        }
        (None, Some(value)) => value,
        (None, None) => return Err(invalid("a parameter needs a value: set `value` or `insecure_value`")),
        (Some(_), Some(_)) => return Err(invalid("`value` and `insecure_value` exclude each other")),
    };
    let key = want.key_id.as_ref().filter(|_| want.r#type == SECURE).map(Arn::to_string);
    Ok(ssm.put_parameter().name(&want.name).value(value).set_key_id(key))
}

/// Repeats a change while another one is under way, or the key that it names is not known yet.
async fn once_free<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    let passing = |e: &CloudError| match e.code.as_deref() {
        Some("TooManyUpdates") => true,
        Some("InvalidKeyId") => e.message.contains("exist"),
        _ => false,
    };
    eventually(cx, UNTIL_FREE, passing, call).await
}

async fn update_tags(ssm: &Ssm, id: &str, delta: &TagDelta) -> Result<(), CloudError> {
    let kind = ResourceTypeForTagging::Parameter;
    // Those that go make room: a parameter has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.iter().cloned().collect();
        let request = ssm.remove_tags_from_resource().resource_type(kind.clone()).resource_id(id);
        let request = request.set_tag_keys(Some(keys));
        ssm.write_idempotent("RemoveTagsFromResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let tags = to_tags(&delta.set)?;
        let request = ssm.add_tags_to_resource().resource_type(kind).resource_id(id).set_tags(Some(tags));
        ssm.write_idempotent("AddTagsToResource", || request.clone().send()).await?;
    }
    Ok(())
}

fn to_tags(tags: &TagMap) -> Result<Vec<Tag>, CloudError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let tags: Result<_, BuildError> = tags.iter().map(tag).collect();
    tags.map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))
}

/// The form in which lists of policies are compared: their order means nothing, and text and structure are one.
fn policies(list: &Value) -> Value {
    let list = match list.expose() {
        Value::String(text) => {
            serde_json::from_str::<serde_json::Value>(text).map_or_else(|_| list.clone(), Value::from)
        }
        other => other.clone(),
    };
    let Value::List(items) = list else { return list };
    let text = |item: &Value| item.to_plain_json().map(|json| json.to_string()).unwrap_or_default();
    let mut items: Vec<Value> = items.into_iter().filter(|item| !item.is_empty()).collect();
    items.sort_by_cached_key(text);
    if items.is_empty() { Value::Null } else { Value::List(items) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(text).unwrap().into()
    }

    #[test]
    fn policies_have_no_order_and_may_be_text() {
        let (a, b) = (r#"[{"Type":"A"},{"Type":"B"}]"#, r#"[{"Type":"B"},{"Type":"A"}]"#);
        assert_eq!(policies(&json(a)), policies(&json(b)));
        assert_eq!(policies(&json(a)), policies(&Value::String(b.into())));
        assert_ne!(policies(&json(a)), policies(&json(r#"[{"Type":"A"}]"#)));
        assert_eq!(policies(&json(NO_POLICIES)), Value::Null);
    }
}
