//! What transactions report as consumed: twice the units on the table, index arms once, and every
//! number again under its kind (semantics section 5).

use std::collections::BTreeMap;

use stator_model::capacity::{read_units, write_units};
use stator_model::operations::ReturnConsumedCapacity;

use super::respond::Body;
use crate::cluster::TransactWritten;
use crate::table::codec_json::string;

/// Whether the units are those of reads or of writes.
#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
}

/// Units of one table.
#[derive(Default)]
struct Arms {
    table: f64,
    global: BTreeMap<String, f64>,
    local: BTreeMap<String, f64>,
}

/// Appends what a write transaction cost; `tables` has the table of each action as the client gave
/// it. A replay is charged as reads of what the first call wrote.
pub(super) fn written(
    body: &mut Body,
    mode: ReturnConsumedCapacity,
    tables: &[&str],
    written: &TransactWritten,
) {
    let kind = if written.replayed {
        Kind::Read
    } else {
        Kind::Write
    };
    let mut by_table: BTreeMap<&str, Arms> = BTreeMap::new();
    for (table, charge) in tables.iter().zip(&written.charges) {
        let arms = by_table.entry(table).or_default();
        let size = usize::try_from(charge.size_bytes).unwrap_or(usize::MAX);
        if written.replayed {
            arms.table += 2.0 * read_units(size, true);
            continue;
        }
        arms.table += 2.0 * write_units(size, 0);
        for index in &charge.index_units {
            let indexes = if index.is_local {
                &mut arms.local
            } else {
                &mut arms.global
            };
            *indexes.entry(index.name.clone()).or_default() += index.units;
        }
    }
    append(body, mode, kind, &by_table);
}

/// Appends what a read transaction cost; `sizes` has the size of each item, 0 where there is none.
pub(super) fn read(
    body: &mut Body,
    mode: ReturnConsumedCapacity,
    tables: &[&str],
    sizes: impl Iterator<Item = usize>,
) {
    let mut by_table: BTreeMap<&str, Arms> = BTreeMap::new();
    for (table, size) in tables.iter().zip(sizes) {
        by_table.entry(table).or_default().table += 2.0 * read_units(size, true);
    }
    append(body, mode, Kind::Read, &by_table);
}

fn append(
    body: &mut Body,
    mode: ReturnConsumedCapacity,
    kind: Kind,
    by_table: &BTreeMap<&str, Arms>,
) {
    if mode == ReturnConsumedCapacity::None {
        return;
    }
    let out = body.member("ConsumedCapacity");
    out.push(b'[');
    for (at, (table, arms)) in by_table.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let indexes: f64 = arms.global.values().chain(arms.local.values()).sum();
        out.extend_from_slice(b"{\"TableName\":");
        string(table, out);
        out.push(b',');
        units(kind, arms.table + indexes, out);
        if mode == ReturnConsumedCapacity::Indexes {
            out.extend_from_slice(b",\"Table\":{");
            units(kind, arms.table, out);
            out.push(b'}');
            index_arms("GlobalSecondaryIndexes", kind, &arms.global, out);
            index_arms("LocalSecondaryIndexes", kind, &arms.local, out);
        }
        out.push(b'}');
    }
    out.push(b']');
}

fn index_arms(member: &str, kind: Kind, arms: &BTreeMap<String, f64>, out: &mut Vec<u8>) {
    if arms.is_empty() {
        return;
    }
    out.extend_from_slice(format!(",\"{member}\":{{").as_bytes());
    for (at, (name, consumed)) in arms.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(name, out);
        out.extend_from_slice(b":{");
        units(kind, *consumed, out);
        out.push(b'}');
    }
    out.push(b'}');
}

fn units(kind: Kind, units: f64, out: &mut Vec<u8>) {
    let member = match kind {
        Kind::Read => "ReadCapacityUnits",
        Kind::Write => "WriteCapacityUnits",
    };
    out.extend_from_slice(format!("\"CapacityUnits\":{units:?},\"{member}\":{units:?}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::transaction::Charge;
    use crate::table::IndexUnits;

    fn text(fill: impl FnOnce(&mut Body)) -> String {
        let mut body = Body::begin(0);
        fill(&mut body);
        String::from_utf8(body.end().to_vec()).unwrap()
    }

    fn outcome(replayed: bool) -> TransactWritten {
        let index_units = vec![IndexUnits {
            name: "i".to_owned(),
            is_local: false,
            units: 1.0,
        }];
        TransactWritten {
            replayed,
            charges: vec![
                Charge {
                    size_bytes: 500,
                    index_units,
                },
                Charge {
                    size_bytes: 1025,
                    index_units: Vec::new(),
                },
            ],
        }
    }

    #[test]
    fn writes_cost_twice_on_the_table_and_once_on_indexes() {
        let report = |mode| text(|body| written(body, mode, &["T", "T"], &outcome(false)));
        assert_eq!(report(ReturnConsumedCapacity::None), "{}");
        assert_eq!(
            report(ReturnConsumedCapacity::Total),
            r#"{"ConsumedCapacity":[{"TableName":"T","CapacityUnits":7.0,"WriteCapacityUnits":7.0}]}"#
        );
        assert_eq!(
            report(ReturnConsumedCapacity::Indexes),
            concat!(
                r#"{"ConsumedCapacity":[{"TableName":"T","CapacityUnits":7.0,"WriteCapacityUnits":7.0,"#,
                r#""Table":{"CapacityUnits":6.0,"WriteCapacityUnits":6.0},"GlobalSecondaryIndexes":"#,
                r#"{"i":{"CapacityUnits":1.0,"WriteCapacityUnits":1.0}}}]}"#
            )
        );
    }

    #[test]
    fn a_replay_costs_reads_of_what_was_written() {
        let mode = ReturnConsumedCapacity::Total;
        assert_eq!(
            text(|body| written(body, mode, &["T", "U"], &outcome(true))),
            concat!(
                r#"{"ConsumedCapacity":[{"TableName":"T","CapacityUnits":2.0,"ReadCapacityUnits":2.0},"#,
                r#"{"TableName":"U","CapacityUnits":2.0,"ReadCapacityUnits":2.0}]}"#
            )
        );
    }

    #[test]
    fn each_read_is_rounded_before_it_is_doubled() {
        let mode = ReturnConsumedCapacity::Total;
        let sizes = [0, 4097];
        assert_eq!(
            text(|body| read(body, mode, &["T", "T"], sizes.into_iter())),
            r#"{"ConsumedCapacity":[{"TableName":"T","CapacityUnits":6.0,"ReadCapacityUnits":6.0}]}"#
        );
    }
}
