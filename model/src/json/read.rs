//! Reading requests: serde visitors that build our types straight from the JSON text.
//!
//! Three kinds of trouble are kept apart, because the service reports them at different times:
//! - not JSON at all: a SerializationException without a text;
//! - a member of the wrong JSON type: a SerializationException in the words of the service's Java
//!   stack, which ends the reading at once. The [`ApiError`] itself is handed around serde through
//!   the [`Context`], so no text is ever parsed back;
//! - an attribute value that breaks a rule: kept in the [`Context`] while reading goes on, because
//!   the operation must first say what else is missing.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{ApiError, ErrorCode};

mod refusal;
mod shapes;

pub(crate) use refusal::{Expected, Given, java_class};
pub(crate) use shapes::{Boolean, Double, List, MapOf, NewStructure, Structure, Text, Whole};

/// What one reading has found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Context {
    fatal: RefCell<Option<ApiError>>,
    value_error: RefCell<Option<Noted>>,
    /// Stands before the texts of noted errors while a part of the request is read that wants it.
    prefix: Cell<&'static str>,
    /// Whether the value that is read next is a member of a list or a map.
    nested: Cell<bool>,
}

/// The first rule that an attribute value broke.
#[derive(Debug)]
pub(crate) struct Noted {
    /// What the client is told.
    pub(crate) error: ApiError,
    /// The value has no type, which the service finds later than other broken rules.
    pub(crate) untyped: bool,
}

impl Context {
    /// Ends the reading with that error.
    pub(crate) fn fail<E: serde::de::Error>(&self, error: ApiError) -> E {
        self.refuse(error);
        E::custom("see the context")
    }

    /// Makes that error the outcome, whatever is read from here on.
    fn refuse(&self, error: ApiError) {
        self.fatal.borrow_mut().get_or_insert(error);
    }

    /// Keeps the first rule that an attribute value broke.
    pub(crate) fn note(&self, error: ApiError) {
        self.put_back(Noted {
            error: self.prefixed(error),
            untyped: false,
        });
    }

    /// The same for a value that has no type.
    pub(crate) fn note_untyped(&self, error: ApiError) {
        self.put_back(Noted {
            error: self.prefixed(error),
            untyped: true,
        });
    }

    fn prefixed(&self, mut error: ApiError) -> ApiError {
        if !self.prefix.get().is_empty() {
            error.message = error
                .message
                .map(|text| format!("{}{text}", self.prefix.get()));
        }
        error
    }

    /// The same for a rule about numbers, which the service never prefixes.
    pub(crate) fn note_number(&self, error: ApiError) {
        self.put_back(Noted {
            error,
            untyped: false,
        });
    }

    /// Keeps what was taken out, unless something was noted since.
    pub(crate) fn put_back(&self, noted: Noted) {
        self.value_error.borrow_mut().get_or_insert(noted);
    }

    /// Sets what stands before the texts of errors noted from now on.
    pub(crate) fn set_prefix(&self, prefix: &'static str) {
        self.prefix.set(prefix);
    }

    /// Says whether the value that is read next is a member of a list or a map.
    pub(crate) fn set_nested(&self, nested: bool) {
        self.nested.set(nested);
    }

    /// Takes out what was noted.
    pub(crate) fn take(&self) -> Option<Noted> {
        self.value_error.borrow_mut().take()
    }

    /// Takes out the error that was noted.
    pub(crate) fn take_noted(&self) -> Option<ApiError> {
        self.take().map(|noted| noted.error)
    }
}

/// Reads one JSON object into `members`, with nothing but white space after it.
///
/// # Errors
/// A SerializationException; broken rules of attribute values stay in the context.
pub(crate) fn read_document<M: Members>(
    body: &[u8],
    context: &Context,
    members: &mut M,
) -> Result<(), ApiError> {
    read_value(
        body,
        context,
        Structure {
            members,
            class: Expected::Document,
            name: M::CLASS,
        },
    )
    .map(|_| ())
}

/// Reads one JSON value of that shape, with nothing but white space after it.
pub(crate) fn read_value<S: Shape>(
    body: &[u8],
    context: &Context,
    shape: S,
) -> Result<S::Output, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let outcome = Seed { context, shape }
        .deserialize(&mut deserializer)
        .and_then(|output| deserializer.end().map(|()| output));
    match (context.fatal.borrow_mut().take(), outcome) {
        (Some(error), _) => Err(error),
        (None, Ok(output)) => Ok(output),
        (None, Err(_)) => Err(ApiError::without_message(ErrorCode::SerializationException)),
    }
}

/// A target that takes the members of a JSON object one after the other.
pub(crate) trait Members {
    /// The structure's name in the service's model.
    const CLASS: &'static str = "AttributeValue";

    /// Takes the member, or ignores it when it is unknown.
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error>;
}

/// The value of a member that is about to be read.
pub(crate) struct Member<'a, 'de, A> {
    context: &'a Context,
    map: &'a mut A,
    lifetime: PhantomData<&'de ()>,
}

