//! Transactions across partitions and groups: all actions happen, at one moment, or none.
//!
//! ADR 0016 has the reasons. The leader of one group *coordinates*; the leaders of the groups that
//! hold the items *participate*:
//!
//! 1. The router sends the whole transaction to the coordinator (`route.rs`), which registers the
//!    *attempt* in memory (`running.rs`) and drives it (`coordinate.rs`).
//! 2. Each participant evaluates its actions under the latches of their items and logs a *lock* for
//!    each, with what becomes of the item (`participate.rs`). It never waits for another lock: a
//!    conflict is answered at once, so that there is no deadlock.
//! 3. When all are locked, the coordinator logs a *record*. That is the decision. Without a record
//!    in the group's applied state, and without a running attempt in the memory of the leader who
//!    applied it, the attempt never happens: no one else may log the record, because a command is
//!    applied only in the term in which it was evaluated.
//! 4. Each participant writes the new items, with the one commit stamp, and frees the locks.
//!
//! Whoever leads a group with old locks asks the coordinator's group for the decision and carries it
//! out (`recover.rs`). A transaction with all of its items in the coordinator's group is one command.
//! Reads (`read.rs`) look twice and write nothing.
//!
//! Invariants: an item has at most one lock, and no change while it has it but that of its holder. A
//! record is removed only when no participant has a lock of it.

pub mod message;
pub mod rows;

mod coordinate;
mod evaluate;
mod locks;
mod participate;
mod read;
mod recover;
mod route;
mod running;

use std::sync::Arc;
use std::time::Duration;

use stator_model::error::ApiError;

pub(super) use self::locks::{GroupLocks, Holder};
pub use self::message::{Charge, TransactWritten};
pub(super) use self::running::Running;
use super::route::{deadline_in, refuse_storage};
use super::{Cluster, ItemWrite, LocalGroup};
use crate::cluster::message::Refusal;
use crate::replication::Leadership;

use self::message::{TransactionAnswer, TransactionRequest};

/// How long a decided transaction is found again by its token, from its end.
pub const TOKEN_KEPT_FOR: Duration = Duration::from_secs(600);

/// A write transaction: parsed, validated, every key checked against its table's schema.
#[derive(Debug)]
pub struct TransactWrite {
    /// What to do; no two with the same item.
    pub actions: Vec<TransactAction>,
    /// `ClientRequestToken`.
    pub token: Option<TransactionToken>,
}

/// One action of a transaction.
#[derive(Debug)]
pub struct TransactAction {
    /// The write. What it would return is ignored.
    pub write: ItemWrite,
    /// Only the condition matters; the write's action is then a deletion that is not made.
    pub check_only: bool,
}

/// A client's token with what it stands for.
#[derive(Debug, Clone)]
pub struct TransactionToken {
    /// The token.
    pub token: String,
    /// Hash of the parameters of the request, so that a token with others is recognised.
    pub fingerprint: u128,
}

impl TransactionToken {
    /// A token for a request with these parameters, in any encoding that is equal for equal ones.
    pub fn new(token: impl Into<String>, parameters: &[u8]) -> Self {
        Self {
            token: token.into(),
            fingerprint: xxhash_rust::xxh3::xxh3_128(parameters),
        }
    }
}

impl Cluster {
    /// Who has locked the item of `key`, for its leader under its latch. A change of the item must
    /// not be made while somebody has: a client's request gets
    /// [`ApiError::transaction_conflict`], anything else comes again later.
    pub(super) fn holder(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        key: &[u8],
    ) -> Result<Option<Holder>, Refusal> {
        local
            .locks
            .holder(&*self.engine, local.handle.id(), leadership.term, key)
            .map_err(|problem| refuse_storage(&problem))
    }

    /// Answers another node.
    pub(super) async fn transaction_for_router(
        &self,
        request: TransactionRequest,
    ) -> Result<TransactionAnswer, Refusal> {
        match request {
            TransactionRequest::Run(message) => {
                let deadline = deadline_in(message.deadline_millis);
                let written = self.run_as_coordinator(Arc::new(message), deadline).await?;
                Ok(TransactionAnswer::Ran(written))
            }
            TransactionRequest::Prepare(message) => {
                let deadline = deadline_in(message.deadline_millis);
                let prepared = self.prepare_as_leader(&message, deadline).await?;
                Ok(TransactionAnswer::Prepared(prepared))
            }
            TransactionRequest::Finish(message) => {
                let deadline = deadline_in(message.deadline_millis);
                self.finish_as_leader(message, deadline).await?;
                Ok(TransactionAnswer::Finished)
            }
            TransactionRequest::Outcome(message) => {
                let deadline = deadline_in(message.deadline_millis);
                let outcome = self.outcome_as_coordinator(message, deadline).await?;
                Ok(TransactionAnswer::Outcome(outcome))
            }
            TransactionRequest::Read(message) => {
                let deadline = deadline_in(message.deadline_millis);
                let versions = self.versions_as_leader(&message, deadline).await?;
                Ok(TransactionAnswer::Versions(versions))
            }
            TransactionRequest::OldestLock {
                group,
                deadline_millis,
            } => {
                let deadline = deadline_in(deadline_millis);
                let oldest = self.oldest_lock_as_leader(group, deadline).await?;
                Ok(TransactionAnswer::OldestLock(oldest))
            }
        }
    }
}

/// The error for a client whose transaction was not executed and may be sent again.
fn not_executed() -> ApiError {
    ApiError::internal("The transaction was not executed")
}
