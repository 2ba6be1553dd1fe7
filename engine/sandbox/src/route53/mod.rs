//! Route 53: hosted zones and their records. Nobody is answered: no DNS server stands behind it, and a VPC is taken at its word.

mod records;

use std::collections::BTreeMap;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::service::{Call, GLOBAL, Model, Tags};
use super::shape::{fault, items, now_text, tag_list, tags_of, unknown, xml, xml_answer};
use super::wire::{Fault, request_id};
use records::{Set, plain, reversed, wire};

const XMLNS: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
/// Lists tell so many at once.
const PAGE: usize = 100;
/// A call about tags takes so many.
const TAGS: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vpc {
    id: String,
    region: String,
}

impl Vpc {
    fn of(tree: &Value) -> Result<Self, Fault> {
        let text = |name: &str| tree[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        let (id, region) = (text("VPCId"), text("VPCRegion"));
        let vpc = id.zip(region).map(|(id, region)| Self { id, region });
        vpc.filter(|vpc| vpc.id.starts_with("vpc-"))
            .ok_or_else(|| Fault::new("InvalidVPCId", "The VPC ID that you specified is not a valid ID"))
    }

    fn tree(&self) -> Value {
        json!({"VPCRegion": self.region, "VPCId": self.id})
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Zone {
    id: String,
    /// Plain: in lower case, without the dot at its end.
    name: String,
    reference: String,
    comment: String,
    vpcs: Vec<Vpc>,
    servers: Vec<String>,
    recovery: Option<bool>,
    tags: Tags,
    sets: Vec<Set>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Route53 {
    zones: BTreeMap<String, Zone>,
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidInput", message)
}

fn absent(id: &str) -> Fault {
    fault(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
}

/// A change, which is everywhere at once.
fn change() -> Value {
    let id = format!("/change/C{}", &request_id().replace('-', "").to_uppercase()[..20]);
    json!({"Id": id, "Status": "INSYNC", "SubmittedAt": now_text()})
}

fn answer(name: &str, body: &Value) -> MockResponse {
    xml_answer(200, name, XMLNS, body)
}

impl Zone {
    fn private(&self) -> bool {
        !self.vpcs.is_empty()
    }

    fn tree(&self) -> Value {
        let mut tree = json!({
            "Id": format!("/hostedzone/{}", self.id), "Name": wire(&self.name), "CallerReference": self.reference,
            "Config": {"PrivateZone": self.private()}, "ResourceRecordSetCount": self.sets.len(),
        });
        if !self.comment.is_empty() {
            tree["Config"]["Comment"] = json!(self.comment);
        }
        if let Some(on) = self.recovery {
            tree["Features"] = json!({"AcceleratedRecoveryStatus": if on { "ENABLED" } else { "DISABLED" }});
        }
        tree
    }

    /// With what GetHostedZone and CreateHostedZone tell besides.
    fn whole(&self) -> Value {
        let mut whole = json!({"HostedZone": self.tree()});
        if self.private() {
            whole["VPCs"] = json!({"VPC": self.vpcs.iter().map(Vpc::tree).collect::<Vec<_>>()});
        } else {
            whole["DelegationSet"] = json!({"NameServers": {"NameServer": self.servers}});
        }
        whole
    }

    /// By reversed name and id, the order of lists.
    fn place(&self) -> (String, &str) {
        (reversed(&self.name), &self.id)
    }
}

impl Route53 {
    fn zone(&mut self, id: &str) -> Result<&mut Zone, Fault> {
        self.zones.get_mut(id).ok_or_else(|| absent(id))
    }

    /// A VPC must not see two zones of one name.
    fn check_vpc(&self, name: &str, vpc: &Vpc) -> Result<(), Fault> {
        let other = self.zones.values().find(|zone| zone.name == name && zone.vpcs.contains(vpc));
        other.map_or(Ok(()), |zone| {
            let Vpc { id, region } = vpc;
            let message = format!(
                "The VPC {id} in region {region} has already been associated with the hosted zone {} with the same domain name.",
                zone.id
            );
            Err(Fault::new("ConflictingDomainExists", message))
        })
    }

    fn create(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let request = &xml(&call.body)?["CreateHostedZoneRequest"];
        let text = |tree: &Value, name: &str| tree[name].as_str().unwrap_or_default().to_owned();
        let name = plain(&text(request, "Name"));
        let label = |label: &str| !label.is_empty() && label.len() <= 63;
        if name.is_empty() || name.len() > 255 || !name.split('.').all(label) {
            return Err(Fault::new("InvalidDomainName", format!("{name} is not a valid domain name")));
        }
        let reference = text(request, "CallerReference");
        if reference.is_empty() {
            return Err(invalid("CallerReference must not be empty"));
        }
        if self.zones.values().any(|zone| zone.reference == reference) {
            let message =
                format!("A hosted zone has already been created with the specified caller reference: {reference}.");
            return Err(fault(409, "HostedZoneAlreadyExists", message));
        }
        if !text(request, "DelegationSetId").is_empty() {
            return Err(Fault::new("NoSuchDelegationSet", "There are no reusable delegation sets in the sandbox."));
        }
        let vpcs: Vec<Vpc> = items(request, "VPC").iter().map(Vpc::of).collect::<Result<_, _>>()?;
        let config = &request["HostedZoneConfig"];
        if (config["PrivateZone"] == "true") && vpcs.is_empty() {
            return Err(invalid("A private hosted zone needs a VPC."));
        }
        for vpc in &vpcs {
            self.check_vpc(&name, vpc)?;
        }
        let id = format!("Z{}", &request_id().replace('-', "").to_uppercase()[..20]);
        let tops = [(0, "com"), (512, "net"), (1024, "org"), (1536, "co.uk")];
        let number = if vpcs.is_empty() { self.zones.len() % 64 } else { 0 };
        let servers: Vec<String> =
            tops.iter().map(|(from, top)| format!("ns-{}.awsdns-{number:02}.{top}", from + number)).collect();
        let mut zone = Zone {
            sets: Set::of_new_zone(&name, &servers),
            comment: text(config, "Comment"),
            recovery: None,
            tags: Tags::new(),
            id: id.clone(),
            name,
            reference,
            vpcs,
            servers,
        };
        zone.sets.sort_by_key(Set::place);
        let mut body = zone.whole();
        // Only one VPC can be named here.
        if let Some(vpc) = zone.vpcs.first() {
            body["VPC"] = vpc.tree();
        }
        body["ChangeInfo"] = change();
        self.zones.insert(id.clone(), zone);
        let mut made = xml_answer(201, "CreateHostedZoneResponse", XMLNS, &body);
        if let Ok(place) = HeaderValue::from_str(&format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}")) {
            made.headers.insert("location", place);
        }
        Ok(made)
    }

    fn delete(&mut self, id: &str) -> Result<MockResponse, Fault> {
        let zone = self.zone(id)?;
        if zone.sets.iter().any(|set| !set.is_of_zone(&zone.name)) {
            let message =
                "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
            return Err(Fault::new("HostedZoneNotEmpty", message));
        }
        self.zones.remove(id);
        Ok(answer("DeleteHostedZoneResponse", &json!({"ChangeInfo": change()})))
    }

    fn list(&self, call: &Call) -> MockResponse {
        let most = call.query("maxitems").and_then(|n| n.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
        let marker = call.query("marker").unwrap_or_default();
        let mut zones = self.zones.values().filter(|zone| zone.id > marker);
        let shown: Vec<&Zone> = zones.by_ref().take(most).collect();
        let more = zones.next().is_some();
        let next = shown.last().filter(|_| more).map(|zone| zone.id.clone());
        let trees: Vec<Value> = shown.iter().map(|zone| zone.tree()).collect();
        let body = json!({"HostedZones": {"HostedZone": trees}, "IsTruncated": more, "NextMarker": next,
                          "MaxItems": most, "Marker": marker});
        answer("ListHostedZonesResponse", &body)
    }

    fn list_by_name(&self, call: &Call) -> MockResponse {
        let most = call.query("maxitems").and_then(|n| n.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
        let (name, id) = (call.query("dnsname"), call.query("hostedzoneid"));
        let start = (reversed(&plain(name.as_deref().unwrap_or_default())), id.as_deref().unwrap_or_default());
        let mut all: Vec<&Zone> = self.zones.values().filter(|zone| zone.place() >= start).collect();
        all.sort_by_key(|zone| zone.place());
        let next = all.get(most).copied();
        let trees: Vec<Value> = all.iter().take(most).map(|zone| zone.tree()).collect();
        let body = json!({"HostedZones": {"HostedZone": trees}, "DNSName": name, "HostedZoneId": id,
                          "IsTruncated": next.is_some(), "NextDNSName": next.map(|zone| wire(&zone.name)),
                          "NextHostedZoneId": next.map(|zone| &zone.id), "MaxItems": most});
        answer("ListHostedZonesByNameResponse", &body)
    }

    fn associate(&mut self, call: &Call, id: &str) -> Result<MockResponse, Fault> {
        let vpc = Vpc::of(&xml(&call.body)?["AssociateVPCWithHostedZoneRequest"]["VPC"])?;
        let zone = self.zone(id)?;
        if !zone.private() {
            let message = format!("Hosted zone {id} is public: a VPC cannot be associated with it.");
            return Err(Fault::new("PublicZoneVPCAssociation", message));
        }
        let name = zone.name.clone();
        self.check_vpc(&name, &vpc)?;
        self.zone(id)?.vpcs.push(vpc);
        Ok(answer("AssociateVPCWithHostedZoneResponse", &json!({"ChangeInfo": change()})))
    }

    fn disassociate(&mut self, call: &Call, id: &str) -> Result<MockResponse, Fault> {
        let vpc = Vpc::of(&xml(&call.body)?["DisassociateVPCFromHostedZoneRequest"]["VPC"])?;
        let zone = self.zone(id)?;
        let at = zone.vpcs.iter().position(|there| *there == vpc).ok_or_else(|| {
            fault(404, "VPCAssociationNotFound", format!("The VPC {} is not associated with {id}.", vpc.id))
        })?;
        if zone.vpcs.len() == 1 {
            let message = format!("The VPC {} is the last one of {id}: a private hosted zone must have one.", vpc.id);
            return Err(Fault::new("LastVPCAssociation", message));
        }
        zone.vpcs.remove(at);
        Ok(answer("DisassociateVPCFromHostedZoneResponse", &json!({"ChangeInfo": change()})))
    }

    fn features(&mut self, call: &Call, id: &str) -> Result<MockResponse, Fault> {
        let request = &xml(&call.body)?["UpdateHostedZoneFeaturesRequest"];
        let zone = self.zone(id)?;
        if zone.private() {
            return Err(invalid("Accelerated recovery is for public hosted zones."));
        }
        zone.recovery = Some(request["EnableAcceleratedRecovery"] == "true");
        Ok(answer("UpdateHostedZoneFeaturesResponse", &json!({})))
    }

    fn tag_sets(&mut self, ids: &[String]) -> Result<Vec<Value>, Fault> {
        let set = |id: &String| {
            let tags = tag_list(&self.zones.get(id).ok_or_else(|| absent(id))?.tags, "Key", "Value");
            Ok(json!({"ResourceType": "hostedzone", "ResourceId": id, "Tags": {"Tag": tags}}))
        };
        ids.iter().map(set).collect()
    }

    fn change_tags(&mut self, call: &Call, id: &str) -> Result<MockResponse, Fault> {
        let request = &xml(&call.body)?["ChangeTagsForResourceRequest"];
        let add = tags_of(&json!(items(&request["AddTags"], "Tag")), "Key", "Value");
        let remove = items(&request["RemoveTagKeys"], "Key");
        if add.len() > TAGS || remove.len() > TAGS {
            return Err(invalid(format!("At most {TAGS} tags can be added or removed at once.")));
        }
        let tags = &mut self.zone(id)?.tags;
        tags.retain(|key, _| !remove.iter().any(|gone| gone == key));
        tags.extend(add);
        Ok(answer("ChangeTagsForResourceResponse", &json!({})))
    }
}

impl Model for Route53 {
    const GLOBAL: bool = true;

    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let path = call.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (call.method.as_str(), path.get(1..).unwrap_or_default()) {
            ("POST", ["hostedzone"]) => self.create(call),
            ("GET", ["hostedzone"]) => Ok(self.list(call)),
            ("GET", ["hostedzonesbyname"]) => Ok(self.list_by_name(call)),
            ("GET", ["hostedzonecount"]) => {
                Ok(answer("GetHostedZoneCountResponse", &json!({"HostedZoneCount": self.zones.len()})))
            }
            ("GET", ["hostedzone", id]) => Ok(answer("GetHostedZoneResponse", &self.zone(id)?.whole())),
            ("DELETE", ["hostedzone", id]) => self.delete(id),
            ("POST", ["hostedzone", id]) => {
                let comment = xml(&call.body)?["UpdateHostedZoneCommentRequest"]["Comment"].clone();
                let zone = self.zone(id)?;
                comment.as_str().unwrap_or_default().clone_into(&mut zone.comment);
                Ok(answer("UpdateHostedZoneCommentResponse", &json!({"HostedZone": zone.tree()})))
            }
            ("POST", ["hostedzone", id, "rrset"]) => self.zone(id)?.change(call),
            ("GET", ["hostedzone", id, "rrset"]) => self.zone(id)?.list(call),
            ("POST", ["hostedzone", id, "associatevpc"]) => self.associate(call, id),
            ("POST", ["hostedzone", id, "disassociatevpc"]) => self.disassociate(call, id),
            ("POST", ["hostedzone", id, "features"]) => self.features(call, id),
            ("GET", ["change", id]) => {
                let info = json!({"Id": format!("/change/{id}"), "Status": "INSYNC", "SubmittedAt": now_text()});
                Ok(answer("GetChangeResponse", &json!({"ChangeInfo": info})))
            }
            ("POST", ["tags", "hostedzone"]) => {
                let request = &xml(&call.body)?["ListTagsForResourcesRequest"];
                let ids = items(&request["ResourceIds"], "ResourceId");
                let ids: Vec<String> = ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect();
                let sets = self.tag_sets(&ids)?;
                Ok(answer("ListTagsForResourcesResponse", &json!({"ResourceTagSets": {"ResourceTagSet": sets}})))
            }
            ("GET", ["tags", "hostedzone", id]) => {
                let sets = self.tag_sets(&[(*id).to_owned()])?;
                Ok(answer("ListTagsForResourceResponse", &json!({"ResourceTagSet": sets})))
            }
            ("POST", ["tags", "hostedzone", id]) => self.change_tags(call, id),
            _ => unknown("route53", call),
        }
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.query_xml()
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let here = self.zones.values().filter(|_| region == GLOBAL);
        here.map(|zone| (format!("arn:aws:route53:::hostedzone/{}", zone.id), zone.tags.clone())).collect()
    }
}
