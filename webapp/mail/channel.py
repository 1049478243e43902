"""The channel that sends deliveries as e-mail."""

from collections.abc import Sequence
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

from email_validator import EmailNotValidError

from webapp import clock
from webapp.config import Settings
from webapp.mail import ahead, compose
from webapp.mail.content import Mail
from webapp.mail.failures import PermanentFailure
from webapp.mail.mime import headers
from webapp.mail.transports import Envelope, FolderTransport, SmtpTransport, Transport
from webapp.mail_url import MailServer, read_mail_url
from webapp.storage.outbox import MAIL
from webapp.storage.rows import DeliveryRow
from webapp.text.addresses import checked_address
from webapp.text.sentences import DELIVERY_PROBLEMS

FOLDER = "mail"


class MailChannel:
    """Sends deliveries as mails."""

    name = MAIL

    def __init__(self, settings: Settings, transport: Transport | None = None) -> None:
        self._settings = settings
        self._transport = transport or transport_of(settings)
        name, self._sender = parseaddr(settings.mail_from)
        self._sender_name = str(make_header(decode_header(name)))
        self._ahead = ahead.NOTHING

    @property
    def repeats_show(self) -> bool:
        return self._transport.repeats_show

    def look_ahead(self, deliveries: Sequence[DeliveryRow]) -> None:
        self._ahead = ahead.NOTHING
        self._ahead = ahead.look_ahead(deliveries)

    def send(self, delivery: DeliveryRow) -> None:
        mail = compose.mail_for(delivery, self._settings, self._ahead)
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
        # The sender's own is taken as it is set, also one such as noreply@localhost.
        is_own = mail.reply_to in ("", self._sender)
        head = headers(
            sender=(self._sender_name, self._sender),
            recipient=recipient,
            subject=mail.subject,
            date=clock.now(),
            message_id=mail.message_id,
            reply_to=mail.reply_to if is_own else wire_address(mail.reply_to),
            unsubscribe=mail.unsubscribe,
        )
        # The headers of the parts go on from there.
        return head + mail.body


def transport_of(settings: Settings) -> Transport:
    """The SMTP server that the settings name, else a folder of the instance."""
    server = mail_server_of(settings)
    if server is not None:
        return SmtpTransport(server)
    return FolderTransport(Path(settings.instance_path) / FOLDER)


def mail_server_of(settings: Settings) -> MailServer | None:
    """What MAIL_URL says; none where it is not set."""
    if settings.mail_url is None:
        return None
    return read_mail_url(settings.mail_url, folder=Path(settings.instance_path))


def wire_address(address: str) -> str:
    """An address as servers take it: a domain with foreign letters in its ASCII form.

    Raises `PermanentFailure`.
    """
    try:
        return checked_address(address).for_servers
    except EmailNotValidError as error:
        raise PermanentFailure(DELIVERY_PROBLEMS["no_address"]) from error
