//! Container images without Docker: a docker-archive of an ordinary program and the shared libraries it names.
//!
//! One layer, nothing else in it: no shell, no package manager. The same input gives the same bytes.
//! `ctr images import`, `docker load`, `podman load` and `kind load image-archive` take the file.
//! Format: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".

mod archive;
mod libraries;

pub use self::archive::write;

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The image of the process that holds a pod's namespaces.
pub const PAUSE_REFERENCE: &str = "local/pause:1";

/// Who programs run as: nobody in particular, known by convention (distroless' `nonroot`).
const USER: &str = "65532:65532";

/// A program of the machine and where it goes.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file here.
    pub source: PathBuf,
    /// Its absolute path in the image.
    pub target: String,
}

/// An image to be written.
#[derive(Debug, Clone)]
pub struct Image {
    /// `local/name:tag`; `local/` is no registry that could be asked, so a missing image stays missing.
    pub reference: String,
    /// What is in it; the libraries come along.
    pub programs: Vec<Program>,
    /// What is started, with its arguments.
    pub entrypoint: Vec<String>,
}

/// The image of one of Stator's services: `/usr/local/bin/<program>` is its entrypoint.
#[must_use]
pub fn service(program: &str, binary: PathBuf, tag: &str) -> Image {
    let target = format!("/usr/local/bin/{program}");
    Image {
        reference: format!("local/stator-{program}:{tag}"),
        programs: vec![Program {
            source: binary,
            target: target.clone(),
        }],
        entrypoint: vec![target],
    }
}

/// The pause image of the local cluster: the machine's own `sleep`.
///
/// # Errors
///
/// If this machine has no `sleep`.
pub fn pause() -> Result<Image> {
    from_machine(PAUSE_REFERENCE, &["sleep"], &["/bin/sleep", "infinity"])
}

/// An image of programs that this machine has, in `/bin`; for tests.
///
/// # Errors
///
/// If one of them is not on the `PATH`.
pub fn from_machine(reference: &str, programs: &[&str], entrypoint: &[&str]) -> Result<Image> {
    let programs = programs
        .iter()
        .map(|name| {
            Ok(Program {
                source: on_path(name).with_context(|| format!("no {name} on the PATH"))?,
                target: format!("/bin/{name}"),
            })
        })
        .collect::<Result<_>>()?;
    Ok(Image {
        reference: reference.to_owned(),
        programs,
        entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
    })
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
