//! What an authenticator app and we share (RFC 6238: SHA-1, six digits, 30 seconds), and the codes that come of it.

use std::fmt;

use aws_lc_rs::rand;
use fast_qr::QRBuilder;
use fast_qr::convert::svg::SvgBuilder;
use secret::Secret;
use time::OffsetDateTime;
use totp_rs::{Algorithm, Builder, Totp};

/// The length of a secret: what RFC 4226 recommends, 160 bits.
pub const SECRET_BYTES: usize = 20;
/// How long a code is shown.
const STEP_SECONDS: u64 = 30;
/// So many steps before and after the current one are accepted: clocks differ, and people type slowly.
const SKEW_STEPS: u16 = 1;

/// The number of a 30-second step since 1970.
pub type Step = i64;

/// The library or the system failed: no code can be made or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the second factor cannot be computed")]
pub struct Unusable;

/// A secret, ready to be shown to an app once and to check its codes.
pub struct Authenticator(Totp);

/// What an app needs to know, shown once.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// The secret in base32, to be typed.
    pub secret: Secret<String>,
    /// The `otpauth:` URI, for apps on the same device.
    pub uri: Secret<String>,
    /// The URI as a QR code: an SVG document.
    pub qr_svg: Secret<String>,
}

/// Draws a new secret.
///
/// # Errors
/// [`Unusable`] without randomness.
pub fn generate_secret() -> Result<Secret<Vec<u8>>, Unusable> {
    let mut bytes = vec![0; SECRET_BYTES];
    rand::fill(&mut bytes).map_err(|_| Unusable)?;
    Ok(Secret::new(bytes))
}

impl Authenticator {
    /// The authenticator of a secret.
    ///
    /// # Errors
    /// [`Unusable`] when it is shorter than 128 bits.
    pub fn new(secret: &Secret<Vec<u8>>) -> Result<Self, Unusable> {
        Ok(Self(builder(secret).build().map_err(|_| Unusable)?))
    }

    /// The step whose code this is, around `now`; the earliest, should two steps have the same code.
    ///
    /// Whether that step is used up already is another question, which the database answers.
    #[must_use]
    pub fn matching_step(&self, digits: &str, now: OffsetDateTime) -> Option<Step> {
        let seconds = u64::try_from(now.unix_timestamp()).ok()?;
        self.0.check(digits, seconds).and_then(|step| Step::try_from(step).ok())
    }
}

/// What the app of `email`'s owner is told.
///
/// # Errors
/// [`Unusable`] when the library refuses.
pub fn introduce(secret: &Secret<Vec<u8>>, issuer: &str, email: &str) -> Result<Introduction, Unusable> {
    // A colon stands between issuer and account in the label, and nowhere else.
    let account = email.replace(':', "_");
    let totp = builder(secret).with_issuer(Some(issuer)).with_account_name(account);
    let totp = totp.build().map_err(|_| Unusable)?;
    let uri = totp.to_url().map_err(|_| Unusable)?;
    let qr = QRBuilder::new(uri.as_str()).build().map_err(|_| Unusable)?;
    Ok(Introduction {
        secret: Secret::new(totp.secret().to_base32()),
        qr_svg: Secret::new(SvgBuilder::default().to_str(&qr)),
        uri: Secret::new(uri),
    })
}

fn builder(secret: &Secret<Vec<u8>>) -> Builder {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(SKEW_STEPS)
        .with_step_duration(STEP_SECONDS)
        .with_secret(secret.expose().as_slice())
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[authenticator]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B, for SHA-1.
    fn rfc_secret() -> Secret<Vec<u8>> {
        Secret::new(b"12345678901234567890".to_vec())
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn step_of(digits: &str, seconds: i64) -> Option<Step> {
        Authenticator::new(&rfc_secret()).unwrap().matching_step(digits, at(seconds))
    }

    #[test]
    fn the_vectors_of_rfc_6238() {
        // Eight digits there; ours are the last six of them.
        for (seconds, eight) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(step_of(&eight[2..], seconds), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn one_step_before_and_one_after_and_no_more() {
        let (code, step) = ("287082", 1);
        for (seconds, found) in [(0, true), (29, true), (30, true), (59, true), (89, true), (90, false)] {
            assert_eq!(step_of(code, seconds), found.then_some(step), "{seconds}");
        }
        // 07081804 is the code of step 37,037,036, which begins at 1,111,111,080.
        let begin = 1_111_111_080;
        for (offset, found) in [(-31, false), (-30, true), (0, true), (59, true), (60, false)] {
            assert_eq!(step_of("081804", begin + offset).is_some(), found, "{offset}");
        }
    }

    #[test]
    fn nothing_but_six_ascii_digits_is_a_code() {
        for digits in ["", "28708", "2870820", "+28708", "28708x", "２８７０８２", "287 082", "-87082"]
        {
            assert_eq!(step_of(digits, 59), None, "{digits:?}");
        }
        assert_eq!(step_of("287082", -1), None, "before 1970");
    }

    #[test]
    fn an_app_is_told_all_that_it_needs() {
        let told = introduce(&rfc_secret(), "Shop & Co", "a:n+n@example.com").unwrap();
        assert_eq!(told.secret.expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = told.uri.expose();
        assert!(uri.starts_with("otpauth://totp/Shop%20%26%20Co:a_n%2Bn%40example.com?"), "{uri}");
        assert!(
            uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") && uri.contains("issuer=Shop%20%26%20Co")
        );
        let svg = told.qr_svg.expose();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && !svg.contains("script"));
        assert!(!format!("{told:?}").contains("GEZD"));
    }

    #[test]
    fn the_longest_address_fits_into_a_qr_code() {
        let email = format!("{}@example.com", "ü".repeat(121));
        assert!(introduce(&rfc_secret(), &"long.".repeat(12), &email).is_ok());
    }

    #[test]
    fn each_secret_is_another() {
        let (one, other) = (generate_secret().unwrap(), generate_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), SECRET_BYTES);
        assert!(Authenticator::new(&Secret::new(vec![1; 15])).is_err());
    }
}
