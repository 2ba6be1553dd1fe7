//! Changing a table: one thing at a time, as DynamoDB asks, and each only when the one before is done. What is to be done follows from what is
//! there, so that doing it again is harmless.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types as sdk;
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;

use super::table::{TableChange, TableResolved};
use super::table_blocks::*;
use super::table_convert::*;
use super::{DynamoDb, invalid, is_gone};
use crate::forms::set;
use crate::wait::{self, Stage, until};

/// How long a new table's backups may be unknown, and other changes to tables of the account may be in the way.
const UNTIL_FREE: Duration = Duration::from_secs(120);

/// What the table is. `None`: it is not there, or on its way out.
pub(super) async fn describe(dynamodb: &DynamoDb, name: &str) -> Result<Option<sdk::TableDescription>, CloudError> {
    match dynamodb.read("DescribeTable", || dynamodb.describe_table().table_name(name).send()).await {
        Ok(answer) => Ok(answer.table),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits until nothing of the table is being changed.
pub(super) async fn settled(dynamodb: &DynamoDb, cx: &Cx, name: &str) -> Result<sdk::TableDescription, CloudError> {
    until(cx, &format!("table {name}"), || async {
        // A new one may not be known everywhere yet.
        let Some(table) = describe(dynamodb, name).await? else {
            return Ok(Stage::Waiting("not known yet".to_owned()));
        };
        match unsettled(&table) {
            None => Ok(Stage::Ready(table)),
            Some(Unsettled::Changing(what)) => Ok(Stage::Waiting(what)),
            Some(Unsettled::Failed(why)) => Err(CloudError::local(ErrorKind::Other, format!("table {name} {why}"))),
        }
    })
    .await
}

#[derive(Debug, PartialEq)]
enum Unsettled {
    Changing(String),
    Failed(String),
}

/// What of a table is being changed, or has failed.
fn unsettled(table: &sdk::TableDescription) -> Option<Unsettled> {
    match table.table_status().map_or("in no state", sdk::TableStatus::as_str) {
        "ACTIVE" => {}
        failed @ ("INACCESSIBLE_ENCRYPTION_CREDENTIALS" | "ARCHIVING" | "ARCHIVED" | "REPLICATION_NOT_AUTHORIZED") => {
            return Some(Unsettled::Failed(format!("is {}", words(failed))));
        }
        status => return Some(Unsettled::Changing(words(status))),
    }
    for index in table.global_secondary_indexes() {
        let status = index.index_status().map_or("ACTIVE", sdk::IndexStatus::as_str);
        if status != "ACTIVE" {
            let name = index.index_name().unwrap_or_default();
            return Some(Unsettled::Changing(format!("there, and its index {name} is {}", words(status))));
        }
    }
    for replica in table.replicas() {
        let region = replica.region_name().unwrap_or_default();
        let status = replica.replica_status().map_or("ACTIVE", sdk::ReplicaStatus::as_str);
        match status {
            "CREATION_FAILED" => {
                let why = replica.replica_status_description().unwrap_or("AWS gives no reason");
                return Some(Unsettled::Failed(format!("gets no copy in {region}: {why}")));
            }
            "CREATING" | "UPDATING" | "DELETING" => {
                return Some(Unsettled::Changing(format!("there, and its copy in {region} is {}", words(status))));
            }
            // Whether a region is disabled is not the table's business.
            _ => {}
        }
    }
    let moving =
        table.global_table_witnesses().iter().find(|w| w.witness_status() != Some(&sdk::WitnessStatus::Active));
    if let Some(witness) = moving.filter(|w| w.witness_status().is_some()) {
        let region = witness.region_name().unwrap_or_default();
        return Some(Unsettled::Changing(format!("there, and its witness in {region} is changing")));
    }
    let sse = table.sse_description().and_then(|s| s.status()).map(sdk::SseStatus::as_str);
    sse.filter(|status| matches!(*status, "ENABLING" | "DISABLING" | "UPDATING"))
        .map(|_| Unsettled::Changing("there, and its encryption is changing".to_owned()))
}

/// `INACCESSIBLE_ENCRYPTION_CREDENTIALS` → `inaccessible encryption credentials`.
fn words(status: &str) -> String {
    status.to_ascii_lowercase().replace('_', " ")
}

/// Another change of this table or of too many others is under way.
fn is_busy(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("ResourceInUseException" | "LimitExceededException"))
}

/// Sends one change and waits until it is made.
async fn step(
    dynamodb: &DynamoDb,
    cx: &Cx,
    name: &str,
    request: UpdateTableFluentBuilder,
) -> Result<sdk::TableDescription, CloudError> {
    let send = || dynamodb.write("UpdateTable", || request.clone().table_name(name).send());
    wait::eventually(cx, UNTIL_FREE, is_busy, send).await?;
    settled(dynamodb, cx, name).await
}

/// Makes the changes that are UpdateTable's. `there` is what the table was before.
pub(super) async fn update(
    dynamodb: &DynamoDb,
    cx: &Cx,
    there: &sdk::TableDescription,
    home: &str,
    want: &TableResolved,
    change: &TableChange,
) -> Result<(), CloudError> {
    let name = want.table_name.as_str();
    if let Some(protection) = &change.deletion_protection_enabled {
        let request = dynamodb.update_table().deletion_protection_enabled(protection.after.unwrap_or(false));
        step(dynamodb, cx, name, request).await?;
    }
    if let Some(class) = set(change.table_class.as_ref()) {
        let request = dynamodb.update_table().table_class(sdk::TableClass::from(class.as_str()));
        step(dynamodb, cx, name, request).await?;
    }
    // DynamoDB refuses to encrypt a table as it is.
    if let Some(sse) = change.sse_specification.as_ref().filter(|sse| !is_encrypted_so(there, sse.after.as_ref())) {
        step(dynamodb, cx, name, dynamodb.update_table().sse_specification(to_sse(sse.after.as_ref()))).await?;
    }
    if change.stream_specification.is_some() {
        update_stream(dynamodb, cx, name, want.stream_specification.as_ref()).await?;
    }
    let wished = want.global_secondary_indexes.as_deref().unwrap_or_default();
    let retyped = retyped(there, want);
    let indexes = change.global_secondary_indexes.is_some() || !retyped.is_empty();
    if indexes {
        // Before the capacity: with provisioned capacity, indexes that are to go would need some too.
        let there = from_global(settled(dynamodb, cx, name).await?.global_secondary_indexes(), None);
        let gone = match change.global_secondary_indexes.is_some() {
            true => obsolete(&there, wished, &retyped),
            false => there.iter().filter(|t| is_keyed_by(t, &retyped)).map(|t| t.index_name.as_str()).collect(),
        };
        // Those of which the program never said anything are somebody else's.
        let own = want.global_secondary_indexes.is_some() || change.global_secondary_indexes.is_some();
        if let Some(index) = gone.first().filter(|_| !own) {
            let message = format!(
                "{} is a part of the key of the index {index}, which the program does not name, so its type stays",
                retyped.iter().copied().collect::<Vec<_>>().join(", ")
            );
            return Err(CloudError::local(ErrorKind::Invalid, message)
                .hint("name the table's indexes in global_secondary_indexes: then it is made anew"));
        }
        for name_of_index in gone {
            let delete = sdk::DeleteGlobalSecondaryIndexAction::builder().index_name(name_of_index).build();
            let delete = sdk::GlobalSecondaryIndexUpdate::builder().delete(delete.map_err(invalid)?).build();
            step(dynamodb, cx, name, dynamodb.update_table().global_secondary_index_updates(delete)).await?;
        }
    }
    if change.billing_mode.is_some() || change.provisioned_throughput.is_some() || change.on_demand_throughput.is_some()
    {
        update_capacity(dynamodb, cx, name, want, change).await?;
    }
    if let Some(warm) = set(change.warm_throughput.as_ref()) {
        let table = settled(dynamodb, cx, name).await?;
        let there = table.warm_throughput().map(|w| (w.read_units_per_second(), w.write_units_per_second()));
        let warm = to_warm(&at_least(warm, there.unwrap_or_default()));
        step(dynamodb, cx, name, dynamodb.update_table().warm_throughput(warm)).await?;
    }
    if indexes {
        update_indexes(dynamodb, cx, name, want, wished).await?;
    }
    if let Some(mode) = set(change.global_table_settings_replication_mode.as_ref()) {
        let mode = sdk::GlobalTableSettingsReplicationMode::from(mode.as_str());
        step(dynamodb, cx, name, dynamodb.update_table().global_table_settings_replication_mode(mode)).await?;
    }
    if change.replicas.is_some() || change.global_table_witnesses.is_some() || change.multi_region_consistency.is_some()
    {
        update_replicas(dynamodb, cx, name, home, want, change).await?;
    }
    Ok(())
}

/// A stream that shall tell something else is ended first.
async fn update_stream(
    dynamodb: &DynamoDb,
    cx: &Cx,
    name: &str,
    want: Option<&StreamSpecificationResolved>,
) -> Result<(), CloudError> {
    let table = settled(dynamodb, cx, name).await?;
    let there = from_stream(table.stream_specification());
    let want = want.filter(|want| want.stream_enabled);
    if there.as_ref() == want {
        return Ok(());
    }
    if there.is_some() {
        let off = StreamSpecificationResolved { stream_enabled: false, stream_view_type: None };
        step(dynamodb, cx, name, dynamodb.update_table().stream_specification(to_stream(&off)?)).await?;
    }
    if let Some(want) = want {
        step(dynamodb, cx, name, dynamodb.update_table().stream_specification(to_stream(want)?)).await?;
    }
    Ok(())
}

/// Switching to provisioned capacity takes that of all indexes in the same call.
async fn update_capacity(
    dynamodb: &DynamoDb,
    cx: &Cx,
    name: &str,
    want: &TableResolved,
    change: &TableChange,
) -> Result<(), CloudError> {
    let table = settled(dynamodb, cx, name).await?;
    let mut request = dynamodb.update_table();
    let is = table.billing_mode_summary().and_then(|b| b.billing_mode()).map_or("PROVISIONED", |mode| mode.as_str());
    // What a call whose answer was lost has done is not done again: DynamoDB refuses to change capacity to what it is.
    let mode = set(change.billing_mode.as_ref()).filter(|mode| *mode != is);
    request = request.set_billing_mode(mode.map(|mode| sdk::BillingMode::from(mode.as_str())));
    let provisioned = want.billing_mode.as_deref().unwrap_or(is) != "PAY_PER_REQUEST";
    let is_so = match provisioned {
        true => from_provisioned(table.provisioned_throughput()) == want.provisioned_throughput,
        false => want.provisioned_throughput.is_none(),
    };
    if mode.is_none() && is_so && change.on_demand_throughput.is_none() {
        return Ok(());
    }
    if provisioned && (mode.is_some() || change.provisioned_throughput.is_some()) {
        request =
            request.set_provisioned_throughput(want.provisioned_throughput.as_ref().map(to_provisioned).transpose()?);
    }
    if provisioned && mode.is_some() {
        let there: BTreeSet<&str> = table.global_secondary_indexes().iter().filter_map(|i| i.index_name()).collect();
        let wished = want.global_secondary_indexes.iter().flatten();
        for index in wished.filter(|index| there.contains(index.index_name.as_str())) {
            if index.provisioned_throughput.is_some() {
                request = request.global_secondary_index_updates(update_index(index, true, false, false)?);
            }
        }
    }
    if !provisioned && change.on_demand_throughput.is_some() {
        request = request.on_demand_throughput(to_on_demand(want.on_demand_throughput.as_ref()));
    }
    // A call that says nothing is refused, in words that do not tell why.
    if mode.is_none() && request.get_provisioned_throughput().is_none() && request.get_on_demand_throughput().is_none()
    {
        let (field, mode) = match provisioned {
            true if want.on_demand_throughput.is_none() => return Ok(()),
            true => ("on_demand_throughput", "PROVISIONED"),
            false => ("provisioned_throughput", "PAY_PER_REQUEST"),
        };
        let message = format!("{field} means nothing to the table {name}, whose billing mode is {mode}");
        return Err(CloudError::local(ErrorKind::Invalid, message)
            .hint(format!("leave {field} out, or set another billing_mode with it")));
    }
    step(dynamodb, cx, name, request).await.map(drop)
}

async fn update_indexes(
    dynamodb: &DynamoDb,
    cx: &Cx,
    name: &str,
    want: &TableResolved,
    wished: &[GlobalSecondaryIndexResolved],
) -> Result<(), CloudError> {
    let there = from_global(settled(dynamodb, cx, name).await?.global_secondary_indexes(), None);
    for index in wished {
        let update = match there.iter().find(|t| t.index_name == index.index_name) {
            Some(there) => match adjusted(there, index)? {
                Some(update) => update,
                None => continue,
            },
            None => create_index(index)?,
        };
        let creates = update.create().is_some();
        let request = dynamodb
            .update_table()
            .set_attribute_definitions(
                want.attribute_definitions.as_ref().filter(|_| creates).map(|a| to_attributes(a)).transpose()?,
            )
            .global_secondary_index_updates(update);
        step(dynamodb, cx, name, request).await?;
    }
    Ok(())
}

/// Whether two indexes hold the same: what of them cannot be changed.
fn alike(a: &GlobalSecondaryIndexResolved, b: &GlobalSecondaryIndexResolved) -> bool {
    let names = |p: &ProjectionResolved| p.non_key_attributes.iter().flatten().cloned().collect::<BTreeSet<_>>();
    a.key_schema == b.key_schema
        && a.projection.projection_type == b.projection.projection_type
        && names(&a.projection) == names(&b.projection)
}

/// The attributes that are of another type than is wished.
fn retyped<'a>(there: &sdk::TableDescription, want: &'a TableResolved) -> BTreeSet<&'a str> {
    let is = |wished: &AttributeDefinitionResolved| {
        let mut all = there.attribute_definitions().iter();
        all.find(|a| a.attribute_name() == wished.attribute_name).map(|a| a.attribute_type().as_str().to_owned())
    };
    let other = |wished: &&AttributeDefinitionResolved| is(wished).is_some_and(|kind| kind != wished.attribute_type);
    want.attribute_definitions.iter().flatten().filter(other).map(|a| a.attribute_name.as_str()).collect()
}

