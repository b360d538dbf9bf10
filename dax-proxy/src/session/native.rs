//! The native DAX protocol on a connection (protocol, sections 3 to 6 and 12).
//!
//! Requests come one after another, each answered in one write. An idle connection is never closed from here: a client
//! that has pooled it would write its next request to nobody. Only a request that has begun has a deadline.

mod authorization;
mod data;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use stator_kit::sigv4::Verifier;
use stator_model::ApiError;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::authorization::Authorized;
use super::Session;
use crate::answer::throttled;
use crate::attribute_lists::ListRegistry;
use crate::metrics::OperationLabel;
use crate::native::{
    AttributeList, AttributeLists as _, Endpoint, FrameError, ListId, Maps, Method, Request,
    Scanner, encode_endpoints, encode_error, encode_key_schema, encode_list_id, encode_names,
    frame_header,
};

/// For a preamble or a request to arrive whole once it has begun, and for an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of a request of a caller who is not known. It is refused, and until then it would hold memory.
const STRANGERS_BYTES_MAX: usize = 64 * 1024;

/// A buffer that has held a large request is given back.
const KEPT_BYTES: usize = 64 * 1024;

/// Everything that connections of the native protocol share.
pub(crate) struct NativeSession {
    pub(crate) session: Arc<Session>,
    /// Verifies what is signed for the service `dax`; `None`: any caller is served, as over HTTP.
    pub(crate) verifier: Option<Verifier>,
    pub(crate) lists: Arc<ListRegistry>,
    /// Of this node, below 2^53.
    pub(crate) node_id: i64,
}

impl NativeSession {
    /// Serves a connection to its end, or until `stop`. `local` is the address that the client has connected to.
    pub(crate) async fn serve(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        local: SocketAddr,
        stop: &CancellationToken,
    ) {
        let mut connection = Connection {
            native: self,
            local,
            authorized: Authorized::default(),
            scanner: Scanner::default(),
            buffer: BytesMut::with_capacity(READ_BYTES),
            maps: Maps::Definite,
        };
        match connection.run(&mut stream, stop).await {
            Ok(()) => {}
            Err(End::Io(error)) => debug!(%error, "native connection ended"),
            Err(End::Late) => debug!("native connection given up: too slow"),
            Err(End::Frame(error)) => debug!(%error, "native connection given up"),
        }
        stream.shutdown().await.ok();
    }
}

/// Why a connection ends before the client ends it.
enum End {
    Io(std::io::Error),
    /// A deadline has passed.
    Late,
    /// Where the next request begins is not known.
    Frame(FrameError),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

struct Connection<'s> {
    native: &'s NativeSession,
    local: SocketAddr,
    authorized: Authorized,
    scanner: Scanner,
    /// What has been read and not been answered.
    buffer: BytesMut,
    maps: Maps,
}

impl Connection<'_> {
    async fn run(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        stop: &CancellationToken,
    ) -> Result<(), End> {
        let started = Instant::now();
        let preamble = loop {
            match self.scanner.preamble(&self.buffer).map_err(End::Frame)? {
                Some(preamble) => break preamble,
                None if self.read(stream, Some(started), stop).await? => {}
                None => return Ok(()),
            }
        };
        self.buffer.advance(preamble.length);
        if preamble.layered {
            self.maps = Maps::Indefinite;
        }
        loop {
            let Some(answer) = self.next(stream, stop).await? else {
                return Ok(());
            };
            let (bytes, end) = answer;
            let header = preamble.layered.then(|| frame_header(bytes.len()));
            let bytes = match header {
                // One write, so that header and answer leave in one segment.
                Some(header) => [&header, bytes.as_ref()].concat().into(),
                None => bytes,
            };
            timeout(PATIENCE, async {
                stream.write_all(&bytes).await?;
                stream.flush().await
            })
            .await
            .map_err(|_| End::Late)??;
            if let Some(error) = end {
                return Err(End::Frame(error));
            }
        }
    }

    /// Reads and carries out requests until one has an answer. `None`: the client has left, or the node stops.
    async fn next(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        stop: &CancellationToken,
    ) -> Result<Option<(Bytes, Option<FrameError>)>, End> {
        let mut started = None;
        loop {
            let found = self.scanner.request(&self.buffer);
            let frame = match found {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    if self.buffer.len() > STRANGERS_BYTES_MAX
                        && let Err(refusal) =
                            self.native.principal(&self.authorized, Instant::now())
                    {
                        return Ok(Some((refusal, Some(FrameError::TooLong))));
                    }
                    if !self.buffer.is_empty() && started.is_none() {
                        started = Some(Instant::now());
                    }
                    if self.read(stream, started, stop).await? {
                        continue;
                    }
                    return Ok(None);
                }
                // The client is told once; what it has sent behind this cannot be understood.
                Err(error) => {
                    let refusal =
                        ApiError::validation(format!("The request cannot be read: {error}"));
                    return Ok(Some((encode_error(&refusal).into(), Some(error))));
                }
            };
            started = None;
            let request = self.buffer.split_to(frame.length).freeze();
            if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES {
                self.buffer = BytesMut::with_capacity(READ_BYTES);
            }
            match Request::read(&frame, &request) {
                Ok(Request::Authorize(authorization)) => {
                    self.authorized = self.native.authorize(&authorization, Instant::now());
                }
                // An authorisation that makes no sense is no authorisation; it is not answered either.
                Err(_) if frame.method == Method::AuthorizeConnection => {
                    self.authorized = Authorized::default();
                }
                request => return Ok(Some((self.answer(frame.method, request).await, None))),
            }
        }
    }

    async fn answer(&self, method: Method, request: Result<Request<'_>, Box<ApiError>>) -> Bytes {
        let principal = match self.native.principal(&self.authorized, Instant::now()) {
            Ok(principal) => principal,
            Err(refusal) => return refusal,
        };
        let outcome = match request {
            Err(error) => Err(*error),
            Ok(Request::Data(request)) => {
                return self
                    .native
                    .data(principal, method, &request, self.maps)
                    .await;
            }
            Ok(Request::Endpoints) => Ok(self.native.endpoints(self.local)),
            Ok(Request::DefineKeySchema(table)) => {
                match self.native.key_schema(principal, &table).await {
                    Ok(schema) => Ok(encode_key_schema(&schema)),
                    Err(refusal) => return self.native.refusal(&refusal),
                }
            }
            Ok(Request::DefineAttributeListId(names)) => {
                let list = AttributeList::new(names);
                let id = list.id;
                self.native
                    .keep_lists(vec![list])
                    .await
                    .map(|()| encode_list_id(id))
            }
            Ok(Request::DefineAttributeList(id)) => match self.native.find_list(id).await {
                Some(names) => Ok(encode_names(&names)),
                None => Err(ApiError::validation(format!(
                    "Attribute list {id} is not known"
                ))),
            },
            // Has been taken before.
            Ok(Request::Authorize(_)) => Err(ApiError::internal("An authorisation has no answer.")),
        };
        match outcome {
            Ok(bytes) => bytes.into(),
            Err(error) => self.native.refusal(&error.into()),
        }
    }

    /// Reads some more. `false`: the client has left, or the node stops and nothing has begun.
    async fn read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        started: Option<Instant>,
        stop: &CancellationToken,
    ) -> Result<bool, End> {
        self.buffer.reserve(READ_BYTES);
        let read = stream.read_buf(&mut self.buffer);
        let read = match started {
            Some(started) => tokio::time::timeout_at(started + PATIENCE, read)
                .await
                .map_err(|_| End::Late)??,
            None => tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(false),
                read = read => read?,
            },
        };
        Ok(read > 0)
    }
}

