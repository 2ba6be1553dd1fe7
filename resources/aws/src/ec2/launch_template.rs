//! [`LaunchTemplate`].
//!
//! No emulator warns, heeds client tokens, or answers in pages; those parts follow the service model alone.

use std::collections::HashMap;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::ResourceType;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::schema::satisfied;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::ValueMap;
use phx_model::{CloudError, Outputs, Resource, Val};

use super::describe::{self, by_intent};
use super::launch_template_blocks::{
    LaunchTemplateData, LaunchTemplateMetadataOptionsResolved, LaunchTemplateOperator, LaunchTemplateOperatorResolved,
};
use super::launch_template_convert::{request, shown};
use super::{Ec2, LaunchTemplateId, once_known, tagging};
use crate::batch::{each, pages};
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// The call that reads versions shows so many at once.
const PAGE: i32 = 200;
/// Up to so many templates' versions are asked for one by one, all at once.
const ONE_BY_ONE: usize = 3;
/// The version that holds if nobody asks for a certain one.
const DEFAULT: &str = "$Default";
/// The version that was made last.
const LATEST: &str = "$Latest";

/// How instances are launched, for Auto Scaling groups, node groups of EKS and the like.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html>
///
/// AWS never changes what a template says, it adds versions. An update makes a new one and lets it be the default; the old ones stay.
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:LaunchTemplate",
    terraform = "aws_launch_template",
    cloudformation = "AWS::EC2::LaunchTemplate",
    identity = IntentTag,
    unique(launch_template_name)
)]
pub struct LaunchTemplate {
    /// Its name, unique in account and region, 3 to 125 characters.
    #[field(replace)]
    pub launch_template_name: Input<String>,
    /// What it says.
    pub launch_template_data: Input<LaunchTemplateData>,
    /// What its default version is about.
    pub version_description: Option<Input<String>>,
    /// The service that manages the template.
    #[field(replace)]
    pub operator: Option<Input<LaunchTemplateOperator>>,
    /// Its tags. Those of what is launched with it stand in `launch_template_data`.
    pub tags: Tags,
}

/// What AWS decides of a [`LaunchTemplate`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct LaunchTemplateOutputs {
    /// Its id.
    pub id: LaunchTemplateId,
    /// The number of its default version. A group that is told this number, and not `$Default`, is changed along with the template.
    #[output(volatile(launch_template_data, version_description))]
    pub default_version_number: i64,
    /// The number of its latest version.
    #[output(volatile(launch_template_data, version_description))]
    pub latest_version_number: i64,
}

impl Manage for LaunchTemplate {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        let templates = templates(ec2, targets).await?;
        let there: Vec<&str> = targets.iter().map(|t| t.id).filter(|id| templates.contains_key(*id)).collect();
        let mut versions = if there.len() > ONE_BY_ONE { default_versions(ec2).await? } else { HashMap::new() };
        let missing: Vec<&str> = there.into_iter().filter(|id| !versions.contains_key(*id)).collect();
        let asked = each(missing, |id| async move {
            match version(ec2, id, DEFAULT).await {
                // It went away between two calls.
                Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
                version => version.map(Some),
            }
        });
        versions.extend(asked.await?.into_iter().flatten().filter_map(by_id));
        let found = |target: &Target<'_>| match (templates.get(target.id), versions.get(target.id)) {
            (Some(template), Some(version)) => present(template, version),
            _ => Found::Gone,
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &LaunchTemplateResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let operator = want.operator.as_ref();
        let operator = operator.map(|o| sdk::OperatorRequest::builder().set_principal(o.principal.clone()).build());
        let request = ec2
            .create_launch_template()
            .client_token(client_token(intent))
            .launch_template_name(&want.launch_template_name)
            .launch_template_data(request(&want.launch_template_data)?)
            .set_version_description(want.version_description.clone())
            .set_operator(operator)
            .tag_specifications(tagging::specification(ResourceType::LaunchTemplate, &want.tags, intent));
        let made = once_known(cx, || ec2.write("CreateLaunchTemplate", || request.clone().send())).await;
        let answer = made.map_err(|error| match error.kind {
            ErrorKind::AlreadyExists => {
                error.hint("give it another launch_template_name, or import the template by its id (lt-…)")
            }
            _ => error,
        })?;
        warn(cx, answer.warning());
        let made = answer.launch_template().and_then(created);
        made.ok_or_else(|| ec2.unexpected("CreateLaunchTemplate", "the answer names no template"))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &LaunchTemplateResolved,
        change: &LaunchTemplateChange,
    ) -> Result<Option<LaunchTemplateOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        if change.launch_template_data.is_none() && change.version_description.is_none() {
            return Ok(None);
        }
        let latest = version(&ec2, id, LATEST).await?;
        let want = &filled_in(&ec2, id, want, &latest).await?;
        // An update that was cut off has made the version already.
        let number = if says(want, &latest) {
            latest.version_number()
        } else {
            new_version(&ec2, cx, id, want, latest.version_number()).await?
        };
        let number =
            number.ok_or_else(|| ec2.unexpected("CreateLaunchTemplateVersion", "the version has no number"))?;
        let request = ec2.modify_launch_template().launch_template_id(id).default_version(number.to_string());
        let answer = ec2.write_idempotent("ModifyLaunchTemplate", || request.clone().send()).await?;
        Ok(answer.launch_template().and_then(outputs))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&LaunchTemplateResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // All versions go with it. Groups that use it do not hold it.
        let request = ec2.delete_launch_template().launch_template_id(id);
        match ec2.write_idempotent("DeleteLaunchTemplate", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &LaunchTemplateResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let templates = describe::launch_templates(&ec2, by_intent(intent)).await?;
        Ok(templates.iter().find(|t| tagging::has_intent(t.tags(), intent)).and_then(created))
    }
}

