//! What Raft says between nodes: our own types, versioned and checked, converted from and to openraft's at the edge.
//!
//! A message is a version byte, a CRC-32C of the rest, and the rest in postcard.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ids::NodeId;
use super::log::{LogEntry, LogPosition, Payload, Vote};

const FORMAT_VERSION: u8 = 1;

#[derive(Copy, Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct WirePosition {
    term: u64,
    log_index: u64,
}

#[derive(Copy, Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct WireVote {
    term: u64,
    node: u64,
    committed: bool,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct WireEntry {
    position: WirePosition,
    /// As in the log: `Payload::encode`.
    payload: Bytes,
}

/// A request to one group of a node.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Request {
    pub(super) group: u32,
    pub(super) ask: Ask,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Ask {
    Append {
        vote: WireVote,
        previous: Option<WirePosition>,
        entries: Vec<WireEntry>,
        committed: Option<WirePosition>,
    },
    Vote {
        vote: WireVote,
        last: Option<WirePosition>,
        transfer: bool,
    },
    PreVote {
        vote: WireVote,
        last: Option<WirePosition>,
        transfer: bool,
    },
    TransferLeader {
        from: WireVote,
        to: u64,
        last: Option<WirePosition>,
    },
    /// One block of a snapshot, which begins `offset` bytes into the transfer.
    SnapshotBlock {
        transfer: u64,
        offset: u64,
        block: Bytes,
    },
    /// All blocks were sent: install.
    SnapshotEnd {
        vote: WireVote,
        transfer: u64,
        length: u64,
    },
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Answer {
    Appended,
    AppendedUpTo(Option<WirePosition>),
    Conflict,
    HigherVote(WireVote),
    Vote {
        vote: WireVote,
        granted: bool,
        last: Option<WirePosition>,
    },
    TransferAccepted,
    TransferVoteChanged {
        expected: WireVote,
        actual: WireVote,
    },
    TransferNotFlushed {
        expected: Option<WirePosition>,
        actual: Option<WirePosition>,
    },
    BlockTaken,
    Installed {
        vote: WireVote,
    },
    /// The node cannot answer: it lacks the group, or the group has stopped.
    Unavailable(String),
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error, Eq, PartialEq)]
pub(super) enum WireError {
    #[error("message of format version {0}, this version reads {FORMAT_VERSION}")]
    Version(u8),
    #[error("message damaged on the way")]
    Damaged,
}

pub(super) fn encode(message: &impl Serialize) -> Result<Bytes, WireError> {
    let body = postcard::to_stdvec(message).map_err(|_| WireError::Damaged)?;
    let mut out = BytesMut::with_capacity(5 + body.len());
    out.put_u8(FORMAT_VERSION);
    out.put_u32(crc32c::crc32c(&body));
    out.put_slice(&body);
    Ok(out.freeze())
}

pub(super) fn decode<T: DeserializeOwned>(mut bytes: Bytes) -> Result<T, WireError> {
    let version = bytes.try_get_u8().map_err(|_| WireError::Damaged)?;
    if version != FORMAT_VERSION {
        return Err(WireError::Version(version));
    }
    let checksum = bytes.try_get_u32().map_err(|_| WireError::Damaged)?;
    if crc32c::crc32c(&bytes) != checksum {
        return Err(WireError::Damaged);
    }
    postcard::from_bytes(&bytes).map_err(|_| WireError::Damaged)
}

impl From<LogPosition> for WirePosition {
    fn from(position: LogPosition) -> Self {
        Self {
            term: position.term,
            log_index: position.log_index,
        }
    }
}

impl From<WirePosition> for LogPosition {
    fn from(position: WirePosition) -> Self {
        Self {
            term: position.term,
            log_index: position.log_index,
        }
    }
}

impl From<Vote> for WireVote {
    fn from(vote: Vote) -> Self {
        Self {
            term: vote.term,
            node: vote.node.0,
            committed: vote.committed,
        }
    }
}

impl From<WireVote> for Vote {
    fn from(vote: WireVote) -> Self {
        Self {
            term: vote.term,
            node: NodeId(vote.node),
            committed: vote.committed,
        }
    }
}

impl From<LogEntry> for WireEntry {
    fn from(entry: LogEntry) -> Self {
        let mut payload = BytesMut::with_capacity(entry.payload.size_bytes());
        entry.payload.encode(&mut payload);
        Self {
            position: entry.position.into(),
            payload: payload.freeze(),
        }
    }
}

impl TryFrom<WireEntry> for LogEntry {
    type Error = WireError;

    fn try_from(entry: WireEntry) -> Result<Self, WireError> {
        let payload = Payload::decode(&entry.payload).ok_or(WireError::Damaged)?;
        Ok(Self {
            position: entry.position.into(),
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn request() -> Request {
        let position = LogPosition {
            term: 3,
            log_index: 4,
        };
        let entry = LogEntry {
            position,
            payload: Payload::Command("payload".into()),
        };
        Request {
            group: 7,
            ask: Ask::Append {
                vote: Vote {
                    term: 3,
                    node: NodeId(1),
                    committed: true,
                }
                .into(),
                previous: Some(position.into()),
                entries: vec![entry.into()],
                committed: None,
            },
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        assert_eq!(decode(encode(&request()).unwrap()), Ok(request()));
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let bytes = encode(&request()).unwrap();
        for position in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[position] ^= 4;
            assert!(decode::<Request>(flipped.into()).is_err());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Invariant 8 for messages, with a right checksum so that the decoder behind it is reached.
        #[test]
        fn arbitrary_bytes_do_not_panic(noise in vec(any::<u8>(), 0..100)) {
            let mut framed = vec![FORMAT_VERSION];
            framed.extend_from_slice(&crc32c::crc32c(&noise).to_be_bytes());
            framed.extend_from_slice(&noise);
            drop(decode::<Request>(framed.clone().into()));
            drop(decode::<Answer>(framed.into()));
            drop(decode::<Request>(noise.into()));
        }
    }
}
