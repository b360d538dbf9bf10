//! Checks and compiles a parsed update expression.

use crate::{
    expression::{
        ExpressionContext,
        compile::{
            CONDITION_FUNCTIONS, check_function_known, check_operand_count, check_reserved,
            compile_path, operand_type_message, requires_path_message, visit_operand,
        },
        syntax::{RawFunction, RawOperand, RawPath},
    },
    value::AttributeValue,
    wording,
};

use super::{
    Action, Change, SetOperand, SetValue,
    parse::{RawChange, RawSection, RawSetValue},
};

/// Checks what needs no placeholder: reserved words, functions, sections that come twice.
pub(super) fn check_words(sections: &[RawSection<'_>]) -> Result<(), String> {
    visit(sections, &mut |path| check_reserved(path), &mut |_| Ok(()))?;
    visit(sections, &mut |_| Ok(()), &mut |function| {
        check_function_known(function)
    })?;
    visit(sections, &mut |_| Ok(()), &mut |function| {
        check_placement(function)
    })?;
    for (place, section) in sections.iter().enumerate() {
        if sections
            .iter()
            .take(place)
            .any(|earlier| earlier.keyword == section.keyword)
        {
            return Err(format!(
                "The \"{}\" section can only be used once in an update expression;",
                section.keyword
            ));
        }
    }
    Ok(())
}

fn visit(
    sections: &[RawSection<'_>],
    on_path: &mut dyn FnMut(&RawPath<'_>) -> Result<(), String>,
    on_function: &mut dyn FnMut(&RawFunction<'_>) -> Result<(), String>,
) -> Result<(), String> {
    for (path, change) in sections.iter().flat_map(|section| &section.actions) {
        on_path(path)?;
        match change {
            RawChange::Set(RawSetValue::Operand(operand)) => {
                visit_operand(operand, on_path, on_function)?;
            }
            RawChange::Set(RawSetValue::Arithmetic(_, left, right)) => {
                visit_operand(left, on_path, on_function)?;
                visit_operand(right, on_path, on_function)?;
            }
            RawChange::Remove | RawChange::Add(_) | RawChange::Delete(_) => {}
        }
    }
    Ok(())
}

/// Refuses functions of conditions, and `list_append` inside `list_append` or as a fallback.
fn check_placement(function: &RawFunction<'_>) -> Result<(), String> {
    if CONDITION_FUNCTIONS.contains(&function.name) {
        return Err(format!(
            "The function is not allowed in an update expression; function: {}",
            function.name
        ));
    }
    for argument in &function.arguments {
        if let RawOperand::Function(inner) = argument
            && inner.name == "list_append"
        {
            return Err(format!(
                "The function is not allowed to be used this way in an expression; function: {}",
                inner.name
            ));
        }
    }
    Ok(())
}

/// Resolves the placeholders of all sections.
pub(super) fn compile(
    sections: &[RawSection<'_>],
    context: &ExpressionContext<'_>,
) -> Result<Vec<Action>, String> {
    sections
        .iter()
        .flat_map(|section| &section.actions)
        .map(|(path, change)| {
            Ok(Action {
                target: compile_path(path, context)?,
                change: compile_change(change, context)?,
            })
        })
        .collect()
}

fn compile_change(
    change: &RawChange<'_>,
    context: &ExpressionContext<'_>,
) -> Result<Change, String> {
    Ok(match change {
        RawChange::Set(RawSetValue::Operand(operand)) => {
            Change::Set(SetValue::Operand(compile_operand(operand, context)?))
        }
        RawChange::Set(RawSetValue::Arithmetic(sign, left, right)) => {
            let left = compile_operand(left, context)?;
            let right = compile_operand(right, context)?;
            Change::Set(match sign {
                b'+' => SetValue::Plus(left, right),
                _ => SetValue::Minus(left, right),
            })
        }
        RawChange::Remove => Change::Remove,
        RawChange::Add(placeholder) => Change::Add(context.value(placeholder)?.clone()),
        RawChange::Delete(placeholder) => Change::Delete(context.value(placeholder)?.clone()),
    })
}

fn compile_operand(
    operand: &RawOperand<'_>,
    context: &ExpressionContext<'_>,
) -> Result<SetOperand, String> {
    let function = match operand {
        RawOperand::Path(path) => return compile_path(path, context).map(SetOperand::Path),
        RawOperand::Value(placeholder) => {
            return context.value(placeholder).cloned().map(SetOperand::Value);
        }
        RawOperand::Function(function) => function,
    };
    let arguments: Vec<SetOperand> = function
        .arguments
        .iter()
        .map(|argument| compile_operand(argument, context))
        .collect::<Result<_, _>>()?;
    check_operand_count(function, 2)?;
    let mut arguments = arguments.into_iter();
    match (function.name, arguments.next(), arguments.next()) {
        ("if_not_exists", Some(SetOperand::Path(path)), Some(fallback)) => {
            Ok(SetOperand::IfNotExists(path, Box::new(fallback)))
        }
        ("list_append", Some(first), Some(second)) => {
            Ok(SetOperand::ListAppend(Box::new(first), Box::new(second)))
        }
        (name, ..) => Err(requires_path_message(name)),
    }
}

/// Checks the types of the values in the request, as far as the operators need them.
///
/// `lists` says whether `ADD` takes lists too, as legacy parameters do.
pub(super) fn check_operands(actions: &[Action], lists: bool) -> Result<(), String> {
    for action in actions {
        match &action.change {
            Change::Set(SetValue::Operand(operand)) => check_operand(operand)?,
            Change::Set(SetValue::Plus(left, right)) => check_arithmetic("+", left, right)?,
            Change::Set(SetValue::Minus(left, right)) => check_arithmetic("-", left, right)?,
            Change::Remove => {}
            Change::Add(AttributeValue::L(_)) if lists => {}
            Change::Add(value) => check_action_operand("ADD", value)?,
            Change::Delete(value) => check_action_operand("DELETE", value)?,
        }
    }
    Ok(())
}

fn check_arithmetic(operator: &str, left: &SetOperand, right: &SetOperand) -> Result<(), String> {
    for operand in [left, right] {
        check_operand(operand)?;
        match operand {
            SetOperand::Value(AttributeValue::N(_)) => {}
            SetOperand::Value(other) => return Err(operand_type_message(operator, other)),
            // What if_not_exists yields is only known with the item.
            SetOperand::Path(_) | SetOperand::IfNotExists(..) | SetOperand::ListAppend(..) => {}
        }
    }
    Ok(())
}

fn check_operand(operand: &SetOperand) -> Result<(), String> {
    match operand {
        SetOperand::Path(_) | SetOperand::Value(_) => Ok(()),
        SetOperand::IfNotExists(_, fallback) => check_operand(fallback),
        SetOperand::ListAppend(first, second) => {
            for operand in [first.as_ref(), second.as_ref()] {
                check_operand(operand)?;
                match operand {
                    SetOperand::Value(AttributeValue::L(_)) => {}
                    SetOperand::Value(other) => {
                        return Err(operand_type_message("list_append", other));
                    }
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

/// `ADD` takes numbers and sets, `DELETE` takes sets. Here, and only here, the service writes types
/// out in long.
fn check_action_operand(operator: &str, value: &AttributeValue) -> Result<(), String> {
    let type_name = match value {
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => return Ok(()),
        AttributeValue::N(_) if operator == "ADD" => return Ok(()),
        AttributeValue::N(_) => "NUMBER",
        AttributeValue::S(_) => "STRING",
        AttributeValue::B(_) => "BINARY",
        AttributeValue::M(_) => "MAP",
        AttributeValue::L(_) => "LIST",
        AttributeValue::Bool(_) => "BOOLEAN",
        AttributeValue::Null => "NULL",
    };
    Err(wording::ACTION_OPERAND.fill(&[("operator", operator), ("type", type_name)]))
}
