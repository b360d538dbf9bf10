//! What a `Table` may say: CreateTable's rules once more, for objects that passed an older schema and for `operator apply`,
//! and the fields that this version cannot do.

use std::collections::BTreeSet;

use crate::crd::table::{AttributeDefinition, KeySchemaElement, Projection, TableSpec};

/// What is wrong with the spec, each naming its field; empty when CreateTable would take it.
pub fn violations(spec: &TableSpec) -> Vec<String> {
    let mut found = Vec::new();
    check_name(&mut found, "tableName", &spec.table_name);
    check_definitions(&mut found, &spec.attribute_definitions);
    check_key(&mut found, "keySchema", &spec.key_schema);
    let defined: BTreeSet<&str> = spec
        .attribute_definitions
        .iter()
        .map(|definition| definition.attribute_name.as_str())
        .collect();
    let mut used: BTreeSet<&str> = spec
        .key_schema
        .iter()
        .map(|element| element.attribute_name.as_str())
        .collect();
    for index in spec.global_secondary_indexes.iter().flatten() {
        used.extend(
            index
                .key_schema
                .iter()
                .map(|element| element.attribute_name.as_str()),
        );
    }
    for index in spec.local_secondary_indexes.iter().flatten() {
        used.extend(
            index
                .key_schema
                .iter()
                .map(|element| element.attribute_name.as_str()),
        );
    }
    for name in used.difference(&defined) {
        found.push(format!(
            "spec.attributeDefinitions: the key attribute {name} is not defined"
        ));
    }
    for name in defined.difference(&used) {
        found.push(format!(
            "spec.attributeDefinitions: {name} is part of no key schema"
        ));
    }
    check_capacity(&mut found, spec);
    check_one_of(
        &mut found,
        "tableClass",
        spec.table_class.as_deref(),
        &["STANDARD", "STANDARD_INFREQUENT_ACCESS"],
    );
    check_indexes(&mut found, spec);
    check_settings(&mut found, spec);
    found
}

fn check_indexes(found: &mut Vec<String>, spec: &TableSpec) {
    let mut names = BTreeSet::new();
    for index in spec.global_secondary_indexes.iter().flatten() {
        let field = "globalSecondaryIndexes";
        check_name(found, field, &index.index_name);
        if !names.insert(&index.index_name) {
            found.push(format!("spec.{field}: {} is there twice", index.index_name));
        }
        let hashes = index
            .key_schema
            .iter()
            .take_while(|element| element.key_type == "HASH")
            .count();
        let ranges = index.key_schema.iter().skip(hashes);
        let only_ranges = ranges.clone().all(|element| element.key_type == "RANGE");
        if !(1..=4).contains(&hashes) || ranges.count() > 4 || !only_ranges {
            found.push(format!(
                "spec.{field}: the key of {} must be one to four HASH elements, then up to four RANGE elements",
                index.index_name
            ));
        }
        check_projection(found, field, &index.index_name, index.projection.as_ref());
    }
    for index in spec.local_secondary_indexes.iter().flatten() {
        let field = "localSecondaryIndexes";
        check_name(found, field, &index.index_name);
        if !names.insert(&index.index_name) {
            found.push(format!("spec.{field}: {} is there twice", index.index_name));
        }
        let hash = spec.key_schema.first().map(|key| &key.attribute_name);
        let is_right = matches!(index.key_schema.as_slice(), [first, second]
            if first.key_type == "HASH" && second.key_type == "RANGE"
                && Some(&first.attribute_name) == hash);
        if !is_right {
            found.push(format!(
                "spec.{field}: the key of {} must be the table's HASH element and one RANGE element",
                index.index_name
            ));
        }
        check_projection(found, field, &index.index_name, index.projection.as_ref());
    }
}

fn check_projection(
    found: &mut Vec<String>,
    field: &str,
    index: &str,
    projection: Option<&Projection>,
) {
    let kind = projection.and_then(|projection| projection.projection_type.as_deref());
    let names = projection
        .and_then(|projection| projection.non_key_attributes.as_ref())
        .is_some_and(|names| !names.is_empty());
    let problem = match (kind, names) {
        (Some("ALL" | "KEYS_ONLY"), false) | (Some("INCLUDE"), true) => return,
        (Some("INCLUDE"), false) => "INCLUDE needs nonKeyAttributes",
        (Some("ALL" | "KEYS_ONLY"), true) => "nonKeyAttributes go with INCLUDE only",
        _ => "projectionType must be one of ALL, KEYS_ONLY, INCLUDE",
    };
    found.push(format!(
        "spec.{field}: the projection of {index}: {problem}"
    ));
}

