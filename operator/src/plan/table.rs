//! What to do next for a `Table`.
//!
//! One step each time: the next reconcile reads again. So it is idempotent, safe to stop at any point, and the same planner
//! serves `operator apply`, which has no Kubernetes.

use std::time::Duration;

use super::{
    EventDraft, Health,
    deletion::{self, Policy},
    table_changes::{ServiceTable, TableChange, busy, managed_fields, mismatch, next_change},
    table_rules::{lacks_throughput, unsupported, violations},
};
use crate::crd::table::{GlobalSecondaryIndexDescription, Table, TableSpec, TableStatus};

/// Kept on a Table until its deletion policy was carried out. ACK's form of the name, in our group.
pub const FINALIZER: &str = "finalizers.stator.dev/Table";
/// ACK: `true` means observe, change nothing.
pub const READ_ONLY_ANNOTATION: &str = "services.k8s.aws/read-only";

/// How soon to look again at something that is on its way.
pub const SOON: Duration = Duration::from_secs(1);
/// How soon to look again at something that others must do.
pub const LATER: Duration = Duration::from_secs(5);

/// Everything that the decision depends on.
#[derive(Clone, Debug)]
pub struct TableObservation {
    /// The object.
    pub table: Table,
    /// The deletion policy of the namespace, as annotated.
    pub namespace_deletion_policy: Option<String>,
    /// Another Table of this namespace and storage cluster with the same `tableName` that is older.
    pub older_sibling: Option<String>,
    /// The storage cluster.
    pub cluster: ClusterState,
    /// Whether the DaxCluster `default` is wanted and missing.
    pub default_dax_missing: bool,
    /// The table in the database.
    pub service: ServiceState,
}

/// The storage cluster of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// There is none of that name.
    Missing,
    /// It cannot serve (yet), for this reason.
    NotAvailable(String),
    /// It serves.
    Available,
}

/// The table in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// Not asked, because the storage cluster does not serve.
    Unknown,
    /// Asked, without an answer, for this reason.
    Unreachable(String),
    /// There is none of that name.
    Missing,
    /// There it is.
    Present(Box<ServiceTable>),
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum TableStep {
    /// Nothing but the report.
    Report,
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Take it off.
    RemoveFinalizer,
    /// Make the StorageCluster and the DaxCluster `default` where they are missing.
    MakeDefaultClusters,
    /// CreateTable with this spec.
    Create(Box<TableSpec>),
    /// UpdateTable.
    Update {
        /// Name of the table.
        table_name: String,
        /// What changes.
        change: TableChange,
    },
    /// DeleteTable.
    Delete {
        /// Name of the table.
        table_name: String,
    },
}

/// The step, and what to say about the object when it has been done.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePlan {
    /// What to do.
    pub step: TableStep,
    /// How it stands, if the step goes well.
    pub health: Health,
    /// The table in the database, as far as known.
    pub service: Option<Box<ServiceTable>>,
    /// Events besides that of a transition.
    pub events: Vec<EventDraft>,
    /// When to look again; absent means at the usual time.
    pub again: Option<Duration>,
}

impl TablePlan {
    pub(super) fn new(step: TableStep, health: Health) -> Self {
        Self {
            step,
            health,
            service: None,
            events: Vec::new(),
            again: None,
        }
    }

    pub(super) fn again(mut self, again: Duration) -> Self {
        self.again = Some(again);
        self
    }

    pub(super) fn event(mut self, event: EventDraft) -> Self {
        self.events.push(event);
        self
    }

    fn service(mut self, table: &ServiceTable) -> Self {
        self.service = Some(Box::new(table.clone()));
        self
    }
}

/// Decides.
pub fn plan(observed: &TableObservation) -> TablePlan {
    if observed.table.metadata.deletion_timestamp.is_some() {
        return deletion::plan(observed);
    }
    refuse(observed).unwrap_or_else(|| prepare(observed).unwrap_or_else(|| converge(observed)))
}

