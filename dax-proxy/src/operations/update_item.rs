//! UpdateItem: the new image comes from the store, where the caller's own answer can be derived from it.
//!
//! | the caller's ReturnValues | sent | answered | key |
//! | --- | --- | --- | --- |
//! | NONE | ALL_NEW | without `Attributes` | new image |
//! | ALL_NEW | ALL_NEW | as it comes | new image |
//! | UPDATED_NEW, paths of attribute names only | ALL_NEW | the paths, taken from the image | new image |
//! | UPDATED_NEW otherwise, ALL_OLD, UPDATED_OLD | as it is | as it comes | dropped |

use std::sync::Arc;

use tokio::time::Instant;

use super::updated_new::UpdatedNew;
use super::write::{OnSuccess, Write, in_operation, required};
use super::{Call, Proxy, malformed, table_name};
use crate::answer::{Answer, CacheOutcome};
use crate::cache::{CachedItem, WriteOutcome};
use crate::upstream::Answered;
use crate::wire::{Members, item_json, parse_item};

/// How the caller's answer is made of the store's.
enum Derive {
    /// It is the store's.
    AllNew,
    /// `Attributes` are left out.
    Nothing,
    /// `Attributes` become these paths of the image.
    Updated(UpdatedNew),
}

impl Proxy {
    pub(super) async fn update_item(self: &Arc<Self>, call: &Call) -> Result<Answer, Answer> {
        let members = Members::parse(&call.body).map_err(malformed)?;
        let table_name = table_name(&members)?;
        self.authorize(call, &table_name)?;
        let Some(table) = self.table(&table_name, Instant::now()).await? else {
            return self.write_unknown_table(call).await;
        };
        let key = parse_item(required(&members, "Key")?).map_err(in_operation(true))?;
        let primary_key = table
            .key_schema
            .key_from_map(&key)
            .map_err(in_operation(true))?;
        // The key as it was understood here.
        let key = item_json(&key);
        let (body, on_success): (Vec<u8>, OnSuccess) = match derive(&members) {
            Some(derive) => (
                members.with(&[("Key", Some(&key)), ("ReturnValues", Some(b"\"ALL_NEW\""))]),
                Box::new(move |answered| with_image(answered, &derive)),
            ),
            None => (
                members.with(&[("Key", Some(&key))]),
                Box::new(|answered| {
                    (
                        WriteOutcome::NoImage,
                        Answer::passed(answered, CacheOutcome::Bypass),
                    )
                }),
            ),
        };
        let write = Write {
            operation: call.operation,
            table_name: table_name.into_owned(),
            table,
            primary_key,
            body: body.into(),
            on_success,
        };
        self.write(write).await
    }
}

/// How the answer is derived from ALL_NEW; `None` where it cannot be.
fn derive(members: &Members<'_>) -> Option<Derive> {
    match members.text("ReturnValues").ok()?.as_deref() {
        None | Some("NONE") => Some(Derive::Nothing),
        Some("ALL_NEW") => Some(Derive::AllNew),
        Some("UPDATED_NEW") => UpdatedNew::of(members).map(Derive::Updated),
        // Old values are not in the image; and what is not in the enum is for the store to refuse.
        Some(_) => None,
    }
}

/// The image and the caller's answer, of the store's answer with ALL_NEW.
fn with_image(answered: Answered, derive: &Derive) -> (WriteOutcome, Answer) {
    let unchanged = |answered| {
        (
            WriteOutcome::NoImage,
            Answer::passed(answered, CacheOutcome::Bypass),
        )
    };
    let body = answered.body.clone();
    let Ok(members) = Members::parse(&body) else {
        return unchanged(answered);
    };
    // No attributes: the update has left no item. An endpoint that does not know ALL_NEW would look the
    // same, so nothing is concluded.
    let image = members.get("Attributes");
    let outcome = image.map_or(WriteOutcome::NoImage, |json| {
        WriteOutcome::Image(CachedItem::from_item_json(json.as_bytes()))
    });
    let attributes = match (derive, image) {
        (Derive::AllNew, _) => {
            return (outcome, Answer::passed(answered, CacheOutcome::Bypass));
        }
        (Derive::Nothing, _) | (_, None) => None,
        (Derive::Updated(updated), Some(image)) => updated.of_image(image),
    };
    let body = members.with(&[("Attributes", attributes.as_deref())]);
    let answer = Answer {
        body: body.into(),
        ..Answer::passed(answered, CacheOutcome::Bypass)
    };
    (outcome, answer)
}
