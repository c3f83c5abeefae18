//! From the configuration's upstreams to the clusters that cores share, and what keeps those true in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use rustls::ClientConfig;
use tokio::task::JoinSet;

use super::StartError;
use crate::config::{Health, Server, Upstream};
use crate::upstream::{Check, Cluster, Origin, Target, Thresholds, check_health, has_names, keep_resolved};

/// The grain in which ejections end.
const TICK: Duration = Duration::from_secs(1);

/// The cluster of an upstream, as it is at the start: nobody is ill, and no name has been looked up.
pub(super) fn cluster(
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Arc<Cluster>, StartError> {
    let origins = upstream.servers.iter().map(|server| origin(server, tls)).collect::<Result<_, _>>()?;
    Ok(Arc::new(Cluster::new(&upstream.name, origins)))
}

/// Looks names up, checks health and ends ejections until dropped; none of the tasks ends but by a fault.
pub(super) fn keep_true(clusters: &[Arc<Cluster>], upstreams: &[Upstream]) -> JoinSet<()> {
    let mut background = JoinSet::new();
    for (cluster, upstream) in clusters.iter().zip(upstreams) {
        if has_names(cluster) {
            background.spawn_local(keep_resolved(Arc::clone(cluster)));
        }
        if let Some(health) = &upstream.health {
            background.spawn_local(check_health(Arc::clone(cluster), check(health)));
        }
    }
    background.spawn_local(end_ejections(clusters.to_vec()));
    background
}

async fn end_ejections(clusters: Vec<Arc<Cluster>>) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        let now = Instant::now();
        clusters.iter().for_each(|cluster| cluster.tick(now));
    }
}

fn check(health: &Health) -> Check {
    Check {
        path: health.path.clone(),
        port: health.port,
        interval: health.interval,
        timeout: health.timeout,
        thresholds: Thresholds { healthy: health.healthy, unhealthy: health.unhealthy },
    }
}

fn origin(server: &Server, tls: Option<&Arc<ClientConfig>>) -> Result<Origin, StartError> {
    let target = match tls.filter(|_| server.tls) {
        Some(config) => Target::tls(&server.host, server.port, Arc::clone(config))
            .map_err(|source| StartError::Name { host: server.host.clone(), source })?,
        None => Target::plain(&server.host, server.port),
    };
    let scheme = if server.tls { "https" } else { "http" };
    // An authority has no character that a header may not have.
    let host = HeaderValue::from_str(server.authority.as_str());
    let host = host.unwrap_or(const { HeaderValue::from_static("localhost") });
    Ok(Origin { name: format!("{scheme}://{}", server.authority), target, host })
}
