"""The proxies of docs/proxies/: each is run on the very file, in front of the real server."""

import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.pages.test_pictures import drawn
from tests.server.test_pictures import hidden_fields, log_in, send
from tests.server.test_server import BASIC, ORGANIZER, connections
from tests.support.servers import AppServer, MariaDB, Redis, wait_until
from tests.support.web_proxies import HOST, PROXIES, WebProxy

pytestmark = pytest.mark.long

THREADS = 8
CLIENTS = 6
KINDS = sorted(PROXIES)


@pytest.fixture(scope="module")
def production(
    mariadb_server: MariaDB, redis_server: Redis, server_folder: Path
) -> Iterator[AppServer]:
    """Nextup as README's section on production has it, behind a proxy."""
    server = AppServer(
        server_folder / "production",
        environ={
            **ORGANIZER,
            "DATABASE_URL": mariadb_server.create_database("production"),
            "RATELIMIT_STORAGE_URI": redis_server.url,
            "BASE_URL": f"https://{HOST}",
            "TRUSTED_PROXIES": "1",
            "WORKERS": "2",
            "THREADS": str(THREADS),
            "RATELIMIT_DEFAULT": "5 per 7 minutes",
        },
    )
    with server:
        yield server


@pytest.fixture
def run_proxy(server_folder: Path) -> Iterator[Callable[..., WebProxy]]:
    """Start a proxy in front of ports: `run_proxy("nginx", 3000)`."""
    with ExitStack() as stack:

        def run(kind: str, *ports: int) -> WebProxy:
            folder = server_folder / f"{kind}-{time.monotonic_ns()}"
            return stack.enter_context(PROXIES[kind](folder, *ports))

        yield run


def trust(proxy: WebProxy) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=proxy.directory / "both.pem")


def client_of(proxy: WebProxy, address: str = "127.0.0.1") -> httpx.Client:
    """A client that comes from an address of loopback and asks for the site by its name."""
    transport = httpx.HTTPTransport(verify=trust(proxy), local_address=address)
    return httpx.Client(
        base_url=proxy.url,
        transport=transport,
        headers={"Host": HOST},
        timeout=40,
    )


def make_event(client: httpx.Client, tickets: int) -> int:
    wanted = {"eventName": "conference", "totalTickets": tickets}
    answer = client.post("/api/events/initialize", json=wanted, auth=BASIC)
    assert answer.status_code == 201
    return int(answer.json()["eventId"])


@pytest.mark.parametrize("kind", KINDS)
def test_pages_pictures_and_redirects_pass_the_proxy(
    production: AppServer, run_proxy: Callable[..., WebProxy], kind: str
) -> None:
    proxy = run_proxy(kind, production.port)
    asked = httpx.get(f"http://127.0.0.1:{proxy.plain_port}/bookings", headers={"Host": HOST})
    assert asked.status_code == 308
    assert re.fullmatch(rf"https://{HOST}(:{proxy.port})?/bookings", asked.headers["Location"])
    with client_of(proxy) as organizer, client_of(proxy) as attendee:
        log_in(organizer, *BASIC)
        event_id = make_event(organizer, 10)
        large = drawn((2000, 1500), "PNG", compress_level=0)
        assert len(large) > 8_000_000
        assert send(organizer, f"/organizer/events/{event_id}/picture", large).status_code == 303
        page = attendee.get(f"/events/{event_id}", follow_redirects=True)
        form = {"name": "Ada", "email": "ada@example.org", "tickets": "2"}
        path = page.url.path
        booked = attendee.post(path, data={**hidden_fields(page), **form})
        assert booked.status_code == 303
        cookies = booked.headers.get_list("Set-Cookie") + page.headers.get_list("Set-Cookie")
        assert cookies
        assert all(c.startswith("__Host-") and "Secure" in c for c in cookies)
        assert "Ada" in attendee.get(booked.headers["Location"]).text