/// The indexes that are there and not wished, or wished otherwise, or by attributes that get another type.
fn obsolete<'a>(
    there: &'a [GlobalSecondaryIndexResolved],
    want: &[GlobalSecondaryIndexResolved],
    retyped: &BTreeSet<&str>,
) -> Vec<&'a str> {
    let keeps = |t: &GlobalSecondaryIndexResolved| want.iter().any(|w| w.index_name == t.index_name && alike(t, w));
    there.iter().filter(|t| is_keyed_by(t, retyped) || !keeps(t)).map(|t| t.index_name.as_str()).collect()
}

/// The change that makes an index as fast as is wished, if it is not.
fn adjusted(
    there: &GlobalSecondaryIndexResolved,
    want: &GlobalSecondaryIndexResolved,
) -> Result<Option<sdk::GlobalSecondaryIndexUpdate>, CloudError> {
    let provisioned =
        want.provisioned_throughput.is_some() && want.provisioned_throughput != there.provisioned_throughput;
    let limits = from_on_demand(Some(&to_on_demand(want.on_demand_throughput.as_ref())));
    let on_demand = limits != there.on_demand_throughput;
    let more = |want: Option<i64>, there: Option<i64>| want.is_some_and(|want| there.is_none_or(|there| want > there));
    let warm = want.warm_throughput.as_ref().is_some_and(|want| {
        let there = there.warm_throughput.as_ref();
        more(want.read_units_per_second, there.and_then(|t| t.read_units_per_second))
            || more(want.write_units_per_second, there.and_then(|t| t.write_units_per_second))
    });
    let any = provisioned || on_demand || warm;
    let warmer = want.warm_throughput.as_ref().map(|want| {
        let there = there.warm_throughput.as_ref().map(|t| (t.read_units_per_second, t.write_units_per_second));
        at_least(want, there.unwrap_or_default())
    });
    let want = &GlobalSecondaryIndexResolved { warm_throughput: warmer, ..want.clone() };
    any.then(|| update_index(want, provisioned, on_demand, warm)).transpose()
}

