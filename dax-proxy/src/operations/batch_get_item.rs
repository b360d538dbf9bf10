//! BatchGetItem: each key is looked up on its own, and only what is missing goes down, in one call.
//!
//! Tables that are read strongly consistently are sent as they came and nothing of them is stored.
//! What is already being fetched by another request is waited for, after this one's own fetch, so that
//! two batches never wait for each other.

mod merge;
mod request;

use bytes::Bytes;
use tokio::time::Instant;

use self::request::{BatchRequest, TablePart};
use super::write::required;
use super::{Call, Proxy, malformed};
use crate::answer::{Answer, CacheOutcome, Failure};
use crate::cache::item_cache::{FillResult, Flight, joined};
use crate::cache::{CachedItem, FillStart, FillTicket};
use crate::upstream::Answered;
use crate::wire::{Members, ObjectWriter};

/// How often keys are tried whose fetcher has left; what is left then is answered as unprocessed.
const ROUNDS_MAX: usize = 3;

/// What is known of one key of the request.
enum KeyState {
    /// Not looked for yet, or its fetcher has left.
    Open,
    /// From the cache.
    Hit(CachedItem),
    /// Fetched for this request or another.
    Fetched(CachedItem),
    /// The store did not process it.
    Unprocessed,
    /// This request fetches it.
    Leads(FillTicket<Failure>),
    /// Another request fetches it.
    Joins(Flight<Failure>),
}

impl Proxy {
    pub(super) async fn batch_get_item(&self, call: &Call) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        let by_table = required(&members, "RequestItems")?;
        let by_table = Members::parse(by_table.as_bytes()).map_err(malformed)?;
        for (table_name, _) in by_table.iter() {
            self.authorize(call, table_name)?;
        }
        let now = Instant::now();
        if !self.may_hit(now) {
            return self.batch_past_the_cache(call, &members, &by_table).await;
        }
        let Some(mut request) = BatchRequest::read(self, &members, &by_table, now).await? else {
            return Ok(self.pass(call).await);
        };
        self.look_up(&mut request, now);
        // Of the first round: it holds what the strongly consistent tables answered.
        let mut first_answer = None;
        for round in 0..ROUNDS_MAX {
            self.start_fills(&mut request, now);
            let answered = self.fetch(&mut request, round == 0).await?;
            if round == 0 {
                first_answer = answered;
            }
            if !wait_for_others(&mut request).await {
                break;
            }
        }
        merge::answer(&request, first_answer.as_ref())
    }

    /// No hit may be served: everything is fetched, as consistently as fills are, and nothing stored.
    async fn batch_past_the_cache(
        &self,
        call: &Call,
        members: &Members<'_>,
        by_table: &Members<'_>,
    ) -> Result<Answer, Answer> {
        if !self.strong_fills {
            return Ok(self.pass(call).await);
        }
        let mut request_items = ObjectWriter::new();
        for (table_name, keys) in by_table.iter() {
            match Members::parse(keys.as_bytes()) {
                Ok(keys) => {
                    let strong = keys.with(&[("ConsistentRead", Some(b"true"))]);
                    request_items.member(table_name, &strong);
                }
                // For the store to say what is wrong.
                Err(_) => return Ok(self.pass(call).await),
            }
        }
        let body = members.with(&[("RequestItems", Some(&request_items.finish()))]);
        let call = Call {
            principal: std::sync::Arc::clone(&call.principal),
            body: body.into(),
            ..*call
        };
        Ok(self.pass(&call).await)
    }

    fn look_up(&self, request: &mut BatchRequest<'_>, now: Instant) {
        for part in &mut request.cached {
            for key in &mut part.keys {
                match self
                    .items
                    .lookup(&part.table.handle, key.cache_key.as_bytes(), now)
                {
                    Some(item) => {
                        self.metrics.item_hits.inc();
                        key.state = KeyState::Hit(item);
                    }
                    None => {
                        self.metrics.item_misses.inc();
                    }
                }
            }
        }
    }

    fn start_fills(&self, request: &mut BatchRequest<'_>, now: Instant) {
        for part in &mut request.cached {
            for key in part
                .keys
                .iter_mut()
                .filter(|key| matches!(key.state, KeyState::Open))
            {
                key.state = match self
                    .items
                    .start_fill(&part.table.handle, &key.cache_key, now)
                {
                    FillStart::Hit(item) => KeyState::Fetched(item),
                    FillStart::Lead(ticket) => KeyState::Leads(ticket),
                    FillStart::Join(flight) => KeyState::Joins(flight),
                };
            }
        }
    }

    /// Fetches what this request leads, and in the first call the strongly consistent tables with it.
    /// `None`: there was nothing to fetch.
    async fn fetch(
        &self,
        request: &mut BatchRequest<'_>,
        first: bool,
    ) -> Result<Option<Answered>, Answer> {
        let Some(body) = request.upstream_body(self.strong_fills, first) else {
            return Ok(None);
        };
        let may_store: Vec<bool> = request
            .cached
            .iter()
            .map(|part| part.table.may_store())
            .collect();
        self.metrics.fills.inc();
        let answered = self.upstream.call("BatchGetItem", Bytes::from(body)).await;
        let answered = match answered {
            Ok(answered) if answered.is_success() => answered,
            Ok(answered) => {
                request
                    .cached
                    .iter()
                    .for_each(|part| self.note_error(part.name, &answered));
                return Err(give_up(request, Failure::Answered(answered)));
            }
            Err(error) => return Err(give_up(request, Failure::Upstream(error))),
        };
        let now = Instant::now();
        let read = Members::parse(&answered.body).ok().and_then(|members| {
            let responses = members.get("Responses").unwrap_or("{}");
            let unprocessed = members.get("UnprocessedKeys").unwrap_or("{}");
            for (part, may_store) in request.cached.iter_mut().zip(may_store) {
                distribute(part, responses, unprocessed, may_store, now)?;
            }
            Some(())
        });
        match read {
            Some(()) => Ok(Some(answered)),
            None => Err(give_up(request, Failure::unreadable())),
        }
    }
}

