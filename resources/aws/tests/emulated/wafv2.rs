//! AWS WAF on moto. It takes nothing away in a change (a description, rules, …), and knows neither data protection nor applications: those are
//! in shapes. So is a name that is taken, for which moto has an error of its own.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

#[tokio::test]
async fn web_acls_live_and_change() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let seen = |name: &str| json!({"sampled_requests_enabled": true, "cloud_watch_metrics_enabled": false, "metric_name": name});
    let rules = json!([
        {"name": "bots", "priority": 1, "override_action": {"action": "None"}, "visibility_config": seen("bots"),
            "statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}}},
        {"name": "bad", "priority": 2, "visibility_config": seen("bad"), "rule_labels": [{"name": "bad"}],
            "action": {"action": "Block", "custom_response": {"response_code": 418, "custom_response_body_key": "no",
                "response_headers": [{"name": "x-why", "value": "bad"}]}},
            "captcha_config": {"immunity_time_property": {"immunity_time": 120}},
            "statement": {"ByteMatchStatement": {"SearchString": "bad", "FieldToMatch": {"UriPath": {}},
                "TextTransformations": [{"Priority": 0, "Type": "LOWERCASE"}], "PositionalConstraint": "CONTAINS"}}}]);
    let want = json!({
        "name": "front", "scope": "REGIONAL", "default_action": {"action": "Allow"}, "visibility_config": seen("front"),
        "description": "before the application", "rules": rules,
        "custom_response_bodies": {"no": {"content_type": "TEXT_PLAIN", "content": "no"}},
        "captcha_config": {"immunity_time_property": {"immunity_time": 300}},
        "challenge_config": {"immunity_time_property": {"immunity_time": 600}}, "token_domains": ["example.org"],
        "association_config": {"request_body": {"API_GATEWAY": {"default_size_inspection_limit": "KB_32"}}},
        "tags": {"a": "1", "b": "2"}});
    let mut changed = want.clone();
    changed["default_action"] = json!({"action": "Block", "custom_response": {"response_code": 403}});
    changed["description"] = json!("before all");
    changed["rules"][0]["override_action"] = json!({"action": "Count"});
    changed["rules"][1]["statement"] = json!({"GeoMatchStatement": {"CountryCodes": ["AT"]}});
    changed["tags"] = json!({"b": "3"});
    let outputs = bench.life("aws:wafv2:WebAcl", want.clone(), &[changed]).await;
    assert!(outputs["capacity"] != phx_model::Value::Null, "{outputs:?}");

    // Web ACLs for CloudFront are in us-east-1, whichever region is asked.
    let mut front = want.clone();
    front["scope"] = json!("CLOUDFRONT");
    let mut changed = front.clone();
    changed["description"] = json!("before all");
    let outputs = bench.life("aws:wafv2:WebAcl", front, &[changed]).await;
    assert!(outputs["arn"].as_str().unwrap().contains(":global/webacl/front/"), "{outputs:?}");
}
