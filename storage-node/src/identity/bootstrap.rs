//! How a cluster begins, and how a node that lost its volume finds out.
//!
//! [`Bootstrap`] is the state machine of one node: [`Bootstrap::answer`] is what it tells its peers
//! at any time, [`Bootstrap::run`] works until the volume has an identity.
//! Invariant: a founding plan is accepted only by an empty volume or by one that holds that very
//! plan, and is handed out only until every founder has stored it. So at most one cluster ever
//! comes out of a set of volumes, and a wiped volume is never given a vote of its old owner's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stator_kit::rng::RandomSource;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::volume::{self, Founding, FoundingNode, IdentityError, VolumeIdentity};
use crate::cluster::message::{decode, encode};
use crate::replication::NodeId;
use crate::rpc::{Service, Transport};

/// How long one question to a peer may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often peers are asked. A cluster is made once, so a quarter of a second is soon enough.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Voters of a group in a larger cluster: survives one lost rack.
const VOTERS_MAX: usize = 3;

/// What a node needs to know to begin.
#[derive(Clone)]
pub struct BootstrapOptions {
    /// The volume.
    pub data_dir: PathBuf,
    /// This node's name, one of `peers`.
    pub name: String,
    /// This node's failure domain.
    pub rack: String,
    /// Names of all founders, this node included, in name order.
    pub peers: Vec<String>,
    /// Region of the cluster.
    pub region: String,
    /// Account of the cluster.
    pub account_id: String,
    /// Data groups.
    pub groups: u32,
}

/// Why a node cannot begin at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The volume's identity cannot be read, written, or used with these flags.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Where a node is on its way to an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Asking its peers; the reason says what it waits for.
    Waiting(String),
    /// Its volume is empty but the cluster exists and knows its name: it takes no part, and says why.
    NotVoting(String),
    /// It has an identity.
    Member(VolumeIdentity),
}

#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    Report,
    Found(Founding),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Report(Report),
    Stored,
    Refused(String),
}

/// What a node says of itself before it is part of a cluster, and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Report {
    name: String,
    rack: String,
    peers: Vec<String>,
    region: String,
    account_id: String,
    groups: u32,
    /// `None`: the volume is empty. Else the cluster id and whether its founding is complete.
    member_of: Option<(u128, bool)>,
}

/// The state machine of one node. Handles are `Arc`s of it.
pub struct Bootstrap {
    options: BootstrapOptions,
    volume: Mutex<Option<VolumeIdentity>>,
    outcome: watch::Sender<Outcome>,
}

