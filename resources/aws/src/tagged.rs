//! The tags of many objects at once, from the tagging API, for services that tell only one object's.
//!
//! The tagging API may be forbidden or missing, and lags behind changes. So where it does not say what was last set, the service
//! itself is asked.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;

use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::value::{Val, Value};

use crate::batch;
use crate::client::Aws;
use crate::manage::{Found, Manage, Target};
use crate::tags::is_hidden;

/// Tags by their keys.
pub type TagMap = BTreeMap<String, String>;

/// GetResources takes so many ARNs in one call.
const ARNS: usize = 100;
/// Up to so many objects are asked for one by one, all at once.
const ONE_BY_ONE: usize = 3;

/// The tags of those objects whose tags matter, by the objects' place among the targets; `None` for one that is gone by now. `arn` names an
/// object, if it is there, and `ask` asks the service for one object's tags.
pub async fn read<'t, F, Fut>(
    aws: &Aws,
    cx: &Cx,
    targets: &[Target<'t>],
    arn: impl Fn(usize) -> Option<String>,
    mut ask: F,
) -> Result<HashMap<usize, Result<Option<TagMap>, CloudError>>, CloudError>
where
    F: FnMut(&'t str, String) -> Fut,
    Fut: Future<Output = Result<TagMap, CloudError>>,
{
    let wanted = targets.iter().enumerate().filter(|(_, t)| t.wants("tags"));
    let wanted: Vec<(usize, &Target<'t>, String)> = wanted.filter_map(|(at, t)| Some((at, t, arn(at)?))).collect();
    let mut told = HashMap::new();
    if wanted.len() > ONE_BY_ONE {
        let arns: Vec<String> = wanted.iter().map(|(_, _, arn)| arn.clone()).collect();
        match of_arns(aws, cx, &arns).await {
            Ok(answer) => told = answer,
            Err(error) => tracing::debug!(%error, "tags are read object by object"),
        }
    }
    let mut tags = HashMap::new();
    let mut unclear = Vec::new();
    for (at, target, arn) in wanted {
        match told.remove(&arn).filter(|tags| agrees(target, tags)) {
            Some(known) => {
                tags.insert(at, Ok(Some(known)));
            }
            None => {
                let answer = ask(target.id, arn);
                unclear.push(async move { Ok((at, found(answer.await))) });
            }
        }
    }
    tags.extend(batch::each(unclear, |asked| asked).await?);
    Ok(tags)
}

/// An object with its tags, as [`read`] told them. Those that nobody asked for are taken to be none.
pub fn with<R: Manage>(
    answer: Option<Result<Option<TagMap>, CloudError>>,
    present: impl FnOnce(TagMap) -> Found<R>,
) -> Found<R> {
    match answer {
        None => present(TagMap::new()),
        Some(Ok(Some(tags))) => present(tags),
        Some(Ok(None)) => Found::Gone,
        Some(Err(error)) => Found::Failed(error),
    }
}

fn found(answer: Result<TagMap, CloudError>) -> Result<Option<TagMap>, CloudError> {
    match answer {
        Ok(tags) => Ok(Some(tags)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the tags are those that phx last set. Nothing is known against those of an object that is being adopted.
fn agrees(target: &Target<'_>, tags: &TagMap) -> bool {
    let set = match target.inputs.get("tags").map(Value::expose) {
        None => return true,
        Some(Value::Null) => TagMap::new(),
        Some(set) => match TagMap::from_value(set) {
            Ok(set) => set,
            Err(_) => return false,
        },
    };
    tags.iter().filter(|(key, _)| !is_hidden(key)).eq(set.iter())
}

/// Tags by ARN. What has none, and never had, is not among them.
async fn of_arns(aws: &Aws, cx: &Cx, arns: &[String]) -> Result<HashMap<String, TagMap>, CloudError> {
    let tagging = &aws.tagging(cx).await?;
    let chunks = batch::each(arns.chunks(ARNS), |arns| {
        batch::pages(move |token| async move {
            // A token stands for the whole request, and does not go with a list of ARNs.
            let request = match token {
                Some(token) => tagging.get_resources().pagination_token(token),
                None => tagging.get_resources().set_resource_arn_list(Some(arns.to_vec())),
            };
            let answer = tagging.read("GetResources", || request.clone().send()).await?;
            Ok((answer.resource_tag_mapping_list.unwrap_or_default(), answer.pagination_token))
        })
    });
    let tags = chunks.await?.into_iter().flatten().filter_map(|resource| {
        let tags = resource.tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect();
        Some((resource.resource_arn?, tags))
    });
    Ok(tags.collect())
}

#[cfg(test)]
mod tests {
    use phx_model::ValueMap;

    use super::*;

    #[test]
    fn tags_that_are_not_what_was_set_are_asked_for_again() {
        let set: ValueMap = serde_json::from_str(r#"{"tags":{"a":"1"}}"#).unwrap();
        let none: ValueMap = serde_json::from_str(r#"{"name":"g"}"#).unwrap();
        let told = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let target = Target { id: "g", inputs: &set };
        assert!(agrees(&target, &told(&[("a", "1"), ("phx:intent", "i"), ("aws:x", "y")])));
        for lagging in [&[][..], &[("a", "2")], &[("a", "1"), ("b", "1")]] {
            assert!(!agrees(&target, &told(lagging)), "{lagging:?}");
        }
        assert!(agrees(&Target { id: "g", inputs: &none }, &told(&[("a", "1")])));
    }
}
