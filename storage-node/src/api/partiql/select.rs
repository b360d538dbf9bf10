//! `SELECT`: one page of one or more queries, or of a scan.

use std::cmp::Ordering;
use std::ops::Bound;

use stator_model::error::ApiError;
use stator_model::expression::{ExpressionKind, ProjectionExpression};
use stator_model::key::{KeySchema, partition_hash};
use stator_model::limits::PAGE_SIZE_BYTES_MAX;
use stator_model::partiql::{
    ExpressionTexts, KeyRead, NextToken, Select, SelectPlan, select_columns,
};
use stator_model::value::{AttributeValue, Item};

use crate::api::consumed::Consumed;
use crate::api::query::consumed;
use crate::api::read_source;
use crate::api::service::Call;
use crate::cluster::{Page, PageQuery, PageSource, PageTexts, Table};
use crate::table::IndexDefinition;
use crate::table::codec_json::item_to_json;
use crate::table::keys::{KeyRange, item_key, partition_key_prefix, query_range};

/// What a page of a `SELECT` gave.
#[derive(Default)]
pub(in crate::api) struct Selected {
    /// Items as JSON objects separated by commas, not yet in the shape of the columns: see [`shaped`].
    pub(in crate::api) items_json: Vec<u8>,
    /// Where to go on; absent at the end of the data.
    pub(in crate::api) next: Option<NextToken>,
    /// Read capacity units consumed.
    pub(in crate::api) consumed: Consumed,
}

const EVERYTHING: KeyRange = (Bound::Unbounded, Bound::Unbounded);

/// One query of the statement, ready to be run.
struct Range {
    partition_key: AttributeValue,
    hash: u64,
    range: KeyRange,
    texts: ExpressionTexts,
}

/// Reads one page.
///
/// # Errors
/// A ValidationException for a statement that does not fit the table, or a 500 at the deadline.
pub(in crate::api) async fn select(
    call: &Call<'_>,
    table: &Table,
    select: &Select,
    consistent: bool,
    limit: Option<u32>,
    token: Option<NextToken>,
) -> Result<Selected, ApiError> {
    let source = Source::of(table, select.index.as_deref(), consistent)?;
    let reader = Reader {
        call,
        source: &source,
        consistent,
        limit,
    };
    let plan = match &source.schema {
        Some(schema) => select.plan(schema)?,
        None => SelectPlan::Scan(select.plan_scan()?),
    };
    match plan {
        SelectPlan::Scan(texts) => reader.scan(texts, token).await,
        SelectPlan::Queries {
            reads,
            partition_descending,
            sort_descending,
        } => {
            let mut ranges: Vec<Range> = reads
                .into_iter()
                .map(|read| Range::of(read, &source))
                .collect();
            ranges.sort_by(|left, right| order(left, right, partition_descending, sort_descending));
            check_overlap(&ranges, sort_descending)?;
            reader.queries(ranges, sort_descending, token).await
        }
    }
}

/// What the statement reads: a table, or one of its indexes.
struct Source<'a> {
    table: &'a Table,
    index: Option<&'a IndexDefinition>,
    /// The key that conditions can pin; none where an index has several attributes in a part of it.
    schema: Option<KeySchema>,
}

impl<'a> Source<'a> {
    fn of(table: &'a Table, index: Option<&str>, consistent: bool) -> Result<Self, ApiError> {
        if index.is_some_and(|name| table.index(name).is_none()) {
            // Query's text for this names the index.
            return Err(ApiError::validation(
                "The table does not have the specified index",
            ));
        }
        let index = read_source::index(table, index, consistent)?;
        let schema = match index {
            Some(index) => index.single_key_schema(),
            None => Some(table.key_schema.clone()),
        };
        Ok(Self {
            table,
            index,
            schema,
        })
    }

    /// The hash that finds the partition of a key, and what the keys of its items begin with.
    fn prefix(&self, partition_key: &AttributeValue) -> (u64, Vec<u8>) {
        if let Some(index) = self.index {
            return index.key_prefix(std::slice::from_ref(partition_key), &[]);
        }
        let hash = partition_hash(partition_key);
        let storage_id = self.table.storage_id();
        (hash, partition_key_prefix(storage_id, hash, partition_key))
    }

    /// The place of a token's key, which need not exist.
    fn start(&self, key: &Item) -> Result<(u64, Vec<u8>), ApiError> {
        if let Some(index) = self.index {
            return read_source::start_of_index(index, key);
        }
        let start = self.table.key_schema.scan_start_key_from_map(key)?;
        let key = item_key(self.table.storage_id(), &start);
        Ok((start.partition_hash(), key))
    }

    fn page_source(&self, query: &PageQuery) -> Result<PageSource<'a>, ApiError> {
        read_source::source(
            self.table,
            self.index,
            None,
            query.filter.as_ref(),
            query.projection.as_ref(),
        )
    }
}

struct Reader<'a> {
    call: &'a Call<'a>,
    source: &'a Source<'a>,
    consistent: bool,
    limit: Option<u32>,
}

