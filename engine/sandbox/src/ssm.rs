//! Systems Manager: the parameter store, and AWS's own parameters that name machine images. No older versions, no labels.
//!
//! AWS's images are those that EC2 here shows; others get ids that are made up, but always the same in a region.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, Model, Tags};
use super::shape::{json_answer, limit, now, page, tag_list, tags_of, text, texts, unknown};
use super::wire::Fault;

/// A standard parameter has so many bytes at most, an advanced one so many.
const STANDARD: usize = 4096;
const ADVANCED: usize = 8192;
/// GetParameters takes so many names, lists tell so many parameters.
const NAMES: usize = 10;
const PAGE: usize = 50;

#[derive(Clone, Serialize, Deserialize)]
struct Parameter {
    kind: String,
    value: String,
    version: i64,
    modified: i64,
    description: String,
    key: Option<String>,
    pattern: String,
    tier: String,
    policies: Vec<Value>,
    data_type: String,
    tags: Tags,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Ssm {
    parameters: BTreeMap<String, Parameter>,
}

/// The id of the image that one of AWS's parameters names in a region: EC2's, if that shows it, or one that is made up.
fn public_image(region: &str, parameter: &str) -> String {
    if let Some(id) = super::ec2::public_parameter(region, parameter) {
        return id;
    }
    let digest = hex::encode(Sha256::digest(format!("{region} {parameter}")));
    format!("ami-{}", &digest[..17])
}

/// What one of AWS's own parameters says, if there is such a one: its value and data type.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html>
fn public(region: &str, name: &str) -> Option<(String, &'static str)> {
    let rest = name.strip_prefix("/aws/service/")?;
    let parts: Vec<&str> = rest.split('/').collect();
    let arch = |name: &str| ["x86_64", "arm64"].iter().any(|arch| name.contains(arch));
    match parts.as_slice() {
        ["ami-amazon-linux-latest", image]
            if (image.starts_with("al2023-ami-") || image.starts_with("amzn2-ami-")) && arch(image) =>
        {
            Some((public_image(region, name), "aws:ec2:image"))
        }
        ["eks", "optimized-ami", version, variant @ .., "recommended"]
            if is_version(version) && !variant.is_empty() =>
        {
            let id = public_image(region, &format!("{name}/image_id"));
            let image = format!("amazon-eks-node-{}-{version}", variant.join("-"));
            let value = json!({"schema_version": "2", "image_id": id, "image_name": image, "release_version": format!("{version}.0-20260101")});
            Some((value.to_string(), "text"))
        }
        ["eks", "optimized-ami", version, variant @ .., "recommended", field]
            if is_version(version) && !variant.is_empty() =>
        {
            match *field {
                "image_id" => Some((public_image(region, name), "aws:ec2:image")),
                "image_name" => Some((format!("amazon-eks-node-{}-{version}", variant.join("-")), "text")),
                "release_version" => Some((format!("{version}.0-20260101"), "text")),
                _ => None,
            }
        }
        ["bottlerocket", variant, machine, "latest", "image_id"] if variant.starts_with("aws-") && arch(machine) => {
            Some((public_image(region, name), "aws:ec2:image"))
        }
        ["canonical", "ubuntu", "server", .., "ami-id"] | ["ami-windows-latest", _] => {
            Some((public_image(region, name), "aws:ec2:image"))
        }
        _ => None,
    }
}

/// A version of Kubernetes: `1.34`.
fn is_version(version: &str) -> bool {
    version.split_once('.').is_some_and(|(major, minor)| major == "1" && minor.parse::<u8>().is_ok())
}

fn validation(message: impl Into<String>) -> Fault {
    Fault::new("ValidationException", message)
}

fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:ssm:{region}:{ACCOUNT_ID}:parameter/{}", name.trim_start_matches('/'))
}

/// The name of a parameter that may be given by its ARN.
fn plain(name: &str) -> String {
    match name.split_once(":parameter/") {
        // A name without a slash in it has none before it either.
        Some((_, rest)) if rest.contains('/') => format!("/{rest}"),
        Some((_, rest)) => rest.to_owned(),
        None => name.to_owned(),
    }
}

