//! What entries are found by.

use std::borrow::Borrow;

use bytes::Bytes;

/// A table's identity: never its name, so that a table deleted and made again is another table.
///
/// Amazon and Stator give a table a UUID (`TableId`), which is taken as it is. An endpoint that gives
/// none is served too: see [`TableId::from_text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId([u8; 16]);

impl TableId {
    /// Reads a `TableId`; any text that is not a UUID is hashed to 128 bits (XXH3).
    ///
    /// The text is the store's own, not a client's, so a plain hash is enough against collisions.
    pub fn from_text(text: &str) -> Self {
        match uuid::Uuid::try_parse(text) {
            Ok(uuid) => Self(uuid.into_bytes()),
            Err(_) => Self(xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_be_bytes()),
        }
    }

    /// From the 16 bytes that keys begin with.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes that keys begin with.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The key of one entry.
///
/// Item cache: `table id (16 bytes) | partition key, memcomparable | sort key, memcomparable`. The
/// encodings end themselves, so no two primary keys share bytes, and numbers of one value have one form.
/// Query cache: `table id (16 bytes) | normalised request`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(Bytes);

impl CacheKey {
    /// A key of `table`, followed by what `write` appends.
    pub fn new(table: TableId, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        // Most keys are short: one allocation holds a table id, two short strings and their ends.
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(table.as_bytes());
        write(&mut bytes);
        Self(Bytes::from(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key of another node's entry, and its table; `None` for bytes that are too few.
    pub fn from_bytes(bytes: &[u8]) -> Option<(TableId, Self)> {
        let table = TableId(*bytes.first_chunk()?);
        Some((table, Self(Bytes::copy_from_slice(bytes))))
    }
}

// `Bytes` and `[u8]` hash, compare and order alike, which `Borrow` asks for.
impl Borrow<[u8]> for CacheKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_taken_as_it_is_and_other_text_is_hashed() {
        let id = TableId::from_text("00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(
            id.as_bytes(),
            &[
                0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
                0xee, 0xff
            ]
        );
        assert_ne!(TableId::from_text("arn:a 1"), TableId::from_text("arn:a 2"));
    }

    #[test]
    fn a_key_is_its_table_and_what_follows() {
        let table = TableId::from_text("t");
        let key = CacheKey::new(table, |out| out.extend_from_slice(b"pk"));
        assert_eq!(&key.as_bytes()[..16], table.as_bytes());
        assert_eq!(&key.as_bytes()[16..], b"pk");
    }
}
