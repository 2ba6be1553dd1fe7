//! A small catalogue of images: what Amazon and Canonical publish, two releases of each, so that asking for the latest one is a question.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Fields, Filters, Region, Tags, object};
use crate::wire::{Fault, Params};

const AMAZON: &str = "137112412989";
const CANONICAL: &str = "099720109477";
const EKS: &str = "602401143452";

/// A family of images: owner, name (`ARCH`, `CPU` and `DATE` stand for what differs), releases with their days, root device, size in GiB,
/// what is said of it, and the public SSM parameters that lead to its latest release.
struct Family {
    owner: &'static str,
    name: &'static str,
    releases: [(&'static str, &'static str); 2],
    root: &'static str,
    size: u32,
    description: &'static str,
    parameters: &'static [&'static str],
}

const AL2023: [(&str, &str); 2] =
    [("2023.8.20250915.0", "2025-09-17T21:14:46.000Z"), ("2023.9.20251110.1", "2025-11-12T20:08:31.000Z")];
const UBUNTU: [(&str, &str); 2] = [("20250821", "2025-08-22T02:11:35.000Z"), ("20251022", "2025-10-22T07:31:12.000Z")];
const NODES: [(&str, &str); 2] = [("v20250920", "2025-09-23T18:03:27.000Z"), ("v20251112", "2025-11-14T02:44:10.000Z")];

const FAMILIES: &[Family] = &[
    Family {
        owner: AMAZON,
        name: "al2023-ami-DATE-kernel-6.1-ARCH",
        releases: AL2023,
        root: "/dev/xvda",
        size: 8,
        description: "Amazon Linux 2023 AMI DATE ARCH HVM kernel-6.1",
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-ARCH",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-ARCH",
        ],
    },
    Family {
        owner: AMAZON,
        name: "al2023-ami-minimal-DATE-kernel-6.1-ARCH",
        releases: AL2023,
        root: "/dev/xvda",
        size: 2,
        description: "Amazon Linux 2023 AMI DATE ARCH Minimal HVM kernel-6.1",
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-ARCH",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-6.1-ARCH",
        ],
    },
    Family {
        owner: CANONICAL,
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-CPU-server-DATE",
        releases: UBUNTU,
        root: "/dev/sda1",
        size: 8,
        description: "Canonical, Ubuntu, 24.04, CPU noble image",
        parameters: &["/aws/service/canonical/ubuntu/server/24.04/stable/current/CPU/hvm/ebs-gp3/ami-id"],
    },
    Family {
        owner: CANONICAL,
        name: "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-CPU-server-DATE",
        releases: UBUNTU,
        root: "/dev/sda1",
        size: 8,
        description: "Canonical, Ubuntu, 22.04, CPU jammy image",
        parameters: &["/aws/service/canonical/ubuntu/server/22.04/stable/current/CPU/hvm/ebs-gp2/ami-id"],
    },
    Family {
        owner: EKS,
        name: "amazon-eks-node-al2023-ARCH-standard-1.33-DATE",
        releases: NODES,
        root: "/dev/xvda",
        size: 20,
        description: "EKS-optimized Kubernetes node based on Amazon Linux 2023, (k8s: 1.33.5, containerd: 2.1.*)",
        parameters: &["/aws/service/eks/optimized-ami/1.33/amazon-linux-2023/ARCH/standard/recommended/image_id"],
    },
    Family {
        owner: EKS,
        name: "amazon-eks-node-al2023-ARCH-standard-1.34-DATE",
        releases: NODES,
        root: "/dev/xvda",
        size: 20,
        description: "EKS-optimized Kubernetes node based on Amazon Linux 2023, (k8s: 1.34.1, containerd: 2.1.*)",
        parameters: &["/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/ARCH/standard/recommended/image_id"],
    },
];

const FILTERS: &[(&str, &str)] = &[
    ("image-id", "imageId"),
    ("name", "name"),
    ("architecture", "architecture"),
    ("state", "imageState"),
    ("owner-id", "imageOwnerId"),
    ("owner-alias", "imageOwnerAlias"),
    ("description", "description"),
    ("root-device-type", "rootDeviceType"),
    ("root-device-name", "rootDeviceName"),
    ("virtualization-type", "virtualizationType"),
    ("image-type", "imageType"),
    ("is-public", "isPublic"),
    ("hypervisor", "hypervisor"),
    ("ena-support", "enaSupport"),
    ("platform-details", "platformDetails"),
    ("creation-date", "creationDate"),
    ("block-device-mapping.volume-type", "blockDeviceMapping.ebs.volumeType"),
    ("block-device-mapping.device-name", "blockDeviceMapping.deviceName"),
];

fn filled(text: &str, arch: &str, release: &str) -> String {
    let cpu = if arch == "arm64" { "arm64" } else { "amd64" };
    text.replace("ARCH", arch).replace("CPU", cpu).replace("DATE", release)
}

/// An image's id: always the same one in a region, and another one in another.
fn id(region: &str, name: &str) -> String {
    format!("ami-{}", super::digest(&format!("{region} {name}")))
}

