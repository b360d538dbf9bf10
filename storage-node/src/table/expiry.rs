//! When an item has expired. Pure.

use stator_model::number::Number;
use stator_model::value::AttributeValue;

/// What lies further back than five years is taken for a mistake and never expires (semantics
/// section 25).
const OLDEST_SECONDS: i64 = 5 * 365 * 24 * 60 * 60;

/// Whether an item whose TTL attribute is `value` has expired at `now_seconds` since 1970. Only
/// numbers expire, and only those that are a time in seconds of the last five years.
#[must_use]
pub fn is_expired(value: &AttributeValue, now_seconds: i64) -> bool {
    // A fraction of a second makes no difference: both bounds are whole.
    match value {
        AttributeValue::N(expires) => {
            *expires < Number::from(now_seconds)
                && *expires >= Number::from(now_seconds.saturating_sub(OLDEST_SECONDS))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn number(text: &str) -> AttributeValue {
        AttributeValue::N(Number::parse(text).unwrap())
    }

    #[test]
    fn a_time_of_the_last_five_years_has_expired() {
        for (value, expired) in [
            ("1799999999", true),
            ("1799999999.9", true),
            ("1800000000", false),
            ("1800000001", false),
            ("1642320000", true),
            ("1642319999", false),
            ("0", false),
            ("-1", false),
            // Milliseconds are a time in the far future.
            ("1799999999000", false),
            ("9.9E+125", false),
        ] {
            assert_eq!(is_expired(&number(value), NOW), expired, "{value}");
        }
    }

    #[test]
    fn only_numbers_expire() {
        for value in [
            AttributeValue::string("1799999999"),
            AttributeValue::Null,
            AttributeValue::L(vec![number("1799999999")]),
        ] {
            assert!(!is_expired(&value, NOW));
        }
    }
}
