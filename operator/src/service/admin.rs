//! The admin API of a storage node: `model::admin` over signed HTTP.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Method;
use stator_model::admin::{ClusterStatus, DrainLeadersResponse};

use super::{AdminService, ServiceError, signed::SignedClient};
use crate::plan::storage_cluster::{ClusterView, GroupView, NodeView};

pub(super) struct AdminClient {
    pub(super) client: SignedClient,
}

impl AdminService for AdminClient {
    fn cluster(&self) -> BoxFuture<'_, Result<ClusterView, ServiceError>> {
        Box::pin(async {
            let body = self
                .client
                .send(Method::GET, "/v1/cluster", &[], Bytes::new())
                .await?;
            let status: ClusterStatus = read(&body)?;
            Ok(view(status))
        })
    }

    fn drain_leaders<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<u32, ServiceError>> {
        Box::pin(async move {
            let path = format!("/v1/nodes/{node}/drain-leaders");
            let body = self
                .client
                .send(Method::POST, &path, &[], Bytes::new())
                .await?;
            Ok(read::<DrainLeadersResponse>(&body)?.moved_leaders)
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    serde_json::from_slice(body).map_err(|error| {
        ServiceError::Unreachable(format!("the admin API's answer cannot be read: {error}"))
    })
}

fn view(status: ClusterStatus) -> ClusterView {
    ClusterView {
        cluster_id: status.cluster_id,
        nodes: status
            .nodes
            .into_iter()
            .map(|node| NodeView {
                name: node.name,
                state: format!("{:?}", node.state),
                reason: node.reason,
            })
            .collect(),
        groups: status
            .groups
            .into_iter()
            .map(|group| GroupView {
                leader: group.leader,
                voters: group.voters.into_iter().map(|voter| voter.name).collect(),
            })
            .collect(),
        under_replicated_groups: status.under_replicated_groups,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let body = br#"{"clusterId":"id","nodes":[{"name":"a","state":"NotVoting","reason":"empty"}],
            "groups":[{"groupId":0,"leader":"a","voters":[{"name":"a","caughtUp":true,"lagEntries":0}],"underReplicated":false}],
            "underReplicatedGroups":3}"#;
        let view = view(read(body).unwrap());
        assert_eq!(view.nodes[0].state, "NotVoting");
        assert_eq!(view.groups[0].leader.as_deref(), Some("a"));
        assert_eq!(view.under_replicated_groups, 3);
    }
}
