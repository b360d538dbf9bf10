//! Client and server over loopback, in plain text and under mutual TLS.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use stator_kit::clock::{SystemWallClock, WallClock as _};
use stator_kit::tls::issue::CertificateAuthority;
use stator_kit::tls::{ALPN_HTTP2, MutualTls, ReloadingServerConfig, TlsFiles};
use tokio::net::TcpListener;

use super::*;
use crate::rpc::{RpcError, RpcHandler, serve};

struct Echo;

impl RpcHandler for Echo {
    fn handle(
        &self,
        service: Service,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RpcError>> {
        Box::pin(async move {
            match payload.as_ref() {
                b"refuse" => Err(RpcError::Refused("not now".to_owned())),
                b"fail" => Err(RpcError::Failed("half-way".to_owned())),
                b"hang" => std::future::pending().await,
                b"panic" => panic!("met by a handler"),
                _ => Ok([format!("{service:?} ").as_bytes(), &payload]
                    .concat()
                    .into()),
            }
        })
    }
}

async fn start(tls: Option<ReloadingServerConfig>, owner: &TaskOwner) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    serve(listener, tls, Arc::new(Echo), owner);
    address
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn calls_reach_their_service_and_errors_tell_about_delivery() {
    let owner = TaskOwner::new("test");
    let addresses = AddressBook::new();
    addresses.set(NodeId(1), start(None, &owner).await);
    let client = RpcClient::new(addresses, None, owner.clone());
    for service in [Service::Raft, Service::Data, Service::Bootstrap] {
        let answer = client
            .call(NodeId(1), service, "ping".into(), soon())
            .await
            .unwrap();
        assert_eq!(answer, format!("{service:?} ping"));
    }
    let large = Bytes::from(vec![7; 20 << 20]);
    let answer = client
        .call(NodeId(1), Service::Data, large.clone(), soon())
        .await
        .unwrap();
    assert_eq!(answer.len(), large.len() + 5);

    let call = |payload: &'static str, deadline| {
        client.call(NodeId(1), Service::Data, payload.into(), deadline)
    };
    assert!(matches!(
        call("refuse", soon()).await,
        Err(TransportError::NotSent { .. })
    ));
    assert!(matches!(
        call("fail", soon()).await,
        Err(TransportError::Lost { .. })
    ));
    let deadline = Instant::now() + Duration::from_millis(100);
    assert!(matches!(
        call("hang", deadline).await,
        Err(TransportError::Lost { .. })
    ));
    let unknown = client
        .call(NodeId(2), Service::Data, "ping".into(), soon())
        .await;
    assert!(matches!(unknown, Err(TransportError::NotSent { .. })));
}

#[tokio::test]
async fn a_broken_connection_is_made_again() {
    let first = TaskOwner::new("first");
    let address = start(None, &first).await;
    let owner = TaskOwner::new("test");
    let addresses = AddressBook::new();
    addresses.set(NodeId(1), address.clone());
    let client = RpcClient::new(addresses, None, owner.clone());
    client
        .call(NodeId(1), Service::Data, "ping".into(), soon())
        .await
        .unwrap();
    first.shutdown(Duration::from_secs(1)).await;
    let call = || client.call(NodeId(1), Service::Data, "ping".into(), soon());
    assert!(call().await.is_err());
    let listener = TcpListener::bind(&address).await.unwrap();
    serve(listener, None, Arc::new(Echo), &owner);
    // The first call may still meet the old connection; then a new one is made.
    let deadline = soon();
    while call().await.is_err() {
        assert!(Instant::now() < deadline, "no new connection");
    }
}

fn write_certificates(directory: &Path, authority: &CertificateAuthority) {
    let names = vec!["localhost".to_owned()];
    let now = SystemWallClock.now();
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let issued = authority.issue_server_client("node", &names, &addresses, now);
    let (certificate, key) = issued.unwrap();
    std::fs::write(directory.join("ca.crt"), authority.certificate_pem()).unwrap();
    std::fs::write(directory.join("tls.crt"), &certificate).unwrap();
    std::fs::write(directory.join("tls.key"), key.expose()).unwrap();
}

#[tokio::test]
async fn under_mutual_tls_a_caller_without_our_certificate_is_refused() {
    let owner = TaskOwner::new("test");
    let now = SystemWallClock.now();
    let ours = CertificateAuthority::new("ours", now).unwrap();
    let theirs = CertificateAuthority::new("theirs", now).unwrap();
    let (our_files, their_files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_certificates(our_files.path(), &ours);
    write_certificates(their_files.path(), &theirs);
    // The stranger trusts us, but we do not trust the stranger.
    std::fs::write(their_files.path().join("ca.crt"), ours.certificate_pem()).unwrap();

    let files = TlsFiles::in_directory(our_files.path());
    let server = ReloadingServerConfig::load(files, MutualTls::Required, &[ALPN_HTTP2]).unwrap();
    let address = start(Some(server), &owner).await;
    let client = |files: &Path| {
        let files = TlsFiles::in_directory(files);
        let tls = ReloadingClientConfig::load(files, MutualTls::Required, &[ALPN_HTTP2]).unwrap();
        RpcClient::new(AddressBook::new(), Some(tls), owner.clone())
    };
    let known = client(our_files.path());
    let answer = known
        .call_address(&address, Service::Raft, "ping".into(), soon())
        .await
        .unwrap();
    assert_eq!(answer, "Raft ping");
    let stranger = client(their_files.path());
    assert!(
        stranger
            .call_address(&address, Service::Raft, "ping".into(), soon())
            .await
            .is_err()
    );
    let plain = RpcClient::new(AddressBook::new(), None, owner.clone());
    assert!(
        plain
            .call_address(&address, Service::Raft, "ping".into(), soon())
            .await
            .is_err()
    );
}

/// Invariant 8: hyper runs each call as a task of its own, and its panic must not stay there.
#[tokio::test]
async fn a_handler_that_panics_is_seen_by_the_owner() {
    let owner = TaskOwner::new("test");
    let addresses = AddressBook::new();
    addresses.set(NodeId(1), start(None, &owner).await);
    let client = RpcClient::new(addresses, None, TaskOwner::new("caller"));
    client
        .call(NodeId(1), Service::Data, "panic".into(), soon())
        .await
        .unwrap_err();
    let failure = tokio::time::timeout(Duration::from_secs(5), owner.failed())
        .await
        .unwrap();
    assert_eq!(
        (failure.task, &*failure.message),
        ("rpc call", "met by a handler")
    );
}
