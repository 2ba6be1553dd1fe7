//! The options of a [`VpnConnection`](super::VpnConnection) and of its tunnels, and their ways to and from the API.

use aws_sdk_ec2::types as sdk;
use phx_model::Block;
use phx_model::typed::Input;

use crate::arn::Arn;

/// How a VPN connection and its tunnels work, as far as it can be changed.
#[derive(Clone, Debug, Block)]
pub struct VpnConnectionOptions {
    /// The IPv4 range on the customer's side that may use the tunnels. AWS's default: `0.0.0.0/0`.
    #[field(cloud_default)]
    pub local_ipv4_network_cidr: Option<Input<String>>,
    /// The IPv4 range on AWS's side that may use the tunnels. AWS's default: `0.0.0.0/0`.
    #[field(cloud_default)]
    pub remote_ipv4_network_cidr: Option<Input<String>>,
    /// The IPv6 range on the customer's side that may use the tunnels. AWS's default: `::/0`.
    #[field(cloud_default)]
    pub local_ipv6_network_cidr: Option<Input<String>>,
    /// The IPv6 range on AWS's side that may use the tunnels. AWS's default: `::/0`.
    #[field(cloud_default)]
    pub remote_ipv6_network_cidr: Option<Input<String>>,
    /// How much each tunnel can carry: `standard` (1.25 Gbit/s) or `large` (5 Gbit/s). AWS's default: `standard`.
    #[field(cloud_default)]
    pub tunnel_bandwidth: Option<Input<String>>,
    /// The first and the second tunnel. A change interrupts the tunnel that it is about for some minutes.
    #[field(cloud_default)]
    pub tunnel_options: Option<Input<Vec<VpnTunnelOptions>>>,
}

/// How a tunnel works.
#[derive(Clone, Debug, Block)]
pub struct VpnTunnelOptions {
    /// The tunnel's inside IPv4 range: a /30 of `169.254.0.0/16`. AWS's default: one that it chooses.
    #[field(cloud_default)]
    pub tunnel_inside_cidr: Option<Input<String>>,
    /// The tunnel's inside IPv6 range: a /126 of `fd00::/8`. AWS's default: one that it chooses.
    #[field(cloud_default)]
    pub tunnel_inside_ipv6_cidr: Option<Input<String>>,
    /// The key that both ends know: 8 to 64 letters, digits, `.` and `_`, not beginning with 0. AWS's default: one that it makes up.
    #[field(secret, cloud_default)]
    pub pre_shared_key: Option<Input<String>>,
    /// How long phase 1 of the negotiation holds, in seconds: 900 to 28800. AWS's default: 28800.
    #[field(cloud_default)]
    pub phase1_lifetime_seconds: Option<Input<i32>>,
    /// How long phase 2 of the negotiation holds, in seconds: 900 to 3600, less than phase 1. AWS's default: 3600.
    #[field(cloud_default)]
    pub phase2_lifetime_seconds: Option<Input<i32>>,
    /// How many seconds before phase 2 ends AWS negotiates anew: 60 up to half of phase 2. AWS's default: 270.
    #[field(cloud_default)]
    pub rekey_margin_time_seconds: Option<Input<i32>>,
    /// By how much of that time, in per cent, the moment is left to chance: 0 to 100. AWS's default: 100.
    #[field(cloud_default)]
    pub rekey_fuzz_percentage: Option<Input<i32>>,
    /// How many packets the replay window holds: 64 to 2048. AWS's default: 1024.
    #[field(cloud_default)]
    pub replay_window_size: Option<Input<i32>>,
    /// After how many seconds of silence the other end is taken for dead: 30 or more. AWS's default: 30.
    #[field(cloud_default)]
    pub dpd_timeout_seconds: Option<Input<i32>>,
    /// What happens then: `clear`, `none` or `restart`. AWS's default: `clear`.
    #[field(cloud_default)]
    pub dpd_timeout_action: Option<Input<String>>,
    /// Which encryption phase 1 may use: `AES128`, `AES256`, `AES128-GCM-16`, `AES256-GCM-16`. AWS's default: all.
    #[field(set, cloud_default)]
    pub phase1_encryption_algorithms: Option<Input<Vec<String>>>,
    /// Which encryption phase 2 may use: the same ones. AWS's default: all.
    #[field(set, cloud_default)]
    pub phase2_encryption_algorithms: Option<Input<Vec<String>>>,
    /// Which integrity checks phase 1 may use: `SHA1`, `SHA2-256`, `SHA2-384`, `SHA2-512`. AWS's default: all.
    #[field(set, cloud_default)]
    pub phase1_integrity_algorithms: Option<Input<Vec<String>>>,
    /// Which integrity checks phase 2 may use: the same ones. AWS's default: all.
    #[field(set, cloud_default)]
    pub phase2_integrity_algorithms: Option<Input<Vec<String>>>,
    /// Which Diffie-Hellman groups phase 1 may use: 2, 14 to 24. AWS's default: all.
    #[field(set, cloud_default)]
    pub phase1_dh_group_numbers: Option<Input<Vec<i32>>>,
    /// Which Diffie-Hellman groups phase 2 may use: 2, 5, 14 to 24. AWS's default: all.
    #[field(set, cloud_default)]
    pub phase2_dh_group_numbers: Option<Input<Vec<i32>>>,
    /// Which versions of IKE may be used: `ikev1`, `ikev2`. AWS's default: both.
    #[field(set, cloud_default)]
    pub ike_versions: Option<Input<Vec<String>>>,
    /// Who begins: `add` (the customer's device) or `start` (AWS). AWS's default: `add`.
    #[field(cloud_default)]
    pub startup_action: Option<Input<String>>,
    /// What is logged.
    #[field(cloud_default)]
    pub log_options: Option<Input<VpnTunnelLogOptions>>,
    /// Whether AWS asks before it replaces the tunnel's endpoint for maintenance. AWS's default: no.
    #[field(cloud_default)]
    pub enable_tunnel_lifecycle_control: Option<Input<bool>>,
}

