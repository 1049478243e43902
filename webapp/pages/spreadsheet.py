"""An event's bookings as a CSV file that any spreadsheet opens, and that runs nothing there."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from flask import Response, stream_with_context

from webapp.booking.commands import Status
from webapp.booking.guests import shown_id
from webapp.booking.ticket_types import wants_of
from webapp.door.attendance import NOBODY, Arrival
from webapp.storage.rows import BookingRow, EventRow
from webapp.text.formatting import local, slug
from webapp.web.language import gettext as _
from webapp.web.language import language

ReadArrivals = Callable[[Sequence[int]], Mapping[int, Arrival]]

# Without it Excel takes the file for one in its own alphabet.
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# What one spreadsheet or another takes for a formula: at the beginning of a cell, behind what it
# leaves out there. And a cell of ours may be several to it, at whatever it separates cells by: in
# many countries that is a semicolon.
SEPARATORS = r"[;,|:\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]"
UNSEEN = (
    r"\u00ad\u034f\u115f\u1160\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe0f\ufeff\uffa0"
)
FORMULA = rf"""[\s"{UNSEEN}]*[-=+@＝＋－＠﹢﹣﹦﹫]"""  # noqa: RUF001
# {what an address may say: what stands between two cells}
SEPARATED_BY = {"comma": ",", ",": ",", "semicolon": ";", ";": ";", "tab": "\t"}
formula = re.compile(f"(^|{SEPARATORS})(?={FORMULA})|^(?={SEPARATORS})")


def csv_of(
    portions: Iterable[Sequence[BookingRow]],
    *,
    time_zone: str,
    arrivals_of: ReadArrivals,
    separator: str | None = None,
    types: Mapping[int, str],
) -> Iterator[str]:
    """The file, a portion of bookings at a time; times are in `time_zone`.

    The last columns tell how many tickets of each type are wanted; `types` are their names.
    It is in the visitor's language, and separated as spreadsheets there expect it unless a
    `separator` is chosen: by semicolons where the comma is that of numbers.
    """
    separator = separator or language().list_separator
    headings = (
        *(_("Number"), _("Status"), _("Tickets"), _("Name"), _("E-mail")),
        *(_("Attendee id"), _("Reference"), _("Booked"), _("Ticket code")),
        *(_("Admitted"), _("First admitted")),
        *map(harmless, types.values()),
    )
    statuses: dict[str, str] = {
        Status.CONFIRMED: _("confirmed"),
        Status.WAITING: _("waiting"),
        Status.HELD: _("held"),
        Status.LAPSED: _("lapsed"),
        Status.CANCELLED: _("cancelled"),
    }
    yield BYTE_ORDER_MARK + _lines([headings], separator)
    for portion in portions:
        arrivals = _arrivals(portion, arrivals_of)
        rows = (
            (
                *_cells(booking, statuses, time_zone),
                booking.admitted,
                _time(arrivals.get(booking.position, NOBODY).first_at, time_zone),
                *_by_type(booking, types),
            )
            for booking in portion
        )
        yield _lines(rows, separator)


def csv_of_door(
    portions: Iterable[Sequence[BookingRow]],
    *,
    time_zone: str,
    arrivals_of: ReadArrivals,
    names: Mapping[str, str],
    types: Mapping[int, str],
) -> Iterator[str]:
    """Who came, a portion of bookings at a time; `names` are those of devices by actor.

    The last columns tell how many tickets they have of each type, as in `csv_of`.
    """
    separator = language().list_separator
    headings = (
        *(_("Number"), _("Name"), _("E-mail"), _("Attendee id"), _("Tickets")),
        *(_("Admitted"), _("Missing"), _("First admitted"), _("By"), _("Let in twice")),
        *map(harmless, types.values()),
    )
    yield BYTE_ORDER_MARK + _lines([headings], separator)
    for portion in portions:
        arrivals = _arrivals(portion, arrivals_of)
        rows = (
            (
                *_cells_of_door(booking, arrivals.get(booking.position, NOBODY), names, time_zone),
                *_by_type(booking, types),
            )
            for booking in portion
        )
        yield _lines(rows, separator)


def file_name(event: EventRow, what: str = "bookings") -> str:
    """A name that every file system takes, whatever the event is called."""
    return f"{slug(event.name) or f'event-{event.id}'}-{what}.csv"


def download(lines: Iterator[str], name: str) -> Response:
    """A file as an answer that nobody keeps on the way."""
    response = Response(stream_with_context(lines), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def harmless(text: str) -> str:
    """The text of a cell; an apostrophe keeps a spreadsheet from taking it for a formula."""
    return formula.sub(r"\1'", text)


def _cells(booking: BookingRow, statuses: Mapping[str, str], time_zone: str) -> tuple[object, ...]:
    return (
        booking.position,
        statuses[booking.status],
        booking.tickets,
        harmless(booking.name),
        harmless(booking.email or ""),
        harmless(shown_id(booking.attendee_id)),
        # Letters of ours that cannot be a formula, and that are looked up as they stand.
        booking.reference,
        _time(booking.created_at, time_zone),
        booking.ticket_code,
    )


def _cells_of_door(
    booking: BookingRow, arrival: Arrival, names: Mapping[str, str], time_zone: str
) -> tuple[object, ...]:
    return (
        booking.position,
        harmless(booking.name),
        harmless(booking.email or ""),
        harmless(booking.attendee_id),
        booking.tickets,
        booking.admitted,
        booking.tickets - booking.admitted,
        _time(arrival.first_at, time_zone),
        harmless(" / ".join(names.get(one, _("desk")) for one in arrival.actors)),
        arrival.twice,
    )


def _by_type(booking: BookingRow, types: Mapping[int, str]) -> Iterator[int]:
    wanted = wants_of(booking.wants)
    return (wanted.get(number, 0) for number in types)


def _arrivals(portion: Sequence[BookingRow], read: ReadArrivals) -> Mapping[int, Arrival]:
    """Nothing is read where nobody has come."""
    return read([one.position for one in portion if one.admitted])


def _time(moment: datetime | None, time_zone: str) -> str:
    if moment is None:
        return ""
    return local(moment, time_zone).isoformat(sep=" ", timespec="seconds")


def _lines(rows: Iterable[Iterable[object]], separator: str) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows(rows)
    return file.getvalue()
