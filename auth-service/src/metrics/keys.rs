//! The signing keys, as they are in memory.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::tokens::KeyStore;

/// Asks the store when somebody looks.
#[derive(Debug)]
pub(super) struct KeyCollector(pub(super) Arc<KeyStore>);

impl Collector for KeyCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let reading = self.0.reading();
        let counts = [
            ("signing_keys_published", "Signing keys in the published key set", self.0.published()),
            ("signing_keys_refused", "Rows of signing_keys that JWT_SECRET did not open", reading.refused),
        ];
        for (name, help, value) in counts {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let age = ConstGauge::new(reading.at.elapsed().as_secs_f64());
        let help = "Time since the signing keys were last read";
        let unit = Some(&Unit::Seconds);
        age.encode(encoder.encode_descriptor("signing_keys_age", help, unit, age.metric_type())?)
    }
}
