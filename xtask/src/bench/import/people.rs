//! People who never were, as another system would write them: random ids, unordered, half a thousand mail providers.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context, Result};

const FIRST_NAMES: [&str; 8] = ["ann", "bob", "carla", "dmitri", "eve", "fatima", "goran", "hana"];
const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Writes so many lines. The same each time.
pub(super) fn write(path: &Path, count: u32) -> Result<()> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let mut out = BufWriter::new(file);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for number in 1..=count {
        writeln!(out, "{}", line(number, &mut random))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    out.flush().with_context(|| format!("writing {}", path.display()))
}

fn line(number: u32, random: &mut Random) -> String {
    let name = FIRST_NAMES[random.below(FIRST_NAMES.len())];
    let (provider, year, month, day) =
        (random.below(500), 2015 + random.below(10), 1 + random.below(12), 1 + random.below(28));
    format!(
        r#"{{"id":"{}","email":"{name}.{number}@mail{provider}.example","passwordHash":"{}","createdAt":"{year}-{month:02}-{day:02}T12:00:00Z","emailVerified":true}}"#,
        random.id(),
        random.hash(),
    )
}

/// Not random enough for anything else (xorshift64*).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or_default() % end
    }

    fn id(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }

    /// What looks like a bcrypt hash. The last characters of salt and digest hold fewer than six bits.
    fn hash(&mut self) -> String {
        let mut hash = "$2b$12$".to_owned();
        for place in 0..53 {
            let step = match place {
                21 => 16,
                52 => 4,
                _ => 1,
            };
            hash.push(char::from(ALPHABET[self.below(ALPHABET.len() / step) * step]));
        }
        hash
    }
}
