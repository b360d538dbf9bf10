//! Connections between nodes that a test can cut, and a lease that it can take away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use stator_dax_proxy::cluster::election::{LeaseError, LeaseRecord, LeaseStore};
use stator_kit::task::TaskOwner;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of what one node says to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It arrives.
    Open,
    /// Connections break and new ones are refused, as if no such node ran.
    Closed,
    /// It disappears: nothing arrives and nothing is refused.
    Hanging,
}

/// The way from one node to another.
pub(crate) struct Link {
    pub(crate) address: String,
    mode: watch::Sender<Mode>,
}

impl Link {
    /// A way to `target`, which begins at `address`.
    pub(crate) async fn new(address: String, target: String, tasks: &TaskOwner) -> Self {
        let listener = TcpListener::bind(&address).await.unwrap();
        let mode = watch::Sender::new(Mode::Open);
        let (owner, mut modes) = (tasks.clone(), mode.subscribe());
        let own = address.clone();
        tasks.spawn_background("link", async move {
            let mut listener = Some(listener);
            loop {
                let accepting = async {
                    match &listener {
                        Some(listener) => listener.accept().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    accepted = accepting => {
                        let (stream, _) = accepted.unwrap();
                        owner.spawn_background("relay", relay(stream, target.clone(), modes.clone()));
                    }
                    changed = modes.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let mode = *modes.borrow_and_update();
                        listener = match mode {
                            Mode::Closed => None,
                            _ if listener.is_some() => listener,
                            _ => Some(TcpListener::bind(&own).await.unwrap()),
                        };
                    }
                }
            }
        });
        Self { address, mode }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn relay(mut near: TcpStream, target: String, mut modes: watch::Receiver<Mode>) {
    let mode = *modes.borrow_and_update();
    if mode == Mode::Open {
        let Ok(mut far) = TcpStream::connect(&target).await else {
            return;
        };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            _ = modes.changed() => {}
        }
    }
    // What was under way is lost. Whoever hangs does so until something changes again.
    if *modes.borrow() == Mode::Hanging {
        drop(modes.changed().await);
    }
}

/// The lease as one node sees it.
#[derive(Clone)]
pub(crate) struct TestLease {
    shared: Arc<Mutex<Option<(LeaseRecord, u64)>>>,
    next: Arc<AtomicU64>,
    /// Whether this node reaches it.
    reachable: Arc<AtomicBool>,
}

impl TestLease {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::default(),
            next: Arc::default(),
            reachable: Arc::new(AtomicBool::new(true)),
        }
    }

    /// The same lease as another node sees it.
    pub(crate) fn of_another_node(&self) -> Self {
        Self {
            reachable: Arc::new(AtomicBool::new(true)),
            ..self.clone()
        }
    }

    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.reachable.store(reachable, Ordering::SeqCst);
    }

    pub(crate) fn holder(&self) -> String {
        let shared = self.shared.lock();
        shared
            .as_ref()
            .map(|(record, _)| record.holder.clone())
            .unwrap_or_default()
    }

    /// The replicas that may take over with what they hold.
    pub(crate) fn in_sync(&self) -> Vec<String> {
        let shared = self.shared.lock();
        shared
            .as_ref()
            .map(|(record, _)| record.in_sync.clone())
            .unwrap_or_default()
    }

    fn reached(&self) -> Result<(), LeaseError> {
        match self.reachable.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(LeaseError("it cannot be reached".to_owned())),
        }
    }
}

impl LeaseStore for TestLease {
    fn read(&self) -> BoxFuture<'_, Result<Option<(LeaseRecord, String)>, LeaseError>> {
        Box::pin(async {
            self.reached()?;
            let shared = self.shared.lock();
            Ok(shared
                .as_ref()
                .map(|(record, version)| (record.clone(), version.to_string())))
        })
    }

    fn write(
        &self,
        record: LeaseRecord,
        version: Option<String>,
    ) -> BoxFuture<'_, Result<bool, LeaseError>> {
        Box::pin(async move {
            self.reached()?;
            let mut shared = self.shared.lock();
            let present = shared.as_ref().map(|(_, version)| version.to_string());
            if present != version {
                return Ok(false);
            }
            *shared = Some((record, self.next.fetch_add(1, Ordering::SeqCst)));
            Ok(true)
        })
    }
}
