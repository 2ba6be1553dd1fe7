//! The tagging API, which tells the tags of all services' objects in a region: GetResources. Tags are changed with the services themselves.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::service::Tags;
use super::shape::{json_answer, limit, page, tag_list, texts};
use super::wire::Fault;

/// So many objects in one answer, and so many ARNs in one request.
const PAGE: usize = 100;

/// Answers GetResources of what bears tags, or of what ARNs name.
pub(super) fn resources(body: &[u8], all: Vec<(String, Tags)>) -> Result<MockResponse, Fault> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Fault::new("SerializationException", e.to_string()))?;
    let arns: BTreeSet<String> = texts(&body["ResourceARNList"]).into_iter().collect();
    if arns.len() > PAGE {
        return Err(Fault::new("InvalidParameterException", format!("ResourceARNList has at most {PAGE} ARNs")));
    }
    let kinds = texts(&body["ResourceTypeFilters"]);
    let filters = body["TagFilters"].as_array().cloned().unwrap_or_default();
    let filtered = !kinds.is_empty() || !filters.is_empty();
    if filtered && !arns.is_empty() {
        return Err(Fault::new("InvalidParameterException", "ResourceARNList goes with no filter"));
    }
    let fits = |tags: &Tags, filter: &Value| {
        let values = texts(&filter["Values"]);
        let value = tags.get(filter["Key"].as_str().unwrap_or_default());
        value.is_some_and(|value| values.is_empty() || values.contains(value))
    };
    let mut all: Vec<(String, Tags)> = all
        .into_iter()
        .filter(|(arn, tags)| {
            !tags.is_empty()
                && (arns.is_empty() || arns.contains(arn))
                && (kinds.is_empty() || kinds.iter().any(|kind| is_of_kind(arn, kind)))
                && filters.iter().all(|filter| fits(tags, filter))
        })
        .collect();
    all.sort();
    let token = body["PaginationToken"].as_str();
    let (all, next) = page(all, token, limit(&body["ResourcesPerPage"], PAGE))?;
    let mapping = |(arn, tags): (String, Tags)| json!({"ResourceARN": arn, "Tags": tag_list(&tags, "Key", "Value")});
    let mappings: Vec<Value> = all.into_iter().map(mapping).collect();
    Ok(json_answer(json!({"ResourceTagMappingList": mappings, "PaginationToken": next.unwrap_or_default()})))
}

/// Whether an ARN is one of `ec2` or of `ec2:vpc`.
fn is_of_kind(arn: &str, kind: &str) -> bool {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next().unwrap_or_default();
    let resource = parts.nth(2).unwrap_or_default();
    match kind.split_once(':') {
        None => service == kind,
        Some((of, what)) => of == service && resource.split(['/', ':']).next() == Some(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_service_or_a_type_of_one() {
        let arn = "arn:aws:ec2:us-west-2:000000000000:vpc/vpc-1";
        assert!(is_of_kind(arn, "ec2") && is_of_kind(arn, "ec2:vpc"));
        assert!(!is_of_kind(arn, "ec2:subnet") && !is_of_kind(arn, "sns"));
    }
}
