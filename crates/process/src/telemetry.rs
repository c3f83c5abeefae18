//! Logs on standard output: one JSON object a line in production, readable lines in development.
//!
//! What is logged is the callers' affair; the rule is that no token, cookie, password or e-mail ever is.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::settings::{Mode, Settings};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For collectors.
    Json,
}

/// Form and filter of the logs.
#[derive(Debug, Clone)]
pub struct LogSettings {
    format: LogFormat,
    filter: String,
}

impl LogSettings {
    /// Reads `LOG_FORMAT` (`pretty` or `json`) and `LOG` (a `tracing` filter such as `info,auth_service=debug`).
    pub fn read(settings: &mut Settings) -> Self {
        let (format, filter) = match settings.mode() {
            Mode::Production => (LogFormat::Json, "info"),
            Mode::Development => (LogFormat::Pretty, "debug,hyper=info,rustls=info,tokio_postgres=info"),
        };
        let format = match settings.text("LOG_FORMAT").as_deref() {
            None => format,
            Some("pretty") => LogFormat::Pretty,
            Some("json") => LogFormat::Json,
            Some(_) => {
                settings.problem("LOG_FORMAT", "may be pretty or json");
                format
            }
        };
        let filter = settings.text("LOG").unwrap_or_else(|| filter.to_owned());
        if let Err(error) = EnvFilter::try_new(&filter) {
            settings.problem("LOG", format_args!("is no filter: {error}"));
        }
        Self { format, filter }
    }

    /// The form, for lines that are written without `tracing`.
    pub const fn format(&self) -> LogFormat {
        self.format
    }

    /// Starts logging for the whole process. A second call changes nothing.
    pub fn init(&self) {
        let filter = EnvFilter::new(&self.filter);
        let lines = tracing_subscriber::fmt().with_env_filter(filter);
        // A failure means that logging has been set up already.
        let _ = match self.format {
            LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
            LogFormat::Pretty => lines.with_ansi(std::io::stdout().is_terminal()).compact().try_init(),
        };
    }
}
