//! VPN connections with the gateways at both ends, and peerings of VPCs.

use serde_json::{Value, json};

use super::network::Range;
use super::spec::Kind;
use super::{Answer, Fields, Object, Region, done, edit, form, object, refuse, text, values};
use crate::wire::{Fault, Params};

/// What is told about a tunnel that nobody has said anything of.
/// <https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html>
fn tunnel(n: usize, taken: &[String]) -> Fields {
    let inside = (0..64).map(|k| format!("169.254.{}.{}/30", 10 + n * 2, k * 4)).find(|range| !taken.contains(range));
    object(json!({
        "outsideIpAddress": format!("198.18.{}.{}", n, 1 + taken.len() / 2 % 250), "tunnelInsideCidr": inside,
        "preSharedKey": uuid::Uuid::new_v4().simple().to_string(), "startupAction": "add", "enableTunnelLifecycleControl": false,
        "logOptions": {"cloudWatchLogOptions": {"logEnabled": false, "bgpLogEnabled": false}},
    }))
}

impl Region {
    pub(super) fn create_vpn_gateway(&mut self, p: &Params) -> Answer {
        let kind = p.required("Type")?;
        if kind != "ipsec.1" {
            return Err(Fault::invalid(format!("Value ({kind}) for parameter type is invalid.")));
        }
        let fields = json!({
            "type": kind, "state": "available", "amazonSideAsn": p.number("AmazonSideAsn")?.unwrap_or(64512), "attachments": [],
            "availabilityZone": p.get("AvailabilityZone"),
        });
        let id = self.add(Kind::VpnGateway, "vpnGatewayId", fields, p);
        Ok(json!({"vpnGateway": self.show(&id)}))
    }

    pub(super) fn attach_vpn_gateway(&mut self, p: &Params) -> Answer {
        let (id, vpc) = (p.required("VpnGatewayId")?, p.required("VpcId")?);
        self.get(Kind::Vpc, vpc)?;
        let there = values(&self.get(Kind::VpnGateway, id)?.fields, "attachments.vpcId");
        let attachment = json!({"vpcId": vpc, "state": "attached"});
        if there.iter().any(|other| other == vpc) {
            return Ok(json!({"attachment": attachment}));
        }
        if !there.is_empty() || self.any(Kind::VpnGateway, "attachments.vpcId", vpc) {
            let message = format!("The vpn gateway {id} or the VPC {vpc} has another attachment");
            return Err(Fault::new("VpnGatewayAttachmentLimitExceeded", message));
        }
        edit(self.get_mut(Kind::VpnGateway, id)?, "attachments", |all| all.push(attachment.clone()));
        Ok(json!({"attachment": attachment}))
    }

    pub(super) fn detach_vpn_gateway(&mut self, p: &Params) -> Answer {
        let (id, vpc) = (p.required("VpnGatewayId")?, p.required("VpcId")?);
        let gateway = self.get_mut(Kind::VpnGateway, id)?;
        if !values(&gateway.fields, "attachments.vpcId").iter().any(|other| other == vpc) {
            let message = format!("The attachment with vpn gateway ID '{id}' and vpc ID '{vpc}' does not exist");
            return Err(Fault::new("InvalidVpnGatewayAttachment.NotFound", message));
        }
        edit(gateway, "attachments", Vec::clear);
        done()
    }

    pub(super) fn delete_vpn_gateway(&mut self, p: &Params) -> Answer {
        let id = p.required("VpnGatewayId")?;
        let attached = !values(&self.get(Kind::VpnGateway, id)?.fields, "attachments.vpcId").is_empty();
        if attached || self.any(Kind::VpnConnection, "vpnGatewayId", id) {
            return Err(Fault::dependency(format!("The vpnGateway '{id}' is in use.")));
        }
        self.objects.remove(id);
        done()
    }

