"""Clients that are slow on purpose, or have lost their network: they hold up nobody else."""

import contextlib
import re
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from tests.support.servers import AppServer, wait_until

PASSWORD = "a password for tests"
SETTINGS = {
    "ORGANIZER_USERNAME": "anna",
    "ORGANIZER_PASSWORD": PASSWORD,
    "RATELIMIT_DEFAULT": "10000 per minute",
}
# What visitors wait at most on a machine that has other things to do; quiet ones take 0.05 s.
SOON = 5.0
ATTACKER, VISITOR = "127.0.1.1", "127.0.0.9"
IDLE = 1100
HEAD = "POST /api/events/book HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
# Each says that more is to come than comes.
UNFINISHED = [
    f"{HEAD}Content-Length: 40\r\n\r\n",
    f"{HEAD}Content-Length: 40\r\n\r\n{{",
    f"{HEAD}Content-Length: 200000\r\n\r\n{{",
    f"{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n",
    f"{HEAD}Content-Length: 40\r\nExpect: 100-continue\r\n\r\n",
]
Connect = Callable[..., socket.socket]


class Impatient(AppServer):
    """Nextup with few threads that waits two seconds for a silent connection, not thirty."""

    def command(self) -> Sequence[str]:
        lines = (
            "import multiprocessing",
            "from webapp.server import __main__ as main, connections",
            "multiprocessing.set_start_method('fork')",
            "connections.SILENT_SECONDS, connections.LOOK_SECONDS = 2.0, 0.1",
            "raise SystemExit(main.main())",
        )
        return [sys.executable, "-c", "; ".join(lines)]


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[AppServer]:
    with AppServer(server_folder / "slow-clients", environ=SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def impatient(server_folder: Path) -> Iterator[AppServer]:
    with Impatient(server_folder / "impatient", environ={**SETTINGS, "THREADS": "8"}) as server:
        yield server


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens connections, closed at the end of the test: `connect(server, "first bytes")`."""
    with contextlib.ExitStack() as opened:

        def connect(server: AppServer, sent: str = "", address: str = ATTACKER) -> socket.socket:
            there = ("127.0.0.1", server.port)
            connection = socket.create_connection(there, SOON, source_address=(address, 0))
            opened.enter_context(connection)
            connection.sendall(sent.encode())
            return connection

        yield connect


def client(server: AppServer, address: str = VISITOR) -> httpx.Client:
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=server.url, transport=transport, timeout=SOON)


def make_event(server: AppServer) -> int:
    body = {"eventName": "conference", "totalTickets": 1000}
    with client(server) as anna:
        made = anna.post("/api/events/initialize", json=body, auth=("anna", PASSWORD))
    return int(made.json()["eventId"])


def book_by_page(server: AppServer, event_id: int, name: str) -> int:
    """Read the page of an event and send its form; the status of the page behind it."""
    with client(server) as visitor:
        page = visitor.get(f"/events/{event_id}", follow_redirects=True)
        fields = dict(re.findall(r'name="(csrf_token|requestKey)" value="([^"]*)"', page.text))
        fields |= {"name": name, "email": f"{name}@example.org", "tickets": "1"}
        return visitor.post(str(page.url), data=fields, follow_redirects=True).status_code


def book(server: AppServer, event_id: int, user: str, address: str = VISITOR) -> httpx.Response:
    with client(server, address) as visitor:
        return visitor.post("/api/events/book", json={"userId": user, "eventId": event_id})


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed it; what it has sent is left unread."""
    connection.settimeout(0.01)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def is_gone(server: AppServer, connection: socket.socket) -> bool:
    """Whether the server has no such connection any more."""
    ours = f":{connection.getsockname()[1]:04X}"
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    kept = [row[2] for row in rows if row[1].endswith(f":{server.port:04X}") and row[3] == "01"]
    return not any(other.endswith(ours) for other in kept)


def test_unfinished_bodies_of_one_address_hold_up_nobody_else(
    server: AppServer, connect: Connect
) -> None:
    event_id = make_event(server)
    unfinished = [connect(server, UNFINISHED[number % 5]) for number in range(200)]
    statuses: list[int] = []
    visitors = [
        threading.Thread(target=lambda n=n: statuses.append(book_by_page(server, event_id, n)))
        for n in ("ada", "ben", "cleo", "dora")
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert statuses == [200] * len(visitors)
    # Who sends them is told so, in words.
    refused = book(server, event_id, "attacker", ATTACKER)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]
    assert refused.headers["X-Request-ID"]
    # What hangs up holds nothing any more.
    for connection in unfinished:
        connection.close()
    assert wait_until(
        lambda: book(server, event_id, "attacker", ATTACKER).status_code == 201, timeout=30
    )


def test_idle_connections_hold_up_nobody(server: AppServer, connect: Connect) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * IDLE:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * IDLE, hard), hard))
    for _ in range(IDLE):
        connect(server)
    with client(server) as visitor:
        assert visitor.get("/").status_code == 200


def test_long_head_is_refused_before_it_takes_much_memory(server: AppServer) -> None:
    with client(server) as visitor:
        answers = [visitor.get("/", headers={"X-Long": size * "x"}) for size in (30_000, 100_000)]
    assert [answer.status_code for answer in answers] == [200, 431]


def test_answers_that_nobody_takes_hold_up_nobody_and_are_given_up(
    impatient: AppServer, connect: Connect
) -> None:
    event_id = make_event(impatient)
    many = "GET /static/nextup.css HTTP/1.1\r\nHost: here\r\n\r\n" * 200
    readers = [connect(impatient, many) for _ in range(24)]
    assert book(impatient, event_id, "visitor").status_code == 201
    assert wait_until(lambda: all(is_gone(impatient, each) for each in readers), timeout=30)


def test_body_that_does_not_come_is_given_up(impatient: AppServer, connect: Connect) -> None:
    event_id = make_event(impatient)
    senders = {f"127.0.1.{n}": sent for n, sent in enumerate(UNFINISHED, 1)}
    unfinished = [connect(impatient, sent, address) for address, sent in senders.items()]
    assert wait_until(lambda: all(is_gone(impatient, each) for each in unfinished), timeout=30)
    # No thread waits for them any more.
    booked = [book(impatient, event_id, address, address).status_code for address in senders]
    assert booked == [201] * len(senders)


def test_body_that_drips_is_given_up_and_a_slow_one_is_not(
    impatient: AppServer, connect: Connect
) -> None:
    size = 240_000
    dripping, slow = (connect(impatient, f"{HEAD}Content-Length: {size}\r\n\r\n") for _ in "ab")
    began, given_up = time.monotonic(), 0.0
    # Some 50,000 bytes a second, of which 8,000 are enough.
    for _ in range(size // 5000):
        slow.sendall(b" " * 5000)
        if not given_up:
            with contextlib.suppress(OSError):
                dripping.sendall(b" ")
            given_up = time.monotonic() - began if is_closed(dripping) else 0.0
        time.sleep(0.1)
    assert given_up
    # Given up within the time it takes a slow one.
    assert slow.recv(12) == b"HTTP/1.1 400"
