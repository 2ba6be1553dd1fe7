//! Reading many parameters: ten values, fifty descriptions or the tags of a hundred in one call.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ssm::types::{
    Parameter as Valued, ParameterMetadata, ParameterStringFilter, ParameterType, ResourceTypeForTagging,
};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::value::{Json, Val};
use phx_model::{CloudError, Value};

use super::parameter::{Parameter, ParameterOutputs, ParameterResolved};
use super::{ParameterName, Ssm};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::manage::{Found, Target};
use crate::tagged::{self, TagMap};

/// The type of parameters that are encrypted.
pub(super) const SECURE: &str = "SecureString";
/// The tier that AWS never tells: it tells which one it chose.
const INTELLIGENT: &str = "Intelligent-Tiering";
/// GetParameters takes so many names.
const NAMES: usize = 10;
/// DescribeParameters takes so many names in its filter, and tells of so many at once.
const DESCRIBED: usize = 50;

/// What is known of parameters, by name. `Ok(None)`: it is not there.
type Values = HashMap<String, Result<Option<Valued>, CloudError>>;

pub(super) async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Parameter>>, CloudError> {
    let ssm = &aws.ssm(cx).await?;
    let names: BTreeSet<&str> = targets.iter().map(|t| t.id).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let (values, described) = futures::try_join!(values(ssm, &names), described(ssm, &names))?;
    let described: HashMap<&str, &ParameterMetadata> = described.iter().filter_map(|p| Some((p.name()?, p))).collect();
    let there = |at: usize| values.get(targets[at].id)?.as_ref().ok()?.as_ref();
    let ask = |name, _| list_tags(ssm, name);
    let mut tags = tagged::read(aws, cx, targets, |at| there(at).and_then(|p| p.arn.clone()), ask).await?;
    let found = targets.iter().enumerate().map(|(at, target)| {
        let parameter = match values.get(target.id) {
            Some(Ok(Some(parameter))) => parameter,
            Some(Err(error)) => return Found::Failed(error.clone()),
            _ => return Found::Gone,
        };
        let tags = match tags.remove(&at) {
            Some(Ok(None)) => return Found::Gone,
            Some(Err(error)) => return Found::Failed(error),
            Some(Ok(Some(tags))) => tags,
            None => TagMap::new(),
        };
        match described.get(target.id) {
            Some(described) => present(ssm, target, parameter, described, tags),
            None => Found::Failed(ssm.unexpected("DescribeParameters", format!("it does not list {} yet", target.id))),
        }
    });
    Ok(found.collect())
}

/// One parameter, with its value encrypted.
pub(super) async fn one(ssm: &Ssm, name: &str) -> Result<Option<Valued>, CloudError> {
    let request = ssm.get_parameters().names(name).with_decryption(false);
    let answer = ssm.read("GetParameters", || request.clone().send()).await?;
    Ok(answer.parameters.unwrap_or_default().into_iter().find(|p| p.name() == Some(name)))
}

/// The values of parameters. Where a key may not be used, AWS refuses all that were asked for with it: those are asked for one by one.
async fn values(ssm: &Ssm, names: &[&str]) -> Result<Values, CloudError> {
    let chunks = batch::each(names.chunks(NAMES), |names| async move {
        match decrypted(ssm, names).await {
            Err(error) if names.len() > 1 && is_about_one(&error) => {
                tracing::debug!(%error, "parameters are read one by one");
                let each =
                    batch::each(
                        names,
                        |name| async move { Ok((*name, decrypted(ssm, std::slice::from_ref(name)).await)) },
                    );
                let answers = each.await?.into_iter();
                Ok(answers.map(|(name, answer)| (name.to_owned(), answer.map(|all| all.into_iter().next()))).collect())
            }
            Err(error) if is_about_one(&error) => {
                Ok(names.iter().map(|n| ((*n).to_owned(), Err(error.clone()))).collect())
            }
            answer => {
                let mut found: HashMap<String, Valued> =
                    answer?.into_iter().filter_map(|p| Some((p.name.clone()?, p))).collect();
                Ok(names.iter().map(|n| ((*n).to_owned(), Ok(found.remove(*n)))).collect::<Vec<_>>())
            }
        }
    });
    Ok(chunks.await?.into_iter().flatten().collect())
}

