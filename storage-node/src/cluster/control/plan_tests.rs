//! Plans of tables with indexes and settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::CreateTableResponse;
use stator_model::table::{IndexStatus, TableStatus};

use super::Change;
use super::tables::Planner;
use super::unbacked::UnbackedSettings;
use crate::cluster::Table;
use crate::cluster::catalog::CatalogState;
use crate::cluster::catalog::rows::{
    ClusterRow, CountersRow, IndexStatusRow, Row as _, TableRow, TableStatusRow,
};
use crate::cluster::message::ControlOperation;
use crate::cluster::sizes::Sizes;

const NOW: u64 = 1_700_000_000_000;
const CREATE: &str = r#"{"TableName":"orders","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"},{"AttributeName":"a","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
    "LocalSecondaryIndexes":[{"IndexName":"local","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"a","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}],
    "GlobalSecondaryIndexes":[{"IndexName":"global","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}],
    "Tags":[{"Key":"team","Value":"x"}]}"#;
const ADD: &str = r#"{"TableName":"orders","AttributeDefinitions":[{"AttributeName":"b","AttributeType":"S"}],
    "GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"new","KeySchema":[{"AttributeName":"b","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]}"#;
const REMOVE: &str =
    r#"{"TableName":"orders","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"new"}}]}"#;

struct Catalog {
    counters: CountersRow,
    row: Option<TableRow>,
    unbacked: UnbackedSettings,
}

impl Catalog {
    fn empty() -> Self {
        Self {
            counters: CountersRow {
                version: 7,
                ..CountersRow::default()
            },
            row: None,
            unbacked: UnbackedSettings::Store,
        }
    }

    fn with_table() -> Self {
        let mut catalog = Self::empty();
        catalog.run(ControlOperation::CreateTable, CREATE).unwrap();
        catalog
    }

    /// Plans an operation and takes its change over.
    fn run(&mut self, operation: ControlOperation, body: &str) -> Result<Vec<u8>, ApiError> {
        let cluster = Arc::new(ClusterRow {
            cluster_id: 1,
            region: "us-east-1".into(),
            account_id: "000000000000".into(),
            created_millis: 0,
        });
        let tables: BTreeMap<Arc<str>, Arc<Table>> = self
            .row
            .iter()
            .map(|row| {
                let table = Table::new(row.clone(), &cluster);
                (Arc::from(row.name.as_str()), Arc::new(table))
            })
            .collect();
        let state = CatalogState {
            version: self.counters.version,
            cluster: Some(cluster),
            tables: Arc::new(tables),
            ..Default::default()
        };
        let planner = Planner {
            now_millis: NOW,
            table_id: 42,
            groups: 3,
            unbacked: self.unbacked,
            sizes: &Sizes::EMPTY,
        };
        let Change { writes, answer, .. } =
            planner.plan(operation, body.as_bytes(), &state, &mut self.counters)?;
        if let Some(write) = writes.first() {
            self.row = Some(TableRow::decode(write.value.as_ref().unwrap()).unwrap());
            self.counters.version += 1;
        }
        Ok(answer.to_vec())
    }

    fn row(&mut self) -> &mut TableRow {
        self.row.as_mut().unwrap()
    }

    /// What the leader of the meta group does once all partitions know their readers.
    fn settle(&mut self) {
        let row = self.row();
        row.readers_settled = true;
        row.status = TableStatusRow::Active;
    }
}

#[test]
fn a_new_table_has_its_indexes_at_once() {
    let mut catalog = Catalog::empty();
    let answer = catalog.run(ControlOperation::CreateTable, CREATE).unwrap();
    let described = CreateTableResponse::parse(&answer)
        .unwrap()
        .table_description;
    assert_eq!(described.table_status, TableStatus::Creating);
    assert_eq!(
        described.global_secondary_indexes[0].index_status,
        IndexStatus::Creating
    );
    let row = catalog.row();
    let ids = [
        row.storage_id,
        row.local_indexes[0].storage_id,
        row.global_indexes[0].storage_id,
    ];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_eq!(row.global_indexes[0].status, IndexStatusRow::Active);
    assert_eq!(row.global_indexes[0].partitions.len(), row.partitions.len());
    assert_eq!(row.readers().indexes, [ids[2]]);
    assert_eq!((row.readers_version, row.readers_settled), (8, true));
    assert_eq!(row.tags["team"], "x");
    assert!(catalog.counters.next_storage_id > ids[2]);
}

