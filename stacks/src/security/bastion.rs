//! The bastion: a machine in a private subnet, reached by Session Manager and so by no open port. Only if SSH is to come from outside, it stands in a
//! public one.

use phx::aws::ec2::{
    Instance, InstanceLaunchTemplate, KeyName, LaunchTemplate, LaunchTemplateBlockDevice, LaunchTemplateData,
    LaunchTemplateEbs, LaunchTemplateIamInstanceProfile, LaunchTemplateMetadataOptions, SecurityGroup,
    SecurityGroupEgressRule, SecurityGroupIngressRule,
};
use phx::aws::iam::InstanceProfile;
use phx::aws::iam::policy::PolicyDocument;
use phx::prelude::*;

use crate::config::Bastion;
use crate::networking::Network;
use crate::platform::Platform;

/// Amazon Linux's newest image when the machine is launched. It stays what it is until the launch template changes.
const IMAGE: &str = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64";

/// Declares it.
pub(super) fn declare(
    scope: &Scope,
    platform: &Platform<'_>,
    network: &Network,
    config: &Bastion,
) -> Result<(Handle<Instance>, Handle<SecurityGroup>)> {
    let name = platform.name("bastion");
    let group = SecurityGroup::new(name.as_str(), "The bastion")
        .vpc_id(platform.vpc.id())
        .default_egress_rule(false)
        .tag("Name", name.as_str());
    let group = scope.add("bastion", group)?;
    // Session Manager is a service that the machine calls, and packages come from S3: both by HTTPS.
    let https = SecurityGroupEgressRule::new(group.id(), "tcp")
        .from_port(443)
        .to_port(443)
        .cidr_ip("0.0.0.0/0".parse::<Ipv4Cidr>()?)
        .description("AWS and packages");
    scope.add("bastion-https", https)?;
    if let Some(range) = config.ssh_cidr {
        let ssh = SecurityGroupIngressRule::new(group.id(), "tcp")
            .from_port(22)
            .to_port(22)
            .cidr_ip(range)
            .description("SSH from the named network");
        scope.add("bastion-ssh", ssh)?;
    }

    let trust = PolicyDocument::assume_role_by_service("ec2.amazonaws.com");
    let policies = ["AmazonSSMManagedInstanceCore"];
    let (role, attached) =
        platform.role_with(scope, "bastion", "Lets Session Manager reach the bastion", trust, &policies)?;
    let profile = InstanceProfile::new(name.as_str()).role_name(role.role_name());
    let profile = scope.add("bastion", profile)?;

    let disk = LaunchTemplateEbs::new().volume_size(10).volume_type("gp3").encrypted(true).delete_on_termination(true);
    let mut data = LaunchTemplateData::new()
        .image_id(IMAGE)
        .instance_type(config.instance_type.as_str())
        .iam_instance_profile(LaunchTemplateIamInstanceProfile::new().name(profile.instance_profile_name()))
        .security_group_ids([group.id()])
        .block_device_mappings([LaunchTemplateBlockDevice::new().device_name("/dev/xvda").ebs(disk)])
        .metadata_options(
            LaunchTemplateMetadataOptions::new()
                .http_endpoint("enabled")
                .http_tokens("required")
                .http_put_response_hop_limit(1),
        );
    if let Some(key) = &config.key_name {
        data = data.key_name(KeyName::new(key));
    }
    let template = scope.add("bastion", LaunchTemplate::new(name.as_str(), data))?;

    let subnets = if config.is_public() { &network.public_subnets } else { &network.private_subnets };
    let subnet = subnets.first().ok_or_else(|| anyhow::anyhow!("there is no subnet for the bastion"))?;
    let template = InstanceLaunchTemplate::new()
        .launch_template_id(template.id())
        .version(phx::format!("{}", template.latest_version_number()));
    let instance = Instance::new().launch_template(template).subnet_id(subnet).tag("Name", name);
    let options = attached.iter().fold(Options::new(), Options::depends_on);
    Ok((scope.add_with("bastion", instance, options)?, group))
}
