//! The small volume that release 0.1 wrote, opened by this one. See `tests/fixtures/README.md`.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Client, Process};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn the_volume_of_release_0_1_opens_and_holds_its_items() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture("volume-0.1"), dir.path());
    let node = Process::dev(dir.path());
    let client = Client::unsigned();
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
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture("volume-0.1"), dir.path());
    let identity = dir.path().join("identity");
    let mut bytes = std::fs::read(&identity).unwrap();
    bytes[8] = 99;
    std::fs::write(&identity, bytes).unwrap();
    let mut node = Process::dev(dir.path());
    assert_eq!(node.wait(), Some(1));
}
