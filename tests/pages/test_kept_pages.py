"""A page that is kept for many never shows what is no longer so, nor what is somebody else's."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from tests.pages.conftest import Person, forms_of, text_of
from webapp import clock
from webapp.booking import services as bookings
from webapp.booking.queries import find_event
from webapp.extensions import db
from webapp.pages import attendee, kept_booking
from webapp.pages.offer import without_figures
from webapp.storage.tables import events
from webapp.text.stand_ins import NotKept
from webapp.web import kept_pages
from webapp.web.htmx import show

MakeEvent = Callable[..., int]
Book = Callable[..., str]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_each_look_shows_what_is_left_now(app: Flask, make_event: MakeEvent, book: Book) -> None:
    event_id = make_event(tickets=4)
    page = f"/events/{event_id}-harvest-supper"
    for left in (4, 3, 2):
        for _ in range(2):
            assert f"{left} of 4 tickets left" in text_of(Person(app).get(page))
            assert f"{left} tickets left" in text_of(Person(app).get("/"))
        book(event_id, f"Guest{left}")


def test_each_visitor_has_tokens_of_their_own(app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event()
    page = f"/events/{event_id}-harvest-supper"
    sent = []
    for name in ("Ada", "Bob", "Eve"):
        person = Person(app)
        fields = forms_of(person.get(page))[page]
        sent.append(fields)
        assert person.book(event_id, name).status_code == 303
    for field in ("csrf_token", "requestKey"):
        assert len({each[field] for each in sent}) == len(sent)
    stranger = Person(app)
    stranger.get(page)
    refused = stranger.client.post(page, data={**sent[0], "name": "Al", "email": "al@example.org"})
    assert refused.status_code == 400


def test_nothing_of_one_visitor_reaches_the_next(
    app: Flask, make_event: MakeEvent, owner: Person
) -> None:
    page = f"/events/{make_event()}-harvest-supper"
    looks: list[tuple[Person, str, dict[str, Any]]] = [
        (owner, page, {}),
        (Person(app), page, {}),
        (Person(app), page, {"Accept-Language": "de"}),
        (Person(app), f'{page}?for="me"', {}),
    ] * 2
    shown = [person.get(path, **headers).text for person, path, headers in looks]
    for number, text in enumerate(shown):
        assert ("Log out" in text) is (number % 4 == 0)
        assert ('<html lang="de"' in text) is (number % 4 == 2)
        [here] = re.findall(r'name="next" value="([^"]*)"', text)
        assert here == (f"{page}?for=&#34;me&#34;" if number % 4 == 3 else page)


def test_form_that_is_refused_is_its_senders_alone(app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event()
    page = f"/events/{event_id}-harvest-supper"
    Person(app).get(page)
    refused = Person(app).book(event_id, "Ada", email="no address")
    assert "no address" in refused.text
    assert "no address" not in Person(app).get(page).text


def test_booking_is_open_from_its_moment_on(
    app: Flask, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = datetime(2031, 5, 1, 12, tzinfo=UTC)
    page = f"/events/{make_event(sales_open_at=opens)}-harvest-supper"
    for moment, is_open in ((-2, False), (-1, False), (0, True), (1, True)):
        now = opens + timedelta(seconds=moment)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        shown = Person(app).get(page).text
        assert ("Booking opens on" not in shown) is is_open
        [told] = re.findall(r'id="server-time" value="([^"]*)"', shown)
        assert float(told) == now.timestamp()


def test_pages_that_are_kept_are_bounded(
    app: Flask, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_pages, "KEPT", 3)
    make_event()
    for number in range(8):
        Person(app).get(f"/?search=supper{number}")
    with app.app_context():
        assert len(kept_pages._pages.own) == 3


FUTURE = datetime(2031, 7, 1, 19, tzinfo=UTC)
# The figures of an event for 30 of which 5 may wait: tickets taken, and bookings that wait.
FIGURES = ((0, 0), (12, 0), (25, 0), (27, 0), (29, 0), (30, 0), (30, 4), (28, 4), (30, 5), (13, 0))
SETTINGS: tuple[dict[str, Any], ...] = (
    {"location": "The <Barn>"},
    {"waiting_list_limit": 0},
    {"asks_address": True, "max_tickets_per_booking": 1},
    {"sales_open_at": FUTURE - timedelta(days=9)},
    {"sales_close_at": FUTURE - timedelta(days=2)},
    {"sales_close_at": clock.now() - timedelta(days=2)},
    {"starts_at": clock.now() - timedelta(hours=1), "ends_at": clock.now() + timedelta(hours=1)},
    {"starts_at": clock.now() - timedelta(days=2)},
    {"status": "cancelled", "cancel_reason": "Rain"},
)


def test_what_is_kept_apart_from_the_figures_is_the_same_page(
    app: Flask, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the figures: as if nothing were kept."""
    same = comparing(app, monkeypatch)
    for settings in SETTINGS:
        event_id = make_event(tickets=30, starts_at=FUTURE, waiting_list_limit=5)
        for confirmed, waiting in FIGURES:
            change_event(app, event_id, confirmed=confirmed, waiting=waiting, **settings)
            for asked in ("", "?tickets=3", "?tickets=99"):
                assert same(f"/events/{event_id}-harvest-supper{asked}")


def test_page_of_a_booking_has_what_is_its_own_and_nothing_of_another(
    app: Flask, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks, and in whatever order: as if nothing were kept."""
    same = comparing(app, monkeypatch)
    guests = {"Ada": 1, "<b>Bo & 'Al'</b>": 1, "": 1, "\u202eEve": 3, "Ida": 3, "Max": 3, "Uwe": 2}
    for settings in (*SETTINGS, {"cancel_until": FUTURE - timedelta(days=3)}):
        event_id = make_event(tickets=6, starts_at=FUTURE)
        with app.app_context():
            references = [
                bookings.book_tickets(
                    event_id,
                    attendee_id=f"guest {number}",
                    tickets=tickets,
                    name=name,
                    email=f"guest{number}@example.org" if number % 3 else None,
                ).reference
                for number, (name, tickets) in enumerate(guests.items())
            ]
        change_event(app, event_id, **settings)
        for reference in (*references, *references):
            assert same(f"/bookings/{reference}")


def test_what_is_kept_has_nothing_that_changes(app: Flask, make_event: MakeEvent) -> None:
    event_id = make_event()
    with app.app_context():
        event = without_figures(find_event(event_id))
        assert event.name == "Harvest Supper"
        for name in ("confirmed", "waiting", "revision"):
            with pytest.raises(NotKept):
                getattr(event, name)


def change_event(app: Flask, event_id: int, **values: object) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(update(events).where(events.c.id == event_id).values(values))


def comparing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bool]:
    """Whether a page looks as if it had been drawn for its visitor."""
    person = Person(app)

    def look(path: str) -> str:
        answer = person.get(path)
        assert answer.status_code == 200
        # What each answer has of its own.
        own = r'(name="(csrf_token|requestKey)"|id="server-time") value="[^"]+"'
        return re.sub(own, "", answer.text)

    def draw(template: str, *, live: object, lasting: object, own: object = (), **all: Any) -> Any:
        return show(template, **all)

    def is_same(path: str) -> bool:
        kept = look(path)
        with monkeypatch.context() as patch:
            for module in (attendee, kept_booking):
                patch.setattr(module, "show_kept", draw)
            return kept == look(path)

    return is_same
