//! Which operator leads: a `coordination.k8s.io` Lease, written only with the resourceVersion that was read.
//!
//! The clocks of two machines are never compared: a lease has run out when *this* operator has seen it unchanged for its
//! whole duration on its own clock. The leader stops when it could not renew for less than that, so that two never lead at
//! once unless a clock runs at the wrong speed; and even then the planners are idempotent and all writes are conditional or
//! server-side applied.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use stator_kit::clock::SharedClock;
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a silent leader keeps the lease.
const DURATION: Duration = Duration::from_secs(15);
/// The leader gives up when it could not renew for this long; the rest of `DURATION` is for it to stop.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the leader renews, and a standby looks.
const PERIOD: Duration = Duration::from_secs(2);

/// The lease was lost: this process must do no more.
#[derive(Debug, Error)]
#[error("lost the lease: {0}")]
pub struct LeaseLost(String);

/// One operator's part in the election.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: SharedClock,
    /// The last version seen and since when, on our own clock.
    seen: Option<(String, Instant)>,
}

/// What to do about a lease as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Take,
    Wait,
}

impl Elector {
    /// For the lease `name` in `namespace`, as `identity`.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        clock: SharedClock,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            clock,
            seen: None,
        }
    }

    /// Waits until this operator leads, or until `stop`; whether it leads.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match self.try_acquire().await {
                Ok(true) => return true,
                Ok(false) => (),
                Err(error) => tracing::warn!(%error, "cannot look at the lease"),
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(PERIOD) => (),
            }
        }
    }

    /// Renews until `stop`, and then gives the lease back.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when another one has it, or when it could not be renewed in time.
    pub async fn hold(&mut self, stop: &CancellationToken) -> Result<(), LeaseLost> {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.release().await;
                    return Ok(());
                }
                () = tokio::time::sleep(PERIOD) => (),
            }
            match tokio::time::timeout(PERIOD * 2, self.try_acquire()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return Err(LeaseLost("another operator has taken it".to_owned())),
                Ok(Err(error)) => tracing::warn!(%error, "cannot renew the lease"),
                Err(_) => tracing::warn!("the lease is not renewed in time"),
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                return Err(LeaseLost("it could not be renewed".to_owned()));
            }
        }
    }

    /// Takes or renews the lease if it is free or ours; whether we have it.
    async fn try_acquire(&mut self) -> kube::Result<bool> {
        let parameters = PostParams::default();
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.spec(None)),
            };
            return won(self.api.create(&parameters, &lease).await);
        };
        if self.decide(&lease, Instant::now()) == Decision::Wait {
            return Ok(false);
        }
        // The resourceVersion that was read goes along: whoever was faster wins.
        lease.spec = Some(self.spec(lease.spec.as_ref()));
        won(self.api.replace(&self.name, &parameters, &lease).await)
    }

    fn decide(&mut self, lease: &Lease, now: Instant) -> Decision {
        let holder = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default();
        if holder == self.identity || holder.is_empty() {
            return Decision::Take;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        if now.saturating_duration_since(since) >= DURATION {
            Decision::Take
        } else {
            Decision::Wait
        }
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH));
        let ours =
            before.is_some_and(|before| before.holder_identity.as_ref() == Some(&self.identity));
        let transitions = before
            .and_then(|before| before.lease_transitions)
            .unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before
                .filter(|_| ours)
                .and_then(|before| before.acquire_time.clone())
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if ours || before.is_none() {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..LeaseSpec::default()
        }
    }

    /// Empties the holder, so that the next one need not wait. A failure costs only that wait.
    async fn release(&mut self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else {
            return;
        };
        let Some(spec) = &mut lease.spec else { return };
        if spec.holder_identity.as_ref() != Some(&self.identity) {
            return;
        }
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        if let Err(error) = self
            .api
            .replace(&self.name, &PostParams::default(), &lease)
            .await
        {
            tracing::warn!(%error, "cannot give the lease back");
        }
    }
}

/// A conflict means that another one was faster.
fn won(result: kube::Result<Lease>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response};
    use kube::client::Body;
    use stator_kit::clock::SystemWallClock;

    use super::*;

    fn elector() -> Elector {
        let service = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, std::io::Error>(Response::builder().status(500).body(Body::empty()).unwrap())
        });
        let client = Client::new(service, "default");
        Elector::new(client, "default", "lease", "me", Arc::new(SystemWallClock))
    }

    fn lease(holder: &str, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                ..LeaseSpec::default()
            }),
        }
    }

    #[tokio::test]
    async fn a_free_lease_and_our_own_are_taken() {
        let mut elector = elector();
        assert_eq!(
            elector.decide(&lease("", "1"), Instant::now()),
            Decision::Take
        );
        assert_eq!(
            elector.decide(&lease("me", "1"), Instant::now()),
            Decision::Take
        );
    }

    #[tokio::test]
    async fn anothers_lease_is_taken_only_after_it_stood_still() {
        let mut elector = elector();
        let start = Instant::now();
        assert_eq!(elector.decide(&lease("other", "1"), start), Decision::Wait);
        assert_eq!(
            elector.decide(&lease("other", "1"), start + DURATION - PERIOD),
            Decision::Wait
        );
        // It was renewed: the time begins again.
        assert_eq!(
            elector.decide(&lease("other", "2"), start + DURATION),
            Decision::Wait
        );
        assert_eq!(
            elector.decide(&lease("other", "2"), start + DURATION * 2),
            Decision::Take
        );
    }

    #[tokio::test]
    async fn a_change_of_holder_is_counted() {
        let elector = elector();
        let before = LeaseSpec {
            holder_identity: Some("other".to_owned()),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        };
        assert_eq!(elector.spec(Some(&before)).lease_transitions, Some(5));
        let ours = elector.spec(Some(&before));
        assert_eq!(elector.spec(Some(&ours)).lease_transitions, Some(5));
    }
}
