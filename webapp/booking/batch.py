"""One transaction for a batch of commands: lock -> load -> decide -> save.

Whatever changes the tickets of an event comes through `Batch`: bookings, cancels and changes that
were merged into one transaction, and what an organizer does to an event as a whole.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from webapp import clock
from webapp.booking import load, load_types, terms
from webapp.booking.access import lock_own_event
from webapp.booking.change import EventChange
from webapp.booking.codes import new_reference
from webapp.booking.commands import Actor, Outcome
from webapp.booking.decisions import Decisions, Request, answering_of, claims_of
from webapp.booking.figures import move_next_lapse
from webapp.booking.inventory import give_back_until
from webapp.booking.revisions import is_committed
from webapp.booking.save import save
from webapp.booking.settling import settle_terms
from webapp.errors import DomainError
from webapp.storage import idempotency
from webapp.storage.rows import LockedEvent
from webapp.storage.transaction import ConflictNotRetried, write

T = TypeVar("T")
Changes = Mapping[int, EventChange]
# For each request its outcome, or the error that is for its caller alone.
Results = Sequence[Outcome | Exception]


class TermsAreOver(Exception):
    """Terms of the event are over; those lapse in its own queue, where nobody else waits for it."""


def run_one_event(event_id: int, requests: Sequence[Request]) -> Results:
    """Run requests for one event in one transaction, waiting for the event's lock.

    The outcome or the error of each. A batch that fails for another reason is run again request
    by request. Raises a domain error that refuses all of them, and what a single request raises.
    """
    batch = Batch()

    def work(connection: Connection) -> Results:
        event = load.lock_event(connection, event_id)
        return _settle(connection, batch, {event_id: event}, requests)

    try:
        return write(work, already_committed=batch.already_committed)
    except DomainError:
        raise
    except Exception:
        if len(requests) == 1:
            raise
    return [_run_alone(event_id, request) for request in requests]


def _run_alone(event_id: int, request: Request) -> Outcome | Exception:
    try:
        return run_one_event(event_id, [request])[0]
    except Exception as error:
        return error


def run_unlocked_events(requests: Sequence[Request]) -> Sequence[Outcome | Exception | None]:
    """Run requests for any events in one transaction, without waiting for a lock.

    The outcome or the error of each, `None` where another writer holds the event. A batch that
    meets another writer on its way is left out whole. Raises what made it fail as a whole.
    Requests for an event whose terms are over get `TermsAreOver`.
    """
    batch = Batch()
    locked: Collection[int] = ()
    left_out: set[int] = set()

    def work(connection: Connection) -> Sequence[Outcome | Exception | None]:
        nonlocal locked
        if locked:
            # Again, after a commit whose outcome is unknown: an event left out now might be
            # committed all the same, and its requests would be run once more elsewhere.
            events = {
                event_id: load.lock_event(connection, event_id) for event_id in sorted(locked)
            }
        else:
            wanted = {request.event_id for request in requests}
            found, now = load.lock_unlocked_events(connection, wanted), clock.now()
            events = {
                event_id: event
                for event_id, event in found.items()
                if not terms.are_due(event, now)
            }
            left_out.update(found.keys() - events.keys())
            locked = events.keys()
        included = [request for request in requests if request.event_id in events]
        results = iter(_settle(connection, batch, events, included))
        left = {event_id: TermsAreOver() for event_id in left_out}
        return [
            next(results) if request.event_id in events else left.get(request.event_id)
            for request in requests
        ]

    try:
        return write(work, already_committed=batch.already_committed, retry_conflicts=False)
    except ConflictNotRetried:
        return [None] * len(requests)


def _settle(
    connection: Connection,
    batch: "Batch",
    events: Mapping[int, LockedEvent],
    requests: Sequence[Request],
) -> Results:
    """Decide requests about locked events, save, and keep the answers under their one-time keys."""
    decisions = Decisions(
        idempotency.find(connection, [r.key.for_event(r.event_id) for r in requests if r.key])
    )
    results = batch.run(
        connection,
        events.values(),
        lambda changes, now: [decisions.decide(r, changes[r.event_id], now) for r in requests],
        requests=requests,
    )
    return decisions.finish(connection, results)


def change_event(
    event_id: int, actor: Actor, decide: Callable[[Connection, EventChange, datetime], T]
) -> T:
    """Run a batch that is about an organizer's event as a whole; what `decide` returned.

    Raises `EventNotFound`, also for anybody else's event, `Unavailable`, and what `decide` raises.
    """
    batch = Batch()

    def work(connection: Connection) -> T:
        event = lock_own_event(connection, event_id, actor)
        return batch.run(
            connection,
            [event],
            lambda changes, now: decide(connection, changes[event_id], now),
        )

    return write(work, already_committed=batch.already_committed)


class Batch:
    """What is decided in one transaction, which can be run again."""

    def __init__(self) -> None:
        self.id = new_reference()
        # An event that was written and its new revision, which is there if the whole batch is.
        self._written: tuple[int, int] | None = None
        # How many bookings lapsed in the last run.
        self.lapsed = 0

    def run(
        self,
        connection: Connection,
        events: Iterable[LockedEvent],
        decide: Callable[[Changes, datetime], T],
        *,
        requests: Sequence[Request] = (),
    ) -> T:
        """Decide about events that are locked and save what was decided; what `decide` returned.

        First those lapse whose terms are over. `requests` are those that are decided. `decide` gets
        an open change for each event: `{event_id: change}`.
        """
        now = clock.now()
        changes = self._load(connection, list(events), requests, now)
        self._settle_terms(connection, changes, requests, now)
        result = decide(changes, now)
        self._save(connection, changes, now)
        return result

    def _load(
        self,
        connection: Connection,
        events: Sequence[LockedEvent],
        requests: Sequence[Request],
        now: datetime,
    ) -> Changes:
        """Open a ledger on each event."""
        claims = claims_of(connection, requests)
        types = load_types.types_of(connection, events, now)
        codes = load_types.codes_of(connection, requests, claims, now) if types else {}
        changes = {}
        for event in events:
            ledger = load_types.open_ledger(
                connection,
                event,
                claims.get(event.id, ()),
                now,
                types=types,
                codes=codes,
                moved_up_lately=partial(_moved_up_lately, connection, event, now),
            )
            changes[event.id] = EventChange(self.id, event, ledger)
        return changes

    def _settle_terms(
        self, connection: Connection, changes: Changes, requests: Sequence[Request], now: datetime
    ) -> None:
        """Have those lapse whose terms are over, and read the terms of those who answer."""
        self.lapsed, answering = 0, answering_of(requests)
        for change in changes.values():
            lapsed, counted_at = settle_terms(connection, change, now)
            self.lapsed += lapsed
            if positions := answering.get(change.event.id):
                change.ledger.terms = terms.terms_of(
                    connection, change.event.id, positions, counted_at=counted_at
                )

    def _save(self, connection: Connection, changes: Changes, now: datetime) -> None:
        """Write what was decided, and of the others when their next term ends."""
        made = [change for change in changes.values() if not change.is_empty]
        self._written = (made[0].event.id, made[0].revision) if made else None
        if made:
            save(connection, made, now=now)
        for change in changes.values():
            if change.is_empty and change.moves_next_lapse:
                move_next_lapse(connection, change.event, change.next_lapse_at)

    def already_committed(self, connection: Connection) -> bool:
        """Whether the last run is in the database although its commit was not confirmed."""
        if self._written is None:
            return False
        event_id, revision = self._written
        return is_committed(connection, event_id, revision=revision, batch=self.id)


def _moved_up_lately(
    connection: Connection, event: LockedEvent, now: datetime, position: int
) -> bool:
    """Whether a booking moved up so lately that it may be given back after the deadline."""
    promoted_at = load.promoted_at(connection, event.id, position)
    until = give_back_until(event, promoted_at)
    return until is None or now < until
