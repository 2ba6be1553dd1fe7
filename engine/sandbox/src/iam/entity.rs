//! What users, groups, roles and instance profiles have in common.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Answer, Fields, Iam, Kind, conflict, done, missing, new_id, now, page, sorted, tag, tag_list, taken, untag,
};
use crate::ACCOUNT_ID;
use crate::service::Tags;
use crate::wire::{Fault, Params, encode};

/// A user, a group, a role or an instance profile.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Entity {
    /// As answers show it, without what has a field of its own here. A role's trust policy is kept as it was sent.
    pub(super) fields: Fields,
    #[serde(default)]
    pub(super) tags: Tags,
    /// ARNs of attached policies.
    #[serde(default)]
    pub(super) attached: BTreeSet<String>,
    /// Inline policies by name.
    #[serde(default)]
    pub(super) inline: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) boundary: Option<String>,
    /// A group's users, an instance profile's role.
    #[serde(default)]
    pub(super) members: BTreeSet<String>,
}

/// What a role answers with for a policy of its own: encoded, as IAM does.
pub(super) fn attached(arns: &BTreeSet<String>) -> Vec<Value> {
    let name = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
    arns.iter().map(|arn| json!({"PolicyName": name(arn), "PolicyArn": arn})).collect()
}

impl Entity {
    pub(super) fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn arn(&self) -> &str {
        self.text("Arn")
    }

    /// What lists show; in full with tags and boundary.
    pub(super) fn shown(&self, full: bool) -> Fields {
        let mut fields = self.fields.clone();
        if let Some(Value::String(document)) = fields.get_mut("AssumeRolePolicyDocument") {
            *document = encode(document);
        }
        if !full {
            return fields;
        }
        if !self.tags.is_empty() {
            fields.insert("Tags".to_owned(), tag_list(&self.tags));
        }
        if let Some(arn) = &self.boundary {
            let boundary = json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn});
            fields.insert("PermissionsBoundary".to_owned(), boundary);
        }
        fields
    }
}

/// A path begins and ends with a slash.
fn path(p: &Params, name: &str) -> Result<String, Fault> {
    let path = p.get(name).unwrap_or("/");
    if path.starts_with('/') && path.ends_with('/') {
        return Ok(path.to_owned());
    }
    Err(Fault::new(
        "ValidationError",
        format!("The specified value for {name} is invalid: it must begin and end with /"),
    ))
}

pub(super) fn arn(kind: Kind, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:{}{path}{name}", kind.in_arn())
}

