"""The rules of tickets and waiting list, as pure decisions.

A `Ledger` is opened on the inventory of one event and the bookings that a batch touches. Each
command is decided against the state that the one before it left, and the waiting list is walked
after each. What has changed is then read off its journal and written by its caller. There is no
database here, no clock and no randomness.
"""

from collections.abc import Callable, Iterable, Mapping

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
)
from webapp.booking.holdings import Holdings
from webapp.booking.inventory import Closure, Inventory
from webapp.booking.ticket_types import CodeFigures, refuse_with_code
from webapp.booking.wishes import changed, difference, refuse_more, wanted


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

    def __init__(
        self,
        inventory: Inventory,
        claims: Iterable[Claim] = (),
        waiting: Iterable[Claim] = (),
        *,
        queues: Callable[[], Mapping[str, Iterable[Claim]]] | None = None,
        codes: Mapping[str, CodeFigures] | None = None,
        terms: Mapping[int, Term] | None = None,
        moved_up_lately: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.terms = terms or {}
        read_list = queues or (lambda: {"": waiting})
        self._holdings = Holdings(inventory, claims, read_list, codes or {})
        self._line = self._holdings.line
        self._moved_up_lately = moved_up_lately
        self.journal = self._holdings.journal

    @property
    def inventory(self) -> Inventory:
        """The figures of the event as they are now, and what its settings allow."""
        return self._holdings.inventory

    def go_by(self, inventory: Inventory) -> None:
        """Decide by these figures and settings from now on."""
        self._holdings.inventory = inventory

    def is_called(self, position: int | None, reference: str) -> bool:
        """Whether the booking at a position, if there is one, has this reference."""
        claim = self._holdings.known.get(position or 0)
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
        for claim, kind in over:
            self._holdings.lapse(claim, kind, SYSTEM)
        self._holdings.promote(SYSTEM, cause=None)

    def _book(self, command: BookTickets, actor: Actor) -> Outcome | Refusal:
        inventory, tickets = self.inventory, command.tickets
        if inventory.is_closed_to(actor, past_sale=command.past_sale):
            return Refusal(Reason.NOT_OPEN)
        if tickets < 1:
            return Refusal(Reason.TOO_FEW_TICKETS, 1)
        if tickets > inventory.most:
            return Refusal(Reason.TOO_MANY_TICKETS, inventory.most)
        code = self._holdings.codes.get(command.code) if command.code else None
        is_plain = not (inventory.types or command.wants or command.code)
        wants = "" if is_plain else wanted(command, inventory, code, actor)
        if isinstance(wants, Refusal):
            return wants
        held = self._holdings.latest.get(command.attendee_id)
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
            # Those ahead may lack more then.
            walked, rank = None, None
        elif inventory.has_place_in_list and not command.only_now:
            claim.status = Status.WAITING
            walked, rank = walk, inventory.waiting + 1
        else:
            return inventory.nothing_for_newcomer(wants, only_now=command.only_now)
        self._holdings.add(claim, actor, walked=walked)
        return Outcome.about(claim, rank=rank)

    def _cancel(self, command: CancelBooking, actor: Actor) -> Outcome | Refusal:
        if command.attendee_id is None:
            claim = self._holdings.known.get(command.position or 0)
        else:
            claim = self._holdings.latest.get(command.attendee_id)
        if claim is None:
            return Refusal(Reason.NO_SUCH_BOOKING)
        if not is_active(claim.status):
            return Outcome.about(claim, repeated=True)
        if refusal := self._why_kept(claim, actor):
            return refusal
        self._holdings.cancel(claim, actor)
        return self._promoting(claim, actor)

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
        code = self._holdings.code_of(claim)
        if refusal := refuse_more(claim, command, wants, inventory, code, actor):
            return refusal
        if claim.status is Status.WAITING:
            return Refusal(Reason.OTHERS_WAIT if inventory.promotes else Reason.LIST_ENDED)
        walk, added = self._line.walk_to_end(inventory), difference(wants, claim.wants)
        if walk.keeps_back(added):
            return Refusal(Reason.OTHERS_WAIT)
        if not walk.reaches(more, added):
            return Refusal(Reason.NOT_FREE, inventory.free_for(added))
        self._holdings.end_list(claim.position)
        self._holdings.resize(claim, tickets, wants, ActivityKind.RAISED, actor)
        return Outcome.about(claim)

    def _reduce(self, claim: Claim, tickets: int, wants: str, actor: Actor) -> Outcome:
        self._holdings.resize(claim, tickets, wants, ActivityKind.REDUCED, actor)
        return self._promoting(claim, actor)

    def _promoting(self, claim: Claim, actor: Actor) -> Outcome:
        """The outcome for a booking that gave tickets back, which are handed on at once."""
        return Outcome.about(claim, promoted=self._holdings.promote(actor, cause=claim.position))

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
        claim = self._holdings.known.get(position)
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
            or claim.position in self._holdings.moved_up
            or (self.inventory.promotes and self._moved_up_lately(claim.position))
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
        return Outcome(promoted=self._holdings.promote(actor, cause=None))

    def _cancel_event(self) -> Outcome:
        # The caller ends the bookings by one statement; the ledger need not see them all.
        inventory = self.inventory
        inventory.confirmed = inventory.waiting = 0
        for kind in inventory.types.values():
            kind.confirmed = 0
        inventory.closure, inventory.promotes = Closure.CANCELLED, False
        for claim in self._holdings.known.values():
            if is_active(claim.status):
                claim.status = Status.CANCELLED
        return Outcome()
