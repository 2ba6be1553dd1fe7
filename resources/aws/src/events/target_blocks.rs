//! The parts of targets, as blocks of fields.

use std::collections::BTreeMap;

use phx_model::{Block, Input};

use crate::arn::Arn;
use crate::ids::{SecurityGroupId, SubnetId};

/// What is made of an event and sent in its place.
#[derive(Clone, Debug, Block)]
pub struct InputTransformer {
    /// Names, and the parts of the event that they stand for: `instance` → `$.detail.instance`.
    pub input_paths_map: Option<Input<BTreeMap<String, String>>>,
    /// What is sent, with names in angle brackets: `"the instance <instance> has stopped"`.
    pub input_template: Input<String>,
}

/// Of a Kinesis stream.
#[derive(Clone, Debug, Block)]
pub struct KinesisParameters {
    /// The part of the event that chooses the shard: `$.detail.id`.
    pub partition_key_path: Input<String>,
}

/// The instances on which a command is run.
#[derive(Clone, Debug, Block)]
pub struct RunCommandTarget {
    /// `InstanceIds`, or `tag:` and a tag's key.
    pub key: Input<String>,
    /// The ids, or the tag's values.
    pub values: Input<Vec<String>>,
}

/// Of an ECS task.
#[derive(Clone, Debug, Block)]
pub struct EcsParameters {
    /// The task definition.
    pub task_definition_arn: Input<Arn>,
    /// How many tasks are run. AWS's default: 1.
    #[field(cloud_default)]
    pub task_count: Option<Input<i32>>,
    /// `EC2`, `FARGATE` or `EXTERNAL`. Not with `capacity_provider_strategy`.
    #[field(cloud_default)]
    pub launch_type: Option<Input<String>>,
    /// The network, of tasks in the mode `awsvpc`.
    pub awsvpc_configuration: Option<Input<AwsVpcConfiguration>>,
    /// Fargate's version: `1.4.0`.
    pub platform_version: Option<Input<String>>,
    /// The tasks' group.
    pub group: Option<Input<String>>,
    /// The capacity providers that run them.
    #[field(set)]
    pub capacity_provider_strategy: Option<Input<Vec<CapacityProviderStrategyItem>>>,
    /// Whether ECS tags the tasks with its own tags. AWS's default: no.
    #[field(cloud_default)]
    pub enable_ecs_managed_tags: Option<Input<bool>>,
    /// Whether commands can be run in the tasks. AWS's default: no.
    #[field(cloud_default)]
    pub enable_execute_command: Option<Input<bool>>,
    /// Where tasks may be placed.
    #[field(set)]
    pub placement_constraints: Option<Input<Vec<PlacementConstraint>>>,
    /// Where tasks are placed rather.
    pub placement_strategy: Option<Input<Vec<PlacementStrategy>>>,
    /// Whether the tasks get the tags of their definition: `TASK_DEFINITION`.
    pub propagate_tags: Option<Input<String>>,
    /// A name that the tasks are known by.
    pub reference_id: Option<Input<String>>,
    /// The tasks' tags.
    pub tags: Option<Input<BTreeMap<String, String>>>,
}

/// The network of an ECS task.
#[derive(Clone, Debug, Block)]
pub struct AwsVpcConfiguration {
    /// The subnets, of one VPC.
    #[field(set)]
    pub subnets: Input<Vec<SubnetId>>,
    /// The security groups. Unset: the VPC's default one.
    #[field(set)]
    pub security_groups: Option<Input<Vec<SecurityGroupId>>>,
    /// Whether the task gets a public address: `ENABLED` or `DISABLED`, which is AWS's default.
    #[field(cloud_default)]
    pub assign_public_ip: Option<Input<String>>,
}

