"""What is measured once: a quiet event beside a flood, polling, a first visit, starts, memory."""

import gzip
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from bench import stage as stages
from bench import wrk
from bench.figures import Figure, Target
from bench.opening import opening
from bench.processes import resident_bytes
from bench.stage import get, new_event
from bench.tasks import PLENTY, Round
from tests.support.servers import ROOT, AppServer

VISITORS = 10_000
POLL_SECONDS = 5
FLOOD_SECONDS = 5
ASSETS = re.compile(rb'<(?:link|script|img)[^>]+(?:href|src)="([^"]+)"')
HTMX = ROOT / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"


def quiet(now: Round) -> list[Figure]:
    """The latency of an event that few book, alone and while another is flooded."""
    figures = []
    for configuration in (now.stage.single, now.stage.double):
        server = configuration.nextup
        truth = now.truth(configuration)
        calm_id, hot_id = (new_event(server, tickets=PLENTY) for _ in range(2))

        def calmly(url: str = server.url, event_id: int = calm_id) -> wrk.Load:
            users = now.stage.new_users()
            return wrk.book(
                url, events=(event_id, event_id), first_user=users, seconds=2, connections=1
            )

        alone = calmly()
        options = {"events": hot_id, "first": now.stage.new_users(), "seconds": FLOOD_SECONDS}
        flood = wrk.start(server.url, "book.lua", 64, FLOOD_SECONDS, options=options)
        time.sleep(1)
        beside = calmly()
        truth.booked((hot_id, hot_id), flood.finish())
        for load in (alone, beside):
            truth.booked((calm_id, calm_id), load)
        for name, value, reference in (
            ("p50 of a quiet event beside a flood", beside.p50, alone.p50),
            ("p99 of a quiet event beside a flood", beside.p99, alone.p99),
        ):
            figures.append(_compared(name, configuration.name, value, "ms", "alone", reference))
    return figures


def polling(now: Round) -> list[Figure]:
    """How many asks for what is left are answered with 304, against what visitors would send."""
    figures = []
    for configuration in (now.stage.single, now.stage.double):
        server = configuration.nextup
        event_id = new_event(server, tickets=PLENTY)
        url = f"{server.url}/events/{event_id}/availability"
        headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
        headers["If-None-Match"] = get(url, headers).headers["ETag"]
        load = wrk.read(url, seconds=3, connections=256, headers=headers).expect(304)
        says = f"{VISITORS:,} visitors every {POLL_SECONDS} s"
        name = configuration.name
        wanted = VISITORS / POLL_SECONDS
        figures.append(_compared("304 to polling visitors", name, load.rate, "/s", says, wanted))
    return figures


def visit(now: Round) -> list[Figure]:
    """The bytes of a first visit to an event page, as they travel."""
    page = now.page(now.stage.single)
    body, total = _travelled(page)
    for path in {match.decode() for match in ASSETS.findall(body)}:
        if not path.startswith("http"):
            total += _travelled(urljoin(page, path))[1]
    name = "first visit of the event page"
    if HTMX.exists():
        total += len(gzip.compress(HTMX.read_bytes(), 6))
        name += ", with htmx"
    else:
        name += ", without htmx"
    figure = _compared(name, "", total / 1000, "kB", "60 kB", 60)
    return [_with_target(figure, Target(1, at_most=True))]


def _travelled(url: str) -> tuple[bytes, int]:
    answer = get(url, {"Accept-Encoding": "gzip"})
    if answer.status != 200:
        raise wrk.LoadFailed(f"{url} answers {answer.status}")
    packed = answer.headers.get("Content-Encoding") == "gzip"
    return gzip.decompress(answer.body) if packed else answer.body, len(answer.body)


class Started(AppServer):
    """Started by bin/run, where the environment it uses is the one we run in."""

    def command(self) -> Sequence[str]:
        command = super().command()
        same = Path(command[0]).parent == ROOT / ".venv" / "bin"
        return [str(ROOT / "bin" / "run")] if same else command


def start(now: Round) -> list[Figure]:
    """How long a second start takes until the server is ready, on an embedded database."""
    server = Started(now.stage.folder / "start")
    server.start().stop()
    times = []
    for _ in range(3):
        began = time.monotonic()
        server.start()
        times.append(time.monotonic() - began)
        server.stop()
    return [Figure("a second start until ready", "SQLite", sorted(times)[1], "s")]


def memory(now: Round, *, bookings: int) -> list[Figure]:
    """The memory of a worker when it has started and after many bookings."""
    mariadb = now.stage.mariadb
    url = mariadb.create_database("memory")
    with AppServer(now.stage.folder / "memory", environ=stages.settings(url)) as server:
        [pid] = server.worker_pids()
        before = resident_bytes(pid) / 1e6
        event_id = new_event(server, tickets=PLENTY)
        events = (event_id, event_id)
        users = now.stage.new_users()
        load = wrk.book(
            server.url, events=events, first_user=users, seconds=bookings / 100, count=bookings
        )
        after = resident_bytes(pid) / 1e6
    if load.answered != bookings:
        raise wrk.LoadFailed(f"only {load.answered} of {bookings} bookings were made")
    name = f"memory of a worker after {bookings:,} bookings"
    figure = _compared(name, "1 worker", after, "MB", "at start", before)
    mariadb.execute("DROP DATABASE memory")
    shutil.rmtree(now.stage.folder / "memory")
    return [_with_target(figure, Target(1.5, at_most=True))]


@dataclass(frozen=True, slots=True)
class Study:
    key: str
    run: Callable[[Round], list[Figure]]
    takes_a_minute: bool = False


def all_studies(*, bookings: int) -> list[Study]:
    return [
        Study("memory", lambda now: memory(now, bookings=bookings)),
        Study("quiet", quiet),
        Study("polling", polling),
        Study("visit", visit),
        Study("start", start),
        Study("opening", opening, takes_a_minute=True),
    ]


def _compared(
    name: str, configuration: str, value: float, unit: str, says: str, reference: float
) -> Figure:
    return Figure(name, configuration, value, unit, says, reference, value / reference)


def _with_target(figure: Figure, target: Target) -> Figure:
    assert figure.ratio is not None
    return Figure(
        figure.name,
        figure.configuration,
        figure.value,
        figure.unit,
        figure.says,
        figure.reference,
        figure.ratio,
        target,
        target.met(figure.ratio),
    )
