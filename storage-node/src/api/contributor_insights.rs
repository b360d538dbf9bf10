//! UpdateContributorInsights, DescribeContributorInsights and ListContributorInsights: the setting,
//! with no rules behind it.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{
    ContributorInsights, DescribeContributorInsightsRequest, ListContributorInsightsRequest,
    ListContributorInsightsResponse, UpdateContributorInsightsRequest,
};

use super::request::{authorize, authorize_table, newest_catalog, table_name};
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn update(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = UpdateContributorInsightsRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:UpdateContributorInsights", name)?;
    call.control(ControlOperation::UpdateContributorInsights)
        .await
}

pub(super) async fn describe(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = DescribeContributorInsightsRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:DescribeContributorInsights", name)?;
    newest_catalog(&call).await?;
    let table = call
        .cluster
        .catalog()
        .table(name)
        .ok_or_else(|| ApiError::table_not_found(name))?;
    let insights = table.contributor_insights(request.index_name.as_deref())?;
    Ok(insights.to_json().into())
}

/// A page goes on after the table and index that its token names, in the order of names.
pub(super) async fn list(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ListContributorInsightsRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:ListContributorInsights", "*")?;
    newest_catalog(&call).await?;
    let state = call.cluster.catalog().current();
    let tables = match &request.table_name {
        None => state.tables.values().cloned().collect(),
        Some(given) => {
            let name = table_name(&call, given)?;
            let table = state.tables.get(name);
            vec![
                table
                    .cloned()
                    .ok_or_else(|| ApiError::table_not_found(name))?,
            ]
        }
    };
    let after = request.next_token.as_deref().unwrap_or_default();
    let mut rest = tables
        .iter()
        .flat_map(|table| table.contributor_insights_summaries())
        .filter(|summary| after.is_empty() || token(summary).as_str() > after);
    let page: Vec<ContributorInsights> = rest.by_ref().take(request.page_length()).collect();
    let next_token = rest.next().and_then(|_| page.last().map(token));
    Ok(ListContributorInsightsResponse {
        contributor_insights_summaries: page,
        next_token,
    }
    .to_json()
    .into())
}

/// Table and index, in the order of the list: a space sorts before every character of a name.
fn token(summary: &ContributorInsights) -> String {
    let index = summary.index_name.as_deref().unwrap_or_default();
    format!("{} {index}", summary.table_name)
}
