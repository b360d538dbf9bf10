//! TransactWriteItems: up to 100 writes and checks of items of any tables, all or none.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, List, Member, Members, NewStructure, read_document};
use crate::json::write::{Object, item_json_bytes, write_list};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::operations::data_wire::DataWire;
use crate::operations::parameters::{
    ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValuesOnConditionCheckFailure,
};
use crate::operations::put_item::check_put_size;
use crate::value::{Item, item_size_bytes};

/// A TransactWriteItems request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransactWriteItemsRequest {
    /// What to do, in the order in which reasons of a cancellation are told.
    pub transact_items: Vec<TransactWriteItem>,
    /// Makes a repetition of the request within ten minutes do nothing.
    pub client_request_token: Option<String>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the answer tells the sizes of the item collections.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// One action of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactWriteItem {
    /// Name or ARN of the table.
    pub table_name: String,
    /// What to do with which item.
    pub action: TransactWriteAction,
    /// What must hold for the item that is there.
    pub condition_expression: Option<String>,
    /// What `#name` placeholders stand for.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// What `:value` placeholders stand for.
    pub expression_attribute_values: Option<Item>,
    /// Whether the reason of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// What an action of a transaction does.
#[derive(Clone, Debug, PartialEq)]
pub enum TransactWriteAction {
    /// Nothing, but its condition must hold.
    ConditionCheck {
        /// The item's key.
        key: Item,
    },
    /// Replaces an item, or makes it.
    Put {
        /// The whole new item.
        item: Item,
    },
    /// Updates an item, or makes it.
    Update {
        /// The item's key.
        key: Item,
        /// `UpdateExpression`.
        update_expression: String,
    },
    /// Removes an item.
    Delete {
        /// The item's key.
        key: Item,
    },
}

impl TransactWriteAction {
    /// The member of a request that holds this action.
    pub fn member(&self) -> &'static str {
        match self {
            TransactWriteAction::ConditionCheck { .. } => "ConditionCheck",
            TransactWriteAction::Put { .. } => "Put",
            TransactWriteAction::Update { .. } => "Update",
            TransactWriteAction::Delete { .. } => "Delete",
        }
    }

    /// The permission that it needs.
    pub fn permission(&self) -> &'static str {
        match self {
            TransactWriteAction::ConditionCheck { .. } => "dynamodb:ConditionCheckItem",
            TransactWriteAction::Put { .. } => "dynamodb:PutItem",
            TransactWriteAction::Update { .. } => "dynamodb:UpdateItem",
            TransactWriteAction::Delete { .. } => "dynamodb:DeleteItem",
        }
    }

    /// The key, or the item that holds it.
    pub fn key_or_item(&self) -> &Item {
        match self {
            TransactWriteAction::Put { item } => item,
            TransactWriteAction::ConditionCheck { key }
            | TransactWriteAction::Update { key, .. }
            | TransactWriteAction::Delete { key } => key,
        }
    }
}

impl TransactWriteItem {
    /// Bytes that the action brings along, for the limit on transactions.
    fn size_bytes(&self) -> usize {
        let values = self.expression_attribute_values.as_ref();
        item_size_bytes(self.action.key_or_item()) + values.map_or(0, item_size_bytes)
    }
}

