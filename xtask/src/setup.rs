//! System packages: installed when root on Debian, otherwise named in one clear message.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::process::{on_path, run};

/// Something that the machine must have, and the Debian package that brings it.
pub(crate) struct Needed {
    /// Its name in the message.
    pub(crate) what: &'static str,
    pub(crate) package: &'static str,
    /// Whether it is there.
    pub(crate) found: fn() -> bool,
}

/// What the workspace is built with, and the stock AWS clients are started with.
const TO_BUILD: [Needed; 4] = [
    Needed {
        what: "a C compiler (cc)",
        package: "gcc libc6-dev",
        found: || on_path("cc"),
    },
    Needed {
        what: "cmake and make",
        package: "cmake make",
        found: || on_path("cmake") && on_path("make"),
    },
    Needed {
        what: "python3",
        package: "python3",
        found: || on_path("python3"),
    },
    Needed {
        what: "python3's venv and ensurepip",
        package: "python3-venv",
        found: || {
            let mut python = Command::new("python3");
            python.args(["-c", "import ensurepip, venv"]);
            python.output().is_ok_and(|output| output.status.success())
        },
    },
];

const GO: Needed = Needed {
    what: "Go",
    package: "golang-go",
    found: || go().is_some(),
};

/// The oldest Go that fetches by itself the release that the modules of the local cluster name.
const GO_MINOR_MIN: u32 = 21;

/// Makes sure that the workspace can be built.
pub(crate) fn build_tools() -> Result<()> {
    packages(&TO_BUILD)
}

/// Makes sure that a local Kubernetes can be built and may be started, as far as it can be told without building
/// anything: its own program checks the rest.
pub(crate) fn for_local_kubernetes() -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "a local Kubernetes takes Linux; the end-to-end suite also runs on any cluster that KUBECONFIG names \
         (docs/local-kubernetes.md)"
    );
    ensure!(
        is_root(),
        "a local Kubernetes makes namespaces and control groups, which takes root; `cargo xtask test --only \
         lint,build,rust,conformance` runs all phases without it"
    );
    packages(&[GO])?;
    if let Some(minor) = go().as_deref().and_then(go_minor)
        && minor < GO_MINOR_MIN
    {
        bail!(
            "Kubernetes is built with Go 1.{GO_MINOR_MIN} or later; this is 1.{minor}: https://go.dev/dl"
        );
    }
    Ok(())
}

/// What `go version` says.
fn go() -> Option<String> {
    let program = if on_path("go") {
        Path::new("go")
    } else {
        Path::new("/usr/local/go/bin/go")
    };
    let output = Command::new(program).arg("version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(said)
}

/// 26 of `go version go1.26.8 linux/amd64`.
fn go_minor(said: &str) -> Option<u32> {
    let (_, version) = said.split_once(" go1.")?;
    let digits = version.split(|byte: char| !byte.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Makes sure that everything named is there.
pub(crate) fn packages(needed: &[Needed]) -> Result<()> {
    let missing = || needed.iter().filter(|needed| !(needed.found)());
    let packages: Vec<_> = missing().map(|needed| needed.package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let packages = packages.join(" ");
    let named: Vec<_> = missing().map(|needed| needed.what).collect();
    if !(on_path("apt-get") && is_root()) {
        bail!(
            "missing: {}; on Debian: apt-get install {packages}",
            named.join(", ")
        );
    }
    println!("installing {packages}");
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-qq", "-y", "--no-install-recommends"])
        .args(packages.split(' ')))?;
    let named: Vec<_> = missing().map(|needed| needed.what).collect();
    ensure!(
        named.is_empty(),
        "still missing after apt-get install {packages}: {}",
        named.join(", ")
    );
    Ok(())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_of_go_is_read_from_what_it_says() {
        let check = |said: &str, expected| assert_eq!(go_minor(said), expected, "{said}");
        check("go version go1.26.8 linux/amd64\n", Some(26));
        check("go version go1.19 linux/amd64\n", Some(19));
        check("go version go1.27rc1 linux/arm64\n", Some(27));
        check("go version devel +abc linux/amd64\n", None);
    }
}
