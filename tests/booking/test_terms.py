"""Who does not answer gives way: when a term begins, when it is over, and what happens then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as sqlalchemy_event

from tests.support.changes import set_capacity
from tests.support.fixtures import Clock, MakeEvent
from tests.support.terms import (
    BASE_URL,
    MAIL_URL,
    answer,
    ask,
    go,
    next_lapse_of,
    send_mails,
    term_at,
)
from tests.support.tools import booking_at, figures, fill, history, rows, statuses
from webapp.accounts.logins import begin_login
from webapp.accounts.services import Account
from webapp.booking import heartbeat, lapses, queue, terms
from webapp.booking.batch import TermsAreOver, run_unlocked_events
from webapp.booking.commands import CancelBooking, Status, organizer
from webapp.booking.corrections import correct_booking, set_address
from webapp.booking.decisions import Request
from webapp.booking.links import Token, replace_link_of, state_of
from webapp.booking.services import book_tickets, cancel_booking, keep_booking
from webapp.errors import BookingClosed, InvalidInput, LinkReplaced, TokenNeeded
from webapp.events.services import EventDetails, cancel_event, create_event
from webapp.events.services import edit_event as edit
from webapp.storage import idempotency, outbox
from webapp.storage.engines import write_engine
from webapp.storage.tables import heartbeats
from webapp.verify.services import verify
from webapp.web.security import LOGIN_KEY

SECOND = timedelta(seconds=1)
ALMOST = timedelta(microseconds=1)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """An application that could send mails."""
    return make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL)


@pytest.fixture(autouse=True)
def beating(in_app: Flask, now: Clock) -> None:
    heartbeat.beat(now())


@pytest.fixture
def asking(make_event: MakeEvent) -> int:
    """An event for one, that asks for addresses."""
    return make_event(capacity=1, asks_address=True)


def lapses_at(event_id: int, position: int) -> Any:
    return term_at(event_id, position).lapses_at


def kinds(event_id: int) -> list[tuple[str, int | None]]:
    """What the history of an event's bookings tells, in order, and of whom."""
    return [(line.what, line.position) for line in reversed(history(event_id)) if line.position]


def counted(event_id: int) -> int:
    [(revision,)] = rows("SELECT revision FROM event WHERE id = :id", id=event_id)
    return int(revision)


def test_term_begins_when_its_question_has_left(asking: int, now: Clock) -> None:
    booked = ask(asking, "ada")
    assert (booked.asked, booked.status) == (True, Status.CONFIRMED)
    assert lapses_at(asking, 1) is None
    assert next_lapse_of(asking) is None
    go(now, hours=5)
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]
    assert send_mails() == ["ask_address"]
    assert lapses_at(asking, 1) == next_lapse_of(asking) == now.at(minutes=30)
    assert kinds(asking) == [("booked", 1), ("asked", 1)]
    assert verify().broken == []


def test_who_does_not_answer_lapses_and_the_next_moves_up(asking: int, now: Clock) -> None:
    ask(asking, "ada")
    ask(asking, "bob")
    send_mails()
    go(now, minutes=10)
    ask(asking, "cleo")
    send_mails()
    answer(asking, ask_again := ask(asking, "dora"))
    assert ask_again.status is Status.WAITING
    go(now, minutes=20, seconds=5)
    lapses.settle(asking)
    assert statuses(asking) == ["lapsed", "lapsed", "confirmed", "waiting"]
    assert figures(asking) == (1, 1, 0)
    lines = [line for line in history(asking) if line.what in ("lapsed", "promoted")]
    assert {(line.actor, line.cause) for line in lines} == {("system", None)}
    assert len({line.revision for line in lines}) == 1
    assert next_lapse_of(asking) == now.at(minutes=10, seconds=-5)
    assert verify().broken == []


