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

from webapp.services.delivery import Failed, Refused

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
# For one answer of the server, and for a mail as a whole: an answer may also come drop by drop.
ANSWER_SECONDS = 20.0
MAIL_SECONDS = 40.0
GOODBYE_SECONDS = 3.0
OK, WILL_FORWARD, SERVICE_NOT_AVAILABLE = 250, 251, 421


@dataclass(frozen=True, slots=True)
class Parcel:
    """A mail ready to leave: `name` is that of its file, `content` has everything to be sent."""

    name: str
    sender: str
    recipient: str
    content: bytes


class Post(Protocol):
    """Takes mails away."""

    def send(self, parcel: Parcel) -> None:
        """Raises `Refused`, `Failed`."""

    def close(self) -> None:
        """End a connection that was kept for the next mail."""


class FolderPost:
    """Writes each mail to a file that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, parcel: Parcel) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The file appears complete, and readable for its owner alone, or not at all.
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(parcel.content)
                os.replace(name, self._folder / parcel.name)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            raise Failed(f"cannot write the mail: {error.strerror}", for_all=True) from error

    def close(self) -> None:
        pass


class SmtpPost:
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
        self._connection: smtplib.SMTP | None = None
        self._deadline = 0.0

    def send(self, parcel: Parcel) -> None:
        self._deadline = time.monotonic() + MAIL_SECONDS
        if self._connection is not None:
            # Kept from an earlier mail: the server may have had enough of it since.
            with suppress(ConnectionEnded):
                self._hand_over(self._connection, parcel)
                return
        self._hand_over(self._connect(), parcel)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError, smtplib.SMTPException), limited(connection, GOODBYE_SECONDS):
                connection.quit()
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        connection: smtplib.SMTP | None = None
        try:
            connection = self._open()
            with limited(connection, self._left()):
                self._log_in(connection)
        except (OSError, smtplib.SMTPException) as error:
            if connection is not None:
                connection.close()
            complaint = f"The mail server {self._host} port {self._port} {_complaint(error)}"
            raise Failed(complaint, for_all=True) from error
        assert connection.sock is not None
        connection.sock.settimeout(ANSWER_SECONDS)
        self._connection = connection
        return connection

    def _open(self) -> smtplib.SMTP:
        if not self._tls_at_once:
            return smtplib.SMTP(self._host, self._port, timeout=CONNECT_SECONDS)
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(self._host, self._port, timeout=CONNECT_SECONDS, context=context)

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

    def _hand_over(self, connection: smtplib.SMTP, parcel: Parcel) -> None:
        options = [f"size={len(parcel.content)}"] if connection.has_extn("size") else []
        if not parcel.recipient.isascii():
            if not connection.has_extn("smtputf8"):
                raise Refused("The mail server cannot send to an address with such letters.")
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        with limited(connection, self._left()):
            try:
                code, said = connection.mail(parcel.sender, options)
                if code != OK:
                    self._begin_anew(connection, code)
                    raise _refusal_of_sender(code, said)
                code, said = connection.rcpt(parcel.recipient)
                if code not in (OK, WILL_FORWARD):
                    self._begin_anew(connection, code)
                    raise _refusal(code, said)
            except (OSError, smtplib.SMTPException) as error:
                self._drop()
                raise ConnectionEnded(f"The mail server broke off: {_words(error)}") from error
            try:
                code, said = connection.data(parcel.content)
            except smtplib.SMTPDataError as error:
                code, said = error.smtp_code, _encoded(error.smtp_error)
            except (OSError, smtplib.SMTPException) as error:
                # Perhaps it has the mail: to send it again at once would only make it two.
                self._drop()
                raise Failed(f"The mail server broke off: {_words(error)}") from error
            if code != OK:
                self._begin_anew(connection, code)
                raise _refusal(code, said)

    def _begin_anew(self, connection: smtplib.SMTP, code: int) -> None:
        """Make the connection ready for the next mail, unless the server has ended it."""
        try:
            if code == SERVICE_NOT_AVAILABLE or connection.rset()[0] != OK:
                self._drop()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _left(self) -> float:
        """Seconds left for this mail. Raises `Failed` when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Failed("The mail server is too slow.", for_all=True)
        return left

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _refusal(code: int, said: bytes) -> Refused | Failed:
    """What an answer that is not yes means for the mail."""
    words = f"{code} {_decoded(said)}"
    if code == SERVICE_NOT_AVAILABLE:
        return ConnectionEnded(words)
    return Refused(words) if 500 <= code <= 599 else Failed(words)


def _refusal_of_sender(code: int, said: bytes) -> Refused | Failed:
    # What is wrong with our own address will be wrong with all other mails, too.
    refusal = _refusal(code, said)
    if isinstance(refusal, Refused):
        return Failed(f"Our address MAIL_FROM is refused: {refusal}", for_all=True)
    return refusal


class ConnectionEnded(Failed):
    """The server ended the connection, which may only mean: enough mails through this one."""


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


def _complaint(error: Exception) -> str:
    """What is wrong with a server, to follow its name."""
    if isinstance(error, ssl.SSLError):
        return f"has no valid certificate: {error.reason or error}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"does not accept our login: {_words(error)}"
    return f"cannot be used: {_words(error)}"


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_decoded(error.smtp_error)}"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def _encoded(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _decoded(text: bytes | str) -> str:
    """What a server said, as one line."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(plain.split())
