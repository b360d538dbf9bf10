//! Checks and compiles a parsed condition.
//!
//! The order of the checks is the service's: functions and reserved words over the whole condition,
//! then predicate by predicate placeholders, number of operands, distinct operands, operand types.

use std::cmp::Ordering;

use crate::{
    expression::{
        DocumentPath, ExpressionContext,
        compile::{
            UPDATE_FUNCTIONS, check_function_known, check_operand_count, check_reserved,
            compile_path, operand_type_message, operand_type_name_message, requires_path_message,
            visit_operand,
        },
        lexer::Comparator,
        syntax::{RawFunction, RawOperand, RawPath},
    },
    limits::IN_CANDIDATES_MAX,
    value::AttributeValue,
};

use super::{Condition, Operand, evaluate::order, parse::RawCondition};

/// The names of all types, in the order the service lists them for a wrong `attribute_type` operand.
const TYPE_NAMES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

/// The type name the service shows for an operand of `attribute_type` that is not a value.
const ANY_TYPE: &str = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}";

/// Checks what needs no placeholder: unknown functions, misplaced functions, reserved words.
pub(super) fn check_words(condition: &RawCondition<'_>) -> Result<(), String> {
    visit(condition, &mut |_| Ok(()), &mut |function| {
        check_function_known(function)
    })?;
    check_placement(condition)?;
    visit(condition, &mut |path| check_reserved(path), &mut |_| Ok(()))
}

