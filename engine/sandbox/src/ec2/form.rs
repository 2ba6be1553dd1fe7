//! Structures of requests in the form in which answers have them.
//!
//! EC2 writes the same structure in two ways: `LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize=8` comes in, and
//! `<blockDeviceMappingSet><item><ebs><volumeSize>8` goes out. By far most names follow from one another; the others are listed here.

use serde_json::{Map, Value, json};

use super::Fields;
use crate::wire::Params;

/// Lists whose name in answers is another than the request's with `Set` at its end.
const LISTS: &[(&str, &str)] = &[("LicenseSpecification", "licenseSet"), ("TunnelOptions", "tunnelOptionSet")];
/// Beginnings of names that are not written in lower case by their first letter alone.
const WORDS: &[(&str, &str)] = &[("IKE", "ike"), ("DPD", "dpd")];

/// A request's structure as an answer has it; empty if the request has none. Values stay text: XML makes no difference.
pub(super) fn shown(p: &Params, prefix: &str) -> Fields {
    let mut fields = Map::new();
    for part in p.parts(prefix) {
        let name = if prefix.is_empty() { part.to_owned() } else { format!("{prefix}.{part}") };
        let members = p.members(&name);
        if members.is_empty() {
            fields.insert(lower(part), value(p, &name));
            continue;
        }
        let values: Vec<Value> = members.iter().map(|member| value(p, member)).collect();
        let list = LISTS.iter().find(|(list, _)| *list == part).map(|(_, shown)| (*shown).to_owned());
        fields.insert(list.unwrap_or_else(|| format!("{}Set", lower(part))), Value::Array(values));
    }
    fields
}

fn value(p: &Params, name: &str) -> Value {
    match p.get(name) {
        Some(text) => json!(text),
        None => Value::Object(shown(p, name)),
    }
}

fn lower(name: &str) -> String {
    if let Some((word, lower)) = WORDS.iter().find(|(word, _)| name.starts_with(word)) {
        return format!("{lower}{}", &name[word.len()..]);
    }
    let mut chars = name.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// Puts the members of one structure over those of another, and so on inside of both. Lists are taken as a whole.
pub(super) fn over(below: &mut Fields, above: Fields) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => over(below, above),
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_shown_as_answers() {
        let p = Params::parse(
            b"D.ImageId=ami-1&D.BlockDeviceMapping.1.Ebs.VolumeSize=8&D.BlockDeviceMapping.2.NoDevice=&D.SecurityGroupId.1=sg-1\
              &D.LicenseSpecification.1.LicenseConfigurationArn=arn&D.DPDTimeoutSeconds=30&E=1",
        );
        let expected = json!({
            "imageId": "ami-1", "blockDeviceMappingSet": [{"ebs": {"volumeSize": "8"}}, {"noDevice": ""}],
            "securityGroupIdSet": ["sg-1"], "licenseSet": [{"licenseConfigurationArn": "arn"}], "dpdTimeoutSeconds": "30",
        });
        assert_eq!(Value::Object(shown(&p, "D")), expected);
        assert!(shown(&p, "F").is_empty());
    }

    #[test]
    fn what_lies_above_counts() {
        let fields = |value: Value| value.as_object().unwrap().clone();
        let mut below = fields(json!({"a": {"b": 1, "c": 2}, "d": [1, 2]}));
        over(&mut below, fields(json!({"a": {"c": 3}, "d": [4], "e": 5})));
        assert_eq!(Value::Object(below), json!({"a": {"b": 1, "c": 3}, "d": [4], "e": 5}));
    }
}
