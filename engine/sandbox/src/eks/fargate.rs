//! Fargate profiles. No pod ever runs.

use serde_json::{Value, json};

use super::{Eks, Fault, Kind, invalid, new_tags, text};
use crate::near::{Network, only, seconds};
use crate::service::Call;
use crate::shape::{tag_map, texts};

/// A cluster has so many profiles at most, a profile so many selectors, and a selector so many labels.
const PROFILES: usize = 10;
const SELECTORS: usize = 5;
const LABELS: usize = 5;

fn check_selectors(selectors: &Value) -> Result<(), Fault> {
    let selectors = selectors.as_array().map(Vec::as_slice).unwrap_or_default();
    if selectors.is_empty() {
        return Err(invalid("Fargate Profile requires at least one selector."));
    }
    if selectors.len() > SELECTORS {
        return Err(invalid(format!("A Fargate Profile has {SELECTORS} selectors at most, not {}", selectors.len())));
    }
    if selectors.iter().any(|selector| selector["namespace"].as_str().is_none_or(str::is_empty)) {
        return Err(invalid("Fargate Profile must have at least one selector with at least one namespace value."));
    }
    if selectors.iter().any(|selector| tag_map(&selector["labels"]).len() > LABELS) {
        return Err(invalid(format!("Request contains Selector with more than {LABELS} Label pairs")));
    }
    Ok(())
}

impl Eks {
    pub(super) fn create_fargate_profile(
        &mut self,
        call: &Call,
        network: &Network,
        cluster: &str,
        ask: &Value,
    ) -> Result<Value, Fault> {
        let known = ["clientRequestToken", "fargateProfileName", "podExecutionRoleArn", "selectors", "subnets", "tags"];
        only(ask, "eks:CreateFargateProfile", &known)?;
        let there = self.object(Kind::Cluster, cluster, "")?;
        let (name, role) = (text(ask, "fargateProfileName")?, text(ask, "podExecutionRoleArn")?);
        let place = (Kind::Fargate, cluster, name);
        let taken = || "A Fargate Profile already exists with this name in this cluster.".to_owned();
        if let Some(made) = self.made_before(place, ask, "fargateProfile", taken)? {
            return Ok(made);
        }
        check_selectors(&ask["selectors"])?;
        if self.of(Kind::Fargate, cluster).count() >= PROFILES {
            let message = format!("The cluster {cluster} has {PROFILES} Fargate profiles, the most there may be");
            return Err(Fault::new("ResourceLimitExceededException", message));
        }
        // Without any, it has the cluster's own that are private.
        let said = texts(&ask["subnets"]);
        let own = texts(&there.get("resourcesVpcConfig")["subnetIds"]);
        let mut private = Vec::new();
        for subnet in self.subnets_of(network, call, cluster, if said.is_empty() { &own } else { &said })? {
            match network.is_public(&call.region, &subnet)? {
                false => private.push(subnet.id),
                true if said.is_empty() => {}
                true => {
                    return Err(invalid(format!(
                        "Subnet {} provided in Fargate Profile is not a private subnet",
                        subnet.id
                    )));
                }
            }
        }
        if private.is_empty() {
            return Err(invalid(format!("The cluster {cluster} has no private subnet, and none is provided")));
        }
        let id = uuid::Uuid::new_v4();
        let fields = json!({
            "fargateProfileName": name, "clusterName": cluster, "status": "ACTIVE", "createdAt": seconds(),
            "fargateProfileArn": call.arn("eks", &format!("fargateprofile/{cluster}/{name}/{id}")), "podExecutionRoleArn": role,
            "subnets": private, "selectors": ask["selectors"], "health": {"issues": []}, "tags": new_tags(ask)?,
        });
        let answer = self.add(place, ask, fields, "fargateProfile");
        self.let_nodes_in(call, cluster, role, "FARGATE_LINUX")?;
        Ok(answer)
    }
}
