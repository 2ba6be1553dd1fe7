//! `aws:backup:Plan`.
//!
//! No emulator updates plans, or knows scanning and indexes.

use std::time::Duration;

use aws_sdk_backup::operation::get_backup_plan::GetBackupPlanOutput as Shown;
use aws_sdk_backup::types::BackupPlanInput;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::plan_blocks::{self as blocks, AdvancedBackupSetting, Rule, ScanSetting};
use super::{Backup, BackupPlanId, PAGE, incomplete, request_id};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::with_intent;
use crate::{batch, wait};

/// How long a selection that was deleted a moment ago may still hold its plan.
const UNTIL_FREE: Duration = Duration::from_secs(120);

/// When backups are made, where to, and how long they are kept. What is backed up, [`Selection`](super::Selection)s say.
///
/// <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupPlan.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:backup:Plan",
    terraform = "aws_backup_plan",
    cloudformation = "AWS::Backup::BackupPlan",
    identity = IntentTag
)]
pub struct Plan {
    /// The name: up to 50 letters, digits, `-`, `_` and `.`.
    pub backup_plan_name: Input<String>,
    /// The rules.
    pub rules: Input<Vec<Rule>>,
    /// Options for types of resources.
    #[field(set)]
    pub advanced_backup_settings: Option<Input<Vec<AdvancedBackupSetting>>>,
    /// Scanning of recovery points for malware.
    #[field(set)]
    pub scan_settings: Option<Input<Vec<ScanSetting>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct PlanOutputs {
    /// The id.
    pub id: BackupPlanId,
    /// The ARN.
    pub arn: Arn,
    /// The version, another one after each change.
    #[output(volatile)]
    pub version_id: Option<String>,
}

impl Manage for Plan {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let backup = &aws.backup(cx).await?;
        // The list tells no rules.
        let plans = batch::each(targets, |target| async { Ok(get(backup, target.id).await) }).await?;
        let plan = |at: usize| plans[at].as_ref().ok().and_then(Option::as_ref);
        let arn = |at: usize| plan(at).and_then(|p| p.backup_plan_arn.clone());
        let ask = |_, arn: String| async move { super::tags(backup, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = |(at, plan): (usize, &Result<Option<Shown>, CloudError>)| match plan {
            Ok(Some(plan)) => tagged::with(tags.remove(&at), |tags| present(targets[at].id, plan, tags)),
            Ok(None) => Found::Gone,
            Err(error) => Found::Failed(error.clone()),
        };
        Ok(plans.iter().enumerate().map(found).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &PlanResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let request = backup
            .create_backup_plan()
            .backup_plan(document(want)?)
            .creator_request_id(request_id(intent))
            .set_backup_plan_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let answer = match backup.write("CreateBackupPlan", || request.clone().send()).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        created(answer.backup_plan_id(), answer.backup_plan_arn(), answer.version_id())
            .ok_or_else(|| backup.unexpected("CreateBackupPlan", "the answer names no plan"))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &PlanResolved,
        change: &PlanChange,
    ) -> Result<Option<PlanOutputs>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let gone = || CloudError {
            kind: ErrorKind::NotFound,
            ..backup.unexpected("GetBackupPlan", format!("there is no backup plan {id}"))
        };
        let plan = get(backup, id).await?.ok_or_else(gone)?;
        let arn = plan.backup_plan_arn.clone().unwrap_or_default();
        let mut outputs = None;
        if change.backup_plan_name.is_some()
            || change.rules.is_some()
            || change.advanced_backup_settings.is_some()
            || change.scan_settings.is_some()
        {
            // The call sets the whole plan: what does not change is sent as it is there.
            let mut next = fields(&plan, TagMap::new()).ok_or_else(gone)?;
            if change.backup_plan_name.is_some() {
                next.backup_plan_name.clone_from(&want.backup_plan_name);
            }
            if change.rules.is_some() {
                next.rules = blocks::with_what_is_left_alone(&want.rules, &next.rules);
            }
            if change.advanced_backup_settings.is_some() {
                next.advanced_backup_settings.clone_from(&want.advanced_backup_settings);
            }
            if change.scan_settings.is_some() {
                next.scan_settings.clone_from(&want.scan_settings);
            }
            let request = backup.update_backup_plan().backup_plan_id(id).backup_plan(document(&next)?);
            let answer = backup.write_idempotent("UpdateBackupPlan", || request.clone().send()).await?;
            outputs = created(Some(id), Some(&arn), answer.version_id()).map(|made| made.outputs);
        }
        super::update_tags(backup, &arn, change.tags.as_ref()).await?;
        Ok(outputs)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&PlanResolved>) -> Result<(), CloudError> {
        let backup = &aws.backup(cx).await?;
        let request = backup.delete_backup_plan().backup_plan_id(id);
        // A selection that is listed stays; one that is not was deleted a moment ago, and AWS may not know it everywhere yet.
        let passing = |e: &CloudError| e.kind == ErrorKind::InUse && e.hint.is_none();
        let deleted = wait::eventually(cx, UNTIL_FREE, passing, || async {
            match backup.write_idempotent("DeleteBackupPlan", || request.clone().send()).await {
                Err(error) if error.message.contains("selection") => {
                    Err(CloudError { kind: ErrorKind::InUse, hint: held(backup, id).await, ..error })
                }
                done => done.map(drop),
            }
        });
        match deleted.await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &PlanResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let plans = batch::pages(|token| async move {
            let request = backup.list_backup_plans().max_results(PAGE).set_next_token(token);
            let answer = backup.read("ListBackupPlans", || request.clone().send()).await?;
            Ok((answer.backup_plans_list.unwrap_or_default(), answer.next_token))
        });
        // The list tells which request made a plan: no need to ask for the tags of each.
        let request = request_id(intent);
        let plans = plans.await?;
        let plan =
            plans.iter().find(|p| p.creator_request_id() == Some(request.as_str()) && p.deletion_date().is_none());
        Ok(plan.and_then(|p| created(p.backup_plan_id(), p.backup_plan_arn(), p.version_id())))
    }
}

/// One plan; `None` if it is not there. Deleted ones are told for a while.
async fn get(backup: &Backup, id: &str) -> Result<Option<Shown>, CloudError> {
    let request = backup.get_backup_plan().backup_plan_id(id);
    match backup.read("GetBackupPlan", || request.clone().send()).await {
        Ok(plan) => Ok(Some(plan).filter(|p| p.deletion_date().is_none())),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What selections a plan still has.
async fn held(backup: &Backup, id: &str) -> Option<String> {
    let request = backup.list_backup_selections().backup_plan_id(id);
    let answer = backup.read("ListBackupSelections", || request.clone().send()).await.ok()?;
    let names: Vec<&str> = answer.backup_selections_list().iter().filter_map(|s| s.selection_name()).collect();
    (!names.is_empty()).then(|| format!("still in the way: the selections {}", names.join(", ")))
}

fn created(id: Option<&str>, arn: Option<&str>, version: Option<&str>) -> Option<Created<Plan>> {
    let id = id?;
    let outputs =
        PlanOutputs { id: BackupPlanId::new(id), arn: Arn::new(arn?), version_id: version.map(str::to_owned) };
    Some(Created { id: id.to_owned(), outputs, complete: true })
}

fn document(want: &PlanResolved) -> Result<BackupPlanInput, CloudError> {
    let rules: Result<Vec<_>, _> = want.rules.iter().map(blocks::rule).collect();
    let settings = want.advanced_backup_settings.as_ref().map(|all| all.iter().map(blocks::setting).collect());
    let scans = want.scan_settings.as_ref().map(|all| all.iter().map(blocks::scan_setting).collect());
    BackupPlanInput::builder()
        .backup_plan_name(&want.backup_plan_name)
        .set_rules(Some(rules?))
        .set_advanced_backup_settings(settings)
        .set_scan_settings(scans)
        .build()
        .map_err(incomplete)
}

fn fields(shown: &Shown, tags: TagMap) -> Option<PlanResolved> {
    let plan = shown.backup_plan()?;
    let settings: Vec<_> = plan.advanced_backup_settings().iter().filter_map(blocks::setting_of).collect();
    let scans: Vec<_> = plan.scan_settings().iter().filter_map(blocks::scan_setting_of).collect();
    Some(PlanResolved {
        backup_plan_name: plan.backup_plan_name.clone(),
        rules: plan.rules().iter().map(blocks::rule_of).collect(),
        advanced_backup_settings: (!settings.is_empty()).then_some(settings),
        scan_settings: (!scans.is_empty()).then_some(scans),
        tags,
    })
}

fn present(id: &str, shown: &Shown, tags: TagMap) -> Found<Plan> {
    let made = created(shown.backup_plan_id(), shown.backup_plan_arn(), shown.version_id());
    match (made, fields(shown, tags)) {
        (Some(made), Some(fields)) => Found::present(fields, made.outputs),
        _ => {
            let message = format!("the answer does not say what the backup plan {id} is");
            Found::Failed(CloudError::local(ErrorKind::Other, message))
        }
    }
}
