//! What a request consumed on one table and its indexes, as answers report it.

use std::collections::BTreeMap;

use stator_model::operations::ReturnConsumedCapacity;

use crate::cluster::message::WriteOutcome;
use crate::table::IndexDefinition;
use crate::table::codec_json::string;

/// Capacity units by arm. An index that took no part is not there.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Consumed {
    /// Of the table itself.
    pub(super) table: f64,
    local: BTreeMap<String, f64>,
    global: BTreeMap<String, f64>,
}

impl Consumed {
    /// Units of the table alone.
    pub(super) fn of_table(units: f64) -> Self {
        Self {
            table: units,
            ..Self::default()
        }
    }

    /// What one write consumed.
    pub(super) fn of_write(outcome: &WriteOutcome) -> Self {
        let mut consumed = Self::default();
        consumed.add_write(outcome);
        consumed
    }

    /// What a page of an index consumed: the entries, and items that were fetched for them.
    pub(super) fn of_index(index: &IndexDefinition, units: f64, fetched_units: f64) -> Self {
        let mut consumed = Self::of_table(fetched_units);
        consumed
            .arm(index.is_local)
            .insert(index.name.clone(), units);
        consumed
    }

    /// Adds one write.
    pub(super) fn add_write(&mut self, outcome: &WriteOutcome) {
        self.table += outcome.units;
        for index in &outcome.index_units {
            *self
                .arm(index.is_local)
                .entry(index.name.clone())
                .or_default() += index.units;
        }
    }

    /// Adds what another part of the request consumed.
    pub(super) fn add(&mut self, other: Self) {
        self.table += other.table;
        for (name, units) in other.local {
            *self.local.entry(name).or_default() += units;
        }
        for (name, units) in other.global {
            *self.global.entry(name).or_default() += units;
        }
    }

    fn arm(&mut self, is_local: bool) -> &mut BTreeMap<String, f64> {
        if is_local {
            &mut self.local
        } else {
            &mut self.global
        }
    }

    fn total(&self) -> f64 {
        self.table + self.local.values().sum::<f64>() + self.global.values().sum::<f64>()
    }

    /// Appends the report that `mode` asks for.
    pub(super) fn write(&self, mode: ReturnConsumedCapacity, table: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"TableName\":");
        string(table, out);
        out.extend_from_slice(format!(",\"CapacityUnits\":{:?}", self.total()).as_bytes());
        if mode == ReturnConsumedCapacity::Indexes {
            let table = format!(",\"Table\":{{\"CapacityUnits\":{:?}}}", self.table);
            out.extend_from_slice(table.as_bytes());
            write_arms("LocalSecondaryIndexes", &self.local, out);
            write_arms("GlobalSecondaryIndexes", &self.global, out);
        }
        out.push(b'}');
    }
}

fn write_arms(member: &str, arms: &BTreeMap<String, f64>, out: &mut Vec<u8>) {
    if arms.is_empty() {
        return;
    }
    out.extend_from_slice(format!(",\"{member}\":{{").as_bytes());
    for (at, (name, units)) in arms.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(name, out);
        out.extend_from_slice(format!(":{{\"CapacityUnits\":{units:?}}}").as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::IndexUnits;

    #[test]
    fn a_report_names_the_indexes_that_took_part() {
        let index = |name: &str, is_local, units| IndexUnits {
            name: name.to_owned(),
            is_local,
            units,
        };
        let mut consumed = Consumed::of_write(&WriteOutcome {
            attributes: None,
            units: 1.0,
            index_units: vec![index("g", false, 2.0), index("l", true, 1.0)],
        });
        consumed.add_write(&WriteOutcome {
            attributes: None,
            units: 3.0,
            index_units: vec![index("g", false, 1.0)],
        });
        let text = |consumed: &Consumed, mode| {
            let mut out = Vec::new();
            consumed.write(mode, "T", &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            text(&consumed, ReturnConsumedCapacity::Total),
            r#"{"TableName":"T","CapacityUnits":8.0}"#
        );
        assert_eq!(
            text(&consumed, ReturnConsumedCapacity::Indexes),
            r#"{"TableName":"T","CapacityUnits":8.0,"Table":{"CapacityUnits":4.0},"LocalSecondaryIndexes":{"l":{"CapacityUnits":1.0}},"GlobalSecondaryIndexes":{"g":{"CapacityUnits":3.0}}}"#
        );
        assert_eq!(
            text(&Consumed::of_table(0.5), ReturnConsumedCapacity::Indexes),
            r#"{"TableName":"T","CapacityUnits":0.5,"Table":{"CapacityUnits":0.5}}"#
        );
    }
}
