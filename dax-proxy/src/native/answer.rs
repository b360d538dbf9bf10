//! Answers: DynamoDB JSON in the native form (protocol, sections 4.2, 10 and 11).

mod batches;
mod capacity;
mod error;
mod items;
mod pages;
mod parts;
mod small;
mod transactions;

use std::collections::BTreeMap;

use http::StatusCode;
use stator_model::{ApiError, KeySchema};

use super::cbor::Writer;
use super::lists::{AttributeList, AttributeLists, ListIds};
use super::request::Paths;
use crate::wire::{Members, MembersError};

pub(crate) use self::error::encode_error;
pub(crate) use self::parts::{joined, next_part};
pub(crate) use self::small::{
    Endpoint, encode_endpoints, encode_key_schema, encode_list_id, encode_names,
};

/// What the answer to a request looks like: which form applies depends on what was asked.
#[derive(Debug)]
pub(crate) enum Shape {
    /// GetItem; see [`Shape::whole_item`].
    Item { schema: KeySchema, paths: Paths },
    /// PutItem, DeleteItem, UpdateItem.
    Write {
        schema: KeySchema,
        attributes: Attributes,
    },
    /// Query, Scan.
    Page {
        schema: KeySchema,
        paths: Paths,
        index: bool,
    },
    /// BatchGetItem.
    BatchGet {
        tables: BTreeMap<String, (KeySchema, Paths)>,
    },
    /// BatchWriteItem.
    BatchWrite { tables: BTreeMap<String, KeySchema> },
    /// TransactGetItems, in the request's order.
    TransactGet { items: Vec<(KeySchema, Paths)> },
    /// TransactWriteItems: tables in the request's order.
    TransactWrite { schemas: Vec<(String, KeySchema)> },
}

/// How maps with numbers for names are written: whole answers, and what an update touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maps {
    /// With their length, as all clients but one take them, and some want them.
    Definite,
    /// Up to a break: Java waits for it.
    Indefinite,
}

impl Maps {
    fn begin(self, length: usize, writer: &mut Writer) {
        match self {
            Self::Definite => writer.map(length),
            Self::Indefinite => writer.begin_map(),
        }
    }

    fn end(self, writer: &mut Writer) {
        if self == Self::Indefinite {
            writer.end();
        }
    }
}

/// What a write returns of its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attributes {
    /// The item before or after.
    Whole,
    /// What the update touched.
    Updated,
}

/// An answer of the store, or of the cache in the store's place, that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("an answer cannot be read")]
pub(super) struct Unreadable;

impl From<serde_json::Error> for Unreadable {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

impl From<MembersError> for Unreadable {
    fn from(_: MembersError) -> Self {
        Self
    }
}

impl From<ApiError> for Unreadable {
    fn from(_: ApiError) -> Self {
        Self
    }
}

pub(super) type Written<T> = Result<T, Unreadable>;

/// Bytes for the client, and the lists that must be kept before it gets them.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) new_lists: Vec<AttributeList>,
}

impl Shape {
    /// Of a GetItem of a whole item.
    pub(crate) fn whole_item(schema: KeySchema) -> Self {
        Self::Item {
            schema,
            paths: None,
        }
    }
}

/// The answer to a request of `shape` that the rest of the proxy answered with `status` and `json`.
pub(crate) fn encode_answer(
    shape: &Shape,
    status: StatusCode,
    json: &[u8],
    request_id: Option<&str>,
    maps: Maps,
    lists: &dyn AttributeLists,
) -> Encoded {
    let mut ids = ListIds::new(lists);
    let written = if status.is_success() {
        encode_success(shape, json, maps, &mut ids)
    } else {
        error::encode_refusal(Some(shape), status, json, request_id, &mut ids)
    };
    match written {
        Ok(bytes) => Encoded {
            bytes,
            new_lists: ids.new,
        },
        Err(Unreadable) => {
            tracing::warn!("an answer of the store cannot be read");
            let error = ApiError::internal("The answer cannot be read.");
            Encoded {
                bytes: encode_error(&error),
                new_lists: Vec::new(),
            }
        }
    }
}

/// An error that the rest of the proxy answered before there was a shape.
pub(crate) fn encode_failure(
    status: StatusCode,
    json: &[u8],
    request_id: Option<&str>,
    lists: &dyn AttributeLists,
) -> Vec<u8> {
    let mut ids = ListIds::new(lists);
    error::encode_refusal(None, status, json, request_id, &mut ids).unwrap_or_else(|Unreadable| {
        encode_error(&ApiError::internal("The answer cannot be read."))
    })
}

fn encode_success(
    shape: &Shape,
    json: &[u8],
    maps: Maps,
    ids: &mut ListIds<'_>,
) -> Written<Vec<u8>> {
    let members = Members::parse(json)?;
    let mut writer = Writer::new();
    // Success: an empty array, and then what the method answers.
    writer.array(0);
    match shape {
        Shape::Item { schema, paths } => {
            items::item(schema, paths, maps, &members, ids, &mut writer)?
        }
        Shape::Write { schema, attributes } => {
            items::written(schema, *attributes, maps, &members, ids, &mut writer)?;
        }
        Shape::Page {
            schema,
            paths,
            index,
        } => {
            pages::page(schema, paths, *index, maps, &members, ids, &mut writer)?;
        }
        Shape::BatchGet { tables } => batches::batch_get(tables, &members, ids, &mut writer)?,
        Shape::BatchWrite { tables } => batches::batch_write(tables, &members, ids, &mut writer)?,
        Shape::TransactGet { items } => {
            transactions::transact_get(items, &members, ids, &mut writer)?;
        }
        Shape::TransactWrite { .. } => transactions::transact_write(&members, &mut writer)?,
    }
    Ok(writer.finish())
}

/// A map whose entries are known only when it ends.
#[derive(Default)]
struct Entries {
    entries: Vec<(i128, Vec<u8>)>,
}

impl Entries {
    fn push(&mut self, key: i128, write: impl FnOnce(&mut Writer)) {
        let mut writer = Writer::new();
        write(&mut writer);
        self.entries.push((key, writer.finish()));
    }

    /// As the whole answer.
    fn write_answer(&self, maps: Maps, writer: &mut Writer) {
        maps.begin(self.entries.len(), writer);
        for (key, value) in &self.entries {
            writer.integer(*key);
            writer.raw(value);
        }
        maps.end(writer);
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(self.entries.len());
        for (key, value) in &self.entries {
            writer.integer(*key);
            writer.raw(value);
        }
    }
}
