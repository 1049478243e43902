"""What is told at its time: the summary of a day, reminders, and that an event is sold out."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Row, insert, select
from werkzeug.test import TestResponse

from tests.delivery.conftest import BASE_URL, Book, Clock, MakeEvent
from tests.delivery.test_messages import owner, post
from tests.support.mail import Mailbox, words_of
from webapp.extensions import db
from webapp.models import deliveries
from webapp.services import bookings, clock, events, notices, verify
from webapp.services.delivery import Deliverer

__all__ = ["owner"]

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
OWNER = "owner@example.org"

Tell = Callable[[], None]


@pytest.fixture
def tell(deliverer: Deliverer) -> Tell:
    """What a deliverer does each minute: write what is due, and send it."""
    deliverer.chore = notices.write_due
    return deliverer.drain


class Days:
    """The services' clock, set to an hour of a day by its number; today, in UTC, is day 0."""

    def __init__(self, the_clock: Clock) -> None:
        self._clock = the_clock
        self._today = datetime.combine(datetime.now(UTC), time(), UTC)

    def set(self, day: int, hour: int, minute: int = 0) -> None:
        moment = self._today + day * DAY + timedelta(hours=hour, minutes=minute)
        self._clock.ahead = moment - datetime.now(UTC)

    def named(self, day: int) -> str:
        """A day as a mail calls it."""
        then = self._today + day * DAY
        return f"{then:%a} {then.day} {then:%B %Y}"


@pytest.fixture
def days(the_clock: Clock) -> Days:
    return Days(the_clock)


@pytest.fixture
def wants_summary(owner_id: int) -> None:
    notices.set_notices(owner_id, email=OWNER, wants_sold_out=False, wants_summary=True)


def written(what: str) -> Sequence[Row[Any]]:
    query = select(deliveries).where(deliveries.c.what == what).order_by(deliveries.c.id)
    with db.engine.connect() as connection:
        return connection.execute(query).all()


def summaries(mailbox: Mailbox) -> list[EmailMessage]:
    return mailbox.to(OWNER)


@pytest.mark.usefixtures("wants_summary")
def test_quiet_organizer_costs_one_row_a_day_and_no_mail(
    make_event: MakeEvent, tell: Tell, mailbox: Mailbox, days: Days, the_clock: Clock
) -> None:
    make_event(name="Quiet")
    ids = []
    for day in (1, 2):
        days.set(day, 6)
        for _ in range(4):
            tell()
            ids.append(written("summary")[-1].id)
            the_clock.ahead += MINUTE
    assert len(written("summary")) == len(set(ids)) == 2
    assert {row.attempts for row in written("summary")} == {1}
    assert not summaries(mailbox)


@pytest.mark.usefixtures("wants_summary")
def test_what_happens_by_day_is_told_the_next_morning_and_once(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox, days: Days
) -> None:
    event_id = make_event(tickets=1)
    make_event(name="Quiet")
    days.set(1, 6)
    tell()
    days.set(1, 14)
    first = book(event_id, "ada")
    book(event_id, "bob")
    bookings.cancel_booking(event_id, position=first.position)
    for day, hour in ((1, 14), (1, 20), (2, 0), (2, 5)):
        days.set(day, hour, 1)
        tell()
        assert not summaries(mailbox), "too early"
    for day in (2, 2, 3):
        days.set(day, 6, 1)
        tell()
    (summary,) = summaries(mailbox)
    words = words_of(summary)
    assert "2 booked, 1 cancelled, 1 moved up. Now 1 of 1 ticket taken, 0 waiting." in words
    assert "Quiet" not in words
    assert days.named(1) in summary["Subject"]