/// What is wished, but no less than what is there: it is never lowered, and a call that would lower one part is refused for the other too.
fn at_least(want: &WarmThroughputResolved, (read, write): (Option<i64>, Option<i64>)) -> WarmThroughputResolved {
    WarmThroughputResolved {
        read_units_per_second: want.read_units_per_second.max(read.filter(|_| want.read_units_per_second.is_some())),
        write_units_per_second: want
            .write_units_per_second
            .max(write.filter(|_| want.write_units_per_second.is_some())),
    }
}

fn update_index(
    want: &GlobalSecondaryIndexResolved,
    provisioned: bool,
    on_demand: bool,
    warm: bool,
) -> Result<sdk::GlobalSecondaryIndexUpdate, CloudError> {
    let throughput = want.provisioned_throughput.as_ref().filter(|_| provisioned).map(to_provisioned);
    let update = sdk::UpdateGlobalSecondaryIndexAction::builder()
        .index_name(&want.index_name)
        .set_provisioned_throughput(throughput.transpose()?)
        .set_on_demand_throughput(on_demand.then(|| to_on_demand(want.on_demand_throughput.as_ref())))
        .set_warm_throughput(want.warm_throughput.as_ref().filter(|_| warm).map(to_warm))
        .build()
        .map_err(invalid)?;
    Ok(sdk::GlobalSecondaryIndexUpdate::builder().update(update).build())
}

