//! Conditions.
//!
//! Precedence, strongest first: brackets, predicates, `NOT`, `AND`, `OR`. A bracket may hold a condition
//! or an operand, and only what follows tells which, so groups are parsed to a [`Node`] that is either.

use crate::partiql::ast::{Comparator, Condition, Operand};
use crate::partiql::lexer::TokenKind;
use crate::value::AttributeValue;

use super::update::unknown_function;
use super::{ApiError, Parsed, Parser, malformed};

/// A condition or an operand.
enum Node {
    Condition(Box<Condition>),
    Operand(Box<Operand>),
}

impl Parser<'_> {
    /// A whole condition.
    pub(super) fn condition(&mut self) -> Parsed<Condition> {
        let node = self.disjunction()?;
        into_condition(node)
    }

    /// Conditions joined by `OR`, or a lone operand.
    fn disjunction(&mut self) -> Parsed<Node> {
        let first = self.conjunction()?;
        if !self.at_word("OR") {
            return Ok(first);
        }
        let mut any = Vec::new();
        push_or(into_condition(first)?, &mut any);
        while self.eat_word("OR") {
            push_or(into_condition(self.conjunction()?)?, &mut any);
        }
        Ok(Node::Condition(Box::new(Condition::Or(any))))
    }

    /// Conditions joined by `AND`, or a lone operand.
    fn conjunction(&mut self) -> Parsed<Node> {
        let first = self.negation()?;
        if !self.at_word("AND") {
            return Ok(first);
        }
        let mut all = Vec::new();
        push_and(into_condition(first)?, &mut all);
        while self.eat_word("AND") {
            push_and(into_condition(self.negation()?)?, &mut all);
        }
        Ok(Node::Condition(Box::new(Condition::And(all))))
    }

    /// A predicate with any number of `NOT` before it; two of them cancel out.
    fn negation(&mut self) -> Parsed<Node> {
        let mut negations = 0_usize;
        while self.eat_word("NOT") {
            negations += 1;
        }
        let node = self.predicate()?;
        if negations == 0 {
            return Ok(node);
        }
        let condition = into_condition(node)?;
        Ok(Node::Condition(Box::new(if negations.is_multiple_of(2) {
            condition
        } else {
            negated(condition)
        })))
    }

    fn predicate(&mut self) -> Parsed<Node> {
        let left = self.primary()?;
        self.refuse_arithmetic()?;
        let token = self.peek();
        if token.kind == TokenKind::Symbol
            && let Some(comparator) = Comparator::from_text(token.text)
        {
            self.bump();
            let right = self.primary()?;
            self.refuse_arithmetic()?;
            let condition = compared(left, comparator, right)?;
            return Ok(Node::Condition(Box::new(condition)));
        }
        self.word_predicate(left)
    }

    /// What follows an operand and begins with a word: `[NOT] BETWEEN`, `[NOT] IN`, `IS [NOT]`.
    fn word_predicate(&mut self, left: Node) -> Parsed<Node> {
        let is_negated = self.at_word("NOT");
        if !is_negated
            && !["BETWEEN", "IN", "IS", "LIKE"]
                .iter()
                .any(|word| self.at_word(word))
        {
            return Ok(left);
        }
        if is_negated {
            self.bump();
        }
        let word = self.bump().text.to_ascii_uppercase();
        let condition = match word.as_str() {
            "BETWEEN" => {
                let value = into_operand(left, "BETWEEN")?;
                let low = self.operand("BETWEEN")?;
                self.expect_word("AND")?;
                Condition::Between(value, low, self.operand("BETWEEN")?)
            }
            "IN" => membership(into_operand(left, "IN")?, self.candidates()?),
            "IS" if !is_negated => self.type_test(into_operand(left, "IS")?)?,
            "LIKE" => {
                return Err(ApiError::validation(
                    "Unsupported operator in Condition Expression. Operator: LIKE",
                ));
            }
            _ => return Err(malformed("Unexpected keyword")),
        };
        Ok(Node::Condition(Box::new(if is_negated {
            negated(condition)
        } else {
            condition
        })))
    }

    /// `[a, b]` or `(a, b)`.
    fn candidates(&mut self) -> Parsed<Vec<Operand>> {
        self.enter()?;
        let close = if self.eat("[") {
            "]"
        } else if self.eat("(") {
            ")"
        } else if self.eat("<<") {
            ">>"
        } else {
            return Err(self.unexpected_term());
        };
        let mut candidates = vec![self.operand("IN")?];
        while self.eat(",") {
            candidates.push(self.operand("IN")?);
        }
        self.expect(close)?;
        self.leave();
        Ok(candidates)
    }

    /// What follows `IS`: `[NOT] MISSING`, `[NOT] NULL`, `[NOT] type`.
    fn type_test(&mut self, operand: Operand) -> Parsed<Condition> {
        let is_negated = self.eat_word("NOT");
        let token = self.bump();
        let word = token.text.to_ascii_uppercase();
        if token.kind != TokenKind::Word {
            return Err(malformed("Expected type name"));
        }
        if word == "MISSING" {
            let Operand::Path(path) = operand else {
                return Err(requires_path("MISSING"));
            };
            return Ok(if is_negated {
                Condition::Exists(path)
            } else {
                Condition::Missing(path)
            });
        }
        let types: &[&str] = match word.as_str() {
            "NULL" => &["NULL"],
            "BOOL" | "BOOLEAN" => &["BOOL"],
            "INT" | "INTEGER" | "SMALLINT" | "DECIMAL" | "NUMERIC" | "FLOAT" | "REAL"
            | "NUMBER" => &["N"],
            "STRING" | "CHAR" | "CHARACTER" | "VARCHAR" | "SYMBOL" => &["S"],
            "BLOB" | "BINARY" => &["B"],
            "LIST" => &["L"],
            "MAP" | "STRUCT" | "TUPLE" => &["M"],
            "BAG" | "SET" => &["SS", "NS", "BS"],
            _ => return Err(malformed("Expected type name")),
        };
        let mut tests: Vec<Condition> = types
            .iter()
            .map(|name| Condition::HasType(operand.clone(), AttributeValue::string(*name)))
            .collect();
        let test = match tests.pop() {
            Some(only) if tests.is_empty() => only,
            Some(last) => {
                tests.push(last);
                Condition::Or(tests)
            }
            None => return Err(malformed("Expected type name")),
        };
        Ok(if is_negated { negated(test) } else { test })
    }

    fn operand(&mut self, operator: &str) -> Parsed<Operand> {
        let node = self.primary()?;
        self.refuse_arithmetic()?;
        into_operand(node, operator)
    }

    /// A group in brackets, a function, a path or a value.
    fn primary(&mut self) -> Parsed<Node> {
        if self.eat("(") {
            self.enter()?;
            let inner = self.disjunction()?;
            self.expect(")")?;
            self.leave();
            return Ok(inner);
        }
        if self.at_function() && !self.at_reserved_word() {
            return self.function();
        }
        let operand = if self.at_name() {
            Operand::Path(self.path()?)
        } else {
            Operand::Value(self.value()?)
        };
        Ok(Node::Operand(Box::new(operand)))
    }

    fn function(&mut self) -> Parsed<Node> {
        let written = self.bump().text;
        let name = written.to_ascii_lowercase();
        self.expect("(")?;
        if name == "exists" {
            return Err(ApiError::validation(
                "EXISTS can only be used in ExecuteTransaction write requests.",
            ));
        }
        self.enter()?;
        let mut arguments = Vec::new();
        if !self.at(")") {
            arguments.push(self.operand(&name)?);
            while self.eat(",") {
                arguments.push(self.operand(&name)?);
            }
        }
        self.expect(")")?;
        self.leave();
        called(written, &name, arguments)
    }
}

