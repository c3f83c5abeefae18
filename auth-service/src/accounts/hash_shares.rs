//! Who is next: logins have most of the threads, and whatever else is hashed has a share of its own.
//!
//! Without it a flood of registrations, which cost their sender nothing, would fill the queue and keep everybody out.

use std::collections::VecDeque;

/// What a password is hashed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To let somebody in.
    Login,
    /// To store a new one.
    NewPassword,
}

/// So many logins go before each new password, while both wait.
const LOGINS_FOR_EACH: usize = 3;

/// Two queues that are served in turn.
#[derive(Debug)]
pub(super) struct Shares<T> {
    logins: VecDeque<T>,
    new_passwords: VecDeque<T>,
    /// Logins since the last new password.
    logins_in_a_row: usize,
}

impl<T> Shares<T> {
    pub(super) const fn new() -> Self {
        Self { logins: VecDeque::new(), new_passwords: VecDeque::new(), logins_in_a_row: 0 }
    }

    pub(super) fn push(&mut self, purpose: Purpose, job: T) {
        match purpose {
            Purpose::Login => self.logins.push_back(job),
            Purpose::NewPassword => self.new_passwords.push_back(job),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let others_turn = self.logins.is_empty() || self.logins_in_a_row >= LOGINS_FOR_EACH;
        if others_turn && let Some(job) = self.new_passwords.pop_front() {
            self.logins_in_a_row = 0;
            return Some(job);
        }
        self.logins_in_a_row += 1;
        self.logins.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.logins.len() + self.new_passwords.len()
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.logins.retain(&mut keep);
        self.new_passwords.retain(keep);
    }

    /// How many of the jobs that wait are served before one that arrives now. Logins that come later may go before a new password too.
    pub(super) fn ahead_of(&self, purpose: Purpose) -> usize {
        let (logins, new_passwords) = (self.logins.len(), self.new_passwords.len());
        match purpose {
            Purpose::Login => logins + new_passwords.min(logins / LOGINS_FOR_EACH + 1),
            Purpose::NewPassword => new_passwords + logins.min(LOGINS_FOR_EACH * (new_passwords + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Purpose::{Login, NewPassword};
    use super::*;

    /// The jobs in the order in which they are served.
    fn served(mut shares: Shares<&'static str>) -> String {
        std::iter::from_fn(|| shares.pop()).collect()
    }

    fn shares(logins: usize, new_passwords: usize) -> Shares<&'static str> {
        let mut shares = Shares::new();
        (0..logins).for_each(|_| shares.push(Login, "l"));
        (0..new_passwords).for_each(|_| shares.push(NewPassword, "n"));
        shares
    }

    #[test]
    fn of_four_hashes_three_are_for_logins_while_both_wait() {
        assert_eq!(served(shares(7, 3)), "lllnlllnln");
        assert_eq!(served(shares(0, 3)), "nnn");
        assert_eq!(served(shares(5, 0)), "lllll");
        assert_eq!(served(shares(1, 3)), "lnnn");
    }

    #[test]
    fn nobody_waits_for_more_than_was_said() {
        for (logins, new_passwords) in (0..12).flat_map(|logins| (0..12).map(move |other| (logins, other))) {
            for before in 0..6 {
                for (purpose, mark) in [(Login, "L"), (NewPassword, "N")] {
                    let mut shares = shares(logins + before, new_passwords);
                    (0..before).for_each(|_| assert!(shares.pop().is_some()));
                    let said = shares.ahead_of(purpose);
                    shares.push(purpose, mark);
                    let place = served(shares).find(mark).unwrap();
                    assert!(place <= said, "{purpose:?} behind {logins} and {new_passwords}");
                }
            }
        }
    }

    #[test]
    fn a_flood_of_new_passwords_is_one_hash_to_a_login() {
        assert_eq!(shares(0, 1_000).ahead_of(Login), 1);
        assert_eq!(shares(1_000, 0).ahead_of(NewPassword), 3);
    }
}
