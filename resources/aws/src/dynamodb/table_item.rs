//! `aws:dynamodb:TableItem`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource, Value};

use super::item_json::{self, Item, from_item, to_item};
use super::{DynamoDb, TableName, invalid, is_gone};
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, wait};

/// BatchGetItem takes so many keys.
const KEYS: usize = 100;
/// How often what BatchGetItem had no room or no capacity for is asked for again.
const ROUNDS: usize = 20;
/// How long a new table may be unknown somewhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// An item of a table, whole: attributes that are not set are taken away.
///
/// An item bears no mark. One that is there already is taken over only if it is what is wished; another is left alone and told of.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:dynamodb:TableItem",
    terraform = "aws_dynamodb_table_item",
    identity = NaturalKey,
    unique(table_name, key),
    vanishes_with(table_name)
)]
pub struct TableItem {
    /// The table.
    #[field(replace)]
    pub table_name: Input<TableName>,
    /// The attributes of the table's key, in DynamoDB's JSON: `{"id": {"S": "a"}}`.
    #[field(json, replace, normalize = item_json::canonical)]
    pub key: Input<Json>,
    /// The other attributes: `{"count": {"N": "3"}, "names": {"SS": ["x", "y"]}}`. Bytes are base64.
    #[field(json, normalize = item_json::canonical)]
    pub item: Option<Input<Json>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct TableItemOutputs {
    /// Table and key: `jobs/{"id":{"S":"a"}}`.
    pub id: String,
}

impl Manage for TableItem {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let mut tables: BTreeMap<&str, BTreeMap<String, Item>> = BTreeMap::new();
        for (table, key) in targets.iter().filter_map(|t| split(t.id).ok()) {
            tables.entry(table).or_default().insert(id(table, &key), key);
        }
        let chunks = tables.iter().flat_map(|(table, keys)| {
            let keys: Vec<(&String, &Item)> = keys.iter().collect();
            let chunks: Vec<_> = keys.chunks(KEYS).map(<[_]>::to_vec).collect();
            chunks.into_iter().map(|chunk| (*table, chunk))
        });
        let answers = batch::each(chunks, |(table, keys)| async move {
            let answer = match get(dynamodb, table, keys.iter().map(|(_, key)| (*key).clone()).collect()).await {
                // With its table, every item is gone.
                Err(error) if is_gone(&error) => Ok(Vec::new()),
                answer => answer,
            };
            let ids: Vec<String> = keys.iter().map(|(id, _)| (*id).clone()).collect();
            let names: Vec<Vec<String>> = keys.iter().map(|(_, key)| key.keys().cloned().collect()).collect();
            Ok((table, ids, names, answer))
        });
        let mut found: HashMap<String, Result<Item, CloudError>> = HashMap::new();
        for (table, ids, names, answer) in answers.await? {
            match answer {
                // All keys of a table have the same attributes.
                Ok(items) => {
                    let names = names.into_iter().next().unwrap_or_default();
                    found.extend(items.into_iter().map(|item| (id(table, &of_names(&item, &names)), Ok(item))));
                }
                Err(error) => found.extend(ids.into_iter().map(|id| (id, Err(error.clone())))),
            }
        }
        let shown = |target: &Target<'_>| {
            let (table, key) = match split(target.id) {
                Ok(parts) => parts,
                Err(error) => return Found::Failed(error),
            };
            match found.get(&id(table, &key)) {
                None => Found::Gone,
                Some(Err(error)) => Found::Failed(error.clone()),
                Some(Ok(item)) => present(target.id, table, &key, item),
            }
        };
        Ok(targets.iter().map(shown).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &TableItemResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let (key, item) = whole(want)?;
        // Of an item that is there, no key attribute is missing.
        let name = key.keys().next().cloned().ok_or_else(|| invalid("the key has no attributes"))?;
        let request = dynamodb
            .put_item()
            .table_name(want.table_name.as_str())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#key)")
            .expression_attribute_names("#key", name);
        let send = || dynamodb.write("PutItem", || request.clone().send());
        match wait::eventually(cx, UNTIL_KNOWN, is_gone, send).await {
            Ok(_) => Ok(created(want, &key)),
            Err(error) if error.code.as_deref() == Some("ConditionalCheckFailedException") => {
                let taken = CloudError { kind: ErrorKind::AlreadyExists, ..error };
                let taken = taken.hint("adopt it with `phx import`, or delete it if nothing needs it any more");
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _id: &str,
        want: &TableItemResolved,
        _change: &TableItemChange,
    ) -> Result<Option<TableItemOutputs>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let request = dynamodb.put_item().table_name(want.table_name.as_str()).set_item(Some(whole(want)?.1));
        dynamodb.write_idempotent("PutItem", || request.clone().send()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&TableItemResolved>) -> Result<(), CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let (table, key) = split(id)?;
        let request = dynamodb.delete_item().table_name(table).set_key(Some(key));
        match dynamodb.write_idempotent("DeleteItem", || request.clone().send()).await {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &TableItemResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let dynamodb = &aws.dynamodb(cx).await?;
        let (key, item) = whole(want)?;
        let there = match get(dynamodb, want.table_name.as_str(), vec![key.clone()]).await {
            Err(error) if is_gone(&error) => return Ok(None),
            there => there?,
        };
        let same =
            |there: &Item| item_json::canonical(&from_item(there).0) == item_json::canonical(&from_item(&item).0);
        Ok(there.iter().any(same).then(|| created(want, &key)))
    }
}

/// The key, and the item with it.
fn whole(want: &TableItemResolved) -> Result<(Item, Item), CloudError> {
    let key = to_item(&want.key)?;
    let mut item = want.item.as_ref().map(to_item).transpose()?.unwrap_or_default();
    item.extend(key.clone());
    Ok((key, item))
}

fn created(want: &TableItemResolved, key: &Item) -> Created<TableItem> {
    let id = id(want.table_name.as_str(), key);
    Created { outputs: TableItemOutputs { id: id.clone() }, id, complete: true }
}

/// Table and key. A table's name has no slash, and equal keys give equal text.
fn id(table: &str, key: &Item) -> String {
    format!("{table}/{}", Json(item_json::canonical(&from_item(key).0)).to_text())
}

fn split(id: &str) -> Result<(&str, Item), CloudError> {
    let malformed = || {
        CloudError::local(ErrorKind::Invalid, format!("{id:?} names no item"))
            .hint(r#"write it as TABLE/KEY: jobs/{"id":{"S":"a"}}"#)
    };
    let (table, key) = id.split_once('/').ok_or_else(malformed)?;
    let key = to_item(&Json(Value::String(key.into()))).map_err(|_| malformed())?;
    if table.is_empty() || key.is_empty() { Err(malformed()) } else { Ok((table, key)) }
}

/// Those attributes of an item that are called so.
fn of_names(item: &Item, names: &[String]) -> Item {
    names.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
}

fn present(id: &str, table: &str, key: &Item, item: &Item) -> Found<TableItem> {
    let others: Vec<_> = item.iter().filter(|(name, _)| !key.contains_key(*name)).collect();
    let fields = TableItemResolved {
        table_name: TableName::new(table),
        key: from_item(key),
        item: (!others.is_empty()).then(|| from_item(others)),
    };
    Found::present(fields, TableItemOutputs { id: id.to_owned() })
}

/// Those of a table's items that are there, as they are now.
async fn get(dynamodb: &DynamoDb, table: &str, keys: Vec<Item>) -> Result<Vec<Item>, CloudError> {
    let (mut left, mut items) = (keys, Vec::new());
    let mut pause = wait::Steps::default();
    for _ in 0..ROUNDS {
        let asked = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build().map_err(invalid)?;
        let request = dynamodb.batch_get_item().request_items(table, asked);
        let answer = dynamodb.read("BatchGetItem", || request.clone().send()).await?;
        items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
        let unprocessed = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, keys)| keys.keys);
        left = unprocessed.collect();
        if left.is_empty() {
            return Ok(items);
        }
        tokio::time::sleep(pause.next().unwrap_or_default()).await;
    }
    let message = format!("DynamoDB does not get round to {} of the items of {table}", left.len());
    Err(CloudError { kind: ErrorKind::Throttled, ..dynamodb.unexpected("BatchGetItem", message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_table_and_key() {
        let key = to_item(&Json::parse(r#"{"b":{"N":"1.0"},"a":{"S":"x/y"}}"#).unwrap()).unwrap();
        let id = id("jobs", &key);
        assert_eq!(id, r#"jobs/{"a":{"S":"x/y"},"b":{"N":"1"}}"#);
        let (table, back) = split(&id).unwrap();
        assert_eq!((table, back.len()), ("jobs", 2));
        for bad in ["jobs", "jobs/", "jobs/x", r#"/{"a":{"S":"x"}}"#, "jobs/{}"] {
            assert_eq!(split(bad).unwrap_err().kind, ErrorKind::Invalid, "{bad}");
        }
    }
}
