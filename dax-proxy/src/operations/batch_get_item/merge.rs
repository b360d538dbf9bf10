//! The caller's answer, of what was held and what was fetched.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::{BatchRequest, TablePart};
use super::{KeyState, outcome};
use crate::answer::Answer;
use crate::upstream::Answered;
use crate::wire::{CapacityMode, Members, ObjectWriter, ReadCapacity, array};

/// Bytes of items in one answer (DynamoDB semantics, section 12); the rest is unprocessed. Here it is
/// the JSON that counts, which is never smaller than what the service counts.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Merges. `fetched` is the store's answer with the strongly consistent tables, if it was asked.
pub(super) fn answer(
    request: &BatchRequest<'_>,
    fetched: Option<&Answered>,
) -> Result<Answer, Answer> {
    let outcome = outcome(request);
    let fetched_members = match fetched {
        Some(answered) => Members::parse(&answered.body).ok(),
        None => None,
    };
    let (mut responses, mut unprocessed) = (ObjectWriter::new(), ObjectWriter::new());
    let mut consumed: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    for part in &request.cached {
        let written = write_part(part, &mut bytes)?;
        responses.member(part.name, &written.items);
        if let Some(keys) = written.unprocessed {
            unprocessed.member(part.name, &part.members.with(&[("Keys", Some(&keys))]));
        }
        consumed.extend(written.consumed.json(request.capacity, part.name));
    }
    if let Some(members) = fetched_members.filter(|_| !request.passed.is_empty()) {
        let fetched_responses =
            Members::parse(members.get("Responses").unwrap_or("{}").as_bytes()).ok();
        let left = Members::parse(members.get("UnprocessedKeys").unwrap_or("{}").as_bytes()).ok();
        for (name, _) in &request.passed {
            if let Some(items) = fetched_responses
                .as_ref()
                .and_then(|members| members.get(name))
            {
                responses.member(name, items.as_bytes());
            }
            if let Some(keys) = left.as_ref().and_then(|members| members.get(name)) {
                unprocessed.member(name, keys.as_bytes());
            }
            consumed.extend(consumed_of(&members, name));
        }
    }
    let mut body = ObjectWriter::new();
    body.member("Responses", &responses.finish());
    body.member("UnprocessedKeys", &unprocessed.finish());
    if request.capacity != CapacityMode::None {
        let consumed = array(consumed.iter().map(Vec::as_slice));
        body.member("ConsumedCapacity", &consumed);
    }
    Ok(Answer::ok(body.finish(), outcome))
}

/// One table's part of the answer.
struct Written {
    items: Vec<u8>,
    /// Keys, if there are any.
    unprocessed: Option<Vec<u8>>,
    consumed: ReadCapacity,
}

fn write_part(part: &TablePart<'_>, bytes: &mut usize) -> Result<Written, Answer> {
    let (mut items, mut unprocessed) = (Vec::new(), Vec::new());
    let mut consumed = ReadCapacity::default();
    for key in &part.keys {
        let (item, fetched) = match &key.state {
            KeyState::Hit(item) => (item, false),
            KeyState::Fetched(item) => (item, true),
            KeyState::Open | KeyState::Unprocessed | KeyState::Leads(_) | KeyState::Joins(_) => {
                unprocessed.push(key.key.as_slice());
                continue;
            }
        };
        if let Some(json) = item.item_json() {
            if *bytes + json.len() > ANSWER_BYTES_MAX {
                unprocessed.push(key.key.as_slice());
                continue;
            }
            *bytes += json.len();
            items.push(part.projection.apply(json)?);
        }
        if fetched {
            consumed.add(ReadCapacity::of_cached(item)?);
        }
    }
    Ok(Written {
        items: array(items.iter().map(AsRef::as_ref)),
        unprocessed: (!unprocessed.is_empty()).then(|| array(unprocessed.into_iter())),
        consumed,
    })
}

/// The store's `ConsumedCapacity` of one table.
fn consumed_of(members: &Members<'_>, table_name: &str) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Named {
        table_name: String,
    }
    let all: Vec<&RawValue> = serde_json::from_str(members.get("ConsumedCapacity")?).ok()?;
    let of_table = all.iter().find(|raw| {
        serde_json::from_str::<Named>(raw.get()).is_ok_and(|named| named.table_name == table_name)
    })?;
    Some(of_table.get().as_bytes().to_vec())
}
