//! One file for each operation that the cache understands, and [`policy`] for all the others.

mod batch_get_item;
mod batch_write_item;
mod get_item;
mod placed;
pub(crate) mod policy;
mod projection;
mod query;
mod statements;
mod transactions;
mod update_item;
mod updated_new;
mod write;

#[cfg(test)]
mod hit_path_test;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use stator_kit::access::{Principal, authorize};
use stator_kit::task::TaskOwner;
use stator_model::{ApiError, ErrorCode, PrimaryKey};
use tokio::time::Instant;

use self::policy::Handling;
use crate::answer::{Answer, CacheOutcome, Failure};
use crate::cache::{CacheKey, ItemCache, QueryCache, TableId};
use crate::cluster::Cluster;
use crate::coherence::Coherence;
use crate::metrics::Metrics;
use crate::sidecar::Follower;
use crate::upstream::{Answered, Table, TableError, Tables, Upstream};
use crate::wire::{Members, MembersError};

/// What all operations need.
pub(crate) struct Proxy {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) items: Arc<ItemCache<Failure>>,
    /// `None` with a query TTL of 0.
    pub(crate) queries: Option<Arc<QueryCache<Failure>>>,
    pub(crate) metrics: Arc<Metrics>,
    /// Only with `--coherent`.
    pub(crate) coherence: Option<Arc<Coherence>>,
    /// Only with `--peers`.
    pub(crate) cluster: Option<Arc<Cluster>>,
    /// Only in a sidecar.
    pub(crate) follower: Option<Arc<Follower>>,
    /// Whether fills read consistently: see [`crate::cache`].
    pub(crate) strong_fills: bool,
    /// `arn:aws:dynamodb:REGION:ACCOUNT:table/`, for `authorize`.
    pub(crate) table_arn_prefix: String,
    /// Writes run in tasks of their own: the outcome is seen even when the client has left.
    pub(crate) tasks: TaskOwner,
}

/// One authenticated request.
pub(crate) struct Call {
    /// Who asks.
    pub(crate) principal: Arc<Principal>,
    /// The target's operation, e.g. `GetItem`.
    pub(crate) operation: &'static str,
    /// The target's prefix: `DynamoDB_20120810` or `DynamoDBStreams_20120810`.
    pub(crate) target_prefix: &'static str,
    pub(crate) body: Bytes,
}

impl Proxy {
    /// Answers one request: a write where the cluster's primary is.
    pub(crate) async fn call(self: &Arc<Self>, call: Call, handling: Handling) -> Answer {
        match &self.cluster {
            Some(cluster) if handling.writes() => self.placed(cluster, call, handling).await,
            _ => self.call_here(call, handling).await,
        }
    }

    /// Answers one request on this node.
    pub(crate) async fn call_here(self: &Arc<Self>, call: Call, handling: Handling) -> Answer {
        let result = match handling {
            Handling::GetItem => self.get_item(&call).await,
            Handling::BatchGetItem => self.batch_get_item(&call).await,
            Handling::Query | Handling::Scan => self.query(&call, handling).await,
            Handling::PutItem | Handling::DeleteItem => self.write_item(&call, handling).await,
            Handling::UpdateItem => self.update_item(&call).await,
            Handling::BatchWriteItem => self.batch_write_item(&call).await,
            Handling::Statements => self.statements(&call).await,
            Handling::TransactGetItems => self.transact_get_items(&call).await,
            Handling::TransactWriteItems => self.transact_write_items(&call).await,
            Handling::Pass => self.pass_authorized(&call).await,
            Handling::PassAndDrop => self.pass_and_drop(&call).await,
            Handling::Refuse => Err(policy::refusal(call.operation).into()),
        };
        result.unwrap_or_else(|answer| answer)
    }

    /// Sends the request as it came.
    pub(crate) async fn pass(&self, call: &Call) -> Answer {
        match self
            .upstream
            .call_target(call.target_prefix, call.operation, call.body.clone())
            .await
        {
            Ok(answered) => Answer::passed(answered, CacheOutcome::Bypass),
            Err(error) => error.into(),
        }
    }

    /// Sends a request on as its caller has signed it: whether that is right is for the endpoint to say.
    pub(crate) async fn pass_as_signed(&self, parts: &Parts, body: Bytes) -> Answer {
        self.metrics.passed_signed.inc();
        match self.upstream.pass_as_signed(parts, body).await {
            Ok(answered) => Answer::passed(answered, CacheOutcome::Bypass),
            Err(error) => error.into(),
        }
    }

