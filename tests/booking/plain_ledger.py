"""The ledger as it was before there were ticket types: a model for events without any.

It knows one list and one kind of ticket. Nothing of it is used by the application.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from webapp.booking.commands import (
    SYSTEM,
    ActivityKind,
    Actor,
    BookTickets,
    CancelBooking,
    CancelEvent,
    ChangeTickets,
    Claim,
    Command,
    HistoryLine,
    ListEnd,
    Outcome,
    Reason,
    Refusal,
    SetLimits,
    Status,
    TakeFree,
    TermKind,
    is_active,
    takes_tickets,
)
from webapp.booking.inventory import Closure, Inventory
from webapp.booking.line import InconsistentLedger


def available(inventory: Inventory) -> int:
    """Tickets that a newcomer can have at once."""
    return 0 if inventory.waiting and inventory.promotes else inventory.free


def nothing_for_newcomer(inventory: Inventory, *, only_now: bool) -> Refusal:
    """Why a newcomer neither has tickets nor waits; `only_now` for one who would not wait."""
    if only_now and inventory.waiting and inventory.promotes:
        return Refusal(Reason.NOT_AT_ONCE)
    if only_now and (inventory.promotes or inventory.free):
        return Refusal(Reason.NOT_AT_ONCE, inventory.free)
    if not inventory.has_list:
        return Refusal(Reason.SOLD_OUT)
    return Refusal(Reason.WAITING_LIST_FULL, inventory.waiting_list_limit)


@dataclass(slots=True)
class PlainLedger:
    """One event's bookings while a batch of commands is decided.

    `claims` are the bookings that the commands name: those at each position and, for each
    attendee, the active one or else the latest. `waiting` yields the waiting list in order of
    position. What has changed is read off it as off the `journal` of today's ledger.
    """

    inventory: Inventory
    claims: Iterable[Claim] = ()
    waiting: Iterable[Claim] = ()
    moved_up_lately: Callable[[int], bool] = lambda _: False
    history: list[HistoryLine] = field(default_factory=list)
    created: list[Claim] = field(default_factory=list)
    cancelled: dict[int, Claim] = field(default_factory=dict)
    resized: dict[int, Claim] = field(default_factory=dict)
    promoted: dict[int, Claim] = field(default_factory=dict)
    lapsed: dict[int, Claim] = field(default_factory=dict)
    list_end: ListEnd | None = field(init=False, default=None)
    _first_new: int = field(init=False)
    _known: dict[int, Claim] = field(init=False)
    _latest: dict[str, Claim] = field(init=False)
    _list: Iterator[Claim] = field(init=False)
    _head: Claim | None = field(init=False, default=None)
    _first_over: int | None = field(init=False, default=None)
    _moved_up: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._first_new = self.inventory.next_position
        self._known = {claim.position: claim for claim in self.claims}
        # An attendee books again only once a booking is over, so an active one is the latest.
        self._latest = {c.attendee_id: c for _, c in sorted(self._known.items())}
        self._list = iter(self.waiting)

    @property
    def journal(self) -> "PlainLedger":
        return self

    def decide(self, command: Command, actor: Actor) -> Outcome | Refusal:
        """Carry out one command, then promote whom it made room for."""
        match command:
            case BookTickets():
                return self._book(command, actor)
            case CancelBooking():
                return self._cancel(command, actor)
            case ChangeTickets():
                return self._change_tickets(command, actor)
            case TakeFree():
                return self._take(command, actor)
            case SetLimits():
                return self._set_limits(command, actor)
            case CancelEvent():
                return self._cancel_event()
        raise AssertionError(command)

    def lapse(
        self, over: Iterable[tuple[Claim, TermKind]], *, first_over: int | None = None
    ) -> None:
        """Let active bookings lapse whose terms are over, then walk the list once.

        It comes before everything that is decided. `first_over` is the foremost position in the
        list whose term is over as well, but which has to lapse in a later batch: nobody from there
        on is promoted in this one.
        """
        self._first_over = first_over
        for listed, kind in over:
            claim = self._known.setdefault(listed.position, listed)
            before = claim.status
            self._leave(claim, Status.LAPSED)
            self.lapsed[claim.position] = claim
            self._note(ActivityKind.LAPSED, SYSTEM, claim, before, claim.tickets, term=kind)
        self._promote(SYSTEM, cause=None)

    def _book(self, command: BookTickets, actor: Actor) -> Outcome | Refusal:
        inventory, tickets = self.inventory, command.tickets
        if inventory.is_closed_to(actor, past_sale=command.past_sale):
            return Refusal(Reason.NOT_OPEN)
        if tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        if tickets > inventory.most:
            return Refusal(Reason.TOO_MANY_TICKETS, inventory.most)
        held = self._latest.get(command.attendee_id)
        # Who still waits when the list has ended holds nothing any more.
        has_ended = held is not None and held.status is Status.WAITING and not inventory.promotes
        if held is not None and is_active(held.status) and not has_ended:
            return Refusal(Reason.ALREADY_BOOKED, position=held.position)
        if tickets <= available(inventory):
            self._end_list(inventory.next_position)
            status, rank = Status.CONFIRMED, None
            inventory.confirmed += tickets
        elif inventory.has_place_in_list and not command.only_now:
            inventory.waiting += 1
            status, rank = Status.WAITING, inventory.waiting
        else:
            return nothing_for_newcomer(inventory, only_now=command.only_now)
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
        named = command.attendee_id
        claim = self._known.get(command.position or 0) if named is None else self._latest.get(named)
        if claim is None:
            return Refusal(Reason.NO_SUCH_BOOKING)
        before = claim.status
        if not is_active(before):
            return Outcome.about(claim, repeated=True)
        if refusal := self._why_kept(claim, actor):
            return refusal
        self._leave(claim, Status.CANCELLED)
        self._change(self.cancelled, claim)
        self._note(ActivityKind.CANCELLED, actor, claim, before, claim.tickets)
        return Outcome.about(claim, promoted=self._promote(actor, cause=claim.position))

    def _change_tickets(self, command: ChangeTickets, actor: Actor) -> Outcome | Refusal:
        claim = self._active_at(command.position)
        if isinstance(claim, Refusal):
            return claim
        if command.tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        if command.tickets == claim.tickets:
            return Outcome.about(claim, repeated=True)
        if command.tickets > claim.tickets:
            return self._raise(claim, command, actor)
        if refusal := self._why_kept(claim, actor, least=command.tickets):
            return refusal
        return self._reduce(claim, command.tickets, actor)

    def _raise(self, claim: Claim, command: ChangeTickets, actor: Actor) -> Outcome | Refusal:
        """More tickets are for whoever comes first, as for a newcomer: behind all who wait."""
        inventory, before, tickets = self.inventory, claim.tickets, command.tickets
        if inventory.is_closed_to(actor, past_sale=command.past_sale):
            return Refusal(Reason.NOT_OPEN)
        if tickets > inventory.most:
            return Refusal(Reason.TOO_MANY_TICKETS, inventory.most)
        if inventory.waiting and inventory.promotes:
            return Refusal(Reason.OTHERS_WAIT)
        if claim.status is Status.WAITING:
            return Refusal(Reason.LIST_ENDED)
        if tickets - before > available(inventory):
            return Refusal(Reason.NOT_FREE, available(inventory))
        self._end_list(claim.position)
        inventory.confirmed += tickets - before
        claim.tickets = tickets
        self._change(self.resized, claim)
        self._note(ActivityKind.RAISED, actor, claim, claim.status, before)
        return Outcome.about(claim)

    def _reduce(self, claim: Claim, tickets: int, actor: Actor) -> Outcome:
        before = claim.tickets
        if takes_tickets(claim.status):
            self.inventory.confirmed -= before - tickets
        claim.tickets = tickets
        self._change(self.resized, claim)
        self._note(ActivityKind.REDUCED, actor, claim, claim.status, before)
        return Outcome.about(claim, promoted=self._promote(actor, cause=claim.position))

    def _take(self, command: TakeFree, actor: Actor) -> Outcome | Refusal:
        claim = self._active_at(command.position)
        if isinstance(claim, Refusal):
            return claim
        if command.tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        if claim.status is not Status.WAITING:
            if command.tickets == claim.tickets:
                return Outcome.about(claim, repeated=True)
            return Refusal(Reason.NOT_WAITING)
        if not self.inventory.promotes:
            return Refusal(Reason.LIST_ENDED)
        if self._next_waiting() is not claim or self._is_held_up(claim):
            return Refusal(Reason.NOT_NEXT)
        if command.tickets > self.inventory.free:
            return Refusal(Reason.NOT_FREE, self.inventory.free)
        # With so few tickets it fits, and moves up at once.
        return self._reduce(claim, command.tickets, actor)

    def _active_at(self, position: int) -> Claim | Refusal:
        claim = self._known.get(position)
        if claim is None:
            return Refusal(Reason.NO_SUCH_BOOKING)
        if claim.status is Status.LAPSED:
            return Refusal(Reason.LAPSED)
        return claim if is_active(claim.status) else Refusal(Reason.NOT_ACTIVE)

    def _why_kept(self, claim: Claim, actor: Actor, *, least: int = 0) -> Refusal | None:
        """Why a booking may not be cancelled, or reduced to `least`, by who asks for it."""
        if least < claim.admitted:
            return Refusal(Reason.ADMITTED, claim.admitted if least else None)
        may = (
            actor.is_organizer
            or claim.status is Status.WAITING
            or self.inventory.attendees_may_cancel
            or claim.position in self._moved_up
            or (self.inventory.promotes and self.moved_up_lately(claim.position))
        )
        return None if may else Refusal(Reason.TOO_LATE)

    def _set_limits(self, command: SetLimits, actor: Actor) -> Outcome | Refusal:
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

    def _end_list(self, cause: int) -> None:
        """After the start: all who still wait lapse before the booking at `cause` gets more."""
        if self.inventory.waiting and not self.inventory.promotes:
            self.list_end = ListEnd(cause, self.inventory.waiting, len(self.history))
            self.inventory.waiting = 0
            for claim in self._known.values():
                if claim.status is Status.WAITING:
                    claim.status = Status.LAPSED

    def _leave(self, claim: Claim, status: Status) -> None:
        """End an active booking: its tickets, or its place in the list, are free."""
        if takes_tickets(claim.status):
            self.inventory.confirmed -= claim.tickets
        else:
            self.inventory.waiting -= 1
        claim.status = status

    def _promote(self, actor: Actor, *, cause: int | None) -> dict[int, str]:
        """Walk the waiting list from its head while the head fits: `{position: reference}`."""
        inventory = self.inventory
        promoted: dict[int, str] = {}
        while inventory.promotes and inventory.waiting:
            head = self._next_waiting()
            if head.tickets > inventory.free or self._is_held_up(head):
                break
            head.status = Status.CONFIRMED
            inventory.confirmed += head.tickets
            inventory.waiting -= 1
            self._change(self.promoted, head)
            self._moved_up.add(head.position)
            self._note(
                ActivityKind.PROMOTED, actor, head, Status.WAITING, head.tickets, cause=cause
            )
            promoted[head.position] = head.reference
        return promoted

    def _is_held_up(self, head: Claim) -> bool:
        """Whether somebody has to lapse before this one, or anybody behind it, may move up."""
        return self._first_over is not None and head.position >= self._first_over

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
        term: TermKind | None = None,
    ) -> None:
        statuses, tickets = (status_before, claim.status), (tickets_before, claim.tickets)
        self.history.append(
            HistoryLine(what, actor, claim.position, *statuses, *tickets, cause, term)
        )
