"""Dates, times and numbers as people write them."""

import re
import unicodedata
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from webapp.storage.rows import EventTimes
from webapp.text.languages import Language

LONGEST_SLUG = 60
# The same few events are shown again and again.
REMEMBERED = 1024


def local(value: datetime, time_zone: str) -> datetime:
    """A moment on the clocks of an event's place."""
    return value.astimezone(ZoneInfo(time_zone))


@lru_cache(maxsize=REMEMBERED)
def moment(value: datetime, time_zone: str, language: Language) -> Markup:
    """A date and time at the event's place."""
    there = local(value, time_zone)
    text = language.dated(day(there, language), clock(there, language))
    return Markup('<span class="moment">{}</span>').format(
        _time(there, f"{text} {zone_name(there, language)}")
    )


def moment_of(value: datetime, event: EventTimes, language: Language) -> Markup:
    """A moment of an event: its time of day, with the date where that is not the first day's."""
    there = local(value, event.time_zone)
    if event.starts_at and local(event.starts_at, event.time_zone).date() == there.date():
        return _time(there, clock(there, language))
    return moment(value, event.time_zone, language)


def _time(there: datetime, text: str) -> Markup:
    """A time as people and as programs read it: the offset tells which clocks are meant."""
    return Markup('<time datetime="{}">{}</time>').format(there.isoformat(timespec="seconds"), text)


def span(event: EventTimes, language: Language) -> Markup:
    """When an event starts and ends, at its place."""
    if event.starts_at is None:
        return escape(language.gettext("Date to be announced"))
    return _span(event.starts_at, event.ends_at, event.time_zone, language)


def hours(event: EventTimes, language: Language) -> Markup:
    """The times of day of an event; with the dates where it does not end on the day it began."""
    assert event.starts_at is not None
    return _hours(event.starts_at, event.ends_at, event.time_zone, language)


@lru_cache(maxsize=REMEMBERED)
def _span(
    starts_at: datetime, ends_at: datetime | None, time_zone: str, language: Language
) -> Markup:
    start = moment(starts_at, time_zone, language)
    if ends_at is None:
        return start
    begins = local(starts_at, time_zone)
    if begins.date() != local(ends_at, time_zone).date():
        return Markup("{} &ndash; {}").format(start, moment(ends_at, time_zone, language))
    times = _hours(starts_at, ends_at, time_zone, language)
    return Markup(language.dated(escape(day(begins, language)), times))  # noqa: S704


@lru_cache(maxsize=REMEMBERED)
def _hours(
    starts_at: datetime, ends_at: datetime | None, time_zone: str, language: Language
) -> Markup:
    begins = local(starts_at, time_zone)
    ends = local(ends_at or starts_at, time_zone)
    if ends.date() != begins.date():
        return _span(starts_at, ends_at, time_zone, language)
    # In the night when clocks change the same time of day comes twice: each gets its own zone.
    changes = begins.utcoffset() != ends.utcoffset()
    zone = f" {zone_name(begins, language)}" if changes else ""
    times = [_time(begins, clock(begins, language) + zone)]
    if ends_at is not None:
        times.append(_time(ends, clock(ends, language)))
    return Markup('<span class="moment"><span class="together">{} {}</span></span>').format(
        Markup("&ndash;").join(times), zone_name(ends, language)
    )


def in_month(event: EventTimes, language: Language) -> Markup:
    """When an event is, for a list by months: Sat 5 · 18:00-21:00 CET."""
    assert event.starts_at is not None
    return _in_month(event.starts_at, event.ends_at, event.time_zone, language)


@lru_cache(maxsize=REMEMBERED)
def _in_month(
    starts_at: datetime, ends_at: datetime | None, time_zone: str, language: Language
) -> Markup:
    begins = local(starts_at, time_zone)
    if ends_at is not None and local(ends_at, time_zone).date() != begins.date():
        return _span(starts_at, ends_at, time_zone, language)
    times = _hours(starts_at, ends_at, time_zone, language)
    return Markup("{} · {}").format(language.date("Ed", begins.date()), times)


@lru_cache(maxsize=REMEMBERED)
def leaf(value: datetime, time_zone: str, language: Language) -> Markup:
    """Day and month as a leaf of a calendar, beside a date in words."""
    there = local(value, time_zone).date()
    return Markup('<span class="leaf" aria-hidden="true"><b>{}</b> {}</span>').format(
        there.day, language.date("MMM", there)
    )


@lru_cache(maxsize=REMEMBERED)
def initial(name: str) -> str:
    """The letter that stands for a name without a picture; empty where it has none."""
    return next((letter.upper() for letter in name if letter.isalnum()), "")


def day(there: date, language: Language) -> str:
    """A date with its day of the week: Mon 3 May 2027."""
    return language.date("yMMMMEEEd", there)


def whole_day(there: date, language: Language) -> str:
    """A date without its day of the week: 3 May 2027."""
    return _part_of_date("yMMMMd", there, language)


def month(there: datetime, language: Language) -> str:
    """A month with its year."""
    return _part_of_date("yMMMM", there.date(), language)


@lru_cache(maxsize=REMEMBERED)
def _part_of_date(skeleton: str, there: date, language: Language) -> str:
    return language.date(skeleton, there)


def clock(there: datetime, language: Language) -> str:
    """The time of day."""
    return language.date("Hm", there)


def local_input(value: datetime | None, time_zone: str) -> str:
    """A moment as a date and time field takes it."""
    return "" if value is None else f"{local(value, time_zone):%Y-%m-%dT%H:%M}"


def grouped(code: str) -> str:
    """A ticket code in groups of four, to be read out or typed."""
    return " ".join(code[i : i + 4] for i in range(0, len(code), 4))


def percent_of(part: int, whole: int) -> int:
    """How full, from 0 to 100; full only when it is, and not empty when it is not."""
    if part <= 0 or whole <= 0:
        return 0
    return 100 if part >= whole else min(99, max(1, round(100 * part / whole)))


@lru_cache(maxsize=REMEMBERED)
def slug(name: str) -> str:
    """A readable end for the address of an event; empty where the name has no Latin letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-")


@lru_cache(maxsize=REMEMBERED)
def in_words(moment: datetime, time_zone: str, language: Language) -> str:
    """A moment as people at the event's place write it, such as 3 May 2027, 19:30 CEST."""
    there = local(moment, time_zone)
    text = language.dated(language.date("yMMMMd", there), clock(there, language))
    return f"{text} {zone_name(there, language)}"


def zone_name(local: datetime, language: Language) -> str:
    """The zone of a local time, such as CEST, or its distance from UTC where it has no letters."""
    name = language.zone(local) or local.tzname() or ""
    # A hyphen would let a line break between sign and number.
    offset = f"{local:%z}".replace("-", "\N{MINUS SIGN}")
    return name if name.isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"
