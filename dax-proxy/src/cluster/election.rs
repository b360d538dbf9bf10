//! Which node is the primary: a lease in Kubernetes, or the first of the peers for ever.
//!
//! The clocks of two machines are never compared. The lease has run out for others when *they* have seen it unchanged for
//! [`DURATION`] on their own clocks, and for its holder [`TENURE`] after it *sent* the last write that succeeded, which is
//! earlier by the way of that write and by what is left for clocks of different speed.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

/// How long a silent primary keeps the lease. With [`ROUND`] a replica is promoted within 2.6 s of its death.
pub const DURATION: Duration = Duration::from_secs(2);
/// By then nobody holds a lease of a process that has died: a tenth longer than one lasts.
const LEASES_OVER: Duration = Duration::from_millis(1_100);
/// How long after a renewal was sent its holder is the primary: a twentieth less.
const TENURE: Duration = Duration::from_millis(1_900);
/// How often the others look; the holder renews half as often.
pub(crate) const ROUND: Duration = Duration::from_millis(250);
/// For one read or write of the lease.
const PATIENCE: Duration = Duration::from_millis(800);

/// What the lease holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Name of the primary among the peers; empty: given back.
    pub holder: String,
    /// How often the holder has changed.
    pub transitions: u64,
    /// Names of the replicas that have carried out all that the holder has acknowledged, and may take over with what they
    /// hold. The holder acknowledges nothing without one of them before it has taken it off this list.
    pub in_sync: Vec<String>,
}

/// The lease cannot be read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the lease: {0}")]
pub struct LeaseError(pub String);

/// Where the lease is kept. A write succeeds only on the version that was read.
pub trait LeaseStore: Send + Sync {
    /// The record and its version; `None`: there is none yet.
    fn read(&self) -> BoxFuture<'_, Result<Option<(LeaseRecord, String)>, LeaseError>>;

    /// Writes the record if its version is still `version` (`None`: if there is none yet). `false`: somebody was faster.
    fn write(
        &self,
        record: LeaseRecord,
        version: Option<String>,
    ) -> BoxFuture<'_, Result<bool, LeaseError>>;
}

/// How the primary is found.
pub enum Electorate {
    /// By a lease.
    Lease(Box<dyn LeaseStore>),
    /// It is this one, for ever.
    Fixed(String),
}

/// What a node knows of the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// This node is the primary.
    Mine {
        /// Until then; `None`: for ever.
        until: Option<Instant>,
        /// Counts the holders.
        epoch: u64,
        /// Whether it was so before, or this node was in sync when it took over.
        in_sync: bool,
    },
    /// Another is, as far as can be seen.
    Other {
        /// Its name.
        holder: String,
        /// Before the lease was last read; `None`: there is no lease, and it is this node for ever.
        read_at: Option<Instant>,
        /// Who may take over with what it holds.
        in_sync: Vec<String>,
    },
    /// The lease has never been read.
    Unknown,
}

impl View {
    /// Whether a peer that refuses connections is surely not the primary. A refusal may come from something in between, so
    /// it counts only beside a lease that has been read after `since`, and neither names it nor lets it take over with what
    /// it holds. Without a lease it must do.
    pub(crate) fn exonerates(&self, peer: &str, since: Instant) -> bool {
        match self {
            Self::Other { read_at: None, .. } => true,
            Self::Other {
                holder,
                read_at: Some(read_at),
                in_sync,
            } => holder != peer && *read_at >= since && !in_sync.iter().any(|name| name == peer),
            Self::Mine { .. } | Self::Unknown => false,
        }
    }
}

/// One node's part in the election.
pub(crate) struct Candidate {
    me: String,
    electorate: Electorate,
    /// The last version seen and since when, on our own clock.
    seen: Option<(String, Instant)>,
    /// Whether this process has written the lease: another one of the same name, which has died, may have granted leases
    /// that have not run out.
    held: bool,
    /// Where the primary is fixed: the same, as long as a lease to a replica lasts.
    started: Instant,
}