impl TransactWriteItemsRequest {
    /// Reads a request and makes the checks that come before expressions are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<TransactWriteItemsRequest, ApiError> {
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
        let return_item_collection_metrics = constraints
            .parameter(
                "returnItemCollectionMetrics",
                wire.return_item_collection_metrics.as_deref(),
            )
            .unwrap_or_default();
        if let Some(token) = wire.client_request_token.as_deref() {
            let max = limits::CLIENT_REQUEST_TOKEN_LENGTH_MAX;
            constraints.length("clientRequestToken", token, 1, max);
        }
        constraints.actions("transactItems", wire.transact_items.as_deref());
        let actions = wire.transact_items.unwrap_or_default();
        for (number, action) in (1..).zip(&actions) {
            action.constrain(number, &mut constraints);
        }
        constraints.finish()?;
        for action in &actions {
            action.check_member_count()?;
        }
        if let Some(error) = context.take_noted() {
            return Err(error);
        }
        let transact_items = actions
            .into_iter()
            .map(ActionsWire::check)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(TransactWriteItemsRequest {
            transact_items,
            client_request_token: wire.client_request_token,
            return_consumed_capacity,
            return_item_collection_metrics,
        })
    }

    /// After unused placeholders: the sizes of items that are put, and of the whole.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_sizes(&self) -> Result<(), ApiError> {
        for item in &self.transact_items {
            if let TransactWriteAction::Put { item } = &item.action {
                check_put_size(item)?;
            }
        }
        check_transaction_size(
            self.transact_items
                .iter()
                .map(TransactWriteItem::size_bytes),
        )
    }

    /// What two requests with the same token must have alike, as bytes: everything but the token
    /// and `ReturnConsumedCapacity`.
    pub fn parameters(&self) -> Vec<u8> {
        self.write(false)
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        self.write(true)
    }

    fn write(&self, whole: bool) -> Vec<u8> {
        let items = self.transact_items.iter();
        let size: usize = items
            .map(|item| item_json_bytes(item.action.key_or_item()) + 256)
            .sum();
        let mut out = Vec::with_capacity(size + 128);
        let mut object = Object::begin(&mut out);
        write_list(
            &self.transact_items,
            object.member("TransactItems"),
            write_action,
        );
        if whole {
            object.optional_text("ClientRequestToken", self.client_request_token.as_deref());
        }
        object.write_reports(
            self.return_consumed_capacity_if(whole),
            self.return_item_collection_metrics,
            Default::default(),
        );
        object.end();
        out
    }

    fn return_consumed_capacity_if(&self, whole: bool) -> ReturnConsumedCapacity {
        if whole {
            self.return_consumed_capacity
        } else {
            ReturnConsumedCapacity::None
        }
    }
}

/// The limit on what all actions of a transaction hold together.
pub(crate) fn check_transaction_size(sizes: impl Iterator<Item = usize>) -> Result<(), ApiError> {
    if sizes.sum::<usize>() > limits::TRANSACTION_SIZE_BYTES_MAX {
        return Err(ApiError::validation(
            "The aggregate size of the items in the transaction cannot exceed 4 MB",
        ));
    }
    Ok(())
}

fn write_action(item: &TransactWriteItem, out: &mut Vec<u8>) {
    let mut outer = Object::begin(out);
    let mut object = Object::begin(outer.member(item.action.member()));
    let name = match &item.action {
        TransactWriteAction::Put { .. } => "Item",
        _ => "Key",
    };
    object.optional_item(name, Some(item.action.key_or_item()));
    object.text("TableName", &item.table_name);
    if let TransactWriteAction::Update {
        update_expression, ..
    } = &item.action
    {
        object.text("UpdateExpression", update_expression);
    }
    object.optional_text("ConditionExpression", item.condition_expression.as_deref());
    object.placeholders(
        &item.expression_attribute_names,
        &item.expression_attribute_values,
    );
    object.write_reports(
        Default::default(),
        Default::default(),
        item.return_values_on_condition_check_failure,
    );
    object.end();
    outer.end();
}

#[derive(Default)]
struct RequestWire {
    transact_items: Option<Vec<ActionsWire>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TransactItems" => self.transact_items = value.read(List(NewStructure::new()))?,
            "ClientRequestToken" => self.client_request_token = value.text()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            "ReturnItemCollectionMetrics" => self.return_item_collection_metrics = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// A member of `TransactItems`, which should hold one action and may hold any number.
#[derive(Default)]
struct ActionsWire {
    condition_check: Option<DataWire>,
    put: Option<DataWire>,
    delete: Option<DataWire>,
    update: Option<DataWire>,
}

const CHECK_OR_DELETE: &[&str] = &[
    "Key",
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
];
const PUT: &[&str] = &[
    "Item",
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
];
const UPDATE: &[&str] = &[
    "Key",
    "UpdateExpression",
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
];

impl ActionsWire {
    fn constrain(&self, number: usize, constraints: &mut Constraints) {
        let path =
            |kind: &str, member: &str| format!("transactItems.{number}.member.{kind}.{member}");
        let kinds = [
            ("conditionCheck", &self.condition_check),
            ("put", &self.put),
            ("delete", &self.delete),
            ("update", &self.update),
        ];
        for (kind, wire) in kinds {
            let Some(wire) = wire else { continue };
            match kind {
                "put" => constraints.require(&path(kind, "item"), wire.item.as_ref()),
                _ => constraints.require(&path(kind, "key"), wire.key.as_ref()),
            }
            if kind == "update" {
                let expression = wire.update_expression.as_ref();
                constraints.require(&path(kind, "updateExpression"), expression);
            }
            constraints.action_table(&path(kind, "tableName"), wire.table_name.as_deref());
            if kind == "conditionCheck" {
                let expression = wire.condition_expression.as_ref();
                constraints.require(&path(kind, "conditionExpression"), expression);
            }
            constraints.parameter::<ReturnValuesOnConditionCheckFailure>(
                &path(kind, "returnValuesOnConditionCheckFailure"),
                wire.return_values_on_condition_check_failure.as_deref(),
            );
        }
    }

