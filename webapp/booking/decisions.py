"""What is decided about each request of a batch, under the locks of its events.

Repeated one-time keys get their answers, strangers' requests are refused, everything else goes to
the event's ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from webapp.booking import load, terms
from webapp.booking.answers import answer_of, outcome_of
from webapp.booking.change import BookingDetails, EventChange
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
from webapp.booking.refusals import error_of
from webapp.errors import (
    DomainError,
    EventNotFound,
    IdempotencyConflict,
    InvalidInput,
    LinkReplaced,
    Problem,
)
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey, KeyId, StoredAnswer
from webapp.storage.rows import LockedEvent


@dataclass(slots=True)
class Request:
    """One caller's command for an event on its way through a batch.

    For an organizer the event has to be theirs. `details` complete a new booking; where
    `must_answer`, its address is asked whatever the event says. A booking that was found by its
    `reference` has to have it still.
    """

    event_id: int
    command: BookTickets | CancelBooking | ChangeTickets | TakeFree | KeepBooking
    actor: Actor = ATTENDEE
    key: IdempotencyKey | None = None
    details: BookingDetails | None = None
    must_answer: bool = False
    reference: str = ""


def claims_of(connection: Connection, requests: Iterable[Request]) -> dict[int, list[Claim]]:
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


def answering_of(requests: Iterable[Request]) -> dict[int, list[int]]:
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
class Decisions:
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
        command, reference = request.command, request.reference
        if (
            reference
            and not isinstance(command, BookTickets)
            and not change.ledger.is_called(command.position, reference)
        ):
            return LinkReplaced()
        outcome = change.ledger.decide(command, actor)
        if isinstance(outcome, Refusal):
            field = "items" if getattr(command, "wants", "") else "tickets"
            return error_of(outcome, event, now, field=field)
        is_new_booking = isinstance(command, BookTickets)
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

    def finish(
        self, connection: Connection, results: Sequence[Outcome | DomainError]
    ) -> Sequence[Outcome | DomainError]:
        """Complete the outcomes of a batch that is saved, and keep those under one-time keys."""
        for event_id, outcome in self.cancelled_before:
            outcome.promoted = load.promoted_by(connection, event_id, outcome.position)
        for event_id, outcome in self.without_references:
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
                key_id: StoredAnswer(
                    kept.key.content_hash,
                    answer_of(kept.outcome, is_new_booking=kept.is_new_booking),
                )
                for key_id, kept in self.to_keep.items()
            },
        )
        if not self.without_references:
            return results
        return [
            LinkReplaced() if isinstance(result, Outcome) and not result.reference else result
            for result in results
        ]


def _asks_address(request: Request, event: LockedEvent, now: datetime) -> bool:
    """Whether the address of a new booking has to answer; that of an organizer's own, or of
    one made at the door, has not."""
    return (
        (event.asks_address or request.must_answer)
        and isinstance(request.command, BookTickets)
        and request.actor.is_attendee
        and terms.may_ask(event, now)
    )
