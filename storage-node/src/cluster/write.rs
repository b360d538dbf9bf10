//! The write path: latch, read, evaluate, propose, answer.
//!
//! On the leader, in this order and no other: take the item's latch; note the term of leadership;
//! look up the request id; read the current item; evaluate; propose, handing the latch to the log,
//! which drops it when the outcome is settled. A write that changes nothing, and every error that
//! depends on the item, is confirmed by a read-index of the same term before it is answered: a
//! leader that was deposed without knowing must not tell what it saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use stator_model::capacity::write_units;
use stator_model::error::{ApiError, ErrorCode, Usage};
use stator_model::expression::{
    ConditionExpression, ExpressionContext, ExpressionKind, UpdateExpression,
};
use stator_model::key::PrimaryKey;
use stator_model::value::AttributeValue;
use tokio::time::Instant;

use super::catalog::rows::PartitionRow;
use super::guard::Known;
use super::item_change::DecidedChange;
use super::message::{
    DataAnswer, DataRequest, Refusal, Route, WriteMessage, WriteMessageAction, WriteOutcome,
    decode, encode,
};
use super::route::{RouteError, Routed, refuse, refuse_storage};
use super::{Cluster, LocalGroup, Table};
use crate::engine::Keyspace;
use crate::replication::{Cause, GroupId, Images, Leadership, LogCommand, PartitionId, RequestId};
use crate::table::codec::{attributes_to_bytes, decode_attributes};
use crate::table::evaluate::{EvaluateError, Mutation, evaluate};
use crate::table::keys::item_key;
use crate::table::{StoredItem, WriteAction, WriteOperation};

/// A write of one item, parsed, validated, and checked against the table's schema.
#[derive(Debug)]
pub struct ItemWrite {
    /// The table.
    pub table: Arc<Table>,
    /// The item's key.
    pub key: PrimaryKey,
    /// What to do.
    pub operation: WriteOperation,
    /// The expressions as text, for a leader elsewhere.
    pub texts: WriteTexts,
}

/// The expressions of a write as the client sent them.
#[derive(Debug, Default)]
pub struct WriteTexts {
    /// `ConditionExpression`.
    pub condition: Option<String>,
    /// `UpdateExpression`.
    pub update: Option<String>,
    /// `ExpressionAttributeNames`.
    pub names: Option<BTreeMap<String, String>>,
    /// `ExpressionAttributeValues`.
    pub values: Option<BTreeMap<String, AttributeValue>>,
}

/// A write with its route and its request id, the same for every attempt.
struct RoutedWrite<'a> {
    write: &'a ItemWrite,
    table: Arc<Table>,
    partition: PartitionRow,
    key: Bytes,
    request_id: RequestId,
}

impl Cluster {
    /// Writes one item.
    ///
    /// # Errors
    /// The caller's error, or a 500 at the deadline: the outcome is then unknown.
    ///
    /// # Cancel safety
    /// A write that reached the log runs to its end without the caller.
    pub async fn write(
        &self,
        write: &ItemWrite,
        deadline: Instant,
    ) -> Result<WriteOutcome, ApiError> {
        let request_id = RequestId(self.request_id());
        let mut table = Arc::clone(&write.table);
        loop {
            let partition = table
                .partition_of(write.key.partition_hash())
                .ok_or_else(|| ApiError::internal("the table has no partition for the key"))?
                .clone();
            let key = Bytes::from(item_key(table.storage_id(), &write.key));
            let routed = RoutedWrite {
                write,
                table: Arc::clone(&table),
                partition,
                key,
                request_id,
            };
            match self.route(&routed, deadline).await {
                Ok(outcome) => return Ok(outcome),
                Err(RouteError::Api(error)) => return Err(error),
                Err(RouteError::Stale) => table = self.renewed(&table, deadline).await?,
            }
        }
    }

