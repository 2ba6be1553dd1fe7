//! Certificate Manager on moto.

use phx_model::driver::Read;
use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

#[tokio::test]
async fn a_certificate_lives() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    // moto takes no options but the one that AWS has taken away, and no other algorithm than RSA 2048.
    let certificate = |tags: serde_json::Value| {
        json!({
            "domain_name": "example.com", "subject_alternative_names": ["www.example.com", "*.example.com"],
            "validation_method": "DNS", "tags": tags
        })
    };
    let second = certificate(json!({"a": "2", "c": "1"}));
    bench.life("aws:acm:Certificate", certificate(json!({"a": "1", "b": "1"})), &[second]).await;
}

#[tokio::test]
async fn a_validation_waits_for_its_certificate() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let certificate = json!({"domain_name": "example.com", "validation_method": "DNS"});
    let made = bench.create("aws:acm:Certificate", &certificate, 1).await.unwrap();
    let names = format!("{:?}", made.outputs["validation_record_names"]);
    assert!(names.contains("example.com"), "{names}");
    let want = json!({"certificate_arn": made.id, "validation_record_fqdns": ["_x.example.com"]});
    let validated = bench.create("aws:acm:CertificateValidation", &want, 2).await.unwrap();
    assert_eq!(validated.outputs["arn"].as_str(), Some(made.id.as_str()));
    bench.settled("aws:acm:CertificateValidation", &made.id, &want).await;
    let driver = bench.driver("aws:acm:CertificateValidation");
    let found = driver.find(&bench.cx, &kit::fields(want.clone()), &kit::intent(2)).await.unwrap();
    assert_eq!(found.map(|f| f.id), Some(made.id.clone()));
    // Deleting it does nothing; it goes with its certificate.
    driver.delete(&bench.cx, &made.id, &kit::fields(want.clone())).await.unwrap();
    bench.settled("aws:acm:CertificateValidation", &made.id, &want).await;
    bench.deleted("aws:acm:Certificate", &made.id, &certificate).await;
    let read = bench.read("aws:acm:CertificateValidation", &[(&made.id, &kit::fields(want))]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
}
