"""What an event offers to a newcomer and allows now, against what the ledger then does."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.booking.commands import (
    ATTENDEE,
    BookTickets,
    CancelBooking,
    ChangeTickets,
    Claim,
    Outcome,
    Reason,
    Refusal,
    Status,
    organizer,
)
from webapp.booking.inventory import (
    Closure,
    available,
    closure_of,
    end_of,
    inventory_of,
    offer_of,
)
from webapp.booking.ledger import Ledger
from webapp.booking.refusals import error_of
from webapp.errors import DomainError, EventClosed, SoldOut, WaitingListFull

steady = settings(deadline=None, derandomize=True, max_examples=300)

START = datetime(2027, 5, 3, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
ORGANIZER = organizer(1)


@dataclass
class Row:
    """The columns of an event that decide about its tickets."""

    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    sales_open_at: datetime | None
    sales_close_at: datetime | None
    cancel_until: datetime | None
    max_tickets_per_booking: int
    waiting_list_limit: int | None
    capacity: int
    confirmed: int
    waiting: int
    id: int = 1
    organizer_id: int = 1
    time_zone: str = "UTC"
    next_position: int = 20
    revision: int = 5
    types: int = 0
    next_lapse_at: datetime | None = None
    asks_address: bool = False
    still_coming_days: int | None = None
    still_coming_lapses: bool = False

    def after(self, ledger: Ledger) -> "Row":
        """The row as it is once what the ledger decided has been written."""
        inventory = ledger.inventory
        return replace(
            self,
            confirmed=inventory.confirmed,
            waiting=inventory.waiting,
            next_position=inventory.next_position,
        )


# So few that they often meet, and the last one before each.
HOURS = [START + timedelta(hours=hours) for hours in range(3)]
MOMENTS = [*HOURS, *(hour - MOMENT for hour in HOURS)]
moments = st.sampled_from(MOMENTS)
# Mostly none: with four of them nearly every event would be closed.
dates = st.sampled_from([None] * 18 + MOMENTS)
rows = st.integers(1, 8).flatmap(
    lambda capacity: st.builds(
        Row,
        status=st.sampled_from(["published"] * 10 + ["draft", "cancelled"]),
        starts_at=dates,
        ends_at=dates,
        sales_open_at=dates,
        sales_close_at=dates,
        cancel_until=dates,
        max_tickets_per_booking=st.integers(1, 6),
        waiting_list_limit=st.sampled_from([None, 0, 0, 1, 2, 3]),
        capacity=st.just(capacity),
        confirmed=st.sampled_from([*range(capacity + 1), capacity]),
        waiting=st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3]),
    )
)
wishes = st.lists(st.integers(1, 6), min_size=1, max_size=8)


def book(ledger: Ledger, tickets: int, name: str = "newcomer") -> Outcome | Refusal:
    return ledger.decide(BookTickets(name, tickets), ATTENDEE)


@steady
@given(rows, moments, wishes)
def test_newcomers_get_what_is_offered_one_after_the_other(
    row: Row, now: datetime, wishes: list[int]
) -> None:
    for number, wish in enumerate(wishes):
        offer = offer_of(row, now)
        ledger = Ledger(inventory_of(row, now))
        tickets = min(wish, offer.most)
        outcome = book(ledger, tickets, f"newcomer {number}")
        if isinstance(outcome, Refusal):
            assert (offer.left < tickets, offer.place) == (True, None)
            assert ledger.inventory == inventory_of(row, now)
            seen(f"refused: {outcome.reason}")
        else:
            confirmed = outcome.status is Status.CONFIRMED
            assert confirmed == (offer.left >= tickets)
            assert outcome.rank == (None if confirmed else offer.place)
            seen(outcome.status.value)
        row = row.after(ledger)


@steady
@given(rows, moments, st.integers(1, 6))
def test_nothing_is_offered_exactly_if_a_single_ticket_is_refused_and_for_that_reason(
    row: Row, now: datetime, wish: int
) -> None:
    offer = offer_of(row, now)
    single = book(Ledger(inventory_of(row, now)), 1)
    assert offer.is_open == isinstance(single, Outcome)
    assert not (offer.closure and offer.is_full), "one of them is why"
    if not offer.is_open:
        assert (offer.left, offer.place) == (0, None)
        assert isinstance(single, Refusal)
        error: type[DomainError]
        if offer.closure:
            refusal, error = Refusal(Reason.NOT_OPEN), EventClosed
        elif offer.has_waiting_list:
            refusal = Refusal(Reason.WAITING_LIST_FULL, row.waiting_list_limit)
            error = WaitingListFull
        else:
            refusal, error = Refusal(Reason.SOLD_OUT), SoldOut
        assert single == refusal
        assert type(error_of(single, row, now)) is error
        # Nor is any other number of tickets to be had.
        assert book(Ledger(inventory_of(row, now)), min(wish, offer.most)) == single
    if not offer.closure:
        without_room = inventory_of(replace(row, confirmed=row.capacity), now)
        sold_out = book(Ledger(without_room), 1) == Refusal(Reason.SOLD_OUT)
        assert offer.has_waiting_list != sold_out
    seen(f"closed: {offer.closure}" if offer.closure else f"full: {offer.is_full}")


@steady
@given(rows, moments)
def test_one_booking_may_have_as_many_tickets_as_offered_and_not_one_more(
    row: Row, now: datetime
) -> None:
    most = offer_of(row, now).most
    inventory = inventory_of(row, now)
    too_many = Refusal(Reason.TOO_MANY_TICKETS, most)
    closed = Refusal(Reason.NOT_OPEN)
    assert book(Ledger(replace(inventory)), most) != too_many
    assert book(Ledger(inventory), most + 1) == (closed if inventory.closure else too_many)


@steady
@given(rows, moments)
def test_event_is_closed_for_the_first_of_the_reasons_there_are(row: Row, now: datetime) -> None:
    start, closes = row.starts_at, row.sales_close_at
    has_started = start is not None and now >= start
    sells_on = start is not None and closes is not None and closes > start
    reasons = {
        Closure.DRAFT: row.status == "draft",
        Closure.CANCELLED: row.status == "cancelled",
        Closure.OVER: has_started and row.ends_at is not None and now >= row.ends_at,
        Closure.STARTED: has_started and not sells_on,
        Closure.NOT_YET_OPEN: row.sales_open_at is not None and now < row.sales_open_at,
        Closure.CLOSED: closes is not None and now >= closes,
    }
    first = next((reason for reason, holds in reasons.items() if holds), None)
    assert offer_of(row, now).closure is closure_of(row, now) is first


@pytest.mark.parametrize(
    ("zone", "starts", "midnight"),
    [
        ("Europe/Berlin", "2027-05-03T17:30+00:00", "2027-05-03T22:00+00:00"),
        ("Pacific/Auckland", "2027-05-03T17:30+00:00", "2027-05-04T12:00+00:00"),
        # The day on which clocks go back has 25 hours, and in Lebanon one begins at one o'clock.
        ("Europe/Berlin", "2027-10-30T22:00+00:00", "2027-10-31T23:00+00:00"),
        ("Asia/Beirut", "2026-03-28T12:00+00:00", "2026-03-28T22:00+00:00"),
    ],
)
def test_event_without_an_end_is_over_at_midnight_where_it_is(
    zone: str, starts: str, midnight: str
) -> None:
    start, over = datetime.fromisoformat(starts), datetime.fromisoformat(midnight)
    assert end_of(starts_at=start, ends_at=None, time_zone=zone) == over
    ends = start + timedelta(days=3)
    assert end_of(starts_at=start, ends_at=ends, time_zone=zone) == ends
    assert end_of(starts_at=None, ends_at=None, time_zone=zone) is None


@steady
@given(rows, moments)
def test_booking_opens_at_the_moment_that_is_offered_and_not_before(
    row: Row, now: datetime
) -> None:
    row = replace(row, starts_at=None)
    offer = offer_of(row, now)
    assert (offer.opens_at is not None) == (offer.closure is Closure.NOT_YET_OPEN)
    if offer.opens_at is not None:
        assert offer_of(row, offer.opens_at - MOMENT).opens_at == offer.opens_at > now
        assert offer_of(row, offer.opens_at).opens_at is None


@steady
@given(rows, moments)
def test_tickets_are_for_sale_whether_or_not_booking_is_open(row: Row, now: datetime) -> None:
    offer = offer_of(row, now)
    if offer.closure is None:
        assert available(row, now) == offer.left
    whenever = replace(row, status="published", sales_open_at=None, ends_at=None)
    whenever = replace(whenever, sales_close_at=START + timedelta(hours=9))
    left = offer_of(whenever, now).left
    assert available(row, now) == (0 if row.status == "cancelled" else left)


@steady
@given(rows, moments, st.booleans())
def test_attendees_cancel_and_change_until_the_deadline_and_the_organizer_after_it(
    row: Row, now: datetime, by_organizer: bool
) -> None:
    row = replace(row, capacity=8, confirmed=2)
    actor = ORGANIZER if by_organizer else ATTENDEE
    deadline = row.cancel_until or row.starts_at
    too_late = not by_organizer and deadline is not None and now >= deadline
    for command in (CancelBooking(1), ChangeTickets(1, 1)):
        row = replace(row, waiting=0)
        mine = Claim(1, "ada", 2, Status.CONFIRMED)
        outcome = Ledger(inventory_of(row, now), [mine]).decide(command, actor)
        assert (outcome == Refusal(Reason.TOO_LATE)) == too_late
        assert isinstance(outcome, Outcome) != too_late
    seen(f"too late: {too_late}")


@steady
@given(rows, moments)
def test_who_waits_moves_up_until_the_event_starts(row: Row, now: datetime) -> None:
    row = replace(row, confirmed=row.capacity, waiting=1)
    mine = Claim(1, "ada", row.capacity, Status.CONFIRMED)
    head = Claim(2, "bob", 1, Status.WAITING, "ref")
    ledger = Ledger(inventory_of(row, now), [mine], [head])
    outcome = ledger.decide(CancelBooking(1), ORGANIZER)
    assert isinstance(outcome, Outcome)
    ended = row.status == "cancelled" or (row.starts_at is not None and now >= row.starts_at)
    assert outcome.promoted == ({} if ended else {2: "ref"})