    /// The table of the same name after a look at the newest catalog.
    pub(super) async fn renewed(
        &self,
        table: &Arc<Table>,
        deadline: Instant,
    ) -> Result<Arc<Table>, ApiError> {
        self.barrier(deadline).await?;
        let fresh = self
            .catalog
            .table(&table.row.name)
            .filter(|table| table.is_active());
        let fresh = fresh.ok_or_else(ApiError::not_found)?;
        if fresh.key_schema != table.key_schema {
            return Err(ApiError::validation(
                "The provided key element does not match the schema",
            ));
        }
        if fresh.row == table.row {
            // The leader is behind the catalog rather than this node.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            if Instant::now() >= deadline {
                return Err(ApiError::internal("the partition did not settle in time"));
            }
        }
        Ok(fresh)
    }

    /// Writes one item as the leader of its group.
    async fn write_as_leader(
        &self,
        table: &Arc<Table>,
        partition: &PartitionRow,
        key: Bytes,
        request_id: RequestId,
        operation: &WriteOperation,
        deadline: Instant,
    ) -> Result<WriteOutcome, Refusal> {
        let local = self.local_group(GroupId(partition.group_id))?;
        let group = &local.handle;
        let latch = self
            .latches
            .lock(&key, deadline)
            .await
            .ok_or(Refusal::NotExecuted)?;
        let leadership = group.leadership().ok_or_else(|| local.not_leader())?;
        if let Some(outcome) = group.remembered(request_id) {
            return decode(&outcome).map_err(|problem| refuse_storage(&problem));
        }
        let known = self.check_partition(local, leadership, partition)?;
        if self.holder(local, leadership, &key)?.is_some() {
            self.metrics.conflicted(&table.row.name);
            return Err(refuse(&ApiError::transaction_conflict()));
        }
        let led = self.led_partition(table, partition, known)?;
        let partition_id = partition.partition_id;
        self.admit(&led.table, Usage::Write, partition_id)
            .map_err(|error| refuse(&error))?;
        if !led.readers.indexes.is_empty() {
            local.outbox.check(&led.table, partition_id)?;
        }
        let current = self
            .engine
            .get(Keyspace::Items, &key)
            .map_err(|problem| refuse_storage(&problem))?
            .map(StoredItem::open)
            .transpose()
            .map_err(|problem| refuse_storage(&problem))?;
        let evaluated = match evaluate(operation, led.table.item_rules(), current.as_ref()) {
            Ok(evaluated) => evaluated,
            Err(EvaluateError::Api(error)) => {
                local.confirm(leadership, deadline).await?;
                if error.code == ErrorCode::ConditionalCheckFailedException {
                    let size = current.as_ref().map_or(0, |stored| stored.size_bytes);
                    let units = write_units(size, 0);
                    self.charge(&led.table, Usage::Write, partition_id, units);
                }
                return Err(refuse(&error));
            }
            Err(EvaluateError::Stored(problem)) => return Err(refuse_storage(&problem)),
        };
        let mut outcome = WriteOutcome {
            attributes: evaluated.attributes.as_ref().map(attributes_to_bytes),
            units: evaluated.units,
            index_units: Vec::new(),
        };
        let new = match &evaluated.mutation {
            Mutation::Put(item) => Some(&**item),
            Mutation::Remove => None,
            Mutation::Nothing => {
                local.confirm(leadership, deadline).await?;
                self.charge(&led.table, Usage::Write, partition_id, outcome.units);
                return Ok(outcome);
            }
        };
        let hlc = group.next_hlc();
        let written = led
            .item_writes(&DecidedChange {
                key: &key,
                old: current.as_ref(),
                new,
                hlc,
                cause: Cause::Client,
            })
            .map_err(|problem| refuse_storage(&problem))?;
        outcome.index_units = written.index_units;
        self.admit_index_writes(&led.table, partition_id, &outcome.index_units)
            .map_err(|error| refuse(&error))?;
        self.charge_write(
            &led.table,
            partition_id,
            outcome.units,
            &outcome.index_units,
        );
        let command = LogCommand {
            request_id,
            partition: PartitionId(partition.partition_id),
            epoch: partition.epoch,
            evaluation_term: leadership.term,
            hlc,
            previous_hlc: current.as_ref().map(|stored| stored.hlc),
            writes: written.writes,
            appends: written.appends,
            change: evaluated.change,
            cause: Cause::Client,
            origin_region: self.identity.founding.region.clone(),
            images: Images::default(),
            outcome: encode(&outcome),
        };
        let applied = group.propose_holding(command, deadline, latch).await?;
        local.guard.opened(
            leadership.term,
            partition.partition_id,
            partition.epoch,
            &led.readers,
        );
        match applied.repeated {
            Some(first) => decode(&first).map_err(|problem| refuse_storage(&problem)),
            None => Ok(outcome),
        }
    }

    /// What the group that this node leads knows of `partition`; refuses one that is closed or has
    /// another epoch.
    pub(super) fn check_partition(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        partition: &PartitionRow,
    ) -> Result<Known, Refusal> {
        let group = GroupId(partition.group_id);
        let known = local
            .guard
            .known(
                &*self.engine,
                group,
                leadership.term,
                partition.partition_id,
            )
            .map_err(|problem| refuse_storage(&problem))?;
        match known {
            Known::Retired => Err(Refusal::StaleRoute),
            Known::Open { epoch, .. } if epoch != partition.epoch => Err(Refusal::StaleRoute),
            known => Ok(known),
        }
    }

    pub(super) fn local_group(&self, group: GroupId) -> Result<&LocalGroup, Refusal> {
        self.groups
            .get(&group)
            .ok_or(Refusal::NotLeader { hint: None })
    }

    /// A write that another node's router sent here.
    pub(super) async fn write_for_router(
        &self,
        message: WriteMessage,
    ) -> Result<WriteOutcome, Refusal> {
        let deadline = super::route::deadline_in(message.deadline_millis);
        let (table, partition) = self
            .resolve_route(&message.table, message.route, deadline)
            .await?;
        let (key, operation) = from_message(&table, &message).map_err(|error| refuse(&error))?;
        let key = Bytes::from(item_key(table.storage_id(), &key));
        let request_id = RequestId(message.request_id);
        self.write_as_leader(&table, &partition, key, request_id, &operation, deadline)
            .await
    }

    /// The table and partition that another node's route means, by this node's catalog, which is
    /// brought up to date when it does not know them.
    pub(super) async fn resolve_route(
        &self,
        name: &str,
        route: Route,
        deadline: Instant,
    ) -> Result<(Arc<Table>, PartitionRow), Refusal> {
        if let Some(found) = self.find_route(name, route) {
            return Ok(found);
        }
        self.barrier(deadline)
            .await
            .map_err(|_| Refusal::NotExecuted)?;
        self.find_route(name, route).ok_or(Refusal::StaleRoute)
    }

    fn find_route(&self, name: &str, route: Route) -> Option<(Arc<Table>, PartitionRow)> {
        let table = self.catalog.table(name)?;
        let partition = table.partition_at(route)?.clone();
        table.is_active().then_some((table, partition))
    }
}