def test_who_stands_behind_one_that_left_before_it_could_lapse_moves_up(
    asking: int, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More are over than lapse in one batch, and the one that is left cancels in that batch."""
    monkeypatch.setattr(terms, "AT_ONCE", 1)
    ask(asking, "ada")
    bob = ask(asking, "bob")
    cleo = ask(asking, "cleo")
    send_mails()
    answer(asking, cleo)
    go(now, minutes=31)
    cancel_booking(asking, position=bob.position)
    assert statuses(asking) == ["lapsed", "cancelled", "waiting"]
    lapses.settle(asking)
    assert statuses(asking) == ["lapsed", "cancelled", "confirmed"]
    assert verify().broken == []


def test_term_is_over_five_seconds_after_the_moment_that_was_told(asking: int, now: Clock) -> None:
    booked = ask(asking, "ada")
    send_mails()
    go(now, minutes=30, seconds=5)
    now.moment -= ALMOST
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]
    assert not answer(asking, booked).repeated
    assert statuses(asking) == ["confirmed"]
    go(now, days=1)
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]


def test_answer_at_the_moment_of_the_lapse_comes_too_late(asking: int, now: Clock) -> None:
    """No look has come yet: the first caller meets the world as it is after the lapse."""
    booked = ask(asking, "ada")
    ask(asking, "bob")
    send_mails()
    go(now, minutes=30, seconds=5)
    with pytest.raises(BookingClosed, match="lapsed"):
        answer(asking, booked)
    assert statuses(asking)[0] == "lapsed"
    assert verify().broken == []


def test_newcomer_finds_the_place_of_who_did_not_answer(asking: int, now: Clock) -> None:
    ask(asking, "ada")
    send_mails()
    go(now, minutes=31)
    again = ask(asking, "ada")
    assert (again.position, again.status) == (2, Status.CONFIRMED)
    assert statuses(asking) == ["lapsed", "confirmed"]
    assert verify().broken == []


def test_cancel_of_who_has_lapsed_gives_nothing_twice(asking: int, now: Clock) -> None:
    ask(asking, "ada")
    ask(asking, "bob")
    send_mails()
    answer_bob = term_at(asking, 2)
    assert answer_bob.is_open
    go(now, minutes=31)
    assert cancel_booking(asking, position=1).promoted == {}
    assert statuses(asking) == ["lapsed", "lapsed"]
    assert figures(asking) == (0, 0, 1)


def test_answer_again_gives_the_same_answer(asking: int, now: Clock) -> None:
    booked = ask(asking, "ada")
    send_mails()
    first, second = answer(asking, booked), answer(asking, booked)
    assert (first.repeated, second.repeated) == (False, True)
    assert (first.status, first.position, first.reference) == (
        second.status, second.position, second.reference,
    )  # fmt: skip
    assert [what for what, _ in kinds(asking)] == ["booked", "asked", "kept"]
    # The answer may come before it is noted that the question has left.
    assert send_mails() == ["confirmed"]


def test_answer_before_it_is_noted_that_the_question_has_left_counts(
    asking: int, now: Clock
) -> None:
    booked = ask(asking, "ada")
    answer(asking, booked)
    assert send_mails() == ["ask_address", "confirmed"]
    assert next_lapse_of(asking) is None
    go(now, hours=1)
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]


def test_booking_knows_its_reference_but_that_does_not_answer_for_the_address(
    asking: int, organizer_id: int
) -> None:
    booked = ask(asking, "ada")
    send_mails()
    for token in (None, "", booked.reference, "ä"):
        with pytest.raises(TokenNeeded):
            keep_booking(asking, position=1, reference=booked.reference, token=token)
    assert term_at(asking, 1).is_open
    kept = keep_booking(
        asking, position=1, reference=booked.reference, actor=organizer(organizer_id)
    )
    assert not kept.repeated
    assert history(asking)[0].actor == f"organizer:{organizer_id}"


def test_keeping_what_was_never_asked_changes_nothing(make_event: MakeEvent) -> None:
    event_id = make_event()
    [booked] = fill(event_id, 1)
    assert keep_booking(event_id, position=1, reference=booked.reference).repeated
    assert counted(event_id) == 2


def test_cancelled_booking_cannot_be_kept(asking: int) -> None:
    booked = ask(asking, "ada")
    cancel_booking(asking, position=1)
    with pytest.raises(BookingClosed, match="not_active"):
        answer(asking, booked)


@pytest.mark.parametrize(
    ("minutes", "asked"), [(9.99, False), (10, True), (29, True), (None, True)]
)
def test_with_less_than_ten_minutes_left_nothing_is_asked(
    make_event: MakeEvent, now: Clock, minutes: float | None, asked: bool
) -> None:
    starts_at = None if minutes is None else now.at(minutes=minutes)
    event_id = make_event(asks_address=True, starts_at=starts_at)
    assert ask(event_id, "ada").asked is asked
    send_mails()
    if asked:
        told = lapses_at(event_id, 1)
        assert told == min(now.at(minutes=30), starts_at or now.at(days=9))


def test_at_the_start_open_terms_end_without_effect(make_event: MakeEvent, now: Clock) -> None:
    event_id = make_event(capacity=1, asks_address=True, starts_at=now.at(minutes=20))
    booked = ask(event_id, "ada")
    ask(event_id, "bob")
    send_mails()
    go(now, minutes=20)
    lapses.settle(event_id)
    go(now, minutes=1)
    lapses.settle(event_id)
    assert statuses(event_id) == ["confirmed", "waiting"]
    assert next_lapse_of(event_id) is None
    assert not term_at(event_id, 1).is_open
    assert answer(event_id, booked).repeated
    assert verify().broken == []


def test_start_that_moves_cuts_terms_and_what_has_ended_stays_so(
    make_event: MakeEvent, now: Clock, organizer_id: int
) -> None:
    event_id = make_event(capacity=1, asks_address=True, starts_at=now.at(days=1))
    ask(event_id, "ada")
    send_mails()
    soon, later = now.at(minutes=15), now.at(days=2)

    def move_to(moment: Any) -> None:
        details = EventDetails("Conference", 1, starts_at=moment, asks_address=True)
        edit(event_id, details, actor=organizer(organizer_id))

    move_to(soon)
    assert lapses_at(event_id, 1) == next_lapse_of(event_id) == soon
    go(now, minutes=16)
    # It has begun, and so its terms have ended; now it is put off.
    move_to(later)
    go(now, hours=1)
    lapses.settle(event_id)
    assert statuses(event_id) == ["confirmed"]
    assert verify().broken == []


def test_nobody_lapses_while_the_deliverer_is_away(asking: int, now: Clock) -> None:
    booked = ask(asking, "ada")
    ask(asking, "bob")
    send_mails()
    now.go(minutes=31)
    lapses.settle(asking)
    assert ask(asking, "cleo").status is Status.WAITING
    assert statuses(asking) == ["confirmed", "waiting", "waiting"]
    # And so an answer is in time.
    assert not answer(asking, booked).repeated
    assert verify().broken == []


def test_deliverer_that_returns_gives_everybody_half_an_hour(
    make_event: MakeEvent, asking: int, now: Clock
) -> None:
    other = make_event(capacity=1, asks_address=True, starts_at=now.at(hours=2, minutes=20))
    booked = ask(asking, "ada")
    ask(other, "ada")
    send_mails()
    now.go(hours=2)
    assert lapses.watch()
    lapses.settle_due()
    assert statuses(asking) == ["confirmed"]
    assert lapses_at(asking, 1) == next_lapse_of(asking) == now.at(minutes=30)
    # No term ends after the start.
    assert lapses_at(other, 1) == next_lapse_of(other) == now.at(minutes=20)
    go(now, minutes=29)
    lapses.settle_due()
    assert not answer(asking, booked).repeated
    # Terms that end later are left alone.
    late = make_event(capacity=1, asks_address=True)
    ask(late, "ada")
    send_mails()
    told = lapses_at(late, 1)
    now.go(minutes=6)
    told_sooner = lapses_at(late, 1)
    assert lapses.watch()
    assert told == told_sooner
    assert lapses_at(late, 1) == now.at(minutes=30)
    assert verify().broken == []


def test_beat_that_is_fresh_moves_nothing(asking: int, now: Clock) -> None:
    ask(asking, "ada")
    send_mails()
    told = lapses_at(asking, 1)
    for _ in range(5):
        now.go(minutes=4)
        assert lapses.watch()
    assert lapses_at(asking, 1) == told


def test_lapses_rest_until_an_operator_resumes_them(asking: int, now: Clock) -> None:
    booked = ask(asking, "ada")
    send_mails()
    with write_engine().begin() as connection:
        heartbeat.rest(connection)
    go(now, hours=1)
    # The beat is fresh, yet all rests.
    lapses.settle(asking)
    assert not lapses.watch()
    assert statuses(asking) == ["confirmed"]
    assert heartbeat.resume()
    assert not heartbeat.resume()
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]
    assert lapses.watch()
    assert lapses_at(asking, 1) == now.at(minutes=30)
    assert not answer(asking, booked).repeated


def test_missing_heartbeat_lapses_nobody(asking: int, now: Clock) -> None:
    ask(asking, "ada")
    send_mails()
    now.go(hours=1)
    with write_engine().begin() as connection:
        connection.execute(heartbeats.delete())
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]
    assert lapses.watch()
    assert heartbeat.last_beat() == now()


def test_event_that_asks_for_nothing_reads_no_heartbeat_and_no_terms(
    make_event: MakeEvent,
) -> None:
    event_id, seen = make_event(), []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    engine = write_engine()
    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        fill(event_id, 2, 2)
        cancel_booking(event_id, position=1)
    finally:
        sqlalchemy_event.remove(engine, "before_cursor_execute", note)
    assert not [one for one in seen if "heartbeat" in one or "FROM term" in one or "term " in one]


def test_look_that_finds_nothing_over_makes_no_revision_and_does_not_ask_again(
    asking: int, now: Clock
) -> None:
    first, second = ask(asking, "ada"), ask(asking, "bob")
    send_mails()
    go(now, minutes=10)
    ask(asking, "cleo")
    send_mails()
    # The earliest terms are answered: the next one is later than is known.
    for booked in (first, second):
        answer(asking, booked)
    assert next_lapse_of(asking) == now.at(minutes=20)
    before = counted(asking)
    go(now, minutes=20, seconds=5)
    lapses.settle_due()
    assert next_lapse_of(asking) == now.at(minutes=9, seconds=55)
    assert counted(asking) == before
    # A stranger's event with the same terms is settled by the look as well.
    go(now, minutes=10)
    lapses.settle_due()
    assert statuses(asking) == ["confirmed", "waiting", "lapsed"]
    assert next_lapse_of(asking) is None


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three instead of 500."""
    monkeypatch.setattr(terms, "AT_ONCE", 3)
    monkeypatch.setattr(terms, "_earliest", terms._earliest.limit(4))


@pytest.mark.usefixtures("few_at_once")
def test_too_many_at_once_lapse_in_several_batches_the_earliest_first(
    make_event: MakeEvent, now: Clock
) -> None:
    event_id = make_event(capacity=2, asks_address=True)
    booked = []
    for number in range(8):
        booked.append(ask(event_id, f"guest{number}"))
        # Those further back in the list are asked, and lapse, first.
        if number in (3, 7):
            send_mails()
            go(now, minutes=1)
    answer(event_id, booked[7])
    go(now, minutes=40)
    lapses.settle(event_id)
    assert statuses(event_id) == ["lapsed"] * 3 + ["waiting"] * 5
    # Whose term is over is not promoted, and holds up those behind until it has lapsed.
    assert figures(event_id) == (0, 5, 0)
    assert verify().broken == []
    with pytest.raises(BookingClosed, match="lapsed"):
        answer(event_id, booked[6])
    lapses.settle(event_id)
    assert statuses(event_id) == ["lapsed"] * 7 + ["confirmed"]
    assert next_lapse_of(event_id) is None
    assert verify().broken == []


@pytest.mark.usefixtures("few_at_once")
def test_late_answer_does_not_revive_who_lapses_in_a_later_batch(
    make_event: MakeEvent, now: Clock
) -> None:
    event_id = make_event(capacity=9, asks_address=True)
    booked = [ask(event_id, f"guest{number}") for number in range(5)]
    send_mails()
    go(now, minutes=40)
    with pytest.raises(BookingClosed, match="lapsed"):
        answer(event_id, booked[4])
    assert statuses(event_id) == ["lapsed"] * 3 + ["confirmed"] * 2


def test_event_with_terms_that_are_over_is_left_out_of_the_shared_batch(
    make_event: MakeEvent, asking: int, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_event()
    fill(plain, 1)
    ask(asking, "ada")
    send_mails()
    go(now, minutes=31)
    requests = [Request(asking, CancelBooking(1)), Request(plain, CancelBooking(1))]
    left_out, done = run_unlocked_events(requests)
    assert isinstance(left_out, TermsAreOver)
    assert not isinstance(done, Exception)
    assert (statuses(asking), statuses(plain)) == (["confirmed"], ["cancelled"])
    # Its own queue settles it, without a second try in the shared one.
    monkeypatch.setattr(queue, "SHARED_QUEUE_TRIES", 1)
    cancelled = queue.submit(Request(asking, CancelBooking(1)))
    assert (cancelled.status, cancelled.repeated) == (Status.LAPSED, True)


def test_edit_and_cancel_of_an_event_meet_the_world_after_the_lapse(
    make_event: MakeEvent, now: Clock, organizer_id: int
) -> None:
    event_id = make_event(capacity=4, asks_address=True)
    ask(event_id, "ada", tickets=3)
    ask(event_id, "bob", tickets=4)
    late = ask(event_id, "cleo", tickets=1)
    send_mails()
    answer(event_id, late)
    go(now, minutes=31)
    # Nobody holds or wants more than one any more.
    set_capacity(event_id, 1, organizer_id=organizer_id)
    assert statuses(event_id) == ["lapsed", "lapsed", "confirmed"]
    assert figures(event_id) == (1, 0, 0)
    assert verify().broken == []
    book = ask(event_id, "dora")
    send_mails()
    go(now, minutes=31)
    assert book.status is Status.WAITING
    cancel_event(event_id, actor=organizer(organizer_id))
    assert statuses(event_id) == ["lapsed", "lapsed", "cancelled", "lapsed"]
    assert verify().broken == []


def test_cancelled_event_lapses_nobody(asking: int, now: Clock, organizer_id: int) -> None:
    ask(asking, "ada")
    send_mails()
    cancel_event(asking, actor=organizer(organizer_id))
    go(now, hours=1)
    lapses.settle_due()
    assert statuses(asking) == ["cancelled"]
    assert next_lapse_of(asking) is None
    assert verify().broken == []


def test_who_the_organizer_books_is_not_asked(asking: int, organizer_id: int) -> None:
    booked = book_tickets(
        asking, attendee_id="ada@example.org", email="ada@example.org",
        actor=organizer(organizer_id),
    )  # fmt: skip
    assert not booked.asked
    assert send_mails() == ["confirmed"]
    assert term_at(asking, 1) is None


def test_without_mails_nothing_is_asked(make_app: Callable[..., Flask], asking: int) -> None:
    with make_app().app_context():
        assert not ask(asking, "ada").asked
        assert term_at(asking, 1) is None


def test_event_that_asks_wants_an_address(asking: int) -> None:
    with pytest.raises(InvalidInput, match="userId"):
        book_tickets(asking, attendee_id="7")
    assert statuses(asking) == []


def test_asking_cannot_be_switched_on_without_mails(
    make_app: Callable[..., Flask], make_event: MakeEvent, organizer_id: int
) -> None:
    asking = make_event(asks_address=True)
    actor = organizer(organizer_id)
    with make_app().app_context():
        wanted = EventDetails("New", 1, asks_address=True)
        with pytest.raises(InvalidInput, match="asksAddress"):
            create_event(wanted, actor=actor, published=True)
        plain = create_event(EventDetails("New", 1), actor=actor, published=True)
        with pytest.raises(InvalidInput, match="asksAddress"):
            edit(plain, wanted, actor=actor)
        # What is on already may stay on.
        edit(asking, EventDetails("Renamed", 1, asks_address=True), actor=actor)


def test_booking_that_must_answer_is_asked_whatever_the_event_says(
    make_event: MakeEvent, now: Clock
) -> None:
    event_id = make_event(capacity=1)
    address = "ada@example.org"
    booked = book_tickets(event_id, attendee_id=address, email=address, must_answer=True)
    assert booked.asked
    send_mails()
    go(now, minutes=31)
    lapses.settle_due()
    assert statuses(event_id) == ["lapsed"]


def test_repeated_key_tells_again_that_the_address_is_asked(asking: int) -> None:
    key = idempotency.bind_key("book", caller="page", key="one", user="ada")
    for repeated in (False, True):
        booked = book_tickets(
            asking, attendee_id="ada@example.org", email="ada@example.org", key=key
        )
        assert (booked.asked, booked.repeated) == (True, repeated)
    assert send_mails() == ["ask_address"]


def test_who_is_asked_is_told_of_the_ticket_once_the_address_has_answered(
    asking: int, now: Clock
) -> None:
    first = ask(asking, "ada")
    second = ask(asking, "bob")
    assert send_mails() == ["ask_address", "ask_address"]
    answer(asking, first)
    answer(asking, second)
    assert send_mails() == ["confirmed", "waiting"]
    cancel_booking(asking, position=1)
    assert send_mails() == ["cancelled", "promoted"]


def test_question_that_is_refused_for_good_keeps_nobodys_ticket(asking: int, now: Clock) -> None:
    ask(asking, "ada")
    [delivery] = outbox.lease(outbox.MAIL).rows
    outbox.park(delivery, "no such user", lapses.begin_term_of(delivery))
    assert lapses_at(asking, 1) == now.at(minutes=30)
    go(now, minutes=31)
    lapses.settle_due()
    assert statuses(asking) == ["lapsed"]


def test_question_noted_as_sent_twice_begins_one_term(asking: int, now: Clock) -> None:
    ask(asking, "ada")
    [delivery] = outbox.lease(outbox.MAIL).rows
    outbox.mark_sent(delivery, lapses.begin_term_of(delivery))
    told = lapses_at(asking, 1)
    now.go(minutes=10)
    outbox.mark_sent(delivery, lapses.begin_term_of(delivery))
    assert lapses_at(asking, 1) == told
    assert kinds(asking) == [("booked", 1), ("asked", 1)]


def test_organizer_reads_who_was_asked_and_what_became_of_it(
    app: Flask, asking: int, now: Clock, organizer_id: int
) -> None:
    first, _ = ask(asking, "ada"), ask(asking, "bob")
    send_mails()
    answer(asking, first)
    go(now, minutes=31)
    lapses.settle_due()
    client = app.test_client()
    with client.session_transaction() as session:
        session[LOGIN_KEY] = begin_login(Account(organizer_id, "olga", 1), device="")
    page = client.get(f"/organizer/events/{asking}/history")
    assert page.status_code == 200
    for words in ("asked</strong> by mail whether the address is theirs",
                  "kept</strong> by the attendee",
                  "lapsed</strong>: the address did not answer in time"):  # fmt: skip
        assert words in page.text


def test_who_has_not_answered_is_asked_anew_with_another_link(
    asking: int, organizer_id: int, now: Clock
) -> None:
    booked = ask(asking, "ada")
    send_mails()
    go(now, minutes=20)
    replace_link_of(asking, position=1, actor=organizer(organizer_id))
    with pytest.raises(LinkReplaced):
        answer(asking, booked)
    assert send_mails() == ["ask_address"]
    assert lapses_at(asking, 1) == now.at(minutes=30)
    go(now, minutes=29)
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]
    answer(asking, replace(booked, reference=booking_at(asking, 1).reference))
    assert send_mails() == ["confirmed"]
    # From now on it is a link like any other.
    replace_link_of(asking, position=1, actor=organizer(organizer_id))
    assert send_mails() == ["link_replaced"]
    assert verify().broken == []


@pytest.mark.parametrize(("minutes", "is_late"), [(29, False), (31, True)])
def test_corrected_address_answers_for_the_one_that_was_asked(
    asking: int, now: Clock, minutes: int, is_late: bool
) -> None:
    ask(asking, "ada")
    send_mails()
    correct_booking(asking, position=1, email="grace@example.org")
    assert send_mails() == ["new_address"]
    said = Token(asking, 1, state_of(booking_at(asking, 1)), "grace@example.org")
    go(now, minutes=minutes)
    if is_late:
        with pytest.raises(BookingClosed, match="lapsed"):
            set_address(said)
        return
    for _ in range(2):
        set_address(said)
    assert kinds(asking)[2:] == [("kept", 1), ("corrected", 1)]
    assert not term_at(asking, 1).is_open
    # The address that never answered is left alone.
    sent = rows("SELECT what, recipient FROM delivery WHERE state = 'pending'")
    assert [*map(tuple, sent)] == [("confirmed", "grace@example.org")]
    go(now, hours=1)
    lapses.settle(asking)
    assert statuses(asking) == ["confirmed"]
    assert verify().broken == []
