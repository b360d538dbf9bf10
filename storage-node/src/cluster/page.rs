//! A page of a Query or Scan.
//!
//! A page is evaluated partition by partition in hash order: read the next item, add its size,
//! filter, project, write JSON. It stops at the end of the range, after `Limit` evaluated items,
//! before the item that would push the evaluated bytes over 1 MB (never before the first), or when
//! it has taken [`PAGE_TIME_MAX`], so that a filter that matches nothing ends too.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use stator_model::capacity::read_units;
use stator_model::error::ApiError;
use stator_model::expression::{
    ConditionExpression, ExpressionContext, ExpressionKind, ProjectionExpression,
};
use stator_model::key::KeySchema;
use stator_model::limits::PAGE_SIZE_BYTES_MAX;
use stator_model::value::{AttributeValue, Item};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::catalog::rows::PartitionRow;
use super::catalog::table::{holder_of, route_to};
use super::message::{DataAnswer, DataRequest, PageMessage, PageOutcome, Refusal, Route};
use super::route::{RouteError, Routed, deadline_in, refuse, refuse_storage};
use super::{Cluster, Table};
use crate::engine::{Direction, Engine, EngineSnapshot, Keyspace};
use crate::replication::GroupId;
use crate::table::codec::{attributes_to_bytes, decode_attributes};
use crate::table::codec_json::item_to_json;
use crate::table::keys::{KeyRange, PREFIX_LEN, StorageId, hash_range};
use crate::table::{IndexDefinition, StoredItem};

/// How long one partition may work on a page before it is cut.
const PAGE_TIME_MAX: Duration = Duration::from_millis(500);
/// Items between two chances for other tasks. Decoding and filtering costs a few microseconds each.
const ITEMS_BETWEEN_YIELDS: u32 = 64;

/// What is asked of each item of a page.
#[derive(Debug, Default)]
pub struct PageQuery {
    /// `FilterExpression`.
    pub filter: Option<ConditionExpression>,
    /// `ProjectionExpression`.
    pub projection: Option<ProjectionExpression>,
    /// Descending.
    pub backward: bool,
    /// `Select` is `COUNT`.
    pub count_only: bool,
    /// Strongly consistent.
    pub consistent: bool,
    /// Most items to evaluate; `None` is unbounded.
    pub limit: Option<u32>,
    /// The expressions as text, for a leader elsewhere.
    pub texts: PageTexts,
}

/// The expressions of a page as the client sent them.
#[derive(Debug, Default)]
pub struct PageTexts {
    /// `FilterExpression`.
    pub filter: Option<String>,
    /// `ProjectionExpression`.
    pub projection: Option<String>,
    /// `ExpressionAttributeNames`.
    pub names: Option<BTreeMap<String, String>>,
    /// `ExpressionAttributeValues`.
    pub values: Option<BTreeMap<String, AttributeValue>>,
}

/// What a page reads: a table or one of its indexes.
#[derive(Debug, Clone, Copy)]
pub struct PageSource<'a> {
    /// The table.
    pub table: &'a Table,
    /// The index, if not the table itself.
    pub index: Option<&'a IndexDefinition>,
    /// Read each item that an entry of a local index belongs to, for attributes that the entry lacks.
    pub fetches_items: bool,
}

impl<'a> PageSource<'a> {
    /// The table itself.
    #[must_use]
    pub fn of_table(table: &'a Table) -> Self {
        Self {
            table,
            index: None,
            fetches_items: false,
        }
    }

    /// Prefix of the keys that are read.
    #[must_use]
    pub fn storage_id(&self) -> StorageId {
        self.index
            .map_or_else(|| self.table.storage_id(), |index| index.storage_id)
    }

