//! Calling AWS: which failures are repeated, and what a failure means.
//!
//! Three kinds of call, by what repeating them does:
//!
//! | | throttled, or never sent | no answer, or 5xx |
//! |---|---|---|
//! | [`read`](Service::read) | repeated | repeated |
//! | [`write_idempotent`](Service::write_idempotent): sent twice it does the same once | repeated | repeated |
//! | [`write`](Service::write): sent twice it may do it twice | repeated | returned as [`Ambiguous`](ErrorKind::Ambiguous), for the engine to settle |
//!
//! Waits between repetitions are exponential with full jitter. An endpoint that answers with an HTML page most likely does not
//! implement the operation; that is never taken for "not there", and no more is a 404 that bears no code. If the page's status is 5xx, it may also
//! have broken half way: then reads and idempotent writes are repeated a few times, and of another write it is not known whether it had an
//! effect. A page with the status of a gateway (502, 503, 504) comes from what stands before a service that is down, and counts as 5xx.

use std::error::Error as StdError;
use std::future::Future;
use std::time::{Duration, Instant};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;

use crate::client::Service;

/// How often a call is sent at most.
const ATTEMPTS: u32 = 8;
/// What is throttled was refused before anything was done, and others of the account may use its rate up for a minute.
const ATTEMPTS_THROTTLED: u32 = 16;
/// An address at which nobody has ever answered seldom comes alive, and the user waits.
const ATTEMPTS_UNREACHABLE: u32 = 4;
/// An endpoint that does not implement an operation may say so with the same page as one that broke.
const ATTEMPTS_BROKE: u32 = 3;
/// The first wait is at most this long; each later one at most twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    Once,
    Repeatable,
}

impl<C> Service<C> {
    /// A call that changes nothing.
    pub async fn read<T, E, F, Fut>(&self, operation: &'static str, send: F) -> Result<T, CloudError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.call(operation, Effect::None, send).await
    }

    /// A call that may do its work twice when it is sent twice.
    pub async fn write<T, E, F, Fut>(&self, operation: &'static str, send: F) -> Result<T, CloudError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.call(operation, Effect::Once, send).await
    }

    /// A call that does the same once when it is sent twice: it deletes, sets, or carries a token or a name that is taken only once.
    /// A repetition may be told so (`NotFound`, `AlreadyExists`); whoever calls judges that.
    pub async fn write_idempotent<T, E, F, Fut>(&self, operation: &'static str, send: F) -> Result<T, CloudError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.call(operation, Effect::Repeatable, send).await
    }

    async fn call<T, E, F, Fut>(&self, operation: &'static str, effect: Effect, mut send: F) -> Result<T, CloudError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let pace = self.aws.pace(&self.provider, self.name, operation);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let place = pace.reserve(Instant::now());
            if !place.is_zero() {
                tokio::time::sleep(place).await;
            }
            self.aws.count(self.name, operation);
            // On the heap: the SDK's futures take tens of kilobytes, and whoever joins a dozen of them would have no stack left.
            let failure = match Box::pin(send()).await {
                Ok(answer) => {
                    pace.passed(Instant::now());
                    self.aws.note_answer(&self.provider, self.name);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            if failure.raw_response().is_some() {
                self.aws.note_answer(&self.provider, self.name);
            }
            let error = self.explain(operation, &failure);
            if error.kind == ErrorKind::Throttled {
                pace.throttled(Instant::now());
            }
            // A page with a status of 5xx can also come from something that broke half way.
            let broke = error.kind == ErrorKind::Unsupported
                && failure.raw_response().is_some_and(|raw| is_html(raw) && raw.status().as_u16() >= 500);
            let most = match effect {
                Effect::None | Effect::Repeatable if broke => ATTEMPTS_BROKE,
                _ => attempts(error.kind, effect, self.aws.has_answered(&self.provider, self.name)),
            };
            if attempt >= most {
                let mut error = settled(error, effect, attempt);
                if broke && effect == Effect::Once {
                    error.kind = ErrorKind::Ambiguous;
                }
                return Err(error);
            }
            let wait = backoff(attempt);
            tracing::debug!(service = self.name, operation, attempt, ?wait, %error, "call failed and is repeated");
            tokio::time::sleep(wait).await;
        }
    }

    /// An answer that AWS does not document. The call was taken, so what came of it has to be found out: an object may be there.
    pub(crate) fn unexpected(&self, operation: &str, message: impl Into<String>) -> CloudError {
        CloudError {
            service: self.name.to_owned(),
            operation: operation.to_owned(),
            ..CloudError::local(ErrorKind::Ambiguous, message)
        }
    }

    fn explain<E>(&self, operation: &str, failure: &SdkError<E, HttpResponse>) -> CloudError
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let mut error = explain(failure);
        if let Some(refused) = source_of::<CredentialsError>(failure)
            && let Some(error) = self.aws.roles().refused(&self.provider, refused)
        {
            return error;
        }
        self.name.clone_into(&mut error.service);
        operation.clone_into(&mut error.operation);
        // Only the answer to a HEAD request has no room for a code. Elsewhere whoever listens there does not know the operation, and that says
        // nothing of the object.
        if error.kind == ErrorKind::NotFound && error.code.is_none() && !operation.starts_with("Head") {
            error.kind = ErrorKind::Unsupported;
        }
        match (error.kind, self.aws.endpoint()) {
            (ErrorKind::Unreachable, Some(url)) => {
                error.message = format!("nothing answers at {url}: {}", error.message);
                error.hint = Some("start what should listen there, or unset AWS_ENDPOINT_URL".to_owned());
            }
            (ErrorKind::Unreachable, None) => {
                error.hint = Some("check the network and the region's name".to_owned());
            }
            (ErrorKind::Unsupported, url) => {
                let url = url.unwrap_or_else(|| "the endpoint".to_owned());
                error.message = format!("{url} does not implement {}:{operation}: {}", self.name, error.message);
            }
            _ => {}
        }
        error
    }
}

