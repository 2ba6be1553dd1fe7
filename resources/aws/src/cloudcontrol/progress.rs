//! Requests to Cloud Control and how far they are. Every change is a request that goes on by itself; its progress is asked for.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudcontrol::types::{HandlerErrorCode, OperationStatus, ProgressEvent};
use aws_smithy_types::DateTime;
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;

use super::CloudControl;
use crate::wait::Steps;

/// The least and the longest time between two looks, whatever AWS asks for.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Asks for a request's progress until it is over. A request that failed is an error.
pub(super) async fn follow(cc: &CloudControl, cx: &Cx, mut event: ProgressEvent) -> Result<ProgressEvent, CloudError> {
    let start = Instant::now();
    let mut steps = Steps::default();
    let mut told = String::new();
    loop {
        match event.operation_status() {
            Some(OperationStatus::Success) => return Ok(event),
            Some(OperationStatus::Failed | OperationStatus::CancelComplete) => return Err(failed(cc, &event)),
            _ => {}
        }
        let stage = stage(&event);
        if told != stage {
            (cx.progress)(&format!("{} is {stage}", name(&event)));
            told = stage;
        }
        let left = cx.timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            let message = format!("{} is still {told} after {} s", name(&event), cx.timeout.as_secs());
            return Err(CloudError::local(ErrorKind::TimedOut, message)
                .hint("run it again to go on waiting, or give the resource a longer timeout"));
        }
        let asked = event.retry_after().map(|at| until(at).clamp(SHORTEST, LONGEST));
        let step = asked.or_else(|| steps.next()).unwrap_or(LONGEST);
        cx.pause(tokio::time::sleep(step.min(left))).await;
        let token = event
            .request_token
            .clone()
            .ok_or_else(|| cc.unexpected("GetResourceRequestStatus", "the request has no token"))?;
        let request = cc.get_resource_request_status().request_token(token);
        let answer = cc.read("GetResourceRequestStatus", || request.clone().send()).await?;
        event = answer
            .progress_event
            .ok_or_else(|| cc.unexpected("GetResourceRequestStatus", "the answer tells no progress"))?;
    }
}

/// Whether it is over, one way or the other.
pub(super) fn is_failed(event: &ProgressEvent) -> bool {
    matches!(event.operation_status(), Some(OperationStatus::Failed | OperationStatus::CancelComplete))
}

/// How long it is until then.
fn until(at: &DateTime) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Duration::try_from_secs_f64(at.as_secs_f64() - now).unwrap_or_default()
}

/// How long ago something was.
pub(super) fn age(at: &DateTime) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Duration::try_from_secs_f64(now - at.as_secs_f64()).unwrap_or_default()
}

fn name(event: &ProgressEvent) -> String {
    let kind = event.type_name().unwrap_or("the object");
    event.identifier().map_or_else(|| kind.to_owned(), |id| format!("{kind} {id}"))
}

/// What it is meanwhile: "being created", and what AWS says of it.
fn stage(event: &ProgressEvent) -> String {
    let doing = match event.operation().map(|o| o.as_str()) {
        Some("CREATE") => "being created",
        Some("UPDATE") => "being changed",
        Some("DELETE") => "being deleted",
        _ => "under way",
    };
    let said = event.status_message().filter(|m| !m.is_empty());
    said.map_or_else(|| doing.to_owned(), |said| format!("{doing} ({said})"))
}

/// Why a request failed.
pub(super) fn failed(cc: &CloudControl, event: &ProgressEvent) -> CloudError {
    let kind = match event.error_code() {
        Some(HandlerErrorCode::NotFound) => ErrorKind::NotFound,
        Some(HandlerErrorCode::AlreadyExists) => ErrorKind::AlreadyExists,
        Some(HandlerErrorCode::ResourceConflict) => ErrorKind::InUse,
        Some(HandlerErrorCode::Throttling) => ErrorKind::Throttled,
        Some(HandlerErrorCode::InvalidRequest | HandlerErrorCode::NotUpdatable) => ErrorKind::Invalid,
        Some(
            HandlerErrorCode::AccessDenied
            | HandlerErrorCode::InvalidCredentials
            | HandlerErrorCode::UnauthorizedTaggingOperation,
        ) => ErrorKind::Denied,
        _ => ErrorKind::Other,
    };
    let operation = match event.operation().map(|o| o.as_str()) {
        Some("CREATE") => "CreateResource",
        Some("UPDATE") => "UpdateResource",
        Some("DELETE") => "DeleteResource",
        _ => "GetResourceRequestStatus",
    };
    let why = event.status_message().filter(|m| !m.is_empty()).unwrap_or("AWS gives no reason");
    let state =
        if event.operation_status() == Some(&OperationStatus::CancelComplete) { "was cancelled" } else { "failed" };
    let message = format!("{}: the request {state}: {why}", name(event));
    let code = event.error_code().map(|c| c.as_str().to_owned());
    // By its token AWS knows the request, and whoever asks it with `aws cloudcontrol get-resource-request-status`.
    let request_id = event.request_token().map(str::to_owned);
    let error = CloudError { kind, code, request_id, ..cc.unexpected(operation, message) };
    if kind == ErrorKind::AlreadyExists {
        return error.hint(
            "adopt it with the `import` option, or choose another name; where it is the object that is being replaced, give the resource `delete_before_replace`",
        );
    }
    explain(error)
}

/// Says which property cannot be changed in place, if that is why.
pub(super) fn explain(error: CloudError) -> CloudError {
    if !is_refused_change(&error) {
        return error;
    }
    let named = created_only(&error.message);
    let (which, how) = if named.is_empty() {
        ("one of these properties".to_owned(), "name it in replace_properties".to_owned())
    } else {
        let pointers: Vec<String> = named.iter().map(|p| format!("{p:?}")).collect();
        (named.join(", "), format!("say .replaced_by([{}])", pointers.join(", ")))
    };
    error.hint(format!(
        "AWS cannot change {which} in place: {how}, and its changes make a new object; or replace it once with `phx up --replace`"
    ))
}

/// Whether AWS refuses to change a property in place.
pub(super) fn is_refused_change(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("NotUpdatable" | "NotUpdatableException"))
        || error.message.to_ascii_lowercase().contains("createonlypropert")
}

/// The properties that a message names: `createOnlyProperties [/properties/BucketName]`.
pub(super) fn created_only(message: &str) -> Vec<String> {
    const BEGIN: &str = "/properties/";
    let end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '*'));
    let parts = message.split(BEGIN).skip(1);
    parts.filter_map(|part| part.split(end).next()).filter(|p| !p.is_empty()).map(|p| format!("/{p}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_that_cannot_be_changed_is_named() {
        let error = |code: Option<&str>, message: &str| {
            explain(CloudError { code: code.map(str::to_owned), ..CloudError::local(ErrorKind::Invalid, message) }).hint
        };
        let said =
            "Invalid patch update: createOnlyProperties [/properties/BucketName, /properties/A/B] cannot be updated";
        let hint = error(Some("ValidationException"), said).unwrap();
        assert!(
            hint.contains("/BucketName, /A/B") && hint.contains(r#".replaced_by(["/BucketName", "/A/B"])"#),
            "{hint}"
        );
        assert!(error(Some("NotUpdatable"), "no").unwrap().contains("replace_properties"));
        assert_eq!(error(Some("ValidationException"), "no such property"), None);
    }
}
