//! Managed policies and their versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Answer, Fields, Iam, Kind, conflict, done, fault, new_id, now, object, over_limit, page, tag, tag_list, taken,
    untag,
};
use crate::ACCOUNT_ID;
use crate::service::Tags;
use crate::wire::{Fault, Params, encode};

/// Any name under this is taken for a policy of AWS's: the list of them changes every week.
const AWS_MANAGED: &str = "arn:aws:iam::aws:policy/";
/// A policy has so many versions at most.
const VERSIONS: usize = 5;

/// A managed policy of the account's own.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Policy {
    fields: Fields,
    #[serde(default)]
    pub(super) tags: Tags,
    /// Documents and times by number.
    versions: BTreeMap<u32, (String, String)>,
    default: u32,
    /// The number of the next version: none comes twice.
    next: u32,
}

impl Policy {
    fn version_shown(&self, number: u32, with_document: bool) -> Option<Value> {
        let (document, time) = self.versions.get(&number)?;
        let document = with_document.then(|| encode(document));
        Some(json!({
            "VersionId": format!("v{number}"), "IsDefaultVersion": number == self.default, "CreateDate": time, "Document": document,
        }))
    }
}

fn missing(arn: &str) -> Fault {
    fault(404, "NoSuchEntity", format!("Policy {arn} does not exist or is not attachable."))
}

/// A policy of AWS's, which lets nothing happen here: nobody looks at it.
fn of_aws(arn: &str) -> Option<Policy> {
    let (path, name) = arn.strip_prefix(AWS_MANAGED).map(|rest| rest.rsplit_once('/').unwrap_or(("", rest)))?;
    if name.is_empty() {
        return None;
    }
    let path = if path.is_empty() { "/".to_owned() } else { format!("/{path}/") };
    let created = "2015-02-06T18:39:46Z";
    let fields = object(json!({
        "PolicyName": name, "PolicyId": format!("ANPA{}", &digest(arn)[..17]), "Arn": arn, "Path": path,
        "IsAttachable": true, "CreateDate": created, "UpdateDate": created,
    }));
    let document = r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned();
    Some(Policy {
        fields,
        versions: [(1, (document, created.to_owned()))].into(),
        default: 1,
        next: 2,
        ..Policy::default()
    })
}

fn digest(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(text)).to_uppercase()
}

impl Iam {
    /// A policy of the account's or of AWS's.
    fn policy(&self, arn: &str) -> Result<Policy, Fault> {
        self.policies.get(arn).cloned().or_else(|| of_aws(arn)).ok_or_else(|| missing(arn))
    }

    pub(super) fn check_policy(&self, arn: &str) -> Result<(), Fault> {
        self.policy(arn).map(drop)
    }

    fn own_policy(&mut self, p: &Params) -> Result<&mut Policy, Fault> {
        let arn = p.required("PolicyArn")?;
        if arn.starts_with(AWS_MANAGED) {
            return Err(fault(403, "AccessDenied", format!("{arn} is a policy of AWS's, which nobody can change")));
        }
        self.policies.get_mut(arn).ok_or_else(|| missing(arn))
    }

    /// A policy with how often it is used.
    fn policy_shown(&self, arn: &str, policy: &Policy, full: bool) -> Value {
        let attached = self.entities().filter(|(_, _, entity)| entity.attached.contains(arn)).count();
        let bounding = self.entities().filter(|(_, _, entity)| entity.boundary.as_deref() == Some(arn)).count();
        let mut fields = policy.fields.clone();
        fields.insert("DefaultVersionId".to_owned(), json!(format!("v{}", policy.default)));
        fields.insert("AttachmentCount".to_owned(), json!(attached));
        fields.insert("PermissionsBoundaryUsageCount".to_owned(), json!(bounding));
        if full && !policy.tags.is_empty() {
            fields.insert("Tags".to_owned(), tag_list(&policy.tags));
        } else if !full {
            fields.remove("Description");
        }
        Value::Object(fields)
    }