impl NativeSession {
    /// The nodes, as far as a client of this address family can reach them (protocol, section 6).
    fn endpoints(&self, local: SocketAddr) -> Vec<u8> {
        let address = match local.ip() {
            IpAddr::V6(address) => address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4),
            address @ IpAddr::V4(_) => address,
        };
        let endpoint = |node_id: i64, address, port, leader, leader_id| Endpoint {
            node_id,
            host_name: format!("dax-{:012x}", node_id & 0xffff_ffff_ffff),
            address,
            port,
            leader,
            availability_zone: self.session.region.clone(),
            leader_session_id: leader_id,
        };
        let Some(cluster) = &self.session.proxy.cluster else {
            let (id, port) = (self.node_id, local.port());
            return encode_endpoints(&[endpoint(id, address, port, true, id)]);
        };
        let members = cluster.members();
        let leader = members.iter().find(|member| member.leader);
        let leader_id = leader.map_or(self.node_id, |leader| leader.node_id);
        let own = members.iter().find(|member| member.node_id == self.node_id);
        // Whoever came in through TLS goes on through TLS.
        let sealed = own.is_some_and(|own| own.tls_port == Some(local.port()));
        let endpoints: Vec<Endpoint> = members
            .iter()
            .map(|member| {
                let port = match member.tls_port {
                    Some(port) if sealed => port,
                    _ => member.address.port(),
                };
                let is_leader = member.node_id == leader_id;
                endpoint(
                    member.node_id,
                    member.address.ip(),
                    port,
                    is_leader,
                    leader_id,
                )
            })
            .collect();
        encode_endpoints(&endpoints)
    }

    /// Makes lists durable here and tells the other nodes of them; only then may their ids be answered.
    async fn keep_lists(&self, lists: Vec<AttributeList>) -> Result<(), ApiError> {
        let mut shared = Vec::new();
        if self.session.proxy.cluster.is_some() {
            for list in &lists {
                if self.lists.names(list.id).is_none() {
                    shared.push(list.names.to_vec());
                }
            }
        }
        self.lists.keep(lists).await?;
        if let Some(cluster) = &self.session.proxy.cluster {
            cluster.share_lists(shared).await;
        }
        Ok(())
    }

    /// The names of a list that this node or another has told a client of.
    async fn find_list(&self, id: ListId) -> Option<Arc<[String]>> {
        if let Some(names) = self.lists.names(id) {
            return Some(names);
        }
        let cluster = self.session.proxy.cluster.as_ref()?;
        let list = AttributeList::new(cluster.find_list(id).await?);
        if list.id != id {
            return None;
        }
        let names = Arc::clone(&list.names);
        self.lists.keep(vec![list]).await.ok()?;
        Some(names)
    }

    /// Counts a request of an operation, and gives it a place among those in flight.
    fn admit(&self, operation: &'static str) -> Result<tokio::sync::SemaphorePermit<'_>, ApiError> {
        let metrics = &self.session.proxy.metrics;
        metrics
            .requests
            .get_or_create(&OperationLabel { operation })
            .inc();
        self.session.permits.try_acquire().map_err(|_| {
            metrics.throttled.inc();
            throttled()
        })
    }
}