impl Parameter {
    fn shown(&self, region: &str, name: &str, decrypted: bool) -> Value {
        // Encrypted, it is something else each time it is set.
        let value = if self.kind == "SecureString" && !decrypted {
            format!("AQICAH{}", hex::encode(Sha256::digest(format!("{name} {} {}", self.version, self.value))))
        } else {
            self.value.clone()
        };
        json!({"Name": name, "Type": self.kind, "Value": value, "Version": self.version, "LastModifiedDate": self.modified,
               "ARN": arn(region, name), "DataType": self.data_type})
    }

    fn described(&self, region: &str, name: &str) -> Value {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        json!({"Name": name, "ARN": arn(region, name), "Type": self.kind, "KeyId": self.key, "Version": self.version,
               "LastModifiedDate": self.modified, "LastModifiedUser": format!("arn:aws:iam::{ACCOUNT_ID}:user/sandbox"),
               "Description": some(&self.description), "AllowedPattern": some(&self.pattern), "Tier": self.tier,
               "Policies": self.policies, "DataType": self.data_type})
    }
}

impl Ssm {
    fn put(&mut self, body: &Value) -> Result<Value, Fault> {
        let name = text(body, "Name")?;
        let value = text(body, "Value")?;
        let told = |field: &str| body[field].as_str().map(str::to_owned);
        let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
        let lower = name.trim_start_matches('/').to_ascii_lowercase();
        if lower.starts_with("aws") || lower.starts_with("ssm") {
            return Err(validation(r#"Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive)."#));
        }
        if !fine || (name.contains('/') && !name.starts_with('/')) {
            return Err(validation("Parameter name must be a fully qualified name of letters, numbers, and .-_/"));
        }
        let there = self.parameters.get(name);
        let tags = tags_of(&body["Tags"], "Key", "Value");
        if there.is_some() && body["Overwrite"] != json!(true) {
            let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
            return Err(Fault::new("ParameterAlreadyExists", message));
        }
        if there.is_some() && !tags.is_empty() {
            return Err(validation("Invalid request: tags and overwrite can't be used together."));
        }
        let kind = told("Type").or_else(|| there.map(|p| p.kind.clone()));
        let kind = kind.ok_or_else(|| validation("A parameter type is required when you create a parameter."))?;
        if !["String", "StringList", "SecureString"].contains(&kind.as_str()) {
            return Err(Fault::new("UnsupportedParameterType", format!("{kind} is not a type of parameters")));
        }
        let pattern = told("AllowedPattern").or_else(|| there.map(|p| p.pattern.clone())).unwrap_or_default();
        if !pattern.is_empty() {
            let expression = regex::Regex::new(&pattern).map_err(|_| {
                Fault::new("InvalidAllowedPatternException", format!("{pattern} is no regular expression"))
            })?;
            if !expression.is_match(value) {
                let message = format!("Parameter value, cannot be validated against allowedPattern: {pattern}");
                return Err(Fault::new("ParameterPatternMismatchException", message));
            }
        }
        let policies = match body["Policies"].as_str() {
            None => there.map(|p| p.policies.clone()).unwrap_or_default(),
            Some("") => Vec::new(),
            Some(policies) => {
                let list: Vec<Value> = serde_json::from_str(policies)
                    .map_err(|_| Fault::new("InvalidPolicyTypeException", "Policies is not a JSON list"))?;
                let policy = |p: &Value| json!({"PolicyText": p.to_string(), "PolicyType": p["Type"], "PolicyStatus": "Pending"});
                list.iter().filter(|p| p.as_object().is_none_or(|p| !p.is_empty())).map(policy).collect()
            }
        };
        let before = there.map(|p| p.tier.clone());
        let tier = match told("Tier").as_deref() {
            Some("Advanced") => "Advanced",
            Some("Intelligent-Tiering") if value.len() > STANDARD || !policies.is_empty() => "Advanced",
            Some("Intelligent-Tiering") if before.as_deref() == Some("Advanced") => "Advanced",
            _ => "Standard",
        };
        if tier == "Standard" && before.as_deref() == Some("Advanced") {
            return Err(validation(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.",
            ));
        }
        if value.len() > if tier == "Advanced" { ADVANCED } else { STANDARD } {
            return Err(validation(format!(
                "{tier} tier parameters support a maximum parameter value of {STANDARD} characters."
            )));
        }
        if tier == "Standard" && !policies.is_empty() {
            return Err(validation("Parameter policies need the advanced-parameter tier."));
        }
        let key = (kind == "SecureString").then(|| {
            told("KeyId").or_else(|| there.and_then(|p| p.key.clone())).unwrap_or_else(|| "alias/aws/ssm".to_owned())
        });
        let kept = |field: &str, of: fn(&Parameter) -> &String, unset: &str| {
            told(field).or_else(|| there.map(|p| of(p).clone())).unwrap_or_else(|| unset.to_owned())
        };
        let parameter = Parameter {
            value: value.to_owned(),
            version: there.map_or(1, |p| p.version + 1),
            modified: now().as_i64().unwrap_or_default(),
            description: kept("Description", |p| &p.description, ""),
            data_type: kept("DataType", |p| &p.data_type, "text"),
            tags: there.map_or(tags, |p| p.tags.clone()),
            tier: tier.to_owned(),
            pattern,
            kind,
            key,
            policies,
        };
        let answer = json!({"Version": parameter.version, "Tier": parameter.tier});
        self.parameters.insert(name.to_owned(), parameter);
        Ok(answer)
    }

    /// A parameter's value, AWS's own included. A name may end in a version.
    fn get(&self, region: &str, name: &str, decrypted: bool) -> Option<Value> {
        let name = plain(name);
        if let Some((value, data_type)) = public(region, &name) {
            let arn = format!("arn:aws:ssm:{region}::parameter{name}");
            return Some(
                json!({"Name": name, "Type": "String", "Value": value, "Version": 1, "LastModifiedDate": 1_767_225_600,
                               "ARN": arn, "DataType": data_type}),
            );
        }
        let (bare, version) = name.split_once(':').map_or((name.as_str(), None), |(bare, v)| (bare, Some(v)));
        let there = self.parameters.get(bare)?;
        let wanted = version.is_none_or(|v| v == there.version.to_string());
        wanted.then(|| there.shown(region, bare, decrypted))
    }

    fn describe(&self, region: &str, body: &Value) -> Result<Value, Fault> {
        let mut all: Vec<(&String, &Parameter)> = self.parameters.iter().collect();
        for filter in body["ParameterFilters"].as_array().into_iter().flatten() {
            let values = texts(&filter["Values"]);
            let key = filter["Key"].as_str().unwrap_or_default();
            let option = filter["Option"].as_str().unwrap_or("Equals");
            let fits = |text: &str| match option {
                "BeginsWith" => values.iter().any(|v| text.starts_with(v)),
                "Contains" => values.iter().any(|v| text.contains(v)),
                _ => values.iter().any(|v| v == text),
            };
            let under = |name: &str| {
                values.iter().any(|path| {
                    let rest = name.strip_prefix(path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
                    rest.is_some_and(|rest| option == "Recursive" || !rest.contains('/'))
                })
            };
            match key {
                "Name" => all.retain(|(name, _)| fits(name)),
                "Type" => all.retain(|(_, p)| fits(&p.kind)),
                "KeyId" => all.retain(|(_, p)| p.key.as_deref().is_some_and(fits)),
                "Tier" => all.retain(|(_, p)| fits(&p.tier)),
                "DataType" => all.retain(|(_, p)| fits(&p.data_type)),
                "Path" => all.retain(|(name, _)| under(name)),
                tag if tag.starts_with("tag:") => {
                    all.retain(|(_, p)| p.tags.get(&tag[4..]).is_some_and(|v| values.is_empty() || fits(v)));
                }
                other => return Err(Fault::not_implemented(&format!("ssm:DescribeParameters by {other}"))),
            }
        }
        if !body["Filters"].is_null() && body["Filters"] != json!([]) {
            return Err(Fault::not_implemented(
                "ssm:DescribeParameters with Filters, which ParameterFilters have replaced",
            ));
        }
        let all = all.into_iter().map(|(name, p)| p.described(region, name)).collect();
        let (all, next) = page(all, body["NextToken"].as_str(), limit(&body["MaxResults"], PAGE))?;
        Ok(json!({"Parameters": all, "NextToken": next}))
    }

    fn by_path(&self, region: &str, body: &Value) -> Result<Value, Fault> {
        let path = text(body, "Path")?.trim_end_matches('/');
        let deep = body["Recursive"] == json!(true);
        if body["ParameterFilters"].as_array().is_some_and(|filters| !filters.is_empty()) {
            return Err(Fault::not_implemented("ssm:GetParametersByPath with filters"));
        }
        let under = |name: &str| {
            let rest = name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|rest| deep || !rest.contains('/'))
        };
        let decrypted = body["WithDecryption"] == json!(true);
        let all = self.parameters.iter().filter(|(name, _)| under(name));
        let all = all.map(|(name, p)| p.shown(region, name, decrypted)).collect();
        let (all, next) = page(all, body["NextToken"].as_str(), limit(&body["MaxResults"], NAMES))?;
        Ok(json!({"Parameters": all, "NextToken": next}))
    }

    fn tags(&mut self, body: &Value) -> Result<&mut Tags, Fault> {
        if body["ResourceType"] != "Parameter" {
            return Err(Fault::not_implemented(&format!("tags of ssm's {}", body["ResourceType"])));
        }
        let name = body["ResourceId"].as_str().unwrap_or_default();
        let message =
            format!("The resource ID {name} is not valid. Verify that you entered the correct ID and try again.");
        let there = self.parameters.get_mut(name).map(|p| &mut p.tags);
        there.ok_or_else(|| Fault::new("InvalidResourceId", message))
    }
}

fn absent(name: &str) -> Fault {
    Fault::new("ParameterNotFound", format!("Parameter {name} not found."))
}

impl Model for Ssm {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let region = call.region.as_str();
        let decrypted = body["WithDecryption"] == json!(true);
        let result = match call.action.as_str() {
            "PutParameter" => self.put(&body)?,
            "GetParameter" => {
                let name = text(&body, "Name")?;
                json!({"Parameter": self.get(region, name, decrypted).ok_or_else(|| absent(name))?})
            }
            "GetParameters" => {
                let names = texts(&body["Names"]);
                if names.is_empty() || names.len() > NAMES {
                    return Err(validation(format!("Names must have 1 to {NAMES} members")));
                }
                let told: Vec<_> = names.into_iter().map(|name| (self.get(region, &name, decrypted), name)).collect();
                let invalid: Vec<String> =
                    told.iter().filter(|(p, _)| p.is_none()).map(|(_, name)| name.clone()).collect();
                let found: Vec<Value> = told.into_iter().filter_map(|(parameter, _)| parameter).collect();
                json!({"Parameters": found, "InvalidParameters": invalid})
            }
            "GetParametersByPath" => self.by_path(region, &body)?,
            "DescribeParameters" => self.describe(region, &body)?,
            "DeleteParameter" => {
                let name = text(&body, "Name")?;
                self.parameters.remove(name).ok_or_else(|| absent(name))?;
                json!({})
            }
            "DeleteParameters" => {
                let (gone, invalid): (Vec<String>, Vec<String>) =
                    texts(&body["Names"]).into_iter().partition(|name| self.parameters.remove(name).is_some());
                json!({"DeletedParameters": gone, "InvalidParameters": invalid})
            }
            "AddTagsToResource" => {
                self.tags(&body)?.extend(tags_of(&body["Tags"], "Key", "Value"));
                json!({})
            }
            "RemoveTagsFromResource" => {
                let keys = texts(&body["TagKeys"]);
                self.tags(&body)?.retain(|key, _| !keys.contains(key));
                json!({})
            }
            "ListTagsForResource" => json!({"TagList": tag_list(self.tags(&body)?, "Key", "Value")}),
            _ => return unknown("ssm", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        self.parameters.iter().map(|(name, p)| (arn(region, name), p.tags.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awss_own_parameters_name_images() {
        let image = |name: &str| public("us-west-2", name).map(|(value, _)| value);
        let linux = image("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64").unwrap();
        assert!(linux.starts_with("ami-") && linux.len() == 21, "{linux}");
        let eks = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/standard/recommended";
        let id = image(&format!("{eks}/image_id")).unwrap();
        assert!(image(eks).unwrap().contains(&id));
        assert_ne!(id, public("us-east-1", &format!("{eks}/image_id")).unwrap().0);
        for name in ["/aws/service/eks/optimized-ami/latest/x/recommended/image_id", "/aws/service/x", "/mine"] {
            assert_eq!(image(name), None, "{name}");
        }
    }

    #[test]
    fn a_parameter_may_be_named_by_its_arn() {
        assert_eq!(plain("arn:aws:ssm:us-west-2:000000000000:parameter/app/name"), "/app/name");
        assert_eq!(plain("arn:aws:ssm:us-west-2:000000000000:parameter/name"), "name");
        assert_eq!(plain("/app/name:3"), "/app/name:3");
    }
}
