//! What EKS offers: versions of Kubernetes, and add-ons with theirs.
//!
//! It is a catalogue of a day, the last of January 2026, and not AWS's own: a version of an add-on that it lacks is taken all the same, if it
//! is written as one.

use serde_json::{Value, json};

use super::{Eks, invalid};
use crate::service::Call;
use crate::shape::{fault, limit, page};
use crate::wire::Fault;

/// The certificate of every cluster's authority, in base64 of PEM: one that signs nothing, since nobody has its key.
pub(super) const AUTHORITY: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJnakNDQVNlZ0F3SUJBZ0lVWmNINDFIQUg1QUp5WHJhSDlTcUk3NjJwZlBZd0NnWUlLb1pJemowRUF3SXcKRlRFVE1CRUdBMVVFQXd3S2EzVmlaWEp1WlhSbGN6QWdGdzB5TmpFeE1qVXhPRE01TURsYUdBOHlNVEkyTVRFdwpNVEU0TXprd09Wb3dGVEVUTUJFR0ExVUVBd3dLYTNWaVpYSnVaWFJsY3pCWk1CTUdCeXFHU000OUFnRUdDQ3FHClNNNDlBd0VIQTBJQUJLT0N4dUxSWU41cERjQ0xpRlB1Q213VkpQU3ZoQy9YK3VjcVNqbmJGRFNMK3VZRUF3bHkKWW5MaFQ5YzJ5ZHB1MTZuRlF1dW4weXVxejJVUi85SFJqTjJqVXpCUk1CMEdBMVVkRGdRV0JCUnJ0YncyeHlDeApPNERyWUpyQ3lvSW5xOHRPcGpBZkJnTlZIU01FR0RBV2dCUnJ0YncyeHlDeE80RHJZSnJDeW9JbnE4dE9wakFQCkJnTlZIUk1CQWY4RUJUQURBUUgvTUFvR0NDcUdTTTQ5QkFNQ0Ewa0FNRVlDSVFDZG9FcGlmU2cwaFBTdG4vanoKQnZSc04rV0d2Vk91TEYxQmVsdHM0SUFXOHdJaEFOYVkwazZKVnpiNGVaUFh6aVhZL3FvckRxdGFUSm5UN2dUSApLZXM5TjE3bgotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==";

/// A version of Kubernetes: its number, its patch, EKS's platform, and the days of its release and of the ends of standard and extended support.
/// <https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html>
struct Version(&'static str, &'static str, &'static str, [&'static str; 3]);

/// The newest first.
const VERSIONS: &[Version] = &[
    Version("1.35", "1.35.0", "eks.3", ["2026-01-27", "2027-03-27", "2028-03-27"]),
    Version("1.34", "1.34.2", "eks.13", ["2025-10-02", "2026-12-02", "2027-12-02"]),
    Version("1.33", "1.33.5", "eks.27", ["2025-05-29", "2026-07-29", "2027-07-29"]),
    Version("1.32", "1.32.9", "eks.34", ["2025-01-23", "2026-03-23", "2027-03-23"]),
    Version("1.31", "1.31.13", "eks.50", ["2024-09-26", "2025-11-26", "2026-11-26"]),
    Version("1.30", "1.30.14", "eks.58", ["2024-05-23", "2025-07-23", "2026-07-23"]),
];
/// The day of the machine images that node groups start with.
const IMAGES: &str = "20260129";

