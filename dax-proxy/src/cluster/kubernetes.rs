//! The lease in Kubernetes: a `coordination.k8s.io` Lease in the pod's namespace, written only with the resourceVersion that
//! was read.

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;
use stator_kit::clock::SharedClock;

use super::election::{DURATION, LeaseError, LeaseRecord, LeaseStore};

/// [`LeaseStore`] in the API server.
pub struct KubernetesLease {
    api: Api<Lease>,
    name: String,
    clock: SharedClock,
    /// What was last read, for the members that only people look at.
    read: Mutex<Option<LeaseSpec>>,
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
            read: Mutex::new(None),
        })
    }

    fn spec(&self, record: &LeaseRecord) -> LeaseSpec {
        let now = MicroTime(Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH));
        let before = self.read.lock();
        let ours = before
            .as_ref()
            .filter(|before| before.holder_identity.as_deref() == Some(record.holder.as_str()));
        LeaseSpec {
            holder_identity: Some(record.holder.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: ours
                .and_then(|before| before.acquire_time.clone())
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: i32::try_from(record.transitions).ok(),
            ..LeaseSpec::default()
        }
    }
}

impl LeaseStore for KubernetesLease {
    fn read(&self) -> BoxFuture<'_, Result<Option<(LeaseRecord, String)>, LeaseError>> {
        Box::pin(async {
            let Some(lease) = self.api.get_opt(&self.name).await.map_err(error)? else {
                return Ok(None);
            };
            let spec = lease.spec.unwrap_or_default();
            *self.read.lock() = Some(spec.clone());
            let record = LeaseRecord {
                holder: spec.holder_identity.unwrap_or_default(),
                transitions: u64::try_from(spec.lease_transitions.unwrap_or_default())
                    .unwrap_or_default(),
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
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    resource_version: version,
                    ..ObjectMeta::default()
                },
                spec: Some(self.spec(&record)),
            };
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
