//! ECR: images of containers.

pub mod repository;

pub use repository::{EncryptionConfiguration, ImageScanningConfiguration, Repository, TagMutabilityExclusion};

pub use crate::ids::RepositoryName;

use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::manage;

/// ECR in one place.
pub type Ecr = Service<aws_sdk_ecr::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Repository>(registry, aws);
}

/// ECR names what is not there, is there already or holds something in its codes: what they mean to phx.
pub(crate) fn understood(error: CloudError) -> CloudError {
    let kind = match error.code.as_deref() {
        Some(
            "RepositoryNotFoundException" | "RepositoryPolicyNotFoundException" | "LifecyclePolicyNotFoundException",
        ) => ErrorKind::NotFound,
        Some("RepositoryAlreadyExistsException") => ErrorKind::AlreadyExists,
        Some("RepositoryNotEmptyException") => ErrorKind::InUse,
        _ => error.kind,
    };
    CloudError { kind, ..error }
}
