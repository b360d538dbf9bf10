//! The files of a TLS directory, and the rustls configurations made of them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{MutualTls, TlsError, provider};
use crate::sigv4::Secret;

/// A bundle of all public authorities is about 250 kB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where the PEM files lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// Certificates of the authorities that peers are verified against.
    pub authorities: PathBuf,
    /// Own certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Own private key.
    pub key: PathBuf,
}

/// The files' contents, compared to find out whether anything changed.
#[derive(Clone, Default, Eq, PartialEq)]
pub(super) struct Contents {
    authorities: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Contents {
    /// What a server that asks for no certificates needs.
    pub(super) fn of_server(pair: PemPair) -> Self {
        let PemPair { certificate, key } = pair;
        Self {
            authorities: Vec::new(),
            certificate: certificate.into_bytes(),
            key: key.expose().as_bytes().to_vec(),
        }
    }
}

/// A certificate chain, leaf first, and its key, both in PEM, that do not lie in files.
#[derive(Clone, Debug)]
pub struct PemPair {
    /// `tls.crt`.
    pub certificate: String,
    /// `tls.key`.
    pub key: Secret,
}

impl TlsFiles {
    /// `ca.crt`, `tls.crt` and `tls.key` of `directory`, as Kubernetes lays out a TLS Secret.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            authorities: directory.join("ca.crt"),
            certificate: directory.join("tls.crt"),
            key: directory.join("tls.key"),
        }
    }

    /// Reads what a server needs: certificate and key, and authorities when clients show theirs.
    pub(super) fn read_for_server(&self, mutual: MutualTls) -> Result<Contents, TlsError> {
        Ok(Contents {
            authorities: match mutual {
                MutualTls::Required => read(&self.authorities)?,
                MutualTls::Off => Vec::new(),
            },
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
        })
    }

    /// Reads what a client needs: authorities, and certificate and key when it shows its own.
    pub(super) fn read_for_client(&self, mutual: MutualTls) -> Result<Contents, TlsError> {
        let authorities = read(&self.authorities)?;
        Ok(match mutual {
            MutualTls::Required => Contents {
                authorities,
                certificate: read(&self.certificate)?,
                key: read(&self.key)?,
            },
            MutualTls::Off => Contents {
                authorities,
                ..Contents::default()
            },
        })
    }

    pub(super) fn server_config(
        &self,
        contents: &Contents,
        mutual: MutualTls,
        alpn: &[String],
    ) -> Result<ServerConfig, TlsError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match mutual {
            MutualTls::Off => builder.with_no_client_auth(),
            MutualTls::Required => {
                let roots = Arc::new(self.roots(contents)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| TlsError::Unusable(Box::new(error)))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(self.chain(contents)?, self.key(contents)?)?;
        config.alpn_protocols = wire_alpn(alpn);
        Ok(config)
    }

    pub(super) fn client_config(
        &self,
        contents: &Contents,
        mutual: MutualTls,
        alpn: &[String],
    ) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots(contents)?);
        let mut config = match mutual {
            MutualTls::Off => builder.with_no_client_auth(),
            MutualTls::Required => {
                builder.with_client_auth_cert(self.chain(contents)?, self.key(contents)?)?
            }
        };
        config.alpn_protocols = wire_alpn(alpn);
        Ok(config)
    }

    fn roots(&self, contents: &Contents) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let parsed = CertificateDer::pem_slice_iter(&contents.authorities);
        // A system bundle may hold oddities that webpki refuses; none usable at all is an error.
        roots.add_parsable_certificates(parsed.filter_map(Result::ok));
        if roots.is_empty() {
            return Err(malformed(&self.authorities, "authority certificate"));
        }
        Ok(roots)
    }

    fn chain(&self, contents: &Contents) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&contents.certificate).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            _ => Err(malformed(&self.certificate, "certificate chain")),
        }
    }

    fn key(&self, contents: &Contents) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| malformed(&self.key, "private key"))
    }
}

fn malformed(path: &Path, expected: &'static str) -> TlsError {
    TlsError::Malformed {
        path: path.to_owned(),
        expected,
    }
}

fn wire_alpn(names: &[String]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // What is beyond the bound is cut off and then fails to parse.
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}
