//! The end-to-end suite: the chart, the operator, stock clients and faults on a real Kubernetes.
//!
//! It takes any cluster that `KUBECONFIG` names, with the images `local/stator-*` loaded: kind, or the local cluster
//! (`cargo xtask test --only kubernetes` does all of it). Tests share one installation, run one after another in any
//! order, and each leaves the installation healthy. Ignored unless asked for.
//!
//! What it takes from the environment: kubectl and helm on the `PATH`; `STATOR_PYTHON`, a Python with boto3 and with
//! the AWS CLI beside it (default `python3`); `STATOR_IMAGE_TAG` (default: the chart's own);
//! `STATOR_NEXT_STORAGE_NODE_IMAGE`, another image to roll out (without it, resources are changed instead).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a test of real processes in real time"
)]

mod cache_cluster;
mod chart;
mod clients;
mod declared;
mod endpoints;
mod faults;
mod installation;
mod kubectl;
mod lifecycle;
mod machine;
mod quiet;
mod refusals;
mod sidecar;
