"""The words of the ledger: what it is told, what it answers and what it notes down."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The state of a booking."""

    CONFIRMED = "confirmed"
    WAITING = "waiting"
    CANCELLED = "cancelled"
    # Its attendee did not do in time what the booking depended on.
    LAPSED = "lapsed"
    # Its tickets are set aside until they are paid for.
    HELD = "held"


ACTIVE = (Status.CONFIRMED, Status.WAITING, Status.HELD)
TAKING_TICKETS = (Status.CONFIRMED, Status.HELD)


def is_active(status: str) -> bool:
    """Whether a booking of this status is still one: it takes tickets or waits for them."""
    return status in ACTIVE


def takes_tickets(status: str) -> bool:
    """Whether the tickets of a booking of this status are taken from the event's capacity."""
    return status in TAKING_TICKETS


class Refusal(StrEnum):
    """Why a command was not carried out; a refused command changes nothing."""

    TOO_FEW_TICKETS = "too_few_tickets"
    TOO_MANY_TICKETS = "too_many_tickets"
    ALREADY_BOOKED = "already_booked"
    NOT_OPEN = "not_open"
    SOLD_OUT = "sold_out"
    WAITING_LIST_FULL = "waiting_list_full"
    NO_SUCH_BOOKING = "no_such_booking"
    TOO_LATE = "too_late"
    NOT_ACTIVE = "not_active"
    LAPSED = "lapsed"
    NOT_FEWER = "not_fewer"
    CAPACITY_TOO_LOW = "capacity_too_low"


@dataclass(slots=True)
class Inventory:
    """The figures of an event and what its settings allow now.

    `confirmed` counts tickets, `waiting` counts bookings. `waiting_list_limit` is the most
    bookings that may wait: `None` for no limit, 0 for no waiting list.
    """

    capacity: int
    confirmed: int = 0
    waiting: int = 0
    next_position: int = 1
    max_tickets: int = 10
    waiting_list_limit: int | None = None
    open: bool = True
    promotes: bool = True
    attendees_may_cancel: bool = True

    @property
    def free(self) -> int:
        """Tickets that nobody holds; the public is offered none of them while somebody waits."""
        return self.capacity - self.confirmed


@dataclass(slots=True)
class Claim:
    """A booking as the ledger sees it; `reference` is carried along for the caller."""

    position: int
    attendee_id: str
    tickets: int
    status: Status
    reference: str = ""


@dataclass(slots=True)
class Book:
    """Claim tickets for an attendee, under a reference made by the caller."""

    attendee_id: str
    tickets: int = 1
    reference: str = ""


@dataclass(slots=True)
class Cancel:
    """Give up the booking at a position, or the active one of an attendee."""

    position: int | None = None
    attendee_id: str | None = None
    by_organizer: bool = False


@dataclass(slots=True)
class ChangeTickets:
    """Keep the booking at a position, with fewer tickets."""

    position: int
    tickets: int
    by_organizer: bool = False


@dataclass(slots=True)
class SetCapacity:
    """Give the event another number of tickets; `largest_waiting` is the largest party waiting."""

    capacity: int
    largest_waiting: int = 0


@dataclass(slots=True)
class CancelEvent:
    """End the event and every booking of it."""


Command = Book | Cancel | ChangeTickets | SetCapacity | CancelEvent


@dataclass(slots=True)
class Refused:
    """The command was refused; `limit` is the number that it broke, where there is one."""

    reason: Refusal
    limit: int | None = None
    position: int | None = None


@dataclass(slots=True)
class Booked:
    """A booking was made; `rank` is where it waits, or `None` when it is confirmed."""

    position: int
    status: Status
    tickets: int
    rank: int | None


@dataclass(slots=True)
class Released:
    """A booking was cancelled or made smaller; `promoted` are the positions that moved up.

    `repeated` says that there was nothing left to do. `promoted` is `None` where an earlier batch
    did it, whose history knows who moved up.
    """

    position: int
    tickets: int
    promoted: list[int] | None
    repeated: bool = False


@dataclass(slots=True)
class Resized:
    """The capacity is set; `promoted` are the positions that moved up."""

    promoted: list[int]


@dataclass(slots=True)
class Closed:
    """The event was cancelled with all its bookings."""


Outcome = Refused | Booked | Released | Resized | Closed


class What(StrEnum):
    """The kinds of line in a booking's history."""

    BOOKED = "booked"
    PROMOTED = "promoted"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    REDUCED = "reduced"


@dataclass(slots=True)
class Entry:
    """One line of history: what became of a booking, by which command of the batch."""

    command: int
    what: What
    position: int
    status_before: Status | None
    status_after: Status
    tickets_before: int | None
    tickets_after: int
    cause: int | None = None
