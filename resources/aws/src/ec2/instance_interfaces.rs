//! Changes of an [`Instance`](super::Instance)'s network interfaces.

use std::collections::BTreeSet;

use aws_sdk_ec2::types as sdk;
use phx_model::CloudError;
use phx_model::error::ErrorKind;

use super::instance::InstanceChange;
use super::instance_blocks::{
    InstanceConnectionTrackingResolved, InstanceEnaSrdResolved, InstanceNetworkInterfaceResolved,
};
use super::instance_devices::unchangeable;
use super::instance_read::{self, primary};
use super::{Ec2, instance_launch};

/// Addresses of one kind to give to an interface and to take from it.
#[derive(Debug, Default, PartialEq)]
struct Addresses {
    add: Vec<String>,
    remove: Vec<String>,
    /// So many more, of AWS's choice.
    more: Option<i32>,
}

impl Addresses {
    /// From what is there to what is wished: certain ones, or a number of them.
    fn between(now: &[String], want: Option<&[String]>, count: Option<i32>) -> Self {
        match (want, count) {
            (Some(want), _) => {
                let (now, want): (BTreeSet<&String>, BTreeSet<&String>) = (now.iter().collect(), want.iter().collect());
                Self {
                    add: want.difference(&now).map(|a| (*a).clone()).collect(),
                    remove: now.difference(&want).map(|a| (*a).clone()).collect(),
                    more: None,
                }
            }
            (None, Some(count)) => {
                let have = i32::try_from(now.len()).unwrap_or(i32::MAX);
                let surplus = usize::try_from(have.saturating_sub(count)).unwrap_or(0);
                let remove = now.iter().rev().take(surplus).cloned().collect();
                Self { add: Vec::new(), remove, more: Some(count.saturating_sub(have)).filter(|more| *more > 0) }
            }
            (None, None) => Self::default(),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn some(list: &[String]) -> Option<Vec<String>> {
    Some(list.to_vec()).filter(|list| !list.is_empty())
}

/// What changes of one interface.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Change {
    id: String,
    attachment: Option<String>,
    groups: Option<Vec<String>>,
    description: Option<String>,
    delete_on_termination: Option<bool>,
    associate_public_ip_address: Option<bool>,
    primary_ipv6: Option<bool>,
    tracking: Option<InstanceConnectionTrackingResolved>,
    srd: Option<InstanceEnaSrdResolved>,
    ipv4: Addresses,
    ipv4_prefixes: Addresses,
    ipv6: Addresses,
    ipv6_prefixes: Addresses,
}

/// What is to change of the interfaces, or why it cannot.
pub(super) fn changes(
    id: &str,
    instance: &sdk::Instance,
    before: &[InstanceNetworkInterfaceResolved],
    wanted: &[InstanceNetworkInterfaceResolved],
) -> Result<Vec<Change>, CloudError> {
    wanted
        .iter()
        .map(|want| {
            let card = want.network_card_index;
            let shown = instance_read::at_index(instance, want.device_index, card);
            let before = before.iter().find(|b| {
                b.device_index == want.device_index && b.network_card_index.unwrap_or(0) == card.unwrap_or(0)
            });
            let now = instance_read::interface_at(instance, want.device_index, card, before);
            let (Some(shown), Some(now)) = (shown, now) else {
                let message =
                    format!("{id} has no network interface {} on its card {}", want.device_index, card.unwrap_or(0));
                return Err(CloudError::local(ErrorKind::Invalid, message)
                    .hint("interfaces come only with the launch: have a new instance with `phx up --replace`"));
            };
            let attachment = shown.attachment().and_then(|a| a.attachment_id.clone());
            change(id, attachment, &now, want)
        })
        .collect()
}

fn change(
    id: &str,
    attachment: Option<String>,
    now: &InstanceNetworkInterfaceResolved,
    want: &InstanceNetworkInterfaceResolved,
) -> Result<Change, CloudError> {
    fn new<T: Clone + PartialEq>(want: &Option<T>, now: &Option<T>) -> Option<T> {
        want.clone().filter(|_| want != now)
    }
    let first = now.private_ip_address.as_ref();
    let other_first = want
        .private_ip_addresses
        .iter()
        .flatten()
        .any(|address| address.primary == Some(true) && Some(&address.private_ip_address) != first);
    let fixed = [
        ("subnet_id", new(&want.subnet_id, &now.subnet_id).is_some()),
        ("network_interface_id", new(&want.network_interface_id, &now.network_interface_id).is_some()),
        ("private_ip_address", new(&want.private_ip_address, &now.private_ip_address).is_some()),
        // As one of the others it would only be added.
        ("the primary one of private_ip_addresses", other_first),
        (
            "associate_carrier_ip_address",
            new(&want.associate_carrier_ip_address, &now.associate_carrier_ip_address).is_some(),
        ),
        ("interface_type", new(&want.interface_type, &now.interface_type).is_some()),
        ("network_card_index", new(&want.network_card_index, &now.network_card_index).is_some()),
        ("ena_queue_count", new(&want.ena_queue_count, &now.ena_queue_count).is_some()),
    ];
    if let Some((what, _)) = fixed.iter().find(|(_, differs)| *differs) {
        return Err(unchangeable(id, &format!("{what} of the network interface {}", want.device_index)));
    }
    let secondary = |interface: &InstanceNetworkInterfaceResolved| -> Option<Vec<String>> {
        let all = interface.private_ip_addresses.as_ref()?.iter().map(|a| &a.private_ip_address);
        Some(all.filter(|address| Some(*address) != first).cloned().collect())
    };
    let ipv4 = Addresses::between(
        &secondary(now).unwrap_or_default(),
        secondary(want).as_deref(),
        want.secondary_private_ip_address_count,
    );
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let groups = |interface: &InstanceNetworkInterfaceResolved| -> Option<BTreeSet<String>> {
        Some(interface.groups.as_ref()?.iter().map(ToString::to_string).collect())
    };
    Ok(Change {
        id: now.network_interface_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        attachment,
        groups: new(&groups(want), &groups(now)).map(|groups| groups.into_iter().collect()),
        description: new(&want.description, &now.description),
        delete_on_termination: new(&want.delete_on_termination, &now.delete_on_termination),
        associate_public_ip_address: new(&want.associate_public_ip_address, &now.associate_public_ip_address),
        primary_ipv6: new(&want.primary_ipv6, &now.primary_ipv6),
        tracking: new(&want.connection_tracking_specification, &now.connection_tracking_specification),
        srd: new(&want.ena_srd_specification, &now.ena_srd_specification),
        ipv4,
        ipv4_prefixes: Addresses::between(
            &list(&now.ipv4_prefixes),
            want.ipv4_prefixes.as_deref(),
            want.ipv4_prefix_count,
        ),
        ipv6: Addresses::between(&list(&now.ipv6_addresses), want.ipv6_addresses.as_deref(), want.ipv6_address_count),
        ipv6_prefixes: Addresses::between(
            &list(&now.ipv6_prefixes),
            want.ipv6_prefixes.as_deref(),
            want.ipv6_prefix_count,
        ),
    })
}

/// `ModifyNetworkInterfaceAttribute` takes one attribute at a time.
pub(super) async fn apply(ec2: &Ec2, change: &Change) -> Result<(), CloudError> {
    let request = || ec2.modify_network_interface_attribute().network_interface_id(&change.id);
    let mut requests = Vec::new();
    if let Some(groups) = &change.groups {
        requests.push(request().set_groups(Some(groups.clone())));
    }
    if let Some(description) = &change.description {
        requests.push(request().description(sdk::AttributeValue::builder().value(description).build()));
    }
    if let (Some(delete), Some(attachment)) = (change.delete_on_termination, &change.attachment) {
        let attachment = sdk::NetworkInterfaceAttachmentChanges::builder().attachment_id(attachment);
        requests.push(request().attachment(attachment.delete_on_termination(delete).build()));
    }
    if let Some(public) = change.associate_public_ip_address {
        requests.push(request().associate_public_ip_address(public));
    }
    if let Some(tracking) = &change.tracking {
        requests.push(request().connection_tracking_specification(instance_launch::connection_tracking(tracking)));
    }
    if let Some(srd) = &change.srd {
        let udp =
            srd.ena_srd_udp_enabled.map(|on| sdk::EnaSrdUdpSpecification::builder().ena_srd_udp_enabled(on).build());
        let srd = sdk::EnaSrdSpecification::builder().set_ena_srd_enabled(srd.ena_srd_enabled);
        requests.push(request().ena_srd_specification(srd.set_ena_srd_udp_specification(udp).build()));
    }
    for request in requests {
        ec2.write_idempotent("ModifyNetworkInterfaceAttribute", || request.clone().send()).await?;
    }
    set_ipv4(ec2, &change.id, &change.ipv4, &change.ipv4_prefixes).await?;
    set_ipv6(ec2, &change.id, &change.ipv6, &change.ipv6_prefixes).await?;
    // It needs an address to be there.
    match change.primary_ipv6 {
        Some(on) => set_primary_ipv6(ec2, &change.id, on).await,
        None => Ok(()),
    }
}

async fn set_primary_ipv6(ec2: &Ec2, interface: &str, on: bool) -> Result<(), CloudError> {
    let request = ec2.modify_network_interface_attribute().network_interface_id(interface).enable_primary_ipv6(on);
    let done = ec2.write_idempotent("ModifyNetworkInterfaceAttribute", || request.clone().send()).await;
    done.map(drop).map_err(|error| if on { error } else { error.hint("a primary IPv6 address stays one for good") })
}

async fn set_ipv4(ec2: &Ec2, interface: &str, single: &Addresses, prefixes: &Addresses) -> Result<(), CloudError> {
    if !single.remove.is_empty() || !prefixes.remove.is_empty() {
        let request = ec2
            .unassign_private_ip_addresses()
            .network_interface_id(interface)
            .set_private_ip_addresses(some(&single.remove))
            .set_ipv4_prefixes(some(&prefixes.remove));
        ec2.write_idempotent("UnassignPrivateIpAddresses", || request.clone().send()).await?;
    }
    // AWS takes one kind at a time.
    for (single, prefixes) in [(single, &Addresses::default()), (&Addresses::default(), prefixes)] {
        if single.add.is_empty() && prefixes.add.is_empty() && single.more.is_none() && prefixes.more.is_none() {
            continue;
        }
        let request = ec2
            .assign_private_ip_addresses()
            .network_interface_id(interface)
            .set_private_ip_addresses(some(&single.add))
            .set_secondary_private_ip_address_count(single.more)
            .set_ipv4_prefixes(some(&prefixes.add))
            .set_ipv4_prefix_count(prefixes.more);
        // Sent twice, it may give twice as many.
        ec2.write("AssignPrivateIpAddresses", || request.clone().send()).await?;
    }
    Ok(())
}

async fn set_ipv6(ec2: &Ec2, interface: &str, single: &Addresses, prefixes: &Addresses) -> Result<(), CloudError> {
    if !single.remove.is_empty() || !prefixes.remove.is_empty() {
        let request = ec2
            .unassign_ipv6_addresses()
            .network_interface_id(interface)
            .set_ipv6_addresses(some(&single.remove))
            .set_ipv6_prefixes(some(&prefixes.remove));
        ec2.write_idempotent("UnassignIpv6Addresses", || request.clone().send()).await?;
    }
    for (single, prefixes) in [(single, &Addresses::default()), (&Addresses::default(), prefixes)] {
        if single.add.is_empty() && prefixes.add.is_empty() && single.more.is_none() && prefixes.more.is_none() {
            continue;
        }
        let request = ec2
            .assign_ipv6_addresses()
            .network_interface_id(interface)
            .set_ipv6_addresses(some(&single.add))
            .set_ipv6_address_count(single.more)
            .set_ipv6_prefixes(some(&prefixes.add))
            .set_ipv6_prefix_count(prefixes.more);
        // Sent twice, it may give twice as many.
        ec2.write("AssignIpv6Addresses", || request.clone().send()).await?;
    }
    Ok(())
}

/// What changes of the first interface's IPv6 addresses by the instance's own fields.
pub(super) async fn change_ipv6(
    ec2: &Ec2,
    instance: &sdk::Instance,
    change: &InstanceChange,
) -> Result<(), CloudError> {
    let addresses = change.ipv6_addresses.as_ref().and_then(|c| c.after.as_deref());
    let count = change.ipv6_address_count.as_ref().and_then(|c| c.after);
    let stays = change.enable_primary_ipv6.as_ref().and_then(|c| c.after);
    if addresses.is_none() && count.is_none() && stays.is_none() {
        return Ok(());
    }
    let Some(first) = primary(instance) else { return Ok(()) };
    let Some(interface) = first.network_interface_id() else { return Ok(()) };
    let now: Vec<String> = first.ipv6_addresses().iter().filter_map(|a| a.ipv6_address.clone()).collect();
    let single = Addresses::between(&now, addresses, count);
    if !single.is_empty() {
        set_ipv6(ec2, interface, &single, &Addresses::default()).await?;
    }
    match stays {
        Some(on) => set_primary_ipv6(ec2, interface, on).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::value::Val;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn addresses_change_by_difference_or_by_number() {
        let now = list(&["a", "b"]);
        let by_name = Addresses::between(&now, Some(&list(&["b", "c"])), Some(9));
        assert_eq!(by_name, Addresses { add: list(&["c"]), remove: list(&["a"]), more: None });
        assert_eq!(Addresses::between(&now, None, Some(3)), Addresses { more: Some(1), ..Addresses::default() });
        assert_eq!(Addresses::between(&now, None, Some(1)), Addresses { remove: list(&["b"]), ..Addresses::default() });
        assert!(Addresses::between(&now, None, Some(2)).is_empty() && Addresses::between(&now, None, None).is_empty());
    }

    #[test]
    fn what_was_decided_at_the_launch_is_refused() {
        let interface = |json: &str| {
            let value = serde_json::from_str::<phx_model::Value>(json).unwrap();
            super::super::instance_blocks::InstanceNetworkInterface::from_value(&value).unwrap()
        };
        let now =
            interface(r#"{"device_index":0,"subnet_id":"subnet-1","groups":["sg-1"],"network_interface_id":"eni-1"}"#);
        let want = interface(r#"{"device_index":0,"subnet_id":"subnet-1","groups":["sg-2"],"description":"d"}"#);
        let made = change("i-1", None, &now, &want).unwrap();
        assert_eq!(
            (made.groups, made.description.as_deref(), made.id.as_str()),
            (Some(list(&["sg-2"])), Some("d"), "eni-1")
        );
        let moved = interface(r#"{"device_index":0,"subnet_id":"subnet-2"}"#);
        assert!(change("i-1", None, &now, &moved).unwrap_err().message.contains("subnet_id"));
    }
}