fn visit(
    condition: &RawCondition<'_>,
    on_path: &mut dyn FnMut(&RawPath<'_>) -> Result<(), String>,
    on_function: &mut dyn FnMut(&RawFunction<'_>) -> Result<(), String>,
) -> Result<(), String> {
    match condition {
        RawCondition::And(inner) | RawCondition::Or(inner) => inner
            .iter()
            .try_for_each(|condition| visit(condition, on_path, on_function)),
        RawCondition::Not(inner) => visit(inner, on_path, on_function),
        RawCondition::Compare(_, left, right) => {
            visit_operand(left, on_path, on_function)?;
            visit_operand(right, on_path, on_function)
        }
        RawCondition::Between(value, low, high) => [value, low, high]
            .into_iter()
            .try_for_each(|operand| visit_operand(operand, on_path, on_function)),
        RawCondition::In(value, candidates) => std::iter::once(value)
            .chain(candidates)
            .try_for_each(|operand| visit_operand(operand, on_path, on_function)),
        RawCondition::Function(function) => {
            on_function(function)?;
            function
                .arguments
                .iter()
                .try_for_each(|argument| visit_operand(argument, on_path, on_function))
        }
    }
}

/// `size` is the only function that is an operand, and the only one that is no condition.
fn check_placement(condition: &RawCondition<'_>) -> Result<(), String> {
    match condition {
        RawCondition::And(inner) | RawCondition::Or(inner) => {
            inner.iter().try_for_each(check_placement)
        }
        RawCondition::Not(inner) => check_placement(inner),
        RawCondition::Compare(_, left, right) => {
            [left, right].into_iter().try_for_each(check_operand)
        }
        RawCondition::Between(value, low, high) => {
            [value, low, high].into_iter().try_for_each(check_operand)
        }
        RawCondition::In(value, candidates) => std::iter::once(value)
            .chain(candidates)
            .try_for_each(check_operand),
        RawCondition::Function(function) => {
            check_allowed(function)?;
            if function.name == "size" {
                return Err(misplaced_message(function.name));
            }
            function.arguments.iter().try_for_each(check_operand)
        }
    }
}

fn check_operand(operand: &RawOperand<'_>) -> Result<(), String> {
    let RawOperand::Function(function) = operand else {
        return Ok(());
    };
    check_allowed(function)?;
    if function.name != "size" {
        return Err(misplaced_message(function.name));
    }
    function.arguments.iter().try_for_each(check_operand)
}

fn check_allowed(function: &RawFunction<'_>) -> Result<(), String> {
    if UPDATE_FUNCTIONS.contains(&function.name) {
        return Err(format!(
            "The function is not allowed in a condition expression; function: {}",
            function.name
        ));
    }
    Ok(())
}

fn misplaced_message(function: &str) -> String {
    format!(
        "The function is not allowed to be used this way in an expression; function: {function}"
    )
}

/// Resolves the placeholders of a condition and checks its operands.
pub(super) fn compile(
    condition: &RawCondition<'_>,
    context: &ExpressionContext<'_>,
) -> Result<Condition, String> {
    match condition {
        RawCondition::And(inner) => compile_all(inner, context).map(Condition::And),
        RawCondition::Or(inner) => compile_all(inner, context).map(Condition::Or),
        RawCondition::Not(inner) => compile_boxed(inner, context).map(Condition::Not),
        RawCondition::Compare(comparator, left, right) => {
            compile_comparison(*comparator, left, right, context)
        }
        RawCondition::Between(value, low, high) => compile_between(value, low, high, context),
        RawCondition::In(value, candidates) => compile_in(value, candidates, context),
        RawCondition::Function(function) => compile_function(function, context),
    }
}

/// A plain loop, because it stands on the stack once for each open bracket.
fn compile_all(
    conditions: &[RawCondition<'_>],
    context: &ExpressionContext<'_>,
) -> Result<Vec<Condition>, String> {
    let mut compiled = Vec::with_capacity(conditions.len());
    for condition in conditions {
        compiled.push(compile(condition, context)?);
    }
    Ok(compiled)
}

fn compile_boxed(
    condition: &RawCondition<'_>,
    context: &ExpressionContext<'_>,
) -> Result<Box<Condition>, String> {
    compile(condition, context).map(Box::new)
}

fn compile_comparison(
    comparator: Comparator,
    left: &RawOperand<'_>,
    right: &RawOperand<'_>,
    context: &ExpressionContext<'_>,
) -> Result<Condition, String> {
    let left = compile_operand(left, context)?;
    let right = compile_operand(right, context)?;
    check_distinct(comparator.as_str(), &left, std::slice::from_ref(&right))?;
    check_sizes([&left, &right])?;
    if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        check_ordered(comparator.as_str(), [&left, &right])?;
    }
    Ok(Condition::Compare(comparator, left, right))
}

fn compile_between(
    value: &RawOperand<'_>,
    low: &RawOperand<'_>,
    high: &RawOperand<'_>,
    context: &ExpressionContext<'_>,
) -> Result<Condition, String> {
    let value = compile_operand(value, context)?;
    let low = compile_operand(low, context)?;
    let high = compile_operand(high, context)?;
    check_sizes([&value, &low, &high])?;
    check_ordered("BETWEEN", [&value, &low, &high])?;
    if let (Operand::Value(low), Operand::Value(high)) = (&low, &high) {
        check_bounds(low, high)?;
    }
    Ok(Condition::Between(value, low, high))
}

fn check_bounds(low: &AttributeValue, high: &AttributeValue) -> Result<(), String> {
    let problem = match order(low, high) {
        None => "same data type for lower and upper bounds",
        Some(Ordering::Greater) => "upper bound to be greater than or equal to lower bound",
        Some(Ordering::Less | Ordering::Equal) => return Ok(()),
    };
    Err(format!(
        "The BETWEEN operator requires {problem}; lower bound operand: {}, upper bound operand: {}",
        shown(low),
        shown(high)
    ))
}

/// A scalar value as the service shows it in messages.
fn shown(value: &AttributeValue) -> String {
    let text = match value {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => number.to_string(),
        AttributeValue::B(bytes) => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(bytes)
        }
        _ => String::new(),
    };
    format!("AttributeValue: {{{}:{text}}}", value.type_name())
}

fn compile_in(
    value: &RawOperand<'_>,
    candidates: &[RawOperand<'_>],
    context: &ExpressionContext<'_>,
) -> Result<Condition, String> {
    let value = compile_operand(value, context)?;
    let candidates: Vec<Operand> = candidates
        .iter()
        .map(|candidate| compile_operand(candidate, context))
        .collect::<Result<_, _>>()?;
    if candidates.len() > IN_CANDIDATES_MAX && !context.is_trusted() {
        return Err(format!(
            "The IN operator is provided with too many operands; number of operands: {}",
            candidates.len()
        ));
    }
    check_distinct("IN", &value, &candidates)?;
    check_sizes(std::iter::once(&value).chain(&candidates))?;
    Ok(Condition::In(value, candidates))
}

fn compile_function(
    function: &RawFunction<'_>,
    context: &ExpressionContext<'_>,
) -> Result<Condition, String> {
    let arguments: Vec<Operand> = function
        .arguments
        .iter()
        .map(|argument| compile_operand(argument, context))
        .collect::<Result<_, _>>()?;
    let arity = if function.name.starts_with("attribute_") && function.name.ends_with("exists") {
        1
    } else {
        2
    };
    check_operand_count(function, arity)?;
    if let Some((first, others)) = arguments.split_first() {
        check_distinct(function.name, first, others)?;
    }
    check_sizes(&arguments)?;
    let mut arguments = arguments.into_iter();
    match (function.name, arguments.next(), arguments.next()) {
        ("attribute_exists", Some(path), None) => {
            require_path(function.name, path).map(Condition::Exists)
        }
        ("attribute_not_exists", Some(path), None) => {
            require_path(function.name, path).map(Condition::NotExists)
        }
        ("attribute_type", Some(value), Some(type_name)) => {
            require_type_name(&type_name).map(|name| Condition::HasType(value, name))
        }
        ("begins_with", Some(value), Some(prefix)) => {
            for operand in [&value, &prefix] {
                match operand {
                    Operand::Value(AttributeValue::S(_) | AttributeValue::B(_))
                    | Operand::Path(_) => {}
                    Operand::Value(other) => {
                        return Err(operand_type_message("begins_with", other));
                    }
                    Operand::Size(_) => return Err(operand_type_name_message("begins_with", "N")),
                }
            }
            Ok(Condition::BeginsWith(value, prefix))
        }
        ("contains", Some(value), Some(element)) => Ok(Condition::Contains(value, element)),
        // Names and numbers of arguments were checked above.
        _ => Err(misplaced_message(function.name)),
    }
}

fn require_path(function: &str, operand: Operand) -> Result<DocumentPath, String> {
    match operand {
        Operand::Path(path) => Ok(path),
        _ => Err(requires_path_message(function)),
    }
}

fn require_type_name(operand: &Operand) -> Result<String, String> {
    match operand {
        Operand::Value(AttributeValue::S(name)) if TYPE_NAMES.contains(&name.as_str()) => {
            Ok(name.clone())
        }
        Operand::Value(AttributeValue::S(name)) => Err(format!(
            "Invalid attribute type name found; type: {name}, valid types: {{{}}}",
            TYPE_NAMES.join(",")
        )),
        Operand::Value(other) => Err(operand_type_message("attribute_type", other)),
        Operand::Path(_) => Err(operand_type_name_message("attribute_type", ANY_TYPE)),
        Operand::Size(_) => Err(operand_type_name_message("attribute_type", "N")),
    }
}

fn compile_operand(
    operand: &RawOperand<'_>,
    context: &ExpressionContext<'_>,
) -> Result<Operand, String> {
    match operand {
        RawOperand::Path(path) => compile_path(path, context).map(Operand::Path),
        RawOperand::Value(placeholder) => context.value(placeholder).cloned().map(Operand::Value),
        RawOperand::Function(function) => {
            let mut arguments: Vec<Operand> = function
                .arguments
                .iter()
                .map(|argument| compile_operand(argument, context))
                .collect::<Result<_, _>>()?;
            check_operand_count(function, 1)?;
            let argument = arguments
                .pop()
                .ok_or_else(|| misplaced_message(function.name))?;
            Ok(Operand::Size(Box::new(argument)))
        }
    }
}

/// Refuses an operand that is the same path as the first one: the outcome would be known beforehand.
fn check_distinct(operator: &str, first: &Operand, others: &[Operand]) -> Result<(), String> {
    let Operand::Path(first) = first else {
        return Ok(());
    };
    let repeated = |other: &Operand| matches!(other, Operand::Path(path) if path == first);
    if others.iter().any(repeated) {
        return Err(format!(
            "The first operand must be distinct from the remaining operands for this operator or \
             function; operator: {operator}, first operand: {first}"
        ));
    }
    Ok(())
}

/// Refuses `size` of something that surely has none.
fn check_sizes<'o>(operands: impl IntoIterator<Item = &'o Operand>) -> Result<(), String> {
    for operand in operands {
        let Operand::Size(inner) = operand else {
            continue;
        };
        match inner.as_ref() {
            Operand::Value(
                value @ (AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null),
            ) => return Err(operand_type_message("size", value)),
            Operand::Size(_) => return Err(operand_type_name_message("size", "N")),
            Operand::Value(_) | Operand::Path(_) => {}
        }
    }
    Ok(())
}

/// Refuses values of the request that have no order.
fn check_ordered<'o>(
    operator: &str,
    operands: impl IntoIterator<Item = &'o Operand>,
) -> Result<(), String> {
    for operand in operands {
        match operand {
            Operand::Value(AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_))
            | Operand::Path(_)
            | Operand::Size(_) => {}
            Operand::Value(other) => return Err(operand_type_message(operator, other)),
        }
    }
    Ok(())
}
