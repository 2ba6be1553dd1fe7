//! [`CallerIdentity`].

use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find};
use crate::arn::Arn;

/// Whose credentials these are. Where a provider context is asked, its role's session.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallerIdentity {}

/// Whose credentials they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The account: twelve digits.
    pub account_id: String,
    /// The user, or the session of a role.
    pub arn: Arn,
    /// AWS's unique id of the user or role; of a session, with the session's name behind a colon.
    pub user_id: String,
}

impl CallerIdentity {
    /// The lookup.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Lookup for CallerIdentity {
    const NAME: &'static str = "aws:sts:CallerIdentity";
    type Answer = Identity;
}

impl Find for CallerIdentity {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Identity, CloudError>>, CloudError> {
        let identity = at.aws.caller(&at.cx.provider).await?;
        Ok(wanted.iter().map(|_| Ok(identity.clone())).collect())
    }
}
