//! What a client may be called. Both who registers clients and who names them in routes ask here.

/// The client of the first-party frontend (RFC 9068 wants one named). No other may have its name.
pub const FIRST_PARTY_CLIENT: &str = "portcullis";

/// The longest name.
pub const MAX_CLIENT_ID_BYTES: usize = 64;

/// Whether a client may have this id: 1 to 64 of `a–z 0–9 _ -`, a letter first, so that it needs no encoding in a header,
/// a form or a file; not the frontend's; and nothing that reads as a UUID, because those are users (RFC 9700, section 4.15:
/// a client must not be able to choose the `sub` of somebody else).
#[must_use]
pub fn is_client_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    id.len() <= MAX_CLIENT_ID_BYTES
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.bytes().all(plain)
        && id != FIRST_PARTY_CLIENT
        && !reads_as_uuid(id)
}

fn reads_as_uuid(id: &str) -> bool {
    let mut digits = id.bytes().filter(|&byte| byte != b'-');
    digits.clone().count() == 32 && digits.all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::is_client_id;

    #[test]
    fn a_client_id_is_plain_and_nobody_elses() {
        for id in ["billing", "b", "reports-2_eu", "portcullis2", "fade", &"a".repeat(64)] {
            assert!(is_client_id(id), "{id}");
        }
        for id in [
            "",
            "portcullis",
            "Billing",
            "2fast",
            "-billing",
            "client:billing",
            "bill ing",
            "billing\n",
            "bill%69ng",
            "ann@example.com",
            "bücher",
            "a\0",
            "abad1dea-0000-7000-8000-0123456789ab",
            "abad1dea0000700080000123456789ab",
            &"a".repeat(65),
        ] {
            assert!(!is_client_id(id), "{id:?}");
        }
    }
}
