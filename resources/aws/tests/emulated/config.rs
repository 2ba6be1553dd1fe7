//! AWS Config on moto, which knows no tags of recorders (so that one cannot be found by them), no recording modes, no evaluation modes and no
//! policies of one's own: those are in shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

#[tokio::test]
async fn a_recorder_and_its_channel_wait_for_each_other() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let role = "arn:aws:iam::123456789012:role/config";
    let recorder = json!({"name": "main", "role_arn": role, "recording": true,
        "recording_group": {"all_supported": true, "include_global_resource_types": true}});
    let channel = json!({"name": "main", "s3_bucket_name": "logs", "s3_key_prefix": "config",
        "sns_topic_arn": "arn:aws:sns:us-west-2:123456789012:t",
        "config_snapshot_delivery_properties": {"delivery_frequency": "Six_Hours"}});
    let (made, delivered) = futures::join!(
        bench.create("aws:config:Recorder", &recorder, 1),
        bench.create("aws:config:DeliveryChannel", &channel, 2),
    );
    let (made, delivered) = (made.unwrap(), delivered.unwrap());
    bench.settled("aws:config:Recorder", &made.id, &recorder).await;
    bench.settled("aws:config:DeliveryChannel", &delivered.id, &channel).await;

    let mut some = recorder.clone();
    some["recording"] = json!(false);
    some["recording_group"] = json!({"resource_types": ["AWS::EC2::VPC", "AWS::EC2::Subnet"]});
    bench.update("aws:config:Recorder", &made.id, &recorder, &some).await;
    bench.settled("aws:config:Recorder", &made.id, &some).await;
    let plain = json!({"name": "main", "s3_bucket_name": "other"});
    bench.update("aws:config:DeliveryChannel", &delivered.id, &channel, &plain).await;
    bench.settled("aws:config:DeliveryChannel", &delivered.id, &plain).await;
    bench.deleted("aws:config:DeliveryChannel", &delivered.id, &plain).await;
    bench.deleted("aws:config:Recorder", &made.id, &some).await;
}

#[tokio::test]
async fn a_rule_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({
        "config_rule_name": "passwords", "description": "long ones",
        "scope": {"compliance_resource_types": ["AWS::IAM::User"]},
        "source": {"owner": "AWS", "source_identifier": "IAM_PASSWORD_POLICY"},
        "input_parameters": {"MinimumPasswordLength": "14"}, "maximum_execution_frequency": "Six_Hours",
        "tags": {"a": "1", "b": "2"}});
    let mut changed = want.clone();
    changed["description"] = json!("longer ones");
    changed["input_parameters"] = json!({"MinimumPasswordLength": "20"});
    changed["tags"] = json!({"b": "3"});
    // moto forgets tags with every change.
    let plain = json!({"config_rule_name": "passwords", "source": {"owner": "AWS", "source_identifier": "IAM_PASSWORD_POLICY"}});
    bench.life("aws:config:Rule", want, &[changed, plain]).await;
}