/// How often a call that fails so is sent. `answered`: somebody has answered there before, and so will again.
fn attempts(kind: ErrorKind, effect: Effect, answered: bool) -> u32 {
    match kind {
        ErrorKind::Throttled => ATTEMPTS_THROTTLED,
        ErrorKind::Unreachable if answered => ATTEMPTS,
        ErrorKind::Unreachable => ATTEMPTS_UNREACHABLE,
        ErrorKind::Ambiguous if effect != Effect::Once => ATTEMPTS,
        _ => 1,
    }
}

/// The error of the last attempt as the caller sees it.
fn settled(mut error: CloudError, effect: Effect, attempts: u32) -> CloudError {
    // A read has no effect that could be in doubt.
    if effect == Effect::None && error.kind == ErrorKind::Ambiguous {
        error.kind = ErrorKind::Other;
    }
    if attempts > 1 {
        error.message = format!("{} (tried {attempts} times)", error.message);
    }
    error
}

fn backoff(attempt: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_WAIT);
    longest.mul_f64(jitter())
}

/// A number from 0 to 1 that differs between processes and calls; nothing depends on its quality.
pub(crate) fn jitter() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// What a failure means, with everything that AWS said of it.
pub fn explain<E>(failure: &SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match failure {
        SdkError::ServiceError(e) => refused(e.err(), e.raw()),
        SdkError::ResponseError(e) => {
            let raw = e.raw();
            let mut error = if is_html(raw) {
                CloudError::local(html_kind(raw), html_note(raw))
            } else {
                let message = format!("the answer cannot be read: {}", chain(failure));
                CloudError::local(ErrorKind::Ambiguous, message)
            };
            error.request_id = raw.request_id().map(str::to_owned);
            error
        }
        SdkError::TimeoutError(_) => {
            CloudError::local(ErrorKind::Ambiguous, format!("no answer in time: {}", chain(failure)))
        }
        _ => not_answered(failure),
    }
}

/// No answer arrived. What matters is whether the request can have been sent.
fn not_answered<E: StdError + 'static>(failure: &SdkError<E, HttpResponse>) -> CloudError {
    let message = chain(failure);
    if source_of::<CredentialsError>(failure).is_some() {
        return CloudError::local(ErrorKind::Denied, format!("no usable AWS credentials: {message}"))
            .hint("set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws sso login`");
    }
    match failure {
        SdkError::ConstructionFailure(_) => CloudError::local(ErrorKind::Invalid, message),
        SdkError::DispatchFailure(e) => {
            let never_connected = source_of::<hyper_util::client::legacy::Error>(failure)
                .is_some_and(hyper_util::client::legacy::Error::is_connect);
            let kind = match e.as_connector_error() {
                _ if never_connected => ErrorKind::Unreachable,
                Some(c) if c.is_user() => ErrorKind::Invalid,
                _ => ErrorKind::Ambiguous,
            };
            CloudError::local(kind, message)
        }
        _ => CloudError::local(ErrorKind::Ambiguous, message),
    }
}

