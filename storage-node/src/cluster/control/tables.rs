//! CreateTable, UpdateTable and DeleteTable as changes of the catalog: pure plans.

use bytes::Bytes;
use stator_model::error::{ApiError, ErrorCode};
use stator_model::limits::TABLES_PER_ACCOUNT_MAX;
use stator_model::operations::{
    CreateTableRequest, CreateTableResponse, DeleteTableRequest, DeleteTableResponse,
    UpdateTableRequest, UpdateTableResponse,
};
use stator_model::table::{GlobalSecondaryIndexUpdate, IndexStatus, TableStatus, table_name_of};

use super::capacity_plan::count_changes;
use super::describe::{definition_row, key_rows, take_settings};
use super::index_plan::check_one_online;
use super::stream_plan::take_stream;
use super::unbacked::UnbackedSettings;
use super::{Change, catalog_write, expiry_plan};
use crate::cluster::PARTITIONS_DEFAULT;
use crate::cluster::Table;
use crate::cluster::catalog::CatalogState;
use crate::cluster::catalog::rows::{
    BillingRow, ClusterRow, CountersRow, IndexStatusRow, LastChange, PartitionRow, SettingsRow,
    TableRow, TableStatusRow, table_key,
};
use crate::cluster::catalog::table::even_ranges;
use crate::cluster::message::ControlOperation;
use crate::cluster::sizes::Sizes;

/// What a plan takes from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planner<'a> {
    /// Now, milliseconds since 1970.
    pub(super) now_millis: u64,
    /// The id of a table that is made.
    pub(super) table_id: u128,
    /// Data groups of the cluster, numbered from 1.
    pub(super) groups: u32,
    /// What becomes of settings with nothing behind them.
    pub(super) unbacked: UnbackedSettings,
    /// What descriptions say of sizes.
    pub(super) sizes: &'a Sizes,
}

