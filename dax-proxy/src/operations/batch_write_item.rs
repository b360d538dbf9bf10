//! BatchWriteItem: each put and delete is fenced and told on its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use stator_model::operations::BatchWriteItemRequest;
use stator_model::{ApiError, KeySchema, PrimaryKey};
use tokio::time::Instant;

use super::write::{outcome_of_silence, required};
use super::{Call, Proxy, item_key, malformed};
use crate::answer::{Answer, CacheOutcome, Failure};
use crate::cache::{CacheKey, CachedItem, WriteOutcome, WriteTicket};
use crate::upstream::{Answered, Table};
use crate::wire::{Members, ObjectWriter, array, item_json, parse_item};

/// Requests in one call; the service takes 25 and the store says so. This only bounds the work here.
const REQUESTS_MAX: usize = 1_000;

/// One request of a batch.
struct BatchWrite {
    table: Arc<Table>,
    key: CacheKey,
    image: CachedItem,
}

impl Proxy {
    pub(super) async fn batch_write_item(self: &Arc<Self>, call: &Call) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        let by_table = required(&members, "RequestItems")?;
        let by_table = Members::parse(by_table.as_bytes()).map_err(malformed)?;
        for (table_name, _) in by_table.iter() {
            self.authorize(call, table_name)?;
        }
        let now = Instant::now();
        let mut tables = BTreeMap::new();
        let mut writes = Vec::new();
        // Sent as it was understood here: see `write`.
        let mut request_items = ObjectWriter::new();
        for (table_name, requests) in by_table.iter() {
            let Some(table) = self.table(table_name, now).await? else {
                // One missing table fails the whole call; the store says so.
                return self.write_unknown_table(call).await;
            };
            let mut sent = Vec::new();
            for request in requests_of(requests)? {
                let ReadWrite {
                    primary_key,
                    image,
                    json,
                } = write_of(&table.key_schema, request)
                    .map_err(|refusal| in_the_stores_words(&call.body, refusal))?;
                let key = item_key(table.handle.id(), &primary_key);
                sent.push(json);
                writes.push(BatchWrite {
                    table: Arc::clone(&table),
                    key,
                    image,
                });
                if writes.len() > REQUESTS_MAX {
                    return Err(ApiError::validation(
                        "Too many items requested for the BatchWriteItem call",
                    )
                    .into());
                }
            }
            request_items.member(table_name, &array(sent.iter().map(Vec::as_slice)));
            tables.insert(table_name.to_owned(), table);
        }
        let body = members
            .with(&[("RequestItems", Some(&request_items.finish()))])
            .into();

        let (proxy, operation) = (Arc::clone(self), call.operation);
        let done = self.tasks.spawn_with_result("batch write", async move {
            let fenced: Vec<Fenced> = writes
                .into_iter()
                .map(|BatchWrite { table, key, image }| Fenced {
                    may_store: table.may_store(),
                    ticket: proxy.items.start_write(&table.handle, key),
                    image,
                })
                .collect();
            let answered = proxy
                .upstream
                .call(operation, body)
                .await
                .map_err(Failure::Upstream);
            let now = Instant::now();
            let tenure = proxy.tenure();
            let failure = match answered {
                Ok(answered) if answered.is_success() => {
                    let unprocessed = unprocessed_keys(&answered, &tables);
                    let changes = proxy.changes_of_keys(fenced.iter().map(|one| one.ticket.key()));
                    for write in fenced {
                        write.finish(unprocessed.as_deref(), now);
                    }
                    let answer = Answer::passed(answered, CacheOutcome::Bypass);
                    return proxy.settled(tenure, &changes, answer).await;
                }
                Ok(answered) => {
                    tables
                        .keys()
                        .for_each(|name| proxy.note_error(name, &answered));
                    Failure::Answered(answered)
                }
                Err(failure) => failure,
            };
            // A batch is validated before any of it is written, but "refused" is believed for single
            // writes only: a batch that was throttled half-way may look the same.
            let outcome = match &failure {
                Failure::Answered(_) => WriteOutcome::Unknown,
                Failure::Upstream(error) => outcome_of_silence(*error),
            };
            for write in fenced {
                write.ticket.finish(outcome.clone(), now);
            }
            failure.into()
        });
        done.await
            .map_err(|_| ApiError::internal("The request was given up.").into())
    }
}

