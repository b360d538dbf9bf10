//! The signals that end a process.
//!
//! The first SIGTERM or SIGINT asks for a drain; the second ends the process at once, with the exit
//! code shells use for the signal. Kubernetes sends SIGTERM and, after its grace period, SIGKILL.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal as unix_signal};
use tracing::{info, warn};

use crate::task::TaskOwner;

/// Which signal arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShutdownSignal {
    /// SIGTERM: Kubernetes, init systems, `kill`.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
}

impl ShutdownSignal {
    fn exit_code(self) -> i32 {
        match self {
            Self::Terminate => 128 + 15,
            Self::Interrupt => 128 + 2,
        }
    }
}

/// Both signals, listened to from construction on, so that none is missed while starting up.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: unix_signal(SignalKind::terminate())?,
            interrupt: unix_signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// A signal that arrives while nobody waits is kept for the next call.
    pub async fn next(&mut self) -> ShutdownSignal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => ShutdownSignal::Terminate,
            _ = self.interrupt.recv() => ShutdownSignal::Interrupt,
        }
    }

    /// From now on the next signal ends the process at once.
    pub fn exit_on_next(mut self, tasks: &TaskOwner) {
        tasks.spawn_background("second signal", async move {
            let signal = self.next().await;
            warn!(?signal, "second signal, exiting without a drain");
            std::process::exit(signal.exit_code());
        });
    }
}

/// Waits for the first SIGTERM or SIGINT; from then on a second one ends the process at once.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub async fn signal(tasks: &TaskOwner) -> io::Result<ShutdownSignal> {
    let mut signals = Signals::install()?;
    let signal = signals.next().await;
    info!(?signal, "shutting down");
    signals.exit_on_next(tasks);
    Ok(signal)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_signal_is_kept_for_whoever_waits_next() {
        let mut signals = Signals::install().unwrap();
        for (name, expected) in [
            ("-TERM", ShutdownSignal::Terminate),
            ("-INT", ShutdownSignal::Interrupt),
        ] {
            let own = std::process::id().to_string();
            assert!(
                Command::new("kill")
                    .args([name, &own])
                    .status()
                    .unwrap()
                    .success()
            );
            let seen = tokio::time::timeout(Duration::from_secs(5), signals.next()).await;
            assert_eq!(seen, Ok(expected));
        }
    }
}