    fn partitions(&self) -> &'a [PartitionRow] {
        self.table.partitions(self.index)
    }

    /// The index, if it is a global one.
    pub(super) fn global_index(&self) -> Option<&'a IndexDefinition> {
        self.index.filter(|index| !index.is_local)
    }

    fn route(&self, partition: &PartitionRow) -> Route {
        let global = self.global_index();
        let holder = global.map_or_else(|| self.table.storage_id(), |index| index.storage_id);
        route_to(holder, partition)
    }

    /// The key attributes in the key of an item or entry.
    fn key_item(&self, engine_key: &[u8]) -> Option<Item> {
        match self.index {
            Some(index) => index.key_item(engine_key),
            None => key_item(engine_key, &self.table.key_schema),
        }
    }

    fn fetch(&self) -> Option<Fetch<'a>> {
        let index = self
            .index
            .filter(|index| index.is_local && self.fetches_items)?;
        Some(Fetch {
            index,
            table: self.table.storage_id(),
        })
    }
}

/// How to read the item of an entry.
#[derive(Clone, Copy)]
struct Fetch<'a> {
    index: &'a IndexDefinition,
    table: StorageId,
}

/// A page.
#[derive(Debug, Default)]
pub struct Page {
    /// Matching items as JSON objects separated by commas, without the brackets.
    pub items_json: Vec<u8>,
    /// Items that passed the filter.
    pub count: u32,
    /// Items evaluated.
    pub scanned_count: u32,
    /// Bytes evaluated: of items, or of entries of an index.
    pub scanned_size_bytes: u64,
    /// Read capacity units of items that were fetched for entries of a local index.
    pub fetched_units: f64,
    /// `LastEvaluatedKey`: only a page that was cut has one.
    pub last_key: Option<Item>,
    /// Read capacity units that have been charged for what was evaluated.
    charged_units: f64,
    /// Engine key of the last item evaluated.
    last_engine_key: Option<Bytes>,
    /// Bytes of fetched items, which count towards the size of the page.
    fetched_size_bytes: u64,
}

/// How much of a page one partition may still fill.
#[derive(Debug, Clone, Copy)]
struct Room {
    limit: u32,
    size_bytes: u32,
    /// Nothing was evaluated yet, so the first item is taken whatever its size.
    first_always: bool,
}

struct RoutedPage<'a> {
    query: &'a PageQuery,
    source: PageSource<'a>,
    partition: &'a PartitionRow,
    range: KeyRange,
    room: Room,
}

impl Cluster {
    /// A page of what lies in `range`, which lies in the partition of `hash`.
    ///
    /// # Errors
    /// A 500 at the deadline, or when a stored item cannot be read.
    pub async fn query(
        &self,
        source: PageSource<'_>,
        hash: u64,
        range: KeyRange,
        query: &PageQuery,
        deadline: Instant,
    ) -> Result<Page, ApiError> {
        let mut page = Page::default();
        let partition = holder_of(source.partitions(), hash)
            .ok_or_else(|| ApiError::internal("the table has no partition for the key"))?;
        self.add_to_page(&mut page, source, partition, range, query, deadline)
            .await
            .map_err(|error| stale_is_gone(source.table, error))?;
        Ok(page)
    }

    /// A page of what has its hash in `hashes` (inclusive), after `start` (a hash and an engine
    /// key), in hash order.
    ///
    /// # Errors
    /// As [`Cluster::query`].
    pub async fn scan(
        &self,
        source: PageSource<'_>,
        hashes: (u64, u64),
        start: Option<(u64, Vec<u8>)>,
        query: &PageQuery,
        deadline: Instant,
    ) -> Result<Page, ApiError> {
        let mut page = Page::default();
        let first = start.as_ref().map_or(hashes.0, |(hash, _)| *hash);
        for partition in source.partitions() {
            if partition.last_hash < first || partition.first_hash > hashes.1 {
                continue;
            }
            let (mut lower, upper) = hash_range(
                source.storage_id(),
                partition.first_hash.max(hashes.0),
                partition.last_hash.min(hashes.1),
            );
            if let Some((_, key)) = start.as_ref().filter(|_| partition.first_hash <= first) {
                lower = Bound::Excluded(key.clone());
            }
            let range = (lower, upper);
            let stopped = self
                .add_to_page(&mut page, source, partition, range, query, deadline)
                .await
                .map_err(|error| stale_is_gone(source.table, error))?;
            if stopped {
                break;
            }
        }
        Ok(page)
    }

