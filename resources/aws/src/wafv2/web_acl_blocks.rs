//! The parts of a web ACL.

use std::collections::BTreeMap;

use phx_model::value::Json;
use phx_model::{Block, Input};

use super::form;
use crate::forms;

/// One rule.
#[derive(Clone, Debug, Block)]
pub struct Rule {
    /// The name, unique in the web ACL.
    pub name: Input<String>,
    /// Its place: rules with lower numbers come first.
    pub priority: Input<i32>,
    /// Which requests it is about, in AWS's own JSON: `{"GeoMatchStatement": {"CountryCodes": ["AT"]}}`. What a `ByteMatchStatement` looks for is
    /// written as text in `SearchString`, or as Base64 in `SearchStringBase64`.
    /// <https://docs.aws.amazon.com/waf/latest/APIReference/API_Statement.html>
    #[field(json, normalize = form::canonical)]
    pub statement: Input<Json>,
    /// What is done with them: `Allow`, `Block`, `Count`, `Captcha`, `Challenge`, `Monetize`. Not for rule groups.
    pub action: Option<Input<Action>>,
    /// What is done in place of a rule group's actions: `None` (nothing: they are taken) or `Count`.
    pub override_action: Option<Input<Action>>,
    /// Labels that requests get.
    #[field(set)]
    pub rule_labels: Option<Input<Vec<Label>>>,
    /// What is measured.
    pub visibility_config: Input<VisibilityConfig>,
    /// How long a solved puzzle counts, if otherwise than for the web ACL.
    pub captcha_config: Option<Input<ImmunityConfig>>,
    /// How long a passed challenge counts, if otherwise than for the web ACL.
    pub challenge_config: Option<Input<ImmunityConfig>>,
}

/// What is done with a request.
#[derive(Clone, Debug, Block)]
pub struct Action {
    /// `Allow`, `Block`, `Count`, `Captcha`, `Challenge`, `Monetize`, `None`: as AWS writes them.
    pub action: Input<String>,
    /// What a blocked request is answered with.
    pub custom_response: Option<Input<CustomResponse>>,
    /// What is added to a request that goes on.
    pub custom_request_handling: Option<Input<CustomRequestHandling>>,
    /// What the price of a request is multiplied with, for `Monetize`.
    pub price_multiplier: Option<Input<String>>,
}

/// What a blocked request is answered with.
#[derive(Clone, Debug, Block)]
pub struct CustomResponse {
    /// The status: 200 to 599.
    pub response_code: Input<i32>,
    /// The body: a key of the web ACL's `custom_response_bodies`.
    pub custom_response_body_key: Option<Input<String>>,
    /// Headers.
    #[field(set)]
    pub response_headers: Option<Input<Vec<CustomHttpHeader>>>,
}

/// What is added to a request that goes on.
#[derive(Clone, Debug, Block)]
pub struct CustomRequestHandling {
    /// Headers, which get `x-amzn-waf-` before their names.
    #[field(set)]
    pub insert_headers: Input<Vec<CustomHttpHeader>>,
}

/// A header.
#[derive(Clone, Debug, Block)]
pub struct CustomHttpHeader {
    /// The name.
    pub name: Input<String>,
    /// The value.
    pub value: Input<String>,
}

/// A label that requests get.
#[derive(Clone, Debug, Block)]
pub struct Label {
    /// The label: `awswaf:managed:aws:…` are AWS's own.
    pub name: Input<String>,
}

/// What is measured.
#[derive(Clone, Debug, Block)]
pub struct VisibilityConfig {
    /// Whether a sample of the requests is kept.
    pub sampled_requests_enabled: Input<bool>,
    /// Whether CloudWatch gets metrics.
    pub cloud_watch_metrics_enabled: Input<bool>,
    /// The metric's name.
    pub metric_name: Input<String>,
}

/// How long a solved puzzle or a passed challenge counts.
#[derive(Clone, Debug, Block)]
pub struct ImmunityConfig {
    /// The time.
    pub immunity_time_property: Input<ImmunityTimeProperty>,
}

/// A time.
#[derive(Clone, Debug, Block)]
pub struct ImmunityTimeProperty {
    /// Seconds, 60 to 259200. AWS's default: 300.
    pub immunity_time: Input<i64>,
}

/// A body that blocked requests are answered with.
#[derive(Clone, Debug, Block)]
pub struct CustomResponseBody {
    /// `TEXT_PLAIN`, `TEXT_HTML` or `APPLICATION_JSON`.
    pub content_type: Input<String>,
    /// The body.
    pub content: Input<String>,
}

/// How requests to what the web ACL protects are looked at.
#[derive(Clone, Debug, Block)]
pub struct AssociationConfig {
    /// How much of a body is looked at, by `CLOUDFRONT`, `API_GATEWAY`, `COGNITO_USER_POOL`, `APP_RUNNER_SERVICE`,
    /// `VERIFIED_ACCESS_INSTANCE`.
    pub request_body: Option<Input<BTreeMap<String, RequestBodyConfig>>>,
    /// Whether pages get the challenge's script, by kind of resource, in AWS's own JSON.
    #[field(json)]
    pub challenge_javascript_sdk_injection: Option<Input<Json>>,
}

/// How much of a body is looked at.
#[derive(Clone, Debug, Block)]
pub struct RequestBodyConfig {
    /// `KB_16`, `KB_32`, `KB_48` or `KB_64`.
    pub default_size_inspection_limit: Input<String>,
}

/// What is kept out of logs and samples.
#[derive(Clone, Debug, Block)]
pub struct DataProtectionConfig {
    /// The fields.
    #[field(set)]
    pub data_protections: Input<Vec<DataProtection>>,
}

/// A field that is kept out of logs and samples.
#[derive(Clone, Debug, Block)]
pub struct DataProtection {
    /// The field.
    pub field: Input<FieldToProtect>,
    /// `SUBSTITUTION` or `HASH`.
    pub action: Input<String>,
    /// Whether what a rule matched is told all the same. AWS's default: no.
    #[field(normalize = forms::off_is_unset)]
    pub exclude_rule_match_details: Option<Input<bool>>,
    /// Whether rate-based rules tell it all the same. AWS's default: no.
    #[field(normalize = forms::off_is_unset)]
    pub exclude_rate_based_details: Option<Input<bool>>,
}

/// A part of requests.
#[derive(Clone, Debug, Block)]
pub struct FieldToProtect {
    /// `SINGLE_HEADER`, `SINGLE_COOKIE`, `SINGLE_QUERY_ARGUMENT`, `QUERY_STRING` or `BODY`.
    pub field_type: Input<String>,
    /// Their names. Unset, all of the kind.
    #[field(set)]
    pub field_keys: Option<Input<Vec<String>>>,
}

/// How load balancers are kept from floods.
#[derive(Clone, Debug, Block)]
pub struct OnSourceDDoSProtectionConfig {
    /// `ACTIVE_UNDER_DDOS` or `ALWAYS_ON`.
    pub alb_low_reputation_mode: Input<String>,
}

/// What is known of the application.
#[derive(Clone, Debug, Block)]
pub struct ApplicationConfig {
    /// Attributes.
    #[field(set)]
    pub attributes: Input<Vec<ApplicationAttribute>>,
}

/// Something that is known of the application.
#[derive(Clone, Debug, Block)]
pub struct ApplicationAttribute {
    /// Its name.
    pub name: Input<String>,
    /// Its values.
    #[field(set)]
    pub values: Input<Vec<String>>,
}