impl Reader<'_> {
    async fn scan(
        &self,
        texts: ExpressionTexts,
        token: Option<NextToken>,
    ) -> Result<Selected, ApiError> {
        let query = self.page_query(texts, false, self.limit)?;
        let start = token
            .and_then(|token| token.key)
            .map(|key| self.source.start(&key))
            .transpose()?;
        let (source, deadline) = (self.source.page_source(&query)?, self.call.deadline);
        let everywhere = (0, u64::MAX);
        let cluster = self.call.cluster;
        let page = cluster
            .scan(source, everywhere, start, &query, deadline)
            .await?;
        let mut selected = Selected::default();
        self.add(&mut selected, &page, 0);
        Ok(selected)
    }

    /// Runs one query after the other until the page is full.
    async fn queries(
        &self,
        ranges: Vec<Range>,
        backward: bool,
        token: Option<NextToken>,
    ) -> Result<Selected, ApiError> {
        let first = token.as_ref().map_or(0, |token| token.read);
        let mut start = token.and_then(|token| token.key);
        let mut selected = Selected::default();
        let (mut left, mut size_bytes) = (self.limit, 0_u64);
        let size_max = u64::try_from(PAGE_SIZE_BYTES_MAX).unwrap_or(u64::MAX);
        for (at, mut range) in (0_u32..).zip(ranges) {
            if at < first {
                continue;
            }
            if size_bytes >= size_max {
                selected.next = Some(NextToken {
                    read: at,
                    key: None,
                });
                break;
            }
            if let Some(start) = start.take() {
                range.begin_after(&start, self.source, backward)?;
            }
            let query = self.page_query(range.texts, backward, left)?;
            let (source, deadline) = (self.source.page_source(&query)?, self.call.deadline);
            let cluster = self.call.cluster;
            let page = cluster
                .query(source, range.hash, range.range, &query, deadline)
                .await?;
            size_bytes += page.scanned_size_bytes;
            left = left.map(|left| left.saturating_sub(page.scanned_count));
            self.add(&mut selected, &page, at);
            if selected.next.is_some() {
                break;
            }
        }
        Ok(selected)
    }

    fn add(&self, selected: &mut Selected, page: &Page, read: u32) {
        if !page.items_json.is_empty() {
            if !selected.items_json.is_empty() {
                selected.items_json.push(b',');
            }
            selected.items_json.extend_from_slice(&page.items_json);
        }
        let consumed = consumed(page, self.source.index, self.consistent);
        selected.consumed.add(consumed);
        selected.next = page.last_key.as_ref().map(|key| NextToken {
            read,
            key: Some(key.clone()),
        });
    }

    fn page_query(
        &self,
        texts: ExpressionTexts,
        backward: bool,
        limit: Option<u32>,
    ) -> Result<PageQuery, ApiError> {
        let filter = texts.parse_condition(ExpressionKind::Filter)?;
        if let (Some(filter), Some(schema)) = (&filter, &self.source.schema) {
            filter.check_key_attributes_scalar(schema)?;
        }
        let projection = texts
            .projection
            .as_deref()
            .map(|text| ProjectionExpression::parse(text, &texts.context()))
            .transpose()?;
        Ok(PageQuery {
            filter,
            projection,
            backward,
            count_only: false,
            consistent: self.consistent,
            limit,
            texts: PageTexts {
                filter: texts.condition,
                projection: texts.projection,
                names: texts.names,
                values: texts.values,
            },
        })
    }
}

impl Range {
    fn of(read: KeyRead, source: &Source<'_>) -> Self {
        let (hash, prefix) = source.prefix(&read.partition_key);
        let range = read
            .sort
            .iter()
            .map(|condition| query_range(&prefix, Some(condition)))
            .fold(query_range(&prefix, None), intersection);
        Self {
            partition_key: read.partition_key,
            hash,
            range,
            texts: read.texts,
        }
    }

    fn begin_after(
        &mut self,
        start: &Item,
        source: &Source<'_>,
        backward: bool,
    ) -> Result<(), ApiError> {
        let (_, key) = source.start(start)?;
        let behind = if backward {
            (Bound::Unbounded, Bound::Excluded(key))
        } else {
            (Bound::Excluded(key), Bound::Unbounded)
        };
        // Narrowed, never moved: the token may be forged.
        self.range = intersection(std::mem::replace(&mut self.range, EVERYTHING), behind);
        Ok(())
    }
}

/// Ranges in the order of the answer: by partition key, then by where they begin.
fn order(
    left: &Range,
    right: &Range,
    partition_descending: bool,
    sort_descending: bool,
) -> Ordering {
    let encoded = |range: &Range| {
        let mut key = Vec::new();
        stator_model::memcomparable::encode(&range.partition_key, &mut key);
        key
    };
    let directed = |ordering: Ordering, descending: bool| match descending {
        true => ordering.reverse(),
        false => ordering,
    };
    directed(encoded(left).cmp(&encoded(right)), partition_descending).then_with(|| {
        directed(
            lower_position(&left.range.0).cmp(&lower_position(&right.range.0)),
            sort_descending,
        )
    })
}

