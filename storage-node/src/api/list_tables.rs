//! ListTables: names in order, a page at a time.

use std::ops::Bound;

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{ListTablesRequest, ListTablesResponse};

use super::request::{authorize, newest_catalog};
use super::service::Call;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ListTablesRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:ListTables", "*")?;
    newest_catalog(&call).await?;
    let state = call.cluster.catalog().current();
    let after = match &request.exclusive_start_table_name {
        Some(name) => Bound::Excluded(name.as_str()),
        None => Bound::Unbounded,
    };
    let mut rest = state.tables.range::<str, _>((after, Bound::Unbounded));
    let names: Vec<String> = rest
        .by_ref()
        .take(request.page_length())
        .map(|(name, _)| name.to_string())
        .collect();
    let last_evaluated_table_name = rest.next().and_then(|_| names.last().cloned());
    Ok(ListTablesResponse {
        table_names: names,
        last_evaluated_table_name,
    }
    .to_json()
    .into())
}
