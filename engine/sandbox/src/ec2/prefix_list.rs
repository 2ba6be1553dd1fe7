//! Prefix lists: customers' own ones, and those of AWS's services that gateway endpoints lead to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::endpoint::GATEWAYS;
use super::spec::Kind;
use super::{Answer, Fields, Filters, Object, Region, Tags, object, text};
use crate::wire::{Fault, Params};

/// Where a list keeps its entries, which Describe does not show.
const ENTRIES: &str = "entries";
/// AWS takes and shows so many entries in one call.
const PAGE: usize = 100;
static NO_TAGS: Tags = Tags::new();

fn entries(list: &Object) -> Vec<Value> {
    list.hidden.get(ENTRIES).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Some of a service's addresses.
fn ranges(service: &str) -> [&'static str; 2] {
    if service == "s3" { ["3.5.76.0/22", "52.218.128.0/17"] } else { ["3.218.180.0/22", "52.94.28.0/23"] }
}

impl Region {
    /// AWS's own lists, by their ids. Those of us-west-2 and us-east-1 have the ids that they have there.
    pub(super) fn aws_prefix_lists(&self) -> BTreeMap<String, (Fields, &Tags)> {
        let id = |service: &str| match (self.name.as_str(), service) {
            ("us-west-2", "s3") => "pl-68a54001".to_owned(),
            ("us-west-2", "dynamodb") => "pl-00a54069".to_owned(),
            ("us-east-1", "s3") => "pl-63a5400a".to_owned(),
            ("us-east-1", "dynamodb") => "pl-02cd2c6b".to_owned(),
            (region, service) => format!("pl-{}", &super::digest(&format!("{region} {service}"))[..8]),
        };
        let list = |service: &&str| {
            let id = id(service);
            let fields = object(json!({
                "prefixListId": id, "prefixListName": format!("com.amazonaws.{}.{service}", self.name), "addressFamily": "IPv4",
                "state": "create-complete", "ownerId": "AWS", "prefixListArn": format!("arn:aws:ec2:{}:aws:prefix-list/{id}", self.name),
            }));
            (id, (fields, &NO_TAGS))
        };
        GATEWAYS.iter().map(list).collect()
    }

    /// The id of the list of a service, by the service's whole name.
    pub(super) fn prefix_list_of(&self, service: &str) -> Result<String, Fault> {
        let lists = self.aws_prefix_lists();
        let found = lists.into_iter().find(|(_, (fields, _))| fields.get("prefixListName") == Some(&json!(service)));
        let missing =
            || Fault::new("InvalidServiceName", format!("The Vpc Endpoint Service '{service}' does not exist"));
        found.map(|(id, _)| id).ok_or_else(missing)
    }

    /// That routes and rules can refer to a list.
    pub(super) fn check_prefix_list(&self, id: &str) -> Result<(), Fault> {
        if self.aws_prefix_lists().contains_key(id) { Ok(()) } else { self.get(Kind::PrefixList, id).map(drop) }
    }

    pub(super) fn describe_prefix_lists(&self, p: &Params) -> Answer {
        let filters = Filters::parse(p, &[("prefix-list-id", "prefixListId"), ("prefix-list-name", "prefixListName")])?;
        let lists = self.aws_prefix_lists();
        let ids = p.list("PrefixListId");
        if let Some(id) = ids.iter().find(|id| !lists.contains_key(**id)) {
            return Err(super::unknown_id(Kind::PrefixList.spec(), id));
        }
        let (items, next) = super::pick(p, lists, &ids, &filters)?;
        let shown = |item: &Value| {
            let name = item["prefixListName"].as_str().unwrap_or_default();
            let service = name.rsplit('.').next().unwrap_or_default();
            json!({"prefixListId": item["prefixListId"], "prefixListName": name, "cidrSet": ranges(service)})
        };
        Ok(json!({"prefixListSet": items.iter().map(shown).collect::<Vec<_>>(), "nextToken": next}))
    }

    pub(super) fn create_prefix_list(&mut self, p: &Params) -> Answer {
        if let Some(made) = self.made_before(Kind::PrefixList, p) {
            return Ok(json!({"prefixList": made}));
        }
        let (name, family) = (p.required("PrefixListName")?, p.required("AddressFamily")?);
        if name.starts_with("com.amazonaws") {
            return Err(Fault::invalid("The name of a prefix list must not begin with com.amazonaws"));
        }
        if !["IPv4", "IPv6"].contains(&family) {
            return Err(Fault::invalid(format!("Invalid value '{family}' for AddressFamily")));
        }
        p.required("MaxEntries")?;
        let most = p.number("MaxEntries")?.unwrap_or_default();
        let entries = changed(&[], p, "Entry", most)?;
        let fields = json!({
            "prefixListName": name, "addressFamily": family, "maxEntries": most, "version": 1, "state": "create-complete",
            "ownerId": self.account,
        });
        let id = self.add(Kind::PrefixList, "prefixListId", fields, p);
        let arn = self.arn(Kind::PrefixList, &id);
        let list = self.get_mut(Kind::PrefixList, &id)?;
        list.fields.insert("prefixListArn".to_owned(), json!(arn));
        list.hidden.insert(ENTRIES.to_owned(), json!(entries));
        Ok(json!({"prefixList": self.show(&id)}))
    }

    pub(super) fn modify_prefix_list(&mut self, p: &Params) -> Answer {
        let id = p.required("PrefixListId")?;
        let list = self.get_mut(Kind::PrefixList, id)?;
        let number = |field: &str| list.fields.get(field).and_then(Value::as_i64).unwrap_or_default();
        let (version, most) = (number("version"), p.number("MaxEntries")?.unwrap_or(number("maxEntries")));
        let touches = p.has("AddEntry") || p.has("RemoveEntry");
        if touches && p.has("MaxEntries") {
            let message = "The size and the entries of a prefix list cannot be modified in one request";
            return Err(Fault::new("InvalidParameterCombination", message));
        }
        if touches && p.number("CurrentVersion")? != Some(version) {
            let message = format!("The prefix list has the version {version}, which CurrentVersion does not name");
            return Err(Fault::new("PrefixListVersionMismatch", message));
        }
        let new = changed(&entries(list), p, "AddEntry", most)?;
        list.fields.insert("maxEntries".to_owned(), json!(most));
        if let Some(name) = p.get("PrefixListName") {
            list.fields.insert("prefixListName".to_owned(), json!(name));
        }
        if touches {
            list.hidden.insert(ENTRIES.to_owned(), json!(new));
            list.fields.insert("version".to_owned(), json!(version + 1));
        }
        list.fields.insert("state".to_owned(), json!("modify-complete"));
        Ok(json!({"prefixList": self.show(id)}))
    }

    pub(super) fn prefix_list_entries(&self, p: &Params) -> Answer {
        let id = p.required("PrefixListId")?;
        let aws = self.aws_prefix_lists();
        let all = match aws.get(id) {
            Some((fields, _)) => {
                let name = fields.get("prefixListName").and_then(Value::as_str).unwrap_or_default();
                ranges(name.rsplit('.').next().unwrap_or_default()).iter().map(|range| json!({"cidr": range})).collect()
            }
            None => entries(self.get(Kind::PrefixList, id)?),
        };
        let from = p.number("NextToken")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let limit = p.number("MaxResults")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE).clamp(1, PAGE);
        let next = (all.len() > from + limit).then(|| (from + limit).to_string());
        let page: Vec<Value> = all.into_iter().skip(from).take(limit).collect();
        Ok(json!({"entrySet": page, "nextToken": next}))
    }

    pub(super) fn delete_prefix_list(&mut self, p: &Params) -> Answer {
        let id = p.required("PrefixListId")?;
        self.get(Kind::PrefixList, id)?;
        let routed = self.any(Kind::RouteTable, "routeSet.destinationPrefixListId", id);
        if routed || self.of(Kind::SecurityGroupRule).any(|(_, rule)| text(rule, "prefixListId") == id) {
            return Err(Fault::dependency(format!("The prefix list '{id}' is referred to by a route or a rule.")));
        }
        let mut gone = self.show(id);
        gone["state"] = json!("delete-in-progress");
        self.objects.remove(id);
        Ok(json!({"prefixList": gone}))
    }
}

