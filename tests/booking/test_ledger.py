"""The ledger against the plain model, its rules as properties, and each rule as an example."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from tests.booking import model
from tests.booking.ledger_book import ByOrganizer, Given, KeptBook, command_of
from webapp.booking.commands import (
    ATTENDEE,
    ActivityKind,
    BookTickets,
    CancelBooking,
    CancelEvent,
    ChangeTickets,
    Claim,
    Command,
    KeepBooking,
    Outcome,
    Reason,
    Refusal,
    SetLimits,
    Status,
    TakeFree,
    Term,
    TermKind,
)
from webapp.booking.inventory import Closure, Inventory
from webapp.booking.ledger import Ledger
from webapp.booking.line import InconsistentLedger

steady = settings(deadline=None, derandomize=True, max_examples=60)


@dataclass(frozen=True)
class Rules:
    """What the event allows changes, maybe a day later, and the waiting list is walked again."""

    phase: str
    waiting_limit: int | None
    a_day_later: bool = False


@dataclass(frozen=True)
class Over:
    """The terms of these bookings are over, the earliest first, when the next batch begins."""

    positions: tuple[int, ...]


OPEN = ("open", "too late to cancel", "runs")
STARTED = ("started", "runs", "over")
CLOSURES = {"started": "started", "over": "over"}

Step = Given | Rules | Over

ATTENDEES = "ABCDEFG"
bookings: st.SearchStrategy[Step] = st.builds(
    BookTickets, st.sampled_from(ATTENDEES), st.sampled_from([1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 0])
)
past_the_doors: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        BookTickets,
        st.sampled_from(ATTENDEES),
        st.integers(1, 4),
        past_sale=st.booleans(),
        only_now=st.booleans(),
    ),
    st.builds(ChangeTickets, st.integers(1, 6), st.integers(1, 6), past_sale=st.just(True)),
)
cancels: st.SearchStrategy[Command] = st.one_of(
    st.builds(CancelBooking, position=st.integers(1, 8)),
    st.builds(CancelBooking, attendee_id=st.sampled_from(ATTENDEES)),
)
changes: st.SearchStrategy[Command] = st.builds(ChangeTickets, st.integers(1, 6), st.integers(0, 6))
takes: st.SearchStrategy[Command] = st.builds(TakeFree, st.integers(1, 8), st.integers(0, 3))


def by_anybody(commands: st.SearchStrategy[Command]) -> st.SearchStrategy[Step]:
    return st.one_of(commands, st.builds(ByOrganizer, commands))


sizes_of_event: st.SearchStrategy[Step] = st.builds(SetLimits, st.integers(0, 9))
rules: st.SearchStrategy[Step] = st.builds(
    Rules,
    st.sampled_from(["open", "open", "too late to cancel", "started", "closed", "runs", "over"]),
    st.sampled_from([None, None, 0, 2]),
    st.booleans(),
)
over: st.SearchStrategy[Step] = st.lists(st.integers(1, 12), max_size=5, unique=True).map(
    lambda positions: Over(tuple(positions))
)
KINDS = (
    [bookings] * 10
    + [by_anybody(past_the_doors)] * 3
    + [over] * 2
    + [by_anybody(cancels)] * 5
    + [by_anybody(changes)] * 3
    + [by_anybody(takes)] * 2
    + [sizes_of_event] * 2
    + [rules]
)
races = st.lists(st.sampled_from(range(len(KINDS))).flatmap(KINDS.__getitem__), min_size=15)
# Once an event is cancelled its status never changes again; people still ask.
endings = st.lists(st.one_of(bookings, by_anybody(cancels)), max_size=4).map(
    lambda asked: [CancelEvent(), *asked]
)
whole_stories = st.tuples(races, st.one_of(st.just([]), endings)).map(
    lambda two: [*two[0], *two[1]]
)
batch_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=40)
capacities = st.integers(1, 8)


def batches_of(story: list[Step], sizes: list[int]) -> list[list[Step]]:
    """Cut a story into batches; what an organizer does is a batch of one, as in the services."""
    batches: list[list[Step]] = []
    size = iter(sizes * (len(story) + 1))
    room = 0
    for step in story:
        if isinstance(step, Rules | SetLimits | CancelEvent):
            batches.append([step])
            room = 0
            continue
        if room == 0 or isinstance(step, Over):
            batches.append([])
            room = next(size)
        batches[-1].append(step)
        room -= 1
    return batches


def allow(inventory: Inventory, rules: Rules) -> Inventory:
    return replace(
        inventory,
        closure=None if rules.phase in OPEN else Closure(CLOSURES.get(rules.phase, "closed")),
        promotes=rules.phase not in STARTED,
        attendees_may_cancel=rules.phase in ("open", "closed"),
        waiting_list_limit=rules.waiting_limit,
    )


def keep(book: KeptBook, batch: list[Step]) -> list[tuple[object, ...]]:
    """Run a batch on the ledger."""
    if isinstance(batch[0], Rules):
        book.inventory = allow(book.inventory, batch[0])
        if batch[0].a_day_later:
            book.moved_up_lately.clear()
        return book.told(SetLimits(book.inventory.capacity))
    given = [step for step in batch if not isinstance(step, Rules | Over)]
    if isinstance(batch[0], Over):
        return book.told_of_lapse(batch[0].positions, *given)
    return book.told(*given)


def tell(event: model.Event, step: Step) -> tuple[object, ...]:
    """Run a step on the model."""
    if isinstance(step, Rules):
        event.is_open, event.is_over = step.phase in OPEN, step.phase == "over"
        event.promotes = step.phase not in STARTED
        event.may_cancel = step.phase in ("open", "closed")
        event.waiting_limit = step.waiting_limit
        if step.a_day_later:
            event.let_a_day_pass()
        return event.set_capacity(event.capacity)
    if isinstance(step, Over):
        return event.lapse(step.positions)
    by_organizer = isinstance(step, ByOrganizer)
    command = command_of(step)[0]
    assert not isinstance(command, KeepBooking)
    match command:
        case BookTickets(attendee, tickets):
            return event.book(
                attendee,
                tickets,
                by_organizer=by_organizer,
                past_sale=command.past_sale,
                only_now=command.only_now,
            )
        case CancelBooking(attendee_id=str(attendee)):
            return event.cancel_attendee(attendee, by_organizer=by_organizer)
        case CancelBooking(position=position):
            return event.cancel(position or 0, by_organizer=by_organizer)
        case ChangeTickets(position, tickets):
            return event.change(
                position, tickets, by_organizer=by_organizer, past_sale=command.past_sale
            )
        case TakeFree(position, tickets):
            return event.take(position, tickets)
        case SetLimits(capacity):
            return event.set_capacity(capacity)
        case CancelEvent():
            return event.cancel_event()


def kept(capacity: int, story: list[Step], sizes: list[int]) -> KeptBook:
    book = KeptBook(Inventory(capacity, max_tickets=5))
    for batch in batches_of(story, sizes):
        keep(book, batch)
    return book


def each_commit(
    capacity: int,
    story: list[Step],
    sizes: list[int],
    check: Callable[[KeptBook], None],
) -> None:
    """Run a story and look at the book after each batch."""
    book = KeptBook(Inventory(capacity, max_tickets=5))
    for batch in batches_of(story, sizes):
        keep(book, batch)
        check(book)


@settings(steady, max_examples=300)
@given(capacities, whole_stories, batch_sizes)
def test_every_outcome_and_every_booking_is_what_the_model_says(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    book = KeptBook(Inventory(capacity, max_tickets=5))
    expected = model.Event(capacity, most=5)
    for batch in batches_of(story, sizes):
        outcomes = keep(book, batch)
        assert outcomes == [tell(expected, step) for step in batch]
        assert book.inventory.capacity == expected.capacity
        assert book.inventory.confirmed == expected.confirmed_tickets()
        assert book.inventory.waiting == len(expected.waiting_positions())
        assert [
            (claim.attendee_id, claim.tickets, claim.status.value)
            for _, claim in sorted(book.claims.items())
        ] == [(b.attendee, b.tickets, b.status) for b in expected.bookings]
        for outcome in outcomes:
            promoted = outcome[-1] if outcome[0] in ("released", "resized", "lapsed") else None
            event(
                "somebody moved up" if promoted else str(outcome[: 1 + (outcome[0] == "refused")])
            )


@steady
@given(capacities, whole_stories, batch_sizes)
def test_confirmed_tickets_are_what_is_counted_and_never_more_than_the_capacity(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    def conserved(book: KeptBook) -> None:
        confirmed = [book.claims[p].tickets for p in book.with_status(Status.CONFIRMED)]
        assert sum(confirmed) == book.inventory.confirmed <= book.inventory.capacity
        assert len(book.waiting()) == book.inventory.waiting

    each_commit(capacity, story, sizes, conserved)


@steady
@given(capacities, whole_stories, batch_sizes)
def test_who_waits_came_after_all_who_are_confirmed_and_the_first_does_not_fit(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    def strictly_in_order(book: KeptBook) -> None:
        waiting = book.waiting()
        if not waiting:
            return
        head = waiting[0]
        assert all(p < head.position for p in book.with_status(Status.CONFIRMED))
        if book.inventory.promotes:
            assert head.tickets > book.inventory.free

    each_commit(capacity, story, sizes, strictly_in_order)


@steady
@given(capacities, races, batch_sizes)
def test_promotions_follow_the_order_of_positions_and_each_happens_once(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    book = kept(capacity, story, sizes)
    promoted = [entry.position for entry in book.history if entry.what is ActivityKind.PROMOTED]
    assert all(earlier < later for earlier, later in pairwise(promoted))


@steady
@given(capacities, whole_stories, batch_sizes, batch_sizes)
def test_how_commands_are_merged_changes_nothing(
    capacity: int, story: list[Step], sizes: list[int], other_sizes: list[int]
) -> None:
    one_by_one = KeptBook(Inventory(capacity, max_tickets=5))
    alone = [keep(one_by_one, [step]) for step in story]
    for some in (sizes, other_sizes):
        book = KeptBook(Inventory(capacity, max_tickets=5))
        merged = [keep(book, batch) for batch in batches_of(story, some)]
        assert [o for outcomes in merged for o in outcomes] == [o for [o] in alone]
        assert book.claims == one_by_one.claims
        assert book.inventory == one_by_one.inventory
        assert book.history == one_by_one.history


@steady
@given(capacities, whole_stories, batch_sizes)
def test_positions_are_given_out_in_order_without_gap_or_repeat(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    book = kept(capacity, story, sizes)
    booked = [entry.position for entry in book.history if entry.what is ActivityKind.BOOKED]
    assert booked == list(range(1, len(booked) + 1))
    assert book.inventory.next_position == len(booked) + 1


@steady
@given(capacities, whole_stories, batch_sizes)
def test_a_refused_command_changes_nothing(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    book = kept(capacity, story, sizes)
    for step in story:
        if isinstance(step, Rules | Over):
            continue
        before = replace(book.inventory), {p: replace(c) for p, c in book.claims.items()}
        entries = len(book.history)
        if isinstance(book.run(step)[0], Refusal):
            assert (book.inventory, book.claims) == before
            assert len(book.history) == entries


@steady
@given(capacities, races, batch_sizes)
def test_the_history_replays_to_the_bookings_as_they_are(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    book = kept(capacity, story, sizes)
    state: dict[int, tuple[Status | None, int | None]] = {}
    for entry in book.history:
        before = state.get(entry.position, (None, None))
        assert before == (entry.status_before, entry.tickets_before)
        state[entry.position] = entry.status_after, entry.tickets_after
    assert state == {p: (claim.status, claim.tickets) for p, claim in book.claims.items()}


@steady
@given(capacities, races, batch_sizes, st.integers(1, 12))
def test_a_second_cancel_gives_the_first_answer_and_changes_nothing(
    capacity: int, story: list[Step], sizes: list[int], position: int
) -> None:
    book = kept(capacity, story, sizes)
    cancel = ByOrganizer(CancelBooking(position))
    (first,) = book.told(cancel)
    before = replace(book.inventory), {p: replace(c) for p, c in book.claims.items()}
    entries = len(book.history)
    again = book.told(cancel, cancel)
    assert again == [first, first]
    assert (book.inventory, book.claims) == before
    assert len(book.history) == entries


@steady
@given(capacities, races, batch_sizes)
def test_cancelling_a_waiting_booking_frees_no_ticket(
    capacity: int, story: list[Step], sizes: list[int]
) -> None:
    book = kept(capacity, story, sizes)
    for claim in reversed(book.waiting()):
        confirmed, before = book.inventory.confirmed, book.waiting()
        (outcome,) = book.run(ByOrganizer(CancelBooking(claim.position)))
        assert isinstance(outcome, Outcome)
        promoted = list(outcome.promoted)
        # Only the head can hold up others, and what they get was free already.
        assert not promoted or claim.position == before[0].position
        gained = sum(book.claims[p].tickets for p in promoted)
        assert book.inventory.confirmed == confirmed + gained


@steady
@given(st.lists(st.integers(1, 4), min_size=2, max_size=30))
@example([3, 1, 1, 2])
def test_a_line_of_parties_is_served_in_the_order_in_which_it_formed(parties: list[int]) -> None:
    """One booking at a time gives way until all have been served."""
    book = KeptBook(Inventory(4, max_tickets=4))
    for number, tickets in enumerate(parties):
        book.run(BookTickets(f"party {number}", tickets))
    served = book.with_status(Status.CONFIRMED)
    for position in range(1, len(parties) + 1):
        assert position in served
        (outcome,) = book.run(CancelBooking(position))
        assert isinstance(outcome, Outcome)
        served += outcome.promoted
    assert served == list(range(1, len(parties) + 1))


def full_book(*parties: int, capacity: int, limit: int | None = None) -> KeptBook:
    book = KeptBook(Inventory(capacity, waiting_list_limit=limit))
    for number, tickets in enumerate(parties, start=1):
        book.run(BookTickets(f"guest {number}", tickets))
    return book


def test_newcomer_is_confirmed_while_there_is_room() -> None:
    book = full_book(2, capacity=3)
    assert book.told(BookTickets("new", 1)) == [("booked", 2, "confirmed", None)]
    assert book.inventory.free == 0


def test_full_event_puts_newcomer_on_waiting_list_with_its_rank() -> None:
    book = full_book(2, 1, capacity=2)
    assert book.told(BookTickets("new", 1)) == [("booked", 3, "waiting", 2)]


def test_nobody_overtakes_a_large_party_even_with_tickets_left() -> None:
    book = full_book(3, 2, capacity=4)
    assert book.told(BookTickets("single", 1)) == [("booked", 3, "waiting", 2)]
    assert book.inventory.free == 1


def test_promotion_stops_at_the_first_that_does_not_fit() -> None:
    book = full_book(2, 1, 1, 3, 1, capacity=3)
    assert book.with_status(Status.WAITING) == [3, 4, 5]
    assert book.told(CancelBooking(1)) == [("released", 1, 2, [3])]
    assert book.with_status(Status.WAITING) == [4, 5]
    assert book.inventory.free == 1


def test_cancel_of_the_head_unblocks_those_behind_it() -> None:
    book = full_book(3, 4, 1, 1, capacity=4)
    assert book.told(CancelBooking(2)) == [("released", 2, 4, [3])]
    assert book.with_status(Status.WAITING) == [4]


def test_one_cancel_can_promote_several() -> None:
    book = full_book(3, 1, 1, 1, 1, capacity=3)
    assert book.told(CancelBooking(1)) == [("released", 1, 3, [2, 3, 4])]


def test_booking_made_in_a_batch_can_be_promoted_and_cancelled_in_it() -> None:
    book = full_book(2, capacity=2)
    outcomes = book.told(
        BookTickets("a", 2), BookTickets("b", 1), CancelBooking(1), CancelBooking(attendee_id="a")
    )
    assert outcomes == [
        ("booked", 2, "waiting", 1),
        ("booked", 3, "waiting", 2),
        ("released", 1, 2, [2]),
        ("released", 2, 2, [3]),
    ]
    assert book.with_status(Status.CONFIRMED) == [3]


def test_attendee_of_a_cancelled_booking_can_book_again_behind_the_others() -> None:
    book = full_book(1, 1, capacity=1)
    outcomes = book.told(CancelBooking(1), BookTickets("guest 1", 1))
    assert outcomes == [("released", 1, 1, [2]), ("booked", 3, "waiting", 1)]


def test_attendee_names_the_active_booking_rather_than_an_old_one() -> None:
    book = full_book(1, capacity=1)
    book.run(CancelBooking(1))
    book.run(BookTickets("guest 1", 1))
    assert book.told(CancelBooking(attendee_id="guest 1")) == [("released", 2, 1, [])]


def test_fewer_tickets_of_a_confirmed_booking_promote_the_next() -> None:
    book = full_book(3, 2, capacity=3)
    assert book.told(ChangeTickets(1, 1)) == [("released", 1, 1, [2])]
    assert book.inventory.confirmed == 3


def test_fewer_tickets_of_the_waiting_head_can_make_it_fit() -> None:
    book = full_book(2, 2, capacity=3)
    assert book.told(ChangeTickets(2, 1)) == [("released", 2, 1, [2])]
    assert book.inventory.confirmed == 3


@pytest.mark.parametrize(
    ("inventory", "command", "refused"),
    [
        (Inventory(3), BookTickets("b", 0), Refusal(Reason.TOO_FEW_TICKETS, 1)),
        (Inventory(30), BookTickets("b", 11), Refusal(Reason.TOO_MANY_TICKETS, 10)),
        (Inventory(3), BookTickets("b", 4), Refusal(Reason.TOO_MANY_TICKETS, 3)),
        (Inventory(3, closure=Closure.CLOSED), BookTickets("b"), Refusal(Reason.NOT_OPEN)),
        (Inventory(3), BookTickets("a"), Refusal(Reason.ALREADY_BOOKED, position=1)),
        (Inventory(1, 1, waiting_list_limit=0), BookTickets("b"), Refusal(Reason.SOLD_OUT)),
        (
            Inventory(1, 1, waiting=2, waiting_list_limit=2),
            BookTickets("b"),
            Refusal(Reason.WAITING_LIST_FULL, 2),
        ),
        (Inventory(3), CancelBooking(7), Refusal(Reason.NO_SUCH_BOOKING)),
        (Inventory(3), CancelBooking(attendee_id="b"), Refusal(Reason.NO_SUCH_BOOKING)),
        (Inventory(3), CancelBooking(), Refusal(Reason.NO_SUCH_BOOKING)),
        (Inventory(3, 2, attendees_may_cancel=False), CancelBooking(1), Refusal(Reason.TOO_LATE)),
        (
            Inventory(3, 2, attendees_may_cancel=False),
            ChangeTickets(1, 1),
            Refusal(Reason.TOO_LATE),
        ),
        (Inventory(3, 2, closure=Closure.CLOSED), ChangeTickets(1, 3), Refusal(Reason.NOT_OPEN)),
        (Inventory(9, 2, max_tickets=3), ChangeTickets(1, 4), Refusal(Reason.TOO_MANY_TICKETS, 3)),
        (Inventory(9, 2, waiting=1), ChangeTickets(1, 3), Refusal(Reason.OTHERS_WAIT)),
        (Inventory(9, 8), ChangeTickets(1, 4), Refusal(Reason.NOT_FREE, 1)),
        (Inventory(3, 3), ChangeTickets(1, 3), Refusal(Reason.NOT_FREE, 0)),
        (Inventory(3, 2), TakeFree(9, 1), Refusal(Reason.NO_SUCH_BOOKING)),
        (Inventory(3, 2), TakeFree(1, 0), Refusal(Reason.TOO_FEW_TICKETS, 1)),
        (Inventory(3, 2), TakeFree(1, 1), Refusal(Reason.NOT_WAITING)),
        (Inventory(3, 2), ChangeTickets(1, 0), Refusal(Reason.TOO_FEW_TICKETS, 1)),
        (Inventory(3, 2), ChangeTickets(9, 1), Refusal(Reason.NO_SUCH_BOOKING)),
        (Inventory(3, 2), SetLimits(1), Refusal(Reason.CAPACITY_TOO_LOW, 2)),
        (Inventory(3, 2), SetLimits(2, 3), Refusal(Reason.CAPACITY_TOO_LOW, 3)),
        (Inventory(3), SetLimits(0), Refusal(Reason.CAPACITY_TOO_LOW, 1)),
    ],
)
def test_refusal_names_its_reason_and_the_number(
    inventory: Inventory, command: Command, refused: Refusal
) -> None:
    ledger = Ledger(inventory, [Claim(1, "a", 2, Status.CONFIRMED)])
    before = replace(inventory)
    assert ledger.decide(command, ATTENDEE) == refused
    assert ledger.inventory == before
    assert not ledger.journal.history


def test_organizer_cancels_when_attendees_may_not() -> None:
    book = full_book(2, 1, capacity=2)
    book.inventory.attendees_may_cancel = False
    assert book.told(ByOrganizer(CancelBooking(1))) == [("released", 1, 2, [2])]


def test_who_waits_leaves_and_asks_for_less_when_attendees_may_not_give_back() -> None:
    book = full_book(3, 3, 1, capacity=3)
    book.inventory.attendees_may_cancel = False
    assert book.told(ChangeTickets(2, 2)) == [("released", 2, 2, [])]
    assert book.told(CancelBooking(2)) == [("released", 2, 2, [])]
    assert book.told(CancelBooking(1)) == [("refused", "too_late")]
    assert book.with_status(Status.WAITING) == [3]


def test_who_moved_up_lately_gives_back_after_the_deadline_and_nobody_else() -> None:
    book = full_book(2, 2, 1, 1, capacity=2)
    book.inventory.attendees_may_cancel = False
    # In the batch that promotes, and after it.
    assert book.told(ByOrganizer(CancelBooking(1)), ChangeTickets(2, 1)) == [
        ("released", 1, 2, [2]),
        ("released", 2, 1, [3]),
    ]
    assert book.told(CancelBooking(3)) == [("released", 3, 1, [4])]
    book.moved_up_lately.clear()
    assert book.told(CancelBooking(2)) == [("refused", "too_late")]
    assert book.told(ChangeTickets(4, 1)) == [("released", 4, 1, [])]


def test_nobody_gives_back_once_the_event_has_started_however_lately_they_moved_up() -> None:
    book = full_book(1, 1, capacity=1)
    book.run(CancelBooking(1))
    book.inventory.attendees_may_cancel = book.inventory.promotes = False
    assert book.moved_up_lately == {2}
    assert book.told(CancelBooking(2)) == [("refused", "too_late")]


def test_more_tickets_are_had_at_once_while_there_is_room() -> None:
    book = full_book(1, 1, capacity=4)
    assert book.told(ChangeTickets(1, 3)) == [("released", 1, 3, [])]
    assert book.inventory.confirmed == 4
    assert book.history[-1].what is ActivityKind.RAISED
    assert book.told(ChangeTickets(2, 2)) == [("refused", "not_free")]


def test_more_tickets_are_behind_who_waits_even_with_tickets_left() -> None:
    book = full_book(2, 3, capacity=4)
    assert book.told(ChangeTickets(1, 3)) == [("refused", "others_wait")]
    assert book.told(ChangeTickets(2, 4)) == [("refused", "others_wait")]
    assert (book.inventory.confirmed, book.claims[2].tickets) == (2, 3)


def test_head_of_the_list_takes_what_is_free_and_lets_the_next_in() -> None:
    book = full_book(1, 4, 1, 3, capacity=4)
    assert book.told(TakeFree(2, 2)) == [("released", 2, 2, [2, 3])]
    assert (book.inventory.confirmed, book.with_status(Status.WAITING)) == (4, [4])
    assert book.told(TakeFree(2, 2)) == [("released", 2, 2, [])]


def test_nobody_but_the_head_takes_and_no_more_than_is_free() -> None:
    book = full_book(2, 4, 3, capacity=4)
    assert book.told(TakeFree(3, 1), TakeFree(2, 3)) == [
        ("refused", "not_next"),
        ("refused", "not_free"),
    ]
    assert [book.claims[p].tickets for p in book.with_status(Status.WAITING)] == [4, 3]
    book.inventory.promotes = False
    assert book.told(TakeFree(2, 2)) == [("refused", "list_ended")]


def test_head_that_moved_up_meanwhile_keeps_all_its_tickets() -> None:
    book = full_book(1, 1, 3, capacity=4)
    assert book.told(CancelBooking(1), TakeFree(3, 2)) == [
        ("released", 1, 1, [3]),
        ("refused", "not_waiting"),
    ]
    assert book.claims[3].tickets == 3


def test_nobody_is_promoted_once_the_event_has_started() -> None:
    book = full_book(1, 1, capacity=1)
    book.inventory.promotes = False
    assert book.told(CancelBooking(1)) == [("released", 1, 1, [])]
    assert book.with_status(Status.WAITING) == [2]


def running_book() -> KeptBook:
    """Three of four tickets are taken, two wait for two each, and the event has started."""
    book = full_book(3, 2, 2, capacity=4)
    book.inventory.promotes = False
    return book


def test_first_sale_after_the_start_ends_the_list_before_it() -> None:
    book = running_book()
    leaving = CancelBooking(3)
    assert book.told(leaving, BookTickets("late"), CancelBooking(2))[1:] == [
        ("booked", 4, "confirmed", None),
        ("released", 2, 2, []),
    ]
    assert [book.claims[p].status for p in (2, 3)] == [Status.LAPSED, Status.CANCELLED]
    told = [(line.what, line.position, line.cause) for line in book.history[-3:]]
    assert told == [("cancelled", 3, None), ("lapsed", 2, 4), ("booked", 4, None)]
    assert book.inventory.waiting == 0


def test_what_is_refused_after_the_start_leaves_the_list_as_it_is() -> None:
    book = running_book()
    assert book.told(BookTickets("late", 2), ChangeTickets(1, 4 + 1), ChangeTickets(2, 3)) == [
        ("refused", "sold_out"),
        ("refused", "too_many_tickets"),
        ("refused", "list_ended"),
    ]
    assert book.with_status(Status.WAITING) == [2, 3]


def test_who_waited_in_vain_buys_after_the_start_like_anybody() -> None:
    book = running_book()
    waited = book.claims[3].attendee_id
    assert book.told(BookTickets(waited)) == [("booked", 4, "confirmed", None)]
    assert book.with_status(Status.LAPSED) == [2, 3]
    assert book.told(BookTickets(waited)) == [("refused", "already_booked")]


def test_more_tickets_after_the_start_end_the_list_as_well() -> None:
    book = running_book()
    assert book.told(ChangeTickets(1, 4)) == [("released", 1, 4, [])]
    assert book.with_status(Status.LAPSED) == [2, 3]
    assert [line.cause for line in book.history[-3:]] == [1, 1, None]


def test_larger_capacity_promotes_and_smaller_one_keeps_what_is_confirmed() -> None:
    book = full_book(2, 2, 1, capacity=2)
    assert book.told(SetLimits(4)) == [("resized", [2])]
    assert book.told(SetLimits(3)) == [("refused", "capacity_too_low")]
    book.run(CancelBooking(3))
    book.run(CancelBooking(1))
    assert book.told(SetLimits(2)) == [("resized", [])]
    assert book.inventory.free == 0


def test_waiting_list_without_room_refuses_and_takes_again_after_a_cancel() -> None:
    book = full_book(1, 1, capacity=1, limit=1)
    assert book.told(BookTickets("new")) == [("refused", "waiting_list_full")]
    assert book.told(CancelBooking(2), BookTickets("new")) == [
        ("released", 2, 1, []),
        ("booked", 3, "waiting", 1),
    ]


def test_history_names_who_made_room() -> None:
    book = full_book(2, 1, 1, capacity=2)
    book.run(CancelBooking(1))
    told = [(entry.what, entry.position, entry.cause) for entry in book.history[3:]]
    assert told == [
        (ActivityKind.CANCELLED, 1, None),
        (ActivityKind.PROMOTED, 2, 1),
        (ActivityKind.PROMOTED, 3, 1),
    ]


def test_waiting_list_is_read_only_as_far_as_it_is_needed() -> None:
    taken: list[int] = []

    def long_list() -> Iterator[Claim]:
        for position in range(2, 1000):
            taken.append(position)
            yield Claim(position, f"guest {position}", 1, Status.WAITING)

    inventory = Inventory(1, confirmed=1, waiting=998, next_position=1000)
    ledger = Ledger(inventory, [Claim(1, "a", 1, Status.CONFIRMED)], long_list())
    ledger.decide(CancelBooking(1), ATTENDEE)
    assert taken == [2, 3]


def test_figures_that_contradict_the_bookings_decide_nothing() -> None:
    ledger = Ledger(Inventory(2, confirmed=0, waiting=1), waiting=[])
    with pytest.raises(InconsistentLedger):
        ledger.decide(SetLimits(2), ATTENDEE)


def test_lapse_frees_its_tickets_once_and_moves_up_whom_they_reach() -> None:
    book = full_book(2, 1, 1, 3, capacity=3)
    assert book.told_of_lapse([1, 4]) == [("lapsed", [1, 4], [3])]
    assert book.told_of_lapse([1, 4]) == [("lapsed", [], [])]
    assert (book.inventory.confirmed, book.inventory.waiting) == (2, 0)
    told = [(line.what, line.position, line.cause, str(line.actor)) for line in book.history[4:]]
    assert told == [
        ("lapsed", 1, None, "system"),
        ("lapsed", 4, None, "system"),
        ("promoted", 3, None, "system"),
    ]


def test_list_is_walked_once_when_all_have_lapsed() -> None:
    """Else who lapses a moment later would be promoted first."""
    book = full_book(1, 1, 1, capacity=1)
    assert book.told_of_lapse([1, 2]) == [("lapsed", [1, 2], [3])]
    assert ActivityKind.PROMOTED not in [line.what for line in book.history if line.position == 2]


def test_who_comes_after_the_lapse_finds_what_it_left() -> None:
    book = full_book(1, capacity=1)
    assert book.told_of_lapse([1], BookTickets("new"), BookTickets("guest 1")) == [
        ("lapsed", [1], []),
        ("booked", 2, "confirmed", None),
        ("booked", 3, "waiting", 1),
    ]


def test_nobody_moves_up_past_one_who_has_to_lapse_in_a_later_batch() -> None:
    claims = [Claim(p, f"guest {p}", 1, Status.WAITING) for p in (2, 3, 4, 5)]
    ledger = Ledger(Inventory(3, confirmed=1, waiting=4, next_position=6), waiting=claims)
    first = Claim(1, "guest 1", 1, Status.CONFIRMED)
    ledger.lapse([(first, TermKind.ADDRESS)], first_over=4)
    assert list(ledger.journal.promoted) == [2, 3]
    assert ledger.inventory.free == 1
    # Neither does a newcomer, nor when somebody gives back.
    booked = ledger.decide(BookTickets("new", 1, "r"), ATTENDEE)
    assert isinstance(booked, Outcome)
    assert (booked.status, booked.rank) == (Status.WAITING, 3)


@pytest.mark.parametrize("kind", TermKind)
@pytest.mark.parametrize("is_over", [False, True])
def test_answer_counts_until_its_term_is_over(kind: TermKind, is_over: bool) -> None:
    terms = {1: Term(kind, is_over=is_over)}
    ledger = Ledger(Inventory(3, 1), [Claim(1, "a", 1, Status.CONFIRMED, "r")], terms=terms)
    asked_for = kind is TermKind.ADDRESS
    if asked_for:
        refused = ledger.decide(KeepBooking(1), ATTENDEE)
        assert refused == Refusal(Reason.UNPROVEN)
    answer = ledger.decide(KeepBooking(1, shows_address=asked_for), ATTENDEE)
    if is_over:
        assert answer == Refusal(Reason.LAPSED)
        assert (ledger.journal.kept, ledger.journal.history) == ([], [])
        return
    assert isinstance(answer, Outcome)
    assert (answer.status, answer.repeated, ledger.journal.kept) == (Status.CONFIRMED, False, [1])
    again = ledger.decide(KeepBooking(1), ATTENDEE)
    assert again == replace(answer, repeated=True)
    assert [line.what for line in ledger.journal.history] == [ActivityKind.KEPT]
