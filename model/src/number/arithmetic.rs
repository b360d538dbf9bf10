//! Exact sums and differences.

use std::cmp::Ordering;

use super::{Number, NumberError};

impl Number {
    /// The exact sum.
    ///
    /// # Errors
    /// The sum needs more than 38 digits, or is out of range.
    pub fn checked_add(self, other: Number) -> Result<Number, NumberError> {
        if self.is_zero() {
            return Ok(other);
        }
        if other.is_zero() {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        let shift = u32::try_from(i32::from(high.exponent) - i32::from(low.exponent)).unwrap_or(0);
        // Both are brought to the lower exponent. A product that does not fit 128 bits is at least
        // 3.4e38, the other coefficient is below 1e38 and ends in a digit that is not zero, so the
        // exact result would have more than 38 digits whatever the signs are.
        let high_coefficient = 10u128
            .checked_pow(shift)
            .and_then(|scale| high.coefficient().checked_mul(scale))
            .ok_or(NumberError::TooPrecise)?;
        let low_coefficient = low.coefficient();
        let exponent = i32::from(low.exponent);
        if high.negative == low.negative {
            let sum = high_coefficient
                .checked_add(low_coefficient)
                .ok_or(NumberError::TooPrecise)?;
            return Number::from_parts(high.negative, sum, exponent);
        }
        match high_coefficient.cmp(&low_coefficient) {
            Ordering::Equal => Ok(Number::ZERO),
            Ordering::Greater => {
                Number::from_parts(high.negative, high_coefficient - low_coefficient, exponent)
            }
            Ordering::Less => {
                Number::from_parts(low.negative, low_coefficient - high_coefficient, exponent)
            }
        }
    }

    /// The exact difference.
    ///
    /// # Errors
    /// The difference needs more than 38 digits, or is out of range.
    pub fn checked_sub(self, other: Number) -> Result<Number, NumberError> {
        self.checked_add(other.negated())
    }
}
