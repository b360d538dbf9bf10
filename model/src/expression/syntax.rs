//! The parser's common part: token stream, syntax errors, operands, functions and document paths.
//!
//! It builds trees of slices of the text and resolves nothing, so that it fails only for syntax.
//! Depth is bounded by [`BRACKET_DEPTH_MAX`]; length needs no bound of its own, the text has one.

use super::{
    BRACKET_DEPTH_MAX,
    lexer::{Token, TokenKind, tokenize},
};

/// A syntax error's text, without the name of the expression.
pub(super) type SyntaxError = String;

/// The result of parsing a piece of an expression.
pub(super) type Parsed<T> = Result<T, SyntaxError>;

/// An element of a document path as written.
#[derive(Debug)]
pub(super) enum RawElement<'t> {
    /// A bare attribute name.
    Name(&'t str),
    /// `#name`.
    NameRef(&'t str),
    /// The digits of `[digits]`.
    Index(&'t str),
}

/// A document path as written.
#[derive(Debug)]
pub(super) struct RawPath<'t> {
    pub(super) elements: Vec<RawElement<'t>>,
}

/// A function call as written.
#[derive(Debug)]
pub(super) struct RawFunction<'t> {
    pub(super) name: &'t str,
    pub(super) arguments: Vec<RawOperand<'t>>,
}

/// An operand as written.
#[derive(Debug)]
pub(super) enum RawOperand<'t> {
    Path(RawPath<'t>),
    /// `:value`.
    Value(&'t str),
    Function(RawFunction<'t>),
}

/// A position in the tokens of one expression, and what has been noticed on the way there.
#[derive(Debug)]
pub(super) struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    position: usize,
    keywords: &'static [&'static str],
    depth: usize,
    /// How many operators were read; the limit is checked once the whole text is known to parse.
    pub(super) operators: usize,
    /// Whether brackets stood directly inside brackets; an error once the whole text parsed.
    pub(super) redundant_brackets: bool,
}

impl<'t> Parser<'t> {
    /// A parser at the start of `text`, in which `keywords` cannot be names.
    pub(super) fn new(text: &'t str, keywords: &'static [&'static str]) -> Self {
        Self {
            text,
            tokens: tokenize(text),
            position: 0,
            keywords,
            depth: 0,
            operators: 0,
            redundant_brackets: false,
        }
    }

    /// The token at the current position.
    pub(super) fn peek(&self) -> Token<'t> {
        self.token_at(self.position)
    }

