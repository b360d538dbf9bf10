//! TransactWriteItems: passed, each item that it writes behind a fence of its own, and none of them held
//! afterwards. TransactGetItems: passed; nothing is served from the cache and nothing stored.
//!
//! DAX reads the items again after a transaction; here the next read of each does.

use std::sync::Arc;

use stator_kit::access::authorize;
use stator_model::operations::{
    TransactGetItemsRequest, TransactWriteAction, TransactWriteItem, TransactWriteItemsRequest,
};
use stator_model::{ApiError, ErrorCode, KeySchema, PrimaryKey};
use tokio::time::Instant;

use super::write::outcome_of_silence;
use super::{Call, Proxy, TableArn, item_key};
use crate::answer::{Answer, CacheOutcome};
use crate::cache::{CacheKey, WriteOutcome, WriteTicket};
use crate::upstream::{Answered, Table};

impl Proxy {
    pub(super) async fn transact_get_items(&self, call: &Call) -> Result<Answer, Answer> {
        let request = TransactGetItemsRequest::parse(&call.body)?;
        for get in &request.transact_items {
            self.authorize_action(call, "dynamodb:GetItem", &get.table_name)?;
        }
        Ok(self.pass(call).await)
    }

    pub(super) async fn transact_write_items(
        self: &Arc<Self>,
        call: &Call,
    ) -> Result<Answer, Answer> {
        let request = TransactWriteItemsRequest::parse(&call.body)?;
        for item in &request.transact_items {
            self.authorize_action(call, item.action.permission(), &item.table_name)?;
        }
        let now = Instant::now();
        let mut writes: Vec<(Arc<Table>, CacheKey)> = Vec::new();
        for item in &request.transact_items {
            let Some(table) = self.table(&item.table_name, now).await? else {
                // One missing table fails the whole; the store says so.
                return self.write_unknown_table(call).await;
            };
            match written_key(&table.key_schema, item) {
                None => {}
                Some(Ok(key)) => {
                    let key = item_key(table.handle.id(), &key);
                    writes.push((table, key));
                }
                // The store refuses the whole, unless the table is another one by now.
                Some(Err(_)) => return self.write_unknown_table(call).await,
            }
        }
        // As it was understood here: what a name that came twice means must not differ.
        let body = request.to_json().into();
        let (proxy, operation) = (Arc::clone(self), call.operation);
        let done = self.tasks.spawn_with_result("transaction", async move {
            let fenced: Vec<_> = writes
                .into_iter()
                .map(|(table, key)| proxy.items.start_write(&table.handle, key))
                .collect();
            let answered = proxy.upstream.call(operation, body).await;
            let outcome = match &answered {
                Ok(answered) => outcome_of(answered),
                Err(error) => outcome_of_silence(*error),
            };
            let now = Instant::now();
            let changes = proxy.changes_of_keys(fenced.iter().map(WriteTicket::key));
            let tenure = proxy.tenure();
            for ticket in fenced {
                ticket.finish(outcome.clone(), now);
            }
            match answered {
                Ok(answered) => {
                    for item in &request.transact_items {
                        proxy.note_error(&item.table_name, &answered);
                    }
                    let answer = Answer::passed(answered, CacheOutcome::Bypass);
                    proxy.settled(tenure, &changes, answer).await
                }
                Err(error) => error.into(),
            }
        });
        done.await
            .map_err(|_| ApiError::internal("The request was given up.").into())
    }

    /// As [`Proxy::authorize`], for an action that is not named like the operation.
    fn authorize_action(&self, call: &Call, action: &str, table_name: &str) -> Result<(), Answer> {
        let resource = TableArn {
            prefix: &self.table_arn_prefix,
            name: table_name,
        };
        authorize(&call.principal, action, &resource).map_err(|denied| {
            ApiError::new(ErrorCode::AccessDeniedException, denied.to_string()).into()
        })
    }
}

/// The key of the item that the action writes; `None` for a check, which writes nothing.
fn written_key(
    schema: &KeySchema,
    item: &TransactWriteItem,
) -> Option<Result<PrimaryKey, ApiError>> {
    match &item.action {
        TransactWriteAction::ConditionCheck { .. } => None,
        TransactWriteAction::Put { item } => Some(schema.key_of_item(item)),
        TransactWriteAction::Update { key, .. } | TransactWriteAction::Delete { key } => {
            Some(schema.key_from_map(key))
        }
    }
}

fn outcome_of(answered: &Answered) -> WriteOutcome {
    if answered.is_success() {
        WriteOutcome::NoImage
    } else if answered.surely_not_executed()
        // The one that runs under the token may be that of a lost answer.
        && !answered.is_error(ErrorCode::TransactionInProgressException)
    {
        WriteOutcome::NotExecuted
    } else {
        WriteOutcome::Unknown
    }
}
