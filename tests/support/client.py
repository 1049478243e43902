"""Many clients of the real server at once, each on a connection that it keeps."""

import http.client
import json
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Self

from tests.support.servers import AppServer

SECONDS = 30


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API, with its Authorization (`login`) and Idempotency-Key (`key`)."""

    method: str
    path: str
    json: dict[str, Any] | None = None
    login: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    json: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.json[name]


def book(event_id: int, user_id: int | str, tickets: int = 1, key: str | None = None) -> Call:
    body = {"userId": user_id, "eventId": event_id, "tickets": tickets}
    return Call("POST", "/api/events/book", body, key=key)


def cancel(reference: str, login: str | None = None) -> Call:
    return Call("POST", "/api/events/cancel", {"bookingReference": reference}, login)


def status(event_id: int) -> Call:
    return Call("GET", f"/api/events/status/{event_id}")


class Connection:
    """One connection to the server, kept open; a lost one is an error, never made anew."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._http.connect()
        self._http.auto_open = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    @property
    def own_port(self) -> int:
        return int(self._http.sock.getsockname()[1])

    def make(self, call: Call) -> Answer:
        """Send a request and read its answer, which has to be JSON."""
        headers = {"Content-Type": "application/json"} if call.json is not None else {}
        if call.login is not None:
            headers["Authorization"] = call.login
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        body = None if call.json is None else json.dumps(call.json).encode()
        self._http.request(call.method, call.path, body, headers)
        response = self._http.getresponse()
        return Answer(response.status, json.loads(response.read()))


def at_once(port: int, calls: Sequence[Call]) -> list[Answer]:
    """Make every call at the same moment, each on a connection of its own."""
    return in_flight(port, calls, connections=len(calls))


def in_flight(port: int, calls: Iterable[Call], *, connections: int) -> list[Answer]:
    """Make the calls, so many at any time, and give their answers in order of the calls."""
    calls = list(calls)
    answers: list[Answer | None] = [None] * len(calls)
    turns = iter(range(len(calls)))
    lock, start = threading.Lock(), threading.Barrier(connections)

    def client(_: int) -> None:
        with Connection(port) as connection:
            start.wait(SECONDS)
            while True:
                with lock:
                    mine = list(islice(turns, 1))
                if not mine:
                    return
                answers[mine[0]] = connection.make(calls[mine[0]])

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(client, range(connections)))
    return [answer for answer in answers if answer is not None]


class Watch:
    """Clients that ask for the status of an event again and again until they are told to stop."""

    def __init__(self, port: int, event_id: int, *, connections: int = 3) -> None:
        self._port, self._call = port, status(event_id)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(connections)
        self._futures = [self._pool.submit(self._ask) for _ in range(connections)]

    def _ask(self) -> list[Answer]:
        seen = []
        with Connection(self._port) as connection:
            while not self._stop.is_set():
                seen.append(connection.make(self._call))
        return seen

    def stop(self) -> list[Answer]:
        """Stop asking and give every answer."""
        self._stop.set()
        self._pool.shutdown()
        return [answer for future in self._futures for answer in future.result()]


def one_connection_to_each_worker(server: AppServer) -> list[Connection]:
    """Connections of which every worker process of the server holds exactly one.

    The server's end of a connection is found in the tables of the system.
    """
    found: dict[int, Connection] = {}
    workers = server.worker_pids()
    for _ in range(500):
        connection = Connection(server.port)
        # Asked once, so that a worker has taken it up.
        connection.make(Call("GET", "/healthz"))
        worker = _holder(workers, server.port, connection.own_port)
        if worker is None or worker in found:
            connection.__exit__()
        else:
            found[worker] = connection
        if len(found) == len(workers):
            return list(found.values())
    raise AssertionError(f"of {len(workers)} workers only {len(found)} take connections")


def _holder(workers: Sequence[int], port: int, peer: int) -> int | None:
    """The process that holds the connection between `port` here and `peer` there."""
    ends = (f":{port:04X}", f":{peer:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        row = line.split()
        if row[1].endswith(ends[0]) and row[2].endswith(ends[1]):
            socket = f"socket:[{row[9]}]"
            for pid in workers:
                links = Path(f"/proc/{pid}/fd").iterdir()
                if any(_target(link) == socket for link in links):
                    return pid
    return None


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
