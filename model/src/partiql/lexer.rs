//! Splits a statement into tokens.
//!
//! Names and strings keep their quotes and escapes in the token; [`unquoted`] takes them off.

/// What a token is, as far as the grammar cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A word: keyword, bare name or function name.
    Word,
    /// A name in double quotes.
    QuotedName,
    /// A string in single quotes.
    Text,
    /// A number without a sign.
    Number,
    /// Anything else with a meaning, by its text.
    Symbol,
    /// The end of the statement.
    End,
}

/// A token and where it stands, in bytes from the start of the statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) kind: TokenKind,
    /// As written, with quotes.
    pub(super) text: &'t str,
    pub(super) start: usize,
}

/// Symbols of several characters, longer ones before those that they begin with.
const SYMBOLS: [&str; 6] = ["<<", ">>", "<>", "<=", ">=", "!="];
/// Symbols of one character.
const SINGLE_SYMBOLS: &str = "()[]{},.:;=<>*+-/%?";

/// All tokens of `text`; the last is always [`TokenKind::End`], and only the last.
///
/// # Errors
/// What is wrong with the text, for the end of the message: a character without a meaning, or a quote
/// or comment without an end.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = skip_blanks(rest)?;
        let start = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push(Token {
                kind: TokenKind::End,
                text: "",
                start,
            });
            return Ok(tokens);
        };
        let (kind, length) = next_token(rest, first)?;
        let (token, tail) = rest.split_at(length);
        tokens.push(Token {
            kind,
            text: token,
            start,
        });
        rest = tail;
    }
}

/// Skips white space and comments: `-- to the end of the line` and `/* … */`.
fn skip_blanks(mut rest: &str) -> Result<&str, String> {
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment
                .find(['\n', '\r'])
                .and_then(|end| comment.get(end..))
                .unwrap_or_default();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment
                .split_once("*/")
                .map(|(_, rest)| rest)
                .ok_or_else(|| "Unterminated comment".to_owned())?;
        } else {
            return Ok(rest);
        }
    }
}

/// The kind and length in bytes of the token that `rest` starts with; the length is never 0.
fn next_token(rest: &str, first: char) -> Result<(TokenKind, usize), String> {
    if first.is_alphabetic() || first == '_' || first == '$' {
        return Ok((TokenKind::Word, word_length(rest)));
    }
    if first == '"' {
        return quoted_length(rest, '"').map(|length| (TokenKind::QuotedName, length));
    }
    if first == '\'' {
        return quoted_length(rest, '\'').map(|length| (TokenKind::Text, length));
    }
    let second_is_digit = rest
        .as_bytes()
        .get(1)
        .is_some_and(|second| second.is_ascii_digit());
    if first.is_ascii_digit() || (first == '.' && second_is_digit) {
        return Ok((TokenKind::Number, number_length(rest)));
    }
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        return Ok((TokenKind::Symbol, symbol.len()));
    }
    if SINGLE_SYMBOLS.contains(first) {
        return Ok((TokenKind::Symbol, 1));
    }
    Err(format!("Invalid character: {first}"))
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
        .unwrap_or(text.len())
}

/// The length of a quoted token; the quote stands for itself when it is doubled.
fn quoted_length(text: &str, quote: char) -> Result<usize, String> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            continue;
        }
        if characters.next_if(|(_, next)| *next == quote).is_none() {
            return Ok(at + quote.len_utf8());
        }
    }
    Err("Unterminated quote".to_owned())
}

/// `digits [. digits] [e [+-] digits]`, or a fraction alone.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes
            .iter()
            .skip(from)
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') {
        length += 1;
        length += digits(length);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// What stands between the quotes of a quoted name or string, escapes resolved.
pub(super) fn unquoted(token: &str) -> String {
    let quote = token.get(..1).unwrap_or_default();
    let inner = token.get(1..token.len().saturating_sub(1));
    inner.unwrap_or_default().replace(&quote.repeat(2), quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let tokens = tokenize(text).unwrap();
        let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        assert_eq!(texts, expected, "{text}");
    }

    #[test]
    fn tokens_need_no_blanks_between_them() {
        check(
            "SELECT a.b[10] FROM\"T\".\"i\"WHERE x<>'it''s' -- end",
            &[
                "SELECT", "a", ".", "b", "[", "10", "]", "FROM", "\"T\"", ".", "\"i\"", "WHERE",
                "x", "<>", "'it''s'", "",
            ],
        );
        check("<<1,-2.5e+3>>", &["<<", "1", ",", "-", "2.5e+3", ">>", ""]);
        check("a/* x */!=?;", &["a", "!=", "?", ";", ""]);
        check(".5e x", &[".5", "e", "x", ""]);
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unquoted("'it''s'"), "it's");
        assert_eq!(unquoted("''"), "");
        assert_eq!(unquoted("\"a\"\"b\""), "a\"b");
        assert_eq!(unquoted("''''"), "'");
    }

    #[test]
    fn what_has_no_end_or_no_meaning_is_refused() {
        for text in ["'a", "'a''", "\"", "/* a", "a = `x`", "a ! b", "é # b"] {
            assert!(tokenize(text).is_err(), "{text}");
        }
    }
}
