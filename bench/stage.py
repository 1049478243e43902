"""The servers of a run: one MariaDB, Redis, Nextup in each configuration, and the references."""

import json
import re
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.references import raw
from tests.support.servers import ROOT, AppServer, MariaDB, Redis, Server
from webapp.config import DEFAULT_THREADS

RAW_EVENTS = 50
USERNAME, PASSWORD = "bench", "only for the bench"
BASIC = "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
BUFFER_POOL = "512M"
DURABLE = (
    f"--innodb-buffer-pool-size={BUFFER_POOL}",
    "--innodb-log-file-size=256M",
    "--innodb-flush-method=O_DIRECT",
)


class Reference(Server):
    """A server of bench.references."""

    def __init__(
        self, directory: Path, name: str, *, workers: int, environ: Mapping[str, str]
    ) -> None:
        super().__init__(directory)
        self.name = name
        self.workers = workers
        self.environ = dict(environ)

    def command(self) -> Sequence[str]:
        numbers = {"--port": self.port, "--workers": self.workers, "--threads": DEFAULT_THREADS}
        options = [str(part) for pair in numbers.items() for part in pair]
        return [sys.executable, "-m", "bench.references", self.name, *options]

    def environment(self) -> Mapping[str, str]:
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **self.environ}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        try:
            return get(f"{self.url}/healthz").status == 200
        except (OSError, HTTPException):
            # Not yet, or somebody else was quicker to take the port.
            return False

    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]


@dataclass(slots=True)
class Configuration:
    """A way of running Nextup, with the references that run in the same way."""

    name: str
    nextup: AppServer
    route: Reference
    bare: Reference
    raw: Reference | None


@dataclass(slots=True)
class Stage:
    """All servers of a run, and who was given which user ids."""

    folder: Path
    mariadb: MariaDB
    redis: Redis
    single: Configuration
    double: Configuration
    sqlite: Configuration
    database: str
    _users: Iterator[int]

    def deliverers(self) -> list[int]:
        """The processes that send mails; those of one database share the work."""
        servers = (self.single.nextup, self.double.nextup)
        return [pid for server in servers for pid in server.deliverer_pids()]

    def new_users(self) -> int:
        """The first of a million user ids that nobody else is given."""
        return next(self._users) * 1_000_000 + 1


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    return ask(urllib.request.Request(url, headers=dict(headers or {})))


def ask(request: urllib.request.Request) -> Answer:
    """The answer to one request, whatever its status."""
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def new_event(server: AppServer, *, tickets: int, name: str = "Hot", **fields: object) -> int:
    """Make an event that is open and return its id."""
    request = urllib.request.Request(
        f"{server.url}/api/events/initialize",
        data=json.dumps({"eventName": name, "totalTickets": tickets, **fields}).encode(),
        headers={"Content-Type": "application/json", "Authorization": BASIC},
    )
    answer = ask(request)
    if answer.status != 201:
        raise RuntimeError(f"no event was made: {answer.status} {answer.body!r}")
    return int(answer.json()["id"])


def add_types(server: AppServer, event_id: int, names: Iterable[str], *, quota: int) -> None:
    """Give an event ticket types, numbered from 1."""
    for name in names:
        request = urllib.request.Request(
            f"{server.url}/api/events/{event_id}/types",
            data=json.dumps({"name": name, "quota": quota}).encode(),
            headers={"Content-Type": "application/json", "Authorization": BASIC},
        )
        if (answer := ask(request)).status != 201:
            raise RuntimeError(f"no type was made: {answer.status} {answer.body!r}")


def book_one(server: AppServer, event_id: int, attendee: str) -> str:
    """Book a ticket and return the reference."""
    request = urllib.request.Request(
        f"{server.url}/api/events/book",
        data=json.dumps({"eventId": event_id, "userId": attendee}).encode(),
        headers={"Content-Type": "application/json"},
    )
    return str(ask(request).json()["bookingReference"])


def log_in(server: AppServer) -> str:
    """Log the organizer in by page and return the cookies as a header has them."""
    jar = urllib.request.HTTPCookieProcessor()
    browser = urllib.request.build_opener(jar)
    with browser.open(f"{server.url}/login") as page:
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.read().decode())
    assert token is not None
    form = {"csrf_token": token[1], "username": USERNAME, "password": PASSWORD}
    with browser.open(f"{server.url}/login", urlencode(form).encode()) as page:
        if "/organizer" not in page.url:
            raise RuntimeError(f"no login: {page.url}")
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar.cookiejar)


def settings(database_url: str, *, workers: int = 1, limits: str = "memory://") -> dict[str, str]:
    """The environment of a server: everything on, with limits that nobody reaches."""
    return {
        "DATABASE_URL": database_url,
        "WORKERS": str(workers),
        "THREADS": str(DEFAULT_THREADS),
        "SECRET_KEY": "a key that only the bench uses",
        "RATELIMIT_DEFAULT": "1000000000 per 15 minutes",
        "BOOKINGS_FREELY": "999999999",
        "RATELIMIT_STORAGE_URI": limits,
        "ORGANIZER_USERNAME": USERNAME,
        "ORGANIZER_PASSWORD": PASSWORD,
    }


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Start everything, and stop it at the end."""
    with ExitStack() as stack:
        mariadb = stack.enter_context(MariaDB(folder / "db", durable=True, options=DURABLE))
        redis = stack.enter_context(Redis(folder / "redis"))
        database = mariadb.create_database("nextup")
        mariadb.create_database("raw")
        raw.prepare(mariadb.port, "raw", RAW_EVENTS)

        def configuration(name: str, database_url: str, workers: int, limits: str) -> Configuration:
            path = folder / name
            environ = settings(database_url, workers=workers, limits=limits)
            nextup = stack.enter_context(AppServer(path / "nextup", environ=environ))
            route_environ = {**environ, "INSTANCE_PATH": str(path / "route" / "instance")}
            (path / "route" / "instance" / "log").mkdir(parents=True)
            route = stack.enter_context(
                Reference(path / "route", "route", workers=workers, environ=route_environ)
            )
            bare = stack.enter_context(
                Reference(path / "bare", "bare", workers=workers, environ={})
            )
            minimal = None
            if not database_url.startswith("sqlite"):
                address = {"BENCH_PORT": str(mariadb.port), "BENCH_DATABASE": "raw"}
                minimal = stack.enter_context(
                    Reference(path / "raw", "raw", workers=workers, environ=address)
                )
            return Configuration(name, nextup, route, bare, minimal)

        yield Stage(
            folder=folder,
            mariadb=mariadb,
            redis=redis,
            single=configuration("1 worker", database, 1, "memory://"),
            double=configuration("2 workers", database, 2, redis.url),
            sqlite=configuration("SQLite", f"sqlite:///{folder / 'nextup.db'}", 1, "memory://"),
            database=database,
            _users=count(1),
        )
