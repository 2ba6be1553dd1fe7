//! Which operation is which, and those that are about one kind of entity alone.

use serde_json::{Value, json};

use super::provider::linked_name;
use super::{Answer, Iam, Kind, conflict, done, fault, missing, new_id, now, over_limit, page, taken};
use crate::ACCOUNT_ID;
use crate::wire::{Fault, Params};

/// The path of roles that belong to a service of AWS's.
const LINKED: &str = "/aws-service-role/";
/// Services whose roles may have a suffix.
const SUFFIXED: &[&str] = &["autoscaling.amazonaws.com", "connect.amazonaws.com", "lexv2.amazonaws.com"];

impl Iam {
    pub(super) fn answer(&mut self, action: &str, p: &Params) -> Answer {
        match action {
            "CreateUser" => Ok(json!({"User": self.add(Kind::User, p.required("UserName")?, p, json!({}))?})),
            "GetUser" => self.get_user(p),
            "ListUsers" => self.list(Kind::User, "Users", p),
            "UpdateUser" => self.rename(Kind::User, p),
            "DeleteUser" => self.delete_user(p),
            "ListGroupsForUser" => self.list_groups_for_user(p),
            "CreateAccessKey" => self.create_access_key(p),
            "ListAccessKeys" => self.list_access_keys(p),
            "UpdateAccessKey" => self.update_access_key(p),
            "DeleteAccessKey" => self.delete_access_key(p),
            // Nobody logs in here.
            "GetLoginProfile" => {
                let name = p.required("UserName")?;
                self.get(Kind::User, name)?;
                Err(fault(404, "NoSuchEntity", format!("Login Profile for User {name} cannot be found.")))
            }
            "ListMFADevices" => page("MFADevices", Vec::new(), p),

            "CreateGroup" => Ok(json!({"Group": self.add(Kind::Group, p.required("GroupName")?, p, json!({}))?})),
            "GetGroup" => self.get_group(p),
            "ListGroups" => self.list(Kind::Group, "Groups", p),
            "UpdateGroup" => self.rename(Kind::Group, p),
            "DeleteGroup" => self.delete(Kind::Group, p),
            "AddUserToGroup" => self.set_member(p, true),
            "RemoveUserFromGroup" => self.set_member(p, false),

            "CreateRole" => self.create_role(p),
            "GetRole" => Ok(json!({"Role": self.named(Kind::Role, p)?.shown(true)})),
            "ListRoles" => self.list(Kind::Role, "Roles", p),
            "UpdateRole" | "UpdateRoleDescription" => self.update_role(action, p),
            "UpdateAssumeRolePolicy" => {
                let document = json!(p.required("PolicyDocument")?);
                self.named(Kind::Role, p)?.fields.insert("AssumeRolePolicyDocument".to_owned(), document);
                done()
            }
            "DeleteRole" => self.delete_role(p),
            "CreateServiceLinkedRole" => self.create_service_linked_role(p),
            "DeleteServiceLinkedRole" => self.delete_service_linked_role(p),
            "GetServiceLinkedRoleDeletionStatus" => {
                p.required("DeletionTaskId")?;
                Ok(json!({"Status": "SUCCEEDED"}))
            }

            "CreateInstanceProfile" => {
                let name = p.required("InstanceProfileName")?;
                self.add(Kind::InstanceProfile, name, p, json!({}))?;
                Ok(json!({"InstanceProfile": self.profile_shown(self.get(Kind::InstanceProfile, name)?, true)}))
            }
            "GetInstanceProfile" => {
                let profile = self.get(Kind::InstanceProfile, p.required("InstanceProfileName")?)?;
                Ok(json!({"InstanceProfile": self.profile_shown(profile, true)}))
            }
            "ListInstanceProfiles" => self.list(Kind::InstanceProfile, "InstanceProfiles", p),
            "ListInstanceProfilesForRole" => self.list_profiles_for_role(p),
            "DeleteInstanceProfile" => self.delete(Kind::InstanceProfile, p),
            "AddRoleToInstanceProfile" => self.add_role(p),
            "RemoveRoleFromInstanceProfile" => {
                let role = p.required("RoleName")?;
                let profile = self.named(Kind::InstanceProfile, p)?;
                if profile.members.remove(role) { done() } else { Err(missing("role", role)) }
            }

            "UpdateAccountPasswordPolicy" => self.update_password_policy(p),
            "GetAccountPasswordPolicy" => match &self.password_policy {
                Some(policy) => Ok(json!({"PasswordPolicy": policy})),
                None => Err(no_password_policy()),
            },
            "DeleteAccountPasswordPolicy" => self.password_policy.take().map_or(Err(no_password_policy()), |_| done()),
            "ListAccountAliases" => page("AccountAliases", Vec::new(), p),
            "GetAccountAuthorizationDetails" => self.authorization_details(p),
            _ => self
                .policy_call(action, p)
                .or_else(|| self.provider_call(action, p))
                .unwrap_or_else(|| self.by_kind(action, p)),
        }
    }

