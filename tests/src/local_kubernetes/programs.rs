//! The programs that the cluster runs: built from source into a cache that outlasts the clone.
//!
//! Their versions and everything they are made of are pinned by the Go modules in `tests/local-kubernetes/`.
//! Each program lies under the version that it was built from: a new version is built beside the old one.

#![expect(
    clippy::disallowed_types,
    reason = "real builds take real time: nothing here is simulated"
)]

pub mod packages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Progress;

const KUBERNETES: &str = include_str!("../../local-kubernetes/kubernetes/go.mod");
const SERVICES: &str = include_str!("../../local-kubernetes/services/go.mod");
const HELM: &str = include_str!("../../local-kubernetes/helm/go.mod");

/// A program and where it comes from.
struct Source {
    name: &'static str,
    /// The folder of the Go module that pins it, below `tests/local-kubernetes/`.
    module: &'static str,
    go_mod: &'static str,
    /// The Go module whose version is the program's.
    versioned_by: &'static str,
    /// The package that is the program.
    package: &'static str,
}

const fn kubernetes(name: &'static str, package: &'static str) -> Source {
    Source {
        name,
        module: "kubernetes",
        go_mod: KUBERNETES,
        versioned_by: "k8s.io/kubernetes",
        package,
    }
}

const SOURCES: [Source; 9] = [
    kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    kubernetes(
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    kubernetes("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    kubernetes("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    kubernetes("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
    kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    Source {
        name: "etcd",
        module: "services",
        go_mod: SERVICES,
        versioned_by: "go.etcd.io/etcd/server/v3",
        package: "go.etcd.io/etcd/server/v3",
    },
    Source {
        name: "coredns",
        module: "services",
        go_mod: SERVICES,
        versioned_by: "github.com/coredns/coredns",
        package: "github.com/coredns/coredns",
    },
    Source {
        name: "helm",
        module: "helm",
        go_mod: HELM,
        versioned_by: "helm.sh/helm/v3",
        package: "helm.sh/helm/v3/cmd/helm",
    },
];

/// Where everything lives that outlasts a clone: `STATOR_CACHE`, else `XDG_CACHE_HOME/stator`, else `~/.cache/stator`.
///
/// # Errors
///
/// If the environment names none of them.
pub fn cache_directory() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("STATOR_CACHE") {
        return Ok(PathBuf::from(directory));
    }
    if let Some(directory) = std::env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(directory).join("stator"));
    }
    let home = std::env::var_os("HOME").context("neither STATOR_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/stator"))
}

/// The programs, there to be started.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds the programs in the cache and builds those that are missing, one line of progress each.
    ///
    /// # Errors
    ///
    /// If Go is missing or too old, or a build fails.
    pub fn ensure(progress: Progress<'_>) -> Result<Self> {
        let programs = Self {
            folder: cache_directory()?.join("programs"),
        };
        for (position, source) in SOURCES.iter().enumerate() {
            let target = programs.folder.join(file_name(source)?);
            if !target.exists() {
                progress(&format!(
                    "building {} ({} of {})",
                    source.name,
                    position + 1,
                    SOURCES.len()
                ));
                let start = Instant::now();
                build(source, &target)?;
                progress(&format!(
                    "built {} in {} s",
                    source.name,
                    start.elapsed().as_secs()
                ));
            }
        }
        Ok(programs)
    }

    fn path(&self, name: &str) -> PathBuf {
        SOURCES
            .iter()
            .find(|source| source.name == name)
            .and_then(|source| file_name(source).ok())
            .map_or_else(|| self.folder.join(name), |file| self.folder.join(file))
    }

    /// The API server.
    pub(super) fn kube_apiserver(&self) -> PathBuf {
        self.path("kube-apiserver")
    }

    /// The built-in controllers.
    pub(super) fn kube_controller_manager(&self) -> PathBuf {
        self.path("kube-controller-manager")
    }

    /// The scheduler.
    pub(super) fn kube_scheduler(&self) -> PathBuf {
        self.path("kube-scheduler")
    }

    /// The service rules.
    pub(super) fn kube_proxy(&self) -> PathBuf {
        self.path("kube-proxy")
    }

    /// The node agent.
    pub(super) fn kubelet(&self) -> PathBuf {
        self.path("kubelet")
    }

    /// The API server's store.
    pub(super) fn etcd(&self) -> PathBuf {
        self.path("etcd")
    }

    /// The DNS server.
    pub(super) fn coredns(&self) -> PathBuf {
        self.path("coredns")
    }

    /// The command line client.
    #[must_use]
    pub fn kubectl(&self) -> PathBuf {
        self.path("kubectl")
    }

    /// The chart installer.
    #[must_use]
    pub fn helm(&self) -> PathBuf {
        self.path("helm")
    }

    /// The folders of kubectl and helm, as a `PATH`.
    pub(super) fn search_path(&self) -> String {
        let folders = [self.kubectl(), self.helm()];
        let folders: Vec<_> = folders
            .iter()
            .filter_map(|program| program.parent())
            .map(|folder| folder.display().to_string())
            .collect();
        folders.join(":")
    }
}

