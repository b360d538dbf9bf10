//! Stock clients through both Services: boto3 and the AWS CLI put, get, update, delete, query and scan.

use std::path::PathBuf;
use std::process::Command;

use super::endpoints::{self, Endpoint};
use super::installation::turn;
use super::kubectl::{kubectl, run};

/// The root access key of the namespace, as every user gets it.
pub(crate) fn root_key() -> (String, String) {
    let read = |name: &str| {
        let template = format!("--output=go-template={{{{.data.{name} | base64decode}}}}");
        run(&mut kubectl(&["get", "secret", "default-root", &template]))
    };
    (read("AWS_ACCESS_KEY_ID"), read("AWS_SECRET_ACCESS_KEY"))
}

pub(crate) fn python() -> PathBuf {
    std::env::var_os("STATOR_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

fn aws() -> PathBuf {
    let python = python();
    match python.parent() {
        Some(folder) if folder.join("aws").exists() => folder.join("aws"),
        _ => "aws".into(),
    }
}

/// A client program with an SDK's environment and nothing of the machine's own configuration.
pub(crate) fn client(program: PathBuf, endpoint: &Endpoint) -> Command {
    let (id, secret) = root_key();
    let mut command = Command::new(program);
    command
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_DYNAMODB", &endpoint.url)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_PAGER", "");
    command
}

/// The authority of the certificate that the cache shows, as `docs/kubernetes.md` tells users to get it.
fn cache_authority() -> String {
    let template = "--output=go-template={{index .data \"ca.crt\" | base64decode}}";
    run(&mut kubectl(&[
        "get",
        "secret",
        "default-dax-tls",
        template,
    ]))
}

#[track_caller]
fn boto3(endpoint: &Endpoint, way: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kube/clients.py");
    let authority = tempfile::NamedTempFile::new().unwrap();
    if way == "cache" {
        std::fs::write(authority.path(), cache_authority()).unwrap();
    }
    let mut client = client(python(), endpoint);
    client.env("SSL_CERT_FILE", authority.path());
    let said = run(client.arg(script).arg(way));
    assert!(
        said.ends_with("all operations answered as documented"),
        "{said}"
    );
}

#[track_caller]
fn command_line(endpoint: &Endpoint) {
    let aws = |arguments: &[&str]| {
        let mut command = client(aws(), endpoint);
        run(command
            .arg("dynamodb")
            .args(arguments)
            .args(["--table-name", "orders"]))
    };
    let key = r#"{"customerId": {"S": "cli"}, "orderId": {"S": "1"}}"#;
    let item = r#"{"customerId": {"S": "cli"}, "orderId": {"S": "1"}, "amount": {"N": "12.50"}}"#;
    let values = r#"{":c": {"S": "cli"}}"#;
    aws(&["put-item", "--item", item]);
    let total = ["--query", "Item.amount.N", "--output", "text"];
    let read = [&["get-item", "--consistent-read", "--key", key][..], &total].concat();
    assert_eq!(aws(&read), "12.5");
    let one = r#"{":one": {"N": "1"}}"#;
    let set = [
        "--update-expression",
        "ADD amount :one",
        "--expression-attribute-values",
        one,
    ];
    aws(&[&["update-item", "--key", key][..], &set].concat());
    assert_eq!(aws(&read), "13.5");
    let count = ["--query", "Count", "--output", "text"];
    let query = ["query", "--consistent-read", "--key-condition-expression"];
    let query = [&query[..], &["customerId = :c"]].concat();
    let values = ["--expression-attribute-values", values];
    let query = [&query[..], &values, &count].concat();
    assert_eq!(aws(&query), "1");
    let scan = ["scan", "--consistent-read", "--filter-expression"];
    let scan = [&scan[..], &["customerId = :c"], &values, &count].concat();
    assert_eq!(aws(&scan), "1");
    aws(&["delete-item", "--key", key]);
    assert_eq!(aws(&query), "0");
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn stock_clients_use_the_table_through_the_database_service() {
    let _turn = turn();
    let endpoint = endpoints::service("dynamodb", 8000);
    boto3(&endpoint, "store");
    command_line(&endpoint);
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn stock_clients_use_the_table_through_the_cache_service() {
    let _turn = turn();
    let endpoint = endpoints::service("dax", 8111);
    boto3(&endpoint, "cache");
    command_line(&endpoint);
}
