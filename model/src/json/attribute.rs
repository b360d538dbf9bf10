//! Attribute values in requests and answers: `{"S":"x"}`, `{"N":"1"}`, `{"M":{…}}`.
//!
//! Wrong JSON types end the reading with a SerializationException. A value that is typed well and
//! breaks a rule is noted in the [`Context`] and stands as NULL, so that the operation can first
//! report what comes before it in the service's order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::ApiError;
use crate::json::read::{Boolean, Context, Expected, List, Seed, Shape, Text, java_class};
use crate::limits;
use crate::number::Number;
use crate::value::{AttributeValue, Item, check_attribute_name};

/// A map of attribute values; `level` is the nesting level of its members, 1 for an item's own.
#[derive(Clone, Copy)]
pub(crate) struct AttributeMap {
    level: usize,
}

impl AttributeMap {
    /// An item, a key, or a map of expression attribute values.
    pub(crate) const ITEM: AttributeMap = AttributeMap { level: 1 };
}

impl Shape for AttributeMap {
    type Output = Option<Item>;
    const EXPECTED: Expected = Expected::Map;

    fn java_type() -> String {
        format!("java.util.Map<java.lang.String, {}>", Value::java_type())
    }

    fn on_null(self, _context: &Context) -> Option<Item> {
        None
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        mut object: A,
    ) -> Result<Option<Item>, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = object.next_key::<String>()? {
            if let Err(error) = check_attribute_name(&name) {
                context.note(error);
            }
            context.set_nested(true);
            let value = object.next_value_seed(Seed {
                context,
                shape: Value { level: self.level },
            })?;
            members.insert(name, value);
        }
        Ok(Some(members))
    }
}

/// One attribute value at that level of nesting.
#[derive(Clone, Copy)]
pub(crate) struct Value {
    level: usize,
}

impl Value {
    /// The value of a top-level attribute.
    pub(crate) const TOP: Value = Value { level: 1 };
}

impl Shape for Value {
    type Output = AttributeValue;
    const EXPECTED: Expected = Expected::Structure;

    fn java_type() -> String {
        java_class("AttributeValue")
    }

    fn on_null(self, context: &Context) -> AttributeValue {
        context.note_untyped(ApiError::validation(NO_TYPE));
        AttributeValue::Null
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        mut object: A,
    ) -> Result<AttributeValue, A::Error> {
        let mut found = None;
        let mut types = 0u32;
        while let Some(name) = object.next_key_seed(TypeNameSeed)? {
            context.set_nested(false);
            let value = match name {
                TypeName::S => object
                    .next_value_seed(Seed {
                        context,
                        shape: Text,
                    })?
                    .map(AttributeValue::S),
                TypeName::N => object
                    .next_value_seed(Seed {
                        context,
                        shape: NumberText,
                    })?
                    .map(AttributeValue::N),
                TypeName::B => object
                    .next_value_seed(Seed {
                        context,
                        shape: Base64Text,
                    })?
                    .map(AttributeValue::B),
                TypeName::Bool => object
                    .next_value_seed(Seed {
                        context,
                        shape: Boolean,
                    })?
                    .map(AttributeValue::Bool),
                TypeName::Null => object
                    .next_value_seed(Seed {
                        context,
                        shape: Boolean,
                    })?
                    .map(|is_null| {
                        if !is_null {
                            context.note(request_rule(
                                "Null attribute value types must have the value of true",
                            ));
                        }
                        AttributeValue::Null
                    }),
                TypeName::Ss => object
                    .next_value_seed(Seed {
                        context,
                        shape: List(Text),
                    })?
                    .map(|texts| string_set(context, texts)),
                TypeName::Ns => object
                    .next_value_seed(Seed {
                        context,
                        shape: List(NumberText),
                    })?
                    .map(|numbers| number_set(context, numbers)),
                TypeName::Bs => object
                    .next_value_seed(Seed {
                        context,
                        shape: List(Base64Text),
                    })?
                    .map(|values| binary_set(context, values)),
                TypeName::L | TypeName::M if self.level >= limits::NESTING_LEVELS_MAX => {
                    // Deeper values are skipped without recursion, whatever their depth. Whether
                    // this container is empty decides, and skipping does not tell: see `Leaf`.
                    object.next_value_seed(Seed {
                        context,
                        shape: Leaf {
                            list: name == TypeName::L,
                        },
                    })?
                }
                TypeName::L => object
                    .next_value_seed(Seed {
                        context,
                        shape: List(Value {
                            level: self.level + 1,
                        }),
                    })?
                    .map(AttributeValue::L),
                TypeName::M => object
                    .next_value_seed(Seed {
                        context,
                        shape: AttributeMap {
                            level: self.level + 1,
                        },
                    })?
                    .map(AttributeValue::M),
                TypeName::Unknown => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if let Some(value) = value {
                types += 1;
                found = Some(value);
            }
        }
        match (types, found) {
            (1, Some(value)) => Ok(value),
            (0, _) => {
                context.note_untyped(ApiError::validation(NO_TYPE));
                Ok(AttributeValue::Null)
            }
            _ => {
                context.note(ApiError::validation(SEVERAL_TYPES));
                Ok(AttributeValue::Null)
            }
        }
    }
}

/// An attribute value that a member may have; null stands for none.
#[derive(Clone, Copy)]
pub(crate) struct OptionalValue;

impl Shape for OptionalValue {
    type Output = Option<AttributeValue>;
    const EXPECTED: Expected = Expected::Structure;

