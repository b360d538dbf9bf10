//! Evaluating the actions of one group, under the latches of all their items.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use stator_model::capacity::write_units;
use stator_model::error::{CancellationReason, Usage};
use stator_model::value::{Item, item_size_bytes};
use tokio::time::Instant;

use super::super::catalog::rows::PartitionRow;
use super::super::group_state::{deletion_mark_of, is_deletion_mark};
use super::super::item_change::{DecidedChange, ItemWrites, LedPartition};
use super::super::message::Refusal;
use super::super::route::{refuse, refuse_storage};
use super::super::write::from_message;
use super::super::{Cluster, LocalGroup, Table};
use super::locks::gives_way;
use super::message::{ActionMessage, Attempt, Charge};
use super::rows::LockedChange;
use crate::engine::Keyspace;
use crate::hlc::Hlc;
use crate::replication::{Append, Cause, EngineWrite, Leadership};
use crate::table::codec::{CodecError, attributes_to_bytes, decode_attributes};
use crate::table::evaluate::{EvaluateError, Mutation, evaluate_in_transaction};
use crate::table::keys::item_key;
use crate::table::{StoredItem, WriteOperation};

/// An action with everything that its evaluation needs but the item.
pub(super) struct ReadyAction {
    table: Arc<Table>,
    partition: PartitionRow,
    /// Engine key of the item.
    pub(super) key: Bytes,
    operation: WriteOperation,
    check_only: bool,
}

/// An action that is allowed, with what it does.
pub(super) struct Decided {
    /// The item's partition, and who reads its changes.
    pub(super) led: LedPartition,
    /// Engine key of the item.
    pub(super) key: Bytes,
    /// The item before.
    pub(super) old: Option<StoredItem>,
    /// What becomes of it.
    pub(super) change: LockedChange,
    /// What that costs.
    pub(super) charge: Charge,
}

/// The actions of a group with what they do, or why the transaction cannot be.
pub(super) type Decision = Result<Vec<Decided>, Vec<CancellationReason>>;

impl Cluster {
    /// Parses the actions of a message. Routers validate before they send; whatever is wrong here is
    /// answered like the client's own mistake.
    pub(super) async fn ready_actions(
        &self,
        actions: &[ActionMessage],
        deadline: Instant,
    ) -> Result<Vec<ReadyAction>, Refusal> {
        let mut ready = Vec::with_capacity(actions.len());
        for ActionMessage { write, check_only } in actions {
            let (table, partition) = self
                .resolve_route(&write.table, write.route, deadline)
                .await?;
            let (key, operation) = from_message(&table, write).map_err(|error| refuse(&error))?;
            ready.push(ReadyAction {
                key: Bytes::from(item_key(table.storage_id(), &key)),
                table,
                partition,
                operation,
                check_only: *check_only,
            });
        }
        Ok(ready)
    }

