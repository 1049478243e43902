"""Questions as they leave, what begins their terms, and who is asked whether they still come."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.mail.conftest import BASE_URL, Book, Clock, Drain, MakeEvent
from tests.support.changes import set_capacity
from tests.support.mail import Mailbox, SmtpServer, words_of
from tests.support.servers import wait_until
from tests.support.terms import next_lapse_of, term_at
from tests.support.tools import booking_at, history, statuses
from webapp import clock
from webapp.booking import heartbeat
from webapp.booking import services as bookings
from webapp.booking.commands import Outcome, organizer
from webapp.booking.corrections import correct_booking, set_address
from webapp.booking.links import Token, state_of
from webapp.booking.queries import find_event
from webapp.booking.services import keep_booking
from webapp.errors import BookingClosed, LinkReplaced
from webapp.events.services import cancel_event, details_of, edit_event
from webapp.extensions import db
from webapp.mail import announcements, scheduled, worker
from webapp.mail.worker import Deliverer, Settler
from webapp.storage.tables import deliveries
from webapp.text.formatting import in_words
from webapp.text.languages import ENGLISH
from webapp.verify.services import verify

ADA = "ada@example.org"
HOUR = timedelta(hours=1)
Answer = Callable[[int, Outcome], Outcome]


@pytest.fixture
def settle(app: Flask, the_clock: Clock) -> Callable[..., None]:
    """Let time pass with a deliverer that is there, and let it look."""

    def settle(**distance: float) -> None:
        the_clock.put_forward(**distance)
        heartbeat.beat(clock.now())
        Settler(Event()).look()

    return settle


@pytest.fixture
def tell(deliverer: Deliverer) -> Drain:
    """What a deliverer does each minute: write what is due, and send it."""
    deliverer.jobs = [(60.0, scheduled.write_due)]
    return deliverer.drain


def link_in(message: EmailMessage) -> str:
    [link] = {*re.findall(rf"{BASE_URL}/\S+/keep\S*", words_of(message))}
    return str(link)


def press(event_id: int, message: EmailMessage, booked: Outcome) -> Outcome:
    """What the button does on the page behind the link of a mail."""
    parts = urlsplit(link_in(message))
    assert parts.path == f"/bookings/{booked.reference}/keep"
    [token] = parse_qs(parts.query).get("token", [None])
    return keep_booking(event_id, position=booked.position, reference=booked.reference, token=token)


@pytest.fixture
def untiring(deliverer: Deliverer) -> Drain:
    """Deliver what is due, though the mail server was away the last time."""

    def drain() -> None:
        deliverer._rest = 0.0
        deliverer.drain()

    return drain


def subjects(mailbox: Mailbox, address: str = ADA) -> list[str]:
    return [
        message["Subject"].removesuffix("Harvest Supper").rstrip(": ")
        for message in mailbox.to(address)
    ]


def test_mail_that_asks_holds_the_only_token_and_no_ticket(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, settle: Callable[..., None]
) -> None:
    event_id = make_event(tickets=2, asks_address=True)
    booked = book(event_id, "ada", 2)
    drain()
    [asks] = mailbox.to(ADA)
    assert asks["Subject"] == "Please answer to keep your place: Harvest Supper"
    assert not [*asks.iter_attachments()]
    assert "ticket." not in words_of(asks, "html")
    assert f"/bookings/{booked.reference}/keep?token=" in words_of(asks, "html")
    settle(minutes=30)
    assert not press(event_id, asks, booked).repeated
    drain()
    assert subjects(mailbox) == ["Please answer to keep your place", "Your tickets are booked"]
    settle(days=1)
    assert statuses(event_id) == ["confirmed"]
    assert verify().broken == []


def test_token_of_one_mail_answers_for_nothing_else(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id, other = (make_event(tickets=5, asks_address=True) for _ in range(2))
    ada, bob, elsewhere = book(event_id, "ada"), book(event_id, "bob"), book(other, "ada")
    drain()
    [token] = parse_qs(urlsplit(link_in(mailbox.to(ADA)[0])).query)["token"]
    for place, booked in ((event_id, bob), (other, elsewhere)):
        with pytest.raises(Exception, match="token_needed"):
            keep_booking(place, position=booked.position, reference=booked.reference, token=token)
    with pytest.raises(LinkReplaced):
        keep_booking(event_id, position=ada.position, reference="another one", token=token)
    assert not press(event_id, mailbox.to(ADA)[0], ada).repeated


def test_mail_server_that_is_away_costs_nobody_a_ticket(
    make_event: MakeEvent,
    book: Book,
    untiring: Drain,
    mailbox: Mailbox,
    smtp: SmtpServer,
    settle: Callable[..., None],
    the_clock: Clock,
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    booked = book(event_id, "ada")
    smtp.stop()
    # Far longer than a delivery is tried: in the end it is given up, and shown to the organizer.
    for _ in range(40):
        untiring()
        settle(hours=1)
    assert statuses(event_id) == ["confirmed"]
    assert term_at(event_id, 1).lapses_at is None
    smtp.start()
    with db.engine.begin() as connection:
        connection.execute(update(deliveries).values(state="pending", next_try_at=clock.now()))
    untiring()
    settle(minutes=29)
    assert not press(event_id, mailbox.to(ADA)[0], booked).repeated
    assert verify().broken == []


def test_address_that_is_refused_for_good_keeps_no_ticket(
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    settle: Callable[..., None],
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    mailbox.at_recipient = lambda address: "550 no such user" if address == ADA else None
    book(event_id, "ada")
    bob = book(event_id, "bob")
    drain()
    press(event_id, mailbox.to("bob@example.org")[0], bob)
    drain()
    settle(minutes=29)
    assert statuses(event_id) == ["confirmed", "waiting"]
    settle(minutes=2)
    assert statuses(event_id) == ["lapsed", "confirmed"]
    drain()
    assert subjects(mailbox, "bob@example.org") == [
        "Please answer to keep your place",
        "You are on the waiting list",
        "You moved up, the ticket is yours",
    ]  # fmt: skip
    # Whose address it is not is left alone.
    assert mailbox.to(ADA) == []
    assert verify().broken == []


def test_address_that_is_put_off_for_a_day_keeps_no_ticket_either(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, settle: Callable[..., None]
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    mailbox.at_recipient = lambda address: "450 try again later"
    book(event_id, "ada")
    for _ in range(40):
        drain()
        settle(hours=2)
    assert statuses(event_id) == ["lapsed"]
    assert verify().broken == []


def test_question_that_is_sent_again_tells_the_end_of_the_term_that_has_begun(
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    settle: Callable[..., None],
    owner_id: int,
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    mailbox.at_recipient = lambda address: "550 no such user"
    book(event_id, "ada")
    drain()
    told = in_words(term_at(event_id, 1).lapses_at, find_event(event_id).time_zone, ENGLISH)
    settle(minutes=20)
    mailbox.at_recipient = lambda address: None
    with db.engine.connect() as connection:
        delivery_id = connection.execute(select(deliveries.c.id)).scalar_one()
    assert announcements.resend(event_id, delivery_id, actor=organizer(owner_id))
    drain()
    assert told in words_of(mailbox.to(ADA)[0])


def test_another_address_can_be_asked_in_place_of_a_wrong_one(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    book(event_id, "ada")
    drain()
    correct_booking(event_id, position=1, email="grace@example.org")
    drain()
    [question] = mailbox.to("grace@example.org")
    assert "Use this address" in words_of(question)
    set_address(Token(event_id, 1, state_of(booking_at(event_id, 1)), "grace@example.org"))
    drain()
    assert subjects(mailbox, "grace@example.org")[-1] == "Your ticket is booked"
    assert subjects(mailbox) == ["Please answer to keep your place"]


def test_who_is_asked_is_sent_nothing_else_before_the_answer(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox, owner_id: int
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    book(event_id, "ada")
    bob = book(event_id, "bob")
    drain()
    bookings.cancel_booking(event_id, position=1)
    edit_event(
        event_id,
        lambda event: replace(details_of(event), location="Elsewhere"),
        actor=organizer(owner_id),
        tells=True,
    )
    drain()
    [asks] = mailbox.to("bob@example.org")
    press(event_id, asks, bob)
    drain()
    assert subjects(mailbox, "bob@example.org")[1:] == ["Your ticket is booked"]


def test_question_is_not_asked_any_more_once_it_is_answered_or_the_event_has_begun(
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    owner_id: int,
    the_clock: Clock,
) -> None:
    event_id = make_event(tickets=3, asks_address=True, starts_at=clock.now() + HOUR)
    booked = book(event_id, "ada")
    keep_booking(event_id, position=1, reference=booked.reference, actor=organizer(owner_id))
    book(event_id, "bob")
    the_clock.put_forward(hours=1)
    drain()
    assert subjects(mailbox) == ["Your ticket is booked"]
    assert mailbox.to("bob@example.org") == []


def test_mails_rest_after_a_restore_until_an_operator_has_looked(
    app: Flask, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=1, asks_address=True)
    book(event_id, "ada")
    with db.engine.begin() as connection:
        heartbeat.rest(connection)
    drain()
    assert mailbox.to(ADA) == []
    run = app.test_cli_runner().invoke
    assert run(args=["deliver", "--once"]).exit_code == 0
    assert mailbox.to(ADA) == []
    first, second = (run(args=["deliver", "--resume"]) for _ in range(2))
    assert (first.exit_code, first.output) == (
        0, "Mails are sent again, and who does not answer in time lapses.\n",
    )  # fmt: skip
    assert second.output == "Nothing was resting.\n"
    drain()
    assert subjects(mailbox) == ["Please answer to keep your place"]


def test_thread_of_its_own_beats_and_settles(
    app: Flask,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    the_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever becomes of mails meanwhile."""
    event_id = make_event(tickets=1, asks_address=True)
    book(event_id, "ada")
    drain()
    heartbeat.beat(clock.now())
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.1)
    settler = Settler(Event())
    thread = Thread(target=settler.run, args=(app,))
    thread.start()
    try:
        for _ in range(8):
            the_clock.put_forward(minutes=4)
            # Less than the longest silence passes at a time, so no term is moved.
            assert wait_until(has_just_beaten, timeout=20)
        assert wait_until(lambda: statuses(event_id) == ["lapsed"], timeout=20)
    finally:
        settler.stop.set()
        thread.join(20)
    assert not thread.is_alive()


