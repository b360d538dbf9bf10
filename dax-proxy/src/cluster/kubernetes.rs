//! The lease in Kubernetes: a `coordination.k8s.io` Lease in the pod's namespace, written only with the resourceVersion that
//! was read.

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;
use stator_kit::clock::SharedClock;

use super::election::{DURATION, LeaseError, LeaseRecord, LeaseStore};

/// Annotation of the Lease with the names of the replicas that may take over with what they hold, separated by commas.
const IN_SYNC: &str = "stator.dev/in-sync";

/// [`LeaseStore`] in the API server.
pub struct KubernetesLease {
    api: Api<Lease>,
    name: String,
    clock: SharedClock,
    /// As it was last read: labels and owners are others' to set.
    read: Mutex<Lease>,
}

impl KubernetesLease {
    /// The lease `name` of the pod's own namespace, as the pod's service account.
    ///
    /// # Errors
    /// This is not a pod with a service account's token, and there is no kubeconfig.
    pub async fn in_cluster(name: &str, clock: SharedClock) -> Result<Self, LeaseError> {
        let client = Client::try_default().await.map_err(error)?;
        Ok(Self {
            api: Api::default_namespaced(client),
            name: name.to_owned(),
            clock,
            read: Mutex::default(),
        })
    }

    /// The Lease with this record, on the version that was read.
    fn with(&self, record: &LeaseRecord, version: Option<String>) -> Lease {
        let now = MicroTime(Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH));
        let mut lease = match version {
            Some(_) => self.read.lock().clone(),
            None => Lease::default(),
        };
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.resource_version = version;
        lease.metadata.managed_fields = None;
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(IN_SYNC.to_owned(), record.in_sync.join(","));
        let before = lease.spec.take();
        let ours = before
            .filter(|before| before.holder_identity.as_deref() == Some(record.holder.as_str()));
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(record.holder.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: ours
                .and_then(|before| before.acquire_time)
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: i32::try_from(record.transitions).ok(),
            ..LeaseSpec::default()
        });
        lease
    }
}

impl LeaseStore for KubernetesLease {
    fn read(&self) -> BoxFuture<'_, Result<Option<(LeaseRecord, String)>, LeaseError>> {
        Box::pin(async {
            let Some(lease) = self.api.get_opt(&self.name).await.map_err(error)? else {
                return Ok(None);
            };
            *self.read.lock() = lease.clone();
            let spec = lease.spec.clone().unwrap_or_default();
            let in_sync = lease.metadata.annotations.as_ref();
            let in_sync = in_sync.and_then(|annotations| annotations.get(IN_SYNC));
            let in_sync = in_sync.map(|names| {
                let names = names.split(',').filter(|name| !name.is_empty());
                names.map(ToOwned::to_owned).collect()
            });
            let record = LeaseRecord {
                holder: spec.holder_identity.unwrap_or_default(),
                transitions: u64::try_from(spec.lease_transitions.unwrap_or_default())
                    .unwrap_or_default(),
                in_sync: in_sync.unwrap_or_default(),
            };
            let version = lease.metadata.resource_version.unwrap_or_default();
            Ok(Some((record, version)))
        })
    }

    fn write(
        &self,
        record: LeaseRecord,
        version: Option<String>,
    ) -> BoxFuture<'_, Result<bool, LeaseError>> {
        Box::pin(async move {
            let parameters = PostParams::default();
            let exists = version.is_some();
            let lease = self.with(&record, version);
            let written = if exists {
                self.api.replace(&self.name, &parameters, &lease).await
            } else {
                self.api.create(&parameters, &lease).await
            };
            match written {
                Ok(_) => Ok(true),
                // Somebody was faster.
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
                Err(failed) => Err(error(failed)),
            }
        })
    }
}

fn error(error: kube::Error) -> LeaseError {
    LeaseError(error.to_string())
}
