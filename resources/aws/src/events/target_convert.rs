//! Targets to and from the SDK's structure.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eventbridge::error::BuildError;
use aws_sdk_eventbridge::types as sdk;
use phx_model::CloudError;
use phx_model::error::ErrorKind;

use super::target::TargetResolved;
use super::target_blocks::{
    AppSyncParametersResolved, AwsVpcConfigurationResolved, BatchParametersResolved,
    CapacityProviderStrategyItemResolved, DeadLetterConfigResolved, EcsParametersResolved, HttpParametersResolved,
    InputTransformerResolved, KinesisParametersResolved, PlacementConstraintResolved, PlacementStrategyResolved,
    RedshiftDataParametersResolved, RetryPolicyResolved, RunCommandTargetResolved, SageMakerPipelineParameterResolved,
    SqsParametersResolved,
};
use super::{EventRuleName, text};
use crate::arn::Arn;
use crate::forms;
use crate::ids::{SecurityGroupId, SubnetId};

fn invalid(error: BuildError) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

fn pairs(map: Option<&BTreeMap<String, String>>) -> Option<HashMap<String, String>> {
    map.map(|map| map.clone().into_iter().collect())
}

fn pairs_of(map: Option<&HashMap<String, String>>) -> Option<BTreeMap<String, String>> {
    map.filter(|map| !map.is_empty()).map(|map| map.clone().into_iter().collect())
}

fn some<T>(all: Vec<T>) -> Option<Vec<T>> {
    Some(all).filter(|all| !all.is_empty())
}

pub(super) fn to_target(want: &TargetResolved) -> Result<sdk::Target, CloudError> {
    let run = |t: &RunCommandTargetResolved| {
        sdk::RunCommandTarget::builder().key(&t.key).set_values(Some(t.values.clone())).build().map_err(invalid)
    };
    let run = want.run_command_parameters.as_ref().map(|all| {
        let targets = all.iter().map(run).collect::<Result<_, _>>()?;
        sdk::RunCommandParameters::builder().set_run_command_targets(Some(targets)).build().map_err(invalid)
    });
    let parameter = |p: &SageMakerPipelineParameterResolved| {
        sdk::SageMakerPipelineParameter::builder().name(&p.name).value(&p.value).build().map_err(invalid)
    };
    let pipeline = want.sage_maker_pipeline_parameters.as_ref().map(|all| {
        let list = all.iter().map(parameter).collect::<Result<_, CloudError>>()?;
        Ok::<_, CloudError>(sdk::SageMakerPipelineParameters::builder().set_pipeline_parameter_list(Some(list)).build())
    });
    let kinesis = want
        .kinesis_parameters
        .as_ref()
        .map(|k| sdk::KinesisParameters::builder().partition_key_path(&k.partition_key_path).build().map_err(invalid));
    let transformer = want.input_transformer.as_ref().map(|t| {
        sdk::InputTransformer::builder()
            .set_input_paths_map(pairs(t.input_paths_map.as_ref()))
            .input_template(&t.input_template)
            .build()
            .map_err(invalid)
    });
    let sqs = want
        .sqs_parameters
        .as_ref()
        .map(|s| sdk::SqsParameters::builder().set_message_group_id(s.message_group_id.clone()).build());
    let dead_letter = want.dead_letter_config.as_ref();
    let retry = want.retry_policy.as_ref().map(|r| {
        sdk::RetryPolicy::builder()
            .set_maximum_retry_attempts(r.maximum_retry_attempts)
            .set_maximum_event_age_in_seconds(r.maximum_event_age_in_seconds)
            .build()
    });
    let app_sync = want.app_sync_parameters.as_ref();
    sdk::Target::builder()
        .id(&want.target_id)
        .arn(want.arn.as_str())
        .set_role_arn(want.role_arn.as_ref().map(Arn::to_string))
        .set_input(want.input.as_ref().map(forms::text))
        .set_input_path(want.input_path.clone())
        .set_input_transformer(transformer.transpose()?)
        .set_kinesis_parameters(kinesis.transpose()?)
        .set_run_command_parameters(run.transpose()?)
        .set_ecs_parameters(want.ecs_parameters.as_ref().map(to_ecs).transpose()?)
        .set_batch_parameters(want.batch_parameters.as_ref().map(to_batch).transpose()?)
        .set_sqs_parameters(sqs)
        .set_http_parameters(want.http_parameters.as_ref().map(to_http))
        .set_redshift_data_parameters(want.redshift_data_parameters.as_ref().map(to_redshift).transpose()?)
        .set_sage_maker_pipeline_parameters(pipeline.transpose()?)
        .set_dead_letter_config(dead_letter.map(|d| sdk::DeadLetterConfig::builder().arn(d.arn.as_str()).build()))
        .set_retry_policy(retry)
        .set_app_sync_parameters(
            app_sync.map(|a| sdk::AppSyncParameters::builder().graph_ql_operation(&a.graph_ql_operation).build()),
        )
        .build()
        .map_err(invalid)
}

