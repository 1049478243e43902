"""What can go wrong, as facts: codes and parameters, without HTTP and without sentences.

text/sentences.py says it in words, web/error_responses.py makes answers of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar


@dataclass(init=False, slots=True)
class Problem:
    """What is wrong with one field: `Problem("too_long", limit=200)`."""

    code: str
    parameters: dict[str, Any]

    def __init__(self, code: str, **parameters: Any) -> None:
        self.code = code
        self.parameters = parameters


class DomainError(Exception):
    """Something the caller asked for cannot be done; nothing has been changed.

    `code` is stable and told to programs; `reason` tells apart what shares a code. `parameters`
    are what a sentence about it names, `problems` what is wrong with which field:
    `{field: Problem}`.
    """

    code: ClassVar[str]

    def __init__(
        self,
        reason: str = "",
        *,
        problems: Mapping[str, Problem] | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__()
        self.reason = reason
        self.parameters = parameters
        self.problems = problems or {}

    @property
    def kind(self) -> str:
        """The code with the reason, such as `event_closed.draft`: the name of its sentence."""
        return f"{self.code}.{self.reason}" if self.reason else self.code

    def __str__(self) -> str:
        facts = {**self.parameters, **self.problems}
        return " ".join([self.kind, *(f"{name}={fact}" for name, fact in facts.items())])


class InvalidInput(DomainError):
    """One or more fields are wrong: `InvalidInput({"tickets": Problem("whole_number")})`."""

    code = "invalid_input"

    def __init__(self, problems: Mapping[str, Problem]) -> None:
        super().__init__(problems=problems)


class ChooseTicketType(InvalidInput):
    """Several ticket types can be had, and it was not said which."""

    code = "choose_ticket_type"

    def __init__(self) -> None:
        super().__init__({"items": Problem("choose_ticket_type")})


class UnknownCode(InvalidInput):
    """A code that is no use, for whatever reason: nobody learns which ones there are."""

    code = "unknown_code"

    def __init__(self) -> None:
        super().__init__({"code": Problem("unknown_code")})


class TypeNotFound(DomainError):
    code = "type_not_found"


class TypeInUse(DomainError):
    """A ticket type that cannot go: somebody has booked it, or (reason `code`) a code is for it."""

    code = "type_in_use"


class CodeNotFound(DomainError):
    """The event has no code of this number."""

    code = "code_not_found"


class CodeInUse(DomainError):
    """A code that cannot go: somebody has booked with it."""

    code = "code_in_use"


class EventNotFound(DomainError):
    code = "event_not_found"


class BookingNotFound(DomainError):
    code = "booking_not_found"


class LinkReplaced(DomainError):
    """The reference was a booking's until another one took its place.

    `reason` is "given" where the ticket was given to somebody else, "given_to" where their `name`
    is known to whoever has the reference.
    """

    code = "link_replaced"


class LinkExpired(DomainError):
    """The token of a mailed link is too old, was used, or is none.

    `reason` is "password" or "address" where it is for an organizer's account.
    """

    code = "link_expired"


class InsufficientAccess(DomainError):
    """The token's level allows less than the call needs; `level` is what it needs."""

    code = "insufficient_access"


class TokenNotFound(DomainError):
    """There is no API token of that id, or not any more."""

    code = "token_not_found"


class PassEnded(DomainError):
    """Only a device with a door pass may do this, and this one has none that is good now.

    `reason` is "unknown" for what is none, and "ended" or "revoked" for one that is over.
    """

    code = "pass_ended"


class PassNotFound(DomainError):
    """There is no door pass of that id for the event."""

    code = "pass_not_found"


class PassMayNotSell(DomainError):
    """The door pass is not for people without a ticket."""

    code = "pass_may_not_sell"


class NoAddress(DomainError):
    """The booking has no e-mail address to which its link could be sent."""

    code = "no_address"


class AlreadyBooked(DomainError):
    """The attendee holds an active booking; `position` is for services, never for a stranger."""

    code = "already_booked"

    def __init__(self, reason: str = "", *, position: int) -> None:
        super().__init__(reason)
        self.position = position


class EventClosed(DomainError):
    """Nobody can book now, or what was asked of the event does not go with its status.

    `reason` is a `Closure` or "has_bookings". With "not_yet_open" comes the moment at which
    booking opens, and the zone in which to tell it.
    """

    code = "event_closed"

    def __init__(
        self, reason: str, *, opens_at: datetime | None = None, time_zone: str = "UTC"
    ) -> None:
        super().__init__(reason)
        if opens_at is not None:
            self.parameters = {"opens_at": opens_at, "time_zone": time_zone}


class SoldOut(DomainError):
    """No ticket is left and nobody can wait; `reason` is "started" where that ended the list.

    To somebody who would not wait it is "at_once", or "others_wait" where what is free is theirs.
    """

    code = "sold_out"


class WaitingListFull(DomainError):
    code = "waiting_list_full"


class BookingClosed(DomainError):
    """The booking can no longer be changed by its attendee.

    `reason` is "not_active", "lapsed", "too_late", "admitted" where somebody of it is in (nobody
    cancels it then), or "not_waiting" where it has its tickets. What
    cannot be given to somebody else is "not_confirmed", or "unanswered" where its own attendee has
    not shown yet that the address is theirs.
    """

    code = "booking_closed"


class TokenNeeded(DomainError):
    """Only who has read the mail to an address can answer for it: the token is nowhere else."""

    code = "token_needed"


class NotFree(DomainError):
    """So many tickets are not to be had now; the booking stays as it is.

    `free` is how many are. `reason` is "none" where none is, "others_wait" where what is free is
    for whoever waits, "not_next" where a booking that is not their head asks for it, and "at_once"
    where a new booking asks for more than are free and would not wait.
    """

    code = "not_free"

    def __init__(self, reason: str = "", *, free: int | None = None) -> None:
        super().__init__("none" if free == 0 else reason)
        if free:
            self.parameters = {"free": free}


class IdempotencyConflict(DomainError):
    code = "idempotency_key_reused"


class NameTaken(DomainError):
    code = "name_taken"

    def __init__(self, *, username: str) -> None:
        super().__init__(username=username)


class EditConflict(DomainError):
    """What was to be overwritten has been changed since the caller read it.

    `changed` is {column: value now} of what stands in the way, `row` the whole row as it is now.
    """

    code = "edit_conflict"

    def __init__(self, changed: dict[str, Any], *, row: Any) -> None:
        super().__init__()
        self.changed = changed
        self.row = row


class Unavailable(DomainError):
    """The database is away or too busy; the same request may be sent again."""

    code = "unavailable"
