//! Configurations that follow their files.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::{ClientConfig, ServerConfig};
use tokio::time::MissedTickBehavior;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::{info, warn};

use super::files::{Contents, PemPair};
use super::{MutualTls, TlsError, TlsFiles};
use crate::task::TaskOwner;

/// A server's configuration, replaced when its files change. Clones share it.
#[derive(Clone, Debug)]
pub struct ReloadingServerConfig {
    inner: Reloading<ServerConfig>,
}

/// A client's configuration, replaced when its files change. Clones share it.
#[derive(Clone, Debug)]
pub struct ReloadingClientConfig {
    inner: Reloading<ClientConfig>,
}

impl ReloadingServerConfig {
    /// Loads `files` for a server that speaks `alpn`, most wanted first.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles, mutual: MutualTls, alpn: &[&str]) -> Result<Self, TlsError> {
        let alpn: Vec<String> = alpn.iter().map(ToString::to_string).collect();
        let inner = Reloading::load(
            move |seen| {
                let contents = files.read_for_server(mutual)?;
                changed(seen, contents, |contents| {
                    files.server_config(contents, mutual, &alpn)
                })
            },
            "server",
        )?;
        Ok(Self { inner })
    }

    /// A server that shows what `source` gives, at the start and at every [`Self::reload`]: for certificates that come over
    /// an API. Clients show none.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_source(
        source: impl Fn() -> PemPair + Send + Sync + 'static,
        alpn: &[&str],
    ) -> Result<Self, TlsError> {
        let alpn: Vec<String> = alpn.iter().map(ToString::to_string).collect();
        // Their names in errors.
        let names = TlsFiles::in_directory(Path::new(""));
        let inner = Reloading::load(
            move |seen| {
                changed(seen, Contents::of_server(source()), |contents| {
                    names.server_config(contents, MutualTls::Off, &alpn)
                })
            },
            "server",
        )?;
        Ok(Self { inner })
    }

    /// The configuration for the next handshake.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.inner.current()
    }

    /// An acceptor for the next handshake.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current())
    }

    /// Looks at the files once. True when the configuration was replaced.
    ///
    /// # Errors
    /// [`TlsError`]; the old configuration stays in force.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.inner.reload()
    }

    /// Starts a task that looks at the files every `interval`.
    pub fn follow(&self, interval: Duration, tasks: &TaskOwner) {
        self.inner.follow(interval, tasks);
    }
}

impl ReloadingClientConfig {
    /// Loads `files` for a client that speaks `alpn`, most wanted first.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles, mutual: MutualTls, alpn: &[&str]) -> Result<Self, TlsError> {
        let alpn: Vec<String> = alpn.iter().map(ToString::to_string).collect();
        let inner = Reloading::load(
            move |seen| {
                let contents = files.read_for_client(mutual)?;
                changed(seen, contents, |contents| {
                    files.client_config(contents, mutual, &alpn)
                })
            },
            "client",
        )?;
        Ok(Self { inner })
    }

    /// The configuration for the next handshake.
    #[must_use]
    pub fn current(&self) -> Arc<ClientConfig> {
        self.inner.current()
    }

    /// A connector for the next handshake.
    #[must_use]
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.current())
    }

    /// Looks at the files once. True when the configuration was replaced.
    ///
    /// # Errors
    /// [`TlsError`]; the old configuration stays in force.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.inner.reload()
    }

    /// Starts a task that looks at the files every `interval`.
    pub fn follow(&self, interval: Duration, tasks: &TaskOwner) {
        self.inner.follow(interval, tasks);
    }
}

/// Reads the files and, when they differ from what was seen, makes a configuration of them.
type Load<C> = dyn Fn(Option<&Contents>) -> Result<Option<(Contents, C)>, TlsError> + Send + Sync;

struct Reloading<C> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    side: &'static str,
    load: Box<Load<C>>,
    current: RwLock<Arc<C>>,
    /// What `current` was made of. Held over a reload, so that reloads do not overlap.
    seen: Mutex<Contents>,
}

fn changed<C>(
    seen: Option<&Contents>,
    contents: Contents,
    build: impl FnOnce(&Contents) -> Result<C, TlsError>,
) -> Result<Option<(Contents, C)>, TlsError> {
    if seen == Some(&contents) {
        return Ok(None);
    }
    let config = build(&contents)?;
    Ok(Some((contents, config)))
}

impl<C: Send + Sync + 'static> Reloading<C> {
    fn load(
        load: impl Fn(Option<&Contents>) -> Result<Option<(Contents, C)>, TlsError>
        + Send
        + Sync
        + 'static,
        side: &'static str,
    ) -> Result<Self, TlsError> {
        // Nothing was seen, so that there is something new unless an error says otherwise.
        let Some((contents, config)) = load(None)? else {
            return Err(TlsError::Unusable("nothing was loaded".into()));
        };
        let (current, seen) = (RwLock::new(Arc::new(config)), Mutex::new(contents));
        Ok(Self {
            shared: Arc::new(Shared {
                side,
                load: Box::new(load),
                current,
                seen,
            }),
        })
    }

    fn current(&self) -> Arc<C> {
        Arc::clone(&self.shared.current.read())
    }

    fn reload(&self) -> Result<bool, TlsError> {
        let mut seen = self.shared.seen.lock();
        let Some((contents, config)) = (self.shared.load)(Some(&seen))? else {
            return Ok(false);
        };
        *self.shared.current.write() = Arc::new(config);
        *seen = contents;
        Ok(true)
    }

    fn follow(&self, interval: Duration, tasks: &TaskOwner) {
        let (reloading, owner) = (self.clone(), tasks.clone());
        tasks.spawn("tls reload", async move {
            reloading.run(interval, &owner).await
        });
    }

    async fn run(self, interval: Duration, owner: &TaskOwner) {
        let (token, side) = (owner.token(), self.shared.side);
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A Secret being written is unusable for a moment; only an error that lasts is logged, once.
        let mut last_error = None;
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let reloading = self.clone();
            let outcome = owner.spawn_blocking("read certificates", move || reloading.reload());
            let Ok(outcome) = outcome.await else { return };
            let error = outcome.as_ref().err().map(ToString::to_string);
            match &error {
                Some(error) if last_error.as_ref() != Some(error) => {
                    warn!(side, error, "certificates stay as they were");
                }
                None if matches!(outcome, Ok(true)) => info!(side, "certificates reloaded"),
                _ => {}
            }
            last_error = error;
        }
    }
}

impl<C> Clone for Reloading<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C> fmt::Debug for Reloading<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reloading").field(&self.shared.side).finish()
    }
}

#[cfg(test)]
mod tests;
