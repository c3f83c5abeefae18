//! When to stop: SIGTERM from a supervisor, SIGINT from a person.

use tokio::signal::unix::{Signal, SignalKind, signal as listen};
use tokio::sync::watch;

/// Resolves at the first SIGTERM or SIGINT after the call.
///
/// # Errors
/// The handlers could not be installed. That is a fault of the start, so it is told before anything is served.
pub fn signal() -> std::io::Result<impl Future<Output = &'static str>> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            () = next(&mut terminate) => "SIGTERM",
            () = next(&mut interrupt) => "SIGINT",
        }
    })
}

async fn next(signal: &mut Signal) {
    // `None` would mean that the runtime is going down, and then this future is dropped.
    signal.recv().await;
}

/// A stop that many parts of a process can wait for, or look at.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for the signals in a task of its own.
    ///
    /// # Errors
    /// As [`signal`].
    pub fn on_signal() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let signal = signal()?;
        tokio::spawn(async move {
            let name = signal.await;
            tracing::info!(signal = name, "stopping");
            sender.send_replace(true);
            // The sender lives on, so that a waiter never mistakes its end for a stop.
            std::future::pending::<()>().await;
        });
        Ok(Self(receiver))
    }

    /// True once the stop was asked for: readiness must say no.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when the stop is asked for, at once if it was.
    pub async fn requested(&self) {
        // An error would mean that the runtime is going down.
        let _ = self.0.clone().wait_for(|requested| *requested).await;
    }
}
