//! EKS, by phx itself: winterbaume 0.2 has no add-on versions, access entries or pod identities, and loses half of a cluster's settings.
//!
//! An object is kept as the answer that EKS gives about it. Everything is active at once; a change is in progress in its own answer and over
//! when it is asked after. A cluster's security group is EC2's, in the VPC of its subnets, which must exist. There is no Kubernetes: the endpoint
//! answers nobody, and nodes are instances of nowhere. Outposts, insights, capabilities and EKS Anywhere do not exist. A subnet that a cluster
//! is in can be deleted, since EC2 does not know of the cluster's interfaces in it.

mod access;
mod addon;
mod catalog;
mod cluster;
mod fargate;
mod node_group;
mod provider;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use winterbaume_core::MockResponse;

use super::near::{Neighbour, Network, seconds};
use super::service::{Call, Tags};
use super::shape::{fault, json_answer, limit, members, page, rest_json_refusal, tag_map, unknown};
use super::wire::Fault;

type Fields = Map<String, Value>;

/// EKS in a region.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Eks {
    /// By kind, cluster and name: [`Kind::key`].
    objects: BTreeMap<String, Object>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Object {
    /// As EKS describes it, tags and all.
    fields: Fields,
    /// What EKS does not tell: the token that it was made with.
    #[serde(default)]
    token: String,
    /// The access policies of an access entry, by their ARNs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    policies: BTreeMap<String, Value>,
}

/// What belongs to a cluster, and the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cluster,
    NodeGroup,
    Addon,
    Access,
    PodIdentity,
    Fargate,
    Provider,
    Update,
}

impl Kind {
    fn prefix(self, cluster: &str) -> String {
        let kind = match self {
            Self::Cluster => return "cluster/".to_owned(),
            Self::NodeGroup => "nodegroup",
            Self::Addon => "addon",
            Self::Access => "access-entry",
            Self::PodIdentity => "podidentityassociation",
            Self::Fargate => "fargateprofile",
            Self::Provider => "identityproviderconfig",
            Self::Update => "update",
        };
        format!("{kind}/{cluster}/")
    }

    /// A cluster has no slash in its name.
    fn key(self, cluster: &str, name: &str) -> String {
        match self {
            Self::Cluster => format!("cluster/{cluster}"),
            _ => format!("{}{name}", self.prefix(cluster)),
        }
    }

    fn missing(self, cluster: &str, name: &str) -> Fault {
        let message = match self {
            Self::Cluster => format!("No cluster found for name: {cluster}."),
            Self::NodeGroup => format!("No node group found for name: {name}."),
            Self::Addon => format!("No addon: {name} found in cluster: {cluster}"),
            Self::Access => format!("The specified principalArn {name} could not be found in cluster: {cluster}"),
            Self::PodIdentity => format!("The association {name} could not be found in cluster: {cluster}"),
            Self::Fargate => format!("No Fargate Profile found with name: {name}."),
            Self::Provider => format!("Identity provider config {name} is not associated with cluster {cluster}"),
            Self::Update => format!("No update found for ID: {name}"),
        };
        fault(404, "ResourceNotFoundException", message)
    }
}

/// A refusal of what was said.
fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", message)
}

/// A refusal because of what there is.
fn not_now(message: impl Into<String>) -> Fault {
    Fault::new("InvalidRequestException", message)
}

/// A name that is taken, or an object that something still uses.
fn in_use(message: impl Into<String>) -> Fault {
    fault(409, "ResourceInUseException", message)
}

/// A text that must be there.
fn text<'a>(ask: &'a Value, name: &str) -> Result<&'a str, Fault> {
    ask[name].as_str().filter(|text| !text.is_empty()).ok_or_else(|| invalid(format!("{name} must be said")))
}

impl Neighbour for Eks {
    type Others = Network;

