//! Test equipment: conformance, clusters of processes, Kubernetes, histories and checkers.

pub mod images;
pub mod local_kubernetes;
pub mod volume_provisioner;
