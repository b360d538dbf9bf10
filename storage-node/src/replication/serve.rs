//! Raft's calls from other nodes: decoded, handed to the group, answered.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use openraft::errors::Fatal;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use parking_lot::Mutex;

use super::group::Raft;
use super::ids::GroupId;
use super::log::{LogDirectory, LogEntry};
use super::network::{raft_log_id, raft_vote};
use super::raft::{RaftEntry, RaftSnapshot, Types, from_log_id, from_vote, to_entry};
use super::snapshot::{Receiving, SnapshotData};
use super::state_machine::StateMachine;
use super::wire::{Answer, Ask, WireEntry, WireVote};

/// Answers the calls to one group.
pub(super) struct GroupServer {
    pub(super) group: GroupId,
    pub(super) raft: Raft,
    pub(super) directory: Arc<dyn LogDirectory>,
    /// The snapshot that is arriving. There is one leader, so one is enough; a new one replaces it.
    pub(super) receiving: Mutex<Option<Receiving>>,
}

fn fatal(error: &Fatal<Types>) -> Answer {
    Answer::Unavailable(error.to_string())
}

impl GroupServer {
    pub(super) async fn answer(&self, ask: Ask) -> Answer {
        let answered = match ask {
            Ask::Append {
                vote,
                previous,
                entries,
                committed,
            } => {
                let Some(entries) = raft_entries(entries) else {
                    return Answer::Unavailable("damaged entries".to_owned());
                };
                let request = AppendEntriesRequest {
                    vote: raft_vote(vote),
                    prev_log_id: raft_log_id(previous),
                    entries,
                    leader_commit: raft_log_id(committed),
                };
                match self.raft.append_entries(request).await {
                    Ok(response) => Ok(append_answer(response)),
                    Err(error) => Ok(Answer::Unavailable(error.to_string())),
                }
            }
            Ask::Vote {
                vote,
                last,
                transfer,
            } => {
                let request = vote_request(vote, last, transfer);
                self.raft
                    .vote(request)
                    .await
                    .map(vote_answer)
                    .map_err(|error| error.to_string())
            }
            Ask::PreVote {
                vote,
                last,
                transfer,
            } => {
                let request = vote_request(vote, last, transfer);
                let response = self.raft.pre_vote(request).await;
                response.map(vote_answer).map_err(|error| error.to_string())
            }
            Ask::TransferLeader { from, to, last } => {
                let request = TransferLeaderRequest::new(raft_vote(from), to, raft_log_id(last));
                let response = self.raft.handle_transfer_leader(request).await;
                return match response {
                    Ok(Ok(())) => Answer::TransferAccepted,
                    Ok(Err(TransferLeaderError::VoteChanged { expected, actual })) => {
                        Answer::TransferVoteChanged {
                            expected: from_vote(&expected).into(),
                            actual: from_vote(&actual).into(),
                        }
                    }
                    Ok(Err(TransferLeaderError::LogNotFlushed { expected, actual })) => {
                        Answer::TransferNotFlushed {
                            expected: expected.map(|log_id| from_log_id(&log_id).into()),
                            actual: actual.map(|log_id| from_log_id(&log_id).into()),
                        }
                    }
                    Err(error) => fatal(&error),
                };
            }
            Ask::SnapshotBlock {
                transfer,
                offset,
                block,
            } => self
                .take_block(transfer, offset, &block)
                .map_err(|error| error.to_string()),
            Ask::SnapshotEnd {
                vote,
                transfer,
                length,
            } => self.install(vote, transfer, length).await,
        };
        answered.unwrap_or_else(Answer::Unavailable)
    }

    fn take_block(&self, transfer: u64, offset: u64, block: &Bytes) -> io::Result<Answer> {
        let mut receiving = self.receiving.lock();
        if offset == 0 {
            if let Some(abandoned) = receiving.take() {
                self.directory.remove(&abandoned.name)?;
            }
            *receiving = Some(Receiving::start(&*self.directory, self.group, transfer)?);
        }
        match receiving.as_mut() {
            Some(current) if current.transfer == transfer && current.offset == offset => {
                current.block(self.group, block)?;
                Ok(Answer::BlockTaken)
            }
            // A repeated block after a lost answer: the transfer starts over, there is no harm.
            _ => Err(io::Error::other(
                "a block that does not continue the snapshot",
            )),
        }
    }

    async fn install(&self, vote: WireVote, transfer: u64, length: u64) -> Result<Answer, String> {
        let received = self.receiving.lock().take();
        let Some(received) =
            received.filter(|received| received.transfer == transfer && received.offset == length)
        else {
            return Err("the end of an unknown snapshot".to_owned());
        };
        let state = received
            .finish(&*self.directory)
            .map_err(|error| error.to_string())?;
        let snapshot = RaftSnapshot {
            meta: StateMachine::meta(&state).map_err(|error| error.to_string())?,
            snapshot: SnapshotData::Received(received.name.clone()),
        };
        let response = self
            .raft
            .install_full_snapshot(raft_vote(vote), snapshot)
            .await;
        let response = response.map_err(|error| error.to_string())?;
        // An older snapshot is not installed, so its file is still there.
        if self.directory.open(&received.name).is_ok() {
            self.directory
                .remove(&received.name)
                .map_err(|error| error.to_string())?;
        }
        Ok(Answer::Installed {
            vote: from_vote(&response.vote).into(),
        })
    }
}

fn raft_entries(entries: Vec<WireEntry>) -> Option<Vec<RaftEntry>> {
    entries
        .into_iter()
        .map(|entry| to_entry(LogEntry::try_from(entry).ok()?).ok())
        .collect()
}

fn append_answer(response: AppendEntriesResponse<Types>) -> Answer {
    match response {
        AppendEntriesResponse::Success => Answer::Appended,
        AppendEntriesResponse::PartialSuccess(log_id) => {
            Answer::AppendedUpTo(log_id.map(|log_id| from_log_id(&log_id).into()))
        }
        AppendEntriesResponse::Conflict => Answer::Conflict,
        AppendEntriesResponse::HigherVote(vote) => Answer::HigherVote(from_vote(&vote).into()),
    }
}

fn vote_request(
    vote: WireVote,
    last: Option<super::wire::WirePosition>,
    transfer: bool,
) -> VoteRequest<Types> {
    let mut request = VoteRequest::new(raft_vote(vote), raft_log_id(last));
    request.leadership_transfer = transfer;
    request
}

fn vote_answer(response: VoteResponse<Types>) -> Answer {
    Answer::Vote {
        vote: from_vote(&response.vote).into(),
        granted: response.vote_granted,
        last: response
            .last_log_id
            .map(|log_id| from_log_id(&log_id).into()),
    }
}
