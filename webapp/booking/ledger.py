"""The rules of tickets and waiting list, as pure decisions.

A `Ledger` is opened on the inventory of one event and the bookings that a batch touches. Each
command is decided against the state that the one before it left, and the waiting list is walked
after each. What has changed is then read off the ledger and written by its caller. There is no
database here, no clock and no randomness.
"""

from collections.abc import Callable, Iterable, Mapping
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
    KeepBooking,
    Outcome,
    Reason,
    Refusal,
    SetLimits,
    Status,
    TakeFree,
    Term,
    TermKind,
    is_active,
    takes_tickets,
)
from webapp.booking.inventory import Closure, Inventory
from webapp.booking.journal import Journal
from webapp.booking.line import Line
from webapp.booking.ticket_types import CodeFigures, refuse_with_code
from webapp.booking.wishes import changed, difference, refuse_more, wanted


@dataclass(slots=True)
class Ledger:
    """One event's bookings while a batch of commands is decided.

    `claims` are the bookings that the commands name: those at each position and, for each
    attendee, the active one or else the latest. `waiting` yields the waiting list in order of
    position; for an event with types `queues` gives it in parts, `{wants: claims in order}`. Both
    are read only as far as promotion needs. `codes` are those that the commands name or the claims
    were made with. `terms` are those of the bookings whose attendees answer: `{position: term}`.
    `moved_up_lately` tells of a position whether its booking may still be given back after the
    deadline; it is asked only then.

    What has changed is in the `journal`.
    """

    inventory: Inventory
    claims: Iterable[Claim] = ()
    waiting: Iterable[Claim] = ()
    queues: Callable[[], Mapping[str, Iterable[Claim]]] | None = None
    codes: Mapping[str, CodeFigures] = field(default_factory=dict)
    terms: Mapping[int, Term] = field(default_factory=dict)
    moved_up_lately: Callable[[int], bool] = lambda _: False
    journal: Journal = field(init=False)
    _known: dict[int, Claim] = field(init=False)
    _latest: dict[str, Claim] = field(init=False)
    _line: Line = field(init=False)
    _moved_up: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.journal = Journal(self.inventory.next_position)
        self._known = {claim.position: claim for claim in self.claims}
        # An attendee books again only once a booking is over, so an active one is the latest.
        self._latest = {c.attendee_id: c for _, c in sorted(self._known.items())}
        self._line = Line(self.queues or (lambda: {"": self.waiting}), self._known)

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
            case KeepBooking():
                return self._keep(command, actor)
            case TakeFree():
                return self._take(command, actor)
            case SetLimits():
                return self._set_limits(command, actor)
            case CancelEvent():
                return self._cancel_event()

    def lapse(
        self, over: Iterable[tuple[Claim, TermKind]], *, first_over: int | None = None
    ) -> None:
        """Let active bookings lapse whose terms are over, then walk the list once.

        It comes before everything that is decided. `first_over` is the foremost position in the
        list whose term is over as well, but which has to lapse in a later batch: nobody from there
        on is promoted in this one.
        """
        self._line.first_over = first_over
        for listed, kind in over:
            claim = self._known.setdefault(listed.position, listed)
            before = claim.status
            self._leave(claim, Status.LAPSED)
            self.journal.lapsed[claim.position] = claim
            self.journal.note(ActivityKind.LAPSED, SYSTEM, claim, before, claim.tickets, term=kind)
        self._promote(SYSTEM, cause=None)

    def _book(self, command: BookTickets, actor: Actor) -> Outcome | Refusal:
        inventory, tickets = self.inventory, command.tickets
        if inventory.is_closed_to(actor, past_sale=command.past_sale):
            return Refusal(Reason.NOT_OPEN)
        if tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        if tickets > inventory.most:
            return Refusal(Reason.TOO_MANY_TICKETS, inventory.most)
        code = self.codes.get(command.code) if command.code else None
        is_plain = not (inventory.types or command.wants or command.code)
        wants = "" if is_plain else wanted(command, inventory, code, actor)
        if isinstance(wants, Refusal):
            return wants
        held = self._latest.get(command.attendee_id)
        # Who still waits when the list has ended holds nothing any more.
        has_ended = held is not None and held.status is Status.WAITING and not inventory.promotes
        if held is not None and is_active(held.status) and not has_ended:
            return Refusal(Reason.ALREADY_BOOKED, position=held.position)
        if code and (refusal := refuse_with_code(code, tickets, more=tickets)):
            return refusal
        walk = self._line.walk_to_end(inventory)
        claim = Claim(
            inventory.next_position,
            command.attendee_id,
            tickets,
            Status.CONFIRMED,
            command.reference,
            wants=wants,
            code=code.number if code else None,
        )
        if walk.reaches(tickets, wants):
            self._end_list(inventory.next_position)
            inventory.take(tickets, wants)
            # Those ahead may lack more now.
            self._line.walked, rank = None, None
        elif inventory.has_place_in_list and not command.only_now:
            self._join(claim)
            self._line.walked, rank = walk, inventory.waiting
        else:
            return inventory.nothing_for_newcomer(wants, only_now=command.only_now)
        inventory.next_position += 1
        self._known[claim.position] = claim
        self._latest[claim.attendee_id] = claim
        self._use_code(claim, tickets)
        self.journal.created.append(claim)
        self.journal.note(ActivityKind.BOOKED, actor, claim, None, None)
        return Outcome.about(claim, rank=rank)

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
        self.journal.change(self.journal.cancelled, claim)
        self.journal.note(ActivityKind.CANCELLED, actor, claim, before, claim.tickets)
        return Outcome.about(claim, promoted=self._promote(actor, cause=claim.position))

    def _change_tickets(self, command: ChangeTickets, actor: Actor) -> Outcome | Refusal:
        claim = self._active_at(command.position)
        if isinstance(claim, Refusal):
            return claim
        if command.tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        wants = changed(claim, command, self.inventory)
        if isinstance(wants, Refusal):
            return wants
        if command.tickets == claim.tickets and wants == claim.wants:
            return Outcome.about(claim, repeated=True)
        if command.tickets > claim.tickets:
            return self._raise(claim, command, wants, actor)
        if refusal := self._why_kept(claim, actor, least=command.tickets):
            return refusal
        return self._reduce(claim, command.tickets, wants, actor)

    def _raise(
        self, claim: Claim, command: ChangeTickets, wants: str, actor: Actor
    ) -> Outcome | Refusal:
        """More tickets are for whoever comes first, as for a newcomer: behind all who wait."""
        inventory, before, tickets = self.inventory, claim.tickets, command.tickets
        if inventory.is_closed_to(actor, past_sale=command.past_sale):
            return Refusal(Reason.NOT_OPEN)
        if tickets > inventory.most:
            return Refusal(Reason.TOO_MANY_TICKETS, inventory.most)
        more = tickets - before
        code = next((code for code in self.codes.values() if code.number == claim.code), None)
        if refusal := refuse_more(claim, command, wants, inventory, code, actor):
            return refusal
        if claim.status is Status.WAITING:
            return Refusal(Reason.OTHERS_WAIT if inventory.promotes else Reason.LIST_ENDED)
        walk, added = self._line.walk_to_end(inventory), difference(wants, claim.wants)
        if walk.keeps_back(added):
            return Refusal(Reason.OTHERS_WAIT)
        if not walk.reaches(more, added):
            return Refusal(Reason.NOT_FREE, inventory.free_for(added))
        self._end_list(claim.position)
        self._resize(claim, tickets, wants, ActivityKind.RAISED, actor)
        return Outcome.about(claim)

    def _reduce(self, claim: Claim, tickets: int, wants: str, actor: Actor) -> Outcome:
        self._resize(claim, tickets, wants, ActivityKind.REDUCED, actor)
        return Outcome.about(claim, promoted=self._promote(actor, cause=claim.position))

    def _resize(
        self, claim: Claim, tickets: int, wants: str, what: ActivityKind, actor: Actor
    ) -> None:
        before, wanted_before = claim.tickets, claim.wants
        self._use_code(claim, tickets - before)
        if takes_tickets(claim.status):
            self.inventory.take(before, wanted_before, sign=-1)
            self.inventory.take(tickets, wants)
            claim.tickets, claim.wants = tickets, wants
        elif wants == wanted_before:
            claim.tickets = tickets
        else:
            self.journal.queues[wanted_before] -= 1
            self.journal.queues[wants] += 1
            claim.tickets, claim.wants = tickets, wants
            self._line.join(claim)
        self._line.walked = None
        self.journal.change(self.journal.resized, claim)
        self.journal.note(what, actor, claim, claim.status, before, wants_before=wanted_before)

    def _take(self, command: TakeFree, actor: Actor) -> Outcome | Refusal:
        claim = self._active_at(command.position)
        if isinstance(claim, Refusal):
            return claim
        if command.tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        wants = changed(claim, command, self.inventory)
        if isinstance(wants, Refusal):
            return wants
        if claim.status is not Status.WAITING:
            if command.tickets == claim.tickets and wants == claim.wants:
                return Outcome.about(claim, repeated=True)
            return Refusal(Reason.NOT_WAITING)
        if not self.inventory.promotes:
            return Refusal(Reason.LIST_ENDED)
        walk = self._line.walk_ahead_of(claim, self.inventory)
        if walk.keeps_back(wants):
            return Refusal(Reason.NOT_NEXT)
        if not walk.reaches(command.tickets, wants):
            return Refusal(Reason.NOT_FREE, self.inventory.free_for(wants))
        # With so few tickets it fits, and moves up at once.
        return self._reduce(claim, command.tickets, wants, actor)

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

    def _keep(self, command: KeepBooking, actor: Actor) -> Outcome | Refusal:
        claim = self._active_at(command.position)
        if isinstance(claim, Refusal):
            return claim
        term = self.terms.get(claim.position)
        if term is None or not term.is_open:
            return Outcome.about(claim, repeated=True)
        is_shown = command.shows_address or actor.is_organizer
        if term.kind is TermKind.ADDRESS and not is_shown:
            return Refusal(Reason.UNPROVEN)
        if term.is_over:
            return Refusal(Reason.LAPSED)
        term.is_open = False
        self.journal.kept.append(claim.position)
        self.journal.note(
            ActivityKind.KEPT, actor, claim, claim.status, claim.tickets, term=term.kind
        )
        return Outcome.about(claim)

    def _set_limits(self, command: SetLimits, actor: Actor) -> Outcome | Refusal:
        waiting = [head.wants for head in self._line.heads()] if self.inventory.types else []
        if refusal := self.inventory.limit(command, waiting):
            return refusal
        self._line.walked = None
        return Outcome(promoted=self._promote(actor, cause=None))

    def _cancel_event(self) -> Outcome:
        # The caller ends the bookings by one statement; the ledger need not see them all.
        inventory = self.inventory
        inventory.confirmed = inventory.waiting = 0
        for kind in inventory.types.values():
            kind.confirmed = 0
        inventory.closure, inventory.promotes = Closure.CANCELLED, False
        for claim in self._known.values():
            if is_active(claim.status):
                claim.status = Status.CANCELLED
        return Outcome()

    def _end_list(self, cause: int) -> None:
        """After the start: all who still wait lapse before the booking at `cause` gets more."""
        if self.inventory.waiting and not self.inventory.promotes:
            self.journal.end_list(cause, self.inventory.waiting)
            self.inventory.waiting = 0
            for claim in self._known.values():
                if claim.status is Status.WAITING:
                    claim.status = Status.LAPSED

    def _join(self, claim: Claim) -> None:
        """Put a newcomer at the end of the list."""
        claim.status = Status.WAITING
        self.inventory.waiting += 1
        if claim.wants:
            self.journal.queues[claim.wants] += 1
        self._line.join(claim)

    def _leave(self, claim: Claim, status: Status) -> None:
        """End an active booking: its tickets, or its place in the list, are free."""
        if takes_tickets(claim.status):
            self.inventory.take(claim.tickets, claim.wants, sign=-1)
        else:
            self._leave_list(claim)
        self._use_code(claim, -claim.tickets)
        claim.status = status
        self._line.walked = None

    def _leave_list(self, claim: Claim) -> None:
        self.inventory.waiting -= 1
        if claim.wants:
            self.journal.queues[claim.wants] -= 1

    def _use_code(self, claim: Claim, tickets: int) -> None:
        """Count tickets that are had with the code of a booking, or given back."""
        if claim.code is not None:
            self.journal.codes[claim.code] += tickets
            for code in self.codes.values():
                if code.number == claim.code:
                    code.used += tickets

    def _promote(self, actor: Actor, *, cause: int | None) -> dict[int, str]:
        """Walk the list from its head until nobody is next: `{position: reference}` of who was."""
        promoted: dict[int, str] = {}
        while claim := self._line.next_in_line(self.inventory):
            claim.status = Status.CONFIRMED
            self.inventory.take(claim.tickets, claim.wants)
            self._leave_list(claim)
            self.journal.change(self.journal.promoted, claim)
            self._moved_up.add(claim.position)
            self.journal.note(
                ActivityKind.PROMOTED, actor, claim, Status.WAITING, claim.tickets, cause=cause
            )
            promoted[claim.position] = claim.reference
        return promoted
