"""Lists that stand still: tickets are free, and the head of the waiting list needs more of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Select, and_, select, union_all

from webapp import clock
from webapp.booking.access import check_own
from webapp.booking.commands import ActivityKind, Actor, Status, takes_tickets
from webapp.booking.inventory import free_for_head, inventory_of
from webapp.booking.load import head_position
from webapp.storage.rows import ActivityRow, BookingRow, EventRow
from webapp.storage.tables import activities, bookings, events
from webapp.storage.transaction import read

# How many lines of an event's history are looked at for its beginning.
LOOK_BACK = 500


class Standstill(NamedTuple):
    """What holds up a list: its head, the tickets that are free, and since when it is so.

    Where that is further back than is looked, `since` is as far as was looked.
    """

    head: BookingRow
    free: int
    since: datetime


def standstills(found: Iterable[EventRow], *, actor: Actor) -> dict[int, Standstill]:
    """Which of an organizer's events have a list that stands still: `{event_id: standstill}`.

    Nothing is read where no event has both tickets that are free and a list. Raises
    `EventNotFound` for anybody else's event.
    """
    now = clock.now()
    still: dict[int, EventRow] = {}
    for event in found:
        check_own(event, actor)
        inventory = inventory_of(event, now)
        if inventory.promotes and inventory.waiting and inventory.free > 0:
            still[event.id] = event
    if not still:
        return {}

    def work(connection: Connection) -> dict[int, Standstill]:
        at_head = and_(bookings.c.event_id == events.c.id, bookings.c.position == head_position)
        of_heads = select(bookings).join(events, at_head).where(events.c.id.in_(still))
        heads = {head.event_id: cast(BookingRow, head) for head in connection.execute(of_heads)}
        newest = [select(_newest_lines(event_id).subquery()) for event_id in heads]
        lines = connection.execute(union_all(*newest)).all() if newest else []
        by_event: dict[int, list[ActivityRow]] = {}
        for line in cast(Sequence[ActivityRow], lines):
            by_event.setdefault(line.event_id, []).append(line)
        return {
            event_id: Standstill(head, free, _since(still[event_id], head, by_event[event_id]))
            for event_id, head in heads.items()
            # It has moved up since the event was read.
            if (free := free_for_head(still[event_id], head.tickets, now))
        }

    return read(work)


def _newest_lines(event_id: int) -> Select[Any]:
    return (
        select(activities)
        .where(activities.c.event_id == event_id)
        .order_by(activities.c.revision.desc())
        .limit(LOOK_BACK)
    )


def _since(event: EventRow, head: BookingRow, lines: Iterable[ActivityRow]) -> datetime:
    """When the head became the head, or tickets were freed that it needs more of: the later one."""
    revision = attrgetter("revision")
    free, since = event.capacity - event.confirmed, event.created_at
    known = (line for line in lines if line.revision <= event.revision)
    for _, commit in groupby(sorted(known, key=revision, reverse=True), key=revision):
        written = list(commit)
        since = written[0].at
        free += sum(map(_taken, written))
        if free <= 0 or any(_makes_head(line, head.position) for line in written):
            break
    return since


def _taken(line: ActivityRow) -> int:
    """The tickets that a line took out of what was free; below 0 where it made more free."""
    if line.details is not None:
        before, after = line.details.get("capacity", (0, 0))
        return int(before - after)
    return _held(line.status_after, line.tickets_after) - _held(
        line.status_before, line.tickets_before
    )


def _held(status: str | None, tickets: int | None) -> int:
    return tickets or 0 if status and takes_tickets(status) else 0


def _makes_head(line: ActivityRow, position: int) -> bool:
    """Whether the booking at `position` joined the list, or one before it left the list."""
    if line.position == position:
        return line.what == ActivityKind.BOOKED
    left = line.status_before == Status.WAITING and line.status_after != Status.WAITING
    return left and line.position is not None and line.position < position
