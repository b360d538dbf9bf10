//! Operations on items: there and back through DynamoDB JSON, which is what the rest of the proxy speaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use stator_kit::access::Principal;
use stator_model::{ApiError, ErrorCode, KeySchema};
use tokio::time::Instant;
use tracing::{Instrument as _, debug_span};

use super::NativeSession;
use crate::answer::{Answer, CacheOutcome};
use crate::attribute_lists::ListRegistry;
use crate::native::{
    AttributeLists, DataRequest, Encoded, ListId, Maps, Method, Shape, Translated, encode_answer,
    encode_failure, joined, next_part,
};
use crate::operations::policy::{Handling, handling};
use crate::operations::{Call, item_key};

const TARGET_PREFIX: &str = "DynamoDB_20120810";

/// What every answer without an error begins with: no codes.
const NO_ERROR: [u8; 1] = [0x80];

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
        if maps == Maps::Definite && method == Method::GetItem {
            let held = self.held_item(&principal, request).await?;
            if let Some(bytes) = held {
                return Ok(bytes);
            }
        }
        let mut schemas = BTreeMap::new();
        for table in &request.tables {
            let schema = self.key_schema(Arc::clone(&principal), table).await?;
            schemas.insert(table.clone(), schema);
        }
        let Translated { body, shape } = self.translated(request, &schemas).await?;
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
        let mut answer = call(body.clone()).await;
        if handling == Handling::BatchWriteItem {
            let mut pauses = PAUSES.into_iter();
            while let Some(left) = next_part(&body, &answer.body) {
                let Some(pause) = pauses.next() else {
                    return Err(ApiError::new(
                        ErrorCode::ProvisionedThroughputExceededException,
                        "The level of configured provisioned throughput for one or more tables was exceeded. \
                         A part of the batch was not written.",
                    )
                    .into());
                };
                tokio::time::sleep(pause).await;
                let earlier = answer.body;
                answer = call(left.into()).await;
                if answer.status.is_success()
                    && let Some(body) = joined(&earlier, &answer.body)
                {
                    answer.crc32 = None;
                    answer.body = body.into();
                }
            }
        }
        Ok(self.encode(&shape, maps, &answer).await)
    }

    /// The request in DynamoDB JSON. An id that only another node has told of is asked for there.
    async fn translated(
        &self,
        request: &DataRequest<'_>,
        schemas: &BTreeMap<String, KeySchema>,
    ) -> Result<Translated, Answer> {
        let lists = Asked {
            lists: self.lists.as_ref(),
            missing: Mutex::default(),
        };
        let refusal = match request.translate(schemas, &lists) {
            Ok(translated) => return Ok(translated),
            Err(refusal) => refusal,
        };
        for id in lists.missing.into_inner() {
            if self.find_list(id).await.is_none() {
                return Err(refusal.into());
            }
        }
        Ok(request.translate(schemas, self.lists.as_ref())?)
    }

    /// A whole item out of the cache, which is most of what a cache is asked for: the finished answer from the second time
    /// on. `None` where it is not that, or not there: the request then takes the way of all others.
    async fn held_item(
        &self,
        principal: &Arc<Principal>,
        request: &DataRequest<'_>,
    ) -> Result<Option<Bytes>, Answer> {
        let proxy = &self.session.proxy;
        let Some(name) = request.tables.first() else {
            return Ok(None);
        };
        let call = Call {
            principal: Arc::clone(principal),
            operation: "GetItem",
            target_prefix: TARGET_PREFIX,
            body: Bytes::new(),
        };
        proxy.authorize(&call, name)?;
        let now = Instant::now();
        if !proxy.may_hit(now) {
            return Ok(None);
        }
        let Some(table) = proxy.table(name, now).await? else {
            return Ok(None);
        };
        let Some(key) = request.whole_item(&table.key_schema) else {
            return Ok(None);
        };
        let key = item_key(table.handle.id(), &key);
        let Some(item) = proxy.items.lookup(&table.handle, key.as_bytes(), now) else {
            return Ok(None);
        };
        proxy.metrics.item_hits.inc();
        if let Some(native) = item.native() {
            return Ok(Some(native.clone()));
        }
        let answer = Answer::item(&item, CacheOutcome::Hit);
        let shape = Shape::whole_item(table.key_schema.clone());
        let bytes = self.try_encode(&shape, Maps::Definite, &answer).await?;
        if bytes.starts_with(&NO_ERROR) {
            proxy.items.add_native(key, &item, bytes.clone());
        }
        Ok(Some(bytes))
    }

    /// The answer in the native form; the lists that it refers to are kept first.
    async fn encode(&self, shape: &Shape, maps: Maps, answer: &Answer) -> Bytes {
        self.session.proxy.metrics.count_outcome(answer.status);
        match self.try_encode(shape, maps, answer).await {
            Ok(bytes) => bytes,
            Err(error) => self.refusal(&error.into()),
        }
    }

    async fn try_encode(
        &self,
        shape: &Shape,
        maps: Maps,
        answer: &Answer,
    ) -> Result<Bytes, ApiError> {
        let Encoded { bytes, new_lists } = encode_answer(
            shape,
            answer.status,
            &answer.body,
            request_id(answer),
            maps,
            self.lists.as_ref(),
        );
        self.keep_lists(new_lists).await?;
        Ok(bytes.into())
    }

    /// The answer to a request that was refused before it had an answer of its own.
    pub(super) fn refusal(&self, answer: &Answer) -> Bytes {
        self.session.proxy.metrics.count_outcome(answer.status);
        encode_failure(
            answer.status,
            &answer.body,
            request_id(answer),
            self.lists.as_ref(),
        )
        .into()
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

/// Lists, and which of them were asked for in vain.
struct Asked<'a> {
    lists: &'a ListRegistry,
    missing: Mutex<Vec<ListId>>,
}

impl AttributeLists for Asked<'_> {
    fn names(&self, id: ListId) -> Option<Arc<[String]>> {
        let names = self.lists.names(id);
        if names.is_none() {
            self.missing.lock().push(id);
        }
        names
    }
}

fn request_id(answer: &Answer) -> Option<&str> {
    answer.request_id.as_ref()?.to_str().ok()
}
