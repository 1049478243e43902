"""Who is next in line.

One sentence decides: nobody gets what somebody ahead of them lacks. Read from its head, a booking
in the list lacks a type if fewer of it are left than it wants, or if somebody ahead of it lacks
that type. Who lacks a type is passed over. Who lacks none gets the tickets if there is room for
all of them, and ends the walk if there is not: nobody behind gets anything. After each promotion
the walk begins again at the head, as somebody ahead may lack more than before. A newcomer is the
last in line.

Bookings that want the same lack the same, so it suffices to look at the first of each queue: the
bookings in the list with equal wants. An event without types is the case of a single queue, whose
bookings may be of any size: none of them can lack a type, so its first fits or ends the walk.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from webapp.booking.commands import Claim, Status
from webapp.booking.inventory import Inventory
from webapp.booking.ticket_types import wants_of

_by_position = attrgetter("position")


class InconsistentLedger(Exception):
    """The figures of an event contradict its bookings; nothing may be decided on them."""


@dataclass(slots=True)
class Walk:
    """A look along the list from its head.

    `lacking` are the types that somebody so far lacks; `is_stopped` says that somebody who lacks
    none has found no room.
    """

    inventory: Inventory
    lacking: set[int] = field(default_factory=set)
    is_stopped: bool = False

    def reaches(self, tickets: int, wants: str) -> bool:
        """Whether the next one in line, who wants this, gets it now."""
        if self.is_stopped:
            return False
        if wants and (lacks := self.lacks(wants)):
            self.lacking.update(lacks)
            return False
        self.is_stopped = tickets > self.inventory.free
        return not self.is_stopped

    def lacks(self, wants: str) -> list[int]:
        """The types that somebody who comes next and wants this lacks: `[number]`."""
        types = self.inventory.types
        return [
            number
            for number, tickets in wants_of(wants).items()
            if number in self.lacking or types[number].has_fewer_than(tickets)
        ]

    def keeps_back(self, wants: str) -> bool:
        """Whether somebody so far keeps these types from whoever comes next."""
        return self.is_stopped or any(number in self.lacking for number in wants_of(wants))

    def copy(self) -> "Walk":
        """The same walk, to ask what if somebody came next."""
        return Walk(self.inventory, set(self.lacking), self.is_stopped)


class _Queue:
    """The bookings with equal wants that wait, in order of position."""

    def __init__(self, wants: str, listed: Iterable[Claim], known: dict[int, Claim]) -> None:
        self.wants = wants
        self._listed = iter(listed)
        self._known = known
        self._first: Claim | None = None
        # Those that have come into the queue since it was read.
        self._joined: list[Claim] = []

    def join(self, claim: Claim) -> None:
        insort(self._joined, claim, key=_by_position)

    def head(self) -> Claim | None:
        """The first as the queue stands now, with what has become of its bookings meanwhile."""
        while self._first is None or not self._holds(self._first):
            listed = next(self._listed, None)
            if listed is None:
                self._first = None
                break
            self._first = self._known.setdefault(listed.position, listed)
        while self._joined and not self._holds(self._joined[0]):
            del self._joined[0]
        if not self._joined:
            return self._first
        if self._first is None:
            return self._joined[0]
        return min(self._first, self._joined[0], key=_by_position)

    def _holds(self, claim: Claim) -> bool:
        return claim.status is Status.WAITING and claim.wants == self.wants


class Line:
    """The waiting list of an event while a batch of commands is decided.

    `read` gives the queues as they are kept, `{wants: claims in order of position}`; it is called
    once and each queue is read only as far as promotion needs. `known` are the claims that the
    commands name, `{position: claim}`: one that is listed as well is the same object.

    `first_over` is the foremost position in the list of a booking that has to lapse in a later
    batch: from there on nobody is next in this one.
    """

    def __init__(
        self, read: Callable[[], Mapping[str, Iterable[Claim]]], known: dict[int, Claim]
    ) -> None:
        self._read = read
        self._known = known
        self._queues: dict[str, _Queue] | None = None
        self._joined: list[Claim] = []
        self.first_over: int | None = None
        # The walk along all who wait, where none of them is next; `None` while it is unknown.
        self.walked: Walk | None = None

    def join(self, claim: Claim) -> None:
        """Take in a booking that comes to wait, or that waits for something else from now on."""
        if self._queues is None:
            # Not read yet: nobody has needed to know who else waits.
            self._joined.append(claim)
        else:
            self._queue_of(self._queues, claim.wants).join(claim)

    def heads(self) -> list[Claim]:
        """The first of each queue, in order of position."""
        if self._queues is None:
            self._queues = {
                wants: _Queue(wants, claims, self._known) for wants, claims in self._read().items()
            }
            for claim in self._joined:
                self._queue_of(self._queues, claim.wants).join(claim)
        heads = [head for queue in self._queues.values() if (head := queue.head())]
        heads.sort(key=_by_position)
        return heads

    def next_in_line(self, inventory: Inventory) -> Claim | None:
        """Who of the list gets tickets now. Raises `InconsistentLedger`."""
        if not (inventory.promotes and inventory.waiting):
            return None
        walk, heads = Walk(inventory), self.heads()
        if not heads:
            raise InconsistentLedger(f"{inventory.waiting} bookings should wait, none does")
        for head in heads:
            if self._is_held_up(head):
                walk.is_stopped = True
            if walk.reaches(head.tickets, head.wants):
                return head
            if walk.is_stopped:
                break
        self.walked = walk
        return None

    def walk_to_end(self, inventory: Inventory) -> Walk:
        """The walk along all who wait, to see what a newcomer finds; it may be walked on."""
        if not (inventory.promotes and inventory.waiting):
            return Walk(inventory)
        if not inventory.types or self.first_over is not None:
            # The head does not fit, or it would not wait: nobody need read the list to know.
            return Walk(inventory, is_stopped=True)
        if self.walked is None:
            self.walked = Walk(inventory)
            for head in self.heads():
                self.walked.reaches(head.tickets, head.wants)
        return self.walked.copy()

    def walk_ahead_of(self, claim: Claim, inventory: Inventory) -> Walk:
        """The walk along those who wait ahead of a booking."""
        walk = Walk(inventory, is_stopped=self._is_held_up(claim))
        for head in self.heads():
            if head.position < claim.position:
                walk.reaches(head.tickets, head.wants)
        return walk

    def _is_held_up(self, claim: Claim) -> bool:
        return self.first_over is not None and claim.position >= self.first_over

    def _queue_of(self, queues: dict[str, _Queue], wants: str) -> _Queue:
        if wants not in queues:
            queues[wants] = _Queue(wants, (), self._known)
        return queues[wants]
