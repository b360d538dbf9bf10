//! Running, finding and ending processes.

#![expect(
    clippy::disallowed_types,
    reason = "real processes take real time: nothing here is simulated"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A process id as the machine counts them.
pub(super) type Pid = u32;

/// Runs to the end; an error carries what the command wrote to its standard error.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} ended with {}: {}", output.status, said.trim());
    }
    Ok(())
}

/// Waits until `condition` holds; when the time is up, the error shows the end of `log`.
pub(super) fn wait_for(
    what: &str,
    limit: Duration,
    log: &Path,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let until = Instant::now() + limit;
    while !condition()? {
        if Instant::now() > until {
            bail!(
                "waited {} s for {what}; the end of {}:\n{}",
                limit.as_secs(),
                log.display(),
                tail(log, 10)
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn tail(file: &Path, lines: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut last: Vec<_> = text.lines().rev().take(lines).collect();
    last.reverse();
    last.join("\n")
}

/// The process that runs `script` with the shell as the first one of its PID namespace.
pub(super) fn first_of_namespace(script: &Path) -> Result<Option<Pid>> {
    let found = shells_first_in_their_namespaces()?;
    Ok(found
        .into_iter()
        .find_map(|(pid, running)| (running == script).then_some(pid)))
}

/// The scripts that shells run as the first ones of their PID namespaces.
pub(super) fn first_scripts_of_namespaces() -> Result<Vec<PathBuf>> {
    let found = shells_first_in_their_namespaces()?;
    Ok(found.into_iter().map(|(_, script)| script).collect())
}

fn shells_first_in_their_namespaces() -> Result<Vec<(Pid, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may end while one looks at it: that is not an error.
        let Ok(arguments) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let mut arguments = arguments.split(|byte| *byte == 0);
        let (Some(b"sh"), Some(script)) = (arguments.next(), arguments.next()) else {
            continue;
        };
        if is_first(&entry.path()) {
            found.push((pid, PathBuf::from(OsStr::from_bytes(script))));
        }
    }
    Ok(found)
}

fn is_first(process: &Path) -> bool {
    fs::read_to_string(process.join("status")).is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))
            .and_then(|ids| ids.split_whitespace().last())
            == Some("1")
    })
}

/// Kills the first process of a PID namespace, and so all of them, and waits until they are gone: the kernel
/// lets the first one go last.
pub(super) fn kill_namespace(pid: Pid, script: &Path) -> Result<()> {
    run(Command::new("kill").args(["-KILL", &pid.to_string()]))?;
    wait_for(
        &format!("process {pid} to end"),
        Duration::from_secs(20),
        script,
        || Ok(first_of_namespace(script)?.is_none()),
    )
}
