//! Which attributes of an item a read asks for. The cache holds whole items and projects on reading.

use std::borrow::Cow;
use std::collections::BTreeMap;

use stator_model::ApiError;
use stator_model::expression::{ExpressionContext, ProjectionExpression};

use crate::wire::{Members, item_json, parse_item_bytes};

/// A read's projection.
pub(super) enum Projection {
    /// All attributes.
    Whole,
    /// Some.
    Paths(ProjectionExpression),
}

impl Projection {
    /// The projection of a read, with everything checked that the store would check about it.
    ///
    /// # Errors
    /// The expression or its names are wrong. The store says so better: the request is passed to it.
    pub(super) fn of(members: &Members<'_>) -> Result<Self, ApiError> {
        let unreadable = |_| ApiError::serialization("Unexpected value type in payload");
        let expression = members.text("ProjectionExpression").map_err(unreadable)?;
        let names: Option<BTreeMap<String, String>> = match members.get("ExpressionAttributeNames")
        {
            Some(raw) => Some(
                serde_json::from_str(raw)
                    .map_err(|_| ApiError::serialization("Unexpected value type in payload"))?,
            ),
            None => None,
        };
        let Some(expression) = expression else {
            return match names {
                None => Ok(Self::Whole),
                Some(_) => Err(ApiError::validation(
                    "ExpressionAttributeNames can only be specified when using expressions",
                )),
            };
        };
        let context = ExpressionContext::new(names.as_ref(), None);
        let projection = ProjectionExpression::parse(&expression, &context)?;
        context.finish()?;
        Ok(Self::Paths(projection))
    }

    /// Whether all attributes are asked for.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// The JSON of what is asked for of an item.
    ///
    /// # Errors
    /// The item's JSON, which is the store's, cannot be read.
    pub(super) fn apply<'a>(&self, item: &'a [u8]) -> Result<Cow<'a, [u8]>, ApiError> {
        match self {
            Self::Whole => Ok(Cow::Borrowed(item)),
            Self::Paths(projection) => {
                let item = parse_item_bytes(item)
                    .map_err(|_| ApiError::internal("The item cannot be read."))?;
                Ok(Cow::Owned(item_json(&projection.project(&item))))
            }
        }
    }
}
