//! Every task has an owner, a rule for its end, and a failure that is seen.
//!
//! A [`TaskOwner`] is a cheap handle to a group of tasks. *Foreground* tasks watch
//! [`TaskOwner::token`] and end by themselves; a shutdown waits for them under a grace period and
//! names whoever holds it up. *Background* tasks (pooled client connections, signal watchers) have
//! no end of their own; they are aborted once the foreground has drained. A panic is logged and
//! resolves [`TaskOwner::failed`], on which `main` ends the process.
//!
//! A process that must drain in an order (clients first, then the log) uses one owner per stage.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, debug_span, error, warn};

/// A handle to a group of tasks that end together. Clones are handles to the same group.
#[derive(Clone)]
pub struct TaskOwner {
    inner: Arc<Inner>,
}

struct Inner {
    name: &'static str,
    token: CancellationToken,
    /// Counts foreground tasks only: a shutdown waits for these.
    foreground: TaskTracker,
    running: Mutex<Running>,
    failure: watch::Sender<Option<TaskFailure>>,
}

/// Who runs, to name and to abort the late ones.
#[derive(Default)]
struct Running {
    next_id: u64,
    tasks: BTreeMap<u64, (&'static str, Kind, AbortHandle)>,
    /// Set when a shutdown has run out of patience or finished: nothing may start any more.
    closed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Foreground,
    Background,
}

/// A task that panicked, or reported that it cannot go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskFailure {
    /// The owner's name.
    pub owner: &'static str,
    /// The task's name.
    pub task: &'static str,
    /// The panic's message, or the reason given.
    pub message: String,
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "task {} of {} failed: {}",
            self.task, self.owner, self.message
        )
    }
}

impl std::error::Error for TaskFailure {}

/// Lets a library that starts tasks of its own (hyper: one for each connection of a pool, one for
/// each stream of HTTP/2) start them on an owner. On the runtime's own executor a panic in such a
/// task would end the stream and nothing else.
#[derive(Clone, Debug)]
pub struct OwnedExecutor {
    owner: TaskOwner,
    task: &'static str,
    kind: Kind,
}

impl<F> hyper::rt::Executor<F> for OwnedExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        match self.kind {
            Kind::Foreground => self.owner.spawn(self.task, task),
            Kind::Background => self.owner.spawn_background(self.task, task),
        }
    }
}

/// How a shutdown went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ShutdownReport {
    /// Names of the tasks that were still running after the grace period and were aborted.
    pub overdue: Vec<&'static str>,
}

