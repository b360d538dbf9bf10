//! `operator apply`: a `Table` manifest applied to a DynamoDB endpoint, with the operator's own type and planner and without
//! Kubernetes.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;
use thiserror::Error;
use tokio::time::Instant;

use crate::{
    crd::Table,
    plan::{
        Health,
        table::{ClusterState, FINALIZER, ServiceState, TableObservation, TableStep, plan},
    },
    service::{ServiceError, TableService},
};

/// How long a table may take to be as wanted.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at: on a laptop a table is there in milliseconds.
const PERIOD: Duration = Duration::from_millis(100);

const API_VERSION: &str = "stator.dev/v1alpha1";
const OTHER_KINDS: [&str; 4] = ["StorageCluster", "DaxCluster", "GlobalTable", "Backup"];

/// Why a manifest could not be applied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// It is no YAML, or no manifest of ours.
    #[error("document {document}: {message}")]
    Manifest {
        /// Counted from 1.
        document: usize,
        /// What is wrong.
        message: String,
    },
    /// It asks for what cannot be.
    #[error("table {table}: {message}")]
    Refused {
        /// Name of the table.
        table: String,
        /// What is wrong.
        message: String,
    },
    /// The endpoint did not do it in time.
    #[error("table {table} is not as wanted after {} s: {message}", PATIENCE.as_secs())]
    TooLate {
        /// Name of the table.
        table: String,
        /// The last state.
        message: String,
    },
}

/// Reads all documents first, so that a mistake in the last one does not leave the first half applied; then applies each.
/// `say` gets a line for everything that happens.
///
/// # Errors
///
/// [`ApplyError`] names the document or the table, and the field.
pub async fn apply(
    text: &str,
    service: &dyn TableService,
    say: &mut (dyn FnMut(String) + Send),
) -> Result<(), ApplyError> {
    let mut tables = Vec::new();
    for (index, document) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
        let refuse = |message: String| ApplyError::Manifest {
            document: index + 1,
            message,
        };
        let value = Value::deserialize(document).map_err(|error| refuse(error.to_string()))?;
        if value.is_null() {
            continue;
        }
        tables.extend(read(value, say).map_err(refuse)?);
    }
    for table in tables {
        apply_table(table, service, say).await?;
    }
    Ok(())
}

/// A Table, or nothing for a kind that only Kubernetes can do something with.
fn read(value: Value, say: &mut (dyn FnMut(String) + Send)) -> Result<Option<Table>, String> {
    let text = |path: &str| {
        value
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    if api_version != API_VERSION {
        return Err(format!(
            "apiVersion: must be {API_VERSION}, not {api_version:?}"
        ));
    }
    if OTHER_KINDS.contains(&kind.as_str()) {
        say(format!(
            "{kind} {}: only Kubernetes can do that; left out",
            text("/metadata/name")
        ));
        return Ok(None);
    }
    if kind != "Table" {
        return Err(format!("kind: {kind:?} is unknown"));
    }
    let table: Table =
        serde_json::from_value(value.clone()).map_err(|error| format!("spec: {error}"))?;
    let known = serde_json::to_value(&table.spec).unwrap_or_default();
    match unknown_field(value.get("spec").unwrap_or(&Value::Null), &known, "spec") {
        Some(path) => Err(format!("{path}: unknown field")),
        None => Ok(Some(table)),
    }
}

/// The first field that was lost on the way through the type. Kubernetes refuses it too (strict field validation).
fn unknown_field(given: &Value, known: &Value, path: &str) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match known.get(name) {
                Some(known) => unknown_field(value, known, &path),
                None if value.is_null() => None,
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(known)) => {
            given
                .iter()
                .zip(known)
                .enumerate()
                .find_map(|(index, (given, known))| {
                    unknown_field(given, known, &format!("{path}[{index}]"))
                })
        }
        _ => None,
    }
}

