"""The rules of tickets and waiting list once more, as plainly as they can be said.

It shares nothing with the ledger: every booking in one list, every figure counted from it anew.
The tests hold the ledger against it, command by command.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Booking:
    attendee: str
    tickets: int
    status: str
    moved_up_lately: bool = False
    promoted_by_its_cancel: list[int] = field(default_factory=list)


@dataclass
class Event:
    """One event and its book; a booking's position is its place in the list, from 1."""

    capacity: int
    most: int = 10
    waiting_limit: int | None = None
    is_open: bool = True
    is_over: bool = False
    promotes: bool = True
    may_cancel: bool = True
    bookings: list[Booking] = field(default_factory=list)

    def confirmed_tickets(self) -> int:
        return sum(b.tickets for b in self.bookings if b.status == "confirmed")

    def waiting_positions(self) -> list[int]:
        return [p for p, b in enumerate(self.bookings, 1) if b.status == "waiting"]

    def is_active(self, position: int) -> bool:
        return self.bookings[position - 1].status in ("confirmed", "waiting")

    def positions_of(self, attendee: str) -> list[int]:
        return [p for p, b in enumerate(self.bookings, 1) if b.attendee == attendee]

    def lets_in(self, *, by_organizer: bool, past_sale: bool) -> bool:
        return self.is_open or (past_sale and by_organizer and not self.is_over)

    def book(
        self,
        attendee: str,
        tickets: int,
        *,
        by_organizer: bool = False,
        past_sale: bool = False,
        only_now: bool = False,
    ) -> tuple[object, ...]:
        if not self.lets_in(by_organizer=by_organizer, past_sale=past_sale):
            return "refused", "not_open"
        if tickets < 1:
            return "refused", "too_few_tickets"
        if tickets > self.most or tickets > self.capacity:
            return "refused", "too_many_tickets"
        if any(self.holds(p) for p in self.positions_of(attendee)):
            return "refused", "already_booked"
        if not self.promotes:
            return self.sell_while_it_runs(attendee, tickets, only_now=only_now)
        ahead = len(self.waiting_positions())
        if ahead == 0 and self.confirmed_tickets() + tickets <= self.capacity:
            self.bookings.append(Booking(attendee, tickets, "confirmed"))
            return "booked", len(self.bookings), "confirmed", None
        if only_now:
            return "refused", "not_at_once"
        if self.waiting_limit == 0:
            return "refused", "sold_out"
        if self.waiting_limit is not None and ahead >= self.waiting_limit:
            return "refused", "waiting_list_full"
        self.bookings.append(Booking(attendee, tickets, "waiting"))
        return "booked", len(self.bookings), "waiting", ahead + 1

    def holds(self, position: int) -> bool:
        """Whether a booking is in the way of another one; a place in a list that ended is not."""
        waits = self.bookings[position - 1].status == "waiting"
        return self.is_active(position) and (self.promotes or not waits)

    def sell_while_it_runs(
        self, attendee: str, tickets: int, *, only_now: bool
    ) -> tuple[object, ...]:
        free = self.capacity - self.confirmed_tickets()
        if tickets > free:
            return "refused", "not_at_once" if only_now and free else "sold_out"
        self.end_list()
        self.bookings.append(Booking(attendee, tickets, "confirmed"))
        return "booked", len(self.bookings), "confirmed", None

    def end_list(self) -> None:
        for position in self.waiting_positions():
            self.bookings[position - 1].status = "lapsed"

    def cancel(self, position: int, *, by_organizer: bool) -> tuple[object, ...]:
        if not 1 <= position <= len(self.bookings):
            return "refused", "no_such_booking"
        booking = self.bookings[position - 1]
        if self.is_active(position):
            if not self.may_give_back(booking, by_organizer=by_organizer):
                return "refused", "too_late"
            booking.status = "cancelled"
            booking.promoted_by_its_cancel = self.promote()
        return "released", position, booking.tickets, booking.promoted_by_its_cancel

    def cancel_attendee(self, attendee: str, *, by_organizer: bool) -> tuple[object, ...]:
        positions = self.positions_of(attendee)
        return self.cancel(positions[-1] if positions else 0, by_organizer=by_organizer)

    def change(
        self, position: int, tickets: int, *, by_organizer: bool, past_sale: bool = False
    ) -> tuple[object, ...]:
        if not 1 <= position <= len(self.bookings):
            return "refused", "no_such_booking"
        booking = self.bookings[position - 1]
        if booking.status == "lapsed":
            return "refused", "lapsed"
        if booking.status == "cancelled":
            return "refused", "not_active"
        if tickets < 1:
            return "refused", "too_few_tickets"
        if tickets == booking.tickets:
            return "released", position, tickets, []
        if tickets > booking.tickets:
            if not self.lets_in(by_organizer=by_organizer, past_sale=past_sale):
                return "refused", "not_open"
            return self.raise_to(position, tickets)
        if not self.may_give_back(booking, by_organizer=by_organizer):
            return "refused", "too_late"
        booking.tickets = tickets
        return "released", position, tickets, self.promote()

    def raise_to(self, position: int, tickets: int) -> tuple[object, ...]:
        booking = self.bookings[position - 1]
        if tickets > self.most or tickets > self.capacity:
            return "refused", "too_many_tickets"
        if self.promotes and self.waiting_positions():
            return "refused", "others_wait"
        if booking.status == "waiting":
            return "refused", "list_ended"
        if self.confirmed_tickets() - booking.tickets + tickets > self.capacity:
            return "refused", "not_free"
        if not self.promotes:
            self.end_list()
        booking.tickets = tickets
        return "released", position, tickets, []

    def take(self, position: int, tickets: int) -> tuple[object, ...]:
        if not 1 <= position <= len(self.bookings):
            return "refused", "no_such_booking"
        booking = self.bookings[position - 1]
        if booking.status == "lapsed":
            return "refused", "lapsed"
        if booking.status == "cancelled":
            return "refused", "not_active"
        if tickets < 1:
            return "refused", "too_few_tickets"
        if booking.status == "confirmed" and tickets == booking.tickets:
            return "released", position, tickets, []
        if booking.status == "confirmed":
            return "refused", "not_waiting"
        if not self.promotes:
            return "refused", "list_ended"
        if position != self.waiting_positions()[0]:
            return "refused", "not_next"
        if self.confirmed_tickets() + tickets > self.capacity:
            return "refused", "not_free"
        booking.tickets = tickets
        return "released", position, tickets, self.promote()

    def may_give_back(self, booking: Booking, *, by_organizer: bool) -> bool:
        late = booking.moved_up_lately and self.promotes
        return by_organizer or self.may_cancel or booking.status == "waiting" or late

    def let_a_day_pass(self) -> None:
        for booking in self.bookings:
            booking.moved_up_lately = False

    def lapse(self, positions: Iterable[int]) -> tuple[object, ...]:
        """What happens when the terms of these are over, whoever of them is still there."""
        lapsed = [p for p in positions if p <= len(self.bookings) and self.is_active(p)]
        for position in lapsed:
            self.bookings[position - 1].status = "lapsed"
        return "lapsed", lapsed, self.promote() if lapsed else []

    def set_capacity(self, capacity: int) -> tuple[object, ...]:
        largest = max((self.bookings[p - 1].tickets for p in self.waiting_positions()), default=0)
        if capacity < 1 or capacity < self.confirmed_tickets() or capacity < largest:
            return "refused", "capacity_too_low"
        self.capacity = capacity
        return "resized", self.promote()

    def cancel_event(self) -> tuple[object, ...]:
        for position, booking in enumerate(self.bookings, 1):
            if self.is_active(position):
                booking.status = "cancelled"
        self.is_open = self.promotes = False
        self.is_over = True
        return ("closed",)

    def promote(self) -> list[int]:
        promoted: list[int] = []
        while self.promotes and (waiting := self.waiting_positions()):
            head = self.bookings[waiting[0] - 1]
            if self.confirmed_tickets() + head.tickets > self.capacity:
                break
            head.status = "confirmed"
            head.moved_up_lately = True
            promoted.append(waiting[0])
        return promoted
