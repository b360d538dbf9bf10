//! Read-index rounds, shared by the readers that wait together.
//!
//! A reader may only use a round that began after it asked, so readers that arrive during a round share the next one.

use std::sync::Arc;
use std::time::Duration;

use openraft::ReadPolicy;
use openraft::errors::{ForwardReason, LinearizableReadError, RaftError};
use parking_lot::Mutex;
use stator_kit::task::TaskOwner;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ReadError;
use super::group::Raft;
use super::ids::NodeId;

/// A pause before a round that a new leader refused is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(2);

pub(super) struct ReadIndex {
    shared: Arc<Shared>,
    owner: TaskOwner,
}

struct Shared {
    raft: Raft,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Whether a task runs rounds now.
    running: bool,
    /// Who waits for the next round. Bounded by the requests that the node serves at once.
    readers: Vec<Reader>,
}

struct Reader {
    deadline: Instant,
    result: oneshot::Sender<Result<(), ReadError>>,
}

impl ReadIndex {
    pub(super) fn new(raft: Raft, owner: TaskOwner) -> Self {
        let shared = Arc::new(Shared {
            raft,
            waiting: Mutex::default(),
        });
        Self { shared, owner }
    }

    /// Waits for a round that begins after this call.
    pub(super) async fn confirm(&self, deadline: Instant) -> Result<(), ReadError> {
        let (result, confirmed) = oneshot::channel();
        let start = {
            let mut waiting = self.shared.waiting.lock();
            waiting.readers.push(Reader { deadline, result });
            !std::mem::replace(&mut waiting.running, true)
        };
        if start {
            self.owner
                .spawn("read index", run_rounds(self.shared.clone()));
        }
        confirmed.await.unwrap_or(Err(ReadError::StorageFailed))
    }
}

async fn run_rounds(shared: Arc<Shared>) {
    loop {
        let readers = {
            let mut waiting = shared.waiting.lock();
            if waiting.readers.is_empty() {
                waiting.running = false;
                return;
            }
            std::mem::take(&mut waiting.readers)
        };
        let latest = readers.iter().map(|reader| reader.deadline).max();
        let result = shared.round(latest.unwrap_or_else(Instant::now)).await;
        for reader in readers {
            // A reader that has gone needs no answer.
            drop(reader.result.send(result.clone()));
        }
    }
}

impl Shared {
    async fn round(&self, deadline: Instant) -> Result<(), ReadError> {
        loop {
            let round = self.raft.ensure_linearizable(ReadPolicy::ReadIndex);
            let Ok(round) = tokio::time::timeout_at(deadline, round).await else {
                return Err(ReadError::Timeout);
            };
            match round {
                Ok(_) => return Ok(()),
                Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                    let not_leader = forward.reason == ForwardReason::NotLeader;
                    if not_leader || Instant::now() + RETRY_PAUSE >= deadline {
                        return Err(ReadError::NotLeader {
                            hint: forward.leader_id.map(NodeId),
                        });
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                    if Instant::now() + RETRY_PAUSE >= deadline {
                        return Err(ReadError::Timeout);
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(RaftError::Fatal(_)) => return Err(ReadError::StorageFailed),
            }
        }
    }
}
