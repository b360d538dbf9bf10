//! What the streams API says, and where a follower is. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use stator_model::ErrorCode;
use stator_model::value::Item;

use super::Trouble;
use crate::upstream::Answered;
use crate::wire::parse_item;

/// Where to begin in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) shard: String,
    /// At its end, or at its beginning.
    pub(super) latest: bool,
}

/// The shards that are read, and how far.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// By shard id. `None`: known, and not to be read, or not any more.
    shards: BTreeMap<String, Option<String>>,
    /// A shard has ended since its children were looked for.
    ended: bool,
}

impl Positions {
    /// Begins with all shards there are: the open ones at their ends, the closed ones not at all.
    pub(super) fn begin(&mut self, shards: &Shards) -> Vec<Position> {
        let known = shards.all.iter().map(|shard| (shard.id.clone(), None));
        self.shards = known.collect();
        let open = shards.all.iter().filter(|shard| !shard.closed);
        let latest = |shard: &Shard| Position {
            shard: shard.id.clone(),
            latest: true,
        };
        open.map(latest).collect()
    }

    /// New shards, to be read from their beginnings: what is in them came after what was known. Those that have gone are
    /// forgotten.
    pub(super) fn renew(&mut self, shards: &Shards) -> Vec<Position> {
        let listed = |id: &String| shards.all.iter().any(|shard| shard.id == *id);
        self.shards
            .retain(|id, iterator| iterator.is_some() || listed(id));
        let new: Vec<Position> = shards
            .all
            .iter()
            .filter(|shard| !self.shards.contains_key(&shard.id))
            .map(|shard| Position {
                shard: shard.id.clone(),
                latest: false,
            })
            .collect();
        self.ended = false;
        new
    }

    /// The iterator of a shard that is to be read.
    pub(super) fn place(&mut self, shard: &str, iterator: String) {
        self.shards.insert(shard.to_owned(), Some(iterator));
    }

    /// All shards that are to be read.
    pub(super) fn places(&self) -> Vec<(String, String)> {
        let placed = |(id, iterator): (&String, &Option<String>)| {
            iterator
                .as_ref()
                .map(|iterator| (id.clone(), iterator.clone()))
        };
        self.shards.iter().filter_map(placed).collect()
    }

    /// A shard was read; `None`: to its end.
    pub(super) fn moved(&mut self, shard: &str, next: Option<String>) {
        self.ended |= next.is_none();
        self.shards.insert(shard.to_owned(), next);
    }

