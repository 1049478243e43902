"""The bodies of mails: drawn once for all who get the same but for what is their own.

A flood of bookings writes hundreds of mails that differ in a link and the code of a ticket. So a
body is drawn with stand-ins in their place, as it travels, and kept under all that it was drawn
from; each mail fills in what is its reader's own. To draw one takes as long as all the rest of a
mail.
"""

from functools import lru_cache, partial

from markupsafe import escape

from webapp import clock
from webapp.config import Settings, current_settings
from webapp.extensions import PerApp
from webapp.mail import mime
from webapp.mail.content import Mail, Shown
from webapp.mail.ical import calendar_parts
from webapp.mail.links import event_entry_link
from webapp.mail.rendering import KEPT, render
from webapp.text import qr_code
from webapp.text.addresses import bare_address
from webapp.text.formatting import grouped
from webapp.text.stand_ins import stands_for


def lay_out(mail: Mail, message_id: str, settings: Settings) -> None:
    """Write the body of a mail, whose id is made of something that no other one has."""
    domain = bare_address(settings.mail_from).rpartition("@")[2]
    mail.message_id = f"{message_id}@{domain}"
    calendar, lines = _calendar(mail, settings)
    own, ready = {**mail.own}, {}
    if mail.ticket_code:
        own["picture_id"] = mail.picture_id
        own["ticket_code"] = grouped(mail.ticket_code)
        ready["picture"] = mime.picture(qr_code.as_png(mail.ticket_code), mail.picture_id)
    if mail.unsubscribe:
        own["unsubscribe"] = mail.unsubscribe
    shown = mail.shown(calendar)
    # What has nothing of its own is not for many, and may have secrets in what is said.
    mail.subject, body = _kept.own(shown) if mail.own else drawn(shown)
    escaped = {name: escape(text) for name, text in own.items()}
    mail.body = mime.filled(body, own | lines, escaped, ready)


def drawn(shown: Shown) -> tuple[str, mime.Body]:
    """Subject and body of the mails in which this is shown."""
    settings = current_settings()
    context = {
        "mail": shown,
        "site_name": settings.site_name,
        "home": settings.base_url,
        "reason": partial(shown.reason.said_in, shown.language),
        **{name: stands_for(name) for name in ("ticket_code", "picture_id", "unsubscribe")},
    }
    text = render("layout.txt", shown.language, **context)
    html = render("layout.html", shown.language, **context)
    return shown.subject, mime.body_of(shown, text, html)


_kept = PerApp(lambda: lru_cache(maxsize=KEPT)(drawn))


def _calendar(mail: Mail, settings: Settings) -> tuple[str, dict[str, str]]:
    """The calendar file of a mail, with what is behind its stand-ins; empty for none."""
    if mail.entry is None:
        return "", {}
    event, position, holder, is_cancelled, contact, tickets = mail.entry
    return calendar_parts(
        event,
        position=position,
        holder=holder,
        cancelled=is_cancelled,
        contact=contact,
        language=mail.language,
        url=event_entry_link(event.id),
        settings=settings,
        now=clock.now(),
        tickets=tickets,
    )
