//! What a node of a cluster is made of: the caches and the cluster, each told of the other.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use stator_model::{KeyAttribute, KeySchema, ScalarType};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::answer::{Answer, Failure, throttled};
use crate::attribute_lists::ListRegistry;
use crate::cache::{CacheKey, CachedItem, ItemCache, Observer, TableHandle, TableId, WriteOutcome};
use crate::cluster::{Caches, Change, Cluster, Door, Forward, Sessions, TableIdentity};
use crate::native::{AttributeList, AttributeLists as _};
use crate::operations::policy::handling;
use crate::operations::{Call, Proxy};
use crate::sidecar::{Feed, Image, News};
use crate::upstream::{Described, Nodes, TableError, Tables};

/// Tables that nobody has asked for, remembered for what is told of them.
const TOLD_MAX: usize = 1_024;

/// Tells what happens to the caches: the replicas of this node's time as the primary, and the sidecars that follow it.
pub(crate) struct Telling {
    sessions: Arc<Sessions>,
    feed: Arc<Feed>,
    cluster: OnceLock<Weak<Cluster>>,
}

impl Telling {
    pub(crate) fn new(sessions: Arc<Sessions>, feed: Arc<Feed>) -> Arc<Self> {
        Arc::new(Self {
            sessions,
            feed,
            cluster: OnceLock::new(),
        })
    }

    /// The replicas.
    pub(crate) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }

    /// The cluster, once it is made.
    pub(crate) fn belongs_to(&self, cluster: &Arc<Cluster>) {
        // It is called once.
        drop(self.cluster.set(Arc::downgrade(cluster)));
    }
}

impl Observer for Telling {
    fn changed(&self, key: &CacheKey, item: Option<&CachedItem>, now: Instant) {
        let news = || News::Key {
            key: key.as_bytes().to_vec(),
            image: item.map_or(Image::Unknown, Image::of),
        };
        self.feed.publish(news, now);
        if !self.sessions.any() {
            return;
        }
        let key = key.as_bytes().to_vec();
        let change = match item {
            Some(item) => Change::Store {
                key,
                item: item.item_json().map(<[u8]>::to_vec),
                age_millis: 0,
            },
            None => Change::Drop { key },
        };
        self.sessions.publish(&change, now);
    }
}

impl Nodes for Telling {
    fn identify(&self, name: String) -> BoxFuture<'_, Option<Result<Described, TableError>>> {
        Box::pin(async move {
            let cluster = self.cluster.get().and_then(Weak::upgrade)?;
            match cluster.identify(name).await? {
                TableIdentity::Refused => Some(Err(TableError::Refused)),
                TableIdentity::Known {
                    id,
                    key,
                    stream_arn,
                } => Some(Ok(Described {
                    id: TableId::from_bytes(id),
                    key_schema: key_schema(&key)?,
                    stream_arn,
                })),
                TableIdentity::Unknown => None,
            }
        })
    }

    fn dropped(&self, table: Option<TableId>) {
        let now = Instant::now();
        self.feed.publish(|| news_of(table), now);
        let change = match table {
            Some(id) => Change::DropTable {
                table: *id.as_bytes(),
            },
            None => Change::DropAll,
        };
        self.sessions.publish(&change, now);
    }

    fn entries_dropped(&self, table: TableId) {
        // Replicas follow the table's stream themselves.
        self.feed.publish(|| news_of(Some(table)), Instant::now());
    }
}

fn news_of(table: Option<TableId>) -> News {
    match table {
        Some(id) => News::Table {
            table: *id.as_bytes(),
        },
        None => News::Everything,
    }
}

fn key_schema(key: &[(String, String)]) -> Option<KeySchema> {
    let attribute = |(name, scalar_type): &(String, String)| {
        Some(KeyAttribute {
            name: name.clone(),
            scalar_type: ScalarType::from_name(scalar_type)?,
        })
    };
    let (partition_key, sort_key) = match key {
        [partition] => (partition, None),
        [partition, sort] => (partition, Some(attribute(sort)?)),
        _ => return None,
    };
    Some(KeySchema {
        partition_key: attribute(partition_key)?,
        sort_key,
    })
}

/// Carries out here what other nodes tell.
pub(crate) struct LocalCaches {
    pub(crate) items: Arc<ItemCache<Failure>>,
    pub(crate) tables: Arc<Tables>,
    feed: Arc<Feed>,
    /// Tables that the primary has told of and nobody here has asked for: what is stored of them must be found when
    /// somebody does.
    told: Mutex<BTreeMap<TableId, TableHandle>>,
}

impl LocalCaches {
    pub(crate) fn new(
        items: Arc<ItemCache<Failure>>,
        tables: Arc<Tables>,
        feed: Arc<Feed>,
    ) -> Self {
        Self {
            items,
            tables,
            feed,
            told: Mutex::default(),
        }
    }

