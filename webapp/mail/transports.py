"""How mails leave: to an SMTP server, or as files where none is configured."""

import base64
import logging
import os
import secrets
import smtplib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from threading import Timer
from typing import Protocol

from webapp.mail.complaints import NoTls, complaint, decoded, refused_sender, words
from webapp.mail.failures import PermanentFailure, TemporaryFailure
from webapp.mail_url import MailServer
from webapp.text.languages import ENGLISH
from webapp.text.sentence import said_in
from webapp.text.sentences import DELIVERY_PROBLEMS

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
# For one answer of the server, and for a mail as a whole: an answer may also come drop by drop.
ANSWER_SECONDS = 20.0
MAIL_SECONDS = 40.0
GOODBYE_SECONDS = 3.0
SERVICE_NOT_AVAILABLE = 421
# Now, or before.
LOGGED_IN = (235, 503)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail ready to leave: `name` is that of its file, `content` has everything to be sent."""

    name: str
    sender: str
    recipient: str
    content: bytes


class Transport(Protocol):
    """Takes mails away; `repeats_show` where one that is sent once more is there twice."""

    @property
    def repeats_show(self) -> bool: ...

    def send(self, envelope: Envelope) -> str:
        """Send a mail and return what was said to it.

        Raises `PermanentFailure`, `TemporaryFailure`.
        """

    def close(self) -> None:
        """End a connection that was kept for the next mail."""


class FolderTransport:
    """Writes each mail to a file that only its owner can read."""

    repeats_show = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, envelope: Envelope) -> str:
        file = f"{self._folder}/{envelope.name}"
        part = f"{self._folder}/.{secrets.token_hex(8)}.part"
        try:
            # The file appears complete, and readable for its owner alone, or not at all.
            try:
                descriptor = self._open(part)
            except FileNotFoundError:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = self._open(part)
            try:
                with open(descriptor, "wb") as whole:
                    whole.write(envelope.content)
                os.replace(part, file)
                return file
            except BaseException:
                os.unlink(part)
                raise
        except OSError as error:
            raise TemporaryFailure(
                f"cannot write the mail: {error.strerror}", for_all=True
            ) from error

    @staticmethod
    def _open(name: str) -> int:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        pass


class SmtpTransport:
    """Hands mails to an SMTP server and keeps the connection for a run of them.

    A password never travels without TLS, and a certificate has to be valid. Without a password
    TLS is used where the server offers it, but not to this machine itself, where nobody listens
    and certificates are mostly self-made, unless the settings name the one to believe.
    """

    repeats_show = True

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._deadline = 0.0

    def send(self, envelope: Envelope) -> str:
        self._deadline = time.monotonic() + MAIL_SECONDS
        connection = self._connection
        if connection is not None and connection.sock is not None:
            # Kept from an earlier mail: the server may have had enough of it since.
            with suppress(ConnectionEnded):
                return self._hand_over(connection, envelope)
        return self._hand_over(self._connect(), envelope)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError), limited(connection, GOODBYE_SECONDS):
                connection.quit()
            connection.close()

    def _connect(self) -> "Connection":
        try:
            connection = open_connection(self._server, self._left())
        except OSError as error:
            told = said_in(ENGLISH, complaint(error, self._server))
            raise TemporaryFailure(told, for_all=True) from error
        self._connection = connection
        return connection

    def _hand_over(self, connection: "Connection", envelope: Envelope) -> str:
        options = []
        if not envelope.recipient.isascii():
            if not connection.has_extn("smtputf8"):
                raise PermanentFailure(DELIVERY_PROBLEMS["letters"])
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        to = envelope.recipient
        try:
            with limited(connection, self._left()):
                connection.sendmail(envelope.sender, [to], envelope.content, options)
            return connection.said
        except smtplib.SMTPSenderRefused as error:
            raise _failure_of_sender(error.smtp_code, error.smtp_error, envelope.sender) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise _failure(*error.recipients[to]) from error
        except smtplib.SMTPDataError as error:
            raise _failure(error.smtp_code, error.smtp_error) from error
        except OSError as error:
            connection.close()
            raise ConnectionEnded(f"The mail server broke off: {words(error)}") from error

    def _left(self) -> float:
        """Seconds left for this mail. Raises `TemporaryFailure` when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TemporaryFailure("The mail server is too slow.", for_all=True)
        return left


