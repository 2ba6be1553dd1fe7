//! The groups of fields of [`DbProxy`](super::DbProxy).

use aws_sdk_rds::types as sdk;
use phx_model::{Block, Input};

use super::{listed, text};
use crate::arn::Arn;

/// A way in which clients prove who they are, and the secret with which the proxy does so to the database.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_UserAuthConfig.html>
#[derive(Clone, Debug, Block)]
pub struct ProxyAuth {
    /// `SECRETS`, which is the only one.
    #[field(cloud_default)]
    pub auth_scheme: Option<Input<String>>,
    /// The secret with a database user's name and password.
    pub secret_arn: Option<Input<Arn>>,
    /// Whether clients must prove by IAM who they are: `DISABLED` (AWS's default), `REQUIRED` or `ENABLED`.
    #[field(cloud_default)]
    pub iam_auth: Option<Input<String>>,
    /// How clients send the password: `MYSQL_NATIVE_PASSWORD`, `MYSQL_CACHING_SHA2_PASSWORD`, `POSTGRES_SCRAM_SHA_256`, `POSTGRES_MD5` or
    /// `SQL_SERVER_AUTHENTICATION`.
    #[field(cloud_default)]
    pub client_password_auth_type: Option<Input<String>>,
    /// The database user.
    pub user_name: Option<Input<String>>,
    /// What it is for.
    pub description: Option<Input<String>>,
}

/// How a proxy keeps its connections to the database.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ConnectionPoolConfiguration.html>
#[derive(Clone, Debug, Block)]
pub struct ConnectionPool {
    /// How much of the database's `max_connections` the proxy may take, in percent. AWS's default: 100.
    #[field(cloud_default)]
    pub max_connections_percent: Option<Input<i32>>,
    /// How much of it the proxy keeps open while nobody uses it, in percent. AWS's default: half of `max_connections_percent`.
    #[field(cloud_default)]
    pub max_idle_connections_percent: Option<Input<i32>>,
    /// For how many seconds a client waits for a connection, 0 to 300. AWS's default: 120.
    #[field(cloud_default)]
    pub connection_borrow_timeout: Option<Input<i32>>,
    /// Which statements do not tie a client to one connection: `EXCLUDE_VARIABLE_SETS`.
    #[field(set, cloud_default)]
    pub session_pinning_filters: Option<Input<Vec<String>>>,
    /// Statements with which each connection to the database begins. AWS keeps them from view.
    #[field(secret, cloud_default)]
    pub init_query: Option<Input<String>>,
}

pub(super) fn auth(auth: Option<&Vec<ProxyAuthResolved>>) -> Option<Vec<sdk::UserAuthConfig>> {
    let one = |a: &ProxyAuthResolved| {
        sdk::UserAuthConfig::builder()
            .auth_scheme(a.auth_scheme.as_deref().map_or(sdk::AuthScheme::Secrets, Into::into))
            .set_secret_arn(text(a.secret_arn.as_ref()))
            .set_iam_auth(a.iam_auth.as_deref().map(Into::into))
            .set_client_password_auth_type(a.client_password_auth_type.as_deref().map(Into::into))
            .set_user_name(a.user_name.clone())
            .set_description(a.description.clone())
            .build()
    };
    auth.map(|all| all.iter().map(one).collect())
}

pub(super) fn auth_of(told: &[sdk::UserAuthConfigInfo]) -> Vec<ProxyAuthResolved> {
    let one = |a: &sdk::UserAuthConfigInfo| ProxyAuthResolved {
        auth_scheme: a.auth_scheme().map(|s| s.as_str().to_owned()),
        secret_arn: a.secret_arn().filter(|arn| !arn.is_empty()).map(Arn::new),
        iam_auth: a.iam_auth().map(|mode| mode.as_str().to_owned()),
        client_password_auth_type: a.client_password_auth_type().map(|kind| kind.as_str().to_owned()),
        user_name: a.user_name.clone().filter(|name| !name.is_empty()),
        description: a.description.clone().filter(|text| !text.is_empty()),
    };
    told.iter().map(one).collect()
}

pub(super) fn pool(want: &ConnectionPoolResolved) -> sdk::ConnectionPoolConfiguration {
    sdk::ConnectionPoolConfiguration::builder()
        .set_max_connections_percent(want.max_connections_percent)
        .set_max_idle_connections_percent(want.max_idle_connections_percent)
        .set_connection_borrow_timeout(want.connection_borrow_timeout)
        .set_session_pinning_filters(want.session_pinning_filters.clone())
        .set_init_query(want.init_query.clone())
        .build()
}

pub(super) fn pool_of(told: &sdk::ConnectionPoolConfigurationInfo) -> ConnectionPoolResolved {
    ConnectionPoolResolved {
        max_connections_percent: told.max_connections_percent,
        max_idle_connections_percent: told.max_idle_connections_percent,
        connection_borrow_timeout: told.connection_borrow_timeout,
        session_pinning_filters: listed(told.session_pinning_filters().to_vec()),
        init_query: told.init_query.clone().filter(|query| !query.is_empty()),
    }
}