/// Whether one parameter's key may be the reason.
fn is_about_one(error: &CloudError) -> bool {
    matches!(error.kind, ErrorKind::Denied | ErrorKind::Invalid) || error.code.as_deref() == Some("InvalidKeyId")
}

async fn decrypted(ssm: &Ssm, names: &[&str]) -> Result<Vec<Valued>, CloudError> {
    let names = names.iter().map(|n| (*n).to_owned()).collect();
    let request = ssm.get_parameters().set_names(Some(names)).with_decryption(true);
    let answer = ssm.read("GetParameters", || request.clone().send()).await?;
    Ok(answer.parameters.unwrap_or_default())
}

/// Everything about parameters but their values and tags.
pub(super) async fn described(ssm: &Ssm, names: &[&str]) -> Result<Vec<ParameterMetadata>, CloudError> {
    let chunks = batch::each(names.chunks(DESCRIBED), |names| {
        let values: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        batch::pages(move |token| {
            let filter = ParameterStringFilter::builder().key("Name").option("Equals");
            let filter = filter.set_values(Some(values.clone())).build();
            async move {
                let filter = filter.map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))?;
                let limit = i32::try_from(DESCRIBED).ok();
                let request =
                    ssm.describe_parameters().parameter_filters(filter).set_max_results(limit).set_next_token(token);
                let answer = ssm.read("DescribeParameters", || request.clone().send()).await?;
                Ok((answer.parameters.unwrap_or_default(), answer.next_token))
            }
        })
    });
    Ok(chunks.await?.into_iter().flatten().collect())
}

/// The tags of one parameter.
pub(super) async fn list_tags(ssm: &Ssm, name: &str) -> Result<TagMap, CloudError> {
    let request = ssm.list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
    match ssm.read("ListTagsForResource", || request.clone().send()).await {
        Ok(answer) => Ok(answer.tag_list.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect()),
        // That is how it says that there is no such parameter.
        Err(error) if error.code.as_deref() == Some("InvalidResourceId") => {
            Err(CloudError { kind: ErrorKind::NotFound, ..error })
        }
        Err(error) => Err(error),
    }
}

fn present(
    ssm: &Ssm,
    target: &Target<'_>,
    parameter: &Valued,
    described: &ParameterMetadata,
    tags: TagMap,
) -> Found<Parameter> {
    let Some(arn) = parameter.arn() else {
        return Found::Failed(
            ssm.unexpected("GetParameters", format!("the answer holds {} without an ARN", target.id)),
        );
    };
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let kind = parameter.r#type().map_or("String", ParameterType::as_str);
    let secure = kind == SECURE;
    // A plain value stands in the field that the program uses.
    let hidden = secure || target.inputs.contains_key("value");
    let intelligent = target.inputs.get("tier").and_then(Value::as_str) == Some(INTELLIGENT);
    let tier = described.tier().map(|tier| tier.as_str().to_owned());
    let fields = ParameterResolved {
        name: target.id.to_owned(),
        r#type: kind.to_owned(),
        value: parameter.value.clone().filter(|_| hidden),
        insecure_value: parameter.value.clone().filter(|_| !hidden),
        description: text(described.description()),
        key_id: described.key_id().filter(|key| secure && !key.is_empty()).map(|key| key_as_set(target, key)),
        allowed_pattern: text(described.allowed_pattern()),
        tier: if intelligent { Some(INTELLIGENT.to_owned()) } else { tier },
        policies: policies(described),
        data_type: text(parameter.data_type().or(described.data_type())),
        tags,
    };
    let outputs =
        ParameterOutputs { name: ParameterName::new(target.id), arn: Arn::new(arn), version: parameter.version };
    Found::present(fields, outputs)
}

/// A key may be told by its id where the program said the ARN.
fn key_as_set(target: &Target<'_>, key: &str) -> Arn {
    let set = target.inputs.get("key_id").and_then(|set| Arn::from_value(set).ok());
    let ends = |set: &Arn| set.as_str().rsplit_once(":key/").is_some_and(|(_, id)| id == key);
    set.filter(ends).unwrap_or_else(|| Arn::new(key))
}

fn policies(described: &ParameterMetadata) -> Option<Json> {
    let texts = described.policies().iter().filter_map(|p| p.policy_text());
    let items: Vec<Value> =
        texts.map(|text| Json::parse(text).map_or_else(|_| Value::String(text.into()), |json| json.0)).collect();
    (!items.is_empty()).then_some(Json(Value::List(items)))
}
