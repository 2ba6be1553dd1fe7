//! The examples of `kms` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:kms:Alias", alias_example::program),
    ("aws:kms:Key", key_example::program),
];

mod alias_example {
    use phx::aws::ids::KeyId;
    use phx::aws::kms::Alias;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let alias = stack.add(
            "main",
            Alias::new("main", KeyId::new("main")),
        )?;
        stack.export("arn", alias.arn())?;
        Ok(())
    }
}

mod key_example {
    use phx::aws::kms::Key;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let key = stack.add(
            "main",
            Key::new()
                .description("An example")
                .policy(Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?)
                .bypass_policy_lockout_safety_check(true)
                .tag("Name", "main"),
        )?;
        stack.export("id", key.id())?;
        Ok(())
    }
}
