"""People who book by page: `visitors.book` starts several processes of them.

Each visitor is new: a connection and an address of their own, no cookies and no scripts. They read
the event page, send its form with what it holds (token, one-time key) and follow to the page of
their booking, which has to be theirs. A visit that ends there counts as 201, any other by the
status that ended it; one that is begun is finished.
"""

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from bench.wrk import Load, LoadFailed
from tests.support.servers import ROOT

PROCESSES = 4
PATIENCE_SECONDS = 20.0
BOOKED = 201
ANSWER_BYTES = 1 << 16

find_token = re.compile(rb'name="csrf_token" value="([^"]+)"').search
find_key = re.compile(rb'name="requestKey" value="([^"]+)"').search
find_cookies = re.compile(rb"(?im)^set-cookie: ([^;\r]+)").findall
find_location = re.compile(rb"(?im)^location: ([^\r]+)").search
find_length = re.compile(rb"(?im)^content-length: (\d+)").search

# A visit: requests go out, whole answers come in; at last it returns its status.
Visit = Generator[bytes, bytes, int]


def book(url: str, *, visitors: int, first_visitor: int, seconds: float) -> Load:
    """Have so many visitors at a time book an event, by the address of its page."""
    each = visitors // PROCESSES
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.visitors", url),
                *map(str, (each, seconds, first_visitor + number * 100_000)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    times: list[float] = []
    statuses: Counter[str] = Counter()
    spans = []
    for process in processes:
        output, errors = process.communicate()
        if process.returncode:
            raise LoadFailed(f"visitors failed: {errors}"[:2000])
        told = json.loads(output)
        times += told["times"]
        statuses.update(told["statuses"])
        spans.append(told["seconds"])
    times.sort()
    many = statuses.total()

    def percentile(share: float) -> float:
        return times[min(many - 1, int(share * many))] * 1000 if times else 0.0

    return Load(
        sent=many,
        answered=many,
        seconds=max(spans),
        p50=percentile(0.5),
        p90=percentile(0.9),
        p99=percentile(0.99),
        slowest=percentile(1),
        statuses=dict(statuses),
        confirmed=statuses[str(BOOKED)],
    )


def visit(path: str, host: str, name: str) -> Visit:
    """What one visitor does."""
    answer = yield _request("GET", path, host, "")
    token, key = find_token(answer), find_key(answer)
    if token is None or key is None:
        return _status(answer)
    cookies = dict(cookie.split(b"=", 1) for cookie in find_cookies(answer))
    form = urlencode(
        {
            "csrf_token": token[1],
            "requestKey": key[1],
            "name": name,
            "email": f"{name}@example.org",
            "tickets": "1",
        }
    )
    answer = yield _request("POST", path, host, _jar(cookies), form)
    location = find_location(answer)
    if _status(answer) != 303 or location is None:
        return _status(answer)
    cookies.update(cookie.split(b"=", 1) for cookie in find_cookies(answer))
    answer = yield _request("GET", location[1].decode(), host, _jar(cookies))
    if _status(answer) == 200 and name.encode() in answer:
        return BOOKED
    return _status(answer)


def _jar(cookies: dict[bytes, bytes]) -> str:
    return "; ".join(f"{name.decode()}={value.decode()}" for name, value in cookies.items())


def _request(method: str, path: str, host: str, cookies: str, form: str = "") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "Accept: text/html",
        "Accept-Language: en-GB,en;q=0.5",
        "User-Agent: Mozilla/5.0 (bench)",
    ]
    if cookies:
        lines.append(f"Cookie: {cookies}")
    if method == "POST":
        lines.append("Content-Type: application/x-www-form-urlencoded")
        lines.append(f"Content-Length: {len(form)}")
    return "\r\n".join([*lines, "", form]).encode()


def _status(answer: bytes) -> int:
    return int(answer[9:12])


@dataclass(slots=True)
class Visitor:
    """One visit that is under way."""

    steps: Visit
    connection: socket.socket
    began: float
    received: bytearray = field(default_factory=bytearray)

    def answer(self) -> bytes | None:
        """The whole answer, once it is there. Raises `LoadFailed`."""
        self.received += (chunk := self.connection.recv(ANSWER_BYTES))
        if not chunk:
            raise LoadFailed("the server ended a connection")
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return None
        length = find_length(self.received, 0, head)
        if len(self.received) < head + 4 + (int(length[1]) if length else 0):
            return None
        answer = bytes(self.received)
        self.received.clear()
        return answer


@dataclass(slots=True)
class Crowd:
    """Visitors of one process: as many at a time as there are places."""

    url: str
    next_number: int
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def arrive(self) -> None:
        """One more begins a visit, from an address of loopback that no one else has."""
        number, parts = self.next_number, urlsplit(self.url)
        self.next_number += 1
        address = (number >> 16) % 128 + 1, number >> 8 & 255, number & 255
        connection = socket.create_connection(
            (parts.hostname, parts.port),
            timeout=PATIENCE_SECONDS,
            source_address=("127.{}.{}.{}".format(*address), 0),
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        steps = visit(parts.path, parts.netloc, f"visitor{number}")
        visitor = Visitor(steps, connection, time.monotonic())
        connection.sendall(next(steps))
        self.selector.register(connection, selectors.EVENT_READ, visitor)

    def go_on(self, visitor: Visitor) -> bool:
        """Take what has come for a visitor; whether the visit is over."""
        answer = visitor.answer()
        if answer is None:
            return False
        try:
            visitor.connection.sendall(visitor.steps.send(answer))
        except StopIteration as end:
            self.statuses[end.value] += 1
            self.times.append(time.monotonic() - visitor.began)
            self.selector.unregister(visitor.connection)
            visitor.connection.close()
            return True
        return False

    def book(self, places: int, seconds: float) -> None:
        """Visit until the time is over and everybody is done."""
        end = time.monotonic() + seconds
        for _ in range(places):
            self.arrive()
        while self.selector.get_map():
            ready = self.selector.select(PATIENCE_SECONDS)
            if not ready:
                raise LoadFailed("no answer came")
            for chosen, _ in ready:
                if self.go_on(chosen.data) and time.monotonic() < end:
                    self.arrive()


def main() -> None:
    url, places, seconds, first = sys.argv[1:]
    crowd = Crowd(url, int(first))
    began = time.monotonic()
    crowd.book(int(places), float(seconds))
    told = {"times": crowd.times, "statuses": crowd.statuses, "seconds": time.monotonic() - began}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
