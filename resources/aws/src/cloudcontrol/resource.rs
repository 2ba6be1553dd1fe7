//! `aws:cloudcontrol:Resource`.
//!
//! # What is compared
//!
//! AWS tells all of an object's properties. Only those that the program set are compared with what it set; what AWS adds is no drift. A
//! property that was set and that AWS never tells (a password) is taken to be as it was set.
//!
//! # What cannot be changed in place
//!
//! Which properties those are, only the type's schema in CloudFormation's registry says. A program names them in
//! [`replace_properties`](Resource::replace_properties) (most easily with [`replaced_by`](Resource::replaced_by)), so that the plan shows that
//! the object is replaced. If it does not, AWS refuses the change, and the error says which property it was.
//!
//! # How an object is found again
//!
//! The request carries a token made from the intent. For 36 hours AWS answers the same request with what became of the first one; only if AWS
//! knows of a request for the type at all is it sent again. An object is taken for the intent's when its request has succeeded, and not before: AWS
//! tells an identifier that the program gave at once, also where it is another object's.
//!
//! No emulator serves Cloud Control: all of it follows the service model.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudcontrol::types::{HandlerErrorCode, Operation, ProgressEvent, ResourceRequestStatusFilter};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::{Json, Val};
use phx_model::{CloudError, Expr, Input, Outputs, Value, ValueMap};

use super::progress::{age, created_only, explain, failed, follow, is_failed, is_refused_change};
use super::{CloudControl, patch, properties};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::documents::{self, Untold};
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, wait};

/// Listings give so many at once.
const PAGE: i32 = 100;
/// How long another request for the same object may take before this one can begin.
const UNTIL_FREE: Duration = Duration::from_secs(10 * 60);
/// So long AWS remembers a token; a little less, since clocks differ.
const TOKENS: Duration = Duration::from_secs(35 * 60 * 60);

/// An object of any type in CloudFormation's registry, for types that phx has not itself.
///
/// phx does not know which properties of a type are names: where a new object would bear the old one's name, give the resource the option
/// `delete_before_replace`.
///
/// Its id in phx is the type and AWS's identifier, a slash between them: `AWS::S3::Bucket/logs-of-mine`. To adopt one, leave
/// `replace_properties` out.
///
/// <https://docs.aws.amazon.com/cloudcontrolapi/latest/APIReference/API_CreateResource.html>
#[derive(Clone, Debug, phx_model::Resource)]
#[resource(
    type = "aws:cloudcontrol:Resource",
    terraform = "aws_cloudcontrolapi_resource",
    identity = ClientToken
)]
pub struct Resource {
    /// The type: `AWS::S3::Bucket`.
    #[field(replace)]
    pub type_name: Input<String>,
    /// The properties, as CloudFormation has them: [`Properties`](super::Properties), or JSON. Values may be other objects' outputs.
    /// Mark single values as secret, and not the document: then what AWS tells of them is known to be secret, too.
    #[field(json)]
    pub desired_state: Input<Json>,
    /// Properties that AWS cannot change in place, by JSON pointers: `/BucketName`. They are set in addition to `desired_state`, and a change of one
    /// makes a new object. So does naming another one, or taking one away: the plan shows it.
    #[field(replace)]
    pub replace_properties: Option<Input<BTreeMap<String, Json>>>,
    /// The role that Cloud Control takes on to make and change the object. Unset, it works with phx's own permissions.
    #[field(write_only)]
    pub role_arn: Option<Input<Arn>>,
    /// The version of a private type. AWS's default: the one that is the default in the registry.
    #[field(write_only)]
    pub type_version_id: Option<Input<String>>,
}

impl Resource {
    /// Names properties of `desired_state` that AWS cannot change in place, by JSON pointers: `["/BucketName"]`. A change of one makes a new object.
    #[must_use]
    pub fn replaced_by<'a>(mut self, pointers: impl IntoIterator<Item = &'a str>) -> Self {
        let state = self.desired_state.clone().into_expr();
        let parts = pointers.into_iter().map(|pointer| (pointer.to_owned(), properties::at(&state, pointer)));
        self.replace_properties = Some(Input::from_expr(Expr::Map(parts.collect())));
        self
    }
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ResourceOutputs {
    /// AWS's identifier: what the type's primary identifier is, several parts joined by `|`.
    pub identifier: String,
    /// All its properties.
    #[output(volatile)]
    pub properties: Option<Json>,
    /// The ARN, if it has one among its properties.
    #[output(volatile)]
    pub arn: Option<Arn>,
}