/// What to do about a lease as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// Write it: it is free, or ours already.
    Write,
    /// Another has it.
    Leave,
}

impl Candidate {
    pub(crate) fn new(me: String, electorate: Electorate) -> Self {
        Self {
            me,
            electorate,
            seen: None,
            held: false,
            started: Instant::now(),
        }
    }

    /// Whether another may take over from this node.
    pub(crate) fn can_be_succeeded(&self) -> bool {
        matches!(self.electorate, Electorate::Lease(_))
    }

    /// Looks at the lease, and takes or renews it if it may, with those replicas `in_sync`; without `stands` it only looks.
    /// `before` is what was known; it stays where the lease cannot be reached.
    pub(crate) async fn round(
        &mut self,
        before: &View,
        in_sync: Vec<String>,
        stands: bool,
    ) -> View {
        if let Electorate::Fixed(primary) = &self.electorate {
            return if *primary == self.me && self.started.elapsed() < LEASES_OVER {
                View::Unknown
            } else if *primary == self.me {
                View::Mine {
                    until: None,
                    epoch: 0,
                    in_sync: true,
                }
            } else {
                View::Other {
                    holder: primary.clone(),
                    read_at: None,
                    in_sync: Vec::new(),
                }
            };
        }
        match tokio::time::timeout(PATIENCE, self.try_round(in_sync, stands)).await {
            Ok(Ok(view)) => view,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the lease cannot be reached");
                before.clone()
            }
            Err(_) => {
                tracing::debug!("the lease does not answer in time");
                before.clone()
            }
        }
    }

    async fn try_round(&mut self, in_sync: Vec<String>, stands: bool) -> Result<View, LeaseError> {
        let Electorate::Lease(store) = &self.electorate else {
            return Err(LeaseError("there is none".to_owned()));
        };
        let read_at = Some(Instant::now());
        let read = store.read().await?;
        let (record, version) = match read {
            Some((record, version)) => (record, Some(version)),
            None => (LeaseRecord::default(), None),
        };
        let (holder, transitions) = (record.holder.as_str(), record.transitions);
        let held = self.held && holder == self.me;
        self.held = held;
        let free = held || holder.is_empty();
        let decision = decide(free, version.as_deref(), &mut self.seen, Instant::now());
        if decision == Decision::Leave || !stands {
            return Ok(View::Other {
                holder: record.holder,
                read_at,
                in_sync: record.in_sync,
            });
        }
        let was_in_sync = held || record.in_sync.contains(&self.me);
        let transitions = transitions + u64::from(!held);
        let taken = LeaseRecord {
            holder: self.me.clone(),
            transitions,
            // Who takes over knows of nobody yet.
            in_sync: if held { in_sync } else { Vec::new() },
        };
        // Counted from before the write is sent: the others count from when they see it.
        let sent = Instant::now();
        if store.write(taken, version).await? {
            self.held = true;
            return Ok(View::Mine {
                until: Some(sent + TENURE),
                epoch: transitions,
                in_sync: was_in_sync,
            });
        }
        // Who was faster is seen in the next round.
        Ok(View::Other {
            holder: record.holder,
            read_at,
            in_sync: record.in_sync,
        })
    }

    /// Gives the lease back, so that the next one need not wait. A failure costs only that wait.
    pub(crate) async fn release(&mut self) {
        self.held = false;
        let Electorate::Lease(store) = &self.electorate else {
            return;
        };
        let released = tokio::time::timeout(PATIENCE, async {
            if let Some((record, version)) = store.read().await?
                && record.holder == self.me
            {
                let record = LeaseRecord {
                    holder: String::new(),
                    ..record
                };
                store.write(record, Some(version)).await?;
            }
            Ok::<(), LeaseError>(())
        });
        if let Ok(Err(error)) = released.await {
            tracing::warn!(%error, "the lease cannot be given back");
        }
    }
}

