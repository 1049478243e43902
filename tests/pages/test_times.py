"""Times on pages, above all in the nights when clocks change."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from tests.pages.conftest import Person, forms_of, text_of

MakeEvent = Callable[..., int]
BERLIN = "Europe/Berlin"
# Berlin's clocks go back from 03:00 to 02:00 at this moment, and on from 02:00 at the other one.
BACK = datetime(2031, 10, 26, 1, 0, tzinfo=UTC)
FORWARD = datetime(2031, 3, 30, 1, 0, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "told"),
    [
        (BACK - HALF_AN_HOUR, None, "Sun 26 October 2031, 02:30 CEST"),
        (BACK + HALF_AN_HOUR, None, "Sun 26 October 2031, 02:30 CET"),
        (
            BACK - HALF_AN_HOUR,
            BACK + HALF_AN_HOUR,
            "Sun 26 October 2031, 02:30 CEST&ndash;02:30 CET",
        ),
        (
            FORWARD - HALF_AN_HOUR,
            FORWARD + HALF_AN_HOUR,
            "Sun 30 March 2031, 01:30 CET&ndash;03:30 CEST",
        ),
        (
            BACK - timedelta(hours=4),
            BACK + HALF_AN_HOUR,
            "Sat 25 October 2031, 23:00 CEST &ndash; Sun 26 October 2031, 02:30 CET",
        ),
        (BACK, BACK + timedelta(hours=2), "Sun 26 October 2031, 02:00&ndash;04:00 CET"),
    ],
)
def test_event_in_the_night_when_clocks_change(
    person: Person,
    make_event: MakeEvent,
    starts_at: datetime,
    ends_at: datetime | None,
    told: str,
) -> None:
    event_id = make_event(time_zone=BERLIN, starts_at=starts_at, ends_at=ends_at)
    page = person.client.get(f"/events/{event_id}", follow_redirects=True)
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text))
    assert told in shown


@pytest.mark.parametrize(
    ("time_zone", "moment", "told"),
    [
        # Half an hour back from 02:00, and a zone whose name has no letters.
        ("Australia/Lord_Howe", datetime(2031, 4, 5, 14, 45, tzinfo=UTC), "01:45 UTC+11:00"),
        ("Australia/Lord_Howe", datetime(2031, 4, 5, 15, 15, tzinfo=UTC), "01:45 UTC+10:30"),
        ("America/New_York", datetime(2031, 11, 2, 5, 30, tzinfo=UTC), "01:30 EDT"),
        ("America/New_York", datetime(2031, 11, 2, 6, 30, tzinfo=UTC), "01:30 EST"),
        ("Asia/Kathmandu", datetime(2031, 4, 5, 0, 0, tzinfo=UTC), "05:45 UTC+05:45"),
    ],
)
def test_two_hours_of_one_name_are_kept_apart_everywhere(
    person: Person, make_event: MakeEvent, time_zone: str, moment: datetime, told: str
) -> None:
    later = moment + timedelta(days=1)
    event_id = make_event(time_zone=time_zone, starts_at=moment)
    opens = make_event(time_zone=time_zone, starts_at=later, sales_open_at=moment)
    mine = person.book(event_id).location
    for path in (f"/events/{event_id}", f"/events/{opens}", mine, "/bookings"):
        page = person.client.get(path, follow_redirects=True)
        assert told in text_of(page), path
    assert told in text_of(person.get("/?search=Harvest")), "told why it cannot be booked"
    calendar: Any = Calendar.from_ical(person.get(f"{mine}/calendar.ics").data)
    assert calendar.events[0]["dtstart"].dt == moment


def test_programs_read_the_moment_and_the_clocks_of_the_place(
    person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(time_zone=BERLIN, starts_at=BACK + HALF_AN_HOUR)
    page = person.client.get(f"/events/{event_id}", follow_redirects=True)
    assert '<time datetime="2031-10-26T02:30:00+01:00">' in page.text


@pytest.mark.every_database
def test_saving_an_event_moves_none_of_its_times(owner: Person, make_event: MakeEvent) -> None:
    second_half_past_two = BACK + timedelta(minutes=30, seconds=7)
    event_id = make_event(
        time_zone=BERLIN, starts_at=second_half_past_two, sales_close_at=second_half_past_two
    )
    path = f"/organizer/events/{event_id}/edit"
    assert forms_of(owner.get(path))[path]["startsAt"] == "2031-10-26T02:30"
    assert owner.submit(path, location="Barn").status_code == 303
    history = text_of(owner.get(f"/organizer/events/{event_id}/history"))
    assert "Place:" in history
    assert "Starts:" not in history
    assert owner.submit(path, startsAt="2031-10-26T02:31").status_code == 303
    assert "Starts:" in text_of(owner.get(f"/organizer/events/{event_id}/history"))


def test_time_that_clocks_leave_out_is_refused(owner: Person, make_event: MakeEvent) -> None:
    path = f"/organizer/events/{make_event(time_zone=BERLIN)}/edit"
    answer = owner.submit(path, startsAt="2031-03-30T02:30")
    assert answer.status_code == 400
    assert "that time does not exist" in answer.text
