//! Ctrl-C and its relatives, noted for whoever is waiting for something.

use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// From now on signals are counted and end nothing by themselves.
pub(crate) fn listen() {
    // Without signals the terminal's own Ctrl-C still ends this program, only less tidily.
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        std::thread::spawn(move || {
            for _ in &mut signals {
                COUNT.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Whether somebody wants this program to end.
pub(crate) fn requested() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Whether they have asked twice.
pub(crate) fn insisted() -> bool {
    COUNT.load(Ordering::Relaxed) > 1
}

/// Fails once somebody wants this program to end: call it wherever work may take long.
pub(crate) fn check() -> anyhow::Result<()> {
    anyhow::ensure!(!requested(), "interrupted");
    Ok(())
}
