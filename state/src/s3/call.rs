//! Sending requests: which failures are repeated, and what a failure says of the request's effect.
//!
//! The SDK's own repetitions are off, since only the store knows what may be sent twice. Everything the store sends may: objects are
//! written under the hash of their content or under a condition, items under a condition that holds once. What can't be told afterwards
//! from the answers is read back by whoever sent it; here it is only kept apart: [`Failure::maybe_done`].

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use phx_model::store::StoreError;

use super::lease::Held;

/// The waits between repetitions grow from the first to the second of these; each is a random part of that.
const WAITS: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(3));
/// An address at which nobody answers seldom comes alive, what an answer of success says that cannot be read is seldom clearer later, and somebody
/// waits for the message.
const FEW: u32 = 4;

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request's own condition does not hold.
    Condition,
    /// There is no such object.
    Missing,
    /// There is no such bucket or table.
    NoPlace,
    /// There is such an object, and it is longer than what can be one of phx's.
    TooLong,
    /// Refused for now: throttled, or in conflict with another write. It had no effect.
    Busy,
    /// Nobody answers at the address. It had no effect.
    Unreachable,
    /// No answer, half of one, or 5xx: it may have had its effect.
    Unclear,
    /// Refused for good.
    Refused,
}

/// A request that failed, after all its repetitions.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// AWS's name for the error, if it gave one.
    pub(super) code: Option<String>,
    pub(super) why: String,
    /// Whether one of the attempts may have had its effect, whatever the last one was told.
    pub(super) maybe_done: bool,
}

impl Failure {
    pub(super) fn new(kind: Kind, why: impl Into<String>) -> Self {
        Self { kind, code: None, why: why.into(), maybe_done: kind == Kind::Unclear }
    }

    fn repeated(&self, attempt: u32) -> bool {
        match self.kind {
            Kind::Unclear if self.code.as_deref().is_some_and(|code| code.starts_with('2')) => attempt < FEW,
            Kind::Busy | Kind::Unclear => true,
            Kind::Unreachable => attempt < FEW,
            Kind::Condition | Kind::Missing | Kind::NoPlace | Kind::TooLong | Kind::Refused => false,
        }
    }

    /// The error for people. `what` says what was being done, to what.
    pub(super) fn at(self, what: impl Into<String>) -> StoreError {
        let hint = match (self.kind, self.code.as_deref()) {
            (Kind::NoPlace, _) => {
                "\n  hint: `phx state init` creates the bucket and the table; if they exist, check the state URL and its region"
            }
            (Kind::Unreachable, _) => "\n  hint: check the network, the region's name and AWS_ENDPOINT_URL",
            (_, Some("AccessDenied" | "AccessDeniedException" | "Forbidden" | "403")) => {
                "\n  hint: `phx state init --print-policy` prints the permissions that phx needs"
            }
            (
                _,
                Some("ExpiredToken" | "ExpiredTokenException" | "UnrecognizedClientException" | "InvalidAccessKeyId"),
            ) => "\n  hint: sign in again, or check AWS_PROFILE",
            (
                _,
                Some("RequestTimeTooSkewed" | "RequestExpired" | "InvalidSignatureException" | "SignatureDoesNotMatch"),
            ) => "\n  hint: check this machine's clock, and the credentials",
            (_, Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "301")) => {
                "\n  hint: the bucket lies in another region: check `region=` of the state URL, or AWS_REGION"
            }
            _ => "",
        };
        StoreError::Io { what: what.into(), why: format!("{}{hint}", self.why) }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let chain = || DisplayErrorContext(&error).to_string();
        match &error {
            SdkError::ServiceError(e) => refused(e.err(), e.raw()),
            SdkError::TimeoutError(_) => Self::new(Kind::Unclear, format!("no answer in time: {}", chain())),
            SdkError::DispatchFailure(e) => {
                let kind = match e.as_connector_error() {
                    // Neither an address nor a way to it: nothing was sent.
                    Some(e) if never_sent(e) => Kind::Unreachable,
                    _ if e.is_user() => Kind::Refused,
                    // Credentials that could not be had, among others.
                    _ if e.is_other() => Kind::Refused,
                    _ => Kind::Unclear,
                };
                Self::new(kind, chain())
            }
            SdkError::ResponseError(_) => Self::new(Kind::Unclear, format!("the answer cannot be read: {}", chain())),
            _ => Self::new(Kind::Refused, chain()),
        }
    }
}

