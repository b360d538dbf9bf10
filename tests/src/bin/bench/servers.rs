//! The servers under test, all on loopback, each with a volume below one folder.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use stator_tests::client::{Client, Key};
use stator_tests::node_processes::root_key;

use crate::floors::{CACHED, SINGLE, THREE};

const START_LIMIT: Duration = Duration::from_secs(30);

/// Something that speaks the DynamoDB API.
pub(crate) struct Endpoint {
    pub(crate) label: String,
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    pub(crate) key: Option<Key>,
    pub(crate) cache: bool,
    pub(crate) metrics: Option<String>,
    process: u32,
}

impl Endpoint {
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, self.key.clone())
    }

    /// Resident memory of the process.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process))
            .context("the process is gone")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: f64 = line
            .trim()
            .trim_end_matches("kB")
            .trim()
            .parse()
            .context("a bad VmRSS")?;
        Ok(kib / 1024.0)
    }
}

/// All servers; they end when this is dropped.
pub(crate) struct Servers {
    pub(crate) redis: Option<SocketAddr>,
    endpoints: Vec<Endpoint>,
    bin: PathBuf,
    folder: PathBuf,
    children: Mutex<Vec<Child>>,
}

/// The definition of a table with two string keys.
pub(crate) fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

impl Servers {
    pub(crate) async fn start(bin: &Path, folder: &Path) -> Result<Self> {
        let mut servers = Self::none(bin, folder)?;
        servers.start_redis().await?;
        let dev = servers.dev_node("one node (dev, unverified)").await?;
        let single = servers.cluster(SINGLE, 1).await?;
        let three = servers.cluster(THREE, 3).await?;
        let cached = servers.proxy(CACHED, &single).await?;
        servers.endpoints.extend([dev, single, three, cached]);
        Ok(servers)
    }

    /// One node that verifies signatures, and nothing beside it.
    pub(crate) async fn start_single(bin: &Path, folder: &Path) -> Result<Self> {
        let mut servers = Self::none(bin, folder)?;
        let single = servers.cluster(SINGLE, 1).await?;
        servers.endpoints.push(single);
        Ok(servers)
    }

    /// Redis, a node, and three caches in front of it: with the usual settings, without hits, and with a bound.
    pub(crate) async fn start_caches(bin: &Path, folder: &Path, bound_mib: u32) -> Result<Self> {
        let mut servers = Self::none(bin, folder)?;
        servers.start_redis().await?;
        let store = servers.cluster(SINGLE, 1).await?;
        let cache = servers.proxy(CACHED, &store).await?;
        let misses = ["--item-ttl-millis=1"];
        let misses = servers.proxy_with("misses", &store, &misses).await?;
        let bound = format!("--cache-size-bytes={}", u64::from(bound_mib) << 20);
        let bounded = servers.proxy_with("bounded", &store, &[&bound]).await?;
        servers.endpoints.extend([store, cache, misses, bounded]);
        Ok(servers)
    }

    fn none(bin: &Path, folder: &Path) -> Result<Self> {
        let credentials = json!({"credentials": [{
            "accessKeyId": root_key().id, "secretAccessKey": root_key().secret, "principal": "root",
        }]});
        std::fs::write(folder.join("credentials.json"), credentials.to_string())
            .context("cannot write credentials")?;
        Ok(Self {
            redis: None,
            endpoints: Vec::new(),
            bin: bin.to_owned(),
            folder: folder.to_owned(),
            children: Mutex::new(Vec::new()),
        })
    }

