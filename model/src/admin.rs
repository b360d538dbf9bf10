//! The admin API of a storage node: the JSON that the operator and the command line read.
//!
//! `GET /v1/cluster` answers [`ClusterStatus`], `GET /v1/node` answers [`NodeStatus`],
//! `POST /v1/nodes/{name}/drain-leaders` answers [`DrainLeadersResponse`]. Requests are signed with
//! SigV4 for the service `stator-admin`. Members are only ever added; readers ignore what they do
//! not know.

use serde::{Deserialize, Serialize};

/// The service name in the signature of an admin request.
pub const ADMIN_SERVICE_NAME: &str = "stator-admin";

/// A storage cluster as one of its nodes sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// The id that the nodes minted when the cluster was made.
    pub cluster_id: String,
    /// The Region in ARNs and signatures.
    pub region: String,
    /// The account in ARNs: 12 digits.
    pub account_id: String,
    /// Every configured node.
    pub nodes: Vec<NodeStatus>,
    /// Every replica group.
    pub groups: Vec<GroupStatus>,
    /// How many groups lack a caught-up copy.
    pub under_replicated_groups: u32,
}

/// One storage node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// The configured name; in Kubernetes the pod's.
    pub name: String,
    /// The number that Raft knows the node by; never reused.
    pub node_id: u64,
    /// Which volume under that name this is, counted from 1.
    pub incarnation: u64,
    /// The failure domain.
    pub rack: String,
    /// The program's version.
    pub version: String,
    /// What the node can do.
    pub state: NodeState,
    /// Why, in words, unless it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a node can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// It votes and serves.
    Ready,
    /// It waits for its peers to form the cluster.
    Bootstrapping,
    /// Its volume does not belong to the cluster's member of that name.
    NotVoting,
    /// It does not answer.
    #[default]
    Unreachable,
}

/// One replica group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupStatus {
    /// The group's number; 0 is the meta group.
    pub group_id: u32,
    /// Name of the node that leads it, if there is one.
    pub leader: Option<String>,
    /// Its members.
    pub voters: Vec<VoterStatus>,
    /// Whether a copy is missing or behind.
    pub under_replicated: bool,
}

/// One member of a replica group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VoterStatus {
    /// The node's name.
    pub name: String,
    /// Whether it has all that the leader has committed, but for what is under way.
    pub caught_up: bool,
    /// Log entries that it lacks.
    pub lag_entries: u64,
}

/// The answer to draining a node's leaderships.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DrainLeadersResponse {
    /// How many groups have another leader now.
    pub moved_leaders: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_spelled_as_documented() {
        let status = ClusterStatus {
            cluster_id: "c".to_owned(),
            nodes: vec![NodeStatus {
                name: "n".to_owned(),
                ..NodeStatus::default()
            }],
            groups: vec![GroupStatus {
                voters: vec![VoterStatus::default()],
                ..GroupStatus::default()
            }],
            ..ClusterStatus::default()
        };
        let text = serde_json::to_string(&status).unwrap();
        for member in [
            r#""clusterId":"c""#,
            r#""accountId""#,
            r#""nodeId":0"#,
            r#""state":"Unreachable""#,
            r#""groupId":0"#,
            r#""leader":null"#,
            r#""caughtUp":false"#,
            r#""lagEntries":0"#,
            r#""underReplicatedGroups":0"#,
        ] {
            assert!(text.contains(member), "{member} in {text}");
        }
        assert!(!text.contains("reason"));
    }

    #[test]
    fn a_newer_nodes_members_are_ignored_and_missing_ones_have_defaults() {
        let status: ClusterStatus =
            serde_json::from_str(r#"{"clusterId":"c","somethingNew":{"a":1}}"#).unwrap();
        assert_eq!(status.cluster_id, "c");
        assert!(status.nodes.is_empty());
    }
}
