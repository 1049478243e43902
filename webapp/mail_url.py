"""MAIL_URL: which mail server, which login, and whose certificate is believed.

    smtp://user:password@host:587     TLS by STARTTLS
    smtps://user:password@host:465    TLS from the beginning
    ...?certificate=/path/to.pem      a certificate that no public authority has signed

User and password are taken as providers give them out: the last @ before the host ends them, and
the first colon lies between them. What is percent-encoded is decoded; any other % stays.
"""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

LOOKS_LIKE = "must look like smtp://user:password@host:587"
CERTIFICATE = "?certificate="

_split = re.compile(
    r"(?P<scheme>smtps?)://"
    r"(?:(?P<login>.*)@)?"
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
).fullmatch


class MailUrlError(ValueError):
    """MAIL_URL is wrong; the message says how, to follow the name, and holds no secret."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails go. With `user` or `certificate` nothing is sent there without TLS."""

    host: str
    port: int
    tls_at_once: bool
    user: str | None = field(repr=False)
    password: str = field(repr=False)
    certificate: Path | None = None
    # Whether something of the login was percent-encoded, or looked like it.
    was_decoded: bool = False

    def context(self) -> ssl.SSLContext:
        """What is believed of the server's certificate: its name has to be right, always.

        With `certificate` only that file is believed, and no public authority.
        """
        if self.certificate is None:
            return ssl.create_default_context()
        context = ssl.create_default_context(cafile=str(self.certificate))
        # The certificate of the server itself may stand there, without the authority that made it,
        # and those that people make lack what newer Pythons ask of public ones.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def read_mail_url(url: str, *, folder: Path = Path()) -> MailServer:
    """What a MAIL_URL says; the path of a certificate starts at `folder`. Raises `MailUrlError`."""
    # Nobody's password holds this, and a path may hold an @.
    rest, separator, path = url.strip().rpartition(CERTIFICATE)
    found = _split(rest if separator else url.strip())
    if found is None:
        raise MailUrlError(LOOKS_LIKE)
    host, port = found["address"] or found["host"], int(found["port"] or 0)
    if found["port"] and not 0 < port <= 65535:
        raise MailUrlError(f"a port is a number up to 65535; {LOOKS_LIKE}")
    user, _, password = (found["login"] or "").partition(":")
    if found["login"] is not None and not user:
        raise MailUrlError(f"has an @ and no user before it; {LOOKS_LIKE}")
    tls_at_once = found["scheme"] == "smtps"
    server = MailServer(
        host=host,
        port=port or (465 if tls_at_once else 587 if user else 25),
        tls_at_once=tls_at_once,
        user=unquote(user) or None,
        password=unquote(password),
        certificate=folder / unquote(path) if separator else None,
        was_decoded=unquote(found["login"] or "") != (found["login"] or ""),
    )
    if separator:
        _check(server, unquote(path))
    return server


def _check(server: MailServer, path: str) -> None:
    try:
        known = server.context().cert_store_stats()["x509"]
    except (OSError, ValueError) as error:
        # An `SSLError` is one, too.
        reason = getattr(error, "strerror", None) if type(error) is not ssl.SSLError else None
        told = f"cannot use the certificate {path}: {reason or 'it is no certificate in PEM form'}"
        raise MailUrlError(told) from None
    if not known:
        raise MailUrlError(f"cannot use the certificate {path}: it is no certificate in PEM form")
