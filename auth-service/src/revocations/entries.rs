//! The set in memory: one entry for each subject, until it expires.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::revocation::{Revocation, Subject};

/// Everything that is revoked and of which a token may be alive.
#[derive(Debug, Default)]
pub struct Entries(HashMap<Subject, Known>);

#[derive(Debug, Clone, Copy)]
struct Known {
    least_epoch: i32,
    expires_at: OffsetDateTime,
    /// The youngest transaction that spoke of it.
    xid: u64,
}

impl Entries {
    /// Takes in what transaction `xid` has written; answers what subscribers must be told, if it is news to them.
    pub fn learn(&mut self, revocation: Revocation, xid: u64) -> Option<Revocation> {
        let Revocation { subject, least_epoch, expires_at } = revocation;
        let Some(known) = self.0.get_mut(&subject) else {
            self.0.insert(subject.clone(), Known { least_epoch, expires_at, xid });
            return Some(Revocation { subject, least_epoch, expires_at });
        };
        let is_news = least_epoch > known.least_epoch || expires_at > known.expires_at;
        known.least_epoch = known.least_epoch.max(least_epoch);
        known.expires_at = known.expires_at.max(expires_at);
        known.xid = known.xid.max(xid);
        is_news.then(|| known.revocation(&subject))
    }

    /// What transactions from `xid` on have written.
    #[must_use]
    pub fn since(&self, xid: u64) -> Vec<Revocation> {
        let found = self.0.iter().filter(|(_, known)| known.xid >= xid);
        found.map(|(subject, known)| known.revocation(subject)).collect()
    }

    /// Transaction numbers begin anew: what is known so far is older than none of them.
    pub fn outlive_incarnation(&mut self) {
        for known in self.0.values_mut() {
            known.xid = u64::MAX;
        }
    }

    /// Lets go of what concerns no living token.
    pub fn forget_expired(&mut self, now: OffsetDateTime) {
        self.0.retain(|_, known| known.expires_at > now);
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Known {
    fn revocation(self, subject: &Subject) -> Revocation {
        Revocation { subject: subject.clone(), least_epoch: self.least_epoch, expires_at: self.expires_at }
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::accounts::UserId;
    use crate::sessions::SessionId;

    const EARLY: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const LATE: OffsetDateTime = EARLY.saturating_add(Duration::HOUR);

    fn of(subject: &Subject, least_epoch: i32, expires_at: OffsetDateTime) -> Revocation {
        Revocation { subject: subject.clone(), least_epoch, expires_at }
    }

    #[test]
    fn what_repeats_is_no_news() {
        let (mut entries, session) = (Entries::default(), Subject::Session(SessionId::generate()));
        assert_eq!(entries.learn(of(&session, 0, EARLY), 5), Some(of(&session, 0, EARLY)));
        assert_eq!(entries.learn(of(&session, 0, EARLY), 5), None);
        assert_eq!(entries.len(), 1);
    }

    #[test]
    fn two_entries_for_a_user_are_the_greater_epoch_and_the_later_expiry_in_any_order() {
        let user = Subject::User(UserId::generate());
        for order in [[(3, EARLY, 8), (2, LATE, 7)], [(2, LATE, 7), (3, EARLY, 8)]] {
            let mut entries = Entries::default();
            let news = order.map(|(epoch, expires_at, xid)| entries.learn(of(&user, epoch, expires_at), xid));
            assert_eq!(news[1], Some(of(&user, 3, LATE)));
            assert_eq!(entries.since(8), [of(&user, 3, LATE)], "it stands under its youngest transaction");
        }
    }

    #[test]
    fn a_cursor_gets_its_own_transaction_and_all_after_it() {
        let mut entries = Entries::default();
        let [old, new] = [(); 2].map(|()| Subject::Session(SessionId::generate()));
        entries.learn(of(&old, 0, LATE), 7);
        entries.learn(of(&new, 0, LATE), 8);
        assert_eq!(entries.since(9), []);
        assert_eq!(entries.since(8), [of(&new, 0, LATE)]);
        assert_eq!(entries.since(0).len(), 2);
        entries.outlive_incarnation();
        assert_eq!(entries.since(1_000).len(), 2);
    }

    #[test]
    fn an_entry_dies_with_the_last_token_it_concerns() {
        let (mut entries, key) = (Entries::default(), Subject::Key("k".into()));
        entries.learn(of(&key, 0, LATE), 7);
        entries.forget_expired(EARLY);
        assert_eq!(entries.len(), 1);
        entries.forget_expired(LATE);
        assert!(entries.is_empty());
    }
}
