//! The placeholders of one request, and which of them its expressions used.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    error::ApiError,
    value::{AttributeValue, check_attribute_name},
};

use super::ExpressionKind;

/// `ExpressionAttributeNames` and `ExpressionAttributeValues` of a request, shared by all its
/// expressions.
///
/// Remembers each placeholder an expression mentions, for [`Self::finish`].
#[derive(Debug)]
pub struct ExpressionContext<'a> {
    names: Option<&'a BTreeMap<String, String>>,
    values: Option<&'a BTreeMap<String, AttributeValue>>,
    used_names: RefCell<BTreeSet<&'a str>>,
    used_values: RefCell<BTreeSet<&'a str>>,
    trusted: bool,
}

/// What [`ExpressionContext::source`] makes of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    /// The expression.
    pub(super) text: &'t str,
    /// Whether it was written for legacy parameters.
    pub(super) generated: bool,
}

/// Begins a text that was written for legacy parameters. It begins no token, so that a client who
/// sends it is told of a syntax error.
const GENERATED_MARK: char = '\u{1}';

/// Marks a text as written for legacy parameters: see [`ExpressionContext::trusted`].
pub(crate) fn generated(text: &str) -> String {
    format!("{GENERATED_MARK}{text}")
}

impl<'a> ExpressionContext<'a> {
    /// A context in which nothing has been used yet.
    pub fn new(
        names: Option<&'a BTreeMap<String, String>>,
        values: Option<&'a BTreeMap<String, AttributeValue>>,
    ) -> Self {
        Self {
            names,
            values,
            used_names: RefCell::default(),
            used_values: RefCell::default(),
            trusted: false,
        }
    }

    /// A context for texts that this program wrote itself, in place of legacy parameters, or that
    /// another node has checked before. The limits on the size of an expression and on the number of
    /// its operators and candidates are those of what clients write, so they do not hold here. Texts
    /// that were written for legacy parameters say so by their first character; where the service
    /// words an error differently for the two, that decides.
    pub fn trusted(
        names: Option<&'a BTreeMap<String, String>>,
        values: Option<&'a BTreeMap<String, AttributeValue>>,
    ) -> Self {
        Self {
            trusted: true,
            ..Self::new(names, values)
        }
    }

    /// Whether limits do not hold: see [`Self::trusted`].
    pub(super) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The text without its mark, and whether it had one that may be believed.
    pub(super) fn source<'t>(&self, text: &'t str) -> Source<'t> {
        match text.strip_prefix(GENERATED_MARK) {
            Some(text) if self.trusted => Source {
                text,
                generated: true,
            },
            _ => Source {
                text,
                generated: false,
            },
        }
    }

    /// Refuses placeholders that no expression parsed with this context used.
    ///
    /// # Errors
    ///
    /// A ValidationException that names the unused placeholders, of names before those of values;
    /// bare in all operations.
    pub fn finish(&self) -> Result<(), ApiError> {
        let unused = self
            .names
            .and_then(|names| unused_keys(names, &self.used_names.borrow()));
        if let Some(keys) = unused {
            return Err(unused_error("ExpressionAttributeNames", &keys));
        }
        let unused = self
            .values
            .and_then(|values| unused_keys(values, &self.used_values.borrow()));
        match unused {
            Some(keys) => Err(unused_error("ExpressionAttributeValues", &keys)),
            None => Ok(()),
        }
    }

    /// The attribute name that `#name` stands for; marks it used. Requests have their names checked
    /// before; here nobody gets past.
    pub(super) fn name(&self, placeholder: &str) -> Result<&'a str, String> {
        let Some((key, name)) = self
            .names
            .and_then(|names| names.get_key_value(placeholder))
        else {
            return Err(format!(
                "An expression attribute name used in the document path is not defined; \
                 attribute name: {placeholder}"
            ));
        };
        self.used_names.borrow_mut().insert(key);
        check_attribute_name(name).map_err(|error| error.message.unwrap_or_default())?;
        Ok(name)
    }

    /// The value that `:value` stands for; marks it used.
    pub(super) fn value(&self, placeholder: &str) -> Result<&'a AttributeValue, String> {
        let found = self
            .values
            .and_then(|values| values.get_key_value(placeholder));
        let Some((key, value)) = found else {
            return Err(format!(
                "An expression attribute value used in expression is not defined; \
                 attribute value: {placeholder}"
            ));
        };
        self.used_values.borrow_mut().insert(key);
        Ok(value)
    }

    /// The error of an expression: its name is put before the message.
    pub(super) fn error(&self, kind: ExpressionKind, message: &str) -> ApiError {
        ApiError::request_validation(format!("Invalid {kind}: {message}"))
    }
}

fn unused_keys<V>(map: &BTreeMap<String, V>, used: &BTreeSet<&str>) -> Option<String> {
    let unused: Vec<&str> = map
        .keys()
        .map(String::as_str)
        .filter(|key| !used.contains(key))
        .collect();
    if unused.is_empty() {
        None
    } else {
        Some(unused.join(", "))
    }
}

fn unused_error(parameter: &str, keys: &str) -> ApiError {
    ApiError::validation(format!(
        "Value provided in {parameter} unused in expressions: keys: {{{keys}}}"
    ))
}

#[cfg(test)]
mod tests {
    use crate::{
        error::ValidationScope,
        expression::{
            ConditionExpression, ExpressionKind, ProjectionExpression, UpdateExpression,
            test_support::{Placeholders, message, n},
        },
    };

    #[test]
    fn what_no_expression_of_the_request_used_is_refused() {
        let placeholders = Placeholders::new(
            &[("#a", "a"), ("#b", "b"), ("#unused", "c"), ("#zz", "d")],
            &[(":a", n("1")), (":b", n("2")), (":unused", n("3"))],
        );
        let context = placeholders.context();
        UpdateExpression::parse("SET #a = :a", &context).unwrap();
        assert_eq!(
            message(context.finish()),
            "Value provided in ExpressionAttributeNames unused in expressions: \
             keys: {#b, #unused, #zz}"
        );
        // A branch that is never evaluated counts.
        let text = "#a = :a OR NOT (x.#b[0] IN (:b))";
        ConditionExpression::parse(ExpressionKind::Condition, text, &context).unwrap();
        ProjectionExpression::parse("#unused, #zz", &context).unwrap();
        let error = context.finish().unwrap_err();
        assert_eq!(error.scope, ValidationScope::Bare);
        assert_eq!(
            error.message.unwrap(),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}"
        );
        UpdateExpression::parse("ADD x :unused", &context).unwrap();
        assert!(context.finish().is_ok());
        assert!(Placeholders::default().context().finish().is_ok());
    }
}
