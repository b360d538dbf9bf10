//! The layer above replication, in small: counters that are incremented and read.
//!
//! It does what the real one does: latch, look up the request, read, evaluate, propose, answer.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use stator_storage_node::engine::{Engine, EngineError, EngineSnapshot, Keyspace};
use stator_storage_node::replication::{
    Cause, ChangeKind, EngineWrite, GroupData, GroupHandle, GroupId, Images, LogCommand,
    OwnedRange, PartitionId, ProposeError, ReadError, RequestId,
};
use tokio::time::Instant;

pub(crate) const GROUP: GroupId = GroupId(1);

/// All items belong to the one group.
pub(crate) struct AllItems;

impl GroupData for AllItems {
    fn ranges(
        &self,
        _state: &dyn EngineSnapshot,
        _group: GroupId,
    ) -> Result<Vec<OwnedRange>, EngineError> {
        Ok(vec![(Keyspace::Items, Bound::Unbounded, Bound::Unbounded)])
    }
}

/// What the bug switches break. Each is caught by the invariant that it is named for.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Bug {
    #[default]
    None,
    /// Invariant 1: disks that report syncs they did not do.
    LyingDisks,
    /// Invariant 2: a leader answers strong reads without asking a majority.
    ReadWithoutMajority,
    /// Invariant 2: a retry after a lost reply is a new request.
    RetryAsNewRequest,
    /// Invariant 4: one node's engine forgets a write now and then.
    ForgetfulEngine,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ask {
    Increment(u8, RequestId),
    Read(u8),
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Value(u64),
    /// Surely not done, ask another node or again.
    NotDone,
    Unknown,
}

impl Ask {
    pub(crate) fn encode(self) -> Bytes {
        let (kind, key, request) = match self {
            Self::Increment(key, request) => (1, key, request.0),
            Self::Read(key) => (2, key, 0),
        };
        [&[kind, key][..], &request.to_be_bytes()].concat().into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let request = RequestId(u128::from_be_bytes(bytes[2..18].try_into().unwrap()));
        if bytes[0] == 1 {
            Self::Increment(bytes[1], request)
        } else {
            Self::Read(bytes[1])
        }
    }
}

impl Answer {
    pub(crate) fn encode(self) -> Bytes {
        let (kind, value) = match self {
            Self::Value(value) => (0, value),
            Self::NotDone => (1, 0),
            Self::Unknown => (2, 0),
        };
        [&[kind][..], &u64::to_be_bytes(value)].concat().into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        match bytes[0] {
            0 => Self::Value(u64::from_be_bytes(bytes[1..9].try_into().unwrap())),
            1 => Self::NotDone,
            _ => Self::Unknown,
        }
    }
}

/// Tells of every acknowledged write: term and index of its entry.
pub(crate) type OnAcknowledged = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// Serves counters on one node.
#[derive(Clone)]
pub(crate) struct Counters {
    pub(crate) group: GroupHandle,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) bug: Bug,
    pub(crate) on_acknowledged: OnAcknowledged,
    latches: Arc<Mutex<BTreeMap<u8, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Counters {
    pub(crate) fn new(
        group: GroupHandle,
        engine: Arc<dyn Engine>,
        bug: Bug,
        on_acknowledged: OnAcknowledged,
    ) -> Self {
        Self {
            group,
            engine,
            bug,
            on_acknowledged,
            latches: Arc::default(),
        }
    }

    pub(crate) async fn answer(&self, ask: Ask, deadline: Instant) -> Answer {
        match ask {
            Ask::Increment(key, request) => self.increment(key, request, deadline).await,
            Ask::Read(key) => self.read(key, deadline).await,
        }
    }

    fn value(&self, key: u8) -> u64 {
        let row = self.engine.get(Keyspace::Items, &[key]).unwrap();
        row.map_or(0, |row| {
            u64::from_be_bytes(row.as_ref().try_into().unwrap())
        })
    }

    async fn increment(&self, key: u8, request: RequestId, deadline: Instant) -> Answer {
        let latch = self.latches.lock().entry(key).or_default().clone();
        let Ok(guard) = tokio::time::timeout_at(deadline, latch.lock_owned()).await else {
            return Answer::NotDone;
        };
        let Some(leadership) = self.group.leadership() else {
            return Answer::NotDone;
        };
        if let Some(outcome) = self.group.remembered(request) {
            // Remembered is applied, and applied is committed.
            return Answer::Value(u64::from_be_bytes(outcome.as_ref().try_into().unwrap()));
        }
        let value = self.value(key) + 1;
        let bytes = Bytes::copy_from_slice(&value.to_be_bytes());
        let command = LogCommand {
            request_id: request,
            partition: PartitionId(1),
            epoch: 1,
            evaluation_term: leadership.term,
            hlc: self.group.next_hlc(),
            previous_hlc: None,
            writes: vec![EngineWrite {
                keyspace: Keyspace::Items,
                key: Bytes::copy_from_slice(&[key]),
                value: Some(bytes.clone()),
            }],
            appends: Vec::new(),
            change: ChangeKind::Modify,
            cause: Cause::Client,
            origin_region: String::new(),
            images: Images::default(),
            outcome: bytes,
        };
        match self.group.propose_holding(command, deadline, guard).await {
            Ok(applied) => {
                (self.on_acknowledged)(leadership.term, applied.log_index);
                match applied.repeated {
                    None => Answer::Value(value),
                    Some(outcome) => {
                        Answer::Value(u64::from_be_bytes(outcome.as_ref().try_into().unwrap()))
                    }
                }
            }
            Err(ProposeError::Unknown) => Answer::Unknown,
            Err(_) => Answer::NotDone,
        }
    }

    async fn read(&self, key: u8, deadline: Instant) -> Answer {
        if self.group.leadership().is_none() {
            return Answer::NotDone;
        }
        if self.bug != Bug::ReadWithoutMajority {
            let confirmed: Result<(), ReadError> = self.group.read_index(deadline).await;
            if confirmed.is_err() {
                return Answer::NotDone;
            }
        }
        Answer::Value(self.value(key))
    }
}

/// Long enough for a round trip and two syncs, short enough that a lost one is soon tried again.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(400);
