//! How the revocation feed stands, asked when somebody looks.

use std::sync::Arc;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::revocations::Feed;

/// Asks the feed.
#[derive(Debug)]
pub(super) struct FeedCollector(pub(super) Arc<Feed>);

impl Collector for FeedCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.0.status(Instant::now());
        let gauges = [
            ("revocations", "Entries of the revocation feed", status.entries),
            ("revocation_subscribers", "Open streams of the revocation feed", status.subscribers),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let lag = ConstGauge::new(status.lag.as_secs_f64());
        let help = "Seconds since the beginning of the last read of the revocations, or of the process";
        lag.encode(encoder.encode_descriptor("revocation_lag_seconds", help, None, lag.metric_type())?)?;
        let cut = ConstCounter::new(status.cut);
        let help = "Streams that ended because their subscriber did not keep up";
        cut.encode(encoder.encode_descriptor("revocation_subscribers_cut", help, None, cut.metric_type())?)
    }
}
