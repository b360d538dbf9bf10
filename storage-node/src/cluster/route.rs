//! Finding who answers a request, and asking again until somebody did.
//!
//! What is repeated, and when: a refusal that says "surely not executed" at once, with back-off; a
//! lost reply or an unknown outcome only under the same request id, which the group remembers, so
//! that a repeated `ADD` counts once. Time spent on all of it counts against the one deadline, and
//! at the deadline the caller learns that the outcome is unknown.

use std::future::Future;
use std::time::Duration;

use stator_model::error::ApiError;
use tokio::time::{Instant, sleep_until};

use super::Cluster;
use super::message::{DataAnswer, DataRequest, Refusal, decode, encode};
use crate::replication::{GroupId, NodeId, ProposeError, ReadError};
use crate::rpc::{Service, TransportError};

/// One attempt may take this long before another replica is asked: a cut-off leader does not answer
/// at all, and its successor is elected meanwhile.
const ATTEMPT_MAX: Duration = Duration::from_millis(1_500);
const BACK_OFF_FIRST: Duration = Duration::from_millis(5);
const BACK_OFF_MAX: Duration = Duration::from_millis(150);

/// Why a routed request has no result.
#[derive(Debug)]
pub(super) enum RouteError {
    /// An error of the API.
    Api(ApiError),
    /// The partition is not where the router thought. Surely not executed.
    Stale,
}

/// A request that the leader of a group answers (or any replica).
pub(super) trait Routed: Sync {
    /// What it yields.
    type Output: Send;

    /// The group that answers.
    fn group(&self) -> GroupId;

    /// Whether any replica may answer.
    fn any_replica(&self) -> bool {
        false
    }

    /// Answers on this node.
    fn local(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Output, Refusal>> + Send;

    /// The message for another node.
    fn request(&self, deadline_millis: u32) -> DataRequest;

    /// The result in another node's answer; `None` for an answer to something else.
    fn output(&self, answer: DataAnswer) -> Option<Self::Output>;
}

impl Cluster {
    /// Has `routed` answered by whom it concerns.
    pub(super) async fn route<R: Routed>(
        &self,
        routed: &R,
        deadline: Instant,
    ) -> Result<R::Output, RouteError> {
        let mut hint = None;
        let mut back_off = BACK_OFF_FIRST;
        let mut unknown = false;
        let mut tried = 0_usize;
        loop {
            let attempt_deadline = deadline.min(Instant::now() + ATTEMPT_MAX);
            let refusal = match self.target(routed, hint.take(), tried) {
                Some(node) if node == self.node_id() => {
                    match routed.local(self, attempt_deadline).await {
                        Ok(output) => return Ok(output),
                        Err(refusal) => refusal,
                    }
                }
                Some(node) => match self.ask(routed, node, attempt_deadline).await {
                    Ok(output) => return Ok(output),
                    Err(refusal) => refusal,
                },
                None => Refusal::NotLeader { hint: None },
            };
            tried += 1;
            match refusal {
                Refusal::Api { status, body } => {
                    return Err(RouteError::Api(ApiError::from_json_body(status, &body)));
                }
                Refusal::StaleRoute => return Err(RouteError::Stale),
                Refusal::Unknown => unknown = true,
                Refusal::NotLeader { hint: Some(leader) } => {
                    let leader = NodeId(leader);
                    // A hint is followed at once, but not in circles.
                    hint = Some(leader).filter(|_| tried < 3 || !tried.is_multiple_of(4));
                }
                Refusal::NotLeader { hint: None }
                | Refusal::NotExecuted
                | Refusal::StorageFailed => {}
            }
            let again = Instant::now() + back_off / 2 + self.random.jitter(back_off);
            if again >= deadline {
                return Err(RouteError::Api(expired(unknown)));
            }
            sleep_until(again).await;
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    /// Whom to ask.
    fn target<R: Routed>(&self, routed: &R, hint: Option<NodeId>, tried: usize) -> Option<NodeId> {
        if hint.is_some() {
            return hint;
        }
        let local = self.groups.get(&routed.group());
        if let Some(local) = local {
            if routed.any_replica() && tried == 0 && local.handle.is_readable() {
                return Some(self.node_id());
            }
            if let Some(leader) = local.handle.leader() {
                return Some(leader);
            }
            if !routed.any_replica() {
                return None;
            }
        }
        let catalog = self.catalog.current();
        let voters = &catalog.groups.get(&routed.group().0)?.voters;
        voters.get(tried % voters.len().max(1)).copied().map(NodeId)
    }

    async fn ask<R: Routed>(
        &self,
        routed: &R,
        node: NodeId,
        deadline: Instant,
    ) -> Result<R::Output, Refusal> {
        let answer = self
            .call(node, &routed.request(millis_until(deadline)), deadline)
            .await?;
        match answer {
            DataAnswer::Refused(refusal) => Err(refusal),
            answer => routed.output(answer).ok_or(Refusal::Unknown),
        }
    }

    /// One message to one node. A lost reply is [`Refusal::Unknown`].
    pub(super) async fn call(
        &self,
        node: NodeId,
        request: &DataRequest,
        deadline: Instant,
    ) -> Result<DataAnswer, Refusal> {
        match self
            .transport
            .call(node, Service::Data, encode(request), deadline)
            .await
        {
            Ok(bytes) => decode(&bytes).map_err(|problem| {
                tracing::warn!(%problem, node = node.0, "unreadable answer");
                Refusal::Unknown
            }),
            Err(TransportError::NotSent { .. }) => Err(Refusal::NotExecuted),
            Err(_) => Err(Refusal::Unknown),
        }
    }
}

/// Milliseconds until `deadline`, for a message.
pub(super) fn millis_until(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now());
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
}

/// The deadline that a message carries, never later than a caller of ours may ask for.
pub(super) fn deadline_in(millis: u32) -> Instant {
    Instant::now() + Duration::from_millis(u64::from(millis)).min(super::REQUEST_TIMEOUT)
}

/// The error at the deadline: the outcome is unknown, or the request was never executed. Both are a
/// 500 that SDKs repeat.
fn expired(unknown: bool) -> ApiError {
    ApiError::internal(if unknown {
        "The request timed out and its outcome is unknown"
    } else {
        "No leader for the partition could be reached in time; the request was not executed"
    })
}

/// An API error as a refusal.
pub(super) fn refuse(error: &ApiError) -> Refusal {
    Refusal::Api {
        status: error.code.http_status(),
        body: error.to_json_body().into(),
    }
}

/// An error of the local store: logged here, an internal error for the caller.
pub(super) fn refuse_storage(problem: &dyn std::error::Error) -> Refusal {
    tracing::error!(%problem, "the local store cannot be read");
    Refusal::StorageFailed
}

impl From<ProposeError> for Refusal {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { hint } => Self::NotLeader {
                hint: hint.map(|node| node.0),
            },
            ProposeError::NotExecuted => Self::NotExecuted,
            ProposeError::StorageFailed => Self::StorageFailed,
            _ => Self::Unknown,
        }
    }
}

/// A refused confirmation of leadership: nothing was written, so it may be repeated.
impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotLeader { hint } => Self::NotLeader {
                hint: hint.map(|node| node.0),
            },
            ReadError::StorageFailed => Self::StorageFailed,
            _ => Self::NotExecuted,
        }
    }
}
