"""The history of events with ticket types, told again line by line: who got what, and who waited.

Each event is replayed from its beginning with its quotas as they were. Lines from before its first
type was made tell of no types: that type has taken over what was booked, so they are read as its.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from heapq import heappop, heappush
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from webapp.booking.commands import SYSTEM, Status, takes_tickets
from webapp.booking.terms import is_over
from webapp.storage.tables import activities, bookings, events, terms, ticket_types
from webapp.verify.checks import Broken, Findings, stream
from webapp.verify.next_in_line import next_in_line
from webapp.verify.type_rules import read_wants

RULES = {
    "no type is oversold at any commit": (
        "by its history no commit ever left more tickets of a type taken than its quota"
    ),
    "nobody gets what others lack": (
        "by its history tickets went to who was next; a newcomer, or who got more, came last"
    ),
    "nobody was left next": "by its history no commit left anybody waiting who was next",
    "quotas lead to the present": "the edits of a type's quota lead to what it is now",
}
FIRST_TYPE = 1
Wants = Mapping[int, int]
NOTHING: Wants = {}


def replay_types(connection: Connection) -> list[Broken]:
    """Every rule of the history of types that does not hold."""
    findings = Findings.of(RULES)
    begins = _beginnings(connection)
    if not begins:
        return []
    late = _late_terms(connection)
    ends: dict[int, dict[int, int | None]] = {event_id: {} for event_id in begins}
    for event_id, lines in groupby(stream(connection, _lines()), key=itemgetter(0)):
        replay = _Replay(event_id, *begins[event_id], late.get(event_id, {}), findings)
        for revision, commit in groupby(lines, key=itemgetter(1)):
            replay.go_on(revision, list(commit))
        ends[event_id] = replay.quotas
    _check_quotas(connection, ends, findings)
    return findings.broken()


def _beginnings(connection: Connection) -> dict[int, tuple[int, datetime | None]]:
    """Capacity and start of each event with types as they were first."""
    query = select(events.c.id, events.c.capacity, events.c.starts_at).where(events.c.types > 0)
    found = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
    edits = (
        select(activities.c.event_id, activities.c.details)
        .join(events, events.c.id == activities.c.event_id)
        .where(
            events.c.types > 0, activities.c.position.is_(None), activities.c.details.is_not(None)
        )
        .order_by(activities.c.event_id, activities.c.revision.desc(), activities.c.id.desc())
    )
    for event_id, details in stream(connection, edits):
        capacity, starts_at = found[event_id]
        capacity = details["capacity"][0] if "capacity" in details else capacity
        starts_at = _moment(details["starts_at"][0]) if "starts_at" in details else starts_at
        found[event_id] = capacity, starts_at
    return found


def _moment(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)


def _late_terms(connection: Connection) -> dict[int, dict[int, datetime]]:
    """The terms of those who lapsed, or will: `{event_id: {position: end}}`."""
    query = (
        select(terms.c.event_id, terms.c.position, terms.c.lapses_at)
        .join(events, events.c.id == terms.c.event_id)
        .join(
            bookings,
            (bookings.c.event_id == terms.c.event_id) & (bookings.c.position == terms.c.position),
        )
        .where(
            events.c.types > 0,
            terms.c.lapses_at.is_not(None),
            (bookings.c.status == Status.LAPSED) | terms.c.is_open.is_(True),
        )
    )
    found: dict[int, dict[int, datetime]] = {}
    for event_id, position, lapses_at in stream(connection, query):
        found.setdefault(event_id, {})[position] = lapses_at
    return found


def _lines() -> Any:
    names = (
        "event_id", "revision", "position", "what", "actor", "at", "status_before",
        "tickets_before", "wants_before", "status_after", "tickets_after", "wants_after", "details",
    )  # fmt: skip
    return (
        select(*(activities.c[name] for name in names))
        .join(events, events.c.id == activities.c.event_id)
        .where(events.c.types > 0)
        .order_by(activities.c.event_id, activities.c.revision, activities.c.id)
    )


class _Replay:
    """An event as it was after each line of its history."""

    def __init__(
        self,
        event_id: int,
        capacity: int,
        starts_at: datetime | None,
        late: Mapping[int, datetime],
        findings: Findings,
    ) -> None:
        self.event_id = event_id
        self.room = capacity
        self.starts_at = starts_at
        self.is_cancelled = False
        self.quotas: dict[int, int | None] = {}
        self.taken: Counter[int] = Counter()
        self.late = late
        self.findings = findings
        # Who waits, and for each wants the positions of those, those that have left among them.
        self.waiting: dict[int, str] = {}
        self.queues: dict[str, list[int]] = {}
        # The first of each who want the same, in order; none while that is unknown.
        self.heads: list[tuple[int, Wants]] | None = None
        # Whether somebody may be next whom the last commit has not left so.
        self.moved = False

    def go_on(self, revision: int, lines: list[Any]) -> None:
        """One revision: first who lapses, then what the event is from now on, then the rest."""
        of_event = [line for line in lines if line.position is None and line.details]
        of_bookings = [line for line in lines if line.position is not None]
        for line in of_bookings:
            if of_event and line.actor != str(SYSTEM):
                self._edit(of_event)
                of_event = []
            self._step(revision, line)
        self._edit(of_event)
        for number, left in self._left().items():
            if left < 0:
                self._note("no type is oversold at any commit", revision, type=number, left=left)
        if self.moved and self._promotes(lines[0].at):
            self.moved = False
            position = next_in_line(self._line(), self._left(), self.room)
            if position is not None and not self._is_held_up(position, lines[0].at):
                self._note("nobody was left next", revision, position=position)

    def _edit(self, lines: Iterable[Any]) -> None:
        for line in lines:
            details = line.details
            if "capacity" in details:
                before, after = details["capacity"]
                self.room += after - before
            if "starts_at" in details:
                self.starts_at = _moment(details["starts_at"][1])
            if "status" in details:
                self.is_cancelled = details["status"][1] == "cancelled"
            if "ticket_type" in details:
                before, after = details["ticket_type"]
                if after is None:
                    self.quotas.pop(before["number"], None)
                elif "quota" in after:
                    self.quotas[after["number"]] = after["quota"]
            self.moved = True

    def _step(self, revision: int, line: Any) -> None:
        """One line about a booking: what it gives up, whether it may have what it gets."""
        before = (line.status_before, line.tickets_before, line.wants_before)
        after = (line.status_after, line.tickets_after, line.wants_after)
        if before == after:
            return
        had, has = _held(*before), _held(*after)
        gets = {number: each - had.get(number, 0) for number, each in has.items()}
        gets = {number: each for number, each in gets.items() if each > 0}
        if gets and self._promotes(line.at):
            waits = line.status_before == Status.WAITING
            line_up = self._line() if waits else self._line((line.position, gets))
            if next_in_line(line_up, self._left(), self.room) != line.position:
                self._note("nobody gets what others lack", revision, position=line.position)
        if had != has:
            self.room += sum(had.values()) - sum(has.values())
            self.taken.subtract(had)
            self.taken.update(has)
            self.moved = True
        self._queue(line.position, after)

    def _queue(self, position: int, after: tuple[Any, Any, Any]) -> None:
        status, tickets, wants = after
        told = (wants or f"{FIRST_TYPE}:{tickets}") if status == Status.WAITING else None
        waited = self.waiting.get(position)
        if waited == told:
            return
        # Whoever joins others who want the same is no more next than they are.
        if waited is not None or told not in self.queues:
            self.moved, self.heads = True, None
        if told is None:
            self.waiting.pop(position, None)
        else:
            self.waiting[position] = told
            heappush(self.queues.setdefault(told, []), position)

    def _line(self, *last: tuple[int, Wants]) -> list[tuple[int, Wants]]:
        """The first of each who want the same, in order, and who comes behind them."""
        if self.heads is None:
            self.heads = []
            for wants, queue in list(self.queues.items()):
                while queue and self.waiting.get(queue[0]) != wants:
                    heappop(queue)
                if queue:
                    self.heads.append((queue[0], read_wants(wants)))
                else:
                    del self.queues[wants]
            self.heads.sort(key=itemgetter(0))
        return [*self.heads, *last]

    def _left(self) -> dict[int, int]:
        quotas = self.quotas.items()
        return {number: most - self.taken[number] for number, most in quotas if most is not None}

    def _promotes(self, at: datetime) -> bool:
        return not self.is_cancelled and (self.starts_at is None or at < self.starts_at)

    def _is_held_up(self, position: int, at: datetime) -> bool:
        """Whether somebody up to there had a term that was over, and was to lapse first."""
        return any(
            other <= position and is_over(lapses_at, at)
            for other, lapses_at in self.late.items()
            if other in self.waiting
        )

    def _note(self, rule: str, revision: int, **named: int) -> None:
        self.findings.note(rule, event=self.event_id, revision=revision, **named)


def _held(status: str | None, tickets: int | None, wants: str | None) -> Wants:
    """The tickets that a booking takes."""
    if status is None or not takes_tickets(status):
        return NOTHING
    return read_wants(wants or f"{FIRST_TYPE}:{tickets}")


def _check_quotas(
    connection: Connection, ends: Mapping[int, Mapping[int, int | None]], findings: Findings
) -> None:
    query = select(ticket_types.c.event_id, ticket_types.c.number, ticket_types.c.quota)
    for event_id, number, quota in stream(connection, query):
        told = ends.get(event_id, {})
        if event_id in ends and (number not in told or told[number] != quota):
            named = {"event": event_id, "type": number, "quota": quota}
            findings.note("quotas lead to the present", **named, told=told.get(number))
