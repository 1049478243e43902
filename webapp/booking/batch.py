"""One transaction for a batch of commands: lock -> load -> decide -> save.

Whatever changes the tickets of an event comes through `Batch`: bookings, cancels and changes that
were merged into one transaction, and what an organizer does to an event as a whole.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from webapp import clock
from webapp.booking import load
from webapp.booking.access import lock_own_event
from webapp.booking.codes import new_reference
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Claim,
    Outcome,
    Refusal,
    Status,
    organizer,
)
from webapp.booking.inventory import inventory_of
from webapp.booking.ledger import Ledger
from webapp.booking.refusals import error_of
from webapp.booking.save import BookingDetails, EventChange, is_committed, save
from webapp.errors import DomainError, EventNotFound, IdempotencyConflict, LinkReplaced
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

    For an organizer the event has to be theirs. `details` complete a new booking. A booking that
    was found by its `reference` has to have it still.
    """

    event_id: int
    command: BookTickets | CancelBooking | ChangeTickets
    actor: Actor = ATTENDEE
    key: IdempotencyKey | None = None
    details: BookingDetails | None = None
    reference: str = ""


class Batch:
    """What is decided in one transaction, which can be run again."""

    def __init__(self) -> None:
        self.id = new_reference()
        # An event that was written and its new revision, which is there if the whole batch is.
        self._written: tuple[int, int] | None = None

    def run(
        self,
        connection: Connection,
        events: Iterable[LockedEvent],
        claims: Mapping[int, Iterable[Claim]],
        decide: Callable[[Changes, datetime], T],
    ) -> T:
        """Decide about events that are locked and save what was decided; what `decide` returned.

        `claims` are the bookings that the decisions are about: `{event_id: [claim]}`. `decide` gets
        an open change for each event: `{event_id: change}`.
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
                ),
            )
            for event in events
        }
        result = decide(changes, now)
        made = [change for change in changes.values() if not change.is_empty]
        self._written = (made[0].event.id, made[0].revision) if made else None
        if made:
            save(connection, made, now=now)
        return result

    def already_committed(self, connection: Connection) -> bool:
        """Whether the last run is in the database although its commit was not confirmed."""
        if self._written is None:
            return False
        event_id, revision = self._written
        return is_committed(connection, event_id, revision=revision, batch=self.id)


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
    """
    batch = Batch()
    locked: Collection[int] = ()

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
            events = load.lock_unlocked_events(connection, wanted)
            locked = events.keys()
        included = [request for request in requests if request.event_id in events]
        results = iter(_settle(connection, batch, events, included))
        return [next(results) if request.event_id in events else None for request in requests]

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
    )
    for event_id, outcome in decisions.cancelled_before:
        outcome.promoted = load.promoted_by(connection, event_id, outcome.position)
    for event_id, outcome in decisions.without_references:
        positions = [outcome.position, *outcome.promoted]
        references = load.references_of(connection, event_id, positions)
        outcome.reference = references[outcome.position]
        outcome.promoted = {position: references[position] for position in outcome.promoted}
        if load.is_link_replaced(connection, event_id, outcome.position):
            # Which one was answered is known to nobody any more, and the new one is not told.
            outcome.reference = ""
    idempotency.remember(
        connection,
        {
            key_id: StoredAnswer(kept.key.content_hash, _answer_of(kept))
            for key_id, kept in decisions.to_keep.items()
        },
    )
    if not decisions.without_references:
        return results
    return [
        LinkReplaced() if isinstance(result, Outcome) and not result.reference else result
        for result in results
    ]


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
            case CancelBooking(position=int(position)) | ChangeTickets(position=position):
                positions.append((request.event_id, position))
    return load.claims_of(connection, attendees=attendees, positions=positions, or_latest=or_latest)


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
        command, reference = request.command, request.reference
        if (
            reference
            and not isinstance(command, BookTickets)
            and not change.ledger.is_called(command.position, reference)
        ):
            return LinkReplaced()
        outcome = change.ledger.decide(command, actor)
        if isinstance(outcome, Refusal):
            return error_of(outcome, event, now)
        is_new_booking = isinstance(command, BookTickets)
        if is_new_booking and request.details:
            change.details[outcome.position] = request.details
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
        outcome = _outcome_of(stored.answer)
        if stored.answer.get("promoted", ()) is None:
            self.cancelled_before.append((event_id, outcome))
        if not outcome.reference:
            self.without_references.append((event_id, outcome))
        return outcome


def _answer_of(kept: _Kept) -> dict[str, Any]:
    """An outcome as it is stored under a one-time key."""
    outcome = kept.outcome
    references = {outcome.position: outcome.reference, **outcome.promoted}
    answer = {
        "position": outcome.position,
        "tickets": outcome.tickets,
        "references": {str(position): name for position, name in references.items()},
    }
    if kept.is_new_booking:
        return {**answer, "status": outcome.status, "rank": outcome.rank}
    # The release before, which may be running too, takes an answer with a `status` for a booking.
    return {**answer, "status_after": outcome.status, "promoted": list(outcome.promoted)}


def _outcome_of(answer: Mapping[str, Any]) -> Outcome:
    """What `_answer_of` stored.

    The release before stored no references, of a cancel or change no status, and of a cancel that
    was made before not who was promoted (null).
    """
    references = answer.get("references", {})
    return Outcome(
        answer["position"],
        references.get(str(answer["position"]), ""),
        Status(answer.get("status") or answer.get("status_after", Status.CONFIRMED)),
        answer["tickets"],
        answer.get("rank"),
        {position: references.get(str(position), "") for position in answer.get("promoted") or ()},
        repeated=True,
    )
