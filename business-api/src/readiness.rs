//! What the private listener tells the operator.

use std::sync::atomic::{AtomicBool, Ordering};

use process::private::{NotReady, Probe};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::db::Orders;

/// Ready while the orders can be read and nobody has asked the process to stop.
pub struct Readiness {
    orders: Orders,
    registry: Registry,
    draining: AtomicBool,
}

impl Readiness {
    /// Tells of these orders, and shows the metrics that have been registered.
    pub fn new(orders: Orders, registry: Registry) -> Self {
        Self { orders, registry, draining: AtomicBool::new(false) }
    }

    /// From now on the process is not ready: what is in flight is finished, and nothing else should come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

impl Probe for Readiness {
    async fn ready(&self) -> Result<(), NotReady> {
        let draining = self.draining.load(Ordering::Relaxed).then(|| "draining".to_owned());
        let database = self.orders.check().await.err().map(|error| format!("database: {error}"));
        let reasons: Vec<_> = draining.into_iter().chain(database).collect();
        if reasons.is_empty() { Ok(()) } else { Err(NotReady(reasons)) }
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
