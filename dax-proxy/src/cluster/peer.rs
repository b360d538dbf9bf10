//! The nodes that may be in the cluster, as the flags name them.

use std::str::FromStr;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name: of its pod, in Kubernetes.
    pub name: String,
    /// `host:port` of its port for peers.
    pub address: String,
}

/// Not `NAME=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not NAME=HOST:PORT")]
pub struct PeerFormatError(String);

impl FromStr for Peer {
    type Err = PeerFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || PeerFormatError(text.to_owned());
        let (name, address) = text.split_once('=').ok_or_else(bad)?;
        let authority: http::uri::Authority = address.parse().map_err(|_| bad())?;
        let named = !name.is_empty() && !name.contains(char::is_whitespace);
        if !named || authority.port().is_none() || address.contains('@') {
            return Err(bad());
        }
        Ok(Self {
            name: name.to_owned(),
            address: address.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_an_address() {
        let peer: Peer = "dax-0=dax-0.dax-nodes.shop.svc:8112".parse().unwrap();
        assert_eq!(peer.name, "dax-0");
        assert_eq!(peer.address, "dax-0.dax-nodes.shop.svc:8112");
        for bad in [
            "dax-0", "=h:1", "a=h", "a=h:x", "a=u@h:1", "a b=h:1", "a=h:1/p",
        ] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
    }
}
