//! The control plane of the DynamoDB API, as much of it as the planner uses.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

mod description;
mod requests;

use self::description::{Changed, Described, DescribedExpiry, TagPage};
use self::requests::{change_request, create_request};
use super::{ServiceError, TableService, signed::SignedClient};
use crate::{
    crd::TableSpec,
    plan::table_changes::{ServiceTable, TableChange},
};

pub(super) struct DynamoDbClient {
    pub(super) client: SignedClient,
}

impl DynamoDbClient {
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        request: Value,
    ) -> Result<T, ServiceError> {
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        let body = self
            .client
            .send(
                Method::POST,
                "/",
                &headers,
                Bytes::from(request.to_string()),
            )
            .await?;
        // TagResource and UntagResource answer nothing.
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        serde_json::from_slice(text).map_err(|error| {
            ServiceError::Unreachable(format!("the answer to {operation} cannot be read: {error}"))
        })
    }

    /// What DescribeTable does not tell, as far as the manifest manages it.
    async fn describe_settings(
        &self,
        spec: &TableSpec,
        table: &mut ServiceTable,
    ) -> Result<(), ServiceError> {
        if spec.time_to_live.is_some() {
            let request = json!({"TableName": spec.table_name});
            let answer: DescribedExpiry = self.call("DescribeTimeToLive", request).await?;
            table.time_to_live = Some(answer.into());
        }
        if spec.tags.is_some() {
            let mut tags = std::collections::BTreeMap::new();
            let mut request = json!({"ResourceArn": table.arn});
            loop {
                let page: TagPage = self.call("ListTagsOfResource", request).await?;
                tags.extend(page.tags.into_iter().map(|tag| (tag.key, tag.value)));
                match page.next_token {
                    Some(token) => {
                        request = json!({"ResourceArn": table.arn, "NextToken": token});
                    }
                    None => break,
                }
            }
            table.tags = Some(tags);
        }
        Ok(())
    }
}

impl TableService for DynamoDbClient {
    fn describe<'a>(
        &'a self,
        spec: &'a TableSpec,
    ) -> BoxFuture<'a, Result<Option<ServiceTable>, ServiceError>> {
        Box::pin(async move {
            match self
                .call::<Described>("DescribeTable", json!({"TableName": spec.table_name}))
                .await
            {
                Ok(answer) => {
                    let mut table = ServiceTable::from(answer.table);
                    if matches!(table.status.as_str(), "ACTIVE" | "UPDATING") {
                        self.describe_settings(spec, &mut table).await?;
                    }
                    Ok(Some(table))
                }
                Err(error) if error.is("ResourceNotFoundException") => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn create<'a>(
        &'a self,
        spec: &'a TableSpec,
    ) -> BoxFuture<'a, Result<ServiceTable, ServiceError>> {
        Box::pin(async move {
            let answer: Changed = self.call("CreateTable", create_request(spec)).await?;
            Ok(answer.table_description.into())
        })
    }

    fn update<'a>(
        &'a self,
        table: &'a str,
        change: &'a TableChange,
    ) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            let (operation, request) = change_request(table, change);
            let _: Value = self.call(operation, request).await?;
            Ok(())
        })
    }

    fn delete<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            let _: Changed = self
                .call("DeleteTable", json!({"TableName": table}))
                .await?;
            Ok(())
        })
    }
}