impl TaskOwner {
    /// An owner of no tasks yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let inner = Inner {
            name,
            token: CancellationToken::new(),
            foreground: TaskTracker::new(),
            running: Mutex::default(),
            failure: watch::channel(None).0,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Cancelled when the shutdown begins. Foreground tasks watch it and come to an end.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.inner.token.clone()
    }

    /// Starts a foreground task: a shutdown waits for it.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.start(
            name,
            Kind::Foreground,
            self.inner.foreground.track_future(task),
        );
    }

    /// Starts a foreground task and hands out its result. The task runs to its end also when the
    /// receiver is dropped, which is how a write outlives its client. The receiver errs when the
    /// task panicked or was aborted.
    pub fn spawn_with_result<F, T>(&self, name: &'static str, task: F) -> oneshot::Receiver<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let (result, receiver) = oneshot::channel();
        self.spawn(name, async move {
            // The caller may have gone; the work is done all the same.
            drop(result.send(task.await));
        });
        receiver
    }

    /// Starts a task that does not hold up a shutdown: it is aborted after the foreground drained.
    pub fn spawn_background<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.start(name, Kind::Background, task);
    }

    /// An executor whose tasks are foreground tasks of this owner, all called `task`.
    #[must_use]
    pub fn executor(&self, task: &'static str) -> OwnedExecutor {
        OwnedExecutor {
            owner: self.clone(),
            task,
            kind: Kind::Foreground,
        }
    }

    /// An executor whose tasks are background tasks of this owner, all called `task`.
    #[must_use]
    pub fn background_executor(&self, task: &'static str) -> OwnedExecutor {
        OwnedExecutor {
            owner: self.clone(),
            task,
            kind: Kind::Background,
        }
    }

    /// Runs blocking work (disk, long computing) on a thread of its own. A shutdown waits for it
    /// but cannot abort it, so it must end by itself. The receiver errs when the work panicked.
    pub fn spawn_blocking<F, T>(&self, name: &'static str, work: F) -> oneshot::Receiver<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (result, receiver) = oneshot::channel();
        let owner = self.clone();
        let mut running = self.inner.running.lock();
        if running.closed {
            debug!(
                owner = self.inner.name,
                task = name,
                "not started, the owner has shut down"
            );
            return receiver;
        }
        let id = running.reserve();
        let handle = self.inner.foreground.spawn_blocking(move || {
            let _registration = Registration {
                owner: &owner.inner,
                id,
            };
            match std::panic::catch_unwind(AssertUnwindSafe(work)) {
                Ok(value) => drop(result.send(value)),
                Err(panic) => owner.report_failure(name, &panic_message(panic.as_ref())),
            }
        });
        running
            .tasks
            .insert(id, (name, Kind::Foreground, handle.abort_handle()));
        receiver
    }

    /// Makes a failure that is not a panic visible through [`Self::failed`]; the first one stays.
    pub fn report_failure(&self, task: &'static str, message: &str) {
        error!(owner = self.inner.name, task, message, "task failed");
        self.inner.failure.send_if_modified(|failure| {
            if failure.is_some() {
                return false;
            }
            let owner = self.inner.name;
            *failure = Some(TaskFailure {
                owner,
                task,
                message: message.to_owned(),
            });
            true
        });
    }

    /// Waits for the first failure of a task; never resolves while all is well.
    ///
    /// # Cancel safety
    /// A failure is remembered, so nothing is lost by dropping this future.
    pub async fn failed(&self) -> TaskFailure {
        let mut failures = self.inner.failure.subscribe();
        loop {
            if let Some(failure) = failures.borrow_and_update().clone() {
                return failure;
            }
            if failures.changed().await.is_err() {
                // `self` holds the sender, so this cannot happen; waiting is right all the same.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Number of tasks that run now, background ones included.
    #[must_use]
    pub fn running(&self) -> usize {
        self.inner.running.lock().tasks.len()
    }

    /// Cancels the token, waits up to `grace` for the foreground tasks, then aborts whatever is
    /// left. After it nothing can be spawned on this owner or its clones.
    pub async fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.inner.token.cancel();
        self.inner.foreground.close();
        let started = Instant::now();
        let mut report = ShutdownReport::default();
        if tokio::time::timeout(grace, self.inner.foreground.wait())
            .await
            .is_err()
        {
            report.overdue = self.running_foreground();
            let owner = self.inner.name;
            warn!(owner, tasks = ?report.overdue, grace = ?grace, "tasks overdue, aborting them");
        }
        self.close_and_abort();
        debug!(owner = self.inner.name, elapsed = ?started.elapsed(), "tasks shut down");
        report
    }

    fn start<F>(&self, name: &'static str, kind: Kind, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let owner = self.clone();
        // Debug level: a span that is enabled costs at every poll, and connections are tasks too.
        let span = debug_span!("task", owner = self.inner.name, task = name);
        // The lock is held over the spawn, so that a task cannot end before it is registered.
        let mut running = self.inner.running.lock();
        if running.closed {
            debug!(
                owner = self.inner.name,
                task = name,
                "not started, the owner has shut down"
            );
            return;
        }
        let id = running.reserve();
        let supervised = async move {
            let _registration = Registration {
                owner: &owner.inner,
                id,
            };
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                owner.report_failure(name, &panic_message(panic.as_ref()));
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the one place tasks are started")]
        let handle = tokio::spawn(supervised.instrument(span));
        running
            .tasks
            .insert(id, (name, kind, handle.abort_handle()));
    }

    fn running_foreground(&self) -> Vec<&'static str> {
        let running = self.inner.running.lock();
        let foreground = running
            .tasks
            .values()
            .filter(|(_, kind, _)| *kind == Kind::Foreground);
        foreground.map(|(name, ..)| *name).collect()
    }

    fn close_and_abort(&self) {
        // Aborting can drop a task on this thread, and its registration takes the lock again.
        let late = {
            let mut running = self.inner.running.lock();
            running.closed = true;
            std::mem::take(&mut running.tasks)
        };
        for (_, _, handle) in late.into_values() {
            handle.abort();
        }
    }
}

impl fmt::Debug for TaskOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskOwner")
            .field("name", &self.inner.name)
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}

impl Running {
    fn reserve(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }
}

/// Takes a task off the list when it ends, is dropped or panics.
struct Registration<'a> {
    owner: &'a Inner,
    id: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        // The handle is dropped after the lock is released.
        let _ended = self.owner.running.lock().tasks.remove(&self.id);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests;
