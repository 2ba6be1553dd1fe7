//! Elastic Load Balancing: load balancers of the second generation.
//!
//! Their names are the program's. A creation with the name and the settings of what is already there answers with that, as if it had made it: phx
//! looks first, and the tags say whose it is. Listeners have no names, and are found by the intent's tag.

pub mod listener;
pub mod listener_actions;
pub mod load_balancer;
pub mod target_group;

pub use listener::{Listener, MutualAuthentication};
pub use listener_actions::{
    Action, AuthenticateCognitoConfig, AuthenticateOidcConfig, FixedResponseConfig, ForwardConfig, JwtAdditionalClaim,
    JwtValidationConfig, RedirectConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};
pub use load_balancer::{IpamPools, LoadBalancer, MinimumLoadBalancerCapacity, SubnetMapping};
pub use target_group::{Matcher, TargetGroup};

use std::collections::{BTreeMap, HashMap};

use aws_sdk_elasticloadbalancingv2::types::Tag;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::FieldChange;
use phx_model::{CloudError, Value};

use crate::client::{Aws, Service};
use crate::manage::{self, Target};
use crate::tagged::TagMap;
use crate::tags::{TagDelta, with_intent};
use crate::{batch, forms};

/// Elastic Load Balancing in one place.
pub type Elb = Service<aws_sdk_elasticloadbalancingv2::Client>;

/// DescribeTags takes so many ARNs.
const TAGGED: usize = 20;
/// The lists give so many at once.
const PAGE: i32 = 400;
/// Up to so many objects are asked for one by one, all at once: one unknown ARN among several fails the call.
const ONE_BY_ONE: usize = 3;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Listener>(registry, aws);
    manage::register::<LoadBalancer>(registry, aws);
    manage::register::<TargetGroup>(registry, aws);
}

/// What was found, or `None` for what is not there.
fn unless_absent<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn to_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn created_tags(tags: &BTreeMap<String, String>, intent: &IntentId) -> Option<Vec<Tag>> {
    Some(to_tags(&with_intent(tags, intent)))
}

fn has_intent(tags: &TagMap, intent: &IntentId) -> bool {
    tags.get(INTENT_TAG).map(String::as_str) == Some(intent.as_str())
}

async fn describe_tags(elb: &Elb, arns: &[&str]) -> Result<HashMap<String, TagMap>, CloudError> {
    let arns = arns.iter().map(|arn| (*arn).to_owned()).collect();
    let request = elb.describe_tags().set_resource_arns(Some(arns));
    let answer = elb.read("DescribeTags", || request.clone().send()).await?;
    let one = |d: aws_sdk_elasticloadbalancingv2::types::TagDescription| {
        let tags = d.tags.unwrap_or_default().into_iter();
        Some((d.resource_arn?, tags.filter_map(|t| Some((t.key?, t.value.unwrap_or_default()))).collect()))
    };
    Ok(answer.tag_descriptions.unwrap_or_default().into_iter().filter_map(one).collect())
}

/// The tags of objects that are there; of one that is gone by now there are none.
async fn list_tags<'a>(
    elb: &Elb,
    arns: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, TagMap>, CloudError> {
    let arns: Vec<&str> = arns.into_iter().collect();
    let chunks = batch::each(arns.chunks(TAGGED), |arns| async move {
        match describe_tags(elb, arns).await {
            Err(error) if error.kind == ErrorKind::NotFound && arns.len() > 1 => {
                // One of them went away just now.
                let each = batch::each(arns, |arn| async { unless_absent(describe_tags(elb, &[*arn]).await) });
                Ok(each.await?.into_iter().flatten().flatten().collect())
            }
            answer => Ok(unless_absent(answer)?.unwrap_or_default()),
        }
    });
    Ok(chunks.await?.into_iter().flatten().collect())
}

async fn update_tags(
    elb: &Elb,
    arn: &str,
    change: Option<&FieldChange<BTreeMap<String, String>>>,
) -> Result<(), CloudError> {
    let Some(change) = change else { return Ok(()) };
    let TagDelta { set, remove } = TagDelta::of(change);
    // What is taken away goes first: an object has fifty tags at most.
    if !remove.is_empty() {
        let request = elb.remove_tags().resource_arns(arn).set_tag_keys(Some(remove.into_iter().collect()));
        elb.write_idempotent("RemoveTags", || request.clone().send()).await?;
    }
    if !set.is_empty() {
        let request = elb.add_tags().resource_arns(arn).set_tags(Some(to_tags(&set)));
        elb.write_idempotent("AddTags", || request.clone().send()).await?;
    }
    Ok(())
}

/// Of an object's attributes those that the program sets; all of them if the object is being adopted.
fn managed(target: &Target<'_>, told: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    match target.inputs.get("attributes").map(Value::expose) {
        Some(Value::Map(set)) => Some(told.into_iter().filter(|(key, _)| set.contains_key(key)).collect()),
        None if target.inputs.is_empty() => Some(told),
        _ => None,
    }
}

/// The attributes that a change sets. One that is taken out of the program stays as it is.
fn changed_attributes(change: Option<&FieldChange<BTreeMap<String, String>>>) -> BTreeMap<String, String> {
    let before = change.and_then(|c| c.before.as_ref());
    let after = forms::set(change).cloned().unwrap_or_default();
    after.into_iter().filter(|(key, value)| before.and_then(|b| b.get(key)) != Some(value)).collect()
}

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use phx_model::ValueMap;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn only_attributes_that_are_set_are_told() {
        let told = map(&[("a", "1"), ("b", "2")]);
        let of = |inputs: &str| {
            let inputs: ValueMap = serde_json::from_str(inputs).unwrap();
            managed(&Target { id: "x", inputs: &inputs }, told.clone())
        };
        assert_eq!(of(r#"{"attributes":{"a":"2","c":"3"}}"#), Some(map(&[("a", "1")])));
        assert_eq!(of("{}"), Some(told.clone()));
        assert_eq!(of(r#"{"name":"x"}"#), None);
    }

    #[test]
    fn only_attributes_that_differ_are_set() {
        let change =
            FieldChange { before: Some(map(&[("a", "1"), ("b", "1")])), after: Some(map(&[("a", "1"), ("b", "2")])) };
        assert_eq!(changed_attributes(Some(&change)), map(&[("b", "2")]));
        assert_eq!(changed_attributes(Some(&FieldChange { before: change.before, after: None })), map(&[]));
        assert_eq!(changed_attributes(None), map(&[]));
    }
}