impl LocalGroup {
    /// The refusal of a replica that does not lead.
    pub(super) fn not_leader(&self) -> Refusal {
        Refusal::NotLeader {
            hint: self.handle.leader().map(|node| node.0),
        }
    }

    /// Confirms that this node still led in `leadership`'s term after what it has just read.
    pub(super) async fn confirm(
        &self,
        leadership: Leadership,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        self.handle.read_index(deadline).await?;
        if self.handle.leadership() == Some(leadership) {
            Ok(())
        } else {
            Err(self.not_leader())
        }
    }
}

impl Routed for RoutedWrite<'_> {
    type Output = WriteOutcome;

    fn group(&self) -> GroupId {
        GroupId(self.partition.group_id)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<WriteOutcome, Refusal> {
        cluster
            .write_as_leader(
                &self.table,
                &self.partition,
                self.key.clone(),
                self.request_id,
                &self.write.operation,
                deadline,
            )
            .await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        let message = to_message(self.write, &self.table, &self.partition);
        DataRequest::Write(WriteMessage {
            request_id: self.request_id.0,
            deadline_millis,
            ..message
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<WriteOutcome> {
        match answer {
            DataAnswer::Written(outcome) => Some(outcome),
            _ => None,
        }
    }
}

/// A write for a leader elsewhere; request id and deadline are left to the caller.
pub(super) fn to_message(
    write: &ItemWrite,
    table: &Table,
    partition: &PartitionRow,
) -> WriteMessage {
    let ItemWrite {
        operation, texts, ..
    } = write;
    let action = match &operation.action {
        WriteAction::Put(item) => WriteMessageAction::Put {
            item: attributes_to_bytes(item),
        },
        WriteAction::Update { key, .. } => WriteMessageAction::Update {
            key: attributes_to_bytes(key),
            expression: texts.update.clone(),
        },
        WriteAction::Delete => WriteMessageAction::Delete {
            key: attributes_to_bytes(&write.key.to_item(&table.key_schema)),
        },
    };
    WriteMessage {
        request_id: 0,
        table: table.row.name.clone(),
        route: table.route(partition),
        deadline_millis: 0,
        action,
        condition: texts.condition.clone(),
        names: texts.names.clone(),
        values: texts.values.as_ref().map(attributes_to_bytes),
        return_values: operation.return_values,
        return_item_on_failure: operation.return_item_on_failure,
    }
}

/// The write that a message describes. Routers validate before they send; whatever is wrong here is
/// answered like the client's own mistake.
pub(super) fn from_message(
    table: &Table,
    message: &WriteMessage,
) -> Result<(PrimaryKey, WriteOperation), ApiError> {
    let unreadable = |_| ApiError::internal("unreadable item in a message between nodes");
    let values = message
        .values
        .as_deref()
        .map(decode_attributes)
        .transpose()
        .map_err(unreadable)?;
    let context = ExpressionContext::trusted(message.names.as_ref(), values.as_ref());
    let condition = message
        .condition
        .as_deref()
        .map(|text| ConditionExpression::parse(ExpressionKind::Condition, text, &context))
        .transpose()?;
    let (key, action) = match &message.action {
        WriteMessageAction::Put { item } => {
            let item = decode_attributes(item).map_err(unreadable)?;
            (table.key_schema.key_of_item(&item)?, WriteAction::Put(item))
        }
        WriteMessageAction::Update { key, expression } => {
            let key = decode_attributes(key).map_err(unreadable)?;
            let expression = expression
                .as_deref()
                .map(|text| UpdateExpression::parse(text, &context))
                .transpose()?;
            (
                table.key_schema.key_from_map(&key)?,
                WriteAction::Update { key, expression },
            )
        }
        WriteMessageAction::Delete { key } => {
            let key = decode_attributes(key).map_err(unreadable)?;
            (table.key_schema.key_from_map(&key)?, WriteAction::Delete)
        }
    };
    let operation = WriteOperation {
        action,
        condition,
        return_values: message.return_values,
        return_item_on_failure: message.return_item_on_failure,
    };
    Ok((key, operation))
}
