//! What became of mail, and how much waits.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::db::outbox::Backlog;
use crate::mail::Kind;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Mail {
    kind: &'static str,
    outcome: &'static str,
}

/// `mails_total{kind,outcome}`, `mail_queue` and `mail_oldest_seconds`.
#[derive(Debug, Clone, Default)]
pub struct MailMetrics {
    mails: Family<Mail, Counter>,
    queue: Gauge,
    oldest: Gauge<f64, AtomicU64>,
}

impl MailMetrics {
    /// Makes the metrics and enters them into the registry.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let help = "Attempts to send mail by what became of them; deferred ones are tried again";
        registry.register("mails", help, metrics.mails.clone());
        registry.register("mail_queue", "Mails that wait to be sent", metrics.queue.clone());
        registry.register(
            "mail_oldest_seconds",
            "Since the oldest of them was caused",
            metrics.oldest.clone(),
        );
        metrics
    }

    /// Counts an attempt.
    pub fn count(&self, kind: Kind, outcome: &'static str) {
        self.mails.get_or_create(&Mail { kind: kind.as_str(), outcome }).inc();
    }

    /// Says how much waits.
    pub fn set_backlog(&self, backlog: &Backlog) {
        self.queue.set(backlog.waiting);
        self.oldest.set(backlog.oldest_seconds);
    }
}
