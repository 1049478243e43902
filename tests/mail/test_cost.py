"""What mails cost those who book: the same flood with and without addresses, in turns."""

import http.client
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from threading import Thread
from time import monotonic
from typing import NamedTuple

import httpx
import pytest

from tests.mail.test_processes import deliverer_of, make_event_by_api
from tests.support.mail import Mailbox, SmtpServer
from tests.support.migrated import migrated_database
from tests.support.servers import AppServer, MariaDB, wait_until

pytestmark = pytest.mark.long
ROUNDS, BOOKINGS, CONNECTIONS = 8, 400, 16


class Cost(NamedTuple):
    """Of one flood: bookings a second, and processor milliseconds per booking."""

    rate: float
    server: float
    database: float


@pytest.fixture
def durable(disk_folder: Path) -> Iterator[MariaDB]:
    with MariaDB(disk_folder / "cost", durable=True) as server:
        yield server


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def flood(server: AppServer, event_id: int, *, with_address: bool) -> None:
    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for count in range(BOOKINGS // CONNECTIONS):
            # What looks like an address is one, and is told.
            user = f"u{number}-{count}"
            fields = {"userId": user, "eventId": event_id}
            if with_address:
                fields["email"] = f"{user}@example.org"
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/events/book", json.dumps(fields), headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        connection.close()

    threads = [Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_addresses_and_mails_cost_little(
    start_server: Callable[..., AppServer], durable: MariaDB, smtp: SmtpServer, mailbox: Mailbox
) -> None:
    server = start_server(
        DATABASE_URL=migrated_database(durable, "cost"),
        MAIL_URL=smtp.url,
        BASE_URL="http://127.0.0.1",
        RATELIMIT_ENABLED="false",
        ORGANIZER_USERNAME="owner",
        ORGANIZER_PASSWORD="a password for tests",
    )
    assert wait_until(lambda: deliverer_of(server) is not None, timeout=10)
    (worker,) = server.worker_pids()

    def measure(*, with_address: bool) -> Cost:
        with httpx.Client(base_url=server.url) as client:
            event_id = make_event_by_api(client, tickets=BOOKINGS)
        before = processor_seconds(worker), processor_seconds(durable.pid)
        started = monotonic()
        flood(server, event_id, with_address=with_address)
        seconds = monotonic() - started
        after = processor_seconds(worker), processor_seconds(durable.pid)
        used = [1000 * (b - a) / BOOKINGS for a, b in zip(before, after, strict=True)]
        return Cost(BOOKINGS / seconds, *used)

    measure(with_address=False)
    rounds: list[tuple[Cost, Cost, Cost]] = []
    for _ in range(ROUNDS):
        alone = measure(with_address=False)
        told = measure(with_address=True)
        beside = measure(with_address=False)
        all_mails = BOOKINGS * (len(rounds) + 1)
        assert len(mailbox.recipients) < all_mails, "no mail was left to leave meanwhile"
        assert wait_until(partial(has_come, mailbox, all_mails), timeout=120)
        rounds.append((alone, told, beside))
    for name in Cost._fields:
        figures = [[getattr(cost, name) for cost in costs] for costs in rounds]
        print(
            f"\n{name}: {median(row[0] for row in figures):.2f} without addresses and mails", end=""
        )
        for column, what in enumerate(("with addresses", "while mails leave"), start=1):
            ratio = median(row[column] / row[0] for row in figures)
            print(f"; {what} {ratio:.2f} times as much", end="")


def has_come(mailbox: Mailbox, mails: int) -> bool:
    return len(mailbox.recipients) >= mails
