//! What the private listener tells the operator.

use std::sync::atomic::{AtomicBool, Ordering};

use process::Mode;
use process::private::{NotReady, Page, Probe};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::db::Orders;
use crate::http::document::document;

/// Ready while the public listener takes requests and the orders can be read.
pub struct Readiness {
    orders: Orders,
    registry: Registry,
    mode: Mode,
    serving: AtomicBool,
}

impl Readiness {
    /// Tells of these orders, and shows the metrics that have been registered. Nothing is served yet.
    pub fn new(orders: Orders, registry: Registry) -> Self {
        Self { orders, registry, mode: Mode::Production, serving: AtomicBool::new(false) }
    }

    /// The same with the pages that this mode shows.
    #[must_use]
    pub fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// From now on requests may come (`true`), or should go elsewhere (`false`).
    pub fn set_serving(&self, serving: bool) {
        self.serving.store(serving, Ordering::Relaxed);
    }
}

impl Probe for Readiness {
    async fn ready(&self) -> Result<(), NotReady> {
        let idle = (!self.serving.load(Ordering::Relaxed)).then(|| "starting or draining".to_owned());
        let database = self.orders.check().await.err().map(|error| format!("database: {error}"));
        let reasons: Vec<_> = idle.into_iter().chain(database).collect();
        if reasons.is_empty() { Ok(()) } else { Err(NotReady(reasons)) }
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    async fn page(&self, path: &str) -> Option<Page> {
        http_api::document::page(path, self.mode, document)
    }
}
