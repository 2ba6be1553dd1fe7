//! Subnet groups.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Fault, Object, Others, Params, Rds, fault, filters, invalid, listed, new_tags, only};
use crate::service::Call;
use crate::shape::{Members, members};

/// The subnets of a group, with their availability zones.
fn subnets_in(group: &Members) -> impl Iterator<Item = (&str, &str)> {
    let subnets = group.get("Subnets").and_then(|list| list["Subnet"].as_array()).into_iter().flatten();
    subnets.filter_map(|subnet| {
        Some((subnet["SubnetIdentifier"].as_str()?, subnet["SubnetAvailabilityZone"]["Name"].as_str()?))
    })
}

/// The availability zones of a group, in order.
pub(super) fn zones(group: &Object) -> Vec<String> {
    let zones = subnets_in(&group.fields).map(|(_, zone)| zone.to_owned());
    zones.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The name of a subnet group, which may hold more than other names.
fn group_name(form: &Params) -> Result<String, Fault> {
    let name = form.required("DBSubnetGroupName")?.to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || " ._-".contains(c);
    match name.len() <= 255 && name.chars().all(fits) && name != "default" {
        true => Ok(name),
        false => Err(invalid(format!("The parameter DBSubnetGroupName is not a valid identifier: {name}"))),
    }
}

/// The subnets that a request says, which must be in one VPC and in two zones at least: the VPC and what is told of them.
fn subnets(call: &Call, others: &Others) -> Result<Members, Fault> {
    let ids: Vec<String> = call.form.list("SubnetIds.SubnetIdentifier").into_iter().map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(Fault::new("MissingParameter", "The request must contain the parameter SubnetIds"));
    }
    let found = others.network.subnets(&call.region, &ids);
    let found = found.map_err(|fault| Fault::new("InvalidSubnet", fault.message))?;
    if found.iter().any(|subnet| subnet.vpc != found[0].vpc) {
        return Err(Fault::new("InvalidVPCNetworkStateFault", "The subnets are in more than one VPC"));
    }
    if found.iter().all(|subnet| subnet.zone == found[0].zone) {
        return Err(Fault::new(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: one. Add subnets to cover at least 2 AZs.",
        ));
    }
    let told = found.iter().map(|subnet| {
        json!({
            "SubnetIdentifier": subnet.id, "SubnetAvailabilityZone": {"Name": subnet.zone}, "SubnetOutpost": {}, "SubnetStatus": "Active",
        })
    });
    Ok(members(json!({"VpcId": found[0].vpc, "Subnets": {"Subnet": told.collect::<Vec<_>>()}})))
}

impl Rds {
    pub(super) fn subnet_group(&self, name: &str) -> Result<&Object, Fault> {
        let found = self.subnet_groups.get(&name.to_ascii_lowercase());
        found.ok_or_else(|| {
            fault(404, "DBSubnetGroupNotFoundFault", format!("DB subnet group '{name}' does not exist."))
        })
    }

    pub(super) fn create_subnet_group(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        only(form, &call.action, &["DBSubnetGroupDescription", "DBSubnetGroupName", "SubnetIds", "Tags"])?;
        let name = group_name(form)?;
        if self.subnet_groups.contains_key(&name) {
            return Err(Fault::new(
                "DBSubnetGroupAlreadyExists",
                format!("The DB subnet group '{name}' already exists."),
            ));
        }
        let mut fields = subnets(call, others)?;
        fields.extend(members(json!({
            "DBSubnetGroupName": name, "DBSubnetGroupDescription": form.required("DBSubnetGroupDescription")?,
            "SubnetGroupStatus": "Complete", "DBSubnetGroupArn": call.arn("rds", &format!("subgrp:{name}")),
            "SupportedNetworkTypes": {"member": ["IPV4"]},
        })));
        let shown = json!({"DBSubnetGroup": fields});
        self.subnet_groups.insert(name, Object { fields, tags: new_tags(form)? });
        Ok(shown)
    }

    pub(super) fn describe_subnet_groups(&self, form: &Params) -> Result<Value, Fault> {
        filters(form, &[])?;
        let all: Vec<Value> = match form.get("DBSubnetGroupName") {
            Some(name) => vec![json!(self.subnet_group(name)?.fields)],
            None => self.subnet_groups.values().map(|group| json!(group.fields)).collect(),
        };
        listed(form, "DBSubnetGroups", "DBSubnetGroup", all)
    }

    pub(super) fn modify_subnet_group(&mut self, call: &Call, others: &Others) -> Result<Value, Fault> {
        let form = &call.form;
        only(form, &call.action, &["DBSubnetGroupDescription", "DBSubnetGroupName", "SubnetIds"])?;
        let name = form.required("DBSubnetGroupName")?.to_ascii_lowercase();
        let mut there = self.subnet_group(&name)?.clone();
        let new = subnets(call, others)?;
        let users: Vec<&str> = self.users_of(&name);
        if new.get("VpcId") != there.fields.get("VpcId") && !users.is_empty() {
            return Err(Fault::new(
                "InvalidVPCNetworkStateFault",
                format!("The subnet group {name} is used by {} and stays in its VPC", users.join(", ")),
            ));
        }
        // In which of a zone's subnets an instance is, is not known here: one of them has to stay.
        let stays = |zone: &str| {
            let mut old = subnets_in(&there.fields).filter(|(_, of)| *of == zone);
            old.any(|(id, _)| subnets_in(&new).any(|(other, _)| other == id))
        };
        let users = self.instances.values().filter(|instance| instance.subnet_group == name);
        let lost = users
            .flat_map(|i| [i.text("AvailabilityZone"), i.text("SecondaryAvailabilityZone")])
            .find(|&zone| !zone.is_empty() && !stays(zone))
            .map(str::to_owned);
        if let Some(zone) = lost {
            let message = format!("Some of the subnets to be deleted are currently in use: those in {zone}");
            return Err(Fault::new("SubnetAlreadyInUse", message));
        }
        there.fields.extend(new);
        if let Some(description) = form.get("DBSubnetGroupDescription") {
            there.fields.insert("DBSubnetGroupDescription".to_owned(), json!(description));
        }
        let shown = json!({"DBSubnetGroup": there.fields});
        self.subnet_groups.insert(name, there);
        Ok(shown)
    }

    pub(super) fn delete_subnet_group(&mut self, form: &Params) -> Result<Value, Fault> {
        let name = form.required("DBSubnetGroupName")?.to_ascii_lowercase();
        self.subnet_group(&name)?;
        if let Some(user) = self.users_of(&name).first() {
            return Err(Fault::new(
                "InvalidDBSubnetGroupStateFault",
                format!(
                    "Cannot delete the subnet group '{name}' because at least one database instance: {user} is still using it."
                ),
            ));
        }
        self.subnet_groups.remove(&name);
        Ok(json!({}))
    }

    /// The instances that are in a subnet group.
    fn users_of(&self, group: &str) -> Vec<&str> {
        let users = self.instances.iter().filter(|(_, instance)| instance.subnet_group == group);
        users.map(|(name, _)| name.as_str()).collect()
    }
}
