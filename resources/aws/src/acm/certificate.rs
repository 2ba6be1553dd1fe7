//! [`Certificate`].
//!
//! No emulator is slow to tell the validation records, or serves validation by e-mail, private authorities, exportable certificates, or those
//! that CloudFront manages; those parts follow the service model alone.

use std::collections::BTreeMap;

use aws_sdk_acm::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::Tags;
use phx_model::value::Val;
use phx_model::{Block, CloudError, Input, Outputs, Resource, Value};

use super::{Acm, get, status};
use crate::arn::Arn;
use crate::batch;
use crate::call::client_token;
use crate::client::Aws;
use crate::forms::in_order_of;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::wait::{self, Stage, until};

/// A token is remembered for an hour, and holds so many characters.
const TOKEN: usize = 32;
/// ListCertificates gives so many at once.
const PAGE: i32 = 1000;
/// For so long what was just deleted may still use the certificate.
const UNTIL_FREE: std::time::Duration = std::time::Duration::from_secs(60);

/// A certificate of AWS's public authority, or a private one. It can be used once it is issued: see
/// [`CertificateValidation`](super::CertificateValidation).
///
/// <https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:acm:Certificate",
    terraform = "aws_acm_certificate",
    cloudformation = "AWS::CertificateManager::Certificate",
    identity = IntentTag
)]
pub struct Certificate {
    /// The domain: `example.com`, `*.example.com`.
    #[field(replace)]
    pub domain_name: Input<String>,
    /// Other names that it is valid for.
    #[field(replace, set)]
    pub subject_alternative_names: Option<Input<Vec<String>>>,
    /// How it is proved that the domain is yours: `DNS`, `EMAIL`, or `HTTP` for certificates that CloudFront manages. Not for private ones.
    #[field(replace, cloud_default)]
    pub validation_method: Option<Input<String>>,
    /// For proof by e-mail, the domains that the mail goes to.
    #[field(replace, set, cloud_default)]
    pub domain_validation_options: Option<Input<Vec<DomainValidationOption>>>,
    /// What can be changed later.
    #[field(cloud_default)]
    pub options: Option<Input<CertificateOptions>>,
    /// The private authority that issues it. Unset: AWS's public one.
    #[field(replace)]
    pub certificate_authority_arn: Option<Input<Arn>>,
    /// `RSA_2048` (AWS's default), `EC_prime256v1`, `EC_secp384r1` … .
    #[field(replace, cloud_default, normalize = underscored)]
    pub key_algorithm: Option<Input<String>>,
    /// The service that manages it: `CLOUDFRONT`.
    #[field(replace)]
    pub managed_by: Option<Input<String>>,
    /// The tags.
    pub tags: Tags,
}

/// Where the mail goes that asks for a domain's approval.
#[derive(Clone, Debug, Block)]
pub struct DomainValidationOption {
    /// The domain of the certificate.
    pub domain_name: Input<String>,
    /// The same, or one above it.
    pub validation_domain: Input<String>,
}

/// What of a certificate may be otherwise than usual. Its being told to the public logs of certificates no longer may.
#[derive(Clone, Debug, Block)]
pub struct CertificateOptions {
    /// Whether it can be used outside of AWS, with its private key: `ENABLED` or `DISABLED` (AWS's default). Another value makes a new
    /// certificate.
    #[field(replace, cloud_default)]
    pub export: Option<Input<String>>,
    /// Changes how the domains are proved when it is renewed.
    #[field(cloud_default)]
    pub validation_method: Option<Input<String>>,
}

/// What AWS decides. The three lists of validation records go together: the records are to be published as they stand, each name once.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct CertificateOutputs {
    /// The ARN.
    pub arn: Arn,
    /// `PENDING_VALIDATION`, `ISSUED`, `FAILED` … .
    #[output(volatile)]
    pub status: String,
    /// The names of the records that prove the domains, in the order of their names.
    pub validation_record_names: Vec<String>,
    /// Their types: `CNAME`.
    pub validation_record_types: Vec<String>,
    /// Their values.
    pub validation_record_values: Vec<String>,
}

