//! A BatchWriteItem that is sent in parts until nothing is left undone.
//!
//! Two clients rebuild unprocessed puts wrongly (protocol, section 10.6), so none is shown to them: the caller gets one answer,
//! with what all parts cost.

use serde_json::{Map, Value};

use crate::wire::Members;

/// The request for what an answer left undone, with everything else as it was asked for; `None` if nothing was left.
pub(crate) fn next_part(request: &[u8], answer: &[u8]) -> Option<Vec<u8>> {
    let members = Members::parse(answer).ok()?;
    let left = members.get("UnprocessedItems")?;
    Members::parse(left.as_bytes()).ok()?.iter().next()?;
    let request = Members::parse(request).ok()?;
    Some(request.with(&[("RequestItems", Some(left.as_bytes()))]))
}

/// The answer to a later part with what the earlier ones told: consumed units are added, and the item collections of all
/// are listed. `None` where there is nothing to add to it.
pub(crate) fn joined(earlier: &[u8], later: &[u8]) -> Option<Vec<u8>> {
    let earlier: Map<String, Value> = serde_json::from_slice(earlier).ok()?;
    let mut later: Map<String, Value> = serde_json::from_slice(later).ok()?;
    let mut told = false;
    if let Some(Value::Array(units)) = earlier.get("ConsumedCapacity") {
        told = true;
        let sum = later
            .entry("ConsumedCapacity")
            .or_insert_with(|| Value::Array(Vec::new()));
        add_tables(sum, units);
    }
    if let Some(Value::Object(collections)) = earlier.get("ItemCollectionMetrics") {
        told = true;
        let all = later
            .entry("ItemCollectionMetrics")
            .or_insert_with(|| Value::Object(Map::new()));
        append_collections(all, collections);
    }
    told.then(|| Value::Object(later).to_string().into_bytes())
}

/// Adds the units of each table to those of the same table.
fn add_tables(sum: &mut Value, units: &[Value]) {
    let Value::Array(sum) = sum else { return };
    for table in units {
        let same = sum
            .iter_mut()
            .find(|other| other.get("TableName") == table.get("TableName"));
        match same {
            Some(same) => add(same, table),
            None => sum.push(table.clone()),
        }
    }
}

/// Adds numbers where both have one, and takes over what is only in `more`.
fn add(sum: &mut Value, more: &Value) {
    match (&mut *sum, more) {
        (Value::Object(sum), Value::Object(more)) => {
            for (name, value) in more {
                match sum.get_mut(name) {
                    Some(held) => add(held, value),
                    None => {
                        sum.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Number(_), Value::Number(_)) => {
            let units = sum.as_f64().unwrap_or_default() + more.as_f64().unwrap_or_default();
            *sum = Value::from(units);
        }
        _ => {}
    }
}

fn append_collections(all: &mut Value, collections: &Map<String, Value>) {
    let Value::Object(all) = all else { return };
    for (table, earlier) in collections {
        let listed = all
            .entry(table.as_str())
            .or_insert_with(|| Value::Array(Vec::new()));
        if let (Value::Array(listed), Value::Array(earlier)) = (listed, earlier) {
            // The later sizes of a collection that is listed already are the better ones.
            for collection in earlier {
                let key = collection.get("ItemCollectionKey");
                if !listed
                    .iter()
                    .any(|other| other.get("ItemCollectionKey") == key)
                {
                    listed.push(collection.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn the_next_part_asks_for_what_is_left_in_the_same_way() {
        let request = json!({
            "RequestItems": {"a": [1, 2], "b": [3]},
            "ReturnConsumedCapacity": "INDEXES",
            "ReturnItemCollectionMetrics": "SIZE",
        });
        let left = json!({"UnprocessedItems": {"a": [2]}});
        let next = next_part(request.to_string().as_bytes(), left.to_string().as_bytes()).unwrap();
        assert_eq!(
            value(&next),
            json!({
                "RequestItems": {"a": [2]},
                "ReturnConsumedCapacity": "INDEXES",
                "ReturnItemCollectionMetrics": "SIZE",
            })
        );
        for nothing in [r#"{"UnprocessedItems":{}}"#, "{}", "no json"] {
            assert_eq!(
                next_part(request.to_string().as_bytes(), nothing.as_bytes()),
                None
            );
        }
    }

    #[test]
    fn what_all_parts_cost_is_told() {
        let table = |name: &str, units: f64, index: f64| {
            json!({
                "TableName": name,
                "CapacityUnits": units,
                "Table": {"CapacityUnits": units - index},
                "GlobalSecondaryIndexes": {"i": {"CapacityUnits": index}},
            })
        };
        let collection = |key: &str, upper: f64| json!({"ItemCollectionKey": {"pk": {"S": key}}, "SizeEstimateRangeGB": [0.0, upper]});
        let earlier = json!({
            "UnprocessedItems": {"a": [2]},
            "ConsumedCapacity": [table("a", 3.0, 1.0), table("b", 2.0, 0.5)],
            "ItemCollectionMetrics": {"a": [collection("x", 1.0), collection("y", 1.0)]},
        });
        let later = json!({
            "UnprocessedItems": {},
            "ConsumedCapacity": [table("a", 5.0, 2.0)],
            "ItemCollectionMetrics": {"a": [collection("x", 2.0)]},
        });
        let joined = joined(earlier.to_string().as_bytes(), later.to_string().as_bytes());
        assert_eq!(
            value(&joined.unwrap()),
            json!({
                "UnprocessedItems": {},
                "ConsumedCapacity": [table("a", 8.0, 3.0), table("b", 2.0, 0.5)],
                "ItemCollectionMetrics": {"a": [collection("x", 2.0), collection("y", 1.0)]},
            })
        );
    }

    #[test]
    fn an_answer_that_told_nothing_adds_nothing() {
        let earlier = br#"{"UnprocessedItems":{"a":[2]}}"#;
        assert_eq!(joined(earlier, br#"{"UnprocessedItems":{}}"#), None);
    }
}
