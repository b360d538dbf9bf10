//! `cargo xtask demo --kubernetes`: the chart, a Table and a stock AWS client on a real Kubernetes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use super::Serving;
use crate::process::{OwnedChild, cache_directory, on_path, program_path, run, workspace_root};
use crate::{images, setup};

const NAMESPACE: &str = "stator-demo";
const KIND_CLUSTER: &str = "stator-demo";
const TAG: &str = "demo";
/// Where `kubectl port-forward` listens for clusters whose Services cannot be reached from here.
const FORWARD: &str = "127.0.0.1:18111";
const WAIT: &str = "--timeout=300s";

/// Which cluster the demo uses.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// kind where Docker is there, else local.
    Auto,
    /// Three kubelets in namespaces on this machine; needs root on Linux.
    Local,
    /// A kind cluster of its own, removed at the end.
    Kind,
    /// The cluster of the current KUBECONFIG; its nodes must have the images already.
    Current,
}

/// A cluster and how to run programs against it.
struct Cluster {
    target: Target,
    /// The files of a local one: not those of the cluster that a user may have up.
    state: PathBuf,
    /// The program that makes a local one, built with the images.
    program: PathBuf,
}

/// Installs everything, writes and reads, and serves; then removes what it made.
pub(super) fn demo(
    target: Target,
    manifest: &Path,
    profile: &str,
    python: &Path,
    serving: &Serving<'_>,
) -> Result<()> {
    let cluster = Cluster {
        target: resolve(target),
        state: cache_directory()?.join("demo"),
        program: program_path(profile, "local-kubernetes"),
    };
    if cluster.target == Target::Local {
        println!("the cluster is three kube nodes in namespaces of this machine");
        setup::for_local_kubernetes()?;
    }
    let archives = if cluster.target == Target::Current {
        Vec::new()
    } else {
        println!("packing images");
        images::run(&images::Options {
            profile: profile.to_owned(),
            tag: TAG.to_owned(),
            out: None,
        })?
    };
    let outcome = cluster
        .up()
        .and_then(|()| cluster.load(&archives))
        .and_then(|()| cluster.install(manifest))
        .and_then(|table| cluster.use_table(&table, manifest, python, serving));
    // Also after half a start, and after Ctrl-C.
    let down = cluster.down();
    outcome.and(down)
}

fn resolve(target: Target) -> Target {
    if target != Target::Auto {
        return target;
    }
    let docker = Command::new("docker")
        .arg("info")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if docker && on_path("kind") {
        Target::Kind
    } else {
        Target::Local
    }
}

impl Cluster {
    fn local(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--state").arg(&self.state);
        command
    }

