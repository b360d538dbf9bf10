//! Answers about nodes, keys and lists (protocol, sections 6 and 8).

use std::net::IpAddr;

use stator_model::KeySchema;

use super::super::cbor::Writer;
use super::super::lists::ListId;

/// A node, as clients find it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Of the node, among all of the cluster.
    pub(crate) node_id: i64,
    /// Not used by clients for anything, and never missing.
    pub(crate) host_name: String,
    /// Of the family of the connection that asked.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// Whether writes are to go to it.
    pub(crate) leader: bool,
    pub(crate) availability_zone: String,
    /// Another one when the leader is another one; below 2^53.
    pub(crate) leader_session_id: i64,
}

pub(crate) fn encode_endpoints(nodes: &[Endpoint]) -> Vec<u8> {
    let mut writer = success();
    writer.array(nodes.len());
    for node in nodes {
        writer.map(7);
        writer.integer(0);
        writer.integer(node.node_id.into());
        writer.integer(1);
        writer.text(&node.host_name);
        writer.integer(2);
        match node.address {
            IpAddr::V4(address) => writer.bytes(&address.octets()),
            IpAddr::V6(address) => writer.bytes(&address.octets()),
        }
        writer.integer(3);
        writer.integer(node.port.into());
        writer.integer(4);
        writer.integer(if node.leader { 1 } else { 2 });
        writer.integer(5);
        writer.text(&node.availability_zone);
        writer.integer(6);
        writer.integer(node.leader_session_id.into());
    }
    writer.finish()
}

/// Name to type, the partition key first: the order matters.
pub(crate) fn encode_key_schema(schema: &KeySchema) -> Vec<u8> {
    let mut writer = success();
    writer.map(schema.attributes().count());
    for attribute in schema.attributes() {
        writer.text(&attribute.name);
        writer.text(attribute.scalar_type.as_str());
    }
    writer.finish()
}

pub(crate) fn encode_list_id(id: ListId) -> Vec<u8> {
    let mut writer = success();
    writer.integer(id.into());
    writer.finish()
}

pub(crate) fn encode_names(names: &[String]) -> Vec<u8> {
    let mut writer = success();
    writer.array(names.len());
    names.iter().for_each(|name| writer.text(name));
    writer.finish()
}

fn success() -> Writer {
    let mut writer = Writer::new();
    writer.array(0);
    writer
}
