//! The Secrets of storage clusters and caches: made once, read for ever.

use k8s_openapi::api::core::v1::Secret;
use stator_kit::tls::issue::CertificateAuthority;

use super::{Context, ReconcileError};
use crate::{
    children::secrets::{KeyPair, Keys, certificate_names, member, secret_of},
    names::{DAX_CLUSTER_LABEL, DaxNames, STORAGE_CLUSTER_LABEL, StorageNames},
};

const CA_CERTIFICATE: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";

/// The three access keys, made where they are missing.
pub(super) async fn keys(names: &StorageNames, context: &Context) -> Result<Keys, ReconcileError> {
    Ok(Keys {
        root: key(names, names.root_secret(), context).await?,
        operator: key(names, names.operator_secret(), context).await?,
        dax: key(names, names.dax_secret(), context).await?,
    })
}

async fn key(
    names: &StorageNames,
    name: String,
    context: &Context,
) -> Result<KeyPair, ReconcileError> {
    let kubernetes = &context.kubernetes;
    let live = match kubernetes
        .namespaced::<Secret>(&names.namespace)
        .get_opt(&name)
        .await?
    {
        Some(live) => live,
        None => {
            let new = KeyPair::generate(context.random.as_ref()).to_secret(names, name.clone());
            kubernetes.create_secret_once(new).await?
        }
    };
    KeyPair::from_secret(&live).ok_or(ReconcileError::BrokenSecret {
        name,
        member: "an access key",
    })
}

/// The certificate authority and the storage nodes' certificate, made where they are missing.
pub(super) async fn certificates(
    names: &StorageNames,
    context: &Context,
) -> Result<(), ReconcileError> {
    let wanted = Certificates {
        namespace: &names.namespace,
        belongs_to: (STORAGE_CLUSTER_LABEL, &names.cluster),
        authority_secret: names.ca_secret(),
        authority_name: format!("stator {}.{}", names.cluster, names.namespace),
        secret: names.node_tls_secret(),
        common_name: names.storage(),
        host_names: certificate_names(names),
    };
    wanted.make(context).await
}

/// An authority of its own and the certificate that cache nodes show to clients, made where they are missing. Not the
/// authority of the storage nodes: whoever has a certificate of that one may call them.
pub(super) async fn dax_certificates(
    names: &DaxNames,
    context: &Context,
) -> Result<(), ReconcileError> {
    let wanted = Certificates {
        namespace: &names.namespace,
        belongs_to: (DAX_CLUSTER_LABEL, &names.cluster),
        authority_secret: names.ca_secret(),
        authority_name: format!("stator cache {}.{}", names.cluster, names.namespace),
        secret: names.tls_secret(),
        common_name: names.stateful_set(),
        host_names: names.certificate_names(),
    };
    wanted.make(context).await
}

/// The authority and the certificate of cache nodes among themselves, made where they are missing.
pub(super) async fn dax_peer_certificates(
    names: &DaxNames,
    context: &Context,
) -> Result<(), ReconcileError> {
    let wanted = Certificates {
        namespace: &names.namespace,
        belongs_to: (DAX_CLUSTER_LABEL, &names.cluster),
        authority_secret: names.peer_ca_secret(),
        authority_name: format!("stator cache nodes {}.{}", names.cluster, names.namespace),
        secret: names.peer_tls_secret(),
        common_name: names.nodes(),
        host_names: names.peer_certificate_names(),
    };
    wanted.make(context).await
}

/// What is missing in a Secret with a certificate that somebody else has made; `None` if it is whole.
pub(super) async fn missing_of_given_certificate(
    namespace: &str,
    name: &str,
    context: &Context,
) -> Result<Option<String>, ReconcileError> {
    let secrets = context.kubernetes.namespaced::<Secret>(namespace);
    let Some(live) = secrets.get_opt(name).await? else {
        return Ok(Some(format!("Secret {name} does not exist")));
    };
    let missing = [CERTIFICATE, PRIVATE_KEY]
        .into_iter()
        .find(|part| member(&live, part).is_none());
    Ok(missing.map(|part| format!("Secret {name} lacks {part}")))
}

/// An authority and a certificate that it has issued.
struct Certificates<'a> {
    namespace: &'a str,
    belongs_to: (&'static str, &'a str),
    authority_secret: String,
    authority_name: String,
    secret: String,
    common_name: String,
    host_names: Vec<String>,
}

impl Certificates<'_> {
    async fn make(&self, context: &Context) -> Result<(), ReconcileError> {
        let kubernetes = &context.kubernetes;
        let secrets = kubernetes.namespaced::<Secret>(self.namespace);
        if secrets.get_opt(&self.secret).await?.is_some() {
            return Ok(());
        }
        let authority = self.authority(context).await?;
        let now = context.clock.now();
        let (certificate, key) =
            authority.issue_server_client(&self.common_name, &self.host_names, &[], now)?;
        let leaf = secret_of(
            self.namespace,
            self.belongs_to,
            self.secret.clone(),
            [
                (CA_CERTIFICATE, authority.certificate_pem().to_owned()),
                (CERTIFICATE, certificate),
                (PRIVATE_KEY, key.expose().to_owned()),
            ],
        );
        kubernetes.create_secret_once(leaf).await?;
        Ok(())
    }

    async fn authority(&self, context: &Context) -> Result<CertificateAuthority, ReconcileError> {
        let kubernetes = &context.kubernetes;
        let name = &self.authority_secret;
        let live = match kubernetes
            .namespaced::<Secret>(self.namespace)
            .get_opt(name)
            .await?
        {
            Some(live) => live,
            None => {
                let new = CertificateAuthority::new(&self.authority_name, context.clock.now())?;
                let members = [
                    (CERTIFICATE, new.certificate_pem().to_owned()),
                    (PRIVATE_KEY, new.key_pem().expose().to_owned()),
                ];
                let secret = secret_of(self.namespace, self.belongs_to, name.clone(), members);
                kubernetes.create_secret_once(secret).await?
            }
        };
        let part = |part: &'static str| {
            member(&live, part).ok_or_else(|| ReconcileError::BrokenSecret {
                name: name.clone(),
                member: part,
            })
        };
        Ok(CertificateAuthority::from_pem(
            &part(CERTIFICATE)?,
            &part(PRIVATE_KEY)?,
        )?)
    }
}