    fn check_member_count(&self) -> Result<(), ApiError> {
        let kinds = [&self.condition_check, &self.put, &self.delete, &self.update];
        match kinds.into_iter().flatten().count() {
            1 => Ok(()),
            0 => Err(ApiError::validation(
                "Invalid Request: TransactWriteRequest should contain Delete or Put or Update \
                 request",
            )),
            _ => Err(ApiError::validation(
                "TransactItems can only contain one of Check, Put, Update or Delete",
            )),
        }
    }

    /// Values and expressions of an action whose members are all there.
    fn check(self) -> Result<TransactWriteItem, ApiError> {
        let is_check = self.condition_check.is_some();
        if let Some(mut wire) = self.put {
            let item = wire.item.take().unwrap_or_default();
            return common(wire, TransactWriteAction::Put { item });
        }
        if let Some(mut wire) = self.update {
            let key = wire.key.take().unwrap_or_default();
            wire.check_values_and_expressions(|wire| {
                [
                    ("UpdateExpression", wire.update_expression.as_deref()),
                    ("ConditionExpression", wire.condition_expression.as_deref()),
                ]
            })?;
            let update_expression = wire.update_expression.take().unwrap_or_default();
            let action = TransactWriteAction::Update {
                key,
                update_expression,
            };
            return Ok(assemble(wire, action));
        }
        let mut wire = self.condition_check.or(self.delete).unwrap_or_default();
        let key = wire.key.take().unwrap_or_default();
        let action = if is_check {
            TransactWriteAction::ConditionCheck { key }
        } else {
            TransactWriteAction::Delete { key }
        };
        common(wire, action)
    }
}

fn common(mut wire: DataWire, action: TransactWriteAction) -> Result<TransactWriteItem, ApiError> {
    wire.check_values_and_expressions(|wire| {
        [("ConditionExpression", wire.condition_expression.as_deref())]
    })?;
    Ok(assemble(wire, action))
}

fn assemble(wire: DataWire, action: TransactWriteAction) -> TransactWriteItem {
    TransactWriteItem {
        table_name: wire.table_name.unwrap_or_default(),
        action,
        condition_expression: wire.condition_expression,
        expression_attribute_names: wire.expression_attribute_names,
        expression_attribute_values: wire.expression_attribute_values,
        return_values_on_condition_check_failure: wire
            .return_values_on_condition_check_failure
            .as_deref()
            .and_then(ReturnValuesOnConditionCheckFailure::from_name)
            .unwrap_or_default(),
    }
}

impl Members for ActionsWire {
    const CLASS: &'static str = "TransactWriteItem";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        let (slot, class, accepted) = match name {
            "ConditionCheck" => (&mut self.condition_check, "ConditionCheck", CHECK_OR_DELETE),
            "Put" => (&mut self.put, "Put", PUT),
            "Delete" => (&mut self.delete, "Delete", CHECK_OR_DELETE),
            "Update" => (&mut self.update, "Update", UPDATE),
            _ => return value.ignore(),
        };
        let mut wire = DataWire::accepting(accepted);
        *slot = value.structure_named(class, &mut wire)?.then_some(wire);
        Ok(())
    }
}