    /// A gateway with this address and number is there once only: AWS answers with it.
    pub(super) fn create_customer_gateway(&mut self, p: &Params) -> Answer {
        let kind = p.required("Type")?;
        let address = p.get("IpAddress").or(p.get("PublicIp"));
        if address.is_none() && !p.has("CertificateArn") {
            return Err(Fault::new(
                "MissingParameter",
                "The request must contain the parameter ipAddress or certificateArn",
            ));
        }
        let extended = p.get("BgpAsnExtended");
        let number = p.get("BgpAsn").or(if extended.is_none() { Some("65000") } else { None });
        let fields = json!({
            "type": kind, "state": "available", "bgpAsn": number, "bgpAsnExtended": extended, "ipAddress": address,
            "certificateArn": p.get("CertificateArn"), "deviceName": p.get("DeviceName"),
        });
        let same = |o: &Object| {
            ["type", "bgpAsn", "bgpAsnExtended", "ipAddress", "certificateArn"]
                .iter()
                .all(|name| o.fields.get(*name).unwrap_or(&Value::Null) == &fields[*name])
        };
        let there = self.of(Kind::CustomerGateway).find(|(_, o)| same(o)).map(|(id, _)| id.clone());
        let id = there.unwrap_or_else(|| self.add(Kind::CustomerGateway, "customerGatewayId", fields, p));
        Ok(json!({"customerGateway": self.show(&id)}))
    }

    pub(super) fn delete_customer_gateway(&mut self, p: &Params) -> Answer {
        let id = p.required("CustomerGatewayId")?;
        self.get(Kind::CustomerGateway, id)?;
        if self.any(Kind::VpnConnection, "customerGatewayId", id) {
            return Err(Fault::new("IncorrectState", "The customer gateway is in use."));
        }
        self.objects.remove(id);
        done()
    }

    pub(super) fn create_vpn_connection(&mut self, p: &Params) -> Answer {
        refuse(p, &["TransitGatewayId", "VpnConcentratorId"])?;
        if p.get("PreSharedKeyStorage") == Some("SecretsManager") {
            return Err(Fault::not_implemented("pre-shared keys in Secrets Manager"));
        }
        let kind = p.required("Type")?;
        let (customer, gateway) = (p.required("CustomerGatewayId")?, p.required("VpnGatewayId")?);
        self.get(Kind::CustomerGateway, customer)?;
        self.get(Kind::VpnGateway, gateway)?;
        let mut options = object(json!({
            "enableAcceleration": false, "staticRoutesOnly": false, "localIpv4NetworkCidr": "0.0.0.0/0",
            "remoteIpv4NetworkCidr": "0.0.0.0/0", "outsideIpAddressType": "PublicIpv4", "tunnelInsideIpVersion": "ipv4",
            "tunnelBandwidth": "standard",
        }));
        let asked = form::shown(p, "Options");
        let wanted = asked.get("tunnelOptionSet").and_then(Value::as_array).cloned().unwrap_or_default();
        form::over(&mut options, asked);
        let mut taken: Vec<String> = Vec::new();
        for (_, other) in self.of(Kind::VpnConnection) {
            taken.extend(values(&other.fields, "options.tunnelOptionSet.tunnelInsideCidr"));
        }
        let mut tunnels = Vec::new();
        for n in 0..2 {
            let mut fields = tunnel(n, &taken);
            if let Some(Value::Object(wanted)) = wanted.get(n) {
                form::over(&mut fields, wanted.clone());
            }
            tunnels.push(Value::Object(fields));
        }
        options.insert("tunnelOptionSet".to_owned(), Value::Array(tunnels));
        let fields = json!({
            "type": kind, "state": "available", "customerGatewayId": customer, "vpnGatewayId": gateway, "category": "VPN",
            "options": options, "routes": [], "gatewayAssociationState": "associated",
        });
        let id = self.add(Kind::VpnConnection, "vpnConnectionId", fields, p);
        Ok(json!({"vpnConnection": self.show(&id)}))
    }

