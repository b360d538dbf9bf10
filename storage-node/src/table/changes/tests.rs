//! The table of semantics section 5 for index arms, and which records a change leaves.

use stator_model::key::{KeyAttribute, ScalarType};
use stator_model::value::AttributeValue;

use super::super::index::Projection;
use super::super::keys::StorageId;
use super::*;

fn attribute(name: &str) -> KeyAttribute {
    KeyAttribute {
        name: name.to_owned(),
        scalar_type: ScalarType::S,
    }
}

fn schema() -> KeySchema {
    KeySchema {
        partition_key: attribute("pk"),
        sort_key: None,
    }
}

fn index(is_local: bool) -> IndexDefinition {
    IndexDefinition {
        name: "i".to_owned(),
        storage_id: StorageId(9),
        is_local,
        hash_keys: vec![attribute(if is_local { "pk" } else { "g" })],
        range_keys: vec![attribute("r")],
        projection: Projection::Include(["p".to_owned()].into()),
        table_key: schema(),
    }
}

fn item(pairs: &[(&str, &str)]) -> Item {
    [("pk", "1"), ("g", "g")]
        .iter()
        .chain(pairs)
        .map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned())))
        .collect()
}

fn owed_by(old: Option<&Item>, new: Option<&Item>, readers: &Readers<'_>) -> Owed {
    let schema = schema();
    let change = ItemChange {
        partition_id: 3,
        epoch: 1,
        schema: &schema,
        old,
        new,
        hlc: Hlc(7),
        cause: Cause::Client,
    };
    owed(change, readers)
}

fn check_units(old: Option<&Item>, new: Option<&Item>, expected: Option<f64>) {
    for is_local in [true, false] {
        let index = index(is_local);
        let local = [index.clone()];
        let readers = if is_local {
            Readers {
                local: &local,
                ..Readers::default()
            }
        } else {
            Readers {
                global: vec![&index],
                ..Readers::default()
            }
        };
        let owed = owed_by(old, new, &readers);
        let units = owed.index_units.first().map(|arm| arm.units);
        assert_eq!(units, expected, "{old:?} {new:?}");
        assert_eq!(owed.writes.is_empty(), !is_local || expected.is_none());
        assert_eq!(owed.appends.is_empty(), is_local || expected.is_none());
    }
}

#[test]
fn an_index_is_charged_for_what_happens_to_its_entry() {
    let large = "x".repeat(1500);
    let absent = item(&[("q", "1")]);
    let small = item(&[("r", "a")]);
    let big = item(&[("r", "a"), ("p", &large)]);
    let moved = item(&[("r", "b"), ("p", &large)]);
    let unprojected = item(&[("r", "a"), ("q", "2")]);
    check_units(None, Some(&absent), None);
    check_units(Some(&absent), Some(&item(&[])), None);
    check_units(None, Some(&big), Some(2.0));
    check_units(Some(&big), None, Some(2.0));
    check_units(Some(&absent), Some(&small), Some(1.0));
    check_units(Some(&big), Some(&absent), Some(2.0));
    check_units(Some(&small), Some(&unprojected), None);
    check_units(Some(&small), Some(&big), Some(2.0));
    check_units(Some(&big), Some(&moved), Some(4.0));
}

#[test]
fn a_changed_index_key_removes_the_old_entry_and_puts_the_new_one() {
    let index = index(false);
    let (old, new) = (item(&[("r", "a")]), item(&[("r", "b")]));
    let readers = Readers {
        global: vec![&index],
        ..Readers::default()
    };
    let owed = owed_by(Some(&old), Some(&new), &readers);
    let record = OutboxRecord::decode(&owed.appends[0].value).unwrap();
    assert_eq!(record.index, 9);
    assert_eq!(record.remove, index.entry_key(&old));
    let (key, value) = record.put.unwrap();
    assert_eq!(Some(key), index.entry_key(&new));
    let stored = StoredItem::open(value).unwrap();
    assert_eq!(stored.hlc, Hlc(7));
    assert_eq!(stored.item().unwrap(), index.project(&new));
}

#[test]
fn a_stream_gets_the_images_of_its_view() {
    let (old, new) = (item(&[("r", "a")]), item(&[("r", "b")]));
    for (old_image, new_image) in [(false, false), (true, false), (false, true), (true, true)] {
        let readers = Readers {
            stream: Some(StreamView {
                enabled_millis: 5,
                old_image,
                new_image,
            }),
            ..Readers::default()
        };
        let owed = owed_by(Some(&old), Some(&new), &readers);
        let record = StreamRecord::decode(&owed.appends[0].value).unwrap();
        assert_eq!(record.event, StreamEvent::Modify);
        assert_eq!(record.old_image.is_some(), old_image);
        assert_eq!(record.new_image.is_some(), new_image);
        assert_eq!(
            record.keys,
            attributes_to_bytes(&[("pk".to_owned(), AttributeValue::S("1".to_owned()))].into())
        );
        let gone = owed_by(Some(&old), None, &readers);
        let gone = StreamRecord::decode(&gone.appends[0].value).unwrap();
        assert_eq!(gone.event, StreamEvent::Remove);
        assert_eq!(gone.new_image, None);
    }
}
