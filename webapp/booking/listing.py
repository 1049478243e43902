"""An event's bookings in order, narrowed to a status or to what a search finds.

The statements are put together once: a list of bookings is what organizers open most.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select

from webapp.booking.codes import as_ticket_code
from webapp.booking.guests import LENGTH, PREFIX
from webapp.booking.load import BY_STATUS
from webapp.booking.open_questions import is_asked
from webapp.storage.engines import dialect
from webapp.storage.plain import plain
from webapp.storage.search import finds
from webapp.storage.tables import bookings
from webapp.storage.transaction import read

# From so many characters on, a search may mean the beginning of a reference or ticket code.
SHORTEST_CODE = 6
_id = bookings.c.attendee_id
# The id of most attendees is their address once more, and that of a guest holds any letters.
_is_guests = and_(_id.startswith(PREFIX), func.length(_id) == LENGTH)
_said = (bookings.c.name, case((_is_guests, None), else_=func.nullif(_id, bookings.c.email)))


class Line(NamedTuple):
    """What a list of bookings shows of one."""

    position: int
    attendee_id: str
    name: str
    email: str | None
    tickets: int
    status: str
    admitted: int
    wants: str


def _in_order(*columns: Any) -> tuple[Select[Any], Select[Any]]:
    """An event's bookings in order of position, and those with one status."""
    listed = (
        select(*columns)
        .where(
            bookings.c.event_id == bindparam("of_event"), bookings.c.position > bindparam("after")
        )
        .order_by(bookings.c.position)
        .limit(bindparam("limit"))
    )
    with_status = listed.where(bookings.c.status == bindparam("with_status"))
    return listed, with_status.with_hint(bookings, BY_STATUS, "mysql")


def wants_any_of(number: int) -> ColumnElement[bool]:
    """Of a booking in the query around it: whether it wants any tickets of a type."""
    wants = bookings.c.wants
    return or_(wants.like(f"{number}:%"), wants.like(f"%,{number}:%"))


WHOLE = _in_order(bookings)
LINES = _in_order(*(bookings.c[name] for name in Line._fields))


def read_in_order(
    statements: tuple[Select[Any], Select[Any]],
    of_event: int,
    *,
    status: str,
    asked: bool,
    only: Sequence[ColumnElement[bool]] = (),
    search: str,
    after: int,
    limit: int,
) -> list[Any]:
    """What `queries.event_bookings` says, by the statements of `WHOLE` or `LINES`."""
    query = statements[bool(status)]
    if only:
        query = query.where(*only)
    if asked:
        query = query.where(is_asked)
    found = _found(search) if search else None
    if found is not None:
        query = query.where(found)
    values: dict[str, Any] = {"of_event": of_event, "after": after, "limit": limit}
    if status:
        values["with_status"] = status
    return read(lambda connection: plain(connection.execute(query, values)))


def _found(search: str) -> ColumnElement[bool] | None:
    """What a search finds; none where it holds nothing to look for."""
    found = []
    words = finds(search, dialect=dialect(), said=_said, written=[bookings.c.email])
    if words is not None:
        found.append(words)
    # MySQL will not compare a code, which is ASCII, with any other text; and a few letters begin
    # one by chance. A link is looked for by the reference at its end.
    reference = search.rstrip("/").rpartition("/")[2]
    if reference.isascii() and len(reference) >= SHORTEST_CODE:
        found.append(bookings.c.reference.startswith(reference, autoescape=True))
    code = as_ticket_code(search)
    if len(code) >= SHORTEST_CODE:
        found.append(bookings.c.ticket_code.startswith(code, autoescape=True))
    return or_(*found) if found else None
