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

pub mod apply;
pub mod apply_file;
pub mod children;
pub mod controller;
pub mod defaults;
pub mod diff;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod observe;
pub mod plan;
pub mod run;
pub mod service;
pub mod webhook;
