//! Mutual TLS between nodes: a cluster works under it, and nobody without its certificates gets in.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use stator_kit::clock::{SystemWallClock, WallClock as _};
use stator_kit::task::TaskOwner;
use stator_kit::tls::issue::CertificateAuthority;
use stator_kit::tls::{ALPN_HTTP2, MutualTls, ReloadingClientConfig, TlsFiles};
use stator_storage_node::rpc::{AddressBook, RpcClient, Service, TransportError};
use tokio::time::Instant;

use crate::harness::{Client, Cluster, SECRET, eventually, loopback};

/// Writes `ca.crt`, `tls.crt` and `tls.key` for a node on loopback.
fn write_certificates(directory: &Path, signed_by: &CertificateAuthority, trusted: &str) {
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let issued = signed_by.issue_server_client("node", &[], &addresses, SystemWallClock.now());
    let (certificate, key) = issued.unwrap();
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("ca.crt"), trusted).unwrap();
    std::fs::write(directory.join("tls.crt"), certificate).unwrap();
    std::fs::write(directory.join("tls.key"), key.expose()).unwrap();
}

/// Calls the one service that answers any message, a bad one with words: who gets an answer was heard.
async fn knock(
    address: &str,
    tls: Option<ReloadingClientConfig>,
    owner: &TaskOwner,
) -> Result<Bytes, TransportError> {
    let client = RpcClient::new(AddressBook::new(), tls, owner.clone());
    let deadline = Instant::now() + Duration::from_secs(5);
    let message = Bytes::from_static(b"who is there?");
    client
        .call_address(address, Service::Bootstrap, message, deadline)
        .await
}

fn client_config(directory: &Path, mutual: MutualTls) -> ReloadingClientConfig {
    ReloadingClientConfig::load(TlsFiles::in_directory(directory), mutual, &[ALPN_HTTP2]).unwrap()
}

/// That the same message is heard from a member shows that it is the certificate which is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_works_under_mutual_tls_and_strangers_are_not_heard() {
    let now = SystemWallClock.now();
    let ours = CertificateAuthority::new("ours", now).unwrap();
    let theirs = CertificateAuthority::new("theirs", now).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (known, stranger) = (folder.path().join("known"), folder.path().join("stranger"));
    write_certificates(&known, &ours, ours.certificate_pem());
    // The stranger trusts the cluster, so that it is the cluster that refuses.
    write_certificates(&stranger, &theirs, ours.certificate_pem());

    let cluster = Cluster::start_with_certificates(|number| {
        let directory = folder.path().join(format!("node-{number}"));
        write_certificates(&directory, &ours, ours.certificate_pem());
        directory
    });
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    for number in 0..9 {
        let (writer, reader) = (
            cluster.nodes[number % 3].api,
            cluster.nodes[(number + 1) % 3].api,
        );
        let item = json!({"pk": {"S": number.to_string()}});
        client
            .call(
                writer,
                "PutItem",
                json!({"TableName": "orders", "Item": item}),
            )
            .await;
        let get = json!({"TableName": "orders", "Key": item, "ConsistentRead": true});
        assert_eq!(client.call(reader, "GetItem", get).await["Item"], item);
    }

    let owner = TaskOwner::new("callers");
    for node in &cluster.nodes {
        let address = loopback(node.rpc).to_string();
        let heard = knock(
            &address,
            Some(client_config(&known, MutualTls::Required)),
            &owner,
        )
        .await;
        assert!(heard.is_ok(), "our own certificate: {heard:?}");
        for (who, tls) in [
            (
                "a foreign certificate",
                Some(client_config(&stranger, MutualTls::Required)),
            ),
            (
                "no certificate",
                Some(client_config(&known, MutualTls::Off)),
            ),
            ("no TLS", None),
        ] {
            let answer = knock(&address, tls, &owner).await;
            assert!(answer.is_err(), "{who}: {answer:?}");
        }
    }
}

/// A member that comes back with another authority's certificate stays out, and is taken back when its files are put
/// right, without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_a_foreign_certificate_stays_out_until_its_files_are_put_right() {
    let now = SystemWallClock.now();
    let ours = CertificateAuthority::new("ours", now).unwrap();
    let theirs = CertificateAuthority::new("theirs", now).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let directory = |number: usize| folder.path().join(format!("node-{number}"));
    let mut cluster = Cluster::start_with_certificates(|number| {
        write_certificates(&directory(number), &ours, ours.certificate_pem());
        directory(number)
    });
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;

    cluster.nodes[2].kill();
    write_certificates(&directory(2), &theirs, theirs.certificate_pem());
    cluster.nodes[2].start();
    // Its own port answers, so it runs; but it hears of no leader.
    eventually("running", || async {
        let ready = cluster.nodes[2].ready(&client).await;
        ready.is_err_and(|reason| reason != "no answer")
    })
    .await;
    let put = json!({"TableName": "orders", "Item": {"pk": {"S": "a"}}});
    client.call(cluster.nodes[0].api, "PutItem", put).await;
    let status = client
        .admin(cluster.nodes[0].admin, "GET", "/v1/cluster")
        .await
        .unwrap();
    assert_ne!(status["underReplicatedGroups"], 0, "{status}");
    assert!(cluster.nodes[2].ready(&client).await.is_err());

    write_certificates(&directory(2), &ours, ours.certificate_pem());
    cluster.wait_ready(&client).await;
    cluster.wait_replicated(&client, 0).await;
}

#[test]
fn serve_without_certificates_says_what_is_missing_and_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials.json");
    let file = json!({"credentials": [
        {"accessKeyId": "root", "secretAccessKey": SECRET, "principal": "root"},
    ]});
    std::fs::write(&credentials, file.to_string()).unwrap();
    let data = folder.path().join("data");
    let serve = |more: &[String]| {
        Command::new(env!("CARGO_BIN_EXE_storage-node"))
            .args(["serve", "--node-name=a", "--peers=a=h:1,b=h:2,c=h:3"])
            .arg(format!("--data-dir={}", data.display()))
            .arg(format!("--credentials-file={}", credentials.display()))
            .args(["--api-listen=127.0.0.1:0", "--rpc-listen=127.0.0.1:0"])
            .args(["--admin-listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"])
            .args(more)
            .env_clear()
            .output()
            .unwrap()
    };
    let check = |more: &[String], expected: &str| {
        let output = serve(more);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!output.status.success(), "{more:?}: {said}");
        assert!(said.contains(expected), "{more:?}: {said}");
    };
    check(&[], "--tls-dir");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    check(&[format!("--tls-dir={}", empty.display())], "ca.crt");
    // A key that belongs to another certificate.
    let authority = CertificateAuthority::new("ours", SystemWallClock.now()).unwrap();
    let (mixed, other) = (folder.path().join("mixed"), folder.path().join("other"));
    write_certificates(&mixed, &authority, authority.certificate_pem());
    write_certificates(&other, &authority, authority.certificate_pem());
    std::fs::copy(other.join("tls.key"), mixed.join("tls.key")).unwrap();
    check(
        &[format!("--tls-dir={}", mixed.display())],
        "do not work together",
    );
}
