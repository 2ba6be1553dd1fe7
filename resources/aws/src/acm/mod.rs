//! AWS Certificate Manager.
//!
//! A certificate is asked for, then the records that prove the domain must be published, then it is issued. So it takes three resources: a
//! [`Certificate`], whose outputs are the records; the records themselves (`aws:route53:Record`); and a [`CertificateValidation`], which is there
//! once the certificate is issued. What uses the certificate takes the validation's `arn`.

pub mod certificate;
pub mod certificate_validation;

pub use certificate::{Certificate, CertificateOptions, DomainValidationOption};
pub use certificate_validation::CertificateValidation;

use aws_sdk_acm::types::CertificateDetail;
use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::manage;

/// Certificate Manager in one place.
pub type Acm = Service<aws_sdk_acm::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Certificate>(registry, aws);
    manage::register::<CertificateValidation>(registry, aws);
}

/// What ACM knows of a certificate; `None` if it is not there.
async fn get(acm: &Acm, arn: &str) -> Result<Option<CertificateDetail>, CloudError> {
    let request = acm.describe_certificate().certificate_arn(arn);
    match acm.read("DescribeCertificate", || request.clone().send()).await {
        Ok(answer) => Ok(answer.certificate),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn status(certificate: &CertificateDetail) -> &str {
    certificate.status().map(|s| s.as_str()).unwrap_or_default()
}
