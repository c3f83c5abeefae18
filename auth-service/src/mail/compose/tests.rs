//! What goes over the wire.

use std::time::Duration;

use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::mail::Lifetimes;
use crate::tokens::RootSecrets;

fn outgoing() -> Outgoing {
    let secret = Secret::new(b"thirty-two bytes of a root secret".to_vec());
    let lifetimes = Lifetimes { verify: Duration::from_secs(24 * 3600), reset: Duration::from_secs(30 * 60) };
    Outgoing::new(&RootSecrets::new(&secret, &[]), lifetimes)
}

fn composer() -> Composer {
    let links = LinkBase::parse("https://app.example", false).unwrap();
    Composer::new(outgoing(), Sender::parse("Bücher & Söhne <no-reply@shop.example>").unwrap(), links)
}

fn queued(kind: Kind, recipient: &str) -> Queued {
    let purpose = match kind {
        Kind::VerifyEmail => Some(Purpose::VerifyEmail),
        Kind::ResetPassword => Some(Purpose::ResetPassword),
        _ => None,
    };
    let letter = purpose.map(|purpose| outgoing().letter(purpose).unwrap());
    Queued {
        id: letter.as_ref().map_or_else(Uuid::now_v7, |letter| letter.id),
        kind,
        recipient: recipient.to_owned(),
        detail: json!({"address": "203.0.113.7", "userAgent": "<script>alert(1)</script> & \"Firefox\""}),
        sealed: letter.map(|letter| letter.sealed),
        created_at: datetime!(2026-11-24 13:05:09 UTC),
    }
}

fn wire(queued: &Queued) -> String {
    let composer = composer();
    let message = composer.message(&composer.write(queued).unwrap()).unwrap();
    String::from_utf8(message.formatted()).unwrap()
}

#[test]
fn every_gap_of_every_kind_is_filled() {
    for kind in Kind::ALL {
        let letter = composer().write(&queued(kind, "ann@example.com")).unwrap();
        for body in [letter.text.expose(), letter.html.expose(), &letter.subject] {
            assert!(!body.contains("{{") && !body.contains("  "), "{kind:?}: {body}");
        }
        assert!(letter.text.expose().contains("ann@example.com"), "{kind:?}");
        assert!(letter.text.expose().contains("Bücher & Söhne"), "{kind:?}");
        assert!(letter.html.expose().contains("Bücher &amp; Söhne"), "{kind:?}");
    }
}

#[test]
fn the_link_carries_the_token_in_its_fragment() {
    let composer = composer();
    let queued = queued(Kind::ResetPassword, "ann@example.com");
    let token = composer.outgoing.open(queued.id, queued.kind, queued.sealed.as_ref().unwrap()).unwrap();
    let letter = composer.write(&queued).unwrap();
    let link = format!("https://app.example/reset-password#token={}", token.expose());
    assert!(letter.text.expose().contains(&link) && letter.html.expose().contains(&link));
    assert!(letter.text.expose().contains("30 minutes"));
    assert!(!format!("{letter:?}").contains(token.expose()));
}

#[test]
fn what_a_client_calls_itself_cannot_become_markup() {
    let letter = composer().write(&queued(Kind::NewDevice, "ann@example.com")).unwrap();
    assert!(!letter.html.expose().contains("<script"), "{}", letter.html.expose());
    assert!(letter.html.expose().contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Firefox&quot;"));
    assert!(letter.text.expose().contains("24 November 2026, 13:05 UTC"));
}

#[test]
fn a_message_says_who_when_and_which_and_is_the_same_at_every_attempt() {
    let queued = queued(Kind::VerifyEmail, "ann@bücher.example");
    let wire = wire(&queued);
    for line in [
        "To: ann@xn--bcher-kva.example\r\n",
        "Subject: Confirm your e-mail address\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "MIME-Version: 1.0\r\n",
        &format!("Message-ID: <{}@shop.example>\r\n", queued.id),
    ] {
        assert!(wire.contains(line), "{line:?} in {wire}");
    }
    assert!(wire.contains("Date: Tue, 24 Nov 2026 13:05:09 +0000\r\n"), "{wire}");
    assert!(wire.contains("multipart/alternative") && wire.is_ascii());
}

#[test]
fn an_address_cannot_bring_headers_or_recipients() {
    for hostile in
        ["ann@example.com\r\nBcc: eve@example.com", "ann@example.com,eve@example.com", "<ann@example.com"]
    {
        let composer = composer();
        let letter = composer.write(&queued(Kind::AccountExists, hostile)).unwrap();
        assert!(matches!(composer.message(&letter), Err(Unwritable::Address(_))), "{hostile:?}");
    }
}

#[test]
fn lifetimes_are_told_in_words() {
    for (seconds, expected) in [
        (86_400, "24 hours"),
        (3_600, "1 hour"),
        (1_800, "30 minutes"),
        (5_400, "90 minutes"),
        (1, "1 second"),
    ] {
        assert_eq!(words(seconds), expected);
    }
}
