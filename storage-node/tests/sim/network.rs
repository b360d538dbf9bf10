//! The transport of the simulation: frames over simulated TCP, a connection for each call.
//!
//! Simulated TCP does not send again what a cut swallowed, so each call has a deadline and a connection of its own.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use stator_storage_node::replication::NodeId;
use stator_storage_node::rpc::{Service, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use turmoil::net::{TcpListener, TcpStream};

const PORT: u16 = 7000;

pub(crate) fn host(node: NodeId) -> String {
    format!("node-{node}")
}

/// Calls simulated nodes.
pub(crate) struct SimTransport;

impl Transport for SimTransport {
    fn call(
        &self,
        to: NodeId,
        service: Service,
        payload: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let connect = TcpStream::connect((host(to), PORT));
            let mut stream = match tokio::time::timeout_at(deadline, connect).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    return Err(TransportError::NotSent {
                        to,
                        reason: error.to_string(),
                    });
                }
                Err(_) => {
                    return Err(TransportError::NotSent {
                        to,
                        reason: "deadline".to_owned(),
                    });
                }
            };
            let exchange = async {
                write_frame(&mut stream, service_code(service), &payload).await?;
                read_frame(&mut stream).await
            };
            match tokio::time::timeout_at(deadline, exchange).await {
                Ok(Ok((_, answer))) => Ok(answer),
                Ok(Err(error)) => Err(TransportError::Lost {
                    to,
                    reason: error.to_string(),
                }),
                Err(_) => Err(TransportError::Lost {
                    to,
                    reason: "deadline".to_owned(),
                }),
            }
        })
    }
}

fn service_code(service: Service) -> u8 {
    match service {
        Service::Raft => 0,
        Service::Data => 1,
        Service::Bootstrap => 2,
    }
}

async fn write_frame(stream: &mut TcpStream, code: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![code];
    frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await
}

async fn read_frame(stream: &mut TcpStream) -> io::Result<(u8, Bytes)> {
    let code = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok((code, payload.into()))
}

/// Answers one call; `None` drops the reply.
pub(crate) type Handler =
    Arc<dyn Fn(Service, Bytes) -> BoxFuture<'static, Option<Bytes>> + Send + Sync>;

/// Answers calls for ever.
pub(crate) async fn listen(handler: Handler) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let handler = handler.clone();
        spawn(async move {
            let Ok((code, payload)) = read_frame(&mut stream).await else {
                return;
            };
            let service = if code == 0 {
                Service::Raft
            } else {
                Service::Data
            };
            if let Some(answer) = handler(service, payload).await {
                // The caller may be gone.
                drop(write_frame(&mut stream, 0, &answer).await);
            }
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulated host owns its tasks and drops them"
)]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
