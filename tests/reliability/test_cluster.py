"""Galera: three nodes take bookings for the same event at once, and one of them dies meanwhile.

Each node has an application server of its own, which knows no other node. A lock holds on one
node only, so every rule rests on what the nodes find out when they commit.
"""

import base64
import contextlib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import ExceptionContext

from tests.conftest import dispose, make_settings
from tests.reliability.test_crashes import LONGEST_WAIT, StartSite
from tests.support import mutants
from tests.support.client import Answer, Call, at_once, cancel
from tests.support.cluster import Cluster
from tests.support.fair import unfair
from tests.support.history import Client, History, rows_of
from tests.support.proxy import Cut, Proxy
from tests.support.servers import wait_until
from tests.support.site import ORGANIZER, PASSWORD, Load, Site, through
from webapp import create_app
from webapp.booking import load
from webapp.booking.services import book_tickets
from webapp.storage.engines import write_engine
from webapp.storage.transaction import write

pytestmark = pytest.mark.long

CAPACITY = 60
CLIENTS = 12
ENOUGH = 300
# Fewer while a node is away: whoever asks behind it waits until the retries are over.
ENOUGH_WITHOUT_ONE = 60
ROUNDS = 20
SECRET_KEY = "a key that all machines share"

LOGIN = "Basic " + base64.b64encode(f"{ORGANIZER}:{PASSWORD}".encode()).decode()

StartSites = Callable[..., list[Site]]


@pytest.fixture
def start_sites(galera_server: Cluster, start_site: StartSite) -> StartSites:
    """Start one server at each node, all on the same empty database."""

    def start(**environ: str) -> list[Site]:
        urls = galera_server.create_database("fresh")
        return [start_site(url, WORKERS="1", SECRET_KEY=SECRET_KEY, **environ) for url in urls]

    return start


@contextlib.contextmanager
def loaded(sites: Sequence[Site], history: History, *, keys: bool = True) -> Iterator[Load]:
    """Clients that load all sites alike as long as the block runs."""
    ports = [site.server.port for site in sites]
    load = Load(ports, history, clients=CLIENTS, keys=keys)
    try:
        yield load
    finally:
        load.stop()


def judge(cluster: Cluster, sites: Sequence[Site], history: History) -> list[str]:
    """What is wrong with the history or with any node. Too many conflicts may turn one away."""
    cluster.catch_up()
    return [problem for site in sites for problem in site.judge(history, refusals=True)]


def test_nodes_that_book_at_once_keep_every_rule_while_one_is_killed_and_rejoins(
    galera_server: Cluster, start_sites: StartSites
) -> None:
    sites = start_sites()
    history = sites[0].make_event(CAPACITY)
    before = galera_server.conflicts()
    killed, behind_it = galera_server.nodes[2], sites[2]
    with loaded(sites, history) as load:
        load.until_done(ENOUGH)
        assert galera_server.conflicts() > before
        killed.kill()
        load.until_refused(1)
        load.until_done(ENOUGH_WITHOUT_ONE)
        killed.start()
        with Client(behind_it.server.port, history) as client:
            assert wait_until(lambda: client.book("back", key="back").done, timeout=30)
        load.until_done(ENOUGH)
    assert judge(galera_server, sites, history) == []
    assert history.longest < LONGEST_WAIT


