"""Puts mails together and has them taken away: the first receiver of deliveries."""

import binascii
import hashlib
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
from sqlalchemy import Row

from webapp.calendar import calendar_file
from webapp.config import Settings
from webapp.mail import letters
from webapp.mail.letters import Letter
from webapp.mail.post import FolderPost, Parcel, Post, SmtpPost
from webapp.services import clock
from webapp.services.delivery import Refused

NAME = "mail"
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


class MailReceiver:
    """Sends deliveries as mails."""

    def __init__(self, settings: Settings, post: Post | None = None) -> None:
        self._settings = settings
        self._post = post or post_of(settings)
        self._sender = parseaddr(settings.mail_from)[1]

    def send(self, delivery: Row[Any]) -> None:
        letter = letters.write(delivery, self._settings)
        recipient = wire_address(delivery.recipient)
        content = self._message(delivery, letter, recipient)
        name = f"{delivery.created_at:%Y%m%dT%H%M%S}-{delivery.id}-{delivery.what}.eml"
        self._post.send(Parcel(name, self._sender, recipient, content))

    def rest(self) -> None:
        self._post.close()

    def _message(self, delivery: Row[Any], letter: Letter, recipient: str) -> bytes:
        message = EmailMessage(policy=ASCII if recipient.isascii() else UTF8)
        try:
            message["From"] = self._settings.mail_from
            user, _, domain = recipient.rpartition("@")
            message["To"] = Address(username=user, domain=domain)
            message["Subject"] = letter.subject
        except (MessageError, ValueError, IndexError) as error:
            raise Refused("This is not an address that a mail can be sent to.") from error
        message["Date"] = clock.now()
        message["Message-ID"] = self._message_id(delivery)
        message["Auto-Submitted"] = "auto-generated"
        if letter.reply_to:
            message["Reply-To"] = Address(addr_spec=wire_address(letter.reply_to))
        if letter.unsubscribe:
            message[UNSUBSCRIBE] = f"<{letter.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        # The headers end with an empty line, and those of the parts go on from there.
        return message.as_bytes()[:-2] + _parts_of(letter, self._calendar(letter)).as_bytes(
            policy=PARTS
        )

    def _calendar(self, letter: Letter) -> bytes:
        """The calendar file of a letter; empty for none."""
        if letter.entry is None:
            return b""
        event, position = letter.entry
        return calendar_file(
            event,
            position=position,
            cancelled=letter.entry_is_cancelled,
            url=letters.link("attendee.event", event_id=event.id),
            settings=self._settings,
            now=clock.now(),
        )

    def _message_id(self, delivery: Row[Any]) -> str:
        """The same for each try of one delivery, and for no other one of any installation."""
        made = f"{delivery.id} {delivery.created_at.isoformat()} {self._settings.base_url}"
        digest = hashlib.sha256(made.encode()).hexdigest()[:24]
        return f"<{delivery.id}.{digest}@{self._sender.rpartition('@')[2]}>"


def _parts_of(letter: Letter, calendar: bytes) -> MIMEBase:
    """Text and HTML to choose from, with the picture in the HTML, and the calendar file beside."""
    page: MIMEBase = _text(letter.html.encode(), "html")
    if (code := letter.qr_code) is not None:
        picture = MIMEImage(code, "png")
        picture.add_header("Content-Disposition", "inline", filename="ticket.png")
        picture.add_header("Content-ID", "<ticket@nextup>")
        page = _several("related", page, picture)
    body = _several("alternative", _text(letter.text.encode(), "plain"), page)
    if not calendar:
        return body
    method = "CANCEL" if letter.entry_is_cancelled else "PUBLISH"
    file = _text(calendar, "calendar")
    file.set_param("method", method)
    file.add_header("Content-Disposition", "attachment", filename="event.ics")
    return _several("mixed", body, file)


def _text(content: bytes, kind: str) -> MIMEBase:
    part = MIMENonMultipart("text", kind, charset="utf-8")
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(binascii.b2a_qp(content, istext=True).decode("ascii"))
    return part


def _several(kind: str, *parts: MIMEBase) -> MIMEBase:
    # Encoded text has no underscore behind an equals sign, so the boundary is in none of the parts.
    return MIMEMultipart(kind, f"=_{kind}", parts)


def post_of(settings: Settings) -> Post:
    """The SMTP server that the settings name, else a folder of the instance."""
    if settings.mail_url:
        return SmtpPost(settings.mail_url)
    return FolderPost(Path(settings.instance_path) / FOLDER)


def wire_address(address: str) -> str:
    """An address as servers take it: a domain with foreign letters in its ASCII form.

    Raises `Refused`.
    """
    try:
        valid = validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise Refused("This is not an address that a mail can be sent to.") from error
    return valid.ascii_email or f"{valid.local_part}@{valid.ascii_domain}"
