//! The `ResourceArn` member of the operations on tags and policies.

use crate::error::ApiError;
use crate::operations::constraints::Constraints;
use crate::wording;

/// Longest ARN of a resource.
const LENGTH_MAX: usize = 1_283;

/// A table's ARN, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableArn<'a> {
    /// The Region.
    pub region: &'a str,
    /// Twelve digits.
    pub account_id: &'a str,
    /// The table's name.
    pub table_name: &'a str,
}

impl<'a> TableArn<'a> {
    /// Takes an ARN apart; `None` for what is no table's.
    pub fn parse(arn: &'a str) -> Option<TableArn<'a>> {
        let rest = arn.strip_prefix("arn:aws:dynamodb:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account_id, rest) = rest.split_once(':')?;
        let table_name = rest.strip_prefix("table/")?;
        let digits = !account_id.is_empty() && account_id.bytes().all(|b| b.is_ascii_digit());
        (!region.is_empty() && digits && crate::table::is_name(table_name)).then_some(TableArn {
            region,
            account_id,
            table_name,
        })
    }
}

/// Checks a `ResourceArn` for which the service has its own words.
pub(crate) fn tagged_resource(arn: Option<String>) -> Result<String, ApiError> {
    let arn = arn.ok_or_else(|| ApiError::validation("Invalid TableArn"))?;
    check_is_table(&arn)?;
    Ok(arn)
}

/// Checks a `ResourceArn` by the model's constraints.
pub(crate) fn constrain(arn: Option<&String>, constraints: &mut Constraints) {
    match arn {
        None => constraints.add_null("resourceArn"),
        Some(arn) => constraints.length("resourceArn", arn, 1, LENGTH_MAX),
    }
}

/// An ARN of a table.
pub(crate) fn check_is_table(arn: &str) -> Result<(), ApiError> {
    if TableArn::parse(arn).is_some() {
        return Ok(());
    }
    let refused = if !arn.starts_with("arn:") {
        wording::NOT_AN_ARN
    } else if !arn.starts_with("arn:aws:dynamodb:") {
        wording::ARN_OF_ANOTHER_SERVICE
    } else {
        wording::ARN_OF_NO_TABLE
    };
    Err(ApiError::validation(refused.fill(&[("arn", arn)])))
}
