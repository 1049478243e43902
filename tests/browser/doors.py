"""A door for browser tests: guests with tickets, devices with passes, and what became of them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import segno
from flask import Flask
from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.sql import Select

from tests.conftest import dispose, make_settings
from webapp import create_app
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets
from webapp.booking.type_services import TypeDetails, add_type
from webapp.door import passes
from webapp.events import services as events
from webapp.events.services import EventDetails
from webapp.storage.engines import write_engine
from webapp.storage.tables import bookings, organizers, scans
from webapp.verify.services import verify


class Scans(NamedTuple):
    """What the server has of a door: scans by verdict, tickets that are in, and in twice."""

    by_verdict: dict[str, int]
    admitted: int
    twice: int


class Door:
    """The door of an event on the database of a running server, whose file is in `folder`."""

    def __init__(self, folder: Path, *, name: str, guests: list[int]) -> None:
        self.app: Flask = create_app(make_settings(f"sqlite:///{folder / 'nextup.db'}", folder))
        with self.app.app_context(), write_engine().connect() as connection:
            account_id = connection.execute(select(func.min(organizers.c.id))).scalar_one()
        self.actor = organizer(account_id)
        with self.app.app_context():
            details = EventDetails(name, capacity=sum(guests) + 5)
            self.event_id = events.create_event(details, actor=self.actor, published=True)
            for number, tickets in enumerate(guests, start=1):
                self.book(f"Guest {number}", tickets)
        # The codes of the tickets, the first guest's first.
        self.codes = self.codes_now()

    def book(self, name: str, tickets: int = 1) -> None:
        with self.app.app_context():
            book_tickets(
                self.event_id, attendee_id=name, name=name, tickets=tickets, actor=self.actor
            )

    def add_type(self, name: str) -> None:
        """The first one takes over all guests."""
        with self.app.app_context():
            add_type(self.event_id, TypeDetails(name), actor=self.actor)

    def codes_now(self) -> list[str]:
        query = select(bookings.c.ticket_code).where(bookings.c.event_id == self.event_id)
        return [row[0] for row in self._rows(query.order_by(bookings.c.position))]

    def new_pass(self, name: str, *, may_sell: bool = False) -> str:
        """The path of the link that makes a device one of the door's."""
        with self.app.app_context():
            token = passes.create_pass(
                self.event_id, actor=self.actor, name=name, may_sell=may_sell
            )
        return f"/door/{token}"

    def revoke_passes(self) -> None:
        with self.app.app_context():
            for one in passes.passes_of(self.event_id, actor=self.actor):
                passes.revoke_pass(self.event_id, one.id, actor=self.actor)

    def scans(self) -> Scans:
        here = scans.c.event_id == self.event_id
        count = select(scans.c.verdict, func.count()).where(here).group_by(scans.c.verdict)
        admitted = select(func.sum(bookings.c.admitted)).where(bookings.c.event_id == self.event_id)
        twice = select(func.coalesce(func.sum(scans.c.twice), 0)).where(here)
        return Scans(
            dict(self._rows(count)), int(self._rows(admitted)[0][0]), int(self._rows(twice)[0][0])
        )

    def broken_rules(self) -> list[str]:
        with self.app.app_context():
            return [str(one) for one in verify().broken]

    def close(self) -> None:
        dispose(self.app)

    def _rows(self, query: Select[Any]) -> list[Any]:
        with self.app.app_context(), write_engine().connect() as connection:
            return [tuple(row) for row in connection.execute(query)]


@contextmanager
def door_of(folder: Path, name: str, guests: list[int]) -> Iterator[Door]:
    door = Door(folder, name=name, guests=guests)
    try:
        yield door
    finally:
        door.close()


def film_of(path: Path, *texts: str) -> Path:
    """A film for a browser's camera: each text as a QR code for a while, and nothing between."""
    path.write_bytes(b"".join(_frame(text) * 30 + _frame("") * 15 for text in texts))
    return path


def _frame(text: str) -> bytes:
    picture = Image.new("RGB", (640, 480), "white")
    if text:
        drawn = io.BytesIO()
        segno.make(text, error="m", micro=False).save(drawn, kind="png", scale=10, border=4)
        code = Image.open(drawn).convert("RGB")
        picture.paste(code, ((640 - code.width) // 2, (480 - code.height) // 2))
    frame = io.BytesIO()
    picture.save(frame, "JPEG", quality=90)
    return frame.getvalue()