@pytest.mark.usefixtures("wants_summary")
def test_summary_tells_the_same_day_whenever_it_is_written_and_sent(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox, days: Days
) -> None:
    event_id = make_event(tickets=9)
    for name, day, hour, minute in (
        ("ada", 1, 0, 1), ("bob", 1, 23, 58), ("carol", 2, 0, 1), ("dora", 2, 5, 0),
        ("eve", 2, 9, 0),
    ):  # fmt: skip
        days.set(day, hour, minute)
        book(event_id, name)
    mailbox.at_content = lambda address: "451 come back later" if address == OWNER else None
    days.set(2, 15)
    tell()
    mailbox.at_content = lambda address: None
    days.set(3, 5)
    tell()
    days.set(3, 6)
    tell()
    late, in_time = summaries(mailbox)
    assert "2 booked" in words_of(late)
    assert days.named(1) in late["Subject"]
    assert "3 booked" in words_of(in_time)
    assert days.named(2) in in_time["Subject"]


@pytest.mark.usefixtures("wants_summary")
def test_days_without_a_deliverer_are_told_together_and_once(
    make_event: MakeEvent, book: Book, tell: Tell, mailbox: Mailbox, days: Days
) -> None:
    event_id = make_event(tickets=9)
    days.set(1, 6)
    tell()
    for number, day in enumerate((1, 2, 3), start=1):
        days.set(day, 10)
        book(event_id, f"guest{number}")
    for day in (4, 5):
        days.set(day, 7)
        tell()
    (summary,) = summaries(mailbox)
    assert "3 booked" in words_of(summary)
    for day in (1, 3):
        assert days.named(day) in summary["Subject"]


def test_summary_of_the_release_before_tells_its_day(
    owner_id: int,
    make_event: MakeEvent,
    book: Book,
    tell: Tell,
    mailbox: Mailbox,
    days: Days,
) -> None:
    event_id = make_event(tickets=9)
    for day, name in ((1, "ada"), (2, "bob")):
        days.set(day, 5)
        book(event_id, name)
    days.set(2, 6)
    now = clock.now()
    row = {
        "receiver": "mail", "what": "summary", "recipient": OWNER, "bulk": True,
        "once": f"summary:{owner_id}:{now:%Y-%m-%d}:0", "state": "pending", "attempts": 0,
        "next_try_at": now, "created_at": now,
    }  # fmt: skip
    with db.engine.begin() as connection:
        connection.execute(insert(deliveries), row)
    notices.set_notices(owner_id, email=OWNER, wants_sold_out=False, wants_summary=True)
    tell()
    days.set(3, 6)
    tell()
    assert ["1 booked" in words_of(summary) for summary in summaries(mailbox)] == [True, True]


def switch_reminder(owner: FlaskClient, event_id: int, *, on: bool) -> TestResponse:
    mails = f"/organizer/events/{event_id}/mails"
    return post(owner, mails, f"{mails}/reminder", reminds="yes" if on else "no")


def test_reminder_is_switched_as_a_change_of_the_event_like_every_other(
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    tell: Tell,
    the_clock: Clock,
    owner_id: int,
) -> None:
    event_id = make_event(starts_at=clock.now() + 3 * DAY)
    book(event_id, "ada")
    revisions = []
    for on in (True, True, False, False, True):
        assert switch_reminder(owner, event_id, on=on).status_code == 303
        revisions.append(events.own_event(event_id, organizer_id=owner_id).revision)
    first = revisions[0]
    assert revisions == [first, first, first + 1, first + 1, first + 2]
    history = owner.get(f"/organizer/events/{event_id}/history", base_url=BASE_URL).text
    assert history.count("Reminder a day before switched on") == 2
    assert history.count("Reminder a day before switched off") == 1
    assert "Reminds" not in history
    the_clock.put_forward(days=2, minutes=1)
    tell()
    assert len(written("reminder")) == 1
    assert verify.verify().broken == []


def test_cancelled_event_reminds_nobody_and_cannot_be_told_to(
    owner: FlaskClient, make_event: MakeEvent, owner_id: int
) -> None:
    event_id = make_event()
    mails = f"/organizer/events/{event_id}/mails"
    page = owner.get(mails, base_url=BASE_URL).text
    assert f"{mails}/reminder" in page
    events.cancel_event(event_id, organizer_id=owner_id)
    answer = switch_reminder(owner, event_id, on=True)
    assert answer.status_code == 409
    assert "This event has been cancelled." in answer.text
    assert f"{mails}/reminder" not in answer.text
