"""A real SMTP server for tests, with the faults that real ones have."""

import asyncio
import datetime
import email
import logging
import socket
import socketserver
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.servers import free_port

USER, PASSWORD = "nextup@example.org", "p@ss/word:1"
HANG_SECONDS = 60.0
KNOWN = {"EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT", "STARTTLS"}


class Mailbox:
    """Everything a server has accepted, and how it behaves: a fault at RCPT or DATA, by address."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.recipients: list[str] = []
        self.sessions: set[int] = set()
        # What a recipient's RCPT or DATA is answered with; "hang" and "die" do what they say.
        self.at_recipient: Callable[[str], str | None] = lambda address: None
        self.at_content: Callable[[str], str | None] = lambda address: None
        self.after_content: Callable[[str], str | None] = lambda address: None

    @property
    def messages(self) -> list[EmailMessage]:
        return [parsed(content) for content in self.contents]

    def to(self, address: str) -> list[EmailMessage]:
        """What was accepted for one recipient, in order."""
        pairs = zip(self.recipients, self.messages, strict=True)
        return [message for recipient, message in pairs if recipient == address]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        fault = await self._fault(server, self.at_recipient(address))
        if fault is None:
            envelope.rcpt_tos.append(address)
        return fault or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        fault = await self._fault(server, self.at_content(recipient))
        if fault is not None:
            return fault
        self.sessions.add(id(session))
        self.recipients.append(recipient)
        self.contents.append(cast(bytes, envelope.original_content))
        return await self._fault(server, self.after_content(recipient)) or "250 OK"

    @staticmethod
    async def _fault(server: SMTP, fault: str | None) -> str | None:
        if fault == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if fault in ("die", "hang"):
            cast(asyncio.Transport, server.transport).abort()
            return "421 gone"
        return fault


class SmtpServer:
    """The server; `tls` is "starttls", "smtps" or none, and with `login` it asks for one."""

    def __init__(self, mailbox: Mailbox, *, tls: str = "", login: bool = False, **options: Any):
        self.mailbox = mailbox
        self.port = free_port()
        self.tls = tls
        self.login = login
        self.options = options
        self.certificate: tuple[Path, Path] | None = None
        self.account = (USER, PASSWORD)
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        user = "nextup%40example.org:p%40ss%2Fword%3A1@" if self.login else ""
        return f"{'smtps' if self.tls == 'smtps' else 'smtp'}://{user}127.0.0.1:{self.port}"

    def start(self) -> "SmtpServer":
        # It tells of each connection and of the faults that tests make, and names recipients.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        context = None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
        options = dict(self.options)
        if self.login:
            options |= {"authenticator": self._authenticate, "auth_required": True}
            # It does not count the TLS that is there from the beginning.
            options |= {"auth_require_tls": self.tls == "starttls"}
            warnings.filterwarnings("ignore", message="Requiring AUTH")
        if self.tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        # It looks at every attribute of its handler for each connection, and would parse all mails.
        box = self.mailbox
        handler = SimpleNamespace(handle_RCPT=box.handle_RCPT, handle_DATA=box.handle_DATA)
        self._controller = Controller(
            handler,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=context if self.tls == "smtps" else None,
            enable_SMTPUTF8=True,
            **options,
        )
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop(no_assert=True)
            self._controller = None

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        given = data.login, data.password
        right = isinstance(data, LoginPassword) and given == tuple(
            one.encode() for one in self.account
        )
        return AuthResult(success=right, handled=False)


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=policy.default)


def words_of(message: EmailMessage, kind: str = "plain") -> str:
    """The text of a mail, or its HTML."""
    body = message.get_body((kind,))
    assert body is not None
    return cast(str, body.get_content())


def make_certificate(
    folder: Path,
    host: str = "localhost",
    *,
    address: str = "127.0.0.1",
    ends_in_days: int = 2,
    is_authority: bool = True,
    is_self_signed: bool = True,
) -> tuple[Path, Path]:
    """A certificate for a host and an address, loopback, and its key.

    It signs itself, or somebody does whose own certificate nobody has.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signer = key if is_self_signed else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(host), x509.IPAddress(ip_address(address))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if is_self_signed else x509.Name([]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=ends_in_days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@contextmanager
def scripted_server(
    *, greeting: str = "220 ready", pause: float = 0.0, host: str = "127.0.0.1", **answers: str
) -> Iterator[int]:
    """A server's port; what it says to a verb such as EHLO is given, and else that all is well.

    It greets after so many seconds.
    """
    said = {"EHLO": "250 there", "QUIT": "221 bye", "DATA": "354 go on", **answers}

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            time.sleep(pause)
            self.wfile.write(f"{greeting}\r\n".encode())
            for line in self.rfile:
                verb = line.decode().partition(" ")[0].strip().upper()
                # What is neither a verb nor the end of a mail is a line of it.
                if verb in KNOWN or verb == ".":
                    self.wfile.write(f"{said.get(verb, '250 OK')}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, free_port()), Session) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        yield listener.getsockname()[1]
