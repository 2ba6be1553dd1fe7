//! The examples of `cloudcontrol` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:cloudcontrol:Resource", resource_example::program),
];

mod resource_example {
    use phx::aws::Arn;
    use phx::aws::cloudcontrol::Resource;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let resource = stack.add(
            "main",
            Resource::new("main", Json::parse(r#"{}"#)?)
                .role_arn(Arn::new("arn:aws:iam::123456789012:role/example"))
                .type_version_id("main"),
        )?;
        stack.export("arn", resource.arn())?;
        Ok(())
    }
}