/// `free`: it is nobody's, or this process's.
fn decide(
    free: bool,
    version: Option<&str>,
    seen: &mut Option<(String, Instant)>,
    now: Instant,
) -> Decision {
    if free {
        return Decision::Write;
    }
    let version = version.unwrap_or_default();
    let since = match seen {
        Some((seen, since)) if seen == version => *since,
        _ => {
            *seen = Some((version.to_owned(), now));
            now
        }
    };
    if now >= since + DURATION {
        Decision::Write
    } else {
        Decision::Leave
    }
}

#[cfg(test)]
mod tests {
    use super::super::sessions::LEASE;
    use super::*;

    #[test]
    fn a_lease_runs_out_by_the_clock_of_who_looks_at_it() {
        let start = Instant::now();
        let mut seen = None;
        let mut look = |version: &str, after: u64| {
            let now = start + Duration::from_millis(after);
            decide(false, Some(version), &mut seen, now)
        };
        assert_eq!(look("1", 0), Decision::Leave);
        assert_eq!(look("1", 1_999), Decision::Leave);
        // Renewed just in time.
        assert_eq!(look("2", 2_000), Decision::Leave);
        assert_eq!(look("2", 3_999), Decision::Leave);
        assert_eq!(look("2", 4_000), Decision::Write);
    }

    #[derive(Default)]
    struct InMemory(parking_lot::Mutex<Option<(LeaseRecord, u64)>>);

    impl LeaseStore for std::sync::Arc<InMemory> {
        fn read(&self) -> BoxFuture<'_, Result<Option<(LeaseRecord, String)>, LeaseError>> {
            let read = self.0.lock().clone();
            let read = read.map(|(record, version)| (record, version.to_string()));
            Box::pin(async { Ok(read) })
        }

        fn write(
            &self,
            record: LeaseRecord,
            version: Option<String>,
        ) -> BoxFuture<'_, Result<bool, LeaseError>> {
            let mut held = self.0.lock();
            let present = held.as_ref().map(|(_, version)| *version);
            let same = present.map(|version| version.to_string()) == version;
            if same {
                *held = Some((record, present.unwrap_or(0) + 1));
            }
            Box::pin(async move { Ok(same) })
        }
    }

    /// A process that has died may have granted leases until its own ran out; the one that is started in its place knows
    /// nothing of them, and is nobody special for having its name.
    #[tokio::test(start_paused = true)]
    async fn a_restarted_holder_waits_like_everybody() {
        let lease = std::sync::Arc::new(InMemory::default());
        let process = || {
            let store = Box::new(std::sync::Arc::clone(&lease));
            Candidate::new("a".to_owned(), Electorate::Lease(store))
        };
        let mut first = process();
        for _ in 0..3 {
            let view = first.round(&View::Unknown, Vec::new(), true).await;
            assert!(matches!(view, View::Mine { .. }), "{view:?}");
        }
        let mut second = process();
        let started = Instant::now();
        let mut view = View::Unknown;
        while !matches!(view, View::Mine { .. }) {
            view = second.round(&view, Vec::new(), true).await;
            tokio::time::sleep(ROUND).await;
        }
        assert!(started.elapsed() >= DURATION, "{:?}", started.elapsed());
        assert!(matches!(view, View::Mine { in_sync: false, .. }));
        second.release().await;
        let view = first.round(&View::Unknown, Vec::new(), true).await;
        assert!(matches!(view, View::Mine { .. }), "given back: {view:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_primary_waits_for_the_leases_of_the_process_before_it() {
        let mut fixed = Candidate::new("a".to_owned(), Electorate::Fixed("a".to_owned()));
        let view = fixed.round(&View::Unknown, Vec::new(), true).await;
        assert_eq!(view, View::Unknown);
        tokio::time::sleep(LEASES_OVER).await;
        let view = fixed.round(&View::Unknown, Vec::new(), true).await;
        assert!(matches!(view, View::Mine { until: None, .. }), "{view:?}");
    }

    /// What others wait for is longer than what the holder has, wherever the moments of reading fall.
    #[test]
    fn no_tenure_outlives_the_wait_of_the_others() {
        assert!(TENURE + Duration::from_millis(50) < DURATION);
        assert!(LEASE + Duration::from_millis(50) < LEASES_OVER);
    }
}