impl Planner<'_> {
    /// Plans one operation.
    ///
    /// # Errors
    /// The caller's error.
    pub(super) fn plan(
        self,
        operation: ControlOperation,
        body: &[u8],
        state: &CatalogState,
        counters: &mut CountersRow,
    ) -> Result<Change, ApiError> {
        let cluster = state
            .cluster
            .as_deref()
            .ok_or_else(|| ApiError::unavailable("The cluster is being founded"))?;
        match operation {
            ControlOperation::CreateTable => self.create(body, state, cluster, counters),
            ControlOperation::UpdateTable => self.update(body, state, cluster, counters),
            ControlOperation::DeleteTable => self.delete(body, state, cluster),
            ControlOperation::UpdateTimeToLive => expiry_plan::plan(body, state, self.now_millis),
            ControlOperation::TagResource => self.tag(body, state),
            ControlOperation::UntagResource => self.untag(body, state),
            ControlOperation::UpdateContinuousBackups => self.continuous_backups(body, state),
            ControlOperation::UpdateContributorInsights => self.contributor_insights(body, state),
            ControlOperation::PutResourcePolicy => self.put_policy(body, state),
            ControlOperation::DeleteResourcePolicy => self.delete_policy(body, state),
        }
    }

    fn create(
        self,
        body: &[u8],
        state: &CatalogState,
        cluster: &ClusterRow,
        counters: &mut CountersRow,
    ) -> Result<Change, ApiError> {
        let request = CreateTableRequest::parse(body)?;
        self.unbacked.check_create(&request)?;
        let CreateTableRequest {
            settings,
            tags,
            resource_policy,
        } = request;
        let name = settings.table_name.clone();
        if state.tables.contains_key(name.as_str()) {
            return Err(in_use(format!("Table already exists: {name}")));
        }
        if state.tables.len() >= TABLES_PER_ACCOUNT_MAX {
            return Err(ApiError::new(
                ErrorCode::LimitExceededException,
                format!(
                    "Subscriber limit exceeded: There is a limit of {TABLES_PER_ACCOUNT_MAX} \
                     tables per subscriber"
                ),
            ));
        }
        let (partition_key, sort_key) = key_rows(&settings.key_schema);
        let mut row = TableRow {
            name,
            table_id: uuid_v4(self.table_id),
            storage_id: counters.next_storage_id,
            status: TableStatusRow::Active,
            created_millis: self.now_millis,
            partition_key,
            sort_key,
            billing: BillingRow {
                on_demand: false,
                on_demand_since_millis: None,
                read_units: 0,
                write_units: 0,
                last_increase_millis: None,
                last_decrease_millis: None,
                max_read_request_units: None,
                max_write_request_units: None,
            },
            infrequent_access: None,
            class_changed_millis: None,
            deletion_protection: false,
            partitions: self.partitions(counters),
            attribute_definitions: settings
                .attribute_definitions
                .iter()
                .map(definition_row)
                .collect(),
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            streams: Vec::new(),
            ttl: None,
            tags: tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            settings: SettingsRow {
                resource_policies: resource_policy
                    .map(|policy| (String::new(), (policy, self.now_millis)))
                    .into_iter()
                    .collect(),
                ..SettingsRow::default()
            },
            // The change that is planned raises the catalog's version by one.
            readers_version: counters.version + 1,
            readers_settled: true,
        };
        take_settings(&mut row, &settings, self.now_millis);
        // Every partition is opened for the stream by its first write.
        take_stream(&mut row, settings.stream_view_type, self.now_millis);
        counters.next_storage_id += 1;
        self.make_indexes(&mut row, &settings, counters);
        let table = Table::new(row, cluster);
        let mut description = table.description(self.now_millis, self.sizes);
        description.table_status = TableStatus::Creating;
        // The service gives no date before the table is there.
        if let Some(summary) = &mut description.billing_mode_summary {
            summary.last_update_to_pay_per_request_date_time = None;
        }
        for index in &mut description.global_secondary_indexes {
            index.index_status = IndexStatus::Creating;
        }
        let answer = CreateTableResponse {
            table_description: description,
        }
        .to_json();
        Ok(change_of(&table.row, answer))
    }

    /// Even parts of the hash space, dealt out over the data groups, beginning at another group with
    /// every table.
    pub(super) fn partitions(self, counters: &mut CountersRow) -> Vec<PartitionRow> {
        let groups = u64::from(self.groups.max(1));
        even_ranges(PARTITIONS_DEFAULT)
            .into_iter()
            .map(|(first_hash, last_hash)| {
                let partition_id = counters.next_partition_id;
                counters.next_partition_id += 1;
                let group = (partition_id - 1 + counters.next_storage_id) % groups + 1;
                PartitionRow {
                    partition_id,
                    first_hash,
                    last_hash,
                    group_id: u32::try_from(group).unwrap_or(1),
                    epoch: 1,
                }
            })
            .collect()
    }

    fn update(
        self,
        body: &[u8],
        state: &CatalogState,
        cluster: &ClusterRow,
        counters: &mut CountersRow,
    ) -> Result<Change, ApiError> {
        let request = UpdateTableRequest::parse(body)?;
        self.unbacked.check_update(&request)?;
        let table = find(state, &request.table_name)?;
        check_not_changing(&table.row)?;
        check_one_online(&table.row, &request)?;
        let before = table.settings();
        let settings = request.apply(&before)?;
        let mut row = table.row.clone();
        count_changes(&mut row, &before, &settings, self.now_millis)?;
        take_settings(&mut row, &settings, self.now_millis);
        let stream_changed = take_stream(&mut row, settings.stream_view_type, self.now_millis);
        let indexes_changed = self.take_indexes(&mut row, &settings, counters);
        if stream_changed || indexes_changed {
            row.readers_version = counters.version + 1;
            row.readers_settled = false;
            row.status = TableStatusRow::Updating;
        }
        let table = Table::new(row, cluster);
        let mut description = table.description(self.now_millis, self.sizes);
        description.table_status = TableStatus::Updating;
        for update in &request.global_secondary_index_updates {
            let GlobalSecondaryIndexUpdate::Update(update) = update else {
                continue;
            };
            let indexes = &mut description.global_secondary_indexes;
            if let Some(index) = indexes
                .iter_mut()
                .find(|index| index.index_name == update.index_name)
            {
                index.index_status = IndexStatus::Updating;
            }
        }
        let answer = UpdateTableResponse {
            table_description: description,
        }
        .to_json();
        Ok(change_of(&table.row, answer))
    }

    fn delete(
        self,
        body: &[u8],
        state: &CatalogState,
        cluster: &ClusterRow,
    ) -> Result<Change, ApiError> {
        let request = DeleteTableRequest::parse(body)?;
        let table = find(state, &request.table_name)?;
        check_not_changing(&table.row)?;
        check_no_index_in_the_making(&table.row)?;
        if table.row.deletion_protection {
            return Err(ApiError::validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable \
                 deletion protection first.",
            ));
        }
        let row = TableRow {
            status: TableStatusRow::Deleting,
            ..table.row.clone()
        };
        let table = Table::new(row, cluster);
        let answer = DeleteTableResponse {
            table_description: table.description(self.now_millis, self.sizes).for_delete(),
        }
        .to_json();
        Ok(change_of(&table.row, answer))
    }
}