/// `<module's last name>-<version>/<program>`, as in `kubernetes-v1.34.4/kubelet`.
fn file_name(source: &Source) -> Result<PathBuf> {
    let family = match source.module {
        "services" => source.name,
        module => module,
    };
    let version = version(source.go_mod, source.versioned_by)?;
    Ok(Path::new(&format!("{family}-{version}")).join(source.name))
}

/// The version that a go.mod requires of a module.
fn version<'a>(go_mod: &'a str, module: &str) -> Result<&'a str> {
    go_mod
        .lines()
        .map(|line| line.trim().trim_start_matches("require "))
        .find_map(|line| {
            line.strip_prefix(module)?
                .strip_prefix(' ')?
                .split(' ')
                .next()
        })
        .with_context(|| format!("no requirement of {module} in go.mod"))
}

fn build(source: &Source, target: &Path) -> Result<()> {
    let folder = target.parent().context("a program without a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let partial = target.with_extension("partial");
    let version = version(source.go_mod, source.versioned_by)?;
    let module = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("local-kubernetes")
        .join(source.module);
    let mut command = Command::new(go()?);
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags"])
        .arg(format!("-s -w {}", version_flags(source, version)))
        .arg("-o")
        .arg(&partial)
        .arg(source.package);
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "building {} failed: {}",
            source.name,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    // Renamed when whole: an interrupted build leaves no half program.
    fs::rename(&partial, target).with_context(|| target.display().to_string())
}

/// What the linker writes into a program so that it knows its version; without it clients see v0.0.0.
fn version_flags(source: &Source, version: &str) -> String {
    match source.module {
        "kubernetes" => {
            let package = "k8s.io/component-base/version";
            let mut numbers = version.trim_start_matches('v').split('.');
            let major = numbers.next().unwrap_or_default();
            let minor = numbers.next().unwrap_or_default();
            format!(
                "-X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
            )
        }
        "helm" => format!("-X helm.sh/helm/v3/internal/version.version={version}"),
        _ => String::new(),
    }
}

fn go() -> Result<PathBuf> {
    ["go", "/usr/local/go/bin/go"]
        .map(PathBuf::from)
        .into_iter()
        .find(|program| {
            Command::new(program)
                .arg("version")
                .output()
                .is_ok_and(|output| output.status.success())
        })
        .context("the local cluster's programs are built with Go 1.26 or later, which is missing: https://go.dev/dl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_lies_under_the_version_that_its_module_pins() {
        let names: Vec<_> = SOURCES
            .iter()
            .map(|source| file_name(source).unwrap().display().to_string())
            .collect();
        let version = version(KUBERNETES, "k8s.io/kubernetes").unwrap();
        assert!(version.starts_with("v1."), "{version}");
        assert!(
            names.contains(&format!("kubernetes-{version}/kubelet")),
            "{names:?}"
        );
        assert!(
            names.iter().any(|name| name.starts_with("etcd-v3.")),
            "{names:?}"
        );
        assert!(
            names.iter().any(|name| name.starts_with("coredns-v1.")),
            "{names:?}"
        );
        assert!(
            names.iter().any(|name| name.starts_with("helm-v3.")),
            "{names:?}"
        );
    }

    #[test]
    fn staging_modules_stand_at_the_version_of_their_release() {
        let release = version(KUBERNETES, "k8s.io/kubernetes").unwrap();
        let staging = release.replacen("v1.", "v0.", 1);
        let replaced: Vec<_> = KUBERNETES
            .lines()
            .filter_map(|line| line.trim().split_once(" => "))
            .collect();
        assert!(replaced.len() > 25, "{replaced:?}");
        for (from, to) in replaced {
            assert_eq!(to, format!("{from} {staging}"));
        }
    }
}
