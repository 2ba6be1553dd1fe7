//! [`ExistingHostedZone`].

use aws_sdk_route53::types as sdk;
use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::arn::{Arn, partition};
use crate::batch;
use crate::ids::HostedZoneId;

/// A hosted zone that the program does not manage.
///
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZones.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingHostedZone {
    name: String,
    private_zone: bool,
}

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostedZone {
    /// Its id.
    pub id: HostedZoneId,
    /// Its ARN.
    pub arn: Arn,
    /// Its name, without a dot at the end.
    pub name: String,
    /// Whether it is known in certain VPCs only.
    pub private_zone: bool,
    /// How many records it has.
    pub record_count: i64,
}

impl ExistingHostedZone {
    /// The public one of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), private_zone: false }
    }

    /// The private one of this name instead.
    #[must_use]
    pub fn private_zone(mut self, yes: bool) -> Self {
        self.private_zone = yes;
        self
    }
}

impl Lookup for ExistingHostedZone {
    const NAME: &'static str = "aws:route53:HostedZone";
    type Answer = HostedZone;
}

/// The zones that one call tells, and whether they are all of the account's.
struct Zones {
    zones: Vec<HostedZone>,
    all: bool,
}

fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Find for ExistingHostedZone {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<HostedZone, CloudError>>, CloudError> {
        let route53 = &at.aws.route53(&at.cx).await?;
        let partition = partition(&at.region().await?);
        let read = &|zones: Vec<sdk::HostedZone>| -> Vec<HostedZone> {
            let zone = |zone: sdk::HostedZone| {
                let id = zone.id.trim_start_matches("/hostedzone/").to_owned();
                HostedZone {
                    arn: Arn::new(format!("arn:{partition}:route53:::hostedzone/{id}")),
                    name: bare(&zone.name),
                    private_zone: zone.config().is_some_and(sdk::HostedZoneConfig::private_zone),
                    record_count: zone.resource_record_set_count().unwrap_or_default(),
                    id: HostedZoneId::new(id),
                }
            };
            zones.into_iter().map(zone).collect()
        };
        let first = at.sheet("hosted zones", async {
            let answer = route53.read("ListHostedZones", || route53.list_hosted_zones().send()).await?;
            Ok(Zones { all: !answer.is_truncated(), zones: read(answer.hosted_zones) })
        });
        let first = first.await?;
        batch::each(wanted, |wanted| {
            let first = first.clone();
            async move {
                let name = bare(&wanted.name);
                let named = match first.all {
                    true => first,
                    // The zones of a name are the first of those that follow it.
                    false => {
                        at.sheet(&format!("hosted zones from {name}"), async {
                            let request = route53.list_hosted_zones_by_name().dns_name(&name);
                            let answer = route53.read("ListHostedZonesByName", || request.clone().send()).await?;
                            Ok(Zones { all: false, zones: read(answer.hosted_zones) })
                        })
                        .await?
                    }
                };
                let fits = |zone: &&HostedZone| zone.name == name && zone.private_zone == wanted.private_zone;
                let fitting: Vec<HostedZone> = named.zones.iter().filter(fits).cloned().collect();
                Ok(choose::one(at, "hosted zone", "name, private_zone", fitting, |zone| zone.id.to_string()).await)
            }
        })
        .await
    }
}
