//! Keys: raw bytes where they can be, CBOR where a length must be told (protocol, section 9.1).
//!
//! ```text
//! partition key alone     S: UTF-8 | B: bytes | N: one CBOR number
//! with a sort key         the partition key as one CBOR item, then S: UTF-8 | B: bytes | N: LexDecimal
//! of an index (10.5)      an indefinite map of names and values
//! ```

use bytes::Bytes;
use stator_model::{ApiError, AttributeValue, Item, KeyAttribute, KeySchema, ScalarType};

use super::cbor::{Read, Reader, Writer, unreadable};
use super::lex_decimal::{read_lex_decimal, write_lex_decimal};
use super::number::read_number;
use super::value::{read_value, write_value};

/// Reads the key of an item.
pub(super) fn read_key(schema: &KeySchema, bytes: &[u8]) -> Read<Item> {
    let KeySchema {
        partition_key,
        sort_key,
    } = schema;
    let mut key = Item::new();
    match sort_key {
        None => {
            let value = match partition_key.scalar_type {
                ScalarType::N => {
                    let mut reader = Reader::new(bytes);
                    let number = read_number(&mut reader)?;
                    if !reader.is_at_end() {
                        return Err(unreadable("a key is too long"));
                    }
                    AttributeValue::N(number)
                }
                _ => raw(partition_key, bytes)?,
            };
            key.insert(partition_key.name.clone(), value);
        }
        Some(sort_key) => {
            let mut reader = Reader::new(bytes);
            let value = read_value(&mut reader)?;
            if !partition_key.scalar_type.matches(&value) {
                return Err(ApiError::validation(
                    "The provided key element does not match the schema",
                )
                .into());
            }
            key.insert(partition_key.name.clone(), value);
            key.insert(sort_key.name.clone(), raw(sort_key, reader.rest())?);
        }
    }
    Ok(key)
}

fn raw(attribute: &KeyAttribute, bytes: &[u8]) -> Read<AttributeValue> {
    Ok(match attribute.scalar_type {
        ScalarType::S => AttributeValue::S(
            str::from_utf8(bytes)
                .map_err(|_| unreadable("a key is not UTF-8"))?
                .to_owned(),
        ),
        ScalarType::B => AttributeValue::B(Bytes::copy_from_slice(bytes)),
        ScalarType::N => AttributeValue::N(read_lex_decimal(bytes)?),
    })
}

/// The key bytes of an item; `None` where it lacks a key attribute, which no item of a table does.
pub(super) fn key_bytes(schema: &KeySchema, item: &Item) -> Option<Vec<u8>> {
    let partition = item.get(&schema.partition_key.name)?;
    let Some(sort_key) = &schema.sort_key else {
        return match partition {
            AttributeValue::N(_) => Some(one_item(partition)),
            other => raw_bytes(other),
        };
    };
    let sort = item.get(&sort_key.name)?;
    let mut bytes = one_item(partition);
    bytes.extend(raw_bytes(sort)?);
    Some(bytes)
}

fn one_item(value: &AttributeValue) -> Vec<u8> {
    let mut writer = Writer::new();
    write_value(value, &mut writer);
    writer.finish()
}

fn raw_bytes(value: &AttributeValue) -> Option<Vec<u8>> {
    match value {
        AttributeValue::S(text) => Some(text.clone().into_bytes()),
        AttributeValue::B(bytes) => Some(bytes.to_vec()),
        AttributeValue::N(number) => {
            let mut bytes = Vec::new();
            write_lex_decimal(number, &mut bytes);
            Some(bytes)
        }
        _ => None,
    }
}

/// Reads where a page of an index begins.
pub(super) fn read_index_key(bytes: &[u8]) -> Read<Item> {
    let mut reader = Reader::new(bytes);
    let mut key = Item::new();
    reader.entries(|reader| {
        let name = reader.text()?.into_owned();
        key.insert(name, read_value(reader)?);
        Ok(())
    })?;
    Ok(key)
}

/// Writes where a page of an index ended.
pub(super) fn index_key_bytes(key: &Item) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.begin_map();
    for (name, value) in key {
        writer.text(name);
        write_value(value, &mut writer);
    }
    writer.end();
    writer.finish()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use stator_model::Number;

    use super::*;

    /// A schema of `name` and type, and of a second pair where there is a sort key.
    pub(crate) fn schema(
        partition: (&str, ScalarType),
        sort: Option<(&str, ScalarType)>,
    ) -> KeySchema {
        let attribute = |(name, scalar_type): (&str, _)| KeyAttribute {
            name: name.to_owned(),
            scalar_type,
        };
        KeySchema {
            partition_key: attribute(partition),
            sort_key: sort.map(attribute),
        }
    }

    fn value(scalar_type: ScalarType, seed: i64) -> AttributeValue {
        match scalar_type {
            ScalarType::S => AttributeValue::S(format!("é{seed}")),
            ScalarType::B => AttributeValue::B(Bytes::from(seed.to_be_bytes().to_vec())),
            ScalarType::N => AttributeValue::N(Number::from(seed)),
        }
    }

    #[test]
    fn the_same_number_has_many_forms_and_one_key() {
        let schema = schema(("id", ScalarType::N), None);
        for form in [
            "0a",
            "c4820101",
            "c482201864",
            "fb4024000000000000",
            "c2410a",
        ] {
            let key = read_key(&schema, &hex::decode(form).unwrap()).unwrap();
            assert_eq!(key["id"], AttributeValue::N(Number::from(10_i64)), "{form}");
            assert_eq!(key_bytes(&schema, &key), Some(vec![0x0a]));
        }
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let number = schema(("id", ScalarType::N), None);
        let both = schema(("pk", ScalarType::S), Some(("sk", ScalarType::N)));
        for (schema, bytes) in [
            (&number, "0a0a"),
            (&number, "6161"),
            (&both, "0180"),
            (&both, "6161"),
            (&both, "6161ff"),
        ] {
            assert!(
                read_key(schema, &hex::decode(bytes).unwrap()).is_err(),
                "{bytes}"
            );
        }
        let text = schema_of_text();
        assert!(read_key(&text, &[0xff]).is_err());
    }

    fn schema_of_text() -> KeySchema {
        schema(("pk", ScalarType::S), None)
    }

    proptest! {
        #[test]
        fn keys_survive(partition in 0_usize..3, sort in 0_usize..4, seeds: (i64, i64)) {
            let types = [ScalarType::S, ScalarType::B, ScalarType::N];
            let sort = types.get(sort).copied();
            let schema = schema(("p", types[partition]), sort.map(|sort| ("s", sort)));
            let mut key = Item::from([("p".to_owned(), value(types[partition], seeds.0))]);
            if let Some(sort) = sort {
                key.insert("s".to_owned(), value(sort, seeds.1));
            }
            let bytes = key_bytes(&schema, &key).unwrap();
            prop_assert_eq!(read_key(&schema, &bytes).unwrap(), key.clone());
            prop_assert_eq!(read_index_key(&index_key_bytes(&key)).unwrap(), key);
        }
    }
}