    /// Policies as GetAccountAuthorizationDetails tells them: the account's own, and those of AWS's that are in use.
    pub(super) fn policy_details(&self, own: bool, of_aws_too: bool) -> Vec<Value> {
        let mut used: Vec<String> =
            self.entities().flat_map(|(_, _, entity)| entity.attached.iter().cloned()).collect();
        used.retain(|arn| of_aws_too && arn.starts_with(AWS_MANAGED));
        used.sort();
        used.dedup();
        let theirs = used.into_iter().filter_map(|arn| Some((arn.clone(), of_aws(&arn)?)));
        let mine = self.policies.iter().filter(|_| own).map(|(arn, policy)| (arn.clone(), policy.clone()));
        let details = |(arn, policy): (String, Policy)| {
            let mut shown = self.policy_shown(&arn, &policy, false);
            let versions = policy.versions.keys().rev().filter_map(|number| policy.version_shown(*number, true));
            shown["PolicyVersionList"] = versions.collect();
            shown
        };
        mine.chain(theirs).map(details).collect()
    }

    /// The operations on managed policies. `None`: it is none of them.
    pub(super) fn policy_call(&mut self, action: &str, p: &Params) -> Option<Answer> {
        Some(match action {
            "CreatePolicy" => self.create_policy(p),
            "GetPolicy" => self.get_policy(p),
            "ListPolicies" => self.list_policies(p),
            "DeletePolicy" => self.delete_policy(p),
            "CreatePolicyVersion" => self.create_policy_version(p),
            "GetPolicyVersion" => self.get_policy_version(p),
            "ListPolicyVersions" => self.list_policy_versions(p),
            "SetDefaultPolicyVersion" => self.set_default_version(p),
            "DeletePolicyVersion" => self.delete_policy_version(p),
            "ListEntitiesForPolicy" => self.list_entities(p),
            "TagPolicy" => self.own_policy(p).and_then(|policy| tag(&mut policy.tags, p)).and_then(|()| done()),
            "UntagPolicy" => self.own_policy(p).map(|policy| untag(&mut policy.tags, p)).and_then(|()| done()),
            "ListPolicyTags" => {
                let tags =
                    p.required("PolicyArn").and_then(|arn| self.policy(arn)).map(|policy| tag_list(&policy.tags));
                tags.and_then(|tags| page("Tags", tags.as_array().cloned().unwrap_or_default(), p))
            }
            _ => return None,
        })
    }

    fn create_policy(&mut self, p: &Params) -> Answer {
        let (name, document) = (p.required("PolicyName")?, p.required("PolicyDocument")?);
        let path = p.get("Path").unwrap_or("/");
        if !(path.starts_with('/') && path.ends_with('/')) {
            return Err(Fault::new(
                "ValidationError",
                "The specified value for path is invalid: it must begin and end with /",
            ));
        }
        let same = |policy: &Policy| {
            policy.fields.get("PolicyName").and_then(Value::as_str).is_some_and(|n| n.eq_ignore_ascii_case(name))
        };
        if self.policies.values().any(same) {
            return Err(taken("A policy", name));
        }
        let arn = format!("arn:aws:iam::{ACCOUNT_ID}:policy{path}{name}");
        let mut fields = object(json!({
            "PolicyName": name, "PolicyId": new_id("ANPA"), "Arn": arn, "Path": path, "IsAttachable": true, "CreateDate": now(),
            "UpdateDate": now(), "Description": p.get("Description").filter(|text| !text.is_empty()),
        }));
        fields.retain(|_, value| !value.is_null());
        let versions = [(1, (document.to_owned(), now()))].into();
        let mut policy = Policy { fields, versions, default: 1, next: 2, ..Policy::default() };
        tag(&mut policy.tags, p)?;
        let shown = self.policy_shown(&arn, &policy, true);
        self.policies.insert(arn, policy);
        Ok(json!({"Policy": shown}))
    }

    fn get_policy(&self, p: &Params) -> Answer {
        let arn = p.required("PolicyArn")?;
        Ok(json!({"Policy": self.policy_shown(arn, &self.policy(arn)?, true)}))
    }

