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
    Document,
}

/// A class of the service's model, as its Java parser names it.
pub(crate) fn java_class(name: &str) -> String {
    format!("com.amazonaws.dynamodb.v20120810.{name}")
}

/// A scalar where a list or map is the member of another: the service's parser stumbles over its own
/// type.
const UNCASTABLE: &str = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class \
     java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and \
     java.lang.Class are in module java.base of loader 'bootstrap')";

impl Expected {
    /// The service's words for a value of the wrong JSON type. They are those of its Java parser:
    /// `java_type` is what it reads the place into, and `nested` says whether the place is a member
    /// of a list or a map rather than of a structure.
    pub(crate) fn refusal(self, given: Given, java_type: &str, nested: bool) -> ApiError {
        let scalar = match self {
            Expected::Text => "String",
            Expected::Integer => "Integer",
            Expected::Long => "Long",
            Expected::Double => "Double",
            Expected::Boolean => "Boolean",
            Expected::Bytes
            | Expected::List
            | Expected::Map
            | Expected::Structure
            | Expected::Document => "",
        };
        let text = match (self, given) {
            (Expected::Document, _) => {
                return ApiError::without_message(ErrorCode::SerializationException);
            }
            (_, Given::Object) => "Start of structure or map found where not expected".to_owned(),
            (_, Given::Array) if java_type.starts_with("java.util.") => {
                format!("Unrecognized collection type {java_type}")
            }
            (_, Given::Array) => format!("Unrecognized collection type class {java_type}"),
            (Expected::List | Expected::Map, _) if nested => UNCASTABLE.to_owned(),
            (Expected::Structure, _) if nested => "Unexpected value type in payload".to_owned(),
            (Expected::List | Expected::Map | Expected::Structure, _) => {
                "Unexpected field type".to_owned()
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
