"""Writes identity.json beside this file from the contract in ../identity.md.

It uses Python's standard library and none of our code, so that the vectors test the implementations and not
the other way round. Run it after a change of the contract: python3 docs/vectors/identity.py
"""

import base64
import hashlib
import hmac
import json
import pathlib

ROOT_KEYS = {
    "current": hashlib.sha256(b"portcullis identity vector, current").digest(),
    "previous": hashlib.sha256(b"portcullis identity vector, previous").digest(),
}
COVERED = [
    "@method", "@path", "@query", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
    "x-user-id", "x-user-email", "x-user-role", "x-session-id",
]
LIST = "(" + " ".join(f'"{name}"' for name in COVERED) + ")"
NOW = 1_796_000_000


def hkdf(root, upstream):
    """RFC 5869 with an empty salt and one block of output."""
    prk = hmac.new(b"\0" * 32, root, hashlib.sha256).digest()
    return hmac.new(prk, b"portcullis/identity/v1/" + upstream.encode() + b"\x01", hashlib.sha256).digest()


def b64(data):
    return base64.b64encode(data).decode()


KEYS = [
    {"root": b64(root), "rootHex": root.hex(), "upstream": upstream, "key": b64(hkdf(root, upstream))}
    for root in ROOT_KEYS.values()
    for upstream in ("auth", "orders")
]


def headers(request_id="0193567a-1c2d-7000-8000-00000000abcd", address="203.0.113.9", proto="https",
            host="shop.example", user="", email="", role="", session=""):
    return [
        ["x-request-id", request_id], ["x-forwarded-for", address], ["x-forwarded-proto", proto],
        ["x-forwarded-host", host], ["x-user-id", user], ["x-user-email", email], ["x-user-role", role],
        ["x-session-id", session],
    ]


ANN = dict(user="01935680-0000-7000-8000-000000000001", email="ann@shop.example", role="USER",
           session="01935680-0000-7000-8000-0000000000aa")


def sign(method, target, fields, key, keyid="orders", created=NOW, covered=LIST,
         tail=';alg="hmac-sha256";tag="portcullis"', parameters=None):
    path, mark, query = target.partition("?")
    values = {"@method": method, "@path": path or "/", "@query": "?" + query} | dict(fields)
    parameters = parameters if parameters is not None else f';created={created};keyid="{keyid}"{tail}'
    base = "".join(f'"{name}": {values[name]}\n' for name in COVERED) + f'"@signature-params": {covered}{parameters}'
    tag = hmac.new(key, base.encode(), hashlib.sha256).digest()
    return base, f"gateway={covered}{parameters}", f"gateway=:{b64(tag)}:"


ORDERS, AUTH = hkdf(ROOT_KEYS["current"], "orders"), hkdf(ROOT_KEYS["current"], "auth")
OLD_ORDERS = hkdf(ROOT_KEYS["previous"], "orders")


def signature(name, method, target, fields):
    base, signature_input, value = sign(method, target, fields, ORDERS)
    return {"name": name, "upstream": "orders", "key": b64(ORDERS), "created": NOW, "method": method,
            "target": target, "headers": fields, "base": base, "signatureInput": signature_input, "signature": value}


SIGNATURES = [
    signature("a user lists orders", "GET", "/api/orders?limit=20&cursor=abc", headers(**ANN)),
    signature("a user places an order, no query", "POST", "/api/orders", headers(**ANN)),
    signature("an anonymous caller: the identity headers are there and empty", "GET", "/api/orders", headers()),
    signature("an empty query signs like none", "GET", "/api/orders?", headers(**ANN)),
    signature("a client of its own", "GET", "/api/orders", headers(user="client:billing", role="SERVICE")),
    signature("values that needed encoding", "GET", "/caf%C3%A9/%25", headers(
        user="01935680-0000-7000-8000-000000000001", email="zo%C3%AB%20100%25@shop.example", role="USER",
        session="01935680-0000-7000-8000-0000000000aa")),
    signature("the gateway's own request: everything but the id is empty", "GET", "/internal/revocations",
              headers(address="", proto="", host="")),
]

REQUESTS = []


def request(name, outcome, fields=None, method="GET", target="/api/orders?limit=20", sent=None, sent_method=None,
            sent_target=None, now=NOW, extra=(), key=ORDERS, signature_lines=None, **how):
    """One request at the verifier of `orders`; `sent…` is what arrives instead of what was signed."""
    fields = headers(**ANN) if fields is None else fields
    _, signature_input, value = sign(method, target, fields, key, **how)
    arrived = [*(fields if sent is None else sent)]
    if signature_lines is None:
        signature_lines = [["signature-input", signature_input], ["signature", value]]
    else:
        signature_lines = signature_lines(signature_input, value)
    REQUESTS.append({"name": name, "now": now, "method": sent_method or method, "target": sent_target or target,
                     "headers": arrived + signature_lines + [list(pair) for pair in extra]} | outcome)


