//! In a cluster: writes go where the primary is, and are acknowledged when no node serves what was there before.

use std::sync::Arc;
use std::time::Duration;

use stator_model::ApiError;
use tokio::time::Instant;

use super::policy::Handling;
use super::{Call, Proxy};
use crate::answer::Answer;
use crate::cache::CacheKey;
use crate::cluster::{Change, Cluster, Forward, ForwardError, Place};

/// How long a write looks for a primary that takes it. A promotion takes less than three seconds.
const PATIENCE: Duration = Duration::from_secs(10);

impl Proxy {
    /// Whether a hit may be served now. To be asked before the item cache is.
    pub(crate) fn may_hit(&self, now: Instant) -> bool {
        match (&self.cluster, &self.follower) {
            (Some(cluster), _) => cluster.may_hit(now),
            (None, Some(follower)) => follower.may_hit(now),
            (None, None) => true,
        }
    }

    /// A write: here, or forwarded whole to the primary.
    pub(super) async fn placed(
        self: &Arc<Self>,
        cluster: &Cluster,
        call: Call,
        handling: Handling,
    ) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match cluster.place().await {
                Some(Place::Here | Place::Anywhere) => return self.call_here(call, handling).await,
                Some(Place::There(primary)) => {
                    let request = Forward {
                        principal: call.principal.as_ref().clone(),
                        operation: call.operation.to_owned(),
                        body: call.body.clone(),
                    };
                    match cluster.forward(primary, request).await {
                        Ok(answer) => return answer.into(),
                        Err(ForwardError::NotExecuted) => cluster.lost_sight(primary).await,
                        Err(ForwardError::Lost) => {
                            return ApiError::internal("The primary did not answer in time.")
                                .into();
                        }
                    }
                }
                None => break,
            }
        }
        ApiError::unavailable("No cache node can be the primary, or be sure that there is none.")
            .into()
    }

    /// Whether this node is the primary of its cluster.
    pub(crate) fn leads(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.leads())
    }

    /// The time as the primary that is in force, to be taken when the caches change.
    pub(super) fn tenure(&self) -> Option<u64> {
        let cluster = self.cluster.as_ref()?;
        cluster.sessions.tenure(Instant::now())
    }

    /// The answer to a write that the store has acknowledged, once nobody serves what was there before.
    pub(super) async fn settled(
        &self,
        tenure: Option<u64>,
        changes: &[Change],
        answer: Answer,
    ) -> Answer {
        let Some(cluster) = &self.cluster else {
            return answer;
        };
        if !answer.status.is_success() || cluster.settle(tenure, changes).await {
            return answer;
        }
        // It has happened, and some node may not know: 500 leaves that open, and so is it for a retry.
        ApiError::internal("The write could not be made known to all cache nodes.").into()
    }

    /// What is to be told of these items.
    pub(super) fn changes_of_keys<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a CacheKey>,
    ) -> Vec<Change> {
        if self.cluster.is_none() {
            return Vec::new();
        }
        let change = |key: &CacheKey| Change::Drop {
            key: key.as_bytes().to_vec(),
        };
        keys.into_iter().map(change).collect()
    }

    /// What is to be told of these tables: of all that are known, if none is named or one has an unknown id.
    pub(super) fn changes_of_tables(&self, names: &[String]) -> Vec<Change> {
        if self.cluster.is_none() {
            return Vec::new();
        }
        let ids: Option<Vec<Change>> = names
            .iter()
            .map(|name| {
                let id = self.tables.id_of(name)?;
                Some(Change::DropTable {
                    table: *id.as_bytes(),
                })
            })
            .collect();
        match ids {
            Some(ids) if !ids.is_empty() => ids,
            _ => vec![Change::DropAll],
        }
    }
}
