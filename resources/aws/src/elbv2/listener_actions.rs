//! What a listener does with requests, as blocks of fields, and to and from the SDK's structures.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types as sdk;
use phx_model::value::Val;
use phx_model::{Block, Input, Value};

use super::text;
use crate::arn::Arn;
use crate::forms::in_order_of;

/// One thing that is done with a request. Of the blocks the one that its type names is set.
#[derive(Clone, Debug, Block)]
pub struct Action {
    /// `forward`, `redirect`, `fixed-response`, `authenticate-oidc`, `authenticate-cognito` or `jwt-validation`.
    pub r#type: Input<String>,
    /// The target group to forward to, if it is one alone.
    #[field(cloud_default)]
    pub target_group_arn: Option<Input<Arn>>,
    /// The target groups to forward to.
    #[field(cloud_default)]
    pub forward_config: Option<Input<ForwardConfig>>,
    /// Where the client is sent instead.
    pub redirect_config: Option<Input<RedirectConfig>>,
    /// What the client is answered.
    pub fixed_response_config: Option<Input<FixedResponseConfig>>,
    /// Who must have logged in with an OpenID Connect provider.
    pub authenticate_oidc_config: Option<Input<AuthenticateOidcConfig>>,
    /// Who must have logged in with Cognito.
    pub authenticate_cognito_config: Option<Input<AuthenticateCognitoConfig>>,
    /// Who must bring a token.
    pub jwt_validation_config: Option<Input<JwtValidationConfig>>,
    /// Its place among the actions, from 1. The last one forwards, redirects or answers.
    #[field(cloud_default)]
    pub order: Option<Input<i32>>,
}

/// The target groups that requests are forwarded to.
#[derive(Clone, Debug, Block)]
pub struct ForwardConfig {
    /// The groups.
    #[field(set)]
    pub target_groups: Input<Vec<TargetGroupTuple>>,
    /// Whether a client stays with one of them.
    #[field(cloud_default)]
    pub target_group_stickiness_config: Option<Input<TargetGroupStickinessConfig>>,
}

/// A target group, and its share.
#[derive(Clone, Debug, Block)]
pub struct TargetGroupTuple {
    /// The group.
    pub target_group_arn: Input<Arn>,
    /// Its share, from 0 to 999.
    #[field(cloud_default)]
    pub weight: Option<Input<i32>>,
}

/// Whether a client stays with one target group.
#[derive(Clone, Debug, Block)]
pub struct TargetGroupStickinessConfig {
    /// Whether it does.
    pub enabled: Input<bool>,
    /// For how many seconds, up to seven days.
    #[field(cloud_default)]
    pub duration_seconds: Option<Input<i32>>,
}

/// Where a client is sent instead. What is not set stays as it came.
#[derive(Clone, Debug, Block)]
pub struct RedirectConfig {
    /// `HTTP_301` or `HTTP_302`.
    pub status_code: Input<String>,
    /// `HTTP` or `HTTPS`. AWS's default: `#{protocol}`.
    #[field(cloud_default)]
    pub protocol: Option<Input<String>>,
    /// The port. AWS's default: `#{port}`.
    #[field(cloud_default)]
    pub port: Option<Input<String>>,
    /// The host. AWS's default: `#{host}`.
    #[field(cloud_default)]
    pub host: Option<Input<String>>,
    /// The path. AWS's default: `/#{path}`.
    #[field(cloud_default)]
    pub path: Option<Input<String>>,
    /// The query. AWS's default: `#{query}`.
    #[field(cloud_default)]
    pub query: Option<Input<String>>,
}

/// What a client is answered.
#[derive(Clone, Debug, Block)]
pub struct FixedResponseConfig {
    /// `2XX`, `4XX` or `5XX`, as a number: `503`.
    pub status_code: Input<String>,
    /// The body.
    pub message_body: Option<Input<String>>,
    /// The body's type: `text/plain`, `text/css`, `text/html`, `application/javascript` or `application/json`.
    #[field(cloud_default)]
    pub content_type: Option<Input<String>>,
}

