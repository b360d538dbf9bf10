//! The admin API: JSON over HTTP, signed for the service `stator-admin`, for the operator and people.
//!
//! `GET /v1/cluster`, `GET /v1/node`, `POST /v1/nodes/{name}/drain-leaders`; types in `model::admin`.
//! It answers before the node is part of a cluster, so that a node which does not vote can say why.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, middleware};
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde::Serialize;
use stator_kit::access::Principal;
use stator_kit::clock::WallClock;
use stator_kit::http::ServerOptions;
use stator_kit::task::TaskOwner;
use stator_model::admin::{ClusterStatus, DrainLeadersResponse, NodeState, NodeStatus};
use stator_model::error::{ApiError, ErrorCode};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::service::{Access, not_verified};
use crate::cluster::Cluster;
use crate::identity::{Bootstrap, Outcome};

/// No admin request carries more.
const BODY_SIZE_BYTES_MAX: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The admin API of one node.
pub struct Admin {
    cluster: Arc<OnceLock<Arc<Cluster>>>,
    bootstrap: Arc<Bootstrap>,
    access: Access,
    clock: Arc<dyn WallClock>,
}

impl Admin {
    /// The admin API in front of `cluster`, which may be filled in later.
    pub fn new(
        cluster: Arc<OnceLock<Arc<Cluster>>>,
        bootstrap: Arc<Bootstrap>,
        access: Access,
        clock: Arc<dyn WallClock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            cluster,
            bootstrap,
            access,
            clock,
        })
    }

    /// Serves `listener` in a task of `tasks`.
    pub fn serve(self: Arc<Self>, listener: TcpListener, tasks: &TaskOwner) {
        let router = Router::new()
            .route("/v1/cluster", get(cluster))
            .route("/v1/node", get(node))
            .route("/v1/nodes/{name}/drain-leaders", post(drain_leaders))
            .layer(middleware::from_fn_with_state(Arc::clone(&self), verify))
            .with_state(self);
        let handler = move |request: http::Request<hyper::body::Incoming>| {
            let router = router.clone();
            async move {
                let answered = router.oneshot(request.map(Body::new)).await;
                answered.unwrap_or_else(|never| match never {})
            }
        };
        stator_kit::http::serve(listener, ServerOptions::new("admin"), handler, tasks);
    }

    fn node_status(&self) -> NodeStatus {
        if let Some(cluster) = self.cluster.get() {
            return cluster.node_status();
        }
        let (state, reason) = match &*self.bootstrap.outcome().borrow() {
            Outcome::NotVoting(reason) => (NodeState::NotVoting, reason.clone()),
            Outcome::Waiting(reason) => (NodeState::Bootstrapping, reason.clone()),
            Outcome::Member(_) => (NodeState::Bootstrapping, "starting".to_owned()),
        };
        NodeStatus {
            name: self.bootstrap.name().to_owned(),
            rack: self.bootstrap.rack().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state,
            reason: Some(reason),
            ..NodeStatus::default()
        }
    }
}

/// Verifies the signature and asks whether the caller may.
async fn verify(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let deadline = Instant::now() + BODY_TIMEOUT;
    let limited = http_body_util::Limited::new(body, BODY_SIZE_BYTES_MAX);
    let Ok(Ok(body)) = tokio::time::timeout_at(deadline, limited.collect()).await else {
        return refuse(&ApiError::without_message(ErrorCode::RequestEntityTooLarge));
    };
    let body = body.to_bytes();
    let principal = match &admin.access {
        Access::AnyCaller => Arc::new(Principal::anonymous()),
        Access::Signed(verifier) => match verifier.verify(&parts, &body, admin.clock.now()) {
            Ok(principal) => principal,
            Err(problem) => return refuse(&not_verified(&problem)),
        },
    };
    let action = if parts.method == http::Method::GET {
        "stator-admin:Read"
    } else {
        "stator-admin:DrainLeaders"
    };
    if let Err(denied) = stator_kit::access::authorize(&principal, action, "*") {
        return refuse(&ApiError::new(
            ErrorCode::AccessDeniedException,
            denied.to_string(),
        ));
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

async fn cluster(State(admin): State<Arc<Admin>>) -> Response {
    match admin.cluster.get() {
        Some(cluster) => Json(cluster.cluster_status().await).into_response(),
        // A node without a cluster knows itself; a cluster id that is empty says that there is none.
        None => Json(ClusterStatus {
            nodes: vec![admin.node_status()],
            ..ClusterStatus::default()
        })
        .into_response(),
    }
}

async fn node(State(admin): State<Arc<Admin>>) -> Response {
    Json(admin.node_status()).into_response()
}

async fn drain_leaders(State(admin): State<Arc<Admin>>, Path(name): Path<String>) -> Response {
    let Some(cluster) = admin.cluster.get() else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "this node is not part of a cluster",
        );
    };
    let Some(node) = cluster.node_named(&name) else {
        return plain(StatusCode::NOT_FOUND, "no node of this name");
    };
    match cluster.drain_leaders_of(node).await {
        Some(moved_leaders) => Json(DrainLeadersResponse { moved_leaders }).into_response(),
        None => plain(StatusCode::BAD_GATEWAY, "the node does not answer"),
    }
}

fn refuse(error: &ApiError) -> Response {
    let status =
        StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(http::header::CONTENT_TYPE, "application/json")];
    (status, json, error.to_json_body()).into_response()
}

/// A refusal that no SDK reads.
fn plain(status: StatusCode, message: &str) -> Response {
    #[derive(Serialize)]
    struct Message<'a> {
        message: &'a str,
    }
    (status, Json(Message { message })).into_response()
}
