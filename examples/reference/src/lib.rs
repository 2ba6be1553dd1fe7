//! The examples in the reference (`phx schema --docs`), compiled and run: each declares its resource. Made by `engine/cli/src/docs/tests.rs`;
//! `PHX_BLESS=1 cargo test -p phx --features full docs` renews it.

use phx::prelude::*;

#[rustfmt::skip]
mod acm;
#[rustfmt::skip]
mod autoscaling;
#[rustfmt::skip]
mod backup;
#[rustfmt::skip]
mod budgets;
#[rustfmt::skip]
mod ce;
#[rustfmt::skip]
mod cloudcontrol;
#[rustfmt::skip]
mod cloudtrail;
#[rustfmt::skip]
mod cloudwatch;
#[rustfmt::skip]
mod config;
#[rustfmt::skip]
mod dynamodb;
#[rustfmt::skip]
mod ec2;
#[rustfmt::skip]
mod ecr;
#[rustfmt::skip]
mod eks;
#[rustfmt::skip]
mod elbv2;
#[rustfmt::skip]
mod events;
#[rustfmt::skip]
mod guardduty;
#[rustfmt::skip]
mod iam;
#[rustfmt::skip]
mod kms;
#[rustfmt::skip]
mod logs;
#[rustfmt::skip]
mod rds;
#[rustfmt::skip]
mod route53;
#[rustfmt::skip]
mod s3;
#[rustfmt::skip]
mod secretsmanager;
#[rustfmt::skip]
mod securityhub;
#[rustfmt::skip]
mod sns;
#[rustfmt::skip]
mod sqs;
#[rustfmt::skip]
mod ssm;
#[rustfmt::skip]
mod wafv2;
#[rustfmt::skip]
mod network;

/// A type, and the program on its page.
pub type Example = (&'static str, fn(&mut Stack) -> Result<()>);

/// All examples.
pub fn all() -> impl Iterator<Item = &'static Example> {
    [
        acm::ALL,
        autoscaling::ALL,
        backup::ALL,
        budgets::ALL,
        ce::ALL,
        cloudcontrol::ALL,
        cloudtrail::ALL,
        cloudwatch::ALL,
        config::ALL,
        dynamodb::ALL,
        ec2::ALL,
        ecr::ALL,
        eks::ALL,
        elbv2::ALL,
        events::ALL,
        guardduty::ALL,
        iam::ALL,
        kms::ALL,
        logs::ALL,
        rds::ALL,
        route53::ALL,
        s3::ALL,
        secretsmanager::ALL,
        securityhub::ALL,
        sns::ALL,
        sqs::ALL,
        ssm::ALL,
        wafv2::ALL,
    ]
    .into_iter()
    .flatten()
}

/// The network of the guide from Terraform.
pub fn network(stack: &mut Stack) -> Result<()> {
    network::program(stack)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)] // tests
mod tests {
    use phx::model::config::ConfigSource;
    use phx::model::urn::StackName;

    use super::*;

    fn stack(config: &str) -> Stack {
        let config = ConfigSource { file: "prod.toml".to_owned(), text: config.to_owned(), reserved: &["aws"] };
        let [project, name] = ["reference", "prod"].map(|name| StackName::new(name).unwrap());
        Stack::new(project, name, config, Default::default())
    }

    #[test]
    fn every_example_declares_its_resource() {
        assert_eq!(all().count(), phx::aws::schemas().len());
        for (name, program) in all() {
            let mut stack = stack("");
            program(&mut stack).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let declared = stack.finish().resources;
            assert_eq!(declared.iter().map(|d| d.schema.type_name).collect::<Vec<_>>(), [*name]);
        }
    }

    #[test]
    fn the_network_of_the_guide_can_be_declared() {
        let config = "environment = \"prod\"\nrange = \"10.30.0.0/16\"\nzones = [\"us-west-2a\", \"us-west-2b\"]\n";
        let mut stack = stack(config);
        network(&mut stack).unwrap();
        let program = stack.finish();
        // VPC, gateway, public table and route, log group, and eight of each zone.
        assert_eq!((program.resources.len(), program.exports.len()), (5 + 2 * 8, 1));
    }
}
