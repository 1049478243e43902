"""Ticket types and codes as the ledger sees them: what of an event somebody may ask for.

Pure: figures and what is open come in, nothing is read.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from webapp.booking.commands import Reason, Refusal

# The most types that one booking may want.
MAX_TYPES_WANTED = 4

# Tickets by type, each at least one: `{type: tickets}`.
Wants = Mapping[int, int]


def text_of(wants: Wants) -> str:
    """Wants as they are kept, types ascending, the same text for equal ones: `1:2,3:1`."""
    return ",".join(f"{number}:{tickets}" for number, tickets in sorted(wants.items()))


@lru_cache(maxsize=4096)
def wants_of(text: str) -> Wants:
    """What `text_of` wrote; of an event without types it is empty."""
    pairs = (pair.partition(":") for pair in text.split(",") if pair)
    return MappingProxyType({int(number): int(tickets) for number, _, tickets in pairs})


def items_of(wants: str, names: Mapping[int, str]) -> list[tuple[int, str]]:
    """What is wanted as people read it, in the order of `names`, `{type: name}`.

    That is `[(tickets, name of the type)]`; empty where the event has no types.
    """
    wanted = wants_of(wants)
    return [(wanted[number], name) for number, name in names.items() if number in wanted]


def words_of(wants: str, names: Mapping[int, str]) -> str:
    """The same as one text, such as `2 × VIP, 1 × Standard`."""
    return ", ".join(f"{tickets} × {name}" for tickets, name in items_of(wants, names))


def words_of_types(numbers: Collection[int], names: Mapping[int, str]) -> str:
    """Some types by their names in the order of `names`, such as `VIP, Standard`."""
    return ", ".join(name for number, name in names.items() if number in numbers)


@dataclass(slots=True)
class TypeFigures:
    """A ticket type of an event now.

    `confirmed` of its tickets are taken, of `quota` where there is one. A booking that wants any
    wants at least `min_tickets` and at most `max_tickets`. `is_on_sale` is about its own dates.
    """

    number: int
    name: str = ""
    quota: int | None = None
    confirmed: int = 0
    min_tickets: int = 1
    max_tickets: int | None = None
    is_on_sale: bool = True
    hidden: bool = False

    @property
    def left(self) -> int | None:
        """Tickets of it that nobody holds; `None` where only the event's capacity limits it."""
        return None if self.quota is None else self.quota - self.confirmed

    def has_fewer_than(self, tickets: int) -> bool:
        """Whether fewer tickets of it are left."""
        return self.quota is not None and self.confirmed + tickets > self.quota

    @property
    def most(self) -> int | None:
        """Tickets of it that one booking may have; `None` for as many as the event allows."""
        if self.max_tickets is None or self.quota is None:
            return self.quota if self.max_tickets is None else self.max_tickets
        return min(self.max_tickets, self.quota)


Types = Mapping[int, TypeFigures]


@dataclass(slots=True)
class CodeFigures:
    """A code of an event now: `used` of its tickets are had by active bookings.

    `types` are those that it is for; none for all. `is_valid` is about its dates.
    """

    number: int
    types: frozenset[int] = frozenset()
    unlocks: bool = True
    limit: int | None = None
    used: int = 0
    max_per_booking: int | None = None
    is_valid: bool = True

    def is_for(self, number: int) -> bool:
        return not self.types or number in self.types

    def unlocks_type(self, number: int) -> bool:
        return self.unlocks and self.is_for(number)

    @property
    def left(self) -> int | None:
        """Tickets that can still be had with it; `None` for no limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def is_usable(self) -> bool:
        """Whether anything can be had with it: one that is over or used up is like none at all."""
        return self.is_valid and self.left != 0


def refuse_count(kind: TypeFigures, tickets: int) -> Refusal | None:
    """Why a booking cannot have so many tickets of a type."""
    if tickets < kind.min_tickets:
        return Refusal(Reason.TOO_FEW_OF_TYPE, kind.min_tickets, ticket_type=kind.name)
    most = kind.most
    if most is not None and tickets > most:
        return Refusal(Reason.TOO_MANY_OF_TYPE, most, ticket_type=kind.name)
    return None


def as_kept(code: str) -> str:
    """A code as it is compared: case and outer spaces do not matter."""
    return code.strip().upper()


def refuse_code(code: CodeFigures | None, wanted: Iterable[int]) -> Refusal | None:
    """Why a code is no good; all that are not are told alike, so that nobody learns of any."""
    if code and code.is_usable and any(code.is_for(number) for number in wanted):
        return None
    return Refusal(Reason.UNKNOWN_CODE)


def refuse_with_code(code: CodeFigures, tickets: int, *, more: int) -> Refusal | None:
    """Why a booking cannot have `tickets` with a code, which are `more` than it had."""
    if code.max_per_booking is not None and tickets > code.max_per_booking:
        return Refusal(Reason.TOO_MANY_WITH_CODE, code.max_per_booking)
    if code.left is not None and more > code.left:
        return Refusal(Reason.CODE_USED_UP, code.left)
    return None
