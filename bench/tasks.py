"""What is done once in every round: each task is one run of wrk against one server."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import fill, wrk
from bench import visitors as people
from bench.figures import Sample
from bench.processes import Watch, cpu_seconds
from bench.stage import Configuration, Stage, add_types, book_one, get, log_in, new_event
from bench.truth import Truth
from bench.visitor import BOOKED
from bench.wrk import Load
from tests.support.servers import MariaDB, wait_until

MANY = 50
VISITORS = 48
# At the door of one event; and more than they scan in a second.
DEVICES = 20
MOST_SCANNED = 4_000
# As many as a page of the list shows, and one more.
LISTED = 25
AT_DESK = 500
VIEWS = ("list", "confirmed", "waiting", "login", "desk")
PLENTY = 1_000_000
TYPES = ("VIP", "Standard", "Students")
COUNTED = (
    *("Questions", "Com_commit", "Com_rollback", "Com_select", "Com_insert", "Com_update"),
    *("Innodb_data_fsyncs", "Innodb_os_log_fsyncs", "Innodb_rows_read"),
)


# A path and the headers with which it is asked for.
View = tuple[str, dict[str, str]]


@dataclass(slots=True)
class Line:
    """An event with a long waiting list whose confirmed bookings are cancelled bit by bit."""

    event_id: int
    confirmed: int
    cancelled: int = 0


@dataclass(slots=True)
class Round:
    """The state that tasks share: the servers, what was told, and how long a task runs."""

    stage: Stage
    seconds: int
    line_length: int
    truths: dict[str, Truth] = field(default_factory=dict)
    line: Line | None = None
    _pages: dict[str, str] = field(default_factory=dict)
    _many: dict[str, tuple[int, int]] = field(default_factory=dict)
    _views: dict[str, dict[str, View]] = field(default_factory=dict)

    def truth(self, configuration: Configuration) -> Truth:
        url = configuration.nextup.environ["DATABASE_URL"]
        return self.truths.setdefault(url, Truth(url))

    def waiting_line(self, truth: Truth) -> Line:
        if self.line is None:
            count = self.line_length
            event_id = fill.fill_event(self.stage.mariadb, "nextup", confirmed=count, waiting=count)
            truth.filled(event_id, confirmed=count, waiting=count)
            self.line = Line(event_id, count)
        return self.line

    def many_events(self, configuration: Configuration) -> tuple[int, int]:
        """The first and last of some events that nobody else makes events between."""
        if configuration.name not in self._many:
            made = [new_event(configuration.nextup, tickets=PLENTY) for _ in range(MANY)]
            self._many[configuration.name] = made[0], made[-1]
        return self._many[configuration.name]

    def views(self, configuration: Configuration) -> dict[str, View]:
        """The pages that are read one by one: `{name: (path, headers)}`."""
        if configuration.name not in self._views:
            if not self._views:
                fill.fill_events(self.stage.mariadb, "nextup", LISTED)
            self._views[configuration.name] = made_views(self, configuration)
        return self._views[configuration.name]

    def page(self, configuration: Configuration) -> str:
        """The address of an event page."""
        if configuration.name not in self._pages:
            server = configuration.nextup
            event_id = new_event(server, tickets=PLENTY, name="Open air")
            self._pages[configuration.name] = f"{server.url}/events/{event_id}-open-air"
        return self._pages[configuration.name]


def made_views(now: Round, configuration: Configuration) -> dict[str, View]:
    """Make what the pages show: a booking that has its ticket and one that waits, and a desk."""
    server, truth = configuration.nextup, now.truth(configuration)
    event_id = new_event(server, tickets=1, name="Open air")
    references = [book_one(server, event_id, f"visitor {number}") for number in (1, 2)]
    truth.filled(event_id, confirmed=1, waiting=1)
    full = fill.fill_event(now.stage.mariadb, "nextup", confirmed=AT_DESK)
    truth.filled(full, confirmed=AT_DESK, waiting=0)
    return {
        "list": ("/", {}),
        "confirmed": (f"/bookings/{references[0]}", {}),
        "waiting": (f"/bookings/{references[1]}", {}),
        "login": ("/login", {}),
        "desk": (f"/organizer/events/{full}", {"Cookie": log_in(server)}),
    }


Task = Callable[[Round, Configuration], Load]


def hot(now: Round, configuration: Configuration) -> Load:
    event_id = new_event(configuration.nextup, tickets=PLENTY)
    return _book(now, configuration, (event_id, event_id))


def many(now: Round, configuration: Configuration) -> Load:
    return _book(now, configuration, now.many_events(configuration))


def typed(now: Round, configuration: Configuration) -> Load:
    event_id = new_event(configuration.nextup, tickets=PLENTY)
    add_types(configuration.nextup, event_id, TYPES, quota=PLENTY)
    return _book(now, configuration, (event_id, event_id), types=len(TYPES))


def _book(
    now: Round, configuration: Configuration, events: tuple[int, int], *, types: int | None = None
) -> Load:
    load = wrk.book(
        configuration.nextup.url,
        types=types,
        events=events,
        first_user=now.stage.new_users(),
        seconds=now.seconds,
    )
    now.truth(configuration).booked(events, load)
    return load


def route(now: Round, configuration: Configuration) -> Load:
    url = configuration.route.url
    users = now.stage.new_users()
    return wrk.book(url, events=(1, 1), first_user=users, seconds=now.seconds).expect(201)


def raw(now: Round, configuration: Configuration) -> Load:
    return _raw(now, configuration, (1, 1))


def raw_many(now: Round, configuration: Configuration) -> Load:
    return _raw(now, configuration, (1, MANY))


def _raw(now: Round, configuration: Configuration, events: tuple[int, int]) -> Load:
    assert configuration.raw is not None
    url = configuration.raw.url
    users = now.stage.new_users()
    return wrk.book(url, events=events, first_user=users, seconds=now.seconds).expect(201)


def cancel(now: Round, configuration: Configuration) -> Load:
    truth = now.truth(configuration)
    line = now.waiting_line(truth)
    path: Path = now.stage.folder / "references"
    positions = range(line.cancelled + 1, line.confirmed + 1)
    fill.write_references(path, line.event_id, positions)
    load = wrk.cancel(configuration.nextup.url, references=path, seconds=now.seconds)
    line.cancelled += load.sent
    truth.cancelled(line.event_id, load)
    return load.expect(200)


def status(now: Round, configuration: Configuration) -> Load:
    event_id = now.many_events(configuration)[0]
    url = f"{configuration.nextup.url}/api/events/status/{event_id}"
    return wrk.read(url, seconds=now.seconds).expect(200)


def scans(now: Round, configuration: Configuration) -> Load:
    """Guests come one by one, at the doors of one event."""
    truth, mariadb = now.truth(configuration), now.stage.mariadb
    guests = now.seconds * MOST_SCANNED
    event_id = fill.fill_event(mariadb, "nextup", confirmed=guests)
    truth.filled(event_id, confirmed=guests, waiting=0)
    load = wrk.scan(
        configuration.nextup.url,
        codes=fill.write_codes(now.stage.folder / "codes", event_id, guests),
        event_id=event_id,
        token=fill.add_door_pass(mariadb, "nextup", event_id),
        seconds=now.seconds,
        connections=DEVICES,
    )
    return load.expect(200)


def visitors(now: Round, configuration: Configuration) -> Load:
    server = configuration.nextup
    event_id = new_event(server, tickets=PLENTY, name="Open air")
    load = people.book(
        f"{server.url}/events/{event_id}-open-air",
        visitors=VISITORS,
        first_visitor=now.stage.new_users(),
        seconds=now.seconds,
    )
    now.truth(configuration).booked((event_id, event_id), load)
    return load.expect(BOOKED)


def bare(now: Round, configuration: Configuration) -> Load:
    url = configuration.bare.url
    users = now.stage.new_users()
    return wrk.book(url, events=(1, 1), first_user=users, seconds=now.seconds).expect(201)


def read_view(now: Round, configuration: Configuration, name: str) -> Load:
    path, headers = now.views(configuration)[name]
    url = configuration.nextup.url + path
    return wrk.read(url, seconds=now.seconds, headers=headers).expect(200)


def page(now: Round, configuration: Configuration) -> Load:
    url = now.page(configuration)
    if get(url).status != 200:
        raise wrk.LoadFailed(f"the event page answers {get(url).status}")
    return wrk.read(url, seconds=now.seconds).expect(200)


TASKS: dict[str, Task] = {
    "hot": hot,
    "typed": typed,
    "raw": raw,
    "route": route,
    "many": many,
    "raw many": raw_many,
    "cancel": cancel,
    "status": status,
    "scans": scans,
    "page": page,
    "bare": bare,
    "visitors": visitors,
    **{name: partial(read_view, name=name) for name in VIEWS},
}


def run(name: str, now: Round, configuration: Configuration) -> Sample:
    """Run one task and watch what it uses."""
    stage = now.stage
    if name == "cancel":
        now.waiting_line(now.truth(configuration))
    if name in VIEWS:
        now.views(configuration)
    served: Iterable[int]
    match name:
        case "route":
            served = configuration.route.pids()
        case "bare":
            served = configuration.bare.pids()
        case "raw" | "raw many":
            served = configuration.raw.pids() if configuration.raw else []
        case _:
            served = configuration.nextup.worker_pids()
    groups = {"server": served, "mariadb": [stage.mariadb.pid], "redis": [stage.redis.pid]}
    if name == "visitors":
        groups["supervisor"] = [configuration.nextup.pid]
        groups["deliverers"] = stage.deliverers()
    before = counters(stage.mariadb)
    watch = Watch(groups)
    sending = Sending(stage)
    load = TASKS[name](now, configuration)
    shares = watch.shares()
    after = counters(stage.mariadb)
    mail_seconds = sending.seconds_for_each() if name == "visitors" else 0.0
    counted = {key: after[key] - before[key] for key in after}
    return Sample(load, shares, counted, watch.seconds, mail_seconds)


class Sending:
    """What the deliverers take for the mails of a run, which leave at a pace of their own."""

    def __init__(self, stage: Stage) -> None:
        self._mariadb, self._pids = stage.mariadb, stage.deliverers()
        self._sent, self._used = self._mails("sent"), self._cpu()

    def seconds_for_each(self) -> float:
        """Wait until all are sent: later they would take time from what comes next."""
        if not wait_until(lambda: not self._mails("pending"), timeout=120, every=0.5):
            raise wrk.LoadFailed("the mails of a run were not sent")
        return (self._cpu() - self._used) / max(1, self._mails("sent") - self._sent)

    def _cpu(self) -> float:
        return sum(map(cpu_seconds, self._pids))

    def _mails(self, state: str) -> int:
        with closing(self._mariadb.connect("nextup")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM delivery WHERE state = %s", (state,))
            return int(cursor.fetchone()[0])


def counters(mariadb: MariaDB) -> dict[str, int]:
    """What the database has done since its start."""
    names = ", ".join(f"'{name}'" for name in COUNTED)
    with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
        return {name: int(value) for name, value in cursor.fetchall()}
