//! Who of several servers is asked: the power of two choices, by requests under way.
//!
//! Pure, and the same effort for two servers and for a thousand. Knows neither servers nor clocks.

/// What the choice looks at.
pub(super) trait Candidate {
    /// Requests under way there, of this core.
    fn under_way(&self) -> usize;
    /// How much of its share it may have, in percent; less than 100 only for a while after its return.
    fn share(&self) -> u8;
}

/// The index of one of `candidates`, of which there is one at least.
///
/// One candidate is whose turn it is, the other a random one: idle servers take turns evenly, and under load the one
/// with less to do wins. A winner that has only just returned gives way as often as its share says.
pub(super) fn choose<C: Candidate>(candidates: &[C], turn: usize, random: u64) -> usize {
    let count = candidates.len();
    if count < 2 {
        return 0;
    }
    let first = turn % count;
    let (low, high) = (random & u64::from(u32::MAX), random >> 32);
    let second = (first + 1 + below(low, count - 1)) % count;
    let (winner, other) = if candidates[second].under_way() < candidates[first].under_way() {
        (second, first)
    } else {
        (first, second)
    };
    let share = candidates[winner].share();
    let gives_way = below(high, 100) >= usize::from(share) && candidates[other].share() > share;
    if gives_way { other } else { winner }
}

/// Maps 32 random bits to `0..end`.
fn below(random: u64, end: usize) -> usize {
    usize::try_from((random * end as u64) >> 32).unwrap_or(0)
}

/// The next random number (xorshift64*, Vigna 2016): no secret depends on it. `state` is never 0.
pub(super) const fn next_random(state: u64) -> (u64, u64) {
    let mut state = state;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    (state, state.wrapping_mul(0x2545_F491_4F6C_DD1D))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    struct Server {
        under_way: usize,
        share: u8,
    }

    impl Candidate for Server {
        fn under_way(&self) -> usize {
            self.under_way
        }

        fn share(&self) -> u8 {
            self.share
        }
    }

    fn servers(shares: &[u8]) -> Vec<Server> {
        shares.iter().map(|&share| Server { under_way: 0, share }).collect()
    }

    /// How often each is chosen in so many turns; `keeps` says whether chosen requests stay under way.
    fn spread(servers: &mut [Server], turns: usize, keeps: bool) -> Vec<usize> {
        let (mut state, mut random, mut chosen) = (1, 0, vec![0; servers.len()]);
        for turn in 0..turns {
            (state, random) = next_random(state);
            let index = choose(servers, turn, random);
            chosen[index] += 1;
            servers[index].under_way += usize::from(keeps);
        }
        assert_ne!(random, 0);
        chosen
    }

    #[test]
    fn idle_servers_take_turns() {
        for count in 1..=5 {
            assert_eq!(spread(&mut servers(&vec![100; count]), 60 * count, false), vec![60; count]);
        }
    }

    #[test]
    fn work_that_stays_is_spread_evenly() {
        for counted in spread(&mut servers(&[100; 10]), 10_000, true) {
            assert!((950..=1050).contains(&counted), "{counted}");
        }
    }

    #[test]
    fn a_busy_server_is_asked_less() {
        let mut three = servers(&[100; 3]);
        three[1].under_way = 1000;
        assert_eq!(spread(&mut three, 300, false)[1], 0);
    }

    #[test]
    fn one_that_returned_gets_its_share_and_no_more() {
        for (share, expected) in [(10, 50), (50, 250), (90, 450), (100, 500)] {
            let counted = spread(&mut servers(&[100, share]), 1000, false)[1];
            assert!(counted.abs_diff(expected) <= 40, "{counted} of 1000 at {share} %");
        }
    }

    #[test]
    fn if_all_have_just_returned_they_take_turns() {
        assert_eq!(spread(&mut servers(&[10, 10]), 100, false), [50, 50]);
    }

    proptest! {
        /// Of the two candidates the less busy one wins if it has its full share; the choice is always a candidate.
        #[test]
        fn the_busiest_of_all_is_chosen_only_among_equals(
            loads in prop::collection::vec(0_usize..50, 1..20), turn: usize, random: u64,
        ) {
            let servers: Vec<_> = loads.iter().map(|&under_way| Server { under_way, share: 100 }).collect();
            let chosen = choose(&servers, turn, random);
            prop_assert!(chosen < servers.len());
            let most = loads.iter().max().unwrap();
            let busiest = loads.iter().filter(|load| *load == most).count();
            prop_assert!(loads[chosen] < *most || busiest > 1 || servers.len() == 1);
        }
    }
}