    /// Adds what one partition has; says whether the page ends here.
    async fn add_to_page(
        &self,
        page: &mut Page,
        source: PageSource<'_>,
        partition: &PartitionRow,
        range: KeyRange,
        query: &PageQuery,
        deadline: Instant,
    ) -> Result<bool, RouteError> {
        // A page that has begun goes on: what it consumes is charged all the same.
        if page.scanned_count == 0 {
            self.admit_page(source, partition.partition_id)
                .map_err(RouteError::Api)?;
        }
        let size_max = u64::try_from(PAGE_SIZE_BYTES_MAX).unwrap_or(u64::MAX);
        let used = page.scanned_size_bytes + page.fetched_size_bytes;
        let left = size_max.saturating_sub(used);
        let room = Room {
            limit: query
                .limit
                .unwrap_or(u32::MAX)
                .saturating_sub(page.scanned_count),
            size_bytes: u32::try_from(left).unwrap_or(u32::MAX),
            first_always: page.scanned_count == 0,
        };
        let routed = RoutedPage {
            query,
            source,
            partition,
            range,
            room,
        };
        let outcome = self.route(&routed, deadline).await?;
        let size = page.scanned_size_bytes + u64::from(outcome.scanned_size_bytes);
        // A page is rounded up once, however many partitions it is read from.
        let total = read_units(
            usize::try_from(size).unwrap_or(usize::MAX),
            query.consistent,
        );
        let units = total - page.charged_units;
        page.charged_units = total;
        self.charge_page(source, partition.partition_id, units, outcome.fetched_units);
        if !outcome.items_json.is_empty() {
            if !page.items_json.is_empty() {
                page.items_json.push(b',');
            }
            page.items_json.extend_from_slice(&outcome.items_json);
        }
        page.count += outcome.count;
        page.scanned_count += outcome.scanned_count;
        page.scanned_size_bytes += u64::from(outcome.scanned_size_bytes);
        page.fetched_size_bytes += u64::from(outcome.fetched_size_bytes);
        page.fetched_units += outcome.fetched_units;
        // A page may be cut before the first item of a partition: its last key is then that of an
        // earlier one.
        if let Some(last) = outcome.last_key {
            page.last_engine_key = Some(last);
        }
        if outcome.stopped {
            page.last_key = match &page.last_engine_key {
                Some(last) => Some(source.key_item(last).ok_or_else(|| {
                    RouteError::Api(ApiError::internal("an item key in the store is damaged"))
                })?),
                None => None,
            };
        }
        Ok(outcome.stopped)
    }

    async fn page_here(
        &self,
        partition: &PartitionRow,
        range: &KeyRange,
        query: &PageQuery,
        room: Room,
        fetch: Option<Fetch<'_>>,
        deadline: Instant,
    ) -> Result<PageOutcome, Refusal> {
        let local = self.local_group(GroupId(partition.group_id))?;
        if query.consistent {
            local.handle.read_index(deadline).await?;
            let leadership = local
                .handle
                .leadership()
                .ok_or_else(|| local.not_leader())?;
            self.check_partition(local, leadership, partition)?;
        }
        evaluate_page(&*self.engine, range, query, room, fetch).await
    }

