//! [`FlowLog`].
//!
//! No emulator keeps destination options, cross-account roles and tag fields, or refuses a single resource in an answer that is none of an
//! error; those parts follow the service model alone.

use std::time::Duration;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, IntoInput, Tags};
use phx_model::value::Value;
use phx_model::{Block, CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{
    FlowLogId, NatGatewayId, NetworkInterfaceId, SubnetId, TransitGatewayId, VpcId, once_free, refused, tagging,
};
use crate::arn::Arn;
use crate::batch::align;
use crate::call::client_token;
use crate::client::Aws;
use crate::ids::LogGroupName;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait;

/// How long a new role may take until the service that delivers the records can assume it, and a new VPC until it is known everywhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(120);

/// A record of the traffic of one VPC, subnet, network interface, NAT gateway or transit gateway. Nothing but its tags can be changed.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:FlowLog",
    terraform = "aws_flow_log",
    cloudformation = "AWS::EC2::FlowLog",
    identity = IntentTag,
    unique(resource_id, log_destination, log_group_name)
)]
pub struct FlowLog {
    /// The id of what is watched: `vpc-0a1b`. [`of_vpc`](FlowLog::of_vpc) and its like take typed ids.
    #[field(replace)]
    pub resource_id: Input<String>,
    /// What that is: `VPC`, `Subnet`, `NetworkInterface`, `TransitGateway`, `TransitGatewayAttachment` or `RegionalNatGateway`.
    #[field(replace)]
    pub resource_type: Input<String>,
    /// Which traffic is recorded: `ACCEPT`, `REJECT` or `ALL`. Required but for transit gateways, which take none.
    #[field(replace, cloud_default)]
    pub traffic_type: Option<Input<String>>,
    /// Where records go: `cloud-watch-logs`, `s3` or `kinesis-data-firehose`. AWS's default: `cloud-watch-logs`.
    #[field(replace, cloud_default)]
    pub log_destination_type: Option<Input<String>>,
    /// The log group, the bucket (`arn:aws:s3:::bucket/folder/` for a folder of it) or the delivery stream that takes them.
    #[field(replace, cloud_default, normalize = without_streams)]
    pub log_destination: Option<Input<Arn>>,
    /// The log group that takes them, by name: another way to say `log_destination`.
    #[field(replace, cloud_default)]
    pub log_group_name: Option<Input<LogGroupName>>,
    /// The role that writes to the log group; required for `cloud-watch-logs`.
    #[field(replace)]
    pub deliver_logs_permission_arn: Option<Input<Arn>>,
    /// The role that writes to a destination of another account.
    #[field(replace)]
    pub deliver_cross_account_role: Option<Input<Arn>>,
    /// The fields of a record, in their order: `${version} ${srcaddr} ${dstaddr}`. AWS has a default.
    #[field(replace, cloud_default)]
    pub log_format: Option<Input<String>>,
    /// Over how many seconds packets are summed up: 60 or 600. AWS's default: 600; transit gateways take 60 only.
    #[field(replace, cloud_default)]
    pub max_aggregation_interval: Option<Input<i32>>,
    /// The form of the files in a bucket.
    #[field(replace, cloud_default)]
    pub destination_options: Option<Input<FlowLogDestinationOptions>>,
    /// The tags of resources that the tag fields of `log_format` show.
    #[field(replace, set)]
    pub tag_field_specifications: Option<Input<Vec<FlowLogTagFields>>>,
    /// Its tags.
    pub tags: Tags,
}

/// The form of a [`FlowLog`]'s files in a bucket.
#[derive(Clone, Debug, Block)]
pub struct FlowLogDestinationOptions {
    /// `plain-text` or `parquet`. AWS's default: `plain-text`.
    #[field(cloud_default)]
    pub file_format: Option<Input<String>>,
    /// Whether the names of the folders suit Hive. AWS's default: no.
    #[field(cloud_default)]
    pub hive_compatible_partitions: Option<Input<bool>>,
    /// Whether there is a folder for each hour. AWS's default: one for each day.
    #[field(cloud_default)]
    pub per_hour_partition: Option<Input<bool>>,
}

/// The tags of one kind of resource that the tag fields of a [`FlowLog`]'s records show.
#[derive(Clone, Debug, Block)]
pub struct FlowLogTagFields {
    /// `instance`, `network-interface` or `auto-scaling-group`.
    pub resource_type: Input<String>,
    /// The keys of the tags.
    #[field(set)]
    pub tag_keys: Option<Input<Vec<String>>>,
}