/// A login with an OpenID Connect provider.
#[derive(Clone, Debug, Block)]
pub struct AuthenticateOidcConfig {
    /// The provider's issuer.
    pub issuer: Input<String>,
    /// The provider's authorization endpoint.
    pub authorization_endpoint: Input<String>,
    /// The provider's token endpoint.
    pub token_endpoint: Input<String>,
    /// The provider's endpoint for what it knows of a user.
    pub user_info_endpoint: Input<String>,
    /// The client's id with the provider.
    pub client_id: Input<String>,
    /// The client's secret. AWS never tells it.
    #[field(secret)]
    pub client_secret: Option<Input<String>>,
    /// The cookie that holds the session. AWS's default: `AWSELBAuthSessionCookie`.
    #[field(cloud_default)]
    pub session_cookie_name: Option<Input<String>>,
    /// What is asked of the provider. AWS's default: `openid`.
    #[field(cloud_default)]
    pub scope: Option<Input<String>>,
    /// How many seconds a session lasts. AWS's default: seven days.
    #[field(cloud_default)]
    pub session_timeout: Option<Input<i64>>,
    /// Up to ten more parameters for the authorization endpoint.
    pub authentication_request_extra_params: Option<Input<BTreeMap<String, String>>>,
    /// What happens to who has not logged in: `deny`, `allow` or `authenticate`, which is AWS's default.
    #[field(cloud_default)]
    pub on_unauthenticated_request: Option<Input<String>>,
}

/// A login with Cognito.
#[derive(Clone, Debug, Block)]
pub struct AuthenticateCognitoConfig {
    /// The user pool.
    pub user_pool_arn: Input<Arn>,
    /// The client of the pool.
    pub user_pool_client_id: Input<String>,
    /// The pool's domain.
    pub user_pool_domain: Input<String>,
    /// The cookie that holds the session. AWS's default: `AWSELBAuthSessionCookie`.
    #[field(cloud_default)]
    pub session_cookie_name: Option<Input<String>>,
    /// What is asked of the pool. AWS's default: `openid`.
    #[field(cloud_default)]
    pub scope: Option<Input<String>>,
    /// How many seconds a session lasts. AWS's default: seven days.
    #[field(cloud_default)]
    pub session_timeout: Option<Input<i64>>,
    /// Up to ten more parameters for the authorization endpoint.
    pub authentication_request_extra_params: Option<Input<BTreeMap<String, String>>>,
    /// What happens to who has not logged in: `deny`, `allow` or `authenticate`, which is AWS's default.
    #[field(cloud_default)]
    pub on_unauthenticated_request: Option<Input<String>>,
}

/// A token that requests must bring.
#[derive(Clone, Debug, Block)]
pub struct JwtValidationConfig {
    /// Where the issuer's keys are.
    pub jwks_endpoint: Input<String>,
    /// The issuer.
    pub issuer: Input<String>,
    /// What else the token must say.
    #[field(set)]
    pub additional_claims: Option<Input<Vec<JwtAdditionalClaim>>>,
}

/// A claim that a token must make.
#[derive(Clone, Debug, Block)]
pub struct JwtAdditionalClaim {
    /// `single-string`, `string-array` or `space-separated-values`.
    pub format: Input<String>,
    /// The claim's name.
    pub name: Input<String>,
    /// Its values.
    #[field(set)]
    pub values: Input<Vec<String>>,
}

/// The actions for a listener that is made, or changed: a secret that the program does not set stays as it is.
pub(super) fn to_actions(want: &[ActionResolved], changed: bool) -> Vec<sdk::Action> {
    want.iter().map(|action| to_action(action, changed)).collect()
}