async fn apply_table(
    mut table: Table,
    service: &dyn TableService,
    say: &mut (dyn FnMut(String) + Send),
) -> Result<(), ApplyError> {
    // What Kubernetes would have done before.
    table.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    let name = table.spec.table_name.clone();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = match service.describe(&table.spec).await {
            Ok(Some(table)) => ServiceState::Present(Box::new(table)),
            Ok(None) => ServiceState::Missing,
            Err(error) => ServiceState::Unreachable(error.to_string()),
        };
        let plan = plan(&TableObservation {
            table: table.clone(),
            namespace_deletion_policy: None,
            older_sibling: None,
            cluster: ClusterState::Available,
            default_dax_missing: false,
            service: state,
        });
        for event in &plan.events {
            say(event.note.clone());
        }
        // From now on it is ours, as the status of an object would say.
        if let Some(found) = &plan.service {
            table.status.get_or_insert_default().table_id = Some(found.table_id.clone());
        }
        let message = plan.health.words().1.to_owned();
        if let Health::Terminal { .. } = plan.health {
            return Err(ApplyError::Refused {
                table: name,
                message,
            });
        }
        let done = match &plan.step {
            TableStep::Create(spec) => service.create(spec).await.map(|created| {
                table.status.get_or_insert_default().table_id = Some(created.table_id);
                say(format!("table {name} is created"));
            }),
            TableStep::Update { table_name, change } => {
                service.update(table_name, change).await.map(|()| {
                    say(format!("{} of table {name} is changed", change.field()));
                })
            }
            _ if plan.health == Health::Synced => {
                say(format!(
                    "table {name} matches its manifest: {}",
                    service_text(plan.service.as_deref())
                ));
                return Ok(());
            }
            _ => Ok(()),
        };
        let message = match done {
            Ok(()) => message,
            Err(ServiceError::Refused { code, message }) if code != "ResourceInUseException" => {
                return Err(ApplyError::Refused {
                    table: name,
                    message: format!("{code}: {message}"),
                });
            }
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            return Err(ApplyError::TooLate {
                table: name,
                message,
            });
        }
        tokio::time::sleep(PERIOD).await;
    }
}

fn service_text(table: Option<&crate::plan::table_changes::ServiceTable>) -> String {
    table.map_or_else(String::new, |table| {
        format!("{}, {}", table.status, table.arn)
    })
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use parking_lot::Mutex;

    use super::*;
    use crate::{
        crd::TableSpec,
        plan::{
            table::tests::orders_in_service,
            table_changes::{ServiceTable, TableChange},
        },
    };

    /// A database with at most one table.
    #[derive(Default)]
    struct OneTable {
        table: Mutex<Option<ServiceTable>>,
    }

    impl TableService for OneTable {
        fn describe<'a>(
            &'a self,
            _: &'a TableSpec,
        ) -> BoxFuture<'a, Result<Option<ServiceTable>, ServiceError>> {
            Box::pin(async { Ok(self.table.lock().clone()) })
        }

        fn create<'a>(
            &'a self,
            spec: &'a TableSpec,
        ) -> BoxFuture<'a, Result<ServiceTable, ServiceError>> {
            Box::pin(async {
                let table = ServiceTable {
                    key_schema: spec.key_schema.clone(),
                    attribute_definitions: spec.attribute_definitions.clone(),
                    ..orders_in_service()
                };
                *self.table.lock() = Some(table.clone());
                Ok(table)
            })
        }

        fn update<'a>(
            &'a self,
            _: &'a str,
            change: &'a TableChange,
        ) -> BoxFuture<'a, Result<(), ServiceError>> {
            Box::pin(async move {
                if let (Some(table), TableChange::DeletionProtection(enabled)) =
                    (self.table.lock().as_mut(), change)
                {
                    table.deletion_protection_enabled = *enabled;
                }
                Ok(())
            })
        }

        fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
            Box::pin(async { Ok(()) })
        }
    }

    const ORDERS: &str = include_str!("../../examples/orders.yaml");

    async fn applied(service: &OneTable, text: &str) -> Result<Vec<String>, ApplyError> {
        let mut said = Vec::new();
        apply(text, service, &mut |line| said.push(line)).await?;
        Ok(said)
    }

    #[tokio::test]
    async fn the_example_is_created_and_then_left_alone() {
        let service = OneTable::default();
        assert_eq!(
            applied(&service, ORDERS).await.unwrap()[0],
            "table orders is created"
        );
        let again = applied(&service, ORDERS).await.unwrap();
        assert!(again[0].contains("adopted"), "{again:?}");
    }

    #[tokio::test]
    async fn an_edit_of_the_file_changes_the_table() {
        let service = OneTable::default();
        applied(&service, ORDERS).await.unwrap();
        applied(
            &service,
            &format!("{ORDERS}  deletionProtectionEnabled: true\n"),
        )
        .await
        .unwrap();
        assert!(
            service
                .table
                .lock()
                .as_ref()
                .unwrap()
                .deletion_protection_enabled
        );
    }

    #[tokio::test]
    async fn a_mistake_is_named_and_nothing_is_done() {
        let service = OneTable::default();
        let error = applied(&service, &format!("{ORDERS}  billingmode: X\n"))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "document 1: spec.billingmode: unknown field"
        );
        let two =
            format!("{ORDERS}---\napiVersion: dynamodb.services.k8s.aws/v1alpha1\nkind: Table\n");
        let error = applied(&service, &two).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("document 2: apiVersion: must be stator.dev/v1alpha1"),
            "{error}"
        );
        assert!(service.table.lock().is_none());
    }

    #[tokio::test]
    async fn what_is_not_built_is_refused() {
        let service = OneTable::default();
        let text = format!("{ORDERS}  resourcePolicy: '{{}}'\n");
        let error = applied(&service, &text).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("spec.resourcePolicy: not supported by this version"),
            "{error}"
        );
        assert!(service.table.lock().is_none());
    }
}
