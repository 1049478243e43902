"""The form of an event: its start as a date and a time, its end as what it lasts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar, cast

from flask import g, request

from webapp import clock
from webapp.booking.code_services import CodeDetails
from webapp.booking.type_services import TypeDetails
from webapp.errors import InvalidInput, Problem
from webapp.events import services as events
from webapp.events.dates import warnings_of
from webapp.events.imaging import FIELD, LARGEST_FILE
from webapp.events.services import EventDetails
from webapp.storage.rows import EventRow, LockedEvent
from webapp.text.formatting import local, local_input
from webapp.text.languages import Language
from webapp.web.fields import all_zones
from webapp.web.language import gettext as _
from webapp.web.language import language, ngettext
from webapp.web.paging import number_in
from webapp.web.schemas import EventFields, from_form, placed

REGIONS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia"),
    *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)
# What an event can last, in minutes; any other end is a moment of its own.
DURATIONS = (30, 45, 60, 90, 120, 150, 180, 240, 300, 360, 480, 600, 720, 1440)
USUAL = 120
LONGEST = 60 * 24 * 366
# Of an event whose end is a moment of its own.
OTHER = "other"
Details = TypeVar("Details", CodeDetails, EventDetails, TypeDetails)
UNSURE = {
    "start_is_past": Problem("start_would_be_past"),
    "closing_is_past": Problem("closing_would_be_past"),
}


class Typed(NamedTuple):
    """What was typed, and what the event lasts unless its end is a moment of its own."""

    fields: EventFields
    duration: timedelta | None

    def details(self) -> EventDetails:
        """The same as the services take it."""
        return self.fields.details()

    def kept(self, event: EventRow) -> EventDetails:
        """Details as they are where the form shows no change of them.

        A field for moments knows neither seconds nor which of two equal hours is meant when clocks
        go back, and browsers send every line break as two characters.
        """
        details, before = self.details(), events.details_of(event)
        if one_break(details.description) == one_break(before.description):
            details = replace(details, description=before.description)
        if details.time_zone != before.time_zone:
            return details
        details = replace(details, **same_moments(details, before, before.time_zone))
        if self.duration and details.starts_at:
            details = replace(details, ends_at=details.starts_at + self.duration)
            details = replace(details, **same_moments(details, before, before.time_zone))
        return details


def read_form() -> Typed:
    """The event of the form that was sent. Raises `InvalidInput` for all that is wrong with it."""
    form = dict(request.form)
    problems: dict[str, Problem] = {}
    duration = None
    # A form of the release before says both moments itself.
    if "startTime" in form and "T" not in form.get("startsAt", ""):
        duration = _read_times(form, problems)
    try:
        fields = from_form(EventFields, form)
    except InvalidInput as error:
        raise InvalidInput({**error.problems, **problems}) from error
    if problems:
        raise InvalidInput(problems)
    return Typed(fields, duration)


def _read_times(form: dict[str, str], problems: dict[str, Problem]) -> timedelta | None:
    """Put start and end together from their fields; what the event lasts where that was chosen."""
    date, time = form["startsAt"].strip(), form["startTime"].strip()
    form["startsAt"] = f"{date}T{time}" if date and time else ""
    if bool(date) != bool(time):
        problems["startTime" if date else "startsAt"] = Problem("missing")
    chosen = form.get("duration", OTHER)
    if chosen == OTHER:
        return None
    form["endsAt"] = ""
    minutes = number_in(chosen)
    if chosen and (minutes is None or not 0 < minutes <= LONGEST):
        problems["duration"] = Problem("unusable")
    elif minutes and form["startsAt"]:
        duration = timedelta(minutes=minutes)
        try:
            start = datetime.fromisoformat(form["startsAt"])
            begins = placed("startsAt", start, form.get("timeZone", "UTC"))
            form["endsAt"] = ((begins or start) + duration).isoformat()
        except (InvalidInput, OverflowError, ValueError, LookupError):
            # The start is what is wrong, and is told of by itself.
            return None
        return duration
    return None


def check_sure(details: EventDetails, *, was: EventRow | None = None) -> None:
    """Raise `InvalidInput` where nobody could book what is published, and that may be a slip.

    The form asks, and sent once more it is believed; what an event `was` before is no slip.
    """
    stamp = f"{details.starts_at} {details.sales_close_at}"
    known = was and f"{was.starts_at} {was.sales_close_at}"
    if stamp in (request.form.get("sure"), known):
        return
    event = SimpleNamespace(**asdict(details), status="published", confirmed=0, waiting=0)
    problems = unsure(warnings_of(cast(LockedEvent, event), clock.now()))
    if problems:
        g.sure = stamp
        raise InvalidInput(problems)


def unsure(problems: Mapping[str, Problem]) -> dict[str, Problem]:
    """The same problems as they are told before the event is published."""
    return {name: UNSURE[one.code] for name, one in problems.items()}


def shown_times(event: Any, time_zone: str) -> dict[str, str]:
    """The start and what the event lasts as the form shows them: `{field: value}`."""
    if event is None or event.starts_at is None:
        return {"startsAt": "", "startTime": "", "duration": str(USUAL), "endsAt": ""}
    begins = local(event.starts_at, time_zone)
    times = {"startsAt": f"{begins:%Y-%m-%d}", "startTime": f"{begins:%H:%M}", "endsAt": ""}
    if event.ends_at is None:
        return {**times, "duration": ""}
    if (minutes := minutes_of(event)) in DURATIONS:
        return {**times, "duration": str(minutes)}
    return {**times, "duration": OTHER, "endsAt": local_input(event.ends_at, time_zone)}


def minutes_of(event: Any) -> int:
    """What an event with an end lasts."""
    lasts: timedelta = event.ends_at - event.starts_at
    return lasts // timedelta(minutes=1)


def choices_of(
    event: Any, time_zone: str, *, is_zone_open: bool = False, is_copy: bool = False
) -> Mapping[str, Any]:
    """What the form of an event offers, for its template; a copy gets another date."""
    times, durations = shown_times(event, time_zone), list(DURATIONS)
    if is_copy:
        if times["duration"] == OTHER:
            durations.append(minutes_of(event))
            times["duration"] = str(durations[-1])
        times["startsAt"] = times["endsAt"] = ""
    at = event.starts_at if event is not None and event.starts_at else clock.now()
    return {
        "event": event,
        "time_zone": time_zone,
        "is_zone_open": is_zone_open,
        "zones": zones_by_region(language()),
        "clocks_of": partial(_clocks_of, at=at),
        "times": times,
        "durations": [(str(minutes), _lasting(minutes)) for minutes in durations],
        "sure": g.get("sure", ""),
    }


def uploaded_file() -> bytes:
    """The picture that was sent with the form, or one byte more than it may have; often none."""
    file = request.files.get(FIELD)
    return file.read(LARGEST_FILE + 1) if file else b""


def one_break(text: str) -> str:
    """Text with every line break as one character."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def same_moments(details: Details, before: Details, time_zone: str) -> dict[str, Any]:
    """Those moments of before that a form shows as it shows these: `{column: moment}`."""
    same: dict[str, Any] = {}
    for name, value in asdict(before).items():
        typed = getattr(details, name)
        if isinstance(value, datetime) and isinstance(typed, datetime):
            shown = local_input(value, time_zone)
            if local_input(typed, time_zone) == shown:
                same[name] = value
    return same


