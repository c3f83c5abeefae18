//! How a request that has revoked something says so, without waiting for anybody.

use tokio::sync::Notify;

/// Called by whoever has committed a row of `revocations`. Calls that come close together are one.
///
/// To forget the call costs a second, not an entry: every replica also looks by itself.
#[derive(Debug, Default)]
pub struct Announcer {
    here: Notify,
    elsewhere: Notify,
    keys: Notify,
}

impl Announcer {
    /// There is something new, and it is committed. Never waits and never fails.
    pub fn announce(&self) {
        self.here.notify_one();
        self.elsewhere.notify_one();
    }

    /// Only this replica has to look: another one said so.
    pub fn heard(&self) {
        self.here.notify_one();
    }

    /// A signing key was revoked: until the keys are loaded again this replica may sign with it.
    pub fn key_revoked(&self) {
        self.keys.notify_one();
    }

    /// Resolves when the signing keys should be loaded, at once if they should have been already.
    pub async fn to_load_keys(&self) {
        self.keys.notified().await;
    }

    /// Resolves when this replica's reader should look, at once if it should have already.
    pub async fn to_read(&self) {
        self.here.notified().await;
    }

    /// Resolves when the other replicas should be told.
    pub async fn to_tell(&self) {
        self.elsewhere.notified().await;
    }
}
