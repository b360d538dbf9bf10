//! Requests: what came, and the same as DynamoDB JSON.

mod batches;
mod body;
mod options;
mod pages;
mod single;
mod transactions;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use minicbor::data::Type;
use stator_model::expression::DocumentPath;
use stator_model::{ApiError, KeySchema, PrimaryKey};

use super::answer::Shape;
use super::cbor::{Read, Reader, unreadable};
use super::key::read_key;
use super::lists::{AttributeLists, ListId};
use super::method::Method;
use super::scan::Frame;

/// A request of any method.
#[derive(Debug)]
pub(crate) enum Request<'b> {
    /// Who asks; not answered.
    Authorize(Authorization<'b>),
    /// Which nodes there are.
    Endpoints,
    /// The key of a table.
    DefineKeySchema(String),
    /// The id of a list of names.
    DefineAttributeListId(Vec<String>),
    /// The names behind an id.
    DefineAttributeList(ListId),
    /// An operation on items.
    Data(DataRequest<'b>),
}

/// Arguments of authorizeConnection (protocol, section 5).
#[derive(Debug)]
pub(crate) struct Authorization<'b> {
    pub(crate) access_key_id: Cow<'b, str>,
    /// 64 hexadecimal digits.
    pub(crate) signature: Cow<'b, str>,
    pub(crate) string_to_sign: Cow<'b, [u8]>,
    pub(crate) session_token: Option<Cow<'b, str>>,
}

/// An operation on items, not yet looked into further than which tables it names.
#[derive(Debug)]
pub(crate) struct DataRequest<'b> {
    pub(crate) method: Method,
    arguments: Vec<&'b [u8]>,
    /// The tables whose keys must be known to understand the request.
    pub(crate) tables: BTreeSet<String>,
}

/// A request as the rest of the proxy understands it.
#[derive(Debug)]
pub(crate) struct Translated {
    /// DynamoDB JSON.
    pub(crate) body: Bytes,
    /// How its answer is to be written.
    pub(crate) shape: Shape,
}

/// What of an item is asked for; `None`: all.
pub(super) type Paths = Option<Vec<DocumentPath>>;

/// The keys of the request's tables, and the lists that its items refer to.
struct Known<'k> {
    schemas: &'k BTreeMap<String, KeySchema>,
    lists: &'k dyn AttributeLists,
}

impl Known<'_> {
    fn schema(&self, table: &str) -> Read<&KeySchema> {
        self.schemas
            .get(table)
            .ok_or_else(|| ApiError::not_found().into())
    }
}

impl<'b> Request<'b> {
    /// Reads a request that was found in `buffer`.
    ///
    /// # Errors
    /// What the client is answered; the connection goes on.
    pub(crate) fn read(frame: &Frame, buffer: &'b [u8]) -> Result<Self, Box<ApiError>> {
        let arguments = frame.arguments(buffer);
        let mut first = Reader::new(arguments.first().copied().unwrap_or_default());
        Ok(match frame.method {
            Method::AuthorizeConnection => Self::Authorize(authorization(&arguments)?),
            Method::Endpoints => Self::Endpoints,
            Method::DefineKeySchema => Self::DefineKeySchema(first.name()?),
            Method::DefineAttributeListId => {
                let mut names = Vec::new();
                // Java sends the names as a string set.
                if first.kind()? == Type::Tag {
                    first.tag()?;
                }
                first.elements(|reader| {
                    names.push(reader.text()?.into_owned());
                    Ok(())
                })?;
                Self::DefineAttributeListId(names)
            }
            Method::DefineAttributeList => {
                let id = ListId::try_from(first.integer()?);
                Self::DefineAttributeList(id.map_err(|_| unreadable("not the id of a list"))?)
            }
            method => {
                let tables = tables(method, &arguments)?;
                Self::Data(DataRequest {
                    method,
                    arguments,
                    tables,
                })
            }
        })
    }
}

impl DataRequest<'_> {
    /// The request in DynamoDB JSON.
    ///
    /// # Errors
    /// What the client is answered: it is in the store's words where the store would find the same.
    pub(crate) fn translate(
        &self,
        schemas: &BTreeMap<String, KeySchema>,
        lists: &dyn AttributeLists,
    ) -> Result<Translated, Box<ApiError>> {
        let known = &Known { schemas, lists };
        match self.method {
            Method::GetItem => single::get_item(self, known),
            Method::PutItem | Method::DeleteItem | Method::UpdateItem => single::write(self, known),
            Method::Query | Method::Scan => pages::page(self, known),
            Method::BatchGetItem => batches::batch_get_item(self, known),
            Method::BatchWriteItem => batches::batch_write_item(self, known),
            Method::TransactGetItems => transactions::transact_get_items(self, known),
            Method::TransactWriteItems => transactions::transact_write_items(self, known),
            _ => Err(unreadable("not an operation on items")),
        }
    }

    /// The table and the key of a GetItem that asks for a whole item and nothing else; `None` for any other request, and
    /// for one that cannot be read.
    pub(crate) fn whole_item(&self, schema: &KeySchema) -> Option<PrimaryKey> {
        if self.method != Method::GetItem || self.argument(2).kind().ok()? != Type::Null {
            return None;
        }
        let key = self.argument(1).bytes().ok()?;
        schema.key_from_map(&read_key(schema, &key).ok()?).ok()
    }

    /// A reader of the argument at `place`, counted from 0.
    fn argument(&self, place: usize) -> Reader<'_> {
        Reader::new(self.arguments.get(place).copied().unwrap_or_default())
    }

    /// The argument at `place`, which is an array: one reader for each element.
    fn column(&self, place: usize) -> Read<Vec<Reader<'_>>> {
        let mut column = Vec::new();
        self.argument(place).elements(|reader| {
            let item = reader.rest();
            reader.skip()?;
            column.push(Reader::new(item));
            Ok(())
        })?;
        Ok(column)
    }
}

fn authorization<'b>(arguments: &[&'b [u8]]) -> Read<Authorization<'b>> {
    let argument = |place: usize| Reader::new(arguments.get(place).copied().unwrap_or_default());
    Ok(Authorization {
        access_key_id: argument(0).text()?,
        signature: argument(1).text()?,
        string_to_sign: argument(2).bytes()?,
        session_token: argument(3).optional(Reader::text)?,
    })
}

fn tables(method: Method, arguments: &[&[u8]]) -> Read<BTreeSet<String>> {
    let argument = |place: usize| Reader::new(arguments.get(place).copied().unwrap_or_default());
    let mut tables = BTreeSet::new();
    match method {
        Method::BatchGetItem | Method::BatchWriteItem => argument(0).entries(|reader| {
            tables.insert(reader.text()?.into_owned());
            reader.skip()
        })?,
        Method::TransactGetItems | Method::TransactWriteItems => {
            let place = usize::from(method == Method::TransactWriteItems);
            argument(place).elements(|reader| {
                tables.insert(reader.name()?);
                Ok(())
            })?;
        }
        _ => {
            tables.insert(argument(0).name()?);
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scanner;
    use super::*;

    fn names(request: &str) -> Vec<String> {
        let bytes = hex::decode(request).unwrap();
        let frame = Scanner::default().request(&bytes).unwrap().unwrap();
        match Request::read(&frame, &bytes) {
            Ok(Request::DefineAttributeListId(names)) => names,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_comes_as_an_array_or_from_java_as_a_string_set() {
        assert_eq!(names("013a495927bb826161616c"), ["a", "l"]);
        assert_eq!(names("013a495927bbd90cf9826161616c"), ["a", "l"]);
    }
}
