//! [`AvailabilityZones`].

use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};

/// The zones of the region, by name. Without any condition, all of them: local and Wavelength zones too, whether the account has opted in or not.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AvailabilityZones {
    state: Option<String>,
    opt_in_status: Vec<String>,
    zone_type: Option<String>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AvailabilityZone {
    /// Its name, which leads to another zone in another account: `us-west-2a`.
    pub name: String,
    /// Its id, which is the same in all accounts: `usw2-az1`.
    pub id: String,
    /// `available`, `information`, `impaired`, `unavailable` or `constrained`.
    pub state: String,
    /// `availability-zone`, `local-zone` or `wavelength-zone`.
    pub zone_type: String,
    /// `opt-in-not-required`, `opted-in` or `not-opted-in`.
    pub opt_in_status: String,
    /// The group that it is opted into with: the region's name, or `us-west-2-lax-1`.
    pub group_name: String,
    /// The group of zones that addresses are advertised from.
    pub network_border_group: String,
}

impl AvailabilityZones {
    /// All zones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those in this state: `available`.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Those with this status of opting in, or with another one that was named: `opt-in-not-required`, `opted-in`, `not-opted-in`.
    #[must_use]
    pub fn opt_in_status(mut self, status: impl Into<String>) -> Self {
        self.opt_in_status.push(status.into());
        self
    }

    /// Those of this type: `availability-zone`, `local-zone`, `wavelength-zone`.
    #[must_use]
    pub fn zone_type(mut self, zone_type: impl Into<String>) -> Self {
        self.zone_type = Some(zone_type.into());
        self
    }

    fn fits(&self, zone: &AvailabilityZone) -> bool {
        self.state.as_ref().is_none_or(|state| *state == zone.state)
            && (self.opt_in_status.is_empty() || self.opt_in_status.contains(&zone.opt_in_status))
            && self.zone_type.as_ref().is_none_or(|zone_type| *zone_type == zone.zone_type)
    }
}

impl Lookup for AvailabilityZones {
    const NAME: &'static str = "aws:ec2:AvailabilityZones";
    type Answer = Vec<AvailabilityZone>;
}

impl Find for AvailabilityZones {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Self::Answer, CloudError>>, CloudError> {
        let all = at.sheet("zones", ask(at)).await?;
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let zones: Vec<AvailabilityZone> = all.iter().filter(|zone| wanted.fits(zone)).cloned().collect();
            answers.push(match zones.is_empty() {
                false => Ok(zones),
                true => Err(choose::none(at, "zone", "state, opt_in_status, zone_type").await?),
            });
        }
        Ok(answers)
    }
}

async fn ask(at: &At) -> Result<Vec<AvailabilityZone>, CloudError> {
    let ec2 = at.aws.ec2(&at.cx).await?;
    let request = ec2.describe_availability_zones().all_availability_zones(true);
    let answer = ec2.read("DescribeAvailabilityZones", || request.clone().send()).await?;
    let mut zones: Vec<AvailabilityZone> = answer
        .availability_zones
        .unwrap_or_default()
        .into_iter()
        .filter_map(|zone| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            Some(AvailabilityZone {
                state: text(zone.state().map(aws_sdk_ec2::types::AvailabilityZoneState::as_str)),
                opt_in_status: text(zone.opt_in_status().map(aws_sdk_ec2::types::AvailabilityZoneOptInStatus::as_str)),
                id: text(zone.zone_id()),
                zone_type: text(zone.zone_type()),
                group_name: text(zone.group_name()),
                network_border_group: text(zone.network_border_group()),
                name: zone.zone_name?,
            })
        })
        .collect();
    zones.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(zones)
}
