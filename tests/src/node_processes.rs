//! Storage nodes as processes on loopback: started, killed with SIGKILL, paused and started again.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::Instant;

use crate::client::{Client, Key};

/// Where a program of the workspace was built: beside this test, or `STATOR_BIN_DIR`.
///
/// # Errors
/// Where it is not there; `cargo build --workspace` makes it.
pub fn program(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("STATOR_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let test = std::env::current_exe().context("cannot find the test's own path")?;
            let mut folder = test.parent().map(Path::to_path_buf).unwrap_or_default();
            if folder.ends_with("deps") {
                folder.pop();
            }
            if !folder.join(name).is_file() {
                // With a build directory of its own, cargo puts programs into the target directory.
                folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug");
            }
            folder
        }
    };
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is missing: cargo build --workspace makes it",
        path.display()
    );
    Ok(path)
}

/// The key that every cluster of this module accepts.
#[must_use]
pub fn root_key() -> Key {
    Key {
        id: "AKIATEST".to_owned(),
        secret: "secret-of-the-test".to_owned(),
    }
}

/// A cluster of processes on 127.0.0.1; everything ends when it is dropped.
pub struct NodeProcesses {
    folder: PathBuf,
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    api: u16,
    rpc: u16,
    admin: u16,
    ops: u16,
    process: Option<Child>,
}

impl NodeProcesses {
    /// Starts `count` nodes with empty volumes below `folder`, without TLS between them.
    ///
    /// # Errors
    /// Where a process cannot be started.
    pub fn start(folder: &Path, count: usize) -> Result<Self> {
        let credentials = serde_json::json!({"credentials": [{
            "accessKeyId": root_key().id, "secretAccessKey": root_key().secret, "principal": "root",
        }]});
        std::fs::write(folder.join("credentials.json"), credentials.to_string())
            .context("cannot write the credentials file")?;
        // All listeners are held until the last port is known, so that no port is handed out twice.
        let mut held = Vec::new();
        let mut port = || -> Result<u16> {
            let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
            let port = listener
                .local_addr()
                .context("a listener without address")?
                .port();
            held.push(listener);
            Ok(port)
        };
        let mut nodes = Vec::new();
        for number in 0..count {
            nodes.push(Node {
                name: format!("node-{number}"),
                api: port()?,
                rpc: port()?,
                admin: port()?,
                ops: port()?,
                process: None,
            });
        }
        drop(held);
        let mut cluster = Self {
            folder: folder.to_owned(),
            nodes,
        };
        for number in 0..count {
            cluster.start_node(number)?;
        }
        Ok(cluster)
    }

    /// Starts one node on its volume; nothing happens where it runs already.
    ///
    /// # Errors
    /// Where the process cannot be started.
    pub fn start_node(&mut self, number: usize) -> Result<()> {
        let peers: Vec<_> = self
            .nodes
            .iter()
            .map(|node| format!("{}=127.0.0.1:{}", node.name, node.rpc))
            .collect();
        let folder = self.folder.clone();
        let node = self.nodes.get_mut(number).context("no such node")?;
        if node.process.is_some() {
            return Ok(());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{}.log", node.name)))
            .context("cannot open a log")?;
        let errors = log.try_clone().context("cannot share a log")?;
        let child = Command::new(program("storage-node")?)
            .arg("serve")
            .args([
                "--node-name",
                &node.name,
                "--rack",
                &format!("rack-{number}"),
                "--insecure",
            ])
            .args(["--peers", &peers.join(",")])
            .arg("--data-dir")
            .arg(folder.join(&node.name))
            .arg("--credentials-file")
            .arg(folder.join("credentials.json"))
            .args(["--api-listen", &format!("127.0.0.1:{}", node.api)])
            .args(["--rpc-listen", &format!("127.0.0.1:{}", node.rpc)])
            .args(["--admin-listen", &format!("127.0.0.1:{}", node.admin)])
            .args(["--ops-listen", &format!("127.0.0.1:{}", node.ops)])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .context("cannot start storage-node")?;
        node.process = Some(child);
        Ok(())
    }

    /// How many nodes, running or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Ends a node with SIGKILL.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        let node = self.nodes.get_mut(number).context("no such node")?;
        let mut child = node.process.take().context("the node does not run")?;
        child.kill().context("cannot kill")?;
        child.wait().context("cannot wait for a killed process")?;
        Ok(())
    }

    /// Ends a node with SIGTERM and waits until it has drained.
    ///
    /// # Errors
    /// Where it does not end within `limit`, or not with success.
    pub async fn terminate(&mut self, number: usize, limit: Duration) -> Result<()> {
        self.signal(number, "TERM")?;
        let node = self.nodes.get_mut(number).context("no such node")?;
        let mut child = node.process.take().context("the node does not run")?;
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = child.try_wait().context("cannot wait")? {
                ensure!(status.success(), "{} ended with {status}", node.name);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        node.process = Some(child);
        anyhow::bail!("{} does not drain", node.name)
    }

    /// Sends a signal such as `STOP`, `CONT` or `TERM`.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn signal(&self, number: usize, signal: &str) -> Result<()> {
        let node = self.nodes.get(number).context("no such node")?;
        let child = node.process.as_ref().context("the node does not run")?;
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status()
            .context("cannot run kill")?;
        ensure!(status.success(), "kill -{signal} failed");
        Ok(())
    }

    /// Removes the volume of a node that does not run.
    ///
    /// # Errors
    /// Where it runs, or the folder cannot be removed.
    pub fn wipe(&self, number: usize) -> Result<()> {
        let node = self.nodes.get(number).context("no such node")?;
        ensure!(node.process.is_none(), "the node runs");
        std::fs::remove_dir_all(self.folder.join(&node.name)).context("cannot remove a volume")
    }

    /// A client of one node's DynamoDB API.
    #[must_use]
    pub fn client(&self, number: usize) -> Client {
        let port = self.nodes.get(number).map_or(0, |node| node.api);
        Client::new(&format!("http://127.0.0.1:{port}"), Some(root_key()))
    }

    /// A client of one node's admin API.
    #[must_use]
    pub fn admin(&self, number: usize) -> Client {
        let port = self.nodes.get(number).map_or(0, |node| node.admin);
        Client::new(&format!("http://127.0.0.1:{port}"), Some(root_key()))
    }

    /// The address of one node's ops port.
    #[must_use]
    pub fn ops_address(&self, number: usize) -> String {
        format!(
            "127.0.0.1:{}",
            self.nodes.get(number).map_or(0, |node| node.ops)
        )
    }

    /// The text of a node's log so far.
    #[must_use]
    pub fn log(&self, number: usize) -> String {
        let name = self.nodes.get(number).map_or("", |node| &node.name);
        std::fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Waits until the node's `/readyz` answers 200.
    ///
    /// # Errors
    /// After `limit`, with what it answered last and the end of its log.
    pub async fn wait_ready(&self, number: usize, limit: Duration) -> Result<()> {
        let url = format!("http://{}/readyz", self.ops_address(number));
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < limit {
            match crate::client::get(&url).await {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => last = format!("{status} {body}"),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = self.log(number);
        let end: Vec<_> = log.lines().rev().take(20).collect();
        anyhow::bail!(
            "node {number} is not ready: {last}\n{}",
            end.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }
}

impl Drop for NodeProcesses {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut child) = node.process.take() {
                child.kill().ok();
                child.wait().ok();
            }
        }
    }
}
