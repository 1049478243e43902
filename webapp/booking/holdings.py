"""Who holds tickets and who waits while a batch is decided, and the moves that change it.

Whether a move may be made is for the ledger to say. Each move keeps the bookings, the figures, the
waiting list and the journal in step. Pure, like the ledger.
"""

from collections.abc import Callable, Iterable, Mapping

from webapp.booking.commands import (
    ActivityKind,
    Actor,
    Claim,
    Status,
    TermKind,
    takes_tickets,
)
from webapp.booking.inventory import Inventory
from webapp.booking.journal import Journal
from webapp.booking.line import Line, Walk
from webapp.booking.ticket_types import CodeFigures


class Holdings:
    """The bookings of one event that a batch touches: `claims` are those that its commands name.

    `read_list` gives the waiting list as `Line` wants it, `codes` are those that the commands name
    or the claims were made with: `{code: figures}`.
    """

    def __init__(
        self,
        inventory: Inventory,
        claims: Iterable[Claim],
        read_list: Callable[[], Mapping[str, Iterable[Claim]]],
        codes: Mapping[str, CodeFigures],
    ) -> None:
        self.inventory = inventory
        self.codes = codes
        self.journal = Journal(inventory.next_position)
        # All that the batch knows, `{position: claim}`; who is promoted comes to be known.
        self.known = {claim.position: claim for claim in claims}
        # An attendee books again only once a booking is over, so an active one is the latest.
        self.latest = {claim.attendee_id: claim for _, claim in sorted(self.known.items())}
        self.line = Line(read_list, self.known)
        # The positions that moved up in this batch.
        self.moved_up: set[int] = set()

    def code_of(self, claim: Claim) -> CodeFigures | None:
        """The code that a booking was made with."""
        return next((code for code in self.codes.values() if code.number == claim.code), None)

    def add(self, claim: Claim, actor: Actor, *, walked: Walk | None) -> None:
        """Take in a new booking, which is confirmed or waits.

        `walked` is the walk along all who wait, the new one too, if that is known.
        """
        if takes_tickets(claim.status):
            self.end_list(claim.position)
            self.inventory.take(claim.tickets, claim.wants)
        else:
            self.inventory.waiting += 1
            if claim.wants:
                self.journal.queues[claim.wants] += 1
            self.line.join(claim)
        self.line.walked = walked
        self.inventory.next_position += 1
        self.known[claim.position] = claim
        self.latest[claim.attendee_id] = claim
        self._use_code(claim, claim.tickets)
        self.journal.created.append(claim)
        self.journal.note(ActivityKind.BOOKED, actor, claim, None, None)

    def cancel(self, claim: Claim, actor: Actor) -> None:
        """Cancel an active booking."""
        before = claim.status
        self._leave(claim, Status.CANCELLED)
        self.journal.change(self.journal.cancelled, claim)
        self.journal.note(ActivityKind.CANCELLED, actor, claim, before, claim.tickets)

    def lapse(self, listed: Claim, kind: TermKind, actor: Actor) -> None:
        """Have an active booking lapse whose term is over; it may be new to this batch."""
        claim = self.known.setdefault(listed.position, listed)
        before = claim.status
        self._leave(claim, Status.LAPSED)
        self.journal.lapsed[claim.position] = claim
        self.journal.note(ActivityKind.LAPSED, actor, claim, before, claim.tickets, term=kind)

    def resize(
        self, claim: Claim, tickets: int, wants: str, what: ActivityKind, actor: Actor
    ) -> None:
        """Give an active booking another number of tickets."""
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
            self.line.join(claim)
        self.line.walked = None
        self.journal.change(self.journal.resized, claim)
        self.journal.note(what, actor, claim, claim.status, before, wants_before=wanted_before)

    def promote(self, actor: Actor, *, cause: int | None) -> dict[int, str]:
        """Walk the list from its head until nobody is next: `{position: reference}` of who was."""
        promoted: dict[int, str] = {}
        while claim := self.line.next_in_line(self.inventory):
            claim.status = Status.CONFIRMED
            self.inventory.take(claim.tickets, claim.wants)
            self._leave_list(claim)
            self.journal.change(self.journal.promoted, claim)
            self.moved_up.add(claim.position)
            self.journal.note(
                ActivityKind.PROMOTED, actor, claim, Status.WAITING, claim.tickets, cause=cause
            )
            promoted[claim.position] = claim.reference
        return promoted

    def end_list(self, cause: int) -> None:
        """After the start: all who still wait lapse before the booking at `cause` gets more."""
        if self.inventory.waiting and not self.inventory.promotes:
            self.journal.end_list(cause, self.inventory.waiting)
            self.inventory.waiting = 0
            for claim in self.known.values():
                if claim.status is Status.WAITING:
                    claim.status = Status.LAPSED

    def _leave(self, claim: Claim, status: Status) -> None:
        """End an active booking: its tickets, or its place in the list, are free."""
        if takes_tickets(claim.status):
            self.inventory.take(claim.tickets, claim.wants, sign=-1)
        else:
            self._leave_list(claim)
        self._use_code(claim, -claim.tickets)
        claim.status = status
        self.line.walked = None

    def _leave_list(self, claim: Claim) -> None:
        self.inventory.waiting -= 1
        if claim.wants:
            self.journal.queues[claim.wants] -= 1

    def _use_code(self, claim: Claim, tickets: int) -> None:
        """Count tickets that are had with the code of a booking, or given back."""
        if claim.code is not None:
            self.journal.codes[claim.code] += tickets
            if code := self.code_of(claim):
                code.used += tickets
