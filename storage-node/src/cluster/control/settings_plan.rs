//! Tags, continuous backups, contributor insights and resource policies as changes of the catalog:
//! pure plans.

use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::{
    ContinuousBackupsResponse, ContributorInsights, ContributorInsightsMode,
    ContributorInsightsStatus, NO_POLICY, PointInTimeRecovery, PutResourcePolicyRequest,
    RECOVERY_PERIOD_DAYS_MAX, ResourcePolicyRequest, ResourcePolicyResponse, TableArn,
    TagResourceRequest, UntagResourceRequest, UpdateContinuousBackupsRequest,
    UpdateContributorInsightsRequest, backup_table_not_found, merge_tags, policy_not_found,
};
use stator_model::table::{Tag, table_name_of};

use super::Change;
use super::describe::seconds;
use super::tables::{Planner, change_of, find};
use crate::cluster::Table;
use crate::cluster::catalog::CatalogState;
use crate::cluster::catalog::rows::{InsightsRow, TableRow};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// How far behind now the latest second lies that a table can be restored to.
const RESTORABLE_LAG_MILLIS: u64 = 5 * 60 * 1_000;

impl Planner<'_> {
    pub(super) fn tag(self, body: &[u8], state: &CatalogState) -> Result<Change, ApiError> {
        let request = TagResourceRequest::parse(body)?;
        let mut row = tagged(state, &request.resource_arn)?.row.clone();
        let merged = merge_tags(&tags_of(&row), &request.tags)?;
        row.tags = merged.into_iter().map(|tag| (tag.key, tag.value)).collect();
        Ok(change_of(&row, Vec::new()))
    }

    pub(super) fn untag(self, body: &[u8], state: &CatalogState) -> Result<Change, ApiError> {
        let request = UntagResourceRequest::parse(body)?;
        let mut row = tagged(state, &request.resource_arn)?.row.clone();
        row.tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(change_of(&row, Vec::new()))
    }

    pub(super) fn continuous_backups(
        self,
        body: &[u8],
        state: &CatalogState,
    ) -> Result<Change, ApiError> {
        let request = UpdateContinuousBackupsRequest::parse(body)?;
        let name = table_name_of(&request.table_name);
        let table = state
            .tables
            .get(name)
            .ok_or_else(|| backup_table_not_found(name))?;
        self.unbacked
            .check("PointInTimeRecoverySpecification", request.enabled)?;
        let mut row = table.row.clone();
        let since = row
            .settings
            .point_in_time_recovery
            .map_or(self.now_millis, |(_, since)| since);
        let days = request
            .recovery_period_in_days
            .unwrap_or(RECOVERY_PERIOD_DAYS_MAX);
        row.settings.point_in_time_recovery = request
            .enabled
            .then(|| (u32::try_from(days).unwrap_or(1), since));
        let answer = continuous_backups(&row, self.now_millis).to_json();
        Ok(change_of(&row, answer))
    }

    pub(super) fn contributor_insights(
        self,
        body: &[u8],
        state: &CatalogState,
    ) -> Result<Change, ApiError> {
        let request = UpdateContributorInsightsRequest::parse(body)?;
        let table = find(state, &request.table_name)?;
        let index_name = request.index_name.as_deref();
        check_index(table, index_name)?;
        let mut row = table.row.clone();
        let key = index_name.unwrap_or_default().to_owned();
        let held = row.settings.contributor_insights.get(&key);
        let mode = request
            .mode
            .unwrap_or_else(|| held.map_or_else(ContributorInsightsMode::default, mode_of));
        let setting = InsightsRow {
            enabled: request.enable,
            changed_millis: self.now_millis,
            throttled_keys_only: mode == ContributorInsightsMode::ThrottledKeys,
        };
        row.settings.contributor_insights.insert(key, setting);
        let answer = ContributorInsights {
            contributor_insights_status: match request.enable {
                true => ContributorInsightsStatus::Enabling,
                false => ContributorInsightsStatus::Disabling,
            },
            ..summary(&row, index_name)
        };
        Ok(change_of(&row, answer.to_json()))
    }

    pub(super) fn put_policy(self, body: &[u8], state: &CatalogState) -> Result<Change, ApiError> {
        let request = PutResourcePolicyRequest::parse(body)?;
        let mut row = resource(state, &request.resource_arn)?.row.clone();
        self.unbacked.check("Policy", true)?;
        let held = row.settings.resource_policies.get("");
        let revision = held.map(|(_, revision)| *revision);
        check_revision(
            request.expected_revision_id.as_deref(),
            revision,
            &request.resource_arn,
        )?;
        // The same policy again is no other revision.
        if held.is_some_and(|(policy, _)| *policy == request.policy) {
            return Ok(Change {
                answer: revision_body(revision).into(),
                ..Change::default()
            });
        }
        let next = self.now_millis.max(revision.map_or(0, |held| held + 1));
        row.settings
            .resource_policies
            .insert(String::new(), (request.policy, next));
        Ok(change_of(&row, revision_body(Some(next))))
    }

    pub(super) fn delete_policy(
        self,
        body: &[u8],
        state: &CatalogState,
    ) -> Result<Change, ApiError> {
        let request = ResourcePolicyRequest::parse(body)?;
        let mut row = resource(state, &request.resource_arn)?.row.clone();
        let held = row.settings.resource_policies.remove("");
        let revision = held.map(|(_, revision)| revision);
        check_revision(
            request.expected_revision_id.as_deref(),
            revision,
            &request.resource_arn,
        )?;
        if revision.is_none() {
            return Ok(Change {
                answer: revision_body(None).into(),
                ..Change::default()
            });
        }
        Ok(change_of(&row, revision_body(revision)))
    }
}

