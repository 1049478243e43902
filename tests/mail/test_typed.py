"""Text that people type comes out as they mean it, wherever it comes out."""

# ruff: noqa: RUF001 - letters that look alike are the point

import csv
import io
import re
from html import unescape

import pytest
from flask import Flask
from icalendar import Calendar

from tests.mail.conftest import Drain
from tests.pages.conftest import PASSWORD, Person
from tests.support.mail import Mailbox, words_of
from tests.support.typed import MEANT, unseen_within


@pytest.mark.usefixtures("owner_id")
def test_text_comes_out_as_it_was_meant(app: Flask, drain: Drain, mailbox: Mailbox) -> None:
    """Of one event with all of it: page, list, mail, calendar file, CSV and search."""
    owner, guest = Person(app), Person(app)
    assert owner.log_in(password=PASSWORD).status_code == 303
    for number, meant in enumerate(MEANT):
        made = owner.submit(
            "/organizer/events/new",
            eventName=unseen_within(meant),
            location=unseen_within(meant),
            description=f"{unseen_within(meant)}\r\n",
            totalTickets=" ２０ ",
            startsAt=f"2037-05-03T{number:02}:30",
        )
        assert made.status_code == 303, (
            meant,
            re.findall(r'class="error"[^>]*>([^<]+)', made.text),
        )
        event_id = int(made.location.rpartition("/")[2])
        email = f"guest{number}@company.local"
        booked = guest.submit(
            f"/events/{event_id}", name=unseen_within(meant), email=f"{email}\u200b", tickets="٢"
        )
        assert booked.status_code == 303, meant
        pages = [f"/events/{event_id}", booked.location, made.location, f"/?search={meant[:2]}"]
        for path in pages:
            shown = unescape(owner.client.get(path, follow_redirects=True).text)
            assert meant in re.sub("</?[a-z]+>", "", shown), (path, meant)
        for search in (meant.split()[0], unseen_within(meant.split()[-1])):
            query = {"search": search.upper()}
            found = owner.client.get("/", query_string=query).text
            assert f"/events/{event_id}" in found, search
            found = owner.client.get(made.location, query_string=query).text
            assert f"/organizer/events/{event_id}/bookings/1" in found, search
        file = owner.get(f"{made.location}/bookings.csv").data.decode("utf-8-sig")
        [row] = csv.DictReader(io.StringIO(file, newline=""))
        assert row["Name"].removeprefix("'") == meant
        entry = Calendar.from_ical(guest.client.get(f"{booked.location}/calendar.ics").data)
        [event] = entry.events
        assert (str(event["SUMMARY"]), str(event["LOCATION"])) == (meant, meant)
        drain()
        [mail] = mailbox.to(email)
        assert mail["Subject"] == f"Your tickets are booked: {meant}"
        assert all(meant in words_of(mail, kind) for kind in ("plain", "html"))
