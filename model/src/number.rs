//! DynamoDB's numbers: exact decimals of up to 38 significant digits.
//!
//! A [`Number`] is a sign, a coefficient without trailing zeros and a power of ten, so every value
//! has one representation and equality, ordering and hashing are numeric. Nothing here goes
//! through binary floating point.
//!
//! Source: developer guide, "Supported data types", and the limits of the service: magnitudes from
//! 1E-130 to 9.9999999999999999999999999999999999999E+125.

use std::cmp::Ordering;
use std::fmt;

mod arithmetic;
mod sort_key;
mod text;

/// The most significant digits that a number may have.
pub const DIGITS_MAX: u32 = 38;
/// The largest power of ten of the first digit.
pub const MAGNITUDE_MAX: i16 = 125;
/// The smallest power of ten of the first digit.
pub const MAGNITUDE_MIN: i16 = -130;

/// An exact decimal number: `±coefficient × 10^exponent`.
///
/// Invariants: the coefficient is below 10^38 and has no trailing zero; zero is never negative and
/// has the exponent 0; the power of ten of the first digit lies in -130..=125.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// The coefficient, little-endian. Bytes instead of `u128` because the latter is aligned to 16
    /// and would make every `AttributeValue` a fifth larger.
    coefficient: [u8; 16],
    exponent: i16,
    negative: bool,
}

/// Why a text or a result is not a DynamoDB number. Displayed as the service words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// The text was empty.
    #[error("The parameter cannot be converted to a numeric value")]
    Empty,
    /// The text is not a number; it is repeated here.
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    Syntax(String),
    /// More than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooPrecise,
    /// The magnitude is above 9.99…E+125.
    #[error(
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    )]
    Overflow,
    /// The magnitude is below 1E-130.
    #[error(
        "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    )]
    Underflow,
}

impl Number {
    /// Zero, which has no sign.
    pub const ZERO: Number = Number {
        coefficient: [0; 16],
        exponent: 0,
        negative: false,
    };

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        self.coefficient == [0; 16]
    }

    /// Whether this is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The digits as an integer without trailing zeros; 0 for zero.
    pub fn coefficient(&self) -> u128 {
        u128::from_le_bytes(self.coefficient)
    }

    /// The power of ten that the coefficient is multiplied with.
    pub fn exponent(&self) -> i16 {
        self.exponent
    }

    /// The same magnitude with the other sign.
    #[must_use]
    pub fn negated(self) -> Number {
        Number {
            negative: !self.negative && !self.is_zero(),
            ..self
        }
    }

    /// Bytes that this number counts for in the size of an item: 1, half a byte for each digit,
    /// rounded up on each side of the decimal point, and 1 for a minus sign. Measured on the
    /// service; its guide says only "approximately".
    pub fn size_bytes(&self) -> usize {
        if self.is_zero() {
            return 1;
        }
        let digits = i32::try_from(digit_count(self.coefficient())).unwrap_or(0);
        let exponent = i32::from(self.exponent);
        let (integer_digits, fraction_digits) = if exponent >= 0 {
            (digits, 0)
        } else {
            ((digits + exponent).max(0), digits.min(-exponent))
        };
        let half_up = |count: i32| usize::try_from(count).unwrap_or(0).div_ceil(2);
        1 + half_up(integer_digits) + half_up(fraction_digits) + usize::from(self.negative)
    }

    /// The value as an `i64`, if it is whole and fits.
    pub fn to_i64(&self) -> Option<i64> {
        let scale = 10u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let magnitude = i128::try_from(self.coefficient().checked_mul(scale)?).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// Builds the canonical form and checks the range. The coefficient may have trailing zeros.
    fn from_parts(
        negative: bool,
        mut coefficient: u128,
        mut exponent: i32,
    ) -> Result<Number, NumberError> {
        if coefficient == 0 {
            return Ok(Number::ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent = exponent.saturating_add(1);
        }
        let digits = digit_count(coefficient);
        if digits > DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        let magnitude = exponent.saturating_add(i32::try_from(digits).unwrap_or(0) - 1);
        if magnitude > i32::from(MAGNITUDE_MAX) {
            return Err(NumberError::Overflow);
        }
        if magnitude < i32::from(MAGNITUDE_MIN) {
            return Err(NumberError::Underflow);
        }
        let exponent = i16::try_from(exponent).map_err(|_| NumberError::Overflow)?;
        Ok(Number {
            coefficient: coefficient.to_le_bytes(),
            exponent,
            negative,
        })
    }

    /// The power of ten of the first digit; meaningless for zero.
    fn magnitude(&self) -> i16 {
        let digits = i16::try_from(digit_count(self.coefficient())).unwrap_or(0);
        self.exponent.saturating_add(digits).saturating_sub(1)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        // At most 19 digits: always in range.
        Number::from_parts(value < 0, u128::from(value.unsigned_abs()), 0).unwrap_or(Number::ZERO)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        // At most 20 digits: always in range.
        Number::from_parts(false, u128::from(value), 0).unwrap_or(Number::ZERO)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.signum(), other.signum()) {
            (-1, -1) => other.cmp_magnitude(self),
            (1, 1) => self.cmp_magnitude(other),
            (left, right) => left.cmp(&right),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn signum(&self) -> i8 {
        match (self.is_zero(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// Compares two numbers that are not zero, without their signs.
    fn cmp_magnitude(&self, other: &Number) -> Ordering {
        self.magnitude().cmp(&other.magnitude()).then_with(|| {
            // First digits stand at the same power of ten; compare with the same number of digits.
            let (left, right) = (self.coefficient(), other.coefficient());
            let (left_digits, right_digits) = (digit_count(left), digit_count(right));
            let digits = left_digits.max(right_digits);
            (left * 10u128.pow(digits - left_digits))
                .cmp(&(right * 10u128.pow(digits - right_digits)))
        })
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Number({self})")
    }
}

/// Decimal digits of `coefficient`; 1 for zero.
fn digit_count(coefficient: u128) -> u32 {
    match u64::try_from(coefficient) {
        // The division by constants that u128 needs is several times as slow.
        Ok(small) => small.checked_ilog10().map_or(1, |log| log + 1),
        Err(_) => coefficient.checked_ilog10().map_or(1, |log| log + 1),
    }
}

#[cfg(test)]
mod tests;
