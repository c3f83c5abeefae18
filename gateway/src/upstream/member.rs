//! One server as all cores see it: where it is, and what is counted of it.
//!
//! Written when something goes wrong and read when nothing does, so cores do not contend for it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use http::HeaderValue;

use super::connect::Target;

/// See the module.
#[derive(Debug)]
pub struct Member {
    target: Target,
    host: HeaderValue,
    name: String,
    address: String,
    /// Unusable answers in a row, as far as the cores have told.
    faults: AtomicU32,
    pub(super) connect_failures: AtomicU64,
    pub(super) ejections: AtomicU64,
}

impl Member {
    /// A server; `name` as the configuration writes it, `address` where its name was found, `host` for `Host`.
    pub(super) fn new(target: Target, host: HeaderValue, name: &str, address: String) -> Self {
        Self {
            target,
            host,
            name: name.to_owned(),
            address,
            faults: AtomicU32::new(0),
            connect_failures: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
        }
    }

    /// Where connections to it go.
    pub(super) const fn target(&self) -> &Target {
        &self.target
    }

    /// What it is sent as `Host`.
    pub(super) const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// As the configuration writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its name was found; empty if it was not looked for, or not found yet.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Connections that could not be had.
    pub fn connect_failures(&self) -> u64 {
        self.connect_failures.load(Ordering::Relaxed)
    }

    /// How often it was passed over for a while.
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// A usable answer came. Every request does this: it only reads as long as all is well.
    pub(super) fn succeeded(&self) {
        if self.faults.load(Ordering::Relaxed) != 0 {
            self.faults.store(0, Ordering::Relaxed);
        }
    }

    /// One more unusable answer; how many there were in a row.
    pub(super) fn one_more_fault(&self) -> u32 {
        self.faults.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}
