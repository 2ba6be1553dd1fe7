//! What a change of an [`Instance`](super::Instance) takes.

use aws_sdk_ec2::operation::modify_instance_attribute::builders::ModifyInstanceAttributeFluentBuilder;
use aws_sdk_ec2::types as sdk;
use aws_smithy_types::Blob;
use phx_model::CloudError;
use phx_model::Resource as _;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::schema::satisfied;
use phx_model::typed::FieldChange;
use phx_model::value::{Val, Value};

use super::instance::{Instance, InstanceChange, InstanceResolved};
use super::instance_blocks::{
    InstanceCapacityReservation, InstanceCpuOptions, InstanceEnclaveOptions, InstanceIamProfileResolved,
    InstanceNetworkPerformance, InstancePlacement,
};
use super::instance_read::{self, RESTART, primary, state};
use super::{Ec2, boolean, instance_devices, instance_interfaces, instance_launch, tagging, user_data};
use crate::arn::Arn;
use crate::call::kind_of;
use crate::wait::{self, Stage, until};

/// Waits until a new instance runs. One that phx was stopped in restarting is started.
pub(super) async fn running(ec2: &Ec2, cx: &Cx, id: &str) -> Result<sdk::Instance, CloudError> {
    let instance = settled(ec2, cx, id).await?;
    if is_to_restart(&instance) { start(ec2, cx, id).await } else { Ok(instance) }
}