fn outputs(template: &sdk::LaunchTemplate) -> Option<LaunchTemplateOutputs> {
    Some(LaunchTemplateOutputs {
        id: LaunchTemplateId::new(template.launch_template_id()?),
        // A new template's answer may leave the numbers out.
        default_version_number: template.default_version_number().unwrap_or(1),
        latest_version_number: template.latest_version_number().unwrap_or(1),
    })
}

fn created(template: &sdk::LaunchTemplate) -> Option<Created<LaunchTemplate>> {
    outputs(template).map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: true })
}

/// AWS makes a template that nothing can be launched with all the same, and says what is wrong with it.
fn warn(cx: &Cx, warning: Option<&sdk::ValidationWarning>) {
    for error in warning.map(sdk::ValidationWarning::errors).unwrap_or_default() {
        let (code, message) = (error.code().unwrap_or("warning"), error.message().unwrap_or("AWS gives no reason"));
        (cx.progress)(&format!("AWS warns of the template: {message} ({code})"));
    }
}

/// The templates, by their ids.
async fn templates(ec2: &Ec2, targets: &[Target<'_>]) -> Result<HashMap<String, sdk::LaunchTemplate>, CloudError> {
    let listed = describe::launch_templates_by_ids(ec2, targets.iter().map(|t| t.id)).await?;
    Ok(listed.into_iter().filter_map(|t| Some((t.launch_template_id.clone()?, t))).collect())
}

fn by_id(version: sdk::LaunchTemplateVersion) -> Option<(String, sdk::LaunchTemplateVersion)> {
    Some((version.launch_template_id.clone()?, version))
}

/// The default versions of all templates that there are.
async fn default_versions(ec2: &Ec2) -> Result<HashMap<String, sdk::LaunchTemplateVersion>, CloudError> {
    let request = ec2.describe_launch_template_versions().versions(DEFAULT).max_results(PAGE);
    let all = pages(|token| {
        let request = request.clone().set_next_token(token);
        async move {
            let answer = ec2.read("DescribeLaunchTemplateVersions", || request.clone().send()).await?;
            Ok((answer.launch_template_versions.unwrap_or_default(), answer.next_token))
        }
    });
    Ok(all.await?.into_iter().filter_map(by_id).collect())
}

async fn version(ec2: &Ec2, id: &str, which: &str) -> Result<sdk::LaunchTemplateVersion, CloudError> {
    let request = ec2.describe_launch_template_versions().launch_template_id(id).versions(which);
    let answer = ec2.read("DescribeLaunchTemplateVersions", || request.clone().send()).await?;
    let found =
        answer.launch_template_versions.and_then(|v| v.into_iter().find(|v| v.launch_template_id() == Some(id)));
    found.ok_or_else(|| CloudError {
        kind: ErrorKind::NotFound,
        ..ec2.unexpected("DescribeLaunchTemplateVersions", format!("{id} has no version {which}"))
    })
}

/// What is wanted, and of the metadata options what the program leaves to AWS as it is now: a version says everything anew, and what it left out
/// would be reset.
async fn filled_in(
    ec2: &Ec2,
    id: &str,
    want: &LaunchTemplateResolved,
    latest: &sdk::LaunchTemplateVersion,
) -> Result<LaunchTemplateResolved, CloudError> {
    let mut filled = want.clone();
    // Without an end point AWS refuses the others.
    let set = want.launch_template_data.metadata_options.clone();
    let Some(set) = set.filter(|set| set.http_endpoint.as_deref() != Some("disabled")) else { return Ok(filled) };
    let whole = set.http_endpoint.is_some()
        && set.http_tokens.is_some()
        && set.http_put_response_hop_limit.is_some()
        && set.http_protocol_ipv6.is_some()
        && set.instance_metadata_tags.is_some();
    if whole {
        return Ok(filled);
    }
    let default;
    let now = if latest.default_version() == Some(true) {
        latest
    } else {
        default = version(ec2, id, DEFAULT).await?;
        &default
    };
    let Some(now) = now.launch_template_data().and_then(|data| shown(data).metadata_options) else { return Ok(filled) };
    filled.launch_template_data.metadata_options = Some(LaunchTemplateMetadataOptionsResolved {
        http_endpoint: set.http_endpoint.or(now.http_endpoint),
        http_tokens: set.http_tokens.or(now.http_tokens),
        http_put_response_hop_limit: set.http_put_response_hop_limit.or(now.http_put_response_hop_limit),
        http_protocol_ipv6: set.http_protocol_ipv6.or(now.http_protocol_ipv6),
        instance_metadata_tags: set.instance_metadata_tags.or(now.instance_metadata_tags),
    });
    Ok(filled)
}

/// Makes a version, and gives its number. The token is the same whenever the same is said after the same version.
async fn new_version(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    want: &LaunchTemplateResolved,
    after: Option<i64>,
) -> Result<Option<i64>, CloudError> {
    let data = LaunchTemplateData::to_value(&want.launch_template_data).to_plain_json().unwrap_or_default();
    let token = IntentId(format!("{id} {after:?} {:?} {data}", want.version_description));
    let request = ec2
        .create_launch_template_version()
        .client_token(client_token(&token))
        .launch_template_id(id)
        .launch_template_data(request(&want.launch_template_data)?)
        .set_version_description(want.version_description.clone());
    let answer = ec2.write_idempotent("CreateLaunchTemplateVersion", || request.clone().send()).await?;
    warn(cx, answer.warning());
    Ok(answer.launch_template_version().and_then(|v| v.version_number()))
}

fn fields(template: &sdk::LaunchTemplate, version: &sdk::LaunchTemplateVersion) -> LaunchTemplateResolved {
    let nothing = sdk::ResponseLaunchTemplateData::builder().build();
    let operator = template.operator().and_then(|o| o.principal.clone());
    LaunchTemplateResolved {
        launch_template_name: template.launch_template_name().unwrap_or_default().to_owned(),
        launch_template_data: shown(version.launch_template_data().unwrap_or(&nothing)),
        version_description: version.version_description.clone().filter(|d| !d.is_empty()),
        operator: operator.map(|principal| LaunchTemplateOperatorResolved { principal: Some(principal) }),
        tags: tagging::read(template.tags()),
    }
}

fn present(template: &sdk::LaunchTemplate, version: &sdk::LaunchTemplateVersion) -> Found<LaunchTemplate> {
    match outputs(template) {
        Some(outputs) => Found::present(fields(template, version), outputs),
        None => Found::Gone,
    }
}

/// Whether a version says what is wanted.
fn says(want: &LaunchTemplateResolved, version: &sdk::LaunchTemplateVersion) -> bool {
    let none = sdk::LaunchTemplate::builder().build();
    let there = LaunchTemplate::fields(&fields(&none, version));
    let want = LaunchTemplate::fields(want);
    let same = |name: &str| {
        let field = LaunchTemplate::schema().field(name);
        let of = |fields: &ValueMap| fields.get(name).cloned().unwrap_or_default();
        field.is_some_and(|field| satisfied(field, &of(&want), &of(&there)))
    };
    same("launch_template_data") && same("version_description")
}
