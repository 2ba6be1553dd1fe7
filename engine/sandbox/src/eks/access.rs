//! Who may do what in a cluster: access entries with their policies, and the roles of pods.

use serde_json::{Value, json};

use super::{Eks, Fault, Kind, fault, in_use, invalid, new_tags, not_now, text};
use crate::ACCOUNT_ID;
use crate::near::{only, seconds};
use crate::service::Call;
use crate::shape::texts;

/// EKS's own policies.
const POLICIES: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKS";
/// The kind of entry that says itself who its principal is in Kubernetes.
const STANDARD: &str = "STANDARD";
const TYPES: [&str; 8] =
    [STANDARD, "EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX", "CAPABILITY"];

/// Account, kind and name of a role's or user's ARN.
fn principal(arn: &str) -> Result<(&str, &str, &str), Fault> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let told = match parts.as_slice() {
        ["arn", _, "iam", _, account, rest] => rest.split_once('/').map(|(kind, path)| (*account, kind, path)),
        _ => None,
    };
    let told = told.map(|(account, kind, path)| (account, kind, path.rsplit('/').next().unwrap_or_default()));
    told.filter(|(_, kind, _)| ["role", "user"].contains(kind))
        .ok_or_else(|| invalid(format!("The principalArn parameter format is not valid: {arn}")))
}

impl Eks {
    pub(super) fn create_access_entry(&mut self, call: &Call, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        let known = ["clientRequestToken", "kubernetesGroups", "principalArn", "tags", "type", "username"];
        only(ask, "eks:CreateAccessEntry", &known)?;
        self.check_entries(cluster)?;
        let arn = text(ask, "principalArn")?;
        let place = (Kind::Access, cluster, arn);
        let taken = || "The specified access entry resource is already in use on this cluster.".to_owned();
        if let Some(made) = self.made_before(place, ask, "accessEntry", taken)? {
            return Ok(made);
        }
        let (account, of, name) = principal(arn)?;
        let kind = ask["type"].as_str().unwrap_or(STANDARD);
        if !TYPES.contains(&kind) {
            return Err(invalid(format!("The type parameter is not valid: {kind}")));
        }
        let said = |name: &str| !ask[name].is_null();
        let (groups, username) = match (kind, of) {
            (STANDARD, "role") => {
                (json!([]), format!("arn:aws:sts::{account}:assumed-role/{name}/{{{{SessionName}}}}"))
            }
            (STANDARD, _) => (json!([]), arn.to_owned()),
            _ if said("kubernetesGroups") || said("username") => {
                return Err(invalid(format!(
                    "An entry of the type {kind} has neither groups nor a username of its own"
                )));
            }
            ("FARGATE_LINUX", _) => (
                json!(["system:bootstrappers", "system:nodes", "system:node-proxier"]),
                "system:node:{{SessionName}}".to_owned(),
            ),
            _ => (json!(["system:nodes"]), "system:node:{{EC2PrivateDNSName}}".to_owned()),
        };
        let id = uuid::Uuid::new_v4();
        let fields = json!({
            "clusterName": cluster, "principalArn": arn, "username": ask["username"].as_str().unwrap_or(&username), "type": kind,
            "kubernetesGroups": if said("kubernetesGroups") { ask["kubernetesGroups"].clone() } else { groups },
            "accessEntryArn": call.arn("eks", &format!("access-entry/{cluster}/{of}/{account}/{name}/{id}")),
            "createdAt": seconds(), "modifiedAt": seconds(), "tags": new_tags(ask)?,
        });
        Ok(self.add(place, ask, fields, "accessEntry"))
    }

    /// Makes the one who makes a cluster its administrator.
    pub(super) fn give_creator_access(&mut self, call: &Call, cluster: &str, creator: &str) -> Result<(), Fault> {
        let scope = json!({"policyArn": format!("{POLICIES}ClusterAdminPolicy"), "accessScope": {"type": "cluster"}});
        self.create_access_entry(call, cluster, &json!({"principalArn": creator}))?;
        self.associate_policy(cluster, creator, &scope).map(drop)
    }

