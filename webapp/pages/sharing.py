"""What makes an event easy to pass on.

Its head for messengers and search engines, its address as a QR code, and its entry for calendars,
before anything is booked. What a head says follows from the event and whether there are tickets, so
it is written once for many visitors.
"""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import urlencode

import segno
from flask import Blueprint, Flask, Response, current_app
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from webapp import clock
from webapp.booking.queries import find_event
from webapp.config import current_settings
from webapp.events.queries import Announced
from webapp.mail.public_calendar import public_calendar
from webapp.pages.offer import Offer
from webapp.pages.pictures import picture_of
from webapp.pages.presentation import absolute_url, event_path
from webapp.storage.rows import EventRow
from webapp.text import formatting
from webapp.text.formatting import local, span
from webapp.text.languages import Language
from webapp.text.links import web_address
from webapp.web.etag import answer_unless_known
from webapp.web.language import language
from webapp.web.markdown import summary_of

bp = Blueprint("sharing", __name__)

REMEMBERED = 256
QR_MASK, QR_BORDER = 0, 4
A_DAY = "public, max-age=86400"
# The picture of the site, for what has none of its own: wide, as messengers show it.
SHARE_PICTURE, SHARE_WIDTH, SHARE_HEIGHT = "share.png", 1200, 630
SCHEMA = "https://schema.org/"
# {what ends a block of data within a page: how JSON writes it as well}
IN_A_PAGE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


class SharedPicture(NamedTuple):
    url: str
    width: int
    height: int
    description: str


class CalendarLinks(NamedTuple):
    """Where an event is put into somebody's calendar: a file, and two sites."""

    file: str
    google: str
    outlook: str


def init_app(app: Flask) -> None:
    app.add_template_global(event_head)
    app.add_template_global(list_head)
    app.add_template_global(event_share)


@bp.get("/events/<id:event_id>/qr.svg")
def code(event_id: int) -> ResponseReturnValue:
    """The address of an event as a QR code, for posters and slides."""
    address = absolute_url(event_path(find_event(event_id)))
    file = io.BytesIO()
    made = segno.make(address, error="m", micro=False, mask=QR_MASK)
    made.save(file, kind="svg", border=QR_BORDER, dark="#000", light="#fff", omitsize=True)
    return answer_unless_known(
        file.getvalue().decode(), content_type="image/svg+xml", cache_control=A_DAY
    )


@bp.get("/events/<id:event_id>/calendar.ics")
def calendar(event_id: int) -> ResponseReturnValue:
    """The event as a file for calendars, for whoever has not booked it."""
    event = find_event(event_id)
    if event.starts_at is None:
        raise NotFound
    entry = Announced(**{name: getattr(event, name) for name in Announced._fields})
    page = absolute_url(event_path(event))
    content = public_calendar([(entry, page)], settings=current_settings(), now=clock.now())
    response = Response(content, mimetype="text/calendar")
    name = f"{formatting.slug(event.name) or f'event-{event.id}'}.ics"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "no-cache"
    return response


def list_head() -> Markup:
    """The head of the list of events."""
    settings = current_settings()
    return _list_head(settings.base_url, settings.site_name, language())


def event_head(event: EventRow, offer: Offer) -> Markup:
    """The head of an event's page: of a published event, or of one that was."""
    picture = picture_of(event, "large")
    shared = picture and SharedPicture(
        absolute_url(picture.url), picture.width, picture.height, picture.description
    )
    settings = current_settings()
    return _event_head(
        event.id,
        event.name,
        event.description,
        event.location,
        event.time_zone,
        event.starts_at,
        event.ends_at,
        event.status,
        event.sales_open_at,
        _availability(offer),
        shared,
        settings.base_url,
        settings.site_name,
        language(),
    )


def event_share(event: EventRow) -> Markup:
    """What stands on an event's page for whoever wants to note it, or to tell others of it."""
    start, end = event.starts_at, event.ends_at
    if event.status != "published":
        return Markup()
    is_over = start is not None and (end or start) < clock.now()
    return _event_share(
        event.id,
        event.name,
        event.location,
        None if is_over else start,
        end,
        current_settings().base_url,
        language(),
    )


def _availability(offer: Offer) -> str:
    """What schema.org calls it; empty where it says neither."""
    if offer.is_full or not (offer.refusal or offer.left):
        return "SoldOut"
    return "" if offer.refusal else "InStock"


@lru_cache(maxsize=REMEMBERED)
def _list_head(base_url: str, site_name: str, reads: Language) -> Markup:
    description = reads.gettext("Events and their tickets at %(site)s", site=site_name)
    return _drawn(f"{base_url}/", site_name, description, None, "", site_name, reads)


