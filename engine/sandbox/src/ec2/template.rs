//! Launch templates and their versions.

use serde_json::{Map, Value, json};

use super::spec::Kind;
use super::{Answer, Fields, Object, Region, form, object, text};
use crate::wire::{Fault, Params};

/// Where a template keeps its versions, which Describe does not show: by their numbers.
const VERSIONS: &str = "versions";
/// AWS shows so many versions in one answer.
const PAGE: usize = 200;

/// A template's data as answers show it.
pub(super) fn data(p: &Params, prefix: &str) -> Fields {
    let mut data = form::shown(p, prefix);
    let lists = |data: &mut Fields, list: &str, change: &dyn Fn(&mut Fields)| {
        let items = data.get_mut(list).and_then(Value::as_array_mut);
        items.into_iter().flatten().filter_map(Value::as_object_mut).for_each(change);
    };
    // Groups are called otherwise here, and so are their elements.
    lists(&mut data, "networkInterfaceSet", &|interface| {
        if let Some(groups) = interface.remove("securityGroupIdSet") {
            interface.insert("groupSet".to_owned(), json!({"groupId*": groups}));
        }
    });
    lists(&mut data, "secondaryInterfaceSet", &|interface| {
        if let Some(addresses) = interface.remove("privateIpAddressSet") {
            interface.insert("privateIpAddressesSet".to_owned(), addresses);
        }
    });
    data
}

