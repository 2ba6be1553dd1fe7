//! [`ExistingRole`].

use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::arn::Arn;
use crate::batch;
use crate::ids::RoleName;

/// An IAM role that the program does not manage.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingRole {
    name: String,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id: `AROA…`.
    pub unique_id: String,
    /// Its path: `/` for most.
    pub path: String,
}

impl ExistingRole {
    /// The one of this name (without its path).
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Lookup for ExistingRole {
    const NAME: &'static str = "aws:iam:Role";
    type Answer = Role;
}

impl Find for ExistingRole {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Role, CloudError>>, CloudError> {
        let iam = &at.aws.iam(&at.cx).await?;
        batch::each(wanted, |wanted| async move {
            let request = iam.get_role().role_name(&wanted.name);
            let role = match iam.read("GetRole", || request.clone().send()).await {
                Ok(answer) => answer.role,
                Err(error) if error.kind == ErrorKind::NotFound => None,
                Err(error) => return Ok(Err(error)),
            };
            Ok(match role {
                Some(role) => Ok(Role {
                    name: RoleName::new(role.role_name),
                    arn: Arn::new(role.arn),
                    unique_id: role.role_id,
                    path: role.path,
                }),
                None => Err(choose::none(at, "role", "name").await?),
            })
        })
        .await
    }
}
