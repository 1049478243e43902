"""An event's bookings to take along: the guest list on paper, and a file for spreadsheets."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

from flask import Response, g, request, stream_template
from flask.typing import ResponseReturnValue

from webapp.booking import queries
from webapp.booking.commands import Status
from webapp.booking.guest_list import guest_list_of
from webapp.booking.listing import wants_any_of
from webapp.door.attendance import arrivals_of
from webapp.pages import spreadsheet
from webapp.pages.organizer import bp, me
from webapp.pages.organizer.bookings import ASKED
from webapp.pages.organizer.by_type import narrowed_type, type_names
from webapp.pages.organizer.events import EVENT
from webapp.storage.columns import MAX_NAME

# So many pieces of a long page are sent together.
TOGETHER = 2_000
# More boxes than anybody ticks one by one; the rest is a number.
MOST_BOXES = 10


@bp.get(f"{EVENT}/guests")
def guests(event_id: int) -> ResponseReturnValue:
    """Everybody with tickets by name, with boxes to tick, made for printing."""
    found = guest_list_of(g.event, actor=me())
    # Read before the answer begins, so that a database which is away is still told as an error.
    type_names()
    pieces = stream_template(
        "organizer/guests.html", event=g.event, found=found, most_boxes=MOST_BOXES
    )
    response = Response(_together(pieces), mimetype="text/html")
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.get(f"{EVENT}/bookings.csv")
def export(event_id: int) -> ResponseReturnValue:
    """The bookings that are asked for as a file; all where nothing narrows them."""
    portions = queries.all_bookings(g.event, actor=me(), **_narrowed())
    # Read before the answer begins, so that a database which is away is still told as an error.
    first = next(portions, ())
    lines = spreadsheet.csv_of(
        chain([first], portions),
        types=type_names(),
        time_zone=g.event.time_zone,
        arrivals_of=partial(arrivals_of, event_id),
        separator=spreadsheet.SEPARATED_BY.get(request.args.get("separator", "")),
    )
    return spreadsheet.download(lines, spreadsheet.file_name(g.event))


def _narrowed() -> dict[str, Any]:
    """What the desk's list of bookings is narrowed to by the same address."""
    status = request.args.get("status", "")
    kind = narrowed_type()
    return {
        "only": [wants_any_of(kind)] if kind else (),
        "status": status if status in tuple(Status) else "",
        "asked": status == ASKED,
        "search": request.args.get("search", "").strip()[:MAX_NAME],
    }


def _together(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in fewer pieces; the first comes at once."""
    left = iter(pieces)
    yield next(left, "")
    while part := "".join(islice(left, TOGETHER)):
        yield part
