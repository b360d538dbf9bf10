//! How expressions, their placeholders and legacy parameters may go together. Step 6 of the
//! service's order; the expressions themselves are not looked at.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::limits;
use crate::value::{Item, check_attribute_name, item_size_bytes};

/// The expression members of one operation, in the order in which errors list them.
pub(crate) type ExpressionMembers<'a> = [(&'static str, Option<&'a str>)];

const PROJECTION: &str = "ProjectionExpression";

/// What a request says with expressions and around them.
pub(crate) struct ExpressionUse<'a> {
    pub(crate) expressions: &'a ExpressionMembers<'a>,
    /// Legacy members that the request has.
    pub(crate) legacy: &'a [&'static str],
    pub(crate) names: Option<&'a BTreeMap<String, String>>,
    pub(crate) values: Option<&'a Item>,
    /// The first rule that an expression attribute value broke.
    pub(crate) value_error: Option<ApiError>,
}

impl ExpressionUse<'_> {
    /// Makes the checks.
    ///
    /// # Errors
    /// A ValidationException in the service's words.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        let given: Vec<&str> = self
            .expressions
            .iter()
            .filter(|(_, text)| text.is_some())
            .map(|(member, _)| *member)
            .collect();
        if !given.is_empty() && !self.legacy.is_empty() {
            return Err(mixed_forms(self.legacy, &given));
        }
        if self.names.is_some() && given.is_empty() {
            // Bare in every operation, unlike the same about values.
            return Err(ApiError::validation(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        if self.values.is_some() {
            self.check_values_are_used()?;
        }
        if let Some(names) = self.names {
            check_keys("ExpressionAttributeNames", b'#', names)?;
        }
        if let Some(values) = self.values {
            check_keys("ExpressionAttributeValues", b':', values)?;
        }
        self.check_names()?;
        self.check_size()?;
        self.value_error.map_or(Ok(()), Err)
    }

    /// What a `#name` stands for is the name of an attribute.
    fn check_names(&self) -> Result<(), ApiError> {
        for (placeholder, name) in self.names.into_iter().flatten() {
            check_attribute_name(name).map_err(|error| {
                let inner = error.message.unwrap_or_default();
                ApiError::validation(format!(
                    "ExpressionAttributeNames contains invalid value: {inner} for key {placeholder}"
                ))
            })?;
        }
        Ok(())
    }

    /// All names and values together have a limit.
    fn check_size(&self) -> Result<(), ApiError> {
        let names = self.names.into_iter().flatten();
        let names: usize = names.map(|(key, name)| key.len() + name.len()).sum();
        let values = self.values.map_or(0, item_size_bytes);
        if names + values > limits::EXPRESSION_ATTRIBUTES_BYTES_MAX {
            return Err(ApiError::validation(format!(
                "Size of ExpressionAttributeNames and ExpressionAttributeValues has exceeded the \
                 maximum allowed size of {} bytes",
                limits::EXPRESSION_ATTRIBUTES_BYTES_MAX
            )));
        }
        Ok(())
    }

    /// Values need an expression that can hold one: any but a projection.
    fn check_values_are_used(&self) -> Result<(), ApiError> {
        let users = || {
            self.expressions
                .iter()
                .filter(|(member, _)| *member != PROJECTION)
        };
        if users().any(|(_, text)| text.is_some()) {
            return Ok(());
        }
        let absent: Vec<&str> = users().map(|(member, _)| *member).collect();
        let verb = if absent.len() == 1 { "is" } else { "are" };
        Err(ApiError::request_validation(format!(
            "ExpressionAttributeValues can only be specified when using expressions: {} {verb} null",
            absent.join(" and ")
        )))
    }
}

/// The refusal of legacy parameters beside expressions.
pub(crate) fn mixed_forms(legacy: &[&str], expressions: &[&str]) -> ApiError {
    ApiError::request_validation(format!(
        "Can not use both expression and non-expression parameters in the same request: \
         Non-expression parameters: {{{}}} Expression parameters: {{{}}}",
        legacy.join(", "),
        expressions.join(", ")
    ))
}

fn check_keys<V>(member: &str, sigil: u8, map: &BTreeMap<String, V>) -> Result<(), ApiError> {
    if map.is_empty() {
        return Err(ApiError::validation(format!("{member} must not be empty")));
    }
    for key in map.keys() {
        let is_placeholder = key.as_bytes().split_first().is_some_and(|(first, rest)| {
            *first == sigil
                && !rest.is_empty()
                && rest
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        });
        if !is_placeholder || key.len() > limits::PLACEHOLDER_BYTES_MAX {
            return Err(ApiError::validation(format!(
                "{member} contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
    }
    Ok(())
}
