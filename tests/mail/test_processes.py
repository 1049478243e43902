"""Deliverers as processes: beside the real server, killed, respawned, several at once."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import delete, text

from tests.mail.conftest import BASE_URL, Book, MakeEvent
from tests.support.changes import set_capacity
from tests.support.mail import Mailbox, SmtpServer
from tests.support.servers import ROOT, AppServer, plain_engine, wait_until
from webapp.extensions import db
from webapp.storage.tables import deliveries

StartServer = Callable[..., AppServer]


def run_deliverer(
    database_url: str, smtp: SmtpServer, folder: Path, *options: str
) -> "subprocess.Popen[bytes]":
    """`flask deliver` on the tests' database."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "INSTANCE_PATH": str(folder),
        "DATABASE_URL": database_url,
        "SECRET_KEY": "a key that only tests use",
        "MAIL_URL": smtp.url,
        "MAIL_PER_SECOND": "10000",
        "BASE_URL": BASE_URL,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "deliver", *options],
        env=environ,
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.on_servers
def test_two_processes_send_each_mail_once(
    make_event: MakeEvent,
    book: Book,
    smtp: SmtpServer,
    mailbox: Mailbox,
    database_url: str,
    tmp_path: Path,
) -> None:
    event_id = make_event(tickets=200)
    for number in range(50):
        book(event_id, f"guest{number}")
    processes = [run_deliverer(database_url, smtp, tmp_path) for _ in range(2)]
    try:
        assert wait_until(lambda: len(mailbox.contents) >= 50, timeout=60)
        time.sleep(0.5)
    finally:
        for process in processes:
            process.terminate()
        statuses = [process.wait(10) for process in processes]
    assert statuses == [0, 0]
    assert Counter(mailbox.recipients) == {f"guest{n}@example.org": 1 for n in range(50)}


@pytest.mark.on_servers
def test_killed_deliverer_loses_nothing(
    make_event: MakeEvent,
    book: Book,
    smtp: SmtpServer,
    mailbox: Mailbox,
    database_url: str,
    tmp_path: Path,
) -> None:
    event_id = make_event(tickets=200)
    for number in range(60):
        book(event_id, f"guest{number}")
    first = run_deliverer(database_url, smtp, tmp_path)
    assert wait_until(lambda: len(mailbox.contents) >= 10, timeout=60, every=0.001)
    first.kill()
    first.wait()
    engine = plain_engine(database_url)
    with engine.begin() as connection:  # as if the lease had run out
        connection.execute(
            text("UPDATE delivery SET next_try_at = created_at WHERE state = 'pending'")
        )
    second = run_deliverer(database_url, smtp, tmp_path)
    try:
        everybody = {f"guest{number}@example.org" for number in range(60)}
        assert wait_until(lambda: set(mailbox.recipients) == everybody, timeout=60)
    finally:
        second.terminate()
        second.wait(10)
    # The one in hand at the moment of the kill may be there twice, to be told by its id.
    assert len(mailbox.contents) <= 61
    assert len({message["Message-ID"] for message in mailbox.messages}) == 60


@pytest.mark.on_servers
@pytest.mark.parametrize(
    ("count", "processes"),
    [(50, 1), *(pytest.param(10_000, n, marks=pytest.mark.long) for n in (1, 2))],
)
def test_each_promoted_attendee_is_told_once(
    make_event: MakeEvent,
    book: Book,
    smtp: SmtpServer,
    mailbox: Mailbox,
    owner_id: int,
    database_url: str,
    tmp_path: Path,
    count: int,
    processes: int,
) -> None:
    event_id = make_event(tickets=1)
    for number in range(count + 1):
        book(event_id, f"guest{number}")
    with db.engine.begin() as connection:
        connection.execute(delete(deliveries))
    set_capacity(event_id, count + 1, organizer_id=owner_id)
    used, started = processor_seconds_of_children(), time.monotonic()
    running = [run_deliverer(database_url, smtp, tmp_path, "--once") for _ in range(processes)]
    assert [process.wait(600) for process in running] == [0] * processes
    seconds, used = time.monotonic() - started, processor_seconds_of_children() - used
    each = 1000 * used / count
    print(f"{count:,} mails by {processes}: {seconds:.1f} s, {each:.1f} ms of processor each")
    assert Counter(mailbox.recipients) == {f"guest{n}@example.org": 1 for n in range(1, count + 1)}
    assert all("You moved up" in message["Subject"] for message in mailbox.messages)
    assert seconds < 10 + count / 10