fn check_settings(found: &mut Vec<String>, spec: &TableSpec) {
    if let Some(stream) = &spec.stream_specification
        && stream.stream_enabled == Some(true)
    {
        match &stream.stream_view_type {
            Some(view) => check_one_of(
                found,
                "streamSpecification.streamViewType",
                Some(view),
                &["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"],
            ),
            None => found.push(
                "spec.streamSpecification: an enabled stream needs streamViewType".to_owned(),
            ),
        }
    }
    if let Some(expiry) = &spec.time_to_live
        && (expiry.attribute_name.is_none() || expiry.enabled.is_none())
    {
        found.push("spec.timeToLive: needs attributeName and enabled".to_owned());
    }
    if spec.tags.iter().flatten().any(|tag| tag.key.is_none()) {
        found.push("spec.tags: a tag needs a key".to_owned());
    }
}

fn check_name(found: &mut Vec<String>, field: &str, name: &str) {
    if !(3..=255).contains(&name.len()) {
        found.push(format!("spec.{field}: must have 3 to 255 characters"));
    }
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    {
        found.push(format!(
            "spec.{field}: may only have a-z, A-Z, 0-9, '_', '.' and '-'"
        ));
    }
}

fn check_definitions(found: &mut Vec<String>, definitions: &[AttributeDefinition]) {
    let mut seen = BTreeSet::new();
    for (index, definition) in definitions.iter().enumerate() {
        if !matches!(definition.attribute_type.as_str(), "S" | "N" | "B") {
            found.push(format!(
                "spec.attributeDefinitions[{index}].attributeType: must be S, N or B"
            ));
        }
        if !(1..=255).contains(&definition.attribute_name.len()) {
            found.push(format!(
                "spec.attributeDefinitions[{index}].attributeName: must have 1 to 255 characters"
            ));
        }
        if !seen.insert(&definition.attribute_name) {
            found.push(format!(
                "spec.attributeDefinitions[{index}].attributeName: is defined twice"
            ));
        }
    }
}

fn check_key(found: &mut Vec<String>, field: &str, key: &[KeySchemaElement]) {
    let kinds: Vec<&str> = key
        .iter()
        .map(|element| element.key_type.as_str())
        .collect();
    if !matches!(kinds.as_slice(), ["HASH"] | ["HASH", "RANGE"]) {
        found.push(format!(
            "spec.{field}: must be one HASH element, or one HASH and then one RANGE element"
        ));
    }
    if let [first, second] = key
        && first.attribute_name == second.attribute_name
    {
        found.push(format!(
            "spec.{field}: both elements name {}",
            first.attribute_name
        ));
    }
}

fn check_capacity(found: &mut Vec<String>, spec: &TableSpec) {
    check_one_of(
        found,
        "billingMode",
        spec.billing_mode.as_deref(),
        &["PROVISIONED", "PAY_PER_REQUEST"],
    );
    let on_demand = spec.billing_mode.as_deref() == Some("PAY_PER_REQUEST");
    if on_demand && spec.provisioned_throughput.is_some() {
        found.push(
            "spec.provisionedThroughput: must be absent when billingMode is PAY_PER_REQUEST"
                .to_owned(),
        );
    }
    if spec.billing_mode.as_deref() == Some("PROVISIONED") && spec.on_demand_throughput.is_some() {
        found.push("spec.onDemandThroughput: only with billingMode PAY_PER_REQUEST".to_owned());
    }
    if let Some(throughput) = &spec.provisioned_throughput
        && (throughput.read_capacity_units < 1 || throughput.write_capacity_units < 1)
    {
        found.push("spec.provisionedThroughput: units must be at least 1".to_owned());
    }
}

fn check_one_of(found: &mut Vec<String>, field: &str, value: Option<&str>, allowed: &[&str]) {
    if let Some(value) = value
        && !allowed.contains(&value)
    {
        found.push(format!(
            "spec.{field}: must be one of {}",
            allowed.join(", ")
        ));
    }
}

/// Whether CreateTable needs a provisioned throughput that is not there. Asked only when the table is to be made: a manifest
/// may lose its billing mode later, which leaves the setting as it is.
pub fn lacks_throughput(spec: &TableSpec) -> bool {
    spec.billing_mode.as_deref() != Some("PAY_PER_REQUEST") && spec.provisioned_throughput.is_none()
}

