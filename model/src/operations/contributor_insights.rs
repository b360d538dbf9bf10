//! UpdateContributorInsights, DescribeContributorInsights and ListContributorInsights.

use serde::Serialize;
use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::operations::constraints::{self, Constraints};

/// Most entries on one page of a list.
const PAGE_MAX: i64 = 100;

/// An UpdateContributorInsights request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateContributorInsightsRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// A global index rather than the table.
    pub index_name: Option<String>,
    /// On or off.
    pub enable: bool,
    /// What is watched.
    pub mode: Option<ContributorInsightsMode>,
}

/// A DescribeContributorInsights request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeContributorInsightsRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// A global index rather than the table.
    pub index_name: Option<String>,
}

/// A ListContributorInsights request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListContributorInsightsRequest {
    /// Name or ARN of a table; absent for all.
    pub table_name: Option<String>,
    /// Where to go on.
    pub next_token: Option<String>,
    /// The most entries to answer.
    pub max_results: Option<usize>,
}

/// What is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContributorInsightsMode {
    /// The most accessed keys and the throttled ones.
    #[default]
    AccessedAndThrottledKeys,
    /// Only the throttled ones.
    ThrottledKeys,
}

impl ContributorInsightsMode {
    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<ContributorInsightsMode> {
        match name {
            "ACCESSED_AND_THROTTLED_KEYS" => {
                Some(ContributorInsightsMode::AccessedAndThrottledKeys)
            }
            "THROTTLED_KEYS" => Some(ContributorInsightsMode::ThrottledKeys),
            _ => None,
        }
    }
}

/// Whether keys are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContributorInsightsStatus {
    /// Being switched on.
    Enabling,
    /// On.
    Enabled,
    /// Being switched off.
    Disabling,
    /// Off.
    Disabled,
}

/// The setting of a table or an index: the answer of Update and Describe, and an entry of the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContributorInsights {
    /// The table's name.
    pub table_name: String,
    /// The index, if it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_name: Option<String>,
    /// Names of the rules; only in Describe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contributor_insights_rule_list: Vec<String>,
    /// Whether keys are watched.
    pub contributor_insights_status: ContributorInsightsStatus,
    /// When the setting last changed, seconds since 1970; only in Describe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_date_time: Option<f64>,
    /// What is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contributor_insights_mode: Option<ContributorInsightsMode>,
}

/// A ListContributorInsights answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListContributorInsightsResponse {
    /// The settings that were ever changed.
    pub contributor_insights_summaries: Vec<ContributorInsights>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl UpdateContributorInsightsRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<UpdateContributorInsightsRequest, ApiError> {
        let wire = Wire::read(body)?;
        let table_name = constraints::table_name(wire.table_name, 1)?;
        let mut constraints = Constraints::default();
        constraints.name("indexName", wire.index_name.as_deref());
        constraints.require("contributorInsightsAction", wire.action.as_ref());
        let enable = constraints.word(
            "contributorInsightsAction",
            wire.action.as_deref(),
            "[ENABLE, DISABLE]",
            |word| match word {
                "ENABLE" => Some(true),
                "DISABLE" => Some(false),
                _ => None,
            },
        );
        let mode = constraints.word(
            "contributorInsightsMode",
            wire.mode.as_deref(),
            "[THROTTLED_KEYS, ACCESSED_AND_THROTTLED_KEYS]",
            ContributorInsightsMode::from_name,
        );
        constraints.finish()?;
        Ok(UpdateContributorInsightsRequest {
            table_name,
            index_name: wire.index_name,
            enable: enable.unwrap_or_default(),
            mode,
        })
    }
}

impl DescribeContributorInsightsRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<DescribeContributorInsightsRequest, ApiError> {
        let wire = Wire::read(body)?;
        let table_name = constraints::table_name(wire.table_name, 1)?;
        let mut constraints = Constraints::default();
        constraints.name("indexName", wire.index_name.as_deref());
        constraints.finish()?;
        Ok(DescribeContributorInsightsRequest {
            table_name,
            index_name: wire.index_name,
        })
    }
}

impl ListContributorInsightsRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ListContributorInsightsRequest, ApiError> {
        let wire = Wire::read(body)?;
        let table_name = wire
            .table_name
            .map(|name| constraints::table_name(Some(name), 1))
            .transpose()?;
        let mut constraints = Constraints::default();
        constraints.range("maxResults", wire.max_results, 1, PAGE_MAX);
        constraints.finish()?;
        Ok(ListContributorInsightsRequest {
            table_name,
            next_token: wire.next_token,
            max_results: wire.max_results.and_then(|most| usize::try_from(most).ok()),
        })
    }

    /// The most entries to answer.
    pub fn page_length(&self) -> usize {
        let most = usize::try_from(PAGE_MAX).unwrap_or(usize::MAX);
        self.max_results.unwrap_or(most)
    }
}

impl ContributorInsights {
    /// The body of an answer.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and finite numbers cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl ListContributorInsightsResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and finite numbers cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[derive(Default)]
struct Wire {
    table_name: Option<String>,
    index_name: Option<String>,
    action: Option<String>,
    mode: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

impl Wire {
    fn read(body: &[u8]) -> Result<Wire, ApiError> {
        let mut wire = Wire::default();
        read_document(body, &Context::default(), &mut wire)?;
        Ok(wire)
    }
}

impl Members for Wire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableName" => self.table_name = value.text()?,
            "IndexName" => self.index_name = value.text()?,
            "ContributorInsightsAction" => self.action = value.text()?,
            "ContributorInsightsMode" => self.mode = value.text()?,
            "NextToken" => self.next_token = value.text()?,
            "MaxResults" => self.max_results = value.integer()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
