//! What the proxy counts. Names that Amazon's DAX has are given in each metric's help text.

use std::sync::{Arc, Weak};

use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::answer::Failure;
use crate::cache::store::Usage;
use crate::cache::{ItemCache, QueryCache};
use crate::cluster::Cluster;
use crate::sidecar::Follower;

/// What a node is in its cluster, read when the metrics are.
#[derive(Debug)]
pub(crate) struct ClusterCollector(pub(crate) Weak<Cluster>);

impl Collector for ClusterCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(cluster) = self.0.upgrade() else {
            return Ok(());
        };
        let gauges = [
            (
                "cluster_primary",
                "1 on the primary of the cache cluster",
                i64::from(cluster.leads()),
            ),
            (
                "cluster_serves_hits",
                "1 while the node may serve hits: as the primary, or under its lease",
                i64::from(cluster.may_hit(Instant::now())),
            ),
            (
                "cluster_replicas",
                "Replicas in session with this node, if it is the primary",
                i64::try_from(cluster.sessions.len()).unwrap_or(i64::MAX),
            ),
        ];
        for (name, help, value) in gauges {
            encode_gauge(&mut encoder, name, help, None, value)?;
        }
        Ok(())
    }
}

/// Whether a sidecar may serve hits, read when the metrics are.
#[derive(Clone)]
pub(crate) struct SidecarCollector(pub(crate) Arc<Follower>);

impl std::fmt::Debug for SidecarCollector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SidecarCollector")
            .finish_non_exhaustive()
    }
}

impl Collector for SidecarCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        encode_gauge(
            &mut encoder,
            "sidecar_serves_hits",
            "1 while the sidecar may serve hits: for a second after it has heard from its cluster",
            None,
            i64::from(self.0.may_hit(Instant::now())),
        )
    }
}

fn encode_gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: i64,
) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(value);
    let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
    gauge.encode(metric)
}

/// Label of a count by operation. A closed set: the operations of the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OperationLabel {
    pub(crate) operation: &'static str,
}

/// Which of the two kinds of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    Query,
    Scan,
}

/// All counters. Cheap to count, read by the registry.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Family<OperationLabel, Counter>,
    pub(crate) errors: Counter,
    pub(crate) faults: Counter,
    pub(crate) throttled: Counter,
    pub(crate) native_connections: Counter,
    pub(crate) item_hits: Counter,
    pub(crate) item_misses: Counter,
    pub(crate) fills: Counter,
    pub(crate) changes_seen: Counter,
    pub(crate) changes_dropped: Counter,
    pub(crate) streams_lost: Counter,
    pub(crate) followed: Counter,
    pub(crate) told_changes: Counter,
    pub(crate) passed_signed: Counter,
    query_hits: Counter,
    query_misses: Counter,
    scan_hits: Counter,
    scan_misses: Counter,
}