    /// Whether a shard has ended whose children are not known yet.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}

/// The shards of a stream, page by page.
#[derive(Debug, Default)]
pub(super) struct Shards {
    all: Vec<Shard>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

#[derive(Debug)]
struct Shard {
    id: String,
    closed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeStreamAnswer {
    stream_description: StreamDescription,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescription {
    #[serde(default)]
    shards: Vec<ShardAnswer>,
    last_evaluated_shard_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardAnswer {
    shard_id: String,
    #[serde(default)]
    sequence_number_range: SequenceNumberRange,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    ending_sequence_number: Option<String>,
}

impl Shards {
    /// Adds an answer to DescribeStream; `None` if it is none.
    pub(super) fn add(&mut self, answer: &[u8]) -> Option<()> {
        let answer: DescribeStreamAnswer = serde_json::from_slice(answer).ok()?;
        let StreamDescription {
            shards,
            last_evaluated_shard_id,
        } = answer.stream_description;
        self.all.extend(shards.into_iter().map(|shard| Shard {
            id: shard.shard_id,
            closed: shard.sequence_number_range.ending_sequence_number.is_some(),
        }));
        self.next = last_evaluated_shard_id;
        Some(())
    }
}

/// A change of an item.
#[derive(Debug)]
pub(super) struct Change {
    /// Its key.
    pub(super) keys: Item,
    /// What it is now, if the stream says so.
    pub(super) image: Option<Item>,
    /// It is gone.
    pub(super) removed: bool,
}

/// What a read of a shard gave.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) changes: Vec<Change>,
    /// `None` at the end of a closed shard.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecordsAnswer<'a> {
    #[serde(borrow)]
    records: Vec<RecordAnswer<'a>>,
    next_shard_iterator: Option<String>,
}

#[derive(Deserialize)]
struct RecordAnswer<'a> {
    #[serde(rename = "eventName")]
    event_name: &'a str,
    #[serde(borrow)]
    dynamodb: StreamRecord<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamRecord<'a> {
    #[serde(borrow)]
    keys: &'a RawValue,
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
}

impl Records {
    /// From an answer to GetRecords; `None` if it is none.
    pub(super) fn parse(answer: &[u8]) -> Option<Self> {
        let answer: GetRecordsAnswer<'_> = serde_json::from_slice(answer).ok()?;
        let change = |record: &RecordAnswer<'_>| {
            let image = record.dynamodb.new_image;
            Some(Change {
                keys: parse_item(record.dynamodb.keys.get()).ok()?,
                image: image
                    .map(|image| parse_item(image.get()))
                    .transpose()
                    .ok()?,
                removed: record.event_name == "REMOVE",
            })
        };
        Some(Self {
            changes: answer.records.iter().map(change).collect::<Option<_>>()?,
            next: answer.next_shard_iterator,
        })
    }
}

/// What an error of the streams API means to a follower.
pub(super) fn trouble(answered: &Answered) -> Trouble {
    let is = |code| answered.is_error(code);
    if is(ErrorCode::ResourceNotFoundException) {
        Trouble::Gone
    } else if is(ErrorCode::ExpiredIteratorException) || is(ErrorCode::TrimmedDataAccessException) {
        Trouble::Lost
    } else {
        Trouble::Passing
    }
}

pub(super) fn describe_stream(arn: &str, after: Option<&str>) -> Bytes {
    let mut body = json!({"StreamArn": arn});
    if let (Some(after), Some(members)) = (after, body.as_object_mut()) {
        members.insert("ExclusiveStartShardId".to_owned(), after.into());
    }
    body.to_string().into()
}

pub(super) fn get_shard_iterator(arn: &str, position: &Position) -> Bytes {
    let kind = match position.latest {
        true => "LATEST",
        false => "TRIM_HORIZON",
    };
    let body = json!({"StreamArn": arn, "ShardId": position.shard, "ShardIteratorType": kind});
    body.to_string().into()
}

pub(super) fn get_records(iterator: &str) -> Bytes {
    json!({"ShardIterator": iterator}).to_string().into()
}

/// From an answer to GetShardIterator; `None` if it is none.
pub(super) fn shard_iterator(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        shard_iterator: String,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(answer.shard_iterator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(of: &[(&str, bool)]) -> Shards {
        let shards: Vec<_> = of
            .iter()
            .map(|(id, closed)| {
                let range = match closed {
                    true => json!({"StartingSequenceNumber": "1", "EndingSequenceNumber": "2"}),
                    false => json!({"StartingSequenceNumber": "1"}),
                };
                json!({"ShardId": id, "SequenceNumberRange": range})
            })
            .collect();
        let mut found = Shards::default();
        let answer = json!({"StreamDescription": {"Shards": shards}}).to_string();
        found.add(answer.as_bytes()).unwrap();
        found
    }

    fn position(shard: &str, latest: bool) -> Position {
        Position {
            shard: shard.to_owned(),
            latest,
        }
    }

    #[test]
    fn what_is_open_is_read_from_its_end_and_what_comes_later_from_its_beginning() {
        let mut positions = Positions::default();
        let begun = positions.begin(&shards(&[("a", true), ("b", false), ("c", false)]));
        assert_eq!(begun, [position("b", true), position("c", true)]);
        positions.place("b", "b0".to_owned());
        positions.place("c", "c0".to_owned());
        positions.moved("b", Some("b1".to_owned()));
        assert!(!positions.has_ended());
        positions.moved("c", None);
        assert!(positions.has_ended());
        assert_eq!(positions.places(), [("b".to_owned(), "b1".to_owned())]);
        // c has ended and d follows it; a was trimmed; e came and ended between two looks.
        let later = shards(&[("b", false), ("c", true), ("d", false), ("e", true)]);
        let new = positions.renew(&later);
        assert_eq!(new, [position("d", false), position("e", false)]);
        positions.place("d", "d0".to_owned());
        positions.place("e", "e0".to_owned());
        assert!(!positions.has_ended());
        assert_eq!(positions.renew(&later), []);
    }

    #[test]
    fn records_are_read_or_refused() {
        let answer = br#"{"Records":[
            {"eventName":"MODIFY","dynamodb":{"Keys":{"pk":{"S":"a"}},"NewImage":{"pk":{"S":"a"},"v":{"N":"1"}}}},
            {"eventName":"REMOVE","dynamodb":{"Keys":{"pk":{"S":"b"}}}}],"NextShardIterator":"x"}"#;
        let records = Records::parse(answer).unwrap();
        assert_eq!(records.next.as_deref(), Some("x"));
        let found: Vec<_> = records
            .changes
            .iter()
            .map(|change| (change.image.is_some(), change.removed))
            .collect();
        assert_eq!(found, [(true, false), (false, true)]);
        let ended = Records::parse(br#"{"Records":[]}"#).unwrap();
        assert!(ended.changes.is_empty() && ended.next.is_none());
        assert!(Records::parse(b"{}").is_none());
        assert!(
            Records::parse(br#"{"Records":[{"eventName":"INSERT","dynamodb":{"Keys":{"pk":1}}}]}"#)
                .is_none()
        );
    }
}
