//! Logins that arrive at a fixed rate, whether the ones before have been answered or not: what a crowd does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Request;
use crate::interrupt;

/// What the crowd was answered: how often each status, 0 for no answer at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    by_status: BTreeMap<u16, u64>,
    pub(crate) seconds: f64,
}

impl Answers {
    /// How often a status was answered.
    pub(crate) fn count(&self, status: u16) -> u64 {
        self.by_status.get(&status).copied().unwrap_or_default()
    }

    /// Answers that are neither a login nor a refusal for want of room.
    pub(crate) fn errors(&self) -> u64 {
        let expected = [200, 429, 503];
        self.by_status.iter().filter(|(status, _)| !expected.contains(status)).map(|(_, count)| count).sum()
    }

    /// Logins a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count(200) as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// The people who log in: `user1@example.com` and so on, all with one password, each in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd<'a> {
    pub(crate) gateway: u16,
    pub(crate) accounts: u32,
    pub(crate) password: &'a str,
    /// Logins a second.
    pub(crate) rate: f64,
}

impl Crowd<'_> {
    /// Logs in until `work` is done, and waits for the last answers.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> (T, Answers) {
        let (done, answers, begun) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()), Instant::now());
        let (result, seconds) = thread::scope(|scope| {
            scope.spawn(|| self.arrive(scope, &done, &answers));
            let result = work();
            done.store(true, Ordering::Relaxed);
            (result, begun.elapsed().as_secs_f64())
        });
        let by_status = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        (result, Answers { by_status, seconds })
    }

    fn arrive<'scope>(
        &'scope self,
        scope: &'scope thread::Scope<'scope, '_>,
        done: &'scope AtomicBool,
        answers: &'scope Mutex<BTreeMap<u16, u64>>,
    ) {
        let (begun, between) = (Instant::now(), Duration::from_secs_f64(1.0 / self.rate));
        for number in 0_u32.. {
            thread::sleep((begun + between * number).saturating_duration_since(Instant::now()));
            if done.load(Ordering::Relaxed) || interrupt::requested() {
                return;
            }
            scope.spawn(move || {
                let status = self.log_in(1 + number % self.accounts);
                *answers.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
            });
        }
    }

    fn log_in(&self, number: u32) -> u16 {
        let body = format!(r#"{{"email":"user{number}@example.com","password":"{}"}}"#, self.password);
        let request = Request { body: Some(&body), ..Request::new(self.gateway, "POST", "/api/auth/login") };
        request.send().map_or(0, |answer| answer.status)
    }
}
