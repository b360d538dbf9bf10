//! The archive: `manifest.json`, the configuration named by its hash, and one layer.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::{Image, USER, libraries};

/// A layer and a configuration are made in memory: programs are tens of megabytes.
const FILE_SIZE_BYTES_MAX: u64 = 1 << 30;

/// Writes the image to `target` as a docker-archive.
///
/// # Errors
///
/// If a program or library cannot be read, or the archive not written.
pub fn write(image: &Image, target: &Path) -> Result<()> {
    let layer = layer(image)?;
    let configuration = configuration(image, &layer)?;
    let configuration_name = format!("{}.json", sha256(&configuration));
    let manifest = serde_json::to_vec(&json!([{
        "Config": configuration_name,
        "RepoTags": [image.reference],
        "Layers": ["layer.tar"],
    }]))?;

    let partial = target.with_extension("partial");
    let file = fs::File::create(&partial).with_context(|| partial.display().to_string())?;
    let mut archive = Builder::new(file);
    append_file(&mut archive, "manifest.json", &manifest, 0o644)?;
    append_file(&mut archive, &configuration_name, &configuration, 0o644)?;
    append_file(&mut archive, "layer.tar", &layer, 0o644)?;
    archive.into_inner().context("archive")?;
    fs::rename(&partial, target).with_context(|| target.display().to_string())
}

fn configuration(image: &Image, layer: &[u8]) -> Result<Vec<u8>> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    serde_json::to_vec(&json!({
        "architecture": architecture,
        "os": "linux",
        // The same input gives the same image: no time of day.
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": image.entrypoint,
            "Env": ["PATH=/usr/local/bin:/bin"],
            "User": USER,
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(layer))]},
    }))
    .context("image configuration")
}

fn layer(image: &Image) -> Result<Vec<u8>> {
    // Sorted by path; a library that several programs need goes in once.
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for program in &image.programs {
        files.insert(program.target.clone(), program.source.clone());
        for library in libraries::of(&program.source)? {
            let target = library.to_str().context("a library's path is not UTF-8")?;
            files.insert(target.to_owned(), library.clone());
        }
    }
    let mut layer = Builder::new(Vec::new());
    let mut directories: Vec<_> = files.keys().flat_map(|path| parents(path)).collect();
    directories.sort();
    directories.dedup();
    for directory in directories {
        let mut header = header(EntryType::Directory, 0, 0o755);
        layer.append_data(&mut header, format!("{directory}/"), std::io::empty())?;
    }
    for (target, source) in files {
        let length = fs::metadata(&source)
            .with_context(|| source.display().to_string())?
            .len();
        if length > FILE_SIZE_BYTES_MAX {
            bail!(
                "{} has {length} bytes: too many for an image",
                source.display()
            );
        }
        let bytes = fs::read(&source).with_context(|| source.display().to_string())?;
        append_file(&mut layer, target.trim_start_matches('/'), &bytes, 0o755)?;
    }
    layer.into_inner().context("layer")
}

/// `/usr/local/bin/x` lies in `usr`, `usr/local` and `usr/local/bin`.
fn parents(path: &str) -> Vec<String> {
    let mut parents: Vec<_> = Path::new(path.trim_start_matches('/'))
        .ancestors()
        .skip(1)
        .map(|parent| parent.display().to_string())
        .filter(|parent| !parent.is_empty())
        .collect();
    parents.reverse();
    parents
}

fn header(kind: EntryType, length: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(length);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn append_file(
    archive: &mut Builder<impl Write>,
    path: &str,
    bytes: &[u8],
    mode: u32,
) -> Result<()> {
    let length = u64::try_from(bytes.len()).context("file size")?;
    let mut header = header(EntryType::Regular, length, mode);
    archive
        .append_data(&mut header, path, bytes)
        .with_context(|| path.to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::images;

    fn members(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut members = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            members.insert(path, bytes);
        }
        members
    }

    #[test]
    fn the_same_programs_give_the_same_bytes_and_hashes_that_hold() {
        let folder = tempfile::tempdir().unwrap();
        let image = images::pause().unwrap();
        let files = ["one.tar", "two.tar"].map(|name| folder.path().join(name));
        for file in &files {
            write(&image, file).unwrap();
        }
        let [one, two] = files.map(|file| fs::read(file).unwrap());
        assert!(one == two);

        let members = members(&one);
        assert_eq!(members.len(), 3);
        let manifest: serde_json::Value =
            serde_json::from_slice(&members["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "local/pause:1");
        let name = manifest[0]["Config"].as_str().unwrap();
        assert_eq!(name, format!("{}.json", sha256(&members[name])));
        let configuration: serde_json::Value = serde_json::from_slice(&members[name]).unwrap();
        assert_eq!(
            configuration["rootfs"]["diff_ids"][0],
            format!("sha256:{}", sha256(&members["layer.tar"]))
        );
        assert_eq!(configuration["config"]["User"], "65532:65532");
    }

    #[test]
    fn a_layer_holds_the_program_with_its_loader_and_directories_first() {
        let image = images::pause().unwrap();
        let layer = layer(&image).unwrap();
        let mut paths = Vec::new();
        for entry in tar::Archive::new(&layer[..]).entries().unwrap() {
            let entry = entry.unwrap();
            paths.push(entry.path().unwrap().display().to_string());
            assert_eq!(entry.header().mode().unwrap(), 0o755);
            assert_eq!(entry.header().mtime().unwrap(), 0);
        }
        let position = |path: &str| paths.iter().position(|found| found == path).unwrap();
        assert!(position("bin/") < position("bin/sleep"));
        assert!(
            paths.iter().any(|path| path.contains("/ld-linux")),
            "{paths:?}"
        );
    }
}
