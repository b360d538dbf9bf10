//! What all kinds of expression need between parsing and use: common limits, reserved words, and
//! placeholders resolved to paths and values.

use crate::{
    error::ApiError,
    limits::{EXPRESSION_BYTES_MAX, EXPRESSION_OPERATORS_MAX},
    value::AttributeValue,
};

use super::{
    DocumentPath, ExpressionContext, ExpressionKind, LIST_INDEX_MAX, PATH_LEVELS_MAX, PathElement,
    reserved::is_reserved_word,
    syntax::{Parsed, Parser, RawElement, RawFunction, RawOperand, RawPath},
};

/// The functions of conditions and filters.
pub(super) const CONDITION_FUNCTIONS: [&str; 6] = [
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "begins_with",
    "contains",
    "size",
];

/// The functions of update expressions.
pub(super) const UPDATE_FUNCTIONS: [&str; 2] = ["if_not_exists", "list_append"];

/// Parses `text` with `grammar` and checks what is common to all kinds: size, emptiness, that the
/// grammar read everything, the number of operators, and redundant brackets.
pub(super) fn parse_all<'t, T>(
    kind: ExpressionKind,
    text: &'t str,
    context: &ExpressionContext<'_>,
    grammar: impl FnOnce(&mut Parser<'t>) -> Parsed<T>,
) -> Result<T, ApiError> {
    let text = context.source(text).text;
    if text.len() > EXPRESSION_BYTES_MAX && !context.is_trusted() {
        let message = format!(
            "Expression size has exceeded the maximum allowed size; expression size: {}",
            text.len()
        );
        return Err(context.error(kind, &message));
    }
    let mut parser = Parser::new(text, kind.keywords());
    if parser.expect_end().is_ok() {
        return Err(context.error(kind, "The expression can not be empty;"));
    }
    let parsed = grammar(&mut parser)
        .and_then(|parsed| parser.expect_end().map(|()| parsed))
        .map_err(|message| context.error(kind, &message))?;
    if parser.operators > EXPRESSION_OPERATORS_MAX && !context.is_trusted() {
        let message = format!(
            "The expression contains too many operators; operator count: {}",
            parser.operators
        );
        return Err(context.error(kind, &message));
    }
    if parser.redundant_brackets {
        return Err(context.error(kind, "The expression has redundant parentheses;"));
    }
    Ok(parsed)
}

/// Calls `visit` with every path and function in the operand, itself included, outermost first.
///
/// Stops at the first message.
pub(super) fn visit_operand(
    operand: &RawOperand<'_>,
    on_path: &mut dyn FnMut(&RawPath<'_>) -> Result<(), String>,
    on_function: &mut dyn FnMut(&RawFunction<'_>) -> Result<(), String>,
) -> Result<(), String> {
    match operand {
        RawOperand::Path(path) => on_path(path),
        RawOperand::Value(_) => Ok(()),
        RawOperand::Function(function) => {
            on_function(function)?;
            function
                .arguments
                .iter()
                .try_for_each(|argument| visit_operand(argument, on_path, on_function))
        }
    }
}

/// Refuses a path with a reserved word standing bare in it.
pub(super) fn check_reserved(path: &RawPath<'_>) -> Result<(), String> {
    for element in &path.elements {
        if let RawElement::Name(name) = element
            && is_reserved_word(name)
        {
            return Err(format!(
                "Attribute name is a reserved keyword; reserved keyword: {name}"
            ));
        }
    }
    Ok(())
}

/// Refuses a function that exists in no kind of expression.
pub(super) fn check_function_known(function: &RawFunction<'_>) -> Result<(), String> {
    let name = function.name;
    if CONDITION_FUNCTIONS.contains(&name) || UPDATE_FUNCTIONS.contains(&name) {
        return Ok(());
    }
    Err(format!("Invalid function name; function: {name}"))
}

/// The path with its placeholders resolved.
pub(super) fn compile_path(
    path: &RawPath<'_>,
    context: &ExpressionContext<'_>,
) -> Result<DocumentPath, String> {
    let levels = path.elements.len();
    if levels > PATH_LEVELS_MAX {
        return Err(format!(
            "The document path has too many nesting levels; nesting levels: {levels}"
        ));
    }
    let mut elements = path
        .elements
        .iter()
        .map(|element| compile_element(element, context));
    match elements.next().transpose()? {
        Some(PathElement::Attribute(attribute)) => Ok(DocumentPath::new(
            attribute,
            elements.collect::<Result<_, _>>()?,
        )),
        // The grammar starts every path with a name.
        _ => Err("The document path does not start with a map element".to_owned()),
    }
}

fn compile_element(
    element: &RawElement<'_>,
    context: &ExpressionContext<'_>,
) -> Result<PathElement, String> {
    match element {
        RawElement::Name(name) => Ok(PathElement::Attribute((*name).to_owned())),
        RawElement::NameRef(placeholder) => context
            .name(placeholder)
            .map(|name| PathElement::Attribute(name.to_owned())),
        RawElement::Index(digits) => match digits.parse::<usize>() {
            Ok(index) if index <= LIST_INDEX_MAX => Ok(PathElement::Index(index)),
            _ => Err(format!(
                "List index is not within the allowable range; index: [{digits}]"
            )),
        },
    }
}

/// The refusal of an operand by its type.
pub(super) fn operand_type_message(operator: &str, value: &AttributeValue) -> String {
    operand_type_name_message(operator, value.type_name())
}

/// The refusal of an operand by its type's name.
pub(super) fn operand_type_name_message(operator: &str, type_name: &str) -> String {
    format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, \
         operand type: {type_name}"
    )
}

/// The refusal of a function called with the wrong number of arguments.
pub(super) fn check_operand_count(
    function: &RawFunction<'_>,
    expected: usize,
) -> Result<(), String> {
    let count = function.arguments.len();
    if count == expected {
        return Ok(());
    }
    Err(format!(
        "Incorrect number of operands for operator or function; operator or function: {}, \
         number of operands: {count}",
        function.name
    ))
}

/// The refusal of a function whose first argument has to be a document path and is not.
pub(super) fn requires_path_message(function: &str) -> String {
    format!("Operator or function requires a document path; operator or function: {function}")
}
