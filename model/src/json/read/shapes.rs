//! The shapes that requests are made of.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::{MapAccess, SeqAccess};

use super::{Context, Expected, Given, JsonNumber, Member, Members, Name, Seed, Shape};
use crate::error::ApiError;

/// A string.
#[derive(Clone, Copy)]
pub(crate) struct Text;

impl Shape for Text {
    type Output = Option<String>;
    const EXPECTED: Expected = Expected::Text;

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

    fn on_null(self, _context: &Context) -> Option<bool> {
        None
    }

    fn on_boolean(self, _context: &Context, value: bool) -> Result<Option<bool>, ApiError> {
        Ok(Some(value))
    }
}

/// A whole number.
pub(crate) struct Whole {
    /// The service's Java type: `Long`, or `Integer`.
    pub(crate) long: bool,
}

impl Shape for Whole {
    type Output = Option<i64>;
    const EXPECTED: Expected = Expected::Integer;

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

    fn on_text(self, _context: &Context, _text: &str) -> Result<Option<i64>, ApiError> {
        Err(self.expected().refusal(Given::Text))
    }

    fn on_boolean(self, _context: &Context, value: bool) -> Result<Option<i64>, ApiError> {
        Err(self
            .expected()
            .refusal(if value { Given::True } else { Given::False }))
    }

    fn on_array<'de, A: SeqAccess<'de>>(
        self,
        context: &Context,
        _array: A,
    ) -> Result<Option<i64>, A::Error> {
        Err(context.fail(self.expected().refusal(Given::Array)))
    }
}

impl Whole {
    fn expected(&self) -> Expected {
        if self.long {
            Expected::Long
        } else {
            Expected::Integer
        }
    }
}

/// A number with a fraction.
pub(crate) struct Double;

impl Shape for Double {
    type Output = Option<f64>;
    const EXPECTED: Expected = Expected::Double;

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
}

impl<M: Members> Shape for Structure<'_, M> {
    /// Whether there was one.
    type Output = bool;
    const EXPECTED: Expected = Expected::Structure;

    fn on_null(self, context: &Context) -> bool {
        if self.class == Expected::Document {
            // The body is the word null.
            context
                .fatal
                .borrow_mut()
                .get_or_insert(self.class.refusal(Given::Text));
        }
        false
    }

    fn on_text(self, _context: &Context, _text: &str) -> Result<bool, ApiError> {
        Err(self.class.refusal(Given::Text))
    }

    fn on_boolean(self, _context: &Context, _value: bool) -> Result<bool, ApiError> {
        Err(self.class.refusal(Given::True))
    }

    fn on_number(self, _context: &Context, _value: JsonNumber) -> Result<bool, ApiError> {
        Err(self.class.refusal(Given::Number))
    }

    fn on_array<'de, A: SeqAccess<'de>>(
        self,
        context: &Context,
        _array: A,
    ) -> Result<bool, A::Error> {
        Err(context.fail(self.class.refusal(Given::Array)))
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

    fn on_null(self, _context: &Context) -> Self::Output {
        None
    }

    fn on_array<'de, A: SeqAccess<'de>>(
        self,
        context: &Context,
        mut array: A,
    ) -> Result<Self::Output, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = array.next_element_seed(Seed {
            context,
            shape: self.0.clone(),
        })? {
            members.push(member);
        }
        Ok(Some(members))
    }
}

/// A map from names to values of one shape.
#[derive(Clone, Copy)]
pub(crate) struct MapOf<S>(pub(crate) S);

impl<S: Shape + Clone> Shape for MapOf<S> {
    type Output = Option<BTreeMap<String, S::Output>>;
    const EXPECTED: Expected = Expected::Map;

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
            let value = object.next_value_seed(Seed {
                context,
                shape: self.0.clone(),
            })?;
            members.insert(name, value);
        }
        Ok(Some(members))
    }
}
