//! The records of a zone: batches of changes, which are made whole or not at all, and lists in Route 53's order.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::super::service::Call;
use super::super::shape::{items, xml};
use super::super::wire::Fault;
use super::{Zone, answer, change};

/// A list tells so many sets at once.
const PAGE: usize = 300;
/// Fields that say how a set is chosen among those of its name and type.
const POLICIES: &[&str] =
    &["Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer", "CidrRoutingConfig", "GeoProximityLocation"];

/// A name as Route 53 compares it: in lower case, without the dot at its end, without escapes.
pub(super) fn plain(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let (mut out, mut rest) = (String::new(), name);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        match rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok()).filter(u8::is_ascii) {
            Some(code) => {
                out.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out.to_ascii_lowercase()
}

/// A plain name as answers have it: with a dot at its end, and everything but letters, digits, `-`, `_` and `.` in octal.
pub(super) fn wire(plain: &str) -> String {
    let mut out = String::new();
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\{byte:03o}"));
        }
    }
    out.push('.');
    out
}

/// A plain name with its labels turned round, by which lists are sorted: `com.example.www`.
pub(super) fn reversed(plain: &str) -> String {
    let mut labels: Vec<&str> = plain.split('.').collect();
    labels.reverse();
    labels.join(".")
}

/// A resource record set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Set {
    /// Plain.
    name: String,
    kind: String,
    identifier: Option<String>,
    /// The values of its records, if it is no alias.
    values: Vec<String>,
    /// Everything else, as requests have it.
    rest: Value,
}

impl Set {
    /// A zone's own records.
    pub(super) fn of_new_zone(zone: &str, servers: &[String]) -> Vec<Self> {
        let set = |kind: &str, ttl: &str, values: Vec<String>| Self {
            name: zone.to_owned(),
            kind: kind.to_owned(),
            identifier: None,
            values,
            rest: json!({"TTL": ttl}),
        };
        let first = servers.first().map(String::as_str).unwrap_or_default();
        let soa = format!("{first}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
        vec![
            set("NS", "172800", servers.iter().map(|server| format!("{server}.")).collect()),
            set("SOA", "900", vec![soa]),
        ]
    }

    fn read(tree: &Value) -> Result<Self, Fault> {
        let text = |name: &str| tree[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        let bad = |what: &str| Fault::new("InvalidInput", format!("A resource record set needs a {what}"));
        let name = plain(&text("Name").ok_or_else(|| bad("name"))?);
        let kind = text("Type").ok_or_else(|| bad("type"))?;
        let values = items(&tree["ResourceRecords"], "ResourceRecord");
        let values = values.iter().filter_map(|record| record["Value"].as_str().map(str::to_owned)).collect();
        let mut rest = tree.clone();
        if let Value::Object(fields) = &mut rest {
            let own = ["Name", "Type", "SetIdentifier", "ResourceRecords"];
            fields.retain(|field, value| !own.contains(&field.as_str()) && value != "");
            if let Some(alias) = fields.get_mut("AliasTarget")
                && let Some(target) = alias["DNSName"].as_str()
            {
                alias["DNSName"] = json!(wire(&plain(target)));
            }
        }
        Ok(Self { name, kind, identifier: text("SetIdentifier"), values, rest })
    }

    fn tree(&self) -> Value {
        let mut tree = self.rest.clone();
        tree["Name"] = json!(wire(&self.name));
        tree["Type"] = json!(self.kind);
        if let Some(identifier) = &self.identifier {
            tree["SetIdentifier"] = json!(identifier);
        }
        if !self.values.is_empty() {
            let records: Vec<Value> = self.values.iter().map(|value| json!({"Value": value})).collect();
            tree["ResourceRecords"] = json!({"ResourceRecord": records});
        }
        tree
    }

    /// In which order it stands in a list.
    pub(super) fn place(&self) -> (String, String, String) {
        (reversed(&self.name), self.kind.clone(), self.identifier.clone().unwrap_or_default())
    }

    fn key(&self) -> (&str, &str, Option<&str>) {
        (&self.name, &self.kind, self.identifier.as_deref())
    }

    /// Whether it was made with the zone and goes with it.
    pub(super) fn is_of_zone(&self, zone: &str) -> bool {
        self.name == zone && matches!(self.kind.as_str(), "NS" | "SOA")
    }

    /// Whether it says the same, in whichever order.
    fn same(&self, other: &Self) -> bool {
        let sorted = |set: &Self| {
            let mut values = set.values.clone();
            values.sort();
            values
        };
        self.key() == other.key() && sorted(self) == sorted(other) && self.rest == other.rest
    }

    fn policy(&self) -> Option<&'static str> {
        POLICIES.iter().copied().find(|policy| !self.rest[*policy].is_null())
    }

    fn described(&self) -> String {
        let identifier = self.identifier.as_ref().map(|i| format!(", set-identifier='{i}'")).unwrap_or_default();
        format!("[name='{}', type='{}'{identifier}]", wire(&self.name), self.kind)
    }
}

impl Zone {
    pub(super) fn change(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let request = &xml(&call.body)?["ChangeResourceRecordSetsRequest"]["ChangeBatch"];
        let mut next = self.sets.clone();
        let mut wrong = Vec::new();
        for change in items(&request["Changes"], "Change") {
            let set = Set::read(&change["ResourceRecordSet"])?;
            let at = next.iter().position(|there| there.key() == set.key());
            match (change["Action"].as_str().unwrap_or_default(), at) {
                ("CREATE", Some(_)) => {
                    wrong
                        .push(format!("Tried to create resource record set {} but it already exists", set.described()));
                }
                ("CREATE", None) | ("UPSERT", None) => next.push(set),
                ("UPSERT", Some(at)) => next[at] = set,
                ("DELETE", None) => {
                    wrong.push(format!("Tried to delete resource record set {} but it was not found", set.described()));
                }
                ("DELETE", Some(at)) if next[at].same(&set) => {
                    next.remove(at);
                }
                ("DELETE", Some(_)) => wrong.push(format!(
                    "Tried to delete resource record set {} but the values provided do not match the current values",
                    set.described()
                )),
                (action, _) => return Err(Fault::new("InvalidInput", format!("{action:?} is no action of a change"))),
            }
        }
        wrong.extend(self.wrong_with(&next));
        if !wrong.is_empty() {
            return Err(Fault::new("InvalidChangeBatch", format!("[{}]", wrong.join(", "))));
        }
        next.sort_by_key(Set::place);
        self.sets = next;
        Ok(answer("ChangeResourceRecordSetsResponse", &json!({"ChangeInfo": change()})))
    }

