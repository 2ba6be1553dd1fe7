//! GetAccountAuthorizationDetails: everything at once, in pages.

use serde_json::{Value, json};

use super::entity::{Entity, attached};
use super::{Answer, Iam, Kind, cut};
use crate::wire::{Params, encode};

/// An entity's inline policies.
fn inline(entity: &Entity) -> Value {
    let policies = entity.inline.iter();
    policies.map(|(name, document)| json!({"PolicyName": name, "PolicyDocument": encode(document)})).collect()
}

impl Iam {
    fn detail(&self, kind: Kind, name: &str, entity: &Entity) -> Value {
        let mut fields = entity.shown(true);
        fields.insert("AttachedManagedPolicies".to_owned(), Value::Array(attached(&entity.attached)));
        match kind {
            Kind::User => {
                fields.insert("UserPolicyList".to_owned(), inline(entity));
                fields.insert("GroupList".to_owned(), json!(self.groups_of(name)));
            }
            Kind::Group => drop(fields.insert("GroupPolicyList".to_owned(), inline(entity))),
            Kind::Role => {
                // These two are told by GetRole alone.
                fields.remove("Description");
                fields.remove("MaxSessionDuration");
                fields.insert("RolePolicyList".to_owned(), inline(entity));
                let profiles = self.instance_profiles.values().filter(|profile| profile.members.contains(name));
                let profiles: Vec<Value> = profiles.map(|profile| self.profile_shown(profile, false)).collect();
                fields.insert("InstanceProfileList".to_owned(), json!(profiles));
            }
            Kind::InstanceProfile => {}
        }
        Value::Object(fields)
    }

    pub(super) fn authorization_details(&self, p: &Params) -> Answer {
        let filter = p.list("Filter.member");
        let wanted = |kind: &str| filter.is_empty() || filter.contains(&kind);
        let mut all: Vec<(&str, Value)> = Vec::new();
        for (kind, name, list) in [
            (Kind::User, "User", "UserDetailList"),
            (Kind::Group, "Group", "GroupDetailList"),
            (Kind::Role, "Role", "RoleDetailList"),
        ] {
            if wanted(name) {
                all.extend(self.all(kind).iter().map(|(name, entity)| (list, self.detail(kind, name, entity))));
            }
        }
        let policies = self.policy_details(wanted("LocalManagedPolicy"), wanted("AWSManagedPolicy"));
        all.extend(policies.into_iter().map(|policy| ("Policies", policy)));
        let (page, marker) = cut(all, p)?;
        let mut answer = json!({
            "UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": [], "IsTruncated": marker.is_some(),
            "Marker": marker,
        });
        for (list, item) in page {
            if let Some(list) = answer[list].as_array_mut() {
                list.push(item);
            }
        }
        Ok(answer)
    }
}
