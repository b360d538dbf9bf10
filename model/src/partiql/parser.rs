//! The parser's common part: tokens, errors, names, paths, and how deep a statement may nest.
//!
//! Two kinds of mistake are told apart, as in the service: text that is no PartiQL at all ends the
//! parsing at once; what PartiQL has and the service does not is noted, and told only when the rest of
//! the statement turned out to be well formed.

mod condition;
mod statement;
mod update;
mod value;

use crate::error::ApiError;
use crate::expression::{DocumentPath, LIST_INDEX_MAX, PathElement};
use crate::value::{AttributeValue, check_attribute_name};

use super::ast::Statement;
use super::lexer::{Token, TokenKind, tokenize, unquoted};

pub(super) use self::statement::{KEY_REQUIRED, returning_clause};

/// The deepest nesting of brackets that is followed.
///
/// Documents nest 32 levels at most, and nobody nests conditions as deep. Seven frames are on the stack
/// for each open bracket, which have to fit into a thread's 2 MiB in an unoptimised build too.
const DEPTH_MAX: usize = 64;

/// The words that structure statements and so cannot stand bare as names.
const RESERVED: [&str; 30] = [
    "SELECT",
    "FROM",
    "WHERE",
    "INSERT",
    "INTO",
    "VALUE",
    "VALUES",
    "UPDATE",
    "DELETE",
    "SET",
    "REMOVE",
    "RETURNING",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "BETWEEN",
    "LIKE",
    "NULL",
    "MISSING",
    "TRUE",
    "FALSE",
    "ORDER",
    "GROUP",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "AS",
    "BY",
];

/// More or fewer values than `?`.
const PARAMETERS_DIFFER: &str = "Number of parameters in request and statement don't match.";

/// The result of parsing a piece of a statement.
type Parsed<T> = Result<T, ApiError>;

/// Reads a statement with the values of its `?`.
///
/// # Errors
/// A ValidationException in the service's words.
pub(super) fn parse(text: &str, parameters: &[AttributeValue]) -> Result<Statement, ApiError> {
    let mut parser = Parser {
        text,
        tokens: tokenize(text).map_err(|detail| malformed(&detail))?,
        position: 0,
        depth: 0,
        parameters,
        parameters_used: 0,
        noted: None,
    };
    let statement = parser.statement()?;
    parser.eat(";");
    if parser.peek().kind != TokenKind::End {
        return Err(malformed("Unexpected token after expression"));
    }
    if parser.parameters_used < parameters.len() {
        parser.note(PARAMETERS_DIFFER);
    }
    parser.noted.map_or(Ok(statement), Err)
}

/// The error of text that is no PartiQL.
fn malformed(detail: &str) -> ApiError {
    ApiError::validation(format!(
        "Statement wasn't well formed, can't be processed: {detail}"
    ))
}

