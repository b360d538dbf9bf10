//! Attributes as compact binary: the body of a stored item and of items in node-to-node messages.
//!
//! ```text
//! attributes = varint count, then per attribute in ascending name order: name, value
//! name       = varint length, UTF-8 bytes
//! value      = tag (1 byte), body
//!   1 S     varint length, UTF-8 bytes        7 M     attributes
//!   2 N     1 byte length, canonical text     8 L     varint count, values
//!   3 B     varint length, bytes              9 BOOL true
//!   4 SS    varint count, each as S's body   10 BOOL false
//!   5 NS    varint count, each as N's body   11 NULL
//!   6 BS    varint count, each as B's body
//! ```
//! Numbers are kept as DynamoDB's canonical text, so that a JSON answer is written straight from
//! stored bytes ([`super::codec_json`]) and a comparison parses only what it compares.
//! Bytes come from disk and from other nodes: decoding returns an error and never panics, and
//! nesting is bounded.

use std::collections::BTreeMap;
use std::io::Write;

use bytes::Bytes;
use stator_model::number::Number;
use stator_model::value::{AttributeValue, Item};

/// Deepest nesting that decoding follows. DynamoDB allows 32 levels in an item; values inside
/// requests add a few.
pub const DEPTH_MAX: u32 = 40;

pub(super) const TAG_S: u8 = 1;
pub(super) const TAG_N: u8 = 2;
pub(super) const TAG_B: u8 = 3;
pub(super) const TAG_SS: u8 = 4;
pub(super) const TAG_NS: u8 = 5;
pub(super) const TAG_BS: u8 = 6;
pub(super) const TAG_M: u8 = 7;
pub(super) const TAG_L: u8 = 8;
pub(super) const TAG_TRUE: u8 = 9;
pub(super) const TAG_FALSE: u8 = 10;
pub(super) const TAG_NULL: u8 = 11;

/// Bytes that are not what this codec writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end too early, hold an unknown tag, or are otherwise not an encoding.
    #[error("stored attributes are corrupt: {0}")]
    Corrupt(&'static str),
    /// Written by a newer release.
    #[error("format version {found} is newer than {known}, the newest this release reads")]
    NewerVersion {
        /// The version found.
        found: u8,
        /// The newest version known.
        known: u8,
    },
}

/// Appends the attributes of `item`.
pub fn encode_attributes(item: &Item, out: &mut Vec<u8>) {
    put_len(out, item.len());
    for (name, value) in item {
        put_bytes(out, name.as_bytes());
        encode_value(value, out);
    }
}

/// The attributes of `item` as bytes of their own.
pub fn attributes_to_bytes(item: &Item) -> Bytes {
    let mut out = Vec::with_capacity(256);
    encode_attributes(item, &mut out);
    Bytes::from(out)
}

/// Appends one value.
pub fn encode_value(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) => {
            out.push(TAG_S);
            put_bytes(out, text.as_bytes());
        }
        AttributeValue::N(number) => {
            out.push(TAG_N);
            put_number(out, number);
        }
        AttributeValue::B(bytes) => {
            out.push(TAG_B);
            put_bytes(out, bytes);
        }
        AttributeValue::Ss(set) => {
            out.push(TAG_SS);
            put_len(out, set.len());
            set.iter().for_each(|text| put_bytes(out, text.as_bytes()));
        }
        AttributeValue::Ns(set) => {
            out.push(TAG_NS);
            put_len(out, set.len());
            set.iter().for_each(|number| put_number(out, number));
        }
        AttributeValue::Bs(set) => {
            out.push(TAG_BS);
            put_len(out, set.len());
            set.iter().for_each(|bytes| put_bytes(out, bytes));
        }
        AttributeValue::M(map) => {
            out.push(TAG_M);
            encode_attributes(map, out);
        }
        AttributeValue::L(list) => {
            out.push(TAG_L);
            put_len(out, list.len());
            list.iter().for_each(|value| encode_value(value, out));
        }
        AttributeValue::Bool(true) => out.push(TAG_TRUE),
        AttributeValue::Bool(false) => out.push(TAG_FALSE),
        AttributeValue::Null => out.push(TAG_NULL),
    }
}

/// Decodes what [`encode_attributes`] wrote; nothing may follow it.
///
/// # Errors
/// [`CodecError::Corrupt`] for anything else.
pub fn decode_attributes(bytes: &[u8]) -> Result<Item, CodecError> {
    let mut reader = Reader::new(bytes);
    let item = decode_map(&mut reader, 0)?;
    reader.finish()?;
    Ok(item)
}

fn decode_map(reader: &mut Reader<'_>, depth: u32) -> Result<Item, CodecError> {
    if depth > DEPTH_MAX {
        return Err(CodecError::Corrupt("nested too deep"));
    }
    let count = reader.len()?;
    let mut map = BTreeMap::new();
    for _ in 0..count {
        let name = reader.text()?;
        let value = decode_value(reader, depth)?;
        // Ascending and unique, so that one item has one encoding.
        if map
            .last_key_value()
            .is_some_and(|(last, _): (&String, _)| last.as_str() >= name)
        {
            return Err(CodecError::Corrupt("names out of order"));
        }
        map.insert(name.to_owned(), value);
    }
    Ok(map)
}