/// AWS answered with an error.
fn refused<E: ProvideErrorMetadata>(answer: &E, raw: &HttpResponse) -> CloudError {
    let meta = answer.meta();
    let status = raw.status().as_u16();
    let request_id = meta.request_id().or_else(|| raw.request_id()).map(str::to_owned);
    let code = meta.code().or_else(|| code_in(raw)).map(str::to_owned);
    let is_page = code.is_none() && is_html(raw);
    let kind = if is_page { html_kind(raw) } else { kind_of(code.as_deref(), status) };
    let message = match meta.message().or_else(|| code_in(raw).and_then(|_| part_of(raw, "Message"))) {
        _ if is_page => html_note(raw),
        Some(message) if !message.is_empty() => message.to_owned(),
        _ => format!("refused with status {status}"),
    };
    let mut error = CloudError { code, request_id, ..CloudError::local(kind, message) };
    error.hint = match error.code.as_deref() {
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            Some("the credentials have expired: run `aws sso login`, or fetch new ones".to_owned())
        }
        Some("InvalidClientTokenId" | "AuthFailure" | "UnrecognizedClientException" | "InvalidAccessKeyId") => {
            Some("AWS does not know these credentials: check AWS_PROFILE or AWS_ACCESS_KEY_ID".to_owned())
        }
        Some("RequestTimeTooSkewed" | "SignatureDoesNotMatch") => {
            Some("check the secret key and this machine's clock".to_owned())
        }
        _ => None,
    };
    error
}

/// A part of an error in XML that has another envelope than the SDK looks for, as S3 Control's has at some endpoints.
fn part_of<'r>(raw: &'r HttpResponse, tag: &str) -> Option<&'r str> {
    let (_, rest) = std::str::from_utf8(raw.body().bytes()?).ok()?.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once(&format!("</{tag}>"))?.0)
}

fn code_in(raw: &HttpResponse) -> Option<&str> {
    let is_code = |code: &&str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".:_-".contains(&b);
        (1..=128).contains(&code.len()) && code.bytes().all(fits)
    };
    part_of(raw, "Code").filter(is_code)
}

/// What a code means. Codes are matched by their forms, since there are thousands and services name them alike.
pub fn kind_of(code: Option<&str>, status: u16) -> ErrorKind {
    let Some(code) = code else {
        return match status {
            404 => ErrorKind::NotFound,
            429 => ErrorKind::Throttled,
            401 | 403 => ErrorKind::Denied,
            501 => ErrorKind::Unsupported,
            408 | 500.. => ErrorKind::Ambiguous,
            _ => ErrorKind::Other,
        };
    };
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "TooManyRequests"
        | "SlowDown"
        | "EC2ThrottledException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "ProvisionedThroughputExceededException" => ErrorKind::Throttled,
        // What did not arrive in time, and what S3 says in an answer that had begun well.
        "RequestTimeout" | "RequestTimeoutException" | "InternalError" => ErrorKind::Ambiguous,
        "NotImplemented" | "UnknownOperationException" | "InvalidAction" | "UnsupportedOperationException"
            if status != 409 =>
        {
            ErrorKind::Unsupported
        }
        "DependencyViolation"
        | "DeleteConflict"
        | "DeleteConflictException"
        | "BucketNotEmpty"
        | "ResourceInUseException"
        | "ResourceInUse"
        | "HostedZoneNotEmpty"
        | "WAFAssociatedItemException"
        | "VolumeInUse"
        | "InvalidIPAddress.InUse" => ErrorKind::InUse,
        "UnauthorizedOperation"
        | "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "RequestTimeTooSkewed"
        | "OptInRequired"
        | "InvalidToken"
        | "NotAuthorized"
        // SNS's word.
        | "AuthorizationError" => ErrorKind::Denied,
        "NoSuchEntity"
        | "NoSuchEntityException"
        | "ResourceNotFoundException"
        | "ResourceNotFound"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "TrailNotFoundException"
        | "NoSuchConfigurationRecorderException"
        | "NoSuchDeliveryChannelException"
        | "NoSuchConfigRuleException"
        | "UnknownMonitorException"
        | "UnknownSubscriptionException"
        | "WAFNonexistentItemException"
        | "NotFound"
        | "NotFoundException"
        | "ParameterNotFound"
        | "NatGatewayNotFound"
        // Route 53's and load balancing's words.
        | "NoSuchHostedZone"
        | "LoadBalancerNotFound"
        | "TargetGroupNotFound"
        | "ListenerNotFound"
        | "CertificateNotFound" => ErrorKind::NotFound,
        "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "BucketAlreadyOwnedByYou"
        | "BucketAlreadyExists"
        | "AlreadyExistsException"
        | "TrailAlreadyExistsException"
        | "DuplicateRecordException"
        | "WAFDuplicateItemException"
        | "ResourceExistsException"
        | "ResourceAlreadyExistsException"
        | "DuplicateLoadBalancerName"
        | "DuplicateTargetGroupName"
        | "DuplicateListener" => ErrorKind::AlreadyExists,
        _ if code.starts_with("AccessDenied") => ErrorKind::Denied,
        // RDS's: DBInstanceNotFound, DBClusterNotFoundFault, SubscriptionAlreadyExist.
        // EC2's: InvalidVpcID.NotFound, InvalidLaunchTemplateName.NotFoundException.
        _ if code.ends_with("NotFound") || code.ends_with("NotFoundFault") || code.ends_with(".NotFoundException") => {
            ErrorKind::NotFound
        }
        _ if code.ends_with("AlreadyExists")
            || code.ends_with(".Duplicate")
            || code.ends_with(".AlreadyExistsException")
            || code.ends_with("AlreadyExistsFault")
            || code == "SubscriptionAlreadyExist" =>
        {
            ErrorKind::AlreadyExists
        }
        _ if code.ends_with(".InUse") => ErrorKind::InUse,
        // Whatever a service calls it.
        _ if status == 429 => ErrorKind::Throttled,
        // Whatever an endpoint calls it: LocalStack says "InternalFailure".
        _ if status == 501 => ErrorKind::Unsupported,
        // What failed inside AWS may have had an effect before it failed.
        _ if status >= 500 => ErrorKind::Ambiguous,
        _ if ["Invalid", "Validation", "Malformed", "Missing"].iter().any(|form| code.starts_with(form)) => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Other,
    }
}

