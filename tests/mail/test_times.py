"""Mails of an event in the night when clocks change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from tests.mail.conftest import Book, Drain, MakeEvent
from tests.support.mail import Mailbox, words_of

# Berlin's clocks go back from 03:00 to 02:00 at this moment.
BACK = datetime(2031, 10, 26, 1, 0, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("starts_at", "told"),
    [
        (BACK - HALF_AN_HOUR, "02:30 CEST\N{EN DASH}04:00 CET"),
        (BACK + HALF_AN_HOUR, "02:30\N{EN DASH}04:00 CET"),
    ],
)
def test_mail_and_its_calendar_file_mean_the_same_moment(
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    starts_at: datetime,
    told: str,
) -> None:
    ends_at = BACK + timedelta(hours=2)
    event_id = make_event(starts_at=starts_at, ends_at=ends_at, time_zone="Europe/Berlin")
    book(event_id, "ada")
    drain()
    [message] = mailbox.to("ada@example.org")
    for kind in ("plain", "html"):
        assert f"Sun 26 October 2031, {told}" in words_of(message, kind)
    [part] = [p for p in message.iter_attachments() if p.get_content_subtype() == "calendar"]
    calendar: Any = Calendar.from_ical(part.get_content())
    entry = calendar.events[0]
    assert (entry["dtstart"].dt, entry["dtend"].dt) == (starts_at, ends_at)
    assert {entry[name].dt.utcoffset() for name in ("dtstart", "dtend")} == {timedelta()}
