//! The normal form of a Query or Scan: equal requests give equal bytes.

use serde_json::Value;

use super::members::{Members, write_string};

/// Members that do not change the page, or stand for what the key says elsewhere.
const LEFT_OUT: [&str; 3] = ["TableName", "ReturnConsumedCapacity", "ConsistentRead"];

/// Members that mean their default when they say so.
const DEFAULTS: [(&str, &str); 1] = [("ScanIndexForward", "true")];

/// Appends the request's normal form: members sorted, inner objects sorted, no blanks, defaults left
/// out. `None` for what cannot be brought into one (nesting beyond the parser's bound): not cached.
///
/// Values are not interpreted: `1` and `1.0` are two entries, which costs a miss and is never wrong.
pub(crate) fn normalised(operation: &str, request: &Members<'_>, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(operation.as_bytes());
    let mut members: Vec<(&str, &str)> = request
        .iter()
        .filter(|(name, raw)| {
            *raw != "null" && !LEFT_OUT.contains(name) && !DEFAULTS.contains(&(*name, *raw))
        })
        .collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    for (name, raw) in members {
        write_string(out, name);
        out.push(b':');
        // serde_json's map is ordered, so writing it sorts the members.
        let value: Value = serde_json::from_str(raw).ok()?;
        serde_json::to_writer(&mut *out, &value).ok()?;
        out.push(b',');
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(json: &str) -> String {
        let mut out = Vec::new();
        normalised("Query", &Members::parse(json.as_bytes()).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn order_blanks_and_defaults_do_not_matter() {
        let one = r#"{"TableName":"t","Limit":1,"ExpressionAttributeValues":{":a":{"S":"1"},":b":{"S":"2"}}}"#;
        let two = r#"{ "ExpressionAttributeValues" : {":b":{"S":"2"}, ":a":{"S":"1"}}, "Limit": 1,
            "ScanIndexForward": true, "ConsistentRead": false, "ReturnConsumedCapacity": "TOTAL",
            "TableName": "t", "IndexName": null}"#;
        assert_eq!(normal(one), normal(two));
    }

    #[test]
    fn what_changes_the_page_changes_the_form() {
        let base = normal(r#"{"TableName":"t"}"#);
        for other in [
            r#"{"TableName":"t","Limit":1}"#,
            r#"{"TableName":"t","ScanIndexForward":false}"#,
            r#"{"TableName":"t","Select":"COUNT"}"#,
            r#"{"TableName":"t","ExclusiveStartKey":{"pk":{"S":"a"}}}"#,
        ] {
            assert_ne!(base, normal(other));
        }
    }
}
