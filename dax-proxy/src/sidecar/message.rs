//! What a sidecar asks a cache node, and is told: POST to [`FOLLOW_PATH`] on the port for clients, signed as any request.
//!
//! Both bodies are messages as cache nodes have them among themselves ([`crate::message`], `docs/formats.md`).

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::cache::CachedItem;

/// Where a sidecar asks.
pub(crate) const FOLLOW_PATH: &str = "/v1/follow";

/// A place in the feed of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Of the node's process, chosen at random when it starts.
    pub(crate) epoch: u64,
    /// Number of the first change that is not known yet.
    pub(crate) next: u64,
}

/// A sidecar asks for what is new.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Follow {
    /// Up to where it has heard; `None` at the start.
    pub(crate) cursor: Option<Cursor>,
    /// How long the answer may wait for something to tell, in milliseconds.
    pub(crate) wait_millis: u32,
}

/// Answers [`Follow`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Up to where the sidecar has heard now.
    pub(crate) cursor: Cursor,
    /// Whether this node itself may serve hits, and so knows of every acknowledged write.
    pub(crate) serving: bool,
    /// Whether nothing is missing between the cursor of the question and the first of the changes. Otherwise everything
    /// that the sidecar holds may be old.
    pub(crate) whole: bool,
    /// In the order in which they happened.
    pub(crate) changes: Vec<News>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum News {
    /// The entry under this key changed.
    Key {
        /// The key's bytes; see [`crate::cache::CacheKey`].
        key: Vec<u8>,
        /// What is there now.
        image: Image,
    },
    /// All that is held of a table may be old.
    Table {
        /// The table's id.
        table: [u8; 16],
    },
    /// The same of all tables.
    Everything,
}

/// What an item is after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Image {
    /// Not known.
    Unknown,
    /// There is none.
    Absent,
    /// One whose JSON has this hash (XXH3, 128 bits, big-endian).
    Hash([u8; 16]),
}

impl Image {
    /// Of what a cache holds.
    pub(crate) fn of(item: &CachedItem) -> Self {
        match item.item_json() {
            Some(json) => Self::Hash(xxh3_128(json).to_be_bytes()),
            None => Self::Absent,
        }
    }
}

impl News {
    /// Bytes that it takes in the feed.
    pub(super) fn size_bytes(&self) -> usize {
        64 + match self {
            Self::Key { key, .. } => key.len(),
            Self::Table { .. } | Self::Everything => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{decode, encode};

    /// Sidecars and nodes of two versions speak with each other during an update: this may not change unnoticed.
    #[test]
    fn the_bytes_are_frozen() {
        let cursor = Cursor {
            epoch: 7,
            next: 300,
        };
        let follow = Follow {
            cursor: Some(cursor),
            wait_millis: 250,
        };
        assert_eq!(encode(&follow), [1, 1, 7, 0xac, 2, 0xfa, 1]);
        let image = Image::of(&CachedItem::from_item_json(b"{}"));
        assert!(matches!(image, Image::Hash(_)));
        let told = Told {
            cursor,
            serving: true,
            whole: false,
            changes: vec![
                News::Key {
                    key: vec![0xab],
                    image: Image::Absent,
                },
                News::Everything,
            ],
        };
        let bytes = encode(&told);
        assert_eq!(bytes, [1, 7, 0xac, 2, 1, 0, 2, 0, 1, 0xab, 1, 2]);
        assert_eq!(decode::<Told>(&bytes), Ok(told));
    }
}
