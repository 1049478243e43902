"""Who gets a ticket, who waits and what is open: the one place that says so, for ledger and pages.

Pure: figures and a moment come in, nothing is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from webapp.booking.commands import Actor, Reason, Refusal, SetLimits
from webapp.booking.ticket_types import Types, wants_of
from webapp.storage.rows import LockedEvent

# How long who moved up may think it over, whatever the event's own deadline says.
TIME_TO_GIVE_BACK = timedelta(hours=24)
A_DAY = timedelta(days=1)


class Closure(StrEnum):
    """Why nobody can book an event now."""

    DRAFT = "draft"
    CANCELLED = "cancelled"
    OVER = "over"
    STARTED = "started"
    NOT_YET_OPEN = "not_yet_open"
    CLOSED = "closed"


# Where nothing can be booked any more, by nobody.
ENDED = (Closure.CANCELLED, Closure.OVER)


@dataclass(slots=True)
class Inventory:
    """The figures of an event and what its settings allow now.

    `confirmed` counts the tickets that are taken, `waiting` counts bookings. `waiting_list_limit`
    is the most bookings that may wait: `None` for no limit, 0 for no waiting list. `promotes` says
    that there is a list: it has ended once the event has started, and whoever is still on it is in
    nobody's way. `attendees_may_cancel` is about tickets: who waits may leave at any time. `types`
    are those of its tickets, `{number: figures}`: none where they are all alike.
    """

    capacity: int
    confirmed: int = 0
    waiting: int = 0
    next_position: int = 1
    max_tickets: int = 10
    waiting_list_limit: int | None = None
    closure: Closure | None = None
    promotes: bool = True
    attendees_may_cancel: bool = True
    types: Types = field(default_factory=dict)

    def take(self, tickets: int, wants: str, *, sign: int = 1) -> None:
        """Count tickets as taken, or as given back where `sign` is -1."""
        self.confirmed += sign * tickets
        if wants:
            for number, count in wants_of(wants).items():
                self.types[number].confirmed += sign * count

    @property
    def free(self) -> int:
        """Tickets that nobody holds; the public is offered none of them while somebody waits."""
        return self.capacity - self.confirmed

    @property
    def available(self) -> int:
        """Tickets that a newcomer can have at once, where they are all alike."""
        return 0 if self.waiting and self.promotes else self.free

    @property
    def most(self) -> int:
        """Tickets that one booking may have."""
        return min(self.max_tickets, self.capacity)

    @property
    def has_place_in_list(self) -> bool:
        """Whether one more booking may wait."""
        if not self.promotes:
            return False
        return self.waiting_list_limit is None or self.waiting < self.waiting_list_limit

    @property
    def has_list(self) -> bool:
        """Whether there is a waiting list, full or not."""
        return self.promotes and self.waiting_list_limit != 0

    def is_closed_to(self, actor: Actor, *, past_sale: bool = False) -> bool:
        """Whether somebody can have no tickets now.

        `past_sale` is for an organizer until the event is over or cancelled, and for others than
        attendees who sell for them, once it has started.
        """
        if self.closure is None:
            return False
        return not (past_sale and self.may_pass(actor)) or self.closure in ENDED

    def may_pass(self, actor: Actor) -> bool:
        """Whether somebody who sells may do so past the doors of sale, unless the event is over."""
        return actor.is_organizer or (
            not (self.promotes or actor.is_attendee) and self.closure is not Closure.DRAFT
        )

    def free_for(self, wants: str) -> int:
        """Tickets that nobody holds: of the one type that is wanted, of any where none is named.

        Of several types no more of each than are wanted.
        """
        wanted = wants_of(wants)
        if not wanted:
            return self.free
        # Of a type without a quota there are as many as there are seats.
        left = {
            number: self.free if (left := self.types[number].left) is None else left
            for number in wanted
        }
        if len(wanted) > 1:
            left = {number: min(left[number], tickets) for number, tickets in wanted.items()}
        return min(self.free, sum(left.values()))

    def limit(self, command: SetLimits, waiting: Iterable[str]) -> Refusal | None:
        """Set capacity and quotas, unless they are less than what is taken or somebody waits for.

        `waiting` is what is waited for, where there are types.
        """
        wanted = [wants_of(wants) for wants in waiting]
        largest = max([sum(wants.values()) for wants in wanted], default=command.largest_waiting)
        if command.capacity < (least := max(self.confirmed, largest, 1)):
            return Refusal(Reason.CAPACITY_TOO_LOW, least)
        for number, quota in command.quotas.items():
            kind = self.types[number]
            least = max([kind.confirmed, 1, *(wants.get(number, 0) for wants in wanted)])
            if quota is not None and quota < least:
                return Refusal(Reason.QUOTA_TOO_LOW, least, ticket_type=kind.name)
        self.capacity = command.capacity
        for number, quota in command.quotas.items():
            self.types[number].quota = quota
        return None

    def nothing_for_newcomer(self, wants: str, *, only_now: bool) -> Refusal:
        """Why a newcomer neither has tickets nor waits; `only_now` for one who would not wait."""
        if only_now and self.waiting and self.promotes:
            return Refusal(Reason.NOT_AT_ONCE)
        free = self.free_for(wants)
        if only_now and (self.promotes or free):
            return Refusal(Reason.NOT_AT_ONCE, free)
        if not self.has_list:
            return Refusal(Reason.SOLD_OUT)
        return Refusal(Reason.WAITING_LIST_FULL, self.waiting_list_limit)

    def more_for(self, tickets: int, actor: Actor) -> int:
        """Tickets that a booking which has so many can have besides, at once, from who acts."""
        if self.is_closed_to(actor, past_sale=True):
            return 0
        return max(0, min(self.available, self.most - tickets))


def has_started(event: LockedEvent, now: datetime) -> bool:
    """Whether the event has begun; one without a start never does."""
    return event.starts_at is not None and event.starts_at <= now


def end_of(
    *, starts_at: datetime | None, ends_at: datetime | None, time_zone: str
) -> datetime | None:
    """When an event is over: at its end, else at midnight after its start, where it takes place.

    One without a start never is.
    """
    if starts_at is None or ends_at is not None:
        return ends_at
    there = starts_at.astimezone(ZoneInfo(time_zone))
    return datetime.combine(there.date() + A_DAY, time(), there.tzinfo).astimezone(UTC)


def is_over(event: LockedEvent, now: datetime) -> bool:
    """Whether the event has ended."""
    if not has_started(event, now):
        return False
    end = end_of(starts_at=event.starts_at, ends_at=event.ends_at, time_zone=event.time_zone)
    return end is not None and end <= now


def inventory_of(
    event: LockedEvent, now: datetime, types: Types = MappingProxyType({})
) -> Inventory:
    """The figures of an event row and what its settings allow at `now`."""
    until = give_back_until(event)
    return Inventory(
        capacity=event.capacity,
        confirmed=event.confirmed,
        waiting=event.waiting,
        next_position=event.next_position,
        max_tickets=event.max_tickets_per_booking,
        waiting_list_limit=event.waiting_list_limit,
        closure=closure_of(event, now),
        promotes=event.status != "cancelled" and not has_started(event, now),
        attendees_may_cancel=until is None or now < until,
        types=types,
    )


def closure_of(event: LockedEvent, now: datetime) -> Closure | None:
    """Why nobody can book at `now`; `None` while the event is open.

    Booking closes at the start, unless a closing of its own lies behind that.
    """
    if event.status == "draft":
        return Closure.DRAFT
    if event.status == "cancelled":
        return Closure.CANCELLED
    if has_started(event, now):
        if is_over(event, now):
            return Closure.OVER
        if not _sells_while_it_runs(event):
            return Closure.STARTED
    if event.sales_open_at is not None and now < event.sales_open_at:
        return Closure.NOT_YET_OPEN
    if event.sales_close_at is not None and event.sales_close_at <= now:
        return Closure.CLOSED
    return None


def _sells_while_it_runs(event: LockedEvent) -> bool:
    closes, starts = event.sales_close_at, event.starts_at
    return closes is not None and starts is not None and closes > starts


def give_back_until(event: LockedEvent, promoted_at: datetime | None = None) -> datetime | None:
    """Until when an attendee may give tickets back; `None` for ever.

    Who moved up at `promoted_at` has a day for it, though not past the start.
    """
    until = event.cancel_until or event.starts_at
    if until is None or promoted_at is None:
        return until
    late = promoted_at + TIME_TO_GIVE_BACK
    return max(until, late if event.starts_at is None else min(late, event.starts_at))


def available(event: LockedEvent, now: datetime) -> int:
    """Tickets that a newcomer could have, whether or not booking is open."""
    if event.status == "cancelled" or (event.waiting and not has_started(event, now)):
        return 0
    return event.capacity - event.confirmed


class Offer(NamedTuple):
    """What a newcomer can have now: `left` tickets at once, or `place` in the waiting list.

    `most` is how many one booking may have. Where nothing can be had, `closure` says why, or the
    event `is_full`: that may change with the next cancel. `has_waiting_list` tells whether it is
    the list that is full; once the event `has_started` there is none. `opens_at` is when booking
    opens, if it will.
    """

    left: int
    place: int | None
    most: int
    closure: Closure | None
    is_full: bool
    has_waiting_list: bool
    has_started: bool
    opens_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether anything can be had."""
        return self.closure is None and not self.is_full


def offer_of(event: LockedEvent, now: datetime, *, available: int | None = None) -> Offer:
    """The offer of an event at `now`, as of its row.

    `available` are the tickets that a newcomer can have at once, where there are types.
    """
    inventory = inventory_of(event, now)
    is_open = inventory.closure is None
    left = (inventory.available if available is None else available) if is_open else 0
    has_place = is_open and inventory.has_place_in_list
    opens = inventory.closure is Closure.NOT_YET_OPEN
    return Offer(
        left=left,
        place=inventory.waiting + 1 if has_place else None,
        most=inventory.most,
        closure=inventory.closure,
        is_full=is_open and not left and not has_place,
        has_waiting_list=inventory.has_list,
        has_started=has_started(event, now),
        opens_at=event.sales_open_at if opens else None,
    )
