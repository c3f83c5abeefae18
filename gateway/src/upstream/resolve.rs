//! Looking up the names of an upstream's servers again and again: what was true at the start is not true for ever.
//!
//! One look for all cores, on the main thread, by the system's own resolver: requests never wait for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::lookup_host;

use super::cluster::Cluster;

/// How often. The system's resolver does not tell how long its answers are good.
const EVERY: Duration = Duration::from_secs(5);
/// And how soon after a server could not be reached.
const SOONEST: Duration = Duration::from_secs(1);
/// For one name.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether anything of the upstream has to be looked up.
pub fn has_names(cluster: &Cluster) -> bool {
    cluster.origins().iter().any(|origin| origin.target.name().is_some())
}

/// Keeps the addresses of the upstream's servers fresh until it is dropped. If a name is not found, what it meant
/// before stays.
pub async fn keep_resolved(cluster: Arc<Cluster>) {
    loop {
        for (index, origin) in cluster.origins().iter().enumerate() {
            let Some(name) = origin.target.name() else { continue };
            match look_up(name).await {
                Ok(addresses) => cluster.resolved(index, &addresses, Instant::now()),
                Err(error) => {
                    let (upstream, server) = (cluster.name(), &origin.name);
                    tracing::warn!(upstream, server, %error, "the name was not found; its last known addresses stay");
                }
            }
        }
        tokio::time::sleep(SOONEST).await;
        // In time or not: both are a reason to look.
        let _ = tokio::time::timeout(EVERY - SOONEST, cluster.somebody_is_unreachable()).await;
    }
}

async fn look_up(name: (&str, u16)) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::time::timeout(LIMIT, lookup_host(name)).await?;
    let mut addresses: Vec<_> = found?.collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}