    /// The nodes of a managed group or on Fargate may join: where entries say who may, their role gets one.
    pub(super) fn let_nodes_in(&mut self, call: &Call, cluster: &str, role: &str, kind: &str) -> Result<(), Fault> {
        if self.check_entries(cluster).is_err() || self.object(Kind::Access, cluster, role).is_ok() {
            return Ok(());
        }
        self.create_access_entry(call, cluster, &json!({"principalArn": role, "type": kind})).map(drop)
    }

    pub(super) fn update_access_entry(&mut self, cluster: &str, arn: &str, ask: &Value) -> Result<Value, Fault> {
        only(ask, "eks:UpdateAccessEntry", &["clientRequestToken", "kubernetesGroups", "username"])?;
        self.check_entries(cluster)?;
        let entry = self.object_mut(Kind::Access, cluster, arn)?;
        if entry.text("type") != STANDARD {
            return Err(not_now(format!("An entry of the type {} cannot be changed", entry.text("type"))));
        }
        for name in ["kubernetesGroups", "username"] {
            if !ask[name].is_null() {
                entry.set(name, ask[name].clone());
            }
        }
        entry.is_changed();
        Ok(json!({"accessEntry": entry.fields}))
    }

    pub(super) fn associate_policy(&mut self, cluster: &str, arn: &str, ask: &Value) -> Result<Value, Fault> {
        only(ask, "eks:AssociateAccessPolicy", &["accessScope", "policyArn"])?;
        let policy = text(ask, "policyArn")?;
        if !policy.starts_with(POLICIES) {
            return Err(invalid(format!("The policyArn parameter format is not valid: {policy}")));
        }
        let scope = &ask["accessScope"];
        let namespaces = texts(&scope["namespaces"]);
        match scope["type"].as_str() {
            Some("cluster") if namespaces.is_empty() => {}
            Some("namespace") if !namespaces.is_empty() => {}
            _ => return Err(invalid("An access scope is the cluster, or a namespace with names of namespaces")),
        }
        let entry = self.object_mut(Kind::Access, cluster, arn)?;
        if entry.text("type") != STANDARD {
            return Err(not_now(format!("An entry of the type {} takes no policies", entry.text("type"))));
        }
        let made = entry.policies.get(policy).map_or_else(|| json!(seconds()), |there| there["associatedAt"].clone());
        let associated = json!({
            "policyArn": policy, "accessScope": {"type": scope["type"], "namespaces": namespaces}, "associatedAt": made,
            "modifiedAt": seconds(),
        });
        entry.policies.insert(policy.to_owned(), associated.clone());
        Ok(json!({"clusterName": cluster, "principalArn": arn, "associatedAccessPolicy": associated}))
    }

    pub(super) fn list_policies(&self, call: &Call, cluster: &str, arn: &str) -> Result<Value, Fault> {
        let entry = self.object(Kind::Access, cluster, arn)?;
        let mut answer = self.paged(call, entry.policies.values().cloned().collect(), "associatedAccessPolicies")?;
        answer["clusterName"] = json!(cluster);
        answer["principalArn"] = json!(arn);
        Ok(answer)
    }

    pub(super) fn disassociate_policy(&mut self, cluster: &str, arn: &str, policy: &str) -> Result<Value, Fault> {
        let entry = self.object_mut(Kind::Access, cluster, arn)?;
        match entry.policies.remove(policy) {
            Some(_) => Ok(json!({})),
            None => {
                let message = format!("The policy {policy} is not associated with {arn}");
                Err(fault(404, "ResourceNotFoundException", message))
            }
        }
    }

    pub(super) fn create_pod_identity(&mut self, call: &Call, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        let known = [
            "clientRequestToken",
            "disableSessionTags",
            "namespace",
            "policy",
            "roleArn",
            "serviceAccount",
            "tags",
            "targetRoleArn",
        ];
        only(ask, "eks:CreatePodIdentityAssociation", &known)?;
        self.associate_pods(call, cluster, ask, None)
    }