/// Waits until an instance runs or stands still.
async fn settled(ec2: &Ec2, cx: &Cx, id: &str) -> Result<sdk::Instance, CloudError> {
    until(cx, &format!("instance {id}"), || async move {
        // A new one may not be listed yet.
        let Some(instance) = instance_read::one(ec2, id).await? else {
            return Ok(Stage::Waiting("not listed yet".to_owned()));
        };
        match state(&instance) {
            "running" | "stopped" => Ok(Stage::Ready(instance)),
            state if instance_read::is_over(state) => Err(ended(id, &instance)),
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await
}

fn ended(id: &str, instance: &sdk::Instance) -> CloudError {
    let reason = instance.state_reason();
    let code = reason.and_then(|r| r.code.clone());
    let why = reason
        .and_then(|r| r.message())
        .or(instance.state_transition_reason())
        .filter(|why| !why.is_empty())
        .unwrap_or("AWS gives no reason");
    let message = format!("instance {id} is {}: {why}", state(instance));
    let hint = match code.as_deref() {
        Some("Client.InternalError") => "most often a volume's KMS key cannot be used by whoever launched the instance",
        Some("Client.VolumeLimitExceeded") => "the account's quota of volumes is used up",
        _ => "the next `up` launches another one",
    };
    CloudError { code, ..CloudError::local(ErrorKind::Other, message) }.hint(hint)
}

/// Whether phx has stopped it and has yet to start it.
pub(super) fn is_to_restart(instance: &sdk::Instance) -> bool {
    state(instance) == "stopped" && instance.tags().iter().any(|t| t.key() == Some(RESTART))
}

/// Stops an instance that runs, and marks it first: should phx be ended before it starts it again, the next `up` knows that it has to.
/// `false`: it did not run, and is not to be started.
async fn stop(ec2: &Ec2, cx: &Cx, id: &str) -> Result<bool, CloudError> {
    let instance = settled(ec2, cx, id).await?;
    if state(&instance) == "stopped" {
        return Ok(is_to_restart(&instance));
    }
    let mark = sdk::Tag::builder().key(RESTART).value("stopped by phx for a change").build();
    let request = ec2.create_tags().resources(id).tags(mark);
    ec2.write_idempotent("CreateTags", || request.clone().send()).await?;
    let request = ec2.stop_instances().instance_ids(id);
    if let Err(error) = ec2.write_idempotent("StopInstances", || request.clone().send()).await {
        unmark(ec2, id).await?;
        return Err(match error.code.as_deref() {
            Some("OperationNotPermitted") => {
                error.hint("this change needs a stop: if the instance is protected, set disable_api_stop to false first")
            }
            _ => error.hint("this change needs a stop, which not every instance can be brought to: a new one can be had with `--replace`"),
        });
    }
    until(cx, &format!("instance {id}"), || async move {
        let Some(instance) = instance_read::one(ec2, id).await? else {
            return Ok(Stage::Waiting("not listed".to_owned()));
        };
        match state(&instance) {
            "stopped" => Ok(Stage::Ready(())),
            state if instance_read::is_over(state) => Err(ended(id, &instance)),
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await?;
    Ok(true)
}

async fn start(ec2: &Ec2, cx: &Cx, id: &str) -> Result<sdk::Instance, CloudError> {
    let request = ec2.start_instances().instance_ids(id);
    ec2.write_idempotent("StartInstances", || request.clone().send()).await?;
    until(cx, &format!("instance {id}"), || async move {
        let Some(instance) = instance_read::one(ec2, id).await? else {
            return Ok(Stage::Waiting("not listed".to_owned()));
        };
        match state(&instance) {
            "running" => Ok(Stage::Ready(())),
            state if instance_read::is_over(state) => Err(ended(id, &instance)),
            // Without room for it AWS stops it again, and says why.
            "stopped" if instance.state_reason().and_then(|r| r.code()).is_some_and(|c| c.starts_with("Server.")) => {
                Err(ended(id, &instance))
            }
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await?;
    unmark(ec2, id).await?;
    current(ec2, id).await
}

async fn unmark(ec2: &Ec2, id: &str) -> Result<(), CloudError> {
    let request = ec2.delete_tags().resources(id).tags(sdk::Tag::builder().key(RESTART).build());
    ec2.write_idempotent("DeleteTags", || request.clone().send()).await.map(drop)
}

async fn current(ec2: &Ec2, id: &str) -> Result<sdk::Instance, CloudError> {
    instance_read::one(ec2, id).await?.ok_or_else(|| CloudError {
        kind: ErrorKind::NotFound,
        ..ec2.unexpected("DescribeInstances", format!("there is no {id}"))
    })
}

/// `ModifyInstanceAttribute` takes one attribute at a time.
pub(super) async fn modify(
    ec2: &Ec2,
    id: &str,
    set: impl FnOnce(ModifyInstanceAttributeFluentBuilder) -> ModifyInstanceAttributeFluentBuilder,
) -> Result<(), CloudError> {
    let request = set(ec2.modify_instance_attribute().instance_id(id));
    ec2.write_idempotent("ModifyInstanceAttribute", || request.clone().send()).await.map(drop)
}

fn value(text: &str) -> sdk::AttributeValue {
    sdk::AttributeValue::builder().value(text).build()
}

/// What a field shall become, if it changes to something.
fn after<T>(change: &Option<FieldChange<T>>) -> Option<&T> {
    change.as_ref().and_then(|change| change.after.as_ref())
}

/// Sets on a new instance what its launch does not take.
pub(super) async fn complete(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    want: &InstanceResolved,
    instance: sdk::Instance,
) -> Result<sdk::Instance, CloudError> {
    if let Some(check) = want.source_dest_check.filter(|check| Some(*check) != instance.source_dest_check()) {
        set_source_dest_check(ec2, id, &instance, check).await?;
    }
    let migration = want.maintenance_options.as_ref().and_then(|m| m.reboot_migration.as_deref());
    let there = instance.maintenance_options().and_then(|m| m.reboot_migration()).map(|r| r.as_str());
    if let Some(migration) = migration.filter(|migration| Some(*migration) != there) {
        let request = ec2.modify_instance_maintenance_options().instance_id(id).reboot_migration(migration.into());
        ec2.write_idempotent("ModifyInstanceMaintenanceOptions", || request.clone().send()).await?;
    }
    let ena = want.ena_support.filter(|ena| Some(*ena) != instance.ena_support());
    let sriov = want.sriov_net_support.as_deref().filter(|sriov| Some(*sriov) != instance.sriov_net_support());
    if ena.is_none() && sriov.is_none() {
        return Ok(instance);
    }
    let restart = stop(ec2, cx, id).await?;
    if let Some(ena) = ena {
        modify(ec2, id, |request| request.ena_support(boolean(ena))).await?;
    }
    if let Some(sriov) = sriov {
        modify(ec2, id, |request| request.sriov_net_support(value(sriov))).await?;
    }
    if restart { start(ec2, cx, id).await } else { current(ec2, id).await }
}

/// Whether a change can be made only while the instance is stopped.
fn needs_stop(change: &InstanceChange) -> bool {
    let hostname = change.private_dns_name_options.as_ref().is_some_and(|c| {
        let kind = |o: &Option<super::instance_blocks::InstancePrivateDnsNameOptionsResolved>| {
            o.as_ref().and_then(|o| o.hostname_type.clone())
        };
        kind(&c.after).is_some() && kind(&c.after) != kind(&c.before)
    });
    hostname
        || change.user_data.is_some()
        || after(&change.instance_type).is_some()
        || after(&change.ebs_optimized).is_some()
        || after(&change.placement).is_some()
        || after(&change.cpu_options).is_some()
        || after(&change.capacity_reservation_specification).is_some()
        || after(&change.enclave_options).is_some()
        || after(&change.network_performance_options).is_some()
        || after(&change.kernel_id).is_some()
        || after(&change.ramdisk_id).is_some()
        || after(&change.ena_support).is_some()
        || after(&change.sriov_net_support).is_some()
}

/// Takes out of a change what is so already, of what would need a stop: an instance is not stopped again for a change that was made by a
/// run that was ended before it could be recorded.
fn without_what_is_so(change: &InstanceChange) -> InstanceChange {
    let mut change = change.clone();
    macro_rules! forget_if_so {
        ($($field:ident: $value:ty),* $(,)?) => {$(
            if change.$field.as_ref().is_some_and(|change| is_so::<$value>(stringify!($field), change)) {
                change.$field = None;
            }
        )*};
    }
    forget_if_so! {
        instance_type: String,
        user_data: String,
        ebs_optimized: bool,
        placement: InstancePlacement,
        cpu_options: InstanceCpuOptions,
        capacity_reservation_specification: InstanceCapacityReservation,
        enclave_options: InstanceEnclaveOptions,
        network_performance_options: InstanceNetworkPerformance,
        kernel_id: String,
        ramdisk_id: String,
        ena_support: bool,
        sriov_net_support: String,
    }
    change
}

/// Whether a field is as it shall be.
fn is_so<V: Val>(field: &str, change: &FieldChange<V::Resolved>) -> bool {
    let value = |known: &Option<V::Resolved>| known.as_ref().map_or(Value::Null, V::to_value);
    let schema = Instance::schema().field(field);
    schema.is_some_and(|field| satisfied(field, &value(&change.after), &value(&change.before)))
}

/// Makes a change. Returns what the instance is afterwards, if its outputs may have changed.
pub(super) async fn update(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    want: &InstanceResolved,
    change: &InstanceChange,
) -> Result<Option<sdk::Instance>, CloudError> {
    let change = &without_what_is_so(change);
    let instance = current(ec2, id).await?;
    // What cannot be done is said before anything is.
    let volumes = match after(&change.block_device_mappings) {
        Some(wanted) => instance_devices::changes(ec2, id, &instance, wanted).await?,
        None => Vec::new(),
    };
    let interfaces = match after(&change.network_interfaces) {
        Some(wanted) => {
            let before = change.network_interfaces.as_ref().and_then(|c| c.before.as_deref());
            instance_interfaces::changes(id, &instance, before.unwrap_or_default(), wanted)?
        }
        None => Vec::new(),
    };
    if let Some(cpu) = after(&change.cpu_options) {
        let before = change.cpu_options.as_ref().and_then(|c| c.before.as_ref());
        if cpu.amd_sev_snp.is_some() && cpu.amd_sev_snp != before.and_then(|b| b.amd_sev_snp.clone()) {
            return Err(instance_devices::unchangeable(id, "cpu_options.amd_sev_snp"));
        }
    }
    // Protection goes first when it is switched off, and last when it is switched on.
    let stop_protection = after(&change.disable_api_stop).copied();
    if stop_protection == Some(false) {
        modify(ec2, id, |request| request.disable_api_stop(boolean(false))).await?;
    }
    let mut restarted = None;
    if needs_stop(change) {
        let restart = stop(ec2, cx, id).await?;
        let changed = change_stopped(ec2, id, change).await;
        if restart {
            // Also after a refusal: what ran before goes on running, as it was.
            let started = start(ec2, cx, id).await;
            changed?;
            restarted = Some(started?);
        } else {
            changed?;
        }
    } else if is_to_restart(&instance) {
        restarted = Some(start(ec2, cx, id).await?);
    }
    change_running(ec2, cx, id, &instance, change).await?;
    for (device, change) in volumes {
        instance_devices::apply(ec2, cx, id, &instance, &device, change).await?;
    }
    for change in &interfaces {
        instance_interfaces::apply(ec2, change).await?;
    }
    if stop_protection == Some(true) {
        modify(ec2, id, |request| request.disable_api_stop(boolean(true))).await?;
    }
    tagging::update(ec2, id, change.tags.as_ref()).await?;
    if let Some(tags) = &change.volume_tags {
        for volume in instance_devices::launch_volumes(&instance, want) {
            tagging::update(ec2, volume, Some(tags)).await?;
        }
    }
    Ok(restarted)
}

/// What AWS changes only while the instance is stopped.
async fn change_stopped(ec2: &Ec2, id: &str, change: &InstanceChange) -> Result<(), CloudError> {
    if let Some(kind) = after(&change.instance_type) {
        modify(ec2, id, |request| request.instance_type(value(kind))).await?;
    }
    if let Some(data) = &change.user_data {
        let bytes = data.after.as_deref().map(user_data::bytes).unwrap_or_default();
        let data = sdk::SecureBlobAttributeValue::builder().value(Blob::new(bytes)).build();
        modify(ec2, id, |request| request.user_data(data)).await?;
    }
    if let Some(optimized) = after(&change.ebs_optimized) {
        modify(ec2, id, |request| request.ebs_optimized(boolean(*optimized))).await?;
    }
    if let Some(kernel) = after(&change.kernel_id) {
        modify(ec2, id, |request| request.kernel(value(kernel))).await?;
    }
    if let Some(ramdisk) = after(&change.ramdisk_id) {
        modify(ec2, id, |request| request.ramdisk(value(ramdisk))).await?;
    }
    if let Some(ena) = after(&change.ena_support) {
        modify(ec2, id, |request| request.ena_support(boolean(*ena))).await?;
    }
    if let Some(sriov) = after(&change.sriov_net_support) {
        modify(ec2, id, |request| request.sriov_net_support(value(sriov))).await?;
    }
    if let Some(enclave) = after(&change.enclave_options) {
        let enclave = sdk::EnclaveOptionsRequest::builder().enabled(enclave.enabled).build();
        modify(ec2, id, |request| request.enclave_options(enclave)).await?;
    }
    if let Some(placement) = after(&change.placement) {
        let request = ec2
            .modify_instance_placement()
            .instance_id(id)
            .set_affinity(placement.affinity.as_deref().map(sdk::Affinity::from))
            .set_group_name(placement.group_name.clone())
            .set_group_id(placement.group_id.clone())
            .set_partition_number(placement.partition_number)
            .set_host_id(placement.host_id.clone())
            .set_host_resource_group_arn(placement.host_resource_group_arn.as_ref().map(Arn::to_string))
            .set_tenancy(placement.tenancy.as_deref().map(sdk::HostTenancy::from));
        ec2.write_idempotent("ModifyInstancePlacement", || request.clone().send()).await?;
    }
    if let Some(cpu) = after(&change.cpu_options) {
        let nested = cpu.nested_virtualization.as_deref().map(sdk::NestedVirtualizationSpecification::from);
        let request = ec2
            .modify_instance_cpu_options()
            .instance_id(id)
            .set_core_count(cpu.core_count)
            .set_threads_per_core(cpu.threads_per_core)
            .set_nested_virtualization(nested);
        ec2.write_idempotent("ModifyInstanceCpuOptions", || request.clone().send()).await?;
    }
    if let Some(reservation) = after(&change.capacity_reservation_specification) {
        let request = ec2
            .modify_instance_capacity_reservation_attributes()
            .instance_id(id)
            .capacity_reservation_specification(instance_launch::capacity_reservation(reservation));
        ec2.write_idempotent("ModifyInstanceCapacityReservationAttributes", || request.clone().send()).await?;
    }
    if let Some(network) = after(&change.network_performance_options) {
        let weighting = sdk::InstanceBandwidthWeighting::from(network.bandwidth_weighting.as_str());
        let request = ec2.modify_instance_network_performance_options().instance_id(id).bandwidth_weighting(weighting);
        ec2.write_idempotent("ModifyInstanceNetworkPerformanceOptions", || request.clone().send()).await?;
    }
    if let Some(names) = after(&change.private_dns_name_options) {
        private_dns(ec2, id, names).await?;
    }
    Ok(())
}

async fn private_dns(
    ec2: &Ec2,
    id: &str,
    want: &super::instance_blocks::InstancePrivateDnsNameOptionsResolved,
) -> Result<(), CloudError> {
    let request = ec2
        .modify_private_dns_name_options()
        .instance_id(id)
        .set_private_dns_hostname_type(want.hostname_type.as_deref().map(sdk::HostnameType::from))
        .set_enable_resource_name_dns_a_record(want.enable_resource_name_dns_a_record)
        .set_enable_resource_name_dns_aaaa_record(want.enable_resource_name_dns_aaaa_record);
    ec2.write_idempotent("ModifyPrivateDnsNameOptions", || request.clone().send()).await.map(drop)
}

/// What AWS changes while the instance runs.
async fn change_running(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    instance: &sdk::Instance,
    change: &InstanceChange,
) -> Result<(), CloudError> {
    if let Some(groups) = after(&change.security_group_ids) {
        let groups = groups.iter().map(ToString::to_string).collect();
        match only_interface(instance) {
            None => modify(ec2, id, |request| request.set_groups(Some(groups))).await?,
            Some(first) => {
                let request = ec2.modify_network_interface_attribute().network_interface_id(first);
                let request = request.set_groups(Some(groups));
                ec2.write_idempotent("ModifyNetworkInterfaceAttribute", || request.clone().send()).await?;
            }
        }
    }
    if let Some(check) = after(&change.source_dest_check) {
        set_source_dest_check(ec2, id, instance, *check).await?;
    }
    if let Some(protected) = after(&change.disable_api_termination) {
        modify(ec2, id, |request| request.disable_api_termination(boolean(*protected))).await?;
    }
    if let Some(behavior) = after(&change.instance_initiated_shutdown_behavior) {
        modify(ec2, id, |request| request.instance_initiated_shutdown_behavior(value(behavior))).await?;
    }
    if let Some(options) = after(&change.metadata_options) {
        let request = ec2
            .modify_instance_metadata_options()
            .instance_id(id)
            .set_http_tokens(options.http_tokens.as_deref().map(sdk::HttpTokensState::from))
            .set_http_put_response_hop_limit(options.http_put_response_hop_limit)
            .set_http_endpoint(options.http_endpoint.as_deref().map(sdk::InstanceMetadataEndpointState::from))
            .set_http_protocol_ipv6(options.http_protocol_ipv6.as_deref().map(sdk::InstanceMetadataProtocolState::from))
            .set_instance_metadata_tags(
                options.instance_metadata_tags.as_deref().map(sdk::InstanceMetadataTagsState::from),
            );
        ec2.write_idempotent("ModifyInstanceMetadataOptions", || request.clone().send()).await?;
    }
    match after(&change.monitoring).map(|m| m.enabled) {
        Some(true) => {
            let request = ec2.monitor_instances().instance_ids(id);
            ec2.write_idempotent("MonitorInstances", || request.clone().send()).await?;
        }
        Some(false) => {
            let request = ec2.unmonitor_instances().instance_ids(id);
            ec2.write_idempotent("UnmonitorInstances", || request.clone().send()).await?;
        }
        None => {}
    }
    if let Some(credits) = after(&change.credit_specification) {
        set_credits(ec2, id, &credits.cpu_credits).await?;
    }
    if let Some(maintenance) = after(&change.maintenance_options) {
        let request = ec2
            .modify_instance_maintenance_options()
            .instance_id(id)
            .set_auto_recovery(maintenance.auto_recovery.as_deref().map(sdk::InstanceAutoRecoveryState::from))
            .set_reboot_migration(maintenance.reboot_migration.as_deref().map(sdk::InstanceRebootMigrationState::from));
        ec2.write_idempotent("ModifyInstanceMaintenanceOptions", || request.clone().send()).await?;
    }
    if let Some(names) = after(&change.private_dns_name_options).filter(|_| !needs_stop(change)) {
        private_dns(ec2, id, names).await?;
    }
    if let Some(profile) = &change.iam_instance_profile {
        set_profile(ec2, cx, id, profile.after.as_ref()).await?;
    }
    instance_interfaces::change_ipv6(ec2, instance, change).await
}

/// Its first interface, if it has more: then AWS wants to be told which.
fn only_interface(instance: &sdk::Instance) -> Option<&str> {
    let several = instance.network_interfaces().len() > 1;
    primary(instance).filter(|_| several).and_then(|i| i.network_interface_id())
}

async fn set_source_dest_check(ec2: &Ec2, id: &str, instance: &sdk::Instance, check: bool) -> Result<(), CloudError> {
    match only_interface(instance) {
        None => modify(ec2, id, |request| request.source_dest_check(boolean(check))).await,
        Some(first) => {
            let request = ec2.modify_network_interface_attribute().network_interface_id(first);
            let request = request.source_dest_check(boolean(check));
            ec2.write_idempotent("ModifyNetworkInterfaceAttribute", || request.clone().send()).await.map(drop)
        }
    }
}

async fn set_credits(ec2: &Ec2, id: &str, credits: &str) -> Result<(), CloudError> {
    let item = sdk::InstanceCreditSpecificationRequest::builder().instance_id(id).cpu_credits(credits).build();
    let request = ec2.modify_instance_credit_specification().instance_credit_specifications(item);
    let answer = ec2.write_idempotent("ModifyInstanceCreditSpecification", || request.clone().send()).await?;
    // A refusal stands in an answer that says it went well.
    let refused = answer.unsuccessful_instance_credit_specifications.unwrap_or_default();
    match refused.into_iter().find_map(|item| item.error) {
        Some(error) => {
            let message = error.message.unwrap_or_else(|| "AWS gives no reason".to_owned());
            let code = error.code.map(|code| code.as_str().to_owned());
            Err(CloudError {
                kind: kind_of(code.as_deref(), 400),
                code,
                ..ec2.unexpected(
                    "ModifyInstanceCreditSpecification",
                    format!("{id} does not get {credits} credits: {message}"),
                )
            })
        }
        None => Ok(()),
    }
}

/// Gives the instance another profile, its first one, or none.
async fn set_profile(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    want: Option<&InstanceIamProfileResolved>,
) -> Result<(), CloudError> {
    let association = association(ec2, id).await?;
    let want = want.map(instance_launch::profile);
    match (association, want) {
        (None, None) => Ok(()),
        (Some((association, _)), None) => {
            let request = ec2.disassociate_iam_instance_profile().association_id(association);
            match ec2.write_idempotent("DisassociateIamInstanceProfile", || request.clone().send()).await {
                Err(error) if error.kind != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        }
        (None, Some(want)) => {
            let request = ec2.associate_iam_instance_profile().instance_id(id).iam_instance_profile(want);
            let send = || ec2.write_idempotent("AssociateIamInstanceProfile", || request.clone().send());
            let limit = std::time::Duration::from_secs(60);
            wait::eventually(cx, limit, instance_launch::not_known_yet, send).await.map(drop)
        }
        (Some((_, Some(arn))), Some(want)) if is_same(&arn, &want) => Ok(()),
        (Some((association, _)), Some(want)) => {
            let request =
                ec2.replace_iam_instance_profile_association().association_id(association).iam_instance_profile(want);
            let send = || ec2.write_idempotent("ReplaceIamInstanceProfileAssociation", || request.clone().send());
            let limit = std::time::Duration::from_secs(60);
            wait::eventually(cx, limit, instance_launch::not_known_yet, send).await.map(drop)
        }
    }
}

fn is_same(arn: &str, want: &sdk::IamInstanceProfileSpecification) -> bool {
    want.arn().is_none_or(|wanted| wanted == arn)
        && want.name().is_none_or(|wanted| arn.rsplit('/').next() == Some(wanted))
}

/// The living association of an instance with a profile: its id, and the profile's ARN.
async fn association(ec2: &Ec2, id: &str) -> Result<Option<(String, Option<String>)>, CloudError> {
    let query = super::describe::by("instance-id", [id]);
    let all = super::describe::iam_instance_profile_associations(ec2, query).await?;
    let mine = all.into_iter().find(|a| {
        a.instance_id() == Some(id) && a.state().is_none_or(|s| matches!(s.as_str(), "associated" | "associating"))
    });
    Ok(mine.and_then(|a| Some((a.association_id?, a.iam_instance_profile.and_then(|p| p.arn)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_changes_need_no_stop() {
        let set = |after: &str| Some(FieldChange { before: None, after: Some(after.to_owned()) });
        assert!(needs_stop(&InstanceChange { instance_type: set("t3.small"), ..InstanceChange::default() }));
        let taken_away = Some(FieldChange { before: Some("x".to_owned()), after: None });
        assert!(needs_stop(&InstanceChange { user_data: taken_away, ..InstanceChange::default() }));
        // It is so already: written otherwise, or told with more.
        let same = Some(FieldChange { before: Some("IyEK".to_owned()), after: Some("#!\n".to_owned()) });
        let again = InstanceChange { user_data: same, instance_type: set("t3.small"), ..InstanceChange::default() };
        let rest = without_what_is_so(&again);
        assert!(rest.user_data.is_none() && rest.instance_type.is_some());
        let behavior = set("terminate");
        assert!(!needs_stop(&InstanceChange {
            instance_initiated_shutdown_behavior: behavior,
            ..InstanceChange::default()
        }));
    }
}