    /// What may not be in a zone.
    fn wrong_with(&self, sets: &[Set]) -> Vec<String> {
        let mut wrong = Vec::new();
        for kind in ["NS", "SOA"] {
            if !sets.iter().any(|set| set.name == self.name && set.kind == kind) {
                wrong.push(format!("A HostedZone must contain at least one {kind} record for the zone itself."));
            }
        }
        for set in sets {
            let (name, zone) = (wire(&set.name), wire(&self.name));
            if set.name != self.name && !set.name.ends_with(&format!(".{}", self.name)) {
                wrong.push(format!("RRSet with DNS name {name} is not permitted in zone {zone}"));
            }
            let alias = !set.rest["AliasTarget"].is_null();
            let plain = !set.values.is_empty() && !set.rest["TTL"].is_null();
            if alias == plain || alias != set.values.is_empty() {
                wrong.push(format!(
                    "Invalid request: Expected either an alias target or a TTL with resource records, in {}",
                    set.described()
                ));
            }
            let others = sets.iter().filter(|other| other.name == set.name);
            let mut others = others.filter(|other| other.key() != set.key());
            if set.kind == "CNAME" && (set.name == self.name || others.clone().any(|other| other.kind != "CNAME")) {
                wrong.push(format!(
                    "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in zone {zone}"
                ));
            }
            if set.policy().is_some() != set.identifier.is_some() {
                wrong.push(format!(
                    "A set identifier goes with a routing policy, and only then, in {}",
                    set.described()
                ));
            }
            if others.any(|other| other.kind == set.kind && other.policy() != set.policy()) {
                wrong.push(format!(
                    "RRSet with DNS name {name}, type {} cannot be created as other RRSets exist with the same name and type but another routing policy",
                    set.kind
                ));
            }
        }
        wrong
    }

    pub(super) fn list(&self, call: &Call) -> Result<MockResponse, Fault> {
        let most = call.query("maxitems").and_then(|n| n.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
        let name = call.query("name").map(|name| reversed(&plain(&name))).unwrap_or_default();
        let kind = call.query("type").unwrap_or_default();
        let start = (name, kind, call.query("identifier").unwrap_or_default());
        let mut after = self.sets.iter().filter(|set| set.place() >= start);
        let shown: Vec<Value> = after.by_ref().take(most).map(Set::tree).collect();
        let next = after.next();
        let body = json!({
            "ResourceRecordSets": {"ResourceRecordSet": shown}, "IsTruncated": next.is_some(), "MaxItems": most,
            "NextRecordName": next.map(|set| wire(&set.name)), "NextRecordType": next.map(|set| &set.kind),
            "NextRecordIdentifier": next.and_then(|set| set.identifier.as_ref()),
        });
        Ok(answer("ListResourceRecordSetsResponse", &body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_and_written_as_route_53_does() {
        for (written, name, told) in [
            ("WWW.Example.com.", "www.example.com", "www.example.com."),
            ("*.example.com", "*.example.com", "\\052.example.com."),
            ("a\\040b.example.com", "a b.example.com", "a\\040b.example.com."),
        ] {
            assert_eq!(plain(written), name);
            assert_eq!(wire(name), told);
            assert_eq!(plain(told), name);
        }
        assert_eq!(reversed("www.example.com"), "com.example.www");
    }
}
