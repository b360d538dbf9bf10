//! Numbers from and to decimal text.

use std::fmt;

use super::{DIGITS_MAX, Number, NumberError};

/// Longest canonical text: a sign, `0.`, 129 zeros and 38 digits.
const TEXT_BYTES_MAX: usize = 1 + 2 + 129 + 38;

impl Number {
    /// Reads `sign? digits (. digits)? ([eE] sign? digits)?`, with at least one digit before the
    /// exponent. Spaces, underscores, hexadecimal, NaN and Infinity are refused.
    ///
    /// # Errors
    /// The text is no number, has more than 38 significant digits, or is out of range; a syntax
    /// error anywhere comes first.
    pub fn parse(text: &str) -> Result<Number, NumberError> {
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        let parts = scan(text.as_bytes()).ok_or_else(|| NumberError::Syntax(text.to_owned()))?;
        if parts.coefficient == 0 && !parts.too_precise {
            return Ok(Number::ZERO);
        }
        if parts.too_precise {
            return Err(NumberError::TooPrecise);
        }
        let exponent = i32::try_from(parts.exponent).unwrap_or(if parts.exponent < 0 {
            i32::MIN
        } else {
            i32::MAX
        });
        Number::from_parts(parts.negative, parts.coefficient, exponent)
    }

    /// Appends the canonical text: no exponent, no superfluous zeros, `0` before a bare fraction.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut digits = [0u8; DIGITS_MAX as usize + 1];
        let digits = decimal_digits(self.coefficient(), &mut digits);
        if self.negative {
            out.push(b'-');
        }
        let exponent = isize::from(self.exponent);
        match usize::try_from(exponent) {
            Ok(zeros) => {
                out.extend_from_slice(digits);
                out.resize(out.len() + zeros, b'0');
            }
            Err(_) => {
                let fraction = exponent.unsigned_abs();
                if let Some((integer, fraction)) = digits
                    .len()
                    .checked_sub(fraction)
                    .and_then(|at| digits.split_at_checked(at))
                    && !integer.is_empty()
                {
                    out.extend_from_slice(integer);
                    out.push(b'.');
                    out.extend_from_slice(fraction);
                } else {
                    out.extend_from_slice(b"0.");
                    out.resize(out.len() + fraction.saturating_sub(digits.len()), b'0');
                    out.extend_from_slice(digits);
                }
            }
        }
    }
}

/// The canonical text, as [`Number::write_to`] writes it.
impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(TEXT_BYTES_MAX);
        self.write_to(&mut text);
        formatter.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl std::str::FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Number, NumberError> {
        Number::parse(text)
    }
}

struct Scanned {
    negative: bool,
    coefficient: u128,
    /// Saturated far outside the range of numbers, so that any length of text is safe.
    exponent: i64,
    too_precise: bool,
}

/// One pass over the text; `None` if it is not a number.
fn scan(text: &[u8]) -> Option<Scanned> {
    let (negative, unsigned) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let mut coefficient = 0u128;
    let mut digits = 0u32;
    let mut trailing_zeros = 0u32;
    let mut fraction_digits = 0i64;
    let mut seen_digit = false;
    let mut seen_dot = false;
    let mut too_precise = false;
    let mut rest = unsigned.iter();
    let mut written_exponent = 0i64;
    while let Some(&byte) = rest.next() {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                fraction_digits += i64::from(seen_dot);
                let digit = byte - b'0';
                if digit == 0 {
                    // Zeros count only once a digit follows them; leading ones never do.
                    trailing_zeros = trailing_zeros.saturating_add(u32::from(digits > 0));
                } else {
                    digits = digits.saturating_add(trailing_zeros).saturating_add(1);
                    if digits > DIGITS_MAX {
                        too_precise = true;
                    } else {
                        coefficient =
                            coefficient * 10u128.pow(trailing_zeros + 1) + u128::from(digit);
                    }
                    trailing_zeros = 0;
                }
            }
            b'.' if !seen_dot => seen_dot = true,
            b'e' | b'E' if seen_digit => {
                written_exponent = scan_exponent(rest.as_slice())?;
                break;
            }
            _ => return None,
        }
    }
    seen_digit.then_some(Scanned {
        negative,
        coefficient,
        exponent: written_exponent.saturating_sub(fraction_digits) + i64::from(trailing_zeros),
        too_precise,
    })
}

fn scan_exponent(text: &[u8]) -> Option<i64> {
    /// More than any text that fits a request can take back by its digits, less than overflows.
    const EXPONENT_LIMIT: i64 = 1 << 40;
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent = 0i64;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(EXPONENT_LIMIT);
    }
    Some(if negative { -exponent } else { exponent })
}

/// Writes the digits at the end of `buffer` and returns them; at least one.
pub(super) fn decimal_digits(
    coefficient: u128,
    buffer: &mut [u8; DIGITS_MAX as usize + 1],
) -> &[u8] {
    /// The largest power of ten in 64 bits: two 64-bit halves print much faster than 128 bits.
    const HALF: u128 = 10_000_000_000_000_000_000;
    let mut count = 0usize;
    let mut high = coefficient / HALF;
    let mut low = u64::try_from(coefficient % HALF).unwrap_or(0);
    for slot in buffer.iter_mut().rev() {
        *slot = b'0' + u8::try_from(low % 10).unwrap_or(0);
        low /= 10;
        count += 1;
        if low == 0 && high == 0 {
            break;
        }
        if count == 19 {
            low = u64::try_from(high).unwrap_or(0);
            high = 0;
            if low == 0 {
                break;
            }
        }
    }
    buffer.get(buffer.len() - count..).unwrap_or(&[])
}
