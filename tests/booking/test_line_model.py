"""The line of an event with ticket types against a naive walk over everybody, and its rules.

An event without types is held against the ledger as it was before there were any.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.booking.ledger_book import ByOrganizer, Given, KeptBook, command_of
from tests.booking.naive_line import Hall, Told
from tests.booking.plain_ledger import PlainLedger
from tests.booking.test_ledger import (
    CLOSURES,
    OPEN,
    STARTED,
    Over,
    Rules,
    Step,
    batch_sizes,
    batches_of,
    capacities,
    keep,
    rules,
    steady,
    whole_stories,
)
from webapp.booking.commands import (
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Outcome,
    Refusal,
    SetLimits,
    Status,
    TakeFree,
    is_active,
    takes_tickets,
)
from webapp.booking.inventory import Closure, Inventory
from webapp.booking.ticket_types import CodeFigures, TypeFigures, text_of, wants_of

CODE, LIMIT = "FRIENDS", 4
TYPES = (1, 2, 3)
QUOTAS: dict[int, int | None] = {1: 2, 2: 3, 3: None}


@dataclass(frozen=True)
class OnSale:
    """Only these types can be asked for from now on."""

    types: frozenset[int]


@dataclass(frozen=True)
class SomeOver:
    """The terms of these bookings are over; so many lapse in the next batch, the others later."""

    positions: tuple[int, ...]
    at_once: int


TypedStep = Given | Rules | OnSale | SomeOver

wants = st.dictionaries(st.sampled_from(TYPES), st.sampled_from([1, 1, 1, 2, 2, 3]), max_size=3)
some_wants = wants.filter(bool)
positions = st.integers(1, 7)


def by_anybody(commands: st.SearchStrategy[Any]) -> st.SearchStrategy[TypedStep]:
    return st.one_of(commands, commands.map(ByOrganizer))


booking: st.SearchStrategy[TypedStep] = st.builds(
    lambda who, wants, code, only_now: BookTickets(
        who,
        sum(wants.values()),
        wants=text_of(wants),
        code=CODE if code == 0 else None,
        only_now=only_now == 0,
    ),
    st.sampled_from("ABCDEFGHIJKL"),
    some_wants,
    st.integers(0, 3),
    st.integers(0, 5),
)
cancelling: st.SearchStrategy[TypedStep] = st.builds(CancelBooking, positions)
changing: st.SearchStrategy[TypedStep] = st.builds(
    lambda position, wants: ChangeTickets(position, sum(wants.values()), wants=text_of(wants)),
    positions,
    wants,
)
taking: st.SearchStrategy[TypedStep] = st.builds(
    lambda position, wants: TakeFree(position, sum(wants.values()), wants=text_of(wants)),
    positions,
    wants,
)
limits: st.SearchStrategy[TypedStep] = st.builds(
    SetLimits,
    st.integers(3, 9),
    quotas=st.dictionaries(st.sampled_from(TYPES), st.sampled_from([2, 3, 3, 5, None]), max_size=2),
)
on_sale: st.SearchStrategy[TypedStep] = st.builds(
    OnSale, st.sets(st.sampled_from(TYPES)).map(frozenset)
)
lapsing: st.SearchStrategy[TypedStep] = st.builds(
    SomeOver,
    st.lists(st.integers(1, 12), min_size=1, max_size=6, unique=True).map(tuple),
    st.sampled_from([1, 2, 500]),
)
KINDS: list[st.SearchStrategy[Any]] = (
    [booking] * 12
    + [by_anybody(cancelling)] * 5
    + [by_anybody(changing)] * 4
    + [taking] * 3
    + [lapsing] * 2
    + [limits] * 3
    + [on_sale, rules]
)
typed_stories: st.SearchStrategy[list[TypedStep]] = st.tuples(
    st.lists(booking, min_size=4, max_size=8),
    st.lists(
        st.sampled_from(range(len(KINDS))).flatmap(KINDS.__getitem__), min_size=10, max_size=40
    ),
).map(lambda two: [*two[0], *two[1]])


@dataclass
class Both:
    """The same event kept by the ledger and by the naive model."""

    book: KeptBook
    hall: Hall

    def run(self, batch: list[TypedStep]) -> tuple[list[Told], list[Told]]:
        """What both say of a batch."""
        over = batch[0]
        if isinstance(over, Rules):
            return self.rule(over)
        if isinstance(over, OnSale):
            for kind in self.book.inventory.types.values():
                kind.is_on_sale = kind.number in over.types
            self.hall.on_sale = over.types
            return [], []
        given = [step for step in batch if not isinstance(step, Rules | OnSale | SomeOver)]
        if not isinstance(over, SomeOver):
            return self.book.told(*given), [self.tell(one) for one in given]
        due = self.hall.lapse(over.positions, over.at_once)
        said = [due, *(self.tell(one) for one in given)]
        told = self.book.told_of_lapse(over.positions, *given, at_once=over.at_once)
        self.hall.first_over = None
        return told, said

    def rule(self, rules: Rules) -> tuple[list[Told], list[Told]]:
        inventory, hall = self.book.inventory, self.hall
        is_open = rules.phase in OPEN
        inventory.closure = None if is_open else Closure(CLOSURES.get(rules.phase, "closed"))
        inventory.promotes = hall.promotes = rules.phase not in STARTED
        inventory.attendees_may_cancel = hall.may_cancel = rules.phase in ("open", "closed")
        inventory.waiting_list_limit = hall.waiting_limit = rules.waiting_limit
        hall.is_open = is_open
        if rules.a_day_later:
            self.book.moved_up_lately.clear()
            hall.moved_up.clear()
        command = SetLimits(inventory.capacity)
        return self.book.told(command), [self.tell(command)]

    def tell(self, given: Given) -> Told:
        command, actor = command_of(given)
        match command:
            case BookTickets(attendee, wants=text, code=code, only_now=only_now):
                return self.hall.book(attendee, dict(wants_of(text)), code=code, only_now=only_now)
            case CancelBooking(position=int(position)):
                return self.hall.cancel(position, by_organizer=actor.is_organizer)
            case ChangeTickets(position, wants=text):
                asked = dict(wants_of(text))
                return self.hall.change(position, asked, by_organizer=actor.is_organizer)
            case TakeFree(position, wants=text):
                return self.hall.take(position, dict(wants_of(text)))
            case SetLimits(capacity, quotas=quotas):
                return self.hall.set_limits(capacity, quotas)
        raise AssertionError(command)


def both(capacity: int) -> Both:
    types = {number: TypeFigures(number, str(number), quota) for number, quota in QUOTAS.items()}
    return Both(
        KeptBook(
            Inventory(capacity, max_tickets=5, types=types),
            codes={CODE: CodeFigures(1, limit=LIMIT)},
        ),
        Hall(capacity, dict(QUOTAS), most=5, code_limits={CODE: LIMIT}, on_sale=frozenset(TYPES)),
    )


def typed_batches(story: list[TypedStep], sizes: list[int]) -> list[list[TypedStep]]:
    """Cut a story into batches; those left over by one that lapses go first in the next one.

    Once a code's bookings have lapsed with the list, the figures in hand are older than the book's:
    a story either has codes or sees the event begin.
    """
    has_codes = any(isinstance(s, BookTickets) and s.code for s in story[:4])
    batches: list[list[TypedStep]] = []
    left: tuple[int, ...] = ()
    size, room = iter(sizes * (len(story) + 1)), 0
    for step in story:
        if has_codes and isinstance(step, Rules) and step.phase in STARTED:
            continue
        if not has_codes and isinstance(step, BookTickets):
            step = replace(step, code=None)
        alone = isinstance(step, Rules | OnSale | SetLimits)
        begins = alone or room == 0 or isinstance(step, SomeOver)
        if begins and left:
            batches.append([SomeOver(left, 500)])
            left = ()
        if begins:
            batches.append([])
            room = 0 if alone else next(size)
        if isinstance(step, SomeOver):
            left = step.positions
        batches[-1].append(step)
        room -= not alone
    return [*batches, [SomeOver(left, 500)]] if left else batches


def check_figures(book: KeptBook) -> None:
    """I1, I2 and I5, and that the counters of the queues are the book."""
    inventory, claims = book.inventory, list(book.claims.values())
    held = [claim for claim in claims if takes_tickets(claim.status)]
    assert sum(claim.tickets for claim in held) == inventory.confirmed <= inventory.capacity
    for number, kind in inventory.types.items():
        taken = sum(wants_of(claim.wants).get(number, 0) for claim in held)
        assert kind.confirmed == taken <= (taken if kind.quota is None else kind.quota)
    assert +book.queues == Counter(claim.wants for claim in book.waiting())
    assert min(book.queues.values(), default=0) >= 0
    assert book.queues.total() == inventory.waiting
    for code in book.codes.values():
        assert code.used == book.had_with(code) <= LIMIT
    assert all(claim.tickets == sum(wants_of(claim.wants).values()) for claim in claims)


def check_same(book: KeptBook, hall: Hall) -> None:
    assert [
        (claim.attendee_id, dict(wants_of(claim.wants)), claim.status.value)
        for _, claim in sorted(book.claims.items())
    ] == [(party.who, party.wants, party.status) for party in hall.parties]


def check_history(book: KeptBook) -> None:
    """I4: positions are given once and in order, and the history replays to the bookings."""
    state: dict[int, tuple[Status | None, str | None]] = {}
    for line in book.history:
        if line.status_before is None:
            assert line.position == len(state) + 1
        assert state.get(line.position, (None, None)) == (line.status_before, line.wants_before)
        state[line.position] = line.status_after, line.wants_after
    assert state == {p: (claim.status, claim.wants) for p, claim in book.claims.items()}


def held_against_the_naive_walk(capacity: int, story: list[TypedStep], sizes: list[int]) -> None:
    """I1 to I5 as well; the model also says that a newcomer moves nobody but itself."""
    pair = both(capacity)
    for batch in typed_batches(story, sizes):
        told, said = pair.run(batch)
        assert told == said, batch
        check_same(pair.book, pair.hall)
        check_figures(pair.book)
        for outcome in told:
            event("moved up" if isinstance(outcome[-1], list) and outcome[-1] else str(outcome[0]))
    assert not pair.hall.promotes or pair.hall.next_party() is None, "somebody is next"
    check_history(pair.book)


@steady
@given(capacities, typed_stories, batch_sizes)
def test_line_is_what_a_naive_walk_over_everybody_makes_of_it(
    capacity: int, story: list[TypedStep], sizes: list[int]
) -> None:
    held_against_the_naive_walk(capacity, story, sizes)


@pytest.mark.long
@settings(steady, max_examples=5_000)
@given(capacities, typed_stories, batch_sizes)
def test_long_run_of_lines_is_what_a_naive_walk_makes_of_them(
    capacity: int, story: list[TypedStep], sizes: list[int]
) -> None:
    held_against_the_naive_walk(capacity, story, sizes)


@settings(steady, max_examples=20)
@given(capacities, typed_stories)
def test_same_bookings_after_all_have_been_cancelled_make_the_same_figures(
    capacity: int, story: list[TypedStep]
) -> None:
    pair = both(capacity)
    for batch in typed_batches(story, [4]):
        pair.run(batch)
    book = pair.book
    book.inventory.closure, book.inventory.promotes = None, True
    active = [claim for claim in book.claims.values() if is_active(claim.status)]
    again = [
        BookTickets(c.attendee_id, c.tickets, wants=c.wants, code=CODE if c.code else None)
        for c in active
    ]
    for code in book.codes.values():
        code.used = book.had_with(code)
    book.run(*(ByOrganizer(CancelBooking(claim.position)) for claim in active))
    assert (book.inventory.confirmed, +book.queues) == (0, Counter())
    book.run(*again)
    fresh = KeptBook(
        replace(
            book.inventory,
            confirmed=0,
            waiting=0,
            next_position=1,
            types={n: replace(kind, confirmed=0) for n, kind in book.inventory.types.items()},
        ),
        codes={CODE: CodeFigures(1, limit=LIMIT)},
    )
    fresh.run(*again)
    assert replace(book.inventory, next_position=0) == replace(fresh.inventory, next_position=0)
    assert (+book.queues, book.codes) == (+fresh.queues, fresh.codes)


@steady
@given(capacities, whole_stories, batch_sizes)
def test_event_without_types_is_kept_as_it_was_before_there_were_any(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    """And one with a single type that nothing limits as one without."""
    inventory = Inventory(capacity, max_tickets=5)
    book, before = KeptBook(inventory), KeptBook(inventory, opens=PlainLedger)
    single = KeptBook(replace(inventory, types={1: TypeFigures(1, "Seat")}))
    for batch in batches_of(story, sizes):
        told = keep(book, batch)
        assert told == keep(before, batch) == keep(single, batch)
        assert book.inventory == before.inventory == replace(single.inventory, types={})
        assert book.claims == before.claims
    assert book.history == before.history
    plain = [replace(line, wants_before=None, wants_after=None) for line in single.history]
    assert plain == book.history
    assert list(book.claims.values()) == [replace(c, wants="") for c in single.claims.values()]


@settings(steady, max_examples=20)
@given(capacities, whole_stories, st.integers(1, 3))
def test_lapse_of_too_many_at_once_is_as_it_was(
    capacity: int, story: list[Step], at_once: int
) -> None:
    inventory = Inventory(capacity, max_tickets=5)
    book, before = KeptBook(inventory), KeptBook(inventory, opens=PlainLedger)
    for batch in batches_of(story, [3]):
        given = [step for step in batch if not isinstance(step, Rules | Over)]
        over = batch[0].positions if isinstance(batch[0], Over) else ()
        outcomes = [one.run(*given, over=over, at_once=at_once) for one in (book, before)]
        assert outcomes[0] == outcomes[1]
        if len(over) > at_once:
            assert book.told_of_lapse(over) == before.told_of_lapse(over)
    assert (book.inventory, book.claims) == (before.inventory, before.claims)


def test_outcomes_of_both_kinds_are_told() -> None:
    """The model would say nothing if the stories refused everything."""
    pair = both(3)
    told, said = pair.run([BookTickets("A", 2, wants="1:2"), BookTickets("B", 1, wants="1:1")])
    assert told == said == [("booked", 1, "confirmed", None), ("booked", 2, "waiting", 1)]
    assert isinstance(pair.book.run(CancelBooking(1))[0], Outcome)
    assert isinstance(pair.book.run(CancelBooking(9))[0], Refusal)
