//! ECR.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

#[tokio::test]
async fn repositories_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let rule = |days: u32| {
        json!({"rules": [{
            "rulePriority": 1,
            "description": "old ones",
            "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days},
            "action": {"type": "expire"},
        }]})
    };
    let policy = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
            "Action": action,
        }]})
    };
    let outputs = bench
        .life(
            "aws:ecr:Repository",
            json!({
                "repository_name": "team/web",
                "image_tag_mutability": "IMMUTABLE_WITH_EXCLUSION",
                "image_tag_mutability_exclusion_filters": [{"filter_type": "WILDCARD", "filter": "latest"}],
                // The SDK leaves out what is off; moto takes that for nothing to change, so it is switched on and not off.
                "image_scanning_configuration": {"scan_on_push": false},
                "encryption_configuration": {"encryption_type": "KMS", "kms_key": "arn:aws:kms:us-west-2:123456789012:key/k"},
                "lifecycle_policy_text": rule(14),
                "repository_policy_text": policy("ecr:BatchGetImage"),
                "tags": {"team": "web", "stage": "test"},
            }),
            &[
                json!({
                    "repository_name": "team/web",
                    "image_tag_mutability": "IMMUTABLE",
                    "image_scanning_configuration": {"scan_on_push": true},
                    "encryption_configuration": {"encryption_type": "KMS"},
                    "lifecycle_policy_text": rule(30),
                    "repository_policy_text": policy("ecr:GetDownloadUrlForLayer"),
                    "tags": {"team": "web", "stage": "live"},
                }),
                json!({"repository_name": "team/web", "image_tag_mutability": "MUTABLE", "tags": {}}),
            ],
        )
        .await;
    let uri = outputs["repository_uri"].as_str().unwrap();
    assert!(uri.ends_with(".dkr.ecr.us-west-2.amazonaws.com/team/web"), "{uri}");
    // The least there can be.
    bench.life("aws:ecr:Repository", json!({"repository_name": "least"}), &[]).await;
}

#[tokio::test]
async fn a_repository_of_somebody_elses_is_not_taken_over() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let want = json!({"repository_name": "shared"});
    bench.create("aws:ecr:Repository", &want, 1).await.unwrap();
    let error = bench.create("aws:ecr:Repository", &want, 2).await.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::AlreadyExists, "{error}");
    // The same intent's is.
    bench.create("aws:ecr:Repository", &want, 1).await.unwrap();
}
