"""What templates can use: filters, addresses, the code of a ticket."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask, current_app
from jinja2 import pass_environment

from webapp import clock
from webapp.booking.commands import is_active, takes_tickets
from webapp.booking.guests import shown_id
from webapp.booking.inventory import has_started, is_over
from webapp.config import SITE_NAME, current_settings
from webapp.events.queries import Announced
from webapp.storage.rows import BookingRow, EventRow
from webapp.text import formatting, qr_code
from webapp.text.languages import Language
from webapp.text.links import linked
from webapp.text.templates import Templates
from webapp.web.kept_pages import differs
from webapp.web.markdown import markdown
from webapp.web.static_files import StaticFiles
from webapp.web.third_party import HTMX


def init_app(app: Flask) -> None:
    static = StaticFiles(app)
    site_name = app.extensions["settings"].site_name
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        address_or_id=address_or_id,
        city=spoken(lambda zone, language: language.city(zone) or zone),
        grouped=formatting.grouped,
        hours=spoken(formatting.hours),
        in_month=spoken(formatting.in_month),
        initial=formatting.initial,
        leaf=spoken(formatting.leaf),
        linked=linked,
        local_input=formatting.local_input,
        markdown=markdown,
        moment=spoken(formatting.moment),
        moment_of=spoken(formatting.moment_of),
        number=spoken(lambda value, language: language.number(value)),
        percent_of=formatting.percent_of,
        qr_code=qr_code.as_svg,
        span=spoken(formatting.span),
        told_moment=spoken(told_moment),
        whole_day=spoken(formatting.whole_day),
    )
    app.jinja_env.tests.update(
        active=is_active,
        over=lambda event: is_over(event, clock.now()),
        started=lambda event: has_started(event, clock.now()),
        taking_tickets=takes_tickets,
    )
    app.jinja_env.globals.update(
        absolute_url=absolute_url,
        event_path=event_path,
        htmx=HTMX,
        htmx_version=HTMX.version,
        htmx_is_local=app.extensions["settings"].htmx_is_local,
        # Where nobody has said whose site it is, it says nothing of a host either.
        host=site_name if site_name != SITE_NAME else "",
        sends_mail=sends_mail,
        site_name=site_name,
        server_time=differs(server_time),
        static_path=static.path,
    )
    app.view_functions["static"] = static.view


def spoken(write: Callable[..., str]) -> Callable[..., str]:
    """A filter that writes in the language of the template it stands in."""

    @pass_environment
    def filter_(templates: Templates, *values: Any) -> str:
        return write(*values, templates.language)

    return filter_


def told_moment(told: str | None, time_zone: str, language: Language) -> str:
    """A moment as the history keeps it, at the event's place; empty for none."""
    return formatting.moment(datetime.fromisoformat(told), time_zone, language) if told else ""


def server_time() -> str:
    """Seconds since 1970, for clocks of pages that go by ours."""
    return f"{clock.now().timestamp():.3f}"


def event_path(event: EventRow | Announced) -> str:
    """The address of an event's page on this site."""
    # Flask's own `url_for` passes on more arguments, all of them empty.
    return current_app.url_for(
        "attendee.event", event_id=event.id, slug=formatting.slug(event.name) or None
    )


def address_or_id(booking: BookingRow) -> str:
    """By what an attendee is known besides the name; empty for whoever is booked without any."""
    return booking.email or shown_id(booking.attendee_id)


def sends_mail() -> bool:
    """Whether mails reach anybody; without a mail server they are files on this machine."""
    return current_settings().mail_url is not None


def absolute_url(path: str) -> str:
    """A link that works outside of our pages; never made from what a client says of our host."""
    return current_settings().base_url + path
