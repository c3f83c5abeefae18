//! The mailbox of development: what would have been sent, as a page for a person and as JSON for a test.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::compose::Letter;
use super::template::escape;

/// A letter as a test reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    date: OffsetDateTime,
    kind: &'static str,
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    html: &'a str,
}

/// `{"items": […]}`.
#[derive(Serialize)]
struct Items<'a> {
    items: Vec<Item<'a>>,
}

/// All of it, the newest first.
///
/// # Errors
/// A date that RFC 3339 has no word for.
pub fn json(letters: &[Letter]) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Items { items: letters.iter().map(Item::from).collect() })
}

impl<'a> From<&'a Letter> for Item<'a> {
    fn from(letter: &'a Letter) -> Self {
        Self {
            id: letter.id,
            date: letter.date,
            kind: letter.kind.as_str(),
            to: &letter.recipient,
            subject: &letter.subject,
            text: letter.text.expose(),
            html: letter.html.expose(),
        }
    }
}

/// The same to look at. Whatever a stranger brought into a mail is text here.
#[must_use]
pub fn page(letters: &[Letter]) -> String {
    let mut page =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
                    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
                    <meta name=\"referrer\" content=\"no-referrer\"><title>Mailbox</title>\n\
                    <style>body { font-family: sans-serif; max-width: 50em; margin: 2em auto } \
                    pre { white-space: pre-wrap; background: #f4f4f4; padding: 1em }</style></head><body>\n\
                    <h1>Mailbox</h1>\n<p>What would have been sent, the newest first. As JSON: \
                    <a href=\"/mailbox.json\">/mailbox.json</a></p>\n"
            .to_owned();
    for letter in letters {
        let Letter { date, recipient, subject, text, .. } = letter;
        let (subject, recipient) = (escape(subject), escape(recipient));
        let text = with_links(text.expose());
        page.push_str(&format!("<h2>{subject}</h2>\n<p>To {recipient}, {date}</p>\n<pre>{text}</pre>\n"));
    }
    page.push_str("</body></html>\n");
    page
}

/// Lines that are an address become links.
fn with_links(text: &str) -> String {
    let line = |line: &str| {
        let escaped = escape(line);
        let is_link = (line.starts_with("https://") || line.starts_with("http://")) && !line.contains(' ');
        if is_link { format!("<a href=\"{escaped}\">{escaped}</a>") } else { escaped }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use secret::Secret;
    use time::macros::datetime;

    use super::*;
    use crate::mail::Kind;

    fn letter(text: &str) -> Letter {
        Letter {
            id: Uuid::nil(),
            kind: Kind::NewDevice,
            date: datetime!(2026-11-24 13:05:09 UTC),
            recipient: "\"<b>\"@example.com".to_owned(),
            subject: "<i>".to_owned(),
            text: Secret::new(text.to_owned()),
            html: Secret::new("<p>".to_owned()),
        }
    }

    #[test]
    fn nothing_on_the_page_is_markup_of_a_strangers() {
        let page =
            page(&[letter("<script>alert(1)</script>\nhttp://x\"onclick=alert(1)\njavascript:alert(1)")]);
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
        assert!(page.contains("<a href=\"http://x&quot;onclick=alert(1)\">"), "{page}");
        assert!(!page.contains("href=\"javascript"), "{page}");
    }

    #[test]
    fn a_test_reads_everything() {
        let json: serde_json::Value = serde_json::from_str(&json(&[letter("hello")]).unwrap()).unwrap();
        let item = &json["items"][0];
        assert_eq!(item["to"], "\"<b>\"@example.com");
        assert_eq!(item["kind"], "new_device");
        assert_eq!(item["date"], "2026-11-24T13:05:09Z");
        assert_eq!((&item["text"], &item["html"]), (&"hello".into(), &"<p>".into()));
    }
}
