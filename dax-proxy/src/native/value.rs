//! Attribute values and the two forms of an item: `list id | values` and maps (protocol, sections 7.4 and 9.2).

use std::collections::BTreeMap;

use bytes::Bytes;
use minicbor::data::Type;
use stator_model::limits::NESTING_LEVELS_MAX;
use stator_model::{ApiError, AttributeValue, Item};

use super::cbor::{Read, Reader, Writer, unreadable};
use super::lists::{AttributeLists, ListId};
use super::number::{is_untagged_number, read_number, read_tagged, write_number};

const STRING_SET: u64 = 3321;
const NUMBER_SET: u64 = 3322;
const BINARY_SET: u64 = 3323;

/// Reads one value.
pub(super) fn read_value(reader: &mut Reader<'_>) -> Read<AttributeValue> {
    read_nested(reader, 0)
}

fn read_nested(reader: &mut Reader<'_>, depth: usize) -> Read<AttributeValue> {
    // One level more than may be stored, so that the store refuses what is just too deep in its own way.
    if depth > NESTING_LEVELS_MAX + 1 {
        return Err(ApiError::validation("Nesting Levels have exceeded supported limits").into());
    }
    Ok(match reader.kind()? {
        Type::String | Type::StringIndef => AttributeValue::S(reader.text()?.into_owned()),
        Type::Bytes | Type::BytesIndef => {
            AttributeValue::B(Bytes::from(reader.bytes()?.into_owned()))
        }
        Type::Bool => AttributeValue::Bool(reader.flag()?),
        Type::Null => {
            reader.skip()?;
            AttributeValue::Null
        }
        Type::Array | Type::ArrayIndef => {
            let mut elements = Vec::new();
            reader.elements(|reader| {
                elements.push(read_nested(reader, depth + 1)?);
                Ok(())
            })?;
            AttributeValue::L(elements)
        }
        Type::Map | Type::MapIndef => {
            let mut members = BTreeMap::new();
            reader.entries(|reader| {
                let name = reader.text()?.into_owned();
                members.insert(name, read_nested(reader, depth + 1)?);
                Ok(())
            })?;
            AttributeValue::M(members)
        }
        Type::Tag => {
            let tag = reader.tag()?;
            match tag {
                STRING_SET => {
                    AttributeValue::Ss(set(reader, |reader| Ok(reader.text()?.into_owned()))?)
                }
                NUMBER_SET => AttributeValue::Ns(set(reader, read_number)?),
                BINARY_SET => AttributeValue::Bs(set(reader, |reader| {
                    Ok(Bytes::from(reader.bytes()?.into_owned()))
                })?),
                _ => AttributeValue::N(read_tagged(tag, reader)?),
            }
        }
        kind if is_untagged_number(kind) => AttributeValue::N(read_number(reader)?),
        _ => return Err(unreadable("not an attribute value")),
    })
}

fn set<T>(reader: &mut Reader<'_>, read: impl Fn(&mut Reader<'_>) -> Read<T>) -> Read<Vec<T>> {
    let mut members = Vec::new();
    reader.elements(|reader| {
        members.push(read(reader)?);
        Ok(())
    })?;
    Ok(members)
}

/// Writes one value.
pub(super) fn write_value(value: &AttributeValue, writer: &mut Writer) {
    match value {
        AttributeValue::S(text) => writer.text(text),
        AttributeValue::N(number) => write_number(number, writer),
        AttributeValue::B(bytes) => writer.bytes(bytes),
        AttributeValue::Bool(value) => writer.boolean(*value),
        AttributeValue::Null => writer.null(),
        AttributeValue::L(elements) => {
            writer.array(elements.len());
            for element in elements {
                write_value(element, writer);
            }
        }
        AttributeValue::M(members) => {
            writer.map(members.len());
            for (name, member) in members {
                writer.text(name);
                write_value(member, writer);
            }
        }
        AttributeValue::Ss(texts) => {
            writer.tag(STRING_SET);
            writer.array(texts.len());
            texts.iter().for_each(|text| writer.text(text));
        }
        AttributeValue::Ns(numbers) => {
            writer.tag(NUMBER_SET);
            writer.array(numbers.len());
            numbers
                .iter()
                .for_each(|number| write_number(number, writer));
        }
        AttributeValue::Bs(values) => {
            writer.tag(BINARY_SET);
            writer.array(values.len());
            values.iter().for_each(|bytes| writer.bytes(bytes));
        }
    }
}

/// Reads value bytes: an item without its key attributes.
pub(super) fn read_values(bytes: &[u8], lists: &dyn AttributeLists) -> Read<Item> {
    let mut reader = Reader::new(bytes);
    let id = reader.integer()?;
    let names = ListId::try_from(id)
        .ok()
        .and_then(|id| lists.names(id))
        // A guess would put values under wrong names.
        .ok_or_else(|| {
            Box::new(ApiError::validation(format!(
                "Attribute list {id} is not known"
            )))
        })?;
    let mut item = Item::new();
    for name in names.iter() {
        item.insert(name.clone(), read_value(&mut reader)?);
    }
    if reader.is_at_end() {
        Ok(item)
    } else {
        Err(unreadable("more values than names"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_every_type_survive() {
        let json = br#"{"s":{"S":"x"},"n":{"N":"-12.5"},"b":{"B":"Af8="},"t":{"BOOL":true},"z":{"NULL":true},
            "l":{"L":[{"S":""},{"N":"1"}]},"m":{"M":{"k":{"L":[]}}},"ss":{"SS":["a","b"]},"ns":{"NS":["1","2.5"]},
            "bs":{"BS":["AQ=="]}}"#;
        for (name, value) in stator_model::json::parse_item(json).unwrap() {
            let mut writer = Writer::new();
            write_value(&value, &mut writer);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(read_value(&mut reader).unwrap(), value, "{name}");
            assert!(reader.is_at_end());
        }
    }

    #[test]
    fn indefinite_forms_are_read() {
        let bytes = hex::decode("bf617f7f61616162ff61669f5f4101ffffff").unwrap();
        let value = read_value(&mut Reader::new(&bytes)).unwrap();
        let AttributeValue::M(members) = value else {
            panic!("not a map")
        };
        assert_eq!(members["\u{7f}"], AttributeValue::string("ab"));
        assert_eq!(
            members["f"],
            AttributeValue::L(vec![AttributeValue::B(Bytes::from_static(&[1]))])
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = [vec![0x81; 10_000], vec![0x01]].concat();
        let error = read_value(&mut Reader::new(&deep)).unwrap_err();
        assert_eq!(
            error.message.as_deref(),
            Some("Nesting Levels have exceeded supported limits")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            read_value(&mut Reader::new(&bytes)).ok();
        }
    }
}
