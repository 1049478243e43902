"""What somebody who waits could take at once: all of it is had, and not one ticket more."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support.fixtures import MakeEvent
from webapp.booking.commands import (
    ATTENDEE,
    BookTickets,
    CancelBooking,
    Claim,
    Command,
    Outcome,
    Refusal,
    Status,
    TakeFree,
    organizer,
)
from webapp.booking.inventory import Inventory
from webapp.booking.ledger import Ledger
from webapp.booking.queries import find_booking, free_now, takeable_now
from webapp.booking.services import book_tickets, cancel_booking, take_free
from webapp.booking.takeable import Takeable, holders, takeable, walk_ahead_of
from webapp.booking.ticket_types import TypeFigures, text_of, wants_of
from webapp.booking.type_queries import Lack, read_types, standing_of
from webapp.booking.type_services import TypeDetails, add_type

steady = settings(deadline=None, derandomize=True, max_examples=80)

WANTS = st.dictionaries(st.integers(1, 3), st.integers(1, 3), min_size=1, max_size=3)
FIGURES = st.tuples(st.none() | st.integers(2, 5), st.sampled_from([1, 1, 1, 2]))


@dataclass
class Book:
    """A book in memory: each command is a batch of its own, read and written anew."""

    inventory: Inventory
    claims: dict[int, Claim] = field(default_factory=dict)

    def run(self, command: Command) -> Outcome | Refusal:
        claims = deepcopy(self.claims)
        queues = self._queues(claims)
        ledger = Ledger(self.inventory, claims.values(), self._waiting(claims), queues=queues)
        outcome = ledger.decide(command, ATTENDEE)
        self.claims = claims | {claim.position: claim for claim in ledger.journal.created}
        return outcome

    def waiting(self) -> list[Claim]:
        return list(self._waiting(self.claims))

    def heads(self) -> list[Claim]:
        first: dict[str, Claim] = {}
        for claim in self.waiting():
            first.setdefault(claim.wants, claim)
        return list(first.values())

    def _waiting(self, claims: dict[int, Claim]) -> Iterator[Claim]:
        return (claim for _, claim in sorted(claims.items()) if claim.status is Status.WAITING)

    def _queues(self, claims: dict[int, Claim]):  # type: ignore[no-untyped-def]
        if not self.inventory.types:
            return None
        parts: dict[str, list[Claim]] = {}
        for claim in self._waiting(claims):
            parts.setdefault(claim.wants, []).append(claim)
        return lambda: parts


@st.composite
def books(draw: st.DrawFn, *, plain: bool = False) -> Book:
    types = {}
    if not plain:
        for number in (1, 2, 3):
            quota, least = draw(FIGURES)
            types[number] = TypeFigures(number, f"T{number}", quota, min_tickets=least)
    book = Book(Inventory(draw(st.integers(4, 7)), types=types))
    for number in range(draw(st.integers(8, 14))):
        if number > 6 and draw(st.booleans()):
            book.run(CancelBooking(position=draw(st.integers(1, number))))
        elif plain:
            book.run(BookTickets(f"a{number}", draw(st.integers(1, 5))))
        else:
            wants = draw(WANTS)
            book.run(BookTickets(f"a{number}", sum(wants.values()), wants=text_of(wants)))
    return book


def part_of(book: Book, claim: Claim) -> Takeable:
    ahead = walk_ahead_of(claim.position, book.heads(), book.inventory)
    return takeable(claim.tickets, claim.wants, ahead)


def taken(book: Book, claim: Claim, tickets: int, wants: str) -> Outcome | Refusal:
    return deepcopy(book).run(TakeFree(claim.position, tickets, wants))


@steady
@given(books())
def test_what_is_offered_is_had_and_nothing_more(book: Book) -> None:
    for claim in book.waiting():
        part = part_of(book, claim)
        event(f"{len(part.by_type)} types taken of {len(wants_of(claim.wants))}")
        if part:
            outcome = taken(book, claim, *part)
            assert isinstance(outcome, Outcome)
            assert (outcome.status, outcome.wants) == (Status.CONFIRMED, part.wants)
            assert next(iter(outcome.promoted)) == claim.position
        for number, wanted in wants_of(claim.wants).items():
            had = part.by_type.get(number, 0)
            for more in range(had + 1, wanted + 1):
                wants = {**part.by_type, number: more}
                if wants != wants_of(claim.wants):
                    refused = taken(book, claim, sum(wants.values()), text_of(wants))
                    assert isinstance(refused, Refusal), (claim, part, wants)


@steady
@given(books(plain=True))
def test_where_tickets_are_alike_the_head_is_offered_all_that_is_free(book: Book) -> None:
    if not book.waiting():
        return
    head, *behind = book.waiting()
    free = book.inventory.free
    assert part_of(book, head).tickets == free
    assert not any(part_of(book, claim) for claim in behind)
    if free:
        assert isinstance(taken(book, head, free, ""), Outcome)
    if free + 1 < head.tickets:
        assert isinstance(taken(book, head, free + 1, ""), Refusal)


@steady
@given(books())
def test_who_holds_up_a_list_keeps_something_from_those_behind(book: Book) -> None:
    """A newcomer cannot have what is held, and can once the holder has left."""
    for holder in holders(book.heads(), book.inventory):
        number = holder.type or next(iter(holder.part.by_type))
        newcomer = f"{number}:1"
        kind = book.inventory.types[number]
        if kind.min_tickets > 1:
            continue
        here = deepcopy(book)
        told = here.run(BookTickets("new", 1, wants=newcomer))
        assert isinstance(told, Outcome)
        assert told.status is Status.WAITING


@pytest.fixture
def gala(make_event: MakeEvent, organizer_id: int) -> int:
    """Ten seats, three of them VIP."""
    event_id, me = make_event(capacity=10), organizer(organizer_id)
    add_type(event_id, TypeDetails("VIP", quota=3), actor=me)
    add_type(event_id, TypeDetails("Standard"), actor=me)
    return event_id


def test_who_waits_is_told_what_is_lacking_and_what_could_be_taken(gala: int) -> None:
    made = {
        who: book_tickets(gala, attendee_id=who, wants=wants)
        for who, wants in {
            "a": {1: 2},
            "b": {1: 2, 2: 1},
            "c": {1: 1},
            "d": {1: 1},
            "e": {2: 7},
            "f": {2: 2},
        }.items()
    }
    views = {who: find_booking(outcome.reference) for who, outcome in made.items()}
    found = read_types(gala)
    told = {
        who: standing_of(found, view.booking, rank=view.rank)
        for who, view in views.items()
        if view.rank is not None
    }
    assert told["b"] == ([Lack(1, left=1, ahead=0)], 0)
    assert told["d"] == ([Lack(1, left=1, ahead=2)], 2)
    assert told["f"] == ([], 3)
    takes = {who: takeable_now(view) for who, view in views.items()}
    assert takes == {
        "a": (0, ""), "b": (1, "1:1"), "c": (0, ""), "d": (0, ""), "e": (0, ""), "f": (1, "2:1"),
    }  # fmt: skip
    assert free_now(views["f"]) == 1
    cancel_booking(gala, position=5)
    assert takeable_now(find_booking(made["b"].reference)) == (2, "1:1,2:1")
    part = takeable_now(find_booking(made["b"].reference))
    outcome = take_free(gala, position=2, wants=part.by_type)
    assert (outcome.status, outcome.wants) == (Status.CONFIRMED, "1:1,2:1")