    fn call(&mut self, call: &Call, network: &Network) -> Result<MockResponse, Fault> {
        let path = call.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let ask = call.json()?;
        let answer = match (call.method.as_str(), path.as_slice()) {
            ("POST", ["clusters"]) => self.create_cluster(call, network, &ask),
            ("GET", ["clusters"]) => self.list(call, Kind::Cluster, "", "clusters"),
            ("GET", ["clusters", cluster]) => self.shown(Kind::Cluster, cluster, "", "cluster"),
            ("DELETE", ["clusters", cluster]) => self.delete_cluster(call, network, cluster),
            ("POST", ["clusters", cluster, "update-config"]) => self.update_cluster(call, network, cluster, &ask),
            ("POST", ["clusters", cluster, "updates"]) => self.update_cluster_version(cluster, &ask),
            ("POST", ["clusters", cluster, "encryption-config", "associate"]) => self.encrypt(cluster, &ask),
            ("GET", ["clusters", cluster, "updates"]) => self.list_updates(call, cluster),
            ("GET", ["clusters", cluster, "updates", id]) => self.shown(Kind::Update, cluster, id, "update"),
            ("GET", ["cluster-versions"]) => self.describe_versions(call),
            ("POST", ["clusters", cluster, "node-groups"]) => self.create_node_group(call, network, cluster, &ask),
            ("GET", ["clusters", cluster, "node-groups"]) => self.list(call, Kind::NodeGroup, cluster, "nodegroups"),
            ("GET", ["clusters", cluster, "node-groups", name]) => {
                self.shown(Kind::NodeGroup, cluster, name, "nodegroup")
            }
            ("DELETE", ["clusters", cluster, "node-groups", name]) => {
                self.take((Kind::NodeGroup, cluster, name), "nodegroup")
            }
            ("POST", ["clusters", cluster, "node-groups", name, "update-config"]) => {
                self.update_node_group(cluster, name, &ask)
            }
            ("POST", ["clusters", cluster, "node-groups", name, "update-version"]) => {
                self.update_node_group_version(call, network, (cluster, name), &ask)
            }
            ("POST", ["clusters", cluster, "addons"]) => self.create_addon(call, cluster, &ask),
            ("GET", ["clusters", cluster, "addons"]) => self.list(call, Kind::Addon, cluster, "addons"),
            ("GET", ["clusters", cluster, "addons", name]) => self.shown(Kind::Addon, cluster, name, "addon"),
            ("DELETE", ["clusters", cluster, "addons", name]) => self.delete_addon(cluster, name),
            ("POST", ["clusters", cluster, "addons", name, "update"]) => self.update_addon(call, cluster, name, &ask),
            ("GET", ["addons", "supported-versions"]) => self.describe_addon_versions(call),
            ("POST", ["clusters", cluster, "access-entries"]) => self.create_access_entry(call, cluster, &ask),
            ("GET", ["clusters", cluster, "access-entries"]) => self.list(call, Kind::Access, cluster, "accessEntries"),
            ("GET", ["clusters", cluster, "access-entries", principal]) => {
                self.shown(Kind::Access, cluster, principal, "accessEntry")
            }
            ("POST", ["clusters", cluster, "access-entries", principal]) => {
                self.update_access_entry(cluster, principal, &ask)
            }
            ("DELETE", ["clusters", cluster, "access-entries", principal]) => {
                self.object(Kind::Access, cluster, principal)?;
                self.objects.remove(&Kind::Access.key(cluster, principal));
                Ok(json!({}))
            }
            ("POST", ["clusters", cluster, "access-entries", principal, "access-policies"]) => {
                self.associate_policy(cluster, principal, &ask)
            }
            ("GET", ["clusters", cluster, "access-entries", principal, "access-policies"]) => {
                self.list_policies(call, cluster, principal)
            }
            ("DELETE", ["clusters", cluster, "access-entries", principal, "access-policies", policy]) => {
                self.disassociate_policy(cluster, principal, policy)
            }
            ("POST", ["clusters", cluster, "pod-identity-associations"]) => {
                self.create_pod_identity(call, cluster, &ask)
            }
            ("GET", ["clusters", cluster, "pod-identity-associations"]) => self.list_pod_identities(call, cluster),
            ("GET", ["clusters", cluster, "pod-identity-associations", id]) => {
                self.shown(Kind::PodIdentity, cluster, id, "association")
            }
            ("POST", ["clusters", cluster, "pod-identity-associations", id]) => {
                self.update_pod_identity(call, cluster, id, &ask)
            }
            ("DELETE", ["clusters", cluster, "pod-identity-associations", id]) => self.delete_pod_identity(cluster, id),
            ("POST", ["clusters", cluster, "fargate-profiles"]) => {
                self.create_fargate_profile(call, network, cluster, &ask)
            }
            ("GET", ["clusters", cluster, "fargate-profiles"]) => {
                self.list(call, Kind::Fargate, cluster, "fargateProfileNames")
            }
            ("GET", ["clusters", cluster, "fargate-profiles", name]) => {
                self.shown(Kind::Fargate, cluster, name, "fargateProfile")
            }
            ("DELETE", ["clusters", cluster, "fargate-profiles", name]) => {
                self.take((Kind::Fargate, cluster, name), "fargateProfile")
            }
            ("POST", ["clusters", cluster, "identity-provider-configs", "associate"]) => {
                self.associate_provider(call, cluster, &ask)
            }
            ("POST", ["clusters", cluster, "identity-provider-configs", "describe"]) => {
                self.describe_provider(cluster, &ask)
            }
            ("POST", ["clusters", cluster, "identity-provider-configs", "disassociate"]) => {
                self.disassociate_provider(cluster, &ask)
            }
            ("GET", ["clusters", cluster, "identity-provider-configs"]) => self.list_providers(call, cluster),
            ("GET", ["tags", arn]) => self.tagged_one(arn).map(|object| json!({"tags": object.fields.get("tags")})),
            ("POST", ["tags", arn]) => self.change_tags(arn, |tags| {
                let new = tag_map(&ask["tags"]);
                tags.extend(new.into_iter().map(|(key, value)| (key, json!(value))));
            }),
            ("DELETE", ["tags", arn]) => {
                let keys = call.queries("tagKeys");
                self.change_tags(arn, |tags| keys.iter().for_each(|key| drop(tags.remove(key))))
            }
            _ => unknown("eks", call),
        }?;
        Ok(json_answer(answer))
    }

