//! `aws:dynamodb:Table`.
//!
//! No emulator keeps a table, an index or a replica on its way, serves witnesses or strong consistency, or tells warm throughput; those parts
//! follow the service model, and scripted answers.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource, Value};

use super::table_blocks::*;
use super::table_convert::*;
use super::table_update::{self as changes, describe, settled};
use super::{DynamoDb, TableName, invalid, is_gone};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::key_as_set;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::wait::{self, Stage, until};
use crate::{batch, owner, policy};

/// How long changes may be in the way of a deletion.
const UNTIL_FREE: Duration = Duration::from_secs(600);
/// How long a new role may be unknown to whoever checks a policy.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// A table of items.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:dynamodb:Table",
    terraform = "aws_dynamodb_table",
    cloudformation = "AWS::DynamoDB::Table",
    identity = NaturalKey,
    unique(table_name)
)]
pub struct Table {
    /// The name, unique in account and region.
    #[field(replace)]
    pub table_name: Input<String>,
    /// The attributes that the keys of the table and of its indexes are made of, and no others. The type of one that is a part of the
    /// table's own key or of a local index's cannot be changed; other indexes by it are made anew.
    #[field(set, cloud_default)]
    pub attribute_definitions: Option<Input<Vec<AttributeDefinition>>>,
    /// The key of its items: a `HASH` part, then perhaps a `RANGE` part. Only a copy of another account's table goes without.
    #[field(replace, cloud_default)]
    pub key_schema: Option<Input<Vec<KeySchemaElement>>>,
    /// Indexes that sort each partition by other attributes, up to 5.
    #[field(replace, set)]
    pub local_secondary_indexes: Option<Input<Vec<LocalSecondaryIndex>>>,
    /// Indexes by other attributes, up to 20.
    #[field(set)]
    pub global_secondary_indexes: Option<Input<Vec<GlobalSecondaryIndex>>>,
    /// `PROVISIONED` (which it is unset; `provisioned_throughput` is paid for) or `PAY_PER_REQUEST` (what is used is paid for).
    #[field(cloud_default)]
    pub billing_mode: Option<Input<String>>,
    /// How much can be read and written in a second. Set if `billing_mode` is `PROVISIONED`.
    #[field(cloud_default)]
    pub provisioned_throughput: Option<Input<ProvisionedThroughput>>,
    /// How much can be read and written in a second at most, with `PAY_PER_REQUEST`. Unset, without limit.
    pub on_demand_throughput: Option<Input<OnDemandThroughput>>,
    /// How much can be read and written at once without a start.
    #[field(cloud_default)]
    pub warm_throughput: Option<Input<WarmThroughput>>,
    /// Whether changes to items can be followed. Unset, they cannot.
    #[field(normalize = disabled_is_unset)]
    pub stream_specification: Option<Input<StreamSpecification>>,
    /// How items are encrypted. Unset, with a key of DynamoDB's own.
    #[field(normalize = disabled_is_unset)]
    pub sse_specification: Option<Input<SseSpecification>>,
    /// `STANDARD` (which it is unset) or `STANDARD_INFREQUENT_ACCESS`.
    #[field(cloud_default)]
    pub table_class: Option<Input<String>>,
    /// Whether the table cannot be deleted, by phx neither, until this is set to false.
    #[field(cloud_default)]
    pub deletion_protection_enabled: Option<Input<bool>>,
    /// Who may do what with the table, beside what their own policies say.
    #[field(json, normalize = policy::canonical)]
    pub resource_policy: Option<Input<Json>>,
    /// Which attribute says when an item is deleted. Unset, none does.
    #[field(normalize = disabled_is_unset)]
    pub time_to_live_specification: Option<Input<TimeToLiveSpecification>>,
    /// Whether the table can be brought back as it was at any time of the last days. Unset, it cannot.
    #[field(normalize = disabled_is_unset)]
    pub point_in_time_recovery_specification: Option<Input<PointInTimeRecoverySpecification>>,
    /// The table's copies in other regions. They need a stream with `NEW_AND_OLD_IMAGES`.
    #[field(set)]
    pub replicas: Option<Input<Vec<Replica>>>,
    /// Regions that hold no copy but are asked when others disagree, for `STRONG` consistency.
    #[field(set)]
    pub global_table_witnesses: Option<Input<Vec<String>>>,
    /// How copies agree: `EVENTUAL` (which it is unset) or `STRONG`. It is chosen when the first copies are made.
    #[field(cloud_default)]
    pub multi_region_consistency: Option<Input<String>>,
    /// Whether copies take over the table's settings: `ENABLED`, `DISABLED` or `ENABLED_WITH_OVERRIDES`.
    #[field(cloud_default)]
    pub global_table_settings_replication_mode: Option<Input<String>>,
    /// The table of another account that this is a copy of.
    #[field(replace, write_only, cloud_default)]
    pub global_table_source_arn: Option<Input<Arn>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct TableOutputs {
    /// The name, by which other types refer to the table.
    pub table_name: TableName,
    /// The ARN.
    pub arn: Arn,
    /// The id, which no other table will ever have, even one of the same name.
    pub table_id: Option<String>,
    /// The ARN of its stream, if it has one.
    #[output(volatile)]
    pub stream_arn: Option<Arn>,
}

impl Manage for Table {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let region = &aws.region(&cx.provider).await?;
        let tables = batch::each(targets, |target| async { Ok(read(dynamodb, region, target).await) }).await?;
        let arn = |at: usize| match &tables[at] {
            Found::Present { outputs, .. } => Some(outputs.arn.to_string()),
            _ => None,
        };
        let ask = |_, arn: String| async move { list_tags(dynamodb, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let tagged = tables.into_iter().enumerate().map(|(at, found)| match found {
            Found::Present { mut fields, outputs } => tagged::with(tags.remove(&at), |tags| {
                fields.tags = tags;
                Found::Present { fields, outputs }
            }),
            other => other,
        });
        Ok(tagged.collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &TableResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let global = want.global_secondary_indexes.as_ref().filter(|indexes| !indexes.is_empty());
        let local = want.local_secondary_indexes.as_ref().filter(|indexes| !indexes.is_empty());
        let mode = want.global_table_settings_replication_mode.as_deref();
        let request = dynamodb
            .create_table()
            .table_name(&want.table_name)
            .set_attribute_definitions(want.attribute_definitions.as_ref().map(|a| to_attributes(a)).transpose()?)
            .set_key_schema(want.key_schema.as_ref().map(|key| to_key(key)).transpose()?)
            .set_local_secondary_indexes(local.map(|indexes| to_local(indexes)).transpose()?)
            .set_global_secondary_indexes(global.map(|indexes| to_global(indexes)).transpose()?)
            .set_billing_mode(want.billing_mode.as_deref().map(sdk::BillingMode::from))
            .set_provisioned_throughput(want.provisioned_throughput.as_ref().map(to_provisioned).transpose()?)
            .set_on_demand_throughput(want.on_demand_throughput.as_ref().map(new_on_demand))
            .set_warm_throughput(want.warm_throughput.as_ref().map(to_warm))
            .set_stream_specification(want.stream_specification.as_ref().map(to_stream).transpose()?)
            .set_sse_specification(want.sse_specification.as_ref().map(|sse| to_sse(Some(sse))))
            .set_table_class(want.table_class.as_deref().map(sdk::TableClass::from))
            .set_deletion_protection_enabled(want.deletion_protection_enabled)
            .set_resource_policy(want.resource_policy.as_ref().map(policy::text))
            .set_global_table_source_arn(want.global_table_source_arn.as_ref().map(Arn::to_string))
            .set_global_table_settings_replication_mode(mode.map(sdk::GlobalTableSettingsReplicationMode::from))
            .set_tags(Some(to_tags(&with_intent(&want.tags, intent))?));
        let send = || dynamodb.write("CreateTable", || request.clone().send());
        let limited = |e: &CloudError| e.code.as_deref() == Some("LimitExceededException");
        let mut answer = wait::eventually(cx, UNTIL_FREE, limited, send).await;
        if let Err(error) = &answer
            && is_taken(error)
        {
            // Perhaps this very intent's, made by a call whose answer was lost; or one that is just being deleted.
            if let Some(made) = Self::find(aws, cx, want, intent).await? {
                return Ok(made);
            }
            gone(dynamodb, cx, &want.table_name).await?;
            answer = wait::eventually(cx, UNTIL_FREE, limited, send).await;
        }
        let table = answer.map_err(taken)?.table_description;
        let outputs = table.as_ref().and_then(outputs);
        let outputs = outputs.ok_or_else(|| dynamodb.unexpected("CreateTable", "the answer describes no table"))?;
        Ok(Created { id: want.table_name.clone(), outputs, complete: false })
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &TableResolved) -> Result<Option<TableOutputs>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let mut table = settled(dynamodb, cx, id).await?;
        if let Some(ttl) = &want.time_to_live_specification {
            changes::put_ttl(dynamodb, id, Some(ttl)).await?;
        }
        if let Some(recovery) = &want.point_in_time_recovery_specification {
            changes::put_recovery(dynamodb, cx, id, Some(recovery)).await?;
        }
        if want.replicas.is_some() || want.global_table_witnesses.is_some() {
            let (region, all_new) = (aws.region(&cx.provider).await?, TableChange::default());
            changes::update_replicas(dynamodb, cx, id, &region, want, &all_new).await?;
            table = settled(dynamodb, cx, id).await?;
        }
        Ok(outputs(&table))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &TableResolved,
        change: &TableChange,
    ) -> Result<Option<TableOutputs>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let before = settled(dynamodb, cx, id).await?;
        key_stays(&before, want)?;
        if change.global_secondary_indexes.is_none() {
            all_used(&before, want)?;
        }
        changes::update(dynamodb, cx, &before, &aws.region(&cx.provider).await?, want, change).await?;
        if let Some(ttl) = &change.time_to_live_specification {
            changes::put_ttl(dynamodb, id, ttl.after.as_ref()).await?;
        }
        if let Some(recovery) = &change.point_in_time_recovery_specification {
            changes::put_recovery(dynamodb, cx, id, recovery.after.as_ref()).await?;
        }
        let arn = before.table_arn().unwrap_or_default();
        if let Some(change) = &change.resource_policy {
            put_policy(dynamodb, cx, arn, change.after.as_ref()).await?;
        }
        if let Some(change) = &change.tags {
            update_tags(dynamodb, arn, TagDelta::of(change)).await?;
        }
        match change.stream_specification {
            Some(_) => Ok(describe(dynamodb, id).await?.as_ref().and_then(outputs)),
            None => Ok(None),
        }
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&TableResolved>) -> Result<(), CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let Some(table) = describe(dynamodb, id).await? else { return Ok(()) };
        if table.deletion_protection_enabled() == Some(true) {
            return Err(CloudError::local(ErrorKind::InUse, format!("the table {id} is protected from deletion"))
                .hint("set deletion_protection_enabled to false first"));
        }
        if table.table_status() != Some(&sdk::TableStatus::Deleting) {
            let region = aws.region(&cx.provider).await?;
            copies_are_own(&table, &region, was)?;
            changes::remove_replicas(dynamodb, cx, id, &region, &table).await?;
            let request = dynamodb.delete_table().table_name(id);
            let send = || dynamodb.write_idempotent("DeleteTable", || request.clone().send());
            let busy =
                |e: &CloudError| matches!(e.code.as_deref(), Some("ResourceInUseException" | "LimitExceededException"));
            match wait::eventually(cx, UNTIL_FREE, busy, send).await {
                Err(error) if is_gone(&error) => return Ok(()),
                done => done?,
            };
        }
        gone(dynamodb, cx, id).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &TableResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let Some(table) = describe(dynamodb, &want.table_name).await? else { return Ok(None) };
        let Some(outputs) = outputs(&table).filter(|_| !is_leaving(&table)) else { return Ok(None) };
        let tags = match list_tags(dynamodb, outputs.arn.as_str()).await {
            Err(error) if is_gone(&error) => return Ok(None),
            tags => tags?,
        };
        owner::check(&format!("the table {}", want.table_name), &tags, intent)?;
        Ok(Some(Created { id: want.table_name.clone(), outputs, complete: false }))
    }
}

