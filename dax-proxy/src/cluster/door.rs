//! What peers ask of this node: the server on 8112.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use stator_kit::http::{ServerOptions, read_body, serve as serve_http};
use stator_kit::task::TaskOwner;
use stator_kit::tls::ReloadingServerConfig;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::Cluster;
use super::forward::{Forward, to_http};
use super::message::{
    Apply, Call, FindList, Identify, Join, KeepLists, Leave, Renew, Settle, TableIdentity,
};
use crate::answer::Answer;
use crate::message::{decode, encode};

/// The longest body: a client's request.
const BODY_BYTES_MAX: usize = 17 * 1024 * 1024;
/// For a body to arrive.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// What peers want of the rest of this node.
pub(crate) trait Door: Send + Sync + 'static {
    /// Executes a client's write here; `None`: this node is not the primary, and has done nothing.
    fn forwarded(&self, request: Forward) -> BoxFuture<'static, Option<Answer>>;

    /// Makes attribute lists durable; whether they are.
    fn keep_lists(&self, lists: Vec<Vec<String>>) -> BoxFuture<'static, bool>;

    /// What an attribute-list id means, as far as it is known here.
    fn find_list(&self, id: i64) -> Option<Vec<String>>;

    /// Which table has that name, for the caches of the whole cluster; only the primary says.
    fn identify(&self, name: String) -> BoxFuture<'static, TableIdentity>;
}

/// Serves peers until the owner's token is cancelled.
pub(crate) fn serve(
    listener: TcpListener,
    tls: Option<ReloadingServerConfig>,
    cluster: Arc<Cluster>,
    door: Arc<dyn Door>,
    tasks: &TaskOwner,
) {
    let options = ServerOptions {
        tls,
        ..ServerOptions::new("peers")
    };
    let peers = Arc::new(Peers { cluster, door });
    let handler = move |request| {
        let peers = Arc::clone(&peers);
        async move { peers.handle(request).await }
    };
    serve_http(listener, options, handler, tasks);
}

struct Peers {
    cluster: Arc<Cluster>,
    door: Arc<dyn Door>,
}

impl Peers {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let received = Instant::now();
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return status(StatusCode::NOT_FOUND);
        }
        let Ok(body) = read_body(body, BODY_BYTES_MAX, received + BODY_WAIT).await else {
            return status(StatusCode::BAD_REQUEST);
        };
        if parts.uri.path() == Forward::PATH {
            let Some(request) = Forward::of_http(&parts.headers, body) else {
                return status(StatusCode::BAD_REQUEST);
            };
            return match self.door.forwarded(request).await {
                Some(answer) => to_http(answer),
                None => status(StatusCode::MISDIRECTED_REQUEST),
            };
        }
        match self.answer(parts.uri.path(), &body, received).await {
            Some(answer) => Response::new(Full::new(answer.into())),
            None => status(StatusCode::BAD_REQUEST),
        }
    }

    /// `None`: a call that is not known, or cannot be read.
    async fn answer(&self, path: &str, body: &[u8], received: Instant) -> Option<Vec<u8>> {
        let cluster = &self.cluster;
        Some(match path {
            Join::PATH => encode(&cluster.answer_join(read(body)?, received)),
            Leave::PATH => encode(&cluster.answer_leave(read(body)?)),
            Renew::PATH => encode(&cluster.answer_renew(read(body)?, received)),
            Apply::PATH => encode(&cluster.answer_apply(&read(body)?)),
            Settle::PATH => {
                let Settle { changes } = read(body)?;
                encode(&cluster.settle_here(&changes).await)
            }
            KeepLists::PATH => {
                let KeepLists { lists } = read(body)?;
                encode(&self.door.keep_lists(lists).await)
            }
            FindList::PATH => {
                let FindList { id } = read(body)?;
                encode(&self.door.find_list(id))
            }
            Identify::PATH => {
                let Identify { name } = read(body)?;
                encode(&self.door.identify(name).await)
            }
            _ => return None,
        })
    }
}

fn read<C: Call>(body: &[u8]) -> Option<C> {
    decode(body)
        .inspect_err(|error| tracing::warn!(path = C::PATH, %error, "a peer's call cannot be read"))
        .ok()
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
