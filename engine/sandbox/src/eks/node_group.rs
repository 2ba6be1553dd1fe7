//! Managed node groups. Their nodes are nowhere; an Auto Scaling group is named that nobody else knows.

use serde_json::{Value, json};

use super::cluster::merge;
use super::{Eks, Fault, Kind, Object, catalog, invalid, members, new_tags, text};
use crate::near::{Network, only, seconds};
use crate::service::Call;
use crate::shape::texts;

/// Refuses a number of nodes that does not lie between the bounds.
fn check_scaling(scaling: &Value) -> Result<(), Fault> {
    let of = |name: &str| scaling[name].as_i64().unwrap_or_default();
    let (min, max, desired) = (of("minSize"), of("maxSize"), of("desiredSize"));
    if min < 0 || max < 1 || min > desired || desired > max {
        let message = format!(
            "Minimum capacity {min}, desired capacity {desired} and maximum capacity {max} must be in this order"
        );
        return Err(invalid(message));
    }
    Ok(())
}

/// How many nodes may be away at once is said as a number or as a percentage, not as both.
fn update_config(ask: &Value) -> Result<Value, Fault> {
    let mut config = members(ask.clone());
    match (config.contains_key("maxUnavailable"), config.contains_key("maxUnavailablePercentage")) {
        (true, true) => {
            return Err(invalid("maxUnavailable and maxUnavailablePercentage can't both be said in updateConfig"));
        }
        (false, false) => drop(config.insert("maxUnavailable".to_owned(), json!(1))),
        _ => {}
    }
    config.entry("updateStrategy").or_insert_with(|| json!("DEFAULT"));
    Ok(Value::Object(config))
}

fn taint_name(taint: &Value) -> (Value, Value) {
    (taint["key"].clone(), taint["effect"].clone())
}

impl Eks {
    pub(super) fn create_node_group(
        &mut self,
        call: &Call,
        network: &Network,
        cluster: &str,
        ask: &Value,
    ) -> Result<Value, Fault> {
        let known = [
            "amiType",
            "capacityType",
            "clientRequestToken",
            "diskSize",
            "instanceTypes",
            "labels",
            "launchTemplate",
            "nodeRepairConfig",
            "nodeRole",
            "nodegroupName",
            "releaseVersion",
            "remoteAccess",
            "scalingConfig",
            "subnets",
            "tags",
            "taints",
            "updateConfig",
            "version",
            "warmPoolConfig",
        ];
        only(ask, "eks:CreateNodegroup", &known)?;
        let there = self.object(Kind::Cluster, cluster, "")?;
        let (name, role) = (text(ask, "nodegroupName")?, text(ask, "nodeRole")?);
        let place = (Kind::NodeGroup, cluster, name);
        let taken = || format!("NodeGroup already exists with name {name} and cluster name {cluster}");
        if let Some(made) = self.made_before(place, ask, "nodegroup", taken)? {
            return Ok(made);
        }
        self.subnets_of(network, call, cluster, &texts(&ask["subnets"]))?;
        let version = ask["version"].as_str().unwrap_or(there.text("version")).to_owned();
        check_node_version(there, &version)?;
        let mut scaling = json!({"minSize": 1, "maxSize": 2, "desiredSize": 2});
        merge(&mut scaling, &ask["scalingConfig"]);
        if ask["scalingConfig"]["desiredSize"].is_null() && !ask["scalingConfig"].is_null() {
            // Within the bounds.
            let of = |name: &str| scaling[name].as_i64().unwrap_or_default();
            scaling["desiredSize"] = json!(of("desiredSize").min(of("maxSize")).max(of("minSize")));
        }
        check_scaling(&scaling)?;
        let update = update_config(&ask["updateConfig"])?;
        let template = Self::template(network, call, &ask["launchTemplate"])?;
        let (template, image) = template.map_or((Value::Null, None), |(template, image)| (template, image));
        for own in ["remoteAccess", "diskSize"] {
            if !template.is_null() && !ask[own].is_null() {
                return Err(invalid(format!("{own} can't be said beside a launch template")));
            }
        }
        if image.is_some() && !(ask["version"].is_null() && ask["releaseVersion"].is_null() && ask["amiType"].is_null())
        {
            return Err(invalid(
                "You cannot specify an amiType, a version or a release version when your launch template names an image",
            ));
        }
        let id = uuid::Uuid::new_v4();
        let mut resources = json!({"autoScalingGroups": [{"name": format!("eks-{name}-{id}")}]});
        if !ask["remoteAccess"].is_null() {
            // EKS makes one that lets SSH in; nobody refers to it.
            resources["remoteAccessSecurityGroup"] = json!(format!("sg-{}", &id.simple().to_string()[..17]));
        }
        let plain = |value: Value| if template.is_null() { value } else { Value::Null };
        let ami = ask["amiType"].as_str().unwrap_or(if image.is_some() { "CUSTOM" } else { "AL2023_x86_64_STANDARD" });
        let release = image.or_else(|| ask["releaseVersion"].as_str().map(str::to_owned));
        let mut fields = json!({
            "nodegroupName": name, "clusterName": cluster, "nodegroupArn": call.arn("eks", &format!("nodegroup/{cluster}/{name}/{id}")),
            "version": version, "releaseVersion": release.unwrap_or_else(|| catalog::release(&version)), "createdAt": seconds(),
            "modifiedAt": seconds(), "status": "ACTIVE", "capacityType": "ON_DEMAND", "scalingConfig": scaling,
            "instanceTypes": plain(json!(["t3.medium"])), "subnets": ask["subnets"], "remoteAccess": ask["remoteAccess"], "amiType": ami,
            "nodeRole": role, "labels": {}, "resources": resources, "diskSize": plain(json!(20)), "health": {"issues": []},
            "updateConfig": update, "nodeRepairConfig": {"enabled": false}, "launchTemplate": template, "tags": new_tags(ask)?,
        });
        let kept =
            ["capacityType", "instanceTypes", "labels", "taints", "diskSize", "nodeRepairConfig", "warmPoolConfig"];
        for name in kept {
            if !ask[name].is_null() {
                fields[name] = ask[name].clone();
            }
        }
        let answer = self.add(place, ask, fields, "nodegroup");
        self.let_nodes_in(call, cluster, role, "EC2_LINUX")?;
        Ok(answer)
    }