@cache
def zones_by_region(language: Language) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    """The time zones that people live in, region by region, each with the name of its city."""
    regions: dict[str, list[tuple[str, str]]] = {"": [("UTC", "UTC")]}
    for zone in sorted(all_zones()):
        region, slash, _ = zone.partition("/")
        if slash and region in REGIONS:
            regions.setdefault(region, []).append((zone, language.city(zone)))
    return list(regions.items())


def _clocks_of(zone: str, *, at: datetime) -> str:
    """The city of a time zone, and how far its clocks are from UTC at a moment: Berlin, UTC+1."""
    if zone not in all_zones():
        return zone
    text = f"{local(at, zone):%z}"
    sign = "\N{MINUS SIGN}" if text[0] == "-" else "+"
    offset = f"UTC{sign}{int(text[1:3])}" + (f":{text[3:5]}" if text[3:5] != "00" else "")
    city = language().city(zone)
    return f"{city}, {offset}" if city else zone


def _lasting(minutes: int) -> str:
    """What an event lasts, in words."""
    hours, rest = divmod(minutes, 60)
    told = []
    if hours:
        told.append(ngettext("%(num)s hour", "%(num)s hours", hours))
    if rest:
        told.append(_("%(minutes)s minutes", minutes=rest))
    return " ".join(told)
