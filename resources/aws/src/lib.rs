//! AWS for phx: resource types, and how AWS is called.
//!
//! A resource type is one file, `src/<service>/<resource>.rs`: the struct of its fields, its outputs, and its verbs
//! ([`Manage`]). [`ec2::vpc`] is the one to read first. To add a type, write its file and name it in the service's list of types;
//! nothing else has to be touched.
//!
//! | module | what lives there |
//! |---|---|
//! | [`client`] | [`Aws`]: credentials, region, endpoint, one HTTP client, the SDK's clients |
//! | [`call`] | calling: which failures are repeated, and what a failure means |
//! | `places` | the accounts and regions that a program works in, and the roles that are assumed there |
//! | [`pace`] | how fast a throttled action may be called |
//! | [`forms`] | forms in which values are compared and told |
//! | [`ids`] | the ids and names by which objects refer to each other |
//! | [`kinds`] | which type an ARN names, and by which id |
//! | [`lookup`] | what a program asks AWS while it is written down |
//! | [`manage`] | [`Manage`], the trait of a resource type, and its adapter to the engine's `Driver` |
//! | [`batch`] | reading many objects with few calls |
//! | [`documents`], [`cost_expression`] | JSON documents to which AWS adds; expressions that choose costs |
//! | [`wait`] | waiting until an object is ready |
//! | [`permissions`] | which IAM actions a type, a verb, a plan needs |
//! | [`policy`] | IAM policy documents, which many services take |
//! | [`tags`] | tags, and the intent tag among them |
//! | [`notify`] | a message to an SNS topic, which is no resource |
//! | [`orphans`] | what bears a stack's mark and is in no state |
//! | [`terraform`] | what becomes of the arguments of Terraform's `aws_*` |
//! | [`read_calls`] | how many calls reading a hundred objects takes |
//! | [`owner`] | whose an object is that already bears the wanted name |
//! | [`ec2`], [`iam`], [`logs`], [`s3`] … | the services, each a cargo feature |
//!
//! # How an open intent is settled
//!
//! Every type declares its [`Identity`](phx_model::schema::Identity). Types that AWS tags while creating them are marked with the
//! intent's id (`phx:intent`) and found by it; types with a name of the program's are found by the name.
//!
//! # Retries
//!
//! The SDK's own retries are switched off: it would repeat a create whose answer was lost, and so make two objects. See [`call`].
#![forbid(unsafe_code)]
// An error keeps everything that AWS said; every function that returns one has just waited for the network.
#![allow(clippy::result_large_err)]
// What is dead shows with every service in; with a few of them, what only the others use is no mistake of whoever builds a program.
#![cfg_attr(not(feature = "full"), allow(dead_code, unused_imports))]

pub mod arn;
pub mod batch;
pub mod call;
pub mod client;
pub mod cost_expression;
pub mod documents;
pub mod forms;
pub mod ids;
mod joint;
pub mod kinds;
pub mod lookup;
pub mod manage;
#[cfg(feature = "notify")]
pub mod notify;
#[cfg(feature = "iam")]
pub mod orphans;
pub mod owner;
pub mod pace;
pub mod permissions;
mod places;
pub mod policy;
pub mod read_calls;
pub mod tagged;
pub mod tags;
pub mod terraform;
pub mod wait;

