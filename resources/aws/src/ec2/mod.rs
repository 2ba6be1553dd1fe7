//! The types of this service.

use phx_model::driver::Registry;

use crate::Aws;

/// Adds the service's types.
pub fn register(_registry: &mut Registry, _aws: &Aws) {}
