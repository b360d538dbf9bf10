//! UPDATED_NEW, derived from the whole new image.

use std::collections::BTreeMap;

use stator_model::expression::{DocumentPath, ExpressionContext, PathElement, UpdateExpression};
use stator_model::{AttributeValue, Item};

use crate::wire::{Members, item_json, parse_item};

/// An update whose UPDATED_NEW is a function of the new image alone.
pub(super) struct UpdatedNew(UpdateExpression);

impl UpdatedNew {
    /// `None` unless the update is one expression that names no list element: an index past the end
    /// appends, and where it went is not in the image.
    pub(super) fn of(members: &Members<'_>) -> Option<Self> {
        if members.get("AttributeUpdates").is_some() {
            return None;
        }
        let expression = members.text("UpdateExpression").ok()??;
        let names: Option<BTreeMap<String, String>> = match members.get("ExpressionAttributeNames")
        {
            Some(raw) => Some(serde_json::from_str(raw).ok()?),
            None => None,
        };
        // An item and a map of values have the same JSON.
        let values: Option<BTreeMap<String, AttributeValue>> =
            match members.get("ExpressionAttributeValues") {
                Some(raw) => Some(parse_item(raw).ok()?),
                None => None,
            };
        let context = ExpressionContext::new(names.as_ref(), values.as_ref());
        let update = UpdateExpression::parse(&expression, &context).ok()?;
        let by_names = |path: &DocumentPath| {
            path.steps()
                .iter()
                .all(|step| matches!(step, PathElement::Attribute(_)))
        };
        let derivable = update.targets().all(by_names);
        derivable.then_some(Self(update))
    }

    /// The JSON of `Attributes`; `None` if there are none, or if the image cannot be read.
    pub(super) fn of_image(&self, image: &str) -> Option<Vec<u8>> {
        let image: Item = parse_item(image).ok()?;
        self.0
            .updated_new(Some(&image))
            .filter(|updated| !updated.is_empty())
            .map(|updated| item_json(&updated))
    }
}
