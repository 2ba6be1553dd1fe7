//! CloudTrail on moto. It adds insight selectors up and never takes them away, and knows no categories of them: changes of those are in shapes.

#[cfg(feature = "s3")]
use phx_tests::emulator::Emulator;
#[cfg(feature = "s3")]
use serde_json::json;

#[cfg(feature = "s3")]
use crate::kit::emulated;

#[cfg(feature = "s3")]
#[tokio::test]
async fn a_trail_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    for bucket in ["trail-logs", "other-logs"] {
        bench.create("aws:s3:Bucket", &json!({"bucket": bucket}), 1).await.unwrap();
    }
    let group = "arn:aws:logs:us-west-2:123456789012:log-group:trail:*";
    let want = json!({
        "name": "main", "s3_bucket_name": "trail-logs", "s3_key_prefix": "audit", "include_global_service_events": true,
        "is_multi_region_trail": true, "enable_log_file_validation": true, "is_organization_trail": false,
        "cloud_watch_logs_log_group_arn": group, "cloud_watch_logs_role_arn": "arn:aws:iam::123456789012:role/trail",
        "kms_key_id": "arn:aws:kms:us-west-2:123456789012:key/1", "is_logging": true,
        "event_selectors": [{"read_write_type": "WriteOnly", "include_management_events": true,
            "data_resources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3:::b/"]}]}],
        "insight_selectors": [{"insight_type": "ApiCallRateInsight"}],
        "tags": {"a": "1", "b": "2"}});
    let mut changed = want.clone();
    changed["s3_bucket_name"] = json!("other-logs");
    changed["is_logging"] = json!(false);
    changed["is_multi_region_trail"] = json!(false);
    changed["tags"] = json!({"b": "3"});
    changed["event_selectors"] = json!([{"read_write_type": "All", "include_management_events": false}]);
    for gone in ["s3_key_prefix", "kms_key_id", "cloud_watch_logs_log_group_arn", "cloud_watch_logs_role_arn"] {
        changed.as_object_mut().unwrap().remove(gone);
    }
    bench.life("aws:cloudtrail:Trail", want, &[changed]).await;

    let advanced = json!({
        "name": "advanced", "s3_bucket_name": "trail-logs",
        "advanced_event_selectors": [{"name": "s3", "field_selectors": [
            {"field": "eventCategory", "equals": ["Data"]}, {"field": "resources.type", "equals": ["AWS::S3::Object"]}]}]});
    let made = bench.create("aws:cloudtrail:Trail", &advanced, 1).await.unwrap();
    bench.settled("aws:cloudtrail:Trail", &made.id, &advanced).await;
    // What is not said is logged.
    let mut logging = advanced.clone();
    logging["is_logging"] = json!(true);
    bench.settled("aws:cloudtrail:Trail", &made.id, &logging).await;
}
