//! A real Kubernetes on this machine: three kube nodes in three zones, no registry, no Docker.
//!
//! Usually called as `cargo xtask local-kubernetes`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks to its terminal"
)]

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use stator_tests::local_kubernetes::{
    LocalKubernetes, NODES, Programs, UpOptions, machine, packages,
};
use stator_tests::volume_provisioner::{self, Where};

#[derive(Parser)]
#[command(about = "A real Kubernetes on this machine: three kube nodes in three zones")]
struct Arguments {
    /// The cluster's files; one cluster per directory. Default: local-kubernetes in the cache directory.
    #[arg(long, env = "STATOR_LOCAL_KUBERNETES")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs or names the system packages, checks the machine and builds the programs into the cache.
    Setup,
    /// Starts the cluster, or does nothing if it is up.
    Up,
    /// Ends the cluster and removes everything of it.
    Down,
    /// Shows what is running; the exit code is 1 unless all of it is.
    Status,
    /// Prints the path of the administrator's kubeconfig (its address answers inside, see exec).
    Kubeconfig,
    /// Imports docker-archive files on every node.
    LoadImage {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Cuts a node off from the others and from the control plane.
    Cut { node: String },
    /// Connects a cut node again.
    Heal { node: String },
    /// Kills all processes of a node at once. Its volumes stay.
    KillNode { node: String },
    /// Starts a killed node again.
    StartNode { node: String },
    /// Kills a container (the part of `containerID` after containerd://) with SIGKILL.
    KillContainer { node: String, container: String },
    /// Runs a command where the API server, Services and their names can be reached, with KUBECONFIG set
    /// and kubectl and helm on the PATH.
    Exec {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Serves claims of StorageClasses that name the tests' provisioner (`up` starts it by itself).
    VolumeProvisioner {
        /// Default: as the environment says.
        #[arg(long)]
        kubeconfig: Option<PathBuf>,
        /// Where directories are made.
        #[arg(long, value_enum, default_value = "this-machine")]
        place: Where,
        /// The folder of all volumes on a node.
        #[arg(long)]
        root: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let cluster = match &arguments.state {
        Some(state) => LocalKubernetes::new(state)?,
        None => LocalKubernetes::from_environment()?,
    };
    let progress = |line: &str| println!("{line}");
    match arguments.command {
        Command::Setup => {
            packages::ensure(&progress)?;
            machine::check()?;
            Programs::ensure(&progress)?;
        }
        Command::Up => {
            let provisioner_program = std::env::current_exe().context("this program's path")?;
            cluster.up(
                &UpOptions {
                    provisioner_program,
                },
                &progress,
            )?;
            println!(
                "KUBECONFIG={} (inside: cargo xtask local-kubernetes exec -- kubectl get nodes)",
                cluster.kubeconfig().display()
            );
        }
        Command::Down => cluster.down()?,
        Command::Status => {
            let status = cluster.status()?;
            println!(
                "control plane: {}",
                if status.running {
                    "running"
                } else {
                    "not running"
                }
            );
            for node in &NODES {
                let running = status.nodes.contains(&node.name);
                let state = if running { "running" } else { "not running" };
                println!("{} ({}): {state}", node.name, node.zone);
            }
            if !(status.running && status.nodes.len() == NODES.len()) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Kubeconfig => println!("{}", cluster.kubeconfig().display()),
        Command::LoadImage { files } => cluster.load_images(&files)?,
        Command::Cut { node } => cluster.cut(&node)?,
        Command::Heal { node } => cluster.heal(&node)?,
        Command::KillNode { node } => cluster.kill_node(&node)?,
        Command::StartNode { node } => cluster.start_node(&node)?,
        Command::KillContainer { node, container } => cluster.kill_container(&node, &container)?,
        Command::Exec { command } => {
            let (program, arguments) = command.split_first().context("no command")?;
            // Replaces this process: signals and the exit code are the command's own.
            let error = cluster.command(program)?.args(arguments).exec();
            return Err(error).context("nsenter");
        }
        Command::VolumeProvisioner {
            kubeconfig,
            place,
            root,
        } => {
            provision(kubeconfig, place, root)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn provision(kubeconfig: Option<PathBuf>, place: Where, root: PathBuf) -> Result<()> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("runtime")?;
    runtime.block_on(async {
        let client = volume_provisioner::client(kubeconfig).await?;
        volume_provisioner::run(client, place, root).await
    })
}
