"""What things cost while the database grows, and bookings with many in the table against few."""

import re
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.cookiejar import CookieJar

from bench import fill, stage, wrk
from bench.figures import Sample, Samples
from bench.stage import PASSWORD, USERNAME
from bench.tasks import Round
from bench.truth import Truth
from tests.support.servers import AppServer

FEW = 1_000
# One of so many bookings waits, and there is one event for so many bookings.
WAITING_SHARE = 10
EVENT_SHARE = 100
SECONDS = 1
CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Point:
    """Medians in milliseconds, by what was done, one at a time, with so many rows."""

    bookings: int
    waiting: int
    events: int
    costs: Mapping[str, float]

    def __str__(self) -> str:
        costs = "  ".join(f"{name} {value:.2f}" for name, value in self.costs.items())
        return f"{self.bookings:>9,} bookings, {self.events:>6,} events: {costs} (ms)"


def grow(now: Round, sizes: list[int], samples: Samples, *, rounds: int) -> list[Point]:
    """Fill a database step by step and measure at each; `samples` gets "large" and "small"."""
    with ExitStack() as stack:
        large, small = (stack.enter_context(_Grown(now, name)) for name in ("growing", "small"))
        points = []
        for size in sizes:
            points.append(large.measured(size))
            print(f"  {points[-1]}", flush=True)
        small.fill(FEW)
        for turn in range(-1, rounds):
            for name, grown in (("large", large), ("small", small)):
                # The first turn only warms up.
                sample = Sample(grown.flood(now.seconds if turn >= 0 else 1), {}, {})
                if turn >= 0:
                    samples.add("1 worker", name, sample)
        return points


class _Grown:
    """A database with a server of its own, and the last event that was filled."""

    def __init__(self, now: Round, name: str) -> None:
        self.now = now
        self.name = name
        url = now.stage.mariadb.create_database(name)
        self.server = AppServer(now.stage.folder / name, environ=stage.settings(url))
        self.truth = now.truths[url] = Truth(url)
        self.event_id = self.cancelled = self.events = 0

    def __enter__(self) -> "_Grown":
        self.server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.stop()

    def fill(self, bookings: int) -> None:
        """Add an event with so many bookings; it is the one that is measured from now on."""
        waiting = bookings // WAITING_SHARE
        confirmed = bookings - waiting
        self.event_id = fill.fill_event(
            self.now.stage.mariadb, self.name, confirmed=confirmed, waiting=waiting
        )
        self.truth.filled(self.event_id, confirmed=confirmed, waiting=waiting)
        self.cancelled = 0

    def flood(self, seconds: float, *, connections: int = 64) -> wrk.Load:
        """Book the event; every booking joins its waiting list."""
        events = (self.event_id, self.event_id)
        load = wrk.book(
            self.server.url,
            events=events,
            first_user=self.now.stage.new_users(),
            seconds=seconds,
            connections=connections,
        )
        self.truth.booked(events, load)
        return load.expect(201)

    def cancel(self) -> wrk.Load:
        path = self.now.stage.folder / "references"
        fill.write_references(path, self.event_id, range(1, FEW * 5))
        load = wrk.cancel(self.server.url, references=path, seconds=SECONDS, connections=1)
        self.truth.cancelled(self.event_id, load)
        return load.expect(200)

    def measured(self, bookings: int) -> Point:
        """Fill, then do each thing alone for a second."""
        self.fill(bookings)
        wanted = max(1, bookings // EVENT_SHARE)
        fill.fill_events(self.now.stage.mariadb, self.name, wanted - self.events)
        self.events = wanted
        waiting = bookings // WAITING_SHARE
        # Near the end of the list: a count of everybody ahead would show.
        last_waiting = fill.reference_of(self.event_id, bookings)
        cookie = {"Cookie": log_in(self.server.url)}
        costs = {
            "booking": self.flood(SECONDS, connections=1).p50,
            "cancel": self.cancel().p50,
            "status": self._read(f"/api/events/status/{self.event_id}"),
            "rank": self._read(f"/api/bookings/{last_waiting}"),
            "list": self._read("/"),
            "dashboard": self._read("/organizer", cookie),
            "event's bookings": self._read(f"/organizer/events/{self.event_id}", cookie),
        }
        return Point(bookings, waiting, wanted, costs)

    def _read(self, path: str, headers: Mapping[str, str] | None = None) -> float:
        url = self.server.url + path
        # The first look of a process at something large may take it longer than what is measured.
        stage.get(url, headers)
        load = wrk.read(url, seconds=SECONDS, connections=1, headers=headers)
        return load.expect(200).p50


def log_in(url: str) -> str:
    """Log in as the organizer and return the session's cookie."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    form = opener.open(f"{url}/login").read().decode()
    token = CSRF.search(form)
    if token is None:
        raise wrk.LoadFailed("the login page has no CSRF token")
    fields = {"username": USERNAME, "password": PASSWORD, "csrf_token": token[1]}
    opener.open(f"{url}/login", urllib.parse.urlencode(fields).encode()).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