impl Manage for Resource {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let cc = &aws.cloudcontrol(cx).await?;
        // Listings tell no more than identifiers for most types.
        batch::each(targets, |target| async { Ok(read(cc, target).await) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &ResourceResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let cc = &aws.cloudcontrol(cx).await?;
        let event = request(cc, want, intent).await?;
        let in_doubt = |error: CloudError| CloudError { kind: ErrorKind::Ambiguous, ..error };
        // Until the request is over, an object of this identifier may be another's: AWS tells it before it knows whether a name is free.
        match follow(cc, cx, event).await {
            Ok(event) => created(cc, want, &event),
            // AWS took the request: whatever keeps phx from seeing what becomes of it does not keep AWS from making the object.
            Err(error) if error.operation != "CreateResource" => Err(in_doubt(error)),
            Err(error) if error.kind == ErrorKind::AlreadyExists => Err(error),
            Err(error) => left_behind(cc, want, intent).await.map_err(in_doubt)?.ok_or(error),
        }
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ResourceResolved,
    ) -> Result<Option<ResourceOutputs>, CloudError> {
        let cc = &aws.cloudcontrol(cx).await?;
        let (kind, identifier) = split(id)?;
        // In every state: before the one that made it, others of this name may have failed.
        let requests = requests(cc, kind).await?;
        let of_it = requests.into_iter().filter(|event| event.identifier() == Some(identifier));
        let last = of_it.max_by_key(|event| event.event_time().map(|at| (at.secs(), at.subsec_nanos())));
        let ended = match last {
            Some(event) => follow(cc, cx, event).await.map(drop),
            None => Ok(()),
        };
        let there = get(cc, id, Caller::of(want)).await?;
        match (ended, there) {
            (Ok(()), Some(there)) => Ok(Some(outputs(identifier, kind, there, has_secret(want)))),
            // It failed, and left what was wished for: it took longer than the type's handler waits, say.
            (Err(_), Some(there)) if documents::holds(&state(want)?, &there) => {
                Ok(Some(outputs(identifier, kind, there, has_secret(want))))
            }
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(gone(cc, id)),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ResourceResolved,
        change: &ResourceChange,
    ) -> Result<Option<ResourceOutputs>, CloudError> {
        let cc = &aws.cloudcontrol(cx).await?;
        let (kind, identifier) = split(id)?;
        let Some(change) = &change.desired_state else { return Ok(None) };
        let mut before = change.before.as_ref().map(document).transpose()?.unwrap_or_default();
        // What cannot be changed in place is what it was: a change of it does not come here.
        let mut fixed = Vec::new();
        for (pointer, value) in want.replace_properties.iter().flatten() {
            let steps: Vec<String> = properties::steps(pointer).collect();
            put(&mut before, &steps, &value.0);
            fixed.push(format!("/{}", pointer.trim_start_matches('/')));
        }
        let (before, after, fixed) = (&before, &state(want)?, &fixed);
        wait::eventually(cx, UNTIL_FREE, is_busy, || async move {
            let there = get(cc, id, Caller::of(want)).await?.ok_or_else(|| gone(cc, id))?;
            let mut patch = patch::patch(before, after, &there);
            if patch.is_empty() {
                return Ok(Some(outputs(identifier, kind, there, has_secret(want))));
            }
            patch.spare(fixed);
            while let Err(error) = send(cc, cx, id, want, &patch).await {
                // AWS may refuse what is only said again, since it cannot be changed: then it need not be said. Whatever else it finds fault with has
                // to be said all the same, or it would be lost.
                if !is_refused_change(&error) || !patch.spare(&created_only(&error.message)) {
                    return Err(error);
                }
                tracing::debug!(%error, "said without what cannot be changed");
            }
            Ok(get(cc, id, Caller::of(want)).await?.map(|there| outputs(identifier, kind, there, has_secret(want))))
        })
        .await
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&ResourceResolved>) -> Result<(), CloudError> {
        let cc = &aws.cloudcontrol(cx).await?;
        let (kind, identifier) = split(id)?;
        let caller = was.map(Caller::of).unwrap_or_default();
        let request = cc
            .delete_resource()
            .client_token(once(id, ""))
            .type_name(kind)
            .identifier(identifier)
            .set_role_arn(caller.role_arn)
            .set_type_version_id(caller.type_version_id);
        let deleted = wait::eventually(cx, UNTIL_FREE, is_busy, || async {
            let answer = cc.write_idempotent("DeleteResource", || request.clone().send()).await?;
            match answer.progress_event {
                Some(event) => follow(cc, cx, event).await.map(drop),
                None => Err(cc.unexpected("DeleteResource", "the answer tells no progress")),
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
        want: &ResourceResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let cc = &aws.cloudcontrol(cx).await?;
        // Without a request for the type there was none for this object, and the token need not be used.
        let known = requests(cc, &want.type_name).await?;
        let remembered = known.iter().any(|event| event.event_time().is_none_or(|at| age(at) < TOKENS));
        if !remembered {
            return match known.iter().find(|event| may_be(event, want)) {
                None => Ok(None),
                Some(event) => {
                    let which = event.identifier().unwrap_or("one without an identifier");
                    let message = format!("whether {} {which} is this one cannot be told any more", want.type_name);
                    Err(CloudError::local(ErrorKind::Other, message).hint(
                        "AWS forgets a request's token after 36 hours: adopt the object with the `import` option, or delete it",
                    ))
                }
            };
        }
        match follow(cc, cx, request(cc, want, intent).await?).await {
            Ok(event) => created(cc, want, &event).map(Some),
            // The request came to an end without an object.
            Err(error) if error.operation == "CreateResource" && error.kind != ErrorKind::AlreadyExists => {
                left_behind(cc, want, intent).await
            }
            Err(error) => Err(error),
        }
    }
}

/// With whose permissions an object is handled, and by which version of its type.
#[derive(Clone, Default)]
struct Caller {
    role_arn: Option<String>,
    type_version_id: Option<String>,
}

impl Caller {
    fn of(want: &ResourceResolved) -> Self {
        Self { role_arn: want.role_arn.as_ref().map(Arn::to_string), type_version_id: want.type_version_id.clone() }
    }

    fn of_inputs(inputs: &ValueMap) -> Self {
        let text = |name: &str| inputs.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { role_arn: text("role_arn"), type_version_id: text("type_version_id") }
    }
}

/// Another request for the object is under way.
fn is_busy(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("ConcurrentOperationException" | "ConcurrentModificationException"))
}

/// A token for one request: the same for all repetitions of it, and another one when the same change comes again another day.
fn once(id: &str, change: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    client_token(&IntentId(format!("{id} {now} {change}")))
}

/// Type and identifier of an id: `AWS::S3::Bucket/logs-of-mine`. A type's name has no slash.
fn split(id: &str) -> Result<(&str, &str), CloudError> {
    let parts = id.split_once('/').filter(|(kind, identifier)| kind.contains("::") && !identifier.is_empty());
    parts.ok_or_else(|| {
        CloudError::local(ErrorKind::Invalid, format!("{id:?} names no type and identifier"))
            .hint("write it as TYPE/IDENTIFIER: AWS::S3::Bucket/logs-of-mine")
    })
}

fn gone(cc: &CloudControl, id: &str) -> CloudError {
    CloudError { kind: ErrorKind::NotFound, ..cc.unexpected("GetResource", format!("there is no {id}")) }
}

/// A document, also if the program gives it as text.
fn document(json: &Json) -> Result<Value, CloudError> {
    match json.0.expose() {
        Value::String(text) => Json::parse(text)
            .map(|json| json.0)
            .map_err(|e| CloudError::local(ErrorKind::Invalid, format!("the desired state is no JSON document: {e}"))),
        Value::Null => Ok(Value::Map(ValueMap::new())),
        other => Ok(other.clone()),
    }
}

/// All that is wished for: the desired state, and in it the properties that cannot be changed in place.
fn state(want: &ResourceResolved) -> Result<Value, CloudError> {
    let mut state = document(&want.desired_state)?;
    for (pointer, value) in want.replace_properties.iter().flatten() {
        let steps: Vec<String> = properties::steps(pointer).collect();
        if !put(&mut state, &steps, &value.0) {
            let message = format!("replace_properties: {pointer:?} leads nowhere in the desired state");
            return Err(CloudError::local(ErrorKind::Invalid, message));
        }
    }
    Ok(state)
}

/// Whether a program keeps any of the properties from view.
fn has_secret(want: &ResourceResolved) -> bool {
    want.desired_state.0.has_secret() || want.replace_properties.iter().flatten().any(|(_, value)| value.0.has_secret())
}

/// Puts a value where a pointer leads, making maps on the way.
fn put(document: &mut Value, steps: &[String], value: &Value) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        *document = value.clone();
        return true;
    };
    match document {
        Value::Secret(inner) => put(inner, steps, value),
        Value::Map(fields) => {
            let below = fields.entry(step.clone().into()).or_insert_with(|| Value::Map(ValueMap::new()));
            put(below, rest, value)
        }
        Value::List(items) => match step.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
            Some(below) => put(below, rest, value),
            None => false,
        },
        _ => false,
    }
}

/// The value where a pointer leads.
fn part<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    properties::steps(pointer).try_fold(document, |part, step| match part.expose() {
        Value::Map(fields) => fields.get(&step),
        Value::List(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Sends the request that makes the object. With its token it makes one, however often it is sent.
async fn request(cc: &CloudControl, want: &ResourceResolved, intent: &IntentId) -> Result<ProgressEvent, CloudError> {
    let request = cc
        .create_resource()
        .type_name(&want.type_name)
        .set_type_version_id(want.type_version_id.clone())
        .set_role_arn(want.role_arn.as_ref().map(Arn::to_string))
        .client_token(client_token(intent))
        .desired_state(Json(state(want)?).to_text());
    let answer = cc.write_idempotent("CreateResource", || request.clone().send()).await?;
    answer.progress_event.ok_or_else(|| CloudError {
        kind: ErrorKind::Ambiguous,
        ..cc.unexpected("CreateResource", "the answer tells no progress")
    })
}

/// Sends a patch, and follows it to its end.
async fn send(
    cc: &CloudControl,
    cx: &Cx,
    id: &str,
    want: &ResourceResolved,
    patch: &patch::Patch,
) -> Result<(), CloudError> {
    let (kind, identifier) = split(id)?;
    let operations = patch.text();
    let request = cc
        .update_resource()
        .client_token(once(id, &operations))
        .type_name(kind)
        .identifier(identifier)
        .set_role_arn(want.role_arn.as_ref().map(Arn::to_string))
        .set_type_version_id(want.type_version_id.clone())
        .patch_document(operations);
    let answer = cc.write_idempotent("UpdateResource", || request.clone().send()).await.map_err(explain)?;
    let event = answer.progress_event.ok_or_else(|| cc.unexpected("UpdateResource", "the answer tells no progress"))?;
    follow(cc, cx, event).await.map(drop)
}

fn created(cc: &CloudControl, want: &ResourceResolved, event: &ProgressEvent) -> Result<Created<Resource>, CloudError> {
    let identifier = event.identifier().ok_or_else(|| CloudError {
        kind: ErrorKind::Ambiguous,
        ..cc.unexpected("CreateResource", format!("{} was made and has no identifier", want.type_name))
    })?;
    let outputs = ResourceOutputs { identifier: identifier.to_owned(), properties: None, arn: None };
    Ok(Created { id: format!("{}/{identifier}", want.type_name), outputs, complete: false })
}

/// An object that a failed request left behind. AWS tells the identifier of one that the program names whatever becomes of the request, and so it
/// may be another's; except where the request failed because what it had made did not settle.
async fn left_behind(
    cc: &CloudControl,
    want: &ResourceResolved,
    intent: &IntentId,
) -> Result<Option<Created<Resource>>, CloudError> {
    let event = request(cc, want, intent).await?;
    let Some(identifier) = event.identifier() else { return Ok(None) };
    let made = event.error_code() == Some(&HandlerErrorCode::NotStabilized);
    if is_failed(&event) && !made && is_named(&state(want)?, identifier) {
        return Ok(None);
    }
    let id = format!("{}/{identifier}", want.type_name);
    match get(cc, &id, Caller::of(want)).await? {
        Some(_) if is_failed(&event) => created(cc, want, &event).map(Some),
        Some(_) => Err(failed(cc, &event)),
        None => Ok(None),
    }
}

/// Whether a part of an identifier is, or ends with, a word of the program's (`logs`, `arn:aws:sns:us-west-2:123456789012:logs`): then it may be a name
/// that the program gave, and another object may have. Some services keep names in lower case.
fn is_named(state: &Value, identifier: &str) -> bool {
    let ends = |word: &str| {
        let (identifier, word) = (identifier.to_lowercase(), word.to_lowercase());
        let begins = |rest: &str| rest.is_empty() || rest.ends_with([':', '/']);
        !word.is_empty() && identifier.split('|').any(|part| part.strip_suffix(word.as_str()).is_some_and(begins))
    };
    match state.expose() {
        Value::String(word) => ends(word),
        Value::Int(number) => ends(&number.to_string()),
        Value::List(items) => items.iter().any(|item| is_named(item, identifier)),
        Value::Map(fields) => fields.iter().any(|(_, value)| is_named(value, identifier)),
        _ => false,
    }
}

/// Requests of the last days that make objects of a type, in every state.
async fn requests(cc: &CloudControl, kind: &str) -> Result<Vec<ProgressEvent>, CloudError> {
    let filter = &ResourceRequestStatusFilter::builder().operations(Operation::Create).build();
    let all = batch::pages(|token| async move {
        let request = cc
            .list_resource_requests()
            .resource_request_status_filter(filter.clone())
            .max_results(PAGE)
            .set_next_token(token);
        let answer = cc.read("ListResourceRequests", || request.clone().send()).await?;
        Ok((answer.resource_request_status_summaries.unwrap_or_default(), answer.next_token))
    });
    let creates = |event: &ProgressEvent| {
        event.type_name() == Some(kind) && event.operation().is_none_or(|o| *o == Operation::Create)
    };
    Ok(all.await?.into_iter().filter(creates).collect())
}

/// Whether a request may have been for this object.
fn may_be(event: &ProgressEvent, want: &ResourceResolved) -> bool {
    let model = event.resource_model().and_then(|text| Json::parse(text).ok());
    match (model, state(want)) {
        (Some(model), Ok(state)) => !is_failed(event) && documents::holds(&state, &model.0),
        _ => false,
    }
}

/// An object's properties; `None` if it is not there.
async fn get(cc: &CloudControl, id: &str, caller: Caller) -> Result<Option<Value>, CloudError> {
    let (kind, identifier) = split(id)?;
    let request = cc
        .get_resource()
        .type_name(kind)
        .identifier(identifier)
        .set_role_arn(caller.role_arn)
        .set_type_version_id(caller.type_version_id);
    let answer = match cc.read("GetResource", || request.clone().send()).await {
        // Not of the type: that is another error.
        Err(error) if error.code.as_deref() == Some("ResourceNotFoundException") => return Ok(None),
        answer => answer?,
    };
    let text = answer.resource_description.and_then(|d| d.properties).unwrap_or_else(|| "{}".to_owned());
    let unreadable = |e| cc.unexpected("GetResource", format!("the properties of {id} are no JSON document: {e}"));
    Json::parse(&text).map(|json| Some(json.0)).map_err(unreadable)
}

async fn read(cc: &CloudControl, target: &Target<'_>) -> Found<Resource> {
    let (kind, identifier) = match split(target.id) {
        Ok(parts) => parts,
        Err(error) => return Found::Failed(error),
    };
    match get(cc, target.id, Caller::of_inputs(target.inputs)).await {
        Ok(Some(there)) => {
            let secret = target.inputs.values().any(Value::has_secret);
            Found::present(fields(target, kind, &there), outputs(identifier, kind, there, secret))
        }
        Ok(None) => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

/// What of the properties the program set. Of an object that is being adopted nothing is the program's yet: so nothing is taken away from
/// it.
fn fields(target: &Target<'_>, kind: &str, there: &Value) -> ResourceResolved {
    let set = target.inputs.get("desired_state").and_then(|set| document(&Json(set.clone())).ok());
    let set = set.unwrap_or_else(|| Value::Map(ValueMap::new()));
    let replaced = target.inputs.get("replace_properties");
    let replaced = replaced.and_then(|set| <BTreeMap<String, Json> as Val>::from_value(set).ok());
    let of = |(pointer, set): (String, Json)| {
        let there = part(there, &pointer).map(|there| documents::of(&set.0, there, Untold::Kept));
        (pointer, there.map_or(set, Json))
    };
    let state = documents::of(&set, there, Untold::Kept);
    // The mark of a document that is secret as a whole.
    let marked = matches!(target.inputs.get("desired_state"), Some(Value::Secret(_)));
    ResourceResolved {
        type_name: kind.to_owned(),
        desired_state: Json(if marked { state.secret() } else { state }),
        replace_properties: replaced.map(|replaced| replaced.into_iter().map(of).collect()),
        role_arn: None,
        type_version_id: None,
    }
}

/// Where the program has secrets among its properties, all that AWS tells of them is kept from view.
fn outputs(identifier: &str, kind: &str, there: Value, secret: bool) -> ResourceOutputs {
    let own = format!("{}Arn", kind.rsplit("::").next().unwrap_or_default());
    let arn = ["Arn", "ARN", own.as_str()].into_iter().find_map(|key| part(&there, key)?.as_str().map(Arn::new));
    let properties = Some(Json(if secret { there.secret() } else { there }));
    ResourceOutputs { identifier: identifier.to_owned(), properties, arn }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Json::parse(text).unwrap().0
    }

    #[test]
    fn an_id_is_type_and_identifier() {
        assert_eq!(split("AWS::S3::Bucket/logs").unwrap(), ("AWS::S3::Bucket", "logs"));
        assert_eq!(split("A::B::C/x/y|z").unwrap(), ("A::B::C", "x/y|z"));
        for bad in ["", "logs", "AWS::S3::Bucket", "AWS::S3::Bucket/", "a/b"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn properties_are_put_where_they_belong() {
        let mut document = value(r#"{"A":{"b":1},"L":[{"k":1}]}"#);
        for (pointer, new) in [("/Name", "n"), ("/A/c/d", "x"), ("/L/0/k", "y")] {
            let steps: Vec<String> = properties::steps(pointer).collect();
            assert!(put(&mut document, &steps, &Value::String(new.into())), "{pointer}");
        }
        assert_eq!(document, value(r#"{"Name":"n","A":{"b":1,"c":{"d":"x"}},"L":[{"k":"y"}]}"#));
        assert!(!put(&mut document, &["Name".into(), "x".into()], &Value::Null));
        assert_eq!(part(&document, "/L/0/k"), Some(&Value::String("y".into())));
        assert_eq!(part(&document, "/L/1/k"), None);
    }

    #[test]
    fn a_name_is_told_from_an_identifier_of_awss() {
        let state = value(r#"{"Name":"Logs-of-mine","Port":80,"Tags":[{"Key":"team","Value":""}]}"#);
        for named in ["logs-of-mine", "arn:aws:sns:us-west-2:1:Logs-of-mine", "https://q/1/Logs-of-mine", "x|80"] {
            assert!(is_named(&state, named), "{named}");
        }
        for given in ["vpc-0a80", "logs-of-mine-1a2b", "x|8080", ""] {
            assert!(!is_named(&state, given), "{given}");
        }
    }

    #[test]
    fn an_arn_is_found_among_the_properties() {
        let arn = |kind: &str, text: &str| outputs("i", kind, value(text), false).arn.map(|arn| arn.to_string());
        assert_eq!(arn("AWS::S3::Bucket", r#"{"Arn":"a"}"#).as_deref(), Some("a"));
        assert_eq!(arn("AWS::SNS::Topic", r#"{"TopicArn":"t"}"#).as_deref(), Some("t"));
        assert_eq!(arn("AWS::SNS::Topic", r#"{"RoleArn":"t"}"#), None);
    }
}