/// Refuses two ranges that share a key: its item would be answered twice.
fn check_overlap(ranges: &[Range], descending: bool) -> Result<(), ApiError> {
    let mut reach: Option<&Range> = None;
    let ascending: Vec<&Range> = match descending {
        true => ranges.iter().rev().collect(),
        false => ranges.iter().collect(),
    };
    for range in ascending {
        if is_empty(&range.range) {
            continue;
        }
        let before = reach.filter(|before| before.partition_key.data_equal(&range.partition_key));
        if before.is_some_and(|before| !is_empty(&(range.range.0.clone(), before.range.1.clone())))
        {
            return Err(ApiError::validation(
                "Overlapping conditions with range keys are not supported in where clause",
            ));
        }
        reach = Some(range);
    }
    Ok(())
}

/// Where a lower bound lies: its key, and whether just behind it.
fn lower_position(bound: &Bound<Vec<u8>>) -> (&[u8], bool) {
    match bound {
        Bound::Included(key) => (key, false),
        Bound::Excluded(key) => (key, true),
        Bound::Unbounded => (&[], false),
    }
}

/// Where an upper bound lies: its key, and whether just before it. All ranges here have one.
fn upper_position(bound: &Bound<Vec<u8>>) -> (&[u8], bool) {
    match bound {
        Bound::Included(key) => (key, true),
        Bound::Excluded(key) => (key, false),
        Bound::Unbounded => (&[0xff; 32], true),
    }
}

fn intersection(left: KeyRange, right: KeyRange) -> KeyRange {
    let lower = match lower_position(&left.0) >= lower_position(&right.0) {
        true => left.0,
        false => right.0,
    };
    let upper = match upper_position(&left.1) <= upper_position(&right.1) {
        true => left.1,
        false => right.1,
    };
    (lower, upper)
}

/// Whether no key can lie in the range.
fn is_empty(range: &KeyRange) -> bool {
    let (low, behind_low) = lower_position(&range.0);
    let (high, with_high) = upper_position(&range.1);
    low > high || (low == high && (behind_low || !with_high))
}

/// The items in the shape of the statement's columns.
///
/// Whole attributes came out of the store as they are answered; paths inside of them are answered under
/// their last name.
///
/// # Errors
/// An internal error for items of another node that cannot be read.
pub(in crate::api) fn shaped(select: &Select, items_json: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    if !select.columns.iter().any(|path| path.is_nested()) {
        return Ok(items_json);
    }
    let list = [b"[", items_json.as_slice(), b"]"].concat();
    let items = stator_model::json::parse_items(&list)
        .map_err(|_| ApiError::internal("items in an answer between nodes are damaged"))?;
    let mut out = Vec::with_capacity(items_json.len());
    for item in &items {
        if !out.is_empty() {
            out.push(b',');
        }
        item_to_json(&select_columns(&select.columns, item), &mut out);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
        (any::<bool>(), 0_u8..6).prop_map(|(included, at)| match included {
            true => Bound::Included(vec![at]),
            false => Bound::Excluded(vec![at]),
        })
    }

    fn contains(range: &KeyRange, key: u8) -> bool {
        let above = match &range.0 {
            Bound::Included(low) => vec![key] >= *low,
            Bound::Excluded(low) => vec![key] > *low,
            Bound::Unbounded => true,
        };
        let below = match &range.1 {
            Bound::Included(high) => vec![key] <= *high,
            Bound::Excluded(high) => vec![key] < *high,
            Bound::Unbounded => true,
        };
        above && below
    }

    fn range(range: KeyRange) -> Range {
        Range {
            partition_key: AttributeValue::string("a"),
            hash: 0,
            range,
            texts: ExpressionTexts::default(),
        }
    }

    proptest! {
        #[test]
        fn an_intersection_has_what_both_have(
            left in (bound(), bound()),
            right in (bound(), bound()),
        ) {
            let both = intersection(left.clone(), right.clone());
            for key in 0..6 {
                prop_assert_eq!(contains(&both, key), contains(&left, key) && contains(&right, key));
            }
        }

        #[test]
        fn ranges_that_share_a_key_overlap(
            bounds in proptest::collection::vec((bound(), bound()), 1..4),
            descending in any::<bool>(),
        ) {
            let mut ranges: Vec<Range> = bounds.into_iter().map(range).collect();
            ranges.sort_by(|left, right| order(left, right, false, descending));
            let shared = (0..6).any(|key| {
                ranges.iter().filter(|range| contains(&range.range, key)).count() > 1
            });
            let overlap = check_overlap(&ranges, descending).is_err();
            // Two ranges may also share keys that none of the six is.
            prop_assert!(overlap || !shared);
        }
    }

    #[test]
    fn ranges_side_by_side_do_not_overlap() {
        let (one, two, three) = (vec![1], vec![2], vec![3]);
        let ranges = [
            range((Bound::Included(one), Bound::Excluded(two.clone()))),
            range((Bound::Included(two.clone()), Bound::Included(two.clone()))),
            range((Bound::Excluded(two), Bound::Excluded(three))),
        ];
        assert!(check_overlap(&ranges, false).is_ok());
    }
}
