"""The words of the ledger: what it is told, what it answers and what it notes down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an attendee, a member of the organizer's account, a door pass, or the system.

    `account_id` is that of the account, or of the pass. `network` is a keyed hash of the network
    that a stranger acts from: the mails that this causes are limited.
    """

    kind: str
    account_id: int | None = None
    network: str | None = field(default=None, compare=False)

    @property
    def is_organizer(self) -> bool:
        return self.kind == "organizer"

    @property
    def is_attendee(self) -> bool:
        return self.kind == "attendee"

    def __str__(self) -> str:
        """The actor as the history keeps it, such as `organizer:7`."""
        return self.kind if self.account_id is None else f"{self.kind}:{self.account_id}"

    @classmethod
    def parse(cls, text: str) -> "Actor":
        """The actor of a line of history."""
        kind, _, account_id = text.partition(":")
        return cls(kind, int(account_id) if account_id else None)


ATTENDEE = Actor("attendee")
# A term that is over, a question that has left.
SYSTEM = Actor("system")


def attendee(network: str | None) -> Actor:
    """An attendee, or whoever passes for one, in a network."""
    return Actor("attendee", network=network)


def organizer(account_id: int) -> Actor:
    """A member of an organizer's account."""
    return Actor("organizer", account_id)


def door(pass_id: int) -> Actor:
    """A device at the door with its pass."""
    return Actor("door", pass_id)


@dataclass(slots=True)
class Claim:
    """A booking as the ledger sees it; `reference` is carried along for the caller.

    `admitted` of its people have been let in at the door: nobody cancels it then, and it keeps as
    many tickets. `wants` says of which types its tickets are, such as `1:2,3:1`; it is empty where
    the event has no types. `code` is the number of the code that it was made with.
    """

    position: int
    attendee_id: str
    tickets: int
    status: Status
    reference: str = ""
    admitted: int = 0
    wants: str = ""
    code: int | None = None


class TermKind(StrEnum):
    """What an attendee is asked: whether the address is theirs, whether they are still coming."""

    ADDRESS = "address"
    COMING = "coming"


@dataclass(slots=True)
class Term:
    """The term of a booking as the ledger sees it: an open one waits for the answer.

    `is_over` says that the answer comes too late, though the booking may not have lapsed yet.
    """

    kind: TermKind
    is_open: bool = True
    is_over: bool = False


@dataclass(slots=True)
class BookTickets:
    """Claim tickets for an attendee, under a reference made by the caller.

    With `past_sale` it does not matter whether booking is open to everybody, to whom that is
    allowed. With `only_now` it is refused where it would wait. `wants` says of which types the
    tickets are, as in `Claim`; without it they are of the one type that is on sale. `code` is what
    the attendee typed: upper case, without spaces around it.
    """

    attendee_id: str
    tickets: int = 1
    reference: str = ""
    past_sale: bool = False
    only_now: bool = False
    wants: str = ""
    code: str | None = None


@dataclass(slots=True)
class CancelBooking:
    """Give up the booking at a position, or the active one of an attendee."""

    position: int | None = None
    attendee_id: str | None = None


@dataclass(slots=True)
class ChangeTickets:
    """Keep the booking at a position, with another number of tickets.

    With `past_sale` more are had although booking is not open to everybody, as for `BookTickets`.
    `wants` is needed where the booking has tickets of several types.
    """

    position: int
    tickets: int
    past_sale: bool = False
    wants: str = ""


@dataclass(slots=True)
class TakeFree:
    """Give the head of the waiting list, at a position, so many tickets of what is free now.

    They are fewer than it has asked for; it gives up the others. `wants` is as in `ChangeTickets`.
    """

    position: int
    tickets: int
    wants: str = ""


@dataclass(slots=True)
class KeepBooking:
    """Answer what the attendee of the booking at a position was asked.

    `shows_address` says that the answer came with what was only in the mail to the address.
    """

    position: int
    shows_address: bool = False


@dataclass(slots=True)
class SetLimits:
    """Give the event another number of tickets, and its types other quotas: `{type: quota}`.

    `largest_waiting` is the largest party waiting; where there are types the ledger knows it.
    """

    capacity: int
    largest_waiting: int = 0
    quotas: Mapping[int, int | None] = field(default_factory=dict)


