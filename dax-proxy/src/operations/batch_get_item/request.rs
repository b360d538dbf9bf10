//! A BatchGetItem request as parts, and the store's answer by key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::Instant;

use super::KeyState;
use crate::answer::Answer;
use crate::cache::{CacheKey, CachedItem};
use crate::operations::projection::Projection;
use crate::operations::{Proxy, item_key};
use crate::upstream::Table;
use crate::wire::{CapacityMode, Members, ObjectWriter, array, item_json, parse_item};

/// Keys in one call (DynamoDB semantics, section 12).
const KEYS_MAX: usize = 100;

/// Members of a table's part that the cache can honour.
const KNOWN: [&str; 4] = [
    "Keys",
    "ConsistentRead",
    "ProjectionExpression",
    "ExpressionAttributeNames",
];

/// A whole request.
pub(super) struct BatchRequest<'a> {
    /// Tables that may be served from the cache.
    pub(super) cached: Vec<TablePart<'a>>,
    /// Tables read strongly consistently: name and part as they came.
    pub(super) passed: Vec<(&'a str, &'a str)>,
    pub(super) capacity: CapacityMode,
}

/// The part of one table.
pub(super) struct TablePart<'a> {
    pub(super) name: &'a str,
    pub(super) table: Arc<Table>,
    pub(super) projection: Projection,
    /// As it came, for what is answered as unprocessed.
    pub(super) members: Members<'a>,
    pub(super) keys: Vec<BatchKey>,
}

/// One key.
pub(super) struct BatchKey {
    pub(super) cache_key: CacheKey,
    /// As JSON.
    pub(super) key: Vec<u8>,
    pub(super) state: KeyState,
}

impl<'a> BatchRequest<'a> {
    /// Reads a request. `None`: it is for the store to answer, whole and as it came, because it is wrong
    /// or holds what the cache cannot honour.
    pub(super) async fn read(
        proxy: &Proxy,
        members: &Members<'a>,
        by_table: &'a Members<'a>,
        now: Instant,
    ) -> Result<Option<Self>, Answer> {
        let capacity = members.text("ReturnConsumedCapacity").ok();
        let capacity = capacity.and_then(|text| CapacityMode::from_text(text.as_deref()));
        let (Some(capacity), true) = (
            capacity,
            members.are_among(&["RequestItems", "ReturnConsumedCapacity"]),
        ) else {
            return Ok(None);
        };
        let mut request = Self {
            cached: Vec::new(),
            passed: Vec::new(),
            capacity,
        };
        let mut keys = 0;
        for (name, raw) in by_table.iter() {
            let Some(table) = proxy.table(name, now).await? else {
                return Ok(None);
            };
            let Some(part) = TablePart::read(name, raw, table) else {
                return Ok(None);
            };
            keys += part.keys.len();
            match part.members.is_true("ConsistentRead") {
                Ok(true) => request.passed.push((name, raw)),
                _ => request.cached.push(part),
            }
        }
        Ok((1..=KEYS_MAX).contains(&keys).then_some(request))
    }

    /// The request for the store; `None` if there is nothing to ask.
    pub(super) fn upstream_body(&self, strong_fills: bool, with_passed: bool) -> Option<Vec<u8>> {
        let mut tables = ObjectWriter::new();
        let mut any = false;
        for part in &self.cached {
            let leads = |key: &&BatchKey| matches!(key.state, KeyState::Leads(_));
            if part.keys.iter().any(|key| leads(&key)) {
                let keys = part.keys.iter().filter(leads).map(|key| key.key.as_slice());
                let mut table = ObjectWriter::new();
                table.member("Keys", &array(keys));
                if strong_fills {
                    table.member("ConsistentRead", b"true");
                }
                tables.member(part.name, &table.finish());
                any = true;
            }
        }
        if with_passed {
            for (name, raw) in &self.passed {
                tables.member(name, raw.as_bytes());
                any = true;
            }
        }
        if !any {
            return None;
        }
        let mut body = ObjectWriter::new();
        body.member("RequestItems", &tables.finish());
        if !self.passed.is_empty() && with_passed {
            match self.capacity {
                CapacityMode::None => {}
                CapacityMode::Total => body.member("ReturnConsumedCapacity", b"\"TOTAL\""),
                CapacityMode::Indexes => body.member("ReturnConsumedCapacity", b"\"INDEXES\""),
            }
        }
        Some(body.finish())
    }
}

impl<'a> TablePart<'a> {
    fn read(name: &'a str, raw: &'a str, table: Arc<Table>) -> Option<Self> {
        let members = Members::parse(raw.as_bytes()).ok()?;
        if !members.are_among(&KNOWN) || members.is_true("ConsistentRead").is_err() {
            return None;
        }
        let projection = Projection::of(&members).ok()?;
        let raw_keys: Vec<&RawValue> = serde_json::from_str(members.get("Keys")?).ok()?;
        let mut seen = BTreeSet::new();
        let mut keys = Vec::with_capacity(raw_keys.len());
        for raw in raw_keys {
            let key = parse_item(raw.get()).ok()?;
            let primary_key = table.key_schema.key_from_map(&key).ok()?;
            let cache_key = item_key(table.handle.id(), &primary_key);
            // Duplicates are refused by the store, and so is a table without keys.
            if !seen.insert(cache_key.clone()) {
                return None;
            }
            keys.push(BatchKey {
                cache_key,
                key: item_json(&key),
                state: KeyState::Open,
            });
        }
        (!keys.is_empty()).then_some(Self {
            name,
            table,
            projection,
            members,
            keys,
        })
    }
}

/// The store's items of one table by key.
pub(super) fn items_by_key(
    part: &TablePart<'_>,
    responses: &str,
) -> Option<BTreeMap<CacheKey, CachedItem>> {
    let by_table = Members::parse(responses.as_bytes()).ok()?;
    let Some(items) = by_table.get(part.name) else {
        return Some(BTreeMap::new());
    };
    let items: Vec<&RawValue> = serde_json::from_str(items).ok()?;
    let mut by_key = BTreeMap::new();
    for raw in items {
        let item = parse_item(raw.get()).ok()?;
        let primary_key = part.table.key_schema.key_of_batch_item(&item).ok()?;
        let key = item_key(part.table.handle.id(), &primary_key);
        by_key.insert(key, CachedItem::from_item_json(raw.get().as_bytes()));
    }
    Some(by_key)
}

/// The keys of one table that the store has not processed.
pub(super) fn unprocessed_of(
    part: &TablePart<'_>,
    unprocessed: &str,
) -> Option<BTreeSet<CacheKey>> {
    let by_table = Members::parse(unprocessed.as_bytes()).ok()?;
    let Some(table) = by_table.get(part.name) else {
        return Some(BTreeSet::new());
    };
    let members = Members::parse(table.as_bytes()).ok()?;
    let keys: Vec<&RawValue> = serde_json::from_str(members.get("Keys")?).ok()?;
    keys.iter()
        .map(|raw| {
            let key = parse_item(raw.get()).ok()?;
            let primary_key = part.table.key_schema.key_from_map(&key).ok()?;
            Some(item_key(part.table.handle.id(), &primary_key))
        })
        .collect()
}
