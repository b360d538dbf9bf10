//! Test equipment: clusters of processes, a local Kubernetes, workloads that record histories, and the checkers
//! that judge them.

pub mod client;
pub mod history;
pub mod images;
pub mod list_append;
pub mod list_workload;
pub mod load;
pub mod local_kubernetes;
pub mod node_processes;
pub mod request_fuzzer;
#[cfg(feature = "kubernetes")]
pub mod volume_provisioner;
pub mod workload;
