"""The real server process: its start, its stop, and what happens when a part of it dies."""

import contextlib
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from tests.support.servers import ROOT, AppServer, MariaDB, Redis, free_port, wait_until

PASSWORD = "a password for tests"
ORGANIZER = {"ORGANIZER_USERNAME": "anna", "ORGANIZER_PASSWORD": PASSWORD}
BASIC = ("anna", PASSWORD)
StartServer = Callable[..., AppServer]


class Impatient(AppServer):
    """Nextup that gives a worker that hangs a second to stop, where it has ten."""

    def command(self) -> Sequence[str]:
        change = "main.STOP_SECONDS = 1; raise SystemExit(main.main())"
        return [sys.executable, "-c", f"from webapp.server import __main__ as main; {change}"]


@pytest.fixture(scope="module")
def running(server_folder: Path) -> Iterator[AppServer]:
    """A server for tests that change nothing but its events; others start one of their own."""
    server = AppServer(server_folder / "running", environ=ORGANIZER)
    with server:
        yield server


@pytest.fixture(scope="module")
def kept_two_workers(server_folder: Path, redis_server: Redis) -> Iterator[AppServer]:
    environ = {
        "WORKERS": "2",
        "RATELIMIT_STORAGE_URI": redis_server.url,
        "RATELIMIT_DEFAULT": "5 per 7 minutes",
    }
    server = AppServer(server_folder / "two-workers", environ=environ)
    yield server
    server.kill()


@pytest.fixture
def two_workers(kept_two_workers: AppServer) -> AppServer:
    """A server of two processes that count together, running whatever others did with it."""
    return kept_two_workers if kept_two_workers.running else kept_two_workers.start()


@pytest.fixture
def unstarted(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[AppServer]:
    server = AppServer(server_folder / request.node.name[:60])
    server.port = free_port()
    yield server
    server.kill()


def refusal(server: AppServer) -> str:
    """What a server says that must not start."""
    server.prepare()
    server.launch()
    server.process.wait(30)
    return server.output()


def make_event(server: AppServer, tickets: int = 100, *, login: tuple[str, str] = BASIC) -> int:
    answer = httpx.post(
        f"{server.url}/api/events/initialize",
        json={"eventName": "conference", "totalTickets": tickets},
        auth=login,
    )
    assert answer.status_code == 201
    return int(answer.json()["eventId"])


def book(server: AppServer, event_id: int, user: object) -> httpx.Response:
    body = {"userId": user, "eventId": event_id}
    return httpx.post(f"{server.url}/api/events/book", json=body, timeout=30)


def test_nobody_else_on_the_machine_can_read_what_it_writes(unstarted: AppServer) -> None:
    """Also in a folder that was there before, and what an earlier release has left open."""
    folder = unstarted.instance_path
    (folder / "log").mkdir(parents=True)
    (folder / "nextup.db").touch()
    for path, mode in ((folder, 0o755), (folder / "log", 0o777), (folder / "nextup.db", 0o644)):
        path.chmod(mode)
    with unstarted:
        there = [folder, *folder.rglob("*")]
        open_to_others = {str(path) for path in there if path.stat().st_mode & 0o077}
    assert {"nextup.db", "nextup.db-wal", "secret_key", "nextup.log"} <= {p.name for p in there}
    assert open_to_others == set()
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"],
        env={**os.environ, "INSTANCE_PATH": str(folder / "new"), "SECRET_KEY": "x" * 32},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    made = [path for path in (folder / "new").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


def test_first_start_makes_key_organizer_and_samples_and_a_second_keeps_them(
    start_server: StartServer,
) -> None:
    server = start_server(HOST="0.0.0.0")
    key = server.instance_path / "secret_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    made_key = key.read_text()
    assert len(made_key) == 64
    assert [path.name for path in server.instance_path.glob("secret_key*")] == ["secret_key"]
    first = server.output()
    assert f"Nextup is ready: {server.url}" in first
    assert "set BASE_URL to the address that visitors use" in first
    assert first.count("as organizer with the password") == 1
    password = first.partition("with the password ")[2].split()[0]
    assert password not in (server.instance_path / "log" / "nextup.log").read_text()
    made = httpx.post(
        f"{server.url}/api/events/initialize",
        json={"eventName": "conference", "totalTickets": 1},
        auth=("organizer", password),
    )
    assert made.status_code == 201
    server.stop()
    events = count_events(server)
    server.log_path.unlink()
    server.environ["HOST"] = "127.0.0.1"
    server.start()
    assert key.read_text() == made_key
    assert count_events(server) == events > 1
    assert f"Log in at {server.url}/login as organizer\n" in server.output()
    assert "password" not in server.output()
    assert "BASE_URL" not in server.output()


def count_events(server: AppServer) -> int:
    with contextlib.closing(sqlite3.connect(server.instance_path / "nextup.db")) as database:
        return int(database.execute("SELECT count(*) FROM event").fetchone()[0])


def test_named_organizer_is_made_once_and_their_password_stays(start_server: StartServer) -> None:
    server = start_server(**ORGANIZER)
    assert "password" not in server.output()
    assert "BASE_URL" not in server.output()
    server.stop()
    server.environ["ORGANIZER_PASSWORD"] = "another password"
    # Who opens it from elsewhere would get links to their own machine.
    server.environ["HOST"] = "0.0.0.0"
    server.start()
    make_event(server)
    assert "set BASE_URL to the address that visitors use" in server.output()


def test_two_parents_at_once_share_one_database_and_key(
    mariadb_server: MariaDB, server_folder: Path
) -> None:
    url = mariadb_server.create_database("two_parents")
    servers = [
        AppServer(server_folder / f"parent{number}", environ={"DATABASE_URL": url})
        for number in range(2)
    ]
    for server in servers:
        server.instance_path = server_folder / "shared-instance"
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert all(server.ready() for server in servers)
        told = [server for server in servers if "with the password" in server.output()]
        assert len(told) == 1
        # A session of the one is good at the other: both sign with the same key.
        assert len(list(servers[0].instance_path.glob("secret_key*"))) == 1
    finally:
        for server in servers:
            server.kill()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("PORT", "http", marks=pytest.mark.long),
        pytest.param("WORKERS", "2", marks=pytest.mark.long),
        ("DATABASE_URL", "oracle://a:geheim@b/c"),
    ],
)
def test_wrong_setting_stops_the_start_with_one_line(
    unstarted: AppServer, name: str, value: str
) -> None:
    unstarted.environ[name] = value
    output = refusal(unstarted)
    assert output.count("\n") == 1
    assert output.startswith(f"nextup: {name}: ")
    assert "geheim" not in output
    assert unstarted.process.returncode == 2
    assert not unstarted.instance_path.exists()


