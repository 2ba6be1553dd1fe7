//! The examples of `ssm` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:ssm:Parameter", parameter_example::program),
];

mod parameter_example {
    use phx::aws::Arn;
    use phx::aws::ssm::Parameter;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let parameter = stack.add(
            "main",
            Parameter::new("/app/database/url", "String")
                .insecure_value("SecureString")
                .description("An example")
                .key_id(Arn::new("arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"))
                .tag("Name", "main"),
        )?;
        stack.export("arn", parameter.arn())?;
        Ok(())
    }
}
