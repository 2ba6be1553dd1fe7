//! What stands in the DynamoDB table, and the requests to it.
//!
//! All items of a stack have one partition key, `<bucket>/<prefix>/<project>/<stack>`, and these sort keys:
//!
//! | sort key | holds |
//! |---|---|
//! | `stack#head` | `head`: the sealed head line ([`Head`]) |
//! | `stack#lease` | who has the lease: see [`LeaseItem`] |
//! | `journal#<serial>#<seq>` | one batch: `lines`, chained and sealed as in every journal, or `spill`, the SHA-256 of the object that has them |
//! | `history#<generation>#<n>` | `operation`: one sealed line of the history |
//!
//! Numbers in keys have 20 digits, so that their order is that of the numbers. Every item that is written beside the lease also has `write`, the
//! random name of the write, so that whoever wrote it recognises it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::RequestId as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, Put, TransactWriteItem, Update, WriteRequest};
use jiff::Timestamp;
use phx_model::state::FORMAT;
use phx_model::store::Lease;

use super::call::{Calls, Failure, Kind, Patience};
use super::lease::Held;
use crate::wire::{self, Head, Unreadable};

pub(super) type Item = HashMap<String, AttributeValue>;

/// The name of the partition key's attribute.
pub(super) const PARTITION: &str = "pk";
/// The name of the sort key's attribute.
pub(super) const SORT: &str = "sk";
pub(super) const HEAD: &str = "stack#head";
pub(super) const LEASE: &str = "stack#lease";
/// How many items one request deletes.
const DELETED_AT_ONCE: usize = 25;

/// The key of the batch that begins with line `seq` of the journal after checkpoint `serial`.
pub(super) fn journal_key(serial: u64, seq: u64) -> String {
    format!("journal#{serial:020}#{seq:020}")
}

/// The numbers in a [`journal_key`].
pub(super) fn journal_numbers(key: &str) -> Option<(u64, u64)> {
    let (serial, seq) = key.strip_prefix("journal#")?.split_once('#')?;
    Some((serial.parse().ok()?, seq.parse().ok()?))
}

/// The key of the `n`-th operation that was recorded under a lease.
pub(super) fn history_key(generation: u64, n: u64) -> String {
    format!("history#{generation:020}#{n:020}")
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A text attribute.
pub(super) fn text_of<'i>(item: &'i Item, name: &str) -> Result<&'i str, Unreadable> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        Some(_) => Err(Unreadable::Damaged(format!("its attribute {name:?} is not a text"))),
        None => Err(Unreadable::Damaged(format!("its attribute {name:?} is missing"))),
    }
}

/// A number attribute.
pub(super) fn number_of(item: &Item, name: &str) -> Result<u64, Unreadable> {
    match item.get(name) {
        Some(AttributeValue::N(number)) => {
            number.parse().map_err(|_| Unreadable::Damaged(format!("its attribute {name:?} is not a whole number")))
        }
        Some(_) => Err(Unreadable::Damaged(format!("its attribute {name:?} is not a number"))),
        None => Err(Unreadable::Damaged(format!("its attribute {name:?} is missing"))),
    }
}

/// Refuses an item of a newer format before anything else of it is looked at.
pub(super) fn known(item: &Item) -> Result<(), Unreadable> {
    match number_of(item, "format")? {
        found if (1..=u64::from(FORMAT)).contains(&found) => Ok(()),
        0 => Err(Unreadable::Damaged("its format is 0, which there never was".into())),
        newer => Err(Unreadable::Newer(newer)),
    }
}

/// The head as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadItem {
    pub(super) head: Head,
    /// The stored line, which the next head's condition names.
    pub(super) line: String,
}

impl HeadItem {
    pub(super) fn decode(item: &Item) -> Result<Self, Unreadable> {
        known(item)?;
        let line = text_of(item, "head")?.to_owned();
        Ok(Self { head: Head::decode(line.as_bytes())?, line })
    }
}

