//! Who may see what the cache holds.

use serde_json::json;
use stator_kit::sigv4::{AccessKey, Signer};

use crate::client::{Proxy, key};

const GET: &str = "DynamoDB_20120810.GetItem";

#[tokio::test]
async fn an_unsigned_read_of_a_cached_item_is_refused() {
    let proxy = Proxy::start().await;
    proxy.put("a", "secret").await;
    assert_eq!(proxy.get("a").await.cache(), "hit");
    let read = json!({"TableName": "orders", "Key": key("a")}).to_string();
    let unsigned = proxy.send(GET, read, None).await;
    assert_eq!(
        (unsigned.status.as_u16(), unsigned.error()),
        (400, "MissingAuthenticationTokenException")
    );
    assert!(!unsigned.body.to_string().contains("secret"));
}

#[tokio::test]
async fn a_wrong_signature_and_an_unknown_key_are_refused() {
    let proxy = Proxy::start().await;
    proxy.put("a", "secret").await;
    let read = json!({"TableName": "orders", "Key": key("a")}).to_string();
    for (key, region, error) in [
        (
            AccessKey::new("APP", "wrong"),
            "us-east-1",
            "InvalidSignatureException",
        ),
        (
            AccessKey::new("NOBODY", "app-secret"),
            "us-east-1",
            "UnrecognizedClientException",
        ),
        (
            AccessKey::new("APP", "app-secret"),
            "eu-west-1",
            "InvalidSignatureException",
        ),
        // The proxy's own key opens the store, not the proxy.
        (
            AccessKey::new("PROXY", "proxy-secret"),
            "us-east-1",
            "UnrecognizedClientException",
        ),
    ] {
        let signer = Signer::new(key, region, "dynamodb");
        let refused = proxy.send(GET, read.clone(), Some(&signer)).await;
        assert_eq!((refused.status.as_u16(), refused.error()), (400, error));
    }
}
