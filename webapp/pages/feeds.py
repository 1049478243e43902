"""All events for programs: a calendar to subscribe to, and the map of the site."""

import hashlib
from datetime import timedelta
from functools import lru_cache
from xml.sax.saxutils import escape

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from webapp import clock
from webapp.config import Settings, current_settings
from webapp.events.queries import Announced, announced_events
from webapp.mail.public_calendar import public_calendar
from webapp.pages.presentation import absolute_url, event_path

bp = Blueprint("feeds", __name__)

MOST_EVENTS = 1_000
# What is over stays in calendars for a while, and what began long ago may still run.
KEPT = timedelta(days=90)
A_DAY = timedelta(days=1)
CACHE_CONTROL = "public, max-age=300"


@bp.get("/events.ics")
def calendar() -> ResponseReturnValue:
    """All events with a date as one calendar: asking again mostly costs a 304."""
    found = announced_events(since=clock.now() - KEPT, limit=MOST_EVENTS)
    dated = tuple(event for event in found if event.starts_at is not None)
    content = _calendar(dated, current_settings())
    # It also says when it was written, which each process does for itself.
    return _answer(content, "text/calendar; charset=utf-8", made_of=repr(dated).encode())


@bp.get("/sitemap.xml")
def sitemap() -> ResponseReturnValue:
    """The pages for everybody: the list, and each event that is not over."""
    now = clock.now()
    found = announced_events(since=now - KEPT, limit=MOST_EVENTS)
    upcoming = [
        event
        for event in found
        if event.status == "published"
        and (event.starts_at is None or (event.ends_at or event.starts_at + A_DAY) > now)
    ]
    pages = [absolute_url("/"), *(absolute_url(event_path(event)) for event in upcoming)]
    lines = "\n".join(f"<url><loc>{escape(page)}</loc></url>" for page in pages)
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{lines}\n</urlset>\n"
    )
    return _answer(xml.encode(), "application/xml", made_of=xml.encode())


@lru_cache(maxsize=4)
def _calendar(events: tuple[Announced, ...], settings: Settings) -> bytes:
    """Made once for each state of the events: to write it takes longer than to read them."""
    pages = ((event, absolute_url(event_path(event))) for event in events)
    return public_calendar(pages, settings=settings, now=clock.now(), name=settings.site_name)


def _answer(content: bytes, content_type: str, *, made_of: bytes) -> ResponseReturnValue:
    response = Response(content, content_type=content_type)
    response.headers["Cache-Control"] = CACHE_CONTROL
    response.set_etag(hashlib.blake2b(made_of, digest_size=9).hexdigest(), weak=True)
    return response.make_conditional(request)
