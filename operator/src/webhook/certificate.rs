//! The webhook's own certificate: made by the first operator, kept in a Secret, told to the API server.
//!
//! The authority signs one certificate and is forgotten: whoever deletes the Secret gets a new pair of both.

use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use stator_kit::{
    clock::SharedClock,
    sigv4,
    tls::{PemPair, TlsError, issue::CertificateAuthority},
};

use crate::{
    apply::{FIELD_MANAGER, Kubernetes},
    children::secrets::{member, secret_of},
};

const CA_CERTIFICATE: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";

/// Names around the webhook.
#[derive(Clone, Debug)]
pub struct Names {
    /// Namespace of the operator.
    pub namespace: String,
    /// The Service that leads to it.
    pub service: String,
    /// The `MutatingWebhookConfiguration` that registers it.
    pub configuration: String,
}

impl Names {
    fn secret(&self) -> String {
        format!("{}-tls", self.service)
    }

    /// The API server asks for the Service by this name.
    fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }
}

/// Why there is no certificate (yet).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The API server's answer.
    #[error(transparent)]
    Kubernetes(#[from] kube::Error),
    /// It cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The Secret is there and cannot be used; it is not overwritten.
    #[error("Secret {0} lacks {1}; delete it to have it made anew")]
    Broken(String, &'static str),
}

/// What it takes to have a certificate.
pub struct Authority {
    /// Names around the webhook.
    pub names: Names,
    /// The way to the API server.
    pub kubernetes: Kubernetes,
    /// For the certificate's dates.
    pub clock: SharedClock,
}

impl Authority {
    /// The certificate in force, made where it is missing, after the API server has been told of its authority.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub async fn converge(&self) -> Result<PemPair, CertificateError> {
        let (names, kubernetes) = (&self.names, &self.kubernetes);
        let secrets = kubernetes.namespaced::<Secret>(&names.namespace);
        let live = match secrets.get_opt(&names.secret()).await? {
            Some(live) => live,
            None => {
                let new = make(names, &self.clock)?;
                kubernetes.create_secret_once(new).await?
            }
        };
        let part = |part: &'static str| {
            member(&live, part).ok_or_else(|| CertificateError::Broken(names.secret(), part))
        };
        let authority = part(CA_CERTIFICATE)?;
        let pair = PemPair {
            certificate: part(CERTIFICATE)?,
            key: sigv4::Secret::new(part(PRIVATE_KEY)?),
        };
        register(names, kubernetes, &authority).await?;
        Ok(pair)
    }
}

fn make(names: &Names, clock: &SharedClock) -> Result<Secret, TlsError> {
    let now = clock.now();
    let authority = CertificateAuthority::new(&format!("stator webhook {}", names.namespace), now)?;
    let (certificate, key) =
        authority.issue_server_client(&names.service, &[names.host()], &[], now)?;
    Ok(secret_of(
        &names.namespace,
        ("app.kubernetes.io/component", "operator"),
        names.secret(),
        [
            (CA_CERTIFICATE, authority.certificate_pem().to_owned()),
            (CERTIFICATE, certificate),
            (PRIVATE_KEY, key.expose().to_owned()),
        ],
    ))
}

/// Tells the API server which authority to trust, where it does not know yet.
async fn register(names: &Names, kubernetes: &Kubernetes, authority: &str) -> kube::Result<()> {
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(kubernetes.client());
    let Some(live) = registrations.get_opt(&names.configuration).await? else {
        tracing::debug!(name = names.configuration, "no webhook is registered");
        return Ok(());
    };
    if let Some(patch) = missing(&live, authority) {
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        registrations
            .patch(&names.configuration, &parameters, &Patch::Strategic(patch))
            .await?;
        tracing::info!(
            name = names.configuration,
            "the API server was told of the webhook's authority"
        );
    }
    Ok(())
}

/// What the registration lacks: webhooks are merged by their names.
fn missing(live: &MutatingWebhookConfiguration, authority: &str) -> Option<Value> {
    let bundle = k8s_openapi::ByteString(authority.as_bytes().to_vec());
    let webhooks: Vec<Value> = live
        .webhooks
        .iter()
        .flatten()
        .filter(|webhook| webhook.client_config.ca_bundle.as_ref() != Some(&bundle))
        .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
        .collect();
    (!webhooks.is_empty()).then(|| json!({"webhooks": webhooks}))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stator_kit::clock::SystemWallClock;

    use super::*;

    fn names() -> Names {
        Names {
            namespace: "stator-system".to_owned(),
            service: "stator-operator-webhook".to_owned(),
            configuration: "stator-operator".to_owned(),
        }
    }

    #[test]
    fn a_new_certificate_is_whole() {
        let clock: SharedClock = Arc::new(SystemWallClock);
        let secret = make(&names(), &clock).unwrap();
        assert_eq!(
            secret.metadata.name.as_deref(),
            Some("stator-operator-webhook-tls")
        );
        let part = |name| member(&secret, name).unwrap();
        assert!(part(CERTIFICATE).contains("BEGIN CERTIFICATE"));
        assert!(part(PRIVATE_KEY).contains("PRIVATE KEY"));
        assert_ne!(part(CERTIFICATE), part(CA_CERTIFICATE));
    }

    #[test]
    fn a_registration_is_patched_only_where_it_differs() {
        let registration = |bundle: Option<&str>| -> MutatingWebhookConfiguration {
            let bundle = bundle.map(|text| k8s_openapi::ByteString(text.as_bytes().to_vec()));
            serde_json::from_value(json!({
                "metadata": {"name": "stator-operator"},
                "webhooks": [{
                    "name": "dax-sidecar.stator.dev",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "clientConfig": {"caBundle": bundle},
                }],
            }))
            .unwrap()
        };
        assert_eq!(missing(&registration(Some("ca")), "ca"), None);
        for other in [None, Some("old")] {
            let patch = missing(&registration(other), "ca").unwrap();
            assert_eq!(
                patch,
                json!({"webhooks": [{
                    "name": "dax-sidecar.stator.dev",
                    "clientConfig": {"caBundle": "Y2E="},
                }]})
            );
        }
    }
}
