//! TransactGetItems: reads up to 100 items of any tables as they were at one moment.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, List, Member, Members, NewStructure, read_document};
use crate::json::write::{Object, write_list};
use crate::operations::constraints::Constraints;
use crate::operations::data_wire::DataWire;
use crate::operations::parameters::ReturnConsumedCapacity;
use crate::operations::transact_write_items::check_transaction_size;
use crate::value::Item;

/// A TransactGetItems request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransactGetItemsRequest {
    /// What to read, in the order of the answers.
    pub transact_items: Vec<TransactGet>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// One read of a transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransactGet {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The item's key.
    pub key: Item,
    /// Which attributes to answer.
    pub projection_expression: Option<String>,
    /// What `#name` placeholders stand for.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
}

impl TransactGetItemsRequest {
    /// Reads a request and makes the checks that come before expressions are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<TransactGetItemsRequest, ApiError> {
        let mut wire = RequestWire::default();
        let context = Context::default();
        read_document(body, &context, &mut wire)?;
        let mut constraints = Constraints::default();
        let return_consumed_capacity = constraints
            .parameter(
                "returnConsumedCapacity",
                wire.return_consumed_capacity.as_deref(),
            )
            .unwrap_or_default();
        constraints.actions("transactItems", wire.transact_items.as_deref());
        let gets = wire.transact_items.unwrap_or_default();
        for (number, get) in (1..).zip(&gets) {
            let path = format!("transactItems.{number}.member.get");
            let Some(get) = &get.get else {
                constraints.add_null(&path);
                continue;
            };
            constraints.require(&format!("{path}.key"), get.key.as_ref());
            constraints.action_table(&format!("{path}.tableName"), get.table_name.as_deref());
        }
        constraints.finish()?;
        if let Some(error) = context.take_noted() {
            return Err(error);
        }
        let transact_items = gets
            .into_iter()
            .map(GetWire::check)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(TransactGetItemsRequest {
            transact_items,
            return_consumed_capacity,
        })
    }

    /// The limit on what the reads of a transaction return together, before projections.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_returned_sizes(sizes: impl Iterator<Item = usize>) -> Result<(), ApiError> {
        check_transaction_size(sizes)
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.transact_items.len() * 128 + 64);
        let mut object = Object::begin(&mut out);
        write_list(
            &self.transact_items,
            object.member("TransactItems"),
            |get, out| {
                let mut outer = Object::begin(out);
                let mut object = Object::begin(outer.member("Get"));
                object.optional_item("Key", Some(&get.key));
                object.text("TableName", &get.table_name);
                object.optional_text("ProjectionExpression", get.projection_expression.as_deref());
                object.placeholders(&get.expression_attribute_names, &None);
                object.end();
                outer.end();
            },
        );
        object.capacity_mode(self.return_consumed_capacity);
        object.end();
        out
    }
}

#[derive(Default)]
struct RequestWire {
    transact_items: Option<Vec<GetWire>>,
    return_consumed_capacity: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TransactItems" => self.transact_items = value.read(List(NewStructure::new()))?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct GetWire {
    get: Option<DataWire>,
}

const GET: &[&str] = &[
    "Key",
    "TableName",
    "ProjectionExpression",
    "ExpressionAttributeNames",
];

impl GetWire {
    fn check(self) -> Result<TransactGet, ApiError> {
        let mut wire = self.get.unwrap_or_default();
        wire.check_values_and_expressions(|wire| {
            [(
                "ProjectionExpression",
                wire.projection_expression.as_deref(),
            )]
        })?;
        Ok(TransactGet {
            table_name: wire.table_name.unwrap_or_default(),
            key: wire.key.unwrap_or_default(),
            projection_expression: wire.projection_expression,
            expression_attribute_names: wire.expression_attribute_names,
        })
    }
}

impl Members for GetWire {
    const CLASS: &'static str = "TransactGetItem";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Get" => {
                let mut wire = DataWire::accepting(GET);
                self.get = value.structure_named("Get", &mut wire)?.then_some(wire);
            }
            _ => value.ignore()?,
        }
        Ok(())
    }
}
