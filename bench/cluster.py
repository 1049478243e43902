"""`python -m bench.cluster`: how often writers of one event meet on one node and on three.

A private Galera cluster of three nodes and three application servers, loaded by wrk. The exit
status is 1 when an answered booking is missing on a node or a rule is broken.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import report, wrk
from bench.stage import get, new_event, settings
from bench.truth import verified
from tests.support.cluster import Cluster
from tests.support.servers import AppServer, MariaDB, ServerFailed, ServerMissing

CONNECTIONS = 63
TICKETS = 1_000_000
HEAD = ("writers", "bookings/s", "p50 ms", "p99 ms", "commits", "conflicts", "of 100", "503")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to spread bookings: one server or three, on one node or three, of one event or three.

    Where there are three events, each is booked at a server and a node of its own.
    """

    name: str
    servers: int
    nodes: int
    events: int = 1


WAYS = (
    Way("one server, one node, one event", servers=1, nodes=1),
    Way("three servers, one node, one event", servers=3, nodes=1),
    Way("three servers, three nodes, one event", servers=3, nodes=3),
    Way("three servers, three nodes, an event each", servers=3, nodes=3, events=3),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One run: answers a second, times in milliseconds, and what the nodes counted."""

    rate: float
    p50: float
    p99: float
    commits: int
    conflicts: int
    refused: int

    @property
    def row(self) -> tuple[float, ...]:
        share = 100 * self.conflicts / max(1, self.commits + self.conflicts)
        return self.rate, self.p50, self.p99, self.commits, self.conflicts, share, self.refused


class Bench:
    """The servers: each of `own` writes to a node of its own, all of `shared` to the first."""

    def __init__(self, cluster: Cluster, own: Sequence[AppServer], shared: Sequence[AppServer]):
        self.cluster = cluster
        self.own = own
        self.shared = shared
        self.told: Counter[int] = Counter()
        self._users = 1

    def run(self, way: Way, seconds: int) -> Seen:
        """Book for so many seconds."""
        servers = (self.own if way.nodes > 1 else self.shared)[: way.servers]
        made = [new_event(servers[0], tickets=TICKETS) for _ in range(way.events)]
        before = self._counted()
        runs = [
            self._start(server, made[number % way.events], seconds, CONNECTIONS // way.servers)
            for number, server in enumerate(servers)
        ]
        loads = [run.finish().expect(201, 503) for run in runs]
        commits, conflicts = (now - then for now, then in zip(self._counted(), before, strict=True))
        for number, load in enumerate(loads):
            self.told[made[number % way.events]] += load.confirmed + load.waiting
        return Seen(
            rate=sum(load.statuses.get("201", 0) / load.seconds for load in loads),
            p50=median(load.p50 for load in loads),
            p99=max(load.p99 for load in loads),
            commits=commits,
            conflicts=conflicts,
            refused=sum(load.statuses.get("503", 0) for load in loads),
        )

    def _start(self, server: AppServer, event_id: int, seconds: int, many: int) -> wrk.Running:
        self._users += 1_000_000
        options = {"events": f"{event_id}-{event_id}", "first": self._users, "seconds": seconds}
        return wrk.start(server.url, "book.lua", many, seconds, options=options)

    def _counted(self) -> tuple[int, int]:
        """Commits of the nodes' own clients so far, and how many transactions met another's."""
        commits = sum(int(node.status("wsrep_local_commits")) for node in self.cluster.nodes)
        return commits, self.cluster.conflicts()

    def check(self, folder: Path) -> list[str]:
        """What a node lacks of what was answered, and every rule that it finds broken."""
        self.cluster.catch_up()
        wrong = []
        for number, node in enumerate(self.cluster.nodes, start=1):
            found = bookings(node)
            for event_id, told in self.told.items():
                if found[event_id] < told:
                    wrong.append(f"node {number}: event {event_id} has {found[event_id]} of {told}")
            wrong += [
                f"node {number}: {line}" for line in verified(settings(node.url(NAME)), folder)
            ]
        return wrong


NAME = "nextup"


def bookings(node: MariaDB) -> Counter[int]:
    """How many bookings each event has."""
    with closing(node.connect(NAME)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_id, COUNT(*) FROM booking GROUP BY event_id")
        return Counter(dict(cursor.fetchall()))


def measure(folder: Path, rounds: int, seconds: int) -> tuple[dict[Way, list[Seen]], list[str]]:
    """Every way once in each round, after one that warms up; and what is wrong afterwards."""
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(folder / "galera"))
        urls = cluster.create_database(NAME)

        def serve(name: str, url: str) -> AppServer:
            server = AppServer(folder / name, environ=settings(url))
            return stack.enter_context(server)

        own = [serve(f"own{number}", url) for number, url in enumerate(urls)]
        shared = [own[0], *(serve(f"shared{number}", urls[0]) for number in (1, 2))]
        for server in {*own, *shared}:
            get(f"{server.url}/")
        bench = Bench(cluster, own, shared)
        seen: dict[Way, list[Seen]] = {way: [] for way in WAYS}
        for turn in range(rounds + 1):
            print(f"Round {turn} of {rounds}" if turn else "Warming up", flush=True)
            for way in WAYS:
                run = bench.run(way, seconds)
                if turn:
                    seen[way].append(run)
        print("Checking what was sold", flush=True)
        return seen, bench.check(folder / "verify")


def table(seen: dict[Way, list[Seen]]) -> str:
    """Medians over the rounds."""
    lines = [f"{HEAD[0]:<42}" + "".join(f"{name:>12}" for name in HEAD[1:])]
    for way, runs in seen.items():
        columns = zip(*(run.row for run in runs), strict=True)
        lines.append(f"{way.name:<42}" + "".join(f"{median(column):>12,.1f}" for column in columns))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    asked = parser.parse_args()
    about = report.machine()
    try:
        with tempfile.TemporaryDirectory(prefix="nextup-bench-") as folder:
            seen, wrong = measure(Path(folder), asked.rounds, asked.seconds)
    except (ServerMissing, ServerFailed, wrk.LoadFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\n{table(seen)}\n")
    print(about)
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