/// What no retry can help. Nothing is done, not even in part.
fn refuse(observed: &TableObservation) -> Option<TablePlan> {
    let spec = &observed.table.spec;
    let terminal = |reason: &'static str, message: String| {
        let available = matches!(&observed.service, ServiceState::Present(table) if is_serving(table))
            && observed.older_sibling.is_none();
        let plan = TablePlan::new(
            TableStep::Report,
            Health::Terminal {
                available,
                reason,
                message,
            },
        );
        Some(match &observed.service {
            ServiceState::Present(table) if observed.older_sibling.is_none() => plan.service(table),
            _ => plan,
        })
    };
    let violations = violations(spec);
    if !violations.is_empty() {
        return terminal("InvalidSpec", violations.join("; "));
    }
    if let Some(older) = &observed.older_sibling {
        return terminal(
            "TableNameConflict",
            format!(
                "spec.tableName: the older Table {older} of this namespace already stands for {}",
                spec.table_name
            ),
        );
    }
    let unsupported = unsupported(spec);
    if !unsupported.is_empty() {
        return terminal(
            "UnsupportedField",
            format!("{}: not supported by this version", unsupported.join(", ")),
        );
    }
    match &observed.service {
        ServiceState::Present(table) => mismatch(spec, table).and_then(|message| terminal("TableDiffers", message)),
        ServiceState::Missing if lacks_throughput(spec) && !is_read_only(&observed.table) => terminal(
            "InvalidSpec",
            "spec.provisionedThroughput: required unless billingMode is PAY_PER_REQUEST (the default is PROVISIONED)"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What must be there before the table.
fn prepare(observed: &TableObservation) -> Option<TablePlan> {
    let spec = &observed.table.spec;
    let cluster = spec.storage_cluster();
    let has_finalizer = observed
        .table
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER);
    if !has_finalizer {
        let health = Health::Progressing {
            available: false,
            reason: "Accepted",
            message: format!("the table goes to StorageCluster {cluster}"),
        };
        return Some(TablePlan::new(TableStep::AddFinalizer, health).again(Duration::ZERO));
    }
    let is_default = cluster == crate::crd::table::DEFAULT_STORAGE_CLUSTER;
    if is_default && (observed.cluster == ClusterState::Missing || observed.default_dax_missing) {
        let health = waiting(format!("StorageCluster {cluster} is being made"));
        return Some(TablePlan::new(TableStep::MakeDefaultClusters, health).again(SOON));
    }
    match &observed.cluster {
        ClusterState::Missing => {
            let health = Health::Recoverable {
                available: false,
                reason: "StorageClusterNotFound",
                message: format!(
                    "spec.stator.storageCluster: there is no StorageCluster {cluster} in this namespace"
                ),
            };
            Some(TablePlan::new(TableStep::Report, health).again(LATER))
        }
        ClusterState::NotAvailable(why) => {
            let health = waiting(format!("StorageCluster {cluster}: {why}"));
            Some(TablePlan::new(TableStep::Report, health).again(LATER))
        }
        ClusterState::Available => None,
    }
}

fn waiting(message: String) -> Health {
    Health::Progressing {
        available: false,
        reason: "WaitingForStorageCluster",
        message,
    }
}

/// Brings the table to its manifest.
fn converge(observed: &TableObservation) -> TablePlan {
    let spec = &observed.table.spec;
    let name = &spec.table_name;
    let read_only = is_read_only(&observed.table);
    match &observed.service {
        ServiceState::Unknown => TablePlan::new(
            TableStep::Report,
            waiting("the database was not asked yet".to_owned()),
        )
        .again(SOON),
        ServiceState::Unreachable(why) => {
            let health = Health::Recoverable {
                available: false,
                reason: "StorageUnreachable",
                message: why.clone(),
            };
            TablePlan::new(TableStep::Report, health).again(LATER)
        }
        ServiceState::Missing if read_only => {
            let health = Health::Recoverable {
                available: false,
                reason: "TableNotFound",
                message: format!(
                    "there is no table {name}, and {READ_ONLY_ANNOTATION} forbids to make it"
                ),
            };
            TablePlan::new(TableStep::Report, health)
        }
        ServiceState::Missing => {
            let health = Health::Progressing {
                available: false,
                reason: "Creating",
                message: format!("table {name} is being created"),
            };
            TablePlan::new(TableStep::Create(Box::new(spec.clone())), health).again(SOON)
        }
        ServiceState::Present(table) if table.status != "ACTIVE" => {
            let health = Health::Progressing {
                available: is_serving(table),
                reason: "TableNotActive",
                message: format!("table {name} is {}", table.status),
            };
            TablePlan::new(TableStep::Report, health)
                .service(table)
                .again(SOON)
        }
        ServiceState::Present(table) => change(observed, table, read_only),
    }
}

fn change(observed: &TableObservation, table: &ServiceTable, read_only: bool) -> TablePlan {
    let spec = &observed.table.spec;
    let name = &spec.table_name;
    let waits_for = busy(table);
    let next = match waits_for {
        Some(_) => None,
        None => next_change(spec, table),
    };
    let plan = match next {
        None if waits_for.is_some() => {
            let health = Health::Progressing {
                available: true,
                reason: "Updating",
                message: waits_for.unwrap_or_default(),
            };
            TablePlan::new(TableStep::Report, health).again(SOON)
        }
        None => TablePlan::new(TableStep::Report, Health::Synced),
        Some(change) if read_only => {
            let health = Health::Recoverable {
                available: true,
                reason: "ReadOnly",
                message: format!(
                    "spec.{} differs, and {READ_ONLY_ANNOTATION} forbids to change it",
                    change.field()
                ),
            };
            TablePlan::new(TableStep::Report, health)
        }
        Some(change) => {
            let health = Health::Progressing {
                available: true,
                reason: "Updating",
                message: format!("{} of table {name} is being changed", change.field()),
            };
            TablePlan::new(
                TableStep::Update {
                    table_name: name.clone(),
                    change,
                },
                health,
            )
            .again(SOON)
        }
    };
    let mut plan = plan.service(table);
    plan.events.extend(adoption(&observed.table, table));
    plan.events.extend(unmanaged(&observed.table));
    plan
}

/// The Event of a table that this object did not make.
fn adoption(object: &Table, table: &ServiceTable) -> Option<EventDraft> {
    let known = object
        .status
        .as_ref()
        .and_then(|status| status.table_id.as_deref());
    match known {
        Some(id) if id == table.table_id => None,
        Some(_) => Some(EventDraft::warning(
            "TableReplaced",
            format!(
                "table {} was deleted and made again by someone else; it is {} now",
                object.spec.table_name, table.table_id
            ),
        )),
        None => Some(EventDraft::normal(
            "Adopted",
            format!(
                "table {} exists already and is adopted with its data",
                object.spec.table_name
            ),
        )),
    }
}

/// The Event of a field that left the manifest: the setting stays as it is.
fn unmanaged(object: &Table) -> Option<EventDraft> {
    let now = managed_fields(&object.spec);
    let before = object.status.as_ref()?.stator.as_ref()?;
    let gone: Vec<&str> = before
        .managed_fields
        .iter()
        .filter(|field| !now.contains(field))
        .map(String::as_str)
        .collect();
    (!gone.is_empty()).then(|| {
        EventDraft::normal(
            "FieldUnmanaged",
            format!(
                "{} left the manifest; the setting stays as it is",
                gone.join(", ")
            ),
        )
    })
}

/// Whether data operations work.
fn is_serving(table: &ServiceTable) -> bool {
    matches!(table.status.as_str(), "ACTIVE" | "UPDATING")
}

/// Whether the object only observes.
pub(super) fn is_read_only(table: &Table) -> bool {
    annotation(table, READ_ONLY_ANNOTATION) == Some("true")
}

pub(super) fn annotation<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    table
        .metadata
        .annotations
        .as_ref()?
        .get(name)
        .map(String::as_str)
}

