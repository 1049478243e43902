"""What is wrong with a mail server, and which setting mends it: a sentence for each mistake."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

from webapp.mail_url import MailServer
from webapp.text.sentence import Sentence
from webapp.text.sentence import later as _

PROBE_SECONDS = 3.0
TEMPORARY = range(400, 500)
LOGIN_NEEDED = 530
# What servers say whose users have another password for programs than for themselves.
OF_PROVIDERS = (
    "application-specific",
    "app password",
    "5.7.9",
    "5.7.139",
    "basic auth",
    "less sec",
)

# X509_V_ERR_...: what is wrong with a certificate.
NOT_YET, EXPIRED = 9, 10
UNKNOWN_MAKERS = (18, 19, 20, 21)
OTHER_NAME = (62, 64)


class NoTls(smtplib.SMTPException):
    """TLS is wanted, and the server does not offer it."""


def complaint(error: OSError, server: MailServer) -> tuple[Sentence, ...]:
    """What an error on the way to a login means.

    Where the server took the call and kept silent, another call finds out whether it wants TLS.
    """
    return tuple(
        Sentence(text, {"host": server.host, "port": server.port, "words": words(error)})
        for text in _texts(error, server)
    )


def refused_sender(code: int, said: str, address: str) -> Sentence:
    """What it means that the server does not take mails from us."""
    if code == LOGIN_NEEDED:
        text = _(
            "MAIL_URL: the mail server wants more than it was given: %(words)s. If it asks for a"
            " login, write user:password@ before the host."
        )
        return Sentence(text, {"words": said})
    text = _(
        "MAIL_FROM: the mail server takes no mails from %(address)s: %(words)s. Set an address that"
        " this login may send from."
    )
    return Sentence(text, {"address": address, "words": said})


def _texts(error: OSError, server: MailServer) -> Iterator[str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        yield _of_certificate(error, server)
    elif isinstance(error, ssl.SSLError):
        yield _of_tls(error, server)
    elif isinstance(error, smtplib.SMTPAuthenticationError):
        yield from _of_login(error, server)
    elif isinstance(error, socket.gaierror):
        yield _(
            "MAIL_URL: no mail server of the name %(host)s is found (%(words)s). Check how it is"
            " spelled."
        )
    elif isinstance(error, TimeoutError):
        yield _(
            "MAIL_URL: the mail server %(host)s does not answer at port %(port)s (timed out). Many"
            " networks block port 25: take 587 or 465 if your provider has them."
        )
    elif isinstance(error, smtplib.SMTPConnectError):
        yield _("The mail server %(host)s turns us away: %(words)s")
    elif isinstance(error, NoTls):
        yield _(
            "MAIL_URL: the mail server %(host)s port %(port)s offers no TLS to send the password"
            " through. Take smtps:// with port 465, or smtp:// with port 587."
        )
    elif isinstance(error, smtplib.SMTPNotSupportedError):
        yield _(
            "MAIL_URL: the mail server %(host)s takes no login at port %(port)s. Take the port for"
            " programs that send, 587 or 465, or leave out user and password."
        )
    elif isinstance(error, smtplib.SMTPServerDisconnected):
        yield _of_silence(server)
    else:
        yield _(
            "MAIL_URL: the mail server %(host)s port %(port)s cannot be used: %(words)s. Check host"
            " and port: 587 with smtp://, 465 with smtps://."
        )


def _of_certificate(error: ssl.SSLCertVerificationError, server: MailServer) -> str:
    if error.verify_code == EXPIRED:
        return _(
            "MAIL_URL: the mail server %(host)s has no valid certificate: it has expired. Whoever"
            " runs that server has to renew it."
        )
    if error.verify_code == NOT_YET:
        return _(
            "MAIL_URL: the mail server %(host)s has no valid certificate: it is not valid yet."
            " Check the clock of this machine."
        )
    if error.verify_code in OTHER_NAME:
        return _(
            "MAIL_URL: the mail server has no valid certificate: it is not for the name %(host)s."
            " Write the host as its certificate has it."
        )
    if server.certificate is not None:
        return _(
            "MAIL_URL: the mail server %(host)s has no valid certificate: it is another one than"
            " that in the file behind ?certificate=. Ask whoever runs that server for the new one."
        )
    if error.verify_code in UNKNOWN_MAKERS:
        return _(
            "MAIL_URL: the mail server %(host)s has no valid certificate: nobody whom this machine"
            " knows has signed it. If it is self-made, have its file believed: add"
            " ?certificate=/path/to.pem at the end."
        )
    return _("MAIL_URL: the mail server %(host)s has no valid certificate: %(words)s")


def _of_tls(error: ssl.SSLError, server: MailServer) -> str:
    speaks_plainly = error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
    if server.tls_at_once and speaks_plainly:
        return _(
            "MAIL_URL: port %(port)s of %(host)s has no TLS from the beginning: write smtp:// in"
            " place of smtps://. STARTTLS is used then."
        )
    return _(
        "MAIL_URL: no TLS can be agreed on with the mail server %(host)s port %(port)s: %(words)s"
    )


def _of_login(error: smtplib.SMTPAuthenticationError, server: MailServer) -> Iterator[str]:
    if error.smtp_code in TEMPORARY:
        yield _("The mail server %(host)s cannot check our login now: %(words)s")
        return
    yield _(
        "MAIL_URL: the mail server %(host)s does not accept our login: %(words)s. Check user and"
        " password."
    )
    said = words(error).lower()
    if any(sign in said for sign in OF_PROVIDERS):
        yield _(
            "Your provider has a password of its own for programs (“app password”), or programs"
            " have to be allowed first: see the provider's settings."
        )
    elif not server.password:
        yield _("MAIL_URL has no password: write it behind the user, with a colon between.")
    elif server.was_decoded:
        yield _(
            "What follows a %% in MAIL_URL is taken for a code such as %%40: write %%25 for a %%."
        )


def _of_silence(server: MailServer) -> str:
    if not server.tls_at_once and _speaks_tls(server):
        return _(
            "MAIL_URL: port %(port)s of %(host)s speaks TLS from the beginning: write smtps:// in"
            " place of smtp://."
        )
    return _(
        "MAIL_URL: the mail server %(host)s port %(port)s took our call and broke off: %(words)s."
        " Check the port: 587 with smtp://, 465 with smtps://."
    )


def _speaks_tls(server: MailServer) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is said there: only whether it answers in TLS counts, whoever it is.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError):
        address = (server.host, server.port)
        with socket.create_connection(address, timeout=PROBE_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=server.host).close()
            return True
    return False


def words(error: OSError) -> str:
    """What went wrong; the errors of `smtplib` are `OSError`s as well."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {decoded(error.smtp_error)}"
    return error.strerror or str(error) or type(error).__name__


def decoded(text: bytes | str) -> str:
    """What a server said, as one line."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(plain.split())
