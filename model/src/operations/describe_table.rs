//! DescribeTable: tells what a table is.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::json::write::Object;
use crate::operations::constraints;
use crate::table::TableDescription;

/// A DescribeTable request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeTableRequest {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// A DescribeTable answer.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeTableResponse {
    /// The table.
    pub table: TableDescription,
}

impl DescribeTableRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<DescribeTableRequest, ApiError> {
        parse_table_name(body).map(|table_name| DescribeTableRequest { table_name })
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        table_name_body(&self.table_name)
    }
}

impl DescribeTableResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        description_body("Table", &self.table)
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<DescribeTableResponse, ApiError> {
        parse_description("Table", body).map(|table| DescribeTableResponse { table })
    }
}

/// Reads a request that has a table's name and nothing else.
pub(crate) fn parse_table_name(body: &[u8]) -> Result<String, ApiError> {
    let mut wire = TableNameWire::default();
    read_document(body, &Context::default(), &mut wire)?;
    constraints::table_name(wire.table_name, 1)
}

/// Writes a request that has a table's name and nothing else.
pub(crate) fn table_name_body(table_name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let mut object = Object::begin(&mut out);
    object.text("TableName", table_name);
    object.end();
    out
}

/// Writes an answer that has a table's description under that name.
pub(crate) fn description_body(member: &str, description: &TableDescription) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::begin(&mut out);
    // Strings, numbers and flags cannot fail to serialize.
    let text = serde_json::to_vec(description).unwrap_or_default();
    object.member(member).extend_from_slice(&text);
    object.end();
    out
}

/// Reads an answer that has a table's description under that name.
pub(crate) fn parse_description(member: &str, body: &[u8]) -> Result<TableDescription, ApiError> {
    let mut members: std::collections::BTreeMap<String, TableDescription> =
        serde_json::from_slice(body)
            .map_err(|error| ApiError::internal(format!("not a table's description: {error}")))?;
    members
        .remove(member)
        .ok_or_else(|| ApiError::internal("the answer holds no table's description"))
}

#[derive(Default)]
struct TableNameWire {
    table_name: Option<String>,
}

impl Members for TableNameWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableName" => self.table_name = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