fn to_action(want: &ActionResolved, changed: bool) -> sdk::Action {
    sdk::Action::builder()
        .r#type(want.r#type.as_str().into())
        .set_target_group_arn(want.target_group_arn.as_ref().map(Arn::to_string))
        .set_forward_config(want.forward_config.as_ref().map(to_forward))
        .set_redirect_config(want.redirect_config.as_ref().map(to_redirect))
        .set_fixed_response_config(want.fixed_response_config.as_ref().map(to_response))
        .set_authenticate_oidc_config(want.authenticate_oidc_config.as_ref().map(|oidc| to_oidc(oidc, changed)))
        .set_authenticate_cognito_config(want.authenticate_cognito_config.as_ref().map(to_cognito))
        .set_jwt_validation_config(want.jwt_validation_config.as_ref().map(to_jwt))
        .set_order(want.order)
        .build()
}

fn to_forward(want: &ForwardConfigResolved) -> sdk::ForwardActionConfig {
    let group = |g: &TargetGroupTupleResolved| {
        sdk::TargetGroupTuple::builder().target_group_arn(g.target_group_arn.as_str()).set_weight(g.weight).build()
    };
    let sticky = want.target_group_stickiness_config.as_ref().map(|s| {
        let sticky = sdk::TargetGroupStickinessConfig::builder().enabled(s.enabled);
        sticky.set_duration_seconds(s.duration_seconds).build()
    });
    sdk::ForwardActionConfig::builder()
        .set_target_groups(Some(want.target_groups.iter().map(group).collect()))
        .set_target_group_stickiness_config(sticky)
        .build()
}

fn to_redirect(want: &RedirectConfigResolved) -> sdk::RedirectActionConfig {
    sdk::RedirectActionConfig::builder()
        .status_code(want.status_code.as_str().into())
        .set_protocol(want.protocol.clone())
        .set_port(want.port.clone())
        .set_host(want.host.clone())
        .set_path(want.path.clone())
        .set_query(want.query.clone())
        .build()
}

fn to_response(want: &FixedResponseConfigResolved) -> sdk::FixedResponseActionConfig {
    sdk::FixedResponseActionConfig::builder()
        .status_code(&want.status_code)
        .set_message_body(want.message_body.clone())
        .set_content_type(want.content_type.clone())
        .build()
}

fn to_oidc(want: &AuthenticateOidcConfigResolved, changed: bool) -> sdk::AuthenticateOidcActionConfig {
    sdk::AuthenticateOidcActionConfig::builder()
        .issuer(&want.issuer)
        .authorization_endpoint(&want.authorization_endpoint)
        .token_endpoint(&want.token_endpoint)
        .user_info_endpoint(&want.user_info_endpoint)
        .client_id(&want.client_id)
        .set_client_secret(want.client_secret.clone())
        .set_use_existing_client_secret((changed && want.client_secret.is_none()).then_some(true))
        .set_session_cookie_name(want.session_cookie_name.clone())
        .set_scope(want.scope.clone())
        .set_session_timeout(want.session_timeout)
        .set_authentication_request_extra_params(
            want.authentication_request_extra_params.clone().map(|p| p.into_iter().collect()),
        )
        .set_on_unauthenticated_request(want.on_unauthenticated_request.as_deref().map(Into::into))
        .build()
}

fn to_cognito(want: &AuthenticateCognitoConfigResolved) -> sdk::AuthenticateCognitoActionConfig {
    sdk::AuthenticateCognitoActionConfig::builder()
        .user_pool_arn(want.user_pool_arn.as_str())
        .user_pool_client_id(&want.user_pool_client_id)
        .user_pool_domain(&want.user_pool_domain)
        .set_session_cookie_name(want.session_cookie_name.clone())
        .set_scope(want.scope.clone())
        .set_session_timeout(want.session_timeout)
        .set_authentication_request_extra_params(
            want.authentication_request_extra_params.clone().map(|p| p.into_iter().collect()),
        )
        .set_on_unauthenticated_request(want.on_unauthenticated_request.as_deref().map(Into::into))
        .build()
}

