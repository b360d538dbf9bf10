//! UpdateTimeToLive as a change of the catalog: a pure plan.

use stator_model::error::ApiError;
use stator_model::operations::{
    TimeToLiveDescription, TimeToLiveStatus, UpdateTimeToLiveRequest, UpdateTimeToLiveResponse,
};

use super::Change;
use super::tables::{being_deleted, change_of, find};
use crate::cluster::Table;
use crate::cluster::catalog::CatalogState;
use crate::cluster::catalog::rows::{TableRow, TtlRow};

/// Plans UpdateTimeToLive.
///
/// # Errors
/// The caller's error.
pub(super) fn plan(body: &[u8], state: &CatalogState, now_millis: u64) -> Result<Change, ApiError> {
    let request = UpdateTimeToLiveRequest::parse(body)?;
    let table = find(state, &request.table_name)?;
    if !table.is_active() {
        return Err(being_deleted(&table.row.name));
    }
    let enabled = table.row.ttl.as_ref().filter(|ttl| ttl.enabled);
    request.check(enabled.map(|ttl| ttl.attribute.as_str()))?;
    let specification = request.specification;
    let row = TableRow {
        ttl: Some(TtlRow {
            attribute: specification.attribute_name.clone(),
            enabled: specification.enabled,
            changed_millis: now_millis,
        }),
        ..table.row.clone()
    };
    let answer = UpdateTimeToLiveResponse {
        time_to_live_specification: specification,
    };
    Ok(change_of(&row, answer.to_json()))
}

impl Table {
    /// What DescribeTimeToLive says.
    pub fn time_to_live(&self) -> TimeToLiveDescription {
        let enabled = self.row.ttl.as_ref().filter(|ttl| ttl.enabled);
        TimeToLiveDescription {
            time_to_live_status: match enabled {
                Some(_) => TimeToLiveStatus::Enabled,
                None => TimeToLiveStatus::Disabled,
            },
            attribute_name: enabled.map(|ttl| ttl.attribute.clone()),
        }
    }
}
