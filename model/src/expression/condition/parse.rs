//! The grammar of conditions, filters and key conditions.
//!
//! Precedence, strongest first: brackets, predicates, `NOT`, `AND`, `OR`.
//! A bracket may hold a condition or an operand, and only what follows tells which; so groups are
//! parsed to a [`Node`] that is either.

use crate::expression::{
    lexer::{Comparator, TokenKind},
    syntax::{Parsed, Parser, RawFunction, RawOperand},
};

/// A condition as written.
#[derive(Debug)]
pub(crate) enum RawCondition<'t> {
    And(Vec<RawCondition<'t>>),
    Or(Vec<RawCondition<'t>>),
    Not(Box<RawCondition<'t>>),
    Compare(Comparator, RawOperand<'t>, RawOperand<'t>),
    Between(RawOperand<'t>, RawOperand<'t>, RawOperand<'t>),
    In(RawOperand<'t>, Vec<RawOperand<'t>>),
    Function(RawFunction<'t>),
}

/// What stands in brackets, and whether brackets stand directly around it.
///
/// Boxed, and taken apart in functions that have returned before the next bracket is opened: four
/// frames are on the stack for each open bracket, and an unoptimised build must fit three hundred
/// of them into a thread's 2 MiB too.
enum Node<'t> {
    Condition {
        condition: Box<RawCondition<'t>>,
        bracketed: bool,
    },
    Operand {
        operand: Box<RawOperand<'t>>,
        bracketed: bool,
    },
}

impl Node<'_> {
    fn is_bracketed(&self) -> bool {
        match self {
            Self::Condition { bracketed, .. } | Self::Operand { bracketed, .. } => *bracketed,
        }
    }
}

/// Reads a whole condition.
pub(crate) fn condition<'t>(parser: &mut Parser<'t>) -> Parsed<RawCondition<'t>> {
    let node = group(parser)?;
    into_condition(parser, node)
}

/// Reads conditions joined by `AND` and `OR`, or a lone operand.
fn group<'t>(parser: &mut Parser<'t>) -> Parsed<Node<'t>> {
    let first = negation(parser)?;
    if !matches!(parser.keyword(), Some("AND" | "OR")) {
        return Ok(first);
    }
    let mut all = Vec::new();
    push_condition(parser, first, &mut all)?;
    let mut any = Vec::new();
    loop {
        if parser.eat_keyword("AND") {
            parser.operators += 1;
        } else if parser.eat_keyword("OR") {
            parser.operators += 1;
            push_conjunction(&mut all, &mut any);
        } else {
            break;
        }
        let node = negation(parser)?;
        push_condition(parser, node, &mut all)?;
    }
    push_conjunction(&mut all, &mut any);
    Ok(disjunction(any))
}

fn push_condition<'t>(
    parser: &Parser<'t>,
    node: Node<'t>,
    all: &mut Vec<RawCondition<'t>>,
) -> Parsed<()> {
    all.push(into_condition(parser, node)?);
    Ok(())
}

/// Ends a row of conditions joined by `AND`.
fn push_conjunction<'t>(all: &mut Vec<RawCondition<'t>>, any: &mut Vec<RawCondition<'t>>) {
    any.push(conjunction(std::mem::take(all)));
}

fn disjunction(mut any: Vec<RawCondition<'_>>) -> Node<'_> {
    let condition = match any.pop() {
        Some(only) if any.is_empty() => only,
        Some(last) => {
            any.push(last);
            RawCondition::Or(any)
        }
        None => RawCondition::Or(any),
    };
    unbracketed(condition)
}

fn unbracketed(condition: RawCondition<'_>) -> Node<'_> {
    Node::Condition {
        condition: Box::new(condition),
        bracketed: false,
    }
}

fn conjunction(mut conditions: Vec<RawCondition<'_>>) -> RawCondition<'_> {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            RawCondition::And(conditions)
        }
        None => RawCondition::And(conditions),
    }
}

/// Reads a predicate with any number of `NOT` before it; two of them cancel out.
fn negation<'t>(parser: &mut Parser<'t>) -> Parsed<Node<'t>> {
    let mut negations = 0_usize;
    while parser.eat_keyword("NOT") {
        negations += 1;
    }
    parser.operators += negations;
    let node = predicate(parser)?;
    if negations == 0 {
        return Ok(node);
    }
    negated(parser, node, negations)
}

