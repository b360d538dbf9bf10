//! The order-preserving encoding of key values, as stored on disk.
//!
//! ```text
//! N   10 | number, see `number/sort_key.rs`          (ends itself)
//! S   20 | bytes, each 00 written as 00 FF | 00 01
//! B   30 | bytes, each 00 written as 00 FF | 00 01
//! ```
//! Comparing encodings byte by byte compares values of one type as DynamoDB orders them: numbers by
//! value, strings by their UTF-8 bytes, binary values by unsigned bytes. No encoding is a prefix of
//! another one, so encodings may be written one after the other. Frozen, with test vectors.

use bytes::Bytes;

use crate::number::Number;
use crate::value::AttributeValue;

/// Tag of a number.
pub const TAG_N: u8 = 0x10;
/// Tag of a string.
pub const TAG_S: u8 = 0x20;
/// Tag of a binary value.
pub const TAG_B: u8 = 0x30;

const ESCAPE: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xFF;
const END: u8 = 0x01;

/// Appends the encoding of a key value.
///
/// # Panics
/// The value is neither S, N nor B; a [`crate::key::PrimaryKey`] holds nothing else.
pub fn encode(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::N(number) => {
            out.push(TAG_N);
            number.to_sort_key(out);
        }
        AttributeValue::S(text) => {
            out.push(TAG_S);
            encode_bytes(text.as_bytes(), out);
        }
        AttributeValue::B(bytes) => {
            out.push(TAG_B);
            encode_bytes(bytes, out);
        }
        other => panic!("a key attribute cannot have the type {}", other.type_name()),
    }
}

/// Reads one encoded value at the start of `bytes`: the value, and how many bytes it took. `None`
/// for anything that [`encode`] does not write.
pub fn decode(bytes: &[u8]) -> Option<(AttributeValue, usize)> {
    let (&tag, rest) = bytes.split_first()?;
    let (value, taken) = match tag {
        TAG_N => {
            let (number, taken) = Number::from_sort_key(rest)?;
            (AttributeValue::N(number), taken)
        }
        TAG_S => {
            let (raw, taken) = decode_bytes(rest)?;
            (AttributeValue::S(String::from_utf8(raw).ok()?), taken)
        }
        TAG_B => {
            let (raw, taken) = decode_bytes(rest)?;
            (AttributeValue::B(Bytes::from(raw)), taken)
        }
        _ => return None,
    };
    Some((value, taken + 1))
}

/// Appends the bytes that every encoding of a string or binary value with this prefix starts with:
/// the lower bound of a `begins_with`. Nothing for a number.
pub fn encode_prefix(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) => {
            out.push(TAG_S);
            escape(text.as_bytes(), out);
        }
        AttributeValue::B(bytes) => {
            out.push(TAG_B);
            escape(bytes, out);
        }
        _ => {}
    }
}

fn encode_bytes(raw: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw.len() + 2);
    escape(raw, out);
    out.extend_from_slice(&[ESCAPE, END]);
}

fn escape(raw: &[u8], out: &mut Vec<u8>) {
    let mut pieces = raw.split(|byte| *byte == ESCAPE);
    out.extend_from_slice(pieces.next().unwrap_or(&[]));
    for piece in pieces {
        out.extend_from_slice(&[ESCAPE, ESCAPED_ZERO]);
        out.extend_from_slice(piece);
    }
}

fn decode_bytes(encoded: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut raw = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    loop {
        let at = rest.iter().position(|byte| *byte == ESCAPE)?;
        let (plain, escaped) = rest.split_at_checked(at)?;
        raw.extend_from_slice(plain);
        rest = escaped.get(2..)?;
        match *escaped.get(1)? {
            END => return Some((raw, encoded.len() - rest.len())),
            ESCAPED_ZERO => raw.push(0),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
