//! What every reconcile needs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::controller::Action;
use parking_lot::Mutex;
use stator_kit::{clock::SharedClock, rng::SharedRandom};

use crate::{
    apply::Kubernetes, children::secrets::KeyPair, defaults::Defaults, metrics::Metrics,
    names::StorageNames, service::Clients,
};

/// Shared by all controllers.
pub struct Context {
    /// The way to the API server.
    pub kubernetes: Kubernetes,
    /// Clients of the programs that we run.
    pub clients: Arc<dyn Clients>,
    /// What is made when a manifest leaves it open.
    pub defaults: Defaults,
    /// For conditions and certificates.
    pub clock: SharedClock,
    /// For keys.
    pub random: SharedRandom,
    /// What is counted.
    pub metrics: Metrics,
    /// How often a converged object is looked at again.
    pub resync: Duration,
    /// Failures in a row, by object. Objects that went well are not in it.
    failures: Mutex<BTreeMap<String, u32>>,
}

impl Context {
    /// With these parts.
    pub fn new(
        kubernetes: Kubernetes,
        clients: Arc<dyn Clients>,
        defaults: Defaults,
        clock: SharedClock,
        random: SharedRandom,
        metrics: Metrics,
        resync: Duration,
    ) -> Self {
        Self {
            kubernetes,
            clients,
            defaults,
            clock,
            random,
            metrics,
            resync,
            failures: Mutex::default(),
        }
    }

    /// The time for conditions.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// When to look again.
    pub(super) fn again(&self, after: Option<Duration>) -> Action {
        Action::requeue(after.unwrap_or(self.resync))
    }

    /// The operator's key for a storage cluster, when there is one already.
    pub(super) async fn operator_key(&self, names: &StorageNames) -> kube::Result<Option<KeyPair>> {
        let secrets = self.kubernetes.namespaced::<Secret>(&names.namespace);
        Ok(secrets
            .get_opt(&names.operator_secret())
            .await?
            .as_ref()
            .and_then(KeyPair::from_secret))
    }

    /// Remembers how a reconcile went.
    pub(super) fn note_result(&self, key: &str, is_ok: bool) {
        let mut failures = self.failures.lock();
        if is_ok {
            failures.remove(key);
        } else {
            let count = failures.entry(key.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Twice as long after each failure in a row, and a little at random so that many objects do not come together.
    pub(super) fn retry_delay(&self, key: &str, min: Duration, max: Duration) -> Duration {
        let count = self.failures.lock().get(key).copied().unwrap_or(1);
        let factor = 1_u32 << count.saturating_sub(1).min(10);
        let delay = min.saturating_mul(factor).min(max);
        delay + self.random.jitter(delay / 4)
    }
}