/// What is logged of a tunnel.
#[derive(Clone, Debug, Block)]
pub struct VpnTunnelLogOptions {
    /// What goes to CloudWatch Logs.
    #[field(cloud_default)]
    pub cloud_watch_log_options: Option<Input<VpnCloudWatchLogOptions>>,
}

/// What of a tunnel goes to CloudWatch Logs.
#[derive(Clone, Debug, Block)]
pub struct VpnCloudWatchLogOptions {
    /// Whether the tunnel's activity is logged. AWS's default: no.
    #[field(cloud_default)]
    pub log_enabled: Option<Input<bool>>,
    /// The log group for it.
    #[field(cloud_default)]
    pub log_group_arn: Option<Input<Arn>>,
    /// `json` or `text`. AWS's default: `json`.
    #[field(cloud_default)]
    pub log_output_format: Option<Input<String>>,
    /// Whether BGP is logged. AWS's default: no.
    #[field(cloud_default)]
    pub bgp_log_enabled: Option<Input<bool>>,
    /// The log group for it.
    #[field(cloud_default)]
    pub bgp_log_group_arn: Option<Input<Arn>>,
    /// `json` or `text`. AWS's default: `json`.
    #[field(cloud_default)]
    pub bgp_log_output_format: Option<Input<String>>,
}