    /// A launch template as EKS tells it, with the image that it names.
    fn template(network: &Network, call: &Call, ask: &Value) -> Result<Option<(Value, Option<String>)>, Fault> {
        if ask.is_null() {
            return Ok(None);
        }
        let by = (ask["id"].as_str(), ask["name"].as_str());
        let version = ask["version"].as_str().unwrap_or("$Default");
        let found = network.launch_template(&call.region, by, version).map_err(|fault| match fault.status {
            501 => fault,
            _ => invalid(fault.message),
        })?;
        Ok(Some((json!({"id": found.id, "name": found.name, "version": found.version}), found.image)))
    }

    pub(super) fn update_node_group(&mut self, cluster: &str, name: &str, ask: &Value) -> Result<Value, Fault> {
        let known = [
            "clientRequestToken",
            "labels",
            "nodeRepairConfig",
            "scalingConfig",
            "taints",
            "updateConfig",
            "warmPoolConfig",
        ];
        only(ask, "eks:UpdateNodegroupConfig", &known)?;
        let there = self.object_mut(Kind::NodeGroup, cluster, name)?;
        let labels = &ask["labels"];
        let mut now = members(there.get("labels").clone());
        now.extend(members(labels["addOrUpdateLabels"].clone()));
        texts(&labels["removeLabels"]).iter().for_each(|label| drop(now.remove(label)));
        there.set("labels", Value::Object(now));

        let taints = |list: &Value| list.as_array().cloned().unwrap_or_default();
        let (new, gone) = (taints(&ask["taints"]["addOrUpdateTaints"]), taints(&ask["taints"]["removeTaints"]));
        let mut now = taints(there.get("taints"));
        now.retain(|taint| !new.iter().chain(&gone).any(|other| taint_name(other) == taint_name(taint)));
        now.extend(new);
        there.set("taints", Some(now).filter(|now| !now.is_empty()).map_or(Value::Null, Value::Array));

        there.merge("scalingConfig", &ask["scalingConfig"]);
        check_scaling(there.get("scalingConfig"))?;
        if !ask["updateConfig"].is_null() {
            there.set("updateConfig", update_config(&ask["updateConfig"])?);
        }
        for name in ["nodeRepairConfig", "warmPoolConfig"] {
            there.merge(name, &ask[name]);
        }
        there.is_changed();
        Ok(self.updated(cluster, ("nodegroup", Some(name)), "ConfigUpdate", ask))
    }

    pub(super) fn update_node_group_version(
        &mut self,
        call: &Call,
        network: &Network,
        (cluster, name): (&str, &str),
        ask: &Value,
    ) -> Result<Value, Fault> {
        let known = ["clientRequestToken", "force", "launchTemplate", "releaseVersion", "version"];
        only(ask, "eks:UpdateNodegroupVersion", &known)?;
        let of = self.object(Kind::Cluster, cluster, "")?;
        let there = self.object(Kind::NodeGroup, cluster, name)?;
        let template = Self::template(network, call, &ask["launchTemplate"])?;
        if template.is_some() && there.get("launchTemplate").is_null() {
            return Err(invalid("A node group without a launch template can't get one"));
        }
        // Without any of them it becomes the cluster's version; with a template alone it keeps its own.
        let kept = if template.is_some() { there } else { of };
        let version = ask["version"].as_str().unwrap_or(kept.text("version")).to_owned();
        check_node_version(of, &version)?;
        let same = version == there.text("version");
        let release = match (ask["releaseVersion"].as_str(), &template) {
            (_, Some((_, Some(image)))) => image.clone(),
            (Some(release), _) => release.to_owned(),
            (None, Some(_)) if same => there.text("releaseVersion").to_owned(),
            (None, _) => catalog::release(&version),
        };
        let there = self.object_mut(Kind::NodeGroup, cluster, name)?;
        there.set("version", json!(version));
        there.set("releaseVersion", json!(release));
        if let Some((template, _)) = template {
            there.set("launchTemplate", template);
        }
        there.is_changed();
        Ok(self.updated(cluster, ("nodegroup", Some(name)), "VersionUpdate", ask))
    }
}

/// Nodes are never newer than their cluster.
fn check_node_version(cluster: &Object, version: &str) -> Result<(), Fault> {
    catalog::check_version(version)?;
    let now = cluster.text("version");
    if catalog::steps(now, version).is_some_and(|steps| steps > 0) {
        return Err(invalid(format!(
            "Requested Nodegroup version {version} is greater than the cluster's version {now}"
        )));
    }
    Ok(())
}
