//! Test equipment: conformance, clusters of processes, Kubernetes, histories and checkers.
