//! Writes the custom resource definitions, for `kubectl apply -f crds/` and for the Helm chart.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

/// Writes the custom resource definitions.
#[derive(Parser)]
struct Arguments {
    /// Directories to write into. Default: `crds` and the chart's copy, from the root of the repository.
    #[arg(long, num_args = 1..)]
    out: Vec<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let Arguments { mut out } = Arguments::parse();
    if out.is_empty() {
        out = vec!["crds".into(), "charts/stator/files/crds".into()];
    }
    for (name, text) in stator_operator::crd::manifests()? {
        for directory in &out {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
            let path = directory.join(&name);
            std::fs::write(&path, &text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