/// A position in the tokens of a statement, and what has been noticed on the way there.
struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    position: usize,
    depth: usize,
    parameters: &'t [AttributeValue],
    parameters_used: usize,
    /// The first mistake in what is otherwise PartiQL.
    noted: Option<ApiError>,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Token<'t> {
        self.peek_at(0)
    }

    /// The token `ahead` places further on; the end for all places behind the end.
    fn peek_at(&self, ahead: usize) -> Token<'t> {
        let end = Token {
            kind: TokenKind::End,
            text: "",
            start: self.text.len(),
        };
        self.tokens
            .get(self.position.saturating_add(ahead))
            .copied()
            .unwrap_or(end)
    }

    fn bump(&mut self) -> Token<'t> {
        let token = self.peek();
        if token.kind != TokenKind::End {
            self.position += 1;
        }
        token
    }

    /// Whether the current token is this symbol.
    fn at(&self, symbol: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Symbol && token.text == symbol
    }

    /// Moves behind the current token if it is this symbol.
    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.at(symbol);
        if found {
            self.position += 1;
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat(symbol) {
            Ok(())
        } else {
            Err(malformed(&format!("Expected {symbol}")))
        }
    }

    /// Whether the current token is this word, in any case.
    fn at_word(&self, word: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case(word)
    }

    /// Moves behind the current token if it is this word.
    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.position += 1;
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) {
            Ok(())
        } else {
            Err(malformed(&format!("Expected {word} keyword")))
        }
    }

    /// What is wrong with the current token where an expression should begin.
    fn unexpected_term(&self) -> ApiError {
        if self.at_reserved_word() {
            malformed("Unexpected keyword")
        } else {
            malformed("Unexpected term")
        }
    }

    fn at_reserved_word(&self) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Word
            && RESERVED
                .iter()
                .any(|word| word.eq_ignore_ascii_case(token.text))
    }

    /// Whether a name stands here, bare or in quotes.
    fn at_name(&self) -> bool {
        match self.peek().kind {
            TokenKind::QuotedName => true,
            TokenKind::Word => !self.at_reserved_word(),
            _ => false,
        }
    }

    /// Whether a function is called here; the word in front of the bracket may be reserved.
    fn at_function(&self) -> bool {
        let next = self.peek_at(1);
        self.peek().kind == TokenKind::Word && next.kind == TokenKind::Symbol && next.text == "("
    }

    fn at_function_named(&self, name: &str) -> bool {
        self.at_function() && self.at_word(name)
    }

    /// Keeps the first of the mistakes that are told at the end.
    fn note(&mut self, message: impl Into<String>) {
        if self.noted.is_none() {
            self.noted = Some(ApiError::validation(message));
        }
    }

    /// Where a token stands, as messages say it: line, column, length.
    fn place(&self, token: &Token<'_>) -> String {
        self.place_of(token.start, token.text.chars().count())
    }

    fn place_of(&self, start: usize, length: usize) -> String {
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before
            .get(line_start..)
            .map_or(0, |text| text.chars().count());
        format!("{line}:{}:{length}", column + 1)
    }

    /// Enters a bracket, as far as brackets may nest.
    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let noted = self.noted.take();
            return Err(noted.unwrap_or_else(|| malformed("The statement nests too deep")));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    /// A name, bare or in quotes.
    fn name(&mut self) -> Parsed<String> {
        if !self.at_name() {
            return Err(self.unexpected_term());
        }
        let token = self.bump();
        Ok(match token.kind {
            TokenKind::QuotedName => unquoted(token.text),
            _ => token.text.to_owned(),
        })
    }

    /// A name of an attribute, which is not empty.
    fn attribute_name(&mut self) -> Parsed<String> {
        let name = self.name()?;
        self.note_attribute_name(&name);
        Ok(name)
    }

    /// Keeps the mistake of a name that no attribute can have.
    fn note_attribute_name(&mut self, name: &str) {
        if let Err(error) = check_attribute_name(name) {
            self.noted.get_or_insert(error);
        }
    }

    /// `name { "." name | "[" index "]" }`.
    fn path(&mut self) -> Parsed<DocumentPath> {
        let attribute = self.attribute_name()?;
        let mut steps = Vec::new();
        loop {
            if self.eat(".") {
                steps.push(PathElement::Attribute(self.attribute_name()?));
            } else if self.eat("[") {
                steps.push(PathElement::Index(self.list_index()?));
                self.expect("]")?;
            } else {
                return Ok(DocumentPath::new(attribute, steps));
            }
        }
    }

    fn list_index(&mut self) -> Parsed<usize> {
        let negative = self.eat("-");
        let token = self.bump();
        if token.kind != TokenKind::Number {
            return Err(malformed("Unexpected path component"));
        }
        match token.text.parse::<usize>() {
            Ok(index) if !negative && index <= LIST_INDEX_MAX => Ok(index),
            _ => {
                let sign = if negative { "-" } else { "" };
                let place = self.place(&token);
                self.note(format!(
                    "List index is not within the allowable range; index: [{sign}{}] at {place}",
                    token.text
                ));
                Ok(0)
            }
        }
    }

    /// The value of the next `?`.
    fn parameter(&mut self) -> AttributeValue {
        let value = self.parameters.get(self.parameters_used).cloned();
        self.parameters_used += 1;
        value.unwrap_or_else(|| {
            self.note(PARAMETERS_DIFFER);
            AttributeValue::Null
        })
    }

    /// Skips to behind the bracket that closes the one at the current position.
    fn skip_brackets(&mut self) -> Parsed<()> {
        let mut open = 0_usize;
        loop {
            let token = self.bump();
            match (token.kind, token.text) {
                (TokenKind::End, _) => return Err(malformed("Expected )")),
                (TokenKind::Symbol, "(") => open += 1,
                (TokenKind::Symbol, ")") => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return Ok(());
                    }
                }
                (TokenKind::Symbol, "?") => self.parameters_used += 1,
                _ => {}
            }
        }
    }
}
