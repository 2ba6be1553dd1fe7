//! Budgets on moto, which has neither tags nor subscribers nor changes: those are in shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

#[tokio::test]
async fn a_budget_comes_and_goes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({
        "budget_name": "all", "budget_type": "COST", "time_unit": "MONTHLY", "budget_limit": {"amount": "100", "unit": "USD"},
        "cost_filters": {"Service": ["Amazon Simple Storage Service"]}, "cost_types": {"include_tax": false, "use_blended": true},
        "time_period": {"start": "2026-01-01", "end": "2030-01-01T00:00:00Z"}});
    let made = bench.create("aws:budgets:Budget", &want, 1).await.unwrap();
    assert_eq!(made.outputs["arn"].as_str(), Some("arn:aws:budgets::123456789012:budget/all"));
    bench.settled("aws:budgets:Budget", &made.id, &want).await;
    bench.deleted("aws:budgets:Budget", &made.id, &want).await;
}
