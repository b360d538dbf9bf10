//! A storage node and a cache in front of it on this machine, at their usual ports.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{OwnedChild, program_path};

/// The node's DynamoDB API.
pub(crate) const NODE: &str = "127.0.0.1:8000";
/// Its metrics.
pub(crate) const NODE_OPS: &str = "127.0.0.1:9090";
/// The cache.
pub(crate) const CACHE: &str = "127.0.0.1:8111";
/// The cache under TLS, where it has a certificate.
pub(crate) const CACHE_TLS: &str = "127.0.0.1:9111";
/// Its metrics.
pub(crate) const CACHE_OPS: &str = "127.0.0.1:9091";
/// The nodes of a cache cluster: name, address of clients, of metrics, of peers. A cache that is alone is the first.
const CACHE_NODES: [[&str; 4]; 3] = [
    ["one", CACHE, CACHE_OPS, "127.0.0.1:8112"],
    ["two", "127.0.0.1:8121", "127.0.0.1:9092", "127.0.0.1:8122"],
    [
        "three",
        "127.0.0.1:8131",
        "127.0.0.1:9093",
        "127.0.0.1:8132",
    ],
];
const START_LIMIT: Duration = Duration::from_secs(20);

/// What the cache of a pair is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cache<'a> {
    /// Three nodes, of which the first is the primary, instead of one.
    pub(crate) cluster: bool,
    /// Folder of a certificate, with which the first node also serves at [`CACHE_TLS`].
    pub(crate) certificate: Option<&'a Path>,
}

impl Cache<'_> {
    fn nodes(self) -> &'static [[&'static str; 4]] {
        match self.cluster {
            true => &CACHE_NODES,
            false => CACHE_NODES.split_at(1).0,
        }
    }

    /// The command that runs one of its nodes.
    fn command(self, data: &Path, profile: &str, node: [&str; 4]) -> Command {
        let [name, listen, ops, peers] = node;
        let mut command = Command::new(program_path(profile, "dax-proxy"));
        command
            .arg("dev")
            .args(["--upstream", &format!("http://{NODE}"), "--listen", listen])
            .args(["--ops-listen", ops, "--peer-listen", peers])
            .arg("--data-dir")
            .arg(match self.cluster {
                true => data.join(format!("cache-{name}")),
                false => data.join("cache"),
            });
        if self.cluster {
            let all = CACHE_NODES.map(|[name, _, _, peers]| format!("{name}={peers}"));
            command
                .args(["--peers", &all.join(","), "--node-name", name])
                .arg("--insecure-peers");
        }
        if let Some(folder) = self.certificate.filter(|_| listen == CACHE) {
            command
                .args(["--tls-listen", CACHE_TLS, "--tls-dir"])
                .arg(folder);
        }
        command
    }
}

/// Refuses to start beside something else that uses one of the demo's ports.
pub(crate) fn ports_are_free() -> Result<()> {
    let ports = [
        (NODE, "storage-node"),
        (NODE_OPS, "storage-node's metrics"),
        (CACHE, "dax-proxy"),
        (CACHE_OPS, "dax-proxy's metrics"),
        ("127.0.0.1:8112", "dax-proxy's peers"),
    ];
    let busy: Vec<_> = ports
        .iter()
        .filter(|(address, _)| TcpListener::bind(address).is_err())
        .map(|(address, purpose)| format!("{address} ({purpose})"))
        .collect();
    ensure!(
        busy.is_empty(),
        "cannot listen on {}: another program, or another pair of these, already does",
        busy.join(", ")
    );
    Ok(())
}

/// Starts both with their data below `data`, and waits until all serve. The cache is the last.
pub(crate) fn start(data: &Path, profile: &str, cache: Cache<'_>) -> Result<Vec<OwnedChild>> {
    let mut children = vec![OwnedChild::start(
        "storage-node",
        Command::new(program_path(profile, "storage-node"))
            .arg("dev")
            .args(["--listen", NODE, "--ops-listen", NODE_OPS])
            .arg("--data-dir")
            .arg(data.join("node")),
    )?];
    wait_until_ready(NODE_OPS, &mut children)?;
    for node in cache.nodes() {
        let mut command = cache.command(data, profile, *node);
        children.push(OwnedChild::start("dax-proxy", &mut command)?);
    }
    for [_, _, ops, _] in cache.nodes() {
        wait_until_ready(ops, &mut children)?;
    }
    Ok(children)
}

/// Runs something beside a pair whose data does not outlast it. That both programs still run at the end, whatever was
/// done to them, is a part of the outcome.
pub(crate) fn with_temporary(profile: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    with_temporary_cache(profile, Cache::default(), run)
}

/// The same with a cache of some kind.
pub(crate) fn with_temporary_cache(
    profile: &str,
    cache: Cache<'_>,
    run: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let data = std::env::temp_dir().join(format!("stator-{}", std::process::id()));
    std::fs::create_dir_all(&data).context("no temporary folder")?;
    let outcome = start(&data, profile, cache).and_then(|mut children| {
        let outcome = run();
        let alive = children.iter_mut().try_for_each(OwnedChild::check_running);
        // The cache first, so that it does not lose its upstream while it drains.
        while let Some(child) = children.pop() {
            drop(child);
        }
        outcome.and(alive)
    });
    std::fs::remove_dir_all(&data).context("cannot remove the data")?;
    outcome
}

/// Waits until the ops port says that the program can serve.
fn wait_until_ready(ops: &str, children: &mut [OwnedChild]) -> Result<()> {
    let start = Instant::now();
    while !is_ready(ops) {
        for child in children.iter_mut() {
            child.check_running()?;
        }
        if start.elapsed() > START_LIMIT {
            bail!("http://{ops}/readyz does not say ready after {START_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn is_ready(ops: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(ops)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(
            stream,
            "GET /readyz HTTP/1.1\r\nhost: {ops}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// What an AWS client needs in its environment to speak with `address`.
pub(crate) fn client_environment(address: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ]
}
