//! GuardDuty on moto, which has no tagging calls: changes of tags are in shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

#[tokio::test]
async fn a_detector_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({
        "enable": true, "finding_publishing_frequency": "ONE_HOUR", "tags": {"a": "1"},
        "features": [{"name": "S3_DATA_EVENTS", "status": "ENABLED"},
            {"name": "RUNTIME_MONITORING", "status": "ENABLED",
                "additional_configuration": [{"name": "EKS_ADDON_MANAGEMENT", "status": "ENABLED"}]}]});
    let changed = json!({
        "enable": false, "finding_publishing_frequency": "SIX_HOURS", "tags": {"a": "1"},
        "features": [{"name": "S3_DATA_EVENTS", "status": "DISABLED"}]});
    bench.life("aws:guardduty:Detector", want, &[changed]).await;
}
