"""The real server with its database, clients that load it, and the judgement on what they saw."""

import base64
import json
import random
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from threading import Event

from sqlalchemy import make_url

from tests.support.checker import problems
from tests.support.history import Asked, Client, History, rows_of, run_clients
from tests.support.servers import AppServer, wait_until
from webapp import create_app
from webapp.config import Settings
from webapp.extensions import db
from webapp.verify.services import verify

ORGANIZER, PASSWORD = "olga", "a password for tests"
ENVIRON = {
    "RATELIMIT_ENABLED": "false",
    "ORGANIZER_USERNAME": ORGANIZER,
    "ORGANIZER_PASSWORD": PASSWORD,
    "THREADS": "16",
}
# A client that asks again does not wait as long as it was told to: the test is to be short.
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Site:
    """A running server; `database_url` leads to its database directly, past any proxy."""

    server: AppServer
    database_url: str

    def make_event(self, capacity: int) -> History:
        """Make an event that is open, with an empty history."""
        login = base64.b64encode(f"{ORGANIZER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            f"{self.server.url}/api/events/initialize",
            json.dumps({"eventName": "rush", "totalTickets": capacity}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Basic {login}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return History(json.load(answer)["id"], capacity)

    def judge(self, history: History, *, refusals: bool = False) -> list[str]:
        """What is wrong with the history, and with the database by its own rules."""
        rows = rows_of(self.database_url, history.event_id)
        return problems(history, rows, refusals=refusals) + self.broken_rules()

    def broken_rules(self) -> list[str]:
        folder = Path(self.server.instance_path)
        environ = {
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": "a key that only tests use",
            "LOG_FILE": str(folder / "verify.log"),
        }
        app = create_app(Settings.from_environ(environ, instance_path=folder))
        with app.app_context():
            report = verify()
            for engine in db.engines.values():
                engine.dispose()
        return [str(broken) for broken in report.broken]


class Load:
    """Clients that book, cancel and look until they are stopped, at each of the ports in turn.

    Those with an even number send a key, ask again until they know what became of it, and now
    and then repeat what they know; the others take no answer for an answer and go on. Each
    booking is of 1 to `party` tickets.
    """

    def __init__(
        self,
        ports: Sequence[int],
        history: History,
        *,
        clients: int,
        keys: bool = True,
        party: int = 1,
    ) -> None:
        self._ports = ports
        self._history = history
        self._keys = keys
        self._party = party
        self._first = len(history.asked)
        self._over = Event()
        self._join = run_clients(clients, self._work)

    def until(self, condition: Callable[[], bool], *, timeout: float = 60) -> None:
        """Go on until `condition` holds; on a busy machine that may take a while."""
        assert wait_until(condition, timeout=timeout), "it never came to that"

    def until_done(self, more: int) -> None:
        """Go on until so many further bookings, cancels and looks were answered with success."""
        enough = self._history.done + more
        self.until(lambda: self._history.done >= enough)

    def until_asked(self, more: int) -> None:
        """Go on until so many further requests were answered in whatever way."""
        enough = len(self._history.asked) + more
        self.until(lambda: len(self._history.asked) >= enough)

    def until_refused(self, more: int) -> None:
        """Go on until so many further requests were turned away with 503."""
        refused = self._history.refused
        self.until(lambda: self._history.refused >= refused + more)

    def stop(self) -> None:
        self._over.set()
        self._join()

    def _work(self, number: int) -> None:
        choose = random.Random(number)
        persistent = self._keys and number % 2 == 0
        mine: list[str] = []
        with ExitStack() as stack:
            each = [stack.enter_context(Client(port, self._history)) for port in self._ports]
            clients = cycle(each)
            for count in range(1_000_000):
                if self._over.is_set():
                    return
                chance = choose.random()
                name = f"{self._first}-{number}-{count}"
                key = name if persistent else None
                if chance < 0.5 or not mine:
                    tickets = choose.randint(1, self._party)
                    self._book(clients, f"c{name}", tickets, key, mine)
                elif chance < 0.7:
                    self._cancel(clients, mine.pop(choose.randrange(len(mine))), key)
                elif chance < 0.85:
                    self._rest(next(clients).status())
                else:
                    self._rest(next(clients).look(choose.choice(mine)))

    def _book(
        self, clients: Iterator[Client], user: str, tickets: int, key: str | None, mine: list[str]
    ) -> None:
        asked = self._ask(lambda: next(clients).book(user, tickets=tickets, key=key), key)
        if asked.done:
            mine.append(asked.answer["bookingReference"])

    def _cancel(self, clients: Iterator[Client], reference: str, key: str | None) -> None:
        self._ask(lambda: next(clients).cancel(reference, key=key), key)

    def _ask(self, ask: Callable[[], Asked], key: str | None) -> Asked:
        asked = ask()
        while self._rest(asked) and key and not self._over.is_set():
            asked = ask()
        if key and len(self._history.asked) % 3 == 0:
            ask()
        return asked

    def _rest(self, asked: Asked) -> bool:
        """Whether the outcome is unknown; then the client waits a little."""
        if asked.unknown:
            self._over.wait(PAUSE)
        return asked.unknown


def longest_silence(history: History, *, since: float, until: float) -> float:
    """The longest time, in seconds, in which no client was told of a booking or cancel."""
    told = sorted(
        asked.ended
        for asked in history.asked
        if asked.done and asked.what in ("book", "cancel") and since <= asked.ended <= until
    )
    moments = [since, *told, until]
    return max(later - earlier for earlier, later in pairwise(moments))


def port_of(database_url: str) -> int:
    """Where the database's server listens."""
    return make_url(database_url).port or 3306


def through(database_url: str, port: int) -> str:
    """The same database, reached through the port of a proxy, which cannot look into TLS."""
    url = make_url(database_url).set(port=port).update_query_dict({"ssl_disabled": "true"})
    return url.render_as_string(hide_password=False)


def now() -> float:
    return time.monotonic()
