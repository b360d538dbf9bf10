//! The grammar of update expressions.

use crate::expression::{
    lexer::TokenKind,
    syntax::{Parsed, Parser, RawOperand, RawPath},
};

/// A section: its keyword and what follows.
#[derive(Debug)]
pub(super) struct RawSection<'t> {
    pub(super) keyword: &'static str,
    pub(super) actions: Vec<(RawPath<'t>, RawChange<'t>)>,
}

/// A change as written.
#[derive(Debug)]
pub(super) enum RawChange<'t> {
    Set(RawSetValue<'t>),
    Remove,
    /// The `:value` added.
    Add(&'t str),
    /// The `:value` whose members are taken out.
    Delete(&'t str),
}

/// The right-hand side of `SET` as written.
#[derive(Debug)]
pub(super) enum RawSetValue<'t> {
    Operand(RawOperand<'t>),
    /// With `+` or `-`.
    Arithmetic(u8, RawOperand<'t>, RawOperand<'t>),
}

/// Reads a whole update expression.
pub(super) fn update<'t>(parser: &mut Parser<'t>) -> Parsed<Vec<RawSection<'t>>> {
    let mut sections = vec![section(parser)?];
    while parser.keyword().is_some() {
        sections.push(section(parser)?);
    }
    Ok(sections)
}

fn section<'t>(parser: &mut Parser<'t>) -> Parsed<RawSection<'t>> {
    let Some(keyword) = parser.keyword() else {
        return Err(parser.syntax_error());
    };
    parser.bump();
    let mut actions = vec![action(parser, keyword)?];
    while parser.eat(b',') {
        actions.push(action(parser, keyword)?);
    }
    Ok(RawSection { keyword, actions })
}

fn action<'t>(parser: &mut Parser<'t>, keyword: &str) -> Parsed<(RawPath<'t>, RawChange<'t>)> {
    let path = parser.path()?;
    let change = match keyword {
        "SET" => {
            if parser.peek().text != "=" {
                return Err(parser.syntax_error());
            }
            parser.bump();
            RawChange::Set(set_value(parser)?)
        }
        "ADD" => RawChange::Add(value_ref(parser)?),
        "DELETE" => RawChange::Delete(value_ref(parser)?),
        _ => RawChange::Remove,
    };
    Ok((path, change))
}

fn value_ref<'t>(parser: &mut Parser<'t>) -> Parsed<&'t str> {
    match parser.peek().kind {
        TokenKind::ValueRef => Ok(parser.bump().text),
        _ => Err(parser.syntax_error()),
    }
}

/// `operand [("+" | "-") operand]`, with brackets around an operand or around the whole.
fn set_value<'t>(parser: &mut Parser<'t>) -> Parsed<RawSetValue<'t>> {
    set_value_or_group(parser).map(|(value, _)| value)
}

/// The value, and whether it is nothing but a group in brackets.
fn set_value_or_group<'t>(parser: &mut Parser<'t>) -> Parsed<(RawSetValue<'t>, bool)> {
    let (left, is_group) = if parser.at(b'(') {
        parser.open_bracket()?;
        let (inner, inner_is_group) = set_value_or_group(parser)?;
        parser.close_bracket()?;
        parser.redundant_brackets |= inner_is_group;
        (inner, true)
    } else {
        (RawSetValue::Operand(parser.bare_operand()?), false)
    };
    let left = match left {
        RawSetValue::Operand(left) => left,
        // There is only one operator, so brackets around arithmetic are around the whole value.
        arithmetic @ RawSetValue::Arithmetic(..) => return Ok((arithmetic, is_group)),
    };
    for sign in [b'+', b'-'] {
        if parser.eat(sign) {
            parser.operators += 1;
            return Ok((
                RawSetValue::Arithmetic(sign, left, parser.operand()?),
                false,
            ));
        }
    }
    Ok((RawSetValue::Operand(left), is_group))
}