    /// The table of a change, known here from now on.
    fn told(&self, id: TableId) -> Option<TableHandle> {
        if let Some(table) = self.tables.handle(id) {
            return Some(table);
        }
        let mut told = self.told.lock();
        if told.len() >= TOLD_MAX {
            return None;
        }
        let table = self.tables.make_handle(id);
        Some(told.entry(id).or_insert(table).clone())
    }

    /// Nothing of the table can be held here, so that the caches tell nobody. A sidecar may have it from another node.
    fn untold(&self, key: &[u8], now: Instant) {
        let news = || News::Key {
            key: key.to_vec(),
            image: Image::Unknown,
        };
        self.feed.publish(news, now);
    }
}

impl Caches for LocalCaches {
    fn keys(&self) -> Vec<CacheKey> {
        self.items.keys()
    }

    fn tell(&self, key: &CacheKey, now: Instant, tell: &dyn Fn(&Change)) {
        let Some((table, _)) = CacheKey::from_bytes(key.as_bytes()) else {
            return;
        };
        let Some(table) = self.tables.handle(table) else {
            return;
        };
        self.items.tell_held(&table, key, now, |item, age| {
            tell(&Change::Store {
                key: key.as_bytes().to_vec(),
                item: item.item_json().map(<[u8]>::to_vec),
                age_millis: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            });
        });
    }

    fn apply(&self, change: &Change, now: Instant) {
        let held = |key: &[u8]| {
            let (table, key) = CacheKey::from_bytes(key)?;
            Some((self.tables.handle(table)?, key))
        };
        match change {
            Change::Store {
                key,
                item,
                age_millis,
            } => {
                let entry = CacheKey::from_bytes(key);
                let entry = entry.and_then(|(table, key)| Some((self.told(table)?, key)));
                let Some((table, key)) = entry else {
                    return self.untold(key, now);
                };
                let item = match item {
                    Some(json) => CachedItem::from_item_json(json),
                    None => CachedItem::Absent,
                };
                let age = Duration::from_millis(*age_millis);
                let stored_at = now.checked_sub(age).unwrap_or(now);
                self.items
                    .start_write(&table, key)
                    .finish(WriteOutcome::Image(item), stored_at);
            }
            Change::Drop { key } => {
                let Some((table, key)) = held(key) else {
                    return self.untold(key, now);
                };
                self.items.changed_elsewhere(&table, key, now);
            }
            Change::DropTable { table } => {
                let id = TableId::from_bytes(*table);
                self.feed.publish(|| news_of(Some(id)), now);
                self.tables.forget_id(id);
                self.told.lock().remove(&id);
            }
            Change::DropAll => {
                self.tables.forget_all();
                self.told.lock().clear();
            }
        }
    }
}

/// What peers may ask of this node beside the cluster's own calls.
pub(crate) struct PeerDoor {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) lists: Arc<ListRegistry>,
    /// Forwarded writes in flight. They have passed the same bound on the node that they come from.
    pub(crate) permits: Arc<Semaphore>,
}

impl Door for PeerDoor {
    fn forwarded(&self, request: Forward) -> BoxFuture<'static, Option<Answer>> {
        let (proxy, permits) = (Arc::clone(&self.proxy), Arc::clone(&self.permits));
        Box::pin(async move {
            if !proxy.leads() {
                return None;
            }
            let (operation, handling) = handling(false, &request.operation)?;
            let Ok(_permit) = permits.try_acquire() else {
                proxy.metrics.throttled.inc();
                return Some(throttled().into());
            };
            let call = Call {
                principal: Arc::new(request.principal),
                operation,
                target_prefix: "DynamoDB_20120810",
                body: request.body,
            };
            Some(proxy.call_here(call, handling).await)
        })
    }

    fn keep_lists(&self, lists: Vec<Vec<String>>) -> BoxFuture<'static, bool> {
        let registry = Arc::clone(&self.lists);
        Box::pin(async move {
            let lists = lists.into_iter().map(AttributeList::new).collect();
            registry.keep(lists).await.is_ok()
        })
    }

    fn find_list(&self, id: i64) -> Option<Vec<String>> {
        self.lists.names(id).map(|names| names.to_vec())
    }

    fn identify(&self, name: String) -> BoxFuture<'static, TableIdentity> {
        let proxy = Arc::clone(&self.proxy);
        Box::pin(async move {
            if !proxy.leads() {
                return TableIdentity::Unknown;
            }
            match proxy.tables.get(&name, Instant::now()).await {
                Ok(table) => {
                    let schema = &table.key_schema;
                    let attribute = |key: &KeyAttribute| {
                        (key.name.clone(), key.scalar_type.as_str().to_owned())
                    };
                    TableIdentity::Known {
                        id: *table.handle.id().as_bytes(),
                        key: std::iter::once(&schema.partition_key)
                            .chain(&schema.sort_key)
                            .map(attribute)
                            .collect(),
                        stream_arn: table.stream_arn.clone(),
                    }
                }
                Err(TableError::Refused) => TableIdentity::Refused,
                Err(TableError::Unreachable(_)) => TableIdentity::Unknown,
            }
        })
    }
}
