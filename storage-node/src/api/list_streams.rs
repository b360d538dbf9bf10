//! ListStreams, from the newest catalog.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{ListStreamsRequest, ListStreamsResponse, StreamSummary};

use super::request::{authorize, newest_catalog, table_name};
use super::service::Call;
use super::streams::stream_arn;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ListStreamsRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:ListStreams", "*")?;
    let table = request
        .table_name
        .as_deref()
        .map(|given| table_name(&call, given))
        .transpose()?;
    newest_catalog(&call).await?;
    let mut streams: Vec<StreamSummary> = call
        .cluster
        .streams(table)
        .iter()
        .map(|source| StreamSummary {
            stream_arn: stream_arn(&call, source),
            table_name: source.table_name.clone(),
            stream_label: source.label(),
        })
        .collect();
    streams.sort();
    if let Some(start) = &request.exclusive_start_stream_arn {
        streams.retain(|stream| stream.stream_arn > *start);
    }
    let is_cut = streams.len() > request.page_length();
    streams.truncate(request.page_length());
    let last = streams.last().map(|stream| stream.stream_arn.clone());
    let response = ListStreamsResponse {
        last_evaluated_stream_arn: last.filter(|_| is_cut),
        streams,
    };
    Ok(response.to_json().into())
}
