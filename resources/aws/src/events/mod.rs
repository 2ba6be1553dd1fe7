//! EventBridge: rules, and what they send events to.
//!
//! Names are the program's, and the calls that make an object also overwrite one: phx looks first. Rules bear tags, which say whose they are;
//! targets do not, and are taken over only if they are just as the program wants them.

pub mod rule;
pub mod target;
pub mod target_blocks;
mod target_convert;

pub use rule::Rule;
pub use target::Target;
pub use target_blocks::{
    AppSyncParameters, AwsVpcConfiguration, BatchParameters, CapacityProviderStrategyItem, DeadLetterConfig,
    EcsParameters, HttpParameters, InputTransformer, KinesisParameters, PlacementConstraint, PlacementStrategy,
    RedshiftDataParameters, RetryPolicy, RunCommandTarget, SageMakerPipelineParameter, SqsParameters,
};

pub use crate::ids::EventRuleName;

use std::future::Future;
use std::time::Duration;

use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;
use phx_model::{CloudError, Value};

use crate::client::{Aws, Service};
use crate::{manage, wait};

/// EventBridge in one place.
pub type Events = Service<aws_sdk_eventbridge::Client>;

/// The lists give so many at once.
const PAGE: i32 = 100;
/// The bus of everything that names none.
const DEFAULT_BUS: &str = "default";
/// For so long another change to the same rule may take, a new role be unknown, and targets that are gone be in the way.
const UNTIL_FREE: Duration = Duration::from_secs(30);

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Rule>(registry, aws);
    manage::register::<Target>(registry, aws);
}

/// A bus by its name: it can be given by its ARN too.
fn bus_name(bus: &str) -> &str {
    bus.split_once(":event-bus/").map_or(bus, |(_, name)| name)
}

/// For fields that are buses: name and ARN are one, and the default one need not be named.
fn bus(value: &Value) -> Value {
    match value.as_str().map(bus_name) {
        Some(name) => Value::String(name.into()),
        None => value.expose().clone(),
    }
}

/// A rule's id: `nightly`, `orders/nightly`. Names of rules have no slash, those of buses may.
fn rule_id(bus: Option<&str>, rule: &str) -> String {
    match bus.map(bus_name) {
        None | Some(DEFAULT_BUS) => rule.to_owned(),
        Some(bus) => format!("{bus}/{rule}"),
    }
}

/// Bus and rule of a rule's id.
fn split(id: &str) -> (&str, &str) {
    id.rsplit_once('/').unwrap_or((DEFAULT_BUS, id))
}

/// Repeats a change while another one to the same rule is under way, or a role that it names was made a moment ago.
async fn once_free<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    let passing = |e: &CloudError| match e.code.as_deref() {
        Some("ConcurrentModificationException") => true,
        Some("ValidationException") => e.message.contains("cannot be assumed by principal"),
        _ => false,
    };
    wait::eventually(cx, UNTIL_FREE, passing, call).await
}

/// What was found, or `None` for what is not there.
fn unless_absent<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rules_id_is_bus_and_rule() {
        let arn = "arn:aws:events:us-west-2:123456789012:event-bus/orders";
        for (bus, id, parts) in [
            (None, "nightly", ("default", "nightly")),
            (Some("default"), "nightly", ("default", "nightly")),
            (Some("orders"), "orders/nightly", ("orders", "nightly")),
            (Some(arn), "orders/nightly", ("orders", "nightly")),
            (Some("aws.partner/x.com/y"), "aws.partner/x.com/y/nightly", ("aws.partner/x.com/y", "nightly")),
        ] {
            assert_eq!(rule_id(bus, "nightly"), id);
            assert_eq!(split(id), parts);
        }
        assert_eq!(super::bus(&Value::String(arn.into())), Value::String("orders".into()));
        assert_eq!(super::bus(&Value::Null), Value::Null);
    }
}
