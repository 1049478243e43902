"""One transaction for a batch of commands: lock -> load -> decide -> save.

Whatever changes the tickets of an event comes through `Batch`: bookings, cancels and changes that
were merged into one transaction, and what an organizer does to an event as a whole.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from webapp import clock
from webapp.booking import load, terms
from webapp.booking.access import lock_own_event
from webapp.booking.answers import answer_of, outcome_of
from webapp.booking.codes import new_reference
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Claim,
    KeepBooking,
    Outcome,
    Refusal,
    Status,
    TakeFree,
    organizer,
)
from webapp.booking.inventory import give_back_until, inventory_of
from webapp.booking.ledger import Ledger
from webapp.booking.refusals import error_of
from webapp.booking.revisions import is_committed
from webapp.booking.save import (
    BookingDetails,
    EventChange,
    move_next_lapse,
    save,
)
from webapp.booking.settling import settle_terms
from webapp.errors import (
    DomainError,
    EventNotFound,
    IdempotencyConflict,
    InvalidInput,
    Problem,
)
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey, KeyId, StoredAnswer
from webapp.storage.rows import LockedEvent
from webapp.storage.transaction import ConflictNotRetried, write

T = TypeVar("T")
Changes = Mapping[int, EventChange]
# For each request its outcome, or the error that is for its caller alone.
Results = Sequence[Outcome | Exception]


@dataclass(slots=True)
class Request:
    """One caller's command for an event on its way through a batch.

    For an organizer the event has to be theirs. `details` complete a new booking; where
    `must_answer`, its address is asked whatever the event says.
    """

    event_id: int
    command: BookTickets | CancelBooking | ChangeTickets | TakeFree | KeepBooking
    actor: Actor = ATTENDEE
    key: IdempotencyKey | None = None
    details: BookingDetails | None = None
    must_answer: bool = False


class TermsAreOver(Exception):
    """Terms of the event are over; those lapse in its own queue, where nobody else waits for it."""


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
        claims: Mapping[int, Iterable[Claim]],
        decide: Callable[[Changes, datetime], T],
        *,
        answering: Mapping[int, Collection[int]] | None = None,
    ) -> T:
        """Decide about events that are locked and save what was decided; what `decide` returned.

        First those lapse whose terms are over. `claims` are the bookings that the decisions are
        about, `{event_id: [claim]}`, and `answering` those whose attendees answer,
        `{event_id: [position]}`. `decide` gets an open change for each event: `{event_id: change}`.
        """
        now = clock.now()
        changes = {
            event.id: EventChange(
                self.id,
                event,
                Ledger(
                    inventory_of(event, now),
                    claims.get(event.id, ()),
                    load.waiting_list(connection, event.id),
                    moved_up_lately=partial(_moved_up_lately, connection, event, now),
                ),
            )
            for event in events
        }
        self.lapsed = 0
        for change in changes.values():
            lapsed, counted_at = settle_terms(connection, change, now)
            self.lapsed += lapsed
            if answering and (positions := answering.get(change.event.id)):
                change.ledger.terms = terms.terms_of(
                    connection, change.event.id, positions, counted_at=counted_at
                )
        result = decide(changes, now)
        made = [change for change in changes.values() if not change.is_empty]
        self._written = (made[0].event.id, made[0].revision) if made else None
        if made:
            save(connection, made, now=now)
        for change in changes.values():
            if change.is_empty and change.moves_next_lapse:
                move_next_lapse(connection, change.event, change.next_lapse_at)
        return result

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
            {},
            lambda changes, now: decide(connection, changes[event_id], now),
        )

    return write(work, already_committed=batch.already_committed)


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
    batch: Batch,
    events: Mapping[int, LockedEvent],
    requests: Sequence[Request],
) -> Results:
    """Decide requests about locked events, save, and keep the answers under their one-time keys."""
    decisions = _Decisions(
        idempotency.find(connection, [r.key.for_event(r.event_id) for r in requests if r.key])
    )
    results = batch.run(
        connection,
        events.values(),
        _claims(connection, requests),
        lambda changes, now: [decisions.decide(r, changes[r.event_id], now) for r in requests],
        answering=_answering(requests),
    )
    for event_id, outcome in decisions.cancelled_before:
        outcome.promoted = load.promoted_by(connection, event_id, outcome.position)
    for event_id, outcome in decisions.without_references:
        positions = [outcome.position, *outcome.promoted]
        references = load.references_of(connection, event_id, positions)
        outcome.reference = references[outcome.position]
        outcome.promoted = {position: references[position] for position in outcome.promoted}
    idempotency.remember(
        connection,
        {
            key_id: StoredAnswer(
                kept.key.content_hash, answer_of(kept.outcome, is_new_booking=kept.is_new_booking)
            )
            for key_id, kept in decisions.to_keep.items()
        },
    )
    return results


def _claims(connection: Connection, requests: Iterable[Request]) -> dict[int, list[Claim]]:
    """The bookings that the requests are about: `{event_id: [claim]}`."""
    attendees, or_latest, positions = [], [], []
    for request in requests:
        match request.command:
            case BookTickets(attendee_id=attendee_id):
                attendees.append((request.event_id, attendee_id))
            case CancelBooking(attendee_id=str(attendee_id)):
                attendees.append((request.event_id, attendee_id))
                or_latest.append((request.event_id, attendee_id))
            case (
                CancelBooking(position=int(position))
                | ChangeTickets(position=position)
                | TakeFree(position=position)
                | KeepBooking(position=position)
            ):
                positions.append((request.event_id, position))
    return load.claims_of(connection, attendees=attendees, positions=positions, or_latest=or_latest)


def _answering(requests: Iterable[Request]) -> dict[int, list[int]]:
    """The bookings whose attendees answer: `{event_id: [position]}`."""
    found: dict[int, list[int]] = {}
    for request in requests:
        if isinstance(request.command, KeepBooking):
            found.setdefault(request.event_id, []).append(request.command.position)
    return found


class _Kept(NamedTuple):
    """An outcome that is to be kept under a one-time key."""

    key: IdempotencyKey
    outcome: Outcome
    is_new_booking: bool


@dataclass(slots=True)
class _Decisions:
    """What one run of a batch has decided so far, beside what the ledgers hold.

    `answers` are those of one-time keys that were used before, `to_keep` those of this run. The
    other outcomes, each with its event, are completed once the batch is saved.
    """

    answers: Mapping[KeyId, StoredAnswer]
    to_keep: dict[KeyId, _Kept] = field(default_factory=dict)
    cancelled_before: list[tuple[int, Outcome]] = field(default_factory=list)
    without_references: list[tuple[int, Outcome]] = field(default_factory=list)

    def decide(self, request: Request, change: EventChange, now: datetime) -> Outcome | DomainError:
        """The outcome of a request, or the error that says why it is refused."""
        event, actor = change.event, request.actor
        is_strangers = actor.is_organizer and actor != organizer(event.organizer_id)
        if is_strangers or (event.status == "draft" and not actor.is_organizer):
            return EventNotFound()
        key_id = request.key.for_event(event.id) if request.key else None
        try:
            if request.key and key_id and (key_id in self.to_keep or key_id in self.answers):
                return self._repeat(event.id, key_id, request.key)
        except IdempotencyConflict as error:
            return error
        asks = _asks_address(request, event, now)
        if asks and not (request.details and request.details.email):
            return InvalidInput({"userId": Problem("address_needed")})
        outcome = change.ledger.decide(request.command, actor)
        if isinstance(outcome, Refusal):
            return error_of(outcome, event, now)
        is_new_booking = isinstance(request.command, BookTickets)
        if is_new_booking and request.details:
            change.details[outcome.position] = request.details
        if asks:
            change.asked.add(outcome.position)
            outcome.asked = True
        if outcome.repeated and outcome.status is Status.CANCELLED:
            self.cancelled_before.append((event.id, outcome))
        if request.key and key_id:
            self.to_keep[key_id] = _Kept(request.key, outcome, is_new_booking)
        return outcome

    def _repeat(self, event_id: int, key_id: KeyId, key: IdempotencyKey) -> Outcome:
        """What was answered under a key, in this batch or before. Raises `IdempotencyConflict`."""
        if kept := self.to_keep.get(key_id):
            key.check(kept.key.content_hash)
            outcome = replace(kept.outcome, repeated=True)
            if kept.outcome.repeated and kept.outcome.status is Status.CANCELLED:
                self.cancelled_before.append((event_id, outcome))
            return outcome
        stored = self.answers[key_id]
        key.check(stored.content_hash)
        outcome = outcome_of(stored.answer)
        if stored.answer.get("promoted", ()) is None:
            self.cancelled_before.append((event_id, outcome))
        if not outcome.reference:
            self.without_references.append((event_id, outcome))
        return outcome


def _asks_address(request: Request, event: LockedEvent, now: datetime) -> bool:
    """Whether the address of a new booking has to answer; that of an organizer's own has not."""
    return (
        (event.asks_address or request.must_answer)
        and isinstance(request.command, BookTickets)
        and not request.actor.is_organizer
        and terms.may_ask(event, now)
    )
