"""How mails leave: to an SMTP server, or as files where none is configured."""

import logging
import os
import smtplib
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from threading import Timer
from typing import Protocol
from urllib.parse import unquote, urlsplit

from webapp.mail.failures import PermanentFailure, TemporaryFailure
from webapp.text.sentences import DELIVERY_PROBLEMS

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
# For one answer of the server, and for a mail as a whole: an answer may also come drop by drop.
ANSWER_SECONDS = 20.0
MAIL_SECONDS = 40.0
GOODBYE_SECONDS = 3.0
SERVICE_NOT_AVAILABLE = 421


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail ready to leave: `name` is that of its file, `content` has everything to be sent."""

    name: str
    sender: str
    recipient: str
    content: bytes


class Transport(Protocol):
    """Takes mails away."""

    def send(self, envelope: Envelope) -> str:
        """Send a mail and return what was said to it.

        Raises `PermanentFailure`, `TemporaryFailure`.
        """

    def close(self) -> None:
        """End a connection that was kept for the next mail."""


class FolderTransport:
    """Writes each mail to a file that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, envelope: Envelope) -> str:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The file appears complete, and readable for its owner alone, or not at all.
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(envelope.content)
                os.replace(name, self._folder / envelope.name)
                return str(self._folder / envelope.name)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            raise TemporaryFailure(
                f"cannot write the mail: {error.strerror}", for_all=True
            ) from error

    def close(self) -> None:
        pass


class SmtpTransport:
    """Hands mails to an SMTP server and keeps the connection for a run of them.

    A password never travels without TLS, and a certificate has to be valid. Without a password
    TLS is used where the server offers it, but not to this machine itself, where nobody listens
    and certificates are mostly self-made.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._tls_at_once = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        self._port = parts.port or (465 if self._tls_at_once else 587 if self._user else 25)
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
        connection: smtplib.SMTP | None = None
        try:
            connection = self._open()
            with limited(connection, self._left()):
                self._log_in(connection)
        except OSError as error:
            if connection is not None:
                connection.close()
            complaint = f"The mail server {self._host} port {self._port} {_complaint(error)}"
            raise TemporaryFailure(complaint, for_all=True) from error
        assert connection.sock is not None
        connection.sock.settimeout(ANSWER_SECONDS)
        self._connection = connection
        return connection

    def _open(self) -> "Connection":
        if not self._tls_at_once:
            return Connection(self._host, self._port, timeout=CONNECT_SECONDS)
        context = ssl.create_default_context()
        return TlsConnection(self._host, self._port, timeout=CONNECT_SECONDS, context=context)

    def _log_in(self, connection: smtplib.SMTP) -> None:
        connection.ehlo_or_helo_if_needed()
        encrypted, near = self._tls_at_once, _is_this_machine(self._host)
        if not encrypted and connection.has_extn("starttls") and (self._user or not near):
            connection.starttls(context=ssl.create_default_context())
            connection.ehlo()
            encrypted = True
        if self._user:
            if not (encrypted or near):
                raise smtplib.SMTPException("it offers no TLS to send the password through")
            connection.login(self._user, self._password)

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
            raise _failure_of_sender(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise _failure(*error.recipients[to]) from error
        except smtplib.SMTPDataError as error:
            raise _failure(error.smtp_code, error.smtp_error) from error
        except OSError as error:
            connection.close()
            raise ConnectionEnded(f"The mail server broke off: {_words(error)}") from error

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

    def data(self, msg: bytes | str) -> tuple[int, bytes | str]:  # type: ignore[override]
        try:
            code, said = super().data(msg)
            self.said = f"{code} {_decoded(said)}"
            return code, said
        except smtplib.SMTPDataError as error:
            # As an answer to the content: `sendmail` makes the connection ready for the next mail.
            return error.smtp_code, error.smtp_error
        except OSError as error:
            # Perhaps it has the mail: to send it again at once would only make it two.
            raise TemporaryFailure(f"The mail server broke off: {_words(error)}") from error


class TlsConnection(Connection, smtplib.SMTP_SSL):
    """The same with TLS from the beginning."""


class ConnectionEnded(TemporaryFailure):
    """The server ended the connection, which may only mean: enough mails through this one."""


def _failure(code: int, said: bytes | str) -> PermanentFailure | TemporaryFailure:
    """What an answer that is not yes means for the mail."""
    words = f"{code} {_decoded(said)}"
    if code == SERVICE_NOT_AVAILABLE:
        return ConnectionEnded(words)
    return PermanentFailure(words) if 500 <= code <= 599 else TemporaryFailure(words)


def _failure_of_sender(code: int, said: bytes | str) -> PermanentFailure | TemporaryFailure:
    failure = _failure(code, said)
    # What is wrong with our own address will be wrong with all other mails, too.
    if isinstance(failure, PermanentFailure):
        return TemporaryFailure(f"Our address MAIL_FROM is refused: {failure}", for_all=True)
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


def _complaint(error: OSError) -> str:
    """What is wrong with a server, to follow its name."""
    if isinstance(error, ssl.SSLError):
        return f"has no valid certificate: {error.reason or error}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"does not accept our login: {_words(error)}"
    return f"cannot be used: {_words(error)}"


def _words(error: OSError) -> str:
    """What went wrong; the errors of `smtplib` are `OSError`s as well."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_decoded(error.smtp_error)}"
    return error.strerror or str(error) or type(error).__name__


def _decoded(text: bytes | str) -> str:
    """What a server said, as one line."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(plain.split())
