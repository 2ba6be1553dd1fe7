//! The examples of `wafv2` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:wafv2:WebAcl", web_acl_example::program),
];

mod web_acl_example {
    use std::collections::BTreeMap;

    use phx::aws::wafv2::{Action, CustomResponseBody, VisibilityConfig, WebAcl};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let web_acl = stack.add(
            "main",
            WebAcl::new("main", "REGIONAL", Action::new("Allow"), VisibilityConfig::new(true, true, "main"))
                .description("An example")
                .custom_response_bodies(BTreeMap::from([("key".to_owned(), CustomResponseBody::new("TEXT_PLAIN", "main"))]))
                .token_domains(["main"])
                .tag("Name", "main"),
        )?;
        stack.export("arn", web_acl.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::wafv2::{Action, ApplicationAttribute, ApplicationConfig, AssociationConfig, CustomHttpHeader, CustomRequestHandling, CustomResponse, CustomResponseBody, DataProtection, DataProtectionConfig, FieldToProtect, ImmunityConfig, ImmunityTimeProperty, Label, OnSourceDDoSProtectionConfig, RequestBodyConfig, Rule, VisibilityConfig};
}
