//! `NextToken`: where a `SELECT` goes on, bound to the statement that it belongs to.
//!
//! ```text
//! version   1 byte: 1
//! digest    8 bytes, big endian: of the statement and its parameters, see [`statement_digest`]
//! read      4 bytes, big endian: which of the statement's reads, in the order of the answer
//! key       the key to go on after, as JSON; empty to begin that read
//! ```
//! in base64. Nobody but the node that reads it depends on the layout; the version keeps nodes of
//! different releases from misreading each other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::ApiError;
use crate::json;
use crate::value::{AttributeValue, Item};

const VERSION: u8 = 1;

/// Where a `SELECT` goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct NextToken {
    /// Which of the statement's reads.
    pub read: u32,
    /// The key to go on after; `None` to begin the read.
    pub key: Option<Item>,
}

impl NextToken {
    /// The token as clients get it.
    pub fn encode(&self, digest: u64) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&digest.to_be_bytes());
        bytes.extend_from_slice(&self.read.to_be_bytes());
        if let Some(key) = &self.key {
            json::write_item(key, &mut bytes);
        }
        BASE64.encode(bytes)
    }

    /// Reads a token of the statement with that digest.
    ///
    /// # Errors
    /// A ValidationException: not a token, or of another statement.
    pub fn decode(text: &str, digest: u64) -> Result<Self, ApiError> {
        let invalid = || ApiError::validation("Invalid NextToken");
        let bytes = BASE64.decode(text).map_err(|_| invalid())?;
        let (version, rest) = bytes.split_first().ok_or_else(invalid)?;
        let (of_statement, rest) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
        let (read, key) = rest.split_first_chunk::<4>().ok_or_else(invalid)?;
        if *version != VERSION {
            return Err(invalid());
        }
        if u64::from_be_bytes(*of_statement) != digest {
            return Err(ApiError::validation("NextToken does not match request"));
        }
        let key = match key {
            [] => None,
            key => Some(json::parse_item(key).map_err(|_| invalid())?),
        };
        Ok(Self {
            read: u32::from_be_bytes(*read),
            key,
        })
    }
}

/// What a [`NextToken`] is bound to: XXH3-64 of the statement's text and its parameters.
pub fn statement_digest(statement: &str, parameters: &[AttributeValue]) -> u64 {
    let mut bytes = statement.as_bytes().to_vec();
    for parameter in parameters {
        // No byte of UTF-8.
        bytes.push(0xff);
        json::write_value(parameter, &mut bytes);
    }
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_for_its_own_statement_only() {
        let key = Item::from([("pk".to_owned(), AttributeValue::string("a"))]);
        let one = [AttributeValue::string("x")];
        let digest = statement_digest("SELECT", &one);
        for key in [Some(key), None] {
            let token = NextToken { read: 7, key };
            let text = token.encode(digest);
            assert_eq!(NextToken::decode(&text, digest), Ok(token));
            for other in [
                statement_digest("SELECT", &[]),
                statement_digest("SELECT ", &one),
                statement_digest("SELECT", &[AttributeValue::string("y")]),
            ] {
                let error = NextToken::decode(&text, other).unwrap_err();
                assert_eq!(
                    error.message.as_deref(),
                    Some("NextToken does not match request")
                );
            }
        }
    }

    #[test]
    fn what_is_no_token_is_invalid() {
        for text in ["garbage", "", "AQ==", "!!!!", "AgAAAAAAAAAAAAAAAAA="] {
            let error = NextToken::decode(text, 0).unwrap_err();
            assert_eq!(
                error.message.as_deref(),
                Some("Invalid NextToken"),
                "{text}"
            );
        }
    }
}
