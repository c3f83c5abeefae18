//! The corpus of the fuzz targets, and mutations of it by a fixed seed, so that a failure is found again.

use std::path::Path;

use crate::checks;

/// Of each target, besides the corpus itself.
const MUTATIONS: usize = 3_000;

/// A small generator (xorshift64*), so that the mutations are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % below.max(1)
    }
}

fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.next(seeds.len())].clone();
    for _ in 0..=random.next(4) {
        let at = random.next(bytes.len() + 1);
        match random.next(6) {
            0 => bytes.insert(at, u8::try_from(random.next(256)).unwrap()),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.next(8),
            3 => bytes.truncate(at),
            4 => {
                let other = &seeds[random.next(seeds.len())];
                let from = random.next(other.len() + 1);
                let piece = other[from..(from + random.next(20)).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let piece = bytes[at..(at + random.next(12)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    let seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| check(seed));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..MUTATIONS {
        check(&mutated(&seeds, &mut random));
    }
}

#[test]
fn targets() {
    replay("target", checks::target);
}

#[test]
fn tokens() {
    replay("token", checks::token);
}

#[test]
fn key_sets() {
    replay("key_set", checks::key_set);
}

#[test]
fn cookies() {
    replay("cookie", checks::cookie);
}

#[test]
fn configurations() {
    replay("configuration", checks::configuration);
}