/// An add-on: its name, its kind, the namespace of its pods, and its newest versions, the newest first.
struct AddonKind(&'static str, &'static str, &'static str, &'static [&'static str]);

/// `{}` stands for the version of Kubernetes.
const ADDONS: &[AddonKind] = &[
    AddonKind(
        "vpc-cni",
        "networking",
        "kube-system",
        &["v1.21.1-eksbuild.3", "v1.20.4-eksbuild.2", "v1.19.6-eksbuild.7"],
    ),
    AddonKind(
        "coredns",
        "networking",
        "kube-system",
        &["v1.13.1-eksbuild.1", "v1.12.4-eksbuild.1", "v1.11.4-eksbuild.24"],
    ),
    AddonKind("kube-proxy", "networking", "kube-system", &["v{}.0-eksbuild.2"]),
    AddonKind("eks-pod-identity-agent", "security", "kube-system", &["v1.3.10-eksbuild.2", "v1.3.9-eksbuild.5"]),
    AddonKind(
        "aws-ebs-csi-driver",
        "storage",
        "kube-system",
        &["v1.55.0-eksbuild.1", "v1.54.0-eksbuild.1", "v1.48.0-eksbuild.2"],
    ),
    AddonKind("aws-efs-csi-driver", "storage", "kube-system", &["v2.3.0-eksbuild.1", "v2.1.14-eksbuild.1"]),
    AddonKind("aws-fsx-csi-driver", "storage", "kube-system", &["v1.8.0-eksbuild.1"]),
    AddonKind("aws-mountpoint-s3-csi-driver", "storage", "kube-system", &["v2.2.2-eksbuild.1", "v1.15.0-eksbuild.1"]),
    AddonKind("snapshot-controller", "storage", "kube-system", &["v8.4.0-eksbuild.1", "v8.3.0-eksbuild.1"]),
    AddonKind("metrics-server", "observability", "kube-system", &["v0.8.0-eksbuild.6", "v0.7.2-eksbuild.4"]),
    AddonKind("kube-state-metrics", "observability", "kube-state-metrics", &["v2.17.0-eksbuild.4"]),
    AddonKind("prometheus-node-exporter", "observability", "prometheus-node-exporter", &["v1.10.2-eksbuild.4"]),
    AddonKind("fluent-bit", "observability", "fluent-bit", &["v4.2.0-eksbuild.1"]),
    AddonKind(
        "amazon-cloudwatch-observability",
        "observability",
        "amazon-cloudwatch",
        &["v4.9.0-eksbuild.1", "v4.7.0-eksbuild.1"],
    ),
    AddonKind("adot", "observability", "opentelemetry-operator-system", &["v0.141.0-eksbuild.1"]),
    AddonKind("eks-node-monitoring-agent", "observability", "kube-system", &["v1.5.1-eksbuild.1", "v1.4.1-eksbuild.1"]),
    AddonKind(
        "aws-network-flow-monitoring-agent",
        "observability",
        "amazon-network-flow-monitor",
        &["v1.1.2-eksbuild.1"],
    ),
    AddonKind("aws-guardduty-agent", "security", "amazon-guardduty", &["v1.12.1-eksbuild.2"]),
    AddonKind("aws-privateca-connector-for-kubernetes", "security", "aws-privateca-issuer", &["v1.7.0-eksbuild.1"]),
    AddonKind("aws-secrets-store-csi-driver-provider", "security", "aws-secrets-manager", &["v2.1.1-eksbuild.1"]),
    AddonKind("cert-manager", "security", "cert-manager", &["v1.19.2-eksbuild.1"]),
    AddonKind("external-dns", "networking", "external-dns", &["v0.20.0-eksbuild.2"]),
];

/// The place of a version in [`VERSIONS`].
fn place(version: &str) -> Option<usize> {
    VERSIONS.iter().position(|known| known.0 == version)
}

/// The version of a cluster that names none.
pub(super) fn newest() -> &'static str {
    VERSIONS.first().map_or("", |version| version.0)
}

/// EKS's platform of a version.
pub(super) fn platform(version: &str) -> &'static str {
    place(version).map_or("eks.1", |at| VERSIONS[at].2)
}

/// Refuses a version that there is none of.
pub(super) fn check_version(version: &str) -> Result<(), Fault> {
    place(version).map(drop).ok_or_else(|| invalid(format!("unsupported Kubernetes version {version}")))
}

/// How many versions `to` is newer than `from`: less than none if it is older.
pub(super) fn steps(from: &str, to: &str) -> Option<i64> {
    let (from, to) = (i64::try_from(place(from)?).ok()?, i64::try_from(place(to)?).ok()?);
    Some(from - to)
}

/// The release of the machine images of a version.
pub(super) fn release(version: &str) -> String {
    let patch = place(version).map_or(version, |at| VERSIONS[at].1);
    format!("{patch}-{IMAGES}")
}

/// The version of an add-on that names none.
pub(super) fn addon_version(addon: &str, kubernetes: &str) -> Option<String> {
    versions_of(addon, kubernetes).first().cloned()
}

fn versions_of(addon: &str, kubernetes: &str) -> Vec<String> {
    let known = ADDONS.iter().find(|known| known.0 == addon);
    known.map_or_else(Vec::new, |known| known.3.iter().map(|version| version.replace("{}", kubernetes)).collect())
}

/// The namespace of an add-on's pods.
pub(super) fn addon_namespace(addon: &str) -> &'static str {
    ADDONS.iter().find(|known| known.0 == addon).map_or("kube-system", |known| known.2)
}

