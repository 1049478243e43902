"""The channel that sends deliveries as e-mail."""

import binascii
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import EmailPolicy, compat32
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from email_validator import EmailNotValidError, validate_email

from webapp import clock
from webapp.config import Settings
from webapp.mail import compose
from webapp.mail.content import Mail
from webapp.mail.failures import PermanentFailure
from webapp.mail.ical import calendar_file
from webapp.mail.links import link
from webapp.mail.transports import Envelope, FolderTransport, SmtpTransport, Transport
from webapp.storage.outbox import MAIL
from webapp.storage.rows import DeliveryRow
from webapp.text.sentences import DELIVERY_PROBLEMS

FOLDER = "mail"


class WholeLinks(EmailPolicy):
    """Leaves the address in List-Unsubscribe in one piece: a long one would be encoded as words."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name == UNSUBSCRIBE:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


UNSUBSCRIBE = "List-Unsubscribe"
ASCII = WholeLinks(linesep="\r\n")
UTF8 = WholeLinks(linesep="\r\n", utf8=True)
# The headers of parts are ours alone: to check them costs as much as all the rest.
PARTS = compat32.clone(linesep="\r\n")


class MailChannel:
    """Sends deliveries as mails."""

    name = MAIL

    def __init__(self, settings: Settings, transport: Transport | None = None) -> None:
        self._settings = settings
        self._transport = transport or transport_of(settings)
        self._sender = parseaddr(settings.mail_from)[1]

    def send(self, delivery: DeliveryRow) -> None:
        mail = compose.mail_for(delivery, self._settings)
        name = f"{delivery.created_at:%Y%m%dT%H%M%S}-{delivery.id}-{delivery.what}.eml"
        self.send_mail(mail, delivery.recipient, name=name)

    def send_mail(self, mail: Mail, address: str, *, name: str) -> str:
        """Send a mail, as a file of this name where there is no server; what is said to it.

        Raises `PermanentFailure`, `TemporaryFailure`.
        """
        recipient = wire_address(address)
        content = self._message(mail, recipient)
        return self._transport.send(Envelope(name, self._sender, recipient, content))

    def rest(self) -> None:
        self._transport.close()

    def _message(self, mail: Mail, recipient: str) -> bytes:
        message = EmailMessage(policy=ASCII if recipient.isascii() else UTF8)
        try:
            message["From"] = self._settings.mail_from
            user, _, domain = recipient.rpartition("@")
            message["To"] = Address(username=user, domain=domain)
            message["Subject"] = mail.subject
        except (MessageError, ValueError, IndexError) as error:
            raise PermanentFailure(DELIVERY_PROBLEMS["no_address"]) from error
        message["Date"] = clock.now()
        message["Message-ID"] = f"<{mail.message_id}>"
        message["Auto-Submitted"] = "auto-generated"
        if mail.reply_to:
            message["Reply-To"] = Address(addr_spec=wire_address(mail.reply_to))
        if mail.unsubscribe:
            message[UNSUBSCRIBE] = f"<{mail.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        # The headers end with an empty line, and those of the parts go on from there.
        return message.as_bytes()[:-2] + _parts_of(mail, self._calendar(mail)).as_bytes(
            policy=PARTS
        )

    def _calendar(self, mail: Mail) -> bytes:
        """The calendar file of a mail; empty for none."""
        if mail.entry is None:
            return b""
        event, position = mail.entry
        return calendar_file(
            event,
            position=position,
            cancelled=mail.entry_is_cancelled,
            language=mail.language,
            url=link("attendee.event", event_id=event.id),
            settings=self._settings,
            now=clock.now(),
        )


def _parts_of(mail: Mail, calendar: bytes) -> MIMEBase:
    """Text and HTML to choose from, with the picture in the HTML, and the calendar file beside."""
    page: MIMEBase = _text(mail.html.encode(), "html")
    if (code := mail.qr_code) is not None:
        name = mail.language.pgettext("file", "ticket")
        picture = MIMEImage(code, "png")
        picture.add_header("Content-Disposition", "inline", filename=f"{name}.png")
        picture.add_header("Content-ID", f"<{mail.picture_id}>")
        page = _several("related", page, picture)
    body = _several("alternative", _text(mail.text.encode(), "plain"), page)
    if not calendar:
        return body
    method = "CANCEL" if mail.entry_is_cancelled else "PUBLISH"
    file = _text(calendar, "calendar")
    file.set_param("method", method)
    name = mail.language.pgettext("file", "event")
    file.add_header("Content-Disposition", "attachment", filename=f"{name}.ics")
    return _several("mixed", body, file)


def _text(content: bytes, kind: str) -> MIMEBase:
    part = MIMENonMultipart("text", kind, charset="utf-8")
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(binascii.b2a_qp(content, istext=True).decode("ascii"))
    return part


def _several(kind: str, *parts: MIMEBase) -> MIMEBase:
    # Encoded text has no underscore behind an equals sign, so the boundary is in none of the parts.
    return MIMEMultipart(kind, f"=_{kind}", parts)


def transport_of(settings: Settings) -> Transport:
    """The SMTP server that the settings name, else a folder of the instance."""
    if settings.mail_url:
        return SmtpTransport(settings.mail_url)
    return FolderTransport(Path(settings.instance_path) / FOLDER)


def wire_address(address: str) -> str:
    """An address as servers take it: a domain with foreign letters in its ASCII form.

    Raises `PermanentFailure`.
    """
    try:
        valid = validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise PermanentFailure(DELIVERY_PROBLEMS["no_address"]) from error
    return valid.ascii_email or f"{valid.local_part}@{valid.ascii_domain}"
