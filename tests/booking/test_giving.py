"""A confirmed ticket is given to somebody else, through the services."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import Connection, select

from tests.support.asking import ask_whether_coming
from tests.support.fixtures import Clock, MakeEvent
from tests.support.terms import answer, ask, end_terms, go, mails_configured, send_mails, term_at
from tests.support.tools import booking_at, figures, history, rows, statuses, together
from webapp import clock
from webapp.booking import giving, heartbeat
from webapp.booking.codes import code_hash
from webapp.booking.commands import ATTENDEE, organizer
from webapp.booking.corrections import correct_booking
from webapp.booking.giving import Gift, give_ticket, take_over
from webapp.booking.links import Purpose, Token, state_of
from webapp.booking.queries import find_booking, find_gift, locate_any
from webapp.booking.services import book_tickets, cancel_booking, keep_booking
from webapp.errors import (
    AlreadyBooked,
    BookingClosed,
    DomainError,
    EventNotFound,
    InvalidInput,
    LinkExpired,
    LinkReplaced,
)
from webapp.storage import outbox
from webapp.storage.engines import write_engine
from webapp.storage.idempotency import bind_key
from webapp.storage.tables import bookings
from webapp.storage.transaction import read, write
from webapp.verify.services import verify

T = TypeVar("T")

# No more than there are connections to write with.
AT_ONCE = 4
ADA, BOB, GRACE = "ada@example.org", "bob@example.org", "grace@example.org"


def book(event_id: int, email: str = ADA, **more: object) -> str:
    values = {"name": "Ada", "email": email, **more}
    return book_tickets(event_id, attendee_id=email, **values).reference  # type: ignore[arg-type]


def give(event_id: int, position: int = 1, email: str = GRACE, **more: Any) -> Gift:
    return give_ticket(event_id, position=position, name="Grace", email=email, **more)


def whole(event_id: int) -> list[tuple[Any, ...]]:
    """All that the bookings of an event say."""
    query = select(bookings).where(bookings.c.event_id == event_id).order_by(bookings.c.position)
    return [tuple(row) for row in read(lambda connection: connection.execute(query).all())]


def mails(event_id: int) -> list[tuple[str, str]]:
    """Kind and recipient of what is still to be sent."""
    found = rows(
        f"SELECT what, recipient FROM delivery WHERE event_id = {event_id} AND state = 'pending'"
        " ORDER BY id"
    )
    return [(row.what, row.recipient) for row in found]


def kinds(event_id: int, position: int = 1) -> list[str]:
    return [line.what for line in reversed(history(event_id, position=position))]


def offer_to(event_id: int, email: str = GRACE) -> Token:
    """What the mail says that offers the ticket."""
    return Token(event_id, 1, state_of(booking_at(event_id, 1)), email, "Grace")


def race(app: Flask, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """`together`, with connections that are open: who opens one first comes too late to race."""
    if write_engine().dialect.name != "sqlite":
        held = threading.Barrier(AT_ONCE)

        def hold(connection: Connection) -> None:
            connection.execute(select(1))
            held.wait(30)

        together(app, [partial(write, hold)] * AT_ONCE)
    return together(app, calls)


def test_given_ticket_is_somebody_elses_and_the_old_codes_are_void(
    now: Clock, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=2)
    old = book(event_id, tickets=2)
    book(event_id, BOB)
    before, taken = booking_at(event_id, 1), figures(event_id)
    send_mails()
    new = give(event_id, reference=old).reference
    after = booking_at(event_id, 1)
    assert (after.reference, after.name, after.email, after.attendee_id) == (
        new,
        "Grace",
        GRACE,
        GRACE,
    )
    assert (after.status, after.tickets, after.times_given) == ("confirmed", 2, 1)
    assert {old, before.ticket_code}.isdisjoint({new, after.ticket_code})
    kept = rows("SELECT code_hash FROM old_code")
    assert {row.code_hash for row in kept} == {code_hash(old), code_hash(before.ticket_code)}
    assert figures(event_id) == taken
    assert mails(event_id) == [("ticket_given", ADA), ("ticket_received", GRACE)]
    line = history(event_id, position=1)[0]
    assert (line.what, line.actor, line.details) == (
        "given",
        "attendee",
        {"fields": ["name", "email"]},
    )
    # Ada may book again, Grace may not.
    book(event_id)
    with pytest.raises(AlreadyBooked):
        book(event_id, GRACE)
    assert verify().broken == []


def test_giver_learns_to_whom_it_went_and_nothing_of_what_became_of_it(
    now: Clock, make_event: MakeEvent
) -> None:
    event_id = make_event()
    old = book(event_id)
    new = give(event_id, reference=old).reference
    with pytest.raises(LinkReplaced, match="given_to name=Grace"):
        find_booking(old)
    assert find_gift(old).name == "Grace"
    assert locate_any(old) == locate_any(new) == (event_id, 1)
    now.go(hours=1)
    correct_booking(event_id, position=1, name="Someone Else", reference=new)
    assert find_gift(old).name == ""
    with pytest.raises(LinkReplaced, match=r"link_replaced\.given$"):
        find_booking(old)


def test_only_a_confirmed_ticket_is_given_and_never_a_place_in_line(
    now: Clock, make_event: MakeEvent, organizer_id: int
) -> None:
    event_id = make_event(capacity=1, starts_at=now.at(days=2))
    book(event_id)
    book(event_id, BOB)
    before = whole(event_id)
    for actor in (ATTENDEE, organizer(organizer_id)):
        with pytest.raises(BookingClosed, match="not_confirmed"):
            give(event_id, 2, actor=actor)
    now.go(days=2)
    with pytest.raises(BookingClosed, match="too_late"):
        give(event_id)
    assert whole(event_id) == before
    give(event_id, actor=organizer(organizer_id))
    cancel_booking(event_id, position=1, actor=organizer(organizer_id))
    with pytest.raises(BookingClosed, match="not_active"):
        give(event_id, email="eve@example.org")
    assert verify().broken == []


def test_receiver_with_a_booking_leaves_everything_as_it_is(make_event: MakeEvent) -> None:
    event_id = make_event(capacity=1)
    old = book(event_id)
    book(event_id, GRACE)
    before = (whole(event_id), mails(event_id), history(event_id))
    with pytest.raises(AlreadyBooked) as refused:
        give(event_id, reference=old)
    assert refused.value.position == 2
    with pytest.raises(InvalidInput, match="same_address"):
        give(event_id, email=ADA, reference=old)
    assert (whole(event_id), mails(event_id), history(event_id)) == before
    cancel_booking(event_id, position=2)
    assert give(event_id, reference=old).reference


def test_organizer_gives_only_what_is_of_their_own_event(
    make_event: MakeEvent, stranger_id: int
) -> None:
    event_id = make_event()
    book(event_id)
    with pytest.raises(EventNotFound):
        give(event_id, actor=organizer(stranger_id))


def test_where_addresses_are_asked_the_receiver_answers_first(
    now: Clock, make_event: MakeEvent, organizer_id: int
) -> None:
    with mails_configured():
        event_id = make_event(asks_address=True, starts_at=now.at(days=2))
        asked = ask(event_id, "ada")
        with pytest.raises(BookingClosed, match="unanswered"):
            give(event_id)
        answer(event_id, asked)
        send_mails()
        before = whole(event_id)
        assert give(event_id, reference=asked.reference) == Gift(True, "")
        assert whole(event_id) == before
        assert mails(event_id) == [(Purpose.TICKET_OFFER, GRACE)]
        # Somebody with a booking is asked in the same words.
        ask(event_id, "bob")
        assert give(event_id, email=BOB, reference=asked.reference) == Gift(True, "")
        offers = [offer_to(event_id), offer_to(event_id, BOB)]
        with pytest.raises(AlreadyBooked):
            take_over(offers[1])
        new = take_over(offers[0])
        assert take_over(offers[0]) == new == booking_at(event_id, 1).reference
        assert (booking_at(event_id, 1).name, booking_at(event_id, 1).email) == ("Grace", GRACE)
        cancel_booking(event_id, position=2)
        with pytest.raises(LinkExpired):
            take_over(offers[1])
        # Whom an organizer gives it to is not asked.
        assert give(event_id, email=BOB, actor=organizer(organizer_id)).is_asked is False
        with pytest.raises(LinkExpired):
            take_over(offers[0])
    assert verify().broken == []


def test_who_gives_it_away_has_answered_that_somebody_comes(
    now: Clock, make_event: MakeEvent
) -> None:
    with mails_configured():
        event_id = make_event(starts_at=now.at(days=5))
        book(event_id)
        book(event_id, BOB)
        ask_whether_coming(event_id, lapses_too=True, now=now())
        heartbeat.beat(now())
        send_mails()
        give(event_id)
        assert kinds(event_id) == ["booked", "asked", "kept", "given"]
        assert term_at(event_id, 1).is_open is False
        go(now, days=3)
        # Bob did not answer: what he held is nobody's to give any more.
        with pytest.raises(BookingClosed, match="lapsed"):
            give(event_id, 2, email="eve@example.org")
        assert booking_at(event_id, 2).email == BOB
    assert verify().broken == []


def test_nothing_that_waits_to_be_sent_leads_the_giver_to_the_new_link(
    make_event: MakeEvent,
) -> None:
    event_id = make_event()
    book(event_id)
    write_mail = partial(outbox.enqueue, recipient=ADA, event_id=event_id, position=1)
    for kind in ("reminder", "new_link", "address_changed"):
        write(partial(write_mail, kind=kind, now=clock.now()))
    give(event_id)
    assert sorted(mails(event_id)) == [
        ("address_changed", ADA),
        ("reminder", GRACE),
        ("ticket_given", ADA),
        ("ticket_received", GRACE),
    ]


def test_same_key_gives_once_and_answers_the_same(in_app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event()
    old = book(event_id)
    key = bind_key("give", caller="page", key="k", position=1)
    press = partial(give, event_id, reference=old, key=key)
    answers = together(in_app, [press] * 4)
    assert answers == [Gift(False, booking_at(event_id, 1).reference)] * 4
    assert press() == answers[0]
    assert kinds(event_id) == ["booked", "given"]
    with pytest.raises(DomainError, match="idempotency"):
        give(event_id, reference=old, key=bind_key("give", caller="page", key="k", position=2))


@pytest.mark.race
def test_ticket_given_to_several_at_once_goes_to_one(in_app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event()
    old = book(event_id)
    calls = [
        partial(give, event_id, email=f"guest{number}@example.org", reference=old)
        for number in range(AT_ONCE)
    ]
    answers = race(in_app, calls)
    [made] = [one for one in answers if isinstance(one, Gift)]
    assert made.reference == booking_at(event_id, 1).reference
    assert {type(one) for one in answers} == {Gift, LinkReplaced}
    assert len(rows("SELECT kind FROM old_code")) == 2
    assert kinds(event_id) == ["booked", "given"]
    assert verify().broken == []


@pytest.mark.race
def test_gift_against_a_cancel_and_against_what_else_the_receiver_gets(
    in_app: Flask, make_event: MakeEvent
) -> None:
    event_id = make_event(capacity=3)
    first, second, third = (book(event_id, email) for email in (ADA, BOB, "carl@example.org"))
    book(event_id, "dora@example.org")
    calls: list[Callable[[], object]] = [
        partial(give, event_id, reference=first),
        partial(cancel_booking, event_id, position=1, reference=first),
        partial(give, event_id, 2, reference=second),
        partial(book, event_id, GRACE),
        partial(cancel_booking, event_id, position=3, reference=third),
    ]
    answers = race(in_app, calls)
    allowed = (AlreadyBooked, BookingClosed, LinkReplaced)
    wrong = [one for one in answers if isinstance(one, Exception) and not isinstance(one, allowed)]
    assert wrong == []
    held = rows(f"SELECT position FROM booking WHERE attendee_id = '{GRACE}' AND active = 1")
    assert len(held) == 1
    given = isinstance(answers[0], Gift)
    # Either it was given and the old link cancels nothing, or it was cancelled and nobody got it.
    assert isinstance(answers[1], LinkReplaced) is given
    assert (statuses(event_id)[0] == "confirmed") is given
    assert verify().broken == []


@pytest.mark.race
def test_gift_against_the_lapse_of_the_same_booking(in_app: Flask, make_event: MakeEvent) -> None:
    with mails_configured():
        event_id = make_event(capacity=1, starts_at=clock.now() + timedelta(days=5))
        old = book(event_id)
        book(event_id, BOB)
        ask_whether_coming(event_id, lapses_too=True, now=clock.now())
        send_mails()
        end_terms(event_id)
        heartbeat.beat(clock.now())
        calls: list[Callable[[], object]] = [
            partial(give, event_id, reference=old),
            partial(keep_booking, event_id, position=1, reference=old),
            partial(cancel_booking, event_id, position=2),
        ]
        answers = race(in_app, calls)
    assert [type(one) for one in answers[:2]] == [BookingClosed, BookingClosed]
    assert statuses(event_id) == ["lapsed", "cancelled"]
    assert booking_at(event_id, 1).email == ADA
    assert verify().broken == []


def test_gift_is_one_transaction(make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails at its end leaves nothing of it behind."""
    event_id = make_event()
    old = book(event_id)
    before = (whole(event_id), mails(event_id), history(event_id))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("cut off")

    monkeypatch.setattr(giving, "enqueue_mail", fail)
    with pytest.raises(RuntimeError):
        give(event_id, reference=old)
    assert (whole(event_id), mails(event_id), history(event_id)) == before
    assert rows("SELECT kind FROM old_code") == []