    fn refusal(fault: &Fault) -> MockResponse {
        rest_json_refusal(fault)
    }

    fn tagged(&self) -> Vec<(String, Tags)> {
        let tags = |object: &Object| {
            let tags = tag_map(object.fields.get("tags").unwrap_or(&Value::Null));
            Some((object.arn()?.to_owned(), tags)).filter(|(_, tags)| !tags.is_empty())
        };
        self.objects.values().filter_map(tags).collect()
    }
}

impl Object {
    /// The ARN, whatever EKS calls it.
    fn arn(&self) -> Option<&str> {
        let names = [
            "arn",
            "nodegroupArn",
            "addonArn",
            "accessEntryArn",
            "associationArn",
            "fargateProfileArn",
            "identityProviderConfigArn",
        ];
        names.iter().find_map(|name| self.fields.get(*name)?.as_str())
    }

    fn get(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: Value) {
        if value.is_null() {
            self.fields.remove(name);
        } else {
            self.fields.insert(name.to_owned(), value);
        }
    }

    /// Puts what is said of a part into what there is.
    fn merge(&mut self, name: &str, new: &Value) {
        let mut part = self.get(name).clone();
        cluster::merge(&mut part, new);
        self.set(name, part);
    }

    /// Whether this very request made it.
    fn is_of(&self, ask: &Value) -> bool {
        !self.token.is_empty() && ask["clientRequestToken"] == self.token.as_str()
    }

    fn is_changed(&mut self) {
        self.set("modifiedAt", json!(seconds()));
    }
}

impl Eks {
    /// An object of a cluster that is there, too.
    fn object(&self, kind: Kind, cluster: &str, name: &str) -> Result<&Object, Fault> {
        if !self.objects.contains_key(&Kind::Cluster.key(cluster, "")) {
            return Err(Kind::Cluster.missing(cluster, ""));
        }
        self.objects.get(&kind.key(cluster, name)).ok_or_else(|| kind.missing(cluster, name))
    }

    fn object_mut(&mut self, kind: Kind, cluster: &str, name: &str) -> Result<&mut Object, Fault> {
        self.object(kind, cluster, name)?;
        self.objects.get_mut(&kind.key(cluster, name)).ok_or_else(|| kind.missing(cluster, name))
    }

