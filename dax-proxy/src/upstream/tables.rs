//! What is known of the store's tables: identity and key schema, by `DescribeTable`.
//!
//! Entries are keyed by TableId, so that a table deleted and made again is another table. A table is
//! asked for again after [`REFRESH_AFTER`] (beside the request that notices), must be known anew after
//! [`USE_AT_MOST`], and is forgotten when the store says that it is not there or a table operation
//! passes by.
//!
//! **Two identities under one name.** While requests that hold the old identity are in flight, their
//! fences are on other keys than those of the new one. Until they have ended nothing of the new table
//! is stored: [`Table::may_store`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use stator_kit::task::TaskOwner;
use stator_model::{KeyAttribute, KeySchema, ScalarType};
use tokio::time::Instant;

use super::client::{Answered, Upstream, UpstreamError};
use crate::cache::{Generations, TableHandle, TableId};

/// Age at which a table is asked for again. A table that another client deletes and makes again is
/// noticed within this time; the answer is small, and there is one for each table and minute.
const REFRESH_AFTER: Duration = Duration::from_secs(60);

/// Age at which what is known is not used any more. In between, an unreachable store costs no hits.
const USE_AT_MOST: Duration = Duration::from_secs(600);

/// Names remembered. A name gets here only when the store has such a table, and DynamoDB's highest
/// quota is 10,000 tables; a name may come as a name and as an ARN. Beyond it, all are forgotten.
const NAMES_MAX: usize = 32_768;

/// How often a table is asked for if its name is forgotten meanwhile. With the last answer nothing is stored.
const DESCRIBE_ATTEMPTS: u32 = 3;

/// A table that requests may use.
#[derive(Debug)]
pub(crate) struct Table {
    /// What the caches know it by.
    pub(crate) handle: TableHandle,
    /// Its key, to find entries by.
    pub(crate) key_schema: KeySchema,
    /// Its stream, if it is enabled.
    pub(crate) stream_arn: Option<String>,
    /// Set when its stream has been looked at by [`crate::coherence`].
    pub(crate) followed: AtomicBool,
    known_since: Instant,
    /// Set by the one request that asks again.
    refreshing: AtomicBool,
    /// Other identities that this name had, while someone may still use them.
    predecessors: Vec<Weak<Table>>,
    /// The name was forgotten while this was asked for: it is for one request, which stores nothing.
    passing: bool,
}

impl Table {
    /// Whether an entry made by a request that begins now may be stored: see the module.
    pub(crate) fn may_store(&self) -> bool {
        !self.passing
            && self
                .predecessors
                .iter()
                .all(|table| table.strong_count() == 0)
    }
}

/// Why a table is not known.
#[derive(Clone, Debug)]
pub(crate) enum TableError {
    /// The store answered something else than a table; the request itself will tell the caller why.
    Refused,
    /// The store did not answer.
    Unreachable(UpstreamError),
}

/// The tables by the names that requests use.
pub(crate) struct Tables {
    upstream: Arc<Upstream>,
    generations: Generations,
    names: RwLock<BTreeMap<String, Arc<Slot>>>,
    /// The nodes of a cache cluster, if there is one.
    nodes: Option<Arc<dyn Nodes>>,
    tasks: TaskOwner,
}

/// Who else is told of tables: the other nodes of a cache cluster, where all must find a table's entries under one id, and
/// sidecars.
pub(crate) trait Nodes: Send + Sync + 'static {
    /// Which table has that name for the cluster. `None`: this node is to ask the store.
    fn identify(&self, name: String) -> BoxFuture<'_, Option<Result<Described, TableError>>>;

    /// All that is held of a table is dropped; `None`: of every table.
    fn dropped(&self, table: Option<TableId>);

    /// The same of one table on this node alone: the others find out for themselves.
    fn entries_dropped(&self, table: TableId);
}

/// One name.
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
    /// Held by the one who asks, so that all who find nothing ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct SlotState {
    current: Option<Arc<Table>>,
    previous: Vec<Weak<Table>>,
    /// How often the name was forgotten: what was asked for before it is not kept.
    forgotten: u64,
}

impl Tables {
    #[cfg(test)]
    pub(crate) fn new(upstream: Arc<Upstream>, tasks: TaskOwner) -> Arc<Self> {
        Self::among(None, upstream, tasks)
    }

