//! Logging: one subscriber per process, whose filter can be changed while it runs.
//!
//! Lines go to standard error. Levels: state changes at info, requests at debug; ERROR means that
//! someone must look. Item contents and credentials are never logged.

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt as fmt_layer, reload};

/// How a process logs.
#[derive(Args, Clone, Debug)]
pub struct TelemetryArgs {
    /// Which log lines are written, as `level` or `target=level,...`; changeable on the ops port.
    #[arg(long, env = "STATOR_LOG_FILTER", default_value = "info,openraft=error")]
    pub log_filter: String,

    /// How a log line looks.
    #[arg(long, env = "STATOR_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl Default for TelemetryArgs {
    fn default() -> Self {
        Self {
            log_filter: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("invalid log filter: {0}")]
    InvalidFilter(String),
    /// The process has a subscriber already.
    #[error("logging is set up already")]
    AlreadyInitialized,
    /// The subscriber is gone.
    #[error("the log filter can no longer be changed")]
    Gone,
}

/// Reads and changes the log filter of the running process.
#[derive(Clone)]
pub struct LogFilterHandle {
    filter: Arc<dyn FilterControl>,
}

trait FilterControl: Send + Sync {
    fn current(&self) -> Option<String>;
    fn replace(&self, filter: EnvFilter) -> bool;
}

impl<S: 'static> FilterControl for reload::Handle<EnvFilter, S> {
    fn current(&self) -> Option<String> {
        self.with_current(ToString::to_string).ok()
    }

    fn replace(&self, filter: EnvFilter) -> bool {
        self.reload(filter).is_ok()
    }
}

impl LogFilterHandle {
    /// A handle that changes nothing, for tests of what is given one.
    #[must_use]
    pub fn detached(filter: &str) -> Self {
        let filter = EnvFilter::try_new(filter).unwrap_or_default();
        let (layer, handle) = reload::Layer::<EnvFilter, Registry>::new(filter);
        Self {
            filter: Arc::new(Detached {
                handle,
                _layer: layer,
            }),
        }
    }

    /// The filter in force.
    ///
    /// # Errors
    /// When the subscriber is gone.
    pub fn get(&self) -> Result<String, TelemetryError> {
        self.filter.current().ok_or(TelemetryError::Gone)
    }

    /// Puts `filter` in force.
    ///
    /// # Errors
    /// When the text is no filter; the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), TelemetryError> {
        let filter = parse_filter(filter)?;
        if self.filter.replace(filter) {
            Ok(())
        } else {
            Err(TelemetryError::Gone)
        }
    }
}

impl fmt::Debug for LogFilterHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogFilterHandle")
            .field(&self.filter.current())
            .finish()
    }
}

struct Detached {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The handle is weak: the layer must live for it to work.
    _layer: reload::Layer<EnvFilter, Registry>,
}

impl FilterControl for Detached {
    fn current(&self) -> Option<String> {
        self.handle.current()
    }

    fn replace(&self, filter: EnvFilter) -> bool {
        self.handle.replace(filter)
    }
}

/// Sets up logging for the process; call once, first thing in `main`.
///
/// # Errors
/// When the filter does not parse or logging is set up already.
pub fn init(args: &TelemetryArgs) -> Result<LogFilterHandle, TelemetryError> {
    let TelemetryArgs {
        log_filter,
        log_format,
    } = args;
    let (filter, handle) = reload::Layer::new(parse_filter(log_filter)?);
    let lines = fmt_layer::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|_| TelemetryError::AlreadyInitialized)?;
    Ok(LogFilterHandle {
        filter: Arc::new(handle),
    })
}

fn parse_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let filter = filter.trim();
    if filter.is_empty() {
        return Err(TelemetryError::InvalidFilter("empty".to_owned()));
    }
    EnvFilter::try_new(filter).map_err(|error| TelemetryError::InvalidFilter(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        telemetry: TelemetryArgs,
    }

    #[test]
    fn the_defaults_are_text_at_info() {
        let args = Cli::parse_from(["program"]).telemetry;
        assert_eq!(
            (args.log_filter.as_str(), args.log_format),
            ("info,openraft=error", LogFormat::Text)
        );
        let args = Cli::parse_from(["program", "--log-format", "json"]).telemetry;
        assert_eq!(args.log_format, LogFormat::Json);
    }

    #[test]
    fn a_filter_can_be_changed_and_a_bad_one_leaves_the_old_in_force() {
        let handle = LogFilterHandle::detached("info");
        handle.set("stator_kit=debug,warn").unwrap();
        let changed = handle.get().unwrap();
        assert!(changed.contains("stator_kit=debug"), "{changed}");
        for bad in ["", "  ", "stator_kit=loud", "a=b=c"] {
            assert!(
                matches!(handle.set(bad), Err(TelemetryError::InvalidFilter(_))),
                "{bad:?}"
            );
        }
        assert_eq!(handle.get().unwrap(), changed);
    }
}
