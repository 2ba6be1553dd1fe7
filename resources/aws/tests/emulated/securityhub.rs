//! Security Hub on moto, which has no tagging calls and changes nothing: those, and standards, are in shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

#[tokio::test]
async fn security_hub_comes_and_goes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({"enable_default_standards": false, "control_finding_generator": "SECURITY_CONTROL"});
    let made = bench.create("aws:securityhub:Account", &want, 1).await.unwrap();
    assert_eq!(made.id, "arn:aws:securityhub:us-west-2:123456789012:hub/default");
    bench.settled("aws:securityhub:Account", &made.id, &want).await;
    bench.deleted("aws:securityhub:Account", &made.id, &want).await;
}
