//! What the server knows about each open connection, and how one is told to close.
//!
//! Invariants: a connection is in the registry exactly while its task runs. A verdict is stored
//! before the connection's waker is called, and a connection registers its waker before it reads
//! its verdict, so that none is missed. Idle connections are found by one sweep a second over the
//! registry; hyper's own header timer would cost an allocation and a timer entry per request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Poll, Waker};

use futures::task::AtomicWaker;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use parking_lot::Mutex;

/// Seconds that a connection told to close may take to write what it owes.
pub(super) const CLOSE_TICKS: u32 = 10;

/// Finish the request at hand, then close. Without a verdict (0) a connection stays.
const VERDICT_CLOSE: u8 = 1;
/// Drop the connection.
const VERDICT_DROP: u8 = 2;

/// Every open connection of one server.
#[derive(Default)]
pub(super) struct Connections {
    /// Sweeps so far, one a second: the coarse clock that activity is dated with.
    tick: AtomicU32,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next_id: u64,
    draining: bool,
    by_id: BTreeMap<u64, Arc<ConnectionState>>,
}

#[derive(Default)]
pub(super) struct ConnectionState {
    verdict: AtomicU8,
    /// True from the arrival of a request's head until its response is handed to hyper.
    in_handler: AtomicBool,
    last_active_tick: AtomicU32,
    waker: AtomicWaker,
}

impl Connections {
    pub(super) fn register(self: &Arc<Self>) -> Registered {
        let state = Arc::new(ConnectionState::default());
        state
            .last_active_tick
            .store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        let mut open = self.open.lock();
        if open.draining {
            state.verdict.store(VERDICT_CLOSE, Ordering::Release);
        }
        let id = open.next_id;
        open.next_id = id.wrapping_add(1);
        open.by_id.insert(id, Arc::clone(&state));
        Registered {
            connections: Arc::clone(self),
            id,
            state,
        }
    }

    /// Closes connections that have been idle for `idle_ticks`, and drops those that were told to
    /// close [`CLOSE_TICKS`] ago and still hang about. A running handler is never interrupted: it
    /// has a deadline of its own.
    pub(super) fn sweep(&self, idle_ticks: u32) {
        let now = self.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for state in self.open.lock().by_id.values() {
            if state.in_handler.load(Ordering::Acquire) {
                continue;
            }
            let idle = now.wrapping_sub(state.last_active_tick.load(Ordering::Relaxed));
            if idle > idle_ticks.saturating_add(CLOSE_TICKS) {
                state.judge(VERDICT_DROP);
            } else if idle > idle_ticks {
                state.judge(VERDICT_CLOSE);
            }
        }
    }

    /// Tells every connection, and any that is still to register, to finish and close.
    pub(super) fn drain(&self) {
        let mut open = self.open.lock();
        open.draining = true;
        for state in open.by_id.values() {
            state.judge(VERDICT_CLOSE);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.lock().by_id.len()
    }
}

impl ConnectionState {
    fn judge(&self, verdict: u8) {
        if self.verdict.fetch_max(verdict, Ordering::AcqRel) < verdict {
            self.waker.wake();
        }
    }
}

/// A connection's place in the registry; dropping it gives the place up.
pub(super) struct Registered {
    connections: Arc<Connections>,
    id: u64,
    state: Arc<ConnectionState>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.open.lock().by_id.remove(&self.id);
    }
}

/// Marks its connection busy while a handler runs. It borrows, so that a request counts no
/// reference up or down.
struct InHandler<'a>(&'a Registered);

impl<'a> InHandler<'a> {
    fn enter(registered: &'a Registered) -> Self {
        registered.state.in_handler.store(true, Ordering::Release);
        Self(registered)
    }
}

impl Drop for InHandler<'_> {
    fn drop(&mut self) {
        let Registered {
            connections, state, ..
        } = self.0;
        state
            .last_active_tick
            .store(connections.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        state.in_handler.store(false, Ordering::Release);
    }
}

/// Runs one connection to its end.
pub(super) async fn drive<I, H, F, B>(
    builder: &http1::Builder,
    io: I,
    registered: Registered,
    handler: &H,
) -> Result<(), hyper::Error>
where
    I: Read + Write + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let registered = &registered;
    let service = service_fn(|request| {
        let busy = InHandler::enter(registered);
        let response = handler(request);
        async move {
            let response = response.await;
            drop(busy);
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut own_waker = Waker::noop().clone();
    let mut told_to_close = false;
    poll_fn(|cx| {
        if !own_waker.will_wake(cx.waker()) {
            own_waker.clone_from(cx.waker());
            registered.state.waker.register(&own_waker);
        }
        match registered.state.verdict.load(Ordering::Acquire) {
            VERDICT_DROP => return Poll::Ready(Ok(())),
            VERDICT_CLOSE if !told_to_close => {
                told_to_close = true;
                connection.as_mut().graceful_shutdown();
            }
            _ => {}
        }
        connection.as_mut().poll(cx)
    })
    .await
}
