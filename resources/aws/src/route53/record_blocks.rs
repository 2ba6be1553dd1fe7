//! The parts of records, as blocks of fields, and whole records to and from the SDK's structure.

use aws_sdk_route53::types as sdk;
use phx_model::error::ErrorKind;
use phx_model::{Block, CloudError, Input};

use super::record::RecordResolved;
use super::{HostedZoneId, plain_name, wire_name};

/// Another name of AWS's whose addresses a record answers with.
#[derive(Clone, Debug, Block)]
pub struct AliasTarget {
    /// The zone of the target: for a load balancer its own (`canonical_hosted_zone_id`), for another record this one.
    pub hosted_zone_id: Input<HostedZoneId>,
    /// The target's name.
    #[field(normalize = super::name)]
    pub dns_name: Input<String>,
    /// Whether the record counts as unhealthy when the target is.
    pub evaluate_target_health: Input<bool>,
}

/// Where those are from whom a record answers.
#[derive(Clone, Debug, Block)]
pub struct GeoLocation {
    /// The continent: `AF`, `AN`, `AS`, `EU`, `OC`, `NA` or `SA`.
    pub continent_code: Option<Input<String>>,
    /// The country: `DE`; `*` for everyone else.
    pub country_code: Option<Input<String>>,
    /// A state of the USA or a region of Ukraine.
    pub subdivision_code: Option<Input<String>>,
}

/// Which addresses a record answers.
#[derive(Clone, Debug, Block)]
pub struct CidrRoutingConfig {
    /// The collection of address ranges.
    pub collection_id: Input<String>,
    /// The location in the collection; `*` for everyone else.
    pub location_name: Input<String>,
}

/// Where a record's target lies. One of the first three is set.
#[derive(Clone, Debug, Block)]
pub struct GeoProximityLocation {
    /// A region: `us-west-2`.
    pub aws_region: Option<Input<String>>,
    /// A local zone group: `us-west-2-lax-1`.
    pub local_zone_group: Option<Input<String>>,
    /// A place on earth.
    pub coordinates: Option<Input<Coordinates>>,
    /// From −99 to 99: how much larger, or smaller, than it is the area counts from which the target is the nearest.
    #[field(cloud_default)]
    pub bias: Option<Input<i32>>,
}

/// A place on earth.
#[derive(Clone, Debug, Block)]
pub struct Coordinates {
    /// From −90 to 90 with up to two decimal places: `49.22`.
    pub latitude: Input<String>,
    /// From −180 to 180 with up to two decimal places: `-74.01`.
    pub longitude: Input<String>,
}

fn invalid(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

pub(super) fn to_set(want: &RecordResolved) -> Result<sdk::ResourceRecordSet, CloudError> {
    let record = |value: &String| sdk::ResourceRecord::builder().value(value).build().map_err(invalid);
    let records = want.resource_records.as_ref().map(|all| all.iter().map(record).collect::<Result<Vec<_>, _>>());
    sdk::ResourceRecordSet::builder()
        .name(wire_name(&plain_name(&want.name)))
        .r#type(want.r#type.as_str().into())
        .set_set_identifier(want.set_identifier.clone())
        .set_weight(want.weight)
        .set_region(want.region.as_deref().map(Into::into))
        .set_geo_location(want.geo_location.as_ref().map(to_location))
        .set_failover(want.failover.as_deref().map(Into::into))
        .set_multi_value_answer(want.multi_value_answer.filter(|on| *on))
        .set_ttl(want.ttl)
        .set_resource_records(records.transpose()?)
        .set_alias_target(want.alias_target.as_ref().map(to_alias).transpose()?)
        .set_health_check_id(want.health_check_id.clone())
        .set_cidr_routing_config(want.cidr_routing_config.as_ref().map(to_cidr).transpose()?)
        .set_geo_proximity_location(want.geo_proximity_location.as_ref().map(to_proximity).transpose()?)
        .build()
        .map_err(invalid)
}

pub(super) fn from_set(zone: &str, set: &sdk::ResourceRecordSet) -> RecordResolved {
    let records: Vec<String> = set.resource_records().iter().map(|r| r.value.clone()).collect();
    RecordResolved {
        hosted_zone_id: HostedZoneId::new(zone),
        name: plain_name(&set.name),
        r#type: set.r#type.as_str().to_owned(),
        ttl: set.ttl,
        resource_records: Some(records).filter(|r| !r.is_empty()),
        alias_target: set.alias_target().map(from_alias),
        set_identifier: set.set_identifier.clone(),
        weight: set.weight,
        region: set.region().map(|r| r.as_str().to_owned()),
        geo_location: set.geo_location().map(from_location),
        failover: set.failover().map(|f| f.as_str().to_owned()),
        multi_value_answer: set.multi_value_answer,
        health_check_id: set.health_check_id.clone(),
        cidr_routing_config: set.cidr_routing_config().map(|c| CidrRoutingConfigResolved {
            collection_id: c.collection_id.clone(),
            location_name: c.location_name.clone(),
        }),
        geo_proximity_location: set.geo_proximity_location().map(from_proximity),
    }
}

fn to_alias(want: &AliasTargetResolved) -> Result<sdk::AliasTarget, CloudError> {
    sdk::AliasTarget::builder()
        .hosted_zone_id(want.hosted_zone_id.as_str())
        .dns_name(&want.dns_name)
        .evaluate_target_health(want.evaluate_target_health)
        .build()
        .map_err(invalid)
}

fn from_alias(there: &sdk::AliasTarget) -> AliasTargetResolved {
    AliasTargetResolved {
        hosted_zone_id: HostedZoneId::new(&there.hosted_zone_id),
        dns_name: plain_name(&there.dns_name),
        evaluate_target_health: there.evaluate_target_health,
    }
}

fn to_location(want: &GeoLocationResolved) -> sdk::GeoLocation {
    sdk::GeoLocation::builder()
        .set_continent_code(want.continent_code.clone())
        .set_country_code(want.country_code.clone())
        .set_subdivision_code(want.subdivision_code.clone())
        .build()
}

fn from_location(there: &sdk::GeoLocation) -> GeoLocationResolved {
    GeoLocationResolved {
        continent_code: there.continent_code.clone(),
        country_code: there.country_code.clone(),
        subdivision_code: there.subdivision_code.clone(),
    }
}

fn to_cidr(want: &CidrRoutingConfigResolved) -> Result<sdk::CidrRoutingConfig, CloudError> {
    sdk::CidrRoutingConfig::builder()
        .collection_id(&want.collection_id)
        .location_name(&want.location_name)
        .build()
        .map_err(invalid)
}

fn to_proximity(want: &GeoProximityLocationResolved) -> Result<sdk::GeoProximityLocation, CloudError> {
    let coordinates = want
        .coordinates
        .as_ref()
        .map(|c| sdk::Coordinates::builder().latitude(&c.latitude).longitude(&c.longitude).build().map_err(invalid));
    Ok(sdk::GeoProximityLocation::builder()
        .set_aws_region(want.aws_region.clone())
        .set_local_zone_group(want.local_zone_group.clone())
        .set_coordinates(coordinates.transpose()?)
        .set_bias(want.bias)
        .build())
}

fn from_proximity(there: &sdk::GeoProximityLocation) -> GeoProximityLocationResolved {
    GeoProximityLocationResolved {
        aws_region: there.aws_region.clone(),
        local_zone_group: there.local_zone_group.clone(),
        coordinates: there
            .coordinates()
            .map(|c| CoordinatesResolved { latitude: c.latitude.clone(), longitude: c.longitude.clone() }),
        bias: there.bias,
    }
}
