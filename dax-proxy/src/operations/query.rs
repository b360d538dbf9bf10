//! Query and Scan: the query cache.

use bytes::Bytes;
use tokio::time::Instant;

use super::policy::Handling;
use super::{Call, Proxy, malformed, table_name};
use crate::answer::{Answer, CacheOutcome, Failure};
use crate::cache::item_cache::joined;
use crate::cache::{CacheKey, PageFillStart, QueryPage};
use crate::metrics::Pages;
use crate::wire::{CapacityMode, Members, ReadCapacity, normalised};

impl Proxy {
    pub(super) async fn query(&self, call: &Call, handling: Handling) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        let table_name = table_name(&members)?;
        self.authorize(call, &table_name)?;

        let capacity = members.text("ReturnConsumedCapacity").ok();
        let capacity = capacity.and_then(|text| CapacityMode::from_text(text.as_deref()));
        let (Some(queries), Some(capacity), Ok(false)) =
            (&self.queries, capacity, members.is_true("ConsistentRead"))
        else {
            return Ok(self.pass(call).await);
        };
        let now = Instant::now();
        if !self.may_hit(now) {
            return Ok(self.pass(call).await);
        }
        let Some(table) = self.table(&table_name, now).await? else {
            return Ok(self.pass(call).await);
        };
        let mut readable = Some(());
        let key = CacheKey::new(table.handle.id(), |out| {
            readable = normalised(call.operation, &members, out);
        });
        if readable.is_none() {
            return Ok(self.pass(call).await);
        }
        let pages = match handling {
            Handling::Scan => Pages::Scan,
            _ => Pages::Query,
        };
        if let Some(page) = queries.lookup(&table.handle, key.as_bytes(), now) {
            self.metrics.page_hit(pages);
            return Ok(answer(&page, capacity, &table_name, CacheOutcome::Hit));
        }
        self.metrics.page_miss(pages);
        loop {
            let result = match queries.start_fill(&table.handle, &key, now) {
                PageFillStart::Hit(page) => Ok(page),
                PageFillStart::Join(flight) => match joined(flight).await {
                    Some(result) => result,
                    None => continue,
                },
                PageFillStart::Lead(ticket) => {
                    // The client's own request: an eventually consistent read of what it asks for.
                    let answered = self.upstream.call(call.operation, call.body.clone()).await;
                    let result = match answered {
                        Ok(answered) if answered.is_success() => match page_of(&answered.body) {
                            Some(page) => {
                                ticket.finish(Ok(page), Instant::now());
                                return Ok(Answer::passed(answered, CacheOutcome::Miss));
                            }
                            None => Err(Failure::unreadable()),
                        },
                        Ok(answered) => {
                            self.note_error(&table_name, &answered);
                            Err(Failure::Answered(answered))
                        }
                        Err(error) => Err(Failure::Upstream(error)),
                    };
                    ticket.finish(result.clone(), Instant::now());
                    result
                }
            };
            return match result {
                Ok(page) => Ok(answer(&page, capacity, &table_name, CacheOutcome::Miss)),
                Err(failure) => Err(failure.into()),
            };
        }
    }
}

/// The page of an answer: all but what it has consumed.
fn page_of(body: &Bytes) -> Option<QueryPage> {
    let members = Members::parse(body).ok()?;
    Some(QueryPage::new(match members.get("ConsumedCapacity") {
        None => body.clone(),
        Some(_) => members.with(&[("ConsumedCapacity", None)]).into(),
    }))
}

/// A page that this request has fetched nothing for, and so consumed nothing.
fn answer(
    page: &QueryPage,
    capacity: CapacityMode,
    table_name: &str,
    outcome: CacheOutcome,
) -> Answer {
    let body = page.body.clone();
    let Some(consumed) = ReadCapacity::default().json(capacity, table_name) else {
        return Answer {
            crc32: Some(page.crc32),
            ..Answer::ok(body, outcome)
        };
    };
    // A page is an object with at least a Count: see `page_of`.
    let mut with_capacity = body.to_vec();
    while with_capacity.pop().is_some_and(|last| last != b'}') {}
    with_capacity.extend_from_slice(b",\"ConsumedCapacity\":");
    with_capacity.extend_from_slice(&consumed);
    with_capacity.push(b'}');
    Answer::ok(with_capacity, outcome)
}