/// What AWS decides of a [`FlowLog`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct FlowLogOutputs {
    /// Its id.
    pub id: FlowLogId,
}

impl FlowLog {
    fn of<T>(id: impl IntoInput<T>, kind: &str) -> Self {
        Self::new(Input::<String>::from_expr(id.into_input().into_expr()), kind)
    }

    /// Of a VPC's traffic.
    #[must_use]
    pub fn of_vpc(vpc: impl IntoInput<VpcId>) -> Self {
        Self::of(vpc, "VPC")
    }

    /// Of a subnet's traffic.
    #[must_use]
    pub fn of_subnet(subnet: impl IntoInput<SubnetId>) -> Self {
        Self::of(subnet, "Subnet")
    }

    /// Of a network interface's traffic.
    #[must_use]
    pub fn of_network_interface(interface: impl IntoInput<NetworkInterfaceId>) -> Self {
        Self::of(interface, "NetworkInterface")
    }

    /// Of a regional NAT gateway's traffic.
    #[must_use]
    pub fn of_regional_nat_gateway(gateway: impl IntoInput<NatGatewayId>) -> Self {
        Self::of(gateway, "RegionalNatGateway")
    }

    /// Of a transit gateway's traffic.
    #[must_use]
    pub fn of_transit_gateway(gateway: impl IntoInput<TransitGatewayId>) -> Self {
        Self::of(gateway, "TransitGateway")
    }
}