/// What `CreateVpnConnection` and `ModifyVpnTunnelOptions` take: two shapes with the same fields.
macro_rules! tunnel {
    ($name:ident, $shape:ident) => {
        pub(super) fn $name(want: &VpnTunnelOptionsResolved) -> sdk::$shape {
            let mut shape = sdk::$shape::builder()
                .set_tunnel_inside_cidr(want.tunnel_inside_cidr.clone())
                .set_tunnel_inside_ipv6_cidr(want.tunnel_inside_ipv6_cidr.clone())
                .set_pre_shared_key(want.pre_shared_key.clone())
                .set_phase1_lifetime_seconds(want.phase1_lifetime_seconds)
                .set_phase2_lifetime_seconds(want.phase2_lifetime_seconds)
                .set_rekey_margin_time_seconds(want.rekey_margin_time_seconds)
                .set_rekey_fuzz_percentage(want.rekey_fuzz_percentage)
                .set_replay_window_size(want.replay_window_size)
                .set_dpd_timeout_seconds(want.dpd_timeout_seconds)
                .set_dpd_timeout_action(want.dpd_timeout_action.clone())
                .set_startup_action(want.startup_action.clone())
                .set_log_options(want.log_options.as_ref().map(log_options))
                .set_enable_tunnel_lifecycle_control(want.enable_tunnel_lifecycle_control);
            for text in want.phase1_encryption_algorithms.iter().flatten() {
                let value = sdk::Phase1EncryptionAlgorithmsRequestListValue::builder().value(text).build();
                shape = shape.phase1_encryption_algorithms(value);
            }
            for text in want.phase2_encryption_algorithms.iter().flatten() {
                let value = sdk::Phase2EncryptionAlgorithmsRequestListValue::builder().value(text).build();
                shape = shape.phase2_encryption_algorithms(value);
            }
            for text in want.phase1_integrity_algorithms.iter().flatten() {
                let value = sdk::Phase1IntegrityAlgorithmsRequestListValue::builder().value(text).build();
                shape = shape.phase1_integrity_algorithms(value);
            }
            for text in want.phase2_integrity_algorithms.iter().flatten() {
                let value = sdk::Phase2IntegrityAlgorithmsRequestListValue::builder().value(text).build();
                shape = shape.phase2_integrity_algorithms(value);
            }
            for number in want.phase1_dh_group_numbers.iter().flatten() {
                let value = sdk::Phase1DhGroupNumbersRequestListValue::builder().value(*number).build();
                shape = shape.phase1_dh_group_numbers(value);
            }
            for number in want.phase2_dh_group_numbers.iter().flatten() {
                let value = sdk::Phase2DhGroupNumbersRequestListValue::builder().value(*number).build();
                shape = shape.phase2_dh_group_numbers(value);
            }
            for text in want.ike_versions.iter().flatten() {
                shape = shape.ike_versions(sdk::IkeVersionsRequestListValue::builder().value(text).build());
            }
            shape.build()
        }
    };
}

tunnel!(new_tunnel, VpnTunnelOptionsSpecification);
tunnel!(changed_tunnel, ModifyVpnTunnelOptionsSpecification);

fn log_options(want: &VpnTunnelLogOptionsResolved) -> sdk::VpnTunnelLogOptionsSpecification {
    let logs = want.cloud_watch_log_options.as_ref().map(|logs| {
        sdk::CloudWatchLogOptionsSpecification::builder()
            .set_log_enabled(logs.log_enabled)
            .set_log_group_arn(logs.log_group_arn.as_ref().map(Arn::to_string))
            .set_log_output_format(logs.log_output_format.clone())
            .set_bgp_log_enabled(logs.bgp_log_enabled)
            .set_bgp_log_group_arn(logs.bgp_log_group_arn.as_ref().map(Arn::to_string))
            .set_bgp_log_output_format(logs.bgp_log_output_format.clone())
            .build()
    });
    sdk::VpnTunnelLogOptionsSpecification::builder().set_cloud_watch_log_options(logs).build()
}

/// A tunnel as a program would write it, without its key.
pub(super) fn tunnel(shown: &sdk::TunnelOption) -> VpnTunnelOptionsResolved {
    /// A list, if there is anything in it.
    fn list<T, V>(items: &[T], value: impl Fn(&T) -> Option<V>) -> Option<Vec<V>> {
        Some(items.iter().filter_map(value).collect::<Vec<_>>()).filter(|values| !values.is_empty())
    }
    let logs = shown.log_options().and_then(|l| l.cloud_watch_log_options());
    let logs = logs.map(|logs| VpnCloudWatchLogOptionsResolved {
        log_enabled: logs.log_enabled(),
        log_group_arn: logs.log_group_arn().map(Arn::new),
        log_output_format: logs.log_output_format.clone(),
        bgp_log_enabled: logs.bgp_log_enabled(),
        bgp_log_group_arn: logs.bgp_log_group_arn().map(Arn::new),
        bgp_log_output_format: logs.bgp_log_output_format.clone(),
    });
    VpnTunnelOptionsResolved {
        tunnel_inside_cidr: shown.tunnel_inside_cidr.clone(),
        tunnel_inside_ipv6_cidr: shown.tunnel_inside_ipv6_cidr.clone(),
        pre_shared_key: None,
        phase1_lifetime_seconds: shown.phase1_lifetime_seconds(),
        phase2_lifetime_seconds: shown.phase2_lifetime_seconds(),
        rekey_margin_time_seconds: shown.rekey_margin_time_seconds(),
        rekey_fuzz_percentage: shown.rekey_fuzz_percentage(),
        replay_window_size: shown.replay_window_size(),
        dpd_timeout_seconds: shown.dpd_timeout_seconds(),
        dpd_timeout_action: shown.dpd_timeout_action.clone(),
        phase1_encryption_algorithms: list(shown.phase1_encryption_algorithms(), |v| v.value.clone()),
        phase2_encryption_algorithms: list(shown.phase2_encryption_algorithms(), |v| v.value.clone()),
        phase1_integrity_algorithms: list(shown.phase1_integrity_algorithms(), |v| v.value.clone()),
        phase2_integrity_algorithms: list(shown.phase2_integrity_algorithms(), |v| v.value.clone()),
        phase1_dh_group_numbers: list(shown.phase1_dh_group_numbers(), |v| v.value()),
        phase2_dh_group_numbers: list(shown.phase2_dh_group_numbers(), |v| v.value()),
        ike_versions: list(shown.ike_versions(), |v| v.value.clone()),
        startup_action: shown.startup_action.clone(),
        log_options: logs.map(|logs| VpnTunnelLogOptionsResolved { cloud_watch_log_options: Some(logs) }),
        enable_tunnel_lifecycle_control: shown.enable_tunnel_lifecycle_control(),
    }
}

