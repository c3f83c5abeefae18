"""A mail server for tests (aiosmtpd): every message that it takes is a line of JSON on standard output.

Local parts of recipients say how it behaves: `busy…` is put off (451) the first time, `nobody…` is refused (550), and for
`slow…` it takes a second before it says that it has the message; to `mute…`'s goodbye it says nothing. Usage: smtp.py PORT [--no-utf8] [--refuse-sender] [--tls CERTIFICATE KEY]
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP

seen_busy = set()


class Handler:
    def __init__(self, refuses_sender):
        self.refuses_sender = refuses_sender

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.refuses_sender:
            return "553 5.7.1 we do not know you"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox <" + address + ">"
        if address.startswith("busy") and address not in seen_busy:
            seen_busy.add(address)
            return "451 4.3.0 try again"
        envelope.rcpt_tos.append(address)
        session.mute = address.startswith("mute")
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        if session.mute:
            await asyncio.sleep(3600)
        return "221 Bye"

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name, session.mute = hostname, False
        return responses

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        told = {
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": parts.get("text/plain", "").replace("\r\n", "\n"),
            "html": parts.get("text/html", ""),
            "tls": session.ssl is not None,
        }
        if any(to.startswith("slow") for to in envelope.rcpt_tos):
            print(json.dumps({"begun": envelope.rcpt_tos}), flush=True)
            await asyncio.sleep(1)
            if server.transport is None or server.transport.is_closing():
                return "451 4.3.0 nobody is there any more"
        print(json.dumps({"mail": told}), flush=True)
        return "250 OK"


async def main():
    arguments = sys.argv[1:]
    port = int(arguments.pop(0))
    context = None
    if "--tls" in arguments:
        place = arguments.index("--tls")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments[place + 1], arguments[place + 2])

    def factory():
        return SMTP(
            Handler("--refuse-sender" in arguments),
            enable_SMTPUTF8="--no-utf8" not in arguments,
            tls_context=context,
            require_starttls=context is not None,
        )

    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", port)
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