/// Whether a text is written as add-ons' versions are: `v1.2.3-eksbuild.4`.
pub(super) fn is_addon_version(text: &str) -> bool {
    let numbers = |text: &str, count: usize| {
        let parts: Vec<&str> = text.split('.').collect();
        parts.len() == count && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let Some((version, build)) = text.strip_prefix('v').and_then(|text| text.split_once("-eksbuild.")) else {
        return false;
    };
    // Some have a word in between: `v1.19.0-minimal-eksbuild.1`.
    numbers(version.split('-').next().unwrap_or_default(), 3) && numbers(build, 1)
}

impl Eks {
    pub(super) fn describe_versions(&self, call: &Call) -> Result<Value, Fault> {
        let now = jiff::Timestamp::now().to_string();
        let wanted = call.queries("clusterVersions");
        let status =
            call.query("versionStatus").or_else(|| call.query("status")).map(|s| s.to_uppercase().replace('-', "_"));
        let default_only = call.query("defaultOnly").as_deref() == Some("true");
        let seconds = |day: &str| {
            let at = format!("{day}T00:00:00Z").parse::<jiff::Timestamp>();
            at.map(jiff::Timestamp::as_second).unwrap_or_default()
        };
        let all = VERSIONS.iter().enumerate().map(|(at, Version(version, patch, platform, [released, standard, extended]))| {
            let state = if now.as_str() < *standard { "STANDARD_SUPPORT" } else { "EXTENDED_SUPPORT" };
            json!({
                "clusterVersion": version, "clusterType": "eks", "defaultPlatformVersion": platform, "defaultVersion": at == 0,
                "releaseDate": seconds(released), "endOfStandardSupportDate": seconds(standard),
                "endOfExtendedSupportDate": seconds(extended), "status": state.to_lowercase().replace('_', "-"), "versionStatus": state,
                "kubernetesPatchVersion": patch,
            })
        });
        let chosen = all.filter(|version| {
            (wanted.is_empty() || wanted.iter().any(|w| version["clusterVersion"] == w.as_str()))
                && status.as_deref().is_none_or(|s| version["versionStatus"] == s)
                && (!default_only || version["defaultVersion"] == true)
        });
        let token = call.query("nextToken");
        let (all, next) = page(chosen.collect(), token.as_deref(), limit(&json!(call.query("maxResults")), 100))?;
        Ok(json!({"clusterVersions": all, "nextToken": next}))
    }

    pub(super) fn describe_addon_versions(&self, call: &Call) -> Result<Value, Fault> {
        let (name, kubernetes) = (call.query("addonName"), call.query("kubernetesVersion"));
        if let Some(version) = &kubernetes {
            check_version(version)?;
        }
        if let Some(name) = name.as_ref().filter(|name| !ADDONS.iter().any(|known| known.0 == name.as_str())) {
            return Err(fault(404, "ResourceNotFoundException", format!("Addon {name} specified is not supported")));
        }
        let (types, owners, publishers) = (call.queries("types"), call.queries("owners"), call.queries("publishers"));
        let chosen = |known: &&AddonKind| {
            name.as_ref().is_none_or(|name| known.0 == name.as_str())
                && (types.is_empty() || types.iter().any(|kind| known.1 == kind.as_str()))
                && (owners.is_empty() || owners.iter().any(|owner| owner == "aws"))
                && (publishers.is_empty() || publishers.iter().any(|publisher| publisher == "eks"))
        };
        let shown = |AddonKind(addon, kind, namespace, patterns): &AddonKind| {
            let clusters =
                VERSIONS.iter().map(|v| v.0).filter(|v| kubernetes.as_deref().is_none_or(|wanted| wanted == *v));
            let mut versions: Vec<Value> = Vec::new();
            for (at, pattern) in patterns.iter().enumerate() {
                // One version for all clusters, or one for each.
                let groups: Vec<Vec<&str>> = match pattern.contains("{}") {
                    true => clusters.clone().map(|cluster| vec![cluster]).collect(),
                    false => vec![clusters.clone().collect()],
                };
                for group in groups {
                    let compatible = group.iter().map(|cluster| {
                        json!({"clusterVersion": cluster, "platformVersions": ["*"], "defaultVersion": at == 0})
                    });
                    versions.push(json!({
                        "addonVersion": pattern.replace("{}", group.first().copied().unwrap_or_default()),
                        "architecture": ["amd64", "arm64"], "computeTypes": ["ec2", "hybrid", "auto"],
                        "compatibilities": compatible.collect::<Vec<_>>(), "requiresConfiguration": false, "requiresIamPermissions": false,
                    }));
                }
            }
            json!({
                "addonName": addon, "type": kind, "addonVersions": versions, "publisher": "eks", "owner": "aws",
                "defaultNamespace": namespace,
            })
        };
        let all: Vec<Value> = ADDONS.iter().filter(chosen).map(shown).collect();
        let token = call.query("nextToken");
        let (all, next) = page(all, token.as_deref(), limit(&json!(call.query("maxResults")), 100))?;
        Ok(json!({"addons": all, "nextToken": next}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_counted_up() {
        assert_eq!(steps("1.33", "1.34"), Some(1));
        assert_eq!(steps("1.34", "1.33"), Some(-1));
        assert_eq!(steps("1.34", "9.99"), None);
        assert!(check_version(newest()).is_ok() && check_version("1.3").is_err());
        assert_eq!(release("1.34"), format!("1.34.2-{IMAGES}"));
    }

    #[test]
    fn add_ons_have_versions_of_their_own_form() {
        for (text, is) in [
            ("v1.19.0-eksbuild.1", true),
            ("v1.19.0-minimal-eksbuild.1", true),
            ("1.19.0-eksbuild.1", false),
            ("v1.19-eksbuild.1", false),
            ("v1.19.0", false),
            ("latest", false),
        ] {
            assert_eq!(is_addon_version(text), is, "{text}");
        }
        for AddonKind(name, ..) in ADDONS {
            assert!(addon_version(name, newest()).is_some_and(|version| is_addon_version(&version)), "{name}");
        }
        assert_eq!(addon_version("kube-proxy", "1.34").as_deref(), Some("v1.34.0-eksbuild.2"));
    }
}
