//! Values written in statements.
//!
//! A `?` stands for a whole value only, never inside a list, map or set.

use std::collections::BTreeSet;

use crate::limits::NESTING_LEVELS_MAX;
use crate::number::Number;
use crate::partiql::lexer::{TokenKind, unquoted};
use crate::value::{AttributeValue, Item};

use super::{Parsed, Parser};

/// How the service calls the place of a value that is not inside another.
const ROOT: &str = "root";

impl Parser<'_> {
    /// The members of the item of `INSERT`, the opening brace read already.
    pub(super) fn item(&mut self) -> Parsed<Item> {
        self.members(|parser, _| parser.value())
    }

    /// A value that is not inside another.
    pub(super) fn value(&mut self) -> Parsed<AttributeValue> {
        if self.eat("?") {
            return Ok(self.parameter());
        }
        self.literal(ROOT, 0)
    }

    /// A value without a `?`, at `place` and inside `level` others.
    fn literal(&mut self, place: &str, level: usize) -> Parsed<AttributeValue> {
        if level >= NESTING_LEVELS_MAX {
            self.note(format!(
                "Nesting Levels have exceeded supported limits under {place}"
            ));
        }
        let token = self.peek();
        match (token.kind, token.text) {
            (TokenKind::Text, text) => {
                self.bump();
                Ok(AttributeValue::S(unquoted(text)))
            }
            (TokenKind::Number, _) => self.number(false),
            (TokenKind::Symbol, "-" | "+") => self.signed_number(),
            (TokenKind::Symbol, "[") => self.list(place, level),
            (TokenKind::Symbol, "{") => self.map(place, level),
            (TokenKind::Symbol, "<<") => self.set(place, level),
            (TokenKind::Symbol, "?") => {
                self.bump();
                let at = self.place(&token);
                self.note(format!(
                    "Unsupported data type: Parameter under key {place} at {at}"
                ));
                Ok(AttributeValue::Null)
            }
            (TokenKind::Word, word) => {
                let value = if word.eq_ignore_ascii_case("TRUE") {
                    AttributeValue::Bool(true)
                } else if word.eq_ignore_ascii_case("FALSE") {
                    AttributeValue::Bool(false)
                } else if word.eq_ignore_ascii_case("NULL") {
                    AttributeValue::Null
                } else {
                    return Err(self.unexpected_term());
                };
                self.bump();
                Ok(value)
            }
            _ => Err(self.unexpected_term()),
        }
    }

    /// The signs before a number, which may be several.
    fn signed_number(&mut self) -> Parsed<AttributeValue> {
        let mut negative = false;
        loop {
            let sign = self.peek().text;
            if self.eat("-") {
                negative = !negative;
            } else if !self.eat("+") {
                break;
            }
            if self.peek().kind != TokenKind::Number && !self.at("-") && !self.at("+") {
                self.note(format!(
                    "Unsupported operator in Condition Expression. Operator: {sign}"
                ));
                return self.value();
            }
        }
        self.number(negative)
    }

    fn number(&mut self, negative: bool) -> Parsed<AttributeValue> {
        let token = self.bump();
        let number = match token.text.parse::<Number>() {
            Ok(number) => number,
            Err(problem) => {
                self.note(problem.to_string());
                Number::ZERO
            }
        };
        let number = if negative { number.negated() } else { number };
        Ok(AttributeValue::N(number))
    }

    fn list(&mut self, place: &str, level: usize) -> Parsed<AttributeValue> {
        self.elements("[", "]", |parser, count| {
            parser.literal(&format!("{place}[{count}]"), level + 1)
        })
        .map(AttributeValue::L)
    }

    fn map(&mut self, place: &str, level: usize) -> Parsed<AttributeValue> {
        self.expect("{")?;
        self.members(|parser, name| parser.literal(&format!("{place}.{name}"), level + 1))
            .map(AttributeValue::M)
    }

    /// Values between brackets, separated by commas.
    fn elements(
        &mut self,
        open: &str,
        close: &str,
        mut element: impl FnMut(&mut Self, usize) -> Parsed<AttributeValue>,
    ) -> Parsed<Vec<AttributeValue>> {
        self.enter()?;
        self.expect(open)?;
        let mut values = Vec::new();
        if !self.at(close) {
            loop {
                let value = element(self, values.len())?;
                values.push(value);
                if !self.eat(",") {
                    break;
                }
            }
        }
        self.expect(close)?;
        self.leave();
        Ok(values)
    }

    /// `'name': value` between braces, separated by commas, the opening brace read already.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Parsed<AttributeValue>,
    ) -> Parsed<Item> {
        self.enter()?;
        let mut members = Item::new();
        if !self.at("}") {
            loop {
                let name = if self.peek().kind == TokenKind::Text {
                    unquoted(self.bump().text)
                } else {
                    self.name()?
                };
                self.note_attribute_name(&name);
                self.expect(":")?;
                let value = member(self, &name)?;
                members.insert(name, value);
                if !self.eat(",") {
                    break;
                }
            }
        }
        self.expect("}")?;
        self.leave();
        Ok(members)
    }

    /// `<<…>>`: strings or numbers, at least one, each once.
    fn set(&mut self, place: &str, level: usize) -> Parsed<AttributeValue> {
        let elements = self.elements("<<", ">>", |parser, _| parser.literal(place, level + 1))?;
        if elements.is_empty() {
            self.note("Empty bags are not supported");
        }
        let mut texts = Vec::new();
        let mut numbers = Vec::new();
        let count = elements.len();
        for element in elements {
            match element {
                AttributeValue::S(text) => texts.push(text),
                AttributeValue::N(number) => numbers.push(number),
                _ => {}
            }
        }
        if texts.len() == count {
            self.check_distinct(&texts, ".");
            return Ok(AttributeValue::Ss(texts));
        }
        if numbers.len() != count {
            self.note(
                "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in \
                 bags",
            );
        }
        self.check_distinct(&numbers, &format!("! under {place}"));
        Ok(AttributeValue::Ns(numbers))
    }

    fn check_distinct<T: Ord + std::fmt::Display>(&mut self, elements: &[T], end: &str) {
        let distinct: BTreeSet<&T> = elements.iter().collect();
        if distinct.len() < elements.len() {
            let shown: Vec<String> = elements.iter().map(T::to_string).collect();
            self.note(format!(
                "One or more parameter values were invalid: Input collection [{}] contains \
                 duplicates{end}",
                shown.join(", ")
            ));
        }
    }
}