def has_just_beaten() -> bool:
    beat = heartbeat.last_beat()
    return beat is not None and clock.now() - beat < timedelta(minutes=1)


@pytest.fixture
def starting(make_event: MakeEvent) -> Callable[..., int]:
    """Make an event that asks three days before its start, for which that is now in a day."""

    def make(**fields: object) -> int:
        start = clock.now().replace(microsecond=0) + timedelta(days=4)
        return make_event(**{"starts_at": start, "still_coming_days": 3, **fields})

    return make


def asked(what: str = "still_coming") -> list[int]:
    query = select(deliveries.c.position).where(deliveries.c.what == what)
    with db.engine.connect() as connection:
        return sorted(connection.execute(query).scalars())


def test_holders_of_tickets_are_asked_some_days_before_and_stay_without_an_answer(
    starting: Callable[..., int],
    book: Book,
    tell: Drain,
    mailbox: Mailbox,
    the_clock: Clock,
    settle: Callable[..., None],
) -> None:
    event_id = starting(tickets=2)
    ada, _, waits = (book(event_id, name) for name in ("ada", "bob", "cleo"))
    tell()
    assert asked() == []
    the_clock.put_forward(days=1)
    tell()
    tell()
    assert asked() == [1, 2]
    [*_, asks] = mailbox.to(ADA)
    assert asks["Subject"] == "Are you still coming? Harvest Supper"
    assert "next in line" not in words_of(asks)
    assert link_in(asks).endswith("/keep")
    assert term_at(event_id, 1).lapses_at is None
    assert not press(event_id, asks, ada).repeated
    assert press(event_id, asks, ada).repeated
    settle(days=2, hours=23)
    tell()
    assert statuses(event_id) == ["confirmed", "confirmed", "waiting"]
    assert term_at(event_id, waits.position) is None
    assert [line.what for line in history(event_id, position=1)] == ["kept", "asked", "booked"]
    assert verify().broken == []


