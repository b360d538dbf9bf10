//! LexDecimal: numbers as bytes that sort as the numbers do (protocol, section 9.1.1).
//!
//! ```text
//! header (sign and decimal exponent, 1 or 5 bytes) | groups of three digits, 10 bits each | terminator, 10 bits | zero bits
//! ```

use stator_model::Number;

use super::cbor::{Read, unreadable};
use super::number::number_of;

const ZERO: u8 = 0x80;
/// A positive group is its digits plus this; 0 to 2 are left for the terminator.
const GROUP_BASE: u16 = 12;
/// A negative group or terminator is the positive one taken from this.
const COMPLEMENT: u16 = 1023;
/// Integers up to so many digits are written with all their zeros: a client cannot read more.
const INTEGER_DIGITS_MAX: usize = 38;

/// Appends a number.
pub(super) fn write_lex_decimal(number: &Number, out: &mut Vec<u8>) {
    if number.is_zero() {
        return out.push(ZERO);
    }
    let mut digits = number.coefficient().to_string().into_bytes();
    let exponent = i32::from(number.exponent()) + i32::try_from(digits.len()).unwrap_or(0);
    if let Ok(zeros) = usize::try_from(number.exponent())
        && digits.len() + zeros <= INTEGER_DIGITS_MAX
    {
        digits.resize(digits.len() + zeros, b'0');
    }
    let negative = number.is_negative();
    write_header(negative, exponent, out);
    let padding = (3 - digits.len() % 3) % 3;
    digits.resize(digits.len() + padding, b'0');
    let turned = |positive: u16| {
        if negative {
            COMPLEMENT - positive
        } else {
            positive
        }
    };
    let groups = digits.chunks(3).map(|group| {
        group
            .iter()
            .fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
            + GROUP_BASE
    });
    let terminator = match padding {
        2 => 0,
        1 => 1,
        _ => 2,
    };
    let mut bits = 0_u32;
    let mut count = 0;
    for ten in groups.chain([terminator]).map(turned) {
        bits = bits << 10 | u32::from(ten);
        count += 10;
        while count >= 8 {
            count -= 8;
            out.push((bits >> count).to_le_bytes()[0]);
        }
    }
    if count > 0 {
        out.push((bits << (8 - count)).to_le_bytes()[0]);
    }
}

fn write_header(negative: bool, exponent: i32, out: &mut Vec<u8>) {
    let (long_up, long_down) = if negative { (0x01, 0x7e) } else { (0xfe, 0x81) };
    let long = |header: u8, out: &mut Vec<u8>| {
        let turned = if negative { 0x7fff_ffff } else { i32::MIN };
        out.push(header);
        out.extend_from_slice(&(exponent ^ turned).to_be_bytes());
    };
    match (i8::try_from(exponent), exponent) {
        (_, 62..) => long(long_up, out),
        (_, ..-62) => long(long_down, out),
        (Ok(exponent), _) if negative => {
            out.push(0x3f_u8.wrapping_add_signed(exponent.wrapping_neg()))
        }
        (Ok(exponent), _) => out.push(0xc0_u8.wrapping_add_signed(exponent)),
        // Not between the two arms above.
        (Err(_), _) => {}
    }
}

/// Reads a number that takes all of the bytes.
pub(super) fn read_lex_decimal(bytes: &[u8]) -> Read<Number> {
    let bad = || unreadable("a number key is damaged");
    if bytes == [ZERO] {
        return Ok(Number::from(0_i64));
    }
    let (header, rest) = bytes.split_first().ok_or_else(bad)?;
    let negative = *header < ZERO;
    let (exponent, rest) = match header {
        0xfe | 0x81 | 0x01 | 0x7e => {
            let (exponent, rest) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
            let turned = if negative { 0x7fff_ffff } else { i32::MIN };
            (i32::from_be_bytes(*exponent) ^ turned, rest)
        }
        0x82..=0xfd => (i32::from(*header) - 0xc0, rest),
        0x02..=0x7d => (0x3f - i32::from(*header), rest),
        _ => return Err(bad()),
    };
    let digits = read_digits(rest, negative).ok_or_else(bad)?;
    let exponent = i64::from(exponent) - i64::try_from(digits.len()).map_err(|_| bad())?;
    let sign = if negative { "-" } else { "" };
    number_of(&format!("{sign}{digits}E{exponent}"))
}