fn to_jwt(want: &JwtValidationConfigResolved) -> sdk::JwtValidationActionConfig {
    let claim = |c: &JwtAdditionalClaimResolved| {
        sdk::JwtValidationActionAdditionalClaim::builder()
            .format(c.format.as_str().into())
            .name(&c.name)
            .set_values(Some(c.values.clone()))
            .build()
    };
    sdk::JwtValidationActionConfig::builder()
        .jwks_endpoint(&want.jwks_endpoint)
        .issuer(&want.issuer)
        .set_additional_claims(want.additional_claims.as_ref().map(|all| all.iter().map(claim).collect()))
        .build()
}

/// A listener's actions as the program writes them. `wanted` is what it last set: AWS tells no secrets, and lists of groups in an order of its own.
pub(super) fn from_actions(there: &[sdk::Action], wanted: Option<&Value>) -> Vec<ActionResolved> {
    let wanted: Vec<Value> = match wanted.map(Value::expose) {
        Some(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    };
    let mut there: Vec<&sdk::Action> = there.iter().collect();
    there.sort_by_key(|action| action.order());
    there.into_iter().enumerate().map(|(at, action)| from_action(action, wanted.get(at))).collect()
}

fn part<'v>(value: Option<&'v Value>, name: &str) -> Option<&'v Value> {
    match value?.expose() {
        Value::Map(parts) => parts.get(name),
        _ => None,
    }
}

fn from_action(there: &sdk::Action, wanted: Option<&Value>) -> ActionResolved {
    let groups = part(part(wanted, "forward_config"), "target_groups");
    let secret = part(part(wanted, "authenticate_oidc_config"), "client_secret");
    let secret = secret.and_then(|s| String::from_value(s).ok());
    let code = |r: &sdk::RedirectActionConfig| r.status_code().map(|c| c.as_str().to_owned()).unwrap_or_default();
    ActionResolved {
        r#type: there.r#type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        target_group_arn: text(there.target_group_arn()).map(Arn::new),
        forward_config: there.forward_config().map(|forward| from_forward(forward, groups)),
        redirect_config: there.redirect_config().map(|r| RedirectConfigResolved {
            status_code: code(r),
            protocol: text(r.protocol()),
            port: text(r.port()),
            host: text(r.host()),
            path: text(r.path()),
            query: text(r.query()),
        }),
        fixed_response_config: there.fixed_response_config().map(|r| FixedResponseConfigResolved {
            status_code: r.status_code().unwrap_or_default().to_owned(),
            message_body: text(r.message_body()),
            content_type: text(r.content_type()),
        }),
        authenticate_oidc_config: there.authenticate_oidc_config().map(|oidc| from_oidc(oidc, secret)),
        authenticate_cognito_config: there.authenticate_cognito_config().map(from_cognito),
        jwt_validation_config: there.jwt_validation_config().map(from_jwt),
        order: there.order,
    }
}

fn from_forward(there: &sdk::ForwardActionConfig, wanted: Option<&Value>) -> ForwardConfigResolved {
    let group = |g: &sdk::TargetGroupTuple| {
        Some(TargetGroupTupleResolved { target_group_arn: Arn::new(g.target_group_arn()?), weight: g.weight })
    };
    let groups = there.target_groups().iter().filter_map(group).collect();
    ForwardConfigResolved {
        target_groups: in_order_of::<TargetGroupTuple>(wanted, groups),
        target_group_stickiness_config: there.target_group_stickiness_config().map(|s| {
            TargetGroupStickinessConfigResolved {
                enabled: s.enabled().unwrap_or(false),
                duration_seconds: s.duration_seconds,
            }
        }),
    }
}

fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn from_oidc(there: &sdk::AuthenticateOidcActionConfig, secret: Option<String>) -> AuthenticateOidcConfigResolved {
    AuthenticateOidcConfigResolved {
        issuer: owned(there.issuer()),
        authorization_endpoint: owned(there.authorization_endpoint()),
        token_endpoint: owned(there.token_endpoint()),
        user_info_endpoint: owned(there.user_info_endpoint()),
        client_id: owned(there.client_id()),
        client_secret: secret,
        session_cookie_name: text(there.session_cookie_name()),
        scope: text(there.scope()),
        session_timeout: there.session_timeout,
        authentication_request_extra_params: there
            .authentication_request_extra_params()
            .filter(|p| !p.is_empty())
            .map(|p| p.clone().into_iter().collect()),
        on_unauthenticated_request: there.on_unauthenticated_request().map(|r| r.as_str().to_owned()),
    }
}

