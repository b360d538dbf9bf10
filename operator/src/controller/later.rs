//! Kinds that can be stored and whose controller comes in a later version: their status says so, truthfully.

use std::sync::Arc;

use kube::{Resource as _, core::DeserializeGuard, runtime::controller::Action};

use super::{Context, ReconcileError, readable};
use crate::{
    crd::{
        Backup, GlobalTable,
        backup::BackupStatus,
        condition::{self, Condition},
        global_table::GlobalTableStatus,
    },
    plan::Health,
};

fn not_yet(kind: &str) -> Health {
    Health::Terminal {
        available: false,
        reason: "NotSupported",
        message: format!(
            "the controller of {kind} comes in a later version; this object has no effect"
        ),
    }
}

fn conditions(
    health: &Health,
    old: &[Condition],
    generation: Option<i64>,
    context: &Context,
) -> Vec<Condition> {
    condition::merge(old, health.conditions(), generation, context.now())
}

pub(super) async fn reconcile_global_table(
    object: Arc<DeserializeGuard<GlobalTable>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let object = readable(&object)?;
    let health = not_yet("GlobalTable");
    let before = object.status.as_ref();
    let old = before
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let generation = object.metadata.generation;
    let wanted = GlobalTableStatus {
        observed_generation: generation,
        conditions: conditions(&health, old, generation, &context),
        ..GlobalTableStatus::default()
    };
    context.kubernetes.report(&object, before, &wanted).await?;
    if let Some(event) = health.transition(old) {
        context
            .kubernetes
            .publish(&object.object_ref(&()), &event)
            .await;
    }
    Ok(Action::await_change())
}

pub(super) async fn reconcile_backup(
    object: Arc<DeserializeGuard<Backup>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let object = readable(&object)?;
    let health = not_yet("Backup");
    let before = object.status.as_ref();
    let old = before
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let generation = object.metadata.generation;
    let wanted = BackupStatus {
        observed_generation: generation,
        conditions: conditions(&health, old, generation, &context),
        ..BackupStatus::default()
    };
    context.kubernetes.report(&object, before, &wanted).await?;
    if let Some(event) = health.transition(old) {
        context
            .kubernetes
            .publish(&object.object_ref(&()), &event)
            .await;
    }
    Ok(Action::await_change())
}
