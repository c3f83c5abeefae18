//! What every process of Portcullis does alike: read settings, log, stop, and answer its operator.
//!
//! Knows nothing of HTTP frameworks, databases or tokens, so that the gateway can use it too.

mod duration;
pub mod private;
pub mod settings;
pub mod shutdown;
pub mod telemetry;

pub use duration::parse_duration;
pub use settings::{Mode, Settings, SettingsError};
