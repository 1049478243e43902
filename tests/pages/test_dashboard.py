"""The dashboard: an organizer's events by date, drafts, those that are over, and searched ones."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import insert
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, text_of
from webapp import clock
from webapp.booking.commands import organizer
from webapp.events import services as events_service
from webapp.extensions import db
from webapp.pages.organizer import dashboard
from webapp.storage.engines import write_engine
from webapp.storage.tables import events

MakeEvent = Callable[..., int]
Book = Callable[..., str]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def names_on(page: TestResponse) -> list[str]:
    assert page.status_code == 200
    return re.findall(r"<h2><a[^>]*><bdi>([^<]*)</bdi>", page.text)


def walk(person: Person, path: str) -> list[str]:
    """The names on all pages of a list."""
    names: list[str] = []
    while True:
        page = person.get(path)
        names += names_on(page)
        more = re.search(r'<a href="([^"]+)" rel="next">', page.text)
        if more is None:
            return names
        path = more[1].replace("&amp;", "&")


@pytest.mark.every_database
def test_events_stand_by_date_drafts_and_past_ones_apart(
    app: Flask,
    owner: Person,
    owner_id: int,
    make_event: MakeEvent,
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dashboard, "PAGE", 2)
    now = clock.now()
    make_event("Some day")
    make_event("In a month", starts_at=now + 30 * DAY)
    make_event("Running", starts_at=now - 3 * DAY, ends_at=now + DAY)
    make_event("Same time", starts_at=now + 30 * DAY)
    make_event("Tomorrow", starts_at=now + DAY)
    make_event("Dated draft", published=False, starts_at=now + 2 * DAY)
    make_event("Mere idea", published=False)
    make_event("Just over", starts_at=now - 5 * HOUR, ends_at=now - HOUR)
    make_event("Last week", starts_at=now - 7 * DAY)
    make_event("Last year", starts_at=now - 400 * DAY, ends_at=now - 399 * DAY)
    make_event("Old draft", published=False, starts_at=now - 9 * DAY)
    for name, fields in (("Off", {}), ("Off soon", {"starts_at": now + 3 * DAY})):
        gone = make_event(name, **fields)
        book(gone, "Ada")
        with app.app_context():
            events_service.cancel_event(gone, actor=organizer(owner_id))
    coming = ["Running", "Tomorrow", "Dated draft", "Off soon", "In a month", "Same time"]
    assert walk(owner, "/organizer") == [*coming, "Some day"]
    drafts = ["Old draft", "Mere idea", "Dated draft"]
    assert walk(owner, "/organizer?show=drafts") == drafts
    past = ["Just over", "Last week", "Last year", "Off"]
    assert walk(owner, "/organizer?show=past") == past
    assert walk(owner, "/organizer?search=off") == ["Off soon", "Off"]
    assert walk(owner, "/organizer?search=LAST") == ["Last week", "Last year"]
    assert walk(owner, "/organizer?search=draft+old&show=past") == ["Old draft"]
    found = owner.get("/organizer?search=nothing+such", fragment=True)
    assert "Nothing matches" in text_of(found)
    assert "<h1" not in found.text


def test_first_steps_are_for_whoever_has_made_nothing(owner: Person, make_event: MakeEvent) -> None:
    assert "First steps" in owner.get("/organizer").text
    assert "No mail server" in owner.get("/organizer").text, "where it matters most"
    for part in ("drafts", "past"):
        page = owner.get(f"/organizer?show={part}")
        assert names_on(page) == []
        assert "First steps" not in page.text
    make_event("Over", starts_at=clock.now() - 9 * DAY)
    told = owner.get("/organizer").text
    assert "First steps" not in told
    assert "Nothing is coming up." in told


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """The statements that are run meanwhile."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    with app.app_context():
        engines = list(db.engines.values())
    for engine in engines:
        sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        for engine in engines:
            sqlalchemy_event.remove(engine, "before_cursor_execute", note)


def test_four_hundred_events_stay_quick_and_readable(
    app: Flask, owner: Person, owner_id: int
) -> None:
    now = clock.now()
    values = [
        {
            "organizer_id": owner_id,
            "name": f"Evening {number}",
            "status": "published",
            "starts_at": now + (number - 200) * DAY + HOUR,
            "capacity": 30,
            "created_at": now,
        }
        for number in range(400)
    ]
    with app.app_context(), write_engine().begin() as connection:
        connection.execute(insert(events), values)
    for path, most in (
        ("/organizer", 6),
        ("/organizer?show=past", 3),
        ("/organizer?show=drafts", 2),
        ("/organizer?search=evening+39", 3),
    ):
        owner.get(path)
        with counted(app) as asked:
            started = time.process_time()
            page = owner.get(path)
            took = time.process_time() - started
        assert len(asked) <= most, asked
        assert len(names_on(page)) <= dashboard.PAGE
        assert took < 0.3
    assert names_on(owner.get("/organizer"))[:2] == ["Evening 200", "Evening 201"]
    assert len(walk(owner, "/organizer")) == 200
    assert len(walk(owner, "/organizer?show=past")) == 200