fn negated<'t>(parser: &Parser<'t>, node: Node<'t>, negations: usize) -> Parsed<Node<'t>> {
    let mut condition = into_condition(parser, node)?;
    // A key condition must still see that there was a NOT, so one of two is kept as two.
    condition = RawCondition::Not(Box::new(condition));
    if negations.is_multiple_of(2) {
        condition = RawCondition::Not(Box::new(condition));
    }
    Ok(unbracketed(condition))
}

fn predicate<'t>(parser: &mut Parser<'t>) -> Parsed<Node<'t>> {
    match primary(parser)? {
        Node::Operand { operand, bracketed } => comparison(parser, operand, bracketed),
        node @ Node::Condition { .. } => Ok(node),
    }
}

/// Reads what follows an operand, if it is compared with anything.
fn comparison<'t>(
    parser: &mut Parser<'t>,
    operand: Box<RawOperand<'t>>,
    bracketed: bool,
) -> Parsed<Node<'t>> {
    let is_comparison = matches!(parser.peek().kind, TokenKind::Comparator(_))
        || matches!(parser.keyword(), Some("BETWEEN" | "IN"));
    if !is_comparison {
        return Ok(Node::Operand { operand, bracketed });
    }
    parser.operators += 1;
    let condition = if parser.eat_keyword("BETWEEN") {
        let low = parser.operand()?;
        if !parser.eat_keyword("AND") {
            return Err(parser.syntax_error());
        }
        RawCondition::Between(*operand, low, parser.operand()?)
    } else if parser.eat_keyword("IN") {
        RawCondition::In(*operand, candidates(parser)?)
    } else if let TokenKind::Comparator(comparator) = parser.bump().kind {
        RawCondition::Compare(comparator, *operand, parser.operand()?)
    } else {
        return Err(parser.syntax_error());
    };
    Ok(unbracketed(condition))
}

fn candidates<'t>(parser: &mut Parser<'t>) -> Parsed<Vec<RawOperand<'t>>> {
    parser.open_bracket()?;
    let mut candidates = vec![parser.operand()?];
    while parser.eat(b',') {
        candidates.push(parser.operand()?);
    }
    parser.close_bracket()?;
    Ok(candidates)
}

/// Reads a group in brackets or an operand.
fn primary<'t>(parser: &mut Parser<'t>) -> Parsed<Node<'t>> {
    if !parser.at(b'(') {
        return lone_operand(parser);
    }
    parser.open_bracket()?;
    let inner = group(parser)?;
    parser.close_bracket()?;
    parser.redundant_brackets |= inner.is_bracketed();
    Ok(match inner {
        Node::Condition { condition, .. } => Node::Condition {
            condition,
            bracketed: true,
        },
        Node::Operand { operand, .. } => Node::Operand {
            operand,
            bracketed: true,
        },
    })
}

fn lone_operand<'t>(parser: &mut Parser<'t>) -> Parsed<Node<'t>> {
    Ok(Node::Operand {
        operand: Box::new(parser.bare_operand()?),
        bracketed: false,
    })
}

/// A function standing alone is a condition; any other operand needs a comparison behind it.
fn into_condition<'t>(parser: &Parser<'t>, node: Node<'t>) -> Parsed<RawCondition<'t>> {
    match node {
        Node::Condition { condition, .. } => Ok(*condition),
        Node::Operand { operand, .. } => match *operand {
            RawOperand::Function(function) => Ok(RawCondition::Function(function)),
            _ => Err(parser.syntax_error()),
        },
    }
}
