//! `cargo xtask dax-clients`: the published DAX clients for JavaScript and Java, each result compared with plain DynamoDB.
//!
//! The client for Python is in `cargo xtask test`; these are a command of their own, as the SDKs are (`sdks`).

use anyhow::{Result, ensure};

use crate::pair::{CACHE, NODE, client_environment, ports_are_free, with_temporary};
use crate::process::{build, cache_directory, on_path, run as run_command, workspace_root};
use crate::sdks::{java, javascript};

/// Builds everything, then runs each client's matrix of operations.
pub(crate) fn run() -> Result<()> {
    for tool in ["npm", "mvn"] {
        ensure!(
            on_path(tool),
            "{tool} is missing, which fetches DAX clients"
        );
    }
    ports_are_free()?;
    let (sources, cache) = (workspace_root().join("tests/dax"), cache_directory()?);
    let mut matrices = [
        javascript(
            &sources.join("javascript"),
            &cache.join("dax-javascript"),
            "matrix.mjs",
        )?,
        java(
            &sources.join("java"),
            &cache.join("dax-java"),
            "dev.stator.Matrix",
        )?,
    ];
    build("dev")?;
    with_temporary("dev", || {
        matrices.iter_mut().try_for_each(|matrix| {
            run_command(
                matrix
                    .envs(client_environment(NODE))
                    .env("STATOR_DAX", CACHE),
            )
        })
    })
}