/// Whether a connection was never made, so that nothing can have arrived.
fn never_sent(error: &aws_smithy_runtime_api::client::result::ConnectorError) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn refused<E: ProvideErrorMetadata>(error: &E, raw: &HttpResponse) -> Failure {
    let status = raw.status().as_u16();
    let code = error.code().map_or_else(|| status.to_string(), str::to_owned);
    let request = raw.request_id().or_else(|| error.meta().request_id()).map(|id| format!(" (request {id})"));
    let message = error.message().unwrap_or(if status < 300 { "the answer cannot be read" } else { "no message" });
    let why = format!("{code}: {message}{}", request.unwrap_or_default());
    Failure { code: Some(code.clone()), ..Failure::new(kind_of(&code, status), why) }
}

fn kind_of(code: &str, status: u16) -> Kind {
    match code {
        "ConditionalCheckFailedException" | "PreconditionFailed" => Kind::Condition,
        "NoSuchBucket" | "ResourceNotFoundException" | "TableNotFoundException" => Kind::NoPlace,
        "TransactionInProgressException" => Kind::Unclear,
        "TransactionConflictException"
        | "ConditionalRequestConflict"
        // A table that was made a moment ago has no backups yet that could be changed.
        | "ContinuousBackupsUnavailableException"
        | "OperationAborted"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "LimitExceededException" => Kind::Busy,
        "RequestTimeout" | "InternalError" | "InternalServerError" | "ServiceUnavailable" => Kind::Unclear,
        _ => match status {
            404 => Kind::Missing,
            412 => Kind::Condition,
            409 | 429 => Kind::Busy,
            // An answer of success that does not read as one: half of it, or something in between that answers for AWS.
            200..300 => Kind::Unclear,
            500.. => Kind::Unclear,
            _ => Kind::Refused,
        },
    }
}

/// How long a request is tried.
#[derive(Clone)]
pub(super) struct Patience {
    /// For one attempt.
    pub(super) attempt: Duration,
    /// No attempt begins after this.
    pub(super) until: Instant,
    /// And none once this lease has ended.
    pub(super) lease: Option<Arc<Held>>,
}

impl Patience {
    fn over(&self, at: Instant) -> bool {
        at >= self.until || self.lease.as_ref().is_some_and(|lease| at >= lease.until())
    }
}

