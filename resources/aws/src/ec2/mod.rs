//! EC2: networks and what is in them.
//!
//! Everything that is alike in the service's types lives beside them: [`ids`], [`describe`] (reading many with few calls), [`tagging`],
//! [`holders`] (what still holds an object that cannot be deleted), [`rule`] (what both kinds of security group rules share).
//!
//! Objects of EC2 are tagged with the intent while they are created, and found by that tag. Requests that take a client token
//! carry one too, but no type relies on it alone.

pub mod describe;
pub mod eip;
pub mod holders;
pub mod ids;
pub mod internet_gateway;
pub mod nat_gateway;
pub mod route;
pub mod route_table;
pub mod route_table_association;
pub mod rule;
pub mod security_group;
pub mod security_group_egress_rule;
pub mod security_group_ingress_rule;
pub mod subnet;
pub mod tagging;
pub mod vpc;

pub use eip::Eip;
pub use ids::*;
pub use internet_gateway::InternetGateway;
pub use nat_gateway::NatGateway;
pub use route::Route;
pub use route_table::RouteTable;
pub use route_table_association::RouteTableAssociation;
pub use security_group::SecurityGroup;
pub use security_group_egress_rule::SecurityGroupEgressRule;
pub use security_group_ingress_rule::SecurityGroupIngressRule;
pub use subnet::Subnet;
pub use vpc::{Vpc, VpcEncryption};

use std::future::Future;
use std::time::Duration;

use aws_sdk_ec2::types::AttributeBooleanValue;
use phx_model::CloudError;
use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;

use crate::arn::Arn;
use crate::client::{Aws, Service};
use crate::manage;
use crate::wait;

/// EC2 in one place.
pub type Ec2 = Service<aws_sdk_ec2::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Eip>(registry, aws);
    manage::register::<InternetGateway>(registry, aws);
    manage::register::<NatGateway>(registry, aws);
    manage::register::<Route>(registry, aws);
    manage::register::<RouteTable>(registry, aws);
    manage::register::<RouteTableAssociation>(registry, aws);
    manage::register::<SecurityGroup>(registry, aws);
    manage::register::<SecurityGroupEgressRule>(registry, aws);
    manage::register::<SecurityGroupIngressRule>(registry, aws);
    manage::register::<Subnet>(registry, aws);
    manage::register::<Vpc>(registry, aws);
}

/// A new object is known to the part of EC2 that made it at once, and to the others a little later: EC2's documentation asks callers
/// to repeat what fails with `…NotFound` meanwhile.
const UNTIL_KNOWN: Duration = Duration::from_secs(15);
/// What was just deleted may still hold what it stood in, for about as long.
const UNTIL_FREE: Duration = Duration::from_secs(30);

/// Repeats a call for a short while when it fails because an object that it names is not known yet.
pub(crate) async fn once_known<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, |e| e.kind == ErrorKind::NotFound, call).await
}

/// Deletes, and repeats it for a short while when something still holds the object. What is gone already is deleted.
pub(crate) async fn once_free<T, F, Fut>(cx: &Cx, call: F) -> Result<(), CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    match wait::eventually(cx, UNTIL_FREE, |e| e.kind == ErrorKind::InUse, call).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// An attribute's value as the API wraps it.
pub(crate) fn boolean(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

/// An object's ARN, which most answers leave out: `vpc/vpc-0a1b`. Without the owner there is none.
pub(crate) fn arn(region: &str, owner: Option<&str>, kind: &str, id: &str) -> Option<Arn> {
    owner.map(|owner| Arn::of("ec2", region, owner, &format!("{kind}/{id}")))
}