def accept(user=None, address="203.0.113.9"):
    return {"accept": {"user": user, "requestId": "0193567a-1c2d-7000-8000-00000000abcd", "clientAddress": address}}


def refuse(code):
    return {"refuse": code}


def replaced(fields, name, value):
    return [[n, value if n == name else v] for n, v in fields]


def without(fields, name):
    return [[n, v] for n, v in fields if n != name]


ANN_READ = {"id": ANN["user"], "email": ANN["email"], "role": "USER", "sessionId": ANN["session"]}
ann = headers(**ANN)

request("a user", accept(ANN_READ))
request("an anonymous caller", accept(), headers())
request("a client of its own", accept({"id": "client:billing", "email": "", "role": "SERVICE", "sessionId": ""}),
        headers(user="client:billing", role="SERVICE"))
request("encoded values are decoded", accept(ANN_READ | {"email": "zoë 100%@shop.example"}),
        headers(**(ANN | {"email": "zo%C3%AB%20100%25@shop.example"})))
request("signed with the previous key", accept(ANN_READ), key=OLD_ORDERS)
request("30 seconds old", accept(ANN_READ), now=NOW + 30)
request("5 seconds ahead", accept(ANN_READ), now=NOW - 5)
request("an empty query arrives as none", accept(ANN_READ), target="/api/orders?", sent_target="/api/orders")
request("members under other labels stand beside ours", accept(ANN_READ), signature_lines=lambda i, s: [
    ["signature-input", 'proxy=("@method");keyid="a, gateway=()", ' + i], ["signature", "proxy=:AAAA:, " + s]])
request("a forwarded header that is not covered is not read", accept(ANN_READ), extra=[["x-real-ip", "10.0.0.1"]])

request("31 seconds old", refuse("too_old"), now=NOW + 31)
request("6 seconds ahead", refuse("from_the_future"), now=NOW - 6)
request("another method", refuse("wrong_signature"), sent_method="DELETE")
request("another path", refuse("wrong_signature"), sent_target="/api/admin/orders?limit=20")
request("another query", refuse("wrong_signature"), sent_target="/api/orders?limit=21")
request("the query taken away", refuse("wrong_signature"), sent_target="/api/orders")
for name, other in [("x-request-id", "r2"), ("x-forwarded-for", "203.0.113.10"), ("x-forwarded-proto", "http"),
                    ("x-forwarded-host", "evil.example"), ("x-user-id", "01935680-0000-7000-8000-000000000002"),
                    ("x-user-email", "bob@shop.example"), ("x-user-role", "ADMIN"), ("x-session-id", "s2")]:
    request(f"another {name}", refuse("wrong_signature"), sent=replaced(ann, name, other))
    request(f"no {name}", refuse("missing"), sent=without(ann, name))
    request(f"two of {name}", refuse("repeated"), extra=[[name, other]])
    request(f"the same {name} twice", refuse("repeated"), extra=[[name, dict(ann)[name]]])
request("a role added to an anonymous caller", refuse("wrong_signature"), headers(),
        sent=replaced(headers(), "x-user-role", "ADMIN"))
request("a second role beside the empty one", refuse("repeated"), headers(), extra=[["x-user-role", "ADMIN"]])
for name in ["x_user_role", "x.user.role", "x-user_id", "x-user-name", "x_session_id", "x-request.id", "signature_input"]:
    request(f"{name} added", refuse("unexpected_header"), headers(), extra=[[name, "ADMIN"]])
request("headers left out of the list", refuse("wrong_list"),
        covered=LIST.replace(' "x-user-role"', ""))
request("the list in another order", refuse("wrong_list"),
        covered=LIST.replace('"@method" "@path"', '"@path" "@method"'))
request("the list with two spaces", refuse("wrong_list"), covered=LIST.replace('"@method" ', '"@method"  '))
request("more in the list", refuse("wrong_list"), covered=LIST.replace(")", ' "host")'))
request("an empty list", refuse("wrong_list"), covered="()")
request("made for the auth service", refuse("wrong_keyid"), key=AUTH, keyid="auth")
request("the auth service's key under our name", refuse("wrong_signature"), key=AUTH)
request("our key under the auth service's name", refuse("wrong_keyid"), keyid="auth")
request("another tag", refuse("wrong_parameters"), tail=';alg="hmac-sha256";tag="other"')
request("no tag", refuse("wrong_parameters"), tail=';alg="hmac-sha256"')
request("another algorithm", refuse("wrong_parameters"), tail=';alg="hmac-sha512";tag="portcullis"')
request("parameters in another order", refuse("wrong_parameters"),
        parameters=f';keyid="orders";created={NOW};alg="hmac-sha256";tag="portcullis"')