def test_taken_port_stops_the_start_with_one_line(unstarted: AppServer) -> None:
    with socket.create_server(("127.0.0.1", unstarted.port)):
        output = refusal(unstarted)
    assert output.count("\n") == 1
    assert f"port {unstarted.port}" in output


def test_second_server_on_the_same_port_is_refused(
    running: AppServer, unstarted: AppServer
) -> None:
    unstarted.port = running.port
    assert f"port {unstarted.port}" in refusal(unstarted)
    assert unstarted.process.returncode == 1


def test_wrong_database_password_stops_the_start_with_one_line(
    unstarted: AppServer, mariadb_server: MariaDB
) -> None:
    url = f"mysql://app:geheim@127.0.0.1:{mariadb_server.port}/nextup"
    unstarted.environ["DATABASE_URL"] = url
    output = refusal(unstarted)
    assert output.count("\n") == 1
    assert "Access denied" in output
    assert "geheim" not in output


@pytest.mark.long
def test_start_waits_for_a_database_that_comes_up_later(
    unstarted: AppServer, server_folder: Path
) -> None:
    database = MariaDB(server_folder / "late").start()
    unstarted.environ["DATABASE_URL"] = database.create_database("nextup")
    database.stop()
    starting = threading.Thread(target=unstarted.start)
    starting.start()
    try:
        assert wait_until(lambda: "Waiting for the database" in unstarted.output(), timeout=20)
        database.start()
        starting.join()
        assert unstarted.ready()
    finally:
        unstarted.stop()
        database.stop()


