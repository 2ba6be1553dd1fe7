//! The parts of a rule, and their forms in the API.

use aws_sdk_config::types as sdk;
use phx_model::{Block, CloudError, Input, Value};

use super::incomplete;

/// Which resources a rule looks at.
#[derive(Clone, Debug, Block)]
pub struct Scope {
    /// Their types: `AWS::S3::Bucket`.
    #[field(set)]
    pub compliance_resource_types: Option<Input<Vec<String>>>,
    /// A tag that they bear.
    pub tag_key: Option<Input<String>>,
    /// The tag's value.
    pub tag_value: Option<Input<String>>,
    /// The one resource, of the one type named.
    pub compliance_resource_id: Option<Input<String>>,
    /// The services that they belong to.
    #[field(set)]
    pub service_principals: Option<Input<Vec<String>>>,
}

/// What a rule is.
#[derive(Clone, Debug, Block)]
pub struct Source {
    /// Whose it is: `AWS`, `CUSTOM_LAMBDA` or `CUSTOM_POLICY`.
    pub owner: Input<String>,
    /// The identifier of a rule of AWS's (`S3_BUCKET_VERSIONING_ENABLED`), or the ARN of the Lambda function.
    pub source_identifier: Option<Input<String>>,
    /// When a rule of one's own is evaluated.
    #[field(set)]
    pub source_details: Option<Input<Vec<SourceDetail>>>,
    /// The policy of a rule with the owner `CUSTOM_POLICY`.
    pub custom_policy_details: Option<Input<CustomPolicyDetails>>,
}

/// When a rule is evaluated.
#[derive(Clone, Debug, Block)]
pub struct SourceDetail {
    /// Where the event comes from. AWS's default, and all there is: `aws.config`.
    #[field(normalize = config_is_unset)]
    pub event_source: Option<Input<String>>,
    /// The event: `ConfigurationItemChangeNotification`, `ScheduledNotification`, …
    pub message_type: Input<String>,
    /// How often, if it is scheduled. AWS's default: `TwentyFour_Hours`.
    #[field(normalize = daily_is_unset)]
    pub maximum_execution_frequency: Option<Input<String>>,
}

/// A policy in the language of CloudFormation Guard.
#[derive(Clone, Debug, Block)]
pub struct CustomPolicyDetails {
    /// The language: `guard-2.x.x`.
    pub policy_runtime: Input<String>,
    /// The policy.
    pub policy_text: Input<String>,
    /// Whether evaluations are logged. AWS's default: no.
    #[field(cloud_default)]
    pub enable_debug_log_delivery: Option<Input<bool>>,
}

/// When resources are evaluated.
#[derive(Clone, Debug, Block)]
pub struct EvaluationMode {
    /// `DETECTIVE` (once they are there) or `PROACTIVE` (before).
    pub mode: Input<String>,
}

fn config_is_unset(value: &Value) -> Value {
    if value.as_str() == Some("aws.config") { Value::Null } else { value.expose().clone() }
}

fn daily_is_unset(value: &Value) -> Value {
    if value.as_str() == Some("TwentyFour_Hours") { Value::Null } else { value.expose().clone() }
}

pub(super) fn scope(want: &ScopeResolved) -> sdk::Scope {
    sdk::Scope::builder()
        .set_compliance_resource_types(want.compliance_resource_types.clone())
        .set_tag_key(want.tag_key.clone())
        .set_tag_value(want.tag_value.clone())
        .set_compliance_resource_id(want.compliance_resource_id.clone())
        .set_service_principals(want.service_principals.clone())
        .build()
}

/// `None` for a scope that says nothing.
pub(super) fn scope_of(scope: &sdk::Scope) -> Option<ScopeResolved> {
    let texts = |texts: &[String]| Some(texts.to_vec()).filter(|texts| !texts.is_empty());
    let said = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let scope = ScopeResolved {
        compliance_resource_types: texts(scope.compliance_resource_types()),
        tag_key: said(scope.tag_key()),
        tag_value: said(scope.tag_value()),
        compliance_resource_id: said(scope.compliance_resource_id()),
        service_principals: texts(scope.service_principals()),
    };
    let empty = scope.compliance_resource_types.is_none()
        && scope.tag_key.is_none()
        && scope.tag_value.is_none()
        && scope.service_principals.is_none();
    (!empty).then_some(scope)
}

pub(super) fn source(want: &SourceResolved) -> Result<sdk::Source, CloudError> {
    let detail = |d: &SourceDetailResolved| {
        sdk::SourceDetail::builder()
            .event_source(d.event_source.as_deref().map_or(sdk::EventSource::AwsConfig, sdk::EventSource::from))
            .message_type(d.message_type.as_str().into())
            .set_maximum_execution_frequency(d.maximum_execution_frequency.as_deref().map(Into::into))
            .build()
    };
    let policy = want.custom_policy_details.as_ref().map(|p| {
        sdk::CustomPolicyDetails::builder()
            .policy_runtime(&p.policy_runtime)
            .policy_text(&p.policy_text)
            .enable_debug_log_delivery(p.enable_debug_log_delivery.unwrap_or(false))
            .build()
            .map_err(incomplete)
    });
    sdk::Source::builder()
        .owner(want.owner.as_str().into())
        .set_source_identifier(want.source_identifier.clone())
        .set_source_details(want.source_details.as_ref().map(|all| all.iter().map(detail).collect()))
        .set_custom_policy_details(policy.transpose()?)
        .build()
        .map_err(incomplete)
}

/// `policy`: the text of the policy, of which the description of a rule says nothing.
pub(super) fn source_of(source: &sdk::Source, policy: Option<String>) -> SourceResolved {
    let detail = |d: &sdk::SourceDetail| {
        Some(SourceDetailResolved {
            event_source: d.event_source().map(|s| s.as_str().to_owned()),
            message_type: d.message_type()?.as_str().to_owned(),
            maximum_execution_frequency: d.maximum_execution_frequency().map(|f| f.as_str().to_owned()),
        })
    };
    let details: Vec<_> = source.source_details().iter().filter_map(detail).collect();
    let custom = source.custom_policy_details().map(|p| CustomPolicyDetailsResolved {
        policy_runtime: p.policy_runtime().to_owned(),
        policy_text: policy.unwrap_or_else(|| p.policy_text().to_owned()),
        enable_debug_log_delivery: Some(p.enable_debug_log_delivery()),
    });
    SourceResolved {
        owner: source.owner.as_str().to_owned(),
        source_identifier: source.source_identifier.clone().filter(|i| !i.is_empty()),
        source_details: (!details.is_empty()).then_some(details),
        custom_policy_details: custom,
    }
}
