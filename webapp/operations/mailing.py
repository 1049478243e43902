"""Whether mails leave: the server, the login, the sender, the deliverer, and what waits."""

import smtplib
import time
from contextlib import suppress
from datetime import timedelta
from email.utils import parseaddr

from sqlalchemy import func, literal, select

from webapp import clock
from webapp.booking import heartbeat
from webapp.config import current_settings
from webapp.mail.channel import mail_server_of
from webapp.mail.complaints import complaint, decoded, refused_sender
from webapp.mail.transports import Connection, limited, open_connection
from webapp.mail.trial import send_trial
from webapp.mail_url import MailServer
from webapp.operations.findings import Finding, State, fix, note, ok
from webapp.storage.outbox import MAIL
from webapp.storage.tables import deliveries
from webapp.storage.transaction import read
from webapp.text.languages import ENGLISH
from webapp.text.sentence import later as _

CONNECT_SECONDS = 5
# From the greeting to the answer to MAIL FROM: some servers let strangers wait before they greet.
TALK_SECONDS = 12
SLOW_SECONDS = 6
JUST_STARTED_SECONDS = 3.0
DUE_FOR = timedelta(minutes=10)
TRIED_FOR = timedelta(hours=1)
TAKEN = range(200, 400)


def check_server() -> list[Finding]:
    """The mail server takes our login and our sender; nothing is sent."""
    settings = current_settings()
    server = mail_server_of(settings)
    if server is None:
        return [
            note(
                _(
                    "MAIL_URL: it is not set, so mails are written to files and nobody gets any."
                    " Set it before others book."
                )
            )
        ]
    sender = parseaddr(settings.mail_from)[1]
    domain = sender.rpartition("@")[2]
    if "." not in domain:
        text = _("MAIL_FROM: nobody can answer to %(address)s. Set an address of yours.")
        return [fix(text, address=sender)]
    began = time.monotonic()
    try:
        connection = open_connection(server, TALK_SECONDS, connect_seconds=CONNECT_SECONDS)
    except OSError as error:
        return [Finding(State.FIX, complaint(error, server))]
    return [_offer_mail(connection, server, sender, began)]


def _offer_mail(connection: Connection, server: MailServer, sender: str, began: float) -> Finding:
    values = {"host": server.host, "port": server.port, "address": sender}
    try:
        with limited(connection, TALK_SECONDS):
            is_encrypted = hasattr(connection.sock, "cipher")
            code, said = connection.mail(sender)
            with suppress(OSError):
                connection.quit()
    except smtplib.SMTPException as error:
        return Finding(State.FIX, complaint(error, server))
    finally:
        connection.close()
    if code not in TAKEN:
        return Finding(State.FIX, (refused_sender(code, f"{code} {decoded(said)}", sender),))
    seconds = round(time.monotonic() - began)
    if seconds >= SLOW_SECONDS:
        text = _("MAIL_URL: %(host)s is slow: it took %(seconds)s seconds to take our sender.")
        return note(text, seconds=seconds, **values)
    if is_encrypted:
        return ok(
            _("MAIL_URL: %(host)s port %(port)s takes mails from %(address)s, with TLS."), **values
        )
    return ok(
        _("MAIL_URL: %(host)s port %(port)s takes mails from %(address)s, without TLS."), **values
    )


def send_one(address: str) -> list[Finding]:
    """Send a mail to that address, and tell what the server says to it."""
    trial = send_trial(address, ENGLISH)
    values = {"address": address, "words": trial.said}
    if not trial.is_sent:
        return [fix("--to: the mail to %(address)s was not sent. %(words)s", **values)]
    if current_settings().mail_url is None:
        return [
            note("--to: there is no mail server, so the mail is in a file: %(words)s", **values)
        ]
    return [ok("--to: the mail server took a mail to %(address)s. It said: %(words)s", **values)]


def check_deliverer() -> list[Finding]:
    """A deliverer is at work, and nothing has waited for long."""
    if heartbeat.is_resting():
        return [
            fix(
                _(
                    "Mails rest since a restore, and no booking lapses. Look at the bookings, then"
                    " have whoever runs this site enter: flask --app wsgi deliver --resume"
                )
            )
        ]
    if not _beats():
        return [
            fix(
                _(
                    "No deliverer is at work, so no mail leaves. bin/run starts one by itself; one"
                    " alone is: flask --app wsgi deliver"
                )
            )
        ]
    return [ok(_("A deliverer is at work."))]


def _beats() -> bool:
    """Whether a deliverer has beaten of late; one that has just been started is given a moment."""
    deadline = time.monotonic() + JUST_STARTED_SECONDS
    while not heartbeat.is_recent(heartbeat.last_beat(), clock.now()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def check_queue() -> list[Finding]:
    """No mail waits for long, bulk apart, which has a pace of its own."""
    pending = (
        deliveries.c.channel == MAIL,
        deliveries.c.state == "pending",
        deliveries.c.bulk == literal(False),
    )
    now = clock.now()
    overdue = select(func.count(), func.min(deliveries.c.next_try_at)).where(
        *pending, deliveries.c.next_try_at <= now - DUE_FOR
    )
    failing = select(func.count(), func.min(deliveries.c.created_at)).where(
        *pending, deliveries.c.attempts > 0, deliveries.c.created_at <= now - TRIED_FOR,
        deliveries.c.problem.is_not(None),
    )  # fmt: skip
    waiting, since = read(lambda connection: connection.execute(overdue).one())
    if waiting:
        text = _(
            "Mails that should have left and are still here: %(count)s; the oldest since %(moment)s"
            " UTC. Either no deliverer is at work or it is held up: its log says by what."
        )
        return [fix(text, count=waiting, moment=f"{since:%Y-%m-%d %H:%M}")]
    tried, first = read(lambda connection: connection.execute(failing).one())
    if tried:
        text = _(
            "Mails that are tried again and again: %(count)s; the oldest since %(moment)s UTC. The"
            " page “Mails” of its event says why."
        )
        return [fix(text, count=tried, moment=f"{first:%Y-%m-%d %H:%M}")]
    return [ok(_("No mail waits for long."))]
