//! Resource types against answers in the form of the services' API models: for what no emulator serves, for what an emulator is too kind
//! in, and for the number of calls that a read takes.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

#[path = "../kit/mod.rs"]
mod kit;

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
#[cfg(feature = "iam")]
mod iam;
#[cfg(feature = "kms")]
mod kms;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "secretsmanager")]
mod secretsmanager;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
#[cfg(feature = "ssm")]
mod ssm;
#[cfg(feature = "rds")]
mod rds;
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
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "guardduty")]
mod guardduty;
#[cfg(feature = "securityhub")]
mod securityhub;
#[cfg(feature = "wafv2")]
mod wafv2;
#[cfg(feature = "acm")]
mod acm;
#[cfg(feature = "autoscaling")]
mod autoscaling;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
#[cfg(feature = "elbv2")]
mod elbv2;
#[cfg(feature = "events")]
mod events;
#[cfg(feature = "logs")]
mod logs;
#[cfg(feature = "route53")]
mod route53;
