use std::str::FromStr as _;

use bigdecimal::{BigDecimal, Zero as _};
use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

#[test]
fn accepted_texts_have_one_canonical_form() {
    for (text, canonical) in [
        ("5", "5"),
        ("5.", "5"),
        (".5", "0.5"),
        ("+1.5", "1.5"),
        ("00042", "42"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e126", "0"),
        ("0.0e999999999999999999999", "0"),
        ("1.50E+2", "150"),
        ("100", "100"),
        ("100.50", "100.5"),
        ("-123.4560", "-123.456"),
        ("1e-3", "0.001"),
        ("12e-1", "1.2"),
        ("-12e-5", "-0.00012"),
        (
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345678",
        ),
        ("1234567890.0123456789", "1234567890.0123456789"),
        ("100000000000000000000", "100000000000000000000"),
        ("10000000000000000000.1", "10000000000000000000.1"),
    ] {
        assert_eq!(number(text).to_string(), canonical, "{text}");
    }
    assert_eq!(number("1E125").to_string(), format!("1{}", "0".repeat(125)));
    assert_eq!(
        number("-1E-130").to_string(),
        format!("-0.{}1", "0".repeat(129))
    );
}

#[test]
fn other_texts_are_refused_in_the_services_words() {
    let message = |text: &str| Number::parse(text).unwrap_err().to_string();
    assert_eq!(
        message(""),
        "The parameter cannot be converted to a numeric value"
    );
    for text in [
        "dog", " 1", "1 ", "1_0", "0x1", "NaN", "Infinity", "-", "+", ".", "e5", "1e", "1e+",
        "1.2.3", "--1", "1e5.0", "1ee5", "١",
    ] {
        assert_eq!(
            message(text),
            format!("The parameter cannot be converted to a numeric value: {text}")
        );
    }
    let too_precise = "Attempting to store more than 38 significant digits in a Number";
    assert_eq!(message(&"1".repeat(39)), too_precise);
    assert_eq!(message(&format!("1{}1", "0".repeat(37))), too_precise);
    let overflow =
        "Number overflow. Attempting to store a number with magnitude larger than supported range";
    for text in [
        "1E126",
        "-1E126",
        "10e125",
        "1e99999999999999999999",
        &"9".repeat(127),
    ] {
        let expected = if text.len() == 127 {
            too_precise
        } else {
            overflow
        };
        assert_eq!(message(text), expected, "{text}");
    }
    let underflow = "Number underflow. Attempting to store a number with magnitude smaller than supported range";
    for text in ["1E-131", "-9.9E-131", "1e-99999999999999999999"] {
        assert_eq!(message(text), underflow, "{text}");
    }
}

#[test]
fn the_extremes_are_accepted() {
    let nines = format!("9.{}", "9".repeat(37));
    for text in [
        format!("{nines}E125"),
        format!("-{nines}E125"),
        format!("{nines}E-130"),
    ] {
        assert_eq!(number(&number(&text).to_string()), number(&text));
    }
    // Very long spellings of small numbers cost time, not memory, and are still exact.
    let long = format!("0.{}e100000", "0".repeat(100_000)) + "";
    assert_eq!(number(&long), Number::ZERO);
    assert_eq!(
        number(&format!("1{}e-100000", "0".repeat(100_000))),
        number("1")
    );
}

#[test]
fn sizes_are_those_measured_on_the_service() {
    for (text, bytes) in [
        ("0", 1),
        ("-0", 1),
        ("1", 2),
        ("12", 2),
        ("123", 3),
        ("100", 2),
        ("1010", 3),
        ("42", 2),
        ("-42", 3),
        ("1.5", 3),
        ("3.14159", 5),
        ("0.15", 2),
        ("-0.15", 3),
        ("100.5", 4),
        ("1E125", 2),
        ("-1E125", 3),
        ("12345678901234567890123456789012345678", 20),
    ] {
        assert_eq!(number(text).size_bytes(), bytes, "{text}");
    }
}

#[test]
fn arithmetic_is_exact_or_an_error() {
    let add = |left: &str, right: &str| {
        number(left)
            .checked_add(number(right))
            .map(|sum| sum.to_string())
    };
    assert_eq!(add("0.1", "0.2"), Ok("0.3".to_owned()));
    assert_eq!(add("1", "-1"), Ok("0".to_owned()));
    assert_eq!(add("99", "1"), Ok("100".to_owned()));
    assert_eq!(add("1e37", "1"), Ok(format!("1{}1", "0".repeat(36))));
    assert_eq!(add("1e38", "1"), Err(NumberError::TooPrecise));
    assert_eq!(add("1e38", "-1"), Ok("9".repeat(38)));
    assert_eq!(add("-1e38", "1"), Ok(format!("-{}", "9".repeat(38))));
    assert_eq!(add("1e50", "1"), Err(NumberError::TooPrecise));
    assert_eq!(add("9e125", "9e125"), Err(NumberError::Overflow));
    assert_eq!(add("1.1e-130", "-1e-130"), Err(NumberError::Underflow));
    assert_eq!(
        number("5").checked_sub(number("7")).unwrap().to_string(),
        "-2"
    );
}

#[test]
fn whole_numbers_convert() {
    assert_eq!(Number::from(i64::MIN).to_string(), i64::MIN.to_string());
    assert_eq!(Number::from(u64::MAX).to_string(), u64::MAX.to_string());
    assert_eq!(number("-120").to_i64(), Some(-120));
    assert_eq!(number("9223372036854775807").to_i64(), Some(i64::MAX));
    assert_eq!(number("-9223372036854775808").to_i64(), Some(i64::MIN));
    for text in ["9223372036854775808", "1.5", "1e100"] {
        assert_eq!(number(text).to_i64(), None, "{text}");
    }
}

#[test]
fn sort_keys_that_we_do_not_write_are_refused() {
    for bytes in [
        &[][..],
        &[0x00],
        &[0xC0],
        &[0xC0, 0x41],
        &[0xC0, 0x41, 0x02],
        &[0xC0, 0x41, 0x00],
        // A first pair 00, a last pair 00, a pair above 99, an exponent out of range.
        &[0xC0, 0x41, 0x01, 0x02, 0x00],
        &[0xC0, 0x41, 0x02, 0x01, 0x00],
        &[0xC0, 0x41, 0x66, 0x00],
        &[0xC0, 0xFF, 0x02, 0x00],
        // Forty digits.
        &[
            0xC0, 0x60, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50,
            50, 0,
        ],
    ] {
        assert_eq!(Number::from_sort_key(bytes), None, "{bytes:?}");
    }
}

/// Numbers of every length, sign and magnitude, spelled with and without dot and exponent.
fn texts() -> impl Strategy<Value = String> {
    let coefficient = prop_oneof![
        3 => "[0-9]{1,38}",
        1 => "[0-9]{39,42}",
        2 => "[0-9]{0,20}\\.[0-9]{1,20}",
        1 => "[1-9]0{0,37}",
        1 => "[1-9][0-9]{0,19}\\.",
    ];
    let exponent = prop_oneof![
        2 => Just(String::new()),
        3 => (-140i32..=140).prop_map(|exponent| format!("e{exponent}")),
        1 => (-20i32..=20).prop_map(|exponent| format!("E{exponent:+}")),
    ];
    ("[-+]?", coefficient, exponent)
        .prop_map(|(sign, coefficient, exponent)| format!("{sign}{coefficient}{exponent}"))
}

fn numbers() -> impl Strategy<Value = Number> {
    texts().prop_filter_map("not a number of the service", |text| {
        Number::parse(&text).ok()
    })
}

fn decimal(text: &str) -> BigDecimal {
    BigDecimal::from_str(text.trim_start_matches('+')).unwrap()
}

/// What the service's rules make of an exact value, by way of bigdecimal alone.
fn judge(value: &BigDecimal) -> Result<BigDecimal, NumberError> {
    if value.is_zero() {
        return Ok(BigDecimal::zero());
    }
    let value = value.normalized();
    let (digits, scale) = value.as_bigint_and_exponent();
    let digit_count = i64::try_from(digits.magnitude().to_string().len()).unwrap();
    let magnitude = digit_count - 1 - scale;
    if digit_count > 38 {
        Err(NumberError::TooPrecise)
    } else if magnitude > 125 {
        Err(NumberError::Overflow)
    } else if magnitude < -130 {
        Err(NumberError::Underflow)
    } else {
        Ok(value)
    }
}

fn as_decimal(outcome: Result<Number, NumberError>) -> Result<BigDecimal, NumberError> {
    outcome.map(|number| decimal(&number.to_string()).normalized())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn parsing_agrees_with_bigdecimal(text in texts()) {
        prop_assert_eq!(as_decimal(Number::parse(&text)), judge(&decimal(&text)));
    }

    #[test]
    fn the_canonical_text_is_a_fixed_point(number in numbers()) {
        let text = number.to_string();
        let again = Number::parse(&text).unwrap();
        prop_assert_eq!(again, number);
        prop_assert_eq!(&again.to_string(), &text);
        let unsigned = text.trim_start_matches('-');
        prop_assert!(!text.contains(['e', 'E', '+']));
        prop_assert!(unsigned == "0" || !unsigned.starts_with('0') || unsigned.starts_with("0."));
        prop_assert!(!unsigned.contains('.') || !unsigned.ends_with(['0', '.']));
    }

    #[test]
    fn sums_and_differences_agree_with_bigdecimal(
        left in numbers(),
        right in numbers(),
        // Exponents near each other, where digits meet.
        shift in -45i16..=45,
    ) {
        let near = Number { exponent: left.exponent, ..right };
        let near = Number::from_parts(
            near.negative,
            near.coefficient(),
            i32::from(left.exponent) + i32::from(shift),
        );
        for right in [Some(right), near.ok()].into_iter().flatten() {
            let (a, b) = (decimal(&left.to_string()), decimal(&right.to_string()));
            prop_assert_eq!(as_decimal(left.checked_add(right)), judge(&(&a + &b)));
            prop_assert_eq!(as_decimal(left.checked_sub(right)), judge(&(&a - &b)));
        }
    }

    #[test]
    fn order_and_sort_keys_agree_with_bigdecimal(left in numbers(), right in numbers()) {
        for right in [right, left.negated(), left.checked_add(right).unwrap_or(right)] {
            let expected =
                decimal(&left.to_string()).cmp(&decimal(&right.to_string()));
            prop_assert_eq!(left.cmp(&right), expected);
            prop_assert_eq!(left == right, expected.is_eq());
            let key = |number: Number| {
                let mut key = Vec::new();
                number.to_sort_key(&mut key);
                key
            };
            prop_assert_eq!(key(left).cmp(&key(right)), expected);
        }
    }

    #[test]
    fn sort_keys_read_back(number in numbers(), tail in proptest::collection::vec(any::<u8>(), 0..4)) {
        let mut key = Vec::new();
        number.to_sort_key(&mut key);
        prop_assert!(key.len() <= 23);
        let length = key.len();
        key.extend(tail);
        prop_assert_eq!(Number::from_sort_key(&key), Some((number, length)));
    }

    #[test]
    fn any_bytes_are_a_sort_key_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
        if let Some((number, length)) = Number::from_sort_key(&bytes) {
            let mut key = Vec::new();
            number.to_sort_key(&mut key);
            prop_assert_eq!(&key[..], &bytes[..length]);
        }
    }

    #[test]
    fn any_text_is_a_number_or_refused(text in "\\PC{0,50}") {
        let written_with = |character: char| {
            character.is_ascii_digit() || matches!(character, '+' | '-' | '.' | 'e' | 'E')
        };
        prop_assert!(Number::parse(&text).is_err() || text.chars().all(written_with));
    }
}
