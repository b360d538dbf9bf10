//! GetItem: the item cache, and one consistent read of the whole item where it misses.

use bytes::Bytes;
use tokio::time::Instant;

use super::projection::Projection;
use super::{Call, Proxy, item_key, malformed, table_name};
use crate::answer::{Answer, CacheOutcome, Failure};
use crate::cache::item_cache::{FillResult, joined};
use crate::cache::{CachedItem, FillStart};
use crate::upstream::Answered;
use crate::wire::{CapacityMode, Members, ObjectWriter, ReadCapacity, item_json, parse_item};

/// Members that the cache can honour; a request with others is the store's.
const KNOWN: [&str; 6] = [
    "TableName",
    "Key",
    "ConsistentRead",
    "ProjectionExpression",
    "ExpressionAttributeNames",
    "ReturnConsumedCapacity",
];

/// What of a request the answer depends on, beside the item.
struct Shape<'a> {
    table_name: &'a str,
    projection: Projection,
    capacity: CapacityMode,
}

impl Proxy {
    pub(super) async fn get_item(&self, call: &Call) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        let table_name = table_name(&members)?;
        self.authorize(call, &table_name)?;

        // What the cache cannot honour, and what is wrong, is answered by the store: it writes nothing.
        if members.is_true("ConsistentRead").unwrap_or(true) || !members.are_among(&KNOWN) {
            return Ok(self.pass(call).await);
        }
        let now = Instant::now();
        let Some(table) = self.table(&table_name, now).await? else {
            return Ok(self.pass(call).await);
        };
        let capacity = members.text("ReturnConsumedCapacity").ok();
        let capacity = capacity.and_then(|text| CapacityMode::from_text(text.as_deref()));
        let (Some(capacity), Ok(projection), Some(Ok(key))) = (
            capacity,
            Projection::of(&members),
            members.get("Key").map(parse_item),
        ) else {
            return Ok(self.pass(call).await);
        };
        let Ok(primary_key) = table.key_schema.key_from_map(&key) else {
            return Ok(self.pass(call).await);
        };
        let shape = Shape {
            table_name: &table_name,
            projection,
            capacity,
        };
        let cache_key = item_key(table.handle.id(), &primary_key);
        if !self.may_hit(now) {
            let fetched = self.fetch_item(&table_name, &item_json(&key)).await;
            return self.fetched(&shape, fetched, CacheOutcome::Bypass);
        }
        if let Some(item) = self.items.lookup(&table.handle, cache_key.as_bytes(), now) {
            self.metrics.item_hits.inc();
            return shape.answer(&item, CacheOutcome::Hit);
        }
        self.metrics.item_misses.inc();
        loop {
            let result = match self.items.start_fill(&table.handle, &cache_key, now) {
                FillStart::Hit(item) => Ok(item),
                FillStart::Join(flight) => match joined(flight).await {
                    Some(result) => result,
                    // The one who fetched it has left: somebody fetches it anew.
                    None => continue,
                },
                FillStart::Lead(ticket) => {
                    let may_store = table.may_store();
                    let result = self.fetch_item(&table_name, &item_json(&key)).await;
                    let now = Instant::now();
                    match may_store {
                        true => ticket.finish(result.clone(), now),
                        false => ticket.finish_without_storing(result.clone(), now),
                    }
                    result
                }
            };
            return self.fetched(&shape, result, CacheOutcome::Miss);
        }
    }

    /// The answer of what was fetched, for this request or another.
    fn fetched(
        &self,
        shape: &Shape<'_>,
        result: FillResult<Failure>,
        outcome: CacheOutcome,
    ) -> Result<Answer, Answer> {
        match result {
            Ok(item) => shape.answer(&item, outcome),
            Err(failure) => {
                if let Failure::Answered(answered) = &failure {
                    self.note_error(shape.table_name, answered);
                }
                Err(failure.into())
            }
        }
    }

    /// Reads the whole item from the store.
    async fn fetch_item(&self, table_name: &str, key: &[u8]) -> FillResult<Failure> {
        self.metrics.fills.inc();
        let mut body = ObjectWriter::new();
        body.text_member("TableName", table_name);
        body.member("Key", key);
        if self.strong_fills {
            body.member("ConsistentRead", b"true");
        }
        let answered = self
            .upstream
            .call("GetItem", Bytes::from(body.finish()))
            .await;
        let answered = answered.map_err(Failure::Upstream)?;
        if !answered.is_success() {
            return Err(Failure::Answered(answered));
        }
        item_of_answer(&answered, "Item")
    }
}

/// The item in a member of the store's answer; absent means that there is none.
fn item_of_answer(answered: &Answered, member: &str) -> FillResult<Failure> {
    match Members::parse(&answered.body) {
        Ok(members) => Ok(match members.get(member) {
            Some(item) => CachedItem::from_item_json(item.as_bytes()),
            None => CachedItem::Absent,
        }),
        Err(_) => Err(Failure::unreadable()),
    }
}

impl Shape<'_> {
    fn answer(&self, item: &CachedItem, outcome: CacheOutcome) -> Result<Answer, Answer> {
        if self.capacity == CapacityMode::None && self.projection.is_whole() {
            return Ok(Answer::item(item, outcome));
        }
        let mut body = ObjectWriter::new();
        if let Some(json) = item.item_json() {
            body.member("Item", &self.projection.apply(json)?);
        }
        let consumed = match outcome {
            CacheOutcome::Hit => ReadCapacity::default(),
            CacheOutcome::Miss | CacheOutcome::Bypass => ReadCapacity::of_cached(item)?,
        };
        if let Some(consumed) = consumed.json(self.capacity, self.table_name) {
            body.member("ConsumedCapacity", &consumed);
        }
        Ok(Answer::ok(body.finish(), outcome))
    }
}
