//! One database out of many groups: routing, the partition map, latches, batches.
//!
//! [`Cluster`] is a node's handle to all of it. Every node is a router: it resolves a request to
//! table, partition and group with its own copy of the catalog, serves it itself if it leads the
//! group (or if any replica will do), else sends it to the leader. Owned here: the item latches, the
//! guards that know which partitions a led group holds, and the node's view of the catalog.
//! Invariant: nothing is written except by a proposal to a group, under the latch of its item.

pub mod message;

pub mod catalog;

pub mod latch;

pub mod group_state;

mod backfill;
mod delivery;
mod guard;
mod item_change;
mod outbox;
mod page;
mod read;
mod route;
mod write;

pub mod control;

pub mod transaction;

mod background;
mod expiry;
mod leaders;
mod metrics;
mod removal;
mod serve;
mod sizes;
pub mod status;
pub mod streams;
mod throughput;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use stator_kit::clock::WallClock;
use stator_kit::rng::RandomSource;
use stator_kit::task::TaskOwner;
use tokio::sync::Mutex;

pub use self::catalog::{Catalog, Table};
pub use self::control::UnbackedSettings;
use self::guard::GroupGuard;
use self::latch::Latches;
pub use self::metrics::ClusterMetrics;
use self::outbox::Outbox;
pub use self::page::{Page, PageQuery, PageSource, PageTexts};
use self::sizes::Sizes;
use self::transaction::{GroupLocks, Running};
pub use self::transaction::{TransactAction, TransactWrite, TransactWritten, TransactionToken};
pub use self::write::{ItemWrite, WriteTexts};
use crate::engine::Engine;
use crate::identity::VolumeIdentity;
use crate::replication::{GroupHandle, GroupId, NodeId};
use crate::rpc::Transport;
use crate::throttle::{Throttle, Throttling};

/// Partitions of a new table. Four spread a table's load over four groups and cost four rows.
pub const PARTITIONS_DEFAULT: u32 = 4;

/// How long a request may take before the server gives up on it. An election ends within 3 s, so a
/// request that arrives at its beginning is usually answered, not refused.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Times of what a node does without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upkeep {
    /// How long records of streams are kept.
    pub stream_retention: Duration,
    /// How long a shard of a stream stays open before a child continues it.
    pub stream_shard: Duration,
    /// Between two looks for expired items.
    pub expiry_scan: Duration,
    /// Between two walks that count the items of tables.
    pub table_sizes: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            stream_retention: Duration::from_secs(24 * 60 * 60),
            stream_shard: Duration::from_secs(4 * 60 * 60),
            expiry_scan: Duration::from_secs(60),
            table_sizes: Duration::from_secs(6 * 60 * 60),
        }
    }
}

/// What a [`Cluster`] is made of.
pub struct ClusterOptions {
    /// Who this node is.
    pub identity: VolumeIdentity,
    /// This node's failure domain, as configured.
    pub rack: String,
    /// The store.
    pub engine: Arc<dyn Engine>,
    /// The groups that live on this node.
    pub groups: Vec<GroupHandle>,
    /// The way to other nodes.
    pub transport: Arc<dyn Transport>,
    /// Wall clock.
    pub clock: Arc<dyn WallClock>,
    /// Randomness for ids and jitter.
    pub random: Arc<dyn RandomSource>,
    /// Owner of background work.
    pub tasks: TaskOwner,
    /// What throughput is held to.
    pub throttling: Throttling,
    /// What becomes of settings with nothing behind them.
    pub unbacked: UnbackedSettings,
    /// Times of background work.
    pub upkeep: Upkeep,
    /// What is counted.
    pub metrics: ClusterMetrics,
}

/// A node's handle to the database.
pub struct Cluster {
    identity: VolumeIdentity,
    rack: String,
    engine: Arc<dyn Engine>,
    groups: BTreeMap<GroupId, LocalGroup>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn WallClock>,
    random: Arc<dyn RandomSource>,
    tasks: TaskOwner,
    throttle: Throttle,
    /// The beginning of the throttle's time.
    opened_at: tokio::time::Instant,
    unbacked: UnbackedSettings,
    upkeep: Upkeep,
    metrics: ClusterMetrics,
    catalog: Catalog,
    latches: Latches,
    /// For tasks that outlive a request.
    this: Weak<Self>,
    /// The transactions that this node runs.
    running: Arc<Running>,
    /// What the last walk over the items counted.
    sizes: parking_lot::Mutex<Arc<Sizes>>,
    /// One change of the catalog at a time, on the leader of the meta group.
    catalog_latch: Arc<Mutex<()>>,
    /// Set while this node hands its leaderships away and takes none.
    draining: AtomicBool,
    drained_at: parking_lot::Mutex<Option<tokio::time::Instant>>,
}

/// A group that lives on this node.
struct LocalGroup {
    handle: GroupHandle,
    guard: GroupGuard,
    locks: Arc<GroupLocks>,
    outbox: Outbox,
}

impl Cluster {
    /// Opens the catalog. Background work starts with [`Cluster::start`].
    ///
    /// # Errors
    /// [`catalog::CatalogError`].
    pub fn open(options: ClusterOptions) -> Result<Arc<Self>, catalog::CatalogError> {
        let ClusterOptions {
            identity,
            rack,
            engine,
            groups,
            transport,
            clock,
            random,
            tasks,
            throttling,
            unbacked,
            upkeep,
            metrics,
        } = options;
        let catalog = Catalog::open(Arc::clone(&engine))?;
        let groups = groups
            .into_iter()
            .map(|handle| {
                (
                    handle.id(),
                    LocalGroup {
                        handle,
                        guard: GroupGuard::default(),
                        locks: Arc::default(),
                        outbox: Outbox::default(),
                    },
                )
            })
            .collect();
        Ok(Arc::new_cyclic(|this| Self {
            identity,
            rack,
            engine,
            groups,
            transport,
            clock,
            random,
            tasks,
            throttle: Throttle::new(throttling),
            opened_at: tokio::time::Instant::now(),
            unbacked,
            upkeep,
            metrics,
            catalog,
            latches: Latches::default(),
            this: Weak::clone(this),
            running: Arc::default(),
            sizes: parking_lot::Mutex::default(),
            catalog_latch: Arc::default(),
            draining: AtomicBool::new(false),
            drained_at: parking_lot::Mutex::default(),
        }))
    }

    /// The node's copy of the catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Who this node is.
    pub fn identity(&self) -> &VolumeIdentity {
        &self.identity
    }

    /// Region of the cluster.
    pub fn region(&self) -> &str {
        &self.identity.founding.region
    }

    /// Account of the cluster.
    pub fn account_id(&self) -> &str {
        &self.identity.founding.account_id
    }

    /// Randomness, for request ids.
    pub fn random(&self) -> &dyn RandomSource {
        &*self.random
    }

    /// Whether this node is handing its leaderships away.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn node_id(&self) -> NodeId {
        NodeId(self.identity.node_id)
    }

    /// Now, milliseconds since 1970.
    pub fn now_millis(&self) -> u64 {
        stator_kit::clock::unix_millis(self.clock.now())
    }

    /// A fresh 128-bit request id.
    pub fn request_id(&self) -> u128 {
        self.random.next_u128()
    }
}
