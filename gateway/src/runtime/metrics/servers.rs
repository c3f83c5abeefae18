//! The servers of the upstreams, as the metrics page shows them.

use std::sync::Arc;

use super::page::Page;
use crate::upstream::{Cluster, Member, Place, View};

impl Page<'_> {
    pub(super) fn servers(&mut self, clusters: &[Arc<Cluster>]) {
        let views: Vec<_> = clusters.iter().map(|cluster| (cluster.name(), cluster.view())).collect();
        let help =
            "Whether a server of an upstream is asked: it passes its checks and did not fail just now.";
        self.each("gateway_upstream_server_up", "gauge", help, &views, |view| {
            u64::from(view.place == Place::Open)
        });
        let help = "Whether a server is passed over for a while because of its own answers.";
        self.each("gateway_upstream_server_ejected", "gauge", help, &views, |view| {
            u64::from(view.place == Place::Spare)
        });
        let help = "Times that a server was passed over because of its own answers.";
        self.each("gateway_upstream_ejections_total", "counter", help, &views, |view| {
            view.member.ejections()
        });
        let help = "Connections to a server that could not be had.";
        self.each("gateway_upstream_connect_failures_total", "counter", help, &views, |view| {
            view.member.connect_failures()
        });
        self.retries(clusters);
    }

    fn each(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        views: &[(&str, Vec<View>)],
        value: impl Fn(&View) -> u64,
    ) {
        self.head(name, kind, help);
        for (upstream, servers) in views {
            for view in servers {
                self.line(name, &labels(upstream, &view.member), value(view));
            }
        }
    }

    fn retries(&mut self, clusters: &[Arc<Cluster>]) {
        let name = "gateway_upstream_retries_total";
        self.head(
            name,
            "counter",
            "Requests that were lost and sent again; refused ones had no budget left.",
        );
        for cluster in clusters {
            let (made, refused) = cluster.retries();
            for (result, count) in [("made", made), ("refused", refused)] {
                self.line(name, &format!("upstream=\"{}\",result=\"{result}\"", cluster.name()), count);
            }
        }
    }
}

/// URLs and addresses have neither quotes nor backslashes.
fn labels(upstream: &str, member: &Member) -> String {
    format!("upstream=\"{upstream}\",server=\"{}\",address=\"{}\"", member.name(), member.address())
}
