"""An application that mails to a real SMTP server, and events whose attendees are told."""

from collections.abc import Callable, Iterator
from contextvars import Context
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.mail import Mailbox, SmtpServer, make_certificate
from webapp import clock
from webapp.accounts import services as accounts
from webapp.booking import services as bookings
from webapp.booking.commands import Outcome, organizer
from webapp.config import current_settings
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.mail.channel import MailChannel
from webapp.mail.worker import Deliverer

BASE_URL = "https://tickets.example.org"
StartSmtp = Callable[..., SmtpServer]
MakeEvent = Callable[..., int]
Book = Callable[..., Outcome]
Drain = Callable[[], None]


@pytest.fixture(scope="session")
def certificate(server_folder: Path) -> tuple[Path, Path]:
    return make_certificate(server_folder)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def start_smtp(
    mailbox: Mailbox, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartSmtp]:
    """Start an SMTP server: `start_smtp(tls="starttls", login=True)`."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    servers: list[SmtpServer] = []

    def start(**options: object) -> SmtpServer:
        server = SmtpServer(mailbox, **options)  # type: ignore[arg-type]
        server.certificate = certificate
        servers.append(server.start())
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def smtp(start_smtp: StartSmtp) -> SmtpServer:
    return start_smtp()


class Outside(FlaskClient):
    """Requests that see nothing of the context that a test has pushed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, **kwargs)


@pytest.fixture
def app(make_app: Callable[..., Flask], smtp: SmtpServer) -> Iterator[Flask]:
    """The application on that server, with its context pushed."""
    app = make_app(MAIL_URL=smtp.url, BASE_URL=BASE_URL)
    app.test_client_class = Outside
    with app.app_context():
        yield app


@pytest.fixture
def owner_id(app: Flask) -> int:
    return accounts.create_organizer(username="owner", password="a password for tests")


@pytest.fixture
def make_event(owner_id: int) -> MakeEvent:
    def make(name: str = "Harvest Supper", tickets: int = 2, **fields: object) -> int:
        details = EventDetails(name=name, capacity=tickets, **fields)  # type: ignore[arg-type]
        return events.create_event(details, actor=organizer(owner_id), published=True)

    return make


@pytest.fixture
def book(app: Flask) -> Book:
    def book(event_id: int, name: str, tickets: int = 1, **fields: str) -> Outcome:
        email = fields.pop("email", f"{name}@example.org")
        return bookings.book_tickets(
            event_id, attendee_id=email, tickets=tickets, name=name, email=email
        )

    return book


@pytest.fixture
def deliverer(app: Flask) -> Iterator[Deliverer]:
    made = Deliverer(MailChannel(current_settings()))
    yield made
    made.channel.rest()


@pytest.fixture
def drain(deliverer: Deliverer) -> Drain:
    return deliverer.drain


class Clock:
    """The services' clock, which a test puts forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._now = clock.now

    def now(self) -> datetime:
        return self._now() + self.ahead

    def put_forward(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@pytest.fixture
def the_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(clock, "now", made.now)
    return made