/// What DynamoDB says of a name that a table has already.
fn is_taken(error: &CloudError) -> bool {
    error.code.as_deref() == Some("ResourceInUseException") || error.kind == ErrorKind::AlreadyExists
}

fn taken(error: CloudError) -> CloudError {
    if is_taken(&error) { CloudError { kind: ErrorKind::AlreadyExists, ..error } } else { error }
}

fn is_leaving(table: &sdk::TableDescription) -> bool {
    table.table_status() == Some(&sdk::TableStatus::Deleting)
}

async fn gone(dynamodb: &DynamoDb, cx: &Cx, name: &str) -> Result<(), CloudError> {
    until(cx, &format!("table {name}"), || async {
        Ok(match describe(dynamodb, name).await? {
            None => Stage::Ready(()),
            Some(_) => Stage::Waiting("being deleted".to_owned()),
        })
    })
    .await
}

fn outputs(table: &sdk::TableDescription) -> Option<TableOutputs> {
    let streams = table.stream_specification().is_some_and(|s| s.stream_enabled());
    Some(TableOutputs {
        table_name: TableName::new(table.table_name()?),
        arn: Arn::new(table.table_arn()?),
        table_id: table.table_id().map(str::to_owned),
        stream_arn: table.latest_stream_arn().filter(|_| streams).map(Arn::new),
    })
}