    /// Every endpoint.
    pub(crate) fn all(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Those that hold data of their own.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|endpoint| !endpoint.cache)
    }

    /// A node that nothing else uses.
    pub(crate) async fn fresh_node(&self) -> Result<Endpoint> {
        self.dev_node("fresh").await
    }

    fn spawn(&self, command: &mut Command) -> Result<u32> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let id = child.id();
        self.children
            .lock()
            .map_err(|_poisoned| anyhow::anyhow!("a panic elsewhere"))?
            .push(child);
        Ok(id)
    }

    async fn start_redis(&mut self) -> Result<()> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            return Ok(());
        }
        let port = free_ports(1)?.first().copied().context("no port")?;
        self.spawn(Command::new("redis-server").args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        listening(address).await?;
        self.redis = Some(address);
        Ok(())
    }

    async fn dev_node(&self, label: &str) -> Result<Endpoint> {
        let ports = free_ports(2)?;
        let [api, ops] = ports.as_slice() else {
            bail!("no ports")
        };
        let process = self.spawn(
            Command::new(self.bin.join("storage-node"))
                .arg("dev")
                .arg("--data-dir")
                .arg(self.folder.join(format!("dev-{api}")))
                .args(["--listen", &format!("127.0.0.1:{api}")])
                .args(["--ops-listen", &format!("127.0.0.1:{ops}")]),
        )?;
        self.endpoint(label, *api, Some(*ops), Some(root_key()), process)
            .await
    }

    async fn cluster(&self, label: &str, count: usize) -> Result<Endpoint> {
        let ports = free_ports(4 * count)?;
        let nodes: Vec<_> = ports.chunks_exact(4).enumerate().collect();
        let peers: Vec<_> = nodes
            .iter()
            .filter_map(|(number, ports)| Some(format!("n{number}=127.0.0.1:{}", ports.get(1)?)))
            .collect();
        let mut first = None;
        for (number, ports) in nodes {
            let [api, rpc, admin, ops] = ports else {
                bail!("no ports")
            };
            let process = self.spawn(
                Command::new(self.bin.join("storage-node"))
                    .arg("serve")
                    .args([
                        "--node-name",
                        &format!("n{number}"),
                        "--rack",
                        &format!("r{number}"),
                    ])
                    .args([
                        "--peers",
                        &peers.join(","),
                        "--insecure",
                        "--credentials-file",
                    ])
                    .arg(self.folder.join("credentials.json"))
                    .arg("--data-dir")
                    .arg(self.folder.join(format!("serve-{api}")))
                    .args(["--api-listen", &format!("127.0.0.1:{api}")])
                    .args(["--rpc-listen", &format!("127.0.0.1:{rpc}")])
                    .args(["--admin-listen", &format!("127.0.0.1:{admin}")])
                    .args(["--ops-listen", &format!("127.0.0.1:{ops}")]),
            )?;
            first = first.or(Some((*api, *ops, process)));
        }
        let (api, ops, process) = first.context("a cluster without nodes")?;
        self.endpoint(label, api, Some(ops), Some(root_key()), process)
            .await
    }

    async fn proxy(&self, label: &str, upstream: &Endpoint) -> Result<Endpoint> {
        self.proxy_with(label, upstream, &[]).await
    }

    async fn proxy_with(
        &self,
        label: &str,
        upstream: &Endpoint,
        settings: &[&str],
    ) -> Result<Endpoint> {
        let ports = free_ports(3)?;
        let [listen, peers, ops] = ports.as_slice() else {
            bail!("no ports")
        };
        let process = self.spawn(
            Command::new(self.bin.join("dax-proxy"))
                .arg("serve")
                .args([
                    "--upstream",
                    &upstream.url,
                    "--region",
                    "us-east-1",
                    "--credentials-file",
                ])
                .arg(self.folder.join("credentials.json"))
                .arg("--data-dir")
                .arg(self.folder.join(format!("proxy-{listen}")))
                .args(settings)
                .args(["--listen", &format!("127.0.0.1:{listen}")])
                .args(["--peer-listen", &format!("127.0.0.1:{peers}")])
                .args(["--ops-listen", &format!("127.0.0.1:{ops}")])
                .env("AWS_ACCESS_KEY_ID", root_key().id)
                .env("AWS_SECRET_ACCESS_KEY", root_key().secret),
        )?;
        let mut endpoint = self
            .endpoint(label, *listen, None, Some(root_key()), process)
            .await?;
        endpoint.cache = true;
        Ok(endpoint)
    }

    async fn endpoint(
        &self,
        label: &str,
        api: u16,
        ops: Option<u16>,
        key: Option<Key>,
        process: u32,
    ) -> Result<Endpoint> {
        let address = SocketAddr::from(([127, 0, 0, 1], api));
        listening(address).await?;
        let url = format!("http://{address}");
        Client::new(&url, key.clone())
            .call_until_ok("ListTables", &json!({}), START_LIMIT)
            .await?;
        Ok(Endpoint {
            label: label.to_owned(),
            url,
            address,
            key,
            cache: false,
            metrics: ops.map(|ops| format!("http://127.0.0.1:{ops}/metrics")),
            process,
        })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Ok(mut children) = self.children.lock() {
            for child in children.iter_mut() {
                child.kill().ok();
                child.wait().ok();
            }
        }
    }
}

fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").context("no free port"))
        .collect::<Result<_>>()?;
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr().context("no address")?.port()))
        .collect()
}

async fn listening(address: SocketAddr) -> Result<()> {
    let start = tokio::time::Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if start.elapsed() > START_LIMIT {
            bail!("nothing listens on {address}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
