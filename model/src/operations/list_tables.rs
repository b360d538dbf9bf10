//! ListTables: names the tables in order.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, List, Member, Members, Text, read_document};
use crate::json::write::{Object, write_list, write_text};
use crate::limits;
use crate::operations::constraints::Constraints;

/// A ListTables request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTablesRequest {
    /// The name after which to go on.
    pub exclusive_start_table_name: Option<String>,
    /// The most names to answer: 1 to 100; absent means 100.
    pub limit: Option<usize>,
}

/// A ListTables answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTablesResponse {
    /// The names, sorted.
    pub table_names: Vec<String>,
    /// The name to go on after; absent at the end.
    pub last_evaluated_table_name: Option<String>,
}

impl ListTablesRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ListTablesRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        constraints.name(
            "exclusiveStartTableName",
            wire.exclusive_start_table_name.as_deref(),
        );
        let limit_max = i64::try_from(limits::LIST_TABLES_PAGE_MAX).unwrap_or(i64::MAX);
        constraints.range("limit", wire.limit, 1, limit_max);
        constraints.finish()?;
        Ok(ListTablesRequest {
            exclusive_start_table_name: wire.exclusive_start_table_name,
            limit: wire.limit.and_then(|limit| usize::try_from(limit).ok()),
        })
    }

    /// The most names to answer.
    pub fn page_length(&self) -> usize {
        self.limit.unwrap_or(limits::LIST_TABLES_PAGE_MAX)
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut object = Object::begin(&mut out);
        object.optional_text(
            "ExclusiveStartTableName",
            self.exclusive_start_table_name.as_deref(),
        );
        if let Some(limit) = self.limit {
            object.whole("Limit", u64::try_from(limit).unwrap_or(u64::MAX));
        }
        object.end();
        out
    }
}

impl ListTablesResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.table_names.len() * 32 + 64);
        let mut object = Object::begin(&mut out);
        write_list(
            &self.table_names,
            object.member("TableNames"),
            |name, out| {
                write_text(name, out);
            },
        );
        object.optional_text(
            "LastEvaluatedTableName",
            self.last_evaluated_table_name.as_deref(),
        );
        object.end();
        out
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<ListTablesResponse, ApiError> {
        let mut response = ListTablesResponse::default();
        read_document(body, &Context::default(), &mut response)?;
        Ok(response)
    }
}

#[derive(Default)]
struct RequestWire {
    exclusive_start_table_name: Option<String>,
    limit: Option<i64>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ExclusiveStartTableName" => self.exclusive_start_table_name = value.text()?,
            "Limit" => self.limit = value.integer()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Members for ListTablesResponse {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableNames" => {
                let names = value.read(List(Text))?.unwrap_or_default();
                self.table_names = names.into_iter().flatten().collect();
            }
            "LastEvaluatedTableName" => self.last_evaluated_table_name = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
