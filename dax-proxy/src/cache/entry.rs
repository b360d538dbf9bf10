//! What the item cache holds for one key.

use bytes::{BufMut, Bytes, BytesMut};

/// `{"Item":`, the beginning of every answer to a GetItem that found something.
const HEAD: &[u8] = b"{\"Item\":";
/// The answer to a GetItem that found nothing.
const NOTHING: Bytes = Bytes::from_static(b"{}");
/// CRC-32 of [`NOTHING`].
const NOTHING_CRC32: u32 = 0xa3a6_bf43;

/// An item as of one moment, or that there was none.
///
/// The whole item is held as the finished answer to a GetItem without a projection, with its checksum:
/// such a hit copies nothing and computes nothing. Projections read the item's bytes out of it. What was asked for over
/// the native protocol is held in that form as well, from its second read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedItem {
    /// There was an item.
    Present {
        /// `{"Item":{...}}`
        body: Bytes,
        /// CRC-32 (IEEE) of `body`.
        crc32: u32,
        /// The same answer in the native protocol; `None` until somebody asks in it.
        native: Option<Bytes>,
    },
    /// There was none: a negative entry.
    Absent,
}

impl CachedItem {
    /// From an item's JSON, `{"name":{"S":"value"},...}`.
    pub fn from_item_json(item: &[u8]) -> Self {
        let mut body = BytesMut::with_capacity(HEAD.len() + item.len() + 1);
        body.put_slice(HEAD);
        body.put_slice(item);
        body.put_u8(b'}');
        let body = body.freeze();
        Self::Present {
            crc32: crc32fast::hash(&body),
            body,
            native: None,
        }
    }

    /// The answer in the native protocol, if it is held.
    pub fn native(&self) -> Option<&Bytes> {
        match self {
            Self::Present { native, .. } => native.as_ref(),
            Self::Absent => None,
        }
    }

    /// The same entry with its answer in the native protocol; `None` for an entry that has no use for it.
    pub(super) fn with_native(&self, answer: Bytes) -> Option<Self> {
        match self {
            Self::Present { body, crc32, .. } => Some(Self::Present {
                body: body.clone(),
                crc32: *crc32,
                native: Some(answer),
            }),
            Self::Absent => None,
        }
    }

    /// Whether this is that very entry, and not only one that says the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present { body, .. }, Self::Present { body: other, .. }) => {
                body.as_ptr() == other.as_ptr() && body.len() == other.len()
            }
            _ => false,
        }
    }

    /// The answer to a GetItem of the whole item, and its CRC-32.
    pub fn answer(&self) -> (Bytes, u32) {
        match self {
            Self::Present { body, crc32, .. } => (body.clone(), *crc32),
            Self::Absent => (NOTHING, NOTHING_CRC32),
        }
    }

    /// The item's JSON; `None` if there is no item.
    pub fn item_json(&self) -> Option<&[u8]> {
        match self {
            Self::Present { body, .. } => {
                let end = body.len().checked_sub(1)?;
                body.get(HEAD.len()..end)
            }
            Self::Absent => None,
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Present { body, native, .. } => {
                body.len() + native.as_ref().map_or(0, Bytes::len)
            }
            Self::Absent => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_finished_answer_and_still_gives_its_item() {
        let entry = CachedItem::from_item_json(br#"{"pk":{"S":"a"}}"#);
        let (body, crc32) = entry.answer();
        assert_eq!(&body[..], br#"{"Item":{"pk":{"S":"a"}}}"#);
        assert_eq!(crc32, crc32fast::hash(&body));
        assert_eq!(entry.item_json(), Some(&br#"{"pk":{"S":"a"}}"#[..]));
    }

    #[test]
    fn a_negative_entry_answers_an_empty_object() {
        let (body, crc32) = CachedItem::Absent.answer();
        assert_eq!(&body[..], b"{}");
        assert_eq!(crc32, crc32fast::hash(b"{}"));
        assert_eq!(CachedItem::Absent.item_json(), None);
    }
}
