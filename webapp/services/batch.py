"""Requests merged into batches: one transaction and one commit for many callers.

What is asked for at the same time is settled together, whichever events it is for. Such a batch
waits for no event's lock: an event that another writer holds is left out, and its requests go to
a queue of its own, where they wait for the lock without holding up anybody else.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from webapp.errors import (
    AlreadyBooked,
    BookingClosed,
    BookingNotFound,
    DomainError,
    EventClosed,
    EventNotFound,
    InvalidInput,
    SoldOut,
    Unavailable,
    WaitingListFull,
)
from webapp.extensions import PerApp
from webapp.services import book, clock, idempotency, record
from webapp.services.commands import (
    Book,
    Booked,
    Cancel,
    ChangeTickets,
    Claim,
    Refusal,
    Refused,
    Released,
    Status,
)
from webapp.services.group_commit import GroupCommit, Overloaded
from webapp.services.idempotency import Answered, Name, Once
from webapp.services.ledger import Ledger
from webapp.services.record import Change, Particulars
from webapp.services.transaction import Yielded, write

# How often a request may be left out for its event is held elsewhere, before it waits for the lock
# in a batch of its own event, which costs as much as one for all of them.
CHANCES = 3


@dataclass(slots=True)
class Request:
    """One caller's command for an event on its way through a batch.

    `organizer_id` is given when an organizer asks: the event has to be theirs.
    """

    event_id: int
    command: Book | Cancel | ChangeTickets
    organizer_id: int | None = None
    once: Once | None = None
    particulars: Particulars | None = None

    @property
    def actor(self) -> str:
        return "attendee" if self.organizer_id is None else f"organizer:{self.organizer_id}"


@dataclass(slots=True)
class Settled:
    """A command's outcome.

    `references` holds those of the bookings in the outcome; it is empty for an answer that was
    remembered under a one-time key (`repeated`), whose bookings an earlier batch wrote.
    """

    outcome: Booked | Released
    references: dict[int, str]
    repeated: bool = False


def submit(request: Request) -> Settled:
    """Carry out a request in some batch; return once that batch is committed.

    Raises the domain error that refused it, or `Unavailable`.
    """
    event_id, queues, began = request.event_id, _queues.own, time.monotonic()
    try:
        for _ in range(CHANCES):
            if queues.is_busy(event_id):
                break
            try:
                settled = _together.own.submit(None, request, waited=time.monotonic() - began)
            except (DomainError, Overloaded):
                raise
            except Exception:
                # The event's own queue finds out whose fault it was.
                break
            if settled is not None:
                return settled
        return queues.submit(event_id, request, waited=time.monotonic() - began)
    except Overloaded as error:
        raise Unavailable from error


def run(event_id: int, requests: list[Request]) -> list[Settled | Exception]:
    """Run a batch of one event, waiting for its lock.

    One that fails for a reason of its own is run again request by request.
    """
    batch = _Batch(requests)
    try:
        return write(batch.settle_one_event, landed=batch.landed)
    except DomainError:
        raise
    except Exception:
        if len(requests) == 1:
            raise
    return [_run_alone(event_id, request) for request in requests]


def _run_alone(event_id: int, request: Request) -> Settled | Exception:
    try:
        return run(event_id, [request])[0]
    except Exception as error:
        return error


def run_together(_: None, requests: list[Request]) -> Sequence[Settled | Exception | None]:
    """Run a batch of any events without waiting for their locks; `None` for what is left out.

    A batch that meets another writer is left out whole. One that fails for a reason of its own
    raises that.
    """
    batch = _Batch(requests)
    try:
        return write(batch.settle_free_events, landed=batch.landed, yields=True)
    except Yielded:
        return [None] * len(requests)


_queues: PerApp[GroupCommit[int, Request, Settled]] = PerApp(lambda: GroupCommit(run))
_together: PerApp[GroupCommit[None, Request, Settled | None]] = PerApp(
    lambda: GroupCommit(run_together)
)


class _Batch:
    """Several requests in one transaction that can be run again."""

    def __init__(self, requests: list[Request]) -> None:
        self.requests = requests
        self.id = book.new_reference()
        # An event that was written, and its new revision: it is there if the whole batch is.
        self.written: tuple[int, int] | None = None
        # The events that the first attempt found free.
        self.free: Collection[int] = ()

    def landed(self, connection: Connection) -> bool:
        if self.written is None:
            return False
        event_id, revision = self.written
        return record.has_landed(connection, event_id, revision=revision, batch=self.id)

    def settle_one_event(self, connection: Connection) -> list[Settled | Exception]:
        event = book.lock_event(connection, self.requests[0].event_id)
        return self._settle(connection, {event.id: event}, self.requests)

    def settle_free_events(self, connection: Connection) -> list[Settled | Exception | None]:
        if self.free:
            # Again after a lost commit: what is left out now may still land, and would be done
            # once more in its own queue.
            events = {
                event_id: book.lock_event(connection, event_id) for event_id in sorted(self.free)
            }
        else:
            events = book.lock_free_events(connection, {r.event_id for r in self.requests})
            self.free = events.keys()
        free = [request for request in self.requests if request.event_id in events]
        results = iter(self._settle(connection, events, free))
        return [next(results) if r.event_id in events else None for r in self.requests]

    def _settle(
        self, connection: Connection, events: Mapping[int, Row[Any]], requests: list[Request]
    ) -> list[Settled | Exception]:
        now = clock.now()
        claims = _claims(connection, requests)
        answers = idempotency.find(
            connection, [r.once.name_in(r.event_id) for r in requests if r.once]
        )
        attempts = {}
        for event in events.values():
            waiting = book.waiting_list(connection, event.id)
            ledger = Ledger(book.inventory_of(event, now), claims.get(event.id, ()), waiting)
            attempts[event.id] = _Attempt(Change(event, ledger), answers)
        results: list[Settled | Exception] = []
        for request in requests:
            try:
                results.append(attempts[request.event_id].settle(request))
            except DomainError as error:
                results.append(error)
        changes = [a.change for a in attempts.values() if a.change.ledger.history]
        self.written = None
        if changes:
            self.written = changes[0].event.id, changes[0].event.revision + 1
            record.save(connection, changes, batch=self.id, now=now)
        idempotency.remember(
            connection, {name: kept for a in attempts.values() for name, kept in a.kept.items()}
        )
        return results


def _claims(connection: Connection, requests: list[Request]) -> dict[int, list[Claim]]:
    """The bookings that the requests are about, by event."""
    attendees, either, positions = [], [], []
    for request in requests:
        match request.command:
            case Book(attendee_id=attendee_id):
                attendees.append((request.event_id, attendee_id))
            case Cancel(attendee_id=str(attendee_id)):
                attendees.append((request.event_id, attendee_id))
                either.append((request.event_id, attendee_id))
            case Cancel(position=int(position)) | ChangeTickets(position=position):
                positions.append((request.event_id, position))
    return book.claims_of(connection, attendees=attendees, positions=positions, or_latest=either)


@dataclass(slots=True)
class _Attempt:
    """What one run of a batch has decided about an event so far.

    `answers` are those of keys used before, `kept` those that this run gave.
    """

    change: Change
    answers: Mapping[Name, Answered]
    kept: dict[Name, Answered] = field(default_factory=dict)

    def settle(self, request: Request) -> Settled:
        """Decide one request. Raises the domain error that says why it is refused."""
        event, ledger = self.change.event, self.change.ledger
        stranger = request.organizer_id is None
        if (stranger and event.status == "draft") or (
            not stranger and request.organizer_id != event.organizer_id
        ):
            raise EventNotFound
        once = request.once
        name = once.name_in(event.id) if once else None
        if once and name and (answered := self.answers.get(name) or self.kept.get(name)):
            content_hash, answer = answered
            once.check(content_hash)
            return Settled(_recall(answer), {}, repeated=True)
        self.change.actors.append(request.actor)
        outcome = ledger.decide(request.command)
        if isinstance(outcome, Refused):
            raise _error_of(outcome, event)
        assert isinstance(outcome, Booked | Released)
        named = [outcome.position]
        if isinstance(outcome, Released):
            named += outcome.promoted or ()
        elif request.particulars:
            self.change.particulars[outcome.position] = request.particulars
        if once and name:
            self.kept[name] = once.content_hash, _record(outcome)
        return Settled(outcome, {p: ledger.claim_at(p).reference for p in named})


def _record(outcome: Booked | Released) -> dict[str, Any]:
    """An outcome as it is kept under a one-time key."""
    match outcome:
        case Booked(position, status, tickets, rank):
            return {"position": position, "status": status, "tickets": tickets, "rank": rank}
        case Released(position, tickets, promoted):
            return {"position": position, "tickets": tickets, "promoted": promoted}


def _recall(answer: dict[str, Any]) -> Booked | Released:
    if "status" in answer:
        status = Status(answer["status"])
        return Booked(answer["position"], status, answer["tickets"], answer["rank"])
    return Released(answer["position"], answer["tickets"], answer["promoted"], repeated=True)


def _error_of(refused: Refused, event: Row[Any]) -> DomainError:
    """What the caller is told of a refusal."""
    match refused.reason:
        case Refusal.ALREADY_BOOKED:
            assert refused.position is not None
            return AlreadyBooked(position=refused.position)
        case Refusal.NOT_OPEN:
            return EventClosed(why_closed(event))
        case Refusal.SOLD_OUT:
            return SoldOut()
        case Refusal.WAITING_LIST_FULL:
            return WaitingListFull()
        case Refusal.NO_SUCH_BOOKING:
            return BookingNotFound()
        case Refusal.NOT_ACTIVE:
            return BookingClosed("This booking has been cancelled.")
        case Refusal.LAPSED:
            return BookingClosed("This booking has lapsed. Book again if you still want to come.")
        case Refusal.TOO_LATE:
            return BookingClosed("It is too late to change this booking. Ask the organizer.")
        case Refusal.TOO_FEW_TICKETS:
            return InvalidInput({"tickets": "Ask for at least 1."})
        case Refusal.TOO_MANY_TICKETS:
            return InvalidInput({"tickets": f"Ask for at most {refused.limit}."})
        case Refusal.NOT_FEWER:
            return InvalidInput({"tickets": f"Keep at most the {refused.limit} you have."})
    raise ValueError(refused.reason)


def why_closed(event: Row[Any]) -> str:
    """Why nobody can book this event now, in a sentence."""
    now = clock.now()
    if event.status == "draft":
        return "This event is not published yet."
    if event.status == "cancelled":
        return "This event has been cancelled."
    if event.starts_at is not None and event.starts_at <= now:
        return "This event has already started."
    if event.sales_open_at is not None and now < event.sales_open_at:
        return f"Booking opens on {clock.in_words(event.sales_open_at, event.time_zone)}."
    return "Booking has closed."