    async fn pass_authorized(&self, call: &Call) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        self.authorize_named(call, &members)?;
        Ok(self.pass(call).await)
    }

    /// A table operation: what is held of the tables is dropped before it and after it.
    async fn pass_and_drop(self: &Arc<Self>, call: &Call) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        self.authorize_named(call, &members)?;
        let name = members
            .text("TableName")
            .ok()
            .flatten()
            .map(Cow::into_owned);
        let (proxy, target, operation, body) = (
            Arc::clone(self),
            call.target_prefix,
            call.operation,
            call.body.clone(),
        );
        let drop_name = name.clone();
        let drop_tables = move |proxy: &Self| match &drop_name {
            Some(name) => proxy.tables.forget(name),
            // Which table it is about is not known: all of them.
            None => proxy.tables.forget_all(),
        };
        let mut dropped = self.changes_of_tables(name.as_slice());
        drop_tables(self);
        let done = self.tasks.spawn_with_result("table operation", async move {
            let answered = proxy.upstream.call_target(target, operation, body).await;
            // It may have become known again meanwhile.
            dropped.extend(proxy.changes_of_tables(name.as_slice()));
            let tenure = proxy.tenure();
            drop_tables(&proxy);
            let answer = match answered {
                Ok(answered) => Answer::passed(answered, CacheOutcome::Bypass),
                Err(error) => error.into(),
            };
            proxy.settled(tenure, &dropped, answer).await
        });
        done.await
            .map_err(|_| ApiError::internal("The request was given up.").into())
    }

    fn authorize_named(&self, call: &Call, members: &Members<'_>) -> Result<(), Answer> {
        let name = members.text("TableName").ok().flatten();
        self.authorize(call, name.as_deref().unwrap_or("*"))
    }

    /// Whether the caller may do this to that table. To be called before any cache is looked up.
    pub(crate) fn authorize(&self, call: &Call, table_name: &str) -> Result<(), Answer> {
        let action = format!("dynamodb:{}", call.operation);
        let resource = TableArn {
            prefix: &self.table_arn_prefix,
            name: table_name,
        };
        authorize(&call.principal, &action, &resource).map_err(|denied| {
            ApiError::new(ErrorCode::AccessDeniedException, denied.to_string()).into()
        })
    }

    /// The table that a request names, or `None` if the store must tell the caller what is wrong.
    pub(crate) async fn table(
        &self,
        name: &str,
        now: Instant,
    ) -> Result<Option<Arc<Table>>, Answer> {
        match self.tables.get(name, now).await {
            Ok(table) => {
                if let Some(coherence) = &self.coherence {
                    coherence.follow(&table);
                }
                Ok(Some(table))
            }
            Err(TableError::Refused) => Ok(None),
            Err(TableError::Unreachable(error)) => Err(error.into()),
        }
    }

    /// Looks at an error of the store that tells more than itself.
    pub(crate) fn note_error(&self, table_name: &str, answered: &Answered) {
        if answered.is_error(ErrorCode::ResourceNotFoundException) {
            self.tables.forget(table_name);
        }
    }
}

/// Displays as the ARN of a table that a request names by name or by ARN; built only when needed.
struct TableArn<'a> {
    prefix: &'a str,
    name: &'a str,
}

impl fmt::Display for TableArn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.name.starts_with("arn:") {
            formatter.write_str(self.prefix)?;
        }
        formatter.write_str(self.name)
    }
}

/// The name of the request's table, which every data operation on one table must have.
fn table_name<'a>(members: &Members<'a>) -> Result<Cow<'a, str>, Answer> {
    members
        .text("TableName")
        .map_err(malformed)?
        .ok_or_else(|| {
            ApiError::validation(
            "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: \
             Member must not be null",
        )
        .into()
        })
}

/// A body that cannot be read is not passed on: what it would do to the cache is not known.
fn malformed(error: MembersError) -> Answer {
    match error {
        MembersError::Malformed => ApiError::without_message(ErrorCode::SerializationException),
        MembersError::WrongType => ApiError::serialization("Unexpected value type in payload"),
    }
    .into()
}

/// Where an item's entry is.
pub(crate) fn item_key(table: TableId, key: &PrimaryKey) -> CacheKey {
    CacheKey::new(table, |out| {
        key.encode_partition(out);
        key.encode_sort(out);
    })
}