/// `IN`; a single candidate makes it an equality, which can name a key.
fn membership(value: Operand, mut candidates: Vec<Operand>) -> Condition {
    match candidates.pop() {
        Some(only) if candidates.is_empty() => Condition::Compare(Comparator::Equal, value, only),
        last => {
            candidates.extend(last);
            Condition::In(value, candidates)
        }
    }
}

/// The function with its arguments.
fn called(written: &str, name: &str, arguments: Vec<Operand>) -> Parsed<Node> {
    let arity = match name {
        "size" | "attribute_exists" | "attribute_not_exists" => 1,
        "begins_with" | "contains" | "attribute_type" => 2,
        _ => return Err(unknown_function(written)),
    };
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let condition = match (name, arguments.next(), arguments.next()) {
        _ if count != arity => {
            return Err(ApiError::validation(format!(
                "Incorrect number of operands for operator or function; operator or function: \
                 {name}, number of operands: {count}"
            )));
        }
        ("size", Some(Operand::Path(path)), None) => {
            return Ok(Node::Operand(Box::new(Operand::Size(path))));
        }
        ("attribute_exists", Some(Operand::Path(path)), None) => Condition::Exists(path),
        ("attribute_not_exists", Some(Operand::Path(path)), None) => Condition::Missing(path),
        ("attribute_type", Some(operand), Some(Operand::Value(type_name))) => {
            Condition::HasType(operand, type_name)
        }
        ("begins_with", Some(operand), Some(prefix)) => Condition::BeginsWith(operand, prefix),
        ("contains", Some(operand), Some(element)) => Condition::Contains(operand, element),
        _ => return Err(requires_path(name)),
    };
    Ok(Node::Condition(Box::new(condition)))
}

