//! PutItem and DeleteItem, and what all writes share: fence, send, tell, answer.

use std::sync::Arc;

use bytes::Bytes;
use stator_model::{ApiError, PrimaryKey};
use tokio::time::Instant;

use super::policy::Handling;
use super::{Call, Proxy, item_key, malformed, table_name};
use crate::answer::{Answer, CacheOutcome};
use crate::cache::{CachedItem, WriteOutcome};
use crate::cluster::Change;
use crate::upstream::{Answered, Table, UpstreamError};
use crate::wire::{Members, item_json, parse_item};

/// What the key's entry becomes when the store acknowledges, and what the caller is answered.
pub(super) type OnSuccess = Box<dyn FnOnce(Answered) -> (WriteOutcome, Answer) + Send>;

/// One write of one key, ready to be sent.
pub(super) struct Write {
    pub(super) operation: &'static str,
    pub(super) table_name: String,
    pub(super) table: Arc<Table>,
    pub(super) primary_key: PrimaryKey,
    pub(super) body: Bytes,
    pub(super) on_success: OnSuccess,
}

impl Proxy {
    pub(super) async fn write_item(
        self: &Arc<Self>,
        call: &Call,
        handling: Handling,
    ) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        let table_name = table_name(&members)?;
        self.authorize(call, &table_name)?;
        let Some(table) = self.table(&table_name, Instant::now()).await? else {
            return self.write_unknown_table(call).await;
        };
        let puts = handling == Handling::PutItem;
        let member = if puts { "Item" } else { "Key" };
        // What cannot be mapped to a key is not sent: the store would refuse it too.
        let attributes = parse_item(required(&members, member)?).map_err(in_operation(puts))?;
        let primary_key = match puts {
            true => table.key_schema.key_of_item(&attributes),
            false => table.key_schema.key_from_map(&attributes),
        };
        // As it was understood here: what a name that came twice means must not differ from the entry.
        let json = item_json(&attributes);
        let body = members.with(&[(member, Some(&json))]).into();
        let write = Write {
            operation: call.operation,
            table_name: table_name.into_owned(),
            table,
            primary_key: primary_key.map_err(in_operation(puts))?,
            body,
            on_success: Box::new(move |answered| {
                let item = match puts {
                    true => CachedItem::from_item_json(&json),
                    false => CachedItem::Absent,
                };
                (
                    WriteOutcome::Image(item),
                    Answer::passed(answered, CacheOutcome::Bypass),
                )
            }),
        };
        self.write(write).await
    }

    /// Sends one write behind its fence. It runs to its end in a task of its own: the outcome is told to
    /// the cache even when the client has left, and before the client is answered.
    pub(super) async fn write(self: &Arc<Self>, write: Write) -> Result<Answer, Answer> {
        let proxy = Arc::clone(self);
        let done = self.tasks.spawn_with_result("write", async move {
            let Write {
                operation,
                table_name,
                table,
                primary_key,
                body,
                on_success,
            } = write;
            let may_store = table.may_store();
            let key = item_key(table.handle.id(), &primary_key);
            let ticket = proxy.items.start_write(&table.handle, key);
            let answered = proxy.upstream.call(operation, body).await;
            let (outcome, answer) = match answered {
                Ok(answered) if answered.is_success() => on_success(answered),
                Ok(answered) => {
                    proxy.note_error(&table_name, &answered);
                    let outcome = outcome_of_answer(&answered);
                    (outcome, Answer::passed(answered, CacheOutcome::Bypass))
                }
                Err(error) => {
                    let outcome = outcome_of_silence(error);
                    (outcome, error.into())
                }
            };
            let outcome = match (outcome, may_store) {
                (WriteOutcome::Image(_), false) => WriteOutcome::NoImage,
                (outcome, _) => outcome,
            };
            let changes = proxy.changes_of_keys([ticket.key()]);
            let tenure = proxy.tenure();
            ticket.finish(outcome, Instant::now());
            drop(table);
            proxy.settled(tenure, &changes, answer).await
        });
        done.await
            .map_err(|_| ApiError::internal("The request was given up.").into())
    }

    /// A write to a table that the store does not describe. Most likely there is none and the store says
    /// so. If it was made just now, nothing that was read meanwhile may stay.
    pub(super) async fn write_unknown_table(
        self: &Arc<Self>,
        call: &Call,
    ) -> Result<Answer, Answer> {
        let (proxy, operation, body) = (Arc::clone(self), call.operation, call.body.clone());
        let done = self.tasks.spawn_with_result("write", async move {
            let answered = proxy.upstream.call(operation, body).await;
            let refused = match &answered {
                Ok(answered) => answered.surely_not_executed(),
                Err(error) => matches!(error, UpstreamError::NotSent),
            };
            let answer = match answered {
                Ok(answered) => Answer::passed(answered, CacheOutcome::Bypass),
                Err(error) => error.into(),
            };
            if refused {
                return answer;
            }
            let tenure = proxy.tenure();
            proxy.tables.forget_all();
            proxy.settled(tenure, &[Change::DropAll], answer).await
        });
        done.await
            .map_err(|_| ApiError::internal("The request was given up.").into())
    }
}

/// What the store's error says about whether the write has happened.
fn outcome_of_answer(answered: &Answered) -> WriteOutcome {
    match answered.surely_not_executed() {
        true => WriteOutcome::NotExecuted,
        false => WriteOutcome::Unknown,
    }
}

/// What a missing answer says about it.
pub(super) fn outcome_of_silence(error: UpstreamError) -> WriteOutcome {
    match error {
        UpstreamError::NotSent => WriteOutcome::NotExecuted,
        UpstreamError::Lost => WriteOutcome::Unknown,
    }
}

/// A member that must be there.
pub(super) fn required<'a>(members: &Members<'a>, name: &str) -> Result<&'a str, Answer> {
    members.get(name).ok_or_else(|| {
        let mut path = name.to_owned();
        if let Some(first) = path.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        ApiError::validation(format!(
            "1 validation error detected: Value null at '{path}' failed to satisfy constraint: \
             Member must not be null"
        ))
        .into()
    })
}

/// PutItem and UpdateItem word some errors in their own way.
pub(super) fn in_operation(put_or_update: bool) -> impl Fn(ApiError) -> Answer {
    move |error| match put_or_update {
        true => error.in_put_or_update().into(),
        false => error.into(),
    }
}
