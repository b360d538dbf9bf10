//! Bodies of the fuzz targets: plain functions, so that property tests run them too.
//!
//! Each takes any bytes, must not panic, and asserts what has to hold for whatever it accepts.

use crate::expression::fuzzing;
use crate::json;
use crate::operations::{BatchWriteItemRequest, PutItemRequest};

/// Item JSON: what is accepted is written and read back to the same item, and the request parsers
/// around it survive anything.
pub fn item_json(data: &[u8]) {
    if let Ok(item) = json::parse_item(data) {
        let text = json::item_to_json(&item);
        let again = json::parse_item(&text);
        assert_eq!(
            again.as_ref(),
            Ok(&item),
            "an item does not survive its own JSON"
        );
        assert!(
            crate::value::items_data_equal(&item, &item),
            "an item does not equal itself"
        );
    }
    if let Ok(request) = PutItemRequest::parse(data) {
        assert_eq!(
            PutItemRequest::parse(&request.to_json()).as_ref(),
            Ok(&request),
            "a PutItem request does not survive its own JSON"
        );
    }
    if let Ok(request) = BatchWriteItemRequest::parse(data) {
        assert_eq!(
            BatchWriteItemRequest::parse(&request.to_json()).as_ref(),
            Ok(&request),
            "a BatchWriteItem request does not survive its own JSON"
        );
    }
}

/// Expressions: any text, taken as each kind of expression, is refused or can be applied to items.
pub fn expressions(data: &[u8]) {
    fuzzing::parse_and_apply(&String::from_utf8_lossy(data), &fuzzing::item());
}
