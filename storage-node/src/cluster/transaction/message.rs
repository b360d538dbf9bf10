//! What nodes say to each other about transactions. Rules of `cluster::message` hold here too: new
//! kinds at the end.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_model::error::{CancellationCode, CancellationReason};

use super::super::message::WriteMessage;
use crate::table::IndexUnits;
use crate::table::codec::{attributes_to_bytes, decode_attributes};

/// One attempt to run a transaction. Ordered by age among the attempts of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// The request: the same for all repetitions of it.
    pub record: u128,
    /// Term of the coordinator that runs it.
    pub term: u64,
    /// A stamp of the coordinator's group, later than that of every earlier attempt in the term.
    pub number: u64,
}

/// Asked of another node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum TransactionRequest {
    /// Run a transaction, as the leader of the group that coordinates it.
    Run(RunMessage),
    /// Evaluate the actions of one group and lock their items.
    Prepare(PrepareMessage),
    /// Carry out what was decided.
    Finish(FinishMessage),
    /// Say what was decided.
    Outcome(OutcomeMessage),
    /// Read items with their versions.
    Read(ReadVersionsMessage),
    /// Say how old the oldest lock of a group is.
    OldestLock {
        /// The group.
        group: u32,
        /// Milliseconds left for it.
        deadline_millis: u32,
    },
}

/// The answer of another node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum TransactionAnswer {
    /// To `Run`.
    Ran(TransactWritten),
    /// To `Prepare`.
    Prepared(Prepared),
    /// To `Finish`.
    Finished,
    /// To `Outcome`.
    Outcome(Outcome),
    /// To `Read`: one entry a key.
    Versions(Vec<Version>),
    /// To `OldestLock`: stamp of its preparation; none without locks.
    OldestLock(Option<u64>),
}

/// A transaction, whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunMessage {
    /// The same for every repetition by the router.
    pub request_id: u128,
    /// Names the coordinator's record: derived from the client's token, else the request id.
    pub record: u128,
    /// Hash of the parameters, to recognise a token that is used for something else.
    pub fingerprint: u128,
    /// The group that coordinates.
    pub coordinator: u32,
    /// What to do, in the client's order.
    pub actions: Vec<ActionMessage>,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// One action of a transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActionMessage {
    /// As a write by itself; its request id and deadline mean nothing here.
    pub write: WriteMessage,
    /// Only the condition matters, nothing is written.
    pub check_only: bool,
}

/// The actions of one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrepareMessage {
    /// The group.
    pub group: u32,
    /// Who asks.
    pub attempt: Attempt,
    /// The group that coordinates.
    pub coordinator: u32,
    /// What to do.
    pub actions: Vec<ActionMessage>,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// What one group says to a transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Prepared {
    /// All is well, and locked until the outcome.
    Locked {
        /// Stamp of the locks.
        hlc: u64,
        /// What each action costs.
        charges: Vec<Charge>,
    },
    /// Nothing is locked. A reason for each action.
    Failed(Vec<Reason>),
}

/// What an action costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// The larger of the item before and after.
    pub size_bytes: u32,
    /// Write units of each index that changes.
    pub index_units: Vec<IndexUnits>,
}

/// What a transaction did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TransactWritten {
    /// It had been done before under the same token; nothing was done now.
    pub replayed: bool,
    /// What each action costs, in the order of the request.
    pub charges: Vec<Charge>,
}

/// A reason of a cancellation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    code: String,
    message: Option<String>,
    item: Option<Bytes>,
}

impl From<CancellationReason> for Reason {
    fn from(reason: CancellationReason) -> Self {
        Self {
            code: reason.code.as_str().to_owned(),
            message: reason.message,
            item: reason.item.as_ref().map(attributes_to_bytes),
        }
    }
}

impl From<Reason> for CancellationReason {
    fn from(reason: Reason) -> Self {
        let mut out = Self::none();
        // Another release may know more codes; to the client an unknown one is a rule it broke.
        out.code =
            CancellationCode::from_name(&reason.code).unwrap_or(CancellationCode::ValidationError);
        out.message = reason.message;
        out.item = reason.item.and_then(|item| decode_attributes(&item).ok());
        out
    }
}

/// What was decided about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It still runs.
    Pending,
    /// All of it happened at this time.
    Committed {
        /// Stamp of all its changes.
        hlc: u64,
    },
    /// Nothing of it happens, ever.
    Aborted,
}

/// The outcome of an attempt, for one group.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct FinishMessage {
    /// The group.
    pub group: u32,
    /// The attempt.
    pub attempt: Attempt,
    /// Never pending.
    pub outcome: Outcome,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// A question about an attempt.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct OutcomeMessage {
    /// The group that coordinates.
    pub coordinator: u32,
    /// The attempt.
    pub attempt: Attempt,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// Reads of one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadVersionsMessage {
    /// The group.
    pub group: u32,
    /// Partition and engine key of each item.
    pub keys: Vec<(u64, Bytes)>,
    /// Versions alone are not enough.
    pub with_items: bool,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// An item as a transaction sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The stored item, if it is there and was asked for.
    pub item: Option<Bytes>,
    /// Whether it is there.
    pub exists: bool,
    /// When it was written; of an absent one, the newest deletion that may have been its.
    pub hlc: u64,
    /// A transaction has locked it.
    pub is_locked: bool,
}

#[cfg(test)]
mod tests {
    use stator_model::error::ApiError;
    use stator_model::value::{AttributeValue, Item};

    use super::*;

    #[test]
    fn reasons_survive_the_wire() {
        let item = Item::from([("pk".to_owned(), AttributeValue::string("a"))]);
        for reason in [
            CancellationReason::none(),
            CancellationReason::conflict(),
            CancellationReason::of(ApiError::conditional_check_failed(Some(item))),
        ] {
            let sent = Reason::from(reason.clone());
            assert_eq!(CancellationReason::from(sent), reason);
        }
    }
}
