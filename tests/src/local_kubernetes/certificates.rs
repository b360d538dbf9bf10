//! One certificate authority, the certificates below it, and the kubeconfigs that use them.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::addresses::{API_SERVER, API_SERVER_SERVICE, CONTROL_ADDRESS, NODES};
use super::files::{Files, write};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Issues everything: `ca.crt`, `<name>.crt`, `<name>.key`, the service accounts' key pair, and kubeconfigs.
pub(super) fn issue(files: &Files) -> Result<()> {
    let authority = authority()?;
    write(&files.certificates().join("ca.crt"), &authority.pem())?;

    let server_names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        CONTROL_ADDRESS,
        API_SERVER_SERVICE,
    ];
    certificate(
        files,
        &authority,
        "kube-apiserver",
        ("kube-apiserver", None),
        &server_names,
    )?;
    client(
        files,
        &authority,
        "admin",
        ("admin", Some("system:masters")),
        &[],
    )?;
    for name in ["kube-controller-manager", "kube-scheduler", "kube-proxy"] {
        client(
            files,
            &authority,
            name,
            (&format!("system:{name}"), None),
            &[],
        )?;
    }
    for node in &NODES {
        let subject = format!("system:node:{}", node.name);
        let names = [node.name, node.address];
        client(
            files,
            &authority,
            node.name,
            (&subject, Some("system:nodes")),
            &names,
        )?;
    }

    let accounts = KeyPair::generate().context("service account key")?;
    write(
        &files.certificates().join("service-accounts.key"),
        &accounts.serialize_pem(),
    )?;
    write(
        &files.certificates().join("service-accounts.pub"),
        &accounts.public_key_pem(),
    )
}

fn authority() -> Result<Authority> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
        .distinguished_name
        .push(DnType::CommonName, "stator local kubernetes");
    CertifiedIssuer::self_signed(parameters, KeyPair::generate()?).context("certificate authority")
}

/// A certificate with its key and a kubeconfig.
fn client(
    files: &Files,
    authority: &Authority,
    name: &str,
    subject: (&str, Option<&str>),
    server_names: &[&str],
) -> Result<()> {
    certificate(files, authority, name, subject, server_names)?;
    let directory = files.certificates();
    let directory = directory.display();
    write(
        &files.kubeconfig(name),
        &format!(
            "apiVersion: v1
kind: Config
clusters:
- name: local
  cluster: {{server: '{API_SERVER}', certificate-authority: {directory}/ca.crt}}
users:
- name: {name}
  user: {{client-certificate: {directory}/{name}.crt, client-key: {directory}/{name}.key}}
contexts:
- name: local
  context: {{cluster: local, user: {name}}}
current-context: local
"
        ),
    )
}

fn certificate(
    files: &Files,
    authority: &Authority,
    name: &str,
    (common_name, organization): (&str, Option<&str>),
    server_names: &[&str],
) -> Result<()> {
    let names: Vec<_> = server_names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).context("names of a certificate")?;
    parameters
        .distinguished_name
        .push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, organization);
    }
    parameters.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    let key = KeyPair::generate()?;
    let certificate = parameters.signed_by(&key, authority)?;
    write(
        &files.certificates().join(format!("{name}.crt")),
        &certificate.pem(),
    )?;
    write(
        &files.certificates().join(format!("{name}.key")),
        &key.serialize_pem(),
    )
}
