//! Under which keys an attempt is counted.
//!
//! They are HMACs under a key derived from `JWT_SECRET`, so the table says neither who nor from where. Counts begin anew when the
//! secret is replaced; known addresses are recognised under `JWT_SECRET_PREVIOUS` too.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use aws_lc_rs::hmac;

use super::limit::Limit;
use super::limits::{Limits, Purpose, Scope};
use crate::accounts::{Email, UserId};
use crate::tokens::RootSecrets;
use crate::tokens::root::RootSecret;

/// The HKDF label of the key that keys are made with.
const LABEL: &[u8] = b"portcullis/throttle/v1";
/// Of an IPv6 address the network: whoever has one has 2⁶⁴ addresses.
const IPV6_NETWORK: u128 = !0 << 64;

/// What failures are counted under, or an address is remembered as.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// On what somebody tries something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The account of this address, if there is one.
    Email(&'a Email),
    /// This account.
    User(UserId),
    /// This client.
    Client(&'a str),
    /// The service as a whole.
    Service,
}

/// One key and the limit that it is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whose failures those are.
    pub scope: Scope,
    /// Under what they are counted.
    pub key: Key,
    /// How many there may be.
    pub limit: Limit,
}

/// An attempt that is about to be made. `db::throttles::count` says whether it may be.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    /// At what.
    pub purpose: Purpose,
    /// On what.
    pub subject: Subject<'a>,
    /// What it is counted under, in the order of [`Scope::ALL`].
    pub rules: Vec<Rule>,
    /// As what its address may have been remembered, the current way first.
    pub addresses: Vec<Key>,
}

/// What is taken back when an attempt did not fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refund(pub Vec<Rule>);

impl Attempt<'_> {
    /// How many of the rules hold for an address that has logged this account in before: those that nobody elsewhere can
    /// use up.
    #[must_use]
    pub fn own_rules(&self) -> i32 {
        // There are as many as [`Scope`]s at most.
        i32::try_from(self.own().len()).unwrap_or_default()
    }

    fn own(&self) -> &[Rule] {
        let count = self.rules.iter().take_while(|rule| rule.scope == Scope::AccountAtAddress).count();
        &self.rules[..count]
    }

    /// What to take back if it does not fail. `is_known`: the address had logged this account in before.
    #[must_use]
    pub fn refund(&self, is_known: bool) -> Refund {
        Refund(if is_known { self.own() } else { &self.rules }.to_vec())
    }

    /// As what the address is remembered once it has logged in.
    #[must_use]
    pub fn remembered_address(&self) -> Option<Key> {
        self.addresses.first().copied()
    }
}

/// The limits, and the keys that failures are counted under.
#[derive(Debug, Clone)]
pub struct Throttle {
    limits: Limits,
    /// The current one first.
    keys: Vec<hmac::Key>,
}

impl Throttle {
    /// Derives the keys.
    #[must_use]
    pub fn new(secrets: &RootSecrets, limits: Limits) -> Self {
        let keys = std::iter::once(secrets.current()).chain(secrets.previous()).map(derive).collect();
        Self { limits, keys }
    }

    /// An attempt at `purpose` on `subject`, from `address`. All callers whose address is not known share one.
    #[must_use]
    pub fn attempt<'a>(
        &self,
        purpose: Purpose,
        subject: Subject<'a>,
        address: Option<IpAddr>,
    ) -> Attempt<'a> {
        let (account, address) = (written(subject), network(address));
        let rule = |scope: Scope| {
            let limit = self.limits.of(purpose, scope)?;
            let (account, address) = match scope {
                Scope::AccountAtAddress => (account.as_str(), address.as_str()),
                Scope::Account => (account.as_str(), ""),
                Scope::Address => ("", address.as_str()),
            };
            let key = digest(self.keys.first()?, &[purpose.as_str(), scope.as_str(), account, address]);
            Some(Rule { scope, key, limit })
        };
        // What raises an alarm is counted wherever it comes from.
        let known_by = if purpose == Purpose::SecondFactorAlarm { &[] } else { self.keys.as_slice() };
        let addresses = known_by.iter().map(|key| digest(key, &["login_address", &address]));
        Attempt {
            purpose,
            subject,
            rules: Scope::ALL.into_iter().filter_map(rule).collect(),
            addresses: addresses.collect(),
        }
    }
}

fn derive(secret: &RootSecret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &secret.derive(LABEL))
}

/// Each part stands behind its length, so that no two lists are written alike.
fn digest(key: &hmac::Key, parts: &[&str]) -> Key {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&context.sign().as_ref()[..16]);
    Key(digest)
}

fn written(subject: Subject<'_>) -> String {
    match subject {
        Subject::Email(email) => format!("email {}", email.as_str()),
        Subject::User(user) => format!("user {user}"),
        Subject::Client(client) => format!("client {client}"),
        Subject::Service => "service".to_owned(),
    }
}

fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK)),
        None => "unknown".to_owned(),
    }
}
