//! Names of streams.

use crate::error::ApiError;

/// The parts of a stream's ARN:
/// `arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamArn<'a> {
    /// Region.
    pub region: &'a str,
    /// Account.
    pub account_id: &'a str,
    /// Name of the table.
    pub table_name: &'a str,
    /// When the stream was enabled, see [`crate::operations::stream_label`].
    pub label: &'a str,
}

impl<'a> StreamArn<'a> {
    /// Takes an ARN apart.
    ///
    /// # Errors
    /// ValidationException for what is no stream's ARN.
    pub fn parse(arn: &'a str) -> Result<StreamArn<'a>, ApiError> {
        Self::split(arn).ok_or_else(|| ApiError::validation("Invalid StreamArn"))
    }

    fn split(arn: &'a str) -> Option<StreamArn<'a>> {
        let rest = arn.strip_prefix("arn:aws:dynamodb:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account_id, rest) = rest.split_once(':')?;
        let (table_name, label) = rest.strip_prefix("table/")?.split_once("/stream/")?;
        let is_whole = !table_name.is_empty() && !label.is_empty();
        is_whole.then_some(StreamArn {
            region,
            account_id,
            table_name,
            label,
        })
    }
}