    /// A page that another node's router sent here.
    pub(super) async fn page_for_router(
        &self,
        message: PageMessage,
    ) -> Result<PageOutcome, Refusal> {
        let deadline = deadline_in(message.deadline_millis);
        let (table, partition) = self
            .resolve_route(&message.table, message.route, deadline)
            .await?;
        let fetch = match message.fetch_for_index {
            None => None,
            Some(index) => Some(Fetch {
                index: table
                    .local_indexes
                    .iter()
                    .find(|local| local.storage_id.0 == index)
                    .ok_or(Refusal::StaleRoute)?,
                table: table.storage_id(),
            }),
        };
        let range = (owned(message.lower.clone()), owned(message.upper.clone()));
        let room = Room {
            limit: message.limit,
            size_bytes: message.size_bytes_max,
            first_always: message.first_always,
        };
        let query = from_message(message).map_err(|error| refuse(&error))?;
        self.page_here(&partition, &range, &query, room, fetch, deadline)
            .await
    }
}

async fn evaluate_page(
    engine: &dyn Engine,
    range: &KeyRange,
    query: &PageQuery,
    room: Room,
    fetch: Option<Fetch<'_>>,
) -> Result<PageOutcome, Refusal> {
    let direction = if query.backward {
        Direction::Backward
    } else {
        Direction::Forward
    };
    let (lower, upper) = (borrowed(&range.0), borrowed(&range.1));
    // Entries of an index and their items have to be of one moment.
    let state = engine.snapshot();
    let mut entries = state.scan(Keyspace::Items, lower, upper, direction);
    let started = Instant::now();
    let mut out = PageOutcome::default();
    let mut items = Vec::new();
    if room.limit == 0 {
        out.stopped = true;
        return Ok(out);
    }
    loop {
        let Some(entry) = entries.next() else { break };
        let (key, value) = entry.map_err(|problem| refuse_storage(&problem))?;
        let stored = StoredItem::open(value).map_err(|problem| refuse_storage(&problem))?;
        let item = match fetch {
            Some(fetch) => fetch.item(&*state, &key)?,
            None => None,
        };
        let size = size_of(&stored);
        let fetched = item.as_ref().map_or(0, size_of);
        let size_after = out
            .scanned_size_bytes
            .saturating_add(out.fetched_size_bytes)
            .saturating_add(size)
            .saturating_add(fetched);
        let is_first = out.scanned_count == 0 && room.first_always;
        if size_after > room.size_bytes && !is_first {
            out.stopped = true;
            break;
        }
        out.scanned_size_bytes += size;
        out.fetched_size_bytes += fetched;
        out.scanned_count += 1;
        if let Some(item) = &item {
            out.fetched_units += read_units(item.size_bytes, query.consistent);
        }
        if add_item(query, item.as_ref().unwrap_or(&stored), &mut items)? {
            out.count += 1;
        }
        out.last_key = Some(key);
        if out.scanned_count >= room.limit || started.elapsed() > PAGE_TIME_MAX {
            out.stopped = true;
            break;
        }
        if out.scanned_count.is_multiple_of(ITEMS_BETWEEN_YIELDS) {
            yield_now().await;
        }
    }
    out.items_json = items.into();
    Ok(out)
}

fn size_of(stored: &StoredItem) -> u32 {
    u32::try_from(stored.size_bytes).unwrap_or(u32::MAX)
}

impl Fetch<'_> {
    /// The item that the entry under `entry_key` belongs to.
    fn item(
        &self,
        state: &dyn EngineSnapshot,
        entry_key: &[u8],
    ) -> Result<Option<StoredItem>, Refusal> {
        let Some(key) = self.index.item_key(entry_key, self.table) else {
            tracing::error!(index = self.index.name, "the key of an entry is damaged");
            return Err(Refusal::StorageFailed);
        };
        state
            .get(Keyspace::Items, &key)
            .map_err(|problem| refuse_storage(&problem))?
            .map(StoredItem::open)
            .transpose()
            .map_err(|problem| refuse_storage(&problem))
    }
}

