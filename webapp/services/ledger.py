"""The rules of tickets and waiting list, as pure decisions.

A `Ledger` is opened on the inventory of one event and the bookings that a batch touches. Each
command is decided against the state that the one before it left, and the waiting list is walked
after each. What has changed is then read off the ledger and written by its caller. There is no
database here, no clock and no randomness.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from webapp.services.commands import (
    Book,
    Booked,
    Cancel,
    CancelEvent,
    ChangeTickets,
    Claim,
    Closed,
    Command,
    Entry,
    Inventory,
    Outcome,
    Refusal,
    Refused,
    Released,
    Resized,
    SetCapacity,
    Status,
    What,
    is_active,
    takes_tickets,
)


class BrokenBook(Exception):
    """The figures of an event contradict its bookings; nothing may be decided on them."""


@dataclass(slots=True)
class Ledger:
    """One event's book while a batch of commands is decided.

    `claims` are the bookings that the commands name: those at each position and, for each
    attendee, the active one or else the latest. `waiting` yields the waiting list in order of
    position; it is read only as far as promotion needs.
    """

    inventory: Inventory
    claims: Iterable[Claim] = ()
    waiting: Iterable[Claim] = ()
    history: list[Entry] = field(default_factory=list)
    created: list[Claim] = field(default_factory=list)
    cancelled: list[Claim] = field(default_factory=list)
    reduced: list[Claim] = field(default_factory=list)
    promoted: list[Claim] = field(default_factory=list)
    _known: dict[int, Claim] = field(init=False)
    _latest: dict[str, Claim] = field(init=False)
    _list: Iterator[Claim] = field(init=False)
    _head: Claim | None = field(init=False, default=None)
    _promoted_by: dict[int, list[int]] = field(init=False, default_factory=dict)
    _commands: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._known = {claim.position: claim for claim in self.claims}
        # An attendee books again only after a cancel, so an active booking is always the latest.
        self._latest = {c.attendee_id: c for _, c in sorted(self._known.items())}
        self._list = iter(self.waiting)

    def decide(self, command: Command) -> Outcome:
        """Carry out one command, then promote whom it made room for."""
        index = self._commands
        self._commands += 1
        match command:
            case Book():
                return self._book(index, command)
            case Cancel():
                return self._cancel(index, command)
            case ChangeTickets():
                return self._change_tickets(index, command)
            case SetCapacity():
                return self._set_capacity(index, command)
            case CancelEvent():
                return self._cancel_event()

    def claim_at(self, position: int) -> Claim:
        """A booking that a command of this batch named, made or promoted."""
        return self._known[position]

    def _book(self, index: int, command: Book) -> Outcome:
        inventory, tickets = self.inventory, command.tickets
        if not inventory.open:
            return Refused(Refusal.NOT_OPEN)
        if tickets < 1:
            return Refused(Refusal.TOO_FEW_TICKETS, 1)
        most = min(inventory.max_tickets, inventory.capacity)
        if tickets > most:
            return Refused(Refusal.TOO_MANY_TICKETS, most)
        held = self._latest.get(command.attendee_id)
        if held is not None and is_active(held.status):
            return Refused(Refusal.ALREADY_BOOKED, position=held.position)
        if inventory.waiting == 0 and tickets <= inventory.free:
            status, rank = Status.CONFIRMED, None
            inventory.confirmed += tickets
        else:
            limit = inventory.waiting_list_limit
            if limit == 0:
                return Refused(Refusal.SOLD_OUT)
            if limit is not None and inventory.waiting >= limit:
                return Refused(Refusal.WAITING_LIST_FULL, limit)
            inventory.waiting += 1
            status, rank = Status.WAITING, inventory.waiting
        claim = Claim(
            inventory.next_position, command.attendee_id, tickets, status, command.reference
        )
        inventory.next_position += 1
        self._known[claim.position] = claim
        self._latest[claim.attendee_id] = claim
        self.created.append(claim)
        self.history.append(Entry(index, What.BOOKED, claim.position, None, status, None, tickets))
        return Booked(claim.position, status, tickets, rank)

    def _cancel(self, index: int, command: Cancel) -> Outcome:
        if command.attendee_id is not None:
            claim = self._latest.get(command.attendee_id)
        else:
            claim = self._known.get(command.position or 0)
        if claim is None:
            return Refused(Refusal.NO_SUCH_BOOKING)
        if not is_active(claim.status):
            promoted = self._promoted_by.get(claim.position)
            return Released(claim.position, claim.tickets, promoted, repeated=True)
        if not (command.by_organizer or self.inventory.attendees_may_cancel):
            return Refused(Refusal.TOO_LATE)
        before = claim.status
        self._give_back(claim, claim.tickets)
        if before is Status.WAITING:
            self.inventory.waiting -= 1
        claim.status = Status.CANCELLED
        self.cancelled.append(claim)
        self.history.append(
            Entry(
                index,
                What.CANCELLED,
                claim.position,
                before,
                Status.CANCELLED,
                claim.tickets,
                claim.tickets,
            )
        )
        promoted = self._promote(index, cause=claim.position)
        self._promoted_by[claim.position] = promoted
        return Released(claim.position, claim.tickets, promoted)

    def _change_tickets(self, index: int, command: ChangeTickets) -> Outcome:
        claim = self._known.get(command.position)
        if claim is None:
            return Refused(Refusal.NO_SUCH_BOOKING)
        if claim.status is Status.LAPSED:
            return Refused(Refusal.LAPSED)
        if not is_active(claim.status):
            return Refused(Refusal.NOT_ACTIVE)
        if command.tickets < 1:
            return Refused(Refusal.TOO_FEW_TICKETS, 1)
        if command.tickets > claim.tickets:
            return Refused(Refusal.NOT_FEWER, claim.tickets)
        if command.tickets == claim.tickets:
            return Released(claim.position, claim.tickets, [], repeated=True)
        if not (command.by_organizer or self.inventory.attendees_may_cancel):
            return Refused(Refusal.TOO_LATE)
        before = claim.tickets
        self._give_back(claim, before - command.tickets)
        claim.tickets = command.tickets
        self.reduced.append(claim)
        self.history.append(
            Entry(
                index,
                What.REDUCED,
                claim.position,
                claim.status,
                claim.status,
                before,
                claim.tickets,
            )
        )
        promoted = self._promote(index, cause=claim.position)
        return Released(claim.position, claim.tickets, promoted)

    def _set_capacity(self, index: int, command: SetCapacity) -> Outcome:
        least = max(self.inventory.confirmed, command.largest_waiting, 1)
        if command.capacity < least:
            return Refused(Refusal.CAPACITY_TOO_LOW, least)
        self.inventory.capacity = command.capacity
        return Resized(self._promote(index, cause=None))

    def _cancel_event(self) -> Outcome:
        # The caller ends the bookings by one statement; the ledger need not see them all.
        self.inventory.confirmed = self.inventory.waiting = 0
        self.inventory.open = self.inventory.promotes = False
        for claim in self._known.values():
            if is_active(claim.status):
                claim.status = Status.CANCELLED
        return Closed()

    def _give_back(self, claim: Claim, tickets: int) -> None:
        """Return tickets to the inventory; a waiting booking holds none."""
        if takes_tickets(claim.status):
            self.inventory.confirmed -= tickets

    def _promote(self, index: int, *, cause: int | None) -> list[int]:
        """Walk the waiting list from its head while the head fits."""
        inventory, positions = self.inventory, []
        while inventory.promotes and inventory.waiting:
            head = self._next_waiting()
            if head.tickets > inventory.free:
                break
            head.status = Status.CONFIRMED
            inventory.confirmed += head.tickets
            inventory.waiting -= 1
            self.promoted.append(head)
            positions.append(head.position)
            self.history.append(
                Entry(
                    index,
                    What.PROMOTED,
                    head.position,
                    Status.WAITING,
                    Status.CONFIRMED,
                    head.tickets,
                    head.tickets,
                    cause,
                )
            )
        return positions

    def _next_waiting(self) -> Claim:
        """The head of the list as it stands now, with what this batch has done to it."""
        while self._head is None or self._head.status is not Status.WAITING:
            listed = next(self._list, None) or next(
                (claim for claim in self.created if claim.status is Status.WAITING), None
            )
            if listed is None:
                raise BrokenBook(f"{self.inventory.waiting} bookings should wait, none does")
            self._head = self._known.setdefault(listed.position, listed)
        return self._head