fn create_index(want: &GlobalSecondaryIndexResolved) -> Result<sdk::GlobalSecondaryIndexUpdate, CloudError> {
    let create = sdk::CreateGlobalSecondaryIndexAction::builder()
        .index_name(&want.index_name)
        .set_key_schema(Some(to_key(&want.key_schema)?))
        .projection(to_projection(&want.projection))
        .set_provisioned_throughput(want.provisioned_throughput.as_ref().map(to_provisioned).transpose()?)
        .set_on_demand_throughput(want.on_demand_throughput.as_ref().map(new_on_demand))
        .set_warm_throughput(want.warm_throughput.as_ref().map(to_warm))
        .build()
        .map_err(invalid)?;
    Ok(sdk::GlobalSecondaryIndexUpdate::builder().create(create).build())
}

/// Brings the copies in other regions to what is wished. Strong consistency is chosen in the call that makes them all; otherwise it is one copy a
/// call. Copies and witnesses of which the program never said anything are somebody else's, and stay.
pub(super) async fn update_replicas(
    dynamodb: &DynamoDb,
    cx: &Cx,
    name: &str,
    home: &str,
    want: &TableResolved,
    change: &TableChange,
) -> Result<(), CloudError> {
    let table = settled(dynamodb, cx, name).await?;
    let there = from_replicas(table.replicas(), home, None);
    let wished = want.replicas.as_deref().unwrap_or_default();
    let region = |replica: &ReplicaResolved| replica.region_name.clone();
    let have: BTreeSet<String> = there.iter().map(region).collect();
    let wanted: BTreeSet<String> = match want.replicas.is_some() || change.replicas.is_some() {
        true => wished.iter().map(region).collect(),
        false => have.clone(),
    };
    let witnesses: BTreeSet<&str> = table.global_table_witnesses().iter().filter_map(|w| w.region_name()).collect();
    let watching: BTreeSet<&str> =
        match want.global_table_witnesses.is_some() || change.global_table_witnesses.is_some() {
            true => want.global_table_witnesses.iter().flatten().map(String::as_str).collect(),
            false => witnesses.clone(),
        };
    if let Some(consistency) = set(change.multi_region_consistency.as_ref())
        && !have.is_empty()
        && table.multi_region_consistency().map_or("EVENTUAL", |c| c.as_str()) != consistency
    {
        let regions = have.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message =
            format!("the table {name} has copies in {regions}, and how they agree is chosen when they are made");
        return Err(CloudError::local(ErrorKind::Invalid, message)
            .hint("take multi_region_consistency back, or take the copies away first and make them anew"));
    }

    let mut removed: Vec<_> = have.difference(&wanted).map(|r| delete_replica(r)).collect::<Result<_, _>>()?;
    let dismissed: Vec<_> = witnesses.difference(&watching).map(|r| delete_witness(r)).collect::<Result<_, _>>()?;
    let called: Vec<_> = watching.difference(&witnesses).map(|r| create_witness(r)).collect::<Result<_, _>>()?;
    let missing = wished.iter().filter(|r| !have.contains(&r.region_name));
    let mut added: Vec<_> = missing.map(create_replica).collect::<Result<_, _>>()?;

    if !dismissed.is_empty() {
        // A witness leaves with the copy that it watches over.
        let request =
            dynamodb.update_table().set_replica_updates(Some(std::mem::take(&mut removed)).filter(|r| !r.is_empty()));
        step(dynamodb, cx, name, request.set_global_table_witness_updates(Some(dismissed))).await?;
    }
    for replica in removed {
        step(dynamodb, cx, name, dynamodb.update_table().replica_updates(replica)).await?;
    }
    let strong = want.multi_region_consistency.as_deref() == Some("STRONG");
    let consistency = want.multi_region_consistency.as_deref().map(sdk::MultiRegionConsistency::from);
    if (strong || !called.is_empty()) && !added.is_empty() {
        let request = dynamodb
            .update_table()
            .set_replica_updates(Some(std::mem::take(&mut added)))
            .set_global_table_witness_updates(Some(called).filter(|c| !c.is_empty()))
            .set_multi_region_consistency(consistency.clone().filter(|_| have.is_empty()));
        step(dynamodb, cx, name, request).await?;
    } else if !called.is_empty() {
        step(dynamodb, cx, name, dynamodb.update_table().set_global_table_witness_updates(Some(called))).await?;
    }
    let mut first = have.is_empty();
    for replica in added {
        let consistency = consistency.clone().filter(|_| std::mem::take(&mut first));
        let request = dynamodb.update_table().replica_updates(replica).set_multi_region_consistency(consistency);
        step(dynamodb, cx, name, request).await?;
    }
    for replica in wished {
        if there.iter().any(|t| t.region_name == replica.region_name && differs(t, replica)) {
            step(dynamodb, cx, name, dynamodb.update_table().replica_updates(update_replica(replica)?)).await?;
        }
    }
    Ok(())
}