@pytest.mark.parametrize("kind", KINDS)
def test_client_is_who_the_proxy_saw_whatever_it_says_of_itself(
    production: AppServer, run_proxy: Callable[..., WebProxy], kind: str
) -> None:
    proxy = run_proxy(kind, production.port)
    number = KINDS.index(kind)
    forged = [
        {"X-Forwarded-For": "10.0.0.1"},
        {"X_Forwarded_For": "10.0.0.2"},
        {"x-forwarded_for": "10.0.0.3", "X_FORWARDED_FOR": "10.0.0.4"},
        {"X-Forwarded-For": "10.0.0.5", "X_Forwarded_For": "10.0.0.6"},
        {"Forwarded": "for=10.0.0.7", "X-Real-IP": "10.0.0.8"},
        {},
        {"X_Forwarded_For": "10.0.0.9"},
    ]
    with client_of(proxy, f"127.0.{number}.2") as one, client_of(proxy, f"127.0.{number}.3") as two:
        asked = [one.get("/api/events", headers=headers) for headers in forged]
        assert [answer.status_code for answer in asked] == [200] * 5 + [429] * 2
        assert two.get("/api/events").status_code == 200
        names = {"X_Request_ID": "forged-by-a-client"}
        assert "forged" not in two.get("/healthz", headers=names).headers["X-Request-ID"]


@pytest.mark.parametrize("kind", KINDS)
def test_slow_bodies_wait_in_the_proxy(
    production: AppServer, run_proxy: Callable[..., WebProxy], kind: str
) -> None:
    proxy = run_proxy(kind, production.port)
    head = (
        f"POST /api/events/book HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        "Content-Length: 4000\r\n\r\n{"
    )
    assert wait_until(lambda: connections(production) == 0, timeout=20)
    with ExitStack() as stack:
        for _ in range(6 * THREADS):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
            slow = stack.enter_context(trust(proxy).wrap_socket(plain, server_hostname=HOST))
            slow.sendall(head.encode())
        with client_of(proxy) as client:
            began = time.monotonic()
            assert client.get("/").status_code == 200
            assert time.monotonic() - began < 3
        assert wait_until(lambda: connections(production) == 0, timeout=5)


@pytest.mark.parametrize(
    ("kind", "servers"), [("caddy", 1), ("haproxy", 1), ("haproxy", 2), ("nginx", 2)]
)
def test_restarts_under_load_refuse_nobody(
    mariadb_server: MariaDB,
    redis_server: Redis,
    server_folder: Path,
    run_proxy: Callable[..., WebProxy],
    kind: str,
    servers: int,
) -> None:
    """Three restarts, of one server or of two in turn; nginx keeps no request back for one."""
    url = mariadb_server.create_database("restarts")
    folder = server_folder / f"{kind}-{servers}"
    environ = {
        **ORGANIZER,
        "DATABASE_URL": url,
        "RATELIMIT_STORAGE_URI": redis_server.url,
        "RATELIMIT_ENABLED": "false",
        "BASE_URL": f"https://{HOST}",
        "SECRET_KEY": "a key that only tests use",
        "TRUSTED_PROXIES": "1",
        "WORKERS": "2",
        "THREADS": str(THREADS),
    }
    with ExitStack() as stack:
        running = [
            stack.enter_context(AppServer(folder / str(number), environ=environ))
            for number in range(servers)
        ]
        proxy = run_proxy(kind, *(server.port for server in running))
        load = Bookers(proxy)
        try:
            for count in range(3):
                load.until_answered(100)
                running[count % servers].restart()
            load.until_answered(100)
        finally:
            load.stop()
        with client_of(proxy) as client:
            status = client.get(f"/api/events/status/{load.event_id}").json()
    assert set(load.told) == {201}
    assert status["bookedTickets"] == load.told[201]


class Bookers:
    """Clients that book without a pause, each time on a connection of its own."""

    def __init__(self, proxy: WebProxy) -> None:
        self._proxy = proxy
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.told: Counter[int | str] = Counter()
        self.longest = 0.0
        with client_of(proxy) as client:
            self.event_id = make_event(client, 100_000)
        self._context = trust(proxy)
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def until_answered(self, more: int) -> None:
        enough = self.told.total() + more
        assert wait_until(lambda: self.told.total() >= enough, timeout=60)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        count = 0
        while not self._over.is_set():
            count += 1
            began = time.monotonic()
            outcome = self._book(f"{number}-{count}")
            with self._lock:
                self.told[outcome] += 1
                self.longest = max(self.longest, time.monotonic() - began)

    def _book(self, user: str) -> int | str:
        wanted = {"userId": user, "eventId": self.event_id}
        try:
            answer = httpx.post(
                f"{self._proxy.url}/api/events/book",
                json=wanted,
                headers={"Host": HOST},
                verify=self._context,
                timeout=40,
            )
        except httpx.HTTPError as error:
            return type(error).__name__
        return answer.status_code
