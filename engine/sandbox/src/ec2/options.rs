//! What VPCs and instances refer to: sets of DHCP options, egress-only internet gateways, key pairs.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::spec::Kind;
use super::{Answer, Region, done, text};
use crate::wire::{Fault, Params};

/// The set that a region has from the beginning, and that every VPC uses at first.
pub(super) const DEFAULT_DHCP: &str = "dopt-0sandbox";
/// What says that a VPC shall use none.
const NO_DHCP: &str = "default";
const DHCP_KEYS: &[&str] = &[
    "domain-name",
    "domain-name-servers",
    "ntp-servers",
    "netbios-name-servers",
    "netbios-node-type",
    "ipv6-address-preferred-lease-time",
];

fn configuration(key: &str, values: &[&str]) -> Value {
    let values: Vec<Value> = values.iter().map(|value| json!({"value": value})).collect();
    json!({"key": key, "valueSet": values})
}

impl Region {
    /// Makes the set of DHCP options that AWS makes, if it is not there.
    pub(super) fn need_default_dhcp(&mut self) {
        if self.objects.contains_key(DEFAULT_DHCP) {
            return;
        }
        let domain = if self.name == "us-east-1" {
            "ec2.internal".to_owned()
        } else {
            format!("{}.compute.internal", self.name)
        };
        let fields = json!({
            "ownerId": self.account,
            "dhcpConfigurationSet": [configuration("domain-name", &[&domain]), configuration("domain-name-servers", &["AmazonProvidedDNS"])],
        });
        let id = self.add(Kind::DhcpOptions, "dhcpOptionsId", fields, &Params::default());
        if let Some(mut set) = self.objects.remove(&id) {
            set.fields.insert("dhcpOptionsId".to_owned(), json!(DEFAULT_DHCP));
            self.objects.insert(DEFAULT_DHCP.to_owned(), set);
        }
    }

    pub(super) fn create_dhcp_options(&mut self, p: &Params) -> Answer {
        let mut configurations = Vec::new();
        for member in p.members("DhcpConfiguration") {
            let key = p.required(&format!("{member}.Key"))?;
            if !DHCP_KEYS.contains(&key) {
                return Err(Fault::invalid(format!(
                    "Value ({key}) for parameter dhcp-option is invalid. Unknown DHCP option"
                )));
            }
            let values = p.list(&format!("{member}.Value"));
            if values.is_empty() {
                return Err(Fault::new("MissingParameter", format!("The DHCP option {key} has no value")));
            }
            configurations.push(configuration(key, &values));
        }
        if configurations.is_empty() {
            return Err(Fault::new("MissingParameter", "The request must contain the parameter DhcpConfiguration"));
        }
        let fields = json!({"ownerId": self.account, "dhcpConfigurationSet": configurations});
        let id = self.add(Kind::DhcpOptions, "dhcpOptionsId", fields, p);
        Ok(json!({"dhcpOptions": self.show(&id)}))
    }

    pub(super) fn associate_dhcp_options(&mut self, p: &Params) -> Answer {
        let (id, vpc) = (p.required("DhcpOptionsId")?, p.required("VpcId")?);
        if id != NO_DHCP {
            self.get(Kind::DhcpOptions, id)?;
        }
        self.get_mut(Kind::Vpc, vpc)?.fields.insert("dhcpOptionsId".to_owned(), json!(id));
        done()
    }

    pub(super) fn delete_dhcp_options(&mut self, p: &Params) -> Answer {
        let id = p.required("DhcpOptionsId")?;
        self.get(Kind::DhcpOptions, id)?;
        if self.any(Kind::Vpc, "dhcpOptionsId", id) {
            return Err(Fault::dependency(format!("The dhcpOptions '{id}' has dependencies and cannot be deleted.")));
        }
        self.objects.remove(id);
        done()
    }

    pub(super) fn create_egress_only_gateway(&mut self, p: &Params) -> Answer {
        let token = p.get("ClientToken");
        if let Some(made) = self.made_before(Kind::EgressOnlyInternetGateway, p) {
            return Ok(json!({"egressOnlyInternetGateway": made, "clientToken": token}));
        }
        let vpc = p.required("VpcId")?;
        self.get(Kind::Vpc, vpc)?;
        let fields = json!({"attachmentSet": [{"state": "attached", "vpcId": vpc}]});
        let id = self.add(Kind::EgressOnlyInternetGateway, "egressOnlyInternetGatewayId", fields, p);
        Ok(json!({"egressOnlyInternetGateway": self.show(&id), "clientToken": token}))
    }

    pub(super) fn delete_egress_only_gateway(&mut self, p: &Params) -> Answer {
        let id = p.required("EgressOnlyInternetGatewayId")?;
        self.get(Kind::EgressOnlyInternetGateway, id)?;
        self.objects.remove(id);
        Ok(json!({"returnCode": true}))
    }

    pub(super) fn import_key_pair(&mut self, p: &Params) -> Answer {
        let name = p.required("KeyName")?;
        if self.any(Kind::KeyPair, "keyName", name) {
            return Err(Fault::new("InvalidKeyPair.Duplicate", format!("The key pair '{name}' already exists.")));
        }
        let malformed = || Fault::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
        let bytes = STANDARD.decode(p.required("PublicKeyMaterial")?).map_err(|_| malformed())?;
        let material = String::from_utf8(bytes).map_err(|_| malformed())?;
        let mut words = material.split_whitespace();
        let (kind, key) = match (words.next(), words.next()) {
            (Some("ssh-rsa"), Some(key)) => ("rsa", key),
            (Some("ssh-ed25519"), Some(key)) => ("ed25519", key),
            _ => return Err(malformed()),
        };
        let digest = Sha256::digest(STANDARD.decode(key).map_err(|_| malformed())?);
        let fields = json!({
            "keyName": name, "keyType": kind, "keyFingerprint": format!("{}=", STANDARD_NO_PAD.encode(digest)),
            "createTime": jiff::Timestamp::now().to_string(),
        });
        let id = self.add(Kind::KeyPair, "keyPairId", fields, p);
        self.get_mut(Kind::KeyPair, &id)?.hidden.insert("publicKey".to_owned(), json!(material.trim()));
        Ok(self.show(&id))
    }

    pub(super) fn delete_key_pair(&mut self, p: &Params) -> Answer {
        let is_it = |o: &super::Object| match (p.get("KeyPairId"), p.get("KeyName")) {
            (Some(id), _) => text(o, "keyPairId") == id,
            (None, name) => Some(text(o, "keyName")) == name,
        };
        if !p.has("KeyPairId") && !p.has("KeyName") {
            return Err(Fault::new("MissingParameter", "The request must contain the parameter KeyName or KeyPairId"));
        }
        // One that is not there is deleted.
        let id = self.of(Kind::KeyPair).find(|(_, o)| is_it(o)).map(|(id, _)| id.clone());
        if let Some(id) = &id {
            self.objects.remove(id);
        }
        Ok(json!({"return": true, "keyPairId": id}))
    }
}