/// A list's entries after a request has removed and added some.
fn changed(entries: &[Value], p: &Params, add: &str, most: i64) -> Result<Vec<Value>, Fault> {
    let mut entries = entries.to_vec();
    for member in p.members("RemoveEntry") {
        let range = p.required(&format!("{member}.Cidr"))?;
        let there = entries.iter().position(|entry| entry["cidr"] == json!(range));
        let missing = || Fault::invalid(format!("The prefix list has no entry {range}"));
        entries.remove(there.ok_or_else(missing)?);
    }
    for member in p.members(add) {
        let range = p.required(&format!("{member}.Cidr"))?;
        if entries.iter().any(|entry| entry["cidr"] == json!(range)) {
            return Err(Fault::invalid(format!("The prefix list has an entry {range} already")));
        }
        let mut entry = json!({"cidr": range});
        if let Some(description) = p.get(&format!("{member}.Description")) {
            entry["description"] = json!(description);
        }
        entries.push(entry);
    }
    if i64::try_from(entries.len()).is_ok_and(|count| count > most) {
        let message = format!("A prefix list of {most} entries cannot hold {}", entries.len());
        return Err(Fault::new("PrefixListMaxEntriesExceeded", message));
    }
    entries.sort_by(|a, b| a["cidr"].as_str().cmp(&b["cidr"].as_str()));
    Ok(entries)
}
