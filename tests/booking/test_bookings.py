"""Book, cancel and change, through the services, on every database."""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, bindparam, select, text

from tests.support.changes import set_capacity
from tests.support.fixtures import Clock, MakeEvent
from tests.support.tools import booking_at, figures, fill, history, rows, statuses, together
from webapp.booking import batch, load
from webapp.booking.change import BookingDetails
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import (
    ATTENDEE,
    Actor,
    BookTickets,
    CancelBooking,
    Outcome,
    Status,
    organizer,
)
from webapp.booking.decisions import Request
from webapp.booking.queries import find_booking
from webapp.booking.ranks import rank_of
from webapp.booking.save import save
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.errors import (
    AlreadyBooked,
    BookingClosed,
    BookingNotFound,
    DomainError,
    EventClosed,
    EventNotFound,
    InvalidInput,
    NotFree,
    Problem,
    SoldOut,
    WaitingListFull,
)
from webapp.events import services as events
from webapp.storage.composite_keys import match_any
from webapp.storage.engines import write_engine
from webapp.storage.tables import events as event_table


def test_booking_is_confirmed_while_there_is_room(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    receipt = book_tickets(
        event_id, attendee_id="ada@example.org", tickets=2, name="Ada", email="ada@example.org"
    )
    assert (receipt.status, receipt.tickets, receipt.rank) == (Status.CONFIRMED, 2, None)
    booking = find_booking(receipt.reference).booking
    assert (booking.event_id, booking.position) == (event_id, receipt.position) == (event_id, 1)
    assert (booking.name, booking.email, booking.tickets) == ("Ada", "ada@example.org", 2)
    assert len(receipt.reference) >= 16
    assert booking.ticket_code != receipt.reference
    assert figures(event_id) == (2, 0, 1)


def test_full_event_puts_newcomer_on_waiting_list(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    receipts = fill(event_id, 1, 1, 1)
    assert [(r.status, r.rank) for r in receipts] == [
        (Status.CONFIRMED, None),
        (Status.WAITING, 1),
        (Status.WAITING, 2),
    ]
    assert figures(event_id) == (1, 2, 0)


def test_nothing_is_for_sale_while_a_large_party_waits(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=4)
    fill(event_id, 3, 2)
    assert figures(event_id) == (3, 1, 0)
    assert book_tickets(event_id, attendee_id="single").rank == 2


def test_cancel_hands_tickets_to_the_next_in_the_same_transaction(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=2)
    receipts = fill(event_id, 2, 1, 1, 1)
    released = cancel_booking(event_id, position=1)
    assert released.promoted == {2: receipts[1].reference, 3: receipts[2].reference}
    assert (released.reference, released.tickets) == (receipts[0].reference, 2)
    assert statuses(event_id) == ["cancelled", "confirmed", "confirmed", "waiting"]
    assert figures(event_id) == (2, 1, 0)
    revisions = {row.revision for row in history(event_id) if row.what in ("cancelled", "promoted")}
    assert len(revisions) == 1


def test_second_cancel_changes_nothing_and_names_who_was_promoted_by_the_first(
    make_event: MakeEvent,
) -> None:
    event_id = make_event(capacity=2)
    fill(event_id, 2, 1, 1, 1)
    first = cancel_booking(event_id, position=1)
    cancel_booking(event_id, position=2)
    before = figures(event_id), len(history(event_id))
    same = replace(first, repeated=True)
    assert cancel_booking(event_id, position=1) == same
    assert cancel_booking(event_id, attendee_id="guest1") == same
    assert (figures(event_id), len(history(event_id))) == before


def test_cancel_of_a_waiting_booking_frees_no_ticket(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=2)
    fill(event_id, 2, 1, 1)
    assert cancel_booking(event_id, position=2).promoted == {}
    assert statuses(event_id) == ["confirmed", "cancelled", "waiting"]
    assert figures(event_id) == (2, 1, 0)


def test_cancel_of_a_head_that_is_too_large_lets_the_next_in(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=4)
    fill(event_id, 3, 4, 1)
    assert list(cancel_booking(event_id, position=2).promoted) == [3]
    assert figures(event_id) == (4, 0, 0)


def test_cancelled_attendee_can_book_again_with_a_new_reference(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    first = fill(event_id, 1)[0]
    cancel_booking(event_id, attendee_id="guest1")
    again = book_tickets(event_id, attendee_id="guest1")
    assert (again.position, again.status) == (2, Status.CONFIRMED)
    assert again.reference != first.reference
    cancel_booking(event_id, attendee_id="guest1")
    assert statuses(event_id) == ["cancelled", "cancelled"]
    assert cancel_booking(event_id, attendee_id="guest1").position == 2


def test_attendee_holds_one_active_booking_per_event(make_event: MakeEvent) -> None:
    event_id, other_id = make_event(), make_event()
    fill(event_id, 1)
    with pytest.raises(AlreadyBooked) as refused:
        book_tickets(event_id, attendee_id="guest1")
    assert refused.value.position == 1
    assert book_tickets(other_id, attendee_id="guest1").position == 1
    assert figures(event_id) == (1, 0, 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("muller", "müller"),
        ("anna", "Anna"),
        ("😀", "😁"),
        ("e\u0301", "\u00e9"),
        ("strasse", "straße"),
        ("7", "07"),
        ("a", "a\u200b"),
        ("ﬀ", "ff"),
    ],
)
def test_attendees_are_told_apart_byte_by_byte(make_event: MakeEvent, one: str, other: str) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id=one)
    assert book_tickets(event_id, attendee_id=other).position == 2
    assert cancel_booking(event_id, attendee_id=other).position == 2
    assert statuses(event_id) == ["confirmed", "cancelled"]


def test_change_to_fewer_tickets_promotes_and_keeps_the_rest(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    receipts = fill(event_id, 3, 2, 1)
    changed = change_tickets(event_id, position=1, tickets=1)
    assert changed.promoted == {2: receipts[1].reference}
    assert changed.tickets == booking_at(event_id, 1).tickets == 1
    assert figures(event_id) == (3, 1, 0)
    assert change_tickets(event_id, position=1, tickets=1).promoted == {}
    with pytest.raises(NotFree, match="others_wait"):
        change_tickets(event_id, position=1, tickets=2)
    with pytest.raises(InvalidInput):
        change_tickets(event_id, position=1, tickets=0)


def test_fewer_tickets_of_a_waiting_party_can_make_it_fit(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    fill(event_id, 2, 2)
    assert list(change_tickets(event_id, position=2, tickets=1).promoted) == [2]
    assert figures(event_id) == (3, 0, 0)


def test_cancelled_booking_cannot_be_changed(make_event: MakeEvent) -> None:
    event_id = make_event()
    fill(event_id, 2)
    cancel_booking(event_id, position=1)
    with pytest.raises(BookingClosed):
        change_tickets(event_id, position=1, tickets=1)


@pytest.mark.parametrize("tickets", [0, -5, 11])
def test_number_of_tickets_is_limited(make_event: MakeEvent, tickets: int) -> None:
    event_id = make_event(capacity=50)
    with pytest.raises(InvalidInput) as refused:
        book_tickets(event_id, attendee_id="ada", tickets=tickets)
    assert set(refused.value.problems) == {"tickets"}
    assert figures(event_id) == (0, 0, 50)


def test_party_larger_than_the_event_is_refused_with_the_number(make_event: MakeEvent) -> None:
    with pytest.raises(InvalidInput) as refused:
        book_tickets(make_event(capacity=3), attendee_id="ada", tickets=4)
    assert refused.value.problems == {"tickets": Problem("too_many_tickets", limit=3)}


def test_waiting_list_can_be_off_or_full(make_event: MakeEvent) -> None:
    off = make_event(capacity=1, waiting_list_limit=0)
    short = make_event(capacity=1, waiting_list_limit=1)
    fill(off, 1)
    fill(short, 1, 1)
    with pytest.raises(SoldOut):
        book_tickets(off, attendee_id="late")
    with pytest.raises(WaitingListFull):
        book_tickets(short, attendee_id="late")
    assert (figures(off), figures(short)) == ((1, 0, 0), (1, 1, 0))


def test_sales_window_opens_at_its_first_moment_and_closes_at_its_last(
    make_event: MakeEvent, now: Clock
) -> None:
    opens_at = now.at(hours=1)
    event_id = make_event(sales_open_at=opens_at, sales_close_at=now.at(hours=2))
    now.go(hours=1, microseconds=-1)
    with pytest.raises(EventClosed, match="not_yet_open") as refused:
        book_tickets(event_id, attendee_id="early")
    assert refused.value.parameters == {"opens_at": opens_at, "time_zone": "UTC"}
    now.go(microseconds=1)
    book_tickets(event_id, attendee_id="on time")
    now.go(hours=1, microseconds=-1)
    book_tickets(event_id, attendee_id="just in time")
    now.go(microseconds=1)
    with pytest.raises(EventClosed, match=r"\.closed"):
        book_tickets(event_id, attendee_id="late")


def test_event_closes_when_it_starts(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(starts_at=now.at(hours=1))
    now.go(hours=1, microseconds=-1)
    book_tickets(event_id, attendee_id="just in time")
    now.go(microseconds=1)
    with pytest.raises(EventClosed, match="started"):
        book_tickets(event_id, attendee_id="late")


def test_event_without_a_start_never_closes_by_itself(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event()
    now.go(days=9000)
    assert book_tickets(event_id, attendee_id="patient").status is Status.CONFIRMED


@pytest.mark.parametrize("until", ["start", "cancel_until"])
def test_attendee_cancels_and_changes_until_the_deadline_and_the_organizer_after_it(
    make_event: MakeEvent, organizer_id: int, now: Clock, until: str
) -> None:
    deadline = {"cancel_until": now.at(hours=1)} if until == "cancel_until" else {}
    start = now.at(hours=9) if until == "cancel_until" else now.at(hours=1)
    event_id = make_event(starts_at=start, **deadline)
    fill(event_id, 1, 2)
    now.go(hours=1, microseconds=-1)
    cancel_booking(event_id, position=1)
    now.go(microseconds=1)
    with pytest.raises(BookingClosed):
        cancel_booking(event_id, position=2)
    with pytest.raises(BookingClosed):
        change_tickets(event_id, position=2, tickets=1)
    assert cancel_booking(event_id, position=1).promoted == {}
    change_tickets(event_id, position=2, tickets=1, actor=organizer(organizer_id))
    cancel_booking(event_id, position=2, actor=organizer(organizer_id))
    assert statuses(event_id) == ["cancelled", "cancelled"]


def test_deadline_may_lie_after_the_start(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(starts_at=now.at(hours=1), cancel_until=now.at(hours=2))
    fill(event_id, 1)
    now.go(hours=1.5)
    cancel_booking(event_id, position=1)
    assert statuses(event_id) == ["cancelled"]


def test_nobody_is_promoted_once_the_event_has_started(
    make_event: MakeEvent, organizer_id: int, now: Clock
) -> None:
    event_id = make_event(capacity=1, starts_at=now.at(hours=1))
    fill(event_id, 1, 1)
    now.go(hours=1)
    assert cancel_booking(event_id, position=1, actor=organizer(organizer_id)).promoted == {}
    assert statuses(event_id) == ["cancelled", "waiting"]


def test_draft_is_not_there_for_attendees_and_closed_for_its_organizer(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(published=False)
    with pytest.raises(EventNotFound):
        book_tickets(event_id, attendee_id="ada")
    with pytest.raises(EventClosed, match="draft"):
        book_tickets(event_id, attendee_id="ada", actor=organizer(organizer_id))


def test_cancelled_event_takes_no_booking(make_event: MakeEvent, organizer_id: int) -> None:
    event_id = make_event()
    events.cancel_event(event_id, actor=organizer(organizer_id))
    with pytest.raises(EventClosed, match="cancelled"):
        book_tickets(event_id, attendee_id="ada")


def test_organizer_books_and_cancels_in_own_events_only(
    make_event: MakeEvent, organizer_id: int, stranger_id: int
) -> None:
    event_id = make_event()
    book_tickets(event_id, attendee_id="ada", actor=organizer(organizer_id))
    with pytest.raises(EventNotFound):
        book_tickets(event_id, attendee_id="bob", actor=organizer(stranger_id))
    for named in ({"position": 1}, {"attendee_id": "ada"}):
        with pytest.raises(EventNotFound):
            cancel_booking(event_id, actor=organizer(stranger_id), **named)
    with pytest.raises(EventNotFound):
        change_tickets(event_id, position=1, tickets=1, actor=organizer(stranger_id))
    assert history(event_id, position=1)[0].actor == f"organizer:{organizer_id}"
    assert statuses(event_id) == ["confirmed"]


def test_what_is_not_there_is_not_found(make_event: MakeEvent) -> None:
    event_id = make_event()
    with pytest.raises(EventNotFound):
        book_tickets(event_id + 1000, attendee_id="ada")
    with pytest.raises(EventNotFound):
        cancel_booking(event_id + 1000, position=1)
    with pytest.raises(BookingNotFound):
        cancel_booking(event_id, position=1)
    with pytest.raises(BookingNotFound):
        cancel_booking(event_id, attendee_id="ada")
    with pytest.raises(BookingNotFound):
        change_tickets(event_id, position=1, tickets=1)


def test_history_tells_every_change_with_before_and_after(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=3)
    fill(event_id, 3, 2)
    change_tickets(event_id, position=1, tickets=1)
    cancel_booking(event_id, position=2)
    told = [
        (h.revision, h.what, h.position, h.cause, h.status_before, h.status_after,
         h.tickets_before, h.tickets_after)
        for h in reversed(history(event_id))
    ]  # fmt: skip
    assert told == [
        (1, "created", None, None, None, None, None, None),
        (2, "booked", 1, None, None, "confirmed", None, 3),
        (3, "booked", 2, None, None, "waiting", None, 2),
        (4, "reduced", 1, None, "confirmed", "confirmed", 3, 1),
        (4, "promoted", 2, 1, "waiting", "confirmed", 2, 2),
        (5, "cancelled", 2, None, "confirmed", "cancelled", 2, 2),
    ]


def test_who_left_an_address_is_told_and_nobody_else(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    book_tickets(event_id, attendee_id="a@example.org", email="a@example.org")
    book_tickets(event_id, attendee_id="silent")
    book_tickets(event_id, attendee_id="b@example.org", email="b@example.org")
    cancel_booking(event_id, position=1)
    cancel_booking(event_id, position=2)
    query = "SELECT what, recipient, position, state FROM delivery WHERE event_id = :id ORDER BY id"
    assert [tuple(row) for row in rows(query, id=event_id)] == [
        ("confirmed", "a@example.org", 1, "pending"),
        ("waiting", "b@example.org", 3, "pending"),
        ("cancelled", "a@example.org", 1, "pending"),
        ("promoted", "b@example.org", 3, "pending"),
    ]


def test_merged_requests_are_one_revision_and_each_gets_its_own_answer(
    make_event: MakeEvent, organizer_id: int
) -> None:
    """A batch is built by hand here; the storm below builds them by chance."""
    event_id = make_event(capacity=3)
    fill(event_id, 2)

    def booking(attendee_id: str, tickets: int, *, by: Actor = ATTENDEE) -> Request:
        command = BookTickets(attendee_id, tickets, new_reference())
        details = BookingDetails(new_ticket_code())
        return Request(event_id, command, by, details=details)

    requests = [
        booking("a", 2),
        booking("guest1", 1),
        booking("b", 1, by=organizer(organizer_id)),
        booking("c", 99),
        Request(event_id, CancelBooking(1)),
        Request(event_id, CancelBooking(77)),
        Request(event_id, CancelBooking(attendee_id="a")),
        Request(event_id, CancelBooking(1)),
    ]
    results = batch.run_one_event(event_id, requests)
    assert [type(result) for result in results] == [
        Outcome,
        AlreadyBooked,
        Outcome,
        InvalidInput,
        Outcome,
        BookingNotFound,
        Outcome,
        Outcome,
    ]
    assert statuses(event_id) == ["cancelled", "cancelled", "confirmed"]
    assert figures(event_id) == (1, 0, 2)
    lines = [row for row in reversed(history(event_id)) if row.revision == 3]
    assert [(row.what, row.position, row.actor) for row in lines] == [
        ("booked", 2, "attendee"),
        ("booked", 3, f"organizer:{organizer_id}"),
        ("cancelled", 1, "attendee"),
        ("promoted", 2, "attendee"),
        ("promoted", 3, "attendee"),
        ("cancelled", 2, "attendee"),
    ]
    assert len({row.batch for row in lines}) == 1


def test_bookings_of_different_actors_in_one_batch_keep_their_actors(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event()
    requests = [
        Request(
            event_id,
            BookTickets(name, 1, new_reference()),
            by,
            details=BookingDetails(new_ticket_code()),
        )
        for name, by in (("a", ATTENDEE), ("b", organizer(organizer_id)))
    ]
    batch.run_one_event(event_id, requests)
    told = {row.position: row.actor for row in history(event_id) if row.what == "booked"}
    assert told == {1: "attendee", 2: f"organizer:{organizer_id}"}


def test_bad_text_harms_nobody_else_in_its_batch(make_event: MakeEvent) -> None:
    """What a driver cannot encode is refused earlier; here it slips through."""
    event_id = make_event(capacity=5)
    requests = [
        Request(
            event_id,
            BookTickets(name, 1, f"ref {name!a}"),
            details=BookingDetails(f"code {name!a}"),
        )
        for name in ("a", "\ud800", "b")
    ]
    results = batch.run_one_event(event_id, requests)
    assert isinstance(results[0], Outcome)
    assert isinstance(results[1], UnicodeEncodeError)
    assert isinstance(results[2], Outcome)
    assert [booking_at(event_id, position).attendee_id for position in (1, 2)] == ["a", "b"]
    assert figures(event_id) == (2, 0, 3)


def test_hundreds_of_promotions_beyond_one_page_of_the_list(
    make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=1)
    fill(event_id, 1)
    count = 2 * load.WAITING_PAGE + 50
    requests = [
        Request(
            event_id,
            BookTickets(f"w{number}", 1, new_reference()),
            details=BookingDetails(new_ticket_code()),
        )
        for number in range(count)
    ]
    batch.run_one_event(event_id, requests)
    assert rank_of(event_id, count + 1) == count
    promoted = set_capacity(event_id, count, organizer_id=organizer_id)
    assert list(promoted) == list(range(2, count + 1))
    assert figures(event_id) == (count, 1, 0)
    assert list(cancel_booking(event_id, position=1).promoted) == [count + 1]


@pytest.mark.race
def test_one_attendee_booking_many_times_at_once_gets_one_booking(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=50)
    calls = [partial(book_tickets, event_id, attendee_id="ada")] * 24
    answers = Counter(type(answer) for answer in together(in_app, calls))
    assert answers == {Outcome: 1, AlreadyBooked: 23}
    assert figures(event_id) == (1, 0, 49)


@pytest.mark.race
def test_one_booking_cancelled_many_times_at_once_frees_its_tickets_once(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=2)
    fill(event_id, 2, 1, 1, 1)
    answers = together(in_app, [partial(cancel_booking, event_id, position=1)] * 16)
    assert all(isinstance(answer, Outcome) for answer in answers)
    assert {tuple(a.promoted) for a in answers if isinstance(a, Outcome)} == {(2, 3)}
    assert statuses(event_id) == ["cancelled", "confirmed", "confirmed", "waiting"]
    assert figures(event_id) == (2, 1, 0)


@pytest.mark.race
def test_last_ticket_is_had_by_one_of_32_who_ask_at_once(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=1)
    calls = [partial(book_tickets, event_id, attendee_id=f"u{n}") for n in range(32)]
    answers = together(in_app, calls)
    ranks = {answer.rank for answer in answers if isinstance(answer, Outcome)}
    assert ranks == {None, *range(1, 32)}
    assert figures(event_id) == (1, 31, 0)


@pytest.mark.race
def test_more_callers_than_tickets_are_confirmed_and_ranked_without_gaps(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=20)
    calls = [partial(book_tickets, event_id, attendee_id=f"u{n}") for n in range(32)]
    answers = together(in_app, calls)
    receipts = [answer for answer in answers if isinstance(answer, Outcome)]
    assert len(receipts) == 32
    confirmed = [r.position for r in receipts if r.status is Status.CONFIRMED]
    assert sorted(confirmed) == list(range(1, 21))
    waiting = sorted((r.position, r.rank) for r in receipts if r.status is Status.WAITING)
    assert waiting == [(20 + rank, rank) for rank in range(1, 13)]


@pytest.mark.race
def test_bookings_and_cancels_racing_keep_every_rule(in_app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(capacity=10)
    fill(event_id, *[2] * 12)

    def rival(number: int) -> None:
        for turn in range(6):
            try:
                if (number + turn) % 2:
                    book_tickets(event_id, attendee_id=f"r{number}", tickets=1 + turn % 3)
                else:
                    cancel_booking(event_id, position=1 + (number * 5 + turn) % 30)
            except DomainError:
                continue

    results = together(in_app, [partial(rival, number) for number in range(16)])
    assert results == [None] * 16
    event = rows("SELECT confirmed, waiting, capacity FROM event WHERE id = :id", id=event_id)[0]
    kept = rows(
        "SELECT position, tickets, status FROM booking WHERE event_id = :id ORDER BY position",
        id=event_id,
    )
    confirmed = [row for row in kept if row.status == "confirmed"]
    waiting = [row for row in kept if row.status == "waiting"]
    assert sum(row.tickets for row in confirmed) == event.confirmed <= event.capacity
    assert len(waiting) == event.waiting
    assert [row.position for row in kept] == list(range(1, len(kept) + 1))
    if waiting:
        assert max(row.position for row in confirmed) < waiting[0].position
        assert waiting[0].tickets > event.capacity - event.confirmed


def test_writer_who_was_overtaken_notices_and_decides_again(
    in_app: Flask, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster another node may write in spite of our lock: only the guard can tell."""
    event_id = make_event(capacity=2)
    fill(event_id, 2, 1)
    unlocked = select(*load.deciding_columns)
    one = event_table.c.id == bindparam("event_id")
    monkeypatch.setattr(load, "lock_statement", unlocked.where(one))
    monkeypatch.setattr(
        load,
        "lock_unlocked_statement",
        lambda count: unlocked.where(match_any([event_table.c.id], count)),
    )
    overtaken: list[bool] = []

    def save_too_late(connection: Connection, *args: Any, **kwargs: Any) -> None:
        if not overtaken:
            overtaken.append(True)
            if connection.dialect.name == "sqlite":
                # Nobody else can write meanwhile, so the row is made to look as if somebody had.
                connection.execute(text("UPDATE event SET revision = revision + 1"))
            else:
                batch.run_one_event(event_id, [Request(event_id, CancelBooking(1))])
        save(connection, *args, **kwargs)

    monkeypatch.setattr(batch, "save", save_too_late)
    receipt = book_tickets(event_id, attendee_id="new", tickets=2)
    assert overtaken
    if write_engine().dialect.name == "sqlite":
        assert (receipt.rank, figures(event_id)) == (2, (2, 2, 0))
    else:
        assert (receipt.rank, figures(event_id)) == (1, (1, 1, 0))
        assert statuses(event_id) == ["cancelled", "confirmed", "waiting"]
