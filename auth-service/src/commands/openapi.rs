//! `openapi`: what this binary answers over HTTP, for whoever makes a client of it.

use std::io::{Write as _, stdout};

use crate::http::document::document;

/// Prints the document.
///
/// # Errors
/// Nobody reads it to its end.
pub fn openapi() -> anyhow::Result<()> {
    writeln!(stdout(), "{:#}", document())?;
    Ok(())
}