/// The lease as it stands in the table.
///
/// `generation` and `nonce` (a random name of this taking of the lease) are what every write is conditional on; `renewals` counts up with every
/// renewal and every append, and is what a contender watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseItem {
    /// The lease; `expires` is when it was last renewed, by its holder's clock, plus its duration. For people: nothing is decided by it.
    pub(super) lease: Lease,
    pub(super) nonce: String,
    pub(super) renewals: u64,
    /// `false`: it was given back.
    pub(super) held: bool,
    /// How long it lasts without being renewed.
    pub(super) ttl: Duration,
    /// The serial of the journal that was last written, and the number of its last line: a journal that ends earlier has lost its end.
    pub(super) tail: Option<(u64, u64)>,
}

impl LeaseItem {
    fn encode(&self, partition: &str, renewed: Timestamp) -> Result<Item, Failure> {
        let lease = Lease { expires: None, ..self.lease.clone() };
        let line = wire::encode_lease(&lease).map_err(|e| Failure::new(Kind::Refused, e.to_string()))?;
        let line = String::from_utf8(line).map_err(|e| Failure::new(Kind::Refused, e.to_string()))?;
        let mut item = Item::from([
            (PARTITION.into(), text(partition)),
            (SORT.into(), text(LEASE)),
            ("format".into(), number(FORMAT.into())),
            ("lease".into(), text(line)),
            ("generation".into(), number(self.lease.generation)),
            ("nonce".into(), text(&self.nonce)),
            ("renewals".into(), number(self.renewals)),
            ("renewed".into(), text(renewed.to_string())),
            ("held".into(), AttributeValue::Bool(self.held)),
            ("ttl_ms".into(), number(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX))),
        ]);
        if let Some(tail) = self.tail {
            item.insert("tail".into(), text(tail_text(tail)));
        }
        Ok(item)
    }

    pub(super) fn decode(item: &Item) -> Result<Self, Unreadable> {
        known(item)?;
        let lease = wire::decode_lease(text_of(item, "lease")?.as_bytes())?;
        if number_of(item, "generation")? != lease.generation {
            return Err(Unreadable::Damaged("its generation is not the one that its lease line has".into()));
        }
        let damaged = |name: &str| Unreadable::Damaged(format!("its attribute {name:?} is not what phx writes there"));
        let Some(AttributeValue::Bool(held)) = item.get("held") else { return Err(damaged("held")) };
        let ttl = Duration::from_millis(number_of(item, "ttl_ms")?);
        let renewed: Timestamp = text_of(item, "renewed")?.parse().map_err(|_| damaged("renewed"))?;
        let tail = match item.get("tail") {
            None => None,
            Some(_) => Some(tail_numbers(text_of(item, "tail")?).ok_or_else(|| damaged("tail"))?),
        };
        Ok(Self {
            lease: Lease { expires: renewed.checked_add(ttl).ok(), ..lease },
            nonce: text_of(item, "nonce")?.to_owned(),
            renewals: number_of(item, "renewals")?,
            held: *held,
            ttl,
            tail,
        })
    }

    /// Whether nobody has renewed or taken it since `earlier` was read.
    pub(super) fn unchanged_since(&self, earlier: &Self) -> bool {
        (&self.nonce, self.renewals, self.held) == (&earlier.nonce, earlier.renewals, earlier.held)
    }
}

fn tail_text((serial, seq): (u64, u64)) -> String {
    format!("{serial}#{seq}")
}

fn tail_numbers(text: &str) -> Option<(u64, u64)> {
    let (serial, seq) = text.split_once('#')?;
    Some((serial.parse().ok()?, seq.parse().ok()?))
}

/// What has to stand in an item's place for it to be written.
#[derive(Clone, Debug)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// An item whose `head` is this.
    Head(String),
    /// Anything. Only for going back from damage.
    Anything,
}

impl Before {
    /// Whether this stands there.
    pub(super) fn is(&self, found: Option<&Item>) -> bool {
        match self {
            Self::Nothing => found.is_none(),
            Self::Head(line) => found.is_some_and(|item| text_of(item, "head") == Ok(line)),
            Self::Anything => true,
        }
    }
}