/// Filters one item and appends it; says whether it passed.
fn add_item(query: &PageQuery, stored: &StoredItem, items: &mut Vec<u8>) -> Result<bool, Refusal> {
    let decoded = match (&query.filter, &query.projection, query.count_only) {
        (None, None, _) | (None, Some(_), true) => None,
        _ => Some(stored.item().map_err(|problem| refuse_storage(&problem))?),
    };
    if let (Some(filter), Some(item)) = (&query.filter, &decoded)
        && !filter.evaluate(Some(item))
    {
        return Ok(false);
    }
    if query.count_only {
        return Ok(true);
    }
    if !items.is_empty() {
        items.push(b',');
    }
    match (&query.projection, &decoded) {
        (Some(projection), Some(item)) => item_to_json(&projection.project(item), items),
        // Straight from the stored bytes, also after a filter that needed the decoded item.
        _ => stored
            .write_json(items)
            .map_err(|problem| refuse_storage(&problem))?,
    }
    Ok(true)
}

impl Routed for RoutedPage<'_> {
    type Output = PageOutcome;

    fn group(&self) -> GroupId {
        GroupId(self.partition.group_id)
    }

    fn any_replica(&self) -> bool {
        !self.query.consistent
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<PageOutcome, Refusal> {
        let (query, fetch) = (self.query, self.source.fetch());
        cluster
            .page_here(
                self.partition,
                &self.range,
                query,
                self.room,
                fetch,
                deadline,
            )
            .await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        let texts = &self.query.texts;
        let shared = |bound: &Bound<Vec<u8>>| bound.clone().map(Bytes::from);
        DataRequest::Page(PageMessage {
            table: self.source.table.row.name.clone(),
            route: self.source.route(self.partition),
            consistent: self.query.consistent,
            deadline_millis,
            lower: shared(&self.range.0),
            upper: shared(&self.range.1),
            backward: self.query.backward,
            limit: self.room.limit,
            size_bytes_max: self.room.size_bytes,
            first_always: self.room.first_always,
            count_only: self.query.count_only,
            filter: texts.filter.clone(),
            projection: texts.projection.clone(),
            names: texts.names.clone(),
            values: texts.values.as_ref().map(attributes_to_bytes),
            fetch_for_index: self.source.fetch().map(|fetch| fetch.index.storage_id.0),
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<PageOutcome> {
        match answer {
            DataAnswer::Page(outcome) => Some(outcome),
            _ => None,
        }
    }
}

fn from_message(message: PageMessage) -> Result<PageQuery, ApiError> {
    let unreadable = |_| ApiError::internal("unreadable values in a message between nodes");
    let values = message
        .values
        .as_deref()
        .map(decode_attributes)
        .transpose()
        .map_err(unreadable)?;
    let context = ExpressionContext::trusted(message.names.as_ref(), values.as_ref());
    let filter = message
        .filter
        .as_deref()
        .map(|text| ConditionExpression::parse(ExpressionKind::Filter, text, &context))
        .transpose()?;
    let projection = message
        .projection
        .as_deref()
        .map(|text| ProjectionExpression::parse(text, &context))
        .transpose()?;
    Ok(PageQuery {
        filter,
        projection,
        backward: message.backward,
        count_only: message.count_only,
        consistent: message.consistent,
        limit: Some(message.limit),
        texts: PageTexts::default(),
    })
}

/// The key attributes in an engine key.
fn key_item(engine_key: &[u8], schema: &KeySchema) -> Option<Item> {
    let mut rest = engine_key.get(PREFIX_LEN..)?;
    let mut item = Item::new();
    for attribute in schema.attributes() {
        let (value, used) = stator_model::memcomparable::decode(rest)?;
        item.insert(attribute.name.clone(), value);
        rest = rest.get(used..)?;
    }
    rest.is_empty().then_some(item)
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn owned(bound: Bound<Bytes>) -> Bound<Vec<u8>> {
    bound.map(|bytes| bytes.to_vec())
}

/// A page is not begun again on another table: a table that is gone is not found.
fn stale_is_gone(table: &Table, error: RouteError) -> ApiError {
    match error {
        RouteError::Api(error) => error,
        RouteError::Stale => {
            tracing::debug!(table = table.row.name, "page of a table that is gone");
            ApiError::not_found()
        }
    }
}
