//! The Secrets of a storage cluster: made once, read for ever.

use k8s_openapi::api::core::v1::Secret;
use stator_kit::tls::issue::CertificateAuthority;

use super::{Context, ReconcileError};
use crate::{
    children::secrets::{KeyPair, Keys, certificate_names, member, secret},
    names::StorageNames,
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
    let kubernetes = &context.kubernetes;
    let secrets = kubernetes.namespaced::<Secret>(&names.namespace);
    if secrets.get_opt(&names.node_tls_secret()).await?.is_some() {
        return Ok(());
    }
    let authority = authority(names, context).await?;
    let host_names = certificate_names(names);
    let (certificate, key) =
        authority.issue_server_client(&names.storage(), &host_names, &[], context.clock.now())?;
    let leaf = secret(
        names,
        names.node_tls_secret(),
        [
            (CA_CERTIFICATE, authority.certificate_pem().to_owned()),
            (CERTIFICATE, certificate),
            (PRIVATE_KEY, key.expose().to_owned()),
        ],
    );
    kubernetes.create_secret_once(leaf).await?;
    Ok(())
}

async fn authority(
    names: &StorageNames,
    context: &Context,
) -> Result<CertificateAuthority, ReconcileError> {
    let kubernetes = &context.kubernetes;
    let name = names.ca_secret();
    let live = match kubernetes
        .namespaced::<Secret>(&names.namespace)
        .get_opt(&name)
        .await?
    {
        Some(live) => live,
        None => {
            let common_name = format!("stator {}.{}", names.cluster, names.namespace);
            let new = CertificateAuthority::new(&common_name, context.clock.now())?;
            let members = [
                (CERTIFICATE, new.certificate_pem().to_owned()),
                (PRIVATE_KEY, new.key_pem().expose().to_owned()),
            ];
            kubernetes
                .create_secret_once(secret(names, name.clone(), members))
                .await?
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
