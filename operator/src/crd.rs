//! The custom resources, and the definitions that are generated from them.

pub mod backup;
pub mod condition;
pub mod dax_cluster;
pub mod global_table;
pub mod storage_cluster;
pub mod table;
mod table_status;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::Value;

pub use backup::Backup;
pub use dax_cluster::{DaxCluster, DaxClusterSpec};
pub use global_table::GlobalTable;
pub use storage_cluster::{StorageCluster, StorageClusterSpec};
pub use table::{Table, TableSpec};

/// The first lines of every generated file.
const HEADER: &str =
    "# Generated from operator/src/crd by `cargo run --bin crdgen`. Do not edit.\n";

/// Every definition as a file name and its text, in the order of their names.
///
/// # Errors
///
/// A definition that cannot be written as YAML: a defect in the types.
pub fn manifests() -> Result<Vec<(String, String)>, serde_yaml_ng::Error> {
    definitions()
        .into_iter()
        .map(|definition| {
            let name = format!("{}.yaml", definition.spec.names.plural);
            let value = tidy(serde_json::to_value(&definition).unwrap_or_default());
            let text = quote_words_of_yaml_1_1(&serde_yaml_ng::to_string(&value)?);
            Ok((name, format!("{HEADER}{text}")))
        })
        .collect()
}

/// Quotes what YAML 1.1 takes for a boolean and YAML 1.2, which serde writes, for a string. kubectl and Helm read YAML 1.1:
/// to them the enum `[S, N, B]` would be `["S", false, "B"]`.
fn quote_words_of_yaml_1_1(text: &str) -> String {
    let words = [
        "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off",
        "OFF",
    ];
    let quoted = text.lines().map(|line| {
        let value_at = line
            .rfind("- ")
            .max(line.rfind(": "))
            .map_or(0, |at| at + 2);
        match line.split_at_checked(value_at) {
            Some((before, word)) if words.contains(&word) => format!("{before}'{word}'\n"),
            _ => format!("{line}\n"),
        }
    });
    quoted.collect()
}

/// The definitions as kube derives them.
fn definitions() -> Vec<CustomResourceDefinition> {
    vec![
        Backup::crd(),
        DaxCluster::crd(),
        GlobalTable::crd(),
        StorageCluster::crd(),
        Table::crd(),
    ]
}

/// Takes away what schemars writes and Kubernetes does not want: `nullable` (a null then counts as absent, so that CEL's
/// `has` means what it says), and the formats of unsigned numbers.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(key, value)| !(key == "nullable" && value.is_boolean()))
            .map(|(key, value)| (key, tidy(value)))
            .collect(),
        Value::Array(array) => array.into_iter().map(tidy).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Compares the committed definitions with what the types give now.
    fn check_committed(directory: &str) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for (name, text) in manifests().unwrap() {
            let path = directory.join(&name);
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == text,
                "{} is stale; run `cargo run --bin crdgen`",
                path.display()
            );
        }
    }

    #[test]
    fn committed_definitions_are_fresh() {
        check_committed("../crds");
    }

    #[test]
    fn the_charts_copy_is_fresh() {
        check_committed("../charts/stator/files/crds");
    }

    /// A structural schema has no `$ref`, and `nullable` would make CEL's `has` true for null.
    #[test]
    fn schemas_are_structural() {
        for (name, text) in manifests().unwrap() {
            assert!(!text.contains("$ref"), "{name}");
            assert!(!text.contains("nullable"), "{name}");
            assert!(!text.contains("anyOf"), "{name}");
        }
    }

    /// The type of a number was `false` to the API server; found by applying it to one.
    #[test]
    fn the_attribute_type_of_numbers_is_a_string_to_yaml_1_1() {
        let tables = manifests()
            .unwrap()
            .into_iter()
            .find(|(name, _)| name == "tables.yaml")
            .unwrap()
            .1;
        assert!(tables.contains("- 'N'\n"));
        assert!(!tables.contains("- N\n"));
    }

    /// Every field that ACK has, by path; a line of `testdata/ack_fields.txt` is `Kind.spec.field[].field`.
    #[test]
    fn every_ack_field_exists() {
        let definitions = definitions();
        for line in include_str!("crd/testdata/ack_fields.txt")
            .lines()
            .filter(|line| !line.is_empty())
        {
            let (kind, path) = line.split_once('.').unwrap();
            let definition = definitions
                .iter()
                .find(|definition| definition.spec.names.kind == kind)
                .unwrap();
            let definition = serde_json::to_value(definition).unwrap();
            let mut schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            for part in path.split('.') {
                schema = &schema["properties"][part.trim_end_matches("[]")];
                if part.ends_with("[]") {
                    schema = &schema["items"];
                }
                assert!(schema.is_object(), "{line}: no {part}");
            }
        }
    }
}
