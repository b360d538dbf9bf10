//! Identity: a wiped volume does not vote, and says why.

use std::time::Duration;

use serde_json::json;

use super::{START_LIMIT, alone, create_table, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_volume_does_not_vote_and_says_why() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    create_table(&cluster, "kept").await;
    let put = json!({"TableName": "kept", "Item": {"pk": {"S": "a"}}});
    cluster
        .client(0)
        .call_until_ok("PutItem", &put, START_LIMIT)
        .await
        .unwrap();

    cluster.kill(2).unwrap();
    cluster.wipe(2).unwrap();
    cluster.start_node(2).unwrap();
    let url = format!("http://{}/readyz", cluster.ops_address(2));
    let reason = wait_for_reason(&url).await;
    assert!(
        reason.contains("volume"),
        "the reason must name the volume: {reason}"
    );

    // The other two still serve, and still have everything.
    let read = json!({"TableName": "kept", "Key": {"pk": {"S": "a"}}, "ConsistentRead": true});
    let answer = cluster
        .client(0)
        .call_until_ok("GetItem", &read, START_LIMIT)
        .await
        .unwrap();
    assert_eq!(answer["Item"]["pk"]["S"], "a");

    // With one of the two gone there is no majority: had the wiped one voted, writes would go on without
    // acknowledged data.
    cluster.kill(1).unwrap();
    let write = json!({"TableName": "kept", "Item": {"pk": {"S": "b"}}});
    let written = cluster
        .client(0)
        .call_until_ok("PutItem", &write, Duration::from_secs(8))
        .await;
    assert!(
        written.is_err(),
        "a write was acknowledged by one of three volumes"
    );
    cluster.start_node(1).unwrap();
    cluster
        .client(0)
        .call_until_ok("PutItem", &write, START_LIMIT)
        .await
        .unwrap();
}

/// The reason that `/readyz` gives once the node has found out about its volume.
async fn wait_for_reason(url: &str) -> String {
    let mut last = String::new();
    for _ in 0..1200 {
        if let Ok((status, body)) = stator_tests::client::get(url).await {
            assert_ne!(status, 200, "a wiped node calls itself ready");
            if body.contains("volume") {
                return body;
            }
            last = body;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    last
}
