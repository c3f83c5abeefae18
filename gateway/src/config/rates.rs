//! `rate`: how often an address, a user and a client may ask, as written and for each route.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};

use super::Rates;
use super::file::RatesText;
use crate::rates::{Limit, Rate};

/// `"20/s burst 40"`, or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateText(pub(super) Option<Rate>);

impl<'de> Deserialize<'de> for RateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            de::Error::custom(format!(
                "{text:?} is no rate; write it like \"20/s\", \"100/m burst 200\", \"1000/h\" or \"off\""
            ))
        };
        parse(&text).map(Self).ok_or_else(wrong)
    }
}

fn parse(text: &str) -> Option<Option<Rate>> {
    if text == "off" {
        return Some(None);
    }
    let (rate, burst) = text.split_once(" burst ").map_or((text, None), |(rate, burst)| (rate, Some(burst)));
    let (requests, unit) = rate.split_once('/')?;
    let period = Duration::from_secs(match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    });
    let positive = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && (1..=1_000_000).contains(number))
    };
    let requests = positive(requests)?;
    let burst = burst.map_or(Some(requests), positive)?;
    Some(Some(Rate { requests, period, burst }))
}

/// The limits of a route: its own, or else those that all routes without one of their own share.
pub(super) fn of_route(path: &str, own: &RatesText, shared: &RatesText) -> Rates {
    let of = |scope: &str, own: Option<RateText>, shared: Option<RateText>| {
        let (owner, rate) = own.map_or((None, shared), |own| (Some(path), Some(own)));
        let rate = rate?.0?;
        Some(Limit { rate, id: id(scope, owner, &rate) })
    };
    Rates {
        address: of("address", own.address, shared.address),
        user: of("user", own.user, shared.user),
        client: of("client", own.client, shared.client),
    }
}

/// The same in every process and after every reload.
fn id(scope: &str, owner: Option<&str>, rate: &Rate) -> u64 {
    let mut hasher = DefaultHasher::new();
    (scope, owner, rate).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_as_written() {
        let check = |text, expected: Option<(u32, u64, u32)>| {
            let rate = parse(text).flatten();
            let told = rate.map(|rate| (rate.requests, rate.period.as_secs(), rate.burst));
            assert_eq!(told, expected, "{text}");
        };
        check("20/s", Some((20, 1, 20)));
        check("100/m burst 5", Some((100, 60, 5)));
        check("1/h burst 1000000", Some((1, 3600, 1_000_000)));
        assert_eq!(parse("off"), Some(None));
        for wrong in [
            "",
            "20",
            "0/s",
            "20/d",
            "20 /s",
            "+2/s",
            "20/s burst",
            "20/s burst 0",
            "20/s  burst 4",
            "1.5/s",
            "1000001/s",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_route_counts_for_itself_only_what_it_names() {
        let rate = |text| Some(RateText(parse(text).unwrap()));
        let shared = RatesText { address: rate("10/s"), user: rate("5/s"), client: None };
        let own = RatesText { address: rate("off"), user: rate("5/s"), client: None };
        let (a, b) =
            (of_route("/a", &RatesText::default(), &shared), of_route("/b", &RatesText::default(), &shared));
        assert_eq!(a, b);
        let (c, d) = (of_route("/c", &own, &shared), of_route("/d", &own, &shared));
        assert_eq!((c.address, c.client), (None, None));
        let ids = [a.user, c.user, d.user].map(|limit| limit.unwrap().id);
        assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
        assert_eq!(of_route("/c", &own, &shared), c);
    }
}