impl Table {
    /// What ListTagsOfResource says.
    pub fn tags(&self) -> Vec<Tag> {
        tags_of(&self.row)
    }

    /// What DescribeContinuousBackups says.
    pub fn continuous_backups(&self, now_millis: u64) -> ContinuousBackupsResponse {
        continuous_backups(&self.row, now_millis)
    }

    /// What DescribeContributorInsights says, of the table or of one of its indexes.
    ///
    /// # Errors
    /// ResourceNotFoundException for an unknown index.
    pub fn contributor_insights(
        &self,
        index_name: Option<&str>,
    ) -> Result<ContributorInsights, ApiError> {
        check_index(self, index_name)?;
        let settings = &self.row.settings.contributor_insights;
        let held = settings.get(index_name.unwrap_or_default());
        Ok(ContributorInsights {
            last_update_date_time: held.map(|held| seconds(held.changed_millis)),
            ..summary(&self.row, index_name)
        })
    }

    /// What ListContributorInsights says of the table and its indexes: what is on.
    pub fn contributor_insights_summaries(&self) -> Vec<ContributorInsights> {
        self.row
            .settings
            .contributor_insights
            .iter()
            .filter(|(_, held)| held.enabled)
            .map(|(name, _)| summary(&self.row, (!name.is_empty()).then_some(name.as_str())))
            .collect()
    }

    /// What GetResourcePolicy says.
    ///
    /// # Errors
    /// PolicyNotFoundException.
    pub fn resource_policy(&self) -> Result<ResourcePolicyResponse, ApiError> {
        let held = self.row.settings.resource_policies.get("");
        let (policy, revision) = held.ok_or_else(|| policy_not_found(&self.arn))?;
        Ok(ResourcePolicyResponse {
            policy: Some(policy.clone()),
            revision_id: Some(revision.to_string()),
        })
    }
}

fn tags_of(row: &TableRow) -> Vec<Tag> {
    row.tags
        .iter()
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

fn continuous_backups(row: &TableRow, now_millis: u64) -> ContinuousBackupsResponse {
    ContinuousBackupsResponse {
        recovery: row.settings.point_in_time_recovery.map(|(days, since)| {
            let reach = u64::from(days) * DAY_MILLIS;
            let earliest = since.max(now_millis.saturating_sub(reach));
            let latest = now_millis.saturating_sub(RESTORABLE_LAG_MILLIS);
            PointInTimeRecovery {
                period_in_days: i64::from(days),
                earliest: seconds(earliest),
                latest: seconds(latest.max(earliest)),
            }
        }),
    }
}

fn mode_of(row: &InsightsRow) -> ContributorInsightsMode {
    match row.throttled_keys_only {
        true => ContributorInsightsMode::ThrottledKeys,
        false => ContributorInsightsMode::AccessedAndThrottledKeys,
    }
}

fn summary(row: &TableRow, index_name: Option<&str>) -> ContributorInsights {
    let key = index_name.unwrap_or_default();
    let held = row.settings.contributor_insights.get(key);
    ContributorInsights {
        table_name: row.name.clone(),
        index_name: index_name.map(str::to_owned),
        contributor_insights_rule_list: Vec::new(),
        contributor_insights_status: match held.is_some_and(|held| held.enabled) {
            true => ContributorInsightsStatus::Enabled,
            false => ContributorInsightsStatus::Disabled,
        },
        last_update_date_time: None,
        contributor_insights_mode: held.map(mode_of),
    }
}

fn check_index(table: &Table, index_name: Option<&str>) -> Result<(), ApiError> {
    let Some(name) = index_name else {
        return Ok(());
    };
    if table
        .row
        .global_indexes
        .iter()
        .any(|index| index.name == name)
    {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::ResourceNotFoundException,
        format!(
            "Requested resource not found: Index: {name} not found for table: {}",
            table.row.name
        ),
    ))
}

/// The table of a tag operation, which has its own words for one that does not exist.
fn tagged<'a>(state: &'a CatalogState, arn: &str) -> Result<&'a Table, ApiError> {
    by_arn(state, arn).ok_or_else(|| {
        ApiError::new(
            ErrorCode::ResourceNotFoundException,
            format!("Requested resource not found: ResourcArn: {arn} not found"),
        )
    })
}

/// The table of a policy operation.
fn resource<'a>(state: &'a CatalogState, arn: &str) -> Result<&'a Table, ApiError> {
    by_arn(state, arn).ok_or_else(ApiError::not_found)
}

fn by_arn<'a>(state: &'a CatalogState, arn: &str) -> Option<&'a Table> {
    let name = TableArn::parse(arn)?.table_name;
    let table = state.tables.get(name)?;
    (table.arn == arn).then_some(&**table)
}

/// The revision that the caller expects is the one that is there.
fn check_revision(expected: Option<&str>, held: Option<u64>, arn: &str) -> Result<(), ApiError> {
    let fits = match (expected, held) {
        (None, _) | (Some(NO_POLICY), None) => true,
        (Some(expected), Some(held)) => expected == held.to_string(),
        (Some(_), None) => false,
    };
    if fits {
        return Ok(());
    }
    Err(policy_not_found(arn))
}

fn revision_body(revision: Option<u64>) -> Vec<u8> {
    ResourcePolicyResponse {
        policy: None,
        revision_id: revision.map(|revision| revision.to_string()),
    }
    .to_json()
}
