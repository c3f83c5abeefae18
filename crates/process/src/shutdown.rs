//! When to stop: SIGTERM from a supervisor, SIGINT from a person.

use tokio::signal::unix::{Signal, SignalKind, signal as listen};

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