impl<'a, 'de, A: MapAccess<'de>> Member<'a, 'de, A> {
    fn new(context: &'a Context, map: &'a mut A) -> Member<'a, 'de, A> {
        Member {
            context,
            map,
            lifetime: PhantomData,
        }
    }

    /// Reads the value as that shape.
    pub(crate) fn read<S: Shape>(self, shape: S) -> Result<S::Output, A::Error> {
        self.context.set_nested(false);
        self.map.next_value_seed(Seed {
            context: self.context,
            shape,
        })
    }

    /// A string; `None` for null.
    pub(crate) fn text(self) -> Result<Option<String>, A::Error> {
        self.read(Text)
    }

    /// True or false; `None` for null.
    pub(crate) fn boolean(self) -> Result<Option<bool>, A::Error> {
        self.read(Boolean)
    }

    /// A whole number, which the service calls `Integer`; a fraction is cut off.
    pub(crate) fn integer(self) -> Result<Option<i64>, A::Error> {
        self.read(Whole::<false>)
    }

    /// A whole number, which the service calls `Long`; a fraction is cut off.
    pub(crate) fn long(self) -> Result<Option<i64>, A::Error> {
        self.read(Whole::<true>)
    }

    /// A structure, read into `members`; whether there was one.
    pub(crate) fn structure<M: Members>(self, members: &mut M) -> Result<bool, A::Error> {
        self.structure_named(M::CLASS, members)
    }

    /// A structure whose members occur in others too, under the name that this one has in the
    /// service's model; whether there was one.
    pub(crate) fn structure_named<M: Members>(
        self,
        name: &'static str,
        members: &mut M,
    ) -> Result<bool, A::Error> {
        self.read(Structure {
            members,
            class: Expected::Structure,
            name,
        })
    }

    /// A structure that is made for the purpose; `None` for null.
    pub(crate) fn new_structure<M: Members + Default>(self) -> Result<Option<M>, A::Error> {
        let mut members = M::default();
        Ok(self.structure(&mut members)?.then_some(members))
    }

    /// A list of structures; `None` for null.
    pub(crate) fn structures<M: Members + Default>(self) -> Result<Option<Vec<M>>, A::Error> {
        self.read(List(NewStructure::<M>::new()))
    }

    /// Skips the value, whatever it is; whether it was anything but null.
    pub(crate) fn skip_present(self) -> Result<bool, A::Error> {
        Ok(self.map.next_value::<Option<IgnoredAny>>()?.is_some())
    }

    /// Skips the value, whatever it is.
    pub(crate) fn ignore(self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(|_| ())
    }

    /// What was found wrong so far.
    pub(crate) fn context(&self) -> &'a Context {
        self.context
    }
}

/// One kind of value that a request can hold. A shape takes the JSON types it knows; for the others
/// it answers with the service's refusal.
pub(crate) trait Shape: Sized {
    /// What the shape reads.
    type Output;

    /// For the texts of refusals.
    const EXPECTED: Expected;

    /// What the service's Java parser reads the place into.
    fn java_type() -> String;

    /// The service's words for a value of the wrong JSON type.
    fn refusal(context: &Context, given: Given) -> ApiError {
        Self::EXPECTED.refusal(given, &Self::java_type(), context.nested.get())
    }

    /// What null stands for: an absent member.
    fn on_null(self, context: &Context) -> Self::Output;

    fn on_text(self, context: &Context, _text: &str) -> Result<Self::Output, ApiError> {
        Err(Self::refusal(context, Given::Text))
    }

    fn on_owned_text(self, context: &Context, text: String) -> Result<Self::Output, ApiError> {
        self.on_text(context, &text)
    }

    fn on_boolean(self, context: &Context, value: bool) -> Result<Self::Output, ApiError> {
        let given = if value { Given::True } else { Given::False };
        Err(Self::refusal(context, given))
    }

    fn on_number(self, context: &Context, _value: JsonNumber) -> Result<Self::Output, ApiError> {
        Err(Self::refusal(context, Given::Number))
    }

    fn on_array<'de, A: SeqAccess<'de>>(
        self,
        context: &Context,
        _array: A,
    ) -> Result<Self::Output, A::Error> {
        Err(context.fail(Self::refusal(context, Given::Array)))
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        _object: A,
    ) -> Result<Self::Output, A::Error> {
        Err(context.fail(Self::refusal(context, Given::Object)))
    }
}

/// A JSON number, as far as a member can need it.
#[derive(Clone, Copy)]
pub(crate) enum JsonNumber {
    Whole(i64),
    Other(f64),
}

/// Drives a [`Shape`] as a serde seed.
pub(crate) struct Seed<'c, S> {
    pub(crate) context: &'c Context,
    pub(crate) shape: S,
}

impl<'de, S: Shape> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Output;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Output, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape> Visitor<'de> for Seed<'_, S> {
    type Value = S::Output;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member of a request")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Output, E> {
        Ok(self.shape.on_null(self.context))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<S::Output, E> {
        let context = self.context;
        self.shape
            .on_boolean(context, value)
            .map_err(|error| context.fail(error))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<S::Output, E> {
        let context = self.context;
        self.shape
            .on_number(context, JsonNumber::Whole(value))
            .map_err(|error| context.fail(error))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<S::Output, E> {
        self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<S::Output, E> {
        let context = self.context;
        self.shape
            .on_number(context, JsonNumber::Other(value))
            .map_err(|error| context.fail(error))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<S::Output, E> {
        let context = self.context;
        self.shape
            .on_text(context, text)
            .map_err(|error| context.fail(error))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<S::Output, E> {
        let context = self.context;
        self.shape
            .on_owned_text(context, text)
            .map_err(|error| context.fail(error))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<S::Output, A::Error> {
        self.shape.on_array(self.context, array)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<S::Output, A::Error> {
        self.shape.on_object(self.context, object)
    }
}

/// A member's name, borrowed from the text where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = std::borrow::Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = std::borrow::Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member's name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(std::borrow::Cow::Borrowed(name))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(std::borrow::Cow::Owned(name.to_owned()))
    }
}