    /// A command that finds the cluster, and its Services' names where the target allows it.
    fn command(&self, program: &str) -> Command {
        if self.target == Target::Local {
            let mut command = self.local();
            command.args(["exec", "--", program]);
            command
        } else {
            Command::new(program)
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("kubectl");
        command.args(["--namespace", NAMESPACE]).args(arguments);
        command
    }

    fn up(&self) -> Result<()> {
        match self.target {
            Target::Local => {
                run(self.local().arg("setup"))?;
                run(self.local().arg("up"))
            }
            Target::Kind => {
                run(Command::new("kind").args(["create", "cluster", "--name", KIND_CLUSTER]))
            }
            Target::Current | Target::Auto => Ok(()),
        }
    }

    fn load(&self, archives: &[PathBuf]) -> Result<()> {
        match self.target {
            Target::Local => run(self.local().arg("load-image").args(archives)),
            Target::Kind => archives.iter().try_for_each(|archive| {
                run(Command::new("kind")
                    .args(["load", "image-archive", "--name", KIND_CLUSTER])
                    .arg(archive))
            }),
            Target::Current | Target::Auto => Ok(()),
        }
    }

    /// Installs the chart and applies the manifest; returns the table's name.
    fn install(&self, manifest: &Path) -> Result<String> {
        let root = workspace_root();
        let mut helm = self.command("helm");
        helm.args(["upgrade", "--install", "stator"])
            .arg(root.join("charts/stator"))
            .args([
                "--namespace",
                NAMESPACE,
                "--create-namespace",
                "--wait",
                "--timeout",
                "5m",
            ]);
        if self.target == Target::Current {
            println!(
                "the nodes must have the images of this chart: cargo xtask images makes them, and \
                 README.md says how they get there"
            );
        } else {
            helm.args(["--set", &format!("images.tag={TAG}")]);
        }
        if self.target == Target::Kind {
            helm.args(["--set", "storageCluster.podAntiAffinityType=preferred"]);
        }
        run(&mut helm)?;
        println!(
            "waiting until the table is Ready (storage nodes, certificates and cache start now)"
        );
        self.apply(manifest)?;
        run(&mut self.kubectl(&["get", "storageclusters,daxclusters,tables,pods"]))?;
        super::table_name(manifest)
    }

    /// Applies the manifest and waits until the table is as it says.
    fn apply(&self, manifest: &Path) -> Result<()> {
        run(self.kubectl(&["apply", "--filename"]).arg(manifest))?;
        run(self
            .kubectl(&["wait", "--for=condition=Ready", WAIT, "--filename"])
            .arg(manifest))
    }

    fn use_table(
        &self,
        table: &str,
        manifest: &Path,
        python: &Path,
        serving: &Serving<'_>,
    ) -> Result<()> {
        let mut forward = Vec::new();
        let endpoint = if self.target == Target::Local {
            format!("http://dax.{NAMESPACE}.svc.cluster.local:8111")
        } else {
            forward.push(self.forward()?);
            format!("http://{FORWARD}")
        };
        let key = self.secret("AWS_ACCESS_KEY_ID")?;
        let secret = self.secret("AWS_SECRET_ACCESS_KEY")?;
        let mut client = self.command("env");
        client
            .arg(format!("AWS_ENDPOINT_URL={endpoint}"))
            .args(["AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1"])
            .arg(format!("AWS_ACCESS_KEY_ID={key}"))
            .arg(format!("AWS_SECRET_ACCESS_KEY={secret}"))
            .arg(python.join("python"))
            .arg(workspace_root().join("examples/demo.py"))
            .arg(table);
        run(&mut client)?;
        if serving.until.is_none() {
            return Ok(());
        }
        println!("\nserving until Ctrl-C, in namespace {NAMESPACE}");
        println!("  DynamoDB API, cached  {endpoint}");
        println!("  key                   kubectl --namespace {NAMESPACE} get secret default-root");
        if self.target == Target::Local {
            println!(
                "  a shell inside        cargo xtask local-kubernetes --state {} exec -- bash",
                self.state.display()
            );
        }
        println!("edit {} and the table changes", manifest.display());
        serving.serve(&mut forward, &|| self.apply(manifest))
    }

    fn forward(&self) -> Result<OwnedChild> {
        let port = FORWARD.rsplit(':').next().unwrap_or_default();
        let child = OwnedChild::start(
            "kubectl port-forward",
            self.kubectl(&["port-forward", "service/dax", &format!("{port}:8111")])
                .stdout(Stdio::null()),
        )?;
        let start = Instant::now();
        while std::net::TcpStream::connect(FORWARD).is_err() {
            ensure!(
                start.elapsed() < Duration::from_secs(20),
                "the port is not forwarded"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(child)
    }

    fn secret(&self, name: &str) -> Result<String> {
        let template = format!("go-template={{{{index .data \"{name}\" | base64decode}}}}");
        let output = self
            .kubectl(&["get", "secret", "default-root", "--output", &template])
            .output()
            .context("cannot run kubectl")?;
        if !output.status.success() {
            bail!(
                "the Secret default-root: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        String::from_utf8(output.stdout).context("a key that is no text")
    }

    fn down(&self) -> Result<()> {
        if matches!(self.target, Target::Local | Target::Kind) {
            println!("\nremoving the cluster with its data");
        }
        match self.target {
            Target::Local => run(self.local().arg("down")),
            Target::Kind => {
                run(Command::new("kind").args(["delete", "cluster", "--name", KIND_CLUSTER]))
            }
            Target::Current | Target::Auto => {
                println!("the chart and namespace {NAMESPACE} stay in your cluster");
                Ok(())
            }
        }
    }
}
