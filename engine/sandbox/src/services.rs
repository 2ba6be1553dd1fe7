//! The services beside EC2, IAM, Logs, S3 and STS, by the names that requests are signed for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backup::Backup;
use super::budgets::Budgets;
use super::ce::CostExplorer;
use super::cloudtrail::CloudTrail;
use super::cloudwatch::CloudWatch;
use super::config::Config;
use super::ec2::Ec2;
use super::eks::Eks;
use super::events::Events;
use super::guardduty::GuardDuty;
use super::kms::Kms;
use super::near::{Joined, Network};
use super::rds::{self, Rds};
use super::route53::Route53;
use super::s3control::S3Control;
use super::secretsmanager::SecretsManager;
use super::securityhub::SecurityHub;
use super::service::{Own, Service};
use super::sns::Sns;
use super::sqs::Sqs;
use super::ssm::Ssm;

/// Every service by its signing name. A service that looks into another gets a handle to it.
pub(super) fn all(ec2: &Arc<Ec2>) -> BTreeMap<&'static str, Arc<dyn Service>> {
    let (kms, secrets) = (Arc::new(Own::<Kms>::default()), Arc::new(Own::<SecretsManager>::default()));
    let network = || Network(Arc::clone(ec2));
    let seen = rds::Others { network: network(), secrets: Arc::clone(&secrets), kms: Arc::clone(&kms) };
    BTreeMap::from([
        ("backup", Arc::new(Own::<Backup>::default()) as Arc<dyn Service>),
        ("budgets", Arc::new(Own::<Budgets>::default())),
        ("ce", Arc::new(Own::<CostExplorer>::default())),
        ("cloudtrail", Arc::new(Own::<CloudTrail>::default())),
        ("config", Arc::new(Own::<Config>::default())),
        ("eks", Arc::new(Joined::<Eks>::new(network()))),
        ("events", Arc::new(Own::<Events>::default())),
        ("guardduty", Arc::new(Own::<GuardDuty>::default())),
        ("kms", kms),
        ("monitoring", Arc::new(Own::<CloudWatch>::default())),
        ("rds", Arc::new(Joined::<Rds>::new(seen))),
        ("route53", Arc::new(Own::<Route53>::default())),
        ("s3control", Arc::new(Own::<S3Control>::default())),
        ("secretsmanager", secrets),
        ("securityhub", Arc::new(Own::<SecurityHub>::default())),
        ("sns", Arc::new(Own::<Sns>::default())),
        ("sqs", Arc::new(Own::<Sqs>::default())),
        ("ssm", Arc::new(Own::<Ssm>::default())),
    ])
}