def processor_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def book_on_page(client: httpx.Client, event_id: int, email: str) -> str:
    """Book as a browser does; the path of the booking."""
    page = client.get(f"/events/{event_id}", follow_redirects=True)
    token = re.findall(r'csrf_token" value="([^"]+)', page.text)[-1]
    fields = {"csrf_token": token, "name": "Ada", "email": email, "tickets": "1"}
    answer = client.post(page.url.path, content=urlencode(fields), headers=FORM)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def server(start_server: StartServer, smtp: SmtpServer) -> AppServer:
    """The real server as a fresh installation, with an SMTP server configured."""
    return start_server(
        MAIL_URL=smtp.url,
        BASE_URL="http://127.0.0.1",
        ORGANIZER_USERNAME="owner",
        ORGANIZER_PASSWORD="a password for tests",
    )


def make_event_by_api(client: httpx.Client, tickets: int) -> int:
    answer = client.post(
        "/api/events/initialize",
        json={"eventName": "Harvest Supper", "totalTickets": tickets},
        auth=("owner", "a password for tests"),
    )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["eventId"])


def deliverer_of(server: AppServer) -> int | None:
    """The process id of the server's deliverer."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"webapp.server.deliverer" in words and str(server.pid).encode() in words:
            return int(path.parent.name)
    return None


def test_promoted_attendee_is_told_within_seconds_and_a_dead_deliverer_is_started_again(
    server: AppServer, mailbox: Mailbox
) -> None:
    killed = wait_for_deliverer(server)
    with httpx.Client(base_url=server.url) as client:
        event_id = make_event_by_api(client, tickets=1)
        first = book_on_page(client, event_id, "ada@example.org")
        book_on_page(client, event_id, "bob@example.org")
        assert wait_until(lambda: len(mailbox.contents) == 2, timeout=30)
        reference = first.rpartition("/")[2]
        cancelled = client.post("/api/events/cancel", json={"bookingReference": reference})
        assert cancelled.status_code == 200
        assert wait_until(lambda: len(mailbox.to("bob@example.org")) == 2, timeout=5)
        assert "You moved up" in mailbox.to("bob@example.org")[1]["Subject"]
        os.kill(killed, signal.SIGKILL)
        book_on_page(client, event_id, "eve@example.org")
    assert wait_until(lambda: len(mailbox.to("eve@example.org")) == 1, timeout=30)
    assert deliverer_of(server) not in (killed, None)
    assert server.stop() == 0
    assert deliverer_of(server) is None


def test_killed_server_takes_its_deliverer_along_and_the_next_tells_what_was_committed(
    server: AppServer, mailbox: Mailbox
) -> None:
    deliverer = wait_for_deliverer(server)
    os.kill(deliverer, signal.SIGSTOP)
    with httpx.Client(base_url=server.url) as client:
        book_on_page(client, make_event_by_api(client, tickets=1), "ada@example.org")
    server.kill()
    os.kill(deliverer, signal.SIGKILL)
    assert not mailbox.contents
    server.start()
    assert wait_until(lambda: len(mailbox.contents) == 1, timeout=30)
    assert deliverer_of(server) is not None
    os.kill(server.pid, signal.SIGKILL)
    assert wait_until(lambda: deliverer_of(server) is None, timeout=30)


def wait_for_deliverer(server: AppServer) -> int:
    assert wait_until(lambda: deliverer_of(server) is not None, timeout=20)
    pid = deliverer_of(server)
    assert pid is not None
    return pid


def test_hanging_mail_server_holds_up_neither_bookings_nor_the_stop(
    server: AppServer, mailbox: Mailbox
) -> None:
    hanging = Event()

    def hang(address: str) -> str:
        hanging.set()
        return "hang"

    mailbox.at_content = hang
    with httpx.Client(base_url=server.url) as client:
        event_id = make_event_by_api(client, tickets=50)
        book_on_page(client, event_id, "ada@example.org")
        assert hanging.wait(10)
        started = time.monotonic()
        for number in range(10):
            book_on_page(client, event_id, f"guest{number}@example.org")
        assert time.monotonic() - started < 3
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 9