request("one parameter more", refuse("wrong_parameters"),
        tail=f';alg="hmac-sha256";tag="portcullis";expires={NOW + 60}')
request("created is no integer", refuse("wrong_parameters"), created=f"{NOW}.0")
request("created with a leading zero", refuse("wrong_parameters"), created=f"0{NOW}")
request("created is negative", refuse("wrong_parameters"), created=-NOW)
request("created overflows", refuse("wrong_parameters"), created="9" * 20)
request("no signature-input", refuse("missing"), signature_lines=lambda i, s: [["signature", s]])
request("no signature", refuse("missing"), signature_lines=lambda i, s: [["signature-input", i]])
request("no signature at all", refuse("missing"), signature_lines=lambda i, s: [])
request("two gateway inputs", refuse("repeated"),
        signature_lines=lambda i, s: [["signature-input", f"{i}, {i}"], ["signature", s]])
request("two gateway signatures on two lines", refuse("repeated"),
        signature_lines=lambda i, s: [["signature-input", i], ["signature", "gateway=:AAAA:"], ["signature", s]])
request("another label", refuse("missing"), signature_lines=lambda i, s: [
    ["signature-input", i.replace("gateway=", "sig1=", 1)], ["signature", s.replace("gateway=", "sig1=", 1)]])
request("an unfinished string in signature-input", refuse("malformed"),
        signature_lines=lambda i, s: [["signature-input", i + '"'], ["signature", s]])
request("the signature is no byte sequence", refuse("malformed"),
        signature_lines=lambda i, s: [["signature-input", i], ["signature", s.replace(":", '"')]])
request("the signature is cut", refuse("wrong_signature"),
        signature_lines=lambda i, s: [["signature-input", i], ["signature", "gateway=:" + s[9:29] + ":"]])
request("the signature is empty", refuse("wrong_signature"),
        signature_lines=lambda i, s: [["signature-input", i], ["signature", "gateway=::"]])
request("a role without a user, signed", refuse("inconsistent"), headers(role="ADMIN"))
request("a user without a role, signed", refuse("inconsistent"), headers(**(ANN | {"role": ""})))
request("a user without a session, signed", refuse("inconsistent"), headers(**(ANN | {"session": ""})))
request("a client that is an ADMIN, signed", refuse("inconsistent"), headers(user="client:billing", role="ADMIN"))
request("a user that is a SERVICE, signed", refuse("inconsistent"), headers(**(ANN | {"role": "SERVICE"})))
request("a broken escape, signed", refuse("malformed"), headers(**(ANN | {"email": "50%@shop.example"})))
request("two addresses, signed", refuse("malformed"), headers(address="10.0.0.1, 203.0.113.9", **ANN))

ENCODINGS = [
    {"plain": plain, "encoded": encoded}
    for plain, encoded in [
        ("", ""), ("ann@shop.example", "ann@shop.example"), ("a b", "a%20b"), ("100%", "100%25"), ("%41", "%2541"),
        ("zoë", "zo%C3%AB"), ("a\tb\r\n\0", "a%09b%0D%0A%00"), ("\x7f", "%7F"), ('!"#$&\'()*+,/:;<=>?@[\\]^_`{|}~',) * 2,
        ("日本", "%E6%97%A5%E6%9C%AC"),
    ]
]

FOLDED = {
    "identity": ["X-User-Id", "x_user_id", "x.user.id", "X-USER.anything", "x-user-", "X-Session-Id", "x_session.id",
                 "X-Request-Id", "Signature", "signature_input", "Signature-Input"],
    "forwarded": ["Forwarded", "X-Forwarded-For", "x_forwarded_proto", "x-forwarded-anything", "X-Real-IP",
                  "X-Client-IP", "True-Client-IP", "X-Original-URL", "x.original.host", "X-Rewrite-URL",
                  "X-HTTP-Method-Override", "X-Method-Override"],
    "none": ["Host", "User-Agent", "X-User", "X-Users-Id", "X-Session-Ids", "X-Request-Id-2", "Signatures",
             "X-Forwarded", "X-Real-IPs", "Authorization", "Cookie"],
}

document = {
    "about": "Made by identity.py from docs/identity.md. The verifier in `requests` is the service `orders` with "
             "`verifierKeys`, current key first.",
    "keys": KEYS,
    "families": FOLDED,
    "encodings": ENCODINGS,
    "encodingsRefused": ["a b", "zoë", "%", "%4", "%zz", "%ff", "a\tb"],
    "signatures": SIGNATURES,
    "verifierKeys": [b64(ORDERS), b64(OLD_ORDERS)],
    "requests": REQUESTS,
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
