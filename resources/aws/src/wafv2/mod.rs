//! AWS WAF.

mod form;
pub mod web_acl;
pub mod web_acl_blocks;
mod wire;

pub use web_acl::WebAcl;
pub use web_acl_blocks::{
    Action, ApplicationAttribute, ApplicationConfig, AssociationConfig, CustomHttpHeader, CustomRequestHandling,
    CustomResponse, CustomResponseBody, DataProtection, DataProtectionConfig, FieldToProtect, ImmunityConfig,
    ImmunityTimeProperty, Label, OnSourceDDoSProtectionConfig, RequestBodyConfig, Rule, VisibilityConfig,
};

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// AWS WAF in one place.
pub type Waf = Service<aws_sdk_wafv2::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<WebAcl>(registry, aws);
}