/// Counts what is sent.
#[derive(Default)]
pub(super) struct Calls {
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Calls {
    /// How many requests were sent by `service:Operation`, repetitions included.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request until there is an answer that settles it, or patience is over.
    pub(super) async fn send<T, F, Fut>(
        &self,
        operation: &'static str,
        patience: &Patience,
        mut send: F,
    ) -> Result<T, Failure>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, Failure>>,
    {
        let mut maybe_done = false;
        for attempt in 1.. {
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
            let failure = match tokio::time::timeout(patience.attempt, send()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::new(Kind::Unclear, format!("no answer within {} ms", patience.attempt.as_millis())),
            };
            maybe_done |= failure.maybe_done;
            let wait = backoff(attempt);
            if !failure.repeated(attempt) || patience.over(Instant::now() + wait) {
                let why = match attempt {
                    1 => format!("{operation}: {}", failure.why),
                    n => format!("{operation}, tried {n} times: {}", failure.why),
                };
                return Err(Failure { maybe_done, why, ..failure });
            }
            tracing::debug!(operation, attempt, ?wait, why = failure.why, "a request to the state store is repeated");
            tokio::time::sleep(wait).await;
        }
        // Attempts are counted in 32 bits, and patience ends long before them.
        Err(Failure::new(Kind::Unclear, format!("{operation} was never answered")))
    }
}

fn backoff(attempt: u32) -> Duration {
    let longest = WAITS.0.saturating_mul(1 << attempt.saturating_sub(1).min(12)).min(WAITS.1);
    longest.mul_f64(0.25 + 0.75 * jitter())
}

/// A number from 0 to 1 that differs between processes and calls; nothing depends on its quality.
fn jitter() -> f64 {
    let (bits, _) = uuid::Uuid::new_v4().as_u64_pair();
    let bits = u32::try_from(bits >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(total: Duration) -> Patience {
        Patience { attempt: Duration::from_millis(20), until: Instant::now() + total, lease: None }
    }

    #[tokio::test]
    async fn what_may_have_been_done_is_remembered_over_later_answers() {
        let calls = Calls::default();
        let mut answers =
            [Kind::Unclear, Kind::Busy, Kind::Condition].into_iter().map(|kind| Err::<(), _>(Failure::new(kind, "x")));
        let failure = calls
            .send("s3:Put", &patience(Duration::from_secs(9)), || std::future::ready(answers.next().unwrap()))
            .await
            .unwrap_err();
        assert_eq!((failure.kind, failure.maybe_done), (Kind::Condition, true));
        assert_eq!(calls.counts()["s3:Put"], 3);
        assert!(failure.why.contains("tried 3 times"), "{}", failure.why);
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_is_unclear_and_patience_ends() {
        let calls = Calls::default();
        let failure = calls
            .send("s3:Put", &patience(Duration::from_millis(150)), std::future::pending::<Result<(), Failure>>)
            .await
            .unwrap_err();
        assert!(failure.maybe_done && failure.kind == Kind::Unclear);
        assert!(calls.counts()["s3:Put"] > 1);
    }

    #[tokio::test]
    async fn what_is_refused_is_not_repeated() {
        for kind in [Kind::Condition, Kind::Missing, Kind::NoPlace, Kind::TooLong, Kind::Refused] {
            let calls = Calls::default();
            let answer = || std::future::ready(Err::<(), _>(Failure::new(kind, "x")));
            let failure = calls.send("s3:Put", &patience(Duration::from_secs(9)), answer).await.unwrap_err();
            assert_eq!((failure.kind, failure.maybe_done, calls.counts()["s3:Put"]), (kind, false, 1));
        }
    }

    #[test]
    fn codes_mean_what_aws_documents() {
        for (code, status, kind) in [
            ("PreconditionFailed", 412, Kind::Condition),
            ("412", 412, Kind::Condition),
            ("ConditionalCheckFailedException", 400, Kind::Condition),
            ("NoSuchKey", 404, Kind::Missing),
            ("404", 404, Kind::Missing),
            ("NoSuchBucket", 404, Kind::NoPlace),
            ("ResourceNotFoundException", 400, Kind::NoPlace),
            ("ConditionalRequestConflict", 409, Kind::Busy),
            ("ContinuousBackupsUnavailableException", 400, Kind::Busy),
            ("SlowDown", 503, Kind::Busy),
            ("ServiceUnavailable", 503, Kind::Unclear),
            ("RequestTimeout", 400, Kind::Unclear),
            ("AccessDenied", 403, Kind::Refused),
            ("ValidationException", 400, Kind::Refused),
            ("whatever", 502, Kind::Unclear),
            ("200", 200, Kind::Unclear),
        ] {
            assert_eq!(kind_of(code, status), kind, "{code} {status}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let failure = |kind, code: &str| Failure { code: Some(code.into()), ..Failure::new(kind, "no") };
        for (failure, part) in [
            (failure(Kind::NoPlace, "NoSuchBucket"), "phx state init"),
            (failure(Kind::Refused, "AccessDenied"), "--print-policy"),
            (failure(Kind::Refused, "ExpiredToken"), "sign in"),
            (failure(Kind::Refused, "InvalidSignatureException"), "clock"),
            (failure(Kind::Refused, "PermanentRedirect"), "region="),
            (failure(Kind::Unreachable, ""), "AWS_ENDPOINT_URL"),
        ] {
            let text = failure.at("reading x").to_string();
            assert!(text.contains(part) && text.contains("reading x"), "{text}");
        }
    }
}