fn images(region: &str) -> BTreeMap<String, Fields> {
    let mut images = BTreeMap::new();
    for family in FAMILIES {
        for arch in ["x86_64", "arm64"] {
            for (release, day) in family.releases {
                let name = filled(family.name, arch, release);
                let id = id(region, &name);
                let alias = (family.owner != CANONICAL).then_some("amazon");
                let mut fields = object(json!({
                    "imageId": id, "name": name, "description": filled(family.description, arch, release), "imageOwnerId": family.owner,
                    "imageOwnerAlias": alias, "imageLocation": format!("{}/{name}", alias.unwrap_or(family.owner)), "imageState": "available",
                    "isPublic": true, "architecture": arch, "imageType": "machine", "creationDate": day, "platformDetails": "Linux/UNIX",
                    "usageOperation": "RunInstances", "rootDeviceType": "ebs", "rootDeviceName": family.root, "virtualizationType": "hvm",
                    "hypervisor": "xen", "enaSupport": true, "sriovNetSupport": "simple",
                    "bootMode": if arch == "arm64" { "uefi" } else { "uefi-preferred" },
                    "imdsSupport": (family.owner != CANONICAL).then_some("v2.0"),
                    "blockDeviceMapping": [{"deviceName": family.root, "ebs": {
                        "deleteOnTermination": true, "snapshotId": id.replace("ami-", "snap-"), "volumeSize": family.size, "volumeType": "gp3",
                        "iops": 3000, "throughput": 125, "encrypted": false,
                    }}],
                }));
                fields.retain(|_, value| !value.is_null());
                images.insert(id, fields);
            }
        }
    }
    images
}

/// The image that a public parameter of SSM leads to in a region:
/// `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64`. `None`: there is no such parameter.
pub(crate) fn public_parameter(region: &str, name: &str) -> Option<String> {
    let arches = ["x86_64", "arm64"];
    let all = FAMILIES.iter().flat_map(|family| arches.map(|arch| (family, arch)));
    let mut leading = all.filter(|(family, arch)| family.parameters.iter().any(|p| filled(p, arch, "") == name));
    let (family, arch) = leading.next()?;
    let [_, (latest, _)] = family.releases;
    Some(id(region, &filled(family.name, arch, latest)))
}

/// What a launch needs to know of an image. Of one that is not in the catalogue it is known what most images have.
pub(super) struct Image {
    pub(super) id: String,
    pub(super) architecture: String,
    pub(super) root: String,
    /// GiB.
    pub(super) size: i64,
    /// Whether instances take metadata requests with a session token only, unless they are told otherwise.
    pub(super) imds_v2: bool,
}

impl Region {
    /// The image that a launch names, by its id or as `resolve:ssm:PARAMETER`.
    pub(super) fn image(&self, name: &str) -> Result<Image, Fault> {
        let unknown = || Fault::new("InvalidAMIID.NotFound", format!("The image id '[{name}]' does not exist"));
        let id = match name.strip_prefix("resolve:ssm:") {
            Some(parameter) => public_parameter(&self.name, parameter).ok_or_else(unknown)?,
            None => name.to_owned(),
        };
        let digits = id.strip_prefix("ami-").unwrap_or_default();
        if ![8, 17].contains(&digits.len()) || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Fault::new(
                "InvalidAMIID.Malformed",
                format!("Invalid id: \"{name}\" (expecting \"ami-...\")"),
            ));
        }
        let known = images(&self.name).remove(&id);
        let text = |field: &str, default: &str| {
            let text = known.as_ref().and_then(|image| image.get(field)?.as_str());
            text.unwrap_or(default).to_owned()
        };
        let size = known.as_ref().and_then(|image| image["blockDeviceMapping"][0]["ebs"]["volumeSize"].as_i64());
        Ok(Image {
            architecture: text("architecture", "x86_64"),
            root: text("rootDeviceName", "/dev/xvda"),
            size: size.unwrap_or(8),
            imds_v2: text("imdsSupport", "") == "v2.0",
            id,
        })
    }

    pub(super) fn describe_images(&self, p: &Params) -> Answer {
        static NO_TAGS: Tags = Tags::new();
        let owners = p.list("Owner");
        let owned = |fields: &Fields| {
            let is = |field: &str, owner: &str| fields.get(field).and_then(Value::as_str) == Some(owner);
            owners.is_empty() || owners.iter().any(|o| is("imageOwnerId", o) || is("imageOwnerAlias", o))
        };
        let all = images(&self.name);
        let ids = p.list("ImageId");
        if let Some(id) = ids.iter().find(|id| !all.contains_key(**id)) {
            return Err(Fault::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")));
        }
        let mine = all.into_iter().filter(|(_, fields)| owned(fields)).map(|(id, fields)| (id, (fields, &NO_TAGS)));
        let (items, next) = super::pick(p, mine.collect(), &ids, &Filters::parse(p, FILTERS)?)?;
        Ok(json!({"imagesSet": items, "nextToken": next}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_parameter_leads_to_the_latest_image() {
        for (parameter, name) in [
            (
                "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
                "al2023-ami-2023.9.20251110.1-kernel-6.1-arm64",
            ),
            (
                "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
                "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022",
            ),
        ] {
            let id = public_parameter("us-west-2", parameter).unwrap();
            assert_eq!(images("us-west-2")[&id]["name"], name);
            assert_ne!(public_parameter("eu-west-1", parameter), Some(id));
        }
        assert_eq!(public_parameter("us-west-2", "/aws/service/none"), None);
        assert_eq!(images("us-west-2").len(), FAMILIES.len() * 4);
    }
}