/// Whether a copy is not as is wished. What AWS fills in counts only where it is wished.
fn differs(there: &ReplicaResolved, want: &ReplicaResolved) -> bool {
    let other = |want: bool, same: bool| want && !same;
    other(want.kms_master_key_id.is_some(), want.kms_master_key_id == there.kms_master_key_id)
        || other(want.table_class_override.is_some(), want.table_class_override == there.table_class_override)
        || want.read_capacity_units_override != there.read_capacity_units_override
        || want.max_read_request_units_override.filter(|u| *u >= 0) != there.max_read_request_units_override
        || want.global_secondary_indexes.as_deref().unwrap_or_default()
            != there.global_secondary_indexes.as_deref().unwrap_or_default()
}

/// Takes all copies and witnesses away, which a table must be without to be deleted.
pub(super) async fn remove_replicas(
    dynamodb: &DynamoDb,
    cx: &Cx,
    name: &str,
    home: &str,
    table: &sdk::TableDescription,
) -> Result<(), CloudError> {
    let replicas = from_replicas(table.replicas(), home, None);
    if replicas.is_empty() {
        return Ok(());
    }
    settled(dynamodb, cx, name).await?;
    let witnesses: Vec<_> = table
        .global_table_witnesses()
        .iter()
        .filter_map(|w| w.region_name())
        .map(delete_witness)
        .collect::<Result<_, _>>()?;
    let mut removed: Vec<_> = replicas.iter().map(|r| delete_replica(&r.region_name)).collect::<Result<_, _>>()?;
    let strong = table.multi_region_consistency() == Some(&sdk::MultiRegionConsistency::Strong);
    if strong || !witnesses.is_empty() {
        let request = dynamodb
            .update_table()
            .set_replica_updates(Some(std::mem::take(&mut removed)))
            .set_global_table_witness_updates(Some(witnesses).filter(|w| !w.is_empty()));
        step(dynamodb, cx, name, request).await?;
    }
    for replica in removed {
        step(dynamodb, cx, name, dynamodb.update_table().replica_updates(replica)).await?;
    }
    Ok(())
}

