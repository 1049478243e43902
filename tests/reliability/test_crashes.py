"""Killed workers, killed databases, lost connections: what was told is there, nothing is half-done.

Every test loads the real server, breaks something, and then holds what the clients were told
against the database. They go on until enough has happened, so that a slow machine takes longer
but judges the same.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.conftest import NORMALLY_SERVERS
from tests.support import mutants
from tests.support.history import Client, History
from tests.support.proxy import Cut, Proxy
from tests.support.servers import MariaDB, plain_engine, wait_until
from tests.support.site import Load, Site, longest_silence, now, port_of, through

CAPACITY = 100
CLIENTS = 10
ENOUGH = 150
# How long a client may wait for an answer, and the site be silent after it can work again, in
# seconds. Waiting for a batch takes 3 at most, retries 4 and a read that hangs 5.
LONGEST_WAIT = 12.5
LONGEST_SILENCE = 8.0

StartSite = Callable[..., Site]


@contextlib.contextmanager
def loaded(
    site: Site, history: History, *, clients: int = CLIENTS, keys: bool = True, party: int = 1
) -> Iterator[Load]:
    """Clients that load the site as long as the block runs."""
    load = Load([site.server.port], history, clients=clients, keys=keys, party=party)
    try:
        yield load
    finally:
        load.stop()


def test_a_killed_worker_loses_nothing_told(server_url: str, start_site: StartSite) -> None:
    site = start_site(server_url, WORKERS="2")
    history = site.make_event(CAPACITY)
    with loaded(site, history) as load:
        load.until_done(ENOUGH)
        began = now()
        for _ in range(2):
            before = site.server.worker_pids()
            os.kill(before[0], signal.SIGKILL)
            load.until_done(ENOUGH)
            load.until(partial(_replaced, site, before[0]))
        ended = now()
    assert site.judge(history, refusals=True) == []
    assert longest_silence(history, since=began, until=ended) < LONGEST_SILENCE
    assert history.longest < LONGEST_WAIT


def _replaced(site: Site, gone: int) -> bool:
    workers = site.server.worker_pids()
    return len(workers) == 2 and gone not in workers


def test_a_killed_single_worker_on_sqlite_loses_nothing_told(
    tmp_path: Path, start_site: StartSite
) -> None:
    site = start_site(f"sqlite:///{tmp_path / 'nextup.db'}", WORKERS="1")
    history = site.make_event(CAPACITY)
    with loaded(site, history) as load:
        load.until_done(ENOUGH)
        began = now()
        [worker] = site.server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        load.until_done(ENOUGH)
        ended = now()
    assert site.judge(history, refusals=True) == []
    assert longest_silence(history, since=began, until=ended) < LONGEST_SILENCE


@pytest.mark.parametrize("any_url", NORMALLY_SERVERS, indirect=True)
def test_a_repeat_after_a_crash_between_commit_and_answer_is_answered_the_same(
    any_url: str, tmp_path: Path, start_site: StartSite
) -> None:
    order = tmp_path / "die"
    environ = {**mutants.environ_of(mutants.dying_after_a_commit), mutants.ONCE: str(order)}
    site = start_site(any_url, WORKERS="1", **environ)
    history = site.make_event(1)
    with Client(site.server.port, history) as client:
        for user in ("confirmed", "waiting"):
            order.touch()
            assert client.book(user, key=user).status == 0
            assert wait_until(site.server.ready, timeout=20)
            told = client.book(user, key=user)
            assert (told.status, told.answer["status"]) == (201, user)
            assert client.book(user, key=user).answer == told.answer
        order.touch()
        reference = told.answer["bookingReference"]
        assert client.cancel(reference, key="c").status == 0
        assert wait_until(site.server.ready, timeout=20)
        assert client.cancel(reference, key="c").status == 200
    assert not order.exists()
    assert site.judge(history) == []


def test_a_killed_database_loses_nothing_told(
    durable_server: MariaDB, fresh_url: str, start_site: StartSite
) -> None:
    site = start_site(fresh_url, WORKERS="2")
    history = site.make_event(CAPACITY)
    with loaded(site, history) as load:
        load.until_done(ENOUGH)
        durable_server.kill()
        load.until_refused(CLIENTS)
        durable_server.start()
        back = now()
        load.until_done(ENOUGH)
        ended = now()
    assert site.judge(history, refusals=True) == []
    assert longest_silence(history, since=back, until=ended) < LONGEST_SILENCE
    assert history.longest < LONGEST_WAIT


def test_a_connection_lost_around_commit_is_nobodys_trouble(
    server_url: str, start_site: StartSite
) -> None:
    """Without a key too: every request is carried out once, and told."""
    with Proxy(port_of(server_url)) as proxy:
        site = start_site(server_url, reached_by=through(server_url, proxy.port), WORKERS="2")
        for cut in Cut:
            history = site.make_event(CAPACITY)
            proxy.cut(cut, every=4)
            with loaded(site, history, keys=False) as load:
                load.until(partial(_has_cut, proxy, cut))
            assert site.judge(history) == [], cut
            proxy.cut(every=1)
        site.server.stop()


def _has_cut(proxy: Proxy, cut: Cut) -> bool:
    return proxy.done[cut] >= 8


def test_a_database_that_hangs_turns_clients_away_in_time(
    server_url: str, start_site: StartSite
) -> None:
    with Proxy(port_of(server_url)) as proxy:
        site = start_site(server_url, reached_by=through(server_url, proxy.port), WORKERS="2")
        history = site.make_event(CAPACITY)
        with loaded(site, history) as load:
            load.until_done(ENOUGH)
            proxy.freeze()
            load.until_refused(CLIENTS)
            proxy.thaw()
            back = now()
            load.until_done(ENOUGH)
            ended = now()
        assert site.judge(history, refusals=True) == []
        assert longest_silence(history, since=back, until=ended) < LONGEST_SILENCE
        assert history.longest < LONGEST_WAIT
        site.server.stop()


@pytest.mark.long
def test_a_lock_held_by_a_stranger_turns_clients_away_in_time(
    server_url: str, start_site: StartSite
) -> None:
    site = start_site(server_url, WORKERS="1")
    history = site.make_event(CAPACITY)
    engine = plain_engine(server_url)
    with engine.connect() as stranger, Client(site.server.port, history) as client:
        stranger.execute(text("SELECT id FROM event FOR UPDATE"))
        turned_away = client.book("early")
        assert turned_away.status == 503
        assert turned_away.retry_after
        assert client.status().status == 200
        letting_go = threading.Timer(1, stranger.rollback)
        letting_go.start()
        assert client.book("late").status == 201
        letting_go.join()
    assert site.judge(history, refusals=True) == []
    assert history.longest < LONGEST_WAIT