fn push_or(condition: Condition, any: &mut Vec<Condition>) {
    match condition {
        Condition::Or(inner) => any.extend(inner),
        other => any.push(other),
    }
}

fn push_and(condition: Condition, all: &mut Vec<Condition>) {
    match condition {
        Condition::And(inner) => all.extend(inner),
        other => all.push(other),
    }
}

fn negated(condition: Condition) -> Condition {
    match condition {
        Condition::Not(inner) => *inner,
        other => Condition::Not(Box::new(other)),
    }
}

fn into_condition(node: Node) -> Parsed<Condition> {
    match node {
        Node::Condition(condition) => Ok(*condition),
        Node::Operand(_) => Err(malformed("Expected a condition")),
    }
}

fn into_operand(node: Node, operator: &str) -> Parsed<Operand> {
    match node {
        Node::Operand(operand) => Ok(*operand),
        // A condition is a value of the type BOOL.
        Node::Condition(_) => Err(wrong_type(operator, "BOOL")),
    }
}

/// Two operands compared, or a condition with `TRUE` or `FALSE`.
fn compared(left: Node, comparator: Comparator, right: Node) -> Parsed<Condition> {
    let (condition, operand) = match (left, right) {
        (Node::Operand(left), Node::Operand(right)) => {
            return Ok(Condition::Compare(comparator, *left, *right));
        }
        (Node::Condition(condition), Node::Operand(operand))
        | (Node::Operand(operand), Node::Condition(condition)) => (condition, operand),
        (Node::Condition(_), Node::Condition(_)) => {
            return Err(wrong_type(comparator.as_str(), "BOOL"));
        }
    };
    let holds = match (comparator, *operand) {
        (Comparator::Equal, Operand::Value(AttributeValue::Bool(value))) => value,
        (Comparator::NotEqual, Operand::Value(AttributeValue::Bool(value))) => !value,
        _ => return Err(wrong_type(comparator.as_str(), "BOOL")),
    };
    Ok(if holds {
        *condition
    } else {
        negated(*condition)
    })
}

fn wrong_type(operator: &str, type_name: &str) -> ApiError {
    ApiError::validation(format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, \
         operand type: {type_name}"
    ))
}

fn requires_path(function: &str) -> ApiError {
    ApiError::validation(format!(
        "Operator or function requires a document path; operator or function: {function}"
    ))
}