pub(super) async fn get_ttl(
    dynamodb: &DynamoDb,
    name: &str,
) -> Result<Option<TimeToLiveSpecificationResolved>, CloudError> {
    let send = || dynamodb.describe_time_to_live().table_name(name).send();
    let answer = dynamodb.read("DescribeTimeToLive", send).await?;
    let there = answer.time_to_live_description();
    let on = there.filter(|t| t.time_to_live_status().is_some_and(|s| matches!(s.as_str(), "ENABLED" | "ENABLING")));
    Ok(on.map(|t| TimeToLiveSpecificationResolved {
        enabled: true,
        attribute_name: t.attribute_name().unwrap_or_default().to_owned(),
    }))
}

/// DynamoDB refuses to set what is set already. Another attribute takes the place of one only after that is switched off.
pub(super) async fn put_ttl(
    dynamodb: &DynamoDb,
    name: &str,
    want: Option<&TimeToLiveSpecificationResolved>,
) -> Result<(), CloudError> {
    let there = get_ttl(dynamodb, name).await?;
    let want = want.filter(|want| want.enabled);
    if there.as_ref() == want {
        return Ok(());
    }
    let put = |enabled: bool, attribute: &str| {
        let specification = sdk::TimeToLiveSpecification::builder().enabled(enabled).attribute_name(attribute).build();
        let request =
            specification.map(|s| dynamodb.update_time_to_live().table_name(name).time_to_live_specification(s));
        async move {
            let request = request.map_err(invalid)?;
            dynamodb.write_idempotent("UpdateTimeToLive", || request.clone().send()).await.map(drop)
        }
    };
    if let Some(there) = there {
        put(false, &there.attribute_name).await.map_err(|e| {
            e.hint("DynamoDB takes up to an hour for such a change, and no other in the meantime: run it again then")
        })?;
    }
    match want {
        Some(want) => put(true, &want.attribute_name).await.map_err(|e| {
            e.hint("DynamoDB takes up to an hour for such a change, and no other in the meantime: run it again then")
        }),
        None => Ok(()),
    }
}

