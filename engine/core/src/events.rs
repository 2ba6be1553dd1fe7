//! What happened, as it happens: one closed enum, for terminals, logs and programs alike.

use phx_model::store::{Lease, Pace, Summary};
use phx_model::{CloudError, Urn, ValueMap};
use serde::Serialize;

use crate::verify::Verified;

/// Receives events. Called from many tasks; must not block for long.
pub trait EventSink: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> EventSink for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// An error in an event: the contract's form of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventError {
    /// What went wrong.
    pub message: String,
    /// The cloud service, if one was called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Its operation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// Its error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What the reader can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&CloudError> for EventError {
    fn from(e: &CloudError) -> Self {
        Self {
            message: e.message.clone(),
            service: e.service.clone(),
            operation: e.operation.clone(),
            code: e.code.clone(),
            request_id: e.request_id.clone(),
            hint: e.hint.clone(),
        }
    }
}

/// What a step in an event does to its resource. A replacement is two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOp {
    /// A new object.
    Create,
    /// A change in place.
    Update,
    /// An end.
    Delete,
    /// An existing object becomes phx's.
    Adopt,
    /// An object is let go.
    Forget,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Everything that was planned was done.
    Succeeded,
    /// Something failed; the rest was done or skipped.
    Failed,
    /// It was asked to stop.
    Interrupted,
}

impl RunResult {
    /// The contract's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Something that happened in an operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody else holds the stack's lease, and it is waited for.
    LeaseAwaited {
        /// Theirs.
        lease: Lease,
        /// For how long at the most, in milliseconds.
        wait_ms: u64,
    },
    /// An operation begins; its lease is held.
    OperationStarted {
        /// `up`, `destroy`, `refresh`.
        kind: &'static str,
        /// The stack.
        stack: String,
        /// Its id.
        operation: String,
        /// The lease.
        lease: Lease,
    },
    /// An intent that an earlier run left open was settled.
    Recovered {
        /// The resource.
        urn: Urn,
        /// What the intent was to do.
        change: &'static str,
        /// What became of it, in words: "found vpc-123 and recorded it".
        outcome: String,
    },
    /// Reading the cloud begins.
    RefreshStarted {
        /// How many objects are read.
        resources: usize,
    },
    /// The cloud has been read.
    Refreshed {
        /// How many objects were read.
        resources: usize,
        /// Objects that are not there any more.
        gone: Vec<Urn>,
        /// Objects that are not as phx left them.
        drifted: Vec<Urn>,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
    },
    /// The plan is made, and in an `up` or `destroy` approved.
    Planned {
        /// What it comes to.
        summary: Summary,
    },
    /// A step's dependencies are done and it begins.
    StepStarted {
        /// The resource.
        urn: Urn,
        /// What is done.
        op: StepOp,
    },
    /// A step waits for the cloud.
    StepWaiting {
        /// The resource.
        urn: Urn,
        /// What is done.
        op: StepOp,
        /// For what it waits.
        message: String,
        /// How long the step has taken so far, in milliseconds.
        elapsed_ms: u64,
        /// How long such a step usually takes in this stack, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        usual_ms: Option<u64>,
    },
    /// A step is done and recorded.
    StepDone {
        /// The resource.
        urn: Urn,
        /// What was done.
        op: StepOp,
        /// The cloud's id of the object.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
    },
    /// A step failed.
    StepFailed {
        /// The resource.
        urn: Urn,
        /// What was tried.
        op: StepOp,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
        /// Why.
        error: EventError,
    },
    /// A step was not begun, since another that it needs failed or the run was stopped.
    StepSkipped {
        /// The resource.
        urn: Urn,
        /// What was to be done.
        op: StepOp,
        /// Which resource's failure it is due to; none if the run was stopped.
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<Urn>,
    },
    /// A [check](phx_model::Check) begins. Everything that the operation did is recorded by now.
    CheckStarted {
        /// Its name, with the component path.
        check: String,
        /// What kind of check it is: `http`, `tls`, ….
        kind: &'static str,
        /// The resources that it is about.
        urns: Vec<Urn>,
    },
    /// A check is true.
    CheckPassed {
        /// Its name.
        check: String,
        /// What kind of check it is.
        kind: &'static str,
        /// The resources that it is about.
        urns: Vec<Urn>,
        /// What was found.
        found: String,
        /// How often it was tried.
        attempts: u32,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
    },
    /// A check is not true, and was not until its time was over.
    CheckFailed {
        /// Its name.
        check: String,
        /// What kind of check it is.
        kind: &'static str,
        /// The resources that it is about.
        urns: Vec<Urn>,
        /// What has to be true.
        expected: String,
        /// What was found in its place, the last time that it was tried.
        found: String,
        /// What the reader can do.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// How often it was tried.
        attempts: u32,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
    },
    /// The operation is over; the last event.
    OperationDone {
        /// How it ended.
        result: RunResult,
        /// What was done (not what was planned).
        summary: Summary,
        /// How long the operation took, in milliseconds.
        elapsed_ms: u64,
        /// How near its steps came to the fastest way in which they could have been done; none if it had none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pace: Option<Pace>,
        /// Why, if it failed before or outside its steps.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<EventError>,
        /// What the checks came to; none if there were none. They are no part of the result: what was to be done is done and recorded as such,
        /// whatever they say of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        checks: Option<Verified>,
        /// What the stack exports now. Secrets are redacted when this is serialised.
        #[serde(serialize_with = "redacted")]
        outputs: ValueMap,
    },
}

fn redacted<S: serde::Serializer>(outputs: &ValueMap, s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(outputs.iter().map(|(k, v)| (k, v.to_redacted_json())))
}
