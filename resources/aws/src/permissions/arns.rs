//! The ARNs of what an action is about, as far as they can be told before it is there.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use phx_model::{Value, ValueMap};

use super::grant::{Place, Use};

/// A type's ARNs by the names that the tables have for them, in the table's order: the first is of the type's own objects.
type Forms = Vec<(&'static str, Vec<&'static str>)>;

fn forms() -> &'static BTreeMap<&'static str, Forms> {
    static FORMS: OnceLock<BTreeMap<&'static str, Forms>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let mut forms: BTreeMap<&'static str, Forms> = BTreeMap::new();
        for line in super::lines(include_str!("../../permissions/arns.tsv")) {
            // A test holds that every line has these three.
            if let [type_name, name, arns] = line[..] {
                forms.entry(type_name).or_default().push((name, arns.split_whitespace().collect()));
            }
        }
        forms
    })
}

/// The forms of ARN that a row's resource stands for.
pub(super) fn named(type_name: &str, resource: &'static str) -> Vec<&'static str> {
    let of = forms().get(type_name).and_then(|forms| forms.iter().find(|(name, _)| *name == resource));
    of.map_or_else(|| vec![resource], |(_, arns)| arns.clone())
}

/// AWS's partition of a region, as ARNs name it.
pub fn partition(region: &str) -> &'static str {
    crate::arn::partition(region)
}

/// The ARN that an object of a type has, if its fields (and its id, if it is there already) tell it, as policies have it: an account or a region
/// that is not known is `*`. A part that AWS decides makes it `None`.
pub fn arn(type_name: &str, place: &Place, fields: &ValueMap, id: Option<&str>) -> Option<String> {
    let (_, arns) = forms().get(type_name)?.first()?;
    let form = *arns.first()?;
    if form.contains(['*', '?']) || form.contains("{role:") {
        return None;
    }
    let used = Use { type_name, id, fields, ..Use::nothing(place) };
    match fill(form, &used, &[]) {
        Filled::With(arns) => arns.into_iter().next().filter(|arn| arn.starts_with("arn:")),
        Filled::Unset | Filled::Unknown => None,
    }
}

/// What became of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// These: several where a field has several values.
    With(Vec<String>),
    /// A field that it names is not set.
    Unset,
    /// A field that it names is set, and not known yet.
    Unknown,
}

/// A form with what is known in the place of its names. `all` is everything that is used, where names of roles and profiles are looked up.
pub(super) fn fill(form: &str, used: &Use<'_>, all: &[Use<'_>]) -> Filled {
    let Some((before, rest)) = form.split_once('{') else { return Filled::With(vec![form.to_owned()]) };
    let Some((name, after)) = rest.split_once('}') else { return Filled::With(vec![form.to_owned()]) };
    let (name, default) = name.split_once('|').map_or((name, None), |(name, default)| (name, Some(default)));
    let values = match (value(name, used, all), default) {
        (Filled::Unset, Some(default)) => vec![default.to_owned()],
        (Filled::Unknown, Some("*")) => vec!["*".to_owned()],
        (Filled::With(values), _) => values,
        (other, _) => return other,
    };
    let Filled::With(ends) = fill(after, used, all) else { return fill(after, used, all) };
    let joined = values.iter().flat_map(|value| ends.iter().map(move |end| format!("{before}{value}{end}")));
    Filled::With(joined.collect())
}

/// What a form's name stands for.
fn value(name: &str, used: &Use<'_>, all: &[Use<'_>]) -> Filled {
    let known = |value: Option<&str>| Filled::With(vec![value.unwrap_or("*").to_owned()]);
    let texts = |path: &str| texts(&at(used.fields, path));
    match name.split_once(':') {
        None => match name {
            "partition" => known(Some(&used.place.partition)),
            "region" => known(used.place.region.as_deref()),
            "account" => known(used.place.account.as_deref()),
            "id" => used.id.map_or(Filled::Unknown, |id| Filled::With(vec![id.to_owned()])),
            path => texts(path),
        },
        Some(("role", path)) => each(texts(path), |name| roles_named(name, used, all)),
        Some(("profile", path)) => match at(used.fields, path).as_slice() {
            [] => Filled::Unset,
            values => all_of(values.iter().map(|value| role_of_profile(value, all))),
        },
        Some(("template", path)) => roles_of_template(&at(used.fields, path), all),
        Some(("role_in", path)) => match roles_within(&at(used.fields, path)) {
            Some(roles) if roles.is_empty() => Filled::Unset,
            Some(roles) => Filled::With(roles),
            None => Filled::Unknown,
        },
        // An OpenID provider's ARN has its address without the protocol, a parameter's its name without the slash that it may begin with.
        Some(("host", path)) => each(texts(path), |url| with(url.trim_start_matches("https://"))),
        Some(("bare", path)) => each(texts(path), |name| with(name.trim_start_matches('/'))),
        // By its id, or by its ARN, which ends with it.
        Some(("last", path)) => each(texts(path), |id| with(id.rsplit('/').next().unwrap_or(id))),
        Some(_) => Filled::Unknown,
    }
}

fn with(text: &str) -> Filled {
    Filled::With(vec![text.to_owned()])
}

fn each(values: Filled, of: impl Fn(&str) -> Filled) -> Filled {
    match values {
        Filled::With(values) => all_of(values.iter().map(|value| of(value))),
        other => other,
    }
}