    /// The token `ahead` places further on; the end for all places behind the end.
    pub(super) fn peek_at(&self, ahead: usize) -> Token<'t> {
        self.token_at(self.position.saturating_add(ahead))
    }

    fn token_at(&self, position: usize) -> Token<'t> {
        let end = Token {
            kind: TokenKind::End,
            text: "<EOF>",
            start: self.text.len(),
        };
        self.tokens
            .get(position)
            .or_else(|| self.tokens.last())
            .copied()
            .unwrap_or(end)
    }

    /// Moves behind the current token and returns it.
    pub(super) fn bump(&mut self) -> Token<'t> {
        let token = self.peek();
        if token.kind != TokenKind::End {
            self.position += 1;
        }
        token
    }

    /// Whether the current token is this punctuation character.
    pub(super) fn at(&self, punctuation: u8) -> bool {
        self.peek().kind == TokenKind::Punctuation(punctuation)
    }

    /// Moves behind the current token if it is this punctuation character.
    pub(super) fn eat(&mut self, punctuation: u8) -> bool {
        let found = self.at(punctuation);
        if found {
            self.position += 1;
        }
        found
    }

    /// Moves behind this punctuation character, or fails.
    pub(super) fn expect(&mut self, punctuation: u8) -> Parsed<()> {
        if self.eat(punctuation) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    /// The keyword at the current position, in upper case.
    pub(super) fn keyword(&self) -> Option<&'static str> {
        let token = self.peek();
        if token.kind != TokenKind::Identifier {
            return None;
        }
        self.keywords
            .iter()
            .copied()
            .find(|keyword| keyword.eq_ignore_ascii_case(token.text))
    }

    /// Moves behind the current token if it is this keyword.
    pub(super) fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.keyword() == Some(keyword);
        if found {
            self.position += 1;
        }
        found
    }

    /// Fails unless the whole text has been read.
    pub(super) fn expect_end(&self) -> Parsed<()> {
        match self.peek().kind {
            TokenKind::End => Ok(()),
            _ => Err(self.syntax_error()),
        }
    }

    /// The syntax error that names the current token.
    ///
    /// What it is "near" is the text from the token before it to the token behind it, as written.
    pub(super) fn syntax_error(&self) -> SyntaxError {
        let token = self.peek();
        let first = match self.position.checked_sub(1) {
            Some(previous) => self.token_at(previous),
            None => token,
        };
        let next = self.peek_at(1);
        let last = match (next.kind, token.kind) {
            (_, TokenKind::End) => first,
            (TokenKind::End, _) => token,
            _ => next,
        };
        let near = self.text.get(first.start..last.end()).unwrap_or_default();
        format!("Syntax error; token: \"{}\", near: \"{near}\"", token.text)
    }

    /// Reads the opening bracket at the current position; every one read has to be closed with
    /// [`Self::close_bracket`].
    pub(super) fn open_bracket(&mut self) -> Parsed<()> {
        if self.depth >= BRACKET_DEPTH_MAX {
            return Err(self.syntax_error());
        }
        self.expect(b'(')?;
        self.depth += 1;
        Ok(())
    }

    /// Reads the closing bracket at the current position, or fails.
    pub(super) fn close_bracket(&mut self) -> Parsed<()> {
        self.expect(b')')?;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// `operand = path | value-ref | function | "(" operand ")"`.
    pub(super) fn operand(&mut self) -> Parsed<RawOperand<'t>> {
        if self.at(b'(') {
            let inner_is_bracket = self.peek_at(1).kind == TokenKind::Punctuation(b'(');
            self.open_bracket()?;
            let operand = self.operand()?;
            self.close_bracket()?;
            self.redundant_brackets |= inner_is_bracket;
            return Ok(operand);
        }
        self.bare_operand()
    }

    /// An operand that does not start with a bracket.
    pub(super) fn bare_operand(&mut self) -> Parsed<RawOperand<'t>> {
        let token = self.peek();
        let is_call = token.kind == TokenKind::Identifier
            && self.keyword().is_none()
            && self.peek_at(1).kind == TokenKind::Punctuation(b'(');
        if token.kind == TokenKind::ValueRef {
            self.bump();
            Ok(RawOperand::Value(token.text))
        } else if is_call {
            self.function().map(RawOperand::Function)
        } else {
            self.path().map(RawOperand::Path)
        }
    }

    fn function(&mut self) -> Parsed<RawFunction<'t>> {
        let name = self.bump().text;
        self.open_bracket()?;
        let mut arguments = vec![self.operand()?];
        while self.eat(b',') {
            arguments.push(self.operand()?);
        }
        self.close_bracket()?;
        Ok(RawFunction { name, arguments })
    }

    /// `path = name { "." name | "[" digits "]" }`.
    pub(super) fn path(&mut self) -> Parsed<RawPath<'t>> {
        let mut elements = vec![self.path_name()?];
        loop {
            if self.eat(b'.') {
                elements.push(self.path_name()?);
            } else if self.eat(b'[') {
                if self.peek().kind != TokenKind::Number {
                    return Err(self.syntax_error());
                }
                elements.push(RawElement::Index(self.bump().text));
                self.expect(b']')?;
            } else {
                return Ok(RawPath { elements });
            }
        }
    }

    fn path_name(&mut self) -> Parsed<RawElement<'t>> {
        let token = self.peek();
        let element = match token.kind {
            TokenKind::Identifier if self.keyword().is_none() && !token.text.starts_with('_') => {
                RawElement::Name(token.text)
            }
            TokenKind::NameRef => RawElement::NameRef(token.text),
            _ => return Err(self.syntax_error()),
        };
        self.bump();
        Ok(element)
    }
}
