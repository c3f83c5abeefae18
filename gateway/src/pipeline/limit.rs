//! Limits that can be judged from the head of a request. What a body turns out to be is watched while it flows.
//!
//! How often an address may ask is judged before anything is verified, how often a user or client may after it has
//! been.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::principal::{Kind, Principal};
use crate::config::Rates;
use crate::rates::{Limit, RateTable};
use crate::under_way::seats::Network;

/// The body is larger than the route allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The body is larger than the {limit} bytes that are allowed here.")]
pub struct BodyTooLarge {
    /// The route's limit.
    pub limit: u64,
}

/// Somebody asks too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Too many requests from this {scope}.")]
pub struct TooOften {
    /// Who.
    pub scope: Scope,
    /// When a request would be let through again.
    pub wait: Duration,
}

/// Whose requests a rate limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// An address's.
    Address,
    /// A user's.
    User,
    /// A client's (of `client_credentials`).
    Client,
}

impl Scope {
    /// All, in the order of their metrics.
    pub const ALL: [Self; 3] = [Self::Address, Self::User, Self::Client];
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "address",
            Self::User => "user",
            Self::Client => "client",
        })
    }
}

/// Counts a request of an address.
///
/// # Errors
/// [`TooOften`].
pub fn address(table: &RateTable, rates: &Rates, address: IpAddr, now: Instant) -> Result<(), TooOften> {
    match &rates.address {
        Some(limit) => take(table, limit, Scope::Address, &network(address), now),
        None => Ok(()),
    }
}

/// Counts a request of whoever is calling, if that is known.
///
/// # Errors
/// [`TooOften`].
pub fn caller(table: &RateTable, rates: &Rates, caller: &Principal, now: Instant) -> Result<(), TooOften> {
    let (limit, scope) = match caller.kind() {
        Kind::Anonymous => return Ok(()),
        Kind::User => (&rates.user, Scope::User),
        Kind::Client => (&rates.client, Scope::Client),
    };
    limit.as_ref().map_or(Ok(()), |limit| take(table, limit, scope, caller.user_id().as_bytes(), now))
}

fn take(table: &RateTable, limit: &Limit, scope: Scope, who: &[u8], now: Instant) -> Result<(), TooOften> {
    table.take(limit, who, now).map_err(|wait| TooOften { scope, wait })
}

/// Who has one IPv6 address has the 2^64 beside it.
pub fn network(address: IpAddr) -> Network {
    let mut network = [0; 9];
    match address {
        IpAddr::V4(address) => network[1..5].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => {
            network[0] = 6;
            network[1..].copy_from_slice(&address.octets()[..8]);
        }
    }
    network
}

/// Refuses a body that announces itself as too large, before any of it is read.
///
/// # Errors
/// [`BodyTooLarge`], also for a length that no number of ours can hold.
pub fn body(headers: &HeaderMap, limit: u64) -> Result<(), BodyTooLarge> {
    // hyper has refused lengths that differ and lengths that are no number.
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(()) };
    let length = length.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    match length {
        Some(length) if length <= limit => Ok(()),
        _ => Err(BodyTooLarge { limit }),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_ipv6_address_counts_by_its_network() {
        let same = |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(!same("0.0.0.1", "::1"));
    }

    #[test]
    fn a_length_is_judged_before_the_body_is_read() {
        let check = |length: Option<&'static str>, good: bool| {
            let length = length.map(|length| (CONTENT_LENGTH, HeaderValue::from_static(length)));
            assert_eq!(body(&length.into_iter().collect(), 10).is_ok(), good);
        };
        check(None, true);
        check(Some("0"), true);
        check(Some("10"), true);
        check(Some("11"), false);
        check(Some("99999999999999999999999"), false);
        check(Some("ten"), false);
    }
}
