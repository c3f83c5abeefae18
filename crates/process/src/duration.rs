//! Durations as people write them in settings: `500ms 90s 15m 12h 7d`.

use std::time::Duration;

/// Reads one whole number with a unit (`ms`, `s`, `m`, `h`, `d`). `None` for anything else, overflow included.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        let check = |text, expected: Option<u64>| {
            assert_eq!(parse_duration(text), expected.map(Duration::from_millis), "{text}");
        };
        check("90s", Some(90_000));
        check("15m", Some(900_000));
        check("7d", Some(604_800_000));
        check("250ms", Some(250));
        check(" 0s ", Some(0));
        for wrong in ["", "s", "15", "1.5h", "-1s", "1 s", "1m30s", "18446744073709551615d", "७d"] {
            check(wrong, None);
        }
    }
}
