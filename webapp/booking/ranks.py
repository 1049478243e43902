"""Where a waiting booking stands in the list.

The ordered waiting positions of an event are kept in memory between reads and brought up to date
from the history, so that a rank does not cost a count of everybody ahead. Memory is never the
source of truth: each answer comes from a query that began after it was asked for, whichever process
wrote last, and readers of one event who ask at the same time share that query.
"""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sqlalchemy import Connection, bindparam, select

from webapp.booking.commands import Status
from webapp.booking.load import BY_STATUS
from webapp.extensions import PerApp
from webapp.storage.batcher import Batcher
from webapp.storage.tables import activities, bookings, events
from webapp.storage.transaction import read

# Lists kept per process; the least recently read goes first.
KEPT_LISTS = 256
# From here on reading the whole list again is cheaper than following its history.
LONGEST_CATCH_UP = 20_000

_revision = select(events.c.revision).where(events.c.id == bindparam("event_id"))
_waiting_positions = (
    select(bookings.c.position)
    .with_hint(bookings, BY_STATUS, "mysql")
    .where(bookings.c.event_id == bindparam("event_id"), bookings.c.status == Status.WAITING)
    .order_by(bookings.c.position)
)
_changes = (
    select(activities.c.revision, activities.c.position, bookings.c.status)
    .join(
        bookings,
        (bookings.c.event_id == activities.c.event_id)
        & (bookings.c.position == activities.c.position),
    )
    .where(
        activities.c.event_id == bindparam("event_id"),
        activities.c.revision > bindparam("revision"),
    )
    .limit(LONGEST_CATCH_UP)
)


@dataclass(slots=True)
class WaitingList:
    """The waiting positions of an event in order, as of a revision."""

    revision: int = 0
    positions: "array[int]" = field(default_factory=lambda: array("q"))

    def rank(self, position: int) -> int | None:
        """1 for the next in line; `None` for a booking that does not wait."""
        index = bisect_left(self.positions, position)
        if index < len(self.positions) and self.positions[index] == position:
            return index + 1
        return None

    def set_status(self, position: int, status: str) -> None:
        """Take note of what a booking is now; harmless when already known."""
        index = bisect_left(self.positions, position)
        listed = index < len(self.positions) and self.positions[index] == position
        if status == Status.WAITING and not listed:
            self.positions.insert(index, position)
        elif status != Status.WAITING and listed:
            del self.positions[index]


def rank_of(event_id: int, position: int) -> int | None:
    """Where a booking stands in the waiting list: 1 is next, `None` if it does not wait."""
    return ranks_of(event_id, [position]).get(position)


def ranks_of(event_id: int, positions: Sequence[int]) -> dict[int, int]:
    """Where those of the bookings that wait stand in the list: `{position: rank}`.

    Raises `Unavailable`.
    """
    return _rank_reads.own.submit(event_id, positions)


def forget() -> None:
    """Drop what is remembered, as when another database takes the place of this one."""
    _lists.clear()


def _read_ranks(event_id: int, asked: list[Sequence[int]]) -> list[dict[int, int]]:
    # One reader at a time leads an event's reads, so its list is never changed by two.
    lists = _lists.own
    with _lists_lock:
        known = lists.pop(event_id, None)
    current = read(lambda connection: _brought_up_to_date(connection, event_id, known))
    with _lists_lock:
        lists[event_id] = current
        while len(lists) > KEPT_LISTS:
            lists.popitem(last=False)
    return [
        {position: rank for position in positions if (rank := current.rank(position))}
        for positions in asked
    ]


def _brought_up_to_date(
    connection: Connection, event_id: int, known: WaitingList | None
) -> WaitingList:
    values: dict[str, Any] = {"event_id": event_id}
    if known is not None:
        changes = connection.execute(_changes, {**values, "revision": known.revision}).all()
        if len(changes) < LONGEST_CATCH_UP:
            for revision, position, status in changes:
                known.set_status(position, status)
                known.revision = max(known.revision, revision)
            return known
    # The revision is read first: what is committed in between is then merely noted twice.
    revision = connection.execute(_revision, values).scalar_one_or_none()
    positions = connection.execute(_waiting_positions, values).scalars()
    return WaitingList(revision or 0, array("q", positions))


_rank_reads: PerApp[Batcher[int, Sequence[int], dict[int, int]]] = PerApp(
    lambda: Batcher(_read_ranks)
)
_lists: PerApp[OrderedDict[int, WaitingList]] = PerApp(OrderedDict)
_lists_lock = Lock()