/// The table is not being made, changed or removed.
fn check_not_changing(row: &TableRow) -> Result<(), ApiError> {
    let doing = match row.status {
        TableStatusRow::Active => return Ok(()),
        TableStatusRow::Creating => "created",
        TableStatusRow::Updating => "updated",
        TableStatusRow::Deleting => return Err(being_deleted(&row.name)),
    };
    Err(in_use(format!(
        "Attempt to change a resource which is still in use: Table is being {doing}: {}",
        row.name
    )))
}

/// No index of the table is being made: such a table is not deleted.
fn check_no_index_in_the_making(row: &TableRow) -> Result<(), ApiError> {
    let making = row.global_indexes.iter().any(|index| {
        matches!(
            index.status,
            IndexStatusRow::Creating | IndexStatusRow::Backfilling
        )
    });
    if making {
        return Err(in_use(
            "Attempt to change a resource which is still in use: Cannot delete table while indexes \
             are being created, updated, or deleted."
                .to_owned(),
        ));
    }
    Ok(())
}

pub(super) fn change_of(row: &TableRow, answer: Vec<u8>) -> Change {
    Change {
        writes: vec![catalog_write(table_key(&row.name), row)],
        last_change: LastChange::Table(row.name.clone()),
        answer: Bytes::from(answer),
    }
}

pub(super) fn find<'a>(state: &'a CatalogState, reference: &str) -> Result<&'a Table, ApiError> {
    let name = table_name_of(reference);
    state
        .tables
        .get(name)
        .map(|table| &**table)
        .ok_or_else(|| ApiError::table_not_found(name))
}

fn in_use(message: String) -> ApiError {
    ApiError::new(ErrorCode::ResourceInUseException, message)
}

pub(super) fn being_deleted(name: &str) -> ApiError {
    in_use(format!(
        "Attempt to change a resource which is still in use: Table is being deleted: {name}"
    ))
}