pub(super) fn from_target(bus: &str, rule: &str, there: &sdk::Target) -> TargetResolved {
    let run = there.run_command_parameters().map(|r| r.run_command_targets()).unwrap_or_default();
    let pipeline = there.sage_maker_pipeline_parameters().map(|p| p.pipeline_parameter_list()).unwrap_or_default();
    TargetResolved {
        rule: EventRuleName::new(rule),
        event_bus_name: Some(bus.to_owned()),
        target_id: there.id.clone(),
        arn: Arn::new(&there.arn),
        role_arn: text(there.role_arn()).map(Arn::new),
        input: forms::document(there.input()),
        input_path: text(there.input_path()),
        input_transformer: there.input_transformer().map(|t| InputTransformerResolved {
            input_paths_map: pairs_of(t.input_paths_map()),
            input_template: t.input_template.clone(),
        }),
        kinesis_parameters: there
            .kinesis_parameters()
            .map(|k| KinesisParametersResolved { partition_key_path: k.partition_key_path.clone() }),
        run_command_parameters: some(
            run.iter().map(|t| RunCommandTargetResolved { key: t.key.clone(), values: t.values.clone() }).collect(),
        ),
        ecs_parameters: there.ecs_parameters().map(from_ecs),
        batch_parameters: there.batch_parameters().map(|b| BatchParametersResolved {
            job_definition: b.job_definition.clone(),
            job_name: b.job_name.clone(),
            array_size: b.array_properties().map(|a| a.size).filter(|size| *size > 0),
            attempts: b.retry_strategy().map(|r| r.attempts).filter(|attempts| *attempts > 0),
        }),
        sqs_parameters: there
            .sqs_parameters()
            .map(|s| SqsParametersResolved { message_group_id: text(s.message_group_id()) }),
        http_parameters: there.http_parameters().map(|h| HttpParametersResolved {
            path_parameter_values: some(h.path_parameter_values().to_vec()),
            header_parameters: pairs_of(h.header_parameters()),
            query_string_parameters: pairs_of(h.query_string_parameters()),
        }),
        redshift_data_parameters: there.redshift_data_parameters().map(|r| RedshiftDataParametersResolved {
            secret_manager_arn: text(r.secret_manager_arn()).map(Arn::new),
            database: r.database.clone(),
            db_user: text(r.db_user()),
            sql: text(r.sql()),
            statement_name: text(r.statement_name()),
            with_event: Some(r.with_event),
            sqls: some(r.sqls().to_vec()),
        }),
        sage_maker_pipeline_parameters: some(
            pipeline
                .iter()
                .map(|p| SageMakerPipelineParameterResolved { name: p.name.clone(), value: p.value.clone() })
                .collect(),
        ),
        dead_letter_config: there
            .dead_letter_config()
            .and_then(|d| d.arn())
            .map(|arn| DeadLetterConfigResolved { arn: Arn::new(arn) }),
        retry_policy: there.retry_policy().map(|r| RetryPolicyResolved {
            maximum_retry_attempts: r.maximum_retry_attempts,
            maximum_event_age_in_seconds: r.maximum_event_age_in_seconds,
        }),
        app_sync_parameters: there
            .app_sync_parameters()
            .and_then(|a| a.graph_ql_operation())
            .map(|operation| AppSyncParametersResolved { graph_ql_operation: operation.to_owned() }),
    }
}

