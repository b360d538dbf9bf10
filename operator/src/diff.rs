//! Whether a live object already is what we want. Pure; the reason why a converged object causes no writes.
//!
//! The API server adds defaults to what we send and other writers add fields of their own, so equality is too strict: a live
//! object *covers* the wanted one when everything that we say stands in it. What we once said and no longer say is found by
//! the hash of the wanted object, which is kept in an annotation.

use serde_json::Value;

/// Annotation with the hash of what was last applied.
pub const APPLIED_HASH: &str = "stator.dev/applied-hash";

/// Whether every field of `wanted` stands in `live`. Lists must have the same length; quantities are compared by value.
pub fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| match live.get(key) {
                Some(live) => covers(live, wanted),
                // The API server drops empty objects, lists and strings, and nulls.
                None => is_empty(wanted),
            })
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| covers(live, wanted))
        }
        (Value::String(live), Value::String(wanted)) => {
            live == wanted
                || matches!((quantity(live), quantity(wanted)), (Some(live), Some(wanted)) if live == wanted)
        }
        (Value::String(live), Value::Number(wanted)) => {
            quantity(live) == quantity(&wanted.to_string())
        }
        (live, wanted) => live == wanted,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        Value::Array(array) => array.is_empty(),
        Value::String(string) => string.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A Kubernetes quantity in thousandths, or nothing when the text is none. "1000m" and "1" are the same quantity.
pub fn quantity(text: &str) -> Option<i128> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(digits_end)?;
    let scale: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "P" => 1_000_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        "Pi" => 1_000 << 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    digits.checked_mul(scale)?.checked_div(divisor)
}

/// A fingerprint of a wanted object. It only has to change when the object does; JSON maps are ordered, so it is stable.
pub fn hash(wanted: &Value) -> String {
    format!(
        "{:016x}",
        xxhash_rust::xxh3::xxh3_64(wanted.to_string().as_bytes())
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(live: Value, wanted: Value, expected: bool) {
        assert_eq!(covers(&live, &wanted), expected, "{live} covers {wanted}");
    }

    #[test]
    fn defaults_of_the_server_do_not_count() {
        check(json!({"a": 1, "protocol": "TCP"}), json!({"a": 1}), true);
        check(
            json!({"l": [{"port": 1, "protocol": "TCP"}]}),
            json!({"l": [{"port": 1}]}),
            true,
        );
    }

    #[test]
    fn foreign_edits_count() {
        check(json!({"a": 2}), json!({"a": 1}), false);
        check(json!({}), json!({"a": 1}), false);
        check(json!({"l": [1, 2]}), json!({"l": [1]}), false);
    }

    #[test]
    fn what_the_server_drops_is_not_missed() {
        check(json!({}), json!({"a": {}, "b": [], "c": null}), true);
        check(json!({}), json!({"a": false}), false);
    }

    #[test]
    fn quantities_are_numbers() {
        check(json!("1"), json!("1000m"), true);
        check(json!("1Gi"), json!("1024Mi"), true);
        check(json!("1500m"), json!("1.5"), true);
        check(json!("2"), json!(2), true);
        check(json!("1Gi"), json!("1G"), false);
        check(json!("a"), json!("b"), false);
    }
}