    /// The operations that are the same for several kinds.
    fn by_kind(&mut self, action: &str, p: &Params) -> Answer {
        for kind in Kind::ALL {
            let Some((before, after)) = action.split_once(kind.name()) else { continue };
            if let Some(answer) = self.common(&format!("{before}…{after}"), kind, p) {
                return answer;
            }
        }
        Err(Fault::not_implemented(&format!("iam:{action}")))
    }

    /// Without a name it is the caller, who is nobody in particular.
    fn get_user(&mut self, p: &Params) -> Answer {
        if !p.has("UserName") {
            let arn = format!("arn:aws:iam::{ACCOUNT_ID}:user/sandbox");
            let user = json!({
                "Path": "/", "UserName": "sandbox", "UserId": "AIDASANDBOX", "Arn": arn, "CreateDate": "2026-01-01T00:00:00Z",
            });
            return Ok(json!({"User": user}));
        }
        Ok(json!({"User": self.named(Kind::User, p)?.shown(true)}))
    }

    fn delete(&mut self, kind: Kind, p: &Params) -> Answer {
        let name = p.required(&kind.field("Name"))?;
        self.check_free(kind, name)?;
        self.all_mut(kind).remove(name);
        done()
    }

    fn delete_user(&mut self, p: &Params) -> Answer {
        let name = p.required("UserName")?;
        self.check_free(Kind::User, name)?;
        if !self.groups_of(name).is_empty() {
            return Err(conflict("Cannot delete entity, must remove users from group first."));
        }
        if self.access_keys.values().any(|key| key.get("UserName") == Some(&json!(name))) {
            return Err(conflict("Cannot delete entity, must delete access keys first."));
        }
        self.users.remove(name);
        done()
    }

    fn list_groups_for_user(&self, p: &Params) -> Answer {
        let name = p.required("UserName")?;
        self.get(Kind::User, name)?;
        let groups = self.groups_of(name).into_iter().filter_map(|group| self.groups.get(group));
        page("Groups", groups.map(|group| Value::Object(group.shown(false))).collect(), p)
    }

    fn get_group(&self, p: &Params) -> Answer {
        let group = self.get(Kind::Group, p.required("GroupName")?)?;
        let users = group.members.iter().filter_map(|name| self.users.get(name));
        let mut answer = page("Users", users.map(|user| Value::Object(user.shown(false))).collect(), p)?;
        answer["Group"] = Value::Object(group.shown(true));
        Ok(answer)
    }

    fn set_member(&mut self, p: &Params, on: bool) -> Answer {
        let user = p.required("UserName")?;
        self.get(Kind::User, user)?;
        let members = &mut self.named(Kind::Group, p)?.members;
        if on {
            members.insert(user.to_owned());
        } else if !members.remove(user) {
            return Err(missing("user", user));
        }
        done()
    }

