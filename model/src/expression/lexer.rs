//! Splits expression text into tokens; shared by all kinds of expression.
//!
//! The lexer never fails: a character that belongs to no token becomes a token of its own, and the
//! parser names it in its syntax error.

/// What a token is, as far as the grammar cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A word: keyword, attribute name or function name.
    Identifier,
    /// `#name`.
    NameRef,
    /// `:value`.
    ValueRef,
    /// Digits.
    Number,
    /// `=`, `<>`, `<`, `<=`, `>` or `>=`.
    Comparator(Comparator),
    /// Any other single character with a meaning: one of `( ) [ ] , . + -`.
    Punctuation(u8),
    /// A character with no meaning in the language.
    Unknown,
    /// The end of the text.
    End,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    /// The operator as written in expressions and messages.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The operator that says the same with its operands exchanged.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// A token and where it stands, in bytes from the start of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) kind: TokenKind,
    pub(super) text: &'t str,
    pub(super) start: usize,
}

impl Token<'_> {
    /// Where the token ends: the offset of the first byte behind it.
    pub(super) fn end(&self) -> usize {
        match self.kind {
            TokenKind::End => self.start,
            _ => self.start + self.text.len(),
        }
    }
}

/// All tokens of `text`; the last is always [`TokenKind::End`], and only the last.
pub(super) fn tokenize(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let start = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push(Token {
                kind: TokenKind::End,
                text: "<EOF>",
                start,
            });
            return tokens;
        };
        let (kind, length) = next_token(rest, first);
        let (token, tail) = rest.split_at(length);
        tokens.push(Token {
            kind,
            text: token,
            start,
        });
        rest = tail;
    }
}

/// The kind and length in bytes of the token that `rest` starts with; the length is never 0.
fn next_token(rest: &str, first: char) -> (TokenKind, usize) {
    match first {
        'a'..='z' | 'A'..='Z' | '_' => (TokenKind::Identifier, word_length(rest)),
        '0'..='9' => {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            (TokenKind::Number, length)
        }
        '#' | ':' => {
            let name = rest.get(1..).map_or(0, word_length);
            match (name, first) {
                (0, _) => (TokenKind::Unknown, 1),
                (_, '#') => (TokenKind::NameRef, name + 1),
                _ => (TokenKind::ValueRef, name + 1),
            }
        }
        '=' => (TokenKind::Comparator(Comparator::Equal), 1),
        '<' if rest.starts_with("<>") => (TokenKind::Comparator(Comparator::NotEqual), 2),
        '<' if rest.starts_with("<=") => (TokenKind::Comparator(Comparator::LessOrEqual), 2),
        '<' => (TokenKind::Comparator(Comparator::Less), 1),
        '>' if rest.starts_with(">=") => (TokenKind::Comparator(Comparator::GreaterOrEqual), 2),
        '>' => (TokenKind::Comparator(Comparator::Greater), 1),
        '(' => (TokenKind::Punctuation(b'('), 1),
        ')' => (TokenKind::Punctuation(b')'), 1),
        '[' => (TokenKind::Punctuation(b'['), 1),
        ']' => (TokenKind::Punctuation(b']'), 1),
        ',' => (TokenKind::Punctuation(b','), 1),
        '.' => (TokenKind::Punctuation(b'.'), 1),
        '+' => (TokenKind::Punctuation(b'+'), 1),
        '-' => (TokenKind::Punctuation(b'-'), 1),
        other => (TokenKind::Unknown, other.len_utf8()),
    }
}

/// How many bytes of `[a-zA-Z0-9_]` the text starts with.
fn word_length(text: &str) -> usize {
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let tokens: Vec<&str> = tokenize(text).iter().map(|token| token.text).collect();
        assert_eq!(tokens, expected, "{text}");
    }

    #[test]
    fn tokens_need_no_blanks_between_them() {
        check("a=:v", &["a", "=", ":v", "<EOF>"]);
        check(
            "a<>:v AND#b>=c[10].d",
            &[
                "a", "<>", ":v", "AND", "#b", ">=", "c", "[", "10", "]", ".", "d", "<EOF>",
            ],
        );
        check(
            "tenantAgent:abc123-",
            &["tenantAgent", ":abc123", "-", "<EOF>"],
        );
        check("1a", &["1", "a", "<EOF>"]);
        check(" \t\r\n ", &["<EOF>"]);
    }

    #[test]
    fn characters_without_meaning_are_tokens_of_their_own() {
        check("a = é!!", &["a", "=", "é", "!", "!", "<EOF>"]);
        check("# : #:", &["#", ":", "#", ":", "<EOF>"]);
        assert_eq!(
            tokenize("# :").first().map(|token| token.kind),
            Some(TokenKind::Unknown)
        );
    }
}
