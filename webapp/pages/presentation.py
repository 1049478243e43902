"""How things are told to a person: times, numbers, addresses, the code of a ticket."""

import hashlib
import posixpath
import re
import unicodedata
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import segno
from flask import Flask, Response, current_app, request, url_for
from markupsafe import Markup, escape
from sqlalchemy import Row

from webapp import htmx
from webapp.config import current_settings
from webapp.pages.markdown import markdown
from webapp.services.clock import zone_name
from webapp.services.commands import is_active, takes_tickets

FOR_EVER = "public, max-age=31536000, immutable"
LONGEST_SLUG = 60
# The same few events are shown again and again.
REMEMBERED = 1024


def init_app(app: Flask) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        counted=count,
        grouped=grouped,
        hours=hours,
        local_input=local_input,
        local=local,
        markdown=markdown,
        moment=moment,
        percent_of=percent_of,
        qr_code=qr_code,
        span=span,
    )
    app.jinja_env.tests.update(active=is_active, taking_tickets=takes_tickets)
    app.jinja_env.globals.update(
        absolute_url=absolute_url,
        event_path=event_path,
        htmx_integrity=htmx.SCRIPT_INTEGRITY,
        htmx_url=htmx.SCRIPT_URL,
        static_path=static_path,
    )
    app.context_processor(lambda: {"site_name": current_settings().site_name})


def static_path(name: str) -> str:
    """The address of a file in static/: another one once there is something else in the file."""
    version = _version(current_app.static_folder or "", name)
    return current_app.url_for("static", filename=name, v=version)


@cache
def _version(folder: str, name: str) -> str:
    """What is in a file, in 12 characters; files do not change while we run."""
    return hashlib.sha256(Path(folder, name).read_bytes()).hexdigest()[:12]


def keep_static_file(response: Response, name: str) -> Response:
    """Let browsers keep a file of static/ for ever, if they asked for what is in it now."""
    # A stranger's roundabout way to it is the same file, and no further one to remember.
    plain = posixpath.normpath(name)
    if request.args.get("v") == _version(current_app.static_folder or "", plain):
        response.headers["Cache-Control"] = FOR_EVER
    return response


def local(value: datetime, time_zone: str) -> datetime:
    """A moment on the clocks of an event's place."""
    return value.astimezone(ZoneInfo(time_zone))


def moment(value: datetime, time_zone: str) -> Markup:
    """A date and time at the event's place."""
    there = local(value, time_zone)
    text = f"{there:%a} {there.day} {there:%B %Y, %H:%M} {zone_name(there)}"
    return Markup('<span class="moment">{}</span>').format(_time(there, text))


def _time(there: datetime, text: str) -> Markup:
    """A time as people and as programs read it: the offset tells which clocks are meant."""
    return Markup('<time datetime="{}">{}</time>').format(there.isoformat(), text)


def span(event: Row[Any]) -> Markup:
    """When an event starts and ends, at its place."""
    if event.starts_at is None:
        return escape("Date to be announced")
    return _span(event.starts_at, event.ends_at, event.time_zone)


def hours(event: Row[Any]) -> Markup:
    """The times of day of an event; with the dates where it does not end on the day it began."""
    return _hours(event.starts_at, event.ends_at, event.time_zone)


@lru_cache(maxsize=REMEMBERED)
def _span(starts_at: datetime, ends_at: datetime | None, time_zone: str) -> Markup:
    start = moment(starts_at, time_zone)
    if ends_at is None:
        return start
    begins = local(starts_at, time_zone)
    if begins.date() != local(ends_at, time_zone).date():
        return Markup("{} &ndash; {}").format(start, moment(ends_at, time_zone))
    day = f"{begins:%a} {begins.day} {begins:%B %Y}"
    return Markup("{}, {}").format(day, _hours(starts_at, ends_at, time_zone))


@lru_cache(maxsize=REMEMBERED)
def _hours(starts_at: datetime, ends_at: datetime | None, time_zone: str) -> Markup:
    begins = local(starts_at, time_zone)
    ends = local(ends_at or starts_at, time_zone)
    if ends.date() != begins.date():
        return _span(starts_at, ends_at, time_zone)
    # In the night when clocks change the same time of day comes twice: each gets its own zone.
    changes = begins.utcoffset() != ends.utcoffset()
    times = [_time(begins, f"{begins:%H:%M}{f' {zone_name(begins)}' if changes else ''}")]
    if ends_at is not None:
        times.append(_time(ends, f"{ends:%H:%M}"))
    return Markup('<span class="moment"><span class="together">{} {}</span></span>').format(
        Markup("&ndash;").join(times), zone_name(ends)
    )


def local_input(value: datetime | None, time_zone: str) -> str:
    """A moment as a date and time field takes it."""
    return "" if value is None else f"{local(value, time_zone):%Y-%m-%dT%H:%M}"


def count(number: int, word: str, plural: str = "") -> str:
    """A number with its noun: 1 ticket, 1,200 tickets."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def grouped(code: str) -> str:
    """A ticket code in groups of four, to be read out or typed."""
    return " ".join(code[i : i + 4] for i in range(0, len(code), 4))


def percent_of(part: int, whole: int) -> int:
    """How full, from 0 to 100; full only when it is, and not empty when it is not."""
    if part <= 0 or whole <= 0:
        return 0
    return 100 if part >= whole else min(99, max(1, round(100 * part / whole)))


def qr_code(text: str) -> Markup:
    """A QR code as inline SVG, dark on light in every colour scheme: scanners need it so."""
    code = segno.make(text, error="m", micro=False)
    return Markup(code.svg_inline(omitsize=True, border=3, dark="#000", light="#fff"))  # noqa: S704


@lru_cache(maxsize=REMEMBERED)
def slug(name: str) -> str:
    """A readable end for the address of an event; empty where the name has no Latin letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-")


def event_path(event: Row[Any]) -> str:
    """The address of an event's page on this site."""
    return url_for("attendee.event", event_id=event.id, slug=slug(event.name) or None)


def absolute_url(path: str) -> str:
    """A link that works outside of our pages; never made from what a client says of our host."""
    return current_settings().base_url + path