fn read_digits(bytes: &[u8], negative: bool) -> Option<String> {
    let mut digits = String::new();
    let mut bits = 0_u32;
    let mut count = 0;
    for (at, byte) in bytes.iter().enumerate() {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        if count < 10 {
            continue;
        }
        count -= 10;
        let ten = u16::try_from(bits >> count & 0x3ff).ok()?;
        let positive = if negative { COMPLEMENT - ten } else { ten };
        if let Some(group) = positive.checked_sub(GROUP_BASE) {
            if group > 999 {
                return None;
            }
            digits.push_str(&format!("{group:03}"));
            continue;
        }
        // The end: padding goes, and nothing but zero bits may follow.
        let padding = match positive {
            0 => 2,
            1 => 1,
            2 => 0,
            _ => return None,
        };
        let left = bits & ((1 << count) - 1);
        if left != 0 || at + 1 != bytes.len() || digits.is_empty() {
            return None;
        }
        digits.truncate(digits.len() - padding);
        return Some(digits);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_lex_decimal(&Number::parse(text).unwrap(), &mut out);
        hex::encode(out)
    }

    /// The table of the protocol's section 9.1.1; the second column where the canonical bytes are others.
    const VECTORS: [(&str, &str, &str); 22] = [
        ("0", "80", "80"),
        ("1", "c11c0000", "c11c0000"),
        ("-1", "3ee3fff0", "3ee3fff0"),
        ("10", "c21c0010", "c21c0010"),
        ("10", "c21c0000", "c21c0010"),
        ("12.5", "c2224020", "c2224020"),
        ("-12.5", "3dddbf3ffc", ""),
        ("3.14", "c1518020", "c1518020"),
        ("999", "c3fcc020", "c3fcc020"),
        ("1000", "c41c00c000", "c41c00c000"),
        ("-999", "3c033fd0", "3c033fd0"),
        ("-1000", "3be3ff3ffc", "3be3ff3ffc"),
        ("100000", "c61c00c008", "c61c00c008"),
        ("12345", "c521dce004", "c521dce004"),
        ("0.000001", "bb1c0000", "bb1c0000"),
        ("1E61", "fe8000003e1c0000", "fe8000003e1c0000"),
        ("1E-62", "831c0000", "831c0000"),
        ("1E-63", "821c0000", "821c0000"),
        ("1E-100", "817fffff9d1c0000", "817fffff9d1c0000"),
        ("-1E-100", "7e80000062e3fff0", "7e80000062e3fff0"),
        ("9.99E125", "fe8000007efcc020", "fe8000007efcc020"),
        ("-9E125", "017fffff811bfff0", "017fffff811bfff0"),
    ];

    #[test]
    fn the_table_of_the_protocol() {
        for (text, bytes, canonical) in VECTORS {
            let read = read_lex_decimal(&hex::decode(bytes).unwrap()).unwrap();
            assert_eq!(read, Number::parse(text).unwrap(), "{bytes}");
            if !canonical.is_empty() {
                assert_eq!(written(text), canonical, "{text}");
            }
        }
        let thirty = "123456789012345678901234567890";
        assert_eq!(written(thirty), "de21dd4c8418596b2e44f690f86008");
        assert_eq!(written("99.9"), "c2fcc020");
    }

    proptest! {
        #[test]
        fn numbers_survive_and_sort(
            left in (-10_i128.pow(38) + 1..10_i128.pow(38), -128_i32..87),
            right in (-1000_i128..1000, -5_i32..5),
        ) {
            let number = |(mantissa, exponent)| Number::parse(&format!("{mantissa}E{exponent}"));
            let (Ok(left), Ok(right)) = (number(left), number(right)) else { return Ok(()) };
            let bytes = |number: &Number| {
                let mut out = Vec::new();
                write_lex_decimal(number, &mut out);
                out
            };
            prop_assert_eq!(read_lex_decimal(&bytes(&left)).unwrap(), left);
            prop_assert_eq!(bytes(&left).cmp(&bytes(&right)), left.cmp(&right));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            read_lex_decimal(&bytes).ok();
        }
    }
}
