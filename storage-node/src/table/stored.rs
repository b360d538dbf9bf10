//! One stored item: the value under an item's key.
//!
//! ```text
//! version  1 byte, 1
//! HLC      8 bytes, big endian: when the item was last written
//! size     4 bytes, big endian: DynamoDB's size of the item in bytes
//! body     attributes, see codec.rs
//! ```
//! The size stands in front so that a page of a Query is cut, and capacity is computed, without
//! decoding what is not evaluated.

use bytes::Bytes;
use stator_model::value::{AttributeValue, Item, item_size_bytes};

use super::codec::{CodecError, Reader, decode_attributes, encode_attributes};
use super::codec_find::find_attribute;
use super::codec_json::attributes_to_json;
use crate::hlc::Hlc;

/// The newest format version of a stored item, and the one that is written.
pub const STORED_ITEM_VERSION: u8 = 1;

const HEADER_LEN: usize = 13;

/// A stored item whose header has been read and whose attributes are still bytes.
#[derive(Debug, Clone)]
pub struct StoredItem {
    bytes: Bytes,
    /// When the item was last written.
    pub hlc: Hlc,
    /// DynamoDB's size of the item (semantics section 2).
    pub size_bytes: usize,
}

impl StoredItem {
    /// The value to store for `item`, written at `hlc`.
    pub fn encode(item: &Item, hlc: Hlc) -> Bytes {
        let size = item_size_bytes(item);
        let mut out = Vec::with_capacity(HEADER_LEN + size + size / 4 + 16);
        out.push(STORED_ITEM_VERSION);
        out.extend_from_slice(&hlc.0.to_be_bytes());
        out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
        encode_attributes(item, &mut out);
        Bytes::from(out)
    }

    /// Reads the header.
    ///
    /// # Errors
    /// A newer format version, or bytes too short to be a stored item.
    pub fn open(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new(&bytes);
        let version = reader.byte()?;
        if version > STORED_ITEM_VERSION {
            return Err(CodecError::NewerVersion {
                found: version,
                known: STORED_ITEM_VERSION,
            });
        }
        if version == 0 {
            return Err(CodecError::Corrupt("format version 0"));
        }
        let hlc = reader
            .take(8)?
            .iter()
            .fold(0_u64, |acc, &b| acc << 8 | u64::from(b));
        let size = reader
            .take(4)?
            .iter()
            .fold(0_usize, |acc, &b| acc << 8 | usize::from(b));
        Ok(Self {
            bytes,
            hlc: Hlc(hlc),
            size_bytes: size,
        })
    }

    /// The attributes, decoded.
    ///
    /// # Errors
    /// [`CodecError::Corrupt`].
    pub fn item(&self) -> Result<Item, CodecError> {
        decode_attributes(self.body())
    }

    /// One top-level attribute, without decoding the others.
    ///
    /// # Errors
    /// [`CodecError::Corrupt`].
    pub fn attribute(&self, name: &str) -> Result<Option<AttributeValue>, CodecError> {
        find_attribute(self.body(), name)
    }

    /// Appends the attributes as DynamoDB JSON, without decoding them into an [`Item`].
    ///
    /// # Errors
    /// [`CodecError::Corrupt`]; `out` must then be thrown away.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        attributes_to_json(self.body(), out)
    }

    /// The bytes as stored, header included.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn body(&self) -> &[u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::codec::tests::any_item;
    use super::*;

    proptest! {
        #[test]
        fn a_stored_item_keeps_item_time_and_size(item in any_item(), hlc in any::<u64>()) {
            let stored = StoredItem::open(StoredItem::encode(&item, Hlc(hlc))).unwrap();
            prop_assert_eq!(stored.hlc, Hlc(hlc));
            prop_assert_eq!(stored.size_bytes, item_size_bytes(&item));
            prop_assert_eq!(stored.item().unwrap(), item);
        }

        #[test]
        fn an_attribute_is_found_without_the_others(item in any_item(), other in "[a-c]{1,3}") {
            let stored = StoredItem::open(StoredItem::encode(&item, Hlc(1))).unwrap();
            for (name, value) in &item {
                prop_assert_eq!(stored.attribute(name).unwrap(), Some(value.clone()));
            }
            prop_assert_eq!(stored.attribute(&other).unwrap(), item.get(&other).cloned());
        }

        #[test]
        fn json_from_stored_bytes_is_the_json_of_the_item(item in any_item()) {
            let stored = StoredItem::open(StoredItem::encode(&item, Hlc(1))).unwrap();
            let mut straight = Vec::new();
            stored.write_json(&mut straight).unwrap();
            let mut by_model = Vec::new();
            stator_model::json::write_item(&item, &mut by_model);
            let straight: serde_json::Value = serde_json::from_slice(&straight).unwrap();
            let by_model: serde_json::Value = serde_json::from_slice(&by_model).unwrap();
            prop_assert_eq!(straight, by_model);
        }

        #[test]
        fn any_bytes_open_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(stored) = StoredItem::open(Bytes::from(bytes)) {
                let _item = stored.item();
                let _attribute = stored.attribute("a");
                let _json = stored.write_json(&mut Vec::new());
            }
        }
    }

    #[test]
    fn a_newer_format_version_is_refused_by_name() {
        let mut bytes = StoredItem::encode(&Item::new(), Hlc(1)).to_vec();
        bytes[0] = STORED_ITEM_VERSION + 1;
        let refused = StoredItem::open(Bytes::from(bytes));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "format version 2 is newer than 1, the newest this release reads"
        );
    }
}