#[test]
fn an_index_is_added_filled_and_removed_one_at_a_time() {
    let mut catalog = Catalog::with_table();
    let update = ControlOperation::UpdateTable;
    catalog.run(update, ADD).unwrap();
    let version = catalog.counters.version;
    let row = catalog.row();
    assert_eq!(row.status, TableStatusRow::Updating);
    assert_eq!(row.global_indexes[1].status, IndexStatusRow::Backfilling);
    assert_eq!((row.readers_version, row.readers_settled), (version, false));
    assert_eq!(row.readers().indexes.len(), 2);
    // Not while the partitions are being told.
    let in_use = catalog.run(update, REMOVE).unwrap_err();
    assert_eq!(in_use.code, ErrorCode::ResourceInUseException);
    catalog.settle();
    let delete = r#"{"TableName":"orders"}"#;
    let kept = catalog.run(ControlOperation::DeleteTable, delete);
    assert_eq!(kept.unwrap_err().code, ErrorCode::ResourceInUseException);
    let another = ADD.replace(r#""new""#, r#""other""#);
    let one = catalog.run(update, &another).unwrap_err();
    assert_eq!(one.code, ErrorCode::LimitExceededException);
    // The one that is being filled may go.
    catalog.run(update, REMOVE).unwrap();
    let row = catalog.row();
    assert_eq!(row.global_indexes[1].status, IndexStatusRow::Deleting);
    assert_eq!(row.readers().indexes.len(), 1);
    assert_eq!(row.attribute_definitions.len(), 3);
    catalog.settle();
    let one = catalog.run(update, ADD).unwrap_err();
    assert_eq!(one.code, ErrorCode::LimitExceededException);
}

#[test]
fn a_change_of_capacity_tells_no_partition() {
    let mut catalog = Catalog::with_table();
    let provision = r#"{"TableName":"orders","BillingMode":"PROVISIONED","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5},
        "GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"global","ProvisionedThroughput":{"ReadCapacityUnits":2,"WriteCapacityUnits":3}}}]}"#;
    let answer = catalog
        .run(ControlOperation::UpdateTable, provision)
        .unwrap();
    let described = CreateTableResponse::parse(&answer)
        .unwrap()
        .table_description;
    assert_eq!(described.table_status, TableStatus::Updating);
    assert_eq!(
        described.global_secondary_indexes[0].index_status,
        IndexStatus::Updating
    );
    let row = catalog.row();
    assert_eq!(row.status, TableStatusRow::Active);
    assert!(row.readers_settled);
    assert_eq!(row.global_indexes[0].billing.write_units, 3);
}

#[test]
fn serve_refuses_promises_and_keeps_nothing_of_them() {
    let mut catalog = Catalog::with_table();
    catalog.unbacked = UnbackedSettings::Refuse;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";
    let before = catalog.row().clone();
    for (operation, body, member) in [
        (
            ControlOperation::UpdateTable,
            r#"{"TableName":"orders","SSESpecification":{"Enabled":true}}"#.to_owned(),
            "SSESpecification",
        ),
        (
            ControlOperation::UpdateContinuousBackups,
            r#"{"TableName":"orders","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true}}"#.to_owned(),
            "PointInTimeRecoverySpecification",
        ),
        (
            ControlOperation::PutResourcePolicy,
            serde_json::json!({
                "ResourceArn": arn,
                "Policy": r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#,
            })
            .to_string(),
            "Policy",
        ),
    ] {
        let refused = catalog.run(operation, &body).unwrap_err();
        assert!(refused.message.unwrap().contains(member));
        assert_eq!(*catalog.row(), before);
    }
}

#[test]
fn tags_are_merged_and_removed_by_arn() {
    let mut catalog = Catalog::with_table();
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";
    let tag = format!(r#"{{"ResourceArn":"{arn}","Tags":[{{"Key":"a","Value":"b"}}]}}"#);
    let answer = catalog.run(ControlOperation::TagResource, &tag).unwrap();
    assert!(answer.is_empty());
    assert_eq!(catalog.row().tags.len(), 2);
    let untag = format!(r#"{{"ResourceArn":"{arn}","TagKeys":["team"]}}"#);
    catalog
        .run(ControlOperation::UntagResource, &untag)
        .unwrap();
    assert_eq!(catalog.row().tags.keys().collect::<Vec<_>>(), ["a"]);
    let elsewhere = tag.replace("us-east-1", "eu-west-1");
    let missing = catalog.run(ControlOperation::TagResource, &elsewhere);
    assert_eq!(
        missing.unwrap_err().code,
        ErrorCode::ResourceNotFoundException
    );
}