class Connection(smtplib.SMTP):
    """A connection whose failures say whether the server may have the mail.

    `said` is its answer to the last one.
    """

    said = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        # To be reached is one thing, and to be greeted may take longer.
        sock.settimeout(ANSWER_SECONDS)
        return sock

    def login(
        self, user: str, password: str, *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        if (user + password).isascii():
            return super().login(user, password, initial_response_ok=initial_response_ok)
        # `smtplib` knows no other letters.
        if "PLAIN" not in self.esmtp_features.get("auth", "").split():
            raise smtplib.SMTPNotSupportedError("no AUTH PLAIN, which takes all letters")
        response = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        code, said = self.docmd("AUTH", f"PLAIN {response}")
        if code not in LOGGED_IN:
            raise smtplib.SMTPAuthenticationError(code, said)
        return code, said

    def data(self, msg: bytes | str) -> tuple[int, bytes | str]:  # type: ignore[override]
        try:
            code, said = super().data(msg)
            self.said = f"{code} {decoded(said)}"
            return code, said
        except smtplib.SMTPDataError as error:
            # As an answer to the content: `sendmail` makes the connection ready for the next mail.
            return error.smtp_code, error.smtp_error
        except OSError as error:
            # Perhaps it has the mail: to send it again at once would only make it two.
            raise TemporaryFailure(f"The mail server broke off: {words(error)}") from error


class TlsConnection(Connection, smtplib.SMTP_SSL):
    """The same with TLS from the beginning."""


def open_connection(
    server: MailServer, seconds: float, *, connect_seconds: float | None = None
) -> Connection:
    """A connection that is logged in, within so many seconds. Raises `OSError`."""
    address, timeout = (server.host, server.port), connect_seconds or CONNECT_SECONDS
    connection = (
        TlsConnection(*address, timeout=timeout, context=server.context())
        if server.tls_at_once
        else Connection(*address, timeout=timeout)
    )
    try:
        with limited(connection, seconds):
            _log_in(connection, server)
    except OSError:
        connection.close()
        raise
    return connection


def _log_in(connection: Connection, server: MailServer) -> None:
    connection.ehlo_or_helo_if_needed()
    encrypted, near = server.tls_at_once, _is_this_machine(server.host)
    wants_tls = bool(server.user or server.certificate)
    if not encrypted and connection.has_extn("starttls") and (wants_tls or not near):
        connection.starttls(context=server.context())
        connection.ehlo()
        encrypted = True
    if not encrypted and (server.certificate or (server.user and not near)):
        raise NoTls
    if server.user:
        connection.login(server.user, server.password)


class ConnectionEnded(TemporaryFailure):
    """The server ended the connection, which may only mean: enough mails through this one."""


def _failure(code: int, said: bytes | str) -> PermanentFailure | TemporaryFailure:
    """What an answer that is not yes means for the mail."""
    answer = f"{code} {decoded(said)}"
    if code == SERVICE_NOT_AVAILABLE:
        return ConnectionEnded(answer)
    return PermanentFailure(answer) if 500 <= code <= 599 else TemporaryFailure(answer)


def _failure_of_sender(
    code: int, said: bytes | str, address: str
) -> PermanentFailure | TemporaryFailure:
    failure = _failure(code, said)
    # What is wrong with our own address will be wrong with all other mails, too.
    if isinstance(failure, PermanentFailure):
        return TemporaryFailure(str(refused_sender(code, str(failure), address)), for_all=True)
    return failure


@contextmanager
def limited(connection: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """End the connection if what is done with it takes longer."""

    def end() -> None:
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