    /// The objects of a kind in a cluster, with their names.
    fn of<'s>(&'s self, kind: Kind, cluster: &str) -> impl Iterator<Item = (&'s str, &'s Object)> {
        let prefix = kind.prefix(cluster);
        let from = self.objects.range(prefix.clone()..);
        from.map_while(move |(key, object)| Some((key.strip_prefix(prefix.as_str())?, object)))
    }

    /// Keeps a new object and shows it under this name. The same request once more gets the object that the first one made.
    fn add(&mut self, (kind, cluster, name): (Kind, &str, &str), ask: &Value, fields: Value, shown: &str) -> Value {
        let token = ask["clientRequestToken"].as_str().unwrap_or_default().to_owned();
        let mut fields = members(fields);
        fields.retain(|_, value| !value.is_null());
        let answer = json!({shown: fields});
        self.objects.insert(kind.key(cluster, name), Object { fields, token, policies: BTreeMap::new() });
        answer
    }

    /// The object that the very same request made before; or a refusal, if another one has its name.
    fn made_before(
        &self,
        (kind, cluster, name): (Kind, &str, &str),
        ask: &Value,
        shown: &str,
        taken: impl FnOnce() -> String,
    ) -> Result<Option<Value>, Fault> {
        match self.objects.get(&kind.key(cluster, name)) {
            None => Ok(None),
            Some(there) if there.is_of(ask) => Ok(Some(json!({shown: there.fields}))),
            Some(_) => Err(in_use(taken())),
        }
    }

    /// Takes an object away, and shows it as it goes.
    fn take(&mut self, (kind, cluster, name): (Kind, &str, &str), shown: &str) -> Result<Value, Fault> {
        let mut fields = self.object(kind, cluster, name)?.fields.clone();
        self.objects.remove(&kind.key(cluster, name));
        fields.insert("status".to_owned(), json!("DELETING"));
        Ok(json!({shown: fields}))
    }

    fn shown(&self, kind: Kind, cluster: &str, name: &str, shown: &str) -> Result<Value, Fault> {
        Ok(json!({shown: self.object(kind, cluster, name)?.fields}))
    }

    /// A list of names.
    fn list(&self, call: &Call, kind: Kind, cluster: &str, shown: &str) -> Result<Value, Fault> {
        if kind != Kind::Cluster {
            self.object(Kind::Cluster, cluster, "")?;
        }
        let names = self.of(kind, cluster).map(|(name, _)| json!(name)).collect();
        self.paged(call, names, shown)
    }

    fn paged(&self, call: &Call, all: Vec<Value>, shown: &str) -> Result<Value, Fault> {
        let token = call.query("nextToken");
        let (all, next) = page(all, token.as_deref(), limit(&json!(call.query("maxResults")), 100))?;
        Ok(json!({shown: all, "nextToken": next}))
    }

    /// Notes a change. It is in progress in its own answer, and successful from then on.
    fn updated(&mut self, cluster: &str, of: (&str, Option<&str>), kind: &str, ask: &Value) -> Value {
        let id = uuid::Uuid::new_v4().to_string();
        let params = ask.as_object().into_iter().flatten().filter(|(name, _)| name.as_str() != "clientRequestToken");
        let params: Vec<Value> =
            params.map(|(name, value)| json!({"type": param(name), "value": value.to_string()})).collect();
        let update = json!({
            "id": id, "status": "Successful", "type": kind, "params": params, "createdAt": seconds(), "errors": [],
        });
        let mut answer = json!({"update": update});
        let mut object = Object { fields: members(update), ..Object::default() };
        if let (of, Some(name)) = of {
            // What it was about, for the list; no update tells it.
            object.token = format!("{of} {name}");
        }
        self.objects.insert(Kind::Update.key(cluster, &id), object);
        answer["update"]["status"] = json!("InProgress");
        answer
    }

    fn list_updates(&self, call: &Call, cluster: &str) -> Result<Value, Fault> {
        self.object(Kind::Cluster, cluster, "")?;
        let wanted = match (call.query("nodegroupName"), call.query("addonName")) {
            (Some(name), _) => format!("nodegroup {name}"),
            (None, Some(name)) => format!("addon {name}"),
            (None, None) => String::new(),
        };
        let ids = self.of(Kind::Update, cluster).filter(|(_, update)| update.token == wanted);
        self.paged(call, ids.map(|(id, _)| json!(id)).collect(), "updateIds")
    }

    fn tagged_one(&self, arn: &str) -> Result<&Object, Fault> {
        let found = self.objects.values().find(|object| object.arn() == Some(arn));
        found.ok_or_else(|| fault(404, "NotFoundException", format!("No resource found for ARN: {arn}")))
    }

    fn change_tags(&mut self, arn: &str, change: impl FnOnce(&mut Fields)) -> Result<Value, Fault> {
        self.tagged_one(arn)?;
        if let Some(object) = self.objects.values_mut().find(|object| object.arn() == Some(arn)) {
            let mut tags = members(object.get("tags").clone());
            change(&mut tags);
            object.set("tags", Value::Object(tags));
        }
        Ok(json!({}))
    }
}

/// The type of an update's parameter: `nodeRepairConfig` → `NodeRepairConfig`.
fn param(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// The tags of a request, as EKS shows them.
fn new_tags(ask: &Value) -> Result<Value, Fault> {
    let tags = tag_map(&ask["tags"]);
    match tags.keys().find(|key| key.starts_with("aws:")) {
        Some(key) => Err(invalid(format!("The tag {key} begins with aws:, which is AWS's"))),
        None => Ok(json!(tags)),
    }
}
