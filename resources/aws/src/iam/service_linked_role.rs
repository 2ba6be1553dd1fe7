//! `aws:iam:ServiceLinkedRole`.
//!
//! No emulator takes its time to delete such a role, or refuses to; that part follows the service model.

use aws_sdk_iam::types::{DeletionTaskStatusType, Role as Shown};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Val;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::role::{self, Role, RoleOutputs, RoleResolved};
use super::{Iam, PAGE, RoleName};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::TagDelta;
use crate::wait::{Stage, until};

/// Where these roles stand, with the service's name after it.
const PATH: &str = "/aws-service-role/";

/// The role in which an AWS service does its work in the account. Its name and its permissions are the service's to say.
///
/// It is made without tags, and so without a mark, but the account has one at most for each service and suffix: after a creation whose answer
/// was lost, that one is taken for the one that was made, if it is no older than the run. A creation that meets a role which is there already
/// (AWS often makes it by itself) is refused.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:ServiceLinkedRole",
    terraform = "aws_iam_service_linked_role",
    cloudformation = "AWS::IAM::ServiceLinkedRole",
    identity = NaturalKey,
    unique(aws_service_name, custom_suffix)
)]
pub struct ServiceLinkedRole {
    /// The service: `autoscaling.amazonaws.com`.
    #[field(replace)]
    pub aws_service_name: Input<String>,
    /// What the role's name ends with, after a `_`. Few services allow it.
    #[field(replace, cloud_default)]
    pub custom_suffix: Option<Input<String>>,
    /// What the role is for.
    #[field(cloud_default)]
    pub description: Option<Input<String>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ServiceLinkedRoleOutputs {
    /// The name, by which other types refer to the role.
    pub role_name: RoleName,
    /// The ARN.
    pub arn: Arn,
    /// The id, which no other role will ever have: `AROA1234567890EXAMPLE`.
    pub role_id: String,
}

impl Manage for ServiceLinkedRole {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let found = Role::read_many(aws, cx, targets).await?;
        Ok(targets.iter().zip(found).map(|(target, found)| shown(target, found)).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &ServiceLinkedRoleResolved,
        _: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam
            .create_service_linked_role()
            .aws_service_name(&want.aws_service_name)
            .set_custom_suffix(want.custom_suffix.clone())
            .set_description(want.description.clone());
        let answer = match super::change(cx, || iam.write("CreateServiceLinkedRole", || request.clone().send())).await {
            Err(error) if is_taken(&error) => {
                let error = CloudError { kind: ErrorKind::AlreadyExists, ..error };
                return Err(error.hint("AWS may have made it by itself: adopt it with `phx import`, by its name"));
            }
            answer => answer?,
        };
        let role = answer.role.ok_or_else(|| iam.unexpected("CreateServiceLinkedRole", "the answer holds no role"))?;
        Ok(created(want, &role))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ServiceLinkedRoleResolved,
    ) -> Result<Option<ServiceLinkedRoleOutputs>, CloudError> {
        // One that was found again is finished whether or not there is anything left to do.
        if want.tags.is_empty() {
            return Ok(None);
        }
        let iam = &aws.iam(cx).await?;
        let request = iam.tag_role().role_name(id).set_tags(Some(super::to_tags(&want.tags)?));
        let send = || iam.write_idempotent("TagRole", || request.clone().send());
        super::once_known(cx, |e| e.kind == ErrorKind::NotFound, send).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &ServiceLinkedRoleResolved,
        change: &ServiceLinkedRoleChange,
    ) -> Result<Option<ServiceLinkedRoleOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if let Some(description) = &change.description {
            let text = description.after.clone().unwrap_or_default();
            let request = iam.update_role().role_name(id).description(text);
            super::change(cx, || iam.write_idempotent("UpdateRole", || request.clone().send())).await?;
        }
        if let Some(change) = &change.tags {
            role::update_tags(iam, cx, id, &TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&ServiceLinkedRoleResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam.delete_service_linked_role().role_name(id);
        let send = || iam.write_idempotent("DeleteServiceLinkedRole", || request.clone().send());
        let Some(task) = super::if_there(super::change(cx, send).await)? else { return Ok(()) };
        // The service is asked whether it still needs the role, in every region.
        let task = &task.deletion_task_id;
        until(cx, &format!("the deletion of the role {id}"), || async move {
            let request = iam.get_service_linked_role_deletion_status().deletion_task_id(task);
            let answer = iam.read("GetServiceLinkedRoleDeletionStatus", || request.clone().send()).await?;
            match answer.status() {
                DeletionTaskStatusType::Succeeded => Ok(Stage::Ready(())),
                DeletionTaskStatusType::Failed => Err(refused(iam, id, answer.reason())),
                DeletionTaskStatusType::NotStarted => Ok(Stage::Waiting("not started".to_owned())),
                _ => Ok(Stage::Waiting("in progress".to_owned())),
            }
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &ServiceLinkedRoleResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let path = &format!("{PATH}{}/", want.aws_service_name);
        let roles = batch::pages(|marker| async move {
            let request = iam.list_roles().path_prefix(path).max_items(PAGE).set_marker(marker);
            let answer = iam.read("ListRoles", || request.clone().send()).await?;
            Ok((answer.roles, answer.marker.filter(|_| answer.is_truncated)))
        });
        let wanted = want.custom_suffix.as_deref();
        let roles = roles.await?;
        // An endpoint may ignore the prefix.
        let found = roles.iter().find(|r| r.path() == path && suffix(r.role_name(), &want.aws_service_name) == wanted);
        let Some(role) = found else { return Ok(None) };
        super::made_since(&format!("the role {}", role.role_name()), role.create_date(), intent)?;
        Ok(Some(created(want, role)))
    }
}

/// IAM says so with a code that it uses for other things too.
fn is_taken(error: &CloudError) -> bool {
    error.kind == ErrorKind::AlreadyExists
        || (error.code.as_deref() == Some("InvalidInput") && error.message.contains("has been taken"))
}

fn created(want: &ServiceLinkedRoleResolved, role: &Shown) -> Created<ServiceLinkedRole> {
    let outputs = ServiceLinkedRoleOutputs {
        role_name: RoleName::new(role.role_name()),
        arn: Arn::new(role.arn()),
        role_id: role.role_id.clone(),
    };
    Created { id: role.role_name.clone(), outputs, complete: want.tags.is_empty() }
}

/// What a role's name ends with beside the service's own part. Application Auto Scaling's roles have a part for the service that is scaled.
fn suffix<'a>(name: &'a str, service: &str) -> Option<&'a str> {
    if service.ends_with(".application-autoscaling.amazonaws.com") {
        return None;
    }
    name.split_once('_').map(|(_, suffix)| suffix)
}

fn shown(target: &Target<'_>, found: Found<Role>) -> Found<ServiceLinkedRole> {
    let (fields, outputs): (RoleResolved, RoleOutputs) = match found {
        Found::Present { fields, outputs } => (*fields, *outputs),
        Found::Gone => return Found::Gone,
        Found::Failed(error) => return Found::Failed(error),
    };
    let service = fields.path.as_deref().and_then(|path| path.strip_prefix(PATH)?.strip_suffix('/'));
    let Some(service) = service else {
        let message = format!("{} is no service's role: it stands at {:?}", target.id, fields.path);
        return Found::Failed(CloudError::local(ErrorKind::Invalid, message).hint("it is an aws:iam:Role"));
    };
    let set = target.inputs.get("custom_suffix").and_then(|text| String::from_value(text).ok());
    let set = set.filter(|set| target.id.ends_with(&format!("_{set}")));
    let fields = ServiceLinkedRoleResolved {
        custom_suffix: set.or_else(|| suffix(target.id, service).map(str::to_owned)),
        aws_service_name: service.to_owned(),
        description: fields.description,
        tags: fields.tags,
    };
    let RoleOutputs { role_name, arn, role_id } = outputs;
    Found::present(fields, ServiceLinkedRoleOutputs { role_name, arn, role_id })
}

fn refused(iam: &Iam, id: &str, why: Option<&aws_sdk_iam::types::DeletionTaskFailureReasonType>) -> CloudError {
    let reason = why.and_then(|w| w.reason()).unwrap_or("AWS gives no reason");
    let message = format!("the role {id} is not deleted: {reason}");
    let error = CloudError { kind: ErrorKind::InUse, ..iam.unexpected("GetServiceLinkedRoleDeletionStatus", message) };
    let uses = why.map(|w| w.role_usage_list()).unwrap_or_default();
    let uses: Vec<String> = uses
        .iter()
        .flat_map(|u| u.resources().iter().map(|r| format!("{r} in {}", u.region().unwrap_or("no region"))))
        .collect();
    if uses.is_empty() { error } else { error.hint(format!("still used by {}", uses.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_end_with_a_suffix() {
        let auto = "autoscaling.amazonaws.com";
        assert_eq!(suffix("AWSServiceRoleForAutoScaling_Blue", auto), Some("Blue"));
        assert_eq!(suffix("AWSServiceRoleForAutoScaling", auto), None);
        let table = "dynamodb.application-autoscaling.amazonaws.com";
        assert_eq!(suffix("AWSServiceRoleForApplicationAutoScaling_DynamoDBTable", table), None);
    }
}
