//! Add-ons.

use serde_json::{Value, json};

use super::{Eks, Fault, Kind, catalog, invalid, new_tags, text};
use crate::near::{only, seconds};
use crate::service::Call;
use crate::shape::texts;

impl Eks {
    pub(super) fn create_addon(&mut self, call: &Call, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        let known = [
            "addonName",
            "addonVersion",
            "clientRequestToken",
            "configurationValues",
            "namespaceConfig",
            "podIdentityAssociations",
            "resolveConflicts",
            "serviceAccountRoleArn",
            "tags",
        ];
        only(ask, "eks:CreateAddon", &known)?;
        let kubernetes = self.object(Kind::Cluster, cluster, "")?.text("version").to_owned();
        let name = text(ask, "addonName")?;
        let place = (Kind::Addon, cluster, name);
        let taken = || format!("Addon already exists: {name} in cluster {cluster}");
        if let Some(made) = self.made_before(place, ask, "addon", taken)? {
            return Ok(made);
        }
        let newest = catalog::addon_version(name, &kubernetes);
        let newest = newest.ok_or_else(|| {
            invalid(format!("Addon {name} specified is not supported in {kubernetes} kubernetes version"))
        })?;
        let version = ask["addonVersion"].as_str().unwrap_or(&newest);
        check_version(version)?;
        check_values(&ask["configurationValues"])?;
        let tags = new_tags(ask)?;
        let arn = call.arn("eks", &format!("addon/{cluster}/{name}/{}", uuid::Uuid::new_v4()));
        let mut namespace = json!({"namespace": catalog::addon_namespace(name)});
        super::cluster::merge(&mut namespace, &ask["namespaceConfig"]);
        let mut fields = json!({
            "addonName": name, "clusterName": cluster, "status": "ACTIVE", "addonVersion": version, "health": {"issues": []},
            "addonArn": arn, "createdAt": seconds(), "modifiedAt": seconds(), "serviceAccountRoleArn": ask["serviceAccountRoleArn"],
            "configurationValues": ask["configurationValues"], "namespaceConfig": namespace, "tags": tags, "publisher": "eks",
            "owner": "aws",
        });
        let pods = self.give_addon_pods(call, cluster, &arn, &namespace, &ask["podIdentityAssociations"])?;
        fields["podIdentityAssociations"] = pods;
        Ok(self.add(place, ask, fields, "addon"))
    }

    pub(super) fn update_addon(&mut self, call: &Call, cluster: &str, name: &str, ask: &Value) -> Result<Value, Fault> {
        let known = [
            "addonVersion",
            "clientRequestToken",
            "configurationValues",
            "podIdentityAssociations",
            "resolveConflicts",
            "serviceAccountRoleArn",
        ];
        only(ask, "eks:UpdateAddon", &known)?;
        let mut there = self.object(Kind::Addon, cluster, name)?.clone();
        if let Some(version) = ask["addonVersion"].as_str() {
            check_version(version)?;
            there.set("addonVersion", json!(version));
        }
        check_values(&ask["configurationValues"])?;
        if !ask["configurationValues"].is_null() {
            there.set("configurationValues", ask["configurationValues"].clone());
        }
        // A role that is left out is taken away.
        there.set("serviceAccountRoleArn", ask["serviceAccountRoleArn"].clone());
        if !ask["podIdentityAssociations"].is_null() {
            self.take_addon_pods(cluster, there.get("podIdentityAssociations"));
            let (arn, namespace) = (there.text("addonArn").to_owned(), there.get("namespaceConfig").clone());
            let pods = self.give_addon_pods(call, cluster, &arn, &namespace, &ask["podIdentityAssociations"])?;
            there.set("podIdentityAssociations", pods);
        }
        there.is_changed();
        self.objects.insert(Kind::Addon.key(cluster, name), there);
        Ok(self.updated(cluster, ("addon", Some(name)), "AddonUpdate", ask))
    }

    pub(super) fn delete_addon(&mut self, cluster: &str, name: &str) -> Result<Value, Fault> {
        let pods = self.object(Kind::Addon, cluster, name)?.get("podIdentityAssociations").clone();
        self.take_addon_pods(cluster, &pods);
        self.take((Kind::Addon, cluster, name), "addon")
    }

    /// Makes the associations of an add-on's pods, which it holds. Returns their ARNs.
    fn give_addon_pods(
        &mut self,
        call: &Call,
        cluster: &str,
        owner: &str,
        namespace: &Value,
        wanted: &Value,
    ) -> Result<Value, Fault> {
        let mut arns = Vec::new();
        for pod in wanted.as_array().into_iter().flatten() {
            let ask = json!({
                "namespace": namespace["namespace"], "serviceAccount": pod["serviceAccount"], "roleArn": pod["roleArn"],
            });
            let made = self.associate_pods(call, cluster, &ask, Some(owner))?;
            arns.push(made["association"]["associationArn"].clone());
        }
        Ok(if arns.is_empty() { Value::Null } else { json!(arns) })
    }

    fn take_addon_pods(&mut self, cluster: &str, arns: &Value) {
        for arn in texts(arns) {
            let id = arn.rsplit('/').next().unwrap_or_default();
            self.objects.remove(&Kind::PodIdentity.key(cluster, id));
        }
    }
}

fn check_version(version: &str) -> Result<(), Fault> {
    match catalog::is_addon_version(version) {
        true => Ok(()),
        false => Err(invalid(format!("Addon version specified is not supported: {version}"))),
    }
}

/// Values in JSON must be it; in YAML, anything may be.
fn check_values(values: &Value) -> Result<(), Fault> {
    let json = values.as_str().filter(|text| text.trim_start().starts_with('{'));
    match json.map(serde_json::from_str::<Value>) {
        Some(Err(error)) => Err(invalid(format!("ConfigurationValue provided in request is not valid JSON: {error}"))),
        _ => Ok(()),
    }
}
