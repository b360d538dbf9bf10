//! Turns Stator custom resources into running clusters.
//!
//! Reconcile is read (`observe`), plan (`plan`, pure, from builders in `children`), apply (`apply`), report (`status`).
//! The operator holds intent only: whatever it does or fails to do, storage nodes neither lose data nor stop serving.

#[allow(
    unreachable_pub,
    missing_docs,
    clippy::duplicated_attributes,
    reason = "kube's derives copy types and repeat attributes"
)]
pub mod crd;

pub mod children;
pub mod defaults;
pub mod diff;
pub mod names;
pub mod plan;