/// Hands the store's items of one table to the keys that were waiting for them. A key that is neither
/// answered nor unprocessed has no item.
fn distribute(
    part: &mut TablePart<'_>,
    responses: &str,
    unprocessed: &str,
    may_store: bool,
    now: Instant,
) -> Option<()> {
    let mut items = request::items_by_key(part, responses)?;
    let unprocessed = request::unprocessed_of(part, unprocessed)?;
    for key in &mut part.keys {
        key.state = match std::mem::replace(&mut key.state, KeyState::Open) {
            KeyState::Leads(ticket) if unprocessed.contains(&key.cache_key) => {
                // Those who wait for it find no result and fetch it themselves.
                drop(ticket);
                KeyState::Unprocessed
            }
            KeyState::Leads(ticket) => {
                let item = items.remove(&key.cache_key).unwrap_or(CachedItem::Absent);
                match may_store {
                    true => ticket.finish(Ok(item.clone()), now),
                    false => ticket.finish_without_storing(Ok(item.clone()), now),
                }
                KeyState::Fetched(item)
            }
            other => other,
        };
    }
    Some(())
}

/// The fetch has failed: whoever waits for it is told, and so is the caller.
fn give_up(request: &mut BatchRequest<'_>, failure: Failure) -> Answer {
    let now = Instant::now();
    for key in request.cached.iter_mut().flat_map(|part| &mut part.keys) {
        key.state = match std::mem::replace(&mut key.state, KeyState::Unprocessed) {
            KeyState::Leads(ticket) => {
                ticket.finish(Err(failure.clone()), now);
                KeyState::Unprocessed
            }
            other => other,
        };
    }
    failure.into()
}

/// Waits for what others fetch. `true`: some of them have left without a result.
async fn wait_for_others(request: &mut BatchRequest<'_>) -> bool {
    let mut left = false;
    for key in request.cached.iter_mut().flat_map(|part| &mut part.keys) {
        key.state = match std::mem::replace(&mut key.state, KeyState::Open) {
            KeyState::Joins(flight) => match result_of(flight).await {
                Some(Ok(item)) => KeyState::Fetched(item),
                Some(Err(_)) => KeyState::Unprocessed,
                None => {
                    left = true;
                    KeyState::Open
                }
            },
            other => other,
        };
    }
    left
}

async fn result_of(flight: Flight<Failure>) -> Option<FillResult<Failure>> {
    joined(flight).await
}

/// How the whole answer came about.
fn outcome(request: &BatchRequest<'_>) -> CacheOutcome {
    let mut states = request
        .cached
        .iter()
        .flat_map(|part| &part.keys)
        .map(|key| &key.state);
    if request.cached.is_empty() {
        CacheOutcome::Bypass
    } else if request.passed.is_empty() && states.all(|state| matches!(state, KeyState::Hit(_))) {
        CacheOutcome::Hit
    } else {
        CacheOutcome::Miss
    }
}
