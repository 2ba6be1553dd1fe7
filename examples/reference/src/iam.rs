//! The examples of `iam` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:iam:Group", group_example::program),
    ("aws:iam:InstanceProfile", instance_profile_example::program),
    ("aws:iam:OidcProvider", oidc_provider_example::program),
    ("aws:iam:Policy", policy_example::program),
    ("aws:iam:Role", role_example::program),
    ("aws:iam:RolePolicy", role_policy_example::program),
    ("aws:iam:RolePolicyAttachment", role_policy_attachment_example::program),
    ("aws:iam:ServiceLinkedRole", service_linked_role_example::program),
    ("aws:iam:User", user_example::program),
];

mod group_example {
    use phx::aws::Arn;
    use phx::aws::iam::{Group, InlinePolicy};
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let group = stack.add(
            "main",
            Group::new("main")
                .path("main")
                .managed_policy_arns([Arn::new("arn:aws:iam::aws:policy/ReadOnlyAccess")])
                .policies([InlinePolicy::new("main", Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?)]),
        )?;
        stack.export("arn", group.arn())?;
        Ok(())
    }
}

mod instance_profile_example {
    use phx::aws::iam::InstanceProfile;
    use phx::aws::ids::RoleName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let instance_profile = stack.add(
            "main",
            InstanceProfile::new("main")
                .path("main")
                .role_name(RoleName::new("main"))
                .tag("Name", "main"),
        )?;
        stack.export("arn", instance_profile.arn())?;
        Ok(())
    }
}

mod oidc_provider_example {
    use phx::aws::iam::OidcProvider;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let oidc_provider = stack.add(
            "main",
            OidcProvider::new("https://example.com")
                .client_id_list(["sts.amazonaws.com"])
                .thumbprint_list(["main"])
                .tag("Name", "main"),
        )?;
        stack.export("arn", oidc_provider.arn())?;
        Ok(())
    }
}

mod policy_example {
    use phx::aws::iam::Policy;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let policy = stack.add(
            "main",
            Policy::new(
                "main",
                Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?,
            )
                .path("main")
                .description("An example")
                .tag("Name", "main"),
        )?;
        stack.export("arn", policy.arn())?;
        Ok(())
    }
}

mod role_example {
    use phx::aws::iam::Role;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let role = stack.add(
            "main",
            Role::new(
                "main",
                Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#)?,
            )
                .path("main")
                .description("An example")
                .max_session_duration(3600)
                .tag("Name", "main"),
        )?;
        stack.export("arn", role.arn())?;
        Ok(())
    }
}

mod role_policy_example {
    use phx::aws::iam::RolePolicy;
    use phx::aws::ids::RoleName;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let role_policy = stack.add(
            "main",
            RolePolicy::new(
                RoleName::new("main"),
                "main",
                Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?,
            ),
        )?;
        stack.export("id", role_policy.id())?;
        Ok(())
    }
}

mod role_policy_attachment_example {
    use phx::aws::Arn;
    use phx::aws::iam::RolePolicyAttachment;
    use phx::aws::ids::RoleName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let role_policy_attachment = stack.add(
            "main",
            RolePolicyAttachment::new(RoleName::new("main"), Arn::new("arn:aws:iam::aws:policy/ReadOnlyAccess")),
        )?;
        stack.export("id", role_policy_attachment.id())?;
        Ok(())
    }
}

mod service_linked_role_example {
    use phx::aws::iam::ServiceLinkedRole;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let service_linked_role = stack.add(
            "main",
            ServiceLinkedRole::new("autoscaling.amazonaws.com")
                .custom_suffix("main")
                .description("An example")
                .tag("Name", "main"),
        )?;
        stack.export("arn", service_linked_role.arn())?;
        Ok(())
    }
}

mod user_example {
    use phx::aws::Arn;
    use phx::aws::iam::{InlinePolicy, User};
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let user = stack.add(
            "main",
            User::new("main")
                .path("main")
                .permissions_boundary(Arn::new("arn:aws:iam::aws:policy/ReadOnlyAccess"))
                .policies([InlinePolicy::new("main", Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?)])
                .tag("Name", "main"),
        )?;
        stack.export("arn", user.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::iam::{InlinePolicy};
}