/// DynamoDB would say that an attribute is used otherwise, which does not tell what to do.
fn key_stays(there: &sdk::TableDescription, want: &TableResolved) -> Result<(), CloudError> {
    let kind_of = |name: &str| there.attribute_definitions().iter().find(|a| a.attribute_name() == name);
    let local = there.local_secondary_indexes().iter().flat_map(|index| index.key_schema());
    for key in there.key_schema().iter().chain(local) {
        let wished = want.attribute_definitions.iter().flatten().find(|a| a.attribute_name == key.attribute_name());
        if let (Some(wished), Some(is)) = (wished, kind_of(key.attribute_name()))
            && wished.attribute_type != is.attribute_type().as_str()
        {
            let message = format!(
                "{} is a part of the key of the table or of a local index, so its type cannot be changed",
                key.attribute_name()
            );
            return Err(CloudError::local(ErrorKind::Invalid, message).hint("make a table of another name"));
        }
    }
    Ok(())
}

/// An attribute is defined together with the index that uses it, and otherwise not at all.
fn all_used(there: &sdk::TableDescription, want: &TableResolved) -> Result<(), CloudError> {
    let known = |name: &str| there.attribute_definitions().iter().any(|a| a.attribute_name() == name);
    match want.attribute_definitions.iter().flatten().find(|a| !known(&a.attribute_name)) {
        Some(unused) => {
            let message = format!("no key of the table or of its indexes has the attribute {}", unused.attribute_name);
            Err(CloudError::local(ErrorKind::Invalid, message).hint("take it out of attribute_definitions"))
        }
        None => Ok(()),
    }
}