/// All that are set together; unknown if one is.
fn all_of(parts: impl Iterator<Item = Filled>) -> Filled {
    let mut found = Vec::new();
    for part in parts {
        match part {
            Filled::With(values) => found.extend(values),
            Filled::Unset => {}
            Filled::Unknown => return Filled::Unknown,
        }
    }
    if found.is_empty() { Filled::Unset } else { Filled::With(found) }
}

/// The values at a path; those in lists one by one. What is not set has none.
pub(super) fn at<'v>(fields: &'v ValueMap, path: &str) -> Vec<&'v Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(value) = fields.get(first) else { return Vec::new() };
    let mut found = Vec::new();
    flatten(value, rest, &mut found);
    found
}

fn flatten<'v>(value: &'v Value, rest: Option<&str>, found: &mut Vec<&'v Value>) {
    match (value.expose(), rest) {
        (Value::List(items), _) => items.iter().for_each(|item| flatten(item, rest, found)),
        (Value::Map(fields), Some(path)) => found.extend(at(fields, path)),
        // What is unknown as a whole is unknown in its parts.
        (Value::Unknown | Value::Sealed(_), _) => found.push(&Value::Unknown),
        (value, None) if !value.is_empty() => found.push(value),
        _ => {}
    }
}

fn texts(values: &[&Value]) -> Filled {
    all_of(values.iter().map(|value| match value {
        Value::String(text) => Filled::With(vec![text.to_string()]),
        Value::Int(number) => Filled::With(vec![number.to_string()]),
        _ => Filled::Unknown,
    }))
}

/// The ARNs of a role that is named: of the program's own as it stands there, of another one whatever its path.
fn roles_named(name: &str, used: &Use<'_>, all: &[Use<'_>]) -> Filled {
    if name.starts_with("arn:") {
        return with(name);
    }
    let own = all.iter().filter(|u| u.type_name == "aws:iam:Role" && text(u.fields, "role_name") == Some(name));
    let own: Vec<String> = own.filter_map(|u| arn(u.type_name, u.place, u.fields, None)).collect();
    if let Some(arn) = own.into_iter().next() {
        return Filled::With(vec![arn]);
    }
    let account = used.place.account.as_deref().unwrap_or("*");
    let any = |path: &str| format!("arn:{}:iam::{account}:role/{path}{name}", used.place.partition);
    Filled::With(vec![any(""), any("*/")])
}

fn text<'v>(fields: &'v ValueMap, field: &str) -> Option<&'v str> {
    fields.get(field)?.as_str()
}

/// The role in an instance profile that is named, or given as a block with `arn` or `name`.
fn role_of_profile(given: &Value, all: &[Use<'_>]) -> Filled {
    let profiles = || all.iter().filter(|u| u.type_name == "aws:iam:InstanceProfile");
    let role = |profile: &Use<'_>| fill("{role:role_name}", profile, all);
    let part = |field: &str| match given.expose() {
        Value::Map(parts) => parts.get(field).and_then(Value::as_str),
        _ => None,
    };
    match given.as_str().or_else(|| part("name")).or_else(|| part("arn")) {
        // The last part of an ARN is the name. A profile that is not the program's own tells nothing of its role.
        Some(name) => {
            let name = name.rsplit('/').next().unwrap_or(name);
            let found = profiles().find(|u| text(u.fields, "instance_profile_name") == Some(name));
            found.map_or(Filled::Unknown, role)
        }
        // Only what the program itself makes can be unknown.
        None if given.has_unknown() => all_of(profiles().map(role)),
        None => Filled::Unset,
    }
}

/// The roles of the profiles in the launch templates that a block names, wherever in it.
fn roles_of_template(given: &[&Value], all: &[Use<'_>]) -> Filled {
    let mut names = Vec::new();
    given.iter().for_each(|value| template_names(value, &mut names));
    let templates = || all.iter().filter(|u| u.type_name == "aws:ec2:LaunchTemplate");
    let roles = |u: &Use<'_>| fill("{profile:launch_template_data.iam_instance_profile}", u, all);
    if names.is_empty() {
        // Only what the program itself makes can be unknown.
        let unknown = given.iter().any(|value| value.has_unknown());
        return if unknown { all_of(templates().map(roles)) } else { Filled::Unset };
    }
    all_of(names.into_iter().map(|name| {
        let found = templates().find(|u| u.id == Some(name) || text(u.fields, "launch_template_name") == Some(name));
        found.map_or(Filled::Unknown, roles)
    }))
}

fn template_names<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match value.expose() {
        Value::List(items) => items.iter().for_each(|item| template_names(item, names)),
        Value::Map(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("launch_template_id" | "launch_template_name" | "id" | "name", Some(text)) => names.push(text),
                    _ => template_names(value, names),
                }
            }
        }
        _ => {}
    }
}

/// The ARNs of roles anywhere in values; `None` if some of them are unknown.
fn roles_within(values: &[&Value]) -> Option<Vec<String>> {
    let mut roles = Vec::new();
    for value in values {
        match value.expose() {
            Value::Unknown | Value::Sealed(_) => return None,
            Value::List(items) => roles.extend(roles_within(&items.iter().collect::<Vec<_>>())?),
            Value::Map(fields) => roles.extend(roles_within(&fields.values().collect::<Vec<_>>())?),
            Value::String(text) if text.starts_with("arn:") && text.contains(":role/") => roles.push(text.to_string()),
            _ => {}
        }
    }
    Some(roles)
}