fn from_cognito(there: &sdk::AuthenticateCognitoActionConfig) -> AuthenticateCognitoConfigResolved {
    AuthenticateCognitoConfigResolved {
        user_pool_arn: Arn::new(owned(there.user_pool_arn())),
        user_pool_client_id: owned(there.user_pool_client_id()),
        user_pool_domain: owned(there.user_pool_domain()),
        session_cookie_name: text(there.session_cookie_name()),
        scope: text(there.scope()),
        session_timeout: there.session_timeout,
        authentication_request_extra_params: there
            .authentication_request_extra_params()
            .filter(|p| !p.is_empty())
            .map(|p| p.clone().into_iter().collect()),
        on_unauthenticated_request: there.on_unauthenticated_request().map(|r| r.as_str().to_owned()),
    }
}

fn from_jwt(there: &sdk::JwtValidationActionConfig) -> JwtValidationConfigResolved {
    let claim = |c: &sdk::JwtValidationActionAdditionalClaim| JwtAdditionalClaimResolved {
        format: c.format().map(|f| f.as_str().to_owned()).unwrap_or_default(),
        name: owned(c.name()),
        values: c.values().to_vec(),
    };
    let claims: Vec<_> = there.additional_claims().iter().map(claim).collect();
    JwtValidationConfigResolved {
        jwks_endpoint: owned(there.jwks_endpoint()),
        issuer: owned(there.issuer()),
        additional_claims: Some(claims).filter(|c| !c.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stays_with_its_action_and_groups_stand_as_they_were_written() {
        let group = |arn: &str| sdk::TargetGroupTuple::builder().target_group_arn(arn).weight(1).build();
        let oidc = sdk::AuthenticateOidcActionConfig::builder().issuer("i").client_id("c").build();
        let forward = sdk::ForwardActionConfig::builder().target_groups(group("a")).target_groups(group("b")).build();
        let there = [
            sdk::Action::builder().order(2).r#type("forward".into()).forward_config(forward).build(),
            sdk::Action::builder().order(1).r#type("authenticate-oidc".into()).authenticate_oidc_config(oidc).build(),
        ];
        let wanted: Value = serde_json::from_str(
            r#"[{"authenticate_oidc_config": {"client_secret": "s"}},
                {"forward_config": {"target_groups": [{"target_group_arn": "b"}, {"target_group_arn": "a"}]}}]"#,
        )
        .unwrap();
        let actions = from_actions(&there, Some(&wanted));
        let oidc = actions[0].authenticate_oidc_config.as_ref().unwrap();
        assert_eq!(oidc.client_secret.as_deref(), Some("s"));
        let groups = &actions[1].forward_config.as_ref().unwrap().target_groups;
        assert_eq!(groups.iter().map(|g| g.target_group_arn.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(from_actions(&there, None)[0].authenticate_oidc_config.as_ref().unwrap().client_secret, None);
    }

    #[test]
    fn a_secret_that_is_not_set_is_kept_only_when_there_is_one() {
        let oidc = AuthenticateOidcConfigResolved {
            client_secret: None,
            ..from_oidc(&sdk::AuthenticateOidcActionConfig::builder().build(), None)
        };
        assert_eq!(to_oidc(&oidc, false).use_existing_client_secret(), None);
        assert_eq!(to_oidc(&oidc, true).use_existing_client_secret(), Some(true));
        let set = AuthenticateOidcConfigResolved { client_secret: Some("s".into()), ..oidc };
        assert_eq!(to_oidc(&set, true).use_existing_client_secret(), None);
    }
}
