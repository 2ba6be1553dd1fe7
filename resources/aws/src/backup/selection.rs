//! `aws:backup:Selection`.
//!
//! No emulator serves selections: all of it follows the service model.

use aws_sdk_backup::operation::get_backup_selection::GetBackupSelectionOutput as Shown;
use aws_sdk_backup::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{Block, CloudError, Input, Outputs, Resource};
use std::time::Duration;

use super::{Backup, BackupPlanId, PAGE, incomplete, request_id};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, wait};

/// How long a new role may be unknown to AWS Backup.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);

/// What a [`Plan`](super::Plan) backs up. AWS cannot change a selection: every change makes a new one.
///
/// A selection bears no tags; it is found again by the request that made it.
///
/// <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupSelection.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:backup:Selection",
    terraform = "aws_backup_selection",
    cloudformation = "AWS::Backup::BackupSelection",
    identity = ClientToken,
    unique(backup_plan_id, selection_name)
)]
pub struct Selection {
    /// The plan.
    #[field(replace)]
    pub backup_plan_id: Input<BackupPlanId>,
    /// The name, unique in the plan.
    #[field(replace)]
    pub selection_name: Input<String>,
    /// The role with which AWS Backup reads and writes.
    #[field(replace)]
    pub iam_role_arn: Input<Arn>,
    /// What is backed up: ARNs, or patterns of them with `*`.
    #[field(replace, set)]
    pub resources: Option<Input<Vec<String>>>,
    /// What is not: ARNs, or patterns of them with `*`.
    #[field(replace, set)]
    pub not_resources: Option<Input<Vec<String>>>,
    /// Tags of which a resource has one to be backed up.
    #[field(replace, set)]
    pub list_of_tags: Option<Input<Vec<Condition>>>,
    /// Conditions all of which a resource meets to be backed up.
    #[field(replace)]
    pub conditions: Option<Input<Conditions>>,
}

/// A tag that a resource has.
#[derive(Clone, Debug, Block)]
pub struct Condition {
    /// `STRINGEQUALS`.
    pub condition_type: Input<String>,
    /// The tag's key.
    pub condition_key: Input<String>,
    /// The tag's value.
    pub condition_value: Input<String>,
}

/// Conditions on a resource's tags.
#[derive(Clone, Debug, Block)]
pub struct Conditions {
    /// Tags that have these values.
    #[field(set)]
    pub string_equals: Option<Input<Vec<ConditionParameter>>>,
    /// Tags that do not have these values.
    #[field(set)]
    pub string_not_equals: Option<Input<Vec<ConditionParameter>>>,
    /// Tags whose values are like these, with `*`.
    #[field(set)]
    pub string_like: Option<Input<Vec<ConditionParameter>>>,
    /// Tags whose values are not like these, with `*`.
    #[field(set)]
    pub string_not_like: Option<Input<Vec<ConditionParameter>>>,
}

