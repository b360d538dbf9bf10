//! What cache nodes say to each other: one call, one answer, over HTTP/1.1 on 8112.
//!
//! A message is the body of a POST to the path of its call; see [`crate::message`] and `docs/formats.md`. [`Forward`] is no
//! message: it carries a client's request as it is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest message, in bytes: a batch of changes ends at a megabyte, unless one change alone is larger.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A call and what answers it.
pub(crate) trait Call: Serialize + DeserializeOwned {
    /// Where it is posted.
    const PATH: &'static str;
    /// What comes back.
    type Answer: Serialize + DeserializeOwned;
}

/// One change of what caches may hold, as the primary tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// The item under this key (see [`crate::cache::CacheKey`]) is now this JSON; `None`: there is none.
    Store {
        /// The key's bytes.
        key: Vec<u8>,
        /// The item.
        item: Option<Vec<u8>>,
        /// How long ago it was stored, in milliseconds.
        age_millis: u64,
    },
    /// What is held under this key may be old.
    Drop {
        /// The key's bytes.
        key: Vec<u8>,
    },
    /// The same for all that is held of a table.
    DropTable {
        /// The table's id.
        table: [u8; 16],
    },
    /// The same for everything.
    DropAll,
}

impl Change {
    /// Bytes that it takes in a queue.
    pub(crate) fn size_bytes(&self) -> usize {
        64 + match self {
            Self::Store { key, item, .. } => key.len() + item.as_ref().map_or(0, Vec::len),
            Self::Drop { key } => key.len(),
            Self::DropTable { .. } | Self::DropAll => 0,
        }
    }

    /// The same without what is there now: for a node that cannot know whether that is still so.
    pub(crate) fn dropping(self) -> Self {
        match self {
            Self::Store { key, .. } => Self::Drop { key },
            other => other,
        }
    }
}

/// A node as clients reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Its name among the peers.
    pub(crate) name: String,
    /// Below 2^53, the integers of JavaScript.
    pub(crate) node_id: i64,
    /// Where clients connect in the clear.
    pub(crate) address: std::net::SocketAddr,
    /// The port for clients under TLS, if there is one.
    pub(crate) tls_port: Option<u16>,
    /// Whether it is the primary.
    pub(crate) leader: bool,
}

/// A replica begins a session with the primary. It holds nothing that is older than the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Join {
    /// Chosen at random by the replica, which takes changes under it from now on.
    pub(crate) session: u64,
    /// Who joins.
    pub(crate) member: Member,
    /// Whether clients are to be told of it: not of a node that is about to stop.
    pub(crate) listed: bool,
}

/// Answers [`Join`] and [`Leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Admission {
    /// Done.
    Granted,
    /// The node asked is not the primary now.
    NotPrimary,
}

impl Call for Join {
    const PATH: &'static str = "/v1/join";
    type Answer = Admission;
}

/// A replica ends its session: nobody need wait for it any more.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Leave {
    /// Which.
    pub(crate) session: u64,
}

impl Call for Leave {
    const PATH: &'static str = "/v1/leave";
    type Answer = Admission;
}

/// A replica asks for its lease.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Renew {
    /// The replica's session.
    pub(crate) session: u64,
    /// Whether clients are to be told of it.
    pub(crate) listed: bool,
}

/// Answers [`Renew`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Renewal {
    /// Hits may be served for so long after the moment when the request was *sent*.
    Granted {
        /// Milliseconds.
        millis: u32,
        /// All nodes, for clients that ask for them.
        members: Vec<Member>,
    },
    /// There is no such session any more.
    Ended,
}

impl Call for Renew {
    const PATH: &'static str = "/v1/renew";
    type Answer = Renewal;
}

/// The primary tells changes, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Apply {
    /// The replica's session.
    pub(crate) session: u64,
    /// Number of the first change; a session begins with 1.
    pub(crate) first: u64,
    /// The changes.
    pub(crate) changes: Vec<Change>,
}

/// Answers [`Apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Applied {
    /// All changes up to this number are carried out.
    UpTo(u64),
    /// The replica has given the session up, and serves nothing under it.
    Ended,
}

impl Call for Apply {
    const PATH: &'static str = "/v1/apply";
    type Answer = Applied;
}

/// A node that wrote past the primary asks that nobody serve what was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settle {
    /// What it has changed; empty to learn whether it could settle.
    pub(crate) changes: Vec<Change>,
}

/// Answers [`Settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Settled {
    /// This is the primary, and every node that serves hits has dropped what was named.
    Everywhere,
    /// This node has dropped it, and is not the primary.
    Here,
    /// This node was the primary and cannot say.
    Unknown,
}

impl Call for Settle {
    const PATH: &'static str = "/v1/settle";
    type Answer = Settled;
}

/// Attribute lists that a client will be told the ids of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeepLists {
    /// The names of each.
    pub(crate) lists: Vec<Vec<String>>,
}

impl Call for KeepLists {
    const PATH: &'static str = "/v1/lists/keep";
    /// Whether they are on disk.
    type Answer = bool;
}

/// Asks what an attribute-list id means.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct FindList {
    /// The id.
    pub(crate) id: i64,
}

impl Call for FindList {
    const PATH: &'static str = "/v1/lists/find";
    type Answer = Option<Vec<String>>;
}

/// Asks the primary which table has a name, so that all nodes have entries under the same key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identify {
    /// The name, or the ARN, as a client gave it.
    pub(crate) name: String,
}

/// Answers [`Identify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TableIdentity {
    /// The table.
    Known {
        /// What entries are found by.
        id: [u8; 16],
        /// The partition key, and the sort key if there is one: name, and type as `S`, `N` or `B`.
        key: Vec<(String, String)>,
        /// Its stream, if that is enabled.
        stream_arn: Option<String>,
    },
    /// The store says that there is none.
    Refused,
    /// The store does not answer, or the node asked is not the primary.
    Unknown,
}

impl Call for Identify {
    const PATH: &'static str = "/v1/identify";
    type Answer = TableIdentity;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MessageError, decode, encode};

    #[test]
    fn changes_come_back_and_others_are_refused() {
        let apply = Apply {
            session: 7,
            first: 1,
            changes: vec![
                Change::Store {
                    key: vec![1, 2],
                    item: Some(b"{}".to_vec()),
                    age_millis: 5,
                },
                Change::Drop { key: vec![3] },
                Change::DropTable { table: [9; 16] },
                Change::DropAll,
            ],
        };
        let bytes = encode(&apply);
        assert_eq!(decode::<Apply>(&bytes).unwrap().changes, apply.changes);
        assert_eq!(
            decode::<Apply>(&bytes[..9]).err(),
            Some(MessageError::Malformed)
        );
        assert_eq!(decode::<Apply>(&[]).err(), Some(MessageError::Malformed));
        assert_eq!(decode::<Apply>(&[2, 0]).err(), Some(MessageError::Newer(2)));
    }

    /// Nodes of two versions speak with each other during a rolling update: this may not change unnoticed.
    #[test]
    fn the_bytes_are_frozen() {
        let drop = Settle {
            changes: vec![Change::Drop { key: vec![0xab] }],
        };
        assert_eq!(encode(&drop), [1, 1, 1, 1, 0xab]);
        assert_eq!(encode(&Settled::Here), [1, 1]);
        assert_eq!(encode(&Applied::UpTo(300)), [1, 0, 0xac, 0x02]);
    }
}