@lru_cache(maxsize=REMEMBERED)
def _event_head(
    event_id: int,
    name: str,
    description: str,
    location: str,
    time_zone: str,
    starts_at: datetime | None,
    ends_at: datetime | None,
    status: str,
    sales_open_at: datetime | None,
    availability: str,
    picture: SharedPicture | None,
    base_url: str,
    site_name: str,
    reads: Language,
) -> Markup:
    event = Announced(event_id, name, location, time_zone, starts_at, ends_at, status)
    address = base_url + event_path(event)
    when = span(event, reads).striptags()  # type: ignore[arg-type]
    facts = " · ".join(filter(None, (when, location, summary_of(description))))
    data = ""
    if starts_at is not None:
        said = {
            "@context": SCHEMA.rstrip("/"),
            "@type": "Event",
            "name": name,
            "url": address,
            "startDate": local(starts_at, time_zone).isoformat(),
            "endDate": ends_at and local(ends_at, time_zone).isoformat(),
            "eventStatus": SCHEMA
            + ("EventCancelled" if status == "cancelled" else "EventScheduled"),
            **_place(location),
            "description": summary_of(description),
            "image": [picture.url] if picture else [],
            "organizer": {"@type": "Organization", "name": site_name, "url": f"{base_url}/"},
        }
        if availability and status == "published":
            said["offers"] = {
                "@type": "Offer",
                "url": address,
                "availability": SCHEMA + availability,
                **({"validFrom": sales_open_at.isoformat()} if sales_open_at else {}),
            }
        known = {key: value for key, value in said.items() if value}
        data = json.dumps(known, ensure_ascii=False).translate(IN_A_PAGE)
    return _drawn(address, name, facts, picture, data, site_name, reads)


def _place(location: str) -> dict[str, object]:
    """Where an event is, or that it is online."""
    online = web_address(location)
    if online:
        mode = "OnlineEventAttendanceMode"
        place = {"@type": "VirtualLocation", "url": online}
    else:
        mode = "OfflineEventAttendanceMode"
        place = {"@type": "Place", "name": location, "address": location}
    return {"eventAttendanceMode": SCHEMA + mode, "location": place} if location else {}


def _drawn(
    address: str,
    title: str,
    description: str,
    picture: SharedPicture | None,
    data: str,
    site_name: str,
    reads: Language,
) -> Markup:
    static_path = cast(Callable[[str], str], current_app.jinja_env.globals["static_path"])
    return _rendered(
        "_head_meta.html",
        address=address,
        title=title,
        description=description,
        picture=picture
        or SharedPicture(absolute_url(static_path(SHARE_PICTURE)), SHARE_WIDTH, SHARE_HEIGHT, ""),
        data=Markup(data),  # noqa: S704 - as JSON it has no letter that HTML takes for its own
        site_name=site_name,
        locale=reads.code.replace("-", "_"),
    )


@lru_cache(maxsize=REMEMBERED)
def _event_share(
    event_id: int,
    name: str,
    location: str,
    start: datetime | None,
    end: datetime | None,
    base_url: str,
    reads: Language,
) -> Markup:
    event = Announced(event_id, name, location, "UTC", start, end, "published")
    address = base_url + event_path(event)
    noted = start and _calendar_links(event, address, start, end or start)
    return _rendered("attendee/_share.html", event_id=event_id, address=address, noted=noted)


def _rendered(template: str, **context: object) -> Markup:
    """A part of a page in the visitor's language, to be kept."""
    drawn = current_app.jinja_env.get_template(template).render(context)
    return Markup(drawn)  # noqa: S704 - of a template, which escapes


def _calendar_links(event: Announced, page: str, start: datetime, end: datetime) -> CalendarLinks:
    basic = [moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ") for moment in (start, end)]
    google = {"action": "TEMPLATE", "text": event.name, "dates": "/".join(basic)}
    google |= {"details": page, "location": event.location}
    outlook = {"path": "/calendar/action/compose", "rru": "addevent", "subject": event.name}
    outlook |= {"startdt": start.isoformat(), "enddt": end.isoformat()}
    outlook |= {"body": page, "location": event.location}
    return CalendarLinks(
        f"/events/{event.id}/calendar.ics",
        f"https://calendar.google.com/calendar/render?{urlencode(google)}",
        f"https://outlook.live.com/calendar/0/deeplink/compose?{urlencode(outlook)}",
    )
