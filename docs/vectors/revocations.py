"""Makes revocations.json from docs/revocations.md, with nothing of ours: run it again and the file is the same."""

import json
from pathlib import Path

CURSOR = "0b6f9a52c41e4d0c9a3f5d7e8c1b2a30-16391.4285944"
LATER = "0b6f9a52c41e4d0c9a3f5d7e8c1b2a30-16391.4285951"


def field(name, value):
    return f"{name}: {value}\n"


def event(kind, data, cursor=None):
    compact = json.dumps(data, separators=(",", ":"))
    identity = field("id", cursor) if cursor else ""
    return field("event", kind) + field("data", compact) + identity + "\n"


def revocation(name, data):
    return {"name": name, "data": data, "text": event("revocation", data)}


SESSION = {"kind": "session", "sid": "01937e5c-2f6a-7c3e-9f10-3b1d2c4e5f60", "expiresAt": "2026-11-24T10:15:10Z"}
USER = {
    "kind": "user",
    "sub": "01937e5c-1a2b-7c3d-8e4f-5a6b7c8d9e0f",
    "leastEpoch": 3,
    "expiresAt": "2026-11-24T10:15:10.25Z",
}
CLIENT = {"kind": "client", "clientId": "billing", "leastEpoch": 1, "expiresAt": "2026-11-24T10:15:10.000001Z"}
KEY = {"kind": "key", "kid": "8Pq0vZxkQm3y", "expiresAt": "2026-11-24T10:15:10Z"}
NOW = {"now": "2026-11-24T10:00:00Z"}

stream = [
    ": portcullis revocations\n\n",
    event("revocation", SESSION),
    event("revocation", USER),
    event("snapshot", NOW, CURSOR),
    event("heartbeat", NOW, CURSOR),
    event("revocation", CLIENT),
    event("revocation", KEY, LATER),
    ": the database cannot be read\n\n",
    event("heartbeat", NOW, LATER),
]

vectors = {
    "about": "Made by revocations.py from docs/revocations.md. `revocations` holds each kind as the feed writes it; `stream` is a "
    "whole answer, and `after` what a reader knows after each of its events: the last id, and how many of them were read.",
    "revocations": [
        revocation("a session", SESSION),
        revocation("a user", USER),
        revocation("a client", CLIENT),
        revocation("a key", KEY),
    ],
    "snapshot": {"data": NOW, "id": CURSOR, "text": event("snapshot", NOW, CURSOR)},
    "heartbeat": {"data": NOW, "id": CURSOR, "text": event("heartbeat", NOW, CURSOR)},
    "stream": "".join(stream),
    "after": [
        {"event": "revocation", "data": SESSION, "lastEventId": ""},
        {"event": "revocation", "data": USER, "lastEventId": ""},
        {"event": "snapshot", "data": NOW, "lastEventId": CURSOR},
        {"event": "heartbeat", "data": NOW, "lastEventId": CURSOR},
        {"event": "revocation", "data": CLIENT, "lastEventId": CURSOR},
        {"event": "revocation", "data": KEY, "lastEventId": LATER},
        {"event": "heartbeat", "data": NOW, "lastEventId": LATER},
    ],
}
target = Path(__file__).with_suffix(".json")
target.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")
