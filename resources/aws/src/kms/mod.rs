//! KMS: keys that encrypt and sign.
//!
//! KMS is eventually consistent: what was just made or changed is not known everywhere at once. Calls that name such an object are repeated for
//! a short while, as its documentation asks. <https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency>

pub mod alias;
pub mod key;

pub use alias::Alias;
pub use key::Key;

pub use crate::ids::{AliasName, KeyId};

use std::future::Future;
use std::time::Duration;

use phx_model::CloudError;
use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::{manage, wait};

/// KMS in one place.
pub type Kms = Service<aws_sdk_kms::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Alias>(registry, aws);
    manage::register::<Key>(registry, aws);
}

/// How long what was just made may be unknown somewhere, or another change to it be under way.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// Repeats a call for a short while when it fails because a new key is not known yet, or not as it was just changed.
async fn once_known<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, passing, call).await.map_err(plain)
}

/// The code with which other services say that they do not know an operation is KMS's word for one that a key is not made for.
fn plain(error: CloudError) -> CloudError {
    match error.code.as_deref() {
        Some(NOT_FOR_THIS_KEY) if error.kind == ErrorKind::Unsupported => {
            let said = format!("does not implement {}:{}: ", error.service, error.operation);
            let message = error.message.split_once(&said).map_or(error.message.as_str(), |(_, after)| after).to_owned();
            CloudError { kind: ErrorKind::Invalid, message, ..error }
        }
        _ => error,
    }
}

/// See [`plain`].
const NOT_FOR_THIS_KEY: &str = "UnsupportedOperationException";

fn passing(error: &CloudError) -> bool {
    match error.code.as_deref() {
        Some("DisabledException" | "ConflictException") => true,
        // Also said of a key that is going to be deleted, which does not pass.
        Some("KMSInvalidStateException") => !error.message.contains("pending deletion"),
        _ => error.kind == ErrorKind::NotFound,
    }
}