def test_who_does_not_say_that_they_come_lapses_after_two_days_where_that_is_wanted(
    starting: Callable[..., int],
    book: Book,
    tell: Drain,
    mailbox: Mailbox,
    the_clock: Clock,
    settle: Callable[..., None],
) -> None:
    event_id = starting(tickets=2, still_coming_lapses=True)
    ada, bob = book(event_id, "ada"), book(event_id, "bob")
    book(event_id, "cleo")
    the_clock.put_forward(days=1)
    tell()
    told = clock.now() + timedelta(days=2)
    assert abs(term_at(event_id, 1).lapses_at - told) < timedelta(minutes=1)
    assert "goes to the next in line" in words_of(mailbox.to(ADA)[-1])
    press(event_id, mailbox.to("bob@example.org")[-1], bob)
    settle(days=1, hours=23, minutes=59)
    assert statuses(event_id) == ["confirmed", "confirmed", "waiting"]
    settle(minutes=2)
    assert statuses(event_id) == ["lapsed", "confirmed", "confirmed"]
    tell()
    assert subjects(mailbox)[-1] == "Your booking has lapsed"
    with pytest.raises(BookingClosed, match="lapsed"):
        keep_booking(event_id, position=1, reference=ada.reference)
    # Who moved up has a day left, which is enough to be asked, up to the start.
    assert asked() == [1, 2, 3]
    cleo = mailbox.to("cleo@example.org")
    assert cleo[-1]["Subject"].startswith("Are you still coming?")
    assert term_at(event_id, 3).lapses_at == find_event(event_id).starts_at
    settle(days=1)
    assert statuses(event_id) == ["lapsed", "confirmed", "confirmed"]
    assert verify().broken == []