    pub(super) fn modify_vpn_connection(&mut self, p: &Params) -> Answer {
        refuse(p, &["TransitGatewayId"])?;
        let id = p.required("VpnConnectionId")?;
        for (param, field, kind) in [
            ("CustomerGatewayId", "customerGatewayId", Kind::CustomerGateway),
            ("VpnGatewayId", "vpnGatewayId", Kind::VpnGateway),
        ] {
            if let Some(other) = p.get(param) {
                self.get(kind, other)?;
                self.get_mut(Kind::VpnConnection, id)?.fields.insert(field.to_owned(), json!(other));
            }
        }
        self.get(Kind::VpnConnection, id)?;
        Ok(json!({"vpnConnection": self.show(id)}))
    }

    pub(super) fn modify_vpn_options(&mut self, p: &Params) -> Answer {
        let id = p.required("VpnConnectionId")?;
        let mut options = form::shown(p, "");
        ["vpnConnectionId", "action", "version", "dryRun"].iter().for_each(|other| drop(options.remove(*other)));
        form::over(&mut self.get_mut(Kind::VpnConnection, id)?.fields, object(json!({"options": options})));
        Ok(json!({"vpnConnection": self.show(id)}))
    }

    pub(super) fn modify_vpn_tunnel(&mut self, p: &Params) -> Answer {
        let (id, address) = (p.required("VpnConnectionId")?, p.required("VpnTunnelOutsideIpAddress")?);
        if p.get("PreSharedKeyStorage") == Some("SecretsManager") {
            return Err(Fault::not_implemented("pre-shared keys in Secrets Manager"));
        }
        let change = form::shown(p, "TunnelOptions");
        let connection = self.get_mut(Kind::VpnConnection, id)?;
        let tunnels =
            connection.fields.get_mut("options").and_then(|options| options["tunnelOptionSet"].as_array_mut());
        let tunnel = tunnels.and_then(|all| all.iter_mut().find(|tunnel| tunnel["outsideIpAddress"] == json!(address)));
        match tunnel {
            Some(Value::Object(tunnel)) => form::over(tunnel, change),
            _ => return Err(Fault::invalid(format!("{id} has no tunnel with the address {address}"))),
        }
        Ok(json!({"vpnConnection": self.show(id)}))
    }

    pub(super) fn delete_vpn_connection(&mut self, p: &Params) -> Answer {
        let id = p.required("VpnConnectionId")?;
        self.get(Kind::VpnConnection, id)?;
        self.objects.remove(id);
        done()
    }

    pub(super) fn create_vpn_route(&mut self, p: &Params) -> Answer {
        let (id, range) = (p.required("VpnConnectionId")?, p.required("DestinationCidrBlock")?);
        let connection = self.get_mut(Kind::VpnConnection, id)?;
        if connection.fields.get("options").is_none_or(|options| options["staticRoutesOnly"] == json!(false)) {
            return Err(Fault::new("InvalidVpnConnection.InvalidType", format!("{id} has no static routes")));
        }
        let route = json!({"destinationCidrBlock": range, "source": "Static", "state": "available"});
        edit(connection, "routes", |all| {
            all.retain(|route| route["destinationCidrBlock"] != json!(range));
            all.push(route);
        });
        done()
    }

    pub(super) fn delete_vpn_route(&mut self, p: &Params) -> Answer {
        let (id, range) = (p.required("VpnConnectionId")?, p.required("DestinationCidrBlock")?);
        let connection = self.get_mut(Kind::VpnConnection, id)?;
        if !values(&connection.fields, "routes.destinationCidrBlock").iter().any(|route| route == range) {
            return Err(Fault::new("InvalidRoute.NotFound", format!("{id} has no route to {range}")));
        }
        edit(connection, "routes", |all| all.retain(|route| route["destinationCidrBlock"] != json!(range)));
        done()
    }

