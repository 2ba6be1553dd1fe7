//! Certificate Manager.

use std::sync::Mutex;

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use phx_model::schema::Kind;
use serde_json::{Value, json};

use crate::kit::{self, Answer};

const CERTIFICATE: &str = "aws:acm:Certificate";
const VALIDATION: &str = "aws:acm:CertificateValidation";
const ARN: &str = "arn:aws:acm:us-west-2:123456789012:certificate/c";

fn record(domain: &str) -> Value {
    let name = domain.trim_start_matches("*.");
    json!({"Name": format!("_x.{name}."), "Type": "CNAME", "Value": "_y.acm-validations.aws."})
}

fn validation(domain: &str, proved: bool) -> Value {
    json!({
        "DomainName": domain, "ValidationDomain": domain, "ValidationMethod": "DNS", "ResourceRecord": record(domain),
        "ValidationStatus": if proved { "SUCCESS" } else { "PENDING_VALIDATION" }
    })
}

#[tokio::test]
async fn a_hundred_certificates_take_a_call_each_and_one_for_their_tags() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeCertificate" => {
            let arn = request.body["CertificateArn"].as_str().unwrap();
            if arn == "c50" {
                return Answer::JsonError(400, "ResourceNotFoundException");
            }
            Answer::Json(
                json!({"Certificate": {"CertificateArn": arn, "DomainName": "example.com", "Status": "ISSUED"}}),
            )
        }
        "GetResources" => {
            let of = |arn: &Value| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]});
            let all: Vec<Value> = request.body["ResourceARNList"].as_array().unwrap().iter().map(of).collect();
            Answer::Json(json!({"ResourceTagMappingList": all}))
        }
        other => panic!("{other}"),
    });
    let inputs = kit::fields(json!({"domain_name": "example.com", "tags": {"a": "1"}}));
    let ids: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    let reads = bench.read(CERTIFICATE, &targets).await;
    assert!(matches!(reads[50], Read::Gone));
    assert_eq!(reads.iter().filter(|r| matches!(r, Read::Present(_))).count(), 99);
    assert_eq!(bench.operations().len(), 101);
    // A validation is its certificate's state.
    let before = bench.operations().len();
    assert!(matches!(bench.read(VALIDATION, &targets).await[50], Read::Gone));
    assert_eq!(bench.operations().len() - before, 100);
}

#[tokio::test]
async fn the_records_are_waited_for_and_told_once_each() {
    let bench = kit::scripted(|request, n| match (request.operation.as_str(), n) {
        ("RequestCertificate", _) => {
            assert_eq!(request.body["IdempotencyToken"].as_str().unwrap().len(), 32);
            Answer::Json(json!({"CertificateArn": ARN}))
        }
        (_, 1) => Answer::JsonError(400, "ResourceNotFoundException"),
        (_, 2) => Answer::Json(json!({"Certificate": {"Status": "PENDING_VALIDATION"}})),
        (_, 3) => {
            let pending = json!({"DomainName": "example.com", "ValidationMethod": "DNS"});
            Answer::Json(json!({"Certificate": {"Status": "PENDING_VALIDATION", "DomainValidationOptions": [pending]}}))
        }
        _ => {
            let all = ["example.com", "*.example.com", "a.example.org"].map(|d| validation(d, false));
            Answer::Json(json!({"Certificate": {"Status": "PENDING_VALIDATION", "DomainValidationOptions": all}}))
        }
    });
    let want = json!({"domain_name": "example.com", "subject_alternative_names": ["*.example.com", "a.example.org"]});
    let made = bench.create(CERTIFICATE, &want, 1).await.unwrap();
    assert_eq!(made.outputs["validation_record_names"], json!(["_x.a.example.org.", "_x.example.com."]).into());
    assert_eq!(made.outputs["validation_record_types"], json!(["CNAME", "CNAME"]).into());
    assert_eq!(made.outputs["status"].as_str(), Some("PENDING_VALIDATION"));
    assert_eq!(bench.operations().len(), 5);
}

#[tokio::test]
async fn a_certificate_whose_answer_was_lost_is_found_by_its_tag() {
    let tags = Mutex::new(Value::Null);
    let bench = kit::scripted(move |request, _| {
        let mut tags = tags.lock().unwrap();
        match request.operation.as_str() {
            "RequestCertificate" => {
                *tags = request.body["Tags"].clone();
                Answer::Lost
            }
            "ListCertificates" => {
                // Otherwise AWS tells only those with keys of RSA 2048.
                assert!(request.body["Includes"]["keyTypes"].as_array().unwrap().len() > 3);
                let of = |arn: &str, domain: &str| json!({"CertificateArn": arn, "DomainName": domain});
                let all = [of("other", "example.com"), of("another", "example.org"), of(ARN, "example.com")];
                Answer::Json(json!({"CertificateSummaryList": all}))
            }
            "ListTagsForCertificate" => match request.body["CertificateArn"].as_str() {
                Some(ARN) => Answer::Json(json!({"Tags": *tags})),
                Some("other") => Answer::Json(json!({"Tags": []})),
                other => panic!("{other:?}"),
            },
            other => panic!("{other}"),
        }
    });
    let want = json!({"domain_name": "example.com", "key_algorithm": "EC_prime256v1", "tags": {"a": "1"}});
    assert_eq!(bench.create(CERTIFICATE, &want, 1).await.unwrap_err().kind, ErrorKind::Ambiguous);
    let find = |n: u32| (kit::fields(want.clone()), kit::intent(n));
    let (fields, intent) = find(1);
    let found = bench.driver(CERTIFICATE).find(&bench.cx, &fields, &intent).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some(ARN));
    let (fields, intent) = find(2);
    assert!(bench.driver(CERTIFICATE).find(&bench.cx, &fields, &intent).await.unwrap().is_none());
}