/// What a write says of the lease that it renews. The same in each attempt at one write: DynamoDB takes a request for a repetition by its token, and
/// refuses one that says something else under the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    /// When, by this machine's clock.
    pub(super) at: Timestamp,
    /// The last line of the journal from now on, if it changes: see [`LeaseItem::tail`].
    pub(super) tail: Option<(u64, u64)>,
}

/// One table, and the requests to it. Reads are strongly consistent.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Table {
    /// One item.
    pub(super) async fn get(
        &self,
        calls: &Calls,
        patience: &Patience,
        partition: &str,
        sort: &str,
    ) -> Result<Option<Item>, Failure> {
        let send = || async {
            let request = self.client.get_item().table_name(&self.name).consistent_read(true);
            Ok(request.key(PARTITION, text(partition)).key(SORT, text(sort)).send().await?.item)
        };
        calls.send("dynamodb:GetItem", patience, send).await
    }

    /// The items of a partition whose sort key begins so, in order. With `keys_only`, only the keys of each.
    pub(super) async fn list(
        &self,
        calls: &Calls,
        patience: &Patience,
        partition: &str,
        beginning: &str,
    ) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        let mut from: Option<Item> = None;
        loop {
            let send = || async {
                let request = self.client.query().table_name(&self.name).consistent_read(true);
                let request = request.key_condition_expression("pk = :pk AND begins_with(sk, :beginning)");
                let request = request.expression_attribute_values(":pk", text(partition));
                let request = request.expression_attribute_values(":beginning", text(beginning));
                Ok(request.set_exclusive_start_key(from.clone()).send().await?)
            };
            let page = calls.send("dynamodb:Query", patience, send).await?;
            items.extend(page.items.unwrap_or_default());
            match page.last_evaluated_key.filter(|key| !key.is_empty()) {
                Some(key) => from = Some(key),
                None => return Ok(items),
            }
        }
    }

    /// Writes an item and renews the lease, both or neither, if the lease is still held and `before` holds. One request.
    pub(super) async fn write_fenced(
        &self,
        calls: &Calls,
        patience: &Patience,
        held: &Held,
        item: Item,
        before: &Before,
        says: Renewal,
    ) -> Result<(), Failure> {
        let wrong = |e: aws_sdk_dynamodb::error::BuildError| Failure::new(Kind::Refused, e.to_string());
        let token = text_of(&item, "write").map(str::to_owned).unwrap_or_default();
        let mut set = "SET renewals = renewals + :one, renewed = :now".to_owned();
        let mut renewal = Update::builder()
            .table_name(&self.name)
            .key(PARTITION, text(held.partition()))
            .key(SORT, text(LEASE))
            .condition_expression("generation = :generation AND nonce = :nonce AND held = :held")
            .expression_attribute_values(":generation", number(held.generation()))
            .expression_attribute_values(":nonce", text(held.nonce()))
            .expression_attribute_values(":held", AttributeValue::Bool(true))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":now", text(says.at.to_string()));
        if let Some(tail) = says.tail {
            set.push_str(", tail = :tail");
            renewal = renewal.expression_attribute_values(":tail", text(tail_text(tail)));
        }
        let renewal = renewal.update_expression(set).build().map_err(wrong)?;
        let mut put = Put::builder().table_name(&self.name).set_item(Some(item));
        put = match before {
            Before::Nothing => put.condition_expression("attribute_not_exists(pk)"),
            Before::Head(line) => {
                put.condition_expression("head = :before").expression_attribute_values(":before", text(line))
            }
            Before::Anything => put,
        };
        let items = vec![
            TransactWriteItem::builder().update(renewal).build(),
            TransactWriteItem::builder().put(put.build().map_err(wrong)?).build(),
        ];
        // The same request each time: so a repetition of one that was done is answered as that was.
        let send = || async {
            let request = self.client.transact_write_items().client_request_token(&token);
            match request.set_transact_items(Some(items.clone())).send().await {
                Ok(_) => Ok(()),
                Err(error) => Err(match error.as_service_error() {
                    Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                        let request = error.request_id().map(|id| format!(" (request {id})")).unwrap_or_default();
                        let reasons = canceled.cancellation_reasons().iter();
                        let reasons = reasons.filter_map(|r| Some((r.code()?, r.message()))).filter(|r| r.0 != "None");
                        let (codes, said): (Vec<&str>, Vec<String>) = reasons
                            .map(|(code, message)| match message {
                                Some(message) => (code, format!("{code}: {message}")),
                                None => (code, code.to_owned()),
                            })
                            .unzip();
                        let why = format!("the transaction was cancelled: {}{request}", said.join(", "));
                        Failure::new(canceled_kind(&codes), why)
                    }
                    _ => error.into(),
                }),
            }
        };
        calls.send("dynamodb:TransactWriteItems", patience, send).await
    }

    /// Puts a lease in place, if the one in the table is still as `seen`.
    pub(super) async fn take_lease(
        &self,
        calls: &Calls,
        patience: &Patience,
        partition: &str,
        lease: &LeaseItem,
        seen: Option<&LeaseItem>,
    ) -> Result<(), Failure> {
        let item = lease.encode(partition, lease.lease.acquired)?;
        let send = || async {
            let request = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
            let request = match seen {
                None => request.condition_expression("attribute_not_exists(pk)"),
                Some(seen) => request
                    .condition_expression("nonce = :nonce AND renewals = :renewals AND held = :held")
                    .expression_attribute_values(":nonce", text(&seen.nonce))
                    .expression_attribute_values(":renewals", number(seen.renewals))
                    .expression_attribute_values(":held", AttributeValue::Bool(seen.held)),
            };
            request.send().await?;
            Ok(())
        };
        calls.send("dynamodb:PutItem", patience, send).await
    }

    /// Renews a lease, or gives it back, if it is still held.
    pub(super) async fn renew(
        &self,
        calls: &Calls,
        patience: &Patience,
        held: &Held,
        keep: bool,
    ) -> Result<(), Failure> {
        let now = text(Timestamp::now().to_string());
        let send = || async {
            let request = self
                .client
                .update_item()
                .table_name(&self.name)
                .key(PARTITION, text(held.partition()))
                .key(SORT, text(LEASE))
                .update_expression("SET renewals = renewals + :one, renewed = :now, held = :keep")
                .condition_expression("generation = :generation AND nonce = :nonce AND held = :held")
                .expression_attribute_values(":generation", number(held.generation()))
                .expression_attribute_values(":nonce", text(held.nonce()))
                .expression_attribute_values(":held", AttributeValue::Bool(true))
                .expression_attribute_values(":keep", AttributeValue::Bool(keep))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":now", now.clone());
            request.send().await?;
            Ok(())
        };
        calls.send("dynamodb:UpdateItem", patience, send).await
    }

    /// Removes one item, whatever it says.
    pub(super) async fn remove(
        &self,
        calls: &Calls,
        patience: &Patience,
        partition: &str,
        sort: &str,
    ) -> Result<(), Failure> {
        let send = || async {
            let request = self.client.delete_item().table_name(&self.name);
            request.key(PARTITION, text(partition)).key(SORT, text(sort)).send().await?;
            Ok(())
        };
        calls.send("dynamodb:DeleteItem", patience, send).await
    }

    /// Removes items by their sort keys.
    pub(super) async fn remove_many(
        &self,
        calls: &Calls,
        patience: &Patience,
        partition: &str,
        sorts: &[String],
    ) -> Result<(), Failure> {
        let wrong = |e: aws_sdk_dynamodb::error::BuildError| Failure::new(Kind::Refused, e.to_string());
        for some in sorts.chunks(DELETED_AT_ONCE) {
            let mut requests = Vec::with_capacity(some.len());
            for sort in some {
                let delete = DeleteRequest::builder()
                    .key(PARTITION, text(partition))
                    .key(SORT, text(sort))
                    .build()
                    .map_err(wrong)?;
                requests.push(WriteRequest::builder().delete_request(delete).build());
            }
            let left = std::sync::Mutex::new(HashMap::from([(self.name.clone(), requests)]));
            let send = || async {
                let these = left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                let answer = self.client.batch_write_item().set_request_items(Some(these)).send().await?;
                let rest = answer.unprocessed_items.unwrap_or_default();
                if rest.values().all(Vec::is_empty) {
                    return Ok(());
                }
                *left.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = rest;
                Err(Failure::new(Kind::Busy, "some of the items were not processed"))
            };
            calls.send("dynamodb:BatchWriteItem", patience, send).await?;
        }
        Ok(())
    }
}