/// Random bits as a version 4 UUID.
fn uuid_v4(random: u128) -> u128 {
    uuid::Builder::from_random_bytes(random.to_be_bytes())
        .into_uuid()
        .as_u128()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use stator_model::key::{KeyAttribute, KeySchema, ScalarType};
    use stator_model::table::TableSettings;

    use super::*;
    use crate::cluster::catalog::rows::Row as _;

    const PLANNER: Planner<'_> = Planner {
        sizes: &Sizes::EMPTY,
        now_millis: 1_700_000_000_123,
        table_id: 42,
        groups: 3,
        unbacked: UnbackedSettings::Refuse,
    };

    fn cluster() -> ClusterRow {
        ClusterRow {
            cluster_id: 1,
            region: "us-east-1".into(),
            account_id: "000000000000".into(),
            created_millis: 0,
        }
    }

    fn create_body(name: &str, protected: bool) -> Vec<u8> {
        let key_schema = KeySchema {
            partition_key: KeyAttribute {
                name: "pk".into(),
                scalar_type: ScalarType::S,
            },
            sort_key: None,
        };
        let request = CreateTableRequest::from(TableSettings {
            deletion_protection_enabled: protected,
            ..TableSettings::on_demand(name, key_schema)
        });
        request.to_json()
    }

    fn state_with(rows: Vec<TableRow>) -> CatalogState {
        let cluster = Arc::new(cluster());
        let tables: BTreeMap<Arc<str>, Arc<Table>> = rows
            .into_iter()
            .map(|row| {
                (
                    Arc::from(row.name.as_str()),
                    Arc::new(Table::new(row, &cluster)),
                )
            })
            .collect();
        CatalogState {
            version: 1,
            cluster: Some(cluster),
            tables: Arc::new(tables),
            ..Default::default()
        }
    }

    fn row_of(change: &Change) -> TableRow {
        TableRow::decode(change.writes[0].value.as_ref().unwrap()).unwrap()
    }

    fn created(name: &str, protected: bool, counters: &mut CountersRow) -> TableRow {
        let body = create_body(name, protected);
        let change = PLANNER
            .plan(
                ControlOperation::CreateTable,
                &body,
                &state_with(vec![]),
                counters,
            )
            .unwrap();
        row_of(&change)
    }

    #[test]
    fn a_new_table_covers_the_hash_space_in_partitions_over_all_groups() {
        let mut counters = CountersRow::default();
        let row = created("orders", false, &mut counters);
        let table = Table::new(row.clone(), &cluster());
        assert_eq!(row.partitions.len(), 4);
        for hash in [0, 1, u64::MAX / 4, u64::MAX / 2, u64::MAX] {
            let partition = table.partition_of(hash).unwrap();
            assert!(partition.first_hash <= hash && hash <= partition.last_hash);
        }
        let groups: std::collections::BTreeSet<u32> =
            row.partitions.iter().map(|p| p.group_id).collect();
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn storage_ids_and_partition_ids_are_never_used_twice() {
        let mut counters = CountersRow::default();
        let first = created("orders", false, &mut counters);
        let again = created("orders", false, &mut counters);
        assert_ne!(first.storage_id, again.storage_id);
        assert!(again.partitions.iter().all(|p| {
            first
                .partitions
                .iter()
                .all(|old| old.partition_id != p.partition_id)
        }));
    }

    #[test]
    fn an_existing_name_is_in_use_also_while_it_is_being_deleted() {
        let mut counters = CountersRow::default();
        let row = created("orders", false, &mut counters);
        let body = DeleteTableRequest {
            table_name: "orders".into(),
        }
        .to_json();
        let deleted = PLANNER
            .plan(
                ControlOperation::DeleteTable,
                &body,
                &state_with(vec![row]),
                &mut counters,
            )
            .unwrap();
        let row = row_of(&deleted);
        assert_eq!(row.status, TableStatusRow::Deleting);
        let state = state_with(vec![row]);
        let body = create_body("orders", false);
        let refused = PLANNER
            .plan(ControlOperation::CreateTable, &body, &state, &mut counters)
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::ResourceInUseException);
        let body = DeleteTableRequest {
            table_name: "orders".into(),
        }
        .to_json();
        let twice = PLANNER
            .plan(ControlOperation::DeleteTable, &body, &state, &mut counters)
            .unwrap_err();
        assert_eq!(twice.code, ErrorCode::ResourceInUseException);
    }

    #[test]
    fn a_protected_table_is_not_deleted() {
        let mut counters = CountersRow::default();
        let row = created("orders", true, &mut counters);
        let body = DeleteTableRequest {
            table_name: "orders".into(),
        }
        .to_json();
        let refused = PLANNER
            .plan(
                ControlOperation::DeleteTable,
                &body,
                &state_with(vec![row]),
                &mut counters,
            )
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::ValidationException);
    }

    #[test]
    fn an_update_changes_what_it_names_and_nothing_else() {
        let mut counters = CountersRow::default();
        let row = created("orders", true, &mut counters);
        let request = UpdateTableRequest {
            table_name: "orders".into(),
            deletion_protection_enabled: Some(false),
            ..Default::default()
        };
        let change = PLANNER
            .plan(
                ControlOperation::UpdateTable,
                &request.to_json(),
                &state_with(vec![row.clone()]),
                &mut counters,
            )
            .unwrap();
        assert_eq!(
            row_of(&change),
            TableRow {
                deletion_protection: false,
                ..row
            }
        );
    }
}