#[cfg(feature = "acm")]
pub mod acm;
#[cfg(feature = "autoscaling")]
pub mod autoscaling;
#[cfg(feature = "backup")]
pub mod backup;
#[cfg(feature = "budgets")]
pub mod budgets;
#[cfg(feature = "ce")]
pub mod ce;
#[cfg(feature = "cloudcontrol")]
pub mod cloudcontrol;
#[cfg(feature = "cloudtrail")]
pub mod cloudtrail;
#[cfg(feature = "cloudwatch")]
pub mod cloudwatch;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "ec2")]
pub mod ec2;
#[cfg(feature = "ecr")]
pub mod ecr;
#[cfg(feature = "eks")]
pub mod eks;
#[cfg(feature = "elbv2")]
pub mod elbv2;
#[cfg(feature = "events")]
pub mod events;
#[cfg(feature = "guardduty")]
pub mod guardduty;
#[cfg(feature = "iam")]
pub mod iam;
#[cfg(feature = "kms")]
pub mod kms;
#[cfg(feature = "logs")]
pub mod logs;
#[cfg(feature = "rds")]
pub mod rds;
#[cfg(feature = "route53")]
pub mod route53;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "secretsmanager")]
pub mod secretsmanager;
#[cfg(feature = "securityhub")]
pub mod securityhub;
#[cfg(feature = "sns")]
pub mod sns;
#[cfg(feature = "sqs")]
pub mod sqs;
#[cfg(feature = "ssm")]
pub mod ssm;
#[cfg(feature = "wafv2")]
pub mod wafv2;

pub use arn::Arn;
pub use client::{Aws, Service};
pub use manage::Manage;

use phx_model::driver::Registry;
use phx_model::schema::Schema;

/// Adds every type of every enabled service.
pub fn register(registry: &mut Registry, aws: &Aws) {
    registry.add_places(std::sync::Arc::new(aws.clone()));
    #[cfg(feature = "acm")]
    acm::register(registry, aws);
    #[cfg(feature = "autoscaling")]
    autoscaling::register(registry, aws);
    #[cfg(feature = "backup")]
    backup::register(registry, aws);
    #[cfg(feature = "budgets")]
    budgets::register(registry, aws);
    #[cfg(feature = "ce")]
    ce::register(registry, aws);
    #[cfg(feature = "cloudcontrol")]
    cloudcontrol::register(registry, aws);
    #[cfg(feature = "cloudtrail")]
    cloudtrail::register(registry, aws);
    #[cfg(feature = "cloudwatch")]
    cloudwatch::register(registry, aws);
    #[cfg(feature = "config")]
    config::register(registry, aws);
    #[cfg(feature = "dynamodb")]
    dynamodb::register(registry, aws);
    #[cfg(feature = "ec2")]
    ec2::register(registry, aws);
    #[cfg(feature = "ecr")]
    ecr::register(registry, aws);
    #[cfg(feature = "eks")]
    eks::register(registry, aws);
    #[cfg(feature = "elbv2")]
    elbv2::register(registry, aws);
    #[cfg(feature = "events")]
    events::register(registry, aws);
    #[cfg(feature = "guardduty")]
    guardduty::register(registry, aws);
    #[cfg(feature = "iam")]
    iam::register(registry, aws);
    #[cfg(feature = "kms")]
    kms::register(registry, aws);
    #[cfg(feature = "logs")]
    logs::register(registry, aws);
    #[cfg(feature = "rds")]
    rds::register(registry, aws);
    #[cfg(feature = "route53")]
    route53::register(registry, aws);
    #[cfg(feature = "s3")]
    s3::register(registry, aws);
    #[cfg(feature = "secretsmanager")]
    secretsmanager::register(registry, aws);
    #[cfg(feature = "securityhub")]
    securityhub::register(registry, aws);
    #[cfg(feature = "sns")]
    sns::register(registry, aws);
    #[cfg(feature = "sqs")]
    sqs::register(registry, aws);
    #[cfg(feature = "ssm")]
    ssm::register(registry, aws);
    #[cfg(feature = "wafv2")]
    wafv2::register(registry, aws);
}

/// What every type is, by name. Needs no credentials, no region and no network.
pub fn schemas() -> Vec<&'static Schema> {
    let mut registry = Registry::new();
    // Nothing is read or connected to before the first call.
    register(&mut registry, &Aws::builder().build());
    registry.schemas().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_an_output_follows_are_fields_of_its_type() {
        for schema in super::schemas() {
            for (output, field) in schema.outputs.iter().flat_map(|o| o.follows.iter().map(move |f| (o.name, *f))) {
                assert!(schema.field(field).is_some(), "{}.{output} follows {field:?}", schema.type_name);
            }
        }
    }
}
