//! What the operator asks of the programs that it runs: the DynamoDB API and the admin API of storage nodes.

mod admin;
mod dynamodb;
mod signed;

use std::sync::Arc;

use futures::future::BoxFuture;
use stator_kit::sigv4::AccessKey;
use thiserror::Error;

use crate::{
    crd::TableSpec,
    plan::{
        storage_cluster::ClusterView,
        table_changes::{ServiceTable, TableChange},
    },
};

pub use signed::SignedClients;

/// Why a call had no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service said no, in its own words; the same request will be refused again.
    #[error("{code}: {message}")]
    Refused {
        /// The error code, without its namespace.
        code: String,
        /// Its message.
        message: String,
    },
    /// No answer, or one that asks to try again. A change may or may not have been made.
    #[error("{0}")]
    Unreachable(String),
}

impl ServiceError {
    /// Whether it is this code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

/// Tables of one endpoint.
pub trait TableService: Send + Sync {
    /// DescribeTable, and what the manifest manages besides (expiry, tags); nothing when there is none of that name.
    fn describe<'a>(
        &'a self,
        spec: &'a TableSpec,
    ) -> BoxFuture<'a, Result<Option<ServiceTable>, ServiceError>>;
    /// CreateTable.
    fn create<'a>(
        &'a self,
        spec: &'a TableSpec,
    ) -> BoxFuture<'a, Result<ServiceTable, ServiceError>>;
    /// UpdateTable, or the call of its own that the change needs.
    fn update<'a>(
        &'a self,
        table: &'a str,
        change: &'a TableChange,
    ) -> BoxFuture<'a, Result<(), ServiceError>>;
    /// DeleteTable.
    fn delete<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<(), ServiceError>>;
}

/// The admin API of one storage node.
pub trait AdminService: Send + Sync {
    /// How the cluster stands, as this node sees it.
    fn cluster(&self) -> BoxFuture<'_, Result<ClusterView, ServiceError>>;
    /// Moves the leaders of `node` to others; how many were moved.
    fn drain_leaders<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<u32, ServiceError>>;
}

/// Makes clients; tests put their own in.
pub trait Clients: Send + Sync {
    /// Of the DynamoDB API at `endpoint`.
    fn tables(&self, endpoint: &str, region: &str, key: AccessKey) -> Arc<dyn TableService>;
    /// Of the admin API at `endpoint`.
    fn admin(&self, endpoint: &str, region: &str, key: AccessKey) -> Arc<dyn AdminService>;
}
