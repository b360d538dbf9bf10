//! `cargo xtask dax-clients`: the published DAX clients for JavaScript and Java, each result compared with plain DynamoDB:
//! in the clear, under TLS, and with a cache of three nodes.
//!
//! The client for Python is in `cargo xtask test`; these are a command of their own, as the SDKs are (`sdks`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::pair::{
    CACHE, CACHE_TLS, Cache, NODE, client_environment, ports_are_free, with_temporary_cache,
};
use crate::process::{build, cache_directory, on_path, run as run_command, workspace_root};
use crate::python;
use crate::sdks::{java, javascript};

/// Of the store that Java keeps authorities in; it guards nothing here, and Java wants one.
const PASSWORD: &str = "changeit";

/// Builds everything, then runs each client's matrix of operations.
pub(crate) fn run() -> Result<()> {
    for tool in ["npm", "mvn", "keytool"] {
        ensure!(
            on_path(tool),
            "{tool} is missing, which DAX clients need to be fetched or to trust a certificate"
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
    let folder = std::env::temp_dir().join(format!("stator-certificate-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("no temporary folder")?;
    let outcome = make_certificate(&sources, &folder).and_then(|()| {
        let mut run_all = |url: String| {
            println!("{url}");
            matrices.iter_mut().try_for_each(|matrix| {
                run_command(trusting(matrix, &folder).env("STATOR_DAX", &url))
            })
        };
        let alone = Cache {
            cluster: false,
            certificate: Some(&folder),
        };
        with_temporary_cache("dev", alone, || {
            run_all(format!("dax://{CACHE}"))?;
            run_all(format!("daxs://{CACHE_TLS}"))
        })?;
        let cluster = Cache {
            cluster: true,
            certificate: None,
        };
        println!("three nodes");
        with_temporary_cache("dev", cluster, || run_all(format!("dax://{CACHE}")))
    });
    std::fs::remove_dir_all(&folder).context("cannot remove the certificate")?;
    outcome
}

/// A certificate for the cache's address, and its authority in the forms that the clients read. The address and not
/// `localhost`: the client for JavaScript asks name servers only.
fn make_certificate(sources: &Path, folder: &Path) -> Result<()> {
    run_command(
        Command::new(python::environment()?.join("python"))
            .arg(sources.join("certificate.py"))
            .arg(folder)
            .arg("127.0.0.1"),
    )?;
    run_command(
        Command::new("keytool")
            .args(["-importcert", "-noprompt", "-alias", "authority"])
            .args(["-storetype", "PKCS12", "-storepass", PASSWORD, "-file"])
            .arg(folder.join("ca.crt"))
            .arg("-keystore")
            .arg(folder.join("authorities.p12")),
    )
}

/// The matrix with keys, and with the authority in `folder` as one that it trusts.
fn trusting<'a>(matrix: &'a mut Command, folder: &Path) -> &'a mut Command {
    let store = folder.join("authorities.p12");
    matrix
        .envs(client_environment(NODE))
        .env("NODE_EXTRA_CA_CERTS", folder.join("ca.crt"))
        .env(
            "JAVA_TOOL_OPTIONS",
            format!(
                "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStorePassword={PASSWORD}",
                store.display()
            ),
        )
}