/// The status that tells of a plan, conditions left out. Counters that move by themselves are carried over: they are no
/// reason to write, and are brought up to date whenever something else is.
pub fn status(object: &Table, plan: &TablePlan) -> TableStatus {
    let before = object.status.clone().unwrap_or_default();
    let before_indexes = before
        .global_secondary_indexes_descriptions
        .clone()
        .unwrap_or_default();
    let mut status = TableStatus {
        observed_generation: object.metadata.generation,
        conditions: Vec::new(),
        stator: Some(crate::crd::table::TableStatorStatus {
            storage_cluster: object.spec.storage_cluster().to_owned(),
            managed_fields: managed_fields(&object.spec),
        }),
        ..before
    };
    if let Some(table) = &plan.service {
        status.table_id = Some(table.table_id.clone()).filter(|id| !id.is_empty());
        status.table_status = Some(table.status.clone());
        status.creation_date_time = table.creation_date_time.clone();
        status.ack_resource_metadata = resource_metadata(&table.arn);
        status.latest_stream_arn = table.latest_stream_arn.clone();
        status.latest_stream_label = table.latest_stream_label.clone();
        status.global_secondary_indexes_descriptions = index_descriptions(&before_indexes, table);
        status.item_count = status.item_count.or(Some(table.item_count));
        status.table_size_bytes = status.table_size_bytes.or(Some(table.size_bytes));
    }
    status
}

/// What ACK tells of the global indexes. Like the table's own, their counters are carried over.
fn index_descriptions(
    before: &[GlobalSecondaryIndexDescription],
    table: &ServiceTable,
) -> Option<Vec<GlobalSecondaryIndexDescription>> {
    let indexes = &table.global_secondary_indexes;
    (!indexes.is_empty()).then(|| {
        indexes
            .iter()
            .map(|index| {
                let before = before
                    .iter()
                    .find(|old| old.index_name.as_ref() == Some(&index.index_name));
                let count = before.and_then(|old| old.item_count);
                let size = before.and_then(|old| old.index_size_bytes);
                GlobalSecondaryIndexDescription {
                    backfilling: index.backfilling,
                    index_arn: Some(index.arn.clone()).filter(|arn| !arn.is_empty()),
                    index_name: Some(index.index_name.clone()),
                    index_size_bytes: size.or(Some(index.size_bytes)),
                    index_status: Some(index.status.clone()),
                    item_count: count.or(Some(index.item_count)),
                    ..GlobalSecondaryIndexDescription::default()
                }
            })
            .collect()
    })
}

/// Account and Region of an ARN, `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`.
fn resource_metadata(arn: &str) -> Option<crate::crd::condition::AckResourceMetadata> {
    let mut parts = arn.split(':');
    let (_, partition, _, region, account) = (
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
    );
    Some(crate::crd::condition::AckResourceMetadata {
        arn: Some(arn.to_owned()),
        owner_account_id: account.to_owned(),
        partition: Some(partition.to_owned()),
        region: region.to_owned(),
    })
}

/// The deletion policy that holds for an object.
pub(super) fn deletion_policy(observed: &TableObservation) -> Policy {
    Policy::of(
        annotation(&observed.table, deletion::POLICY_ANNOTATION),
        observed.namespace_deletion_policy.as_deref(),
    )
}

#[cfg(test)]
pub(crate) mod tests;