    /// Evaluates the actions on the items as they are. The caller holds their latches, and confirms
    /// its leadership before it tells a reason, which says something about the items.
    pub(super) fn decide(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        attempt: Attempt,
        actions: &[ReadyAction],
    ) -> Result<Decision, Refusal> {
        let mut decided = Vec::with_capacity(actions.len());
        let mut reasons = Vec::with_capacity(actions.len());
        for action in actions {
            match self.decide_one(local, leadership, attempt, action)? {
                Ok(one) => {
                    reasons.push(CancellationReason::none());
                    decided.push(one);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Ok(if decided.len() == actions.len() {
            Ok(decided)
        } else {
            Err(reasons)
        })
    }

    fn decide_one(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        attempt: Attempt,
        action: &ReadyAction,
    ) -> Result<Result<Decided, CancellationReason>, Refusal> {
        let known = self.check_partition(local, leadership, &action.partition)?;
        let led = self.led_partition(&action.table, &action.partition, known)?;
        let holder = self.holder(local, leadership, &action.key)?;
        if holder.is_some_and(|holder| !gives_way(holder.attempt, attempt)) {
            self.metrics.conflicted(&led.table.row.name);
            return Ok(Err(CancellationReason::conflict()));
        }
        let partition_id = action.partition.partition_id;
        if let Err(throttled) = self.admit(&led.table, Usage::Write, partition_id) {
            return Ok(Err(CancellationReason::of(throttled)));
        }
        let old = self
            .stored(&action.key)
            .map_err(|problem| refuse_storage(&*problem))?;
        let rules = led.table.item_rules();
        let evaluated = match evaluate_in_transaction(&action.operation, rules, old.as_ref()) {
            Ok(evaluated) => evaluated,
            Err(EvaluateError::Api(error)) => return Ok(Err(CancellationReason::of(error))),
            Err(EvaluateError::Stored(problem)) => return Err(refuse_storage(&problem)),
        };
        let old_size = old.as_ref().map_or(0, |stored| stored.size_bytes);
        let (change, new_size) = match &evaluated.mutation {
            _ if action.check_only => (LockedChange::Nothing, 0),
            Mutation::Nothing => (LockedChange::Nothing, 0),
            Mutation::Remove => (LockedChange::Remove, 0),
            Mutation::Put(item) => (
                LockedChange::Put(attributes_to_bytes(item)),
                item_size_bytes(item),
            ),
        };
        let mut decided = Decided {
            led,
            key: action.key.clone(),
            old,
            change,
            charge: Charge {
                size_bytes: u32::try_from(old_size.max(new_size)).unwrap_or(u32::MAX),
                index_units: Vec::new(),
            },
        };
        let readers = decided.led.table.readers(&decided.led.readers);
        if !readers.is_empty() {
            decided.charge.index_units = decided
                .writes(Hlc::ZERO)
                .map_err(|problem| refuse_storage(&problem))?
                .index_units;
        }
        let table = &decided.led.table;
        let index_units = &decided.charge.index_units;
        if let Err(throttled) = self.admit_index_writes(table, partition_id, index_units) {
            return Ok(Err(CancellationReason::of(throttled)));
        }
        // Whatever becomes of the transaction: its work is done twice, here and at the commit.
        let units = 2.0 * write_units(old_size, new_size);
        self.charge_write(table, partition_id, units, index_units);
        Ok(Ok(decided))
    }

    fn stored(&self, key: &[u8]) -> Result<Option<StoredItem>, Box<dyn std::error::Error>> {
        let bytes = self.engine.get(Keyspace::Items, key)?;
        Ok(bytes.map(StoredItem::open).transpose()?)
    }

    /// Everything that these changes write, with the one stamp; deletion marks only where they do
    /// not run backwards, since a group goes on giving out stamps between lock and commit.
    pub(super) fn changes(&self, decided: &[Decided], hlc: Hlc) -> Result<Changes, Refusal> {
        let state = self.engine.snapshot();
        let mut changes = Changes::default();
        let mut opened: BTreeMap<u64, EngineWrite> = BTreeMap::new();
        for one in decided {
            let written = one
                .writes(hlc)
                .map_err(|problem| refuse_storage(&problem))?;
            let partition_id = one.led.partition.partition_id;
            let mark = match one.change {
                LockedChange::Remove => deletion_mark_of(&*state, partition_id, &one.key)
                    .map_err(|problem| refuse_storage(&problem))?,
                _ => Hlc::ZERO,
            };
            let kept = |write: &EngineWrite| !is_deletion_mark(write) || mark < hlc;
            changes
                .writes
                .extend(written.writes.into_iter().filter(kept));
            changes.appends.extend(written.appends);
            if one.led.is_new {
                opened.insert(partition_id, one.led.opened());
            }
        }
        changes.writes.extend(opened.into_values());
        Ok(changes)
    }
}

/// What several changes write.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Puts and deletes.
    pub(super) writes: Vec<EngineWrite>,
    /// Records of the change log.
    pub(super) appends: Vec<Append>,
}

impl Changes {
    /// Bytes of keys and values, for the limit on one command.
    pub(super) fn size_bytes(&self) -> usize {
        let writes = self.writes.iter();
        let appends = self.appends.iter();
        writes
            .map(|write| write.key.len() + write.value.as_ref().map_or(0, Bytes::len))
            .chain(appends.map(|append| append.prefix.len() + append.value.len()))
            .sum()
    }
}

impl Decided {
    fn writes(&self, hlc: Hlc) -> Result<ItemWrites, CodecError> {
        let new: Option<Item> = match &self.change {
            LockedChange::Nothing => return Ok(ItemWrites::default()),
            LockedChange::Remove => None,
            LockedChange::Put(item) => Some(decode_attributes(item)?),
        };
        self.led.item_writes(&DecidedChange {
            key: &self.key,
            old: self.old.as_ref(),
            new: new.as_ref(),
            hlc,
            cause: Cause::Client,
        })
    }
}