fn to_ecs(want: &EcsParametersResolved) -> Result<sdk::EcsParameters, CloudError> {
    let network = want.awsvpc_configuration.as_ref().map(|vpc| {
        let vpc = sdk::AwsVpcConfiguration::builder()
            .set_subnets(Some(vpc.subnets.iter().map(ToString::to_string).collect()))
            .set_security_groups(vpc.security_groups.as_ref().map(|g| g.iter().map(ToString::to_string).collect()))
            .set_assign_public_ip(vpc.assign_public_ip.as_deref().map(Into::into))
            .build()
            .map_err(invalid)?;
        Ok::<_, CloudError>(sdk::NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
    });
    let provider = |p: &CapacityProviderStrategyItemResolved| {
        sdk::CapacityProviderStrategyItem::builder()
            .capacity_provider(&p.capacity_provider)
            .set_weight(p.weight)
            .set_base(p.base)
            .build()
            .map_err(invalid)
    };
    let providers = want.capacity_provider_strategy.as_ref();
    let providers = providers.map(|all| all.iter().map(provider).collect::<Result<Vec<_>, _>>());
    let constraint = |c: &PlacementConstraintResolved| {
        let constraint = sdk::PlacementConstraint::builder().r#type(c.r#type.as_str().into());
        constraint.set_expression(c.expression.clone()).build()
    };
    let strategy = |s: &PlacementStrategyResolved| {
        sdk::PlacementStrategy::builder().r#type(s.r#type.as_str().into()).set_field(s.field.clone()).build()
    };
    let tag = |(key, value): (&String, &String)| sdk::Tag::builder().key(key).value(value).build().map_err(invalid);
    let tags = want.tags.as_ref().map(|tags| tags.iter().map(tag).collect::<Result<Vec<_>, _>>());
    sdk::EcsParameters::builder()
        .task_definition_arn(want.task_definition_arn.as_str())
        .set_task_count(want.task_count)
        .set_launch_type(want.launch_type.as_deref().map(Into::into))
        .set_network_configuration(network.transpose()?)
        .set_platform_version(want.platform_version.clone())
        .set_group(want.group.clone())
        .set_capacity_provider_strategy(providers.transpose()?)
        .set_enable_ecs_managed_tags(want.enable_ecs_managed_tags)
        .set_enable_execute_command(want.enable_execute_command)
        .set_placement_constraints(want.placement_constraints.as_ref().map(|c| c.iter().map(constraint).collect()))
        .set_placement_strategy(want.placement_strategy.as_ref().map(|s| s.iter().map(strategy).collect()))
        .set_propagate_tags(want.propagate_tags.as_deref().map(Into::into))
        .set_reference_id(want.reference_id.clone())
        .set_tags(tags.transpose()?)
        .build()
        .map_err(invalid)
}

fn from_ecs(there: &sdk::EcsParameters) -> EcsParametersResolved {
    let network = there.network_configuration().and_then(|n| n.awsvpc_configuration());
    let kind = |kind: Option<&str>| kind.unwrap_or_default().to_owned();
    EcsParametersResolved {
        task_definition_arn: Arn::new(&there.task_definition_arn),
        task_count: there.task_count,
        launch_type: there.launch_type().map(|t| t.as_str().to_owned()),
        awsvpc_configuration: network.map(|vpc| AwsVpcConfigurationResolved {
            subnets: vpc.subnets().iter().map(SubnetId::new).collect(),
            security_groups: some(vpc.security_groups().iter().map(SecurityGroupId::new).collect()),
            assign_public_ip: vpc.assign_public_ip().map(|a| a.as_str().to_owned()),
        }),
        platform_version: text(there.platform_version()),
        group: text(there.group()),
        capacity_provider_strategy: some(
            there
                .capacity_provider_strategy()
                .iter()
                .map(|p| CapacityProviderStrategyItemResolved {
                    capacity_provider: p.capacity_provider.clone(),
                    weight: Some(p.weight),
                    base: Some(p.base),
                })
                .collect(),
        ),
        enable_ecs_managed_tags: Some(there.enable_ecs_managed_tags),
        enable_execute_command: Some(there.enable_execute_command),
        placement_constraints: some(
            there
                .placement_constraints()
                .iter()
                .map(|c| PlacementConstraintResolved {
                    r#type: kind(c.r#type().map(|t| t.as_str())),
                    expression: text(c.expression()),
                })
                .collect(),
        ),
        placement_strategy: some(
            there
                .placement_strategy()
                .iter()
                .map(|s| PlacementStrategyResolved {
                    r#type: kind(s.r#type().map(|t| t.as_str())),
                    field: text(s.field()),
                })
                .collect(),
        ),
        propagate_tags: there.propagate_tags().map(|p| p.as_str().to_owned()),
        reference_id: text(there.reference_id()),
        tags: Some(there.tags().iter().map(|t| (t.key.clone(), t.value.clone())).collect())
            .filter(|tags: &BTreeMap<String, String>| !tags.is_empty()),
    }
}

fn to_batch(want: &BatchParametersResolved) -> Result<sdk::BatchParameters, CloudError> {
    let array = want.array_size.map(|size| sdk::BatchArrayProperties::builder().size(size).build());
    let retry = want.attempts.map(|attempts| sdk::BatchRetryStrategy::builder().attempts(attempts).build());
    sdk::BatchParameters::builder()
        .job_definition(&want.job_definition)
        .job_name(&want.job_name)
        .set_array_properties(array)
        .set_retry_strategy(retry)
        .build()
        .map_err(invalid)
}

fn to_http(want: &HttpParametersResolved) -> sdk::HttpParameters {
    sdk::HttpParameters::builder()
        .set_path_parameter_values(want.path_parameter_values.clone())
        .set_header_parameters(pairs(want.header_parameters.as_ref()))
        .set_query_string_parameters(pairs(want.query_string_parameters.as_ref()))
        .build()
}

fn to_redshift(want: &RedshiftDataParametersResolved) -> Result<sdk::RedshiftDataParameters, CloudError> {
    sdk::RedshiftDataParameters::builder()
        .set_secret_manager_arn(want.secret_manager_arn.as_ref().map(Arn::to_string))
        .database(&want.database)
        .set_db_user(want.db_user.clone())
        .set_sql(want.sql.clone())
        .set_statement_name(want.statement_name.clone())
        .set_with_event(want.with_event)
        .set_sqls(want.sqls.clone())
        .build()
        .map_err(invalid)
}
