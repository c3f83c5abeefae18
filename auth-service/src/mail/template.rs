//! The texts, as they stand in `templates/mail/`, and how their gaps are filled.
//!
//! A gap is `{{name}}`. A file's first line is the subject (text only); the rest is the body.

use super::kind::Kind;

/// The two texts of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    pub(super) subject: &'static str,
    pub(super) text: &'static str,
    pub(super) html: &'static str,
}

/// The frame around every HTML body.
const FRAME: &str = include_str!("../../templates/mail/frame.html");

macro_rules! template {
    ($name:literal) => {
        (
            include_str!(concat!("../../templates/mail/", $name, ".txt")),
            include_str!(concat!("../../templates/mail/", $name, ".html")),
        )
    };
}

impl Template {
    pub(super) fn of(kind: Kind) -> Self {
        let (text, html) = match kind {
            Kind::VerifyEmail => template!("verify_email"),
            Kind::ResetPassword => template!("reset_password"),
            Kind::AccountExists => template!("account_exists"),
            Kind::PasswordChanged => template!("password_changed"),
            Kind::NewDevice => template!("new_device"),
            Kind::SecondFactorChanged => template!("second_factor_changed"),
            Kind::SecondFactorFailures => template!("second_factor_failures"),
        };
        let (subject, text) = text.split_once("\n\n").unwrap_or(("", text));
        Self { subject, text, html }
    }
}

/// Fills the gaps of a plain text.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    fill_with(template, values, |value| value.to_owned())
}

/// Fills those of an HTML body and puts it into the frame.
pub(super) fn fill_html(body: &str, subject: &str, values: &[(&str, &str)]) -> String {
    let body = fill_with(body, values, escape);
    let (before, after) = FRAME.split_once("{{body}}").unwrap_or((FRAME, ""));
    let before = fill_with(before, &[("subject", subject)], escape);
    format!("{before}{body}{after}")
}

/// What stands for a text in HTML, in an attribute too.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// In one pass, so that what a value contains is not filled again.
fn fill_with(template: &str, values: &[(&str, &str)], written: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        filled.push_str(before);
        filled.push_str(&written(value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_filled_again_and_cannot_become_markup() {
        let values = [("agent", "{{link}}<b title=\"x'&\">"), ("link", "https://x")];
        assert_eq!(fill("by {{agent}}, {{link}}", &values), "by {{link}}<b title=\"x'&\">, https://x");
        let html = fill_html("<p>{{agent}}</p>", "S & T", &values);
        assert!(html.contains("<p>{{link}}&lt;b title=&quot;x&#39;&amp;&quot;&gt;</p>"), "{html}");
        assert!(html.contains("<title>S &amp; T</title>"), "{html}");
    }

    #[test]
    fn every_kind_has_a_subject_and_two_bodies_and_nothing_from_elsewhere() {
        for kind in Kind::ALL {
            let Template { subject, text, html } = Template::of(kind);
            assert!(!subject.is_empty() && !subject.contains('\n') && subject.is_ascii(), "{subject:?}");
            assert!(text.len() > 100 && html.contains("<p>"), "{kind:?}");
            for remote in ["<img", "<link", "<script", "url(", "http:", "https:"] {
                assert!(!html.contains(remote) && !FRAME.contains(remote), "{kind:?} has {remote}");
            }
        }
    }
}
