//! House rules as tests, so that plain cargo is the only runner.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Every file of the workspace with this ending, without build output.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "__pycache__" | ".stator") {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no {ending} files: the walk is broken");
    found.sort();
    found
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for document in files(".md") {
        let text = fs::read_to_string(&document).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            if !document.parent().unwrap().join(path).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_decision_is_in_the_index() {
    let folder = root().join("docs/adr");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(
            name == "README.md" || index.contains(&format!("({name})")),
            "{name} is not listed"
        );
    }
}

#[test]
fn services_depend_on_model_and_kit_and_never_on_each_other() {
    let check = |folder: &str, allowed: &[&str]| {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let ours: Vec<_> = manifest
            .lines()
            .filter(|line| line.starts_with("stator-"))
            .map(|line| line.split(['.', ' ', '=']).next().unwrap())
            .collect();
        for name in &ours {
            assert!(allowed.contains(name), "{folder} depends on {name}");
        }
        assert_eq!(ours.len(), allowed.len(), "{folder}: {ours:?}");
    };
    check("model", &[]);
    check("kit", &[]);
    for service in ["storage-node", "dax-proxy", "operator"] {
        check(service, &["stator-kit", "stator-model"]);
    }
    check("xtask", &[]);
}

#[test]
fn nothing_is_left_to_do_behind_a_feature() {
    // Put together here, so that this file does not name what it looks for.
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
    ];
    for source in files(".rs") {
        let text = fs::read_to_string(&source).unwrap();
        for mark in marks {
            assert!(!text.contains(mark), "{}: {mark}", source.display());
        }
    }
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let command = "cargo xtask test";
    assert!(
        fs::read_to_string(root().join(".ci/run"))
            .unwrap()
            .contains(command)
    );
    assert!(
        fs::read_to_string(root().join("README.md"))
            .unwrap()
            .contains(command)
    );
}

#[test]
fn the_compatibility_page_tells_the_truth_about_operations() {
    let page = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    for operation in stator_model::Operation::ALL {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| {} |", operation.as_str())));
        let row = row.unwrap_or_else(|| panic!("{} has no row", operation.as_str()));
        assert_eq!(row.contains("| built |"), operation.is_built(), "{row}");
    }
}

/// There is not always a Docker to try it with.
#[test]
fn the_dockerfile_builds_the_images_of_xtask_with_the_rust_of_the_workspace() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (dockerfile, workspace) = (read("docker/Dockerfile"), read("Cargo.toml"));
    let rust = workspace
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"');
    assert!(
        dockerfile.contains(&format!("FROM rust:{rust}-")),
        "not Rust {rust}"
    );
    for program in ["storage-node", "dax-proxy", "operator"] {
        assert!(
            read("xtask/src/images.rs").contains(&format!("\"{program}\"")),
            "{program} is no image of xtask"
        );
        for line in [
            format!("FROM base AS {program}"),
            format!("COPY --from=build /programs/{program} /usr/local/bin/{program}"),
            format!("ENTRYPOINT [\"/usr/local/bin/{program}\"]"),
        ] {
            assert!(dockerfile.contains(&line), "no {line:?}");
        }
    }
}

/// The quoted words that follow `key = ` in lines of `deny.toml` that hold all of `marks`.
fn denied(marks: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    text.lines()
        .filter(|line| line.contains("crate = ") && line.contains("reason = "))
        .map(|line| line.split('"').nth(1).unwrap().to_owned())
        .filter(|name| marks.iter().all(|mark| name.contains(mark)))
        .collect()
}

/// What `deny.toml` says of bans and duplicates, held without cargo-deny.
#[test]
fn nothing_banned_is_linked_and_every_duplicate_has_its_reason() {
    let tree = std::process::Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--workspace", "--locked", "--offline"])
        .args(["--prefix=none", "--edges=normal,build,dev"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "cargo tree: {told}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    let mut versions = std::collections::BTreeMap::<&str, std::collections::BTreeSet<&str>>::new();
    for line in tree.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions
                .entry(name)
                .or_default()
                .insert(version.trim_start_matches('v'));
        }
    }
    assert!(versions.len() > 100, "only {} crates", versions.len());
    let banned = ["ring", "openssl-sys", "bincode"];
    for name in banned {
        assert!(denied(&[]).iter().any(|denied| denied == name), "{name}");
        assert!(
            !versions.contains_key(name),
            "{name} is banned by deny.toml"
        );
    }
    let skipped = denied(&["@"]);
    for (name, versions) in versions {
        let unexplained: Vec<_> = versions
            .iter()
            .filter(|version| {
                !skipped.iter().any(|skip| {
                    let (skipped, prefix) = skip.split_once('@').unwrap();
                    skipped == name && version.starts_with(&format!("{prefix}."))
                })
            })
            .collect();
        assert!(
            unexplained.len() <= 1,
            "{name} in versions {unexplained:?}: give all but one a reason in deny.toml, or end it"
        );
    }
}