impl Manage for FlowLog {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let logs = describe::flow_logs(&ec2, by("flow-log-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(targets, logs, |log| log.flow_log_id(), present))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &FlowLogResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let tag_fields = want.tag_field_specifications.as_ref();
        let request = ec2
            .create_flow_logs()
            .client_token(client_token(intent))
            .resource_ids(&want.resource_id)
            .resource_type(FlowLogsResourceType::from(want.resource_type.as_str()))
            .set_traffic_type(want.traffic_type.as_deref().map(TrafficType::from))
            .set_log_destination_type(want.log_destination_type.as_deref().map(LogDestinationType::from))
            .set_log_destination(want.log_destination.as_ref().map(ToString::to_string))
            .set_log_group_name(want.log_group_name.as_ref().map(ToString::to_string))
            .set_deliver_logs_permission_arn(want.deliver_logs_permission_arn.as_ref().map(ToString::to_string))
            .set_deliver_cross_account_role(want.deliver_cross_account_role.as_ref().map(ToString::to_string))
            .set_log_format(want.log_format.clone())
            .set_max_aggregation_interval(want.max_aggregation_interval)
            .set_destination_options(want.destination_options.as_ref().map(options))
            .set_tag_field_specifications(tag_fields.map(|all| all.iter().map(tag_field).collect()))
            .tag_specifications(tagging::specification(ResourceType::VpcFlowLog, &want.tags, intent));
        let made = wait::eventually(cx, UNTIL_KNOWN, passes, || async {
            let answer = ec2.write("CreateFlowLogs", || request.clone().send()).await?;
            // The call takes many resources, and says so of each that it refused.
            match refused(&ec2, "CreateFlowLogs", answer.unsuccessful()) {
                Some(error) => Err(error),
                None => Ok(answer.flow_log_ids.unwrap_or_default()),
            }
        })
        .await;
        let ids = made.map_err(|error| match error.kind {
            ErrorKind::AlreadyExists => {
                error.hint("the resource has a flow log to this destination: delete it, or import it by its id (fl-…)")
            }
            _ => error,
        })?;
        let id = ids.into_iter().next();
        let id = id.ok_or_else(|| ec2.unexpected("CreateFlowLogs", "the answer names no flow log"))?;
        Ok(Created { outputs: FlowLogOutputs { id: FlowLogId::new(&id) }, id, complete: true })
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &FlowLogResolved,
        change: &FlowLogChange,
    ) -> Result<Option<FlowLogOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&FlowLogResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_flow_logs().flow_log_ids(id);
        once_free(cx, || async {
            let answer = ec2.write_idempotent("DeleteFlowLogs", || request.clone().send()).await?;
            refused(&ec2, "DeleteFlowLogs", answer.unsuccessful()).map_or(Ok(()), Err)
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &FlowLogResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let logs = describe::flow_logs(&ec2, by_intent(intent)).await?;
        let id = logs.iter().find(|l| tagging::has_intent(l.tags(), intent)).and_then(|l| l.flow_log_id.clone());
        Ok(id.map(|id| Created { outputs: FlowLogOutputs { id: FlowLogId::new(&id) }, id, complete: true }))
    }
}

/// Whether it passes by itself: something that was just made is not known everywhere yet. AWS says of a role that it cannot be assumed.
fn passes(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound
        || (error.code.as_deref() == Some("InvalidParameter") && error.message.contains("assume"))
}

/// A log group's ARN without `:*` at its end, which stands for its streams: AWS answers without it.
fn without_streams(value: &Value) -> Value {
    match value.as_str() {
        Some(arn) => Value::String(arn.strip_suffix(":*").unwrap_or(arn).into()),
        None => value.clone(),
    }
}

fn options(want: &FlowLogDestinationOptionsResolved) -> sdk::DestinationOptionsRequest {
    sdk::DestinationOptionsRequest::builder()
        .set_file_format(want.file_format.as_deref().map(Into::into))
        .set_hive_compatible_partitions(want.hive_compatible_partitions)
        .set_per_hour_partition(want.per_hour_partition)
        .build()
}

fn tag_field(want: &FlowLogTagFieldsResolved) -> sdk::TagFieldSpecificationRequest {
    sdk::TagFieldSpecificationRequest::builder()
        .resource_type(want.resource_type.as_str().into())
        .set_tag_keys(want.tag_keys.clone())
        .build()
}

/// Answers leave the kind of the resource out; its id tells, if it is one that is known here.
fn resource_type(id: &str) -> Option<&'static str> {
    Some(match id.rsplit_once('-').map(|(kind, _)| kind)? {
        "vpc" => "VPC",
        "subnet" => "Subnet",
        "eni" => "NetworkInterface",
        "tgw" => "TransitGateway",
        "tgw-attach" => "TransitGatewayAttachment",
        "nat" => "RegionalNatGateway",
        _ => return None,
    })
}

fn present(target: &Target<'_>, log: &sdk::FlowLog) -> Found<FlowLog> {
    let Some(id) = log.flow_log_id() else { return Found::Gone };
    let Some(resource) = log.resource_id() else {
        let message = format!("the answer does not name what {id} watches");
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let set = target.inputs.get("resource_type").and_then(Value::as_str);
    let options = log.destination_options().map(|options| FlowLogDestinationOptionsResolved {
        file_format: options.file_format().map(|f| f.as_str().to_owned()),
        hive_compatible_partitions: options.hive_compatible_partitions(),
        per_hour_partition: options.per_hour_partition(),
    });
    let tag_fields = log.tag_field_specifications().iter().filter_map(|field| {
        let resource_type = field.resource_type()?.as_str().to_owned();
        Some(FlowLogTagFieldsResolved { resource_type, tag_keys: field.tag_keys.clone() })
    });
    let fields = FlowLogResolved {
        resource_id: resource.to_owned(),
        resource_type: resource_type(resource).or(set).unwrap_or_default().to_owned(),
        traffic_type: log.traffic_type().map(|t| t.as_str().to_owned()),
        log_destination_type: log.log_destination_type().map(|t| t.as_str().to_owned()),
        log_destination: log.log_destination().map(Arn::new),
        log_group_name: log.log_group_name().map(LogGroupName::new),
        deliver_logs_permission_arn: log.deliver_logs_permission_arn().map(Arn::new),
        deliver_cross_account_role: log.deliver_cross_account_role().map(Arn::new),
        log_format: log.log_format.clone(),
        max_aggregation_interval: log.max_aggregation_interval(),
        destination_options: options,
        tag_field_specifications: Some(tag_fields.collect()),
        tags: tagging::read(log.tags()),
    };
    Found::present(fields, FlowLogOutputs { id: FlowLogId::new(id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_what_it_is_of() {
        assert_eq!(resource_type("vpc-0a1b"), Some("VPC"));
        assert_eq!(resource_type("tgw-0a1b"), Some("TransitGateway"));
        assert_eq!(resource_type("tgw-attach-0a1b"), Some("TransitGatewayAttachment"));
    }

    #[test]
    fn a_log_groups_arn_is_the_same_with_its_streams() {
        let arn = |text: &str| without_streams(&Value::String(text.into()));
        assert_eq!(arn("arn:aws:logs:us-west-2:1:log-group:a:*"), arn("arn:aws:logs:us-west-2:1:log-group:a"));
    }
}
