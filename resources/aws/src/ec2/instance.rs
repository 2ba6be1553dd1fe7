//! [`Instance`].
//!
//! Its groups of fields are in [`instance_blocks`](super::instance_blocks), what is sent at the launch in `instance_launch`, how
//! answers are read in `instance_read`, and what a change takes in `instance_update`, `instance_devices` and `instance_interfaces`.
//!
//! No emulator serves placement, processors, credits, maintenance, capacity reservations, private DNS names, secondary addresses and
//! interfaces, license configurations, or an instance that is on its way or fails; those parts follow the service model alone.

use std::collections::BTreeMap;

use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by_intent};
use super::instance_blocks::{
    InstanceBlockDevice, InstanceCapacityReservation, InstanceCpuOptions, InstanceCreditSpecification,
    InstanceEnclaveOptions, InstanceHibernation, InstanceIamProfile, InstanceLaunchTemplate, InstanceLicense,
    InstanceMaintenanceOptions, InstanceMarketOptions, InstanceMetadataOptions, InstanceMonitoring,
    InstanceNetworkInterface, InstanceNetworkPerformance, InstancePlacement, InstancePrivateDnsNameOptions,
    InstanceSecondaryInterface,
};
use super::place::Place;
use super::{InstanceId, KeyName, NetworkInterfaceId, SecurityGroupId, SubnetId, VolumeId, VpcId, tagging};
use super::{instance_launch, instance_read, instance_update, user_data};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// A virtual machine.
///
/// What AWS changes only while an instance is stopped (its type, its user data and some more) is changed by a stop and a start. A part of
/// a device or of an interface that cannot be changed at all (whether a volume is encrypted, an interface's subnet) is refused with the
/// advice to replace the instance: phx does not throw away what is on it for that.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html>
#[derive(Clone, Debug, Resource)]
#[resource(type = "aws:ec2:Instance", terraform = "aws_instance", cloudformation = "AWS::EC2::Instance", identity = IntentTag)]
pub struct Instance {
    /// The image that it begins with: `ami-0a1b`. Required without a launch template.
    #[field(replace, cloud_default)]
    pub image_id: Option<Input<String>>,
    /// Its type: `t3.micro`. A change needs a stop and a start. AWS's default: `m1.small`.
    #[field(cloud_default)]
    pub instance_type: Option<Input<String>>,
    /// The key pair to log in with.
    #[field(replace, cloud_default)]
    pub key_name: Option<Input<KeyName>>,
    /// The subnet that it stands in. AWS's default: one of the default VPC.
    #[field(replace, cloud_default)]
    pub subnet_id: Option<Input<SubnetId>>,
    /// The zone that it stands in, if no subnet says it: `us-west-2a`. A part of AWS's `Placement`.
    #[field(replace, cloud_default)]
    pub availability_zone: Option<Input<String>>,
    /// The zone's id, in place of its name: `usw2-az1`. A part of AWS's `Placement`.
    #[field(replace, cloud_default)]
    pub availability_zone_id: Option<Input<String>>,
    /// Its security groups. AWS's default: the VPC's own.
    #[field(set, cloud_default)]
    pub security_group_ids: Option<Input<Vec<SecurityGroupId>>>,
    /// Its first private IPv4 address. AWS's default: any of the subnet.
    #[field(replace, cloud_default)]
    pub private_ip_address: Option<Input<String>>,
    /// How many IPv6 addresses its first network interface has.
    #[field(cloud_default)]
    pub ipv6_address_count: Option<Input<i32>>,
    /// The IPv6 addresses of its first network interface, in place of their number.
    #[field(set, cloud_default)]
    pub ipv6_addresses: Option<Input<Vec<String>>>,
    /// Whether its first IPv6 address stays the same for good. AWS's default: no. Once it is so, it stays so.
    #[field(cloud_default)]
    pub enable_primary_ipv6: Option<Input<bool>>,
    /// Its network interfaces, in place of `subnet_id`, `security_group_ids` and addresses.
    #[field(set, cloud_default)]
    pub network_interfaces: Option<Input<Vec<InstanceNetworkInterface>>>,
    /// Its secondary network interfaces.
    #[field(replace, set, cloud_default)]
    pub secondary_interfaces: Option<Input<Vec<InstanceSecondaryInterface>>>,
    /// Whether its first network interface takes only what is addressed to it: no, for one that passes on others' traffic. AWS's default: yes.
    #[field(cloud_default)]
    pub source_dest_check: Option<Input<bool>>,
    /// Its devices; those of the image that are not named here are as the image has them. Volumes of their own are attached with
    /// [`VolumeAttachment`](super::VolumeAttachment).
    #[field(set, cloud_default)]
    pub block_device_mappings: Option<Input<Vec<InstanceBlockDevice>>>,
    /// The tags of the volumes that are made with it.
    pub volume_tags: Option<Input<BTreeMap<String, String>>>,
    /// Whether it has bandwidth of its own for volumes. A change needs a stop and a start. AWS's default: as the type has it.
    #[field(cloud_default)]
    pub ebs_optimized: Option<Input<bool>>,
    /// What it runs when it starts first, up to 16 KiB: a script, a cloud-config. Text that is not base64 is encoded by phx; text that is
    /// base64 is sent as it is. A change needs a stop and a start, and most images do not run it again.
    #[field(normalize = user_data::meaning)]
    pub user_data: Option<Input<String>>,
    /// The instance profile whose role it has.
    pub iam_instance_profile: Option<Input<InstanceIamProfile>>,
    /// Whether it is monitored in detail. AWS's default: no.
    #[field(cloud_default)]
    pub monitoring: Option<Input<InstanceMonitoring>>,
    /// Where it runs. A change needs a stop and a start.
    #[field(cloud_default)]
    pub placement: Option<Input<InstancePlacement>>,
    /// How what runs on it gets at its metadata.
    #[field(cloud_default)]
    pub metadata_options: Option<Input<InstanceMetadataOptions>>,
    /// What it does when its CPU credits are used up, for burstable types.
    #[field(cloud_default)]
    pub credit_specification: Option<Input<InstanceCreditSpecification>>,
    /// Its processors. A change needs a stop and a start. AWS's default: as the type has them.
    #[field(cloud_default)]
    pub cpu_options: Option<Input<InstanceCpuOptions>>,
    /// Which capacity reservations it uses. A change needs a stop and a start.
    #[field(cloud_default)]
    pub capacity_reservation_specification: Option<Input<InstanceCapacityReservation>>,
    /// Whether it can hibernate. AWS's default: no.
    #[field(replace, cloud_default)]
    pub hibernation_options: Option<Input<InstanceHibernation>>,
    /// The licenses that it counts against. AWS's default: the image's.
    #[field(replace, set, cloud_default)]
    pub license_specifications: Option<Input<Vec<InstanceLicense>>>,
    /// Whether it can have enclaves. A change needs a stop and a start.
    #[field(cloud_default)]
    pub enclave_options: Option<Input<InstanceEnclaveOptions>>,
    /// What its private DNS name is made of.
    #[field(cloud_default)]
    pub private_dns_name_options: Option<Input<InstancePrivateDnsNameOptions>>,
    /// What AWS may do when its host fails.
    #[field(cloud_default)]
    pub maintenance_options: Option<Input<InstanceMaintenanceOptions>>,
    /// What its bandwidth is for. A change needs a stop and a start.
    #[field(cloud_default)]
    pub network_performance_options: Option<Input<InstanceNetworkPerformance>>,
    /// Whether it cannot be stopped by the API. phx cannot change what needs a stop, while this is so. AWS's default: no.
    #[field(cloud_default)]
    pub disable_api_stop: Option<Input<bool>>,
    /// Whether it cannot be terminated by the API, by phx neither, until this is set to false. AWS's default: no.
    #[field(cloud_default)]
    pub disable_api_termination: Option<Input<bool>>,
    /// `stop` or `terminate`: what happens when it shuts itself down. AWS's default: `stop`.
    #[field(cloud_default)]
    pub instance_initiated_shutdown_behavior: Option<Input<String>>,
    /// How it is paid for. AWS's default: on demand.
    #[field(replace, cloud_default)]
    pub instance_market_options: Option<Input<InstanceMarketOptions>>,
    /// The launch template that fills in what is not set here. A new version of it makes a new instance only if the version is a number.
    #[field(replace)]
    pub launch_template: Option<Input<InstanceLaunchTemplate>>,
    /// The kernel of a paravirtual image. A change needs a stop and a start.
    #[field(cloud_default)]
    pub kernel_id: Option<Input<String>>,
    /// The RAM disk of a paravirtual image. A change needs a stop and a start.
    #[field(cloud_default)]
    pub ramdisk_id: Option<Input<String>>,
    /// Whether its network goes by an Elastic Network Adapter. A change needs a stop and a start. AWS's default: as the image says.
    #[field(cloud_default)]
    pub ena_support: Option<Input<bool>>,
    /// `simple`: its network goes by an Intel 82599 virtual function. It needs a stop and a start, and cannot be taken back.
    #[field(cloud_default)]
    pub sriov_net_support: Option<Input<String>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of an [`Instance`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct InstanceOutputs {
    /// Its id.
    pub id: InstanceId,
    /// Its ARN.
    pub arn: Arn,
    /// The zone that it stands in.
    pub availability_zone: Option<String>,
    /// The VPC that it stands in.
    pub vpc_id: Option<VpcId>,
    /// The subnet that it stands in.
    pub subnet_id: Option<SubnetId>,
    /// Its first network interface.
    pub primary_network_interface_id: Option<NetworkInterfaceId>,
    /// The volume of its root device.
    pub root_volume_id: Option<VolumeId>,
    /// Its first private IPv4 address.
    pub private_ip_address: Option<String>,
    /// Its private DNS name.
    #[output(volatile)]
    pub private_dns_name: Option<String>,
    /// Its public IPv4 address, if it has one.
    #[output(volatile)]
    pub public_ip_address: Option<String>,
    /// Its public DNS name, if it has one.
    #[output(volatile)]
    pub public_dns_name: Option<String>,
}

impl Manage for Instance {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        instance_read::read_many(&ec2, &Place::of(aws, cx).await?, targets).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &InstanceResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let instance = instance_launch::run(&ec2, cx, want, intent).await?;
        let outputs = instance_read::outputs(&place, &instance);
        let outputs = outputs.ok_or_else(|| ec2.unexpected("RunInstances", "the answer names no instance"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: false })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &InstanceResolved,
    ) -> Result<Option<InstanceOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let instance = instance_update::running(&ec2, cx, id).await?;
        let instance = instance_update::complete(&ec2, cx, id, want, instance).await?;
        Ok(instance_read::outputs(&place, &instance))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &InstanceResolved,
        change: &InstanceChange,
    ) -> Result<Option<InstanceOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let instance = instance_update::update(&ec2, cx, id, want, change).await?;
        Ok(instance.and_then(|instance| instance_read::outputs(&place, &instance)))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&InstanceResolved>) -> Result<(), CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        let Some(instance) = instance_read::one(ec2, id).await? else { return Ok(()) };
        if instance_read::state(&instance) == "terminated" {
            return Ok(());
        }
        if let Some(request) = instance.spot_instance_request_id().filter(|request| !request.is_empty()) {
            // A persistent one would start another instance.
            let cancel = ec2.cancel_spot_instance_requests().spot_instance_request_ids(request);
            match ec2.write_idempotent("CancelSpotInstanceRequests", || cancel.clone().send()).await {
                Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let request = ec2.terminate_instances().instance_ids(id);
        match ec2.write_idempotent("TerminateInstances", || request.clone().send()).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.code.as_deref() == Some("OperationNotPermitted") => {
                return Err(error.hint("if it is protected: set disable_api_termination to false first"));
            }
            Err(error) => return Err(error),
        }
        // Until then its interfaces hold the subnet and the security groups, and its volumes are in use.
        until(cx, &format!("instance {id}"), || async move {
            let instance = instance_read::one(ec2, id).await?;
            Ok(match instance.as_ref().map(instance_read::state) {
                None | Some("terminated") => Stage::Ready(()),
                Some(state) => Stage::Waiting(state.to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &InstanceResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let instances = describe::instances(&ec2, by_intent(intent)).await?;
        let living = |i: &&aws_sdk_ec2::types::Instance| !instance_read::is_over(instance_read::state(i));
        let mine = instances.iter().filter(living).find(|i| tagging::has_intent(i.tags(), intent));
        let place = Place::of(aws, cx).await?;
        let outputs = mine.and_then(|instance| instance_read::outputs(&place, instance));
        Ok(outputs.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false }))
    }
}
