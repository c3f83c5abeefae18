#!/usr/bin/env python3
"""Makes refresh-token.json from docs/refresh-token.md, with nothing but Python's standard library."""

import base64
import hashlib
import hmac
import json
import pathlib
import struct
import uuid


def hkdf(secret: bytes, label: bytes) -> bytes:
    """RFC 5869 with SHA-256, an empty salt and 32 bytes of output: one block."""
    prk = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(prk, label + b"\x01", hashlib.sha256).digest()


def token(secret: bytes, delivery: str, session: str, generation: int, nonce: bytes, *, version=1, key=None) -> bytes:
    body = bytes([version]) + hkdf(secret, b"portcullis/secret-id/v1")[:4] + bytes([{"cookie": 0, "body": 1}.get(delivery, 2)])
    body += uuid.UUID(session).bytes + struct.pack(">q", generation) + nonce
    return body + hmac.new(key or hkdf(secret, b"portcullis/refresh/v1"), body, hashlib.sha256).digest()


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


CURRENT = hashlib.sha256(b"the current secret of the refresh token vectors").digest()
PREVIOUS = hashlib.sha256(b"the previous secret of the refresh token vectors").digest()
STRANGER = hashlib.sha256(b"a secret of somebody else").digest()
SESSION = "01937e5c-2f6a-7c3e-9f10-3b1d2c4e5f60"
NONCE = bytes(range(0xA0, 0xB0))

opened = []
for name, secret, delivery, generation in [
    ("first", CURRENT, "cookie", 0),
    ("later", CURRENT, "cookie", 1),
    ("much later", CURRENT, "cookie", 2**40),
    ("body", CURRENT, "body", 7),
    ("previous secret", PREVIOUS, "cookie", 3),
]:
    opened.append(
        {
            "name": name,
            "secret": "current" if secret is CURRENT else "previous",
            "delivery": delivery,
            "sessionId": SESSION,
            "generation": generation,
            "nonce": NONCE.hex(),
            "nonceHash": hashlib.sha256(NONCE).hexdigest(),
            "token": text(token(secret, delivery, SESSION, generation, NONCE)),
        }
    )

good = token(CURRENT, "cookie", SESSION, 1, NONCE)
refused = [
    ("empty", ""),
    ("no base64url", "!" * 104),
    ("standard base64", text(token(CURRENT, "cookie", SESSION, 1, b"\xff" * 16)).replace("_", "/").replace("-", "+")),
    ("padded", text(good) + "=="),
    ("cut", text(good)[:-4]),
    ("longer", text(good) + "AAAA"),
    ("white space", " " + text(good)[:-1]),
    ("a stranger's secret", text(token(STRANGER, "cookie", SESSION, 1, NONCE))),
    ("a stranger's key under our secret's name", text(token(CURRENT, "cookie", SESSION, 1, NONCE, key=hkdf(STRANGER, b"portcullis/refresh/v1")))),
    ("the secret itself as key", text(token(CURRENT, "cookie", SESSION, 1, NONCE, key=CURRENT))),
    ("another version, well tagged", text(token(CURRENT, "cookie", SESSION, 1, NONCE, version=2))),
    ("an unknown delivery, well tagged", text(token(CURRENT, "neither", SESSION, 1, NONCE))),
    ("a negative generation, well tagged", text(token(CURRENT, "cookie", SESSION, -1, NONCE))),
]
for field, at in [("version", 0), ("secret id", 1), ("delivery", 5), ("session id", 6), ("generation", 29), ("nonce", 30), ("tag", 46), ("last byte", 77)]:
    refused.append((f"one bit of the {field} flipped", text(flipped(good, at))))

vectors = {
    "about": "Made by refresh-token.py from docs/refresh-token.md. `opened` tokens say what stands beside them; `refused` ones are no tokens.",
    "secrets": {
        name: {
            "hex": secret.hex(),
            "id": hkdf(secret, b"portcullis/secret-id/v1")[:4].hex(),
            "key": hkdf(secret, b"portcullis/refresh/v1").hex(),
        }
        for name, secret in [("current", CURRENT), ("previous", PREVIOUS)]
    },
    "opened": opened,
    "refused": [{"name": name, "token": value} for name, value in refused],
}
path = pathlib.Path(__file__).with_name("refresh-token.json")
path.write_text(json.dumps(vectors, indent=1) + "\n")
