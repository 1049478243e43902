"""What a scan comes to, as pure decisions about one guest after the other.

A guest is a booking as the door sees it. Its tickets are numbered from 1, and those of its people
who are in are the first of them: `admitted` says how many.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class What(StrEnum):
    """What a scan asks for: to let people in, or to take that back."""

    IN = "in"
    OUT = "out"


class Verdict(StrEnum):
    """What the door is told."""

    ADMITTED = "admitted"
    # All of the booking are in.
    AGAIN = "again"
    # More people than are left of the booking, or more to let out than are in: nobody is moved.
    TOO_MANY = "too_many"
    NOT_CONFIRMED = "not_confirmed"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    OTHER_EVENT = "other_event"
    UNKNOWN = "unknown"
    UNDONE = "undone"
    # Nobody of the booking is in who could be let out.
    NOT_IN = "not_in"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a device sends, under a random id of its own.

    The guest is named by the code of the ticket, or by the `position` of the booking where
    somebody was found by name. `at` is what the clock of the device says. An `offline` scan, and
    one `anyway`, tells of people who are inside.
    """

    id: str
    what: What = What.IN
    code: str | None = None
    position: int | None = None
    count: int = 1
    at: datetime | None = None
    offline: bool = False
    anyway: bool = False

    @property
    def has_happened(self) -> bool:
        """Whether the device has let people in, or out, before it asked."""
        return self.offline or self.anyway


@dataclass(slots=True)
class Guest:
    """A booking at the door; with `first_at` and the actor `first_by` once somebody is in.

    `wants` says of which types its tickets are; which of them are in nobody is asked.
    """

    position: int
    status: str
    tickets: int
    admitted: int = 0
    name: str = ""
    first_at: datetime | None = None
    first_by: str = ""
    wants: str = ""

    @property
    def left(self) -> int:
        """How many people of the booking are not in yet."""
        return self.tickets - self.admitted


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict; so many people are `moved` in or out, and `twice` are in on used tickets."""

    verdict: Verdict
    moved: int = 0
    twice: int = 0


def decide(scan: Scan, guest: Guest, *, is_event_cancelled: bool) -> Decision:
    """What becomes of a scan whose guest was found."""
    if scan.what is What.OUT:
        return _let_out(scan, guest)
    if is_event_cancelled or guest.status == "cancelled":
        return Decision(Verdict.CANCELLED)
    if guest.status != "confirmed":
        return Decision(Verdict.NOT_CONFIRMED)
    if scan.count <= guest.left:
        return Decision(Verdict.ADMITTED, moved=scan.count)
    if scan.has_happened:
        return Decision(Verdict.AGAIN, moved=guest.left, twice=scan.count - guest.left)
    return Decision(Verdict.TOO_MANY if guest.left else Verdict.AGAIN)


def _let_out(scan: Scan, guest: Guest) -> Decision:
    if not guest.admitted:
        return Decision(Verdict.NOT_IN)
    if scan.count <= guest.admitted or scan.has_happened:
        return Decision(Verdict.UNDONE, moved=min(scan.count, guest.admitted))
    return Decision(Verdict.TOO_MANY)