    fn create_access_key(&mut self, p: &Params) -> Answer {
        let user = p.required("UserName")?;
        self.get(Kind::User, user)?;
        if self.access_keys.values().filter(|key| key.get("UserName") == Some(&json!(user))).count() >= 2 {
            return Err(over_limit("Cannot exceed quota for AccessKeysPerUser: 2"));
        }
        let id = new_id("AKIA")[..20].to_owned();
        let mut key =
            super::object(json!({"UserName": user, "AccessKeyId": id, "Status": "Active", "CreateDate": now()}));
        self.access_keys.insert(id, key.clone());
        // It opens nothing: the sandbox looks at no signature.
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), &uuid::Uuid::new_v4().simple().to_string()[..8]);
        key.insert("SecretAccessKey".to_owned(), json!(secret));
        Ok(json!({"AccessKey": key}))
    }

    fn list_access_keys(&self, p: &Params) -> Answer {
        let user = p.required("UserName")?;
        self.get(Kind::User, user)?;
        let mine = self.access_keys.values().filter(|key| key.get("UserName") == Some(&json!(user)));
        page("AccessKeyMetadata", mine.map(|key| Value::Object(key.clone())).collect(), p)
    }

    fn update_access_key(&mut self, p: &Params) -> Answer {
        let (id, status) = (p.required("AccessKeyId")?, p.required("Status")?);
        let key = self.access_keys.get_mut(id).ok_or_else(|| missing("Access Key", id))?;
        key.insert("Status".to_owned(), json!(status));
        done()
    }

    fn delete_access_key(&mut self, p: &Params) -> Answer {
        let id = p.required("AccessKeyId")?;
        self.access_keys.remove(id).ok_or_else(|| missing("Access Key", id))?;
        done()
    }

    fn create_role(&mut self, p: &Params) -> Answer {
        let seconds = session(p)?.unwrap_or(3600);
        let more = json!({
            "AssumeRolePolicyDocument": p.required("AssumeRolePolicyDocument")?, "Description": described(p),
            "MaxSessionDuration": seconds,
        });
        if p.get("Path").is_some_and(|path| path.starts_with(LINKED)) {
            return Err(Fault::new("ValidationError", format!("The path {LINKED} is for roles of AWS's services")));
        }
        Ok(json!({"Role": self.add(Kind::Role, p.required("RoleName")?, p, more)?}))
    }

    fn update_role(&mut self, action: &str, p: &Params) -> Answer {
        let seconds = session(p)?;
        let role = self.named(Kind::Role, p)?;
        if let Some(seconds) = seconds {
            role.fields.insert("MaxSessionDuration".to_owned(), json!(seconds));
        }
        if p.has("Description") {
            match described(p) {
                Some(text) => role.fields.insert("Description".to_owned(), json!(text)),
                None => role.fields.remove("Description"),
            };
        }
        if action == "UpdateRoleDescription" { Ok(json!({"Role": role.shown(true)})) } else { done() }
    }

    fn delete_role(&mut self, p: &Params) -> Answer {
        let name = p.required("RoleName")?;
        if self.get(Kind::Role, name)?.text("Path").starts_with(LINKED) {
            let message = format!(
                "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            );
            return Err(Fault::new("UnmodifiableEntity", message));
        }
        self.check_free(Kind::Role, name)?;
        if self.instance_profiles.values().any(|profile| profile.members.contains(name)) {
            return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
        }
        self.roles.remove(name);
        done()
    }

    fn create_service_linked_role(&mut self, p: &Params) -> Answer {
        let service = p.required("AWSServiceName")?;
        if !service.ends_with(".amazonaws.com") {
            return Err(fault(404, "NoSuchEntity", format!("The service {service} has no service-linked role.")));
        }
        let mut name = linked_name(service);
        if let Some(suffix) = p.get("CustomSuffix") {
            if !SUFFIXED.contains(&service) {
                return Err(Fault::new("InvalidInput", format!("Custom suffix is not allowed for {service}")));
            }
            name = format!("{name}_{suffix}");
        }
        if self.roles.contains_key(&name) {
            let message =
                format!("Service role name {name} has been taken in this account, please try a different suffix.");
            return Err(Fault::new("InvalidInput", message));
        }
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Action": ["sts:AssumeRole"], "Principal": {"Service": [service]}, "Effect": "Allow"},
        ]});
        let more = json!({
            "AssumeRolePolicyDocument": trust.to_string(), "Description": described(p), "MaxSessionDuration": 3600,
        });
        let mut own = Params::default();
        own.set("Path", &format!("{LINKED}{service}/"));
        Ok(json!({"Role": self.add(Kind::Role, &name, &own, more)?}))
    }

    /// The deletion is a task, which is done at once.
    fn delete_service_linked_role(&mut self, p: &Params) -> Answer {
        let name = p.required("RoleName")?;
        let path = self.get(Kind::Role, name)?.text("Path").to_owned();
        let Some(service) = path.strip_prefix(LINKED) else {
            return Err(Fault::new("InvalidInput", format!("{name} is not a service-linked role")));
        };
        let task = format!("task{LINKED}{service}{name}/{}", uuid::Uuid::new_v4());
        self.roles.remove(name);
        Ok(json!({"DeletionTaskId": task}))
    }

    fn list_profiles_for_role(&self, p: &Params) -> Answer {
        let role = p.required("RoleName")?;
        self.get(Kind::Role, role)?;
        let mine = self.instance_profiles.values().filter(|profile| profile.members.contains(role));
        page("InstanceProfiles", mine.map(|profile| self.profile_shown(profile, false)).collect(), p)
    }

    fn add_role(&mut self, p: &Params) -> Answer {
        let role = p.required("RoleName")?;
        self.get(Kind::Role, role)?;
        let profile = self.named(Kind::InstanceProfile, p)?;
        if profile.members.contains(role) {
            return Err(taken("Role", role));
        }
        if !profile.members.is_empty() {
            return Err(over_limit("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
        }
        profile.members.insert(role.to_owned());
        done()
    }

    fn update_password_policy(&mut self, p: &Params) -> Answer {
        let flag = |name: &str| p.flag(name).unwrap_or(false);
        let age = p.number("MaxPasswordAge")?;
        let policy = json!({
            "MinimumPasswordLength": p.number("MinimumPasswordLength")?.unwrap_or(6), "RequireSymbols": flag("RequireSymbols"),
            "RequireNumbers": flag("RequireNumbers"), "RequireUppercaseCharacters": flag("RequireUppercaseCharacters"),
            "RequireLowercaseCharacters": flag("RequireLowercaseCharacters"),
            "AllowUsersToChangePassword": flag("AllowUsersToChangePassword"), "ExpirePasswords": age.is_some_and(|age| age > 0),
            "MaxPasswordAge": age, "PasswordReusePrevention": p.number("PasswordReusePrevention")?, "HardExpiry": p.flag("HardExpiry"),
        });
        self.password_policy = Some(super::object(policy));
        done()
    }
}

fn no_password_policy() -> Fault {
    fault(404, "NoSuchEntity", format!("The Password Policy with domain name {ACCOUNT_ID} cannot be found."))
}

fn described(p: &Params) -> Option<&str> {
    p.get("Description").filter(|text| !text.is_empty())
}

fn session(p: &Params) -> Result<Option<i64>, Fault> {
    match p.number("MaxSessionDuration")? {
        Some(seconds) if !(3600..=43200).contains(&seconds) => {
            let message = format!(
                "Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: between 3600 and 43200"
            );
            Err(Fault::new("ValidationError", message))
        }
        seconds => Ok(seconds),
    }
}
