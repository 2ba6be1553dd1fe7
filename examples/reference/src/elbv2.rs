//! The examples of `elbv2` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:elbv2:Listener", listener_example::program),
    ("aws:elbv2:LoadBalancer", load_balancer_example::program),
    ("aws:elbv2:TargetGroup", target_group_example::program),
];

mod listener_example {
    use phx::aws::Arn;
    use phx::aws::elbv2::{Action, Listener, MutualAuthentication};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let listener = stack.add(
            "main",
            Listener::new(
                Arn::new("arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/example/50dc6c495c0c9188"),
                [Action::new("forward")],
            )
                .protocol("HTTP")
                .port(1)
                .mutual_authentication(MutualAuthentication::new("off"))
                .tag("Name", "main"),
        )?;
        stack.export("arn", listener.arn())?;
        Ok(())
    }
}

mod load_balancer_example {
    use phx::aws::elbv2::{LoadBalancer, SubnetMapping};
    use phx::aws::ids::SubnetId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let load_balancer = stack.add(
            "main",
            LoadBalancer::new("main")
                .r#type("application")
                .scheme("internet-facing")
                .subnet_mappings([SubnetMapping::new(SubnetId::new("subnet-0a1b2c3d"))])
                .tag("Name", "main"),
        )?;
        stack.export("arn", load_balancer.arn())?;
        Ok(())
    }
}

mod target_group_example {
    use phx::aws::elbv2::{Matcher, TargetGroup};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let target_group = stack.add(
            "main",
            TargetGroup::new("main")
                .protocol("HTTP")
                .protocol_version("HTTP1")
                .matcher(Matcher::new().http_code("200"))
                .tag("Name", "main"),
        )?;
        stack.export("arn", target_group.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::elbv2::{Action, AuthenticateCognitoConfig, AuthenticateOidcConfig, FixedResponseConfig, ForwardConfig, IpamPools, JwtAdditionalClaim, JwtValidationConfig, Matcher, MinimumLoadBalancerCapacity, MutualAuthentication, RedirectConfig, SubnetMapping, TargetGroupStickinessConfig, TargetGroupTuple};
}
