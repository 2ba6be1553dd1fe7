//! Resource types against answers in the form of the services' API models: for what no emulator serves, for what an emulator is too kind
//! in, and for the number of calls that a read takes.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

#[path = "../kit/mod.rs"]
mod kit;

#[cfg(feature = "acm")]
mod acm;
#[cfg(feature = "autoscaling")]
mod autoscaling;
#[cfg(feature = "backup")]
mod backup;
#[cfg(feature = "budgets")]
mod budgets;
#[cfg(feature = "ce")]
mod ce;
#[cfg(feature = "cloudcontrol")]
mod cloudcontrol;
#[cfg(feature = "cloudtrail")]
mod cloudtrail;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "ec2")]
mod ec2_a;
#[cfg(feature = "ec2")]
mod ec2_b;
#[cfg(feature = "ec2")]
mod ec2_b_instance;
#[cfg(feature = "ecr")]
mod ecr;
#[cfg(feature = "eks")]
mod eks;
#[cfg(feature = "elbv2")]
mod elbv2;
#[cfg(feature = "events")]
mod events;
#[cfg(feature = "guardduty")]
mod guardduty;
#[cfg(feature = "iam")]
mod iam;
#[cfg(feature = "kms")]
mod kms;
#[cfg(feature = "logs")]
mod logs;
#[cfg(feature = "full")]
mod lookups;
#[cfg(all(feature = "autoscaling", feature = "iam"))]
mod orphans;
#[cfg(feature = "logs")]
mod places;
#[cfg(feature = "rds")]
mod rds;
#[cfg(all(feature = "ec2", feature = "iam", feature = "logs"))]
mod read_budgets;
#[cfg(feature = "route53")]
mod route53;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "secretsmanager")]
mod secretsmanager;
#[cfg(feature = "securityhub")]
mod securityhub;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
#[cfg(feature = "ssm")]
mod ssm;
#[cfg(feature = "wafv2")]
mod wafv2;