    /// As a node of a cluster.
    pub(crate) fn among(
        nodes: Option<Arc<dyn Nodes>>,
        upstream: Arc<Upstream>,
        tasks: TaskOwner,
    ) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            generations: Generations::default(),
            names: RwLock::new(BTreeMap::new()),
            nodes,
            tasks,
        })
    }

    /// The table of that name.
    pub(crate) async fn get(
        self: &Arc<Self>,
        name: &str,
        now: Instant,
    ) -> Result<Arc<Table>, TableError> {
        if let Some(table) = self.current(name) {
            let age = now.saturating_duration_since(table.known_since);
            if age < REFRESH_AFTER {
                return Ok(table);
            }
            if age < USE_AT_MOST {
                self.refresh_beside(name, &table, now);
                return Ok(table);
            }
        }
        self.ask(name, now).await
    }

    /// The store said that there is no such table, or a table operation on it has passed: what is held
    /// of it is dropped, and it is asked for again when it is next needed.
    pub(crate) fn forget(&self, name: &str) {
        let slot = self.names.read().get(name).cloned();
        if let Some(slot) = slot {
            self.forget_slot(&slot);
        }
    }

    /// The same for all tables: for what cannot be mapped to one.
    pub(crate) fn forget_all(&self) {
        for slot in self.slots() {
            self.forget_slot(&slot);
        }
        self.generations.drop_all();
        self.tell_dropped(None);
    }

    /// The same for the table with that id, whatever its names.
    pub(crate) fn forget_id(&self, id: TableId) {
        for slot in self.slots() {
            let named = slot.state.lock().current.clone();
            // A name that is being asked for may turn out to be this table's.
            if named.is_none_or(|table| table.handle.id() == id) {
                self.forget_slot(&slot);
            }
        }
        if let Some(table) = self.generations.known(id) {
            self.generations.drop_table(&table);
        }
    }

    /// The table with that id as the caches know it, if anything of it can be served.
    pub(crate) fn handle(&self, id: TableId) -> Option<TableHandle> {
        self.generations.known(id)
    }

    /// The same, as if somebody had asked for it.
    pub(crate) fn make_handle(&self, id: TableId) -> TableHandle {
        self.generations.handle(id)
    }

    /// The id of the table that has that name, as far as it is known.
    pub(crate) fn id_of(&self, name: &str) -> Option<TableId> {
        self.current(name).map(|table| table.handle.id())
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        self.names.read().values().cloned().collect()
    }

    fn tell_dropped(&self, table: Option<TableId>) {
        if let Some(nodes) = &self.nodes {
            nodes.dropped(table);
        }
    }

    /// All that is held of the table is dropped.
    pub(crate) fn drop_entries(&self, table: &TableHandle) {
        if let Some(nodes) = &self.nodes {
            nodes.entries_dropped(table.id());
        }
        self.generations.drop_table(table);
    }

    /// All pages of the table are dropped.
    pub(crate) fn drop_pages(&self, table: &TableHandle) {
        self.generations.drop_pages(table);
    }

    /// As if the store had described it.
    #[cfg(test)]
    pub(crate) fn know(
        &self,
        name: &str,
        id: TableId,
        key_schema: KeySchema,
        now: Instant,
    ) -> Arc<Table> {
        let slot = self.slot(name);
        let mut state = slot.state.lock();
        let stream_arn = None;
        let described = Described {
            id,
            key_schema,
            stream_arn,
        };
        self.install(&mut state, described, true, now)
    }

    fn current(&self, name: &str) -> Option<Arc<Table>> {
        let names = self.names.read();
        let slot = names.get(name)?;
        slot.state.lock().current.clone()
    }

    fn forget_slot(&self, slot: &Slot) {
        let mut state = slot.state.lock();
        state.forgotten += 1;
        if let Some(table) = state.current.take() {
            self.generations.drop_table(&table.handle);
            self.tell_dropped(Some(table.handle.id()));
            state.previous.push(Arc::downgrade(&table));
        }
    }

    fn refresh_beside(self: &Arc<Self>, name: &str, table: &Arc<Table>, now: Instant) {
        if table.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (tables, name, table) = (Arc::clone(self), name.to_owned(), Arc::downgrade(table));
        self.tasks.spawn("table refresh", async move {
            let asked = tables.ask(&name, now).await;
            if let (Err(error), Some(table)) = (asked, table.upgrade()) {
                tracing::debug!(table = name, ?error, "table could not be refreshed");
                table.refreshing.store(false, Ordering::Release);
            }
        });
    }

    async fn ask(&self, name: &str, now: Instant) -> Result<Arc<Table>, TableError> {
        let slot = self.slot(name);
        let _asking = slot.asking.lock().await;
        // Someone else may have asked while this request waited.
        let known = slot.state.lock().current.clone();
        if let Some(table) = known
            && now.saturating_duration_since(table.known_since) < REFRESH_AFTER
        {
            return Ok(table);
        }
        let mut attempts = DESCRIBE_ATTEMPTS;
        let (described, mut state, keeps) = loop {
            let before = slot.state.lock().forgotten;
            let described = self.describe(name).await;
            attempts -= 1;
            let state = slot.state.lock();
            // What was asked for before the name was forgotten may be what was to be forgotten.
            let keeps = state.forgotten == before;
            if keeps || attempts == 0 {
                break (described, state, keeps);
            }
        };
        match described {
            Ok(described) => Ok(self.install(&mut state, described, keeps, now)),
            Err(TableError::Refused) => {
                drop(state);
                self.forget_slot(&slot);
                let mut names = self.names.write();
                if unused(&slot, 2) {
                    names.remove(name);
                }
                Err(TableError::Refused)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes it the table of the name; without `keeps` only for the request that asked.
    fn install(
        &self,
        state: &mut SlotState,
        described: Described,
        keeps: bool,
        now: Instant,
    ) -> Arc<Table> {
        let handle = self.generations.handle(described.id);
        state.previous.retain(|table| table.strong_count() > 0);
        if let Some(old) = state.current.take() {
            if old.handle.id() != described.id {
                self.tell_dropped(Some(old.handle.id()));
            }
            state.previous.push(Arc::downgrade(&old));
        }
        // The same identity has the same fences: no reason to wait for those who hold it.
        let other = |table: &&Weak<Table>| {
            table
                .upgrade()
                .is_some_and(|table| table.handle.id() != described.id)
        };
        let table = Arc::new(Table {
            handle,
            key_schema: described.key_schema,
            stream_arn: described.stream_arn,
            followed: AtomicBool::new(false),
            // When it was asked for, not when the answer came.
            known_since: now,
            refreshing: AtomicBool::new(false),
            predecessors: state.previous.iter().filter(other).cloned().collect(),
            passing: !keeps,
        });
        if keeps {
            state.current = Some(Arc::clone(&table));
        } else {
            state.previous.push(Arc::downgrade(&table));
        }
        table
    }

    fn slot(&self, name: &str) -> Arc<Slot> {
        if let Some(slot) = self.names.read().get(name) {
            return Arc::clone(slot);
        }
        if self.names.read().len() >= NAMES_MAX {
            self.forget_all();
            self.names.write().retain(|_, slot| !unused(slot, 1));
        }
        Arc::clone(self.names.write().entry(name.to_owned()).or_default())
    }

    async fn describe(&self, name: &str) -> Result<Described, TableError> {
        if let Some(nodes) = &self.nodes
            && let Some(described) = nodes.identify(name.to_owned()).await
        {
            return described;
        }
        let mut body = b"{\"TableName\":".to_vec();
        crate::wire::write_string(&mut body, name);
        body.push(b'}');
        match self.upstream.call("DescribeTable", body.into()).await {
            Ok(answer) => Described::parse(&answer).ok_or(TableError::Refused),
            Err(error) => Err(TableError::Unreachable(error)),
        }
    }
}

/// Whether a name's slot can go: nobody but its `holders` has it (under the lock of the names, where it
/// is handed out), and nothing that it must remember is in use.
fn unused(slot: &Arc<Slot>, holders: usize) -> bool {
    Arc::strong_count(slot) <= holders
        && slot
            .state
            .lock()
            .previous
            .iter()
            .all(|table| table.strong_count() == 0)
}

/// What is read of a `DescribeTable` answer.
pub(crate) struct Described {
    pub(crate) id: TableId,
    pub(crate) key_schema: KeySchema,
    pub(crate) stream_arn: Option<String>,
}

impl Described {
    /// `None` for an error, or for what has no key schema.
    fn parse(answer: &Answered) -> Option<Self> {
        if !answer.is_success() {
            return None;
        }
        let answer: DescribeAnswer = serde_json::from_slice(&answer.body).ok()?;
        let table = answer.table;
        let attribute = |key_type: &str| {
            let element = table
                .key_schema
                .iter()
                .find(|element| element.key_type == key_type)?;
            let definition = table
                .attribute_definitions
                .iter()
                .find(|definition| definition.attribute_name == element.attribute_name)?;
            Some(KeyAttribute {
                name: element.attribute_name.clone(),
                scalar_type: ScalarType::from_name(&definition.attribute_type)?,
            })
        };
        let partition_key = attribute("HASH")?;
        let sort_key = attribute("RANGE");
        if sort_key.is_none() && table.key_schema.len() > 1 {
            return None;
        }
        // An endpoint without table ids is told apart by the table's ARN and moment of creation.
        let id = match &table.table_id {
            Some(id) => TableId::from_text(id),
            None => {
                let (arn, created) = (table.table_arn?, table.creation_date_time?);
                TableId::from_text(&format!("{arn} {created}"))
            }
        };
        let is_streamed = table
            .stream_specification
            .is_some_and(|stream| stream.stream_enabled);
        Some(Self {
            id,
            key_schema: KeySchema {
                partition_key,
                sort_key,
            },
            stream_arn: table.latest_stream_arn.filter(|_| is_streamed),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeAnswer {
    table: TableAnswer,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableAnswer {
    table_id: Option<String>,
    table_arn: Option<String>,
    creation_date_time: Option<serde_json::Number>,
    key_schema: Vec<KeySchemaElement>,
    #[serde(default)]
    attribute_definitions: Vec<AttributeDefinition>,
    latest_stream_arn: Option<String>,
    stream_specification: Option<StreamSpecification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamSpecification {
    stream_enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeySchemaElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[cfg(test)]
mod tests;
