//! The catalog as this node knows it: tables, partitions, groups, nodes.
//!
//! The truth lies in the rows of the meta group, which every node replicates. [`Catalog`] keeps a
//! decoded copy that readers share without waiting, rebuilt from the *applied* rows whenever the
//! meta group has moved. It may lag behind the leader: a request that misses a table asks for a
//! barrier first (`control.rs`), and the leader of a data group checks each route by its own state.

pub mod rows;
pub mod table;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use self::rows::{
    CLUSTER_KEY, COUNTERS_KEY, ClusterRow, CountersRow, DROPPED_PREFIX, DroppedRow, GROUP_PREFIX,
    GlobalIndexRow, GroupRow, IndexStatusRow, LastChange, NODE_PREFIX, NodeRow, Row, RowError,
    TABLE_PREFIX, TableRow, TableStatusRow, table_key,
};
pub use self::table::Table;
use crate::engine::{Direction, Engine, EngineError, EngineSnapshot, Keyspace};
use crate::table::keys::{StorageId, after_prefix};

/// Why the catalog cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// One version of the catalog. Immutable; readers keep it as long as they like.
#[derive(Debug, Clone, Default)]
pub struct CatalogState {
    /// Raised by one with every change; 0 before the cluster was founded.
    pub version: u64,
    /// Who the cluster is.
    pub cluster: Option<Arc<ClusterRow>>,
    /// Tables by name.
    pub tables: Arc<BTreeMap<Arc<str>, Arc<Table>>>,
    /// Nodes by id.
    pub nodes: Arc<BTreeMap<u64, NodeRow>>,
    /// Replicas of the data groups.
    pub groups: Arc<BTreeMap<u32, GroupRow>>,
    /// Tables whose data is still being removed, by storage id.
    pub dropped: Arc<BTreeMap<u64, DroppedRow>>,
}

/// The node's copy of the catalog.
pub struct Catalog {
    engine: Arc<dyn Engine>,
    current: RwLock<Arc<CatalogState>>,
    /// Held while the copy is rebuilt, so that an older version never replaces a newer one.
    rebuilding: Mutex<()>,
    versions: watch::Sender<u64>,
}

impl Catalog {
    /// Reads the catalog that the engine holds.
    ///
    /// # Errors
    /// [`CatalogError`]; a row of a newer format version among them.
    pub fn open(engine: Arc<dyn Engine>) -> Result<Self, CatalogError> {
        let catalog = Self {
            engine,
            current: RwLock::default(),
            rebuilding: Mutex::new(()),
            versions: watch::channel(0).0,
        };
        catalog.refresh()?;
        Ok(catalog)
    }

    /// The newest version known.
    pub fn current(&self) -> Arc<CatalogState> {
        Arc::clone(&self.current.read())
    }

    /// Tells of each new version.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }

    /// A table by name.
    pub fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.current.read().tables.get(name).cloned()
    }

    /// A global index by its storage id, with the name of its table; `None` if it is gone, or it or
    /// its table is being deleted.
    pub fn global_index(&self, storage_id: u64) -> Option<(String, GlobalIndexRow)> {
        let state = self.current();
        let mut living = state
            .tables
            .values()
            .filter(|table| table.row.status != TableStatusRow::Deleting);
        living.find_map(|table| {
            let row = table.global_index_row(StorageId(storage_id))?;
            (row.status != IndexStatusRow::Deleting).then(|| (table.row.name.clone(), row.clone()))
        })
    }

    /// Takes over what the meta group has applied since the last call. Reads one row when nothing
    /// changed, and one more when one table did.
    ///
    /// # Errors
    /// [`CatalogError`]; the copy then stays as it was.
    pub fn refresh(&self) -> Result<(), CatalogError> {
        let _alone = self.rebuilding.lock();
        let state = self.engine.snapshot();
        let Some(counters) = read::<CountersRow>(&*state, COUNTERS_KEY)? else {
            return Ok(());
        };
        let held = self.current();
        if counters.version <= held.version {
            return Ok(());
        }
        let next = match &counters.last_change {
            LastChange::Table(name) if counters.version == held.version + 1 => {
                with_table(&held, &*state, name, counters.version)?
            }
            LastChange::Dropped if counters.version == held.version + 1 => CatalogState {
                version: counters.version,
                dropped: Arc::new(dropped(&*state)?),
                ..(*held).clone()
            },
            _ => whole(&*state, counters.version)?,
        };
        *self.current.write() = Arc::new(next);
        self.versions.send_replace(counters.version);
        Ok(())
    }
}

/// Reads one row.
pub(super) fn read<R: Row>(
    state: &dyn EngineSnapshot,
    key: &[u8],
) -> Result<Option<R>, CatalogError> {
    Ok(state
        .get(Keyspace::Catalog, key)?
        .map(|bytes| R::decode(&bytes))
        .transpose()?)
}

fn rows_of<R: Row>(state: &dyn EngineSnapshot, prefix: &[u8]) -> Result<Vec<R>, CatalogError> {
    let end = after_prefix(prefix.to_vec());
    state
        .scan(
            Keyspace::Catalog,
            Bound::Included(prefix),
            Bound::Excluded(&end),
            Direction::Forward,
        )
        .map(|entry| {
            let (_, value): (Bytes, Bytes) = entry?;
            Ok(R::decode(&value)?)
        })
        .collect()
}

fn dropped(state: &dyn EngineSnapshot) -> Result<BTreeMap<u64, DroppedRow>, CatalogError> {
    let rows: Vec<DroppedRow> = rows_of(state, DROPPED_PREFIX)?;
    Ok(rows.into_iter().map(|row| (row.storage_id, row)).collect())
}

fn with_table(
    held: &CatalogState,
    state: &dyn EngineSnapshot,
    name: &str,
    version: u64,
) -> Result<CatalogState, CatalogError> {
    let mut tables = (*held.tables).clone();
    match (read::<TableRow>(state, &table_key(name))?, &held.cluster) {
        (Some(row), Some(cluster)) => {
            tables.insert(Arc::from(name), Arc::new(Table::new(row, cluster)));
        }
        _ => {
            tables.remove(name);
        }
    }
    Ok(CatalogState {
        version,
        tables: Arc::new(tables),
        dropped: Arc::new(dropped(state)?),
        ..held.clone()
    })
}

fn whole(state: &dyn EngineSnapshot, version: u64) -> Result<CatalogState, CatalogError> {
    let cluster = read::<ClusterRow>(state, CLUSTER_KEY)?.map(Arc::new);
    let tables: Vec<TableRow> = rows_of(state, TABLE_PREFIX)?;
    let nodes: Vec<NodeRow> = rows_of(state, NODE_PREFIX)?;
    let groups: Vec<GroupRow> = rows_of(state, GROUP_PREFIX)?;
    let tables = match &cluster {
        Some(cluster) => tables
            .into_iter()
            .map(|row| {
                (
                    Arc::from(row.name.as_str()),
                    Arc::new(Table::new(row, cluster)),
                )
            })
            .collect(),
        None => BTreeMap::new(),
    };
    Ok(CatalogState {
        version,
        cluster,
        tables: Arc::new(tables),
        nodes: Arc::new(nodes.into_iter().map(|row| (row.node_id, row)).collect()),
        groups: Arc::new(groups.into_iter().map(|row| (row.group_id, row)).collect()),
        dropped: Arc::new(dropped(state)?),
    })
}
