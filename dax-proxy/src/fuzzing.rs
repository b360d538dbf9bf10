//! The body of the fuzz target on the native protocol: a plain function, so that a property test runs it too.

use std::collections::BTreeMap;
use std::sync::Arc;

use stator_model::KeySchema;
use stator_model::key::{KeyAttribute, ScalarType};

use crate::native::{AttributeLists, ListId, Request, Scanner};

/// One list, under whatever id.
struct AnyList;

impl AttributeLists for AnyList {
    fn names(&self, _id: ListId) -> Option<Arc<[String]>> {
        Some(Arc::from(["a".to_owned(), "b".to_owned()]))
    }
}

/// What a client may send, from the preamble on: any bytes. Whatever is understood becomes JSON that can be read, and a
/// request ends where it ends no matter in which pieces it arrives.
///
/// # Panics
/// Where that does not hold.
pub fn frames(data: &[u8]) {
    let mut scanner = Scanner::default();
    let mut rest = match scanner.preamble(data) {
        Ok(Some(preamble)) => data.get(preamble.length..).unwrap_or_default(),
        // Most noise is no preamble: go on as if there had been one.
        Ok(None) | Err(_) => data,
    };
    scanner = Scanner::default();
    while let Ok(Some(frame)) = scanner.request(rest) {
        let (request, behind) = rest.split_at(frame.length);
        assert_eq!(
            piecewise(rest),
            Some(frame.length),
            "a request in pieces ends elsewhere"
        );
        if let Ok(Request::Data(data)) = Request::read(&frame, request) {
            for sorted in [false, true] {
                let schemas: BTreeMap<String, KeySchema> = data
                    .tables
                    .iter()
                    .map(|table| (table.clone(), schema(table, sorted)))
                    .collect();
                if let Ok(translated) = data.translate(&schemas, &AnyList) {
                    let read = serde_json::from_slice::<serde::de::IgnoredAny>(&translated.body);
                    assert!(read.is_ok(), "a request became no JSON");
                }
            }
        }
        rest = behind;
    }
}

/// Where the first request ends if its bytes come one by one.
fn piecewise(data: &[u8]) -> Option<usize> {
    let mut scanner = Scanner::default();
    (0..=data.len()).find_map(|length| {
        let found = scanner.request(data.get(..length).unwrap_or_default());
        found.ok().flatten().map(|frame| frame.length)
    })
}

/// A key whose types follow from the table's name, so that noise meets all of them.
fn schema(table: &str, sorted: bool) -> KeySchema {
    let attribute = |name: &str, number: usize| KeyAttribute {
        name: name.to_owned(),
        scalar_type: match (table.len() + number) % 3 {
            0 => ScalarType::S,
            1 => ScalarType::N,
            _ => ScalarType::B,
        },
    };
    KeySchema {
        partition_key: attribute("pk", 0),
        sort_key: sorted.then(|| attribute("sk", 1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::frames;

    /// The beginnings of requests of every method, for noise to follow.
    const METHODS: &[u8] = b"\x01\x1a\x0f\xb0\xcc\x6a";

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            frames(&data);
            frames(&[METHODS, &data].concat());
        }
    }
}
