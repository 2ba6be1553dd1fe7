//! How a run ends: the exit codes that scripts rely on, and errors as people read them.

use std::fmt::Write;
use std::process::ExitCode;

use phx_engine::EngineError;
use phx_model::store::StoreError;

use crate::render::style::{CHANGE, ERROR, clean, paint};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// An error.
    Error,
    /// Changes were found, and the caller asked to be told so.
    Changes,
    /// Someone else has the stack's lease.
    Leased,
    /// The saved plan was made from another program or state.
    Stale,
    /// The command line is wrong.
    Usage,
    /// Stopped from outside; what was in flight is settled and recorded.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0u8,
            Exit::Error => 1,
            Exit::Changes => 2,
            Exit::Leased => 3,
            Exit::Stale => 5,
            Exit::Usage => 64,
            Exit::Interrupted => 130,
        })
    }
}

/// A command line that cannot be meant so, found after it was parsed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Which exit code an error has: that of the first error in its chain that has one of its own.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        let store = cause.downcast_ref::<StoreError>();
        let engine = cause.downcast_ref::<EngineError>();
        match (engine, store) {
            (Some(EngineError::Store(StoreError::Leased(_))), _) | (_, Some(StoreError::Leased(_))) => {
                return Exit::Leased;
            }
            (Some(EngineError::Interrupted), _) => return Exit::Interrupted,
            (Some(EngineError::Stale(_)), _) => return Exit::Stale,
            _ => {}
        }
        if cause.is::<Usage>() || matches!(cause.downcast_ref(), Some(crate::project::ProjectError::NoStack { .. })) {
            return Exit::Usage;
        }
    }
    Exit::Error
}

/// An error with its causes, one under the other. What a cause says that was said already is not said again; hints come last.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut said = String::new();
    let mut hints: Vec<String> = Vec::new();
    for cause in error.chain() {
        let whole = cause.to_string();
        let (message, hint) = match whole.split_once("\n  hint: ") {
            Some((message, hint)) => (message, Some(hint)),
            None => (whole.as_str(), None),
        };
        if !said.contains(message) {
            let message = clean(message);
            if said.is_empty() {
                let _ = write!(said, "{} {message}", paint(ERROR, "error:"));
            } else {
                let _ = write!(said, "\n  because {}", message.replace('\n', "\n  "));
            }
        }
        hints.extend(hint.map(|h| clean(h).into_owned()).filter(|h| !hints.contains(h)));
    }
    for hint in hints {
        let _ = write!(said, "\n  {} {hint}", paint(CHANGE, "hint:"));
    }
    said.push('\n');
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};
    use jiff::Timestamp;
    use phx_model::error::{CloudError, ErrorKind};
    use phx_model::state::OperationId;
    use phx_model::store::{Holder, Lease};

    fn plain(error: &anyhow::Error) -> String {
        anstream::adapter::strip_str(&describe(error)).to_string()
    }

    fn leased() -> StoreError {
        StoreError::Leased(Box::new(Lease {
            holder: Holder { who: "ada@lab".into(), pid: 7, kind: "up".into(), operation: OperationId("o".into()) },
            generation: 4,
            acquired: Timestamp::UNIX_EPOCH,
            expires: None,
        }))
    }

    #[test]
    fn a_chain_is_told_from_the_outside_in() {
        let denied = CloudError {
            code: Some("InvalidClientTokenId".into()),
            service: "sts".into(),
            operation: "GetCallerIdentity".into(),
            ..CloudError::local(ErrorKind::Denied, "The security token\x1b[2J is invalid.")
        }
        .hint("check AWS_PROFILE");
        let error = anyhow!(denied).context("asking AWS whose credentials these are").context("stack dev");
        insta::assert_snapshot!(plain(&error), @r"
        error: stack dev
          because asking AWS whose credentials these are
          because sts:GetCallerIdentity: InvalidClientTokenId: The security token\u{1b}[2J is invalid.
          hint: check AWS_PROFILE
        ");
        insta::assert_snapshot!(plain(&anyhow!(EngineError::Store(leased()))), @r"
        error: the stack is leased by ada@lab (process 7, up, since 1970-01-01T00:00:00Z)
          hint: wait for it to end, or look at `phx lock status`
        ");
    }

    #[test]
    fn errors_have_the_contracts_exit_codes() {
        let exit = |e: anyhow::Error| exit_of(&e);
        assert_eq!(exit(anyhow!(EngineError::Store(leased()))), Exit::Leased);
        assert_eq!(exit(Err::<(), _>(leased()).context("while listing").unwrap_err()), Exit::Leased);
        assert_eq!(exit(anyhow!(EngineError::Interrupted)), Exit::Interrupted);
        assert_eq!(exit(anyhow!(EngineError::Stale(vec!["x".into()])).context("p.plan")), Exit::Stale);
        assert_eq!(exit(anyhow!(Usage("no".into())).context("x")), Exit::Usage);
        assert_eq!(exit(anyhow!("anything")), Exit::Error);
        assert_eq!(exit(anyhow!(EngineError::Declined)), Exit::Error);
    }
}