@dataclass(slots=True)
class CancelEvent:
    """End the event and every booking of it."""


Command = (
    BookTickets | CancelBooking | ChangeTickets | TakeFree | KeepBooking | SetLimits | CancelEvent
)


class Reason(StrEnum):
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
    UNPROVEN = "unproven"
    NOT_WAITING = "not_waiting"
    NOT_NEXT = "not_next"
    NOT_FREE = "not_free"
    NOT_AT_ONCE = "not_at_once"
    OTHERS_WAIT = "others_wait"
    CAPACITY_TOO_LOW = "capacity_too_low"
    LIST_ENDED = "list_ended"
    ADMITTED = "admitted"
    NO_TYPES = "no_types"
    CHOOSE_TICKET_TYPE = "choose_ticket_type"
    TYPE_NOT_ON_SALE = "type_not_on_sale"
    TOO_MANY_TYPES = "too_many_types"
    TOO_FEW_OF_TYPE = "too_few_of_type"
    TOO_MANY_OF_TYPE = "too_many_of_type"
    MIXED_CHANGE = "mixed_change"
    QUOTA_TOO_LOW = "quota_too_low"
    UNKNOWN_CODE = "unknown_code"
    CODE_USED_UP = "code_used_up"
    TOO_MANY_WITH_CODE = "too_many_with_code"


@dataclass(slots=True)
class Refusal:
    """The command was refused; `limit` is the number that it broke, where there is one.

    `position` is that of the booking in its way, `ticket_type` the name of the type that it is
    about, or its number where the name is not to be told.
    """

    reason: Reason
    limit: int | None = None
    position: int | None = None
    ticket_type: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of a command, from the ledger to the view.

    `position`, `reference`, `status` and `tickets` are those of the booking that the command was
    about, as it is afterwards; `rank` is where it waits, from 1. A command about the event as a
    whole leaves them as they are here. `promoted` are the bookings that moved up, in order:
    `{position: reference}`. `repeated` says that there was nothing left to do, because the same was
    done before; `promoted` is then empty until the batch has looked into the history. `asked` says
    of a new booking that its address has to answer by mail. `wants` is as in `Claim`.
    """

    position: int = 0
    reference: str = ""
    status: Status = Status.CONFIRMED
    tickets: int = 0
    rank: int | None = None
    promoted: dict[int, str] = field(default_factory=dict)
    repeated: bool = False
    asked: bool = False
    wants: str = ""

    @classmethod
    def about(
        cls,
        claim: Claim,
        *,
        rank: int | None = None,
        promoted: dict[int, str] | None = None,
        repeated: bool = False,
    ) -> "Outcome":
        """The outcome of a command about a booking as it is now."""
        place = (claim.position, claim.reference, claim.status, claim.tickets, rank)
        return cls(*place, promoted=promoted or {}, repeated=repeated, wants=claim.wants)


class ActivityKind(StrEnum):
    """The kinds of line in a booking's history."""

    BOOKED = "booked"
    PROMOTED = "promoted"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    REDUCED = "reduced"
    ASKED = "asked"
    KEPT = "kept"
    RAISED = "raised"
    GIVEN = "given"
    ADMITTED = "admitted"
    LET_OUT = "let_out"


@dataclass(frozen=True, slots=True)
class ListEnd:
    """The waiting list ended when the booking at `cause` got tickets after the event's start.

    `lapsed` bookings that still waited lapse then, between line `after` of the history and the next
    one.
    """

    cause: int
    lapsed: int
    after: int


@dataclass(slots=True)
class HistoryLine:
    """What became of a booking, and by whom; `cause` is the booking that gave tickets back.

    `term` is what was asked, where the line tells of an answer or that none came. The wants are as
    in `Claim`, and null where the event has no types.
    """

    what: ActivityKind
    actor: Actor
    position: int
    status_before: Status | None
    status_after: Status
    tickets_before: int | None
    tickets_after: int
    cause: int | None = None
    term: TermKind | None = None
    wants_before: str | None = None
    wants_after: str | None = None
