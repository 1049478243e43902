"""One process of people who book by page, on connections and addresses of their own.

It imports nothing of the rest: several are started, and what that takes is not to be told of the
server. Each begins when it is told so by a line.
"""

import json
import re
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

PATIENCE_SECONDS = 20.0
BOOKED = 201
ANSWER_BYTES = 1 << 16
END_OF_HEAD = b"\r\n\r\n"

find_token = re.compile(rb'name="csrf_token" value="([^"]+)"').search
find_key = re.compile(rb'name="requestKey" value="([^"]+)"').search
find_cookies = re.compile(rb"(?im)^set-cookie: ([^;\r]+)").findall
find_location = re.compile(rb"(?im)^location: ([^\r]+)").search
find_length = re.compile(rb"(?im)^content-length: (\d+)").search

# A visit: requests go out, whole answers come in; at last it returns its status.
Visit = Generator[bytes, bytes, int]


class NoAnswer(Exception):
    """The server did not answer, or not to the end."""


def visit(path: str, host: str, name: str) -> Visit:
    """What one visitor does."""
    answer = yield _request("GET", path, host, "")
    token, key = find_token(answer), find_key(answer)
    if token is None or key is None:
        return _status(answer)
    cookies = dict(cookie.split(b"=", 1) for cookie in find_cookies(_head(answer)))
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
    location = find_location(_head(answer))
    if _status(answer) != 303 or location is None:
        return _status(answer)
    cookies.update(cookie.split(b"=", 1) for cookie in find_cookies(_head(answer)))
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


def _head(answer: bytes) -> bytes:
    return answer.partition(END_OF_HEAD)[0]


@dataclass(slots=True)
class Visitor:
    """One visit that is under way."""

    steps: Visit
    connection: socket.socket
    began: float
    received: bytearray = field(default_factory=bytearray)

    def answer(self) -> bytes | None:
        """The whole answer, once it is there. Raises `NoAnswer`."""
        self.received += (chunk := self.connection.recv(ANSWER_BYTES))
        if not chunk:
            raise NoAnswer("the server ended a connection")
        head = self.received.find(END_OF_HEAD)
        if head < 0:
            return None
        length = find_length(self.received, 0, head)
        if len(self.received) < head + len(END_OF_HEAD) + (int(length[1]) if length else 0):
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
                raise NoAnswer("no answer came")
            for chosen, _ in ready:
                if self.go_on(chosen.data) and time.monotonic() < end:
                    self.arrive()


def main() -> None:
    url, places, seconds, first = sys.argv[1:]
    crowd = Crowd(url, int(first))
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    crowd.book(int(places), float(seconds))
    told = {"times": crowd.times, "statuses": crowd.statuses, "seconds": time.monotonic() - began}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
