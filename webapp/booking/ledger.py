"""The rules of tickets and waiting list, as pure decisions.

A `Ledger` is opened on the inventory of one event and the bookings that a batch touches. Each
command is decided against the state that the one before it left, and the waiting list is walked
after each. What has changed is then read off the ledger and written by its caller. There is no
database here, no clock and no randomness.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from webapp.booking.commands import (
    ActivityKind,
    Actor,
    BookTickets,
    CancelBooking,
    CancelEvent,
    ChangeTickets,
    Claim,
    Command,
    HistoryLine,
    Outcome,
    Reason,
    Refusal,
    SetCapacity,
    Status,
    is_active,
    takes_tickets,
)
from webapp.booking.inventory import Closure, Inventory


class InconsistentLedger(Exception):
    """The figures of an event contradict its bookings; nothing may be decided on them."""


@dataclass(slots=True)
class Ledger:
    """One event's bookings while a batch of commands is decided.

    `claims` are the bookings that the commands name: those at each position and, for each
    attendee, the active one or else the latest. `waiting` yields the waiting list in order of
    position; it is read only as far as promotion needs.

    What has changed: `created` bookings in order of position, and of those that were there before
    the `cancelled`, the `reduced` and the `promoted`, each `{position: claim}` as it is now.
    """

    inventory: Inventory
    claims: Iterable[Claim] = ()
    waiting: Iterable[Claim] = ()
    history: list[HistoryLine] = field(default_factory=list)
    created: list[Claim] = field(default_factory=list)
    cancelled: dict[int, Claim] = field(default_factory=dict)
    reduced: dict[int, Claim] = field(default_factory=dict)
    promoted: dict[int, Claim] = field(default_factory=dict)
    _first_new: int = field(init=False)
    _known: dict[int, Claim] = field(init=False)
    _latest: dict[str, Claim] = field(init=False)
    _list: Iterator[Claim] = field(init=False)
    _head: Claim | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._first_new = self.inventory.next_position
        self._known = {claim.position: claim for claim in self.claims}
        # An attendee books again only once a booking is over, so an active one is the latest.
        self._latest = {c.attendee_id: c for _, c in sorted(self._known.items())}
        self._list = iter(self.waiting)

    def is_called(self, position: int | None, reference: str) -> bool:
        """Whether the booking at a position, if there is one, has this reference."""
        claim = self._known.get(position or 0)
        return claim is None or claim.reference == reference

    def decide(self, command: Command, actor: Actor) -> Outcome | Refusal:
        """Carry out one command, then promote whom it made room for."""
        match command:
            case BookTickets():
                return self._book(command, actor)
            case CancelBooking():
                return self._cancel(command, actor)
            case ChangeTickets():
                return self._change_tickets(command, actor)
            case SetCapacity():
                return self._set_capacity(command, actor)
            case CancelEvent():
                return self._cancel_event()

    def _book(self, command: BookTickets, actor: Actor) -> Outcome | Refusal:
        inventory, tickets = self.inventory, command.tickets
        if inventory.closure is not None:
            return Refusal(Reason.NOT_OPEN)
        if tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        if tickets > inventory.most:
            return Refusal(Reason.TOO_MANY_TICKETS, inventory.most)
        held = self._latest.get(command.attendee_id)
        if held is not None and is_active(held.status):
            return Refusal(Reason.ALREADY_BOOKED, position=held.position)
        if tickets <= inventory.available:
            status, rank = Status.CONFIRMED, None
            inventory.confirmed += tickets
        elif inventory.has_place_in_list:
            inventory.waiting += 1
            status, rank = Status.WAITING, inventory.waiting
        else:
            limit = inventory.waiting_list_limit
            return Refusal(Reason.WAITING_LIST_FULL, limit) if limit else Refusal(Reason.SOLD_OUT)
        claim = Claim(
            inventory.next_position, command.attendee_id, tickets, status, command.reference
        )
        inventory.next_position += 1
        self._known[claim.position] = claim
        self._latest[claim.attendee_id] = claim
        self.created.append(claim)
        self._note(ActivityKind.BOOKED, actor, claim, None, None)
        return Outcome(claim.position, claim.reference, status, tickets, rank)

    def _cancel(self, command: CancelBooking, actor: Actor) -> Outcome | Refusal:
        if command.attendee_id is not None:
            claim = self._latest.get(command.attendee_id)
        else:
            claim = self._known.get(command.position or 0)
        if claim is None:
            return Refusal(Reason.NO_SUCH_BOOKING)
        before = claim.status
        if not is_active(before):
            return _about(claim, repeated=True)
        if not (actor.is_organizer or self.inventory.attendees_may_cancel):
            return Refusal(Reason.TOO_LATE)
        if takes_tickets(before):
            self.inventory.confirmed -= claim.tickets
        else:
            self.inventory.waiting -= 1
        claim.status = Status.CANCELLED
        self._change(self.cancelled, claim)
        self._note(ActivityKind.CANCELLED, actor, claim, before, claim.tickets)
        return _about(claim, promoted=self._promote(actor, cause=claim.position))

    def _change_tickets(self, command: ChangeTickets, actor: Actor) -> Outcome | Refusal:
        claim = self._known.get(command.position)
        if claim is None:
            return Refusal(Reason.NO_SUCH_BOOKING)
        if claim.status is Status.LAPSED:
            return Refusal(Reason.LAPSED)
        if not is_active(claim.status):
            return Refusal(Reason.NOT_ACTIVE)
        if command.tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        before = claim.tickets
        if command.tickets > before:
            return Refusal(Reason.NOT_FEWER, before)
        if command.tickets == before:
            return _about(claim, repeated=True)
        if not (actor.is_organizer or self.inventory.attendees_may_cancel):
            return Refusal(Reason.TOO_LATE)
        if takes_tickets(claim.status):
            self.inventory.confirmed -= before - command.tickets
        claim.tickets = command.tickets
        self._change(self.reduced, claim)
        self._note(ActivityKind.REDUCED, actor, claim, claim.status, before)
        return _about(claim, promoted=self._promote(actor, cause=claim.position))

    def _set_capacity(self, command: SetCapacity, actor: Actor) -> Outcome | Refusal:
        least = max(self.inventory.confirmed, command.largest_waiting, 1)
        if command.capacity < least:
            return Refusal(Reason.CAPACITY_TOO_LOW, least)
        self.inventory.capacity = command.capacity
        return Outcome(promoted=self._promote(actor, cause=None))

    def _cancel_event(self) -> Outcome:
        # The caller ends the bookings by one statement; the ledger need not see them all.
        self.inventory.confirmed = self.inventory.waiting = 0
        self.inventory.closure, self.inventory.promotes = Closure.CANCELLED, False
        for claim in self._known.values():
            if is_active(claim.status):
                claim.status = Status.CANCELLED
        return Outcome()

    def _promote(self, actor: Actor, *, cause: int | None) -> dict[int, str]:
        """Walk the waiting list from its head while the head fits: `{position: reference}`."""
        inventory = self.inventory
        promoted: dict[int, str] = {}
        while inventory.promotes and inventory.waiting:
            head = self._next_waiting()
            if head.tickets > inventory.free:
                break
            head.status = Status.CONFIRMED
            inventory.confirmed += head.tickets
            inventory.waiting -= 1
            self._change(self.promoted, head)
            self._note(
                ActivityKind.PROMOTED, actor, head, Status.WAITING, head.tickets, cause=cause
            )
            promoted[head.position] = head.reference
        return promoted

    def _next_waiting(self) -> Claim:
        """The head of the list as it stands now, with what this batch has done to it."""
        while self._head is None or self._head.status is not Status.WAITING:
            listed = next(self._list, None) or next(
                (claim for claim in self.created if claim.status is Status.WAITING), None
            )
            if listed is None:
                raise InconsistentLedger(
                    f"{self.inventory.waiting} bookings should wait, none does"
                )
            self._head = self._known.setdefault(listed.position, listed)
        return self._head

    def _change(self, changed: dict[int, Claim], claim: Claim) -> None:
        """Take a booking that was there before into what has to be written about it.

        A new one is written as it is in the end, and one that was promoted and then cancelled
        only as cancelled.
        """
        if claim.position < self._first_new:
            if changed is self.cancelled:
                self.promoted.pop(claim.position, None)
            changed[claim.position] = claim

    def _note(
        self,
        what: ActivityKind,
        actor: Actor,
        claim: Claim,
        status_before: Status | None,
        tickets_before: int | None,
        *,
        cause: int | None = None,
    ) -> None:
        self.history.append(
            HistoryLine(
                what,
                actor,
                claim.position,
                status_before,
                claim.status,
                tickets_before,
                claim.tickets,
                cause,
            )
        )


def _about(
    claim: Claim, *, promoted: dict[int, str] | None = None, repeated: bool = False
) -> Outcome:
    """The outcome of a cancel or change of a booking."""
    return Outcome(
        claim.position,
        claim.reference,
        claim.status,
        claim.tickets,
        promoted=promoted or {},
        repeated=repeated,
    )
