//! Turns Stator custom resources into running clusters.

#[allow(
    unreachable_pub,
    missing_docs,
    reason = "kube's derives make private copies of public types for their schemas"
)]
pub mod crd;
