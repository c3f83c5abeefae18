//! What the purge has taken away, and what it should have.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::db::purge::Expired;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    table: &'static str,
}

impl From<Expired> for Table {
    fn from(what: Expired) -> Self {
        Self { table: what.table() }
    }
}

/// `purged_rows_total{table}` and `purge_lag_seconds{table}`.
#[derive(Debug, Clone)]
pub struct PurgeMetrics {
    rows: Family<Table, Counter>,
    lag: Family<Table, Gauge<f64, AtomicU64>>,
}

impl PurgeMetrics {
    /// Makes the metrics and enters them into the registry.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { rows: Family::default(), lag: Family::default() };
        registry.register("purged_rows", "Rows that were over and were taken away", metrics.rows.clone());
        let help = "How long the oldest row that is over should have been away";
        registry.register("purge_lag_seconds", help, metrics.lag.clone());
        metrics
    }

    /// Counts a batch.
    pub fn count(&self, what: Expired, rows: usize) {
        self.rows.get_or_create(&what.into()).inc_by(u64::try_from(rows).unwrap_or(u64::MAX));
    }

    /// Says how far the purge is behind.
    pub fn set_lag(&self, what: Expired, seconds: f64) {
        self.lag.get_or_create(&what.into()).set(seconds);
    }
}
