//! The shapes that requests are made of.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::{MapAccess, SeqAccess};

use super::{Context, Expected, Given, JsonNumber, Member, Members, Name, Seed, Shape, java_class};
use crate::error::ApiError;

/// A string.
#[derive(Clone, Copy)]
pub(crate) struct Text;

impl Shape for Text {
    type Output = Option<String>;
    const EXPECTED: Expected = Expected::Text;

    fn java_type() -> String {
        "java.lang.String".to_owned()
    }

    fn on_null(self, _context: &Context) -> Option<String> {
        None
    }

    fn on_text(self, _context: &Context, text: &str) -> Result<Option<String>, ApiError> {
        Ok(Some(text.to_owned()))
    }

    fn on_owned_text(self, _context: &Context, text: String) -> Result<Option<String>, ApiError> {
        Ok(Some(text))
    }
}

/// True or false.
#[derive(Clone, Copy)]
pub(crate) struct Boolean;

impl Shape for Boolean {
    type Output = Option<bool>;
    const EXPECTED: Expected = Expected::Boolean;

    fn java_type() -> String {
        "java.lang.Boolean".to_owned()
    }

    fn on_null(self, _context: &Context) -> Option<bool> {
        None
    }

    fn on_boolean(self, _context: &Context, value: bool) -> Result<Option<bool>, ApiError> {
        Ok(Some(value))
    }
}

/// A whole number, in the service's Java an `Integer`, or a `Long`.
pub(crate) struct Whole<const LONG: bool>;

impl<const LONG: bool> Shape for Whole<LONG> {
    type Output = Option<i64>;
    const EXPECTED: Expected = if LONG {
        Expected::Long
    } else {
        Expected::Integer
    };

    fn java_type() -> String {
        let name = if LONG { "Long" } else { "Integer" };
        format!("java.lang.{name}")
    }

    fn on_null(self, _context: &Context) -> Option<i64> {
        None
    }

    fn on_number(self, _context: &Context, value: JsonNumber) -> Result<Option<i64>, ApiError> {
        Ok(Some(match value {
            JsonNumber::Whole(whole) => whole,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the cast saturates, as wanted"
            )]
            JsonNumber::Other(other) => other as i64,
        }))
    }
}

/// A number with a fraction.
pub(crate) struct Double;

impl Shape for Double {
    type Output = Option<f64>;
    const EXPECTED: Expected = Expected::Double;

    fn java_type() -> String {
        "java.lang.Double".to_owned()
    }

    fn on_null(self, _context: &Context) -> Option<f64> {
        None
    }

    fn on_number(self, _context: &Context, value: JsonNumber) -> Result<Option<f64>, ApiError> {
        Ok(Some(match value {
            #[expect(
                clippy::cast_precision_loss,
                reason = "capacity units are far below 2^53"
            )]
            JsonNumber::Whole(whole) => whole as f64,
            JsonNumber::Other(other) => other,
        }))
    }
}

/// A structure, read into `members`.
pub(crate) struct Structure<'m, M> {
    pub(crate) members: &'m mut M,
    pub(crate) class: Expected,
    /// The structure's name in the service's model.
    pub(crate) name: &'static str,
}

impl<M: Members> Structure<'_, M> {
    fn refuse(&self, context: &Context, given: Given) -> ApiError {
        self.class
            .refusal(given, &java_class(self.name), context.nested.get())
    }
}

impl<M: Members> Shape for Structure<'_, M> {
    /// Whether there was one.
    type Output = bool;
    const EXPECTED: Expected = Expected::Structure;

    fn java_type() -> String {
        java_class(M::CLASS)
    }

    fn on_null(self, context: &Context) -> bool {
        if self.class == Expected::Document {
            // The body is the word null.
            let refusal = self.refuse(context, Given::Text);
            context.refuse(refusal);
        }
        false
    }

    fn on_text(self, context: &Context, _text: &str) -> Result<bool, ApiError> {
        Err(self.refuse(context, Given::Text))
    }

    fn on_boolean(self, context: &Context, _value: bool) -> Result<bool, ApiError> {
        Err(self.refuse(context, Given::True))
    }

    fn on_number(self, context: &Context, _value: JsonNumber) -> Result<bool, ApiError> {
        Err(self.refuse(context, Given::Number))
    }

    fn on_array<'de, A: SeqAccess<'de>>(
        self,
        context: &Context,
        _array: A,
    ) -> Result<bool, A::Error> {
        Err(context.fail(self.refuse(context, Given::Array)))
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        mut object: A,
    ) -> Result<bool, A::Error> {
        while let Some(name) = object.next_key_seed(Name)? {
            self.members
                .member(&name, Member::new(context, &mut object))?;
        }
        Ok(true)
    }
}

/// A structure that is made for the purpose.
pub(crate) struct NewStructure<M>(PhantomData<M>);

impl<M> NewStructure<M> {
    pub(crate) fn new() -> NewStructure<M> {
        NewStructure(PhantomData)
    }
}

impl<M> Clone for NewStructure<M> {
    fn clone(&self) -> NewStructure<M> {
        NewStructure(PhantomData)
    }
}

impl<M: Members + Default> Shape for NewStructure<M> {
    type Output = M;
    const EXPECTED: Expected = Expected::Structure;

    fn java_type() -> String {
        java_class(M::CLASS)
    }

    fn on_null(self, _context: &Context) -> M {
        M::default()
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        object: A,
    ) -> Result<M, A::Error> {
        let mut members = M::default();
        Structure {
            members: &mut members,
            class: Expected::Structure,
            name: M::CLASS,
        }
        .on_object(context, object)?;
        Ok(members)
    }
}

/// A list.
#[derive(Clone, Copy)]
pub(crate) struct List<S>(pub(crate) S);

impl<S: Shape + Clone> Shape for List<S> {
    type Output = Option<Vec<S::Output>>;
    const EXPECTED: Expected = Expected::List;

    fn java_type() -> String {
        format!("java.util.List<{}>", S::java_type())
    }

    fn on_null(self, _context: &Context) -> Self::Output {
        None
    }

    fn on_array<'de, A: SeqAccess<'de>>(
        self,
        context: &Context,
        mut array: A,
    ) -> Result<Self::Output, A::Error> {
        let mut members = Vec::new();
        loop {
            context.set_nested(true);
            let seed = Seed {
                context,
                shape: self.0.clone(),
            };
            match array.next_element_seed(seed)? {
                Some(member) => members.push(member),
                None => return Ok(Some(members)),
            }
        }
    }
}

/// A map from names to values of one shape.
#[derive(Clone, Copy)]
pub(crate) struct MapOf<S>(pub(crate) S);

impl<S: Shape + Clone> Shape for MapOf<S> {
    type Output = Option<BTreeMap<String, S::Output>>;
    const EXPECTED: Expected = Expected::Map;

    fn java_type() -> String {
        format!("java.util.Map<java.lang.String, {}>", S::java_type())
    }

    fn on_null(self, _context: &Context) -> Self::Output {
        None
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        mut object: A,
    ) -> Result<Self::Output, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = object.next_key::<String>()? {
            context.set_nested(true);
            let value = object.next_value_seed(Seed {
                context,
                shape: self.0.clone(),
            })?;
            members.insert(name, value);
        }
        Ok(Some(members))
    }
}
