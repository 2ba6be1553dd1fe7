//! Route 53: zones and their records. It has one endpoint for all regions, and takes five calls a second of an account.

pub mod hosted_zone;
pub mod record;
pub mod record_blocks;

pub use hosted_zone::{HostedZone, ZoneVpc};
pub use record::Record;
pub use record_blocks::{AliasTarget, CidrRoutingConfig, Coordinates, GeoLocation, GeoProximityLocation};

pub use crate::ids::HostedZoneId;

use phx_model::Value;
use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// Route 53 in one place.
pub type Route53 = Service<aws_sdk_route53::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<HostedZone>(registry, aws);
    manage::register::<Record>(registry, aws);
}

/// A name as Route 53 compares it: in lower case, without the dot at its end, without escapes.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>
pub(crate) fn plain_name(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let (mut plain, mut rest) = (String::with_capacity(name.len()), name);
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                plain.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    plain.to_ascii_lowercase()
}

/// A plain name as requests have it.
fn wire_name(plain: &str) -> String {
    format!("{}.", plain.replace(' ', "\\040"))
}

/// For fields that are names: those that Route 53 takes for one are one.
pub(crate) fn name(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => Value::String(plain_name(text).into()),
        None => value.expose().clone(),
    }
}

/// An id as programs write it: answers say `/hostedzone/Z0A1B2`.
fn bare(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_route_53_does() {
        for (written, plain) in [
            ("WWW.Example.com.", "www.example.com"),
            ("\\052.example.com.", "*.example.com"),
            ("*.example.com", "*.example.com"),
            ("a\\040b.example.com", "a b.example.com"),
            ("odd\\", "odd\\"),
            ("odd\\9", "odd\\9"),
            ("é\\052", "é*"),
            ("", ""),
        ] {
            assert_eq!(plain_name(written), plain, "{written}");
        }
        assert_eq!(name(&Value::String("A.b.".into())), Value::String("a.b".into()));
        assert_eq!(name(&Value::Null), Value::Null);
        assert_eq!(wire_name("a b.example.com"), "a\\040b.example.com.");
        assert_eq!(bare("/hostedzone/Z1"), "Z1");
        assert_eq!(bare("Z1"), "Z1");
    }
}
