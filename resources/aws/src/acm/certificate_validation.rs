//! [`CertificateValidation`].

use std::time::Duration;

use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::certificate::failed;
use super::{get, status};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{self, Stage, until};

/// For so long a certificate may not be known everywhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(15);

/// The issuing of a certificate: creating it waits until the certificate is issued, for which the records that prove the domain must be there.
///
/// It is no object of AWS's. It is there when its certificate is, and was ever issued; deleting it does nothing.
///
/// <https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:acm:CertificateValidation",
    terraform = "aws_acm_certificate_validation",
    identity = NaturalKey,
    vanishes_with(certificate_arn)
)]
pub struct CertificateValidation {
    /// The certificate.
    #[field(replace)]
    pub certificate_arn: Input<Arn>,
    /// The names of the records that prove the domains. Given as the records' outputs, they are published before the waiting begins; the names
    /// themselves are not looked at.
    #[field(write_only)]
    pub validation_record_fqdns: Option<Input<Vec<String>>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct CertificateValidationOutputs {
    /// The certificate's ARN, for what needs it to be issued.
    pub arn: Arn,
}

impl Manage for CertificateValidation {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let acm = &aws.acm(cx).await?;
        let certificates = batch::each(targets, |target| async { Ok(get(acm, target.id).await) }).await?;
        let found = targets.iter().zip(certificates).map(|(target, certificate)| match certificate {
            // Issued once, it stays so for this purpose: what comes later is the certificate's own affair.
            Ok(Some(certificate)) if certificate.issued_at().is_some() || status(&certificate) == "ISSUED" => {
                let certificate_arn = Arn::new(target.id);
                let fields = CertificateValidationResolved { certificate_arn, validation_record_fqdns: None };
                Found::present(fields, outputs(target.id))
            }
            Ok(_) => Found::Gone,
            Err(error) => Found::Failed(error),
        });
        Ok(found.collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &CertificateValidationResolved,
        _intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let acm = &aws.acm(cx).await?;
        let arn = want.certificate_arn.as_str();
        let known = wait::eventually(
            cx,
            UNTIL_KNOWN,
            |e| e.kind == ErrorKind::NotFound,
            || async {
                get(acm, arn).await?.ok_or_else(|| CloudError {
                    kind: ErrorKind::NotFound,
                    ..acm.unexpected("DescribeCertificate", format!("there is no certificate {arn}"))
                })
            },
        );
        Ok(created(arn, status(&known.await?) == "ISSUED"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _want: &CertificateValidationResolved,
    ) -> Result<Option<CertificateValidationOutputs>, CloudError> {
        let acm = &aws.acm(cx).await?;
        let what = format!("certificate {id}");
        let waited = until(cx, &what, || async {
            let Some(certificate) = get(acm, id).await? else {
                let message = format!("the certificate {id} went away while it was waited for");
                return Err(CloudError { kind: ErrorKind::NotFound, ..acm.unexpected("DescribeCertificate", message) });
            };
            match status(&certificate) {
                "ISSUED" => Ok(Stage::Ready(())),
                "PENDING_VALIDATION" => {
                    let pending = certificate.domain_validation_options().iter();
                    let pending = pending.filter(|v| v.validation_status().is_none_or(|s| s.as_str() != "SUCCESS"));
                    let pending: Vec<&str> = pending.map(|v| v.domain_name.as_str()).collect();
                    Ok(Stage::Waiting(format!("pending validation of {}", pending.join(", "))))
                }
                _ => Err(failed(&certificate, id)),
            }
        });
        waited.await.map_err(|error| match error.kind {
            ErrorKind::TimedOut => error.hint(
                "check that the validation records are published, and that the domain's registrar names the zone's servers; run it again to go on waiting",
            ),
            _ => error,
        })?;
        Ok(None)
    }

    async fn update(
        _aws: &Aws,
        _cx: &Cx,
        _id: &str,
        _want: &CertificateValidationResolved,
        _change: &CertificateValidationChange,
    ) -> Result<Option<CertificateValidationOutputs>, CloudError> {
        // The names of the records are the program's affair alone.
        Ok(None)
    }

    async fn delete(
        _aws: &Aws,
        _cx: &Cx,
        _id: &str,
        _was: Option<&CertificateValidationResolved>,
    ) -> Result<(), CloudError> {
        // What is issued cannot be taken back; the certificate is deleted by itself.
        Ok(())
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &CertificateValidationResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let acm = &aws.acm(cx).await?;
        let certificate = get(acm, want.certificate_arn.as_str()).await?;
        Ok(certificate.map(|c| created(want.certificate_arn.as_str(), status(&c) == "ISSUED")))
    }
}

fn outputs(arn: &str) -> CertificateValidationOutputs {
    CertificateValidationOutputs { arn: Arn::new(arn) }
}

fn created(arn: &str, complete: bool) -> Created<CertificateValidation> {
    Created { id: arn.to_owned(), outputs: outputs(arn), complete }
}
