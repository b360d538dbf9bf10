//! DynamoDB JSON written straight from stored bytes, with no item in between: the hot path of
//! GetItem, Query and Scan without a filter or projection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use stator_model::value::Item;

use super::codec::{
    CodecError, DEPTH_MAX, Reader, TAG_B, TAG_BS, TAG_FALSE, TAG_L, TAG_M, TAG_N, TAG_NS, TAG_NULL,
    TAG_S, TAG_SS, TAG_TRUE,
};

/// Appends `{"name":{"S":"..."},...}` for the attributes in `bytes`.
///
/// # Errors
/// [`CodecError::Corrupt`]; `out` then ends with a torn object and must be thrown away.
pub fn attributes_to_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut reader = Reader::new(bytes);
    map(&mut reader, out, 0)?;
    reader.finish()
}

/// Appends an item as DynamoDB JSON.
pub fn item_to_json(item: &Item, out: &mut Vec<u8>) {
    stator_model::json::write_item(item, out);
}

fn map(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: u32) -> Result<(), CodecError> {
    if depth > DEPTH_MAX {
        return Err(CodecError::Corrupt("nested too deep"));
    }
    let count = reader.len()?;
    out.push(b'{');
    for at in 0..count {
        if at > 0 {
            out.push(b',');
        }
        string(reader.text()?, out);
        out.push(b':');
        value(reader, out, depth)?;
    }
    out.push(b'}');
    Ok(())
}

fn value(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: u32) -> Result<(), CodecError> {
    match reader.byte()? {
        TAG_S => {
            out.extend_from_slice(b"{\"S\":");
            string(reader.text()?, out);
        }
        TAG_N => {
            out.extend_from_slice(b"{\"N\":");
            string(reader.number_text()?, out);
        }
        TAG_B => {
            out.extend_from_slice(b"{\"B\":");
            base64(reader.bytes()?, out);
        }
        TAG_SS => {
            out.extend_from_slice(b"{\"SS\":");
            list(reader, out, |reader, out| {
                string(reader.text()?, out);
                Ok(())
            })?;
        }
        TAG_NS => {
            out.extend_from_slice(b"{\"NS\":");
            list(reader, out, |reader, out| {
                string(reader.number_text()?, out);
                Ok(())
            })?;
        }
        TAG_BS => {
            out.extend_from_slice(b"{\"BS\":");
            list(reader, out, |reader, out| {
                base64(reader.bytes()?, out);
                Ok(())
            })?;
        }
        TAG_M => {
            out.extend_from_slice(b"{\"M\":");
            map(reader, out, depth + 1)?;
        }
        TAG_L => {
            if depth >= DEPTH_MAX {
                return Err(CodecError::Corrupt("nested too deep"));
            }
            out.extend_from_slice(b"{\"L\":");
            list(reader, out, |reader, out| value(reader, out, depth + 1))?;
        }
        TAG_TRUE => out.extend_from_slice(b"{\"BOOL\":true"),
        TAG_FALSE => out.extend_from_slice(b"{\"BOOL\":false"),
        TAG_NULL => out.extend_from_slice(b"{\"NULL\":true"),
        _ => return Err(CodecError::Corrupt("unknown value tag")),
    }
    out.push(b'}');
    Ok(())
}

fn list(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    mut one: impl FnMut(&mut Reader<'_>, &mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let count = reader.len()?;
    out.push(b'[');
    for at in 0..count {
        if at > 0 {
            out.push(b',');
        }
        one(reader, out)?;
    }
    out.push(b']');
    Ok(())
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = out
        .get_mut(start..)
        .map(|slot| STANDARD.encode_slice(bytes, slot));
    assert!(
        matches!(written, Some(Ok(_))),
        "base64 of n bytes is 4 * ceil(n / 3) bytes"
    );
    out.push(b'"');
}

/// Appends a JSON string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    stator_model::json::write_text(text, out);
}