/// One write behind its fence.
struct Fenced {
    ticket: WriteTicket<Failure>,
    image: CachedItem,
    may_store: bool,
}

impl Fenced {
    /// `unprocessed`: the keys that the store has not written; `None` if it could not be read.
    fn finish(self, unprocessed: Option<&[CacheKey]>, now: Instant) {
        let outcome = match unprocessed {
            None => WriteOutcome::Unknown,
            Some(keys) if keys.contains(self.ticket.key()) => WriteOutcome::NotExecuted,
            Some(_) if self.may_store => WriteOutcome::Image(self.image),
            Some(_) => WriteOutcome::NoImage,
        };
        self.ticket.finish(outcome, now);
    }
}

/// The requests of one table, each a JSON object.
fn requests_of(requests: &str) -> Result<Vec<&RawValue>, Answer> {
    serde_json::from_str(requests)
        .map_err(|_| ApiError::serialization("Unexpected value type in payload").into())
}

/// One request of a batch as it was read.
struct ReadWrite {
    primary_key: PrimaryKey,
    /// What the entry becomes.
    image: CachedItem,
    /// The request again.
    json: Vec<u8>,
}

/// What the store would say to the request as a whole, of which one write was refused here: it has
/// an order of its own. `refusal` where only the table's key tells.
fn in_the_stores_words(body: &[u8], refusal: Answer) -> Answer {
    match BatchWriteItemRequest::parse(body) {
        Err(error) => error.into(),
        Ok(_) => refusal,
    }
}

fn write_of(schema: &KeySchema, request: &RawValue) -> Result<ReadWrite, Answer> {
    let request = Members::parse(request.get().as_bytes()).map_err(malformed)?;
    let (kind, member, raw) = match (request.get("PutRequest"), request.get("DeleteRequest")) {
        (Some(put), None) => ("PutRequest", "Item", put),
        (None, Some(delete)) => ("DeleteRequest", "Key", delete),
        _ => {
            return Err(ApiError::validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one \
                 of the supported datatypes",
            )
            .into());
        }
    };
    let inner = Members::parse(raw.as_bytes()).map_err(malformed)?;
    let attributes = parse_item(required(&inner, member)?)?;
    let json = item_json(&attributes);
    let (primary_key, image) = match member {
        "Item" => (
            schema.key_of_batch_item(&attributes)?,
            CachedItem::from_item_json(&json),
        ),
        _ => (schema.key_from_map(&attributes)?, CachedItem::Absent),
    };
    let mut sent = ObjectWriter::new();
    sent.member(kind, &inner.with(&[(member, Some(&json))]));
    Ok(ReadWrite {
        primary_key,
        image,
        json: sent.finish(),
    })
}

/// The keys in `UnprocessedItems`. `None`: it cannot be read, so nothing is known.
fn unprocessed_keys(
    answered: &Answered,
    tables: &BTreeMap<String, Arc<Table>>,
) -> Option<Vec<CacheKey>> {
    let members = Members::parse(&answered.body).ok()?;
    let Some(by_table) = members.get("UnprocessedItems") else {
        return Some(Vec::new());
    };
    let by_table = Members::parse(by_table.as_bytes()).ok()?;
    let mut keys = Vec::new();
    for (table_name, requests) in by_table.iter() {
        let table = tables.get(table_name)?;
        for request in requests_of(requests).ok()? {
            let write = write_of(&table.key_schema, request).ok()?;
            keys.push(item_key(table.handle.id(), &write.primary_key));
        }
    }
    Some(keys)
}
