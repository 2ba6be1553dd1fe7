//! The examples of `eks` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:eks:AccessEntry", access_entry_example::program),
    ("aws:eks:AccessPolicyAssociation", access_policy_association_example::program),
    ("aws:eks:Addon", addon_example::program),
    ("aws:eks:Cluster", cluster_example::program),
    ("aws:eks:FargateProfile", fargate_profile_example::program),
    ("aws:eks:IdentityProviderConfig", identity_provider_config_example::program),
    ("aws:eks:NodeGroup", node_group_example::program),
    ("aws:eks:PodIdentityAssociation", pod_identity_association_example::program),
];

mod access_entry_example {
    use phx::aws::Arn;
    use phx::aws::eks::AccessEntry;
    use phx::aws::ids::EksClusterName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let access_entry = stack.add(
            "main",
            AccessEntry::new(EksClusterName::new("main"), Arn::new("arn:aws:iam::123456789012:role/example"))
                .kubernetes_groups(["main"])
                .username("main")
                .r#type("STANDARD")
                .tag("Name", "main"),
        )?;
        stack.export("arn", access_entry.arn())?;
        Ok(())
    }
}

mod access_policy_association_example {
    use phx::aws::Arn;
    use phx::aws::eks::{AccessPolicyAssociation, AccessScope};
    use phx::aws::ids::EksClusterName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let access_policy_association = stack.add(
            "main",
            AccessPolicyAssociation::new(
                EksClusterName::new("main"),
                Arn::new("arn:aws:iam::123456789012:role/example"),
                Arn::new("arn:aws:iam::aws:policy/ReadOnlyAccess"),
                AccessScope::new("cluster"),
            ),
        )?;
        stack.export("id", access_policy_association.id())?;
        Ok(())
    }
}

mod addon_example {
    use phx::aws::Arn;
    use phx::aws::eks::{Addon, AddonPodIdentityAssociation};
    use phx::aws::ids::EksClusterName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let addon = stack.add(
            "main",
            Addon::new(EksClusterName::new("main"), "vpc-cni")
                .addon_version("v1.19.0-eksbuild.1")
                .service_account_role_arn(Arn::new("arn:aws:iam::123456789012:role/example"))
                .pod_identity_associations([AddonPodIdentityAssociation::new("main", Arn::new("arn:aws:iam::123456789012:role/example"))])
                .tag("Name", "main"),
        )?;
        stack.export("arn", addon.arn())?;
        Ok(())
    }
}

mod cluster_example {
    use phx::aws::Arn;
    use phx::aws::eks::{Cluster, Logging, VpcConfig};
    use phx::aws::ids::SubnetId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let cluster = stack.add(
            "main",
            Cluster::new(
                "main",
                Arn::new("arn:aws:iam::123456789012:role/example"),
                VpcConfig::new([SubnetId::new("subnet-0a1b2c3d")]),
            )
                .version("1.33")
                .force(true)
                .logging(Logging::new(["api"]))
                .tag("Name", "main"),
        )?;
        stack.export("arn", cluster.arn())?;
        Ok(())
    }
}

mod fargate_profile_example {
    use phx::aws::Arn;
    use phx::aws::eks::{FargateProfile, FargateSelector};
    use phx::aws::ids::{EksClusterName, SubnetId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let fargate_profile = stack.add(
            "main",
            FargateProfile::new(
                EksClusterName::new("main"),
                "main",
                Arn::new("arn:aws:iam::123456789012:role/example"),
                [FargateSelector::new("main")],
            )
                .subnets([SubnetId::new("subnet-0a1b2c3d")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", fargate_profile.arn())?;
        Ok(())
    }
}

mod identity_provider_config_example {
    use phx::aws::eks::{IdentityProviderConfig, OidcConfig};
    use phx::aws::ids::EksClusterName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let identity_provider_config = stack.add(
            "main",
            IdentityProviderConfig::new(
                EksClusterName::new("main"),
                OidcConfig::new("main", "https://example.com", "main"),
            )
                .tag("Name", "main"),
        )?;
        stack.export("id", identity_provider_config.id())?;
        Ok(())
    }
}

mod node_group_example {
    use phx::aws::Arn;
    use phx::aws::eks::{NodeGroup, ScalingConfig};
    use phx::aws::ids::{EksClusterName, SubnetId};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let node_group = stack.add(
            "main",
            NodeGroup::new(
                EksClusterName::new("main"),
                "main",
                Arn::new("arn:aws:iam::123456789012:role/example"),
                [SubnetId::new("subnet-0a1b2c3d")],
            )
                .scaling_config(ScalingConfig::new().min_size(1))
                .disk_size(20)
                .instance_types(["t3.medium"])
                .tag("Name", "main"),
        )?;
        stack.export("arn", node_group.arn())?;
        Ok(())
    }
}

mod pod_identity_association_example {
    use phx::aws::Arn;
    use phx::aws::eks::PodIdentityAssociation;
    use phx::aws::ids::EksClusterName;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let pod_identity_association = stack.add(
            "main",
            PodIdentityAssociation::new(
                EksClusterName::new("main"),
                "main",
                "main",
                Arn::new("arn:aws:iam::123456789012:role/example"),
            )
                .disable_session_tags(true)
                .target_role_arn(Arn::new("arn:aws:iam::123456789012:role/example"))
                .policy(Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?)
                .tag("Name", "main"),
        )?;
        stack.export("id", pod_identity_association.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::eks::{AccessConfig, AccessScope, AddonNamespaceConfig, AddonPodIdentityAssociation, BlockStorage, ComputeConfig, ControlPlanePlacement, ControlPlaneScalingConfig, CrdManagement, ElasticLoadBalancing, EncryptionConfig, EncryptionProvider, EtcdPlacement, FargateSelector, GatewayApi, HorizontalPodAutoscalerController, KubeApiServerConfig, KubeControllerManagerConfig, KubeSchedulerConfig, KubernetesNetworkConfig, Logging, NodeLaunchTemplate, NodeRepairConfig, NodeRepairOverride, NodeResourcesFit, NodeUpdateConfig, OidcConfig, OutpostConfig, PodGcController, RemoteAccess, RemoteNetwork, RemoteNetworkConfig, ResourceWeight, ScalingConfig, ScoringStrategy, ServiceNodePortRange, StorageConfig, Taint, UpgradePolicy, VpcConfig, WarmPoolConfig, ZonalShiftConfig};
}
