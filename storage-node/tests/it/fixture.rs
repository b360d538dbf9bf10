//! The small volume that release 0.1 wrote, opened by this one. See `tests/fixtures/README.md`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{Client, Process};

/// Unpacks the volume of a release; the archive keeps preallocated files sparse.
fn unpack(release: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(format!("volume-{release}.tar.gz"));
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(unpacked.success());
    dir
}

#[tokio::test]
async fn the_volume_of_release_0_1_opens_and_holds_its_items() {
    let dir = unpack("0.1");
    let node = Process::dev(&dir.path().join("volume-0.1"));
    let client = Client::signed();
    node.wait_ready(&client).await;
    let get = |pk: &str, sk: &str| {
        json!({
            "TableName": "fixture", "Key": {"pk": {"S": pk}, "sk": {"N": sk}},
            "ConsistentRead": true,
        })
    };
    let got = client.call(node.api, "GetItem", get("a", "1")).await;
    assert_eq!(
        got["Item"],
        json!({
            "pk": {"S": "a"}, "sk": {"N": "1"}, "text": {"S": "é\"\\\u{0}"}, "n": {"N": "-1.5"},
            "b": {"B": "AAH/"}, "ss": {"SS": ["x", "y"]}, "ns": {"NS": ["1", "2"]},
            "bs": {"BS": ["AA=="]}, "m": {"M": {"k": {"L": [{"NULL": true}, {"BOOL": false}]}}},
        })
    );
    assert_eq!(
        client.call(node.api, "GetItem", get("a", "2")).await,
        json!({})
    );
    let listed = client.call(node.api, "ListTables", json!({})).await;
    assert_eq!(listed["TableNames"], json!(["fixture"]));
}

#[tokio::test]
async fn a_volume_of_a_newer_format_is_refused() {
    let dir = unpack("0.1");
    let volume = dir.path().join("volume-0.1");
    let identity = volume.join("identity");
    let mut bytes = std::fs::read(&identity).unwrap();
    bytes[8] = 99;
    std::fs::write(&identity, bytes).unwrap();
    let mut node = Process::dev(&volume);
    assert_eq!(node.wait(), Some(1));
}
