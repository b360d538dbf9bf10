//! Simulated clients: they increment and read, follow the leader, and try again under the same request id.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stator_storage_node::replication::{NodeId, RequestId};
use stator_storage_node::rpc::{Service, Transport, TransportError};
use tokio::time::Instant;

use crate::counter::{Answer, Ask, Bug, CALL_TIMEOUT};
use crate::invariants::linearizable::Observed;
use crate::network::SimTransport;
use crate::world::World;

pub(crate) const KEYS: u8 = 3;

/// All that clients saw, in an order of real time.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) operations: Vec<Observed>,
    time: i64,
}

impl History {
    fn call(&mut self, key: u8, write: bool) -> usize {
        self.time += 1;
        self.operations.push(Observed {
            key,
            write,
            called: self.time,
            returned: None,
        });
        self.operations.len() - 1
    }

    fn answer(&mut self, operation: usize, value: u64) {
        self.time += 1;
        self.operations[operation].returned = Some((self.time, value));
    }
}

pub(crate) struct Client {
    pub(crate) number: u64,
    pub(crate) world: Arc<World>,
    pub(crate) history: Arc<Mutex<History>>,
    /// When to stop.
    pub(crate) until: Duration,
    /// The node that answered last.
    pub(crate) favourite: NodeId,
}

impl Client {
    /// Runs operations until the time is over; each increment is tried until it is answered.
    pub(crate) async fn run(mut self) {
        while turmoil::sim_elapsed().unwrap_or_default() < self.until {
            let random = self.world.random();
            let key = (random % u64::from(KEYS)) as u8;
            let write = random & (1 << 40) != 0;
            let operation = self.history.lock().call(key, write);
            let request = RequestId((u128::from(self.number) << 64) | operation as u128);
            let ask = if write {
                Ask::Increment(key, request)
            } else {
                Ask::Read(key)
            };
            let value = self.until_answered(ask).await;
            self.history.lock().answer(operation, value);
            self.world
                .trace(&format!("client {} {ask:?} = {value}", self.number));
            tokio::time::sleep(Duration::from_millis(10 + random % 60)).await;
        }
    }

    /// Asks nodes until one answers. A read may be asked again because it changes nothing, an increment because it keeps
    /// its request id.
    pub(crate) async fn until_answered(&mut self, mut ask: Ask) -> u64 {
        loop {
            let deadline = Instant::now() + CALL_TIMEOUT;
            let call = SimTransport
                .call(self.favourite, Service::Data, ask.encode(), deadline)
                .await;
            let answer = match call {
                Ok(bytes) => Answer::decode(&bytes),
                Err(TransportError::NotSent { .. }) => Answer::NotDone,
                Err(_) => Answer::Unknown,
            };
            match answer {
                Answer::Value(value) => return value,
                Answer::NotDone => {}
                Answer::Unknown => {
                    if let (Ask::Increment(key, _), Bug::RetryAsNewRequest) = (ask, self.world.bug)
                    {
                        let fresh = u128::from(self.world.random()) | 1 << 127;
                        ask = Ask::Increment(key, RequestId(fresh));
                    }
                }
            }
            let nodes: Vec<_> = self.world.machines.keys().copied().collect();
            self.favourite = nodes[self.world.random() as usize % nodes.len()];
            tokio::time::sleep(Duration::from_millis(5 + self.world.random() % 30)).await;
        }
    }
}
