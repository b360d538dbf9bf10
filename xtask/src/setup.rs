//! System packages: installed when root on Debian, otherwise named in one clear message.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{on_path, run};

/// A program and the Debian package that brings it.
pub(crate) struct Needed {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

/// Makes sure that every program is on the `PATH`.
pub(crate) fn packages(needed: &[Needed]) -> Result<()> {
    let missing: Vec<_> = needed
        .iter()
        .filter(|needed| !on_path(needed.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|needed| needed.package).collect();
    let programs: Vec<_> = missing.iter().map(|needed| needed.program).collect();
    if !(on_path("apt-get") && is_root()) {
        bail!(
            "these programs are missing: {}; on Debian: apt-get install {}",
            programs.join(", "),
            packages.join(" ")
        );
    }
    println!("installing {}", packages.join(" "));
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-qq", "-y", "--no-install-recommends"])
        .args(&packages))
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}
