"""An event's bookings as a CSV file that any spreadsheet opens, and that runs nothing there."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping

from webapp.booking.commands import Status
from webapp.booking.guests import shown_id
from webapp.storage.rows import BookingRow, EventRow
from webapp.text.formatting import local, slug
from webapp.web.language import gettext as _
from webapp.web.language import language

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
    portions: Iterable[Iterable[BookingRow]], *, time_zone: str, separator: str | None = None
) -> Iterator[str]:
    """The file, a portion of bookings at a time; times of booking are in `time_zone`.

    It is in the visitor's language, and separated as spreadsheets there expect it unless a
    `separator` is chosen: by semicolons where the comma is that of numbers.
    """
    separator = separator or language().list_separator
    headings = (
        *(_("Number"), _("Status"), _("Tickets"), _("Name"), _("E-mail")),
        *(_("Attendee id"), _("Reference"), _("Booked"), _("Ticket code")),
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
        rows = (_cells(booking, statuses, time_zone) for booking in portion)
        yield _lines(rows, separator)


def file_name(event: EventRow) -> str:
    """A name that every file system takes, whatever the event is called."""
    return f"{slug(event.name) or f'event-{event.id}'}-bookings.csv"


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
        local(booking.created_at, time_zone).isoformat(sep=" ", timespec="seconds"),
        booking.ticket_code,
    )


def _lines(rows: Iterable[Iterable[object]], separator: str) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows(rows)
    return file.getvalue()
