//! [`ResourcePolicy`].
//!
//! No emulator serves policies of a single log group; that part follows the service model alone.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_cloudwatchlogs::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource, Value};

use super::Logs;
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, forms, owner, policy};

/// Who else may write to and read from the account's log groups, or one of them: AWS's services such as Route 53, and other accounts.
///
/// A policy bears no mark: one of that name that is already there is taken over if it says just what the program wants, and otherwise left alone.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutResourcePolicy.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:logs:ResourcePolicy",
    terraform = "aws_cloudwatch_log_resource_policy",
    cloudformation = "AWS::Logs::ResourcePolicy",
    identity = NaturalKey,
    unique(policy_name, resource_arn)
)]
pub struct ResourcePolicy {
    /// The name of a policy for the account's log groups, unique in account and region. Set either it or `resource_arn`.
    #[field(replace)]
    pub policy_name: Option<Input<String>>,
    /// The log group whose policy it is.
    #[field(replace)]
    pub resource_arn: Option<Input<Arn>>,
    /// The policy: a [`PolicyDocument`](crate::policy::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub policy_document: Input<Json>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ResourcePolicyOutputs {
    /// The policy's name, or the ARN of its log group.
    pub id: String,
    /// Which version of a log group's policy this is.
    #[output(volatile)]
    pub revision_id: Option<String>,
}

impl Manage for ResourcePolicy {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let ids: BTreeSet<&str> = targets.iter().map(|t| t.id).collect();
        let (of_resources, of_account): (Vec<&str>, Vec<&str>) = ids.into_iter().partition(|id| is_arn(id));
        let named = if of_account.is_empty() { Vec::new() } else { list(logs, None).await? };
        let mut all: HashMap<String, Result<Option<sdk::ResourcePolicy>, CloudError>> =
            named.into_iter().filter_map(|p| Some((p.policy_name.clone()?, Ok(Some(p))))).collect();
        let asked = batch::each(of_resources, |arn| async move { Ok((arn.to_owned(), get(logs, arn).await)) });
        all.extend(asked.await?);
        let found = |target: &Target<'_>| match all.get(target.id) {
            Some(Ok(Some(policy))) => Found::present(fields(target.id, policy), outputs(target.id, policy)),
            Some(Err(error)) => Found::Failed(error.clone()),
            Some(Ok(None)) | None => Found::Gone,
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &ResourcePolicyResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // PutResourcePolicy overwrites whatever has the name.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        let outputs = put(&aws.logs(cx).await?, &id(want)?, want, None).await?;
        Ok(Created { id: outputs.id.clone(), outputs, complete: true })
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ResourcePolicyResolved,
        _change: &ResourcePolicyChange,
    ) -> Result<Option<ResourcePolicyOutputs>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let revision = revision(logs, id).await?;
        put(logs, id, want, revision).await.map(Some)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&ResourcePolicyResolved>) -> Result<(), CloudError> {
        let logs = &aws.logs(cx).await?;
        let request = if is_arn(id) {
            logs.delete_resource_policy().resource_arn(id).set_expected_revision_id(revision(logs, id).await?)
        } else {
            logs.delete_resource_policy().policy_name(id)
        };
        match logs.write_idempotent("DeleteResourcePolicy", || request.clone().send()).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &ResourcePolicyResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let id = id(want)?;
        let Some(there) = get(logs, &id).await? else { return Ok(None) };
        owner::check_alike::<Self>(&format!("the resource policy {id}"), want, &fields(&id, &there))?;
        let outputs = outputs(&id, &there);
        Ok(Some(Created { id, outputs, complete: true }))
    }
}

/// A policy's name, or its log group's ARN.
fn id(want: &ResourcePolicyResolved) -> Result<String, CloudError> {
    match (&want.policy_name, &want.resource_arn) {
        (Some(name), None) => Ok(name.clone()),
        (None, Some(arn)) => Ok(arn.to_string()),
        _ => Err(CloudError::local(ErrorKind::Invalid, "a resource policy has either policy_name or resource_arn")
            .hint("policy_name is for a policy of the account, resource_arn for that of one log group")),
    }
}

fn is_arn(id: &str) -> bool {
    id.starts_with("arn:")
}

async fn put(
    logs: &Logs,
    id: &str,
    want: &ResourcePolicyResolved,
    revision: Option<String>,
) -> Result<ResourcePolicyOutputs, CloudError> {
    let request = logs
        .put_resource_policy()
        .set_policy_name(want.policy_name.clone())
        .set_resource_arn(want.resource_arn.as_ref().map(Arn::to_string))
        .policy_document(forms::text(&want.policy_document))
        .set_expected_revision_id(revision);
    let answer = logs.write_idempotent("PutResourcePolicy", || request.clone().send()).await?;
    Ok(ResourcePolicyOutputs { id: id.to_owned(), revision_id: answer.revision_id })
}

/// Which version is there, of a log group's policy: a change must name it.
async fn revision(logs: &Logs, id: &str) -> Result<Option<String>, CloudError> {
    if !is_arn(id) {
        return Ok(None);
    }
    Ok(get(logs, id).await?.and_then(|p| p.revision_id))
}

/// The account's policies, or that of one log group.
async fn list(logs: &Logs, arn: Option<&str>) -> Result<Vec<sdk::ResourcePolicy>, CloudError> {
    batch::pages(|token| async move {
        let scope = arn.map(|_| sdk::PolicyScope::Resource);
        let request = logs
            .describe_resource_policies()
            .set_resource_arn(arn.map(str::to_owned))
            .set_policy_scope(scope)
            .set_next_token(token);
        let answer = logs.read("DescribeResourcePolicies", || request.clone().send()).await?;
        Ok((answer.resource_policies.unwrap_or_default(), answer.next_token))
    })
    .await
}

async fn get(logs: &Logs, id: &str) -> Result<Option<sdk::ResourcePolicy>, CloudError> {
    if !is_arn(id) {
        return Ok(list(logs, None).await?.into_iter().find(|p| p.policy_name() == Some(id)));
    }
    match list(logs, Some(id)).await {
        Ok(policies) => Ok(policies.into_iter().find(|p| p.resource_arn().is_none_or(|arn| arn == id))),
        // The log group is not there.
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn fields(id: &str, policy: &sdk::ResourcePolicy) -> ResourcePolicyResolved {
    ResourcePolicyResolved {
        policy_name: Some(id.to_owned()).filter(|id| !is_arn(id)),
        resource_arn: Some(id).filter(|id| is_arn(id)).map(Arn::new),
        policy_document: forms::document(policy.policy_document()).unwrap_or(Json(Value::Null)),
    }
}

fn outputs(id: &str, policy: &sdk::ResourcePolicy) -> ResourcePolicyOutputs {
    ResourcePolicyOutputs { id: id.to_owned(), revision_id: policy.revision_id.clone() }
}