@pytest.mark.parametrize(("hours", "is_asked"), [(12.1, True), (11.9, False)])
def test_who_is_promoted_is_asked_with_at_least_twelve_hours_or_not_at_all(
    starting: Callable[..., int],
    book: Book,
    tell: Drain,
    the_clock: Clock,
    owner_id: int,
    hours: float,
    is_asked: bool,
) -> None:
    event_id = starting(tickets=1)
    book(event_id, "ada")
    book(event_id, "bob")
    the_clock.put_forward(days=1)
    tell()
    the_clock.put_forward(hours=3 * 24 - hours)
    set_capacity(event_id, 2, organizer_id=owner_id)
    tell()
    assert (2 in asked()) is is_asked
    assert (term_at(event_id, 2) is not None) is is_asked


def test_who_is_promoted_before_the_days_is_asked_with_everybody(
    starting: Callable[..., int], book: Book, tell: Drain, the_clock: Clock, owner_id: int
) -> None:
    event_id = starting(tickets=1)
    book(event_id, "ada")
    book(event_id, "bob")
    set_capacity(event_id, 2, organizer_id=owner_id)
    assert asked() == []
    the_clock.put_forward(days=1)
    tell()
    assert asked() == [1, 2]


def test_bookings_with_an_open_term_and_those_just_made_are_not_asked_whether_they_come(
    starting: Callable[..., int],
    book: Book,
    tell: Drain,
    the_clock: Clock,
    mailbox: Mailbox,
) -> None:
    event_id = starting(tickets=5, asks_address=True)
    ada = book(event_id, "ada")
    tell()
    the_clock.put_forward(hours=23, minutes=50)
    press(event_id, mailbox.to(ADA)[0], ada)
    book(event_id, "bob")
    tell()
    the_clock.put_forward(minutes=11)
    book(event_id, "cleo")
    tell()
    assert asked() == [1]
    assert term_at(event_id, 2).kind == "address"


def test_event_that_is_put_off_asks_again_and_the_old_question_counts_no_more(
    starting: Callable[..., int],
    book: Book,
    tell: Drain,
    the_clock: Clock,
    owner_id: int,
    mailbox: Mailbox,
    smtp: SmtpServer,
    settle: Callable[..., None],
    deliverer: Deliverer,
) -> None:
    event_id = starting(tickets=1, still_coming_lapses=True)
    book(event_id, "ada")
    tell()
    the_clock.put_forward(days=1)
    smtp.stop()
    tell()
    deliverer._rest = 0.0
    row = find_event(event_id)
    assert row.starts_at is not None
    later: datetime = row.starts_at + timedelta(days=10)
    edit_event(
        event_id,
        lambda event: replace(details_of(event), starts_at=later),
        actor=organizer(owner_id),
    )
    smtp.start()
    the_clock.put_forward(hours=2)
    tell()
    assert not any(each.startswith("Are you still coming?") for each in subjects(mailbox))
    assert next_lapse_of(event_id) is None
    settle(days=10)
    tell()
    assert subjects(mailbox)[-1].startswith("Are you still coming?")
    assert term_at(event_id, 1).lapses_at is not None
    assert len(asked()) == 2
    assert verify().broken == []


def test_nobody_is_asked_whether_they_come_where_that_is_of_no_use(
    starting: Callable[..., int],
    make_event: MakeEvent,
    make_app: Callable[..., Flask],
    book: Book,
    tell: Drain,
    the_clock: Clock,
    owner_id: int,
) -> None:
    ended, soon, unasked = starting(), starting(), starting(still_coming_days=None)
    undated = make_event(still_coming_days=3)
    for event_id in (ended, soon, unasked, undated):
        book(event_id, "ada")
    cancel_event(ended, actor=organizer(owner_id))
    the_clock.put_forward(days=3, hours=23, minutes=51)
    tell()
    assert asked() == []
    # Without mails nobody could answer.
    the_clock.put_forward(days=-1)
    with make_app().app_context():
        scheduled.write_due()
    assert asked() == []
    tell()
    assert asked() == [1]
