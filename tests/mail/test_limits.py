"""How much strangers can have mailed to an address, and that nothing of its own is lost."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Row, select

from tests.mail.conftest import BASE_URL, Clock, Drain, MakeEvent
from tests.mail.test_find import book_on_page
from tests.support.changes import set_capacity
from tests.support.mail import Mailbox, SmtpServer, words_of
from tests.support.tools import booking_at
from webapp import clock
from webapp.booking.batch import run_unlocked_events
from webapp.booking.change import BookingDetails
from webapp.booking.codes import new_reference, new_ticket_code
from webapp.booking.commands import Actor, BookTickets, attendee, organizer
from webapp.booking.corrections import correct_booking, set_address
from webapp.booking.decisions import Request
from webapp.booking.links import Token, replace_link, state_of
from webapp.booking.queries import find_event
from webapp.booking.services import book_tickets, cancel_booking, change_tickets
from webapp.config import current_settings
from webapp.extensions import db
from webapp.mail import announcements, facts, limits
from webapp.mail.channel import MailChannel
from webapp.mail.failures import SummedUp
from webapp.mail.worker import Deliverer
from webapp.storage import outbox
from webapp.storage.outbox import whole_rows
from webapp.storage.tables import deliveries, mail_slots
from webapp.storage.transaction import write
from webapp.verify.services import verify
from webapp.web import rate_limits

VICTIM = "erin@example.org"
HOME = "192.0.2.7"

_ids = count(1)


def rows() -> Sequence[Row[Any]]:
    with db.engine.connect() as connection:
        return connection.execute(whole_rows.order_by(deliveries.c.id)).all()


def book_from(network: str, event_id: int, *, email: str = VICTIM) -> str:
    """Book with somebody's address as an integration does, under an id of its own."""
    booked = book_tickets(
        event_id, attendee_id=str(next(_ids)), email=email, actor=attendee(network)
    )
    return booked.reference


def by_api(client: FlaskClient, path: str, address: str, **body: object) -> Any:
    return client.post(path, json=body, environ_base={"REMOTE_ADDR": address})


def everything_is_told(mailbox: Mailbox) -> None:
    """Each mail that was not sent by itself is told by a summary that was."""
    found = {row.id: row for row in rows()}
    assert {row.state for row in found.values()} == {"sent"}
    for row in found.values():
        if row.sent_at is None:
            summary = found[row.summary_id]
            assert (summary.what, summary.recipient) == ("summed_up", row.recipient)
            assert summary.sent_at is not None
    assert verify().broken == []
    assert len(mailbox.contents) == sum(row.sent_at is not None for row in found.values())


def stranger_at_home(app: Flask) -> Actor:
    with app.test_request_context(environ_base={"REMOTE_ADDR": HOME}):
        return attendee(rate_limits.network())


