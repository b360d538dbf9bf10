//! Numbers (protocol, section 7.5): integers, big integers, decimal fractions, and floats from JavaScript.

use std::fmt::Write as _;

use minicbor::data::Type;
use stator_model::{ApiError, Number};

use super::cbor::{Read, Reader, Writer, unreadable};

const POSITIVE_BIG: u64 = 2;
const NEGATIVE_BIG: u64 = 3;
const DECIMAL_FRACTION: u64 = 4;

/// Bytes of a big integer. The largest number that an item can hold, 126 digits, has 53.
const BIG_BYTES_MAX: usize = 64;

/// The number of decimal text, in the words that the service has for text that is none.
pub(super) fn number_of(text: &str) -> Read<Number> {
    Number::parse(text).map_err(|error| ApiError::validation(error.to_string()).into())
}

/// Whether an item of this type may be a number; a tag still has to be one of those for numbers.
pub(super) fn is_untagged_number(kind: Type) -> bool {
    is_integer(kind) || matches!(kind, Type::F32 | Type::F64)
}

fn is_integer(kind: Type) -> bool {
    use Type::{I8, I16, I32, I64, Int, U8, U16, U32, U64};
    matches!(kind, I8 | I16 | I32 | I64 | Int | U8 | U16 | U32 | U64)
}

/// Reads a number in any form that a client sends.
pub(super) fn read_number(reader: &mut Reader<'_>) -> Read<Number> {
    match reader.kind()? {
        // The shortest decimal that is this float, not what its bits say to the last: JavaScript sends 3.14 so.
        Type::F32 | Type::F64 => number_of(&format!("{:e}", reader.float()?)),
        Type::Tag => {
            let tag = reader.tag()?;
            read_tagged(tag, reader)
        }
        _ => number_of(&read_mantissa(reader)?),
    }
}

/// Reads a number whose tag has been read.
pub(super) fn read_tagged(tag: u64, reader: &mut Reader<'_>) -> Read<Number> {
    match tag {
        POSITIVE_BIG | NEGATIVE_BIG => number_of(&big(&reader.bytes()?, tag == NEGATIVE_BIG)?),
        DECIMAL_FRACTION => {
            if reader.array_of()? != 2 {
                return Err(unreadable("a decimal fraction has two parts"));
            }
            let exponent = reader.integer()?;
            let mantissa = read_mantissa(reader)?;
            number_of(&format!("{mantissa}E{exponent}"))
        }
        _ => Err(unreadable("not a number")),
    }
}

fn read_mantissa(reader: &mut Reader<'_>) -> Read<String> {
    match reader.kind()? {
        Type::Tag => match reader.tag()? {
            tag @ (POSITIVE_BIG | NEGATIVE_BIG) => big(&reader.bytes()?, tag == NEGATIVE_BIG),
            _ => Err(unreadable("not an integer")),
        },
        kind if is_integer(kind) => Ok(reader.integer()?.to_string()),
        _ => Err(unreadable("not a number")),
    }
}