impl Bootstrap {
    /// Reads the volume and compares it with the flags.
    ///
    /// # Errors
    /// [`BootstrapError`]: a damaged or newer identity, or one of another node or cluster.
    pub fn open(options: BootstrapOptions) -> Result<Arc<Self>, BootstrapError> {
        let found = volume::read(&options.data_dir)?;
        if let Some(identity) = &found {
            check(identity, &options)?;
        }
        let outcome = match &found {
            Some(identity) if identity.complete || identity.name != first(&options.peers) => {
                Outcome::Member(identity.clone())
            }
            Some(_) => Outcome::Waiting("the founding of the cluster is not complete".to_owned()),
            None => Outcome::Waiting("the volume is empty; asking the peers".to_owned()),
        };
        Ok(Arc::new(Self {
            options,
            volume: Mutex::new(found),
            outcome: watch::channel(outcome).0,
        }))
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// This node's failure domain.
    pub fn rack(&self) -> &str {
        &self.options.rack
    }

    /// Where the node is.
    pub fn outcome(&self) -> watch::Receiver<Outcome> {
        self.outcome.subscribe()
    }

    /// Answers a peer. Never panics on what it is sent.
    pub fn answer(&self, payload: &[u8]) -> Bytes {
        let answer = match decode::<Ask>(payload) {
            Ok(Ask::Report) => Answer::Report(self.report()),
            Ok(Ask::Found(plan)) => match self.accept(plan) {
                Ok(()) => Answer::Stored,
                Err(reason) => Answer::Refused(reason),
            },
            Err(problem) => Answer::Refused(problem.to_string()),
        };
        encode(&answer)
    }

    /// Works until the volume has an identity, and returns it. A node that may not vote stays here,
    /// with its reason in [`Bootstrap::outcome`], and notices when its peers turn out to be empty too.
    ///
    /// # Errors
    /// [`BootstrapError`] when the volume cannot be written.
    ///
    /// # Cancel safety
    /// Every step is durable and may be repeated.
    pub async fn run(
        &self,
        transport: &dyn Transport,
        random: &dyn RandomSource,
    ) -> Result<VolumeIdentity, BootstrapError> {
        loop {
            let held = self.volume.lock().clone();
            match held {
                Some(identity) if identity.complete || !self.is_first() => {
                    self.outcome.send_replace(Outcome::Member(identity.clone()));
                    return Ok(identity);
                }
                Some(identity) => self.hand_out(identity, transport).await?,
                None => self.look_around(transport, random).await?,
            }
            if !matches!(&*self.volume.lock(), Some(identity) if identity.complete) {
                sleep(ASK_EVERY).await;
            }
        }
    }

    /// Records that the cluster has begun, as every member may once it has read the cluster's row.
    ///
    /// # Errors
    /// [`BootstrapError`] when the volume cannot be written.
    pub fn record_complete(&self) -> Result<(), BootstrapError> {
        let mut held = self.volume.lock();
        if let Some(identity) = held.as_mut().filter(|identity| !identity.complete) {
            let complete = VolumeIdentity {
                complete: true,
                ..identity.clone()
            };
            volume::write(&self.options.data_dir, &complete)?;
            *identity = complete;
        }
        Ok(())
    }

    fn is_first(&self) -> bool {
        self.options.name == first(&self.options.peers)
    }

    fn report(&self) -> Report {
        let options = &self.options;
        Report {
            name: options.name.clone(),
            rack: options.rack.clone(),
            peers: options.peers.clone(),
            region: options.region.clone(),
            account_id: options.account_id.clone(),
            groups: options.groups,
            member_of: self
                .volume
                .lock()
                .as_ref()
                .map(|i| (i.founding.cluster_id, i.complete)),
        }
    }

    /// Stores a plan that the first name hands out.
    fn accept(&self, plan: Founding) -> Result<(), String> {
        let mut held = self.volume.lock();
        if let Some(identity) = held.as_ref() {
            return if identity.founding == plan {
                Ok(())
            } else {
                Err(format!(
                    "{} is in another cluster already",
                    self.options.name
                ))
            };
        }
        let identity = identity_in(&plan, &self.options.name)
            .ok_or_else(|| format!("the plan does not name {}", self.options.name))?;
        check(&identity, &self.options).map_err(|e| e.to_string())?;
        volume::write(&self.options.data_dir, &identity).map_err(|e| e.to_string())?;
        tracing::info!(cluster_id = %hex_id(plan.cluster_id), node_id = identity.node_id, "joined a new cluster");
        *held = Some(identity);
        Ok(())
    }

    /// With an empty volume: what do the peers say?
    async fn look_around(
        &self,
        transport: &dyn Transport,
        random: &dyn RandomSource,
    ) -> Result<(), BootstrapError> {
        let mine = self.report();
        let mut reports = Vec::new();
        let mut silent = Vec::new();
        for (at, peer) in self.options.peers.iter().enumerate() {
            if *peer == self.options.name {
                reports.push(mine.clone());
                continue;
            }
            match ask(transport, node_id_at(at), &Ask::Report).await {
                Some(Answer::Report(report)) if report.name == *peer => reports.push(report),
                _ => silent.push(peer.clone()),
            }
        }
        // A plan may have been stored in the meantime.
        if self.volume.lock().is_some() {
            return Ok(());
        }
        let complete = reports
            .iter()
            .find_map(|r| r.member_of.filter(|(_, complete)| *complete));
        if let Some((cluster_id, _)) = complete {
            self.say(Outcome::NotVoting(format!(
                "the volume of {} is empty, but cluster {} already exists and knows this name; \
                 its old data and votes are gone, so it does not vote",
                self.options.name,
                hex_id(cluster_id)
            )));
            return Ok(());
        }
        if !silent.is_empty() {
            self.say(Outcome::Waiting(format!(
                "no answer yet from {}",
                silent.join(", ")
            )));
            return Ok(());
        }
        if let Some(other) = reports.iter().find(|r| !agree(r, &mine)) {
            self.say(Outcome::Waiting(format!(
                "{} is configured with other peers, region, account or groups than {}",
                other.name, mine.name
            )));
            return Ok(());
        }
        if !self.is_first() {
            let first = first(&self.options.peers);
            self.say(Outcome::Waiting(format!(
                "waiting for {first} to found the cluster"
            )));
            return Ok(());
        }
        if let Some(member) = reports.iter().find(|r| r.member_of.is_some()) {
            self.say(Outcome::NotVoting(format!(
                "the volume of {} is empty, but {} holds the plan of an earlier founding; \
                 if no data was ever served, wipe all volumes to begin again",
                mine.name, member.name
            )));
            return Ok(());
        }
        let plan = self.mint(&reports, random);
        if let Some(identity) = identity_in(&plan, &self.options.name) {
            volume::write(&self.options.data_dir, &identity)?;
            tracing::info!(cluster_id = %hex_id(plan.cluster_id), nodes = plan.nodes.len(), groups = plan.groups.len(), "founding a cluster");
            *self.volume.lock() = Some(identity);
        }
        Ok(())
    }

    fn mint(&self, reports: &[Report], random: &dyn RandomSource) -> Founding {
        let nodes: Vec<FoundingNode> = reports
            .iter()
            .enumerate()
            .map(|(at, report)| FoundingNode {
                node_id: node_id_at(at).0,
                name: report.name.clone(),
                rack: report.rack.clone(),
            })
            .collect();
        let groups = place_groups(&nodes, self.options.groups);
        Founding {
            cluster_id: random.next_u128(),
            region: self.options.region.clone(),
            account_id: self.options.account_id.clone(),
            nodes,
            groups,
        }
    }

    /// The first name gives its plan to every peer, then records completion.
    async fn hand_out(
        &self,
        identity: VolumeIdentity,
        transport: &dyn Transport,
    ) -> Result<(), BootstrapError> {
        for (at, peer) in self.options.peers.iter().enumerate() {
            if *peer == self.options.name {
                continue;
            }
            let found = Ask::Found(identity.founding.clone());
            match ask(transport, node_id_at(at), &found).await {
                Some(Answer::Stored) => {}
                Some(Answer::Refused(reason)) => {
                    self.say(Outcome::Waiting(format!(
                        "{peer} refuses the founding plan: {reason}"
                    )));
                    return Ok(());
                }
                _ => {
                    self.say(Outcome::Waiting(format!(
                        "{peer} has not stored the founding plan"
                    )));
                    return Ok(());
                }
            }
        }
        self.record_complete()
    }

    fn say(&self, outcome: Outcome) {
        self.outcome.send_if_modified(|held| {
            let changed = *held != outcome;
            if changed {
                match &outcome {
                    Outcome::Waiting(reason) => tracing::info!(reason, "waiting to join a cluster"),
                    Outcome::NotVoting(reason) => {
                        tracing::error!(reason, "this node does not vote")
                    }
                    Outcome::Member(_) => {}
                }
                *held = outcome;
            }
            changed
        });
    }
}

/// A cluster id as people see it.
pub fn hex_id(cluster_id: u128) -> String {
    uuid::Uuid::from_u128(cluster_id).to_string()
}

/// Founders have the ids 1, 2, 3, … in name order.
pub fn node_id_at(position: usize) -> NodeId {
    NodeId(position as u64 + 1)
}

fn first(peers: &[String]) -> &str {
    peers.first().map_or("", String::as_str)
}

fn agree(a: &Report, b: &Report) -> bool {
    a.peers == b.peers
        && a.region == b.region
        && a.account_id == b.account_id
        && a.groups == b.groups
}

fn identity_in(plan: &Founding, name: &str) -> Option<VolumeIdentity> {
    let node = plan.nodes.iter().find(|node| node.name == name)?;
    Some(VolumeIdentity {
        name: node.name.clone(),
        node_id: node.node_id,
        incarnation: 1,
        founding: plan.clone(),
        complete: false,
    })
}

/// A volume belongs to one node of one cluster; flags that say otherwise are refused.
fn check(identity: &VolumeIdentity, options: &BootstrapOptions) -> Result<(), IdentityError> {
    let founding = &identity.founding;
    let names: Vec<&str> = founding
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    let found = format!(
        "node {} of {} in region {} account {}",
        identity.name,
        names.join(","),
        founding.region,
        founding.account_id
    );
    let configured = format!(
        "node {} of {} in region {} account {}",
        options.name,
        options.peers.join(","),
        options.region,
        options.account_id
    );
    if found == configured {
        Ok(())
    } else {
        Err(IdentityError::Mismatch { found, configured })
    }
}

/// Voters of the meta group and of `groups` data groups, the preferred leader first.
///
/// Nodes are dealt out rack by rack, so that three in a row stand in three racks where there are
/// that many; leaders go round.
fn place_groups(nodes: &[FoundingNode], groups: u32) -> Vec<Vec<u64>> {
    let mut racks: Vec<&str> = nodes.iter().map(|node| node.rack.as_str()).collect();
    racks.sort_unstable();
    racks.dedup();
    let mut queues: Vec<Vec<u64>> = racks
        .iter()
        .map(|rack| {
            nodes
                .iter()
                .filter(|n| n.rack == *rack)
                .map(|n| n.node_id)
                .rev()
                .collect()
        })
        .collect();
    let mut ring = Vec::with_capacity(nodes.len());
    while ring.len() < nodes.len() {
        ring.extend(queues.iter_mut().filter_map(Vec::pop));
    }
    // The founder is the first voter of the meta group: it begins it.
    let founder = ring
        .iter()
        .position(|id| *id == node_id_at(0).0)
        .unwrap_or(0);
    ring.rotate_left(founder);
    let voters_at = |start: usize| -> Vec<u64> {
        ring.iter()
            .cycle()
            .skip(start % ring.len().max(1))
            .take(ring.len().min(VOTERS_MAX))
            .copied()
            .collect()
    };
    (0..=groups as usize)
        .map(|group| voters_at(group.saturating_sub(1)))
        .collect()
}

async fn ask(transport: &dyn Transport, to: NodeId, question: &Ask) -> Option<Answer> {
    let deadline = Instant::now() + ASK_TIMEOUT;
    match transport
        .call(to, Service::Bootstrap, encode(question), deadline)
        .await
    {
        Ok(bytes) => decode(&bytes).ok(),
        Err(problem) => {
            tracing::debug!(%problem, "peer not reached");
            None
        }
    }
}

#[cfg(test)]
mod tests;