    fn list_policies(&self, p: &Params) -> Answer {
        let scope = p.get("Scope").unwrap_or("All");
        let prefix = p.get("PathPrefix").unwrap_or("/");
        let mut all = self.policy_details(scope != "AWS", scope != "Local");
        all.retain(|policy| policy["Path"].as_str().is_some_and(|path| path.starts_with(prefix)));
        all.retain(|policy| p.flag("OnlyAttached") != Some(true) || policy["AttachmentCount"] != json!(0));
        all.iter_mut().filter_map(Value::as_object_mut).for_each(|policy| drop(policy.remove("PolicyVersionList")));
        page("Policies", all, p)
    }

    fn delete_policy(&mut self, p: &Params) -> Answer {
        let arn = p.required("PolicyArn")?;
        let versions = self.own_policy(p)?.versions.len();
        if self
            .entities()
            .any(|(_, _, entity)| entity.attached.contains(arn) || entity.boundary.as_deref() == Some(arn))
        {
            return Err(conflict("Cannot delete a policy attached to entities."));
        }
        if versions > 1 {
            return Err(conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions.",
            ));
        }
        self.policies.remove(arn);
        done()
    }

    fn create_policy_version(&mut self, p: &Params) -> Answer {
        let document = p.required("PolicyDocument")?.to_owned();
        let policy = self.own_policy(p)?;
        if policy.versions.len() >= VERSIONS {
            return Err(over_limit(
                "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
            ));
        }
        let number = policy.next;
        policy.next += 1;
        policy.versions.insert(number, (document, now()));
        if p.flag("SetAsDefault") == Some(true) {
            policy.default = number;
        }
        policy.fields.insert("UpdateDate".to_owned(), json!(now()));
        Ok(json!({"PolicyVersion": policy.version_shown(number, false)}))
    }

    fn get_policy_version(&self, p: &Params) -> Answer {
        let policy = self.policy(p.required("PolicyArn")?)?;
        Ok(json!({"PolicyVersion": policy.version_shown(version(&policy, p)?, true)}))
    }

    fn list_policy_versions(&self, p: &Params) -> Answer {
        let policy = self.policy(p.required("PolicyArn")?)?;
        let all = policy.versions.keys().rev().filter_map(|number| policy.version_shown(*number, false));
        page("Versions", all.collect(), p)
    }

    fn set_default_version(&mut self, p: &Params) -> Answer {
        let policy = self.own_policy(p)?;
        policy.default = version(policy, p)?;
        done()
    }

    fn delete_policy_version(&mut self, p: &Params) -> Answer {
        let policy = self.own_policy(p)?;
        let number = version(policy, p)?;
        if number == policy.default {
            return Err(conflict("Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number);
        done()
    }

    fn list_entities(&self, p: &Params) -> Answer {
        let arn = p.required("PolicyArn")?;
        self.check_policy(arn)?;
        let boundary = p.get("PolicyUsageFilter") == Some("PermissionsBoundary");
        let uses = |entity: &super::entity::Entity| {
            if boundary { entity.boundary.as_deref() == Some(arn) } else { entity.attached.contains(arn) }
        };
        let mut answer = json!({"IsTruncated": false});
        for (kind, list) in [(Kind::Role, "PolicyRoles"), (Kind::User, "PolicyUsers"), (Kind::Group, "PolicyGroups")] {
            let users = self.all(kind).iter().filter(|(_, entity)| uses(entity));
            let shown = users.map(
                |(name, entity)| json!({kind.field("Name"): name, kind.field("Id"): entity.text(&kind.field("Id"))}),
            );
            answer[list] = shown.collect();
        }
        Ok(answer)
    }
}

/// The version that a request names, if the policy has it.
fn version(policy: &Policy, p: &Params) -> Result<u32, Fault> {
    let id = p.required("VersionId")?;
    let number = id.strip_prefix('v').and_then(|n| n.parse().ok()).filter(|n| policy.versions.contains_key(n));
    number.ok_or_else(|| fault(404, "NoSuchEntity", format!("Policy version {id} does not exist.")))
}
