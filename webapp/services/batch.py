"""Requests for one event, merged into batches: one transaction and one commit for many callers."""

from dataclasses import dataclass, field
from datetime import datetime
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
from webapp.services import book, clock, idempotency, record
from webapp.services.commands import (
    Book,
    Booked,
    Cancel,
    ChangeTickets,
    Refusal,
    Refused,
    Released,
    Status,
)
from webapp.services.group_commit import GroupCommit, Overloaded
from webapp.services.idempotency import Once
from webapp.services.ledger import Ledger
from webapp.services.record import Particulars
from webapp.services.transaction import write


@dataclass(slots=True)
class Request:
    """One caller's command on its way through a batch.

    `organizer_id` is given when an organizer asks: the event has to be theirs.
    """

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


def submit(event_id: int, request: Request) -> Settled:
    """Carry out a request in some batch of its event; return once that batch is committed.

    Raises the domain error that refused it, or `Unavailable`.
    """
    try:
        return _commits.submit(event_id, request)
    except Overloaded as error:
        raise Unavailable from error


def run(event_id: int, requests: list[Request]) -> list[Settled | Exception]:
    """Run a batch; one that fails for a reason of its own is run again request by request."""
    batch = _Batch(event_id, requests)
    try:
        return write(batch.work, landed=batch.landed)
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


_commits: GroupCommit[int, Request, Settled] = GroupCommit(run)


class _Batch:
    """Several requests for one event, in one transaction that can be run again."""

    def __init__(self, event_id: int, requests: list[Request]) -> None:
        self.event_id = event_id
        self.requests = requests
        self.id = book.new_reference()
        self.revision = 0

    def landed(self, connection: Connection) -> bool:
        return record.has_landed(connection, self.event_id, revision=self.revision, batch=self.id)

    def work(self, connection: Connection) -> list[Settled | Exception]:
        event = book.lock_event(connection, self.event_id)
        self.revision = event.revision + 1
        now = clock.now()
        attempt = _Attempt(event, self._open_ledger(connection, event, now))
        attempt.answers = idempotency.find(
            connection, self.event_id, [r.once for r in self.requests if r.once]
        )
        results: list[Settled | Exception] = []
        for request in self.requests:
            try:
                results.append(attempt.settle(request))
            except DomainError as error:
                results.append(error)
        if attempt.ledger.history:
            record.save(
                connection,
                event,
                attempt.ledger,
                actors=attempt.actors,
                particulars=attempt.particulars,
                batch=self.id,
                now=now,
            )
        idempotency.remember(connection, self.event_id, attempt.remembered)
        return results

    def _open_ledger(self, connection: Connection, event: Row[Any], now: datetime) -> Ledger:
        attendees, either, positions = [], [], []
        for request in self.requests:
            match request.command:
                case Book(attendee_id=attendee_id):
                    attendees.append(attendee_id)
                case Cancel(attendee_id=str(attendee_id)):
                    attendees.append(attendee_id)
                    either.append(attendee_id)
                case Cancel(position=int(position)) | ChangeTickets(position=position):
                    positions.append(position)
        claims = book.claims_of(
            connection, event.id, attendees=attendees, positions=positions, or_latest=either
        )
        waiting = book.waiting_list(connection, event.id)
        return Ledger(book.inventory_of(event, now), claims, waiting)


@dataclass(slots=True)
class _Attempt:
    """What one run of a batch has decided so far."""

    event: Row[Any]
    ledger: Ledger
    actors: list[str] = field(default_factory=list)
    particulars: dict[int, Particulars] = field(default_factory=dict)
    answers: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = field(default_factory=dict)
    remembered: list[tuple[Once, dict[str, Any]]] = field(default_factory=list)

    def settle(self, request: Request) -> Settled:
        """Decide one request. Raises the domain error that says why it is refused."""
        stranger = request.organizer_id is None
        if (stranger and self.event.status == "draft") or (
            not stranger and request.organizer_id != self.event.organizer_id
        ):
            raise EventNotFound
        once = request.once
        if once and once.name in self.answers:
            content_hash, answer = self.answers[once.name]
            once.check(content_hash)
            return Settled(_recall(answer), {}, repeated=True)
        self.actors.append(request.actor)
        outcome = self.ledger.decide(request.command)
        if isinstance(outcome, Refused):
            raise _error_of(outcome, self.event)
        assert isinstance(outcome, Booked | Released)
        named = [outcome.position]
        if isinstance(outcome, Released):
            named += outcome.promoted or ()
        elif request.particulars:
            self.particulars[outcome.position] = request.particulars
        if once:
            answer = _record(outcome)
            self.answers[once.name] = once.content_hash, answer
            self.remembered.append((once, answer))
        return Settled(outcome, {p: self.ledger.claim_at(p).reference for p in named})


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