pub(super) async fn get_recovery(
    dynamodb: &DynamoDb,
    name: &str,
) -> Result<Option<PointInTimeRecoverySpecificationResolved>, CloudError> {
    let send = || dynamodb.describe_continuous_backups().table_name(name).send();
    let answer = dynamodb.read("DescribeContinuousBackups", send).await?;
    let there = answer.continuous_backups_description().and_then(|b| b.point_in_time_recovery_description());
    let on = there.filter(|p| p.point_in_time_recovery_status() == Some(&sdk::PointInTimeRecoveryStatus::Enabled));
    Ok(on.map(|p| PointInTimeRecoverySpecificationResolved {
        point_in_time_recovery_enabled: true,
        recovery_period_in_days: p.recovery_period_in_days(),
    }))
}

pub(super) async fn put_recovery(
    dynamodb: &DynamoDb,
    cx: &Cx,
    name: &str,
    want: Option<&PointInTimeRecoverySpecificationResolved>,
) -> Result<(), CloudError> {
    let enabled = want.is_some_and(|want| want.point_in_time_recovery_enabled);
    let days = want.and_then(|want| want.recovery_period_in_days).filter(|_| enabled);
    let specification = sdk::PointInTimeRecoverySpecification::builder()
        .point_in_time_recovery_enabled(enabled)
        .set_recovery_period_in_days(days)
        .build()
        .map_err(invalid)?;
    let request =
        dynamodb.update_continuous_backups().table_name(name).point_in_time_recovery_specification(specification);
    let send = || dynamodb.write_idempotent("UpdateContinuousBackups", || request.clone().send());
    // A new table's backups are there a little later than the table.
    let passing = |e: &CloudError| e.code.as_deref() == Some("ContinuousBackupsUnavailableException") || is_busy(e);
    wait::eventually(cx, UNTIL_FREE, passing, send).await.map(drop)
}

#[cfg(test)]
#[path = "table_update_tests.rs"]
mod tests;