@pytest.mark.parametrize(
    "sig",
    [
        signal.SIGTERM,
        *(pytest.param(one, marks=pytest.mark.long) for one in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_stop_answers_the_requests_in_flight(start_server: StartServer, sig: int) -> None:
    server = start_server(**ORGANIZER)
    event_id = make_event(server)
    workers = server.worker_pids()
    answers: list[httpx.Response] = []
    database = sqlite3.connect(server.instance_path / "nextup.db", isolation_level=None)
    with contextlib.closing(database):
        database.execute("BEGIN IMMEDIATE")
        waiting = [
            threading.Thread(target=lambda user=user: answers.append(book(server, event_id, user)))
            for user in range(8)
        ]
        for thread in waiting:
            thread.start()
        assert wait_until(lambda: connections(server) >= len(waiting), timeout=10)
        os.killpg(server.pid, sig)
        assert wait_until(lambda: not listening(server), timeout=30)
        database.execute("COMMIT")
    for thread in waiting:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * len(waiting)
    assert server.process.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert "Traceback" not in server.output()


def connections(server: AppServer) -> int:
    """How many clients are connected to the server."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    port = f":{server.port:04X}"
    return sum(row.split()[1].endswith(port) and row.split()[3] == "01" for row in rows)


def listening(server: AppServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("kind", "workers"), [("running", 1), ("two_workers", 2)])
def test_each_worker_stays_on_a_processor_of_its_own(
    request: pytest.FixtureRequest, redis_server: Redis, kind: str, workers: int
) -> None:
    server: AppServer = request.getfixturevalue(kind)
    usable = os.sched_getaffinity(0)
    pids = server.worker_pids()
    assert len(pids) == workers
    used = [
        os.sched_getaffinity(int(task)) for pid in pids for task in os.listdir(f"/proc/{pid}/task")
    ]
    assert all(len(processors) == 1 for processors in used)
    assert len(set.union(*used)) == min(workers, len(usable))
    # Who mails and who supervises go where there is room.
    assert os.sched_getaffinity(server.pid) == usable


def test_workers_count_together_in_redis(two_workers: AppServer) -> None:
    asked = [httpx.get(f"{two_workers.url}/api/events").status_code for _ in range(12)]
    assert asked == [200] * 5 + [429] * 7


def test_killed_worker_is_replaced_each_time(two_workers: AppServer) -> None:
    for _ in range(3):
        victim, survivor = two_workers.worker_pids()
        os.kill(victim, signal.SIGKILL)

        def replaced(victim: int = victim, survivor: int = survivor) -> bool:
            pids = two_workers.worker_pids()
            return len(pids) == 2 and survivor in pids and victim not in pids

        assert wait_until(replaced, timeout=15)
    assert two_workers.ready()
    assert two_workers.stop() == 0


def test_workers_end_with_their_parent(start_server: StartServer) -> None:
    server = start_server()
    (worker,) = server.worker_pids()
    os.kill(server.pid, signal.SIGKILL)
    assert wait_until(lambda: not listening(server), timeout=15)
    assert wait_until(lambda: not Path(f"/proc/{worker}").exists(), timeout=15)


def test_worker_that_hangs_does_not_keep_the_server_from_stopping(server_folder: Path) -> None:
    server = Impatient(server_folder / "hanging")
    try:
        (worker,) = server.start().worker_pids()
        os.kill(worker, signal.SIGSTOP)
        assert server.stop() == 0
        assert not Path(f"/proc/{worker}").exists()
    finally:
        server.kill()


def test_large_body_is_refused_with_an_answer(running: AppServer) -> None:
    ten_megabytes = b"x" * 10_000_000
    for _ in range(3):
        answer = httpx.post(
            f"{running.url}/api/events/book",
            content=ten_megabytes,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413
        assert answer.headers["X-Request-ID"]


def test_request_that_is_cut_off_books_nothing(running: AppServer) -> None:
    event_id = make_event(running)
    body = f'{{"userId": 1, "eventId": {event_id}}}'
    # What arrived would be a request of its own, but it is not all that was said to come.
    for missing in (1, 100, 100_000):
        head = (
            "POST /api/events/book HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body) + missing}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(f"{head}{body}".encode())
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(30)
            while connection.recv(4096):
                pass
    assert book(running, event_id, 2).json()["status"] == "confirmed"
    status = httpx.get(f"{running.url}/api/events/status/{event_id}").json()
    assert status["availableTickets"] == 99
    assert "Traceback" not in running.output()