def sell_three_types(
    cluster: Cluster, sites: Sequence[Site], people: int, chance: random.Random
) -> list[str]:
    """Have a crowd book and cancel at all nodes, and say what was wrong with what came of it."""
    event_id = sites[0].make_event(people // 5).event_id
    quotas = {1: people // 8, 2: people // 16, 3: people // 16}
    types = f"/api/events/{event_id}/types"
    for number, quota in quotas.items():
        call = Call("POST", types, {"name": f"Type {number}", "quota": quota}, LOGIN)
        assert at_once(sites[0].server.port, [call])[0].status == 201
    cluster.catch_up()

    def crowd(n: int) -> list[Answer]:
        """Those who are at one node: some of them give back what they have been told of."""
        port, answers = sites[n].server.port, []
        for who in range(n, people, len(sites)):
            wanted = chance.sample(sorted(quotas), chance.choice([1, 1, 2]))
            items = [{"type": number, "tickets": chance.randint(1, 2)} for number in wanted]
            body = {"userId": f"user {who}", "eventId": event_id, "items": items}
            [booked] = at_once(port, [Call("POST", "/api/events/book", body)])
            answers.append(booked)
            if booked.status == 201 and chance.random() < 0.4:
                answers += at_once(port, [cancel(booked["bookingReference"])])
        return answers

    with ThreadPoolExecutor() as pool:
        # Several clients of each node, so that a batch of one meets that of another.
        answers = [a for told in pool.map(crowd, [*range(len(sites))] * 2) for a in told]
    cluster.catch_up()
    engine = create_engine(sites[0].database_url)
    with engine.connect() as connection:
        wrong = unfair(connection, event_id, people // 5, quotas)
    engine.dispose()
    if {answer.status for answer in answers} - {200, 201, 409, 503}:
        wrong.append(f"answered {Counter(answer.status for answer in answers)}")
    return [*wrong, *(rule for site in sites for rule in site.broken_rules())]


def test_nodes_that_sell_three_types_keep_one_fair_line(
    galera_server: Cluster, start_sites: StartSites
) -> None:
    sites, before = start_sites(), galera_server.conflicts()
    assert sell_three_types(galera_server, sites, 240, random.Random(3)) == []
    assert galera_server.conflicts() > before


def test_types_without_lock_and_guard_are_noticed(
    galera_server: Cluster, start_sites: StartSites
) -> None:
    sites = start_sites(**mutants.environ_of(mutants.without_lock_and_guard))
    chance = random.Random(3)
    assert any(sell_three_types(galera_server, sites, 120, chance) for _ in range(ROUNDS))


def test_conflict_is_told_at_commit_and_the_work_is_run_again(
    galera_server: Cluster, start_site: StartSite, tmp_path: Path
) -> None:
    here, elsewhere = galera_server.create_database("fresh")[0], galera_server.nodes[1]
    site = start_site(here, WORKERS="1")
    event_id = site.make_event(CAPACITY).event_id
    change = f"UPDATE fresh.event SET description = CONCAT(description, '%s') WHERE id = {event_id}"
    errors, attempts = [], []

    def note(context: ExceptionContext) -> None:
        errors.append((context.original_exception.args[0], context.statement))

    def work(connection: Connection) -> str:
        attempts.append(1)
        connection.execute(text(change % "here "))
        if len(attempts) == 1:
            elsewhere.execute(change % "elsewhere ")
        return "done"

    app = create_app(make_settings(here, tmp_path))
    with app.app_context():
        event.listen(write_engine(), "handle_error", note)
        assert write(work) == "done"
    dispose(app)
    at_commit = None
    assert errors == [(1213, at_commit)]
    assert len(attempts) == 2


def test_commit_that_lands_after_another_node_was_asked_for_it_is_the_callers_own(
    galera_server: Cluster,
    start_site: StartSite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody is told that somebody else was first when it was their own lost COMMIT."""
    here, elsewhere, _ = galera_server.nodes
    url = galera_server.create_database("fresh")[0]
    event_id = start_site(url, WORKERS="1").make_event(CAPACITY).event_id
    attempts: list[object] = []

    def late(lock: Callable[..., Any]) -> Callable[..., Any]:
        """Let the lost COMMIT land when the look is over and the work about to begin again."""

        def lock_late(connection: Connection, which: object) -> Any:
            attempts.append(which)
            if len(attempts) == 2:
                proxy.cut(every=1)
                proxy.pass_on()
                assert wait_until(lambda: len(rows_of(url, event_id)) == 1, timeout=30)
                elsewhere.catch_up()
            return lock(connection, which)

        return lock_late

    for lock in (load.lock_event, load.lock_unlocked_events):
        monkeypatch.setattr(load, lock.__name__, late(lock))
    with Proxy(here.port, elsewhere.port, delay=30) as proxy:
        proxy.cut(Cut.LATE, every=1)
        app = create_app(make_settings(through(url, proxy.port), tmp_path))
        with app.app_context():
            receipt = book_tickets(event_id, attendee_id="ada")
        dispose(app)
    assert len(attempts) == 2
    assert [row.reference for row in rows_of(url, event_id)] == [receipt.reference]


# What is left of the rules where a guard is missing, in the words of the checks.
MUTANTS: dict[Callable[[], None], str] = {
    mutants.without_lock_and_guard: "answered 500|is the sum|is the count",
    mutants.without_retry: "turned away",
    mutants.without_waiting_for_other_nodes: "answered 404|a read counted|was seen at",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_missing_guard_is_noticed(
    galera_server: Cluster, start_sites: StartSites, mutant: Callable[[], None]
) -> None:
    sites = start_sites(**mutants.environ_of(mutant))
    with contextlib.ExitStack() as stack:
        if mutant is mutants.without_waiting_for_other_nodes:
            stack.enter_context(galera_server.falling_behind())
        for _ in range(ROUNDS):
            # Most can go wrong while an event is new.
            history = sites[0].make_event(CAPACITY)
            galera_server.catch_up()
            with loaded(sites, history, keys=False) as load:
                load.until_asked(ENOUGH)
            galera_server.catch_up()
            if any(re.search(MUTANTS[mutant], problem) for problem in sites[0].judge(history)):
                return
    pytest.fail("nobody noticed")
