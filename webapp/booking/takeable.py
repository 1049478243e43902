"""What somebody who waits lacks, and what they could take at once in place of all they wait for.

Pure: the first of each queue and the figures come in, nothing is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import NamedTuple

from webapp.booking.commands import Claim
from webapp.booking.inventory import Inventory, inventory_of
from webapp.booking.line import Walk
from webapp.booking.ticket_types import text_of, wants_of
from webapp.storage.rows import LockedEvent


class Takeable(NamedTuple):
    """The most tickets that a booking which waits can have now; none where it is false.

    They are fewer than it waits for. `wants` says of which types, as in `booking.wants`.
    """

    tickets: int = 0
    wants: str = ""

    def __bool__(self) -> bool:
        return self.tickets > 0

    @property
    def by_type(self) -> Mapping[int, int]:
        """The same as `{type: tickets}`; empty where the event has no types."""
        return wants_of(self.wants)


NOTHING = Takeable()


def walk_ahead_of(position: int, heads: Iterable[Claim], inventory: Inventory) -> Walk:
    """The walk along those who wait ahead of a position; `heads` as in `TypedEvent`."""
    walk = Walk(inventory)
    for head in heads:
        if head.position < position:
            walk.reaches(head.tickets, head.wants)
    return walk


def takeable(tickets: int, wants: str, ahead: Walk) -> Takeable:
    """What a booking can have that waits for so many tickets behind all who are `ahead`.

    Nothing where it would have all of them, as it moves up by itself.
    """
    inventory = ahead.inventory
    if not inventory.promotes or ahead.is_stopped or inventory.free <= 0:
        return NOTHING
    if not wants:
        return Takeable(inventory.free) if inventory.free < tickets else NOTHING
    fewest, most = {}, {}
    for number in inventory.types:
        kind, wanted = inventory.types[number], wants_of(wants).get(number, 0)
        left = wanted if kind.left is None else min(wanted, kind.left)
        # All of a type can be kept, fewer of it only as many as a booking may have.
        least = min(kind.min_tickets, wanted)
        if number not in ahead.lacking and left >= max(1, least):
            fewest[number], most[number] = least, left
    part = _largest(fewest, most, inventory.free)
    taken = sum(part.values())
    return Takeable(taken, text_of(part)) if 0 < taken < tickets else NOTHING


def takeable_by_head(event: LockedEvent, tickets: int, now: datetime) -> Takeable:
    """The same of who is first in the list of an event without types."""
    inventory = inventory_of(event, now)
    return takeable(tickets, "", Walk(inventory)) if inventory.waiting else NOTHING


def _largest(fewest: Mapping[int, int], most: Mapping[int, int], free: int) -> dict[int, int]:
    """The most tickets there is room for, of each type none or `fewest` to `most`.

    Among equals those of the first types.
    """
    best: list[int] = []
    for chosen in product((True, False), repeat=len(most)):
        numbers = [number for number, is_in in zip(most, chosen, strict=True) if is_in]
        if sum(fewest[number] for number in numbers) > free:
            continue
        if min(free, sum(most[n] for n in numbers)) > min(free, sum(most[n] for n in best)):
            best = numbers
    part = {number: fewest[number] for number in best}
    for number in best:
        part[number] += min(most[number] - part[number], free - sum(part.values()))
    return part


def lacking(
    position: int, wants: str, heads: Iterable[Claim], inventory: Inventory
) -> Sequence[int]:
    """The types that a booking at a position lacks, as it stands in line: `[number]`.

    None where it waits for room alone.
    """
    walk = Walk(inventory)
    for head in heads:
        if head.position < position:
            walk.lacking.update(walk.lacks(head.wants))
    return walk.lacks(wants)


class Holder(NamedTuple):
    """A booking that keeps tickets from all behind it, and could take fewer at once.

    `type` is the number of the type that it keeps back; none where it keeps back all tickets.
    `left` of those are free.
    """

    claim: Claim
    part: Takeable
    type: int | None
    left: int


def holders(heads: Iterable[Claim], inventory: Inventory) -> list[Holder]:
    """Who holds up a list that stands still, in order of position."""
    found: list[Holder] = []
    if not inventory.promotes:
        return found
    walk = Walk(inventory)
    for head in heads:
        part = takeable(head.tickets, head.wants, walk)
        kept = [number for number in walk.lacks(head.wants) if number not in walk.lacking]
        walk.reaches(head.tickets, head.wants)
        left = {number: inventory.types[number].left or 0 for number in kept}
        held = [number for number in kept if left[number]]
        if part and held:
            found.append(Holder(head, part, held[0], left[held[0]]))
        elif part and walk.is_stopped:
            found.append(Holder(head, part, None, inventory.free))
        if walk.is_stopped:
            break
    return found
