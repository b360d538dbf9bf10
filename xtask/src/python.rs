//! The Python environment with the stock AWS clients, made once in the cache folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{cache_directory, on_path, run, workspace_root};

/// Makes the environment of `tests/requirements.txt` where it does not exist yet and returns its `bin` folder.
///
/// The folder's name carries a checksum of the requirements, so that another version of them is another environment.
pub(crate) fn environment() -> Result<PathBuf> {
    let requirements = workspace_root().join("tests/requirements.txt");
    let text = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let directory = cache_directory()?.join(format!("python-{:016x}", fingerprint(&text)));
    let bin = directory.join("bin");
    let done = directory.join("complete");
    if done.is_file() {
        return Ok(bin);
    }
    anyhow::ensure!(
        on_path("python3"),
        "python3 is needed for the stock AWS clients; please install it"
    );
    println!("making a Python environment with boto3 and the AWS CLI");
    if directory.exists() {
        std::fs::remove_dir_all(&directory).context("cannot remove a half-made environment")?;
    }
    std::fs::create_dir_all(&directory).context("cannot make the cache folder")?;
    run(Command::new("python3").args(["-m", "venv"]).arg(&directory))?;
    install(&bin, &requirements)?;
    std::fs::write(&done, "").context("cannot mark the environment as complete")?;
    Ok(bin)
}

fn install(bin: &Path, requirements: &Path) -> Result<()> {
    run(Command::new(bin.join("python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(requirements))
}

/// FNV-1a, 64 bits: the same on every machine and release.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
