use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::clock::{SystemWallClock, WallClock as _};
use crate::tls::ALPN_HTTP1;
use crate::tls::issue::CertificateAuthority;

fn now() -> SystemTime {
    SystemWallClock.now()
}

fn write(directory: &Path, authority: &CertificateAuthority, names: &[&str]) {
    write_made_at(now(), directory, authority, names);
}

fn write_made_at(
    made: SystemTime,
    directory: &Path,
    authority: &CertificateAuthority,
    names: &[&str],
) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let (certificate, key) = authority
        .issue_server_client("node", &names, &[], made)
        .unwrap();
    fs::write(directory.join("ca.crt"), authority.certificate_pem()).unwrap();
    fs::write(directory.join("tls.crt"), certificate).unwrap();
    fs::write(directory.join("tls.key"), key.expose()).unwrap();
}

fn directory(authority: &CertificateAuthority, names: &[&str]) -> (TempDir, TlsFiles) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), authority, names);
    let files = TlsFiles::in_directory(directory.path());
    (directory, files)
}

/// Shakes hands over a pipe and passes a word each way; true when both got theirs.
async fn handshake(server: &ReloadingServerConfig, client: &ReloadingClientConfig) -> bool {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from("node.test").unwrap();
    let serve = async {
        let mut stream = server.acceptor().accept(far).await?;
        let mut word = [0_u8; 4];
        stream.read_exact(&mut word).await?;
        stream.write_all(b"pong").await?;
        stream.shutdown().await?;
        Ok::<_, std::io::Error>(&word == b"ping")
    };
    let call = async {
        let mut stream = client.connector().connect(name, near).await?;
        stream.write_all(b"ping").await?;
        let mut word = [0_u8; 4];
        stream.read_exact(&mut word).await?;
        Ok::<_, std::io::Error>(&word == b"pong")
    };
    let (served, called) = tokio::join!(serve, call);
    served.unwrap_or(false) && called.unwrap_or(false)
}

fn pair(files: &TlsFiles, mutual: MutualTls) -> (ReloadingServerConfig, ReloadingClientConfig) {
    let server = ReloadingServerConfig::load(files.clone(), mutual, &[ALPN_HTTP1]).unwrap();
    let client = ReloadingClientConfig::load(files.clone(), mutual, &[ALPN_HTTP1]).unwrap();
    (server, client)
}

#[tokio::test]
async fn nodes_of_one_authority_shake_hands() {
    let authority = CertificateAuthority::new("test", now()).unwrap();
    let (_directory, files) = directory(&authority, &["node.test"]);
    for mutual in [MutualTls::Required, MutualTls::Off] {
        let (server, client) = pair(&files, mutual);
        assert!(handshake(&server, &client).await, "{mutual:?}");
    }
}

#[tokio::test]
async fn a_client_without_or_with_a_foreign_certificate_is_refused() {
    let (ours, theirs) = (
        CertificateAuthority::new("ours", now()).unwrap(),
        CertificateAuthority::new("theirs", now()).unwrap(),
    );
    let (_ours, files) = directory(&ours, &["node.test"]);
    let (foreign, foreign_files) = directory(&theirs, &["node.test"]);
    // The stranger trusts our server, but its own certificate is from elsewhere.
    fs::write(foreign.path().join("ca.crt"), ours.certificate_pem()).unwrap();
    let (server, _) = pair(&files, MutualTls::Required);
    for mutual in [MutualTls::Required, MutualTls::Off] {
        let stranger = ReloadingClientConfig::load(foreign_files.clone(), mutual, &[]).unwrap();
        assert!(!handshake(&server, &stranger).await, "{mutual:?}");
    }
}

#[tokio::test]
async fn a_server_under_another_name_is_refused() {
    let authority = CertificateAuthority::new("test", now()).unwrap();
    let (_directory, files) = directory(&authority, &["other.test"]);
    let (server, client) = pair(&files, MutualTls::Off);
    assert!(!handshake(&server, &client).await);
}

#[tokio::test]
async fn changed_files_are_taken_over_and_broken_ones_are_not() {
    let old = CertificateAuthority::new("old", now()).unwrap();
    let (directory, files) = directory(&old, &["node.test"]);
    let (server, client) = pair(&files, MutualTls::Required);
    assert!(!server.reload().unwrap(), "nothing has changed");

    let new = CertificateAuthority::new("new", now()).unwrap();
    write(directory.path(), &new, &["node.test"]);
    assert!(server.reload().unwrap());
    assert!(
        !handshake(&server, &client).await,
        "the client still trusts the old authority"
    );
    assert!(client.reload().unwrap());
    assert!(handshake(&server, &client).await);

    let key = fs::read(directory.path().join("tls.key")).unwrap();
    write(directory.path(), &new, &["node.test"]);
    fs::write(directory.path().join("tls.key"), &key).unwrap();
    assert!(
        matches!(server.reload(), Err(TlsError::Unusable(_))),
        "a key of another certificate"
    );
    fs::write(directory.path().join("tls.crt"), "nonsense").unwrap();
    assert!(matches!(server.reload(), Err(TlsError::Malformed { .. })));
    fs::remove_file(directory.path().join("tls.crt")).unwrap();
    assert!(matches!(server.reload(), Err(TlsError::Unreadable { .. })));
    assert!(
        handshake(&server, &client).await,
        "the last good ones are in force"
    );
}

#[tokio::test]
async fn files_are_followed_by_a_task() {
    let old = CertificateAuthority::new("old", now()).unwrap();
    let (directory, files) = directory(&old, &["node.test"]);
    let (server, _) = pair(&files, MutualTls::Required);
    let before = server.current();
    let tasks = TaskOwner::new("test");
    server.follow(Duration::from_millis(1), &tasks);
    write(directory.path(), &old, &["node.test"]);
    tokio::time::timeout(Duration::from_secs(5), async {
        while Arc::ptr_eq(&before, &server.current()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("the change is seen in time");
    tasks.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_authority_survives_its_files() {
    let made = CertificateAuthority::new("kept", now()).unwrap();
    let kept = CertificateAuthority::from_pem(made.certificate_pem(), made.key_pem().expose());
    let (_directory, files) = directory(&made, &["node.test"]);
    let (_, client) = pair(&files, MutualTls::Required);
    let (_later, later_files) = directory(&kept.unwrap(), &["node.test"]);
    let (server, _) = pair(&later_files, MutualTls::Required);
    assert!(handshake(&server, &client).await);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = CertificateAuthority::new("test", now()).unwrap();
    let (directory, files) = directory(&authority, &["node.test"]);
    let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000);
    write_made_at(long_ago, directory.path(), &authority, &["node.test"]);
    for mutual in [MutualTls::Required, MutualTls::Off] {
        let (server, client) = pair(&files, mutual);
        assert!(!handshake(&server, &client).await, "{mutual:?}");
    }
}
