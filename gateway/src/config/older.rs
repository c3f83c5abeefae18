//! What a configuration has in common with the one before it, so that a reload can keep what belongs to it.

use std::collections::HashMap;

use super::{Config, Tokens, UpstreamId, UpstreamTls};

impl Config {
    /// Where each upstream stood in an older configuration, by its name.
    pub fn upstreams_of(&self, older: &Self) -> Vec<Option<UpstreamId>> {
        let named = |name: &str| older.upstreams.iter().position(|upstream| upstream.name == name);
        self.upstreams.iter().map(|upstream| named(&upstream.name).map(UpstreamId)).collect()
    }

    /// Where each route stood in an older configuration, by its path.
    pub fn routes_of(&self, older: &Self) -> Vec<Option<usize>> {
        let known: HashMap<_, _> = older.routes.iter().map(|route| (&route.path, route.id)).collect();
        self.routes.iter().map(|route| known.get(&route.path).copied()).collect()
    }

    /// The same, of those only of which nothing has changed. Certificates may have, in files of the same names.
    pub fn same_upstreams_of(&self, older: &Self) -> Vec<Option<UpstreamId>> {
        let known = self.upstreams_of(older).into_iter().zip(&self.upstreams);
        known
            .map(|(id, upstream)| {
                id.filter(|id| older.upstream(*id) == upstream && upstream.tls == UpstreamTls::default())
            })
            .collect()
    }

    /// Whether tokens are verified as in an older configuration, so that what is known of them stays true.
    pub fn has_tokens_of(&self, older: &Self) -> bool {
        // An upstream's id may have changed although it is the same one.
        let told = |config: &Self| {
            let name = config.tokens.upstream.map(|id| config.upstream(id).name.clone());
            (Tokens { upstream: None, ..config.tokens.clone() }, name)
        };
        told(self) == told(older)
    }
}
