//! From the configuration's upstreams to the clusters that cores share, and what keeps those true in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinSet;

use super::StartError;
use crate::config::{Health, Place, Server, Upstream};
use crate::upstream::{
    Check, Cluster, Origin, RootsError, Target, Thresholds, check_health, client_config, has_names,
    keep_resolved, roots_of,
};

/// The grain in which ejections end.
const TICK: Duration = Duration::from_secs(1);

/// The cluster of an upstream, as it is at the start: nobody is ill, and no name has been looked up.
pub(super) fn cluster(
    upstream: &Upstream,
    system: Option<&Arc<RootCertStore>>,
) -> Result<Arc<Cluster>, StartError> {
    let tls = tls(upstream, system)?;
    let origins = upstream.servers.iter().map(|server| origin(server, tls.as_ref()));
    let mut origins = origins.collect::<Result<Vec<_>, _>>()?;
    if upstream.http2 {
        for (origin, server) in origins.iter_mut().zip(&upstream.servers) {
            origin.target = origin.target.clone().http2(server.authority.clone());
        }
    }
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

/// Whether the system's certificates are asked about this upstream's servers.
pub(super) fn asks_system(upstream: &Upstream) -> bool {
    upstream.tls.ca.is_none() && upstream.servers.iter().any(|server| server.tls)
}

/// Reads what the upstream's TLS needs.
pub(super) fn tls(
    upstream: &Upstream,
    system: Option<&Arc<RootCertStore>>,
) -> Result<Option<Arc<ClientConfig>>, RootsError> {
    let roots = match &upstream.tls.ca {
        Some(path) => Some(roots_of(path)?),
        None => system.map(Arc::clone),
    };
    let client = upstream.tls.client.as_ref();
    let client = client.map(|certificate| (&*certificate.cert, &*certificate.key));
    let protocol: &[u8] = if upstream.http2 { b"h2" } else { b"http/1.1" };
    roots.map(|roots| client_config(roots, client, protocol)).transpose()
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

/// How a server of the configuration is reached.
pub(super) fn origin(server: &Server, tls: Option<&Arc<ClientConfig>>) -> Result<Origin, StartError> {
    let target = match (&server.at, tls.filter(|_| server.tls)) {
        (Place::Socket(path), _) => Target::socket(path),
        (Place::Host(host, port), None) => Target::plain(host, *port),
        (Place::Host(host, port), Some(config)) => Target::tls(host, *port, Arc::clone(config))
            .map_err(|source| StartError::Name { host: host.clone(), source })?,
    };
    // An authority has no character that a header may not have.
    let host = HeaderValue::from_str(server.authority.as_str());
    let host = host.unwrap_or(const { HeaderValue::from_static("localhost") });
    Ok(Origin { name: server.to_string(), target, host })
}
