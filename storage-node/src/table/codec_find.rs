//! Finding one attribute in encoded attributes, for what looks at every item of a table.

use stator_model::value::AttributeValue;

use super::codec::{
    CodecError, DEPTH_MAX, Reader, TAG_B, TAG_BS, TAG_FALSE, TAG_L, TAG_M, TAG_N, TAG_NS, TAG_NULL,
    TAG_S, TAG_SS, TAG_TRUE, decode_value,
};

/// The top-level attribute `name` in `bytes`, as [`super::codec::encode_attributes`] writes them.
///
/// # Errors
/// [`CodecError::Corrupt`], as far as the bytes were looked at.
pub(super) fn find_attribute(
    bytes: &[u8],
    name: &str,
) -> Result<Option<AttributeValue>, CodecError> {
    let mut reader = Reader::new(bytes);
    let count = reader.len()?;
    for _ in 0..count {
        let found = reader.text()?;
        // Names ascend, so the search ends where the name would stand.
        match found.cmp(name) {
            std::cmp::Ordering::Less => skip_value(&mut reader, 0)?,
            std::cmp::Ordering::Equal => return decode_value(&mut reader, 0).map(Some),
            std::cmp::Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

fn skip_value(reader: &mut Reader<'_>, depth: u32) -> Result<(), CodecError> {
    if depth > DEPTH_MAX {
        return Err(CodecError::Corrupt("nested too deep"));
    }
    match reader.byte()? {
        TAG_S | TAG_B => reader.bytes().map(|_| ()),
        TAG_N => reader.number_text().map(|_| ()),
        TAG_SS | TAG_BS => repeat(reader, |reader| reader.bytes().map(|_| ())),
        TAG_NS => repeat(reader, |reader| reader.number_text().map(|_| ())),
        TAG_L => repeat(reader, |reader| skip_value(reader, depth + 1)),
        TAG_M => repeat(reader, |reader| {
            reader.bytes()?;
            skip_value(reader, depth + 1)
        }),
        TAG_TRUE | TAG_FALSE | TAG_NULL => Ok(()),
        _ => Err(CodecError::Corrupt("unknown value tag")),
    }
}

fn repeat(
    reader: &mut Reader<'_>,
    mut one: impl FnMut(&mut Reader<'_>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let count = reader.len()?;
    for _ in 0..count {
        one(reader)?;
    }
    Ok(())
}