pub(super) fn decode_value(
    reader: &mut Reader<'_>,
    depth: u32,
) -> Result<AttributeValue, CodecError> {
    Ok(match reader.byte()? {
        TAG_S => AttributeValue::S(reader.text()?.to_owned()),
        TAG_N => AttributeValue::N(reader.number()?),
        TAG_B => AttributeValue::B(Bytes::copy_from_slice(reader.bytes()?)),
        TAG_SS => AttributeValue::Ss(reader.list(|r| r.text().map(str::to_owned))?),
        TAG_NS => AttributeValue::Ns(reader.list(Reader::number)?),
        TAG_BS => AttributeValue::Bs(reader.list(|r| r.bytes().map(Bytes::copy_from_slice))?),
        TAG_M => AttributeValue::M(decode_map(reader, depth + 1)?),
        TAG_L => {
            if depth >= DEPTH_MAX {
                return Err(CodecError::Corrupt("nested too deep"));
            }
            AttributeValue::L(reader.list(|r| decode_value(r, depth + 1))?)
        }
        TAG_TRUE => AttributeValue::Bool(true),
        TAG_FALSE => AttributeValue::Bool(false),
        TAG_NULL => AttributeValue::Null,
        _ => return Err(CodecError::Corrupt("unknown value tag")),
    })
}

/// A LEB128 length.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize) {
    let mut rest = len as u64;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_number(out: &mut Vec<u8>, number: &Number) {
    let at = out.len();
    out.push(0);
    let written = write!(out, "{number}");
    assert!(written.is_ok(), "writing into a Vec cannot fail");
    // The longest canonical text is "-0." + 129 zeros + 38 digits: 170 bytes.
    let len = u8::try_from(out.len() - at - 1);
    assert!(len.is_ok(), "a canonical number is at most 170 bytes");
    if let (Some(slot), Ok(len)) = (out.get_mut(at), len) {
        *slot = len;
    }
}

/// Reads an encoding front to back, never past its end.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        let (&first, rest) = self
            .rest
            .split_first()
            .ok_or(CodecError::Corrupt("truncated"))?;
        self.rest = rest;
        Ok(first)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(CodecError::Corrupt("truncated"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A LEB128 length. It counts things of at least one byte each, so a value beyond the rest of
    /// the input is refused here, before anybody allocates for it.
    pub(super) fn len(&mut self) -> Result<usize, CodecError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let len = usize::try_from(value).unwrap_or(usize::MAX);
                if len > self.rest.len() {
                    return Err(CodecError::Corrupt("length beyond the end"));
                }
                return Ok(len);
            }
        }
        Err(CodecError::Corrupt("length too long"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let len = self.len()?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::Corrupt("text is not UTF-8"))
    }

    /// The canonical text of a number.
    pub(super) fn number_text(&mut self) -> Result<&'a str, CodecError> {
        let len = usize::from(self.byte()?);
        std::str::from_utf8(self.take(len)?).map_err(|_| CodecError::Corrupt("number is not text"))
    }

    fn number(&mut self) -> Result<Number, CodecError> {
        Number::parse(self.number_text()?).map_err(|_| CodecError::Corrupt("not a number"))
    }

    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.len()?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(one(self)?);
        }
        Ok(list)
    }

    pub(super) fn finish(&self) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CodecError::Corrupt("trailing bytes"))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any item that DynamoDB could hold, small enough for a property test.
    pub(crate) fn any_item() -> impl Strategy<Value = Item> {
        proptest::collection::btree_map(".{1,8}", any_value(), 0..6)
    }

    fn any_number() -> impl Strategy<Value = Number> {
        (any::<i64>(), -60..60_i32).prop_map(|(coefficient, exponent)| {
            Number::parse(&format!("{coefficient}e{exponent}")).unwrap()
        })
    }

    pub(crate) fn any_value() -> impl Strategy<Value = AttributeValue> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
        let leaf = prop_oneof![
            ".{0,20}".prop_map(AttributeValue::S),
            any_number().prop_map(AttributeValue::N),
            bytes().prop_map(AttributeValue::B),
            proptest::collection::vec(".{0,6}", 1..4).prop_map(AttributeValue::Ss),
            proptest::collection::vec(any_number(), 1..4).prop_map(AttributeValue::Ns),
            proptest::collection::vec(bytes(), 1..4).prop_map(AttributeValue::Bs),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
                proptest::collection::btree_map(".{0,6}", inner, 0..4).prop_map(AttributeValue::M),
            ]
        })
    }

    proptest! {
        #[test]
        fn items_come_back_as_they_were(item in any_item()) {
            let bytes = attributes_to_bytes(&item);
            prop_assert_eq!(decode_attributes(&bytes).unwrap(), item);
        }

        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(item) = decode_attributes(&bytes) {
                // What decodes is canonical apart from the spelling of numbers and lengths.
                let again = attributes_to_bytes(&item);
                prop_assert_eq!(decode_attributes(&again).unwrap(), item);
            }
        }

        #[test]
        fn a_cut_or_flipped_encoding_never_panics(item in any_item(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = attributes_to_bytes(&item).to_vec();
            let at = at.index(bytes.len());
            let _cut = decode_attributes(&bytes[..at]);
            bytes[at] ^= 1 << bit;
            let _flipped = decode_attributes(&bytes);
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        let mut bytes = vec![1, 1, b'a'];
        for _ in 0..100_000 {
            bytes.extend([TAG_L, 1]);
        }
        bytes.push(TAG_NULL);
        assert_eq!(
            decode_attributes(&bytes),
            Err(CodecError::Corrupt("nested too deep"))
        );
    }
}
