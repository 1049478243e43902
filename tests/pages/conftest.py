"""People at their browsers, by the Flask client: each reads a page and sends a form of it."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from webapp.accounts import services as accounts
from webapp.booking import services as bookings
from webapp.booking.code_services import CodeDetails, add_code
from webapp.booking.commands import organizer
from webapp.booking.type_services import TypeDetails, add_type
from webapp.events import services as events
from webapp.events.services import EventDetails

PASSWORD = "a password for tests"


class Forms(HTMLParser):
    """The forms of a page: action, and fields with their values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.select = self.textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name = values.get("name", "")
        if tag == "form" and values.get("method") == "post":
            self.found.append((values["action"], {}))
        elif tag == "select":
            self.select = name
        elif tag == "textarea":
            self.textarea = name
        elif tag == "option" and "selected" in values:
            self.fill(self.select, values.get("value", ""))
        elif tag == "input" and (values.get("type") != "checkbox" or "checked" in values):
            self.fill(name, values.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self.textarea:
            self.fill(self.textarea, data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.fill(self.textarea, "")
            if self.textarea:
                # Browsers leave out a line break that comes first.
                fields = self.found[-1][1]
                fields[self.textarea] = fields[self.textarea].removeprefix("\n")
            self.textarea = ""

    def fill(self, name: str, text: str) -> None:
        if self.found and name:
            self.found[-1][1][name] = self.found[-1][1].get(name, "") + text


def forms_of(page: TestResponse) -> dict[str, dict[str, str]]:
    parser = Forms()
    parser.feed(page.text)
    return dict(parser.found)


class Person:
    """A browser without scripts."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()

    def get(self, path: str, *, fragment: bool = False, **headers: str) -> TestResponse:
        if fragment:
            headers["HX-Request-Type"] = "partial"
        # Buffered, so that a file which is sent is also closed.
        return self.client.get(path, headers=headers, buffered=True)

    def token(self, page: str) -> dict[str, str]:
        """The hidden token of a page's forms."""
        found = re.findall(r'csrf_token" value="([^"]+)', self.get(page).text)
        return {"csrf_token": found[0]}

    def submit(
        self, page: str, action: str | None = None, *, fragment: bool = False, **fields: object
    ) -> TestResponse:
        """Fill in the form of a page that leads to `action` and send it."""
        shown = self.client.get(page, follow_redirects=True)
        found = forms_of(shown)
        path = action or shown.request.path
        assert path in found, f"{path} is not among {list(found)}"
        data = {**found[path], **{name: str(value) for name, value in fields.items()}}
        headers = {"HX-Request-Type": "partial"} if fragment else {}
        return self.client.post(path, data=data, headers=headers)

    def book(self, event_id: int, name: str = "Ada", **fields: object) -> TestResponse:
        email = f"{name.lower()}@example.org"
        values: dict[str, Any] = {"name": name, "email": email, "tickets": 1, **fields}
        return self.submit(f"/events/{event_id}", **values)

    def log_in(self, username: str = "owner", password: str = PASSWORD) -> TestResponse:
        return self.submit("/login", username=username, password=password)


@pytest.fixture
def person(app: Flask) -> Person:
    return Person(app)


@pytest.fixture
def owner_id(app: Flask) -> int:
    with app.app_context():
        return accounts.create_organizer(username="owner", password=PASSWORD)


@pytest.fixture
def owner(app: Flask, owner_id: int) -> Person:
    """The organizer of the events that tests make, logged in."""
    owner = Person(app)
    assert owner.log_in().status_code == 303
    return owner


@pytest.fixture
def make_event(app: Flask, owner_id: int) -> Callable[..., int]:
    def make(name: str = "Harvest Supper", tickets: int = 5, **fields: object) -> int:
        published = bool(fields.pop("published", True))
        details = EventDetails(name=name, capacity=tickets, **fields)  # type: ignore[arg-type]
        with app.app_context():
            return events.create_event(details, actor=organizer(owner_id), published=published)

    return make


@pytest.fixture
def give_type(app: Flask, owner_id: int) -> Callable[[int], None]:
    """Give an event a ticket type and a code, each of number 1."""

    def give(event_id: int) -> None:
        with app.app_context():
            add_type(event_id, TypeDetails("Seat"), actor=organizer(owner_id))
            add_code(event_id, CodeDetails("CHOIR"), actor=organizer(owner_id))

    return give


@pytest.fixture
def book(app: Flask) -> Callable[..., str]:
    """Book for somebody without a page and return the reference."""

    def book(event_id: int, name: str, tickets: int = 1) -> str:
        email = f"{name.lower()}@example.org"
        with app.app_context():
            return bookings.book_tickets(
                event_id, attendee_id=email, tickets=tickets, name=name, email=email
            ).reference

    return book


def text_of(page: TestResponse) -> str:
    """What a person reads of a page."""
    body = re.sub(r"(?s)<(style|script|svg|head).*?</\1>", " ", page.text)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
