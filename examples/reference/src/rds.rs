//! The examples of `rds` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:rds:DbCluster", db_cluster_example::program),
    ("aws:rds:DbClusterParameterGroup", db_cluster_parameter_group_example::program),
    ("aws:rds:DbInstance", db_instance_example::program),
    ("aws:rds:DbParameterGroup", db_parameter_group_example::program),
    ("aws:rds:DbProxy", db_proxy_example::program),
    ("aws:rds:DbSnapshot", db_snapshot_example::program),
    ("aws:rds:DbSubnetGroup", db_subnet_group_example::program),
    ("aws:rds:EventSubscription", event_subscription_example::program),
    ("aws:rds:OptionGroup", option_group_example::program),
];

mod db_cluster_example {
    use std::collections::BTreeMap;

    use phx::aws::rds::{DbCluster, TagSpecification};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let db_cluster = stack.add(
            "main",
            DbCluster::new("main", "aurora-postgresql")
                .engine_version("16.4")
                .engine_mode("provisioned")
                .tag_specifications([TagSpecification::new("auto-backup", BTreeMap::from([("key".to_owned(), "main".to_owned())]))])
                .tag("Name", "main"),
        )?;
        stack.export("arn", db_cluster.arn())?;
        Ok(())
    }
}

mod db_cluster_parameter_group_example {
    use phx::aws::rds::{DbClusterParameterGroup, Parameter};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let db_cluster_parameter_group = stack.add(
            "main",
            DbClusterParameterGroup::new("main", "aurora-postgresql16", "An example")
                .parameters([Parameter::new("max_connections", "main")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", db_cluster_parameter_group.arn())?;
        Ok(())
    }
}

mod db_instance_example {
    use phx::aws::rds::{AdditionalStorageVolume, DbInstance};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let db_instance = stack.add(
            "main",
            DbInstance::new("main", "db.t4g.micro")
                .engine("postgres")
                .engine_version("16.4")
                .additional_storage_volumes([AdditionalStorageVolume::new("rdsdbdata2")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", db_instance.arn())?;
        Ok(())
    }
}

mod db_parameter_group_example {
    use phx::aws::rds::{DbParameterGroup, Parameter};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let db_parameter_group = stack.add(
            "main",
            DbParameterGroup::new("main", "postgres16", "An example")
                .parameters([Parameter::new("max_connections", "main")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", db_parameter_group.arn())?;
        Ok(())
    }
}

mod db_proxy_example {
    use phx::aws::Arn;
    use phx::aws::ids::{SecurityGroupId, SubnetId};
    use phx::aws::rds::{DbProxy, ProxyAuth};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let db_proxy = stack.add(
            "main",
            DbProxy::new(
                "main",
                "MYSQL",
                Arn::new("arn:aws:iam::123456789012:role/example"),
                [SubnetId::new("subnet-0a1b2c3d")],
            )
                .vpc_security_group_ids([SecurityGroupId::new("sg-0a1b2c3d")])
                .default_auth_scheme("NONE")
                .auth([ProxyAuth::new().auth_scheme("SECRETS")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", db_proxy.arn())?;
        Ok(())
    }
}

mod db_snapshot_example {
    use phx::aws::ids::DbInstanceId;
    use phx::aws::rds::DbSnapshot;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let db_snapshot = stack.add(
            "main",
            DbSnapshot::new("main", DbInstanceId::new("main"))
                .tag("Name", "main"),
        )?;
        stack.export("arn", db_snapshot.arn())?;
        Ok(())
    }
}

mod db_subnet_group_example {
    use phx::aws::ids::SubnetId;
    use phx::aws::rds::DbSubnetGroup;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let db_subnet_group = stack.add(
            "main",
            DbSubnetGroup::new("main", "An example", [SubnetId::new("subnet-0a1b2c3d")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", db_subnet_group.arn())?;
        Ok(())
    }
}

mod event_subscription_example {
    use phx::aws::Arn;
    use phx::aws::rds::EventSubscription;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let event_subscription = stack.add(
            "main",
            EventSubscription::new("main", Arn::new("arn:aws:sns:us-west-2:123456789012:example"))
                .source_type("db-instance")
                .event_categories(["availability"])
                .source_ids(["main"])
                .tag("Name", "main"),
        )?;
        stack.export("arn", event_subscription.arn())?;
        Ok(())
    }
}

mod option_group_example {
    use phx::aws::rds::OptionGroup;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let option_group = stack.add(
            "main",
            OptionGroup::new("main", "mysql", "8.0", "An example")
                .apply_immediately(true)
                .tag("Name", "main"),
        )?;
        stack.export("arn", option_group.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::rds::{AdditionalStorageVolume, ClusterRole, ConnectionPool, CustomClusterConfiguration, OptionSetting, Parameter, ProcessorFeature, ProxyAuth, RdsOption, ServerlessV1Scaling, ServerlessV2Scaling, TagSpecification};
}
