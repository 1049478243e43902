"""What happened to an event with ticket types, replayed from its history by the rule alone.

It knows neither ledger nor `verify`: everybody in the list is looked at, line by line.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, select

from webapp.storage.tables import activities, bookings, events, promo_codes, queues, ticket_types

Wants = dict[int, int]


def unfair(
    connection: Connection, event_id: int, capacity: int, quotas: Mapping[int, int | None]
) -> list[str]:
    """What was unfair, oversold or miscounted; the limits are those at its beginning."""
    query = select(activities).where(activities.c.event_id == event_id)
    lines = connection.execute(query.order_by(activities.c.revision, activities.c.id)).all()
    replay = Replay(capacity, dict(quotas))
    found = []
    for revision, commit in groupby(lines, key=lambda line: line.revision):
        found += [f"revision {revision}: {wrong}" for wrong in replay.go_on(list(commit))]
    return [*found, *replay.differs(connection, event_id)]


def wants_in(text: str | None) -> Wants:
    pairs = [pair.split(":") for pair in (text or "").split(",") if pair]
    return {int(kind): int(tickets) for kind, tickets in pairs}


class Replay:
    """The event after the lines so far; `parties` are `{position: (status, wants)}`."""

    def __init__(self, capacity: int, quotas: dict[int, int | None]) -> None:
        self.capacity, self.quotas = capacity, quotas
        self.parties: dict[int, tuple[str | None, Wants]] = {}
        self.taken: Counter[int] = Counter()

    def go_on(self, commit: list[Any]) -> Iterator[str]:
        for line in commit:
            self.limit(line.details or {})
        for line in commit:
            if line.position is not None:
                yield from self.step(line)
            yield from self.oversold()
        if (left := self.first()) is not None:
            yield f"{left} was left next"

    def limit(self, details: dict[str, Any]) -> None:
        if "capacity" in details:
            self.capacity = details["capacity"][1]
        if "ticket_type" in details:
            after = details["ticket_type"][1]
            if "quota" in after and "number" in after:
                self.quotas[after["number"]] = after["quota"]

    def step(self, line: Any) -> Iterator[str]:
        status, wants = line.status_after, wants_in(line.wants_after)
        before: tuple[str | None, Wants] = self.parties.get(line.position, (None, {}))
        if before != (line.status_before, wants_in(line.wants_before)):
            yield f"{line.what} of {line.position} begins at what it was not"
        if line.what in ("booked", "promoted") and status == "confirmed":
            self.parties[line.position] = "waiting", wants
            if (first := self.first()) != line.position:
                yield f"{line.position} got tickets, {first} was next"
        elif line.what != "promoted" and (first := self.first()) is not None:
            yield f"{line.what} of {line.position} while {first} was next"
        self.parties[line.position] = status, wants
        for sign, (was, wanted) in ((-1, before), (1, (status, wants))):
            if was == "confirmed":
                for kind, tickets in wanted.items():
                    self.taken[kind] += sign * tickets

    def first(self) -> int | None:
        """Who is next."""
        lacked: set[int] = set()
        for position in sorted(self.parties):
            status, wants = self.parties[position]
            if status != "waiting":
                continue
            lacks = {kind for kind in wants if kind in lacked or self.is_short(kind, wants[kind])}
            if not lacks:
                fits = sum(wants.values()) <= self.capacity - self.taken.total()
                return position if fits else None
            lacked |= lacks
        return None

    def is_short(self, kind: int, tickets: int) -> bool:
        quota = self.quotas[kind]
        return quota is not None and self.taken[kind] + tickets > quota

    def oversold(self) -> Iterator[str]:
        if self.taken.total() > self.capacity:
            yield f"{self.taken.total()} of {self.capacity} tickets are taken"
        for kind, quota in self.quotas.items():
            if quota is not None and self.taken[kind] > quota:
                yield f"{self.taken[kind]} of {quota} tickets of type {kind} are taken"

    def differs(self, connection: Connection, event_id: int) -> Iterator[str]:
        """Where the tables say something else."""

        def rows(*columns: Any) -> list[Any]:
            of_event = columns[0].table.c.get("event_id", columns[0].table.c.get("id"))
            return [
                tuple(row)
                for row in connection.execute(select(*columns).where(of_event == event_id))
            ]

        kept = rows(bookings.c.position, bookings.c.status, bookings.c.wants)
        waiting = Counter(wants for _, status, wants in kept if status == "waiting")
        claims = rows(bookings.c.code, bookings.c.status, bookings.c.tickets)
        used: Counter[int] = Counter()
        for code, status, tickets in claims:
            used[code] += tickets if status in ("waiting", "confirmed") else 0
        compared = {
            "bookings": ({p: (s, wants_in(w)) for p, s, w in kept}, self.parties),
            "types": (
                dict(rows(ticket_types.c.number, ticket_types.c.confirmed)),
                {kind: self.taken[kind] for kind in self.quotas},
            ),
            "queues": (+Counter(dict(rows(queues.c.wants, queues.c.waiting))), waiting),
            "codes": (
                rows(promo_codes.c.number, promo_codes.c.used),
                [
                    (number, used[number])
                    for number, _ in rows(promo_codes.c.number, promo_codes.c.used)
                ],
            ),
            "event": (
                rows(events.c.confirmed, events.c.waiting, events.c.capacity),
                [(self.taken.total(), waiting.total(), self.capacity)],
            ),
        }
        yield from (f"{name} differ: {a} {b}" for name, (a, b) in compared.items() if a != b)
