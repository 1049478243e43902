"""Clients that write down what they asked and were told, from many threads at once."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, Self

from sqlalchemy import text

from tests.support.servers import plain_engine

# Statuses after which a client does not know what became of its request.
UNKNOWN = {0, 503}


@dataclass(slots=True)
class Asked:
    """One request: moments in seconds of one clock; status 0 where no answer came."""

    what: str
    user: str
    began: float
    ended: float = 0.0
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    tickets: int = 1
    reference: str = ""
    key: str | None = None
    retry_after: str | None = None

    @property
    def done(self) -> bool:
        return self.status in (200, 201)

    @property
    def unknown(self) -> bool:
        return self.status in UNKNOWN


@dataclass(frozen=True, slots=True)
class Row:
    """A booking as the database has it in the end."""

    position: int
    user: str
    status: str
    tickets: int
    reference: str


@dataclass(slots=True)
class History:
    """What all clients asked about one event, in the order in which they were answered."""

    event_id: int
    capacity: int
    asked: list[Asked] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, asked: Asked) -> None:
        with self._lock:
            self.asked.append(asked)

    @property
    def done(self) -> int:
        """How many bookings, cancels and looks at a booking were answered with success."""
        return sum(asked.done and asked.what != "status" for asked in tuple(self.asked))

    @property
    def refused(self) -> int:
        """How many requests were turned away with 503."""
        return sum(asked.status == 503 for asked in tuple(self.asked))

    def of(self, what: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.what == what]

    @property
    def longest(self) -> float:
        """The longest that any client waited for an answer, in seconds."""
        return max((asked.ended - asked.began for asked in self.asked), default=0.0)


class Client:
    """One client with a connection of its own; everything it asks is written down."""

    def __init__(self, port: int, history: History, *, timeout: float = 30.0) -> None:
        self.history = history
        self._port = port
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def book(self, user: str, *, tickets: int = 1, key: str | None = None) -> Asked:
        body = {"eventId": self.history.event_id, "userId": user, "tickets": tickets}
        asked = Asked("book", user, time.monotonic(), tickets=tickets, key=key)
        return self._ask(asked, "POST", "/api/events/book", body)

    def cancel(self, reference: str, *, user: str = "", key: str | None = None) -> Asked:
        asked = Asked("cancel", user, time.monotonic(), reference=reference, key=key)
        body = {"bookingReference": reference}
        return self._ask(asked, "POST", "/api/events/cancel", body)

    def status(self) -> Asked:
        path = f"/api/events/status/{self.history.event_id}"
        return self._ask(Asked("status", "", time.monotonic()), "GET", path)

    def look(self, reference: str) -> Asked:
        asked = Asked("look", "", time.monotonic(), reference=reference)
        return self._ask(asked, "GET", f"/api/bookings/{reference}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(
        self, asked: Asked, method: str, path: str, body: dict[str, Any] | None = None
    ) -> Asked:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if asked.key is not None:
            headers["Idempotency-Key"] = asked.key
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    "127.0.0.1", self._port, timeout=self._timeout
                )
            content = json.dumps(body) if body is not None else None
            self._connection.request(method, path, content, headers)
            answer = self._connection.getresponse()
            asked.answer = json.loads(answer.read())
            asked.retry_after = answer.headers["Retry-After"]
            asked.status = answer.status
        except (OSError, http.client.HTTPException):
            # Whether the request arrived is not known.
            self.close()
        asked.ended = time.monotonic()
        self.history.add(asked)
        return asked


def run_clients(number: int, work: Callable[[int], None]) -> Callable[[], None]:
    """Run `work(0)`, `work(1)` ... each in a thread; the function returned waits for all.

    It raises what a client raised.
    """
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=run, args=(index,), daemon=True) for index in range(number)]
    for thread in threads:
        thread.start()

    def join() -> None:
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads), "a client hangs"
        if failures:
            raise failures[0]

    return join


def rows_of(database_url: str, event_id: int) -> list[Row]:
    """The bookings of an event as the database has them."""
    engine = plain_engine(database_url)
    query = "SELECT position, attendee_id, status, tickets, reference FROM booking"
    with engine.connect() as connection:
        found = connection.execute(text(f"{query} WHERE event_id = {event_id} ORDER BY position"))
        rows = [Row(*row) for row in found]
    return rows