def test_who_cancels_one_booking_after_the_other_floods_nobody(
    app: Flask, make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    """Each cancel promotes the next booking with the same address, which is a mail as well."""
    event_id, client = make_event(tickets=1), app.test_client()
    references = [
        book_tickets(
            event_id, attendee_id=str(number), email=VICTIM, actor=stranger_at_home(app)
        ).reference
        for number in range(8)
    ]
    for reference in references[:-1]:
        cancelled = by_api(client, "/api/events/cancel", HOME, bookingReference=reference)
        assert cancelled.status_code == 200
        drain()
    assert len(mailbox.to(VICTIM)) == limits.MOST_OF_NETWORK
    the_clock.put_forward(minutes=5)
    drain()
    assert len(mailbox.to(VICTIM)) == limits.MOST_OF_NETWORK + 1
    summary = mailbox.to(VICTIM)[-1]
    assert summary["Subject"] == "News of your bookings"
    for text in (words_of(summary), words_of(summary, "html")):
        assert references[-1] in text
        assert f"{BASE_URL}/bookings" in text
    everything_is_told(mailbox)


def test_fewer_and_fewer_tickets_of_one_booking_are_no_flood(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=10)
    outcome = book_tickets(
        event_id, attendee_id=VICTIM, tickets=10, email=VICTIM, actor=attendee("one")
    )
    for tickets in range(9, 0, -1):
        change_tickets(event_id, position=outcome.position, tickets=tickets, actor=attendee("one"))
        drain()
    assert len(mailbox.to(VICTIM)) == limits.MOST_OF_NETWORK


def test_stranger_takes_nothing_away_of_what_the_address_does_itself(
    app: Flask, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=50)
    for _ in range(21):
        book_from("a stranger's", event_id)
        drain()
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = HOME
    assert book_on_page(client, event_id, VICTIM).status_code == 303
    drain()
    assert len(mailbox.to(VICTIM)) == limits.MOST_OF_NETWORK + 1
    [own] = [row for row in rows() if row.network not in (None, "a stranger's")]
    assert own.sent_at is not None


def test_ten_networks_reach_ten_mails_an_hour_and_none_of_ones_own_is_lost(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_id = make_event(tickets=1000)
    own = []
    for minute in range(3):
        for network in range(10):
            book_from(f"network {network}", event_id)
            drain()
        outcome = book_tickets(
            make_event(name=f"Own {minute}"),
            attendee_id=VICTIM,
            email=VICTIM,
            actor=attendee("the victim's own"),
        )
        own.append(outcome.reference)
        drain()
        the_clock.put_forward(minutes=1)
    the_clock.put_forward(minutes=2)
    drain()
    assert len(mailbox.to(VICTIM)) == 10
    told = "".join(words_of(message) for message in mailbox.to(VICTIM))
    assert [reference for reference in own if reference not in told] == []
    everything_is_told(mailbox)


def test_address_gets_ten_mails_an_hour_for_as_long_as_it_is_flooded(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_id = make_event(tickets=1000)
    arrivals = []
    for number in range(32):
        book_from(f"network {number}", event_id)
        seen = len(mailbox.contents)
        drain()
        arrivals += [clock.now()] * (len(mailbox.contents) - seen)
        the_clock.put_forward(minutes=4)
    most = max(
        sum(start <= each < start + timedelta(hours=1) for each in arrivals) for start in arrivals
    )
    assert most == 10
    the_clock.put_forward(hours=1)
    drain()
    everything_is_told(mailbox)


def test_link_asked_for_by_strangers_is_mailed_to_whoever_asks_from_home(
    app: Flask, make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_id = make_event(tickets=50)
    outcome = book_tickets(event_id, attendee_id=VICTIM, email=VICTIM)
    drain()
    for _ in range(5):
        again = {"userId": VICTIM, "eventId": event_id}
        answer = by_api(app.test_client(), "/api/events/book", "192.0.2.66", **again)
        assert answer.status_code == 409
        drain()
    assert len(mailbox.to(VICTIM)) == 1 + limits.MOST_OF_NETWORK
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = HOME
    assert "We mail its link there again" in book_on_page(client, event_id, VICTIM).text
    drain()
    assert len(mailbox.to(VICTIM)) == 2 + limits.MOST_OF_NETWORK
    assert outcome.reference in words_of(mailbox.to(VICTIM)[-1])
    the_clock.put_forward(minutes=5)
    drain()
    everything_is_told(mailbox)


def test_summary_tells_of_what_has_ended_and_of_a_booking_told_elsewhere(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_ids = [make_event(name=name) for name in ("One", "Two", "Three", "Given Back")]
    places = [
        book_tickets(event_id, attendee_id=VICTIM, email=VICTIM, actor=attendee("home")).position
        for event_id in event_ids
    ]
    drain()
    cancel_booking(event_ids[-1], position=places[-1], actor=attendee("home"))
    elsewhere = make_event(name="Told Elsewhere")
    first = book_tickets(elsewhere, attendee_id=VICTIM, email="office@example.org")
    facts.send_links(VICTIM, first=(elsewhere, first.position), network="home")
    the_clock.put_forward(minutes=5)
    drain()
    text = words_of(mailbox.to(VICTIM)[-1])
    assert "1 ticket, no longer booked" in text
    order = [text.index(name) for name in ("Told Elsewhere", "One", "Two", "Three", "Given Back")]
    assert order == sorted(order)
    assert first.reference in text


def test_own_bookings_come_before_those_that_strangers_made_with_the_address(
    make_event: MakeEvent,
    drain: Drain,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts, "MOST_LINKS", 2)
    event_id = make_event(tickets=50)
    for _ in range(3):
        book_from("a stranger's", event_id)
    own = book_tickets(event_id, attendee_id=VICTIM, email=VICTIM)
    facts.send_links(VICTIM, network="home")
    drain()
    assert own.reference in words_of(mailbox.to(VICTIM)[-1])


def test_what_the_organizer_causes_is_not_limited(
    owner_id: int, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=1)
    for _ in range(14):
        book_from("a stranger's", event_id)
    drain()
    before = len(mailbox.to(VICTIM))
    set_capacity(event_id, 14, organizer_id=owner_id)
    drain()
    assert len(mailbox.to(VICTIM)) == before + 13


def test_mail_that_the_organizer_sends_again_is_sent(
    owner_id: int, make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_id = make_event(tickets=50)
    mailbox.at_recipient = lambda address: "550 mailbox full"
    book_from("home", event_id)
    drain()
    mailbox.at_recipient = lambda address: None
    the_clock.put_forward(hours=1)
    for _ in range(3):
        book_from("home", event_id)
    drain()
    actor = organizer(owner_id)
    for row in announcements.parked(find_event(event_id), actor=actor):
        assert announcements.resend(event_id, row.id, actor=actor)
    drain()
    assert len(mailbox.to(VICTIM)) == 4


def test_mail_that_is_tried_again_counts_once(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_id = make_event(tickets=50)
    mailbox.at_recipient = lambda address: "451 come back later"
    for _ in range(3):
        book_from("home", event_id)
    for _ in range(4):
        drain()
        the_clock.put_forward(minutes=10)
    mailbox.at_recipient = lambda address: None
    drain()
    assert len(mailbox.to(VICTIM)) == 3


def test_what_comes_while_a_summary_is_on_its_way_is_told_by_the_next_one(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    event_id = make_event(tickets=50)
    for _ in range(5):
        book_from("home", event_id)
    drain()
    the_clock.put_forward(minutes=5)
    # Whatever the server has of it, it is composed already, and tried again.
    mailbox.at_content = lambda address: "451 come back later"
    drain()
    late = book_from("home", event_id)
    drain()
    mailbox.at_content = lambda address: None
    the_clock.put_forward(minutes=2)
    drain()
    assert [message["Subject"] for message in mailbox.to(VICTIM)][3:] == ["News of your bookings"]
    assert {row.state for row in rows()} == {"sent", "pending"}
    for _ in range(2):
        the_clock.put_forward(hours=1)
        drain()
    assert late in words_of(mailbox.to(VICTIM)[-1])
    assert len(mailbox.to(VICTIM)) == 5
    everything_is_told(mailbox)


@pytest.mark.parametrize("what", ["ask_address", "still_coming"])
def test_first_question_of_a_booking_is_counted_and_always_asked(
    make_event: MakeEvent, what: str
) -> None:
    event_id = make_event(tickets=50)
    position = book_tickets(event_id, attendee_id=VICTIM, email=VICTIM).position

    def next_delivery(kind: str, network: str) -> Any:
        write(
            lambda connection: outbox.enqueue(
                connection,
                kind,
                recipient=VICTIM,
                event_id=event_id,
                position=position,
                network=network,
                now=clock.now() - timedelta(seconds=1),
            )
        )
        return outbox.lease(outbox.MAIL).rows[-1]

    for number in range(9):
        limits.let_through(next_delivery("confirmed", f"network {number}"))
    limits.let_through(next_delivery(what, "another network"))
    with db.engine.connect() as connection:
        taken = connection.execute(select(mail_slots.c.delivery_id)).scalars().all()
    assert len(taken) == 9
    assert max(row.id for row in rows()) in taken
    with pytest.raises(SummedUp):
        limits.let_through(next_delivery(what, "another network"))


def test_network_reaches_so_many_new_addresses_of_an_event_and_the_others_later(
    make_app: Callable[..., Flask], smtp: SmtpServer, request: pytest.FixtureRequest
) -> None:
    app = make_app(MAIL_URL=smtp.url, BASE_URL=BASE_URL, BOOKINGS_FREELY="3")
    request.getfixturevalue("app")
    mailbox, the_clock = smtp.mailbox, request.getfixturevalue("the_clock")
    event_id, another = (request.getfixturevalue("make_event")(tickets=50) for _ in range(2))
    with app.app_context():
        drain = Deliverer(MailChannel(current_settings())).drain
        for number in range(6):
            book_from("one", event_id, email=f"guest{number}@example.org")
        book_from("another", event_id, email="other@example.org")
        book_from("one", another, email="elsewhere@example.org")
        book_from("one", event_id, email="guest0@example.org")
        drain()
        first = ["guest0", "guest1", "guest2", "other", "elsewhere", "guest0"]
        assert mailbox.recipients == [f"{name}@example.org" for name in first]
        the_clock.put_forward(minutes=14)
        drain()
        assert len(mailbox.recipients) == 6
        the_clock.put_forward(minutes=1, seconds=1)
        drain()
    assert mailbox.recipients[6:] == [f"guest{number}@example.org" for number in (3, 4, 5)]


@pytest.mark.every_database
@pytest.mark.race
def test_deliverers_at_once_send_as_many_as_one_and_lose_none(
    app: Flask,
    make_event: MakeEvent,
    mailbox: Mailbox,
    the_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice over: slots are taken that were never there before, then others again."""
    monkeypatch.setattr(facts, "MOST_LINKS", 100)
    event_id, everybody = make_event(tickets=1000), []
    for hour in (1, 2):
        for number in range(30):
            everybody.append(book_from(f"network {number % 15}", event_id))
        deliverers = [Deliverer(MailChannel(current_settings())) for _ in range(4)]
        send_all(app, deliverers)
        assert len(mailbox.to(VICTIM)) == 10 * hour - 1
        the_clock.put_forward(minutes=5)
        send_all(app, deliverers)
        assert len(mailbox.to(VICTIM)) == 10 * hour
        the_clock.put_forward(hours=1)
    everything_is_told(mailbox)
    told = "".join(words_of(message) for message in mailbox.to(VICTIM))
    assert [reference for reference in everybody if reference not in told] == []


def send_all(app: Flask, deliverers: Sequence[Deliverer]) -> None:
    """Have deliverers send at the same time until nothing is due."""

    def drain(deliverer: Deliverer) -> None:
        with app.app_context():
            deliverer.drain()

    threads = [threading.Thread(target=drain, args=(each,)) for each in deliverers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_slots_are_forgotten(make_event: MakeEvent, drain: Drain, the_clock: Clock) -> None:
    for _ in range(4):
        book_from("home", make_event())
    drain()
    limits.forget_old()
    assert slots() == 4
    the_clock.put_forward(minutes=5)
    drain()
    the_clock.put_forward(days=2, minutes=1)
    limits.forget_old()
    assert slots() == 0


def slots() -> int:
    with db.engine.connect() as connection:
        return len(connection.execute(select(mail_slots)).all())


@pytest.mark.parametrize("events", [1, 3])
def test_each_mail_of_a_batch_has_the_network_that_caused_it(
    make_event: MakeEvent, events: int
) -> None:
    event_ids = [make_event(tickets=9) for _ in range(events)]
    wanted = {number: f"network {number}" if number % 4 else None for number in range(12)}
    requests = [
        Request(
            event_ids[number % events],
            BookTickets(str(number), reference=new_reference()),
            attendee(network),
            details=BookingDetails(new_ticket_code(), email=f"guest{number}@example.org"),
        )
        for number, network in wanted.items()
    ]
    assert None not in run_unlocked_events(requests)
    networks = {row.recipient: row.network for row in rows()}
    assert networks == {f"guest{number}@example.org": each for number, each in wanted.items()}


def test_network_is_kept_as_a_hash(app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event(tickets=50)
    for address in (HOME, HOME, "192.0.2.8", "2001:db8::1", "2001:db8::2"):
        wanted = {"userId": f"guest{next(_ids)}@example.org", "eventId": event_id}
        by_api(app.test_client(), "/api/events/book", address, **wanted)
    found = [row.network for row in rows()]
    assert sorted(Counter(found).values()) == [1, 2, 2]
    assert all(len(each) == 32 and "192" not in each for each in found)


def test_names_of_attendees_are_in_no_mail(
    app: Flask, make_event: MakeEvent, owner_id: int, drain: Drain, mailbox: Mailbox
) -> None:
    """Whoever books with somebody else's address would else have their words mailed to it."""
    name = "Win at https://evil.example now"
    client, event_id = app.test_client(), make_event(tickets=1)
    references = []
    for number in range(3):
        made = book_tickets(
            event_id,
            attendee_id=str(number),
            email=VICTIM,
            name=name,
            actor=stranger_at_home(app),
        )
        references.append(made.reference)
        drain()
    by_api(client, "/api/events/cancel", HOME, bookingReference=references[0])
    facts.send_links(VICTIM)
    drain()
    assert len(mailbox.contents) == 4
    assert not any(b"evil" in content for content in mailbox.contents)


def test_asking_an_address_is_limited_and_what_became_of_a_booking_is_always_told(
    make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=50)
    for number in range(1, 6):
        email = f"guest{number}@example.org"
        book_tickets(event_id, attendee_id=email, email=email)
        correct_booking(event_id, position=number, email=VICTIM, actor=attendee("one"))
    drain()
    assert len(mailbox.to(VICTIM)) == limits.MOST_OF_NETWORK
    own = book_tickets(event_id, attendee_id=VICTIM, email=VICTIM)
    for number in range(limits.MOST_OF_NETWORK, 12):
        facts.send_links(VICTIM, network=f"network {number}")
    drain()
    before = len(mailbox.to(VICTIM))
    said = Token(event_id, own.position, state_of(booking_at(event_id, own.position)), VICTIM)
    replace_link(said, reference=own.reference)
    drain()
    assert len(mailbox.to(VICTIM)) == before + 1
    state = state_of(booking_at(event_id, own.position))
    set_address(Token(event_id, own.position, state, "elsewhere@example.org"))
    drain()
    assert len(mailbox.to(VICTIM)) == before + 2
