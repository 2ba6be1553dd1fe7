//! The examples of `backup` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:backup:Plan", plan_example::program),
    ("aws:backup:Selection", selection_example::program),
    ("aws:backup:Vault", vault_example::program),
];

mod plan_example {
    use phx::aws::backup::{AdvancedBackupSetting, Plan, Rule};
    use phx::aws::ids::BackupVaultName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let plan = stack.add(
            "main",
            Plan::new("main", [Rule::new("main", BackupVaultName::new("main"))])
                .advanced_backup_settings([AdvancedBackupSetting::new("EC2")])
                .tag("Name", "main"),
        )?;
        stack.export("id", plan.id())?;
        Ok(())
    }
}

mod selection_example {
    use phx::aws::Arn;
    use phx::aws::backup::{Condition, Selection};
    use phx::aws::ids::BackupPlanId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let selection = stack.add(
            "main",
            Selection::new(
                BackupPlanId::new("main"),
                "main",
                Arn::new("arn:aws:iam::123456789012:role/example"),
            )
                .resources(["main"])
                .not_resources(["main"])
                .list_of_tags([Condition::new("STRINGEQUALS", "main", "main")]),
        )?;
        stack.export("id", selection.id())?;
        Ok(())
    }
}

mod vault_example {
    use phx::aws::Arn;
    use phx::aws::backup::Vault;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let vault = stack.add(
            "main",
            Vault::new("main")
                .encryption_key_arn(Arn::new("arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"))
                .force_destroy(true)
                .tag("Name", "main"),
        )?;
        stack.export("arn", vault.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::backup::{AdvancedBackupSetting, Condition, ConditionParameter, Conditions, CopyAction, IndexAction, Lifecycle, Rule, ScanAction, ScanSetting};
}