impl Iam {
    /// Makes an entity from a request; `more` is what its kind has beside.
    pub(super) fn add(&mut self, kind: Kind, name: &str, p: &Params, more: Value) -> Result<Fields, Fault> {
        let known = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(known) {
            let message = format!("The specified value for {} is invalid: {name}", kind.field("Name"));
            return Err(Fault::new("ValidationError", message));
        }
        if self.all(kind).keys().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(taken(kind.name(), name));
        }
        let path = path(p, "Path")?;
        let mut fields = super::object(json!({
            "Path": path, kind.field("Name"): name, kind.field("Id"): new_id(kind.prefix()), "Arn": arn(kind, &path, name),
            "CreateDate": now(),
        }));
        fields.extend(super::object(more));
        fields.retain(|_, value| !value.is_null());
        let mut entity = Entity { fields, ..Entity::default() };
        tag(&mut entity.tags, p)?;
        if let Some(boundary) = p.get("PermissionsBoundary") {
            self.check_policy(boundary)?;
            entity.boundary = Some(boundary.to_owned());
        }
        let shown = entity.shown(true);
        self.all_mut(kind).insert(name.to_owned(), entity);
        Ok(shown)
    }

    /// An operation on entities of a kind, by its verb: `Attach…Policy` of `AttachRolePolicy`. `None`: there is no such operation here.
    pub(super) fn common(&mut self, verb: &str, kind: Kind, p: &Params) -> Option<Answer> {
        let policies = kind != Kind::InstanceProfile;
        let tags = kind != Kind::Group;
        let bounded = matches!(kind, Kind::Role | Kind::User);
        Some(match verb {
            "Attach…Policy" if policies => self.attach(kind, p, true),
            "Detach…Policy" if policies => self.attach(kind, p, false),
            "ListAttached…Policies" if policies => self.list_attached(kind, p),
            "Put…Policy" if policies => self.put_inline(kind, p),
            "Get…Policy" if policies => self.get_inline(kind, p),
            "Delete…Policy" if policies => self.delete_inline(kind, p),
            "List…Policies" if policies => self.list_inline(kind, p),
            "Put…PermissionsBoundary" if bounded => self.put_boundary(kind, p),
            "Delete…PermissionsBoundary" if bounded => self.delete_boundary(kind, p),
            "Tag…" if tags => self.change_tags(kind, p, true),
            "Untag…" if tags => self.change_tags(kind, p, false),
            "List…Tags" if tags => self.list_tags(kind, p),
            _ => return None,
        })
    }

    pub(super) fn named(&mut self, kind: Kind, p: &Params) -> Result<&mut Entity, Fault> {
        let name = p.required(&kind.field("Name"))?.to_owned();
        self.get_mut(kind, &name)
    }

    fn attach(&mut self, kind: Kind, p: &Params, on: bool) -> Answer {
        let arn = p.required("PolicyArn")?;
        self.named(kind, p)?;
        if on {
            self.check_policy(arn)?;
            let entity = self.named(kind, p)?;
            if !entity.attached.contains(arn) && entity.attached.len() >= 10 {
                let message = format!("Cannot exceed quota for PoliciesPer{}: 10", kind.name());
                return Err(super::over_limit(message));
            }
            entity.attached.insert(arn.to_owned());
        } else if !self.named(kind, p)?.attached.remove(arn) {
            return Err(super::fault(404, "NoSuchEntity", format!("Policy {arn} was not found.")));
        }
        done()
    }

    fn list_attached(&mut self, kind: Kind, p: &Params) -> Answer {
        page("AttachedPolicies", attached(&self.named(kind, p)?.attached), p)
    }

    fn put_inline(&mut self, kind: Kind, p: &Params) -> Answer {
        let (name, document) = (p.required("PolicyName")?, p.required("PolicyDocument")?);
        self.named(kind, p)?.inline.insert(name.to_owned(), document.to_owned());
        done()
    }

    fn get_inline(&mut self, kind: Kind, p: &Params) -> Answer {
        let policy = p.required("PolicyName")?;
        let holder = p.required(&kind.field("Name"))?;
        let document = self.named(kind, p)?.inline.get(policy).ok_or_else(|| missing("policy", policy))?;
        Ok(json!({kind.field("Name"): holder, "PolicyName": policy, "PolicyDocument": encode(document)}))
    }

    fn delete_inline(&mut self, kind: Kind, p: &Params) -> Answer {
        let policy = p.required("PolicyName")?;
        self.named(kind, p)?.inline.remove(policy).ok_or_else(|| missing("policy", policy))?;
        done()
    }

    fn list_inline(&mut self, kind: Kind, p: &Params) -> Answer {
        let names = self.named(kind, p)?.inline.keys().map(|name| json!(name)).collect();
        page("PolicyNames", names, p)
    }

    fn put_boundary(&mut self, kind: Kind, p: &Params) -> Answer {
        let arn = p.required("PermissionsBoundary")?;
        self.named(kind, p)?;
        self.check_policy(arn)?;
        self.named(kind, p)?.boundary = Some(arn.to_owned());
        done()
    }

    fn delete_boundary(&mut self, kind: Kind, p: &Params) -> Answer {
        let name = p.required(&kind.field("Name"))?;
        match self.named(kind, p)?.boundary.take() {
            Some(_) => done(),
            None => Err(super::fault(404, "NoSuchEntity", format!("{name} has no permissions boundary."))),
        }
    }

    fn change_tags(&mut self, kind: Kind, p: &Params, set: bool) -> Answer {
        let entity = self.named(kind, p)?;
        if set {
            tag(&mut entity.tags, p)?;
        } else {
            untag(&mut entity.tags, p);
        }
        done()
    }

    fn list_tags(&mut self, kind: Kind, p: &Params) -> Answer {
        let tags = tag_list(&self.named(kind, p)?.tags);
        page("Tags", tags.as_array().cloned().unwrap_or_default(), p)
    }

    /// The entities of a kind whose path begins as a request says.
    pub(super) fn list(&self, kind: Kind, list: &str, p: &Params) -> Answer {
        let prefix = p.get("PathPrefix").unwrap_or("/");
        let found = self.all(kind).values().filter(|entity| entity.text("Path").starts_with(prefix));
        let shown = |entity: &Entity| match kind {
            Kind::InstanceProfile => self.profile_shown(entity, false),
            _ => Value::Object(entity.shown(false)),
        };
        page(list, found.map(shown).collect(), p)
    }

    /// Refuses to delete what still has policies, users or roles.
    pub(super) fn check_free(&self, kind: Kind, name: &str) -> Result<(), Fault> {
        let entity = self.get(kind, name)?;
        if !entity.inline.is_empty() {
            return Err(conflict("Cannot delete entity, must delete policies first."));
        }
        if !entity.attached.is_empty() {
            return Err(conflict("Cannot delete entity, must detach all policies first."));
        }
        match (kind, entity.members.is_empty()) {
            (Kind::Group, false) => Err(conflict("Cannot delete entity, must remove users from group first.")),
            (Kind::InstanceProfile, false) => {
                Err(conflict("Cannot delete entity, must remove roles from instance profile first."))
            }
            _ => Ok(()),
        }
    }

    /// Gives an entity another path, another name, or both.
    pub(super) fn rename(&mut self, kind: Kind, p: &Params) -> Answer {
        let old = p.required(&kind.field("Name"))?.to_owned();
        self.get(kind, &old)?;
        let new = p.get(&format!("New{}", kind.field("Name"))).unwrap_or(&old).to_owned();
        if new != old && self.all(kind).keys().any(|other| *other != old && other.eq_ignore_ascii_case(&new)) {
            return Err(taken(kind.name(), &new));
        }
        let path = if p.has("NewPath") { Some(path(p, "NewPath")?) } else { None };
        let Some(mut entity) = self.all_mut(kind).remove(&old) else { return Err(missing(kind.name(), &old)) };
        let path = path.unwrap_or_else(|| entity.text("Path").to_owned());
        entity.fields.insert("Arn".to_owned(), json!(arn(kind, &path, &new)));
        entity.fields.insert("Path".to_owned(), json!(path));
        entity.fields.insert(kind.field("Name"), json!(new));
        self.all_mut(kind).insert(new.clone(), entity);
        if kind == Kind::User && new != old {
            for group in self.groups.values_mut().filter(|group| group.members.contains(&old)) {
                group.members.remove(&old);
                group.members.insert(new.clone());
            }
        }
        done()
    }

    /// An instance profile with its role.
    pub(super) fn profile_shown(&self, profile: &Entity, full: bool) -> Value {
        let roles = profile.members.iter().filter_map(|name| self.roles.get(name));
        let roles: Vec<Fields> = roles.map(|role| role.shown(false)).collect();
        let mut fields = profile.shown(full);
        fields.insert("Roles".to_owned(), json!(roles));
        Value::Object(fields)
    }

    /// The groups that a user is in.
    pub(super) fn groups_of(&self, user: &str) -> BTreeSet<&String> {
        sorted(self.groups.iter().filter(|(_, group)| group.members.contains(user)).map(|(name, _)| name))
    }
}