/// The tunnels in the order in which the program has them, of which AWS knows nothing: a tunnel whose inside range the program sets is
/// found by that, the others are what is left.
pub(super) fn in_order<'a>(
    shown: &'a [sdk::TunnelOption],
    set: &[VpnTunnelOptionsResolved],
) -> Vec<&'a sdk::TunnelOption> {
    let is_it = |shown: &sdk::TunnelOption, set: &VpnTunnelOptionsResolved| {
        let v4 = set.tunnel_inside_cidr.is_some() && set.tunnel_inside_cidr == shown.tunnel_inside_cidr;
        let v6 = set.tunnel_inside_ipv6_cidr.is_some() && set.tunnel_inside_ipv6_cidr == shown.tunnel_inside_ipv6_cidr;
        v4 || v6
    };
    let named: Vec<Option<usize>> = set.iter().map(|set| shown.iter().position(|shown| is_it(shown, set))).collect();
    let mut rest = (0..shown.len()).filter(|at| !named.contains(&Some(*at)));
    let mut order: Vec<usize> = named.iter().filter_map(|at| at.or_else(|| rest.next())).collect();
    order.extend(rest);
    order.into_iter().filter_map(|at| shown.get(at)).collect()
}

/// What shall change: what is wished and is not so already. The key, which may not be told, is taken for the same if the program says so.
pub(super) fn difference(
    want: &VpnTunnelOptionsResolved,
    now: &VpnTunnelOptionsResolved,
    same_key: bool,
) -> Option<VpnTunnelOptionsResolved> {
    fn changed<T: Clone + PartialEq>(want: &Option<T>, now: &Option<T>) -> Option<T> {
        want.clone().filter(|_| want != now)
    }
    fn changed_set<T: Clone + Ord>(want: &Option<Vec<T>>, now: &Option<Vec<T>>) -> Option<Vec<T>> {
        let sorted = |list: &Option<Vec<T>>| {
            let mut list = list.clone();
            if let Some(list) = &mut list {
                list.sort();
            }
            list
        };
        want.clone().filter(|_| sorted(want) != sorted(now))
    }
    let logs = |tunnel: &VpnTunnelOptionsResolved| {
        tunnel.log_options.as_ref().and_then(|logs| logs.cloud_watch_log_options.clone())
    };
    let different_logs = match (logs(want), logs(now)) {
        (None, _) => false,
        (Some(want), now) => now.is_none_or(|now| {
            changed(&want.log_enabled, &now.log_enabled).is_some()
                || changed(&want.log_group_arn, &now.log_group_arn).is_some()
                || changed(&want.log_output_format, &now.log_output_format).is_some()
                || changed(&want.bgp_log_enabled, &now.bgp_log_enabled).is_some()
                || changed(&want.bgp_log_group_arn, &now.bgp_log_group_arn).is_some()
                || changed(&want.bgp_log_output_format, &now.bgp_log_output_format).is_some()
        }),
    };
    let difference = VpnTunnelOptionsResolved {
        tunnel_inside_cidr: changed(&want.tunnel_inside_cidr, &now.tunnel_inside_cidr),
        tunnel_inside_ipv6_cidr: changed(&want.tunnel_inside_ipv6_cidr, &now.tunnel_inside_ipv6_cidr),
        pre_shared_key: want.pre_shared_key.clone().filter(|_| !same_key),
        phase1_lifetime_seconds: changed(&want.phase1_lifetime_seconds, &now.phase1_lifetime_seconds),
        phase2_lifetime_seconds: changed(&want.phase2_lifetime_seconds, &now.phase2_lifetime_seconds),
        rekey_margin_time_seconds: changed(&want.rekey_margin_time_seconds, &now.rekey_margin_time_seconds),
        rekey_fuzz_percentage: changed(&want.rekey_fuzz_percentage, &now.rekey_fuzz_percentage),
        replay_window_size: changed(&want.replay_window_size, &now.replay_window_size),
        dpd_timeout_seconds: changed(&want.dpd_timeout_seconds, &now.dpd_timeout_seconds),
        dpd_timeout_action: changed(&want.dpd_timeout_action, &now.dpd_timeout_action),
        phase1_encryption_algorithms: changed_set(
            &want.phase1_encryption_algorithms,
            &now.phase1_encryption_algorithms,
        ),
        phase2_encryption_algorithms: changed_set(
            &want.phase2_encryption_algorithms,
            &now.phase2_encryption_algorithms,
        ),
        phase1_integrity_algorithms: changed_set(&want.phase1_integrity_algorithms, &now.phase1_integrity_algorithms),
        phase2_integrity_algorithms: changed_set(&want.phase2_integrity_algorithms, &now.phase2_integrity_algorithms),
        phase1_dh_group_numbers: changed_set(&want.phase1_dh_group_numbers, &now.phase1_dh_group_numbers),
        phase2_dh_group_numbers: changed_set(&want.phase2_dh_group_numbers, &now.phase2_dh_group_numbers),
        ike_versions: changed_set(&want.ike_versions, &now.ike_versions),
        startup_action: changed(&want.startup_action, &now.startup_action),
        log_options: want.log_options.clone().filter(|_| different_logs),
        enable_tunnel_lifecycle_control: changed(
            &want.enable_tunnel_lifecycle_control,
            &now.enable_tunnel_lifecycle_control,
        ),
    };
    (difference != tunnel(&sdk::TunnelOption::builder().build())).then_some(difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cidr: &str) -> sdk::TunnelOption {
        sdk::TunnelOption::builder().tunnel_inside_cidr(cidr).outside_ip_address(format!("of {cidr}")).build()
    }

    #[test]
    fn tunnels_are_found_by_their_inside_range() {
        let there = [shown("169.254.1.0/30"), shown("169.254.2.0/30")];
        let cidrs = |set: &[VpnTunnelOptionsResolved]| -> Vec<String> {
            in_order(&there, set).into_iter().filter_map(|t| t.tunnel_inside_cidr.clone()).collect()
        };
        let any = tunnel(&sdk::TunnelOption::builder().build());
        let second = tunnel(&there[1]);
        assert_eq!(cidrs(&[]), ["169.254.1.0/30", "169.254.2.0/30"]);
        assert_eq!(cidrs(std::slice::from_ref(&any)), ["169.254.1.0/30", "169.254.2.0/30"]);
        assert_eq!(cidrs(std::slice::from_ref(&second)), ["169.254.2.0/30", "169.254.1.0/30"]);
        assert_eq!(cidrs(&[any, second]), ["169.254.1.0/30", "169.254.2.0/30"]);
    }

    #[test]
    fn only_what_differs_changes() {
        let now = tunnel(&shown("169.254.1.0/30"));
        assert_eq!(difference(&now, &now, true), None);
        let keyed = VpnTunnelOptionsResolved { pre_shared_key: Some("secret_key".into()), ..now.clone() };
        assert_eq!(difference(&keyed, &now, true), None);
        let sent = difference(&keyed, &now, false).unwrap();
        assert_eq!((sent.pre_shared_key.as_deref(), sent.tunnel_inside_cidr), (Some("secret_key"), None));
        let two = |a: &str, b: &str| Some(vec![a.to_owned(), b.to_owned()]);
        let want = VpnTunnelOptionsResolved { ike_versions: two("ikev2", "ikev1"), ..now.clone() };
        let other = VpnTunnelOptionsResolved { ike_versions: two("ikev1", "ikev2"), ..now };
        assert_eq!(difference(&want, &other, true), None);
    }
}