    /// Gives a role to the pods of a service account; `owner` is the add-on that holds it.
    pub(super) fn associate_pods(
        &mut self,
        call: &Call,
        cluster: &str,
        ask: &Value,
        owner: Option<&str>,
    ) -> Result<Value, Fault> {
        self.object(Kind::Cluster, cluster, "")?;
        let (namespace, account) = (text(ask, "namespace")?, text(ask, "serviceAccount")?);
        let role = text(ask, "roleArn")?;
        let same =
            |object: &super::Object| object.text("namespace") == namespace && object.text("serviceAccount") == account;
        if let Some((_, there)) = self.of(Kind::PodIdentity, cluster).find(|(_, there)| same(there)) {
            if there.is_of(ask) {
                return Ok(json!({"association": there.fields}));
            }
            return Err(in_use(format!("Association already exists: {}", there.text("associationId"))));
        }
        let id = format!("a-{}", &uuid::Uuid::new_v4().simple().to_string()[..17]);
        let fields = json!({
            "clusterName": cluster, "namespace": namespace, "serviceAccount": account, "roleArn": role, "associationId": id,
            "associationArn": call.arn("eks", &format!("podidentityassociation/{cluster}/{id}")), "tags": new_tags(ask)?,
            "createdAt": seconds(), "modifiedAt": seconds(), "ownerArn": owner,
            "disableSessionTags": ask["disableSessionTags"].as_bool().unwrap_or(false), "targetRoleArn": ask["targetRoleArn"],
            "policy": ask["policy"], "externalId": external_id(&call.region, cluster, &id, &ask["targetRoleArn"]),
        });
        Ok(self.add((Kind::PodIdentity, cluster, &id), ask, fields, "association"))
    }

    pub(super) fn list_pod_identities(&self, call: &Call, cluster: &str) -> Result<Value, Fault> {
        self.object(Kind::Cluster, cluster, "")?;
        let (namespace, account) = (call.query("namespace"), call.query("serviceAccount"));
        let is = |wanted: &Option<String>, there: &str| wanted.as_deref().is_none_or(|wanted| wanted == there);
        let all = self.of(Kind::PodIdentity, cluster).map(|(_, object)| object);
        let chosen =
            all.filter(|one| is(&namespace, one.text("namespace")) && is(&account, one.text("serviceAccount")));
        let names = ["clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn"];
        let shown = chosen.map(|one| names.iter().map(|name| ((*name).to_owned(), one.get(name).clone())).collect());
        self.paged(call, shown.collect(), "associations")
    }

    pub(super) fn update_pod_identity(
        &mut self,
        call: &Call,
        cluster: &str,
        id: &str,
        ask: &Value,
    ) -> Result<Value, Fault> {
        let known = ["clientRequestToken", "disableSessionTags", "policy", "roleArn", "targetRoleArn"];
        only(ask, "eks:UpdatePodIdentityAssociation", &known)?;
        let there = self.object_mut(Kind::PodIdentity, cluster, id)?;
        // An empty text takes a target role or a policy away.
        for name in ["roleArn", "disableSessionTags", "targetRoleArn", "policy"] {
            match &ask[name] {
                Value::Null => {}
                Value::String(text) if text.is_empty() => there.set(name, Value::Null),
                new => there.set(name, new.clone()),
            }
        }
        let external = external_id(&call.region, cluster, id, there.get("targetRoleArn"));
        there.set("externalId", external);
        there.is_changed();
        Ok(json!({"association": there.fields}))
    }

    pub(super) fn delete_pod_identity(&mut self, cluster: &str, id: &str) -> Result<Value, Fault> {
        let shown = self.object(Kind::PodIdentity, cluster, id)?.fields.clone();
        self.objects.remove(&Kind::PodIdentity.key(cluster, id));
        Ok(json!({"association": shown}))
    }
}

/// What a target role's trust policy can ask for; where there is no target role, there is none.
fn external_id(region: &str, cluster: &str, id: &str, target: &Value) -> Value {
    match target {
        Value::Null => Value::Null,
        _ => json!(format!("{region}/{ACCOUNT_ID}/{cluster}/{id}")),
    }
}