/// One condition.
#[derive(Clone, Debug, Block)]
pub struct ConditionParameter {
    /// The tag's key: `aws:ResourceTag/team`.
    pub condition_key: Input<String>,
    /// The value.
    pub condition_value: Input<String>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SelectionOutputs {
    /// Plan and selection, a slash between them.
    pub id: String,
    /// The selection's own id.
    pub selection_id: String,
}

impl Manage for Selection {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let backup = &aws.backup(cx).await?;
        // The list tells names only.
        batch::each(targets, |target| async { Ok(read(backup, target.id).await) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &SelectionResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let request = backup
            .create_backup_selection()
            .backup_plan_id(want.backup_plan_id.as_str())
            .backup_selection(selection(want)?)
            .creator_request_id(request_id(intent));
        let send = || backup.write("CreateBackupSelection", || request.clone().send());
        let answer = match wait::eventually(cx, UNTIL_KNOWN, unknown_role, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let id = answer
            .selection_id
            .ok_or_else(|| backup.unexpected("CreateBackupSelection", "the answer names no selection"))?;
        Ok(created(want.backup_plan_id.as_str(), &id))
    }

    async fn update(
        _: &Aws,
        _: &Cx,
        _: &str,
        _: &SelectionResolved,
        _: &SelectionChange,
    ) -> Result<Option<SelectionOutputs>, CloudError> {
        // Every change needs a new selection.
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&SelectionResolved>) -> Result<(), CloudError> {
        let backup = &aws.backup(cx).await?;
        let (plan, selection) = split(id)?;
        let request = backup.delete_backup_selection().backup_plan_id(plan).selection_id(selection);
        match backup.write_idempotent("DeleteBackupSelection", || request.clone().send()).await {
            Err(error) if is_gone(&error) => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &SelectionResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let plan = want.backup_plan_id.as_str();
        let selections = batch::pages(|token| async move {
            let request = backup.list_backup_selections().backup_plan_id(plan).max_results(PAGE).set_next_token(token);
            let answer = backup.read("ListBackupSelections", || request.clone().send()).await?;
            Ok((answer.backup_selections_list.unwrap_or_default(), answer.next_token))
        });
        let request = request_id(intent);
        let selections = match selections.await {
            Err(error) if is_gone(&error) => return Ok(None),
            selections => selections?,
        };
        let made = selections.iter().find(|s| s.creator_request_id() == Some(request.as_str()));
        Ok(made.and_then(|s| s.selection_id()).map(|id| created(plan, id)))
    }
}

/// A role that was made a moment ago, or to which a policy was attached a moment ago.
fn unknown_role(error: &CloudError) -> bool {
    let passing = ["cannot be assumed", "is not authorized to call"];
    error.code.as_deref() == Some("InvalidParameterValueException") && passing.iter().any(|p| error.message.contains(p))
}

/// AWS Backup says of what is not there sometimes that the parameter is wrong.
fn is_gone(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound
        || error.code.as_deref() == Some("InvalidParameterValueException") && error.message.contains("Cannot find")
}

fn split(id: &str) -> Result<(&str, &str), CloudError> {
    let parts = id.split_once('/').filter(|(plan, selection)| !plan.is_empty() && !selection.is_empty());
    parts.ok_or_else(|| {
        CloudError::local(ErrorKind::Invalid, format!("{id:?} names no plan and selection"))
            .hint("write it as PLAN-ID/SELECTION-ID")
    })
}

fn created(plan: &str, selection: &str) -> Created<Selection> {
    let id = format!("{plan}/{selection}");
    let outputs = SelectionOutputs { id: id.clone(), selection_id: selection.to_owned() };
    Created { id, outputs, complete: true }
}

async fn read(backup: &Backup, id: &str) -> Found<Selection> {
    let (plan, selection) = match split(id) {
        Ok(parts) => parts,
        Err(error) => return Found::Failed(error),
    };
    let request = backup.get_backup_selection().backup_plan_id(plan).selection_id(selection);
    match backup.read("GetBackupSelection", || request.clone().send()).await {
        Ok(shown) => present(plan, selection, &shown),
        Err(error) if is_gone(&error) => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

fn selection(want: &SelectionResolved) -> Result<sdk::BackupSelection, CloudError> {
    let tag = |c: &ConditionResolved| {
        sdk::Condition::builder()
            .condition_type(c.condition_type.as_str().into())
            .condition_key(&c.condition_key)
            .condition_value(&c.condition_value)
            .build()
            .map_err(incomplete)
    };
    let tags = want.list_of_tags.as_ref().map(|tags| tags.iter().map(tag).collect::<Result<Vec<_>, _>>());
    sdk::BackupSelection::builder()
        .selection_name(&want.selection_name)
        .iam_role_arn(want.iam_role_arn.as_str())
        .set_resources(want.resources.clone())
        .set_not_resources(want.not_resources.clone())
        .set_list_of_tags(tags.transpose()?)
        .set_conditions(want.conditions.as_ref().map(conditions))
        .build()
        .map_err(incomplete)
}

fn conditions(want: &ConditionsResolved) -> sdk::Conditions {
    let all = |parameters: &Option<Vec<ConditionParameterResolved>>| {
        let one = |p: &ConditionParameterResolved| {
            sdk::ConditionParameter::builder()
                .condition_key(&p.condition_key)
                .condition_value(&p.condition_value)
                .build()
        };
        parameters.as_ref().map(|parameters| parameters.iter().map(one).collect())
    };
    sdk::Conditions::builder()
        .set_string_equals(all(&want.string_equals))
        .set_string_not_equals(all(&want.string_not_equals))
        .set_string_like(all(&want.string_like))
        .set_string_not_like(all(&want.string_not_like))
        .build()
}

fn conditions_of(conditions: &sdk::Conditions) -> Option<ConditionsResolved> {
    let all = |parameters: &[sdk::ConditionParameter]| {
        let one = |p: &sdk::ConditionParameter| {
            Some(ConditionParameterResolved {
                condition_key: p.condition_key()?.to_owned(),
                condition_value: p.condition_value()?.to_owned(),
            })
        };
        Some(parameters.iter().filter_map(one).collect::<Vec<_>>()).filter(|all| !all.is_empty())
    };
    let conditions = ConditionsResolved {
        string_equals: all(conditions.string_equals()),
        string_not_equals: all(conditions.string_not_equals()),
        string_like: all(conditions.string_like()),
        string_not_like: all(conditions.string_not_like()),
    };
    let empty =
        ConditionsResolved { string_equals: None, string_not_equals: None, string_like: None, string_not_like: None };
    Some(conditions).filter(|conditions| *conditions != empty)
}

fn present(plan: &str, id: &str, shown: &Shown) -> Found<Selection> {
    let Some(selection) = shown.backup_selection() else {
        let message = format!("the answer does not say what the selection {plan}/{id} is");
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let texts = |texts: &[String]| Some(texts.to_vec()).filter(|texts| !texts.is_empty());
    let tag = |c: &sdk::Condition| ConditionResolved {
        condition_type: c.condition_type.as_str().to_owned(),
        condition_key: c.condition_key.clone(),
        condition_value: c.condition_value.clone(),
    };
    let tags: Vec<_> = selection.list_of_tags().iter().map(tag).collect();
    let fields = SelectionResolved {
        backup_plan_id: BackupPlanId::new(plan),
        selection_name: selection.selection_name.clone(),
        iam_role_arn: Arn::new(&selection.iam_role_arn),
        resources: texts(selection.resources()),
        not_resources: texts(selection.not_resources()),
        list_of_tags: (!tags.is_empty()).then_some(tags),
        conditions: selection.conditions().and_then(conditions_of),
    };
    Found::present(fields, created(plan, id).outputs)
}
