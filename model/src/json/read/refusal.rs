//! The service's words for values of the wrong JSON type.

use crate::error::{ApiError, ErrorCode};

/// The JSON that a shape can be given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Text,
    Number,
    True,
    False,
    Array,
    Object,
}

/// What the service expects in a place, for the text of its refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Text,
    Integer,
    Long,
    Double,
    Boolean,
    Bytes,
    List,
    Map,
    Structure,
    AttributeValue,
    Document,
}

impl Expected {
    /// The service's words for a value of the wrong JSON type. They are those of its Java parser.
    pub(crate) fn refusal(self, given: Given) -> ApiError {
        const COLLECTION: &str = "Unrecognized collection type class";
        let scalar = match self {
            Expected::Text => "String",
            Expected::Integer => "Integer",
            Expected::Long => "Long",
            Expected::Double => "Double",
            Expected::Boolean => "Boolean",
            _ => "",
        };
        let text = match (self, given) {
            (Expected::Document, _) => {
                return ApiError::without_message(ErrorCode::SerializationException);
            }
            (_, Given::Object) => "Start of structure or map found where not expected".to_owned(),
            (Expected::Map, Given::Array) => {
                "Unrecognized collection type java.util.Map<java.lang.String, \
                 com.amazonaws.dynamodb.v20120810.AttributeValue>"
                    .to_owned()
            }
            (Expected::Structure | Expected::AttributeValue | Expected::List, Given::Array) => {
                format!("{COLLECTION} com.amazonaws.dynamodb.v20120810.AttributeValue")
            }
            (Expected::Bytes, Given::Array) => format!("{COLLECTION} java.nio.ByteBuffer"),
            (_, Given::Array) => format!("{COLLECTION} java.lang.{scalar}"),
            (Expected::List | Expected::Map, _) => "Unexpected field type".to_owned(),
            (Expected::Structure | Expected::AttributeValue, _) => {
                "Unexpected value type in payload".to_owned()
            }
            (Expected::Bytes, _) => {
                "only base-64-encoded strings are convertible to bytes".to_owned()
            }
            (Expected::Boolean, Given::Text) => "Unexpected token received from parser".to_owned(),
            (Expected::Boolean, _) => {
                "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be \
                 converted to an Boolean"
                    .to_owned()
            }
            (_, Given::Text) => format!("STRING_VALUE cannot be converted to {scalar}"),
            (_, Given::Number) => format!("NUMBER_VALUE cannot be converted to {scalar}"),
            (_, Given::True) => format!("TRUE_VALUE cannot be converted to {scalar}"),
            (_, Given::False) => format!("FALSE_VALUE cannot be converted to {scalar}"),
        };
        ApiError::serialization(text)
    }
}
