//! How the feed is written: server-sent events, as `docs/revocations.md` and its vectors have them.

use bytes::Bytes;
use serde::Serialize;
use time::OffsetDateTime;

use super::cursor::Cursor;
use super::revocation::{Revocation, Subject};
use crate::accounts::UserId;
use crate::sessions::SessionId;

/// The first bytes of every answer, so that a subscriber knows at once that it is one.
pub const OPENING: Bytes = Bytes::from_static(b": portcullis revocations\n\n");
/// Keeps a connection alive and claims nothing.
pub const SILENCE: Bytes = Bytes::from_static(b": the database cannot be read\n\n");

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
enum Data<'a> {
    Session {
        sid: SessionId,
        #[serde(flatten)]
        until: Until,
    },
    User {
        sub: UserId,
        #[serde(rename = "leastEpoch")]
        least_epoch: i32,
        #[serde(flatten)]
        until: Until,
    },
    Client {
        #[serde(rename = "clientId")]
        client_id: &'a str,
        #[serde(rename = "leastEpoch")]
        least_epoch: i32,
        #[serde(flatten)]
        until: Until,
    },
    Key {
        kid: &'a str,
        #[serde(flatten)]
        until: Until,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Until {
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

#[derive(Serialize)]
struct Now {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
}

/// That the database has been read up to `cursor`, lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Up to where.
    pub cursor: Cursor,
    /// The database's time at the read.
    pub now: OffsetDateTime,
}

impl Beat {
    /// As the end of the first set.
    #[must_use]
    pub fn snapshot(self) -> Bytes {
        self.event("snapshot")
    }

    /// As the sign of life that it is.
    #[must_use]
    pub fn heartbeat(self) -> Bytes {
        self.event("heartbeat")
    }

    fn event(self, kind: &str) -> Bytes {
        let mut text = String::new();
        push(&mut text, kind, &Now { now: self.now }, Some(self.cursor));
        text.into()
    }
}

/// Entries, in one piece. The cursor stands on the last of them, so that a part of a batch never passes for all of it.
#[must_use]
pub fn revocations(entries: &[Revocation], cursor: Option<Cursor>) -> Bytes {
    let mut text = String::with_capacity(entries.len() * 160);
    for (index, entry) in entries.iter().enumerate() {
        let is_last = index + 1 == entries.len();
        push(&mut text, "revocation", &data(entry), cursor.filter(|_| is_last));
    }
    text.into()
}

fn data(entry: &Revocation) -> Data<'_> {
    let (until, least_epoch) = (Until { expires_at: entry.expires_at }, entry.least_epoch);
    match &entry.subject {
        Subject::Session(sid) => Data::Session { sid: *sid, until },
        Subject::User(sub) => Data::User { sub: *sub, least_epoch, until },
        Subject::Client(client_id) => Data::Client { client_id, least_epoch, until },
        Subject::Key(kid) => Data::Key { kid, until },
    }
}

/// JSON has no raw line breaks, so one `data` line is enough.
fn push(text: &mut String, kind: &str, data: &impl Serialize, cursor: Option<Cursor>) {
    // Nothing here can fail: times are of our era, and keys are text. An event without data would be ignored.
    let data = serde_json::to_string(data).unwrap_or_default();
    text.push_str("event: ");
    text.push_str(kind);
    text.push_str("\ndata: ");
    text.push_str(&data);
    if let Some(cursor) = cursor {
        text.push_str("\nid: ");
        text.push_str(&cursor.to_string());
    }
    text.push_str("\n\n");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../docs/vectors/revocations.json")).unwrap()
    }

    fn time(value: &Value) -> OffsetDateTime {
        OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
    }

    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    fn revocation(data: &Value) -> Revocation {
        let subject = match text(&data["kind"]) {
            "session" => Subject::Session(SessionId(text(&data["sid"]).parse().unwrap())),
            "user" => Subject::User(UserId(text(&data["sub"]).parse().unwrap())),
            "client" => Subject::Client(text(&data["clientId"]).into()),
            "key" => Subject::Key(text(&data["kid"]).into()),
            other => panic!("{other} is no kind"),
        };
        let least_epoch = data["leastEpoch"].as_i64().unwrap_or(0).try_into().unwrap();
        Revocation { subject, least_epoch, expires_at: time(&data["expiresAt"]) }
    }

    #[test]
    fn entries_are_written_as_the_vectors_have_them() {
        let vectors = vectors();
        let all = vectors["revocations"].as_array().unwrap();
        assert_eq!(all.len(), 4);
        for vector in all {
            assert_eq!(revocations(&[revocation(&vector["data"])], None), text(&vector["text"]));
        }
    }

    #[test]
    fn a_whole_answer_is_as_the_vectors_have_it() {
        let vectors = vectors();
        let cursor = |index: usize| text(&vectors["after"][index]["lastEventId"]).parse::<Cursor>().unwrap();
        let now = time(&vectors["heartbeat"]["data"]["now"]);
        let entry = |index: usize| revocation(&vectors["after"][index]["data"]);
        let (first, later) = (Beat { cursor: cursor(2), now }, Beat { cursor: cursor(5), now });
        let answer = [
            OPENING,
            revocations(&[entry(0), entry(1)], None),
            first.snapshot(),
            first.heartbeat(),
            revocations(&[entry(4), entry(5)], Some(later.cursor)),
            SILENCE,
            later.heartbeat(),
        ]
        .concat();
        assert_eq!(String::from_utf8(answer).unwrap(), text(&vectors["stream"]));
        assert_eq!(first.snapshot(), text(&vectors["snapshot"]["text"]));
        assert_eq!(first.heartbeat(), text(&vectors["heartbeat"]["text"]));
    }
}
