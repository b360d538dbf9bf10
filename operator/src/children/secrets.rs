//! Access keys and the list of callers. Keys are random and made once; the list follows from the keys.
//!
//! These Secrets have no owner references: they outlive a `StorageCluster` object that is deleted and made again, as the
//! volumes do.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stator_kit::{rng::RandomSource, sigv4::AccessKey};

use super::Child;
use crate::names::{STORAGE_CLUSTER_LABEL, StorageNames};

/// Member of a Secret with an access key's id, and the environment variable of the AWS SDKs.
pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// Member of a Secret with an access key's secret, and the environment variable of the AWS SDKs.
pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// Member of the Secret with the list of callers.
pub const CREDENTIALS_FILE: &str = "credentials.json";

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The access key id, public.
    pub id: String,
    /// The secret access key.
    pub secret: String,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl KeyPair {
    /// A new key in the shape of Amazon's: an id of 20 and a secret of 40 characters (236 bits).
    pub fn generate(random: &dyn RandomSource) -> Self {
        Self {
            id: format!(
                "STAT{}",
                text(random, 16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
            ),
            secret: text(
                random,
                40,
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            ),
        }
    }

    /// For signing.
    pub fn access_key(&self) -> AccessKey {
        AccessKey::new(self.id.clone(), self.secret.clone())
    }

    /// From a Secret, when it holds both parts.
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        Some(Self {
            id: member(secret, ACCESS_KEY_ID)?,
            secret: member(secret, SECRET_ACCESS_KEY)?,
        })
    }

    /// The Secret that holds it.
    pub fn to_secret(&self, names: &StorageNames, name: String) -> Secret {
        secret(
            names,
            name,
            [
                (ACCESS_KEY_ID, self.id.clone()),
                (SECRET_ACCESS_KEY, self.secret.clone()),
            ],
        )
    }
}

/// `length` characters of `alphabet`, whose length is a power of two, so that no character is likelier than another.
fn text(random: &dyn RandomSource, length: usize, alphabet: &[u8]) -> String {
    debug_assert!(
        alphabet.len().is_power_of_two(),
        "a remainder would be biased"
    );
    (0..length)
        .map(|_| {
            let index =
                usize::try_from(random.next_u64() >> 32).unwrap_or_default() % alphabet.len();
            char::from(alphabet.get(index).copied().unwrap_or(b'A'))
        })
        .collect()
}

/// The text under a name in a Secret.
pub fn member(secret: &Secret, name: &str) -> Option<String> {
    secret
        .data
        .as_ref()?
        .get(name)
        .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
}

/// A Secret of a storage cluster.
pub fn secret<const N: usize>(
    names: &StorageNames,
    name: String,
    members: [(&str, String); N],
) -> Secret {
    let belongs_to = (STORAGE_CLUSTER_LABEL, names.cluster.as_str());
    secret_of(&names.namespace, belongs_to, name, members)
}

/// A Secret of a cluster: `belongs_to` is the label that says so.
pub fn secret_of<const N: usize>(
    namespace: &str,
    belongs_to: (&str, &str),
    name: String,
    members: [(&str, String); N],
) -> Secret {
    let (label, cluster) = belongs_to;
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            labels: Some(BTreeMap::from([
                ("app.kubernetes.io/name".to_owned(), "stator".to_owned()),
                (
                    "app.kubernetes.io/managed-by".to_owned(),
                    "stator-operator".to_owned(),
                ),
                (label.to_owned(), cluster.to_owned()),
            ])),
            ..ObjectMeta::default()
        },
        data: Some(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), ByteString(value.into_bytes())))
                .collect(),
        ),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The file that storage nodes and caches read; see kit's `access`.
#[derive(Debug, Serialize, Deserialize)]
struct CredentialsFile {
    credentials: Vec<Credential>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    access_key_id: String,
    secret_access_key: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    session_token: Option<String>,
    principal: String,
}

/// The three principals of a storage cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// For people.
    pub root: KeyPair,
    /// For the operator.
    pub operator: KeyPair,
    /// For caches.
    pub dax: KeyPair,
}

impl Keys {
    /// The list of callers as an object to apply: it changes when a key is replaced by hand.
    pub fn credentials(&self, names: &StorageNames) -> Child {
        let file = CredentialsFile {
            credentials: [
                ("root", &self.root),
                ("operator", &self.operator),
                ("dax", &self.dax),
            ]
            .into_iter()
            .map(|(principal, key)| Credential {
                access_key_id: key.id.clone(),
                secret_access_key: key.secret.clone(),
                session_token: None,
                principal: principal.to_owned(),
            })
            .collect(),
        };
        let text = serde_json::to_string(&file).unwrap_or_default();
        let labels = super::labels("credentials", &[(STORAGE_CLUSTER_LABEL, &names.cluster)]);
        let data: Value = serde_json::to_value(ByteString(text.into_bytes())).unwrap_or_default();
        Child::new(
            ("v1", "Secret", "secrets"),
            &names.namespace,
            names.credentials_secret(),
            None,
            &labels,
            json!({"type": "Opaque", "data": {CREDENTIALS_FILE: data}}),
        )
    }
}

/// Names and addresses that the certificate of the storage nodes is valid for: every pod by the headless Service, clients by
/// theirs, each with and without the usual domain of the cluster.
pub fn certificate_names(names: &StorageNames) -> Vec<String> {
    let namespace = &names.namespace;
    let mut all = vec!["localhost".to_owned()];
    for host in [format!("*.{}", names.storage()), names.service()] {
        for suffix in ["svc", "svc.cluster.local"] {
            all.push(format!("{host}.{namespace}.{suffix}"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use stator_kit::rng::SeededRandom;

    use super::*;

    #[test]
    fn a_key_has_the_shape_of_amazons() {
        let key = KeyPair::generate(&SeededRandom::new(1));
        assert_eq!((key.id.len(), key.secret.len()), (20, 40));
        assert_ne!(key.secret, KeyPair::generate(&SeededRandom::new(2)).secret);
    }

    #[test]
    fn a_key_survives_its_secret() {
        let key = KeyPair::generate(&SeededRandom::new(1));
        let secret = key.to_secret(
            &StorageNames::new("default", "shop"),
            "default-root".to_owned(),
        );
        assert_eq!(KeyPair::from_secret(&secret), Some(key));
    }

    #[test]
    fn the_list_of_callers_is_stable() {
        let keys = Keys {
            root: KeyPair::generate(&SeededRandom::new(1)),
            operator: KeyPair::generate(&SeededRandom::new(2)),
            dax: KeyPair::generate(&SeededRandom::new(3)),
        };
        let names = StorageNames::new("default", "shop");
        assert_eq!(keys.credentials(&names), keys.credentials(&names));
    }

    #[test]
    fn the_certificate_fits_the_peers_addresses() {
        let names = certificate_names(&StorageNames::new("default", "shop"));
        assert!(names.contains(&"*.default-storage.shop.svc".to_owned()));
    }

    #[test]
    fn a_key_does_not_show_its_secret() {
        let key = KeyPair::generate(&SeededRandom::new(1));
        assert!(!format!("{key:?}").contains(&key.secret));
    }
}