    fn java_type() -> String {
        Value::java_type()
    }

    fn on_null(self, _context: &Context) -> Option<AttributeValue> {
        None
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        object: A,
    ) -> Result<Option<AttributeValue>, A::Error> {
        Value::TOP.on_object(context, object).map(Some)
    }
}

/// No type, or no request in an entry of a BatchWriteItem.
pub(crate) const NO_TYPE: &str =
    "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
/// Several types, or both requests in an entry of a BatchWriteItem.
pub(crate) const SEVERAL_TYPES: &str = "Supplied AttributeValue has more than one datatypes set, must contain \
                             exactly one of the supported datatypes";

/// A list or map at the deepest level that is allowed: it may exist, with nothing in it.
struct Leaf {
    list: bool,
}

impl Shape for Leaf {
    type Output = Option<AttributeValue>;
    const EXPECTED: Expected = Expected::List;

    fn java_type() -> String {
        AttributeMap::java_type()
    }

    fn on_null(self, _context: &Context) -> Option<AttributeValue> {
        None
    }

    fn on_array<'de, A: SeqAccess<'de>>(
        self,
        context: &Context,
        mut array: A,
    ) -> Result<Option<AttributeValue>, A::Error> {
        if !self.list {
            return AttributeMap::ITEM.on_array(context, array).map(|_| None);
        }
        let mut deeper = false;
        while array.next_element::<IgnoredAny>()?.is_some() {
            deeper = true;
        }
        note_depth(context, deeper);
        Ok(Some(AttributeValue::L(Vec::new())))
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        mut object: A,
    ) -> Result<Option<AttributeValue>, A::Error> {
        if self.list {
            return List(Text).on_object(context, object).map(|_| None);
        }
        let mut deeper = false;
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            deeper = true;
        }
        note_depth(context, deeper);
        Ok(Some(AttributeValue::M(BTreeMap::new())))
    }
}

fn note_depth(context: &Context, too_deep: bool) {
    if too_deep {
        context.note(ApiError::validation(
            "Nesting Levels have exceeded supported limits",
        ));
    }
}

/// The text of a number.
#[derive(Clone, Copy)]
struct NumberText;

impl Shape for NumberText {
    type Output = Option<Number>;
    const EXPECTED: Expected = Expected::Text;

    fn java_type() -> String {
        Text::java_type()
    }

    fn on_null(self, _context: &Context) -> Option<Number> {
        None
    }

    fn on_text(self, context: &Context, text: &str) -> Result<Option<Number>, ApiError> {
        Ok(Some(Number::parse(text).unwrap_or_else(|error| {
            context.note_number(ApiError::validation(error.to_string()));
            Number::ZERO
        })))
    }
}

/// The base64 text of a binary value.
#[derive(Clone, Copy)]
struct Base64Text;

impl Shape for Base64Text {
    type Output = Option<Bytes>;
    const EXPECTED: Expected = Expected::Bytes;

    fn java_type() -> String {
        "java.nio.ByteBuffer".to_owned()
    }

