"""Verifies requests on standard input with the http-message-signatures library, as docs/identity.md describes.

In: [{"method", "url", "headers": [[name, value]], "key" (base64)}]. Out: one JSON list of "accepted" or the reason.
"""

import base64
import datetime
import json
import sys

from http_message_signatures import (
    HTTPMessageSignaturesException, HTTPMessageVerifier, MappingKeyResolver, algorithms,
)

COVERED = (
    "@method", "@path", "@query", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
    "x-user-id", "x-user-email", "x-user-role", "x-session-id",
)


class Headers:
    """Every line as it arrived: a dict would hide that a header came twice."""

    def __init__(self, lines):
        self.lines = lines

    def items(self):
        return self.lines


class Request:
    def __init__(self, request):
        self.method, self.url, self.headers = request["method"], request["url"], Headers(request["headers"])


def verdict(request):
    key = base64.b64decode(request["key"])
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.HMAC_SHA256,
        key_resolver=MappingKeyResolver(public_keys={"orders": key}, private_keys={}),
    )
    try:
        (result,) = verifier.verify(
            Request(request), max_age=datetime.timedelta(seconds=30), expect_label="gateway",
            expect_tag="portcullis", require_components=COVERED,
        )
    except HTTPMessageSignaturesException as error:
        return str(error) or type(error).__name__
    covered = [name.strip('"') for name in result.covered_components if name != '"@signature-params"']
    return "accepted" if tuple(covered) == COVERED else "covers something else"


print(json.dumps([verdict(request) for request in json.load(sys.stdin)]))