    pub(super) fn create_peering(&mut self, p: &Params) -> Answer {
        let (vpc, peer) = (p.required("VpcId")?, p.required("PeerVpcId")?);
        if p.get("PeerOwnerId").is_some_and(|owner| owner != self.account)
            || p.get("PeerRegion").is_some_and(|r| r != self.name)
        {
            return Err(Fault::not_implemented("peerings with other accounts and regions"));
        }
        let side = |id: &str| {
            let range = text(self.get(Kind::Vpc, id)?, "cidrBlock");
            Ok::<_, Fault>(json!({
                "vpcId": id, "ownerId": self.account, "region": self.name, "cidrBlock": range, "cidrBlockSet": [{"cidrBlock": range}],
                "peeringOptions": {"allowDnsResolutionFromRemoteVpc": false},
            }))
        };
        let (requester, accepter) = (side(vpc)?, side(peer)?);
        let range = |side: &Value| side["cidrBlock"].as_str().and_then(Range::parse);
        let overlaps = range(&requester).zip(range(&accepter)).is_some_and(|(a, b)| a.overlaps(b));
        // As in AWS, the request is accepted and the peering then fails.
        let status = if overlaps {
            json!({"code": "failed", "message": "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"})
        } else {
            json!({"code": "pending-acceptance", "message": format!("Pending Acceptance by {}", self.account)})
        };
        let fields = json!({"requesterVpcInfo": requester, "accepterVpcInfo": accepter, "status": status});
        let id = self.add(Kind::VpcPeeringConnection, "vpcPeeringConnectionId", fields, p);
        Ok(json!({"vpcPeeringConnection": self.show(&id)}))
    }

    pub(super) fn accept_peering(&mut self, p: &Params) -> Answer {
        let id = p.required("VpcPeeringConnectionId")?;
        let peering = self.get_mut(Kind::VpcPeeringConnection, id)?;
        match values(&peering.fields, "status.code").first().map(String::as_str) {
            Some("pending-acceptance") => {
                peering.fields.insert("status".to_owned(), json!({"code": "active", "message": "Active"}));
                Ok(json!({"vpcPeeringConnection": self.show(id)}))
            }
            other => {
                let message = format!("Invalid state transition for {id}: it is {}", other.unwrap_or_default());
                Err(Fault::new("InvalidStateTransition", message))
            }
        }
    }

    pub(super) fn modify_peering_options(&mut self, p: &Params) -> Answer {
        let id = p.required("VpcPeeringConnectionId")?;
        let peering = self.get_mut(Kind::VpcPeeringConnection, id)?;
        if values(&peering.fields, "status.code") != ["active"] {
            return Err(Fault::new(
                "OperationNotPermitted",
                format!("Peering {id} is not active. Peering options can be added only to active peerings."),
            ));
        }
        let mut answer = json!({});
        for (param, side, told) in [
            ("RequesterPeeringConnectionOptions", "requesterVpcInfo", "requesterPeeringConnectionOptions"),
            ("AccepterPeeringConnectionOptions", "accepterVpcInfo", "accepterPeeringConnectionOptions"),
        ] {
            let options = form::shown(p, param);
            if !options.is_empty() {
                answer[told] = json!(options);
                form::over(&mut peering.fields, object(json!({side: {"peeringOptions": options}})));
            }
        }
        Ok(answer)
    }

    pub(super) fn delete_peering(&mut self, p: &Params) -> Answer {
        let id = p.required("VpcPeeringConnectionId")?;
        self.get(Kind::VpcPeeringConnection, id)?;
        self.objects.remove(id);
        done()
    }

    /// A deleted VPC's peerings go with it.
    pub(super) fn forget_peerings(&mut self, vpc: &str) {
        let ends = |o: &Object, side: &str| values(&o.fields, side).iter().any(|id| id == vpc);
        self.objects.retain(|_, o| {
            o.kind != Kind::VpcPeeringConnection
                || !(ends(o, "requesterVpcInfo.vpcId") || ends(o, "accepterVpcInfo.vpcId"))
        });
    }
}
