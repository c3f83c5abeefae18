//! What the private listener tells the operator.

use std::sync::atomic::{AtomicBool, Ordering};

use process::private::{NotReady, Probe};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::db::Orders;

/// Ready while the orders can be read and nobody has asked the process to stop.
pub struct OrdersProbe {
    orders: Orders,
    registry: Registry,
    draining: AtomicBool,
}

impl OrdersProbe {
    /// A probe over the metrics that have been registered.
    pub fn new(orders: Orders, registry: Registry) -> Self {
        Self { orders, registry, draining: AtomicBool::new(false) }
    }

    /// From now on the process is not ready: what is in flight is finished, and nothing else should come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

impl Probe for OrdersProbe {
    async fn ready(&self) -> Result<(), NotReady> {
        let mut reasons = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("draining".to_owned());
        }
        if let Err(error) = self.orders.check().await {
            reasons.push(format!("database: {error}"));
        }
        if reasons.is_empty() { Ok(()) } else { Err(NotReady(reasons)) }
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