impl Manage for Certificate {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let acm = &aws.acm(cx).await?;
        // The list of certificates tells neither options nor validation records.
        let certificates = batch::each(targets, |target| async { Ok(get(acm, target.id).await) }).await?;
        let arn = |at: usize| matches!(&certificates[at], Ok(Some(_))).then(|| targets[at].id.to_owned());
        let ask = |_: &str, arn: String| async move { list_tags(acm, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = targets.iter().zip(&certificates).enumerate().map(|(at, (target, certificate))| {
            let certificate = match certificate {
                Ok(Some(certificate)) => certificate,
                Ok(None) => return Found::Gone,
                Err(error) => return Found::Failed(error.clone()),
            };
            match tags.remove(&at) {
                None => shown(target, certificate, TagMap::new()),
                Some(Ok(Some(tags))) => shown(target, certificate, tags),
                Some(Ok(None)) => Found::Gone,
                Some(Err(error)) => Found::Failed(error),
            }
        });
        Ok(found.collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &CertificateResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let acm = &aws.acm(cx).await?;
        let validation = want.domain_validation_options.as_ref().map(|all| all.iter().map(to_validation).collect());
        let validation: Option<Vec<_>> = validation.transpose()?;
        let request = acm
            .request_certificate()
            .domain_name(&want.domain_name)
            .set_subject_alternative_names(want.subject_alternative_names.clone())
            .set_validation_method(want.validation_method.as_deref().map(Into::into))
            .set_domain_validation_options(validation)
            .set_options(want.options.as_ref().map(to_options))
            .set_certificate_authority_arn(want.certificate_authority_arn.as_ref().map(Arn::to_string))
            .set_key_algorithm(want.key_algorithm.as_deref().map(Into::into))
            .set_managed_by(want.managed_by.as_deref().map(Into::into))
            .idempotency_token(client_token(intent).chars().take(TOKEN).collect::<String>())
            .set_tags(Some(to_tags(&with_intent(&want.tags, intent))?));
        let answer = acm.write("RequestCertificate", || request.clone().send()).await?;
        let arn = answer.certificate_arn;
        let arn = arn.ok_or_else(|| acm.unexpected("RequestCertificate", "the answer names no certificate"))?;
        Ok(created(&arn))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _want: &CertificateResolved,
    ) -> Result<Option<CertificateOutputs>, CloudError> {
        let acm = &aws.acm(cx).await?;
        // The records follow the certificate by some seconds.
        let what = format!("certificate {id}");
        until(cx, &what, || async {
            // So may the certificate follow its own ARN.
            let Some(certificate) = get(acm, id).await? else { return Ok(Stage::Waiting("not known yet".to_owned())) };
            if status(&certificate) == "FAILED" {
                return Err(failed(&certificate, id));
            }
            let options = certificate.domain_validation_options();
            let missing = |v: &sdk::DomainValidation| {
                v.validation_method().is_some_and(|m| m.as_str() == "DNS") && v.resource_record().is_none()
            };
            // Private certificates have nothing to prove.
            let proved = status(&certificate) != "PENDING_VALIDATION";
            if !proved && (options.is_empty() || options.iter().any(missing)) {
                return Ok(Stage::Waiting("without its validation records".to_owned()));
            }
            Ok(Stage::Ready(Some(outputs(id, &certificate))))
        })
        .await
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &CertificateResolved,
        change: &CertificateChange,
    ) -> Result<Option<CertificateOutputs>, CloudError> {
        let acm = &aws.acm(cx).await?;
        // Whether it can be exported is decided when it is made, and not said again.
        let method = want.options.as_ref().and_then(|o| o.validation_method.as_deref());
        if let Some(method) = method.filter(|_| change.options.is_some()) {
            let options = sdk::CertificateOptions::builder().validation_method(method.into()).build();
            let request = acm.update_certificate_options().certificate_arn(id).options(options);
            acm.write_idempotent("UpdateCertificateOptions", || request.clone().send()).await?;
        }
        if let Some(tags) = &change.tags {
            let TagDelta { set, remove } = TagDelta::of(tags);
            // What is taken away goes first: a certificate has fifty tags at most.
            if !remove.is_empty() {
                // Without a value: whatever it is now.
                let tag = |key: &String| sdk::Tag::builder().key(key).build().map_err(invalid);
                let tags = remove.iter().map(tag).collect::<Result<_, _>>()?;
                let request = acm.remove_tags_from_certificate().certificate_arn(id).set_tags(Some(tags));
                acm.write_idempotent("RemoveTagsFromCertificate", || request.clone().send()).await?;
            }
            if !set.is_empty() {
                let request = acm.add_tags_to_certificate().certificate_arn(id).set_tags(Some(to_tags(&set)?));
                acm.write_idempotent("AddTagsToCertificate", || request.clone().send()).await?;
            }
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&CertificateResolved>) -> Result<(), CloudError> {
        let acm = &aws.acm(cx).await?;
        let request = acm.delete_certificate().certificate_arn(id);
        let busy = |e: &CloudError| e.kind == ErrorKind::InUse;
        let delete = || acm.write_idempotent("DeleteCertificate", || request.clone().send());
        match wait::eventually(cx, UNTIL_FREE, busy, delete).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if busy(&error) => {
                let users = get(acm, id).await.ok().flatten().and_then(|c| c.in_use_by).unwrap_or_default();
                Err(if users.is_empty() { error } else { error.hint(format!("{} still use it", users.join(", "))) })
            }
            Err(error) => Err(error),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &CertificateResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let acm = &aws.acm(cx).await?;
        let all = batch::pages(|token| async move {
            // Without this only certificates with keys of RSA 2048 are told.
            let keys = sdk::KeyAlgorithm::values().iter().map(|k| sdk::KeyAlgorithm::from(*k)).collect();
            let includes = sdk::Filters::builder().set_key_types(Some(keys)).build();
            let request = acm.list_certificates().includes(includes).max_items(PAGE).set_next_token(token);
            let answer = acm.read("ListCertificates", || request.clone().send()).await?;
            Ok((answer.certificate_summary_list.unwrap_or_default(), answer.next_token))
        });
        let same = all.await?.into_iter().filter(|c| c.domain_name() == Some(want.domain_name.as_str()));
        let arns = same.filter_map(|c| c.certificate_arn);
        let tagged = batch::each(arns, |arn| async move {
            match list_tags(acm, &arn).await {
                Ok(tags) => Ok((arn, tags)),
                Err(error) if error.kind == ErrorKind::NotFound => Ok((arn, TagMap::new())),
                Err(error) => Err(error),
            }
        });
        let tagged = tagged.await?;
        let mine = tagged.iter().find(|(_, t)| t.get(INTENT_TAG).map(String::as_str) == Some(intent.as_str()));
        Ok(mine.map(|(arn, _)| created(arn)))
    }
}

fn created(arn: &str) -> Created<Certificate> {
    let outputs = CertificateOutputs {
        arn: Arn::new(arn),
        status: "PENDING_VALIDATION".to_owned(),
        validation_record_names: Vec::new(),
        validation_record_types: Vec::new(),
        validation_record_values: Vec::new(),
    };
    Created { id: arn.to_owned(), outputs, complete: false }
}

fn invalid(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

pub(super) fn failed(certificate: &sdk::CertificateDetail, id: &str) -> CloudError {
    let why = certificate.failure_reason().map_or("no reason given", |r| r.as_str());
    CloudError::local(ErrorKind::Other, format!("the certificate {id} is {}: {why}", status(certificate)))
        .hint("a certificate that was not issued never will be: correct what AWS says, and replace it")
}

fn outputs(arn: &str, certificate: &sdk::CertificateDetail) -> CertificateOutputs {
    // A domain and its wildcard are proved by one record.
    let records: BTreeMap<&str, &sdk::ResourceRecord> = certificate
        .domain_validation_options()
        .iter()
        .filter_map(|v| v.resource_record())
        .map(|record| (record.name(), record))
        .collect();
    CertificateOutputs {
        arn: Arn::new(arn),
        status: status(certificate).to_owned(),
        validation_record_names: records.keys().map(|name| (*name).to_owned()).collect(),
        validation_record_types: records.values().map(|r| r.r#type.as_str().to_owned()).collect(),
        validation_record_values: records.values().map(|r| r.value.clone()).collect(),
    }
}

fn shown(target: &Target<'_>, certificate: &sdk::CertificateDetail, tags: TagMap) -> Found<Certificate> {
    let domain = certificate.domain_name().unwrap_or_default();
    // ACM counts the domain among the names.
    let names = certificate.subject_alternative_names();
    let wanted = target.inputs.get("subject_alternative_names");
    let written =
        wanted.and_then(|v| Vec::<String>::from_value(v).ok()).is_some_and(|all| all.iter().any(|n| n == domain));
    let names: Vec<String> = names.iter().filter(|name| written || *name != domain).cloned().collect();
    let options = certificate.domain_validation_options();
    let mails: Vec<DomainValidationOptionResolved> = options
        .iter()
        .filter_map(|v| {
            let validation_domain = v.validation_domain.clone()?;
            Some(DomainValidationOptionResolved { domain_name: v.domain_name.clone(), validation_domain })
        })
        .collect();
    let mails = in_order_of::<DomainValidationOption>(target.inputs.get("domain_validation_options"), mails);
    let method = options.iter().find_map(|v| v.validation_method()).map(|m| m.as_str().to_owned());
    let fields = CertificateResolved {
        domain_name: domain.to_owned(),
        subject_alternative_names: Some(names).filter(|n| !n.is_empty()),
        validation_method: method,
        domain_validation_options: told_mails(target, mails),
        options: certificate.options().map(from_options),
        certificate_authority_arn: certificate.certificate_authority_arn().map(Arn::new),
        key_algorithm: certificate.key_algorithm().map(|k| k.as_str().replace('-', "_")),
        managed_by: certificate.managed_by().map(|m| m.as_str().to_owned()),
        tags,
    };
    Found::present(fields, outputs(target.id, certificate))
}

/// ACM tells a validation domain of every name; the program those that are not the name itself.
fn told_mails(
    target: &Target<'_>,
    mails: Vec<DomainValidationOptionResolved>,
) -> Option<Vec<DomainValidationOptionResolved>> {
    let wanted = target.inputs.get("domain_validation_options");
    let wanted = wanted.and_then(|v| Vec::<DomainValidationOption>::from_value(v).ok()).unwrap_or_default();
    let told = mails.into_iter().filter(|m| m.domain_name != m.validation_domain || wanted.contains(m));
    Some(told.collect()).filter(|all: &Vec<_>| !all.is_empty())
}

fn to_validation(want: &DomainValidationOptionResolved) -> Result<sdk::DomainValidationOption, CloudError> {
    sdk::DomainValidationOption::builder()
        .domain_name(&want.domain_name)
        .validation_domain(&want.validation_domain)
        .build()
        .map_err(invalid)
}

fn to_options(want: &CertificateOptionsResolved) -> sdk::CertificateOptions {
    sdk::CertificateOptions::builder()
        .set_export(want.export.as_deref().map(Into::into))
        .set_validation_method(want.validation_method.as_deref().map(Into::into))
        .build()
}

fn from_options(there: &sdk::CertificateOptions) -> CertificateOptionsResolved {
    CertificateOptionsResolved {
        export: there.export().map(|e| e.as_str().to_owned()),
        validation_method: there.validation_method().map(|m| m.as_str().to_owned()),
    }
}

/// Requests say `RSA_2048`, answers `RSA-2048`.
fn underscored(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => Value::String(text.replace('-', "_").into()),
        None => value.expose().clone(),
    }
}

fn to_tags(tags: &BTreeMap<String, String>) -> Result<Vec<sdk::Tag>, CloudError> {
    tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build().map_err(invalid)).collect()
}

async fn list_tags(acm: &Acm, arn: &str) -> Result<TagMap, CloudError> {
    let request = acm.list_tags_for_certificate().certificate_arn(arn);
    let answer = acm.read("ListTagsForCertificate", || request.clone().send()).await?;
    Ok(answer.tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value.unwrap_or_default())).collect())
}
