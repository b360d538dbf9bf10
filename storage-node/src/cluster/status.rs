//! How this node and its cluster are, for the admin API and the readiness port.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_model::admin::{ClusterStatus, GroupStatus, NodeState, NodeStatus, VoterStatus};
use tokio::time::Instant;

use super::Cluster;
use super::message::{DataAnswer, DataRequest};
use crate::identity::bootstrap::hex_id;
use crate::replication::NodeId;

/// How long a node may take to say how it is.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// A follower this close to the leader has caught up: what is in flight, not what is missing.
const CAUGHT_UP_ENTRIES_MAX: u64 = 64;

/// What keeps a node from serving.
#[derive(Debug)]
pub struct Obstacle {
    /// For people.
    pub reason: String,
    /// It does not pass by itself.
    pub is_final: bool,
}

/// What a node tells another about itself and the groups that it leads.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct NodeReport {
    node: NodeStatus,
    led: Vec<GroupStatus>,
}

impl Cluster {
    /// What keeps this node from serving, if anything.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let passing = |reason: String| {
            Some(Obstacle {
                reason,
                is_final: false,
            })
        };
        for (id, local) in &self.groups {
            if local.handle.status().storage_failed {
                let reason = "the storage of this node has failed; restart it".to_owned();
                return Some(Obstacle {
                    reason,
                    is_final: true,
                });
            }
            if local.handle.leader().is_none() {
                return passing(format!("replica group {} has no leader", id.0));
            }
        }
        if self.catalog.current().cluster.is_none() {
            return passing("the catalog has not arrived".to_owned());
        }
        None
    }

    /// This node's status.
    pub fn node_status(&self) -> NodeStatus {
        let obstacle = self.obstacle();
        let state = match &obstacle {
            Some(_) => NodeState::Bootstrapping,
            None => NodeState::Ready,
        };
        NodeStatus {
            name: self.identity.name.clone(),
            node_id: self.identity.node_id,
            incarnation: self.identity.incarnation,
            rack: self.rack.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state,
            reason: obstacle.map(|obstacle| obstacle.reason),
        }
    }

    /// What this node tells others about itself.
    pub(super) fn node_report_json(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(&self.node_report()).unwrap_or_default())
    }

    fn node_report(&self) -> NodeReport {
        let led = self
            .groups
            .values()
            .filter(|local| local.handle.leadership().is_some())
            .map(|local| self.group_status(&local.handle.status()))
            .collect();
        NodeReport {
            node: self.node_status(),
            led,
        }
    }

    fn group_status(&self, status: &crate::replication::GroupStatus) -> GroupStatus {
        let voters: Vec<VoterStatus> = status
            .voters
            .iter()
            .map(|voter| {
                let lag = voter.lag_entries;
                VoterStatus {
                    name: self.name_of(voter.node),
                    caught_up: lag.is_some_and(|lag| lag <= CAUGHT_UP_ENTRIES_MAX),
                    lag_entries: lag.unwrap_or(u64::MAX),
                }
            })
            .collect();
        GroupStatus {
            group_id: status.id.0,
            leader: status.leader.map(|node| self.name_of(node)),
            under_replicated: voters.iter().any(|voter| !voter.caught_up),
            voters,
        }
    }

    /// The name of a node.
    pub fn name_of(&self, node: NodeId) -> String {
        let founders = &self.identity.founding.nodes;
        founders
            .iter()
            .find(|founder| founder.node_id == node.0)
            .map_or_else(
                || format!("node {}", node.0),
                |founder| founder.name.clone(),
            )
    }

    /// The id of a node by its name.
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        let founders = &self.identity.founding.nodes;
        founders
            .iter()
            .find(|founder| founder.name == name)
            .map(|founder| NodeId(founder.node_id))
    }

    /// The cluster's status, put together from what every node says now. A group that nobody leads
    /// counts as under-replicated.
    pub async fn cluster_status(&self) -> ClusterStatus {
        let founding = &self.identity.founding;
        let reports = founding
            .nodes
            .iter()
            .map(|node| self.report_of(NodeId(node.node_id)));
        let reports = futures::future::join_all(reports).await;
        let mut groups: BTreeMap<u32, GroupStatus> = (0_u32..)
            .zip(&founding.groups)
            .map(|(group_id, voters)| {
                let voters = voters
                    .iter()
                    .map(|node| VoterStatus {
                        name: self.name_of(NodeId(*node)),
                        caught_up: false,
                        lag_entries: 0,
                    })
                    .collect();
                (
                    group_id,
                    GroupStatus {
                        group_id,
                        leader: None,
                        voters,
                        under_replicated: true,
                    },
                )
            })
            .collect();
        let mut nodes = Vec::new();
        let mut silent = Vec::new();
        for (founder, report) in founding.nodes.iter().zip(reports) {
            match report {
                Some(report) => {
                    nodes.push(report.node);
                    for group in report.led {
                        groups.insert(group.group_id, group);
                    }
                }
                None => {
                    silent.push(founder.name.as_str());
                    nodes.push(NodeStatus {
                        name: founder.name.clone(),
                        node_id: founder.node_id,
                        incarnation: 1,
                        rack: founder.rack.clone(),
                        state: NodeState::Unreachable,
                        reason: Some("no answer".to_owned()),
                        ..NodeStatus::default()
                    });
                }
            }
        }
        // A leader knows how far a follower was when it last answered. One that answers nobody, or
        // came back with an empty volume, has not caught up however short the log is.
        for group in groups.values_mut() {
            for voter in &mut group.voters {
                voter.caught_up &= !silent.contains(&voter.name.as_str());
            }
            group.under_replicated |= group.voters.iter().any(|voter| !voter.caught_up);
        }
        let under_replicated = groups
            .values()
            .filter(|group| group.under_replicated)
            .count();
        ClusterStatus {
            cluster_id: hex_id(founding.cluster_id),
            region: founding.region.clone(),
            account_id: founding.account_id.clone(),
            nodes,
            groups: groups.into_values().collect(),
            under_replicated_groups: u32::try_from(under_replicated).unwrap_or(u32::MAX),
        }
    }

    async fn report_of(&self, node: NodeId) -> Option<NodeReport> {
        if node == self.node_id() {
            return Some(self.node_report());
        }
        let deadline = Instant::now() + ASK_TIMEOUT;
        match self.call(node, &DataRequest::NodeInfo, deadline).await {
            Ok(DataAnswer::NodeInfo(json)) => serde_json::from_slice(&json).ok(),
            _ => None,
        }
    }
}
