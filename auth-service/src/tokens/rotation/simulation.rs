//! A rotation as the world sees it: replicas that look at the table now and then, restart with another `JWT_ACCESS_TTL` and
//! lag behind; verifiers that keep a replica's key set for as long as they may. Whatever happens, in whatever order, every
//! token that has not expired verifies everywhere, at every second.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const START: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

/// How old a verifier's key set may be: `max-age` of the answer, and the gateway's `jwks_refresh`.
const CACHE: u32 = 300;
/// How long a replica may take to see a change of the table: much longer than it looks.
const LAG: u32 = 120;
/// The shortest `KEY_PUBLISH_AHEAD` that covers both.
const AHEAD: u32 = CACHE + LAG;

fn at(second: u32) -> OffsetDateTime {
    START + time::Duration::seconds(second.into())
}

/// A process of the auth service: what it last read, and when it looks next.
#[derive(Debug, Clone)]
struct Replica {
    keys: Vec<KeyLabel>,
    looks_at: u32,
    token_lifetime: u32,
}

/// A gateway: the key set that it has, and when it fetches the next.
#[derive(Debug, Clone)]
struct Verifier {
    kids: Vec<String>,
    fetches_at: u32,
}

/// What chance decides in one second.
#[derive(Debug, Clone, Copy)]
struct Chance {
    /// Until a replica looks at the table again, and whether it restarts then.
    looks: [(u32, bool); 2],
    /// Until a verifier fetches again.
    fetches: [u32; 2],
    /// Which replica a verifier asks.
    asked: usize,
    /// The lifetime of tokens after a restart.
    lifetime: u32,
    /// An operator makes a key.
    rotates: bool,
}

fn chance() -> impl Strategy<Value = Chance> {
    let look = || (1..=LAG, prop::bool::weighted(0.15));
    let looks = (look(), look()).prop_map(<[_; 2]>::from);
    let fetches = [1..=CACHE, 1..=CACHE];
    (looks, fetches, 0usize..2, 1u32..1200, prop::bool::weighted(0.002)).prop_map(
        |(looks, fetches, asked, lifetime, rotates)| Chance { looks, fetches, asked, lifetime, rotates },
    )
}

struct World {
    table: Vec<KeyLabel>,
    made: u32,
    every: u32,
    replicas: [Replica; 2],
    verifiers: [Verifier; 2],
    /// Of each key that signed a token that lives: when the last of them expires.
    alive_until: BTreeMap<String, u32>,
}

impl World {
    fn new(every: u32) -> Self {
        let replica = Replica { keys: Vec::new(), looks_at: 0, token_lifetime: 900 };
        let mut world = Self {
            table: Vec::new(),
            made: 0,
            every,
            replicas: [replica.clone(), replica],
            verifiers: [(); 2].map(|()| Verifier { kids: Vec::new(), fetches_at: 0 }),
            alive_until: BTreeMap::new(),
        };
        world.look(0, 0);
        world.look(0, 1);
        world
    }

    fn policy(&self, replica: usize) -> RotationPolicy {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        RotationPolicy {
            every: seconds(self.every),
            publish_ahead: seconds(AHEAD),
            token_lifetime: seconds(self.replicas[replica].token_lifetime),
        }
    }

    /// A replica does what is due, as under the lock, and reads the table.
    fn look(&mut self, now: u32, replica: usize) {
        let policy = self.policy(replica);
        for due in due(&self.table, at(now), &policy) {
            match due {
                Due::Make(signs_from) => self.make(now, signs_from, policy.token_lifetime),
                Due::Lengthen(kid) => {
                    let key = self.table.iter_mut().find(|key| key.kid == kid).unwrap();
                    key.times.token_lifetime = policy.token_lifetime;
                }
                Due::Delete(kid) => self.table.retain(|key| key.kid != kid),
            }
        }
        self.replicas[replica].keys.clone_from(&self.table);
    }

    fn make(&mut self, now: u32, signs_from: OffsetDateTime, token_lifetime: Duration) {
        self.made += 1;
        let times = KeyTimes { created_at: at(now), signs_from, token_lifetime };
        self.table.push(KeyLabel { kid: self.made.to_string(), algorithm: Algorithm::Es256, times });
    }

    fn second(&mut self, now: u32, chance: Chance) {
        if chance.rotates && next(&self.table, at(now)).is_none() {
            let policy = self.policy(0);
            self.make(now, at(now) + policy.publish_ahead, policy.token_lifetime);
        }
        for replica in 0..2 {
            if self.replicas[replica].looks_at <= now {
                self.look(now, replica);
                let (pause, restarts) = chance.looks[replica];
                self.replicas[replica].looks_at = now + pause;
                if restarts {
                    // It restarts with another lifetime, and looks before it serves.
                    self.replicas[replica].token_lifetime = chance.lifetime;
                    self.look(now, replica);
                }
            }
            self.sign(now, replica);
        }
        for (number, verifier) in self.verifiers.iter_mut().enumerate() {
            if verifier.fetches_at <= now {
                let published = &self.replicas[(chance.asked + number) % 2].keys;
                verifier.kids = published.iter().map(|key| key.kid.clone()).collect();
                verifier.fetches_at = now + chance.fetches[number];
            }
        }
    }

    /// As `KeyStore::signer` and `AccessTokens::issue` do.
    fn sign(&mut self, now: u32, replica: usize) {
        let Replica { keys, token_lifetime, .. } = &self.replicas[replica];
        let come = keys.iter().filter(|key| key.times.signs_from <= at(now));
        let signer = come.max_by_key(|key| turn(key)).expect("somebody always signs");
        let most = u32::try_from(signer.times.token_lifetime.as_secs()).unwrap();
        let expires_at = now + most.min(*token_lifetime);
        let last = self.alive_until.entry(signer.kid.clone()).or_default();
        *last = expires_at.max(*last);
    }

    /// A key that some verifier lacks, while a token of it lives.
    fn unknown(&mut self, now: u32) -> Option<(&String, &Verifier)> {
        self.alive_until.retain(|_kid, until| *until > now);
        let lacks = |kid: &String| self.verifiers.iter().find(|verifier| !verifier.kids.contains(kid));
        self.alive_until.keys().find_map(|kid| Some((kid, lacks(kid)?)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_token_that_lives_verifies_everywhere(
        every in AHEAD + 1..4 * AHEAD,
        chances in prop::collection::vec(chance(), 6_000),
    ) {
        let mut world = World::new(every);
        for (now, chance) in (0u32..).zip(&chances) {
            world.second(now, *chance);
            let unknown = world.unknown(now);
            prop_assert!(unknown.is_none(), "at {now}: {unknown:?}");
        }
        prop_assert!(world.made >= 4, "keys rotate: {}", world.made);
        prop_assert!(world.table.len() <= 6, "and go: {:?}", world.table);
    }
}