#[tokio::test]
async fn what_emulators_do_not_keep_of_certificates() {
    let kept = Mutex::new(None::<Value>);
    let bench = kit::scripted(move |request, _| {
        let mut kept = kept.lock().unwrap();
        let body = &request.body;
        match (request.operation.as_str(), kept.as_mut()) {
            ("RequestCertificate", _) => {
                // AWS counts the domain among the names, and tells a validation domain of each.
                let mail = json!({"DomainName": "a.example.com", "ValidationDomain": "example.com", "ValidationMethod": "EMAIL"});
                let own = json!({"DomainName": "example.com", "ValidationDomain": "example.com", "ValidationMethod": "EMAIL"});
                *kept = Some(json!({"Certificate": {
                    "CertificateArn": ARN, "DomainName": body["DomainName"], "Status": "PENDING_VALIDATION",
                    "SubjectAlternativeNames": ["example.com", "a.example.com"], "KeyAlgorithm": "EC-prime256v1",
                    "DomainValidationOptions": [own, mail], "Options": body["Options"], "ManagedBy": body["ManagedBy"],
                    "CertificateAuthorityArn": body["CertificateAuthorityArn"]
                }, "Tags": body["Tags"]}));
                Answer::Json(json!({"CertificateArn": ARN}))
            }
            ("UpdateCertificateOptions", Some(there)) => {
                assert_eq!(body["Options"], json!({"ValidationMethod": "DNS"}));
                there["Certificate"]["Options"]["ValidationMethod"] = json!("DNS");
                Answer::Json(json!({}))
            }
            ("DescribeCertificate", Some(there)) => Answer::Json(json!({"Certificate": there["Certificate"]})),
            ("ListTagsForCertificate", Some(there)) => Answer::Json(json!({"Tags": there["Tags"]})),
            ("ListCertificates", Some(_)) => {
                Answer::Json(json!({"CertificateSummaryList": [{"CertificateArn": ARN, "DomainName": "example.com"}]}))
            }
            ("DeleteCertificate", Some(_)) => {
                *kept = None;
                Answer::Json(json!({}))
            }
            _ => Answer::JsonError(400, "ResourceNotFoundException"),
        }
    });
    let want = |options: Value| {
        json!({
            "domain_name": "example.com", "subject_alternative_names": ["a.example.com"], "validation_method": "EMAIL",
            "domain_validation_options": [{"domain_name": "a.example.com", "validation_domain": "example.com"}],
            "key_algorithm": "EC_prime256v1", "options": options, "certificate_authority_arn": "arn:aws:acm-pca:x",
            "managed_by": "CLOUDFRONT", "tags": {"a": "1"}
        })
    };
    let plain = json!({"export": "ENABLED"});
    bench.life(CERTIFICATE, want(plain), &[want(json!({"export": "ENABLED", "validation_method": "DNS"}))]).await;
    let options = bench.driver(CERTIFICATE).schema().field("options").unwrap();
    let Kind::Block(parts) = options.kind else { panic!("{options:?}") };
    assert!(parts.iter().any(|part| part.name == "export" && part.replace), "ACM refuses to change it");
}

#[tokio::test]
async fn a_validation_waits_and_says_why_it_failed() {
    let pending = || {
        json!({"Certificate": {
            "Status": "PENDING_VALIDATION",
            "DomainValidationOptions": [validation("a.example.com", true), validation("b.example.com", false)]
        }})
    };
    let bench = kit::scripted(move |_, n| match n {
        0 => Answer::JsonError(400, "ResourceNotFoundException"),
        1..=3 => Answer::Json(pending()),
        4 => Answer::Json(json!({"Certificate": {"Status": "ISSUED", "IssuedAt": 1_700_000_000}})),
        _ => Answer::Json(json!({"Certificate": {"Status": "FAILED", "FailureReason": "CAA_ERROR"}})),
    });
    let want = json!({"certificate_arn": ARN});
    bench.create(VALIDATION, &want, 1).await.unwrap();
    assert_eq!(bench.operations().len(), 5);
    let error = bench.create(VALIDATION, &want, 1).await.unwrap_err();
    assert!(error.message.contains("FAILED: CAA_ERROR"), "{error}");

    let bench = kit::scripted(move |_, _| Answer::Json(pending()));
    let error = bench.create(VALIDATION, &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.message.contains("pending validation of b.example.com"), "{error}");
    assert!(error.hint.unwrap().contains("published"));
}

#[tokio::test]
async fn a_certificate_in_use_says_by_whom() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DeleteCertificate" => Answer::JsonError(400, "ResourceInUseException"),
        _ => Answer::Json(json!({"Certificate": {"Status": "ISSUED", "InUseBy": ["arn:aws:elasticloadbalancing:x"]}})),
    });
    let want = kit::fields(json!({"domain_name": "example.com"}));
    let error = bench.driver(CERTIFICATE).delete(&bench.cx, ARN, &want).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.hint.unwrap().contains("arn:aws:elasticloadbalancing:x"));
}
