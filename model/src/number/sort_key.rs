//! The order-preserving encoding of numbers: comparing bytes compares values.
//!
//! ```text
//! zero      80
//! positive  C0 | exponent | pair+1 ... | 00
//! negative  40 | the bytes after the first one of the positive number, each complemented
//! ```
//! The digits are written as `0.d1d2d3d4… × 100^e` with the first pair not `00`; the exponent byte
//! is `e + 64`, a pair byte is 1..=100. The end, 00 (or FF), sorts a number before its own
//! prolongations (or after them). The encoding ends itself: 1 to 23 bytes.
//! This is an on-disk format: it is frozen, with test vectors.

use super::text::decimal_digits;
use super::{DIGITS_MAX, Number};

const NEGATIVE: u8 = 0x40;
const ZERO: u8 = 0x80;
const POSITIVE: u8 = 0xC0;
const EXPONENT_BIAS: i32 = 64;

impl Number {
    /// Appends the order-preserving encoding.
    pub fn to_sort_key(&self, out: &mut Vec<u8>) {
        if self.is_zero() {
            out.push(ZERO);
            return;
        }
        let mut buffer = [0u8; DIGITS_MAX as usize + 1];
        let digits = decimal_digits(self.coefficient(), &mut buffer);
        // value = 0.dddd × 10^point; an odd point starts with half a pair.
        let point = i32::from(self.magnitude()) + 1;
        let half_start = point.rem_euclid(2) == 1;
        let hundreds = point.div_euclid(2) + i32::from(half_start);
        // Complementing is the exclusive or with all ones.
        let mask = if self.is_negative() { 0xFF } else { 0 };
        out.push(if self.is_negative() {
            NEGATIVE
        } else {
            POSITIVE
        });
        out.push(u8::try_from(hundreds + EXPONENT_BIAS).unwrap_or(u8::MAX) ^ mask);
        let (first, rest) = digits
            .split_at_checked(usize::from(half_start))
            .unwrap_or((digits, &[]));
        if let [digit] = first {
            out.push((digit - b'0' + 1) ^ mask);
        }
        for pair in rest.chunks(2) {
            let value = match pair {
                [high, low] => (high - b'0') * 10 + (low - b'0'),
                [high] => (high - b'0') * 10,
                _ => 0,
            };
            out.push((value + 1) ^ mask);
        }
        out.push(mask);
    }

    /// Reads an encoding at the start of `bytes`: the number, and how many bytes it took. `None`
    /// for bytes that [`Number::to_sort_key`] never writes.
    pub fn from_sort_key(bytes: &[u8]) -> Option<(Number, usize)> {
        let (&sign, rest) = bytes.split_first()?;
        let mask = match sign {
            ZERO => return Some((Number::ZERO, 1)),
            POSITIVE => 0,
            NEGATIVE => 0xFF,
            _ => return None,
        };
        let (&exponent, rest) = rest.split_first()?;
        let hundreds = i32::from(exponent ^ mask) - EXPONENT_BIAS;
        let mut coefficient = 0u128;
        let mut trailing_zeros = 0u32;
        let mut pairs = 0i32;
        for byte in rest {
            let pair = byte ^ mask;
            if pair == 0 {
                break;
            }
            if pair > 100 {
                return None;
            }
            for digit in [(pair - 1) / 10, (pair - 1) % 10] {
                // A zero waits for a digit behind it: the last half of a pair may be filling.
                if digit == 0 {
                    trailing_zeros = trailing_zeros.saturating_add(u32::from(coefficient > 0));
                } else {
                    coefficient = 10u128
                        .checked_pow(trailing_zeros + 1)?
                        .checked_mul(coefficient)?
                        .checked_add(u128::from(digit))?;
                    trailing_zeros = 0;
                }
            }
            pairs = pairs.checked_add(1)?;
        }
        let taken = usize::try_from(pairs).ok()?;
        let end = *rest.get(taken)?;
        if end != mask || pairs == 0 {
            return None;
        }
        let exponent = hundreds.checked_sub(pairs)?.checked_mul(2)?;
        let exponent = exponent.checked_add(i32::try_from(trailing_zeros).ok()?)?;
        let number = Number::from_parts(sign == NEGATIVE, coefficient, exponent).ok()?;
        // Only what we write is accepted: one value has one encoding.
        let mut written = Vec::with_capacity(24);
        number.to_sort_key(&mut written);
        let length = taken + 3;
        (bytes.get(..length) == Some(written.as_slice())).then_some((number, length))
    }
}
