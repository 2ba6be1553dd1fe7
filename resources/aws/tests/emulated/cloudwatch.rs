//! CloudWatch, whose emulators know its JSON and not its CBOR: see `cloudwatch::json`.

use phx_model::error::ErrorKind;
use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

#[tokio::test]
async fn alarms_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let topic = |name: &str| json!([format!("arn:aws:sns:us-west-2:123456789012:{name}")]);
    let first = json!({
        "alarm_name": "cpu", "alarm_description": "too busy", "actions_enabled": true, "ok_actions": topic("ok"),
        "alarm_actions": topic("alarm"), "insufficient_data_actions": topic("none"), "metric_name": "CPUUtilization",
        "namespace": "AWS/EC2", "statistic": "Average", "dimensions": [{"name": "InstanceId", "value": "i-1"}], "period": 60,
        "unit": "Percent", "evaluation_periods": 3, "datapoints_to_alarm": 2, "threshold": 80.5,
        "comparison_operator": "GreaterThanThreshold", "treat_missing_data": "breaching", "tags": {"team": "a", "old": "1"}
    });
    // A percentile in place of an average, without most of the rest.
    let second = json!({
        "alarm_name": "cpu", "actions_enabled": false, "metric_name": "CPUUtilization", "namespace": "AWS/EC2",
        "extended_statistic": "p99", "period": 120, "evaluation_periods": 1, "threshold": 90.0,
        "comparison_operator": "GreaterThanOrEqualToThreshold", "evaluate_low_sample_count_percentile": "ignore",
        "tags": {"team": "b"}
    });
    let only_tags = {
        let mut only = second.clone();
        only["tags"] = json!({"team": "c", "new": "1"});
        only
    };
    let outputs = bench.life("aws:cloudwatch:MetricAlarm", first, &[second, only_tags]).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:cloudwatch:us-west-2:123456789012:alarm:cpu"));

    let query = |id: &str, metric: &str| {
        json!({"id": id, "return_data": false, "metric_stat": {
            "metric": {"namespace": "App", "metric_name": metric, "dimensions": [{"name": "Service", "value": "web"}]},
            "period": 300, "stat": "Sum", "unit": "Count"
        }})
    };
    let rate = |expression: &str| {
        let rate = json!({"id": "rate", "expression": expression, "label": "rate of errors", "return_data": true});
        json!({
            "alarm_name": "rate", "evaluation_periods": 1, "threshold": 1.0, "comparison_operator": "GreaterThanThreshold",
            "metrics": [rate, query("errors", "Errors"), query("requests", "Requests")]
        })
    };
    let (first, second) = (rate("errors / requests"), rate("100 * errors / requests"));
    bench.life("aws:cloudwatch:MetricAlarm", first, &[second]).await;
}

// moto has no composite alarms.
#[tokio::test]
async fn composite_alarms_live() {
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let topic = |name: &str| json!([format!("arn:aws:sns:us-west-2:123456789012:{name}")]);
    for (n, name) in [(7, "cpu"), (8, "rate")] {
        let alarm = json!({
            "alarm_name": name, "metric_name": "m", "namespace": "n", "statistic": "Sum", "period": 60, "evaluation_periods": 1,
            "threshold": 1.0, "comparison_operator": "GreaterThanThreshold"
        });
        bench.create("aws:cloudwatch:MetricAlarm", &alarm, n).await.unwrap();
    }
    let any = |rule: &str, description: &str| {
        json!({
            "alarm_name": "any", "alarm_rule": rule, "alarm_description": description, "actions_enabled": true,
            "alarm_actions": topic("alarm"), "ok_actions": topic("ok"), "insufficient_data_actions": topic("none"), "tags": {"a": "1"}
        })
    };
    let second = any("ALARM(\"cpu\") AND ALARM(\"rate\")", "both");
    bench.life("aws:cloudwatch:CompositeAlarm", any("ALARM(\"cpu\")", "one"), &[second]).await;
}

#[tokio::test]
async fn anothers_alarm_is_not_overwritten() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let alarm = json!({
        "alarm_name": "a", "metric_name": "m", "namespace": "n", "statistic": "Sum", "period": 60, "evaluation_periods": 1,
        "threshold": 1.0, "comparison_operator": "GreaterThanThreshold"
    });
    bench.create("aws:cloudwatch:MetricAlarm", &alarm, 1).await.unwrap();
    bench.create("aws:cloudwatch:MetricAlarm", &alarm, 1).await.unwrap();
    let error = bench.create("aws:cloudwatch:MetricAlarm", &alarm, 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
}

// moto keeps no tags of dashboards, so whose one is cannot be told there.
#[tokio::test]
async fn a_dashboard_lives() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let dashboard = |text: &str| {
        let widget = json!({"type": "text", "x": 0, "y": 0, "width": 3, "height": 3, "properties": {"markdown": text}});
        json!({"dashboard_name": "main", "dashboard_body": {"widgets": [widget]}})
    };
    let (first, second) = (dashboard("one"), dashboard("two"));
    let made = bench.create("aws:cloudwatch:Dashboard", &first, 1).await.unwrap();
    assert_eq!(made.outputs["arn"].as_str(), Some("arn:aws:cloudwatch::123456789012:dashboard/main"));
    bench.settled("aws:cloudwatch:Dashboard", "main", &first).await;
    bench.update("aws:cloudwatch:Dashboard", "main", &first, &second).await;
    bench.settled("aws:cloudwatch:Dashboard", "main", &second).await;
    bench.deleted("aws:cloudwatch:Dashboard", "main", &second).await;
}