fn versions(template: &Object) -> Map<String, Value> {
    template.hidden.get(VERSIONS).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn number(template: &Object, field: &str) -> i64 {
    template.fields.get(field).and_then(Value::as_i64).unwrap_or_default()
}

impl Region {
    /// The template that a request names by id or by name.
    fn template<'a>(&'a self, p: &Params, prefix: &str) -> Result<(&'a String, &'a Object), Fault> {
        let (id, name) = (p.get(&format!("{prefix}LaunchTemplateId")), p.get(&format!("{prefix}LaunchTemplateName")));
        match (id, name) {
            (Some(id), None) => {
                self.get(Kind::LaunchTemplate, id)?;
                let found = self.objects.get_key_value(id);
                found.ok_or_else(|| super::unknown_id(Kind::LaunchTemplate.spec(), id))
            }
            (None, Some(name)) => {
                let found = self.of(Kind::LaunchTemplate).find(|(_, o)| text(o, "launchTemplateName") == name);
                found.ok_or_else(|| {
                    let message = format!("The specified launch template, with template name {name}, does not exist.");
                    Fault::new("InvalidLaunchTemplateName.NotFoundException", message)
                })
            }
            _ => Err(Fault::new(
                "MissingParameter",
                "The request must contain either LaunchTemplateId or LaunchTemplateName",
            )),
        }
    }

    pub(super) fn create_launch_template(&mut self, p: &Params) -> Answer {
        if let Some(made) = self.made_before(Kind::LaunchTemplate, p) {
            return Ok(json!({"launchTemplate": made}));
        }
        let name = p.required("LaunchTemplateName")?;
        let known = |c: char| c.is_ascii_alphanumeric() || "()./_-".contains(c);
        if !(3..=128).contains(&name.len()) || !name.chars().all(known) {
            let message = "Launch template name must be between 3 and 128 characters, and may contain letters, numbers and ()./_-";
            return Err(Fault::new("InvalidLaunchTemplateName.MalformedException", message));
        }
        if self.any(Kind::LaunchTemplate, "launchTemplateName", name) {
            return Err(Fault::new(
                "InvalidLaunchTemplateName.AlreadyExistsException",
                "Launch template name already in use.",
            ));
        }
        if !p.has("LaunchTemplateData") {
            return Err(Fault::new("MissingParameter", "The request must contain the parameter LaunchTemplateData"));
        }
        let operator = form::shown(p, "Operator");
        let fields = json!({
            "launchTemplateName": name, "createTime": jiff::Timestamp::now().to_string(), "createdBy": self.creator(),
            "defaultVersionNumber": 1, "latestVersionNumber": 1, "operator": (!operator.is_empty()).then_some(operator),
        });
        let id = self.add(Kind::LaunchTemplate, "launchTemplateId", fields, p);
        self.add_version(&id, 1, data(p, "LaunchTemplateData"), p)?;
        Ok(json!({"launchTemplate": self.show(&id)}))
    }

    fn creator(&self) -> String {
        format!("arn:aws:iam::{}:user/sandbox", self.account)
    }

    fn add_version(&mut self, id: &str, number: i64, data: Fields, p: &Params) -> Result<Value, Fault> {
        let creator = self.creator();
        let template = self.get_mut(Kind::LaunchTemplate, id)?;
        let version = json!({
            "launchTemplateId": id, "launchTemplateName": text(template, "launchTemplateName"), "versionNumber": number,
            "versionDescription": p.get("VersionDescription"), "createTime": jiff::Timestamp::now().to_string(), "createdBy": creator,
            "launchTemplateData": data, "clientToken": p.get("ClientToken"),
        });
        let mut all = versions(template);
        all.insert(number.to_string(), version.clone());
        template.hidden.insert(VERSIONS.to_owned(), Value::Object(all));
        template.fields.insert("latestVersionNumber".to_owned(), json!(number));
        Ok(version)
    }

    pub(super) fn create_launch_template_version(&mut self, p: &Params) -> Answer {
        let (id, template) = self.template(p, "")?;
        let all = versions(template);
        if let Some(token) = p.get("ClientToken")
            && let Some(made) = all.values().find(|v| v["clientToken"] == json!(token))
        {
            return Ok(json!({"launchTemplateVersion": shown(made, template)}));
        }
        if !p.has("LaunchTemplateData") && !p.has("SourceVersion") {
            return Err(Fault::new("MissingParameter", "The request must contain the parameter LaunchTemplateData"));
        }
        let mut base = match p.get("SourceVersion") {
            Some(version) => object(self.version(id, template, version)?["launchTemplateData"].clone()),
            None => Fields::new(),
        };
        form::over(&mut base, data(p, "LaunchTemplateData"));
        let (id, next) = (id.clone(), number(template, "latestVersionNumber") + 1);
        let made = self.add_version(&id, next, base, p)?;
        Ok(json!({"launchTemplateVersion": shown(&made, self.get(Kind::LaunchTemplate, &id)?)}))
    }

    /// A version by its number, `$Default` or `$Latest`.
    fn version(&self, id: &str, template: &Object, which: &str) -> Result<Value, Fault> {
        let number = match which {
            "$Default" => number(template, "defaultVersionNumber").to_string(),
            "$Latest" => number(template, "latestVersionNumber").to_string(),
            number => number.to_owned(),
        };
        versions(template).remove(&number).ok_or_else(|| {
            let message = format!("Could not find launch template version {which} of {id}.");
            Fault::new("InvalidLaunchTemplateId.VersionNotFound", message)
        })
    }

    pub(super) fn modify_launch_template(&mut self, p: &Params) -> Answer {
        let (id, template) = self.template(p, "")?;
        if let Some(version) = p.get("SetDefaultVersion") {
            let number = self.version(id, template, version)?["versionNumber"].clone();
            let id = id.clone();
            self.get_mut(Kind::LaunchTemplate, &id)?.fields.insert("defaultVersionNumber".to_owned(), number);
            return Ok(json!({"launchTemplate": self.show(&id)}));
        }
        Ok(json!({"launchTemplate": self.show(id)}))
    }

    pub(super) fn delete_launch_template(&mut self, p: &Params) -> Answer {
        let id = self.template(p, "")?.0.clone();
        let gone = self.show(&id);
        self.objects.remove(&id);
        Ok(json!({"launchTemplate": gone}))
    }

    pub(super) fn delete_launch_template_versions(&mut self, p: &Params) -> Answer {
        let (id, template) = self.template(p, "")?;
        let (mut all, default) = (versions(template), number(template, "defaultVersionNumber"));
        let (id, name) = (id.clone(), text(template, "launchTemplateName").to_owned());
        let (mut deleted, mut refused) = (Vec::new(), Vec::new());
        for version in p.list("LaunchTemplateVersion") {
            let item = json!({"launchTemplateId": id, "launchTemplateName": name, "versionNumber": version});
            let error = if version == default.to_string() {
                Some(("unexpectedError", "The default version cannot be deleted."))
            } else if all.remove(version).is_none() {
                Some(("launchTemplateVersionDoesNotExist", "The version does not exist."))
            } else {
                None
            };
            match error {
                None => deleted.push(item),
                Some((code, message)) => {
                    let mut item = item;
                    item["responseError"] = json!({"code": code, "message": message});
                    refused.push(item);
                }
            }
        }
        self.get_mut(Kind::LaunchTemplate, &id)?.hidden.insert(VERSIONS.to_owned(), Value::Object(all));
        Ok(json!({
            "successfullyDeletedLaunchTemplateVersionSet": deleted, "unsuccessfullyDeletedLaunchTemplateVersionSet": refused,
        }))
    }

    pub(super) fn describe_launch_template_versions(&self, p: &Params) -> Answer {
        if let Some((name, _)) = super::raw_filters(p).first() {
            return Err(super::unknown_filter(name));
        }
        let wanted = p.list("LaunchTemplateVersion");
        let one = p.has("LaunchTemplateId") || p.has("LaunchTemplateName");
        let templates: Vec<(&String, &Object)> = match one {
            true => vec![self.template(p, "")?],
            // Of all templates, only their default or latest versions are told.
            false if wanted.iter().all(|v| v.starts_with('$')) && !wanted.is_empty() => {
                self.of(Kind::LaunchTemplate).collect()
            }
            false => {
                return Err(Fault::new(
                    "MissingParameter",
                    "The request must name a launch template, or $Latest or $Default",
                ));
            }
        };
        let mut found = Vec::new();
        for (id, template) in templates {
            let mut all: Vec<Value> = versions(template).into_values().collect();
            all.sort_by_key(|v| std::cmp::Reverse(v["versionNumber"].as_i64()));
            if !wanted.is_empty() {
                all = wanted.iter().map(|which| self.version(id, template, which)).collect::<Result<_, _>>()?;
            }
            let (least, most) = (p.number("MinVersion")?, p.number("MaxVersion")?);
            all.retain(|v| {
                let number = v["versionNumber"].as_i64();
                least.is_none_or(|least| number >= Some(least)) && most.is_none_or(|most| number <= Some(most))
            });
            found.extend(all.iter().map(|version| shown(version, template)));
        }
        let from = p.number("NextToken")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let limit = p.number("MaxResults")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE).clamp(1, PAGE);
        let next = (found.len() > from + limit).then(|| (from + limit).to_string());
        let page: Vec<Value> = found.into_iter().skip(from).take(limit).collect();
        Ok(json!({"launchTemplateVersionSet": page, "nextToken": next}))
    }

    /// The id, the version's number and the data of the template that a launch names.
    pub(super) fn launched_with(&self, p: &Params) -> Result<Option<(String, String, Fields)>, Fault> {
        if !p.has("LaunchTemplate") {
            return Ok(None);
        }
        let (id, template) = self.template(p, "LaunchTemplate.")?;
        let version = self.version(id, template, p.get("LaunchTemplate.Version").unwrap_or("$Default"))?;
        let data = object(version["launchTemplateData"].clone());
        Ok(Some((id.clone(), version["versionNumber"].to_string(), data)))
    }
}

/// A version as answers show it.
fn shown(version: &Value, template: &Object) -> Value {
    let mut shown = object(version.clone());
    shown.remove("clientToken");
    let default = version["versionNumber"].as_i64() == Some(number(template, "defaultVersionNumber"));
    shown.insert("defaultVersion".to_owned(), json!(default));
    Value::Object(shown)
}