    fn on_null(self, _context: &Context) -> Option<Bytes> {
        None
    }

    fn on_text(self, _context: &Context, text: &str) -> Result<Option<Bytes>, ApiError> {
        BASE64
            .decode(text)
            .map(|bytes| Some(Bytes::from(bytes)))
            .map_err(|_| ApiError::serialization(base64_refusal(text)))
    }
}

/// The service's words for text that is not base64, found out only when it is not.
fn base64_refusal(text: &str) -> String {
    if !text.len().is_multiple_of(4) {
        return format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        );
    }
    let body = text.trim_end_matches('=');
    match body.chars().find(|character| {
        !(character.is_ascii_alphanumeric() || *character == '+' || *character == '/')
    }) {
        Some(character) => format!("Invalid Base64 character: '{character}'"),
        // The typing error is the service's.
        None => "Invalid last non-pad Base64 character dectected".to_owned(),
    }
}

fn string_set(context: &Context, texts: Vec<Option<String>>) -> AttributeValue {
    let texts = without_nulls(
        context,
        texts,
        "An string set  may not have a null string as a member",
    );
    if texts.is_empty() {
        context.note(request_rule("An string set  may not be empty"));
    } else if has_duplicates(&texts) {
        context.note(request_rule(&format!(
            "Input collection [{}] contains duplicates.",
            texts.join(", ")
        )));
    }
    AttributeValue::Ss(texts)
}

fn number_set(context: &Context, numbers: Vec<Option<Number>>) -> AttributeValue {
    let numbers = without_nulls(
        context,
        numbers,
        "An number set  may not have a null string as a member",
    );
    if numbers.is_empty() {
        context.note(request_rule("An number set  may not be empty"));
    } else if has_duplicates(&numbers) {
        context.note_number(ApiError::request_validation(
            "Input collection contains duplicates",
        ));
    }
    AttributeValue::Ns(numbers)
}

fn binary_set(context: &Context, values: Vec<Option<Bytes>>) -> AttributeValue {
    let values = without_nulls(context, values, "Binary sets may not contain null values");
    if values.is_empty() {
        context.note(request_rule("Binary sets should not be empty"));
    } else if has_duplicates(&values) {
        let texts: Vec<String> = values.iter().map(|value| BASE64.encode(value)).collect();
        context.note(request_rule(&format!(
            "Input collection [{}]of type BS contains duplicates.",
            texts.join(", ")
        )));
    }
    AttributeValue::Bs(values)
}

fn without_nulls<T>(context: &Context, members: Vec<Option<T>>, refusal: &str) -> Vec<T> {
    let count = members.len();
    let members: Vec<T> = members.into_iter().flatten().collect();
    if members.len() < count {
        context.note(request_rule(refusal));
    }
    members
}

fn has_duplicates<T: Ord>(members: &[T]) -> bool {
    /// Below this, comparing all pairs is faster than building a tree.
    const PAIRWISE_MAX: usize = 8;
    if members.len() <= PAIRWISE_MAX {
        return members
            .iter()
            .enumerate()
            .any(|(at, member)| members.iter().skip(at + 1).any(|other| other == member));
    }
    let mut seen = BTreeSet::new();
    !members.iter().all(|member| seen.insert(member))
}

/// A rule that PutItem and UpdateItem report with their own beginning.
fn request_rule(text: &str) -> ApiError {
    ApiError::request_validation(format!("One or more parameter values were invalid: {text}"))
}

/// The one member that an attribute value has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TypeName {
    S,
    N,
    B,
    Ss,
    Ns,
    Bs,
    M,
    L,
    Bool,
    Null,
    Unknown,
}

struct TypeNameSeed;

impl<'de> DeserializeSeed<'de> for TypeNameSeed {
    type Value = TypeName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<TypeName, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for TypeNameSeed {
    type Value = TypeName;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a type")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<TypeName, E> {
        Ok(match name {
            "S" => TypeName::S,
            "N" => TypeName::N,
            "B" => TypeName::B,
            "SS" => TypeName::Ss,
            "NS" => TypeName::Ns,
            "BS" => TypeName::Bs,
            "M" => TypeName::M,
            "L" => TypeName::L,
            "BOOL" => TypeName::Bool,
            "NULL" => TypeName::Null,
            _ => TypeName::Unknown,
        })
    }
}