impl Metrics {
    /// Registers all of them under the prefix `stator_dax`.
    pub(crate) fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register(
            "requests",
            "Requests by operation (DAX: TotalRequestCount and the \
            counts by operation)",
            self.requests.clone(),
        );
        for (name, help, counter) in [
            (
                "errors",
                "Answers with a 4xx status (DAX: ErrorRequestCount)",
                &self.errors,
            ),
            (
                "faults",
                "Answers with a 5xx status (DAX: FaultRequestCount)",
                &self.faults,
            ),
            (
                "throttled",
                "Requests refused because too many were in flight (DAX: \
                ThrottledRequestCount)",
                &self.throttled,
            ),
            (
                "native_connections",
                "Connections of the native protocol that began",
                &self.native_connections,
            ),
            (
                "item_cache_hits",
                "Keys answered from the item cache (DAX: ItemCacheHits)",
                &self.item_hits,
            ),
            (
                "item_cache_misses",
                "Keys that the item cache did not hold (DAX: ItemCacheMisses)",
                &self.item_misses,
            ),
            (
                "item_cache_fills",
                "Requests to the store that fill the item cache",
                &self.fills,
            ),
            (
                "coherence_changes",
                "Records of streams that the coherent mode has read",
                &self.changes_seen,
            ),
            (
                "coherence_drops",
                "Items that the coherent mode has dropped because somebody else changed them",
                &self.changes_dropped,
            ),
            (
                "coherence_streams_lost",
                "Times that a stream could not be read for longer than half a second, so that its table was dropped",
                &self.streams_lost,
            ),
            (
                "followed",
                "Questions of sidecars for what has changed, answered by this node",
                &self.followed,
            ),
            (
                "sidecar_changes",
                "Changes that this sidecar was told of and has carried out; each twice",
                &self.told_changes,
            ),
            (
                "sidecar_passed",
                "Requests that this sidecar passed on as their caller has signed them",
                &self.passed_signed,
            ),
            (
                "query_cache_hits",
                "Queries answered from the query cache (DAX: QueryCacheHits)",
                &self.query_hits,
            ),
            (
                "query_cache_misses",
                "Queries that the query cache did not hold (DAX: QueryCacheMisses)",
                &self.query_misses,
            ),
            (
                "scan_cache_hits",
                "Scans answered from the query cache (DAX: ScanCacheHits)",
                &self.scan_hits,
            ),
            (
                "scan_cache_misses",
                "Scans that the query cache did not hold (DAX: ScanCacheMisses)",
                &self.scan_misses,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
    }

    /// A request was answered.
    pub(crate) fn count_outcome(&self, status: StatusCode) {
        if status.is_client_error() {
            self.errors.inc();
        } else if status.is_server_error() {
            self.faults.inc();
        }
    }

    /// A Query or Scan was answered from the cache.
    pub(crate) fn page_hit(&self, pages: Pages) {
        match pages {
            Pages::Query => self.query_hits.inc(),
            Pages::Scan => self.scan_hits.inc(),
        };
    }

    /// A Query or Scan was not in the cache.
    pub(crate) fn page_miss(&self, pages: Pages) {
        match pages {
            Pages::Query => self.query_misses.inc(),
            Pages::Scan => self.scan_misses.inc(),
        };
    }
}

/// Reads the caches' size when asked.
#[derive(Clone)]
pub(crate) struct UsageCollector {
    pub(crate) items: Arc<ItemCache<Failure>>,
    pub(crate) queries: Option<Arc<QueryCache<Failure>>>,
    pub(crate) capacity_bytes: u64,
}

impl std::fmt::Debug for UsageCollector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("UsageCollector")
            .finish_non_exhaustive()
    }
}

impl Collector for UsageCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let items = self.items.usage();
        let queries = self
            .queries
            .as_ref()
            .map_or_else(Usage::default, |queries| queries.usage());
        for (name, help, unit, value) in [
            (
                "item_cache_entries",
                "Entries of the item cache",
                None,
                items.entries,
            ),
            (
                "query_cache_entries",
                "Entries of the query cache",
                None,
                queries.entries,
            ),
            (
                "item_cache_size",
                "Bytes held by the item cache, overhead included",
                Some(Unit::Bytes),
                items.bytes,
            ),
            (
                "query_cache_size",
                "Bytes held by the query cache, overhead included",
                Some(Unit::Bytes),
                queries.bytes,
            ),
            (
                "cache_capacity",
                "Bytes that both caches may hold (DAX: with the sizes, \
                CacheMemoryUtilization)",
                Some(Unit::Bytes),
                self.capacity_bytes,
            ),
            (
                "keys_in_flight",
                "Keys with a fill or a write in flight",
                None,
                u64::try_from(self.items.in_flight()).unwrap_or(u64::MAX),
            ),
        ] {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            encode_gauge(&mut encoder, name, help, unit.as_ref(), value)?;
        }
        let evicted = ConstCounter::new(items.evicted_bytes.saturating_add(queries.evicted_bytes));
        let metric = encoder.encode_descriptor(
            "evicted",
            "Bytes evicted for want of room (DAX: EvictedSize)",
            Some(&Unit::Bytes),
            <ConstCounter<u64> as EncodeMetric>::metric_type(&evicted),
        )?;
        evicted.encode(metric)
    }
}
