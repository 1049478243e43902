"""What many clients were told fits the rules; and with any one guard taken out it does not.

The mutants show that the checks can fail. They stay, so that a check that goes blind is noticed.
"""

import re
from collections.abc import Callable

import pytest

from tests.conftest import NORMALLY_SERVERS, NORMALLY_SQLITE
from tests.reliability.test_crashes import StartSite, loaded
from tests.support import mutants
from tests.support.history import Client, run_clients
from tests.support.proxy import Cut, Proxy
from tests.support.servers import MariaDB
from tests.support.site import Site, through

ENOUGH = 500
ROUNDS = 12


@pytest.mark.parametrize("any_url", NORMALLY_SERVERS, indirect=True)
def test_history_of_several_processes_fits_the_rules(any_url: str, start_site: StartSite) -> None:
    """Of one process on SQLite, which is made for that. People book alone, or in parties of 4."""
    site = start_site(any_url, WORKERS="1" if any_url.startswith("sqlite") else "3")
    for party in (1, 4):
        history = site.make_event(60)
        with loaded(site, history, clients=16, party=party) as load:
            load.until_done(ENOUGH)
        assert site.judge(history, refusals=True) == [], f"in parties of {party}"
        # On a machine that other tests load as well, a few wait longer than a server lets them.
        assert history.refused <= len(history.asked) // 20


@pytest.mark.parametrize("any_url", NORMALLY_SQLITE, indirect=True)
def test_twenty_equal_requests_at_once_have_one_effect_and_one_answer(
    any_url: str, start_site: StartSite
) -> None:
    site = start_site(any_url, WORKERS="1" if any_url.startswith("sqlite") else "2")
    history = site.make_event(5)

    def ask(_: int) -> None:
        with Client(site.server.port, history) as client:
            for number in range(5):
                client.book(f"user {number}", key=f"key {number}")

    run_clients(20, ask)()
    assert site.judge(history) == []
    assert len(history.asked) == 100
    assert {asked.status for asked in history.asked} == {201}
    assert len({asked.answer["bookingReference"] for asked in history.asked}) == 5


# How a mutant is met (tickets a booking, a way to lose connections) and what gives it away.
MUTANTS: dict[Callable[[], None], tuple[int, Cut | None, str]] = {
    mutants.without_lock_and_guard: (1, None, "is the sum|is the count"),
    mutants.with_an_old_snapshot: (1, None, "answered 500|is the sum|is the count"),
    mutants.without_retry: (1, Cut.STATEMENT, "turned away"),
    mutants.taking_a_lost_commit_for_failed: (1, Cut.AFTER, "refused a first booking"),
    mutants.taking_a_lost_commit_for_done: (1, Cut.BEFORE, "is lost"),
    mutants.without_one_time_keys: (1, None, "answered in 2 ways"),
    mutants.with_a_stale_cache: (1, None, "a read counted"),
    mutants.letting_newcomers_pass: (4, None, "overtook"),
}


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_missing_guard_is_noticed(
    durable_server: MariaDB, fresh_url: str, start_site: StartSite, mutant: Callable[[], None]
) -> None:
    party, cut, sign = MUTANTS[mutant]
    with Proxy(durable_server.port) as proxy:
        url = through(fresh_url, proxy.port)
        site = start_site(fresh_url, reached_by=url, WORKERS="2", **mutants.environ_of(mutant))
        if cut:
            proxy.cut(cut, every=4)
        given_away = _is_given_away(site, party, sign)
        site.server.stop()
    assert given_away


def _is_given_away(site: Site, party: int, sign: str) -> bool:
    """Whether the checks say so, in as many rounds as it takes."""
    for _ in range(ROUNDS):
        # Most can go wrong while an event is new.
        history = site.make_event(30)
        with loaded(site, history, clients=12, party=party) as load:
            load.until_asked(400)
        if any(re.search(sign, problem) for problem in site.judge(history)):
            return True
    return False
