//! Operations on items: there and back through DynamoDB JSON, which is what the rest of the proxy speaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stator_kit::access::Principal;
use stator_model::{ApiError, ErrorCode, KeySchema};
use tokio::time::Instant;
use tracing::{Instrument as _, debug_span};

use super::NativeSession;
use crate::answer::Answer;
use crate::native::{
    DataRequest, Encoded, Maps, Method, Shape, Translated, encode_answer, encode_failure,
    unprocessed_items,
};
use crate::operations::Call;
use crate::operations::policy::{Handling, handling};

const TARGET_PREFIX: &str = "DynamoDB_20120810";

/// Pauses before what a BatchWriteItem left undone is sent again: a second and a half in all.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

impl NativeSession {
    pub(super) async fn data(
        &self,
        principal: Arc<Principal>,
        method: Method,
        request: &DataRequest<'_>,
        maps: Maps,
    ) -> Bytes {
        match self.try_data(principal, method, request, maps).await {
            Ok(bytes) => bytes,
            Err(refusal) => self.refusal(&refusal),
        }
    }

    async fn try_data(
        &self,
        principal: Arc<Principal>,
        method: Method,
        request: &DataRequest<'_>,
        maps: Maps,
    ) -> Result<Bytes, Answer> {
        let unknown = || ApiError::without_message(ErrorCode::UnknownOperationException);
        let name = method.operation().ok_or_else(unknown)?;
        let (operation, handling) = handling(false, name).ok_or_else(unknown)?;
        let _permit = self.admit(operation)?;
        let mut schemas = BTreeMap::new();
        for table in &request.tables {
            let schema = self.key_schema(Arc::clone(&principal), table).await?;
            schemas.insert(table.clone(), schema);
        }
        let Translated { body, shape } = request.translate(&schemas, &self.lists)?;
        let call = |body: Bytes| {
            let call = Call {
                principal: Arc::clone(&principal),
                operation,
                target_prefix: TARGET_PREFIX,
                body,
            };
            let span = debug_span!("native request", operation);
            self.session.proxy.call(call, handling).instrument(span)
        };
        let mut answer = call(body).await;
        if handling == Handling::BatchWriteItem {
            let mut pauses = PAUSES.into_iter();
            while let Some(left) = unprocessed_items(&answer.body) {
                let Some(pause) = pauses.next() else {
                    return Err(ApiError::new(
                        ErrorCode::ProvisionedThroughputExceededException,
                        "The level of configured provisioned throughput for one or more tables was exceeded. \
                         A part of the batch was not written.",
                    )
                    .into());
                };
                tokio::time::sleep(pause).await;
                answer = call(left.into()).await;
            }
        }
        Ok(self.encode(&shape, maps, &answer).await)
    }

    /// The answer in the native form; the lists that it refers to are kept first.
    async fn encode(&self, shape: &Shape, maps: Maps, answer: &Answer) -> Bytes {
        self.session.proxy.metrics.count_outcome(answer.status);
        let Encoded { bytes, new_lists } = encode_answer(
            shape,
            answer.status,
            &answer.body,
            request_id(answer),
            maps,
            &self.lists,
        );
        match self.lists.keep(new_lists).await {
            Ok(()) => bytes.into(),
            Err(error) => self.refusal(&error.into()),
        }
    }

    /// The answer to a request that was refused before it had an answer of its own.
    pub(super) fn refusal(&self, answer: &Answer) -> Bytes {
        self.session.proxy.metrics.count_outcome(answer.status);
        encode_failure(answer.status, &answer.body, request_id(answer), &self.lists).into()
    }

    /// The key of a table that the caller may know of.
    pub(super) async fn key_schema(
        &self,
        principal: Arc<Principal>,
        table: &str,
    ) -> Result<KeySchema, Answer> {
        let proxy = &self.session.proxy;
        let call = Call {
            principal,
            operation: "DescribeTable",
            target_prefix: TARGET_PREFIX,
            body: Bytes::new(),
        };
        proxy.authorize(&call, table)?;
        let known = proxy.table(table, Instant::now()).await?;
        let table = known.ok_or_else(ApiError::not_found)?;
        Ok(table.key_schema.clone())
    }
}

fn request_id(answer: &Answer) -> Option<&str> {
    answer.request_id.as_ref()?.to_str().ok()
}