/// The copies go with the table, but not those of which the program never said anything: they are tables of their own with all of the data.
fn copies_are_own(there: &sdk::TableDescription, home: &str, was: Option<&TableResolved>) -> Result<(), CloudError> {
    let own = |region: &str| was.is_none_or(|was| was.replicas.iter().flatten().any(|r| r.region_name == region));
    let copies = from_replicas(there.replicas(), home, None);
    let others: Vec<&str> = copies.iter().map(|r| r.region_name.as_str()).filter(|region| !own(region)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let name = there.table_name().unwrap_or_default();
    let message = format!("the table {name} has copies that the program does not name, in {}", others.join(", "));
    Err(CloudError::local(ErrorKind::InUse, message)
        .hint("delete them first, or name them in replicas and run `phx up` before deleting the table"))
}

async fn read(dynamodb: &DynamoDb, region: &str, target: &Target<'_>) -> Found<Table> {
    match read_parts(dynamodb, region, target).await {
        Ok(found) => found,
        Err(error) if is_gone(&error) => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

async fn read_parts(dynamodb: &DynamoDb, region: &str, target: &Target<'_>) -> Result<Found<Table>, CloudError> {
    let Some(table) = describe(dynamodb, target.id).await? else { return Ok(Found::Gone) };
    if is_leaving(&table) {
        return Ok(Found::Gone);
    }
    let outputs = outputs(&table);
    let outputs = outputs.ok_or_else(|| dynamodb.unexpected("DescribeTable", "the answer names no table"))?;
    let wants = |field| target.wants(field);
    let (ttl, recovery, policy) = futures::try_join!(
        async {
            if wants("time_to_live_specification") { changes::get_ttl(dynamodb, target.id).await } else { Ok(None) }
        },
        async {
            let wanted = wants("point_in_time_recovery_specification");
            if wanted { changes::get_recovery(dynamodb, target.id).await } else { Ok(None) }
        },
        async { if wants("resource_policy") { get_policy(dynamodb, outputs.arn.as_str()).await } else { Ok(None) } },
    )?;
    let mut fields = fields(&table, region, target);
    fields.time_to_live_specification = ttl;
    fields.point_in_time_recovery_specification = recovery;
    fields.resource_policy = policy;
    Ok(Found::present(fields, outputs))
}

/// The fields, without those that have calls of their own.
fn fields(table: &sdk::TableDescription, region: &str, target: &Target<'_>) -> TableResolved {
    let wanted = |field: &str| target.inputs.get(field);
    let warm = table.warm_throughput().map(|w| (w.read_units_per_second(), w.write_units_per_second()));
    let global = from_global(table.global_secondary_indexes(), wanted("global_secondary_indexes"));
    let replicas = from_replicas(table.replicas(), region, wanted("replicas"));
    let witnesses: Vec<String> =
        table.global_table_witnesses().iter().filter_map(|w| w.region_name().map(str::to_owned)).collect();
    let text = |text: &str| Some(text.to_owned());
    // DynamoDB says nothing of what a table has been from the beginning, if it is the usual.
    let billing =
        table.billing_mode_summary().and_then(|b| b.billing_mode()).map_or("PROVISIONED", |mode| mode.as_str());
    let class = table.table_class_summary().and_then(|c| c.table_class()).map_or("STANDARD", |class| class.as_str());
    TableResolved {
        table_name: target.id.to_owned(),
        attribute_definitions: Some(from_attributes(table.attribute_definitions())),
        key_schema: Some(from_key(table.key_schema())),
        local_secondary_indexes: from_local(table.local_secondary_indexes(), wanted("local_secondary_indexes")),
        global_secondary_indexes: Some(global).filter(|indexes| !indexes.is_empty()),
        billing_mode: text(billing),
        provisioned_throughput: from_provisioned(table.provisioned_throughput()),
        on_demand_throughput: from_on_demand(table.on_demand_throughput()),
        warm_throughput: from_warm(warm.unwrap_or_default(), wanted("warm_throughput")),
        stream_specification: from_stream(table.stream_specification()),
        sse_specification: from_sse(table.sse_description()).map(|sse| {
            let set = wanted("sse_specification").and_then(|set| match set.expose() {
                Value::Map(parts) => parts.get("kms_master_key_id"),
                _ => None,
            });
            let key = key_as_set(set, sse.kms_master_key_id.as_ref().map(Arn::as_str));
            SseSpecificationResolved { kms_master_key_id: key, ..sse }
        }),
        table_class: text(class),
        deletion_protection_enabled: Some(table.deletion_protection_enabled().unwrap_or(false)),
        resource_policy: None,
        time_to_live_specification: None,
        point_in_time_recovery_specification: None,
        replicas: Some(replicas).filter(|replicas| !replicas.is_empty()),
        global_table_witnesses: Some(witnesses).filter(|witnesses| !witnesses.is_empty()),
        multi_region_consistency: table.multi_region_consistency().and_then(|c| text(c.as_str())),
        global_table_settings_replication_mode: table
            .global_table_settings_replication_mode()
            .and_then(|mode| text(mode.as_str())),
        global_table_source_arn: None,
        tags: BTreeMap::new(),
    }
}

async fn get_policy(dynamodb: &DynamoDb, arn: &str) -> Result<Option<Json>, CloudError> {
    let send = || dynamodb.get_resource_policy().resource_arn(arn).send();
    match dynamodb.read("GetResourcePolicy", send).await {
        Ok(answer) => Ok(answer.policy.filter(|text| !text.is_empty()).map(|text| policy::parse(&text))),
        Err(error) if error.code.as_deref() == Some("PolicyNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

async fn put_policy(dynamodb: &DynamoDb, cx: &Cx, arn: &str, want: Option<&Json>) -> Result<(), CloudError> {
    let Some(want) = want else {
        let send = || dynamodb.delete_resource_policy().resource_arn(arn).send();
        return match dynamodb.write_idempotent("DeleteResourcePolicy", send).await {
            Err(error) if error.code.as_deref() != Some("PolicyNotFoundException") => Err(error),
            _ => Ok(()),
        };
    };
    let request = dynamodb.put_resource_policy().resource_arn(arn).policy(policy::text(want));
    let send = || dynamodb.write_idempotent("PutResourcePolicy", || request.clone().send());
    // A role that the policy names may have been made a moment ago.
    let passing = |e: &CloudError| e.kind == ErrorKind::Invalid && e.message.to_ascii_lowercase().contains("principal");
    wait::eventually(cx, UNTIL_KNOWN, passing, send).await.map(drop)
}

fn to_tags(tags: &TagMap) -> Result<Vec<sdk::Tag>, CloudError> {
    let tag = |(key, value): (&String, &String)| sdk::Tag::builder().key(key).value(value).build().map_err(invalid);
    tags.iter().map(tag).collect()
}

async fn list_tags(dynamodb: &DynamoDb, arn: &str) -> Result<TagMap, CloudError> {
    let tags = batch::pages(|token| async move {
        let request = dynamodb.list_tags_of_resource().resource_arn(arn).set_next_token(token);
        let answer = dynamodb.read("ListTagsOfResource", || request.clone().send()).await?;
        Ok((answer.tags.unwrap_or_default(), answer.next_token))
    });
    Ok(tags.await?.into_iter().map(|t| (t.key, t.value)).collect())
}

async fn update_tags(dynamodb: &DynamoDb, arn: &str, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a table has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = dynamodb.untag_resource().resource_arn(arn).set_tag_keys(Some(keys));
        dynamodb.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = dynamodb.tag_resource().resource_arn(arn).set_tags(Some(to_tags(&delta.set)?));
        dynamodb.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}