fn is_html(raw: &HttpResponse) -> bool {
    let declared = raw.headers().get("content-type").is_some_and(|t| t.trim_start().starts_with("text/html"));
    let start = raw.body().bytes().unwrap_or_default();
    let start = String::from_utf8_lossy(&start[..start.len().min(64)]).trim_start().to_ascii_lowercase();
    // An empty body has no form, whatever its header says of it.
    !start.is_empty() && (declared || start.starts_with("<!doctype html") || start.starts_with("<html"))
}

/// What a page means. An endpoint that does not implement an operation may say so with one; what stands before a service that is down does, too.
fn html_kind(raw: &HttpResponse) -> ErrorKind {
    match raw.status().as_u16() {
        429 => ErrorKind::Throttled,
        502..=504 => ErrorKind::Ambiguous,
        _ => ErrorKind::Unsupported,
    }
}

fn html_note(raw: &HttpResponse) -> String {
    format!("it answered with status {} and an HTML page", raw.status().as_u16())
}

pub(crate) fn chain(failure: &(impl StdError + 'static)) -> String {
    // The innermost error says what happened; the ones around it say that something did.
    let mut inner: &dyn StdError = failure;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let innermost = inner.to_string();
    if innermost.is_empty() { DisplayErrorContext(failure).to_string() } else { innermost }
}

pub(crate) fn source_of<'a, E: StdError + 'static>(failure: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(failure);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// A client token for an intent's request: the same for every repetition of it. Tokens hold 64 ASCII characters and intents are longer.
pub fn client_token(intent: &IntentId) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(intent.as_str().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_understood_by_their_form() {
        use ErrorKind::{AlreadyExists, Ambiguous, Denied, InUse, Invalid, NotFound, Other, Throttled, Unsupported};
        for (code, status, kind) in [
            ("InvalidVpcID.NotFound", 400, NotFound),
            ("InvalidPermission.NotFound", 400, NotFound),
            ("InvalidLaunchTemplateName.NotFoundException", 400, NotFound),
            ("InvalidLaunchTemplateName.AlreadyExistsException", 400, AlreadyExists),
            ("NatGatewayNotFound", 400, NotFound),
            ("DBInstanceNotFound", 404, NotFound),
            ("DBClusterNotFoundFault", 404, NotFound),
            ("NoSuchEntity", 404, NotFound),
            ("ResourceNotFoundException", 400, NotFound),
            ("NoSuchBucket", 404, NotFound),
            ("TrailNotFoundException", 400, NotFound),
            ("NoSuchConfigRuleException", 400, NotFound),
            ("UnknownMonitorException", 400, NotFound),
            ("WAFNonexistentItemException", 400, NotFound),
            ("WAFAssociatedItemException", 400, InUse),
            ("WAFDuplicateItemException", 400, AlreadyExists),
            ("DuplicateRecordException", 400, AlreadyExists),
            ("TrailAlreadyExistsException", 400, AlreadyExists),
            ("NoSuchHostedZone", 404, NotFound),
            ("LoadBalancerNotFound", 400, NotFound),
            ("DuplicateListener", 400, AlreadyExists),
            ("HostedZoneNotEmpty", 400, InUse),
            ("ParameterNotFound", 400, NotFound),
            ("AlreadyExistsException", 400, AlreadyExists),
            ("ResourceExistsException", 400, AlreadyExists),
            ("DependencyViolation", 400, InUse),
            ("InvalidIPAddress.InUse", 400, InUse),
            ("VolumeInUse", 400, InUse),
            ("DeleteConflict", 409, InUse),
            ("BucketNotEmpty", 409, InUse),
            ("InvalidGroup.Duplicate", 400, AlreadyExists),
            ("RouteAlreadyExists", 400, AlreadyExists),
            ("EntityAlreadyExists", 409, AlreadyExists),
            ("DBInstanceAlreadyExists", 400, AlreadyExists),
            ("SubscriptionAlreadyExist", 400, AlreadyExists),
            ("BucketAlreadyOwnedByYou", 409, AlreadyExists),
            ("RequestLimitExceeded", 503, Throttled),
            ("Throttling", 400, Throttled),
            ("SlowDown", 503, Throttled),
            ("UnauthorizedOperation", 403, Denied),
            ("AccessDeniedException", 400, Denied),
            ("AuthorizationError", 403, Denied),
            ("ExpiredToken", 403, Denied),
            ("InvalidClientTokenId", 403, Denied),
            ("InvalidParameterValue", 400, Invalid),
            ("ValidationError", 400, Invalid),
            ("MalformedPolicyDocument", 400, Invalid),
            ("InternalError", 500, Ambiguous),
            ("InternalError", 200, Ambiguous),
            ("Unavailable", 503, Ambiguous),
            ("RequestTimeout", 400, Ambiguous),
            ("PriorRequestNotComplete", 400, Throttled),
            ("TooManyRequestsException", 429, Throttled),
            ("LimitExceededException", 429, Throttled),
            ("NotImplemented", 501, Unsupported),
            ("InternalFailure", 501, Unsupported),
            ("InternalFailure", 500, Ambiguous),
            ("VpcLimitExceeded", 400, Other),
            ("LimitExceededException", 400, Other),
        ] {
            assert_eq!(kind_of(Some(code), status), kind, "{code}");
        }
        assert_eq!(kind_of(None, 404), NotFound, "a HEAD request's answer has no body");
        assert_eq!(kind_of(None, 502), Ambiguous);
    }

    #[test]
    fn only_what_cannot_have_happened_is_repeated_blindly() {
        for (effect, answered) in
            [(Effect::None, false), (Effect::Once, false), (Effect::Once, true), (Effect::Repeatable, true)]
        {
            assert!(attempts(ErrorKind::Throttled, effect, answered) > 1);
            assert!(attempts(ErrorKind::Unreachable, effect, answered) > 1);
            for kind in
                [ErrorKind::Unsupported, ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Invalid, ErrorKind::InUse]
            {
                assert_eq!(attempts(kind, effect, answered), 1);
            }
        }
        assert_eq!(attempts(ErrorKind::Ambiguous, Effect::Once, true), 1);
        assert!(attempts(ErrorKind::Ambiguous, Effect::Repeatable, false) > 1);
        let unreachable = |answered| attempts(ErrorKind::Unreachable, Effect::Once, answered);
        assert!(unreachable(true) > unreachable(false), "who has answered before will again");
    }

    #[test]
    fn waits_grow_and_end() {
        for attempt in 1..40 {
            assert!(backoff(attempt) <= LONGEST_WAIT);
        }
        assert!(backoff(1) <= FIRST_WAIT);
    }

    #[test]
    fn a_token_is_the_intents_and_fits() {
        let intent = |n: u32| IntentId(format!("{0}.{0}.{n}", "0f8f6f6e-1111-4222-8333-444455556666"));
        assert_eq!(client_token(&intent(1)), client_token(&intent(1)));
        assert_ne!(client_token(&intent(1)), client_token(&intent(2)));
        assert_eq!(client_token(&intent(1)).len(), 64);
    }
}
