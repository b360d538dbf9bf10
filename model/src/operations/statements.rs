//! What the three PartiQL operations share on the way in: a statement with its parameters.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::Value;
use crate::json::read::{Context, List, Member, Members};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::operations::parameters::ReturnValuesOnConditionCheckFailure;
use crate::value::AttributeValue;

/// A statement before any rule is checked.
#[derive(Default)]
pub(crate) struct StatementWire {
    pub(crate) statement: Option<String>,
    pub(crate) parameters: Option<Vec<AttributeValue>>,
    pub(crate) consistent_read: Option<bool>,
    pub(crate) on_failure: Option<String>,
    /// The first rule that a parameter broke.
    value_error: Option<ApiError>,
}

impl StatementWire {
    /// Takes a member that a statement has; whether it was one.
    pub(crate) fn take<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Statement" => self.statement = value.text()?,
            "Parameters" => {
                let context: &Context = value.context();
                let outer = context.take_noted();
                self.parameters = value.read(List(Value::TOP))?;
                self.value_error = context.take_noted();
                if let Some(outer) = outer {
                    context.note(outer);
                }
            }
            "ConsistentRead" => self.consistent_read = value.boolean()?,
            "ReturnValuesOnConditionCheckFailure" => self.on_failure = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }

    /// The model's constraints; `path` is that of the structure, with a dot behind it.
    pub(crate) fn constrain(
        &self,
        path: &str,
        constraints: &mut Constraints,
    ) -> ReturnValuesOnConditionCheckFailure {
        let at = |member: &str| format!("{path}{member}");
        match &self.statement {
            None => constraints.add_null(&at("statement")),
            Some(text) => {
                constraints.length(&at("statement"), text, 1, limits::STATEMENT_LENGTH_MAX);
            }
        }
        if self.parameters.as_ref().is_some_and(Vec::is_empty) {
            let rule = "have length greater than or equal to 1";
            constraints.add(&at("parameters"), "[]", rule);
        }
        constraints
            .parameter(
                &at("returnValuesOnConditionCheckFailure"),
                self.on_failure.as_deref(),
            )
            .unwrap_or_default()
    }

    /// Refuses parameters that are no attribute values.
    pub(crate) fn check_values(&mut self) -> Result<(), ApiError> {
        self.value_error.take().map_or(Ok(()), Err)
    }
}

impl Members for StatementWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        self.take(name, value)
    }
}

/// The number of statements in a batch or transaction.
pub(crate) fn check_count(
    member: &str,
    count: Option<usize>,
    max: usize,
    constraints: &mut Constraints,
) {
    match count {
        None => constraints.add_null(member),
        Some(0) => constraints.add(member, "[]", "have length greater than or equal to 1"),
        Some(count) if count > max => constraints.add(
            member,
            "[...]",
            &format!("have length less than or equal to {max}"),
        ),
        Some(_) => {}
    }
}
