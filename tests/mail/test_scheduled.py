"""What is told at its time: the summary of a day, reminders, and that an event is sold out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Row, insert, select
from werkzeug.test import TestResponse

from tests.mail.conftest import BASE_URL, Book, Clock, MakeEvent
from tests.mail.test_announcements import owner, post
from tests.support.mail import Mailbox, words_of
from tests.support.tools import set_own_address, together
from webapp import clock
from webapp.booking import services as bookings
from webapp.booking.commands import organizer
from webapp.errors import Unavailable
from webapp.events import services as events
from webapp.events.queries import own_event
from webapp.extensions import db
from webapp.mail import scheduled
from webapp.mail.worker import Deliverer
from webapp.storage import transaction
from webapp.storage.tables import deliveries
from webapp.text.formatting import in_words
from webapp.text.languages import ENGLISH
from webapp.verify import services as verify

__all__ = ["owner"]

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
OWNER = "owner@example.org"

Tell = Callable[[], None]


@pytest.fixture
def tell(deliverer: Deliverer) -> Tell:
    """What a deliverer does each minute: write what is due, and send it."""
    deliverer.jobs = [(60.0, scheduled.write_due)]
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
    set_own_address(owner_id, email=OWNER, wants_sold_out=False, wants_summary=True)


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
        "channel": "mail", "what": "summary", "recipient": OWNER, "bulk": True,
        "dedupe_key": f"summary:{owner_id}:{now:%Y-%m-%d}:0", "state": "pending", "attempts": 0,
        "next_try_at": now, "created_at": now,
    }  # fmt: skip
    with db.engine.begin() as connection:
        connection.execute(insert(deliveries), row)
    set_own_address(owner_id, email=OWNER, wants_sold_out=False, wants_summary=True)
    tell()
    days.set(3, 6)
    tell()
    assert ["1 booked" in words_of(summary) for summary in summaries(mailbox)] == [True, True]


def reminders(mailbox: Mailbox) -> list[tuple[str, str]]:
    """Who was reminded, and of what."""
    pairs = zip(mailbox.recipients, mailbox.messages, strict=True)
    return [(to, message["Subject"]) for to, message in pairs if "See you" in message["Subject"]]


@pytest.fixture
def make_reminding(make_event: MakeEvent, owner_id: int) -> Callable[..., int]:
    """Make an event that reminds; it starts so many days from now."""

    def make(*, starts_in: float, tickets: int = 9, **fields: object) -> int:
        starts_at = clock.now() + starts_in * DAY
        event_id = make_event(tickets=tickets, starts_at=starts_at, **fields)
        scheduled.set_reminder(event_id, actor=organizer(owner_id), wanted=True)
        return event_id

    return make


def move(event_id: int, *, owner_id: int, by: timedelta) -> None:
    event = own_event(event_id, organizer_id=owner_id)
    assert event.starts_at is not None
    details = replace(events.details_of(event), starts_at=event.starts_at + by)
    events.edit_event(event_id, details, actor=organizer(owner_id))


def test_everybody_with_a_ticket_is_reminded_however_many_they_are(
    make_reminding: Callable[..., int],
    book: Book,
    tell: Tell,
    the_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduled, "PORTION", 3)
    for count in (5, 6, 7):
        event_id = make_reminding(starts_in=3, tickets=count)
        for number in range(count):
            book(event_id, f"guest{number}")
        book(event_id, "waits")
    the_clock.put_forward(days=2, minutes=1)
    for _ in range(2):
        scheduled.write_due()
    assert [row.position for row in written("reminder")] == [
        *range(1, 6), *range(1, 7), *range(1, 8)
    ]  # fmt: skip


def test_reminders_that_were_cut_off_are_completed(
    make_reminding: Callable[..., int],
    book: Book,
    the_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event_id = make_reminding(starts_in=3)
    for number in range(7):
        book(event_id, f"guest{number}")
    the_clock.put_forward(days=2, minutes=1)
    monkeypatch.setattr(scheduled, "PORTION", 2)
    real, portions = transaction.write, iter(range(2))

    def write_until_cut_off(work: Any) -> Any:
        if next(portions, None) is None:
            raise Unavailable
        return real(work)

    with monkeypatch.context() as patch:
        patch.setattr(scheduled, "write", write_until_cut_off)
        with pytest.raises(Unavailable):
            scheduled.write_due()
    assert len(written("reminder")) == 4
    for _ in range(2):
        scheduled.write_due()
        assert [row.position for row in written("reminder")] == [*range(1, 8)]


def test_who_moves_up_on_the_last_day_is_told_that_and_not_reminded_as_well(
    make_reminding: Callable[..., int],
    book: Book,
    tell: Tell,
    mailbox: Mailbox,
    the_clock: Clock,
) -> None:
    event_id = make_reminding(starts_in=3, tickets=1)
    first = book(event_id, "ada")
    book(event_id, "bob")
    the_clock.put_forward(days=2, minutes=1)
    tell()
    bookings.cancel_booking(event_id, position=first.position)
    tell()
    assert [to for to, _ in reminders(mailbox)] == ["ada@example.org"]
    assert "You moved up" in mailbox.to("bob@example.org")[-1]["Subject"]


def test_event_that_is_put_off_is_reminded_of_before_its_new_start(
    make_reminding: Callable[..., int],
    book: Book,
    tell: Tell,
    mailbox: Mailbox,
    the_clock: Clock,
    owner_id: int,
) -> None:
    event_id = make_reminding(starts_in=3)
    book(event_id, "ada")
    the_clock.put_forward(days=2, minutes=1)
    for hours in (1, 24 * 7):
        scheduled.write_due()
        assert written("reminder")[-1].state == "pending"
        move(event_id, owner_id=owner_id, by=timedelta(hours=hours))
        tell()
        assert not reminders(mailbox), "too early"
        the_clock.put_forward(hours=hours)
        scheduled.write_due()
    tell()
    ((_, subject),) = reminders(mailbox)
    start = own_event(event_id, organizer_id=owner_id).starts_at
    assert start is not None
    assert in_words(start, "UTC", ENGLISH) in subject


def test_several_who_look_at_once_write_each_notice_once(
    app: Flask,
    make_reminding: Callable[..., int],
    book: Book,
    the_clock: Clock,
    days: Days,
    owner_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduled, "PORTION", 3)
    set_own_address(owner_id, email=OWNER, wants_sold_out=True, wants_summary=True)
    days.set(0, 12)
    event_id = make_reminding(starts_in=3, tickets=10)
    for number in range(10):
        book(event_id, f"guest{number}")
    days.set(2, 12, 1)
    assert together(app, [scheduled.write_due] * 4) == [None] * 4
    counts = {what: len(written(what)) for what in ("reminder", "sold_out", "summary")}
    assert counts == {"reminder": 10, "sold_out": 1, "summary": 1}


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
        revisions.append(own_event(event_id, organizer_id=owner_id).revision)
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
    events.cancel_event(event_id, actor=organizer(owner_id))
    answer = switch_reminder(owner, event_id, on=True)
    assert answer.status_code == 409
    assert "This event has been cancelled." in answer.text
    assert f"{mails}/reminder" not in answer.text