/// What a cancelled transaction means, by its reasons.
fn canceled_kind(codes: &[&str]) -> Kind {
    if codes.contains(&"ConditionalCheckFailed") {
        Kind::Condition
    } else if codes
        .iter()
        .any(|c| matches!(*c, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"))
    {
        Kind::Busy
    } else {
        Kind::Refused
    }
}

#[cfg(test)]
mod tests {
    use phx_model::state::OperationId;
    use phx_model::store::Holder;

    use super::*;

    fn lease() -> LeaseItem {
        let holder = Holder { who: "me@here".into(), pid: 1, kind: "up".into(), operation: OperationId("op".into()) };
        let acquired = Timestamp::UNIX_EPOCH;
        LeaseItem {
            lease: Lease { holder, generation: 4, acquired, expires: Some(acquired + Duration::from_secs(30)) },
            nonce: "n".into(),
            renewals: 7,
            held: true,
            ttl: Duration::from_secs(30),
            tail: Some((3, 12)),
        }
    }

    #[test]
    fn a_lease_is_read_back() {
        for lease in [lease(), LeaseItem { tail: None, held: false, ..lease() }] {
            let item = lease.encode("p", Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(LeaseItem::decode(&item).unwrap(), lease);
        }
    }

    #[test]
    fn a_lease_without_or_with_a_wrong_attribute_is_damaged() {
        let good = lease().encode("p", Timestamp::UNIX_EPOCH).unwrap();
        for name in ["format", "lease", "generation", "nonce", "renewals", "renewed", "held", "ttl_ms"] {
            let mut without = good.clone();
            without.remove(name);
            assert!(matches!(LeaseItem::decode(&without), Err(Unreadable::Damaged(_))), "{name}");
            let wrong = Item::from([(name.to_owned(), AttributeValue::L(Vec::new()))]);
            let other: Item = good.clone().into_iter().chain(wrong).collect();
            assert!(matches!(LeaseItem::decode(&other), Err(Unreadable::Damaged(_))), "{name}");
        }
        let other: Item = good.clone().into_iter().chain([("generation".to_owned(), number(5))]).collect();
        assert!(matches!(LeaseItem::decode(&other), Err(Unreadable::Damaged(_))));
        let newer: Item = good.into_iter().chain([("format".to_owned(), number(3))]).collect();
        assert!(matches!(LeaseItem::decode(&newer), Err(Unreadable::Newer(3))));
    }

    #[test]
    fn keys_are_in_the_order_of_their_numbers() {
        let keys = [journal_key(2, 10), journal_key(2, 9), journal_key(10, 1), journal_key(u64::MAX, 1)];
        let mut sorted = keys.to_vec();
        sorted.sort();
        assert_eq!(sorted, [&keys[1], &keys[0], &keys[2], &keys[3]].map(Clone::clone));
        assert_eq!(journal_numbers(&keys[3]), Some((u64::MAX, 1)));
        assert_eq!(journal_numbers("journal#x#1"), None);
        assert!(history_key(9, 9) < history_key(10, 1) && history_key(9, 9) < history_key(9, 10));
    }

    #[test]
    fn a_cancelled_transaction_is_repeated_only_if_it_was_in_conflict() {
        assert_eq!(canceled_kind(&["ConditionalCheckFailed", "TransactionConflict"]), Kind::Condition);
        assert_eq!(canceled_kind(&["TransactionConflict"]), Kind::Busy);
        assert_eq!(canceled_kind(&["ThrottlingError"]), Kind::Busy);
        assert_eq!(canceled_kind(&["ValidationError"]), Kind::Refused);
        assert_eq!(canceled_kind(&[]), Kind::Refused);
    }
}
