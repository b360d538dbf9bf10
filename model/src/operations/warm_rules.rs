//! Rules of warm throughput that CreateTable and UpdateTable share.

use crate::error::ApiError;
use crate::table::{BillingMode, ProvisionedThroughput, WarmThroughput, warm_units};

/// What a new on-demand table serves, in the words of the service, which names a page of its guide.
const INITIAL_THROUGHPUT: &str = "initial throughput for OnDemand. See: https://docs.aws.amazon.com/\
    amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#\
    on-demand-capacity-mode-initial";

/// A table, or an index of the given name, and what it is or was provisioned with.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) index_name: Option<&'a str>,
    pub(crate) billing_mode: BillingMode,
    pub(crate) provisioned: Option<ProvisionedThroughput>,
}

impl Owner<'_> {
    /// What is asked of something new is not below what it serves anyway.
    pub(crate) fn check_new(self, asked: Option<WarmThroughput>) -> Result<(), ApiError> {
        let Some(member) = self.too_low(None, asked.unwrap_or_default()) else {
            return Ok(());
        };
        let least = match self.billing_mode {
            BillingMode::PayPerRequest => INITIAL_THROUGHPUT,
            BillingMode::Provisioned => match member {
                READ => "ReadCapacityUnits of ProvisionedThroughput",
                _ => "WriteCapacityUnits of ProvisionedThroughput",
            },
        };
        Err(self.lower_than(member, least))
    }

    /// What is asked of something that serves `held` is not below it: it is raised, never lowered.
    pub(crate) fn check_raised(
        self,
        held: Option<WarmThroughput>,
        asked: WarmThroughput,
    ) -> Result<(), ApiError> {
        self.too_low(held, asked).map_or(Ok(()), |member| {
            Err(self.lower_than(
                member,
                "current WarmThroughput, decreasing WarmThroughput is not supported",
            ))
        })
    }

    /// The first member that asks for less than there is.
    fn too_low(self, held: Option<WarmThroughput>, asked: WarmThroughput) -> Option<&'static str> {
        let (read, write) = warm_units(self.billing_mode, self.provisioned, held);
        [
            (READ, asked.read_units_per_second, read),
            (WRITE, asked.write_units_per_second, write),
        ]
        .into_iter()
        .find(|(_, asked, least)| asked.is_some_and(|asked| asked < *least))
        .map(|(member, ..)| member)
    }

    fn lower_than(self, member: &str, least: &str) -> ApiError {
        let whose = self
            .index_name
            .map_or_else(|| "table".to_owned(), |name| format!("index {name}"));
        ApiError::invalid_parameter(format!(
            "Requested {member} for WarmThroughput for {whose} is lower than {least}"
        ))
    }
}

const READ: &str = "ReadUnitsPerSecond";
const WRITE: &str = "WriteUnitsPerSecond";
