//! `cargo xtask dax-clients`: the published DAX clients for JavaScript, each result compared with plain DynamoDB.
//!
//! The client for Python is in `cargo xtask test`; these are a command of their own, as the SDKs are (`sdks`).

use anyhow::{Result, ensure};

use crate::pair::{CACHE, NODE, client_environment, ports_are_free, with_temporary};
use crate::process::{build, cache_directory, on_path, run as run_command, workspace_root};
use crate::sdks::javascript;

/// Builds everything, then runs the matrix of operations of both clients.
pub(crate) fn run() -> Result<()> {
    ensure!(
        on_path("npm"),
        "npm is missing, which fetches the DAX clients for JavaScript"
    );
    ports_are_free()?;
    let mut matrix = javascript(
        &workspace_root().join("tests/dax/javascript"),
        &cache_directory()?.join("dax-javascript"),
        "matrix.mjs",
    )?;
    build("dev")?;
    with_temporary("dev", || {
        run_command(
            matrix
                .envs(client_environment(NODE))
                .env("STATOR_DAX", CACHE),
        )
    })
}
