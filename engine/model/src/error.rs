//! What a cloud said when it refused, or that it said nothing.

use serde::{Deserialize, Serialize};

/// A call to a cloud that failed, with everything that is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloudError {
    /// What it means for whoever called.
    pub kind: ErrorKind,
    /// The cloud's own words, or what happened to the connection.
    pub message: String,
    /// The service: `ec2`. Empty if the failure came before any call.
    pub service: String,
    /// The operation: `CreateVpc`.
    pub operation: String,
    /// The cloud's error code: `VpcLimitExceeded`.
    pub code: Option<String>,
    /// The cloud's id of the request, for its support.
    pub request_id: Option<String>,
    /// What the reader can do about it.
    pub hint: Option<String>,
}

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The object is not there.
    NotFound,
    /// An object of this name is there already.
    AlreadyExists,
    /// Something else still needs the object.
    InUse,
    /// Too many calls; the call had no effect.
    Throttled,
    /// The caller may not do this, or is not known.
    Denied,
    /// The cloud does not accept what was asked.
    Invalid,
    /// Whether the call had an effect is not known: it was sent, and no answer arrived.
    Ambiguous,
    /// The call was not sent: nothing answers at the address.
    Unreachable,
    /// The endpoint does not implement the operation (an emulator).
    Unsupported,
    /// An operation took longer than its timeout.
    TimedOut,
    /// Anything else that the cloud refused; the call had no effect.
    Other,
}

impl CloudError {
    /// An error that phx found without the cloud.
    pub fn local(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            service: String::new(),
            operation: String::new(),
            code: None,
            request_id: None,
            hint: None,
        }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the call may have had an effect all the same.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.kind, ErrorKind::Ambiguous | ErrorKind::TimedOut)
    }
}

impl std::fmt::Display for CloudError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.operation.is_empty() {
            write!(f, "{}:{}: ", self.service, self.operation)?;
        }
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CloudError {}