/// The fields that ask for something which this version does not have. One that is empty, or that says "off", asks for nothing.
pub fn unsupported(spec: &TableSpec) -> Vec<&'static str> {
    let present = [
        (
            "spec.sseSpecification",
            spec.sse_specification.as_ref().is_some_and(|sse| {
                sse.enabled == Some(true)
                    || sse.kms_master_key_id.is_some()
                    || sse.kms_master_key_ref.is_some()
            }),
        ),
        (
            "spec.continuousBackups",
            spec.continuous_backups
                .as_ref()
                .is_some_and(|backups| backups.point_in_time_recovery_enabled == Some(true)),
        ),
        (
            "spec.contributorInsights",
            spec.contributor_insights
                .as_deref()
                .is_some_and(|insights| insights.starts_with("ENABLE")),
        ),
        (
            "spec.resourcePolicy",
            spec.resource_policy
                .as_deref()
                .is_some_and(|policy| !policy.trim().is_empty()),
        ),
        (
            "spec.tableReplicas",
            spec.table_replicas
                .as_ref()
                .is_some_and(|list| !list.is_empty()),
        ),
    ];
    present
        .into_iter()
        .filter_map(|(field, asked)| asked.then_some(field))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::table::{
        ContinuousBackups, GlobalSecondaryIndex, LocalSecondaryIndex, ProvisionedThroughput,
        StreamSpecification, Tag, TimeToLive,
    };
    use crate::plan::table::tests::orders;

    fn check(change: impl FnOnce(&mut TableSpec), expected: &[&str]) {
        let mut spec = orders();
        change(&mut spec);
        assert_eq!(violations(&spec), expected);
    }

    #[test]
    fn the_example_is_right() {
        check(|_| (), &[]);
    }

    #[test]
    fn each_violation_names_its_field() {
        check(
            |spec| spec.table_name = "ab".to_owned(),
            &["spec.tableName: must have 3 to 255 characters"],
        );
        check(
            |spec| spec.table_name = "a b c".to_owned(),
            &["spec.tableName: may only have a-z, A-Z, 0-9, '_', '.' and '-'"],
        );
        check(
            |spec| spec.key_schema.reverse(),
            &["spec.keySchema: must be one HASH element, or one HASH and then one RANGE element"],
        );
        check(
            |spec| spec.attribute_definitions[1].attribute_type = "BOOL".to_owned(),
            &["spec.attributeDefinitions[1].attributeType: must be S, N or B"],
        );
        check(
            |spec| drop(spec.key_schema.pop()),
            &["spec.attributeDefinitions: orderId is part of no key schema"],
        );
        check(
            |spec| drop(spec.attribute_definitions.pop()),
            &["spec.attributeDefinitions: the key attribute orderId is not defined"],
        );
        check(
            |spec| {
                spec.provisioned_throughput = Some(ProvisionedThroughput {
                    read_capacity_units: 1,
                    write_capacity_units: 1,
                })
            },
            &["spec.provisionedThroughput: must be absent when billingMode is PAY_PER_REQUEST"],
        );
        check(
            |spec| spec.billing_mode = Some("FREE".to_owned()),
            &["spec.billingMode: must be one of PROVISIONED, PAY_PER_REQUEST"],
        );
    }

    #[test]
    fn violations_of_indexes_and_settings_name_their_field() {
        let global = |kind: Option<&str>| {
            let mut index = GlobalSecondaryIndex {
                index_name: "byOrder".to_owned(),
                key_schema: orders().key_schema,
                projection: Some(Projection {
                    projection_type: kind.map(str::to_owned),
                    non_key_attributes: None,
                }),
                ..GlobalSecondaryIndex::default()
            };
            index.key_schema.reverse();
            index
        };
        check(
            |spec| spec.global_secondary_indexes = Some(vec![global(Some("INCLUDE"))]),
            &[
                "spec.globalSecondaryIndexes: the key of byOrder must be one to four HASH elements, then up to four RANGE elements",
                "spec.globalSecondaryIndexes: the projection of byOrder: INCLUDE needs nonKeyAttributes",
            ],
        );
        check(
            |spec| {
                spec.local_secondary_indexes = Some(vec![LocalSecondaryIndex {
                    index_name: "byDate".to_owned(),
                    key_schema: spec.key_schema.clone(),
                    projection: None,
                }]);
            },
            &[
                "spec.localSecondaryIndexes: the projection of byDate: projectionType must be one of ALL, KEYS_ONLY, INCLUDE",
            ],
        );
        check(
            |spec| {
                spec.stream_specification = Some(StreamSpecification {
                    stream_enabled: Some(true),
                    stream_view_type: None,
                });
                spec.time_to_live = Some(TimeToLive::default());
                spec.tags = Some(vec![Tag::default()]);
            },
            &[
                "spec.streamSpecification: an enabled stream needs streamViewType",
                "spec.timeToLive: needs attributeName and enabled",
                "spec.tags: a tag needs a key",
            ],
        );
    }

    #[test]
    fn what_is_off_asks_for_nothing() {
        let mut spec = orders();
        spec.continuous_backups = Some(ContinuousBackups {
            point_in_time_recovery_enabled: Some(false),
            recovery_period_in_days: None,
        });
        spec.table_replicas = Some(Vec::new());
        assert!(unsupported(&spec).is_empty());
    }

    #[test]
    fn what_is_on_is_named() {
        let mut spec = orders();
        spec.continuous_backups = Some(ContinuousBackups {
            point_in_time_recovery_enabled: Some(true),
            recovery_period_in_days: None,
        });
        spec.resource_policy = Some("{}".to_owned());
        assert_eq!(
            unsupported(&spec),
            ["spec.continuousBackups", "spec.resourcePolicy"]
        );
    }
}
