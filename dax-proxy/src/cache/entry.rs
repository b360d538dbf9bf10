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
/// such a hit copies nothing and computes nothing. Projections read the item's bytes out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedItem {
    /// There was an item.
    Present {
        /// `{"Item":{...}}`
        body: Bytes,
        /// CRC-32 (IEEE) of `body`.
        crc32: u32,
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
        }
    }

    /// The answer to a GetItem of the whole item, and its CRC-32.
    pub fn answer(&self) -> (Bytes, u32) {
        match self {
            Self::Present { body, crc32 } => (body.clone(), *crc32),
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
            Self::Present { body, .. } => body.len(),
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