/// Decimal text of a big-endian magnitude; a negative one stands for -1 - n.
fn big(magnitude: &[u8], negative: bool) -> Read<String> {
    /// Decimal digits of one limb.
    const LIMB: u64 = 1_000_000_000;
    if magnitude.len() > BIG_BYTES_MAX {
        return Err(unreadable("an integer is too long"));
    }
    // Limbs with the lowest first.
    let mut limbs: Vec<u64> = Vec::new();
    let mut times_and_plus = |factor: u64, mut carry: u64| {
        for limb in &mut limbs {
            let value = *limb * factor + carry;
            *limb = value % LIMB;
            carry = value / LIMB;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    };
    for byte in magnitude {
        times_and_plus(256, u64::from(*byte));
    }
    if negative {
        times_and_plus(1, 1);
    }
    let mut text = if negative { "-" } else { "" }.to_owned();
    let mut limbs = limbs.iter().rev();
    write!(text, "{}", limbs.next().unwrap_or(&0)).ok();
    for limb in limbs {
        write!(text, "{limb:09}").ok();
    }
    Ok(text)
}

/// Writes a number: an integer where it is one, however long, else a decimal fraction.
pub(super) fn write_number(number: &Number, writer: &mut Writer) {
    let mantissa = number.coefficient().to_be_bytes();
    let exponent = number.exponent();
    match u16::try_from(exponent) {
        Ok(zeros) => {
            let magnitude = times_power_of_ten(&mantissa, zeros);
            write_integer(number.is_negative(), &magnitude, writer);
        }
        Err(_) => {
            writer.tag(DECIMAL_FRACTION);
            writer.array(2);
            writer.integer(exponent.into());
            write_integer(number.is_negative(), &mantissa, writer);
        }
    }
}

/// Big-endian.
fn times_power_of_ten(magnitude: &[u8], power: u16) -> Vec<u8> {
    let mut little: Vec<u8> = magnitude.iter().rev().copied().collect();
    for _ in 0..power {
        let mut carry = 0_u16;
        for byte in &mut little {
            let value = u16::from(*byte) * 10 + carry;
            let [high, low] = value.to_be_bytes();
            *byte = low;
            carry = high.into();
        }
        if carry > 0 {
            little.push(carry.to_be_bytes()[1]);
        }
    }
    little.reverse();
    little
}

fn write_integer(negative: bool, magnitude: &[u8], writer: &mut Writer) {
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    let mut magnitude = magnitude.get(zeros..).unwrap_or_default().to_vec();
    if magnitude.len() <= 8 || (negative && magnitude == [1, 0, 0, 0, 0, 0, 0, 0, 0]) {
        let value = magnitude
            .iter()
            .fold(0_i128, |value, byte| value << 8 | i128::from(*byte));
        return writer.integer(if negative { -value } else { value });
    }
    if negative {
        // -1 - n: one less, and a leading byte that became zero goes.
        for byte in magnitude.iter_mut().rev() {
            let (less, borrow) = byte.overflowing_sub(1);
            *byte = less;
            if !borrow {
                break;
            }
        }
        if magnitude.first() == Some(&0) {
            magnitude.remove(0);
        }
    }
    writer.tag(if negative { NEGATIVE_BIG } else { POSITIVE_BIG });
    writer.bytes(&magnitude);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut writer = Writer::new();
        write_number(&Number::parse(text).unwrap(), &mut writer);
        hex::encode(writer.finish())
    }

    fn read(hex: &str) -> String {
        let bytes = hex::decode(hex).unwrap();
        let mut reader = Reader::new(&bytes);
        let number = read_number(&mut reader).unwrap();
        assert!(reader.is_at_end());
        number.to_string()
    }

    #[test]
    fn captured_vectors() {
        assert_eq!(read("fb40091eb851eb851f"), "3.14");
        assert_eq!(read("c4822119013a"), "3.14");
        assert_eq!(written("3.14"), "c4822119013a");
        let long = "12345678901234567890123456789012345678";
        assert_eq!(read("c2500949b0f6f0023313c4499050de38f34e"), long);
        assert_eq!(written(long), "c2500949b0f6f0023313c4499050de38f34e");
        assert_eq!(read("1bffffffffffffffff"), "18446744073709551615");
        assert_eq!(written("18446744073709551615"), "1bffffffffffffffff");
        assert_eq!(written("18446744073709551616"), "c249010000000000000000");
        assert_eq!(written("-18446744073709551616"), "3bffffffffffffffff");
        assert_eq!(written("-18446744073709551617"), "c349010000000000000000");
        assert_eq!(read("c349010000000000000000"), "-18446744073709551617");
        assert_eq!(written("-500"), "3901f3");
        assert_eq!(read("c48220187d"), "12.5");
        assert_eq!(written("1E1"), "0a");
        assert_eq!(read("c4820101"), "10");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in [
            "f97e00",
            "fb7ff0000000000000",
            "c48301",
            "c4820161",
            "d9010001",
            "f5",
        ] {
            let bytes = hex::decode(bad).unwrap();
            assert!(read_number(&mut Reader::new(&bytes)).is_err(), "{bad}");
        }
        let long = format!("c25841{}", "ff".repeat(65));
        let bytes = hex::decode(long).unwrap();
        assert!(read_number(&mut Reader::new(&bytes)).is_err());
    }

    proptest! {
        #[test]
        fn numbers_survive(mantissa in -10_i128.pow(38) + 1..10_i128.pow(38), exponent in -128_i32..87) {
            if let Ok(number) = Number::parse(&format!("{mantissa}E{exponent}")) {
                let mut writer = Writer::new();
                write_number(&number, &mut writer);
                let bytes = writer.finish();
                prop_assert_eq!(read_number(&mut Reader::new(&bytes)).unwrap(), number);
            }
        }
    }
}
