//! Reaching Services and pods: directly where their names resolve (the local cluster), else by port-forward.

use std::io::{BufRead, BufReader};
use std::net::ToSocketAddrs;
use std::process::{Child, Stdio};

use super::kubectl::{NAMESPACE, kubectl};

/// An address of a Service or pod, for as long as it lives.
pub(crate) struct Endpoint {
    /// `http://host:port`.
    pub(crate) url: String,
    forward: Option<Child>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(forward) = &mut self.forward {
            forward.kill().ok();
            forward.wait().ok();
        }
    }
}

/// Whether this process can reach what pods can reach.
fn inside() -> bool {
    ("kubernetes.default.svc.cluster.local", 443)
        .to_socket_addrs()
        .is_ok()
}

/// A Service's endpoint.
pub(crate) fn service(name: &str, port: u16) -> Endpoint {
    if inside() {
        let url = format!("http://{name}.{NAMESPACE}.svc.cluster.local:{port}");
        return Endpoint { url, forward: None };
    }
    forward(&format!("service/{name}"), port)
}

/// A storage pod's endpoint, which stays the same when the pod is made again (but for a port-forward).
pub(crate) fn storage_pod(name: &str, port: u16) -> Endpoint {
    if inside() {
        let url = format!("http://{name}.default-storage.{NAMESPACE}.svc.cluster.local:{port}");
        return Endpoint { url, forward: None };
    }
    forward(&format!("pod/{name}"), port)
}

/// What a pod listens on, on loopback too: the same port here, because native clients are told of it.
pub(crate) fn loopback(pod: &str, port: u16) -> Endpoint {
    forwarded(&format!("pod/{pod}"), &format!("{port}:{port}"))
}

/// kubectl chooses a free port here and names it on its first line.
fn forward(object: &str, port: u16) -> Endpoint {
    forwarded(object, &format!(":{port}"))
}

fn forwarded(object: &str, ports: &str) -> Endpoint {
    let mut child = kubectl(&["port-forward", object, ports])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    // "Forwarding from 127.0.0.1:41234 -> 8000"
    let address = line
        .split_whitespace()
        .nth(2)
        .unwrap_or_default()
        .to_owned();
    assert!(
        address.contains(':'),
        "kubectl port-forward {object}: {line:?}"
    );
    // Further lines, one per connection, must find a reader.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    Endpoint {
        url: format!("http://{address}"),
        forward: Some(child),
    }
}
