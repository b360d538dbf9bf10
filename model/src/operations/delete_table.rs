//! DeleteTable: removes a table with all its items.

use crate::error::ApiError;
use crate::operations::describe_table::{
    description_body, parse_description, parse_table_name, table_name_body,
};
use crate::table::TableDescription;

/// A DeleteTable request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteTableRequest {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// A DeleteTable answer.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteTableResponse {
    /// The table, shortened: see [`TableDescription::for_delete`].
    pub table_description: TableDescription,
}

impl DeleteTableRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<DeleteTableRequest, ApiError> {
        parse_table_name(body).map(|table_name| DeleteTableRequest { table_name })
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        table_name_body(&self.table_name)
    }
}

impl DeleteTableResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        description_body("TableDescription", &self.table_description)
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<DeleteTableResponse, ApiError> {
        parse_description("TableDescription", body)
            .map(|table_description| DeleteTableResponse { table_description })
    }
}