/// A capacity provider, and its share.
#[derive(Clone, Debug, Block)]
pub struct CapacityProviderStrategyItem {
    /// The provider's name.
    pub capacity_provider: Input<String>,
    /// Its share of what is beyond the bases. AWS's default: 0.
    #[field(cloud_default)]
    pub weight: Option<Input<i32>>,
    /// How many tasks run on it at least. AWS's default: 0.
    #[field(cloud_default)]
    pub base: Option<Input<i32>>,
}

/// Where tasks may be placed.
#[derive(Clone, Debug, Block)]
pub struct PlacementConstraint {
    /// `distinctInstance` or `memberOf`.
    pub r#type: Input<String>,
    /// Of `memberOf`, which instances.
    pub expression: Option<Input<String>>,
}

/// Where tasks are placed rather.
#[derive(Clone, Debug, Block)]
pub struct PlacementStrategy {
    /// `random`, `spread` or `binpack`.
    pub r#type: Input<String>,
    /// Over what they are spread, or what is packed: `instanceId`, `cpu`, `memory`.
    pub field: Option<Input<String>>,
}

/// Of a Batch job.
#[derive(Clone, Debug, Block)]
pub struct BatchParameters {
    /// The job definition, by name or ARN.
    pub job_definition: Input<String>,
    /// The job's name.
    pub job_name: Input<String>,
    /// How many jobs it makes, if it is an array, 2 to 10000.
    pub array_size: Option<Input<i32>>,
    /// How often it is tried, 1 to 10.
    pub attempts: Option<Input<i32>>,
}

/// Of a queue.
#[derive(Clone, Debug, Block)]
pub struct SqsParameters {
    /// The message group of a FIFO queue.
    pub message_group_id: Option<Input<String>>,
}

/// Of an API or an API destination.
#[derive(Clone, Debug, Block)]
pub struct HttpParameters {
    /// What stands in place of the path's asterisks.
    pub path_parameter_values: Option<Input<Vec<String>>>,
    /// Headers.
    pub header_parameters: Option<Input<BTreeMap<String, String>>>,
    /// The query.
    pub query_string_parameters: Option<Input<BTreeMap<String, String>>>,
}

/// Of a Redshift cluster or workgroup.
#[derive(Clone, Debug, Block)]
pub struct RedshiftDataParameters {
    /// The secret with user and password. Either it or `db_user` is set.
    pub secret_manager_arn: Option<Input<Arn>>,
    /// The database.
    pub database: Input<String>,
    /// The database's user.
    pub db_user: Option<Input<String>>,
    /// The statement. Either it or `sqls` is set.
    pub sql: Option<Input<String>>,
    /// The statement's name.
    pub statement_name: Option<Input<String>>,
    /// Whether an event is sent when it has run. AWS's default: no.
    #[field(cloud_default)]
    pub with_event: Option<Input<bool>>,
    /// Several statements.
    pub sqls: Option<Input<Vec<String>>>,
}

/// A parameter of a SageMaker pipeline.
#[derive(Clone, Debug, Block)]
pub struct SageMakerPipelineParameter {
    /// Its name.
    pub name: Input<String>,
    /// Its value.
    pub value: Input<String>,
}

/// Where events go that cannot be delivered.
#[derive(Clone, Debug, Block)]
pub struct DeadLetterConfig {
    /// The queue.
    pub arn: Input<Arn>,
}

/// How long and how often delivery is tried.
#[derive(Clone, Debug, Block)]
pub struct RetryPolicy {
    /// How often, 0 to 185. AWS's default: 185.
    #[field(cloud_default)]
    pub maximum_retry_attempts: Option<Input<i32>>,
    /// For how many seconds, 60 to 86400. AWS's default: 86400.
    #[field(cloud_default)]
    pub maximum_event_age_in_seconds: Option<Input<i32>>,
}

/// Of an AppSync API.
#[derive(Clone, Debug, Block)]
pub struct AppSyncParameters {
    /// The operation in GraphQL.
    pub graph_ql_operation: Input<String>,
}
